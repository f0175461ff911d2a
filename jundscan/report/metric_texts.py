"""What each metric means, in one sentence, for those who do not evaluate models every day."""

from __future__ import annotations

from typing import Any, NamedTuple


class Metric(NamedTuple):
    """A metric's key in the JSON record, its name and what it means."""

    key: str
    name: str
    meaning: str


METRICS = (
    Metric(
        "weighted_accuracy",
        "weighted accuracy",
        "Share of right decisions at the threshold, by the windows' weights; where these make both labels count "
        "alike, 0.5 is guessing; 1 is perfect.",
    ),
    Metric(
        "auroc",
        "AUROC",
        "How often a bound window scores above an unbound one, both drawn at random: 0.5 is guessing, 1 perfect.",
    ),
    Metric(
        "average_precision",
        "average precision",
        "Precision averaged over every recall: guessing reaches the share of bound windows, 1 is perfect.",
    ),
    Metric("precision", "precision", "Of the windows called at the threshold, the share that is bound."),
    Metric("recall", "recall", "Of the bound windows, the share that is called at the threshold."),
    Metric("f1", "F1", "Precision and recall in one number, near the smaller of the two."),
    Metric(
        "mcc",
        "Matthews correlation",
        "Correlation of calls with labels, which rare bound windows do not flatter: 0 is guessing, 1 perfect.",
    ),
    Metric(
        "brier",
        "Brier score",
        "Mean squared distance between probability and truth, by the windows' weights: 0 is perfect, always saying 0.5 "
        "gives 0.25.",
    ),
)
INTERVAL = "An interval holds the value in 95 % of 1,000 repetitions with windows drawn anew from these."
SURROUNDINGS = (
    "A model that sees what lies around a window scores it best where that is known; other windows are scored without."
)


def metric_rows(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put metrics into rows, with a cell for each report: ``value`` and ``interval``, each None where undefined."""
    return [
        {
            **metric._asdict(),
            "cells": [
                {"value": report[metric.key], "interval": report["confidence_intervals"].get(metric.key)}
                for report in reports
            ],
        }
        for metric in METRICS
    ]
