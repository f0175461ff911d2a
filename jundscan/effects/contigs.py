"""Compare the chromosomes of a VCF's records with the genome. Chromosomes that only the header names do not count."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jundscan.dna.chromosomes import ChromSizes, matching_name, some_names
from jundscan.effects.indels import REACH_OF_REPEATS
from jundscan.errors import InputError, warn
from jundscan.io.bed import log_other_names
from jundscan.io.fasta.genome import Genome
from jundscan.io.files import STDIN
from jundscan.io.vcf import Variant, Vcf, open_vcf, read_variants

MAX_INTEGER = 2**31 - 1
"""Largest integer of a VCF or BCF (VCF specification 4.3, section 1.3: Integer has 32 bits)."""


class Contigs:
    """Check the chromosomes of records as they are read, and warn once per chromosome.

    Parameters
    ----------
    genome : Genome
    allow_length_mismatch : bool
        Warn where a chromosome's length in the VCF differs from the genome's, instead of raising.
    to_vcf : bool
        Whether effects go to a VCF, whose integers end at :data:`MAX_INTEGER`.

    Attributes
    ----------
    names : dict of str to (str or None)
        The genome's name for each name in the records, in the order of their first record.
    """

    def __init__(self, genome: Genome, allow_length_mismatch: bool = False, to_vcf: bool = False) -> None:
        self._genome, self._allow, self._to_vcf = genome, allow_length_mismatch, to_vcf
        self._is_done = False
        self.names: dict[str, str | None] = {}

    def checked(self, vcf: Vcf) -> Iterator[tuple[Any, Variant]]:
        """Check and yield the records of a VCF.

        Raises
        ------
        InputError
            As :func:`jundscan.io.vcf.read_variants` does. When a chromosome's length differs from the genome's. When
            the genome has none of the chromosomes: after the last record. When a VCF cannot hold a position.
        """
        limit = MAX_INTEGER - REACH_OF_REPEATS if self._to_vcf else None
        for record, variant in read_variants(vcf):
            if variant.chrom not in self.names:
                self._check_contig(vcf, variant.chrom)
            if limit is not None and variant.start + len(variant.reference) > limit:
                raise InputError(
                    f"{vcf.path}: {variant.chrom}:{variant.start + 1}: the positions of its windows do not fit a VCF, "
                    f"whose integers end at {MAX_INTEGER:,}. Write a table instead: -o effects.tsv"
                )
            yield record, variant
        self._finish(vcf.path)

    def declare(self, vcf: Vcf) -> None:
        """Add to the header the chromosomes of records that it lacks."""
        contigs, sizes = vcf.file.header.contigs, self._genome.chromsizes
        for name, chrom in self.names.items():
            if name not in contigs:
                contigs.add(name, length=None if chrom is None else sizes[chrom])

    def _check_contig(self, vcf: Vcf, name: str) -> None:
        sizes, contigs = self._genome.chromsizes, vcf.file.header.contigs
        chrom = self.names[name] = matching_name(name, sizes)
        length = contigs[name].length if name in contigs else None
        if chrom is None or length in (None, 0, sizes[chrom]):
            return
        problem = (
            f"{vcf.path}: {name} has {length} bases, but {chrom} of {self._genome.path} has {sizes[chrom]}. "
            "Use the assembly that the variants were called on"
        )
        if not self._allow:
            raise InputError(f"{problem}. If the genome is a part of it, add --allow-length-mismatch")
        warn("other_lengths", problem)

    def _finish(self, path: str | Path) -> None:
        if self._is_done:
            return
        self._is_done = True
        if self.names and not any(self.names.values()):
            raise InputError(
                f"{path}: no chromosome in common: its records name {some_names(self.names)}, while "
                f"{self._genome.path} has {some_names(self._genome.chromsizes)}. List other names in a file for --alias"
            )
        log_other_names(path, self.names, self._genome.chromsizes)


def check_variants(path: str | Path, contigs: Contigs) -> None:
    """Read a VCF to its end, without genotypes, to find errors before any work.

    A pipe can be read only once, so it is not read here but checked while it is scored.

    Raises
    ------
    InputError
        As :meth:`Contigs.checked` does.
    """
    if Path(path) == STDIN or not Path(path).is_file():
        return
    with open_vcf(path, genotypes=False) as vcf:
        deque(contigs.checked(vcf), maxlen=0)


def chromosomes_of(path: str | Path, chromsizes: ChromSizes) -> list[str]:
    """Return the genome's chromosomes that records of a VCF are on. A pipe is not read: the list is empty."""
    if Path(path) == STDIN or not Path(path).is_file():
        return []
    with open_vcf(path, genotypes=False) as vcf:
        names = dict.fromkeys(variant.chrom for _, variant in read_variants(vcf))
    return [chrom for name in names if (chrom := matching_name(name, chromsizes)) is not None]
