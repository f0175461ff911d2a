"""Blocked cross-validation: contiguous blocks of the genome held out in turn, predictions pooled out of fold.

The public parts are divided window by window, so that neighbours of most windows, and windows of the same peak,
stand on both sides; accessibility, which is constant inside a peak, can then give the peak away. Blocks of a megabase,
with no peak divided, are immune. Designs are decided and thresholds calibrated on these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import ShardError
from jundscan.metadata import MODES
from jundscan.writers import replacing
from train.config import Candidate
from train.dataset import TRAIN, VALID, Windows, in_genome_order, load_windows, places
from train.export import HeldOut
from train.fit import Fitted, fit, predict

BLOCK_BASES = 1_000_000
FOLDS = 5
SOURCE = f"training and validation windows, each held out with its block of a megabase ({FOLDS} folds)"


def load_all(folder: Path) -> Windows:
    """Read the training and the validation part of a data set as one set of windows, in genome order.

    Raises
    ------
    ShardError
        When the windows have no ids: blocks need their places.
    """
    windows = load_windows(folder / TRAIN, folder / VALID)
    if windows.ids is None:
        raise ShardError(folder, "no ids (shard-K-ids.joblib): blocked folds need the windows' places")
    return windows


def load_folds(folders: Sequence[Path]) -> tuple[list[Windows], NDArray[np.int64]]:
    """Read data sets of the same windows, and divide them into blocked folds.

    Returns
    -------
    sets : list of Windows
        See :func:`load_all`.
    fold : numpy.ndarray, shape=(N,), dtype=int64
        See :func:`blocked_folds`.

    Raises
    ------
    ShardError
        When the windows cannot be divided: no ids, other windows in each set, too few blocks.
    """
    sets = [load_all(folder) for folder in folders]
    if any(not np.array_equal(one.ids, sets[0].ids) for one in sets):
        raise ShardError(folders[0], "the data sets do not hold the same windows: no common folds")
    fold = blocked_folds(*places(sets[0]), np.any([one.labels > 0 for one in sets], axis=0))
    if len(np.unique(fold)) < FOLDS or any(not one.labels[fold == n].any() for one in sets for n in range(FOLDS)):
        raise ShardError(folders[0], f"too few blocks of {BLOCK_BASES:,} bases with bound windows for {FOLDS} folds")
    return sets, fold


def blocked_folds(
    chroms: NDArray[np.str_],
    starts: NDArray[np.int64],
    bound: NDArray[np.bool_],
    folds: int = FOLDS,
    block_bases: int = BLOCK_BASES,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Give every window the fold of its block; a run of neighbouring bound windows goes with its first one.

    Parameters
    ----------
    chroms, starts : numpy.ndarray, shape=(N,)
        Places of the windows.
    bound : numpy.ndarray, shape=(N,), dtype=bool
        Windows that belong to a peak, of any of the data sets fitted together.
    folds, block_bases, seed : int
        Blocks are dealt out to folds at random.

    Returns
    -------
    numpy.ndarray, shape=(N,), dtype=int64
        0 to ``folds`` - 1.
    """
    order, follows = in_genome_order(chroms, starts)
    joins = bound[order] & follows & np.roll(bound[order], 1)
    # a window that continues a peak takes the place of the peak's first window
    leaders = np.maximum.accumulate(np.where(joins, 0, np.arange(len(order))))
    leader = np.empty(len(order), np.int64)
    leader[order] = order[leaders]
    _, block = np.unique(
        np.stack([np.unique(chroms, return_inverse=True)[1], starts // block_bases]), axis=1, return_inverse=True
    )
    block = block.ravel()[leader]
    dealt = np.random.default_rng(seed).permutation(block.max() + 1) % folds
    return np.asarray(dealt[block], np.int64)


def out_of_fold(
    candidate: Candidate,
    sets: Sequence[Windows],
    fold: NDArray[np.int64],
    until: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, NDArray[np.float32]]]:
    """Fit with each fold held out and predict it, with accessibility and without.

    Parameters
    ----------
    candidate : Candidate
    sets : sequence of Windows
        The same windows in the same order, one set a cell type; all are fitted together.
    fold : numpy.ndarray, shape=(N,)
        From :func:`blocked_folds`.
    until : int, optional
        Epoch to stop at.
    tell : callable
        Told of every fold.

    Returns
    -------
    list of dict
        For each set probabilities (N,) by mode (:data:`jundscan.metadata.MODES`).
    """
    empty = np.full(len(fold), np.nan, np.float32)
    pooled = [{mode: empty.copy() for mode in MODES} for _ in sets]
    for number in range(fold.max() + 1):
        held_out = np.flatnonzero(fold == number)
        fitted = fit(candidate, [one.take(fold != number) for one in sets], None, until=until)
        network = fitted.network()
        for one, result in zip(sets, pooled, strict=True):
            codes, accessibility = one.codes[held_out], one.accessibility[held_out]
            for mode, seen in zip(MODES, (accessibility, np.full_like(accessibility, np.nan)), strict=True):
                result[mode][held_out] = predict(network, codes, seen)
        tell(f"{candidate.key()} fold {number + 1}/{fold.max() + 1} held out")
    return pooled


def held_out_cache(runs: Path, candidate: Candidate, epoch: int) -> Path:
    """Where out-of-fold predictions of a recipe are kept: a candidate, stopped at an epoch."""
    return runs / candidate.key() / f"held_out_epoch_{epoch}.npz"


def held_out_predictions(fitted: Fitted, folders: Sequence[Path], runs: Path, tell: Callable[[str], None]) -> HeldOut:
    """Predict the first data set out of fold with the recipe of ``fitted``: its candidate, stopped at its epoch.

    Parameters
    ----------
    fitted : Fitted
    folders : sequence of pathlib.Path
        Data sets of the same windows.
    runs : pathlib.Path
        Keeps the result in :func:`held_out_cache`, and has it already if it was found before.
    tell : callable
        Told of every fold.

    Raises
    ------
    ShardError
        When the windows cannot be divided into blocked folds.
    """
    sets, fold = load_folds(folders)
    cache = held_out_cache(runs, fitted.candidate, fitted.epoch)
    found = kept(cache, MODES, lambda: out_of_fold(fitted.candidate, sets, fold, fitted.epoch, tell)[0])
    return HeldOut(SOURCE, sets[0].labels, found)


def kept(
    path: Path, names: Sequence[str], compute: Callable[[], Mapping[str, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float32]]:
    """Read arrays from a file, or compute and keep them where it does not hold them all."""
    if path.is_file():
        with np.load(path) as file:
            if set(names) <= set(file.files):
                return {name: file[name] for name in names}
    found = dict(compute())
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **found)  # type: ignore[arg-type]
    return found
