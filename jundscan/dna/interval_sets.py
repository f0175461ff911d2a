"""Intervals as sets of bases, 0-based half-open: joined, in common, left over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def merge_intervals(intervals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join overlapping and abutting intervals.

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
    """Return the bases in both ``a`` and ``b``, each (n, 2), sorted and disjoint, as is the result.

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
    """Return the bases of ``a`` that are not in ``b``, each (n, 2), sorted and disjoint, as is the result.

    Examples
    --------
    >>> subtract_intervals(np.array([[0, 10], [20, 30]]), np.array([[5, 25]])).tolist()
    [[0, 5], [25, 30]]
    """
    everything = np.iinfo(np.int64)
    gaps = np.column_stack((np.append(everything.min, b[:, 1]), np.append(b[:, 0], everything.max)))
    return intersect_intervals(a, gaps[gaps[:, 0] < gaps[:, 1]])
