"""Which stretches are scanned."""

from __future__ import annotations

from pathlib import Path

import pytest

from jundscan.errors import InputError, RegionError
from jundscan.regions import scan_spans
from jundscan.windows import Region
from tests.inputs import write_rows

SIZES = {"chr1": 1_000, "chr2": 500, "tiny": 80}


def test_all_of_the_genome_but_what_is_too_short() -> None:
    assert scan_spans(SIZES, 10) == [Region("chr1", 0, 1_000), Region("chr2", 0, 500)]


def test_regions_come_in_genome_order_and_as_one_where_they_meet(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.bed", [("chr1", 300, 450), ("chr1", 400, 600), ("chr2", 0, 200)])
    spans = scan_spans(SIZES, 1, ["chr2:350-500", "chr1:100-300"], file)
    assert spans == [Region("chr1", 100, 600), Region("chr2", 0, 200), Region("chr2", 350, 500)]


def test_excluded_stretches_are_cut_out(tmp_path: Path) -> None:
    exclude = write_rows(
        tmp_path / "x.bed", [("chr1", 150, 200), ("chr1", 280, 5_000), ("1", 140, 160), ("chr9", 1, 2)]
    )
    assert scan_spans(SIZES, 1, ["chr1"], exclude=exclude) == [Region("chr1", 0, 140)]  # 200-280 holds no window


def test_other_names_are_resolved_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jundscan")
    file = write_rows(tmp_path / "r.bed", [("2", 0, 200)])
    assert scan_spans(SIZES, 10, ["1:0-200"], file) == [Region("chr1", 0, 200), Region("chr2", 0, 200)]
    assert "region 1:0-200: the genome names it chr1:0-200" in caplog.text
    assert "r.bed names chromosomes differently: 2 for chr2" in caplog.text


def test_a_list_of_exclusions_for_another_genome_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
def test_a_bad_region_is_named(tmp_path: Path, region: str, problem: str) -> None:
    with pytest.raises(RegionError, match=problem) as caught:
        scan_spans(SIZES, 50, [region])
    assert str(caught.value).startswith(f"region {region}: ")
    if "-" in region:
        chrom, bounds = region.split(":")
        file = write_rows(tmp_path / "r.bed", [("chr2", 0, 200), (chrom, *bounds.split("-"))])
        with pytest.raises(InputError) as from_file:
            scan_spans(SIZES, 50, regions_file=file)
        assert str(file) in str(from_file.value)


def test_nothing_left(tmp_path: Path) -> None:
    exclude = write_rows(tmp_path / "x.bed", [("chr1", 0, 1_000), ("chr2", 50, 400)])
    with pytest.raises(InputError, match=r"x\.bed: leaves no window of 101 bases to scan"):
        scan_spans(SIZES, 10, exclude=exclude)
    with pytest.raises(InputError, match="no window of 101 bases to scan"):
        scan_spans({"a": 100}, 10)
