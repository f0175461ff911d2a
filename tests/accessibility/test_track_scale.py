"""Scales of tracks: the windows that they are found on, whatever the FASTA holds, and scales of other tracks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.data_stretches import BIN_BASES, MIN_EMPTY_BASES, stretches_with_data
from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.track_scale import evenly_spaced, scale_means, track_scale
from jundscan.accessibility.tracks import PerBaseTrack
from jundscan.dna.regions import parse_region
from jundscan.errors import InputError
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.io.fasta.genome import open_genome
from jundscan.model.model import Model
from jundscan.scanning.plan import open_scan
from tests.conftest import Run
from tests.helpers.inputs import letters, write_bigwig, write_fasta, write_rows


def naive_stretches(values: NDArray[np.float64], empty_bases: int) -> list[list[int]]:
    """Go along the bases; a chromosome without data has no stretch."""
    if not values.any():
        return []
    kept = np.ones(len(values), bool)
    run = 0
    for at, value in enumerate([*values, 1.0]):
        if value == 0:
            run += 1
            continue
        if run >= empty_bases:
            kept[at - run : at] = False
        run = 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]])))
    found: list[list[int]] = edges.reshape(-1, 2).tolist()
    return found


@pytest.mark.slow
@settings(max_examples=300)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 140), st.booleans()), min_size=1, max_size=8),
    spilled=st.booleans(),
    seed=st.integers(0, 1 << 20),
)
def test_stretches_with_data_are_those_found_base_by_base(
    pieces: list[tuple[int, bool]], spilled: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([np.full(bases, float(held)) for bases, held in pieces] + [np.zeros(1)])
    # ten thousand times smaller than in a scan
    empty = np.array([not values[at : at + 10].any() for at in range(0, len(values), 10)])
    if spilled:  # zoom levels may call an empty bin not empty because of the bin beside it
        beside = np.append(~empty[1:], False) | np.append(False, ~empty[:-1])
        empty &= ~(beside & (rng.random(len(empty)) < 0.5))
    found = stretches_with_data(len(values), empty, lambda start, end: values[start:end], 10, 100)
    assert found.tolist() == naive_stretches(values, 100)


@pytest.mark.parametrize("writer", ["pybigtools", "pyBigWig"])
def test_a_bigwig_and_an_array_of_the_same_values_have_the_same_stretches(tmp_path: Path, writer: str) -> None:
    size = 6_050_123
    values = np.zeros(size)
    held = [(30, 90), (1_200_000, 1_200_001), (2_150_000, 2_160_000), (2_900_000, 2_900_007), (4_950_000, 4_950_400)]
    rows = [("chr1", start, end, 0.5 + start % 7) for start, end in held]
    for _, start, end, value in rows:
        values[start:end] = value
    zeros = [("chr1", 3_000_000, 3_500_000, 0.0)]
    path = tmp_path / "t.bw"
    every = sorted(rows + zeros)
    if writer == "pybigtools":
        write_bigwig(path, {"chr1": size, "chr2": 500}, every)
    else:
        pyBigWig = pytest.importorskip("pyBigWig")

        with pyBigWig.open(str(path), "w") as file:
            file.addHeader([("chr1", size), ("chr2", 500)])
            starts, ends, column = ([row[at] for row in every] for at in (1, 2, 3))
            file.addEntries(["chr1"] * len(every), starts, ends=ends, values=column)
    with open_track(path) as track:
        assert isinstance(track, PerBaseTrack)
        found = {chrom: held.tolist() for chrom, held in track.stretches_with_data().items()}
        found.setdefault("chr2", [])  # pybigtools leaves out chromosomes without data
    memory = MemoryTrack({"chr1": values, "chr2": np.zeros(500)}).stretches_with_data()
    expected = {
        "chr1": [[0, 90], [1_200_000, 2_900_007], [4_950_000, 4_950_400]],
        "chr2": [],
    }
    assert found == expected
    assert {chrom: held.tolist() for chrom, held in memory.items()} == expected


def test_an_empty_stretch_spans_several_bins() -> None:
    assert MIN_EMPTY_BASES >= 4 * BIN_BASES


@pytest.fixture(scope="module")
def sequences() -> dict[str, str]:
    rng = np.random.default_rng(5)
    return {"chr1": letters(rng, 60_000), "chr2": "N" * 9_000 + letters(rng, 21_000)}


def signal(size: int, seed: int) -> list[tuple[int, int, float]]:
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.choice(size // 100, size // 400, replace=False)) * 100
    return [(int(at), int(at) + 90, round(float(rng.exponential(1)), 4) + 0.01) for at in starts]


def hit_lines(text: str) -> list[list[str]]:
    """All of a hit but its number."""
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [[*row[:3], *row[4:]] for row in rows]


def inside(row: list[str], start: int, end: int) -> bool:
    return start <= int(row[1]) and int(row[2]) <= end


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bigWig", "bedGraph"])
def test_a_region_has_the_same_hits_as_a_fasta_cut_to_it(
    tmp_path: Path, run: Run, sequences: dict[str, str], kind: str, model: Model
) -> None:
    sizes = {chrom: len(text) for chrom, text in sequences.items()}
    rows = [(chrom, *row) for seed, chrom in enumerate(sizes) for row in signal(sizes[chrom], seed)]
    whole = write_fasta(tmp_path / "whole.fa", sequences)
    track = write_bigwig(tmp_path / "t.bw", sizes, rows) if kind == "bigWig" else write_rows(tmp_path / "t.bg", rows)
    start, end = 20_000, 50_000
    cut = write_fasta(tmp_path / "cut.fa", {"chr1": "N" * start + sequences["chr1"][start:end]})
    options: tuple[object, ...] = ("--accessibility", track, "--threshold", 0.5, "-q", "--allow-length-mismatch")
    if kind == "bedGraph":
        ran = run("scale", track, whole, "-o", tmp_path / "scale.json", "-q")
        assert ran.code == 0, ran.err
        options += ("--accessibility-scale", tmp_path / "scale.json")
    one = run("scan", whole, *options, "--region", f"chr1:{start}-{end}")
    other = run("scan", cut, *options)
    assert one.code == other.code == 0, one.err + other.err
    inner = [
        [row for row in hit_lines(ran.out) if inside(row, start + model.flank, end - model.flank)]
        for ran in (one, other)
    ]
    assert len(inner[0]) > 20
    assert inner[0] == inner[1]


def test_the_scale_of_a_bigwig_does_not_depend_on_the_genome(tmp_path: Path, sequences: dict[str, str]) -> None:
    sizes = {"chr1": 60_000, "chr2": 30_000, "chr9": 2_500_000}
    rows = [(chrom, *row) for seed, chrom in enumerate(sizes) for row in signal(60_000 if seed else 50_000, seed)]
    rows = [row for row in rows if row[2] < sizes[row[0]]]
    scales = []
    with open_track(write_bigwig(tmp_path / "t.bw", sizes, sorted(rows))) as track:
        for names in (("chr1",), ("chr2", "chr1")):
            genome = MemoryGenome({name: sequences[name] for name in names})
            scales.append(track_scale(genome, match_chromosomes(genome, track), (101, 301)).to_dict())
        scales.append(track_scale(None, track, (101, 301)).to_dict())
        last = max(row[2] for row in rows if row[0] == "chr9")
        means = track.means_of_all([("chr9", np.arange(last - 100))])
    assert scales[0] == scales[1] == scales[2]
    # 2.4 Mb of chr9 are empty and left out; what lies before is all there
    assert scales[0]["windows"] == 59_900 + 29_900 + last - 100
    assert (means > 0).any()


@pytest.mark.slow
def test_the_scale_of_a_text_track_needs_a_genome(tmp_path: Path, run: Run, sequences: dict[str, str]) -> None:
    track = write_rows(tmp_path / "t.bg", [("chr1", *row) for row in signal(60_000, 1)])
    ran = run("scale", track, "-o", tmp_path / "s.json")
    assert (ran.code, (tmp_path / "s.json").exists()) == (1, False)
    assert "is a text file, which does not state chromosome lengths. Give the genome too" in ran.err
    with pytest.raises(InputError, match="Give the genome too"), open_track(track) as opened:
        scale_means(None, opened, (101,))
    genome = write_fasta(tmp_path / "g.fa", sequences)
    ran = run("scale", track, genome, "-o", tmp_path / "s.json")
    assert ran.code == 0
    assert "windows, " in ran.err
    record = json.loads((tmp_path / "s.json").read_text())
    assert record.keys() == {"accessibility", "genome", "command", "warnings", "accessibility_scale"}
    assert [one["code"] for one in record["warnings"]] == ["missing_chromosomes"]
    assert run("scale", track, genome, "-o", tmp_path / "s.json").code == 1  # exists
    printed = run("scale", track, genome, "-q")
    assert json.loads(printed.out)["accessibility_scale"] == record["accessibility_scale"]


@pytest.mark.slow
def test_a_genome_with_little_of_a_text_track_warns(tmp_path: Path, run: Run, sequences: dict[str, str]) -> None:
    rows = [("chr1", *row) for row in signal(60_000, 1)] + [("chr7", *row) for row in signal(400_000, 2)]
    track = write_rows(tmp_path / "t.bg", rows)
    genome = write_fasta(tmp_path / "g.fa", {"chr1": sequences["chr1"]})
    arguments = ("scan", genome, "--accessibility", track, "-o", tmp_path / "h.bed", "--json", "-", "--force", "-q")
    ran = run(*arguments)
    [caution] = [one for one in json.loads(ran.out)["warnings"] if one["code"] == "scale_of_part"]
    share = caution["figures"]["share"]
    assert share == pytest.approx(60 / 460, abs=0.02)
    assert f"the genome's chromosomes hold {share:.1%} of the track's data" in ran.err
    assert "jundscan scale" in ran.err
    # with the scale of the whole genome there is no warning
    (tmp_path / "run.json").write_text(ran.out)
    ran = run(*arguments, "--accessibility-scale", tmp_path / "run.json")
    assert "scale_of_part" not in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bigWig", "bedGraph"])
@pytest.mark.parametrize(
    ("factor", "warns"),
    [pytest.param(1.0, False), pytest.param(1.2, False), pytest.param(8.0, True), pytest.param(0.1, True)],
)
def test_a_scale_of_another_sample_warns(
    tmp_path: Path, run: Run, sequences: dict[str, str], kind: str, factor: float, warns: bool
) -> None:
    sizes = {chrom: len(text) for chrom, text in sequences.items()}
    genome = write_fasta(tmp_path / "g.fa", sequences)
    for name, times in (("own", 1.0), ("other", factor)):
        rows = [
            (chrom, start, end, value * times)
            for seed, chrom in enumerate(sizes)
            for start, end, value in signal(sizes[chrom], seed + 10 * (name == "other"))
        ]
        path = tmp_path / name
        track = write_bigwig(path.with_suffix(".bw"), sizes, rows) if kind == "bigWig" else write_rows(path, rows)
        assert run("scale", track, genome, "-o", f"{path}.json", "-q").code == 0
    ran = run("scan", genome, "--accessibility", track, "--accessibility-scale", tmp_path / "own.json", "-q",
              "--region", "chr1:0-5000", "-o", tmp_path / "h.bed", "--json", "-")  # fmt: skip
    assert ran.code == 0, ran.err
    codes = {one["code"] for one in json.loads(ran.out)["warnings"]}
    assert ("scale_of_another_track" in codes) == warns
    assert ("is that of another track" in ran.err) == warns


def test_evenly_spaced_windows_lie_in_their_stretches() -> None:
    stretches = {
        "a": np.array([[5, 200], [300, 350], [400, 501]]),
        "b": np.empty((0, 2), np.int64),
        "c": np.array([[0, 150]]),
    }
    possible = [("a", at) for at in range(5, 100)] + [("a", 400)] + [("c", at) for at in range(50)]
    for limit in (1, 7, 100, 146, 500):
        windows = evenly_spaced(stretches, limit)
        assert list(windows) == list(stretches)
        found = [(chrom, at) for chrom, starts in windows.items() for at in starts.tolist()]
        count = min(limit, len(possible))
        assert found == [possible[number * len(possible) // count] for number in range(count)]


def test_the_track_not_the_region_is_compared_with_training(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(2)
    genome = MemoryGenome({"a": letters(rng, 40_000), "b": letters(rng, 40_000)})
    track = MemoryTrack({"a": np.zeros(40_000), "b": np.repeat(rng.exponential(1, 800), 50)})
    shares = []
    for regions in ((), ("a:0-3000",), ("b:100-900",)):
        with open_scan(genome, track, model=model, regions=regions) as scan:
            shares.append(list(scan.inputs.accessibility_shares))
    assert shares[0] == shares[1] == shares[2]
    known = replace(model, metadata=replace(model.metadata, training_accessibility={"it": shares[0]}))
    with open_scan(genome, track, model=known, regions="a:0-3000") as scan:
        assert scan.inputs.cautions == []
    other = [1.0] + [0.0] * 20
    known = replace(model, metadata=replace(model.metadata, training_accessibility={"other": other}))
    with open_scan(genome, track, model=known, regions="a:0-3000") as scan:
        assert [caution.code for caution in scan.inputs.cautions] == ["unlike_training"]


@pytest.mark.slow
@pytest.mark.data
def test_the_real_genome_cut_to_a_region_has_the_same_hits(
    tmp_path: Path, run: Run, model: Model, data_folder: Path
) -> None:
    whole = data_folder / "genome" / "hg19.chr22.partial.fa.gz"
    start, end = 20_000_000, 22_000_000
    bases = open_genome(whole)
    region = f"chr22:{start}-{end}"
    codes = np.concatenate([block.codes for block in bases.blocks([parse_region(region, bases.chromsizes)])])
    cut = tmp_path / "cut.fa"
    text = np.frombuffer(b"ACGTN", np.uint8)[codes].tobytes().decode()
    cut.write_text(">chr22\n" + "N" * start + "\n" + text + "\n")
    for track in ("K562.accessibility.hg19.chr22.bw", "HepG2.DNase.hg19.chr22.narrowPeak.gz"):
        path = data_folder / "tracks" / track
        options: tuple[object, ...] = (
            "--accessibility",
            path,
            "-q",
            "--allow-length-mismatch",
        )
        if track.endswith(".gz"):
            assert run("scale", path, whole, "-o", tmp_path / "s.json", "-q").code == 0
            options += ("--accessibility-scale", tmp_path / "s.json")
        one, other = run("scan", whole, *options, "--region", region), run("scan", cut, *options)
        inner = [
            [
                row
                for row in hit_lines(ran.out)
                if start + model.flank <= int(row[1]) and int(row[2]) <= end - model.flank
            ]
            for ran in (one, other)
        ]
        assert len(inner[0]) > 10
        assert inner[0] == inner[1]
