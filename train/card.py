"""A model card, from what the files of an export hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jundscan.metadata import Metadata, ThresholdTable
from train.card_comparison import FAMILIES, METRICS, comparison_parts, metrics_row, table_head
from train.filters import Nearest

MOST_NAMED = 25
"""Chromosomes."""


def _threshold_rows(table: ThresholdTable) -> list[str]:
    rows = table.rows[:: max(1, len(table.rows) // 15)]
    return [
        "| threshold | recall | false-positive rate | precision |",
        "|---|---|---|---|",
        *(
            f"| {row.threshold:.4f} | {row.recall:.3f} | {row.fpr:.5f} | "
            f"{'–' if row.precision is None else f'{row.precision:.3f}'} |"
            for row in rows
        ),
    ]


def _filter_lines(nearest: Sequence[Nearest]) -> list[str]:
    if not nearest:
        return []
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


def card(
    metadata: Metadata,
    metrics: dict[str, Any],
    training: dict[str, Any],
    pictures: Sequence[str] = (),
    nearest: Sequence[Nearest] = (),
    comparison: dict[str, Any] | None = None,
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
    """
    architecture = ", ".join(f"{key} {value}" for key, value in metadata.architecture.items() if key != "family")
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
        f"{metrics['training']['candidate']['fit']['epochs']}, selected by validation weighted accuracy.",
        f"- Accessibility: {metadata.accessibility_mapping} of the window in its own track, or none.",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in metadata.library_versions.items()) + ".",
        f"- Torch and ONNX Runtime differ by at most {metrics['torch_onnx_max_difference']:.1e}.",
        "",
        "## Validation",
        f"{metrics['n']:,} windows, {metrics['positives']:,} bound; 95 % bootstrap intervals. Not a test: epoch "
        f"and sizes were chosen on these windows{beside}.",
        "",
        *table_head("mode"),
        metrics_row("with accessibility", metrics),
        metrics_row("sequence alone", metrics["without_accessibility"]),
        "",
        "## Thresholds",
        f"From {metadata.calibration_source}; precision at a prevalence of {metadata.prevalence:.2%}. "
        f"`evaluate` decides at {metadata.decision_threshold:g} (both classes weighed alike), `scan` by default at "
        f"{metadata.with_accessibility.default_threshold:.4f} ({metadata.with_accessibility.default_rule}) with "
        f"accessibility, {metadata.without_accessibility.default_threshold:.4f} without.",
        "",
        "With accessibility:",
        "",
        *_threshold_rows(metadata.with_accessibility),
        "",
        "Sequence alone:",
        "",
        *_threshold_rows(metadata.without_accessibility),
        "",
        "## All candidates",
        "| candidate | epoch | weighted accuracy | AUROC | average precision |",
        "|---|---|---|---|---|",
    ]
    for key, candidate in training["candidates"].items():
        valid = candidate["validation"]["valid"]
        mark = " (selected)" if key == training["selected"] else ""
        lines.append(
            f"| {key}{mark} | {candidate['best_epoch']} | "
            + " | ".join(f"{valid[metric]:.3f}" for metric in METRICS)
            + " |"
        )
    if comparison is not None:
        lines += ["", *comparison_parts(comparison)]
    lines += [
        *_filter_lines(nearest),
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
