"""Variants into tasks: what each allele replaces, and the bases around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH, encode
from jundscan.dna.regions import Region
from jundscan.effects.alleles import STATUSES, trim, unscorable
from jundscan.effects.haplotypes import REACH, Int64Array, Sites, block_bases
from jundscan.effects.indels import REACH_OF_REPEATS
from jundscan.io.fasta.stretches import Reference
from jundscan.io.vcf import Variant
from jundscan.scanning.plan import Scan

TASK_ALLELES = 2048
"""Alleles that one worker takes at a time."""
_PORTION_BYTES = 1 << 23
_NEAR = 500
"""Bases between two stretches of the genome that are read along rather than skipped."""

Payload = TypeVar("Payload")


class Task(NamedTuple):
    """Alleles with the bases around them; ``rows`` tells which of all alleles can be scored at all."""

    status: NDArray[np.int8]
    rows: NDArray[np.intp]
    sites: Sites
    written: tuple[Int64Array, Int64Array, NDArray[np.uint8]]  # start and length of each REF, all their codes
    alleles: NDArray[np.uint8]
    chroms: list[str]
    stretches: NDArray[np.int64]
    codes: NDArray[np.uint8]


def portions(
    variants: Iterable[tuple[Payload, Variant]], alleles_each: int, read: Callable[[], int] = lambda: 0
) -> Iterator[tuple[list[Payload], list[Variant]]]:
    """Cut variants into portions of about so many alleles, long ones counting as several, and no more variants.

    So many bytes of them, as ``read`` tells, end a portion too: long records must not fill the memory.
    """
    payloads: list[Payload] = []
    portion: list[Variant] = []
    alleles = begun = 0
    for payload, variant in variants:
        payloads.append(payload)
        portion.append(variant)
        count = len(variant.alternatives)
        # a long allele touches as many windows as several short ones
        alleles += count + (count * len(variant.reference) + sum(map(len, variant.alternatives))) // WINDOW_LENGTH
        if alleles >= alleles_each or len(portion) >= alleles_each or read() - begun >= _PORTION_BYTES:
            yield payloads, portion
            payloads, portion, alleles, begun = [], [], 0, read()
    if portion:
        yield payloads, portion


class Gather:
    """Turns variants into tasks; ``origins`` is where each chromosome begins when all stand in one row."""

    def __init__(self, scan: Scan) -> None:
        self._sizes = scan.genome.chromsizes
        self._before = REACH + 1 + scan.model.flank  # the outermost window at an end starts one base earlier
        self._behind = block_bases(scan.model.flank)
        # the bases read around the last variant of a chromosome end before those around the first of the next begin
        self._apart = self._before + self._behind + 2 * REACH_OF_REPEATS + _NEAR + 1
        self._reference = Reference(scan.genome)
        self._names: dict[str, str | None] = {}
        self.origins: dict[str, int] = {}
        at = self._apart
        for chrom, size in self._sizes.items():
            self.origins[chrom] = at
            at += size + self._apart

    def task(self, portion: list[Variant]) -> Task:
        """Collect what scoring a portion needs."""
        status: list[int] = []
        rows: list[int] = []
        places: list[tuple[int, int, int]] = []  # where REF and the change start, and on which chromosome
        references: list[str] = []
        olds: list[str] = []
        news: list[str] = []
        chroms: dict[str, int] = {}
        for name, start, reference, alternatives in portion:
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
                        places.append((start, at, chroms.setdefault(chrom, len(chroms))))
                        references.append(reference)
                        olds.append(old)
                        news.append(new)
                        rows.append(len(status))
                status.append(0 if problem is None else STATUSES.index(problem))
        written, at_change, of_chrom = np.array(places, np.int64).reshape(-1, 3).T.copy()
        begins = np.array([self.origins[chrom] for chrom in chroms], np.int64)[of_chrom]
        ends = begins + np.array([self._sizes[chrom] for chrom in chroms], np.int64)[of_chrom]
        starts, lengths = begins + written, _lengths(references)
        sites = Sites(begins + at_change, _lengths(olds), _lengths(news), begins, ends)
        repeats = np.where((sites.reference == 0) | (sites.alternative == 0), REACH_OF_REPEATS, 0)
        first = np.minimum(starts, sites.start - self._before - repeats)
        behind = np.maximum(starts + lengths, sites.start + sites.reference + self._behind + repeats)
        stretches = merge_intervals(np.column_stack((first, behind + _NEAR)))
        in_order = sorted(chroms, key=self.origins.__getitem__)
        return Task(
            np.array(status, np.int8),
            np.array(rows, np.intp),
            sites,
            (starts, lengths, encode("".join(references).encode())),
            encode("".join(news).encode()),
            in_order,
            stretches,
            self._reference.read(self._regions(in_order, stretches)),
        )

    def _regions(self, chroms: list[str], stretches: NDArray[np.int64]) -> list[Region]:
        before = self._before + REACH_OF_REPEATS
        edges = np.array([self.origins[chrom] - before for chrom in chroms], np.int64)
        number = np.searchsorted(edges, stretches[:, 0], side="right") - 1
        return [
            Region(chroms[of], start - self.origins[chroms[of]], end - self.origins[chroms[of]])
            for of, (start, end) in zip(number.tolist(), stretches.tolist(), strict=True)
        ]


def _lengths(alleles: list[str]) -> Int64Array:
    return np.fromiter(map(len, alleles), np.int64, len(alleles))
