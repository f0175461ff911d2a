"""Turn variants into tasks for threads: what each alternative allele replaces, and the bases around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosome_line import ChromosomeLine
from jundscan.dna.chromosomes import matching_name
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH, encode
from jundscan.dna.regions import Region
from jundscan.effects.alleles import STATUSES, trim, unscorable
from jundscan.effects.haplotypes import REACH, Int64Array, Sites, block_bases
from jundscan.effects.indels import REACH_OF_REPEATS
from jundscan.io.fasta.stretches import StretchReader
from jundscan.io.vcf import Variant
from jundscan.scanning.plan import Scan

TASK_ALLELES = 2048
"""Maximum alleles per task."""
_TASK_BYTES = 1 << 23
"""Bytes of input after which a task ends, because its records stay in memory until they are written."""
_MAX_GAP = 500
"""Maximum bases between two stretches that are read as one, because reading them is faster than skipping them."""

Record = TypeVar("Record")


class Task(NamedTuple):
    """Alternative alleles with the bases around them.

    Attributes
    ----------
    status : numpy.ndarray, shape=(alleles,), dtype=int8
        Index in :data:`jundscan.effects.alleles.STATUSES` of every allele, as far as its spelling and position decide
        it.
    rows : numpy.ndarray, shape=(n,), dtype=intp
        Indices in ``status`` of the alleles to score.
    sites : Sites
        The alleles to score, on the line of all chromosomes.
    ref_starts, ref_lengths : numpy.ndarray, shape=(n,), dtype=int64
        Start and length of each REF as written.
    ref_codes : numpy.ndarray, dtype=uint8
        Codes of all REF, one after the other.
    alleles : numpy.ndarray, dtype=uint8
        Codes of the trimmed alternative alleles, one after the other.
    stretches : numpy.ndarray, shape=(stretches, 2), dtype=int64
        Starts and ends of the parts of the genome in ``codes``.
    codes : numpy.ndarray, dtype=uint8
        Bases of all stretches.
    """

    status: NDArray[np.int8]
    rows: NDArray[np.intp]
    sites: Sites
    ref_starts: Int64Array
    ref_lengths: Int64Array
    ref_codes: NDArray[np.uint8]
    alleles: NDArray[np.uint8]
    stretches: NDArray[np.int64]
    codes: NDArray[np.uint8]


def split_variants(
    variants: Iterable[tuple[Record, Variant]], max_alleles: int, bytes_read: Callable[[], int]
) -> Iterator[tuple[list[Record], list[Variant]]]:
    """Split variants into one list per task.

    A task ends after ``max_alleles`` alleles, where a long allele counts as several. It also ends after ``max_alleles``
    variants, and after 8 MiB of input by ``bytes_read``.
    """
    records: list[Record] = []
    of_task: list[Variant] = []
    alleles = bytes_before = 0
    for record, variant in variants:
        records.append(record)
        of_task.append(variant)
        count = len(variant.alternatives)
        # a long allele touches as many windows as several short ones
        alleles += count + (count * len(variant.reference) + sum(map(len, variant.alternatives))) // WINDOW_LENGTH
        if alleles >= max_alleles or len(of_task) >= max_alleles or bytes_read() - bytes_before >= _TASK_BYTES:
            yield records, of_task
            records, of_task, alleles, bytes_before = [], [], 0, bytes_read()
    if of_task:
        yield records, of_task


class TaskBuilder:
    """Build tasks from variants.

    Attributes
    ----------
    line : ChromosomeLine
        The line of all chromosomes.
    """

    def __init__(self, scan: Scan) -> None:
        self._sizes = scan.genome.chromsizes
        self._before = REACH + 1 + scan.model.flank  # the outermost window at an end starts one base earlier
        self._behind = block_bases(scan.model.flank)
        self._reference = StretchReader(scan.genome)
        self._names: dict[str, str | None] = {}
        # the bases read around the last variant of a chromosome end before those around the first of the next begin
        apart = self._before + self._behind + 2 * REACH_OF_REPEATS + _MAX_GAP + 1
        self.line = ChromosomeLine(self._sizes, apart)

    def build(self, variants: list[Variant]) -> Task:
        """Collect what scoring these variants needs."""
        status: list[int] = []
        rows: list[int] = []
        positions: list[tuple[int, ...]] = []  # start of REF, start of the change, rank and size of the chromosome
        references: list[str] = []
        olds: list[str] = []
        news: list[str] = []
        for name, start, reference, alternatives in variants:
            if name not in self._names:
                self._names[name] = matching_name(name, self._sizes)
            chrom = self._names[name]
            reference = reference.upper()
            for alternative in map(str.upper, alternatives):
                problem = unscorable(reference, alternative)
                if problem is None:
                    if chrom is None:
                        problem = "no_contig"
                    elif not 0 <= start <= self._sizes[chrom] - len(reference):
                        problem = "ref_mismatch"  # beyond the end
                    else:
                        at, old, new = trim(start, reference, alternative)
                        positions.append((start, at, self.line.ranks[chrom], self._sizes[chrom]))
                        references.append(reference)
                        olds.append(old)
                        news.append(new)
                        rows.append(len(status))
                status.append(0 if problem is None else STATUSES.index(problem))
        ref_starts, starts, ranks, sizes = np.array(positions, np.int64).reshape(-1, 4).T.copy()
        origins = self.line.origins[ranks]
        ref_starts, ref_lengths = origins + ref_starts, _lengths(references)
        sites = Sites(origins + starts, _lengths(olds), _lengths(news), origins, origins + sizes)
        repeats = np.where(sites.is_indel, REACH_OF_REPEATS, 0)
        first = np.minimum(ref_starts, sites.start - self._before - repeats)
        behind = np.maximum(ref_starts + ref_lengths, sites.start + sites.ref_bases + self._behind + repeats)
        stretches = merge_intervals(np.column_stack((first, behind + _MAX_GAP)))
        return Task(
            np.array(status, np.int8),
            np.array(rows, np.intp),
            sites,
            ref_starts,
            ref_lengths,
            encode("".join(references).encode()),
            encode("".join(news).encode()),
            stretches,
            self._reference.read(self._regions(stretches)),
        )

    def _regions(self, stretches: NDArray[np.int64]) -> list[Region]:
        line = self.line
        ranks = np.searchsorted(line.origins, stretches[:, 1], side="right") - 1  # stretches may begin before base 0
        own = (stretches - line.origins[ranks, None]).tolist()
        return [Region(line.chroms[rank], *bounds) for rank, bounds in zip(ranks.tolist(), own, strict=True)]


def _lengths(alleles: list[str]) -> Int64Array:
    return np.fromiter(map(len, alleles), np.int64, len(alleles))
