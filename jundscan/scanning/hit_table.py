"""The table of hits: what is known of each hit, one row per hit.

The file of a scan and the report take their rows from here, so that both hold the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import Genome
from jundscan.io.numbers import shortest_decimals
from jundscan.model.sites import NO_SITE, best_of, find_sites, site_kinds
from jundscan.scanning.hits import Hits
from jundscan.scanning.lines import bed_scores, hit_names
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import describe_hits

SITE_REACH = 10_000
"""Bases to each side of a summit in which a known site is looked for. A hit that is longer is cut there, because at a
threshold of 0 a hit may be a chromosome."""
HIT_COLUMNS = ("chrom", "start", "end", "name", "score", "probability", "expected_precision", "summit", "accessibility",
               "chromatin")  # fmt: skip
PEAK_COLUMNS = ("known_peak",)
GENE_COLUMNS = ("nearest_gene", "distance_to_tss")
"""The gene of the nearest transcription start and its distance, see :meth:`jundscan.scanning.genes.Genes.nearest`."""
SITE_COLUMNS = ("site", "site_start", "site_strand", "site_sequence", "sites")
"""The last columns, because the number of sites is never empty: bedtools reads no line that ends with a tab."""

_NO_BASES = np.empty(0, np.uint8)
Cell = str | int | float | None
"""One value of the table; None where it is not known."""
OnPeaks = Callable[[str, Hits], "list[bool | None]"]
"""Whether each hit of a chromosome shares a base with a known peak; None where the comparison leaves the hit out."""


class NumberedHits(NamedTuple):
    """Hits of one chromosome, sorted and disjoint, and their numbers in the scan, from 1."""

    chrom: str
    hits: Hits
    numbers: Sequence[int]


class HitTable:
    """Look up what is known of hits.

    Parameters
    ----------
    scan : Scan
    on_peaks : callable, optional
        Adds the column of :data:`PEAK_COLUMNS`.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    is_seekable : bool
        Whether hits may be looked up a few at a time. Each call of :meth:`rows` reads a streamed genome from its start.
    """

    def __init__(self, scan: Scan, on_peaks: OnPeaks | None = None) -> None:
        self._scan = scan
        self._on_peaks = on_peaks
        of_peaks = () if on_peaks is None else PEAK_COLUMNS
        of_genes = () if scan.genes is None else GENE_COLUMNS
        self.columns = (*HIT_COLUMNS, *of_peaks, *of_genes, *SITE_COLUMNS)
        self.is_seekable = scan.genome.seekable

    def rows(self, parts: Sequence[NumberedHits]) -> Iterator[tuple[Cell, ...]]:
        """Yield one row per hit.

        Parameters
        ----------
        parts : sequence of NumberedHits
            In the order of the genome. Hits of one chromosome may come in several parts.

        Raises
        ------
        FastaError
            When the genome cannot be read.
        """
        scan = self._scan
        sites = self._sites(parts)
        for chrom, hits, numbers in parts:
            described = describe_hits(scan, chrom, hits.best, hits.summit)
            percentiles = described.accessibility
            known = zip(
                repeat(chrom),
                hits.start.tolist(),
                hits.end.tolist(),
                hit_names(scan.model.metadata.factor, numbers),
                bed_scores(hits.best),
                shortest_decimals(hits.best).tolist(),
                [None if np.isnan(value) else float(f"{value:.4g}") for value in described.precision.tolist()],
                hits.summit.tolist(),
                [None if np.isnan(value) else value for value in _decimals(percentiles)],
                [chromatin(value) for value in percentiles.tolist()],
            )
            for of_hit, more, of_sites in zip(known, self._more(chrom, hits), sites, strict=False):
                yield (*of_hit, *more, *of_sites)

    def _more(self, chrom: str, hits: Hits) -> Iterator[tuple[Cell, ...]]:
        """Yield of each hit the columns that depend on further files."""
        columns: list[Sequence[Cell]] = []
        if self._on_peaks is not None:
            columns.append([None if on is None else "yes" if on else "no" for on in self._on_peaks(chrom, hits)])
        if self._scan.genes is not None:
            nearest = self._scan.genes.nearest(chrom, hits.start, hits.end)
            pairs = zip(nearest.names, nearest.distances.tolist(), strict=True)
            columns += [nearest.names, [None if name is None else distance for name, distance in pairs]]
        return zip(*columns, strict=True) if columns else repeat(())

    def _sites(self, parts: Sequence[NumberedHits]) -> Iterator[tuple[Cell, ...]]:
        """Yield of each hit name, start, strand and sequence of the best known site, and the number of sites."""
        metadata = self._scan.model.metadata
        regions = [
            Region(chrom, max(start, summit - SITE_REACH), min(end, summit + SITE_REACH + 1))
            for chrom, hits, _ in parts
            for start, end, summit in zip(hits.start.tolist(), hits.end.tolist(), hits.summit.tolist(), strict=True)
        ]
        summits = (summit for part in parts for summit in part.hits.summit.tolist())
        bases = _each_region(self._scan.genome, regions) if site_kinds(metadata) else repeat(_NO_BASES)
        for region, summit, codes in zip(regions, summits, bases, strict=False):
            sites = find_sites(codes, metadata)
            best = best_of(sites, summit - region.start)
            if best is None:
                yield NO_SITE, None, None, None, 0
            else:
                yield best.name, region.start + best.start, best.strand, best.sequence, len(sites)


def as_text(cell: Cell) -> str:
    """Return a value as the table's file holds it. What is not known is empty."""
    return "" if cell is None else str(cell)


def _decimals(values: NDArray[np.float32]) -> list[float]:
    """Return the shortest decimals of values, of which some may be NaN."""
    known = ~np.isnan(values)
    decimals = np.full(len(values), np.nan)
    decimals[known] = shortest_decimals(values[known])
    return decimals.tolist()


def _each_region(genome: Genome, regions: Sequence[Region]) -> Iterator[NDArray[np.uint8]]:
    """Yield the bases of each region, of which the genome yields parts that are cut anywhere."""
    parts, known = [_NO_BASES], 0
    bases = genome.bases(regions)
    for region in regions:
        length = region.end - region.start
        while known < length:
            parts.append(next(bases))
            known += len(parts[-1])
        joined = np.concatenate(parts) if len(parts) > 1 else parts[0]
        yield joined[:length]
        parts, known = [joined[length:]], known - length


def chromatin(accessibility: float | None) -> str:
    """Return ``closed`` for accessibility percentile 0, ``open`` above, ``unknown`` for None or NaN.

    Examples
    --------
    >>> chromatin(0.0), chromatin(0.97), chromatin(None)
    ('closed', 'open', 'unknown')
    """
    if accessibility is None or np.isnan(accessibility):
        return "unknown"
    return "open" if accessibility > 0 else "closed"
