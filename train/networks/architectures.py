"""The MLP, the CNN and the LSTM in PyTorch: windows in, logits out.

Every network has a body, which turns a window and perhaps its flanks into a vector, and a :class:`Head`, which joins
that vector with accessibility and base composition. ``train/graphs/build.py`` writes the same functions as ONNX graphs.
Change both together: ``tests/train/test_parity.py`` compares them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from train.config import Motifs, NetworkConfig
from train.networks.features import (
    ACCESSIBILITY_FEATURES,
    COMPOSITION,
    SURROUNDINGS,
    accessibility_features,
    composition_features,
    dinucleotide_counts,
    one_hot,
    window_bases,
)
from train.networks.motifs import motif_filters, place_motifs

KNOTS = (0.02, 0.95, 0.998)
"""Quantiles of a filter's best score at which its knots start. The head sees how far the score is above each knot. The
lowest knot lies below nearly all scores of known bases, but above the score of unknown letters."""
KNOT_SLOPES = (1.0, 1.0, 3.0)
"""Initial slope above each knot. The highest is steeper, because few windows reach it."""
FILTER_QUANTUM = 2.0**-16
"""Filter weights are rounded to multiples of this. Sums below 128 are then exact in float32 in any order, so every
branch of a graph finds the same scores to the last bit."""
UNIT_QUANTILE = 0.99
"""Quantile of a unit's scores above which a unit of the MLP is active at the start."""


class Head(nn.Module):
    """Dense layers from a body's vector, accessibility and base composition to one logit."""

    def __init__(self, body_size: int, config: NetworkConfig) -> None:
        super().__init__()
        accessibility = len(ACCESSIBILITY_FEATURES) * len(config.accessibility_widths)
        counts = len(COMPOSITION) + len(SURROUNDINGS) * len(config.composition_ranges)
        self.from_body = nn.Linear(body_size, config.hidden)
        self.from_side = nn.Linear(accessibility + counts, config.hidden, bias=False)
        # these are one layer written as two, so both start in the same range
        bound = (body_size + accessibility + counts) ** -0.5
        nn.init.uniform_(self.from_body.weight, -bound, bound)
        nn.init.uniform_(self.from_side.weight, -bound, bound)
        self.between = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(config.head_layers - 1))
        self.last = nn.Linear(config.hidden, 1)
        self.input_dropout = nn.Dropout(config.body_dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("known_share", torch.zeros(counts))
        self.register_buffer("side_centre", torch.zeros(accessibility + counts))
        self.register_buffer("side_scale", torch.ones(accessibility + counts))

    @torch.no_grad()
    def set_scales(self, counts: Tensor) -> None:
        """Set centre and scale of the composition from counts of dinucleotides in windows, (n, 1 + ranges, 16).

        Counts of a wider range are relative to the count expected from its known letters, so that unknown letters have
        no effect. The known letters themselves are a fraction of the range.
        """
        composition = composition_features(counts)
        first, step = len(COMPOSITION), len(SURROUNDINGS)
        for number in range(first, composition.shape[1], step):
            known = composition[:, number + step - 1].sum()
            self.known_share[number : number + step - 1] = composition[:, number : number + step - 1].sum(0) / known
        values = self._relative(composition)
        start = len(self.side_centre) - values.shape[1]
        self.side_centre[start:] = values.mean(0)
        self.side_scale[start:] = values.std(0).clamp(min=1.0)
        for number in range(first + step - 1, values.shape[1], step):  # known letters: 0 when all are, -1 when none
            whole = values[:, number].max()
            self.side_centre[start + number] = self.side_scale[start + number] = whole

    def _relative(self, composition: Tensor) -> Tensor:
        """Subtract from each count of a wider range the count expected from its known letters."""
        first, step = len(COMPOSITION), len(SURROUNDINGS)
        known = composition[:, first:].reshape(len(composition), -1, step)[:, :, -1:].expand(-1, -1, step).flatten(1)
        return composition - torch.cat([torch.zeros_like(composition[:, :first]), known], dim=1) * self.known_share

    def forward(self, body: Tensor, accessibility: Tensor, counts: Tensor) -> Tensor:
        """Map (B, body_size), (B, widths) and (B, 1 + ranges, 16) to logits (B,)."""
        composition = self._relative(composition_features(counts))
        side = torch.cat([accessibility_features(accessibility), composition], dim=1)
        side = (side - self.side_centre) / self.side_scale
        hidden = self.from_body(self.input_dropout(body)) + self.from_side(self.input_dropout(side))
        hidden = self.dropout(torch.relu(hidden))
        for layer in self.between:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return self.last(hidden).squeeze(1)


class BothStrands(nn.Module):
    """Filters on both strands, with the maximum over strands and over ``pool`` positions.

    The other strand's filters have letters complemented and positions reversed, so a window and its reverse complement
    have the same maxima. At each position the filter's worst letter scores 0 and the others more, so an unknown letter
    counts as the worst and never raises a score.
    """

    def __init__(self, start: NDArray[np.float32]) -> None:  # (filters, 4, width)
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(start))

    def strands(self) -> Tensor:
        """Return weights above each position's worst letter: forward strand, then backward, (2 filters, 4, width)."""
        above = self.weight - self.weight.amin(dim=1, keepdim=True)
        return torch.cat([above, above.flip(1, 2)])

    @torch.no_grad()
    def scale_to(self, spread: Tensor) -> None:
        """Divide each filter by the standard deviation of its scores, so that all have the same unit."""
        self.weight /= spread.clamp(min=1e-6)[:, None, None]

    @torch.no_grad()
    def round_weights(self) -> None:
        """Round to multiples of :data:`FILTER_QUANTUM`."""
        self.weight.copy_(torch.round(self.weight / FILTER_QUANTUM) * FILTER_QUANTUM)

    def forward(self, bases: Tensor, pool: int) -> Tensor:  # (B, 4, L) -> (B, filters, positions // pool)
        strands = nn.functional.conv1d(bases, self.strands())
        # maxima commute, and pooling first leaves fewer values to compare
        forward, backward = nn.functional.max_pool1d(strands, pool).chunk(2, dim=1)
        return torch.maximum(forward, backward)


