"""VCF and BCF, record by record, through pysam (htslib), and what is declared in the header of those written."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jundscan.alleles import STATUSES, Variant
from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError, JundscanError
from jundscan.intervals import say_other_names
from jundscan.names import matching_name, some_names
from jundscan.plan import Scan

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


@contextmanager
def open_vcf(path: str | Path) -> Iterator[Any]:
    """Open VCF or BCF; htslib's own messages are kept off the terminal, its failures are raised as ours.

    Yields
    ------
    pysam.VariantFile

    Raises
    ------
    InputError
        When it cannot be read.
    """
    pysam = pysam_module()
    verbosity = pysam.set_verbosity(0)
    try:
        try:
            file = pysam.VariantFile(str(path))
        except (OSError, ValueError) as err:
            reason = os.strerror(err.errno) if isinstance(err, OSError) and err.errno else str(err)
            raise InputError(f"{path}: cannot be read as VCF or BCF ({reason})") from err
        except NotImplementedError as err:
            raise InputError(f"{path}: gzipped, but not by bgzip: gunzip it, then bgzip it or leave it plain") from err
        with file:
            if file.format == "VCF" and file.compression == "NONE" and _ends_early(Path(str(path))):
                log.warning("%s: its last line has no end; was the file cut short?", path)
            yield file
    finally:
        pysam.set_verbosity(verbosity)


def _ends_early(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def read_variants(file: Any, path: str | Path) -> Iterator[tuple[Any, Variant]]:
    """Yield the records of an open VCF, each with the variant that it holds.

    Raises
    ------
    InputError
        When one cannot be read; the message counts them.
    """
    records = iter(file)
    number = 0
    while True:
        try:
            record = next(records, None)
        except (OSError, ValueError) as err:
            raise InputError(f"{path}: damaged or cut short at record {number + 1} ({err})") from err
        if record is None:
            return
        number += 1
        yield record, Variant(record.chrom, record.start, record.ref or _MISSING, record.alts or ())


def declare(file: Any, scan: Scan, path: str | Path, about: str) -> bool:
    """Put fields, contigs and where they come from into the header; tell whether no field was there before."""
    header = file.header
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
    with open_vcf(path) as file:
        for _ in read_variants(file, path):
            pass
        return list(file.header.contigs)


def position(file: Any) -> int:
    """Return the bytes of the input read so far; 0 where that cannot be told."""
    try:
        place: int = file.tell()
    except (OSError, ValueError, NotImplementedError):
        return 0
    return place >> 16 if file.compression == "BGZF" else place
