"""Tables of variants as lines of a VCF: tab-separated or comma-separated text with chrom, pos, ref and alt.

Positions are 1-based, as in a VCF. A table is recognised by its first lines and never by its name.
"""

from __future__ import annotations

import codecs
import csv
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from jundscan.errors import TrackError
from jundscan.io.vcf_columns import VCF_COLUMNS, VCF_FIRST_LINE

REQUIRED = ("chrom", "pos", "ref", "alt")
SYNONYMS: dict[str, tuple[str, ...]] = {
    "chrom": ("chrom", "chr", "chromosome", "contig"),
    "pos": ("pos", "position", "bp"),
    "ref": ("ref", "reference", "ref_allele", "reference_allele"),
    "alt": ("alt", "alternative", "alternate", "alt_allele", "alternative_allele", "alternate_allele"),
    "id": ("id", "rsid", "snp", "name", "snp_id", "variant_id"),
}
"""Names of columns, in lower case. Blanks inside a name count as ``_``, and a leading ``#`` is left out."""
_DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons"}
_HEADER = "\t".join(VCF_COLUMNS)
_ALLELE = re.compile(r"[ACGTNacgtn]+(,[ACGTNacgtn*]+)*|<[^<>\s]+>|\*|-")
_POSITION = re.compile(r"\s*[0-9]{1,18}\s*")
_SHOWN = 40  # letters of a cell in a message


class TableFormat(NamedTuple):
    """How a table of variants is to be read.

    Attributes
    ----------
    delimiter : str
    columns : dict of str to int
        Index of each column that is read: those of :data:`REQUIRED`, and maybe ``id``.
    header : list of str or None
        Cells of the line that names the columns. None: there is no such line.
    """

    delimiter: str
    columns: dict[str, int]
    header: list[str] | None

    def describe(self) -> str:
        """Describe in one line how the table is read."""
        text = f"a table separated by {_DELIMITERS[self.delimiter]}"
        order = sorted(self.columns, key=self.columns.__getitem__)
        if self.header is None:
            return f"{text}, without a header: its columns count as {', '.join(order)}; positions are 1-based"
        read = ", ".join(self.header[self.columns[name]] for name in order)
        others = [name for at, name in enumerate(self.header) if at not in self.columns.values()]
        passed_over = f"; columns that are not read: {', '.join(others)}" if others else ""
        return f"{text} with {read}; positions are 1-based{passed_over}"


class LineNumbers:
    """The line of each record. Lines between records, such as comments, are few."""

    def __init__(self) -> None:
        self._shifts: list[tuple[int, int]] = []  # first record with a shift, and line - record

    def add(self, record: int, line: int) -> None:
        """Note the line of a record. Records come in order."""
        if not self._shifts or self._shifts[-1][1] != line - record:
            self._shifts.append((record, line - record))

    def line(self, record: int) -> int:
        """Return the line of a record."""
        at = bisect_right(self._shifts, record, key=itemgetter(0)) - 1
        return record + self._shifts[at][1] if at >= 0 else record


def find_format(head: bytes) -> TableFormat | None:
    r"""Return how to read a table by the first bytes of a file; None for a VCF and for anything else.

    Examples
    --------
    >>> find_format(b"SNP,chr,position,ref,alt,p\nrs1,1,500,A,C,0.1\n").columns
    {'chrom': 1, 'pos': 2, 'ref': 3, 'alt': 4, 'id': 0}
    >>> find_format(b"chr1\t500\trs1\tA\tC\n").columns
    {'chrom': 0, 'pos': 1, 'id': 2, 'ref': 3, 'alt': 4}
    >>> find_format(b"##fileformat=VCFv4.2\n"), find_format(b"chr1\t500\t.\tA\tC\t.\t.\t.\n")
    (None, None)
    """
    if head.startswith(b"##"):
        return None
    for line in head.decode(errors="replace").split("\n"):
        if not line.strip():
            continue
        with suppress(csv.Error):  # a cell that is too long
            for delimiter in _DELIMITERS:
                if (found := _format_of(line.removesuffix("\r"), delimiter)) is not None:
                    return found
        if not line.startswith("#") or _is_header_of_others(line):
            return None
    return None


def _is_header_of_others(line: str) -> bool:
    """Return whether a comment names columns, whose alleles have names that are not known, such as A1 and A2."""
    names = set(re.split(r"[\t,; ]+", line.lstrip("# ").lower()))
    return all(not names.isdisjoint(SYNONYMS[column]) for column in ("chrom", "pos"))


