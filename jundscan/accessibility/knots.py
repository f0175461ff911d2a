"""A broken line from means of a track to percentiles: found, applied, and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_CACHED = 1 << 15
"""Means mapped at a time: few enough that the arrays stay in the processor's cache."""


class Knots(NamedTuple):
    """Where the line turns; constant before the first knot and behind the last.

    Attributes
    ----------
    values : numpy.ndarray, shape=(knots,), dtype=float64
        Means above 0, ascending.
    percentiles : numpy.ndarray, shape=(knots,), dtype=float64
        Where each stands among all windows, 0 to 1, ascending.
    """

    values: NDArray[np.float64]
    percentiles: NDArray[np.float64]

    def map(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map means, shape=(n,), one by one, with at least one knot: 0 stays 0, NaN stays NaN."""
        mapped = np.empty(len(means), np.float32)
        for row in range(0, len(means), _CACHED):
            some = np.ascontiguousarray(means[row : row + _CACHED])
            # neighbours often have the same mean: 0 between peaks, the height of one inside it
            heads = np.append(0, np.flatnonzero(some[1:] != some[:-1]) + 1)
            if 2 * len(heads) < len(some):
                mapped[row : row + _CACHED] = np.repeat(self._on_line(some[heads]), np.diff(heads, append=len(some)))
            else:
                mapped[row : row + _CACHED] = self._on_line(some)
        return mapped

    def _on_line(self, means: NDArray[np.float32]) -> NDArray[np.float64]:
        found = np.interp(means, self.values, self.percentiles)
        found[means == 0] = 0
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return {"values": self.values.tolist(), "percentiles": self.percentiles.tolist()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Knots:
        """Read and check both lists.

        Raises
        ------
        ValueError, KeyError, TypeError, OverflowError
            When one is missing or holds no numbers; a ValueError says what is wrong with these.
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


def fit_knots(means: NDArray[np.floating[Any]], counts: NDArray[np.int64], most: int) -> Knots:
    """Find the percentile of every distinct mean above 0; of more than ``most`` at most as many become knots.

    A percentile is (the windows below + half of those equal) / all windows. Half of the knots are even in rank, half
    ever denser towards the top.

    Parameters
    ----------
    means : numpy.ndarray, shape=(n,), dtype=float
        Distinct means, ascending, 0 or more.
    counts : numpy.ndarray, shape=(n,), dtype=int64
        How many windows have each.
    most : int
        Maximum number of knots.
    """
    percentiles = (np.cumsum(counts) - counts / 2) / counts.sum()
    above = means > 0
    values, counts, percentiles = means[above], counts[above], percentiles[above]
    if len(values) > most:
        up_to = np.cumsum(counts)
        total = up_to[-1]
        even = np.linspace(0, total - 1, most // 2)
        from_top = total - np.geomspace(1, total, most // 2)
        knots = np.unique(np.searchsorted(up_to, np.concatenate((even, from_top)), side="right"))
        values, percentiles = values[knots], percentiles[knots]
    return Knots(values.astype(np.float64), percentiles)
