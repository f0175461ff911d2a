"""Write the report of an evaluation: metrics and their meaning, curves, effect of the threshold, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.evaluation.labelled_windows import NamedEvaluation
from jundscan.evaluation.metric_texts import INTERVAL, SURROUNDINGS, metric_rows
from jundscan.evaluation.plots import CLASSES, SCORE_BINS, Predictions, reliability
from jundscan.model.thresholds import is_positive
from jundscan.report import charts
from jundscan.report.render import write_page

MAX_MISTAKES = 25
"""Maximum mistakes per class and evaluation in the table, because a reader looks at a few."""
_MAX_POINTS = 400  # per curve
_STEPS = 1_000  # of the slider


def write_evaluation_report(
    path: str | Path, rows: Sequence[NamedEvaluation], record: Mapping[str, Any], force: bool = False
) -> None:
    """Write the report of one or several evaluations.

    Parameters
    ----------
    path : str or pathlib.Path
    rows : sequence of NamedEvaluation
        At least one.
    record : mapping
        The record of ``evaluate --json``: one report, or several under ``data``.
    force : bool
        Replace a file that exists.

    Raises
    ------
    JundscanError
        When Jinja2 is not installed, or the file cannot be written.
    """
    sets = [row.predictions for row in rows]
    with_curves = [one for one in sets if one.has_both]
    prefixes = [f"data.{at}." for at in range(len(rows))] if "data" in record else [""]
    curves = [_roc(with_curves), _precision_recall(with_curves), _calibration(with_curves)] if with_curves else []
    scores = [_scores(at, one) for at, one in enumerate(sets)]
    page = {
        "summary": record,
        "rows": rows,
        "names": [row.name for row in rows],
        "models": list(dict.fromkeys(row.report["model"]["name"] for row in rows)),
        "factors": list(dict.fromkeys(row.report["model"]["factor"] for row in rows)),
        "prefixes": prefixes,
        "metrics": metric_rows([row.report for row in rows]),
        "interval_meaning": INTERVAL,
        "sees_surroundings": any(row.result.surroundings is not None for row in rows),
        "surroundings_meaning": SURROUNDINGS,
        "last_position": _STEPS + 1,
        "curves": curves,
        "without_curves": [one.name for one in sets if not one.has_both],
        "scores": scores,
        "mistakes": [mistake for row in rows for mistake in _mistakes(row)],
        "most_mistakes": MAX_MISTAKES,
    }
    data = {
        "charts": {chart["id"]: chart["spec"] for chart in [*curves, *scores]},
        "positions": [None, *(step / _STEPS for step in range(_STEPS + 1))],
        "confusion": [_confusion(one) for one in sets],
    }
    write_page(path, "evaluation.html", page, data, force=force)


def _confusion(one: Predictions) -> dict[str, Any]:
    """Count calls at the threshold evaluated, then at every step of the slider."""
    thresholds = np.append(one.threshold, np.arange(_STEPS + 1) / _STEPS).astype(np.float32)
    order = np.argsort(one.probabilities, kind="stable")
    below = np.searchsorted(one.probabilities[order].astype(np.float32), thresholds)
    labels, weights = one.labels[order], one.weights[order]

    def called(values: NDArray[Any]) -> NDArray[Any]:
        """Sum the values of windows at or above each threshold."""
        sums = np.append(0, np.cumsum(values))
        return np.asarray(sums[-1] - sums[below])

    right = weights[labels == 0].sum() + called(np.where(labels == 1, weights, -weights))
    total = weights.sum()
    bound = int(np.count_nonzero(labels))
    return {
        "own": one.threshold,
        "bound": bound,
        "unbound": len(labels) - bound,
        "tp": called(labels == 1).tolist(),
        "fp": called(labels == 0).tolist(),
        "accuracy": [round(value, 6) for value in (right / total).tolist()] if total > 0 else None,
    }


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return indices of at most 400 points, evenly spaced along a curve."""
    along = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    return np.unique(np.searchsorted(along, np.linspace(0, along[-1], _MAX_POINTS)).clip(0, len(x) - 1))


