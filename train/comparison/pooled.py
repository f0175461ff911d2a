"""Out-of-fold predictions of baselines and networks on the same blocked folds, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.model.metadata import MODES
from train.comparison import baselines
from train.comparison.baselines import BASELINES, Table
from train.comparison.crossval import kept_out_of_fold, load_folds
from train.comparison.folds import BLOCK_BASES, FOLDS
from train.config import Candidate
from train.data.dataset import DataSet, places
from train.records import kept

Predictions = dict[str, NDArray[np.float32]]
"""Probabilities (N,) by mode; a mode that the model does not know is missing."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Pool:
    """The windows that all models are compared on, and where the results are kept.

    Attributes
    ----------
    names : tuple of str
        Of the data sets.
    tables : tuple of Table
        Training and validation windows of each data set, the same windows in the same order.
    fold, block : numpy.ndarray, shape=(N,)
        Fold and megabase of every window.
    runs : pathlib.Path
        Folder of the caches.
    digest : str
        Of the windows, so that results of other data are never taken for those of these.
    """

    names: tuple[str, ...]
    tables: tuple[Table, ...]
    fold: NDArray[np.int64]
    block: NDArray[np.int64]
    runs: Path
    digest: str

    def cache(self, name: str) -> Path:
        """Where what is expensive and no network's is kept."""
        return self.runs / f"comparison-{self.digest}" / name


def load_pool(data: Sequence[DataSet], runs: Path, tell: Tell) -> Pool:
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
    chroms, starts = places(sets[0])
    spots = np.stack([np.unique(chroms, return_inverse=True)[1], starts // BLOCK_BASES])
    block = np.unique(spots, axis=1, return_inverse=True)[1].ravel().astype(np.int64)
    names = tuple(one.name for one in data)
    pool = Pool(names, (), fold, block, runs, digest.hexdigest()[:10])

    def compute() -> dict[str, NDArray[np.float32]]:
        tell(f"scoring {len(baselines.MOTIFS)} motifs")
        return {"scores": baselines.best_scores(sets[0].codes)}

    scores = kept(pool.cache("motif_scores.npz"), ("scores",), compute)["scores"]
    around = None
    if (beside := sets[0].around) is not None:

        def compute_around() -> dict[str, NDArray[np.float32]]:
            tell(f"scoring {len(baselines.MOTIFS)} motifs beside the windows")
            return {"around": baselines.around_features(beside.codes)}

        around = kept(pool.cache("around.npz"), ("around",), compute_around)["around"]
    return replace(pool, tables=tuple(Table(one, scores, around) for one in sets))


def baseline_predictions(name: str, pool: Pool, tell: Tell) -> list[Predictions]:
    """Predict every table out of fold with a baseline of :data:`train.comparison.baselines.BASELINES`."""
    names = [f"{number}/{mode}" for number in range(len(pool.tables)) for mode in MODES]

    def compute() -> dict[str, NDArray[np.float32]]:
        found = {}
        for mode in MODES:
            tell(f"{name} {mode.replace('_', ' ')}: {FOLDS} folds")
            results = baselines.out_of_fold(BASELINES[name][1], pool.tables, pool.fold, mode == MODES[0])
            for number in range(len(pool.tables)):
                found[f"{number}/{mode}"] = np.empty(0, np.float32) if results is None else results[number]
        return found

    found = kept(pool.cache(f"{name}.npz"), names, compute)
    return [
        {mode: found[f"{number}/{mode}"] for mode in MODES if len(found[f"{number}/{mode}"])}
        for number in range(len(pool.tables))
    ]


def network_predictions(candidate: Candidate, epoch: int, pool: Pool, tell: Tell) -> list[Predictions]:
    """Predict every table out of fold with a network, stopped at an epoch."""
    windows = [table.windows for table in pool.tables]
    return kept_out_of_fold(candidate, epoch, windows, pool.fold, pool.runs, tell)
