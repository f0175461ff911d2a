"""Windows of one cell type as baselines take them: with the scores of motifs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.data.dataset import Windows


@dataclass(frozen=True)
class Table:
    """Windows of one cell type with their motif scores.

    Attributes
    ----------
    windows : Windows
    scores : numpy.ndarray, shape=(N, motifs), dtype=float32
        In the order of :data:`train.comparison.baselines.MOTIFS`.
    around : numpy.ndarray, shape=(N, n), dtype=float32, or None
        What :func:`train.comparison.baselines.around_features` finds beside the windows.
    """

    windows: Windows
    scores: NDArray[np.float32]
    around: NDArray[np.float32] | None = None

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Table:
        """Choose windows."""
        around = None if self.around is None else self.around[rows]
        return Table(self.windows.take(rows), self.scores[rows], around)


def weights_of(tables: Sequence[Table]) -> NDArray[np.float64]:
    """Weigh every cell type alike, mean 1."""
    return np.concatenate([table.windows.weights / table.windows.weights.mean() for table in tables])
