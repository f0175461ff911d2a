"""Windows and chunks of them: pure arithmetic, 0-based half-open everywhere.

The windows of a chromosome start at 0, stride, 2·stride, … (the grid). Where length - 101 is off the grid, a last
window starts there, so that the last bases are covered. Their indices are 0, 1, 2, … in this order. A span selects from
these windows and a chunk groups them. Neither ever moves a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.dna.regions import Region

_CENTRE = WINDOW_LENGTH // 2


class Chunks(NamedTuple):
    """Chunks of consecutive windows, and the bases that they cover; row i of every column is chunk i.

    Attributes
    ----------
    spans : numpy.ndarray, shape=(n,), dtype=int64
        Index of the span that the windows lie in.
    starts, ends : numpy.ndarray, shape=(n,), dtype=int64
        The bases [start, end), from the start of the first window to the end of the last.
    firsts : numpy.ndarray, shape=(n,), dtype=int64
        Index of the first window on its chromosome.
    counts : numpy.ndarray, shape=(n,), dtype=int64
        Number of windows, at least 1; they start at ``start``, ``start + stride``, …
    """

    spans: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]

    def rows(self, begin: int, end: int) -> Chunks:
        """Return the chunks from ``begin`` to before ``end``."""
        return Chunks._make(column[begin:end] for column in self)


def span_table(spans: Sequence[Region], chromsizes: Mapping[str, int]) -> NDArray[np.int64]:
    """Return start, end and length of the chromosome of each span, (n, 3)."""
    rows = [(start, end, chromsizes[chrom]) for chrom, start, end in spans]
    return np.array(rows, np.int64).reshape(-1, 3)


def count_windows(spans: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Count the windows wholly inside each span of a :func:`span_table`.

    Examples
    --------
    >>> count_windows(np.array([[0, 250, 250], [50, 240, 250], [0, 99, 250]]), 100).tolist()
    [3, 1, 0]
    """
    _, counts, off_grid = _windows_in(spans, stride)
    return counts + off_grid


