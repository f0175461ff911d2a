"""The JSON Schemas in the package: made from the types, closed, and true of every record that a command writes."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from jundscan import doctor
from jundscan.accessibility.scale import DISTRIBUTION_BINS
from jundscan.cli import main
from jundscan.dna.letters import encode, one_hot
from jundscan.io.shards import write_shards
from jundscan.model import load
from jundscan.model.metadata import MODES, WINDOW_MODES
from jundscan.model.model import Model
from jundscan.model.thresholds import SHARES
from tests.conftest import SIZES
from tests.damage.models import metadata, with_metadata
from tests.golden.schemas import RECORDS, schema_texts
from tests.helpers.inputs import scale_of, track_rows, write_bigwig, write_fasta, write_rows, write_shard
from tests.helpers.variant_oracle import vcf_row, write_vcf

ROOT = Path(__file__).parents[2]
FAST = 2
"""Commands of each kind that the fast tier runs."""
DROPPED = object()
COMMAND_OF = {"samples": "scan"}
"""Command that writes records of a kind, where its name is another."""
NEEDED = {"variants": ("pysam",), "explain": ("matplotlib", "logomaker")}
"""Packages of extras, which the fast tier may lack."""
OPEN = {
    "doctor": {"packages", "extras", "wheels", "devices", "self_test"},
    "info": {"architecture", "alone", "validation", "library_versions", "training_accessibility", "tiles"},
}
"""By kind: keys of objects whose own keys are names of packages, devices, data sets and the like."""
OPEN_IN_RUNS = {"timings", "inputs", "figures", "wider", "left_out", "hits_by_site"}
"""The same in the other records."""
OPTIONAL = {"wider", "accessibility_reads"}
"""Keys that a record may lack. A scale has the first if it was found for a model that sees wider surroundings. A run
has the second if its track is made of reads."""

TRACK = "--accessibility track.bedgraph"
MLP, LSTM = "--model exported/jund-2-mlp", "--model exported/jund-2-lstm"
COMMANDS = {
    "scan": [
        f"{TRACK} --truth truth.bed --truth-exclude exclude.bed --regions regions.bed --threshold 0.3",
        "",
        f"{TRACK} --missing-chromosomes unknown --region chr1:0-3000 --region chr3",
        f"{TRACK} --accessibility-scale scale.json --stride 50 --fpr 0.01",
        "--no-accessibility --stride 1 --region chr2 --threads 1",
        "--accessibility track.bw --track track_out.bedgraph",
        "--accessibility longer.bw --allow-length-mismatch",
        "--accessibility peaks.narrowPeak --accessibility-scale identity",
        "--accessibility peaks.narrowPeak --bed-value presence --accessibility-scale identity",
        "--accessibility others.bedgraph --alias alias.txt",
        "--accessibility fragments.tsv --reads fragments",
        "--truth truth.bed --truth-region chr1:0-3000 --accuracy-track accuracy.bedgraph",
        "--truth truth.bed --region chr3",
        "--truth truth.bed --threshold 1",
        "--truth truth.bed --truth-exclude everything.bed",
        "--exclude exclude.bed --threshold 0.999999",
        "--exclude elsewhere.bed --threshold 0",
        "--regions regions.bed --format tsv",
        "--format table --recall 0.5",
        "--format narrowPeak --no-header --device cpu",
        MLP,
        f"{LSTM} {TRACK} --accessibility-scale identity --region chr3 --precision 0.01",
    ],
    "evaluate": [
        f"located --genome genome.fa {TRACK} --accessibility-scale identity",
        "shards bare",
        "shards",
        "bare",
        "one_class",
        "one_class --threshold 0",
        "shards --threshold 0.9 --threads 1",
        "shards --threshold 1 --device cpu",
        "shards --no-accessibility",
        "shards --accessibility-scale identity",
        "shards --accessibility-scale scale.json",
        "located",
        "located --genome genome.fa",
        "located --genome genome.fa --no-accessibility",
        f"located --genome genome.fa {TRACK}",
        f"located --genome genome.fa {TRACK} --missing-chromosomes unknown",
        "located --genome genome.fa --accessibility peaks.narrowPeak --accessibility-scale identity",
        "located --genome genome.fa --accessibility fragments.tsv --reads fragments",
        "shards located bare --threshold 0.3",
        "bare --genome genome.fa",
        f"shards {MLP}",
        f"shards {MLP} {LSTM}",
        f"shards located {MLP} --model exported/jund-2",
    ],
    "samples": [
        f"--samples {table}.tsv --accessibility-scale scale.json {options}"
        for table in ("replicates", "singles", "kinds", "twice")
        for options in (
            "",
            "--track bw --stride 50",
            "--track bedgraph --region chr1 --threshold 0",
            "--format narrowPeak --no-header --exclude exclude.bed",
            f"--format tsv --compress --regions regions.bed {MLP} --threads 1",
        )
    ],
    "compare": [
        f"--samples {table}.tsv --contrast {contrast} {options}"
        for table, contrast in (
            ("replicates", "a,b"),
            ("singles", "a,b"),
            ("replicates", "b,c"),
            ("kinds", "a,b"),
            ("twice", "a,b"),
        )
        for options in (
            "--accessibility-scale scale.json --threshold 0.05",
            "--accessibility-scale scale.json --region chr1 --threshold 0",
            "--accessibility-scale scale.json --regions regions.bed --exclude exclude.bed --fdr 0.5",
            f"--accessibility-scale scale.json {MLP} --min-difference 0 --threads 1",
        )
    ],
    "score": [
        f"{what} {options}"
        for what in ("genome.fa targets.bed", "--sequences genome.fa", "genome.fa targets.bed --extend 60 --stride 7")
        for options in ("", "--threshold 0.3 --threads 1", MLP, "--fpr 0.01", "--stride 1 --device cpu")
    ]
    + [
        f"genome.fa targets.bed {TRACK} {options}"
        for options in (
            "--accessibility-scale scale.json",
            "--accessibility-scale scale.json --threshold 0",
            "--accessibility-scale scale.json --extend 5",
            "--accessibility-scale identity --bed-value score",
            "--accessibility-scale scale.json --stride 3 --threads 1",
        )
    ],
    "variants": [
        f"{vcf} {options}"
        for vcf in ("substitutions.vcf", "odd.vcf", "indels.vcf", "mismatches.vcf", "unsorted.vcf")
        for options in (
            f"{TRACK} --accessibility-scale scale.json",
            "",
            f"{TRACK} --threshold 0.3",
            f"{MLP} --threads 1",
        )
    ],
    "explain": [
        f"{what} {options}"
        for what in (
            "--region chr1:1000-1004",
            "--hits hits.bed --top 1",
            "--region chr3:0-3 --region chr2:5-8",
            "--hits hits.bed --top 1 --region chr1:0-2",
            "--hits nothing.bed",
        )
        for options in (f"{TRACK} --accessibility-scale scale.json", "", "--threshold 0.3 --threads 1", MLP)
    ],
    "scale": [
        f"{track} {genome} {options}"
        for track, genome in (
            ("track.bedgraph", "genome.fa"),
            ("track.bw", ""),
            ("track.bw", "genome.fa"),
            ("others.bedgraph", "genome.fa --alias alias.txt"),
            ("longer.bw", "genome.fa --allow-length-mismatch"),
            ("fragments.tsv", "genome.fa --reads fragments"),
        )
        for options in ("", MLP, "--missing-chromosomes unknown", "--missing-chromosomes closed --quiet")
    ],
    "info": ["", MLP, LSTM, "--model exported/jund-2-cnn", "--quiet"],
}
"""Options and arguments besides those of outputs, the first one with a rich record."""
CASES = [
    pytest.param(kind, command, marks=[pytest.mark.slow] if number >= FAST else [], id=f"{kind} {command}")
    for kind, commands in COMMANDS.items()
    for number, command in enumerate(commands)
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, sequences: dict[str, str], model: Model) -> Path:
    """A folder with an input of every kind, and the exported models."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(5)
    (folder / "exported").symlink_to(ROOT / "exported")
    write_fasta(folder / "genome.fa", sequences)
    long = {"chr1": SIZES["chr1"], "chr2": SIZES["chr2"]}
    rows = track_rows(rng, long, every=60)
    write_rows(folder / "track.bedgraph", rows)
    others = {"chr1": "one", "chr2": "two"}
    write_rows(folder / "others.bedgraph", [(others[chrom], *rest) for chrom, *rest in rows])
    write_rows(folder / "alias.txt", [("chr1", "one"), ("chr2", "two")])
    steps = [
        (chrom, at, at + 20, 0.001 + at % 997 / 1000) for chrom, size in long.items() for at in range(0, size - 20, 60)
    ]
    write_bigwig(folder / "track.bw", SIZES, steps)
    inserts = [(chrom, start, start + 150, "AAACGAAAGACTCGGA", 1) for chrom, start, _, _ in rows * 9 if start < 3_000]
    write_rows(folder / "fragments.tsv", inserts)
    write_bigwig(folder / "longer.bw", {**SIZES, "chr2": 9_000}, steps)
    peaks = [(chrom, start, end, ".", 500, ".", 7 * value, 5, 3, 10) for chrom, start, end, value in rows]
    write_rows(folder / "peaks.narrowPeak", peaks)
    write_rows(folder / "truth.bed", [("chr1", 200, 700), ("chr1", 2_900, 3_400), ("chr2", 1_000, 1_300)])
    write_rows(folder / "exclude.bed", [("chr1", 0, 500)])
    write_rows(folder / "everything.bed", [(chrom, 0, size) for chrom, size in SIZES.items()])
    write_rows(folder / "elsewhere.bed", [("chr9", 0, 500)])
    write_rows(folder / "targets.bed", [("chr1", 100, 5_000), ("chr1", 90, 120), ("chr2", 300, 900)])
    write_rows(folder / "regions.bed", [("chr1", 100, 5_000), ("chr2", 3_000, 3_900), ("chr9", 0, 500)])
    write_rows(
        folder / "hits.bed", [("chr1", 1_000, 1_005, "JUND_1", 900, "."), ("chr2", 100, 103, "JUND_2", 400, ".")]
    )
    (folder / "nothing.bed").touch()
    (folder / "scale.json").write_text(json.dumps(scale_of(model).to_dict()))
    write_shard(folder / "shards")
    write_shard(folder / "bare", seed=1, w=None, a=None, ids=None)
    write_shard(folder / "one_class", seed=2, y=np.zeros(1_200, np.int64))
    windows = np.lib.stride_tricks.sliding_window_view(encode(sequences["chr1"].encode()), 101)[: 4 * 1_200 : 4]
    ids = np.array([f"chr1:{start}-{start + 101}" for start in range(0, 4 * 1_200, 4)])
    write_shards(folder / "located", 0, one_hot(windows), y=rng.random(1_200) < 0.2, a=rng.random(1_200), ids=ids)
    write_variants(folder, sequences)
    for number in range(4):
        write_rows(folder / f"sample{number}.bedgraph", track_rows(rng, long, every=60))
    tables = {
        "replicates": {"sample0.bedgraph": "a", "sample1.bedgraph": "a", "sample2.bedgraph": "b",
                       "sample3.bedgraph": "b", "track.bedgraph": "c"},
        "singles": {"sample0.bedgraph": "a", "sample1.bedgraph": "b"},
        "kinds": {"track.bw": "a", "peaks.narrowPeak": "b", "sample0.bedgraph": "b"},
        "twice": {"track.bedgraph": "a", "./track.bedgraph": "a", "sample1.bedgraph": "b", "./sample1.bedgraph": "b"},
    }  # fmt: skip
    for name, groups in tables.items():
        rows_of = [(f"s{at}", file, group) for at, (file, group) in enumerate(groups.items())]
        write_rows(folder / f"{name}.tsv", [("sample", "accessibility", "group"), *rows_of])
    return folder


