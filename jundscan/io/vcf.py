"""VCF, BCF and tables of variants, read record by record with pysam (htslib), and what their alleles may be."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError, JundscanError, TrackError, warn
from jundscan.io.files import compression_of
from jundscan.io.vcf_guard import BoundedVcfPipe

log = logging.getLogger("jundscan")

MAX_WINDOWS = 1 << 20
"""Maximum windows that the alleles of one record touch, because memory holds them all at once."""

AlleleKind = Literal["sequence", "ambiguous", "symbolic", "spanning_deletion", "no_alternative", "breakend"]
_LETTERS = "[ACGTNRYSWKMBDHVacgtnryswkmbdhv]"
_MATE = r"(?:\[[^][\s]+:[0-9]+\[|\][^][\s]+:[0-9]+\])"
_ALLELE_PATTERNS: tuple[tuple[AlleleKind, re.Pattern[str]], ...] = (
    ("sequence", re.compile("[ACGTNacgtn]+")),
    ("ambiguous", re.compile(f"{_LETTERS}+")),
    ("symbolic", re.compile(rf"{_LETTERS}*<[^<>\s]+>")),
    ("spanning_deletion", re.compile(r"\*")),
    ("no_alternative", re.compile(r"\.")),
    ("breakend", re.compile(rf"(?:{_LETTERS}+|\.){_MATE}|{_MATE}(?:{_LETTERS}+|\.)|\.{_LETTERS}+|{_LETTERS}+\.")),
)
"""What an ALT may be, by VCF 4.3, sections 1.6.1 and 5.4.

A single breakend has a point on one side. An inserted contig follows its base, as in ``C<ctg1>``.
"""
_MISSING = "."
_BASES = frozenset("ACGT")
_SUBSTITUTIONS = frozenset((base,) for base in _BASES)
"""ALT of most records, which need no other check."""


class Variant(NamedTuple):
    """A site with its alternative alleles.

    Attributes
    ----------
    chrom : str
        As the file names it.
    start : int
        0-based position of the first letter of ``reference`` (POS - 1 of a VCF).
    reference : str
        Letters of the genome, either case.
    alternatives : sequence of str
        Alternative alleles as in a VCF, symbolic ones and breakends among them.
    """

    chrom: str
    start: int
    reference: str
    alternatives: Sequence[str]


def allele_kind(alternative: str) -> AlleleKind | None:
    """Return the kind of an alternative allele; None for text that is no allele of a VCF."""
    for kind, pattern in _ALLELE_PATTERNS:
        if pattern.fullmatch(alternative):
            return kind
    return None


def allele_problem(reference: str, alternatives: Sequence[str]) -> str | None:
    """Describe what is wrong with the alleles of a record; None when they may stand in a VCF.

    Parameters
    ----------
    reference : str
        REF: bases, or ``.`` where no ALT is a sequence, as some programs write it beside breakends.
    alternatives : sequence of str
        ALT, allele by allele.

    Examples
    --------
    >>> allele_problem("A", ["C", "<DEL>"]), allele_problem("A", ["A1"])
    (None, "ALT 'A1' is no allele of a VCF: bases (ACGTN), <NAME>, * or a breakend")
    """
    has_sequence = False
    for alternative in alternatives:
        kind = allele_kind(alternative)
        if kind is None:
            if not alternative:
                return "ALT must not be empty; write an indel as a VCF does, with the base before it"
            return f"ALT {alternative!r} is no allele of a VCF: bases (ACGTN), <NAME>, * or a breakend"
        has_sequence |= kind == "sequence"
    if not reference:
        return "REF must not be empty; write an indel as a VCF does, with the base before it"
    if not re.fullmatch(f"{_LETTERS}+", reference) and (has_sequence or reference != "."):
        return f"REF {reference!r} is no sequence: write the bases (ACGTN) that the genome has there"
    return None


def import_pysam() -> Any:
    """Import pysam.

    Raises
    ------
    JundscanError
        When it is not installed.
    """
    try:
        import pysam
    except ImportError as err:
        raise JundscanError("VCF needs pysam: run pip install 'jundscan[hts]'") from err
    return pysam


class Vcf(NamedTuple):
    """An open VCF, BCF or table of variants.

    Attributes
    ----------
    path : str or pathlib.Path
        Its name for messages.
    file : pysam.VariantFile
    pipe : BoundedVcfPipe
        Brings the bytes to pysam.
    """

    path: str | Path
    file: Any
    pipe: BoundedVcfPipe


@contextmanager
def open_vcf(path: str | Path, genotypes: bool = True) -> Iterator[Vcf]:
    """Open a VCF, a BCF or a table of variants.

    htslib prints nothing to the terminal, and its failures are raised as InputError.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, compressed or not. ``-`` is standard input.
    genotypes : bool
        Whether records keep the columns of samples.

    Yields
    ------
    Vcf

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    pysam = import_pysam()
    verbosity = pysam.set_verbosity(0)
    pipe = None
    try:
        pipe = BoundedVcfPipe(Path(path))
        try:
            file = pysam.VariantFile(pipe.outlet, drop_samples=not genotypes)
        except (OSError, ValueError, TypeError) as err:  # pysam's message fails with TypeError without a file name
            raise pipe.error or InputError(f"{path}: cannot be read as VCF or BCF; is its header complete?") from err
        with file:
            if genotypes and file.format == "VCF" and pipe.table is None and _lacks_line_end(Path(path)):
                warn("unended_line", f"{path}: its last line has no end; was the file cut short?")
            yield Vcf(path, file, pipe)
    finally:
        if pipe is not None:
            pipe.close()
        pysam.set_verbosity(verbosity)


