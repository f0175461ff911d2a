"""How a scan compares with known peaks (``--truth``): windows with their labels, peaks, a track along the genome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import merge_intervals, overlaps_any, subtract_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import Caution
from jundscan.evaluation.metrics import balanced_weights, compute_metrics
from jundscan.evaluation.peaks import PeakComparison, Peaks
from jundscan.evaluation.truth import read_truth
from jundscan.evaluation.truth_span import CoveredBases, find_peak_span
from jundscan.io.bigwig import AddSpans
from jundscan.model.thresholds import is_positive
from jundscan.scanning.hits import Hits
from jundscan.scanning.outputs import Sink
from jundscan.scanning.score import ScoredWindows
from jundscan.scanning.spans import read_excluded, read_inside
from jundscan.schemas.records import ComparisonRecord, ExcludedRecord

BIN_BASES = 10_000


class Accuracy(Sink):
    """Compare a scan with known peaks. Keeps 5 bytes per window, because exact ranks need all probabilities.

    Parameters
    ----------
    truth : str or pathlib.Path
        Known peaks, BED or narrowPeak.
    chromsizes : mapping of str to int
        The genome's chromosomes, bases.
    threshold : float
        Windows at or above it are called bound.
    exclude : str or pathlib.Path, optional
        Regions to leave out of the comparison, BED, such as those a model was trained on: windows, peaks and hits
        that touch one do not count.
    regions : sequence of str
        Where the peaks are known: ``chrom``, ``chrom:start-end`` or a BED file each. Only windows, peaks and hits
        wholly inside one count; with none of them all do.

    Raises
    ------
    TrackError
        When the peaks cannot be read or share no chromosome with the genome.
    RegionError
        When a region is malformed, unknown or beyond its chromosome.
    InputError
        When a BED file holds no region of the genome.
    """

    def __init__(
        self,
        truth: str | Path,
        chromsizes: Mapping[str, int],
        threshold: float,
        exclude: str | Path | None = None,
        regions: Sequence[str] = (),
    ) -> None:
        self._sizes = chromsizes
        self._threshold = threshold
        self._truth = read_truth(truth, chromsizes)
        self._excludes = exclude is not None or bool(regions)
        self._excluded = {} if exclude is None else read_excluded(exclude, chromsizes)
        if regions:
            self._excluded = _outside(read_inside(regions, chromsizes), self._excluded, chromsizes)
        self._windows_excluded = 0
        self._peaks = PeakComparison(self._truth.single_peaks, self._excluded)
        self._labels: list[NDArray[np.int8]] = []
        self._probabilities: list[NDArray[np.float32]] = []
        self._bases, self._reached = 0, ("", 0)
        self._bins: dict[str, NDArray[np.int64]] = {}  # per bin: unbound, unbound correct, bound, bound correct

    @property
    def known(self) -> Mapping[str, Peaks]:
        """Known peaks by the genome's chromosome names."""
        return self._truth.single_peaks

    def scored(self, chunk: ScoredWindows) -> None:
        """Label the windows of a chunk and keep labels and probabilities."""
        starts, probabilities = chunk.starts, chunk.probabilities
        if chunk.chrom in self._excluded:
            kept = ~overlaps_any(starts, starts + WINDOW_LENGTH, self._excluded[chunk.chrom])
            self._windows_excluded += len(starts) - int(kept.sum())
            starts, probabilities = starts[kept], probabilities[kept]
        if not len(starts):
            return
        chrom, end = self._reached
        self._bases += int(np.minimum(np.diff(starts), WINDOW_LENGTH).sum()) + WINDOW_LENGTH
        self._bases -= max(0, end - int(starts[0])) if chrom == chunk.chrom else 0
        self._reached = chunk.chrom, int(starts[-1]) + WINDOW_LENGTH
        labels = self._truth.labels(chunk.chrom, starts)
        correct = is_positive(probabilities, self._threshold) == labels
        self._peaks.add_windows(chunk.chrom, starts)
        self._labels.append(labels)
        self._probabilities.append(probabilities)
        if chunk.chrom not in self._bins:
            self._bins[chunk.chrom] = np.zeros((self._sizes[chunk.chrom] // BIN_BASES + 1, 4), np.int64)
        bins = (starts + WINDOW_LENGTH // 2) // BIN_BASES
        np.add.at(self._bins[chunk.chrom], (bins, 2 * labels), 1)
        np.add.at(self._bins[chunk.chrom], (bins, 2 * labels + 1), correct)

    def hits(self, chrom: str, hits: Hits) -> None:
        """Compare hits with the peaks."""
        self._peaks.add_hits(chrom, hits)

    def on_peaks(self, chrom: str, hits: Hits) -> list[bool | None]:
        """Return whether each hit shares a base with a known peak; None for a hit that is left out."""
        return self._peaks.on_peaks(chrom, hits)

    def finish(self) -> dict[str, Any]:
        """Return :meth:`report` under ``accuracy``."""
        return {"accuracy": self.report()}

    def cautions(self) -> list[Caution]:
        """Return a warning if no window was compared, or if the peaks seem to cover only a part of the scan."""
        windows = sum(len(labels) for labels in self._labels)
        if not windows:
            message = f"No window was compared with the peaks of {self._truth.source}, because none was scored there."
            return [Caution("nothing_compared", message, {"windows": 0})]
        compared = {}
        for chrom, bins in self._bins.items():
            edges = np.minimum(np.arange(len(bins) + 1) * BIN_BASES, self._sizes[chrom])
            before = np.append(0, np.cumsum(bins[:, 0] + bins[:, 2]))
            compared[chrom] = CoveredBases(edges, before * (self._bases / windows))
        peaks = {
            chrom: spans[~overlaps_any(spans[:, 0], spans[:, 1], self._excluded.get(chrom))]
            for chrom, spans in self._truth.peaks.items()
        }
        span = find_peak_span(peaks, compared)
        if not span.is_partial:
            return []
        consequence = "Windows elsewhere count as unbound, so precision may be far too low."
        return [span.caution(self._truth.source, "compared", consequence, "--truth-region")]

    def report(self) -> ComparisonRecord:
        """Compare.

        Returns
        -------
        ComparisonRecord
            The metrics are of all windows compared, with equal weight for both classes.
        """
        labels = np.concatenate([*self._labels, np.empty(0, np.int8)])
        probabilities = np.concatenate([*self._probabilities, np.empty(0, np.float32)])
        windows = compute_metrics(labels, probabilities, balanced_weights(labels), self._threshold)
        excluded: ExcludedRecord = {
            "windows": self._windows_excluded,
            "peaks": self._peaks.peaks_excluded,
            "hits": self._peaks.hits_excluded,
        }
        return {**windows, "peaks": self._peaks.report(), "excluded": excluded if self._excludes else None}

    def track_file(self, add_spans: AddSpans) -> Sink:
        """Return a sink that calls :meth:`write_track` with ``add_spans`` at the end of the scan."""
        return _TrackFile(add_spans, self)

    def write_track(self, add: AddSpans) -> None:
        """Write the weighted accuracy of every bin of 10 kb that holds the centre of a scored window."""
        total = sum((bins.sum(axis=0) for bins in self._bins.values()), np.zeros(4, np.int64))
        # weights n / (2 n of the class); the common factor n / 2 cancels
        per_class = 1.0 / np.maximum(total[[0, 2]], 1)
        for chrom, counts in self._bins.items():
            used = np.flatnonzero(counts[:, 0] + counts[:, 2])
            weights = counts[used][:, [0, 2]] @ per_class
            values = (counts[used][:, [1, 3]] @ per_class) / weights
            starts = used * BIN_BASES
            add(chrom, starts, np.minimum(starts + BIN_BASES, self._sizes[chrom]), values.astype(np.float32))


class _TrackFile(Sink):
    """Write the accuracy along the genome at the end of a scan."""

    def __init__(self, add_spans: AddSpans, accuracy: Accuracy) -> None:
        self._add_spans = add_spans
        self._accuracy = accuracy

    def finish(self) -> dict[str, Any]:
        """Write the track."""
        self._accuracy.write_track(self._add_spans)
        return {}


def _outside(
    inside: Mapping[str, NDArray[np.int64]], excluded: Mapping[str, NDArray[np.int64]], sizes: Mapping[str, int]
) -> dict[str, NDArray[np.int64]]:
    """Return the bases outside ``inside`` or in ``excluded``, by chromosome, sorted and disjoint."""
    nothing = np.empty((0, 2), np.int64)
    outside = {}
    for chrom, size in sizes.items():
        beside = subtract_intervals(np.array([[0, size]]), inside.get(chrom, nothing))
        outside[chrom] = merge_intervals(np.concatenate((beside, excluded.get(chrom, nothing))))
    return outside
