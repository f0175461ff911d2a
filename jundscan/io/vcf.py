"""VCF and BCF, record by record, through pysam (htslib), and what is declared in the header of those written."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError, JundscanError, TrackError, warn
from jundscan.io.alleles import STATUSES, Variant, problem_of
from jundscan.io.files import packing
from jundscan.io.vcf_guard import BoundedVcfPipe

log = logging.getLogger("jundscan")

FIELDS = {
    "JUND_REF": ("Float", "Best probability that JUND binds among the windows that the allele touches, on REF"),
    "JUND_ALT": ("Float", "The same on ALT; each allele alone, phased neighbours are not combined"),
    "JUND_DIFF": ("Float", "Logit of JUND_ALT minus logit of JUND_REF"),
    "JUND_WINDOW": ("Integer", f"First base (1-based, on REF) of the {WINDOW_LENGTH}-base window that changes most"),
    "JUND_WINDOW_DIFF": ("Float", "Logit on ALT minus logit on REF of that window"),
    "JUND_HIT": ("String", "gained, lost, kept or none: whether the best window reaches the threshold, REF to ALT"),
    "JUND_FPR_REF": (
        "Float",
        "Share of unbound windows that score JUND_REF or more, by calibration; missing below its table",
    ),
    "JUND_FPR_ALT": (
        "Float",
        "Share of unbound windows that score JUND_ALT or more, by calibration; missing below its table",
    ),
    "JUND_STATUS": ("String", f"What became of the allele: {', '.join(STATUSES)}"),
}
"""INFO fields, one value for each ALT: type and description."""
MOST_WINDOWS = 1 << 20
"""Most windows that the alleles of one record may touch: all of them are in memory at once."""
_MISSING = "."
_BASES = frozenset("ACGT")
_SUBSTITUTIONS = frozenset((base,) for base in _BASES)
"""ALT of most records: they need no closer look."""


def pysam_module() -> Any:
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
    """An open VCF or BCF.

    Attributes
    ----------
    path : str or pathlib.Path
        Its name for messages.
    file : pysam.VariantFile
    feed : Feed
        What brings it to pysam.
    """

    path: str | Path
    file: Any
    feed: BoundedVcfPipe


@contextmanager
def open_vcf(path: str | Path, genotypes: bool = True) -> Iterator[Vcf]:
    """Open VCF or BCF; htslib's own messages are kept off the terminal, its failures are raised as ours.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, compressed or not; ``-`` is standard input.
    genotypes : bool
        Whether records keep the columns of samples.

    Yields
    ------
    Vcf

    Raises
    ------
    InputError
        When it cannot be read.
    """
    pysam = pysam_module()
    verbosity = pysam.set_verbosity(0)
    feed = None
    try:
        feed = BoundedVcfPipe(Path(path))
        try:
            file = pysam.VariantFile(feed.outlet, drop_samples=not genotypes)
        except (OSError, ValueError, TypeError) as err:  # the last when pysam wants to name a file that has no name
            raise feed.error or InputError(f"{path}: cannot be read as VCF or BCF; is its header whole?") from err
        with file:
            if genotypes and file.format == "VCF" and _ends_early(Path(path)):
                warn("unended_line", f"{path}: its last line has no end; was the file cut short?")
            yield Vcf(path, file, feed)
    finally:
        if feed is not None:
            feed.close()
        pysam.set_verbosity(verbosity)


def _ends_early(path: Path) -> bool:
    if not path.is_file() or packing(path) is not None:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def read_variants(vcf: Vcf) -> Iterator[tuple[Any, Variant]]:
    """Yield the records of an open VCF, each with the variant that it holds.

    Raises
    ------
    InputError
        When one cannot be read, or is no VCF; the message names the line, or the number of a BCF's record.
    """
    records = iter(vcf.file)
    number = 0
    while True:
        number += 1
        try:
            record = next(records, None)
            found = record and Variant(record.chrom, record.start, record.ref or _MISSING, record.alts or ())
        except (OSError, ValueError) as err:
            raise vcf.feed.error or _fault(vcf, number, f"damaged or cut short ({err})") from err
        if found is None:
            break
        chrom, _, reference, alternatives = found
        if not chrom or chrom.startswith("#"):  # written again it would be a comment
            raise _fault(vcf, number, f"its chromosome cannot be {chrom!r}")
        if alternatives not in _SUBSTITUTIONS or reference not in _BASES:
            _check_alleles(vcf, number, reference, alternatives)
        yield record, found
    if vcf.feed.error is not None:
        raise vcf.feed.error


def _check_alleles(vcf: Vcf, number: int, reference: str, alternatives: Sequence[str]) -> None:
    if tuple(alternatives) == (_MISSING,):  # None stands for a missing ALT, this for nothing at all
        raise _fault(vcf, number, "nothing is written for its ALT")
    if (problem := problem_of(reference, alternatives)) is not None:
        raise _fault(vcf, number, problem)
    windows = sum(map(len, alternatives)) + len(alternatives) * (len(reference) + WINDOW_LENGTH)
    if windows > MOST_WINDOWS:
        raise _fault(
            vcf, number, f"its alleles touch some {windows:,} windows, more than {MOST_WINDOWS:,}; leave it out"
        )


def _fault(vcf: Vcf, number: int, problem: str) -> InputError:
    """Say what is wrong with a record, by its line where the file is text."""
    if vcf.feed.header_lines:
        return TrackError(vcf.path, problem, vcf.feed.header_lines + number)
    return InputError(f"{vcf.path}: record {number}: {problem}")


def declare(vcf: Vcf, about: str) -> bool:
    """Put fields and where they come from into the header; tell whether no field was there before."""
    path, header = vcf.path, vcf.file.header
    fresh = True
    for key, (kind, text) in FIELDS.items():
        if key in header.info:
            fresh = False
            if (header.info[key].number, header.info[key].type) != ("A", kind):
                raise InputError(f"{path}: declares {key} otherwise than jundscan does; remove that field first")
        else:
            header.info.add(key, "A", kind, text)
    for line in about.splitlines():
        header.add_line(f"##jundscan={line.removeprefix('# ')}")
    return fresh
