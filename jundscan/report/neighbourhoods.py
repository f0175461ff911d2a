"""Collect sequence, probability, accessibility, known peaks and genes around the best hits, for the genome view.

The scan keeps neither bases nor windows. So this module reads the few hundred bases around each of the best hits again
and scores their windows again. A compressed genome without index is decompressed from its start for that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import intersect_intervals, merge_intervals, overlaps_any
from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.dna.windows import track_spans
from jundscan.evaluation.peaks import Peaks
from jundscan.report.collect import FLANK, BestHits, around_summit
from jundscan.scanning.genes import Genes
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows, score, score_together

GENE_FLANK = 50_000
"""Bases to each side of a hit's summit whose genes the page holds, because few starts lie nearer than a kilobase."""
_MIN_STEP = 10  # bases between two values shown; of closer windows the highest is shown
_STRANDS = {1: "+", -1: "-", 0: "."}


def neighbourhoods(scan: Scan, hits: BestHits, known: Mapping[str, Peaks]) -> list[dict[str, Any]]:
    """Return sequence, values and peaks around each hit.

    Parameters
    ----------
    scan : Scan
        A finished scan.
    hits : BestHits
    known : mapping of str to Peaks
        Known peaks by the genome's chromosome names; empty without any.

    Returns
    -------
    list of dict
        For each hit, ready for JSON: ``start``, 0-based; ``sequence``; ``from`` and ``to``, the bases on which each
        value is drawn, counted from ``start``; ``probability`` and ``accessibility`` (window means in the track's own
        unit; None without a track) to 4 digits; ``peaks``, [start, end] of the known peaks in view.
    """
    places = _find_places(scan, hits)
    windows: _Windows = defaultdict(list)
    for chunk in score(replace(scan, spans=places.spans)):
        _keep(windows, chunk)
    values = {chrom: _values(scan, chrom, *_join(parts)) for chrom, parts in windows.items()}
    return [
        {**place, **_in_view(values[chrom], start, end), "peaks": _peaks(known.get(chrom), start, end)}
        for chrom, start, end, place in places.rows
    ]


def genes_near(genes: Genes, hits: BestHits) -> dict[str, list[tuple[int, int, str, str]]]:
    """Return the genes at most ``GENE_FLANK`` bases away from the summit of a hit.

    Parameters
    ----------
    genes : Genes
    hits : BestHits

    Returns
    -------
    dict of str to list of (int, int, str, str)
        Start and end (0-based half-open), strand and name of genes by chromosome, ready for JSON.
    """
    found = {}
    for chrom in dict.fromkeys(hits.chrom.tolist()):
        summits = np.sort(hits.summit[hits.chrom == chrom])
        reach = merge_intervals(np.column_stack((summits - GENE_FLANK, summits + GENE_FLANK + 1)))
        of_chrom = genes.within(Region(chrom, int(reach[0, 0]), int(reach[-1, 1])))
        bounds = np.array([(gene.start, gene.end) for gene in of_chrom], np.int64).reshape(-1, 2)
        shown = overlaps_any(bounds[:, 0], bounds[:, 1], reach).tolist()
        found[chrom] = [(gene.start, gene.end, _STRANDS[gene.strand], gene.name) for gene in compress(of_chrom, shown)]
    return found


def group_neighbourhoods(scans: Sequence[Scan], groups: Sequence[str], hits: BestHits) -> list[dict[str, Any]]:
    """Return sequence and the mean values of groups of samples around each site.

    Parameters
    ----------
    scans : sequence of Scan
        Finished scans of one genome, one per sample.
    groups : sequence of str
        Group of each.
    hits : BestHits
        Sites.

    Returns
    -------
    list of dict
        For each site ``start``, ``sequence``, ``from`` and ``to`` as of :func:`neighbourhoods`, and ``groups``: by the
        name of each group its mean ``probability`` and ``accessibility``, the mean percentile of each window among all
        windows of its sample's track.
    """
    places = _find_places(scans[0], hits)
    windows: list[_Windows] = [defaultdict(list) for _ in scans]
    for chunks in score_together([replace(scan, spans=places.spans) for scan in scans]):
        for of_sample, chunk in zip(windows, chunks, strict=True):
            _keep(of_sample, chunk)
    values: dict[str, dict[str, _Values]] = {}
    for chrom in windows[0]:
        samples = [_join(of_sample[chrom]) for of_sample in windows]
        percentiles = [
            scan.inputs.accessibility_of([(chrom, starts)])[:, 0]
            for scan, (starts, _) in zip(scans, samples, strict=True)
        ]
        values[chrom] = {
            group: _drawn(scans[0], chrom, samples[0][0], *_means(groups, group, samples, percentiles))
            for group in dict.fromkeys(groups)
        }
    found = []
    for chrom, start, end, place in places.rows:
        of_group = {group: _in_view(value, start, end) for group, value in values[chrom].items()}
        spans = next(iter(of_group.values()))
        shown = {name: {"probability": one["probability"], "accessibility": one["accessibility"]}
                 for name, one in of_group.items()}  # fmt: skip
        found.append({**place, "from": spans["from"], "to": spans["to"], "groups": shown})
    return found


