"""Work in order on several threads, and what one worker gets: pieces of sequence joined to one stretch, runs, calls.

Small scaffolds cost as little as a chromosome because many of them share a task and even a call of the model. They lie
one after another on one grid of windows, with unknown letters between them; no window over such a letter counts.
A model may see bases beside a window, its flanks. They are read along, and the pieces lie so far apart that no window
sees a base of another piece.
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
BRIDGED_BASES = 2048
"""Windows that do not count are scored along rather than making two calls where they start on no more bases than
these (and than the flanks that both calls would hold): what a call costs besides its windows, and what rows too short
for tiles cost."""


class Task(NamedTuple):
    """Portions of windows that a worker scores together, and their bases.

    Attributes
    ----------
    chunks : Chunks
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        Bases of the portions with their flanks, as they follow one another in the genome.
    begins : numpy.ndarray, shape=(chunks,), dtype=int64
        Where in ``codes`` each portion begins; its left flank lies before.
    lefts, rights : numpy.ndarray, shape=(chunks,), dtype=int64
        Bases of each portion's flanks: as many as a model sees, or up to the end of the chromosome.
    gaps : numpy.ndarray, shape=(chunks,), dtype=int64
        Letters that must lie between each portion and the one before it when they are joined.
    heads : list of int
        The first portion of each chromosome.
    chroms : list of str
        These chromosomes.
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
    """Pieces on one grid of windows, each with its flanks; window number n starts at base ``flank + n * stride``.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        From the left flank of the first window to the right flank of the last one.
    firsts : numpy.ndarray, shape=(pieces,), dtype=int64
        Number of each piece's first window.
    own : numpy.ndarray, shape=(pieces, 2), dtype=int64
        Where the pieces without their flanks lie, counted from base ``flank`` on.
    """

    codes: NDArray[np.uint8]
    firsts: NDArray[np.int64]
    own: NDArray[np.int64]


class Call(NamedTuple):
    """Windows [first, end) of a joined stretch, scored together; those that count are rows [row, end_row)."""

    first: int
    end: int
    row: int
    end_row: int


def tasks(
    spans: Sequence[Region],
    chromsizes: Mapping[str, int],
    read: Callable[[Sequence[Region]], Iterator[NDArray[np.uint8]]],
    stride: int,
    most_bases: int,
    flank: int = 0,
) -> Iterator[Task]:
    """Cut spans into tasks of at most so many bases, small spans together.

    Parameters
    ----------
    spans : sequence of Region
        Disjoint and ascending, those of a chromosome together.
    chromsizes : mapping of str to int
        Lengths of the chromosomes, bases.
    read : callable
        Gives the codes of regions one after another, cut anywhere, as :meth:`jundscan.io.fasta.genome.Genome.bases`
        does. They are read to their end, but no farther than a task needs.
    stride : int
        Bases from one window to the next.
    most_bases : int
        The most bases of a task, joined as :func:`join` does it, if it holds more than one portion; and of a portion
        without its flanks. At least 101.
    flank : int
        Bases to each side of a window that are read along.

    Yields
    ------
    Task
    """
    table = span_table(spans, chromsizes)
    cut = chunks(table, stride, most_bases)
    lefts, rights = np.minimum(cut.starts, flank), np.minimum(table[cut.spans, 2] - cut.ends, flank)
    # no window of one piece may see a base of the other, nor less than a flank of what lies beside its own
    gaps = np.maximum(flank + np.maximum(np.append(0, rights[:-1])[: len(rights)], lefts), 1)
    regions, shifts = with_flanks(spans, chromsizes, flank)
    # where each portion with its flanks lies when the regions are put one after another
    begins, ends = cut.starts - lefts + shifts[cut.spans], cut.ends + rights + shifts[cut.spans]
    chrom_numbers = np.cumsum([at > 0 and span.chrom != spans[at - 1].chrom for at, span in enumerate(spans)])
    is_head = np.append(True, np.diff(chrom_numbers[cut.spans]) > 0)
    bases = read(regions)
    held, held_begin = _NO_CODES, 0
    for first, stop in group_consecutive(_slots(cut.ends - cut.starts, gaps, stride) * stride, most_bases):
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
        rows = slice(first, stop)
        own_begins = begins[rows] + lefts[rows] - begin
        yield Task(cut.rows(first, stop), codes, own_begins, lefts[rows], rights[rows], gaps[rows], heads, chroms)
    for _ in bases:  # behind the last window too: a damaged file is told
        pass


def _slots(lengths: NDArray[np.int64], gaps: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Count the places on the grid that each piece takes up when joined, with the letters of its gap."""
    slots: NDArray[np.int64] = (lengths + gaps - 1) // stride + 1
    return slots


def join(task: Task, stride: int, flank: int = 0) -> ConcatenatedChunks:
    """Lay the portions of a task one after another on one grid, unknown letters between them and at their ends.

    At least one unknown letter lies between two portions. With a flank the gap is wide enough that no window sees
    a base of another portion.

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
    slots = _slots(lengths[:-1], task.gaps[1:], stride)
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
    """Find the runs of windows that hold known letters of a piece's own only; their flanks may be unknown.

    Returns
    -------
    firsts, counts : numpy.ndarray, shape=(runs,), dtype=int64
        Number of each run's first window, and of its windows, at least 1.

    Examples
    --------
    >>> codes = np.zeros(400, np.uint8)
    >>> codes[150] = UNKNOWN
    >>> joined = Joined(codes, np.zeros(1, np.int64), np.array([[0, 400]]))
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
    firsts: NDArray[np.int64], counts: NDArray[np.int64], most: int, stride: int, flank: int = 0
) -> Iterator[Call]:
    """Divide runs of windows among calls of the model: at most ``most`` windows each, short gaps bridged.

    Examples
    --------
    >>> list(calls(np.array([0, 16, 500]), np.array([5, 14, 40]), 32, 10))
    [Call(first=0, end=30, row=0, end_row=19), Call(first=500, end=532, row=19, end_row=51), \
Call(first=532, end=540, row=51, end_row=59)]
    """
    bridged = (BRIDGED_BASES + 2 * flank) // stride
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
