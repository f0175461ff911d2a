"""Outputs read back exactly, and a failure leaves no unfinished file."""

import gzip
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pybigtools
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.errors import OutputError
from jundscan.io.numbers import format_probabilities, format_probability, round_binary, round_decimals
from jundscan.io.outputs import SpanJoiner, check_output, open_output, open_track_output
from jundscan.scanning.hits import Hits
from jundscan.scanning.lines import WINDOWS_HEADER, write_hits, write_windows
from tests.helpers.inputs import NEEDS_PYSAM

probabilities = st.floats(0, 1, width=32)


def spans(n: int, first: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = np.arange(first, first + n, dtype=np.int64) * 10
    return starts, starts + 7, np.random.default_rng(first).random(n).astype(np.float32)


def hits(rows: list[tuple[int, int, float, int]]) -> Hits:
    start, end, best, summit = zip(*rows, strict=True) if rows else ((), (), (), ())
    integers = (np.array(column, dtype=np.int64) for column in (start, end, summit))
    starts, ends, summits = integers
    return Hits(starts, ends, np.array(best, dtype=np.float32), summits)


# numbers


@given(st.lists(probabilities, max_size=30))
def test_probabilities_round_trip_in_the_fewest_digits(values: list[float]) -> None:
    array = np.array(values, dtype=np.float32)
    texts = format_probabilities(array)
    np.testing.assert_array_equal(np.array([np.float32(text) for text in texts], dtype=np.float32), array)
    assert texts == [format_probability(value) for value in array]
    for text, value in zip(texts, array, strict=True):
        digits = len(text.split("e")[0].replace(".", "").strip("0"))
        shortest = len(np.format_float_scientific(value).split("e")[0].replace(".", "").strip("0"))
        assert digits <= shortest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (0, "0.0"),
        (1, "1.0"),
        (0.7, "0.7"),
        (1 / 3, "0.33333334"),
        (1e-4, "0.0001"),
        (1e-45, "1e-45"),
    ],
)
def test_probability_is_the_shortest_decimal_of_its_float32(value: float, text: str) -> None:
    assert format_probability(np.float32(value)) == text


# rows


@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(101, 10**6), probabilities, st.integers(50, 100)),
        max_size=9,
    )
)
def test_hits_read_back_from_bed_and_narrow_peak(rows: list[tuple[int, int, float, int]]) -> None:
    found = hits([(start, start + length, best, start + offset) for start, length, best, offset in rows])
    bed, narrow_peak = io.StringIO(), io.StringIO()
    write_hits(bed, "bed", "chr1", found, "JUND", first=4)
    write_hits(narrow_peak, "narrowPeak", "chr1", found, "JUND", first=4)
    lines = [line.split("\t") for line in narrow_peak.getvalue().splitlines()]
    assert [line[:6] for line in lines] == [line.split("\t") for line in bed.getvalue().splitlines()]
    for i, (chrom, start, end, name, score, strand, signal, p, q, peak) in enumerate(lines):
        assert (chrom, name, strand, p, q) == ("chr1", f"JUND_{4 + i}", ".", "-1", "-1")
        assert (int(start), int(end), int(start) + int(peak)) == (
            found.start[i],
            found.end[i],
            found.summit[i],
        )
        assert int(score) == round(1000 * float(found.best[i]))
        assert np.float32(signal) == found.best[i]
    assert len(lines) == len(rows)


def test_windows_tsv_reads_back() -> None:
    starts, _, values = spans(50)
    stream = io.StringIO(WINDOWS_HEADER)
    stream.seek(0, io.SEEK_END)
    write_windows(stream, "chr22", starts, values)
    header, *lines = stream.getvalue().splitlines()
    assert header == "#chrom\tstart\tend\tprobability"
    table = [line.split("\t") for line in lines]
    assert [row[0] for row in table] == ["chr22"] * 50
    assert [int(row[1]) for row in table] == starts.tolist()
    assert [int(row[2]) for row in table] == (starts + 101).tolist()
    assert [np.float32(row[3]) for row in table] == values.tolist()


# files


@pytest.mark.parametrize("name", ["hits.bed", "hits.bed.gz"])
def test_file_appears_complete_when_the_block_ends(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with open_output(path) as stream:
        stream.write("é\n" * 10)
        assert not path.exists()
    content = path.read_bytes()
    assert (gzip.decompress(content) if name.endswith("gz") else content).decode() == "é\n" * 10
    assert list(tmp_path.iterdir()) == [path]
    with open_output(path, force=True) as stream:
        stream.write("é\n" * 10)
    assert path.read_bytes() == content


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BrokenPipeError, OutputError])
@pytest.mark.parametrize("name", ["x.bed", "x.tsv.gz", "x.bw", pytest.param("x.bedgraph.gz", marks=NEEDS_PYSAM)])
def test_failed_block_keeps_the_older_file(tmp_path: Path, name: str, error: type[BaseException]) -> None:
    (tmp_path / name).write_text("older")

    def work() -> None:
        if name.endswith((".bed", ".tsv.gz")):
            with open_output(tmp_path / name, force=True) as stream:
                stream.write("new")
                raise error("no more")
        with open_track_output(tmp_path / name, {"chr1": 10**6}, force=True) as add:
            add("chr1", *spans(10))
            raise error("no more")

    with pytest.raises(error):
        work()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "older"


