"""Text files of intervals: narrowPeak, broadPeak, BED and bedGraph, plain or gzipped.

Coordinates are 0-based half-open, as in the files themselves. Lines that start with ``#``, ``track`` or
``browser`` and blank lines are skipped; columns are separated by tabs, or by blanks where a line has no tab.
"""

from __future__ import annotations

import logging
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.interval_sets import Intervals, merge_intervals
from jundscan.errors import TrackError, counted, warn
from jundscan.io.bed_lines import Columns, ColumnSpec, Kind, add_lines, column_spec_of, declares_bedgraph, fields_of
from jundscan.io.files import text_blocks
from jundscan.io.value_columns import ValueColumn
from jundscan.options import BedValue

log = logging.getLogger("jundscan")

_Block = tuple[int, list[bytes]]
_SAMPLED_LINES, _SAMPLED_BLOCKS = 1000, 2
"""Maximum number of lines that tell the format, and of the blocks of text that they are looked for in."""


class IntervalFile(dict[str, Intervals]):
    """Intervals of a file by chromosome, in the order of their first lines.

    Attributes
    ----------
    meaning : ValueColumn or None
        What the values are; None where they were not looked at.
    """

    meaning: ValueColumn | None = None


def read_intervals(
    path: str | Path, kind: Kind, bed_value: BedValue = "score", may_be_empty: bool = False
) -> IntervalFile:
    """Read a file of intervals, which may be unsorted and overlap.

    The value of an interval is column 7 of narrowPeak and broadPeak (signalValue), column 13 of gappedPeak, column 4
    of bedGraph and column 5 of BED (score), or 1 where a BED has fewer columns. The first lines decide the format, and
    the file's name does not: see :func:`jundscan.io.value_columns.find_value_column`. What is read of a track is
    logged.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    kind : {"track", "regions", "peaks"}
        Whether the values matter; those of regions are not looked at, and are 1. The value of a peak is its summit
        relative to its start: the last of ten columns, or -1.
    bed_value : {"score", "presence"}
        With ``presence`` every interval of a track counts as 1, whatever its columns hold.
    may_be_empty : bool
        Whether a file without intervals is no error.

    Returns
    -------
    IntervalFile

    Raises
    ------
    TrackError
        When the file cannot be read or holds no interval, presence is asked of a bedGraph, coordinates stand where a
        value or score is expected, or, naming the line, when a start, end or value is missing or no number, start is
        not less than end, or anything is negative or not finite.
    """
    path = Path(path)
    columns: Columns = defaultdict(lambda: (array("q"), array("q"), array("d")))
    wanted: ColumnSpec | None = None
    blocks = text_blocks(path, "track" if kind == "track" else "intervals")
    first, sample, declared = _first_lines(blocks)
    if sample:
        wanted = column_spec_of(path, sample, kind, bed_value, declared)
        for number, lines in chain(first, blocks):
            add_lines(columns, path, number, lines, wanted)
    if not columns and not may_be_empty:
        raise TrackError(path, "holds no interval")
    found = IntervalFile({_text(path, chrom): _sorted(*arrays) for chrom, arrays in columns.items()})
    if wanted is not None and wanted.meaning is not None:
        found.meaning = wanted.meaning
        _log_meaning(path, wanted.meaning)
    return found


def _first_lines(blocks: Iterator[_Block]) -> tuple[list[_Block], list[list[bytes]], bool]:
    """Take blocks of text until their lines tell the format.

    Parameters
    ----------
    blocks : iterator of (int, list of bytes)
        From :func:`jundscan.io.files.text_blocks`. A last line without an end is a block of its own.

    Returns
    -------
    taken : list of (int, list of bytes)
        Blocks that hold intervals.
    sample : list of list of bytes
        Columns of their first lines.
    is_declared : bool
        Whether a track line says that the file is a bedGraph.
    """
    taken: list[_Block] = []
    sample: list[list[bytes]] = []
    is_declared = False
    for number, lines in blocks:
        is_declared = is_declared or declares_bedgraph(lines)
        if some := list(islice(filter(None, map(fields_of, lines)), _SAMPLED_LINES - len(sample))):
            sample += some
            taken.append((number, lines))
        if len(sample) == _SAMPLED_LINES or len(taken) == _SAMPLED_BLOCKS:
            break
    return taken, sample, is_declared


def _log_meaning(path: Path, meaning: ValueColumn) -> None:
    if meaning.doubt:
        warn("doubtful_values", f"{path}: read as {meaning}; {meaning.doubt}")
    else:
        log.info("%s: read as %s", path, meaning)


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
        Starts and ends, sorted; overlapping and abutting intervals are one. Empty when the file is, or no name is in
        common.
    """
    found: dict[str, list[NDArray[np.int64]]] = {}
    by_name = read_intervals(path, "regions", may_be_empty=True)
    for name, intervals in by_name.items():
        chrom = matching_name(name, chromsizes)
        if chrom is not None:
            found.setdefault(chrom, []).append(np.column_stack((intervals.starts, intervals.ends)))
    say_other_names(path, by_name, chromsizes)
    warn_of_beyond(path, by_name, chromsizes)
    return {chrom: merge_intervals(np.concatenate(parts)) for chrom, parts in found.items()}


def say_other_names(path: str | Path, names: Iterable[str], chromsizes: Mapping[str, int]) -> None:
    """Say which chromosomes of a file the genome names differently, and which it lacks."""
    matched = {name: matching_name(name, chromsizes) for name in names}
    renamed = [f"{name} for {chrom}" for name, chrom in matched.items() if chrom not in (name, None)]
    absent = [name for name, chrom in matched.items() if chrom is None]
    for what, those in (("names chromosomes differently", renamed), ("has chromosomes that the genome lacks", absent)):
        if those:
            log.info("%s %s: %s", path, what, some_names(those))


def warn_of_beyond(path: str | Path, by_name: Mapping[str, Intervals], chromsizes: Mapping[str, int]) -> None:
    """Warn of intervals that reach beyond the end of their chromosome: another assembly's, perhaps."""
    sizes = {name: chromsizes[chrom] for name in by_name if (chrom := matching_name(name, chromsizes)) is not None}
    beyond = sum(int((by_name[name].ends > size).sum()) for name, size in sizes.items())
    if beyond:
        warn(
            "intervals_beyond_end",
            f"{path}: {counted(beyond, 'interval')} beyond the end of the chromosome; another assembly?",
            intervals=beyond,
        )


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
