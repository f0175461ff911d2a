"""The three networks, as they are trained: windows in, logits out.

Every network is a body that turns 101 bases into a vector, and one :class:`Head` that joins that vector with the
accessibility and the base composition of the window. ``train/graph.py`` writes the same functions as sliding ONNX
graphs; change both together (``tests/train/test_parity.py`` holds them to each other).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jundscan.encoding import ALPHABET, UNKNOWN, WINDOW_LENGTH
from train.config import NetworkConfig
from train.motifs import motif_filters

TAIL_CLIP = 2.3
"""-log10(1 - percentile) is not taken above this: the most open half per cent of a track are alike."""
PERCENTILE_POWER = 8
SIDE_FEATURES = ("available", "percentile", "percentile_power", "tail", "CG_fraction", "CpG_fraction")
"""What the head sees beside the body's vector; see :func:`side_features`."""
KNOT_SCORES = (0.5, 0.9, 0.99, 0.998)
"""A filter's best score enters the head once above each of several knots, which start at these quantiles of it."""


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
        -log10(1 - percentile), clipped, which open the upper end where the signal is; the fractions of C or G and
        of CpG.
    """
    missing = torch.isnan(accessibility)
    percentile = torch.where(missing, 0.0, accessibility).clamp(0.0, 1.0)
    tail = -torch.log10((1.0 - percentile).clamp(min=10.0**-TAIL_CLIP))
    is_c, is_g = codes == 1, codes == 2
    strong = (is_c | is_g).float().sum(1) / WINDOW_LENGTH
    cpg = (is_c[:, :-1] & is_g[:, 1:]).float().sum(1) / WINDOW_LENGTH
    return torch.stack([(~missing).float(), percentile, percentile**PERCENTILE_POWER, tail, strong, cpg], dim=1)


class Head(nn.Module):
    """Dense layers on a body's vector and the side features, to one logit."""

    def __init__(self, body_size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.from_body = nn.Linear(body_size, config.hidden)
        self.from_side = nn.Linear(len(SIDE_FEATURES), config.hidden, bias=False)
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

    def __init__(self, filters: int, width: int, motifs: bool) -> None:
        super().__init__()
        start = torch.from_numpy(motif_filters(filters, width)) if motifs else None
        self.weight = nn.Parameter(torch.randn(filters, len(ALPHABET), width) / width**0.5 if start is None else start)

    def other_strand(self) -> Tensor:
        """Weights that score the reverse complement: A-T and C-G swapped, positions reversed."""
        return self.weight.flip(1, 2)

    def forward(self, bases: Tensor, pool: int) -> Tensor:  # (B, 4, L) -> (B, filters, positions // pool)
        strands = nn.functional.conv1d(bases, torch.cat([self.weight, self.other_strand()]))
        # maxima commute; pooling first leaves less to do
        forward, backward = nn.functional.max_pool1d(strands, pool).chunk(2, dim=1)
        return torch.maximum(forward, backward)


class Knots(nn.Module):
    """A score as a broken line: how far it is above each of several thresholds (scale and threshold are learned)."""

    def __init__(self, filters: int, scores: Tensor) -> None:  # scores: (windows, filters)
        super().__init__()
        thresholds = torch.quantile(scores, torch.tensor(KNOT_SCORES), dim=0)  # (knots, filters)
        scale = 1.0 / scores.std(0).clamp(min=1e-3)
        self.scale = nn.Parameter(scale.repeat(len(thresholds), 1))
        self.bias = nn.Parameter(-thresholds * scale)

    def forward(self, scores: Tensor) -> Tensor:  # (B, filters) -> (B, knots * filters)
        return torch.relu(scores[:, None, :] * self.scale + self.bias).flatten(1)


class MLP(nn.Module):
    """404 inputs -> hidden (both strands, the better one) -> hidden and side features -> 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(config.filters, WINDOW_LENGTH, motifs=False)  # a dense layer, as a filter
        self.bias = nn.Parameter(torch.zeros(config.filters))
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.filters, config)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        body = torch.relu(self.first(one_hot(codes), 1).squeeze(2) + self.bias)  # (B, filters)
        return self.head(self.dropout(body), side_features(codes, accessibility))


class CNN(nn.Module):
    """Convolution on both strands -> maximum over positions -> knots (ReLU) -> dense with side features -> 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(config.filters, config.filter_width, motifs=True)
        self.knots = Knots(config.filters, self._random_scores())
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.filters * len(KNOT_SCORES), config)

    def best_scores(self, codes: Tensor) -> Tensor:
        """Best score of every filter in every window: (B, 101) -> (B, filters)."""
        return self.first(one_hot(codes), WINDOW_LENGTH - self.config.filter_width + 1).squeeze(2)

    @torch.no_grad()
    def _random_scores(self) -> Tensor:
        return self.best_scores(torch.randint(0, len(ALPHABET), (4096, WINDOW_LENGTH), dtype=torch.uint8))

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        body = self.knots(self.best_scores(codes))  # (B, knots * filters)
        return self.head(self.dropout(body), side_features(codes, accessibility))


class LSTM(nn.Module):
    """Filters -> maxima of ``pool`` positions -> LSTM over these steps, batch first -> last hidden state -> dense."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(config.filters, config.filter_width, motifs=True)
        self.bias = nn.Parameter(torch.zeros(config.filters))
        self.recurrent = nn.LSTM(config.filters, config.state, batch_first=True)
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.state, config)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        steps = torch.relu(self.first(one_hot(codes), self.config.pool) + self.bias[:, None])  # (B, filters, steps)
        _, (last, _) = self.recurrent(steps.transpose(1, 2))  # (1, B, state)
        return self.head(self.dropout(last[0]), side_features(codes, accessibility))


FAMILIES: dict[str, type[MLP] | type[CNN] | type[LSTM]] = {"mlp": MLP, "cnn": CNN, "lstm": LSTM}


def build_network(config: NetworkConfig) -> MLP | CNN | LSTM:
    """Make an untrained network of the family that ``config`` names."""
    return FAMILIES[config.family](config)
