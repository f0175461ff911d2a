"""Check whether a model's promised shares of hits and peaks hold on other blocks of the genome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.evaluation.metrics import PERCENTILES, RESAMPLES
from jundscan.model.metadata import CalibrationRow
from jundscan.model.thresholds import first_row_meeting
from jundscan.options import DEFAULT_STRIDE
from train.export.calibration import CHECKED_RATES, HeldOutWindows, PeakCounts, calibrate
from train.fitting.fit import FittedNetwork
from train.fitting.folds import BLOCK_BASES, FOLDS


def peak_check(counts: PeakCounts, rows: Sequence[CalibrationRow]) -> list[dict[str, Any]]:
    """Compare shares of peaks and hits on some held-out blocks (promised) with those on the others (observed).

    Parameters
    ----------
    counts : PeakCounts
    rows : sequence of CalibrationRow
        One row per threshold of ``counts``.

    Returns
    -------
    list of dict
        An entry for every rate of :data:`CHECKED_RATES` that the rows have. ``hit_precision`` and ``peak_recall`` hold
        ``halves``, which compares a random half of the blocks with the other half, and ``folds``, which compares all
        other folds with each fold. A comparison holds the promised and the observed share, the 95 % interval of their
        difference (blocks of both sides resampled), and whether 0 lies ``within`` it. It is None when a side has no
        peak or no hit.
    """
    halves = np.random.default_rng(0).permutation(len(counts.peaks)) % 2 == 0
    entries = []
    for rate in CHECKED_RATES:
        row = first_row_meeting(rows, "fpr", rate)
        if row is None:
            continue
        column = counts.thresholds.tolist().index(row.threshold)
        entry: dict[str, Any] = {"rate": rate, "threshold": row.threshold}
        for name, part, whole in (
            ("hit_precision", counts.hits_on_peaks[:, column], counts.hits[:, column]),
            ("peak_recall", counts.peaks_hit[:, column], counts.peaks),
        ):
            entry[name] = {
                "halves": _compare_share(part, whole, halves),
                "folds": [
                    _compare_share(part, whole, counts.fold != number) for number in np.unique(counts.fold).tolist()
                ],
            }
        entries.append(entry)
    return entries


def _compare_share(
    part: NDArray[np.int64], whole: NDArray[np.int64], promising: NDArray[np.bool_]
) -> dict[str, Any] | None:
    """Compare the share of ``part`` in ``whole`` (B,) on the promising blocks with the share on the others."""
    rng = np.random.default_rng(0)
    shares, draws = [], []
    for blocks in (promising, ~promising):
        of_part, of_whole = part[blocks], whole[blocks]
        if not of_whole.sum():
            return None
        shares.append(float(of_part.sum() / of_whole.sum()))
        times = rng.multinomial(len(of_whole), np.full(len(of_whole), 1 / len(of_whole)), RESAMPLES)
        drawn = times @ of_whole
        draws.append(np.where(drawn > 0, times @ of_part / np.maximum(drawn, 1), np.nan))
    low, high = (float(value) for value in np.nanpercentile(draws[1] - draws[0], PERCENTILES))
    return {"promised": shares[0], "observed": shares[1], "interval": [low, high], "within": low <= 0 <= high}


def peak_record(held_out: HeldOutWindows, selected: FittedNetwork, data: str) -> dict[str, Any]:
    """Collect counts of peaks and hits on held-out blocks and their checks, for ``peaks.json``.

    Parameters
    ----------
    held_out : HeldOut
        With counts of peaks.
    selected : Fitted
        The fit whose candidate scanned the blocks.
    data : str
        The data set's name.
    """
    modes = {}
    for mode, counts in held_out.peaks.items():
        rows = calibrate(held_out.labels, held_out.probabilities[mode], 0.5)
        modes[mode] = {
            "peaks": int(counts.peaks.sum()),
            "thresholds": counts.thresholds.tolist(),
            "peaks_hit": counts.peaks_hit.sum(0).tolist(),
            "hits": counts.hits.sum(0).tolist(),
            "hits_on_peaks": counts.hits_on_peaks.sum(0).tolist(),
            "promises": peak_check(counts, rows),
        }
    return {
        "data": data,
        "selected": selected.candidate.key(),
        "epoch": selected.epoch,
        "stride": DEFAULT_STRIDE,
        "block_bases": BLOCK_BASES,
        "blocks": len(next(iter(held_out.peaks.values())).peaks),
        "folds": FOLDS,
        "resamples": RESAMPLES,
        "modes": modes,
    }
