"""Read genes and transcripts from GTF, GFF3 or BED, compressed or not.

Of a GTF or GFF3, lines of genes and transcripts count. Where there are none, as in some files of UCSC, exons make up
the transcripts. Attributes are parsed by gffutils. Of a BED, each line is a transcript, and its name that of the gene.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jundscan.errors import JundscanError, TrackError
from jundscan.io.files import text_lines

_SKIPPED = (b"#", b"track ", b"track\t", b"browser ", b"browser\t")
_SEQUENCES = b"##FASTA"
"""Ends the features of a GFF3; the genome's sequence follows (GFF3 specification)."""
_GENE = re.compile(rb".*gene", re.IGNORECASE)
"""Types of genes: gene, pseudogene, ncRNA_gene, …"""
_TRANSCRIPT = re.compile(rb".*(transcript|rna|gene_segment)", re.IGNORECASE)
"""Types of transcripts: transcript, mRNA, lnc_RNA, V_gene_segment, …"""
_PART = re.compile(rb"exon|cds|start_codon|stop_codon|utr|(five|three)_prime_utr|[53]utr", re.IGNORECASE)
_QUOTED = re.compile(r"\s*[\w.]+ +[^\s=]")
"""Start of an attribute of a GTF, ``key "value"``. Those of a GFF3 are ``key=value``."""
_SEPARATORS = (" ; ", "; ", ";")
_GENE_NAMES = ("gene_name", "Name", "gene", "gene_symbol", "gene_id", "locus_tag", "ID")
_NAMES_OF_GENE_IN_TRANSCRIPT = ("gene_name", "gene", "gene_symbol")


class Feature(NamedTuple):
    """A gene or a transcript.

    Attributes
    ----------
    chrom : str
        As the file names it.
    start, end : int
        0-based half-open.
    strand : int
        1 or -1; 0 where the file states none.
    is_gene : bool
        False for a transcript.
    identity : str
        Of a gene, or of the transcript's gene. Empty where the file states none.
    name : str or None
        Of the gene. None where only the line of the gene states it.
    """

    chrom: str
    start: int
    end: int
    strand: int
    is_gene: bool
    identity: str
    name: str | None


