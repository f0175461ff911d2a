"""``jundscan info``: show the metadata of a model."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import INPUTS, examples
from jundscan.errors import ModelError

log = logging.getLogger("jundscan")

_MODES = {
    "with_accessibility": ("With accessibility", "scan's default"),
    "without_accessibility": ("Sequence alone", "scan's default"),
    "window_with_accessibility": ("Windows whose surroundings are not known, with accessibility", "their default"),
    "window_without_accessibility": ("Windows whose surroundings are not known, sequence alone", "their default"),
}
"""Title of the calibration table of each mode, and label of its default threshold."""


EXAMPLES = examples(
    "jundscan info", "jundscan info --list", "jundscan info --model exported/jund-2-lstm --json model.json"
)


def info(
    model: options.ModelOption = None,
    is_list: Annotated[bool, typer.Option("--list", help="List the installed models.", rich_help_panel=INPUTS)] = False,
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Show what a model is, and what to expect at which threshold."""
    from jundscan.model.load import load_model
    from jundscan.model.metadata import ModelInfo

    if is_list and (model is not None or json_target is not None):
        raise typer.BadParameter("shows all installed models; leave --model and --json out", param_hint="--list")
    options.check_files({"--json": json_target}, (model,))
    terminal.start_log(quiet)
    if is_list:
        _list_models()
        return
    loaded = load_model(model, "cpu")
    if json_target is not None:
        record = ModelInfo(**vars(loaded.metadata), sha256=loaded.sha256, path=str(loaded.path))
        terminal.write_json(record.to_dict(), json_target, force)
        terminal.log_written(json_target)
        return
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(highlight=False, markup=False)
    metadata = loaded.metadata
    about = Table("", Column(overflow="fold"), show_header=False, box=None)
    for label, value in (
        ("model", f"{metadata.name} {metadata.version} ({metadata.family.upper()})"),
        ("factor", metadata.factor),
        ("file", str(loaded.path)),
        ("sha256", loaded.sha256),
        ("trained on", f"{', '.join(metadata.cell_types)} ({metadata.assembly}), seed {metadata.seed}"),
        ("sees", metadata.describe_reach()),
        ("accessibility", f"{metadata.accessibility_mapping} of the track; missing values allowed"),
        ("balanced decision", f"probability ≥ {metadata.decision_threshold:g} (evaluate's default)"),
        ("calibrated on", f"{metadata.calibration_source}, prevalence {metadata.prevalence:.2%}"),
    ):
        about.add_row(label, value)
    for mode, scores in metadata.validation.items():
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in scores.items())
        about.add_row("validation", f"{mode.replace('_', ' ')}: {shown}")
    console.print(about)
    for mode, table in metadata.tables.items():
        title, used = _MODES[mode]
        shares = {"precision": "precision", "hit_precision": "hits on a peak", "peak_recall": "peaks hit"}
        known = [share for share in shares if any(getattr(row, share) is not None for row in table.rows)]
        columns = ("threshold", "recall", "false-positive rate", *(shares[share] for share in known))
        rows = Table(*columns, title=title, title_justify="left")
        for row in table.rows[:: max(1, len(table.rows) // 12)]:
            values = (getattr(row, share) for share in known)
            cells = ("–" if value is None else f"{value:.3f}" for value in values)
            rows.add_row(f"{row.threshold:.4f}", f"{row.recall:.3f}", f"{row.fpr:.5f}", *cells)
        console.print(rows)
        console.print(f"{used}: {table.default_rule}, threshold {table.default_threshold:.4f}")


def _list_models() -> None:
    """Print name, version, factor and folder of every installed model. Warn of those that cannot be read."""
    from rich.console import Console
    from rich.table import Column, Table

    from jundscan.model.load import installed_models, open_session, read_metadata, read_model_file

    shown = Table("name", "version", "factor", Column("folder", overflow="fold"), box=None)
    for name, folder in installed_models().items():
        file = folder / "model.onnx"
        try:
            metadata = read_metadata(open_session(read_model_file(file), file, "cpu"), file)
        except ModelError as err:
            log.warning("%s", err)
        else:
            shown.add_row(name, metadata.version, metadata.factor, str(folder))
    Console(highlight=False, markup=False).print(shown)
