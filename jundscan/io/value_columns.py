"""Find the column of values in a file of intervals, by its lines and never by its name.

Formats: UCSC's format pages (BED, bedGraph, narrowPeak, broadPeak, gappedPeak) and bedtools' (BEDPE).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jundscan.schemas.records import ValuesRecord

Fields = Sequence[bytes]
"""The columns of a line."""
_INTEGER = re.compile(rb"\s*-?[0-9]+\s*")
_COLOUR = re.compile(rb"\s*[0-9]{1,3},[0-9]{1,3},[0-9]{1,3},?\s*")
_LIST = re.compile(rb"\s*[0-9]+(,[0-9]+)*,?\s*")
_STRANDS = (b"+", b"-", b".")
_MIN_COUNTED_LINES = 10
"""Minimum lines before a column 1, 2, 3, … counts as names, because a few values may rise like that too."""
_MIN_COORDINATE_LINES = 3
"""Minimum lines before a column of whole numbers inside the intervals counts as coordinates."""


class ValueColumn(NamedTuple):
    """The values of a file of intervals: their column and meaning.

    Attributes
    ----------
    kind : str
        The format, such as ``"narrowPeak"``.
    column : int or None
        Column of the values, from 1. None: every interval counts as 1, or the file has a value for each base.
    meaning : str
        What the column holds, in words.
    doubt : str
        Why another column may hold the values, or empty.
    """

    kind: str
    column: int | None = None
    meaning: str = ""
    doubt: str = ""

    def __str__(self) -> str:
        """Describe the values in words: the kind, the meaning and the column."""
        if self.column is None:
            return f"{self.kind}, {self.meaning}" if self.meaning else self.kind
        return f"{self.kind}, {self.meaning} (column {self.column})"

    def to_dict(self) -> ValuesRecord:
        """Return kind and column, ready for JSON."""
        return {"kind": self.kind, "column": self.column}


PRESENCE = "every interval counts as 1"
BIGWIG = ValueColumn("bigWig")


def find_value_column(lines: Sequence[Fields], is_declared_bedgraph: bool = False) -> ValueColumn:
    """Find the column of values in a file's first lines.

    A column counts as numbers, or as another kind, when at least half of the lines agree. The reader raises for the
    other lines.

    Parameters
    ----------
    lines : sequence of sequence of bytes
        Columns of the first lines, at least one line.
    is_declared_bedgraph : bool
        Whether a track line declares a bedGraph.

    Returns
    -------
    ValueColumn

    Raises
    ------
    ValueError
        When the column of the value or the score holds coordinates.
    """
    columns = count_columns(lines)

    def mostly(holds: Callable[[Fields], bool]) -> bool:
        return 2 * sum(len(fields) >= columns and holds(fields) for fields in lines) >= len(lines)

    def numbers(*columns_asked: int) -> bool:
        return mostly(lambda fields: all(_is_number(fields[column - 1]) for column in columns_asked))

    if columns <= 3:
        return ValueColumn("BED", meaning=PRESENCE)
    if columns == 4:
        if not numbers(4):
            return ValueColumn("BED", meaning=f"{PRESENCE} (column 4 holds names)")
        if not is_declared_bedgraph:
            if _counts(lines, 4):
                return ValueColumn("BED", meaning=f"{PRESENCE} (column 4 counts the lines)")
            _check_coordinates(lines, 4)
        return ValueColumn("bedGraph", 4, "value")
    if columns >= 15 and numbers(13, 14, 15) and mostly(_has_blocks):
        return ValueColumn("gappedPeak", 13, "signalValue")
    if columns == 10 and numbers(7, 8, 9) and mostly(lambda fields: _is_integer(fields[9])):
        return ValueColumn("narrowPeak", 7, "signalValue")
    if columns == 9 and numbers(7, 8, 9) and not mostly(_is_thick):
        return ValueColumn("broadPeak", 7, "signalValue")
    return _find_score(lines, columns, mostly, numbers)


def count_columns(lines: Sequence[Fields]) -> int:
    """Return the number of columns that most lines have, and the greater of two equally common numbers."""
    return max(Counter(map(len, lines)).items(), key=lambda item: (item[1], item[0]))[0]


def _find_score(
    lines: Sequence[Fields],
    columns: int,
    mostly: Callable[[Callable[[Fields], bool]], bool],
    numbers: Callable[..., bool],
) -> ValueColumn:
    """Find the score of a BED with five columns or more."""
    has_strand = columns >= 6 and mostly(lambda fields: fields[5].strip() in _STRANDS)
    if not has_strand:
        if columns >= 6 and mostly(_is_pair):
            raise ValueError("columns 5 and 6 hold coordinates, as in a BEDPE")
        _check_coordinates(lines, 5)
    doubt = ""
    if numbers(5) and numbers(4) and not _counts(lines, 4):
        doubt = "column 4 holds numbers too (cut -f1-4 leaves these)"
    return ValueColumn("BED", 5, "display score", doubt)


def _counts(lines: Sequence[Fields], column: int) -> bool:
    """Return whether a column counts the lines from 0 or 1."""
    texts = [fields[column - 1].strip() if len(fields) >= column else b"" for fields in lines]
    first = 0 if texts[0] == b"0" else 1
    return len(lines) >= _MIN_COUNTED_LINES and texts == [b"%d" % at for at in range(first, first + len(texts))]


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_integer(text: bytes) -> bool:
    return _INTEGER.fullmatch(text) is not None


def _integers(*texts: bytes) -> list[int] | None:
    return [int(text) for text in texts] if all(len(text) < 20 and _is_integer(text) for text in texts) else None


def _is_thick(fields: Fields) -> bool:
    """Return whether columns 7 to 9 are the thickStart, thickEnd and itemRgb of BED9, not a signal, p and q value."""
    if _COLOUR.fullmatch(fields[8]):
        return True
    positions = _integers(fields[1], fields[6], fields[7], fields[2])
    if positions is None:
        return False
    start, thick_start, thick_end, end = positions
    return start <= thick_start <= thick_end <= end or thick_start == thick_end == 0


def _has_blocks(fields: Fields) -> bool:
    return _is_integer(fields[9]) and all(_LIST.fullmatch(text) for text in fields[10:12])


def _is_pair(fields: Fields) -> bool:
    """Return whether columns 4 to 6 are the second chromosome, start and end of a BEDPE."""
    positions = _integers(fields[4], fields[5])
    return positions is not None and -1 <= positions[0] < positions[1] and not _is_number(fields[3])


def _check_coordinates(lines: Sequence[Fields], column: int) -> None:
    """Raise when a column holds whole numbers inside the intervals in every line."""
    if len(lines) < _MIN_COORDINATE_LINES:
        return
    for fields in lines:
        positions = _integers(fields[1], fields[column - 1], fields[2]) if len(fields) >= column else None
        if positions is None or positions != sorted(positions):
            return
    raise ValueError(f"column {column} holds coordinates inside the intervals, as summits are")