class Knots(nn.Module):
    """Piecewise linear features of scores: how far a score is above each of several learned knots."""

    def __init__(self, scores: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(KNOT_SLOPES)[:, None].repeat(1, scores))
        self.bias = nn.Parameter(torch.zeros(len(KNOTS), scores))

    @torch.no_grad()
    def set_scales(self, scores: Tensor) -> None:
        """Place the knots at quantiles of ``scores`` (windows, scores), in units of their standard deviation."""
        self.slope.copy_(torch.tensor(KNOT_SLOPES)[:, None] / scores.std(0).clamp(min=1e-6))
        self.bias.copy_(-self.slope * torch.quantile(scores, torch.tensor(KNOTS, device=scores.device), dim=0))

    def forward(self, scores: Tensor) -> Tensor:  # (B, scores) -> (B, knots * scores)
        return torch.relu(scores[:, None, :] * self.slope + self.bias).flatten(1)


class Network(nn.Module, ABC):
    """Base class of the three networks: windows with their neighbourhood in, logits out.

    :meth:`summary` computes what depends on bases alone, and :meth:`from_summary` the rest. With fixed filters, windows
    are summarised once for all epochs.
    """

    def __init__(self, config: NetworkConfig, start: NDArray[np.float32], body_size: int) -> None:
        super().__init__()
        self.config = config
        self.first = BothStrands(start)
        self.first.weight.requires_grad_(not config.fixed_filters)
        self.head = Head(body_size, config)

    def summary(self, codes: Tensor) -> Tensor:
        """Summarise windows (B, 101 + 2 flank or longer), uint8, to (B, n). Counts of dinucleotides come last."""
        counts = dinucleotide_counts(codes, (0, *self.config.composition_ranges))
        return torch.cat([self.body_summary(window_bases(codes, self.config.flank)), counts.flatten(1)], dim=1)

    @abstractmethod
    def body_summary(self, codes: Tensor) -> Tensor:
        """Summarise the bases that the body sees: (B, 101 + 2 flank) -> (B, m)."""

    @abstractmethod
    def body(self, summary: Tensor) -> Tensor:
        """Map a body's summary to its vector: (B, m) -> (B, body_size)."""

    def from_summary(self, summary: Tensor, accessibility: Tensor) -> Tensor:
        """Map summaries (B, n) and accessibility (B, widths or more) to logits (B,)."""
        width = len(ALPHABET) ** 2 * (1 + len(self.config.composition_ranges))
        body, counts = summary[:, :-width], summary[:, -width:].view(len(summary), -1, len(ALPHABET) ** 2)
        return self.head(self.body(body), accessibility[:, : len(self.config.accessibility_widths)], counts)

    def forward(self, inputs: Tensor, accessibility: Tensor) -> Tensor:
        """Map windows and accessibility (B, widths or more) to logits (B,).

        Windows are codes (B, 101 + 2 flank or longer), uint8, or summaries (B, n), float32.
        """
        summary = self.summary(inputs) if inputs.dtype == torch.uint8 else inputs
        return self.from_summary(summary, accessibility)

    @torch.no_grad()
    def set_scales(self, codes: Tensor) -> None:
        """Set scales and knots from windows (n, 101 + 2 flank or longer)."""
        self.set_body_scales(window_bases(codes, self.config.flank))
        self.head.set_scales(dinucleotide_counts(codes, (0, *self.config.composition_ranges)))

    @abstractmethod
    def set_body_scales(self, codes: Tensor) -> None:
        """Set the body's scales and knots from windows (n, 101 + 2 flank)."""


