"""Numbers that the pages quote are those of the exported files and of the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jundscan
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.evaluation.metrics import RESAMPLES
from jundscan.evaluation.truth import BOUND_BASES
from jundscan.model.load import default_model_path, load_model
from jundscan.model.metadata import CalibrationRow
from jundscan.model.thresholds import frequency
from jundscan.options import DEFAULT_STRIDE

ROOT = Path(__file__).parents[2]
METADATA = load_model(default_model_path(), "cpu").metadata
TABLE = METADATA.tables["with_accessibility"]
DEFAULT_ROW = next(row for row in TABLE.rows if row.threshold == TABLE.default_threshold)


def exported(name: str) -> Any:
    return json.loads((ROOT / "exported" / name).read_text())


def row_at(threshold: str) -> CalibrationRow:
    """Return the calibrated row whose threshold has these four decimals."""
    (row,) = (row for row in TABLE.rows if f"{row.threshold:.4f}" == threshold)
    return row


def held_out(cell: str, mode: str) -> dict[str, float]:
    record = exported("crossval.json")
    (models,) = (one for one in record["models"].values() if one.get("key") == record["selected"])
    found: dict[str, float] = models["cells"][cell][mode]
    return found


def metric_cells(metrics: dict[str, float]) -> str:
    return " | ".join(f"{metrics[name]:.3f}" for name in ("weighted_accuracy", "auroc", "average_precision"))


def quoted() -> Iterator[tuple[str, str]]:
    """Yield page and text, in which every number comes from a file or from the code."""
    default = exported("jund-2/metrics.json")
    yield "students", f"({default['n']:,} windows, {default['positives']} bound)"
    yield "students", f"| CNN, with its neighbourhood | {metric_cells(default)} |"
    yield "students", f"| CNN, the window alone | {metric_cells(default['window_with_accessibility'])} |"
    for family in ("mlp", "lstm"):
        metrics = exported(f"jund-2-{family}/metrics.json")
        yield "students", f"| `jund-2-{family}` | {family.upper()} | {metric_cells(metrics)} |"
        shape = metrics["training"]["candidate"]["network"]
        if family == "mlp":
            yield "students", f"{shape['filters']} hidden units"
        else:
            steps = (WINDOW_LENGTH - shape["filter_width"] + 1) // shape["pool"]
            yield (
                "students",
                f"{shape['filters']} filters, maxima of {shape['pool']} positions, an LSTM over {steps} steps",
            )
    shape = default["training"]["candidate"]["network"]
    yield "students", f"{shape['filters']} filters of {shape['filter_width']} bases"
    widest = max(METADATA.accessibility_widths)
    yield "students", f"{METADATA.flank} bases to each side and accessibility over up to {widest:,} bases"
    yield "glossary", f"{METADATA.flank} bases to each side, and accessibility over up to {widest:,} bases"
    yield "glossary", f"at least {BOUND_BASES} of its {WINDOW_LENGTH} bases"
    yield "glossary", f"over {RESAMPLES:,} resamples"
    yield "glossary", f"The default is {DEFAULT_STRIDE}"
    for page in ("formats", "own-factor"):
        yield page, f"at least {BOUND_BASES} of its {WINDOW_LENGTH} bases"
    for page in ("students", "thresholds", "limitations"):
        yield page, f"about {frequency(METADATA.prevalence)}"
    yield "thresholds", f"`--{TABLE.default_rule}`"
    yield "citing", f"rate of {TABLE.default_rule.removeprefix('fpr ')} on held-out windows"
    yield "citing", f"version = {{{jundscan.__version__}}}"
    for threshold in ("0.9031", "0.9799", "0.9921"):
        yield "thresholds", f"| {threshold} | {row_at(threshold).precision:.3f} |"
    row = row_at("0.9799")
    yield "thresholds", f"**recall** {row.recall:.3f}"
    yield "thresholds", f"**false-positive rate** {row.fpr:.5f}"
    yield "thresholds", f"**precision** {row.precision:.3f}"
    yield "thresholds", f"**hits on a peak** {row.hit_precision:.3f}"
    yield "thresholds", f"**peaks hit** {row.peak_recall:.3f}"
    yield "limitations", f"{DEFAULT_ROW.precision:.0%} of the called windows are bound".replace("%", " %")
    yield "limitations", f"{DEFAULT_ROW.recall:.0%} of the bound windows are called".replace("%", " %")
    known, alone = (
        [held_out(cell, mode)["average_precision"] for cell in ("HepG2", "K562")]
        for mode in ("with_accessibility", "without_accessibility")
    )
    unseen = {one["judged_on"]: one["with_accessibility"] for one in exported("crossval.json")["cross_cell"]}
    foreign = [unseen[cell]["average_precision"] for cell in ("HepG2", "K562")]
    yield "limitations", f"in HepG2 is {known[0]:.3f} on held-out blocks, but {foreign[0]:.3f}"
    yield "limitations", f"In K562 it is {known[1]:.3f} and {foreign[1]:.3f}"
    yield "limitations", f"falls to {alone[0]:.3f} in HepG2 and {alone[1]:.3f} in K562"


@pytest.mark.parametrize(("page", "text"), list(quoted()))
def test_page_quotes_the_number_of_its_source(page: str, text: str) -> None:
    assert text in " ".join((ROOT / "docs" / f"{page}.md").read_text().split())


def test_comparison_with_boosting_is_as_the_page_says() -> None:
    paired = exported("crossval.json")["paired"]["cells"]

    def interval(cell: str, mode: str) -> tuple[float, float]:
        low, high = paired[cell][mode]["average_precision"]["interval"]
        return low, high

    for mode in ("with_accessibility", "without_accessibility"):
        low, high = interval("HepG2", mode)
        assert low < 0 < high
    assert min(interval("K562", "with_accessibility")) > 0 > max(interval("K562", "without_accessibility"))


def test_learning_curves_are_as_the_page_says() -> None:
    curve = exported("jund-2/metrics.json")["training"]["curve"]
    losses = [epoch["loss"] for epoch in curve]
    accuracies = [epoch["valid"]["with_accessibility"]["weighted_accuracy"] for epoch in curve]
    half = len(curve) // 2
    assert losses[0] - losses[half] > 3 * (losses[half] - losses[-1]) > 0
    assert accuracies.index(max(accuracies)) < half
    assert max(accuracies) > accuracies[-1]


def test_full_run_beside_the_quick_one_is_as_the_page_says() -> None:
    modes = exported("crossval.json")["models"]["cnn"]["cells"]["HepG2"]
    rows = {
        "with accessibility": "with_accessibility",
        "sequence alone": "without_accessibility",
        "with accessibility, the window alone": "window_with_accessibility",
        "sequence of the window alone": "window_without_accessibility",
    }
    page = (ROOT / "docs" / "students.md").read_text()
    for label, mode in rows.items():
        assert re.search(rf"^\| {label} \| 0\.\d{{3}} \| {modes[mode]['auroc']:.3f} \|$", page, re.MULTILINE)
