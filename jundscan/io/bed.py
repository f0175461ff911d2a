"""Text files of intervals: narrowPeak, broadPeak, BED and bedGraph, compressed or not.

Coordinates are 0-based half-open, as in the files. Blank lines and lines that start with ``#``, ``track`` or
``browser`` are skipped. So is the line of names in a table of hits of ``scan``. Columns are separated by tabs, or by
blanks in a line without tabs.
"""

from __future__ import annotations

import logging
import warnings
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.interval_sets import Intervals, merge_intervals
from jundscan.errors import TrackError, format_count, warn
from jundscan.io.files import text_blocks
from jundscan.io.fragments import is_fragments
from jundscan.io.value_columns import PRESENCE, ValueColumn, count_columns, find_value_column
from jundscan.options import BedValue

log = logging.getLogger("jundscan")

_Block = tuple[int, list[bytes]]
_SAMPLED_LINES, _SAMPLED_BLOCKS = 1000, 2
"""Maximum lines that decide the format, and maximum blocks of text that are searched for them."""

Kind = Literal["track", "regions", "peaks"]
Columns = defaultdict[bytes, tuple["array[int]", "array[int]", "array[float]"]]
"""Starts, ends and values of every chromosome, in compact arrays because a bedGraph may have 10⁸ lines."""
_SKIPPED = (b"#", b"track ", b"track\t", b"browser ", b"browser\t", b"chrom\tstart\tend\t")
_SCORE_COLUMN, _SUMMIT_COLUMN = 5, 10
_NAME_BYTES = 64
_MAX_VALUE = float(np.finfo(np.float32).max)
_MAX_END = 1 << 34
"""Maximum end in bases: above every chromosome, and float64 still holds sums of many ends exactly."""


class IntervalFile(dict[str, Intervals]):
    """Intervals of a file by chromosome, in the order of their first lines.

    Attributes
    ----------
    meaning : ValueColumn or None
        Column and meaning of the values; None where values are not read.
    """

    meaning: ValueColumn | None = None


def read_intervals(
    path: str | Path, kind: Kind, bed_value: BedValue = "score", may_be_empty: bool = False
) -> IntervalFile:
    """Read a file of intervals, which may be unsorted and overlap.

    The value of an interval is column 7 of narrowPeak and broadPeak (signalValue), column 13 of gappedPeak, column 4
    of bedGraph and column 5 of BED (score), or 1 where a BED has fewer columns. The first lines decide the format,
    not the file's name, see :func:`jundscan.io.value_columns.find_value_column`. The format of a track is logged.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    kind : {"track", "regions", "peaks"}
        Use of the file. Values of regions are not read, and are 1. The value of a peak is its summit relative to its
        start: the last of ten columns, or -1.
    bed_value : {"score", "presence"}
        With ``presence`` every interval of a track counts as 1.
    may_be_empty : bool
        Whether a file without intervals is allowed.

    Returns
    -------
    IntervalFile

    Raises
    ------
    TrackError
        When the file cannot be read or holds no interval, ``presence`` is asked of a bedGraph, or coordinates stand
        in the column of values. Also as :func:`add_lines` raises it.
    """
    path = Path(path)
    columns: Columns = defaultdict(lambda: (array("q"), array("q"), array("d")))
    spec: ColumnSpec | None = None
    blocks = text_blocks(path, "track" if kind == "track" else "intervals")
    first, sample, is_declared = _first_lines(blocks)
    if sample:
        spec = _column_spec(path, sample, kind, bed_value, is_declared)
        for number, lines in chain(first, blocks):
            add_lines(columns, path, number, lines, spec)
    if not columns and not may_be_empty:
        raise TrackError(path, "holds no interval")
    found = IntervalFile({_text(path, chrom): _sort_intervals(*arrays) for chrom, arrays in columns.items()})
    if spec is not None and spec.meaning is not None:
        found.meaning = spec.meaning
        _log_meaning(path, spec.meaning)
    return found


