"""How good predictions are: what ``evaluate`` and ``scan --truth`` report.

Point values come from scikit-learn, which is imported only when they are asked for. Weighted accuracy and the
Brier score use the sample weights; every other metric counts windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.model.thresholds import is_positive

_RESAMPLES = 1_000
_PERCENTILES = (2.5, 97.5)
_LEVELS = 2_048
"""Scores are binned to this many levels at most before they are resampled."""


def balanced_weights(
    labels: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.float64]:
    """Weigh both classes alike: n / (2 · n of the window's class).

    Parameters
    ----------
    labels : numpy.ndarray, shape=(n,)
        0 or 1.
    counts : numpy.ndarray, shape=(2,), optional
        Windows of each class, where ``labels`` are a part of a larger set that is to be balanced as a whole.

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=float64

    Examples
    --------
    >>> balanced_weights(np.array([0, 0, 0, 1])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    if counts is None:
        counts = np.bincount(labels, minlength=2)
    weights: NDArray[np.float64] = (counts.sum() / (2 * np.maximum(counts, 1)))[labels]
    return weights


def compute_metrics(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    weights: NDArray[np.float64],
    threshold: float,
    seed: int = 0,
    intervals: bool = True,
) -> dict[str, Any]:
    """Compare probabilities with labels.

    Parameters
    ----------
    labels : numpy.ndarray, shape=(n,)
        0 or 1.
    probabilities : numpy.ndarray, shape=(n,)
        0 to 1.
    weights : numpy.ndarray, shape=(n,), dtype=float64
        Not negative.
    threshold : float
        Windows at or above it are called positive.
    seed : int
        Of the bootstrap.
    intervals : bool
        Whether to bootstrap at all; without, ``confidence_intervals`` is empty.

    Returns
    -------
    dict
        Ready for JSON: ``n``, ``positives``, ``threshold``, ``weighted_accuracy``, ``precision``, ``recall``,
        ``f1``, ``confusion_matrix`` ([[tn, fp], [fn, tp]]), ``auroc``, ``average_precision``, ``mcc``,
        ``brier``, ``confidence_intervals`` (metric to [low, high]: the 95 % percentile bootstrap over
        windows). What is undefined, for want of a class or of windows, is None, never NaN; precision without
        a positive call is 0.
    """
    from sklearn import metrics

    called = is_positive(probabilities, threshold)
    cell = 2 * labels.astype(np.int64) + called
    counts = np.bincount(cell, minlength=4)
    cell_weights = np.bincount(cell, weights=weights, minlength=4)
    n, positives = len(labels), int(counts[2:].sum())
    both = 0 < positives < n
    weighable = bool(cell_weights.sum() > 0)
    # the four cells with their counts stand for all windows: the same values, in no time
    cells: dict[str, Any] = {"y_true": [0, 0, 1, 1], "y_pred": [0, 1, 0, 1]}
    format_count = cells | {"sample_weight": counts}
    ratio = format_count | {"zero_division": 0.0}
    values = {
        "weighted_accuracy": metrics.accuracy_score(**cells, sample_weight=cell_weights) if weighable else None,
        "precision": metrics.precision_score(**ratio) if called.any() else 0.0,
        "recall": metrics.recall_score(**ratio) if positives else None,
        "f1": metrics.f1_score(**ratio) if positives else None,
        "auroc": metrics.roc_auc_score(labels, probabilities) if both else None,
        "average_precision": metrics.average_precision_score(labels, probabilities) if both else None,
        "mcc": metrics.matthews_corrcoef(**format_count) if both else None,
        "brier": (
            metrics.brier_score_loss(labels, probabilities, sample_weight=weights, pos_label=1) if weighable else None
        ),
    }
    point = {name: None if value is None else float(value) for name, value in values.items()}
    bounds = _confidence_intervals(labels, probabilities, weights, called, seed) if intervals else {}
    return {
        "n": n,
        "positives": positives,
        "threshold": float(threshold),
        "weighted_accuracy": point["weighted_accuracy"],
        "precision": point["precision"],
        "recall": point["recall"],
        "f1": point["f1"],
        "confusion_matrix": counts.reshape(2, 2).tolist(),
        "auroc": point["auroc"],
        "average_precision": point["average_precision"],
        "mcc": point["mcc"],
        "brier": point["brier"],
        "confidence_intervals": {name: bounds[name] if point[name] is not None else None for name in bounds},
    }


def _confidence_intervals(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    weights: NDArray[np.float64],
    called: NDArray[np.bool_],
    seed: int,
) -> dict[str, list[float] | None]:
    """Bootstrap every metric over windows: percentiles of its values in resamples that define it, else None.

    Windows are counted in cells of score level and label, and a resample draws each cell's count from a
    Poisson distribution about the true one: its cost does not grow with the number of windows. Up to 2,048
    distinct scores the cells are exact; above, the scores of a level count as tied. The weight of a cell's
    windows is their mean.
    """
    edges = _level_edges(labels, probabilities)
    # levels of their own for called windows: none lies on both sides of the threshold
    level = np.searchsorted(edges, probabilities, side="right") + called * (len(edges) + 1)
    cell = 2 * level + labels
    losses = weights * np.square(probabilities - labels, dtype=np.float64)
    size = 2 * (len(edges) + 1)  # levels
    counts, weight, loss = (
        np.bincount(cell, weights=values, minlength=2 * size).reshape(size, 2)[::-1].astype(np.float64)
        for values in (None, weights, losses)
    )  # row: level, best first; column: label
    used = counts.sum(axis=1) > 0
    counts, weight, loss = counts[used], weight[used], loss[used]
    n_called = np.count_nonzero(used[: size // 2])

    rng = np.random.default_rng(seed)
    negatives = rng.poisson(counts[:, 0], (_RESAMPLES, len(counts))).astype(np.float64)
    positives = rng.poisson(counts[:, 1], (_RESAMPLES, len(counts))).astype(np.float64)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum a quantity that the windows of a cell share over every resample."""
        per_window = values / np.maximum(counts, 1)
        sums: NDArray[np.float64] = negatives @ per_window[:, 0] + positives @ per_window[:, 1]
        return sums

    correct = np.zeros(counts.shape, dtype=bool)
    correct[:n_called, 1] = correct[n_called:, 0] = True
    fp_to_here, tp_to_here = negatives.cumsum(axis=1), positives.cumsum(axis=1)
    n, p = negatives.sum(axis=1), positives.sum(axis=1)
    fp, tp = negatives[:, :n_called].sum(axis=1), positives[:, :n_called].sum(axis=1)
    precision_to_here = tp_to_here / np.maximum(tp_to_here + fp_to_here, 1)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0: undefined in this resample
        mcc = (tp * (n - fp) - fp * (p - tp)) / np.sqrt((tp + fp) * (p + n - tp - fp) * p * n)
        samples = {
            "weighted_accuracy": total(weight * correct) / total(weight),
            "precision": tp / np.maximum(tp + fp, 1),
            "recall": tp / p,
            "f1": np.where(p > 0, 2 * tp / (p + tp + fp), np.nan),
            "auroc": (negatives * (tp_to_here - positives / 2)).sum(axis=1) / (p * n),
            "average_precision": (positives * precision_to_here).sum(axis=1) / p,
            "mcc": np.where((p > 0) & (n > 0), np.nan_to_num(mcc), np.nan),  # 0 when all are called alike
            "brier": total(loss) / total(weight),
        }
    defined = {name: values[np.isfinite(values)] for name, values in samples.items()}
    return {
        name: np.percentile(values, _PERCENTILES).tolist() if values.size else None for name, values in defined.items()
    }


def _level_edges(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Choose the lower edges of the levels: every distinct score, or ranks evenly spaced in either class.

    In either, because positives are rare and nearly all of them score among the best: bins of equal size
    would leave them only a few levels.
    """
    distinct = np.unique(probabilities)
    if len(distinct) <= _LEVELS:
        return distinct
    edges = []
    for label, levels in ((0, _LEVELS // 4), (1, 3 * _LEVELS // 4)):
        scores = np.sort(probabilities[labels == label])
        edges.append(scores[np.linspace(0, len(scores) - 1, min(len(scores), levels)).astype(np.intp)])
    return np.unique(np.concatenate(edges))
