"""Calibrate a model: recall, false-positive rate, precision and shares of peaks at many thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import InputError
from jundscan.model.metadata import CalibrationRow, ThresholdTable
from jundscan.model.thresholds import first_row_meeting
from train.config import DEFAULT_FPR

CHECKED_RATES = (0.001, 0.002, 0.005, 0.01, 0.05, 0.1)
CALIBRATION_RATES = np.unique(np.concatenate([np.geomspace(1e-4, 0.5, 60), CHECKED_RATES]))


class PeakCounts(NamedTuple):
    """Counts of peaks and hits on held-out blocks at every threshold. Row i of every array is block i.

    A peak is a run of bound windows that abut or overlap. It is hit when a hit shares a base with it.

    Attributes
    ----------
    thresholds : numpy.ndarray, shape=(T,), dtype=float64
    fold : numpy.ndarray, shape=(B,), dtype=int64
        Fold of the block.
    peaks : numpy.ndarray, shape=(B,), dtype=int64
    peaks_hit : numpy.ndarray, shape=(B, T), dtype=int64
    hits : numpy.ndarray, shape=(B, T), dtype=int64
        Hits that share a base with a labelled window.
    hits_on_peaks : numpy.ndarray, shape=(B, T), dtype=int64
        Hits, among these, that share a base with a peak.
    """

    thresholds: NDArray[np.float64]
    fold: NDArray[np.int64]
    peaks: NDArray[np.int64]
    peaks_hit: NDArray[np.int64]
    hits: NDArray[np.int64]
    hits_on_peaks: NDArray[np.int64]


@dataclass(frozen=True)
class HeldOutWindows:
    """Predictions on windows not fitted on, from which thresholds are calibrated.

    Attributes
    ----------
    source : str
        Description of the windows, for the model's metadata.
    labels : numpy.ndarray, shape=(N,), dtype=int8
    probabilities : dict
        By mode (:data:`jundscan.model.metadata.MODES`), each (N,), float32.
    peaks : dict
        By mode, counts at the thresholds of :func:`calibrate` on these windows. Empty without a genome.
    """

    source: str
    labels: NDArray[np.int8]
    probabilities: Mapping[str, NDArray[np.float32]]
    peaks: Mapping[str, PeakCounts] = field(default_factory=dict)


def calibrate(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32], prevalence: float
) -> tuple[CalibrationRow, ...]:
    """Compute recall, false-positive rate and precision at ``prevalence`` over thresholds, from held-out windows.

    The table has one row for each rate of :data:`CALIBRATION_RATES` that the number of windows can resolve. Precision
    follows from Bayes' rule: recall * prevalence / (recall * prevalence + fpr * (1 - prevalence)).
    """
    bound, unbound = np.sort(probabilities[labels == 1]), np.sort(probabilities[labels == 0])
    rows = {}
    for rate in CALIBRATION_RATES:
        rank = len(unbound) - int(rate * len(unbound))
        if rank >= len(unbound):
            continue  # less than one false positive
        threshold = float(unbound[rank])
        recall = 1.0 - np.searchsorted(bound, threshold) / len(bound)
        fpr = 1.0 - np.searchsorted(unbound, threshold) / len(unbound)
        called = recall * prevalence + fpr * (1.0 - prevalence)
        precision = float(recall * prevalence / called) if called > 0 else None
        rows[threshold] = CalibrationRow(threshold, float(recall), float(fpr), precision)
    return tuple(rows[threshold] for threshold in sorted(rows))


def calibration_table(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32], prevalence: float, peaks: PeakCounts | None = None
) -> ThresholdTable:
    """Calibrate a mode and choose its default threshold for scans.

    Raises
    ------
    InputError
        When no threshold has the default false-positive rate.
    """
    rows = calibrate(labels, probabilities, prevalence)
    default = first_row_meeting(rows, "fpr", DEFAULT_FPR)
    if default is None:  # many windows share the highest probability
        raise InputError(
            f"no threshold has a false-positive rate of {DEFAULT_FPR:g}; make a data set with more validation windows"
        )
    return ThresholdTable(
        default.threshold, f"fpr {DEFAULT_FPR:g}", rows if peaks is None else add_peak_shares(rows, peaks)
    )


def add_peak_shares(rows: tuple[CalibrationRow, ...], counts: PeakCounts) -> tuple[CalibrationRow, ...]:
    """Add the shares of hits on peaks and of peaks hit to calibration rows, one row per threshold of ``counts``."""
    totals = zip(counts.hits_on_peaks.sum(0).tolist(), counts.hits.sum(0).tolist(),
                 counts.peaks_hit.sum(0).tolist(), strict=True)  # fmt: skip
    peaks = int(counts.peaks.sum())
    return tuple(
        replace(row, hit_precision=on_peaks / hits if hits else None, peak_recall=hit / peaks if peaks else None)
        for row, (on_peaks, hits, hit) in zip(rows, totals, strict=True)
    )
