"""Model files: damaged bytes, false metadata, graphs of other models."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from typer import Exit

from jundscan.cli.doctor import doctor
from jundscan.errors import InputError
from jundscan.model.load import default_model_path, load_model
from jundscan.model.metadata import METADATA_KEY
from jundscan.model.model import Model
from jundscan.model.reference_scores import reference_windows
from jundscan.model.thresholds import choose_threshold
from jundscan.options import ThresholdKind, ThresholdRule
from tests.damage.mutations import damaged_bytes, damaged_json, damaged_values
from tests.damage.oracles import UNSPECIFIED
from tests.damage.reader import Files, Reader

_KINDS: tuple[ThresholdKind, ...] = ("threshold", "fpr", "precision", "recall")


@cache
def default_model() -> bytes:
    return default_model_path().read_bytes()


@cache
def _reference() -> Any:
    model = load_model(None, "cpu")
    return _scores(model)


def _scores(model: Model) -> Any:
    codes, accessibility = reference_windows(model.flank, len(model.widths))
    windows = np.lib.stride_tricks.sliding_window_view(codes, model.span)[::10].copy()
    return np.stack([model.slide(codes, accessibility, 10), model.predict(windows, accessibility)])


def _use(folder: Path) -> tuple[Model, Any]:
    """Load a model and use it as every command does."""
    model = load_model(folder / "model.onnx", "cpu")
    for has_accessibility in (True, False):
        choose_threshold(model.metadata, has_accessibility, None).expectation()
        for kind in _KINDS:
            try:
                chosen = choose_threshold(model.metadata, has_accessibility, ThresholdRule(kind, 0.4))
            except InputError:
                continue
            else:
                assert 0 <= chosen.value <= 1
                chosen.expectation()
                chosen.peak_expectation()
    from jundscan.cli.info import info

    with redirect_stdout(io.StringIO()):
        info(folder / "model.onnx", None)
        info(folder / "model.onnx", json_target="-")
    assert len(model.metadata.name.splitlines()) == 1
    scores = _scores(model)
    assert ((scores >= 0) & (scores <= 1)).all()
    return model, scores


def _right(files: Files, found: tuple[Model, Any]) -> Any:
    model, scores = found
    if model.metadata.self_test is None:
        return UNSPECIFIED
    return bool(np.abs(scores - _reference()).max() < 0.02)


def model_files() -> Reader:
    """Return the reader of the default model with damaged bytes."""
    cases = damaged_bytes(default_model()).map(lambda data: {"model.onnx": data})
    return Reader("model bytes", ({"model.onnx": default_model()},), cases, _use, _right)


def _doctor(folder: Path) -> dict[str, Any]:
    printed, written = io.StringIO(), folder / "doctor.json"
    with redirect_stdout(printed), suppress(Exit):
        doctor(folder, str(written))
    assert "\x1b" not in printed.getvalue()
    diagnosis = json.loads(written.read_text())
    if diagnosis["problems"]:
        raise InputError("; ".join(diagnosis["problems"]))
    found: dict[str, Any] = diagnosis["model"]
    return found


def _right_record(files: Files, found: dict[str, Any]) -> bool:
    expected = hashlib.sha256(files["model.onnx"]).hexdigest()
    return bool(found["sha256"] == expected == json.loads(files["metrics.json"])["model"]["sha256"])


def model_record() -> Reader:
    """Return the reader of the record beside a model, which ``jundscan doctor`` reads."""
    record = {"model": {"name": "jund", "sha256": hashlib.sha256(default_model()).hexdigest()}, "auroc": 0.5}
    sound = {"model.onnx": default_model(), "metrics.json": json.dumps(record).encode()}
    cases = damaged_json(record).map(lambda data: {**sound, "metrics.json": data})
    return Reader("jundscan doctor", (sound,), cases, _doctor, _right_record)


@cache
def metadata() -> Any:
    import onnx

    graph = onnx.load_from_string(default_model())
    return json.loads(next(entry.value for entry in graph.metadata_props if entry.key == METADATA_KEY))


def with_metadata(text: str) -> bytes:
    """Return the default model with another text in its metadata."""
    import onnx

    graph = onnx.load_from_string(default_model())
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {METADATA_KEY: text})
    data: bytes = graph.SerializeToString()
    return data


def model_metadata() -> Reader:
    """Return the reader of the default model with false metadata."""
    whole = st.sampled_from(["", "null", "[]", "3", "{", "[" * 100_000, '{"format_version": 1}', '"format_version"'])
    values = damaged_values(metadata()).map(json.dumps)
    texts = st.one_of(*[values] * 20, whole)
    cases = texts.map(lambda text: {"model.onnx": with_metadata(text)})
    return Reader("model metadata", ({"model.onnx": with_metadata(json.dumps(metadata()))},), cases, _use, _right)
