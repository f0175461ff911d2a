"""Read many stretches of a genome, whether it is indexed or streamed."""

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
    """Reader of stretches of a genome.

    Of an indexed FASTA it reads only the bases of each stretch. For a streamed FASTA it keeps the last chromosome in
    memory, and starts a new pass when an earlier chromosome is asked for.

    Parameters
    ----------
    genome : Genome
    """

    def __init__(self, genome: Genome) -> None:
        self._genome = genome
        self._rank = {chrom: number for number, chrom in enumerate(genome.chromsizes)}
        self._last: tuple[int, NDArray[np.uint8]] = (-1, np.empty(0, np.uint8))  # rank and codes of a chromosome
        self._stream: Iterator[Block] = iter(())

    def read(self, stretches: Sequence[Region]) -> NDArray[np.uint8]:
        """Return the codes of stretches, one after the other.

        Parameters
        ----------
        stretches : sequence of Region
            In file order, disjoint. They may reach beyond the ends of their chromosomes.

        Returns
        -------
        numpy.ndarray, shape=(sum of their lengths,), dtype=uint8
            Codes, which are 4 beyond the ends of a chromosome.

        Raises
        ------
        FastaError
            When the genome cannot be read.
        """
        sizes = self._genome.chromsizes
        inside = [Region(chrom, max(start, 0), min(end, sizes[chrom])) for chrom, start, end in stretches]
        pieces: list[NDArray[np.uint8]] = []
        blocks = self._codes([region for region in inside if region.start < region.end])
        for stretch, region in zip(stretches, inside, strict=True):
            if region.start >= region.end:
                pieces.append(_unknown(stretch.end - stretch.start))
                continue
            pieces.append(_unknown(region.start - stretch.start))
            while region.start < region.end:
                block = next(blocks)
                pieces.append(block)
                region = region._replace(start=region.start + len(block))
            pieces.append(_unknown(stretch.end - region.end))
        return np.concatenate(pieces) if pieces else np.empty(0, np.uint8)

    def _codes(self, regions: list[Region]) -> Iterator[NDArray[np.uint8]]:
        if self._genome.seekable:
            yield from (block.codes for block in self._genome.blocks(regions))
            return
        for chrom, group in groupby(regions, key=lambda region: region.chrom):
            codes = self._chromosome(chrom)
            yield from (codes[region.start : region.end] for region in group)

    def _chromosome(self, chrom: str) -> NDArray[np.uint8]:
        """Stream the genome up to a chromosome, from the start when the stream has passed it."""
        rank, (last, codes) = self._rank[chrom], self._last
        if rank == last:
            return codes
        if rank < last or last < 0:
            if last >= 0:
                path = self._genome.path
                log.info("%s: read again for %s, which comes earlier; decompress the file to avoid this", path, chrom)
            later = [name for name, number in self._rank.items() if number >= rank]
            sizes = self._genome.chromsizes
            self._stream = self._genome.blocks([Region(name, 0, sizes[name]) for name in later])
        self._last = (-1, np.empty(0, np.uint8))  # frees its memory before the next one is read
        codes = np.empty(self._genome.chromsizes[chrom], np.uint8)
        filled = 0
        while filled < len(codes):
            block = next(self._stream)
            if block.chrom == chrom:
                codes[filled : filled + len(block.codes)] = block.codes
                filled += len(block.codes)
        self._last = (rank, codes)
        return codes


def _unknown(count: int) -> NDArray[np.uint8]:
    return np.full(count, UNKNOWN, np.uint8)
