"""Regions as text: which spans ``--region``, ``--regions`` and ``--exclude`` leave to scan; ids of single windows."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError, RegionError
from jundscan.interval_sets import merge_intervals, subtract_intervals
from jundscan.intervals import read_intervals, read_regions, say_other_names
from jundscan.names import matching_name, some_names
from jundscan.windows import Region, count_windows, span_table

log = logging.getLogger("jundscan")

_ID = re.compile(r"(.+):([0-9]{1,15})-([0-9]{1,15})")


def parse_region(text: str, chromsizes: Mapping[str, int]) -> Region:
    """Read ``chrom`` or ``chrom:start-end`` (0-based half-open; commas in the numbers are ignored).

    Parameters
    ----------
    text : str
        The region; ``22`` finds ``chr22`` and the other way round.
    chromsizes : mapping of str to int
        Length of every chromosome, bases.

    Returns
    -------
    Region
        Under the name that ``chromsizes`` uses.

    Raises
    ------
    RegionError
        When it is malformed or empty, names an unknown chromosome or reaches beyond its chromosome.

    Examples
    --------
    >>> parse_region("22:1,000-2,000", {"chr22": 5000})
    Region(chrom='chr22', start=1000, end=2000)
    """
    if not isinstance(text, str):
        raise RegionError(text, "must be text, chrom:start-end")
    # names may hold colons (HLA-A*01:01:01), so the whole text is tried as a name first
    whole = matching_name(text, chromsizes)
    if whole is not None:
        return Region(whole, 0, chromsizes[whole])
    name, colon, bounds = text.rpartition(":")
    chrom = matching_name(name if colon else text, chromsizes)
    if chrom is None:
        raise RegionError(text, f"no such chromosome in the genome, which has {some_names(chromsizes)}")
    left, _, right = bounds.replace(",", "").partition("-")
    if not (left.isdecimal() and right.isdecimal() and bounds.isascii()):
        raise RegionError(text, "write chrom:start-end with whole numbers, 0-based half-open, say chr22:0-1000")
    region = Region(chrom, int(left), int(right))
    if region.start >= region.end:
        raise RegionError(text, "the start must be less than the end")
    if region.end > chromsizes[chrom]:
        raise RegionError(text, f"reaches beyond the end of {chrom}, which has {chromsizes[chrom]} bases")
    return region


class NamedPlaces(NamedTuple):
    """Where windows lie, as their ids say it; row i is window i.

    Attributes
    ----------
    names : tuple of str
        The distinct names of chromosomes, in the order in which they come.
    numbers : numpy.ndarray, shape=(n,), dtype=int64
        Which of ``names``; -1 where the id is empty.
    starts : numpy.ndarray, shape=(n,), dtype=int64
        First base, 0-based; -1 where the id is empty.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    starts: NDArray[np.int64]


def parse_ids(ids: NDArray[np.str_], where: str) -> NamedPlaces:
    """Read ids of windows, ``chrom:start-end``, 0-based half-open; an empty id says that no place is known.

    Parameters
    ----------
    ids : numpy.ndarray, shape=(n,), dtype=str
    where : str
        What they come from, for messages.

    Returns
    -------
    NamedPlaces

    Raises
    ------
    InputError
        When an id is anything else, or is not as long as a window.

    Examples
    --------
    >>> parse_ids(np.array(["chr22:7-108", "", "chr22:0-101"]), "shards")
    NamedPlaces(names=('chr22',), numbers=array([ 0, -1,  0]), starts=array([ 7, -1,  0]))
    """
    names: dict[str, int] = {}
    numbers = np.full(len(ids), -1, np.int64)
    starts = np.full(len(ids), -1, np.int64)
    for row, text in enumerate(ids.tolist()):
        if not text:
            continue
        match = _ID.fullmatch(text)
        if match is None:
            raise wrong_id(
                where,
                row,
                text,
                "is no place of a window, chrom:start-end, 0-based half-open; leave it empty where no place is known",
            )
        start, end = int(match[2]), int(match[3])
        if end - start != WINDOW_LENGTH:
            raise wrong_id(where, row, text, f"is {end - start:,} bases long, a window has {WINDOW_LENGTH}")
        numbers[row] = names.setdefault(match[1], len(names))
        starts[row] = start
    return NamedPlaces(tuple(names), numbers, starts)