def _line(name: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[dict[str, Any]]:
    kept = _thin(x, y)
    points = zip(x[kept].round(6).tolist(), y[kept].round(6).tolist(), strict=True)
    return [{"name": name, "x": at, "y": height, "order": order} for order, (at, height) in enumerate(points)]


def _point(name: str, x: float, y: float) -> dict[str, Any]:
    return {"name": name, "x": x, "y": y}


def _roc(sets: Sequence[Predictions]) -> dict[str, Any]:
    from sklearn.metrics import roc_curve

    rows, points = [], []
    for one in sets:
        rates, recalls, _ = roc_curve(one.labels, one.probabilities)
        rows += _line(one.name, rates, recalls)
        called = one.called
        points.append(_point(one.name, float(called[one.labels == 0].mean()), float(called[one.labels == 1].mean())))
    spec = charts.curves(
        "ROC curve: recall against false-positive rate.", rows, [one.name for one in sets],
        "false-positive rate", "recall",
        chance=[_point("chance", 0, 0), _point("chance", 1, 1)], points=points,
    )  # fmt: skip
    return {
        "id": "roc",
        "title": "ROC",
        "spec": spec,
        "caption": "Nearer to the upper left corner is better. The dotted diagonal is guessing. "
        "Dots: the threshold evaluated.",
    }


def _precision_recall(sets: Sequence[Predictions]) -> dict[str, Any]:
    from sklearn.metrics import precision_recall_curve

    rows, points, chance = [], [], []
    for one in sets:
        precisions, recalls, _ = precision_recall_curve(one.labels, one.probabilities, drop_intermediate=True)
        rows += _line(one.name, recalls, precisions)
        share = float(one.labels.mean())
        chance += [_point(one.name, 0, share), _point(one.name, 1, share)]
        called = one.called
        if called.any():
            points.append(_point(one.name, float(called[one.labels == 1].mean()), float(one.labels[called].mean())))
    spec = charts.curves(
        "Precision against recall.", rows, [one.name for one in sets],
        "recall", "precision",
        chance=chance, points=points, step=True,
    )  # fmt: skip
    return {
        "id": "precision-recall",
        "title": "Precision and recall",
        "spec": spec,
        "caption": "Higher means fewer false calls. The dotted lines are guessing (the share of bound windows). "
        "Dots: the threshold evaluated.",
    }


def _calibration(sets: Sequence[Predictions]) -> dict[str, Any]:
    rows, points = [], []
    for one in sets:
        predicted, observed = reliability(one, one.weights)
        bins = zip(predicted.tolist(), observed.tolist(), strict=True)
        of_set = [{**_point(one.name, at, height), "order": order} for order, (at, height) in enumerate(bins)]
        rows += of_set
        points += of_set
    spec = charts.curves(
        "Calibration: share of bound windows against mean probability, by the windows' weights.", rows,
        [one.name for one in sets], "mean probability (in bins of 0.1)", "share of weight that is bound",
        chance=[_point("perfect", 0, 0), _point("perfect", 1, 1)], points=points,
    )  # fmt: skip
    return {
        "id": "calibration",
        "title": "Calibration",
        "spec": spec,
        "caption": "On the dotted diagonal, probabilities equal the share of bound windows, with the weights of these "
        "windows. In a genome, bound windows are rarer, so far fewer windows of each probability are bound.",
    }


def _scores(number: int, one: Predictions) -> dict[str, Any]:
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    rows = []
    for label, name in enumerate(CLASSES):
        scores = one.probabilities[one.labels == label]
        shares = np.histogram(scores, edges)[0] / max(len(scores), 1)
        rows += [
            {"name": name, "start": round(float(low), 6), "end": round(float(high), 6), "value": share}
            for low, high, share in zip(edges[:-1], edges[1:], shares.tolist(), strict=True)
        ]
    spec = charts.histogram(
        f"Histogram of probabilities by label, {one.name}.", rows, list(CLASSES), "probability", "share of the label",
        log=True, mark_at=one.threshold,
    )  # fmt: skip
    return {"id": f"scores-{number}", "name": one.name, "spec": spec}


def _mistakes(row: NamedEvaluation) -> list[dict[str, Any]]:
    """List the wrong calls furthest from the threshold, unbound windows first, then bound ones."""
    one, shards = row.predictions, row.result.shards
    called = is_positive(one.probabilities, one.threshold)
    found = []
    for label, sign in ((0, -1), (1, 1)):
        wrong = np.flatnonzero((one.labels == label) & (called != (label == 1)))
        worst = wrong[np.argsort(sign * one.probabilities[wrong], kind="stable")[:MAX_MISTAKES]]
        for at in worst.tolist():
            openness = float(row.result.accessibility[at])
            found.append(
                {
                    "window": f"number {at}" if shards.ids is None else str(shards.ids[at]),
                    "name": row.name,
                    "label": CLASSES[label],
                    "called": CLASSES[1 - label],
                    "probability": float(one.probabilities[at]),
                    "accessibility": None if np.isnan(openness) else openness,
                }
            )
    return found
