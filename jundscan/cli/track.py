"""``jundscan track``: reads or fragments in, a bigWig of their counts out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import INPUTS, OUTPUTS, examples

log = logging.getLogger("jundscan")


EXAMPLES = examples(
    "jundscan track atac.bam -o atac.bw",
    "jundscan track fragments.tsv.gz --genome genome.fa -o atac.bw",
)


def track(
    reads_file: Annotated[
        Path, typer.Argument(metavar="READS", help="BAM, CRAM or fragments of single-cell ATAC.", **options.INPUT)
    ],
    *,
    genome: Annotated[
        Path | None,
        typer.Option(
            metavar="FASTA",
            help="Genome. Fragments need it, for its lengths.",
            rich_help_panel=INPUTS,
            **options.INPUT,
        ),
    ] = None,
    reads: options.ReadsOption = None,
    min_mapq: options.MinMapqOption = None,
    allow_length_mismatch: options.LengthMismatchOption = False,
    alias: options.AliasOption = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A bigWig, named .bw or .bigWig.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ],
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Count reads or fragments once, for many scans.

    A scan of the bigWig gives the same scores as a scan of the reads.
    """
    from jundscan.accessibility.genome_tracks import match_chromosomes
    from jundscan.accessibility.read_tracks import open_reads, reads_format
    from jundscan.errors import TrackError
    from jundscan.io.aliases import open_genome_with_aliases
    from jundscan.io.outputs import check_track_output, is_bigwig_output
    from jundscan.options import ReadsOptions

    if not is_bigwig_output(output):
        raise typer.BadParameter(f"{output} must end in .bw or .bigWig", param_hint="--output")
    if genome is None and alias is not None:
        raise typer.BadParameter("needs --genome, whose chromosomes it names", param_hint="--alias")
    options.check_files({"--output": output}, (reads_file, genome, alias))
    options.check_reads((reads_file,), reads, min_mapq)
    terminal.start_log(quiet)
    check_track_output(output, force)
    if reads_file.is_file() and reads_format(reads_file) is None:
        raise TrackError(reads_file, "holds no reads: name a BAM, a CRAM or a fragments file")
    fasta = None if genome is None else open_genome_with_aliases(genome, alias)
    sizes = None if fasta is None else fasta.chromsizes
    [counted] = open_reads(reads_file, sizes, ReadsOptions(reads, min_mapq)).values()
    with counted:
        if fasta is not None:
            match_chromosomes(fasta, counted, allow_length_mismatch=allow_length_mismatch)
        counted.save(output, force)
    terminal.log_written(output)
