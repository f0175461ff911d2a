"""The accessibility scale: from a track's own numbers to percentiles, the only accessibility that a model sees.

Assays and pipelines differ in scale, so a scale is found once for a whole track or data set. 0 stays 0, and 0.97 means
"more open than 97 % of the genome" everywhere. A region, chunk or batch never changes it. Every width around a window
has percentiles of its own. :mod:`jundscan.accessibility.track_scale` chooses the windows of a track to find it on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.window_means import MAX_WIDTH
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.io.files import read_json
from jundscan.schemas.records import DepthRecord, KnotsRecord, ScaleRecord

DISTRIBUTION_BINS = 20
"""Bins of equal width above 0 in :func:`distribution`."""
MAX_WIDER_KNOTS = 1024
"""Maximum knots of each width beyond the window's own."""
_MAX_KNOTS = 2048
_MIN_WINDOWS = 1000
MIN_VALUES = 50
"""Minimum distinct means above 0, because percentiles of fewer are ties. Of K562's track thinned to 55 distinct means,
40 % of the hits lie on known peaks; with 9 of them 25 %, with the whole track 50 % (``benchmarks/samples.json``)."""
_MEANS_AT_ONCE = 1 << 15
"""Means mapped at a time, because arrays of this length fit into the processor's cache."""
_MIN_ZEROS = 4
"""Minimum means per mean that is not 0 to map only the latter, because gathering them costs more than mapping all."""
_KEY = "accessibility_scale"
OTHER_SCALE = (
    "give --accessibility-scale FILE (the record of a run on the whole track) or --accessibility-scale identity; "
    "a BED whose scores are all 0 counts with --bed-value presence"
)


class Depth(NamedTuple):
    """How much a track tells of the windows that its scale is found on.

    Attributes
    ----------
    windows : int
    covered : float
        Share of them with a mean above 0.
    values : int
        Distinct means above 0. With few of them, percentiles are ties.
    """

    windows: int
    covered: float
    values: int

    def to_dict(self) -> DepthRecord:
        """Return the numbers, ready for JSON."""
        return {"windows": self.windows, "covered": self.covered, "values": self.values}


