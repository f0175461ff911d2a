"""The import rules, the size of modules and the names at the top."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import jundscan
from jundscan.model.load import DEFAULT_MODEL, default_model_path
from tests.helpers.inputs import write_rows

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jundscan"
TRAIN = PACKAGE.parent / "train"


def loaded_after(code: str, *arguments: object) -> set[str]:
    """Tell the top-level packages that are in memory after running code in a fresh interpreter."""
    code += "\nimport sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return set(ran.stdout.rpartition("LOADED")[2].split())


COMMAND = """
import sys
from jundscan.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.slow
def test_no_module_of_jundscan_needs_what_trains() -> None:
    modules = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "jundscan.")]
    assert {"jundscan.scanning.score", "jundscan.cli.evaluate"} <= set(modules)
    loaded = loaded_after(f"import importlib\nfor name in {modules}: importlib.import_module(name)")
    assert not loaded & {"torch", "onnx", "train", "tests"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("scan", "--help"), ("variants", "--help"), ("explain", "--help"), ("evaluate", "--help")],
)
def test_help_loads_little(arguments: tuple[str, ...]) -> None:
    heavy = {"sklearn", "onnxruntime", "pybigtools", "pyfaidx", "pysam", "matplotlib", "jinja2"}
    assert not loaded_after(COMMAND, *arguments) & heavy


def test_importing_the_package_loads_nothing() -> None:
    assert not loaded_after("import jundscan; jundscan.__version__") & {"numpy", "onnxruntime", "sklearn", "typer"}


@pytest.mark.slow
def test_scan_leaves_scikit_learn_out(tmp_path: Path, genome: Path) -> None:
    track = write_rows(tmp_path / "t.bedgraph", [("chr1", 0, 900, 0.5)])
    arguments = (
        "scan",
        genome,
        "--accessibility",
        track,
        "--accessibility-scale",
        "identity",
        "-o",
        tmp_path / "h.bed",
    )
    loaded = loaded_after(COMMAND, *arguments, "--track", tmp_path / "p.bw", "--json", tmp_path / "r.json")
    assert "onnxruntime" in loaded
    assert not loaded & {"sklearn", "scipy", "torch", "onnx", "train", "matplotlib", "jinja2", "pysam"}


@pytest.mark.parametrize("path", sorted([*PACKAGE.rglob("*.py"), *TRAIN.rglob("*.py")]), ids=lambda path: path.stem)
def test_every_module_says_what_it_is_about(path: Path) -> None:
    assert path.read_text().startswith('"""') or path.stem == "_version"


def test_only_the_command_line_prints_and_exits() -> None:
    for path in set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("cli/*.py")):
        called = {
            ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        }
        assert not called & {"print", "sys.exit", "exit"}, path
        assert "import typer" not in path.read_text(), path


def test_names_at_the_top() -> None:
    assert {
        "JundscanError",
        "compare",
        "evaluate",
        "explain",
        "load_model",
        "scan",
        "score_regions",
        "variants",
    } <= set(jundscan.__all__)
    assert all(hasattr(jundscan, name) for name in jundscan.__all__)
    assert default_model_path().parent.name == DEFAULT_MODEL


def test_no_module_has_the_name_of_a_public_function() -> None:
    assert not {"scan", "variants", "explain", "evaluate", "compare", "score_regions"} & {
        path.stem for path in PACKAGE.iterdir()
    }


@pytest.mark.slow
def test_public_functions_are_the_same_before_and_after_their_rooms_are_imported() -> None:
    code = (
        "import jundscan; before = [getattr(jundscan, name) for name in jundscan.__all__]; import jundscan.scanning; "
        "import jundscan.evaluation; assert before == [getattr(jundscan, name) for name in jundscan.__all__]"
    )
    loaded_after(code)


@pytest.mark.parametrize("package", [PACKAGE, TRAIN], ids=lambda path: path.name)
def test_every_room_says_in_one_line_what_it_is_for(package: Path) -> None:
    rooms = [path for path in package.rglob("*") if path.is_dir() and any(path.glob("*.py"))]
    lines = {room: (room / "__init__.py").read_text().strip().splitlines()[:1] for room in rooms}
    assert all(line and line[0].startswith('"""') and line[0].endswith('."""') for line in lines.values()), lines


def test_few_doors_at_the_top() -> None:
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert sum(path.is_file() for path in entries) <= 9
    assert sum(path.is_dir() for path in entries) <= 15
