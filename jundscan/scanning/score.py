"""READ FIRST: the scan, top to bottom. Genome and track in; scored windows and hits out.

1. ``plan.open_scan`` opens and checks all inputs.
2. :func:`score` scores the windows in genome order. The calling thread cuts the genome into tasks. Worker threads turn
   each task into scored windows, because numpy and ONNX Runtime release the interpreter lock. Results come back in
   order, and only a few tasks are in memory at once.
3. :func:`call_hits` joins scored windows into hits.
4. ``outputs.run_scan`` hands chunks and hits to sinks: files, counters, the comparison with known peaks.

A model may see bases beside a window, its flanks. Every task holds the flanks of its chunks, whatever regions are
scanned. So a window's probability depends on the genome and the track alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, pairwise
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.windows import concatenate_ranges
from jundscan.errors import format_count
from jundscan.io.frames import data_frame
from jundscan.io.html_tables import html_table
from jundscan.model.model import Model
from jundscan.model.thresholds import expected_precision, is_positive
from jundscan.options import check_fraction
from jundscan.scanning.hits import HitCaller, Hits
from jundscan.scanning.pictures import plot_windows
from jundscan.scanning.plan import Scan
from jundscan.scanning.tasks import Task, calls, join, known_runs, tasks
from jundscan.threads import in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MAX_TASK_BASES = 1 << 20
"""Maximum bases per task: large enough that starting a task costs little beside its work."""
MAX_TASK_WINDOWS = 1 << 17
"""Maximum windows per task, because at stride 1 a task of 2^20 bases would hold a million windows in memory. Twice as
many cost twice the page faults, which threads wait for together."""
MAX_TASK_VALUES = 1 << 20
"""Maximum windows times tracks per task: 20 MB of accessibility at five widths."""
AROUND_MODEL_AT_ONCE = 3
"""Maximum threads that do a task's work around the calls of the model. It is many short numpy operations, which take
the interpreter's lock. More threads wait for it so often that all get slower (``benchmarks/around_model.json``)."""
MIN_TASK_BASES = 1 << 16
"""Minimum bases per task of a small genome, because smaller tasks cost more to start than they save."""
TASKS_OF_THREAD = 16
"""Tasks per thread to aim for in a small genome, so that all threads finish together."""
_SHOWN_WINDOWS = 5  # rows of a chunk's table in a notebook


