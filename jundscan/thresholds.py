"""From what a user wants of windows (a false-positive rate, a precision, a recall) to a threshold, by calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jundscan.choices import Wish, check_fraction
from jundscan.errors import InputError
from jundscan.metadata import CalibrationRow, Metadata, ThresholdTable


@dataclass(frozen=True)
class Threshold:
    """A threshold and the rule that chose it.

    Attributes
    ----------
    value : float
        Windows with a probability at or above it are positive.
    rule : str
        ``"threshold 0.9"``, ``"fpr 0.001"``, … or the model's own default rule.
    expected : CalibrationRow or None
        What the calibration table says of windows at the nearest lower threshold; None below its first.
    is_beyond : bool
        The threshold is above the table's last: then windows have at most that recall and false-positive rate.
    """

    value: float
    rule: str
    expected: CalibrationRow | None
    is_beyond: bool = False

    def expectation(self) -> str:
        """Say what to expect of windows, in a sentence part."""
        if self.expected is None:
            return "no expectation: below the model's calibration table"
        row = self.expected
        if self.is_beyond:
            return f"above the model's calibration table: recall at most {row.recall:.3g}, rate at most {row.fpr:.3g}"
        precision = "unknown" if row.precision is None else f"{row.precision:.3g}"
        return f"expected of windows: recall {row.recall:.3g}, false-positive rate {row.fpr:.3g}, precision {precision}"


def false_positive_rates(table: ThresholdTable, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Look up the share of unbound windows that score at least as high, interpolated between the table's thresholds.

    Parameters
    ----------
    table : ThresholdTable
        Rows with a false-positive rate of 0 are not used.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=float64
        Above the last threshold the last rate, then an upper bound; NaN below the first.
    """
    rows = [row for row in table.rows if row.fpr > 0]
    if not rows:
        return np.full(len(probabilities), np.nan)
    thresholds = np.array([row.threshold for row in rows])
    rates = np.interp(probabilities, thresholds, [row.fpr for row in rows])
    return np.where(probabilities < np.float32(thresholds[0]), np.nan, rates)


def choose_threshold(metadata: Metadata, has_accessibility: bool, wish: Wish | None, value: float | None) -> Threshold:
    """Pick the threshold that grants a wish.

    Parameters
    ----------
    metadata : Metadata
        The model's, with its calibration tables.
    has_accessibility : bool
        Which table holds: with or without accessibility.
    wish : {"threshold", "fpr", "precision", "recall"} or None
        ``fpr``: the lowest threshold with at most that false-positive rate. ``precision``: the lowest one with at
        least that precision, at the training prevalence. ``recall``: the highest one with at least that recall.
        None: the model's default rule.
    value : float or None
        Between 0 and 1.

    Returns
    -------
    Threshold

    Raises
    ------
    InputError
        When the value is not between 0 and 1, or the table holds no such threshold; then the message says what can be
        had.
    """
    table = metadata.table(has_accessibility)
    rows = table.rows

    def expected_at(threshold: float) -> CalibrationRow | None:
        return max((row for row in rows if row.threshold <= threshold), key=lambda row: row.threshold, default=None)

    if value is not None:
        check_fraction(wish or "threshold", value)
    if wish is None or value is None:
        chosen = table.default_threshold
        return Threshold(chosen, f"{table.default_rule} (model default)", expected_at(chosen))
    if wish == "threshold":
        is_beyond = bool(rows) and value > max(row.threshold for row in rows)
        return Threshold(value, f"threshold {value:g}", expected_at(value), is_beyond)
    mode = "with" if has_accessibility else "without"
    if not rows:
        raise InputError(
            f"--{wish} {value:g}: model {metadata.name} has no calibration table {mode} accessibility; "
            "give --threshold instead"
        )
    row = granting(rows, wish, value)
    if row is not None:
        return Threshold(row.threshold, f"{wish} {value:g}", row)
    if wish == "recall":
        limit = f"the highest recall of its table {mode} accessibility is {max(row.recall for row in rows):.3g}"
    elif wish == "fpr":
        limit = f"the lowest rate that its table {mode} accessibility can tell is {min(row.fpr for row in rows):.3g}"
    else:
        best = max(row.precision or 0.0 for row in rows)
        limit = f"the highest precision of its table {mode} accessibility is {best:.3g}"
    raise InputError(f"--{wish} {value:g}: model {metadata.name} cannot promise that; {limit}")


def granting(rows: Sequence[CalibrationRow], wish: Wish, value: float) -> CalibrationRow | None:
    """Find the row that a rule means; None when there is none. The rules are those of :func:`choose_threshold`."""
    by_threshold = sorted(rows, key=lambda row: row.threshold)
    if wish == "recall":
        return next((row for row in reversed(by_threshold) if row.recall >= value), None)
    if wish == "fpr":
        return next((row for row in by_threshold if row.fpr <= value), None)
    if wish == "precision":
        return next((row for row in by_threshold if row.precision is not None and row.precision >= value), None)
    return next((row for row in by_threshold if row.threshold >= value), None)
