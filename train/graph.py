"""The networks as sliding ONNX graphs: one graph for single windows and whole chromosomes.

A graph computes everything that depends on a base once, whatever the number of windows that share the base:
one-hot letters, filters on both strands, running maxima and running counts. Only the head runs per window.

Three choices make it fast on ONNX Runtime's CPU provider (measured in ``benchmarks/``); none changes the function:

- Convolutions and pools are 4-D with channels in multiples of 16, which puts them into its blocked layout.
- The better strand is ``forward + relu(backward - forward)``: the difference is a convolution of its own, so that
  no operator outside the blocked layout comes between convolution and pool.
- The maximum over P positions is a chain of dilated pools, of about 9 + 9 + 2 comparisons instead of P.

Windows at any stride are gathered after pooling. At stride 1 nothing needs gathering, and at the default stride blocks
can be pooled first: these two have branches of their own.
Every operator has a CUDA kernel (``tests/train/test_graph.py`` lists them).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from jundscan.encoding import ALPHABET, WINDOW_LENGTH
from jundscan.scan import DEFAULT_STRIDE
from train.networks import (
    CNN,
    COMPOSITION_CENTRE,
    COMPOSITION_SCALE,
    LSTM,
    MLP,
    PERCENTILE_POWER,
    SIDE_FEATURES,
    TAIL_CLIP,
    BothStrands,
    Head,
    Knots,
)

OPSET = 18
IR_VERSION = 9
BLOCKED_CHANNELS = 16
"""Channels of a block in ONNX Runtime's fast layout."""
BLOCK = DEFAULT_STRIDE
"""The stride that has a branch of its own."""

Network = MLP | CNN | LSTM
Stride = Literal["each", "block", "any"]
"""Which branch: every base, blocks of the default stride, or any stride."""


class GraphWriter:
    """Collects nodes and constants; every name begins with ``prefix``, so that branches never collide."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
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


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().astype(np.float32, copy=True)


def _bases(w: GraphWriter) -> str:
    """Codes as one-hot channels (B, 4, 1, L)."""
    codes = w.add("Unsqueeze", ["sequence", w.integers(1, 2)], "codes")
    numbers = w.add("Cast", [codes], "codes_float", to=TensorProto.FLOAT)
    letters = w.constant("letters", np.arange(len(ALPHABET), dtype=np.float32).reshape(1, -1, 1, 1))
    return w.add("Cast", [w.add("Equal", [numbers, letters], "is_letter")], "bases", to=TensorProto.FLOAT)


def _both_strands(w: GraphWriter, bases: str, layer: BothStrands) -> str:
    """Score every position on its better strand: (B, filters, 1, positions)."""
    forward, backward = (_array(weight)[:, :, None, :] for weight in (layer.weight, layer.other_strand()))
    gain = w.add("Relu", [w.add("Conv", [bases, w.constant("gain", backward - forward)], "gain_signed")], "gain_kept")
    return w.add("Add", [w.add("Conv", [bases, w.constant("filters", forward)], "forward"), gain], "positions")


def _rectify(w: GraphWriter, values: str, bias: torch.Tensor) -> str:
    """Add a bias per channel and cut at zero."""
    return w.add(
        "Relu", [w.add("Add", [values, w.constant("bias", _array(bias)[:, None, None])], "biased")], "rectified"
    )


def _knots(w: GraphWriter, scores: str, knots: Knots) -> list[str]:
    """Scores, not centred, and their broken lines, a depthwise convolution each: (B, filters, 1, windows) each."""
    lines = [scores]
    for number, (slope, bias) in enumerate(zip(_array(knots.slope), _array(knots.bias), strict=True)):
        inputs = [scores, w.constant(f"slope_{number}", slope[:, None, None, None]), w.constant(f"knot_{number}", bias)]
        lines.append(w.add("Relu", [w.add("Conv", inputs, f"line_{number}", group=len(slope))], f"above_{number}"))
    return lines


def _running_max(w: GraphWriter, values: str, width: int) -> str:
    """Maximum of every ``width`` neighbouring positions: pools of pools, dilated by what they already span."""
    span = 1
    while span < width:
        taps = min(9, width // span) if span * 2 <= width else 2
        dilation = span if span * 2 <= width else width - span
        values = w.add("MaxPool", [values], f"max_{span}_{taps}", kernel_shape=[1, taps], dilations=[1, dilation])
        span += (taps - 1) * dilation
    return values


def _window_indices(w: GraphWriter, offset: int = 0) -> str:
    """First base of every window, int64 (windows,): arange(windows) * stride + offset."""
    windows = w.add("Shape", ["accessibility"], "windows_1d", start=1, end=2)
    windows = w.add("Squeeze", [windows, w.integers(0)], "windows")
    zero, one = w.constant("zero", np.array(0, np.int64)), w.constant("one", np.array(1, np.int64))
    starts = w.add("Mul", [w.add("Range", [zero, windows, one], "window_numbers"), "stride"], "window_starts")
    return w.add("Add", [starts, w.integers(offset)], f"window_starts_{offset}") if offset else starts


def _at_windows(w: GraphWriter, values: str, name: str, stride: Stride, offset: int = 0) -> str:
    """Pick, from values per base (B, C, 1, positions), those at each window's start + offset: (B, C, 1, windows)."""
    if stride == "any":
        return w.add("Gather", [values, _window_indices(w, offset)], name, axis=3)
    windows = w.add("Shape", ["accessibility"], "windows_1d", start=1, end=2)
    end = w.add("Add", [windows, w.integers(offset)], f"{name}_end")
    return w.add("Slice", [values, w.integers(offset), end, w.integers(3)], name)


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
    last = _at_windows(w, counts, "last", stride, WINDOW_LENGTH - 1)
    return w.add("Sub", [last, _at_windows(w, counts, "first", stride)], "composition")


