"""Write model cards and the README's table of metrics from the JSON files of an export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jundscan.errors import InputError, ShardError
from jundscan.evaluation.plots import Predictions, write_plots
from jundscan.io.outputs import atomic_path
from jundscan.io.shards import read_shards
from jundscan.model.load import DEFAULT_MODEL, load_model
from jundscan.model.metadata import MODES, WINDOW_MODES
from train.cards.card import FAMILIES, SHOWN, card, metrics_row, peak_sentence, table_head
from train.cards.filters import draw_filters, nearest_motifs
from train.data.source import NO_SOURCE, DataSource
from train.export.evaluate_modes import evaluate_every_mode
from train.records import METRICS_FILE, read_comparison, read_metrics, read_peaks, read_training

FILTERS = "filters.png"
README_BEGIN = "<!-- metrics: written by `python -m train report`, do not edit -->"
README_END = "<!-- /metrics -->"
PUBLIC = (
    ("MLP with accessibility, best public result on this data set", 0.698, None),
    ("CNN with accessibility, DeepChem book, chapter 6", None, 0.760),
)
"""Published weighted accuracy and AUROC on this data set, each on its own test or validation part."""


def model_names(exported: Path) -> list[str]:
    """List the exported models, the default first."""
    families = sorted(path.parent.name for path in exported.glob(f"{DEFAULT_MODEL}-*/{METRICS_FILE}"))
    return [DEFAULT_MODEL, *families]


def readme_block(exported: Path) -> str:
    """Return the README's table of validation metrics, with 95 % bootstrap intervals."""
    default = read_metrics(exported, DEFAULT_MODEL)
    data = read_training(exported)["data"][0]
    lines = [
        README_BEGIN,
        f"Validation part of the public {data['name']} data set ({default['n']:,} windows, "
        f"{default['positives']:,} bound; 95 % intervals):",
        "",
        *table_head("model"),
    ]
    for name in model_names(exported):
        metrics = read_metrics(exported, name)
        family = FAMILIES[metrics["training"]["candidate"]["network"]["family"]]
        lines.append(metrics_row(f"`{name}` ({family})", metrics))
    others = [mode for mode in load_model(exported / DEFAULT_MODEL, "cpu").metadata.tables if mode != MODES[0]]
    lines += [metrics_row(f"`{DEFAULT_MODEL}`, {SHOWN[mode]}", default[mode]) for mode in others]
    for label, accuracy, auroc in PUBLIC:
        shown = ("–" if value is None else f"{value:.3f}" for value in (accuracy, auroc))
        lines.append(f"| {label} | {' | '.join(shown)} | – |")
    return "\n".join([*lines, *_blocked(exported), *_peaks(exported), README_END])


def _blocked(exported: Path) -> list[str]:
    """Return the table of metrics on held-out blocks, or nothing without ``crossval.json``."""
    record = read_comparison(exported)
    if record is None:
        return []
    seen = read_metrics(exported, DEFAULT_MODEL)["neighbourhood"]
    (cells,) = (one["cells"] for one in record["models"].values() if one.get("key") == record["selected"])
    rows = [
        metrics_row(f"{cell} | {SHOWN[mode]}", report)
        for cell, modes in cells.items()
        for mode, report in modes.items()
        if report is not None
    ]
    return [
        "",
        f"The same recipe on blocks of {record['block_bases']:,} bases, each held out of the fit (95 % intervals over "
        "blocks). These are the figures to expect on a new region. On the validation part nearly every window has a "
        "trained neighbour, which flatters a model that sees its neighbourhood; and only "
        f"{seen['known']:,} of {seen['windows']:,} surroundings are known.",
        "",
        *table_head("cell type", "what the model sees"),
        *rows,
    ]


def _peaks(exported: Path) -> list[str]:
    """Return a sentence on windows, hits and peaks at the default thresholds, or nothing if the model has no shares."""
    if not (sentence := peak_sentence(load_model(exported / DEFAULT_MODEL, "cpu").metadata)):
        return []
    name = read_training(exported)["data"][0]["name"]
    return ["", f"A scan at its default threshold, on held-out blocks in {name}. {sentence}"]


def replace_block(text: str, begin: str, end: str, block: str) -> str:
    """Replace the text from marker ``begin`` to marker ``end`` by ``block``.

    Raises
    ------
    InputError
        When ``text`` lacks a marker.
    """
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise InputError(f"found no block between {begin} and {end}; add both lines where the table belongs")
    return head + block + tail


def model_card(exported: Path, name: str, pictures: Sequence[str], comparison: dict[str, Any] | None = None) -> str:
    """Return the card of an exported model, from the files in ``exported``."""
    return card(
        load_model(exported / name, "cpu").metadata,
        read_metrics(exported, name),
        read_training(exported),
        pictures,
        nearest_motifs(exported / name / "model.onnx") if name == DEFAULT_MODEL else (),
        comparison,
        read_peaks(exported) if name == DEFAULT_MODEL else None,
    )


def write_cards(exported: Path, validation: Path, source: DataSource = NO_SOURCE) -> Iterator[Path]:
    """Write every model's card, and the default's pictures.

    Parameters
    ----------
    exported : pathlib.Path
        Folder of model folders and ``training.json``.
    validation : pathlib.Path
        Shards that the pictures show.
    source : DataSource
        Genome and track of these shards.

    Yields
    ------
    pathlib.Path
        Every written file.
    """
    for name in model_names(exported):
        default = name == DEFAULT_MODEL
        pictures = _draw(exported / name, validation, source) if default else []
        yield from pictures
        path = exported / name / "README.md"
        comparison = read_comparison(exported) if default else None
        with atomic_path(path, force=True) as temporary:
            temporary.write_text(model_card(exported, name, [one.name for one in pictures], comparison))
        yield path


def _draw(folder: Path, validation: Path, source: DataSource) -> list[Path]:
    model, shards = load_model(folder, "cpu"), read_shards(validation)
    found = evaluate_every_mode(shards, model, source)
    alone = found[WINDOW_MODES[0]] if WINDOW_MODES[0] in found else found[MODES[0]]
    results = {"the window alone": alone} if WINDOW_MODES[0] in found else {folder.name: alone}
    if WINDOW_MODES[0] in found and source.genome is not None:
        results = {"with its neighbourhood": found[MODES[0]], **results}
    if shards.labels is None or alone.weights is None:
        raise ShardError(validation, "no labels (shard-K-y.joblib), which the pictures need")
    decision = model.metadata.decision_threshold
    drawn = [
        Predictions(name, shards.labels, result.probabilities, alone.weights, decision)
        for name, result in results.items()
    ]
    pictures = write_plots(folder, drawn, f"{folder.name}, validation windows", formats=("png",), force=True)
    draw_filters(folder / "model.onnx", folder / FILTERS)
    return [*pictures, folder / FILTERS]


def write_readme(exported: Path, readme: Path) -> None:
    """Write the table of validation metrics between the markers of a README.

    Raises
    ------
    InputError
        When the README cannot be read or lacks the markers.
    """
    try:
        text = readme.read_text()
    except OSError as err:
        raise InputError(f"{readme}: {err.strerror}") from err
    with atomic_path(readme, force=True) as temporary:
        temporary.write_text(replace_block(text, README_BEGIN, README_END, readme_block(exported)))
