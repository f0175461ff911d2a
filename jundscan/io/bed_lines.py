"""Lines of a text file of intervals to columns of numbers: many at once where they are sound, else one by one."""

from __future__ import annotations

import warnings
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from jundscan.errors import TrackError
from jundscan.io.value_columns import PRESENCE, ValueColumn, count_columns, find_value_column
from jundscan.options import BedValue

Kind = Literal["track", "regions", "peaks"]
Columns = defaultdict[bytes, tuple["array[int]", "array[int]", "array[float]"]]
"""Starts, ends and values of every chromosome, in compact arrays: a bedGraph can have a hundred million lines."""

_SKIPPED = (b"#", b"track ", b"track\t", b"browser ", b"browser\t")
_SCORE_COLUMN, _SUMMIT_COLUMN = 5, 10
_NAME_BYTES = 64
_GREATEST = float(np.finfo(np.float32).max)
_FARTHEST = 1 << 34  # no chromosome is longer; sums of many such still fit, and float64 holds them exactly


class ColumnSpec(NamedTuple):
    """What is read of each line beside chromosome, start and end.

    Attributes
    ----------
    value_column : int or None
        Column of the value, from 1; None: there is none.
    absent, least : float
        The value where there is none, and the least that there may be.
    meaning : ValueColumn or None
        What the values are; None where they are not looked at.
    """

    value_column: int | None
    absent: float
    least: float
    meaning: ValueColumn | None = None


def add_lines(columns: Columns, path: Path, number: int, lines: Sequence[bytes], wanted: ColumnSpec) -> None:
    """Add the intervals of lines to ``columns``.

    Parameters
    ----------
    columns : dict
        By the chromosome's name.
    path : pathlib.Path
        The file, for the message.
    number : int
        Number of the first line, from 1.
    lines : sequence of bytes
        Without their newlines.
    wanted : Wanted
        From :func:`column_spec_of`.

    Raises
    ------
    TrackError
        Naming the line, when a start, end or value is missing or no number, start is not less than end, or anything is
        negative or not finite.
    """
    # numpy's reader is ten times as fast, but cannot say what is wrong in our words
    if _add_quickly(columns, lines, wanted):
        return
    for at, line in enumerate(lines, number):
        if fields := fields_of(line):
            _add_line(columns, path, at, fields, wanted)


def declares_bedgraph(lines: Iterable[bytes]) -> bool:
    """Tell whether a track line says that what follows is a bedGraph."""
    return any(line.startswith(b"track") and b"type=bedgraph" in line.lower() for line in lines)


def fields_of(line: bytes) -> list[bytes]:
    """Divide a line into columns; one that is skipped has none."""
    if line.startswith(_SKIPPED):
        return []
    return line.split(b"\t") if b"\t" in line and line.strip() else line.split()


def _add_line(columns: Columns, path: Path, number: int, fields: Sequence[bytes], wanted: ColumnSpec) -> None:
    column = wanted.value_column
    try:
        start, end = int(fields[1]), int(fields[2])
        value = wanted.absent if column is None else float(fields[column - 1])
        # 1_000 is a number to Python and to nobody else
        if b"_" in fields[1] + fields[2] + (b"" if column is None else fields[column - 1]):
            raise ValueError("an underscore in a number")
    except (ValueError, IndexError) as err:
        raise TrackError(path, _complaint(fields, column), number) from err
    if not 0 <= start < end <= _FARTHEST:
        raise TrackError(path, f"start {start} and end {end}: must be 0 <= start < end <= {_FARTHEST}", number)
    if not wanted.least <= value <= _GREATEST:
        raise TrackError(path, f"the value {value} is negative or not finite as float32", number)
    starts, ends, values = columns[fields[0]]
    starts.append(start)
    ends.append(end)
    values.append(value)


