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

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from jundscan.encoding import ALPHABET, WINDOW_LENGTH
from train.graph_side import BLOCK, side_features
from train.graph_writer import GraphWriter, Stride, array, at_windows, window_indices
from train.networks import (
    CNN,
    COMPOSITION_CENTRE,
    COMPOSITION_SCALE,
    LSTM,
    MLP,
    SIDE_FEATURES,
    BothStrands,
    Head,
    Knots,
)

OPSET = 18
IR_VERSION = 9
BLOCKED_CHANNELS = 16
"""Channels of a block in ONNX Runtime's fast layout."""

Network = MLP | CNN | LSTM


def _bases(w: GraphWriter) -> str:
    """Codes as one-hot channels (B, 4, 1, L)."""
    codes = w.add("Unsqueeze", ["sequence", w.integers(1, 2)], "codes")
    numbers = w.add("Cast", [codes], "codes_float", to=TensorProto.FLOAT)
    letters = w.constant("letters", np.arange(len(ALPHABET), dtype=np.float32).reshape(1, -1, 1, 1))
    return w.add("Cast", [w.add("Equal", [numbers, letters], "is_letter")], "bases", to=TensorProto.FLOAT)


def _both_strands(w: GraphWriter, bases: str, layer: BothStrands) -> str:
    """Score every position on its better strand: (B, filters, 1, positions)."""
    forward, backward = (array(weight)[:, :, None, :] for weight in (layer.weight, layer.other_strand()))
    gain = w.add("Relu", [w.add("Conv", [bases, w.constant("gain", backward - forward)], "gain_signed")], "gain_kept")
    return w.add("Add", [w.add("Conv", [bases, w.constant("filters", forward)], "forward"), gain], "positions")


def _rectify(w: GraphWriter, values: str, bias: torch.Tensor) -> str:
    """Add a bias per channel and cut at zero."""
    return w.add(
        "Relu", [w.add("Add", [values, w.constant("bias", array(bias)[:, None, None])], "biased")], "rectified"
    )


def _knots(w: GraphWriter, scores: str, knots: Knots) -> list[str]:
    """Scores, not centred, and their broken lines, a depthwise convolution each: (B, filters, 1, windows) each."""
    lines = [scores]
    for number, (slope, bias) in enumerate(zip(array(knots.slope), array(knots.bias), strict=True)):
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
    weight, bias = array(head.from_body.weight), array(head.from_body.bias)
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
    weights = np.concatenate([weight, array(head.from_side.weight), np.zeros((len(weight), spare), np.float32)], axis=1)
    joined = w.add("Concat", [*body, scaled], "joined", axis=1)
    hidden = w.add("Relu", [_dense(w, joined, weights, bias, "dense_1")], "hidden_1")
    for number, layer in enumerate(head.between, start=2):
        assert isinstance(layer, torch.nn.Linear)
        hidden = w.add(
            "Relu", [_dense(w, hidden, array(layer.weight), array(layer.bias), f"dense_{number}")], f"hidden_{number}"
        )
    logit = w.add(
        "Squeeze",
        [_dense(w, hidden, array(head.last.weight), array(head.last.bias), "logit_4d"), w.integers(1, 2)],
        "logit",
    )
    return w.add("Sigmoid", [logit], "probability")


def _last_state(w: GraphWriter, steps: str, network: LSTM) -> str:
    """Run the LSTM over each window's steps, gathered from the sliding maxima: (B, state, 1, windows)."""
    config, lstm = network.config, network.recurrent
    count = (WINDOW_LENGTH - config.filter_width + 1) // config.pool
    starts = w.add("Unsqueeze", [window_indices(w), w.integers(1)], "starts_2d")
    offsets = w.constant("step_offsets", np.arange(count, dtype=np.int64)[None, :] * config.pool)
    places = w.add("Add", [starts, offsets], "places")  # (windows, steps)
    gathered = w.add("Gather", [w.add("Squeeze", [steps, w.integers(2)], "steps_3d"), places], "gathered", axis=2)
    ordered = w.add("Transpose", [gathered], "ordered", perm=[3, 0, 2, 1])  # (steps, B, windows, filters)
    sequence = w.add("Reshape", [ordered, w.integers(0, -1, config.filters)], "step_sequence")

    def gates(tensor: torch.Tensor) -> NDArray[np.float32]:
        """Torch orders gates input, forget, cell, output; ONNX input, output, forget, cell."""
        i, f, g, o = np.split(array(tensor), 4)
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
    return at_windows(w, best, "scores", stride) if stride == "any" else best


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
        centre = array(network.knots.centre)
    return _head(w, body, side_features(w, bases, stride), network.head, centre)


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
