"""The three networks, as they are trained: windows in, logits out.

Every network is a body that turns 101 bases into a vector, and one :class:`Head` that joins that vector with the
accessibility and the base composition of the window. ``train/graph.py`` writes the same functions as sliding ONNX
graphs; change both together (``tests/train/test_parity.py`` holds them to each other).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jundscan.encoding import ALPHABET, COMPLEMENT, WINDOW_LENGTH
from train.config import NetworkConfig
from train.motifs import motif_filters, placed_filters

ACCESSIBILITY_KNOTS = tuple(1.0 - 0.5**number for number in range(9))
"""The percentile enters the head by how far it is above 0, 1/2, 3/4, ... 255/256: the upper end, where the signal is,
takes as much room as the rest."""
DINUCLEOTIDES = ("AA", "AC", "AG", "AT", "CA", "CC", "CG", "GA", "GC", "TA")
"""Counted together with their reverse complements, which are the other six."""
SIDE_FEATURES = (
    "available",
    *(f"above_{knot:.4g}" for knot in ACCESSIBILITY_KNOTS),
    "C_or_G",
    *DINUCLEOTIDES,
)
"""What the head sees beside the body's vector; see :func:`side_features`."""
KNOTS = (0.95, 0.998)
"""A filter's best score enters the head as it is, and once above each knot; knots start at these quantiles of it."""
KNOT_SLOPES = (1.0, 3.0)
"""What lies above the rarer knot starts steeper."""
FILTER_QUANTUM = 2.0**-16
"""A fitted network's filter weights are multiples of this: sums of them that stay below 128 are then exact in float32,
whatever their order, and every form of a graph finds the same scores to the last bit."""
UNIT_QUANTILE = 0.99
"""Quantile of its scores above which a unit of the MLP starts to answer."""


def one_hot(codes: Tensor) -> Tensor:
    """Expand codes (B, L), uint8, into float channels (B, 4, L); an unknown base is zero in all four."""
    letters = torch.arange(len(ALPHABET), dtype=codes.dtype, device=codes.device)
    return (codes[:, None, :] == letters[:, None]).float()


def reverse_complement(codes: Tensor) -> Tensor:
    """Read the other strand of codes (B, L), uint8."""
    return torch.from_numpy(COMPLEMENT).to(codes.device)[codes.int()].flip(1)


def composition_weights() -> NDArray[np.float32]:
    """Give the base composition of a window as sums over its counts of the 16 dinucleotides.

    Returns
    -------
    numpy.ndarray, shape=(11, 16), dtype=float32
        Rows: C or G (the outermost two bases count half), then :data:`DINUCLEOTIDES`. Columns: first letter times 4
        plus second letter.
    """
    weights = np.zeros((1 + len(DINUCLEOTIDES), len(ALPHABET) ** 2), np.float32)
    for first, letter in enumerate(ALPHABET):
        for second, next_letter in enumerate(ALPHABET):
            column = len(ALPHABET) * first + second
            weights[0, column] = ((letter in "CG") + (next_letter in "CG")) / 2
            other_strand = ALPHABET[-1 - second] + ALPHABET[-1 - first]
            names = {letter + next_letter, other_strand}
            weights[1:, column] = [name in names for name in DINUCLEOTIDES]
    return weights


def composition(codes: Tensor) -> Tensor:
    """Count C or G and the dinucleotides of windows over their 100 steps from base to base: (B, 101) -> (B, 11)."""
    bases = one_hot(codes)
    counts = torch.einsum("bil,bjl->bij", bases[:, :, :-1], bases[:, :, 1:]).flatten(1)
    return counts @ torch.from_numpy(composition_weights()).to(counts).T


