"""Metrics against scikit-learn, and intervals against a plain bootstrap."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from jundscan.evaluation.metric_texts import INTERVAL, METRICS
from jundscan.evaluation.metrics import RESAMPLES, balanced_weights, compute_metrics

KEYS = [
    "n",
    "positives",
    "threshold",
    "weighted_accuracy",
    "precision",
    "recall",
    "f1",
    "confusion_matrix",
    "auroc",
    "average_precision",
    "mcc",
    "brier",
    "confidence_intervals",
]
WITH_INTERVAL = [
    "weighted_accuracy",
    "precision",
    "recall",
    "f1",
    "auroc",
    "average_precision",
    "mcc",
    "brier",
]


def make(n: int, seed: int = 0, digits: int = 7, rate: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < rate).astype(np.int8)
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + 2 * labels - 1)))
    return labels, np.round(scores, digits).astype(np.float32)


def by_scikit_learn(y: np.ndarray, p: np.ndarray, w: np.ndarray, threshold: float) -> dict[str, float]:
    called = p >= np.float32(threshold)
    return {
        "weighted_accuracy": metrics.accuracy_score(y, called, sample_weight=w),
        "precision": metrics.precision_score(y, called, zero_division=0),
        "recall": metrics.recall_score(y, called),
        "f1": metrics.f1_score(y, called, zero_division=0),
        "auroc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "mcc": metrics.matthews_corrcoef(y, called),
        "brier": metrics.brier_score_loss(y, p, sample_weight=w),
    }


windows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.sampled_from([0.5, 1.0, 7.0])),
    min_size=2,
    max_size=30,
).filter(lambda rows: {row[0] for row in rows} == {0, 1})


@pytest.mark.slow
@given(windows, st.sampled_from([0.0, 0.5, 0.7, 1.0]))
def test_values_equal_scikit_learns(rows: list[tuple[int, float, float]], threshold: float) -> None:
    y, p, w = (np.array(column) for column in zip(*rows, strict=True))
    found = compute_metrics(y.astype(np.int8), p.astype(np.float32), w, threshold)
    assert list(found) == KEYS
    assert list(found["confidence_intervals"]) == WITH_INTERVAL
    for name, value in by_scikit_learn(y, p.astype(np.float32), w, threshold).items():
        assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name
    assert found["confusion_matrix"] == metrics.confusion_matrix(y, p.astype("f4") >= np.float32(threshold)).tolist()
    assert found["n"] == len(y)
    assert found["positives"] == y.sum()
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("labels", "undefined"),
    [
        ([0, 0, 0], {"recall", "f1", "auroc", "average_precision", "mcc"}),
        ([1, 1, 1], {"auroc", "average_precision", "mcc"}),
        ([], set(WITH_INTERVAL) - {"precision"}),
    ],
)
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_undefined_metrics_are_null(labels: list[int], undefined: set[str], threshold: float) -> None:
    y = np.array(labels, dtype=np.int8)
    p = np.linspace(0.1, 0.9, len(y), dtype=np.float32)
    found = compute_metrics(y, p, balanced_weights(y), threshold)
    assert {name for name in WITH_INTERVAL if found[name] is None} == undefined
    assert undefined <= {name for name, interval in found["confidence_intervals"].items() if interval is None}
    json.dumps(found, allow_nan=False)


def test_weights_of_zero_leave_the_weighted_metrics_undefined() -> None:
    found = compute_metrics(np.array([0, 1]), np.array([0.1, 0.9]), np.zeros(2), 0.5)
    assert found["weighted_accuracy"] is found["brier"] is None
    assert found["recall"] == 1


def test_precision_without_a_positive_call_is_0() -> None:
    y, p = make(1_000)
    found = compute_metrics(y, p * 0.4, balanced_weights(y), 0.5)
    assert found["precision"] == found["recall"] == found["f1"] == found["mcc"] == 0
    assert found["confidence_intervals"]["precision"] == [0, 0]
    assert found["confidence_intervals"]["mcc"] == [0, 0]
    assert found["weighted_accuracy"] == pytest.approx(0.5)


def test_balanced_weights_give_balanced_accuracy() -> None:
    y, p = make(2_000)
    found = compute_metrics(y, p, balanced_weights(y), 0.5)
    assert found["weighted_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, p >= 0.5))
    assert balanced_weights(y).sum() == pytest.approx(len(y))
    assert balanced_weights(np.array([1, 1])).tolist() == [0.5, 0.5]


def plain_bootstrap(y: np.ndarray, p: np.ndarray, w: np.ndarray, resamples: int = 120) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(resamples)]
    values = [by_scikit_learn(y[i], p[i], w[i], 0.5) for i in draws]
    return {name: np.percentile([v[name] for v in values], [2.5, 97.5]) for name in WITH_INTERVAL}


@pytest.mark.slow
@pytest.mark.parametrize("digits", [2, 7])  # fewer distinct scores than levels, and more
def test_intervals_agree_with_a_plain_bootstrap(digits: int) -> None:
    y, p = make(3_000, digits=digits)
    w = balanced_weights(y)
    found = compute_metrics(y, p, w, 0.5)["confidence_intervals"]
    for name, (low, high) in plain_bootstrap(y, p, w).items():
        tolerance = 0.35 * (high - low)
        assert math.isclose(found[name][0], low, abs_tol=tolerance), name
        assert math.isclose(found[name][1], high, abs_tol=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_the_point_and_are_reproducible(seed: int) -> None:
    y, p = make(20_000, seed=seed, rate=0.005)
    w = balanced_weights(y)
    one, same = (compute_metrics(y, p, w, 0.5) for _ in range(2))
    assert one == same
    for name in WITH_INTERVAL:
        low, high = one["confidence_intervals"][name]
        assert low < one[name] < high


def test_reports_name_every_metric_and_the_number_of_resamples() -> None:
    assert {metric.key for metric in METRICS} == set(WITH_INTERVAL)
    assert f"{RESAMPLES:,} resamples" in INTERVAL
