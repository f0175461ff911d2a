"""How a genome's windows are divided into train, valid and test: contiguous blocks, or whole chromosomes."""

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
                    raise InputError(f"{name}: no such chromosome in the genome, which has {some_names(blocks.edges)}")
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
