"""Count the multiply-adds per base of the cheapest exact form of a network, whatever its graph executes.

Filters count once per base, on both strands and over the four letters. Everything after the maxima over positions
counts once per window, so it is divided by the stride. Bases that no window needs do not count: if the stride is longer
than a window and its flanks, only these do. Comparisons, sums and side features without multiplication do not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from train.config import NetworkConfig
from train.networks.architectures import build_network

STRANDS = 2


def multiply_adds_per_base(architecture: Mapping[str, Any], stride: int) -> float:
    """Return the average multiply-adds per base.

    Parameters
    ----------
    architecture : mapping
        Fields of ``NetworkConfig``, from the model's metadata.
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
        per_window += body  # one scale for each knot of each score
    if config.family == "lstm":
        steps = positions // config.pool
        positions = steps * config.pool
        per_window += steps * 4 * config.state * (config.filters + config.state)
    per_position = config.filters * STRANDS * len(ALPHABET) * width
    return per_position * min(1.0, positions / stride) + per_window / stride
