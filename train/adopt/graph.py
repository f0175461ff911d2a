"""Put a user's network into a graph that slides: windows are gathered inside it, at any stride.

PyTorch exports the user's network for single windows. The rest is written node by node, because the exporter freezes
lengths and leaves out inputs that the network does not use.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.model.load import open_session
from train.adopt.network import AdoptedNetwork, describe_error, probe
from train.export.model_folder import MAX_PARITY_DIFFERENCE
from train.graphs.build import IR_VERSION, OPSET
from train.graphs.writer import PROBABILITIES, GraphWriter, window_indices

OWN = "own_"
"""Prefix of all names in the user's part of the graph."""
NAMES = ("X", "a")
"""Inputs of the user's part."""
CHECKED_ROWS = (9, 3, 40)


def build_adopted_graph(network: AdoptedNetwork, name: str) -> onnx.ModelProto:
    """Write a user's network as an ONNX model with the interface of :func:`train.graphs.build.build_graph`.

    Parameters
    ----------
    network : AdoptedNetwork
        In evaluation mode.
    name : str
        Names the network in messages.

    Raises
    ------
    InputError
        When PyTorch cannot export the network, for example because ONNX lacks an operator.
    """
    own = _export_own(network, name)
    w = GraphWriter("windows_")
    made = {"X": _bases(w, network.takes == "one-hot")}
    if network.reads_accessibility:
        made["a"] = _accessibility(w, network.missing)
    for value in own.graph.input:  # the exporter leaves out an input that the network does not use
        inner = value.name.removeprefix(OWN)
        w.nodes_by_output[value.name] = helper.make_node("Identity", [made[inner]], [value.name], name=value.name)
    end = GraphWriter("scores_")
    shape = end.add("Shape", ["accessibility"], "shape")
    logit = end.add("Reshape", [own.graph.output[0].name, shape], "logit")
    end.nodes_by_output["probability"] = helper.make_node("Sigmoid", [logit], ["probability"], name="probability")
    graph = helper.make_graph(
        [*w.nodes_by_output.values(), *own.graph.node, *end.nodes_by_output.values()],
        "jundscan_adopted",
        [
            helper.make_tensor_value_info("sequence", TensorProto.UINT8, ["batch", "length"]),
            helper.make_tensor_value_info("accessibility", TensorProto.FLOAT, ["batch", "windows"]),
            helper.make_tensor_value_info("stride", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("probability", *PROBABILITIES)],
        [*w.constants.values(), *own.graph.initializer, *end.constants.values()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="jundscan train"
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as err:
        raise InputError(f"{name}: its ONNX graph is not valid ({describe_error(err)})") from err
    return model


@torch.no_grad()
def check_graph(graph: onnx.ModelProto, network: AdoptedNetwork, name: str) -> None:
    """Check on a few windows that a graph scores as torch does. The full check follows the fit.

    Raises
    ------
    InputError
        When it does not.
    """
    session = open_session(graph.SerializeToString(), Path(name), "cpu")
    for rows in CHECKED_ROWS:
        codes, accessibility = probe(rows)
        inputs = {"sequence": codes.numpy(), "accessibility": accessibility.numpy(), "stride": np.array(1, np.int64)}
        try:
            found = session.run(None, inputs)[0][:, 0]
        except Exception as err:  # ONNX Runtime's errors share no base but Exception
            raise InputError(f"{name}: its ONNX graph fails on {rows} windows ({describe_error(err)})") from err
        difference = np.abs(found - network(codes, accessibility).sigmoid().numpy()).max()
        if not difference <= MAX_PARITY_DIFFERENCE:
            raise InputError(f"{name}: its scores in ONNX differ from those in torch by {difference:.2g}")


def _bases(w: GraphWriter, one_hot: bool) -> str:
    """Write the windows' bases: codes (B * windows, 101), or one-hot (B * windows, 101, 4)."""
    starts = w.add("Unsqueeze", [window_indices(w), w.integers(1)], "starts")
    offsets = w.constant("offsets", np.arange(WINDOW_LENGTH, dtype=np.int64)[None, :])
    places = w.add("Add", [starts, offsets], "places")  # (windows, 101)
    gathered = w.add("Gather", ["sequence", places], "gathered", axis=1)  # (B, windows, 101)
    codes = w.add("Reshape", [gathered, w.integers(-1, WINDOW_LENGTH)], "codes")
    if not one_hot:
        return codes
    # float, because there is no kernel of Equal for uint8 on a card
    numbers = w.add("Cast", [w.add("Unsqueeze", [codes, w.integers(2)], "codes_3d")], "numbers", to=TensorProto.FLOAT)
    letters = w.constant("letters", np.arange(len(ALPHABET), dtype=np.float32))
    return w.add("Cast", [w.add("Equal", [numbers, letters], "is_letter")], "bases", to=TensorProto.FLOAT)


def _accessibility(w: GraphWriter, missing: float) -> str:
    """Write the windows' accessibility (B * windows, 1), without NaN."""
    value = w.add("Reshape", ["accessibility", w.integers(-1, 1)], "given")
    return w.add("Where", [w.add("IsNaN", [value], "is_missing"), w.scalar(missing), value], "known")


def _export_own(network: AdoptedNetwork, name: str) -> onnx.ModelProto:
    """Export the user's network for any number of windows, with names that begin with :data:`OWN`."""
    inputs = network.prepare(*probe())
    rows = torch.export.Dim("rows", min=1)
    try:
        with _silence():
            program = torch.onnx.export(
                network.own,
                inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=NAMES[: len(inputs)],
                output_names=["logit"],
                dynamic_shapes=tuple({0: rows} for _ in inputs),
                verbose=False,
            )
        assert program is not None
        exported = program.model_proto
    except Exception as err:  # the exporter's errors share no base but Exception
        raise InputError(f"{name}: PyTorch cannot export it to ONNX ({describe_error(_root(err))})") from err
    if exported.functions:
        exported = onnx.inliner.inline_local_functions(exported)
    used = {opset.domain or "ai.onnx": opset.version for opset in exported.opset_import}
    if used != {"ai.onnx": OPSET}:
        found = ", ".join(f"{domain} {version}" for domain, version in used.items())
        raise InputError(f"{name}: needs operators of {found}; a model may use those of ONNX {OPSET} only")
    own: onnx.ModelProto = onnx.compose.add_prefix(exported, OWN)
    return own


def _root(err: BaseException) -> BaseException:
    """Return the first error of a chain. The exporter's own message fills a screen."""
    while err.__cause__ is not None:
        err = err.__cause__
    return err


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what the exporter prints, warns of and logs from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
