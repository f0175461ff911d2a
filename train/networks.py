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

TAIL_FLOOR = 1e-4
"""1 - percentile is not taken below this (the top ten-thousandth of a track), so that its logarithm stays bounded."""
SIDE_FEATURES = ("available", "open", "percentile", "tail", "CG_fraction", "CpG_fraction")
"""What the head sees beside the body's vector; see :func:`side_features`."""


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
        In the order of :data:`SIDE_FEATURES`: 1 if a track was there; 1 if the percentile is above 0; the percentile;
        -log10(1 - percentile) / 4, which opens the upper tail where the signal is; the fractions of C or G and of CpG.
    """
    missing = torch.isnan(accessibility)
    percentile = torch.where(missing, 0.0, accessibility).clamp(0.0, 1.0)
    tail = -torch.log10((1.0 - percentile).clamp(min=TAIL_FLOOR)) / 4.0
    is_c, is_g = codes == 1, codes == 2
    strong = (is_c | is_g).float().sum(1) / WINDOW_LENGTH
    cpg = (is_c[:, :-1] & is_g[:, 1:]).float().sum(1) / WINDOW_LENGTH
    return torch.stack([(~missing).float(), (percentile > 0).float(), percentile, tail, strong, cpg], dim=1)


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
    """Filters read on both strands: the better strand and the best of ``pool`` positions, then bias and ReLU.

    The second strand is the first layer's weights with letters complemented and positions reversed, so a window and
    its reverse complement give the same maxima by construction.
    """

    def __init__(self, filters: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(filters, len(ALPHABET), width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(filters))

    def other_strand(self) -> Tensor:
        """Weights that score the reverse complement: A-T and C-G swapped, positions reversed."""
        return self.weight.flip(1, 2)

    def forward(self, bases: Tensor, pool: int) -> Tensor:  # (B, 4, L) -> (B, filters, positions // pool)
        strands = nn.functional.conv1d(bases, torch.cat([self.weight, self.other_strand()]))
        # maxima commute with one another and with what rises; pooling first leaves less to do
        forward, backward = nn.functional.max_pool1d(strands, pool).chunk(2, dim=1)
        return torch.relu(torch.maximum(forward, backward) + self.bias[:, None])


class MLP(nn.Module):
    """404 inputs -> hidden (both strands, the better one) -> hidden and side features -> 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(config.filters, WINDOW_LENGTH)  # a dense layer over the window, as a filter
        self.dropout = nn.Dropout(config.dropout)
        self.head = Head(config.filters, config)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        body = self.first(one_hot(codes), 1).squeeze(2)  # (B, filters)
        return self.head(self.dropout(body), side_features(codes, accessibility))


class CNN(nn.Module):
    """Convolution on both strands -> ReLU -> maximum over positions -> dropout -> dense with side features."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(config.filters, config.filter_width)
        self.dropout = nn.Dropout(config.body_dropout)
        self.head = Head(config.filters, config)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        positions = WINDOW_LENGTH - self.config.filter_width + 1
        body = self.first(one_hot(codes), positions).squeeze(2)  # (B, filters)
        return self.head(self.dropout(body), side_features(codes, accessibility))


class LSTM(nn.Module):
    """Filters -> maxima of ``pool`` positions -> LSTM over these steps, batch first -> last hidden state -> dense."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(config.filters, config.filter_width)
        self.recurrent = nn.LSTM(config.filters, config.state, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.head = Head(config.state, config)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        steps = self.first(one_hot(codes), self.config.pool).transpose(1, 2)  # (B, steps, filters)
        _, (last, _) = self.recurrent(steps)  # (1, B, state)
        return self.head(self.dropout(last[0]), side_features(codes, accessibility))


FAMILIES: dict[str, type[MLP] | type[CNN] | type[LSTM]] = {"mlp": MLP, "cnn": CNN, "lstm": LSTM}


def build_network(config: NetworkConfig) -> MLP | CNN | LSTM:
    """Make an untrained network of the family that ``config`` names."""
    return FAMILIES[config.family](config)