def write_variants(folder: Path, sequences: dict[str, str]) -> None:
    """Write files of variants: substitutions, odd ones, indels, wrong references, and unsorted ones."""

    def at(chrom: str, position: int, length: int = 1) -> str:
        return sequences[chrom][position - 1 : position - 1 + length].upper()

    def other(base: str) -> str:
        return "A" if base != "A" else "C"

    known = [position for position in range(300, 5_000, 450) if set(at("chr1", position, 3)) <= set("ACGT")]
    changes = [vcf_row("chr1", position, at("chr1", position), other(at("chr1", position))) for position in known]
    odd = [
        vcf_row("chr1", known[0], at("chr1", known[0]), alternatives)
        for alternatives in ("<DEL>", "*", "R", ".", "G]17:198982]")
    ]
    odd += [vcf_row("short", 5, at("short", 5), "A,C,G,T"), vcf_row("chr9", 5, "A", "C")]
    indels = [vcf_row("chr1", position, at("chr1", position, 3), at("chr1", position)) for position in known]
    wrong = [vcf_row("chr1", position, other(at("chr1", position)), at("chr1", position)) for position in known]
    files_of = {
        "substitutions": changes,
        "odd": odd,
        "indels": indels,
        "mismatches": wrong,
        "unsorted": [*changes[::-1], vcf_row("chr2", 9, at("chr2", 9), at("chr2", 9)), changes[0]],
    }
    for name, rows in files_of.items():
        write_vcf(folder / f"{name}.vcf", rows, {**SIZES, "chr9": 1_000})