def test_existing_files_need_force(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("older")
    for attempt in (lambda: check_output(path, force=False), lambda: open_output(path).__enter__()):
        with pytest.raises(OutputError, match="exists already; --force replaces it"):
            attempt()
    check_output(path, force=True)
    assert path.read_text() == "older"


def test_impossible_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file inside it"):
        check_output(tmp_path, force=True)
    with pytest.raises(OutputError, match="does not exist; make it first"):
        check_output(tmp_path / "missing" / "x.bed", force=False)
    with pytest.raises(OutputError, match=r"must end in \.bw"):
        open_track_output(tmp_path / "x.wig", {}).__enter__()
    with pytest.raises(OutputError, match="File name too long"):
        open_output(tmp_path / ("x" * 255)).__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_is_not_writable_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="not writable"):
        check_output(tmp_path / "x.bed", force=False)


def test_output_replaces_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.bed").write_text("older")
    (tmp_path / "link.bed").symlink_to("real.bed")
    with open_output(tmp_path / "link.bed", force=True) as stream:
        stream.write("new")
    assert (tmp_path / "link.bed").is_symlink()
    assert (tmp_path / "real.bed").read_text() == "new"


def test_stdout_streams_and_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    check_output("-", force=False)
    with open_output("-") as stream:
        stream.write("one\n")
    print("two")
    assert capsys.readouterr().out == "one\ntwo\n"


# disk full


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_device_is_an_output_error() -> None:
    def work() -> None:
        with open_output("/dev/full") as stream:
            stream.write("x" * 10)

    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left on device"):
        work()
    assert Path("/dev/full").exists()


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Limit every file to ``limit`` bytes, so that writing more fails as on a full disk."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["x.bedgraph", pytest.param("x.bedgraph.gz", marks=NEEDS_PYSAM), "x.bw"])
def test_full_disk_leaves_no_file(tmp_path: Path, name: str) -> None:
    def work() -> None:
        with open_track_output(tmp_path / name, {"chr1": 10**9}) as add:
            for first in range(0, 200_000, 20_000):
                add("chr1", *spans(20_000, first))

    with small_files(100_000), pytest.raises(OutputError, match=rf"{name}: .*cannot be written"):
        work()
    assert not list(tmp_path.iterdir())


def test_error_names_the_output_that_failed(tmp_path: Path) -> None:
    def work() -> None:
        with open_output(tmp_path / "outer.bed") as outer, open_output(tmp_path / "inner.bed") as inner:
            inner.write("small")
            outer.write("x" * 3_000_000)

    with small_files(100_000), pytest.raises(OutputError, match=r"outer\.bed: cannot"):
        work()
    assert not list(tmp_path.iterdir())


def test_full_stdout_and_closed_pipe_raise_different_errors() -> None:
    script = (
        "from jundscan.io.outputs import open_output\n"
        "try:\n"
        "    with open_output('-') as stream:\n"
        "        for _ in range(100_000): stream.write('x' * 10)\n"
        "except BaseException as err:\n"
        "    import os, sys\n"
        "    print(type(err).__name__, err, file=sys.stderr, flush=True)\n"
        "    os._exit(0)\n"
    )
    command = [sys.executable, "-c", script]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=True)
    assert result.stderr == "OutputError stdout: cannot be written: No space left on device\n"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read().startswith("BrokenPipeError")


# tracks


