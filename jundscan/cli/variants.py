"""``jundscan variants``: the effects of variants on binding."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import OUTPUTS, examples
from jundscan.errors import format_count, format_seconds

log = logging.getLogger("jundscan")


EXAMPLES = examples(
    "jundscan variants genome.fa snps.vcf --accessibility dnase.bw -o effects.vcf",
    "jundscan variants genome.fa snps.vcf.gz --no-accessibility -o effects.tsv",
    "jundscan variants genome.fa snps.csv -o effects.tsv --report effects.html",
)


def variants(
    context: typer.Context,
    genome: options.GenomeArgument,
    vcf: Annotated[
        Path,
        typer.Argument(
            metavar="VARIANTS",
            help="VCF, BCF, or a table (TSV, CSV) with chrom, pos, ref and alt; gzipped or not.",
            **options.INPUT,
        ),
    ],
    accessibility: options.AccessibilityOption = None,
    no_accessibility: options.NoAccessibilityOption = False,
    accessibility_scale: options.ScaleOption = None,
    bed_value: options.BedValueOption = "score",
    reads: options.ReadsOption = None,
    min_mapq: options.MinMapqOption = None,
    missing_chromosomes: options.MissingChromosomesOption = None,
    allow_length_mismatch: options.LengthMismatchOption = False,
    alias: options.AliasOption = None,
    model: options.ModelOption = None,
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
            help=".vcf, .vcf.gz or .tsv. Default: VCF on stdout.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = "-",
    report: options.ReportOption = None,
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """Find variants that make or break a binding site.

    Every window that an allele touches is scored with it and without it.
    Accessibility is that of the reference.
    Each allele is scored by itself: phased neighbours are not combined.
    """
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.effects.contigs import chromosomes_of
    from jundscan.effects.outputs import check_variant_output, write_variants
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model
    from jundscan.scanning.plan import open_scan

    rule = options.threshold_rule(threshold, fpr, precision, recall)
    options.check_accessibility(accessibility, no_accessibility, accessibility_scale)
    options.check_reads((accessibility,), reads, min_mapq)
    options.check_files(
        {"--output": output, "--report": report, "--json": json_target},
        (genome, vcf, accessibility, accessibility_scale, alias, model),
    )
    terminal.start_log(quiet)
    check_variant_output(output, force)
    if json_target is not None:
        check_output(json_target, force)
    strongest = None
    if report is not None:
        from jundscan.report.render import check_report
        from jundscan.report.variants_page import StrongestAlleles, write_variants_report

        check_report(report, force)
        strongest = StrongestAlleles()
    terminal.log_accessibility(accessibility, no_accessibility)
    with open_scan(
        genome,
        accessibility,
        model=load_model(model, device),
        stride=1,
        threshold_rule=rule,
        scale=resolve_scale(accessibility_scale),
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        threads=threads,
        chromosomes_to_score=partial(chromosomes_of, vcf),
    ) as ready:
        terminal.log_threshold(ready.threshold)
        terminal.log_provider(ready.model, device)
        size = vcf.stat().st_size if vcf.is_file() else 0
        with terminal.progress("scoring variants", size, quiet, (output,)) as on_progress:
            record = write_variants(
                ready,
                vcf,
                output,
                force,
                on_progress,
                terminal.command_line(context),
                allow_length_mismatch,
                None if strongest is None else strongest.add,
            )
        if report is not None and strongest is not None:
            write_variants_report(report, ready, strongest, record, force)
    if json_target is not None:
        terminal.write_json(record, json_target, force)
    terminal.log_written(output, json_target, report)
    status, hits = record["status"], record["hits"]
    unscored = [f"{count:,} {name}" for name, count in status.items() if count and name not in ("scored", "partial")]
    log.info(
        "%s of %s%s: %s scored (%s in part, N nearby), not scored: %s; %s gained, %s lost; %s on %s",
        format_count(record["alleles"], "allele"),
        format_count(record["records"], "record"),
        f" ({record['records_without_alternative']:,} without ALT)" if record["records_without_alternative"] else "",
        format(status["scored"] + status["partial"], ","),
        format(status["partial"], ","),
        ", ".join(unscored) or "none",
        format_count(hits["gained"], "hit"),
        format(hits["lost"], ","),
        format_seconds(record["seconds"]),
        record["provider"],
    )
