"""Measure on longer genomes how much of a scan is its start, which more threads do not shorten.

Run ``python -m benchmarks.longer``. It writes ``benchmarks/longer.json``. It scans the benchmark genome at its usual
length and several times longer, with one thread and with all, and alternates with the kernel alone and matrix products.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, sgemm
from benchmarks.__main__ import default_genome
from benchmarks.genome import COPIES, make_genome
from benchmarks.ours import EndToEnd, kernel_rate
from benchmarks.timing import interleaved, ratio
from jundscan.model.load import default_model_path, load_model
from jundscan.options import DEFAULT_STRIDE
from train.records import write_record

TARGET = Path(__file__).with_name("longer.json")
TIMES = (1, 4, 8)
"""Lengths of the genomes, in units of the usual benchmark genome."""
REPEATS = 3


def measure(threads: int, repeats: int) -> dict[str, Any]:
    """Measure Mbp/s at all lengths, and compute the ratios of the targets."""
    fasta = default_genome()
    model = load_model(default_model_path(), "cpu")
    with tempfile.TemporaryDirectory(prefix="jundscan-longer-") as name:
        cases = sgemm.cases((1, threads), False)
        for times in TIMES:
            folder = Path(name, str(times))
            folder.mkdir()
            genome = make_genome(folder, fasta, copies=times * COPIES)
            scan = EndToEnd(genome, folder)
            for count in (1, threads):
                cases[f"scan/{times}/{count}"] = partial(scan.rate, str(count), model.path, DEFAULT_STRIDE, count)
        for count in (1, threads):
            cases[f"kernel/{count}"] = kernel_rate(model, genome.codes, DEFAULT_STRIDE, count)
        speeds = interleaved(cases, repeats)
    products = {count: sgemm.faster(speeds, count) for count in (1, threads)}
    gain = ratio(products[threads], products[1])
    return {
        "genome": genome.source,
        "bases": {str(times): genome.bases // TIMES[-1] * times for times in TIMES},
        "speeds": speeds,
        "scaling": {
            str(times): ratio(ratio(speeds[f"scan/{times}/{threads}"], speeds[f"scan/{times}/1"]), gain)
            for times in TIMES
        },
        "scaling_kernel": ratio(ratio(speeds[f"kernel/{threads}"], speeds["kernel/1"]), gain),
        "end_to_end_kernel": {
            str(times): ratio(speeds[f"scan/{times}/{threads}"], speeds[f"kernel/{threads}"]) for times in TIMES
        },
    }


def main() -> None:
    """Measure, write the JSON and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    found = {"machine": machine.describe(), "threads": options.threads, **measure(options.threads, options.repeats)}
    write_record(found, TARGET)
    print(json.dumps({key: found[key] for key in ("scaling", "scaling_kernel", "end_to_end_kernel")}, indent=1))


if __name__ == "__main__":
    main()
