"""Sequence, probability, accessibility and known peaks around each of the best hits, for the genome view.

The scan keeps no windows, so those around the best hits are scored once more: a few hundred bases each, and the flanks
that the model sees beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import intersect_intervals, merge_intervals, overlaps_any
from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.dna.windows import track_spans, with_flanks
from jundscan.evaluation.peaks import Peaks
from jundscan.report.collect import FLANK, BestHits, around_summit
from jundscan.report.pieces import Piece, Pieces
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import score

_FINEST = 10  # bases between two values shown; where windows are closer, the highest of them


def neighbourhoods(
    scan: Scan, hits: BestHits, around: Sequence[Piece], known: Mapping[str, Peaks]
) -> list[dict[str, Any]]:
    """Describe what lies around each hit.

    Parameters
    ----------
    scan : Scan
        A finished one.
    hits : BestHits
    around : sequence of Piece
        The bases around each, see :meth:`jundscan.report.collect.Collector.around`.
    known : mapping of str to Peaks
        Known peaks by the genome's chromosome names; empty without any.

    Returns
    -------
    list of dict
        For each hit, ready for JSON: ``start``, 0-based; ``sequence``; ``from`` and ``to``, the bases that each value
        stands on, counted from ``start``; ``probability`` and ``accessibility`` (window means in the track's own
        unit; None without a track) to 4 digits; ``peaks``, [start, end] of known peaks in view.
    """
    sizes = scan.genome.chromsizes
    starts = np.maximum(hits.summit - FLANK, 0)
    ends = np.minimum(hits.summit + FLANK + 1, [sizes[chrom] for chrom in hits.chrom])
    in_view = [around_summit(scan, *key) for key in zip(hits.chrom.tolist(), hits.summit.tolist(), strict=True)]
    regions, spans = _regions(scan, in_view)
    genome = Pieces(scan.genome, with_flanks(regions, sizes, scan.model.flank)[0], around)
    windows: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = defaultdict(list)
    for scored in score(replace(scan, genome=genome, spans=spans)):
        if len(scored.starts):
            windows[scored.chrom].append((scored.starts, scored.probabilities))
    values = {chrom: _values(scan, chrom, parts) for chrom, parts in windows.items()}
    return [
        {
            "start": start,
            "sequence": decode(genome.codes(chrom, start, end)).decode(),
            **_in_view(values[chrom], start, end),
            "peaks": _peaks(known.get(chrom), start, end),
        }
        for chrom, start, end in zip(hits.chrom, starts.tolist(), ends.tolist(), strict=True)
    ]


def _regions(scan: Scan, in_view: Sequence[Region]) -> tuple[list[Region], list[Region]]:
    """Join regions; and the parts of them that were scanned."""
    by_chrom: dict[str, list[tuple[int, int]]] = defaultdict(list)
    scanned: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for chrom, start, end in in_view:
        by_chrom[chrom].append((start, end))
    for chrom, start, end in scan.spans:
        if chrom in by_chrom:
            scanned[chrom].append((start, end))
    regions, spans = [], []
    for chrom, ranges in scanned.items():  # in the genome's order
        joined = merge_intervals(np.array(by_chrom[chrom]))
        regions += [Region(chrom, *row) for row in joined.tolist()]
        spans += [Region(chrom, *row) for row in intersect_intervals(joined, np.array(ranges)).tolist()]
    return regions, spans


_Values = dict[str, NDArray[Any] | None]


def _values(scan: Scan, chrom: str, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> _Values:
    """Put the windows of a chromosome into bases that they stand on, probabilities and means of the track."""
    starts, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
    means = None
    if scan.track is not None and scan.track.has_accessibility(chrom):
        means = scan.track.means([(chrom, starts)])[:, 0]
    span_starts, span_ends = track_spans(starts, scan.genome.chromsizes[chrom], scan.stride)
    if scan.stride < _FINEST:
        group = span_starts // _FINEST
        first = np.flatnonzero(np.diff(group, prepend=-1))
        last = np.append(first[1:], len(group)) - 1
        span_starts, span_ends = span_starts[first], span_ends[last]
        probabilities = np.maximum.reduceat(probabilities, first)
        means = None if means is None else np.maximum.reduceat(means, first)
    accessibility = None if means is None else _rounded(means)
    return {
        "from": span_starts,
        "to": span_ends,
        "probability": _rounded(probabilities),
        "accessibility": accessibility,
    }


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Round to 4 digits, which keeps the file small."""
    exact = values.astype(np.float64)
    decimals = 3 - np.floor(np.log10(np.where(exact > 0, exact, 1)))
    # divided by a power of ten, not multiplied by its inverse: the quotient is the double that is shortest to write
    unit: NDArray[np.float64] = 10.0 ** np.abs(decimals)
    return np.where(decimals >= 0, np.rint(exact * unit) / unit, np.rint(exact / unit) * unit)


def _in_view(values: _Values, start: int, end: int) -> dict[str, list[float] | None]:
    span_starts, span_ends = values["from"], values["to"]
    assert span_starts is not None
    assert span_ends is not None
    rows = slice(np.searchsorted(span_ends, start, "right"), np.searchsorted(span_starts, end))
    shown: dict[str, list[float] | None] = {
        "from": (np.maximum(span_starts[rows], start) - start).tolist(),
        "to": (np.minimum(span_ends[rows], end) - start).tolist(),
    }
    for name in ("probability", "accessibility"):
        column = values[name]
        shown[name] = None if column is None else column[rows].tolist()
    return shown


def _peaks(known: Peaks | None, start: int, end: int) -> list[list[int]]:
    if known is None:
        return []
    seen = overlaps_any(known.start, known.end, np.array([[start, end]]))
    return np.column_stack((known.start[seen], known.end[seen])).tolist()  # type: ignore[no-any-return]
