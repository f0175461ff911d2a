"""The networks as sliding ONNX graphs: one graph for single windows and whole chromosomes.

A graph computes everything that depends on a base once, whatever the number of windows that share the base:
one-hot letters, filters on both strands, running maxima and sums. Only the head runs per window.

Five choices make it fast on ONNX Runtime's CPU provider (measured in ``benchmarks/``); none changes the function:

- Convolutions and pools are 4-D with channels in multiples of 16, which puts them into its blocked layout.
- The four letters are rows of one image instead of channels: a convolution over channels goes through its output once
  for each of them.
- The better strand is ``forward + relu(backward - forward)``: the difference is a convolution of its own, so that
  no operator outside the blocked layout comes between convolution and pool. Where pooling comes first, both strands are
  channels of one convolution, and the better one is chosen among what is left.
- The maximum over P positions is a chain of dilated pools, of about 9 + 9 + 2 comparisons instead of P.
- The head's first layer is a sum of one convolution for each of its inputs, so that nothing is joined before it; long
  rows go through in tiles, where the sums cost nothing (``graph_tiles.py``).

Windows at any stride are gathered after pooling. At stride 1 nothing needs gathering, and at the default stride blocks
can be pooled first: these two have branches of their own.
Every operator has a CUDA kernel (``tests/train/test_graph.py`` lists them).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from jundscan.encoding import ALPHABET, WINDOW_LENGTH
from train.graph_side import BLOCK, accessibility_steps, dinucleotide_counts, side_weights
from train.graph_tiles import plain, tiled
from train.graph_writer import PROBABILITIES, GraphWriter, Stride, array, at_windows, window_indices
from train.networks import CNN, LSTM, MLP, BothStrands, Head, Knots

OPSET = 18
IR_VERSION = 9
TILES: dict[Stride, int] = {"each": 4096, "block": 1024}
"""Windows of a long row that are scored together: what is fastest (measured)."""

Network = MLP | CNN | LSTM


def _bases(w: GraphWriter) -> str:
    """Codes as an image of one-hot rows, one a letter (B, 1, 4, L)."""
    codes = w.add("Unsqueeze", [w.sequence, w.integers(1, 2)], "codes")
    numbers = w.add("Cast", [codes], "codes_float", to=TensorProto.FLOAT)
    letters = w.constant("letters", np.arange(len(ALPHABET), dtype=np.float32).reshape(1, 1, -1, 1))
    return w.add("Cast", [w.add("Equal", [numbers, letters], "is_letter")], "bases", to=TensorProto.FLOAT)


def _strands(layer: BothStrands) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Filters of the given and of the other strand, over the image of letters: (filters, 1, 4, width) each."""
    return array(layer.weight)[:, None], array(layer.other_strand())[:, None]


def _better_strand(w: GraphWriter, bases: str, layer: BothStrands) -> str:
    """Score every position on its better strand: (B, filters, 1, positions)."""
    forward, backward = _strands(layer)
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


def _head(
    w: GraphWriter, body: list[str], bases: str, stride: Stride, head: Head, centre: NDArray[np.float32] | None
) -> str:
    """Dense layers to probabilities; ``centre`` is what the first channels of the body still have to be centred by."""
    weight, bias = array(head.from_body.weight), array(head.from_body.bias)
    if centre is not None:
        bias -= weight[:, : len(centre)] @ centre
    from_side, shift = side_weights(head)
    weights = [*np.split(weight, len(body), axis=1), *np.split(from_side, 2, axis=1)]
    parts = [*body, accessibility_steps(w), dinucleotide_counts(w, bases, stride)]
    hidden = _dense(w, parts[0], weights[0], bias + shift, "dense_1_0")
    for number in range(1, len(parts)):
        more = _dense(w, parts[number], weights[number], None, f"dense_1_{number}")
        hidden = w.add("Add", [more, hidden], f"dense_1_sum_{number}")
    hidden = w.add("Relu", [hidden], "hidden_1")
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
        [w.add("Shape", [w.accessibility], "shape"), w.integers(config.state, 1)],
        "state_shape",
        axis=0,
    )
    apart = w.add("Reshape", [last, shape], "states_apart")  # (B, windows, state, 1)
    return w.add("Transpose", [apart], "state", perm=[0, 2, 3, 1])