def _format_of(line: str, delimiter: str) -> TableFormat | None:
    cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    if len(cells) < len(REQUIRED) or cells[: len(VCF_COLUMNS)] == list(VCF_COLUMNS):
        return None
    named = [re.sub(r"\s+", "_", cell.lstrip("# ").lower()) for cell in cells]
    columns = {
        column: next((at for at, name in enumerate(named) if name in names), -1) for column, names in SYNONYMS.items()
    }
    if all(columns[column] >= 0 for column in REQUIRED):
        return TableFormat(delimiter, {column: at for column, at in columns.items() if at >= 0}, cells)
    if line.startswith("#") or (delimiter == "\t" and len(cells) >= len(VCF_COLUMNS)):
        return None  # a VCF without its header
    for order in (("chrom", "pos", "ref", "alt", "id"), ("chrom", "pos", "id", "ref", "alt")):
        columns = {column: at for at, column in enumerate(order) if at < len(cells)}
        if set(REQUIRED) <= set(columns) and _is_record(cells, columns):
            return TableFormat(delimiter, columns, None)
    return None


def _is_record(cells: list[str], columns: dict[str, int]) -> bool:
    is_position = _POSITION.fullmatch(cells[columns["pos"]]) is not None
    return is_position and all(_ALLELE.fullmatch(cells[columns[name]]) for name in ("ref", "alt"))


def table_to_vcf(path: Path, chunks: Iterable[bytes], table: TableFormat, numbers: LineNumbers) -> Iterator[bytes]:
    """Yield the lines of a table as chunks of a VCF without INFO.

    Parameters
    ----------
    path : pathlib.Path
        The table, for messages.
    chunks : iterable of bytes
        Its UTF-8 text, decompressed.
    table : TableFormat
    numbers : LineNumbers
        Gets the line of each record.

    Raises
    ------
    TrackError
        When a row lacks a cell, or a cell cannot stand in a VCF. Alleles are checked by
        :func:`jundscan.io.vcf.read_variants`.
    """
    yield f"{VCF_FIRST_LINE}\n{_HEADER}\n".encode()
    is_header_ahead, record = table.header is not None, 0
    lines = _Lines()
    for some in lines.split(chunks):
        rows, before = csv.reader(some, delimiter=table.delimiter, strict=True), lines.number
        made = []
        try:
            for cells in rows:
                first = "" if not cells else cells[0].lstrip()
                if not any(map(str.strip, cells)):
                    continue
                if is_header_ahead and [cell.strip() for cell in cells] == table.header:
                    is_header_ahead = False
                    continue
                number = before + rows.line_num
                if first.startswith("#"):
                    continue
                record += 1
                numbers.add(record, number)
                made.append(_vcf_line(path, number, cells, table.columns))
        except csv.Error as err:
            raise TrackError(path, f"a quoted cell does not end in its line ({err})", before + rows.line_num) from err
        lines.number = before + rows.line_num
        yield "".join(made).encode()


class _Lines:
    """Split decompressed text into whole lines; ``number`` counts the lines before the current ones."""

    def __init__(self) -> None:
        self.number = 0

    def split(self, chunks: Iterable[bytes]) -> Iterator[list[str]]:
        """Yield the whole lines of each chunk."""
        decoder, rest = codecs.getincrementaldecoder("utf-8")(), ""
        for chunk in chunks:
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            if lines:
                yield [line.removesuffix("\r") for line in lines]
        if rest:
            yield [rest.removesuffix("\r")]


def _vcf_line(path: Path, number: int, cells: list[str], columns: dict[str, int]) -> str:
    needed = 1 + max(columns[name] for name in REQUIRED)
    if len(cells) < needed:
        raise TrackError(path, f"has {len(cells)} columns; {', '.join(REQUIRED)} need {needed}", number)
    chrom, pos, ref, alt = (cells[columns[name]].strip() for name in REQUIRED)
    at = columns.get("id", len(cells))
    name = cells[at].strip() if at < len(cells) else ""
    if not chrom or re.search(r"\s", chrom):
        raise TrackError(path, f"its chromosome cannot be {_short(chrom)}", number)
    if not _POSITION.fullmatch(pos):
        raise TrackError(path, f"its position {_short(pos)} is no whole number; write it as in a VCF: 12345", number)
    if int(pos) == 0:
        raise TrackError(path, "its position is 0, but positions of a table count from 1, as in a VCF; add 1", number)
    for column, allele in (("ref", ref), ("alt", alt)):
        if allele in ("", "-"):
            problem = f"its {column} is {_short(allele)}; write an indel as a VCF does, with the base before it"
            raise TrackError(path, problem, number)
        if re.search(r"\s", allele):
            raise TrackError(path, f"its {column} {_short(allele)} holds blanks; separate alleles by commas", number)
    if not name.isprintable():
        raise TrackError(path, f"its id {_short(name)} holds control characters", number)
    return f"{chrom}\t{int(pos)}\t{name or '.'}\t{ref}\t{alt}\t.\t.\t.\n"


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…")
