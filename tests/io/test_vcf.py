"""Reading VCF: headers, chromosomes, alleles, and positions beyond its integers."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.effects.alleles import STATUSES, unscorable
from jundscan.errors import InputError
from jundscan.io.vcf import allele_problem
from jundscan.model.model import Model
from tests.conftest import Run
from tests.helpers.inputs import letters, write_fasta
from tests.helpers.variant_oracle import vcf_row, write_vcf

pysam = pytest.importorskip("pysam")

FIRST, COLUMNS = "##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
SHOWN = COLUMNS.replace("\t", r"\t")
SEQUENCES = {
    "chr1": letters(np.random.default_rng(1), 900),
    "chr2": letters(np.random.default_rng(2), 700),
}


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", SEQUENCES)


def record(chrom: str = "chr1", position: int = 500) -> str:
    base = SEQUENCES["chr2" if chrom.endswith("2") else "chr1"][position - 1]
    return vcf_row(chrom, position, base, "A" if base != "A" else "C")


def run_with_error(run: Run, fasta: Path, vcf: Path, *options: object) -> str:
    """Run, return the error, and check that neither a file nor stdout holds output."""
    out = vcf.parent / "unwritten.vcf"
    for target in (out, "-"):
        ran = run("variants", fasta, vcf, "-o", target, *options)
        assert ran.code == 1, ran.err
        assert not out.exists()
        assert ran.out == ""
    return ran.err.splitlines()[-1]


# ---- headers


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(text.encode())], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("lines", "shown", "hidden"),
    [
        ([record()], [FIRST, SHOWN, "line 1"], ["columns separated"]),
        ([COLUMNS, record()], [FIRST], [SHOWN]),
        ([FIRST, record()], [SHOWN, "line 2"], [f"lacks {FIRST}"]),
        ([FIRST, "##contig=<ID=chr1>"], [SHOWN], [f"lacks {FIRST}"]),
        (["chrom\tpos\tA1\tA2", "chr1\t500\tA\tC"], [FIRST, SHOWN, "at least 8 columns", "this line has 4"], []),
        (["chrom\tpos\tA1\tA2", "chr1\t500\tA\tC"], ["A table needs the columns chrom, pos, ref, alt"], []),
        (["#chrom\tpos\tA1\tA2", "chr1\t500\tA\tC"], [FIRST, SHOWN], []),
        ([record().replace("\t", " ")], [FIRST, SHOWN, "separated by tabs"], []),
        ([FIRST, COLUMNS.replace("\t", " "), record()], [SHOWN, "separated by tabs", "line 2"], []),
        ([""], [FIRST, SHOWN], ["printf"]),
    ],
)
def test_error_shows_the_missing_lines_of_the_header(
    tmp_path: Path, fasta: Path, model: Model, lines: list[str], shown: list[str], hidden: list[str], pack: object
) -> None:
    vcf = tmp_path / "v.vcf"
    vcf.write_bytes(pack("\n".join(lines) + "\n"))  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        jundscan.variants(fasta, vcf, model=model)  # from the call, before the first record
    error = str(caught.value)
    assert all(text in error for text in ["cannot be read as VCF", str(vcf), *shown]), error
    assert not any(text in error for text in hidden), error


@pytest.mark.slow
def test_command_in_the_error_repairs_the_file(run: Run, tmp_path: Path, fasta: Path) -> None:
    vcf = tmp_path / "my variants.vcf"
    for lines in ([record()], [COLUMNS, record()]):
        vcf.write_text("".join(f"{line}\n" for line in lines))
        _, _, command = run_with_error(run, fasta, vcf).partition("Add with: ")
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        ran = run("variants", fasta, tmp_path / "with_header.vcf", "-o", tmp_path / "out.vcf", "--force")
        assert ran.code == 0, ran.err
        assert "1 allele of 1 record: 1 scored" in ran.err


# ---- chromosomes


@pytest.mark.slow
def test_chromosomes_of_the_header_need_not_fit_the_genome(run: Run, tmp_path: Path, fasta: Path) -> None:
    wrong = {"chr2": 77, "chrUn": 5, "1": 3}
    for number, contigs in enumerate((wrong, wrong | {"chr1": 900}, {"chr1": 900}, {})):
        vcf = write_vcf(tmp_path / f"{number}.vcf", [record()], contigs)
        out = tmp_path / f"{number}.out.vcf"
        ran = run("variants", fasta, vcf, "-o", out)
        assert ran.code == 0, ran.err
        assert "assembly" not in ran.err
        assert "lacks" not in ran.err
        with pysam.VariantFile(str(out)) as file:
            assert file.header.contigs["chr1"].length == 900
            assert next(file).info["JUND_STATUS"] == ("scored",)


@pytest.mark.slow
def test_records_without_a_chromosome_in_common_are_an_error(
    run: Run, tmp_path: Path, fasta: Path, model: Model
) -> None:
    rows = [record("chr7"), record("8")]
    for number, contigs in enumerate(({"chr1": 900, "chr2": 700}, {"chr7": 5}, {})):
        vcf = write_vcf(tmp_path / f"{number}.vcf", rows, contigs)
        error = run_with_error(run, fasta, vcf)
        assert "no chromosome in common" in error
        assert "chr7, 8" in error
        assert "chr1, chr2" in error
        with pytest.raises(InputError, match="no chromosome in common"):
            jundscan.variants(fasta, vcf, model=model)


def test_records_on_other_chromosomes_are_counted(run: Run, tmp_path: Path, fasta: Path) -> None:
    vcf = write_vcf(tmp_path / "v.vcf", [record("chr7"), record("2"), record("chr2", 510)], {"chr7": 9})
    ran = run("variants", fasta, vcf, "-o", tmp_path / "out.vcf", "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    assert "names chromosomes differently: 2 for chr2" in ran.err
    assert "has chromosomes that the genome lacks: chr7" in ran.err
    status = json.loads((tmp_path / "r.json").read_text())["status"]
    assert (status["no_contig"], status["scored"]) == (1, 2)


@pytest.mark.slow
def test_wrong_length_of_a_chromosome_in_use_is_an_error(run: Run, tmp_path: Path, fasta: Path, model: Model) -> None:
    vcf = write_vcf(tmp_path / "v.vcf", [record(), record("2")], {"chr1": 900, "2": 701})
    error = run_with_error(run, fasta, vcf)
    assert "2 has 701 bases, but chr2 of" in error
    assert "has 700" in error
    with pytest.raises(InputError, match="701"):
        jundscan.variants(fasta, vcf, model=model)
    options = {"model": model, "allow_length_mismatch": True}
    assert [effect.status for effect in jundscan.variants(fasta, vcf, **options)] == ["scored", "scored"]
    ran = run("variants", fasta, vcf, "-o", tmp_path / "out.vcf", "--allow-length-mismatch")
    assert ran.code == 0
    assert ran.err.count("2 has 701 bases") == 1


@pytest.mark.slow
def test_vcf_through_a_pipe_is_checked_record_by_record(run: Run, tmp_path: Path, fasta: Path) -> None:
    def piped(rows: list[str], contigs: dict[str, int]) -> str:
        outlet, inlet = os.pipe()
        os.write(inlet, write_vcf(tmp_path / "v.vcf", rows, contigs).read_bytes())
        os.close(inlet)
        ran = run("variants", fasta, f"/dev/fd/{outlet}", "-o", tmp_path / "out.tsv")
        os.close(outlet)
        assert (ran.code == 0) == (tmp_path / "out.tsv").exists()
        return ran.err

    for rows, contigs, message in (
        ([record("chr7")], {"chr1": 900}, "no chromosome in common"),
        ([record(), record("chr2")], {"chr2": 7}, "chr2 has 7 bases"),
        ([record(), vcf_row("chr1", 5, "A", "A1")], {}, ", line 4: ALT 'A1'"),
        ([record()], {"chr2": 7}, "1 allele of 1 record: 1 scored"),
    ):
        assert message in piped(rows, contigs)


# ---- alleles

NO_ALLELES = ["A1", "foo", "0/1", "A*", "<DEL", "DEL>", "Ä", "A-", "-", "G]chr1]", "A[chr1:5", "U", "NULL", "A T", "X"]


@pytest.mark.parametrize("text", NO_ALLELES)
def test_error_names_the_line_of_a_wrong_alt(tmp_path: Path, fasta: Path, model: Model, text: str) -> None:
    rows = [record(), vcf_row("chr1", 600, SEQUENCES["chr1"][599], f"TT,{text}")]
    vcf = write_vcf(tmp_path / "v.vcf", rows, {"chr1": 900})
    with pytest.raises(InputError, match=re.escape(f"{vcf}, line 5: ALT {text!r} is no allele")):
        jundscan.variants(fasta, vcf, model=model)
    with pytest.raises(InputError, match=r"variants\[1\], chr1:5: ALT"):
        list(jundscan.variants(fasta, [("chr1", 4, "N", "C"), ("chr1", 5, "A", ["C", text])], model=model))


@pytest.mark.slow
def test_damaged_last_line_is_an_error_without_output(run: Run, tmp_path: Path, fasta: Path) -> None:
    vcf = tmp_path / "v.vcf"
    for last, message in (
        (vcf_row("chr1", 600, "A", "foo"), "ALT 'foo'"),
        ("chr1\t600", "cut short"),
        ("", "cut short"),
    ):
        write_vcf(vcf, [record(position=at) for at in range(150, 700)] + [last, record()])
        error = run_with_error(run, fasta, vcf)
        assert f"{vcf}, line 553: " in error
        assert message in error


@pytest.mark.parametrize("reference", ["foo", "A1", "<DEL>", ".", "A.", "*"])
def test_error_names_the_line_of_a_wrong_ref(tmp_path: Path, fasta: Path, model: Model, reference: str) -> None:
    vcf = write_vcf(tmp_path / "v.vcf", [record(), vcf_row("chr1", 600, reference, "T")])
    with pytest.raises(InputError, match=re.escape(f"{vcf}, line 4: REF {reference!r} is no sequence")):
        jundscan.variants(fasta, vcf, model=model)


def test_error_names_the_record_of_a_bcf(tmp_path: Path, fasta: Path, model: Model) -> None:
    vcf = write_vcf(tmp_path / "v.vcf", [record(), vcf_row("chr1", 600, "A", "foo")], {"chr1": 900})
    bcf = tmp_path / "v.bcf"
    with pysam.VariantFile(str(vcf)) as source, pysam.VariantFile(str(bcf), "wb", header=source.header) as target:
        for one in source:
            target.write(one)
    with pytest.raises(InputError, match=r"v\.bcf: record 2: ALT 'foo'"):
        jundscan.variants(fasta, bcf, model=model)


@pytest.mark.parametrize(
    ("alternative", "status"),
    [
        *((text, "symbolic") for text in ("<DEL>", "<*>", "<NON_REF>", "<INS:ME:ALU>", "C<ctg1>")),
        *((text, "breakend") for text in ("G]17:198982]", "]13:123456]T", "[chr1:5[ac", "N[<ctg1>:7[", ".A", "A.")),
        *((text, "breakend") for text in (".[13:123457[", "]HLA-A*01:5]N")),
        ("*", "spanning_deletion"),
        (".", "no_alternative"),
        *((text, "ambiguous") for text in ("R", "y", "ACGTM", "B")),
        *((text, None) for text in ("A", "acgtn", "N")),
        ("G", "unchanged"),
    ],
)
def test_every_kind_of_allele_has_its_status(alternative: str, status: str | None) -> None:
    assert allele_problem("G", [alternative]) is None
    assert unscorable("G", alternative.upper()) == status
    assert status is None or status in STATUSES


def test_ref_may_be_missing_only_beside_breakends() -> None:
    assert allele_problem(".", [".[13:123457["]) is None
    assert allele_problem(".", [".[13:123457[", "A"]) is not None
    assert allele_problem("", ["A"]) == "REF must not be empty; write an indel as a VCF does, with the base before it"


@pytest.mark.parametrize(
    "given",
    [
        ("chr1", 5, "A"),
        ("chr1", "5", "A", "C"),
        ("chr1", 5.5, "A", "C"),
        ("chr1", 5, "A", None),
        ("chr1", 5, "A", ["C", 3]),
        (1, 5, "A", "C"),
        ("chr1", 5, None, "C"),
        None,
        "chr1",
    ],
)
def test_error_of_the_api_names_the_wrong_variant(fasta: Path, model: Model, given: object) -> None:
    with pytest.raises(InputError, match=r"variants\[1\]: .*must be"):
        list(jundscan.variants(fasta, [("chr1", 4, "N", "C"), given], model=model))  # type: ignore[list-item]


def test_numpy_integers_are_accepted_as_starts(fasta: Path, model: Model) -> None:
    [effect] = jundscan.variants(fasta, [("chr1", np.int64(499), SEQUENCES["chr1"][499], "GG")], model=model)
    assert (effect.status, effect.start, effect.pos) == ("scored", 499, 500)
    assert type(effect.start) is int


# ---- positions


@pytest.mark.slow
def test_position_beyond_the_integers_of_a_vcf_needs_a_table(run: Run, tmp_path: Path) -> None:
    """The genome is a sparse file, which takes no space on disk."""
    fasta, size, at = tmp_path / "huge.fa", 2_300_000_000, 2_200_000_000
    sequence = letters(np.random.default_rng(3), 6_000)
    with fasta.open("wb") as file:
        file.write(b">big\n")
        file.seek(5 + at - 3_000)
        file.write(sequence.encode())
        file.seek(5 + size)
        file.write(b"\n")
    Path(f"{fasta}.fai").write_text(f"big\t{size}\t5\t{size}\t{size + 1}\n")
    base = sequence[3_000]
    vcf = write_vcf(tmp_path / "v.vcf", [vcf_row("big", at + 1, base, "A" if base != "A" else "C")])
    error = run_with_error(run, fasta, vcf)
    assert f"big:{at + 1}: the positions of its windows do not fit a VCF" in error
    assert "-o effects.tsv" in error
    ran = run("variants", fasta, vcf, "-o", tmp_path / "out.tsv")
    assert ran.code == 0, ran.err
    cells = (tmp_path / "out.tsv").read_text().splitlines()[-1].split("\t")
    assert cells[:4] == ["big", str(at), str(at + 1), str(at + 1)]
    assert at - 101 < int(cells[11]) <= at
    near = write_vcf(vcf, [vcf_row("big", 2**31 - 2_000, "N", "C")])
    assert run("variants", fasta, near, "-o", tmp_path / "near.vcf").code == 0
