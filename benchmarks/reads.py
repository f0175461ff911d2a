"""Measure how fast reads and fragments become a track, in how much memory, and what a Tn5 shift changes.

Run ``python -m benchmarks.reads``. It writes ``benchmarks/reads.json``. ``jundscan track`` converts random fragments: a
BAM of both reads, and a fragments file. The shift is measured on the fragments in the folder that JUNDSCAN_DATA names.
Their ends are moved by 4 and -5 bases, and percentiles of all windows are compared.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.__main__ import FOLDER, data_folder
from benchmarks.timing import interleaved, jundscan_command, log_progress, run_command, seconds_of
from jundscan.accessibility.read_tracks import open_reads
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.io.bgzip import quiet_pysam
from jundscan.model.load import load_model
from jundscan.options import DEFAULT_STRIDE, ReadsAs, ReadsOptions
from train.records import write_record

TARGET = FOLDER / "reads.json"
FRAGMENTS = Path("reads", "atac.fragments.hg38.chr22.tsv.gz")
CHR22 = {"chr22": 50_818_468}
"""Length of chr22 in hg38."""
SHIFT = 4, -5
"""Bases from the ends of a fragment to the centre of the transposase, as tools shift reads."""
NEAR = 0.01
"""Difference of percentiles that counts as none."""
SIZES = {"fragments": 1_500_000, "groups": 20, "many": 8_000_000, "repeats": 3}
QUICK_SIZES = {"fragments": 50_000, "groups": 5, "many": 100_000, "repeats": 1}
CHROMOSOME_BASES, CHROMOSOMES, BARCODES = 50_000_000, 8, 1_000
READ_BASES = 50

Fragments = Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]


def random_fragments(number: int, chromosomes: int, seed: int = 0) -> dict[str, tuple[Any, Any]]:
    """Return starts and ends by chromosome, sorted."""
    rng = np.random.default_rng(seed)
    found = {}
    for chrom in range(1, chromosomes + 1):
        starts = np.sort(rng.integers(0, CHROMOSOME_BASES - 1_000, number // chromosomes))
        found[f"chr{chrom}"] = starts, starts + rng.integers(READ_BASES, 700, len(starts))
    return found


def barcodes() -> list[str]:
    letters = np.random.default_rng(1).choice(list("ACGT"), (BARCODES, 16))
    return sorted({"".join(row) + "-1" for row in letters})


def write_fragments(path: Path, fragments: Fragments) -> Path:
    """Write a fragments file, gzipped at the lowest level."""
    names = barcodes()
    with gzip.open(path, "wt", 1) as file:
        for chrom, (starts, ends) in fragments.items():
            rows = enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
            file.writelines(f"{chrom}\t{start}\t{end}\t{names[n % len(names)]}\t1\n" for n, (start, end) in rows)
    return path


def write_bam(path: Path, fragments: Fragments) -> Path:
    """Write both reads of every fragment, sorted by chromosome and start."""
    sam = path.with_suffix(".sam")
    bases, qualities = "A" * READ_BASES, "I" * READ_BASES
    with sam.open("w") as file:
        file.writelines(f"@SQ\tSN:{chrom}\tLN:{CHROMOSOME_BASES}\n" for chrom in fragments)
        for chrom, (starts, ends) in fragments.items():
            at = np.concatenate((starts, ends - READ_BASES))
            mates = np.concatenate((ends - READ_BASES, starts))
            lengths = np.concatenate((ends - starts, starts - ends))
            order = np.argsort(at, kind="stable")
            columns = (order % len(starts), at[order] + 1, mates[order] + 1, lengths[order])
            for name, start, mate, length in zip(*(column.tolist() for column in columns), strict=True):
                flag = 99 if length > 0 else 147
                file.write(
                    f"r{name}\t{flag}\t{chrom}\t{start}\t60\t{READ_BASES}M\t=\t{mate}\t{length}\t{bases}\t{qualities}\n"
                )
    with quiet_pysam(path) as pysam:
        pysam.samtools.view("-b", "-o", str(path), str(sam), catch_stdout=False)
    sam.unlink()
    return path


def write_genome(path: Path, chromosomes: int) -> Path:
    """Write a FASTA of A, because fragments need the lengths alone."""
    with path.open("w") as file:
        for chrom in range(1, chromosomes + 1):
            file.write(f">chr{chrom}\n{'A' * CHROMOSOME_BASES}\n")
    return path


def measure(sizes: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """Time conversions in a folder for files."""
    number = sizes["fragments"]
    log_progress(f"writing {number:,} fragments")
    fragments = random_fragments(number, CHROMOSOMES)
    genome = write_genome(folder / "genome.fa", CHROMOSOMES)
    bam, text = write_bam(folder / "atac.bam", fragments), write_fragments(folder / "atac.tsv.gz", fragments)
    track = [*jundscan_command(), "track", "--force", "-q", "-o", str(folder / "atac.bw")]
    peaks: dict[str, list[float]] = {}

    def converted(name: str, *arguments: object) -> float:
        measured = run_command([*track, *map(str, arguments)])
        peaks.setdefault(name, []).append(measured["peak_bytes"])
        return measured["seconds"]

    lengths = dict.fromkeys(fragments, CHROMOSOME_BASES)
    names = barcodes()
    groups = {f"group{at}": frozenset(names[at :: sizes["groups"]]) for at in range(sizes["groups"])}

    def divided() -> None:
        for each in open_reads(text, lengths, groups=groups).values():
            each.close()

    converted("index", text, "--genome", genome)  # writes the index of the genome, and is not counted
    seconds = interleaved(
        {
            "bam": lambda: converted("bam", bam),
            "fragments": lambda: converted("fragments", text, "--genome", genome),
            "groups": lambda: seconds_of(divided),
        },
        sizes["repeats"],
    )
    found = {
        "fragments": number,
        "reads": 2 * number,
        "groups": sizes["groups"],
        "seconds": seconds,
        "bam_reads_per_second": 2 * number / seconds["bam"]["median"],
        "fragments_per_second": number / seconds["fragments"]["median"],
        "peak_bytes": {name: max(peaks[name]) for name in ("bam", "fragments")},
    }
    for path in (bam, text):
        path.unlink()
    return {"conversion": found, "memory": dict(_peaks(sizes["many"], folder))}


def _peaks(number: int, folder: Path) -> Iterator[tuple[str, Any]]:
    """Measure peak memory at half of the fragments and all, with as many on each chromosome."""
    for chromosomes, fragments in ((CHROMOSOMES, number // 2), (2 * CHROMOSOMES, number)):
        genome = write_genome(folder / f"genome{chromosomes}.fa", chromosomes)
        text = write_fragments(folder / "many.tsv.gz", random_fragments(fragments, chromosomes))
        command = [*jundscan_command(), "track", str(text), "--genome", str(genome), "-q", "--force"]
        measured = run_command([*command, "-o", str(folder / "many.bw")])
        log_progress(f"{fragments:,} fragments on {chromosomes} chromosomes: {measured['peak_bytes'] / 1e6:.0f} MB")
        yield f"{fragments} on {chromosomes} chromosomes", measured["peak_bytes"]
        for path in (genome, text):
            path.unlink()


def shift_effect(source: Path, folder: Path, sizes: Mapping[str, int], widths: tuple[int, ...]) -> dict[str, Any]:
    """Compare the percentiles of all windows before and after the ends of fragments are shifted."""
    shifted = folder / "shifted.fragments.tsv"
    with gzip.open(source, "rt") as file, shifted.open("w") as target:
        for line in file:
            chrom, start, end, *rest = line.rstrip("\n").split("\t")
            moved = int(start) + SHIFT[0]
            target.write("\t".join([chrom, str(moved), str(max(int(end) + SHIFT[1], moved + 1)), *rest]) + "\n")
    return {how: _differences(source, shifted, sizes, widths, how) for how in ("cuts", "fragments")}


def _differences(
    source: Path, shifted: Path, sizes: Mapping[str, int], widths: tuple[int, ...], how: ReadsAs
) -> dict[str, dict[str, float]]:
    both = []
    for path in (source, shifted):
        with open_reads(path, sizes, ReadsOptions(how))[""] as track:
            parts = [(chrom, np.arange(0, size - WINDOW_LENGTH + 1, DEFAULT_STRIDE)) for chrom, size in sizes.items()]
            both.append(np.column_stack([_percentiles(column) for column in track.means_of_all(parts, widths).T]))
    found = {}
    for column, width in enumerate(widths):
        before, after = both[0][:, column], both[1][:, column]
        has_data = (before > 0) | (after > 0)
        differences = np.abs(before - after)
        found[str(width)] = {
            "windows": len(before),
            "windows_with_data": int(np.count_nonzero(has_data)),
            "correlation": float(np.corrcoef(before, after)[0, 1]),
            "mean_difference": float(differences.mean()),
            "share_near": float((differences[has_data] < NEAR).mean()),
        }
    return found


def _percentiles(means: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rank means, as a scale does: ties share the middle of their ranks, and 0 stays 0."""
    values, back, counts = np.unique(means, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(means)
    ranks[values == 0] = 0
    found: NDArray[np.float64] = ranks[back]
    return found


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few fragments; nothing is written")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine.describe()}
    with tempfile.TemporaryDirectory(prefix="jundscan-bench-") as folder:
        found |= measure(QUICK_SIZES if options.quick else SIZES, Path(folder))
        data = data_folder()
        if data is not None:
            widths = load_model(None, "cpu").widths
            found["tn5_shift"] = {
                "source": FRAGMENTS.name,
                "shift": list(SHIFT),
                "near": NEAR,
                "by_width": shift_effect(data / FRAGMENTS, Path(folder), CHR22, widths),
            }
    if options.quick:
        log_progress(str({name: value for name, value in found.items() if name != "machine"}))
        return
    write_record(found, TARGET)


if __name__ == "__main__":
    main()
