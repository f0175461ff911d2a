"""Results of ``import jundscan`` as a notebook shows them: one line of text, a small table, pictures and frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import jundscan
from jundscan.dna.regions import Region
from jundscan.errors import InputError, JundscanError
from jundscan.model.model import Model
from tests.helpers.inputs import write_shard

SITE = "ACGT" * 60 + "TGACTCA" + "ACGT" * 60
HOSTILE = "<b>&chr"
"""A name that would be markup if it were not escaped."""


@pytest.fixture
def pyplot() -> Iterator[Any]:
    """The module pyplot, without windows on a screen and without figures of other tests."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def evaluation(model: Model, tmp_path_factory: pytest.TempPathFactory) -> jundscan.Evaluation:
    return jundscan.evaluate(write_shard(tmp_path_factory.mktemp("shards") / "s"), model=model)


@pytest.fixture(scope="module")
def explanation(model: Model) -> jundscan.Explanation:
    [found] = jundscan.explain({HOSTILE: SITE}, f"{HOSTILE}:200-300", model=model)
    return found


@pytest.fixture(scope="module")
def chunk(model: Model) -> jundscan.ScoredWindows:
    [found] = jundscan.scan({HOSTILE: f"{SITE}{'N' * 50}{SITE}"}, windows=True, model=model)
    return found


@pytest.fixture(scope="module")
def effects(model: Model) -> list[jundscan.Effect]:
    listed = [(HOSTILE, 240, "T", ["A"]), (HOSTILE, 240, "G", ["A" * 30])]
    return list(jundscan.variants({HOSTILE: SITE}, listed, model=model))


@pytest.fixture
def results(
    model: Model,
    evaluation: jundscan.Evaluation,
    explanation: jundscan.Explanation,
    chunk: jundscan.ScoredWindows,
    effects: list[jundscan.Effect],
) -> list[Any]:
    empty = chunk._replace(indices=chunk.indices[:0], starts=chunk.starts[:0], probabilities=chunk.probabilities[:0])
    unlabelled = jundscan.evaluate(evaluation.shards.codes, model=model)
    [unknown] = jundscan.explain({"s": "N" * 300}, "s:100-110", model=model)
    return [model, evaluation, unlabelled, explanation, unknown, chunk, empty, *effects]


def cells(html: str) -> list[list[str]]:
    """Return the text of each row of a table, and fail for text that was not escaped."""
    table = ElementTree.fromstring(html)
    assert {element.tag for element in table.iter()} <= {"table", "caption", "tr", "th", "td"}
    assert not any(element.attrib for element in table.iter())
    return [[cell.text or "" for cell in row] for row in table.iter("tr")]


def test_every_result_is_one_short_line_of_text(results: list[Any]) -> None:
    for result in results:
        text = repr(result)
        assert text.startswith(f"<{type(result).__name__}: ")
        assert text.isprintable()
        assert len(text) < 220


def test_every_result_is_a_small_table_whose_text_is_escaped(results: list[Any]) -> None:
    for result in results:
        html = result._repr_html_()
        assert len(cells(html)) <= 11
        assert len(html) < 4_000
        caption = ElementTree.fromstring(html).findtext("caption")
        assert caption
        assert HOSTILE not in html


