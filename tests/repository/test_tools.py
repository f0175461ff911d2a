"""What other programs make of the outputs: pyBigWig, tabix, pyfaidx and bedtools read the numbers of the table."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyfaidx
import pytest

from jundscan.evaluation.scan_accuracy import BIN_BASES
from tests.conftest import SIZES, Run
from tests.helpers.inputs import genome_letters, write_fasta, write_rows

pyBigWig = pytest.importorskip("pyBigWig")
pysam = pytest.importorskip("pysam")

STRIDE = 10
Rows = list[list[str]]


def rows_of(text: str) -> Rows:
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return lines[1:] if lines and lines[0][0] == "chrom" else lines


EXACT = ("--track-digits", "exact")


@pytest.fixture
def scanned(tmp_path: Path, run: Run, genome: Path) -> Callable[..., Path]:
    """Scan the small genome to a file."""

    def scan(name: str, *options: object, to: str = "-o") -> Path:
        others = () if to == "-o" else ("-o", "/dev/null")
        common = ("--threshold", 0.4, "-q", "--stride", STRIDE)
        ran = run("scan", genome, to, tmp_path / name, *others, *common, *options)
        assert ran.code == 0, ran.err
        return tmp_path / name

    return scan


@pytest.fixture
def windows(scanned: Callable[..., Path]) -> Rows:
    return rows_of(scanned("windows.tsv", "--format", "windows").read_text())


@pytest.fixture
def bedtools() -> Callable[..., str]:
    program = shutil.which("bedtools")
    if program is None:
        pytest.skip("bedtools is not installed")

    def call(*arguments: object) -> str:
        ran = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True)
        assert ran.stderr == ""
        return ran.stdout

    return call


def track_of_table(windows: Rows, chrom: str) -> np.ndarray:
    """Paint every window of a chromosome on its share of bases, one by one."""
    starts = [int(row[1]) for row in windows if row[0] == chrom]
    values = np.full(SIZES[chrom], np.nan, np.float32)
    for place, (start, row) in enumerate(zip(starts, [row for row in windows if row[0] == chrom], strict=True)):
        begin = max(start + 50 - STRIDE // 2, 0)
        following = starts[place + 1] + 50 - STRIDE // 2 if place + 1 < len(starts) else SIZES[chrom]
        values[begin : min(begin + STRIDE, following)] = np.float32(row[3])
    return values


@pytest.mark.slow
def test_pybigwig_reads_the_numbers_of_the_table(scanned: Callable[..., Path], windows: Rows) -> None:
    with pyBigWig.open(str(scanned("p.bw", *EXACT, to="--track"))) as track:
        assert track.chroms() == {chrom: SIZES[chrom] for chrom in ("chr1", "chr2", "chr3")}
        for chrom in track.chroms():
            expected = track_of_table(windows, chrom)
            np.testing.assert_array_equal(track.values(chrom, 0, SIZES[chrom], numpy=True), expected)
            best = float(np.nanmax(expected))
            assert track.stats(chrom, type="max", exact=True) == [pytest.approx(best)]
        # a genome browser shows zoom levels first
        assert track.header()["nLevels"] > 0
        assert track.stats("chr1", type="max", nBins=3) != [None] * 3


@pytest.mark.slow
def test_rounded_tracks_hold_the_numbers_of_the_table_to_three_decimals(
    scanned: Callable[..., Path], windows: Rows
) -> None:
    text = [line.split("\t") for line in scanned("p.bedgraph", to="--track").read_text().splitlines()]
    with pyBigWig.open(str(scanned("p.bw", to="--track"))) as track:
        for chrom in ("chr1", "chr2", "chr3"):
            expected = np.round(track_of_table(windows, chrom).astype(np.float64), 3)
            np.testing.assert_array_equal(
                np.round(track.values(chrom, 0, SIZES[chrom], numpy=True), 3), np.float32(expected)
            )
            values = np.full(SIZES[chrom], np.nan)
            for _, start, end, value in (row for row in text if row[0] == chrom):
                values[int(start) : int(end)] = float(value)
            np.testing.assert_array_equal(values, expected)
    assert all(len(row[3]) <= len("0.123") for row in text)


@pytest.mark.slow
def test_tabix_fetches_hits_windows_and_tracks(scanned: Callable[..., Path], windows: Rows) -> None:
    for name, options in (
        ("h.bed", ()),
        ("h.narrowPeak", ()),
        ("h.tsv", ()),
        ("n.tsv", ("--no-header",)),
        ("w.tsv", ("--format", "windows")),
        ("n.bed", ("--no-header",)),
    ):
        plain = rows_of(scanned(name, *options).read_text())
        with pysam.TabixFile(str(scanned(f"{name}.gz", *options))) as file:
            assert [line.split("\t") for chrom in file.contigs for line in file.fetch(chrom)] == plain
            inside = [row for row in plain if row[0] == "chr1" and int(row[1]) < 2_500 and int(row[2]) > 2_000]
            assert [line.split("\t") for line in file.fetch("chr1", 2_000, 2_500)] == inside
            assert inside
            assert bool(file.header) == (name in ("h.bed", "h.narrowPeak", "w.tsv"))
    with pysam.TabixFile(str(scanned("p.bedgraph.gz", *EXACT, to="--track"))) as file:
        for chrom in ("chr1", "chr2", "chr3"):
            values = np.full(SIZES[chrom], np.nan, np.float32)
            for line in file.fetch(chrom):
                _, start, end, value = line.split("\t")
                values[int(start) : int(end)] = np.float32(value)
            np.testing.assert_array_equal(values, track_of_table(windows, chrom))


@pytest.mark.slow
def test_the_accuracy_track_is_the_same_in_both_formats(tmp_path: Path, run: Run) -> None:
    genome = write_fasta(tmp_path / "big.fa", {"chr1": genome_letters(np.random.default_rng(5), 25_500)})
    peaks = write_rows(tmp_path / "peaks.bed", [("chr1", 9_000, 12_100)])
    common = ("-o", "/dev/null", "-q", "--threshold", 0.4, "--truth", peaks, "--stride", 50)
    for name in ("a.bw", "a.bedgraph.gz"):
        assert run("scan", genome, *common, "--accuracy-track", tmp_path / name).code == 0
    with pyBigWig.open(str(tmp_path / "a.bw")) as track, pysam.TabixFile(str(tmp_path / "a.bedgraph.gz")) as text:
        lines = [line.split("\t") for line in text.fetch("chr1")]
        assert [(int(start), int(end), np.float32(value)) for _, start, end, value in lines] == [
            (start, end, np.float32(value)) for start, end, value in track.intervals("chr1")
        ]
        assert [int(start) for _, start, _, _ in lines] == [0, BIN_BASES, 2 * BIN_BASES]


@pytest.mark.slow
def test_hits_of_every_format_are_those_of_the_table(scanned: Callable[..., Path], windows: Rows) -> None:
    bed = rows_of(scanned("h.bed").read_text())
    peaks = rows_of(scanned("h.narrowPeak", "--format", "narrowPeak").read_text())
    assert bed
    for plain, peak in zip(bed, peaks, strict=True):
        assert peak[:6] == plain
        assert len(plain) == 6
        inside = [row for row in windows if row[0] == peak[0] and int(peak[1]) <= int(row[1]) < int(peak[2]) - 100]
        assert max(inside, key=lambda row: float(row[3]))[3] == peak[6]  # digit by digit
        assert int(peak[4]) == round(1000 * float(peak[6]))


@pytest.mark.tools
def test_bedtools_accepts_hits_windows_and_tracks(
    tmp_path: Path, scanned: Callable[..., Path], bedtools: Callable[..., str], windows: Rows
) -> None:
    hits = scanned("h.bed")
    rows = rows_of(hits.read_text())
    whole = write_rows(tmp_path / "whole.bed", [(chrom, 0, size) for chrom, size in SIZES.items() if size > 100])
    # our order is that of the FASTA, here alphabetical, and what bedtools calls sorted
    for name, options in (
        ("h.bed", ()),
        ("h.bed.gz", ()),
        ("h.narrowPeak", ()),
        ("h.tsv", ("--no-header",)),  # bedtools sort accepts names of columns behind a # only
        ("w.tsv", ("--format", "windows")),
    ):
        path = scanned(name, *options, "--force")
        found = rows_of(bedtools("intersect", "-sorted", "-u", "-a", path, "-b", whole))
        assert found == rows_of(bedtools("sort", "-i", path))
        assert len(found) == (len(windows) if name == "w.tsv" else len(rows))
        if name.startswith("h.bed"):
            assert found == rows
    track = scanned("p.bedgraph", *EXACT, to="--track")
    best = rows_of(bedtools("map", "-a", hits, "-b", track, "-c", 4, "-o", "max"))
    assert [round(1000 * float(row[-1])) for row in best] == [int(row[4]) for row in rows]


@pytest.mark.tools
def test_pyfaidx_and_bedtools_cut_the_hits_out(
    tmp_path: Path, scanned: Callable[..., Path], bedtools: Callable[..., str], genome: Path, sequences: dict[str, str]
) -> None:
    hits = scanned("h.bed")
    rows = rows_of(hits.read_text())
    expected = [sequences[chrom][int(start) : int(end)] for chrom, start, end, *_ in rows]
    # its program in a process of its own, because it leaves files open
    program = [sys.executable, "-c", "import pyfaidx.cli; pyfaidx.cli.main()"]
    subprocess.run([*program, "--bed", hits, "--out", tmp_path / "by_pyfaidx.fa", genome], check=True)
    with pyfaidx.Fasta(str(tmp_path / "by_pyfaidx.fa")) as cut:
        assert [str(record) for record in cut] == expected
    cut_text = bedtools("getfasta", "-fi", genome, "-bed", hits)
    assert cut_text.splitlines()[1::2] == expected
