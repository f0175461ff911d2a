"""Chromosomes missing from a track, lengths that differ, and names that do not fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jundscan
from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import IDENTITY
from jundscan.errors import Cautions, TrackError
from jundscan.io.fasta.genome import Genome, open_genome
from jundscan.model.model import Model
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import score
from tests.conftest import Run
from tests.helpers.inputs import Row, letters, write_bigwig, write_fasta, write_rows

SIZES = {"chrA": 40_000, "chrB": 30_000, "chrM": 6_000}


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(17)
    sequences = {chrom: letters(rng, size) for chrom, size in SIZES.items()}
    path = write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)
    open_genome(path).chromsizes  # noqa: B018 - writes the index, which is no output of a run
    return path


def peaks(chrom: str, count: int = 60, size: int = 40_000) -> list[Row]:
    rng = np.random.default_rng(len(chrom) + count)
    starts = np.sort(rng.choice(size // 500, count, replace=False)) * 500
    return [(chrom, int(at), int(at) + 300, round(float(rng.random()) + 0.1, 3)) for at in starts]


def write_track(path: Path, kind: str, rows: Sequence[Row], sizes: dict[str, int] | None = None) -> Path:
    if kind == "bigWig":
        return write_bigwig(path.with_suffix(".bw"), sizes or SIZES, [row for row in rows if row[2] > row[1]])
    if kind == "bedGraph":
        return write_rows(path.with_suffix(".bedgraph"), rows)
    narrow = [(chrom, start, end, ".", 0, ".", value, -1, -1, 100) for chrom, start, end, value in rows]
    return write_rows(path.with_suffix(".narrowPeak"), narrow)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bedGraph", "narrowPeak", "bigWig"])
def test_a_missing_chromosome_scores_like_one_of_zeros(tmp_path: Path, run: Run, genome: Path, kind: str) -> None:
    rows = peaks("chrA")
    zeros = [("chrB", 0, 30_000, 0.0), ("chrM", 0, 6_000, 0.0)]
    vcf = tmp_path / "v.vcf"
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    vcf.write_text(header + "".join(f"chrB\t{at}\t.\tN\tT\t.\t.\t.\n" for at in range(500, 20_000, 1_500)))
    found, said, effects = [], [], []
    written = {"chrA": 40_000} if kind == "bigWig" else None
    for name, of_track, sizes in (("left_out", rows, written), ("zeros", rows + zeros, SIZES)):
        track = write_track(tmp_path / name, kind, of_track, sizes)
        options = ("--accessibility", track, "--threshold", 0.8, "-q")
        ran = run("scan", genome, *options, "--no-header", "--format", "tsv", "--json", tmp_path / f"{name}.json")
        assert ran.code == 0, ran.err
        found.append(ran.out)
        said.append(json.loads((tmp_path / f"{name}.json").read_text())["warnings"])
        assert ("missing from the track" in ran.err) == (name == "left_out")
        ran = run("variants", genome, vcf, *options, "-o", tmp_path / f"{name}.tsv")
        assert ran.code == 0, ran.err
        lines = (tmp_path / f"{name}.tsv").read_text().splitlines()
        effects.append([line for line in lines if not line.startswith("#")])
    assert found[0] == found[1]
    assert len(effects[0]) > 10
    assert effects[0] == effects[1]
    [caution] = [one for one in said[0] if one["code"] == "missing_chromosomes"]
    assert caution["figures"] == {
        "chromosomes": 2, "bases": 36_000, "share": 36 / 76, "names": ["chrB", "chrM"], "treated_as": "closed",
    }  # fmt: skip
    assert all(one["code"] != "missing_chromosomes" for one in said[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "share", "data"),
    [
        pytest.param([("chr_a", 0, 400, 1.0), *peaks("chrM", 5, 6_000)], "8%", "79%", id="little of the genome"),
        pytest.param([("CHRB", 0, 29_000, 1.0), ("chrA", 0, 400, 1.0)], "53%", "1%", id="little of the track"),
        pytest.param([*peaks("chra"), ("chrM", 0, 10, 1.0)], "8%", "0%", id="names differ in case"),
    ],
)
@pytest.mark.parametrize("kind", ["bedGraph", "bigWig"])
def test_too_few_bases_under_common_names_raise_with_both_sides(
    tmp_path: Path, run: Run, genome: Path, rows: list[Row], share: str, data: str, kind: str
) -> None:
    sizes = {row[0]: 40_000 if row[0] != "chrM" else 6_000 for row in rows}
    track = write_track(tmp_path / "t", kind, sorted(rows), sizes)
    ran = run("scan", genome, "--accessibility", track, "-o", tmp_path / "h.bed")
    assert ran.code == 1
    line = ran.err.splitlines()[-1]
    assert f"hold {share} of the bases to scan" in line
    if kind == "bedGraph":
        assert f"{data} of the track's data" in line
    assert all(name in line for name in ("it names", *sizes, "has chrA, chrB, chrM", "--alias FILE"))
    assert not (tmp_path / "h.bed").exists()
    aliases = tmp_path / "alias.txt"
    other = {"chr_a": "chrA", "CHRB": "chrB", "chra": "chrA"}
    aliases.write_text("".join(f"{theirs}\t{ours}\n" for theirs, ours in other.items() if theirs in sizes))
    options = ("--accessibility-scale", "identity", "--allow-length-mismatch", "-o", tmp_path / "h.bed")
    assert run("scan", genome, "--accessibility", track, "--alias", aliases, *options).code == 0


def test_names_fit_where_every_chromosome_to_scan_is_in_the_track(tmp_path: Path, genome: Path) -> None:
    # a genome of one chromosome, and a track of many: nothing is missing
    rows = [*peaks("chrM", 5, 6_000), *[("chrX", at, at + 200, 1.0) for at in range(0, 900_000, 400)]]
    with open_track(write_track(tmp_path / "t", "bedGraph", rows)) as track:
        found = match_chromosomes(open_genome(genome), track, reach={"chrM": 6_000})
    assert found.names == {"chrM": "chrM"}


@pytest.mark.parametrize(("policy", "accessibility"), [("closed", 0.0), ("unknown", np.nan)])
def test_missing_chromosomes_count_as_closed_or_unknown_by_choice(
    tmp_path: Path, genome: Path, policy: str, accessibility: float
) -> None:
    with open_track(write_track(tmp_path / "t", "bedGraph", peaks("chrM", 5, 6_000))) as track:
        cautions = Cautions()
        found = match_chromosomes(open_genome(genome), track, cautions, missing=policy)  # type: ignore[arg-type]
        means = found.means(
            [("chrA", np.array([5, 900])), ("chrM", np.array([0])), ("chrB", np.array([7]))], (101, 301)
        )
    np.testing.assert_array_equal(means[[0, 1, 3]], np.full((3, 2), accessibility))
    assert not np.isnan(means[2]).any()
    assert [caution.code for caution in cautions] == ["missing_chromosomes"]
    assert cautions[0].figures["treated_as"] == policy


@pytest.mark.slow
def test_a_missing_chromosome_raises_by_choice(tmp_path: Path, run: Run, genome: Path) -> None:
    track = write_track(tmp_path / "t", "bedGraph", [*peaks("chrA"), *peaks("chrB", 50, 30_000)])
    arguments = ("scan", genome, "--accessibility", track, "--missing-chromosomes", "error", "-o", tmp_path / "h.bed")
    ran = run(*arguments)
    assert (ran.code, (tmp_path / "h.bed").exists()) == (1, False)
    assert "does not name chrM" in ran.err
    assert run(*arguments, "--region", "chrA", "--region", "chrB:0-9000").code == 0  # chrM is out of reach


def test_a_scan_from_python_treats_missing_chromosomes_by_choice(model: Model) -> None:
    rng = np.random.default_rng(3)
    sequences = {"a": letters(rng, 4_000), "b": letters(rng, 3_000)}
    track = {"a": rng.exponential(1, 4_000)}
    scores = {}
    for policy in (None, "closed", "unknown"):
        options = {} if policy is None else {"missing_chromosomes": policy}
        chunks = jundscan.scan(sequences, track, windows=True, model=model, stride=50, **options)  # type: ignore[call-overload]
        scores[policy] = np.concatenate([chunk.probabilities for chunk in chunks if chunk.chrom == "b"])
    written = {**track, "b": np.zeros(3_000)}
    zeros = jundscan.scan(sequences, written, windows=True, model=model, stride=50)
    expected = np.concatenate([chunk.probabilities for chunk in zeros if chunk.chrom == "b"])
    alone = jundscan.scan({"b": sequences["b"]}, windows=True, model=model, stride=50)
    np.testing.assert_array_equal(scores[None], expected)
    np.testing.assert_array_equal(scores["closed"], expected)
    np.testing.assert_array_equal(scores["unknown"], np.concatenate([chunk.probabilities for chunk in alone]))
    with pytest.raises(TrackError, match=r"does not name b\b"):
        jundscan.scan(sequences, track, model=model, missing_chromosomes="error")


def test_another_length_outside_the_scan_warns(tmp_path: Path, run: Run, genome: Path) -> None:
    rows = [*peaks("chrA"), ("chrM", 0, 900, 1.0)]
    track = write_bigwig(tmp_path / "t.bw", {**SIZES, "chrM": 5_998}, rows)
    ran = run("scan", genome, "--accessibility", track, "--region", "chrA", "-q", "-o", tmp_path / "h.bed")
    assert ran.code == 0
    assert "chrM has 5998 bases, but chrM of" in ran.err
    assert "none to scan" in ran.err


@pytest.mark.slow
def test_a_chromosome_of_another_length_is_scored_from_sequence_alone(tmp_path: Path, run: Run, genome: Path) -> None:
    rows = [*peaks("chrA"), *peaks("chrB", 50, 30_000), ("chrM", 0, 900, 1.0)]
    track = write_bigwig(tmp_path / "t.bw", {**SIZES, "chrM": 5_998}, rows)
    common = ("scan", genome, "--format", "tsv", "--no-header", "--region", "chrM")
    ran = run("scan", genome, "--accessibility", track, "--format", "tsv", "--no-header", "--json", tmp_path / "r.json",
              "-o", tmp_path / "w.tsv")  # fmt: skip
    assert ran.code == 0, ran.err
    alone = run(*common, "--no-accessibility", "-q").out.splitlines()
    found = [line for line in (tmp_path / "w.tsv").read_text().splitlines() if line.startswith("chrM")]
    assert found == alone
    [caution] = [
        one for one in json.loads((tmp_path / "r.json").read_text())["warnings"] if one["code"] == "other_lengths"
    ]
    assert (caution["figures"]["to_scan"], caution["figures"]["bases"]) == (1, 6_000)
    assert "Chromosomes of another length: 1, 1 to scan, from sequence alone" in caution["message"]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [{"chrA": 39_999}, {"chrA": 1_000_000, "chrB": 30_001}, {"chrB": 9, "chrA": 40_001}])
def test_other_lengths_on_most_of_the_scan_raise(tmp_path: Path, run: Run, genome: Path, sizes: dict[str, int]) -> None:
    track = write_bigwig(tmp_path / "t.bw", {**SIZES, **sizes}, [("chrA", 10, 500, 1.0)])
    ran = run("scan", genome, "--accessibility", track, "-o", tmp_path / "h.bed")
    assert (ran.code, (tmp_path / "h.bed").exists()) == (1, False)
    assert f"chrA has {sizes['chrA']} bases, but chrA of {genome} has 40000: another assembly?" in ran.err


@pytest.mark.slow
def test_the_track_needs_only_the_chromosomes_of_variants_and_regions(tmp_path: Path, run: Run, genome: Path) -> None:
    track = write_track(tmp_path / "t", "bedGraph", [("chrM", at, at + 60, at / 10 + 1) for at in range(0, 5_900, 80)])
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    scale = ("--accessibility-scale", "identity")
    for chrom, code in (("chrM", 0), ("chrA", 1)):
        vcf = tmp_path / f"{chrom}.vcf"
        vcf.write_text(f"{header}{chrom}\t700\t.\tN\tT\t.\t.\t.\n")
        hits = write_rows(tmp_path / f"{chrom}.bed", [(chrom, 500, 700)])
        for command in (
            ("variants", genome, vcf, "-o", tmp_path / f"{chrom}.tsv"),
            ("explain", genome, "--region", f"{chrom}:900-960", "-o", tmp_path / f"{chrom}-region"),
            ("explain", genome, "--hits", hits, "-o", tmp_path / f"{chrom}-hits"),
        ):
            ran = run(*command, "--accessibility", track, *scale)
            assert ran.code == code, (command, ran.err)
            assert ("names do not fit" in ran.err) == bool(code)
    found = jundscan.variants(genome, tmp_path / "chrM.vcf", track, scale="identity")
    assert [effect.chrom for effect in found] == ["chrM"]
    explained = jundscan.explain(genome, "chrM:900-960", track, scale="identity")
    assert [one.region.chrom for one in explained] == ["chrM"]


def test_names_that_fit_the_genome_fit_a_region_missing_from_the_track(tmp_path: Path, run: Run, genome: Path) -> None:
    track = write_track(tmp_path / "t", "bedGraph", peaks("chrA"))
    ran = run("scan", genome, "--accessibility", track, "--region", "chrB", "-o", tmp_path / "h.bed")
    assert ran.code == 0
    assert "of 1 chromosome to scan, 1 missing from the track (chrB), 100.0% of the bases; counted as closed" in ran.err


@pytest.mark.parametrize("policy", ["closed", "unknown"])
def test_a_cluster_worker_treats_missing_chromosomes_as_the_scan_does(
    tmp_path: Path, genome: Path, policy: str
) -> None:
    from jundscan.cluster.client import _job
    from jundscan.cluster.worker import _scans, score_spans

    track = write_bigwig(tmp_path / "t.bw", {"chrA": 40_000, "chrM": 5_998}, [*peaks("chrA"), ("chrM", 0, 900, 1.0)])
    options: dict[str, Any] = {"scale": IDENTITY, "stride": 50, "missing_chromosomes": policy}
    with open_scan(genome, track, **options) as scan:
        job = _job(scan, True, "one")
        part = score_spans([job], scan.spans)
        here = {scored.chrom: scored.probabilities for scored in score(scan, task_bases=1 << 20)}
    assert not isinstance(part, str), part
    _scans.pop(job.name)[0].inputs.files.close()  # a worker keeps it open
    assert [scored.chrom for (scored,) in part.chunks] == list(SIZES)
    for (scored,) in part.chunks:
        np.testing.assert_array_equal(scored.probabilities, here[scored.chrom])


@pytest.fixture
def small_genome(tmp_path: Path) -> Genome:
    return open_genome(write_fasta(tmp_path / "small.fa", {"1": "A" * 2_000, "2": "ACGT"}))


def test_names_are_matched_and_differences_are_logged(
    tmp_path: Path, small_genome: Genome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "jundscan")
    rows = [("chr1", 0, 10, 1.0), ("chr1", 1_995, 2_005, 1.0), ("chr1", 2_010, 2_020, 2.0)]
    track = open_track(write_rows(tmp_path / "a.bdg", rows))
    found = match_chromosomes(small_genome, track)
    assert (found.names, found.closed) == ({"1": "chr1"}, {"2"})
    assert "names chromosomes differently: chr1 for 1" in caplog.text
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        f"{track.path}: of 2 chromosomes to scan, 1 missing from the track (2), 0.2% of the bases; "
        "counted as closed (--missing-chromosomes)",
        f"{track.path}: 2 intervals beyond the end of the chromosome, cut there. Check that track and genome are of "
        "the same assembly",
    ]


def test_no_chromosome_in_common_raises(tmp_path: Path, small_genome: Genome) -> None:
    track = open_track(write_rows(tmp_path / "a.bdg", [("chrX", 0, 10, 1.0)]))
    with pytest.raises(TrackError, match=r"it names chrX, while .*small\.fa has 1, 2"):
        match_chromosomes(small_genome, track)


def test_another_length_raises_unless_allowed(tmp_path: Path, small_genome: Genome) -> None:
    with open_track(write_bigwig(tmp_path / "a.bw", {"chr1": 5_000}, [("chr1", 0, 10, 1.0)])) as track:
        with pytest.raises(TrackError, match=r"chr1 has 5000 bases, but 1 of .* has 2000"):
            match_chromosomes(small_genome, track)
        assert match_chromosomes(small_genome, track, allow_length_mismatch=True).names == {"1": "chr1"}
