"""Accessibility tracks: a bigWig or a text file of intervals, and its mean over windows and wider surroundings.

The mean of a window is over its 101 bases, or over as many as asked for around its centre: a base without an interval
or beyond either end of the chromosome counts as 0, and one under several intervals counts with the greatest. Means are
summed in float64, do not depend on which other windows and widths are asked for, and are exactly 0 where no interval
lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.data_stretches import BIN_BASES, stretches_with_data
from jundscan.accessibility.window_means import MAX_WIDTH, narrowed, offset, running_sums, slabs, window_sums
from jundscan.dna.interval_sets import Intervals, flatten_max
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import TrackError
from jundscan.io.bed import read_intervals
from jundscan.io.bigwig import check_bigwig, is_bigwig
from jundscan.io.value_columns import BIGWIG, ValueColumn
from jundscan.options import BedValue

# bases of a bigWig expanded at once: small enough for the processor's cache
_SLAB_BASES = 1 << 15
# bases between two windows beyond which these are read one by one: reading them takes as long as a call
_GAP_BASES = 1 << 11
# bases between the places where running sums begin anew
_BLOCK_BASES = 1 << 15


class Track(ABC):
    """A track, from :func:`open_track`; close it, or use it as a context manager.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sizes : dict of str to int or None
        Chromosome lengths, bases, when the file states them.
    names : tuple of str
        Chromosomes that the track names, in the order of the file.
    meaning : ValueColumn or None
        What the values are, where a file says it.
    """

    path: Path
    meaning: ValueColumn | None = None
    sizes: dict[str, int] | None
    names: tuple[str, ...]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - a text track keeps nothing open
        """Let go of the file."""

    def count_beyond(self, chrom: str, length: int) -> int:
        """Count the intervals that reach beyond a chromosome of ``length`` bases; a bigWig's cannot."""
        return 0

    @abstractmethod
    def bases_with_data(self) -> dict[str, int]:
        """Return how many bases of each chromosome hold data, to tell what share of a track a genome has."""

    def window_means(self, chrom: str, starts: NDArray[np.int64], width: int = WINDOW_LENGTH) -> NDArray[np.float32]:
        """Average the track over windows, or over as many bases around their centres; safe in several threads.

        Parameters
        ----------
        chrom : str
            One of :attr:`names`.
        starts : numpy.ndarray, shape=(n,), dtype=int64
            Window starts, 0-based, ascending, none twice.
        width : int
            Bases.

        Returns
        -------
        numpy.ndarray, shape=(n,), dtype=float32
            Mean over [start + 50 - width // 2, + width), 0 or more; for a width of 101 over [start, start + 101).

        Raises
        ------
        TrackError
            When a bigWig cannot be read, or holds a negative or infinite value.
        """
        return self.means_of_all([(chrom, starts)], (width,))[:, 0]

    @abstractmethod
    def means_of_all(
        self, parts: Sequence[tuple[str, NDArray[np.int64]]], widths: Sequence[int] = (WINDOW_LENGTH,)
    ) -> NDArray[np.float32]:
        """Average over windows of chromosomes at several widths: :meth:`window_means` of each, for less.

        Parameters
        ----------
        parts : sequence of (str, numpy.ndarray of int64)
            Chromosomes, at least one, each with starts of windows.
        widths : sequence of int

        Returns
        -------
        numpy.ndarray, shape=(windows of all parts, widths), dtype=float32
        """


