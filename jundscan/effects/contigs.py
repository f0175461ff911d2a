"""Chromosomes that the records of a VCF use, compared with the genome; what the header alone names decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jundscan.dna.chromosomes import ChromSizes, matching_name, some_names
from jundscan.effects.indels import REACH_OF_REPEATS
from jundscan.errors import InputError, warn
from jundscan.io.bed import say_other_names
from jundscan.io.fasta.genome import Genome
from jundscan.io.files import STDIN
from jundscan.io.vcf import Variant, Vcf, open_vcf, read_variants

log = logging.getLogger("jundscan")

LARGEST_INTEGER = 2**31 - 1
"""Largest integer of a VCF or BCF (VCF specification 4.3, section 1.3: Integer has 32 bits)."""


class Contigs:
    """Check the chromosomes of records as they come; warns once for each.

    Parameters
    ----------
    genome : Genome
        Where the variants lie.
    allow_length_mismatch : bool
        Warn of a chromosome whose length in the VCF differs from the genome's, instead of raising.
    to_vcf : bool
        Whether effects go to a VCF, whose integers end at :data:`LARGEST_INTEGER`.

    Attributes
    ----------
    used : dict of str to (str or None)
        Each name that records use, in their order, and the genome's name for it.
    """

    def __init__(self, genome: Genome, allow_length_mismatch: bool = False, to_vcf: bool = False) -> None:
        self._genome, self._allow, self._to_vcf = genome, allow_length_mismatch, to_vcf
        self._is_done = False
        self.used: dict[str, str | None] = {}

    def checked(self, vcf: Vcf) -> Iterator[tuple[Any, Variant]]:
        """Yield the records of a VCF, each checked before it is handed on.

        Raises
        ------
        InputError
            As :func:`jundscan.io.vcf.read_variants` does. When a chromosome's length differs from the genome's. When
            the genome has none of the chromosomes: after the last record. When a VCF cannot hold a position.
        """
        limit = LARGEST_INTEGER - REACH_OF_REPEATS if self._to_vcf else None
        for record, variant in read_variants(vcf):
            if variant.chrom not in self.used:
                self._see(vcf, variant.chrom)
            if limit is not None and variant.start + len(variant.reference) > limit:
                raise InputError(
                    f"{vcf.path}: {variant.chrom}:{variant.start + 1}: JUND_WINDOW does not fit a VCF there, whose "
                    f"integers end at {LARGEST_INTEGER:,}; write a table: -o effects.tsv"
                )
            yield record, variant
        self._finish(vcf.path)

    def declare(self, vcf: Vcf) -> None:
        """Put the chromosomes that records use, but the header lacks, into the header."""
        declared, sizes = vcf.file.header.contigs, self._genome.chromsizes
        for name, same in self.used.items():
            if name not in declared:
                declared.add(name, length=None if same is None else sizes[same])

    def _see(self, vcf: Vcf, name: str) -> None:
        sizes, contigs = self._genome.chromsizes, vcf.file.header.contigs
        same = self.used[name] = matching_name(name, sizes)
        length = contigs[name].length if name in contigs else None
        if same is None or length in (None, 0, sizes[same]):
            return
        problem = (
            f"{vcf.path}: {name} has {length} bases, but {same} of {self._genome.path} has {sizes[same]}: "
            "another assembly?"
        )
        if not self._allow:
            raise InputError(f"{problem} If the genome is a part of it, allow this with --allow-length-mismatch")
        warn("other_lengths", problem)

    def _finish(self, path: str | Path) -> None:
        if self._is_done:
            return
        self._is_done = True
        if self.used and not any(self.used.values()):
            raise InputError(
                f"{path}: no chromosome in common: its records name {some_names(self.used)}, while "
                f"{self._genome.path} has {some_names(self._genome.chromsizes)}; other names can be given with --alias"
            )
        say_other_names(path, self.used, self._genome.chromsizes)


def check_variants(path: str | Path, contigs: Contigs) -> None:
    """Read a VCF through, so that whatever is wrong with it is found before work.

    What comes through a pipe can be read only once: it is checked as it comes. Genotypes are skipped here.

    Raises
    ------
    InputError
        As :meth:`Contigs.checked` does.
    """
    if Path(path) == STDIN or not Path(path).is_file():
        return
    with open_vcf(path, genotypes=False) as vcf:
        _exhaust(contigs.checked(vcf))


def chromosomes_of(path: str | Path, chromsizes: ChromSizes) -> list[str]:
    """Return the genome's chromosomes that the records of a VCF lie on; none of what comes through a pipe."""
    if Path(path) == STDIN or not Path(path).is_file():
        return []
    with open_vcf(path, genotypes=False) as vcf:
        used = dict.fromkeys(variant.chrom for _, variant in read_variants(vcf))
    return [chrom for name in used if (chrom := matching_name(name, chromsizes)) is not None]


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass
