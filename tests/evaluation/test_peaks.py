"""Known peaks against hits, compared with plain loops, and regions left out of the comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.interval_sets import merge_intervals
from jundscan.errors import TrackError
from jundscan.evaluation.peaks import PeakComparison, Peaks, read_peaks
from jundscan.scanning.hits import Hits
from tests.conftest import SIZES, Run
from tests.helpers.inputs import write_rows

intervals = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 150)), max_size=12)


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


@pytest.mark.slow
@given(intervals, intervals, intervals, st.sets(st.integers(0, 100)), st.data())
def test_peak_comparison_equals_plain_loops(peaks, hits, excluded, windows, data) -> None:
    rows = sorted((start, start + length, start + data.draw(st.integers(0, length - 1))) for start, length in peaks)
    known = {"a": Peaks(*np.array(rows, np.int64).reshape(-1, 3).T)}
    out = merge_intervals(np.array([(s, s + n) for s, n in excluded], np.int64).reshape(-1, 2))
    called = merge_intervals(np.array([(s, s + n) for s, n in hits], np.int64).reshape(-1, 2)).tolist()
    found = [(start, end, data.draw(st.integers(start, end - 1))) for start, end in called]
    starts = np.array(sorted(windows), np.int64) * 10
    comparison = PeakComparison(known, {"a": out} if len(out) else {})
    cut = len(starts) // 2
    for piece in (starts[:cut], starts[cut:]):
        comparison.add_windows("a", piece)
    for part in (found[: len(found) // 2], found[len(found) // 2 :], []):
        start, end, summit = np.array(part, np.int64).reshape(-1, 3).T
        comparison.add_hits("a", Hits(start, end, np.ones(len(start), np.float32), summit))
    report = comparison.report()

    kept = [row for row in rows if not any(overlap(row[:2], span) for span in out.tolist())]
    compared = [row for row in found if not any(overlap(row[:2], span) for span in out.tolist())]
    hit = [row for row in kept if any(overlap(row[:2], one[:2]) for one in compared)]
    distances = [min(abs(row[2] - one[2]) for one in compared if overlap(row[:2], one[:2])) for row in hit]
    reached = [row for row in kept if any(overlap(row[:2], (s, s + 101)) for s in starts.tolist())]
    on_peaks = [one for one in compared if any(overlap(row[:2], one[:2]) for row in kept)]
    assert report["known"] == len(reached)
    assert report["not_reached"] == len(kept) - len(reached)
    assert (report["hit"], report["hits"], report["hits_on_peaks"]) == (len(hit), len(compared), len(on_peaks))
    assert comparison.peaks_excluded == len(rows) - len(kept)
    assert comparison.hits_excluded == len(found) - len(compared)
    if distances:
        low, median, high = np.percentile(distances, (25, 50, 75))
        assert report["summit_distance"] == {"median": median, "quartiles": [low, high]}
    else:
        assert report["summit_distance"] is None


def test_summits_are_column_10_or_the_middle(tmp_path: Path) -> None:
    def row(start: int, end: int, offset: int, chrom: str = "1") -> tuple[object, ...]:
        return chrom, start, end, "x", 0, ".", 1.5, -1, -1, offset

    rows = [row(50, 60, 0), row(10, 20, 7), row(30, 41, -1), row(70, 80, 10), row(0, 5, 2, chrom="else")]
    peaks = read_peaks(write_rows(tmp_path / "p.bed", rows), {"chr1": 100})
    assert {chrom: one.summit.tolist() for chrom, one in peaks.items()} == {"chr1": [17, 35, 50, 75]}
    bed = write_rows(tmp_path / "q.bed", [("1", 10, 20), ("1", 12, 15)])
    assert read_peaks(bed, {"chr1": 100})["chr1"].summit.tolist() == [15, 13]
    with pytest.raises(TrackError, match=r"line 1: the value -2.0"):
        read_peaks(write_rows(tmp_path / "r.bed", [row(10, 20, -2)]), {"chr1": 100})


@pytest.mark.slow
def test_excluded_regions_are_left_out_and_counted(tmp_path: Path, run: Run, genome: Path) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", [("chr1", 300, 700), ("chr1", 2_900, 3_050), ("chr2", 900, 1_200)])
    trained = write_rows(tmp_path / "trained.bed", [("chr1", 3_000, 6_000), ("chr2", 0, 100)])
    common = ("--threshold", 0.3, "--truth", peaks, "--force", "--json", "-")
    tsv = ("--format", "tsv", "-o", tmp_path / "w.tsv")
    ran = run("scan", genome, *common, *tsv, "--truth-exclude", trained)
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    accuracy = record["accuracy"]
    lines = [line.split("\t") for line in (tmp_path / "w.tsv").read_text().splitlines() if not line.startswith("#")]
    out = [
        (chrom == "chr1" and int(end) > 3_000) or (chrom == "chr2" and int(start) < 100)
        for chrom, start, end, _ in lines
    ]
    assert len(lines) == record["windows_scored"]  # excluded windows are still written
    assert accuracy["excluded"]["windows"] == sum(out)
    assert accuracy["n"] == len(lines) - sum(out)
    assert accuracy["excluded"]["peaks"] == 1
    assert accuracy["peaks"]["known"] == 2
    assert accuracy["excluded"]["hits"] + accuracy["peaks"]["hits"] == record["hits"]
    assert accuracy["excluded"]["hits"] > 0
    assert record["inputs"]["truth_exclude"] == {
        "path": str(trained),
        "bytes": trained.stat().st_size,
        "modified": record["inputs"]["truth_exclude"]["modified"],
    }
    assert f"left out of the comparison: {sum(out):,} windows, 1 peak, {accuracy['excluded']['hits']} hits" in ran.err
    assert f"peaks: {accuracy['peaks']['hit']} of 2 known ones hit" in ran.err

    # a scan that excludes those regions compares the same windows
    again = run("scan", genome, *common, *tsv, "--exclude", trained)
    same = json.loads(again.out)["accuracy"]
    assert same["excluded"] is None
    assert {**same, "peaks": None, "excluded": None} == {**accuracy, "peaks": None, "excluded": None}


@pytest.mark.slow
def test_truth_exclude_needs_truth_and_warns_if_it_excludes_nothing(tmp_path: Path, run: Run, genome: Path) -> None:
    other = write_rows(tmp_path / "other.bed", [("chrX", 0, 10)])
    assert run("scan", genome, "--truth-exclude", other).code == 2
    empty = write_rows(tmp_path / "empty.bed", [])
    peaks = write_rows(tmp_path / "peaks.bed", [("chr1", 0, SIZES["chr1"])])
    for nothing in (other, empty):
        ran = run("scan", genome, "--truth", peaks, "--truth-exclude", nothing)
        assert ran.code == 0
        assert f"warning: {nothing} excludes nothing" in ran.err


def test_peaks_beyond_the_end_cause_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_rows(tmp_path / "peaks.bed", [("1", 100, 200), ("chr1", 900, 1_100), ("chr2", 5_000, 5_100)])
    read_peaks(path, {"chr1": 1_000, "chr2": 5_100})
    assert "1 interval beyond the end of the chromosome; another assembly?" in caplog.text
