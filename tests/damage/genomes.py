"""FASTA of every compression, with and without indexes."""

from __future__ import annotations

import io
import struct
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import open_genome
from tests.damage import oracles
from tests.damage.mutations import damaged_bytes, damaged_text, seeds
from tests.damage.reader import Files, Reader, Strategy, compressors, damaged_file
from tests.helpers import inputs


def _fasta_seeds() -> list[bytes]:
    made = []
    for rng, width, newline in zip(seeds(3), (60, 7, 1000), ("\n", "\r\n", "\n"), strict=True):
        sizes = {"chr1": 150, "chrA": 1, "2 with words": 233, "é|x.1": 120}
        lines = []
        for name, size in sizes.items():
            letters = inputs.letters(rng, size, "ACGTacgtN")
            lines += [f">{name}", *(letters[at : at + width] for at in range(0, size, width))]
        made.append((newline.join(lines) + newline).encode())
    return made


def _read_genome(path: Path, first: str = "blocks") -> dict[str, str]:
    genome = open_genome(path)
    sizes = dict(genome.chromsizes)
    sequences = dict.fromkeys(sizes, "")
    if first == "unknown":  # reads all of it first, as a scan with a track does
        for chrom in sizes:
            genome.unknown_runs(chrom)
    for block in genome.blocks([Region(chrom, 0, size) for chrom, size in sizes.items()], 97):
        assert block.start == len(sequences[block.chrom])
        sequences[block.chrom] += decode(block.codes).decode()
    assert {chrom: len(sequence) for chrom, sequence in sequences.items()} == sizes
    for chrom, sequence in sequences.items():
        known = np.frombuffer(sequence.encode(), np.uint8) != ord("N")
        for start, end in genome.unknown_runs(chrom).tolist():
            assert not known[start:end].any()
            known[start:end] = True
        assert known.all()
    for chrom, size in sizes.items():  # a part of each, as with --region
        if size > 3:
            part = next(genome.blocks([Region(chrom, size // 3, size // 3 + 2)]))
            assert decode(part.codes).decode() == sequences[chrom][size // 3 : size // 3 + 2]
    return sequences


def _right_genome(files: Files, found: dict[str, str]) -> bool:
    return oracles.fasta(oracles.decompressed(files["genome.fa"])) == found


def _fasta(compression: str) -> Reader:
    names = {"plain": "fasta", "gzip": "fasta gzip", "bgzip": "fasta bgzip"}
    made = _fasta_seeds()
    compress = compressors()[compression]
    cases = [damaged_file(data, compression, damaged_text).map(lambda data: {"genome.fa": data}) for data in made]
    undamaged = tuple({"genome.fa": compress(data)} for data in made)
    return Reader(
        names[compression],
        undamaged,
        st.one_of(cases),
        lambda folder: _read_genome(folder / "genome.fa"),
        _right_genome,
    )


class _Stdin(NamedTuple):
    buffer: io.BytesIO

    def isatty(self) -> bool:
        return False


def _read_stdin(folder: Path) -> dict[str, str]:
    before = sys.stdin
    sys.stdin = _Stdin(io.BytesIO((folder / "genome.fa").read_bytes()))  # type: ignore[assignment]
    try:
        return _read_genome(Path("-"), "unknown")
    finally:
        sys.stdin = before


def _fasta_stdin() -> Reader:
    made = _fasta_seeds()
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data: {"genome.fa": data})
        for data in made
        for compression in compressors()
    ]
    undamaged = tuple({"genome.fa": data} for data in made)
    return Reader("fasta stdin", undamaged, st.one_of(cases), _read_stdin, _right_genome)


@cache
def indexed(compression: str) -> list[Files]:
    """Return FASTA files with their indexes."""
    made = []
    for data in _fasta_seeds():
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder, "genome.fa")
            plain.write_bytes(data)
            open_genome(plain)
            fai = Path(folder, "genome.fa.fai").read_bytes()
        if compression == "plain":
            made.append({"genome.fa": data, "genome.fa.fai": fai})
            continue
        compressed, places, uncompressed = inputs.bgzip(data, 100), [], 0
        at = 0
        while at < len(compressed):
            size = struct.unpack_from("<H", compressed, at + 16)[0] + 1
            uncompressed += struct.unpack_from("<I", compressed, at + size - 4)[0]
            at += size
            places.append((at, uncompressed))
        del places[-1:]  # no block follows the empty one at the end
        gzi = struct.pack("<Q", len(places)) + b"".join(struct.pack("<QQ", *place) for place in places)
        made.append({"genome.fa": compressed, "genome.fa.fai": fai, "genome.fa.gzi": gzi})
    return made


def _damaged_index(files: Files) -> Strategy:
    others = indexed("plain")
    fai = st.one_of(damaged_text(files["genome.fa.fai"]), st.sampled_from([other["genome.fa.fai"] for other in others]))
    with_fai = fai.map(lambda fai: {**files, "genome.fa.fai": fai})
    if "genome.fa.gzi" not in files:
        return with_fai
    gzi = damaged_bytes(files["genome.fa.gzi"]).map(lambda gzi: {**files, "genome.fa.gzi": gzi})
    return st.one_of(with_fai, gzi)


def _fasta_indexes(compression: str) -> Reader:
    made = indexed(compression)
    name = {"plain": "fasta index .fai", "bgzip": "fasta indexes .fai and .gzi"}[compression]
    return Reader(
        name,
        tuple(made),
        st.one_of(*map(_damaged_index, made)),
        lambda folder: _read_genome(folder / "genome.fa"),
        _right_genome,
    )


def readers() -> list[Reader]:
    """Return the readers of genomes: of each compression, through a pipe, and with indexes."""
    return [*map(_fasta, compressors()), _fasta_stdin(), _fasta_indexes("plain"), _fasta_indexes("bgzip")]
