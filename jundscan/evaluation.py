"""Score a folder of shards and compare with its labels: what ``jundscan evaluate`` and the exporter share."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility import IDENTITY, AccessibilityScale, fit_scale
from jundscan.choices import check_fraction, whole
from jundscan.metrics import balanced_weights, evaluate
from jundscan.model import Model
from jundscan.shards import Shards

if TYPE_CHECKING:
    from jundscan.plots import Predictions

log = logging.getLogger("jundscan")


@dataclass(frozen=True)
class Evaluation:
    """Shards with their probabilities; row i of every array is window i.

    Attributes
    ----------
    accessibility : numpy.ndarray, shape=(n,), dtype=float32
        As the model saw it: mapped, NaN where not available.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
    weights : numpy.ndarray, shape=(n,), dtype=float64, or None
        Those of the shards, else balanced ones; None without labels.
    report : dict or None
        The keys of ``evaluate --json``; None without labels.
    """

    shards: Shards
    accessibility: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    report: dict[str, Any] | None


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One evaluation of labelled windows among several, and what tells it from the others.

    Attributes
    ----------
    name : str
    path : pathlib.Path
        The shards' folder.
    result : Evaluation
    """

    name: str
    path: Path
    result: Evaluation

    @property
    def report(self) -> dict[str, Any]:
        """The keys of ``evaluate --json``."""
        assert self.result.report is not None
        return self.result.report

    @property
    def predictions(self) -> Predictions:
        """What pictures are drawn of."""
        from jundscan.plots import Predictions

        labels, weights = self.result.shards.labels, self.result.weights
        assert labels is not None
        assert weights is not None
        return Predictions(self.name, labels, self.result.probabilities, weights, self.report["threshold"])


def mapped_accessibility(
    shards: Shards, withhold: bool, scale: AccessibilityScale | None
) -> tuple[NDArray[np.float32], AccessibilityScale | None]:
    """Map the shards' accessibility: by ``scale``, or without one by where each window stands in these shards.

    Returns
    -------
    mapped : numpy.ndarray, shape=(n,), dtype=float32
        All NaN when it is withheld or the shards have none, or nothing but NaN.
    scale : AccessibilityScale or None
        The scale that was used; None when nothing was mapped.

    Raises
    ------
    InputError
        When the shards are too few to tell how open a window is.
    """
    means = shards.accessibility
    if withhold or means is None or np.isnan(means).all():
        if not withhold:
            log.info("%s has no accessibility (shard-K-a.joblib): evaluated as not available", shards.path)
        return np.full(len(shards.codes), np.nan, np.float32), None
    if scale is IDENTITY and np.nanmax(means) > 1:
        log.warning("%s: accessibility above 1 is no percentile, and counts as 1", shards.path)
    used = fit_scale(means, str(shards.path)) if scale is None else scale
    return used.apply(means), used


def evaluate_shards(
    shards: Shards,
    model: Model,
    *,
    threshold: float | None = None,
    withhold_accessibility: bool = False,
    scale: AccessibilityScale | None = None,
    threads: int | None = None,
) -> Evaluation:
    """Score every window of the shards and, where there are labels, report how well.

    Parameters
    ----------
    shards : Shards
    model : Model
    threshold : float, optional
        The model's balanced decision (0.5) if not given.
    withhold_accessibility : bool
        Score on sequence alone.
    scale : AccessibilityScale, optional
        See :func:`mapped_accessibility`.
    threads : int, optional
        As many as there are cores if not given.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        When threshold or threads are out of range, or the shards too few to tell how open a window is.
    """
    if threshold is not None:
        check_fraction("threshold", threshold)
    threads = os.cpu_count() or 1 if threads is None else whole("threads", threads)
    accessibility, used = mapped_accessibility(shards, withhold_accessibility, scale)
    probabilities = model.predict(shards.codes, accessibility, threads)
    if shards.labels is None:
        log.info("%s has no labels (shard-K-y.joblib): predictions only", shards.path)
        return Evaluation(shards, accessibility, probabilities, None, None)
    if shards.weights is None:
        log.info("%s has no weights (shard-K-w.joblib): both classes are weighed alike", shards.path)
    weights = balanced_weights(shards.labels) if shards.weights is None else shards.weights
    decision = model.metadata.decision_threshold if threshold is None else threshold
    report = evaluate(shards.labels, probabilities, weights, decision)
    report["model"] = model.identity()
    report["provider"] = model.provider
    report["accessibility"] = _how_mapped(used, scale)
    return Evaluation(shards, accessibility, probabilities, weights, report)


def _how_mapped(used: AccessibilityScale | None, given: AccessibilityScale | None) -> str:
    if used is None:
        return "not available"
    if given is None:
        return "percentile in these shards"
    return "as given (identity)" if given is IDENTITY else "mapped by the scale given"
