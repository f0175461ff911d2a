"""Plots: four readable pictures, and clear words when they cannot be had."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from jundscan.errors import JundscanError, OutputError
from jundscan.metrics import balanced_weights

pytest.importorskip("matplotlib")
from jundscan.plots import write_plots

PNG = b"\x89PNG\r\n\x1a\n"
RNG = np.random.default_rng(0)
LABELS = (RNG.random(400) < 0.1).astype(np.int8)
SCORES = (RNG.random(400) * 0.5 + 0.4 * LABELS).astype(np.float32)


def draw(folder: Path, labels: np.ndarray = LABELS, threshold: float = 0.5) -> list[Path]:
    return write_plots(folder, labels, SCORES, balanced_weights(labels), threshold, "jund-1 on a shard")


def test_four_pictures_replace_older_ones(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "plots"
    for _ in range(2):
        paths = draw(folder)
        names = ["roc.png", "precision_recall.png", "calibration.png", "confusion.png"]
        assert [path.name for path in paths] == names
        assert sorted(path.name for path in folder.iterdir()) == sorted(names)
        assert all(path.read_bytes().startswith(PNG) for path in paths)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_any_threshold(tmp_path: Path, threshold: float) -> None:
    assert len(draw(tmp_path, threshold=threshold)) == 4


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_leaves_the_curves_out(tmp_path: Path, label: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "jundscan"):
        paths = draw(tmp_path, np.full(400, label, dtype=np.int8))
    assert [path.name for path in paths] == ["confusion.png"]
    assert "all labels are the same" in caplog.text


def test_without_matplotlib_the_command_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(JundscanError, match=r"pip install 'jundscan\[plots\]'"):
        draw(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        draw(tmp_path / "file")
