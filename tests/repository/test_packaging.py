"""The wheel: what it holds, and that it works from another folder without what trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.golden.schemas import RECORDS
from tests.helpers.inputs import write_shard

ROOT = Path(__file__).parents[2]

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
    assert {name for name in names if "exported" in name} >= {"jundscan/exported/jund-2/model.onnx"}
    assert not [name for name in names if "jund-2-" in name and "dist-info" not in name]
    assert "jundscan/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)
    assert {f"jundscan/schemas/{kind}.schema.json" for kind in RECORDS} <= set(names)
    report = ROOT / "jundscan" / "report"
    files = [path for folder in ("static", "templates") for path in (report / folder).iterdir() if path.is_file()]
    assert len(files) > 10
    assert {path.relative_to(ROOT).as_posix() for path in files} <= set(names)
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not [line for line in base if "onnx" in line or "torch" in line]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_wheel_works_in_a_bare_environment(wheel: Path, tmp_path: Path, genome: Path) -> None:
    """No package but the wheel and its own dependencies: none that only tests or training need."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    (site,) = bare.glob("lib/python3*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    for name in needed("jundscan[cpu]"):
        for file in distribution(name).files or ():
            top, source = file.parts[0], Path(str(distribution(name).locate_file(file.parts[0])))
            if top != ".." and source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run_python(*arguments: object) -> str:
        command = [str(bare / "bin" / "python"), *map(str, arguments)]
        ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    absent = "import importlib.util as u; print([n for n in ('torch', 'pytest', 'onnx', 'pysam') if u.find_spec(n)])"
    assert run_python("-c", absent) == "[]\n"
    run_python("-m", "jundscan", "scan", genome, "-o", tmp_path / "h.bed")
    assert (tmp_path / "h.bed").read_text().startswith("# jundscan")


def needed(requirement: str) -> set[str]:
    """Distributions that a requirement brings, all the way down."""
    found: set[str] = set()
    waiting = [Requirement(requirement)]
    while waiting:
        wanted = waiting.pop()
        found.add(wanted.name)
        for inner in map(Requirement, requires(wanted.name) or ()):
            extras = wanted.extras or {""}
            applies = inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras)
            if applies and inner.name not in found:
                waiting.append(inner)
    return found - {"jundscan"}


@pytest.mark.slow
def test_the_source_distribution_builds_the_wheel(tmp_path: Path, wheel: Path) -> None:
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path / "dist"), "-t"]
    subprocess.run([*hatchling, "sdist"], cwd=ROOT, check=True, capture_output=True)
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
        file.extractall(tmp_path, filter="data")
    assert {"pyproject.toml", "LICENSE", "SECURITY.md", "jundscan/scanning/score.py", "train/__main__.py"} <= names
    assert {"tests/damage/readers.py", "exported/jund-2/model.onnx"} <= names
    (unpacked,) = (path for path in tmp_path.iterdir() if path.name.startswith("jundscan-"))
    subprocess.run([*hatchling, "wheel"], cwd=unpacked, check=True, capture_output=True)
    (again,) = (tmp_path / "dist").glob("*.whl")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())
