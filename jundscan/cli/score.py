"""``jundscan score``: regions of a genome or sequences in, one row for each out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import INPUTS, OUTPUTS, SCOPE, examples
from jundscan.errors import format_count, format_seconds
from jundscan.options import DEFAULT_STRIDE, MAX_EXTEND, delimiter, hit_format

if TYPE_CHECKING:
    from jundscan.schemas.records import ScoreRecord

log = logging.getLogger("jundscan")

EXAMPLES = examples(
    "jundscan score genome.fa peaks.bed --accessibility dnase.bw -o scores.tsv",
    "jundscan score genome.fa summits.bed --extend 50 > scores.tsv",
    "jundscan score --sequences promoters.fa -o promoters.csv",
)


def score(
    context: typer.Context,
    genome: Annotated[Path | None, typer.Argument(help="FASTA, gzipped or not. - is stdin.", **options.INPUT)] = None,
    regions: Annotated[
        Path | None, typer.Argument(help="BED or narrowPeak of the regions to score.", **options.INPUT)
    ] = None,
    sequences: Annotated[
        Path | None,
        typer.Option(
            metavar="FASTA",
            help="Instead of genome and regions: score each sequence.",
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
    genes: options.GenesOption = None,
    model: options.ModelOption = None,
    extend: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=MAX_EXTEND,
            help="Widen each region by N bases on both sides.",
            rich_help_panel=SCOPE,
        ),
    ] = 0,
    stride: options.StrideOption = DEFAULT_STRIDE,
    threshold: options.ThresholdOption = None,
    fpr: options.FprOption = None,
    precision: options.PrecisionOption = None,
    recall: options.RecallOption = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Table: .tsv or .csv, .gz compresses. Default: stdout.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = "-",
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """Score your own regions or sequences.

    Writes one row for each, in the order of the file.
    """
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.io.bed import read_named_intervals
    from jundscan.io.outputs import check_output, open_output
    from jundscan.model.load import load_model
    from jundscan.scanning.plan import open_scan
    from jundscan.scanning.region_scores import (
        RegionScores,
        chromosomes_of_intervals,
        place_intervals,
        whole_sequences,
        write_region_scores,
    )

    rule = options.threshold_rule(threshold, fpr, precision, recall)
    _check_usage(genome, regions, sequences, {"--accessibility": accessibility, "--genes": genes, "--alias": alias})
    with options.usage_errors("--output"):
        hit_format(output)  # an Excel workbook is no table
    options.check_accessibility(accessibility, no_accessibility, accessibility_scale)
    options.check_reads((accessibility,), reads, min_mapq)
    inputs = (genome, regions, sequences, accessibility, accessibility_scale, alias, genes, model)
    options.check_files({"--output": output, "--json": json_target}, inputs)
    terminal.start_log(quiet)
    for target in (output, json_target):
        if target is not None:
            check_output(target, force)
    listed = None if regions is None else read_named_intervals(regions)
    terminal.log_accessibility(accessibility, no_accessibility)
    with open_scan(
        genome or sequences or Path(),
        accessibility,
        model=load_model(model, device),
        stride=stride,
        threshold_rule=rule,
        scale=resolve_scale(accessibility_scale),
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        genes=genes,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        threads=threads,
        chromosomes_to_score=partial(chromosomes_of_intervals, listed),
    ) as ready:
        if regions is not None and listed is not None:
            ready.inputs.watch(regions)
            named = place_intervals(listed, regions, ready)
        else:
            named = whole_sequences(ready)
        work = RegionScores(ready, named, extend)
        terminal.log_threshold(ready.threshold, ready.stride)
        terminal.log_provider(ready.model, device)
        began = time.perf_counter()
        with (
            terminal.progress("scoring", work.windows, quiet, (output,)) as on_progress,
            open_output(output, force) as stream,
        ):
            status = write_region_scores(stream, work.rows(on_progress), delimiter(output), genes is not None)
        record: ScoreRecord = work.record(
            output, regions, status, terminal.command_line(context), time.perf_counter() - began
        )
    if json_target is not None:
        terminal.write_json(record, json_target, force)
    terminal.log_written(output, json_target)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in status.items() if count)
    log.info(
        "%s: %s; %s in %s on %s",
        format_count(record["regions"], "region" if sequences is None else "sequence"),
        counted,
        format_count(record["windows_scored"], "window"),
        format_seconds(record["seconds"]),
        record["provider"],
    )


def _check_usage(
    genome: Path | None, regions: Path | None, sequences: Path | None, of_genomes: Mapping[str, Path | None]
) -> None:
    """Raise typer.BadParameter unless there are a genome and regions, or sequences without options of a genome."""
    if sequences is None:
        if genome is None or regions is None:
            raise typer.BadParameter("name a genome and a BED of regions, or --sequences", param_hint="GENOME REGIONS")
        return
    if genome is not None:
        raise typer.BadParameter("contradicts GENOME; use one", param_hint="--sequences")
    for option, given in of_genomes.items():
        if given is not None:
            problem = "has no positions on sequences; score regions of their genome instead"
            raise typer.BadParameter(problem, param_hint=option)
