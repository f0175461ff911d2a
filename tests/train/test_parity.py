"""Torch and ONNX Runtime compute the same function, on single windows and along a sequence."""

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

import train.export.model_folder
from jundscan.model.load import load_model
from jundscan.model.metadata import MODES
from tests.train.conftest import (
    FAMILIES,
    KINDS,
    QUICK_PARITY,
    predict_windows,
    quick_fit,
    random_network,
    span_of,
    tiny,
)
from train.config import Candidate, NetworkConfig
from train.export.model_folder import ParityError, Provenance, check_parity, export
from train.fitting.fit import FittedNetwork
from train.graphs.build import build_graph, build_summary
from train.networks.architectures import Network, NetworkPair, build_network

TOLERANCE = 1e-5
LENGTH = 3_000


def open_graph(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest) -> tuple[Network, onnxruntime.InferenceSession]:
    network = random_network(request.param)
    return network, open_graph(build_graph(network))


def run(
    session: onnxruntime.InferenceSession, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int
) -> NDArray[np.float32]:
    mapped = accessibility[..., 0] if accessibility.shape[-1] == 1 else accessibility
    inputs = {"sequence": codes, "accessibility": mapped, "stride": np.array(stride, np.int64)}
    probability: NDArray[np.float32] = session.run(["probability"], inputs)[0]
    return probability


def random_codes(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, shape, dtype=np.uint8)
    codes[rng.random(shape) < 0.03] = 4
    return codes


