"""A bigWig that cannot be written is an error before any work, and a damaged one never ends in a panic."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from jundscan.accessibility.opening import open_track
from jundscan.errors import OutputError, TrackError
from jundscan.io.outputs import check_track_output, open_track_output
from tests.conftest import SIZES, Run
from tests.helpers.inputs import write_bigwig, write_fasta
from tests.io.test_outputs import small_files

SPAN = np.array([5]), np.array([15]), np.array([0.5], np.float32)


def write_one(path: Path, sizes: dict[str, int], chrom: str) -> None:
    with open_track_output(path, sizes) as add:
        add(chrom, *SPAN)


@pytest.mark.parametrize("size", [1 << 32, (1 << 32) + 7_000_000, 1 << 40])
def test_chromosome_too_long_for_a_bigwig_is_an_error_before_any_work(
    tmp_path: Path, size: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.bw"
    with pytest.raises(OutputError, match=rf"x\.bw: a bigWig cannot hold huge, whose {size:,} bases .*bedgraph\.gz"):
        write_one(path, {"chr1": 900, "huge": size}, "chr1")
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())
    write_one(tmp_path / "x.bedgraph", {"huge": size}, "huge")


def test_the_longest_chromosome_of_a_bigwig_is_written(tmp_path: Path) -> None:
    write_one(tmp_path / "x.bw", {"long": (1 << 32) - 1}, "long")
    with open_track(tmp_path / "x.bw") as track:
        assert track.sizes == {"long": (1 << 32) - 1}


@pytest.mark.parametrize("name", ["", "a\0b", "caf\udce9"])
def test_name_that_a_bigwig_cannot_hold_is_an_error(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutputError, match="a bigWig cannot hold the name"):
        write_one(tmp_path / "x.bw", {name: 900}, name)
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["na\udcefve.bw", "na\udcefve.BIGWIG", "fold\udce9r/x.bw"])
def test_path_that_is_not_utf8_is_an_error_before_any_work(tmp_path: Path, run: Run, genome: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    with pytest.raises(OutputError, match=r"the path of a bigWig must be UTF-8 text"):
        check_track_output(path, force=False)
    for option in ("--track", "--accuracy-track"):
        truth = ("--truth", write_peaks(tmp_path)) if option == "--accuracy-track" else ()
        ran = run(
            "scan",
            genome,
            "--no-accessibility",
            "-o",
            tmp_path / "hits.bed",
            option,
            path,
            *truth,
            "-q",
        )
        assert ran.code == 1
        assert "must be UTF-8 text" in ran.err
        assert "disk full" not in ran.err
    assert not (tmp_path / "hits.bed").exists()


def test_path_may_hold_any_letters(tmp_path: Path) -> None:
    folder = tmp_path / "données 染色体"
    folder.mkdir()
    write_one(folder / "café.bw", {"chr1": 900}, "chr1")
    with open_track(folder / "café.bw") as track:
        assert track.names == ("chr1",)


def write_peaks(folder: Path) -> Path:
    path = folder / "peaks.bed"
    path.write_text("chr1\t100\t900\n")
    return path


def test_error_of_an_unfinished_bigwig_is_that_of_the_system(tmp_path: Path) -> None:
    def work() -> None:
        with open_track_output(tmp_path / "x.bw", {"chr1": 10**9}) as add:
            for first in range(0, 2_000_000, 200_000):
                starts = np.arange(first, first + 200_000, 10)
                add("chr1", starts, starts + 10, np.full(len(starts), 0.25, np.float32))

    with small_files(2_000), pytest.raises(OutputError, match=r"x\.bw: the bigWig cannot be written: File too large"):
        work()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", [100, 5_000, 200_000])
def test_error_of_a_large_bigwig_prints_nothing(tmp_path: Path, limit: int, capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        rng = np.random.default_rng(0)
        with open_track_output(tmp_path / "x.bw", {"chr1": 10**9}) as add:
            for first in range(0, 2_000_000, 200_000):
                starts = np.arange(first, first + 200_000, 10)
                add("chr1", starts, starts + 10, rng.random(len(starts)).astype(np.float32))

    with small_files(limit), pytest.raises(OutputError):
        work()
    assert capfd.readouterr() == ("", "")


def test_wrong_spans_are_not_blamed_on_the_system(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as raised, open_track_output(tmp_path / "x.bw", {"chr1": 10}) as add:
        add("chr1", *SPAN)  # beyond the chromosome's end
    assert "cannot be written" in str(raised.value)
    assert "disk" not in str(raised.value)
    assert "space" not in str(raised.value)


def blocks_of(data: bytes) -> list[int]:
    """Return where compressed blocks start."""
    found = []
    for at in range(len(data) - 2):
        if data[at] == 0x78:
            unpacker = zlib.decompressobj()
            try:
                unpacker.decompress(data[at : at + 20_000])
            except zlib.error:
                continue
            if unpacker.eof:
                found.append(at)
    return found


@pytest.mark.parametrize("damage", ["inside", "checksum", "another stream"])
def test_damaged_block_is_an_error_and_no_panic(tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    edges = np.cumsum(rng.integers(1, 9, 40_000)).tolist()
    rows = [("chr1", a, b, float(np.float32(rng.random()))) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    path = write_bigwig(tmp_path / "t.bw", {"chr1": edges[-1]}, rows)
    starts = np.arange(0, edges[-1] - 101, 50)
    with open_track(path) as track:
        sound = track.window_means("chr1", starts)
    undamaged = path.read_bytes()
    at = blocks_of(undamaged)[3]
    unpacker = zlib.decompressobj()
    values = unpacker.decompress(undamaged[at:])
    size = len(undamaged) - at - len(unpacker.unused_data)
    changed = {
        "inside": lambda: undamaged[at : at + 90] + bytes(20) + undamaged[at + 110 : at + size],
        "checksum": lambda: undamaged[at : at + size - 1] + bytes([undamaged[at + size - 1] ^ 1]),
        "another stream": lambda: (zlib.compress(bytes(len(values))) + bytes(size))[:size],
    }[damage]()
    path.write_bytes(undamaged[:at] + changed + undamaged[at + size :])
    with open_track(path) as track:
        assert np.array_equal(track.window_means("chr1", starts[:5]), sound[:5])  # another block
        with pytest.raises(TrackError, match=r"damaged: chr1:\d+-\d+ cannot be read \(a block"):
            track.window_means("chr1", starts)
    assert "panicked" not in capfd.readouterr().err


@pytest.mark.slow
def test_chromosomes_outside_the_regions_need_not_fit_a_bigwig(
    tmp_path: Path, run: Run, sequences: dict[str, str]
) -> None:
    names = {chrom.replace("chr3", "#chr3"): letters for chrom, letters in sequences.items()}
    genome = write_fasta(tmp_path / "genome.fa", names)
    outputs = ("-o", tmp_path / "hits.bed", "--track", tmp_path / "t.bw", "--no-accessibility", "-q")
    ran = run("scan", genome, *outputs)
    assert ran.code == 1
    assert "cannot name the sequence '#chr3'" in ran.err
    assert not list(tmp_path.glob("*.b*"))
    assert run("scan", genome, *outputs, "--region", "chr1").code == 0
    with open_track(tmp_path / "t.bw") as track:
        assert track.sizes == {"chr1": SIZES["chr1"]}
