"""Effects of variants against brute force, on planted sites, and of odd records."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jundscan
from jundscan.accessibility.scale import IDENTITY
from jundscan.dna.letters import WINDOW_LENGTH, decode, encode, reverse_complement
from jundscan.effects.alleles import STATUSES
from jundscan.effects.haplotypes import Sites, cut_into_blocks, splice
from jundscan.effects.outputs import write_variants
from jundscan.errors import InputError
from jundscan.io.vcf import Variant
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.scanning.plan import open_scan
from tests.conftest import Run
from tests.helpers.inputs import PACKERS, genome_letters, letters, track_rows, write_fasta, write_rows
from tests.helpers.numpy_models import numpy_model
from tests.helpers.variant_oracle import (
    BruteForce,
    check_against_brute_force,
    random_variants,
    score,
    vcf_row,
    write_vcf,
)

pysam = pytest.importorskip("pysam")

SIZES = {"chr1": 9_000, "chr2": 3_033, "tiny": 101, "short": 60, "chr3": 450}


@pytest.fixture(scope="module")
def chromosomes() -> dict[str, str]:
    rng = np.random.default_rng(11)
    clean = {chrom: letters(rng, size, "ACGTacgt") for chrom, size in SIZES.items()}
    return clean | {"chr2": genome_letters(rng, SIZES["chr2"])}


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory, chromosomes: dict[str, str]) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", chromosomes)


@pytest.fixture(scope="module")
def openness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a track of percentiles on all chromosomes but chr3."""
    rows = track_rows(np.random.default_rng(3), {chrom: SIZES[chrom] for chrom in ("chr1", "chr2", "tiny")}, every=60)
    return write_rows(tmp_path_factory.mktemp("track") / "open.bedgraph", rows)


@pytest.mark.slow
def test_variants_equal_brute_force(fasta: Path, openness: Path, chromosomes: dict[str, str], model: Model) -> None:
    with open_scan(
        fasta, openness, model=model, scale=IDENTITY, threshold_rule=ThresholdRule("threshold", 0.5), threads=2
    ) as scan:
        seen = check_against_brute_force(scan, chromosomes, random_variants(chromosomes, 200))
    assert {"scored", "partial", "unknown_bases", "no_window"} <= seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flank", "widths", "count"), [(0, (101,), 800), (30, (101, 301), 500), (400, (101, 301, 1101), 200)]
)
def test_neighbourhoods_of_any_size_equal_brute_force(
    fasta: Path,
    openness: Path,
    chromosomes: dict[str, str],
    model: Model,
    flank: int,
    widths: tuple[int, ...],
    count: int,
) -> None:
    sees = numpy_model(model, flank, widths)
    with open_scan(
        fasta, openness, model=sees, scale=IDENTITY, threshold_rule=ThresholdRule("threshold", 0.5), threads=2
    ) as scan:
        seen = check_against_brute_force(scan, chromosomes, random_variants(chromosomes, count))
    assert {"scored", "partial", "unknown_bases", "no_window"} <= seen


@pytest.mark.slow
def test_sequence_alone_equals_brute_force(fasta: Path, chromosomes: dict[str, str], model: Model) -> None:
    with open_scan(fasta, model=model, threads=1) as scan:
        check_against_brute_force(scan, chromosomes, random_variants(chromosomes, 50, seed=6))


