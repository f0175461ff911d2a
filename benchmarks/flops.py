"""What one base costs: multiply-adds of the cheapest exact form of a network, whatever its graph executes.

Filters, fixed or not, are counted once per base, on both strands, over the four letters (a one-hot base needs no less
in a convolution); everything behind the maxima over positions, of a window and of wider ranges, once per window, so
divided by the stride. A base that no window needs is not counted: of strides longer than the positions of a window and
its flanks only these positions count. Comparisons, counts and side features that need no multiplication are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from train.config import NetworkConfig
from train.networks.architectures import build_network

STRANDS = 2


def multiply_adds_per_base(architecture: Mapping[str, Any], stride: int) -> float:
    """Count the multiply-adds that one base costs on average.

    Parameters
    ----------
    architecture : mapping
        Of the model's metadata: the fields of ``NetworkConfig``.
    stride : int
        Bases between windows.
    """
    config = NetworkConfig.from_dict(architecture)
    head = build_network(config).head
    body, side = head.from_body.in_features, head.from_side.in_features
    width = WINDOW_LENGTH if config.family == "mlp" else config.filter_width
    positions = WINDOW_LENGTH + 2 * config.flank - width + 1
    per_window = (body + side) * config.hidden + (config.head_layers - 1) * config.hidden**2 + config.hidden
    if config.family == "cnn":
        per_window += body  # a scale for each knot of each score, range by range
    if config.family == "lstm":
        steps = positions // config.pool
        positions = steps * config.pool
        per_window += steps * 4 * config.state * (config.filters + config.state)
    per_position = config.filters * STRANDS * len(ALPHABET) * width
    return per_position * min(1.0, positions / stride) + per_window / stride
