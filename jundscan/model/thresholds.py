"""Choose thresholds by false-positive rate, precision or recall from a calibration table, and describe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import InputError
from jundscan.model.metadata import CalibrationRow, Metadata, ThresholdTable
from jundscan.options import DEFAULT_STRIDE, ThresholdKind, ThresholdRule
from jundscan.schemas.records import Share

CLIP = 1e-6
"""Probabilities are clipped to [CLIP, 1 - CLIP] before the logit, because that of 0 and 1 is infinite."""
SHARES: tuple[Share, ...] = get_args(Share)
"""Columns of the calibration table after the threshold."""
_DENOMINATORS = (10, 100, 1_000, 10_000)
_MAX_ROUNDING = 0.25
"""Maximum rounding of a natural frequency, relative to the share, so that 0.15 is 15 in 100 and not 2 in 10."""


@dataclass(frozen=True)
class Threshold:
    """A threshold and the rule that chose it.

    Attributes
    ----------
    value : float
        A window is positive when its probability is at or above it.
    rule : str
        ``"threshold 0.9"``, ``"fpr 0.001"``, … or the model's own default rule.
    expected : CalibrationRow or None
        Row of the calibration table with the nearest lower threshold; None below its first row.
    is_beyond : bool
        Whether the threshold is above the last row, whose recall and false-positive rate are then upper limits.
    """

    value: float
    rule: str
    expected: CalibrationRow | None
    is_beyond: bool = False

    def expectation(self) -> str:
        """Return a sentence on the windows to expect, with shares as natural frequencies."""
        if self.expected is None:
            return "The model's calibration does not reach down to there: nothing is known of what to expect."
        row = self.expected
        if self.is_beyond:
            found, called = (
                _at_most(share, things)
                for share, things in ((row.recall, "bound windows"), (row.fpr, "unbound windows"))
            )
            return (
                f"The model's calibration does not reach up to there: expect {found} to be found and {called} to be "
                "called."
            )
        found = f"{frequency(row.recall, 'bound windows')} to be found"
        if row.precision is None:
            return f"Expect {found}."
        return f"Expect {frequency(row.precision, 'called windows')} to be bound, and {found}."

    def peak_expectation(self, stride: int = DEFAULT_STRIDE) -> str | None:
        """Return a sentence on the hits and peaks to expect, or None for a model without their shares.

        The shares hold at the default stride, which the sentence names for a scan at another stride.
        """
        row = self.expected
        if row is None or self.is_beyond or row.hit_precision is None or row.peak_recall is None:
            return None
        at_stride = "" if stride == DEFAULT_STRIDE else f", at stride {DEFAULT_STRIDE}"
        return (
            f"Of hits, expect {frequency(row.hit_precision)} to lie on a peak, "
            f"and {frequency(row.peak_recall, 'peaks')} to be hit (held-out blocks{at_stride})."
        )

    def shares(self) -> dict[Share, float | None]:
        """Return the shares to expect by name, see :data:`SHARES`; None outside the calibration table."""
        row = None if self.is_beyond else self.expected
        return {share: None if row is None else getattr(row, share) for share in SHARES}


def frequency(share: float, things: str = "") -> str:
    """Return a share as a natural frequency, such as "3 in 10".

    The denominator is the smallest of 10, 100, 1,000 and 10,000 for which rounding changes the share by at most a
    quarter of itself. Only shares of exactly 0 and 1 become "none" and "all".

    Parameters
    ----------
    share : float
        From 0 to 1.
    things : str
        Noun in the plural.

    Examples
    --------
    >>> [frequency(share) for share in (0.3, 0.22, 0.15, 0.002, 0.96)]
    ['3 in 10', '2 in 10', '15 in 100', '2 in 1,000', '96 in 100']
    >>> [frequency(share, "windows") for share in (0.0, 0.00001, 0.99999, 1.0)]
    ['no windows', 'fewer than 1 in 10,000 windows', 'more than 9,999 in 10,000 windows', 'all windows']
    """
    if share in (0, 1):
        return (f"all {things}" if share else f"no {things}").strip() if things else ("all" if share else "none")
    for all_of_them in _DENOMINATORS:
        count = round(share * all_of_them)
        if 0 < count < all_of_them and abs(count / all_of_them - share) <= _MAX_ROUNDING * share:
            return f"{count:,} in {all_of_them:,} {things}".rstrip()
    few = share < 0.5
    count = 1 if few else all_of_them - 1
    return f"{'fewer' if few else 'more'} than {count:,} in {all_of_them:,} {things}".rstrip()


def _at_most(share: float, things: str) -> str:
    text = frequency(share, things)
    return f"at most {text}" if text[0].isdigit() else text


def expected_precision(table: ThresholdTable, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of bound windows among held-out windows that score at least as high.

    The share comes from the calibration table, so it holds at the model's prevalence. Between two thresholds it is
    interpolated linearly. It need not rise with the probability, because few windows score high.

    Parameters
    ----------
    table : ThresholdTable
        Rows without a precision are skipped.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=float64
        NaN below the first threshold. Above the last threshold, the share of the last row.

    Examples
    --------
    >>> rows = (CalibrationRow(0.5, 0.6, 0.1, 0.2), CalibrationRow(0.9, 0.1, 0.001, 0.6))
    >>> found = expected_precision(ThresholdTable(0.5, "", rows), np.array([0.4, 0.5, 0.7, 0.95], np.float32))
    >>> found.round(3).tolist()
    [nan, 0.2, 0.4, 0.6]
    """
    rows = [(row.threshold, row.precision) for row in table.rows if row.precision is not None]
    return _interpolate(rows, probabilities)


