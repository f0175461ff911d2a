"""What one base costs: multiply-adds of the cheapest exact form of a network, whatever its graph executes.

Filters are counted once per base, on both strands, over the four letters (a one-hot base needs no less in a
convolution); everything behind the maximum over positions once per window, so divided by the stride. A base that no
window needs is not counted: of strides longer than the positions of a window only the positions count. Comparisons,
counts and side features that need no multiplication are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jundscan.encoding import ALPHABET, WINDOW_LENGTH
from train.networks import KNOT_SCORES, SIDE_FEATURES

STRANDS = 2


def multiply_adds_per_base(family: str, architecture: Mapping[str, Any], stride: int) -> float:
    """Count the multiply-adds that one base costs on average.

    Parameters
    ----------
    family : {"mlp", "cnn", "lstm"}
    architecture : mapping
        Of the model's metadata: filters, filter_width, pool, state, hidden, head_layers.
    stride : int
        Bases between windows.
    """
    filters, hidden = architecture["filters"], architecture["hidden"]
    width = WINDOW_LENGTH if family == "mlp" else architecture["filter_width"]
    positions = WINDOW_LENGTH - width + 1
    body, per_window = filters, 0
    if family == "cnn":
        body = per_window = filters * len(KNOT_SCORES)
    if family == "lstm":
        steps, body = positions // architecture["pool"], architecture["state"]
        positions = steps * architecture["pool"]
        per_window = steps * 4 * body * (filters + body)
    per_window += (body + len(SIDE_FEATURES)) * hidden + (architecture["head_layers"] - 1) * hidden**2 + hidden
    per_position = filters * STRANDS * len(ALPHABET) * width
    return per_position * min(1.0, positions / stride) + per_window / stride
