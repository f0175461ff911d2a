"""Genes in the report: those near the hits that the page shows, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jundscan.dna.chromosomes import ChromSizes
from jundscan.report.collect import BestHits
from jundscan.report.neighbourhoods import GENE_FLANK, genes_near
from jundscan.scanning.genes import read_genes
from tests.conftest import Run
from tests.helpers.inputs import write_rows
from tests.report.test_report import data_of, visible

pytest.importorskip("jinja2")

SIZES = ChromSizes({"chr1": 3_000_000, "chr2": 500_000})


def test_genes_near_are_those_that_reach_a_summit_by_brute_force(tmp_path: Path) -> None:
    rng = np.random.default_rng(22)
    rows = []
    for number in range(600):
        chrom = "chr1" if number % 4 else "chr2"
        start = int(rng.integers(0, SIZES[chrom] - 30_000))
        rows.append((chrom, start, start + int(rng.integers(1, 30_000)), f"G{number}", 0, "+-."[number % 3]))
    genes = read_genes(write_rows(tmp_path / "genes.bed", rows), SIZES)
    summits = np.array([200, 2_400_000, 700_000, 760_000, 2_999_000, 499_000])
    chroms = np.array(["chr1"] * 5 + ["chr2"], object)
    hits = BestHits(chroms, summits - 50, summits + 51, np.ones(6, np.float32), summits, np.arange(1, 7))
    found = genes_near(genes, hits)
    for chrom in SIZES:
        near = summits[chroms == chrom].tolist()
        expected = sorted(
            (start, end, strand, name)
            for of_chrom, start, end, name, _, strand in rows
            if of_chrom == chrom and any(start <= at + GENE_FLANK and end > at - GENE_FLANK for at in near)
        )
        assert sorted(found[chrom]) == expected
        assert 10 < len(expected) < sum(row[0] == chrom for row in rows)


def test_a_chromosome_without_genes_has_an_empty_track(tmp_path: Path) -> None:
    genes = read_genes(write_rows(tmp_path / "genes.bed", [("chr1", 10, 20, "A", 0, "+")]), SIZES)
    at = np.array([400_000, 90_000])
    hits = BestHits(np.array(["chr2", "chr1"], object), at, at + 101, np.ones(2, np.float32), at + 50, np.array([2, 1]))
    assert genes_near(genes, hits) == {"chr2": [], "chr1": []}


def test_page_holds_genes_where_an_annotation_is_given(tmp_path: Path, run: Run, genome: Path) -> None:
    genes, page = write_rows(tmp_path / "genes.bed", [("chr1", 900, 2_000, "<b>&", 0, "-")]), tmp_path / "r.html"
    common = ("scan", genome, "--threshold", 0.15, "--report", page, "-o", tmp_path / "h.bed", "--force")
    assert run(*common).code == 0
    assert data_of(page)["genes"] is None
    assert "Zoom out" not in visible(page)
    ran = run(*common, "--genes", genes)
    assert ran.code == 0, ran.err
    assert data_of(page)["genes"]["chr1"] == [[900, 2_000, "-", "<b>&"]]
    assert "Zoom out there to see genes up to 50 kb away." in visible(page)
