"""Surroundings of single windows, looked up by their ids as a scan sees them."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jundscan
from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.genome_tracks import GenomeTrack
from jundscan.accessibility.scale import IDENTITY
from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH, encode
from jundscan.dna.regions import parse_ids
from jundscan.errors import InputError
from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.evaluation.neighbourhood import WindowSource, look_up, open_source
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.io.fasta.genome import open_genome
from jundscan.io.shards import read_shards, shards_from_arrays
from jundscan.model.model import Model
from tests.helpers.inputs import write_fasta, write_rows
from tests.helpers.numpy_models import numpy_model

Chromosomes = dict[str, np.ndarray]


def naive_codes(window: np.ndarray, chrom: np.ndarray, start: int, flank: int) -> tuple[np.ndarray, bool]:
    """Look up one window, base by base."""
    known = all(chrom[base] != UNKNOWN for base in range(start, start + WINDOW_LENGTH))
    codes = [UNKNOWN] * (WINDOW_LENGTH + 2 * flank)
    for at, base in enumerate(range(start - flank, start + WINDOW_LENGTH + flank)):
        if known and 0 <= base < len(chrom):
            codes[at] = int(chrom[base])
    codes[flank : flank + WINDOW_LENGTH] = window.tolist()
    return np.array(codes), known


@st.composite
def genomes(draw: st.DrawFn) -> Chromosomes:
    """Draw chromosomes, some shorter than a window, with runs of unknown bases."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    chromosomes = {}
    for number in range(draw(st.integers(1, 4))):
        codes = rng.integers(0, 4, draw(st.integers(1, 500) if number else st.integers(101, 500)))
        for _ in range(draw(st.integers(0, 2))):
            first = int(rng.integers(len(codes)))
            codes[first : first + int(rng.integers(1, 60))] = UNKNOWN
        chromosomes[f"c{number}"] = codes.astype(np.uint8)
    return chromosomes


def draw_windows(rng: np.random.Generator, chromosomes: Chromosomes, count: int) -> list[tuple[str, int] | None]:
    """Draw positions in any order, some twice, some None."""
    long = [chrom for chrom, codes in chromosomes.items() if len(codes) >= WINDOW_LENGTH]
    positions: list[tuple[str, int] | None] = [None]
    for _ in range(count):
        chrom = long[rng.integers(len(long))]
        positions.append((chrom, int(rng.integers(len(chromosomes[chrom]) - WINDOW_LENGTH + 1))))
    return [positions[at] for at in rng.integers(len(positions), size=count)]


def ids_of(positions: list[tuple[str, int] | None]) -> np.ndarray:
    return np.array([f"{at[0]}:{at[1]}-{at[1] + WINDOW_LENGTH}" if at else "" for at in positions])


def windows_of(
    rng: np.random.Generator, chromosomes: Chromosomes, positions: list[tuple[str, int] | None]
) -> np.ndarray:
    """Return the windows at positions, with random bases where there is no position or the genome's base is unknown."""
    rows = rng.integers(0, 5, (len(positions), WINDOW_LENGTH)).astype(np.uint8)
    for row, position in enumerate(positions):
        if position:
            there = chromosomes[position[0]][position[1] : position[1] + WINDOW_LENGTH]
            rows[row] = np.where(there == UNKNOWN, rows[row] % 4, there)
    return rows


