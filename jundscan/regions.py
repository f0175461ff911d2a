"""Which stretches of a genome to scan: ``--region``, ``--regions`` and ``--exclude`` to sorted, disjoint spans."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError, RegionError
from jundscan.intervals import read_intervals, read_regions, say_other_names
from jundscan.windows import (
    Region,
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
    named = [(text, parse_region(text, chromsizes)) for text in regions]
    for text, region in named:
        if not text.startswith(region.chrom):
            log.info("region %s: the genome names it %s", text, region)
    if regions_file is not None:
        named += _read_regions(regions_file, chromsizes)
    for text, region in named:
        if not windows_in(region.start, region.end, chromsizes[region.chrom], stride).total:
            raise RegionError(
                text,
                f"holds no window of {WINDOW_LENGTH} bases at stride {stride}; widen it or lower --stride",
            )
    wanted = [region for _, region in named] or [Region(chrom, 0, size) for chrom, size in chromsizes.items()]
    excluded = {} if exclude is None else read_regions(exclude, chromsizes)
    if exclude is not None and not excluded:
        log.warning("%s excludes nothing: it names no chromosome of the genome", exclude)
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
        spans += [span for span in left if span.end - span.start >= WINDOW_LENGTH]
    if not any(windows_in(span.start, span.end, chromsizes[span.chrom], stride).total for span in spans):
        raise InputError(
            f"no window of {WINDOW_LENGTH} bases to scan: every sequence is shorter, or all of it is excluded"
        )
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
