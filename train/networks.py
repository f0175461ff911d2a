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

from jundscan.encoding import ALPHABET, UNKNOWN, WINDOW_LENGTH
from train.config import NetworkConfig
from train.motifs import motif_filters, placed_filters

TAIL_CLIP = 2.6
"""-log10(1 - percentile) is not taken above this: the most open quarter of a per cent of a track are alike."""
PERCENTILE_POWER = 8
SIDE_FEATURES = ("available", "percentile", "percentile_power", "tail", "CG_count", "CpG_count")
"""What the head sees beside the body's vector; see :func:`side_features`."""
COMPOSITION_CENTRE = (46.0, 2.0)
COMPOSITION_SCALE = (10.0, 2.0)
"""About the mean and spread of the two counts in a window, so that the head sees numbers around 0 and 1."""
KNOTS = (0.9, 0.99, 0.998)
"""A filter's best score enters the head as it is, and once above each knot; knots start at these quantiles of it."""
KNOT_SLOPES = (1.0, 2.0, 2.0)
"""What lies above the rarer knots starts steeper."""


def one_hot(codes: Tensor) -> Tensor:
    """Expand codes (B, L), uint8, into float channels (B, 4, L); an unknown base is zero in all four."""
    letters = torch.arange(len(ALPHABET), dtype=codes.dtype, device=codes.device)
    return (codes[:, None, :] == letters[:, None]).float()


def reverse_complement(codes: Tensor) -> Tensor:
    """Read the other strand of codes (B, L), uint8 (the tensor form of ``jundscan.encoding``)."""
    return torch.where(codes == UNKNOWN, codes, len(ALPHABET) - 1 - codes).flip(1)


def side_features(codes: Tensor, accessibility: Tensor) -> Tensor:
    """Describe a window beside its motifs: accessibility (B,), mapped, NaN = not available, and base composition.

    Returns
    -------
    torch.Tensor, shape=(B, 6), dtype=float32
        In the order of :data:`SIDE_FEATURES`: 1 if a track was there; the percentile; its 8th power and
        -log10(1 - percentile), clipped, which open the upper end where the signal is; C or G (the outermost two bases
        count half) and CpG over the window's 100 steps from base to base, centred and scaled.
    """
    missing = torch.isnan(accessibility)
    percentile = torch.where(missing, 0.0, accessibility).clamp(0.0, 1.0)
    tail = -torch.log10((1.0 - percentile).clamp(min=10.0**-TAIL_CLIP))
    is_c, is_g = codes == 1, codes == 2
    strong = (is_c | is_g).float()
    counts = (strong[:, :-1] + strong[:, 1:]).sum(1) / 2, (is_c[:, :-1] & is_g[:, 1:]).float().sum(1)
    composition = (
        (count - centre) / scale
        for count, centre, scale in zip(counts, COMPOSITION_CENTRE, COMPOSITION_SCALE, strict=True)
    )
    return torch.stack([(~missing).float(), percentile, percentile**PERCENTILE_POWER, tail, *composition], dim=1)


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

    def forward(self, body: Tensor, side: Tensor) -> Tensor:  # (B, body_size), (B, 6) -> (B,)
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
        self.bias.copy_(-torch.quantile(self.scores(codes), KNOTS[1], dim=0))

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

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        body = self.knots(self.best_scores(codes))  # (B, knots * filters)
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

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        steps = torch.relu(self.first(one_hot(codes), self.config.pool) + self.bias[:, None])  # (B, filters, steps)
        _, (last, _) = self.recurrent(steps.transpose(1, 2))  # (1, B, state)
        return self.head(self.dropout(last[0]), side_features(codes, accessibility))


FAMILIES: dict[str, type[MLP] | type[CNN] | type[LSTM]] = {"mlp": MLP, "cnn": CNN, "lstm": LSTM}


def build_network(config: NetworkConfig) -> MLP | CNN | LSTM:
    """Make an untrained network of the family that ``config`` names."""
    return FAMILIES[config.family](config)
