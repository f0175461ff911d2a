"""Make the benchmark genome: four chromosomes, each with the known bases of a FASTA, and peaks on them.

Without a FASTA the bases are random, with the composition of a human genome. Everything is seeded.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN, decode
from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import open_genome

SEED = 2026
COPIES = 4
KNOWN_BASES = 25_400_000
"""Bases of one copy if random, as many as the public pieces of chr22 of hg19 hold."""
PEAKS = 100_000
"""Peaks on the full genome. A smaller genome has the same density."""
BASES_PER_PEAK = COPIES * KNOWN_BASES // PEAKS
COMPOSITION = (0.295, 0.205, 0.205, 0.295)
LINE = 60


@dataclass(frozen=True)
class BenchmarkGenome:
    """Files of the benchmark genome, and one copy in memory.

    Attributes
    ----------
    fasta, track : pathlib.Path
        Plain FASTA and bedGraph.
    codes : numpy.ndarray, shape=(n,), dtype=uint8
        One copy.
    bases : int
        All chromosomes together.
    source : str
        Where the bases come from.
    """

    fasta: Path
    track: Path
    codes: NDArray[np.uint8]
    bases: int
    source: str


def read_codes(fasta: Path | None, bases: int, seed: int = SEED) -> NDArray[np.uint8]:
    """Return the bases of all records of a FASTA, unknown ones too, or random bases without a FASTA."""
    if fasta is None:
        rng = np.random.default_rng(seed)
        return rng.choice(len(COMPOSITION), bases, p=COMPOSITION).astype(np.uint8)
    genome = open_genome(fasta)
    regions = [Region(chrom, 0, length) for chrom, length in genome.chromsizes.items()]
    return np.concatenate([block.codes for block in genome.blocks(regions)])


def make_genome(
    folder: Path, fasta: Path | None = None, limit: int | None = None, copies: int = COPIES
) -> BenchmarkGenome:
    """Write the benchmark genome.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder.
    fasta : pathlib.Path, optional
        Source of the bases.
    limit : int, optional
        Maximum bases of one copy.
    copies : int
        Number of chromosomes, all with the same bases.
    """
    every = read_codes(fasta, min(limit or KNOWN_BASES, KNOWN_BASES))
    known = every[every != UNKNOWN][:limit]
    target = folder / "genome.fa"
    names = [f"chr{number}" for number in range(1, copies + 1)]
    write_fasta(target, ((name, known) for name in names))
    track = folder / "peaks.bedgraph"
    write_peaks(track, dict.fromkeys(names, len(known)), copies * len(known) // BASES_PER_PEAK)
    source = f"random bases, seed {SEED}" if fasta is None else f"known bases of {fasta.name}"
    return BenchmarkGenome(target, track, known, copies * len(known), f"{source}, {copies} copies")


def fasta_lines(codes: NDArray[np.uint8]) -> bytes:
    """Break bases into lines."""
    letters = np.frombuffer(decode(codes), np.uint8)
    whole = len(letters) // LINE * LINE
    rows = np.full((whole // LINE, LINE + 1), ord("\n"), np.uint8)
    rows[:, :LINE] = letters[:whole].reshape(-1, LINE)
    rest = letters[whole:].tobytes()
    return rows.tobytes() + (rest + b"\n" if rest else b"")


def write_fasta(path: Path, records: Iterable[tuple[str, NDArray[np.uint8]]]) -> None:
    with path.open("wb") as file:
        for name, codes in records:
            file.write(f">{name}\n".encode())
            file.write(fasta_lines(codes))


def write_repeated(path: Path, codes: NDArray[np.uint8], names: list[str], repeats: int) -> dict[str, int]:
    """Write chromosomes of ``repeats`` times ``codes``, gzipped if the name ends in .gz, and return their lengths.

    The repeats are equal gzip members, which are compressed once and read as an ordinary gzip file.
    """
    compress = path.suffix == ".gz"

    def compressed(data: bytes) -> bytes:
        return gzip.compress(data, 1) if compress else data

    codes = codes[: len(codes) // LINE * LINE]  # whole lines, so that copies can follow one another
    body = compressed(fasta_lines(codes))
    with path.open("wb") as file:
        for name in names:
            file.write(compressed(f">{name}\n".encode()))
            for _ in range(repeats):
                file.write(body)
    return dict.fromkeys(names, len(codes) * repeats)


def write_peaks(path: Path, chromsizes: dict[str, int], peaks: int, seed: int = SEED) -> None:
    """Write a bedGraph of ``peaks`` disjoint peaks of 150 bases or more, spread evenly over the chromosomes."""
    rng = np.random.default_rng(seed)
    total = sum(chromsizes.values())
    with path.open("w") as file:
        for chrom, length in chromsizes.items():
            count = max(1, round(peaks * length / total))
            room = length // count
            widths = rng.integers(min(150, room // 2), min(600, max(room - 1, 2)), count)
            starts = np.arange(count) * room + (rng.random(count) * (room - widths)).astype(np.int64)
            values = rng.lognormal(3.0, 1.0, count)
            file.writelines(
                f"{chrom}\t{start}\t{start + width}\t{value:.4f}\n"
                for start, width, value in zip(starts.tolist(), widths.tolist(), values.tolist(), strict=True)
            )
