"""Known peaks, and the rule that makes a window bound: at least 51 of its 101 bases lie in a peak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import TrackError
from jundscan.evaluation.peaks import Peaks, read_peaks
from jundscan.io.bed import read_intervals

BOUND_BASES = WINDOW_LENGTH // 2 + 1
"""A window counts as bound when at least so many of its bases lie in a peak: 51."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Known peaks of a genome.

    Attributes
    ----------
    peaks : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends by the genome's chromosome names; overlapping and abutting peaks are one.
    known : mapping of str to Peaks
        The same one by one, as they were read.
    source : str
        Where they come from, for messages.
    """

    peaks: Mapping[str, NDArray[np.int64]]
    known: Mapping[str, Peaks] = field(default_factory=dict)
    source: str = "the truth"

    def labels(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.int8]:
        """Label windows of a chromosome.

        Parameters
        ----------
        chrom : str
            One without a peak has no bound window.
        starts : numpy.ndarray, shape=(n,), dtype=int64
            Window starts, 0-based.

        Returns
        -------
        numpy.ndarray, shape=(n,), dtype=int8
            1 where at least 51 bases lie in peaks, else 0.

        Examples
        --------
        >>> Truth({"chr1": np.array([[100, 151]])}).labels("chr1", np.array([49, 50, 100, 101])).tolist()
        [0, 1, 1, 0]
        """
        if chrom not in self.peaks or not len(starts):
            return np.zeros(len(starts), np.int8)
        peaks = self.peaks[chrom]
        # only those in reach: a caller may come with few windows many times
        first = np.searchsorted(peaks[:, 1], starts.min(), side="right")
        near = peaks[first : np.searchsorted(peaks[:, 0], starts.max() + WINDOW_LENGTH)]
        if not len(near):
            return np.zeros(len(starts), np.int8)
        # bases in peaks before each edge, and so by interpolation before any base
        covered = np.diff(near, prepend=near[:, :1]).ravel().cumsum()
        inside: NDArray[np.float64] = np.interp(starts + WINDOW_LENGTH, near.ravel(), covered) - np.interp(
            starts, near.ravel(), covered
        )
        bound: NDArray[np.bool_] = inside >= BOUND_BASES
        return bound.astype(np.int8)


def read_truth(path: str | Path, chromsizes: Mapping[str, int]) -> Truth:
    """Read known peaks, BED or narrowPeak, and name their chromosomes as the genome does.

    Parameters
    ----------
    path : str or pathlib.Path
        The peaks; those on chromosomes that the genome lacks are left out.
    chromsizes : mapping of str to int
        The genome's chromosomes, bases.

    Returns
    -------
    Truth

    Raises
    ------
    TrackError
        When there are no peaks, they cannot be read, or they share no chromosome with the genome.
    """
    known = read_peaks(path, chromsizes)
    if not known:
        named = next(iter(read_intervals(path, "regions", may_be_empty=True)), None)
        if named is None:
            raise TrackError(path, "holds no peak, so nothing can be compared with it; name the file of known peaks")
        raise TrackError(
            path,
            f"no chromosome in common with the genome: peaks on {named}, genome has {next(iter(chromsizes))}",
        )
    peaks = {chrom: merge_intervals(np.column_stack((rows.start, rows.end))) for chrom, rows in known.items()}
    return Truth(peaks, known, str(path))
