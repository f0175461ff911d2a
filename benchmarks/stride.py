"""Measure the cost of a coarser stride: recall of known peaks and distance of the summits, against speed.

The peaks are merged bound windows of the training and validation shards. Only bases of these shards are scanned, so
that no test window is scored, though its bases may lie in a flank. The network was fitted on these peaks, so the table
compares strides and does not show how good the network is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import intersect_intervals, merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.io.shards import read_shards
from jundscan.model.model import Model
from jundscan.model.thresholds import choose_threshold
from jundscan.options import ThresholdRule
from jundscan.scanning.hits import Hits
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import ScoredWindows, call_hits, score

STRIDES = (1, 2, 5, 10, 20, 25, 50)
CELL, CHROM = "HepG2", "chr22"
GENOME = Path("genome", "hg19.chr22.partial.fa.gz")
TRACK = Path("tracks", "HepG2.DNase.hg19.chr22.narrowPeak.gz")
AROUND = 500
"""Bases to each side of a peak that are scanned, if the shards hold them."""
LENIENT = 0.02
"""False-positive rate of a second threshold, because the default one finds few peaks and chance weighs more."""
WHOLE = 100
"""Bases to each side that the shards must hold for a peak to count, so that at any stride windows lie at both ends."""


def known_peaks(data: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return peaks (n, 2) of the training and validation shards and the bases (m, 2) that may be scanned."""
    bound, everything = [], []
    for part in ("train_dataset", "valid_dataset"):
        shards = read_shards(data / CELL / part)
        assert shards.ids is not None
        assert shards.labels is not None
        starts = np.array([int(text.rpartition(":")[2].partition("-")[0]) for text in shards.ids.tolist()])
        spans = np.column_stack((starts, starts + WINDOW_LENGTH))
        everything.append(spans)
        bound.append(spans[shards.labels == 1])
    covered = merge_intervals(np.concatenate(everything))
    peaks = merge_intervals(np.concatenate(bound))
    place = np.searchsorted(covered[:, 1], peaks[:, 1])
    whole = (covered[place, 0] <= peaks[:, 0] - WHOLE) & (covered[place, 1] >= peaks[:, 1] + WHOLE)
    peaks = peaks[whole]
    near = intersect_intervals(merge_intervals(peaks + np.array([-AROUND, AROUND])), covered)
    return peaks, near[near[:, 1] - near[:, 0] >= WINDOW_LENGTH + max(STRIDES)]  # shorter ones may hold no window


def measure(folder: Path, data: Path, model: Model, threads: int, strides: Sequence[int] = STRIDES) -> dict[str, Any]:
    """Scan around the peaks at every stride, and call hits at the default and at a lenient threshold."""
    peaks, spans = known_peaks(data)
    regions = folder / "surroundings.bed"
    regions.write_text("".join(f"{CHROM}\t{start}\t{end}\n" for start, end in spans.tolist()))
    rows = []
    scale = None
    for stride in strides:
        options: dict[str, Any] = {"stride": stride, "regions_file": regions, "threads": threads, "scale": scale}
        with open_scan(data / GENOME, data / TRACK, model=model, **options) as scan:
            scale = scan.inputs.scale
            rule = scan.threshold.rule
            scored = list(score(scan))
            lenient = choose_threshold(model.metadata, True, ThresholdRule("fpr", LENIENT))
            row = {"stride": stride, "default": _compare(peaks, _hits(scan, scored))}
            row["lenient"] = _compare(peaks, _hits(replace(scan, threshold=lenient), scored))
        rows.append(row)
    return {
        "peaks": len(peaks),
        "bases": int(np.diff(spans).sum()),
        "cell": CELL,
        "threshold_rule": rule,
        "lenient_rule": f"fpr {LENIENT:g}",
        "rows": rows,
    }


def _hits(scan: Scan, scored: list[ScoredWindows]) -> Hits:
    parts = [found for _, found in call_hits(scan, scored)]
    return Hits._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _compare(peaks: NDArray[np.int64], hits: Hits) -> dict[str, Any]:
    """Compute recall, and the distance from each peak's centre to the summit of its best hit."""
    start, end, best, summit = hits
    distances = []
    for left, right in peaks.tolist():
        first, stop = np.searchsorted(end, left, side="right"), np.searchsorted(start, right, side="left")
        if first < stop:
            top = first + int(np.argmax(best[first:stop]))
            distances.append(abs(int(summit[top]) - (left + right) // 2))
    quartiles = np.percentile(distances, [25, 50, 75]).tolist() if distances else [None, None, None]
    return {
        "hits": len(start),
        "found": len(distances),
        "recall": len(distances) / len(peaks) if len(peaks) else None,
        "summit_distance_quartiles": quartiles,
        "summit_distance_mean": float(np.mean(distances)) if distances else None,
    }
