"""Measure a scan without the time of its model: reading, accessibility, percentiles, hits and files.

Run ``python -m benchmarks.around_model``. It writes ``benchmarks/around_model.json``: Mbp/s with several tracks,
strides and numbers of threads. A session that returns zeros stands in for the model. These speeds are the bound of a
scan whose model runs on many cores or on a graphics card. More threads than cores show what waiting for each other
costs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.genome import SEED, make_genome, write_peaks
from benchmarks.timing import interleaved, ratio
from jundscan.cli.scan import Outputs, write_scan
from jundscan.io.bigwig_writer import open_bigwig
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.options import DEFAULT_STRIDE
from jundscan.scanning.plan import open_scan
from train.records import write_record

TARGET = Path(__file__).with_name("around_model.json")
THREADS = (1, 2, 16)
STRIDES = (1, DEFAULT_STRIDE)
BASES, CHROMOSOMES = 25_000_000, 2
REPEATS = 3
BASES_PER_PEAK = 15_000
"""One peak of open chromatin, as dense as 200,000 of them in a human genome."""
STEP = 20
"""Bases of each value of the signal track."""
NONE = "no track"


class Zeros:
    """A session of ONNX Runtime that returns zeros at once."""

    def run(self, names: list[str], inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Return a probability of 0 for each window."""
        return [np.zeros(inputs["accessibility"].shape[:2], np.float32)]


def without_model(model: Model) -> Model:
    """Return the model with zeros in place of its probabilities."""
    return replace(model, session=Zeros())


def rate(genome: Path, track: Path | None, model: Model, stride: int, threads: int | None, folder: Path) -> float:
    """Scan once, and return the speed in Mbp/s once all inputs are open."""
    with open_scan(genome, track, model=model, stride=stride, threads=threads) as scan:
        record = write_scan(scan, Outputs(str(folder / "hits.bed"), force=True))
        return float(sum(span.end - span.start for span in scan.spans) / record["seconds"] / 1e6)


def write_tracks(folder: Path, sizes: dict[str, int]) -> dict[str, Path | None]:
    """Write peaks as dense as real ones, and a bigWig with a value for every few bases."""
    peaks, signal = folder / "sparse.bedgraph", folder / "signal.bw"
    write_peaks(peaks, sizes, max(sum(sizes.values()) // BASES_PER_PEAK, 1))
    rng = np.random.default_rng(SEED)
    with open_bigwig(signal, signal, sizes) as add:
        for chrom, size in sizes.items():
            starts = np.arange(0, size - STEP, STEP)
            add(chrom, starts, starts + STEP, rng.gamma(0.5, 2, len(starts)).astype(np.float32))
    return {NONE: None, "peaks": peaks, "signal in a bigWig": signal}


def measure(bases: int, chromosomes: int, threads: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Measure all tracks, strides and numbers of threads in turn."""
    model = without_model(load_model(device="cpu"))
    with tempfile.TemporaryDirectory(prefix="jundscan-around-") as name:
        folder = Path(name)
        genome = make_genome(folder, None, bases, chromosomes)
        sizes = {f"chr{number + 1}": len(genome.codes) for number in range(chromosomes)}
        tracks = {**write_tracks(folder, sizes), "dense peaks": genome.track}
        cases: dict[str, Callable[[], float]] = {
            f"{track}, stride {stride}, threads {count}": partial(
                rate, genome.fasta, tracks[track], model, stride, count, folder
            )
            for track, stride, count in itertools.product(tracks, STRIDES, threads)
        }
        speeds = interleaved(cases, repeats)
    groups = [f"{track}, stride {stride}" for track, stride in itertools.product(tracks, STRIDES)]
    return {
        "genome": {"source": genome.source, "bases": genome.bases},
        "mbp_per_second": speeds,
        "most_threads_over_one": {
            group: ratio(speeds[f"{group}, threads {threads[-1]}"], speeds[f"{group}, threads {threads[0]}"])
            for group in groups
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, write the JSON and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", type=int, default=BASES, help="bases per chromosome")
    parser.add_argument("--chromosomes", type=int, default=CHROMOSOMES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=TARGET, help="JSON")
    options = parser.parse_args(arguments)
    measured = measure(options.bases, options.chromosomes, THREADS, options.repeats)
    found = {"machine": machine.describe(), **measured}
    write_record(found, options.out)
    print(json.dumps({case: speed["median"] for case, speed in found["mbp_per_second"].items()}, indent=1))


if __name__ == "__main__":
    main()
