"""Intervals as sets of bases, 0-based half-open: union, intersection, difference, overlap."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def merge_intervals(intervals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge overlapping and abutting intervals.

    Parameters
    ----------
    intervals : numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends, in any order, none empty.

    Returns
    -------
    numpy.ndarray, shape=(m, 2), dtype=int64
        Sorted and disjoint, with at least one base between two of them.

    Examples
    --------
    >>> merge_intervals(np.array([[8, 9], [0, 3], [3, 5], [1, 2]])).tolist()
    [[0, 5], [8, 9]]
    """
    if not len(intervals):
        return np.empty((0, 2), dtype=np.int64)
    starts, ends = intervals[np.argsort(intervals[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(ends)
    gap = starts[1:] > reach[:-1]
    return np.column_stack((starts[np.append(True, gap)], reach[np.append(gap, True)]))


def intersect_intervals(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bases in both ``a`` and ``b``. Arguments and result are (n, 2), sorted and disjoint.

    Examples
    --------
    >>> intersect_intervals(np.array([[0, 10], [20, 30]]), np.array([[5, 25]])).tolist()
    [[5, 10], [20, 25]]
    """
    first = np.searchsorted(b[:, 1], a[:, 0], side="right")
    partners = np.maximum(np.searchsorted(b[:, 0], a[:, 1], side="left") - first, 0)
    of_a = np.repeat(np.arange(len(a)), partners)
    # the j-th partner of an interval of a is number first + j in b
    of_b = np.arange(len(of_a)) + np.repeat(first - (np.cumsum(partners) - partners), partners)
    return np.column_stack((np.maximum(a[of_a, 0], b[of_b, 0]), np.minimum(a[of_a, 1], b[of_b, 1])))


def subtract_intervals(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bases of ``a`` that are not in ``b``. Arguments and result are (n, 2), sorted and disjoint.

    Examples
    --------
    >>> subtract_intervals(np.array([[0, 10], [20, 30]]), np.array([[5, 25]])).tolist()
    [[0, 5], [25, 30]]
    """
    everything = np.iinfo(np.int64)
    gaps = np.column_stack((np.append(everything.min, b[:, 1]), np.append(b[:, 0], everything.max)))
    return intersect_intervals(a, gaps[gaps[:, 0] < gaps[:, 1]])


class Intervals(NamedTuple):
    """Intervals of one chromosome, sorted by start.

    Attributes
    ----------
    starts, ends : numpy.ndarray, shape=(n,), dtype=int64
        Bases [start, end), 0-based.
    values : numpy.ndarray, shape=(n,), dtype=float64
        Finite, not negative.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    values: NDArray[np.float64]


def flatten_max(intervals: Intervals) -> Intervals:
    """Return disjoint intervals over the same bases, where the greatest of overlapping values counts.

    Takes O(n log n) steps for n intervals. The result is sorted; its intervals may abut.

    Examples
    --------
    >>> flat = flatten_max(Intervals(np.array([0, 2]), np.array([9, 4]), np.array([1.0, 5.0])))
    >>> flat.starts.tolist(), flat.ends.tolist(), flat.values.tolist()
    ([0, 2, 4], [2, 4, 9], [1.0, 5.0, 1.0])
    """
    starts, ends, values = intervals
    overlaps = starts[1:] < np.maximum.accumulate(ends)[:-1]
    if not overlaps.any():
        return intervals
    involved = np.append(overlaps, False) | np.append(False, overlaps)
    swept = _sweep(starts[involved], ends[involved], values[involved])
    alone = ~involved
    parts = zip((starts[alone], ends[alone], values[alone]), swept, strict=True)
    starts, ends, values = (np.concatenate(pair) for pair in parts)
    order = np.argsort(starts)
    return Intervals(starts[order], ends[order], values[order])


def _sweep(starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float64]) -> Intervals:
    """Walk along all starts and ends, with the open intervals in a heap by value."""
    waiting = zip(starts.tolist(), ends.tolist(), values.tolist(), strict=True)
    upcoming = next(waiting, None)
    opened: list[tuple[float, int]] = []
    pieces: list[tuple[int, int, float]] = []
    for left, right in pairwise(np.unique(np.concatenate((starts, ends))).tolist()):
        while upcoming is not None and upcoming[0] == left:
            heapq.heappush(opened, (-upcoming[2], upcoming[1]))
            upcoming = next(waiting, None)
        while opened and opened[0][1] <= left:
            heapq.heappop(opened)
        if opened:
            pieces.append((left, right, -opened[0][0]))
    piece_starts, piece_ends, piece_values = zip(*pieces, strict=True)
    return Intervals(np.array(piece_starts), np.array(piece_ends), np.array(piece_values))


def overlaps_any(
    starts: NDArray[np.int64], ends: NDArray[np.int64], spans: NDArray[np.int64] | None
) -> NDArray[np.bool_]:
    """Return whether each interval shares a base with any of ``spans``, (n, 2), sorted and disjoint, or None.

    Examples
    --------
    >>> overlaps_any(np.array([0, 5, 9]), np.array([5, 6, 20]), np.array([[5, 6], [30, 40]])).tolist()
    [False, True, False]
    """
    if spans is None:
        return np.zeros(len(starts), np.bool_)
    first = np.searchsorted(spans[:, 1], starts, "right")
    is_overlapping: NDArray[np.bool_] = first < np.searchsorted(spans[:, 0], ends, "left")
    return is_overlapping
