"""The side features inside the graph: accessibility opened up, and base composition by running counts or blocks."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from jundscan.choices import DEFAULT_STRIDE
from jundscan.encoding import WINDOW_LENGTH
from train.graph_writer import GraphWriter, Stride, at_windows
from train.networks import PERCENTILE_POWER, TAIL_CLIP

BLOCK = DEFAULT_STRIDE
"""The stride that has a branch of its own."""


def _composition(w: GraphWriter, bases: str, stride: Stride) -> str:
    """Twice C+G, and CpG, over a window's 100 steps from base to base: (B, 2, 1, windows)."""
    end = np.iinfo(np.int64).max
    c, g = (
        w.add("Slice", [bases, w.integers(n), w.integers(n + 1), w.integers(1)], name)
        for n, name in ((1, "c"), (2, "g"))
    )
    strong = w.add("Add", [c, g], "strong")
    here, there = (
        w.add("Slice", [values, w.integers(first), w.integers(last), w.integers(3)], name)
        for values, first, last, name in ((strong, 0, -1, "strong_here"), (strong, 1, end, "strong_there"))
    )
    c_here = w.add("Slice", [c, w.integers(0), w.integers(-1), w.integers(3)], "c_here")
    g_there = w.add("Slice", [g, w.integers(1), w.integers(end), w.integers(3)], "g_there")
    steps = [w.add("Add", [here, there], "strong_twice"), w.add("Mul", [c_here, g_there], "cpg")]
    marks = w.add("Concat", steps, "marks", axis=1)
    if stride == "block":
        block, blocks = BLOCK, (WINDOW_LENGTH - 1) // BLOCK
        means = w.add("AveragePool", [marks], "block_means", kernel_shape=[1, block], strides=[1, block])
        mean = w.add("AveragePool", [means], "window_means", kernel_shape=[1, blocks])
        return w.add("Mul", [mean, w.scalar(float(WINDOW_LENGTH - 1))], "composition")
    # running counts: whole numbers, exact in float32 below 2^24
    before = w.add("Pad", [marks, w.integers(0, 0, 0, 1, 0, 0, 0, 0)], "marks_padded")
    counts = w.add("CumSum", [before, w.constant("axis", np.array(3, np.int64))], "counts")
    last = at_windows(w, counts, "last", stride, WINDOW_LENGTH - 1)
    return w.add("Sub", [last, at_windows(w, counts, "first", stride)], "composition")


def side_features(w: GraphWriter, bases: str, stride: Stride) -> list[str]:
    """The side features of ``networks.side_features``, in its order, counts as they are: (B, 1 or 2, 1, windows)."""
    given = w.add("Unsqueeze", ["accessibility", w.integers(1, 2)], "given")
    missing = w.add("IsNaN", [given], "missing")
    available = w.add("Cast", [w.add("Not", [missing], "present")], "available", to=TensorProto.FLOAT)
    known = w.add("Where", [missing, w.scalar(0.0), given], "known")
    percentile = w.add("Clip", [known, w.scalar(0.0), w.scalar(1.0)], "percentile")
    power = percentile
    for exponent in (2**n for n in range(1, PERCENTILE_POWER.bit_length())):
        power = w.add("Mul", [power, power], f"percentile_{exponent}")
    above = w.add(
        "Max", [w.add("Sub", [w.scalar(1.0), percentile], "share_above"), w.scalar(10.0**-TAIL_CLIP)], "share"
    )
    tail = w.add("Mul", [w.add("Log", [above], "log_above"), w.scalar(float(-1.0 / np.log(10.0)))], "tail")
    return [available, percentile, power, tail, _composition(w, bases, stride)]
