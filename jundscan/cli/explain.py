"""``jundscan explain``: the bases that drive a prediction, of regions or hits."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import OUTPUTS, TARGETS, examples
from jundscan.errors import format_count, format_seconds

if TYPE_CHECKING:
    from jundscan.schemas.records import ExplainRecord

MAX_HITS = 1_000
"""Maximum number of hits explained in one run."""

log = logging.getLogger("jundscan")


EXAMPLES = examples(
    "jundscan explain genome.fa --region chr22:20063400-20063600 -o site",
    "jundscan explain genome.fa --hits hits.bed --accessibility dnase.bw -o why",
)


def _log_sites(record: ExplainRecord) -> None:
    """Log how many hits have which known site."""
    if not record["hits"]:
        return
    counts = dict(record["hits_by_site"])
    without = counts.pop("none")
    if not counts:
        log.info("known sites: %s", record["known_sites"])
        return
    named = ", ".join(f"{name} in {count:,}" for name, count in counts.items())
    log.info("of %s: %s, no known site in %s", format_count(len(record["hits"]), "hit"), named, format(without, ","))


def explain(
    context: typer.Context,
    genome: options.GenomeArgument,
    *,
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
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION",
            help="chrom:start-end (0-based, half-open), or with --genes GENE±1kb. May be repeated.",
            show_default=False,
            rich_help_panel=TARGETS,
        ),
    ] = None,
    hits: Annotated[
        Path | None,
        typer.Option(
            metavar="BED",
            help="Hits of a scan: the strongest are explained.",
            rich_help_panel=TARGETS,
            **options.INPUT,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=MAX_HITS, help="Number of hits to explain.", rich_help_panel=TARGETS),
    ] = 50,
    threshold: options.ThresholdOption = None,
    fpr: options.FprOption = None,
    precision: options.PrecisionOption = None,
    recall: options.RecallOption = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Tables, track and pictures.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ],
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """Show which bases drive a prediction.

    Every substitution is scored at every base of a region or hit.
    """
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.dna.regions import parse_region
    from jundscan.explanations.outputs import check_folder, picture_name, write_explanations
    from jundscan.explanations.pictures import check_pictures
    from jundscan.explanations.ranking import chromosomes_to_explain, read_hits, strongest_hits
    from jundscan.io.outputs import check_output
    from jundscan.io.streams import is_stream
    from jundscan.model.load import load_model
    from jundscan.scanning.plan import open_scan

    rule = options.threshold_rule(threshold, fpr, precision, recall)
    options.check_accessibility(accessibility, no_accessibility, accessibility_scale)
    options.check_reads((accessibility,), reads, min_mapq)
    if not region and hits is None:
        raise typer.BadParameter("name what to explain: --region, --hits or both", param_hint="--region")
    if is_stream(output):
        raise typer.BadParameter("several files cannot go to stdout; name a folder", param_hint="--output")
    options.check_files(
        {"--json": json_target}, (genome, accessibility, accessibility_scale, alias, genes, model, hits)
    )
    terminal.start_log(quiet)
    check_pictures()
    check_folder(output, (), force)
    if json_target is not None:
        check_output(json_target, force)
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
        genes=genes,
        threads=threads,
        chromosomes_to_score=partial(chromosomes_to_explain, region or (), hits),
    ) as ready:
        regions = list(dict.fromkeys(parse_region(text, ready.genome.chromsizes) for text in region or ()))
        to_rank = None if hits is None else read_hits(hits, ready)
        check_folder(output, map(picture_name, regions), force)
        terminal.log_threshold(ready.threshold)
        terminal.log_provider(ready.model, device)
        strongest = []
        if to_rank is not None and len(to_rank.bounds):
            log.info("scoring the windows of %s hits to rank them", format(len(to_rank.bounds), ","))
            strongest = strongest_hits(ready, to_rank, top)
        with terminal.progress("explaining", len(regions) + len(strongest), quiet) as on_progress:
            record = write_explanations(
                ready, regions, strongest, output, force, on_progress, hits, terminal.command_line(context)
            )
    if json_target is not None:
        terminal.write_json(record, json_target, force)
    terminal.log_written(*record["files"], json_target)
    _log_sites(record)
    log.info(
        "%s of %s explained, known sites in %s of them; %s on %s",
        format_count(record["bases"], "base"),
        format_count(len(record["regions"]) + len(record["hits"]), "region"),
        format(record["regions_with_a_site"], ","),
        format_seconds(record["seconds"]),
        record["provider"],
    )
