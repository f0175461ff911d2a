"""READ FIRST: the scan, top to bottom. Genome and track in; windows with their probabilities, or hits, out.

``plan.open_scan`` opens and checks everything, before any work. ``score`` walks the genome in file order: the calling
thread reads it in tasks of up to a million bases, worker threads turn a task's stretches of known letters into window
means and probabilities (numpy and ONNX Runtime release the interpreter lock), and results come back in order. What is
done with them (hits, tracks, accuracy) is ``outputs.py``. No more than a few tasks are ever in memory.

A model may see bases beside a window, its flanks. They are read and handed over with every portion, whatever regions
are scanned, so that a window's probability depends on the genome and the track alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.windows import concatenate_ranges
from jundscan.model.thresholds import expected_precision, is_positive
from jundscan.scanning.hits import HitCaller, Hits
from jundscan.scanning.plan import Scan
from jundscan.scanning.tasks import Task, calls, join, known_runs, tasks
from jundscan.threads import in_order

TASK_BASES, TASK_WINDOWS = 1 << 20, 1 << 18
"""The most that one worker takes at a time: enough to make the handing over cheap."""
FEWEST_BASES, TASKS_EACH = 1 << 16, 16
"""Small genomes are cut finer, that all workers end together: so many tasks each, if not smaller than that."""


class Scored(NamedTuple):
    """Windows of one chromosome and their probabilities, ascending; those with unknown letters are left out.

    Attributes
    ----------
    chrom : str
    indices : numpy.ndarray, shape=(n,), dtype=int64
        Numbers of the windows in the chromosome's row of windows.
    starts : numpy.ndarray, shape=(n,), dtype=int64
        0-based.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
    covered : int
        Number of bases in at least one of these windows.
    tried : int
        Number of windows, with those left out.
    positive : int
        How many of these windows are at or above the threshold.
    """

    chrom: str
    indices: NDArray[np.int64]
    starts: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    covered: int
    tried: int
    positive: int


class Hit(NamedTuple):
    """One stretch where JUND is predicted to bind; 0-based half-open.

    Attributes
    ----------
    chrom : str
    start, end : int
    probability : float
        The model's score of the best window: it ranks windows, and is no chance of being bound.
    summit : int
        0-based position.
    expected_precision : float or None
        Share of bound windows among held-out windows that score at least as high, see
        :func:`jundscan.model.thresholds.expected_precision`; None below the calibration table.
    accessibility : float or None
        Percentile, 0 to 1, of the window under the summit in its track. It is 0 in closed chromatin, and None where
        it is not known.
    """

    chrom: str
    start: int
    end: int
    probability: float
    summit: int
    expected_precision: float | None = None
    accessibility: float | None = None


def score(scan: Scan, task_bases: int | None = None, call_windows: int | None = None) -> Iterator[Scored]:
    """Score every window in reach, in genome order; the result depends on neither size nor number of threads.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`; its counters are brought up to date on the way.
    task_bases, call_windows : int, optional
        The most bases that a worker gets at a time, and windows that the model gets.

    Yields
    ------
    Scored
    """
    if task_bases is None:
        share = sum(span.end - span.start for span in scan.spans) // (TASKS_EACH * scan.threads)
        task_bases = max(min(max(share, FEWEST_BASES), TASK_BASES, TASK_WINDOWS * scan.stride), WINDOW_LENGTH)
    call_windows = call_windows or scan.model.windows_per_call(scan.stride)
    genome, flank = scan.genome, scan.model.flank
    work = tasks(scan.spans, genome.chromsizes, genome.bases, scan.stride, task_bases, flank)
    with closing(in_order(partial(_score_task, scan, call_windows), work, scan.threads)) as done:
        for task in done:
            yield from _counted(scan, task)
    scan.finish()


def _counted(scan: Scan, task: Iterable[Scored]) -> Iterator[Scored]:
    for scored in task:
        if len(scored.starts):
            scan.windows_scored += len(scored.starts)
            scan.windows_called += scored.positive
            chrom, end = scan.last_scored
            again = max(0, end - int(scored.starts[0])) if chrom == scored.chrom else 0
            scan.bases_scanned += scored.covered - again
            scan.last_scored = scored.chrom, int(scored.starts[-1]) + WINDOW_LENGTH
        yield scored


def _score_task(scan: Scan, call_windows: int, task: Task) -> list[Scored]:
    stride, chunks = scan.stride, task.chunks
    joined = join(task, stride, scan.model.flank)
    runs, counts = known_runs(joined, stride, scan.model.flank)
    of_run = np.searchsorted(joined.firsts, runs, side="right") - 1  # in one portion: unknown letters lie between two
    within = runs - joined.firsts[of_run]
    run_starts = chunks.starts[of_run] + stride * within
    starts = concatenate_ranges(run_starts, counts, stride)
    indices = starts if stride == 1 else concatenate_ranges(chunks.firsts[of_run] + within, counts, 1)
    # a chromosome's portions follow one another: the first run and window of each chromosome
    run_edges = np.searchsorted(of_run, [*task.heads, len(task.begins)])
    edges = np.append(0, np.cumsum(counts))[run_edges].tolist()

    parts = [(chrom, starts[row:end]) for chrom, row, end in zip(task.chroms, edges[:-1], edges[1:], strict=True)]
    accessibility = scan.accessibility_of(parts)
    probabilities = _probabilities(scan, joined.codes, runs, counts, accessibility, call_windows)

    covered = np.append(0, np.cumsum(_covered(run_starts, counts, stride, run_edges[:-1])))[run_edges]
    tried = np.add.reduceat(chunks.counts, task.heads)
    positive = np.diff(np.searchsorted(np.flatnonzero(is_positive(probabilities, scan.threshold.value)), edges))
    totals = zip(np.diff(covered).tolist(), tried.tolist(), positive.tolist(), strict=True)
    return [
        Scored(chrom, indices[row:end], of_chrom, probabilities[row:end], *format_count)
        for (chrom, of_chrom), row, end, format_count in zip(parts, edges[:-1], edges[1:], totals, strict=True)
    ]


def _probabilities(
    scan: Scan,
    codes: NDArray[np.uint8],
    runs: NDArray[np.int64],
    counts: NDArray[np.int64],
    accessibility: NDArray[np.float32],
    call_windows: int,
) -> NDArray[np.float32]:
    """Score the windows of runs, as few calls of the model as there can be."""
    probabilities = np.empty(len(accessibility), np.float32)
    numbers = None
    for call in calls(runs, counts, call_windows, scan.stride, scan.model.flank):
        bases = codes[call.first * scan.stride : (call.end - 1) * scan.stride + scan.model.span]
        rows = slice(call.row, call.end_row)
        if call.end - call.first == call.end_row - call.row:
            probabilities[rows] = scan.model.slide(bases, accessibility[rows], scan.stride)
        else:  # some windows hold unknown letters
            if numbers is None:
                numbers = concatenate_ranges(runs, counts, 1)
            wanted = numbers[rows] - call.first
            every = np.full((call.end - call.first, *accessibility.shape[1:]), np.nan, np.float32)
            every[wanted] = accessibility[rows]
            probabilities[rows] = scan.model.slide(bases, every, scan.stride)[wanted]
    return probabilities


def _covered(
    run_starts: NDArray[np.int64], counts: NDArray[np.int64], stride: int, heads: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the bases that each run of windows covers and the one before it on its chromosome does not."""
    own = (counts - 1) * min(stride, WINDOW_LENGTH) + WINDOW_LENGTH
    ends = run_starts + (counts - 1) * stride + WINDOW_LENGTH
    again = np.maximum(np.append(0, ends[:-1] - run_starts[1:])[: len(own)], 0)
    again[heads[heads < len(again)]] = 0
    first_here: NDArray[np.int64] = own - again
    return first_here


def call_hits(scan: Scan, scored: Iterable[Scored]) -> Iterator[tuple[str, Hits]]:
    """Join scored windows into hits, chromosome by chromosome; each time at least one."""
    caller = HitCaller(scan.threshold.value, scan.stride)
    chrom = None
    for piece in scored:
        if chrom is not None and chrom != piece.chrom and caller.is_open:
            yield chrom, caller.finish()
        chrom = piece.chrom
        if piece.positive and len((hits := caller.add(piece.indices, piece.starts, piece.probabilities)).start):
            yield chrom, hits
    if chrom is not None and caller.is_open:
        yield chrom, caller.finish()


class Worth(NamedTuple):
    """What is known of hits beside their score; row i of every array is hit i.

    Attributes
    ----------
    precision : numpy.ndarray, shape=(n,), dtype=float64
        Expected precision, see :func:`jundscan.model.thresholds.expected_precision`; NaN where it is not known.
    accessibility : numpy.ndarray, shape=(n,), dtype=float32
        Percentile, 0 to 1, of the window under the summit; NaN where it is not known.
    """

    precision: NDArray[np.float64]
    accessibility: NDArray[np.float32]


def worth(scan: Scan, chrom: str, best: NDArray[np.float32], summits: NDArray[np.int64]) -> Worth:
    """Look up what is known of hits; where accessibility is not known, the calibration without it holds.

    Parameters
    ----------
    scan : Scan
    chrom : str
    best : numpy.ndarray, shape=(n,), dtype=float32
        Highest probability of each hit.
    summits : numpy.ndarray, shape=(n,), dtype=int64
        0-based, ascending, none twice.
    """
    accessibility = scan.accessibility_of([(chrom, summits - WINDOW_LENGTH // 2)])[:, 0]
    known, unknown = (expected_precision(scan.model.metadata.table(mode), best) for mode in (True, False))
    return Worth(np.where(np.isnan(accessibility), unknown, known), accessibility)
