"""Arithmetic of window means: running sums over intervals, sums over values of each base."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import Intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.windows import concatenate_ranges, group_consecutive

MAX_WIDTH = 4_001
"""Bases; a model that asks for means over more is damaged."""
_CACHED = 1 << 15
"""Windows looked up at a time: few enough that the arrays stay in the processor's cache."""
_KNOTS_EACH = 4
"""Knots for every window that are looked at together, rather than finding those of each stretch of windows."""
_BUILT = 1 << 18
"""Knots made at a time, so that a track of millions of intervals needs little more memory than it keeps."""
_MOST_LOST = 1 << 28
"""Maximum ratio of a block's sum to its least value above 0, because a difference of float64 sums keeps 53 bits.

A float32 mean needs 24 of these. Ordinary tracks stay below 2**24.
"""
_BAND_BITS = 12
"""Binary orders of magnitude in a layer of sums: with 36,000 bases in a block its ratio stays below the maximum."""


class RunningSums(NamedTuple):
    """Running sums along disjoint intervals, anew from 0 in every block of a line.

    Block number k holds the stretches that start on [k * block, (k + 1) * block), of whatever width: so the sum over
    one does not depend on the widths that others have. Its bases, with those of the widest stretch behind them, lie
    from ``k * (block + widest + 1)`` on, so that those which two blocks share are there for both. Where blocks are left
    out, no interval lies.

    Attributes
    ----------
    places : numpy.ndarray, shape=(n,), uint32 or int64
        Where the slope of the sums changes, increasing: first and last place of blocks, and edges of intervals.
    sums : numpy.ndarray, shape=(n,), dtype=float64
        Value times length of what lies before, in the block.
    block, widest : int
        Bases of a block, and of the widest stretch.
    uneven : numpy.ndarray, shape=(m,), dtype=int64
        Numbers, ascending, of blocks whose greatest values would swallow their least.
    layers : tuple of RunningSums
        Sums over intervals of like size in and around uneven blocks, from the least to the greatest. There the sum over
        a stretch is the sum of its sums in all layers.
    """

    places: NDArray[Any]
    sums: NDArray[np.float64]
    block: int
    widest: int
    uneven: NDArray[np.int64] = np.empty(0, np.int64)
    layers: tuple[RunningSums, ...] = ()

    def means(self, starts: NDArray[np.int64], widths: Sequence[int]) -> NDArray[np.float32]:
        """Average over what lies around windows: the sum at its end minus that at its start.

        Parameters
        ----------
        starts : numpy.ndarray, shape=(n,), dtype=int64
            Places on the line where windows start, ascending.
        widths : sequence of int
            Bases around the centres, ``widest`` at most.

        Returns
        -------
        numpy.ndarray, shape=(n, widths), dtype=float32
        """
        found = np.empty((len(starts), len(widths)), np.float32)
        for row in range(0, len(starts), _CACHED):
            some = starts[row : row + _CACHED]
            for column, width in enumerate(widths):
                found[row : row + _CACHED, column] = self._means(some + offset(width), width)
        return found

    def _means(self, starts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
        means = self._differences(starts, width)
        if self.layers:
            number = starts // self.block
            found = np.minimum(np.searchsorted(self.uneven, number), len(self.uneven) - 1)
            rows = np.flatnonzero(self.uneven[found] == number)
            if len(rows):
                means[rows] = sum(layer._differences(starts[rows], width) for layer in self.layers)
        return means

    def _differences(self, starts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
        at = starts + starts // self.block * (self.widest + 1)
        near = self._near(at, width)
        places, sums = self.places[near].astype(np.float64), self.sums[near]
        # the sum over a stretch is a broken line as well, which turns where either end of it meets a knot
        turns = np.concatenate((places - width, places))
        at_ends, at_starts = np.interp(turns + width, places, sums), np.interp(turns, places, sums)
        order = np.argsort(turns, kind="stable")
        order = order[np.append(True, np.diff(turns[order]) > 0)]
        totals = np.maximum(at_ends - at_starts, 0.0)  # below 0 where blocks are left out
        means: NDArray[np.float64] = np.interp(at, turns[order], totals[order]) / width
        return means

    def _near(self, at: NDArray[np.int64], width: int) -> slice | NDArray[np.int64]:
        """Find the knots inside stretches from places ``at`` on, and the nearest on either side of each."""
        # not searchsorted, which would first turn all places into another type
        begin = bisect_right(self.places, int(at[0])) - 1
        end = bisect_left(self.places, int(at[-1]) + width) + 1
        if end - begin <= _KNOTS_EACH * len(at):
            return slice(max(begin, 0), end)
        # few stretches on a long way: what lies between them is left out
        last = np.append(np.flatnonzero(np.diff(at) > width), len(at) - 1)
        first = np.append(0, last[:-1] + 1)
        edges = np.minimum((at[first], at[last] + width), self.places[-1]).astype(self.places.dtype)
        begins = np.maximum(np.searchsorted(self.places, edges[0], side="right") - 1, 0)
        ends = np.minimum(np.searchsorted(self.places, edges[1]) + 1, len(self.places))
        begins[1:] = np.maximum(begins[1:], ends[:-1])
        return concatenate_ranges(begins, ends - begins, 1)


def running_sums(flat: Intervals, block: int, widest: int) -> RunningSums:
    """Add up intervals, sorted and disjoint, block by block; blocks without an edge cost nothing.

    Parameters
    ----------
    flat : Intervals
    block, widest : int
        Bases of a block, and of the widest stretch that is averaged over: at most a block.
    """
    sums = _summed(flat, block, widest)
    if not len(sums.uneven):
        return sums
    begins, ends = sums.uneven * block, sums.uneven * block + block + widest
    near = np.searchsorted(ends, flat.starts, side="right") < np.searchsorted(begins, flat.ends)
    rows = np.flatnonzero(near & (flat.values > 0))
    bands = np.frexp(flat.values[rows])[1] // _BAND_BITS
    of_bands = (rows[bands == band] for band in np.unique(bands))
    layers = tuple(_summed(Intervals(*(column[some] for column in flat)), block, widest) for some in of_bands)
    return sums._replace(layers=layers)


def _summed(flat: Intervals, block: int, widest: int) -> RunningSums:
    """Add up intervals in one layer, and find the blocks where this is not enough."""
    # where the value changes, and the value before each change and behind the last one
    edges = np.column_stack((flat.starts, flat.ends)).ravel()
    values = np.zeros(len(edges) + 1)
    values[1::2] = flat.values
    with_edge = _blocks_with_edges(edges, block, widest)
    # between two of them the value is level: inside an interval one straight line serves for all blocks
    first, last = with_edge[:-1] + 1, with_edge[1:] - 1
    inside = (first <= last) & (values[np.searchsorted(edges, first * block, side="right")] > 0)
    first, last = np.append(with_edge[1:], first[inside]), np.append(with_edge[1:], last[inside])
    order = np.argsort(first)
    first, last = first[order], last[order]

    begins, ends = first * block, last * block + block + widest
    first_edge = np.searchsorted(edges, begins, side="right")
    counts = np.searchsorted(edges, ends) - first_edge + 2  # with both ends
    places, sums, uneven = [], [], []
    for row, stop in group_consecutive(counts, _BUILT):
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
        # a straight line over several blocks holds one value
        uneven.append(first[some][(masses[stops - 1] > _MOST_LOST * least) & (first[some] == last[some])])
        keep = np.append(True, np.diff(at) > 0)  # intervals that abut share an edge
        places.append(narrowed(at[keep]))
        sums.append(masses[keep])
    return RunningSums(np.concatenate(places), np.concatenate(sums), block, widest, np.concatenate(uneven))


def _blocks_with_edges(edges: NDArray[np.int64], block: int, widest: int) -> NDArray[np.int64]:
    """Number, behind a -1, the blocks between whose ends an edge lies."""
    number, rest = np.divmod(edges, block)
    found = [number[rest > 0], number[rest < widest] - 1]
    # edges ascend, and so do both; this leaves little to sort
    return np.unique(np.concatenate(([-1], *(some[np.append(True, np.diff(some) > 0)[: len(some)]] for some in found))))


def narrowed(places: NDArray[np.int64]) -> NDArray[Any]:
    """Keep places, 0 or more and at least one, in half the memory where they fit."""
    return places.astype(np.uint32) if places.max() <= np.iinfo(np.uint32).max else places


class Slab(NamedTuple):
    """Windows whose values are looked at together.

    Attributes
    ----------
    rows : slice
        The windows.
    stretches : list of (int, int)
        Bases to read, to be joined end to end: [first, stop).
    places : numpy.ndarray, shape=(windows,), dtype=int64
        Where the bases of each window begin in what is joined.
    """

    rows: slice
    stretches: list[tuple[int, int]]
    places: NDArray[np.int64]


def slabs(starts: NDArray[np.int64], bases: int, gap: int, limit: int) -> Iterator[Slab]:
    """Cut windows into slabs of few enough bases, and leave out what lies between windows far apart.

    Parameters
    ----------
    starts : numpy.ndarray, shape=(n,), dtype=int64
        First base of each window, ascending, none twice.
    bases : int
        Bases from there on that are needed.
    gap : int
        Maximum number of bases between two windows that are read as one stretch, because a stretch costs a call.
    limit : int
        Maximum distance between the first and the last window of a slab as joined, bases.
    """
    steps = np.diff(starts)
    breaks = np.flatnonzero(steps > bases + gap) + 1
    steps[breaks - 1] = bases
    joined = np.zeros(len(starts), np.int64)
    np.cumsum(steps, out=joined[1:])
    first = 0
    while first < len(starts):
        stop = int(joined.searchsorted(joined[first] + limit))
        cuts = [first, stop]
        if len(breaks):
            cuts[1:1] = breaks[breaks.searchsorted(first, "right") : breaks.searchsorted(stop)].tolist()
        stretches = [(int(starts[row]), int(starts[end - 1]) + bases) for row, end in pairwise(cuts)]
        yield Slab(slice(first, stop), stretches, joined[first:stop] - joined[first])
        first = stop


def window_sums(
    values: NDArray[np.float64], starts: NDArray[np.int64], widths: Sequence[int], offsets: Sequence[int]
) -> NDArray[np.float64]:
    """Sum values of each base over stretches, each width in an order of its own.

    Sums of 1, 2, 4, … neighbours come by doubling, once for all widths, and a stretch is put together from those that
    make up its width (101 is 1 + 4 + 32 + 64): few vector additions, and unlike in a running sum nothing ever cancels.

    Parameters
    ----------
    values : numpy.ndarray, shape=(bases,), dtype=float64
    starts : numpy.ndarray, shape=(n,), dtype=int64
        Places in ``values``, ascending, none twice.
    widths, offsets : sequence of int
        How many values are summed, and how far behind each place the first of them is.

    Returns
    -------
    numpy.ndarray, shape=(widths, n), dtype=float64
    """
    first, count = int(starts[0]), len(starts)
    step = max((int(starts[-1]) - first) // max(count - 1, 1), 1)
    even = bool((np.diff(starts) == step).all())
    totals = np.zeros((len(widths), count))
    behind = list(offsets)
    neighbours, sums = 1, values
    while True:
        for row, width in enumerate(widths):
            if width & neighbours:
                begin = first + behind[row]
                totals[row] += sums[begin : begin + step * count : step] if even else sums[starts + behind[row]]
                behind[row] += neighbours
        if 2 * neighbours > max(widths):
            return totals
        sums = sums[:-neighbours] + sums[neighbours:]
        neighbours *= 2


def offset(width: int) -> int:
    """Tell how far behind the start of a window a stretch of this width with the same centre begins; mostly below 0.

    Raises
    ------
    ValueError
        When it is wider than a track can be averaged over, or empty.

    Examples
    --------
    >>> offset(101), offset(301)
    (0, -100)
    """
    if not 1 <= width <= MAX_WIDTH:
        raise ValueError(f"a width of {width} bases: must be from 1 to {MAX_WIDTH:,}")
    return WINDOW_LENGTH // 2 - width // 2
