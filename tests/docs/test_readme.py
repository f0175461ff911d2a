"""The README is short, its tables name the files that they come from, and its picture shows what its caption says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jundscan
from jundscan.io.bed import read_intervals
from tests.helpers.pages import README, ROOT

TEXT = README.read_text()
MAX_LINES = 150


def test_the_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("heading", ["How accurate", "How fast"])
def test_sections_with_numbers_name_their_files(heading: str) -> None:
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    files = re.findall(r"\]\(([\w/-]+\.json)\)", section)
    assert files
    assert all((ROOT / file).is_file() for file in files)


@pytest.mark.data
@pytest.mark.slow
def test_the_picture_shows_the_peaks_and_hits_of_its_caption(data_folder: Path) -> None:
    chrom, first, last = "chr22", 18_100_000, 18_260_000
    assert f"{chrom}:{first}-{last}" in (ROOT / "Makefile").read_text()
    hits = jundscan.scan(
        data_folder / "genome" / "hg19.chr22.partial.fa.gz",
        data_folder / "tracks" / "K562.accessibility.hg19.chr22.bw",
        regions=f"{chrom}:{first}-{last}",
        device="cpu",
    )
    called = [(hit.start, hit.end) for hit in hits]
    known = read_intervals(data_folder / "peaks" / "K562.JUND.hg19.chr22_16000000-22000000.narrowPeak.gz", "regions")[
        chrom
    ]
    peaks = [
        (start, end)
        for start, end in zip(known.starts.tolist(), known.ends.tolist(), strict=True)
        if first < end and start < last
    ]

    def touches(one: tuple[int, int], others: list[tuple[int, int]]) -> bool:
        return any(one[0] < end and start < one[1] for start, end in others)

    hit = sum(touches(peak, called) for peak in peaks)
    beside = sum(not touches(one, peaks) for one in called)
    assert f"{hit} of {len(peaks)} peaks of a ChIP-seq experiment are hit" in TEXT
    assert f"{beside} of {len(called)} hits lie on no peak" in TEXT
