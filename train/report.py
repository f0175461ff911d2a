"""Model cards and the README's table, from the files that hold the figures; nothing in them is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jundscan.evaluation import evaluate_shards
from jundscan.metadata import Metadata, ThresholdTable
from jundscan.model import DEFAULT_MODEL, load_model
from jundscan.plots import Predictions, write_plots
from jundscan.shards import read_shards
from train.card import FAMILIES, METRICS, comparison_parts, metrics_row, table_head
from train.filters import Nearest, draw_filters, nearest_motifs

COMPARISON = "crossval.json"
FILTERS = "filters.png"
README_BEGIN = "<!-- metrics: written by `python -m train report`, do not edit -->"
README_END = "<!-- /metrics -->"
PUBLIC = (
    ("MLP with accessibility, best public result on this data set", 0.698, None),
    ("CNN with accessibility, DeepChem book, chapter 6", None, 0.760),
)
"""What others report on this data set: weighted accuracy and AUROC (on its own test or validation part)."""


def model_names(exported: Path) -> list[str]:
    """List the exported models, the default first."""
    families = sorted(path.parent.name for path in exported.glob(f"{DEFAULT_MODEL}-*/metrics.json"))
    return [DEFAULT_MODEL, *families]


def read_metrics(exported: Path, name: str) -> dict[str, Any]:
    """Read a model's ``metrics.json``."""
    metrics: dict[str, Any] = json.loads((exported / name / "metrics.json").read_text())
    return metrics


def read_comparison(exported: Path) -> dict[str, Any] | None:
    """Read what ``python -m train crossval`` wrote, where it did."""
    path = exported / COMPARISON
    record: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
    return record


def readme_block(exported: Path) -> str:
    """Write the README's table of validation figures, with 95 % bootstrap intervals."""
    default = read_metrics(exported, DEFAULT_MODEL)
    lines = [
        README_BEGIN,
        f"Validation part of the public HepG2 data set ({default['n']:,} windows, {default['positives']:,} bound; "
        "95 % intervals):",
        "",
        *table_head("model"),
    ]
    for name in model_names(exported):
        metrics = read_metrics(exported, name)
        family = FAMILIES[metrics["training"]["candidate"]["network"]["family"]]
        lines.append(metrics_row(f"`{name}` ({family})", metrics))
    lines.append(metrics_row(f"`{DEFAULT_MODEL}`, sequence alone", default["without_accessibility"]))
    for label, accuracy, auroc in PUBLIC:
        shown = ("–" if value is None else f"{value:.3f}" for value in (accuracy, auroc))
        lines.append(f"| {label} | {' | '.join(shown)} | – |")
    return "\n".join([*lines, README_END])


def replace_block(text: str, begin: str, end: str, block: str) -> str:
    """Put ``block`` where ``text`` has one between the markers.

    Raises
    ------
    ValueError
        When the markers are not there.
    """
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no block between {begin} and {end}")
    return head + block + tail


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
        ``training.json``: every candidate with its validation metrics.
    pictures : sequence of str
        File names beside the card.
    nearest : sequence of Nearest
        Of the first layer's filters.
    comparison : dict, optional
        ``crossval.json``; without it the card says nothing of baselines and blocked folds.
    """
    architecture = ", ".join(f"{key} {value}" for key, value in metadata.architecture.items() if key != "family")
    lines = [
        f"# {metadata.name} {metadata.version}",
        "",
        f"A {FAMILIES[metadata.family]} that tells whether JUND binds a window of {metadata.window_length} bp, from "
        "sequence and chromatin accessibility. Written by `python -m train report`.",
        "",
        "## What it is",
        f"- Network: {FAMILIES[metadata.family]} ({architecture}).",
        f"- Trained on: {', '.join(metadata.cell_types)} ({metadata.assembly}), the training parts; SHA-256 of the "
        f"training arrays `{metadata.training_data_sha256}`.",
        f"- Seed {metadata.seed}, epoch {metrics['training']['epoch']} of "
        f"{metrics['training']['candidate']['fit']['epochs']}, selected by validation weighted accuracy.",
        f"- Accessibility: {metadata.accessibility_mapping} of the window in its own track, or none.",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in metadata.library_versions.items()) + ".",
        f"- Torch and ONNX Runtime differ by at most {metrics['torch_onnx_max_difference']:.1e}.",
        "",
        "## Validation",
        f"{metrics['n']:,} windows, {metrics['positives']:,} bound; 95 % bootstrap intervals. Not a test: epoch "
        "and sizes were chosen on these windows, and the public parts are divided window by window, so "
        "that neighbours of nearly every window were trained on.",
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
        "- One chromosome, two cell types, one assembly; other cell types through their own accessibility track.",
        "- Bound windows are rare: read the precision column before a lenient threshold is used.",
        "- A window at a peak's edge may count as bound without holding the bound element.",
        "- The motifs that the filters start from were chosen on the windows that the blocked figures are taken on, "
        "which are a little too good for it.",
        *[f"\n![{Path(name).stem.replace('_', ' ')}]({name})" for name in pictures],
    ]
    return "\n".join(lines) + "\n"


def model_card(exported: Path, name: str, pictures: Sequence[str]) -> str:
    """Write the card of an exported model from the files in ``exported``; the default's has more parts."""
    default = name == DEFAULT_MODEL
    return card(
        load_model(exported / name, "cpu").metadata,
        read_metrics(exported, name),
        json.loads((exported / "training.json").read_text()),
        pictures,
        nearest_motifs(exported / name / "model.onnx") if default else (),
        read_comparison(exported) if default else None,
    )


def write_report(exported: Path, validation: Path, readme: Path) -> list[Path]:
    """Write every model's card, the default's pictures, and the README's table.

    Parameters
    ----------
    exported : pathlib.Path
        Folder of model folders and ``training.json``.
    validation : pathlib.Path
        Shards that the pictures are drawn on.
    readme : pathlib.Path
        Holds the markers of :func:`readme_block`.

    Returns
    -------
    list of pathlib.Path
        The files written.
    """
    written = []
    for name in model_names(exported):
        model = load_model(exported / name, "cpu")
        pictures: list[Path] = []
        if name == DEFAULT_MODEL:
            model = load_model(exported / name, "cpu")
            result = evaluate_shards(read_shards(validation), model)
            assert result.shards.labels is not None
            assert result.weights is not None
            pictures = write_plots(
                exported / name,
                [
                    Predictions(
                        name,
                        result.shards.labels,
                        result.probabilities,
                        result.weights,
                        model.metadata.decision_threshold,
                    )
                ],
                "validation windows",
                formats=("png",),
                force=True,
            )
            draw_filters(exported / name / "model.onnx", exported / name / FILTERS)
            pictures.append(exported / name / FILTERS)
        path = exported / name / "README.md"
        path.write_text(model_card(exported, name, [one.name for one in pictures]))
        written += [path, *pictures]
    text = readme.read_text()
    readme.write_text(replace_block(text, README_BEGIN, README_END, readme_block(exported)))
    return [*written, readme]
