"""Model files and their errors, and scores that do not depend on how windows are handed over."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from jundscan.errors import DeviceError, ModelError
from jundscan.model.load import default_model_path, load_model
from jundscan.model.metadata import METADATA_KEY, Metadata
from jundscan.model.model import Model
from jundscan.model.thresholds import SHARES
from tests.conftest import Run

Edit = Callable[[dict[str, Any]], object]


def edited(path: Path, edit: Edit) -> Path:
    """Copy the default model with its metadata changed."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(default_model_path())
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    metadata = json.loads(properties.pop(METADATA_KEY))
    if edit(metadata) != "drop":
        properties[METADATA_KEY] = json.dumps(metadata)
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, properties)
    path.write_bytes(graph.SerializeToString())
    return path


def test_the_default_model_is_jund_2(model: Model) -> None:
    assert model.path == default_model_path()
    assert model.provider == "CPUExecutionProvider"
    assert model.metadata.name == "jund-2"
    identity = {"name": "jund-2", "version": model.metadata.version, "sha256": model.sha256, "factor": "JUND"}
    assert model.identity() == identity
    assert model.path.stat().st_size < 1 << 20


def test_a_folder_or_a_file_names_a_model(tmp_path: Path, model: Model) -> None:
    shutil.copy(model.path, tmp_path / "model.onnx")
    for path in (tmp_path, tmp_path / "model.onnx"):
        assert load_model(path, "cpu").sha256 == model.sha256


def test_metadata_written_as_json_are_read_back(model: Model) -> None:
    metadata = model.metadata
    assert Metadata.from_json(metadata.to_json(), "here") == metadata
    assert metadata.to_dict()["with_accessibility"]["rows"][0].keys() == {"threshold", *SHARES}


def test_unknown_metadata_fields_are_ignored(tmp_path: Path, model: Model) -> None:
    def edit(metadata: dict[str, Any]) -> None:
        metadata.update(new_field=1)
        for row in metadata["with_accessibility"]["rows"]:
            row.update(new_share=0.5)

    assert load_model(edited(tmp_path / "m.onnx", edit), "cpu").metadata == model.metadata


