"""Fixtures: the command line run in-process, the default model, generated inputs, the real data. And the two tiers.

The fast tier needs pytest and hypothesis besides the package, no PyTorch, no browser, no network and no other program.
It is what ``pytest --fast`` runs, and what plain ``pytest`` runs where PyTorch is not installed.
"""

from __future__ import annotations

import compileall
import importlib.util
import logging
import os
import signal
from collections.abc import Callable, Iterator
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from jundscan.cli import main
from jundscan.model.load import load_model
from jundscan.model.model import Model
from tests.helpers.inputs import genome_letters, track_rows, write_fasta, write_rows

pytest_plugins = ["tests.helpers.skips"]

TESTS = Path(__file__).parent
SLOW_TIER = frozenset({"slow", "tools", "train", "data", "gpu"})
"""Marks of tests that the fast tier leaves out."""
MARKS_OF_PATHS = {
    TESTS / "train": "train",
    TESTS / "repository" / "test_benchmarks.py": "train",
    TESTS / "browser": "tools",
    TESTS / "damage": "slow",
}

# how long an example takes says more about the machine than about the code
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

if not os.environ.get("JUNDSCAN_DATA"):
    os.environ.pop("JUNDSCAN_DATA", None)  # set but empty counts as not set


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses the fast tier, and the setting of a plugin that the fast tier does without."""
    parser.addoption("--fast", action="store_true", help=f"leave out tests marked {', '.join(sorted(SLOW_TIER))}")
    if importlib.util.find_spec("pytest_timeout") is None:
        parser.addini("timeout", "seconds until pytest-timeout, if installed, ends a test")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the fast tier where what the other tests train with is not installed. Compile the packages.

    Tests start hundreds of programs. Each would compile all modules again where ``PYTHONDONTWRITEBYTECODE`` is set.
    """
    config.option.fast = config.option.fast or importlib.util.find_spec("torch") is None
    if not hasattr(config, "workerinput"):  # what pytest-xdist gives its workers
        for package in ("jundscan", "train"):
            compileall.compile_dir(TESTS.parent / package, quiet=2)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the tier at the top of the report."""
    return "tier: fast (without tests that train, need other programs, or are slow)" if config.option.fast else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave folders and files out of the fast tier as a whole, because importing them may need PyTorch."""
    return True if config.option.fast and collection_path in MARKS_OF_PATHS else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of folders and files, and leave the slow tier out of the fast one."""
    for item in items:
        for path, mark in MARKS_OF_PATHS.items():
            if path == item.path or path in item.path.parents:
                item.add_marker(mark)
    if config.option.fast:
        slow = [any(item.get_closest_marker(mark) for mark in SLOW_TIER) for item in items]
        config.hook.pytest_deselected(items=list(compress(items, slow)))
        items[:] = [item for item, is_slow in zip(items, slow, strict=True) if not is_slow]


class Ran(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _log_is_restored() -> Iterator[None]:
    """Undo what a command does to the package's logger, because the next test may look at its records."""
    log = logging.getLogger("jundscan")
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``jundscan`` with arguments, in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session", autouse=True)
def _signals_reach_programs() -> None:
    """Undo what a shell does to jobs in the background, and nohup to all: programs would inherit "ignore"."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def model() -> Model:
    """The model that is shipped."""
    return load_model(device="cpu")


SIZES = {"chr1": 6_000, "chr2": 3_033, "short": 60, "chr3": 450}


@pytest.fixture(scope="session")
def sequences() -> dict[str, str]:
    """A genome with everything that can be in one: N, IUPAC letters, both cases, a scaffold without a window."""
    rng = np.random.default_rng(7)
    return {chrom: genome_letters(rng, size) for chrom, size in SIZES.items()}


@pytest.fixture
def genome(tmp_path: Path, sequences: dict[str, str]) -> Path:
    """The FASTA of ``sequences``."""
    return write_fasta(tmp_path / "genome.fa", sequences)


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """A bedGraph on chr1 and chr2, but not on chr3."""
    rows = track_rows(np.random.default_rng(3), {"chr1": SIZES["chr1"], "chr2": SIZES["chr2"]}, every=60)
    return write_rows(tmp_path / "track.bedgraph", rows)


@pytest.fixture
def data_folder() -> Path:
    """The folder of the real data."""
    return real_data()


def real_data() -> Path:
    """Return the folder of the real data; skip the test where there is none."""
    folder = os.environ.get("JUNDSCAN_DATA")
    if folder is None:
        pytest.skip("set JUNDSCAN_DATA to the folder of the real data")
    return Path(folder)
