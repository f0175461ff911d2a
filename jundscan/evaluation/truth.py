"""Label windows by known peaks: a window is bound if at least 51 of its 101 bases lie in peaks."""

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
"""Minimum bases in peaks of a bound window: more than half."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Known peaks of a genome.

    Attributes
    ----------
    peaks : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Starts and ends by the genome's chromosome names. Overlapping and abutting peaks are merged.
    single_peaks : mapping of str to Peaks
        The same peaks as they were read, not merged.
    source : str
        Name of the file, for messages.
    """

    peaks: Mapping[str, NDArray[np.int64]]
    single_peaks: Mapping[str, Peaks] = field(default_factory=dict)
    source: str = "the truth"

    def labels(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.int8]:
        """Label windows of a chromosome.

        Parameters
        ----------
        chrom : str
            A chromosome without a peak has no bound window.
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
        # only peaks in reach, because callers label few windows at a time
        first = np.searchsorted(peaks[:, 1], starts.min(), side="right")
        near = peaks[first : np.searchsorted(peaks[:, 0], starts.max() + WINDOW_LENGTH)]
        if not len(near):
            return np.zeros(len(starts), np.int8)
        # bases in peaks before each edge. Interpolation gives those before any base
        covered = np.diff(near, prepend=near[:, :1]).ravel().cumsum()
        before, until = (np.interp(at, near.ravel(), covered) for at in (starts, starts + WINDOW_LENGTH))
        return np.asarray(until - before >= BOUND_BASES, np.int8)


def read_truth(path: str | Path, chromsizes: Mapping[str, int]) -> Truth:
    """Read known peaks, BED or narrowPeak, under the genome's chromosome names.

    Parameters
    ----------
    path : str or pathlib.Path
        Peaks on chromosomes that the genome lacks are left out.
    chromsizes : mapping of str to int
        Bases of the genome's chromosomes.

    Returns
    -------
    Truth

    Raises
    ------
    TrackError
        When the file cannot be read, holds no peak, or shares no chromosome with the genome.
    """
    single_peaks = read_peaks(path, chromsizes)
    if not single_peaks:
        name = next(iter(read_intervals(path, "regions", may_be_empty=True)), None)
        if name is None:
            raise TrackError(path, "holds no peak, so nothing can be compared with it. Use the file of known peaks")
        raise TrackError(
            path, f"no chromosome in common with the genome: peaks on {name}, genome has {next(iter(chromsizes))}"
        )
    peaks = {chrom: merge_intervals(np.column_stack((rows.start, rows.end))) for chrom, rows in single_peaks.items()}
    return Truth(peaks, single_peaks, str(path))
