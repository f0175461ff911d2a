"""The networks as sliding ONNX graphs: one graph for single windows and whole chromosomes.

A graph computes everything that depends on a base once, whatever the number of windows that share the base:
one-hot letters, filters on both strands, running maxima and running counts. Only the head runs per window.

Three choices make it fast on ONNX Runtime's CPU provider (measured in ``benchmarks/``); none changes the function:

- Convolutions and pools are 4-D with channels in multiples of 16, which puts them into its blocked layout.
- The better strand is ``forward + relu(backward - forward)``: the difference is a convolution of its own, so that
  no operator outside the blocked layout comes between convolution and pool.
- The maximum over P positions is a chain of dilated pools, of about 9 + 9 + 2 comparisons instead of P.

Windows at a stride are gathered after pooling; at stride 1 nothing needs gathering and a branch leaves it out.
Every operator has a CUDA kernel (``tests/train/test_graph.py`` lists them).
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from jundscan.encoding import ALPHABET, WINDOW_LENGTH
from train.networks import (
    CNN,
    COMPOSITION_CENTRE,
    COMPOSITION_SCALE,
    LSTM,
    MLP,
    PERCENTILE_POWER,
    TAIL_CLIP,
    BothStrands,
    Head,
    Knots,
)

OPSET = 18
IR_VERSION = 9


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


def _bases(w: GraphWriter) -> tuple[str, str]:
    """Codes as float (B, 1, 1, L) and as one-hot channels (B, 4, 1, L)."""
    codes = w.add(
        "Cast",
        [w.add("Unsqueeze", ["sequence", w.integers(1, 2)], "codes")],
        "codes_float",
        to=TensorProto.FLOAT,
    )
    letters = w.constant("letters", np.arange(len(ALPHABET), dtype=np.float32).reshape(1, -1, 1, 1))
    return codes, w.add("Cast", [w.add("Equal", [codes, letters], "is_letter")], "bases", to=TensorProto.FLOAT)


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


def _knots(w: GraphWriter, scores: str, knots: Knots) -> str:
    """Scores, not centred, and their broken lines, a depthwise convolution each: (B, (1 + knots) * filters, ...)."""
    lines = [scores]
    for number, (slope, bias) in enumerate(zip(_array(knots.slope), _array(knots.bias), strict=True)):
        inputs = [scores, w.constant(f"slope_{number}", slope[:, None, None, None]), w.constant(f"knot_{number}", bias)]
        lines.append(w.add("Relu", [w.add("Conv", inputs, f"line_{number}", group=len(slope))], f"above_{number}"))
    return w.add("Concat", lines, "knots", axis=1)


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


def _at_windows(w: GraphWriter, values: str, name: str, strided: bool, offset: int = 0) -> str:
    """Pick, from values per base (B, C, 1, positions), those at each window's start + offset: (B, C, 1, windows)."""
    if strided:
        return w.add("Gather", [values, _window_indices(w, offset)], name, axis=3)
    windows = w.add("Shape", ["accessibility"], f"{name}_windows", start=1, end=2)
    end = w.add("Add", [windows, w.integers(offset)], f"{name}_end")
    return w.add("Slice", [values, w.integers(offset), end, w.integers(3)], name)


def _composition(w: GraphWriter, codes: str, strided: bool) -> list[str]:
    """C+G and CpG per window, as differences of running counts (whole numbers, exact in float32 below 2^24)."""
    is_c = w.add("Cast", [w.add("Equal", [codes, w.scalar(1.0)], "is_c")], "c", to=TensorProto.FLOAT)
    is_g = w.add("Cast", [w.add("Equal", [codes, w.scalar(2.0)], "is_g")], "g", to=TensorProto.FLOAT)
    strong = w.add("Add", [is_c, is_g], "strong")
    before = w.add("Slice", [is_c, w.integers(0), w.integers(-1), w.integers(3)], "c_before")
    after = w.add("Slice", [is_g, w.integers(1), w.integers(np.iinfo(np.int64).max), w.integers(3)], "g_after")
    cpg = w.add("Mul", [before, after], "cpg")
    numbers = []
    for name, marks, span in (("strong", strong, WINDOW_LENGTH), ("cpg", cpg, WINDOW_LENGTH - 1)):
        padded = w.add("Pad", [marks, w.integers(0, 0, 0, 1, 0, 0, 0, 0)], f"{name}_padded")
        counts = w.add("CumSum", [padded, w.constant("axis", np.array(3, np.int64))], f"{name}_counts")
        last = _at_windows(w, counts, f"{name}_last", strided, span)
        first = _at_windows(w, counts, f"{name}_first", strided)
        numbers.append(w.add("Sub", [last, first], f"{name}_number"))
    return numbers


