"""The strongest hits of a file or of a scan, ranked by the exact probability that the model gives them here.

A BED's score is rounded to 1,000 steps, so hits of a scan often tie. Another model or track gives numbers of another
meaning. So this module scores the windows of the hits again, and no other windows, whatever the file says.
"""

from __future__ import annotations

import logging
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
from jundscan.scanning.spans import GenomeRow, list_regions, read_listed

HIT_BASES = 151
"""Bases of a hit that are explained, around its centre."""
FEW_HITS = 10
"""Fewer hits than these may lie on a coarser grid than the scan's by chance. The starts and ends of 10 hits share a
further factor of 2 once in a million times."""

log = logging.getLogger("jundscan")


class StrongHit(NamedTuple):
    """One of the strongest hits.

    Attributes
    ----------
    region : Region
        The bases around its centre that are explained.
    probability : float
        Highest probability among the windows of the hit; NaN when all of them hold unknown letters.
    """

    region: Region
    probability: float


class HitIntervals(NamedTuple):
    """Hits to be ranked.

    Attributes
    ----------
    source : str
        Where they come from, for messages.
    placed : numpy.ndarray, shape=(n, 2), dtype=int64
        In the row of coordinates of ``row``, sorted by start, then end.
    row : GenomeRow
    """

    source: str
    placed: NDArray[np.int64]
    row: GenomeRow


def read_hits(hits: str | Path | Iterable[Hit], scan: Scan) -> HitIntervals:
    """Read hits, and log a warning when there are none or some lie outside the genome.

    Parameters
    ----------
    hits : str, pathlib.Path or iterable of Hit
        BED, narrowPeak or any other file of intervals, or what :func:`jundscan.scan` yields. Only where they lie
        matters.
    scan : Scan
        Its genome bounds the hits.

    Returns
    -------
    GivenHits

    Raises
    ------
    JundscanError
        When the file cannot be read, or holds hits but none in the genome.
    """
    sizes = scan.genome.chromsizes
    row = GenomeRow(sizes)
    source = "hits"
    if isinstance(hits, str | Path):
        source = str(hits)
        scan.inputs.watch(hits)
        listed = read_listed(hits, row, sizes)
    else:
        listed = list_regions(_by_name(hits), row, sizes)
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
    named = {} if hits is None else read_intervals(hits, "regions", may_be_empty=True)
    of_hits = [chrom for name in named if (chrom := matching_name(name, chromsizes)) is not None]
    return [*(parse_region(text, chromsizes).chrom for text in regions), *of_hits]


def _by_name(hits: Iterable[Hit]) -> dict[str, Intervals]:
    bounds: dict[str, list[tuple[int, int]]] = {}
    if not is_several(hits):
        raise InputError(f"hits: must be the path of a file, or hits from jundscan.scan, not {type_name(hits)}")
    for hit in hits:
        if not isinstance(hit, Hit):
            raise InputError(f"hits: must be hits from jundscan.scan, not {type_name(hit)}")
        bounds.setdefault(hit.chrom, []).append((hit.start, hit.end))
    by_name = {}
    for chrom, pairs in bounds.items():
        starts, ends = np.array(sorted(pairs), np.int64).T
        if not ((starts >= 0) & (starts < ends)).all():
            raise InputError(f"hits: one on {chrom} has a start below 0, or not below its end")
        by_name[chrom] = Intervals(starts, ends, np.ones(len(starts)))
    return by_name


def strongest_hits(scan: Scan, given: HitIntervals, top: int) -> list[StrongHit]:
    """Score the windows of hits, and return the strongest hits.

    The windows are those on the grid that the hits lie on, so hits of a scan get its exact probabilities again when
    model, track and scale are the same. A hit that holds no window gets the best window of the bases to be explained.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`; its stride and regions do not matter.
    given : GivenHits
        From :func:`read_hits`.
    top : int
        Maximum number of hits returned.

    Returns
    -------
    list of StrongHit
        The strongest first; equally strong ones in the order of the genome.

    Raises
    ------
    JundscanError
        When the genome or the track cannot be read.
    """
    if not len(given.placed):
        return []
    table = given.row.table(given.placed)
    lengths = table[:, 2]
    explained = np.maximum(0, (table[:, 0] + table[:, 1] - HIT_BASES) // 2)
    explained = np.column_stack((explained, np.minimum(explained + HIT_BASES, lengths)))
    begins = (given.placed - table[:, :2])[:, :1]
    stride = _grid_of(table)
    has_window = count_windows(table, stride) > 0
    judged = np.where(has_window[:, None], given.placed, explained + begins)
    best = _best_windows(scan, judged, given.row, stride)
    order = np.argsort(-best, kind="stable")[:top]
    regions = given.row.regions((explained + begins)[order])
    strongest = np.where(np.isneginf(best), np.float32(np.nan), best)[order]
    below = int((~is_positive(strongest, scan.threshold.value)).sum())
    if below:
        scan.inputs.cautions.add(
            "hits_of_another_run",
            f"{given.source}: {below:,} of the {len(order):,} strongest hits score below the threshold of "
            f"{scan.threshold.value:.4g} here; another model, track, scale or threshold found them",
            below=below,
            hits=len(order),
        )
    return [StrongHit(region, value) for region, value in zip(regions, strongest.tolist(), strict=True)]


def _grid_of(table: NDArray[np.int64]) -> int:
    """Return the stride of the scan that found hits: windows start at its multiples, or 101 bases before an end."""
    starts, ends, lengths = table.T
    first, last = starts, ends - WINDOW_LENGTH
    on_grid = np.concatenate([places[places != lengths - WINDOW_LENGTH] for places in (first, last)])
    step = int(np.gcd.reduce(on_grid)) if len(on_grid) else 0
    return math.gcd(step, DEFAULT_STRIDE) if len(table) < FEW_HITS or not 0 < step <= MAX_STRIDE else step


def _best_windows(scan: Scan, judged: NDArray[np.int64], row: GenomeRow, stride: int) -> NDArray[np.float32]:
    """Return the highest probability among the windows wholly inside each interval; -inf where none is known.

    Parameters
    ----------
    scan : Scan
    judged : numpy.ndarray, shape=(n, 2), dtype=int64
        In the row of coordinates; in any order.
    row : GenomeRow
    stride : int
        Bases between window starts.
    """
    merged = merge_intervals(judged)
    counts = count_windows(row.table(merged), stride)
    spans = row.regions(merged[counts > 0])
    again = replace(scan, spans=spans, stride=stride, windows=int(counts.sum()))
    best = np.full(len(judged), -np.inf, np.float32)
    order = np.argsort(judged[:, 0], kind="stable")
    starts, lasts = judged[order, 0], judged[order, 1] - WINDOW_LENGTH
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
