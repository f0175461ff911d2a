"""Compute metrics of predictions, with bootstrap intervals, for ``evaluate`` and ``scan --truth``.

Point values come from scikit-learn, which is imported on demand. Weighted accuracy and the Brier score use the sample
weights. All other metrics count windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.model.thresholds import is_positive
from jundscan.schemas.records import MetricName, MetricsRecord

RESAMPLES = 1_000
"""Resamples of a bootstrap."""
PERCENTILES = (2.5, 97.5)
"""Bounds of a bootstrap interval."""
_MAX_LEVELS = 2_048
"""Maximum levels that scores are binned to before resampling, because every resample costs time per level."""


def balanced_weights(
    labels: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.float64]:
    """Weigh both classes alike: n / (2 · n of the window's class).

    Parameters
    ----------
    labels : numpy.ndarray, shape=(n,)
        0 or 1.
    counts : numpy.ndarray, shape=(2,), optional
        Windows per class of the whole set, if ``labels`` are only a part of it.

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
    resamples: int = RESAMPLES,
) -> MetricsRecord:
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
    resamples : int
        Resamples of the bootstrap. With 0, ``confidence_intervals`` is empty.

    Returns
    -------
    MetricsRecord
        Ready for JSON. A metric that is undefined without a class or without windows is None, never NaN. Precision
        without a positive call is 0.
    """
    from sklearn import metrics

    called = is_positive(probabilities, threshold)
    cell = 2 * labels.astype(np.int64) + called
    counts = np.bincount(cell, minlength=4)
    cell_weights = np.bincount(cell, weights=weights, minlength=4)
    n, positives = len(labels), int(counts[2:].sum())
    both = 0 < positives < n
    weighable = bool(cell_weights.sum() > 0)
    # the four cells, weighted by their counts, give the same values as all windows
    cells: dict[str, Any] = {"y_true": [0, 0, 1, 1], "y_pred": [0, 1, 0, 1]}
    counted = cells | {"sample_weight": counts}
    ratio = counted | {"zero_division": 0.0}
    report: MetricsRecord = {
        "n": n,
        "positives": positives,
        "threshold": float(threshold),
        "weighted_accuracy": float(metrics.accuracy_score(**cells, sample_weight=cell_weights)) if weighable else None,
        "precision": float(metrics.precision_score(**ratio)) if called.any() else 0.0,
        "recall": float(metrics.recall_score(**ratio)) if positives else None,
        "f1": float(metrics.f1_score(**ratio)) if positives else None,
        "confusion_matrix": counts.reshape(2, 2).tolist(),
        "auroc": float(metrics.roc_auc_score(labels, probabilities)) if both else None,
        "average_precision": float(metrics.average_precision_score(labels, probabilities)) if both else None,
        "mcc": float(metrics.matthews_corrcoef(**counted)) if both else None,
        "brier": (
            float(metrics.brier_score_loss(labels, probabilities, sample_weight=weights, pos_label=1))
            if weighable
            else None
        ),
        "confidence_intervals": {},
    }
    if resamples:
        bounds = _confidence_intervals(labels, probabilities, weights, called, resamples)
        report["confidence_intervals"] = {
            name: None if report[name] is None else interval for name, interval in bounds.items()
        }
    return report


def _confidence_intervals(
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    weights: NDArray[np.float64],
    called: NDArray[np.bool_],
    resamples: int,
) -> dict[MetricName, list[float] | None]:
    """Bootstrap every metric over windows: 95 % of its values in resamples that define it, or None.

    Windows are counted in cells of score level and label. A resample draws each cell's count from a Poisson
    distribution with the true count as mean, so its cost does not grow with the number of windows. Cells are exact for
    up to 2,048 distinct scores. With more, scores of a level count as ties. Windows of a cell get its mean weight.
    """
    edges = _level_edges(labels, probabilities)
    # called windows get their own levels, so no level lies on both sides of the threshold
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

    rng = np.random.default_rng(0)
    negatives = rng.poisson(counts[:, 0], (resamples, len(counts))).astype(np.float64)
    positives = rng.poisson(counts[:, 1], (resamples, len(counts))).astype(np.float64)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values of cells, equal for all windows of a cell, over every resample."""
        per_window = values / np.maximum(counts, 1)
        sums: NDArray[np.float64] = negatives @ per_window[:, 0] + positives @ per_window[:, 1]
        return sums

    correct = np.zeros(counts.shape, dtype=bool)
    correct[:n_called, 1] = correct[n_called:, 0] = True
    n, p = negatives.sum(axis=1), positives.sum(axis=1)
    fp, tp = negatives[:, :n_called].sum(axis=1), positives[:, :n_called].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where a resample leaves a metric undefined
        mcc = (tp * (n - fp) - fp * (p - tp)) / np.sqrt((tp + fp) * (p + n - tp - fp) * p * n)
        samples: dict[MetricName, NDArray[np.float64]] = {
            "weighted_accuracy": total(weight * correct) / total(weight),
            "precision": tp / np.maximum(tp + fp, 1),
            "recall": tp / p,
            "f1": np.where(p > 0, 2 * tp / (p + tp + fp), np.nan),
            **ranking_metrics(negatives, positives),
            "mcc": np.where((p > 0) & (n > 0), np.nan_to_num(mcc), np.nan),  # 0 if all calls are equal
            "brier": total(loss) / total(weight),
        }
    defined = {name: values[np.isfinite(values)] for name, values in samples.items()}
    return {
        name: np.percentile(values, PERCENTILES).tolist() if values.size else None for name, values in defined.items()
    }


