"""FASTA against a naive parse: compressed or not, any line width, any block size; and every error."""

import gzip
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jundscan.dna.letters import decode, encode
from jundscan.dna.regions import Region
from jundscan.errors import FastaError
from jundscan.io.fasta.genome import open_genome
from tests.helpers import inputs

names = st.text("abcXYZ019_.*:|-é", min_size=1, max_size=6)
sequences = st.text("ACGTacgtNnR-", max_size=90)
genomes = st.dictionaries(names, sequences, min_size=1, max_size=4)


bgzip = partial(inputs.bgzip, block=40)
"""Blocks are so short that lines and records straddle them."""


PACKERS = {"plain": bytes, "gzip": gzip.compress, "bgzip": bgzip}


def fasta(records: dict[str, str], width: int, newline: str, last_newline: bool = True) -> bytes:
    lines = []
    for name, sequence in records.items():
        lines.append(f">{name} a > description")
        lines += [sequence[i : i + width] for i in range(0, len(sequence), width)]
    return (newline.join(lines) + (newline if last_newline else "")).encode()


def runs_of_unknown(sequence: str) -> list[list[int]]:
    runs: list[list[int]] = []
    for base, letter in enumerate(sequence):
        if letter.upper() in "ACGT":
            continue
        if runs and runs[-1][1] == base:
            runs[-1][1] += 1
        else:
            runs.append([base, base + 1])
    return runs


@settings(max_examples=60)
@given(
    records=genomes,
    width=st.integers(1, 100),
    newline=st.sampled_from(["\n", "\r\n"]),
    last_newline=st.booleans(),
    compression=st.sampled_from(list(PACKERS)),
    read_bytes=st.integers(1, 400),
    block_bases=st.integers(1, 100),
    cuts=st.lists(st.integers(0, 90), max_size=6),
)
def test_blocks_equal_a_naive_parse(records, width, newline, last_newline, compression, read_bytes, block_bases, cuts):
    regions = []
    for chrom, sequence in records.items():
        edges = sorted({cut for cut in cuts if cut <= len(sequence)})
        pairs = zip(edges[::2], edges[1::2], strict=False) if len(edges) > 1 else [(0, len(sequence))]
        regions += [Region(chrom, start, end) for start, end in pairs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "genome.fa")
        path.write_bytes(PACKERS[compression](fasta(records, width, newline, last_newline)))
        genome = open_genome(path, read_bytes)
        blocks = list(genome.blocks(regions, block_bases))
        bases = b"".join(decode(codes) for codes in genome.bases(regions))
        runs = {chrom: genome.unknown_runs(chrom).tolist() for chrom in records}
    assert list(genome.chromsizes.items()) == [(chrom, len(seq)) for chrom, seq in records.items()]
    assert runs == {chrom: runs_of_unknown(sequence) for chrom, sequence in records.items()}
    assert all(0 < len(block.codes) <= block_bases for block in blocks)
    for region in regions:
        inside = [b for b in blocks if b.chrom == region.chrom and region.start <= b.start < region.end]
        assert b"".join(decode(b.codes) for b in inside) == decode(
            encode(records[region.chrom][region.start : region.end].encode())
        )
        ends = [b.start + len(b.codes) for b in inside]
        assert [b.start for b in inside] == [region.start, *ends][: len(inside)]
    assert sum(len(b.codes) for b in blocks) == sum(r.end - r.start for r in regions)
    assert bases == b"".join(decode(block.codes) for block in blocks)


@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"@read\nACGT\n+\nIIII\n", "not a FASTA file"),
        (b"\xef\xbb\xbf>a\nACGT\n", "byte-order mark"),
        (b">a\rACGT\r>b\rACGT\r", "carriage return alone"),
        (b">a\nACGT\n>b\nAC\n>a\nGT\n", "(named|ndex|key).*"),
        (b">a\nACGT\n>a\nGT\n", "(named|ndex|key).*"),
        (b">caf\xe9\nACGT\n", "not UTF-8"),
        (b">\nACGT\n", "name"),
    ],
)
def test_file_that_is_no_genome_is_an_error_of_one_line(tmp_path, compression, data, problem):
    path = tmp_path / "genome.fa"
    path.write_bytes(PACKERS[compression](data))
    with pytest.raises(FastaError, match=problem) as caught:
        _ = open_genome(path, read_bytes=11).chromsizes  # headers, lines and records straddle the pieces
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["genome.fa"]


