"""``python -m train`` makes model folders from data, and prints errors as one line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import jundscan
import train.__main__
import train.config
from jundscan.io.shards import read_shards
from jundscan.model.metadata import MODES, WINDOW_MODES
from jundscan.model.sites import site_kinds
from tests.train.conftest import (
    FAMILIES,
    QUICK_PARITY,
    RunTrain,
    SmallGenome,
    make_windows,
    quick_fit,
    tiny,
    write_part,
)
from tests.train.test_report import EXPORTED, PICTURES
from train.cards.report import PAGE_MARKERS, README_MARKERS, readme_block
from train.config import Candidate
from train.export.publish import export_all
from train.fitting import motif_choice, motif_discovery
from train.fitting.select import SELECTED_BY
from train.networks.motifs import fetch_motifs


def few_candidates(seed: int, knows_neighbourhood: bool) -> list[Candidate]:
    kinds = ("mlp", "around", "lstm") if knows_neighbourhood else FAMILIES
    recipe = quick_fit(epochs=1, seed=seed, withhold_around=0.5 if knows_neighbourhood else 0.0)
    return [Candidate(tiny(kind), recipe) for kind in kinds]


@pytest.fixture
def run(run_train: RunTrain, monkeypatch: pytest.MonkeyPatch) -> RunTrain:
    """Call the program with few and small candidates."""
    for module in (train.config, train.__main__):
        monkeypatch.setattr(module, "candidates", few_candidates)
    monkeypatch.setattr(train.__main__, "export_all", partial(export_all, parity=QUICK_PARITY))
    monkeypatch.setattr(motif_discovery, "STEPS", 3)  # a choice of motifs then takes a tenth of a second
    monkeypatch.setattr(motif_choice, "vertebrate_motifs", fetch_motifs)
    return run_train


def leave_out_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write cards without pictures, which take four fifths of a small run. One test below draws all of them."""
    for name in ("_draw", "draw_curves"):
        monkeypatch.setattr(f"train.cards.report.{name}", lambda *_, **__: [])


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_pictures(monkeypatch)


def test_run_fits_selects_and_exports(
    run: RunTrain, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, runs = tmp_path / "exported", tmp_path / "runs"
    code, stdout, _ = run("run", "--data", data_folder, "--out", out, "--runs", runs, "--assembly", "made-up")
    assert code == 0
    names = ["jund-2", *(f"jund-2-{family}" for family in FAMILIES)]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "training.json"])
    models = {name: jundscan.load_model(out / name, "cpu") for name in names}
    for name in names:
        pictures = PICTURES if name == "jund-2" else ()
        files = {path.name for path in (out / name).iterdir()}
        curves = {"learning_curves.png", "learning_curves.svg"}
        assert files == {"model.onnx", "metrics.json", "README.md", *pictures, *curves}
        card = (out / name / "README.md").read_text()
        assert "TinyCells (" in card
        assert "made-up" in card
        assert card.count("![") == len(pictures) + 1
        assert "![learning curves](learning_curves.png)" in card
        assert models[name].metadata.name == name
        assert models[name].metadata.assembly == "made-up"
        assert models[name].metadata.cell_types == ("TinyCells",)
        assert str(out / name) in stdout
    record = json.loads((out / "training.json").read_text())
    assert record["selected_by"] == SELECTED_BY
    assert list(record["best_of_family"]) == list(FAMILIES)
    scores = {
        key: one["validation"]["with_accessibility"]["weighted_accuracy"] for key, one in record["candidates"].items()
    }
    assert scores[record["selected"]] == max(scores.values())
    family = record["selected"].partition("-")[0]
    assert models["jund-2"].metadata.family == family
    best, default = (json.loads((out / name / "metrics.json").read_text()) for name in (f"jund-2-{family}", "jund-2"))
    assert best["weighted_accuracy"] == default["weighted_accuracy"]

    code, stdout, _ = run("select", "--runs", runs)
    assert code == 0
    lines = stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(FAMILIES)
    label = record["candidates"][record["selected"]]["label"]
    assert [line.split("\t")[1] for line in lines if "<- best" in line] == [label]
    assert f"| {label} (selected) | 1 | validation | " in (out / "jund-2" / "README.md").read_text()

    again = tmp_path / "again"
    code, _, _ = run("export", "--data", data_folder, "--out", again, "--runs", runs, "--assembly", "made-up")
    assert code == 0
    for name in names:
        for file in ("model.onnx", "README.md"):
            assert (again / name / file).read_bytes() == (out / name / file).read_bytes()

    leave_out_pictures(monkeypatch)
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(["# Mine", *README_MARKERS, ""]))
    code, stdout, _ = run("report", "--data", data_folder, "--out", out, "--readme", readme)
    assert code == 0
    assert stdout.splitlines()[0] == str(readme)
    assert readme.read_text() == f"# Mine\n{readme_block(out)}\n"
    readme.write_text("# Mine\n")
    code, _, err = run("report", "--data", data_folder, "--out", out, "--readme", readme)
    assert (code, err.count("\n")) == (1, 1)
    assert readme.read_text() == "# Mine\n"