def _best_scores(w: GraphWriter, bases: str, network: CNN, stride: Stride) -> str:
    """Score every window by each filter's best position on either strand: (B, filters, 1, windows)."""
    span = _span(network)
    if stride != "block":
        best = _running_max(w, _better_strand(w, bases, network.first), span)
        return at_windows(w, best, "scores") if stride == "any" else best
    # blocks first: only one value in ten is left to pool, few enough to choose between the strands last
    strands = w.add("Conv", [bases, w.constant("both_strands", np.concatenate(_strands(network.first)))], "strands")
    best = w.add("MaxPool", [strands], "block_max", kernel_shape=[1, BLOCK], strides=[1, BLOCK])
    best = w.add("MaxPool", [best], "strand_scores", kernel_shape=[1, span // BLOCK])
    filters = network.config.filters
    forward, backward = (
        w.add("Slice", [best, w.integers(first), w.integers(first + filters), w.integers(1)], name)
        for first, name in ((0, "forward_scores"), (filters, "backward_scores"))
    )
    return w.add("Max", [forward, backward], "scores")


def _write_network(w: GraphWriter, network: Network, stride: Stride) -> str:
    bases = _bases(w)
    centre = None
    if isinstance(network, LSTM):
        positions = _better_strand(w, bases, network.first)
        steps = _rectify(w, _running_max(w, positions, network.config.pool), network.bias)
        body = [_last_state(w, steps, network)]
    elif isinstance(network, MLP):
        positions = _better_strand(w, bases, network.first)
        scores = at_windows(w, positions, "scores") if stride == "any" else positions
        body = [_rectify(w, scores, network.bias)]
    else:
        body = _knots(w, _best_scores(w, bases, network, stride), network.knots)
        centre = array(network.knots.centre)
    return _head(w, body, bases, stride, network.head, centre)


def _span(network: CNN) -> int:
    """Number of positions of a filter in a window."""
    return WINDOW_LENGTH - network.config.filter_width + 1


def tiles(network: Network) -> dict[int, int]:
    """Give the windows of a tile by stride, for the strides that have branches of their own."""
    if isinstance(network, LSTM):  # gathers its steps at every stride alike
        return {}
    in_blocks = isinstance(network, CNN) and _span(network) % BLOCK == 0
    return {1: TILES["each"]} | ({BLOCK: TILES["block"]} if in_blocks else {})


def _by_length(stride: int, tile: int, network: Network) -> onnx.GraphProto:
    """Write one stride's branch: long rows in tiles, others as they are."""
    name: Stride = "each" if stride == 1 else "block"
    write = partial(_write_network, network=network, stride=name)
    w = GraphWriter(f"{name}_long_")
    windows = w.add("Squeeze", [w.add("Shape", ["accessibility"], "shape", start=1, end=2), w.integers(0)], "windows")
    least = w.constant("tile", np.array(tile - 1, np.int64))
    output = w.choose(
        w.add("Greater", [windows, least], "is_long"),
        tiled(f"{name}_tiles_", write, stride, tile),
        plain(f"{name}_", write),
    )
    return w.graph([(output, *PROBABILITIES)])


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
    otherwise = plain("any_", partial(_write_network, network=network, stride="any"))
    for stride, tile in reversed(tiles(network).items()):
        w = GraphWriter(f"stride_{stride}_")
        is_this = w.add("Equal", ["stride", w.constant("value", np.array(stride, np.int64))], "asked")
        output = w.choose(is_this, _by_length(stride, tile, network), otherwise)
        otherwise = w.graph([(output, *PROBABILITIES)])
    otherwise.node.append(helper.make_node("Identity", [otherwise.output[0].name], ["probability"], name="probability"))
    graph = helper.make_graph(
        otherwise.node,
        f"jundscan_{network.config.family}",
        [
            helper.make_tensor_value_info("sequence", TensorProto.UINT8, ["batch", "length"]),
            helper.make_tensor_value_info("accessibility", TensorProto.FLOAT, ["batch", "windows"]),
            helper.make_tensor_value_info("stride", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("probability", *PROBABILITIES)],
        otherwise.initializer,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jundscan train",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