@given(st.lists(probabilities, min_size=1), st.integers(1, 6))
def test_rounded_numbers_round_to_the_digits_of_the_value(values: list[float], digits: int) -> None:
    exact = np.array(values, np.float32)
    expected = [f"{round(value, digits):.{digits}f}" for value in exact.tolist()]
    assert [f"{value:.{digits}f}" for value in round_decimals(exact, digits).tolist()] == expected
    few_bits = round_binary(exact, digits)
    assert [f"{value:.{digits}f}" for value in few_bits.tolist()] == expected
    assert len(np.unique(few_bits)) == len(set(expected))
    units = few_bits.astype(np.float64) * 2 ** np.ceil(digits * np.log2(10))
    assert (units == np.rint(units)).all()


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.sampled_from([0.1, 0.2])), min_size=1),
    st.lists(st.integers(0, 50), max_size=4),
)
def test_joined_spans_hold_the_values_of_all_bases(
    spans_of_a_genome: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    """Each span follows the one before it after a gap of 0 to 2 bases; the second half lies on another chromosome."""
    gaps, lengths, values = (np.array(column) for column in zip(*spans_of_a_genome, strict=True))
    ends = np.cumsum(gaps + lengths)
    half = len(ends) // 2
    found: list[tuple[str, int, int, float]] = []

    def keep(chrom: str, starts: np.ndarray, ends: np.ndarray, values: np.ndarray) -> None:
        found.extend((chrom, *row) for row in zip(starts.tolist(), ends.tolist(), values.tolist(), strict=True))

    joiner = SpanJoiner(keep)
    for chrom, rows in (("a", slice(0, half)), ("b", slice(half, None))):
        columns = (ends - lengths)[rows], ends[rows], values[rows].astype(np.float32)
        parts = sorted(cut % (len(columns[0]) + 1) for cut in cuts)
        for pieces in zip(*(np.split(column, parts) for column in columns), strict=True):
            joiner.add(chrom, *pieces)
    joiner.finish()
    assert [(chrom, base, value) for chrom, start, end, value in found for base in range(start, end)] == [
        ("ab"[row >= half], base, float(np.float32(values[row])))
        for row in range(len(ends))
        for base in range(ends[row] - lengths[row], ends[row])
    ]
    assert not any((one[0], one[2], one[3]) == (two[0], two[1], two[3]) for one, two in pairwise(found))


@pytest.mark.parametrize("name", ["x.bw", "x.bedgraph"])
def test_digits_of_a_track(tmp_path: Path, name: str) -> None:
    starts, values = np.arange(4) * 10, np.array([0.12341, 0.12339, 0.5, 0.0624999], np.float32)
    with open_track_output(tmp_path / name, {"c": 40}, digits=3) as add:
        for row in range(4):
            add("c", starts[row : row + 1], starts[row : row + 1] + 10, values[row : row + 1])
    expected = [("c", 0, 20, "0.123"), ("c", 20, 30, "0.500"), ("c", 30, 40, "0.062")]
    if name == "x.bw":
        expected[:1] = [("c", 0, 10, "0.123"), ("c", 10, 20, "0.123")]
    else:
        assert (tmp_path / name).read_text().splitlines()[0] == "c\t0\t20\t0.123"
    assert [(*row, f"{value:.3f}") for *row, value in read_track(tmp_path / name)] == expected


def read_track(path: Path) -> list[tuple[str, int, int, np.float32]]:
    if path.suffix in (".bw", ".bigWig"):
        with pybigtools.open(str(path)) as track:
            return [
                (chrom, start, end, np.float32(value))
                for chrom in sorted(track.chroms())
                for start, end, value in track.records(chrom)
            ]
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [line.split("\t") for line in text.decode().splitlines()]
    return [(chrom, int(start), int(end), np.float32(value)) for chrom, start, end, value in rows]


@pytest.mark.parametrize(
    "name", ["x.bw", "x.bigWig", "x.bedgraph", pytest.param("x.bedGraph.gz", marks=NEEDS_PYSAM), "x.bdg"]
)
def test_tracks_read_back(tmp_path: Path, name: str) -> None:
    sizes = {f"chr{number}": 10_000 for number in (2, 10, 1)} | {"empty": 50}
    expected = []
    with open_track_output(tmp_path / name, sizes) as add:
        for chrom in ("chr2", "chr10", "chr1"):
            for first in (0, 50, 300):
                piece = spans(50, first)
                add(chrom, *piece)
                expected += [(chrom, *row) for row in zip(*piece, strict=True)]
            add(chrom, *spans(0))
    assert sorted(read_track(tmp_path / name)) == sorted(expected)
    index = [f"{name}.tbi"] if name.endswith(".gz") else []
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, *index]


def test_bigwig_of_many_chromosomes_in_fasta_order(tmp_path: Path) -> None:
    sizes = {f"scaffold{number}": 1_000 + number for number in range(700, 0, -1)}
    with open_track_output(tmp_path / "x.bw", sizes) as add:
        for chrom in sizes:
            add(chrom, *spans(2))
    with pyBigWig.open(str(tmp_path / "x.bw")) as track:
        assert list(track.chroms().items()) == list(sizes.items())
    assert [row[0] for row in read_track(tmp_path / "x.bw")] == sorted(chrom for chrom in sizes for _ in range(2))


def test_bigwig_without_spans_is_a_warning_and_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.bw").write_text("older")
    with (
        caplog.at_level(logging.WARNING, "jundscan"),
        open_track_output(tmp_path / "x.bw", {"c": 9}, force=True),
    ):
        pass
    assert "a bigWig cannot be empty" in caplog.text
    assert not list(tmp_path.iterdir())


def test_span_beyond_its_chromosome_is_an_error_of_a_bigwig(tmp_path: Path) -> None:
    def work() -> None:
        with open_track_output(tmp_path / "x.bw", {"chr1": 100}) as add:
            add("chr1", *spans(50))

    with pytest.raises(OutputError, match="cannot be written"):
        work()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no names of open files")
def test_pipe_is_written_by_its_descriptor(tmp_path: Path) -> None:
    """As for ``-o >(program)`` in a shell."""
    reader, writer = os.pipe()
    with open_output(f"/dev/fd/{writer}", force=False) as stream:
        stream.write("hits\n")
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "hits\n"
