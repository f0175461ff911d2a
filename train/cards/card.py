"""A model card and the tables in it, from what the files of an export hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jundscan.model.metadata import MODES, WINDOW_MODES, CalibrationRow, Metadata, ThresholdTable
from train.cards.filters import FilterHistory, Nearest
from train.comparison.baselines import BASELINES
from train.config import ADOPTED, ALONE, JUND
from train.fitting.fit import METRICS
from train.fitting.motif_choice import LEARNED

METRIC_NAMES = dict(zip(METRICS, ("weighted accuracy", "AUROC", "average precision"), strict=True))
FAMILIES = {"cnn": "CNN", "mlp": "MLP", "lstm": "LSTM"}
SHOWN = {
    MODES[0]: "with accessibility",
    MODES[1]: "sequence alone",
    WINDOW_MODES[0]: "with accessibility, the window alone",
    WINDOW_MODES[1]: "sequence of the window alone",
}
SHARES = {"hit_precision": "hits on a peak", "peak_recall": "peaks hit"}
"""Fields of calibration rows with shares of peaks and hits, and their names."""
TWO_NETWORKS = "- A second network, fitted on windows alone, scores windows whose neighbourhood is unknown."
MOVED_BELOW = 0.9
"""Similarity to its start below which the card says that a filter moved."""
MAX_CHROMOSOMES_NAMED = 25
"""Maximum chromosomes that a card names."""


def share(value: float | None) -> str:
    """Format a share to three decimals, or as a dash if it is None."""
    return "–" if value is None else f"{value:.3f}"


def value(report: Mapping[str, Any], metric: str) -> str:
    """Format a metric with its 95 % interval."""
    low, high = report["confidence_intervals"][metric]
    return f"{report[metric]:.3f} ({low:.3f}–{high:.3f})"


def table_head(*first: str) -> list[str]:
    """Return the head of a table with the columns ``first`` and one for every metric."""
    columns = [*first, *METRIC_NAMES.values()]
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


def metrics_row(label: str, report: Mapping[str, Any]) -> str:
    """Return a table row with ``label`` and every metric with its interval."""
    return f"| {label} | " + " | ".join(value(report, metric) for metric in METRIC_NAMES) + " |"


def _candidate_lines(training: Mapping[str, Any]) -> list[str]:
    lines = [
        "## All candidates",
        "Networks that see more than the window are judged on held-out blocks, averaged over the data sets. The others "
        "are judged on validation windows. The highest weighted accuracy is selected.",
        "",
        "| candidate | epoch | judged on | weighted accuracy | AUROC | average precision |",
        "|---|---|---|---|---|---|",
    ]
    for key, candidate in training["candidates"].items():
        blocked = candidate["blocked"]
        judged = (candidate["validation"] if blocked is None else blocked)[MODES[0]]
        mark = " (selected)" if key == training["selected"] else ""
        where = "validation" if blocked is None else "held-out blocks"
        lines.append(
            f"| {candidate.get('label', key)}{mark} | {candidate['best_epoch']} | {where} | "
            + " | ".join(f"{judged[metric]:.3f}" for metric in METRIC_NAMES)
            + " |"
        )
    return lines


def _network_name(metadata: Metadata) -> str:
    """Return what kind of network a model is, with its article."""
    if metadata.family == ADOPTED:
        return f"A network of its user's own (`{metadata.architecture['class']}` of `{metadata.architecture['file']}`)"
    return f"{'A' if metadata.family == 'cnn' else 'An'} {FAMILIES[metadata.family]}"


def _fit_line(metadata: Metadata, fitted: Mapping[str, Any]) -> str:
    if metadata.family != ADOPTED:
        return (
            f"- Seed {metadata.seed}, epoch {fitted['epoch']} of {fitted['candidate']['fit']['epochs']}, selected by "
            "weighted accuracy."
        )
    if fitted["fit"] is None:
        return "- Its weights were given. That they were fitted on these training windows is the user's word."
    return f"- Seed {metadata.seed}. The last of {fitted['epoch']} epochs was kept."


def _not_a_test(metadata: Metadata) -> str:
    """Say why the validation windows are no test."""
    if metadata.family == ADOPTED:
        return "This is not a test if the network or its settings were chosen on these windows"
    chosen = "networks of other families" if metadata.sees_neighbourhood else "epoch and sizes"
    return f"This is not a test, because {chosen} were chosen on these windows"


def _refit_rows(metadata: Metadata, fitted: Mapping[str, Any]) -> list[str]:
    """Return rows on held-out blocks of an adopted network's further fits, if there were any."""
    if metadata.family != ADOPTED or fitted["blocked"] is None:
        return []
    return [metrics_row(f"{SHOWN[mode]}, on held-out blocks", report) for mode, report in fitted["blocked"].items()]


