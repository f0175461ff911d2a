"""Compare hits with known peaks one by one: recall of peaks, precision of hits, distance between summits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name
from jundscan.dna.interval_sets import merge_intervals, overlaps_any
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.io.bed import log_other_names, read_intervals, warn_beyond_end
from jundscan.scanning.hits import Hits
from jundscan.schemas.records import PeaksRecord, SummitDistanceRecord


class Peaks(NamedTuple):
    """Known peaks of one chromosome, sorted by start. They may overlap.

    Attributes
    ----------
    start, end : numpy.ndarray, shape=(n,), dtype=int64
        0-based half-open.
    summit : numpy.ndarray, shape=(n,), dtype=int64
        0-based position.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    summit: NDArray[np.int64]


def read_peaks(path: str | Path, chromsizes: Mapping[str, int]) -> dict[str, Peaks]:
    """Read a file of peaks, one per line, under the genome's chromosome names. Other chromosomes are left out.

    Parameters
    ----------
    path : str or pathlib.Path
        narrowPeak, with the summit in column 10, or BED. A summit that is missing or outside the peak becomes the
        middle.
    chromsizes : mapping of str to int
        Bases of the genome's chromosomes.

    Returns
    -------
    dict of str to Peaks
        Empty if the file is empty, or shares no chromosome with the genome.

    Raises
    ------
    TrackError
        See :func:`jundscan.io.bed.read_intervals`.
    """
    found: dict[str, list[NDArray[np.int64]]] = {}
    by_name = read_intervals(path, "peaks", may_be_empty=True)
    for name, (starts, ends, offsets) in by_name.items():
        chrom = matching_name(name, chromsizes)
        if chrom is not None:
            inside = (offsets >= 0) & (offsets < ends - starts)
            summits = starts + np.where(inside, offsets, (ends - starts) // 2).astype(np.int64)
            found.setdefault(chrom, []).append(np.stack((starts, ends, summits)))
    log_other_names(path, by_name, chromsizes)
    warn_beyond_end(path, by_name, chromsizes)
    peaks = {}
    for chrom, parts in found.items():
        rows = np.concatenate(parts, axis=1)
        peaks[chrom] = Peaks(*rows[:, np.argsort(rows[0], kind="stable")])
    return peaks


class PeakComparison:
    """Collect windows and hits during a scan, and compare the hits with known peaks at the end.

    Parameters
    ----------
    known : mapping of str to Peaks
        By chromosome.
    excluded : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Sorted, disjoint regions. Peaks and hits that touch one are left out.
    """

    def __init__(self, known: Mapping[str, Peaks], excluded: Mapping[str, NDArray[np.int64]]) -> None:
        self._excluded = excluded
        self._known = {}
        self.peaks_excluded = self.hits_excluded = 0
        for chrom, peaks in known.items():
            out = overlaps_any(peaks.start, peaks.end, excluded.get(chrom))
            self.peaks_excluded += int(out.sum())
            self._known[chrom] = Peaks._make(column[~out] for column in peaks)
        self._reached = {chrom: np.zeros(len(peaks.start), np.bool_) for chrom, peaks in self._known.items()}
        self._longest = {chrom: (peaks.end - peaks.start).max(initial=0) for chrom, peaks in self._known.items()}
        self._merged = {
            chrom: merge_intervals(np.column_stack((peaks.start, peaks.end))) for chrom, peaks in self._known.items()
        }
        self._hits_on_peaks = 0
        self._hits: dict[str, list[NDArray[np.int64]]] = {}

    def add_windows(self, chrom: str, starts: NDArray[np.int64]) -> None:
        """Note the peaks that share a base with these windows. Starts ascend."""
        if chrom not in self._known or not len(starts):
            return
        peaks = self._known[chrom]
        near = slice(*np.searchsorted(peaks.start, (starts[0] - self._longest[chrom], starts[-1] + WINDOW_LENGTH)))
        first = np.searchsorted(starts, peaks.start[near] - WINDOW_LENGTH, "right")
        self._reached[chrom][near] |= first < np.searchsorted(starts, peaks.end[near], "left")

    def on_peaks(self, chrom: str, hits: Hits) -> list[bool | None]:
        """Return whether each hit shares a base with a known peak; None for a hit that is left out.

        Parameters
        ----------
        chrom : str
        hits : Hits
            In any order.
        """
        on, out = self._on_peaks(chrom, hits)
        return [None if is_out else is_on for is_on, is_out in zip(on.tolist(), out.tolist(), strict=True)]

    def _on_peaks(self, chrom: str, hits: Hits) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which hits share a base with a known peak, and which are left out."""
        bounds = hits.start, hits.end
        return overlaps_any(*bounds, self._merged.get(chrom)), overlaps_any(*bounds, self._excluded.get(chrom))

    def add_hits(self, chrom: str, hits: Hits) -> None:
        """Collect hits, chromosome by chromosome."""
        on, out = self._on_peaks(chrom, hits)
        self.hits_excluded += int(out.sum())
        self._hits_on_peaks += int((on & ~out).sum())
        self._hits.setdefault(chrom, []).append(np.stack((hits.start, hits.end, hits.summit))[:, ~out])

    def report(self) -> PeaksRecord:
        """Compare hits with peaks.

        Returns
        -------
        PeaksRecord
            Ready for JSON, undefined values None.
        """
        known = sum(int(reached.sum()) for reached in self._reached.values())
        hits, on_peaks = 0, self._hits_on_peaks
        distances = [np.empty(0, np.int64)]
        for chrom, parts in self._hits.items():
            start, end, summit = np.concatenate(parts, axis=1)
            hits += len(start)
            if chrom not in self._known or not len(start):
                continue
            peaks = self._known[chrom]
            first = np.searchsorted(end, peaks.start, "right")
            after = np.searchsorted(start, peaks.end, "left")
            is_hit = first < after
            first, after = first[is_hit], after[is_hit]
            peak_summits = peaks.summit[is_hit]
            above = np.searchsorted(summit, peak_summits)
            beside = np.stack((summit[np.clip(above - 1, first, after - 1)], summit[np.clip(above, first, after - 1)]))
            distances.append(np.abs(beside - peak_summits).min(axis=0))
        all_distances = np.concatenate(distances)
        found = len(all_distances)
        distance: SummitDistanceRecord | None = None
        if found:
            low, median, high = np.percentile(all_distances, (25, 50, 75)).tolist()
            distance = {"median": median, "quartiles": [low, high]}
        return {
            "known": known,
            "hit": found,
            "recall": found / known if known else None,
            "hits": hits,
            "hits_on_peaks": on_peaks,
            "precision": on_peaks / hits if hits else None,
            "summit_distance": distance,
            "not_reached": sum(int((~reached).sum()) for reached in self._reached.values()),
        }
