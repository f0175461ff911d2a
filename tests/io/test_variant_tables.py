"""Tables of variants: how they are recognised and read, and that they give the effects of the same VCF."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.errors import InputError
from jundscan.io.variant_tables import LineNumbers, find_format
from jundscan.model.model import Model
from tests.conftest import Run
from tests.helpers.inputs import letters, write_fasta
from tests.helpers.variant_oracle import vcf_row, write_vcf

pytest.importorskip("pysam", reason="needs pysam")

SEQUENCE = letters(np.random.default_rng(5), 1_200)
POSITIONS = (150, 900, 420, 421)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", {"chr1": SEQUENCE})


def alleles(position: int) -> tuple[str, str]:
    old = SEQUENCE[position - 1]
    return old, ",".join(base for base in "ACGT" if base != old)[:3]  # two alternatives


def rows(order: str = "chrom pos ref alt id") -> list[list[str]]:
    found = []
    for position in POSITIONS:
        old, new = alleles(position)
        cells = {"chrom": "chr1", "pos": str(position), "ref": old, "alt": new, "id": f"rs{position}", "p": "0.5"}
        found.append([cells[name] for name in order.split()])
    return found


def table(lines: list[list[str]], delimiter: str = "\t", end: str = "\n") -> str:
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in cells] for cells in lines]
    return "".join(delimiter.join(cells) + end for cells in quoted)


TABLES = {
    "tabs, header": table([["chrom", "pos", "ref", "alt", "id"], *rows()]),
    "commas, header": table([["chrom", "pos", "ref", "alt", "id"], *rows()], ","),
    "semicolons": table([["SNP", "Chr", "Position", "REF", "ALT"], *rows("id chrom pos ref alt")], ";", "\r\n"),
    "synonyms": table([["rsID", "p", "CHROMOSOME", "bp", "Ref Allele", "alt_allele"], *rows("id p chrom pos ref alt")]),
    "pvar": "#CHROM\tPOS\tID\tREF\tALT\n" + table(rows("chrom pos id ref alt")),
    "comments and blank lines": "# made by hand\n\nchrom,pos,ref,alt,id\n"
    + table(rows(), ",").replace("\n", "\n\n# x\n"),
    "no header, id last": table(rows()),
    "no header, id third": table(rows("chrom pos id ref alt"), ","),
    "quoted": "\ufeff" + table([[f'"{cell}"' for cell in cells] for cells in rows()]),
}
"""The same variants in many ways."""


@pytest.fixture(scope="module")
def expected(fasta: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    records = [vcf_row("chr1", position, *alleles(position), f"rs{position}") for position in POSITIONS]
    vcf = write_vcf(tmp_path_factory.mktemp("vcf") / "v.vcf", records)
    return list(map(str, jundscan.variants(fasta, vcf, model=model, threads=1)))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_gives_the_effects_of_the_vcf(
    fasta: Path, model: Model, tmp_path: Path, expected: list[str], name: str
) -> None:
    assert len(expected) == 2 * len(POSITIONS)  # one effect an allele
    path = tmp_path / "variants.txt"
    for content in (TABLES[name].encode(), gzip.compress(TABLES[name].encode())):
        path.write_bytes(content)
        assert list(map(str, jundscan.variants(fasta, path, model=model, threads=1))) == expected


@pytest.mark.parametrize("end", ["tsv", "vcf"])
def test_outputs_keep_the_order_and_ids_of_the_table(run: Run, fasta: Path, tmp_path: Path, end: str) -> None:
    path, out = tmp_path / "snps.csv", tmp_path / f"out.{end}"
    path.write_text(TABLES["commas, header"].replace("alt,id", "alt,id,p").replace("\nchr1", "\nchr1"))
    ran = run("variants", fasta, path, "-o", out, "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    assert (
        "a table separated by commas with chrom, pos, ref, alt, id; positions are 1-based; columns that are" in ran.err
    )
    assert "not read: p" in ran.err
    lines = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("#")]
    if end == "tsv":
        places = [(int(cells[3]), cells[4]) for cells in lines]
        assert places == [(position, f"rs{position}") for position in POSITIONS for _ in range(2)]
    else:
        assert [(int(cells[1]), cells[2], cells[4]) for cells in lines] == [
            (position, f"rs{position}", alleles(position)[1]) for position in POSITIONS
        ]
    record = json.loads((tmp_path / "r.json").read_text())
    assert (record["records"], record["alleles"], record["status"]["scored"]) == (4, 8, 8)


def test_log_says_how_columns_without_names_are_read(run: Run, fasta: Path, tmp_path: Path) -> None:
    path = tmp_path / "snps"
    path.write_text(TABLES["no header, id third"])
    ran = run("variants", fasta, path, "-o", tmp_path / "out.tsv")
    assert ran.code == 0, ran.err
    assert "without a header: its columns count as chrom, pos, id, ref, alt; positions are 1-based" in ran.err


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("chr1,12.5,A,C", "its position '12.5' is no whole number"),
        ("chr1,,A,C", "its position '' is no whole number"),
        ("chr1,0,A,C", "its position is 0, but positions of a table count from 1"),
        ("chr 1,12,A,C", "its chromosome cannot be 'chr 1'"),
        ("chr1,12,A", "has 3 columns"),
        ("chr1,12,-,C", "its ref is '-'; write an indel as a VCF does"),
        ("chr1,12,A,", "its alt is ''; write an indel as a VCF does"),
        ("chr1,12,A,C T", "its alt 'C T' holds blanks"),
        ("chr1,12,A,C/T", "'C/T' is no allele of a VCF"),
        ("chr1,12,A1,C", "REF 'A1' is no sequence"),
        ('chr1,12,A,"C', "a quoted cell does not end"),
    ],
)
def test_wrong_row_is_an_error_with_its_line(
    run: Run, fasta: Path, tmp_path: Path, model: Model, row: str, problem: str
) -> None:
    path = tmp_path / "snps.csv"
    path.write_text(f"# a comment\nchrom,pos,ref,alt\n\n{table(rows('chrom pos ref alt'), ',')}\n{row}\n")
    with pytest.raises(InputError) as caught:
        jundscan.variants(fasta, path, model=model)
    assert f"{path}, line 9: " in str(caught.value)
    assert problem in str(caught.value)
    ran = run("variants", fasta, path, "-o", tmp_path / "out.tsv")
    assert ran.code == 1
    assert problem in ran.err.splitlines()[-1]
    assert not (tmp_path / "out.tsv").exists()


def test_positions_that_count_from_zero_are_recognised(run: Run, fasta: Path, tmp_path: Path) -> None:
    path = tmp_path / "snps.tsv"
    lines = [["chr1", str(at), SEQUENCE[at : at + 3], SEQUENCE[at]] for at in range(200, 900, 7)]
    path.write_text(table(lines))
    ran = run("variants", fasta, path, "-o", tmp_path / "out.tsv")
    assert ran.code == 0, ran.err
    assert "99 of 99 of them match one base further, so positions seem to count from 0: add 1 to each" in ran.err
    path.write_text(table([[chrom, str(int(at) + 2), *rest] for chrom, at, *rest in lines]))
    ran = run("variants", fasta, path, "-o", tmp_path / "out.tsv", "--force")
    assert "REF alleles differ" in ran.err
    assert "count from 0" not in ran.err


def test_workbook_is_an_error_with_advice(run: Run, fasta: Path, tmp_path: Path) -> None:
    path = tmp_path / "snps.xlsx"
    path.write_bytes(b"PK\3\4" + b"\x14\0\6\0" + bytes(22) + b"[Content_Types].xml" + bytes(50))
    ran = run("variants", fasta, path)
    assert ran.code == 1
    assert "is an Excel workbook" in ran.err
    assert "save its sheet as CSV or as text separated by tabs" in ran.err


@pytest.mark.parametrize(
    "head",
    [
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t5\t.\tA\tC\t.\t.\t.\n",
        "chr1\t5\t.\tA\tC\t.\t.\t.\n",
        "chr1 5 A C\n",
        "chr1\t0\t5\tpeak\n",
        "chrom,start,end,name\n",
        "a,b,c,d" + "," * 200_000 + "\n",
        "",
    ],
)
def test_other_files_are_no_tables(head: str) -> None:
    assert find_format(head.encode()) is None


def test_line_numbers_skip_lines_that_are_no_records() -> None:
    numbers = LineNumbers()
    lines = {1: 3, 2: 4, 3: 9, 4: 10, 5: 12}
    for record, line in lines.items():
        numbers.add(record, line)
    assert {record: numbers.line(record) for record in lines} == lines
