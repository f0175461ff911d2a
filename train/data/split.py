"""Divide a genome's windows into train, valid and test, by contiguous blocks or by whole chromosomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.evaluation.truth import Truth
from train.data.dataset import TRAIN, VALID

PARTS = (TRAIN, VALID, "test_dataset")


@dataclass(frozen=True, eq=False)
class Blocks:
    """Contiguous blocks, numbered across all chromosomes. A window belongs to the block that holds its start.

    Attributes
    ----------
    edges : dict of str to numpy.ndarray, shape=(blocks,), dtype=int64
        Start of every block of a chromosome. The first is 0. A block that starts where the next one does is empty.
    first : dict of str to int
        Number of a chromosome's first block.
    chroms : list of str
        Chromosome of every block.
    margin : int
        First bases of a block in which no window may start, because it would share bases with the block before. It does
        not apply to a chromosome's first block.
    """

    edges: dict[str, NDArray[np.int64]]
    first: dict[str, int]
    chroms: list[str]
    margin: int

    def numbers(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the block of each window, or -1 for an omitted window."""
        edges = self.edges[chrom]
        block = np.searchsorted(edges, starts, side="right") - 1
        shared = (block > 0) & (starts - edges[block] < self.margin)
        return np.where(shared, -1, block + self.first[chrom])


@dataclass(frozen=True)
class Split:
    """How blocks are divided among the parts: at random, or by whole chromosomes.

    Attributes
    ----------
    block_bases : int
        Length of a block.
    valid, test : float
        Fractions of the blocks.
    seed : int
        Seed of the random division.
    valid_chroms, test_chroms : collection of str
        If not empty, whole chromosomes are divided and the fields above have no effect.
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


def make_blocks(chromsizes: Mapping[str, int], truth: Truth, block_bases: int | None, stride: int) -> Blocks:
    """Cut chromosomes into blocks of ``block_bases``, or into one block each, without dividing a peak.

    A peak's windows are those that touch it. A cut that would divide them moves behind the peak if the peak starts
    before the cut, else before the peak's first window. Peaks that share a window stay together.
    """
    edges: dict[str, NDArray[np.int64]] = {}
    first: dict[str, int] = {}
    chroms: list[str] = []
    for chrom, length in chromsizes.items():
        cuts = np.arange(0, length, block_bases or max(length, 1), dtype=np.int64)
        if length and chrom in truth.peaks:
            reach = np.array([1 - WINDOW_LENGTH, 0])  # a window that touches a peak starts in it or up to 100 before
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
    """Assign a part to every block.

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
    not_empty = [0]
    if split.by_chromosome:
        known = set(blocks.chroms)
        chosen: dict[str, int] = {}
        for part, names in ((1, split.valid_chroms), (2, split.test_chroms)):
            for name in names:
                chrom = matching_name(name, known)
                if chrom is None:
                    raise InputError(f"{name}: no such chromosome in the genome, which has {some_names(blocks.edges)}")
                if chosen.setdefault(chrom, part) != part:
                    raise InputError(f"{name}: named for {PARTS[1]} and for {PARTS[2]}; name it for one of them")
        parts[:] = [chosen.get(chrom, 0) for chrom in blocks.chroms]
        not_empty += sorted(set(chosen.values()))
    else:
        usable = np.random.default_rng(split.seed).permutation(np.flatnonzero(counts.sum(axis=1)))
        taken = 0
        for part, share in ((1, split.valid), (2, split.test)):
            if share > 0:
                number = max(1, round(share * len(usable)))
                parts[usable[taken : taken + number]] = part
                taken += number
                not_empty.append(part)
        if taken >= len(usable):
            raise InputError(
                f"{len(usable)} blocks of {split.block_bases:,} bases hold windows, too few to divide into "
                f"{len(not_empty)} parts; lower --block-bases"
            )
    for part in not_empty:
        unbound, bound = counts[parts == part].sum(axis=0).tolist()
        if not bound or not unbound:
            raise InputError(
                f"{PARTS[part]}: {bound:,} bound and {unbound:,} unbound windows, but it needs both; "
                + ("choose other chromosomes" if split.by_chromosome else "try another --seed or --block-bases")
            )
    return parts