def _side_features(w: GraphWriter, bases: str, stride: Stride) -> list[str]:
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


def _dense(
    w: GraphWriter, values: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None, name: str
) -> str:
    """A dense layer at every window, as a 1 x 1 convolution."""
    inputs = [values, w.constant(f"{name}_weight", weight[:, :, None, None])]
    if bias is not None:
        inputs.append(w.constant(f"{name}_bias", bias))
    return w.add("Conv", inputs, name)


def _head(w: GraphWriter, body: list[str], side: list[str], head: Head, centre: NDArray[np.float32] | None) -> str:
    """Dense layers to probabilities; ``centre`` is what the first channels of the body still have to be centred by."""
    weight, bias = _array(head.from_body.weight), _array(head.from_body.bias)
    if centre is not None:
        bias -= weight[:, : len(centre)] @ centre
    # a depthwise convolution centres and scales the counts and keeps everything in the blocked layout, which takes
    # multiples of 16 channels only: the first feature again, times 0
    spare = -len(SIDE_FEATURES) % BLOCKED_CHANNELS
    given = len(SIDE_FEATURES) - len(COMPOSITION_SCALE)
    scale = np.array(
        [1.0] * given + [0.5 / COMPOSITION_SCALE[0], 1.0 / COMPOSITION_SCALE[1]] + [0.0] * spare, np.float32
    )
    shift = [0.0] * given + [-c / s for c, s in zip(COMPOSITION_CENTRE, COMPOSITION_SCALE, strict=True)] + [0.0] * spare
    channels = w.add("Concat", [*side, *[side[0]] * spare], "side_channels", axis=1)
    inputs = [
        channels,
        w.constant("side_scale", scale[:, None, None, None]),
        w.constant("side_shift", np.array(shift, np.float32)),
    ]
    scaled = w.add("Conv", inputs, "side", group=len(scale))
    weights = np.concatenate(
        [weight, _array(head.from_side.weight), np.zeros((len(weight), spare), np.float32)], axis=1
    )
    joined = w.add("Concat", [*body, scaled], "joined", axis=1)
    hidden = w.add("Relu", [_dense(w, joined, weights, bias, "dense_1")], "hidden_1")
    for number, layer in enumerate(head.between, start=2):
        assert isinstance(layer, torch.nn.Linear)
        hidden = w.add(
            "Relu", [_dense(w, hidden, _array(layer.weight), _array(layer.bias), f"dense_{number}")], f"hidden_{number}"
        )
    logit = w.add(
        "Squeeze",
        [_dense(w, hidden, _array(head.last.weight), _array(head.last.bias), "logit_4d"), w.integers(1, 2)],
        "logit",
    )
    return w.add("Sigmoid", [logit], "probability")


def _last_state(w: GraphWriter, steps: str, network: LSTM) -> str:
    """Run the LSTM over each window's steps, gathered from the sliding maxima: (B, state, 1, windows)."""
    config, lstm = network.config, network.recurrent
    count = (WINDOW_LENGTH - config.filter_width + 1) // config.pool
    starts = w.add("Unsqueeze", [_window_indices(w), w.integers(1)], "starts_2d")
    offsets = w.constant("step_offsets", np.arange(count, dtype=np.int64)[None, :] * config.pool)
    places = w.add("Add", [starts, offsets], "places")  # (windows, steps)
    gathered = w.add("Gather", [w.add("Squeeze", [steps, w.integers(2)], "steps_3d"), places], "gathered", axis=2)
    ordered = w.add("Transpose", [gathered], "ordered", perm=[3, 0, 2, 1])  # (steps, B, windows, filters)
    sequence = w.add("Reshape", [ordered, w.integers(0, -1, config.filters)], "step_sequence")

    def gates(tensor: torch.Tensor) -> NDArray[np.float32]:
        """Torch orders gates input, forget, cell, output; ONNX input, output, forget, cell."""
        i, f, g, o = np.split(_array(tensor), 4)
        return np.concatenate([i, o, f, g])

    weights = [gates(lstm.weight_ih_l0)[None], gates(lstm.weight_hh_l0)[None]]
    biases = np.concatenate([gates(lstm.bias_ih_l0), gates(lstm.bias_hh_l0)])[None]
    inputs = [
        sequence,
        w.constant("lstm_w", weights[0]),
        w.constant("lstm_r", weights[1]),
        w.constant("lstm_b", biases),
    ]
    last = w.prefix + "last_state"  # (1, B * windows, state), the operator's second output
    w.nodes_by_output[last] = helper.make_node("LSTM", inputs, ["", last], name=last, hidden_size=config.state)
    shape = w.add(
        "Concat",
        [w.add("Shape", ["accessibility"], "shape"), w.integers(config.state, 1)],
        "state_shape",
        axis=0,
    )
    apart = w.add("Reshape", [last, shape], "states_apart")  # (B, windows, state, 1)
    return w.add("Transpose", [apart], "state", perm=[0, 2, 3, 1])


