"""Promises of the exported recipe: accessibility in any unit, and thresholds that hold on what was not seen.

What is not seen are windows, and peaks and hits of a scan.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.io.shards import read_shards
from jundscan.model.load import DEFAULT_MODEL, load_model
from jundscan.model.metadata import CalibrationRow
from jundscan.model.model import Model
from jundscan.model.thresholds import first_row_meeting, is_positive
from jundscan.options import DEFAULT_STRIDE
from train.comparison.folds import BLOCK_BASES, FOLDS
from train.data.dataset import VALID
from train.export.calibration import HeldOut, PeakCounts, calibrate
from train.export.export import Provenance, export
from train.fitting.fit import JUDGED, Fitted

CHECKED_RATES = (0.001, 0.002, 0.005, 0.01, 0.05, 0.1)
CONFIDENCE = 0.95
RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)


def _ranked(values: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.stats import rankdata

    ranks = rankdata(values, "average", nan_policy="omit")
    return np.asarray(ranks - np.nanmin(ranks), np.float32)


RESCALINGS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "times 0.001": lambda values: values * np.float32(0.001),
    "times 1000": lambda values: values * np.float32(1000),
    "square root": np.sqrt,
    "ranked": _ranked,
}
"""Ties of ranks are averaged, and the lowest rank is 0."""


def export_draft(fitted: Fitted, folders: Sequence[Path]) -> Model:
    """Write a fitted network as ``export`` does, and load it; no file is left."""
    names = tuple(folder.resolve().name for folder in folders)
    provenance = Provenance("0", names, "unknown", "", folders[0] / VALID)
    with tempfile.TemporaryDirectory() as work:
        export(fitted, Path(work) / DEFAULT_MODEL, provenance)
        return load_model(Path(work) / DEFAULT_MODEL, "cpu")


def rescaling_check(model: Model, folders: Sequence[Path]) -> dict[str, Any]:
    """Evaluate the validation shards with their accessibility in other units.

    Returns
    -------
    dict
        Cell type to rescaling to the metrics' differences from those of the shards as they are, and ``largest``.
    """
    cells: dict[str, Any] = {}
    largest = 0.0
    for folder in folders:
        shards = read_shards(folder / VALID)
        if shards.accessibility is None:
            continue
        before = evaluate_shards(shards, model, threads=1).report
        assert before is not None
        rows = {}
        for name, rescale in RESCALINGS.items():
            after = evaluate_shards(
                replace(shards, accessibility=rescale(shards.accessibility)), model, threads=1
            ).report
            assert after is not None
            rows[name] = {metric: after[metric] - before[metric] for metric in JUDGED}
            largest = max(largest, *(abs(value) for value in rows[name].values()))
        cells[folder.resolve().name] = rows
    return {"cells": cells, "largest": largest}


def _observed(called: int, windows: int, promised: float) -> dict[str, Any]:
    """Compare a count with what was promised, by the binomial interval about the promise."""
    from scipy.stats import binom

    low, high = (float(value) / windows for value in binom.interval(CONFIDENCE, windows, promised))
    observed = called / windows
    return {"promised": promised, "observed": observed, "interval": [low, high], "within": low <= observed <= high}


def calibration_check(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32], fold: NDArray[np.int64]
) -> dict[str, Any]:
    """Calibrate on the held-out predictions of all folds but one, and see what the thresholds do on that one.

    Parameters
    ----------
    labels, probabilities, fold : numpy.ndarray, shape=(N,)
        Probabilities out of fold.

    Returns
    -------
    dict
        ``folds``: an entry for every rate of :data:`CHECKED_RATES` and fold, with ``recall`` and ``fpr`` (promised,
        observed, the binomial 95 % interval about the promise, whether the observed value is within); ``pooled``: the
        same with all folds' windows together, one entry a rate.
    """
    entries, pooled = [], []
    tables = []
    for number in range(int(fold.max()) + 1):
        others = fold != number
        tables.append(calibrate(labels[others], probabilities[others], float(labels.mean())))
    for rate in CHECKED_RATES:
        sums = {"recall": [0, 0, 0.0], "fpr": [0, 0, 0.0]}
        for number, rows in enumerate(tables):
            row = first_row_meeting(rows, "fpr", rate)
            if row is None:
                continue
            entry: dict[str, Any] = {"rate": rate, "fold": number, "threshold": row.threshold}
            for name, label, promised in (("recall", 1, row.recall), ("fpr", 0, row.fpr)):
                chosen = probabilities[(fold == number) & (labels == label)]
                called = int(is_positive(chosen, row.threshold).sum())
                entry[name] = _observed(called, len(chosen), promised)
                for position, value in enumerate((called, len(chosen), promised * len(chosen))):
                    sums[name][position] += value
            entries.append(entry)
        if sums["fpr"][1]:
            pooled.append(
                {
                    "rate": rate,
                    **{
                        name: _observed(int(called), int(windows), expected / windows)
                        for name, (called, windows, expected) in sums.items()
                    },
                }
            )
    return {"pooled": pooled, "folds": entries}


def peak_check(counts: PeakCounts, rows: Sequence[CalibrationRow]) -> list[dict[str, Any]]:
    """Promise shares of peaks and hits from some held-out blocks, and observe them on the others.

    Parameters
    ----------
    counts : PeakCounts
    rows : sequence of CalibrationRow
        Those whose thresholds were counted at.

    Returns
    -------
    list of dict
        An entry for every rate of :data:`CHECKED_RATES` that the rows have. ``hit_precision`` and ``peak_recall`` hold
        ``halves``: one half of the blocks, drawn at random, promises and the other one observes. They hold ``folds``
        too: each fold observes what all others promise. A comparison is the promised and the observed share, the 95 %
        interval of their difference (blocks of both sides resampled), and whether 0 lies ``within`` it. It is None
        where a side has no peak, or no hit.
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
                "halves": _compared(part, whole, halves),
                "folds": [_compared(part, whole, counts.fold != number) for number in np.unique(counts.fold).tolist()],
            }
        entries.append(entry)
    return entries


def _compared(part: NDArray[np.int64], whole: NDArray[np.int64], promising: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Compare the share of ``part`` in ``whole`` (B,) on blocks that promise with that on the other blocks."""
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


def peak_record(held_out: HeldOut, selected: Fitted, data: str) -> dict[str, Any]:
    """Collect counts of peaks and hits on held-out blocks, and whether promises from them hold, for JSON.

    Parameters
    ----------
    held_out : HeldOut
        With counts of peaks.
    selected : Fitted
        The recipe that was scanned with.
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
