"""Make a data set from any genome and peaks: labelled windows, split into train, valid and test.

The genome's windows are walked through twice. The first pass reads no sequence: it only counts the windows of every
block and so decides the split, the sample weights and every error. The second one reads and writes; it holds no more
than one shard for each part, whatever the size of the genome.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH, one_hot
from jundscan.errors import InputError, OutputError
from jundscan.genome import Genome
from jundscan.metrics import balanced_weights
from jundscan.names import matching_name
from jundscan.regions import scan_spans
from jundscan.shards import write_shards
from jundscan.tracks import Track
from jundscan.truth import Truth
from jundscan.windows import Region, merge_intervals, subtract_intervals, windows_in
from train.dataset import TRAIN, VALID

PARTS = (TRAIN, VALID, "test_dataset")
READ_BASES = 1 << 17
"""Bases read at a time."""
COUNT_WINDOWS = 1 << 20
"""Windows counted at a time."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Contiguous blocks of chromosomes, numbered through; a window belongs to the block that holds its start.

    Attributes
    ----------
    edges : dict of str to numpy.ndarray, shape=(blocks,), dtype=int64
        Start of every block of a chromosome, the first one 0; a block that starts where the next one does is empty.
    first : dict of str to int
        Number of a chromosome's first block.
    chroms : list of str
        Chromosome of every block.
    margin : int
        Windows that start in so many first bases of a block, but a chromosome's first, are left out because they
        share bases with the block before.
    """

    edges: dict[str, NDArray[np.int64]]
    first: dict[str, int]
    chroms: list[str]
    margin: int

    def numbers(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the block of each window, -1 for one that is left out."""
        edges = self.edges[chrom]
        block = np.searchsorted(edges, starts, side="right") - 1
        shared = (block > 0) & (starts - edges[block] < self.margin)
        return np.where(shared, -1, block + self.first[chrom])


@dataclass(frozen=True)
class Split:
    """How blocks are divided among the parts, at random by shares or by whole chromosomes.

    Attributes
    ----------
    block_bases : int
        Length of a block.
    valid, test : float
        Shares of the blocks.
    seed : int
        Of the division at random.
    valid_chroms, test_chroms : collection of str
        When any is named, chromosomes are divided instead and the numbers above mean nothing.
    """

    block_bases: int = 1_000_000
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0
    valid_chroms: Collection[str] = ()
    test_chroms: Collection[str] = ()

    @property
    def by_chromosome(self) -> bool:
        """Whether chromosomes are divided, not blocks."""
        return bool(self.valid_chroms or self.test_chroms)


@dataclass(frozen=True)
class Part:
    """What was written of one part."""

    folder: Path
    windows: int
    bound: int
    shards: int


@dataclass(frozen=True)
class Made:
    """What was written, and what was left out: windows with unknown letters, and those between blocks."""

    parts: list[Part]
    unknown: int
    between: int


def make_blocks(chromsizes: Mapping[str, int], truth: Truth, block_bases: int | None, stride: int) -> Blocks:
    """Cut chromosomes into blocks of ``block_bases``, or into one block each; no peak is divided.

    A peak's windows are those that touch it. Where a cut would divide them it moves: behind the peak when the peak
    starts before the cut, before its first window when it starts behind. Peaks that share a window stay together.
    """
    edges: dict[str, NDArray[np.int64]] = {}
    first: dict[str, int] = {}
    chroms: list[str] = []
    for chrom, length in chromsizes.items():
        cuts = np.arange(0, length, block_bases or max(length, 1), dtype=np.int64)
        if length and chrom in truth.peaks:
            reach = np.array([1 - WINDOW_LENGTH, 0])  # windows that touch a peak start in it or up to 100 before
            clusters = merge_intervals(truth.peaks[chrom] + reach)
            at = np.minimum(np.searchsorted(clusters[:, 1], cuts, side="right"), len(clusters) - 1)
            start, end = clusters[at].T
            moved = np.where(cuts > start - reach[0], end, start)
            cuts = np.where((start < cuts) & (cuts < end), np.minimum(moved, length), cuts)
            cuts[0] = 0
        edges[chrom], first[chrom] = np.maximum(cuts, 0), len(chroms)
        chroms += [chrom] * len(cuts)
    return Blocks(edges, first, chroms, 0 if stride >= WINDOW_LENGTH else WINDOW_LENGTH - 1)


