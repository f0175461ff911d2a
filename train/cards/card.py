"""A model card, from what the files of an export hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jundscan.model.metadata import MODES, Metadata, ThresholdTable
from train.cards.comparison import FAMILIES, METRICS, SHOWN, comparison_parts, metrics_row, table_head
from train.cards.filters import Nearest
from train.cards.peaks import peak_parts, share
from train.config import ALONE

TWO_NETWORKS = "- Windows beside which nothing is known are scored by a network of their own, fitted on windows alone."
MOST_NAMED = 25
"""Chromosomes."""


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
        "Filters started from JASPAR motifs and were fitted further. Nearest to each, by correlation of the weights "
        "over all shifts and both strands:",
        "",
        "| filter | nearest motif | correlation |",
        "|---|---|---|",
        *rows,
    ]


def _what_it_sees(metadata: Metadata) -> list[str]:
    if not metadata.sees_neighbourhood:
        return ["- It sees the window alone."]
    widths = ", ".join(f"{width:,}" for width in metadata.accessibility_widths)
    return [
        f"- It sees {metadata.flank} bases to each side of a window, and mean accessibility over {widths} bases around "
        "its centre, each as a percentile of its own. Unknown letters never raise a motif's score.",
        *([TWO_NETWORKS] if ALONE in metadata.architecture else []),
    ]


def _neighbourhood_note(metadata: Metadata, metrics: dict[str, Any]) -> list[str]:
    if not metadata.sees_neighbourhood:
        return []
    known, windows = metrics["neighbourhood"]["known"], metrics["neighbourhood"]["windows"]
    return [
        f"The surroundings of {known:,} of {windows:,} windows are known. Figures with the neighbourhood are flattered "
        "here: most of these windows have a trained neighbour, whose bases and accessibility they see. The held-out "
        "blocks below are the honest figures. Windows alone are not concerned.",
        "",
    ]


def card(
    metadata: Metadata,
    metrics: dict[str, Any],
    training: dict[str, Any],
    pictures: Sequence[str] = (),
    nearest: Sequence[Nearest] = (),
    comparison: dict[str, Any] | None = None,
    peaks: dict[str, Any] | None = None,
) -> str:
    """Write a model card.

    Parameters
    ----------
    metadata : Metadata
        Of the model file.
    metrics : dict
        Its ``metrics.json``.
    training : dict
        ``training.json``: the factor, the data, and every candidate with its validation metrics.
    pictures : sequence of str
        File names beside the card.
    nearest : sequence of Nearest
        Of the first layer's filters.
    comparison : dict, optional
        ``crossval.json``; without it the card says nothing of baselines and blocked folds.
    peaks : dict, optional
        ``peaks.json``; without it the card does not say whether shares of peaks and hits hold.
    """
    shown = {key: value for key, value in metadata.architecture.items() if key not in ("family", ALONE)}
    architecture = ", ".join(f"{key} {value}" for key, value in shown.items())
    parts = [
        f"{one['name']} ({one['train']['windows']:,} windows, {one['train']['bound']:,} bound)"
        for one in training["data"]
    ]
    chromosomes = sorted({chrom for one in training["data"] for chrom in one["chromosomes"]})
    place = ", ".join([metadata.assembly, *chromosomes[:MOST_NAMED]])
    if len(chromosomes) > MOST_NAMED:
        place += f" and {len(chromosomes) - MOST_NAMED:,} more"
    article = "A" if metadata.family == "cnn" else "An"
    share = training["data"][0]["beside_training"]
    beside = "" if share is None else f", and {share:.0%} of them lie beside a window that was trained on"
    lines = [
        f"# {metadata.name} {metadata.version}",
        "",
        f"{article} {FAMILIES[metadata.family]} that tells whether {training['factor']} binds a window of "
        f"{metadata.window_length} bp, from sequence and chromatin accessibility. Written by `python -m train`.",
        "",
        "## What it is",
        f"- Network: {FAMILIES[metadata.family]} ({architecture}).",
        f"- Trained on: {', '.join(parts)}; {place}; SHA-256 of the training arrays `{metadata.training_data_sha256}`.",
        f"- Seed {metadata.seed}, epoch {metrics['training']['epoch']} of "
        f"{metrics['training']['candidate']['fit']['epochs']}, selected by weighted accuracy.",
        f"- Accessibility: {metadata.accessibility_mapping} of the window in its own track, or none.",
        *_what_it_sees(metadata),
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in metadata.library_versions.items()) + ".",
        f"- Torch and ONNX Runtime differ by at most {metrics['torch_onnx_max_difference']:.1e}.",
        "",
        "## Validation",
        f"{metrics['n']:,} windows, {metrics['positives']:,} bound; 95 % bootstrap intervals. Not a test: "
        f"{'recipes of other families' if metadata.sees_neighbourhood else 'epoch and sizes'} were chosen on these "
        f"windows{beside}.",
        "",
        *_neighbourhood_note(metadata, metrics),
        *table_head("mode"),
        *(metrics_row(SHOWN[mode], metrics.get(mode, metrics)) for mode in metadata.tables),
        "",
        "## Thresholds",
        f"From {metadata.calibration_source}; precision at a prevalence of {metadata.prevalence:.2%}. "
        f"`evaluate` decides at {metadata.decision_threshold:g} (both classes weighed alike), `scan` by default at "
        f"{metadata.with_accessibility.default_threshold:.4f} ({metadata.with_accessibility.default_rule}) with "
        f"accessibility, {metadata.without_accessibility.default_threshold:.4f} without.",
        "A score ranks windows. It is no chance of being bound: precision is.",
        "",
    ]
    for mode, table in metadata.tables.items():
        lines += [f"{SHOWN[mode].capitalize()}:", "", *_threshold_rows(table), ""]
    if peaks is not None:
        lines += [*peak_parts(peaks), ""]
    lines += [
        "## All candidates",
        "By weighted accuracy on held-out blocks (average of the data sets) where a network sees more than the window, "
        "else by that on validation windows.",
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
            f"| {key}{mark} | {candidate['best_epoch']} | {where} | "
            + " | ".join(f"{judged[metric]:.3f}" for metric in METRICS)
            + " |"
        )
    if comparison is not None:
        lines += ["", *comparison_parts(comparison)]
    lines += [
        *_filter_lines(nearest, bool(metadata.architecture.get("fixed_filters"))),
        "",
        "## Limits",
        f"- Trained on {' and '.join(metadata.cell_types)} in {place} only; other cell types through their own "
        "accessibility track.",
        "- Bound windows are rare: read the precision column before a lenient threshold is used.",
        "- A window at a peak's edge may count as bound without holding the bound element.",
        "- The motifs that the filters start from were chosen on chromosome 22 of hg19, in HepG2 and K562: figures on "
        "windows from there, held out or not, are a little too good for it.",
        *[f"\n![{Path(name).stem.replace('_', ' ')}]({name})" for name in pictures],
    ]
    return "\n".join(lines) + "\n"
