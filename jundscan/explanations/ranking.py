"""Find the strongest hits of a file or of a scan, by their exact probability.

A BED rounds scores to 1,000 steps, so hits of a scan often tie. Scores from another model or track are not comparable.
So this module ignores the scores in the file, and scores the windows of the hits again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes, matching_name
from jundscan.dna.interval_sets import Intervals, merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region, parse_region
from jundscan.dna.windows import count_windows
from jundscan.errors import InputError, format_count
from jundscan.io.arguments import is_several, type_name
from jundscan.io.bed import read_intervals
from jundscan.model.thresholds import is_positive
from jundscan.options import DEFAULT_STRIDE, MAX_STRIDE
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import Hit, score
from jundscan.scanning.spans import GenomeAxis, list_regions, read_region_list

HIT_BASES = 151
"""Bases explained around the centre of a hit."""
MIN_HITS_FOR_STRIDE = 10
"""Minimum hits to infer the stride of their scan, because fewer may lie on a coarser grid by chance. Starts and ends of
10 hits share another factor of 2 once in a million times."""


class StrongHit(NamedTuple):
    """One of the strongest hits.

    Attributes
    ----------
    hit : Region
        The hit, as its file names it.
    region : Region
        The bases to explain, around the hit's centre.
    probability : float
        Highest probability among the windows of the hit. NaN if all of them hold unknown bases.
    """

    hit: Region
    region: Region
    probability: float


class HitIntervals(NamedTuple):
    """Hits to rank.

    Attributes
    ----------
    source : str
        Name of the file, for messages.
    bounds : numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends in the coordinates of ``row``, sorted by start, then end.
    row : GenomeAxis
    """

    source: str
    bounds: NDArray[np.int64]
    row: GenomeAxis


def read_hits(hits: str | Path | Iterable[Hit], scan: Scan) -> HitIntervals:
    """Read hits. Log a warning if there are none, or if some lie outside the genome.

    Parameters
    ----------
    hits : str, pathlib.Path or iterable of Hit
        BED, narrowPeak or another file of intervals, or the hits of :func:`jundscan.scan`. Only positions are read.
    scan : Scan
        With the genome of the hits.

    Returns
    -------
    HitIntervals

    Raises
    ------
    JundscanError
        When the file cannot be read, or none of its hits is in the genome.
    """
    sizes = scan.genome.chromsizes
    row = GenomeAxis(sizes)
    source = "hits"
    if isinstance(hits, str | Path):
        source = str(hits)
        scan.inputs.watch(hits)
        listed = read_region_list(hits, row, sizes)
    else:
        listed = list_regions(_group_by_chrom(hits), row, sizes)
    if listed is None or not listed.given:
        scan.inputs.cautions.add("no_hits", f"{source}: holds no hit, so none is explained")
        return HitIntervals(source, np.empty((0, 2), np.int64), row)
    if not len(listed.placed):
        raise InputError(f"{source}: none of its hits is on a chromosome of {scan.genome.path}, or before its end")
    if outside := listed.beyond + int(listed.is_cut.sum()):
        scan.inputs.cautions.add(
            "intervals_beyond_end",
            f"{source}: {outside:,} of {format_count(listed.given, 'hit')} beyond the chromosome's end; "
            "another assembly?",
            intervals=outside,
        )
    return HitIntervals(source, listed.placed[np.lexsort(listed.placed.T[::-1])], row)


def chromosomes_to_explain(regions: Iterable[str], hits: str | Path | None, chromsizes: ChromSizes) -> list[str]:
    """Return the chromosomes of regions and of a file of hits."""
    by_name = {} if hits is None else read_intervals(hits, "regions", may_be_empty=True)
    of_hits = [chrom for name in by_name if (chrom := matching_name(name, chromsizes)) is not None]
    return [*(parse_region(text, chromsizes).chrom for text in regions), *of_hits]


def _group_by_chrom(hits: Iterable[Hit]) -> dict[str, Intervals]:
    bounds: dict[str, list[tuple[int, int]]] = {}
    if not is_several(hits):
        raise InputError(f"hits: must be the path of a file, or hits from jundscan.scan, not {type_name(hits)}")
    for hit in hits:
        if not isinstance(hit, Hit):
            raise InputError(f"hits: must be hits from jundscan.scan, not {type_name(hit)}")
        bounds.setdefault(hit.chrom, []).append((hit.start, hit.end))
    by_chrom = {}
    for chrom, pairs in bounds.items():
        starts, ends = np.array(sorted(pairs), np.int64).T
        if not ((starts >= 0) & (starts < ends)).all():
            raise InputError(f"hits: one on {chrom} has a start below 0, or not below its end")
        by_chrom[chrom] = Intervals(starts, ends, np.ones(len(starts)))
    return by_chrom


def strongest_hits(scan: Scan, hits: HitIntervals, top: int) -> list[StrongHit]:
    """Score the windows of hits, and return the strongest hits.

    Windows are taken on the grid of the hits. So hits of a scan get its exact probabilities again if model, track and
    scale are the same. A hit shorter than a window gets the best window of the bases to explain.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`. Its stride and regions are not used.
    hits : HitIntervals
        From :func:`read_hits`.
    top : int
        Maximum number of hits returned.

    Returns
    -------
    list of StrongHit
        The strongest first. Equally strong hits keep the order of the genome.

    Raises
    ------
    JundscanError
        When the genome or the track cannot be read.
    """
    if not len(hits.bounds):
        return []
    table = hits.row.table(hits.bounds)
    lengths = table[:, 2]
    explained = np.maximum(0, (table[:, 0] + table[:, 1] - HIT_BASES) // 2)
    explained = np.column_stack((explained, np.minimum(explained + HIT_BASES, lengths)))
    begins = (hits.bounds - table[:, :2])[:, :1]
    stride = _infer_stride(table)
    has_window = count_windows(table, stride) > 0
    scored = np.where(has_window[:, None], hits.bounds, explained + begins)
    best = _best_windows(scan, scored, hits.row, stride)
    order = np.argsort(-best, kind="stable")[:top]
    intervals, regions = (hits.row.regions(bounds[order]) for bounds in (hits.bounds, explained + begins))
    strongest = np.where(np.isneginf(best), np.float32(np.nan), best)[order]
    below = int((~is_positive(strongest, scan.threshold.value)).sum())
    if below:
        scan.inputs.cautions.add(
            "hits_of_another_run",
            f"{hits.source}: {below:,} of the {len(order):,} strongest hits score below the threshold of "
            f"{scan.threshold.value:.4g} here; another model, track, scale or threshold found them",
            below=below,
            hits=len(order),
        )
    return list(map(StrongHit, intervals, regions, strongest.tolist()))


def _infer_stride(table: NDArray[np.int64]) -> int:
    """Infer the stride of the scan that found hits. Its windows start at multiples, or 101 bases before an end."""
    starts, ends, lengths = table.T
    first, last = starts, ends - WINDOW_LENGTH
    on_grid = np.concatenate([edges[edges != lengths - WINDOW_LENGTH] for edges in (first, last)])
    step = int(np.gcd.reduce(on_grid)) if len(on_grid) else 0
    return math.gcd(step, DEFAULT_STRIDE) if len(table) < MIN_HITS_FOR_STRIDE or not 0 < step <= MAX_STRIDE else step


def _best_windows(scan: Scan, intervals: NDArray[np.int64], row: GenomeAxis, stride: int) -> NDArray[np.float32]:
    """Return the highest probability among the windows inside each interval, or -inf where all hold unknown bases.

    Intervals (n, 2) are starts and ends in the coordinates of ``row``, in any order.
    """
    merged = merge_intervals(intervals)
    counts = count_windows(row.table(merged), stride)
    spans = row.regions(merged[counts > 0])
    again = replace(scan, spans=spans, stride=stride, windows=int(counts.sum()))
    best = np.full(len(intervals), -np.inf, np.float32)
    order = np.argsort(intervals[:, 0], kind="stable")
    starts, lasts = intervals[order, 0], intervals[order, 1] - WINDOW_LENGTH
    longest = int((lasts - starts).max(initial=0))
    for scored in score(again) if spans else ():
        if not len(scored.starts):
            continue
        windows = row.positions(scored.chrom, scored.starts)
        near = np.arange(*np.searchsorted(starts, (windows[0] - longest, windows[-1] + 1)))
        first = np.searchsorted(windows, starts[near])
        after = np.searchsorted(windows, lasts[near], side="right")
        near, first, after = (column[after > first] for column in (near, first, after))
        if len(near):
            padded = np.append(scored.probabilities, np.float32(-np.inf))  # `after` may lie behind the last window
            found = np.maximum.reduceat(padded, np.stack((first, after), axis=1).ravel())[::2]
            best[order[near]] = np.maximum(best[order[near]], found)
    return best