class NamedInterval(NamedTuple):
    """An interval as a file lists it: its chromosome as the file names it, and the number of its line.

    ``name`` is column 4, None where it is missing, empty or ``.``.
    """

    chrom: str
    start: int
    end: int
    name: str | None
    line: int


def read_named_intervals(path: str | Path) -> list[NamedInterval]:
    """Read the intervals of a BED or narrowPeak in the order of the file, with their names.

    Raises
    ------
    TrackError
        With the line's number, when the file cannot be read or a line is wrong; also when there is no interval.
    """
    path = Path(path)
    columns: Columns = defaultdict(lambda: (array("q"), array("q"), array("d")))
    spec = ColumnSpec(None, 1.0, 0.0)
    found: list[NamedInterval] = []
    names: dict[bytes, str] = {}
    for number, lines in text_blocks(path, "intervals"):
        for at, line in enumerate(lines, number):
            if not (fields := _fields(line)):
                continue
            _add_line(columns, path, at, fields, spec)
            starts, ends, _ = columns[fields[0]]
            chrom = names.setdefault(fields[0], _text(path, fields[0]))
            name = fields[3].strip().decode(errors="replace") if len(fields) > 3 else ""
            found.append(NamedInterval(chrom, starts[-1], ends[-1], None if name in ("", ".") else name, at))
    if not found:
        raise TrackError(path, "holds no interval")
    return found


def _first_lines(blocks: Iterator[_Block]) -> tuple[list[_Block], list[list[bytes]], bool]:
    """Read blocks of text until their lines decide the format.

    Parameters
    ----------
    blocks : iterator of (int, list of bytes)
        From :func:`jundscan.io.files.text_blocks`. A last line without a line end is a block of its own.

    Returns
    -------
    first : list of (int, list of bytes)
        Blocks that hold intervals.
    sample : list of list of bytes
        Columns of their first lines.
    is_declared : bool
        Whether a track line declares a bedGraph.
    """
    first: list[_Block] = []
    sample: list[list[bytes]] = []
    is_declared = False
    for number, lines in blocks:
        is_declared = is_declared or _declares_bedgraph(lines)
        if rows := list(islice(filter(None, map(_fields, lines)), _SAMPLED_LINES - len(sample))):
            sample += rows
            first.append((number, lines))
        if len(sample) == _SAMPLED_LINES or len(first) == _SAMPLED_BLOCKS:
            break
    return first, sample, is_declared


def _log_meaning(path: Path, meaning: ValueColumn) -> None:
    if meaning.doubt:
        warn("doubtful_values", f"{path}: read as {meaning}; {meaning.doubt}")
    else:
        log.info("%s: read as %s", path, meaning)


