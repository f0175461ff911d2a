"""Read data sets into memory: windows as small integers, with weights, accessibility and neighbourhoods."""

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
from jundscan.evaluation.neighbourhood import look_up
from jundscan.io.shards import read_shards
from train.config import DEFAULT_FPR, FLANK, WIDTHS
from train.data.source import NO_SOURCE, DataSource, read_source

log = logging.getLogger("jundscan")

MIN_UNBOUND_WINDOWS = math.ceil(1 / DEFAULT_FPR)
"""Minimum unbound validation windows, because fewer cannot show the false-positive rate of scan's default threshold."""
TRAIN, VALID = "train_dataset", "valid_dataset"


class Neighbourhoods(NamedTuple):
    """Bases and accessibility around windows. Row i of every array is window i.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(N, 101 + 2 * flank), dtype=uint8
        Windows with both flanks; 4 is an unknown base.
    accessibility : numpy.ndarray, shape=(N, widths), dtype=float32
        Percentile within the whole track of the mean over each width; NaN where not available.
    widths : tuple of int
        Bases, centred on the window; the first is the window's own 101.
    """

    codes: NDArray[np.uint8]
    accessibility: NDArray[np.float32]
    widths: tuple[int, ...]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Neighbourhoods:
        """Return the windows of ``rows``."""
        return Neighbourhoods(self.codes[rows], self.accessibility[rows], self.widths)


class Summary(NamedTuple):
    """Scores (N, n) of fixed filters and dinucleotide counts, with the windows' flanks and with unknown flanks.

    ``graph`` is the SHA-256 of the graph that computed them, because networks with other filters need other summaries.
    """

    known: NDArray[np.float32]
    alone: NDArray[np.float32]
    graph: str

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Summary:
        """Return the windows of ``rows``."""
        return Summary(self.known[rows], self.alone[rows], self.graph)

    def followed_by(self, other: Summary) -> Summary:
        """Return the windows of both, which the same graph summarised."""
        assert self.graph == other.graph
        return Summary(np.concatenate([self.known, other.known]), np.concatenate([self.alone, other.alone]), self.graph)


@dataclass(frozen=True)
class Windows:
    """Windows to fit or judge on. Row i of every array is window i.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(N, 101), dtype=uint8
    labels : numpy.ndarray, shape=(N,), dtype=int8
        1 where the factor binds.
    weights : numpy.ndarray, shape=(N,), dtype=float64
    accessibility : numpy.ndarray, shape=(N,), dtype=float32
        Percentile within the whole track, or within this set of windows if there is no track. NaN where not available.
    ids : numpy.ndarray, shape=(N,), dtype=str, or None
        ``chrom:start-end``.
    neighbourhood : Neighbourhoods or None
        None when the data set does not name the windows' genome.
    summary : Summary or None
        See :func:`train.fitting.inputs.summarise`.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    accessibility: NDArray[np.float32]
    ids: NDArray[np.str_] | None = None
    neighbourhood: Neighbourhoods | None = None
    summary: Summary | None = None

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Windows:
        """Return the windows of ``rows``."""
        neighbourhood, summary = self.neighbourhood, self.summary
        return Windows(
            self.codes[rows],
            self.labels[rows],
            self.weights[rows],
            self.accessibility[rows],
            None if self.ids is None else self.ids[rows],
            neighbourhood and neighbourhood.take(rows),
            summary and summary.take(rows),
        )


@dataclass(frozen=True)
class DataSet:
    """The two parts of a data set that training reads. It never reads the test part."""

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
        """The cell type of ``dataset.json``, else the folder's name."""
        return self.source.cell_type or self.path.resolve().name


