"""Compare speed and accuracy of the default model in float32 and quantised to 8 bits, at the default stride.

Run ``python -m benchmarks.precision --data HepG2``. It writes ``benchmarks/precision.json``. Static quantisation (QDQ,
one scale per channel) is calibrated on training windows and judged on validation windows, with their neighbourhoods.
bfloat16 is not measured, because ONNX Runtime's CPU provider has no bfloat16 convolution.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.tools.onnx_model_utils import make_input_shape_fixed
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks import machine
from benchmarks.timing import interleaved, ratio, seconds_of
from benchmarks.windowed import ModelInputs
from jundscan.model.load import default_model_path, load_model
from jundscan.model.model import BATCH_BASES, Model
from jundscan.options import DEFAULT_STRIDE
from train.data.dataset import TRAIN, VALID, Windows, load_windows
from train.data.source import read_source
from train.fitting.inputs import network_accessibility, network_codes
from train.networks.architectures import KNOTS

TARGET = Path(__file__).with_name("precision.json")
CALLS = 400
REPEATS = 7
DEPTHWISE = [f"block_line_{number}" for number in range(len(KNOTS))]
"""Nodes left in float32, because depthwise convolutions gain little from quantisation."""
CALIBRATION_SEQUENCES = 40
SEQUENCE_BASES = 8_000


def branch(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return the branch called ``name`` as a model of its own, with a fixed stride."""

    def find(graph: onnx.GraphProto) -> onnx.GraphProto | None:
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    found = attribute.g if attribute.g.name == name else find(attribute.g)
                    if found is not None:
                        return found
        return None

    found = find(model.graph)
    assert found is not None
    inputs = [value for value in model.graph.input if value.name != "stride"]
    graph = onnx.helper.make_graph(found.node, name, inputs, found.output, found.initializer)
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


class Sequences(CalibrationDataReader):
    """Sequences of concatenated training windows with their flanks, and accessibility."""

    def __init__(self, seen: ModelInputs) -> None:
        rng = np.random.default_rng(0)
        span = seen.codes.shape[1]
        together = -(-SEQUENCE_BASES // span)
        windows = (together - 1) * span // DEFAULT_STRIDE + 1
        self._feeds = iter(
            {
                "sequence": seen.codes[rows].reshape(1, -1),
                "accessibility": as_input(seen.accessibility[rng.integers(0, len(seen.codes), windows)])[None],
            }
            for rows in rng.integers(0, len(seen.codes), (CALIBRATION_SEQUENCES, together))
        )

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the next sequence, or None after the last."""
        return next(self._feeds, None)


def as_input(accessibility: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop the last dimension, of widths, if there is one width."""
    return accessibility[..., 0] if accessibility.shape[-1] == 1 else accessibility


def inputs_for(model: Model, windows: Windows) -> ModelInputs:
    """Return the windows and neighbourhoods that a model sees."""
    return ModelInputs(network_codes(windows, model.flank), network_accessibility(windows, model.widths))


def _fixed(path: Path, feed: Mapping[str, NDArray[np.generic]]) -> Path:
    """Write the graph with fixed input shapes, as in the tiles of the exported graph."""
    model = onnx.load(path)
    for name, array in feed.items():
        make_input_shape_fixed(model.graph, name, array.shape)
    fixed = path.with_name(f"fixed_{path.name}")
    onnx.save(model, fixed)
    return fixed


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _predict(session: onnxruntime.InferenceSession, seen: ModelInputs) -> NDArray[np.float32]:
    output = session.get_outputs()[0].name
    batch = max(BATCH_BASES // seen.codes.shape[1], 1)
    parts = []
    for rows in (slice(first, first + batch) for first in range(0, len(seen.codes), batch)):
        mapped = as_input(seen.accessibility[rows, None])
        parts.append(
            session.run([output], {"sequence": np.ascontiguousarray(seen.codes[rows]), "accessibility": mapped})
        )
    return np.concatenate([part[0][:, 0] for part in parts])


def main() -> None:
    """Quantise, time, judge, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data set with train_dataset and valid_dataset")
    data = parser.parse_args().data
    model = load_model(device="cpu")
    train, valid = (load_windows(data / part, source=read_source(data)) for part in (TRAIN, VALID))
    known, judged = inputs_for(model, train), inputs_for(model, valid)
    count = model.metadata.tiles[str(DEFAULT_STRIDE)]
    bases = (count - 1) * DEFAULT_STRIDE + model.span
    rng = np.random.default_rng(1)
    feed: dict[str, NDArray[np.generic]] = {
        "sequence": rng.integers(0, 4, (1, bases), dtype=np.uint8),
        "accessibility": as_input(known.accessibility[rng.integers(0, len(known.codes), count)])[None],
    }
    with tempfile.TemporaryDirectory() as name:
        plain, ready, small = (Path(name) / f"{stem}.onnx" for stem in ("float32", "prepared", "int8"))
        onnx.save(branch(onnx.load(default_model_path()), "block"), plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            small,
            Sequences(known),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "MaxPool", "Add", "Relu"],
            nodes_to_exclude=DEPTHWISE,
        )
        paths = {"float32": plain, "int8": small}
        results: dict[str, Any] = {
            "machine": machine.describe(),
            "model": model.identity(),
            "stride": DEFAULT_STRIDE,
            "window_calls": CALLS,
        }

        def rate(session: onnxruntime.InferenceSession) -> float:
            output = session.get_outputs()[0].name
            seconds = seconds_of(lambda: [session.run([output], feed) for _ in range(CALLS)])
            return CALLS * count * DEFAULT_STRIDE / seconds / 1e6

        timed = {kind: _session(_fixed(path, feed)) for kind, path in paths.items()}
        speeds = interleaved({kind: partial(rate, session) for kind, session in timed.items()}, REPEATS)
        for kind, path in paths.items():
            probabilities = _predict(_session(path), judged)
            results[kind] = {
                "mbp_per_second": speeds[kind],
                "auroc": float(roc_auc_score(valid.labels, probabilities)),
                "average_precision": float(average_precision_score(valid.labels, probabilities)),
            }
        results["int8_over_float32"] = ratio(speeds["int8"], speeds["float32"])
    TARGET.write_text(json.dumps(results, indent=1) + "\n")
    print(TARGET.read_text())


if __name__ == "__main__":
    main()
