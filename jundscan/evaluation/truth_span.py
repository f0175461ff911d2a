"""How much of what is compared with known peaks these peaks span, and what to say when it is a part only.

Peaks of 6 Mb make every window elsewhere count as unbound: the precision of a whole chromosome is then far too low.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.regions import Region
from jundscan.errors import Caution, Figure, format_bases

LEAST_SHARE = 0.5
"""Share of the bases compared that peaks must span, because a part only is likely below it."""
_SURPRISING_DISTANCES = 3
"""A chromosome without a peak counts as spanned up to this many mean distances between peaks. Peaks scattered evenly
leave such a one empty once in 20 times."""
_SHOWN = 3
"""Maximum number of stretches in a message."""


class CoveredBases(NamedTuple):
    """How many bases of a chromosome are compared before each of some positions; in between it is interpolated.

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
        """Bases of the chromosome that are compared."""
        return float(self.before[-1]) if len(self.before) else 0.0

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the bases compared before each of these positions."""
        found: NDArray[np.float64] = np.interp(positions, self.positions, self.before)
        return found


class PeakSpan(NamedTuple):
    """How much of what is compared lies from the first to the last peak of each chromosome.

    Attributes
    ----------
    stretches : list of Region
        From the first peak to the last one, on each chromosome that has any.
    peaks : int
        Number of peaks among what is compared.
    bases : float
        Bases compared in these stretches.
    with_margins : float
        The same with margins. Half the mean distance between peaks is added at both ends, because each peak stands
        for that distance. Chromosomes without a peak are added where they are so short that this is no surprise.
    total : float
        All bases compared.
    """

    stretches: list[Region]
    peaks: int
    bases: float
    with_margins: float
    total: float

    @property
    def is_partial(self) -> bool:
        """Whether the peaks seem to be known for a part only of what is compared."""
        return self.with_margins < LEAST_SHARE * self.total

    def caution(self, source: str, purpose: str, consequence: str, option: str) -> Caution:
        """Put it into words.

        Parameters
        ----------
        source : str
            The file of peaks.
        purpose : str
            What the bases are for: ``"scanned"``.
        consequence : str
            A sentence that says what becomes of windows elsewhere.
        option : str
            The option that restricts the windows to the part that the peaks span.
        """
        spanned, total = format_bases(round(self.bases)), format_bases(round(self.total))
        where = f"The peaks of {source} span {spanned} of the {total} {purpose}."
        if not self.peaks:
            where = f"None of the peaks of {source} lies in the {total} {purpose}."
        shown = " ".join(f"{option} {stretch}" for stretch in self.stretches[:_SHOWN])
        if len(self.stretches) > _SHOWN:
            shown += f" and {len(self.stretches) - _SHOWN:,} more"
        advice = f" If the peaks are those of a part of the genome, give {shown}." if shown else ""
        figures: dict[str, Figure] = {
            "peaks": self.peaks,
            "spanned_bases": round(self.bases),
            "compared_bases": round(self.total),
            "stretches": [str(stretch) for stretch in self.stretches],
        }
        return Caution("partial_truth", f"{where} {consequence}{advice}", figures)


def find_peak_span(peaks: Mapping[str, NDArray[np.int64]], compared: Mapping[str, CoveredBases]) -> PeakSpan:
    """Find how much of what is compared the peaks span.

    Parameters
    ----------
    peaks : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        Sorted and disjoint, by chromosome. Those that hold no base compared are left out.
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
        elif covered.total <= _SURPRISING_DISTANCES * distance:
            with_margins += covered.total
    return PeakSpan(stretches, number, spanned, with_margins, sum(covered.total for covered in compared.values()))
