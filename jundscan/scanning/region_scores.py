"""Score regions that a user lists: what the windows inside each of them say, one row per region in the user's order.

The windows are those of a scan with the same stride: a region never moves the grid. So the best window of a region is
the best of the lines that ``scan --format windows`` writes inside it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TextIO, get_args

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes, matching_name, some_names
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.dna.windows import concatenate_ranges, count_windows, group_consecutive
from jundscan.errors import InputError, TrackError, format_count
from jundscan.io.bed import NamedInterval
from jundscan.io.numbers import format_probability
from jundscan.model.thresholds import is_positive
from jundscan.run.record import run_facts
from jundscan.scanning.hit_table import GENE_COLUMNS
from jundscan.scanning.hits import best_windows
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows, expected_precisions, score
from jundscan.scanning.spans import GenomeAxis
from jundscan.schemas.records import RegionStatus, ScoreRecord

_WINDOWS_AT_ONCE = 1 << 22
"""Maximum windows of regions looked at together. Regions may overlap, and a window counts once for each of them."""


class RegionScore(NamedTuple):
    """What a model says of one region.

    Attributes
    ----------
    chrom : str
        As the genome names it.
    start, end : int
        The region as it was given, 0-based half-open.
    name : str or None
        Its name; None without one.
    score : int or None
        1000 × probability, rounded. Without a scored window, this is None and so are the others but ``windows`` and
        ``status``.
    probability : float or None
        Output of the model for the best window, 0 to 1. It ranks windows, and is not the chance that the factor binds.
    expected_precision : float or None
        As of a :class:`jundscan.Hit`.
    position : int or None
        Centre of the best window, 0-based, as the summit of a hit.
    mean_probability : float or None
        Mean of all windows scored.
    accessibility : float or None
        Percentile, 0 to 1, of the best window in the track; None where not known.
    nearest_gene : str or None
        Gene of the transcription start nearest to the region; None without genes, and on a chromosome without any.
    distance_to_tss : int or None
        Bases from the region to that start, negative where the region lies upstream of it.
    windows : int
        Number of windows scored.
    status : str
        ``"hit"``: the best window reaches the threshold. ``"below threshold"``: it does not. ``"too short"``: the
        region holds no window. ``"unknown bases"``: each of its windows holds a letter but A, C, G and T.
    """

    chrom: str
    start: int
    end: int
    name: str | None
    score: int | None
    probability: float | None
    expected_precision: float | None
    position: int | None
    mean_probability: float | None
    accessibility: float | None
    nearest_gene: str | None
    distance_to_tss: int | None
    windows: int
    status: RegionStatus


class NamedRegion(NamedTuple):
    """A region to score, and its name."""

    region: Region
    name: str | None


def place_intervals(intervals: Iterable[NamedInterval], source: Path | None, scan: Scan) -> list[NamedRegion]:
    """Find the chromosomes of intervals in the genome.

    Parameters
    ----------
    intervals : iterable of NamedInterval
    source : pathlib.Path or None
        Their file. None: a list of Python, in which ``line`` is their index.
    scan : Scan

    Raises
    ------
    InputError
        With the number of the line, when the genome lacks the chromosome, or the interval reaches beyond its end.
    """

    def error(problem: str, line: int) -> InputError:
        return InputError(f"regions[{line}]: {problem}") if source is None else TrackError(source, problem, line)

    sizes = scan.genome.chromsizes
    names: dict[str, str] = {}
    found = []
    for chrom, start, end, name, line in intervals:
        if chrom not in names:
            if (matched := matching_name(chrom, sizes)) is None:
                raise error(f"no chromosome {chrom} in the genome, which has {some_names(sizes)}", line)
            names[chrom] = matched
        region = Region(names[chrom], start, end)
        if end > sizes[region.chrom]:
            problem = f"{chrom}:{start}-{end} reaches beyond the end of {region.chrom}, which has "
            raise error(f"{problem}{sizes[region.chrom]} bases; another assembly?", line)
        found.append(NamedRegion(region, name))
    return found


def chromosomes_of_intervals(intervals: Iterable[NamedInterval] | None, chromsizes: ChromSizes) -> list[str]:
    """Return the genome's names of the chromosomes of intervals; None means all."""
    if intervals is None:
        return list(chromsizes)
    names = (matching_name(name, chromsizes) for name in dict.fromkeys(one.chrom for one in intervals))
    return [name for name in names if name is not None]


def whole_sequences(scan: Scan) -> list[NamedRegion]:
    """Return every sequence of the genome as a region of the same name."""
    return [NamedRegion(Region(chrom, 0, size), chrom) for chrom, size in scan.genome.chromsizes.items()]


