"""Sites of many samples: the union of their hits, with the best probability of each sample there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.model.thresholds import is_positive
from jundscan.scanning.hits import HitCaller, Hits
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows


class Sites(NamedTuple):
    """Sites of one chromosome, sorted and disjoint; row i of every array is site i.

    Attributes
    ----------
    start, end : numpy.ndarray, shape=(n,), dtype=int64
        Union of the overlapping hits of all samples, 0-based half-open.
    summit : numpy.ndarray, shape=(n,), dtype=int64
        0-based position of the best window in any sample.
    best : numpy.ndarray, shape=(n, samples), dtype=float32
        Highest probability of each sample among the windows inside the site.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    summit: NDArray[np.int64]
    best: NDArray[np.float32]

    def count_samples(self, threshold: float) -> NDArray[np.int64]:
        """Count the samples that call each site, (n,): those with a hit in it."""
        counts: NDArray[np.int64] = is_positive(self.best, threshold).sum(axis=1)
        return counts


class SiteTable(NamedTuple):
    """Sites of all chromosomes, in genome order; row i of every array is site i.

    Attributes
    ----------
    chrom : numpy.ndarray, shape=(n,), dtype=object
        Names, as the genome has them.
    start, end, summit, best
        As in :class:`Sites`.
    """

    chrom: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    summit: NDArray[np.int64]
    best: NDArray[np.float32]


def join_sites(found: Iterable[tuple[str, Sites]], samples: int) -> SiteTable:
    """Join what :func:`call_sites` yields for a number of samples."""
    none = np.empty(0, np.int64)
    chroms, *columns = zip(
        (np.empty(0, object), none, none, none, np.empty((0, samples), np.float32)),
        *((np.full(len(sites.start), chrom, object), *sites) for chrom, sites in found),
        strict=True,
    )
    return SiteTable(np.concatenate(chroms), *(np.concatenate(column) for column in columns))


def call_sites(scans: Sequence[Scan], chunks: Iterable[tuple[ScoredWindows, ...]]) -> Iterator[tuple[str, Sites]]:
    """Join the windows of many samples into sites, in a stream whose memory does not grow.

    The hits of the highest probability of each window among all samples are the union of the hits of the samples,
    because all have the same threshold.

    Parameters
    ----------
    scans : sequence of Scan
        At least one, with the same stride and threshold.
    chunks : iterable of tuple of ScoredWindows
        From :func:`jundscan.scanning.score.score_together`.

    Yields
    ------
    str
        Chromosome.
    Sites
        At least one, behind all sites yielded before.
    """
    caller = HitCaller(scans[0].threshold.value, scans[0].stride)
    windows = _Windows(len(scans))
    chrom = ""
    for chunk in chunks:
        one = chunk[0]
        if one.chrom != chrom:
            if caller.is_open:
                yield chrom, windows.sites(caller.finish())
            chrom, windows = one.chrom, _Windows(len(scans))
        if not len(one.starts):
            continue
        probabilities = np.stack([of_sample.probabilities for of_sample in chunk], axis=1)
        windows.add(one.starts, probabilities)
        hits = caller.add(one.indices, one.starts, probabilities.max(axis=1))
        if len(hits.start):
            yield chrom, windows.sites(hits)
        windows.keep(*caller.open_bounds)
    if caller.is_open:
        yield chrom, windows.sites(caller.finish())


class _Windows:
    """Starts and probabilities of the last windows of a chromosome, from the start of the open hit on."""

    def __init__(self, samples: int) -> None:
        self._starts = np.empty(0, np.int64)
        self._probabilities = np.empty((0, samples), np.float32)

    def add(self, starts: NDArray[np.int64], probabilities: NDArray[np.float32]) -> None:
        self._starts = np.concatenate([self._starts, starts])
        self._probabilities = np.concatenate([self._probabilities, probabilities])

    def keep(self, start: int, end: int) -> None:
        """Drop the windows that do not start in [start, end): no later window can join them to the open hit."""
        rows = slice(*self._starts.searchsorted([start, end]))
        # copies, because views would keep the memory of the whole chunk
        self._starts, self._probabilities = self._starts[rows].copy(), self._probabilities[rows].copy()

    def sites(self, hits: Hits) -> Sites:
        """Find the highest probability of each sample in hits, at least one."""
        bounds = self._starts.searchsorted(np.column_stack((hits.start, hits.end - WINDOW_LENGTH + 1)).ravel())
        # the last bound may lie behind the last window, which reduceat does not take
        rows = self._probabilities[: bounds[-1]]
        best = np.maximum.reduceat(rows, bounds[:-1])[::2]
        return Sites(hits.start, hits.end, hits.summit, best)