def _side_features(w: GraphWriter, codes: str, strided: bool) -> str:
    """The side features of ``networks.side_features``, in its order, counts as they are: (B, 6, 1, windows)."""
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
    features = [available, percentile, power, tail, *_composition(w, codes, strided)]
    return w.add("Concat", features, "side", axis=1)


def _dense(
    w: GraphWriter, values: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None, name: str
) -> str:
    """A dense layer at every window, as a 1 x 1 convolution."""
    inputs = [values, w.constant(f"{name}_weight", weight[:, :, None, None])]
    if bias is not None:
        inputs.append(w.constant(f"{name}_bias", bias))
    return w.add("Conv", inputs, name)


def _head(w: GraphWriter, body: str, side: str, head: Head, centre: NDArray[np.float32] | None = None) -> str:
    """Dense layers to probabilities; ``centre`` is what the first channels of ``body`` still have to be centred by."""
    # centring and scaling the two counts, which are the last side features, goes into weights and bias
    weight, bias = _array(head.from_side.weight), _array(head.from_body.bias)
    counts = weight[:, -len(COMPOSITION_SCALE) :]
    counts /= np.array(COMPOSITION_SCALE, np.float32)
    bias -= counts @ np.array(COMPOSITION_CENTRE, np.float32)
    if centre is not None:
        bias -= _array(head.from_body.weight)[:, : len(centre)] @ centre
    joined = w.add(
        "Add",
        [
            _dense(w, body, _array(head.from_body.weight), bias, "body_dense"),
            _dense(w, side, weight, None, "side_dense"),
        ],
        "joined",
    )
    hidden = w.add("Relu", [joined], "hidden_1")
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


def _write_network(w: GraphWriter, network: MLP | CNN | LSTM, strided: bool) -> str:
    codes, bases = _bases(w)
    positions = _both_strands(w, bases, network.first)
    if isinstance(network, LSTM):
        steps = _rectify(w, _running_max(w, positions, network.config.pool), network.bias)
        body = _last_state(w, steps, network)
    elif isinstance(network, MLP):
        scores = _at_windows(w, positions, "scores", strided) if strided else positions
        body = _rectify(w, scores, network.bias)
    else:
        best = _running_max(w, positions, WINDOW_LENGTH - network.config.filter_width + 1)
        scores = _at_windows(w, best, "scores", strided) if strided else best
        body = _knots(w, scores, network.knots)
    centre = _array(network.knots.centre) if isinstance(network, CNN) else None
    return _head(w, body, _side_features(w, codes, strided), network.head, centre)


def _branch(name: str, network: MLP | CNN | LSTM, strided: bool) -> onnx.GraphProto:
    w = GraphWriter(f"{name}_")
    output = _write_network(w, network, strided)
    return helper.make_graph(
        list(w.nodes_by_output.values()),
        name,
        [],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "windows"])],
        list(w.constants.values()),
    )


def build_graph(network: MLP | CNN | LSTM) -> onnx.ModelProto:
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
    one = helper.make_node("Equal", ["stride", "stride_one"], ["each_base"], name="each_base")
    choice = helper.make_node(
        "If", ["each_base"], ["probability"], name="probability",
        then_branch=_branch("each", network, strided=False), else_branch=_branch("strided", network, strided=True),
    )  # fmt: skip
    graph = helper.make_graph(
        [one, choice],
        f"jundscan_{network.config.family}",
        [
            helper.make_tensor_value_info("sequence", TensorProto.UINT8, ["batch", "length"]),
            helper.make_tensor_value_info("accessibility", TensorProto.FLOAT, ["batch", "windows"]),
            helper.make_tensor_value_info("stride", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", "windows"])],
        [numpy_helper.from_array(np.array(1, np.int64), "stride_one")],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jundscan train",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
