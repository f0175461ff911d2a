"""The side features inside the graph: how far accessibility is above its knots, and counts of dinucleotides.

Both come in the blocked layout, 16 channels each, as sums of what the head sees; :func:`side_weights` turns the head's
weights to them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jundscan.choices import DEFAULT_STRIDE
from jundscan.encoding import ALPHABET, WINDOW_LENGTH
from train.graph_writer import GraphWriter, Stride, array, at_windows
from train.networks import ACCESSIBILITY_KNOTS, Head, composition_weights

BLOCK = DEFAULT_STRIDE
"""The stride that has a branch of its own."""
STEPS = WINDOW_LENGTH - 1
"""Steps from base to base in a window."""
SIDE_CHANNELS = 16
"""Of accessibility and of dinucleotides each: a block of ONNX Runtime's fast layout."""


def dinucleotide_counts(w: GraphWriter, bases: str, stride: Stride) -> str:
    """Count the 16 dinucleotides over a window's steps: (B, 16, 1, windows), whole numbers.

    Sums over 10 steps, then over 10 of these sums: a tenth of the additions, and all are exact.
    """
    letters = len(ALPHABET)
    pairs = np.zeros((SIDE_CHANNELS, 1, letters, 2), np.float32)
    for first in range(letters):
        for second in range(letters):
            pairs[letters * first + second, 0, first, 0] = pairs[letters * first + second, 0, second, 1] = 1.0
    both = w.constant("both_letters", np.full(SIDE_CHANNELS, -1.0, np.float32))
    marks = w.add("Relu", [w.add("Conv", [bases, w.constant("pairs", pairs), both], "pair")], "marks")
    block, blocks = (
        w.constant(f"sum_{n}", np.ones((SIDE_CHANNELS, 1, 1, n), np.float32)) for n in (BLOCK, STEPS // BLOCK)
    )
    if stride == "block":
        sums = w.add("Conv", [marks, block], "block_counts", group=SIDE_CHANNELS, strides=[1, BLOCK])
        return w.add("Conv", [sums, blocks], "counts", group=SIDE_CHANNELS)
    sums = w.add("Conv", [marks, block], "block_counts", group=SIDE_CHANNELS)
    counts = w.add("Conv", [sums, blocks], "counts", group=SIDE_CHANNELS, dilations=[1, BLOCK])
    return at_windows(w, counts, "window_counts") if stride == "any" else counts


def accessibility_steps(w: GraphWriter) -> str:
    """Give how far accessibility is above -1 (which stands for none) and above each knot: (B, 16, 1, windows)."""
    given = w.add("Unsqueeze", [w.accessibility, w.integers(1, 2)], "given")
    within = w.add("Clip", [given, w.scalar(0.0), w.scalar(1.0)], "percentile")
    known = w.add("Where", [w.add("IsNaN", [given], "missing"), w.scalar(-1.0), within], "known")
    scale = np.zeros(SIDE_CHANNELS, np.float32)
    shift = np.zeros(SIDE_CHANNELS, np.float32)
    scale[0] = shift[0] = 1.0
    knots = np.array(ACCESSIBILITY_KNOTS, np.float32)
    scale[1 : 1 + len(knots)] = 1.0 / (1.0 - knots)
    shift[1 : 1 + len(knots)] = -knots / (1.0 - knots)
    inputs = [known, w.constant("knot_scale", scale[:, None, None, None]), w.constant("knot_shift", shift)]
    return w.add("Relu", [w.add("Conv", inputs, "above_knots")], "accessibility_steps")


def side_weights(head: Head) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of the head's first layer for these channels, (hidden, 32), and what its bias changes by, (hidden,)."""
    scaled = array(head.from_side.weight) / array(head.side_scale)
    shift = -scaled @ array(head.side_centre)
    available, above, counts = np.split(scaled, [1, 1 + len(ACCESSIBILITY_KNOTS)], axis=1)
    weights = np.zeros((len(scaled), 2 * SIDE_CHANNELS), np.float32)
    # the first knot is 0: above -1 less above 0 is 1 where there is a percentile, and 0 where there is none
    weights[:, :1] = available
    weights[:, 1 : 1 + above.shape[1]] = above
    weights[:, 1:2] -= available
    weights[:, SIDE_CHANNELS:] = counts @ composition_weights()
    return weights, shift