@pytest.mark.usefixtures("without_pictures")
def test_a_model_of_another_factor_is_named_after_it(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "models"
    fitted = run("run", "--data", data_folder, "--out", out, "--runs", runs, "--factor", "NKX2-5")
    assert fitted[0] == 0, fitted[2]
    names = ["nkx2-5", *(f"nkx2-5-{family}" for family in FAMILIES)]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "training.json"])
    for name in names:
        metadata = jundscan.load_model(out / name, "cpu").metadata
        assert (metadata.name, metadata.factor, metadata.version) == (name, "NKX2-5", "1.0.0")
        assert 1 <= len(site_kinds(metadata)) <= 4
        assert not {"AP-1", "CRE"} & set(site_kinds(metadata))
        card = (out / name / "README.md").read_text()
        assert f"# {name} 1.0.0\n" in card
        assert "predicts whether NKX2-5 binds a window" in card
        assert "JUND" not in card.partition("## What the first layer")[0]  # whose motifs have names of their own
    readme = tmp_path / "README.md"
    readme.write_text("\n".join([PAGE_MARKERS[0], PAGE_MARKERS[1], ""]))
    assert run("report", "--data", data_folder, "--out", out, "--readme", readme)[0] == 0
    page = readme.read_text()
    assert all(f"| `{name}` (" in page for name in names)
    assert "public result" not in page

    export = ["export", "--data", data_folder, "--out", out, "--runs", runs, "--factor", "NKX2-5"]
    assert run(*export, "--name", "heart", "--model-version", "3.0.0")[0] == 0
    metadata = jundscan.load_model(out / "heart", "cpu").metadata
    assert (metadata.name, metadata.factor, metadata.version) == ("heart", "NKX2-5", "3.0.0")
    assert json.loads((out / "training.json").read_text())["name"] == "heart"
    for option, word in (("--factor", "two words"), ("--name", "../x"), ("--name", "a/b"), ("--factor", "")):
        code, _, err = run(*export, option, word)
        assert (code, err.count("\n")) == (1, 1)
        assert err.startswith(f"train: {option} {word!r}: must be 1 to 50 letters")


