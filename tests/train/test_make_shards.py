"""A data set from a genome and peaks: labels, accessibility, the split, and the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.errors import InputError, JundscanError, OutputError, TrackError, format_bases
from jundscan.evaluation.metrics import balanced_weights
from jundscan.evaluation.truth import Truth, read_truth
from jundscan.io.fasta.genome import open_genome
from jundscan.io.shards import Shards, read_shards
from tests.train.conftest import SmallGenome
from train.data.make_shards import ShardSummary, make_shards, read_windows
from train.data.split import PARTS, Split, make_blocks


def make(small: SmallGenome, out: Path, split: Split, with_track: bool = True, **options: object) -> ShardSummary:
    genome = open_genome(small.fasta)
    truth = read_truth(small.bed, genome.chromsizes)
    if not with_track:
        return make_shards(genome, truth, None, out, split, **options)  # type: ignore[arg-type]
    with open_track(small.track) as track:
        return make_shards(genome, truth, match_chromosomes(genome, track), out, split, **options)  # type: ignore[arg-type]


def parts_in(out: Path) -> dict[str, Shards]:
    return {part: read_shards(out / part) for part in PARTS if (out / part).exists()}


def places(shards: Shards) -> list[tuple[str, int]]:
    assert shards.ids is not None
    found = []
    for text in shards.ids.tolist():
        chrom, _, bounds = text.partition(":")
        start, end = map(int, bounds.split("-"))
        assert end - start == 101
        found.append((chrom, start))
    return found


def in_peaks(small: SmallGenome, chrom: str, start: int) -> int:
    covered = np.zeros(101, bool)
    for left, right in small.peaks[chrom]:
        covered[max(left - start, 0) : max(right - start, 0)] = True
    return int(covered.sum())


def naive_mean(small: SmallGenome, chrom: str, start: int) -> float:
    values = np.zeros(101)
    for name, left, right, value in small.intervals:
        if name == chrom:
            here = slice(max(left - start, 0), max(right - start, 0))
            values[here] = np.maximum(values[here], value)
    return float(values.mean())


BLOCKS = Split(block_bases=5_000, valid=0.25, test=0.25, seed=3)


@pytest.mark.parametrize("stride", [101, 37])
def test_every_window_equals_the_naive_one(small_genome: SmallGenome, tmp_path: Path, stride: int) -> None:
    # windows straddle the pieces that are read at a time
    made = make(small_genome, tmp_path, BLOCKS, stride=stride, shard_windows=100, read_bases=333, count_at_a_time=10)
    parts = parts_in(tmp_path)
    assert [part.folder.name for part in made.parts] == list(parts) == list(PARTS)
    seen = set()
    for part, shards in parts.items():
        assert shards.labels is not None
        assert shards.weights is not None
        assert shards.accessibility is not None
        for row, (chrom, start) in enumerate(places(shards)):
            assert start % stride == 0
            letters = small_genome.sequences[chrom][start : start + 101].upper()
            assert decode(shards.codes[row]).decode() == letters
            assert shards.labels[row] == (in_peaks(small_genome, chrom, start) >= 51)
            if row % 5 == 0:
                mean = naive_mean(small_genome, chrom, start) if chrom != "chr3" else 0.0
                np.testing.assert_allclose(shards.accessibility[row], mean, rtol=1e-6)
            seen.add((chrom, start))
        np.testing.assert_array_equal(shards.weights, balanced_weights(shards.labels))
        written = next(one for one in made.parts if one.folder.name == part)
        assert (written.windows, written.bound) == (len(shards.labels), shards.labels.sum())
        assert written.shards == -(-written.windows // 100) == len(list((tmp_path / part).glob("*-X.joblib")))
    on_grid = [
        (chrom, start)
        for chrom, sequence in small_genome.sequences.items()
        for start in range(0, len(sequence) - 100, stride)
    ]
    known = {
        (chrom, start)
        for chrom, start in on_grid
        if "N" not in small_genome.sequences[chrom][start : start + 101].upper()
    }
    assert made.unknown == len(on_grid) - len(known) > 0
    assert seen <= known
    assert made.between == len(known) - len(seen)
    assert (made.between == 0) == (stride == 101)


@pytest.mark.parametrize("stride", [101, 50])
def test_blocks_share_no_base_and_no_peak(small_genome: SmallGenome, tmp_path: Path, stride: int) -> None:
    make(small_genome, tmp_path, BLOCKS, stride=stride)
    part_of: dict[tuple[str, int], str] = {}
    runs: dict[str, np.ndarray] = {chrom: np.zeros(len(s), np.int8) for chrom, s in small_genome.sequences.items()}
    blocks: dict[str, set[tuple[str, int]]] = {part: set() for part in PARTS}
    for number, (part, shards) in enumerate(parts_in(tmp_path).items(), 1):
        for chrom, start in places(shards):
            assert (chrom, start) not in part_of
            part_of[chrom, start] = part
            here = runs[chrom][start : start + 101]
            assert set(here.tolist()) <= {0, number}  # no base in two parts
            here[:] = number
            if not any(left < start + 101 and start < right for left, right in small_genome.peaks[chrom]):
                blocks[part].add((chrom, start // 5_000))
    assert not blocks[PARTS[0]] & blocks[PARTS[1]]
    assert not blocks[PARTS[0]] & blocks[PARTS[2]]
    assert not blocks[PARTS[1]] & blocks[PARTS[2]]
    for chrom, peaks in small_genome.peaks.items():
        for left, right in peaks:
            touching = {part for (c, s), part in part_of.items() if c == chrom and left < s + 101 and s < right}
            assert len(touching) <= 1


def test_a_peak_over_an_edge_goes_with_the_block_of_its_start() -> None:
    peaks = np.array([[990, 1_100], [2_010, 2_050], [2_950, 5_200]])
    blocks = make_blocks({"a": 7_000, "b": 1_500}, Truth({"a": peaks}), 1_000, 101)
    starts = np.array([0, 999, 1_000, 1_099, 1_100, 1_909, 1_910, 2_000, 2_999, 5_199, 5_200, 6_000])
    assert blocks.numbers("a", starts).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 5, 6]
    assert blocks.numbers("b", np.array([999, 1_000])).tolist() == [7, 8]
    closer = make_blocks({"a": 7_000, "b": 1_500}, Truth({"a": peaks}), 1_000, 50)
    assert closer.numbers("a", np.array([0, 1_099, 1_100, 1_199, 1_200])).tolist() == [0, 0, -1, -1, 1]
    assert closer.numbers("b", np.array([0, 1_000])).tolist() == [7, -1]


def test_split_by_chromosome(small_genome: SmallGenome, tmp_path: Path) -> None:
    made = make(small_genome, tmp_path, Split(valid_chroms=["2"], test_chroms=["chr3"]), stride=50)
    chroms = {part: {chrom for chrom, _ in places(shards)} for part, shards in parts_in(tmp_path).items()}
    assert chroms == {PARTS[0]: {"chr1"}, PARTS[1]: {"chr2"}, PARTS[2]: {"chr3"}}
    assert made.between == 0
    test = read_shards(tmp_path / PARTS[2])
    assert test.accessibility is not None
    assert not test.accessibility.any()  # the track does not name it: closed


def test_same_seed_same_files_other_seed_other_split(small_genome: SmallGenome, tmp_path: Path) -> None:
    ids = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make(small_genome, tmp_path / name, Split(5_000, 0.25, 0.25, seed))
        ids.append(read_shards(tmp_path / name / PARTS[1]).ids.tolist())  # type: ignore[union-attr]
    assert ids[0] == ids[1] != ids[2]


def test_only_windows_in_regions_and_parts_of_the_split_are_written(small_genome: SmallGenome, tmp_path: Path) -> None:
    split = Split(5_000, 0.3, 0.0)
    made = make(small_genome, tmp_path, split, with_track=False, regions=["1:10000-30000", "chr2"])
    assert [part.folder.name for part in made.parts] == list(PARTS[:2])
    assert not (tmp_path / PARTS[2]).exists()
    for shards in parts_in(tmp_path).values():
        assert shards.accessibility is None
        for chrom, start in places(shards):
            assert chrom == "chr2" or (chrom == "chr1" and 10_000 <= start <= 30_000 - 101)


def test_existing_parts_are_kept_unless_forced(small_genome: SmallGenome, tmp_path: Path) -> None:
    make(small_genome, tmp_path, BLOCKS, shard_windows=100)
    (tmp_path / PARTS[0] / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.joblib")}
    with pytest.raises(OutputError, match=f"{PARTS[0]}: exists already.*--force"):
        make(small_genome, tmp_path, BLOCKS)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.joblib")} == before
    made = make(small_genome, tmp_path, Split(5_000, 0.25, 0.0), force=True)
    assert not (tmp_path / PARTS[2]).exists()  # of another split: it would share windows with train
    assert (tmp_path / PARTS[0] / "notes.txt").read_text() == "mine"
    for part in made.parts:
        assert len(read_shards(part.folder).codes) == part.windows
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PARTS[:2])


@pytest.mark.parametrize(
    ("split", "options", "message"),
    [
        (Split(valid_chroms=["chr9"]), {}, "chr9: no such chromosome.*chr1"),
        (Split(valid_chroms=["chr2"], test_chroms=["2"]), {}, "2: named for valid_dataset and for test_dataset"),
        (Split(valid_chroms=["chr1", "chr2", "chr3"]), {}, "train_dataset: 0 bound and 0 unbound"),
        (Split(valid_chroms=["chr2"]), {"regions": ["chr1", "chr2:0-101"]}, "valid_dataset: . bound and . unbound"),
        (Split(1_000_000), {"regions": ["chr1"]}, "1 blocks of 1,000,000 bases.*lower --block-bases"),
        (Split(valid=0.6, test=0.4), {}, "--valid 0.6 and --test 0.4"),
        (Split(valid=-0.1), {}, "--valid -0.1"),
        (Split(50), {}, "--block-bases 50"),
        (Split(5_000), {"shard_windows": 0}, "--shard-windows 0"),
        (Split(5_000), {"stride": 0}, "stride 0: must be a whole number"),
        (Split(5_000), {"regions": ["chr1:0-99999999"]}, "reaches beyond"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    small_genome: SmallGenome, tmp_path: Path, split: Split, options: dict[str, object], message: str
) -> None:
    with pytest.raises(JundscanError, match=message) as caught:
        make(small_genome, tmp_path / "out", split, **options)
    assert isinstance(caught.value, InputError)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def part_of_chr1(small_genome: SmallGenome, tmp_path: Path) -> Path:
    """The peaks of its first 15 kb."""
    bed = tmp_path / "part.bed"
    bed.write_text("".join(f"chr1\t{start}\t{end}\n" for start, end in small_genome.peaks["chr1"] if end <= 15_000))
    return bed


def make_part(small: SmallGenome, bed: Path, out: Path, **options: object) -> ShardSummary:
    genome = open_genome(small.fasta)
    truth = read_truth(bed, genome.chromsizes)
    return make_shards(genome, truth, None, out, Split(2_500, 0.5, 0.0, 1), **options)  # type: ignore[arg-type]


def test_peaks_that_span_a_part_of_the_genome_are_an_error(
    small_genome: SmallGenome, tmp_path: Path, part_of_chr1: Path
) -> None:
    with pytest.raises(InputError) as caught:
        make_part(small_genome, part_of_chr1, tmp_path / "out")
    rows = [row.split("\t") for row in part_of_chr1.read_text().splitlines()]
    first, last = min(int(row[1]) for row in rows), max(int(row[2]) for row in rows)
    known = sum(len(s) - s.upper().count("N") for s in small_genome.sequences.values())
    assert str(caught.value) == (
        f"The peaks of {part_of_chr1} span {format_bases(last - first)} of the {format_bases(known)} that "
        "windows come from. Windows elsewhere are labelled unbound. If the peaks are those of a part of the genome, "
        f"give --region chr1:{first}-{last}. If they are those of the whole genome, give --everywhere."
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "warns"),
    [
        ({"everywhere": True}, False),
        ({"regions": ["chr1:0-16000"]}, False),
        ({"regions": ["chr1"]}, True),
        ({"regions": ["chr1"], "everywhere": True}, False),
    ],
)
def test_regions_and_everywhere_allow_peaks_of_a_part(
    small_genome: SmallGenome,
    tmp_path: Path,
    part_of_chr1: Path,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, object],
    warns: bool,
) -> None:
    made = make_part(small_genome, part_of_chr1, tmp_path / "out", stride=25, **options)
    assert sum(part.bound for part in made.parts) > 0
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [message.startswith(f"The peaks of {part_of_chr1} span 1") for message in warnings] == [True] * warns


def test_peaks_without_a_common_chromosome_are_an_error(small_genome: SmallGenome, tmp_path: Path) -> None:
    bed = tmp_path / "peaks.bed"
    bed.write_text("chrUn\t0\t100\n")
    with pytest.raises(TrackError, match="no chromosome in common with the genome: peaks on chrUn, genome has chr1"):
        read_truth(bed, open_genome(small_genome.fasta).chromsizes)


def test_peaks_under_both_names_of_a_chromosome_are_joined(tmp_path: Path) -> None:
    bed = tmp_path / "peaks.bed"
    bed.write_text("chr1\t100\t200\n1\t500\t600\n")
    assert read_truth(bed, {"chr1": 1_000}).peaks["chr1"].tolist() == [[100, 200], [500, 600]]


def test_windows_further_apart_than_a_read_are_complete(small_genome: SmallGenome) -> None:
    genome = open_genome(small_genome.fasta)
    pieces = list(read_windows(genome, [Region("chr1", 130, 9_000), Region("chr1", 9_050, 12_345)], 1_000, 200))
    assert np.concatenate([starts for _, starts, _ in pieces]).tolist() == [
        *range(1_000, 9_000, 1_000),
        10_000,
        11_000,
        12_000,
    ]
    for _, starts, codes in pieces:
        for start, row in zip(starts.tolist(), codes, strict=True):
            assert decode(row).decode() == small_genome.sequences["chr1"][start : start + 101].upper()