def _interpolate(rows: Sequence[tuple[float, float]], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Interpolate between rows of (threshold, value): NaN below the first row, constant above the last."""
    if not rows:
        return np.full(len(probabilities), np.nan)
    thresholds, values = zip(*rows, strict=True)
    found = np.interp(probabilities, thresholds, values)
    return np.where(probabilities < np.float32(thresholds[0]), np.nan, found)


def false_positive_rates(table: ThresholdTable, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of unbound windows that score at least as high, interpolated between thresholds.

    Parameters
    ----------
    table : ThresholdTable
        Rows with a false-positive rate of 0 are skipped.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=float64
        NaN below the first threshold. Above the last threshold, the last rate, which is an upper limit there.
    """
    return _interpolate([(row.threshold, row.fpr) for row in table.rows if row.fpr > 0], probabilities)


def choose_threshold(metadata: Metadata, has_accessibility: bool, rule: ThresholdRule | None) -> Threshold:
    """Choose the threshold that meets a rule.

    Parameters
    ----------
    metadata : Metadata
        Metadata of the model, with its calibration tables.
    has_accessibility : bool
        Use the table with accessibility, not the one without.
    rule : ThresholdRule or None
        None for the model's default rule.

    Returns
    -------
    Threshold

    Raises
    ------
    InputError
        When no threshold of the table meets the rule. The message names the nearest value that the table reaches.
    """
    table = metadata.table(has_accessibility)
    rows = table.rows

    def expected_at(threshold: float) -> CalibrationRow | None:
        return max((row for row in rows if row.threshold <= threshold), key=lambda row: row.threshold, default=None)

    if rule is None:
        chosen = table.default_threshold
        return Threshold(chosen, f"{table.default_rule} (model default)", expected_at(chosen))
    kind, value = rule.kind, rule.value
    if kind == "threshold":
        is_beyond = bool(rows) and value > max(row.threshold for row in rows)
        return Threshold(value, f"threshold {value:g}", expected_at(value), is_beyond)
    mode = "with" if has_accessibility else "without"
    if not rows:
        raise InputError(
            f"--{kind} {value:g}: model {metadata.name} has no calibration table {mode} accessibility. "
            "Choose a --threshold instead"
        )
    row = first_row_meeting(rows, kind, value)
    if row is not None:
        return Threshold(row.threshold, f"{kind} {value:g}", row)
    if kind == "recall":
        limit = f"the highest recall of its table {mode} accessibility is {max(row.recall for row in rows):.3g}"
    elif kind == "fpr":
        limit = f"the lowest rate in its table {mode} accessibility is {min(row.fpr for row in rows):.3g}"
    else:
        best = max(row.precision or 0.0 for row in rows)
        limit = f"the highest precision of its table {mode} accessibility is {best:.3g}"
    raise InputError(f"--{kind} {value:g}: model {metadata.name} does not reach this value: {limit}")


def first_row_meeting(rows: Sequence[CalibrationRow], kind: ThresholdKind, value: float) -> CalibrationRow | None:
    """Return the row that :func:`choose_threshold` chooses by a rule, or None."""
    by_threshold = sorted(rows, key=lambda row: row.threshold)
    if kind == "recall":
        return next((row for row in reversed(by_threshold) if row.recall >= value), None)
    if kind == "fpr":
        return next((row for row in by_threshold if row.fpr <= value), None)
    if kind == "precision":
        return next((row for row in by_threshold if row.precision is not None and row.precision >= value), None)
    return next((row for row in by_threshold if row.threshold >= value), None)


def is_positive(probabilities: NDArray[np.floating[Any]], threshold: float) -> NDArray[np.bool_]:
    """Return ``probabilities >= threshold``, compared as float32. Every part of the program uses this one rule.

    The model computes float32 and outputs show float32, so a window written as 0.7 passes a threshold of 0.7.

    Examples
    --------
    >>> is_positive(np.array([0.69, 0.7], dtype=np.float32), 0.7).tolist()
    [False, True]
    """
    return np.asarray(probabilities.astype(np.float32) >= np.float32(threshold))


def logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logits of probabilities, after clipping these to [1e-6, 1 - 1e-6].

    Examples
    --------
    >>> logits(np.array([0.5, 0.0], np.float32)).round(3).tolist()
    [0.0, -13.816]
    """
    clipped = probabilities.astype(np.float64)
    np.clip(clipped, CLIP, 1 - CLIP, out=clipped)
    odds = 1 - clipped
    np.divide(clipped, odds, out=odds)
    return np.log(odds, out=odds)