def _add_quickly(columns: Columns, lines: Sequence[bytes], wanted: ColumnSpec) -> bool:
    """Add lines all at once, or none of them and return False where any is skipped, divided by blanks or unsound."""
    kinds = [("chrom", f"S{_NAME_BYTES}"), ("start", np.int64), ("end", np.int64), ("value", np.float64)]
    numbers = [0, 1, 2] if wanted.value_column is None else [0, 1, 2, wanted.value_column - 1]
    kind = np.dtype(kinds[: len(numbers)])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "loadtxt")  # older versions take 1.5 for 1, with a warning
            table = np.loadtxt(lines, kind, comments=None, delimiter="\t", usecols=numbers, ndmin=1, encoding="latin1")
    except (ValueError, Warning):
        return False
    names, starts, ends = table["chrom"], table["start"], table["end"]
    values = np.full(len(table), wanted.absent) if wanted.value_column is None else table["value"]
    sound = (starts >= 0) & (starts < ends) & (ends <= _FARTHEST) & (values >= wanted.least) & (values <= _GREATEST)
    # blank lines are left out, names cut at the width of the column, and zeros at their ends dropped
    if len(table) != len(lines) or not sound.all() or any(b"\0" in line for line in lines):
        return False
    runs = list(pairwise([0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(table)]))
    chroms = [bytes(names[head]) for head, _ in runs]
    if any(len(chrom) == _NAME_BYTES or (chrom + b"\t").startswith(_SKIPPED) for chrom in chroms):
        return False
    for chrom, (head, end) in zip(chroms, runs, strict=True):
        all_starts, all_ends, all_values = columns[chrom]
        all_starts.frombytes(starts[head:end].tobytes())
        all_ends.frombytes(ends[head:end].tobytes())
        all_values.frombytes(values[head:end].tobytes())
    return True


def column_spec_of(
    path: Path, sample: Sequence[Sequence[bytes]], kind: Kind, bed_value: BedValue, declared: bool
) -> ColumnSpec:
    """Tell from the first lines of a file what is read of each line.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    sample : sequence of sequence of bytes
        Columns of its first lines, at least one line.
    kind, bed_value
        See :func:`jundscan.io.bed.read_intervals`.
    declared : bool
        Whether a track line says that it is a bedGraph.

    Raises
    ------
    TrackError
        When presence is asked of a bedGraph, or coordinates stand where a value or score is expected.
    """
    if kind == "regions":
        return ColumnSpec(None, 1.0, 0.0)
    if kind == "peaks":
        return ColumnSpec(_SUMMIT_COLUMN if count_columns(sample) == _SUMMIT_COLUMN else None, -1.0, -1.0)
    is_presence = bed_value == "presence"
    try:
        found = find_value_column(sample, declared)
    except ValueError as err:
        if not is_presence:
            problem = f"{err}; cut out the columns that are meant, or count every interval as 1: --bed-value presence"
            raise TrackError(path, problem) from err
        found = ValueColumn("BED", meaning=PRESENCE)
    if is_presence and found.kind == "bedGraph":
        raise TrackError(path, "is a bedGraph; --bed-value presence is for BED and peaks (cut -f1-3 makes a BED of it)")
    if is_presence:
        found = ValueColumn(found.kind, meaning=PRESENCE)
    return ColumnSpec(found.column, 1.0, 0.0, found)


def _complaint(fields: Sequence[bytes], value_column: int | None) -> str:
    needed = 3 if value_column is None else value_column
    if len(fields) < needed:
        return f"has {len(fields)} columns, needs {needed}"
    shown = [fields[column].decode(errors="replace").strip() for column in (1, 2, needed - 1)]
    if value_column is None:
        return f"start {shown[0]!r} and end {shown[1]!r} must be whole numbers"
    hint = "; --bed-value presence looks at no score" if value_column == _SCORE_COLUMN else ""
    return f"start {shown[0]!r}, end {shown[1]!r} and value {shown[2]!r} (column {needed}) must be numbers{hint}"
