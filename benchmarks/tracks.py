"""Measure the size of a track, and the time that a scan takes to write it.

Run ``python -m benchmarks.tracks``. It writes ``benchmarks/tracks.json``: once the size of the track of a genome as
long as a human one, and in alternating rounds the times of scans of a shorter one. Both are made of real sequence:
copies of the known bases of chr22 from the folder that ``JUNDSCAN_DATA`` names. The scans use sequence alone, because
scores with accessibility repeat more often and take fewer bytes. ``--before`` names a checkout of an older version,
whose scan is measured in the same rounds. Seconds of the processors are recorded too, because they depend less on
what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pyBigWig
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.__main__ import default_genome, read_json
from benchmarks.genome import KNOWN_BASES, read_codes, write_repeated
from benchmarks.timing import interleaved, jundscan_command, log_progress, ratio, run_command, summary
from jundscan.dna.letters import UNKNOWN
from jundscan.io.numbers import round_decimals
from jundscan.io.outputs import SpanJoiner
from jundscan.options import DEFAULT_STRIDE, DEFAULT_TRACK_DIGITS
from train.records import write_record

TARGET = Path(__file__).with_name("tracks.json")
HUMAN_BASES, BASES, LIBRARY_BASES = 3_100_000_000, 300_000_000, 20_000_000
"""Bases of a genome like a human one, of the shorter one, and of the part of it that other libraries write."""
COPIES = 5
"""Copies of the sequence in one chromosome."""
LIMIT = 700_000_000
"""Maximum bytes of the bigWig of a human-sized genome."""


class Scans:
    """Scans of one genome, whose times, memory and tracks are measured."""

    def __init__(self, genome: Path, folder: Path, threads: int) -> None:
        self._common = ["scan", str(genome), "--no-accessibility", "-o", str(folder / "hits.bed"), "--force", "-q"]
        self._common += ["--threads", str(threads)]
        self.folder = folder
        self.peak_bytes: dict[str, float] = {}
        self.track_bytes: dict[str, int] = {}
        self.cpu_seconds: dict[str, list[float]] = {}

    def seconds(self, case: str, command: list[str], *options: str) -> float:
        """Run a scan, and return its seconds. With ``--track`` among the options it writes ``CASE.bw``."""
        track = self.folder / f"{case}.bw"
        named = [str(track) if option == "TRACK" else option for option in options]
        found = run_command([*command, *self._common, *named])
        self.cpu_seconds.setdefault(case, []).append(found["cpu_seconds"])
        self.peak_bytes[case] = max(self.peak_bytes.get(case, 0), found["peak_bytes"])
        if named:
            self.track_bytes[case] = track.stat().st_size
        return found["seconds"]


def library_bytes(track: Path, folder: Path) -> dict[str, int]:
    """Return the bytes of the first bases of an exact track, as libraries write its rounded values and as we do."""
    chrom = "chr1"
    with pyBigWig.open(str(track)) as file:
        rows = np.array(file.intervals(chrom, 0, min(LIBRARY_BASES, file.chroms(chrom))))
    starts, ends = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    values = round_decimals(rows[:, 2].astype(np.float32), DEFAULT_TRACK_DIGITS)
    sizes = {chrom: int(ends[-1])}
    joined: list[tuple[str, int, int, float]] = []

    def keep(chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        columns = (starts.tolist(), ends.tolist(), values.tolist())
        joined.extend((chrom, *row) for row in zip(*columns, strict=True))

    joiner = SpanJoiner(keep)
    joiner.add(chrom, starts, ends, values)
    joiner.finish()
    pybigtools.open(str(folder / "joined.bw"), "w").write(sizes, iter(joined))
    with pyBigWig.open(str(folder / "steps.bw"), "w") as file:
        file.addHeader(list(sizes.items()), maxZooms=5)
        file.addEntries(chrom, int(starts[0]), values=values, span=DEFAULT_STRIDE, step=DEFAULT_STRIDE)
    return {
        "windows": len(rows),
        "pybigtools, equal neighbours joined": (folder / "joined.bw").stat().st_size,
        "pyBigWig, fixed steps, 5 zoom levels": (folder / "steps.bw").stat().st_size,
    }


def make_genome(folder: Path, bases: int) -> dict[str, int]:
    """Write ``genome.fa`` of about ``bases`` bases, and return the lengths of its chromosomes."""
    every = read_codes(default_genome(), min(bases, KNOWN_BASES))
    codes = every[every != UNKNOWN][:bases]
    log_progress("making the genome")
    chroms = max(1, round(bases / (COPIES * len(codes))))
    return write_repeated(folder / "genome.fa", codes, [f"chr{number + 1}" for number in range(chroms)], COPIES)


def check_readers(track: Path, sizes: dict[str, int]) -> list[int]:
    """Check that two libraries read the same values from a track, and return its zoom levels."""
    with pyBigWig.open(str(track)) as one, pybigtools.open(str(track)) as two:
        assert one.chroms() == two.chroms() == sizes
        for chrom, size in sizes.items():
            bounds = size // 2, min(size, size // 2 + 100_000)
            first, second = (
                [value for *_, value in rows] for rows in (one.intervals(chrom, *bounds), two.records(chrom, *bounds))
            )
            assert first == second
        zooms: list[int] = two.zooms()
        return zooms


def measure_human(bases: int, threads: int, keep: Path | None) -> dict[str, Any]:
    """Scan a genome as long as a human one, and measure its track."""
    with tempfile.TemporaryDirectory(prefix="jundscan-tracks-") as name:
        folder = Path(name)
        sizes = make_genome(folder, bases)
        scans = Scans(folder / "genome.fa", folder, threads)
        seconds = scans.seconds("track", jundscan_command(), "--track", "TRACK")
        zooms = check_readers(folder / "track.bw", sizes)
        if keep is not None:
            shutil.move(folder / "track.bw", keep)
        return {
            "bases": sum(sizes.values()),
            "track_bytes": scans.track_bytes["track"],
            "limit_bytes": LIMIT,
            "zoom_levels": zooms,
            "peak_bytes": scans.peak_bytes["track"],
            "seconds": seconds,
            "cpu_seconds": scans.cpu_seconds["track"][0],
        }


def measure(bases: int, threads: int, repeats: int, before: Path | None) -> dict[str, Any]:
    """Scan a genome without and with a track, in alternating rounds."""
    with tempfile.TemporaryDirectory(prefix="jundscan-tracks-") as name:
        folder = Path(name)
        sizes = make_genome(folder, bases)
        scans = Scans(folder / "genome.fa", folder, threads)
        ours = jundscan_command()
        cases = {
            "hits": partial(scans.seconds, "hits", ours),
            "track": partial(scans.seconds, "track", ours, "--track", "TRACK"),
        }
        if before is not None:
            older = ["env", f"PYTHONPATH={before}", sys.executable, "-P", "-m", "jundscan"]
            cases["track before"] = partial(scans.seconds, "track before", older, "--track", "TRACK")
        options = ("--track", "TRACK", "--track-digits", "exact")
        cases["exact track"] = partial(scans.seconds, "exact track", ours, *options)
        seconds = interleaved(cases, repeats)
        check_readers(folder / "track.bw", sizes)
        cpu = {case: summary(values) for case, values in scans.cpu_seconds.items()}
        others = [case for case in cases if case != "track"]
        return {
            "bases": sum(sizes.values()),
            "seconds": seconds,
            "cpu_seconds": cpu,
            "peak_bytes": scans.peak_bytes,
            "track_bytes": scans.track_bytes,
            "ratios": {f"track / {case}": ratio(seconds["track"], seconds[case]) for case in others},
            "cpu_ratios": {f"track / {case}": ratio(cpu["track"], cpu[case]) for case in others},
            "libraries": library_bytes(folder / "exact track.bw", folder),
        }


def main() -> None:
    """Measure, write the JSON and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", type=int, default=BASES, help="bases of the shorter genome")
    parser.add_argument("--human-bases", type=int, default=HUMAN_BASES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--before", type=Path, help="checkout of an older version to compare with")
    parser.add_argument("--only", choices=("human", "rounds"), help="measure one part, and keep the other of the JSON")
    parser.add_argument("--keep", type=Path, help="keep the track of the large genome as this file")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    found = read_json(options.out) or {} if options.only else {}
    fasta = default_genome()
    found |= {
        "machine": machine.describe(),
        "threads": options.threads,
        "genome": "random bases" if fasta is None else f"known bases of {fasta.name}",
        "stride": DEFAULT_STRIDE,
        "digits": DEFAULT_TRACK_DIGITS,
    }
    if options.only != "rounds":
        found["human"] = measure_human(options.human_bases, options.threads, options.keep)
    if options.only != "human":
        found["rounds"] = measure(options.bases, options.threads, options.repeats, options.before)
    write_record(found, options.out)
    print(json.dumps({key: value for key, value in found.items() if key != "machine"}, indent=1))


if __name__ == "__main__":
    main()
