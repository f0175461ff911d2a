"""Look up the surroundings of single windows: bases on a genome, and accessibility on a track, by the windows' ids.

A scan sees the bases beside a window and the accessibility around it. Shards hold neither. With both looked up, a
window gets the same probability as in a scan. A window's own bases are always those of the shards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import GenomeTrack, match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import AccessibilityScale
from jundscan.accessibility.track_scale import track_scale
from jundscan.accessibility.tracks import Track
from jundscan.dna.chromosome_line import ChromosomeLine
from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.dna.regions import Region, parse_ids, window_id_error
from jundscan.errors import Cautions, InputError, format_count, warn
from jundscan.io.aliases import open_genome_with_aliases
from jundscan.io.fasta.genome import Genome
from jundscan.io.fasta.stretches import StretchReader
from jundscan.options import BedValue, MissingChromosomes, ReadsAs, ReadsOptions, check_choice

MAX_WINDOWS = 16_384
"""Maximum windows with flanks in memory at a time."""
MAX_DIFFERENT = 0.01
"""Maximum share of windows that may differ from the genome, because more come from another assembly."""


@dataclass(frozen=True)
class WindowSource:
    """The genome that windows come from, and optionally a track over it, from :func:`open_source`.

    Attributes
    ----------
    genome : Genome
    track : GenomeTrack or None
    cautions : Cautions
        Warnings about how well genome and track match.
    """

    genome: Genome
    track: GenomeTrack | None
    cautions: Cautions = field(default_factory=Cautions)
    _scales: dict[tuple[int, ...], AccessibilityScale] = field(default_factory=dict, init=False, repr=False)

    def scale(self, widths: tuple[int, ...]) -> AccessibilityScale:
        """Return the scale of the whole track, found once per tuple of widths.

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
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
) -> Iterator[WindowSource]:
    """Open a genome and a track as a scan does, and close the track at the end.

    Parameters
    ----------
    genome : Genome, str or pathlib.Path
    accessibility : Track, str or pathlib.Path, optional
    allow_length_mismatch, alias, bed_value, missing_chromosomes, reads, min_mapq
        As for :func:`jundscan.scan`. Aliases also name the chromosomes of ids.

    Yields
    ------
    WindowSource

    Raises
    ------
    InputError
        When a file cannot be used, or genome and track have no chromosome in common.
    """
    check_choice("bed_value", bed_value, BedValue)
    counting = ReadsOptions(reads, min_mapq)
    fasta = open_genome_with_aliases(genome, alias)
    if accessibility is None:
        yield WindowSource(fasta, None)
        return
    if not isinstance(accessibility, Track):
        accessibility = open_track(accessibility, bed_value, counting, fasta.chromsizes)
    with accessibility as track:
        cautions = Cautions()
        matched = match_chromosomes(
            fasta, track, cautions, allow_length_mismatch=allow_length_mismatch, missing=missing_chromosomes
        )
        yield WindowSource(fasta, matched, cautions)


