"""The column of values in a file of intervals follows from its lines, and not from its name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from jundscan.accessibility.opening import open_track
from jundscan.errors import TrackError
from jundscan.io.bed import read_intervals
from tests.conftest import Run
from tests.helpers.inputs import write_bigwig, write_rows

NAMES = ("x", "x.bed", "x.bedgraph", "x.bdg", "x.broadPeak", "x.narrowPeak", "x.txt", "x.bed.gz", "x.broadPeak.gz")
PLACES = [(at, at + 200) for at in range(10_000, 40_000, 1_000)]
SIGNALS = [round(44.164 - 0.7 * at, 3) for at in range(len(PLACES))]


def lines(*columns: object) -> list[tuple[object, ...]]:
    """Return lines; each further column is one value for all lines, or a list with a value for each."""
    spread = [column if isinstance(column, list) else [column] * len(PLACES) for column in columns]
    return [("chr1", start, end, *(column[at] for column in spread)) for at, (start, end) in enumerate(PLACES)]


PEAKS = [f"peak_{at}" for at in range(len(PLACES))]
SCORES = [1000 - at for at in range(len(PLACES))]
MIDDLES = [start + 100 for start, _ in PLACES]
STARTS, ENDS = ([place[side] for place in PLACES] for side in (0, 1))

CONTENTS = {
    "narrowPeak": (lines(PEAKS, SCORES, ".", SIGNALS, 3.1, 2.2, 100), "narrowPeak", 7, SIGNALS),
    "narrowPeak without a summit": (lines(".", 0, ".", SIGNALS, -1, -1, -1), "narrowPeak", 7, SIGNALS),
    "broadPeak": (lines(PEAKS, SCORES, ".", SIGNALS, 3.1, 2.2), "broadPeak", 7, SIGNALS),
    "broadPeak without p values": (lines(PEAKS, SCORES, ".", SIGNALS, -1, -1), "broadPeak", 7, SIGNALS),
    "bedGraph": (lines(SIGNALS), "bedGraph", 4, SIGNALS),
    "bedGraph of counts": (lines([7] * 5 + SCORES[5:]), "bedGraph", 4, [7] * 5 + SCORES[5:]),
    "BED5": (lines(PEAKS, SCORES), "BED", 5, SCORES),
    "BED5 with numbers for names": (lines([*range(1, 31)], SIGNALS), "BED", 5, SIGNALS),
    "BED6": (lines(PEAKS, SCORES, "+"), "BED", 5, SCORES),
    "BED9 with colours": (lines(PEAKS, SCORES, "+", STARTS, ENDS, "255,0,0"), "BED", 5, SCORES),
    "BED9 with thick ends": (lines(PEAKS, SCORES, ".", MIDDLES, MIDDLES, 0), "BED", 5, SCORES),
    "BED9 without thick ends": (lines(PEAKS, SCORES, ".", 0, 0, 0), "BED", 5, SCORES),
    "BED12": (lines(PEAKS, SCORES, "-", STARTS, ENDS, 0, 2, "50,50", "0,150"), "BED", 5, SCORES),
    "gappedPeak": (
        lines(PEAKS, SCORES, ".", STARTS, ENDS, 0, 2, "50,50,", "0,150,", SIGNALS, 3.1, 2.2),
        "gappedPeak",
        13,
        SIGNALS,
    ),
    "BED3": (lines(), "BED", None, [1] * 30),
    "BED4": (lines(PEAKS), "BED", None, [1] * 30),
    "BED4 that counts its lines": (lines([*range(1, 31)]), "BED", None, [1] * 30),
    "BED4 that counts from 0": (lines([*range(30)]), "BED", None, [1] * 30),
}


@pytest.mark.parametrize(("rows", "kind", "column", "expected"), CONTENTS.values(), ids=CONTENTS)
def test_values_do_not_depend_on_the_name_of_the_file(
    tmp_path: Path, rows: list[tuple[object, ...]], kind: str, column: int | None, expected: list[float]
) -> None:
    for name in NAMES:
        path = write_rows(tmp_path / name, rows)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(path.read_bytes()))
        read = read_intervals(path, "track")
        assert read["chr1"].values.tolist() == expected, name
        assert read.meaning is not None
        assert read.meaning.to_dict() == {"kind": kind, "column": column}
        presence = "bed" if kind != "bedGraph" else None
        if presence:
            read = read_intervals(path, "track", "presence")
            assert read["chr1"].values.tolist() == [1] * len(PLACES)
            assert read.meaning is not None
            assert read.meaning.to_dict() == {"kind": kind, "column": None}


def test_odd_line_is_an_error_and_does_not_change_the_format(tmp_path: Path) -> None:
    sound = lines(PEAKS, SCORES, ".", SIGNALS, 3.1, 2.2, 100)
    for row, problem in (
        (("chr1", 5, 9), "has 3 columns, needs 7"),
        (("chr1", 5, 9, 0.5), "has 4 columns, needs 7"),
        (("chr1", 5, 9, "p", 1, ".", "x", 1, 1, 0), "column 7"),
    ):
        for at in (0, 1, 20):
            path = write_rows(tmp_path / "x.bed", [*sound[:at], row, *sound[at:]])
            with pytest.raises(TrackError, match=problem) as raised:
                read_intervals(path, "track")
            assert raised.value.line == at + 1


def test_missing_value_in_a_bedgraph_is_an_error(tmp_path: Path) -> None:
    rows = [("chr1", 5, 9, "NA"), *lines(SIGNALS)]
    with pytest.raises(TrackError, match=r"line 1: .*value 'NA' \(column 4\)"):
        read_intervals(write_rows(tmp_path / "x.bed", rows), "track")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (lines(MIDDLES), "column 4 holds coordinates inside the intervals"),
        (lines(STARTS), "column 4 holds coordinates inside the intervals"),
        (lines(PEAKS, MIDDLES), "column 5 holds coordinates inside the intervals"),
        # peaks of MACS as a table, without its line of names
        (lines(201, MIDDLES, SIGNALS, 3.5, 2.5, 1.5, PEAKS), "column 5 holds coordinates inside the intervals"),
        (lines("chr2", STARTS, ENDS), "columns 5 and 6 hold coordinates, as in a BEDPE"),
        (lines("chr2", STARTS, ENDS, PEAKS, 17, "+", "-"), "columns 5 and 6 hold coordinates, as in a BEDPE"),
    ],
)
def test_column_of_coordinates_is_never_read_as_a_signal(
    tmp_path: Path, rows: list[tuple[object, ...]], problem: str
) -> None:
    path = write_rows(tmp_path / "x.bed", rows)
    with pytest.raises(TrackError, match=problem) as raised:
        read_intervals(path, "track")
    assert "--bed-value presence" in str(raised.value)
    assert read_intervals(path, "track", "presence")["chr1"].values.tolist() == [1] * len(PLACES)
    assert len(read_intervals(path, "regions")["chr1"].starts) == len(PLACES)


def test_track_line_declares_a_bedgraph_whose_values_look_like_names(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "x.bed", lines([*range(1, 31)]))
    path.write_text('track type=bedGraph name="depth"\n' + path.read_text())
    assert read_intervals(path, "track")["chr1"].values.tolist() == [*range(1, 31)]


def test_format_is_logged_and_a_doubtful_one_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jundscan")
    found = {}
    for name, rows in (
        ("signal", lines(PEAKS, SCORES, ".", SIGNALS, 3.1, 2.2)),
        ("score", lines(PEAKS, SCORES)),
        ("bare", lines(PEAKS)),
        ("doubt", lines(SIGNALS, SCORES)),
    ):
        caplog.clear()
        read_intervals(write_rows(tmp_path / name, rows), "track")
        (record,) = caplog.records
        found[name] = record.levelname, record.getMessage().removeprefix(f"{tmp_path / name}: ")
    assert found == {
        "signal": ("INFO", "read as broadPeak, signalValue (column 7)"),
        "score": ("INFO", "read as BED, display score (column 5)"),
        "bare": ("INFO", "read as BED, every interval counts as 1 (column 4 holds names)"),
        "doubt": (
            "WARNING",
            "read as BED, display score (column 5); column 4 holds numbers too (cut -f1-4 leaves these)",
        ),
    }
    caplog.clear()
    read_intervals(tmp_path / "signal", "regions")
    assert not caplog.records


@pytest.mark.slow
def test_record_of_a_run_holds_the_column_of_values(tmp_path: Path, run: Run, genome: Path) -> None:
    rows = [("chr1", at, at + 40, "p", 500, ".", 0.5 + at / 1e4, 3, 2) for at in range(5, 2_800, 140)]
    values = [(*row[:3], row[6]) for row in rows]
    paths = {
        write_rows(tmp_path / "t.bed", rows): {"kind": "broadPeak", "column": 7},
        write_rows(tmp_path / "u.bed", values): {"kind": "bedGraph", "column": 4},
        write_bigwig(tmp_path / "t.bw", {"chr1": 6_000}, values): {"kind": "bigWig", "column": None},
    }
    for path, expected in paths.items():
        arguments = ("--accessibility", path, "--accessibility-scale", "identity", "--region", "chr1", "--json", "-")
        ran = run("scan", genome, *arguments, "-o", tmp_path / "hits.bed", "--force", "--allow-length-mismatch")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["accessibility_values"] == expected
    ran = run("scan", genome, "--no-accessibility", "--region", "chr1", "--json", "-", "-o", tmp_path / "n.bed")
    assert json.loads(ran.out)["accessibility_values"] is None


def test_scores_near_the_start_of_a_chromosome_are_not_coordinates(tmp_path: Path) -> None:
    rows = [("chr1", at * 40, at * 40 + 30, f"p{at}", at * 40 + 7, "+") for at in range(20)]
    assert read_intervals(write_rows(tmp_path / "x.bed", rows), "track")["chr1"].values[3] == 127
    with open_track(write_rows(tmp_path / "y.bed", [(*row[:3], row[4] / 2) for row in rows])) as track:
        assert track.window_means("chr1", np.array([700]), 1).tolist() == [0.0]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_last_line_without_line_end_counts_among_the_first_lines(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "t.bed"
    path.write_bytes(b"chr1\t5\t9\tpeak\nchr2\t7\t12\tpeak\t" + end)
    with pytest.raises(TrackError, match="line 1: has 4 columns, needs 5"):
        read_intervals(path, "track")
    path.write_bytes(b"chr1\t5\t9\tpeak\t3\nchr2\t7\t12\tpeak\t4" + end)
    assert read_intervals(path, "track")["chr2"].values.tolist() == [4.0]