def test_texts_name_what_matters(
    model: Model,
    evaluation: jundscan.Evaluation,
    explanation: jundscan.Explanation,
    chunk: jundscan.ScoredWindows,
    effects: list[jundscan.Effect],
) -> None:
    report, response = evaluation.report, explanation.response
    assert report is not None
    assert response is not None
    assert model.metadata.name in repr(model)
    assert model.provider in repr(model)
    assert f"AUROC {report['auroc']:.3f}" in repr(evaluation)
    assert ["AUROC", f"{report['auroc']:.3f}"] in [row[:2] for row in cells(evaluation._repr_html_())]
    best = 200 + int(np.abs(explanation.contributions).argmax())
    assert f"strongest {SITE[best]} at {best}" in repr(explanation)
    assert f"probability {response.probability:.4f}" in repr(explanation)
    rows = cells(explanation._repr_html_())[1:]
    strongest = np.argsort(-np.abs(explanation.contributions))[:10] + 200
    assert [int(row[0]) for row in rows] == sorted(strongest.tolist())
    assert [row[1] for row in rows] == [SITE[int(row[0])] for row in rows]
    assert f"{chunk.probabilities.max():.4f} at {chunk.starts[chunk.probabilities.argmax()]}" in repr(chunk)
    top = np.sort(chunk.probabilities)[-5:]
    assert sorted(float(row[3]) for row in cells(chunk._repr_html_())[1:]) == pytest.approx(top, abs=1e-4)
    scored, mismatch = effects
    assert f":240 T>A, scored, probability {scored.reference:.4f} to {scored.alternative:.4f}" in repr(scored)
    assert f"G>{'A' * 20}… (30 bases), ref_mismatch" in repr(mismatch)
    assert len(repr(mismatch)) < 80


def test_an_undefined_metric_is_named_so(model: Model, evaluation: jundscan.Evaluation) -> None:
    bound = jundscan.evaluate(evaluation.shards.codes, np.ones(len(evaluation.probabilities), int), model=model)
    assert "AUROC undefined" in repr(bound)
    assert ["AUROC", "undefined", ""] in cells(bound._repr_html_())


def test_curves_are_those_of_the_probabilities(evaluation: jundscan.Evaluation, pyplot: Any) -> None:
    from sklearn.metrics import roc_curve

    roc, precision_recall = evaluation.plot()
    rates, recalls, _ = roc_curve(evaluation.shards.labels, evaluation.probabilities)
    curve = next(line for line in roc.lines if line.get_label().startswith("jund-2: AUROC"))
    np.testing.assert_array_equal(curve.get_xydata(), np.column_stack([rates, recalls]))
    assert any(line.get_label().startswith("jund-2: AP") for line in precision_recall.lines)
    assert roc.figure is precision_recall.figure
    _, mine = pyplot.subplots(2, 1)
    assert evaluation.plot(mine).tolist() == mine.tolist()
    assert mine[0].lines
    assert len(pyplot.get_fignums()) == 2


def test_curves_that_cannot_be_drawn_are_errors(model: Model, evaluation: jundscan.Evaluation, pyplot: Any) -> None:
    codes = evaluation.shards.codes
    with pytest.raises(InputError, match="have no labels"):
        jundscan.evaluate(codes, model=model).plot()
    with pytest.raises(InputError, match="all windows are unbound"):
        jundscan.evaluate(codes, np.zeros(len(codes), int), model=model).plot()
    with pytest.raises(InputError, match="ax: must hold two Axes"):
        evaluation.plot(pyplot.figure().subplots())


@pytest.mark.slow
def test_contributions_are_drawn_as_letters(explanation: jundscan.Explanation, pyplot: Any) -> None:
    pytest.importorskip("logomaker")
    axes = explanation.plot()
    assert axes.get_xlim() == (199.5, 299.5)
    assert axes.get_xlabel() == f"position on {HOSTILE}, 0-based"
    assert "TGACTCA" in " ".join(text.get_text() for text in axes.texts)
    letters = [patch for patch in axes.patches if patch.get_path().vertices.shape[0] > 5]
    assert len(letters) >= np.count_nonzero(explanation.contributions)
    mine = pyplot.figure().subplots()
    assert explanation.plot(mine) is mine
    assert mine.get_ylim() == axes.get_ylim()


def test_windows_are_drawn_at_their_centres_with_a_gap_at_unknown_letters(
    chunk: jundscan.ScoredWindows, pyplot: Any
) -> None:
    axes = chunk.plot(threshold=0.5)
    line, threshold = axes.lines
    x, y = line.get_data()
    drawn = ~np.isnan(y)
    np.testing.assert_array_equal(x[drawn], chunk.starts + 50)
    np.testing.assert_allclose(y[drawn], chunk.probabilities, atol=1e-6)
    assert np.count_nonzero(~drawn) == 1
    assert threshold.get_label() == "threshold 0.5"
    low, high = axes.get_ylim()
    assert low < chunk.probabilities.min()
    assert high > chunk.probabilities.max()


