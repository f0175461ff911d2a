"""What lies beside single windows: their ids say where they are on a genome; it and a track say what is around them.

A scan knows the bases beside a window and how open the chromatin around it is. Bare shards do not: both are looked up
here, so that a window gets the probability that a scan gives it. A window's own bases are always those of the shards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import GenomeTrack, match_chromosomes
from jundscan.accessibility.scale import AccessibilityScale
from jundscan.accessibility.track_scale import track_scale
from jundscan.accessibility.tracks import Track, open_track
from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.dna.regions import Region, parse_ids, window_id_error
from jundscan.errors import Cautions, InputError, format_count, warn
from jundscan.io.aliases import read_aliases
from jundscan.io.fasta.genome import Genome, open_genome
from jundscan.io.fasta.stretches import StretchReader
from jundscan.options import BedValue, MissingChromosomes, check_choice

PORTION = 16_384
"""Windows whose flanks are in memory at a time while they are scored."""
MOST_DIFFERENT = 0.01
"""Share of comparable windows that may differ from the genome: more of them come from another assembly."""

log = logging.getLogger("jundscan")


@dataclass(frozen=True)
class WindowSource:
    """A genome that windows come from and, where there is one, a track over it, from :func:`open_source`.

    Attributes
    ----------
    genome : Genome
    track : GenomeTrack or None
    cautions : Cautions
        What may mislead in how they go together.
    """

    genome: Genome
    track: GenomeTrack | None
    cautions: Cautions = field(default_factory=Cautions)
    _scales: dict[tuple[int, ...], AccessibilityScale] = field(default_factory=dict, init=False, repr=False)

    def scale(self, widths: tuple[int, ...]) -> AccessibilityScale:
        """Find the scale of the whole track, once for each widths.

        See :func:`jundscan.accessibility.track_scale.track_scale`.
        """
        assert self.track is not None
        if widths not in self._scales:
            self._scales[widths] = track_scale(self.genome, self.track, widths, self.cautions)
        return self._scales[widths]


@contextmanager
def open_source(
    genome: Genome | str | Path,
    accessibility: Track | str | Path | None = None,
    *,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
) -> Iterator[WindowSource]:
    """Open a genome and a track as a scan does, with its errors; the track is closed at the end.

    Parameters
    ----------
    genome : Genome, str or pathlib.Path
        FASTA, plain, gzipped or bgzipped, ``-`` for standard input, or what is open already.
    accessibility : Track, str or pathlib.Path, optional
        narrowPeak, BED, bedGraph or bigWig.
    allow_length_mismatch : bool
        Accept a track whose header gives other chromosome lengths than the genome.
    alias : str or pathlib.Path, optional
        Other names of the chromosomes, for track and ids: see :func:`jundscan.io.aliases.read_aliases`.
    bed_value : {"score", "presence"}
        What an interval of a BED track counts as, see :func:`jundscan.io.bed.read_intervals`.
    missing_chromosomes : {"closed", "unknown", "error"}, optional
        What holds on chromosomes that the track does not name, see
        :func:`jundscan.accessibility.genome_tracks.match_chromosomes`.

    Yields
    ------
    WindowSource

    Raises
    ------
    InputError
        When a file cannot be used, or genome and track have no chromosome in common.
    """
    check_choice("bed_value", bed_value, BedValue)
    fasta = genome if isinstance(genome, Genome) else open_genome(genome)
    if alias is not None:
        fasta.chromsizes.aliases = read_aliases(alias, fasta.chromsizes)
    if accessibility is None:
        yield WindowSource(fasta, None)
        return
    with accessibility if isinstance(accessibility, Track) else open_track(accessibility, bed_value) as track:
        cautions = Cautions()
        matched = match_chromosomes(
            fasta, track, cautions, allow_length_mismatch=allow_length_mismatch, missing=missing_chromosomes
        )
        yield WindowSource(fasta, matched, cautions)


class Line:
    """All chromosomes of a genome on one line, ``apart`` bases between two: one number says where a window is."""

    def __init__(self, genome: Genome, apart: int) -> None:
        self.chroms = tuple(genome.chromsizes)
        self.ranks = {chrom: rank for rank, chrom in enumerate(self.chroms)}
        sizes = np.array(list(genome.chromsizes.values()), np.int64)
        self.origins = np.cumsum(sizes + apart) - sizes

    def split(self, places: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield each chromosome that has places, which ascend, with those places as the chromosome counts them."""
        ranks = np.searchsorted(self.origins, places, side="right") - 1
        edges = np.flatnonzero(np.diff(ranks, prepend=-1, append=-1))
        for first, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            rank = int(ranks[first])
            yield self.chroms[rank], places[first:stop] - self.origins[rank]


