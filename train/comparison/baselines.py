"""Baselines for the networks: accessibility, motif scores, and plain networks fitted as a textbook would.

A baseline is fitted on a list of tables, one per cell type, and scores other tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from train.data.dataset import Windows
from train.fitting.inputs import score_windows
from train.graphs.build import build_best_scores
from train.networks.features import one_hot
from train.networks.motifs import fetch_motifs, log_odds

JUND, AP1 = "MA0491", "MA0099"
BASELINE_MOTIFS = (
    *(JUND, "MA0492", "MA0488", "MA0489", "MA0490", "MA1140", "MA0476", "MA1951", "MA1126", AP1, "MA1134"),
    *("MA1141", "MA0018", "MA1632", "MA0605", "MA0834", "MA0102", "MA0466", "MA0114", "MA1494", "MA0148", "MA0047"),
    *("MA0046", "MA1929", "MA1930", "MA0139", "MA0079", "MA0060", "MA0506", "MA0095", "MA0093", "MA0496", "MA0841"),
    *("MA1633", "MA0090", "MA0473", "MA0062", "MA0833", "MA0656", "MA0655", "MA1634", "MA0679", "MA0794", "MA1111"),
    *("MA0106", "MA0592", "MA0844", "MA0527", "MA0024", "MA1107", "MA0088", "MA0692", "MA0147", "MA1636", "MA0838"),
    *("MA1470", "MA1101", "MA0477", "MA0478", "MA1131", "MA1130", "MA1142", "MA1143", "MA0043", "MA0639", "MA0025"),
)
"""JASPAR matrices of AP-1, CREB, C/EBP and factors active in HepG2 and K562, each in its latest version."""
RANGES = (50, 150, 400)
"""Bases to each side of a window. None is above :data:`train.config.FLANK`."""
SCORE_BATCH = 4096
PLAIN_BATCH = 100


@dataclass(frozen=True)
class Table:
    """Windows of one cell type with their motif scores.

    Attributes
    ----------
    windows : Windows
    scores : numpy.ndarray, shape=(N, motifs), dtype=float32
        In the order of :data:`BASELINE_MOTIFS`.
    neighbourhood : numpy.ndarray, shape=(N, n), dtype=float32, or None
        From :func:`neighbourhood_features`.
    """

    windows: Windows
    scores: NDArray[np.float32]
    neighbourhood: NDArray[np.float32] | None = None

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Table:
        """Return the windows of ``rows``."""
        neighbourhood = None if self.neighbourhood is None else self.neighbourhood[rows]
        return Table(self.windows.take(rows), self.scores[rows], neighbourhood)


def weights_of(tables: Sequence[Table]) -> NDArray[np.float64]:
    """Return the windows' weights, scaled to mean 1 in every cell type."""
    return np.concatenate([table.windows.weights / table.windows.weights.mean() for table in tables])


class Baseline(Protocol):
    """Fits on tables and scores others."""

    def __call__(
        self, train: Sequence[Table], test: Sequence[Table], has_accessibility: bool
    ) -> list[NDArray[np.float32]] | None:
        """Fit on ``train`` and return probabilities (N,) for every table of ``test``.

        Return None when the baseline needs accessibility and has none.
        """


