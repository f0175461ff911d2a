"""Spans against a naive loop over windows, for random regions, files of regions and exclusions.

``JUNDSCAN_CASES=1000`` runs as many cases of each as that.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jundscan.cli.scan import Outputs, write_scan
from jundscan.errors import InputError, RegionError
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.scanning.plan import open_scan
from jundscan.scanning.spans import find_spans, scan_spans
from tests.helpers.inputs import genome_letters, write_fasta, write_rows
from tests.helpers.windows import window_starts

CASES = int(os.environ.get("JUNDSCAN_CASES", "60"))
SIZES = {"chr1": 700, "chr2": 333, "tiny": 90, "chr3": 101}
OTHER_NAMES = {"chr1": "1", "chr2": "2", "tiny": "tiny", "chr3": "3"}
Stretch = tuple[str, int, int]


@st.composite
def stretches(draw: st.DrawFn, most: int, shortest: int = 1) -> list[Stretch]:
    found = []
    for _ in range(draw(st.integers(0, most))):
        chrom = draw(st.sampled_from([name for name, size in SIZES.items() if size >= shortest]))
        length = draw(st.integers(shortest, SIZES[chrom]))
        start = draw(st.integers(0, SIZES[chrom] - length))
        found.append((chrom, start, start + length))
    return found


cases = given(
    regions=stretches(3, 101),
    listed=stretches(3, 60),
    excluded=stretches(5),
    stride=st.sampled_from([1, 2, 7, 10, 33, 100, 101, 150, 400]),
    renamed=st.booleans(),
)


def naive_windows(wanted: list[Stretch], excluded: list[Stretch], stride: int) -> list[tuple[str, int]]:
    """Test every window: all its bases lie in the regions, and none is excluded."""
    found = []
    for chrom, size in SIZES.items():
        allowed = np.array([not wanted] * size)
        for _, start, end in (stretch for stretch in wanted if stretch[0] == chrom):
            allowed[start:end] = True
        for _, start, end in (stretch for stretch in excluded if stretch[0] == chrom):
            allowed[start:end] = False
        starts = {*range(0, size - 100, stride), size - 101} if size > 100 else set()
        found += [(chrom, start) for start in sorted(starts) if allowed[start : start + 101].all()]
    return found


def written(folder: Path, name: str, rows: list[Stretch], renamed: bool) -> Path | None:
    rows = [(OTHER_NAMES[chrom], start, end) if renamed else (chrom, start, end) for chrom, start, end in rows]
    return write_rows(folder / name, rows) if rows else None


def has_window(stretch: Stretch, stride: int) -> bool:
    chrom, start, end = stretch
    return bool(window_starts(start, end, SIZES[chrom], stride))


@settings(max_examples=CASES)
@cases
def test_spans_hold_the_windows_of_a_naive_loop(
    regions: list[Stretch], listed: list[Stretch], excluded: list[Stretch], stride: int, renamed: bool
) -> None:
    wanted = [*regions, *(stretch for stretch in listed if has_window(stretch, stride))]
    given = bool(regions or listed)
    expected = naive_windows(wanted, excluded, stride) if wanted or not given else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = (
            [f"{chrom}:{start}-{end}" for chrom, start, end in regions],
            written(folder, "regions.bed", listed, renamed),
            written(folder, "exclude.bed", excluded, renamed),
        )
        if not all(has_window(stretch, stride) for stretch in regions):
            with pytest.raises(RegionError, match="holds no window"):
                scan_spans(SIZES, stride, *arguments)
            return
        if not expected:
            with pytest.raises(InputError, match=r"no window|without a window"):
                scan_spans(SIZES, stride, *arguments)
            return
        spans, counts = find_spans(SIZES, stride, *arguments)
    left_out = len(regions) + len(listed) - len(wanted)
    assert counts == ((len(regions) + len(listed), left_out, 0) if given else None)
    found = [
        (span.chrom, start)
        for span in spans
        for start in window_starts(span.start, span.end, SIZES[span.chrom], stride)
    ]
    assert found == expected


@pytest.fixture(scope="module")
def letters() -> dict[str, str]:
    rng = np.random.default_rng(4)
    return {chrom: genome_letters(rng, size) for chrom, size in SIZES.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, letters: dict[str, str]) -> Path:
    return write_fasta(tmp_path_factory.mktemp("where") / "genome.fa", letters)


def rows_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.slow
@settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
@cases
def test_outputs_hold_only_windows_inside_the_regions(
    model: Model,
    whole: Path,
    letters: dict[str, str],
    regions: list[Stretch],
    listed: list[Stretch],
    excluded: list[Stretch],
    stride: int,
    renamed: bool,
) -> None:
    wanted = [stretch for stretch in regions if has_window(stretch, stride)]
    more = [stretch for stretch in listed if has_window(stretch, stride)]
    expected = naive_windows([*wanted, *more], excluded, stride)
    if not expected:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {
            "model": model,
            "stride": stride,
            "regions": [f"{chrom}:{start}-{end}" for chrom, start, end in wanted],
            "regions_file": written(folder, "regions.bed", more, renamed),
            "exclude": written(folder, "exclude.bed", excluded, renamed),
        }
        for form in ("windows", "bed"):
            # every window is a hit: what hits could reach at most
            with open_scan(whole, threshold_rule=ThresholdRule("threshold", 0.0), threads=1, **options) as ready:
                record = write_scan(ready, Outputs(str(folder / f"out.{form}"), form, folder / f"{form}.bedgraph"))
        table, hits, track = (rows_of(folder / file) for file in ("out.windows", "out.bed", "bed.bedgraph"))
    scored = [(c, s) for c, s in expected if not set(letters[c][s : s + 101].upper()) - set("ACGT")]
    assert [(row[0], int(row[1])) for row in table] == scored
    assert record["windows_scored"] == len(scored)
    assert record["windows_skipped"] == len(expected) - len(scored)
    inside = {(c, base) for c, s, e in [*wanted, *more] for base in range(s, e)}
    if not (wanted or more):
        inside = {(c, base) for c, size in SIZES.items() for base in range(size)}
    inside -= {(c, base) for c, s, e in excluded for base in range(s, e)}
    for row in [*hits, *track]:
        start, end = int(row[1]), int(row[2])
        assert start < end
        assert all((row[0], base) in inside for base in range(start, end)), row
    covered = {(c, base) for c, s in scored for base in range(s, s + 101)}
    assert {(row[0], base) for row in hits for base in range(int(row[1]), int(row[2]))} == covered
