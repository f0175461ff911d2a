"""What the networks have to beat: accessibility, motif scores, and plain networks fitted as a textbook would.

Every baseline is fitted on a list of tables, one a cell type, all together, and scores tables that it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from train.comparison.plain import Plain, PlainCNN, PlainLSTM, PlainMLP
from train.comparison.tables import Table, weights_of
from train.networks.features import one_hot
from train.networks.motifs import fetch_motifs, log_odds

JUND, AP1 = "MA0491", "MA0099"
MOTIFS = (
    *(JUND, "MA0492", "MA0488", "MA0489", "MA0490", "MA1140", "MA0476", "MA1951", "MA1126", AP1, "MA1134"),
    *("MA1141", "MA0018", "MA1632", "MA0605", "MA0834", "MA0102", "MA0466", "MA0114", "MA1494", "MA0148", "MA0047"),
    *("MA0046", "MA1929", "MA1930", "MA0139", "MA0079", "MA0060", "MA0506", "MA0095", "MA0093", "MA0496", "MA0841"),
    *("MA1633", "MA0090", "MA0473", "MA0062", "MA0833", "MA0656", "MA0655", "MA1634", "MA0679", "MA0794", "MA1111"),
    *("MA0106", "MA0592", "MA0844", "MA0527", "MA0024", "MA1107", "MA0088", "MA0692", "MA0147", "MA1636", "MA0838"),
    *("MA1470", "MA1101", "MA0477", "MA0478", "MA1131", "MA1130", "MA1142", "MA1143", "MA0043", "MA0639", "MA0025"),
)
"""JASPAR matrices of AP-1, CREB, C/EBP and factors active in HepG2 and K562, the latest version of each."""
AROUND = (50, 150, 400)
"""Bases to each side of a window; not above what training looks up."""
SCORE_BATCH = 4096
TREES, LEAVES, TREE_RATE = 200, 8, 0.1


class Baseline(Protocol):
    """Fits on tables and scores others."""

    def __call__(
        self, train: Sequence[Table], test: Sequence[Table], has_accessibility: bool
    ) -> list[NDArray[np.float32]] | None:
        """Give the probabilities (N,) of every table of ``test``; None where it cannot do without accessibility."""


@torch.no_grad()
def best_scores(codes: NDArray[np.uint8], motifs: Sequence[str] = MOTIFS) -> NDArray[np.float32]:
    """Find every motif's best log-odds score in every window, on either strand.

    Parameters
    ----------
    codes : numpy.ndarray, shape=(N, 101), dtype=uint8
    motifs : sequence of str
        JASPAR identifiers, with or without a version.

    Returns
    -------
    numpy.ndarray, shape=(N, motifs), dtype=float32
    """
    filters = [log_odds(matrix, len(matrix)) for matrix in fetch_motifs(tuple(motifs)).values()]
    widths = np.array([one.shape[1] for one in filters])
    scores = np.empty((len(codes), len(filters)), np.float32)
    for first in range(0, len(codes), SCORE_BATCH):
        rows = slice(first, first + SCORE_BATCH)
        bases = one_hot(torch.from_numpy(codes[rows]))
        for width in np.unique(widths):
            columns = np.flatnonzero(widths == width)
            weight = torch.from_numpy(np.stack([filters[column] for column in columns]))
            strands = nn.functional.conv1d(bases, torch.cat([weight, weight.flip(1, 2)])).amax(2)
            scores[rows, columns] = torch.maximum(*strands.chunk(2, dim=1)).numpy()
    return scores


def around_features(codes: NDArray[np.uint8], motifs: Sequence[str] = MOTIFS) -> NDArray[np.float32]:
    """Score motifs and count bases over ever wider ranges beside windows, as boosting sees a neighbourhood.

    Parameters
    ----------
    codes : numpy.ndarray, shape=(N, 101 + 2 * flank), dtype=uint8
    motifs : sequence of str
        JASPAR identifiers, with or without a version.

    Returns
    -------
    numpy.ndarray, shape=(N, (motifs + 3) * ranges), dtype=float32
        Range by range of :data:`AROUND`: every motif's best score; C or G, CpG, and known letters.
    """
    flank = (codes.shape[1] - WINDOW_LENGTH) // 2
    parts = []
    for reach in AROUND:
        within = codes[:, flank - reach : codes.shape[1] - flank + reach]
        known = (within < UNKNOWN).sum(1, keepdims=True).astype(np.float32)
        parts += [best_scores(np.ascontiguousarray(within), motifs), composition(within), known]
    return np.concatenate(parts, axis=1)


def composition(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Count C or G, and CpG, in windows: (N, 2)."""
    is_c, is_g = codes == 1, codes == 2
    return np.stack([(is_c | is_g).sum(1), (is_c[:, :-1] & is_g[:, 1:]).sum(1)], axis=1).astype(np.float32)


