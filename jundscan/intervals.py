"""Text files of intervals: narrowPeak, broadPeak, BED and bedGraph, plain or gzipped.

Coordinates are 0-based half-open, as in the files themselves. Lines that start with ``#``, ``track`` or
``browser`` and blank lines are skipped; columns are separated by tabs, or by blanks where a line has no tab.
"""

from __future__ import annotations

import heapq
import logging
from array import array
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.choices import BedValue
from jundscan.errors import TrackError
from jundscan.files import text_lines
from jundscan.names import matching_name
from jundscan.windows import merge_intervals

log = logging.getLogger("jundscan")

_SKIPPED = (b"#", b"track ", b"track\t", b"browser ", b"browser\t")
_BEDGRAPH_COLUMN, _SCORE_COLUMN, _SIGNAL_COLUMN, _SUMMIT_COLUMN = 4, 5, 7, 10
_VALUE_COLUMNS = {
    ".narrowpeak": _SIGNAL_COLUMN,
    ".broadpeak": _SIGNAL_COLUMN,
    ".bedgraph": _BEDGRAPH_COLUMN,
    ".bdg": _BEDGRAPH_COLUMN,
}
_PACKED = (".gz", ".bgz")
_NAMES_SHOWN = 3
_GREATEST = float(np.finfo(np.float32).max)
_FARTHEST = 1 << 34  # no chromosome is longer; sums of many such still fit, and float64 holds them exactly


class Intervals(NamedTuple):
    """Intervals of one chromosome, sorted by start.

    Attributes
    ----------
    starts, ends : numpy.ndarray, shape=(n,), dtype=int64
        Bases [start, end), 0-based.
    values : numpy.ndarray, shape=(n,), dtype=float64
        Finite, none negative.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    values: NDArray[np.float64]


def read_intervals(
    path: str | Path, kind: Literal["track", "regions", "peaks"], bed_value: BedValue = "score"
) -> dict[str, Intervals]:
    """Read a file of intervals, which may be unsorted and overlap.

    The value of an interval is column 7 of narrowPeak and broadPeak (signalValue), column 4 of bedGraph and
    column 5 of BED (score), or 1 where a BED has fewer columns. The extension tells the format, except that
    ten columns are narrowPeak even when named ``.bed``. Under any other name ten columns are narrowPeak, four
    with a number in the fourth are bedGraph, and all else is BED.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    kind : {"track", "regions", "peaks"}
        Whether the values matter; those of regions are not looked at, and are 1. The value of a peak is its summit
        relative to its start: the last of ten columns, or -1.
    bed_value : {"score", "presence"}
        With ``presence`` every interval of a track counts as 1, whatever its columns hold.

    Returns
    -------
    dict of str to Intervals
        By chromosome, in the order of their first lines.

    Raises
    ------
    TrackError
        When the file cannot be read or holds no interval, presence is asked of a bedGraph, or, naming the
        line, when a start, end or value is missing or no number, start is not less than end, or anything is negative
        or not finite.
    """
    path = Path(path)
    # compact arrays: a bedGraph can have a hundred million lines
    columns: dict[bytes, tuple[array[int], array[int], array[float]]] = {}
    value_column: int | None = None
    absent, least = (-1.0, -1.0) if kind == "peaks" else (1.0, 0.0)
    looked = False
    for number, line in text_lines(path):
        if line.startswith(_SKIPPED) or not line.strip():
            continue
        fields = line.split(b"\t") if b"\t" in line else line.split()
        if not looked:
            if kind == "track":
                value_column = _value_column(path, fields, bed_value)
            elif kind == "peaks" and len(fields) == _SUMMIT_COLUMN:
                value_column = _SUMMIT_COLUMN
            looked = True
        try:
            start, end = int(fields[1]), int(fields[2])
            value = absent if value_column is None else float(fields[value_column - 1])
            if b"_" in line:  # 1_000 is a number to Python and to nobody else
                _refuse_underscores(fields, value_column)
        except (ValueError, IndexError) as err:
            raise TrackError(path, _complaint(fields, value_column), number) from err
        if not 0 <= start < end <= _FARTHEST:
            raise TrackError(path, f"start {start} and end {end}: must be 0 <= start < end <= {_FARTHEST}", number)
        if not least <= value <= _GREATEST:
            raise TrackError(path, f"the value {value} is negative or not finite as float32", number)
        found = columns.get(fields[0])
        if found is None:
            found = columns[fields[0]] = array("q"), array("q"), array("d")
        starts, ends, values = found
        starts.append(start)
        ends.append(end)
        values.append(value)
    if not columns:
        raise TrackError(path, "holds no interval")
    return {_text(path, chrom): _sorted(*arrays) for chrom, arrays in columns.items()}


def read_regions(path: str | Path, chromsizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Read a file of intervals for where they lie, under the genome's names; other chromosomes are left out.

    Parameters
    ----------
    path : str or pathlib.Path
        See :func:`read_intervals`.
    chromsizes : mapping of str to int
        The genome's chromosomes, bases.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends, sorted; overlapping and abutting intervals are one. Empty when no name is in common.
    """
    found: dict[str, list[NDArray[np.int64]]] = {}
    by_name = read_intervals(path, "regions")
    for name, intervals in by_name.items():
        chrom = matching_name(name, chromsizes)
        if chrom is not None:
            found.setdefault(chrom, []).append(np.column_stack((intervals.starts, intervals.ends)))
    say_other_names(path, by_name, chromsizes)
    return {chrom: merge_intervals(np.concatenate(parts)) for chrom, parts in found.items()}


