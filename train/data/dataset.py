"""Training windows in memory: small integers, ready to be sent to a device batch by batch."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.scale import fit_scale
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import parse_ids
from jundscan.errors import InputError, ShardError
from jundscan.evaluation.metrics import balanced_weights
from jundscan.evaluation.neighbourhood import look_up, open_source
from jundscan.io.shards import read_shards
from train.config import DEFAULT_FPR, FLANK, WIDTHS
from train.data.source import NO_SOURCE, DataSource, read_source

log = logging.getLogger("jundscan")

MIN_UNBOUND_WINDOWS = math.ceil(1 / DEFAULT_FPR)
"""Validation windows that can tell the false-positive rate of scan's default rule."""
TRAIN, VALID = "train_dataset", "valid_dataset"


class Neighbourhood(NamedTuple):
    """What lies around windows; row i of every array is window i.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(N, 101 + 2 * flank), dtype=uint8
        Windows with the bases beside them; 4 where these are not known.
    accessibility : numpy.ndarray, shape=(N, widths), dtype=float32
        Percentile within the whole track of the mean over each width; NaN where not available.
    widths : tuple of int
        Bases, centred on the window; the first is the window's own 101.
    """

    codes: NDArray[np.uint8]
    accessibility: NDArray[np.float32]
    widths: tuple[int, ...]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Neighbourhood:
        """Choose windows."""
        return Neighbourhood(self.codes[rows], self.accessibility[rows], self.widths)


class Summary(NamedTuple):
    """What fixed filters find in windows (N, n), with the bases beside them and without."""

    known: NDArray[np.float32]
    alone: NDArray[np.float32]


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
    neighbourhood : Neighbourhood or None
        What lies around the windows; None where the data set does not say what genome they come from.
    summary : Summary or None
        See :func:`train.fitting.inputs.summarise`.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    accessibility: NDArray[np.float32]
    ids: NDArray[np.str_] | None = None
    neighbourhood: Neighbourhood | None = None
    summary: Summary | None = None

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Windows:
        """Choose windows."""
        neighbourhood, summary = self.neighbourhood, self.summary
        return Windows(
            self.codes[rows],
            self.labels[rows],
            self.weights[rows],
            self.accessibility[rows],
            None if self.ids is None else self.ids[rows],
            neighbourhood and neighbourhood.take(rows),
            None if summary is None else Summary(*(part[rows] for part in summary)),
        )


@dataclass(frozen=True)
class DataSet:
    """Both parts of a data set that training may see; the test part is none of its business."""

    path: Path
    train: Windows
    valid: Windows
    source: DataSource = NO_SOURCE

    @property
    def parts(self) -> tuple[Windows, Windows]:
        """Training and validation windows."""
        return self.train, self.valid

    @property
    def name(self) -> str:
        """The cell type's, or the folder's where ``dataset.json`` does not name one."""
        return self.source.cell_type or self.path.resolve().name


def load_windows(*folders: Path, source: DataSource = NO_SOURCE) -> Windows:
    """Read folders of shards as one set, and map its accessibility onto percentiles.

    Parameters
    ----------
    *folders : pathlib.Path
    source : DataSource
        Where the windows come from: with a track, percentiles are those of the whole track, else those of this set of
        windows.

    Raises
    ------
    ShardError
        When the shards cannot be used or have no labels.
    InputError
        When genome or track cannot be used, or do not fit the windows.
    """
    parts = [_read_labelled(folder) for folder in folders]
    windows = _joined(parts)
    if source.accessibility is None and not np.isnan(windows.accessibility).all():
        scale = fit_scale(windows.accessibility, str(folders[0]), "make a larger data set")
        windows = replace(windows, accessibility=scale.apply(windows.accessibility))
    return windows if source.genome is None else _looked_up(windows, source, str(folders[0]))


def _joined(parts: Sequence[Windows]) -> Windows:
    ids = [part.ids for part in parts if part.ids is not None]
    return Windows(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.accessibility for part in parts]),
        np.concatenate(ids) if len(ids) == len(parts) else None,
    )


