"""Make a data set from a genome and peaks: labelled windows, split into train, valid and test.

Two passes walk through the genome. The first counts the windows of every block without reading sequence, because split,
weights and errors need only counts. The second reads and writes. It holds at most one shard of each part in memory.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import GenomeTrack
from jundscan.dna.interval_sets import subtract_intervals
from jundscan.dna.letters import WINDOW_LENGTH, one_hot
from jundscan.dna.regions import Region
from jundscan.errors import InputError, OutputError
from jundscan.evaluation.metrics import balanced_weights
from jundscan.evaluation.truth import Truth
from jundscan.evaluation.truth_span import CoveredBases, find_peak_span
from jundscan.io.fasta.genome import Genome
from jundscan.io.shards import write_shards
from jundscan.options import MAX_STRIDE, positive_int
from jundscan.scanning.spans import scan_spans
from train.data.split import PARTS, Blocks, Split, assign_parts, make_blocks

log = logging.getLogger("jundscan")

READ_BASES = 1 << 17
"""Bases read at a time."""
COUNT_WINDOWS = 1 << 20
"""Windows counted at a time."""
SHARD_WINDOWS = 100_000
"""Maximum windows per shard, to bound memory."""


@dataclass(frozen=True)
class Part:
    """One written part of a data set."""

    folder: Path
    windows: int
    bound: int
    shards: int


@dataclass(frozen=True)
class ShardSummary:
    """The written parts, and how many windows are in none: with unknown letters, and overlapping the block before."""

    parts: list[Part]
    unknown: int
    between: int


def grid(start: int, end: int, stride: int) -> range:
    """Return the starts of the windows on the grid wholly inside the bases [start, end) of a chromosome."""
    return range(-(-start // stride) * stride, end - WINDOW_LENGTH + 1, stride)


def grid_starts(start: int, end: int, stride: int) -> NDArray[np.int64]:
    """Return :func:`grid` as an array."""
    starts = grid(start, end, stride)
    return np.arange(starts.start, starts.stop, stride, dtype=np.int64)


def known_stretches(genome: Genome, spans: Sequence[Region]) -> list[Region]:
    """Split spans at unknown bases and keep the pieces that can hold a window."""
    stretches = []
    for span in spans:
        known = subtract_intervals(np.array([[span.start, span.end]]), genome.unknown_runs(span.chrom))
        known = known[known[:, 1] - known[:, 0] >= WINDOW_LENGTH]
        stretches += [Region(span.chrom, start, end) for start, end in known.tolist()]
    return stretches


def count_windows(
    genome: Genome,
    truth: Truth,
    stretches: Sequence[Region],
    blocks: Blocks,
    stride: int,
    at_a_time: int = COUNT_WINDOWS,
) -> tuple[NDArray[np.int64], int]:
    """Count the unbound and bound windows of every block, (blocks, 2), and the windows omitted between blocks."""
    counts = np.zeros((len(blocks.chroms), 2), np.int64)
    between = 0
    for chrom, start, end in stretches:
        while len(starts := grid_starts(start, min(end, start + at_a_time * stride), stride)):
            numbers, labels = blocks.numbers(chrom, starts), truth.labels(chrom, starts)
            kept = numbers >= 0
            np.add.at(counts, (numbers[kept], labels[kept]), 1)
            between += int(np.count_nonzero(~kept))
            start = int(starts[-1]) + 1
    return counts, between


def read_windows(
    genome: Genome, stretches: Sequence[Region], stride: int, at_a_time: int = READ_BASES
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.uint8]]]:
    """Read the windows of stretches in genome order: chromosome, starts (n,) and codes (n, 101), piece by piece."""
    codes, codes_start, chrom = np.empty(0, np.uint8), 0, ""
    for block in genome.blocks(stretches, at_a_time):
        if block.chrom != chrom or block.start != codes_start + len(codes):
            codes, codes_start, chrom = block.codes, block.start, block.chrom
        else:
            codes = np.concatenate([codes, block.codes])
        end = codes_start + len(codes)
        starts = grid_starts(codes_start, end, stride)
        if not len(starts):
            continue
        views = np.lib.stride_tricks.sliding_window_view(codes, WINDOW_LENGTH)
        yield chrom, starts, views[starts - codes_start]
        rest = min(int(starts[-1]) + stride, end)
        codes, codes_start = codes[rest - codes_start :], rest


@dataclass
class _Writer:
    """Collects the windows of one part, and writes a shard whenever they fill one."""

    folder: Path
    counts: NDArray[np.int64]
    shard_windows: int
    has_accessibility: bool
    shards: int = 0
    waiting: list[tuple[NDArray[np.generic], ...]] = field(default_factory=list)

    def add(self, *columns: NDArray[np.generic]) -> None:
        if len(columns[0]):
            self.waiting.append(columns)
        while sum(len(rows[0]) for rows in self.waiting) >= self.shard_windows:
            self._write()

    def finish(self) -> None:
        if sum(len(rows[0]) for rows in self.waiting):
            self._write()

    def _write(self) -> None:
        joined = tuple(np.concatenate(column) for column in zip(*self.waiting, strict=True))
        codes, labels, means, ids = (column[: self.shard_windows] for column in joined)
        self.waiting = [tuple(column[self.shard_windows :] for column in joined)]
        weights = balanced_weights(labels, self.counts)
        accessibility = means if self.has_accessibility else None
        write_shards(self.folder, self.shards, one_hot(codes), labels, weights, accessibility, ids)
        self.shards += 1


def make_shards(
    genome: Genome,
    truth: Truth,
    track: GenomeTrack | None,
    out: Path,
    split: Split,
    *,
    stride: int = WINDOW_LENGTH,
    shard_windows: int = SHARD_WINDOWS,
    regions: Sequence[str] = (),
    everywhere: bool = False,
    force: bool = False,
    read_bases: int = READ_BASES,
    count_at_a_time: int = COUNT_WINDOWS,
) -> ShardSummary:
    """Write ``train_dataset``, ``valid_dataset`` and ``test_dataset`` into ``out``.

    Windows start at 0, stride, 2·stride, … of each chromosome. Windows with an unknown letter are omitted. So are
    windows that share bases with the block before theirs, at strides below 101.

    Parameters
    ----------
    genome : Genome
    truth : Truth
        Known peaks, the labels.
    track : GenomeTrack or None
        Accessibility. The shards hold its means unmapped. None writes no accessibility.
    out : pathlib.Path
        Made when it does not exist.
    split : Split
    stride : int
        Bases between window starts.
    shard_windows : int
        Maximum windows per shard.
    regions : sequence of str
        ``chrom`` or ``chrom:start-end``, 0-based half-open. Only windows wholly inside one are used. Logs a warning
        when the peaks span less than half of their bases.
    everywhere : bool
        Accept peaks that span less than half of the bases as those of all windows.
    force : bool
        Replace existing shards.
    read_bases, count_at_a_time : int
        Bases read, and windows counted, at a time.

    Returns
    -------
    ShardSummary
        Without parts that ``split`` gives no block, which are not written either.

    Raises
    ------
    InputError
        When an option is out of range, a region cannot be used, or a part lacks a class. Also when the peaks span less
        than half of the bases, without ``regions`` and ``everywhere``.
    OutputError
        When a part exists already or cannot be written.
    """
    _check_numbers(split, shard_windows)
    stride = positive_int("stride", stride, MAX_STRIDE)
    existing = [out / part for part in PARTS if (out / part).exists()]
    if existing and not force:
        raise OutputError(f"{existing[0]}: exists already; choose another --out, or --force to replace its shards")
    sizes = genome.chromsizes
    spans = scan_spans(sizes, stride, regions)
    stretches = known_stretches(genome, spans)
    if not everywhere:
        _check_peak_span(truth, stretches, bool(regions))
    blocks = make_blocks(sizes, truth, None if split.by_chromosome else split.block_bases, stride)
    counts, between = count_windows(genome, truth, stretches, blocks, stride, count_at_a_time)
    parts = assign_parts(counts, blocks, split)
    in_spans = sum(len(grid(span.start, span.end, stride)) for span in spans)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".shards-") as work:
            writers = {
                part: _Writer(Path(work) / name, counts[parts == part].sum(axis=0), shard_windows, track is not None)
                for part, name in enumerate(PARTS)
                if part in parts and counts[parts == part].any()
            }
            for chrom, starts, codes in read_windows(genome, stretches, stride, read_bases):
                numbers = blocks.numbers(chrom, starts)
                labels = truth.labels(chrom, starts)
                means = np.full(len(starts), np.nan, np.float32)
                if track is not None:
                    means = track.means([(chrom, starts)])[:, 0]
                ids = np.array([f"{chrom}:{start}-{start + WINDOW_LENGTH}" for start in starts.tolist()])
                for part, writer in writers.items():
                    rows = (numbers >= 0) & (parts[numbers] == part)
                    writer.add(codes[rows], labels[rows], means[rows], ids[rows])
            for writer in writers.values():
                writer.finish()
            _move(Path(work), out)
    except OSError as err:
        raise OutputError(f"{out}: cannot be written: {err.strerror or err}") from err
    made = [
        Part(out / PARTS[part], int(writer.counts.sum()), int(writer.counts[1]), writer.shards)
        for part, writer in writers.items()
    ]
    return ShardSummary(made, unknown=in_spans - int(counts.sum()) - between, between=between)


def _check_peak_span(truth: Truth, stretches: Sequence[Region], has_regions: bool) -> None:
    """Raise InputError when peaks span less than half of the windows. With regions, log a warning instead."""
    edges: dict[str, list[int]] = {}
    for chrom, start, end in stretches:
        edges.setdefault(chrom, []).extend((start, end))
    compared = {}
    for chrom, positions in edges.items():
        lengths = np.diff(positions)
        lengths[1::2] = 0  # between two stretches
        compared[chrom] = CoveredBases(np.array(positions), np.append(0.0, np.cumsum(lengths)))
    span = find_peak_span(truth.peaks, compared)
    if not span.is_partial:
        return
    consequence = "Windows elsewhere are labelled unbound."
    message = span.caution(truth.source, "that windows come from", consequence, "--region").message
    if not has_regions:
        raise InputError(f"{message} If they are those of the whole genome, give --everywhere.")
    log.warning("%s", message)


def _check_numbers(split: Split, shard_windows: int) -> None:
    if shard_windows < 1:
        raise InputError(f"--shard-windows {shard_windows}: must be at least 1")
    if split.block_bases < WINDOW_LENGTH:
        raise InputError(f"--block-bases {split.block_bases}: must be at least {WINDOW_LENGTH}, the bases of a window")
    if min(split.valid, split.test) < 0 or not split.valid + split.test < 1:
        raise InputError(
            f"--valid {split.valid:g} and --test {split.test:g}: must be 0 or more, and sum to less than 1"
        )


def _move(work: Path, out: Path) -> None:
    """Move finished parts to ``out`` in place of earlier shards. Keep other files of their folders."""
    for name in PARTS:
        target = out / name
        if target.exists():
            for old in target.glob("shard-*.joblib"):
                old.unlink()
            if not any(target.iterdir()):
                target.rmdir()
        if (work / name).exists():
            target.mkdir(exist_ok=True)
            for new in sorted((work / name).iterdir()):
                new.replace(target / new.name)