Record = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def record(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """A function that runs a command, once, and returns its record."""
    out = tmp_path_factory.mktemp("outputs")

    @cache
    def run(kind: str, command: str) -> Any:
        for package in NEEDED.get(kind, ()):
            pytest.importorskip(package)
        genome = ["genome.fa"] if kind in ("scan", "samples", "compare", "variants", "explain") else []
        target = {
            "scan": out / "hits",
            "samples": out / "samples",
            "score": out / "scores.tsv",
            "compare": out / "changes",
            "variants": out / "effects.vcf.gz",
            "explain": out / "explained",
        }
        folder = "--out-dir" if kind == "samples" else "--output"
        others = [folder, str(target[kind])] if kind in target else []
        option = "--output" if kind == "scale" else "--json"
        arguments = [
            COMMAND_OF.get(kind, kind),
            *genome,
            *shlex.split(command),
            *others,
            option,
            str(out / "record.json"),
            "--force",
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(inputs)
            patch.setattr(load, "load_model", load_once)
            with pytest.raises(SystemExit) as ended:
                main(arguments)
        assert not ended.value.code, arguments
        return json.loads((out / "record.json").read_text())

    load_once = cache(load.load_model)
    yield run
    shutil.rmtree(out)


@cache
def validator(kind: str) -> Draft202012Validator:
    """Return the validator of a schema, which is read as a user of the package reads it."""
    return Draft202012Validator(json.loads((files("jundscan") / "schemas" / f"{kind}.schema.json").read_text("utf-8")))


def check(kind: str, found: Any) -> None:
    assert not [f"{error.json_path}: {error.message[:300]}" for error in validator(kind).iter_errors(found)]


def test_committed_schemas_are_those_of_the_types() -> None:
    folder = files("jundscan") / "schemas"
    committed = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.name.endswith(".json")}
    assert committed == schema_texts(), "run: python -m tests.golden.schemas"


@pytest.mark.parametrize("kind", RECORDS)
def test_every_key_is_described_and_no_other_is_admitted(kind: str) -> None:
    schema = validator(kind).schema
    assert isinstance(schema, dict)
    Draft202012Validator.check_schema(schema)
    command = COMMAND_OF.get(kind, kind)
    assert (schema["$id"], schema["title"].split()[:2]) == (f"urn:jundscan:schema:{kind}", ["jundscan", command])
    described = [one for one in (schema, *schema["$defs"].values()) if "properties" in one]
    assert described
    for one in described:
        assert one["description"]
        assert one["additionalProperties"] is False
        assert set(one["properties"]) - set(one["required"]) <= OPTIONAL
        for key, value in one["properties"].items():
            assert value.get("description") or schema["$defs"][value["$ref"].rpartition("/")[2]]["description"], key


@pytest.mark.parametrize(("kind", "command"), CASES)
def test_records_fit_their_schema(record: Record, kind: str, command: str) -> None:
    check(kind, record(kind, command))


LOWEST_ROW = dict.fromkeys(("threshold", *SHARES), 0)
CHANGES: list[dict[str, Any]] = [
    *({key: DROPPED} for key in ("self_test", "training_accessibility", "tiles")),
    {"self_test": None, "training_accessibility": None, "tiles": {}},
    {"name": "x" * 500, "version": "", "assembly": "Größe 10"},
    {"cell_types": [], "validation": {}, "library_versions": {}, "architecture": {}},
    {"validation": {"new_mode": {"new_metric": 1}}},
    {"architecture": {"depth": 3, "name": "a", "sizes": [1, 2], "more": {"rate": 0.5, "fixed": True, "pool": None}}},
    *({"seed": seed} for seed in (-1, 1 << 40, 1 << 80)),
    *({"prevalence": value, "decision_threshold": value} for value in (0, 1, 0.25)),
    {"max_windows_per_call": 1},
    {"with_accessibility": {"default_threshold": 1, "default_rule": "", "rows": []}},
    {"without_accessibility": {"default_threshold": 0, "default_rule": "a", "rows": [LOWEST_ROW]}},
    {"a_key_of_a_later_version": {"unknown": [1]}},
]
"""Changes of a model's metadata that leave a sound model."""


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "+".join(change))
def test_records_of_changed_models_fit_the_schema_of_info(tmp_path: Path, change: dict[str, Any]) -> None:
    pytest.importorskip("onnx")
    changed = {key: value for key, value in {**metadata(), **change}.items() if value is not DROPPED}
    (tmp_path / "model.onnx").write_bytes(with_metadata(json.dumps(changed)))
    with pytest.raises(SystemExit) as ended:
        main(["info", "--model", str(tmp_path), "--json", str(tmp_path / "info.json")])
    assert not ended.value.code
    check("info", json.loads((tmp_path / "info.json").read_text()))


