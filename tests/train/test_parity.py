"""Torch and ONNX Runtime compute the same function, window by window and sliding; where not, nothing is exported."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

import train.export
from jundscan.model import load_model
from tests.train.conftest import FAMILIES, quick_fit, random_network, tiny
from train.config import Candidate
from train.export import ParityError, Provenance, check_parity, export
from train.fit import Fitted, predict
from train.graph import build_graph
from train.networks import CNN, LSTM, MLP

TOLERANCE = 1e-5
LENGTH = 3_000


def open_graph(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> tuple[MLP | CNN | LSTM, onnxruntime.InferenceSession]:
    network = random_network(request.param)
    return network, open_graph(build_graph(network))


def run(
    session: onnxruntime.InferenceSession, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int
) -> NDArray[np.float32]:
    inputs = {"sequence": codes, "accessibility": accessibility, "stride": np.array(stride, np.int64)}
    probability: NDArray[np.float32] = session.run(["probability"], inputs)[0]
    return probability


def random_codes(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, shape, dtype=np.uint8)
    codes[rng.random(shape) < 0.03] = 4
    return codes


def random_accessibility(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Percentiles with their ends and the open tail, zeros and NaN."""
    rng = np.random.default_rng(seed)
    values = rng.choice([0.0, 1.0, 0.99995, 0.999, np.nan], count).astype(np.float32)
    within = rng.random(count) < 0.5
    values[within] = rng.random(int(within.sum()), dtype=np.float32)
    return values


LARGE = [(family, 4096) for family in FAMILIES if family != "lstm"]  # beyond what an LSTM's model takes in one call


@pytest.mark.parametrize(("pair", "batch"), [*itertools.product(FAMILIES, (1, 2, 7, 512)), *LARGE], indirect=["pair"])
def test_single_windows(pair: tuple[MLP | CNN | LSTM, onnxruntime.InferenceSession], batch: int) -> None:
    network, session = pair
    codes, accessibility = random_codes(batch, 101), random_accessibility(batch)
    expected = predict(network, codes, accessibility)
    got = run(session, codes, accessibility[:, None], 1)
    assert got.dtype == np.float32
    assert got.shape == (batch, 1)
    np.testing.assert_allclose(got[:, 0], expected, rtol=0, atol=TOLERANCE)
    if batch >= 512:
        assert expected.std() > 0.02  # or the comparison would say nothing
        # a stride means nothing for one window
        np.testing.assert_allclose(
            run(session, codes, accessibility[:, None], 10)[:, 0], expected, rtol=0, atol=TOLERANCE
        )


@pytest.mark.parametrize("stride", [1, 3, 101])
@pytest.mark.parametrize("missing", [False, True])
def test_sliding(pair: tuple[MLP | CNN | LSTM, onnxruntime.InferenceSession], stride: int, missing: bool) -> None:
    network, session = pair
    sequences = random_codes(2, LENGTH, seed=stride)
    windows = np.lib.stride_tricks.sliding_window_view(sequences, 101, axis=1)[:, ::stride]
    accessibility = random_accessibility(windows.shape[0] * windows.shape[1]).reshape(windows.shape[:2])
    if missing:
        accessibility[:] = np.nan
    expected = predict(network, windows.reshape(-1, 101).copy(), accessibility.ravel())
    got = run(session, sequences, accessibility, stride)
    np.testing.assert_allclose(got.ravel(), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("stride", [2, 10])
def test_every_branch_finds_the_same(stride: int) -> None:
    """Filters are rounded so that scores are exact: branches may differ by what the head rounds, and no more."""
    network = random_network("cnn")
    network.first.round_weights()
    session = open_graph(build_graph(network))
    codes, accessibility = random_codes(1, LENGTH), random_accessibility(LENGTH - 100)
    every = run(session, codes, accessibility[None], 1)[0, ::stride]
    np.testing.assert_allclose(run(session, codes, accessibility[None, ::stride], stride)[0], every, rtol=0, atol=5e-7)


@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_both_strands_are_scored(family: str) -> None:
    """A window and its reverse complement score alike (an LSTM reads its steps in one direction)."""
    network = random_network(family)
    codes, accessibility = random_codes(64, 101), random_accessibility(64)
    turned = np.where(codes == 4, 4, 3 - codes)[:, ::-1].astype(np.uint8)
    np.testing.assert_allclose(
        predict(network, codes, accessibility), predict(network, turned.copy(), accessibility), rtol=0, atol=1e-6
    )


def make_fitted(family: str) -> Fitted:
    state = random_network(family).state_dict()
    scores = {"weighted_accuracy": 0.5, "auroc": 0.5, "average_precision": 0.5}
    curve: list[dict[str, Any]] = [{"epoch": 1, "loss": 0.7, "valid": scores, "valid_sequence_only": scores}]
    return Fitted(Candidate(tiny(family), quick_fit()), state, 1, curve)


@pytest.mark.parametrize("family", FAMILIES)
def test_export_writes_nothing_on_disagreement(
    family: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_graph(network: MLP | CNN | LSTM) -> onnx.ModelProto:
        with torch.no_grad():
            network.head.last.weight += 0.05
        graph = build_graph(network)
        with torch.no_grad():
            network.head.last.weight -= 0.05
        return graph

    monkeypatch.setattr(train.export, "build_graph", wrong_graph)
    monkeypatch.setattr(train.export, "PARITY_BATCHES", {family: (7,)})
    monkeypatch.setattr(train.export, "PARITY_LENGTHS", {family: 500})
    fitted = make_fitted(family)
    provenance = Provenance("1.0.0", ("TinyCells",), "made-up", "0" * 64, data_folder / "valid_dataset")
    with pytest.raises(ParityError, match=r"torch and ONNX Runtime differ by .*nothing was exported"):
        export(fitted, tmp_path / "exported" / "wrong", provenance)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (tmp_path / "exported" / "wrong").exists()


def test_nan_is_a_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    """No comparison with NaN is true, ``difference > limit`` neither."""
    monkeypatch.setattr(train.export, "PARITY_BATCHES", {"cnn": (7,)})
    monkeypatch.setattr(train.export, "PARITY_LENGTHS", {"cnn": 500})
    network = make_fitted("cnn").network()
    model = load_model(device="cpu")
    with torch.no_grad():
        network.head.last.bias.fill_(float("nan"))
    with pytest.raises(ParityError, match="differ by nan"):
        check_parity(network, "cnn", model)
