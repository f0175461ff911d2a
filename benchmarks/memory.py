"""Measure the command line's peak memory on one chromosome of 51 Mb, on ten, and on one ten times as long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.genome import PEAKS, read_codes, write_peaks, write_repeated
from benchmarks.timing import jundscan_command, log_progress, run_command
from jundscan.dna.letters import UNKNOWN

BASES = 51_304_566
QUICK_BASES = 600_000
TIMES = 10
STRIDE = 25


def measure(folder: Path, model: Path, fasta: Path | None, threads: int, quick: bool) -> dict[str, Any]:
    """Scan each genome once, plain and gzipped, with the same number of peaks, and return peak memory in bytes."""
    bases = QUICK_BASES if quick else BASES
    codes = read_codes(fasta, bases)
    if fasta is None:
        codes[: len(codes) // 2] = UNKNOWN  # half of the bases are unknown, as in the public part of chr22
    if len(codes) > bases:  # skip most of the megabases of N at the chromosome's start
        codes = codes[max(0, int(np.argmax(codes != UNKNOWN)) - bases // 2) :]
    codes = np.resize(codes, bases)
    names = [f"chr{number}" for number in range(1, TIMES + 1)]
    shapes = {"one": (["chr1"], 1), "ten": (names, 1), "long": (["chr1"], TIMES)}
    found: dict[str, Any] = {"bases": bases, "stride": STRIDE, "threads": threads, "unknown": _share_unknown(codes)}
    for kind in ("plain", "gzip"):
        for shape, (chroms, repeats) in shapes.items():
            path, track = folder / f"memory.fa{'.gz' if kind == 'gzip' else ''}", folder / "memory.bedgraph"
            chromsizes = write_repeated(path, codes, chroms, repeats)
            write_peaks(track, chromsizes, PEAKS * bases // BASES)
            command = [*jundscan_command(), "scan", str(path), "--accessibility", str(track), "--model", str(model)]
            command += ["--stride", str(STRIDE), "--threads", str(threads), "--force", "--quiet"]
            measured = run_command([*command, "--output", str(folder / "memory.bed")])
            found[f"{shape}/{kind}"] = {"bases": sum(chromsizes.values()), **measured}
            log_progress(
                f"memory of {shape}, {kind}: {measured['peak_bytes'] / 1e6:.0f} MB in {measured['seconds']:.1f} s"
            )
            for left in folder.glob("memory.*"):
                left.unlink()
    return found


def _share_unknown(codes: np.ndarray) -> float:
    return float((codes == UNKNOWN).mean())