@pytest.mark.parametrize(
    "data",
    [b">a\nACGT\nAC\nACGT\n>b\nGG\n", b">a\nACGTAC\n\n\nACGT\n>b\nGG\n\n\n\n", b">a caf\xe9\nACGTACACGT\n>b\nGG\n"],
    ids=["ragged", "blank lines", "header"],
)
def test_file_that_no_index_describes_is_streamed(tmp_path, data, caplog):
    caplog.set_level("INFO", "jundscan")
    path = tmp_path / "genome.fa"
    path.write_bytes(data)
    genome = open_genome(path)
    assert not genome.seekable
    assert dict(genome.chromsizes) == {"a": 10, "b": 2}
    found = genome.bases([Region("a", 3, 9), Region("b", 0, 2)])
    assert b"".join(decode(codes) for codes in found) == b"TACACGGG"
    assert "no index describes it" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["genome.fa"]


def test_header_inside_a_sequence_is_an_error(tmp_path):
    path = tmp_path / "genome.fa.gz"
    path.write_bytes(gzip.compress(b">a\nAC>b\nGT\n"))
    with pytest.raises(FastaError, match="a '>' inside the sequence of a"):
        _ = open_genome(path).chromsizes


def test_missing_or_unreadable_file_is_an_error(tmp_path):
    with pytest.raises(FastaError, match="No such file"):
        open_genome(tmp_path / "none.fa")
    with pytest.raises(FastaError, match=r"directory|[Dd]enied"):
        open_genome(tmp_path)
    plain = tmp_path / "plain.fa.gz"
    plain.write_bytes(b">a\nACGT\n")
    with pytest.raises(FastaError, match="named as if it were compressed"):
        open_genome(plain)


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:60] + b"\0" * 40 + data[100:]])
def test_damaged_gzip_is_an_error(tmp_path, damage):
    sequence = decode(np.random.default_rng(0).integers(0, 4, 3000).astype(np.uint8)).decode()
    path = tmp_path / "genome.fa.gz"
    path.write_bytes(damage(gzip.compress(fasta({"a": sequence}, 60, "\n"))))
    with pytest.raises(FastaError, match="damaged or cut short"):
        _ = open_genome(path).chromsizes


@pytest.mark.parametrize("compression", PACKERS)
@pytest.mark.parametrize(
    "regions",
    [
        [Region("b", 0, 2), Region("a", 0, 2)],
        [Region("a", 0, 3), Region("a", 2, 4)],
        [Region("a", 0, 9)],
        [Region("a", -1, 2)],
        [Region("a", 3, 2)],
    ],
)
def test_impossible_regions_raise_before_reading(tmp_path, compression, regions):
    path = tmp_path / "genome.fa"
    path.write_bytes(PACKERS[compression](b">a\nACGT\n>b\nAC\n"))
    with pytest.raises(ValueError, match="region"):
        open_genome(path).blocks(regions)


def test_index_is_written_logged_and_used_again(tmp_path, caplog):
    caplog.set_level("INFO", "jundscan")
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a\nACGT\nAC\n")
    open_genome(path)
    assert caplog.messages == [f"wrote the index {path}.fai"]
    assert (tmp_path / "genome.fa.fai").read_text() == "a\t6\t3\t4\t5\n"
    assert len(list(tmp_path.iterdir())) == 2
    open_genome(path)
    assert len(caplog.messages) == 1


def test_stale_index_is_built_again(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a\nACGT\n")
    open_genome(path)
    path.write_bytes(b">a\nACGTAC\n")
    index = tmp_path / "genome.fa.fai"
    os.utime(index, (0, 0))
    assert open_genome(path).chromsizes == {"a": 6}
    assert index.read_text().startswith("a\t6\t")


def test_genome_is_read_when_its_index_cannot_be_kept(tmp_path, caplog):
    caplog.set_level("INFO", "jundscan")
    path = tmp_path / f"{'g' * 245}.fa"  # no room for the longer name of an unfinished index
    path.write_bytes(b">a\nACGT\n")
    genome = open_genome(path)
    assert [decode(block.codes) for block in genome.blocks([Region("a", 1, 4)])] == [b"CGT"]
    assert "cannot keep the index" in caplog.text
    assert "(File name too long)" in caplog.text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("index", ["a\t60\t3\t4\t5\n", "a\t7\t3\t6\t7\n"])
def test_index_of_another_file_is_an_error(tmp_path, index):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a\nACGT\nAC\n")
    Path(f"{path}.fai").write_text(index)
    genome = open_genome(path)
    mismatch = r"is not the file that genome\.fa\.fai describes"
    with pytest.raises(FastaError, match=mismatch):
        genome.unknown_runs("a")
    with pytest.raises(FastaError, match=mismatch):
        list(genome.blocks([Region("a", 0, genome.chromsizes["a"])], 4))


def test_damaged_index_is_an_error(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a\nACGT\nAC\n")
    Path(f"{path}.fai").write_text("rubbish\n")
    with pytest.raises(FastaError, match=r"its index genome\.fa\.fai is damaged; delete it"):
        open_genome(path)


@pytest.mark.slow
@settings(max_examples=200)
@given(
    records=st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.tuples(st.integers(1, 30), st.integers(1, 12), st.sampled_from([0, 0, 0, 1, 2]), st.sampled_from([0, 0, 1])),
        min_size=1,
        max_size=4,
    ),
    newline=st.sampled_from(["\n", "\r\n"]),
    last_newline=st.booleans(),
    read_bytes=st.integers(1, 40),
)
def test_index_equals_that_of_samtools(records, newline, last_newline, read_bytes):
    lines = []
    for name, (length, width, blank, longer) in records.items():
        whole, rest = divmod(length, width)
        lines += [f">{name} described", *["A" * width] * whole, *["C" * rest] * (rest > 0), *["G" * 13] * longer]
        lines += [""] * blank
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "genome.fa")
        path.write_bytes((newline.join(lines) + newline * last_newline).encode())
        genome = open_genome(path, read_bytes)
        is_indexed, fai = genome.seekable, Path(f"{path}.fai")
        written = fai.read_text() if is_indexed else None
        fai.unlink(missing_ok=True)
        pysam = pytest.importorskip("pysam")
        verbosity = pysam.set_verbosity(0)
        try:
            pysam.faidx(str(path))
            expected = fai.read_text()
        except pysam.SamtoolsError:
            expected = None
        finally:
            pysam.set_verbosity(verbosity)
    assert written == expected


