"""Measure a scan of many samples: ``python -m benchmarks.samples``. Needs the real data.

1. Its cost against scans of single tracks. The tracks are the accessibility of K562 on chr22 with seeded noise on every
   interval. Processor time is that of whole commands, user and system.
2. Where the time goes, for one track and for many.
3. What depth does to hits. Cuts are drawn from the accessibility of K562, fewer and fewer of them, and each such track
   is scanned where all peaks of JUND are known.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.__main__ import FOLDER, data_folder
from benchmarks.timing import jundscan_command, log_progress, run_command, summary
from jundscan.accessibility.genome_tracks import GenomeTrack
from jundscan.accessibility.scale import AccessibilityScale
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.io.bigwig_writer import open_bigwig
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.run.inputs import Inputs
from jundscan.samples.plan import open_samples
from jundscan.samples.sites import call_sites
from jundscan.samples.table import Sample
from jundscan.scanning.outputs import HitList, feed_together
from jundscan.scanning.score import score_together
from train.records import write_record

RESULTS = FOLDER / "samples.json"
GENOME, TRACK, CHROM = "genome/hg19.chr22.partial.fa.gz", "tracks/K562.accessibility.hg19.chr22.bw", "chr22"
SAMPLES, SINGLE = 50, 3
"""Samples of the large scan, and tracks that are also scanned alone."""
PROFILED = 20
"""Tracks whose stages are timed."""
NOISE = 0.2
"""Standard deviation of the logarithm of the noise."""


DEPTHS = (1_000, 5_000, 10_000, 20_000, 50_000, 100_000, 300_000, 1_000_000, 3_000_000)
"""Cuts on chr22."""
PEAKS, REGION = "peaks/K562.JUND.hg19.chr22_16000000-22000000.narrowPeak.gz", "chr22:16000000-22000000"


def read_records(source: Path) -> tuple[int, tuple[NDArray[Any], ...]]:
    """Read the length of the chromosome, and starts, ends and values of a bigWig's intervals."""
    import pybigtools

    with pybigtools.open(str(source)) as file:
        size = file.chroms()[CHROM]
        return size, tuple(np.array(column) for column in zip(*file.records(CHROM, 0, size), strict=True))


def write_cuts(source: Path, path: Path, cuts: int) -> Path:
    """Draw cuts from the intervals of a track, and write how many lie at each base."""
    size, (starts, ends, values) = read_records(source)
    rng = np.random.default_rng(cuts)
    weights = (ends - starts) * values
    drawn = np.repeat(np.arange(len(starts)), rng.multinomial(cuts, weights / weights.sum()))
    bases, counts = np.unique(
        (starts[drawn] + rng.random(cuts) * (ends - starts)[drawn]).astype(np.int64), return_counts=True
    )
    with open_bigwig(path, path, {CHROM: size}) as add:
        add(CHROM, bases, bases + 1, counts.astype(np.float32))
    return path


