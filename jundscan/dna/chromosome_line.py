"""Put all chromosomes of a genome on one line of coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray


class ChromosomeLine:
    """All chromosomes on one line, so that positions on all of them are one array.

    Parameters
    ----------
    chromsizes : mapping of str to int
        Bases of the genome's chromosomes, in their order.
    apart : int
        Bases between two chromosomes, and before the first one.

    Attributes
    ----------
    chroms : tuple of str
    origins : numpy.ndarray, shape=(chroms,), dtype=int64
        Coordinate of each chromosome's first base.
    ranks : dict of str to int
        Index of each chromosome in ``chroms``.

    Examples
    --------
    >>> line = ChromosomeLine({"chr1": 500, "chr2": 300}, 100)
    >>> line.origins.tolist(), [(chrom, own.tolist()) for chrom, own in line.split(np.array([107, 701]))]
    ([100, 700], [('chr1', [7]), ('chr2', [1])])
    """

    def __init__(self, chromsizes: Mapping[str, int], apart: int) -> None:
        self.chroms = tuple(chromsizes)
        self.ranks = {chrom: rank for rank, chrom in enumerate(self.chroms)}
        sizes = np.array(list(chromsizes.values()), np.int64)
        self.origins = np.cumsum(sizes + apart) - sizes

    def split(self, positions: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield each chromosome with its part of ascending positions, counted from its first base."""
        if not len(positions):
            return
        first, stop = np.searchsorted(self.origins, positions[[0, -1]], side="right") - np.array([1, 0])
        edges = [*np.searchsorted(positions, self.origins[first:stop]).tolist(), len(positions)]
        for rank, begin, end in zip(range(first, stop), edges[:-1], edges[1:], strict=True):
            if begin < end:
                yield self.chroms[rank], positions[begin:end] - self.origins[rank]
