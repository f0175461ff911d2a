"""Arithmetic of window means: running sums over intervals, and sums over one value per base.

A range is the bases around the centre of a window that a mean is taken over. The line is the coordinate on which a
track has all its chromosomes one after another.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import cycle, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import Intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.windows import concatenate_ranges, group_consecutive

MAX_WIDTH = 4_001
"""Maximum bases of a range, because a model that asks for more is damaged."""
_TEN = 10
"""Bases of the pieces that longer pieces are made of. No option changes it, because sums would round otherwise."""
_MAX_PLACES_PER_WINDOW = 2
"""Maximum positions of a grid per window on it, because more would cost more than looking up each window."""
_WINDOWS_AT_ONCE = 1 << 17
"""Windows looked up at a time: fewer make more operations, and longer arrays leave the processor's cache."""
_MAX_KNOTS_PER_WINDOW = 4
"""Maximum knots per window to interpolate between all of them. With more, only those near the windows are gathered."""
_KNOTS_AT_ONCE = 1 << 18
"""Knots built at a time, because a track of millions of intervals then needs little more memory than it keeps."""
_MAX_RATIO = 1 << 28
"""Maximum ratio of a block's sum to its least value above 0, because a difference of float64 sums keeps 53 bits.

A float32 mean needs 24 of these. Ordinary tracks stay below 2**24.
"""
_BAND_BITS = 12
"""Binary orders of magnitude in a layer of sums. With 36,000 bases in a block its ratio stays below the maximum."""


