"""Indels at the ends of sequences and in repeats: one haplotype has one effect, however it is written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH, decode, encode, reverse_complement
from jundscan.effects.alleles import STATUSES
from jundscan.effects.haplotypes import Sites
from jundscan.effects.indels import REACH_OF_REPEATS, widen_indels
from jundscan.effects.score import Effects
from jundscan.io.vcf import Variant
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.scanning.plan import open_scan
from tests.conftest import Run
from tests.helpers.inputs import letters, write_fasta
from tests.helpers.numpy_models import numpy_model
from tests.helpers.variant_oracle import BruteForce, check_against_brute_force, score, vcf_row, write_vcf

pytest.importorskip("pysam")


def repeats(count: int, seed: int) -> tuple[dict[str, str], list[list[Variant]]]:
    """Make sequences with a repeat, and one indel of each in every way to write it."""
    rng = np.random.default_rng(seed)
    genome, written = {}, []
    for number in range(count):
        unit = letters(rng, int(rng.integers(1, 5)))
        before, behind = (letters(rng, int(rng.choice([0, 1, 40, 130]))) for _ in range(2))
        site = str(rng.choice(["TGACTCA", "TGAGTCA", ""]))
        sequence = before + unit * int(rng.integers(2, 40)) + site + behind
        sequence += letters(rng, max(0, 125 - len(sequence)))
        size = len(unit) * int(rng.integers(1, 3))
        is_deletion = rng.random() < 0.5
        start = len(before)
        old, new = (sequence[start : start + size], "") if is_deletion else ("", sequence[start : start + size])
        changed = sequence[:start] + new + sequence[start + len(old) :]
        ways = []
        for place in BruteForce.places(sequence, start, old, new):
            left, right = min(place, int(rng.integers(0, 3))), int(rng.integers(0, 3))
            if (not place and not right) or rng.random() < 0.3:  # a VCF pads on the right only at the first base
                left, right = 0, 1
            elif not left and not right:
                left = 1
            first, end = place - left, min(place + len(old) + right, len(sequence))
            reference = sequence[first:end]
            alternative = changed[first : end + len(new) - len(old)]
            if reference and alternative:
                ways.append(Variant(f"r{number}", first, reference, (alternative,)))
        genome[f"r{number}"] = sequence
        written.append(ways)
    return genome, written


def rows_of(effects: Effects) -> list[str]:
    """Return each allele's effect as text, where NaN equals itself, without left_shift."""
    columns = (column.tolist() for column in effects._replace(left_shift=effects.in_repeat))
    return [str(cells) for cells in zip(*columns, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("flank", [0, 30])
def test_one_haplotype_has_one_effect_wherever_it_is_written(tmp_path: Path, model: Model, flank: int) -> None:
    genome, written = repeats(60, 3)
    path = write_fasta(tmp_path / "repeats.fa", genome)
    with open_scan(
        path, model=numpy_model(model, flank), threshold_rule=ThresholdRule("threshold", 0.5), threads=2
    ) as scan:
        found = rows_of(score(scan, [way for ways in written for way in ways], task_alleles=100))
    assert sum(map(len, written)) > 1_000
    for ways in written:
        effects, found = found[: len(ways)], found[len(ways) :]
        assert len(set(effects)) == 1, ways[0]


def test_indels_in_repeats_equal_brute_force(tmp_path: Path, model: Model) -> None:
    genome, written = repeats(60, 4)
    rng = np.random.default_rng(4)
    some = [ways[number] for ways in written for number in rng.integers(0, len(ways), 4)]
    with open_scan(write_fasta(tmp_path / "r.fa", genome), model=numpy_model(model, 30), threads=2) as scan:
        assert "scored" in check_against_brute_force(scan, genome, some)


def test_both_strands_have_the_same_effect(tmp_path: Path, model: Model) -> None:
    genome, written = repeats(40, 5)

    def reverse(text: str) -> str:
        return decode(reverse_complement(encode(text.encode()))).decode()

    some = [ways[0] for ways in written]
    others = [
        Variant(v.chrom, len(genome[v.chrom]) - v.start - len(v.reference), reverse(v.reference), (reverse(new),))
        for v in some
        for new in v.alternatives
    ]
    with open_scan(write_fasta(tmp_path / "r.fa", genome), model=model, threads=1) as scan:
        one = score(scan, some)
    with open_scan(
        write_fasta(tmp_path / "t.fa", {chrom: reverse(text) for chrom, text in genome.items()}), model=model, threads=1
    ) as scan:
        other = score(scan, others)
    np.testing.assert_array_equal(one.status, other.status)
    np.testing.assert_allclose(one.reference, other.reference, atol=1e-5)
    np.testing.assert_allclose(one.alternative, other.alternative, atol=1e-5)


def at_the_ends(sequence: str, rng: np.random.Generator) -> list[Variant]:
    """Return insertions and deletions at both ends and one base from them, padded as in a VCF."""
    chrom, size, variants = f"s{len(sequence)}", len(sequence), []
    for length in (1, 2, 7, 30):
        new = letters(rng, length)
        variants += [
            Variant(chrom, 0, sequence[0], (new + sequence[0], sequence[0] + new)),
            Variant(chrom, 0, sequence[: length + 1], (sequence[length], sequence[0])),
            Variant(chrom, size - 1, sequence[-1], (sequence[-1] + new, new + sequence[-1])),
            Variant(chrom, size - 1 - length, sequence[-1 - length :], (sequence[-1 - length], sequence[-1])),
            Variant(chrom, size - 2, sequence[-2:], (sequence[-2] + new + sequence[-1],)),
        ]
    return variants


@pytest.mark.parametrize("flank", [0, 40])
def test_indels_at_the_ends_are_scored_where_both_haplotypes_have_a_window(
    tmp_path: Path, model: Model, flank: int
) -> None:
    rng = np.random.default_rng(6)
    genome = {f"s{size}": letters(rng, size) for size in (80, 100, *range(101, 131, 3), 202, 450)}
    variants = [variant for sequence in genome.values() for variant in at_the_ends(sequence, rng)]
    with open_scan(write_fasta(tmp_path / "ends.fa", genome), model=numpy_model(model, flank), threads=2) as scan:
        assert check_against_brute_force(scan, genome, variants) >= {"scored", "no_window"}
        found = score(scan, variants)
    alleles = [(v, alternative) for v in variants for alternative in v.alternatives]
    for (variant, alternative), status in zip(alleles, found.status.tolist(), strict=True):
        size = len(genome[variant.chrom])
        shorter = size + min(0, len(alternative) - len(variant.reference))
        if variant.reference != alternative:
            assert STATUSES[status] == ("scored" if shorter >= WINDOW_LENGTH else "no_window"), (variant, alternative)


def test_sites_added_or_deleted_at_an_end_change_the_score(tmp_path: Path, model: Model) -> None:
    """A site inserted at an end is gained. Where the sequence has it, its deletion loses it."""
    body, site = letters(np.random.default_rng(9), 400), "CCTGACTCACC"
    for long, end, base in (
        (body + site, len(body) - 1, body[-1]),
        (site + body, 0, body[0]),
    ):
        genome = {"with": long, "without": body}
        start = end if end else 0
        written = (base + site) if end else (site + base)
        variants = [("without", start, base, written), ("with", start, written, base)]
        gained, lost = jundscan.variants(genome, variants, model=model, threshold=0.5)
        assert gained.difference > 0 > lost.difference
        assert gained.status == lost.status == "scored"
        assert (gained.reference, gained.alternative) == pytest.approx((lost.alternative, lost.reference), abs=1e-6)


def test_repeats_end_after_a_thousand_bases_and_at_unknown_bases() -> None:
    around = np.full(REACH_OF_REPEATS, UNKNOWN, np.uint8)
    for size, at, left, right in (
        (3_000, 1_500, REACH_OF_REPEATS, REACH_OF_REPEATS),
        (600, 10, 10, 589),
        (1, 0, 0, 0),
    ):
        codes = np.concatenate((around, np.zeros(size, np.uint8), around))
        sites = Sites(*(np.array([value]) for value in (at, 1, 0, 0, size)))
        found = widen_indels(sites, np.empty(0, np.uint8), codes, np.array([REACH_OF_REPEATS]))
        assert (found.left[0], found.right[0]) == (left, right)
        assert found.sites.start[0] == at - left
        assert found.sites.ref_bases[0] == left + right + 1
        assert found.alleles.tolist() == [0] * (left + right)


@pytest.fixture
def repeat(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    return write_fasta(tmp_path / "genome.fa", {"chr1": f"{letters(rng, 200)}CAAAAG{letters(rng, 200)}"})


def test_unaligned_indels_are_counted_and_cause_one_warning(run: Run, tmp_path: Path, repeat: Path) -> None:
    rows = [vcf_row("chr1", 203, "AA", "A"), vcf_row("chr1", 205, "A", "AA,AAA,T"), vcf_row("chr1", 201, "CA", "C")]
    vcf, table = write_vcf(tmp_path / "v.vcf", rows), tmp_path / "out.tsv"
    ran = run("variants", repeat, vcf, "-o", table, "--json", tmp_path / "r.json", "--quiet")
    assert ran.code == 0, ran.err
    [warning] = [line for line in ran.err.splitlines() if "left-aligned" in line]
    assert "3 indels are not left-aligned" in warning
    assert f"bcftools norm -f {repeat} {vcf}" in warning
    record = json.loads((tmp_path / "r.json").read_text())
    assert (record["indels_in_repeats"], record["indels_not_left_aligned"]) == (4, 3)
    lines = [line.split("\t") for line in table.read_text().splitlines() if not line.startswith("# ")]
    column = lines[0].index("left_shift")
    assert [cells[column] for cells in lines] == ["left_shift", "2", "4", "4", "0", "0"]
    write_vcf(vcf, [vcf_row("chr1", 201, "CA", "C"), vcf_row("chr1", 201, "C", "CA"), vcf_row("chr1", 300, "N", "T")])
    ran = run("variants", repeat, vcf, "-o", table, "--force")
    assert ran.code == 0, ran.err
    assert "left-aligned" not in ran.err


def test_python_effects_hold_repeat_and_left_shift(tmp_path: Path, repeat: Path, model: Model) -> None:
    variants = [("chr1", 202, "AA", "A"), ("chr1", 200, "CA", "C"), ("chr1", 204, "A", "T")]
    late, early, substitution = jundscan.variants(repeat, variants, model=model)
    assert [(effect.in_repeat, effect.left_shift) for effect in (late, early, substitution)] == [
        (True, 2),
        (True, 0),
        (False, 0),
    ]
    assert late[5:-4] == early[5:-4]
    assert [(effect.start, effect.pos) for effect in (late, early)] == [(202, 203), (200, 201)]
    assert not math.isnan(late.difference)
