"""Accessibility tracks: a bigWig, a text file of intervals or counted reads, averaged over windows.

A mean is over the 101 bases of a window, or over more or fewer bases around its centre. Bases without an interval, or
beyond an end of the chromosome, count as 0. Where intervals overlap, the highest value counts. Sums are float64. A mean
does not depend on the other windows and widths of a call, and is exactly 0 where no interval lies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.data_stretches import BIN_BASES, stretches_with_data
from jundscan.accessibility.window_means import (
    MAX_WIDTH,
    offset,
    running_sums,
    slabs,
    to_uint32,
    window_sums,
    zeros_by_width,
)
from jundscan.dna.interval_sets import Intervals, flatten_max
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import TrackError
from jundscan.io.bed import read_intervals
from jundscan.io.bigwig import check_bigwig
from jundscan.io.value_columns import BIGWIG, ValueColumn
from jundscan.options import BedValue

if TYPE_CHECKING:
    from jundscan.schemas.records import ReadsRecord


class Track(ABC):
    """A track, from :func:`jundscan.accessibility.opening.open_track`. Close it, or use it as a context manager.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sizes : dict of str to int or None
        Chromosome lengths, bases, where the file states them.
    names : tuple of str
        Chromosomes in the track, in the order of the file.
    meaning : ValueColumn or None
        Meaning of the values, where the file states it.
    """

    path: Path
    meaning: ValueColumn | None = None
    sizes: dict[str, int] | None
    names: tuple[str, ...]

    @property
    def reads(self) -> ReadsRecord | None:
        """What was counted, where the file holds reads or fragments; else None."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - a text track keeps nothing open
        """Close the file."""

    def count_beyond(self, chrom: str, length: int) -> int:
        """Count the intervals that reach beyond a chromosome of ``length`` bases; 0 for a bigWig."""
        return 0

    @abstractmethod
    def bases_with_data(self) -> dict[str, int]:
        """Return the number of bases with data on each chromosome."""

    def window_means(self, chrom: str, starts: NDArray[np.int64], width: int = WINDOW_LENGTH) -> NDArray[np.float32]:
        """Average the track over windows of one chromosome, at one width; safe in several threads.

        Parameters
        ----------
        chrom : str
            One of :attr:`names`.
        starts : numpy.ndarray, shape=(n,), dtype=int64
            Window starts, 0-based, ascending, none twice.
        width : int
            Bases around the centre of a window.

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
        """Average the track over windows of several chromosomes, at several widths; see :meth:`window_means`.

        Parameters
        ----------
        parts : sequence of (str, numpy.ndarray of int64)
            Chromosomes, at least one, each with its window starts.
        widths : sequence of int
            Bases around the centres of windows.

        Returns
        -------
        numpy.ndarray, shape=(windows of all parts, widths), dtype=float32
        """


class TextTrack(Track):
    """Intervals of a text file, all in memory, as the knots of a running sum.

    The chromosomes lie one after another on one line, so that one call looks up windows of many scaffolds. Each starts
    a block, except that small ones share a block. They lie so far apart that the range around a window never reaches
    the next chromosome. A sum over a range is the running sum at its end minus that at its start. Running sums start
    from 0 in every block, at positions that only the track decides. So a sum does not depend on other windows, loses
    little by cancelling, and is exactly 0 between intervals.
    """

    def __init__(
        self, path: Path, bed_value: BedValue, *, block_bases: int = 1 << 15, max_width: int = MAX_WIDTH
    ) -> None:
        self.path = path
        self.sizes = None
        self._max_width = max_width
        as_read = read_intervals(path, "track", bed_value)
        self.names, self.meaning = tuple(as_read), as_read.meaning
        lengths = np.array([len(intervals.ends) for intervals in as_read.values()])
        stops = np.cumsum(lengths)
        self._rows = dict(zip(self.names, zip((stops - lengths).tolist(), stops.tolist(), strict=True), strict=True))
        starts, ends, values = (np.concatenate(columns) for columns in zip(*as_read.values(), strict=True))
        del as_read  # hundreds of megabytes with millions of intervals
        self._ends = to_uint32(ends)
        covered = np.add.reduceat(np.where(values > 0, ends - starts, 0), stops - lengths)
        self._bases_with_data = dict(zip(self.names, covered.tolist(), strict=True))
        extents = np.maximum.reduceat(ends, stops - lengths)
        self._on_line: dict[str, tuple[int, int]] = {}  # by chromosome: its first base on the line, its last end
        free = block_bases  # room for the surroundings of the first windows
        for chrom, extent in zip(self.names, extents.tolist(), strict=True):
            needed = extent + max_width - offset(max_width)  # ranges further behind the last interval are empty
            begin = free if free % block_bases + needed <= block_bases else -(-free // block_bases) * block_bases
            self._on_line[chrom] = begin, extent
            free = begin + needed
        begins = np.repeat([begin for begin, _ in self._on_line.values()], lengths)
        starts += begins
        ends += begins
        # rounded to float32, as in a bigWig, because the same data then have the same means in either format
        line = flatten_max(Intervals(starts, ends, values.astype(np.float32)))
        del starts, ends, values, begins
        self._sums = running_sums(line, block_bases, max_width)

    def bases_with_data(self) -> dict[str, int]:
        """Return the number of bases in intervals above 0; overlaps count more than once."""
        return self._bases_with_data

    def count_beyond(self, chrom: str, length: int) -> int:
        """Count the intervals that reach beyond a chromosome of ``length`` bases."""
        extent = self._on_line[chrom][1]
        if extent <= length:
            return 0
        return int(np.count_nonzero(self._ends[slice(*self._rows[chrom])] > length))

    def means_of_all(
        self, parts: Sequence[tuple[str, NDArray[np.int64]]], widths: Sequence[int] = (WINDOW_LENGTH,)
    ) -> NDArray[np.float32]:
        """Average over windows of several chromosomes, looked up at once."""
        if len(parts) == 1:
            return self._sums.means(self._positions(*parts[0]), widths)
        positions = np.concatenate([self._positions(chrom, starts) for chrom, starts in parts])
        if (positions[1:] >= positions[:-1]).all():
            return self._sums.means(positions, widths)
        # the track has the chromosomes in another order
        distinct, back = np.unique(positions, return_inverse=True)
        return self._sums.means(distinct, widths)[back]

    def _positions(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        begin, extent = self._on_line[chrom]
        last = extent - offset(self._max_width)
        return (starts if not len(starts) or starts[-1] <= last else np.minimum(starts, last)) + begin


class PerBaseTrack(Track):
    """A track with a value for each base, summed anew for every window.

    Attributes
    ----------
    slab_bases : int
        Maximum bases read and summed at a time, because every call costs some time, and longer arrays leave the cache.
    gap_bases : int
        Maximum unused bases read between two windows, because a further read takes as long.
    """

    sizes: dict[str, int]
    slab_bases = 1 << 17
    gap_bases = 1 << 11
    _stretches: dict[str, NDArray[np.int64]] | None = None

    def stretches_with_data(self) -> dict[str, NDArray[np.int64]]:
        """Return each chromosome without its empty stretches of a megabase and more.

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
        """Average over windows of several chromosomes at several widths, reading each base once for all widths."""
        first = min(map(offset, widths))
        bases = max(offset(width) + width for width in widths) - first
        offsets = [offset(width) - first for width in widths]
        means = zeros_by_width(sum(len(starts) for _, starts in parts), len(widths))
        row = 0
        divisors = np.array(widths, np.float64)[:, None]
        for chrom, starts in parts:
            of_chrom = means.T[:, row : row + len(starts)]
            row += len(starts)
            for rows, spans, positions in slabs(starts + first, bases, self.gap_bases, self.slab_bases):
                pieces = [self._values(chrom, *span) for span in spans]
                values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                if values.max() > 0:
                    sums = window_sums(values, positions, widths, offsets)
                    np.divide(sums, divisors, out=of_chrom[:, rows], casting="same_kind")
        return means

    @abstractmethod
    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        """Return the value of each base of [start, end), 0 without data or beyond the chromosome."""

    @abstractmethod
    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        """Find the bins of :data:`BIN_BASES` bases that hold no value but 0, as ``stretches_with_data`` needs them."""


