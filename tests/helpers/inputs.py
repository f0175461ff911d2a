"""Small genomes, tracks and shards made for tests."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jundscan.accessibility.scale import AccessibilityScale, Knots
from jundscan.dna.letters import one_hot
from jundscan.io.shards import write_shards
from jundscan.model.model import Model

NEEDS_PYSAM = pytest.mark.skipif(find_spec("pysam") is None, reason="needs pysam: pip install '.[hts]'")

Row = tuple[str, int, int, float]


def scale_of(model: Model) -> AccessibilityScale:
    """Make a scale for all widths that a model sees, another one for each of them."""
    values, percentiles = np.array([0.01, 0.3, 0.9]), np.array([0.5, 0.8, 0.99])
    wider = {width: Knots(values / at, percentiles - at / 100) for at, width in enumerate(model.widths) if at}
    return AccessibilityScale(values, percentiles, 1000, wider)


def letters(rng: np.random.Generator, length: int, alphabet: str = "ACGT") -> str:
    return "".join(rng.choice(list(alphabet), length))


def genome_letters(rng: np.random.Generator, length: int) -> str:
    """Bases of either case with runs of N and lone IUPAC letters."""
    text = list(letters(rng, length, "ACGTACGTACGTacgt"))
    for _ in range(length // 400):
        start, run = rng.integers(length), rng.integers(1, 60)
        text[start : start + run] = "N" * len(text[start : start + run])
    for place in rng.integers(0, length, length // 500):
        text[place] = "RYn"[rng.integers(3)]
    return "".join(text)


def bgzip(data: bytes, block: int = 700) -> bytes:
    """Compress as bgzip does: many small gzip members with their sizes, then an empty one."""
    members = []
    for start in [*range(0, len(data), block), len(data)]:
        piece = data[start : start + block]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = packer.compress(piece) + packer.flush()
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
        members.append(head + body + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(members)


PACKERS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress, "bgzip": bgzip}


def write_fasta(path: Path, sequences: Mapping[str, str], packed: str = "plain", width: int = 60) -> Path:
    lines = []
    for name, sequence in sequences.items():
        lines += [f">{name} made for a test", *(sequence[at : at + width] for at in range(0, len(sequence), width))]
    path.write_bytes(PACKERS[packed]("\n".join([*lines, ""]).encode()))
    return path


def write_rows(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def track_rows(rng: np.random.Generator, sizes: Mapping[str, int], every: int = 300) -> list[Row]:
    """Intervals with distinct values, some of which overlap."""
    rows = []
    for chrom, size in sizes.items():
        for start in rng.integers(0, size, size // every).tolist():
            end = min(start + int(rng.integers(20, 400)), size)
            rows.append((chrom, start, end, round(float(rng.random()) + 0.001, 5)))
    return rows


def write_bigwig(path: Path, sizes: Mapping[str, int], rows: Sequence[Row]) -> Path:
    """Write disjoint, sorted rows."""
    import pybigtools

    pybigtools.open(str(path), "w").write(dict(sizes), iter(rows))
    return path


def write_shard(folder: Path, n: int = 1200, seed: int = 0, **changed: NDArray[np.generic] | None) -> Path:
    """Write one shard of random windows; ``changed`` replaces or (None) leaves out columns."""
    rng = np.random.default_rng(seed)
    columns: dict[str, NDArray[np.generic] | None] = {
        "y": (rng.random(n) < 0.2).astype(np.int64),
        "w": rng.random(n) + 0.1,
        "a": np.where(rng.random(n) < 0.5, 0, rng.random(n)).astype(np.float32),
        "ids": np.array([f"chr22:{start}-{start + 101}" for start in range(n)]),
    }
    codes = rng.integers(0, 5, (n, 101)).astype(np.uint8)
    write_shards(folder, 0, one_hot(codes), **{**columns, **changed})  # type: ignore[arg-type]
    return folder
