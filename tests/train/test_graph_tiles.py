"""Long rows in tiles score the same bits as short rows, and ONNX Runtime folds their sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.model.model import WINDOW_MULTIPLE
from tests.train.conftest import KINDS, random_network, tiny
from tests.train.test_graph import subgraphs
from train.graphs.build import TILES, build_graph, tile_sizes
from train.graphs.side import BLOCK

SHORT = 48
TILE_OF = {1: TILES["each"], BLOCK: TILES["block"]}


@pytest.fixture(scope="module", params=["cnn", "mlp", "around"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def graph(family: str) -> onnx.ModelProto:
    return build_graph(random_network(family))


def run(
    session: onnxruntime.InferenceSession, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int
) -> NDArray[np.float32]:
    inputs = {"sequence": codes, "accessibility": accessibility, "stride": np.array(stride, np.int64)}
    probabilities: NDArray[np.float32] = session.run(["probability"], inputs)[0]
    return probabilities


@pytest.mark.parametrize("stride", [1, BLOCK])
@pytest.mark.parametrize(
    ("rows", "whole", "more"),
    [(1, 1, 0), (1, 1, WINDOW_MULTIPLE), (1, 2, -WINDOW_MULTIPLE), (2, 2, 0), (3, 2, 5 * WINDOW_MULTIPLE), (1, 3, 1)],
)
def test_tiles_score_the_same_bits_as_short_rows(
    graph: onnx.ModelProto, family: str, stride: int, rows: int, whole: int, more: int
) -> None:
    span, widths = WINDOW_LENGTH + 2 * tiny(family).flank, len(tiny(family).accessibility_widths)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    windows = whole * TILE_OF[stride] + more
    rng = np.random.default_rng(windows)
    codes = rng.integers(0, UNKNOWN + 1, (rows, (windows - 1) * stride + span), dtype=np.uint8)
    shape = (rows, windows) if widths == 1 else (rows, windows, widths)
    accessibility = rng.random(shape, dtype=np.float32)
    accessibility[rng.random(shape) < 0.2] = np.nan
    found = run(session, codes, accessibility, stride)
    assert found.shape == (rows, windows)
    for first in range(0, windows - SHORT + 1, SHORT):  # whole vectors only, because SIMD rounds remainders differently
        bases = slice(first * stride, (first + SHORT - 1) * stride + span)
        expected = run(session, codes[:, bases], accessibility[:, first : first + SHORT], stride)
        np.testing.assert_array_equal(found[:, first : first + SHORT], expected)


@pytest.mark.parametrize("every", KINDS)
def test_strides_with_tiles_have_loops(every: str) -> None:
    network = random_network(every)
    loops = [node for part in subgraphs(build_graph(network).graph) for node in part.node if node.op_type == "Loop"]
    assert len(loops) == len(tile_sizes(network))


def test_sums_are_folded_into_convolutions(graph: onnx.ModelProto, tmp_path: Path) -> None:
    """With all shapes known, ONNX Runtime folds every sum of two convolutions, which makes tiles fast."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # hides the warning that the optimised graph is for this processor only
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    bodies = [part for part in subgraphs(onnx.load(tmp_path / "optimised.onnx").graph) if part.name.endswith("_tile")]
    if not any(node.domain == "com.microsoft.nchwc" for part in bodies for node in part.node):
        pytest.skip("ONNX Runtime has no blocked layout on this processor")
    folded = [node for part in bodies for node in part.node if node.op_type == "Conv" and len(node.input) == 4]
    assert len(bodies) >= 1
    assert len(folded) >= 2 * len(bodies)
    left = [node.name for part in bodies for node in part.node if node.op_type == "Add" and "dense" in node.name]
    assert not left