class BigWigTrack(PerBaseTrack):
    """A bigWig, read on demand."""

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
        """Close the file."""
        self._bigwig.close()
        self._file.close()

    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        values = self._read(chrom, start, end)
        if not (values.min() >= 0 and values.max() < np.inf):
            base = int(np.flatnonzero(~((values >= 0) & (values < np.inf)))[0])
            raise TrackError(
                self.path,
                f"{chrom}:{start + base} has the value {values[base]}, negative or not finite. A track needs values "
                "of 0 or more, such as read depth or fold change, not their logarithms",
            )
        return values

    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        empty: NDArray[np.bool_] = self._bins(chrom, "max") == 0
        return empty

    def bases_with_data(self) -> dict[str, int]:
        """Return the number of bases with a value in the bins that are not empty."""
        return {chrom: int(self._bins(chrom, "bases_covered")[~self._is_empty(chrom)].sum()) for chrom in self.sizes}

    def _bins(self, chrom: str, summary: str) -> NDArray[np.float64]:
        """Summarise the bins of a chromosome, from zoom levels where there are any; the last bin may be shorter."""
        whole, rest = divmod(self.sizes[chrom], BIN_BASES)
        end = whole * BIN_BASES
        parts = [self._read(chrom, 0, end, bins=whole, summary=summary, exact=False)] if whole else []
        if rest:
            parts.append(self._read(chrom, end, end + rest, bins=1, summary=summary, exact=False))
        return np.concatenate([np.zeros(0), *parts])

    def _check_blocks(self, chrom: str, start: int, end: int, is_summary: bool) -> None:
        """Check the blocks that pybigtools may read: values, and the zoom levels for a summary of bins."""
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
    """Return whether pybigtools raises this error for a damaged file; a panic in Rust is no Exception."""
    import pybigtools

    expected = (pybigtools.BBIReadError, OSError, ValueError, KeyError, UnicodeDecodeError)
    return isinstance(err, expected) or type(err).__name__ == "PanicException"