def read_features(path: str | Path) -> list[Feature]:
    """Read the genes and transcripts of an annotation, in the order of the file.

    Parameters
    ----------
    path : str or pathlib.Path
        GTF, GFF3, or BED with at least four columns, compressed or not.

    Raises
    ------
    TrackError
        When the file cannot be read, or a line is none of such a file.
    JundscanError
        When gffutils is needed and not installed.
    """
    path = Path(path)
    if not _is_gff(path):
        return list(_read_bed(path))
    found = list(_read_gff(path, lambda kind: bool(_GENE.fullmatch(kind) or _TRANSCRIPT.fullmatch(kind))))
    return found or _join_parts(_read_gff(path, lambda kind: bool(_PART.fullmatch(kind))))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold features."""
    for number, line in text_lines(path, "genes"):
        if line.startswith(_SEQUENCES) or line.startswith(b">"):
            return
        if line.strip() and not line.startswith(_SKIPPED):
            yield number, line.rstrip(b"\r")


def _is_gff(path: Path) -> bool:
    """Return whether the first line has the nine columns of GTF and GFF3; False for BED."""
    for number, line in _lines(path):
        cells = line.split(b"\t")
        if len(cells) == 9 and cells[3].isdigit() and cells[4].isdigit() and cells[6] in (b"+", b"-", b".", b"?"):
            return True
        cells = cells if len(cells) > 1 else line.split()
        if len(cells) >= 3 and cells[1].isdigit() and cells[2].isdigit():
            return False
        raise TrackError(path, "is neither a line of GTF or GFF3 (nine columns) nor of BED", number)
    raise TrackError(path, "holds no gene")


def _read_bed(path: Path) -> Iterator[Feature]:
    for number, line in _lines(path):
        cells = line.split(b"\t") if b"\t" in line else line.split()
        if len(cells) < 4:
            raise TrackError(path, "a BED of genes needs at least four columns: the fourth is the gene's name", number)
        start, end = _positions(path, number, cells[1], cells[2])
        strand = cells[5] if len(cells) > 5 else b"."
        name = _text(path, number, cells[3])
        chrom = _text(path, number, cells[0])
        yield _checked(path, number, Feature(chrom, start, end, _strand(strand), False, name, name))


def _read_gff(path: Path, is_wanted: Callable[[bytes], bool]) -> Iterator[Feature]:
    """Yield the features of some types. A transcript's identity is that of its gene, a part's that of its transcript.

    In a GFF3, what belongs to a transcript and is of a transcript's type, such as a mature miRNA, is left out.
    """
    parse = _attribute_parser()
    wanted: dict[bytes, bool] = {}
    transcripts: set[str] = set()
    for number, line in _lines(path):
        cells = line.split(b"\t")
        if len(cells) != 9:
            raise TrackError(path, f"has {len(cells)} columns, GTF and GFF3 have nine", number)
        kind = cells[2]
        if kind not in wanted:
            wanted[kind] = is_wanted(kind)
        if not wanted[kind]:
            continue
        text = _text(path, number, cells[8])
        is_gtf = bool(_QUOTED.match(text))
        attributes = parse(text, is_gtf)
        is_gene = bool(_GENE.fullmatch(kind))
        if is_gtf:
            identity, name = _first(attributes, ("gene_id", "gene_name", "gene")), _first(attributes, _GENE_NAMES)
            if not is_gene and _PART.fullmatch(kind):
                identity = f"{identity}\t{_first(attributes, ('transcript_id',)) or ''}"
        else:
            own, parent = _first(attributes, ("ID",)), _first(attributes, ("Parent",))
            if not is_gene:
                if parent in transcripts:
                    continue
                transcripts.add(own or "")
            identity = own if is_gene else parent or own
            name = _first(attributes, _GENE_NAMES if is_gene or not parent else _NAMES_OF_GENE_IN_TRANSCRIPT)
        start, end = _positions(path, number, cells[3], cells[4])
        chrom, strand = _text(path, number, cells[0]), _strand(cells[6])
        yield _checked(path, number, Feature(chrom, start - 1, end, strand, is_gene, identity or name or "", name))


def _join_parts(parts: Iterator[Feature]) -> list[Feature]:
    """Join exons to transcripts."""
    extents: dict[tuple[str, int, str], Feature] = {}
    for part in parts:
        key = part.chrom, part.strand, part.identity
        known = extents.setdefault(key, part)
        extents[key] = known._replace(start=min(known.start, part.start), end=max(known.end, part.end))
    return [one._replace(identity=one.identity.partition("\t")[0] or one.name or "") for one in extents.values()]


def _attribute_parser() -> Callable[[str, bool], Any]:
    """Return a function that parses attributes, of a GTF or else a GFF3, to a mapping of lists."""
    try:
        from gffutils.feature import feature_from_line
    except ImportError as err:
        raise JundscanError("a GTF or GFF3 needs gffutils; run: pip install 'jundscan[genes]'") from err
    columns = "\t".join((".", ".", ".", "1", "1", ".", ".", ".", ""))
    # gffutils would derive the dialect from each line, which takes twice the time
    dialects = {
        (is_gtf, separator): _dialect(is_gtf, separator) for is_gtf in (True, False) for separator in _SEPARATORS
    }

    def parse(text: str, is_gtf: bool) -> Any:
        separator = next((one for one in _SEPARATORS if one in text), _SEPARATORS[-1])
        return feature_from_line(columns + text, dialect=dialects[is_gtf, separator]).attributes

    return parse


def _dialect(is_gtf: bool, separator: str) -> dict[str, object]:
    """Return how attributes are written, in the terms of gffutils."""
    return {
        "fmt": "gtf" if is_gtf else "gff3",
        "field separator": separator,
        "keyval separator": " " if is_gtf else "=",
        "multival separator": ",",
        "leading semicolon": False,
        "trailing semicolon": True,
        "semicolon in quotes": is_gtf,
        "quoted GFF2 values": is_gtf,
        "repeated keys": is_gtf,
        "order": [],
    }


def _first(attributes: Any, keys: tuple[str, ...]) -> str | None:
    """Return the first value of the first key that has one."""
    return next((value[0] for key in keys if key in attributes and (value := attributes[key]) and value[0]), None)


def _strand(cell: bytes) -> int:
    return {b"+": 1, b"-": -1}.get(cell, 0)


def _text(path: Path, number: int, cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as err:
        raise TrackError(path, "is not UTF-8 text; save it as UTF-8", number) from err


def _positions(path: Path, number: int, start: bytes, end: bytes) -> tuple[int, int]:
    if not (start.isdigit() and end.isdigit()):
        shown = f"start {start.decode(errors='replace')!r} and end {end.decode(errors='replace')!r}"
        raise TrackError(path, f"{shown} must be whole numbers", number)
    return int(start), int(end)


def _checked(path: Path, number: int, feature: Feature) -> Feature:
    if not 0 <= feature.start < feature.end:
        raise TrackError(path, f"a gene from {feature.start} to {feature.end} (0-based) holds no base", number)
    return feature
