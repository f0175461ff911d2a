"""p and q values of a scan's hits: how often an unbound window scores so high, and how many calls are then false.

The p value of a window is the false-positive rate of the model's calibration at its probability, interpolated
between the table's thresholds. Above the last threshold the last rate holds, which is then an upper bound; below
the first one a window has no p value. The family tested is every window that the scan scored; those without a p
value count as 1, the only bound that is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jundscan.metadata import ThresholdTable
from jundscan.thresholds import false_positive_rates

_VALUES_AT_ONCE = 1 << 20


class Significance:
    """Counts the windows of a scan by probability, exactly, in memory that does not grow with the genome.

    A q value is that of Benjamini and Hochberg (1995, doi:10.1111/j.2517-6161.1995.tb02031.x): the least of
    p · windows scored / windows with a p value no greater, over all p values no less. It needs the ranks of all
    windows, not of the hits alone; a float32 between 0 and 1 has few enough values to count them one by one
    (80 MB for a table that begins at 0.2, of which a small scan touches little).

    Parameters
    ----------
    table : ThresholdTable
        Calibration for the mode scanned in; rows with a false-positive rate of 0 are not used.

    Examples
    --------
    >>> from jundscan.metadata import CalibrationRow
    >>> rows = (CalibrationRow(0.5, 0.9, 0.1, None), CalibrationRow(0.9, 0.5, 0.01, None))
    >>> levels = Significance(ThresholdTable(0.5, "", rows))
    >>> levels.add(np.array([0.1, 0.2, 0.5, 0.95], dtype=np.float32))
    >>> best = np.array([0.1, 0.5, 0.95], dtype=np.float32)
    >>> levels.p_values(best).tolist(), levels.q_values(best).tolist()
    ([nan, 0.1, 0.01], [nan, 0.2, 0.04])
    """

    def __init__(self, table: ThresholdTable) -> None:
        rows = [row for row in table.rows if row.fpr > 0]
        self._table = table
        self._windows = 0
        # floats that are not negative are ordered as their bits are
        self._first = int(_bits(np.array(rows[0].threshold if rows else np.inf, np.float32)))
        last = int(_bits(np.array(1, np.float32)))
        self._counts = np.zeros(max(last - self._first + 1, 0), np.uint32)

    def add(self, probabilities: NDArray[np.float32]) -> None:
        """Count the next windows, shape=(n,)."""
        self._windows += len(probabilities)
        places = self._places(probabilities)
        np.add.at(self._counts, places[places >= 0], 1)

    def p_values(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the false-positive rate at each probability, shape=(n,); NaN below the table."""
        return false_positive_rates(self._table, probabilities)

    def q_values(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the false-discovery rate of calling all windows that score as high, shape=(n,); NaN below the table.

        Parameters
        ----------
        probabilities : numpy.ndarray, shape=(n,), dtype=float32
            Of windows that were counted, all of the scan having been.
        """
        places = self._places(probabilities)
        q_values = np.full(len(probabilities), np.nan)
        at_or_above = int(self._counts.sum(dtype=np.int64))
        least = 1.0
        for first in range(0, len(self._counts), _VALUES_AT_ONCE):
            counts = self._counts[first : first + _VALUES_AT_ONCE]
            used = np.flatnonzero(counts)
            if not used.size:
                continue
            passed = np.cumsum(counts[used], dtype=np.int64)
            p_values = self.p_values((self._first + first + used).astype(np.int32).view(np.float32))
            raw = p_values * self._windows / (at_or_above - passed + counts[used])
            so_far = np.minimum.accumulate(np.minimum(raw, least))
            here = (places >= first) & (places < first + len(counts))
            q_values[here] = so_far[np.searchsorted(used, places[here] - first)]
            least, at_or_above = so_far[-1], at_or_above - int(passed[-1])
        return q_values

    def _places(self, probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
        return _bits(probabilities).astype(np.int64) - self._first


def _bits(values: NDArray[np.float32]) -> NDArray[np.int32]:
    return values.view(np.int32)