def _looked_up(windows: Windows, source: DataSource, where: str) -> Windows:
    """Add what lies around windows, and take their accessibility from the track, as a scan does."""
    assert source.genome is not None
    with open_source(source.genome, source.accessibility, allow_length_mismatch=True) as opened:
        found = look_up(windows.codes, windows.ids, opened.genome, FLANK, where)
        if opened.track is None:
            mapped = np.full((len(windows.codes), len(WIDTHS)), np.nan, np.float32)
            mapped[:, 0] = windows.accessibility
        else:
            means = found.means(opened.track, WIDTHS)
            mapped = opened.scale(WIDTHS).apply_all(means, WIDTHS)
        return replace(windows, accessibility=mapped[:, 0], neighbourhood=Neighbourhood(found.codes(), mapped, WIDTHS))


def knows_neighbourhood(sets: Sequence[DataSet]) -> bool:
    """Tell whether all data sets say what lies around their windows; logs a line where only some do."""
    known = [one.train.neighbourhood is not None for one in sets]
    if any(known) and not all(known):
        absent = ", ".join(one.name for one, there in zip(sets, known, strict=True) if not there)
        log.warning("no dataset.json names the genome of %s: networks see the windows alone", absent)
    return all(known)


def chroms_and_starts(windows: Windows) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Split ids into chromosomes and starts.

    Raises
    ------
    InputError
        When an id is empty or not ``chrom:start-end``, or is not as long as a window.
    """
    assert windows.ids is not None
    names, numbers, starts = parse_ids(windows.ids, "shard-K-ids.joblib")
    if (numbers < 0).any():
        raise InputError(f"shard-K-ids.joblib: id of row {int(numbers.argmin()):,} (counted from 0): is empty")
    return np.array(names, np.str_)[numbers], starts


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


def fraction_adjacent(windows: Windows, others: Windows) -> float | None:
    """Share of ``windows`` that have one of ``others`` next to them on the genome; None where ids do not say.

    Of a part that models are chosen by, this tells how much of it was as good as trained on.
    """
    if windows.ids is None or others.ids is None:
        return None
    chroms, starts = (
        np.concatenate(both) for both in zip(chroms_and_starts(windows), chroms_and_starts(others), strict=True)
    )
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
        "chromosomes": [] if train.ids is None else np.unique(chroms_and_starts(train)[0]).tolist(),
        "beside_training": fraction_adjacent(valid, train),
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


def load_data_set(folder: Path, source: DataSource | None = None) -> DataSet:
    """Read ``train_dataset`` and ``valid_dataset`` of a data set.

    Parameters
    ----------
    folder : pathlib.Path
    source : DataSource, optional
        Where its windows come from; what ``dataset.json`` says if not given.

    Raises
    ------
    ShardError
        When the shards cannot be used, or are too few to fit on, select by and calibrate with.
    """
    source = read_source(folder) if source is None else source
    parts = (load_windows(folder / part, source=source) for part in (TRAIN, VALID))
    data_set = DataSet(folder, *parts, source)
    for part, windows, fewest in ((TRAIN, data_set.train, 1), (VALID, data_set.valid, MIN_UNBOUND_WINDOWS)):
        bound = int(windows.labels.sum())
        unbound = len(windows.labels) - bound
        if bound < 1 or unbound < fewest:
            raise ShardError(
                folder / part, f"{bound} bound windows and {unbound} others; needs 1 and {fewest} at least"
            )
        if windows.ids is not None:
            chroms_and_starts(windows)
    return data_set


def windows_sha256(*parts: Windows) -> str:
    """Hash codes, labels, weights and mapped accessibility, part by part, with what lies around the windows."""
    digest = hashlib.sha256()
    for one in parts:
        for array in (one.codes, one.labels, one.weights, one.accessibility, *(one.neighbourhood or ())[:2]):
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
