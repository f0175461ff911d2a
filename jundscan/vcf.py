"""VCF and BCF, record by record, through pysam (htslib), and what is declared in the header of those written."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jundscan.alleles import STATUSES, Variant
from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError, JundscanError
from jundscan.files import packing
from jundscan.intervals import say_other_names
from jundscan.names import matching_name, some_names
from jundscan.plan import Scan
from jundscan.vcf_feed import Feed

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
    feed: Feed


@contextmanager
def open_vcf(path: str | Path) -> Iterator[Vcf]:
    """Open VCF or BCF; htslib's own messages are kept off the terminal, its failures are raised as ours.

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
        feed = Feed(Path(path))
        try:
            file = pysam.VariantFile(feed.outlet)
        except (OSError, ValueError, TypeError) as err:  # the last when pysam wants to name a file that has no name
            raise feed.error or InputError(f"{path}: cannot be read as VCF or BCF; is its header whole?") from err
        with file:
            if file.format == "VCF" and _ends_early(Path(path)):
                log.warning("%s: its last line has no end; was the file cut short?", path)
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
        When one cannot be read; the message counts them.
    """
    records = iter(vcf.file)
    number = 0
    while True:
        number += 1
        try:
            record = next(records, None)
            found = record and Variant(record.chrom, record.start, record.ref or _MISSING, record.alts or ())
        except (OSError, ValueError) as err:
            raise vcf.feed.error or InputError(f"{vcf.path}: damaged or cut short at record {number} ({err})") from err
        if found is None:
            break
        chrom, _, reference, alternatives = found
        if not chrom or chrom.startswith("#"):  # written again it would be a comment
            raise InputError(f"{vcf.path}: record {number}: its chromosome cannot be {chrom!r}")
        if tuple(alternatives) == (_MISSING,):  # None stands for a missing ALT, this for nothing at all
            raise InputError(f"{vcf.path}: record {number}: nothing is written for its ALT")
        windows = sum(map(len, alternatives)) + len(alternatives) * (len(reference) + WINDOW_LENGTH)
        if windows > MOST_WINDOWS:
            raise InputError(
                f"{vcf.path}: record {number}: its alleles touch some {windows:,} windows, more than {MOST_WINDOWS:,}; "
                "leave it out"
            )
        yield record, found
    if vcf.feed.error is not None:
        raise vcf.feed.error


def declare(vcf: Vcf, scan: Scan, about: str) -> bool:
    """Put fields, contigs and where they come from into the header; tell whether no field was there before."""
    path, header = vcf.path, vcf.file.header
    sizes = scan.genome.chromsizes
    for name in _names_used(path) if not len(header.contigs) and Path(path).is_file() else ():
        same = matching_name(name, sizes)
        header.contigs.add(name, length=None if same is None else sizes[same])
    contigs = list(header.contigs)
    if contigs and not any(matching_name(name, sizes) for name in contigs):
        raise InputError(
            f"{path}: no chromosome in common: it names {some_names(contigs)}, "
            f"while {scan.genome.path} has {some_names(sizes)}"
        )
    say_other_names(path, contigs, sizes)
    for name in contigs:
        same, length = matching_name(name, sizes), header.contigs[name].length
        if same is not None and length not in (None, 0, sizes[same]):
            log.warning(
                "%s: %s has %d bases, but %s of %s has %d: another assembly?",
                *(path, name, length, same, scan.genome.path, sizes[same]),
            )
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


def _names_used(path: str | Path) -> list[str]:
    """Read the file through for the chromosomes that its header does not declare."""
    with open_vcf(path) as vcf:
        for _ in read_variants(vcf):
            pass
        return list(vcf.file.header.contigs)