@pytest.mark.usefixtures("without_pictures")
def test_run_exports_a_model_that_sees_the_neighbourhood(
    run: RunTrain, small_genome: SmallGenome, tmp_path: Path
) -> None:
    """Genome, peaks and track give a model that is calibrated in four modes."""
    data, out, runs = tmp_path / "MyFactor", tmp_path / "exported", tmp_path / "runs"
    command = ["shards", small_genome.fasta, "--peaks", small_genome.bed, "--accessibility", small_genome.track]
    command += ["--out", data, "--block-bases", 5_000, "--valid", 0.3, "--stride", 25, "--assembly", "made-up"]
    assert run(*command)[0] == 0
    code, _, err = run("run", "--data", data, "--out", out, "--runs", runs)
    assert code == 0, err
    assert "on the validation windows instead of blocks: " in err  # the data are too small for blocked folds
    model = jundscan.load_model(out / "jund-2-cnn", "cpu")
    assert (model.flank, model.widths) == (tiny("around").flank, tiny("around").accessibility_widths)
    assert model.metadata.assembly == "made-up"
    assert list(model.metadata.tables) == [*MODES, *WINDOW_MODES]
    assert model.metadata.validation.keys() == model.metadata.tables.keys()
    metrics = json.loads((out / "jund-2-cnn" / "metrics.json").read_text())
    assert metrics["neighbourhood"]["known"] > 0
    assert metrics["window_with_accessibility"]["neighbourhood"]["known"] == 0
    card = (out / "jund-2-cnn" / "README.md").read_text()
    assert "It sees 100 bases to each side of a window, and mean accessibility over 101, 301, 601 bases" in card
    assert "Use the metrics on held-out blocks" in card
    assert jundscan.load_model(out / "jund-2-mlp", "cpu").flank == 0

    code, _, err = run("fit", "mlp", "--data", data, "--genome", small_genome.fasta, "--genome", "b.fa", "--runs", runs)
    assert code == 2
    assert "2 for 1 --data" in err
    other = small_genome.fasta.with_name("other.fa")
    other.write_text(">chrX\n" + "ACGT" * 100 + "\n")
    code, stdout, err = run("fit", "mlp", "--data", data, "--genome", other, "--runs", tmp_path / "none")
    assert (code, stdout) == (1, "")
    assert "no chromosome in common" in err.splitlines()[-1]


