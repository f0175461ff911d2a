"""Blocks of the genome, the folds that they are dealt out to, and fits without one of these: no peak is divided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from train.config import Candidate
from train.data.dataset import Windows, chroms_and_starts, in_genome_order
from train.fitting.fit import Fitted, fit, read_weights, save

BLOCK_BASES = 1_000_000
FOLDS = 5


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
    block = blocks(chroms, starts, bound, block_bases)
    dealt = np.random.default_rng(seed).permutation(block.max() + 1) % folds
    return np.asarray(dealt[block], np.int64)


def blocks(
    chroms: NDArray[np.str_], starts: NDArray[np.int64], bound: NDArray[np.bool_], block_bases: int = BLOCK_BASES
) -> NDArray[np.int64]:
    """Number the blocks of windows, (N,), from 0; a run of neighbouring bound windows goes with its first one."""
    order, follows = in_genome_order(chroms, starts)
    joins = bound[order] & follows & np.roll(bound[order], 1)
    # a window that continues a peak takes the place of the peak's first window
    leaders = np.maximum.accumulate(np.where(joins, 0, np.arange(len(order))))
    leader = np.empty(len(order), np.int64)
    leader[order] = order[leaders]
    _, block = np.unique(
        np.stack([np.unique(chroms, return_inverse=True)[1], starts // block_bases]), axis=1, return_inverse=True
    )
    return np.asarray(block.ravel()[leader], np.int64)


def far_from(windows: Windows, held_out: NDArray[np.int64], reach: int) -> NDArray[np.bool_]:
    """Tell which windows lie ``reach`` bases or more from every window of the rows ``held_out``."""
    chroms, starts = chroms_and_starts(windows)
    far = np.ones(len(starts), np.bool_)
    for chrom in np.unique(chroms[held_out]):
        here = np.flatnonzero(chroms == chrom)
        taken = np.sort(starts[held_out][chroms[held_out] == chrom])
        behind = np.searchsorted(taken, starts[here])
        before = np.abs(starts[here] - taken[np.maximum(behind - 1, 0)])
        after = np.abs(taken[np.minimum(behind, len(taken) - 1)] - starts[here])
        far[here] = np.minimum(before, after) - WINDOW_LENGTH >= reach
    return far


def fit_without_fold(
    candidate: Candidate,
    sets: Sequence[Windows],
    fold: NDArray[np.int64],
    number: int,
    until: int | None = None,
    keep: Path | None = None,
) -> Fitted:
    """Fit on all folds but one; windows that see bases or accessibility of that one are left out.

    Parameters
    ----------
    candidate : Candidate
    sets : sequence of Windows
        The same windows in the same order, one set a cell type; all are fitted together.
    fold : numpy.ndarray, shape=(N,)
        From :func:`blocked_folds`.
    number : int
        The fold held out.
    until : int, optional
        Epoch to stop at.
    keep : pathlib.Path, optional
        Folder that keeps the weights; a fit whose weights are there already is not done again.
    """
    config = candidate.network
    kept_at = None if keep is None else keep / f"fold_{number}_epoch_{until}.pt"
    if kept_at is not None and kept_at.is_file():
        return Fitted(candidate, read_weights(kept_at), until or candidate.fit.epochs, [])
    fitted_on = fold != number
    reach = max(config.flank, (max(config.accessibility_widths) - WINDOW_LENGTH) // 2)
    if reach:
        fitted_on &= far_from(sets[0], np.flatnonzero(fold == number), reach)
    fitted = fit(candidate, [one.take(fitted_on) for one in sets], None, until=until)
    if kept_at is not None:
        save(kept_at, fitted.state)
    return fitted
