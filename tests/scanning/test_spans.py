"""Spans to scan, from regions typed and in files, without excluded regions."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from jundscan.dna.regions import Region
from jundscan.errors import InputError, RegionError
from jundscan.scanning.spans import find_spans, scan_spans
from tests.helpers.inputs import write_rows

SIZES = {"chr1": 1_000, "chr2": 500, "tiny": 80}


def test_without_regions_every_chromosome_with_a_window_is_scanned() -> None:
    assert scan_spans(SIZES, 10) == [Region("chr1", 0, 1_000), Region("chr2", 0, 500)]


def test_regions_are_sorted_by_genome_and_merged(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.bed", [("chr1", 300, 450), ("chr1", 400, 600), ("chr2", 0, 200)])
    spans = scan_spans(SIZES, 1, ["chr2:350-500", "chr1:100-300"], file)
    assert spans == [Region("chr1", 100, 600), Region("chr2", 0, 200), Region("chr2", 350, 500)]


def test_excluded_regions_are_cut_out(tmp_path: Path) -> None:
    exclude = write_rows(
        tmp_path / "x.bed", [("chr1", 150, 200), ("chr1", 280, 5_000), ("1", 140, 160), ("chr9", 1, 2)]
    )
    assert scan_spans(SIZES, 1, ["chr1"], exclude=exclude) == [Region("chr1", 0, 140)]  # 200-280 holds no window


def test_other_chromosome_names_are_resolved_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jundscan")
    file = write_rows(tmp_path / "r.bed", [("2", 0, 200)])
    assert scan_spans(SIZES, 10, ["1:0-200"], file) == [Region("chr1", 0, 200), Region("chr2", 0, 200)]
    assert "region 1:0-200 stands for chr1:0-200" in caplog.text
    assert "r.bed names chromosomes differently: 2 for chr2" in caplog.text


def test_exclusions_for_another_genome_log_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scan_spans(SIZES, 10, exclude=write_rows(tmp_path / "x.bed", [("chr9", 0, 10)]))
    assert "excludes nothing" in caplog.text


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        ("chr1:0-1001", "beyond the end of chr1, which has 1000 bases"),
        ("chr7:0-500", "no such chromosome in the genome, which has chr1, chr2, tiny"),
        ("chr1:500-400", "start must be less than the end"),
        ("chr1:5", "write chrom:start-end"),
        ("chr1:0-100", "holds no window of 101 bases at stride 50; widen it or lower --stride"),
        ("chr1:1-140", "holds no window of 101 bases at stride 50"),  # long enough, but off the grid
    ],
)
def test_a_region_that_cannot_be_scanned_raises(region: str, problem: str) -> None:
    with pytest.raises(RegionError, match=problem) as caught:
        scan_spans(SIZES, 50, [region])
    assert str(caught.value).startswith(f"region {region}: ")


LEFT_OUT = "(1 without a window of 101 bases at stride 50, 1 beyond the end of the chromosome (another assembly?), "


def test_regions_of_a_file_that_cannot_be_scanned_are_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [("chr2", 0, 200), ("chr1", 0, 100), ("2", 350, 900), ("chr1", 1_000, 1_100), ("chr7", 0, 500)]
    file = write_rows(tmp_path / "r.bed", [*rows, ("chr9", 5, 600)])
    spans, counts = find_spans(SIZES, 50, regions_file=file)
    assert spans == [Region("chr2", 0, 200), Region("chr2", 350, 500)]
    assert counts == (6, 4, 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: of 6 regions, left out 4 {LEFT_OUT}2 on chromosomes that the genome lacks) and "
        "cut 1 at the end of the chromosome (another assembly?)"
    ]


@pytest.mark.parametrize(
    ("rows", "spans", "counts"),
    [
        ([("chr1", 0, 101), ("chr1", 60, 150), ("chr1", 101, 190)], [("chr1", 0, 101)], (3, 2, 0)),  # each on its own
        ([("chr1", 0, 101), ("chr1", 101, 301)], [("chr1", 0, 301)], (2, 0, 0)),
        ([("chr1", 0, 200), ("chr1", 401, 502)], [("chr1", 0, 200)], (2, 1, 0)),  # long enough, off the grid
        ([("chr1", 0, 200), ("chr1", 401, 510)], [("chr1", 0, 200)], (2, 1, 0)),
        ([("chr1", 0, 200), ("chr1", 401, 511)], [("chr1", 0, 200), ("chr1", 401, 511)], (2, 0, 0)),
        ([("chr1", 850, 1_200), ("chr1", 840, 1_000)], [("chr1", 840, 1_000)], (2, 0, 1)),
        ([("chr1", 0, 200), ("chr1", 950, 1_200)], [("chr1", 0, 200)], (2, 1, 0)),  # too short when cut
        ([("chr1", 899, 5_000)], [("chr1", 899, 1_000)], (1, 0, 1)),  # the last window, off the grid
    ],
)
def test_regions_of_a_file_are_merged_cut_or_left_out(
    tmp_path: Path, rows: list[tuple[str, int, int]], spans: list[tuple[str, int, int]], counts: tuple[int, int, int]
) -> None:
    assert find_spans(SIZES, 10, regions_file=write_rows(tmp_path / "r.bed", rows)) == (spans, counts)


def test_typed_regions_are_counted_and_merge_with_those_of_a_file(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.bed", [("chr1", 200, 420), ("chr2", 0, 20)])
    assert find_spans(SIZES, 10, ["chr1:0-200"], file) == ([("chr1", 0, 420)], (3, 1, 0))
    none = write_rows(tmp_path / "none.bed", [("chr1", 200, 220), ("chr2", 0, 20)])
    assert find_spans(SIZES, 10, ["chr1:0-200"], none) == ([("chr1", 0, 200)], (3, 2, 0))
    assert find_spans(SIZES, 10, "chr1:0-200") == ([("chr1", 0, 200)], (1, 0, 0))
    assert find_spans(SIZES, 10)[1] is None


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("chr1", 0, 100), ("chr1", 200, 300)], "none of its 2 regions can be scanned: 2 without a window of 101"),
        ([("chr1", 1_000, 1_200)], "1 beyond the end of the chromosome"),
        ([("chr7", 0, 1_200), ("tiny", 0, 80)], "1 on chromosomes that the genome lacks; widen them, join"),
        ([("chr7", 0, 1_200)], "1 on chromosomes that the genome lacks$"),
        ([], "holds no region"),
        ([("# peaks",)], "holds no region, so there is nothing to scan; without --regions all is scanned"),
    ],
)
def test_a_file_without_a_region_to_scan_raises(tmp_path: Path, rows: list[tuple[str, ...]], problem: str) -> None:
    file = write_rows(tmp_path / "r.bed", rows)
    with pytest.raises(InputError, match=problem) as caught:
        scan_spans(SIZES, 10, regions_file=file)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\n", b"track name=none\n", gzip.compress(b"", mtime=0)])
def test_an_empty_exclusion_excludes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    file = tmp_path / "blacklist.bed"
    file.write_bytes(content)
    assert scan_spans(SIZES, 10, exclude=file) == scan_spans(SIZES, 10)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file} excludes nothing: it holds no interval on a chromosome of the genome"
    ]


def test_a_hundred_thousand_regions_take_less_than_three_seconds(tmp_path: Path) -> None:
    sizes = {f"scaffold{number}": 2_000 for number in range(1_000)}
    rows = [(chrom, start, start + 80 + start % 60) for chrom in sizes for start in range(0, 2_000 - 140, 18)]
    file = write_rows(tmp_path / "r.bed", rows)
    began = time.process_time()
    spans, counts = find_spans(sizes, 10, regions_file=file)
    assert time.process_time() - began < 3  # 0.2 s
    assert {span.chrom for span in spans} == set(sizes)
    assert counts is not None
    assert counts.given == len(rows)
    holds = [(end - 101) // 10 * 10 >= start for _, start, end in rows]
    assert counts.left_out == len(rows) - sum(holds) > 10_000


def test_a_genome_without_a_window_to_scan_raises(tmp_path: Path) -> None:
    exclude = write_rows(tmp_path / "x.bed", [("chr1", 0, 1_000), ("chr2", 50, 400)])
    with pytest.raises(InputError, match=r"x\.bed: leaves no window of 101 bases to scan"):
        scan_spans(SIZES, 10, exclude=exclude)
    with pytest.raises(InputError, match="no window of 101 bases to scan"):
        scan_spans({"a": 100}, 10)
