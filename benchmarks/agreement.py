"""Compare probabilities over task lengths, call sizes and threads, with single windows, and with torch.

A single window comes with all that the scan sees of it: both flanks, and accessibility at every width.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.genome import BenchmarkGenome
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.model.model import CALL_WINDOWS, Model
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import MAX_TASK_BASES, score

CHROM = "chr1"
REGION_BASES = 1_000_000
SINGLE_WINDOWS = 20_000
SIZES = ((MAX_TASK_BASES, CALL_WINDOWS), (MAX_TASK_BASES, 8_192), (MAX_TASK_BASES, 112), (20_011, 1_024), (3_000, 304))
"""Bases per task and windows per call."""


def measure(genome: BenchmarkGenome, model: Model, stride: int, threads: int) -> dict[str, Any]:
    """Find the largest differences of probability on a part of the benchmark genome, with its track."""
    bases = min(REGION_BASES, len(genome.codes))
    options: dict[str, Any] = {"model": model, "stride": stride, "regions": [f"{CHROM}:0-{bases}"]}
    with open_scan(genome.fasta, genome.track, threads=1, **options) as scan:
        pieces = list(score(scan, *SIZES[0]))
        first = np.concatenate([piece.probabilities for piece in pieces])
        starts = np.concatenate([piece.starts for piece in pieces])[:SINGLE_WINDOWS]
        accessibility = scan.inputs.accessibility_of([(CHROM, starts)])
        options["scale"] = scan.inputs.scale
    ways = [(count, *sizes) for count in (1, threads, 2 * threads) for sizes in SIZES]
    others = [_probabilities(genome, *way, options) for way in ways]
    singles = model.predict(windows_at(genome.codes, starts, model.flank), accessibility, threads)
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


def windows_at(codes: NDArray[np.uint8], starts: NDArray[np.int64], flank: int) -> NDArray[np.uint8]:
    """Cut windows with both flanks out of a chromosome, (n, 101 + 2 * flank). Bases beyond its ends are 4."""
    beyond = np.pad(codes, flank, constant_values=UNKNOWN)
    return sliding_window_view(beyond, WINDOW_LENGTH + 2 * flank)[starts]


def _probabilities(
    genome: BenchmarkGenome, threads: int, task_bases: int, call_windows: int, options: dict[str, Any]
) -> NDArray[np.float32]:
    with open_scan(genome.fasta, genome.track, threads=threads, **options) as scan:
        return np.concatenate([piece.probabilities for piece in score(scan, task_bases, call_windows)])
