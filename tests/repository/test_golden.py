"""The bundled example against the golden files; where features hold and scores do not, the model changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from jundscan.dna.interval_sets import intersect_intervals
from jundscan.io.bed import read_regions
from jundscan.options import DEFAULT_STRIDE
from tests import golden


@pytest.fixture(autouse=True)
def _example_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the example's folder as it is: no index beside the genome."""
    folder = tmp_path / "examples"
    shutil.copytree(golden.EXAMPLES, folder, ignore=shutil.ignore_patterns("*.fai"))
    for name in ("GENOME", "TRACK", "SCALE"):
        monkeypatch.setattr(golden, name, folder / getattr(golden, name).name)


def table(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_features() -> None:
    found, expected = table(golden.features()), table((golden.FOLDER / "features.tsv").read_text())
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    values = [np.array([row[3] for row in rows], float) for rows in (found, expected)]
    np.testing.assert_allclose(*values, rtol=1e-6)
    assert 3 < np.count_nonzero(values[0]) < len(values[0]) - 3
    assert any("4" in row[2] for row in found)


def test_scores(tmp_path: Path) -> None:
    found = table(golden.scan_to(tmp_path / "scores", "windows", golden.SCORES_STRIDE))
    expected = table((golden.FOLDER / "scores.tsv").read_text())
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    values = [np.array([row[3] for row in rows], float) for rows in (found, expected)]
    np.testing.assert_allclose(*values, rtol=1e-5)


def test_hits(tmp_path: Path) -> None:
    found = golden.scan_to(tmp_path / "hits", "bed", DEFAULT_STRIDE)
    assert found == (golden.FOLDER / "hits.bed").read_text()


def test_the_planted_sites_are_found() -> None:
    sizes = {"chrA": 60_000, "chrB": 30_000}
    sites = read_regions(golden.EXAMPLES / "sites.bed", sizes)
    hits = read_regions(golden.FOLDER / "hits.bed", sizes)
    planted = sum(len(rows) for rows in sites.values())
    overlaps = sum(len(intersect_intervals(rows, hits[chrom])) for chrom, rows in sites.items() if chrom in hits)
    called = sum(len(rows) for rows in hits.values())
    assert overlaps >= 0.75 * planted
    assert called - overlaps <= planted
