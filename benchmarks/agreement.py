"""The same probabilities however they are computed: chunk length, threads, single windows, torch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.genome import BenchmarkGenome
from jundscan.encoding import WINDOW_LENGTH
from jundscan.model import CALL_WINDOWS, Model
from jundscan.plan import prepare
from jundscan.scan import TASK_BASES, score

REGION_BASES = 1_000_000
SINGLE_WINDOWS = 20_000
SIZES = ((TASK_BASES, CALL_WINDOWS), (TASK_BASES, 8_192), (TASK_BASES, 112), (20_011, 1_024), (3_000, 304))
"""Bases of a task, windows of a call."""


def measure(genome: BenchmarkGenome, model: Model, stride: int, threads: int) -> dict[str, Any]:
    """Find the largest differences of probability on a stretch of the benchmark genome."""
    bases = min(REGION_BASES, len(genome.codes))
    first = _probabilities(genome, model, stride, 1, bases, *SIZES[0])
    ways = [(count, *sizes) for count in (1, threads, 2 * threads) for sizes in SIZES]
    others = [_probabilities(genome, model, stride, count, bases, *sizes) for count, *sizes in ways]
    windows = sliding_window_view(genome.codes[:bases], WINDOW_LENGTH)[::stride][:SINGLE_WINDOWS]
    missing = np.full(len(windows), np.nan, np.float32)
    singles = model.predict(windows.copy(), missing, threads)
    metrics = model.path.with_name("metrics.json")
    exported = json.loads(metrics.read_text()) if metrics.is_file() else {}
    return {
        "windows": len(first),
        "ways": len(ways),
        "stride": stride,
        "chunks_and_threads": float(max(np.abs(other - first).max() for other in others)),
        "bit_identical": bool(all(np.array_equal(other, first) for other in others)),
        "single_windows": float(np.abs(singles - first[: len(singles)]).max()),
        "torch": exported.get("torch_onnx_max_difference"),
    }


def _probabilities(
    genome: BenchmarkGenome, model: Model, stride: int, threads: int, bases: int, task_bases: int, call_windows: int
) -> NDArray[np.float32]:
    options = {"model": model, "stride": stride, "threads": threads, "regions": [f"chr1:0-{bases}"]}
    with prepare(genome.fasta, None, **options) as scan:  # type: ignore[arg-type]
        return np.concatenate([piece.probabilities for piece in score(scan, task_bases, call_windows)])
