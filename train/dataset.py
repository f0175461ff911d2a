"""Training windows in memory: small integers, ready to be sent to a device batch by batch."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility import fit_scale
from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError, ShardError
from jundscan.metrics import balanced_weights
from jundscan.shards import read_shards
from train.config import DEFAULT_FPR

FEWEST_UNBOUND = math.ceil(1 / DEFAULT_FPR)
"""Validation windows that can tell the false-positive rate of scan's default rule."""
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
    ids : numpy.ndarray, shape=(N,), dtype=str, or None
        ``chrom:start-end``.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    accessibility: NDArray[np.float32]
    ids: NDArray[np.str_] | None = None

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Windows:
        """Choose windows."""
        ids = None if self.ids is None else self.ids[rows]
        return Windows(self.codes[rows], self.labels[rows], self.weights[rows], self.accessibility[rows], ids)


@dataclass(frozen=True)
class DataSet:
    """Both parts of a data set that training may see; the test part is none of its business."""

    path: Path
    train: Windows
    valid: Windows

    @property
    def parts(self) -> tuple[Windows, Windows]:
        """Training and validation windows."""
        return self.train, self.valid

    @property
    def name(self) -> str:
        """The folder's, taken as the cell type's."""
        return self.path.resolve().name


def load_windows(*folders: Path) -> Windows:
    """Read folders of shards as one set, and map its accessibility onto percentiles of the whole set.

    Raises
    ------
    ShardError
        When the shards cannot be used or have no labels.
    """
    parts = [_read_labelled(folder) for folder in folders]
    accessibility = np.concatenate([part.accessibility for part in parts])
    if not np.isnan(accessibility).all():
        scale = fit_scale(accessibility, str(folders[0]), "make a larger data set")
        accessibility = scale.apply(accessibility)
    ids = [part.ids for part in parts if part.ids is not None]
    return Windows(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts]),
        accessibility,
        np.concatenate(ids) if len(ids) == len(parts) else None,
    )


def places(windows: Windows) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Split ids into chromosomes and starts.

    Raises
    ------
    InputError
        When an id is not ``chrom:start-end``.
    """
    assert windows.ids is not None
    chroms, spans = np.char.rpartition(windows.ids, ":")[:, [0, 2]].T
    starts = np.char.partition(spans, "-")[:, 0]
    if not (known := np.char.isdecimal(starts)).all():
        wrong = windows.ids[int(known.argmin())]
        raise InputError(f"shard-K-ids.joblib: {str(wrong)!r} is no place of a window, chrom:start-end")
    return chroms, starts.astype(np.int64)


def in_genome_order(chroms: NDArray[np.str_], starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sort windows by place.

    Returns
    -------
    order : numpy.ndarray, shape=(N,), dtype=int64
        Rows, in genome order.
    follows : numpy.ndarray, shape=(N,), dtype=bool
        Whether the window ``order[i]`` begins where the one before it in this order ends.
    """
    order = np.lexsort((starts, chroms))
    follows = np.zeros(len(order), np.bool_)
    follows[1:] = (np.diff(starts[order]) == WINDOW_LENGTH) & (chroms[order][1:] == chroms[order][:-1])
    return order, follows


def share_beside(windows: Windows, others: Windows) -> float | None:
    """Share of ``windows`` that have one of ``others`` next to them on the genome; None where ids do not say.

    Of a part that models are chosen by, this tells how much of it was as good as trained on.
    """
    if windows.ids is None or others.ids is None:
        return None
    chroms, starts = (np.concatenate(both) for both in zip(places(windows), places(others), strict=True))
    order, follows = in_genome_order(chroms, starts)
    ours = (order < len(windows.labels)).astype(np.int8)
    unlike = follows[1:] & (ours[1:] != ours[:-1])
    beside = np.zeros(len(order), np.bool_)
    beside[1:] |= unlike
    beside[:-1] |= unlike
    return float(beside[ours == 1].mean())


def describe(data_set: DataSet) -> dict[str, Any]:
    """Say what a data set holds, for the record of a training."""
    train, valid = data_set.train, data_set.valid
    return {
        "name": data_set.name,
        **{
            part: {"windows": len(windows.labels), "bound": int(windows.labels.sum())}
            for part, windows in (("train", train), ("valid", valid))
        },
        "chromosomes": [] if train.ids is None else np.unique(places(train)[0]).tolist(),
        "beside_training": share_beside(valid, train),
    }


def _read_labelled(folder: Path) -> Windows:
    """Read one folder, accessibility as it is there."""
    shards = read_shards(folder)
    if shards.labels is None:
        raise ShardError(folder, "no labels (shard-K-y.joblib), nothing to learn from")
    weights = balanced_weights(shards.labels) if shards.weights is None else shards.weights
    missing = np.full(len(shards.codes), np.nan, np.float32)
    accessibility = missing if shards.accessibility is None else shards.accessibility
    return Windows(shards.codes, shards.labels, weights, accessibility, shards.ids)


def load_data_set(folder: Path) -> DataSet:
    """Read ``train_dataset`` and ``valid_dataset`` of a data set.

    Raises
    ------
    ShardError
        When the shards cannot be used, or are too few to fit on, select by and calibrate with.
    """
    data_set = DataSet(folder, load_windows(folder / TRAIN), load_windows(folder / VALID))
    for part, windows, fewest in ((TRAIN, data_set.train, 1), (VALID, data_set.valid, FEWEST_UNBOUND)):
        bound = int(windows.labels.sum())
        unbound = len(windows.labels) - bound
        if bound < 1 or unbound < fewest:
            raise ShardError(
                folder / part, f"{bound} bound windows and {unbound} others; needs 1 and {fewest} at least"
            )
        if windows.ids is not None:
            places(windows)
    return data_set


def windows_sha256(*parts: Windows) -> str:
    """Hash codes, labels, weights and mapped accessibility, part by part."""
    digest = hashlib.sha256()
    for one in parts:
        for array in (one.codes, one.labels, one.weights, one.accessibility):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
