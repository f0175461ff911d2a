"""``import jundscan``: files and arrays give the numbers of the command line."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import jundscan
import jundscan.cli.scale
from jundscan import cli
from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import IDENTITY
from jundscan.api import scan
from jundscan.dna.letters import encode, one_hot
from jundscan.dna.regions import Region
from jundscan.errors import FastaError, InputError, JundscanError, ShardError, TrackError
from jundscan.evaluation.neighbourhood import open_source
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.io.shards import read_shards, write_shards
from jundscan.model.model import Model
from jundscan.options import ScanOptions
from jundscan.scanning.plan import open_scan
from tests.conftest import SIZES, Run
from tests.helpers.inputs import write_shard

SCAN = {"threshold": 0.4, "scale": IDENTITY}


@pytest.fixture
def per_base(track: Path) -> dict[str, np.ndarray]:
    """The track as one value per base. Where intervals overlap, the highest value counts."""
    values = {chrom: np.zeros(SIZES[chrom]) for chrom in ("chr1", "chr2")}
    for line in track.read_text().splitlines():
        chrom, start, end, value = line.split("\t")
        part = values[chrom][int(start) : int(end)]
        np.maximum(part, float(value), out=part)
    return values


Form = Callable[[str], object]


@pytest.mark.parametrize("form", [str, str.encode, lambda text: encode(text.encode()).astype(np.int64)])
def test_arrays_give_the_hits_of_files(
    genome: Path, track: Path, sequences: dict[str, str], per_base: dict[str, np.ndarray], model: Model, form: Form
) -> None:
    from_files = list(jundscan.scan(genome, track, model=model, **SCAN))
    arrays = {chrom: form(sequence) for chrom, sequence in sequences.items()}
    from_arrays = list(jundscan.scan(arrays, per_base, model=model, **SCAN))
    assert len(from_files) > 5
    for one, other in zip(from_arrays, from_files, strict=True):
        assert one[:3] == other[:3]
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_windows_equal_those_of_the_command_line(
    genome: Path, track: Path, run: Run, model: Model, tmp_path: Path
) -> None:
    chunks = list(jundscan.scan(genome, track, windows=True, stride=7, model=model, scale=IDENTITY))
    options = ("--accessibility-scale", "identity", "--stride", 7, "--format", "tsv", "-o", tmp_path / "w.tsv")
    assert run("scan", genome, "--accessibility", track, *options).code == 0
    lines = (tmp_path / "w.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert [row[0] for row in rows] == [chunk.chrom for chunk in chunks for _ in chunk.starts]
    assert [int(row[1]) for row in rows] == np.concatenate([chunk.starts for chunk in chunks]).tolist()
    written = np.array([row[3] for row in rows], np.float32)
    assert written.tolist() == np.concatenate([chunk.probabilities for chunk in chunks]).tolist()


def test_hits_equal_those_of_the_command_line(genome: Path, track: Path, run: Run, model: Model) -> None:
    options = ("--accessibility-scale", "identity", "--threshold", 0.4, "--quiet")
    ran = run("scan", genome, "--accessibility", track, *options)
    rows = [line.split("\t")[:3] for line in ran.out.splitlines() if not line.startswith("#")]
    hits = jundscan.scan(genome, track, model=model, **SCAN)
    assert rows == [[hit.chrom, str(hit.start), str(hit.end)] for hit in hits]


def test_a_single_array_is_one_sequence(model: Model) -> None:
    codes = np.random.default_rng(0).integers(0, 4, 5_000, dtype=np.uint8)
    values = np.random.default_rng(1).random(5_000)
    hits = list(jundscan.scan(codes, values, model=model, threshold=0.0, scale=IDENTITY))
    assert [(hit.chrom, hit.start, hit.end) for hit in hits] == [("sequence", 0, 5_000)]


def test_threshold_rules_change_the_hits_and_exclude_each_other(genome: Path, model: Model) -> None:
    strict, lenient = (len(list(jundscan.scan(genome, model=model, fpr=fpr))) for fpr in (0.001, 0.1))
    assert strict < lenient
    with pytest.raises(ValueError, match="fpr and recall exclude each other"):
        jundscan.scan(genome, fpr=0.1, recall=0.5)


def test_the_call_itself_raises_for_bad_inputs(tmp_path: Path, model: Model, sequences: dict[str, str]) -> None:
    with pytest.raises(FastaError, match="No such file"):
        jundscan.scan(tmp_path / "gone.fa", model=model)
    with pytest.raises(TrackError, match="no chromosome in common"):
        jundscan.scan(sequences, {"chr9": np.zeros(5)}, model=model)
    with pytest.raises(TrackError, match="chr1 has 5 bases, but chr1"):
        jundscan.scan(sequences, {"chr1": np.zeros(5)}, model=model)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "no sequence"),
        ({"a": np.array([0, 5])}, "codes other than 0 to 4"),
        ({"a": np.array([-1, 2])}, "codes other than 0 to 4"),
        ({"a": np.zeros(5)}, "not letters or a row of codes"),
        ({"a": np.zeros((5, 4), np.uint8)}, "not letters or a row of codes"),
    ],
)
def test_unusable_sequences_are_errors(values: dict[str, np.ndarray], problem: str) -> None:
    with pytest.raises(FastaError, match=problem):
        MemoryGenome(values)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "holds no chromosome"),
        ({"a": [1.0, -1.0]}, "none negative"),
        ({"a": [1.0, float("nan")]}, "none negative and all finite"),
        ({"a": [1.0, 1e300]}, "none negative and all finite"),
        ({"a": [[1.0]]}, "one number for each base"),
        ({"a": ["x"]}, "must be an array of numbers"),
    ],
)
def test_unusable_track_values_are_errors(values: dict[str, list[float]], problem: str) -> None:
    with pytest.raises(TrackError, match=problem):
        MemoryTrack(values)


def test_a_genome_in_memory_equals_its_file(sequences: dict[str, str], genome: Path) -> None:
    from jundscan.io.fasta.genome import open_genome

    there, here = open_genome(genome), MemoryGenome(sequences)
    assert there.chromsizes == here.chromsizes
    for chrom in sequences:
        assert here.unknown_runs(chrom).tolist() == there.unknown_runs(chrom).tolist()
    regions = [Region("chr1", 10, 4_000), Region("chr2", 0, 3_033)]
    for one, other in zip(here.blocks(regions, 500), there.blocks(regions, 500), strict=True):
        assert one[:2] == other[:2]
        assert one.codes.tolist() == other.codes.tolist()


@pytest.mark.parametrize("step", [1, 10, 150])
def test_a_track_in_memory_equals_its_file(track: Path, per_base: dict[str, np.ndarray], step: int) -> None:
    here = MemoryTrack(per_base)
    with open_track(track) as there:
        for chrom in there.names:
            starts = np.arange(0, SIZES[chrom] - 100, step)
            found, expected = here.window_means(chrom, starts), there.window_means(chrom, starts)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
            assert ((found == 0) == (expected == 0)).all()
    assert len(here.window_means("chr1", np.array([], np.int64))) == 0


@pytest.mark.slow
def test_evaluations_of_folders_and_arrays_are_equal(tmp_path: Path, run: Run, model: Model) -> None:
    folder = write_shard(tmp_path / "s")
    report = json.loads(run("evaluate", folder, "--json", "-").out)
    result = jundscan.evaluate(folder, model=model)
    assert json.loads(json.dumps(result.report)) == report
    read = read_shards(folder)
    columns = (read.labels, read.weights, read.accessibility)
    for windows in (one_hot(read.codes), read.codes, read.codes.astype(int)):
        again = jundscan.evaluate(windows, *columns, model=model)
        assert again.report == result.report
        assert again.probabilities.tolist() == result.probabilities.tolist()
    two = jundscan.evaluate([folder, str(folder)], model=model)
    assert [one.report for one in two] == [result.report] * 2
    assert jundscan.evaluate(read.codes, accessibility=read.accessibility, model=model).report is None
    withheld = jundscan.evaluate(folder, model=model, withhold_accessibility=True, threshold=0.3).report
    assert withheld is not None
    assert (withheld["accessibility"], withheld["threshold"]) == ("not available", 0.3)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"data": np.zeros((0, 101), int)}, "no window"),
        ({"data": np.full((3, 101), 5)}, "data: codes other than 0 to 4"),
        ({"data": np.zeros((3, 100), int)}, r"data: int64 \(3, 100\), expected codes"),
        ({"data": np.zeros((3, 101, 5))}, "data: shape"),
        ({"data": np.zeros((3, 101), int), "labels": np.array([0, 1])}, "labels: 2 rows, but data has 3"),
        ({"data": np.zeros((3, 101), int), "labels": np.array([0, 1, 2])}, "labels: labels other than 0 and 1"),
        (
            {"data": np.zeros((3, 101), int), "labels": np.array([0, 1, 1]), "weights": np.zeros(3)},
            "every sample weight",
        ),
        (
            {"data": np.zeros((3, 101), int), "accessibility": np.array([0, 1, np.inf])},
            "accessibility that is negative",
        ),
        ({"data": np.zeros((3, 101), int), "ids": ["chr1:0-101"]}, "ids: 1 rows, but data has 3"),
        ({"data": np.zeros((3, 101), int), "ids": np.arange(3)}, "ids: shape .* expected .* of text"),
    ],
)
def test_unusable_arrays_of_windows_are_errors(columns: dict[str, np.ndarray], problem: str) -> None:
    with pytest.raises(ShardError, match=problem):
        jundscan.evaluate(**columns)


def test_labels_with_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder of shards holds its own"):
        jundscan.evaluate(tmp_path, np.zeros(3))
    with pytest.raises(InputError, match="a folder of shards holds its own"):
        jundscan.evaluate(tmp_path, ids=["chr1:0-101"])


@pytest.mark.slow
def test_surroundings_of_folders_and_arrays_are_equal(
    tmp_path: Path, run: Run, model: Model, genome: Path, track: Path, sequences: dict[str, str]
) -> None:
    codes = encode(sequences["chr1"].encode())
    starts = np.arange(0, 5_900, 4)
    ids = np.array([f"1:{start}-{start + 101}" for start in starts])
    windows = np.stack([codes[start : start + 101] for start in starts])
    labels = np.arange(len(starts)) % 2
    write_shards(tmp_path / "s", 0, one_hot(windows), y=labels, ids=ids)
    report = json.loads(
        run("evaluate", tmp_path / "s", "--genome", genome, "--accessibility", track, "--json", "-").out
    )
    both = jundscan.evaluate([tmp_path / "s"] * 2, genome=genome, accessibility=track, model=model)
    assert [json.loads(json.dumps(one.report)) for one in both] == [report] * 2
    from_arrays = jundscan.evaluate(windows, labels, ids=ids, genome=sequences, accessibility=str(track), model=model)
    assert from_arrays.probabilities.tolist() == both[0].probabilities.tolist()
    assert from_arrays.accessibility.shape == (len(starts),)
    alone = jundscan.evaluate(windows, labels, ids=ids, model=model)
    assert alone.known is None or not alone.known.any()


def keyword_defaults(function: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}


def test_options_have_one_default_in_python_and_on_the_command_line() -> None:
    options = {field.name: field.default for field in fields(ScanOptions)}
    assert options.keys() <= keyword_defaults(open_scan).keys()
    assert options.keys() - {"threshold_rule"} <= keyword_defaults(jundscan.scan).keys()
    functions = (
        jundscan.scan,
        jundscan.score_regions,
        jundscan.variants,
        jundscan.explain,
        jundscan.evaluate,
        open_scan,
        open_source,
    )
    commands = (
        cli.scan.scan,
        cli.score.score,
        cli.variants.variants,
        cli.explain.explain,
        cli.evaluate.evaluate,
        cli.scale.scale,
    )
    for function in (*functions, *commands):
        defaults = keyword_defaults(function)
        if function in commands:
            defaults.pop("regions", None)  # it is the file
        if function is jundscan.score_regions:
            defaults.pop("regions")  # they are those to score
        same = options.keys() & defaults.keys()
        assert len(same) >= 4
        assert {name: defaults[name] for name in same} == {name: options[name] for name in same}


def test_the_signature_of_scan_is_the_same_before_and_after_its_package_is_imported() -> None:
    code = (
        "import jundscan, inspect; before = jundscan.scan; import jundscan.scanning; "
        "assert jundscan.scan is before; print(*inspect.signature(jundscan.scan).parameters)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == list(inspect.signature(scan).parameters)
    assert {field.name for field in fields(ScanOptions)} - {"threshold_rule"} <= set(ran.stdout.split())


def test_unknown_keywords_are_type_errors(sequences: dict[str, str]) -> None:
    for function in (jundscan.scan, jundscan.variants, jundscan.explain, jundscan.evaluate):
        with pytest.raises(TypeError, match="unexpected keyword argument 'strid'"):
            function(sequences, strid=3)


def test_results_become_tables_of_pandas(genome: Path, model: Model, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    hits = list(jundscan.scan(genome, model=model, threshold=0.0))
    table = pandas.DataFrame(hits)
    assert list(table.columns) == list(jundscan.Hit._fields)
    assert table["probability"].tolist() == [hit.probability for hit in hits]
    chunks = list(jundscan.scan(genome, model=model, windows=True, stride=50))
    table = pandas.concat(chunk.to_frame() for chunk in chunks)
    assert list(table.columns) == ["chrom", "start", "end", "probability"]
    assert (table["end"] - table["start"] == 101).all()
    np.testing.assert_array_equal(table["probability"], np.concatenate([chunk.probabilities for chunk in chunks]))
    sequence = "ACGT" * 60 + "TGACTCA" + "ACGT" * 60
    effects = list(jundscan.variants({"s": sequence}, [("s", 240, "T", ["A", "C"])], model=model))
    table = pandas.DataFrame(effects)
    assert list(table.columns) == list(jundscan.Effect._fields)
    assert table["alternative_allele"].tolist() == ["A", "C"]

    [found] = jundscan.explain({"s": sequence}, "s:238-248", model=model)
    table = found.to_frame()
    assert table["start"].tolist() == list(range(238, 248))
    assert "".join(table["reference"]) == sequence[238:248]
    np.testing.assert_array_equal(table[["A", "C", "G", "T"]].to_numpy(), found.differences)
    np.testing.assert_array_equal(table["contribution"], found.contributions)

    result = jundscan.evaluate(write_shard(tmp_path / "s"), model=model)
    table = result.to_frame()
    assert list(table.columns) == ["id", "label", "weight", "accessibility", "probability"]
    np.testing.assert_array_equal(table["probability"], result.probabilities)
    unlabelled = jundscan.evaluate(result.shards.codes, model=model).to_frame()
    assert list(unlabelled.columns) == ["accessibility", "probability"]


def test_a_table_without_pandas_is_an_error_that_names_the_package(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = jundscan.evaluate(write_shard(tmp_path / "s"), model=model)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JundscanError, match="needs pandas: run pip install pandas"):
        result.to_frame()


def test_one_alternative_may_be_text() -> None:
    genome = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    alone, listed = (list(jundscan.variants(genome, [("chr1", 240, "T", form)])) for form in ("TG", ["TG"]))
    assert alone == listed
    assert [effect.alternative_allele for effect in alone] == ["TG"]


def test_dir_lists_the_public_names_alone() -> None:
    assert dir(jundscan) == sorted(jundscan.__all__)