def assign_parts(counts: NDArray[np.int64], blocks: Blocks, split: Split) -> NDArray[np.int64]:
    """Give every block its part.

    Parameters
    ----------
    counts : numpy.ndarray, shape=(blocks, 2), dtype=int64
        Unbound and bound windows of each block.
    blocks : Blocks
    split : Split

    Returns
    -------
    numpy.ndarray, shape=(blocks,), dtype=int64
        Indices into :data:`PARTS`.

    Raises
    ------
    InputError
        When a chromosome is unknown or named twice, there are too few blocks, or a part lacks a class.
    """
    parts = np.zeros(len(counts), np.int64)
    wanted = [0]
    if split.by_chromosome:
        known = set(blocks.chroms)
        chosen: dict[str, int] = {}
        for part, names in ((1, split.valid_chroms), (2, split.test_chroms)):
            for name in names:
                chrom = matching_name(name, known)
                if chrom is None:
                    raise InputError(
                        f"{name}: no such chromosome in the genome, which has {', '.join(list(blocks.edges)[:5])}, …"
                    )
                if chosen.setdefault(chrom, part) != part:
                    raise InputError(f"{name}: named for {PARTS[1]} and for {PARTS[2]}; a chromosome is in one part")
        parts[:] = [chosen.get(chrom, 0) for chrom in blocks.chroms]
        wanted += sorted(set(chosen.values()))
    else:
        usable = np.random.default_rng(split.seed).permutation(np.flatnonzero(counts.sum(axis=1)))
        taken = 0
        for part, share in ((1, split.valid), (2, split.test)):
            if share > 0:
                number = max(1, round(share * len(usable)))
                parts[usable[taken : taken + number]] = part
                taken += number
                wanted.append(part)
        if taken >= len(usable):
            raise InputError(
                f"{len(usable)} blocks of {split.block_bases:,} bases hold windows, too few to divide into "
                f"{len(wanted)} parts; lower --block-bases"
            )
    for part in wanted:
        unbound, bound = counts[parts == part].sum(axis=0).tolist()
        if not bound or not unbound:
            raise InputError(
                f"{PARTS[part]}: {bound:,} bound and {unbound:,} unbound windows, needs both; "
                + ("choose other chromosomes" if split.by_chromosome else "try another --seed, share or --block-bases")
            )
    return parts


def grid_starts(start: int, end: int, length: int, stride: int) -> NDArray[np.int64]:
    """Return the starts of the windows on the grid wholly inside the bases [start, end) of a chromosome."""
    windows = windows_in(start, end, length, stride)
    return np.arange(windows.first, windows.first + windows.count, dtype=np.int64) * stride


def known_stretches(genome: Genome, spans: Sequence[Region]) -> list[Region]:
    """Cut the unknown bases out of spans and keep what can hold a window."""
    stretches = []
    for span in spans:
        known = subtract_intervals(np.array([[span.start, span.end]]), genome.unknown_runs(span.chrom))
        known = known[known[:, 1] - known[:, 0] >= WINDOW_LENGTH]
        stretches += [Region(span.chrom, start, end) for start, end in known.tolist()]
    return stretches


def count_windows(
    genome: Genome, truth: Truth, stretches: Sequence[Region], blocks: Blocks, stride: int
) -> tuple[NDArray[np.int64], int]:
    """Count the unbound and bound windows of every block, (blocks, 2), and those left out between blocks."""
    counts = np.zeros((len(blocks.chroms), 2), np.int64)
    between = 0
    for chrom, start, end in stretches:
        length = genome.chromsizes[chrom]
        while len(starts := grid_starts(start, min(end, start + COUNT_WINDOWS * stride), length, stride)):
            numbers, labels = blocks.numbers(chrom, starts), truth.labels(chrom, starts)
            kept = numbers >= 0
            np.add.at(counts, (numbers[kept], labels[kept]), 1)
            between += int(np.count_nonzero(~kept))
            start = int(starts[-1]) + 1
    return counts, between


