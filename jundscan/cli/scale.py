"""``jundscan scale``: the accessibility scale of a track, to be used by many scans."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import OUTPUTS, examples

if TYPE_CHECKING:
    from jundscan.schemas.records import ScaleRunRecord

log = logging.getLogger("jundscan")


EXAMPLES = examples(
    "jundscan scale dnase.bw -o scale.json",
    "jundscan scale dnase.narrowPeak genome.fa -o scale.json",
)


def scale(
    context: typer.Context,
    track: Annotated[
        Path,
        typer.Argument(help="bigWig, bedGraph, BED, narrowPeak, broadPeak, BAM, CRAM or fragments.", **options.INPUT),
    ],
    genome: Annotated[
        Path | None,
        typer.Argument(help="FASTA of the whole genome. bigWig, BAM and CRAM need none.", **options.INPUT),
    ] = None,
    bed_value: options.BedValueOption = "score",
    reads: options.ReadsOption = None,
    min_mapq: options.MinMapqOption = None,
    missing_chromosomes: options.MissingChromosomesOption = None,
    allow_length_mismatch: options.LengthMismatchOption = False,
    alias: options.AliasOption = None,
    model: options.ModelOption = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="JSON file. Default: stdout.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = "-",
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Find a track's accessibility scale, to scan parts of a genome.

    Pass the scale to --accessibility-scale of the other commands.
    Then a part gets the same scores as in a scan of the whole genome.
    """
    from jundscan.accessibility.genome_tracks import match_chromosomes
    from jundscan.accessibility.opening import open_track
    from jundscan.accessibility.track_scale import track_scale
    from jundscan.errors import Cautions
    from jundscan.io.aliases import open_genome_with_aliases
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model
    from jundscan.options import ReadsOptions

    options.check_files({"--output": output}, (track, genome, alias, model))
    if genome is None and alias is not None:
        raise typer.BadParameter("needs GENOME, whose chromosomes it names", param_hint="--alias")
    options.check_reads((track,), reads, min_mapq)
    terminal.start_log(quiet)
    check_output(output, force)
    widths, cautions = load_model(model, "cpu").widths, Cautions()
    with ExitStack() as stack:
        fasta = None if genome is None else open_genome_with_aliases(genome, alias)
        sizes = None if fasta is None else fasta.chromsizes
        opened = stack.enter_context(open_track(track, bed_value, ReadsOptions(reads, min_mapq), sizes))
        if fasta is None:
            found = track_scale(None, opened, widths)
        else:
            matched = match_chromosomes(
                fasta, opened, cautions, allow_length_mismatch=allow_length_mismatch, missing=missing_chromosomes
            )
            found = track_scale(fasta, matched, widths, cautions)
        of_reads = opened.reads
    record: ScaleRunRecord = {
        "accessibility": str(track),
        "genome": None if genome is None else str(genome),
        "command": terminal.command_line(context),
        "warnings": cautions.to_list(),
        "accessibility_scale": found.to_dict(),
    }
    if of_reads is not None:
        record["accessibility_reads"] = of_reads
    terminal.write_json(record, output, force)
    log.info(
        "scale of %s: %s windows, %.1f%% of them at 0%s",
        track,
        format(found.windows, ","),
        100 * found.zero_share,
        "" if output == "-" else f"; wrote {output}",
    )
