"""Compare the networks with baselines and check the exported recipe's promises, for ``crossval.json``.

Every model is judged on windows that it was not fitted on. The bootstrap resamples megabases of the genome, because
neighbouring windows are not independent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import ShardError
from jundscan.evaluation.metrics import PERCENTILES, RESAMPLES, bootstrap_blocks, compute_metrics
from jundscan.model.metadata import MODES, WINDOW_MODES
from train.comparison.baselines import (
    BASELINE_MOTIFS,
    BASELINES,
    BOOSTED,
    BOOSTED_NEIGHBOURHOOD,
    Table,
    baseline_out_of_fold,
    best_scores,
    neighbourhood_features,
)
from train.comparison.checks import calibration_check, export_draft, rescaling_check
from train.comparison.crossval import (
    Predictions,
    cached_out_of_fold,
    load_all,
    load_folds,
    out_of_fold,
    pair_predictions,
)
from train.config import Candidate
from train.data.dataset import DataSet, Windows, chroms_and_starts
from train.fitting.fit import DECISION_THRESHOLD, METRICS, FittedNetwork
from train.fitting.folds import BLOCK_BASES, FOLDS
from train.fitting.inputs import modes
from train.fitting.select import best_of, best_of_families, partner_for_bare_windows
from train.records import read_or_compute

OnProgress = Callable[[str], None]
PARTS = ("paired", "calibration", "rescaled", "cross_cell", "repeated")
"""Keys of the record's parts besides its models."""
SLOW = ("plain_mlp", "plain_cnn", "plain_lstm")
"""Baselines that come last because they take longer than all others together."""


@dataclass(frozen=True)
class Pool:
    """The windows that all models are compared on, and the folder that caches results.

    Attributes
    ----------
    names : tuple of str
        Names of the data sets.
    tables : tuple of Table
        Training and validation windows of each data set, the same windows in the same order.
    fold, block : numpy.ndarray, shape=(N,)
        Fold and megabase of every window.
    runs : pathlib.Path
        Folder of the caches.
    digest : str
        Hash of the windows, which keeps caches of different data apart.
    resamples : int
        Bootstrap resamples of blocks.
    """

    names: tuple[str, ...]
    tables: tuple[Table, ...]
    fold: NDArray[np.int64]
    block: NDArray[np.int64]
    runs: Path
    digest: str
    resamples: int = RESAMPLES

    def cache(self, name: str) -> Path:
        """Return the file that caches a result of these windows."""
        return self.runs / f"comparison-{self.digest}" / name