@pytest.mark.slow
def test_shares_of_peaks_are_shown_only_where_the_model_has_them(
    tmp_path: Path, run: Run, genome: Path, model: Model
) -> None:
    def edit(share: float | None) -> Edit:
        def change(metadata: dict[str, Any]) -> None:
            for row in metadata["without_accessibility"]["rows"]:
                row.update(hit_precision=share, peak_recall=0.07)

        return change

    knowing, silent = edited(tmp_path / "knowing.onnx", edit(0.4)), edited(tmp_path / "silent.onnx", edit(None))
    said = run("scan", genome, "--model", knowing, "--json", tmp_path / "r.json").err
    assert "Of hits, expect 4 in 10 to lie on a peak, and 7 in 100 peaks to be hit (held-out blocks).\n" in said
    expected = json.loads((tmp_path / "r.json").read_text())["expected"]
    assert (expected["hit_precision"], expected["peak_recall"]) == (0.4, 0.07)
    assert "peak" not in run("scan", genome, "--model", silent).err
    shown = run("info", "--model", knowing).out
    assert ("hits on a peak" in shown, "peaks hit" in shown, "0.400" in shown, "0.070" in shown) == (True,) * 4
    assert "0.070" in run("info", "--model", silent).out
    assert f"{model.metadata.name} {model.metadata.version}" in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda m: "drop", "without jundscan's metadata"),
        (lambda m: m.update(training_accessibility=[1, 2]), "cannot be read"),
        (lambda m: m.update(training_accessibility={"x": [0.5, 0.5]}), r"length >= 21 - at `\$\.training_accessib"),
        (lambda m: m.update(training_accessibility={"x": "abc" * 7}), r"got `str` - at `\$\.training_accessib"),
        (lambda m: m.update(training_accessibility={"x": [2] * 21}), r"<= 1\.0 - at `\$\.training_accessib"),
        (lambda m: m.update(format_version=1), "model format 1, this jundscan reads 2"),
        (lambda m: m.update(flank=401), r"multiple of 10 - at `\$\.flank"),
        (lambda m: m.update(flank=1 << 40), r"`int` <= 10000 - at `\$\.flank"),
        (lambda m: m.update(accessibility_widths=[301, 501]), "accessibility_widths is"),
        (lambda m: m.update(accessibility_widths=[101, 300]), "accessibility_widths is"),
        (lambda m: m.update(accessibility_widths=[101, 301, 301]), "accessibility_widths is"),
        (
            lambda m: m.update(accessibility_widths=[101, 1 << 30 | 1]),
            r"`int` <= .* at `\$\.accessibility_widths\[1\]`",
        ),
        (lambda m: m.pop("window_with_accessibility"), "belong to a model that sees a neighbourhood"),
        (lambda m: m.pop("accessibility_widths"), "its inputs and outputs are"),
        (lambda m: m.pop("format_version"), "model format None"),
        (lambda m: m.pop("seed"), "cannot be read .*seed"),
        (lambda m: m["with_accessibility"].pop("rows"), "cannot be read"),
        (lambda m: m.update(window_length=201), r"`int` <= 101 - at `\$\.window_length`"),
        (lambda m: m.update(alphabet="TGCA"), r"'TGCA' - at `\$\.alphabet`"),
        (lambda m: m.update(accessibility_mapping="log"), r"'log' - at `\$\.accessibility_mapping`"),
        (lambda m: m.update(tiles=[1, 10]), r"got `array` - at `\$\.tiles`"),
        (lambda m: m.update(seed=True), r"got `bool` - at `\$\.seed`"),
        (lambda m: m.update(prevalence=float("nan")), "JSON is malformed"),
        (lambda m: m.update(architecture={"alone": {"alone": {}}}), r"at `\$\.architecture"),
        (lambda m: m.update(name="x" * 501), r"length <= 500 - at `\$\.name`"),
        (lambda m: m.update(cell_types=["HepG2\x1b[31m"]), "cell_types is not one line of text"),
        (lambda m: m["validation"].update({"a\rb": {}}), "validation is not one line of text"),
        (lambda m: m["with_accessibility"]["rows"].reverse(), "with_accessibility rows do not ascend"),
        (lambda m: m.update(tiles={"0": 16}), r"at `key` in `\$\.tiles`"),
        (lambda m: m.update(tiles={"one": 16}), r"at `key` in `\$\.tiles`"),
        (lambda m: m.update(tiles={"1": 1 << 40}), r"`int` <= 65536 - at `\$\.tiles"),
    ],
)
def test_wrong_metadata_raise(tmp_path: Path, edit: Edit, problem: str) -> None:
    path = edited(tmp_path / "m.onnx", edit)
    with pytest.raises(ModelError, match=problem) as caught:
        load_model(path, "cpu")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_calls_are_long_only_at_strides_with_tiles(tmp_path: Path, model: Model) -> None:
    assert model.metadata.tiles.keys() == {"1", "10"}
    for stride, tile in ((1, model.metadata.tiles["1"]), (10, model.metadata.tiles["10"])):
        assert 8 * tile <= model.windows_per_call(stride) <= 1 << 16
        assert model.windows_per_call(stride) % tile == 0
    assert model.windows_per_call(5) == 1_632
    assert model.windows_per_call(101) == model.windows_per_call(5_000) == 80
    earlier = load_model(edited(tmp_path / "m.onnx", lambda metadata: metadata.pop("tiles")), "cpu")
    assert not earlier.metadata.tiles
    assert earlier.windows_per_call(1) == 8_192
    few = load_model(edited(tmp_path / "few.onnx", lambda m: m.update(tiles={}, max_windows_per_call=20)), "cpu")
    assert few.windows_per_call(1) == 16


