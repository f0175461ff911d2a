"""Every kind of input gives the same scan, and inputs that do not fit each other are an error that names both."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.errors import FastaError
from jundscan.io.fasta.genome import Genome, IndexedFasta, open_genome
from jundscan.io.files import temporary_folder
from tests.conftest import SIZES, Run
from tests.helpers.inputs import PACKERS, letters, write_bigwig, write_fasta, write_rows

ROOT = Path(__file__).parents[2]
IDENTITY = ("--accessibility-scale", "identity")
BLOCK = 700


class Stdin(NamedTuple):
    """Standard input from a file, not a terminal."""

    buffer: io.BytesIO

    def isatty(self) -> bool:
        return False


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(io.BytesIO(data)))


def hits_of(run: Run, *arguments: object) -> list[str]:
    """Return the lines of hits and of all windows, with exact probabilities and without headers."""
    lines = []
    for form in ("narrowPeak", "tsv"):
        ran = run("scan", *arguments, "--format", form, "--threshold", 0.3)
        assert ran.code == 0, ran.err
        lines += [line for line in ran.out.splitlines() if not line.startswith("#")]
    assert len(lines) > 100
    return lines


def index_bgzip(path: Path, plain: Path) -> None:
    """Write the ``.fai`` and ``.gzi`` of a bgzipped file, from the sizes of its blocks."""
    open_genome(plain)
    Path(f"{path}.fai").write_bytes(Path(f"{plain}.fai").read_bytes())
    compressed, places, at, uncompressed = path.read_bytes(), [], 0, 0
    while at < len(compressed):
        size = struct.unpack_from("<H", compressed, at + 16)[0] + 1
        at, uncompressed = at + size, uncompressed + struct.unpack_from("<I", compressed, at + size - 4)[0]
        places.append((at, uncompressed))
    del places[-2:]  # neither the end nor the empty last block is in an index
    Path(f"{path}.gzi").write_bytes(struct.pack("<Q", len(places)) + b"".join(struct.pack("<QQ", *p) for p in places))


@pytest.mark.slow
def test_hits_do_not_depend_on_the_compression_of_the_genome(
    tmp_path: Path, run: Run, genome: Path, sequences: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hits_of(run, genome)
    for compression in PACKERS:
        path = write_fasta(tmp_path / f"{compression}.fa", sequences, compression)
        assert hits_of(run, path) == expected
        found = []
        for form in ("narrowPeak", "tsv"):  # standard input is gone after one scan
            feed(monkeypatch, path.read_bytes())
            ran = run("scan", "-", "--format", form, "--threshold", 0.3)
            assert ran.code == 0, ran.err
            found += [line for line in ran.out.splitlines() if not line.startswith("#")]
        assert found == expected
    indexed = write_fasta(tmp_path / "indexed.fa.gz", sequences, "bgzip")
    index_bgzip(indexed, genome)
    assert hits_of(run, indexed) == expected


ROWS = [(chrom, at, at + 40 + at % 64, 0.125 + at % 7 / 8) for chrom in ("chr1", "chr2") for at in range(5, 2_800, 140)]


@pytest.mark.slow
def test_hits_do_not_depend_on_the_format_of_the_track(tmp_path: Path, run: Run, genome: Path) -> None:
    narrow = [(chrom, start, end, "p", 0, ".", value, -1, -1, 3) for chrom, start, end, value in ROWS]
    broad = [row[:9] for row in narrow]
    scored = [(chrom, start, end, "p", value, "+") for chrom, start, end, value in ROWS]
    paths = [
        write_rows(tmp_path / "t.narrowPeak", narrow),
        write_rows(tmp_path / "t.broadPeak", broad),
        write_rows(tmp_path / "t.bedGraph", ROWS),
        write_rows(tmp_path / "t.bed", scored),
        write_rows(tmp_path / "unsorted.bdg", ROWS[::-1]),
        write_bigwig(tmp_path / "t.bw", SIZES, ROWS),
        write_bigwig(tmp_path / "partial.bw", {"chr1": SIZES["chr1"], "chr2": SIZES["chr2"]}, ROWS),
    ]
    for path in paths[:4]:
        compressed = path.with_name(f"{path.name}.gz")
        compressed.write_bytes(gzip.compress(path.read_bytes()))
        paths.append(compressed)
    # a track whose header lists all chromosomes marks the others as closed, not as unknown
    where = ("--region", "chr1", "--region", "chr2")
    every = [hits_of(run, genome, "--accessibility", path, *IDENTITY, *where) for path in paths]
    assert every[0] != hits_of(run, genome, *where)
    for path, found in zip(paths, every, strict=True):
        assert found == every[0], path


@pytest.mark.slow
def test_text_track_and_bigwig_round_values_alike(tmp_path: Path, run: Run, genome: Path) -> None:
    rows = [(chrom, start, end, round(value * 0.9137 + start / 1e6, 5)) for chrom, start, end, value in ROWS]
    text, bigwig = write_rows(tmp_path / "t.bedgraph", rows), write_bigwig(tmp_path / "t.bw", SIZES, rows)
    where = ("--region", "chr1", *IDENTITY)
    assert hits_of(run, genome, "--accessibility", text, *where) == hits_of(
        run, genome, "--accessibility", bigwig, *where
    )


@pytest.mark.slow
def test_bed_counts_by_score_or_by_presence(tmp_path: Path, run: Run, genome: Path) -> None:
    scored = write_rows(tmp_path / "t.bed", [(*row[:3], "p", row[3]) for row in ROWS])
    bare = write_rows(tmp_path / "bare.bed", [row[:3] for row in ROWS])
    narrow = write_rows(tmp_path / "t.narrowPeak", [(*row[:3], "p", 0, ".", row[3], -1, -1, 3) for row in ROWS])
    presence = ("--bed-value", "presence")
    expected = hits_of(run, genome, "--accessibility", bare, *IDENTITY)
    assert hits_of(run, genome, "--accessibility", scored, *IDENTITY, *presence) == expected
    assert hits_of(run, genome, "--accessibility", narrow, *IDENTITY, *presence) == expected
    assert hits_of(run, genome, "--accessibility", scored, *IDENTITY) != expected
    for path in (write_rows(tmp_path / "t.bedgraph", ROWS), write_bigwig(tmp_path / "t.bw", SIZES, ROWS)):
        ran = run("scan", genome, "--accessibility", path, *IDENTITY, *presence)
        assert ran.code == 1
        assert f"{path}: is a b" in ran.err
        assert "--bed-value presence is for BED and peaks" in ran.err
    dots = write_rows(tmp_path / "dots.bed", [(*row[:3], "p", ".", "+") for row in ROWS])
    ran = run("scan", genome, "--accessibility", dots, *IDENTITY)
    assert ran.code == 1
    assert "line 1" in ran.err
    assert "--bed-value presence ignores scores" in ran.err


@pytest.mark.slow
def test_genome_and_track_are_read_through_pipes(
    tmp_path: Path, run: Run, genome: Path, track: Path, sequences: dict[str, str]
) -> None:
    expected = hits_of(run, genome, "--accessibility", track, *IDENTITY)
    expected = [line for line in expected if len(line.split("\t")) == 4]
    contents = {
        tmp_path / "genome.pipe": write_fasta(tmp_path / "compressed.fa", sequences, "bgzip").read_bytes(),
        tmp_path / "track.pipe": gzip.compress(track.read_bytes()),
    }
    writers = []
    for pipe, content in contents.items():
        os.mkfifo(pipe)
        writers.append(threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True))
        writers[-1].start()
    pipes = (tmp_path / "genome.pipe", "--accessibility", tmp_path / "track.pipe")
    ran = run("scan", *pipes, *IDENTITY, "--format", "tsv", "--threshold", 0.3)
    for writer in writers:
        writer.join(10)
    assert [line for line in ran.out.splitlines() if not line.startswith("#")] == expected


@pytest.mark.slow
@pytest.mark.parametrize(("data", "problem"), [(b"", "is empty"), (b"chr1\t0\t9\n", "not a FASTA file")])
def test_standard_input_without_a_genome_is_an_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes, problem: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    feed(monkeypatch, data)
    ran = run("scan", "-", "--quiet")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"jundscan: -: {problem}")
    assert list(tmp_path.iterdir()) == []


def test_copy_of_standard_input_is_removed_with_the_genome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    feed(monkeypatch, b">a\nACGT\n")
    genome = open_genome("-")
    assert genome.chromsizes == {"a": 4}
    assert len(list(tmp_path.iterdir())) == 1
    del genome
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("interrupted", ["while it is made", "inside the block", "never"])
def test_temporary_folder_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, interrupted: str) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    make, made = os.mkdir, []

    def make_then_interrupt(path: str | Path, *mode: int) -> None:
        make(path, *mode)
        made.append(path)
        if interrupted == "while it is made":
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", make_then_interrupt)
    with nullcontext() if interrupted == "never" else pytest.raises(KeyboardInterrupt), temporary_folder() as folder:
        (folder / "counts.bw").write_bytes(b"some")
        if interrupted == "inside the block":
            raise KeyboardInterrupt
    assert len(made) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def indexed(tmp_path: Path, genome: Path, sequences: dict[str, str]) -> Path:
    path = write_fasta(tmp_path / "indexed.fa.gz", sequences, "bgzip")
    index_bgzip(path, genome)
    return path


def read(genome: Genome, *regions: Region) -> list[bytes]:
    return [decode(block.codes) for block in genome.blocks(regions)]


@pytest.mark.slow
def test_bgzipped_genome_is_read_by_its_indexes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = {"chr1": 1_200_000, "chr2": 800_000}  # so long that regions lie further apart than what is read ahead
    sequences = {chrom: letters(rng, size) for chrom, size in sizes.items()}
    plain = write_fasta(tmp_path / "plain.fa", sequences)
    compressed = write_fasta(tmp_path / "compressed.fa.gz", sequences, "bgzip")
    index_bgzip(compressed, plain)
    regions = []
    for chrom, size in sizes.items():
        cuts = np.unique(rng.integers(0, size, 12)).tolist()
        regions += [Region(chrom, *pair) for pair in zip(cuts[::2], cuts[1::2], strict=False)]
    chromosomes = [Region(chrom, 0, size) for chrom, size in sizes.items()]
    genome = open_genome(compressed)
    assert isinstance(genome, IndexedFasta)
    assert genome.chromsizes == sizes
    for asked in (regions, chromosomes):
        assert read(genome, *asked) == read(open_genome(plain), *asked)
        assert b"".join(read(genome, *asked)).decode() == "".join(sequences[c][a:b] for c, a, b in asked)


def test_wrong_index_of_a_bgzipped_genome_is_an_error(indexed: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jundscan")
    gzi, fai = Path(f"{indexed}.gzi"), Path(f"{indexed}.fai")
    undamaged = gzi.read_bytes()
    for damaged in (
        b"",
        undamaged[:-3],
        undamaged[:-8],
        undamaged[:8] + undamaged[-16:] + undamaged[8:-16],
        undamaged[:-16] + b"\1" * 16,
    ):
        gzi.write_bytes(damaged)
        with pytest.raises(FastaError, match=r"is not the file that indexed\.fa\.gz\.gzi describes; delete that index"):
            open_genome(indexed)
    gzi.write_bytes(undamaged)
    os.utime(fai, (0, 0))
    assert open_genome(indexed).chromsizes == SIZES  # streamed
    assert f"{fai} is older than its FASTA and not used" in caplog.text
    os.utime(fai)
    fai.write_text(fai.read_text().replace("\t6000\t", "\t5900\t"))
    with pytest.raises(FastaError, match=r"is not the file that indexed\.fa\.gz\.fai describes"):
        open_genome(indexed).unknown_runs("chr1")


def test_nothing_is_written_beside_a_compressed_genome(tmp_path: Path, run: Run, sequences: dict[str, str]) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    write_fasta(folder / "g.fa.gz", sequences, "bgzip")
    assert run("scan", folder / "g.fa.gz", "-o", tmp_path / "h.bed").code == 0
    assert [path.name for path in folder.iterdir()] == ["g.fa.gz"]


ALIASES = "# refseq\tucsc\tensembl\nNC_1.1\tchr1\t1\nNC_2.1\tchr2\t\nNC_9.1\tchr9\t9\n"


@pytest.mark.slow
def test_aliases_apply_to_every_input(tmp_path: Path, run: Run, genome: Path, track: Path) -> None:
    alias = tmp_path / "chromAlias.txt"
    alias.write_text(ALIASES)
    files = {
        "--accessibility": track.read_text(),
        "--regions": "chr1\t0\t4000\nchr2\t500\t3000\n",
        "--exclude": "chr1\t1000\t1100\nchr2\t0\t700\n",
        "--truth": "chr1\t500\t900\n",
    }
    arguments: dict[bool, list[object]] = {True: [], False: []}
    for option, text in files.items():
        for renamed in arguments:
            path = tmp_path / f"{option}.{renamed}.bedgraph"
            path.write_text(text.replace("chr1\t", "NC_1.1\t").replace("chr2\t", "NC_2.1\t") if renamed else text)
            arguments[renamed] += [option, path]
    expected = hits_of(run, genome, *IDENTITY, *arguments[False], "--region", "chr1:0-4500")
    assert hits_of(
        run, genome, *IDENTITY, *arguments[True], "--region", "NC_1.1:0-4500", "--alias", alias
    ) == expected  # fmt: skip
    ran = run("scan", genome, *IDENTITY, *arguments[True], "--alias", alias)
    assert "names chromosomes differently: NC_1.1 for chr1" in ran.err
    without = run("scan", genome, *IDENTITY, *arguments[True])
    assert without.code == 1
    assert "NC_1.1" in without.err


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "jundscan", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


HG19 = {"chr1": 249_250, "chr2": 243_199, "chrX": 155_270}
HG38 = {"chr1": 248_956, "chr2": 242_193, "chrX": 156_040}


@pytest.fixture(scope="module")
def hg19(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome whose lengths are those of hg19 divided by a thousand."""
    rng = np.random.default_rng(5)
    letters = {chrom: "".join(rng.choice(list("ACGT"), size)) for chrom, size in HG19.items()}
    return write_fasta(tmp_path_factory.mktemp("hg19") / "hg19.fa", letters)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "messages"),
    [
        ("build", ("hg38.bw: chr1 has 248956 bases, but chr1 of ", "hg19.fa has 249250", "another assembly?")),
        ("names", ("other.bedgraph: no chromosome in common: it names NC_1.1, NC_2.1", "hg19.fa has chr1, chr2, chrX")),
        ("aliases", ("alias.txt: no other name for a chromosome", "it names scaffold_1", "the genome has chr1")),
        ("empty", ("region chr1:100-190: holds no window of 101 bases at stride 10",)),
        ("list", ("list.bed, line 1: start 500 and end 500",)),
        ("peaks", ("truth.bed: no chromosome in common", "NC_1.1", "chr1")),
    ],
)
def test_inputs_that_do_not_fit_are_an_error_within_two_seconds(
    tmp_path: Path, hg19: Path, kind: str, messages: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    rows = [("NC_1.1", 0, 500, 1.0), ("NC_2.1", 0, 500, 2.0)]
    options: dict[str, tuple[object, ...]] = {
        "build": ("--accessibility", write_bigwig(tmp_path / "hg38.bw", HG38, [("chr1", 5, 900, 1.5)])),
        "names": ("--accessibility", write_rows(tmp_path / "other.bedgraph", rows)),
        "aliases": ("--alias", write_rows(tmp_path / "alias.txt", [("scaffold_1", "NW_1.1")])),
        "empty": ("--region", "chr1:100-190"),
        "list": ("--regions", write_rows(tmp_path / "list.bed", [("chr1", 500, 500)])),
        "peaks": ("--truth", write_rows(tmp_path / "truth.bed", [row[:3] for row in rows])),
    }
    began = os.times()
    ran = command("scan", hg19, "-o", out / "h.bed", "--track", out / "p.bw", "--quiet", *options[kind])
    ended = os.times()
    # of the processor, which other work on the machine does not lengthen
    seconds = ended.children_user + ended.children_system - began.children_user - began.children_system
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("jundscan: ")
    assert ran.stderr.count("\n") == 1
    for text in messages:
        assert text in ran.stderr
    assert list(out.iterdir()) == []
    assert 0 < seconds < 2  # 0.5 s


@pytest.mark.slow
def test_scan_without_hits_warns_and_succeeds(tmp_path: Path, hg19: Path) -> None:
    ran = command("scan", hg19, "--region", "chr1:0-20000", "--threshold", 1, "-o", tmp_path / "h.bed", "--quiet")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == "warning: 0 hits: no window reaches the threshold\n"
    assert all(line.startswith("#") for line in (tmp_path / "h.bed").read_text().splitlines())
