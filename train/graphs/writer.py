"""Write ONNX graphs node by node: named nodes and constants, branches, and values at windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Stride = Literal["each", "block", "any"]
"""Branch of a graph: for stride 1, for the default stride in blocks, or for any stride."""
Value = tuple[str, int, Sequence[str | int]]
"""Name, element type and shape of a graph's input or output."""
PROBABILITIES = (TensorProto.FLOAT, ("batch", "windows"))


class GraphWriter:
    """Collects nodes and constants. Every name begins with ``prefix``, so that names of branches differ.

    ``sequence`` and ``accessibility`` name the values that a network reads: the model's inputs or parts of them.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.sequence, self.accessibility = "sequence", "accessibility"
        self.nodes_by_output: dict[str, onnx.NodeProto] = {}
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a constant once and return its name."""
        full = self.prefix + name
        self.constants.setdefault(full, numpy_helper.from_array(np.asarray(value), full))
        return full

    def integers(self, *values: int) -> str:
        """Add a 1-D int64 constant."""
        return self.constant("int_" + "_".join(map(str, values)), np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        """Add a float32 scalar constant."""
        return self.constant(f"float_{value!r}", np.array(value, np.float32))

    def add(self, operator: str, inputs: list[str], name: str, **attributes: object) -> str:
        """Add a node with one output, once, and return the output's name."""
        output = self.prefix + name
        node = helper.make_node(operator, inputs, [output], name=output, **attributes)
        if self.nodes_by_output.setdefault(output, node) != node:
            raise ValueError(f"two different nodes are called {output}")
        return output

    def choose(self, condition: str, chosen: onnx.GraphProto, otherwise: onnx.GraphProto) -> str:
        """Add a choice between two graphs and return its output's name."""
        return self.add("If", [condition], "chosen", then_branch=chosen, else_branch=otherwise)

    def graph(self, outputs: Sequence[Value], inputs: Sequence[Value] = ()) -> onnx.GraphProto:
        """Make a graph of all collected nodes and constants."""
        ends = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
        nodes, constants = list(self.nodes_by_output.values()), list(self.constants.values())
        return helper.make_graph(nodes, self.prefix.rstrip("_"), *ends, constants)


def array(tensor: torch.Tensor) -> NDArray[np.float32]:
    """Copy a tensor to a float32 array."""
    return tensor.detach().cpu().numpy().astype(np.float32, copy=True)


def window_indices(w: GraphWriter) -> str:
    """Write the first base of every window, int64 (windows,): arange(windows) * stride."""
    windows = w.add("Shape", [w.accessibility], "windows_1d", start=1, end=2)
    windows = w.add("Squeeze", [windows, w.integers(0)], "windows")
    return w.add("Mul", [numbers_up_to(w, windows, "window_numbers"), "stride"], "window_starts")


def numbers_up_to(w: GraphWriter, count: str, name: str) -> str:
    """Write the numbers from 0 to ``count`` - 1, int64 (count,). ``count`` is an int64 scalar."""
    zero, one = w.constant("zero", np.array(0, np.int64)), w.constant("one", np.array(1, np.int64))
    return w.add("Range", [zero, count, one], name)


def at_windows(w: GraphWriter, values: str, name: str, first: int = 0) -> str:
    """Select values at each window's start: (B, C, 1, positions) -> (B, C, 1, windows).

    ``first`` is the position of the first window.
    """
    starts = window_indices(w)
    if first:
        starts = w.add("Add", [starts, w.integers(first)], f"window_starts_from_{first}")
    return w.add("Gather", [values, starts], name, axis=3)


def crop(w: GraphWriter, values: str, name: str, margin: int, channels: int) -> str:
    """Remove ``margin`` values at either end: (B, C, 1, n) -> (B, C, 1, n - 2 margin).

    A convolution whose outer taps are 0 keeps the blocked layout. Slicing would leave it.
    """
    if not margin:
        return values
    taps = np.zeros((channels, 1, 1, 3), np.float32)
    taps[..., 1] = 1.0
    inputs = [values, w.constant(f"middle_of_{channels}", taps)]
    return w.add("Conv", inputs, name, group=channels, dilations=[1, margin])
