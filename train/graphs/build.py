"""Write the networks as sliding ONNX graphs: one graph for single windows and for whole chromosomes.

One-hot letters, filters on both strands, running maxima and sums are computed once per base, however many windows share
the base. Only the head runs per window.

Five choices make the graph fast on ONNX Runtime's CPU provider (measured in ``benchmarks/``). None changes the
function:

- Convolutions and pools are 4-D with channels in multiples of 16, which ONNX Runtime runs in its blocked layout.
- The four letters are rows of one image instead of channels, because a convolution passes over its output once per
  channel.
- The better strand is ``forward + relu(backward - forward)``. The difference is a convolution of its own, so that
  no operator between convolution and pool leaves the blocked layout. Where pooling comes first, both strands are
  channels of one convolution, and the maximum over strands follows the pool.
- The maximum over P positions is a chain of dilated pools, with about 9 + 9 + 2 comparisons instead of P.
- The head's first layer is a sum of one convolution per input, so that inputs are not concatenated. Long rows run in
  tiles, where the sums are free (``train/graphs/tiles.py``).

Windows at any stride are gathered after pooling. Stride 1 needs no gathering, and the default stride pools blocks
first, so these two have branches of their own. Every operator has a CUDA kernel (``tests/train/test_graph.py`` lists
them).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from train.graphs.alone import score_bare_windows, shortcut_for_bare_batch
from train.graphs.side import BLOCK, STEPS, accessibility_steps, dinucleotide_counts, side_weights
from train.graphs.tiles import build_tiled, build_untiled
from train.graphs.writer import PROBABILITIES, GraphWriter, Stride, array, at_windows, crop, window_indices
from train.networks.architectures import CNN, LSTM, MLP, BothStrands, Knots, Network

OPSET = 18
IR_VERSION = 9
TILES: dict[Stride, int] = {"each": 4096, "block": 1024}
"""Windows per tile of a long row, the fastest of those measured."""


def _bases(w: GraphWriter) -> str:
    """Write codes as an image with one row per letter, (B, 1, 4, L)."""
    codes = w.add("Unsqueeze", [w.sequence, w.integers(1, 2)], "codes")
    numbers = w.add("Cast", [codes], "codes_float", to=TensorProto.FLOAT)
    letters = w.constant("letters", np.arange(len(ALPHABET), dtype=np.float32).reshape(1, 1, -1, 1))
    return w.add("Cast", [w.add("Equal", [numbers, letters], "is_letter")], "bases", to=TensorProto.FLOAT)


def _strands(layer: BothStrands) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the filters of the forward and of the backward strand, (filters, 1, 4, width) each."""
    forward, backward = np.split(array(layer.strands())[:, None], 2)
    return forward, backward


def _better_strand(w: GraphWriter, bases: str, layer: BothStrands) -> str:
    """Write the score of every position on its better strand, (B, filters, 1, positions)."""
    forward, backward = _strands(layer)
    gain = w.add("Relu", [w.add("Conv", [bases, w.constant("gain", backward - forward)], "gain_signed")], "gain_kept")
    return w.add("Add", [w.add("Conv", [bases, w.constant("filters", forward)], "forward"), gain], "positions")


def _better_half(w: GraphWriter, strands: str, filters: int) -> str:
    """Write the maximum of the forward strand's channels and the backward strand's, which follow them."""
    forward, backward = (
        w.add("Slice", [strands, w.integers(first), w.integers(first + filters), w.integers(1)], name)
        for first, name in ((0, "forward_scores"), (filters, "backward_scores"))
    )
    return w.add("Max", [forward, backward], "positions")


def _rectify(w: GraphWriter, values: str, bias: torch.Tensor) -> str:
    """Write a bias per channel and a ReLU."""
    return w.add(
        "Relu", [w.add("Add", [values, w.constant("bias", array(bias)[:, None, None])], "biased")], "rectified"
    )