class Neighbourhood:
    """The surroundings of windows, from :func:`look_up`. Row i of every array is window i.

    Attributes
    ----------
    has_position : numpy.ndarray, shape=(n,), dtype=bool
        Whether the id is a position on the genome.
    known : numpy.ndarray, shape=(n,), dtype=bool
        Whether all 101 bases of the genome at that position are known. Other windows have no surroundings.
    """

    def __init__(
        self, windows: NDArray[np.uint8], positions: NDArray[np.int64], line: ChromosomeLine, genome: Genome, flank: int
    ) -> None:
        self._windows = windows
        self._positions = positions
        self._line = line
        self._flank = flank
        self.has_position = positions >= 0
        self.known = np.zeros(len(positions), np.bool_)
        self._at = np.zeros(len(positions), np.int64)  # index in the bases of each window with its flanks
        self._bases = self._read(genome)

    @property
    def span(self) -> int:
        """Bases of a window and both its flanks."""
        return WINDOW_LENGTH + 2 * self._flank

    def _read(self, genome: Genome) -> NDArray[np.uint8]:
        """Read the bases of all windows and their flanks, each base once."""
        firsts = self._positions[self.has_position] - self._flank
        stretches = merge_intervals(np.column_stack((firsts, firsts + self.span)))
        offsets = np.cumsum(np.diff(stretches).ravel()) - np.diff(stretches).ravel()
        stretch = np.searchsorted(stretches[:, 0], firsts, side="right") - 1
        self._at[self.has_position] = offsets[stretch] + firsts - stretches[stretch, 0]
        lengths = iter(np.diff(stretches).ravel().tolist())
        regions = [
            Region(chrom, start - self._flank, start - self._flank + next(lengths))
            for chrom, starts in self._line.split(stretches[:, 0] + self._flank)
            for start in starts.tolist()
        ]
        return StretchReader(genome).read(regions)

    def compare(self, ids: NDArray[np.str_], where: str, genome: Genome, max_windows: int) -> None:
        """Find the windows whose bases the genome knows, and compare their bases with the genome's.

        Raises
        ------
        InputError
            When more than 1 % of the windows with only known bases differ.
        """
        comparable, different = 0, []
        with_position = np.flatnonzero(self.has_position)
        if not len(with_position):
            return
        in_genome = np.lib.stride_tricks.sliding_window_view(self._bases, WINDOW_LENGTH)
        for begin in range(0, len(with_position), max_windows):
            rows = with_position[begin : begin + max_windows]
            there, here = in_genome[self._at[rows] + self._flank], self._windows[rows]
            self.known[rows] = (there != UNKNOWN).all(axis=1)
            both = self.known[rows] & (here != UNKNOWN).all(axis=1)
            comparable += int(np.count_nonzero(both))
            different.append(rows[both & (there != here).any(axis=1)])
        count = sum(map(len, different))
        if not count:
            return
        first = str(ids[int(np.concatenate(different)[0])])
        if count > MAX_DIFFERENT * comparable:
            raise InputError(
                f"{where}: {count:,} of {comparable:,} windows (such as {first}) differ from {genome.path} at the "
                "positions of their ids. Use the genome (assembly) that the windows come from"
            )
        warn(
            "other_bases",
            f"{where}: {count:,} of {comparable:,} windows (such as {first}) differ from {genome.path}. Their own "
            "bases are scored",
            windows=count,
            compared=comparable,
        )

    def codes(self, rows: slice = slice(None)) -> NDArray[np.uint8]:
        """Return windows with their flanks.

        Parameters
        ----------
        rows : slice
            All windows if not given.

        Returns
        -------
        numpy.ndarray, shape=(rows, 101 + 2 * flank), dtype=uint8
            Windows that are not :attr:`known` have flanks of 4.
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
        """Return the mean of a track over the surroundings of every window.

        Parameters
        ----------
        track : GenomeTrack
        widths : sequence of int
            Bases, centred on a window. The first is the window's own 101.

        Returns
        -------
        numpy.ndarray, shape=(n, widths), dtype=float32
            In the track's unit. NaN without a position and on chromosomes without accessibility. Wider means are NaN
            too where a window is not :attr:`known`.
        """
        means = np.full((len(self._positions), len(widths)), np.nan, np.float32)
        distinct, back = np.unique(self._positions[self.has_position], return_inverse=True)
        if len(distinct):
            means[self.has_position] = track.means(list(self._line.split(distinct)), tuple(widths))[back]
        means[~self.known, 1:] = np.nan
        return means


def look_up(
    windows: NDArray[np.uint8],
    ids: NDArray[np.str_] | None,
    genome: Genome,
    flank: int,
    where: str,
    max_windows: int = MAX_WINDOWS,
) -> Neighbourhood:
    """Find windows on a genome by their ids, in any order, and read the bases beside them.

    Parameters
    ----------
    windows : numpy.ndarray, shape=(n, 101), dtype=uint8
        Codes 0 to 4.
    ids : numpy.ndarray, shape=(n,), dtype=str, or None
        ``chrom:start-end``, 0-based half-open, or empty. Chromosome names may follow another convention than the
        genome's.
    genome : Genome
    flank : int
        Bases to each side of a window.
    where : str
        Origin of the windows, for messages.
    max_windows : int
        Maximum windows compared with the genome at a time. Does not change the result.

    Returns
    -------
    Neighbourhood

    Raises
    ------
    InputError
        When an id is malformed or reaches beyond its chromosome, the genome has none of the chromosomes, or more than
        1 % of the windows have other bases in the genome.
    """
    texts = np.full(len(windows), "", np.str_) if ids is None else ids
    line = ChromosomeLine(genome.chromsizes, 2 * flank + WINDOW_LENGTH)
    found = Neighbourhood(windows, _find_positions(texts, line, genome, where), line, genome, flank)
    found.compare(texts, where, genome, max_windows)
    if ids is None:
        warn("no_ids", f"{where}: no ids (shard-K-ids.joblib), so the surroundings of its windows are unknown")
    return found


def _find_positions(ids: NDArray[np.str_], line: ChromosomeLine, genome: Genome, where: str) -> NDArray[np.int64]:
    """Find windows on the line of all chromosomes. -1 where the id is empty or the genome lacks the chromosome."""
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
    ranks = rank_of[numbers]  # number -1 takes the last
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
