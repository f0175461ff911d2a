"""Names of the metrics, and what each means for readers who do not evaluate models every day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """A metric's key in the JSON record, its name, its meaning, and whether it depends on the threshold."""

    key: str
    name: str
    meaning: str
    needs_threshold: bool


METRICS = (
    Metric(
        "weighted_accuracy",
        "weighted accuracy",
        "Share of correct calls at the threshold, by the windows' weights. If these weigh both labels equally, 0.5 is "
        "guessing. 1 is perfect.",
        True,
    ),
    Metric(
        "auroc",
        "AUROC",
        "How often a random bound window scores above a random unbound one. 0.5 is guessing, 1 is perfect.",
        False,
    ),
    Metric(
        "average_precision",
        "average precision",
        "Precision averaged over every recall. Guessing gives the share of bound windows, 1 is perfect.",
        False,
    ),
    Metric("precision", "precision", "Share of the called windows that is bound.", True),
    Metric("recall", "recall", "Share of the bound windows that is called.", True),
    Metric("f1", "F1", "Harmonic mean of precision and recall, near the smaller one.", True),
    Metric(
        "mcc",
        "Matthews correlation",
        "Correlation of calls with labels, also meaningful when bound windows are rare. 0 is guessing, 1 is perfect.",
        True,
    ),
    Metric(
        "brier",
        "Brier score",
        "Mean squared difference between probability and label, by the windows' weights. 0 is perfect, always "
        "predicting 0.5 gives 0.25.",
        False,
    ),
)
INTERVAL = "95 % bootstrap interval: the middle 95 % of the metric over 1,000 resamples of these windows."
SURROUNDINGS = "A model that sees the surroundings of a window scores it best where these are known."


def metric_rows(reports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per metric, with one cell per report: ``value`` and ``interval``, None where undefined."""
    return [
        {
            "key": metric.key,
            "name": metric.name,
            "meaning": metric.meaning,
            "cells": [
                {"value": report[metric.key], "interval": report["confidence_intervals"].get(metric.key)}
                for report in reports
            ],
        }
        for metric in METRICS
    ]
