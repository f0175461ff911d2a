"""Saturation mutagenesis against brute force, the average logo, and the outputs of ``explain``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.accessibility.scale import IDENTITY
from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH, encode, reverse_complement
from jundscan.dna.regions import Region
from jundscan.errors import InputError
from jundscan.explanations.alignment import (
    SITE_FLANK,
    WIDTH,
    align_freely,
    align_on_sites,
    driving_site,
    logos_by_kind,
)
from jundscan.explanations.mutagenesis import Explanation, explain_regions
from jundscan.model.model import Model
from jundscan.model.sites import NO_SITE, KnownSite, find_sites, site_kinds
from jundscan.model.thresholds import logits
from jundscan.scanning.plan import Scan, open_scan
from tests.conftest import SIZES, Run
from tests.helpers.inputs import letters, write_fasta, write_rows
from tests.helpers.numpy_models import numpy_model
from tests.model.test_model import edited

TOLERANCE = 1e-6


def brute_force(scan: Scan, sequence: str, region: Region) -> np.ndarray:
    """Mutate base by base, and score each window that covers the base, with its flanks, by itself."""
    sequence = sequence.upper()
    length, flank = len(sequence), scan.model.flank
    accessibility = scan.inputs.accessibility_of([(region.chrom, np.arange(max(length - WINDOW_LENGTH + 1, 0)))])
    found = np.full((region.end - region.start, 4), np.nan)
    for row, place in enumerate(range(region.start, region.end)):
        starts = range(max(0, place - WINDOW_LENGTH + 1), min(place, length - WINDOW_LENGTH) + 1)
        starts = [w for w in starts if set(sequence[w : w + WINDOW_LENGTH]) <= set(ALPHABET)]
        if not starts:
            continue
        windows = {}
        for base in ALPHABET:
            mutated = "N" * flank + sequence[:place] + base + sequence[place + 1 :] + "N" * flank
            codes = np.array([encode(mutated[w : w + scan.model.span].encode()) for w in starts])
            windows[base] = logits(scan.model.predict(codes, accessibility[starts]))
        for column, base in enumerate(ALPHABET):
            found[row, column] = (windows[base] - windows[sequence[place]]).mean()
    return found


def check_region(scan: Scan, sequence: str, region: Region) -> np.ndarray:
    [found] = explain_regions(scan, [region])
    expected = brute_force(scan, sequence, region)
    np.testing.assert_allclose(found.differences, expected, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(found.contributions, -expected.sum(axis=1) / 3, atol=TOLERANCE, rtol=0)
    np.testing.assert_array_equal(found.codes, encode(sequence[region.start : region.end].encode()))
    return expected


@pytest.mark.slow
def test_region_with_unknown_bases_equals_brute_force(
    genome: Path, track: Path, sequences: dict[str, str], model: Model
) -> None:
    with open_scan(genome, track, model=model, scale=IDENTITY, threads=2) as scan:
        expected = check_region(scan, sequences["chr1"], Region("chr1", 1_700, 1_900))
    assert 0 < np.isnan(expected).sum() < expected.size / 2  # some bases are unknown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flank", "widths", "chrom", "start", "end"),
    [
        (0, (101,), "chr1", 1_500, 2_500),
        (30, (101, 301), "chr1", 1_700, 2_000),
        (150, (101, 301, 1101), "chr1", 5_600, 6_000),
        (150, (101,), "chr3", 0, 450),
        (400, (101, 1101), "chr2", 0, 90),
        (400, (101,), "chr2", 2_800, 3_033),
    ],
)
def test_neighbourhoods_of_any_size_equal_brute_force(
    genome: Path,
    track: Path,
    sequences: dict[str, str],
    model: Model,
    flank: int,
    widths: tuple[int, ...],
    chrom: str,
    start: int,
    end: int,
) -> None:
    with open_scan(genome, track, model=numpy_model(model, flank, widths), scale=IDENTITY, threads=1) as scan:
        expected = check_region(scan, sequences[chrom], Region(chrom, start, end))
    assert not np.isnan(expected).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chrom", "start", "end"), [("chr3", 0, 120), ("chr3", 350, 450), ("chr2", 2_950, 3_033), ("short", 10, 60)]
)
def test_ends_of_chromosomes_equal_brute_force(
    genome: Path, sequences: dict[str, str], model: Model, chrom: str, start: int, end: int
) -> None:
    region = Region(chrom, start, end)
    around = "N" * model.flank
    with open_scan(genome, model=model, threads=1) as scan:
        check_region(scan, sequences[chrom], region)
        [found] = explain_regions(scan, [region])
        known = 0
        for w in range(max(start - 50, 0), min(end - 51, SIZES[chrom] - WINDOW_LENGTH) + 1):
            own = encode(sequences[chrom][w : w + WINDOW_LENGTH].encode())
            if (own < 4).all() and start <= w + 50 < end:
                seen = encode((around + sequences[chrom] + around)[w : w + model.span].encode())
                alone = model.predict(seen[None], np.full(1, np.nan, np.float32))[0]
                assert found.probabilities[w + 50 - start] == pytest.approx(alone, abs=TOLERANCE)
                known += 1
    assert known == np.isfinite(found.probabilities).sum()
    assert (found.response is None) == (chrom == "short")


@pytest.mark.slow
@pytest.mark.parametrize("neighbourhood", [False, True])
def test_size_of_copies_calls_and_tasks_does_not_change_the_result(
    genome: Path, track: Path, model: Model, neighbourhood: bool
) -> None:
    if neighbourhood:
        model = numpy_model(model, 50, (101, 151))
    texts = ["chr2:1000-1300", "1:200-700", "chr1:100-350"]
    options = {"model": model, "scale": IDENTITY}
    once = list(jundscan.explain(genome, texts, track, threads=1, **options))
    assert [str(one.region) for one in once] == ["chr2:1000-1300", "chr1:200-700", "chr1:100-350"]
    regions = [one.region for one in once]
    with open_scan(genome, track, threads=3, **options) as scan:
        cut = list(explain_regions(scan, regions, copy_substitutions=1, call_bases=2_000))
    for one, other in zip(once, cut, strict=True):
        for name in ("codes", "differences", "contributions", "probabilities", "accessibility"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.response is not None
        assert other.response is not None
        assert one.response[:3] == other.response[:3]


@pytest.mark.parametrize("neighbourhood", [False, True])
def test_response_equals_predictions_at_each_percentile(
    genome: Path, track: Path, sequences: dict[str, str], model: Model, neighbourhood: bool
) -> None:
    if neighbourhood:
        model = numpy_model(model, 300, (101, 301))
    [found] = jundscan.explain(genome, "chr1:100-350", track, model=model, scale=IDENTITY)
    response = found.response
    assert response is not None
    around = "N" * model.flank
    seen = (around + sequences["chr1"] + around)[response.start : response.start + model.span]
    window = encode(seen.encode())[None]
    assert 100 <= response.start <= 350 - WINDOW_LENGTH
    centred = found.probabilities[response.start + 50 - 100]
    assert response.probability == centred == np.nanmax(found.probabilities[50:-50])
    for at in (0, 40, 100):
        everywhere = np.full((1, len(model.widths)), response.percentiles[at])
        alone = model.predict(window, everywhere)[0]
        assert response.probabilities[at] == pytest.approx(alone, abs=TOLERANCE)
    assert response.without == pytest.approx(model.predict(window, np.float32([np.nan]))[0], abs=TOLERANCE)


@pytest.mark.slow
def test_planted_site_has_the_highest_contributions(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(4)
    genome = {f"chr{n}": letters(rng, 150) + "ATGACTCAT" + letters(rng, 150) for n in range(12)}
    path = write_fasta(tmp_path / "planted.fa", genome)
    found = list(jundscan.explain(path, [f"{chrom}:75-234" for chrom in genome], model=model, threads=1))
    mean = np.mean([one.contributions for one in found], axis=0)
    core = range(150 + 1 - 75, 150 + 8 - 75)
    assert (mean[core] > 0.1).all()
    outside = np.delete(mean, range(core.start - 1, core.stop + 1))
    assert mean[core].min() > np.abs(outside).max()
    assert all(any(site.start == core.start for site in one.sites) for one in found)


def explanation(codes: np.ndarray, contributions: np.ndarray, *sites: KnownSite) -> Explanation:
    nothing = np.zeros(len(codes), np.float32)
    region = Region("chr1", 0, len(codes))
    return Explanation(region, codes, np.zeros((len(codes), 4)), contributions, nothing, nothing, None, sites)


def test_regions_without_a_site_are_aligned_on_what_they_share() -> None:
    rng = np.random.default_rng(0)
    made = []
    for number in range(20):
        codes = rng.integers(0, 4, 151).astype(np.uint8)
        at = int(rng.integers(20, 120))
        codes[at : at + 8] = encode(b"GGATTTCA")
        contributions = rng.normal(0, 0.02, 151)
        contributions[at : at + 8] += [1, 2, 3, 4, 3, 2, 2, 1]
        if number % 3 == 0:
            codes, contributions = reverse_complement(codes), contributions[::-1]
        made.append(explanation(codes, contributions))
    found = align_freely(made)
    assert found is not None
    assert found.regions == 20
    assert found.contributions.shape == (WIDTH, 4)
    strong = np.flatnonzero(found.contributions.max(axis=1) > 0.5)
    assert (np.diff(strong) == 1).all()
    site = found.contributions[strong].argmax(axis=1)
    assert site.tolist() in (encode(b"GGATTTCA").tolist(), encode(b"TGAAATCC").tolist())
    assert found.contributions[strong].max() == pytest.approx(4, abs=0.05)
    assert align_freely([]) is None


def planted_regions(model: Model, sites: list[tuple[bytes, int]], seed: int = 0) -> list[Explanation]:
    """Make regions of 151 random bases, each with one site whose base i contributes 1 + i, as read on its strand."""
    rng, made = np.random.default_rng(seed), []
    for sequence, start in sites:
        codes = rng.choice(np.array([0, 1], np.uint8), 151)
        codes[start : start + len(sequence)] = encode(sequence)
        [site] = find_sites(codes, model.metadata)
        values = np.arange(1.0, len(sequence) + 1)
        contributions = np.zeros(151)
        contributions[start : start + len(sequence)] = values[::-1] if site.strand == "-" else values
        made.append(explanation(codes, contributions, site))
    return made


def test_each_kind_of_site_has_its_own_logo(model: Model) -> None:
    ap1 = [(b"TGACTCA", 3), (b"TGAGTCA", 70), (b"TGACTCA", 144)]
    cre = [(b"TGACGTCA", 20), (b"TGACGTCA", 100)]
    made = planted_regions(model, [*ap1, *cre])
    codes = np.zeros(151, np.uint8)
    codes[60:68] = encode(b"GGATTTCA")
    made.append(explanation(codes, np.where((np.arange(151) >= 60) & (np.arange(151) < 68), 1.0, 0.0)))
    logos = logos_by_kind(made, site_kinds(model.metadata))
    assert [(one.kind, one.regions) for one in logos] == [("AP-1", 3), ("CRE", 2), (NO_SITE, 1)]
    assert [one.title for one in logos] == ["AP-1 (n = 3)", "CRE (n = 2)", "no known site (n = 1)"]
    assert [one.regions for one in logos_by_kind(made[:3], site_kinds(model.metadata))] == [3]
    assert logos_by_kind([], site_kinds(model.metadata)) == []
    first, second, rest = logos
    site = slice(SITE_FLANK, SITE_FLANK + 7)
    assert (first.first, first.site_length, len(first.frequencies)) == (-SITE_FLANK, 7, 7 + 2 * SITE_FLANK)
    assert first.frequencies[site].argmax(axis=1).tolist() == encode(b"TGACTCA").tolist()
    assert (first.frequencies[site].max(axis=1) == 1).all()
    np.testing.assert_allclose(first.contributions[site].max(axis=1), np.arange(1, 8))
    np.testing.assert_allclose(first.frequencies.sum(axis=1), 1)  # positions beyond a region's end do not count
    assert not first.contributions[:SITE_FLANK].any()
    np.testing.assert_array_equal(second.frequencies, second.frequencies[::-1, ::-1])  # the same on both strands
    np.testing.assert_allclose(second.contributions[SITE_FLANK:-SITE_FLANK].max(axis=1), [4.5] * 8)
    assert rest.site_length == rest.first == 0
    assert len(rest.contributions) == WIDTH


def test_the_site_that_contributes_most_drives_a_region(model: Model) -> None:
    codes = encode(b"TGACTCA" + b"C" * 30 + b"TGAGTCA" + b"C" * 30 + b"TGACGTCA" + b"C" * 30)
    sites = find_sites(codes, model.metadata)
    contributions = np.zeros(len(codes))
    contributions[:7], contributions[37:44], contributions[74:82] = 0.5, 1.0, 0.7
    contributions[37] = np.nan
    found = driving_site(explanation(codes, contributions, *sites))
    assert found is not None
    assert (found.site.start, found.site.strand) == (37, "-")
    assert found.contribution == pytest.approx(6)
    assert driving_site(explanation(codes, contributions)) is None


def test_a_site_at_the_end_of_a_short_region_is_averaged() -> None:
    codes = encode(b"TGACTCA")
    found = align_on_sites("AP-1", [(explanation(codes, np.ones(7)), KnownSite(0, 7, "AP-1", "+", "TGACTCA", 1.0))])
    assert found.frequencies.sum(axis=1).tolist() == [0.0] * SITE_FLANK + [1.0] * 7 + [0.0] * SITE_FLANK


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    rng = np.random.default_rng(9)
    text = letters(rng, 400) + "ATGACTCAT" + letters(rng, 400) + "ATGACGTCAT" + letters(rng, 400) + "N" * 150
    return write_fasta(tmp_path / "planted.fa", {"chr1": text, "odd/name:1": letters(rng, 300)})


def rows(path: Path) -> list[list[str]]:
    lines = path.read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith(("#", "track"))]


@pytest.mark.slow
def test_command_writes_tables_tracks_and_pictures(run: Run, tmp_path: Path, planted: Path) -> None:
    pytest.importorskip("logomaker")
    hits = write_rows(
        tmp_path / "hits.bed",
        [("chr1", 350, 460, "a", 700, "."), ("1", 760, 870, "b", 990, "."), ("chrZ", 1, 9, "c", 1, ".")],
    )
    folder = tmp_path / "why" / "inside"
    options = ("--region", "chr1:380-440", "--region", "odd/name:1:0-80", "--hits", hits, "--top", 2)
    ran = run("explain", planted, *options, "-o", folder, "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    tables = {"mutagenesis.tsv", "contributions.bedgraph", "accessibility.tsv", "sites.bed", "hits.tsv", "logo.tsv"}
    pictures = {"chr1_380-440.png", "odd_name_1_0-80.png", "hits.png", "logo.png"}
    assert {path.name for path in folder.iterdir()} == tables | pictures
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["regions"] == ["chr1:380-440", "odd/name:1:0-80"]
    assert record["hits"] == ["chr1:739-890", "chr1:329-480"]  # the strongest first
    table = rows(folder / "mutagenesis.tsv")
    assert len(table) == record["bases"] == 60 + 80 + 2 * 151
    for cells in table[:60]:
        changes = [float(cell) for cell in cells[4:8]]
        assert changes[ALPHABET.index(cells[3])] == 0
        assert float(cells[8]) == pytest.approx(-sum(changes) / 3, rel=1e-5, abs=1e-6)
    track = rows(folder / "contributions.bedgraph")
    places = [(cells[0], int(cells[1])) for cells in track]
    assert len(places) == len(set(places)) == 151 + 151 + 80
    assert places == sorted(places)
    by_place = {(cells[0], int(cells[1])): cells[8] for cells in table}
    assert all(by_place[cells[0], int(cells[1])] == cells[3] for cells in track)
    sites = rows(folder / "sites.bed")
    assert [(cells[1], cells[3], cells[5]) for cells in sites] == [("401", "AP-1", "+"), ("810", "CRE", ".")]
    assert len(rows(folder / "accessibility.tsv")) == 4 * 102
    widths = {"AP-1": 7 + 2 * SITE_FLANK, "CRE": 8 + 2 * SITE_FLANK}
    assert [cells[0] for cells in rows(folder / "logo.tsv")] == [kind for kind in widths for _ in range(widths[kind])]
    assert (folder / "logo.tsv").read_text().startswith("# AP-1: mean of 1 aligned hit\n# CRE: mean of 1 aligned hit\n")
    first, second = rows(folder / "hits.tsv")
    assert [first[at] for at in (0, 1, 2, 4, 5, 6, 7, 8, 10)] == [
        "chr1", "760", "870", "CRE", "810", "818", ".", "TGACGTCA", "chr1:739-890",
    ]  # fmt: skip
    assert [second[at] for at in (0, 1, 2, 4, 5, 6, 7, 8)] == [
        "chr1",
        "350",
        "460",
        "AP-1",
        "401",
        "408",
        "+",
        "TGACTCA",
    ]
    assert [float(cells[3]) for cells in (first, second)] == record["hit_probabilities"]
    inside = [float(cells[8]) for cells in table if cells[11] == first[10] and 810 <= int(cells[1]) < 818]
    assert float(first[9]) == pytest.approx(sum(inside), rel=1e-5)
    assert record["hit_sites"] == ["CRE", "AP-1"]
    assert record["hits_by_site"] == {"AP-1": 1, "CRE": 1, "none": 0}
    assert record["known_sites"] == "exact matches of TGACTCA, TGAGTCA, TGACGTCA"
    assert "of 2 hits: AP-1 in 1, CRE in 1, no known site in 0\n" in ran.err

    again = run("explain", planted, *options, "-o", folder)
    assert again.code == 1
    assert "--force" in again.err
    assert run("explain", planted, "--region", "chr1:380-440", "-o", folder, "--force").code == 0
    assert not {"hits.png", "hits.tsv", "logo.png", "logo.tsv"} & {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_hits_without_a_known_site_are_listed(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("logomaker")
    rng = np.random.default_rng(2)
    text = letters(rng, 300) + "ATGACTCAT" + letters(rng, 300).replace("TGA", "TTA")
    genome = write_fasta(tmp_path / "g.fa", {"chr1": text})
    hits = write_rows(tmp_path / "hits.bed", [("chr1", 250, 351, "a", 1, "."), ("chr1", 480, 581, "b", 1, ".")])
    ran = run("explain", genome, "--hits", hits, "-o", tmp_path / "why", "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    found = {cells[1]: cells[4:10] for cells in rows(tmp_path / "why" / "hits.tsv")}
    assert found["480"] == [NO_SITE, *["."] * 5]
    assert found["250"][:5] == ["AP-1", "301", "308", "+", "TGACTCA"]
    kinds = [cells[0] for cells in rows(tmp_path / "why" / "logo.tsv")]
    assert kinds == ["AP-1"] * (7 + 2 * SITE_FLANK) + [NO_SITE] * WIDTH
    assert json.loads((tmp_path / "r.json").read_text())["hits_by_site"] == {"AP-1": 1, "CRE": 0, "none": 1}
    assert "of 2 hits: AP-1 in 1, CRE in 0, no known site in 1\n" in ran.err


@pytest.mark.slow
def test_a_model_of_another_factor_uses_its_own_sites(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("logomaker")
    rng = np.random.default_rng(3)
    text = letters(rng, 300) + "ATGACTCATAGATAAGG" + letters(rng, 300)
    genome = write_fasta(tmp_path / "g.fa", {"chr1": text})
    hits = write_rows(tmp_path / "hits.bed", [("chr1", 250, 351, "a", 1, ".")])
    matrix = [[2.0 if letter == wanted else -4.0 for letter in ALPHABET] for wanted in "AGATAAGG"]
    site = {"name": "GATA1", "source": "JASPAR2024 MA0035.5", "matrix": matrix, "threshold": 16.0}
    expected = {
        "known": ("GATA1", "matches of GATA1 (JASPAR2024 MA0035.5, 16 bits or more)", "of 1 hit: GATA1 in 1, no known"),
        "unknown": (NO_SITE, "none: the model holds no motif of GATA1", "known sites: none: the model holds no motif"),
    }
    for name, (kind, known_sites, message) in expected.items():
        sites = [site] if name == "known" else []
        changed = {"factor": "GATA1", "sites": sites}
        model = edited(tmp_path / f"{name}.onnx", lambda metadata, changed=changed: metadata.update(changed))
        folder, record_file = tmp_path / name, tmp_path / f"{name}.json"
        ran = run("explain", genome, "--hits", hits, "--model", model, "-o", folder, "--json", record_file)
        assert ran.code == 0, ran.err
        [cells] = rows(folder / "hits.tsv")
        assert cells[4:9] == (["GATA1", "309", "317", "+", "AGATAAGG"] if sites else [NO_SITE, *["."] * 4])
        assert (folder / "sites.bed").read_text().startswith(f"# {known_sites}\n")
        assert len(rows(folder / "sites.bed")) == len(sites)
        record = json.loads(record_file.read_text())
        assert (record["hit_sites"], record["known_sites"]) == ([kind], known_sites)
        assert message in ran.err


@pytest.mark.slow
def test_region_of_unknown_bases_is_drawn_without_contributions(run: Run, tmp_path: Path, planted: Path) -> None:
    pytest.importorskip("logomaker")
    arguments = ("explain", planted, "--region", "chr1:1300-1369", "-o", tmp_path / "why", "-q")
    assert run(*arguments).code == 0
    ran = run(*arguments, "--force")
    assert ran.code == 0, ran.err
    table = rows(tmp_path / "why" / "mutagenesis.tsv")
    assert len(table) == 69
    assert all(cells[4:10] == ["."] * 6 for cells in table)
    assert not rows(tmp_path / "why" / "contributions.bedgraph")


@pytest.mark.slow
def test_long_region_is_drawn_as_bars(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("logomaker")
    path = write_fasta(tmp_path / "long.fa", {"chr1": letters(np.random.default_rng(0), 1_700)})
    assert run("explain", path, "--region", "chr1", "-o", tmp_path / "why", "-q").code == 0
    assert (tmp_path / "why" / "chr1_0-1700.png").stat().st_size > 10_000


@pytest.mark.slow
def test_wrong_arguments_are_errors_before_any_work(
    run: Run, tmp_path: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "why"
    assert run("explain", planted, "-o", folder).code == 2
    monkeypatch.chdir(tmp_path)
    assert run("explain", planted, "--region", "chr1", "-o", "-").code == 2
    assert not (tmp_path / "-").exists()
    beyond = run("explain", planted, "--region", "chr1:0-99999", "-o", folder)
    assert beyond.code == 1
    assert "reaches beyond" in beyond.err
    elsewhere = write_rows(tmp_path / "hits.bed", [("chrZ", 1, 200)])
    assert "none of its hits" in run("explain", planted, "--hits", elsewhere, "-o", folder).err
    far = write_rows(tmp_path / "far.bed", [("chr1", 19_000, 20_000)])
    assert "or before its end" in run("explain", planted, "--hits", far, "-o", folder).err
    a_file = tmp_path / "file"
    a_file.write_text("mine")
    assert "not a folder" in run("explain", planted, "--region", "chr1:0-200", "-o", a_file).err
    monkeypatch.setitem(sys.modules, "logomaker", None)
    missing = run("explain", planted, "--region", "chr1:0-200", "-o", folder)
    assert missing.code == 1
    assert "pip install 'jundscan[plots]'" in missing.err
    assert not list(folder.iterdir())


def test_more_than_a_million_bases_are_an_error(planted: Path, model: Model) -> None:
    regions = ["chr1:0-1200"] * 834
    with pytest.raises(InputError, match="1,000,800 bases to explain, at most 1,000,000"):
        list(jundscan.explain(planted, regions, model=model))