def read_windows(
    genome: Genome, stretches: Sequence[Region], stride: int
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.uint8]]]:
    """Read the windows of stretches in genome order: chromosome, starts (n,) and codes (n, 101), piece by piece."""
    held, held_start, held_chrom = np.empty(0, np.uint8), 0, ""
    for block in genome.blocks(stretches, READ_BASES):
        if block.chrom != held_chrom or block.start != held_start + len(held):
            held, held_start, held_chrom = block.codes, block.start, block.chrom
        else:
            held = np.concatenate([held, block.codes])
        end = held_start + len(held)
        starts = grid_starts(held_start, end, genome.chromsizes[block.chrom], stride)
        if not len(starts):
            continue
        views = np.lib.stride_tricks.sliding_window_view(held, WINDOW_LENGTH)
        yield block.chrom, starts, views[starts - held_start]
        rest = min(int(starts[-1]) + stride, end)
        held, held_start = held[rest - held_start :], rest


@dataclass
class _Writer:
    """Collects the windows of one part and writes a shard whenever there are enough."""

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
    track: Track | None,
    track_names: Mapping[str, str],
    out: Path,
    split: Split,
    *,
    stride: int = WINDOW_LENGTH,
    shard_windows: int = 100_000,
    regions: Sequence[str] = (),
    force: bool = False,
) -> Made:
    """Write ``train_dataset``, ``valid_dataset`` and ``test_dataset`` into ``out``.

    Windows start at 0, stride, 2·stride, … of each chromosome. Those with an unknown letter are left out, and at
    strides below 101 those that share bases with the block before theirs.

    Parameters
    ----------
    genome : Genome
    truth : Truth
        Known peaks, the labels.
    track : Track or None
        Accessibility; its means are written as they are. None writes no accessibility.
    track_names : mapping of str to str
        The track's name of each chromosome by the genome's; one that is not in it gets NaN.
    out : pathlib.Path
        Made when it does not exist.
    split : Split
    stride : int
        Bases between window starts.
    shard_windows : int
        The most windows of a shard.
    regions : sequence of str
        ``chrom`` or ``chrom:start-end``, 0-based half-open; only windows wholly inside one are used.
    force : bool
        Replace the shards that are there.

    Returns
    -------
    Made
        A part that was not asked for (a share of 0, no chromosome) is not in it, nor written.

    Raises
    ------
    InputError
        When a number makes no sense, a region cannot be used, or a part lacks a class.
    OutputError
        When a part is there already, or cannot be written.
    """
    _check_numbers(split, shard_windows)
    existing = [out / part for part in PARTS if (out / part).exists()]
    if existing and not force:
        raise OutputError(f"{existing[0]}: exists already; choose another --out, or --force to replace its shards")
    sizes = genome.chromsizes
    spans = scan_spans(sizes, stride, regions)
    stretches = known_stretches(genome, spans)
    blocks = make_blocks(sizes, truth, None if split.by_chromosome else split.block_bases, stride)
    counts, between = count_windows(genome, truth, stretches, blocks, stride)
    parts = assign_parts(counts, blocks, split)
    in_spans = sum(windows_in(span.start, span.end, sizes[span.chrom], stride).count for span in spans)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".shards-") as work:
            writers = {
                part: _Writer(Path(work) / name, counts[parts == part].sum(axis=0), shard_windows, track is not None)
                for part, name in enumerate(PARTS)
                if part in parts and counts[parts == part].any()
            }
            for chrom, starts, codes in read_windows(genome, stretches, stride):
                numbers = blocks.numbers(chrom, starts)
                labels = truth.labels(chrom, starts)
                means = np.full(len(starts), np.nan, np.float32)
                if track is not None and chrom in track_names:
                    means = track.window_means(track_names[chrom], starts)
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
    return Made(made, unknown=in_spans - int(counts.sum()) - between, between=between)


def _check_numbers(split: Split, shard_windows: int) -> None:
    if shard_windows < 1:
        raise InputError(f"--shard-windows {shard_windows}: must be at least 1")
    if split.block_bases < WINDOW_LENGTH:
        raise InputError(f"--block-bases {split.block_bases}: must be at least {WINDOW_LENGTH}, the bases of a window")
    if min(split.valid, split.test) < 0 or not split.valid + split.test < 1:
        raise InputError(f"--valid {split.valid:g} and --test {split.test:g}: must be shares that leave some to train")


def _move(work: Path, out: Path) -> None:
    """Put finished parts in place; shards that were there go, whatever else is in their folders stays."""
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
