"""Where a track holds data: a chromosome without its long empty stretches.

Assembly gaps and unmappable sequence are empty in every track. Their windows say nothing about accessibility, and their
number depends on the assembly. So the scale of a track leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import merge_intervals, subtract_intervals

MIN_EMPTY_BASES = 1_000_000
"""Minimum bases without a value other than 0 that count as a gap.

The longest stretches of accessible chromatin without a peak are shorter. Assembly gaps and unmappable arms are longer.
"""
BIN_BASES = 100_000
"""Bases of the bins that are searched first. An empty stretch covers several of them."""


def stretches_with_data(
    size: int,
    is_empty: NDArray[np.bool_],
    values: Callable[[int, int], NDArray[np.float64]],
    bin_bases: int = BIN_BASES,
    min_empty_bases: int = MIN_EMPTY_BASES,
) -> NDArray[np.int64]:
    """Return a chromosome without its long empty stretches.

    Parameters
    ----------
    size : int
        Bases of the chromosome.
    is_empty : numpy.ndarray, shape=(bins,), dtype=bool
        Whether each bin holds no value other than 0; the last bin may be shorter. An empty bin beside one with data
        may be False, because the ends of every stretch are found base by base.
    values : callable
        Returns the value of each base of [start, end), 0 without data.
    bin_bases : int
        Bases of a bin.
    min_empty_bases : int
        Minimum bases of an empty stretch that is left out.

    Returns
    -------
    numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends, 0-based half-open, ascending. Empty on a chromosome without data.

    Examples
    --------
    >>> signal = np.zeros(3_000_000)
    >>> signal[[250_000, 2_900_000]] = 1
    >>> empty = ~signal.reshape(30, BIN_BASES).any(axis=1)
    >>> stretches_with_data(len(signal), empty, lambda start, end: signal[start:end]).tolist()
    [[0, 250001], [2900000, 3000000]]
    """
    if is_empty.all():
        return np.empty((0, 2), np.int64)
    if size < min_empty_bases:  # most of a hundred thousand scaffolds
        return np.array([[0, size]])
    edges = np.flatnonzero(np.diff(is_empty.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    # at either end of an empty stretch, one bin may hold data too, and one may be False beside it
    long = edges[(edges[:, 1] - edges[:, 0] + 4) * bin_bases >= min_empty_bases]

    def first_empty(number: int) -> int:
        """Find the first base of the empty stretch that holds bin ``number``."""
        for before in range(number - 1, -1, -1):
            with_data = np.flatnonzero(values(before * bin_bases, (before + 1) * bin_bases))
            if len(with_data):
                return before * bin_bases + int(with_data[-1]) + 1
        return 0

    def end_of_empty(number: int) -> int:
        """Find the end of the empty stretch that holds the bin before ``number``."""
        for start in range(number * bin_bases, size, bin_bases):
            with_data = np.flatnonzero(values(start, min(start + bin_bases, size)))
            if len(with_data):
                return start + int(with_data[0])
        return size

    ends = [(first_empty(low), end_of_empty(high)) for low, high in long.tolist()]
    found = merge_intervals(np.array(ends, np.int64).reshape(-1, 2))
    gaps = found[found[:, 1] - found[:, 0] >= min_empty_bases]
    return subtract_intervals(np.array([[0, size]]), gaps)