def test_twenty_records_of_each_kind_are_tried() -> None:
    tried = {kind: len(set(commands)) for kind, commands in COMMANDS.items()}
    tried["info"] += len(CHANGES)
    tried["doctor"] = len(STATES) * len(MODELS)
    assert tried.keys() == RECORDS.keys()
    assert min(tried.values()) >= 20


@pytest.mark.parametrize("path", sorted((ROOT / "exported").glob("*/metrics.json")), ids=lambda path: path.parent.name)
def test_metrics_of_exported_models_fit_the_schema_of_evaluate(path: Path) -> None:
    found = json.loads(path.read_text())
    keys = validator("evaluate").schema["$defs"]["EvaluationRecord"]["required"]  # type: ignore[index]
    modes = [found, *(found[mode] for mode in (*MODES, *WINDOW_MODES) if mode in found)]
    assert len(modes) in (2, 4)
    for one in modes:
        one["model"].setdefault("factor", "JUND")  # these models were exported before records named it
        check("evaluate", {key: one[key] for key in keys})


def test_the_scale_of_the_example_fits() -> None:
    scale = json.loads((ROOT / "examples" / "scale.json").read_text())
    paths = {"accessibility": "", "genome": None, "command": "", "warnings": []}
    check("scale", {**paths, "accessibility_scale": scale})


