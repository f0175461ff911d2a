"""Compare variants and explanations with scoring single windows by ONNX Runtime, and measure peak memory.

Run ``python -m benchmarks.variants``. It writes ``benchmarks/variants.json``. The genome is chr22 from the folder that
JUNDSCAN_DATA names, or random bases. Variants are timed as the whole command, from VCF to VCF. The usual way cuts the
same windows with their flanks and scores them by the same model, one window or those of several variants per call. It
is timed on the first variants only. Neither sees accessibility, and their results are compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.__main__ import data_folder
from benchmarks.genome import read_codes
from benchmarks.timing import interleaved, jundscan_command, log_progress, ratio, run_command, seconds_of
from benchmarks.windowed import ModelInputs, Runtime
from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH, decode
from jundscan.dna.regions import Region
from jundscan.effects.outputs import COLUMNS
from jundscan.explanations.mutagenesis import explain_regions
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.model.thresholds import logits
from jundscan.scanning.plan import open_scan
from jundscan.threads import usable_cores
from train.records import write_record

TARGET = Path(__file__).with_name("variants.json")
SEED = 2026
CHROM = "chr22"
TRACK = Path("tracks", "HepG2.DNase.hg19.chr22.narrowPeak.gz")
RANDOM_BASES = 25_400_000
SIZES = {"variants": 20_000, "windowed_variants": 500, "single_variants": 20, "bases": 500, "repeats": 5}
QUICK_SIZES = {"variants": 2_000, "windowed_variants": 60, "single_variants": 2, "bases": 60, "repeats": 1}
CALLS = (1, 4)
"""Variants or bases per call of the usual way, with 202 or 303 windows each."""
PAUSE = 0.2
"""Seconds to wait before each timing, because idle threads of the other session spin for a while."""
MIN_SPEEDUP, MAX_BYTES, MAX_DIFFERENCE = 20, 400e6, 1e-6
REACH = WINDOW_LENGTH - 1

Probabilities = NDArray[np.float32]


class WindowByWindow:
    """The usual way: scores single windows with their flanks by ONNX Runtime, without accessibility."""

    def __init__(self, model: Model, threads: int) -> None:
        self._runtime = Runtime(model, threads)
        self._widths = len(model.widths)
        self.span = model.span
        self.reach = REACH + model.flank  # bases to each side of a base that the windows over it see

    def score(self, windows: NDArray[np.uint8], together: int | None = None) -> Probabilities:
        """Score windows (n, span), in one call or in calls of a given size."""
        seen = ModelInputs(windows, np.full((len(windows), self._widths), np.nan, np.float32))
        return self._runtime.in_batches(seen, together or len(windows))

    def around(self, codes: NDArray[np.uint8], start: int, end: int) -> NDArray[np.uint8]:
        """Cut out the bases that the windows over the bases [start, end) see."""
        return codes[start - self.reach : end + self.reach]

    def cut(self, piece: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut a piece from :meth:`around` into its windows, (n, span)."""
        return sliding_window_view(piece, self.span)

    def mutated(self, piece: NDArray[np.uint8], letter: int) -> NDArray[np.uint8]:
        """Copy the piece around one base with another letter there."""
        copy = piece.copy()
        copy[self.reach] = letter
        return copy


def best_probabilities(
    scorer: WindowByWindow,
    codes: NDArray[np.uint8],
    sites: NDArray[Any],
    together: int,
    windows_a_call: int | None = None,
) -> Probabilities:
    """Return the best probability of the 101 windows over each (position, letter) on both haplotypes, (n, 2)."""
    found = np.empty((len(sites), 2), np.float32)
    for first in range(0, len(sites), together):
        windows = []
        for position, letter in sites[first : first + together].tolist():
            piece = scorer.around(codes, position, position + 1)
            windows += [scorer.cut(piece), scorer.cut(scorer.mutated(piece, letter))]
        scored = scorer.score(np.concatenate(windows), windows_a_call).reshape(-1, 2, WINDOW_LENGTH)
        found[first : first + len(scored)] = scored.max(axis=2)
    return found


