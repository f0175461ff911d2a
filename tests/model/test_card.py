"""Calls on a graphics card: their shape, what happens when its memory is full, and the scores of a real card.

Most tests need no card: they run the model on the processor, through the code for cards. A session that fails above a
number of bases per call stands for a card whose memory is full.
"""

from __future__ import annotations

import logging
import pickle
import threading
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

from jundscan.errors import DeviceError
from jundscan.model import load
from jundscan.model.card import CALL_BASES, CALLS_AT_ONCE, CUDA, Card
from jundscan.model.load import load_model
from jundscan.model.model import Model

Inputs = tuple[NDArray[np.uint8], NDArray[np.float32]]


class LimitedSession:
    """A session of ONNX Runtime that fails for large calls with the message of a full card, and keeps what it saw."""

    def __init__(self, session: Any, max_bases: int) -> None:
        self.session, self.max_bases = session, max_bases
        self.shapes: list[tuple[int, ...]] = []
        self.at_once, self.most_at_once = 0, 0
        self.lock = threading.Lock()

    def run(self, outputs: list[str], inputs: dict[str, NDArray[Any]]) -> Any:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.shapes.append(inputs["sequence"].shape)
        try:
            if inputs["sequence"].size > self.max_bases:
                raise RuntimeError("Failed to allocate memory for requested buffer of size 719323136")
            return self.session.run(outputs, inputs)
        finally:
            with self.lock:
                self.at_once -= 1


def as_card(model: Model, max_bases: int = 1 << 30, call_bases: int = 1 << 16) -> tuple[Model, LimitedSession]:
    session = LimitedSession(model.session, max_bases)
    return replace(model, session=session, card=Card(call_bases=call_bases)), session  # type: ignore[arg-type]


def random_inputs(model: Model, windows: int, stride: int) -> Inputs:
    rng = np.random.default_rng(windows)
    codes = rng.integers(0, 5, (windows - 1) * stride + model.span, dtype=np.uint8)
    accessibility = rng.random((windows, len(model.widths)), dtype=np.float32)
    accessibility[::7] = np.nan
    return codes, accessibility


@pytest.mark.parametrize("stride", [1, 3, 10, 101, 2_000])
@pytest.mark.parametrize("windows", [1, 1_008, 1_009, 2_500])
def test_rows_side_by_side_score_as_one_long_row(model: Model, windows: int, stride: int) -> None:
    on_card, session = as_card(model)
    inputs = random_inputs(model, windows, stride)
    np.testing.assert_allclose(on_card.slide(*inputs, stride), model.slide(*inputs, stride), rtol=0, atol=1e-6)
    assert len(set(session.shapes)) == 1  # cuDNN plans anew for every shape


@pytest.mark.parametrize("stride", [1, 10, 2_000])
def test_several_tracks_score_on_a_card_as_each_does_alone(model: Model, stride: int) -> None:
    on_card, session = as_card(model)
    codes, accessibility = random_inputs(model, 1_500, stride)
    tracks = np.stack([accessibility, 1 - accessibility, np.zeros_like(accessibility), np.zeros_like(accessibility)])
    expected = np.stack([on_card.slide(codes, track, stride) for track in tracks])
    assert not on_card.shares_sequence
    np.testing.assert_array_equal(on_card.slide_tracks(codes, tracks, stride), expected)
    assert len(set(session.shapes)) == 1
    assert on_card.windows_per_call(stride, 4) == on_card.windows_per_call(stride)


def test_single_windows_and_many_rows_score_the_same(model: Model) -> None:
    on_card, session = as_card(model)
    codes, accessibility = random_inputs(model, 150, 1)
    windows = np.lib.stride_tricks.sliding_window_view(codes, model.span)
    np.testing.assert_allclose(
        on_card.predict(windows, accessibility), model.predict(windows, accessibility), atol=1e-6
    )
    rows = on_card.slide_many(windows, accessibility[:, None], 8)
    np.testing.assert_allclose(rows, model.slide_many(windows, accessibility[:, None], 8), rtol=0, atol=1e-6)
    assert len(set(session.shapes)) == 1


