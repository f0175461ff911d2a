"""Fragments, BAM and CRAM."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jundscan.accessibility.read_tracks import open_reads
from tests.damage import oracles
from tests.damage.intervals import SIZES, chromosome
from tests.damage.mutations import damaged_bytes, damaged_text, seeds
from tests.damage.oracles import UNSPECIFIED, Invalid
from tests.damage.reader import Files, Reader, compressors, damaged_file
from tests.helpers.inputs import bgzip
from tests.helpers.reads import BARCODES, Read, write_alignments

_STARTS = np.arange(0, 900, 7)
_MAX_END = 1 << 34


def _rows(rng: np.random.Generator) -> bytes:
    rows = []
    for chrom in ("chr1", "2", "é|x.1"):
        for start in rng.integers(0, 700, 6).tolist():
            end = start + int(rng.integers(30, 120))
            rows.append("\t".join(map(str, (chrom, start, end, BARCODES[start % 4], start % 3 + 1))))
    return ("# id=x\n" + "\n".join(rows) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    with open_reads(path, SIZES)[""] as track:
        return {name: track.window_means(name, _STARTS) for name in track.names}


def _count(data: bytes) -> dict[str, Any]:
    """Count the cuts of every line, one by one."""
    counts: dict[str, Any] = {}
    columns = 0
    unsure = False
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not line.strip() or line.startswith(b"#"):
            continue
        fields = line.rstrip(b"\r").split(b"\t")
        columns = columns or len(fields)
        if not 3 <= len(fields) == columns <= 5 or not fields[0] or b"\0" in fields[0]:
            raise Invalid
        try:
            name = fields[0].decode()
            start, end = int(fields[1]), int(fields[2])
        except ValueError as err:
            raise Invalid from err
        unsure = unsure or not (fields[1].isdigit() and fields[2].isdigit())
        if not 0 <= start < end <= _MAX_END:
            raise Invalid
        size = SIZES.get(chromosome(name) or "", _MAX_END)
        row = counts.setdefault(name, [np.zeros(int(_STARTS[-1]) + 101), 0])
        for base in (start, end - 1):
            row[1] += base < size
            if base < min(size, len(row[0])):
                row[0][base] += 1
    if not any(inside for _, inside in counts.values()):
        raise Invalid
    if unsure:
        raise ValueError
    return {name: row for name, (row, _) in counts.items()}


def _right(files: Files, found: Mapping[str, Any]) -> Any:
    (data,) = files.values()
    try:
        counts = _count(oracles.decompressed(data))
    except ValueError:  # a number such as +5
        return UNSPECIFIED
    means = {name: [row[start : start + 101].sum() / 101 for start in _STARTS] for name, row in counts.items()}
    return list(found) == list(means) and all(np.allclose(found[name], means[name], rtol=1e-5) for name in found)


def _fragments() -> Reader:
    made = [_rows(rng) for rng in seeds(2)]
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data: {"fragments.tsv": data})
        for data in made
        for compression in ("plain", "plain", "gzip", "bgzip")
    ]
    undamaged = tuple({"fragments.tsv": compress(data)} for data in made for compress in compressors().values())
    return Reader("fragments", undamaged, st.one_of(cases), lambda folder: _read(folder / "fragments.tsv"), _right)


@cache
def _bam() -> bytes:
    reads = [Read("a", 16 * (start % 2), "chr1", start, mapq=start % 60) for start in range(0, 800, 7)]
    with tempfile.TemporaryDirectory() as folder:
        return gzip.decompress(write_alignments(Path(folder, "a.bam"), reads, {"chr1": 900, "2": 850}).read_bytes())


def _alignments() -> Reader:
    packed = bgzip(_bam(), 3_000)
    cases = st.one_of(damaged_bytes(_bam()).map(lambda data: bgzip(data, 3_000)), damaged_bytes(packed))
    return Reader(
        "BAM",
        ({"a.bam": packed},),
        cases.map(lambda data: {"a.bam": data}),
        lambda folder: _read(folder / "a.bam"),
        lambda _, found: UNSPECIFIED if found else False,
    )


def readers() -> list[Reader]:
    """Return the readers of reads; that of BAM where pysam is installed."""
    return [_fragments(), *([_alignments()] if find_spec("pysam") else [])]