class RegionScores:
    """Score regions. Windows of one chromosome are in memory together, those inside regions only.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`. Its spans are not used.
    regions : sequence of NamedRegion
        At least one. They may overlap and repeat.
    extend : int
        Bases by which each region is widened on both sides, up to the ends of its chromosome.

    Attributes
    ----------
    windows : int
        Windows to score.
    windows_scored : int
        Windows scored so far.
    """

    def __init__(self, scan: Scan, regions: Sequence[NamedRegion], extend: int = 0) -> None:
        if not regions:
            raise InputError("regions: none is given")
        self._regions, self._extend = regions, extend
        self._axis = GenomeAxis(scan.genome.chromsizes)
        bounds = self._axis.place_regions(one.region for one in regions)
        table = self._axis.table(bounds)
        begins = bounds[:, :1] - table[:, :1]
        table[:, 0] = np.maximum(table[:, 0] - extend, 0)
        table[:, 1] = np.minimum(table[:, 1] + extend, table[:, 2])
        self._bounds = table[:, :2] + begins
        self._tried = count_windows(table, scan.stride)
        merged = merge_intervals(self._bounds[self._tried > 0])
        self.windows = int(count_windows(self._axis.table(merged), scan.stride).sum())
        self._scan = replace(scan, spans=self._axis.regions(merged), windows=self.windows)
        self.windows_scored = 0
        self._best = np.full(len(regions), np.nan, np.float32)
        self._mean = np.full(len(regions), np.nan)
        self._precision, self._accessibility = np.full(len(regions), np.nan), np.full(len(regions), np.nan, np.float32)
        self._position, self._count = np.full(len(regions), -1), np.zeros(len(regions), np.int64)
        if (is_short := self._tried == 0).any():
            self._warn_of_short(self._axis.table(bounds)[is_short])

    def _warn_of_short(self, table: NDArray[np.int64]) -> None:
        """Warn of regions without a window: their starts, ends and lengths of chromosomes, (n, 3)."""
        enough = _enough_extension(table[table[:, 2] >= WINDOW_LENGTH], self._scan.stride)
        self._scan.inputs.cautions.add(
            "regions_too_short",
            f"{len(table):,} of {format_count(len(self._regions), 'region')} hold no window of {WINDOW_LENGTH} bases "
            f"at stride {self._scan.stride}; "
            + (f"--extend {enough} widens them enough" if enough else "their sequences are shorter"),
            too_short=len(table),
            regions=len(self._regions),
        )

    def rows(self, on_progress: Callable[[int], None] | None = None) -> Iterator[RegionScore]:
        """Score all regions, then yield them in their order.

        Parameters
        ----------
        on_progress : callable, optional
            Gets the number of windows of each chunk.
        """
        chunks: list[ScoredWindows] = []
        for chunk in score(self._scan) if self.windows else ():
            if chunks and chunks[-1].chrom != chunk.chrom:
                self._look_up(chunks)
                chunks = []
            chunks.append(chunk)
            self.windows_scored += chunk.scored
            if on_progress is not None:
                on_progress(chunk.tried)
        if chunks:
            self._look_up(chunks)
        yield from self._rows()

    def record(
        self, output: str, file: Path | None, status: dict[RegionStatus, int], command: str | None, seconds: float
    ) -> ScoreRecord:
        """Return the record of ``score --json``.

        Parameters
        ----------
        output : str
            The table.
        file : pathlib.Path or None
            The file of regions.
        status : dict of str to int
            From :func:`write_region_scores`.
        command : str or None
            The command line.
        seconds : float
            From the first window to the last row.
        """
        scan = self._scan
        scan.inputs.timings["scoring"] = seconds
        return {
            **run_facts(scan.inputs, scan.threshold, {"regions": file}, command),
            "output": output,
            "regions": len(self._regions),
            "status": status,
            "windows_scored": self.windows_scored,
            "windows_skipped": self.windows - self.windows_scored,
            "seconds": seconds,
            "stride": scan.stride,
            "extend": self._extend,
        }

    def _look_up(self, chunks: Sequence[ScoredWindows]) -> None:
        """Find the windows of the regions of a chromosome among all that were scored on it."""
        chrom = chunks[0].chrom
        indices, starts, probabilities = (
            np.concatenate([getattr(chunk, name) for chunk in chunks])
            for name in ("indices", "starts", "probabilities")
        )
        begin = int(self._axis.positions(chrom, np.zeros(1, np.int64))[0])
        end = begin + self._scan.genome.chromsizes[chrom]
        rows = np.flatnonzero((self._bounds[:, 0] >= begin) & (self._bounds[:, 1] <= end))
        first = np.searchsorted(starts, self._bounds[rows, 0] - begin)
        count = np.searchsorted(starts, self._bounds[rows, 1] - begin - WINDOW_LENGTH, side="right") - first
        rows, first, count = (column[count > 0] for column in (rows, first, count))
        for some in (slice(*group) for group in group_consecutive(count, _WINDOWS_AT_ONCE)):
            windows = concatenate_ranges(first[some], count[some], 1)
            heads = np.cumsum(count[some]) - count[some]
            found = best_windows(heads, indices[windows], starts[windows], probabilities[windows], self._scan.stride)
            centres, of_region = np.unique(found.summit, return_inverse=True)
            percentiles = self._scan.inputs.accessibility_of([(chrom, centres - WINDOW_LENGTH // 2)])[:, 0]
            accessibility = percentiles[of_region]
            here = rows[some]
            self._best[here], self._position[here], self._count[here] = found.best, found.summit, count[some]
            self._mean[here] = np.add.reduceat(probabilities[windows].astype(np.float64), heads) / count[some]
            self._accessibility[here] = accessibility
            self._precision[here] = expected_precisions(self._scan, found.best, accessibility)

    def _rows(self) -> Iterator[RegionScore]:
        is_hit = is_positive(self._best, self._scan.threshold.value)
        columns = (
            self._best, self._precision, self._position, self._mean, self._accessibility, self._count, self._tried,
            is_hit,
        )  # fmt: skip
        known = zip(*(column.tolist() for column in columns), strict=True)
        for (region, name), values, gene in zip(self._regions, known, self._nearest_genes(), strict=True):
            best, precision, position, mean, accessibility, count, tried, hit = values
            if count:
                status: RegionStatus = "hit" if hit else "below threshold"
                yield RegionScore(
                    *region, name, round(1000 * best), best, None if np.isnan(precision) else precision, position, mean,
                    None if np.isnan(accessibility) else accessibility, *gene, count, status,
                )  # fmt: skip
            else:
                why: RegionStatus = "unknown bases" if tried else "too short"
                yield RegionScore(*region, name, None, None, None, None, None, None, *gene, 0, why)

    def _nearest_genes(self) -> list[tuple[str | None, int | None]]:
        """Return of each region the gene of the nearest transcription start, and the distance."""
        found: list[tuple[str | None, int | None]] = [(None, None)] * len(self._regions)
        if self._scan.genes is None:
            return found
        rows_of: dict[str, list[int]] = {}
        for row, (region, _) in enumerate(self._regions):
            rows_of.setdefault(region.chrom, []).append(row)
        for chrom, rows in rows_of.items():
            starts, ends = np.array([self._regions[row].region[1:] for row in rows], np.int64).T
            nearest = self._scan.genes.nearest(chrom, starts, ends)
            for row, gene, distance in zip(rows, nearest.names, nearest.distances.tolist(), strict=True):
                found[row] = (gene, None if gene is None else distance)
        return found


def _enough_extension(table: NDArray[np.int64], stride: int) -> int:
    """Return how far regions must be widened so that each holds a window, 0 for none.

    The table is one of :func:`jundscan.dna.windows.span_table`, of chromosomes that hold a window.
    """
    starts, ends, lengths = table.T
    needed = np.minimum(WINDOW_LENGTH + stride - 1, lengths)
    both = -(-(needed - (ends - starts)) // 2)
    # a region at an end of its chromosome grows on the other side only
    at_start = np.where(starts < both, needed - ends, 0)
    at_end = np.where(lengths - ends < both, needed - (lengths - starts), 0)
    return int(np.max((both, at_start, at_end), initial=0))


def count_statuses(statuses: Iterable[RegionStatus]) -> dict[RegionStatus, int]:
    """Count regions by their status."""
    counts: dict[RegionStatus, int] = dict.fromkeys(get_args(RegionStatus), 0)
    for status in statuses:
        counts[status] += 1
    return counts


def write_region_scores(
    stream: TextIO, rows: Iterable[RegionScore], delimiter: str, with_genes: bool
) -> dict[RegionStatus, int]:
    """Write a header and one line per region, and return the number of regions of each status.

    What is not known is empty, but the last columns never are. ``with_genes`` is whether genes were given, else their
    columns are left out.
    """
    columns = [name for name in RegionScore._fields if with_genes or name not in GENE_COLUMNS]
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)

    def written() -> Iterator[RegionStatus]:
        for row in rows:
            values = row._asdict()
            for name in ("probability", "accessibility"):
                if values[name] is not None:
                    values[name] = format_probability(values[name])
            if row.expected_precision is not None:
                values["expected_precision"] = f"{row.expected_precision:.4g}"
            if row.mean_probability is not None:
                values["mean_probability"] = f"{row.mean_probability:.6g}"
            writer.writerow(values[name] for name in columns)
            yield row.status

    return count_statuses(written())
