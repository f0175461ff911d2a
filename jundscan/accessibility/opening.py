"""Open a track of any format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jundscan.accessibility.read_tracks import open_reads, reads_format
from jundscan.accessibility.tracks import BigWigTrack, TextTrack, Track
from jundscan.errors import TrackError
from jundscan.io.bigwig import is_bigwig
from jundscan.options import BedValue, ReadsOptions


def open_track(
    path: str | Path,
    bed_value: BedValue = "score",
    reads: ReadsOptions = ReadsOptions(),  # noqa: B008 - frozen
    genome_sizes: Mapping[str, int] | None = None,
) -> Track:
    """Open a track, whose format its content decides.

    Formats are bigWig, text files of intervals (see :mod:`jundscan.io.bed`), and reads or fragments (see
    :mod:`jundscan.accessibility.read_tracks`).

    Parameters
    ----------
    path : str or pathlib.Path
        The file. Intervals may come through a pipe.
    bed_value : {"score", "presence"}
        Value of an interval of a BED, narrowPeak or broadPeak: its score, or 1.
    reads : ReadsOptions
        What counts of reads or fragments.
    genome_sizes : mapping of str to int, optional
        Lengths of the genome's chromosomes. Fragments need them.

    Raises
    ------
    TrackError
        When the file is missing, unreadable, damaged or of another kind, a line is wrong, or an option is for another
        kind of file.
    """
    path = Path(path)
    is_signal = is_bigwig(path)
    file_format = "bigWig" if is_signal else reads_format(path)
    if file_format is not None and bed_value == "presence":
        kind = "fragments file" if file_format == "fragments" else file_format
        raise TrackError(path, f"is a {kind}; --bed-value presence is for BED and peaks")
    if file_format in (None, "bigWig") and reads != ReadsOptions():
        raise TrackError(path, "holds no reads; --reads and --min-mapq are for BAM, CRAM and fragments files")
    if is_signal:
        return BigWigTrack(path)
    return TextTrack(path, bed_value) if file_format is None else open_reads(path, genome_sizes, reads)[""]
