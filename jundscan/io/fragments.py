"""Fragments of single-cell ATAC-seq as text: chromosome, start, end, barcode, count, of 10x, ArchR or SnapATAC2.

Coordinates are 0-based half-open. The ends are those that Cell Ranger writes: already shifted to the centre of the
transposase. Each line is one fragment. The count is that of its PCR copies, and is not read. Columns are separated by
tabs. The barcode and the count may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import TrackError, format_count
from jundscan.io.files import text_blocks

MIN_COLUMNS, BARCODE_COLUMN, MAX_COLUMNS = 3, 4, 5
_SAMPLED_LINES = 1000
_NAME_BYTES = 64
_MAX_END = 1 << 34
"""Maximum end in bases, as for other text tracks."""
_MAX_DIGITS = 20
_HEADER = re.compile(rb"# ?(id|description|pipeline_name|primary_contig)=")
"""Lines at the head of a file of Cell Ranger."""
_BARCODE = re.compile(rb"(.*[^A-Za-z])?[ACGTN]{10,}([^A-Za-z].*)?")
"""Ten or more bases, with a sample before them or a suffix: ``AAACGAAAGACTCGGA-1``, ``donor#TTATGTCAGTGATTAG``."""
_NAMED = re.compile(r"fragments?(?![a-z])", re.IGNORECASE)
_ONLY_FRAGMENTS = re.compile(r"fragments?\.(tsv|txt)(\.b?gz)?", re.IGNORECASE)
"""End of the name of a file that is nothing but fragments, whatever its columns."""
_SKIPPED = (b"track ", b"track\t", b"browser ", b"browser\t")
_COUNT = re.compile(rb"[0-9]+")
_NUMBER = re.compile(rb"\s*[-+]?([0-9.]+(e[-+]?[0-9]+)?|nan|inf)\s*", re.IGNORECASE)


class FragmentBlock(NamedTuple):
    """Fragments of some lines.

    Attributes
    ----------
    runs : list of (bytes, int)
        Chromosomes in the order of the lines, each with the number of its lines.
    starts, ends : numpy.ndarray, shape=(n,), dtype=int64
    barcodes : list of bytes
        Empty where they are not asked for.
    """

    runs: list[tuple[bytes, int]]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    barcodes: list[bytes]


def is_fragments(path: Path, head: bytes) -> bool:
    r"""Return whether a file holds fragments, by its first lines.

    It does when column 4 of all lines holds barcodes and column 5, if any, whole numbers, or when Cell Ranger wrote its
    header. A file with ``fragments`` in its name may lack barcodes, or have other names in their place.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    head : bytes
        Its first bytes, decompressed. The last line may be cut.

    Examples
    --------
    >>> is_fragments(Path("a.bed"), b"chr1\t5\t90\tAAACGAAAGACTCGGA-1\t2\n")
    True
    >>> is_fragments(Path("a.bed"), b"chr1\t5\t90\tpeak_1\t2\n"), is_fragments(Path("a.bed"), b"chr1\t5\t90\t2.5\n")
    (False, False)
    """
    lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(lines) > 1:
        del lines[-1]
    if any(map(_HEADER.match, islice((line for line in lines if line.startswith(b"#")), 100))):
        return True
    if any(line.startswith(_SKIPPED) for line in lines):
        return False
    rows = [line.rstrip(b"\r").split(b"\t") for line in lines if line.strip() and not line.startswith(b"#")]
    rows = rows[:_SAMPLED_LINES]
    columns = max(map(len, rows), default=0)
    if not columns or any(b" " in row[0] for row in rows):
        return False
    if _ONLY_FRAGMENTS.search(path.name):
        return True
    is_named = _NAMED.search(path.name) is not None
    has_barcodes = columns > MIN_COLUMNS and all(
        len(row) == columns
        and _BARCODE.fullmatch(row[BARCODE_COLUMN - 1])
        and (columns < MAX_COLUMNS or _COUNT.fullmatch(row[MAX_COLUMNS - 1]))
        for row in rows
    )
    if columns > MAX_COLUMNS:
        return is_named and has_barcodes
    if has_barcodes:
        return True
    has_values = columns > MIN_COLUMNS and all(map(_NUMBER.fullmatch, (row[-1] for row in rows))) and columns == 4
    return is_named and columns >= MIN_COLUMNS and not has_values


