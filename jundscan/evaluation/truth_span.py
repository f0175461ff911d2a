"""Measure how much of the compared bases known peaks span, and warn if it is only a part.

Peaks of 6 Mb make every window elsewhere count as unbound. The precision of a whole chromosome is then far too low.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.regions import Region
from jundscan.errors import Caution, format_bases
from jundscan.schemas.records import Figure

MIN_SHARE = 0.5
"""Minimum share of the compared bases that peaks of all of them span."""
_MAX_EMPTY_DISTANCES = 3
"""Maximum length of a chromosome without a peak that counts as spanned, in mean distances between peaks. Evenly
scattered peaks leave such a chromosome empty once in 20 times."""
_MAX_SHOWN = 3
"""Maximum stretches in a message."""


class CoveredBases(NamedTuple):
    """The number of compared bases before some positions of a chromosome. Between these it is interpolated.

    Attributes
    ----------
    positions : numpy.ndarray, shape=(n,), dtype=int64
        0-based, ascending.
    before : numpy.ndarray, shape=(n,), dtype=float64
        Ascending.
    """

    positions: NDArray[np.int64]
    before: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Compared bases of the chromosome."""
        return float(self.before[-1]) if len(self.before) else 0.0

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the number of compared bases before each position."""
        found: NDArray[np.float64] = np.interp(positions, self.positions, self.before)
        return found


class PeakSpan(NamedTuple):
    """The compared bases from the first to the last peak of each chromosome.

    Attributes
    ----------
    stretches : list of Region
        From the first to the last peak of each chromosome with peaks.
    peaks : int
        Number of peaks that hold a compared base.
    bases : float
        Compared bases in these stretches.
    with_margins : float
        The same with half the mean distance between peaks added at both ends, because each peak stands for that
        distance. Chromosomes too short to expect a peak are added too.
    total : float
        All compared bases.
    """

    stretches: list[Region]
    peaks: int
    bases: float
    with_margins: float
    total: float

    @property
    def is_partial(self) -> bool:
        """Whether the peaks seem to come from only a part of what is compared."""
        return self.with_margins < MIN_SHARE * self.total

    def caution(self, source: str, purpose: str, consequence: str, option: str) -> Caution:
        """Return the warning that the peaks come from only a part.

        Parameters
        ----------
        source : str
            The file of peaks.
        purpose : str
            Participle of the bases: ``"scanned"``.
        consequence : str
            A sentence about the windows elsewhere.
        option : str
            The option that restricts the windows to the part with peaks.
        """
        spanned, total = format_bases(round(self.bases)), format_bases(round(self.total))
        where = f"The peaks of {source} span {spanned} of the {total} {purpose}."
        if not self.peaks:
            where = f"None of the peaks of {source} lies in the {total} {purpose}."
        shown = " ".join(f"{option} {stretch}" for stretch in self.stretches[:_MAX_SHOWN])
        if len(self.stretches) > _MAX_SHOWN:
            shown += f" and {len(self.stretches) - _MAX_SHOWN:,} more"
        advice = f" If the peaks are those of a part of the genome, give {shown}." if shown else ""
        figures: dict[str, Figure] = {
            "peaks": self.peaks,
            "spanned_bases": round(self.bases),
            "compared_bases": round(self.total),
            "stretches": [str(stretch) for stretch in self.stretches],
        }
        return Caution("partial_truth", f"{where} {consequence}{advice}", figures)


def find_peak_span(peaks: Mapping[str, NDArray[np.int64]], compared: Mapping[str, CoveredBases]) -> PeakSpan:
    """Measure how much of the compared bases the peaks span.

    Parameters
    ----------
    peaks : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Sorted and disjoint, by chromosome. Peaks without a compared base are left out.
    compared : mapping of str to CoveredBases
        By chromosome.

    Examples
    --------
    >>> whole = {"chr1": CoveredBases(np.array([0, 1000]), np.array([0.0, 1000.0]))}
    >>> span = find_peak_span({"chr1": np.array([[100, 110], [150, 160], [190, 200]])}, whole)
    >>> span.bases, round(span.with_margins), span.is_partial
    (100.0, 367, True)
    """
    within: dict[str, NDArray[np.float64]] = {}
    stretches = []
    for chrom, covered in compared.items():
        if chrom not in peaks or not covered.total:
            continue
        edges = covered.at(peaks[chrom])
        reached = edges[:, 0] < edges[:, 1]
        if reached.any():
            within[chrom] = edges[reached]
            first, last = peaks[chrom][reached][[0, -1]]
            stretches.append(Region(chrom, int(first[0]), int(last[1])))
    number = sum(len(edges) for edges in within.values())
    distance = sum(compared[chrom].total for chrom in within) / number if number else 0.0
    spanned = with_margins = 0.0
    for chrom, covered in compared.items():
        if chrom in within:
            first, last = within[chrom][0, 0], within[chrom][-1, 1]
            spanned += float(last - first)
            with_margins += float(min(last + distance / 2, covered.total) - max(first - distance / 2, 0.0))
        elif covered.total <= _MAX_EMPTY_DISTANCES * distance:
            with_margins += covered.total
    return PeakSpan(stretches, number, spanned, with_margins, sum(covered.total for covered in compared.values()))
