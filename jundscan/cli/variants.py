"""``jundscan variants``: the effects of variants on JUND binding."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from jundscan.cli.options import (
    INPUT,
    AccessibilityOption,
    AliasOption,
    BedValueOption,
    DeviceOption,
    ForceOption,
    FprOption,
    GenomeArgument,
    JsonOption,
    LengthMismatchOption,
    MissingChromosomesOption,
    ModelOption,
    NoAccessibilityOption,
    PrecisionOption,
    QuietOption,
    RecallOption,
    ScaleOption,
    ThreadsOption,
    ThresholdOption,
    check_accessibility,
    check_files,
    threshold_rule,
)
from jundscan.cli.terminal import (
    command_line,
    log_accessibility,
    log_provider,
    log_threshold,
    log_written,
    progress,
    start_log,
    write_json,
)
from jundscan.errors import format_count, format_seconds
from jundscan.options import ScanOptions

log = logging.getLogger("jundscan")


def variants(
    context: typer.Context,
    genome: GenomeArgument,
    vcf: Annotated[Path, typer.Argument(help="VCF, gzipped or not, or BCF.", **INPUT)],
    accessibility: AccessibilityOption = None,
    bed_value: BedValueOption = "score",
    no_accessibility: NoAccessibilityOption = False,
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="A .vcf, .vcf.gz (indexed) or .tsv file. - is VCF on stdout."),
    ] = "-",
    threshold: ThresholdOption = None,
    fpr: FprOption = None,
    precision: PrecisionOption = None,
    recall: RecallOption = None,
    accessibility_scale: ScaleOption = None,
    missing_chromosomes: MissingChromosomesOption = None,
    allow_length_mismatch: LengthMismatchOption = False,
    alias: AliasOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    model: ModelOption = None,
    json_target: JsonOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score which variants make or break a JUND site, allele by allele.

    Every window that an allele touches is scored on the reference and on the alternative haplotype, with the
    surroundings that it has there and the accessibility of the reference. Windows beside the allele are left out.
    Each allele is scored by itself: phased neighbours are not combined.

    Example: jundscan variants genome.fa variants.vcf.gz --accessibility dnase.narrowPeak -o effects.vcf.gz
    """
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.effects.contigs import chromosomes_of
    from jundscan.effects.outputs import check_variant_output, write_variants
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model
    from jundscan.scanning.plan import open_scan

    rule = threshold_rule(threshold, fpr, precision, recall)
    check_accessibility(accessibility, no_accessibility, accessibility_scale)
    check_files(
        {"--output": output, "--json": json_target}, (genome, vcf, accessibility, accessibility_scale, alias, model)
    )
    start_log(quiet)
    check_variant_output(output, force)
    if json_target is not None:
        check_output(json_target, force)
    log_accessibility(accessibility, no_accessibility)
    options = ScanOptions(
        stride=1,
        threshold_rule=rule,
        scale=resolve_scale(accessibility_scale),
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        threads=threads,
    )
    concerned = partial(chromosomes_of, vcf)
    with open_scan(
        genome, accessibility, model=load_model(model, device), concerned=concerned, **vars(options)
    ) as ready:
        log_threshold(ready.threshold)
        log_provider(ready.model, device)
        size = vcf.stat().st_size if vcf.is_file() else 0
        with progress("scoring variants", size, quiet, (output,)) as on_progress:
            record = write_variants(
                ready, vcf, output, force, on_progress, command_line(context), allow_length_mismatch
            )
    if json_target is not None:
        write_json(record, json_target, force)
    log_written(output, json_target)
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
