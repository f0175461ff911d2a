"""Compare scans of bgzip and plain FASTA, and of a hundred thousand scaffolds and one chromosome.

Run ``python -m benchmarks.inputs``. It writes ``benchmarks/inputs.json``. Every scan is a whole command, including its
start, and the cases alternate. Processor time is measured too, because other work on the machine disturbs it less.
Plain files have their index before the clock starts. The bgzipped file is measured with indexes and without.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pysam

from benchmarks import machine
from benchmarks.genome import PEAKS, read_codes, write_fasta, write_peaks
from benchmarks.timing import interleaved, jundscan_command, ratio, run_command, summary
from jundscan.options import DEFAULT_STRIDE

TARGET = Path(__file__).with_name("inputs.json")
REPEATS = 5
BASES = 100_000_000
SCAFFOLDS = 100_000
TARGETS = {"bgzip": 0.8, "scaffolds": 0.5}
"""Minimum speed relative to one plain chromosome."""


def write_genomes(folder: Path, bases: int, scaffolds: int) -> None:
    """Write the same random bases as one chromosome (plain, bgzip with and without indexes) and as scaffolds."""
    codes = read_codes(None, bases)
    size = bases // scaffolds
    write_fasta(folder / "one.fa", [("chr1", codes)])
    names = [f"scaffold_{number}" for number in range(1, scaffolds + 1)]
    write_fasta(folder / "many.fa", ((name, codes[at * size : (at + 1) * size]) for at, name in enumerate(names)))
    peaks = PEAKS * bases // BASES
    write_peaks(folder / "one.bedgraph", {"chr1": bases}, peaks)
    write_peaks(folder / "many.bedgraph", dict.fromkeys(names, size), peaks)
    for name in ("one.fa", "many.fa"):
        subprocess.run(_scan(folder / name, ["--region", "chr1:0-200" if name == "one.fa" else names[0]]), check=True)
    pysam.tabix_compress(str(folder / "one.fa"), str(folder / "bare.fa.gz"))
    shutil.copyfile(folder / "bare.fa.gz", folder / "indexed.fa.gz")
    pysam.faidx(str(folder / "indexed.fa.gz"))  # which writes both indexes


def _scan(genome: Path, options: list[str]) -> list[str]:
    target = genome.with_name("hits.bed")
    return [*jundscan_command(), "scan", str(genome), "--quiet", "--force", "--output", str(target), *options]


def _rate(genome: Path, options: list[str], bases: int, cpu_rates: list[float]) -> float:
    measured = run_command(_scan(genome, options))
    cpu_rates.append(bases / measured["cpu_seconds"] / 1e6)
    return bases / measured["seconds"] / 1e6


def main() -> None:
    """Write the genomes, time the scans, compare, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", type=int, default=BASES)
    parser.add_argument("--scaffolds", type=int, default=SCAFFOLDS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_genomes(folder, arguments.bases, arguments.scaffolds)
        alone = ["--no-accessibility"]
        cases = {
            "plain": ("one.fa", alone),
            "bgzip, indexed": ("indexed.fa.gz", alone),
            "bgzip, bare": ("bare.fa.gz", alone),
            "scaffolds": ("many.fa", alone),
            "plain, track": ("one.fa", ["--accessibility", str(folder / "one.bedgraph")]),
            "scaffolds, track": ("many.fa", ["--accessibility", str(folder / "many.bedgraph")]),
        }
        cpu: dict[str, list[float]] = {case: [] for case in cases}
        rates = {
            case: partial(_rate, folder / genome, options, arguments.bases, cpu[case])
            for case, (genome, options) in cases.items()
        }
        speeds = interleaved(rates, arguments.repeats)
    cpu_speeds = {case: summary(runs) for case, runs in cpu.items()}
    pairs = {
        "bgzip": ("bgzip, indexed", "plain"),
        "bgzip without indexes": ("bgzip, bare", "plain"),
        "scaffolds": ("scaffolds", "plain"),
        "scaffolds with a track": ("scaffolds, track", "plain, track"),
    }
    results: dict[str, Any] = {
        "machine": machine.describe(),
        "stride": DEFAULT_STRIDE,
        "bases": arguments.bases,
        "scaffolds": arguments.scaffolds,
        "targets": TARGETS,
        "mbp_per_second": speeds,
        "mbp_per_cpu_second": cpu_speeds,
        "cpu_ratios": {name: ratio(cpu_speeds[above], cpu_speeds[below]) for name, (above, below) in pairs.items()},
        "ratios": {name: ratio(speeds[above], speeds[below]) for name, (above, below) in pairs.items()},
    }
    TARGET.write_text(json.dumps(results, indent=1) + "\n")
    for name, compared in results["ratios"].items():
        cpu_ratio = results["cpu_ratios"][name]["median"]
        span = f"{compared['min']:.3f} to {compared['max']:.3f}"
        print(f"{name}: {compared['median']:.3f} ({span}) of plain, by processor time {cpu_ratio:.3f}")


if __name__ == "__main__":
    main()
