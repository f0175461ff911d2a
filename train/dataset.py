"""Training windows in memory: small integers, ready to be sent to a device batch by batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility import fit_scale
from jundscan.errors import ShardError
from jundscan.metrics import balanced_weights
from jundscan.shards import read_shards

TRAIN, VALID = "train_dataset", "valid_dataset"


@dataclass(frozen=True)
class Windows:
    """Windows to fit or to judge on; row i of every array is window i.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(N, 101), dtype=uint8
    labels : numpy.ndarray, shape=(N,), dtype=int8
        1 where JUND binds.
    weights : numpy.ndarray, shape=(N,), dtype=float64
    accessibility : numpy.ndarray, shape=(N,), dtype=float32
        Percentile within this set of windows; NaN where not available.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    accessibility: NDArray[np.float32]


@dataclass(frozen=True)
class DataSet:
    """Both parts of a data set that training may see; the test part is none of its business."""

    path: Path
    train: Windows
    valid: Windows


def load_windows(folder: Path) -> Windows:
    """Read a folder of shards and map its accessibility onto percentiles.

    Raises
    ------
    ShardError
        When the shards cannot be used or have no labels.
    """
    shards = read_shards(folder)
    if shards.labels is None:
        raise ShardError(folder, "no labels (shard-K-y.joblib), nothing to learn from")
    weights = balanced_weights(shards.labels) if shards.weights is None else shards.weights
    if shards.accessibility is None:
        accessibility = np.full(len(shards.codes), np.nan, np.float32)
    else:
        accessibility = fit_scale(shards.accessibility, str(folder)).apply(shards.accessibility)
    return Windows(shards.codes, shards.labels, weights, accessibility)


def load_data_set(folder: Path) -> DataSet:
    """Read ``train_dataset`` and ``valid_dataset`` of a data set."""
    return DataSet(folder, load_windows(folder / TRAIN), load_windows(folder / VALID))


def data_sha256(sets: list[DataSet]) -> str:
    """Hash what was trained on: codes, labels, weights and mapped accessibility, set by set."""
    digest = hashlib.sha256()
    for one in sets:
        for array in (one.train.codes, one.train.labels, one.train.weights, one.train.accessibility):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
