"""Write reports of the bundled example or of the real data."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jundscan.cli import main
from tests.helpers.groups import write_groups

EXAMPLES = Path(__file__).parents[2] / "examples"


class Report(NamedTuple):
    """A page and the JSON record of the same run."""

    page: Path
    record: Path


def _run(*arguments: object) -> None:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        if end.code:
            raise AssertionError(f"{arguments}: exit code {end.code}") from end


def write_scan(folder: Path, data: Path | None = None) -> Report:
    """Scan the bundled example, or 2 Mb of the real data, compared with known peaks. Write hits as BED and tables."""
    written = Report(folder / "scan.html", folder / "scan.json")
    if data is None:
        where = [
            EXAMPLES / "genome.fa",
            "--accessibility",
            EXAMPLES / "dnase.bedgraph",
            "--truth",
            EXAMPLES / "peaks.bed",
        ]
        where += ["--accessibility-scale", EXAMPLES / "scale.json", "--threshold", 0.9]
    else:
        track = data / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz"
        where = [data / "genome" / "hg19.22_1-22000000.fa.gz", "--accessibility", track]
        where += ["--truth", next((data / "peaks").glob("HepG2*")), "--region", "22:17000000-19000000"]
    outputs = ["--report", written.page, "--json", written.record, "-o", folder / "hits.bed"]
    _run("scan", *where, *outputs, "--force", "--quiet")
    for name in ("hits.tsv", "hits.csv"):
        _run("scan", *where, "-o", folder / name, "--force", "--quiet")
    return written


def write_scan_with_genes(folder: Path, genes: Path) -> Path:
    """Scan the bundled example with a file of genes. Return the page."""
    page = folder / "report.html"
    where = (EXAMPLES / "genome.fa", "--accessibility", EXAMPLES / "dnase.bedgraph")
    scale = ("--accessibility-scale", EXAMPLES / "scale.json")
    _run("scan", *where, *scale, "--genes", genes, "--report", page, "-o", folder / "hits.bed", "--quiet")
    return page


def write_evaluation(folder: Path, data: Path | None = None) -> Report:
    """Evaluate the bundled example's shards, or two models on two cell types of the real data."""
    written = Report(folder / "evaluation.html", folder / "evaluation.json")
    what: list[object] = [EXAMPLES / "shards"]
    if data is not None:
        exported = EXAMPLES.parent / "exported"
        what = [data / "HepG2" / "valid_dataset", data / "K562" / "valid_dataset"]
        what += ["--model", exported / "jund-2", "--model", exported / "jund-2-mlp"]
    _run("evaluate", *what, "--report", written.page, "--json", written.record, "--force", "--quiet")
    return written


def write_comparison(folder: Path, treated: int = 2, control: int = 2, *options: object) -> Report:
    """Compare two groups of samples on the bundled example's genome."""
    written = Report(folder / "comparison.html", folder / "comparison.json")
    where = [EXAMPLES / "genome.fa", "--samples", write_groups(folder, treated, control)]
    where += ["--contrast", "treated,control", "--accessibility-scale", EXAMPLES / "scale.json", *options]
    outputs = ["--report", written.page, "--json", written.record, "-o", folder / "changes.tsv"]
    _run("compare", *where, *outputs, "--force", "--quiet")
    return written


def write_variants_of_example(folder: Path) -> Report:
    """Score the bundled example's variants."""
    written = Report(folder / "variants.html", folder / "variants.json")
    where = [EXAMPLES / "genome.fa", EXAMPLES / "variants.vcf", "--accessibility", EXAMPLES / "dnase.bedgraph"]
    where += ["--accessibility-scale", EXAMPLES / "scale.json", "--threshold", 0.9]
    outputs = ["--report", written.page, "--json", written.record, "-o", folder / "effects.tsv"]
    _run("variants", *where, *outputs, "--force", "--quiet")
    return written


def write_reports(folder: Path) -> list[Path]:
    """Write all reports of the bundled example."""
    writers = (write_scan, write_evaluation, write_comparison, write_variants_of_example)
    return [write(folder).page for write in writers]
