"""Regions, windows, chunks and intervals: pure arithmetic, 0-based half-open everywhere.

The windows of a chromosome start at 0, stride, 2·stride, … and, where that is not on this grid, also at
length - 101, so that the last bases are seen. They have indices 0, 1, 2, … in this order. A region chooses
among these windows and a chunk cuts them into portions; neither ever moves one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import RegionError
from jundscan.names import matching_name

_CENTRE = WINDOW_LENGTH // 2
_NAMES_SHOWN = 5


class Region(NamedTuple):
    """The bases [start, end) of a chromosome.

    Examples
    --------
    >>> str(Region("chr22", 16000000, 22000000))
    'chr22:16000000-22000000'
    """

    chrom: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows wholly inside a span: some on the grid and perhaps the chromosome's last one, off the grid.

    Attributes
    ----------
    first : int
        Index of the first window on the grid; it starts at ``first * stride``.
    count : int
        Number of windows on the grid.
    last : int or None
        Start of the off-grid window at length - 101, when there is one and it lies in the span.
    stride : int
        Bases from one window on the grid to the next.
    """

    first: int
    count: int
    last: int | None
    stride: int

    @property
    def total(self) -> int:
        """Number of windows, on the grid and off it."""
        return self.count + (self.last is not None)

    def starts(self) -> NDArray[np.int64]:
        """Return the starts of all windows, shape=(total,), ascending."""
        grid = np.arange(self.first, self.first + self.count, dtype=np.int64) * self.stride
        return grid if self.last is None else np.append(grid, self.last)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive windows to be scored together, and the bases that they cover.

    Attributes
    ----------
    start, end : int
        The bases [start, end); the first window starts at ``start``, the last one ends at ``end``.
    index : int
        Index of the first window on its chromosome.
    count : int
        Number of windows, at least 1; they start at ``start``, ``start + stride``, …
    """

    start: int
    end: int
    index: int
    count: int


def parse_region(text: str, chromsizes: Mapping[str, int]) -> Region:
    """Read ``chrom`` or ``chrom:start-end`` (0-based half-open; commas in the numbers are ignored).

    Parameters
    ----------
    text : str
        The region; ``22`` finds ``chr22`` and the other way round.
    chromsizes : mapping of str to int
        Length of every chromosome, bases.

    Returns
    -------
    Region
        Under the name that ``chromsizes`` uses.

    Raises
    ------
    RegionError
        When it is malformed or empty, names an unknown chromosome or reaches beyond its chromosome.

    Examples
    --------
    >>> parse_region("22:1,000-2,000", {"chr22": 5000})
    Region(chrom='chr22', start=1000, end=2000)
    """
    # names may hold colons (HLA-A*01:01:01), so the whole text is tried as a name first
    whole = matching_name(text, chromsizes)
    if whole is not None:
        return Region(whole, 0, chromsizes[whole])
    name, colon, bounds = text.rpartition(":")
    chrom = matching_name(name if colon else text, chromsizes)
    if chrom is None:
        known = ", ".join(islice(chromsizes, _NAMES_SHOWN)) + (", …" if len(chromsizes) > _NAMES_SHOWN else "")
        raise RegionError(text, f"no such chromosome in the genome, which has {known}")
    left, _, right = bounds.replace(",", "").partition("-")
    if not (left.isdecimal() and right.isdecimal() and bounds.isascii()):
        raise RegionError(text, "write chrom:start-end with whole numbers, 0-based half-open, say chr22:0-1000")
    region = Region(chrom, int(left), int(right))
    if region.start >= region.end:
        raise RegionError(text, "the start must be less than the end")
    if region.end > chromsizes[chrom]:
        raise RegionError(text, f"reaches beyond the end of {chrom}, which has {chromsizes[chrom]} bases")
    return region


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


def windows_in(span_start: int, span_end: int, length: int, stride: int) -> Windows:
    """Find the windows wholly inside the bases [span_start, span_end) of a chromosome, in constant time.

    Parameters
    ----------
    span_start, span_end : int
        The span, ``0 <= span_start`` and ``span_end <= length``.
    length : int
        Length of the chromosome, bases.
    stride : int
        Bases from one window to the next, at least 1.

    Returns
    -------
    Windows
        Perhaps none: then its ``total`` is 0.

    Examples
    --------
    >>> windows_in(0, 250, 250, 100).starts().tolist()
    [0, 100, 149]
    >>> windows_in(50, 240, 250, 100).starts().tolist()
    [100]
    """
    if stride < 1:
        raise ValueError(f"the stride must be at least 1, found {stride}")
    if not 0 <= span_start <= span_end <= length:
        raise ValueError(f"the span {span_start}-{span_end} is not inside a chromosome of {length} bases")
    first = -(-span_start // stride)
    count = max(0, (span_end - WINDOW_LENGTH) // stride - first + 1)
    last = length - WINDOW_LENGTH
    off_grid = span_end == length and last >= span_start and last % stride != 0
    return Windows(first, count, last if off_grid else None, stride)


def chunks(span_start: int, span_end: int, length: int, stride: int, chunk_bases: int) -> Iterator[Chunk]:
    """Cut the windows of a span into portions of at most ``chunk_bases`` bases, each window in exactly one.

    Neighbours share the bases that their windows share; the off-grid last window is a chunk of its own.

    Parameters
    ----------
    span_start, span_end, length, stride : int
        As for :func:`windows_in`.
    chunk_bases : int
        The most bases in a chunk, at least 101.

    Yields
    ------
    Chunk
        In ascending order.

    Examples
    --------
    >>> for chunk in chunks(0, 450, 450, 100, 301):
    ...     print(chunk)
    Chunk(start=0, end=301, index=0, count=3)
    Chunk(start=300, end=401, index=3, count=1)
    Chunk(start=349, end=450, index=4, count=1)
    """
    if chunk_bases < WINDOW_LENGTH:
        raise ValueError(f"a chunk must hold a window of {WINDOW_LENGTH} bases, found {chunk_bases}")
    windows = windows_in(span_start, span_end, length, stride)
    portion = (chunk_bases - WINDOW_LENGTH) // stride + 1
    stop = windows.first + windows.count
    for index in range(windows.first, stop, portion):
        count = min(portion, stop - index)
        start = index * stride
        yield Chunk(start, start + (count - 1) * stride + WINDOW_LENGTH, index, count)
    if windows.last is not None:
        yield Chunk(windows.last, length, windows.last // stride + 1, 1)


def track_spans(
    starts: NDArray[np.int64], length: int, stride: int, inside: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the bases on which each window's value stands in a track: ``stride`` of them around its centre.

    The span [start + 50 - stride // 2, + stride) is cut at the span of the chromosome's next window, scored
    or not, and at the chromosome's ends: it depends on nothing but the start, and spans never overlap.

    Parameters
    ----------
    starts : numpy.ndarray, shape=(n,), dtype=int64
        Window starts, ascending, of a chromosome's windows (see :func:`windows_in`).
    length : int
        Length of the chromosome, bases.
    stride : int
        Bases from one window to the next.
    inside : numpy.ndarray, shape=(m, 2), dtype=int64, optional
        Sorted, disjoint stretches of which each window lies in one; spans are cut at its ends too. That matters only
        where the stride is longer than a window.

    Returns
    -------
    span_starts, span_ends : numpy.ndarray, shape=(n,), dtype=int64
        Sorted and disjoint. A span can be empty (start = end): the last but one window's of a chromosome, when the
        last one is so near that all the bases in question belong to it.

    Examples
    --------
    >>> track_spans(np.array([0, 100, 149]), 250, 100)
    (array([  0, 100, 149]), array([100, 149, 249]))
    """
    last = length - WINDOW_LENGTH
    # behind the last window comes no other: its span is a whole stride
    following = np.where(starts < last, np.minimum(starts + stride, last), starts + stride)
    shift = _CENTRE - stride // 2
    lowest, highest = np.zeros(1, np.int64), np.full(1, length)
    if inside is not None:
        lowest, highest = inside[np.searchsorted(inside[:, 0], starts, side="right") - 1].T
    span_starts = np.clip(starts + shift, lowest, highest)
    return span_starts, np.maximum(np.clip(following + shift, lowest, highest), span_starts)