def mean_differences(
    scorer: WindowByWindow, codes: NDArray[np.uint8], start: int, bases: int, together: int
) -> NDArray[Any]:
    """Return the mean logit difference of the 101 windows over each base, mutated to each other letter, (bases, 3)."""
    before = logits(scorer.score(scorer.cut(scorer.around(codes, start, start + bases)).copy()))
    found = np.empty((bases, 3))
    for first in range(0, bases, together):
        windows = []
        for base in range(first, min(first + together, bases)):
            piece = scorer.around(codes, start + base, start + base + 1)
            letters = [(int(piece[scorer.reach]) + step) % len(ALPHABET) for step in (1, 2, 3)]
            windows += [scorer.cut(scorer.mutated(piece, letter)) for letter in letters]
        after = logits(scorer.score(np.concatenate(windows))).reshape(-1, 3, WINDOW_LENGTH)
        for number, changed in enumerate(after, first):
            found[number] = (changed - before[number : number + WINDOW_LENGTH]).mean(axis=1)
    return found


def known_stretches(codes: NDArray[np.uint8], bases: int, flank: int) -> NDArray[np.int64]:
    """Return the first bases of all stretches whose windows are known, with flanks on the chromosome."""
    unknown = np.concatenate([[0], np.cumsum(codes == UNKNOWN)])
    starts = np.arange(REACH + flank, len(codes) - REACH - flank - bases + 1)
    return starts[unknown[starts + bases + REACH] == unknown[starts - REACH]]


def choose_sites(codes: NDArray[np.uint8], count: int, flank: int) -> NDArray[np.int64]:
    """Draw substitutions, (position, letter), at bases whose windows are known."""
    rng = np.random.default_rng(SEED)
    chosen = np.sort(rng.choice(known_stretches(codes, 1, flank), count, replace=False))
    return np.column_stack((chosen, (codes[chosen] + rng.integers(1, 4, count)) % len(ALPHABET)))


def write_inputs(folder: Path, codes: NDArray[np.uint8], sites: NDArray[np.int64]) -> tuple[Path, Path]:
    fasta, vcf = folder / "genome.fa", folder / "variants.vcf"
    letters = decode(codes).decode()
    with fasta.open("w") as stream:
        stream.write(f">{CHROM}\n")
        stream.writelines(letters[at : at + 60] + "\n" for at in range(0, len(letters), 60))
    with vcf.open("w") as stream:
        stream.write(f"##fileformat=VCFv4.2\n##contig=<ID={CHROM},length={len(codes)}>\n")
        stream.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for position, letter in sites.tolist():
            stream.write(f"{CHROM}\t{position + 1}\t.\t{letters[position]}\t{ALPHABET[letter]}\t.\t.\t.\n")
    return fasta, vcf


def read_table(path: Path, count: int) -> Probabilities:
    """Read the best probabilities on both haplotypes from the first rows of a table of effects."""
    columns = [COLUMNS.index("reference_probability"), COLUMNS.index("alternative_probability")]
    return np.loadtxt(path, np.float32, usecols=columns, delimiter="\t", ndmin=2)[:count]