def load_pool(data: Sequence[DataSet], runs: Path, on_progress: OnProgress, resamples: int = RESAMPLES) -> Pool:
    """Read the data sets, divide them into blocked folds, and score their motifs.

    Raises
    ------
    ShardError
        When the windows cannot be divided into blocked folds.
    """
    sets, fold = load_folds(data)
    digest = hashlib.sha256()
    for one in sets:
        for array in (one.codes, one.labels, one.accessibility):
            digest.update(np.ascontiguousarray(array).tobytes())
    chroms, starts = chroms_and_starts(sets[0])
    positions = np.stack([np.unique(chroms, return_inverse=True)[1], starts // BLOCK_BASES])
    block = np.unique(positions, axis=1, return_inverse=True)[1].ravel().astype(np.int64)
    names = tuple(one.name for one in data)
    pool = Pool(names, (), fold, block, runs, digest.hexdigest()[:10], resamples)

    def compute() -> dict[str, NDArray[np.float32]]:
        on_progress(f"scoring {len(BASELINE_MOTIFS)} motifs")
        return {"scores": best_scores(sets[0].codes)}

    scores = read_or_compute(pool.cache("motif_scores.npz"), ("scores",), compute)["scores"]
    features = None
    if (beside := sets[0].neighbourhood) is not None:

        def compute_neighbourhood() -> dict[str, NDArray[np.float32]]:
            on_progress(f"scoring {len(BASELINE_MOTIFS)} motifs beside the windows")
            return {"around": neighbourhood_features(beside.codes)}

        features = read_or_compute(pool.cache("around.npz"), ("around",), compute_neighbourhood)["around"]
    return replace(pool, tables=tuple(Table(one, scores, features) for one in sets))


def baseline_predictions(name: str, pool: Pool, on_progress: OnProgress) -> list[Predictions]:
    """Predict every table out of fold with a baseline of :data:`train.comparison.baselines.BASELINES`."""
    names = [f"{number}/{mode}" for number in range(len(pool.tables)) for mode in MODES]

    def compute() -> dict[str, NDArray[np.float32]]:
        found = {}
        for mode in MODES:
            on_progress(f"{name} {mode.replace('_', ' ')}: {FOLDS} folds")
            results = baseline_out_of_fold(BASELINES[name][1], pool.tables, pool.fold, mode == MODES[0])
            for number in range(len(pool.tables)):
                found[f"{number}/{mode}"] = np.empty(0, np.float32) if results is None else results[number]
        return found

    found = read_or_compute(pool.cache(f"{name}.npz"), names, compute)
    return [
        {mode: found[f"{number}/{mode}"] for mode in MODES if len(found[f"{number}/{mode}"])}
        for number in range(len(pool.tables))
    ]


def network_predictions(candidate: Candidate, epoch: int, pool: Pool, on_progress: OnProgress) -> list[Predictions]:
    """Predict every table out of fold with a network that stops at an epoch."""
    windows = [table.windows for table in pool.tables]
    return cached_out_of_fold(candidate, epoch, windows, pool.fold, pool.runs, on_progress)


def _bootstrap(pool: Pool, table: Table, probabilities: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Resample blocks and compute the metrics of each resample. Every call draws the same blocks."""
    labels, weights = table.windows.labels, table.windows.weights
    return bootstrap_blocks(labels, probabilities, weights, DECISION_THRESHOLD, pool.block, pool.resamples)


def _interval(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.percentile(values, PERCENTILES)]


def _points(table: Table, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    windows = table.windows
    report = compute_metrics(windows.labels, probabilities, windows.weights, DECISION_THRESHOLD, resamples=0)
    return {metric: report[metric] for metric in METRICS}


def judge(pool: Pool, predictions: Sequence[Predictions]) -> dict[str, Any]:
    """Compute metrics with intervals, by cell type and mode. A mode without predictions is None."""
    parts = zip(pool.names, pool.tables, predictions, strict=True)
    return {name: judge_table(pool, table, found) for name, table, found in parts}


def judge_table(pool: Pool, table: Table, found: Predictions) -> dict[str, Any]:
    """Compute metrics with intervals of one table, by mode. A mode without predictions is None."""
    modes: dict[str, Any] = dict.fromkeys((*MODES, *WINDOW_MODES))
    for mode, probabilities in found.items():
        draws = _bootstrap(pool, table, probabilities)
        intervals = {metric: _interval(values) for metric, values in draws.items()}
        modes[mode] = {**_points(table, probabilities), "confidence_intervals": intervals}
    return modes


def paired_differences(pool: Pool, ours: Sequence[Predictions], theirs: Sequence[Predictions]) -> dict[str, Any]:
    """Subtract metrics of ``theirs`` from those of ``ours``, on the same resamples of blocks."""
    cells: dict[str, Any] = {}
    for name, table, one, other in zip(pool.names, pool.tables, ours, theirs, strict=True):
        cells[name] = {}
        for mode in one.keys() & other.keys():
            draws, points = [], []
            for found in (one, other):
                draws.append(_bootstrap(pool, table, found[mode]))
                points.append(_points(table, found[mode]))
            cells[name][mode] = {
                metric: {
                    "difference": points[0][metric] - points[1][metric],
                    "interval": _interval(draws[0][metric] - draws[1][metric]),
                    "share_better": float((draws[0][metric] > draws[1][metric]).mean()),
                }
                for metric in METRICS
            }
    return cells


def seeds_summary(pool: Pool, repeats: Mapping[int, Sequence[Predictions]]) -> dict[str, Any]:
    """Compute mean and standard deviation of the metrics over seeds, by cell type and mode."""
    cells: dict[str, Any] = {}
    for number, (name, table) in enumerate(zip(pool.names, pool.tables, strict=True)):
        cells[name] = {}
        for mode in next(iter(repeats.values()))[number]:
            points = [_points(table, found[number][mode]) for found in repeats.values()]
            cells[name][mode] = {
                metric: {
                    "mean": float(np.mean([one[metric] for one in points])),
                    "sd": float(np.std([one[metric] for one in points], ddof=1)) if len(points) > 1 else None,
                    "values": [one[metric] for one in points],
                }
                for metric in METRICS
            }
    return {"seeds": list(repeats), "cells": cells}


def cross_cell(
    selected: FittedNetwork, pool: Pool, others: Mapping[str, Windows], on_progress: OnProgress
) -> list[dict[str, Any]]:
    """Fit without a cell type and judge on its held-out blocks, for every cell type with accessibility.

    In the modes of windows alone, the same network sees no neighbourhood.

    Parameters
    ----------
    selected : Fitted
    pool : Pool
    others : mapping of str to Windows
        The same windows in further cell types, which are fitted on too.
    on_progress : callable

    Returns
    -------
    list of dict
        ``fitted_on`` (names), ``judged_on``, and metrics with intervals by mode.
    """
    rows: list[dict[str, Any]] = []
    candidate, epoch = selected.candidate, selected.epoch
    sets = dict(zip(pool.names, (table.windows for table in pool.tables), strict=True)) | dict(others)
    for name, table in zip(pool.names, pool.tables, strict=True):
        fitted_on = {other: windows for other, windows in sets.items() if other != name}
        if not fitted_on or np.isnan(table.windows.accessibility).all():
            continue

        def compute(
            fitted_on: Mapping[str, Windows] = fitted_on, table: Table = table, name: str = name
        ) -> dict[str, NDArray[np.float32]]:
            on_progress(f"{candidate.label()}: fitted without {name}")
            return out_of_fold(candidate, list(fitted_on.values()), pool.fold, epoch, on_progress, [table.windows])[0]

        cache = pool.cache(f"{candidate.key()}_{epoch}_{'_'.join(fitted_on)}_for_{name}.npz")
        found = read_or_compute(cache, modes(candidate.network), compute)
        rows.append({"fitted_on": list(fitted_on), "judged_on": name, **judge_table(pool, table, found)})
    return rows


def compare(
    sets: Sequence[DataSet],
    fits: Sequence[FittedNetwork],
    runs: Path,
    seeds: Sequence[int],
    on_progress: OnProgress,
    others: Sequence[DataSet] = (),
    resamples: int = RESAMPLES,
) -> Iterator[dict[str, Any]]:
    """Compare all models. Yield the growing record after each of its parts, quick parts first.

    Parameters
    ----------
    sets : sequence of DataSet
        Data sets of the same windows, on all of which the networks were fitted.
    fits : sequence of Fitted
        All fits in ``runs``.
    runs : pathlib.Path
        Folder that caches every expensive result, so that a second call is quick.
    seeds : sequence of int
        Further seeds to fit the selected candidate with.
    on_progress : callable
        Called with a line for every step.
    others : sequence of DataSet
        The same windows in further cell types, for the fits that leave a cell type out.
    resamples : int
        Bootstrap resamples of blocks.
    """
    folders = [one.path for one in sets]
    pool = load_pool(sets, runs, on_progress, resamples)
    further = {one.name: load_all(one) for one in others}
    for name, windows in further.items():
        if not np.array_equal(windows.ids, pool.tables[0].windows.ids):
            raise ShardError(folders[0], f"{name} does not hold the same windows, which common folds need")
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
        "resamples": pool.resamples,
        "selected": best.candidate.key(),
        "epoch": best.epoch,
        "models": {},
    }
    results = {}

    def add_baseline(name: str) -> None:
        results[name] = baseline_predictions(name, pool, on_progress)
        record["models"][name] = {"kind": "baseline", "label": BASELINES[name][0], "cells": judge(pool, results[name])}

    for name in BASELINES:
        if name not in SLOW and (name != BOOSTED_NEIGHBOURHOOD or pool.tables[0].neighbourhood is not None):
            add_baseline(name)
    yield record
    ordered = sorted(families.items(), key=lambda item: item[1] is not best)  # the selected family first
    alone = partner_for_bare_windows(best, fits)
    for family, fitted in ordered[:1]:
        record["models"][family] = _network(fitted, pool, results, on_progress, alone)
    ours = results[best.candidate.key()]
    rival = BOOSTED_NEIGHBOURHOOD if BOOSTED_NEIGHBOURHOOD in results else BOOSTED
    record["paired"] = {"minus": rival, "cells": paired_differences(pool, ours, results[rival])}
    labels = pool.tables[0].windows.labels
    record["calibration"] = {
        "data": pool.names[0],
        "modes": {mode: calibration_check(labels, found, pool.fold) for mode, found in ours[0].items()},
    }
    yield record
    record["rescaled"] = rescaling_check(export_draft(best, folders), folders)
    yield record
    record["cross_cell"] = cross_cell(best, pool, further, on_progress)
    yield record
    repeats = {best.candidate.fit.seed: ours}
    for seed in seeds:
        if seed in repeats:
            continue
        again = replace(best.candidate, fit=replace(best.candidate.fit, seed=seed))
        repeats[seed] = _predictions(replace(best, candidate=again), pool, on_progress, alone)
        record["repeated"] = seeds_summary(pool, repeats)
        yield record
    for family, fitted in ordered[1:]:
        record["models"][family] = _network(fitted, pool, results, on_progress)
        yield record
    for name in SLOW:
        add_baseline(name)
        yield record


def _predictions(
    fitted: FittedNetwork, pool: Pool, on_progress: OnProgress, alone: FittedNetwork | None
) -> list[Predictions]:
    found = network_predictions(fitted.candidate, fitted.epoch, pool, on_progress)
    if alone is None:
        return found
    other = network_predictions(alone.candidate, alone.epoch, pool, on_progress)
    windows = [table.windows for table in pool.tables]
    return pair_predictions(found, other, windows, fitted.candidate.network.flank)


def _network(
    fitted: FittedNetwork,
    pool: Pool,
    results: dict[str, list[Predictions]],
    on_progress: OnProgress,
    alone: FittedNetwork | None = None,
) -> dict[str, Any]:
    key = fitted.candidate.key()
    results[key] = _predictions(fitted, pool, on_progress, alone)
    return {
        "kind": "network",
        "key": key,
        "label": fitted.candidate.label(),
        "epoch": fitted.epoch,
        "cells": judge(pool, results[key]),
    }