def test_flanks_longer_than_scaffolds_hold_no_base_of_the_next_scaffold(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(2)
    scaffolds = {f"s{number}": letters(rng, int(rng.integers(101, 160))) for number in range(12)}
    variants = []
    for chrom, sequence in scaffolds.items():
        for start in (0, 3, 50, len(sequence) - 2, len(sequence) - 1):
            old = sequence[start : start + int(rng.integers(1, 3))]
            variants.append(Variant(chrom, start, old, (letters(rng, int(rng.integers(1, 40))), letters(rng, 1))))
    path = write_fasta(tmp_path / "scaffolds.fa", scaffolds)
    with open_scan(path, model=numpy_model(model, 700), threads=1) as scan:
        assert "scored" in check_against_brute_force(scan, scaffolds, variants)


def test_deletion_moves_the_bases_behind_it_into_flanks(tmp_path: Path, model: Model) -> None:
    """A deletion moves the bases behind it towards the windows that it touches."""
    sequence = letters(np.random.default_rng(8), 1_500)
    deletion = Variant("chr1", 700, sequence[700:731], (sequence[700],))
    path = write_fasta(tmp_path / "one.fa", {"chr1": sequence})
    shorter = write_fasta(tmp_path / "other.fa", {"chr1": sequence[:701] + sequence[731:]})
    sees = numpy_model(model, 200)
    with open_scan(path, model=sees, threads=1) as scan:
        found = score(scan, [deletion])
    codes = encode((sequence[:701] + sequence[731:]).encode())
    windows = np.array([codes[w - 200 : w + 301] for w in range(601, 700)])  # windows with both bases beside the gap
    alone = sees.predict(windows, np.full(len(windows), np.nan, np.float32))
    assert found.alternative[0] == alone.max()
    with open_scan(shorter, model=sees, threads=1) as scan:  # the reverse variant: the same haplotypes, swapped
        back = score(scan, [Variant("chr1", 700, sequence[700], (sequence[700:731],))])
    assert (back.reference[0], back.alternative[0]) == (found.alternative[0], found.reference[0])


@st.composite
def splices(draw: st.DrawFn) -> tuple[str, int, int, str, int]:
    """Draw a chromosome, start and length of an allele, its replacement, and a flank."""
    chromosome = draw(st.text("ACGT", min_size=WINDOW_LENGTH, max_size=400))
    start = draw(st.integers(0, len(chromosome)))
    reference = draw(st.integers(0, min(len(chromosome) - start, 250)))
    return chromosome, start, reference, draw(st.text("ACGT", max_size=250)), draw(st.sampled_from([0, 10, 130, 400]))


@given(splices())
def test_spliced_blocks_equal_slices_of_the_haplotype(drawn: tuple[str, int, int, str, int]) -> None:
    chromosome, start, reference, allele, flank = drawn
    margin = flank + 500
    codes = encode(("N" * margin + chromosome + "N" * margin).encode())
    sites = Sites(*(np.array([value]) for value in (start, reference, len(allele), 0, len(chromosome))))
    haplotype = chromosome[:start] + allele + chromosome[start + reference :]
    assert sites.too_short()[0] == (min(len(chromosome), len(haplotype)) < WINDOW_LENGTH)
    if sites.too_short()[0]:
        return
    first, last = sites.touched_alternative()
    assert BruteForce.touched([start], len(allele), len(haplotype)) == list(range(first[0], last[0] + 1))
    [first_old], [last_old] = sites.touched_reference()
    assert BruteForce.touched([start], reference, len(chromosome)) == list(range(first_old, last_old + 1))
    cut = cut_into_blocks(first, last)
    rows = splice(codes, np.array([margin]), encode(allele.encode()), np.zeros(1, np.int64), sites, cut, flank)
    padded = "N" * margin + haplotype + "N" * margin
    for at, row in zip(cut.start.tolist(), rows, strict=True):
        assert decode(row).decode() == padded[at + margin - flank : at + margin + flank + 201]
    assert first[0] + len(cut.start) * 101 > last[0]


@pytest.mark.slow
@pytest.mark.parametrize("neighbourhood", [False, True])
@pytest.mark.parametrize("packed", PACKERS)
def test_order_task_size_threads_and_compression_change_nothing(
    tmp_path: Path,
    openness: Path,
    chromosomes: dict[str, str],
    model: Model,
    packed: str,
    neighbourhood: bool,
) -> None:
    if neighbourhood:
        model = numpy_model(model, 50, (101, 151))
    path = write_fasta(tmp_path / ("g.fa" if packed == "plain" else "g.fa.gz"), chromosomes, packed)
    variants = random_variants(chromosomes, 150)
    order = np.random.default_rng(1).permutation(len(variants))
    single = [Variant(v.chrom, v.start, v.reference, v.alternatives[:1]) for v in variants]
    with open_scan(path, openness, model=model, scale=IDENTITY, threads=1) as scan:
        once = score(scan, single)
        shuffled = score(scan, [single[number] for number in order])
    with open_scan(path, openness, model=model, scale=IDENTITY, threads=3) as scan:
        cut = score(scan, single, task_alleles=7, call_blocks=3)
    for one, other, mixed in zip(once, cut, shuffled, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[order], mixed)


@pytest.mark.slow
@pytest.mark.parametrize("site", ["TGACTCA", "TGACGTCA"])
def test_substitutions_in_a_planted_site_lower_the_score_most(tmp_path: Path, model: Model, site: str) -> None:
    rng = np.random.default_rng(0)
    backgrounds, at, around = 30, 150, 6
    genome = {f"chr{n}": letters(rng, at) + site + letters(rng, at) for n in range(backgrounds)}
    places = range(at - around, at + len(site) + around)
    variants = [
        Variant(chrom, place, sequence[place], [base for base in "ACGT" if base != sequence[place]])
        for chrom, sequence in genome.items()
        for place in places
    ]
    with open_scan(write_fasta(tmp_path / "planted.fa", genome), model=model, threads=1) as scan:
        found = score(scan, variants)
    assert (found.status == 0).all()
    change = found.difference.reshape(backgrounds, len(places), 3).mean(axis=0)
    other_strand = decode(reverse_complement(encode(site.encode()))).decode()
    core = range(around, around + len(site))
    strongest = set(np.argsort(-np.abs(change.mean(axis=1)))[: len(site)].tolist())
    assert len(strongest & set(core)) >= len(site) - 1  # a base beside the core may matter more than its middle
    for number, letter in enumerate(site):
        for base, mean in zip([base for base in "ACGT" if base != letter], change[core[number]], strict=True):
            broken = site[:number] + base + site[number + 1 :]
            if broken != other_strand:  # TGAGTCA is the reverse complement of TGACTCA
                assert mean < -0.1, broken


@pytest.fixture
def odd(tmp_path: Path, chromosomes: dict[str, str]) -> Path:
    """Write one record of every kind, not in the order of the genome."""
    one, three = chromosomes["chr1"].upper(), chromosomes["chr3"].upper()
    other = {base: "ACGT"[("ACGT".index(base) + 1) % 4] for base in "ACGT"}
    rows = [
        vcf_row("chr3", 200, three[199], other[three[199]], "last_first"),
        vcf_row("chr1", 500, one[499], f"{other[one[499]]},{one[499]}TT,<DEL>,*", "multi"),
        vcf_row("chr1", 510, other[one[509]], "GATTACA", "wrong_ref"),
        vcf_row("chr1", 520, one[519], f"{one[519]}]chr2:50]", "breakend"),
        vcf_row("chr1", 530, one[529], ".", "no_alt"),
        vcf_row("chr1", 8_999, one[8_998] + one[8_999], one[8_998], "end"),
        vcf_row("chr1", 9_001, "A", "C", "beyond"),
        vcf_row("chrUn", 5, "A", "C", "elsewhere"),
        vcf_row("chr1", 540, one[539], one[539], "same"),
        vcf_row("chr1", 550, one[549], "N", "n_alt"),
        vcf_row("chr1", 560, one[559], "R", "either_base"),
        vcf_row("chr1", 570, one[569], f"{other[one[569]]},.", "one_missing"),
        vcf_row("chr1", 580, one[579], "<*>,<INS:ME:ALU>,C<ctg1>", "symbols"),
        vcf_row("chr1", 590, one[589], f"]chr2:50]{one[589]},[<ctg1>:5[{one[589]},.{one[589]},{one[589]}.", "joined"),
        vcf_row("short", 5, chromosomes["short"][4].upper(), other[chromosomes["short"][4].upper()], "short"),
    ]
    return write_vcf(tmp_path / "odd.vcf", rows, SIZES | {"chrUn": 1000})


STATUS_OF = {
    "last_first": ("scored",),
    "multi": ("scored", "scored", "symbolic", "spanning_deletion"),
    "wrong_ref": ("ref_mismatch",),
    "breakend": ("breakend",),
    "end": ("scored",),
    "beyond": ("ref_mismatch",),
    "elsewhere": ("no_contig",),
    "same": ("unchanged",),
    "n_alt": ("unknown_bases",),
    "either_base": ("ambiguous",),
    "one_missing": ("scored", "no_alternative"),
    "symbols": ("symbolic",) * 3,
    "joined": ("breakend",) * 4,
    "short": ("no_window",),
}


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz"])
def test_odd_records_get_a_status_and_keep_their_order(
    run: Run, tmp_path: Path, fasta: Path, odd: Path, name: str
) -> None:
    out = tmp_path / name
    ran = run("variants", fasta, odd, "-o", out, "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    with pysam.VariantFile(str(odd)) as before, pysam.VariantFile(str(out)) as after:
        pairs = list(zip(before, after, strict=True))
        for old, new in pairs:
            assert str(old).split("\t")[:7] == str(new).split("\t")[:7]
            assert new.info.get("JUND_STATUS", ()) == STATUS_OF.get(new.id, ())
            scored = [status in ("scored", "partial") for status in new.info.get("JUND_STATUS", ())]
            for key in ("JUND_REF", "JUND_ALT", "JUND_DIFF", "JUND_WINDOW", "JUND_WINDOW_DIFF"):
                values = new.info.get(key, (None,) * len(scored))
                assert [value is not None for value in values] == scored
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["records"] == 15
    assert record["records_without_alternative"] == 1
    assert not record["sorted"]
    expected = [status for statuses in STATUS_OF.values() for status in statuses]
    assert record["status"] == {status: expected.count(status) for status in STATUSES}
    assert sum(record["status"].values()) == record["alleles"] == 23
    assert "23 alleles of 15 records (1 without ALT)" in ran.err
    assert "2 ref_mismatch" in ran.err
    if name.endswith(".gz"):
        assert "not sorted, so not indexed" in ran.err
        assert not Path(f"{out}.tbi").exists()


@pytest.mark.slow
def test_table_and_vcf_hold_the_same_effects(run: Run, tmp_path: Path, fasta: Path, openness: Path, odd: Path) -> None:
    options = ("--accessibility", openness, "--accessibility-scale", "identity", "--threshold", 0.4, "--quiet")
    assert run("variants", fasta, odd, *options, "-o", tmp_path / "out.tsv").code == 0
    printed = run("variants", fasta, odd, *options)
    assert printed.code == 0
    lines = [line for line in (tmp_path / "out.tsv").read_text().splitlines() if not line.startswith("# ")]
    names = lines[0].removeprefix("#").split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    (tmp_path / "printed.vcf").write_text(printed.out)
    alleles = []
    with pysam.VariantFile(str(tmp_path / "printed.vcf")) as file:
        for record in file:
            alleles += [(record, number) for number in range(len(record.alts or ()))]
        assert len(alleles) == len(rows)
        for (record, number), cells in zip(alleles, rows, strict=True):
            site = cells["chrom"], int(cells["start"]), int(cells["pos"]), cells["alternative"]
            assert site == (record.chrom, record.start, record.pos, record.alts[number])
            assert cells["status"] == record.info["JUND_STATUS"][number]
            if cells["status"] == "scored":
                assert float(cells["reference_probability"]) == pytest.approx(record.info["JUND_REF"][number], abs=1e-6)
                assert float(cells["difference"]) == pytest.approx(record.info["JUND_DIFF"][number], rel=1e-5)
                assert int(cells["window_start"]) == record.info["JUND_WINDOW"][number] - 1
                assert cells["hit"] == record.info["JUND_HIT"][number]
            else:
                assert set(list(cells.values())[8:]) == {"."}


@pytest.fixture
def plain(tmp_path: Path, chromosomes: dict[str, str]) -> Path:
    """Write sorted substitutions on chr1, which the file names 1 and does not declare."""
    one = chromosomes["chr1"].upper()
    rows = [vcf_row("1", at + 1, one[at], "A" if one[at] != "A" else "C") for at in range(150, 8_000, 13)]
    return write_vcf(tmp_path / "plain.vcf", rows)


@pytest.mark.tools
def test_bcftools_reads_the_output_and_its_index(run: Run, tmp_path: Path, fasta: Path, plain: Path) -> None:
    program = shutil.which("bcftools")
    if program is None:
        pytest.skip("bcftools is not installed (Debian: apt install bcftools)")
    out = tmp_path / "out.vcf.gz"
    ran = run("variants", fasta, plain, "-o", out)
    assert ran.code == 0, ran.err
    assert "chr1" in ran.err

    def bcftools(*arguments: object) -> str:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True)
        assert not done.stderr
        return done.stdout

    fields = "%CHROM\t%POS\t%REF\t%ALT\n"
    source = [line.split("\t") for line in plain.read_text().splitlines() if not line.startswith("#")]
    assert bcftools("query", "-f", fields, out).split() == [
        cell for cells in source for cell in (*cells[:2], *cells[3:5])
    ]
    inside = bcftools("query", "-r", "1:1000-1200", "-f", "%POS\t%JUND_STATUS\t%JUND_DIFF\n", out).splitlines()
    assert len(inside) == len([cells for cells in source if 1000 <= int(cells[1]) <= 1200])
    assert len(bcftools("view", "-H", "-i", 'JUND_STATUS="scored" && JUND_DIFF<100', out).splitlines()) == len(source)


def test_annotating_twice_replaces_the_fields(run: Run, tmp_path: Path, fasta: Path, odd: Path) -> None:
    first, second = tmp_path / "first.vcf", tmp_path / "second.vcf"
    assert run("variants", fasta, odd, "-o", first).code == 0
    broken = first.read_text().replace("JUND_STATUS=no_contig", "JUND_REF=0.5;JUND_STATUS=no_contig")
    first.write_text(broken)
    assert run("variants", fasta, first, "-o", second).code == 0

    def data(path: Path) -> list[str]:
        return [line for line in path.read_text().splitlines() if not line.startswith("#")]

    assert data(second) == [line.replace("JUND_REF=0.5;", "") for line in data(first)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text(path.read_text()[:-40].rsplit("\t", 5)[0]), "cut short"),
        (lambda path: path.write_text("hello\n"), "cannot be read as VCF"),
        (lambda path: path.write_bytes(b""), "cannot be read as VCF"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text(path.read_text().replace("\n1\t", "\nchrZ\t")), "no chromosome in common"),
        (lambda path: path.write_bytes(PACKERS["gzip"](path.read_bytes())[:-20]), "cut short"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"\t.\t.\t.\n", b"\t.\t.\t\xe9\n", 1)),
            "line 3: is not UTF-8",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"\t.\t.\t.\n", b"\t.\t.\t\0\n", 1)),
            "line 3: a zero",
        ),
        (lambda path: path.write_bytes(PACKERS["bgzip"](path.read_bytes())[:-28]), "EOF"),
        (lambda path: path.write_bytes(PACKERS["bgzip"](path.read_bytes())[:900]), "EOF"),
    ],
)
@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz", "out.tsv"])
def test_unusable_variants_are_an_error_and_leave_no_output(
    run: Run, tmp_path: Path, fasta: Path, plain: Path, damage: object, message: str, name: str
) -> None:
    damage(plain)  # type: ignore[operator]
    folder = tmp_path / "out"
    folder.mkdir()
    ran = run("variants", fasta, plain, "-o", folder / name, "--json", folder / "r.json")
    assert ran.code == 1
    assert message in ran.err.splitlines()[-1], ran.err
    assert str(plain) in ran.err.splitlines()[-1]
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_compression_line_ends_and_byte_order_mark_do_not_change_effects(
    run: Run, tmp_path: Path, fasta: Path, plain: Path
) -> None:
    def table() -> list[str]:
        assert run("variants", fasta, plain, "-o", tmp_path / "out.tsv", "--force").code == 0
        return [line for line in (tmp_path / "out.tsv").read_text().splitlines() if not line.startswith("#")]

    data, expected = plain.read_bytes(), table()
    for changed in (
        *(pack(data) for pack in PACKERS.values()),
        data.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + data,
        PACKERS["gzip"](b"\xef\xbb\xbf" + data),
    ):
        plain.write_bytes(changed)
        assert table() == expected