def side_features(codes: Tensor, accessibility: Tensor) -> Tensor:
    """Describe a window beside its motifs: accessibility (B,), mapped, NaN = not available, and base composition.

    Returns
    -------
    torch.Tensor, shape=(B, 21), dtype=float32
        In the order of :data:`SIDE_FEATURES`: 1 if a track was there; how far the percentile is above each of the
        :data:`ACCESSIBILITY_KNOTS`, as a share of the way from there to 1; the counts of :func:`composition`.
    """
    missing = torch.isnan(accessibility)
    percentile = torch.where(missing, 0.0, accessibility).clamp(0.0, 1.0)
    knots = torch.tensor(ACCESSIBILITY_KNOTS, device=percentile.device)
    above = torch.relu(percentile[:, None] - knots) / (1.0 - knots)
    return torch.cat([(~missing).float()[:, None], above, composition(codes)], dim=1)


class Head(nn.Module):
    """Dense layers on a body's vector and the side features, to one logit."""

    def __init__(self, body_size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.from_body = nn.Linear(body_size, config.hidden)
        self.from_side = nn.Linear(len(SIDE_FEATURES), config.hidden, bias=False)
        # both are one layer, written as two: the same range at the start
        bound = (body_size + len(SIDE_FEATURES)) ** -0.5
        nn.init.uniform_(self.from_body.weight, -bound, bound)
        nn.init.uniform_(self.from_side.weight, -bound, bound)
        self.between = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(config.head_layers - 1))
        self.last = nn.Linear(config.hidden, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("side_centre", torch.zeros(len(SIDE_FEATURES)))
        self.register_buffer("side_scale", torch.ones(len(SIDE_FEATURES)))

    @torch.no_grad()
    def place(self, codes: Tensor) -> None:
        """Centre and scale the counts of the composition by windows (n, 101)."""
        counts = composition(codes)
        self.side_centre[-counts.shape[1] :] = counts.mean(0)
        self.side_scale[-counts.shape[1] :] = counts.std(0).clamp(min=1.0)

    def forward(self, body: Tensor, side: Tensor) -> Tensor:  # (B, body_size), (B, 21) -> (B,)
        side = (side - self.side_centre) / self.side_scale
        hidden = self.dropout(torch.relu(self.from_body(body) + self.from_side(side)))
        for layer in self.between:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return self.last(hidden).squeeze(1)


class BothStrands(nn.Module):
    """Filters read on both strands: the better strand, and the best of ``pool`` positions.

    The second strand is the first layer's weights with letters complemented and positions reversed, so a window and
    its reverse complement give the same maxima by construction.
    """

    def __init__(self, start: NDArray[np.float32]) -> None:  # (filters, 4, width)
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(start))

    def other_strand(self) -> Tensor:
        """Weights that score the reverse complement: A-T and C-G swapped, positions reversed."""
        return self.weight.flip(1, 2)

    @torch.no_grad()
    def scale_to(self, spread: Tensor) -> None:
        """Divide each filter by the spread of its scores, so that they all count in the same unit."""
        self.weight /= spread.clamp(min=1e-6)[:, None, None]

    @torch.no_grad()
    def round_weights(self) -> None:
        """Round to multiples of :data:`FILTER_QUANTUM`."""
        self.weight.copy_(torch.round(self.weight / FILTER_QUANTUM) * FILTER_QUANTUM)

    def forward(self, bases: Tensor, pool: int) -> Tensor:  # (B, 4, L) -> (B, filters, positions // pool)
        strands = nn.functional.conv1d(bases, torch.cat([self.weight, self.other_strand()]))
        # maxima commute; pooling first leaves less to do
        forward, backward = nn.functional.max_pool1d(strands, pool).chunk(2, dim=1)
        return torch.maximum(forward, backward)


