"""Which stretches of a genome to scan: ``--region``, ``--regions`` and ``--exclude`` to sorted, disjoint spans."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError, RegionError
from jundscan.intervals import read_intervals
from jundscan.windows import (
    Region,
    matching_name,
    merge_intervals,
    parse_region,
    subtract_intervals,
    windows_in,
)

log = logging.getLogger("jundscan")


def scan_spans(
    chromsizes: Mapping[str, int],
    stride: int,
    regions: Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
) -> Sequence[Region]:
    """Find the spans whose windows are to be scored: a window counts when it lies wholly inside one.

    Parameters
    ----------
    chromsizes : mapping of str to int
        Length of every chromosome, bases, in file order.
    stride : int
        Bases between window starts.
    regions : iterable of str
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
    if stride < 1:
        raise InputError(f"--stride {stride}: must be at least 1")
    wanted = [parse_region(text, chromsizes) for text in regions]
    if regions_file is not None:
        wanted += _read_regions(regions_file, chromsizes)
    for region in wanted:
        if not windows_in(region.start, region.end, chromsizes[region.chrom], stride).total:
            raise RegionError(
                region,
                f"holds no window of {WINDOW_LENGTH} bases at stride {stride}; widen it or lower --stride",
            )
    if not wanted:
        wanted = [Region(chrom, 0, length) for chrom, length in chromsizes.items()]
    excluded = {} if exclude is None else _read_excluded(exclude, chromsizes)
    by_chrom: dict[str, list[tuple[int, int]]] = {}
    for region in wanted:
        by_chrom.setdefault(region.chrom, []).append((region.start, region.end))
    spans = []
    for chrom in (name for name in chromsizes if name in by_chrom):
        left = merge_intervals(np.array(by_chrom[chrom], dtype=np.int64))
        if chrom in excluded:
            left = subtract_intervals(left, excluded[chrom])
        spans += [Region(chrom, start, end) for start, end in left.tolist() if end - start >= WINDOW_LENGTH]
    if not any(windows_in(span.start, span.end, chromsizes[span.chrom], stride).total for span in spans):
        raise InputError(
            f"no window of {WINDOW_LENGTH} bases to scan: every sequence is shorter, or all of it is excluded"
        )
    return spans


def _read_regions(path: str | Path, chromsizes: Mapping[str, int]) -> list[Region]:
    found = []
    for name, intervals in read_intervals(path, "regions").items():
        for start, end in zip(intervals.starts.tolist(), intervals.ends.tolist(), strict=True):
            try:
                found.append(parse_region(f"{name}:{start}-{end}", chromsizes))
            except RegionError as err:
                raise RegionError(f"{name}:{start}-{end} in {path}", str(err).partition(": ")[2]) from err
    return found


def _read_excluded(path: str | Path, chromsizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    excluded = {}
    for name, intervals in read_intervals(path, "regions").items():
        chrom = matching_name(name, chromsizes)
        if chrom is None:
            log.info("%s excludes parts of %s, which the genome does not have", path, name)
            continue
        excluded[chrom] = merge_intervals(np.column_stack([intervals.starts, intervals.ends]))
    return excluded
