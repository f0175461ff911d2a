"""Write model cards and the README's table of metrics from the JSON files of an export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jundscan.errors import InputError, ShardError
from jundscan.evaluation.plots import Predictions, write_plots
from jundscan.io.outputs import atomic_path
from jundscan.io.shards import read_shards
from jundscan.model.load import load_model
from jundscan.model.metadata import DEFAULT_FACTOR, MODES, WINDOW_MODES
from train.cards.card import FAMILIES, SHOWN, card, metrics_row, peak_sentence, table_head
from train.cards.curves import curve_files, draw_curves
from train.cards.filters import FilterHistory, Nearest, draw_filters, filter_histories, nearest_motifs
from train.config import JUND, Motifs
from train.data.source import NO_SOURCE, DataSource
from train.export.evaluate_modes import evaluate_every_mode
from train.records import METRICS_FILE, read_comparison, read_metrics, read_peaks, read_training

FILTERS = "filters.png"
README_MARKERS = "<!-- metrics: written by `python -m train report`, do not edit -->", "<!-- /metrics -->"
PAGE_MARKERS = "<!-- networks: written by `python -m train report`, do not edit -->", "<!-- /networks -->"
PUBLIC = (
    ("MLP with accessibility, best public result on this data set", 0.698, None),
    ("CNN with accessibility, DeepChem book, chapter 6", None, 0.760),
)
"""Published weighted accuracy and AUROC on the data set of JUND, each on its own test or validation part."""


def model_names(exported: Path) -> list[str]:
    """List the exported models: the best of all, then the best of each family."""
    best = best_model(exported)
    families = (f"{best}-{family}" for family in sorted(FAMILIES))
    return [best, *(name for name in families if (exported / name / METRICS_FILE).is_file())]


def best_model(exported: Path) -> str:
    """Return the name of the best of all exported models."""
    return str(read_training(exported)["name"])


def readme_block(exported: Path) -> str:
    """Return the README's table: held-out blocks, validation, and published values, with 95 % bootstrap intervals."""
    best, data = best_model(exported), read_training(exported)["data"][0]["name"]
    default = read_metrics(exported, best)
    known = [mode for mode in load_model(exported / best, "cpu").metadata.tables if mode in MODES]
    rows = [
        metrics_row(f"held-out blocks of {cell} | {SHOWN[mode]}", report)
        for cell, mode, report in _held_out(exported)
        if mode in known
    ]
    rows += [
        metrics_row(f"validation part of {data} | {SHOWN[mode]}", metrics)
        for mode, metrics in _modes(exported, default)
        if mode not in MODES or not rows
    ]
    for label, accuracy, auroc in _published(exported):
        rows.append(f"| {data}, published | {label} | {_shown(accuracy)} | {_shown(auroc)} | – |")
    return "\n".join(
        [
            README_MARKERS[0],
            *table_head("measured on", "from"),
            *rows,
            *_peaks(exported),
            README_MARKERS[1],
        ]
    )


def page_block(exported: Path) -> str:
    """Return the tables of all exported networks and modes for the documentation."""
    best, data = best_model(exported), read_training(exported)["data"][0]
    default = read_metrics(exported, best)
    lines = [
        PAGE_MARKERS[0],
        f"Validation part of the public {data['name']} data set ({default['n']:,} windows, "
        f"{default['positives']:,} bound; 95 % intervals):",
        "",
        *table_head("model"),
    ]
    for name in model_names(exported):
        metrics = read_metrics(exported, name)
        family = FAMILIES[metrics["training"]["candidate"]["network"]["family"]]
        lines.append(metrics_row(f"`{name}` ({family})", metrics))
    others = [(mode, metrics) for mode, metrics in _modes(exported, default) if mode != MODES[0]]
    lines += [metrics_row(f"`{best}`, {SHOWN[mode]}", metrics) for mode, metrics in others]
    lines += [
        f"| {label} | {_shown(accuracy)} | {_shown(auroc)} | – |" for label, accuracy, auroc in _published(exported)
    ]
    return "\n".join([*lines, *_blocked(exported), PAGE_MARKERS[1]])


