"""``jundscan evaluate``: its keys, missing columns, options and outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from jundscan.accessibility.scale import fit_scale
from jundscan.dna.letters import encode, one_hot
from jundscan.io.shards import read_shards, write_shards
from jundscan.model.load import DEFAULT_MODEL, default_model_path
from jundscan.model.model import Model
from tests.conftest import Run
from tests.helpers.inputs import write_shard

KEYS = {
    "n", "positives", "threshold", "weighted_accuracy", "precision", "recall", "f1", "confusion_matrix", "auroc",
    "average_precision", "mcc", "brier", "confidence_intervals", "model", "provider", "accessibility",
    "neighbourhood", "warnings",
}  # fmt: skip
BOOTSTRAPPED = {"weighted_accuracy", "precision", "recall", "f1", "auroc", "average_precision", "mcc", "brier"}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "shards")


def read_table(path: Path) -> dict[str, list[str]]:
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def test_report_and_predictions_agree_with_scikit_learn(tmp_path: Path, run: Run, shards: Path, model: Model) -> None:
    table_path = tmp_path / "p.tsv"
    ran = run("evaluate", shards, "--json", "-", "--predictions", table_path)
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)  # stdout holds only the report
    assert report.keys() == KEYS
    assert report["confidence_intervals"].keys() == BOOTSTRAPPED
    assert report["model"] == model.identity()
    assert report["provider"] == "CPUExecutionProvider"
    assert report["threshold"] == 0.5
    assert report["neighbourhood"] == {"windows": 1200, "known": 0}
    assert report["warnings"] == []

    table = read_table(table_path)
    assert list(table) == ["index", "id", "label", "weight", "accessibility", "probability"]
    read = read_shards(shards)
    assert read.labels is not None
    assert read.weights is not None
    assert read.accessibility is not None
    assert table["index"] == list(map(str, range(1200)))
    assert table["id"][3] == "chr22:3-104"
    assert np.array(table["label"], int).tolist() == read.labels.tolist()
    assert np.array(table["weight"], float).tolist() == read.weights.tolist()
    mapped = fit_scale(read.accessibility, "").apply(read.accessibility)
    assert np.array(table["accessibility"], np.float32).tolist() == mapped.tolist()
    p = np.array(table["probability"], np.float32)
    np.testing.assert_allclose(p, model.predict(read.codes, mapped), atol=1e-6)
    called = p >= 0.5
    assert report["auroc"] == pytest.approx(metrics.roc_auc_score(read.labels, p))
    accuracy = metrics.accuracy_score(read.labels, called, sample_weight=read.weights)
    assert report["weighted_accuracy"] == pytest.approx(accuracy)
    assert report["confusion_matrix"] == metrics.confusion_matrix(read.labels, called).tolist()


def test_stdout_shows_a_table(run: Run, shards: Path, model: Model) -> None:
    ran = run("evaluate", shards, "--threshold", 0.4, "--threads", 1)
    assert ran.code == 0
    for text in ("1,200 windows", "at threshold 0.4", "weighted accuracy", "95 % interval", "called bound"):
        assert text in ran.out
    assert ("The surroundings of 0 of 1,200 windows are known." in ran.out) == model.metadata.sees_neighbourhood
    assert ran.err.count("no --genome: the model sees the windows alone") == model.metadata.sees_neighbourhood
    assert ran.err.splitlines().count("running on CPUExecutionProvider") == 1


def report_of(run: Run, *arguments: object) -> tuple[dict[str, object], str]:
    ran = run("evaluate", *arguments, "--json", "-")
    assert ran.code == 0, ran.err
    return json.loads(ran.out), ran.err


@pytest.mark.slow
def test_missing_accessibility_equals_withheld_accessibility(tmp_path: Path, run: Run, shards: Path) -> None:
    withheld, _ = report_of(run, shards, "--no-accessibility")
    assert withheld["accessibility"] == "not available"
    absent, err = report_of(run, write_shard(tmp_path / "no_a", a=None))
    assert "evaluated as not available" in err
    assert absent == withheld
    unknown, err = report_of(run, write_shard(tmp_path / "nan", a=np.full(1200, np.nan)))
    assert "evaluated as not available" in err
    assert unknown == withheld
    assert report_of(run, shards)[0]["auroc"] != withheld["auroc"]


def test_missing_values_do_not_count_in_the_scale(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    a = np.where(rng.random(2_500) < 0.5, np.nan, rng.random(2_500))
    run("evaluate", write_shard(tmp_path / "s", 2_500, a=a), "--predictions", tmp_path / "p.tsv")
    mapped = np.array(read_table(tmp_path / "p.tsv")["accessibility"], float)
    assert np.array_equal(np.isnan(mapped), np.isnan(a.astype(np.float32)))
    assert np.nanmean(mapped) == pytest.approx(0.5, abs=0.01)


def test_without_weights_both_classes_get_equal_weight(tmp_path: Path, run: Run) -> None:
    report, err = report_of(run, write_shard(tmp_path / "s", w=None))
    assert "equal weight" in err
    (tn, fp), (fn, tp) = report["confusion_matrix"]  # type: ignore[misc]
    assert report["weighted_accuracy"] == pytest.approx((tn / (tn + fp) + tp / (tp + fn)) / 2)


def test_without_labels_only_predictions_are_written(tmp_path: Path, run: Run) -> None:
    shards = write_shard(tmp_path / "s", y=None, ids=None)
    ran = run("evaluate", shards)
    assert ran.code == 1
    assert "no labels" in ran.err
    assert "--predictions" in ran.err
    ran = run("evaluate", shards, "--predictions", "-")
    assert ran.code == 0
    assert "predictions only" in ran.err
    header, *rows = ran.out.splitlines()
    assert header == "index\taccessibility\tprobability"
    assert len(rows) == 1200
    ran = run("evaluate", shards, "--predictions", tmp_path / "p.tsv", "--json", tmp_path / "r.json")
    assert ran.code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"]


@pytest.mark.slow
def test_metrics_of_one_class_are_undefined(tmp_path: Path, run: Run) -> None:
    report, _ = report_of(run, write_shard(tmp_path / "s", y=np.zeros(1200, int)))
    assert (report["auroc"], report["average_precision"], report["recall"]) == (None, None, None)
    ran = run("evaluate", tmp_path / "s")
    assert ran.code == 0
    assert "undefined" in ran.out


@pytest.mark.slow
def test_scale_of_a_file_and_identity(tmp_path: Path, run: Run, shards: Path) -> None:
    own, _ = report_of(run, shards)
    read = read_shards(shards)
    assert read.accessibility is not None
    scale = tmp_path / "scale.json"
    scale.write_text(json.dumps(fit_scale(read.accessibility, "").to_dict()))
    given, _ = report_of(run, shards, "--accessibility-scale", scale)
    assert (given.pop("accessibility"), own.pop("accessibility")) == (
        "mapped by the scale given",
        "percentile in these shards",
    )
    assert given == own
    identity, err = report_of(run, shards, "--accessibility-scale", "identity")
    assert identity["accessibility"] == "as given (identity)"
    assert identity["auroc"] != own["auroc"]
    assert "warning" not in err
    few = write_shard(tmp_path / "few", 100, a=np.linspace(0, 30, 100))
    ran = run("evaluate", few)
    assert ran.code == 1
    assert "--accessibility-scale" in ran.err
    assert report_of(run, few, "--accessibility-scale", scale)[0]["n"] == 100
    assert "above 1 is no percentile" in report_of(run, few, "--accessibility-scale", "identity")[1]


@pytest.mark.slow
def test_plots_writes_every_picture(tmp_path: Path, run: Run, shards: Path) -> None:
    pytest.importorskip("matplotlib")
    ran = run("evaluate", shards, "--plots", tmp_path / "plots", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    names = ("roc", "precision_recall", "calibration", "confusion", "scores")
    expected = {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == expected
    assert DEFAULT_MODEL in (tmp_path / "plots" / "roc.svg").read_text()


@pytest.mark.slow
def test_several_folders_are_compared_in_one_table(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("matplotlib")
    folders = [write_shard(tmp_path / cell / "valid", n, seed=n) for cell, n in (("HepG2", 1_200), ("K562", 1_500))]
    table_path, plots = tmp_path / "p.tsv", tmp_path / "plots"
    ran = run("evaluate", *folders, "--json", "-", "--predictions", table_path, "--plots", plots)
    assert ran.code == 0, ran.err
    both = json.loads(ran.out)
    assert both.keys() == {"data"}
    assert [one.pop("path") for one in both["data"]] == list(map(str, folders))
    alone = [report_of(run, folder)[0] for folder in folders]
    assert both["data"] == alone
    table = read_table(table_path)
    assert table["data"] == ["HepG2"] * 1_200 + ["K562"] * 1_500
    assert table["index"] == [*map(str, range(1_200)), *map(str, range(1_500))]
    assert all(name in (plots / "roc.svg").read_text() for name in ("HepG2: AUROC", "K562: AUROC"))
    shown = run("evaluate", *folders)
    for report in alone:
        low, high = report["confidence_intervals"]["auroc"]  # type: ignore[index]
        for text in (f"{report['n']:,}", f"{report['auroc']:.3f}", f"{low:.3f}–{high:.3f}"):
            assert text in shown.out
        for metric in ("precision", "recall", "f1", "mcc", "brier", "average_precision", "weighted_accuracy"):
            assert f"{report[metric]:.3f}" in shown.out
    assert "K562: called bound: " in shown.out
    first, *others = shown.out.splitlines()
    assert (
        first == f"{DEFAULT_MODEL} at threshold 0.5 on CPUExecutionProvider; accessibility: percentile in these shards"
    )
    assert not any(text in line for line in others for text in ("threshold", "Provider", DEFAULT_MODEL, "percentile"))
    assert max(map(len, others)) <= 80


@pytest.mark.slow
def test_facts_that_differ_are_shown_for_each_folder(tmp_path: Path, run: Run) -> None:
    folders = write_shard(tmp_path / "a", 1_200), write_shard(tmp_path / "b", 1_200, a=None)
    shown = run("evaluate", *folders).out
    assert shown.splitlines()[0].endswith(f" bound; {DEFAULT_MODEL} at threshold 0.5 on CPUExecutionProvider")
    assert "a: accessibility: percentile in these shards; called bound: " in shown
    assert "b: accessibility: not available; called bound: " in shown


def test_predictions_leave_cells_empty_where_a_folder_lacks_a_column(tmp_path: Path, run: Run) -> None:
    folders = write_shard(tmp_path / "a", 1_000), write_shard(tmp_path / "b", 1_100, ids=None, y=None, w=None)
    ran = run("evaluate", *folders, "--predictions", "-")
    assert ran.code == 0, ran.err
    lines = [line.split("\t") for line in ran.out.splitlines()]
    assert lines[0] == ["data", "index", "id", "label", "weight", "accessibility", "probability"]
    assert {len(line) for line in lines} == {7}
    assert lines[-1][:5] == ["b", "1099", "", "", ""]
    assert run("evaluate", *folders).code == 1


@pytest.mark.slow
def test_several_models_are_compared_in_one_table(tmp_path: Path, run: Run, shards: Path) -> None:
    other = default_model_path().parents[1] / f"{DEFAULT_MODEL}-mlp"
    ran = run("evaluate", shards, "--model", default_model_path(), "--model", other, "--json", "-")
    assert ran.code == 0, ran.err
    first, second = json.loads(ran.out)["data"]
    assert first["path"] == second["path"] == str(shards)
    assert first["model"]["name"] == DEFAULT_MODEL
    assert second["model"]["name"] == f"{DEFAULT_MODEL}-mlp"
    assert first["auroc"] != second["auroc"]
    shown = run("evaluate", shards, "--model", default_model_path(), "--model", other)
    assert f"{DEFAULT_MODEL}-mlp: called bound: " in shown.out
    first, *others = shown.out.splitlines()
    assert "/shards: 1,200 windows, 239 bound; at threshold 0.5 on CPUExecutionProvider; accessibility: " in first
    assert not any(shards.name in line or "threshold" in line for line in others)
    assert f"{second['recall']:.3f}" in shown.out


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--json", "--predictions", "--plots"])
def test_existing_files_are_kept_without_force(tmp_path: Path, run: Run, shards: Path, option: str) -> None:
    target = tmp_path / "plots" / "roc.png" if option == "--plots" else tmp_path / "out"
    target.parent.mkdir(exist_ok=True)
    target.write_text("mine")
    named = target.parent if option == "--plots" else target
    ran = run("evaluate", shards, option, named)
    assert ran.code == 1
    assert ran.err.startswith(f"jundscan: {target}: exists already; --force")
    assert target.read_text() == "mine"
    assert run("evaluate", shards, option, named, "--force").code == 0
    assert target.read_bytes() != b"mine"


def test_one_file_for_two_outputs_is_a_usage_error(tmp_path: Path, run: Run, shards: Path) -> None:
    ran = run("evaluate", shards, "--json", tmp_path / "x", "--predictions", tmp_path / "x")
    assert ran.code == 2


@pytest.fixture
def shards_of_genome(tmp_path: Path, sequences: dict[str, str]) -> Path:
    """Write shards of every third window of the genome, also with unknown bases. Every tenth id is empty."""
    rows, ids = [], []
    for chrom, text in sequences.items():
        codes = encode(text.encode())
        for start in range(0, len(codes) - 100, 3):
            rows.append(codes[start : start + 101])
            ids.append("" if len(ids) % 10 == 0 else f"{chrom.removeprefix('chr')}:{start}-{start + 101}")
    rng = np.random.default_rng(0)
    y, a = (rng.random(len(rows)) < 0.2).astype(int), rng.random(len(rows)).astype(np.float32)
    write_shards(tmp_path / "placed", 0, one_hot(np.stack(rows)), y=y, a=a, ids=np.array(ids))
    return tmp_path / "placed"


def known_windows(folder: Path, sequences: dict[str, str]) -> int:
    ids = read_shards(folder).ids
    assert ids is not None
    places = [text.replace("-", ":").split(":") for text in ids.tolist() if text]
    windows = [sequences[f"chr{chrom}"][int(start) : int(end)] for chrom, start, end in places]
    return sum(set(window) <= set("ACGTacgt") for window in windows)


@pytest.mark.slow
def test_report_counts_known_surroundings(
    run: Run, shards_of_genome: Path, genome: Path, track: Path, sequences: dict[str, str], model: Model, tmp_path: Path
) -> None:
    known = known_windows(shards_of_genome, sequences) if model.metadata.sees_neighbourhood else 0
    windows = len(read_shards(shards_of_genome).codes)
    sentence = f"The surroundings of {known:,} of {windows:,} windows are known."
    modes: dict[str, tuple[object, ...]] = {
        "percentile in these shards": (),
        "percentile in the track": ("--accessibility", track),
        "not available": ("--no-accessibility",),
    }
    for mode, options in modes.items():
        report, err = report_of(run, shards_of_genome, "--genome", genome, *options)
        assert report["neighbourhood"] == {"windows": windows, "known": known}
        assert report["accessibility"] == mode
        assert ("sees nothing beyond a window" in err) != model.metadata.sees_neighbourhood
        shown = run("evaluate", shards_of_genome, "--genome", genome, *options).out
        assert (sentence in shown) == model.metadata.sees_neighbourhood
    both, _ = report_of(run, shards_of_genome, shards_of_genome, "--genome", genome, "--accessibility", track)
    assert [one["neighbourhood"]["known"] for one in both["data"]] == [known] * 2  # type: ignore[attr-defined]
    page = tmp_path / "page.html"
    assert run("evaluate", shards_of_genome, "--genome", genome, "--report", page).code == 0
    assert ("surroundings known" in page.read_text()) == model.metadata.sees_neighbourhood
    assert (f'data-key="neighbourhood.known" value="{known}"' in page.read_text()) == model.metadata.sees_neighbourhood


@pytest.mark.slow
def test_surroundings_change_predictions(
    run: Run, shards_of_genome: Path, genome: Path, track: Path, tmp_path: Path, model: Model
) -> None:
    tables = []
    for number, options in enumerate(((), ("--genome", genome), ("--genome", genome, "--accessibility", track))):
        path = tmp_path / f"{number}.tsv"
        assert run("evaluate", shards_of_genome, *options, "--predictions", path).code == 0
        tables.append(read_table(path))
    alone, around, tracked = (np.array(table["probability"], float) for table in tables)
    assert (alone != around).any() == (model.flank > 0)
    assert (around != tracked).any()
    assert tables[0]["accessibility"] == tables[1]["accessibility"] != tables[2]["accessibility"]
    on_chr3 = np.array([text.startswith("3:") for text in tables[0]["id"]])
    assert set(np.array(tables[2]["accessibility"])[on_chr3]) == {"0.0"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--accessibility", "track.bedgraph"), "needs --genome FASTA, which the windows come from"),
        (("--alias", "names.txt"), "needs --genome FASTA"),
        (("--genome", "genome.fa", "--accessibility", "track.bedgraph", "--no-accessibility"), "contradicts"),
        (("--genome", "genome.fa", "--json", "genome.fa", "--force"), "is an input of this run"),
        (("--genome", "genome.fa", "--bed-value", "sum"), "bed-value"),
    ],
)
def test_options_that_need_a_genome(
    run: Run,
    shards_of_genome: Path,
    genome: Path,
    track: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(genome.parent)
    ran = run("evaluate", shards_of_genome, *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert message in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("chr1:7", "id of row 0 (counted from 0): 'chr1:7' is not the position of a window"),
        ("chr1:0-102", "is 102 bases long"),
        ("chr1:5900-6001", "reaches beyond its chromosome, of 6,000 bases"),
        ("chr9:0-101", "no chromosome in common: the ids name chr9, while"),
        ("chr2:1900-2001", "1,200 of 1,200 windows (such as chr2:1900-2001) differ from"),
    ],
)
def test_ids_that_do_not_fit_the_genome_are_an_error(
    run: Run, tmp_path: Path, genome: Path, ids: str, message: str
) -> None:
    rows = np.random.default_rng(0).integers(0, 4, (1200, 101)).astype(np.uint8)
    shards = tmp_path / "s"
    write_shards(shards, 0, one_hot(rows), y=np.arange(1200) % 2, ids=np.array([ids] * 1200))
    ran = run("evaluate", shards, "--genome", genome)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith(f"jundscan: {shards}: ")
    assert message in ran.err
    assert run("evaluate", shards).code == 0


@pytest.mark.slow
def test_shards_without_ids_are_scored_alone(run: Run, tmp_path: Path, genome: Path, track: Path) -> None:
    shards = write_shard(tmp_path / "s", ids=None)
    report, err = report_of(run, shards, "--genome", genome)
    assert err.count("warning") == 1
    assert "no ids (shard-K-ids.joblib)" in err
    assert [one["code"] for one in report.pop("warnings")] == ["no_ids"]  # type: ignore[attr-defined]
    alone = report_of(run, shards)[0]
    assert alone.pop("warnings") == []
    assert report == alone
    empty = write_shard(tmp_path / "empty", ids=np.array([""] * 1200))
    report, err = report_of(run, empty, "--genome", genome, "--accessibility", track)
    assert report["neighbourhood"]["known"] == 0  # type: ignore[index]


@pytest.mark.slow
def test_aliases_name_the_chromosomes_of_ids(run: Run, shards_of_genome: Path, genome: Path, track: Path) -> None:
    shards = read_shards(shards_of_genome)
    assert shards.ids is not None
    aliases = genome.parent / "names.txt"
    aliases.write_text("".join(f"chr{number}\tNC_{number}\n" for number in (1, 2, 3)))
    ids = np.array([f"NC_{text}" if text else "" for text in shards.ids.tolist()])
    write_shards(genome.parent / "renamed", 0, one_hot(shards.codes), y=shards.labels, a=shards.accessibility, ids=ids)
    options = ("--genome", genome, "--accessibility", track)
    report, _ = report_of(run, genome.parent / "renamed", *options, "--alias", aliases)
    assert report == report_of(run, shards_of_genome, *options)[0]
    assert run("evaluate", genome.parent / "renamed", *options).code == 1


@pytest.mark.slow
@pytest.mark.data
def test_real_windows_have_known_surroundings(run: Run, data_folder: Path, model: Model) -> None:
    options = ("--genome", data_folder / "genome" / "hg19.chr22.partial.fa.gz")
    folders = [data_folder / cell / "valid_dataset" for cell in ("HepG2", "HeLa-S3")]
    report, err = report_of(run, *folders, *options)
    assert "warning" not in err
    for one in report["data"]:  # type: ignore[attr-defined]
        assert 24_000 * model.metadata.sees_neighbourhood <= one["neighbourhood"]["known"] <= 34_527
    part = data_folder / "genome" / "hg19.22_1-22000000.fa.gz"
    ran = run("evaluate", folders[0], "--genome", part)
    assert ran.code == 1
    assert "reaches beyond its chromosome, of 22,000,000 bases" in ran.err


@pytest.mark.slow
@pytest.mark.data
def test_exported_metrics_equal_evaluate(run: Run, data_folder: Path) -> None:
    for family in (DEFAULT_MODEL, *(f"{DEFAULT_MODEL}-{network}" for network in ("mlp", "cnn", "lstm"))):
        folder = default_model_path().parents[1] / family
        exported = json.loads((folder / "metrics.json").read_text())
        exported = exported.get("window_with_accessibility", exported)  # bare shards do not tell what lies around
        report, _ = report_of(run, data_folder / "HepG2" / "valid_dataset", "--model", folder)
        for name in KEYS - {
            "confidence_intervals",
            "model",
            "provider",
            "accessibility",
            "confusion_matrix",
            "neighbourhood",
            "warnings",
        }:
            assert report[name] == pytest.approx(exported[name], abs=5e-5), (family, name)


@pytest.mark.slow
@pytest.mark.data
def test_real_windows_of_another_assay_are_scored(run: Run, data_folder: Path) -> None:
    report, _ = report_of(run, data_folder / "K562" / "valid_dataset")
    assert report["n"] > 10_000
