"""The bases around a scan's best hits: kept when they pass, so that a gzipped genome need not be read once more."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import Block, Genome
from jundscan.scanning.score import TASK_BASES
from jundscan.threads import TASKS_AHEAD_PER_THREAD

_HELD_BASES = 4 << 20
"""Bases held besides those that are read ahead: a hit is known when the next one comes."""


class RecentBases(Genome):
    """A genome that holds the bases read last.

    Parameters
    ----------
    genome : Genome
    threads : int
        Of the scan, which say how far it reads ahead.
    """

    def __init__(self, genome: Genome, threads: int) -> None:
        super().__init__(genome.path)
        self._genome = genome
        self._held: deque[Block] = deque()
        self._by_chrom: dict[str, deque[Block]] = defaultdict(deque)
        self._bases = 0
        self._most_bases = _HELD_BASES + (TASKS_AHEAD_PER_THREAD + 1) * threads * TASK_BASES

    @property
    def seekable(self) -> bool:
        """See :attr:`jundscan.io.fasta.genome.Genome.seekable`."""
        return self._genome.seekable

    @property
    def chromsizes(self) -> ChromSizes:
        """See :attr:`jundscan.io.fasta.genome.Genome.chromsizes`."""
        return self._genome.chromsizes

    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """See :meth:`jundscan.io.fasta.genome.Genome.unknown_runs`."""
        return self._genome.unknown_runs(chrom)

    def blocks(self, regions: Sequence[Region], block_bases: int = 1 << 20) -> Iterator[Block]:
        """See :meth:`jundscan.io.fasta.genome.Genome.blocks`."""
        for block in self._genome.blocks(regions, block_bases):
            self._held.append(block)
            self._by_chrom[block.chrom].append(block)
            self._bases += len(block.codes)
            while self._bases - len(self._held[0].codes) > self._most_bases:
                oldest = self._held.popleft()
                self._bases -= len(oldest.codes)
                self._by_chrom[oldest.chrom].popleft()
                if not self._by_chrom[oldest.chrom]:
                    del self._by_chrom[oldest.chrom]
            yield block

    def recent(self, region: Region) -> NDArray[np.uint8] | None:
        """Give a copy of the codes of a region, or None when some of it is not held."""
        parts = []
        wanted_end = region.end
        for block in reversed(self._by_chrom.get(region.chrom, ())):
            if block.start < wanted_end <= block.start + len(block.codes):
                first = max(region.start - block.start, 0)
                parts.append(block.codes[first : wanted_end - block.start])
                wanted_end = block.start + first
                if wanted_end == region.start:
                    return np.concatenate(parts[::-1])
        return None


class Piece(NamedTuple):
    """A region of a genome with its codes; None when they are still to be read."""

    region: Region
    codes: NDArray[np.uint8] | None


class Pieces(Genome):
    """Regions of a genome in memory; what is not known yet is read in one pass.

    Parameters
    ----------
    genome : Genome
    regions : sequence of Region
        Disjoint, in the genome's order.
    known : iterable of Piece
        Each inside one of the regions, together covering them; they may overlap.
    """

    def __init__(self, genome: Genome, regions: Sequence[Region], known: Iterable[Piece]) -> None:
        super().__init__(genome.path)
        self._genome = genome
        self._codes: dict[str, list[tuple[int, NDArray[np.uint8]]]] = defaultdict(list)
        for chrom, start, end in regions:
            self._codes[chrom].append((start, np.empty(end - start, np.uint8)))
        missing = set()
        for (chrom, start, end), codes in known:
            if codes is None:
                missing.add(Region(chrom, start, end))
            else:
                self.codes(chrom, start, end)[:] = codes
        if missing:
            for block in genome.blocks([region for region in regions if self._holds(region, missing)]):
                self.codes(block.chrom, block.start, block.start + len(block.codes))[:] = block.codes

    seekable = True

    @property
    def chromsizes(self) -> ChromSizes:
        """See :attr:`jundscan.io.fasta.genome.Genome.chromsizes`."""
        return self._genome.chromsizes

    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """See :meth:`jundscan.io.fasta.genome.Genome.unknown_runs`."""
        return self._genome.unknown_runs(chrom)

    def _holds(self, region: Region, pieces: Iterable[Region]) -> bool:
        return any(
            piece.chrom == region.chrom and region.start <= piece.start and piece.end <= region.end for piece in pieces
        )

    def codes(self, chrom: str, start: int, end: int) -> NDArray[np.uint8]:
        """Give a view of bases inside one region."""
        held = self._codes[chrom]
        origin, codes = held[bisect_right(held, start, key=lambda piece: piece[0]) - 1]
        return codes[start - origin : end - origin]

    def blocks(self, regions: Sequence[Region], block_bases: int = 0) -> Iterator[Block]:
        """Yield parts of the regions, each whole."""
        for chrom, start, end in regions:
            yield Block(chrom, start, self.codes(chrom, start, end))
