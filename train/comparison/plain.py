"""Plain networks, fitted as a textbook would: random weights, one strand, batches of 100, no accessibility withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jundscan.dna.letters import WINDOW_LENGTH
from train.comparison.tables import Table, weights_of
from train.networks.features import one_hot

PLAIN_BATCH, SCORE_BATCH = 100, 4096


class PlainMLP(nn.Module):
    """404 inputs -> 256 (ReLU); accessibility joins -> 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4 * WINDOW_LENGTH, 256), nn.Linear(257, 1)

    def forward(self, bases: Tensor, accessibility: Tensor) -> Tensor:
        """Turn (B, 4, 101) and (B, 1) into logits (B,)."""
        hidden = torch.relu(self.first(bases.transpose(1, 2).flatten(1)))
        return self.last(torch.cat([hidden, accessibility], 1)).squeeze(1)


class PlainCNN(nn.Module):
    """8 filters of width 8, dropout, maxima of 16 positions every 4; accessibility joins -> 32 -> 1."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(4, 8, 8), nn.ReLU(), nn.Dropout(0.1), nn.MaxPool1d(16, 4), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(161, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 1))

    def forward(self, bases: Tensor, accessibility: Tensor) -> Tensor:
        """Turn (B, 4, 101) and (B, 1) into logits (B,)."""
        logits: Tensor = self.head(torch.cat([self.body(bases), accessibility], 1)).squeeze(1)
        return logits


class PlainLSTM(nn.Module):
    """LSTM over 101 bases; accessibility joins its last state of 32 -> 32 -> 16 -> 1, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(4, 32, batch_first=True)
        layers = [nn.Linear(33, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Dropout(0.2)]
        self.head = nn.Sequential(*layers, nn.Linear(16, 1))

    def forward(self, bases: Tensor, accessibility: Tensor) -> Tensor:
        """Turn (B, 4, 101) and (B, 1) into logits (B,)."""
        _, (state, _) = self.recurrent(bases.transpose(1, 2))
        logits: Tensor = self.head(torch.cat([state[0], accessibility], 1)).squeeze(1)
        return logits


@dataclass(frozen=True)
class Plain:
    """A network from random weights, batches of 100, every window once an epoch, the last epoch kept.

    Attributes
    ----------
    network : type
    epochs : int
    adam : bool
        Adam at 0.005, else SGD at 0.01.
    seed : int
    """

    network: type[PlainMLP] | type[PlainCNN] | type[PlainLSTM]
    epochs: int
    adam: bool = False
    seed: int = 0

    def __call__(
        self, train: Sequence[Table], test: Sequence[Table], has_accessibility: bool
    ) -> list[NDArray[np.float32]] | None:
        """Fit on all of ``train``; such a network knows no window without accessibility."""
        if not has_accessibility:
            return None
        torch.manual_seed(self.seed)
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
                    continue  # nothing to normalise a batch by
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
