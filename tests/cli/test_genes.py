"""``--genes`` in scan and explain, and ``genes`` in Python: a gene's name is the place of the gene."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.errors import RegionError
from jundscan.scanning.genes import read_genes
from tests.conftest import SIZES, Run
from tests.helpers.inputs import write_rows


@pytest.fixture
def genes(tmp_path: Path) -> Path:
    rows = [("chr1", 2_000, 2_600, "ABC1", 0, "-"), ("chr2", 90, 300, "DEF2", 0, "+")]
    return write_rows(tmp_path / "genes.bed", rows)


def test_scan_takes_the_name_of_a_gene(run: Run, genome: Path, genes: Path, tmp_path: Path) -> None:
    common = ("scan", genome, "--format", "tsv", "--no-header", "--threshold", 0.3)
    ran = run(*common, "--genes", genes, "--region", "abc1+-0.4kb", "--json", tmp_path / "run.json")
    assert ran.code == 0, ran.err
    assert "genes.bed: 2 genes with 2 transcription starts" in ran.err
    assert "region abc1+-0.4kb stands for chr1:1600-3000" in ran.err
    assert ran.out == run(*common, "--region", "chr1:1600-3000").out != ""
    assert json.loads((tmp_path / "run.json").read_text())["inputs"]["genes"]["path"] == str(genes)


def test_the_table_of_hits_names_the_nearest_gene(run: Run, genome: Path, genes: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits.csv"
    assert run("scan", genome, "--genes", genes, "--threshold", 0.3, "-o", out).code == 0
    assert run("scan", genome, "--threshold", 0.3, "-o", tmp_path / "plain.csv").code == 0
    with out.open(newline="") as lines, (tmp_path / "plain.csv").open(newline="") as plain:
        rows, without = list(csv.DictReader(lines)), list(csv.DictReader(plain))
    found = read_genes(genes, SIZES)
    for row in rows:
        nearest = found.nearest(row["chrom"], np.array([int(row["start"])]), np.array([int(row["end"])]))
        name = nearest.names[0]
        assert row.pop("nearest_gene") == (name or "")
        assert row.pop("distance_to_tss") == ("" if name is None else str(nearest.distances[0]))
    assert rows == without
    assert len(rows) > 10


def test_unknown_genes_are_errors(run: Run, genome: Path, genes: Path) -> None:
    ran = run("scan", genome, "--genes", genes, "--region", "ABC2")
    assert ran.code == 1
    assert "did you mean ABC1?" in ran.err
    assert "The name of a gene needs --genes" in run("scan", genome, "--region", "ABC1").err


def test_explain_takes_the_name_of_a_gene(run: Run, genome: Path, genes: Path, tmp_path: Path) -> None:
    ran = run("explain", genome, "--genes", genes, "--region", "DEF2", "-o", tmp_path / "why", "-q")
    assert ran.code == 0, ran.err
    assert (tmp_path / "why" / "chr2_90-300.png").is_file()


def test_python_takes_the_name_of_a_gene(genome: Path, genes: Path) -> None:
    found = list(jundscan.scan(genome, regions="DEF2", genes=genes, windows=True, device="cpu"))
    assert (found[0].chrom, found[0].starts[0], found[-1].starts[-1]) == ("chr2", 90, 190)
    [explained] = jundscan.explain(genome, ["ABC1"], genes=genes, device="cpu")
    assert str(explained.region) == "chr1:2000-2600"
    with pytest.raises(RegionError, match="nor a gene of"):
        jundscan.scan(genome, regions="nothing", genes=genes, device="cpu")
