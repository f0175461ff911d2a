"""Interval files: every format, every error, and overlaps resolved as base by base."""

import gzip
import time
from array import array
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.interval_sets import Intervals, flatten_max
from jundscan.errors import TrackError
from jundscan.io.bed import Columns, ColumnSpec, add_lines_at_once, read_intervals

NARROW_PEAK = b"chr2\t30\t40\tp\t900\t.\t7.5\t-1\t-1\t5\n"


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


def values_of(path, kind="track"):
    return {chrom: intervals.values.tolist() for chrom, intervals in read_intervals(path, kind).items()}


@pytest.mark.parametrize(
    ("name", "line", "value"),
    [
        ("a.narrowPeak", NARROW_PEAK, 7.5),
        ("a.NARROWPEAK.gz", NARROW_PEAK, 7.5),
        ("a.bed", NARROW_PEAK, 7.5),
        ("a.txt", NARROW_PEAK, 7.5),
        ("a.broadPeak", b"chr2\t30\t40\tp\t900\t.\t2.5\t-1\t-1\n", 2.5),
        ("a.bedGraph", b"chr2\t30\t40\t1e-3\n", 0.001),
        ("a.bdg", b"chr2 30 40 0.25\n", 0.25),
        ("a", b"chr2\t30\t40\t4\n", 4.0),
        ("a", b"chr2\t30\t40\tname\n", 1.0),
        ("a.bed", b"chr2\t30\t40\n", 1.0),
        ("a.bed.gz", b"chr2\t30\t40\t17\n", 17.0),
        ("a.bed", b"chr2\t30\t40\tname\t800\t+\n", 800.0),
    ],
)
def test_format_decides_the_column_of_values(tmp_path, name, line, value):
    plain = write(tmp_path, name, line)
    assert values_of(plain) == {"chr2": [value]}
    assert values_of(plain, "regions") == {"chr2": [1.0]}
    plain.write_bytes(gzip.compress(line))  # by content, whatever the name
    assert values_of(plain) == {"chr2": [value]}


def test_headers_and_blank_lines_are_skipped_and_chromosomes_keep_their_order(tmp_path):
    header = b'track name="x"\r\nbrowser hide\r\n#chr1\t1\t2\t3\r\n\r\n'
    text = header + b"chr2\t5\t9\t1\r\nchr1\t7\t8\t2\r\nchr2\t1\t9\t3"
    read = read_intervals(write(tmp_path, "a.bedgraph", text), "track")
    assert list(read) == ["chr2", "chr1"]
    assert [column.tolist() for column in read["chr2"]] == [[1, 5], [9, 9], [3.0, 1.0]]
    assert [column.dtype for column in read["chr2"]] == [np.int64, np.int64, np.float64]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"chr1\t5\t5\t1\n", "start 5 and end 5"),
        (b"chr1\t9\t5\t1\n", "start 9 and end 5"),
        (b"chr1\t-1\t5\t1\n", "start -1"),
        (b"chr1\t1\t99999999999999999999\t1\n", "must be 0 <= start < end"),
        (b"chr1\t1\t5\t-0.5\n", "negative or not finite"),
        (b"chr1\t1\t5\tnan\n", "negative or not finite"),
        (b"chr1\t1\t5\tinf\n", "negative or not finite"),
        (b"chr1\t1\t5\tx\n", r"value 'x' \(column 4\)"),
        (b"chr1\tone\t5\t1\n", "start 'one'"),
        (b"chr1\t1\t5\n", "has 3 columns, needs 4"),
        (b"chr1\n", "has 1 columns, needs 4"),
    ],
)
def test_error_names_the_wrong_line(tmp_path, line, problem):
    path = write(tmp_path, "a.bedgraph", b"#header\nchr1\t0\t5\t1\n" + line)
    with pytest.raises(TrackError, match=problem) as caught:
        read_intervals(path, "track")
    assert caught.value.line == 3
    assert str(caught.value).startswith(f"{path}, line 3: ")


_NUMBERS = ["0", "3", "17", "1000000000", "9" * 20, "-1", "1.5", "1e3", "nan", "1_0", " 7 ", "0x1", "+4", "7\r"]
_FIELD = st.sampled_from([*_NUMBERS, "", "x", "\0", "\xb2"])
_NAMES = ["chr1", "chr2", "#chr1", "track", "browser", "x" * 64, "x" * 63, "a\0", "a\0b", "\xff", " chr1", ""]
_NAME = st.sampled_from(_NAMES)
_SOUND = st.tuples(_NAME, st.integers(0, 50).map(str), st.integers(51, 99).map(str), st.floats(0, 1e30).map(repr))
_LINE = st.one_of(
    _SOUND.map("\t".join),
    st.tuples(_NAME, _FIELD, _FIELD, _FIELD).map("\t".join),
    st.sampled_from(["", "\r", "chr1 3 5 2", "chr1\t3\t5", "chr1\t3\t5\t1\textra", "track x"]),
    st.just("chr1\t3\t5\t1\rchr1\t7\t9\t1"),
)


