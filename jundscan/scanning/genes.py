"""Genes on the chromosomes of a genome: the transcription start nearest to a hit, and the place of a gene by name."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.regions import Region
from jundscan.errors import RegionError, TrackError, format_count, warn
from jundscan.io.annotation import Feature, read_features
from jundscan.io.bed import log_other_names

log = logging.getLogger("jundscan")

_AROUND = re.compile(r"(.+?)\s*(?:±|\+/?-)\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*(b|bp|k|kb|m|mb)?", re.IGNORECASE)
"""A gene and a distance: ``MYC±10kb``."""
_UNITS = {"b": 1, "k": 1_000, "m": 1_000_000}
_MAX_SPELLINGS = 3


class Gene(NamedTuple):
    """A gene with all its transcripts.

    Attributes
    ----------
    chrom : str
        As the genome names it.
    start, end : int
        0-based half-open.
    strand : int
        1 or -1; 0 where the annotation states none.
    name : str
    identity : str
        Told apart from other genes of the same name.
    """

    chrom: str
    start: int
    end: int
    strand: int
    name: str
    identity: str


class NearestStarts(NamedTuple):
    """The transcription start nearest to each of some intervals; item i belongs to interval i.

    Attributes
    ----------
    names : list of str or None
        Names of the genes; None where the chromosome has no gene.
    distances : numpy.ndarray, shape=(n,), dtype=int64
        Bases from the interval to the start: 0 where the interval covers it, 1 where it abuts, negative upstream of the
        gene. 0 where there is no gene.
    """

    names: list[str | None]
    distances: NDArray[np.int64]


class _Chromosome(NamedTuple):
    """Genes and transcription starts of one chromosome.

    Attributes
    ----------
    genes : list of Gene
        Sorted by start and end.
    stranded : list of tuple
        For each strand that has genes: 1 or -1, its 0-based transcription starts, ascending, and the gene of each.
    """

    genes: list[Gene]
    stranded: list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True)
class Genes:
    """The genes of an annotation that lie on a genome, from :func:`read_genes`.

    Attributes
    ----------
    path : pathlib.Path
        The annotation.
    """

    path: Path
    _sizes: Mapping[str, int] = field(repr=False)
    _by_chrom: Mapping[str, _Chromosome] = field(repr=False)

    def __len__(self) -> int:
        return sum(len(one.genes) for one in self._by_chrom.values())

    def __iter__(self) -> Iterator[Gene]:
        return chain.from_iterable(one.genes for one in self._by_chrom.values())

    @property
    def starts(self) -> int:
        """Number of transcription starts."""
        return sum(len(positions) for one in self._by_chrom.values() for _, positions, _ in one.stranded)

    def nearest(self, chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NearestStarts:
        """Find the transcription start nearest to each interval.

        Name and distance are those of ``bedtools closest -D b -t first`` with the intervals as A and the sorted starts,
        one base each, as B: of several starts at the same distance one with the interval upstream is taken, and of
        these the leftmost. Genes without a strand count as on the plus strand.

        Parameters
        ----------
        chrom : str
            As the genome names it.
        starts, ends : numpy.ndarray, shape=(n,), dtype=int64
            0-based half-open, in any order.
        """
        known = self._by_chrom.get(chrom)
        if known is None:
            return NearestStarts([None] * len(starts), np.zeros(len(starts), np.int64))
        far = np.iinfo(np.int64).max
        found = []
        for strand, positions, rows in known.stranded:
            right = np.searchsorted(positions, starts)
            left = np.searchsorted(positions, positions[np.maximum(right - 1, 0)])  # the first of equals
            apart = np.where(right > 0, starts - positions[left], far)
            found.append(np.stack((apart, np.full(len(apart), strand > 0), positions[left], rows[left])))
            at = np.minimum(right, len(positions) - 1)
            apart = np.where(right < len(positions), np.maximum(positions[at] - ends + 1, 0), far)
            found.append(np.stack((apart, (apart > 0) & (strand < 0), positions[at], rows[at])))
        # by distance, then upstream before downstream, then position, then order in the annotation
        table = np.stack(found, axis=-1)
        best = np.lexsort(table[::-1])[:, 0]
        apart, is_downstream, _, row = table[:, np.arange(len(starts)), best]
        distances = np.where(is_downstream > 0, apart, -apart)
        return NearestStarts([known.genes[one].name for one in row.tolist()], distances)

    def within(self, region: Region) -> list[Gene]:
        """Return the genes that share a base with a region, sorted by start."""
        known = self._by_chrom.get(region.chrom)
        genes = [] if known is None else known.genes
        return [gene for gene in genes if gene.start < region.end and gene.end > region.start]

    def find(self, text: str) -> Region:
        """Return the place of a gene.

        ``NAME`` or an identifier is its body, and ``NAME±10kb`` this with 10,000 more bases on either side, cut at the
        ends of the chromosome. ``+-`` stands for ``±``.

        Raises
        ------
        RegionError
            When no gene is named so, or several are.
        """
        name, flank = text, 0
        # the whole text first, because a name may look like a distance: NKX2+-1
        found = self._named(name)
        if not found and (around := _AROUND.fullmatch(text)) is not None:
            name, number, unit = around[1], around[2].replace(",", ""), around[3] or "b"
            flank = round(float(number) * _UNITS[unit[0].lower()])
            found = self._named(name)
        if not found:
            raise RegionError(text, self._unknown(name))
        places = sorted({Region(gene.chrom, gene.start, gene.end) for gene in found})
        if len(places) > 1:
            shown = some_names(f"{gene.identity} {gene.chrom}:{gene.start}-{gene.end}" for gene in found)
            problem = f"{self.path} has {len(places):,} genes {name}: {shown}"
            raise RegionError(text, f"{problem}; name one by its identifier or place")
        (chrom, start, end) = places[0]
        return Region(chrom, max(start - flank, 0), min(end + flank, self._sizes[chrom]))

    def _named(self, name: str) -> Sequence[Gene]:
        """Return the genes with a name, else with an identifier, else with the name in other letters."""
        by_name = [gene for gene in self if gene.name == name]
        by_identity = [gene for gene in self if name in (gene.identity, gene.identity.partition(".")[0])]
        return by_name or by_identity or [gene for gene in self if gene.name.lower() == name.lower()]

    def _unknown(self, name: str) -> str:
        names = {gene.name.lower(): gene.name for gene in self}
        near = [names[one] for one in difflib.get_close_matches(name.lower(), names, _MAX_SPELLINGS)]
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"neither a chromosome of the genome nor a gene of {self.path}{meant}"


def read_genes(path: str | Path, chromsizes: Mapping[str, int]) -> Genes:
    """Read the genes of an annotation that lie on the chromosomes of a genome.

    A gene's transcription starts are the 5' ends of its transcripts, and its own where the annotation has no
    transcript of it.

    Parameters
    ----------
    path : str or pathlib.Path
        GTF, GFF3 or BED, compressed or not, see :func:`jundscan.io.annotation.read_features`.
    chromsizes : mapping of str to int
        Length of every chromosome of the genome, bases. Other spellings of names match.

    Raises
    ------
    TrackError
        When the file cannot be read, or has no chromosome in common with the genome.
    JundscanError
        When gffutils is needed and not installed.
    """
    path = Path(path)
    by_gene: dict[tuple[str, int, str], list[Feature]] = {}
    matched: dict[str, str | None] = {}
    beyond = 0
    for feature in read_features(path):
        if feature.chrom not in matched:
            matched[feature.chrom] = matching_name(feature.chrom, chromsizes)
        chrom = matched[feature.chrom]
        if chrom is None:
            continue
        if feature.end > chromsizes[chrom]:
            beyond += 1
            continue
        by_gene.setdefault((chrom, feature.strand, feature.identity), []).append(feature)
    if not any(matched.values()):
        named = f"it names {some_names(matched)}, the genome {some_names(chromsizes)}"
        raise TrackError(path, f"has no chromosome in common with the genome: {named}")
    log_other_names(path, matched, chromsizes)
    if beyond:
        warn(
            "intervals_beyond_end",
            f"{path}: {format_count(beyond, 'feature')} beyond the end of the chromosome left out; another assembly?",
            intervals=beyond,
        )
    found: dict[str, list[tuple[Gene, set[int]]]] = {}
    for (chrom, strand, identity), features in by_gene.items():
        transcripts = [one for one in features if not one.is_gene] or features
        name = next((one.name for one in sorted(features, key=lambda one: not one.is_gene) if one.name), identity)
        bounds = min(one.start for one in features), max(one.end for one in features)
        gene = Gene(chrom, *bounds, strand, name, identity)
        starts = {one.end - 1 if strand < 0 else one.start for one in transcripts}
        found.setdefault(chrom, []).append((gene, starts))
    genes = Genes(path, chromsizes, {chrom: _arrange(rows) for chrom, rows in found.items()})
    log.info(
        "%s: %s with %s", path, format_count(len(genes), "gene"), format_count(genes.starts, "transcription start")
    )
    return genes


def _arrange(rows: list[tuple[Gene, set[int]]]) -> _Chromosome:
    rows.sort(key=lambda row: (row[0].start, row[0].end))
    stranded = []
    for strand in (1, -1):
        of_strand = (
            (number, starts) for number, (gene, starts) in enumerate(rows) if (gene.strand < 0) == (strand < 0)
        )
        pairs = sorted((position, number) for number, starts in of_strand for position in starts)
        if pairs:
            positions, numbers = np.array(pairs, np.int64).T
            stranded.append((strand, positions, numbers))
    return _Chromosome([gene for gene, _ in rows], stranded)
