"""Time our scan end to end (the command line, from FASTA to BED), and its kernel alone (arrays in memory)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.genome import BenchmarkGenome
from benchmarks.timing import jundscan_command, run_command
from jundscan.model.model import Model
from jundscan.scanning.score import MAX_TASK_BASES

SHARES = 16
"""Minimum shares of the kernel's work per thread. No share is longer than a task of the scan."""


class EndToEnd:
    """Runs the command line on a genome, and keeps the record of each kind of run."""

    def __init__(self, genome: BenchmarkGenome, folder: Path) -> None:
        self.genome = genome
        self.folder = folder
        self.records: dict[str, dict[str, Any]] = {}

    def rate(self, name: str, model: Path, stride: int, threads: int, cores: int = 0) -> float:
        """Scan once and return Mbp/s, from the start of the process to its end."""
        measured = self.run(model, stride, threads, cores)
        known = self.records.setdefault(name, measured)
        known["peak_bytes"] = max(known["peak_bytes"], measured["peak_bytes"])
        return self.genome.bases / measured["seconds"] / 1e6

    def run(self, model: Path, stride: int, threads: int, cores: int = 0) -> dict[str, Any]:
        """Scan once and return the measurements and parts of the run's record."""
        record = self.folder / "record.json"
        measured = run_command(
            [
                *jundscan_command(),
                *("scan", str(self.genome.fasta), "--accessibility", str(self.genome.track)),
                *("--model", str(model), "--stride", str(stride), "--threads", str(threads), "--device", "cpu"),
                *("--output", str(self.folder / "hits.bed"), "--json", str(record), "--force", "--quiet"),
            ],
            cores,
        )
        run = json.loads(record.read_text())
        keys = ("windows_scored", "hits", "bases_scanned", "threshold_rule", "provider")
        return {**measured, "seconds_scanning": run["seconds"], **{key: run[key] for key in keys}}


def kernel_rate(model: Model, codes: NDArray[np.uint8], stride: int, threads: int) -> Callable[[], float]:
    """Prepare a measurement in Mbp/s of calls as long as the scan's, on arrays in memory.

    All calls share one array of accessibility, because speed does not depend on it and values for every base would fill
    the memory.

    Parameters
    ----------
    model : Model
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        From the left flank of the first window to the right flank of the last.
    stride, threads : int
    """
    count = (len(codes) - model.span) // stride + 1
    portion = model.windows_per_call(stride)
    accessibility = percentiles(min(portion, count), len(model.widths))
    share = max(1, min(MAX_TASK_BASES, len(codes) // (SHARES * threads)) // (stride * portion))

    def score(first_call: int) -> None:
        for first in range(first_call * portion, min(count, (first_call + share) * portion), portion):
            stop = min(first + portion, count)
            bases = slice(first * stride, (stop - 1) * stride + model.span)
            model.slide(codes[bases], accessibility[: stop - first], stride)

    def measure() -> float:
        calls = -(-count // portion)
        began = perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(score, range(0, calls, share)):
                pass
        return len(codes) / (perf_counter() - began) / 1e6

    return measure


def percentiles(windows: int, widths: int) -> NDArray[np.float32]:
    """Make percentiles of accessibility, (windows, widths), most of them 0."""
    rng = np.random.default_rng(0)
    values = rng.random((windows, widths), dtype=np.float32)
    values[rng.random(values.shape, dtype=np.float32) < 0.6] = 0.0
    return values


def strides(default: int) -> Iterator[int]:
    """Yield the strides of the tables, each once."""
    yield from dict.fromkeys((1, default, 25, 101))