def wrong_id(where: str, row: int, text: str, problem: str) -> InputError:
    """Make the error of an id that is no place of a window."""
    return InputError(f"{where}: id of row {row:,} (counted from 0): {text!r} {problem}")


def scan_spans(
    chromsizes: Mapping[str, int],
    stride: int,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
) -> Sequence[Region]:
    """Find the spans whose windows are to be scored: a window counts when it lies wholly inside one.

    What a model sees beside a window may lie outside.

    Parameters
    ----------
    chromsizes : mapping of str to int
        Length of every chromosome, bases, in file order.
    stride : int
        Bases between window starts.
    regions : str or iterable of str
        ``chrom`` or ``chrom:start-end``, 0-based half-open; with none of them and no file the whole genome.
    regions_file, exclude : str or pathlib.Path, optional
        BED files: more regions; and stretches that no window may touch.

    Returns
    -------
    sequence of Region
        In genome order; overlapping and abutting regions are one.

    Raises
    ------
    RegionError
        When a region is malformed, unknown, beyond its chromosome, or holds no window at this stride.
    InputError
        When nothing is left to scan.
    """
    texts = [regions] if isinstance(regions, str) else regions
    named = [(text, parse_region(text, chromsizes)) for text in texts]
    for text, region in named:
        if not text.startswith(region.chrom):
            log.info("region %s: the genome names it %s", text, region)
    if regions_file is not None:
        named += _read_regions(regions_file, chromsizes)
    windows = count_windows(span_table([region for _, region in named], chromsizes), stride)
    for empty in np.flatnonzero(windows == 0)[:1].tolist():
        raise RegionError(
            named[empty][0], f"holds no window of {WINDOW_LENGTH} bases at stride {stride}; widen it or lower --stride"
        )
    wanted = [region for _, region in named] or [Region(chrom, 0, size) for chrom, size in chromsizes.items()]
    excluded = {} if exclude is None else read_regions(exclude, chromsizes)
    if exclude is not None and not excluded:
        log.warning("%s excludes nothing: it names no chromosome of the genome", exclude)
    if named or excluded:
        wanted = _cut(wanted, excluded, chromsizes)
    spans = [span for span in wanted if span.end - span.start >= WINDOW_LENGTH]
    if not count_windows(span_table(spans, chromsizes), stride).any():
        what = f"no window of {WINDOW_LENGTH} bases to scan"
        raise InputError(
            f"{exclude}: leaves {what}" if excluded else f"{what}: all sequences of the genome are shorter"
        )
    return spans


def _cut(
    wanted: Iterable[Region], excluded: Mapping[str, NDArray[np.int64]], chromsizes: Mapping[str, int]
) -> list[Region]:
    """Join regions, leave out what is excluded, and put them in genome order."""
    by_chrom: dict[str, list[Region]] = {}
    for region in wanted:
        by_chrom.setdefault(region.chrom, []).append(region)
    spans = []
    for chrom in (name for name in chromsizes if name in by_chrom):
        left = by_chrom[chrom]
        if len(left) > 1 or chrom in excluded:  # not for each of a hundred thousand scaffolds
            stretches = merge_intervals(np.array([region[1:] for region in left], dtype=np.int64))
            stretches = subtract_intervals(stretches, excluded.get(chrom, np.empty((0, 2), np.int64)))
            left = [Region(chrom, start, end) for start, end in stretches.tolist()]
        spans += left
    return spans


def _read_regions(path: str | Path, chromsizes: Mapping[str, int]) -> list[tuple[str, Region]]:
    """Read the regions of a BED file, each with the text that tells where it comes from."""
    found = []
    by_name = read_intervals(path, "regions")
    for name, intervals in by_name.items():
        for start, end in zip(intervals.starts.tolist(), intervals.ends.tolist(), strict=True):
            text = f"{name}:{start}-{end}"
            shown = f"{text} in {path}"
            try:
                found.append((shown, parse_region(text, chromsizes)))
            except RegionError as err:
                raise RegionError(shown, str(err).removeprefix(f"region {text}: ")) from err
    say_other_names(path, by_name, chromsizes)
    return found