def read_regions(path: str | Path, chromsizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Read the positions of intervals by the genome's chromosome names; other chromosomes are left out.

    Parameters
    ----------
    path : str or pathlib.Path
        See :func:`read_intervals`.
    chromsizes : mapping of str to int
        The genome's chromosomes, bases.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends, sorted; overlapping and abutting intervals are merged. Empty when the file is empty, or
        shares no chromosome with the genome.
    """
    found: dict[str, list[NDArray[np.int64]]] = {}
    by_name = read_intervals(path, "regions", may_be_empty=True)
    for name, intervals in by_name.items():
        chrom = matching_name(name, chromsizes)
        if chrom is not None:
            found.setdefault(chrom, []).append(np.column_stack((intervals.starts, intervals.ends)))
    log_other_names(path, by_name, chromsizes)
    warn_beyond_end(path, by_name, chromsizes)
    return {chrom: merge_intervals(np.concatenate(parts)) for chrom, parts in found.items()}


def log_other_names(path: str | Path, names: Iterable[str], chromsizes: Mapping[str, int]) -> None:
    """Log which chromosomes of a file the genome names differently, and which it lacks."""
    matched = {name: matching_name(name, chromsizes) for name in names}
    renamed = [f"{name} for {chrom}" for name, chrom in matched.items() if chrom not in (name, None)]
    absent = [name for name, chrom in matched.items() if chrom is None]
    if renamed:
        log.info("%s names chromosomes differently: %s", path, some_names(renamed))
    if absent:
        log.info("%s has chromosomes that the genome lacks: %s", path, some_names(absent))


def warn_beyond_end(path: str | Path, by_name: Mapping[str, Intervals], chromsizes: Mapping[str, int]) -> None:
    """Warn of intervals beyond the end of their chromosome, because they may belong to another assembly."""
    sizes = {name: chromsizes[chrom] for name in by_name if (chrom := matching_name(name, chromsizes)) is not None}
    beyond = sum(int((by_name[name].ends > size).sum()) for name, size in sizes.items())
    if beyond:
        warn(
            "intervals_beyond_end",
            f"{path}: {format_count(beyond, 'interval')} beyond the end of the chromosome; another assembly?",
            intervals=beyond,
        )


def _text(path: Path, chrom: bytes) -> str:
    try:
        return chrom.decode()
    except UnicodeDecodeError as err:
        raise TrackError(path, f"the chromosome name {chrom!r} is not UTF-8 text") from err


def _sort_intervals(starts: array[int], ends: array[int], values: array[float]) -> Intervals:
    unsorted = Intervals(np.frombuffer(starts, np.int64), np.frombuffer(ends, np.int64), np.frombuffer(values))
    if len(starts) == 1:  # as on most of a hundred thousand scaffolds
        return unsorted
    order = np.argsort(unsorted.starts, kind="stable")
    return Intervals(unsorted.starts[order], unsorted.ends[order], unsorted.values[order])


class ColumnSpec(NamedTuple):
    """The column of values in a file.

    Attributes
    ----------
    value_column : int or None
        Its number, from 1; None without such a column.
    default, minimum : float
        Value without such a column, and the smallest value allowed.
    meaning : ValueColumn or None
        Column and meaning of the values; None where values are not read.
    """

    value_column: int | None
    default: float
    minimum: float
    meaning: ValueColumn | None = None


def add_lines(columns: Columns, path: Path, number: int, lines: Sequence[bytes], spec: ColumnSpec) -> None:
    """Add the intervals of lines to ``columns``.

    Parameters
    ----------
    columns : dict
        By chromosome.
    path : pathlib.Path
        The file, for the message.
    number : int
        Number of the first line, from 1.
    lines : sequence of bytes
        Without their newlines.
    spec : ColumnSpec
        The column of values.

    Raises
    ------
    TrackError
        With the line's number, when a start, end or value is missing or no number, start is not less than end, or a
        number is negative or not finite.
    """
    # numpy's reader is ten times as fast, but its errors do not explain what is wrong
    if add_lines_at_once(columns, lines, spec):
        return
    for at, line in enumerate(lines, number):
        if fields := _fields(line):
            _add_line(columns, path, at, fields, spec)


def _declares_bedgraph(lines: Iterable[bytes]) -> bool:
    """Return whether a track line declares a bedGraph."""
    return any(line.startswith(b"track") and b"type=bedgraph" in line.lower() for line in lines)


def _fields(line: bytes) -> list[bytes]:
    """Split a line into columns; return none for a line to skip."""
    if line.startswith(_SKIPPED):
        return []
    return line.split(b"\t") if b"\t" in line and line.strip() else line.split()


def _add_line(columns: Columns, path: Path, number: int, fields: Sequence[bytes], spec: ColumnSpec) -> None:
    column = spec.value_column
    try:
        start, end = int(fields[1]), int(fields[2])
        value = spec.default if column is None else float(fields[column - 1])
        # Python reads 1_000 as a number, and other programs do not
        if b"_" in fields[1] + fields[2] + (b"" if column is None else fields[column - 1]):
            raise ValueError("an underscore in a number")
    except (ValueError, IndexError) as err:
        raise TrackError(path, _line_problem(fields, column), number) from err
    if not 0 <= start < end <= _MAX_END:
        raise TrackError(path, f"start {start} and end {end}: must be 0 <= start < end <= {_MAX_END}", number)
    if not spec.minimum <= value <= _MAX_VALUE:
        raise TrackError(path, f"the value {value} is negative or not finite as float32", number)
    starts, ends, values = columns[fields[0]]
    starts.append(start)
    ends.append(end)
    values.append(value)


def add_lines_at_once(columns: Columns, lines: Sequence[bytes], spec: ColumnSpec) -> bool:
    """Add all lines quickly and return True, or add none and return False.

    False means that a line is wrong, is to be skipped, or has its columns separated by blanks.
    """
    kinds = [("chrom", f"S{_NAME_BYTES}"), ("start", np.int64), ("end", np.int64), ("value", np.float64)]
    numbers = [0, 1, 2] if spec.value_column is None else [0, 1, 2, spec.value_column - 1]
    kind = np.dtype(kinds[: len(numbers)])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "loadtxt")  # older versions read 1.5 as 1, with a warning
            table = np.loadtxt(lines, kind, comments=None, delimiter="\t", usecols=numbers, ndmin=1, encoding="latin1")
    except (ValueError, Warning):
        return False
    names, starts, ends = table["chrom"], table["start"], table["end"]
    values = np.full(len(table), spec.default) if spec.value_column is None else table["value"]
    sound = (starts >= 0) & (starts < ends) & (ends <= _MAX_END) & (values >= spec.minimum) & (values <= _MAX_VALUE)
    # numpy leaves out blank lines, cuts names at the width of the column, and drops zero bytes at their ends
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


def _column_spec(
    path: Path, sample: Sequence[Sequence[bytes]], kind: Kind, bed_value: BedValue, is_declared: bool
) -> ColumnSpec:
    """Find the column of values from the first lines of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    sample : sequence of sequence of bytes
        Columns of its first lines, at least one line.
    kind, bed_value
        See :func:`read_intervals`.
    is_declared : bool
        Whether a track line declares a bedGraph.

    Raises
    ------
    TrackError
        When ``presence`` is asked of a bedGraph, coordinates stand in the column of values, or fragments come through a
        pipe.
    """
    if kind == "regions":
        return ColumnSpec(None, 1.0, 0.0)
    if kind == "peaks":
        return ColumnSpec(_SUMMIT_COLUMN if count_columns(sample) == _SUMMIT_COLUMN else None, -1.0, -1.0)
    # a file of fragments is opened as such, but the first bytes of a pipe can be read only once
    if not path.is_file() and is_fragments(path, b"".join(b"\t".join(fields) + b"\n" for fields in sample)):
        raise TrackError(path, "holds fragments, which cannot be read through a pipe; write them to a file first")
    is_presence = bed_value == "presence"
    try:
        found = find_value_column(sample, is_declared)
    except ValueError as err:
        if not is_presence:
            advice = "keep chromosome, start, end and value only, or count every interval as 1: --bed-value presence"
            raise TrackError(path, f"{err}; {advice}") from err
        found = ValueColumn("BED", meaning=PRESENCE)
    if is_presence and found.kind == "bedGraph":
        raise TrackError(path, "is a bedGraph; --bed-value presence is for BED and peaks (cut -f1-3 makes a BED of it)")
    if is_presence:
        found = ValueColumn(found.kind, meaning=PRESENCE)
    return ColumnSpec(found.column, 1.0, 0.0, found)


def _line_problem(fields: Sequence[bytes], value_column: int | None) -> str:
    needed = 3 if value_column is None else value_column
    if len(fields) < needed:
        return f"has {len(fields)} columns, needs {needed}"
    shown = [fields[column].decode(errors="replace").strip() for column in (1, 2, needed - 1)]
    if value_column is None:
        return f"start {shown[0]!r} and end {shown[1]!r} must be whole numbers"
    hint = "; --bed-value presence ignores scores" if value_column == _SCORE_COLUMN else ""
    return f"start {shown[0]!r}, end {shown[1]!r} and value {shown[2]!r} (column {needed}) must be numbers{hint}"