class _TextTrack(Track):
    """Intervals of a text file, all in memory, as the knots of a running sum.

    The chromosomes lie one after another on one line, each from the start of a block on, small ones together in one:
    so the windows of many scaffolds are looked up at once. So much lies free between two that the widest surroundings
    of a window never reach the next. The sum over a window is the running sum at its end minus that at its start.
    Running sums begin anew in every block, at places that depend on nothing but the track: so no window's sum depends
    on which others are asked for, little is lost by cancelling, and between intervals, where the sum is level, the
    difference is exactly 0.
    """

    def __init__(self, path: Path, bed_value: BedValue) -> None:
        self.path = path
        self.sizes = None
        as_read = read_intervals(path, "track", bed_value)
        self.names, self.meaning = tuple(as_read), as_read.meaning
        lengths = np.array([len(intervals.ends) for intervals in as_read.values()])
        stops = np.cumsum(lengths)
        self._rows = dict(zip(self.names, zip((stops - lengths).tolist(), stops.tolist(), strict=True), strict=True))
        starts, ends, values = (np.concatenate(columns) for columns in zip(*as_read.values(), strict=True))
        del as_read  # hundreds of megabytes with millions of intervals
        self._ends = narrowed(ends)
        held = np.add.reduceat(np.where(values > 0, ends - starts, 0), stops - lengths)
        self._bases_with_data = dict(zip(self.names, held.tolist(), strict=True))
        extents = np.maximum.reduceat(ends, stops - lengths)
        self._places: dict[str, tuple[int, int]] = {}  # of each chromosome: where it lies, where its last interval ends
        free = _BLOCK_BASES  # what surrounds the first windows begins before them
        for chrom, extent in zip(self.names, extents.tolist(), strict=True):
            needed = extent + MAX_WIDTH - offset(MAX_WIDTH)  # further behind the last interval a window finds nothing
            begin = free if free % _BLOCK_BASES + needed <= _BLOCK_BASES else -(-free // _BLOCK_BASES) * _BLOCK_BASES
            self._places[chrom] = begin, extent
            free = begin + needed
        begins = np.repeat([begin for begin, _ in self._places.values()], lengths)
        starts += begins
        ends += begins
        # rounded as a bigWig's values are: the same data give the same means in either format
        line = flatten_max(Intervals(starts, ends, values.astype(np.float32)))
        del starts, ends, values, begins
        self._sums = running_sums(line, _BLOCK_BASES, MAX_WIDTH)

    def bases_with_data(self) -> dict[str, int]:
        return self._bases_with_data

    def count_beyond(self, chrom: str, length: int) -> int:
        extent = self._places[chrom][1]
        if extent <= length:
            return 0
        return int(np.count_nonzero(self._ends[slice(*self._rows[chrom])] > length))

    def means_of_all(
        self, parts: Sequence[tuple[str, NDArray[np.int64]]], widths: Sequence[int] = (WINDOW_LENGTH,)
    ) -> NDArray[np.float32]:
        if len(parts) == 1:
            return self._sums.means(self._on_line(*parts[0]), widths)
        places = np.concatenate([self._on_line(chrom, starts) for chrom, starts in parts])
        if (places[1:] >= places[:-1]).all():
            return self._sums.means(places, widths)
        # the track has the chromosomes in another order
        distinct, back = np.unique(places, return_inverse=True)
        return self._sums.means(distinct, widths)[back]

    def _on_line(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        begin, extent = self._places[chrom]
        last = extent - offset(MAX_WIDTH)
        return (starts if not len(starts) or starts[-1] <= last else np.minimum(starts, last)) + begin


class PerBaseTrack(Track):
    """A track that gives a value for each base, which are summed anew for every window."""

    sizes: dict[str, int]
    _stretches: dict[str, NDArray[np.int64]] | None = None

    def stretches_with_data(self) -> dict[str, NDArray[np.int64]]:
        """Return each chromosome without its empty stretches of a megabase and more, found once.

        Returns
        -------
        dict of str to numpy.ndarray, shape=(n, 2), dtype=int64
            See :func:`jundscan.accessibility.data_stretches.stretches_with_data`.
        """
        if self._stretches is None:
            self._stretches = {
                chrom: stretches_with_data(size, self._is_empty(chrom), partial(self._values, chrom))
                for chrom, size in self.sizes.items()
            }
        return self._stretches

    def means_of_all(
        self, parts: Sequence[tuple[str, NDArray[np.int64]]], widths: Sequence[int] = (WINDOW_LENGTH,)
    ) -> NDArray[np.float32]:
        """Average over windows of chromosomes at several widths, read once for all of these."""
        first = min(map(offset, widths))
        bases = max(offset(width) + width for width in widths) - first
        behind = [offset(width) - first for width in widths]
        means = np.zeros((sum(len(starts) for _, starts in parts), len(widths)), np.float32)
        row = 0
        for chrom, starts in parts:
            of_chrom = means[row : row + len(starts)]
            row += len(starts)
            for rows, stretches, places in slabs(starts + first, bases, _GAP_BASES, _SLAB_BASES):
                pieces = [self._values(chrom, *stretch) for stretch in stretches]
                values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                if values.any():
                    sums = window_sums(values, places, widths, behind)
                    of_chrom[rows] = (sums / np.array(widths)[:, None]).T
        return means

    @abstractmethod
    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        """Return the value of each base of [start, end), 0 where there is none or beyond the chromosome."""

    @abstractmethod
    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        """Find the bins of a chromosome that hold no value but 0: :mod:`jundscan.accessibility.data_stretches`."""


class _BigWigTrack(PerBaseTrack):
    """A bigWig, read as it is asked for."""

    meaning = BIGWIG

    def __init__(self, path: Path) -> None:
        import pybigtools

        self._blocks = check_bigwig(path)
        self.path = path
        self._file = path.open("rb")  # given a path, pybigtools goes by its extension
        try:
            self._bigwig = pybigtools.open(self._file)
            self.sizes = dict(self._bigwig.chroms())
        except BaseException as err:
            self._file.close()
            if not _is_damage(err):
                raise
            raise TrackError(path, f"cannot be read as a bigWig ({err})") from err
        self.names = tuple(self.sizes)
        self._lock = Lock()

    def close(self) -> None:
        self._bigwig.close()
        self._file.close()

    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        values = self._read(chrom, start, end)
        if not (values.min() >= 0 and values.max() < np.inf):
            base = int(np.flatnonzero(~((values >= 0) & (values < np.inf)))[0])
            raise TrackError(self.path, f"{chrom}:{start + base} has the value {values[base]}, negative or not finite")
        return values

    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        empty: NDArray[np.bool_] = self._bins(chrom, "max") == 0
        return empty

    def bases_with_data(self) -> dict[str, int]:
        """Return the bases with a value in the bins that hold one other than 0."""
        return {chrom: int(self._bins(chrom, "bases_covered")[~self._is_empty(chrom)].sum()) for chrom in self.sizes}

    def _bins(self, chrom: str, summary: str) -> NDArray[np.float64]:
        """Summarise bins of a chromosome, from the zoom levels where there are any; the last bin may be shorter."""
        whole, rest = divmod(self.sizes[chrom], BIN_BASES)
        end = whole * BIN_BASES
        parts = [self._read(chrom, 0, end, bins=whole, summary=summary, exact=False)] if whole else []
        if rest:
            parts.append(self._read(chrom, end, end + rest, bins=1, summary=summary, exact=False))
        return np.concatenate([np.zeros(0), *parts])

    def _check_blocks(self, chrom: str, start: int, end: int, is_summary: bool) -> None:
        """Look at the blocks that the library may read: values, or for a summary of bins the zoom levels too."""
        values, zooms = self._blocks
        if is_summary:
            for level in zooms:
                level.check_all(self._file)
            if any(2 * level.reduction <= BIN_BASES for level in zooms):
                return
        values.check(self._file, chrom, start, end)

    def _read(self, chrom: str, start: int, end: int, **summary: Any) -> NDArray[np.float64]:
        try:
            with self._lock:
                self._check_blocks(chrom, start, end, bool(summary))
                values: NDArray[np.float64] = self._bigwig.values(chrom, start, end, fillna=0.0, oob=0.0, **summary)
        except BaseException as err:
            if not _is_damage(err):
                raise
            raise TrackError(self.path, f"damaged: {chrom}:{start}-{end} cannot be read ({err})") from err
        return values


def _is_damage(err: BaseException) -> bool:
    """Tell what pybigtools raises of a damaged file; it panics at some damage, and a panic in Rust is no Exception."""
    import pybigtools

    expected = (pybigtools.BBIReadError, OSError, ValueError, KeyError, UnicodeDecodeError)
    return isinstance(err, expected) or type(err).__name__ == "PanicException"


def open_track(path: str | Path, bed_value: BedValue = "score") -> Track:
    """Open a bigWig (told by its content) or a text file of intervals (see :mod:`jundscan.io.bed`).

    Parameters
    ----------
    path : str or pathlib.Path
        The file; one of text may come through a pipe.
    bed_value : {"score", "presence"}
        What an interval of a BED, narrowPeak or broadPeak counts as: its value, or 1.

    Raises
    ------
    TrackError
        When the file is missing, unreadable, damaged or of another kind, a line is wrong, or presence does not apply.
    """
    path = Path(path)
    if not is_bigwig(path):
        return _TextTrack(path, bed_value)
    if bed_value == "presence":
        raise TrackError(path, "is a bigWig; --bed-value presence is for BED and peaks")
    return _BigWigTrack(path)