def _sees_instead(metadata: Metadata) -> list[str]:
    """Say what an adopted network sees where accessibility is not available."""
    if metadata.family != ADOPTED:
        return []
    if not metadata.architecture["reads_accessibility"]:
        return ["- The network does not read accessibility. Both tables of thresholds are therefore alike."]
    return [
        "- Where accessibility is not available, the network sees "
        f"{metadata.architecture['missing_accessibility']:g}, as if that were the percentile."
    ]


def _threshold_rows(table: ThresholdTable) -> list[str]:
    rows = table.rows[:: max(1, len(table.rows) // 15)]
    columns = ["threshold", "recall", "false-positive rate", "precision"]
    knows_peaks = any(row.hit_precision is not None for row in rows)
    columns += ["hits on a peak", "peaks hit"] if knows_peaks else []
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        shares = (row.precision, row.hit_precision, row.peak_recall) if knows_peaks else (row.precision,)
        cells = [f"{row.threshold:.4f}", f"{row.recall:.3f}", f"{row.fpr:.5f}", *map(share, shares)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _filter_lines(nearest: Sequence[Nearest], fixed: bool) -> list[str]:
    if not nearest:
        return []
    if fixed:
        names = "; ".join(one.name for one in nearest)
        return ["", "## What the first layer looks for", f"Its filters are JASPAR motifs, kept as they are: {names}."]
    rows = (f"| {number} | {one.name} | {one.correlation:.3f} |" for number, one in enumerate(nearest, 1))
    return [
        "",
        "## What the first layer learned",
        "Filters started from JASPAR motifs and were then fitted. The table shows the motif nearest to each, by "
        "correlation of the weights over all shifts and both strands.",
        "",
        "| filter | nearest motif | correlation |",
        "|---|---|---|",
        *rows,
    ]


def _history_lines(histories: Sequence[FilterHistory], choice: str, fixed: bool) -> list[str]:
    """Return the card's section on filters that started from other motifs than JUND's."""
    learned = sum(one.start.source == LEARNED for one in histories)
    moved = [number for number, one in enumerate(histories, 1) if one.similarity < MOVED_BELOW]
    if fixed:
        outcome = "All filters stayed as they started, because this network does not fit them."
    elif moved:
        outcome = (
            f"The fit moved {len(moved)} of {len(histories)} (similarity to their start below {MOVED_BELOW:g}): "
            f"filters {', '.join(map(str, moved))}. The others hardly moved."
        )
    else:
        outcome = f"The fit moved none of them much: similarity to their start is {MOVED_BELOW:g} or more."
    rows = [
        f"| {number} | {one.start.name} | {'–' if one.start.auroc is None else f'{one.start.auroc:.3f}'} "
        f"| {one.similarity:.3f} | {one.nearest.name} | {one.nearest.correlation:.3f} |"
        for number, one in enumerate(histories, 1)
    ]
    return [
        "",
        "## What the first layer looks for",
        f"Motifs were chosen by `--motifs` {choice}. Of these {len(histories)} filters, {len(histories) - learned} "
        f"started from known motifs. {learned} started from motifs that a first fit learned from the training windows. "
        + outcome,
        "",
        "AUROC is how well a motif's best score alone tells bound from unbound training windows: 0.5 is chance. "
        "Similarity is the correlation of weights at the best shift: 1 is the same, 0 is unlike. The nearest motif is "
        "that of JASPAR's vertebrate matrices, on either strand.",
        "",
        "| filter | started from | AUROC of the start | similarity to its start | nearest motif | similarity to it |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _motif_limit(choice: str, starts: Sequence[Mapping[str, Any]]) -> list[str]:
    if choice == JUND:
        return [
            "- The motifs that the filters start from were chosen on chromosome 22 of hg19, in HepG2 and K562. Metrics "
            "on windows from there are therefore slightly too good, even on held-out blocks."
        ]
    if any(one["auroc"] is not None for one in starts):
        return [
            "- Training windows chose the motifs that the filters start from. For each held-out block the motifs were "
            "chosen again without its windows."
        ]
    return []


def _what_it_sees(metadata: Metadata) -> list[str]:
    if not metadata.sees_neighbourhood:
        return ["- It sees the window alone."]
    widths = ", ".join(f"{width:,}" for width in metadata.accessibility_widths)
    return [
        f"- It sees {metadata.flank} bases to each side of a window, and mean accessibility over {widths} bases around "
        "its centre. Each width has its own percentiles. An unknown letter never raises a motif's score.",
        *([TWO_NETWORKS] if ALONE in metadata.architecture else []),
    ]


def _neighbourhood_note(metadata: Metadata, metrics: dict[str, Any]) -> list[str]:
    if not metadata.sees_neighbourhood:
        return []
    known, windows = metrics["neighbourhood"]["known"], metrics["neighbourhood"]["windows"]
    return [
        f"The neighbourhood of {known:,} of {windows:,} windows is known. Metrics with the neighbourhood are too good "
        "here, because most of these windows see bases and accessibility of a training window. Use the metrics on "
        "held-out blocks below instead. Metrics of windows alone are not affected.",
        "",
    ]


def comparison_parts(record: Mapping[str, Any]) -> list[str]:
    """Return the lines of the card's sections on ``crossval.json``.

    Parameters
    ----------
    record : mapping
        ``crossval.json``. The card omits parts that it lacks.
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
    return f"**{FAMILIES[name]}** (`{model.get('label', model['key'])}`, epoch {model['epoch']}{mark})"


def _blocked(record: Mapping[str, Any]) -> list[str]:
    windows = ", ".join(f"{one['name']} {one['windows']:,} windows, {one['bound']:,} bound" for one in record["data"])
    lines = [
        "## Blocked cross-validation",
        f"Training and validation windows ({windows}) lie in {record['blocks']} blocks of {record['block_bases']:,} "
        f"bases, which divide no peak. The blocks form {record['folds']} folds. Every model is fitted with each fold "
        "held out, on all cell types together, and judged on its predictions for the held-out windows of all folds. "
        "Intervals are 95 % bootstrap over blocks. A network that sees more than the window is not fitted on windows "
        "that see held-out blocks.",
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
        f"The selected network minus {BASELINES[record['paired']['minus']][0]}, on the same resamples of blocks, with "
        "95 % intervals:",
        "",
        *table_head("cell type", "mode"),
    ]
    for cell, modes in record["paired"]["cells"].items():
        for mode, metrics in modes.items():
            shown = (
                f"{one['difference']:+.3f} ({one['interval'][0]:+.3f} to {one['interval'][1]:+.3f})"
                for one in (metrics[metric] for metric in METRIC_NAMES)
            )
            lines.append(f"| {cell} | {SHOWN[mode]} | {' | '.join(shown)} |")
    return lines


def _repeated(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Other seeds",
        f"The selected network with seeds {', '.join(map(str, record['repeated']['seeds']))}: "
        "mean ± standard deviation.",
        "",
        *table_head("cell type", "mode"),
    ]
    for cell, modes in record["repeated"]["cells"].items():
        for mode, metrics in modes.items():
            shown = (f"{metrics[metric]['mean']:.3f} ± {metrics[metric]['sd'] or 0.0:.3f}" for metric in METRIC_NAMES)
            lines.append(f"| {cell} | {SHOWN[mode]} | {' | '.join(shown)} |")
    return lines


def _cross_cell(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Another cell type",
        "The selected network, fitted without a cell type and judged on that cell type's windows in held-out blocks, "
        "with its own track. Intervals are 95 % bootstrap over blocks.",
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
        "Change of the validation metrics when accessibility is in another unit. The largest change is "
        f"{record['rescaled']['largest']:.4f}. Ranks average ties and start at 0.",
        "",
        *table_head("cell type", "accessibility"),
    ]
    for cell, rows in record["rescaled"]["cells"].items():
        for name, metrics in rows.items():
            shown = " | ".join(f"{metrics[metric]:+.4f}" for metric in METRIC_NAMES)
            lines.append(f"| {cell} | {name} | {shown} |")
    return lines


def _calibration(record: Mapping[str, Any]) -> list[str]:
    lines = [
        "### Do thresholds keep their promise?",
        f"{record['calibration']['data']}: thresholds for a false-positive rate come from the held-out predictions of "
        "all folds but one and are applied to that fold. The table pools all folds. Brackets hold the binomial 95 % "
        'interval around the promised value. "Folds within" counts the folds whose observed value lies in their own '
        "interval. Pooled values agree nearly by construction, because each fold is in the others' tables, so the "
        "single folds are the test. Neighbouring windows of a peak or an open region are called together. Expect more "
        "variation between regions than these intervals show.",
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


def default_row(metadata: Metadata, mode: str) -> CalibrationRow:
    """Return the calibration row of a mode's default threshold for scans."""
    table = metadata.tables[mode]
    return next(row for row in table.rows if row.threshold == table.default_threshold)


def peak_sentence(metadata: Metadata) -> str:
    """Return a sentence on windows, hits and peaks at the default thresholds, or "" if a share is None."""
    parts = []
    for mode in MODES:
        row = default_row(metadata, mode)
        if row.precision is not None and row.hit_precision is not None and row.peak_recall is not None:
            parts.append(
                f"{SHOWN[mode]}, {row.precision:.1%} of the windows called are bound and {row.recall:.1%} of the bound "
                f"ones are called; {row.hit_precision:.1%} of the hits lie on a peak and {row.peak_recall:.1%} of the "
                "peaks are hit"
            )
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "." if parts else ""


def peak_parts(record: Mapping[str, Any]) -> list[str]:
    """Return the lines of the card's section on ``peaks.json``."""
    lines = [
        "### Peaks and hits",
        f"{record['data']}: each of {record['folds']} folds of blocks of {record['block_bases']:,} bases, held out of "
        f"the fit, was scanned at stride {record['stride']}. A peak is a run of abutting bound windows. It is hit when "
        "a hit shares a base with it, and that hit is then on a peak. Only training and validation windows count: hits "
        "that touch none of them are not counted, nor are peaks without a scored window.",
        "",
        "Do these shares hold on other blocks? The promised share is that of a random half of the blocks, the observed "
        "share that of the other half. Brackets hold the 95 % interval of the difference, from resamples of the blocks "
        'of both halves. "Folds within" counts the folds whose share agrees in this way with that of all others.',
        "",
        "| what the model sees | false-positive rate | peaks | hits | "
        + " | ".join(f"{name}: promised | observed | difference | folds within" for name in SHARES.values())
        + " |",
        "|---" * 12 + "|",
    ]
    for mode, found in record["modes"].items():
        for entry in found["promises"]:
            column = found["thresholds"].index(entry["threshold"])
            cells = [SHOWN[mode], f"{entry['rate']:g}", f"{found['peaks']:,}", f"{found['hits'][column]:,}"]
            for name in SHARES:
                cells += _promise(entry[name]["halves"], entry[name]["folds"])
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _promise(halves: Mapping[str, Any] | None, folds: Sequence[Mapping[str, Any] | None]) -> list[str]:
    known = [one for one in folds if one is not None]
    within = f"{sum(one['within'] for one in known)} of {len(known)}"
    if halves is None:
        return ["–", "–", "–", within]
    low, high = halves["interval"]
    difference = f"{halves['observed'] - halves['promised']:+.3f} ({low:+.3f} to {high:+.3f})"
    outside = "" if halves["within"] else " (outside)"
    return [share(halves["promised"]), share(halves["observed"]), difference + outside, within]


def card(
    metadata: Metadata,
    metrics: dict[str, Any],
    training: dict[str, Any],
    pictures: Sequence[str] = (),
    nearest: Sequence[Nearest] = (),
    histories: Sequence[FilterHistory] = (),
    comparison: dict[str, Any] | None = None,
    peaks: dict[str, Any] | None = None,
) -> str:
    """Return a model card as Markdown.

    Parameters
    ----------
    metadata : Metadata
        Metadata of the model file.
    metrics : dict
        The model's ``metrics.json``.
    training : dict
        ``training.json``: the factor, the data, and every candidate with its validation metrics.
    pictures : sequence of str
        File names of pictures beside the card.
    nearest : sequence of Nearest
        Motifs nearest to the first layer's filters.
    histories : sequence of FilterHistory
        What the filters started from, unless from JUND's motifs. Shown instead of ``nearest``.
    comparison : dict, optional
        ``crossval.json``, for the sections on baselines and blocked folds.
    peaks : dict, optional
        ``peaks.json``, for the section on peaks and hits.
    """
    shown = {key: value for key, value in metadata.architecture.items() if key not in ("family", ALONE)}
    architecture = ", ".join(f"{key} {value}" for key, value in shown.items())
    parts = [
        f"{one['name']} ({one['train']['windows']:,} windows, {one['train']['bound']:,} bound)"
        for one in training["data"]
    ]
    chromosomes = sorted({chrom for one in training["data"] for chrom in one["chromosomes"]})
    place = ", ".join([metadata.assembly, *chromosomes[:MAX_CHROMOSOMES_NAMED]])
    if len(chromosomes) > MAX_CHROMOSOMES_NAMED:
        place += f" and {len(chromosomes) - MAX_CHROMOSOMES_NAMED:,} more"
    choice = training.get("motifs", {}).get("choice", JUND)
    share = training["data"][0]["beside_training"]
    beside = "" if share is None else f", and {share:.0%} of them lie beside a training window"
    lines = [
        f"# {metadata.name} {metadata.version}",
        "",
        f"{_network_name(metadata)} that predicts whether {training['factor']} binds a window of "
        f"{metadata.window_length} bp, from sequence and chromatin accessibility. Written by `python -m train`.",
        "",
        "## What it is",
        f"- Network: {FAMILIES.get(metadata.family, metadata.family)} ({architecture}).",
        f"- Trained on: {', '.join(parts)}; {place}; SHA-256 of the training arrays `{metadata.training_data_sha256}`.",
        _fit_line(metadata, metrics["training"]),
        f"- Accessibility: {metadata.accessibility_mapping} of the window in its own track, or none.",
        *_sees_instead(metadata),
        *_what_it_sees(metadata),
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in metadata.library_versions.items()) + ".",
        f"- Torch and ONNX Runtime differ by at most {metrics['torch_onnx_max_difference']:.1e}.",
        "",
        "## Validation",
        f"{metrics['n']:,} windows, {metrics['positives']:,} bound, with 95 % bootstrap intervals. "
        f"{_not_a_test(metadata)}{beside}.",
        "",
        *_neighbourhood_note(metadata, metrics),
        *table_head("mode"),
        *(metrics_row(SHOWN[mode], metrics.get(mode, metrics)) for mode in metadata.tables),
        *_refit_rows(metadata, metrics["training"]),
        "",
        "## Thresholds",
        f"Calibrated on {metadata.calibration_source}. Precision is for a prevalence of {metadata.prevalence:.2%}. "
        f"The default threshold of `evaluate` is {metadata.decision_threshold:g}, which gives both classes equal "
        f"weight. That of `scan` is {metadata.with_accessibility.default_threshold:.4f} "
        f"({metadata.with_accessibility.default_rule}) with accessibility, and "
        f"{metadata.without_accessibility.default_threshold:.4f} without.",
        "A score ranks windows. It is not the probability of being bound, which the precision column shows.",
        "",
    ]
    for mode, table in metadata.tables.items():
        lines += [f"{SHOWN[mode].capitalize()}:", "", *_threshold_rows(table), ""]
    if peaks is not None:
        lines += [*peak_parts(peaks), ""]
    if training["candidates"]:
        lines += _candidate_lines(training)
    if comparison is not None:
        lines += ["", *comparison_parts(comparison)]
    fixed = bool(metadata.architecture.get("fixed_filters"))
    lines += [
        *(_history_lines(histories, choice, fixed) if histories else _filter_lines(nearest, fixed)),
        "",
        "## Limits",
        f"- It was trained on {' and '.join(metadata.cell_types)} in {place} only. It knows another cell type by its "
        "accessibility track alone.",
        "- Bound windows are rare. Read the precision column before you use a lenient threshold.",
        "- A window at a peak's edge may count as bound without containing the binding site.",
        *([] if metadata.family == ADOPTED else _motif_limit(choice, training.get("motifs", {}).get("starts", ()))),
        *[f"\n![{Path(name).stem.replace('_', ' ')}]({name})" for name in pictures],
    ]
    return "\n".join(lines) + "\n"
