"""Cut spans into tasks for worker threads, and each task into calls of the model.

A task holds chunks of windows and their bases. Its chunks are concatenated on one grid of windows, with unknown letters
between them, so that many small scaffolds share a task and even a call of the model, and cost as little as a
chromosome. No window over such a letter counts. A model may see bases beside a window, its flanks. A task holds these
too, and the gaps between chunks are so wide that no window sees a base of another chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import intersect_intervals
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.dna.windows import Chunks, chunks, group_consecutive, span_table, with_flanks

_NO_CODES = np.empty(0, np.uint8)
MAX_BRIDGED_BASES = 2048
"""Maximum bases between two runs that one call scores together, the windows between them in vain. Two calls would cost
more: each has a fixed cost, needs its own flanks, and runs slowly on short rows."""


class Task(NamedTuple):
    """Chunks of windows that one thread scores together, and their bases.

    Attributes
    ----------
    chunks : Chunks
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        Bases of the chunks and their flanks, in genome order.
    begins : numpy.ndarray, shape=(chunks,), dtype=int64
        Index in ``codes`` of the first base of each chunk, after its left flank.
    lefts, rights : numpy.ndarray, shape=(chunks,), dtype=int64
        Bases of each chunk's flanks: as many as the model sees, or fewer at the end of a chromosome.
    gaps : numpy.ndarray, shape=(chunks,), dtype=int64
        Minimum number of letters between each chunk and the chunk before it after :func:`join`.
    heads : list of int
        Index of the first chunk of each chromosome.
    chroms : list of str
        Names of these chromosomes.
    """

    chunks: Chunks
    codes: NDArray[np.uint8]
    begins: NDArray[np.int64]
    lefts: NDArray[np.int64]
    rights: NDArray[np.int64]
    gaps: NDArray[np.int64]
    heads: list[int]
    chroms: list[str]


class ConcatenatedChunks(NamedTuple):
    """Chunks with their flanks on one grid of windows: window n starts at base ``flank + n * stride``.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        From the left flank of the first window to the right flank of the last one.
    firsts : numpy.ndarray, shape=(chunks,), dtype=int64
        Index of each chunk's first window on the grid.
    own : numpy.ndarray, shape=(chunks, 2), dtype=int64
        Start and end of each chunk without its flanks, counted from base ``flank``.
    """

    codes: NDArray[np.uint8]
    firsts: NDArray[np.int64]
    own: NDArray[np.int64]


class Call(NamedTuple):
    """Windows [first, end) of concatenated chunks for one ONNX call; those of the runs are rows [row, end_row)."""

    first: int
    end: int
    row: int
    end_row: int


def tasks(
    spans: Sequence[Region],
    chromsizes: Mapping[str, int],
    read: Callable[[Sequence[Region]], Iterator[NDArray[np.uint8]]],
    stride: int,
    max_bases: int,
    flank: int = 0,
) -> Iterator[Task]:
    """Cut spans into tasks; small spans share a task.

    Parameters
    ----------
    spans : sequence of Region
        Disjoint, in genome order.
    chromsizes : mapping of str to int
        Lengths of the chromosomes, bases.
    read : callable
        Yields the codes of regions, such as :meth:`jundscan.io.fasta.genome.Genome.bases`. Each task reads only as far
        as it needs. The last one reads to the end, so that a damaged end of the file raises an error.
    stride : int
        Bases from one window to the next.
    max_bases : int
        Maximum bases of a chunk without its flanks, and of a task of several chunks after :func:`join`; at least 101.
    flank : int
        Bases that the model sees on each side of a window.

    Yields
    ------
    Task
    """
    table = span_table(spans, chromsizes)
    cut = chunks(table, stride, max_bases)
    lefts, rights = np.minimum(cut.starts, flank), np.minimum(table[cut.spans, 2] - cut.ends, flank)
    # no window may see a base of the neighbouring chunk in its flank
    gaps = np.maximum(flank + np.maximum(np.append(0, rights[:-1])[: len(rights)], lefts), 1)
    regions, shifts = with_flanks(spans, chromsizes, flank)
    # of each chunk with its flanks, when the regions are concatenated
    begins, ends = cut.starts - lefts + shifts[cut.spans], cut.ends + rights + shifts[cut.spans]
    chrom_numbers = np.cumsum([at > 0 and span.chrom != spans[at - 1].chrom for at, span in enumerate(spans)])
    is_head = np.append(True, np.diff(chrom_numbers[cut.spans]) > 0)
    bases = read(regions)
    buffer, buffer_begin = _NO_CODES, 0
    for first, stop in group_consecutive(_count_slots(cut.ends - cut.starts, gaps, stride) * stride, max_bases):
        begin, end = int(begins[first]), int(ends[stop - 1])
        buffer_end = buffer_begin + len(buffer)
        parts = [buffer[begin - buffer_begin :]]
        buffer_begin = min(begin, buffer_end)
        while buffer_end < end:
            parts.append(next(bases))
            buffer_end += len(parts[-1])
        buffer = np.concatenate(parts)
        is_head[first] = True
        heads = np.flatnonzero(is_head[first:stop]).tolist()
        chroms = [spans[number].chrom for number in cut.spans[first:stop][heads].tolist()]
        codes = buffer[begin - buffer_begin : end - buffer_begin]
        rows = slice(first, stop)
        own_begins = begins[rows] + lefts[rows] - begin
        yield Task(cut.rows(first, stop), codes, own_begins, lefts[rows], rights[rows], gaps[rows], heads, chroms)
    for _ in bases:  # beyond the last window, too
        pass


def _count_slots(lengths: NDArray[np.int64], gaps: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Count the windows of the grid that start in each chunk or in its gap."""
    slots: NDArray[np.int64] = (lengths + gaps - 1) // stride + 1
    return slots


