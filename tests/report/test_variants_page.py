"""The report of variants without a browser: which alleles are kept, their sites, and their windows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import jundscan
from jundscan.effects.score import score_pairs, score_variants
from jundscan.io.vcf import Variant
from jundscan.model.model import Model
from jundscan.report.variants_page import StrongestAlleles
from jundscan.scanning.plan import open_scan
from tests.conftest import Run
from tests.helpers.inputs import letters, write_fasta

pytest.importorskip("pysam", reason="needs pysam")
pytest.importorskip("jinja2")

SITE_AT = 300
SEQUENCE = letters(np.random.default_rng(4), SITE_AT) + "TGACTCA" + letters(np.random.default_rng(5), 700)


class Record(NamedTuple):
    chrom: str
    start: int
    ref: str
    alts: tuple[str, ...]
    id: str | None


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", {"chr1": SEQUENCE, "chr2": SEQUENCE[:250]})


def records() -> list[Record]:
    found = []
    for at in range(150, 600, 9):
        old = SEQUENCE[at]
        found.append(Record("chr1", at, old, tuple(base for base in "ACGT" if base != old), f"v{at}"))
    return [*found, Record("chr1", 5, "N", ("A",), None), Record("chr2", 200, SEQUENCE[200], (), None)]


def as_variant(record: Record) -> Variant:
    return Variant(*record[:4])


def test_the_strongest_alleles_are_kept_in_order(fasta: Path, model: Model) -> None:
    strongest = StrongestAlleles(7)
    with open_scan(fasta, model=model, threads=1) as scan:
        for of_task, effects in score_variants(scan, ((one, as_variant(one)) for one in records()), task_alleles=20):
            strongest.add(of_task, effects)
    everything = jundscan.variants(fasta, map(as_variant, records()), model=model)
    scored = [one for one in everything if one.hit is not None]
    scored.sort(key=lambda one: -abs(one.difference))  # stable
    assert strongest.scored == len(scored) == 150
    assert [str(one.effect) for one in strongest.best()] == [str(one) for one in scored[:7]]
    assert [one.name for one in strongest.best()] == [f"v{one.start}" for one in scored[:7]]


def test_pairs_of_windows_give_the_effects(fasta: Path, model: Model) -> None:
    deletion = Variant("chr1", SITE_AT - 1, SEQUENCE[SITE_AT - 1 : SITE_AT + 7], (SEQUENCE[SITE_AT - 1],))
    variants = [*map(as_variant, records()), deletion]
    with open_scan(fasta, model=model, threads=1) as scan:
        pairs = score_pairs(scan, variants)
    effects = list(jundscan.variants(fasta, variants, model=model))
    assert len(pairs) == len(effects)
    for one, effect in zip(pairs, effects, strict=True):
        assert (one is None) == (effect.hit is None)
        if one is not None:
            assert (one.reference.max(), one.alternative.max()) == (effect.reference, effect.alternative)
            assert effect.window in one.start
            assert (np.diff(one.start) >= 0).all()


def page_data(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_page_names_the_sites_that_alleles_make_and_break(run: Run, fasta: Path, tmp_path: Path) -> None:
    base = SEQUENCE[SITE_AT + 2]
    rows = [
        ("chr1", SITE_AT + 3, base, "G", "broken"),  # TGGCTCA
        ("chr1", SITE_AT, SEQUENCE[SITE_AT - 1 : SITE_AT + 7], SEQUENCE[SITE_AT - 1], "deleted"),
        ("chr1", 200, SEQUENCE[199], SEQUENCE[199] + "TGACGTCA", "inserted"),
        ("chr1", 600, SEQUENCE[599], "A" if SEQUENCE[599] != "A" else "C", "far"),
    ]
    table, page = tmp_path / "v.tsv", tmp_path / "v.html"
    table.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    ran = run("variants", fasta, table, "-o", tmp_path / "e.tsv", "--report", page)
    assert ran.code == 0, ran.err
    data = page_data(page)
    cells = [dict(zip(data["table"]["columns"], row, strict=True)) for row in data["table"]["rows"]]
    sites = {one["id"]: (one["sites_lost"], one["sites_gained"]) for one in cells}
    assert sites == {
        "broken": ("AP-1 TGACTCA", ""),
        "deleted": ("AP-1 TGACTCA", ""),
        "inserted": ("", "CRE TGACGTCA"),
        "far": ("", ""),
    }
    shown = {one["id"]: allele for one, allele in zip(cells, data["alleles"], strict=True)}
    assert (shown["deleted"]["old"], shown["deleted"]["new"]) == ("TGACTCA", "")
    assert shown["broken"]["left"].endswith("TG")
    assert shown["broken"]["right"].startswith("CTCA")
    assert "All 4 scored alleles." in page.read_text("utf-8")


def test_report_of_alleles_without_any_effect(run: Run, fasta: Path, tmp_path: Path) -> None:
    table, page = tmp_path / "v.tsv", tmp_path / "v.html"
    table.write_text("chr1\t5\tN\tA\nchr1\t6\tN\tA\n")
    assert run("variants", fasta, table, "-o", tmp_path / "e.tsv", "--report", page).code == 0
    assert "No allele has an effect: none was scored." in page.read_text("utf-8")
    ran = run("variants", fasta, table, "-o", tmp_path / "e2.tsv", "--report", page)
    assert (ran.code, "exists" in ran.err) == (1, True)
    assert not (tmp_path / "e2.tsv").exists()