class MLP(Network):
    """404 inputs -> hidden (both strands, the better one) -> hidden and side features -> 1.

    Each hidden unit starts as a motif at its own position in the window. Started from random weights, a dense layer
    only memorises a thousand bound windows.
    """

    def __init__(self, config: NetworkConfig, motifs: Motifs | None = None) -> None:
        start = place_motifs(config.filters, WINDOW_LENGTH, config.filter_width, motifs or Motifs())
        super().__init__(config, start, config.filters)
        self.bias = nn.Parameter(torch.zeros(config.filters))

    def body_summary(self, codes: Tensor) -> Tensor:
        """Return every unit's score on its better strand: (B, 101) -> (B, filters)."""
        return self.first(one_hot(codes), 1).squeeze(2)

    def body(self, summary: Tensor) -> Tensor:
        return torch.relu(summary + self.bias)

    def set_body_scales(self, codes: Tensor) -> None:
        """Scale each unit to standard deviation 1 over windows, and activate it in one window in a hundred."""
        self.first.scale_to(self.body_summary(codes).std(0))
        self.bias.copy_(-torch.quantile(self.body_summary(codes), UNIT_QUANTILE, dim=0))


class CNN(Network):
    """Convolution on both strands -> maxima over the window and wider ranges -> knots (ReLU) -> dense layers -> 1."""

    def __init__(self, config: NetworkConfig, motifs: Motifs | None = None) -> None:
        scores = config.filters * len(config.ranges)
        super().__init__(config, motif_filters(config.filters, config.filter_width, motifs), scores * len(KNOTS))
        self.knots = Knots(scores)
        if config.fixed_filters:
            self.first.round_weights()

    def body_summary(self, codes: Tensor) -> Tensor:
        """Return each filter's best score, range by range: (B, 101 + 2 flank) -> (B, ranges * filters)."""
        flank = self.config.flank
        positions = self.first(one_hot(codes), 1)  # (B, filters, positions)
        cuts = ((flank - reach, positions.shape[2] - flank + reach) for reach in self.config.ranges)
        return torch.cat([positions[:, :, first:end].amax(2) for first, end in cuts], dim=1)

    def body(self, summary: Tensor) -> Tensor:
        return self.knots(summary)

    def set_body_scales(self, codes: Tensor) -> None:
        """Scale filters that are fitted to standard deviation 1 over windows, and place the knots."""
        if not self.config.fixed_filters:
            self.first.scale_to(self.body_summary(codes)[:, : self.config.filters].std(0))
        self.knots.set_scales(self.body_summary(codes))


class LSTM(Network):
    """Filters -> maxima of ``pool`` positions -> LSTM over these steps, batch first -> last hidden state -> dense."""

    def __init__(self, config: NetworkConfig, motifs: Motifs | None = None) -> None:
        super().__init__(config, motif_filters(config.filters, config.filter_width, motifs), config.state)
        self.bias = nn.Parameter(torch.zeros(config.filters))
        self.recurrent = nn.LSTM(config.filters, config.state, batch_first=True)

    def body_summary(self, codes: Tensor) -> Tensor:
        """Return every filter's maximum in each step: (B, 101) -> (B, filters * steps)."""
        return self.first(one_hot(codes), self.config.pool).flatten(1)

    def body(self, summary: Tensor) -> Tensor:
        steps = summary.view(len(summary), self.config.filters, -1)
        steps = torch.relu(steps + self.bias[:, None])  # (B, filters, steps)
        _, (last, _) = self.recurrent(steps.transpose(1, 2))  # (1, B, state)
        return last[0]

    def set_body_scales(self, codes: Tensor) -> None:
        """Scale the filters to standard deviation 1 over the steps of windows, and start the bias at their mean."""
        steps = self.first(one_hot(codes), self.config.pool)  # (n, filters, steps)
        self.first.scale_to(steps.std((0, 2)))
        self.bias.copy_(-self.first(one_hot(codes), self.config.pool).mean((0, 2)))


class NetworkPair(nn.Module):
    """A network that sees a window's neighbourhood, and another for bare windows, whose neighbourhood is unknown."""

    def __init__(self, around: Network, alone: Network) -> None:
        super().__init__()
        self.around, self.alone = around, alone

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        """Map windows (B, 101 + 2 flank), uint8, and accessibility (B, widths) to logits (B,)."""
        own, wide = dinucleotide_counts(codes, (0, self.around.config.flank)).sum(2).T
        return torch.where(wide > own, self.around(codes, accessibility), self.alone(codes, accessibility))


FAMILIES: dict[str, Callable[[NetworkConfig, Motifs | None], Network]] = {"mlp": MLP, "cnn": CNN, "lstm": LSTM}


def build_network(config: NetworkConfig, motifs: Motifs | None = None) -> Network:
    """Build an untrained network of the family that ``config`` names. Filters start from JUND's motifs by default."""
    return FAMILIES[config.family](config, motifs)