def load_windows(*folders: Path, source: DataSource = NO_SOURCE) -> Windows:
    """Read folders of shards as one set, and map its accessibility onto percentiles.

    Parameters
    ----------
    *folders : pathlib.Path
    source : DataSource
        Where the windows come from. Percentiles are those of its track, or of this set of windows without a track.

    Raises
    ------
    ShardError
        When the shards cannot be used or have no labels.
    InputError
        When genome or track cannot be used or do not match the windows.
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
    """Add neighbourhoods to windows, and take their accessibility from the track, as a scan does."""
    with source.open() as opened:
        assert opened is not None
        found = look_up(windows.codes, windows.ids, opened.genome, FLANK, where)
        if opened.track is None:
            mapped = np.full((len(windows.codes), len(WIDTHS)), np.nan, np.float32)
            mapped[:, 0] = windows.accessibility
        else:
            means = found.means(opened.track, WIDTHS)
            mapped = opened.scale(WIDTHS).apply_all(means, WIDTHS)
        return replace(windows, accessibility=mapped[:, 0], neighbourhood=Neighbourhoods(found.codes(), mapped, WIDTHS))


def knows_neighbourhood(sets: Sequence[DataSet]) -> bool:
    """Return whether all data sets hold neighbourhoods. Log a warning when only some do."""
    known = [one.train.neighbourhood is not None for one in sets]
    if any(known) and not all(known):
        absent = ", ".join(one.name for one, there in zip(sets, known, strict=True) if not there)
        log.warning("no dataset.json names the genome of %s, so networks see no bases beside the windows", absent)
    return all(known)


def chroms_and_starts(windows: Windows) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Return the chromosome and the start of every window, from its id.

    Raises
    ------
    InputError
        When an id is empty, is not ``chrom:start-end``, or does not span 101 bases.
    """
    assert windows.ids is not None
    names, numbers, starts = parse_ids(windows.ids, "shard-K-ids.joblib")
    if (numbers < 0).any():
        raise InputError(f"shard-K-ids.joblib: the id of row {int(numbers.argmin()):,} (counted from 0) is empty")
    return np.array(names, np.str_)[numbers], starts


def in_genome_order(chroms: NDArray[np.str_], starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sort windows by chromosome and start.

    Returns
    -------
    order : numpy.ndarray, shape=(N,), dtype=int64
        Rows in genome order.
    follows : numpy.ndarray, shape=(N,), dtype=bool
        Whether window ``order[i]`` starts where window ``order[i - 1]`` ends.
    """
    order = np.lexsort((starts, chroms))
    follows = np.zeros(len(order), np.bool_)
    follows[1:] = (np.diff(starts[order]) == WINDOW_LENGTH) & (chroms[order][1:] == chroms[order][:-1])
    return order, follows


def fraction_adjacent(windows: Windows, others: Windows) -> float | None:
    """Return the fraction of ``windows`` that abut one of ``others`` on the genome, or None without ids.

    It shows how many validation windows have a neighbour in training.
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
    """Summarise a data set for ``training.json``."""
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
    """Read one folder of shards, without mapping accessibility."""
    shards = read_shards(folder)
    if shards.labels is None:
        raise ShardError(folder, "no labels (shard-K-y.joblib); training needs them")
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
        Where its windows come from. From ``dataset.json`` if not given.

    Raises
    ------
    ShardError
        When the shards cannot be used, or have too few windows of a class to fit, select and calibrate.
    """
    source = read_source(folder) if source is None else source
    parts = (load_windows(folder / part, source=source) for part in (TRAIN, VALID))
    data_set = DataSet(folder, *parts, source)
    for part, windows, fewest in ((TRAIN, data_set.train, 1), (VALID, data_set.valid, MIN_UNBOUND_WINDOWS)):
        bound = int(windows.labels.sum())
        unbound = len(windows.labels) - bound
        if bound < 1 or unbound < fewest:
            raise ShardError(
                folder / part, f"{bound} bound and {unbound} unbound windows; training needs at least 1 and {fewest}"
            )
        if windows.ids is not None:
            chroms_and_starts(windows)
    return data_set


def windows_sha256(*parts: Windows) -> str:
    """Return the SHA-256 of codes, labels, weights, mapped accessibility and neighbourhoods, part by part."""
    digest = hashlib.sha256()
    for one in parts:
        for array in (one.codes, one.labels, one.weights, one.accessibility, *(one.neighbourhood or ())[:2]):
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
