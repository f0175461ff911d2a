"""Where a track holds data: a chromosome without its long empty stretches.

Assembly gaps, and sequence that nothing maps to, are empty in every track. Their windows say nothing about how open
a window is, and how many there are depends on the assembly. So they are no part of a track's scale.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import merge_intervals, subtract_intervals

MIN_EMPTY_BASES = 1_000_000
"""Bases: a stretch this long without a value other than 0 is taken for a gap; the longest peak-free regions of
accessible chromatin are shorter, assembly gaps and unmappable arms longer."""
BIN_BASES = 100_000
"""Bases of the bins that are looked at first: an empty stretch holds several of them whole."""


def bin_count(size: int) -> int:
    """Return the number of bins on a chromosome of ``size`` bases; the last may be shorter."""
    return -(-size // BIN_BASES)


def stretches_with_data(
    size: int, is_empty: NDArray[np.bool_], values: Callable[[int, int], NDArray[np.float64]]
) -> NDArray[np.int64]:
    """Leave the empty stretches of a megabase and more out of a chromosome.

    Parameters
    ----------
    size : int
        Bases of the chromosome.
    is_empty : numpy.ndarray, shape=(bins,), dtype=bool
        Bins of :data:`BIN_BASES` that hold no value other than 0. A bin may count as held because of the bin
        beside it; the ends of every stretch are found base by base.
    values : callable
        Value of each base of [start, end), 0 where there is none.

    Returns
    -------
    numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends, 0-based half-open, ascending; none at all on a chromosome without data.

    Examples
    --------
    >>> held = np.zeros(3_000_000)
    >>> held[[250_000, 2_900_000]] = 1
    >>> empty = ~held.reshape(30, BIN_BASES).any(axis=1)
    >>> stretches_with_data(len(held), empty, lambda start, end: held[start:end]).tolist()
    [[0, 250001], [2900000, 3000000]]
    """
    if is_empty.all():
        return np.empty((0, 2), np.int64)
    if size < MIN_EMPTY_BASES:  # most of a hundred thousand scaffolds
        return np.array([[0, size]])
    edges = np.flatnonzero(np.diff(is_empty.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    # at either end of an empty stretch one bin may hold data too, and one count as held because of its neighbour
    long = edges[(edges[:, 1] - edges[:, 0] + 4) * BIN_BASES >= MIN_EMPTY_BASES]
    ends = [(_first_empty(int(low), values), _last_empty(int(high), size, values)) for low, high in long]
    found = merge_intervals(np.array(ends, np.int64).reshape(-1, 2))
    gaps = found[found[:, 1] - found[:, 0] >= MIN_EMPTY_BASES]
    return subtract_intervals(np.array([[0, size]]), gaps)


def _first_empty(number: int, values: Callable[[int, int], NDArray[np.float64]]) -> int:
    """Find where the empty stretch begins that holds bin ``number``."""
    for before in range(number - 1, -1, -1):
        held = np.flatnonzero(values(before * BIN_BASES, (before + 1) * BIN_BASES))
        if len(held):
            return before * BIN_BASES + int(held[-1]) + 1
    return 0


def _last_empty(number: int, size: int, values: Callable[[int, int], NDArray[np.float64]]) -> int:
    """Find where the empty stretch ends that holds the bin before ``number``."""
    for behind in range(number, bin_count(size)):
        held = np.flatnonzero(values(behind * BIN_BASES, min((behind + 1) * BIN_BASES, size)))
        if len(held):
            return behind * BIN_BASES + int(held[0])
    return size