def join(task: Task, stride: int, flank: int = 0) -> ConcatenatedChunks:
    """Concatenate the chunks of a task on one grid of windows, with unknown letters between them and at both ends.

    Each gap holds at least one unknown letter. With a flank it is wide enough that no window sees a base of another
    chunk.

    Examples
    --------
    >>> spans, sizes = [Region("a", 0, 111), Region("b", 0, 111)], {"a": 300, "b": 111}
    >>> both = tasks(spans, sizes, lambda regions: iter([np.zeros(222)]), 10, 300)
    >>> joined = join(next(both), 10)
    >>> joined.firsts.tolist(), len(joined.codes), joined.codes[111:120].tolist()
    ([0, 12], 231, [4, 4, 4, 4, 4, 4, 4, 4, 4])
    """
    lengths = task.chunks.ends - task.chunks.starts
    if len(task.begins) == 1:
        missing = flank - int(task.lefts[0]), flank - int(task.rights[0])
        codes = np.pad(task.codes, missing, constant_values=UNKNOWN) if any(missing) else task.codes
        return ConcatenatedChunks(codes, np.zeros(1, np.int64), np.array([[0, lengths[0]]]))
    slots = _count_slots(lengths[:-1], task.gaps[1:], stride)
    firsts = np.append(0, np.cumsum(slots))
    own = np.column_stack((firsts * stride, firsts * stride + lengths))
    codes = np.full(own[-1, 1] + 2 * flank, UNKNOWN, np.uint8)
    starts = own[:, 0] + flank - task.lefts
    begins = task.begins - task.lefts
    rows = zip(starts.tolist(), begins.tolist(), (task.lefts + lengths + task.rights).tolist(), strict=True)
    for start, begin, length in rows:
        codes[start : start + length] = task.codes[begin : begin + length]
    return ConcatenatedChunks(codes, firsts, own)


def known_runs(joined: ConcatenatedChunks, stride: int, flank: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the runs of windows that hold only known letters of one chunk; their flanks may hold unknown letters.

    Returns
    -------
    firsts, counts : numpy.ndarray, shape=(runs,), dtype=int64
        Index of each run's first window, and number of its windows, at least 1.

    Examples
    --------
    >>> codes = np.zeros(400, np.uint8)
    >>> codes[150] = UNKNOWN
    >>> joined = ConcatenatedChunks(codes, np.zeros(1, np.int64), np.array([[0, 400]]))
    >>> [column.tolist() for column in known_runs(joined, 10)]
    [[0, 16], [5, 14]]
    """
    codes = joined.codes[flank : len(joined.codes) - flank]
    if codes.max(initial=0) < UNKNOWN:
        edges = np.array([0, len(codes)])
    else:
        known = np.zeros(len(codes) + 2, np.bool_)
        np.not_equal(codes, UNKNOWN, out=known[1:-1])
        edges = np.flatnonzero(known[1:] != known[:-1])
    starts, ends = edges[::2], edges[1::2]
    if flank and len(joined.own) > 1:
        starts, ends = intersect_intervals(np.column_stack((starts, ends)), joined.own).T
    firsts = -(-starts // stride)
    counts = (ends - WINDOW_LENGTH) // stride - firsts + 1
    some = counts > 0
    return firsts[some], counts[some]


def calls(
    firsts: NDArray[np.int64], counts: NDArray[np.int64], max_windows: int, stride: int, flank: int = 0
) -> Iterator[Call]:
    """Divide runs of windows among calls of at most ``max_windows`` windows; one call bridges short gaps between runs.

    Examples
    --------
    >>> list(calls(np.array([0, 16, 500]), np.array([5, 14, 40]), 32, 10))
    [Call(first=0, end=30, row=0, end_row=19), Call(first=500, end=532, row=19, end_row=51), \
Call(first=532, end=540, row=51, end_row=59)]
    """
    bridged = (MAX_BRIDGED_BASES + 2 * flank) // stride
    start = stop = start_row = row = 0
    for first, count in zip(firsts.tolist(), counts.tolist(), strict=True):
        end = first + count
        if stop > start and (first - stop > bridged or first >= start + max_windows):
            yield Call(start, stop, start_row, row)
            start = stop
        while first < end:
            if stop == start:
                start, start_row = first, row
            stop = min(end, start + max_windows)
            row += stop - first
            first = stop
            if stop == start + max_windows:
                yield Call(start, stop, start_row, row)
                start = stop
    if stop > start:
        yield Call(start, stop, start_row, row)