def best_scores(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the best log-odds score of every motif in every window, on either strand.

    Parameters
    ----------
    codes : numpy.ndarray, shape=(N, 101), dtype=uint8

    Returns
    -------
    numpy.ndarray, shape=(N, motifs), dtype=float32
        In the order of :data:`BASELINE_MOTIFS`.
    """
    filters = [log_odds(matrix, len(matrix)) for matrix in fetch_motifs(BASELINE_MOTIFS).values()]
    widths = np.array([one.shape[1] for one in filters])
    scores = np.empty((len(codes), len(filters)), np.float32)
    for width in np.unique(widths):
        columns = np.flatnonzero(widths == width)
        forward = np.stack([filters[column] for column in columns])
        graph = build_best_scores(np.concatenate([forward, forward[:, ::-1, ::-1]]))
        scores[:, columns] = score_windows(graph, codes)
    return scores


def neighbourhood_features(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute the neighbourhood features of gradient boosting: motif scores and counts over ever wider ranges.

    Parameters
    ----------
    codes : numpy.ndarray, shape=(N, 101 + 2 * flank), dtype=uint8

    Returns
    -------
    numpy.ndarray, shape=(N, (motifs + 3) * ranges), dtype=float32
        For each of :data:`RANGES`: every motif's best score, then counts of C or G, of CpG, and of known letters.
    """
    flank = (codes.shape[1] - WINDOW_LENGTH) // 2
    parts = []
    for reach in RANGES:
        within = codes[:, flank - reach : codes.shape[1] - flank + reach]
        known = (within < UNKNOWN).sum(1, keepdims=True).astype(np.float32)
        parts += [best_scores(np.ascontiguousarray(within)), composition(within), known]
    return np.concatenate(parts, axis=1)


def composition(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Count C or G, and CpG, in windows: (N, 2)."""
    is_c, is_g = codes == 1, codes == 2
    return np.stack([(is_c | is_g).sum(1), (is_c[:, :-1] & is_g[:, 1:]).sum(1)], axis=1).astype(np.float32)


def _columns(table: Table, model: Tabular, has_accessibility: bool) -> NDArray[Any]:
    parts = [table.scores[:, [BASELINE_MOTIFS.index(motif) for motif in model.motifs]]]
    windows = table.windows
    if model.has_composition:
        parts.append(composition(windows.codes))
    if has_accessibility:
        parts.append(np.nan_to_num(windows.accessibility)[:, None])
    if model.has_neighbourhood:
        assert table.neighbourhood is not None
        parts.append(table.neighbourhood)
        if has_accessibility and windows.neighbourhood is not None:
            parts.append(np.nan_to_num(windows.neighbourhood.accessibility[:, 1:]))
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Tabular:
    """Logistic regression or gradient boosting on the best scores of motifs.

    Attributes
    ----------
    motifs : tuple of str
        Some of :data:`BASELINE_MOTIFS`.
    has_composition : bool
        Whether counts of C or G and of CpG are features too.
    boosted : bool
        Gradient boosting instead of logistic regression.
    has_neighbourhood : bool
        Whether the neighbourhood and accessibility at wider widths are features too.
    trees : int
        Trees of gradient boosting.
    """

    motifs: tuple[str, ...] = ()
    has_composition: bool = False
    boosted: bool = False
    has_neighbourhood: bool = False
    trees: int = 200

    def _estimator(self) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.boosted:
            return HistGradientBoostingClassifier(
                max_iter=self.trees, max_leaf_nodes=8, learning_rate=0.1, early_stopping=False, random_state=0
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


class PlainMLP(nn.Module):
    """404 inputs -> 256 (ReLU) and accessibility -> 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4 * WINDOW_LENGTH, 256), nn.Linear(257, 1)

    def forward(self, bases: Tensor, accessibility: Tensor) -> Tensor:
        """Map (B, 4, 101) and (B, 1) to logits (B,)."""
        hidden = torch.relu(self.first(bases.transpose(1, 2).flatten(1)))
        return self.last(torch.cat([hidden, accessibility], 1)).squeeze(1)


class PlainCNN(nn.Module):
    """8 filters of width 8 -> dropout -> maxima of 16 positions every 4, and accessibility -> 32 -> 1."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(4, 8, 8), nn.ReLU(), nn.Dropout(0.1), nn.MaxPool1d(16, 4), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(161, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 1))

    def forward(self, bases: Tensor, accessibility: Tensor) -> Tensor:
        """Map (B, 4, 101) and (B, 1) to logits (B,)."""
        logits: Tensor = self.head(torch.cat([self.body(bases), accessibility], 1)).squeeze(1)
        return logits


class PlainLSTM(nn.Module):
    """LSTM over 101 bases -> its last state of 32, and accessibility -> 32 -> 16 -> 1, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(4, 32, batch_first=True)
        layers = [nn.Linear(33, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Dropout(0.2)]
        self.head = nn.Sequential(*layers, nn.Linear(16, 1))

    def forward(self, bases: Tensor, accessibility: Tensor) -> Tensor:
        """Map (B, 4, 101) and (B, 1) to logits (B,)."""
        _, (state, _) = self.recurrent(bases.transpose(1, 2))
        logits: Tensor = self.head(torch.cat([state[0], accessibility], 1)).squeeze(1)
        return logits


@dataclass(frozen=True)
class Plain:
    """A plain network from random weights: one strand, batches of 100, every window once per epoch, last epoch kept.

    Attributes
    ----------
    network : type
    epochs : int
    adam : bool
        Adam at rate 0.005, else SGD at 0.01.
    """

    network: type[PlainMLP] | type[PlainCNN] | type[PlainLSTM]
    epochs: int
    adam: bool = False

    def __call__(
        self, train: Sequence[Table], test: Sequence[Table], has_accessibility: bool
    ) -> list[NDArray[np.float32]] | None:
        """Fit on all of ``train``. Plain networks need accessibility."""
        if not has_accessibility:
            return None
        torch.manual_seed(0)
        network = self.network()
        parameters = network.parameters()
        optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(parameters, 0.005) if self.adam else torch.optim.SGD(parameters, 0.01)
        )
        codes, accessibility = (torch.cat(column) for column in zip(*map(_inputs, train), strict=True))
        labels = torch.cat([torch.from_numpy(table.windows.labels).float() for table in train])
        weights = torch.from_numpy(weights_of(train)).float()
        for _ in range(self.epochs):
            for rows in torch.randperm(len(labels)).split(PLAIN_BATCH):
                if len(rows) < 2:
                    continue  # batch normalisation needs two windows
                logits = network(one_hot(codes[rows]), accessibility[rows])
                loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[rows], weights[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
        network.eval()
        with torch.no_grad():
            return [
                torch.cat([torch.sigmoid(network(one_hot(c), a)) for c, a in _batches(table)]).numpy() for table in test
            ]


def _inputs(table: Table) -> tuple[Tensor, Tensor]:
    accessibility = torch.from_numpy(np.nan_to_num(table.windows.accessibility))[:, None]
    return torch.from_numpy(table.windows.codes), accessibility


def _batches(table: Table) -> list[tuple[Tensor, Tensor]]:
    codes, accessibility = _inputs(table)
    return list(zip(codes.split(SCORE_BATCH), accessibility.split(SCORE_BATCH), strict=True))


BOOSTED, BOOSTED_NEIGHBOURHOOD = "boosted_motifs", "boosted_surroundings"
BASELINES: dict[str, tuple[str, Baseline]] = {
    "accessibility": ("accessibility alone", Tabular()),
    "jund_motif": ("JUND motif (MA0491)", Tabular((JUND,))),
    "ap1_motif": ("AP-1 motif (FOS::JUN, MA0099)", Tabular((AP1,))),
    "logistic_motifs": (f"logistic regression, {len(BASELINE_MOTIFS)} motifs", Tabular(BASELINE_MOTIFS, True)),
    BOOSTED: (f"gradient boosting, {len(BASELINE_MOTIFS)} motifs", Tabular(BASELINE_MOTIFS, True, True)),
    BOOSTED_NEIGHBOURHOOD: (
        f"gradient boosting, {len(BASELINE_MOTIFS)} motifs, with the same neighbourhood",
        Tabular(BASELINE_MOTIFS, True, True, True),
    ),
    "plain_mlp": ("plain MLP: 256 units", Plain(PlainMLP, 20, adam=True)),
    "plain_cnn": ("plain CNN: 8 filters, one strand", Plain(PlainCNN, 20)),
    "plain_lstm": ("plain LSTM: 32 units", Plain(PlainLSTM, 15)),
}
"""Label in the model card and baseline, by name. Each also uses accessibility."""


def baseline_out_of_fold(
    baseline: Baseline, tables: Sequence[Table], fold: NDArray[np.int64], has_accessibility: bool
) -> list[NDArray[np.float32]] | None:
    """Fit with each fold held out and predict it: (N,) for each table. None when the baseline needs accessibility."""
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
