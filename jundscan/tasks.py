"""Work in order on several threads, and what one worker gets: pieces of sequence joined to one stretch, runs, calls.

Small scaffolds cost as little as a chromosome because many of them share a task and even a call of the model. They lie
one after another on one grid of windows, with unknown letters between them; no window over such a letter counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import UNKNOWN, WINDOW_LENGTH
from jundscan.windows import Chunks, Region, chunks, span_table, together

Item = TypeVar("Item")
Result = TypeVar("Result")

TASKS_PER_THREAD = 2
"""Tasks made ready ahead for each worker."""
_NO_CODES = np.empty(0, np.uint8)
BRIDGED_BASES = 2048
"""Windows that do not count are scored along rather than making two calls where they start on no more bases than
these: what a call costs besides its windows, and what rows too short for tiles cost."""


class Task(NamedTuple):
    """Portions of windows that a worker scores together, and their bases.

    Attributes
    ----------
    chunks : Chunks
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
    begins : numpy.ndarray, shape=(chunks,), dtype=int64
        Where in ``codes`` each portion begins, the first one at 0.
    heads : list of int
        The first portion of each chromosome.
    chroms : list of str
        These chromosomes.
    """

    chunks: Chunks
    codes: NDArray[np.uint8]
    begins: NDArray[np.int64]
    heads: list[int]
    chroms: list[str]


class Joined(NamedTuple):
    """Pieces on one grid of windows; window number n starts at base n * stride.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
    firsts : numpy.ndarray, shape=(pieces,), dtype=int64
        Number of each piece's first window.
    """

    codes: NDArray[np.uint8]
    firsts: NDArray[np.int64]


class Call(NamedTuple):
    """Windows [first, end) of a joined stretch, scored together; those that count are rows [row, end_row)."""

    first: int
    end: int
    row: int
    end_row: int


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """Do work on worker threads and give its results in the order of the items; close it to stop early.

    Parameters
    ----------
    work : callable
        Called on workers.
    items : iterable
        Gone through by the calling thread, a few items ahead of the results.
    threads : int
        Workers.

    Yields
    ------
    Result

    Examples
    --------
    >>> list(in_order(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    waiting: deque[Future[Result]] = deque()
    workers = ThreadPoolExecutor(threads, thread_name_prefix="jundscan")
    try:
        for item in items:
            waiting.append(workers.submit(work, item))
            if len(waiting) > TASKS_PER_THREAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        workers.shutdown(cancel_futures=True)


def tasks(
    spans: Sequence[Region],
    chromsizes: Mapping[str, int],
    bases: Iterator[NDArray[np.uint8]],
    stride: int,
    most_bases: int,
) -> Iterator[Task]:
    """Cut spans into tasks of at most so many bases, small spans together.

    Parameters
    ----------
    spans : sequence of Region
    chromsizes : mapping of str to int
        Lengths of the chromosomes, bases.
    bases : iterator of numpy.ndarray
        Codes of the spans one after another, cut anywhere, as :meth:`jundscan.genome.Genome.bases` gives them; read to
        their end, but no farther than a task needs.
    stride : int
        Bases from one window to the next.
    most_bases : int
        At least 101.

    Yields
    ------
    Task
    """
    table = span_table(spans, chromsizes)
    cut = chunks(table, stride, most_bases)
    lengths = table[:, 1] - table[:, 0]
    # where each span, and then each portion, lies when the spans are put one after another
    span_begins = np.cumsum(lengths) - lengths
    begins = span_begins[cut.spans] + cut.starts - table[cut.spans, 0]
    ends = begins + cut.ends - cut.starts
    chrom_numbers = np.cumsum([at > 0 and span.chrom != spans[at - 1].chrom for at, span in enumerate(spans)])
    is_head = np.append(True, np.diff(chrom_numbers[cut.spans]) > 0)
    held, held_begin = _NO_CODES, 0
    for first, stop in together(cut.ends - cut.starts, most_bases):
        begin, end = int(begins[first]), int(ends[stop - 1])
        held_end = held_begin + len(held)
        parts = [held[begin - held_begin :]]
        held_begin = min(begin, held_end)
        while held_end < end:
            parts.append(next(bases))
            held_end += len(parts[-1])
        held = np.concatenate(parts)
        is_head[first] = True
        heads = np.flatnonzero(is_head[first:stop]).tolist()
        chroms = [spans[number].chrom for number in cut.spans[first:stop][heads].tolist()]
        codes = held[begin - held_begin : end - held_begin]
        yield Task(cut.rows(first, stop), codes, begins[first:stop] - begin, heads, chroms)
    for _ in bases:  # behind the last window too: a damaged file is told
        pass


def join(task: Task, stride: int) -> Joined:
    """Lay the portions of a task one after another on one grid, at least one unknown letter between two of them.

    Examples
    --------
    >>> both = tasks([Region("a", 0, 111), Region("b", 0, 111)], {"a": 300, "b": 300}, iter([np.zeros(222)]), 10, 300)
    >>> joined = join(next(both), 10)
    >>> joined.firsts.tolist(), len(joined.codes), joined.codes[111:120].tolist()
    ([0, 12], 231, [4, 4, 4, 4, 4, 4, 4, 4, 4])
    """
    if len(task.begins) == 1:
        return Joined(task.codes, np.zeros(1, np.int64))
    lengths = task.chunks.ends - task.chunks.starts
    slots = lengths // stride + 1
    firsts = np.cumsum(slots) - slots
    codes = np.full(firsts[-1] * stride + lengths[-1], UNKNOWN, np.uint8)
    rows = zip((firsts * stride).tolist(), task.begins.tolist(), lengths.tolist(), strict=True)
    for start, begin, length in rows:
        codes[start : start + length] = task.codes[begin : begin + length]
    return Joined(codes, firsts)


def known_runs(codes: NDArray[np.uint8], stride: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the runs of windows that hold known letters only.

    Returns
    -------
    firsts, counts : numpy.ndarray, shape=(runs,), dtype=int64
        Number of each run's first window, and of its windows, at least 1.

    Examples
    --------
    >>> codes = np.zeros(400, np.uint8)
    >>> codes[150] = UNKNOWN
    >>> [column.tolist() for column in known_runs(codes, 10)]
    [[0, 16], [5, 14]]
    """
    if codes.max(initial=0) < UNKNOWN:
        edges = np.array([0, len(codes)])
    else:
        known = np.zeros(len(codes) + 2, np.bool_)
        np.not_equal(codes, UNKNOWN, out=known[1:-1])
        edges = np.flatnonzero(known[1:] != known[:-1])
    starts, ends = edges[::2], edges[1::2]
    firsts = -(-starts // stride)
    counts = (ends - WINDOW_LENGTH) // stride - firsts + 1
    some = counts > 0
    return firsts[some], counts[some]


def calls(firsts: NDArray[np.int64], counts: NDArray[np.int64], most: int, stride: int) -> Iterator[Call]:
    """Divide runs of windows among calls of the model: at most ``most`` windows each, short gaps bridged.

    Examples
    --------
    >>> list(calls(np.array([0, 16, 500]), np.array([5, 14, 40]), 32, 10))
    [Call(first=0, end=30, row=0, end_row=19), Call(first=500, end=532, row=19, end_row=51), \
Call(first=532, end=540, row=51, end_row=59)]
    """
    bridged = BRIDGED_BASES // stride
    start = stop = start_row = row = 0
    for first, count in zip(firsts.tolist(), counts.tolist(), strict=True):
        end = first + count
        if stop > start and (first - stop > bridged or first >= start + most):
            yield Call(start, stop, start_row, row)
            start = stop
        while first < end:
            if stop == start:
                start, start_row = first, row
            stop = min(end, start + most)
            row += stop - first
            first = stop
            if stop == start + most:
                yield Call(start, stop, start_row, row)
                start = stop
    if stop > start:
        yield Call(start, stop, start_row, row)