def _windows_in(
    spans: NDArray[np.int64], stride: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return, by span, the first window on the grid, the number of these, and whether it holds the one off the grid."""
    if stride < 1:
        raise ValueError(f"the stride must be at least 1, found {stride}")
    starts, ends, lengths = spans.T
    outside = ~((starts >= 0) & (starts <= ends) & (ends <= lengths))
    if outside.any():
        start, end, length = spans[outside][0].tolist()
        raise ValueError(f"the span {start}-{end} is not inside a chromosome of {length} bases")
    firsts = -(-starts // stride)
    counts = np.maximum((ends - WINDOW_LENGTH) // stride - firsts + 1, 0)
    lasts = lengths - WINDOW_LENGTH
    return firsts, counts, (ends == lengths) & (lasts >= starts) & (lasts % stride != 0)


def chunks(spans: NDArray[np.int64], stride: int, chunk_bases: int) -> Chunks:
    """Cut the windows of spans into chunks of at most ``chunk_bases`` bases, each window in exactly one.

    Neighbouring chunks share the bases that their windows share. The last window off the grid is a chunk of its own.

    Parameters
    ----------
    spans : numpy.ndarray, shape=(n, 3), dtype=int64
        From :func:`span_table`.
    stride : int
        Bases from one window to the next, at least 1.
    chunk_bases : int
        Maximum bases in a chunk, at least 101.

    Returns
    -------
    Chunks
        Ascending within each span, spans in their order.

    Examples
    --------
    >>> cut = chunks(np.array([[0, 450, 450]]), 100, 301)
    >>> cut.starts.tolist(), cut.ends.tolist(), cut.firsts.tolist(), cut.counts.tolist()
    ([0, 300, 349], [301, 401, 450], [0, 3, 4], [3, 1, 1])
    """
    if chunk_bases < WINDOW_LENGTH:
        raise ValueError(f"a chunk must hold a window of {WINDOW_LENGTH} bases, found {chunk_bases}")
    most_windows = (chunk_bases - WINDOW_LENGTH) // stride + 1
    firsts, counts, off_grid = _windows_in(spans, stride)
    on_grid = -(-counts // most_windows)
    rows = on_grid + off_grid
    of_span = np.repeat(np.arange(len(spans)), rows)
    number = np.arange(len(of_span)) - np.repeat(np.cumsum(rows) - rows, rows)
    is_last = number == on_grid[of_span]
    lasts = spans[of_span, 2] - WINDOW_LENGTH
    first = np.where(is_last, lasts // stride + 1, firsts[of_span] + number * most_windows)
    count = np.where(is_last, 1, np.minimum(most_windows, counts[of_span] - number * most_windows))
    starts = np.where(is_last, lasts, first * stride)
    return Chunks(of_span, starts, starts + (count - 1) * stride + WINDOW_LENGTH, first, count)


def with_flanks(
    spans: Sequence[Region], chromsizes: Mapping[str, int], flank: int
) -> tuple[list[Region], NDArray[np.int64]]:
    """Widen spans by ``flank`` bases on both sides, within their chromosomes, and merge those that then touch.

    Parameters
    ----------
    spans : sequence of Region
        Disjoint and ascending, those of a chromosome together.
    chromsizes : mapping of str to int
        Lengths of the chromosomes, bases.
    flank : int
        Bases.

    Returns
    -------
    regions : list of Region
        Ascending and disjoint.
    shifts : numpy.ndarray, shape=(spans,), dtype=int64
        By span. When the regions are concatenated, base b of the span's chromosome has index ``b + shift``.

    Examples
    --------
    >>> spans = [Region("a", 5, 200), Region("a", 220, 300), Region("b", 0, 300)]
    >>> regions, shifts = with_flanks(spans, {"a": 305, "b": 400}, 10)
    >>> [str(region) for region in regions], shifts.tolist()
    (['a:0-305', 'b:0-310'], [0, 0, 305])
    """
    starts, ends, sizes = span_table(spans, chromsizes).T
    starts, ends = np.maximum(starts - flank, 0), np.minimum(ends + flank, sizes)
    is_first = np.array([at == 0 or span.chrom != spans[at - 1].chrom for at, span in enumerate(spans)], np.bool_)
    is_first[1:] |= starts[1:] > ends[:-1]
    starts, ends = starts[is_first], ends[np.append(is_first[1:], True)[: len(spans)]]
    chroms = [spans[at].chrom for at in np.flatnonzero(is_first).tolist()]
    lengths = ends - starts
    shifts = (np.cumsum(lengths) - lengths - starts)[np.cumsum(is_first) - 1]
    return [Region(*row) for row in zip(chroms, starts.tolist(), ends.tolist(), strict=True)], shifts


def group_consecutive(sizes: NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Group consecutive items whose sizes add up to at most ``limit``. A larger item is a group of its own.

    Yields
    ------
    first, stop : int
        The items ``first`` to before ``stop``.

    Examples
    --------
    >>> list(group_consecutive(np.array([3, 1, 1, 1, 5]), 3))
    [(0, 1), (1, 4), (4, 5)]
    """
    ends = np.cumsum(sizes)
    first = before = 0
    while first < len(sizes):
        stop = max(int(np.searchsorted(ends, before + limit, side="right")), first + 1)
        yield first, stop
        first, before = stop, int(ends[stop - 1])


def concatenate_ranges(firsts: NDArray[np.int64], counts: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Concatenate the ranges of ``count`` numbers from each ``first`` on, ``step`` apart.

    Examples
    --------
    >>> concatenate_ranges(np.array([0, 50]), np.array([3, 2]), 10).tolist()
    [0, 10, 20, 50, 60]
    """
    if len(firsts) == 1:
        return np.arange(firsts[0], firsts[0] + counts[0] * step, step)
    before = np.cumsum(counts) - counts
    numbers: NDArray[np.int64] = np.repeat(firsts - step * before, counts) + step * np.arange(counts.sum())
    return numbers


def track_spans(
    starts: NDArray[np.int64], length: int, stride: int, inside: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bases on which a track shows the value of each window: ``stride`` bases around its centre.

    The bases [start + 50 - stride // 2, + stride) are cut at those of the chromosome's next window, scored or not, and
    at the chromosome's ends. So they depend on the window's start alone, and never overlap.

    Parameters
    ----------
    starts : numpy.ndarray, shape=(n,), dtype=int64
        Starts of windows of a chromosome, ascending.
    length : int
        Length of the chromosome, bases.
    stride : int
        Bases from one window to the next.
    inside : numpy.ndarray, shape=(m, 2), dtype=int64, optional
        Sorted, disjoint spans, each window in one of them. The bases are also cut at the ends of its span, which
        matters only where the stride is longer than a window.

    Returns
    -------
    span_starts, span_ends : numpy.ndarray, shape=(n,), dtype=int64
        Sorted and disjoint. The last but one window of a chromosome can have none (start = end), when all its bases
        belong to the last window.

    Examples
    --------
    >>> track_spans(np.array([0, 100, 149]), 250, 100)
    (array([  0, 100, 149]), array([100, 149, 249]))
    """
    last = length - WINDOW_LENGTH
    # no window follows the last: it has a whole stride
    following = np.where(starts < last, np.minimum(starts + stride, last), starts + stride)
    shift = _CENTRE - stride // 2
    lowest, highest = np.zeros(1, np.int64), np.full(1, length)
    if inside is not None:
        lowest, highest = inside[np.searchsorted(inside[:, 0], starts, side="right") - 1].T
    span_starts = np.clip(starts + shift, lowest, highest)
    return span_starts, np.maximum(np.clip(following + shift, lowest, highest), span_starts)


def known_windows(codes: NDArray[np.uint8], flank: int) -> NDArray[np.bool_] | None:
    """Return which windows hold no unknown base, whatever their flanks hold.

    Parameters
    ----------
    codes : numpy.ndarray, shape=(n, length), dtype=uint8
        Sequences; the first window of each starts at base ``flank``.
    flank : int
        Bases on either side of the windows.

    Returns
    -------
    numpy.ndarray or None, shape=(n, length - 100 - 2 * flank), dtype=bool
        None when no window holds an unknown base.

    Examples
    --------
    >>> codes = np.zeros((1, 123), np.uint8)
    >>> codes[0, [9, 112]] = UNKNOWN
    >>> known_windows(codes, 10).tolist()
    [[True, True, False]]
    """
    codes = codes[:, flank : codes.shape[1] - flank]
    is_unknown = codes == UNKNOWN
    if not is_unknown.any():
        return None
    counts = np.zeros((len(codes), codes.shape[1] + 1), np.int32)
    np.cumsum(is_unknown, axis=1, out=counts[:, 1:])
    known: NDArray[np.bool_] = counts[:, WINDOW_LENGTH:] == counts[:, :-WINDOW_LENGTH]
    return known
