"""The parts of a model card that ``crossval.json`` holds the figures of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jundscan.model.metadata import MODES, WINDOW_MODES
from train.comparison.baselines import BASELINES
from train.fitting.fit import JUDGED

METRICS = dict(zip(JUDGED, ("weighted accuracy", "AUROC", "average precision"), strict=True))
FAMILIES = {"cnn": "CNN", "mlp": "MLP", "lstm": "LSTM"}
SHOWN = {
    MODES[0]: "with accessibility",
    MODES[1]: "sequence alone",
    WINDOW_MODES[0]: "with accessibility, the window alone",
    WINDOW_MODES[1]: "sequence of the window alone",
}


def value(report: Mapping[str, Any], metric: str) -> str:
    """Show a metric with its 95 % interval."""
    low, high = report["confidence_intervals"][metric]
    return f"{report[metric]:.3f} ({low:.3f}–{high:.3f})"


def table_head(*first: str) -> list[str]:
    """Head of a table with a column for every metric behind the first ones."""
    columns = [*first, *METRICS.values()]
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


def metrics_row(label: str, report: Mapping[str, Any]) -> str:
    """Show every metric with its interval, behind ``label``."""
    return f"| {label} | " + " | ".join(value(report, metric) for metric in METRICS) + " |"


def comparison_parts(record: Mapping[str, Any]) -> list[str]:
    """Write the parts of the card that the record of ``python -m train crossval`` fills, one line an item.

    Parameters
    ----------
    record : mapping
        ``crossval.json``; a part that is not in it is left out.
    """
    lines = _blocked(record)
    parts = {
        "paired": _paired,
        "repeated": _repeated,
        "cross_cell": _cross_cell,
        "rescaled": _rescaled,
        "calibration": _calibration,
    }
    for name, write in parts.items():
        if name in record:
            lines += ["", *write(record)]
    return lines


def _label(record: Mapping[str, Any], name: str) -> str:
    model = record["models"][name]
    if model["kind"] == "baseline":
        return str(model["label"])
    mark = ", selected" if model["key"] == record["selected"] else ""
    return f"**{FAMILIES[name]}** (`{model['key']}`, epoch {model['epoch']}{mark})"


def _blocked(record: Mapping[str, Any]) -> list[str]:
    windows = ", ".join(f"{one['name']} {one['windows']:,} windows, {one['bound']:,} bound" for one in record["data"])
    lines = [
        "## Blocked cross-validation",
        f"Training and validation windows ({windows}) in {record['blocks']} blocks of {record['block_bases']:,} bases, "
        f"no peak divided, dealt out to {record['folds']} folds. Every model is fitted with each fold held out, on all "
        "cell types together, and judged on the pooled predictions of the held-out windows. Intervals: 95 % bootstrap "
        "over blocks. A network that sees more than the window is not fitted on windows that see the blocks held out.",
    ]
    for one in record["data"]:
        for mode, shown in SHOWN.items():
            reports = {name: model["cells"][one["name"]].get(mode) for name, model in record["models"].items()}
            rows = [metrics_row(_label(record, name), report) for name, report in reports.items() if report is not None]
            if rows:
                lines += ["", f"{one['name']}, {shown}:", "", *table_head("model"), *rows]
    return lines


def _paired(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Against gradient boosting",
        f"The selected recipe minus {BASELINES[record['paired']['minus']][0]}, on the same draws of blocks, with 95 % "
        "intervals:",
        "",
        *table_head("cell type", "mode"),
    ]
    for cell, modes in record["paired"]["cells"].items():
        for mode, metrics in modes.items():
            shown = (
                f"{one['difference']:+.3f} ({one['interval'][0]:+.3f} to {one['interval'][1]:+.3f})"
                for one in (metrics[metric] for metric in METRICS)
            )
            lines.append(f"| {cell} | {SHOWN[mode]} | {' | '.join(shown)} |")
    return lines


def _repeated(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Other seeds",
        f"The selected recipe with seeds {', '.join(map(str, record['repeated']['seeds']))}: "
        "mean ± standard deviation.",
        "",
        *table_head("cell type", "mode"),
    ]
    for cell, modes in record["repeated"]["cells"].items():
        for mode, metrics in modes.items():
            shown = (f"{metrics[metric]['mean']:.3f} ± {metrics[metric]['sd'] or 0.0:.3f}" for metric in METRICS)
            lines.append(f"| {cell} | {SHOWN[mode]} | {' | '.join(shown)} |")
    return lines


def _cross_cell(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Another cell type",
        "The selected recipe fitted without a cell type, and judged on that cell type's windows in the blocks that "
        "were held out, by its own track; 95 % bootstrap intervals over blocks.",
        "",
        *table_head("fitted on", "judged on", "mode"),
    ]
    for row in record["cross_cell"]:
        for mode, shown in SHOWN.items():
            if row.get(mode) is not None:
                lines.append(metrics_row(f"{', '.join(row['fitted_on'])} | {row['judged_on']} | {shown}", row[mode]))
    return lines


def _rescaled(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Accessibility in another unit",
        "Difference of the validation metrics when every accessibility value is changed first; the largest is "
        f"{record['rescaled']['largest']:.4f}. Ranks: ties averaged, the lowest is 0.",
        "",
        *table_head("cell type", "accessibility"),
    ]
    for cell, rows in record["rescaled"]["cells"].items():
        for name, metrics in rows.items():
            shown = " | ".join(f"{metrics[metric]:+.4f}" for metric in METRICS)
            lines.append(f"| {cell} | {name} | {shown} |")
    return lines


def _calibration(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Do thresholds keep their promise?",
        f"{record['calibration']['data']}: thresholds for a false-positive rate, from the held-out predictions of all "
        "folds but one, tried on that one; all folds together. In brackets the binomial 95 % interval about what was "
        "promised, and beside it in how many of the folds the observed value lies within that fold's interval. All "
        "folds together agree nearly by construction, since each is in the others' tables; the single folds are the "
        "test. Windows of a peak or of an open region are called together, so that real counts spread wider than "
        "binomial ones: from region to region, expect more variation than these intervals say.",
        "",
        "| mode | rate asked for | recall promised | observed | folds within | false-positive rate promised | observed "
        "| folds within |",
        "|---" * 8 + "|",
    ]
    for mode, found in record["calibration"]["modes"].items():
        for row in found["pooled"]:
            cells = [SHOWN[mode], f"{row['rate']:g}"]
            folds = [one for one in found["folds"] if one["rate"] == row["rate"]]
            for name, digits in (("recall", 3), ("fpr", 5)):
                one = row[name]
                low, high = one["interval"]
                within = sum(fold[name]["within"] for fold in folds)
                cells += [
                    f"{one['promised']:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})",
                    f"{one['observed']:.{digits}f}" + ("" if one["within"] else " (outside)"),
                    f"{within} of {len(folds)}",
                ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines
