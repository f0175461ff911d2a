"""Write side features into a graph: how far accessibility is above its knots, and counts of dinucleotides.

Both have channels in multiples of 16, for the blocked layout. The head's features are weighted sums of these channels,
and :func:`side_weights` converts the head's weights accordingly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from jundscan.options import DEFAULT_STRIDE
from train.config import NetworkConfig
from train.graphs.writer import GraphWriter, Stride, array, at_windows, crop
from train.networks.architectures import Head
from train.networks.features import (
    ACCESSIBILITY_FEATURES,
    ACCESSIBILITY_KNOTS,
    COMPOSITION,
    SURROUNDINGS,
    composition_weights,
    surroundings_weights,
)

BLOCK = DEFAULT_STRIDE
"""The stride that has a branch of its own."""
STEPS = WINDOW_LENGTH - 1
"""Dinucleotides in a window."""
CHANNELS = 16
"""Channels in a block of ONNX Runtime's fast layout. There are also 16 dinucleotides."""


def dinucleotide_counts(w: GraphWriter, bases: str, stride: Stride, config: NetworkConfig) -> list[str]:
    """Count the 16 dinucleotides in the window and in each wider range: (B, 16, 1, windows) each.

    It sums over 10 bases, then over 10 of these sums, then over neighbouring windows. This takes a tenth of the
    additions, and all are exact.
    """
    letters = len(ALPHABET)
    pairs = np.zeros((CHANNELS, 1, letters, 2), np.float32)
    for first in range(letters):
        for second in range(letters):
            pairs[letters * first + second, 0, first, 0] = pairs[letters * first + second, 0, second, 1] = 1.0
    both = w.constant("both_letters", np.full(CHANNELS, -1.0, np.float32))
    marks = w.add("Relu", [w.add("Conv", [bases, w.constant("pairs", pairs), both], "pair")], "marks")

    def add_sum(values: str, name: str, taps: int, apart: int = 1, step: int = 1) -> str:
        ones = w.constant(f"sum_{taps}", np.ones((CHANNELS, 1, 1, taps), np.float32))
        spaced = {"group": CHANNELS, "dilations": [1, apart], "strides": [1, step]}
        return w.add("Conv", [values, ones], name, **spaced)

    unit = BLOCK if stride == "block" else 1  # bases from one value to the next
    sums = add_sum(marks, "block_counts", BLOCK, step=unit)
    counts = add_sum(sums, "counts", STEPS // BLOCK, apart=BLOCK // unit)
    found = []
    for reach in (0, *config.composition_ranges):
        taps = (STEPS + 2 * reach) // STEPS
        wide = add_sum(counts, f"counts_{reach}", taps, apart=STEPS // unit) if reach else counts
        margin = (config.flank - reach) // unit
        if stride == "any":
            found.append(at_windows(w, wide, f"window_counts_{reach}", margin))
        else:
            found.append(crop(w, wide, f"window_counts_{reach}", margin, CHANNELS))
    return found


def accessibility_channels(widths: int) -> int:
    """Return the number of channels of :func:`accessibility_steps`."""
    return -(-widths * len(ACCESSIBILITY_FEATURES) // CHANNELS) * CHANNELS


def accessibility_steps(w: GraphWriter, widths: int) -> str:
    """Write how far accessibility is above -1, which stands for NaN, and above each knot, width after width.

    Returns
    -------
    str
        Name of values (B, channels, 1, windows). Channels beyond the last width's are 0.
    """
    value = w.accessibility
    if widths > 1:
        value = w.add("Transpose", [value], "by_width", perm=[0, 2, 1])
    value = w.add("Unsqueeze", [value, w.integers(2) if widths > 1 else w.integers(1, 2)], "given")
    within = w.add("Clip", [value, w.scalar(0.0), w.scalar(1.0)], "percentile")
    known = w.add("Where", [w.add("IsNaN", [value], "missing"), w.scalar(-1.0), within], "known")
    channels, each = accessibility_channels(widths), len(ACCESSIBILITY_FEATURES)
    scale, shift = np.zeros((channels, widths), np.float32), np.zeros(channels, np.float32)
    knots = np.array(ACCESSIBILITY_KNOTS, np.float32)
    for number in range(widths):
        begin, end = number * each, (number + 1) * each
        scale[begin, number] = shift[begin] = 1.0
        scale[begin + 1 : end, number] = 1.0 / (1.0 - knots)
        shift[begin + 1 : end] = -knots / (1.0 - knots)
    inputs = [known, w.constant("knot_scale", scale[:, :, None, None]), w.constant("knot_shift", shift)]
    return w.add("Relu", [w.add("Conv", inputs, "above_knots")], "accessibility_steps")


def side_weights(head: Head, config: NetworkConfig) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Convert the weights of the head's first layer to these channels.

    Returns
    -------
    weights : list of numpy.ndarray
        For :func:`accessibility_steps` (hidden, channels), then for each range of counts (hidden, 16).
    shift : numpy.ndarray, shape=(hidden,)
        To add to the layer's bias.
    """
    scaled = array(head.from_side.weight) / array(head.side_scale)
    shift = -scaled @ array(head.side_centre)
    widths, each = len(config.accessibility_widths), len(ACCESSIBILITY_FEATURES)
    steps = np.zeros((len(scaled), accessibility_channels(widths)), np.float32)
    steps[:, : widths * each] = scaled[:, : widths * each]
    # the first knot is 0, so "above -1" minus "above 0" is 1 for a percentile and 0 for NaN
    steps[:, 1 : widths * each : each] -= scaled[:, : widths * each : each]
    composition = scaled[:, widths * each :]
    first, step = len(COMPOSITION), len(SURROUNDINGS)
    weights = [steps, composition[:, :first] @ composition_weights()]
    share = array(head.known_share)
    for begin in range(first, composition.shape[1], step):
        sums = surroundings_weights()
        sums -= share[begin : begin + step, None] * sums[-1]
        weights.append(composition[:, begin : begin + step] @ sums)
    return weights, shift
