"""Collect what a scan's report needs while the scan runs: counts and the best hits, but no windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.scanning.hits import Hits
from jundscan.scanning.outputs import Sink
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows

BEST_HITS = 1_000
"""Maximum hits in the report's table, because a page with all hits would be slow. The scan's output holds them all."""
CHROMOSOMES = 24
"""Maximum chromosomes along which hits are drawn, because more would not fit a picture: those with most bases."""
FLANK = 250
"""Bases shown on either side of a hit's summit."""
PROBABILITY_BINS = 100
"""Bins of the histogram of probabilities."""
_MAX_BINS = 250  # along a chromosome
_MIN_BIN_BASES = 500  # and at least the stride, because narrower bins would hold no window
_MAX_UNCOUNTED = 100_000  # windows, because counting each chunk of a small scaffold alone would be slow


class BestHits(NamedTuple):
    """The best hits of a scan, best first; row i of every array is hit i.

    Attributes
    ----------
    chrom : numpy.ndarray, shape=(n,), dtype=object
    start, end, summit : numpy.ndarray, shape=(n,), dtype=int64
        0-based half-open.
    best : numpy.ndarray, shape=(n,), dtype=float32
        Highest probability.
    number : numpy.ndarray, shape=(n,), dtype=int64
        Number of the hit in its scan, from 1, which is in its name.
    """

    chrom: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    best: NDArray[np.float32]
    summit: NDArray[np.int64]
    number: NDArray[np.int64]


class Along(NamedTuple):
    """Counts of hits and scored windows in bins along the scanned part of a chromosome.

    Attributes
    ----------
    start : int
        Start of the first bin, 0-based.
    width : int
        Bases in a bin.
    hits, windows : numpy.ndarray, shape=(bins,), dtype=int64
        Hits by their summit and windows by their centre.
    """

    start: int
    width: int
    hits: NDArray[np.int64]
    windows: NDArray[np.int64]


class Collector(Sink):
    """Count windows and hits for the report, and keep the best hits.

    Parameters
    ----------
    scan : Scan
    max_hits : int
        Maximum hits in the report's table.
    max_kept : int
        Maximum hits in memory: beyond, the collector drops all but the best.

    Attributes
    ----------
    window_counts, base_counts, hit_counts : dict of str to int
        Scored windows, bases in them and hits of each chromosome.
    called : int
        Windows at or above the threshold.
    along : dict of str to Along
        Counts along each chromosome drawn.
    """

    def __init__(self, scan: Scan, max_hits: int = BEST_HITS, max_kept: int = 10 * BEST_HITS) -> None:
        self._max_hits, self._max_kept = max_hits, max_kept
        self.window_counts = dict.fromkeys(scan.reach, 0)
        self.base_counts = dict.fromkeys(scan.reach, 0)
        self.hit_counts = dict.fromkeys(scan.reach, 0)
        self.called = 0
        self.along = _make_bins(scan)
        self._probabilities = np.zeros(PROBABILITY_BINS, np.int64)
        self._uncounted: list[NDArray[np.float32]] = []
        self._passed = self._counted = 0
        kinds = (object, np.int64, np.int64, np.float32, np.int64, np.int64)
        self._best = [BestHits(*(np.empty(0, kind) for kind in kinds))]
        self._kept = self._passed_hits = 0

    def scored(self, chunk: ScoredWindows) -> None:
        """Count the windows of a chunk."""
        chrom, starts = chunk.chrom, chunk.starts
        if not len(starts):
            return
        self.base_counts[chrom] += chunk.covered
        self.window_counts[chrom] += len(starts)
        self.called += chunk.positive
        if chrom in self.along:
            _count_ascending(self.along[chrom], self.along[chrom].windows, starts, WINDOW_LENGTH // 2)
        self._passed += len(starts)
        self._uncounted.append(chunk.probabilities)
        if self._passed - self._counted > _MAX_UNCOUNTED:
            self._count_windows()

    def _count_windows(self) -> None:
        probabilities = np.concatenate([*self._uncounted, np.empty(0, np.float32)])
        self._uncounted = []
        self._counted += len(probabilities)
        counts = np.bincount(
            (probabilities * np.float32(PROBABILITY_BINS)).astype(np.uint8), minlength=PROBABILITY_BINS + 1
        )
        counts[-2] += counts[-1]  # probability 1 belongs to the last bin
        self._probabilities += counts[:-1]

    @property
    def probabilities(self) -> NDArray[np.int64]:
        """Number of scored windows in each bin of 0.01, (100,)."""
        self._count_windows()
        return self._probabilities

    def hits(self, chrom: str, hits: Hits) -> None:
        """Count hits, and keep them if they are among the best."""
        count = len(hits.start)
        self.hit_counts[chrom] += count
        if chrom in self.along:
            _count_ascending(self.along[chrom], self.along[chrom].hits, hits.summit)
        numbers = self._passed_hits + np.arange(1, count + 1)
        self._passed_hits += count
        self._best.append(BestHits(np.full(count, chrom, object), *hits, numbers))
        self._kept += count
        if self._kept > self._max_kept:
            self._best = [self.best_hits()]
            self._kept = len(self._best[0].start)

    def best_hits(self) -> BestHits:
        """Return the best hits so far, best first; equal hits in the order of the genome."""
        kept = BestHits(*(np.concatenate(columns) for columns in zip(*self._best, strict=True)))
        order = np.argsort(-kept.best, kind="stable")[: self._max_hits]
        return BestHits._make(column[order] for column in kept)


def around_summit(scan: Scan, chrom: str, summit: int) -> Region:
    """Return the bases of all windows whose centres the report shows around a summit."""
    reach = FLANK + WINDOW_LENGTH
    return Region(chrom, max(summit - reach, 0), min(summit + reach, scan.genome.chromsizes[chrom]))


def _make_bins(scan: Scan) -> dict[str, Along]:
    """Make bins of one round width along the scanned parts of the chromosomes with most bases to scan."""
    extents: dict[str, tuple[int, int]] = {}
    scanned: dict[str, int] = {}
    for span in scan.spans:
        start, end = extents.get(span.chrom, (span.start, span.end))
        extents[span.chrom] = min(start, span.start), max(end, span.end)
        scanned[span.chrom] = scanned.get(span.chrom, 0) + span.end - span.start
    drawn = set(sorted(scanned, key=lambda chrom: -scanned[chrom])[:CHROMOSOMES])
    widest = max((end - start for chrom, (start, end) in extents.items() if chrom in drawn), default=1)
    width = next(
        width
        for power in range(12)
        for width in (10**power, 2 * 10**power, 5 * 10**power)
        if width * _MAX_BINS >= widest and width >= max(_MIN_BIN_BASES, scan.stride)
    )
    along = {}
    for chrom, (start, end) in extents.items():
        if chrom in drawn:
            first = start // width
            bins = -(-end // width) - first
            along[chrom] = Along(first * width, width, np.zeros(bins, np.int64), np.zeros(bins, np.int64))
    return along


def _count_ascending(along: Along, counts: NDArray[np.int64], positions: NDArray[np.int64], shift: int = 0) -> None:
    """Count ascending positions, moved by ``shift``, in their bins, with one search per bin."""
    first = (int(positions[0]) + shift - along.start) // along.width
    last = (int(positions[-1]) + shift - along.start) // along.width
    edges = along.start + along.width * np.arange(first, last + 2) - shift
    counts[first : last + 1] += np.diff(np.searchsorted(positions, edges))
