"""From a track's own numbers to the model's: where a window stands in its track.

Assays and pipelines differ in scale, so the model sees a percentile, found once for a whole track (or data
set): 0 stays 0, and "more open than 97 % of the genome" means the same everywhere. Never a region, a chunk or
a batch decides it. What lies around a window is compared with what lies around others, at every width anew. Which
windows of a track decide is the topic of :mod:`jundscan.accessibility.track_scale`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.knots import Knots, fit_knots
from jundscan.accessibility.window_means import MAX_WIDTH
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.io.files import read_json

DISTRIBUTION_BINS = 20
"""Equal parts of what is above 0, in :func:`distribution`; what is at 0 comes before them."""
_KEY = "accessibility_scale"
_MOST_KNOTS, MAX_WIDER_KNOTS = 2048, 1024  # of a window's own width, and of each wider one
_FEWEST_WINDOWS = 1000
_FEWEST_VALUES = 50
OTHER_SCALE = (
    "give --accessibility-scale FILE (the record of a run on the whole track) or --accessibility-scale identity; "
    "a BED whose scores are all 0 counts with --bed-value presence"
)
# a scale of 2,048 knots takes 0.1 MB; the record of a run may hold more than its scale


@dataclass(frozen=True, eq=False)
class AccessibilityScale:
    """A mapping from window means to percentiles; one without knots changes nothing.

    Attributes
    ----------
    values : numpy.ndarray, shape=(knots,), dtype=float64
        Window means above 0, ascending.
    percentiles : numpy.ndarray, shape=(knots,), dtype=float64
        Where each stands among all windows, 0 to 1, ascending.
    windows : int
        Number of windows that it was found on.
    wider : mapping of int to Knots
        The same for means over wider surroundings, by their bases.
    where : str
        What it was read from, for messages.
    """

    values: NDArray[np.float64]
    percentiles: NDArray[np.float64]
    windows: int
    wider: Mapping[int, Knots] = field(default_factory=dict)
    where: str = "accessibility scale"

    def apply(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map window means, one by one: 0 stays 0, NaN stays NaN, constant beyond the knots.

        Parameters
        ----------
        means : numpy.ndarray, shape=(n,), dtype=float32
            Means of the track over windows.

        Returns
        -------
        numpy.ndarray, shape=(n,), dtype=float32
            Percentiles from 0 to 1.
        """
        return self._own.map(means) if len(self.values) else means

    def apply_all(self, means: NDArray[np.float32], widths: Sequence[int]) -> NDArray[np.float32]:
        """Map means over windows and their surroundings, each width by its own knots: see :meth:`apply`.

        Parameters
        ----------
        means : numpy.ndarray, shape=(n, widths), dtype=float32
            Means of the track.
        widths : sequence of int
            Bases around the centre of a window.

        Returns
        -------
        numpy.ndarray, shape=(n, widths), dtype=float32
            Percentiles from 0 to 1.

        Raises
        ------
        InputError
            See :meth:`check_widths`.
        """
        self.check_widths(widths)
        if not len(self.values):
            return means
        mapped = np.empty_like(means)
        for column, width in enumerate(widths):
            knots = self._own if width == WINDOW_LENGTH else self.wider[width]
            mapped[:, column] = knots.map(means[:, column])
        return mapped

    def check_widths(self, widths: Sequence[int]) -> None:
        """Check that the scale maps all widths.

        Raises
        ------
        InputError
            When it has no percentiles for one; the identity needs none.
        """
        missing = [width for width in widths if width != WINDOW_LENGTH and width not in self.wider]
        if missing and len(self.values):
            raise InputError(
                f"{self.where}: has no percentiles for surroundings of {', '.join(map(str, missing))} bases, which the "
                f"model sees: found with another model; leave --accessibility-scale out to find them again"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        record = {"windows": self.windows, **self._own.to_dict()}
        if self.wider:
            record["wider"] = {str(width): knots.to_dict() for width, knots in self.wider.items()}
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> AccessibilityScale:
        """Build a scale from what :meth:`to_dict` returned.

        Raises
        ------
        ValueError
            When a key is missing, or the numbers are no scale.
        """
        try:
            own, windows = Knots.from_dict(record), int(record["windows"])
            wider = {_wider(width): Knots.from_dict(knots) for width, knots in record.get("wider", {}).items()}
        except (KeyError, TypeError, AttributeError, OverflowError) as err:
            raise ValueError("not an accessibility scale: needs windows, values and percentiles") from err
        if wider and not all(len(knots.values) for knots in (own, *wider.values())):
            raise ValueError("where there are wider surroundings, each width needs values and percentiles")
        return cls(*own, windows, wider)

    @property
    def zero_share(self) -> float:
        """Share of windows at 0, to about half of the windows that share the lowest mean above it."""
        return float(self.percentiles[0]) if len(self.percentiles) else 0.0

    @property
    def _own(self) -> Knots:
        return Knots(self.values, self.percentiles)


def _wider(width: str) -> int:
    """Read how many bases wider surroundings have, as :meth:`AccessibilityScale.to_dict` writes it."""
    if not re.fullmatch("[1-9][0-9]{2,3}", width) or int(width) not in range(WINDOW_LENGTH + 2, MAX_WIDTH + 1, 2):
        raise ValueError(f"wider surroundings have an odd number of bases from {WINDOW_LENGTH + 2} to {MAX_WIDTH:,}")
    return int(width)


IDENTITY = AccessibilityScale(np.empty(0), np.empty(0), 0)
"""For values that are mapped already."""


def read_scale(path: str | Path) -> AccessibilityScale:
    """Read a scale: its own JSON, or the record of a run (``scan --json``) that holds one.

    Raises
    ------
    InputError
        When the file cannot be read or holds no scale.
    """
    try:
        record = read_json(Path(path))
        if not isinstance(record, dict):
            raise ValueError("no object of JSON")
        return replace(AccessibilityScale.from_dict(record.get(_KEY, record) or {}), where=str(path))
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from err
    except (ValueError, AttributeError) as err:  # no JSON, no scale
        raise InputError(f"{path}: no accessibility scale can be read from it ({err})") from err


def resolve_scale(given: AccessibilityScale | str | Path | None) -> AccessibilityScale | None:
    """Turn what a user gives as a scale into one: ``identity``, a file (:func:`read_scale`), or nothing."""
    if given is None or isinstance(given, AccessibilityScale):
        return given
    return IDENTITY if given == "identity" else read_scale(given)


def fit_scale(means: NDArray[np.floating[Any]], where: str, remedy: str = OTHER_SCALE) -> AccessibilityScale:
    """Find the percentile of every distinct window mean above 0.

    A percentile is (the windows below + half of those equal) / all windows. Of more than 2,048 distinct
    values at most 2,048 become knots: half of them even in rank, half ever denser towards the top.

    Parameters
    ----------
    means : numpy.ndarray, shape=(n,), dtype=float
        Means over windows of the whole track or data set; NaN, not available, is no part of the ranking.
    where : str
        What they come from, for the message.
    remedy : str
        What to do when they are too few, for the message.

    Returns
    -------
    AccessibilityScale
        The scale.

    Raises
    ------
    InputError
        When there are less than 1,000 windows or 50 distinct means above 0.
    """
    means = means[~np.isnan(means)]
    values, counts = np.unique(means, return_counts=True)
    distinct = int(np.count_nonzero(values))
    if len(means) < _FEWEST_WINDOWS or distinct < _FEWEST_VALUES:
        raise InputError(
            f"{where}: {len(means)} windows with {distinct} distinct values above 0 are too few to find the "
            f"accessibility scale (needs {_FEWEST_WINDOWS} and {_FEWEST_VALUES}): {remedy}"
        )
    return AccessibilityScale(*fit_knots(values, counts, _MOST_KNOTS), len(means))


def distribution(mapped: NDArray[np.floating[Any]]) -> list[float]:
    """Tell how mapped accessibility is distributed, to compare a scan with what its model was trained on.

    Parameters
    ----------
    mapped : numpy.ndarray, shape=(n,), dtype=float
        Percentiles, 0 to 1; NaN, not available, does not count.

    Returns
    -------
    list of float
        Shares of the windows: those at 0, then those in each of 20 equal bins of what is above 0. Empty without any.

    Examples
    --------
    >>> shares = distribution(np.array([0, 0, 0.96, np.nan, 1]))
    >>> shares[0], shares[-1], len(shares)
    (0.5, 0.5, 21)
    """
    known = mapped[~np.isnan(mapped)]
    if not len(known):
        return []
    above = np.histogram(known[known > 0], DISTRIBUTION_BINS, (0, 1))[0]
    shares: list[float] = (np.append(np.count_nonzero(known <= 0), above) / len(known)).tolist()
    return shares
