"""``jundscan doctor``: a working installation, and each problem that an installation can have."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan import doctor
from jundscan.model.load import DEFAULT_MODEL, default_model_path, load_model
from jundscan.model.model import Model
from jundscan.model.reference_scores import REFERENCE_TOLERANCE, largest_difference, reference_windows
from tests.conftest import Run
from tests.model.test_model import edited


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the default model's folder."""
    return Path(shutil.copytree(default_model_path().parent, tmp_path / "model"))


def fake_wheel(folder: Path, name: str, lists_its_module: bool = True) -> None:
    info = folder / f"{name.replace('-', '_')}-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    if lists_its_module:
        (info / "top_level.txt").write_text("onnxruntime\n")


def problems(run: Run, *arguments: object) -> list[str]:
    """Return the problems that doctor prints, which must be those of its JSON report."""
    shown, ran = run("doctor", *arguments), run("doctor", *arguments, "--json", "-")
    report = json.loads(ran.out)
    assert shown.code == ran.code == bool(report["problems"])
    assert report["ok"] is not bool(report["problems"])
    lines = [line.removeprefix("problem: ") for line in shown.out.splitlines() if line.startswith("problem: ")]
    assert lines == report["problems"]
    return lines


@pytest.mark.slow
def test_a_working_installation_has_no_problems(run: Run, model: Model) -> None:
    assert problems(run) == []
    ran = run("doctor")
    assert "everything works" in ran.out
    report = json.loads(run("doctor", "--json", "-").out)
    assert report["packages"]["numpy"] == np.__version__
    assert report["onnxruntime"]["wheels"] == {name: version(name) for name in report["onnxruntime"]["wheels"]}
    assert len(report["onnxruntime"]["wheels"]) == 1
    assert report["devices"]["cpu"] == "CPUExecutionProvider"
    assert report["self_test"]["cpu"] <= REFERENCE_TOLERANCE
    assert report["model"]["sha256"] == report["model"]["expected_sha256"] == model.sha256
    assert report["extras"]["plots"]["packages"].keys() >= {"matplotlib"}
    assert report["threads"]["usable_cores"] >= 1


def test_every_extra_but_the_runtimes_has_a_purpose() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) - {"cpu", "gpu", "full"} == set(doctor.PURPOSES)


def test_no_extra_installs_what_only_a_checkout_can_use() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    extras = ",".join(itertools.chain.from_iterable(project["project"]["optional-dependencies"].values()))
    assert "torch" not in extras
    assert any(requirement.startswith("torch>=") for requirement in project["dependency-groups"]["train"])


@pytest.mark.slow
@pytest.mark.parametrize("lists_its_module", [True, False])
@pytest.mark.parametrize("other", ["onnxruntime-gpu", "onnxruntime-directml"])
def test_two_wheels_of_onnx_runtime_are_a_problem(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, lists_its_module: bool
) -> None:
    fake_wheel(tmp_path, other, lists_its_module)
    monkeypatch.syspath_prepend(tmp_path)
    (line,) = problems(run)
    assert f"{other} 9.9 overwrite each other's files" in line
    assert f"pip uninstall -y onnxruntime {other}" in line


@pytest.mark.slow
def test_a_wheel_of_any_name_that_ships_the_module_is_a_problem(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_wheel(tmp_path, "ort-nightly")
    monkeypatch.syspath_prepend(tmp_path)
    assert "ort-nightly 9.9" in problems(run)[0]


def test_a_missing_onnx_runtime_is_a_problem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(doctor, "runtime_wheels", dict)
    (line,) = problems(run)
    assert "ONNX Runtime is not installed; run: pip install 'jundscan[cpu]'" in line


def test_an_onnx_runtime_that_cannot_be_imported_is_a_problem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(doctor, "runtime_wheels", lambda: {"onnxruntime-gpu": "1.0"})
    (line,) = problems(run)
    assert "onnxruntime-gpu: installed, but cannot be imported" in line
    assert "pip uninstall -y onnxruntime-gpu && pip install onnxruntime-gpu" in line


@pytest.mark.slow
def test_unavailable_cuda_is_a_problem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    names = onnxruntime.get_available_providers()
    if doctor.CUDA in names:
        pytest.skip("this ONNX Runtime has CUDA")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [doctor.CUDA, *names])
    (line,) = problems(run)
    assert "CUDA is not available" in line
    assert "nvidia-smi" in line
    assert json.loads(run("doctor", "--json", "-").out)["devices"] == {"cpu": "CPUExecutionProvider", "cuda": None}


@pytest.mark.slow
@pytest.mark.parametrize("default", [True, False])
def test_a_truncated_model_is_a_problem(run: Run, copied: Path, monkeypatch: pytest.MonkeyPatch, default: bool) -> None:
    file = copied / "model.onnx"
    file.write_bytes(file.read_bytes()[:5_000])
    monkeypatch.setattr(doctor, "default_model_path", lambda: file)
    changed, unreadable = problems(run) if default else problems(run, "--model", copied)
    assert changed.startswith(f"{file}: damaged or changed: its SHA-256 is ")
    assert ("install jundscan again" in changed) is default
    assert f"{file}: not a model that ONNX Runtime can open" in unreadable


def graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and those in its nodes: the branches for different strides."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


@pytest.mark.slow
def test_changed_weights_in_any_branch_are_a_problem(run: Run, copied: Path) -> None:
    onnx = pytest.importorskip("onnx")
    file = copied / "model.onnx"
    exported = file.read_bytes()
    branches = [
        number
        for number, graph in enumerate(graphs(onnx.load(file).graph))
        if any(len(one.raw_data) > 1_000 for one in graph.initializer)
    ]
    assert branches
    much, little = (-0.7, "its scores differ from its reference scores"), (0.999, "its scores differ by")
    for branch, (factor, problem) in [*((branch, much) for branch in branches), (branches[-1], little)]:
        content = onnx.load_from_string(exported)
        for weights in list(graphs(content.graph))[branch].initializer:
            if len(weights.raw_data) > 1_000:
                weights.raw_data = (np.float32(factor) * np.frombuffer(weights.raw_data, np.float32)).tobytes()
        file.write_bytes(content.SerializeToString())
        changed, differs = problems(run, "--model", copied)
        assert "SHA-256" in changed
        assert problem in differs
    (copied / "metrics.json").unlink()
    assert problems(run, "--model", file) == [differs]


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_damaged_metrics_are_a_problem(run: Run, copied: Path, content: str) -> None:
    (copied / "metrics.json").write_text(content)
    (line,) = problems(run, "--model", copied)
    assert line.startswith(f"{copied / 'metrics.json'}: damaged")


@pytest.mark.slow
def test_a_missing_model_is_a_problem(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = problems(run, "--model", tmp_path)
    assert line.startswith(f"{tmp_path / 'model.onnx'}: cannot be read")
    monkeypatch.setattr("jundscan.model.load.model_folders", lambda: iter([tmp_path]))
    (line,) = problems(run)
    assert f"no model {DEFAULT_MODEL} in this installation" in line
    assert "install jundscan again" in line


@pytest.mark.slow
def test_a_model_without_reference_scores_is_no_problem(run: Run, tmp_path: Path) -> None:
    path = edited(tmp_path / "m.onnx", lambda metadata: metadata.pop("self_test"))
    assert problems(run, "--model", path) == []
    assert json.loads(run("doctor", "--model", path, "--json", "-").out)["self_test"] == {}


@pytest.mark.slow
def test_a_missing_requirement_is_a_problem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: ["gone>=1", "absent>=2; extra == 'hts'"])
    (line,) = problems(run)
    assert line == "gone: not installed; run: pip install jundscan"
    assert "absent missing (BAM and CRAM, VCF, bgzip and tabix); pip install 'jundscan[hts]'" in " ".join(
        run("doctor").out.split()
    )


@pytest.mark.slow
def test_the_json_report_is_replaced_only_with_force(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert run("doctor", "--json", path).code == 0
    assert json.loads(path.read_text())["ok"]
    ran = run("doctor", "--json", path)
    assert ran.code == 1
    assert "--force" in ran.err
    assert run("doctor", "--json", path, "--force").code == 0


def test_the_reference_windows_never_change() -> None:
    codes, accessibility = reference_windows()
    assert "".join(map(str, codes[:60].tolist())) == ("113212231110230012011120330012001111233231232121123201310223")
    assert (len(codes), len(accessibility)) == (571, 48)
    np.testing.assert_allclose(accessibility[:4, 0], [0.0, 1 / 48, 2 / 48, 0.0])
    codes, accessibility = reference_windows(400, 3)
    assert "".join(map(str, codes[:60].tolist())) == ("113212231110230012011120330012001111233231232121123201310223")
    assert (len(codes), accessibility.shape) == (2_281, (139, 3))
    np.testing.assert_allclose(accessibility[:4, 1], [137 / 139, 0.0, 0.0, 1 / 139])
    assert (codes[1_371:1_780] == 4).all()
    np.testing.assert_array_equal(codes[1_780:1_881], codes[400:501])  # beside it nothing is known
    assert (codes[1_881:] == 4).all()


@pytest.mark.slow
@pytest.mark.parametrize("folder", sorted(default_model_path().parents[1].glob("jund-*")), ids=lambda path: path.name)
def test_exported_models_reproduce_their_reference_scores(folder: Path) -> None:
    loaded = load_model(folder, "cpu")
    assert loaded.metadata.self_test is not None
    assert largest_difference(loaded, loaded.metadata.self_test) <= REFERENCE_TOLERANCE
    scores = np.array(loaded.metadata.self_test.with_accessibility)
    assert np.ptp(scores) > 0.3  # else a broken model might pass


def test_another_number_of_windows_is_a_difference(model: Model) -> None:
    expected = model.metadata.self_test
    assert expected is not None
    fewer = type(expected)(expected.with_accessibility[:-1], expected.without_accessibility)
    assert largest_difference(model, fewer) == float("inf")


@pytest.mark.slow
def test_doctor_needs_no_package_metadata(tmp_path: Path) -> None:
    """A checkout on the path that was never installed."""
    code = (
        "import importlib.metadata as m, sys\n"
        "def gone(name): raise m.PackageNotFoundError(name)\n"
        "m.requires = gone\n"
        "from jundscan.doctor import diagnose; print(diagnose().problems)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