@given(st.lists(_LINE, max_size=6), st.sampled_from(["track", "regions"]))
def test_lines_added_at_once_equal_lines_added_one_by_one(tmp_path_factory, lines, kind):
    folder = tmp_path_factory.mktemp("lines")

    def read(*more):
        path = write(folder, "a.bedgraph", "".join(f"{line}\n" for line in [*lines, *more]).encode("latin1"))
        try:
            found = read_intervals(path, kind)
        except TrackError as err:
            return str(err)
        return {chrom: [column.tolist() for column in intervals] for chrom, intervals in found.items()}

    assert read() == read("# with a comment, lines are read one by one")


def test_many_correct_lines_are_added_at_once():
    columns: Columns = defaultdict(lambda: (array("q"), array("q"), array("d")))
    lines = [b"chr%d\t%d\t%d\t0.5" % (n // 20_000, n, n + 1) for n in range(60_000)]
    assert add_lines_at_once(columns, lines, ColumnSpec(4, 1.0, 0.0))
    assert [len(starts) for starts, _, _ in columns.values()] == [20_000] * 3
    assert columns[b"chr2"][0].tolist() == list(range(40_000, 60_000))
    assert not add_lines_at_once(columns, [*lines, b"# a comment"], ColumnSpec(4, 1.0, 0.0))
    assert len(columns[b"chr2"][0]) == 20_000


def test_error_names_a_wrong_line_among_many(tmp_path):
    lines = [b"chr1\t%d\t%d\t1" % (n, n + 1) for n in range(50_000)]
    lines[40_000] = b"chr1\t7\t7\t1"
    with pytest.raises(TrackError, match="start 7 and end 7") as raised:
        read_intervals(write(tmp_path, "a.bedgraph", b"\n".join(lines)), "track")
    assert "40001" in str(raised.value)


@pytest.mark.parametrize("value", [b".", b"-7", b"nan"])
def test_values_of_regions_are_not_read(tmp_path, value):
    path = write(tmp_path, "a.bed", b"chr1\t0\t5\tname\t" + value + b"\n")
    assert values_of(path, "regions") == {"chr1": [1.0]}
    with pytest.raises(TrackError, match="line 1"):
        read_intervals(path, "track")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "holds no interval"),
        (b"#nothing\n", "holds no interval"),
        (b"c\xe9\t1\t2\t3\n", "not UTF-8"),
        (gzip.compress(b"chr1\t1\t2\t3\n" * 99, mtime=0)[:-9], "damaged or cut short"),
        (b"chr1\tone\ttwo\n", "must be whole numbers"),
    ],
)
def test_file_without_intervals_is_an_error(tmp_path, data, problem):
    with pytest.raises(TrackError, match=problem):
        read_intervals(write(tmp_path, "a.bed", data), "track")


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(TrackError, match="No such file"):
        read_intervals(tmp_path / "none.bed", "regions")


rows = st.tuples(st.integers(0, 60), st.integers(1, 25), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))


@given(st.lists(rows, min_size=1, max_size=15))
def test_flatten_max_keeps_the_greatest_value_of_each_base(rows):
    rows.sort(key=lambda row: row[0])
    starts, lengths, values = (np.array(column) for column in zip(*rows, strict=True))
    flat = flatten_max(Intervals(starts, starts + lengths, values))
    expected: dict[int, float] = {}
    for start, length, value in rows:
        for base in range(start, start + length):
            expected[base] = max(value, expected.get(base, 0.0))
    pieces = list(zip(*(column.tolist() for column in flat), strict=True))
    assert {base: value for start, end, value in pieces for base in range(start, end)} == expected
    assert (flat.starts < flat.ends).all()
    assert (flat.ends[:-1] <= flat.starts[1:]).all()


@pytest.mark.slow
def test_hundred_thousand_peaks_are_read_in_two_seconds(tmp_path):
    lines = b"".join(b"chr%d\t%d\t%d\tp\t0\t.\t1.5\t-1\t-1\t5\n" % (i % 22, i, i + 200) for i in range(100_000))
    path = write(tmp_path, "a.narrowPeak", lines)
    begin = time.process_time()  # CPU time, so that other work on the machine does not count
    for intervals in read_intervals(path, "track").values():
        flatten_max(intervals)
    assert time.process_time() - begin < 2  # 0.2 s when the machine is free


@pytest.mark.data
def test_real_peaks(data_folder):
    path = data_folder / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz"
    read = read_intervals(path, "track")["chr22"]
    assert len(read.starts) == 3472
    assert read.values[0] == pytest.approx(0.0360)