def test_chunks_may_share_axes(chunk: jundscan.ScoredWindows, pyplot: Any) -> None:
    low, high = (chunk._replace(probabilities=np.full_like(chunk.probabilities, value)) for value in (0.001, 0.999))
    for first, second in ((low, high), (high, low)):
        axes = second.plot(first.plot())
        assert axes.get_ylim()[0] < 0.001
        assert axes.get_ylim()[1] > 0.999
    with pytest.raises(InputError, match="threshold"):
        chunk.plot(threshold=2)


def test_pictures_without_matplotlib_are_errors_that_name_the_extra(
    evaluation: jundscan.Evaluation,
    explanation: jundscan.Explanation,
    chunk: jundscan.ScoredWindows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.pyplot", "logomaker"):
        monkeypatch.setitem(sys.modules, name, None)
    for result in (evaluation, explanation, chunk):
        with pytest.raises(JundscanError, match=r"matplotlib.*: run pip install 'jundscan\[plots\]'"):
            result.plot()


def test_hits_windows_effects_and_bases_become_frames(model: Model, genome: Path) -> None:
    pytest.importorskip("pandas")
    hits = list(jundscan.scan(genome, model=model, threshold=0.0))
    table = jundscan.scan(genome, model=model, threshold=0.0).to_frame()
    assert list(table.columns) == list(jundscan.Hit._fields)
    assert table["probability"].tolist() == [hit.probability for hit in hits]
    windows = jundscan.scan(genome, model=model, windows=True, stride=50).to_frame()
    assert windows.index.tolist() == list(range(len(windows)))
    assert windows["chrom"].nunique() > 1
    effects = jundscan.variants({"s": SITE}, [("s", 240, "T", ["A", "C"])], model=model).to_frame()
    assert list(effects.columns) == list(jundscan.Effect._fields)
    assert effects["alternative_allele"].tolist() == ["A", "C"]
    bases = jundscan.explain({"s": SITE}, ["s:10-20", "s:238-248"], model=model).to_frame()
    assert bases["start"].tolist() == [*range(10, 20), *range(238, 248)]


def test_a_frame_without_hits_has_the_columns_of_hits(model: Model) -> None:
    pytest.importorskip("pandas")
    table = jundscan.scan({"s": SITE}, model=model, threshold=1.0).to_frame()
    assert len(table) == 0
    assert list(table.columns) == list(jundscan.Hit._fields)
    assert len(jundscan.explain({"s": SITE}, hits=[], model=model).to_frame()) == 0


def test_results_are_iterators_that_name_what_they_yield(model: Model, genome: Path) -> None:
    results = jundscan.scan(genome, model=model, threshold=0.0)
    assert isinstance(results, jundscan.Results)
    assert isinstance(results, Iterator)
    assert repr(results) == "<Results: an iterator over Hit; to_frame() makes a table of them>"
    first = next(results)
    again = list(jundscan.scan(genome, model=model, threshold=0.0))
    assert [first, *results] == again
    assert next(results, None) is None
    closed = jundscan.scan(genome, model=model, threshold=0.0)
    next(closed)
    closed.close()
    assert list(closed) == []


def test_without_pandas_a_scan_is_not_started(model: Model, genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = jundscan.scan(genome, model=model, threshold=0.0)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JundscanError, match="needs pandas: run pip install pandas"):
        results.to_frame()
    assert len(list(results)) > 1


@pytest.mark.slow
def test_a_region_is_drawn_whatever_its_length(explanation: jundscan.Explanation, pyplot: Any) -> None:
    pytest.importorskip("logomaker")
    rng = np.random.default_rng(0)
    long = explanation._replace(
        region=Region("s", 0, 2_000), codes=rng.integers(0, 4, 2_000, np.uint8), contributions=rng.normal(size=2_000)
    )
    unknown = explanation._replace(
        region=Region("s", 0, 3), codes=np.full(3, 4, np.uint8), contributions=np.full(3, np.nan)
    )
    assert [one.plot().figure.get_size_inches()[0] for one in (long, unknown)] == [25, 5]
