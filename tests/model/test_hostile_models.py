"""Hostile models, with external weights, custom operators or pickled code: nothing of these is read or run."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jundscan.errors import ModelError
from jundscan.model.load import default_model_path, load_model
from jundscan.model.metadata import METADATA_KEY
from tests.conftest import Run
from tests.damage.models import metadata

onnx = pytest.importorskip("onnx")
Change = Callable[[Any], None]


def changed(folder: Path, change: Change) -> Path:
    """Write a changed copy of the default model."""
    model = onnx.load(default_model_path())
    change(model)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def outside(location: str) -> Change:
    """Move a weight to another file."""

    def change(model: Any) -> None:
        weight = next(one for one in model.graph.initializer if one.raw_data)
        size = len(weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            weight.external_data.add(key=key, value=value)

    return change


@pytest.mark.parametrize(
    "where", ["weights.bin", "../secret.bin", "/etc/passwd", "{folder}/secret.bin", "/dev/zero", "*"]
)
def test_weights_in_other_files_are_not_read(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (folder / "weights.bin", tmp_path / "secret.bin"):
        path.write_bytes(bytes(1 << 20))
    path = changed(folder, outside(where.format(folder=tmp_path)))
    before = Path.cwd()
    os.chdir(folder)  # where ONNX Runtime would look, for a model that comes as bytes
    try:
        with pytest.raises(ModelError, match=r"model\.onnx: ") as caught:
            load_model(path, "cpu")
    finally:
        os.chdir(before)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["com.evil", "ai.onnx.contrib", "ai.onnx.ml", "com.microsoft"])
@pytest.mark.parametrize("operator", ["PythonOp", "PyOp", "Shell", "ReadFile"])
def test_custom_operators_raise(tmp_path: Path, domain: str, operator: str) -> None:
    def change(model: Any) -> None:
        model.opset_import.append(onnx.helper.make_opsetid(domain, 1))
        node = onnx.helper.make_node(operator, ["sequence"], ["stolen"], domain=domain, code="import os; os.abort()")
        model.graph.node.insert(0, node)

    with pytest.raises(ModelError, match="not a model that ONNX Runtime can open"):
        load_model(changed(tmp_path, change), "cpu")


def test_a_graph_that_cannot_run_raises_when_opened(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        """Index windows that only long sequences have."""
        shape = onnx.helper.make_tensor("far", onnx.TensorProto.INT64, [1], [10_000_000])
        model.graph.initializer.append(shape)
        output = model.graph.output[0].name
        last = next(node for node in model.graph.node if output in node.output)
        last.output[list(last.output).index(output)] = "whole"
        model.graph.node.append(onnx.helper.make_node("Gather", ["whole", "far"], [output], axis=1))

    with pytest.raises(ModelError, match="opens, but cannot score"):
        load_model(changed(tmp_path, change), "cpu")


def test_a_model_name_that_would_forge_output_raises(tmp_path: Path, run: Run, genome: Path) -> None:
    def change(model: Any) -> None:
        del model.metadata_props[:]
        text = json.dumps({**metadata(), "name": "jund\nchr1\t0\t101\tforged\t1000\t."})
        onnx.helper.set_model_props(model, {METADATA_KEY: text})

    ran = run("scan", genome, "--model", changed(tmp_path, change), "-o", tmp_path / "hits.bed", "--quiet")
    assert ran.code == 1
    assert "name is not one line of text" in ran.err
    assert not (tmp_path / "hits.bed").exists()


def test_names_with_markup_are_printed_verbatim(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "[" / "bold]"
    folder.mkdir(parents=True)

    def change(model: Any) -> None:
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps({**metadata(), "name": "[red]jund[/blue]"})})

    ran = run("info", "--model", changed(folder, change))
    assert ran.code == 0
    assert "[red]jund[/blue]" in ran.out


class Runs:
    """An object whose pickle runs a command."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("packed", ["pickle", "checkpoint"])
def test_a_pickle_named_like_a_model_raises_and_runs_nothing(tmp_path: Path, packed: str) -> None:
    program = pickle.dumps(Runs(tmp_path / "proof"))
    if packed == "checkpoint":  # as torch.save writes them
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("archive/data.pkl", program)
        program = archive.getvalue()
    path = tmp_path / "model.onnx"
    path.write_bytes(program)
    with pytest.raises(ModelError, match="not a model that ONNX Runtime can open"):
        load_model(path, "cpu")
    assert not (tmp_path / "proof").exists()