def _knots(w: GraphWriter, scores: str, knots: Knots) -> list[str]:
    """Write how far scores are above each knot, as depthwise convolutions: (B, scores, 1, windows) each."""
    lines = []
    for number, (slope, bias) in enumerate(zip(array(knots.slope), array(knots.bias), strict=True)):
        inputs = [scores, w.constant(f"slope_{number}", slope[:, None, None, None]), w.constant(f"knot_{number}", bias)]
        lines.append(w.add("Relu", [w.add("Conv", inputs, f"line_{number}", group=len(slope))], f"above_{number}"))
    return lines


def _running_max(w: GraphWriter, values: str, width: int, span: int = 1) -> str:
    """Write the maximum of every ``width`` neighbouring positions, from maxima of ``span`` positions.

    One dilated pool of at most 9 taps if that is enough, else a chain of such pools.
    """
    while span < width:
        step = next((n for n in range(1, 9) if (width - span) % n == 0 and (width - span) // n <= span), None)
        if span > 1 and step is not None:
            taps, dilation = step + 1, (width - span) // step
        else:
            taps = min(9, width // span) if span * 2 <= width else 2
            dilation = span if span * 2 <= width else width - span
        values = w.add("MaxPool", [values], f"max_{span}_{taps}", kernel_shape=[1, taps], dilations=[1, dilation])
        span += (taps - 1) * dilation
    return values


def last_state(w: GraphWriter, steps: str, network: LSTM) -> str:
    """Write the LSTM over each window's steps, gathered from the sliding maxima: (B, state, 1, windows)."""
    config, lstm = network.config, network.recurrent
    count = (WINDOW_LENGTH - config.filter_width + 1) // config.pool
    starts = w.add("Unsqueeze", [window_indices(w), w.integers(1)], "starts_2d")
    offsets = w.constant("step_offsets", np.arange(count, dtype=np.int64)[None, :] * config.pool)
    indices = w.add("Add", [starts, offsets], "places")  # (windows, steps)
    gathered = w.add("Gather", [w.add("Squeeze", [steps, w.integers(2)], "steps_3d"), indices], "gathered", axis=2)
    ordered = w.add("Transpose", [gathered], "ordered", perm=[3, 0, 2, 1])  # (steps, B, windows, filters)
    sequence = w.add("Reshape", [ordered, w.integers(0, -1, config.filters)], "step_sequence")

    def gates(tensor: torch.Tensor) -> NDArray[np.float32]:
        """Reorder gates from torch (input, forget, cell, output) to ONNX (input, output, forget, cell)."""
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
        "Concat", [w.add("Shape", [w.accessibility], "shape"), w.integers(config.state, 1)], "state_shape", axis=0
    )
    apart = w.add("Reshape", [last, shape], "states_apart")  # (B, windows, state, 1)
    return w.add("Transpose", [apart], "state", perm=[0, 2, 3, 1])


def _dense(
    w: GraphWriter, values: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None, name: str
) -> str:
    """Write a dense layer at every window, as a 1 x 1 convolution."""
    inputs = [values, w.constant(f"{name}_weight", weight[:, :, None, None])]
    if bias is not None:
        inputs.append(w.constant(f"{name}_bias", bias))
    return w.add("Conv", inputs, name)


def _head(w: GraphWriter, body: list[str], counts: list[str], network: Network) -> str:
    """Write the head: dense layers to probabilities."""
    head, config = network.head, network.config
    side, shift = side_weights(head, config)
    weights = [*np.split(array(head.from_body.weight), len(body), axis=1), *side]
    steps = accessibility_steps(w, len(config.accessibility_widths))
    parts = [*body, steps, *counts]
    hidden = _dense(w, parts[0], weights[0], array(head.from_body.bias) + shift, "dense_1_0")
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


def _best_scores(w: GraphWriter, bases: str, network: CNN, stride: Stride) -> str:
    """Write each filter's best score in every window on either strand, range after range.

    Returns
    -------
    str
        Name of values (B, ranges * filters, 1, windows).
    """
    config, unit = network.config, BLOCK if stride == "block" else 1
    if stride == "block":
        # pooling blocks first leaves one value in ten for the maximum over strands and for further pools
        both = w.constant("both_strands", np.concatenate(_strands(network.first)))
        strands = w.add("Conv", [bases, both], "strands")
        strands = w.add("MaxPool", [strands], "block_max", kernel_shape=[1, BLOCK], strides=[1, BLOCK])
        best = _better_half(w, strands, config.filters)
    else:
        best = _better_strand(w, bases, network.first)
    span, ranges = 1, []
    for reach in config.ranges:
        width = (_positions(network) + 2 * reach) // unit
        best, span = _running_max(w, best, width, span), width
        margin = (config.flank - reach) // unit
        if stride == "any":
            ranges.append(at_windows(w, best, f"scores_{reach}", margin))
        else:
            ranges.append(crop(w, best, f"scores_{reach}", margin, config.filters))
    return ranges[0] if len(ranges) == 1 else w.add("Concat", ranges, "scores", axis=1)


def _write_network(w: GraphWriter, network: Network, stride: Stride, alone: Network | None = None) -> str:
    """Write a network. ``alone`` scores bare windows, whose neighbourhood is unknown."""
    bases = _bases(w)
    if isinstance(network, CNN):
        body = _knots(w, _best_scores(w, bases, network, stride), network.knots)
    elif isinstance(network, LSTM):
        positions = _better_strand(w, bases, network.first)
        steps = _rectify(w, _running_max(w, positions, network.config.pool), network.bias)
        body = [last_state(w, steps, network)]
    else:
        assert isinstance(network, MLP)
        positions = _better_strand(w, bases, network.first)
        scores = at_windows(w, positions, "scores") if stride == "any" else positions
        body = [_rectify(w, scores, network.bias)]
    counts = dinucleotide_counts(w, bases, stride, network.config)
    probability = _head(w, body, counts, network)
    if alone is None:
        return probability
    of_alone = partial(_write_network, network=alone, stride=stride)
    return score_bare_windows(w, probability, counts, of_alone, network.config.flank)


def _positions(network: CNN) -> int:
    """Return the number of positions of a filter in a window."""
    return WINDOW_LENGTH - network.config.filter_width + 1


def tile_sizes(network: Network) -> dict[int, int]:
    """Return the windows per tile by stride, for the strides that have branches of their own."""
    if isinstance(network, LSTM):  # it gathers its steps at every stride
        return {}
    in_blocks = isinstance(network, CNN) and _positions(network) % BLOCK == 0
    return {1: TILES["each"]} | ({BLOCK: TILES["block"]} if in_blocks else {})


def _by_length(stride: int, tile: int, network: Network, alone: Network | None) -> onnx.GraphProto:
    """Write one stride's branch, with long rows in tiles and others whole."""
    name: Stride = "each" if stride == 1 else "block"
    write = partial(_write_network, network=network, stride=name, alone=alone)
    w = GraphWriter(f"{name}_long_")
    windows = w.add("Squeeze", [w.add("Shape", ["accessibility"], "shape", start=1, end=2), w.integers(0)], "windows")
    least = w.constant("tile", np.array(tile - 1, np.int64))
    output = w.choose(
        w.add("Greater", [windows, least], "is_long"),
        build_tiled(
            f"{name}_tiles_",
            write,
            stride,
            tile,
            WINDOW_LENGTH + 2 * network.config.flank,
            len(network.config.accessibility_widths),
        ),
        build_untiled(f"{name}_", write),
    )
    return w.graph([(output, *PROBABILITIES)])


def build_summary(network: CNN) -> onnx.ModelProto:
    """Write :meth:`train.networks.architectures.Network.summary` as an ONNX model for single windows.

    Returns
    -------
    onnx.ModelProto
        ``sequence`` uint8 (batch, 101 + 2 flank) -> ``summary`` float32 (batch, n).
    """
    w = GraphWriter("")
    bases = _bases(w)
    parts = [_best_scores(w, bases, network, "block"), *dinucleotide_counts(w, bases, "block", network.config)]
    joined = w.add("Concat", parts, "joined", axis=1)
    return _model_of_windows(w, joined, "summary")


def build_best_scores(strands: NDArray[np.float32]) -> onnx.ModelProto:
    """Write each filter's best score in windows, on either strand.

    Parameters
    ----------
    strands : numpy.ndarray, shape=(2 * filters, 4, width), dtype=float32
        Filters of the forward strand, then those of the backward strand.

    Returns
    -------
    onnx.ModelProto
        ``sequence`` uint8 (batch, length) -> ``best_scores`` float32 (batch, filters).
    """
    w = GraphWriter("")
    both = w.constant("both_strands", strands[:, None])
    best = w.add("GlobalMaxPool", [w.add("Conv", [_bases(w), both], "strands")], "best")
    return _model_of_windows(w, _better_half(w, best, len(strands) // 2), "best_scores")


def _model_of_windows(w: GraphWriter, values: str, name: str) -> onnx.ModelProto:
    """Make a model for single windows that returns ``values`` (batch, …) as a table."""
    graph = w.graph([(w.add("Flatten", [values], name), TensorProto.FLOAT, ["batch", "features"])])
    graph.name = f"jundscan_{name}"
    graph.input.append(helper.make_tensor_value_info("sequence", TensorProto.UINT8, ["batch", "length"]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def build_graph(network: Network, alone: Network | None = None) -> onnx.ModelProto:
    """Write a trained network as an ONNX model with the interface ``jundscan.model.model`` expects.

    Parameters
    ----------
    network : MLP, CNN or LSTM
        In evaluation mode; its weights are copied.
    alone : CNN, optional
        Scores the windows beside which nothing is known, as :class:`train.networks.architectures.NetworkPair` does; it
        sees no more than the window. The widest range that ``network`` counts letters in is its flank.

    Returns
    -------
    onnx.ModelProto
        ``sequence`` uint8 (batch, length), ``accessibility`` float32 (batch, windows) or, for several widths, (batch,
        windows, widths), ``stride`` int64 () -> ``probability`` float32 (batch, windows); checked by ``onnx.checker``.
    """
    config = network.config
    if any(reach % BLOCK for reach in config.ranges) or any(2 * r % STEPS for r in config.composition_ranges):
        raise ValueError(f"ranges must be multiples of {BLOCK}, and composition ranges multiples of {STEPS // 2}")
    if alone is not None and config.flank not in config.composition_ranges:
        raise ValueError("composition_ranges must hold the flank, because its counts show which windows are bare")
    several = len(config.accessibility_widths) > 1
    otherwise = build_untiled("any_", partial(_write_network, network=network, stride="any", alone=alone))
    for stride, tile in reversed(tile_sizes(network).items()):
        w = GraphWriter(f"stride_{stride}_")
        is_this = w.add("Equal", ["stride", w.constant("value", np.array(stride, np.int64))], "asked")
        output = w.choose(is_this, _by_length(stride, tile, network, alone), otherwise)
        otherwise = w.graph([(output, *PROBABILITIES)])
    if alone is not None:
        otherwise = shortcut_for_bare_batch(
            partial(_write_network, network=alone, stride="block"), config.flank, otherwise
        )
    otherwise.node.append(helper.make_node("Identity", [otherwise.output[0].name], ["probability"], name="probability"))
    graph = helper.make_graph(
        otherwise.node,
        f"jundscan_{network.config.family}",
        [
            helper.make_tensor_value_info("sequence", TensorProto.UINT8, ["batch", "length"]),
            helper.make_tensor_value_info(
                "accessibility", TensorProto.FLOAT, ["batch", "windows", *(["widths"] if several else [])]
            ),
            helper.make_tensor_value_info("stride", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("probability", *PROBABILITIES)],
        otherwise.initializer,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="jundscan train"
    )
    onnx.checker.check_model(model, full_check=True)
    return model