@pytest.mark.parametrize(
    "data",
    [
        b">a\nACGT\nACGTAC\n",  # the last line is longer
        b">a\nACGT\r\nACGTA\nACGT\r\n",  # as many bytes, more bases
        b">a\nAC\rGT\nAC\n",
        b">a\n\nACGT\n",
        b">a\nAC\n>b\nACGT\nA\n\nC\n",
    ],
)
def test_file_with_uneven_lines_is_streamed(tmp_path, data):
    path = tmp_path / "genome.fa"
    path.write_bytes(data)
    genome = open_genome(path)
    assert not genome.seekable
    letters = {line.split(b"\n")[0].decode(): b"".join(line.split()[1:]) for line in data.split(b">")[1:]}
    for name, sequence in letters.items():
        found = genome.bases([Region(name, 1, len(sequence))])
        assert b"".join(decode(codes) for codes in found) == sequence[1:]


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["plain", "gzip"])
@pytest.mark.parametrize("layout", ["lines", "one line", "one line, carriage returns", "scaffolds of one line"])
def test_memory_does_not_grow_with_the_chromosome(tmp_path, compression, layout):
    path = tmp_path / "genome.fa"
    newline = b"\r\n" if "returns" in layout else b"\n"
    line = b"ACGTACGTAC" * 6 + (newline if layout == "lines" else b"")
    with gzip.open(path, "wb", 1) if compression == "gzip" else path.open("wb") as file:
        for scaffold in range(2 if "scaffolds" in layout else 1):
            file.write(b">%d%s" % (scaffold, newline))
            for _ in range(20 if "scaffolds" in layout else 40):
                file.write(line * 20_000)
            file.write(newline)
    script = (
        "import resource, sys\n"
        "from jundscan.dna.windows import Region\n"
        "from jundscan.io.fasta.genome import open_genome\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak(); genome = open_genome(sys.argv[1])\n"
        "whole = [Region(chrom, 0, size) for chrom, size in genome.chromsizes.items()]\n"
        "assert sum(len(b.codes) for b in genome.blocks(whole)) == 48_000_000\n"
        "print(peak() - before)"
    )
    if sys.platform != "linux":
        pytest.skip("peak memory is in kilobytes on Linux only")
    grown = subprocess.run(
        [sys.executable, "-c", script, path],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        check=True,
    )
    assert int(grown.stdout) < 20


@pytest.mark.data
def test_real_genomes_agree_where_both_are_known(data_folder):
    folder = data_folder / "genome"
    chromosome = open_genome(folder / "hg19.chr22.partial.fa.gz")
    first_part = open_genome(folder / "hg19.22_1-22000000.fa.gz")
    assert chromosome.chromsizes == {"chr22": 51_304_566}
    assert first_part.chromsizes == {"22": 22_000_000}

    def codes(genome, chrom):
        return np.concatenate([b.codes for b in genome.blocks([Region(chrom, 16_000_000, 22_000_000)])])

    a, b = codes(chromosome, "chr22"), codes(first_part, "22")
    known = (a < 4) & (b < 4)
    assert known.sum() > 2_000_000
    assert np.array_equal(a[known], b[known])