def _means(
    groups: Sequence[str],
    group: str,
    samples: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]],
    percentiles: Sequence[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Average probabilities and percentiles over the samples of a group; None where no sample has a percentile."""
    rows = [row for row, name in enumerate(groups) if name == group]
    known = [percentiles[row] for row in rows if not np.isnan(percentiles[row]).any()]
    means = np.stack([samples[row][1] for row in rows]).mean(axis=0)
    return means, np.stack(known).mean(axis=0) if known else None


class _Places(NamedTuple):
    """Where to look: ``spans`` to score, and of each hit chromosome, start and end of its view, and what JSON says."""

    spans: list[Region]
    rows: list[tuple[str, int, int, dict[str, Any]]]


def _find_places(scan: Scan, hits: BestHits) -> _Places:
    """Find the bases in view around each hit, and read them."""
    sizes = scan.genome.chromsizes
    starts = np.maximum(hits.summit - FLANK, 0)
    ends = np.minimum(hits.summit + FLANK + 1, [sizes[chrom] for chrom in hits.chrom])
    in_view = [around_summit(scan, *key) for key in zip(hits.chrom.tolist(), hits.summit.tolist(), strict=True)]
    regions, spans = _regions(scan, in_view)
    codes = np.concatenate([np.empty(0, np.uint8), *scan.genome.bases(regions)])
    begins: dict[str, list[tuple[int, int]]] = defaultdict(list)  # of each region, and of its codes
    before = 0
    for chrom, start, end in regions:
        begins[chrom].append((start, before))
        before += end - start

    def sequence(chrom: str, start: int, end: int) -> str:
        region_start, begin = begins[chrom][bisect_right(begins[chrom], start, key=itemgetter(0)) - 1]
        return decode(codes[begin + start - region_start : begin + end - region_start]).decode()

    views = zip(hits.chrom.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return _Places(
        spans,
        [(chrom, start, end, {"start": start, "sequence": sequence(chrom, start, end)}) for chrom, start, end in views],
    )


_Windows = dict[str, list[tuple[NDArray[np.int64], NDArray[np.float32]]]]
"""Starts and probabilities of scored windows, in parts, by chromosome."""


def _keep(windows: _Windows, chunk: ScoredWindows) -> None:
    if len(chunk.starts):
        windows[chunk.chrom].append((chunk.starts, chunk.probabilities))


def _join(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    starts, probabilities = zip(*parts, strict=True)
    return np.concatenate(starts), np.concatenate(probabilities)


def _regions(scan: Scan, in_view: Sequence[Region]) -> tuple[list[Region], list[Region]]:
    """Merge regions; return them, and the parts of them that the scan covered, both in genome order."""
    by_chrom: dict[str, list[tuple[int, int]]] = defaultdict(list)
    scanned: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for chrom, start, end in in_view:
        by_chrom[chrom].append((start, end))
    for chrom, start, end in scan.spans:
        if chrom in by_chrom:
            scanned[chrom].append((start, end))
    regions, spans = [], []
    for chrom, ranges in scanned.items():
        joined = merge_intervals(np.array(by_chrom[chrom]))
        regions += [Region(chrom, *row) for row in joined.tolist()]
        spans += [Region(chrom, *row) for row in intersect_intervals(joined, np.array(ranges)).tolist()]
    return regions, spans


_Values = dict[str, NDArray[Any] | None]


def _values(scan: Scan, chrom: str, starts: NDArray[np.int64], probabilities: NDArray[np.float32]) -> _Values:
    """Return the bases on which the windows of a chromosome are drawn, their probabilities and means of the track."""
    means = None
    if scan.track is not None and scan.track.has_accessibility(chrom):
        means = scan.track.means([(chrom, starts)])[:, 0]
    return _drawn(scan, chrom, starts, probabilities, means)


def _drawn(
    scan: Scan,
    chrom: str,
    starts: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    accessibility: NDArray[np.float32] | None,
) -> _Values:
    """Return the bases on which windows are drawn, and their values to 4 digits; of close windows the highest."""
    span_starts, span_ends = track_spans(starts, scan.genome.chromsizes[chrom], scan.stride)
    if scan.stride < _MIN_STEP:
        group = span_starts // _MIN_STEP
        first = np.flatnonzero(np.diff(group, prepend=-1))
        last = np.append(first[1:], len(group)) - 1
        span_starts, span_ends = span_starts[first], span_ends[last]
        probabilities = np.maximum.reduceat(probabilities, first)
        accessibility = None if accessibility is None else np.maximum.reduceat(accessibility, first)
    return {
        "from": span_starts,
        "to": span_ends,
        "probability": _round_values(probabilities),
        "accessibility": None if accessibility is None else _round_values(accessibility),
    }


def _round_values(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Round to 4 digits, because a page with all digits would be much larger."""
    exact = values.astype(np.float64)
    decimals = 3 - np.floor(np.log10(np.where(exact > 0, exact, 1)))
    # divide by a power of ten rather than multiply by its inverse, so that the double is the shortest to write
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