def ranking_metrics(unbound: NDArray[np.float64], bound: NDArray[np.float64]) -> dict[MetricName, NDArray[np.float64]]:
    """Compute AUROC and average precision from counts of windows per score level.

    Parameters
    ----------
    unbound, bound : numpy.ndarray, shape=(..., levels), dtype=float64
        Windows per level, the level of the best scores first.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(...), dtype=float64
        ``auroc`` and ``average_precision``.
    """
    unbound_so_far, bound_so_far = unbound.cumsum(axis=-1), bound.cumsum(axis=-1)
    precision = bound_so_far / np.maximum(bound_so_far + unbound_so_far, 1)
    return {
        "auroc": (unbound * (bound_so_far - bound / 2)).sum(axis=-1) / (bound.sum(axis=-1) * unbound.sum(axis=-1)),
        "average_precision": (bound * precision).sum(axis=-1) / bound.sum(axis=-1),
    }


def bootstrap_blocks(
    labels: NDArray[np.int8],
    probabilities: NDArray[np.float32],
    weights: NDArray[np.float64],
    threshold: float,
    block: NDArray[np.int64],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Resample blocks of windows with replacement, and compute metrics of each resample.

    Parameters
    ----------
    labels, probabilities, weights, threshold
        As for :func:`compute_metrics`, with windows of both classes.
    block : numpy.ndarray, shape=(n,), dtype=int64
        Number of each window's block.
    resamples, seed : int
        Equal seeds draw equal blocks.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(resamples,), dtype=float64
        ``weighted_accuracy``, ``auroc`` and ``average_precision``, without resamples that hold one class only.
    """
    is_bound = labels == 1
    # one level per score of a bound window, and one between each two: as exact as a level per score, but fewer
    scores = np.unique(probabilities[is_bound])
    edges = np.unique(np.concatenate([scores, np.nextafter(scores, np.float32(np.inf))]))
    level = len(edges) - np.searchsorted(edges, probabilities, side="right")  # 0: best
    blocks, levels = int(block.max()) + 1, len(edges) + 1
    unbound, bound = (
        np.bincount(block[rows] * levels + level[rows], minlength=blocks * levels).reshape(blocks, levels).astype(float)
        for rows in (~is_bound, is_bound)
    )
    is_correct = is_positive(probabilities, threshold) == is_bound
    weight, correct = np.bincount(block, weights, blocks), np.bincount(block, weights * is_correct, blocks)
    rng = np.random.default_rng(seed)
    samples: list[Any] = []
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, blocks, blocks), minlength=blocks).astype(float)
        in_resample = times @ unbound, times @ bound
        if all(counts.any() for counts in in_resample):
            samples.append((times @ correct / (times @ weight), *ranking_metrics(*in_resample).values()))
    names = ("weighted_accuracy", "auroc", "average_precision")
    return dict(zip(names, np.array(samples).reshape(-1, len(names)).T, strict=True))


def _level_edges(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Choose the lower edges of the levels: every distinct score, or evenly spaced ranks of each class.

    Levels are spaced per class because positives are rare and nearly all score high. Levels of equal size would give
    them only a few.
    """
    distinct = np.unique(probabilities)
    if len(distinct) <= _MAX_LEVELS:
        return distinct
    edges = []
    for label, levels in ((0, _MAX_LEVELS // 4), (1, 3 * _MAX_LEVELS // 4)):
        scores = np.sort(probabilities[labels == label])
        edges.append(scores[np.linspace(0, len(scores) - 1, min(len(scores), levels)).astype(np.intp)])
    return np.unique(np.concatenate(edges))