class Knots(nn.Module):
    """A score as a broken line: itself, centred, and how far it is above each of several learned thresholds."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(filters))
        self.slope = nn.Parameter(torch.tensor(KNOT_SLOPES)[:, None].repeat(1, filters))
        self.bias = nn.Parameter(torch.zeros(len(KNOTS), filters))

    @torch.no_grad()
    def place(self, scores: Tensor) -> None:
        """Start at the mean and the quantiles of ``scores`` (windows, filters)."""
        self.centre.copy_(scores.mean(0))
        self.bias.copy_(-self.slope * torch.quantile(scores, torch.tensor(KNOTS, device=scores.device), dim=0))

    def forward(self, scores: Tensor) -> Tensor:  # (B, filters) -> (B, (1 + knots) * filters)
        above = torch.relu(scores[:, None, :] * self.slope + self.bias).flatten(1)
        return torch.cat([scores - self.centre, above], dim=1)


class MLP(nn.Module):
    """404 inputs -> hidden (both strands, the better one) -> hidden and side features -> 1.

    Hidden units start as motifs, each at its own place in the window: from random weights, a thousand bound windows
    teach a dense layer nothing that it has not memorised.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(placed_filters(config.filters, WINDOW_LENGTH, config.filter_width))
        self.bias = nn.Parameter(torch.zeros(config.filters))
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.filters, config)

    def scores(self, codes: Tensor) -> Tensor:
        """Score of every unit on its better strand: (B, 101) -> (B, filters)."""
        return self.first(one_hot(codes), 1).squeeze(2)

    @torch.no_grad()
    def place(self, codes: Tensor) -> None:
        """Scale the units to a spread of 1 over windows (n, 101); each starts above one window in a hundred."""
        self.first.scale_to(self.scores(codes).std(0))
        self.bias.copy_(-torch.quantile(self.scores(codes), UNIT_QUANTILE, dim=0))
        self.head.place(codes)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        body = torch.relu(self.scores(codes) + self.bias)  # (B, filters)
        return self.head(self.dropout(body), side_features(codes, accessibility))


class CNN(nn.Module):
    """Convolution on both strands -> maximum over positions -> knots (ReLU) -> dense with side features -> 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(motif_filters(config.filters, config.filter_width))
        self.knots = Knots(config.filters)
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.filters * (1 + len(KNOTS)), config)

    def best_scores(self, codes: Tensor) -> Tensor:
        """Best score of every filter in every window: (B, 101) -> (B, filters)."""
        return self.first(one_hot(codes), WINDOW_LENGTH - self.config.filter_width + 1).squeeze(2)

    @torch.no_grad()
    def place(self, codes: Tensor) -> None:
        """Scale the filters to a spread of 1 over windows (n, 101), and start the knots at these scores' quantiles."""
        self.first.scale_to(self.best_scores(codes).std(0))
        self.knots.place(self.best_scores(codes))
        self.head.place(codes)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        body = self.knots(self.best_scores(codes))  # (B, (1 + knots) * filters)
        return self.head(self.dropout(body), side_features(codes, accessibility))


class LSTM(nn.Module):
    """Filters -> maxima of ``pool`` positions -> LSTM over these steps, batch first -> last hidden state -> dense."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(motif_filters(config.filters, config.filter_width))
        self.bias = nn.Parameter(torch.zeros(config.filters))
        self.recurrent = nn.LSTM(config.filters, config.state, batch_first=True)
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.state, config)

    @torch.no_grad()
    def place(self, codes: Tensor) -> None:
        """Scale the filters to a spread of 1 over the steps of windows (n, 101), and let them start at their mean."""
        steps = self.first(one_hot(codes), self.config.pool)  # (n, filters, steps)
        self.first.scale_to(steps.std((0, 2)))
        self.bias.copy_(-self.first(one_hot(codes), self.config.pool).mean((0, 2)))
        self.head.place(codes)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        steps = torch.relu(self.first(one_hot(codes), self.config.pool) + self.bias[:, None])  # (B, filters, steps)
        _, (last, _) = self.recurrent(steps.transpose(1, 2))  # (1, B, state)
        return self.head(self.dropout(last[0]), side_features(codes, accessibility))


FAMILIES: dict[str, type[MLP] | type[CNN] | type[LSTM]] = {"mlp": MLP, "cnn": CNN, "lstm": LSTM}


def build_network(config: NetworkConfig) -> MLP | CNN | LSTM:
    """Make an untrained network of the family that ``config`` names."""
    return FAMILIES[config.family](config)
