"""Divide windows into folds by blocks of the genome, without dividing a peak, and fit without one fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from train.config import Candidate, Motifs, NetworkConfig
from train.data.dataset import Windows, chroms_and_starts, in_genome_order
from train.fitting.fit import FittedNetwork, fit, read_weights, save
from train.fitting.motif_choice import choose_again
from train.records import read_record, write_record

BLOCK_BASES = 1_000_000
FOLDS = 5


def blocked_folds(
    chroms: NDArray[np.str_], starts: NDArray[np.int64], bound: NDArray[np.bool_], block_bases: int = BLOCK_BASES
) -> NDArray[np.int64]:
    """Assign blocks to folds at random, and return the fold of every window.

    Parameters
    ----------
    chroms, starts : numpy.ndarray, shape=(N,)
        Chromosomes and starts of the windows.
    bound : numpy.ndarray, shape=(N,), dtype=bool
        Windows that belong to a peak in any of the data sets fitted together.
    block_bases : int
        Length of a block.

    Returns
    -------
    numpy.ndarray, shape=(N,), dtype=int64
        0 to :data:`FOLDS` - 1.
    """
    block = blocks(chroms, starts, bound, block_bases)
    fold_of_block = np.random.default_rng(0).permutation(block.max() + 1) % FOLDS
    return np.asarray(fold_of_block[block], np.int64)


def blocks(
    chroms: NDArray[np.str_], starts: NDArray[np.int64], bound: NDArray[np.bool_], block_bases: int = BLOCK_BASES
) -> NDArray[np.int64]:
    """Return the block of every window, (N,), from 0. Abutting bound windows belong to the block of the first."""
    order, follows = in_genome_order(chroms, starts)
    joins = bound[order] & follows & np.roll(bound[order], 1)
    # a window that continues a peak belongs to the block of the peak's first window
    leaders = np.maximum.accumulate(np.where(joins, 0, np.arange(len(order))))
    leader = np.empty(len(order), np.int64)
    leader[order] = order[leaders]
    _, block = np.unique(
        np.stack([np.unique(chroms, return_inverse=True)[1], starts // block_bases]), axis=1, return_inverse=True
    )
    return np.asarray(block.ravel()[leader], np.int64)


def far_from(windows: Windows, held_out: NDArray[np.int64], reach: int) -> NDArray[np.bool_]:
    """Return which windows lie ``reach`` bases or more from every window of the rows ``held_out``."""
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
    cache: Path | None = None,
) -> FittedNetwork:
    """Fit on the windows of :func:`rows_without_fold`. Motifs that windows chose are chosen again, without the fold.

    Parameters
    ----------
    candidate : Candidate
    sets : sequence of Windows
        The same windows in the same order, one set per cell type. All are fitted together.
    fold : numpy.ndarray, shape=(N,)
        From :func:`blocked_folds`.
    number : int
        The held-out fold.
    until : int, optional
        Epoch to stop at.
    cache : pathlib.Path, optional
        Folder that caches the weights. If it holds them, nothing is fitted.
    """
    cached = None if cache is None else cache / f"fold_{number}_epoch_{until}.pt"
    if cached is not None and cached.is_file():
        return FittedNetwork(candidate, read_weights(cached), until or candidate.fit.epochs, [])
    if candidate.motifs.depends_on_windows:
        candidate = replace(candidate, motifs=_motifs_without_fold(candidate.motifs, sets, fold, number, cache))
    rows = rows_without_fold(candidate.network, sets[0], fold, number)
    fitted = fit(candidate, [one.take(rows) for one in sets], None, until=until)
    if cached is not None:
        save(cached, fitted.state)
    return fitted


def _motifs_without_fold(
    motifs: Motifs, sets: Sequence[Windows], fold: NDArray[np.int64], number: int, cache: Path | None
) -> Motifs:
    """Choose motifs without the windows of a fold, because they must not take part in what is judged on them."""
    cached = None if cache is None else cache.parent / f"motifs_{motifs.sha256()[:10]}_fold_{number}.json"
    if cached is not None and cached.is_file():
        return Motifs.from_dict(read_record(cached, "choice", "starts"))
    chosen = choose_again(motifs, [one.take(fold != number) for one in sets])
    if cached is not None:
        write_record(chosen.to_dict(), cached)
    return chosen


def rows_without_fold(
    config: NetworkConfig, windows: Windows, fold: NDArray[np.int64], number: int
) -> NDArray[np.bool_]:
    """Return the windows of all folds but one, without those that see bases or accessibility of the held-out fold."""
    rows = fold != number
    reach = max(config.flank, (max(config.accessibility_widths) - WINDOW_LENGTH) // 2)
    if reach:
        rows &= far_from(windows, np.flatnonzero(fold == number), reach)
    return rows