def test_a_scan_on_a_card_fills_its_calls(model: Model) -> None:
    on_card, session = as_card(model)
    for stride in (1, 10):
        windows = on_card.windows_per_call(stride)
        session.shapes.clear()
        on_card.slide(*random_inputs(model, windows, stride), stride)
        [(rows, length)] = session.shapes
        assert rows * ((length - model.span) // stride + 1) == windows


def test_a_full_card_gets_smaller_calls_and_one_warning(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    on_card, session = as_card(model, max_bases=30_000)
    inputs = random_inputs(model, 5_000, 10)
    with caplog.at_level(logging.WARNING, "jundscan"):
        scores = on_card.slide(*inputs, 10)
        np.testing.assert_allclose(on_card.slide(*inputs, 10), scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(scores, model.slide(*inputs, 10), rtol=0, atol=1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        "cuda:0: its memory is full; going on with smaller calls, which are slower"
    ]
    assert sum(np.prod(shape) > 30_000 for shape in session.shapes) <= 2


def test_a_card_too_full_for_one_row_raises_an_error(model: Model) -> None:
    on_card, _ = as_card(model, max_bases=1_000)
    with pytest.raises(DeviceError, match=r"cuda:0: its memory is full.*--device cuda:N.*--device cpu"):
        on_card.slide(*random_inputs(model, 50, 10), 10)


def test_other_errors_of_a_call_are_raised(model: Model) -> None:
    on_card, session = as_card(model)
    session.session = None
    with pytest.raises(AttributeError):
        on_card.slide(*random_inputs(model, 50, 10), 10)


def test_few_calls_run_at_once(model: Model) -> None:
    on_card, session = as_card(model)
    codes, accessibility = random_inputs(model, 1_500, 1)
    windows = np.lib.stride_tricks.sliding_window_view(codes, model.span)
    on_card.predict(windows, accessibility, threads=6)
    assert 1 <= session.most_at_once <= CALLS_AT_ONCE


@pytest.fixture(scope="module")
def on_gpu() -> Model:
    try:
        return load_model(device="cuda")
    except DeviceError as err:
        pytest.skip(f"CUDA: {err}")


@pytest.mark.gpu
@pytest.mark.parametrize("stride", [1, 3, 10, 101])
def test_cuda_agrees_with_the_cpu(model: Model, on_gpu: Model, stride: int) -> None:
    inputs = random_inputs(model, 3_000, stride)
    np.testing.assert_allclose(on_gpu.slide(*inputs, stride), model.slide(*inputs, stride), rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_a_model_on_cuda_is_pickled_with_its_card(on_gpu: Model) -> None:
    again = pickle.loads(pickle.dumps(on_gpu))
    assert again.provider == CUDA
    assert again.card.device == "cuda:0"


@pytest.mark.gpu
def test_cuda_with_little_memory_gets_smaller_calls(
    model: Model, on_gpu: Model, caplog: pytest.LogCaptureFixture
) -> None:
    with patch.dict(load.CUDA_OPTIONS, {"gpu_mem_limit": str(300 << 20), "arena_extend_strategy": "kSameAsRequested"}):
        limited = load_model(device="cuda:0")
    inputs = random_inputs(model, 60_000, 10)
    with caplog.at_level(logging.WARNING, "jundscan"):
        scores = limited.slide(*inputs, 10)
    np.testing.assert_allclose(scores, model.slide(*inputs, 10), rtol=0, atol=1e-5)
    assert len(caplog.records) <= 1
    assert limited.card is not None
    assert limited.card.call_bases < CALL_BASES


@pytest.mark.gpu
def test_a_card_that_is_not_there_raises_an_error(on_gpu: Model) -> None:
    with pytest.raises(DeviceError, match="--device cuda:77: CUDA is not available"):
        load_model(device="cuda:77")
