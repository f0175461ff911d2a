"""READ FIRST: the scan, top to bottom. Genome and track in; windows with their probabilities, or hits, out.

``plan.prepare`` opens and checks everything, before any work. ``score`` walks the genome in file order: the calling
thread reads it in tasks of a quarter million bases, worker threads turn a task's stretches of known letters into window
means and probabilities (numpy and ONNX Runtime release the interpreter lock), and results come back in order. What is
done with them (hits, tracks, accuracy) is ``outputs.py``. No more than a few tasks are ever in memory.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import UNKNOWN, WINDOW_LENGTH
from jundscan.hits import HitCaller, Hits
from jundscan.model import LANES, Model
from jundscan.plan import Scan
from jundscan.windows import Chunk, chunks

TASK_BASES = 1 << 18
"""Bases that one worker takes at a time: enough to make the handing over cheap."""
CALL_BASES = 8292
"""Bases in one call of the model: few enough that its arrays stay in the processor's cache."""
TASKS_PER_THREAD = 4
"""Tasks read ahead for each worker."""

log = logging.getLogger("jundscan")


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
    """

    chrom: str
    indices: NDArray[np.int64]
    starts: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    covered: int
    tried: int


class Hit(NamedTuple):
    """One stretch where JUND is predicted to bind; 0-based half-open."""

    chrom: str
    start: int
    end: int
    probability: float
    summit: int


def score(scan: Scan, task_bases: int = TASK_BASES, call_bases: int = CALL_BASES) -> Iterator[Scored]:
    """Score every window in reach, in genome order; the result depends on neither size nor number of threads.

    Parameters
    ----------
    scan : Scan
        From :func:`prepare`; its counters are brought up to date on the way.
    task_bases, call_bases : int
        Bases handed to a worker and to the model at a time.

    Yields
    ------
    Scored
    """
    waiting: deque[Future[Scored]] = deque()
    workers = ThreadPoolExecutor(scan.threads, thread_name_prefix="jundscan")
    try:
        for chrom, chunk, codes in _tasks(scan, task_bases):
            waiting.append(workers.submit(_score_task, scan, chrom, chunk, codes, call_bases))
            if len(waiting) > TASKS_PER_THREAD * scan.threads:
                yield _counted(scan, waiting.popleft().result())
        while waiting:
            yield _counted(scan, waiting.popleft().result())
    finally:
        workers.shutdown(cancel_futures=True)
    if scan.beyond_percentiles and scan.track is not None:
        log.warning("%s: accessibility above 1 is no percentile, and counts as 1", scan.track.path)


def _counted(scan: Scan, scored: Scored) -> Scored:
    if len(scored.starts):
        scan.windows_scored += len(scored.starts)
        chrom, end = scan.last_scored
        again = max(0, end - int(scored.starts[0])) if chrom == scored.chrom else 0
        scan.bases_scanned += scored.covered - again
        scan.last_scored = scored.chrom, int(scored.starts[-1]) + WINDOW_LENGTH
    return scored


def _tasks(scan: Scan, task_bases: int) -> Iterator[tuple[str, Chunk, NDArray[np.uint8]]]:
    """Read the spans and cut them into tasks; each task's bases are a view."""
    sizes = scan.genome.chromsizes
    blocks = scan.genome.blocks(scan.spans)
    for span in scan.spans:
        held, held_start = np.empty(0, np.uint8), span.start
        for chunk in chunks(span.start, span.end, sizes[span.chrom], scan.stride, task_bases):
            while held_start + len(held) < chunk.end:
                block = next(blocks)
                keep = min(max(chunk.start - held_start, 0), len(held))
                held, held_start = np.concatenate([held[keep:], block.codes]), held_start + keep
            yield span.chrom, chunk, held[chunk.start - held_start : chunk.end - held_start]
        while held_start + len(held) < span.end:  # bases behind the last window on the grid
            held_start += len(held)
            held = next(blocks).codes