class RunningSums(NamedTuple):
    """Running sums along disjoint intervals, starting from 0 in every block of the line.

    Block k holds the ranges that start on [k * block, (k + 1) * block), whatever their width. So the sum over a range
    does not depend on other widths. Its bases, with ``widest`` more for its last ranges, lie from
    ``k * (block + widest + 1)`` on. So the bases that two blocks share are stored for both. Blocks without intervals
    are left out.

    Attributes
    ----------
    positions : numpy.ndarray, shape=(n,), uint32 or int64
        Knots, where the slope of the sums changes, increasing: first and last base of blocks, and edges of intervals.
    sums : numpy.ndarray, shape=(n,), dtype=float64
        Sum of value times length before the knot, in its block.
    block, widest : int
        Bases of a block, and of the widest range.
    uneven : numpy.ndarray, shape=(m,), dtype=int64
        Numbers, ascending, of blocks whose greatest values would swallow their least.
    layers : tuple of RunningSums
        Sums over intervals of similar value in and around uneven blocks, from the least to the greatest. In uneven
        blocks the sum over a range is the sum of its sums in all layers.
    """

    positions: NDArray[Any]
    sums: NDArray[np.float64]
    block: int
    widest: int
    uneven: NDArray[np.int64] = np.empty(0, np.int64)
    layers: tuple[RunningSums, ...] = ()

    def means(self, starts: NDArray[np.int64], widths: Sequence[int]) -> NDArray[np.float32]:
        """Average around windows: the running sum at the end of a range minus that at its start.

        Parameters
        ----------
        starts : numpy.ndarray, shape=(n,), dtype=int64
            Starts of windows on the line, ascending.
        widths : sequence of int
            Bases around the centres, at most ``widest``.

        Returns
        -------
        numpy.ndarray, shape=(n, widths), dtype=float32
        """
        found = zeros_by_width(len(starts), len(widths))
        for row in range(0, len(starts), _WINDOWS_AT_ONCE):
            some = starts[row : row + _WINDOWS_AT_ONCE]
            for column, width in enumerate(widths):
                self._add_means(some, width, found[row : row + _WINDOWS_AT_ONCE, column])
        return found

    def _add_means(self, starts: NDArray[np.int64], width: int, means: NDArray[np.float32]) -> None:
        """Average around windows; ``means`` holds zeros."""
        rows, sums = self._differences(starts, width)
        if self.layers:
            number = (starts + offset(width)) // self.block
            found = np.minimum(np.searchsorted(self.uneven, number), len(self.uneven) - 1)
            uneven = np.flatnonzero(self.uneven[found] == number)
            if len(uneven):
                every = np.zeros(len(starts))
                every[rows] = sums
                every[uneven] = 0
                for layer in self.layers:
                    of_layer, more = layer._differences(starts[uneven], width)
                    every[uneven[of_layer]] += more
                rows, sums = slice(None), every
        means[rows] = sums

    def _differences(
        self, starts: NDArray[np.int64], width: int
    ) -> tuple[slice | NDArray[np.int64], NDArray[np.float64]]:
        """Average around windows in this layer alone: rows, and their means. All other rows are 0."""
        ahead = offset(width)
        near = self._near(starts + ahead, width)
        positions, sums = self.positions[near].astype(np.float64), self.sums[near]
        # the sum over a range is a broken line too: it turns where either end of the range meets a knot
        turns = np.concatenate((positions - width, positions))
        at_ends, at_starts = np.interp(turns + width, positions, sums), np.interp(turns, positions, sums)
        order = np.argsort(turns, kind="stable")
        order = order[np.append(True, np.diff(turns[order]) > 0)]
        turns, totals = turns[order], np.maximum(at_ends - at_starts, 0.0)[order]  # below 0 where blocks are left out
        above = (totals[1:] > 0) | (totals[:-1] > 0)
        lengths = np.diff(turns)
        if totals[0] > 0 or totals[-1] > 0 or 2 * lengths[above].sum() > lengths.sum():
            return slice(None), np.interp(self._to_knots(starts + ahead), turns, totals) / width
        # between peaks the line lies at 0, for most windows
        bounds = starts.searchsorted(self._from_knots(turns.astype(np.int64)) - ahead)
        rows = concatenate_ranges(bounds[:-1][above], np.diff(bounds)[above], 1)
        return rows, np.interp(self._to_knots(starts[rows] + ahead), turns, totals) / width

    def _to_knots(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions, counted as those of the knots, of the first bases of ranges."""
        positions: NDArray[np.int64] = starts + starts // self.block * (self.widest + 1)
        return positions

    def _from_knots(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the least starts whose positions, counted as those of the knots, are not before ``positions``."""
        number, rest = np.divmod(positions, self.block + self.widest + 1)
        starts: NDArray[np.int64] = number * self.block + np.minimum(rest, self.block)
        return starts

    def _near(self, starts: NDArray[np.int64], width: int) -> slice | NDArray[np.int64]:
        """Find the knots inside the ranges from ``starts`` on, and the nearest knot on either side of each range."""
        ends = self._to_knots(starts[[0, -1]]).tolist()
        # not searchsorted, which would first convert all positions to another type
        begin = bisect_right(self.positions, ends[0]) - 1
        end = bisect_left(self.positions, ends[1] + width) + 1
        if end - begin <= _MAX_KNOTS_PER_WINDOW * len(starts):
            return slice(max(begin, 0), end)
        # few ranges far apart: leave out the knots between them
        at = self._to_knots(starts)
        last = np.append(np.flatnonzero(np.diff(at) > width), len(at) - 1)
        first = np.append(0, last[:-1] + 1)
        edges = np.minimum((at[first], at[last] + width), self.positions[-1]).astype(self.positions.dtype)
        begins = np.maximum(np.searchsorted(self.positions, edges[0], side="right") - 1, 0)
        ends = np.minimum(np.searchsorted(self.positions, edges[1]) + 1, len(self.positions))
        begins[1:] = np.maximum(begins[1:], ends[:-1])
        return concatenate_ranges(begins, ends - begins, 1)


def running_sums(flat: Intervals, block: int, widest: int) -> RunningSums:
    """Add up intervals block by block. Blocks without an edge of an interval cost nothing.

    Parameters
    ----------
    flat : Intervals
        Sorted and disjoint.
    block, widest : int
        Bases of a block, and of the widest range, which is at most a block.
    """
    sums = _sum_layer(flat, block, widest)
    if not len(sums.uneven):
        return sums
    begins, ends = sums.uneven * block, sums.uneven * block + block + widest
    near = np.searchsorted(ends, flat.starts, side="right") < np.searchsorted(begins, flat.ends)
    rows = np.flatnonzero(near & (flat.values > 0))
    bands = np.frexp(flat.values[rows])[1] // _BAND_BITS
    of_bands = (rows[bands == band] for band in np.unique(bands))
    layers = tuple(_sum_layer(Intervals(*(column[some] for column in flat)), block, widest) for some in of_bands)
    return sums._replace(layers=layers)


def _sum_layer(flat: Intervals, block: int, widest: int) -> RunningSums:
    """Add up intervals in one layer, and find the uneven blocks."""
    # positions where the value changes; values before each change, and after the last one
    edges = np.column_stack((flat.starts, flat.ends)).ravel()
    values = np.zeros(len(edges) + 1)
    values[1::2] = flat.values
    with_edge = _blocks_with_edges(edges, block, widest)
    # between two blocks with edges the value is constant: inside an interval one straight line serves all blocks
    first, last = with_edge[:-1] + 1, with_edge[1:] - 1
    inside = (first <= last) & (values[np.searchsorted(edges, first * block, side="right")] > 0)
    first, last = np.append(with_edge[1:], first[inside]), np.append(with_edge[1:], last[inside])
    order = np.argsort(first)
    first, last = first[order], last[order]

    begins, ends = first * block, last * block + block + widest
    first_edge = np.searchsorted(edges, begins, side="right")
    counts = np.searchsorted(edges, ends) - first_edge + 2  # with both ends
    positions, sums, uneven = [], [], []
    for row, stop in group_consecutive(counts, _KNOTS_AT_ONCE):
        some = slice(row, stop)
        stops = np.cumsum(counts[some])
        heads = stops - counts[some]
        edge = np.arange(stops[-1]) - np.repeat(heads - first_edge[some] + 1, counts[some])
        at = edges[np.clip(edge, 0, len(edges) - 1)]
        at[heads], at[stops - 1] = begins[some], ends[some]
        at += np.repeat(first[some] * (widest + 1), counts[some])
        at[stops - 1] += (last - first)[some] * (widest + 1)
        masses = np.zeros(len(at))
        masses[1:] = values[edge[1:]] * np.diff(at)
        masses[heads] = 0.0
        least = np.minimum.reduceat(np.where(masses > 0, values[edge], np.inf), heads)
        for head, end in zip(heads.tolist(), stops.tolist(), strict=True):
            np.cumsum(masses[head:end], out=masses[head:end])
        # a straight line over several blocks has one value
        uneven.append(first[some][(masses[stops - 1] > _MAX_RATIO * least) & (first[some] == last[some])])
        keep = np.append(True, np.diff(at) > 0)  # abutting intervals share an edge
        positions.append(to_uint32(at[keep]))
        sums.append(masses[keep])
    return RunningSums(np.concatenate(positions), np.concatenate(sums), block, widest, np.concatenate(uneven))


def _blocks_with_edges(edges: NDArray[np.int64], block: int, widest: int) -> NDArray[np.int64]:
    """Return -1, then the numbers of the blocks that have an edge between their ends."""
    number, rest = np.divmod(edges, block)
    found = [number[rest > 0], number[rest < widest] - 1]
    # both ascend, as edges do: dropping repeats first leaves little to sort
    return np.unique(np.concatenate(([-1], *(some[np.append(True, np.diff(some) > 0)[: len(some)]] for some in found))))


def zeros_by_width(windows: int, widths: int) -> NDArray[np.float32]:
    """Return zeros, shape=(windows, widths). Numbers of one width lie side by side, because all code uses them so."""
    return np.zeros((widths, windows), np.float32).T


def to_uint32(positions: NDArray[np.int64]) -> NDArray[Any]:
    """Halve the memory of positions, 0 or more and at least one of them, where all fit into uint32."""
    return positions.astype(np.uint32) if positions.max() <= np.iinfo(np.uint32).max else positions


class Slab(NamedTuple):
    """Windows whose values are read together.

    Attributes
    ----------
    rows : slice
        The windows.
    spans : list of (int, int)
        Bases to read and to concatenate: [first, stop).
    positions : numpy.ndarray, shape=(windows,), dtype=int64
        Index of each window's first base in the concatenated values.
    """

    rows: slice
    spans: list[tuple[int, int]]
    positions: NDArray[np.int64]


def slabs(
    starts: NDArray[np.int64], bases: int, gap: int, limit: int, max_windows: int = _WINDOWS_AT_ONCE
) -> Iterator[Slab]:
    """Cut windows into slabs of limited length, and leave out most bases between windows far apart.

    In the concatenated values windows stay a multiple of 10 bases apart where they were.

    Parameters
    ----------
    starts : numpy.ndarray, shape=(n,), dtype=int64
        First base that each window needs, ascending, none twice.
    bases : int
        Number of bases that each window needs.
    gap : int
        Maximum number of unused bases that are read between two windows, because each span costs a call.
    limit : int
        Maximum distance between the first and the last window of a slab in the concatenated values, bases.
    max_windows : int
        Maximum windows of a slab.
    """
    steps = np.diff(starts)
    breaks = np.flatnonzero(steps > bases + gap) + 1
    steps[breaks - 1] = bases + (steps[breaks - 1] - bases) % _TEN
    joined = np.zeros(len(starts), np.int64)
    np.cumsum(steps, out=joined[1:])
    first = 0
    while first < len(starts):
        stop = min(int(joined.searchsorted(joined[first] + limit)), first + max_windows)
        cuts = [first, stop]
        if len(breaks):
            cuts[1:1] = breaks[breaks.searchsorted(first, "right") : breaks.searchsorted(stop)].tolist()
        spans = [
            (int(starts[row]), int(starts[end - 1]) + (bases if end == stop else int(steps[end - 1])))
            for row, end in pairwise(cuts)
        ]
        yield Slab(slice(first, stop), spans, joined[first:stop] - joined[first])
        first = stop


class _Places:
    """Where to take sums: at the windows, or on a grid that holds all windows and few positions more.

    Attributes
    ----------
    count : int
        Number of positions.
    spacing : int
        10 where the positions are a grid of a multiple of 10 bases, else 1.
    """

    def __init__(self, starts: NDArray[np.int64]) -> None:
        steps = np.diff(starts)
        step = int(steps.min(initial=MAX_WIDTH))
        self._ahead = starts - starts[0]
        extent = int(self._ahead[-1])
        self._numbers: NDArray[np.int64] | None = None  # of the windows on the grid, unless it holds nothing else
        self._on_grid = extent == step * len(steps)
        if not self._on_grid and extent < step * _MAX_PLACES_PER_WINDOW * len(starts):
            numbers = self._ahead // step
            if (numbers * step == self._ahead).all():
                self._on_grid, self._numbers = True, numbers
        self._step = step if self._on_grid else 1
        self.count = extent // step + 1 if self._on_grid else len(starts)
        self.spacing = _TEN if self._step % _TEN == 0 else 1

    def pick(self, sums: NDArray[np.float64], begin: int) -> NDArray[np.float64]:
        """Return the sums at all positions, from those ``spacing`` bases apart; the first is at index ``begin``."""
        if not self._on_grid:
            found: NDArray[np.float64] = sums[begin:].take(self._ahead)
            return found
        step = self._step // self.spacing
        end = begin + (self.count - 1) * step + 1
        return sums[begin:end:step]

    def of_windows(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns of the windows."""
        return totals if self._numbers is None else totals.take(self._numbers, axis=1)


class _Scratch(threading.local):
    """Memory that a thread keeps from one call to the next, because the first use of each page takes long."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.float64]] = {}

    def rows(self, name: str, count: int, length: int) -> NDArray[np.float64]:
        """Return ``count`` rows of ``length`` numbers, of any value, until the thread asks for this name again."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < count * length:
            kept = self._kept[name] = np.empty(count * length)
        return kept[: count * length].reshape(count, length)


_scratch = _Scratch()


def window_sums(
    values: NDArray[np.float64], starts: NDArray[np.int64], widths: Sequence[int], offsets: Sequence[int]
) -> NDArray[np.float64]:
    """Sum one value per base over the ranges around windows.

    A range is a row of pieces: of 10, 20, 40, … bases, each at most once, then of fewer than 10 (101 is 20 + 80 + 1).
    Its sum is that of the last piece, plus the others from the first on. Pieces come by doubling, once for all widths.
    That takes few vector additions and, unlike a running sum, never cancels. Where windows are a multiple of 10 bases
    apart, so are the pieces, a tenth of all. The additions behind a sum depend on its range alone, and so does each
    bit of it.

    Parameters
    ----------
    values : numpy.ndarray, shape=(bases,), dtype=float64
    starts : numpy.ndarray, shape=(n,), dtype=int64
        Indices in ``values``, ascending, none twice.
    widths, offsets : sequence of int
        Number of values to sum, and distance of the first of them from the start.

    Returns
    -------
    numpy.ndarray, shape=(widths, n), dtype=float64
        The next call in this thread may overwrite it.
    """
    places = _Places(starts)
    spacing = places.spacing
    totals = _scratch.rows("totals", len(widths), places.count)
    scratch = _scratch.rows("pieces", 5, len(values))
    memory = cycle(scratch[3:])
    twos = _join(values, values[1:], scratch[0])
    fours = _join(twos, twos[2:], scratch[1])
    eights = _join(fours, fours[4:], scratch[2])
    begins = [int(starts[0]) + behind for behind in offsets]
    kinds = [(begin % spacing, width % _TEN) for begin, width in zip(begins, widths, strict=True)]
    for phase, rest in dict.fromkeys(kinds):
        rows = [row for row, kind in enumerate(kinds) if kind == (phase, rest)]
        at = {row: begins[row] // spacing for row in rows}
        last = _last_pieces((values, twos, fours, eights), phase, rest, spacing)
        for row in rows:
            totals[row] = 0 if last is None else places.pick(last, at[row] + widths[row] // _TEN * _TEN // spacing)
        pieces = _join(eights[phase::spacing], twos[8 + phase :: spacing], next(memory))
        tens = 1
        while True:
            for row in rows:
                if widths[row] // _TEN & tens:
                    totals[row] += places.pick(pieces, at[row])
                    at[row] += tens * _TEN // spacing
            if 2 * tens > max(widths[row] for row in rows) // _TEN:
                break
            pieces = _join(pieces, pieces[tens * _TEN // spacing :], next(memory))
            tens *= 2
    return places.of_windows(totals)


def _join(pieces: NDArray[np.float64], following: NDArray[np.float64], out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add to each piece the one that follows it, as far as there is one."""
    joined: NDArray[np.float64] = np.add(pieces[: len(following)], following, out=out[: len(following)])
    return joined


def _last_pieces(
    pieces: Sequence[NDArray[np.float64]], phase: int, bases: int, spacing: int
) -> NDArray[np.float64] | None:
    """Sum fewer than 10 bases from every ``spacing``-th base on, the first of which is ``phase``; None for no bases.

    ``pieces`` are the sums of 1, 2, 4 and 8 bases.
    """
    parts = []
    for bit, of_bit in enumerate(pieces):
        if bases >> bit & 1:
            parts.append(of_bit[phase::spacing])
            phase += 1 << bit
    if not parts:
        return None
    whole: NDArray[np.float64] = np.ascontiguousarray(parts[0][: len(parts[-1])])
    for part in parts[1:]:
        whole = whole + part[: len(parts[-1])]
    return whole


def offset(width: int) -> int:
    """Return the first base of the range of ``width`` bases around a window, relative to the window's start.

    Raises
    ------
    ValueError
        When the width is below 1 or above :data:`MAX_WIDTH`.

    Examples
    --------
    >>> offset(101), offset(301)
    (0, -100)
    """
    if not 1 <= width <= MAX_WIDTH:
        raise ValueError(f"a width of {width} bases: must be from 1 to {MAX_WIDTH:,}")
    return WINDOW_LENGTH // 2 - width // 2