def measure_depth(data: Path, folder: Path) -> list[dict[str, Any]]:
    """Scan thinned tracks together with the whole one, and compare windows and hits with known peaks."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    source = data / TRACK
    samples = [Sample(str(cuts), write_cuts(source, folder / f"cuts{cuts}.bw", cuts)) for cuts in DEPTHS]
    samples.append(Sample("all", source))
    with gzip.open(data / PEAKS, "rt") as lines:
        peaks = [(int(start), int(end)) for _, start, end, *_ in map(str.split, lines)]
    options: dict[str, Any] = {"regions": REGION, "allow_shallow": True}
    with open_samples(data / GENOME, samples, model=load_model(device="cpu"), **options) as ready:
        scans = ready.scans
        hits = [HitList(scan) for scan in scans]
        chunks = [
            (together[0].starts, np.stack([chunk.probabilities for chunk in together]))
            for together in feed_together(scans, score_together(scans), [[of_sample] for of_sample in hits])
        ]
    starts = np.concatenate([some for some, _ in chunks])
    probabilities = np.concatenate([some for _, some in chunks], axis=1)
    in_peak = np.zeros(int(starts[-1]) + WINDOW_LENGTH, np.int64)
    for start, end in peaks:
        in_peak[start:end] = 1
    covered = np.append(0, np.cumsum(in_peak))
    is_bound = covered[starts + WINDOW_LENGTH] - covered[starts] > WINDOW_LENGTH // 2
    rows = []
    for sample, scan, of_sample, row in zip(samples, scans, hits, probabilities, strict=True):
        depth = scan.inputs.depth
        assert depth is not None
        on_peak = [bool(covered[hit.end] > covered[hit.start]) for hit in of_sample.rows]
        rows.append(
            {
                "cuts": sample.name,
                "covered": depth.covered,
                "values": depth.values,
                "auroc": float(roc_auc_score(is_bound, row)),
                "average_precision": float(average_precision_score(is_bound, row)),
                "hits": len(on_peak),
                "hits_on_peaks": float(np.mean(on_peak)),
            }
        )
        log_progress(f"{sample.name} cuts: {rows[-1]}")
    return rows


STAGES = {
    "scale": (Inputs, "open_track"),
    "means": (GenomeTrack, "means"),
    "percentiles": (AccessibilityScale, "apply_all"),
    "model": (Model, "slide_tracks"),
}
"""Functions whose time is taken. Finding a scale averages windows too."""


def measure_stages(genome: Path, tracks: Sequence[Path]) -> dict[str, float]:
    """Scan tracks together on one thread, and return the processor time of each stage in seconds."""
    totals = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                totals[stage] += time.thread_time() - began

        return call

    samples = [Sample(path.stem, path) for path in tracks]
    with ExitStack() as patches:
        for stage, (owner, name) in STAGES.items():
            patches.enter_context(patch.object(owner, name, timed(stage, getattr(owner, name))))
        model, began = load_model(device="cpu"), time.process_time()
        with open_samples(genome, samples, model=model, threads=1) as ready:
            totals |= {stage: 0.0 for stage in STAGES if stage != "scale"}
            for _ in call_sites(ready.scans, score_together(ready.scans)):
                pass
        totals["rest"] = time.process_time() - began - sum(totals.values())
    return totals


def write_tracks(source: Path, folder: Path, count: int) -> list[Path]:
    """Write tracks with noise, each from a seed of its own."""
    size, (starts, ends, values) = read_records(source)
    paths = []
    for seed in range(count):
        noise = np.random.default_rng(seed).lognormal(0, NOISE, len(values))
        paths.append(folder / f"{seed}.bw")
        with open_bigwig(paths[-1], paths[-1], {CHROM: size}) as add:
            add(CHROM, starts, ends, (values * noise).astype(np.float32))
    return paths


def write_table(folder: Path, tracks: Sequence[Path]) -> Path:
    """Write the table of samples."""
    table = folder / f"{len(tracks)}.tsv"
    table.write_text("sample\taccessibility\n" + "".join(f"s{at}\t{path}\n" for at, path in enumerate(tracks)))
    return table


def data_lines(path: Path) -> list[str]:
    """Return the lines of a file without its comments."""
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def measure(data: Path, folder: Path, samples: int, repeats: int, threads: int) -> dict[str, Any]:
    """Scan tracks alone and together, and compare their lines."""
    genome, tracks = data / GENOME, write_tracks(data / TRACK, folder, samples)
    command = [*jundscan_command(), "scan", str(genome), "--threads", str(threads), "--force", "--quiet"]
    runs: dict[str, list[dict[str, Any]]] = {"alone": [], "two": [], "all": []}
    for repeat in range(repeats):
        for at in range(SINGLE):
            own = ["--accessibility", str(tracks[at]), "-o", str(folder / f"{at}.bed")]
            runs["alone"].append(run_command([*command, *own]))
            log_progress(f"one track: {runs['alone'][-1]['cpu_seconds']:.2f} s of processor time")
        for kind, count in (("two", 2), ("all", samples)):
            if kind == "all" and repeat:  # once is enough: it is long
                continue
            out = folder / kind
            several = ["--samples", str(write_table(folder, tracks[:count])), "--out-dir", str(out)]
            runs[kind].append(run_command([*command, *several]))
            same = [
                data_lines(out / f"s{at}.bed") == data_lines(folder / f"{at}.bed") for at in range(min(count, SINGLE))
            ]
            if not all(same):
                raise SystemExit(f"{count} tracks: other lines than alone")
            log_progress(f"{count} tracks: {runs[kind][-1]['cpu_seconds']:.2f} s of processor time")
    of_kind = {
        kind: {
            "cpu_seconds": summary([run["cpu_seconds"] for run in found]),
            "seconds": summary([run["seconds"] for run in found]),
            "peak_bytes": max(run["peak_bytes"] for run in found),
        }
        for kind, found in runs.items()
    }
    alone, two, together = (of_kind[kind]["cpu_seconds"]["median"] for kind in ("alone", "two", "all"))
    return {
        "samples": samples,
        "scanned_alone": SINGLE,
        "threads": threads,
        "runs": of_kind,
        "times_cheaper": samples * alone / together,
        "two_against_one": two / alone,
        "lines_identical": True,
        "stages": {str(count): measure_stages(genome, tracks[:count]) for count in (1, PROFILED)},
        "hits_of_the_first": len(data_lines(folder / "0.bed")),
        "sites": len(data_lines(folder / "all" / "sites.tsv")),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samples", description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="tracks of the large scan")
    parser.add_argument("--repeats", type=int, default=3, help="of the scans of one and two tracks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON")
    options = parser.parse_args(arguments)
    data = data_folder()
    if data is None:
        parser.error("set JUNDSCAN_DATA to the folder of the real data")
    logging.getLogger("jundscan").setLevel(logging.ERROR)  # thinned tracks are unlike training
    found: dict[str, Any] = {"machine": machine.describe(), "model": load_model(device="cpu").identity()}
    with tempfile.TemporaryDirectory(prefix="jundscan-samples-") as name:
        found["depth"] = measure_depth(data, Path(name))
        found |= measure(data, Path(name), options.samples, options.repeats, options.threads)
    log_progress(f"{found['times_cheaper']:.2f} x cheaper; two against one: {found['two_against_one']:.2f}")
    write_record(found, options.out)


if __name__ == "__main__":
    main()
