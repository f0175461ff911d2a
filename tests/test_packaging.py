"""The wheel: what it holds, and that it works from another folder without what trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.inputs import write_shard

ROOT = Path(__file__).parents[1]

COMMAND = """
import sys
import jundscan
from jundscan.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
loaded = {name.partition(".")[0] for name in sys.modules}
print("FROM", jundscan.__file__, file=sys.stderr)
print("FORBIDDEN", sorted(loaded & {"torch", "onnx", "train", "tests"}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_and_the_default_model_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"jundscan"}
    assert {name for name in names if "exported" in name} >= {"jundscan/exported/jund-1/model.onnx"}
    assert not [name for name in names if "jund-1-" in name and "dist-info" not in name]
    assert "jundscan/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)
    report = ROOT / "jundscan" / "report"
    files = [path for folder in ("static", "templates") for path in (report / folder).iterdir() if path.is_file()]
    assert len(files) > 10
    assert {path.relative_to(ROOT).as_posix() for path in files} <= set(names)
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not [line for line in base if "onnx" in line or "torch" in line]


def test_the_installed_wheel_scans_and_evaluates(installed: Path, tmp_path: Path, genome: Path) -> None:
    shards = write_shard(tmp_path / "shards")
    for arguments in (
        ("scan", genome, "-o", tmp_path / "h.bed", "--json", tmp_path / "scan.json", "--report", tmp_path / "r.html"),
        ("evaluate", shards, "--json", tmp_path / "evaluate.json"),
    ):
        ran = subprocess.run(
            [sys.executable, "-c", COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert f"FROM {installed}" in ran.stderr
        assert "FORBIDDEN []" in ran.stderr
    assert (tmp_path / "h.bed").read_text().startswith("# jundscan")
    assert json.loads((tmp_path / "evaluate.json").read_text())["n"] == 1200
    scanned = json.loads((tmp_path / "scan.json").read_text())
    assert scanned["windows_scored"] > 100
    assert "igv" in (tmp_path / "r.html").read_text()