def measure(sizes: dict[str, int], threads: int) -> dict[str, Any]:
    """Time both ways alternately, compare their results, and measure memory."""
    data = data_folder()
    source = None if data is None else data / "genome" / "hg19.chr22.partial.fa.gz"
    codes = read_codes(source, RANDOM_BASES if sizes is SIZES else RANDOM_BASES // 100)
    model = load_model(device="cpu")
    sites = choose_sites(codes, sizes["variants"], model.flank)
    scorer = WindowByWindow(model, threads)
    few = sites[: sizes["windowed_variants"]]
    stretches = known_stretches(codes, sizes["bases"], model.flank)
    start = int(stretches[len(stretches) // 2])
    with tempfile.TemporaryDirectory(prefix="jundscan-variants-") as name:
        folder = Path(name)
        fasta, vcf = write_inputs(folder, codes, sites)
        base = [*jundscan_command(), "variants", str(fasta), str(vcf), "--threads", str(threads), "--quiet", "--force"]
        command = [*base, "--model", str(model.path), "--no-accessibility", "--output"]
        run_command([*command, str(folder / "out.tsv")])  # makes the index too
        table = read_table(folder / "out.tsv", len(few))
        measured: list[dict[str, float]] = []

        def ours() -> float:
            measured.append(run_command([*command, str(folder / "out.vcf")]))
            return len(sites) / measured[-1]["seconds"]

        def windowed(together: int) -> float:
            return len(few) / seconds_of(lambda: best_probabilities(scorer, codes, few, together))

        def one_by_one() -> float:
            first = few[: sizes["single_variants"]]
            return len(first) / seconds_of(lambda: best_probabilities(scorer, codes, first, 1, 1))

        cases: dict[str, Callable[[], float]] = {"ours": ours, "windows, one a call": one_by_one}
        cases |= {f"windows of {count} variants a call": partial(windowed, count) for count in CALLS}
        speeds = interleaved({name: partial(_after_pause, case) for name, case in cases.items()}, sizes["repeats"])
        results = {
            "alleles_per_second": speeds,
            "times_as_fast": {name: ratio(speeds["ours"], speed) for name, speed in speeds.items() if name != "ours"},
            "peak_bytes": max(one["peak_bytes"] for one in measured),
            "largest_difference": float(np.abs(table - best_probabilities(scorer, codes, few, CALLS[-1])).max()),
        }
        if data is not None:
            log_progress("with a track, from the gzipped genome")
            gzipped = [*jundscan_command(), "variants", str(source), str(vcf), "--accessibility", str(data / TRACK)]
            gzipped += ["--threads", str(threads), "--quiet", "--output", str(folder / "track.vcf.gz")]
            results["with_track_from_gzip"] = run_command(gzipped)
        return {
            "machine": machine.describe(),
            "model": model.identity(),
            "genome": "random" if source is None else source.name,
            "threads": threads,
            "sizes": sizes,
            "variants": results,
            "explain": _explain(fasta, model, scorer, codes, start, threads, sizes),
        }


def _explain(
    fasta: Path,
    model: Model,
    scorer: WindowByWindow,
    codes: NDArray[np.uint8],
    start: int,
    threads: int,
    sizes: dict[str, int],
) -> dict[str, Any]:
    bases = sizes["bases"]
    region = Region(CHROM, start, start + bases)
    with open_scan(fasta, model=model, threads=threads) as scan:

        def ours() -> float:
            return bases / seconds_of(lambda: list(explain_regions(scan, [region])))

        def windowed(together: int) -> float:
            return bases / seconds_of(lambda: mean_differences(scorer, codes, region.start, bases, together))

        cases: dict[str, Callable[[], float]] = {"ours": ours}
        cases |= {f"windows of {count} bases a call": partial(windowed, count) for count in CALLS}
        speeds = interleaved({name: partial(_after_pause, case) for name, case in cases.items()}, sizes["repeats"])
        [found] = explain_regions(scan, [region])
    expected = mean_differences(scorer, codes, region.start, bases, CALLS[-1])
    letters = (codes[region.start : region.end, None] + np.arange(1, 4)) % len(ALPHABET)
    differences = np.take_along_axis(found.differences, letters, axis=1) - expected
    return {
        "region": str(region),
        "bases_per_second": speeds,
        "times_as_fast": {name: ratio(speeds["ours"], speed) for name, speed in speeds.items() if name != "ours"},
        "largest_difference": float(np.abs(differences).max()),
    }


def _after_pause(case: Callable[[], float]) -> float:
    time.sleep(PAUSE)
    return case()


def verdicts(found: dict[str, Any]) -> Iterator[str]:
    """Yield lines with every result and its target."""
    for what in ("variants", "explain"):
        for name, times in found[what]["times_as_fast"].items():
            yield f"{what}: {times['median']:.1f} x as fast as {name} (aim {MIN_SPEEDUP})"
        yield f"{what}: largest difference {found[what]['largest_difference']:.1e} (aim {MAX_DIFFERENCE:.0e})"
    yield f"variants: peak memory {found['variants']['peak_bytes'] / 1e6:.0f} MB (aim {MAX_BYTES / 1e6:.0f})"
    if "with_track_from_gzip" in found["variants"]:
        yield f"  with a track, gzipped genome: {found['variants']['with_track_from_gzip']['peak_bytes'] / 1e6:.0f} MB"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description=__doc__)
    parser.add_argument("--threads", type=int, default=min(2, usable_cores()))
    parser.add_argument("--quick", action="store_true", help="measure tiny inputs and write nothing")
    options = parser.parse_args(arguments)
    found = measure(QUICK_SIZES if options.quick else SIZES, options.threads)
    if not options.quick:
        write_record(found, TARGET)
    print(json.dumps(found, indent=1) if options.quick else "\n".join(verdicts(found)))


if __name__ == "__main__":
    main()