def test_another_assembly_is_an_error_unless_allowed(run: Run, tmp_path: Path, fasta: Path, plain: Path) -> None:
    rows = [line.split("\t") for line in plain.read_text().splitlines() if not line.startswith("#")]
    letter = {"A": "C", "C": "G", "G": "T", "T": "A"}
    other = [vcf_row("chr1", int(cells[1]), letter[cells[3]], "TTT") for cells in rows]
    wrong = write_vcf(tmp_path / "wrong.vcf", other, {"chr1": 77})
    wrong.write_text(wrong.read_text().removesuffix("\n"))
    ran = run("variants", fasta, wrong, "-o", tmp_path / "out.vcf")
    assert ran.code == 1
    assert "chr1 has 77 bases, but chr1" in ran.err.splitlines()[-1]
    assert "--allow-length-mismatch" in ran.err.splitlines()[-1]
    assert not (tmp_path / "out.vcf").exists()
    ran = run("variants", fasta, wrong, "-o", tmp_path / "out.vcf", "--allow-length-mismatch")
    assert ran.code == 0, ran.err
    assert "chr1 has 77 bases, but chr1" in ran.err
    assert "its last line has no end" in ran.err
    assert f"{len(rows)} of {len(rows)} REF alleles differ from {fasta}" in ran.err
    assert f"{len(rows)} ref_mismatch" in ran.err


