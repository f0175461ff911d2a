"""How the networks compare with the baselines, and whether the exported recipe keeps its promises: ``crossval.json``.

Everything is judged on windows that were not fitted on. Intervals and differences are bootstrapped over megabases of
the genome, since windows of a neighbourhood are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.hits import is_positive
from jundscan.metadata import MODES
from jundscan.metrics import evaluate
from train.baselines import BASELINES, BOOSTED, Table
from train.checks import calibration_check, export_draft, rescaling_check
from train.crossval import BLOCK_BASES, FOLDS, kept
from train.dataset import DataSet
from train.fit import DECISION, JUDGED, Fitted, fit, predict
from train.pooled import Pool, Predictions, Tell, baseline_predictions, load_pool, network_predictions
from train.select import CHECKPOINT, best_of, best_of_families

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
PARTS = ("paired", "calibration", "rescaled", "cross_cell", "repeated")
"""Of the record, beside its models."""
SLOW = ("plain_mlp", "plain_cnn", "plain_lstm")
"""Baselines that take longer than all the rest, and come last."""


def bootstrap(
    labels: NDArray[np.int8],
    weights: NDArray[np.float64],
    block: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Draw blocks with replacement and judge each draw; the same seed draws the same blocks.

    Parameters
    ----------
    labels, weights, block, probabilities : numpy.ndarray, shape=(N,)
    seed : int

    Returns
    -------
    dict
        Metric to its values (draws,), without draws that hold one class only.
    """
    bound = labels == 1
    # a level for every bound window's score and one for what lies between two: exact, and few
    scores = np.unique(probabilities[bound])
    edges = np.unique(np.concatenate([scores, np.nextafter(scores, np.float32(np.inf))]))
    level = len(edges) - np.searchsorted(edges, probabilities, side="right")  # 0: best
    blocks, size = int(block.max()) + 1, len(edges) + 1
    counts = [
        np.bincount(block[rows] * size + level[rows], minlength=blocks * size).reshape(blocks, size).astype(np.float64)
        for rows in (~bound, bound)
    ]
    correct = is_positive(probabilities, DECISION) == bound
    weight = np.bincount(block, weights, blocks), np.bincount(block, weights * correct, blocks)
    rng = np.random.default_rng(seed)
    parts: dict[str, list[float]] = {metric: [] for metric in JUDGED}
    for _ in range(RESAMPLES):
        drawn = np.bincount(rng.integers(0, blocks, blocks), minlength=blocks).astype(np.float64)
        unbound_at, bound_at = (drawn @ one for one in counts)
        unbound_to, bound_to = unbound_at.cumsum(), bound_at.cumsum()
        if unbound_to[-1] == 0 or bound_to[-1] == 0:
            continue
        parts["weighted_accuracy"].append(drawn @ weight[1] / (drawn @ weight[0]))
        parts["auroc"].append(unbound_at @ (bound_to - bound_at / 2) / (unbound_to[-1] * bound_to[-1]))
        precision = bound_to / np.maximum(bound_to + unbound_to, 1)
        parts["average_precision"].append(bound_at @ precision / bound_to[-1])
    return {metric: np.array(values) for metric, values in parts.items()}


def _interval(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.percentile(values, PERCENTILES)]