def _lacks_line_end(path: Path) -> bool:
    if not path.is_file() or compression_of(path) is not None:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def log_table(vcf: Vcf) -> None:
    """Log how a table is read; nothing for VCF and BCF."""
    if vcf.pipe.table is not None:
        log.info("%s: %s", vcf.path, vcf.pipe.table.describe())


def read_variants(vcf: Vcf) -> Iterator[tuple[Any, Variant]]:
    """Yield the records of an open file, each with its variant.

    Raises
    ------
    InputError
        When a record cannot be read, or breaks the rules of VCF. The message names the line, or the number of a
        BCF's record.
    """
    records = iter(vcf.file)
    number = 0
    while True:
        number += 1
        try:
            record = next(records, None)
            variant = record and Variant(record.chrom, record.start, record.ref or _MISSING, record.alts or ())
        except (OSError, ValueError) as err:
            raise vcf.pipe.error or _record_error(vcf, number, f"damaged or cut short ({err})") from err
        if variant is None:
            break
        chrom, _, reference, alternatives = variant
        if not chrom or chrom.startswith("#"):  # an output would hold it as a comment
            raise _record_error(vcf, number, f"its chromosome cannot be {chrom!r}")
        if alternatives not in _SUBSTITUTIONS or reference not in _BASES:
            _check_alleles(vcf, number, reference, alternatives)
        yield record, variant
    if vcf.pipe.error is not None:
        raise vcf.pipe.error


def _check_alleles(vcf: Vcf, number: int, reference: str, alternatives: Sequence[str]) -> None:
    if tuple(alternatives) == (_MISSING,):  # pysam returns None for a missing ALT, and this for an empty column
        raise _record_error(vcf, number, "its ALT is empty")
    if (problem := allele_problem(reference, alternatives)) is not None:
        raise _record_error(vcf, number, problem)
    windows = sum(map(len, alternatives)) + len(alternatives) * (len(reference) + WINDOW_LENGTH)
    if windows > MAX_WINDOWS:
        problem = f"its alleles touch some {windows:,} windows, more than {MAX_WINDOWS:,}; leave it out"
        raise _record_error(vcf, number, problem)


def _record_error(vcf: Vcf, number: int, problem: str) -> InputError:
    """Return the error of a record, which names its line where the file is text."""
    if (line := vcf.pipe.line_of(number)) is not None:
        return TrackError(vcf.path, problem, line)
    return InputError(f"{vcf.path}: record {number}: {problem}")