def say_other_names(path: str | Path, names: Iterable[str], chromsizes: Mapping[str, int]) -> None:
    """Say which chromosomes of a file the genome names differently, and which it lacks."""
    matched = {name: matching_name(name, chromsizes) for name in names}
    renamed = [f"{name} for {chrom}" for name, chrom in matched.items() if chrom not in (name, None)]
    absent = [name for name, chrom in matched.items() if chrom is None]
    for what, those in (("names chromosomes differently", renamed), ("has chromosomes that the genome lacks", absent)):
        if those:
            shown = ", ".join(those[:_NAMES_SHOWN]) + (", …" if len(those) > _NAMES_SHOWN else "")
            log.info("%s %s: %s", path, what, shown)


def flatten_max(intervals: Intervals) -> Intervals:
    """Resolve overlaps: disjoint intervals over the same bases, each with the greatest value there.

    Parameters
    ----------
    intervals : Intervals
        Sorted by start; O(n log n) in their number.

    Returns
    -------
    Intervals
        Sorted and disjoint; may abut.

    Examples
    --------
    >>> flat = flatten_max(Intervals(np.array([0, 2]), np.array([9, 4]), np.array([1.0, 5.0])))
    >>> flat.starts.tolist(), flat.ends.tolist(), flat.values.tolist()
    ([0, 2, 4], [2, 4, 9], [1.0, 5.0, 1.0])
    """
    starts, ends, values = intervals
    overlaps = starts[1:] < np.maximum.accumulate(ends)[:-1]
    if not overlaps.any():
        return intervals
    involved = np.append(overlaps, False) | np.append(False, overlaps)
    swept = _sweep(starts[involved], ends[involved], values[involved])
    alone = ~involved
    parts = zip((starts[alone], ends[alone], values[alone]), swept, strict=True)
    starts, ends, values = (np.concatenate(pair) for pair in parts)
    order = np.argsort(starts)
    return Intervals(starts[order], ends[order], values[order])


def _sweep(starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float64]) -> Intervals:
    """Walk along all starts and ends, the open intervals in a heap with the greatest value on top."""
    waiting = zip(starts.tolist(), ends.tolist(), values.tolist(), strict=True)
    upcoming = next(waiting, None)
    opened: list[tuple[float, int]] = []
    pieces: list[tuple[int, int, float]] = []
    for left, right in pairwise(np.unique(np.concatenate((starts, ends))).tolist()):
        while upcoming is not None and upcoming[0] == left:
            heapq.heappush(opened, (-upcoming[2], upcoming[1]))
            upcoming = next(waiting, None)
        while opened and opened[0][1] <= left:
            heapq.heappop(opened)
        if opened:
            pieces.append((left, right, -opened[0][0]))
    piece_starts, piece_ends, piece_values = zip(*pieces, strict=True)
    return Intervals(np.array(piece_starts), np.array(piece_ends), np.array(piece_values))


def _value_column(path: Path, fields: list[bytes], bed_value: BedValue) -> int | None:
    """Tell from the name and the first line which column, from 1, holds the value; None: there is none."""
    column = _column_of_format(path, fields)
    if bed_value == "score":
        return column
    if column == _BEDGRAPH_COLUMN:
        raise TrackError(path, "is a bedGraph; --bed-value presence is for BED and peaks")
    return None


def _column_of_format(path: Path, fields: list[bytes]) -> int | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    extension = next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")
    if extension in _VALUE_COLUMNS:
        return _VALUE_COLUMNS[extension]
    if len(fields) == 10:
        return _SIGNAL_COLUMN
    if len(fields) == 4 and extension != ".bed" and _is_number(fields[3]):
        return _BEDGRAPH_COLUMN
    return _SCORE_COLUMN if len(fields) >= 5 else None


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_underscores(fields: list[bytes], value_column: int | None) -> None:
    """Raise a ValueError when there is an underscore in a number."""
    if b"_" in fields[1] + fields[2] + (b"" if value_column is None else fields[value_column - 1]):
        raise ValueError("an underscore in a number")


def _complaint(fields: list[bytes], value_column: int | None) -> str:
    needed = 3 if value_column is None else value_column
    if len(fields) < needed:
        return f"has {len(fields)} columns, needs {needed}"
    shown = [fields[column].decode(errors="replace").strip() for column in (1, 2, needed - 1)]
    if value_column is None:
        return f"start {shown[0]!r} and end {shown[1]!r} must be whole numbers"
    hint = "; --bed-value presence looks at no score" if value_column == _SCORE_COLUMN else ""
    return f"start {shown[0]!r}, end {shown[1]!r} and value {shown[2]!r} (column {needed}) must be numbers{hint}"


def _text(path: Path, chrom: bytes) -> str:
    try:
        return chrom.decode()
    except UnicodeDecodeError as err:
        raise TrackError(path, f"the chromosome name {chrom!r} is not UTF-8 text") from err


def _sorted(starts: array[int], ends: array[int], values: array[float]) -> Intervals:
    unsorted = Intervals(np.frombuffer(starts, np.int64), np.frombuffer(ends, np.int64), np.frombuffer(values))
    if len(starts) == 1:  # of a hundred thousand scaffolds many have a single one
        return unsorted
    order = np.argsort(unsorted.starts, kind="stable")
    return Intervals(unsorted.starts[order], unsorted.ends[order], unsorted.values[order])
