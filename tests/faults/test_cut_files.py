"""A compressed file or a bigWig without its end is an error in every reader."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pybigtools
import pytest

from jundscan.accessibility.opening import open_track
from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.errors import JundscanError, TrackError
from jundscan.evaluation.truth import read_truth
from jundscan.io.aliases import read_aliases
from jundscan.io.bed import read_intervals
from jundscan.io.fasta.genome import open_genome
from jundscan.io.vcf import open_vcf, read_variants
from tests.helpers.inputs import NEEDS_PYSAM, bgzip, letters
from tests.io.test_files import index_bgzip

BLOCK = 700
SIZES = {"chr1": 60_000}
VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=60000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    + "".join(f"chr1\t{at}\t.\tA\tC\t.\t.\t.\n" for at in range(100, 9_000, 10))
).encode()
LETTERS = letters(np.random.default_rng(1), 60_000)
FASTA = (">chr1\n" + "\n".join(LETTERS[at : at + 60] for at in range(0, 60_000, 60)) + "\n").encode()
ROWS = "".join(f"chr1\t{at}\t{at + 9}\t{at / 7:.3f}\n" for at in range(0, 50_000, 11)).encode()
ALIASES = "".join(f"chr1\tname{at}\n" for at in range(900)).encode()


def every_variant(path: Path) -> None:
    with open_vcf(path) as vcf:
        for _ in read_variants(vcf):
            pass


READERS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "genome": (FASTA, lambda path: open_genome(path).chromsizes),
    "track": (ROWS, open_track),
    "regions": (ROWS, lambda path: read_intervals(path, "regions")),
    "truth": (ROWS, lambda path: read_truth(path, SIZES)),
    "aliases": (ALIASES, lambda path: read_aliases(path, SIZES)),
    "variants": (VCF, every_variant),
}
CUTS = {
    "bgzip without its last block": (bgzip, 28),
    "bgzip without half of its last block": (bgzip, 14),
    "bgzip without its last byte": (bgzip, 1),
    "bgzip inside a block": (bgzip, 60),
    "gzip without its trailer": (gzip.compress, 8),
    "gzip without its last byte": (gzip.compress, 1),
    "gzip inside": (gzip.compress, 600),
}


@pytest.mark.slow
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("reader", READERS)
def test_cut_file_is_an_error_for_every_reader(tmp_path: Path, reader: str, cut: str) -> None:
    (data, read), (compress, lost) = READERS[reader], CUTS[cut]
    path = tmp_path / "x.gz"
    path.write_bytes(compress(data))
    read(path)
    path.write_bytes(compress(data)[:-lost])
    with pytest.raises(JundscanError, match="cut short") as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "reader", [pytest.param("variants", marks=NEEDS_PYSAM), *sorted(READERS.keys() - {"variants"})]
)
def test_file_cut_between_two_blocks_is_an_error_through_a_pipe(tmp_path: Path, reader: str) -> None:
    data, read = READERS[reader]
    compressed, at = bgzip(data), 0
    for _ in range(3):
        at += int.from_bytes(compressed[at + 16 : at + 18], "little") + 1
    for content, is_cut in ((compressed, False), (compressed[:-28], True), (compressed[:at], True)):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
        writer.start()
        if is_cut:
            with pytest.raises(JundscanError, match="cut short"):
                read(pipe)
        else:
            read(pipe)
        writer.join(10)
        pipe.unlink()


def test_cut_genome_with_indexes_is_an_error_when_it_is_opened(tmp_path: Path) -> None:
    plain = tmp_path / "plain.fa"
    plain.write_bytes(FASTA)
    path = tmp_path / "genome.fa.gz"
    compressed = bgzip(FASTA, BLOCK)
    path.write_bytes(compressed)
    index_bgzip(path, plain)
    genome = open_genome(path)
    assert genome.seekable
    assert decode(next(genome.bases([Region("chr1", 20, 30)]))) == LETTERS[20:30].encode()
    for lost in (28, 1, 300):
        path.write_bytes(compressed[:-lost])
        os.utime(f"{path}.fai")
        with pytest.raises(JundscanError, match=r"cut short .*EOF block is missing"):
            open_genome(path)


@pytest.mark.parametrize("lost", [5, 20, 60, 100, 500, 5_000, 20_000])
def test_cut_bigwig_is_an_error(tmp_path: Path, lost: int) -> None:
    rng = np.random.default_rng(0)
    edges = np.cumsum(rng.integers(1, 40, 10_000)).tolist()
    rows = [("chr1", a, b, float(rng.random())) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    path = tmp_path / "t.bw"
    pybigtools.open(str(path), "w").write({"chr1": edges[-1]}, rows)
    open_track(path).close()
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(TrackError, match="cut short or damaged"):
        open_track(path)


def test_concatenated_compressed_files_are_complete(tmp_path: Path) -> None:
    path = tmp_path / "x.bed.gz"
    half = len(ROWS) // 2
    half += ROWS[half:].index(b"\n") + 1
    for compress in (bgzip, gzip.compress):
        path.write_bytes(compress(ROWS[:half]) + compress(ROWS[half:]))
        assert len(read_intervals(path, "track")["chr1"].starts) == ROWS.count(b"\n")