class Neighbourhood:
    """What lies around windows, from :func:`look_up`; row i of every array is window i.

    Attributes
    ----------
    placed : numpy.ndarray, shape=(n,), dtype=bool
        Whether the id names a place on the genome.
    known : numpy.ndarray, shape=(n,), dtype=bool
        Whether the genome knows all 101 bases at that place: nothing is looked up for other windows.
    """

    def __init__(
        self, windows: NDArray[np.uint8], places: NDArray[np.int64], line: Line, genome: Genome, flank: int
    ) -> None:
        self._windows = windows
        self._places = places
        self._line = line
        self._flank = flank
        self.placed = places >= 0
        self.known = np.zeros(len(places), np.bool_)
        self._at = np.zeros(len(places), np.int64)  # where each window with its flanks begins in the bases read
        self._bases = self._read(genome)

    @property
    def span(self) -> int:
        """Bases of a window and both its flanks."""
        return WINDOW_LENGTH + 2 * self._flank

    def _read(self, genome: Genome) -> NDArray[np.uint8]:
        """Read the bases of all windows and their flanks, each base once."""
        firsts = self._places[self.placed] - self._flank
        stretches = merge_intervals(np.column_stack((firsts, firsts + self.span)))
        offsets = np.cumsum(np.diff(stretches).ravel()) - np.diff(stretches).ravel()
        stretch = np.searchsorted(stretches[:, 0], firsts, side="right") - 1
        self._at[self.placed] = offsets[stretch] + firsts - stretches[stretch, 0]
        lengths = iter(np.diff(stretches).ravel().tolist())
        regions = [
            Region(chrom, start - self._flank, start - self._flank + next(lengths))
            for chrom, starts in self._line.split(stretches[:, 0] + self._flank)
            for start in starts.tolist()
        ]
        return StretchReader(genome).read(regions)

    def _portions(self) -> Iterator[NDArray[np.int64]]:
        rows = np.flatnonzero(self.placed)
        return (rows[first : first + PORTION] for first in range(0, len(rows), PORTION))

    def compare(self, ids: NDArray[np.str_], where: str, genome: Genome) -> None:
        """Find which windows the genome knows, and compare their bases with those of the shards.

        Raises
        ------
        InputError
            When more than 1 % of the windows that are known in both differ.
        """
        comparable, different = 0, []
        for rows in self._portions():
            own = np.lib.stride_tricks.sliding_window_view(self._bases, WINDOW_LENGTH)[self._at[rows] + self._flank]
            windows = self._windows[rows]
            self.known[rows] = (own != UNKNOWN).all(axis=1)
            both = self.known[rows] & (windows != UNKNOWN).all(axis=1)
            comparable += int(np.count_nonzero(both))
            different.append(rows[both & (own != windows).any(axis=1)])
        count = sum(map(len, different))
        if not count:
            return
        first = str(ids[int(np.concatenate(different)[0])])
        if count > MOST_DIFFERENT * comparable:
            raise InputError(
                f"{where}: {count:,} of {comparable:,} windows, {first} for one, have other bases than {genome.path} "
                "where their ids say: give the genome (assembly) that they come from"
            )
        warn(
            "other_bases",
            f"{where}: {count:,} of {comparable:,} windows, {first} for one, have other bases than {genome.path}; "
            f"their own count",
            windows=count,
            compared=comparable,
        )

    def codes(self, rows: slice = slice(None)) -> NDArray[np.uint8]:
        """Return windows with their flanks.

        Parameters
        ----------
        rows : slice
            Which windows; all of them if not given.

        Returns
        -------
        numpy.ndarray, shape=(rows, 101 + 2 * flank), dtype=uint8
            The flanks of windows that are not known are all 4.
        """
        windows, known = self._windows[rows], self.known[rows]
        if not self._flank:
            return windows
        codes = np.full((len(windows), self.span), UNKNOWN, np.uint8)
        if known.any():
            around = np.lib.stride_tricks.sliding_window_view(self._bases, self.span)
            codes[known] = around[self._at[rows][known]]
        codes[:, self._flank : -self._flank] = windows
        return codes

    def means(self, track: GenomeTrack, widths: Sequence[int]) -> NDArray[np.float32]:
        """Average a track over the surroundings of every window.

        Parameters
        ----------
        track : GenomeTrack
        widths : sequence of int
            Bases, centred on a window; the first is the window's own 101.

        Returns
        -------
        numpy.ndarray, shape=(n, widths), dtype=float32
            Not mapped yet. NaN without a place and on chromosomes without accessibility; the wider ones are
            NaN too where the genome does not know the window's bases.
        """
        means = np.full((len(self._places), len(widths)), np.nan, np.float32)
        distinct, back = np.unique(self._places[self.placed], return_inverse=True)
        if len(distinct):
            means[self.placed] = track.means(list(self._line.split(distinct)), tuple(widths))[back]
        means[~self.known, 1:] = np.nan
        return means