def _columns(table: Table, model: Tabular, has_accessibility: bool) -> NDArray[Any]:
    parts = [table.scores[:, [MOTIFS.index(motif) for motif in model.motifs]]]
    windows = table.windows
    if model.has_composition:
        parts.append(composition(windows.codes))
    if has_accessibility:
        parts.append(np.nan_to_num(windows.accessibility)[:, None])
    if model.has_around:
        assert table.around is not None
        parts.append(table.around)
        if has_accessibility and windows.around is not None:
            parts.append(np.nan_to_num(windows.around.accessibility[:, 1:]))
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Tabular:
    """Logistic regression or gradient boosting on the best scores of motifs.

    Attributes
    ----------
    motifs : tuple of str
        Of :data:`MOTIFS`.
    has_composition : bool
        C+G and CpG beside the scores.
    boosted : bool
        Trees instead of logistic regression.
    has_around : bool
        What lies beside a window, and wider accessibility, too.
    """

    motifs: tuple[str, ...] = ()
    has_composition: bool = False
    boosted: bool = False
    has_around: bool = False

    def _estimator(self) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.boosted:
            return HistGradientBoostingClassifier(
                max_iter=TREES, max_leaf_nodes=LEAVES, learning_rate=TREE_RATE, early_stopping=False, random_state=0
            )
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-3))

    def __call__(
        self, train: Sequence[Table], test: Sequence[Table], has_accessibility: bool
    ) -> list[NDArray[np.float32]] | None:
        """Fit on all of ``train``; see :class:`Baseline`."""
        if not (self.motifs or self.has_composition or has_accessibility):
            return None
        estimator = self._estimator()

        def columns(table: Table) -> NDArray[Any]:
            return _columns(table, self, has_accessibility)

        names = {} if self.boosted else {"logisticregression__sample_weight": weights_of(train)}
        estimator.fit(
            np.concatenate([columns(table) for table in train]),
            np.concatenate([table.windows.labels for table in train]),
            **(names or {"sample_weight": weights_of(train)}),
        )
        return [estimator.predict_proba(columns(table))[:, 1].astype(np.float32) for table in test]


BOOSTED, BOOSTED_AROUND = "boosted_motifs", "boosted_surroundings"
BASELINES: dict[str, tuple[str, Baseline]] = {
    "accessibility": ("accessibility alone", Tabular()),
    "jund_motif": ("JUND motif (MA0491)", Tabular((JUND,))),
    "ap1_motif": ("AP-1 motif (FOS::JUN, MA0099)", Tabular((AP1,))),
    "logistic_motifs": (f"logistic regression, {len(MOTIFS)} motifs", Tabular(MOTIFS, True)),
    BOOSTED: (f"gradient boosting, {len(MOTIFS)} motifs", Tabular(MOTIFS, True, True)),
    BOOSTED_AROUND: (
        f"gradient boosting, {len(MOTIFS)} motifs, with the same neighbourhood",
        Tabular(MOTIFS, True, True, True),
    ),
    "plain_mlp": ("plain MLP: 256 units", Plain(PlainMLP, 20, adam=True)),
    "plain_cnn": ("plain CNN: 8 filters, one strand", Plain(PlainCNN, 20)),
    "plain_lstm": ("plain LSTM: 32 units", Plain(PlainLSTM, 15)),
}
"""By name: what the report calls it, and how it is fitted. Each also joins accessibility to what it is named after."""


def out_of_fold(
    baseline: Baseline, tables: Sequence[Table], fold: NDArray[np.int64], has_accessibility: bool
) -> list[NDArray[np.float32]] | None:
    """Fit with each fold held out and predict it: (N,) for each table, None where the baseline cannot."""
    pooled = [np.full(len(fold), np.nan, np.float32) for _ in tables]
    for number in range(int(fold.max()) + 1):
        held_out = np.flatnonzero(fold == number)
        results = baseline(
            [table.take(fold != number) for table in tables],
            [table.take(held_out) for table in tables],
            has_accessibility,
        )
        if results is None:
            return None
        for whole, part in zip(pooled, results, strict=True):
            whole[held_out] = part
    return pooled