def _window_scores(w: GraphWriter, positions: str, span: int, stride: Stride) -> str:
    """Maximum of ``span`` positions from each window's start: (B, filters, 1, windows)."""
    if stride == "block":  # blocks first: only one value in ten is left to pool, and nothing to gather
        best = w.add("MaxPool", [positions], "block_max", kernel_shape=[1, BLOCK], strides=[1, BLOCK])
        return w.add("MaxPool", [best], "scores", kernel_shape=[1, span // BLOCK])
    best = _running_max(w, positions, span)
    return _at_windows(w, best, "scores", stride) if stride == "any" else best


def _write_network(w: GraphWriter, network: Network, stride: Stride) -> str:
    bases = _bases(w)
    positions = _both_strands(w, bases, network.first)
    centre = None
    if isinstance(network, LSTM):
        steps = _rectify(w, _running_max(w, positions, network.config.pool), network.bias)
        body = [_last_state(w, steps, network)]
    elif isinstance(network, MLP):
        body = [_rectify(w, _window_scores(w, positions, 1, stride), network.bias)]
    else:
        body = _knots(w, _window_scores(w, positions, _span(network), stride), network.knots)
        centre = _array(network.knots.centre)
    return _head(w, body, _side_features(w, bases, stride), network.head, centre)


def _span(network: CNN) -> int:
    """Number of positions of a filter in a window."""
    return WINDOW_LENGTH - network.config.filter_width + 1


def _branch(name: str, network: Network, stride: Stride) -> onnx.GraphProto:
    w = GraphWriter(f"{name}_")
    output = _write_network(w, network, stride)
    shape = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "windows"])
    return helper.make_graph(list(w.nodes_by_output.values()), name, [], [shape], list(w.constants.values()))


def _choice(
    value: int, chosen: onnx.GraphProto, otherwise: onnx.GraphProto
) -> tuple[list[onnx.NodeProto], str, onnx.TensorProto]:
    """Run one branch when the stride is ``value``, else the other: nodes, their output, and the constant they need."""
    constant = numpy_helper.from_array(np.array(value, np.int64), f"stride_{value}")
    output = f"probability_{value}"
    nodes = [
        helper.make_node("Equal", ["stride", constant.name], [f"is_{value}"], name=f"is_{value}"),
        helper.make_node("If", [f"is_{value}"], [output], name=output, then_branch=chosen, else_branch=otherwise),
    ]
    return nodes, output, constant


def build_graph(network: Network) -> onnx.ModelProto:
    """Write a trained network as an ONNX model with the interface ``jundscan.model`` expects.

    Parameters
    ----------
    network : MLP, CNN or LSTM
        In evaluation mode; its weights are copied.

    Returns
    -------
    onnx.ModelProto
        ``sequence`` uint8 (batch, length), ``accessibility`` float32 (batch, windows), ``stride`` int64 () ->
        ``probability`` float32 (batch, windows); checked by ``onnx.checker``.
    """
    if isinstance(network, LSTM):  # gathers its steps at every stride alike
        w = GraphWriter("any_")
        output = _write_network(w, network, "any")
        nodes, constants = list(w.nodes_by_output.values()), list(w.constants.values())
    else:
        otherwise = _branch("any", network, "any")
        if isinstance(network, CNN) and _span(network) % BLOCK == 0:
            nodes, output, constant = _choice(BLOCK, _branch("block", network, "block"), otherwise)
            shape = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "windows"])
            otherwise = helper.make_graph(nodes, "longer_strides", [], [shape], [constant])
        nodes, output, constant = _choice(1, _branch("each", network, "each"), otherwise)
        constants = [constant]
    nodes.append(helper.make_node("Identity", [output], ["probability"], name="probability"))
    graph = helper.make_graph(
        nodes,
        f"jundscan_{network.config.family}",
        [
            helper.make_tensor_value_info("sequence", TensorProto.UINT8, ["batch", "length"]),
            helper.make_tensor_value_info("accessibility", TensorProto.FLOAT, ["batch", "windows"]),
            helper.make_tensor_value_info("stride", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", "windows"])],
        constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jundscan train",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