def random_accessibility(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Draw percentiles that include 0, 1, the uppermost percentiles and NaN."""
    rng = np.random.default_rng(seed)
    values = rng.choice([0.0, 1.0, 0.99995, 0.999, np.nan], shape).astype(np.float32)
    within = rng.random(shape) < 0.5
    values[within] = rng.random(int(within.sum()), dtype=np.float32)
    return values


def widths_of(network: Network) -> int:
    return len(network.config.accessibility_widths)


LARGE = [(family, 4096) for family in KINDS if family != "lstm"]  # more than an LSTM's model takes in one call


@pytest.mark.parametrize(("pair", "batch"), [*itertools.product(KINDS, (1, 2, 7, 512)), *LARGE], indirect=["pair"])
def test_single_windows_score_as_in_torch(pair: tuple[Network, onnxruntime.InferenceSession], batch: int) -> None:
    network, session = pair
    codes = random_codes(batch, span_of(network))
    accessibility = random_accessibility(batch, widths_of(network))
    expected = predict_windows(network, codes, accessibility)
    got = run(session, codes, accessibility[:, None], 1)
    assert got.dtype == np.float32
    assert got.shape == (batch, 1)
    np.testing.assert_allclose(got[:, 0], expected, rtol=0, atol=TOLERANCE)
    if batch >= 512:
        assert expected.std() > 0.02  # equal probabilities would hide differences
        # the stride has no effect on a single window
        np.testing.assert_allclose(
            run(session, codes, accessibility[:, None], 10)[:, 0], expected, rtol=0, atol=TOLERANCE
        )


@pytest.mark.parametrize("stride", [1, 3, 10, 101])
@pytest.mark.parametrize("missing", [False, True])
def test_sliding_windows_score_as_in_torch(
    pair: tuple[Network, onnxruntime.InferenceSession], stride: int, missing: bool
) -> None:
    network, session = pair
    span = span_of(network)
    # the rows end with a window
    sequences = random_codes(2, span + (LENGTH - span) // stride * stride, seed=stride)
    windows = np.lib.stride_tricks.sliding_window_view(sequences, span, axis=1)[:, ::stride]
    accessibility = random_accessibility(*windows.shape[:2], widths_of(network))
    if missing:
        accessibility[:] = np.nan
    expected = predict_windows(network, windows.reshape(-1, span).copy(), accessibility.reshape(-1, widths_of(network)))
    got = run(session, sequences, accessibility, stride)
    np.testing.assert_allclose(got.ravel(), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["cnn", "around"])
@pytest.mark.parametrize("stride", [2, 10])
def test_branches_of_all_strides_agree(kind: str, stride: int) -> None:
    """Rounded filters have exact scores, so branches differ only by rounding in the head."""
    network = random_network(kind)
    network.first.round_weights()
    session = open_graph(build_graph(network))
    length = span_of(network) + (LENGTH - span_of(network)) // 10 * 10
    codes = random_codes(1, length)
    accessibility = random_accessibility(length - span_of(network) + 1, widths_of(network))
    every = run(session, codes, accessibility[None], 1)[0, ::stride]
    np.testing.assert_allclose(run(session, codes, accessibility[None, ::stride], stride)[0], every, rtol=0, atol=5e-7)


@pytest.mark.parametrize("kind", ["mlp", "cnn", "around"])
def test_both_strands_are_scored(kind: str) -> None:
    """A window and its reverse complement have the same score, except in an LSTM, which reads in one direction."""
    network = random_network(kind)
    codes, accessibility = random_codes(64, span_of(network)), random_accessibility(64, widths_of(network))
    turned = np.where(codes == 4, 4, 3 - codes)[:, ::-1].astype(np.uint8)
    both = [predict_windows(network, strand.copy(), accessibility) for strand in (codes, turned)]
    np.testing.assert_allclose(*both, rtol=0, atol=1e-5)  # sums are in another order


def deserts(length: int, seed: int) -> NDArray[np.uint8]:
    """Make a sequence with long unknown stretches that hold single known windows."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, length, dtype=np.uint8)
    for start in rng.integers(0, length, length // 1_500).tolist():
        codes[start : start + 900] = 4
        island = start + 350
        codes[island : island + 110] = rng.integers(0, 4, len(codes[island : island + 110]))
        codes[min(start + 200, length - 1)] = 0  # a single letter is no neighbour
    return codes


@pytest.mark.parametrize("stride", [1, 3, 10, 101])
@pytest.mark.parametrize("windows", [1, 40, 5_000])
def test_bare_windows_are_scored_by_the_second_network(stride: int, windows: int) -> None:
    around, alone = random_network("around"), random_network("cnn", seed=1)
    for network in (around, alone):
        network.first.round_weights()
    both = NetworkPair(around, alone).eval()
    session = open_graph(build_graph(around, alone))
    span = span_of(around)
    codes = deserts(span + (windows - 1) * stride, seed=windows + stride)
    accessibility = random_accessibility(windows, widths_of(around), seed=stride)
    rows = np.lib.stride_tricks.sliding_window_view(codes, span)[::stride].copy()
    expected, seen = (predict_windows(network, rows, accessibility) for network in (both, around))
    got = run(session, codes[None], accessibility[None], stride)[0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE)
    if windows > 1_000:
        assert 0.01 < (np.abs(expected - seen) > 1e-3).mean() < 0.9


def test_a_batch_of_bare_windows_scores_as_in_a_mixed_batch() -> None:
    """A batch of bare windows takes a branch of its own, with the same bits."""
    around, alone = random_network("around"), random_network("cnn", seed=1)
    session = open_graph(build_graph(around, alone))
    codes = random_codes(64, span_of(around))
    flank = around.config.flank
    codes[:32, :flank] = codes[:32, -flank:] = 4
    accessibility = random_accessibility(64, widths_of(around))[:, None]
    together = run(session, codes, accessibility, 10)
    np.testing.assert_array_equal(run(session, codes[:32], accessibility[:32], 10), together[:32])
    plain = predict_windows(alone, codes[:32, flank : flank + 101].copy(), accessibility[:32, 0, 0])
    np.testing.assert_allclose(together[:32, 0], plain, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_letter_never_raises_a_score(kind: str) -> None:
    """The filters score a known letter no lower than an unknown one."""
    network = random_network(kind)
    codes = random_codes(64, span_of(network))
    hidden = codes.copy()
    hidden[np.random.default_rng(3).random(codes.shape) < 0.2] = 4
    scores = [network.body_summary(torch.from_numpy(some)) for some in (codes, hidden)]
    assert (scores[1] <= scores[0]).all()
    assert (scores[1] < scores[0]).any()


def test_summaries_of_onnx_equal_those_of_torch() -> None:
    network = random_network("around")
    network.first.round_weights()
    codes = random_codes(50, span_of(network))
    (found,) = open_graph(build_summary(network)).run(None, {"sequence": codes})
    np.testing.assert_array_equal(found, network.summary(torch.from_numpy(codes)).detach().numpy())


def make_fitted(family: str) -> FittedNetwork:
    state = random_network(family).state_dict()
    scores = {"weighted_accuracy": 0.5, "auroc": 0.5, "average_precision": 0.5}
    curve: list[dict[str, Any]] = [{"epoch": 1, "loss": 0.7, "valid": dict.fromkeys(MODES, scores)}]
    return FittedNetwork(Candidate(tiny(family), quick_fit()), state, 1, curve)


@pytest.mark.parametrize("family", FAMILIES)
def test_export_writes_nothing_on_disagreement(
    family: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_graph(network: Network, alone: Network | None) -> onnx.ModelProto:
        with torch.no_grad():
            network.head.last.weight += 0.05
        graph = build_graph(network, alone)
        with torch.no_grad():
            network.head.last.weight -= 0.05
        return graph

    monkeypatch.setattr(train.export.model_folder, "build_graph", wrong_graph)
    fitted = make_fitted(family)
    provenance = Provenance("1.0.0", ("TinyCells",), "made-up", "0" * 64, data_folder / "valid_dataset")
    with pytest.raises(ParityError, match=r"torch and ONNX Runtime differ by .*nothing was exported"):
        export(fitted, tmp_path / "exported" / "wrong", provenance, parity=QUICK_PARITY)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (tmp_path / "exported" / "wrong").exists()


def test_nan_is_a_parity_error() -> None:
    """``difference > limit`` is false for NaN, so this comparison would miss it."""
    model = load_model(device="cpu")
    network = build_network(NetworkConfig.from_dict(model.metadata.architecture)).eval()
    with torch.no_grad():
        network.head.last.bias.fill_(float("nan"))
    with pytest.raises(ParityError, match="differ by nan"):
        check_parity(network, QUICK_PARITY, model)
