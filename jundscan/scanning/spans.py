"""Find the spans to scan from ``--region``, ``--regions`` and ``--exclude``; read files of regions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name
from jundscan.dna.interval_sets import Intervals, merge_intervals, subtract_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region, parse_region
from jundscan.dna.windows import count_windows, span_table
from jundscan.errors import InputError, RegionError, TrackError, format_count, warn
from jundscan.io.bed import log_other_names, read_intervals, read_regions
from jundscan.schemas.records import RegionsRecord

log = logging.getLogger("jundscan")

_APART = 1 << 40
"""Bases from the start of one chromosome to the next in one row of coordinates, because no chromosome is longer."""


class RegionCounts(NamedTuple):
    """How many regions the user chose, and how many of them are not scanned or not whole.

    Attributes
    ----------
    given : int
        Regions on the command line and in the file.
    left_out : int
        Regions of the file that hold no window, or lie beyond the end of their chromosome or on one that the genome
        lacks.
    cut : int
        Regions of the file that reach beyond the end of their chromosome, and are scanned up to there.
    """

    given: int
    left_out: int
    cut: int

    def to_dict(self) -> RegionsRecord:
        """Return the counts, ready for JSON."""
        return {"given": self.given, "left_out": self.left_out, "cut": self.cut}


class GenomeAxis:
    """One axis for all chromosomes of a genome, far apart on it, so that one array holds intervals of all of them.

    Parameters
    ----------
    chromsizes : mapping of str to int
        Length of every chromosome, bases, in file order.
    """

    def __init__(self, chromsizes: Mapping[str, int]) -> None:
        self._names = list(chromsizes)
        self._lengths = np.array(list(chromsizes.values()), np.int64)
        self._begins = {chrom: rank * _APART for rank, chrom in enumerate(chromsizes)}

    def place(self, by_chrom: Iterable[tuple[str, NDArray[np.int64]]]) -> NDArray[np.int64]:
        """Convert intervals of chromosomes, each (n, 2), to one array on the axis, in their order."""
        moved = [self.positions(chrom, intervals) for chrom, intervals in by_chrom]
        return np.concatenate([np.empty((0, 2), np.int64), *moved])

    def positions(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert positions on a chromosome, an array of any shape, to the axis."""
        return positions + self._begins[chrom]

    def place_regions(self, regions: Iterable[Region]) -> NDArray[np.int64]:
        """Convert regions to the axis, (n, 2); quick even for a hundred thousand scaffolds."""
        begins = self._begins
        moved = [(begins[chrom] + start, begins[chrom] + end) for chrom, start, end in regions]
        return np.array(moved, np.int64).reshape(-1, 2)

    def table(self, placed: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return start, end and chromosome length of intervals on the axis, (n, 3)."""
        ranks = placed[:, 0] // _APART
        return np.column_stack((placed - ranks[:, None] * _APART, self._lengths[ranks]))

    def regions(self, placed: NDArray[np.int64]) -> list[Region]:
        """Convert intervals on the axis to regions."""
        ranks = placed[:, 0] // _APART
        rows = zip(ranks.tolist(), (placed - ranks[:, None] * _APART).tolist(), strict=True)
        return [Region(self._names[rank], start, end) for rank, (start, end) in rows]


class ListedRegions(NamedTuple):
    """Regions of a file, cut at the ends of their chromosomes.

    Attributes
    ----------
    placed : numpy.ndarray, shape=(n, 2), dtype=int64
        On the axis of :class:`GenomeAxis`, in the order of the file's chromosomes.
    is_cut : numpy.ndarray, shape=(n,), dtype=bool
        Whether the region reaches beyond the end.
    beyond, absent : int
        Number of regions that lie beyond the end of their chromosome, and on chromosomes that the genome lacks.
    """

    placed: NDArray[np.int64]
    is_cut: NDArray[np.bool_]
    beyond: int
    absent: int

    @property
    def given(self) -> int:
        """Number of regions in the file."""
        return len(self.placed) + self.beyond + self.absent


def scan_spans(
    chromsizes: Mapping[str, int],
    stride: int,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
) -> Sequence[Region]:
    """Return the spans of :func:`find_spans`, which describes the parameters, without the counts."""
    return find_spans(chromsizes, stride, regions, regions_file, exclude)[0]


def find_spans(
    chromsizes: Mapping[str, int],
    stride: int,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
) -> tuple[Sequence[Region], RegionCounts | None]:
    """Find the spans to scan. A window is scored when it lies wholly inside one; its flanks may lie outside.

    Parameters
    ----------
    chromsizes : mapping of str to int
        Length of every chromosome, bases, in file order.
    stride : int
        Bases between window starts.
    regions : str or iterable of str
        ``chrom`` or ``chrom:start-end``, 0-based half-open. Without regions and file the whole genome is scanned.
    regions_file : str or pathlib.Path, optional
        BED file of more regions. Regions without a window are left out, and regions that reach beyond a chromosome are
        cut at its end. One warning counts both.
    exclude : str or pathlib.Path, optional
        BED file of regions that no window may touch.

    Returns
    -------
    spans : sequence of Region
        In genome order; overlapping and abutting regions are merged.
    counts : RegionCounts or None
        None when the user chose no region.

    Raises
    ------
    RegionError
        When a region of ``regions`` is malformed, unknown, beyond its chromosome, or holds no window at this stride.
    InputError
        When nothing is left to scan.
    """
    texts = [regions] if isinstance(regions, str) else regions
    named = [(text, parse_region(text, chromsizes)) for text in texts]
    for text, region in named:
        if not text.startswith(region.chrom):
            log.info("region %s stands for %s", text, region)
    windows = count_windows(span_table([region for _, region in named], chromsizes), stride)
    for empty in np.flatnonzero(windows == 0)[:1].tolist():
        raise RegionError(
            named[empty][0], f"holds no window of {WINDOW_LENGTH} bases at stride {stride}; widen it or lower --stride"
        )
    row = GenomeAxis(chromsizes)
    counts, chosen = None, [Region(chrom, 0, size) for chrom, size in chromsizes.items()]
    if named or regions_file is not None:
        placed = row.place_regions(region for _, region in named)
        placed, counts = _add_listed_regions(placed, regions_file, row, chromsizes, stride)
        chosen = row.regions(placed)
    excluded = {} if exclude is None else read_excluded(exclude, chromsizes)
    if excluded:
        out = merge_intervals(row.place(excluded.items()))  # in the order of the genome
        chosen = row.regions(subtract_intervals(row.place_regions(chosen), out))
    spans = [span for span in chosen if span.end - span.start >= WINDOW_LENGTH]
    if not count_windows(span_table(spans, chromsizes), stride).any():
        what = f"no window of {WINDOW_LENGTH} bases to scan"
        raise InputError(
            f"{exclude}: leaves {what}" if excluded else f"{what}: all sequences of the genome are shorter"
        )
    return spans, counts


def read_excluded(path: str | Path, chromsizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Read a file of regions to leave out, as :func:`jundscan.io.bed.read_regions` does; warn when there are none.

    A file without intervals is no error, because pipelines write one where nothing is to be left out.
    """
    excluded = read_regions(path, chromsizes)
    if not excluded:
        warn("excludes_nothing", f"{path} excludes nothing: it holds no interval on a chromosome of the genome")
    return excluded


def read_inside(regions: Iterable[str], chromsizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    """Read regions, each ``chrom``, ``chrom:start-end`` or the name of a BED file.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(n, 2), dtype=int64
        By chromosome, sorted and disjoint.

    Raises
    ------
    RegionError
        When a text names no file, and as a region is malformed, unknown or beyond its chromosome.
    InputError
        When a file cannot be read, or holds no region of the genome.
    """
    found: dict[str, list[NDArray[np.int64]]] = {}
    for text in regions:
        try:
            chrom, start, end = parse_region(text, chromsizes)
            by_chrom = {chrom: np.array([[start, end]], np.int64)}
        except RegionError:
            if not Path(text).is_file():
                raise
            if not (by_chrom := read_regions(text, chromsizes)):
                raise InputError(f"{text}: holds no region on a chromosome of the genome") from None
        for chrom, stretches in by_chrom.items():
            found.setdefault(chrom, []).append(stretches)
    return {chrom: merge_intervals(np.concatenate(parts)) for chrom, parts in found.items()}


def read_region_list(path: str | Path, row: GenomeAxis, chromsizes: Mapping[str, int]) -> ListedRegions | None:
    """Read a file of regions, and cut them at the ends of their chromosomes.

    Parameters
    ----------
    path : str or pathlib.Path
        BED, narrowPeak or any other file of intervals.
    row : GenomeRow
        Made from ``chromsizes``.
    chromsizes : mapping of str to int
        The genome's chromosomes, bases.

    Returns
    -------
    ListedRegions or None
        None when the file holds no interval.

    Raises
    ------
    TrackError
        When the file cannot be read.
    """
    by_name = read_intervals(path, "regions", may_be_empty=True)
    if not by_name:
        return None
    log_other_names(path, by_name, chromsizes)
    return list_regions(by_name, row, chromsizes)


def list_regions(by_name: Mapping[str, Intervals], row: GenomeAxis, chromsizes: Mapping[str, int]) -> ListedRegions:
    """Match the names of intervals to chromosomes, and cut the intervals at the ends of these."""
    found: list[tuple[str, NDArray[np.int64]]] = []
    is_cut = [np.empty(0, np.bool_)]
    beyond = absent = 0
    for name, (starts, ends, _) in by_name.items():
        chrom = matching_name(name, chromsizes)
        if chrom is None:
            absent += len(starts)
            continue
        inside = starts < chromsizes[chrom]
        beyond += len(starts) - int(inside.sum())
        starts, ends = starts[inside], ends[inside]
        found.append((chrom, np.column_stack((starts, np.minimum(ends, chromsizes[chrom])))))
        is_cut.append(ends > chromsizes[chrom])
    return ListedRegions(row.place(found), np.concatenate(is_cut), beyond, absent)


def _add_listed_regions(
    typed: NDArray[np.int64], path: str | Path | None, row: GenomeAxis, chromsizes: Mapping[str, int], stride: int
) -> tuple[NDArray[np.int64], RegionCounts]:
    """Merge the regions typed and those of a file that hold a window, and warn of the others."""
    if path is None:
        return merge_intervals(typed), RegionCounts(len(typed), 0, 0)
    listed = read_region_list(path, row, chromsizes)
    if listed is None:
        raise TrackError(path, "holds no region, so there is nothing to scan; without --regions all is scanned")
    holds_window = count_windows(row.table(listed.placed), stride) > 0
    short, cut = int((~holds_window).sum()), int((holds_window & listed.is_cut).sum())
    left_out = short + listed.beyond + listed.absent
    reasons = [
        f"{count:,} {reason}"
        for count, reason in (
            (short, f"without a window of {WINDOW_LENGTH} bases at stride {stride}"),
            (listed.beyond, "beyond the end of the chromosome (another assembly?)"),
            (listed.absent, "on chromosomes that the genome lacks"),
        )
        if count
    ]
    if not len(typed) and not holds_window.any():
        advice = "; widen them, join those that abut, or lower --stride" if short else ""
        raise InputError(f"{path}: none of its {listed.given:,} regions can be scanned: {', '.join(reasons)}{advice}")
    parts = [f"left out {left_out:,} ({', '.join(reasons)})"] if left_out else []
    parts += [f"cut {cut:,} at the end of the chromosome (another assembly?)"] if cut else []
    if parts:
        counts = {"given": listed.given, "left_out": left_out, "cut": cut}
        warn("regions_left_out", f"{path}: of {format_count(listed.given, 'region')}, {' and '.join(parts)}", **counts)
    joined = merge_intervals(np.concatenate((typed, listed.placed[holds_window])))
    return joined, RegionCounts(len(typed) + listed.given, left_out, cut)
