"""Windows to hits: threshold, merging and summits, in a stream whose memory does not grow.

A hit is the union of overlapping windows at or above the threshold. Windows between them that score lower, or were not
scored, do not split it. Windows that only abut stay apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.model.thresholds import is_positive

SUMMIT_RESOLUTION = 1e6
"""Probabilities are compared to 6 decimals to find the summit, because max pooling makes plateaus of equal windows."""


class Hits(NamedTuple):
    """Hits of one chromosome, sorted and disjoint; row i of every array is hit i.

    Attributes
    ----------
    start, end : numpy.ndarray, shape=(n,), dtype=int64
        Union of the hit's windows, 0-based half-open.
    best : numpy.ndarray, shape=(n,), dtype=float32
        Highest probability among its windows.
    summit : numpy.ndarray, shape=(n,), dtype=int64
        0-based position of the best windows: the leftmost run of consecutive windows that share the best probability
        to 6 decimals, and the centre of its middle window (the lower of two).
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    best: NDArray[np.float32]
    summit: NDArray[np.int64]


class _Groups(NamedTuple):
    """Hits that later windows may still join; they hold the leftmost run of best windows instead of a summit."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    best: NDArray[np.float32]
    run_index: NDArray[np.int64]  # number of the run's first window
    run_start: NDArray[np.int64]  # where that window starts
    run_length: NDArray[np.int64]  # windows


class HitCaller:
    """Find the hits of one chromosome after another, from chunks of windows.

    The hits do not depend on how windows are divided among calls of :meth:`add`. Between calls the object keeps one
    open hit.

    Parameters
    ----------
    threshold : float
        Windows at or above it are positive, see :func:`jundscan.model.thresholds.is_positive`.
    stride : int
        Bases between the starts of consecutive windows; the last window of a chromosome may be nearer.

    Examples
    --------
    >>> caller = HitCaller(threshold=0.5, stride=50)
    >>> windows = np.arange(4)
    >>> caller.add(windows, windows * 50, np.array([0.1, 0.8, 0.6, 0.2], dtype=np.float32)).start.tolist()
    []
    >>> hits = caller.finish()
    >>> hits.start.tolist(), hits.end.tolist(), hits.summit.tolist()
    ([50], [201], [100])
    """

    def __init__(self, threshold: float, stride: int) -> None:
        self._threshold = threshold
        self._stride = stride
        self._open: _Groups | None = None  # one row: the hit that the next window may still join

    def add(self, indices: NDArray[np.int64], starts: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Hits:
        """Add the next windows, and return the hits that no later window can join.

        Parameters
        ----------
        indices : numpy.ndarray, shape=(n,), dtype=int64
            Indices of the windows on the chromosome, ascending over all calls. A missing index is a window that was
            not scored.
        starts : numpy.ndarray, shape=(n,), dtype=int64
            0-based starts of the windows.
        probabilities : numpy.ndarray, shape=(n,), dtype=float32

        Returns
        -------
        Hits
            None or more, behind all hits returned before.
        """
        keep = np.flatnonzero(is_positive(probabilities, self._threshold))
        if not keep.size:
            return _NO_HITS
        groups = _group(indices[keep], starts[keep], probabilities[keep])
        if self._open is not None:
            groups = _prepend(self._open, groups)
        if len(groups.start) == 1:
            self._open = groups
            return _NO_HITS
        self._open = _Groups._make(column[-1:] for column in groups)
        return _without_runs(_Groups._make(column[:-1] for column in groups), self._stride)

    @property
    def is_open(self) -> bool:
        """Whether there is an open hit, which :meth:`finish` would return."""
        return self._open is not None

    @property
    def open_bounds(self) -> tuple[int, int]:
        """First base of the open hit, and the base behind its last; both 0 without one."""
        return (0, 0) if self._open is None else (int(self._open.start[0]), int(self._open.end[0]))

    def finish(self) -> Hits:
        """Return the open hit, if there is one; the next windows are those of another chromosome."""
        groups, self._open = self._open, None
        return _NO_HITS if groups is None else _without_runs(groups, self._stride)


def _group(indices: NDArray[np.int64], starts: NDArray[np.int64], probabilities: NDArray[np.float32]) -> _Groups:
    """Group positive windows, at least one, with the windows that overlap them."""
    first = np.flatnonzero(np.diff(starts, prepend=starts[0] - WINDOW_LENGTH) >= WINDOW_LENGTH)
    return _groups_from(first, indices, starts, probabilities)


def best_windows(
    first: NDArray[np.int64],
    indices: NDArray[np.int64],
    starts: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    stride: int,
) -> Hits:
    """Describe groups of windows as hits are described, whatever the windows score and wherever they lie.

    Parameters
    ----------
    first : numpy.ndarray, shape=(n,), dtype=int64
        Row of the first window of each group, ascending. A group ends before the next. None is empty.
    indices, starts, probabilities
        As for :meth:`HitCaller.add`, ascending within each group. Groups may hold the same windows.
    stride : int
        Bases between the starts of consecutive windows.

    Returns
    -------
    Hits
        One per group.
    """
    return _without_runs(_groups_from(first, indices, starts, probabilities), stride)


def _groups_from(
    first: NDArray[np.int64], indices: NDArray[np.int64], starts: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> _Groups:
    """Find the best windows of groups, which begin at the rows ``first``."""
    last = np.append(first[1:], len(starts)) - 1
    # quicker for one group, because reduceat releases the interpreter lock and then waits for it
    alone = len(first) == 1
    best = probabilities.max(keepdims=True) if alone else np.maximum.reduceat(probabilities, first)

    # best windows of each group, and the leftmost run of them
    top = np.flatnonzero(_level(probabilities) == np.repeat(_level(best), last - first + 1))
    run_first = np.searchsorted(top, first)
    breaks = np.flatnonzero(np.diff(indices[top], append=-1) != 1)  # the last window of each run
    run_last = breaks[np.searchsorted(breaks, run_first)]
    return _Groups(
        start=starts[first],
        end=starts[last] + WINDOW_LENGTH,
        best=best,
        run_index=indices[top[run_first]],
        run_start=starts[top[run_first]],
        # a run ends with its group, because windows that abut stay apart
        run_length=np.minimum(run_last, np.append(run_first[1:], len(top)) - 1) - run_first + 1,
    )


def _prepend(one: _Groups, groups: _Groups) -> _Groups:
    """Prepend an earlier group to groups, and join it to the first of them where the two overlap."""
    if groups.start[0] >= one.end[0]:
        return _Groups._make(np.append(one[i], groups[i]) for i in range(len(one)))
    ours, theirs = _level(one.best[0]), _level(groups.best[0])
    groups.start[0] = one.start[0]
    groups.best[0] = max(one.best[0], groups.best[0])
    if ours >= theirs:
        goes_on = ours == theirs and one.run_index[0] + one.run_length[0] == groups.run_index[0]
        groups.run_length[0] = one.run_length[0] + (groups.run_length[0] if goes_on else 0)
        groups.run_index[0], groups.run_start[0] = one.run_index[0], one.run_start[0]
    return groups


def _level(probabilities: Any) -> Any:
    return np.rint(np.asarray(probabilities, dtype=np.float64) * SUMMIT_RESOLUTION)


def _without_runs(groups: _Groups, stride: int) -> Hits:
    """Turn groups into hits. The middle window of a run lies on the grid, because only its last may lie off it."""
    middle = groups.run_start + (groups.run_length - 1) // 2 * stride
    return Hits(groups.start, groups.end, groups.best, middle + WINDOW_LENGTH // 2)


_NONE = np.empty(0, dtype=np.int64)
_NO_HITS = Hits(_NONE, _NONE, np.empty(0, dtype=np.float32), _NONE)