def shortened(value: Any) -> Any:
    """Return a record with the first two items of each list, but whole distributions, whose length is given."""
    if isinstance(value, list):
        return [shortened(item) for item in (value if len(value) == DISTRIBUTION_BINS + 1 else value[:2])]
    return {key: shortened(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def objects(value: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object inside a record with the key that holds it; of a list, those of the first item."""
    if isinstance(value, dict):
        yield name, value
        for key, inner in value.items():
            yield from objects(inner, name if name == "validation" else key)
    elif isinstance(value, list) and value:
        yield from objects(value[0], name)


@pytest.mark.parametrize("kind", RECORDS)
def test_a_wrong_key_a_missing_key_and_a_wrong_type_do_not_fit(record: Record, kind: str) -> None:
    found = shortened(record(kind, COMMANDS[kind][0] if kind in COMMANDS else ""))
    if kind == "samples":
        found["samples"] = dict(list(found["samples"].items())[:2])  # all samples have one schema
    fits = validator(kind).is_valid
    assert fits(found)
    closed = 0
    for name, one in objects(found):
        # keys of this one are names of samples
        is_open = name in OPEN.get(kind, OPEN_IN_RUNS) or (kind == "samples" and one is found["samples"])
        whole = dict(one)
        one["surplus"] = {"surplus": [{}]}
        assert not fits(found), name
        del one["surplus"]
        for key, value in whole.items():
            one[key] = [{"surplus": 0}]
            assert not fits(found), (name, key)
            del one[key]
            assert fits(found) == (is_open or key in OPTIONAL), (name, key)
            one[key] = value
        closed += not is_open
    assert closed >= 2
    assert fits(found)


STATES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "sound": lambda patch: None,
    "without ONNX Runtime": lambda patch: (
        patch.setitem(sys.modules, "onnxruntime", None),
        patch.setattr(doctor, "runtime_wheels", dict),
    ),
    "with a damaged ONNX Runtime": lambda patch: (
        patch.setitem(sys.modules, "onnxruntime", None),
        patch.setattr(doctor, "runtime_wheels", lambda: {"onnxruntime": "1.0", "onnxruntime-gpu": "1.0"}),
    ),
    "without a requirement": lambda patch: patch.setattr(
        doctor.importlib.metadata, "requires", lambda name: ["gone>=1", "absent>=2; extra == 'hts'"]
    ),
    "without a model": lambda patch: patch.setattr(load, "model_folders", lambda: iter([])),
}
MODELS = ("", MLP, "--model truncated", "--model changed", "--model gone.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("model_option", MODELS)
@pytest.mark.parametrize("state", STATES)
def test_records_of_doctor_fit_its_schema(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, model_option: str
) -> None:
    for name, size, digest in (("truncated", 5_000, None), ("changed", None, "0" * 64)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(load.default_model_path().read_bytes()[:size])
        if digest is not None:
            (tmp_path / name / "metrics.json").write_text(json.dumps({"model": {"sha256": digest}}))
    (tmp_path / "exported").symlink_to(ROOT / "exported")
    monkeypatch.chdir(tmp_path)
    STATES[state](monkeypatch)
    with pytest.raises(SystemExit):
        main(["doctor", *shlex.split(model_option), "--json", "doctor.json"])
    found = json.loads(Path("doctor.json").read_text())
    assert found["ok"] == (not found["problems"])
    check("doctor", found)
