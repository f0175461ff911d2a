"""Arithmetic of window means: running sums over intervals, sums over values of each base."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH
from jundscan.intervals import Intervals
from jundscan.windows import ranges, together

_CACHED = 1 << 15
"""Windows looked up at a time: few enough that the arrays stay in the processor's cache."""
_KNOTS_EACH = 4
"""Knots for every window that are looked at together, rather than finding those of each stretch of windows."""
_BUILT = 1 << 18
"""Knots made at a time, so that a track of millions of intervals needs little more memory than it keeps."""
_APART = WINDOW_LENGTH + 1
"""Places between the bases of one block and those of the next: the bases that are there twice, and one more."""


class RunningSums(NamedTuple):
    """Running sums along disjoint intervals, anew from 0 in every block of a line.

    Block number k holds the windows that start on [k * block, (k + 1) * block). Its bases, with a window more behind
    them, lie from ``k * (block + 102)`` on, so that those which two blocks share are there for both. Where blocks are
    left out, no interval lies.

    Attributes
    ----------
    places : numpy.ndarray, shape=(n,), uint32 or int64
        Where the slope of the sums changes, increasing: first and last place of blocks, and edges of intervals.
    sums : numpy.ndarray, shape=(n,), dtype=float64
        Value times length of what lies before, in the block.
    block : int
        Bases.
    """

    places: NDArray[Any]
    sums: NDArray[np.float64]
    block: int

    def means(self, starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Average over windows from ``starts`` on, ascending: the sum at each one's end minus that at its start."""
        portions = [self._means(starts[row : row + _CACHED]) for row in range(0, len(starts), _CACHED)]
        return np.concatenate([np.empty(0, np.float32), *portions])

    def _means(self, starts: NDArray[np.int64]) -> NDArray[np.float32]:
        at = starts + starts // self.block * _APART
        near = self._near(at)
        places, sums = self.places[near].astype(np.float64), self.sums[near]
        # the sum over a window is a broken line as well, which turns where either end of the window meets a knot
        turns = np.concatenate((places - WINDOW_LENGTH, places))
        at_ends, at_starts = np.interp(turns + WINDOW_LENGTH, places, sums), np.interp(turns, places, sums)
        order = np.argsort(turns, kind="stable")
        order = order[np.append(True, np.diff(turns[order]) > 0)]
        totals = np.maximum(at_ends - at_starts, 0.0)  # below 0 where blocks are left out
        means: NDArray[np.float64] = np.interp(at, turns[order], totals[order]) / WINDOW_LENGTH
        return means.astype(np.float32)

    def _near(self, at: NDArray[np.int64]) -> slice | NDArray[np.int64]:
        """Find the knots inside windows from places ``at`` on, and the nearest on either side of each."""
        # not searchsorted, which would first turn all places into another type
        begin = bisect_right(self.places, int(at[0])) - 1
        end = bisect_left(self.places, int(at[-1]) + WINDOW_LENGTH) + 1
        if end - begin <= _KNOTS_EACH * len(at):
            return slice(max(begin, 0), end)
        # few windows on a long way: what lies between them is left out
        last = np.append(np.flatnonzero(np.diff(at) > WINDOW_LENGTH), len(at) - 1)
        first = np.append(0, last[:-1] + 1)
        edges = np.minimum((at[first], at[last] + WINDOW_LENGTH), self.places[-1]).astype(self.places.dtype)
        begins = np.maximum(np.searchsorted(self.places, edges[0], side="right") - 1, 0)
        ends = np.minimum(np.searchsorted(self.places, edges[1]) + 1, len(self.places))
        begins[1:] = np.maximum(begins[1:], ends[:-1])
        return ranges(begins, ends - begins, 1)


def running_sums(flat: Intervals, block: int) -> RunningSums:
    """Add up intervals, sorted and disjoint, block by block; blocks without an edge cost nothing."""
    # where the value changes, and the value before each change and behind the last one
    edges = np.column_stack((flat.starts, flat.ends)).ravel()
    values = np.zeros(len(edges) + 1)
    values[1::2] = flat.values
    with_edge = _blocks_with_edges(edges, block)
    # between two of them the value is level: inside an interval one straight line serves for all blocks
    first, last = with_edge[:-1] + 1, with_edge[1:] - 1
    inside = (first <= last) & (values[np.searchsorted(edges, first * block, side="right")] > 0)
    first, last = np.append(with_edge[1:], first[inside]), np.append(with_edge[1:], last[inside])
    order = np.argsort(first)
    first, last = first[order], last[order]

    begins, ends = first * block, last * block + block + WINDOW_LENGTH
    first_edge = np.searchsorted(edges, begins, side="right")
    counts = np.searchsorted(edges, ends) - first_edge + 2  # with both ends
    places, sums = [], []
    for row, stop in together(counts, _BUILT):
        some = slice(row, stop)
        stops = np.cumsum(counts[some])
        heads = stops - counts[some]
        edge = np.arange(stops[-1]) - np.repeat(heads - first_edge[some] + 1, counts[some])
        at = edges[np.clip(edge, 0, len(edges) - 1)]
        at[heads], at[stops - 1] = begins[some], ends[some]
        at += np.repeat(first[some] * _APART, counts[some])
        at[stops - 1] += (last - first)[some] * _APART
        masses = np.zeros(len(at))
        masses[1:] = values[edge[1:]] * np.diff(at)
        masses[heads] = 0.0
        for head, end in zip(heads.tolist(), stops.tolist(), strict=True):
            np.cumsum(masses[head:end], out=masses[head:end])
        keep = np.append(True, np.diff(at) > 0)  # intervals that abut share an edge
        places.append(narrowed(at[keep]))
        sums.append(masses[keep])
    return RunningSums(np.concatenate(places), np.concatenate(sums), block)


def _blocks_with_edges(edges: NDArray[np.int64], block: int) -> NDArray[np.int64]:
    """Number, behind a -1, the blocks between whose ends an edge lies."""
    number, rest = np.divmod(edges, block)
    found = [number[rest > 0], number[rest < WINDOW_LENGTH] - 1]
    # edges ascend, and so do both; this leaves little to sort
    return np.unique(np.concatenate(([-1], *(some[np.append(True, np.diff(some) > 0)[: len(some)]] for some in found))))


def narrowed(places: NDArray[np.int64]) -> NDArray[Any]:
    """Keep places, 0 or more and at least one, in half the memory where they fit."""
    return places.astype(np.uint32) if places.max() <= np.iinfo(np.uint32).max else places


def window_sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the 101 values from each of ``starts`` on, all in the same order.

    Sums of 1, 2, 4, … neighbours come by doubling, and a window is put together from those that make up its
    length (1 + 4 + 32 + 64): few vector additions, and unlike in a running sum nothing ever cancels.
    """
    count = len(starts)
    contiguous = count == starts[-1] - starts[0] + 1
    total = np.zeros(count)
    width, covered, sums = 1, 0, values
    while True:
        if WINDOW_LENGTH & width:
            first = starts[0] + covered
            total += sums[first : first + count] if contiguous else sums[starts + covered]
            covered += width
        if covered == WINDOW_LENGTH:
            return total
        sums = sums[:-width] + sums[width:]
        width *= 2