@pytest.mark.slow
@settings(max_examples=150)
@given(chromosomes=genomes(), flank=st.sampled_from([0, 10, 70, 400]), seed=st.integers(0, 1 << 30))
def test_flanks_equal_a_naive_look_up(chromosomes: Chromosomes, flank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positions = draw_windows(rng, chromosomes, int(rng.integers(1, 30)))
    windows = windows_of(rng, chromosomes, positions)
    found = look_up(windows, ids_of(positions), MemoryGenome(chromosomes), flank, "shards")
    codes = found.codes()
    assert codes.shape == (len(positions), WINDOW_LENGTH + 2 * flank)
    assert found.has_position.tolist() == [position is not None for position in positions]
    for row, position in enumerate(positions):
        expected, known = np.pad(windows[row], flank, constant_values=UNKNOWN), False
        if position:
            expected, known = naive_codes(windows[row], chromosomes[position[0]], position[1], flank)
        assert (codes[row].tolist(), found.known[row]) == (expected.tolist(), known)
        assert found.codes(slice(row, row + 1)).tolist() == [expected.tolist()]


@settings(max_examples=100)
@given(chromosomes=genomes(), seed=st.integers(0, 1 << 30))
def test_accessibility_equals_a_naive_look_up(chromosomes: Chromosomes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positions = draw_windows(rng, chromosomes, int(rng.integers(1, 30)))
    values = {chrom: rng.random(len(codes)) for chrom, codes in chromosomes.items() if chrom != "c1"}
    names = {chrom: chrom for chrom in values}
    closed = frozenset(chromosomes) - set(values) if rng.random() < 0.5 else frozenset()
    widths = (101, 301, 1101)
    found = look_up(windows_of(rng, chromosomes, positions), ids_of(positions), MemoryGenome(chromosomes), 10, "shards")
    means = found.means(GenomeTrack(MemoryTrack(values), names, closed), widths)
    for row, position in enumerate(positions):
        expected = [np.nan] * len(widths)
        if position and position[0] in closed:
            expected[: None if found.known[row] else 1] = [0.0] * (len(widths) if found.known[row] else 1)
        if position and position[0] in values:
            centre = position[1] + WINDOW_LENGTH // 2
            for at, width in enumerate(widths[: None if found.known[row] else 1]):
                first = centre - width // 2
                expected[at] = values[position[0]][max(first, 0) : max(first + width, 0)].sum() / width
        np.testing.assert_allclose(means[row], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("packed", ["plain", "gzip", "bgzip"])
def test_compression_of_the_genome_does_not_change_surroundings(
    tmp_path: Path, packed: str, sequences: dict[str, str]
) -> None:
    rng = np.random.default_rng(1)
    chromosomes = {chrom: encode(text.encode()) for chrom, text in sequences.items()}
    positions = draw_windows(rng, chromosomes, 300)
    windows = windows_of(rng, chromosomes, positions)
    fasta = open_genome(write_fasta(tmp_path / "g.fa", sequences, packed))
    here, there = (look_up(windows, ids_of(positions), one, 200, "s") for one in (MemoryGenome(sequences), fasta))
    assert here.codes().tolist() == there.codes().tolist()
    assert here.known.tolist() == there.known.tolist()
    assert 0 < here.known.sum() < here.has_position.sum()


def one_genome(length: int = 30_000) -> tuple[MemoryGenome, np.ndarray]:
    codes = np.random.default_rng(4).integers(0, 4, length).astype(np.uint8)
    return MemoryGenome({"chr22": codes, "chr1": codes[:500]}), codes


def test_ids_are_read() -> None:
    names, numbers, starts = parse_ids(np.array(["HLA-A*01:01:01:5-106", "", "chr22:0-101"]), "s")
    assert (names, numbers.tolist(), starts.tolist()) == (("HLA-A*01:01:01", "chr22"), [0, -1, 1], [5, -1, 0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chr22", "is not the position of a window. Write chrom:start-end, 0-based half-open"),
        (":0-101", "is not the position of a window"),
        ("chr22:0-", "is not the position of a window"),
        ("chr22:-5-96", "is not the position of a window"),
        ("chr22:1,000-1,101", "is not the position of a window"),
        (" ", "is not the position of a window"),
        ("chr22:٠-101", "is not the position of a window"),
        (f"chr22:{10**30}-{10**30 + 101}", "is not the position of a window"),
        ("chr22:0-100", "is 100 bases long, a window has 101"),
        ("chr22:101-0", "is -101 bases long"),
        ("chr22:29900-30001", "reaches beyond its chromosome, of 30,000 bases in (sequences in memory)"),
    ],
)
def test_error_of_a_wrong_id_names_its_row(text: str, problem: str) -> None:
    genome, codes = one_genome()
    with pytest.raises(InputError) as caught:
        look_up(np.stack([codes[7:108]] * 2), np.array(["chr22:7-108", text]), genome, 10, "folder")
    assert str(caught.value).startswith(f"folder: id of row 1 (counted from 0): {text!r} ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_last_window_of_a_chromosome_has_a_flank_of_unknown_bases() -> None:
    genome, codes = one_genome()
    found = look_up(codes[None, -101:], np.array(["chr22:29899-30000"]), genome, 10, "s")
    assert found.codes()[0].tolist() == [*codes[-111:].tolist(), *[UNKNOWN] * 10]


def test_error_without_a_common_chromosome_names_those_of_both() -> None:
    genome, codes = one_genome()
    with pytest.raises(InputError, match=r"no chromosome in common: the ids name chr7, while .* has chr22, chr1$"):
        look_up(codes[None, :101], np.array(["chr7:0-101"]), genome, 10, "s")


def test_missing_chromosomes_cause_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    genome, codes = one_genome()
    ids = np.array(["chr7:0-101", "chr22:0-101", "chr7:9-110", "chr8:999999999-1000000100"])
    found = look_up(np.stack([codes[:101]] * 4), ids, genome, 10, "s")
    assert [record.message for record in caplog.records] == [
        "s: 3 windows on 2 chromosomes that (sequences in memory) lacks (chr7, chr8): scored without surroundings"
    ]
    assert found.has_position.tolist() == found.known.tolist() == [False, True, False, False]
    assert (found.codes()[0][:10] == UNKNOWN).all()


def test_ids_may_use_other_names_and_aliases_of_chromosomes() -> None:
    genome, codes = one_genome()
    genome.chromsizes = ChromSizes(genome.chromsizes, {"NC_000022.10": "chr22"})
    ids = np.array(["22:7-108", "chr22:7-108", "NC_000022.10:7-108"])
    found = look_up(np.stack([codes[7:108]] * 3), ids, genome, 10, "s")
    assert found.known.all()
    assert found.codes().tolist() == [[*[UNKNOWN] * 3, *codes[:118].tolist()]] * 3


def test_many_different_windows_are_an_error_and_few_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    genome, codes = one_genome()
    starts = np.arange(0, 201 * 101, 101)
    windows = np.stack([codes[start : start + 101] for start in starts])
    ids = np.array([f"chr22:{start}-{start + 101}" for start in starts])
    windows[20, 7] = UNKNOWN  # leaves 200 windows to compare
    windows[[5, 9], 50] ^= 1
    found = look_up(windows, ids, genome, 20, "s")
    assert caplog.messages == [
        "s: 2 of 200 windows (such as chr22:505-606) differ from (sequences in memory). Their own bases are scored"
    ]
    assert found.known.all()
    assert found.codes()[[5, 9, 20], 20:-20].tolist() == windows[[5, 9, 20]].tolist()
    windows[11, 0] ^= 1
    with pytest.raises(InputError, match=r"^s: 3 of 200 windows \(such as chr22:505-606\) differ from .*Use the"):
        look_up(windows, ids, genome, 20, "s")


def test_windows_without_ids_have_no_surroundings(caplog: pytest.LogCaptureFixture) -> None:
    genome, codes = one_genome()
    found = look_up(codes[None, :101], None, genome, 10, "s")
    assert len(caplog.messages) == 1
    assert "no ids (shard-K-ids.joblib)" in caplog.text
    assert not found.known.any()
    assert np.isnan(found.means(GenomeTrack(MemoryTrack({"chr22": codes}), {"chr22": "chr22"}), (101, 301))).all()


@pytest.fixture(params=["shipped", "window", "flank", "widths"])
def seeing(request: pytest.FixtureRequest, model: Model) -> Model:
    """Return the shipped model, and models that see more and less of the surroundings."""
    if request.param == "shipped":
        return model
    flank, widths = {"window": (0, (101,)), "flank": (70, (101, 301)), "widths": (0, (101, 1101))}[request.param]
    return numpy_model(model, flank, widths)


def every_window(sequences: dict[str, str], every: int) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]:
    """Return windows of known bases, shuffled, some twice: codes, ids and positions."""
    rows, positions = [], []
    for chrom, text in sequences.items():
        codes = encode(text.encode())
        for start in range(0, len(codes) - WINDOW_LENGTH + 1, every):
            if (codes[start : start + WINDOW_LENGTH] != UNKNOWN).all():
                rows.append(codes[start : start + WINDOW_LENGTH])
                positions.append((chrom, start))
    order = np.random.default_rng(0).integers(len(rows), size=len(rows)).tolist()
    chosen = [positions[row] for row in order]
    return np.stack([rows[row] for row in order]), ids_of([*chosen]), chosen


def scan_probabilities(genome: object, track: object, **options: object) -> dict[tuple[str, int], float]:
    """Scan every base."""
    chunks = jundscan.scan(genome, track, windows=True, stride=1, **options)  # type: ignore[call-overload]
    return {
        (chunk.chrom, start): probability
        for chunk in chunks
        for start, probability in zip(chunk.starts.tolist(), chunk.probabilities.tolist(), strict=True)
    }


@pytest.mark.parametrize("with_track", [True, False])
def test_windows_have_the_probabilities_of_a_scan(
    genome: Path, track: Path, sequences: dict[str, str], seeing: Model, with_track: bool
) -> None:
    accessibility = track if with_track else None
    windows, ids, positions = every_window(sequences, 7)
    expected = scan_probabilities(genome, accessibility, model=seeing)
    result = jundscan.evaluate(windows, ids=ids, genome=genome, accessibility=accessibility, model=seeing)
    np.testing.assert_allclose(result.probabilities, [expected[position] for position in positions], atol=1e-5)
    assert (result.known is not None) == seeing.metadata.sees_neighbourhood
    assert result.known is None or result.known.all()
    assert np.isnan(result.accessibility).all() != with_track
    on_other = np.array([chrom == "chr3" for chrom, _ in positions])
    assert not with_track or not result.accessibility[on_other].any()


def test_windows_at_unknown_bases_are_scored_alone(
    genome: Path, track: Path, sequences: dict[str, str], seeing: Model
) -> None:
    codes = encode(sequences["chr1"].encode())
    unknown = np.flatnonzero(codes == UNKNOWN)
    starts = [int(at) - 50 for at in unknown if 50 <= at <= len(codes) - 51][:40]
    windows = np.random.default_rng(2).integers(0, 4, (len(starts), WINDOW_LENGTH)).astype(np.uint8)
    ids = ids_of([("chr1", start) for start in starts])
    result = jundscan.evaluate(windows, ids=ids, genome=genome, accessibility=track, scale=IDENTITY, model=seeing)
    assert result.known is None or not result.known.any()
    with open_source(genome, track) as source:
        assert source.track is not None
        own = np.array([source.track.means([("chr1", np.array([start]))])[0, 0] for start in starts])
    np.testing.assert_array_equal(result.accessibility, own)
    np.testing.assert_allclose(result.probabilities, seeing.predict(windows, own), atol=1e-6)


def test_windows_without_a_position_keep_their_own_accessibility(
    genome: Path, track: Path, sequences: dict[str, str], seeing: Model
) -> None:
    windows, ids, _ = every_window(sequences, 40)
    ids[::2] = ""
    a = np.random.default_rng(0).random(len(ids)).astype(np.float32)
    shards = shards_from_arrays(windows, accessibility=a, ids=ids)
    all_there = jundscan.evaluate(shards, genome=genome, accessibility=track, model=seeing)
    with open_source(genome, track) as source:
        scale = source.scale(seeing.widths)
    alone = jundscan.evaluate(windows[::2], accessibility=a[::2], scale=scale, model=seeing)
    np.testing.assert_array_equal(all_there.accessibility[::2], alone.accessibility)
    np.testing.assert_allclose(all_there.probabilities[::2], alone.probabilities, atol=1e-6)
    assert all_there.known is None or all_there.known.tolist() == (ids != "").tolist()


def test_without_a_track_the_windows_own_accessibility_counts(
    genome: Path, sequences: dict[str, str], seeing: Model
) -> None:
    windows, ids, _ = every_window(sequences, 5)
    a = np.random.default_rng(0).random(len(ids)).astype(np.float32)
    given_genome = jundscan.evaluate(windows, accessibility=a, ids=ids, genome=genome, model=seeing)
    alone = jundscan.evaluate(windows, accessibility=a, model=seeing)
    np.testing.assert_array_equal(given_genome.accessibility, alone.accessibility)
    differ = bool((given_genome.probabilities != alone.probabilities).any())
    assert differ == (seeing.flank > 0)


def test_a_scale_that_is_given_maps_the_track(
    genome: Path, track: Path, sequences: dict[str, str], seeing: Model, caplog: pytest.LogCaptureFixture
) -> None:
    windows, ids, positions = every_window(sequences, 30)
    result = jundscan.evaluate(windows, ids=ids, genome=genome, accessibility=track, scale="identity", model=seeing)
    expected = scan_probabilities(genome, track, scale="identity", model=seeing)
    np.testing.assert_allclose(result.probabilities, [expected[position] for position in positions], atol=1e-5)
    high = write_rows(genome.parent / "high.bedgraph", [("chr1", 0, 6_000, 37.5)])
    jundscan.evaluate(windows, ids=ids, genome=genome, accessibility=high, scale="identity", model=seeing)
    assert "above 1 is no percentile" in caplog.text


def test_values_in_memory(sequences: dict[str, str], seeing: Model) -> None:
    rng = np.random.default_rng(0)
    values = {chrom: rng.random(len(text)) for chrom, text in sequences.items()}
    windows, ids, positions = every_window(sequences, 30)
    result = jundscan.evaluate(windows, ids=list(ids), genome=sequences, accessibility=values, model=seeing)
    expected = scan_probabilities(sequences, values, model=seeing)
    np.testing.assert_allclose(result.probabilities, [expected[position] for position in positions], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"accessibility": {"chr1": np.ones(500)}}, "need the genome"),
        ({"alias": "names.txt"}, "need the genome"),
        ({"genome": "g.fa", "accessibility": "t.bw", "withhold_accessibility": True}, "contradicts accessibility"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, object], problem: str, seeing: Model) -> None:
    with pytest.raises(InputError, match=problem):
        jundscan.evaluate(np.zeros((1, 101), int), model=seeing, **options)  # type: ignore[call-overload]


def test_many_windows_are_scored_and_compared_in_parts(seeing: Model) -> None:
    genome, codes = one_genome(3_000)
    starts = np.arange(0, 2_800, 9)
    windows = np.stack([codes[start : start + 101] for start in starts])
    ids = ids_of([("chr22", int(start)) for start in starts])
    shards = shards_from_arrays(windows, ids=ids)
    source = WindowSource(genome, None)
    at_once, in_parts = (evaluate_shards(shards, seeing, source=source, max_windows=most) for most in (1_000, 10))
    assert at_once.probabilities.tolist() == in_parts.probabilities.tolist()
    assert look_up(windows, ids, genome, 10, "s", max_windows=10).known.all()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("cell", "track"), [("HepG2", "HepG2.DNase.hg19.chr22.narrowPeak.gz"), ("K562", "K562.accessibility.hg19.chr22.bw")]
)
def test_real_windows_have_the_probabilities_of_a_scan(
    tmp_path: Path, data_folder: Path, model: Model, cell: str, track: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    genome = tmp_path / "chr22.fa"
    genome.write_bytes(gzip.decompress((data_folder / "genome" / "hg19.chr22.partial.fa.gz").read_bytes()))
    accessibility = data_folder / "tracks" / track
    folder = data_folder / cell / "valid_dataset"
    result = jundscan.evaluate(folder, genome=genome, accessibility=accessibility, model=model)
    assert result.report is not None
    assert result.report["neighbourhood"]["windows"] == 34_527
    shards = read_shards(folder)
    assert shards.ids is not None
    found = look_up(shards.codes, shards.ids, open_genome(genome), 0, cell)
    assert found.known.mean() > 0.7  # the genome is known in part
    assert not caplog.messages
    if model.metadata.sees_neighbourhood:
        assert result.report["neighbourhood"]["known"] == found.known.sum()
    rows = np.flatnonzero(found.known & (shards.codes != UNKNOWN).all(axis=1))
    rows = rows[np.random.default_rng(0).permutation(len(rows))[:500]]
    expected = scan_probabilities(genome, accessibility, model=model, regions=shards.ids[rows].tolist())
    positions = [("chr22", int(text.split(":")[1].split("-")[0])) for text in shards.ids[rows].tolist()]
    np.testing.assert_allclose(result.probabilities[rows], [expected[position] for position in positions], atol=1e-5)