def test_a_graph_with_other_inputs_raises(tmp_path: Path, model: Model) -> None:
    onnx = pytest.importorskip("onnx")
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    opset = [onnx.helper.make_opsetid("", 18)]
    graph = onnx.helper.make_graph([node], "other", ports[:1], ports[1:])
    other = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.helper.set_model_props(other, {METADATA_KEY: model.metadata.to_json()})
    path = tmp_path / "other.onnx"
    path.write_bytes(other.SerializeToString())
    with pytest.raises(ModelError, match="its inputs and outputs are"):
        load_model(path, "cpu")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x09" + bytes(200)])
def test_a_file_that_is_not_onnx_raises(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(path, "cpu")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_model_raises(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read"):
        load_model(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx: cannot be read"):
        load_model(tmp_path)


def test_unavailable_cuda_raises(model: Model) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(DeviceError, match=r"--device cuda.*pip install 'jundscan\[gpu\]'"):
        load_model(device="cuda")
    assert load_model(device="auto").provider == "CPUExecutionProvider"


def test_without_onnx_runtime_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError, match=r"run: pip install 'jundscan\[cpu\]'"):
        load_model()


def test_an_incomplete_onnx_runtime_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(DeviceError, match="jundscan doctor"):
        load_model()


@pytest.mark.parametrize("stride", [1, 4, 101, 130, 5_000])
def test_sliding_scores_the_same_as_single_windows(model: Model, stride: int) -> None:
    rng = np.random.default_rng(stride)
    codes = rng.integers(0, 5, model.span + 20 * stride + stride // 2, dtype=np.uint8)
    shape = 21, len(model.widths)
    accessibility = np.where(rng.random(shape) < 0.3, np.nan, rng.random(shape)).astype(np.float32)
    windows = np.stack([codes[start : start + model.span] for start in range(0, 21 * stride, stride)])
    np.testing.assert_allclose(
        model.slide(codes, accessibility, stride), model.predict(windows, accessibility), atol=1e-6
    )
    own = np.full_like(accessibility, np.nan)
    own[:, 0] = accessibility[:, 0]  # a single column is the accessibility of the windows' own bases
    np.testing.assert_array_equal(model.slide(codes, own[:, 0], stride), model.slide(codes, own, stride))
    np.testing.assert_array_equal(model.predict(windows, own[:, 0]), model.predict(windows, own))
    with pytest.raises(ValueError, match=r"20 values, but .* bases hold 21 windows"):
        model.slide(codes, accessibility[:-1], stride)


def test_a_window_without_flanks_scores_like_one_with_unknown_flanks(model: Model) -> None:
    rng = np.random.default_rng(7)
    windows = rng.integers(0, 4, (40, 101), dtype=np.uint8)
    accessibility = rng.random(40, dtype=np.float32)
    padded = np.pad(windows, ((0, 0), (model.flank, model.flank)), constant_values=4)
    np.testing.assert_array_equal(model.predict(windows, accessibility), model.predict(padded, accessibility))
    many = model.slide_many(padded, accessibility[:, None], rows=7)
    np.testing.assert_allclose(many[:, 0], model.predict(windows, accessibility), atol=1e-6)


@pytest.mark.slow
def test_scores_do_not_depend_on_threads_and_batches(model: Model) -> None:
    rng = np.random.default_rng(0)
    codes, accessibility = rng.integers(0, 5, (700, 101), dtype=np.uint8), rng.random(700, dtype=np.float32)
    expected = np.concatenate([model.predict(codes[i : i + 1], accessibility[i : i + 1]) for i in range(700)])
    np.testing.assert_allclose(model.predict(codes, accessibility, threads=3), expected, atol=1e-6)
    assert model.predict(codes[:0], accessibility[:0]).shape == (0,)


def test_both_strands_score_the_same(model: Model) -> None:
    from jundscan.dna.letters import reverse_complement

    rng = np.random.default_rng(1)
    codes, accessibility = rng.integers(0, 5, (50, 101), dtype=np.uint8), rng.random(50, dtype=np.float32)
    both = [model.predict(strand, accessibility) for strand in (codes, reverse_complement(codes))]
    np.testing.assert_allclose(*both, atol=1e-5)