def _score_task(scan: Scan, chrom: str, chunk: Chunk, codes: NDArray[np.uint8], call_bases: int) -> Scored:
    runs = list(_known_runs(codes, chunk.count, scan.stride))
    indices = _ranges((chunk.index + first, count, 1) for first, count in runs)
    starts = _ranges((chunk.start + first * scan.stride, count, scan.stride) for first, count in runs)
    accessibility = _accessibility(scan, chrom, starts)
    probabilities = np.empty(len(starts), np.float32)
    windows = windows_per_call(scan.model, scan.stride, call_bases)
    done = 0
    for first, count in runs:
        for call in range(0, count, windows):
            size = min(windows, count - call)
            base = (first + call) * scan.stride
            part = slice(done, done + size)
            bases = codes[base : base + (size - 1) * scan.stride + WINDOW_LENGTH]
            probabilities[part] = scan.model.slide(bases, accessibility[part], scan.stride)
            done += size
    covered = sum((count - 1) * min(scan.stride, WINDOW_LENGTH) + WINDOW_LENGTH for _, count in runs)
    return Scored(chrom, indices, starts, probabilities, covered, chunk.count)


def _ranges(runs: Iterable[tuple[int, int, int]]) -> NDArray[np.int64]:
    """Chain arithmetic progressions (first, count, step)."""
    parts = [np.arange(first, first + count * step, step) for first, count, step in runs]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])


def windows_per_call(model: Model, stride: int, call_bases: int = CALL_BASES) -> int:
    """Give the most windows that one call of the model scores, a multiple of what fills its vectors."""
    windows = (call_bases - WINDOW_LENGTH) // min(stride, WINDOW_LENGTH) + 1
    return max(min(windows, model.metadata.max_windows_per_call) // LANES * LANES, LANES)


def _known_runs(codes: NDArray[np.uint8], count: int, stride: int) -> Iterator[tuple[int, int]]:
    """Find the runs (first, count) of a task's windows that hold known letters only."""
    unknown = np.flatnonzero(codes == UNKNOWN)
    if not len(unknown):
        yield 0, count
        return
    edges = np.concatenate([[-1], unknown, [len(codes)]])
    for gap in np.flatnonzero(np.diff(edges) > WINDOW_LENGTH):
        start, end = int(edges[gap]) + 1, int(edges[gap + 1])
        first = -(-start // stride)
        windows = (end - WINDOW_LENGTH) // stride - first + 1
        if windows > 0:
            yield first, windows


def _accessibility(scan: Scan, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mapped accessibility of windows; NaN on a chromosome that the track does not name."""
    if scan.track is None or chrom not in scan.track_names:
        return np.full(len(starts), np.nan, np.float32)
    mapped = scan.scale.apply(scan.track.window_means(scan.track_names[chrom], starts))
    if mapped.max(initial=0) > 1:  # only values that were said to be percentiles already
        scan.beyond_percentiles = True
    return mapped


def call_hits(scan: Scan, scored: Iterable[Scored]) -> Iterator[tuple[str, Hits]]:
    """Join scored windows into hits, chromosome by chromosome."""
    caller = HitCaller(scan.threshold.value, scan.stride)
    chrom = None
    for piece in scored:
        if chrom is not None and chrom != piece.chrom:
            yield chrom, caller.finish()
        chrom = piece.chrom
        yield chrom, caller.add(piece.indices, piece.starts, piece.probabilities)
    if chrom is not None:
        yield chrom, caller.finish()


class _CallableModule(ModuleType):
    """Lets ``jundscan.scan`` be both this module and, as the package promises, :func:`jundscan.api.scan`."""

    def __call__(self, *inputs: Any, **options: Any) -> Iterator[Hit] | Iterator[Scored]:
        """Scan a genome; arguments and result are those of :func:`jundscan.api.scan`."""
        from jundscan.api import scan

        found: Iterator[Hit] | Iterator[Scored] = scan(*inputs, **options)
        return found


sys.modules[__name__].__class__ = _CallableModule
