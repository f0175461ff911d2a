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
        typer.Argument(help="bigWig, bedGraph, BED, narrowPeak or broadPeak.", **options.INPUT),
    ],
    genome: Annotated[
        Path | None, typer.Argument(help="FASTA of the whole genome. A bigWig needs none.", **options.INPUT)
    ] = None,
    bed_value: options.BedValueOption = "score",
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
    from jundscan.accessibility.track_scale import track_scale
    from jundscan.accessibility.tracks import open_track
    from jundscan.errors import Cautions
    from jundscan.io.aliases import open_genome_with_aliases
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model

    options.check_files({"--output": output}, (track, genome, alias, model))
    if genome is None and alias is not None:
        raise typer.BadParameter("needs GENOME, whose chromosomes it names", param_hint="--alias")
    terminal.start_log(quiet)
    check_output(output, force)
    widths, cautions = load_model(model, "cpu").widths, Cautions()
    with ExitStack() as stack:
        opened = stack.enter_context(open_track(track, bed_value))
        if genome is None:
            found = track_scale(None, opened, widths)
        else:
            fasta = open_genome_with_aliases(genome, alias)
            matched = match_chromosomes(
                fasta, opened, cautions, allow_length_mismatch=allow_length_mismatch, missing=missing_chromosomes
            )
            found = track_scale(fasta, matched, widths, cautions)
    record: ScaleRunRecord = {
        "accessibility": str(track),
        "genome": None if genome is None else str(genome),
        "command": terminal.command_line(context),
        "warnings": cautions.to_list(),
        "accessibility_scale": found.to_dict(),
    }
    terminal.write_json(record, output, force)
    log.info(
        "scale of %s: %s windows, %.1f%% of them at 0%s",
        track,
        format(found.windows, ","),
        100 * found.zero_share,
        "" if output == "-" else f"; wrote {output}",
    )
