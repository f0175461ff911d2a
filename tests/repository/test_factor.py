"""A model of another factor: every output names that factor, and none names JUND."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jundscan.effects.alleles import info_fields
from jundscan.errors import ModelError
from jundscan.model.load import default_model_path, load_model
from tests.conftest import Run
from tests.helpers.pages import EXAMPLES
from tests.model.test_model import edited

GENOME = EXAMPLES / "genome.fa"
OPENNESS = ["--accessibility", EXAMPLES / "dnase.bedgraph", "--accessibility-scale", EXAMPLES / "scale.json"]


def model_of(folder: Path, factor: str) -> Path:
    """Write the default model under the name of another factor."""
    folder.mkdir()
    return edited(folder / "model.onnx", lambda metadata: metadata.update(factor=factor, name=folder.name))


def rows(path: Path) -> list[list[str]]:
    """Return the cells of the lines that are no comment."""
    return [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]


def field_names(path: Path) -> set[str]:
    """Return the names of the INFO fields that the records of a VCF have."""
    return {field.partition("=")[0] for row in rows(path) for field in row[7].split(";")}


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "prefix"), [("GATA1", "GATA1"), ("NKX2-5", "NKX2_5"), ("53bp1.a", "_53bp1_a")])
def test_hits_and_fields_are_named_after_the_factor(run: Run, tmp_path: Path, factor: str, prefix: str) -> None:
    pysam = pytest.importorskip("pysam")
    scan = ["scan", GENOME, "--model", model_of(tmp_path / "other", factor), *OPENNESS]
    for form in ("bed", "narrowPeak", "table"):
        out = tmp_path / f"hits.{form}"
        assert run(*scan, "--format", form, "-o", out).code == 0
        names = [row[3] for row in rows(out) if row[0] != "chrom"]  # a table begins with the names of its columns
        assert names == [f"{factor}_{number}" for number in range(1, len(names) + 1)] != []
    effects = tmp_path / "effects.vcf"
    ran = run("variants", GENOME, EXAMPLES / "variants.vcf", *scan[2:], "-o", effects, "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    assert field_names(effects) == set(info_fields(factor))
    assert all(name.startswith(f"{prefix}_") for name in info_fields(factor))
    assert json.loads((tmp_path / "r.json").read_text())["model"]["factor"] == factor
    with pysam.VariantFile(str(effects)) as file:
        assert {name for name in file.header.info if name.startswith(prefix)} == set(info_fields(factor))


@pytest.mark.slow
def test_a_vcf_keeps_the_fields_of_another_factor(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pysam")
    first, second = tmp_path / "jund.vcf", tmp_path / "both.vcf"
    run("variants", GENOME, EXAMPLES / "variants.vcf", "-o", first)
    ran = run("variants", GENOME, first, "--model", model_of(tmp_path / "gata1", "GATA1"), "-o", second)
    assert ran.code == 0, ran.err
    assert field_names(second) == {*info_fields("JUND"), *info_fields("GATA1")}


@pytest.mark.slow
def test_no_output_of_another_model_names_jund(run: Run, tmp_path: Path) -> None:
    for module in ("jinja2", "matplotlib", "logomaker", "pysam"):
        pytest.importorskip(module)
    using = ["--model", model_of(tmp_path / "gata1", "GATA1")]
    out = tmp_path / "out"
    out.mkdir()
    commands: list[list[object]] = [
        ["scan", GENOME, *using, *OPENNESS, "--truth", EXAMPLES / "peaks.bed", "--report", out / "scan.html",
         "-o", out / "hits.bed", "--json", out / "scan.json", "--track", out / "scores.bedgraph"],
        ["variants", GENOME, EXAMPLES / "variants.vcf", *using, *OPENNESS, "-o", out / "effects.vcf"],
        ["variants", GENOME, EXAMPLES / "variants.vcf", *using, *OPENNESS, "-o", out / "effects.tsv"],
        ["explain", GENOME, *using, *OPENNESS, "--region", "chrA:1000-1040", "--hits", EXAMPLES / "sites.bed",
         "--top", "2", "-o", out / "why", "--json", out / "explain.json"],
        ["evaluate", EXAMPLES / "shards", *using, "--report", out / "evaluation.html", "--plots", out / "plots",
         "--predictions", out / "predictions.tsv", "--json", out / "evaluation.json"],
        ["info", *using],
        ["info", *using, "--json", out / "info.json"],
        ["doctor", *using, "--json", out / "doctor.json"],
    ]  # fmt: skip
    for command in commands:
        ran = run(*command)
        assert ran.code == 0, ran.err
        assert "JUND" not in ran.out + ran.err
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".bed", ".html", ".json", ".tsv", ".vcf", ".svg", ".bedgraph"}
    for path in files:
        assert b"JUND" not in path.read_bytes(), path
    assert "<h1>Where GATA1 binds in genome.fa</h1>" in (out / "scan.html").read_text()
    assert "predicts where GATA1 binds</h1>" in (out / "evaluation.html").read_text()
    assert 'name="GATA1 contributions"' in (out / "why" / "contributions.bedgraph").read_text()


@pytest.mark.slow
def test_a_report_of_models_of_two_factors_names_both(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    using = ["--model", default_model_path(), "--model", model_of(tmp_path / "gata1", "GATA1")]
    assert run("evaluate", EXAMPLES / "shards", *using, "--report", tmp_path / "r.html").code == 0
    assert "How well jund-2, gata1 predict where JUND or GATA1 binds</h1>" in (tmp_path / "r.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("factor", ["", "two words", "NF\u03baB", "-x", "a/b", "GATA1\n", "x" * 51, 7])
def test_a_factor_that_is_no_word_is_an_error(tmp_path: Path, factor: object) -> None:
    path = edited(tmp_path / "model.onnx", lambda metadata: metadata.update(factor=factor))
    with pytest.raises(ModelError, match=r"metadata cannot be read .*factor"):
        load_model(path, "cpu")
