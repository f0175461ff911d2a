"""The end of a run names what it did not test, and CI fails when it skips a test that it may not skip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.skips import SKIPS, Skip, skip_for

ROOT = Path(__file__).parents[2]
BEDTOOLS = "import pytest\ndef test_one(): pytest.skip('bedtools is not installed')\ntest_two = test_one\n"
GPU = "import pytest\ndef test_three(): pytest.skip('--device cuda: CUDA is missing')\n"
UNKNOWN = "import pytest\npytest.skip('the moon is full', allow_module_level=True)\n"
PASSES = "def test_four(): pass\n"


def run_pytest(folder: Path, *options: str, **files: str) -> tuple[int, list[str]]:
    """Run pytest with the plugin on files of tests; return the exit code and the lines after pytest's last line."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.helpers.skips", "-c", os.devnull, "--rootdir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = ran.stdout.splitlines()
    (last,) = [number for number, line in enumerate(lines) if re.search(r" in \d+\.\d+s", line)]
    return ran.returncode, lines[last + 1 :]


@pytest.mark.slow
def test_a_run_ends_with_one_line_for_each_reason(tmp_path: Path) -> None:
    code, lines = run_pytest(tmp_path, bedtools=BEDTOOLS, gpu=GPU, moon=UNKNOWN, passes=PASSES)
    assert code == 0
    assert sorted(lines) == [
        "not tested: outputs read by bedtools (2 tests). Install: apt install bedtools",
        "not tested: the GPU (1 test). Run on a machine with CUDA",
        "not tested: the moon is full (1 whole file).",
    ]


@pytest.mark.slow
def test_a_run_without_skips_says_nothing_more(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, "--strict-skips", "-k", "test_four", bedtools=BEDTOOLS, passes=PASSES) == (0, [])


@pytest.mark.slow
def test_strict_skips_fail_a_run_for_what_is_not_on_the_list(tmp_path: Path) -> None:
    code, lines = run_pytest(tmp_path, "--strict-skips", bedtools=BEDTOOLS, gpu=GPU, moon=UNKNOWN, passes=PASSES)
    assert code == 1
    assert lines[3:] == ["CI may not skip this: bedtools is not installed", "CI may not skip this: the moon is full"]


@pytest.mark.slow
def test_strict_skips_pass_what_is_on_the_list(tmp_path: Path) -> None:
    code, lines = run_pytest(tmp_path, "--strict-skips", gpu=GPU, passes=PASSES)
    assert (code, len(lines)) == (0, 1)


def test_a_missing_module_is_named_with_its_remedy() -> None:
    skip = skip_for("could not import 'matplotlib': No module named 'matplotlib'")
    assert skip.what == "what needs matplotlib"
    assert skip.remedy == "Install: make test, or pip install matplotlib"
    assert not skip.allowed


@pytest.mark.parametrize("skip", SKIPS, ids=lambda skip: skip.reason)
def test_every_reason_on_the_list_is_given_by_a_test(skip: Skip) -> None:
    sources = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "jundscan").rglob("*.py")]
    text = "".join(path.read_text() for path in sources if path.name not in ("skips.py", "test_skips.py"))
    if "could not import" not in skip.reason:  # which pytest itself writes
        assert all(re.search(reason, text) for reason in skip.reason.replace("|'pysam'", "").split("|"))


def test_ci_installs_the_packages_that_skips_name() -> None:
    named = {
        word for skip in SKIPS if "apt install" in skip.remedy for word in skip.remedy.split("install ")[1].split()
    }
    assert named
    assert named <= set(re.findall(r"[\w-]+:([\w-]+)", (ROOT / ".ci" / "run").read_text()))