def _points(table: Table, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    windows = table.windows
    report = evaluate(windows.labels, probabilities, windows.weights, DECISION, intervals=False)
    return {metric: report[metric] for metric in JUDGED}


def judge(pool: Pool, predictions: Sequence[Predictions]) -> dict[str, Any]:
    """Judge pooled predictions: cell type to mode to metrics with intervals; None for a mode that there is not."""
    cells: dict[str, Any] = {}
    for name, table, found in zip(pool.names, pool.tables, predictions, strict=True):
        cells[name] = dict.fromkeys(MODES)
        for mode, probabilities in found.items():
            draws = bootstrap(table.windows.labels, table.windows.weights, pool.block, probabilities)
            intervals = {metric: _interval(values) for metric, values in draws.items()}
            cells[name][mode] = {**_points(table, probabilities), "confidence_intervals": intervals}
    return cells


def paired(pool: Pool, ours: Sequence[Predictions], theirs: Sequence[Predictions]) -> dict[str, Any]:
    """Subtract metrics of ``theirs`` from those of ``ours``, both judged on the same draws of blocks."""
    cells: dict[str, Any] = {}
    for name, table, one, other in zip(pool.names, pool.tables, ours, theirs, strict=True):
        cells[name] = {}
        for mode in MODES:
            draws, points = [], []
            for found in (one, other):
                draws.append(bootstrap(table.windows.labels, table.windows.weights, pool.block, found[mode]))
                points.append(_points(table, found[mode]))
            cells[name][mode] = {
                metric: {
                    "difference": points[0][metric] - points[1][metric],
                    "interval": _interval(draws[0][metric] - draws[1][metric]),
                    "share_better": float((draws[0][metric] > draws[1][metric]).mean()),
                }
                for metric in JUDGED
            }
    return cells


def seeds_summary(pool: Pool, repeats: Mapping[int, Sequence[Predictions]]) -> dict[str, Any]:
    """Mean and standard deviation of the metrics over seeds, by cell type and mode."""
    cells: dict[str, Any] = {}
    for number, (name, table) in enumerate(zip(pool.names, pool.tables, strict=True)):
        cells[name] = {}
        for mode in MODES:
            points = [_points(table, found[number][mode]) for found in repeats.values()]
            cells[name][mode] = {
                metric: {
                    "mean": float(np.mean([one[metric] for one in points])),
                    "sd": float(np.std([one[metric] for one in points], ddof=1)) if len(points) > 1 else None,
                    "values": [one[metric] for one in points],
                }
                for metric in JUDGED
            }
    return {"seeds": list(repeats), "cells": cells}


def cross_cell(selected: Fitted, sets: Sequence[DataSet], pool: Pool, tell: Tell) -> list[dict[str, Any]]:
    """Fit on one cell type's training part, and on all, and judge on the validation part of each.

    Returns
    -------
    list of dict
        ``model``, ``fitted_on`` (names), ``judged_on``, and the metrics by mode.
    """
    rows = []
    scores = pool.tables[0].scores
    first = len(sets[0].train.labels)
    train = [Table(one.train, scores[:first]) for one in sets]
    valid = [Table(one.valid, scores[first:]) for one in sets]
    choices = [[number] for number in range(len(sets))]
    if len(sets) > 1:
        choices.append(list(range(len(sets))))
    for chosen in choices:
        names = [pool.names[number] for number in chosen]
        if len(chosen) == len(sets):
            fitted = selected
        else:
            tell(f"{selected.candidate.key()} fitted on {names[0]} alone")
            checkpoint = pool.cache(f"{selected.candidate.key()}_{selected.epoch}_{names[0]}") / CHECKPOINT
            alone = [train[number].windows for number in chosen]
            fitted = fit(selected.candidate, alone, None, until=selected.epoch, checkpoint=checkpoint)
        network = fitted.network()
        boosted = _boosted(pool, "-".join(names), [train[number] for number in chosen], valid)
        for number, table in enumerate(valid):
            withheld = table.without_accessibility().windows.accessibility
            seen = dict(zip(MODES, (table.windows.accessibility, withheld), strict=True))
            for model, found in (
                ("selected", {mode: predict(network, table.windows.codes, seen[mode]) for mode in MODES}),
                (BOOSTED, boosted[number]),
            ):
                rows.append(
                    {
                        "model": model,
                        "fitted_on": names,
                        "judged_on": pool.names[number],
                        **{mode: _with_intervals(table, probabilities) for mode, probabilities in found.items()},
                    }
                )
    return rows


def _boosted(pool: Pool, name: str, train: Sequence[Table], valid: Sequence[Table]) -> list[Predictions]:
    """Fit the boosted motifs on some tables and predict others."""

    def compute() -> dict[str, NDArray[np.float32]]:
        found = {}
        for mode in MODES:
            for number, result in enumerate(BASELINES[BOOSTED][1](train, valid, mode == MODES[0]) or []):
                found[f"{number}/{mode}"] = result
        return found

    keys = [[f"{number}/{mode}" for mode in MODES] for number in range(len(valid))]
    found = kept(pool.cache(f"{BOOSTED}_on_{name}.npz"), [key for row in keys for key in row], compute)
    return [dict(zip(MODES, (found[key] for key in row), strict=True)) for row in keys]


def _with_intervals(table: Table, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    windows = table.windows
    report = evaluate(windows.labels, probabilities, windows.weights, DECISION)
    intervals = {metric: report["confidence_intervals"][metric] for metric in JUDGED}
    return {**{metric: report[metric] for metric in JUDGED}, "confidence_intervals": intervals}


def compare(
    sets: Sequence[DataSet], fits: Sequence[Fitted], runs: Path, seeds: Sequence[int], tell: Tell
) -> Iterator[dict[str, Any]]:
    """Compare all models; the record grows, and is given after each of its parts, the quick ones first.

    Parameters
    ----------
    sets : sequence of DataSet
        Of the same windows; the networks were fitted on all of them.
    fits : sequence of Fitted
        What ``runs`` holds.
    runs : pathlib.Path
        Keeps every expensive result, so that a second call is quick.
    seeds : sequence of int
        That the selected network is repeated with, beside its own.
    tell : callable
        Told what is going on.
    """
    folders = [one.path for one in sets]
    pool = load_pool(folders, runs, tell)
    best = best_of(fits)
    families = best_of_families(fits)
    record: dict[str, Any] = {
        "data": [
            {"name": name, "windows": len(table.windows.labels), "bound": int(table.windows.labels.sum())}
            for name, table in zip(pool.names, pool.tables, strict=True)
        ],
        "folds": FOLDS,
        "block_bases": BLOCK_BASES,
        "blocks": int(pool.block.max()) + 1,
        "resamples": RESAMPLES,
        "selected": best.candidate.key(),
        "epoch": best.epoch,
        "models": {},
    }
    results = {}

    def add_baseline(name: str) -> None:
        results[name] = baseline_predictions(name, pool, tell)
        record["models"][name] = {"kind": "baseline", "label": BASELINES[name][0], "cells": judge(pool, results[name])}

    for name in BASELINES:
        if name not in SLOW:
            add_baseline(name)
    yield record
    ordered = sorted(families.items(), key=lambda item: item[1] is not best)  # the selected one first
    for family, fitted in ordered[:1]:
        record["models"][family] = _network(fitted, pool, results, tell)
    ours = results[best.candidate.key()]
    record["paired"] = {"minus": BOOSTED, "cells": paired(pool, ours, results[BOOSTED])}
    labels = pool.tables[0].windows.labels
    record["calibration"] = {
        "data": pool.names[0],
        "modes": {mode: calibration_check(labels, ours[0][mode], pool.fold) for mode in MODES},
    }
    yield record
    record["rescaled"] = rescaling_check(export_draft(best, folders), folders)
    yield record
    record["cross_cell"] = cross_cell(best, sets, pool, tell)
    yield record
    for family, fitted in ordered[1:]:
        record["models"][family] = _network(fitted, pool, results, tell)
        yield record
    repeats = {best.candidate.fit.seed: ours}
    for seed in seeds:
        if seed in repeats:
            continue
        again = replace(best.candidate, fit=replace(best.candidate.fit, seed=seed))
        repeats[seed] = network_predictions(again, best.epoch, pool, tell)
        record["repeated"] = seeds_summary(pool, repeats)
        yield record
    for name in SLOW:
        add_baseline(name)
        yield record


def _network(fitted: Fitted, pool: Pool, results: dict[str, list[Predictions]], tell: Tell) -> dict[str, Any]:
    key = fitted.candidate.key()
    results[key] = network_predictions(fitted.candidate, fitted.epoch, pool, tell)
    return {"kind": "network", "key": key, "epoch": fitted.epoch, "cells": judge(pool, results[key])}