def _published(exported: Path) -> Sequence[tuple[str, float | None, float | None]]:
    """Return what is published on the data set; nothing for a factor other than JUND."""
    return PUBLIC if read_training(exported)["factor"] == DEFAULT_FACTOR else ()


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _modes(exported: Path, default: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the best model sees, and its validation metrics so."""
    for mode in load_model(exported / best_model(exported), "cpu").metadata.tables:
        yield mode, default if mode == MODES[0] else default[mode]


def _held_out(exported: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield cell type, what the selected recipe sees, and its metrics on held-out blocks; none without a comparison."""
    record = read_comparison(exported)
    if record is None:
        return
    (cells,) = (one["cells"] for one in record["models"].values() if one.get("key") == record["selected"])
    for cell, modes in cells.items():
        for mode, report in modes.items():
            if report is not None:
                yield cell, mode, report


def _blocked(exported: Path) -> list[str]:
    """Return the table of metrics on held-out blocks, or nothing without ``crossval.json``."""
    rows = [metrics_row(f"{cell} | {SHOWN[mode]}", report) for cell, mode, report in _held_out(exported)]
    if not rows:
        return []
    seen = read_metrics(exported, best_model(exported))["neighbourhood"]
    return [
        "",
        f"The same recipe on blocks of {read_comparison(exported)['block_bases']:,} bases, each held out of the fit "
        "(95 % intervals over blocks). Expect these figures on a new region. The validation part flatters a model that "
        "sees its neighbourhood, because nearly every window there lies beside a training window. Besides, only "
        f"{seen['known']:,} of {seen['windows']:,} neighbourhoods are known there.",
        "",
        *table_head("cell type", "what the model sees"),
        *rows,
    ]


def _peaks(exported: Path) -> list[str]:
    """Return a sentence on windows, hits and peaks at the default thresholds, or nothing if the model has no shares."""
    if not (sentence := peak_sentence(load_model(exported / best_model(exported), "cpu").metadata)):
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
    is_best = name == best_model(exported)
    file, training = exported / name / "model.onnx", read_training(exported)
    metadata = load_model(file, "cpu").metadata
    nearest: list[Nearest] = []
    histories: list[FilterHistory] = []
    if is_best:
        motifs = _motifs(training)
        if motifs.choice == JUND:
            nearest = nearest_motifs(file)
        else:
            histories = filter_histories(file, motifs, metadata.family)
    return card(
        metadata,
        read_metrics(exported, name),
        training,
        pictures,
        nearest,
        histories,
        comparison,
        read_peaks(exported) if is_best else None,
    )


def _motifs(training: dict[str, Any]) -> Motifs:
    """Return what the filters started from: JUND's motifs if ``training.json`` is older than the choice."""
    return Motifs.from_dict(training["motifs"]) if "motifs" in training else Motifs()


def write_cards(exported: Path, validation: Path, source: DataSource = NO_SOURCE) -> Iterator[Path]:
    """Write every model's card and learning curves, and the other pictures of the best model.

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
        is_best = name == best_model(exported)
        pictures = _draw(exported / name, validation, source) if is_best else []
        training = read_metrics(exported, name)["training"]
        files = curve_files(exported / name)
        pictures += draw_curves({name: training["curve"]}, files, title=name, kept=training["epoch"])
        yield from pictures
        shown = [one.name for one in pictures if one.suffix == ".png"]
        path = exported / name / "README.md"
        comparison = read_comparison(exported) if is_best else None
        with atomic_path(path, force=True) as temporary:
            temporary.write_text(model_card(exported, name, shown, comparison))
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
    draw_filters(folder / "model.onnx", folder / FILTERS, _motifs(read_training(folder.parent)))
    return [*pictures, folder / FILTERS]


def write_tables(exported: Path, file: Path) -> None:
    """Write the tables of metrics between the markers of a README or a page, those whose markers it has.

    Raises
    ------
    InputError
        When the file cannot be read, or lacks the markers.
    """
    try:
        text = file.read_text()
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}") from err
    begin, end, block = (*PAGE_MARKERS, page_block) if PAGE_MARKERS[0] in text else (*README_MARKERS, readme_block)
    with atomic_path(file, force=True) as temporary:
        temporary.write_text(replace_block(text, begin, end, block(exported)))