class Knots(NamedTuple):
    """A broken line from window means to percentiles, constant before the first knot and after the last.

    Attributes
    ----------
    values : numpy.ndarray, shape=(knots,), dtype=float64
        Window means above 0, ascending.
    percentiles : numpy.ndarray, shape=(knots,), dtype=float64
        Rank of each among all windows, 0 to 1, ascending.
    """

    values: NDArray[np.float64]
    percentiles: NDArray[np.float64]

    def map(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map means, shape=(n,), to percentiles: 0 stays 0, NaN stays NaN. Needs at least one knot."""
        mapped = np.zeros(len(means), np.float32)
        for row in range(0, len(means), _MEANS_AT_ONCE):
            some = np.ascontiguousarray(means[row : row + _MEANS_AT_ONCE])
            others = np.flatnonzero(some != 0)
            if _MIN_ZEROS * len(others) < len(some):
                mapped[row + others] = self._interpolate(some[others])
                continue
            # neighbours often have the same mean: 0 between peaks, the height of one peak inside it
            heads = np.append(0, np.flatnonzero(some[1:] != some[:-1]) + 1)
            if 2 * len(heads) < len(some):
                percentiles = np.repeat(self._interpolate(some[heads]), np.diff(heads, append=len(some)))
            else:
                percentiles = self._interpolate(some)
            mapped[row : row + _MEANS_AT_ONCE] = percentiles
        return mapped

    def _interpolate(self, means: NDArray[np.float32]) -> NDArray[np.float64]:
        percentiles = np.interp(means, self.values, self.percentiles)
        percentiles[means == 0] = 0
        return percentiles

    def to_dict(self) -> KnotsRecord:
        """Return both lists, ready for JSON; :meth:`from_dict` reads them."""
        return {"values": self.values.tolist(), "percentiles": self.percentiles.tolist()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Knots:
        """Read and check both lists.

        Raises
        ------
        KeyError, TypeError, OverflowError
            When a list is missing or holds no numbers.
        ValueError
            When the lists differ in length, do not ascend, or a number is out of range.
        """
        values, percentiles = (np.array(record[key], np.float64) for key in ("values", "percentiles"))
        if values.ndim != 1 or values.shape != percentiles.shape:
            raise ValueError("values and percentiles must be two lists of the same length")
        knots = np.column_stack((values, percentiles))
        if not (np.isfinite(knots).all() and (knots >= 0).all() and (percentiles <= 1).all()):
            raise ValueError("values must be finite, none negative, and percentiles from 0 to 1")
        if not ((np.diff(values) > 0).all() and (np.diff(percentiles) >= 0).all()):
            raise ValueError("values and percentiles must ascend")
        return cls(values, percentiles)


def fit_knots(means: NDArray[np.floating[Any]], counts: NDArray[np.int64], limit: int) -> Knots:
    """Find the percentile of every distinct mean above 0, and keep at most ``limit`` of them as knots.

    A percentile is (the windows below + half of the equal ones) / all windows. Half of the knots are evenly spaced
    in rank. The other half grows denser towards the top.

    Parameters
    ----------
    means : numpy.ndarray, shape=(n,), dtype=float
        Distinct means, ascending, 0 or more.
    counts : numpy.ndarray, shape=(n,), dtype=int64
        Number of windows with each mean.
    limit : int
        Maximum number of knots.
    """
    percentiles = (np.cumsum(counts) - counts / 2) / counts.sum()
    above = means > 0
    values, counts, percentiles = means[above], counts[above], percentiles[above]
    if len(values) > limit:
        up_to = np.cumsum(counts)
        total = up_to[-1]
        even = np.linspace(0, total - 1, limit // 2)
        from_top = total - np.geomspace(1, total, limit // 2)
        knots = np.unique(np.searchsorted(up_to, np.concatenate((even, from_top)), side="right"))
        values, percentiles = values[knots], percentiles[knots]
    return Knots(values.astype(np.float64), percentiles)


@dataclass(frozen=True, eq=False)
class AccessibilityScale:
    """A mapping from window means to percentiles. Without knots it changes nothing.

    Attributes
    ----------
    values, percentiles : numpy.ndarray, shape=(knots,), dtype=float64
        Knots of the window's own 101 bases, see :class:`Knots`.
    windows : int
        Number of windows that the scale was found on.
    wider : mapping of int to Knots
        Knots by width in bases, for widths beyond the window's own.
    where : str
        File or other origin of the scale, for messages.
    depth : Depth or None
        What the scale was found on; None where it was read from a file.
    """

    values: NDArray[np.float64]
    percentiles: NDArray[np.float64]
    windows: int
    wider: Mapping[int, Knots] = field(default_factory=dict)
    where: str = "accessibility scale"
    depth: Depth | None = field(default=None, compare=False)

    def apply(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map means over the windows' own bases, shape=(n,), to percentiles from 0 to 1; NaN stays NaN."""
        return self._own.map(means) if len(self.values) else means

    def apply_all(self, means: NDArray[np.float32], widths: Sequence[int]) -> NDArray[np.float32]:
        """Map means at several widths, each by its own knots.

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
        """Check that the scale has knots for all widths; the identity needs none.

        Raises
        ------
        InputError
            When a width has no knots.
        """
        missing = [width for width in widths if width != WINDOW_LENGTH and width not in self.wider]
        if missing and len(self.values):
            raise InputError(
                f"{self.where}: has no percentiles for the {', '.join(map(str, missing))} bases around a window, "
                "which this model sees. The scale was found for another model. Leave --accessibility-scale out, or "
                "find the scale for this model: jundscan scale"
            )

    def to_dict(self) -> ScaleRecord:
        """Return the scale ready for JSON; :meth:`from_dict` reads it."""
        own = self._own.to_dict()
        record: ScaleRecord = {"windows": self.windows, "values": own["values"], "percentiles": own["percentiles"]}
        if self.wider:
            record["wider"] = {str(width): knots.to_dict() for width, knots in self.wider.items()}
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> AccessibilityScale:
        """Build a scale from the record of :meth:`to_dict`.

        Raises
        ------
        ValueError
            When a key is missing, or the numbers are no scale.
        """
        try:
            own, windows = Knots.from_dict(record), int(record["windows"])
            wider = {_parse_width(width): Knots.from_dict(knots) for width, knots in record.get("wider", {}).items()}
        except (KeyError, TypeError, AttributeError, OverflowError) as err:
            raise ValueError("not an accessibility scale: needs windows, values and percentiles") from err
        if wider and not all(len(knots.values) for knots in (own, *wider.values())):
            raise ValueError("where there are wider surroundings, each width needs values and percentiles")
        return cls(*own, windows, wider)

    @property
    def zero_share(self) -> float:
        """Share of windows at 0, overestimated by half of the windows at the lowest mean above 0."""
        return float(self.percentiles[0]) if len(self.percentiles) else 0.0

    @property
    def _own(self) -> Knots:
        return Knots(self.values, self.percentiles)


def _parse_width(text: str) -> int:
    """Read a width beyond the window's own, in bases, as :meth:`AccessibilityScale.to_dict` writes it."""
    if not re.fullmatch("[1-9][0-9]{2,3}", text) or int(text) not in range(WINDOW_LENGTH + 2, MAX_WIDTH + 1, 2):
        raise ValueError(f"wider surroundings have an odd number of bases from {WINDOW_LENGTH + 2} to {MAX_WIDTH:,}")
    return int(text)


IDENTITY = AccessibilityScale(np.empty(0), np.empty(0), 0)
"""For values that are percentiles already."""


def read_scale(path: str | Path) -> AccessibilityScale:
    """Read a scale from its own JSON, or from the record of a run (``scan --json``).

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


def resolve_scale(scale: AccessibilityScale | str | Path | None) -> AccessibilityScale | None:
    """Return the scale that an argument means: a scale, ``identity``, a file (:func:`read_scale`), or None."""
    if scale is None or isinstance(scale, AccessibilityScale):
        return scale
    return IDENTITY if scale == "identity" else read_scale(scale)


def fit_scale(
    means: NDArray[np.floating[Any]], where: str, remedy: str = OTHER_SCALE, min_values: int = MIN_VALUES
) -> AccessibilityScale:
    """Find the scale of window means, see :func:`fit_knots`.

    Parameters
    ----------
    means : numpy.ndarray, shape=(n,), dtype=float
        Means over windows of the whole track or data set. NaN, not available, is left out.
    where : str
        Origin of the means, for the message.
    remedy : str
        Advice for too few means, for the message.
    min_values : int
        Minimum number of distinct means above 0.

    Raises
    ------
    InputError
        When there are fewer than 1,000 windows, or fewer distinct means above 0 than ``min_values``.
    """
    means = means[~np.isnan(means)]
    values, counts = np.unique(means, return_counts=True)
    distinct = int(np.count_nonzero(values))
    if len(means) < _MIN_WINDOWS or distinct < min_values:
        raise InputError(
            f"{where}: {len(means)} windows with {distinct} distinct values above 0 are too few to find the "
            f"accessibility scale (needs {_MIN_WINDOWS} and {min_values}): {remedy}"
        )
    depth = Depth(len(means), float(counts[values > 0].sum() / len(means)), distinct)
    return AccessibilityScale(*fit_knots(values, counts, _MAX_KNOTS), len(means), depth=depth)


def distribution(mapped: NDArray[np.floating[Any]]) -> list[float]:
    """Count windows by accessibility, to compare a scan with the training data of its model.

    Parameters
    ----------
    mapped : numpy.ndarray, shape=(n,), dtype=float
        Percentiles, 0 to 1. NaN, not available, is left out.

    Returns
    -------
    list of float
        Share of the windows at 0, then in each of 20 equal bins above 0. Empty without windows.

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
