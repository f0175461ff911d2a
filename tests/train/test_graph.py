"""The exported graphs have the documented interface, and CUDA has a kernel for every operator in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, shape_inference

from jundscan.model.load import interface
from tests.train.conftest import KINDS, random_network, tiny
from train.graphs.build import build_graph
from train.graphs.side import BLOCK

# Kernels of ONNX Runtime's CUDAExecutionProvider for opset 18, of the operators that the graphs may use: the types of
# each operator's main input (T, T1 or B; of Range and Gather the data). From microsoft/onnxruntime,
# docs/OperatorKernels.md, section "Operators implemented by CUDAExecutionProvider" (commit 001d12d2623f).
FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
NUMBERS = FLOATS | {TensorProto.INT32, TensorProto.INT64, TensorProto.UINT32, TensorProto.UINT64}
SMALL = {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16}
EVERYTHING = NUMBERS | SMALL | {TensorProto.BOOL, TensorProto.BFLOAT16}
CUDA_KERNELS: dict[str, set[int]] = {
    "Add": NUMBERS | SMALL | {TensorProto.BFLOAT16},
    "And": {TensorProto.BOOL},
    "AveragePool": FLOATS,
    "Cast": EVERYTHING,  # uint8 to float among them
    "Clip": FLOATS | {TensorProto.INT64, TensorProto.INT8, TensorProto.UINT64, TensorProto.UINT8},
    "Concat": EVERYTHING,
    "Conv": FLOATS,
    "CumSum": NUMBERS,
    "Div": NUMBERS | SMALL | {TensorProto.BFLOAT16},
    "Equal": NUMBERS | {TensorProto.BOOL},  # since opset 11 float too; never uint8
    "Gather": EVERYTHING,
    "Greater": NUMBERS,
    "Less": NUMBERS,
    "Identity": EVERYTHING,
    "If": {TensorProto.BOOL},
    "IsNaN": FLOATS | {TensorProto.BFLOAT16},
    "LSTM": FLOATS,
    "Log": FLOATS,
    "Loop": {TensorProto.INT64},
    "Max": NUMBERS | {TensorProto.BFLOAT16},
    "MaxPool": FLOATS | {TensorProto.INT8, TensorProto.UINT8},  # dilated too, by a kernel of its own beside cuDNN's
    "Min": NUMBERS | {TensorProto.BFLOAT16},
    "Mul": NUMBERS | SMALL | {TensorProto.BFLOAT16},
    "Not": {TensorProto.BOOL},
    "Pad": FLOATS | {TensorProto.BOOL},
    "Range": {TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64},
    "ReduceMin": FLOATS | {TensorProto.INT32, TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8},
    "Relu": FLOATS | {TensorProto.BFLOAT16},
    "Reshape": EVERYTHING,
    "Shape": EVERYTHING,  # its result is on the host, by design
    "Sigmoid": FLOATS | {TensorProto.BFLOAT16},
    "Slice": EVERYTHING,
    "Squeeze": EVERYTHING,
    "Sub": NUMBERS | SMALL | {TensorProto.BFLOAT16},
    "Transpose": EVERYTHING,
    "Unsqueeze": EVERYTHING,
    "Where": FLOATS | {TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8},
}
VALUE_INPUT = {"Where": 1}
"""Index of the input that has the listed types, if it is not the first."""
OPSETS = range(18, 23)
"""Opsets that the kernels above are valid for. For a newer opset, read the document again."""


def subgraphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from subgraphs(attribute.g)


def element_types(graph: onnx.ModelProto) -> dict[str, int]:
    """Return the types of all values by name, in every subgraph. Names are unique."""
    inferred = shape_inference.infer_shapes(graph, strict_mode=True)
    types: dict[str, int] = {}
    for part in subgraphs(inferred.graph):
        for value in [*part.input, *part.output, *part.value_info]:
            types[value.name] = value.type.tensor_type.elem_type
        for constant in part.initializer:
            types[constant.name] = constant.data_type
    return types


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def graph(kind: str) -> onnx.ModelProto:
    return build_graph(random_network(kind), random_network("cnn", seed=1) if kind == "around" else None)


def test_inputs_and_outputs_are_those_of_the_interface(graph: onnx.ModelProto, kind: str) -> None:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    values = [*session.get_inputs(), *session.get_outputs()]
    assert {value.name: (value.type, len(value.shape)) for value in values} == interface(
        len(tiny(kind).accessibility_widths)
    )
    shapes = {value.name: value.shape for value in values}
    assert shapes["sequence"] == ["batch", "length"]
    assert shapes["probability"] == ["batch", "windows"]
    assert shapes["accessibility"] == ["batch", "windows", *(["widths"] if kind == "around" else [])]


def test_the_graph_is_valid_small_and_without_functions(graph: onnx.ModelProto) -> None:
    onnx.checker.check_model(graph, full_check=True)
    assert [(opset.domain, opset.version in OPSETS) for opset in graph.opset_import] == [("", True)]
    assert not graph.functions
    assert len(graph.SerializeToString()) < 1_000_000


def test_every_operator_has_a_cuda_kernel(graph: onnx.ModelProto) -> None:
    types = element_types(graph)
    seen = 0
    for part in subgraphs(graph.graph):
        for node in part.node:
            seen += 1
            assert node.domain == ""
            assert node.op_type in CUDA_KERNELS, f"{node.name}: no CUDA kernel listed for {node.op_type}"
            name = node.input[VALUE_INPUT.get(node.op_type, 0)]
            assert types[name] in CUDA_KERNELS[node.op_type], (
                f"{node.name}: {node.op_type} of {TensorProto.DataType.Name(types[name])}"
            )
    assert seen > 40


def test_a_missing_kernel_in_a_subgraph_is_found() -> None:
    """Equal of uint8 has no kernel."""
    branch = helper.make_graph(
        [helper.make_node("Equal", ["letters", "letters"], ["same"], name="same")],
        "branch",
        [],
        [helper.make_tensor_value_info("same", TensorProto.BOOL, ["n"])],
    )
    whole = helper.make_graph(
        [helper.make_node("If", ["yes"], ["out"], name="choice", then_branch=branch, else_branch=branch)],
        "whole",
        [
            helper.make_tensor_value_info("letters", TensorProto.UINT8, ["n"]),
            helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("out", TensorProto.BOOL, ["n"])],
    )
    only = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)])
    with pytest.raises(AssertionError, match="same: Equal of UINT8"):
        test_every_operator_has_a_cuda_kernel(only)


def test_no_convolution_or_pool_is_padded(graph: onnx.ModelProto) -> None:
    """Padding would give a window other scores alone than inside a long sequence."""
    for part in subgraphs(graph.graph):
        for node in part.node:
            if node.op_type in ("Conv", "MaxPool", "AveragePool"):
                attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
                assert not any(attributes.get("pads", [0]))
                assert attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
                assert set(attributes.get("strides", [1])) <= {1, BLOCK}


def test_weights_are_float32(graph: onnx.ModelProto) -> None:
    kinds = {onnx.numpy_helper.to_array(one).dtype for part in subgraphs(graph.graph) for one in part.initializer}
    assert kinds == {np.dtype(np.float32), np.dtype(np.int64)}