def test_variants_changed_during_the_run_are_an_error(tmp_path: Path, fasta: Path, plain: Path, model: Model) -> None:
    data, out = plain.read_bytes(), tmp_path / "out.vcf"
    with open_scan(fasta, model=model, threads=1) as scan, pytest.raises(InputError, match="was changed") as caught:
        write_variants(scan, plain, str(out), on_progress=lambda done: plain.write_bytes(data * 2) and None)
    assert str(plain) in str(caught.value)
    assert not out.exists()


def test_python_gives_the_same_effects_for_a_file_and_a_list(
    fasta: Path, openness: Path, plain: Path, chromosomes: dict[str, str], model: Model
) -> None:
    options = {"model": model, "scale": IDENTITY, "threads": 1}
    from_file = list(jundscan.variants(fasta, plain, openness, **options))
    one = chromosomes["chr1"].upper()
    variants = [("1", at, one[at], ["A" if one[at] != "A" else "C"]) for at in range(150, 8_000, 13)]
    # compared as text, where NaN equals itself
    assert str(from_file) == str(list(jundscan.variants(fasta, variants, openness, **options)))
    assert from_file[0].status == "scored"
    assert 0 < from_file[0].reference < 1
    assert any(effect.difference != 0 for effect in from_file)  # some variants do not touch the best windows
    [wrong] = jundscan.variants(fasta, [("chr1", 0, "N", ["A"])], **options)
    assert (wrong.status, wrong.hit, wrong.window) == ("ref_mismatch", None, -1)
    assert math.isnan(wrong.reference)
    with pytest.raises(jundscan.JundscanError, match="must not be empty"):
        list(jundscan.variants(fasta, [("chr1", 5, "A", [""])], **options))


def test_wrong_outputs_and_options_are_errors(run: Run, tmp_path: Path, fasta: Path, plain: Path) -> None:
    assert run("variants", fasta, plain, "-o", tmp_path / "out.bed").code == 1
    assert run("variants", fasta, plain, "-o", plain, "--force").code == 2
    assert run("variants", fasta, plain, "--fpr", 0.1, "--recall", 0.1).code == 2
    out = tmp_path / "out.vcf"
    out.write_text("mine")
    ran = run("variants", fasta, plain, "-o", out)
    assert ran.code == 1
    assert "exists already" in ran.err
    assert out.read_text() == "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "pysam", None)
        ran = run("variants", fasta, plain)
    assert ran.code == 1
    assert "pip install 'jundscan[hts]'" in ran.err
