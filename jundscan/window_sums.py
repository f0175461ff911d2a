"""Arithmetic of window means: running sums over intervals, sums over values of each base."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH
from jundscan.intervals import Intervals


def knots(flat: Intervals) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn disjoint intervals into edges (n + 1,) and what lies between two of them, value times length (n,)."""
    edges = np.column_stack((flat.starts, flat.ends)).ravel().astype(np.float64)
    masses = np.zeros(len(edges) - 1)
    masses[::2] = flat.values * (flat.ends - flat.starts)
    apart = np.diff(edges) > 0  # intervals that abut share an edge
    return edges[np.append(True, apart)], masses[apart]


def block_means(
    starts: NDArray[np.int64], edges: NDArray[np.float64], masses: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Average over the windows of one block: the running sum at each one's end minus that at its start."""
    rows = slice(None) if len(starts) < len(masses) else _rows_touching(starts, edges, masses)
    chosen = starts[rows]
    running = np.concatenate(([0.0], np.cumsum(masses)))
    sums = np.interp(chosen + WINDOW_LENGTH, edges, running) - np.interp(chosen, edges, running)
    means = np.zeros(len(starts), np.float32)
    means[rows] = np.maximum(sums, 0.0) / WINDOW_LENGTH
    return means


def _rows_touching(
    starts: NDArray[np.int64], edges: NDArray[np.float64], masses: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Find the windows that hold a base whose value is not 0; of all others the sum would be 0."""
    some = np.flatnonzero(masses)
    firsts = np.searchsorted(starts, edges[some] - WINDOW_LENGTH, side="right")
    ends = np.searchsorted(starts, edges[some + 1])
    firsts[1:] = np.maximum(firsts[1:], ends[:-1])  # windows that hold the base before as well count once
    touch = firsts < ends
    steps = np.zeros(len(starts) + 1, np.int8)
    steps[firsts[touch]] += 1
    steps[ends[touch]] -= 1
    return np.flatnonzero(np.cumsum(steps, dtype=np.int8).view(np.bool_))


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