def look_up(
    windows: NDArray[np.uint8], ids: NDArray[np.str_] | None, genome: Genome, flank: int, where: str
) -> Neighbourhood:
    """Find windows on a genome, in any order, and read what lies beside them.

    Parameters
    ----------
    windows : numpy.ndarray, shape=(n, 101), dtype=uint8
        Codes 0 to 4.
    ids : numpy.ndarray, shape=(n,), dtype=str, or None
        ``chrom:start-end``, 0-based half-open; empty where no place is known. Names of chromosomes may follow another
        convention than the genome's.
    genome : Genome
    flank : int
        Bases to each side of a window.
    where : str
        What the windows come from, for messages.

    Returns
    -------
    Neighbourhood

    Raises
    ------
    InputError
        When an id cannot be read or reaches beyond its chromosome, the genome has none of the chromosomes, or more
        than 1 % of the windows have other bases there.
    """
    texts = np.full(len(windows), "", np.str_) if ids is None else ids
    line = Line(genome, 2 * flank + WINDOW_LENGTH)
    found = Neighbourhood(windows, _on_line(texts, line, genome, where), line, genome, flank)
    found.compare(texts, where, genome)
    if ids is None:
        warn("no_ids", f"{where}: no ids (shard-K-ids.joblib), so that the surroundings of its windows are not known")
    return found


def _on_line(ids: NDArray[np.str_], line: Line, genome: Genome, where: str) -> NDArray[np.int64]:
    """Find windows on the line of all chromosomes; -1 where no place is known, or its chromosome is not there."""
    names, numbers, starts = parse_ids(ids, where)
    sizes = genome.chromsizes
    chroms = [matching_name(name, sizes) for name in names]
    absent = [name for name, chrom in zip(names, chroms, strict=True) if chrom is None]
    if names and len(absent) == len(names):
        raise InputError(
            f"{where}: no chromosome in common: the ids name {some_names(names)}, "
            f"while {genome.path} has {some_names(sizes)}"
        )
    rank_of = np.array([-1 if chrom is None else line.ranks[chrom] for chrom in chroms] + [-1], np.int64)
    size_of = np.array([0 if chrom is None else sizes[chrom] for chrom in chroms] + [0], np.int64)
    ranks = rank_of[numbers]  # the last of them for -1
    for row in np.flatnonzero((ranks >= 0) & (starts + WINDOW_LENGTH > size_of[numbers]))[:1].tolist():
        size = int(size_of[numbers[row]])
        raise window_id_error(
            where, row, str(ids[row]), f"reaches beyond its chromosome, of {size:,} bases in {genome.path}"
        )
    if absent:
        count = int(np.count_nonzero((numbers >= 0) & (ranks < 0)))
        warn(
            "windows_elsewhere",
            f"{where}: {format_count(count, 'window')} on {format_count(len(absent), 'chromosome')} that {genome.path} "
            f"lacks ({some_names(absent)}): scored without surroundings",
            windows=count,
            chromosomes=len(absent),
        )
    return np.where(ranks >= 0, line.origins[ranks] + starts, -1)
