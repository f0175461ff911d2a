"""Cross-validate networks on contiguous blocks of the genome, held out in turn.

The public data set is divided window by window, so most windows, and windows of the same peak, have neighbours in the
other part. Accessibility, which is constant within a peak, can then reveal the label. Blocks of a megabase that divide
no peak avoid this. They select models and calibrate thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import ShardError
from jundscan.model.metadata import MODES, WINDOW_MODES
from train.comparison.peak_level import peak_counts
from train.config import Candidate
from train.data.dataset import TRAIN, VALID, DataSet, Windows, chroms_and_starts, load_windows
from train.export.calibration import HeldOutWindows
from train.fitting.fit import FittedNetwork, curve_metrics, predict_modes
from train.fitting.folds import BLOCK_BASES, FOLDS, blocked_folds, fit_without_fold
from train.fitting.inputs import is_bare, modes, summarise_for_folds
from train.fitting.select import best_of, blocked_metrics_path, partner_for_bare_windows
from train.records import read_or_compute, write_record

Predictions = dict[str, NDArray[np.float32]]
"""Probabilities (N,) by mode. A mode that the model does not know is missing."""
SOURCE = f"training and validation windows, each held out with its block of a megabase ({FOLDS} folds)"


def load_all(data: DataSet) -> Windows:
    """Read the training and the validation part of a data set as one set of windows.

    Raises
    ------
    ShardError
        When the windows have no ids, because blocks need their positions.
    """
    windows = load_windows(data.path / TRAIN, data.path / VALID, source=data.source)
    if data.train.summary is not None and data.valid.summary is not None:  # accessibility differs, but no bases
        windows = replace(windows, summary=data.train.summary.followed_by(data.valid.summary))
    if windows.ids is None:
        raise ShardError(data.path, "no ids (shard-K-ids.joblib), which blocked folds need")
    return windows


def load_folds(data: Sequence[DataSet]) -> tuple[list[Windows], NDArray[np.int64]]:
    """Read data sets of the same windows, and divide them into blocked folds.

    Returns
    -------
    sets : list of Windows
        See :func:`load_all`.
    fold : numpy.ndarray, shape=(N,), dtype=int64
        See :func:`blocked_folds`.

    Raises
    ------
    ShardError
        When the windows have no ids, differ between the sets, or lie in too few blocks.
    """
    sets = [load_all(one) for one in data]
    if any(not np.array_equal(one.ids, sets[0].ids) for one in sets):
        raise ShardError(data[0].path, "the data sets do not hold the same windows, which common folds need")
    fold = blocked_folds(*chroms_and_starts(sets[0]), np.any([one.labels > 0 for one in sets], axis=0))
    if len(np.unique(fold)) < FOLDS or any(not one.labels[fold == n].any() for one in sets for n in range(FOLDS)):
        raise ShardError(data[0].path, f"too few blocks of {BLOCK_BASES:,} bases with bound windows for {FOLDS} folds")
    return sets, fold


def out_of_fold(
    candidate: Candidate,
    sets: Sequence[Windows],
    fold: NDArray[np.int64],
    until: int | None = None,
    on_progress: Callable[[str], None] = lambda line: None,
    others: Sequence[Windows] = (),
    cache: Path | None = None,
) -> list[Predictions]:
    """Fit with each fold held out, and predict it in every mode.

    Parameters
    ----------
    candidate : Candidate
    sets : sequence of Windows
        The same windows in the same order, one set per cell type. All are fitted together.
    fold : numpy.ndarray, shape=(N,)
        From :func:`blocked_folds`.
    until : int, optional
        Epoch to stop at.
    on_progress : callable
        Called with a line for every fold.
    others : sequence of Windows
        Windows to predict instead of ``sets``: the same windows in other cell types.
    cache : pathlib.Path, optional
        Folder that caches the weights, see :func:`fit_without_fold`.

    Returns
    -------
    list of dict
        For each set predicted, probabilities (N,) by mode (:func:`train.fitting.inputs.modes`).
    """
    config = candidate.network
    every = summarise_for_folds([*sets, *others], candidate)
    sets, predicted = every[: len(sets)], every[len(sets) :] or every
    empty = np.full(len(fold), np.nan, np.float32)
    pooled = [{mode: empty.copy() for mode in modes(config)} for _ in predicted]
    for number in range(fold.max() + 1):
        held_out = np.flatnonzero(fold == number)
        network = fit_without_fold(candidate, sets, fold, number, until, cache).network()
        for one, result in zip(predicted, pooled, strict=True):
            for mode, found in predict_modes(network, one.take(held_out)).items():
                result[mode][held_out] = found
        on_progress(f"{candidate.label()}: fold {number + 1} of {fold.max() + 1} held out")
    return pooled


def held_out_cache(runs: Path, candidate: Candidate, epoch: int) -> Path:
    """Return the file that caches out-of-fold predictions of a candidate, stopped at an epoch."""
    return runs / candidate.key() / f"held_out_epoch_{epoch}.npz"


def cached_out_of_fold(
    candidate: Candidate,
    epoch: int,
    sets: Sequence[Windows],
    fold: NDArray[np.int64],
    runs: Path,
    on_progress: Callable[[str], None],
) -> list[Predictions]:
    """Return the result of :func:`out_of_fold`, from ``runs`` if it is cached there."""
    names = [[mode if not n else f"{n}/{mode}" for mode in modes(candidate.network)] for n in range(len(sets))]

    def compute() -> dict[str, NDArray[np.float32]]:
        results = out_of_fold(candidate, sets, fold, epoch, on_progress, cache=runs / candidate.key())
        return {
            name: found
            for ours, result in zip(names, results, strict=True)
            for name, found in zip(ours, result.values(), strict=True)
        }

    found = read_or_compute(held_out_cache(runs, candidate, epoch), [name for ours in names for name in ours], compute)
    return [{mode: found[name] for name, mode in zip(ours, modes(candidate.network), strict=True)} for ours in names]


def pair_predictions(
    around: Sequence[Predictions], alone: Sequence[Predictions], sets: Sequence[Windows], flank: int
) -> list[Predictions]:
    """Combine predictions of a network that sees ``flank`` bases and of one that sees windows alone, as one model does.

    The second network predicts bare windows, and every window in the modes of windows alone.
    """
    both: list[Predictions] = []
    for one, other, windows in zip(around, alone, sets, strict=True):
        bare = is_bare(windows, flank)
        both.append(
            {mode: np.where(bare, other[mode], one[mode]) for mode in MODES}
            | {name: other[mode] for name, mode in zip(WINDOW_MODES, MODES, strict=True)}
        )
    return both


def judge_on_folds(
    fits: Sequence[FittedNetwork], data: Sequence[DataSet], runs: Path, on_progress: Callable[[str], None]
) -> tuple[list[FittedNetwork], HeldOutWindows]:
    """Judge networks that see more than the window on blocked folds, and return the best network's predictions there.

    On the public split, such a network has seen the bases of nearly every validation window in a training window's
    flanks. Validation windows therefore cannot choose among these networks.

    Parameters
    ----------
    fits : sequence of Fitted
    data : sequence of DataSet
        Data sets of the same windows.
    runs : pathlib.Path
        Folder that caches the results.
    on_progress : callable
        Called with a line for every fold.

    Returns
    -------
    fits : list of Fitted
        With ``blocked`` for networks that see more than the window.
    held_out : HeldOut
        Out-of-fold predictions of the first data set by the best candidate, stopped at its best epoch. With a genome,
        the held-out blocks are also scanned and hits compared with peaks.

    Raises
    ------
    ShardError
        When the windows cannot be divided into blocked folds.
    """
    sets, fold = load_folds(data)
    results: dict[str, list[Predictions]] = {}

    def predict_held_out(fitted: FittedNetwork) -> list[Predictions]:
        nonlocal sets
        key = fitted.candidate.key()
        if key not in results:
            if fitted.candidate.network.fixed_filters:
                sets = summarise_for_folds(sets, fitted.candidate)
            results[key] = cached_out_of_fold(fitted.candidate, fitted.epoch, sets, fold, runs, on_progress)
            if (alone := partner_for_bare_windows(fitted, fits)) is not None:
                results[key] = pair_predictions(
                    results[key], predict_held_out(alone), sets, fitted.candidate.network.flank
                )
        return results[key]

    judged_fits = []
    for fitted in fits:
        if fitted.candidate.network.sees_neighbourhood:
            of_sets = [
                {mode: curve_metrics(one, probabilities) for mode, probabilities in result.items()}
                for one, result in zip(sets, predict_held_out(fitted), strict=True)
            ]
            fitted = replace(fitted, blocked=_mean(of_sets))
            write_record(fitted.blocked or {}, blocked_metrics_path(fitted, runs))
        judged_fits.append(fitted)
    best = best_of(judged_fits)
    probabilities = predict_held_out(best)[0]
    peaks = {}
    if data[0].source.genome is not None:
        alone = partner_for_bare_windows(best, judged_fits)
        peaks = peak_counts(best, alone, sets, fold, data[0].source, probabilities, runs, on_progress)
    return judged_fits, HeldOutWindows(SOURCE, sets[0].labels, probabilities, peaks)


def _mean(of_sets: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Average metrics over data sets."""
    return {
        mode: {metric: float(np.mean([one[mode][metric] for one in of_sets])) for metric in metrics}
        for mode, metrics in of_sets[0].items()
    }
