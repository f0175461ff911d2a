"""``jundscan compare``: two groups of samples in, the sites whose binding changes out."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import CHANGES, INPUTS, OUTPUTS, examples
from jundscan.cli.process import allow_files_of
from jundscan.errors import format_count, format_seconds
from jundscan.options import DEFAULT_STRIDE, FDR, MIN_DIFFERENCE, check_difference

if TYPE_CHECKING:
    from jundscan.comparison.result import Comparison
    from jundscan.samples.plan import Samples

log = logging.getLogger("jundscan")


EXAMPLES = examples(
    "jundscan compare genome.fa --samples samples.tsv --contrast treated,control",
    "jundscan compare hg38.fa --samples s.tsv --contrast old,young -o changes.tsv",
)


def compare(
    context: typer.Context,
    genome: options.GenomeArgument,
    *,
    samples: Annotated[
        Path,
        typer.Option(
            metavar="TSV",
            help="Table of samples: sample, accessibility, group.",
            rich_help_panel=INPUTS,
            **options.INPUT,
        ),
    ],
    contrast: Annotated[
        str,
        typer.Option(
            metavar="GROUP,GROUP",
            help="Groups to compare. Differences are first minus second.",
            show_default=False,
            rich_help_panel=INPUTS,
        ),
    ],
    accessibility_scale: options.ScaleOption = None,
    bed_value: options.BedValueOption = "score",
    reads: options.ReadsOption = None,
    min_mapq: options.MinMapqOption = None,
    allow_shallow: options.AllowShallowOption = False,
    missing_chromosomes: options.MissingChromosomesOption = None,
    allow_length_mismatch: options.LengthMismatchOption = False,
    alias: options.AliasOption = None,
    model: options.ModelOption = None,
    region: options.RegionOption = None,
    regions: options.RegionsOption = None,
    exclude: options.ExcludeOption = None,
    stride: options.StrideOption = DEFAULT_STRIDE,
    threshold: options.ThresholdOption = None,
    fpr: options.FprOption = None,
    precision: options.PrecisionOption = None,
    recall: options.RecallOption = None,
    fdr: Annotated[
        float,
        typer.Option(metavar="Q", help="With replicates: q of a change is below Q.", rich_help_panel=CHANGES),
    ] = FDR,
    min_difference: Annotated[
        float,
        typer.Option(metavar="LOGITS", help="Without replicates: least difference.", rich_help_panel=CHANGES),
    ] = MIN_DIFFERENCE,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Table of sites, compressed if named .gz. Default: stdout.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = "-",
    no_header: options.NoHeaderOption = False,
    bed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sites as BED9.", show_default=False, rich_help_panel=OUTPUTS),
    ] = None,
    report: options.ReportOption = None,
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    backend: options.BackendOption = "local",
    scheduler: options.SchedulerOption = None,
) -> None:
    """Find sites where binding changes between two groups of samples.

    The sequence is the same in both groups.
    So every difference is one of accessibility, seen through the sequence.
    """
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.comparison.run import check_model, comparison_record, parse_contrast, run_comparison, samples_of
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model
    from jundscan.samples.plan import open_samples
    from jundscan.samples.table import read_samples, sample_files
    from jundscan.scanning.score import score_together

    terminal.start_log(quiet)
    rule = options.threshold_rule(threshold, fpr, precision, recall)
    options.check_fraction(fdr, "--fdr")
    with options.usage_errors("--min-difference"):
        check_difference("logits", min_difference)
    with options.usage_errors("--contrast"):
        named = parse_contrast([contrast])
    chosen = read_samples(samples)
    with options.usage_errors("--contrast"):
        chosen = samples_of(named, chosen)
    files = sample_files(chosen)
    options.check_reads(files, reads, min_mapq)
    options.check_backend(backend, scheduler, files)
    allow_files_of(len(chosen))
    options.check_files(
        {"--output": output, "--bed": bed, "--json": json_target, "--report": report},
        (genome, samples, *files, accessibility_scale, regions, exclude, alias, model),
    )
    for path in (output, bed):
        if path is not None:
            check_output(path, force, indexed=True)
    if json_target is not None:
        check_output(json_target, force)
    if report is not None:
        from jundscan.report.render import check_report

        check_report(report, force)
    loaded = load_model(model, device)
    with options.usage_errors("--model"):
        check_model(loaded)
    command = terminal.command_line(context)
    if scheduler is not None:
        from jundscan.cluster.client import on_cluster

    with (
        nullcontext(score_together) if scheduler is None else on_cluster(scheduler) as scoring,
        open_samples(
            genome,
            chosen,
            model=loaded,
            stride=stride,
            threshold_rule=rule,
            regions=region or (),
            regions_file=regions,
            exclude=exclude,
            scale=resolve_scale(accessibility_scale),
            allow_length_mismatch=allow_length_mismatch,
            alias=alias,
            bed_value=bed_value,
            missing_chromosomes=missing_chromosomes,
            reads=reads,
            min_mapq=min_mapq,
            allow_shallow=allow_shallow,
            threads=threads if scheduler is None else threads or 1,
        ) as ready,
    ):
        scan = ready.scans[0]
        terminal.log_threshold(scan.threshold, scan.stride)
        if scheduler is None:
            terminal.log_provider(loaded, device)
        began = time.perf_counter()
        with terminal.progress("comparing", scan.windows, quiet) as on_progress:
            compared, facts = run_comparison(ready, named, fdr, min_difference, scoring, on_progress)
        _write(ready, compared, output, bed, force, None if no_header else command)
        record = comparison_record(ready, compared, facts, samples, command, time.perf_counter() - began)
        if report is not None:
            from jundscan.report.comparison_page import write_comparison_report

            write_comparison_report(report, ready.scans, compared, record, force)
    if json_target is not None:
        terminal.write_json(record, json_target, force)
    terminal.log_written(output, bed, json_target, report)
    log.info(
        "%s minus %s: %s: %s, in %s on %s",
        *named,
        format_count(len(compared), "site"),
        ", ".join(f"{number:,} {change}" for change, number in compared.counts.items()),
        format_seconds(record["seconds"]),
        record["provider"],
    )


def _write(
    samples: Samples, compared: Comparison, output: str, bed: Path | None, force: bool, command: str | None
) -> None:
    """Write the table and the BED file, which get their final names together. Without a command they have no head."""
    from jundscan.comparison.lines import write_changes, write_changes_bed
    from jundscan.io.outputs import open_output
    from jundscan.run.record import header

    scan = samples.scans[0]
    longest = max(scan.genome.chromsizes.values(), default=0)
    tracks = ", ".join(f"{number} of {group}" for group, number in zip(compared.contrast, compared.sizes, strict=True))
    about = "" if command is None else header(scan.inputs, scan.threshold, scan.stride, command, tracks)
    with ExitStack() as files:
        table = files.enter_context(open_output(output, force, "bed", longest))
        table.write(about)
        write_changes(table, compared)
        if bed is not None:
            sites = files.enter_context(open_output(bed, force, "bed", longest))
            sites.write(about)
            write_changes_bed(sites, compared)
