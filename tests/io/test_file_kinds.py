"""An input of a wrong kind is an error that names its kind and what to do."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
import time
from pathlib import Path

import pybigtools
import pytest

from jundscan.accessibility.opening import open_track
from jundscan.errors import JundscanError, ModelError
from jundscan.evaluation.truth import read_truth
from jundscan.io.aliases import read_aliases
from jundscan.io.bed import read_intervals
from jundscan.io.fasta.genome import open_genome
from jundscan.io.file_kinds import HEAD_BYTES, file_kind
from jundscan.io.vcf import open_vcf
from jundscan.model.load import load_model
from jundscan.scanning.spans import scan_spans
from tests.conftest import Run
from tests.helpers.inputs import bgzip

BEDGRAPH = b"chr1\t0\t9\t1.5\n"
WIGGLE = b"track type=wiggle_0\nfixedStep chrom=chr1 start=1 step=10 span=10\n5\n6\n"
FASTQ = b"@read/1\nACGTNACGT\n+\nIIIIIIIII\n"
SIZES = {"chr1": 3_000}


def bam(folder: Path, mode: str) -> bytes:
    path = folder / "made"
    pysam = pytest.importorskip("pysam")
    with pysam.AlignmentFile(str(path), mode, header={"HD": {"VN": "1.6"}, "SQ": [{"SN": "chr1", "LN": 3_000}]}):
        pass
    return path.read_bytes()


def bigwig(folder: Path) -> bytes:
    pybigtools.open(str(folder / "made.bw"), "w").write(SIZES, [("chr1", 5, 900, 1.5)])
    return (folder / "made.bw").read_bytes()


def bigbed(folder: Path) -> bytes:
    pybigtools.open(str(folder / "made.bb"), "w").write(SIZES, [("chr1", 5, 900, "name")])
    return (folder / "made.bb").read_bytes()


TRACKS = {
    "steps.wig": (lambda _: WIGGLE, "is a wiggle, not .*; convert it: wigToBigWig {} chrom.sizes steps.bw$"),
    "late.wig": (
        lambda _: b"# made by hand\nbrowser hide all\nvariableStep chrom=chr1\n5 1.5\n",
        "is a wiggle, not .*; convert it: wigToBigWig",
    ),
    "steps.wig.gz": (lambda _: gzip.compress(WIGGLE), "is a wiggle, not .*wigToBigWig {} chrom.sizes steps.bw$"),
    "a.sam": (lambda f: bam(f, "w"), "is a SAM .*, not .*; convert it: samtools view -b {} -o a.bam"),
    "a.bb": (bigbed, "is a bigBed, not .*; convert it: bigBedToBed {} a.bed$"),
    "a.bw.gz": (lambda f: gzip.compress(bigwig(f)), "is a bigWig inside gzip; run: gunzip {}$"),
    "b.bw.bgz": (lambda f: bgzip(bigwig(f)), "is a bigWig inside gzip; run: gunzip {}$"),
    "t.bedgraph.xz": (lambda _: lzma.compress(BEDGRAPH), "is compressed with xz; .* run: xz -d {}$"),
    "t.bedgraph.bz2": (lambda _: bz2.compress(BEDGRAPH), "is compressed with bzip2; .* run: bunzip2 {}$"),
    "t.zip": (lambda _: b"PK\3\4" + bytes(60), "is compressed with zip; .* run: unzip {}$"),
    "t.zst": (lambda _: b"\x28\xb5\x2f\xfd" + bytes(60), "is compressed with zstd; .* run: zstd -d {}$"),
    "twice.gz": (lambda _: gzip.compress(gzip.compress(BEDGRAPH)), "is compressed with gzip twice; run: gunzip {}$"),
    "g.fa": (lambda _: b">chr1\nACGT\n", "is a FASTA, not .*; name it as the genome$"),
    "g.2bit": (lambda _: b"\x43\x27\x41\x1a" + bytes(60), "is a 2bit genome, not "),
    "r.fastq": (lambda _: FASTQ, "is a FASTQ .*, not .*; align the reads first$"),
    "v.vcf": (lambda _: b"##fileformat=VCFv4.2\n", "is a VCF, not .*; jundscan variants reads it$"),
    "g.gff3": (lambda _: b"##gff-version 3\nchr1\tx\tgene\t1\t9\t.\t+\t.\tID=1\n", "is a GFF or GTF .*gff2bed"),
    "g.gtf": (lambda _: b'chr1\thavana\tgene\t11\t90\t.\t+\t.\tgene_id "1";\n', "is a GFF or GTF .*gtf2bed"),
    "p_peaks.xls": (
        lambda _: b"# MACS version 2\n\nchr\tstart\tend\tlength\tabs_summit\nchr1\t5\t9\t5\t7\n",
        "is the table of peaks of MACS .*; its starts count from 1; name the .narrowPeak",
    ),
    "homer.txt": (lambda _: b"#PeakID\tchr\tstart\tend\n1\tchr1\t5\t9\t+\n", "is a peak file of HOMER.*pos2bed.pl"),
    "page.bed": (lambda _: b"<!DOCTYPE html>\n<html>404</html>\n", "is a web page, not .*; the download failed"),
    "pointer.bw": (
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid 1\n",
        "is a pointer of Git LFS, not .*git lfs",
    ),
    "a.bed.gz.tbi": (lambda _: bgzip(b"TBI\1" + bytes(40)), "is an index of another file, not "),
}


@pytest.mark.parametrize("name", TRACKS)
def test_error_for_a_wrong_track_says_what_to_do(tmp_path: Path, name: str) -> None:
    make, expected = TRACKS[name]
    path = tmp_path / name
    path.write_bytes(make(tmp_path))
    for read in (open_track, lambda path: read_intervals(path, "regions")):
        with pytest.raises(
            JundscanError, match=expected.format(path) if read is open_track else "is (a|an|the|comp)"
        ) as raised:
            read(path)
        assert str(raised.value).startswith(f"{path}: is ")
        assert "--bed-value" not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (FASTQ, r"is a FASTQ \(reads\), not a FASTA file; name the genome that the reads come from"),
        (b"\x1a\x41\x27\x43" + bytes(60), "is a 2bit genome, not a FASTA file; convert it: twoBitToFa .* genome.fa"),
        (lzma.compress(b">a\nACGT\n"), "is compressed with xz; .* run: xz -d "),
        (bz2.compress(b">a\nACGT\n"), "is compressed with bzip2"),
        (b"##fileformat=VCFv4.2\n", "is a VCF, not a FASTA file"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "is a web page, not a FASTA file; the download failed"),
        (WIGGLE, "is a wiggle, not a FASTA file"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_error_for_a_wrong_genome_says_what_to_do(tmp_path: Path, data: bytes, expected: str, compressed: bool) -> None:
    path = tmp_path / "genome.data"
    path.write_bytes(gzip.compress(data) if compressed else data)
    if compressed and "2bit" in expected:
        expected = "is a 2bit genome inside gzip; run: gunzip "
    with pytest.raises(JundscanError, match=expected):
        open_genome(path)


def test_error_for_any_other_wrong_input_names_its_kind(tmp_path: Path) -> None:
    made = {"t.bw": bigwig(tmp_path), "t.xz": lzma.compress(BEDGRAPH), "a.bam": bam(tmp_path, "wb"), "t.wig": WIGGLE}
    for name, data in made.items():
        path = tmp_path / name
        path.write_bytes(data)
        reads = (
            lambda: read_truth(path, SIZES),  # noqa: B023
            lambda: scan_spans(SIZES, 10, regions_file=path),  # noqa: B023
            lambda: scan_spans(SIZES, 10, exclude=path),  # noqa: B023
            lambda: read_aliases(path, SIZES),  # noqa: B023
            lambda: open_vcf(path).__enter__(),  # noqa: B023
            lambda: load_model(path),  # noqa: B023
        )
        for read in reads:
            with pytest.raises(JundscanError, match=r"is (a bigWig|compressed with (xz|gzip)|a BAM|a wiggle)\b"):
                read()
    path = tmp_path / "model.onnx"
    path.write_bytes(gzip.compress(b"onnx"))
    with pytest.raises(ModelError, match="is compressed with gzip; run: gunzip"):
        load_model(path)
    path.write_bytes(lzma.compress(b"onnx"))
    with pytest.raises(ModelError, match="is compressed with xz; run: xz -d"):
        load_model(path)


ADDRESSES = {
    "https://example.org/t.bw": "curl -fLO https://example.org/t.bw",
    "HTTP://example.org/a/b.fa.gz": "curl -fLO HTTP://example.org/a/b.fa.gz",
    "ftp://ftp.example.org/x.bed": "curl -fLO ftp://ftp.example.org/x.bed",
    "s3://bucket/key.bw": "aws s3 cp s3://bucket/key.bw .",
    "gs://bucket/key.bw": "gcloud storage cp gs://bucket/key.bw .",
    "file:///data/t.bw": "name the file by its path: /data/t.bw",
}


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_error_for_an_address_shows_it_as_typed(run: Run, genome: Path, address: str) -> None:
    commands = (
        ("scan", address),
        ("scan", genome, "--accessibility", address),
        ("scan", genome, "--regions", address),
        ("scan", genome, "--exclude", address),
        ("scan", genome, "--truth", address, "-o", os.devnull),
        ("scan", genome, "--model", address),
        ("scan", genome, "--alias", address),
        ("variants", address, genome),
    )
    for command in commands if address == "https://example.org/t.bw" else commands[:1]:
        ran = run(*command, "--quiet")
        assert ran.code == 1, command
        assert ran.err.startswith(f"jundscan: {address}: is an address"), command
        assert ran.err.rstrip().endswith(ADDRESSES[address])


def test_folder_named_like_an_address_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("https:", "example.org")
    folder.mkdir(parents=True)
    (folder / "t.bed").write_bytes(BEDGRAPH)
    with open_track(folder / "t.bed") as track:
        assert track.names == ("chr1",)


@pytest.mark.slow
def test_standard_input_is_read_for_genomes_only(run: Run, genome: Path) -> None:
    for option in ("--accessibility", "--regions", "--exclude"):
        ran = run("scan", genome, option, "-", "--quiet")
        assert ran.code == 1
        assert ran.err.startswith("jundscan: -: standard input is not read here; name a file")


def test_bigwig_through_a_pipe_is_an_error(tmp_path: Path) -> None:
    for data, expected in (
        (bigwig(tmp_path), "is a bigWig, which cannot be read through a pipe; write it to a file first"),
        (gzip.compress(WIGGLE), "is a wiggle"),
        (lzma.compress(BEDGRAPH), "is compressed with xz"),
    ):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
        writer.start()
        with pytest.raises(JundscanError, match=expected):
            open_track(pipe)
        writer.join(10)
        pipe.unlink()


@pytest.mark.parametrize(
    "data",
    [
        BEDGRAPH,
        b"# fixedStep is the name of nothing here\nchr1\t0\t9\t1.5\n",
        b"track type=wiggle_0 name=old\nchr1\t0\t9\t1.5\n",
        b"CRAM\t0\t9\t1.5\n",
        b"BZh\t0\t9\t1.5\n",
        b"@HD-chr\t0\t9\t1.5\n",
        b"chr1\t0\t9\tgene\t5\t+\n",
        b"\xef\xbb\xbfchr1\t0\t9\t1.5\n",
    ],
)
def test_text_track_is_not_mistaken_for_another_kind(tmp_path: Path, data: bytes) -> None:
    assert file_kind(data) is None
    path = tmp_path / "x.bed"
    path.write_bytes(data)
    assert sum(len(intervals.starts) for intervals in read_intervals(path, "track").values()) == 1


@pytest.mark.parametrize(
    "piece", [b"\n", b" \n", b"\r\n", b"#\n", b"\t", b"a\t", b"@\n", b"fixedStep", b"variableStep \n", b"<", b"9\t9\n"]
)
def test_kind_of_any_head_is_found_quickly(piece: bytes) -> None:
    begin = time.process_time()
    for ending in (b"", b"x", b"\n"):
        file_kind((piece * HEAD_BYTES)[:HEAD_BYTES] + ending)
    assert time.process_time() - begin < 0.5  # under a millisecond when the machine is free
