"""Bases of the genome at many places at once, in any order of the places."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN
from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import Block, Genome

log = logging.getLogger("jundscan")


class StretchReader:
    """Read stretches of a genome.

    A plain FASTA gives each stretch for the price of its bases. A compressed one is streamed: the chromosome last read
    is kept in memory, and one that lies before it costs a new pass.
    """

    def __init__(self, genome: Genome) -> None:
        self._genome = genome
        self._rank = {chrom: number for number, chrom in enumerate(genome.chromsizes)}
        self._held: tuple[int, NDArray[np.uint8]] = (-1, np.empty(0, np.uint8))
        self._stream: Iterator[Block] = iter(())

    def read(self, stretches: Sequence[Region]) -> NDArray[np.uint8]:
        """Return the codes of stretches, one after the other.

        Parameters
        ----------
        stretches : sequence of Region
            In the order of the file, disjoint; they may reach beyond the ends of their chromosomes.

        Returns
        -------
        numpy.ndarray, shape=(sum of their lengths,), dtype=uint8
            4 beyond the ends of a chromosome.

        Raises
        ------
        FastaError
            When the genome cannot be read.
        """
        sizes = self._genome.chromsizes
        inside = [Region(chrom, max(start, 0), min(end, sizes[chrom])) for chrom, start, end in stretches]
        pieces: list[NDArray[np.uint8]] = []
        found = self._inside([region for region in inside if region.start < region.end])
        for whole, known in zip(stretches, inside, strict=True):
            if known.start >= known.end:
                pieces.append(_unknown(whole.end - whole.start))
                continue
            pieces.append(_unknown(known.start - whole.start))
            while known.start < known.end:
                block = next(found)
                pieces.append(block)
                known = known._replace(start=known.start + len(block))
            pieces.append(_unknown(whole.end - known.end))
        return np.concatenate(pieces) if pieces else np.empty(0, np.uint8)

    def _inside(self, regions: list[Region]) -> Iterator[NDArray[np.uint8]]:
        if self._genome.seekable:
            yield from (block.codes for block in self._genome.blocks(regions))
            return
        for chrom, here in groupby(regions, key=lambda region: region.chrom):
            codes = self._chromosome(chrom)
            yield from (codes[region.start : region.end] for region in here)

    def _chromosome(self, chrom: str) -> NDArray[np.uint8]:
        """Stream on to a chromosome, or from the beginning when it has passed already."""
        wanted, (rank, codes) = self._rank[chrom], self._held
        if wanted == rank:
            return codes
        if wanted < rank or rank < 0:
            if rank >= 0:
                log.info("%s: read again for %s, which comes earlier; quicker when unpacked", self._genome.path, chrom)
            later = [name for name, number in self._rank.items() if number >= wanted]
            sizes = self._genome.chromsizes
            self._stream = self._genome.blocks([Region(name, 0, sizes[name]) for name in later])
        self._held = (-1, np.empty(0, np.uint8))  # let go of the last one before the next is read
        codes = np.empty(self._genome.chromsizes[chrom], np.uint8)
        filled = 0
        while filled < len(codes):
            block = next(self._stream)
            if block.chrom == chrom:
                codes[filled : filled + len(block.codes)] = block.codes
                filled += len(block.codes)
        self._held = (wanted, codes)
        return codes


def _unknown(count: int) -> NDArray[np.uint8]:
    return np.full(count, UNKNOWN, np.uint8)
