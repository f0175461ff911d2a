"""Pictures of evaluations: files, texts, and errors where they cannot be drawn."""

from __future__ import annotations

import logging
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from jundscan.errors import JundscanError, OutputError
from jundscan.evaluation.metrics import balanced_weights

pytest.importorskip("matplotlib")
from jundscan.evaluation.plots import FORMATS, PICTURES, Predictions, reliability, write_plots

RNG = np.random.default_rng(0)
LABELS = (RNG.random(400) < 0.1).astype(np.int8)
SCORES = (RNG.random(400) * 0.5 + 0.4 * LABELS).astype(np.float32)
ALL = {f"{name}.{ending}" for name in PICTURES for ending in FORMATS}
SVG = {name for name in ALL if name.endswith("svg")}


def predictions(name: str = "a shard", labels: np.ndarray = LABELS, threshold: float = 0.5) -> Predictions:
    return Predictions(name, labels, SCORES, balanced_weights(labels), threshold)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def texts(path: Path) -> str:
    """Return the text of an SVG."""
    return " ".join(element.text or "" for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "plots"
    paths = write_plots(folder, [predictions()], "jund-2 on a shard")
    assert {path.name for path in paths} == names(folder)
    return folder


@pytest.mark.slow
def test_every_picture_is_written_as_png_and_svg(drawn: Path) -> None:
    assert names(drawn) == ALL
    for path in drawn.iterdir():
        if path.suffix == ".png":
            content = path.read_bytes()
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
            width, height = struct.unpack(">II", content[16:24])
            assert width == 1050  # 3.5 inches, one column of a journal, at 300 dots per inch
            assert 1000 <= height <= 1200
        else:
            assert "jund-2 on a shard" in texts(path)


def test_svg_labels_are_text_with_values(drawn: Path) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    roc, curve = texts(drawn / "roc.svg"), texts(drawn / "precision_recall.svg")
    assert f"a shard: AUROC {roc_auc_score(LABELS, SCORES):.3f}" in roc
    assert "false-positive rate (share of unbound windows)" in roc
    assert f"a shard: AP {average_precision_score(LABELS, SCORES):.3f}" in curve
    called = (SCORES >= 0.5) & (LABELS == 1)
    assert f"{np.count_nonzero(called)}" in texts(drawn / "confusion.svg")
    assert f"bound, {np.count_nonzero(LABELS)} windows" in texts(drawn / "scores.svg")
    assert "share of them that is bound" in texts(drawn / "calibration.svg")


@pytest.mark.slow
def test_equal_predictions_give_equal_files(drawn: Path, tmp_path: Path) -> None:
    write_plots(tmp_path, [predictions()], "jund-2 on a shard")
    for name in ALL:
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes(), name


def test_reliability_equals_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    observed, predicted = calibration_curve(LABELS, SCORES, n_bins=10)
    mine = reliability(predictions(), None)
    np.testing.assert_allclose(mine[0], predicted, rtol=1e-6)
    np.testing.assert_allclose(mine[1], observed)
    weighted = reliability(predictions(), np.where(LABELS == 1, 3.0, 1.0))
    np.testing.assert_allclose(weighted[1], 3 * observed / (1 + 2 * observed))


@pytest.mark.slow
def test_several_sets_share_the_pictures(tmp_path: Path) -> None:
    sets = [predictions(f"set {number}") for number in range(4)]
    write_plots(tmp_path, sets, formats=("svg",))
    assert names(tmp_path) == SVG
    for name in PICTURES:
        shown = texts(tmp_path / f"{name}.svg")
        assert all(one.name in shown for one in sets), name


@pytest.mark.slow
def test_existing_pictures_are_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "scores.svg").write_text("mine")
    with pytest.raises(OutputError, match=r"scores\.svg: exists already; --force"):
        write_plots(tmp_path, [predictions()])
    assert names(tmp_path) == {"scores.svg"}
    write_plots(tmp_path, [predictions()], formats=("svg",), force=True)
    assert names(tmp_path) == SVG
    assert "mine" not in (tmp_path / "scores.svg").read_text()


@pytest.mark.slow
def test_older_pictures_are_removed_with_force(tmp_path: Path) -> None:
    write_plots(tmp_path, [predictions()], formats=("svg",))
    alone = Predictions("one class", np.zeros(50, np.int8), SCORES[:50], np.ones(50), 0.5)
    written = write_plots(tmp_path, [alone], formats=("svg",), force=True)
    assert names(tmp_path) == {path.name for path in written} == {"confusion.svg", "scores.svg"}


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_pictures_are_drawn_for_extreme_thresholds(tmp_path: Path, threshold: float) -> None:
    assert len(write_plots(tmp_path, [predictions(threshold=threshold)], formats=("svg",))) == len(SVG)


@pytest.mark.slow
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_curves_and_causes_a_warning(
    tmp_path: Path, label: int, caplog: pytest.LogCaptureFixture
) -> None:
    one_class = predictions("flat", np.full(400, label, dtype=np.int8))
    with caplog.at_level(logging.WARNING, "jundscan"):
        write_plots(tmp_path / "alone", [one_class], formats=("svg",))
    assert names(tmp_path / "alone") == {"confusion.svg", "scores.svg"}
    assert "flat: all labels are the same" in caplog.text
    write_plots(tmp_path / "beside", [one_class, predictions("good")], formats=("svg",))
    assert names(tmp_path / "beside") == SVG
    assert "flat" not in texts(tmp_path / "beside" / "roc.svg")
    assert "flat" in texts(tmp_path / "beside" / "scores.svg")


def test_error_without_matplotlib_names_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(JundscanError, match=r"pip install 'jundscan\[plots\]'"):
        write_plots(tmp_path, [predictions()])


def test_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_plots(tmp_path / "file", [predictions()])
