"""Check two promises of the exported recipe: accessibility in any unit, and thresholds that hold on new windows."""

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
from jundscan.model.model import Model
from jundscan.model.thresholds import first_row_meeting, is_positive
from train.data.dataset import VALID
from train.export.calibration import CHECKED_RATES, calibrate
from train.export.model_folder import ParitySizes, Provenance, export
from train.fitting.fit import METRICS, FittedNetwork

CONFIDENCE = 0.95
DRAFT_PARITY = ParitySizes((1, 7), 500)
"""Small, because the draft only checks changes of unit."""


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
"""Changes of unit by name. Ranks average ties and start at 0."""


def export_draft(fitted: FittedNetwork, folders: Sequence[Path]) -> Model:
    """Load a fitted network as :func:`train.export.model_folder.export` writes it, through a temporary folder."""
    names = tuple(folder.resolve().name for folder in folders)
    provenance = Provenance("0", names, "unknown", "", folders[0] / VALID)
    with tempfile.TemporaryDirectory() as work:
        export(fitted, Path(work) / DEFAULT_MODEL, provenance, parity=DRAFT_PARITY)
        return load_model(Path(work) / DEFAULT_MODEL, "cpu")


def rescaling_check(model: Model, folders: Sequence[Path]) -> dict[str, Any]:
    """Evaluate the validation shards with their accessibility in other units.

    Returns
    -------
    dict
        ``cells``: for each cell type and rescaling, how much every metric changes. ``largest``: the largest change.
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
            rows[name] = {metric: after[metric] - before[metric] for metric in METRICS}
            largest = max(largest, *(abs(value) for value in rows[name].values()))
        cells[folder.resolve().name] = rows
    return {"cells": cells, "largest": largest}


def _observed(called: int, windows: int, promised: float) -> dict[str, Any]:
    """Compare an observed fraction with the promised one and its binomial 95 % interval."""
    from scipy.stats import binom

    low, high = (float(value) / windows for value in binom.interval(CONFIDENCE, windows, promised))
    observed = called / windows
    return {"promised": promised, "observed": observed, "interval": [low, high], "within": low <= observed <= high}


def calibration_check(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32], fold: NDArray[np.int64]
) -> dict[str, Any]:
    """Calibrate on the held-out predictions of all folds but one, and observe the rates on that fold.

    Parameters
    ----------
    labels, probabilities, fold : numpy.ndarray, shape=(N,)
        Out-of-fold probabilities.

    Returns
    -------
    dict
        ``folds``: an entry for every rate of :data:`CHECKED_RATES` and fold, with ``recall`` and ``fpr``. Each holds
        the promised and the observed value, the binomial 95 % interval around the promised one, and whether the
        observed one is ``within`` it. ``pooled``: the same for the windows of all folds together, one entry per rate.
    """
    entries, pooled, tables = [], [], []
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
