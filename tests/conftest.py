"""Fixtures: the command line run in-process, the default model, generated inputs, the real data."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from jundscan.cli import main
from jundscan.model.load import load_model
from jundscan.model.model import Model
from tests.helpers.inputs import genome_letters, track_rows, write_fasta, write_rows


class Ran(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run ``jundscan`` with arguments, in this process."""
    log = logging.getLogger("jundscan")
    before = log.handlers, log.level, log.propagate

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capsys.readouterr())

    yield run
    log.handlers, log.level, log.propagate = before


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
    folder = os.environ.get("JUNDSCAN_DATA")
    if folder is None:
        pytest.skip("set JUNDSCAN_DATA to the folder of the real data")
    return Path(folder)