def test_fit_of_one_family_can_be_selected(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    code, _, _ = run("fit", "mlp", "--data", data_folder, "--runs", tmp_path)
    assert code == 0
    code, stdout, _ = run("select", "--runs", tmp_path)
    assert code == 0
    assert [line.split("\t")[0] for line in stdout.splitlines()] == ["mlp"]


KNOBS = ["--hidden", 12, "--filters", 16, "--dropout", 0.25, "--learning-rate", 0.01, "--epochs", 2, "--batch", 64]


@pytest.mark.usefixtures("without_pictures")
def test_options_reach_the_fit_and_its_export(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    code, stdout, err = run("fit", "cnn", "--data", data_folder, "--runs", runs, *KNOBS)
    assert code == 0, err
    assert re.search(r"cnn\S+: epoch 1 of 2, loss .*; (about \d+|a few) seconds left for all candidates", err)
    (path,) = runs.glob("*/candidate.json")
    record = json.loads(path.read_text())
    label = record["label"]
    assert label == "cnn-state8-hidden12-dropout0.25-epochs2-steps10-batch64-lr0.01-shifted0.0"
    assert stdout.splitlines() == [str(runs / f"{label}.{ending}") for ending in ("png", "svg")]
    assert (record["network"]["hidden"], record["network"]["dropout"]) == (12, 0.25)
    assert (record["fit"]["learning_rate"], record["fit"]["epochs"], record["fit"]["batch"]) == (0.01, 2, 64)
    weights = torch.load(path.with_name("checkpoint.pt"))["best"]
    assert weights["head.last.weight"].shape == (1, 12)

    code, stdout, _ = run("select", "--runs", runs)
    assert (code, stdout.split("\t")[:2]) == (0, ["cnn", label])
    code, _, err = run("export", "--data", data_folder, "--runs", runs, "--out", out)
    assert code == 0, err
    (exported,) = json.loads((out / "training.json").read_text())["candidates"].values()
    assert exported["label"] == label
    for arguments in (["--training", out / "training.json"], ["--runs", runs]):
        code, stdout, err = run("curves", *arguments, "--out", tmp_path / "mine.svg")
        assert (code, stdout) == (0, f"{tmp_path / 'mine.svg'}\n"), err
        assert (tmp_path / "mine.svg").read_text().count(">validation<") == 1


@pytest.mark.usefixtures("without_pictures")
def test_families_and_a_file_choose_what_run_fits(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    code, _, err = run("run", "--data", data_folder, "--runs", tmp_path / "a", "--out", tmp_path / "b",
                       "--families", "mlp,lstm")  # fmt: skip
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "b").glob("jund-*")) == ["jund-2", "jund-2-lstm", "jund-2-mlp"]
    file = tmp_path / "mine.toml"
    file.write_text('[small]\nfamily = "cnn"\nhidden = 8\nepochs = 1\nsteps = 5\nbatch = 64\n')
    command = ["run", "--data", data_folder, "--runs", tmp_path / "c", "--out", tmp_path / "d", "--candidates", file]
    code, _, err = run(*command)
    assert code == 0, err
    (one,) = json.loads((tmp_path / "d" / "training.json").read_text())["candidates"].values()
    assert one["label"] == "cnn-hidden8-epochs1-steps5-batch64"


@pytest.mark.usefixtures("without_pictures")
def test_quick_fits_the_cnn_and_calibrates_on_validation(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "run", "--quick", "--epochs", 1, "--data", data_folder, "--runs", tmp_path / "a", "--out", tmp_path / "b"
    )
    assert code == 0, err
    assert "--quick: selecting and calibrating on the validation windows instead of blocks" in err
    record = json.loads((tmp_path / "b" / "training.json").read_text())
    assert list(record["best_of_family"]) == ["cnn"]
    assert len(record["candidates"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--filters", 17], "Invalid value for --filters: expected int that's a multiple of 16, got 17; ONNX"),
        (["run", "--dropout", 1], "Invalid value for --dropout: expected float < 1.0, got 1.0"),
        (["run", "--batch", 2], "Invalid value for --batch: 2 windows are too few"),
        (["run", "--families", "mlp,rnn"], "Invalid value for --families: rnn: no such family"),
        (["fit", "cnn", "--candidates", "x.toml", "--hidden", 8], "--candidates: the file holds every setting"),
        (["curves", "--out", "x.txt"], "x.txt: the name ends with neither .png nor .svg"),
        (["run", "--candidates", "x.toml", "--quick"], "every setting; leave out --quick"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    run: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, stdout, err = run(*arguments, *([] if arguments[0] == "curves" else ["--data", "nowhere"]))
    assert (code, stdout) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["run", "fit", "select", "export", "curves"])
def test_help_is_in_groups_and_fits_80_columns(run: RunTrain, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, stdout, _ = run(command, "--help")
    assert code == 0
    assert max(map(len, stdout.splitlines())) <= 80
    panels = re.findall(r"╭─ ([\w ]+?) ─", stdout)
    assert "Options" not in panels
    assert panels[-1] == "Outputs"
    if command in ("run", "fit"):
        assert [one for one in panels if one != "Arguments"][:4] == ["Data", "Networks", "Fitting", "Computing"]


def test_ctrl_c_prints_how_to_continue_and_exits_with_130(
    run: RunTrain, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.__main__, "fit_candidates", interrupted)
    code, stdout, err = run("run", "--data", data_folder, "--out", tmp_path / "out", "--runs", tmp_path / "runs")
    assert (code, stdout) == (130, "")
    assert err.splitlines()[-1].startswith("interrupted; run the same command to continue")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--data", "nowhere"], "nowhere/train_dataset: "),
        (["fit", "rnn", "--data", "nowhere"], "rnn: no such family; choose from mlp, cnn, lstm"),
        (
            ["select", "--runs", "nowhere"],
            "nowhere: no fitted candidate for seed 0; run: python -m train run --data DIR",
        ),
        (["shards", "nowhere.fa", "--peaks", "nowhere.bed", "--out", "out"], "nowhere.fa: "),
        (["fit", "cnn", "--data", "nowhere", "--device", "abacus"], "--device abacus: "),
        (["report", "--data", "nowhere", "--out", "nowhere"], "nowhere/training.json: "),
        (["run", "--data", "nowhere", "--candidates", "nowhere.toml"], "nowhere.toml: No such file"),
        (["curves", "--training", "nowhere.json"], "nowhere.json: No such file"),
        (["report", "--data", "nowhere", "--out", EXPORTED, "--readme", "nowhere.md"], "nowhere.md: "),
        (["report", "--data", "nowhere", "--out", EXPORTED], "nowhere/valid_dataset: "),
    ],
)
def test_errors_are_one_line(
    run: RunTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, stdout, err = run(*arguments)
    assert (code, stdout) == (1, "")
    assert err.startswith(f"train: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_checkpoints_of_other_data_are_an_error(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    write_part(tmp_path / "Other" / "train_dataset", make_windows(1200, seed=71))
    write_part(tmp_path / "Other" / "valid_dataset", make_windows(1000, seed=72))
    assert run("fit", "mlp", "--data", data_folder, "--runs", tmp_path / "runs")[0] == 0
    assert run("fit", "mlp", "--data", data_folder, "--runs", tmp_path / "runs")[0] == 0
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "runs").rglob("*"))
    for command in (("fit", "mlp"), ("run", "--out", tmp_path / "out"), ("export", "--out", tmp_path / "out")):
        code, stdout, err = run(*command, "--data", tmp_path / "Other", "--runs", tmp_path / "runs")
        assert (code, stdout) == (1, "")
        assert err.startswith(f"train: {tmp_path / 'runs'}: holds fits on other data (TinyCells)")
    assert not (tmp_path / "out").exists()
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "runs").rglob("*")) == before