class ScoredWindows(NamedTuple):
    """One chunk of scored windows of one chromosome, in ascending order; windows with unknown letters are left out.

    Attributes
    ----------
    chrom : str
        As the genome names it.
    indices : numpy.ndarray, shape=(n,), dtype=int64
        Numbers of the windows on their chromosome, from 0.
    starts : numpy.ndarray, shape=(n,), dtype=int64
        First base of each window, 0-based. A window has 101 bases.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
        Output of the model, 0 to 1. It ranks windows, and is not the chance that the factor binds.
    covered : int
        Bases that these windows cover and that the chunk before does not.
    tried : int
        Windows of the chunk, including those with unknown letters.
    scored : int
        Windows scored: n, or more where a cluster left out those below the threshold.
    positive : int
        Windows at or above the threshold.
    """

    chrom: str
    indices: NDArray[np.int64]
    starts: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    covered: int
    tried: int
    scored: int
    positive: int

    def __repr__(self) -> str:
        return f"<ScoredWindows: {self._describe()}>"

    def _repr_html_(self) -> str:
        best = np.sort(np.argsort(-self.probabilities, kind="stable")[:_SHOWN_WINDOWS])
        starts, probabilities = self.starts[best].tolist(), self.probabilities[best].tolist()
        rows = [
            (self.chrom, start, start + WINDOW_LENGTH, f"{probability:.4f}")
            for start, probability in zip(starts, probabilities, strict=True)
        ]
        return html_table(self._describe(), ("chrom", "start", "end", "probability"), rows)

    def _describe(self) -> str:
        """Describe the chunk in one line."""
        text = f"{format_count(len(self.starts), 'window')} on {self.chrom}"
        if not len(self.starts):
            return text
        first, end, best = int(self.starts[0]), int(self.starts[-1]) + WINDOW_LENGTH, int(self.probabilities.argmax())
        return f"{text}:{first}-{end}, highest probability {self.probabilities[best]:.4f} at {self.starts[best]}"

    def plot(self, ax: Axes | None = None, *, threshold: float | None = None) -> Axes:
        """Draw the probability of each window at its centre.

        The line is interrupted where windows hold unknown letters. Several chunks of a chromosome may share ``ax``.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: on a new figure.
        threshold : float, optional
            Drawn as a dashed line.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            When the threshold is no number from 0 to 1.
        JundscanError
            When matplotlib is not installed.
        """
        if threshold is not None:
            check_fraction("threshold", threshold)
        return plot_windows(self, threshold, ax)

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` with one row per window: chrom, start, end (0-based half-open), probability.

        ``jundscan.scan(genome, windows=True).to_frame()`` holds all windows.
        """
        ends = self.starts + WINDOW_LENGTH
        columns = {"chrom": self.chrom, "start": self.starts, "end": ends, "probability": self.probabilities}
        return data_frame(columns)


Scored = ScoredWindows  # its former name, which callers may still use


class Hit(NamedTuple):
    """A place where the model's factor is predicted to bind.

    ``jundscan.scan(…).to_frame()`` makes a table, one row per hit.

    Attributes
    ----------
    chrom : str
        As the genome names it.
    start, end : int
        The bases of all windows of the hit, 0-based half-open.
    probability : float
        Output of the model for the best window, 0 to 1. It ranks windows, and is not the chance that the factor binds.
    summit : int
        Position of the centre of the best window, 0-based.
    expected_precision : float or None
        Fraction, 0 to 1, of bound windows among held-out windows that score at least as high. None where the score is
        below the model's calibration table.
    accessibility : float or None
        Percentile, 0 to 1, of the window under the summit in its track: 0 in closed chromatin, None where not known.
    """

    chrom: str
    start: int
    end: int
    probability: float
    summit: int
    expected_precision: float | None = None
    accessibility: float | None = None


def score(scan: Scan, task_bases: int | None = None, call_windows: int | None = None) -> Iterator[ScoredWindows]:
    """Score every window inside the spans, in genome order.

    The result does not depend on the size of tasks and calls, nor on the number of threads.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    task_bases : int, optional
        Maximum bases per task.
    call_windows : int, optional
        Maximum windows per call of the model.

    Yields
    ------
    ScoredWindows
    """
    with closing(score_together([scan], task_bases, call_windows)) as together:
        for (chunk,) in together:
            yield chunk


def score_together(
    scans: Sequence[Scan], task_bases: int | None = None, call_windows: int | None = None
) -> Generator[tuple[ScoredWindows, ...], None, None]:
    """Score the windows of one genome with the tracks of several scans, and compute once what is the sequence's.

    Each scan gets what :func:`score` yields for it alone, to the last bit.

    Parameters
    ----------
    scans : sequence of Scan
        At least one. All have the same genome, model, stride and spans, such as the scans of
        :func:`jundscan.samples.plan.open_samples`.
    task_bases, call_windows : int, optional
        As for :func:`score`.

    Yields
    ------
    tuple of ScoredWindows
        One chunk per scan, of the same windows.
    """
    one = scans[0]
    model, stride, threads = one.model, one.stride, one.inputs.threads
    call_windows = call_windows or model.windows_per_call(stride, len(scans))
    if task_bases is None and model.card is not None:  # every task fills one call
        task_bases = max(call_windows * stride, WINDOW_LENGTH)
    if task_bases is None:
        share = sum(span.end - span.start for span in one.spans) // (TASKS_OF_THREAD * threads)
        max_windows = min(MAX_TASK_WINDOWS, MAX_TASK_VALUES // len(scans))
        task_bases = min(max(share, MIN_TASK_BASES), MAX_TASK_BASES, max_windows * stride)
        task_bases = max(task_bases, WINDOW_LENGTH)
    work = tasks(one.spans, one.genome.chromsizes, one.genome.bases, stride, task_bases, model.flank)
    last = "", 0
    around_model = BoundedSemaphore(AROUND_MODEL_AT_ONCE)
    with closing(in_order(partial(_score_task, scans, call_windows, around_model), work, threads)) as done:
        for chunks in chain.from_iterable(done):
            chrom, starts = chunks[0].chrom, chunks[0].starts
            if len(starts):
                chunks = tuple(without_shared_bases(chunk, (chrom, int(starts[0])), last) for chunk in chunks)
                last = chrom, int(starts[-1]) + WINDOW_LENGTH
            yield chunks
    for scan in scans:
        scan.inputs.finish()


def without_shared_bases(chunk: ScoredWindows, first: tuple[str, int], last: tuple[str, int]) -> ScoredWindows:
    """Leave out of ``covered`` the bases that windows scored before cover too.

    ``first`` is chromosome and start of the first window scored now, ``last`` chromosome and end of the last before.
    """
    if first[0] == last[0] and (shared := last[1] - first[1]) > 0:
        return chunk._replace(covered=chunk.covered - shared)
    return chunk


class _Windows(NamedTuple):
    """The windows of a task with known letters only, as the model needs them.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        Bases of the concatenated chunks, see :class:`jundscan.scanning.tasks.ConcatenatedChunks`.
    runs, counts : numpy.ndarray, shape=(runs,), dtype=int64
        Index of each run's first window on the grid, and number of its windows.
    accessibility : numpy.ndarray, shape=(tracks, windows, widths), dtype=float32
    indices : numpy.ndarray, shape=(windows,), dtype=int64
        Numbers on their chromosome.
    parts : list of (str, numpy.ndarray of int64)
        Chromosomes and the starts of their windows.
    edges : list of int
        Row of each chromosome's first window, then the number of windows.
    totals : list of list of int
        Bases covered, windows tried and windows scored, each by chromosome.
    """

    codes: NDArray[np.uint8]
    runs: NDArray[np.int64]
    counts: NDArray[np.int64]
    accessibility: NDArray[np.float32]
    indices: NDArray[np.int64]
    parts: list[tuple[str, NDArray[np.int64]]]
    edges: list[int]
    totals: list[list[int]]


def _score_task(
    scans: Sequence[Scan], call_windows: int, around_model: BoundedSemaphore, task: Task
) -> list[tuple[ScoredWindows, ...]]:
    model, stride = scans[0].model, scans[0].stride
    with around_model:
        windows = _prepare(scans, task)
    probabilities = _probabilities(model, stride, windows, call_windows)
    with around_model:
        return _divide(scans, windows, probabilities)


def _prepare(scans: Sequence[Scan], task: Task) -> _Windows:
    """Find the windows to score, and their accessibility in all tracks."""
    flank, stride, chunks = scans[0].model.flank, scans[0].stride, task.chunks
    joined = join(task, stride, flank)
    runs, counts = known_runs(joined, stride, flank)
    of_run = np.searchsorted(joined.firsts, runs, side="right") - 1  # its chunk: unknown letters lie between chunks
    within = runs - joined.firsts[of_run]
    run_starts = chunks.starts[of_run] + stride * within
    starts = concatenate_ranges(run_starts, counts, stride)
    indices = starts if stride == 1 else concatenate_ranges(chunks.firsts[of_run] + within, counts, 1)
    # first run and first window of each chromosome, whose chunks follow one another
    run_edges = np.searchsorted(of_run, [*task.heads, len(task.begins)])
    edges = np.append(0, np.cumsum(counts))[run_edges].tolist()
    parts = [(chrom, starts[row:end]) for chrom, row, end in zip(task.chroms, edges[:-1], edges[1:], strict=True)]
    of_tracks = [scan.inputs.accessibility_of(parts) for scan in scans]
    accessibility = of_tracks[0][None] if len(of_tracks) == 1 else np.stack(of_tracks)
    covered = np.append(0, np.cumsum(_count_covered_bases(run_starts, counts, stride, run_edges[:-1])))[run_edges]
    tried = np.add.reduceat(chunks.counts, task.heads)
    totals = [column.tolist() for column in (np.diff(covered), tried, np.diff(edges))]
    return _Windows(joined.codes, runs, counts, accessibility, indices, parts, edges, totals)


def _divide(
    scans: Sequence[Scan], windows: _Windows, probabilities: NDArray[np.float32]
) -> list[tuple[ScoredWindows, ...]]:
    """Return the scored windows of each chromosome, one chunk per scan."""
    of_scans = []
    for scan, of_scan in zip(scans, probabilities, strict=True):
        is_hit = is_positive(of_scan, scan.threshold.value)
        positive = np.diff(np.searchsorted(np.flatnonzero(is_hit), windows.edges)).tolist()
        rows = zip(windows.parts, pairwise(windows.edges), *windows.totals, positive, strict=True)
        of_scans.append(
            [
                ScoredWindows(chrom, windows.indices[row:end], starts, of_scan[row:end], *counted)
                for (chrom, starts), (row, end), *counted in rows
            ]
        )
    return list(zip(*of_scans, strict=True))


def _probabilities(model: Model, stride: int, windows: _Windows, call_windows: int) -> NDArray[np.float32]:
    """Score the windows with all tracks, (tracks, windows), in as few calls of the model as possible."""
    codes, accessibility = windows.codes, windows.accessibility
    probabilities = np.empty(accessibility.shape[:2], np.float32)
    numbers = None
    for call in calls(windows.runs, windows.counts, call_windows, stride, model.flank):
        bases = codes[call.first * stride : (call.end - 1) * stride + model.span]
        rows = slice(call.row, call.end_row)
        if call.end - call.first == call.end_row - call.row:
            probabilities[:, rows] = model.slide_tracks(bases, accessibility[:, rows], stride)
        else:  # some windows hold unknown letters
            if numbers is None:
                numbers = concatenate_ranges(windows.runs, windows.counts, 1)
            known = numbers[rows] - call.first
            every = np.full((len(accessibility), call.end - call.first, accessibility.shape[2]), np.nan, np.float32)
            every[:, known] = accessibility[:, rows]
            probabilities[:, rows] = model.slide_tracks(bases, every, stride)[:, known]
    return probabilities


def _count_covered_bases(
    run_starts: NDArray[np.int64], counts: NDArray[np.int64], stride: int, heads: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the bases that each run of windows covers and the run before it on its chromosome does not."""
    own = (counts - 1) * min(stride, WINDOW_LENGTH) + WINDOW_LENGTH
    ends = run_starts + (counts - 1) * stride + WINDOW_LENGTH
    again = np.maximum(np.append(0, ends[:-1] - run_starts[1:])[: len(own)], 0)
    again[heads[heads < len(again)]] = 0
    first_here: NDArray[np.int64] = own - again
    return first_here


class ChunkCaller:
    """Join the windows of one chunk after another into hits.

    Each item that it yields holds at least one hit of one chromosome.

    Parameters
    ----------
    scan : Scan
    """

    def __init__(self, scan: Scan) -> None:
        self._caller = HitCaller(scan.threshold.value, scan.stride)
        self._chrom = ""

    def add(self, chunk: ScoredWindows) -> Iterator[tuple[str, Hits]]:
        """Add the next windows, and yield the hits that no later window can join."""
        if self._chrom != chunk.chrom:
            yield from self.finish()
        self._chrom = chunk.chrom
        if chunk.positive and len((hits := self._caller.add(chunk.indices, chunk.starts, chunk.probabilities)).start):
            yield chunk.chrom, hits

    def finish(self) -> Iterator[tuple[str, Hits]]:
        """Yield the open hit, if there is one."""
        if self._caller.is_open:
            yield self._chrom, self._caller.finish()


def call_hits(scan: Scan, chunks: Iterable[ScoredWindows]) -> Iterator[tuple[str, Hits]]:
    """Join scored windows into hits; each item holds at least one hit of one chromosome."""
    caller = ChunkCaller(scan)
    for chunk in chunks:
        yield from caller.add(chunk)
    yield from caller.finish()


class HitValues(NamedTuple):
    """How often hits are right, and how open their chromatin is; row i of both arrays is hit i.

    Attributes
    ----------
    precision : numpy.ndarray, shape=(n,), dtype=float64
        Expected precision, see :func:`jundscan.model.thresholds.expected_precision`; NaN where unknown.
    accessibility : numpy.ndarray, shape=(n,), dtype=float32
        Percentile, 0 to 1, of the window under the summit; NaN where unknown.
    """

    precision: NDArray[np.float64]
    accessibility: NDArray[np.float32]


def hit_rows(scan: Scan, chrom: str, hits: Hits) -> Iterator[Hit]:
    """Yield hits of one chromosome with all that is known of each."""
    known = describe_hits(scan, chrom, hits.best, hits.summit)
    more = ([None if np.isnan(value) else value for value in column.tolist()] for column in known)
    for row in zip(*(column.tolist() for column in hits), *more, strict=True):
        yield Hit(chrom, *row)


def describe_hits(scan: Scan, chrom: str, best: NDArray[np.float32], summits: NDArray[np.int64]) -> HitValues:
    """Look up expected precision and accessibility of hits.

    Where accessibility is unknown, the precision is that of the calibration without accessibility.

    Parameters
    ----------
    scan : Scan
    chrom : str
    best : numpy.ndarray, shape=(n,), dtype=float32
        Highest probability of each hit.
    summits : numpy.ndarray, shape=(n,), dtype=int64
        0-based, ascending, distinct.
    """
    accessibility = scan.inputs.accessibility_of([(chrom, summits - WINDOW_LENGTH // 2)])[:, 0]
    return HitValues(expected_precisions(scan, best, accessibility), accessibility)


def expected_precisions(
    scan: Scan, best: NDArray[np.float32], accessibility: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the expected precision of probabilities, of the calibration without accessibility where that is NaN."""
    known, unknown = (expected_precision(scan.model.metadata.table(mode), best) for mode in (True, False))
    return np.where(np.isnan(accessibility), unknown, known)
