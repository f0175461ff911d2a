"""``jundscan evaluate``: metrics of labelled windows."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.evaluation_tables import show
from jundscan.cli.help_layout import INPUTS, OUTPUTS, THRESHOLD, examples

if TYPE_CHECKING:
    from jundscan.evaluation.labelled_windows import NamedEvaluation
    from jundscan.io.shards import Shards
    from jundscan.schemas.records import EvaluationRecord, EvaluationsRecord

log = logging.getLogger("jundscan")


EXAMPLES = examples(
    "jundscan evaluate HepG2/valid_dataset K562/valid_dataset --plots plots",
    "jundscan evaluate valid_dataset --genome hg19.fa --accessibility dnase.bw",
)


def evaluate(
    shard_dirs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SHARD_DIR",
            help="Folder of shards. Several are compared.",
            **options.INPUT,
        ),
    ],
    genome: Annotated[
        Path | None,
        typer.Option(
            metavar="FASTA",
            help="Genome of the windows, to see their surroundings.",
            rich_help_panel=INPUTS,
            **options.INPUT,
        ),
    ] = None,
    accessibility: options.AccessibilityOption = None,
    no_accessibility: options.NoAccessibilityOption = False,
    accessibility_scale: options.ScaleOption = None,
    bed_value: options.BedValueOption = "score",
    reads: options.ReadsOption = None,
    min_mapq: options.MinMapqOption = None,
    missing_chromosomes: options.MissingChromosomesOption = None,
    allow_length_mismatch: options.LengthMismatchOption = False,
    alias: options.AliasOption = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            callback=options.find_models,
            help="Another model: name, file or folder. Repeat to compare models.",
            rich_help_panel=INPUTS,
            **options.INPUT,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Call windows bound that score P or more. Default: 0.5.",
            show_default=False,
            rich_help_panel=THRESHOLD,
        ),
    ] = None,
    predictions: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="TSV with one line per window. - is stdout.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Five pictures, PNG and SVG.", show_default=False, rich_help_panel=OUTPUTS),
    ] = None,
    report: options.ReportOption = None,
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """Compare a model's predictions with labels in folders of shards.

    With --genome the model sees the surroundings of each window, as in a scan.
    With --accessibility too, the track replaces the accessibility in the shards.
    """
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.evaluation.labelled_windows import NamedEvaluation, evaluate_shards
    from jundscan.evaluation.neighbourhood import open_source
    from jundscan.io.shards import read_shards
    from jundscan.io.streams import is_stdout, is_stream
    from jundscan.model.load import load_model

    options.check_fraction(threshold, "--threshold")
    if no_accessibility and accessibility_scale is not None:
        raise typer.BadParameter("has nothing to map with --no-accessibility", param_hint="--accessibility-scale")
    _check_usage(genome, accessibility, no_accessibility, alias)
    options.check_reads((accessibility,), reads, min_mapq)
    outputs = {"--predictions": predictions, "--json": json_target, "--report": report}
    if plots is not None and is_stream(plots):
        raise typer.BadParameter("pictures cannot go to stdout; name a folder", param_hint="--plots")
    options.check_files(outputs, (*shard_dirs, *(model or ()), genome, accessibility, accessibility_scale, alias))
    terminal.start_log(quiet)
    _check_outputs(predictions, json_target, plots, report, force)
    scale = resolve_scale(accessibility_scale)
    sets = [read_shards(folder) for folder in shard_dirs]
    _check_labels(sets, predictions is not None and json_target is None and plots is None and report is None)
    models = [load_model(path, device) for path in model] if model else [load_model(None, device)]
    if genome is None and any(each.metadata.sees_neighbourhood for each in models):
        log.info("no --genome: the model sees the windows alone, not what lies around them, and is less accurate")
    names = _names(shard_dirs)
    rows = []
    with ExitStack() as stack:
        source = None
        if genome is not None:
            opened = open_source(
                genome,
                accessibility,
                allow_length_mismatch=allow_length_mismatch,
                alias=alias,
                bed_value=bed_value,
                missing_chromosomes=missing_chromosomes,
                reads=reads,
                min_mapq=min_mapq,
            )
            source = stack.enter_context(opened)
        terminal.log_provider(models[0], device)
        for each in models:
            for name, shards in zip(names, sets, strict=True):
                result = evaluate_shards(
                    shards,
                    each,
                    threshold=threshold,
                    withhold_accessibility=no_accessibility,
                    scale=scale,
                    threads=threads,
                    source=source,
                )
                called = f"{name}, {each.metadata.name}" if len(models) > 1 else name
                rows.append(NamedEvaluation(called, shards.path, result))
    written: list[str | Path | None] = [predictions]
    if predictions is not None:
        _write_predictions(rows, predictions, force)
    labelled = [row for row in rows if row.result.report is not None]
    for row in rows:
        if row.result.report is None and row.result.surroundings is not None:
            log.info("%s: %s", row.name, row.result.surroundings)
    if not labelled:
        terminal.log_written(*written)
        return
    if plots is not None:
        from jundscan.evaluation.plots import write_plots

        title = models[0].metadata.name if len(models) == 1 else ""
        written += write_plots(plots, [row.predictions for row in labelled], title, force=force)
    if report is not None:
        from jundscan.report.evaluation_page import write_evaluation_report

        write_evaluation_report(report, rows, _record(rows), force)
    if json_target is not None:
        terminal.write_json(_record(rows), json_target, force)
    terminal.log_written(*written, report, json_target)
    if not is_stdout(json_target) and not is_stdout(predictions):
        show(labelled)


def _check_usage(genome: Path | None, accessibility: Path | None, no_accessibility: bool, alias: Path | None) -> None:
    for option, path in (("--accessibility", accessibility), ("--alias", alias)):
        if path is not None and genome is None:
            raise typer.BadParameter("needs --genome FASTA, which the windows come from", param_hint=option)
    if accessibility is not None and no_accessibility:
        raise typer.BadParameter("contradicts --accessibility; use one", param_hint="--no-accessibility")


def _check_outputs(
    predictions: str | None, json_target: str | None, plots: Path | None, report: Path | None, force: bool
) -> None:
    from jundscan.io.outputs import check_output

    for target in (predictions, json_target):
        if target is not None:
            check_output(target, force)
    if plots is not None:
        from jundscan.evaluation.plots import check_plots

        check_plots(plots, force)
    if report is not None:
        from jundscan.report.render import check_report

        check_report(report, force)


def _check_labels(sets: Sequence[Shards], predictions_only: bool) -> None:
    from jundscan.errors import ShardError

    for shards in sets:
        if shards.labels is None and not predictions_only:
            raise ShardError(
                shards.path, "no labels (shard-K-y.joblib), nothing to compare with; use --predictions FILE alone"
            )


def _names(folders: Sequence[Path]) -> list[str]:
    """Name folders by where their paths differ. One alone, or one inside another, is named by its last two parts."""
    paths = [folder.resolve().parts for folder in folders]
    before = _shared_length(paths)
    after = _shared_length([path[:before:-1] for path in paths])
    names = [os.sep.join(path[before : len(path) - after]) for path in paths]
    return names if all(names) else [os.sep.join(path[-2:]) for path in paths]


def _shared_length(paths: Sequence[Sequence[str]]) -> int:
    """Count the first parts that all paths share."""
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False)))


def _write_predictions(rows: Sequence[NamedEvaluation], target: str, force: bool) -> None:
    from jundscan.io.outputs import open_output

    tables = [_columns(row, len(rows) > 1) for row in rows]
    header = list(dict.fromkeys(name for table in tables for name in table))
    with open_output(target, force) as stream:
        stream.write("\t".join(header) + "\n")
        for row, table in zip(rows, tables, strict=True):
            absent = [""] * len(row.result.probabilities)  # for a column that only other folders have
            columns = [table.get(name, absent) for name in header]
            stream.writelines("\t".join(line) + "\n" for line in zip(*columns, strict=True))


def _columns(row: NamedEvaluation, named: bool) -> dict[str, Iterable[str]]:
    """Return one evaluation's windows as columns of text, with its name as the first if ``named``."""
    from jundscan.io.numbers import format_probabilities

    result = row.result
    shards, count = result.shards, len(result.probabilities)
    columns: dict[str, Iterable[str]] = {"data": [row.name] * count} if named else {}
    columns["index"] = map(str, range(count))
    if shards.ids is not None:
        columns["id"] = map(str, shards.ids.tolist())
    if shards.labels is not None:
        columns["label"] = map(str, shards.labels.tolist())
    if result.weights is not None:
        columns["weight"] = map(repr, result.weights.tolist())
    columns["accessibility"] = format_probabilities(result.accessibility)
    columns["probability"] = format_probabilities(result.probabilities)
    return columns


def _record(rows: Sequence[NamedEvaluation]) -> EvaluationRecord | EvaluationsRecord:
    """Return the report that --json writes."""
    if len(rows) == 1:
        return rows[0].report
    return {"data": [{**row.report, "path": str(row.path)} for row in rows]}
