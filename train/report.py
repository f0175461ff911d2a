"""Model cards and the README's table, from the files that hold the figures; only what others report is typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jundscan.errors import InputError, ShardError
from jundscan.evaluation import evaluate_shards
from jundscan.model import DEFAULT_MODEL, load_model
from jundscan.plots import Predictions, write_plots
from jundscan.shards import read_shards
from jundscan.writers import replacing
from train.card import card
from train.card_comparison import FAMILIES, metrics_row, table_head
from train.filters import draw_filters, nearest_motifs
from train.records import METRICS, read_comparison, read_metrics, read_training

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
    families = sorted(path.parent.name for path in exported.glob(f"{DEFAULT_MODEL}-*/{METRICS}"))
    return [DEFAULT_MODEL, *families]


def readme_block(exported: Path) -> str:
    """Write the README's table of validation figures, with 95 % bootstrap intervals."""
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
    lines.append(metrics_row(f"`{DEFAULT_MODEL}`, sequence alone", default["without_accessibility"]))
    for label, accuracy, auroc in PUBLIC:
        shown = ("–" if value is None else f"{value:.3f}" for value in (accuracy, auroc))
        lines.append(f"| {label} | {' | '.join(shown)} | – |")
    return "\n".join([*lines, README_END])


def replace_block(text: str, begin: str, end: str, block: str) -> str:
    """Put ``block`` where ``text`` has one between the markers.

    Raises
    ------
    InputError
        When the markers are not there.
    """
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise InputError(f"no block between {begin} and {end}")
    return head + block + tail


def model_card(exported: Path, name: str, pictures: Sequence[str], comparison: dict[str, Any] | None = None) -> str:
    """Write the card of an exported model from the files in ``exported``."""
    return card(
        load_model(exported / name, "cpu").metadata,
        read_metrics(exported, name),
        read_training(exported),
        pictures,
        nearest_motifs(exported / name / "model.onnx") if name == DEFAULT_MODEL else (),
        comparison,
    )


def write_cards(exported: Path, validation: Path) -> Iterator[Path]:
    """Write every model's card, and the default's pictures.

    Parameters
    ----------
    exported : pathlib.Path
        Folder of model folders and ``training.json``.
    validation : pathlib.Path
        Shards that the pictures are drawn on.

    Yields
    ------
    pathlib.Path
        A file written.
    """
    for name in model_names(exported):
        default = name == DEFAULT_MODEL
        pictures = _draw(exported / name, validation) if default else []
        yield from pictures
        path = exported / name / "README.md"
        comparison = read_comparison(exported) if default else None
        with replacing(path, force=True) as temporary:
            temporary.write_text(model_card(exported, name, [one.name for one in pictures], comparison))
        yield path


def _draw(folder: Path, validation: Path) -> list[Path]:
    model = load_model(folder, "cpu")
    result = evaluate_shards(read_shards(validation), model)
    if result.shards.labels is None or result.weights is None:
        raise ShardError(validation, "no labels (shard-K-y.joblib), nothing to draw")
    decision = model.metadata.decision_threshold
    drawn = Predictions(folder.name, result.shards.labels, result.probabilities, result.weights, decision)
    pictures = write_plots(folder, [drawn], "validation windows", formats=("png",), force=True)
    draw_filters(folder / "model.onnx", folder / FILTERS)
    return [*pictures, folder / FILTERS]


def write_readme(exported: Path, readme: Path) -> None:
    """Put the table of validation figures between the markers of a README.

    Raises
    ------
    InputError
        When it cannot be read or has no such markers.
    """
    try:
        text = readme.read_text()
    except OSError as err:
        raise InputError(f"{readme}: {err.strerror}") from err
    with replacing(readme, force=True) as temporary:
        temporary.write_text(replace_block(text, README_BEGIN, README_END, readme_block(exported)))
