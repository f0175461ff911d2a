"""Time functions and commands, with alternating repetitions (A B C A B C …)."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Summary = dict[str, Any]


def log_progress(text: str) -> None:
    """Print a line with the time to stderr."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def summary(values: Sequence[float]) -> Summary:
    """Return the median, the extremes and every value of one measurement."""
    return {
        "median": float(np.median(values)),
        "min": float(min(values)),
        "max": float(max(values)),
        "runs": [float(value) for value in values],
    }


def ratio(above: Summary, below: Summary) -> Summary:
    """Divide two measurements repetition by repetition, because these alternated, and summarise."""
    pairs = zip(above["runs"], below["runs"], strict=False)
    return summary([one / other for one, other in pairs])


def interleaved(cases: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Summary]:
    """Run every case once, then every case again, … and summarise what each returned."""
    runs: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(repeats):
        log_progress(f"round {number + 1} of {repeats}")
        for name, case in cases.items():
            runs[name].append(case())
            log_progress(f"  {name}: {runs[name][-1]:.4g}")
    return {name: summary(values) for name, values in runs.items()}


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def jundscan_command() -> list[str]:
    """Return the command that starts the jundscan installed beside this interpreter."""
    script = Path(sysconfig.get_path("scripts"), "jundscan")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "jundscan"]


def run_command(command: Sequence[str], cores: int = 0) -> dict[str, float]:
    """Run a command and return its ``seconds``, ``cpu_seconds`` and ``peak_bytes``.

    Raises
    ------
    RuntimeError
        When the command fails. The message ends with the last of its stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
        done = subprocess.run(
            [*launcher, str(report), str(cores), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr[-2000:]}")
        measured: dict[str, float] = json.loads(report.read_text())
        return measured