def test_checkpoints_without_data_json_are_an_error(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    assert run("fit", "mlp", "--data", data_folder, "--runs", tmp_path)[0] == 0
    (tmp_path / "data.json").unlink()
    code, stdout, err = run("fit", "mlp", "--data", data_folder, "--runs", tmp_path)
    assert (code, stdout, err.count("\n")) == (1, "", 1)
    assert "has checkpoints but no data.json" in err


def test_damaged_checkpoint_is_a_one_line_error(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    assert run("fit", "mlp", "--data", data_folder, "--runs", tmp_path)[0] == 0
    (checkpoint,) = tmp_path.glob("*/checkpoint.pt")
    for content in (b"damaged", checkpoint.read_bytes()[:1000]):
        checkpoint.write_bytes(content)
        code, stdout, err = run("select", "--runs", tmp_path)
        assert (code, stdout) == (1, "")
        assert err.startswith(f"train: {checkpoint}: not a complete checkpoint (")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"labels": np.zeros(1000, np.int8)},
            "valid_dataset: 0 bound and 1000 unbound windows; training needs at least 1 and 500",
        ),
        (
            {"labels": np.ones(1000, np.int8)},
            "valid_dataset: 1000 bound and 0 unbound windows; training needs at least 1 and 500",
        ),
        ({"accessibility": np.zeros(1000, np.float32)}, "too few to find the accessibility scale"),
        ({"ids": np.array(["chr1 5"] * 1000)}, "'chr1 5' is not the position of a window"),
    ],
    ids=("unbound", "bound", "closed", "ids"),
)
def test_data_that_cannot_be_fitted_are_a_one_line_error(
    run: RunTrain, tmp_path: Path, change: dict[str, np.ndarray], message: str
) -> None:
    write_part(tmp_path / "train_dataset", make_windows(1200, seed=81))
    write_part(tmp_path / "valid_dataset", replace(make_windows(1000, seed=82), **change))
    code, stdout, err = run("fit", "mlp", "--data", tmp_path, "--runs", tmp_path / "runs")
    assert (code, stdout, err.count("\n")) == (1, "", 1)
    assert message in err
    assert "--accessibility-scale" not in err
    assert not (tmp_path / "runs").exists()