def read_fragments(path: Path, with_barcodes: bool = False) -> Iterator[FragmentBlock]:
    """Read a file of fragments once, many lines at a time.

    Parameters
    ----------
    path : pathlib.Path
        The file, compressed or not.
    with_barcodes : bool
        Whether to read column 4.

    Yields
    ------
    FragmentBlock

    Raises
    ------
    TrackError
        When the file cannot be read or is cut short. Also with the line's number when a line has fewer than 3 columns
        (4 with barcodes) or more than 5, or other columns than the first, a coordinate is no whole number, or start is
        not less than end.
    """
    is_head, columns = True, 0
    for number, lines in text_blocks(path, "track"):
        first = 0
        while is_head and first < len(lines) and _is_skipped(lines[first]):
            first += 1
        is_head = is_head and first == len(lines)
        wanted = lines[first:] if first else lines
        if not wanted:
            continue
        if wanted[0].endswith(b"\r"):
            wanted = [line.rstrip(b"\r") for line in wanted]
        columns = columns or wanted[0].count(b"\t") + 1
        block = _parse_at_once(wanted, columns, with_barcodes)
        if block is None:
            block = _parse_lines(path, number + first, wanted, columns, with_barcodes)
        if block.runs:
            yield block


def _is_skipped(line: bytes) -> bool:
    return line.startswith(b"#") or not line.strip()


def _parse_at_once(lines: Sequence[bytes], columns: int, with_barcodes: bool) -> FragmentBlock | None:
    """Parse all lines quickly, or return None: a line is wrong, or to be skipped."""
    needed = BARCODE_COLUMN if with_barcodes else MIN_COLUMNS
    text = b"\n".join(lines)
    if not needed <= columns <= MAX_COLUMNS or text.count(b"\t") != (columns - 1) * len(lines) or b"\0" in text:
        return None
    text_type = f"S{_NAME_BYTES}"
    kinds = np.dtype([("chrom", text_type), ("start", np.int64), ("end", np.int64), ("barcode", text_type)][:needed])
    try:
        table = np.loadtxt(
            lines, kinds, comments=None, delimiter="\t", usecols=range(needed), ndmin=1, encoding="latin1"
        )
    except ValueError:
        return None
    names, starts, ends = table["chrom"], table["start"], table["end"]
    if len(table) != len(lines) or not ((starts >= 0) & (starts < ends) & (ends <= _MAX_END)).all():
        return None
    bounds = list(pairwise([0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(table)]))
    runs = [(bytes(names[head]), stop - head) for head, stop in bounds]
    if any(not 0 < len(name) < _NAME_BYTES or name.startswith(b"#") for name, _ in runs):
        return None
    barcodes: list[bytes] = table["barcode"].tolist() if with_barcodes else []
    # numpy cuts text at the width of the column
    if any(len(barcode) == _NAME_BYTES for barcode in barcodes):
        return None
    return FragmentBlock(runs, starts, ends, barcodes)


def _parse_lines(path: Path, number: int, lines: Sequence[bytes], columns: int, with_barcodes: bool) -> FragmentBlock:
    """Parse line by line, and raise TrackError for the first that is wrong."""
    runs: list[tuple[bytes, int]] = []
    starts, ends, barcodes = [], [], []
    for at, line in enumerate(lines, number):
        if _is_skipped(line):
            continue
        fields = line.rstrip(b"\r").split(b"\t")
        start, end = _coordinates(path, at, fields, columns, with_barcodes)
        starts.append(start)
        ends.append(end)
        if with_barcodes:
            barcodes.append(fields[BARCODE_COLUMN - 1])
        if runs and runs[-1][0] == fields[0]:
            runs[-1] = fields[0], runs[-1][1] + 1
        else:
            runs.append((fields[0], 1))
    return FragmentBlock(runs, np.array(starts, np.int64), np.array(ends, np.int64), barcodes)


def _coordinates(
    path: Path, number: int, fields: Sequence[bytes], columns: int, with_barcodes: bool
) -> tuple[int, int]:
    needed = BARCODE_COLUMN if with_barcodes else MIN_COLUMNS
    if not needed <= len(fields) <= MAX_COLUMNS:
        advice = "; keep chromosome, start, end, barcode and count: cut -f1-5" if len(fields) > MAX_COLUMNS else ""
        if len(fields) == MIN_COLUMNS and with_barcodes:
            advice = ": column 4 must hold the barcode"
        found = format_count(len(fields), "column")
        problem = f"has {found}, a line of a fragments file has {needed} to {MAX_COLUMNS}, separated by tabs{advice}"
        raise TrackError(path, problem, number)
    if len(fields) != columns:
        problem = f"has {format_count(len(fields), 'column')}, the first line has {columns}; is the file cut short?"
        raise TrackError(path, problem, number)
    shown = [field.decode(errors="replace") for field in fields[:3]]
    if b"\0" in fields[0]:
        raise TrackError(path, "a zero byte in text: the file is damaged; fetch it again", number)
    if not shown[0]:
        raise TrackError(path, "its chromosome is empty", number)
    if not all(field.isdigit() and len(field) <= _MAX_DIGITS for field in fields[1:3]):
        problem = f"start {shown[1]!r} and end {shown[2]!r} must be whole numbers of 0 or more"
        raise TrackError(path, problem, number)
    start, end = int(fields[1]), int(fields[2])
    if not start < end <= _MAX_END:
        raise TrackError(path, f"start {start} and end {end}: must be 0 <= start < end <= {_MAX_END}", number)
    return start, end
