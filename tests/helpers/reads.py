"""Aligned reads and fragments made for tests, and plain counts of them."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Fragment = tuple[str, int, int, str]
"""Chromosome, start, end, barcode."""
SIZES = {"chr1": 30_000, "chr2": 12_000, "chrEmpty": 5_000}
BARCODES = ("AAACGAAAGACTCGGA-1", "TTTGGTTTCCCGAACA-1", "GGGTGTCGTTGCAACT-1", "CCCATTTGACGATGCC-1")


class Read(NamedTuple):
    """A line of a BAM. ``mate`` and ``template`` are the mate's start and the template length."""

    name: str
    flag: int
    chrom: str
    start: int
    cigar: str = "50M"
    mapq: int = 60
    mate: int = -1
    template: int = 0


def make_fragments(seed: int = 0, number: int = 3_000, sizes: Mapping[str, int] = SIZES) -> list[Fragment]:
    """Random fragments of 55 to 600 bases, in no order, dense in places."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        chrom = ("chr1", "chr2")[int(rng.integers(3) == 0)]
        length = int(rng.integers(55, 600))
        middle = int(rng.choice((4_000, 8_000, sizes[chrom] // 2)))
        start = int(np.clip(rng.normal(middle, 900), 0, sizes[chrom] - length))
        found.append((chrom, start, start + length, BARCODES[int(rng.integers(len(BARCODES)))]))
    return found


def write_fragments(path: Path, fragments: Iterable[Fragment], header: str = "", count: bool = True) -> Path:
    """Write a fragments file, gzipped when its name says so."""
    lines = ["\t".join(map(str, (*row, *([number % 5 + 1] if count else [])))) for number, row in enumerate(fragments)]
    text = header + "".join(f"{line}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def pair(number: int, fragment: Fragment, flags: int = 0, mapq: int = 60) -> list[Read]:
    """Both reads of a fragment, properly paired; ``flags`` are added to both."""
    chrom, start, end, _ = fragment
    name, right, length = f"read{number}", end - 50, end - start
    return [
        Read(name, 0x63 | flags, chrom, start, "50M", mapq, right, length),
        Read(name, 0x93 | flags, chrom, right, "50M", mapq, start, -length),
    ]


def write_alignments(
    path: Path, reads: Sequence[Read], sizes: Mapping[str, int] = SIZES, reference: Path | None = None
) -> Path:
    """Write reads as they stand: a CRAM with a reference, else a BAM."""
    import pysam

    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": size} for name, size in sizes.items()]}
    options = {} if reference is None else {"reference_filename": str(reference)}
    number_of = {name: number for number, name in enumerate(sizes)}
    with pysam.AlignmentFile(str(path), "wb" if reference is None else "wc", header=header, **options) as file:
        for read in reads:
            line = pysam.AlignedSegment(file.header)
            line.query_name, line.flag, line.mapping_quality = read.name, read.flag, read.mapq
            line.reference_id = line.next_reference_id = number_of[read.chrom]
            line.reference_start, line.next_reference_start = read.start, read.mate
            line.cigarstring, line.template_length = read.cigar, read.template
            length = line.infer_query_length() or 50
            line.query_sequence = "A" * length
            line.query_qualities = pysam.qualitystring_to_array("I" * length)
            file.write(line)
    return path


def in_order(reads: Iterable[Read]) -> list[Read]:
    return sorted(reads, key=lambda read: (list(SIZES).index(read.chrom), read.start))


def count_by_hand(
    fragments: Iterable[Sequence[object]], counted_as: str = "cuts", sizes: Mapping[str, int] = SIZES
) -> dict[str, NDArray[np.float64]]:
    """Count cuts or fragments at each base, one by one."""
    counts = {chrom: np.zeros(size) for chrom, size in sizes.items()}
    for chrom, start, end, *_ in fragments:
        row = counts[str(chrom)]
        if counted_as == "fragments":
            row[start:end] += 1  # type: ignore[misc]
            continue
        for base in (start, end - 1):  # type: ignore[operator]
            if base < len(row):  # type: ignore[operator]
                row[base] += 1  # type: ignore[index]
    return counts


def bedgraph_of(fragments: Iterable[Sequence[str]]) -> str:
    """Cuts at each base as a bedGraph, from rows of text as they stand in a fragments file."""
    cuts = Counter((chrom, int(at)) for chrom, start, end, *_ in fragments for at in (start, int(end) - 1))
    return "".join(f"{chrom}\t{base}\t{base + 1}\t{count}\n" for (chrom, base), count in sorted(cuts.items()))


def means_by_hand(values: NDArray[np.float64], starts: NDArray[np.int64], width: int = 101) -> NDArray[np.float64]:
    """Average values around windows, with 0 beyond the ends."""
    first = starts + 50 - width // 2
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return (sums[np.clip(first + width, 0, len(values))] - sums[np.clip(first, 0, len(values))]) / width