def test_usage_errors_exit_with_2(run: RunTrain) -> None:
    assert run("shards", "genome.fa")[0] == 2
    assert run("run", "--no-such-option")[0] == 2


def test_shards_writes_three_parts_and_counts_windows(run: RunTrain, small_genome: SmallGenome, tmp_path: Path) -> None:
    out = tmp_path / "MyFactor"
    command = ["shards", small_genome.fasta, "--peaks", small_genome.bed, "--accessibility", small_genome.track]
    command += ["--out", out, "--block-bases", 5_000, "--valid", 0.2, "--test", 0.2, "--stride", 50]
    code, stdout, err = run(*command)
    assert code == 0
    assert "of 3 chromosomes to scan, 1 missing from the track (chr3), 16.6% of the bases; counted as closed" in err
    lines = stdout.splitlines()
    for part, line in zip(("train_dataset", "valid_dataset", "test_dataset"), lines, strict=False):
        shards = read_shards(out / part)
        assert shards.labels is not None
        assert line == f"{out / part}: {len(shards.labels):,} windows, {shards.labels.sum():,} bound, shards: 1"
    assert lines[3].startswith("left out: ")

    code, _, err = run(*command)
    assert code == 1
    assert err.splitlines()[-1] == (
        f"train: {out / 'train_dataset'}: exists already; choose another --out, or --force to replace its shards"
    )
    code, stdout, _ = run(*command[:6], "--out", out, "--force", "--valid-chrom", "chr2")
    assert code == 0
    assert not (out / "test_dataset").exists()
    assert len(stdout.splitlines()) == 3


def test_shards_of_peaks_of_a_part_need_everywhere(run: RunTrain, small_genome: SmallGenome, tmp_path: Path) -> None:
    bed = tmp_path / "part.bed"
    bed.write_text("".join(f"chr2\t{start}\t{start + 150}\n" for start in range(0, 6_000, 500)))
    command = ["shards", small_genome.fasta, "--peaks", bed, "--out", tmp_path / "made", "--block-bases", 500]
    code, _, err = run(*command)
    assert code == 1
    assert re.search(rf"train: The peaks of {bed} span 5\.[0-9] kb of the 119\.0 kb that windows come from\.", err)
    assert err.splitlines()[-1].endswith("give --everywhere.")
    assert run(*command, "--region", "chr2:0-8000", "--valid", 0.5, "--test", 0)[0] == 0
    assert run(*command, "--everywhere", "--valid", 0.5, "--test", 0, "--force")[0] == 0


def test_shards_help_has_an_example(run: RunTrain) -> None:
    code, stdout, _ = run("shards", "--help")
    assert code == 0
    assert "Example: python -m train shards" in " ".join(stdout.split())


@pytest.mark.usefixtures("without_pictures")
def test_motifs_are_recorded_and_bound_to_their_checkpoints(run: RunTrain, data_folder: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fit = ("fit", "cnn", "--data", data_folder, "--runs", runs)
    code, _, err = run(*fit, "--motifs", "MA9999.9")
    assert (code, err.count("\n")) == (1, 1)
    assert not runs.exists()
    assert run(*fit)[0] == 0
    motifs = json.loads((runs / "motifs.json").read_text())
    assert (motifs["choice"], len(motifs["starts"])) == ("auto", 16)
    code, _, err = run(*fit, "--motifs", "jund")
    assert (code, err.count("\n")) == (1, 1)
    assert "give --motifs auto, or another folder with --runs" in err
    out = tmp_path / "exported"
    assert run("export", "--data", data_folder, "--runs", runs, "--out", out)[0] == 0
    assert json.loads((out / "training.json").read_text())["motifs"] == motifs
    card = (out / "jund-2" / "README.md").read_text()
    assert "Motifs were chosen by `--motifs` auto." in card
    assert all(f"| {one['name']} |" in card for one in motifs["starts"])
    assert "chosen again without its windows" in card
    assert "HepG2" not in card
