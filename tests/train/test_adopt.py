"""A user's own torch network becomes a model that predicts as torch does, or one line says why not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import jundscan
from jundscan.accessibility.scale import fit_scale
from jundscan.errors import InputError, JundscanError, OutputError
from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.io.shards import read_shards
from jundscan.model.reference_scores import largest_difference
from tests.conftest import Run, real_data
from tests.helpers.pages import EXAMPLES, ROOT
from tests.train.conftest import QUICK_PARITY, RunTrain, make_windows, write_part
from train.adopt import command, fit
from train.adopt.command import GIVEN_WEIGHTS, adopt
from train.adopt.graph import build_adopted_graph, check_graph
from train.adopt.network import MAX_CALL_WINDOWS, AdoptedNetwork, NetworkSource, windows_per_call
from train.comparison.crossval import SOURCE
from train.data.dataset import Windows

NETWORKS = EXAMPLES / "networks"
HEAD = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n"
SEQUENCE_ALONE = """
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(404, 1)

    def forward(self, X):
        return self.layer(X.flatten(1)).squeeze(1)
"""
UNUSED = SEQUENCE_ALONE.replace("forward(self, X)", "forward(self, X, a)")
CODES = """
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(5, 3)
        self.layer = nn.Linear(304, 1)

    def forward(self, X, a):
        return self.layer(torch.cat([self.letters(X.long()).flatten(1), a], dim=1))
"""
BODY = """
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(405, 1)
        self.norm = nn.BatchNorm1d(405, track_running_stats={tracked})

    def forward(self, X, a):
        values = torch.cat([X.flatten(1), a], dim=1)
        return {result}
"""


def body(result: str, tracked: bool = True) -> str:
    """Return a network with another result."""
    return BODY.format(result=result, tracked=tracked)


PLAIN = body("self.layer(values)")


@pytest.fixture(autouse=True)
def quick_parity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PARITY", QUICK_PARITY)


def own_file(folder: Path, code: str) -> Path:
    path = folder / "own.py"
    path.write_text(HEAD + code)
    return path


def random_weights(file: Path, name: str, path: Path) -> torch.nn.Module:
    """Write weights with which scores differ between windows. Return the user's network with them."""
    own = NetworkSource(file, name).build(seed=1).own
    with torch.no_grad():
        for parameter in own.parameters():
            parameter.mul_(3.0)
    torch.save(own.state_dict(), path)
    return own.eval()


@torch.no_grad()
def by_hand(own: torch.nn.Module, codes: np.ndarray, accessibility: np.ndarray, missing: float, kind: str) -> Any:
    """Score windows by the user's network alone."""
    seen = torch.from_numpy(codes) if kind == "codes" else torch.from_numpy(np.eye(5, 4, dtype=np.float32)[codes])
    values = np.where(np.isnan(accessibility), np.float32(missing), accessibility).astype(np.float32)
    inputs = (seen,) if kind == "sequence" else (seen, torch.from_numpy(values)[:, None])
    return torch.sigmoid(own(*inputs)).numpy().ravel()


CASES = {
    "mlp": (NETWORKS / "mlp.py", "MLP", "both"),
    "cnn": (NETWORKS / "cnn.py", "CNN", "both"),
    "lstm": (NETWORKS / "lstm.py", "LSTM", "both"),
    "sequence": (SEQUENCE_ALONE, "Own", "sequence"),
    "unused": (UNUSED, "Own", "both"),
    "codes": (CODES, "Own", "codes"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_adopted_model_scores_windows_and_rows_as_torch_does(case: str, data_folder: Path, tmp_path: Path) -> None:
    code, name, kind = CASES[case]
    file = code if isinstance(code, Path) else own_file(tmp_path, code)
    own = random_weights(file, name, tmp_path / "own.pt")
    takes = "codes" if kind == "codes" else "one-hot"
    adopt(f"{file}:{name}", data_folder, tmp_path / "model", tmp_path / "own.pt", takes=takes, missing=0.25)
    model = jundscan.load_model(tmp_path / "model", "cpu")
    assert [value.name for value in model.session.get_inputs()] == ["sequence", "accessibility", "stride"]
    rng = np.random.default_rng(5)
    sequence = rng.integers(0, 4, 3_001, dtype=np.uint8)
    sequence[rng.random(len(sequence)) < 0.01] = 4
    for stride in (1, 7, 101, 150):
        windows = np.lib.stride_tricks.sliding_window_view(sequence, 101)[::stride].copy()
        values = rng.random(len(windows)).astype(np.float32)
        values[::5] = np.nan
        expected = by_hand(own, windows, values, 0.25, kind)
        np.testing.assert_allclose(model.slide(sequence, values, stride), expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(model.predict(windows, values), expected, rtol=0, atol=1e-5)
        assert expected.std() > 1e-3
    expected_scores = model.metadata.self_test
    assert expected_scores is not None
    assert largest_difference(model, expected_scores) <= 1e-6


@pytest.fixture(scope="module")
def adopted(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit and adopt the convolutional network of the examples."""
    folder = tmp_path_factory.mktemp("adopted") / "student-cnn"
    adopt(f"{NETWORKS / 'cnn.py'}:CNN", data_folder, folder, fit=True, epochs=3, steps=40, batch=256, seed=2)
    return folder


def test_a_fitted_network_learns_and_describes_itself(adopted: Path) -> None:
    metadata = jundscan.load_model(adopted, "cpu").metadata
    assert (metadata.name, metadata.version, metadata.family, metadata.seed) == ("student-cnn", "1.0.0", "adopted", 2)
    assert (metadata.cell_types, metadata.assembly, metadata.flank) == (("TinyCells",), "unknown", 0)
    assert metadata.architecture["class"] == "CNN"
    assert metadata.architecture["file"] == "cnn.py"
    assert metadata.calibration_source == "validation windows"
    assert metadata.validation["with_accessibility"]["auroc"] > 0.8
    written = json.loads((adopted / "metrics.json").read_text())
    assert written["torch_onnx_max_difference"] <= 1e-5
    assert written["training"]["fit"]["epochs"] == 3
    assert [entry["epoch"] for entry in written["training"]["curve"]] == [1, 2, 3]
    assert written["training"]["curve"][-1]["loss"] < written["training"]["curve"][0]["loss"]
    weights = torch.load(adopted / "weights.pt", weights_only=True)
    assert weights.keys() == NetworkSource(NETWORKS / "cnn.py", "CNN").build().own.state_dict().keys()
    card = (adopted / "README.md").read_text()
    assert "A network of its user's own (`CNN` of `cnn.py`) that predicts whether JUND binds" in card
    assert "Where accessibility is not available, the network sees 0" in card
    assert "JASPAR" not in card
    assert "All candidates" not in card


def test_thresholds_are_those_of_the_networks_own_scores(adopted: Path, data_folder: Path) -> None:
    model, shards = jundscan.load_model(adopted, "cpu"), read_shards(data_folder / "valid_dataset")
    assert shards.labels is not None
    for mode, withhold in (("with_accessibility", False), ("without_accessibility", True)):
        scores = evaluate_shards(shards, model, withhold_accessibility=withhold).probabilities
        table = model.metadata.tables[mode]
        assert table.default_rule == "fpr 0.002"
        assert (scores[shards.labels == 0] >= np.float32(table.default_threshold)).mean() <= 0.002
        for row in table.rows[::9]:
            called = scores >= np.float32(row.threshold)
            assert row.recall == pytest.approx(called[shards.labels == 1].mean())


def test_every_command_takes_an_adopted_model(
    run: Run, adopted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    genome, track = EXAMPLES / "genome.fa", EXAMPLES / "dnase.bedgraph"
    shutil.copy(genome, tmp_path / "genome.fa")
    common = [tmp_path / "genome.fa", "--accessibility", track, "--model", adopted, "--quiet"]
    region = ["--region", "chrA:2000-4000"]
    for number, arguments in enumerate(
        (
            ["scan", *common, *region, "--threads", "1", "-o", "hits_0.tsv", "--format", "tsv", "--no-header"],
            ["scan", *common, *region, "--threads", "2", "-o", "hits_1.tsv", "--format", "tsv", "--no-header"],
            ["variants", common[0], EXAMPLES / "variants.vcf", *common[1:], "-o", "effects.vcf"],
            ["explain", *common, "--region", "chrA:2000-2150", "-o", "explained"],
            ["evaluate", EXAMPLES / "shards", "--model", adopted, "--json", "report.json", "--quiet"],
            ["info", "--model", adopted],
        )
    ):
        done = run(*arguments)
        assert done.code == 0, (number, done.err)
    assert (tmp_path / "hits_0.tsv").read_bytes() == (tmp_path / "hits_1.tsv").read_bytes()
    assert len((tmp_path / "hits_0.tsv").read_text().splitlines()) > 100
    assert json.loads((tmp_path / "report.json").read_text())["n"] == 1772
    assert "ADOPTED" in done.out


@pytest.fixture(scope="module")
def blocked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a data set whose windows lie in a dozen blocks of a megabase."""
    folder = tmp_path_factory.mktemp("blocked") / "TinyCells"
    for part, seed, first in (("train_dataset", 1, 0), ("valid_dataset", 2, 2_500)):
        starts = (np.arange(1_000) + 0.0).astype(np.int64) * 10_000 + first
        ids = np.array([f"chr1:{start}-{start + 101}" for start in starts])
        write_part(folder / part, replace(make_windows(1_000, seed), ids=ids))
    return folder


def test_blocks_held_out_of_further_fits_calibrate(
    blocked_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_on: list[Windows] = []
    scored: list[Windows] = []

    def spy_fit(source: NetworkSource, train: Windows, *rest: Any) -> Any:
        fitted_on.append(train)
        return fit_adopted(source, train, *rest)

    def spy_score(network: AdoptedNetwork, windows: Windows) -> Any:
        scored.append(windows)
        return score(network, windows)

    fit_adopted, score = fit.fit_adopted, fit.score
    monkeypatch.setattr(fit, "fit_adopted", spy_fit)
    monkeypatch.setattr(fit, "score", spy_score)
    adopt(f"{NETWORKS / 'mlp.py'}:MLP", blocked_folder, tmp_path / "m", fit=True, epochs=1, steps=20, batch=100)
    metadata = jundscan.load_model(tmp_path / "m", "cpu").metadata
    assert metadata.calibration_source == SOURCE
    held_out = scored[-5:]
    assert len(fitted_on) == 5
    assert sum(len(one.labels) for one in held_out) == 2_000
    for train, test in zip(fitted_on, held_out, strict=True):
        assert train.ids is not None
        assert test.ids is not None
        blocks = [{int(name.split(":")[1].split("-")[0]) // 1_000_000 for name in one.ids} for one in (train, test)]
        assert not blocks[0] & blocks[1]
    record = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert set(record["training"]["blocked"]) == {"with_accessibility", "without_accessibility"}
    assert "with accessibility, on held-out blocks" in (tmp_path / "m" / "README.md").read_text()


def test_missing_accessibility_becomes_the_value_asked_for(data_folder: Path, tmp_path: Path) -> None:
    file = own_file(tmp_path, body("self.layer(values) + 3.0 * a"))
    random_weights(file, "Own", tmp_path / "own.pt")
    adopt(f"{file}:Own", data_folder, tmp_path / "model", tmp_path / "own.pt", missing=-1.0)
    model = jundscan.load_model(tmp_path / "model", "cpu")
    nothing, given, closed = model.predict(np.zeros((3, 101), np.uint8), np.array([np.nan, -1.0, 0.0], np.float32))
    assert nothing == given
    assert nothing < closed - 0.1
    assert model.metadata.calibration_source == GIVEN_WEIGHTS
    assert model.metadata.architecture["missing_accessibility"] == -1.0


def test_probabilities_instead_of_logits_are_warned_of(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = own_file(tmp_path, body("torch.sigmoid(self.layer(values))"))
    random_weights(file, "Own", tmp_path / "own.pt")
    adopt(f"{file}:Own", data_folder, tmp_path / "model", tmp_path / "own.pt")
    assert "it must return logits" in capsys.readouterr().err


def test_large_networks_get_fewer_windows_in_a_call(tmp_path: Path) -> None:
    wide = body("self.layer(values)").replace(
        "nn.Linear(405, 1)", "nn.Sequential(nn.Linear(405, {}), nn.Linear({}, 1))"
    )
    calls = []
    for units in (8, 200_000):
        source = NetworkSource(own_file(tmp_path, wide.replace("{}", str(units))), "Own")
        calls.append(windows_per_call(source.build()))
    assert calls[0] == MAX_CALL_WINDOWS
    assert calls[1] == 80  # 2 ** 26 bytes / 800 kB, down to a multiple of 16


BAD = {
    "no class": (PLAIN.replace("class Own", "class Other"), r"own\.py: has no class Own; its networks are Other"),
    "no network": ("class Own:\n    pass\n", r"own\.py:Own: is no subclass of torch\.nn\.Module"),
    "arguments": (PLAIN.replace("__init__(self)", "__init__(self, hidden, depth=2)"), "constructor needs hidden; give"),
    "constructor": (PLAIN.replace("nn.Linear(405", "nn.Linear(-405"), r"its constructor fails \(RuntimeError"),
    "syntax": ("class Own(:\n", r"own\.py: does not run \(SyntaxError: .*, line 6\)"),
    "exit": ("raise SystemExit(3)\n", r"does not run \(SystemExit: 3\)"),
    "import": ("import a_module_that_nobody_has\n", r"does not run \(ModuleNotFoundError"),
    "no parameters": ("class Own(nn.Module):\n    def forward(self, X, a):\n        return a\n", "has no parameters"),
    "three inputs": (PLAIN.replace("(self, X, a)", "(self, X, a, b)"), "forward takes 3 inputs"),
    "other windows": (PLAIN.replace("405", "4001"), r"fails on 9 windows of 101 bases, X float32 \(9, 101, 4\)"),
    "shape": (PLAIN.replace("nn.Linear(405, 1)", "nn.Linear(405, 2)"), r"returns the shape \(9, 2\) for 9 windows"),
    "one number": (body("self.layer(values).mean()"), r"returns the shape \(\) for 9 windows"),
    "squeezed": (body("self.layer(values).squeeze()"), r"returns the shape \(\) for 1 window of"),
    "tuple": (body("self.layer(values), a"), "returns tuple; it must return a tensor"),
    "double": (body("self.layer(values).double()"), "returns float64; it must return float32"),
    "nan": (body("self.layer(values) / 0.0 * 0.0"), "gives NaN or infinite numbers"),
    "dropout": (body("F.dropout(self.layer(values))"), "other scores for the same windows"),
    "other rows": (body("self.layer(self.norm(values))", tracked=False), "depends on the other windows of the batch"),
    "batch size": (body("self.layer(values) + torch.zeros(9, 1)[: len(X)]"), "fails on 36 windows of 101 bases"),
    "operator": (body("self.layer(values) + torch.special.bessel_j0(a)"), "PyTorch cannot export it to ONNX"),
    "branches": (
        body("self.layer(values) if values.sum() > -1.0 else self.layer(-values)"),
        "PyTorch cannot export it to ONNX",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("fitted", [True, False])
def test_a_network_that_cannot_be_adopted_is_named_before_any_work(
    case: str, fitted: bool, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, message = BAD[case]
    file = own_file(tmp_path, code)
    monkeypatch.setattr(command, "fit_adopted", None)  # calling it would be another error
    weights = None
    if not fitted:
        weights = tmp_path / "own.pt"
        try:
            torch.save(NetworkSource(file, "Own").build().own.state_dict(), weights)
        except InputError:  # it cannot even be built
            torch.save({}, weights)
    with pytest.raises(InputError, match=message) as raised:
        adopt(f"{file}:Own", data_folder, tmp_path / "model", weights, fit=fitted)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "model").exists()


def test_a_graph_that_differs_from_torch_is_found_before_the_fit(tmp_path: Path) -> None:
    networks = [NetworkSource(own_file(tmp_path, PLAIN), "Own").build(seed) for seed in (0, 1)]
    graph = build_adopted_graph(networks[0], "own")
    check_graph(graph, networks[0], "own")
    with pytest.raises(InputError, match=r"own: its scores in ONNX differ from those in torch by 0\.\d"):
        check_graph(graph, networks[1], "own")


def test_a_network_that_only_fails_in_training_is_named_before_the_fit(data_folder: Path, tmp_path: Path) -> None:
    file = own_file(tmp_path, body("self.layer(values.detach() if self.training else values).detach()"))
    with pytest.raises(InputError, match=r"cannot be fitted \(RuntimeError"):
        adopt(f"{file}:Own", data_folder, tmp_path / "model", fit=True)


def test_a_loss_that_is_no_number_ends_the_fit(data_folder: Path, tmp_path: Path) -> None:
    file = own_file(tmp_path, PLAIN)
    with pytest.raises(InputError, match="give a lower --learning-rate"):
        adopt(
            f"{file}:Own", data_folder, tmp_path / "model", fit=True, epochs=2, steps=20, batch=50, learning_rate=1e38
        )


def damage_weights(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    torch.save(change(torch.load(path, weights_only=True)), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {**state, "layer.weight": torch.zeros(1, 7)}, "layer.weight is 1 x 7, the network's is 1 x 405"),
        (lambda state: {"layer.bias": state["layer.bias"]}, "layer.weight is missing, and 5 more"),
        (lambda state: {**state, "head.bias": torch.zeros(1)}, "head.bias is not in the network"),
        (lambda state: {"state_dict": state}, "holds no state_dict"),
        (lambda state: Path("a pickled object"), "not the weights of a network"),
        (lambda state: {**state, "layer.bias": torch.tensor([torch.nan])}, "gives NaN or infinite"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    change: Callable[[dict[str, Any]], Any], message: str, data_folder: Path, tmp_path: Path
) -> None:
    file = own_file(tmp_path, PLAIN)
    random_weights(file, "Own", tmp_path / "own.pt")
    damage_weights(tmp_path / "own.pt", change)
    with pytest.raises(InputError, match=message) as raised:
        adopt(f"{file}:Own", data_folder, tmp_path / "model", tmp_path / "own.pt")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("own.py", "give a Python file and a class in it"),
        ("nothing.py:Own", "nothing.py: no such file"),
        ("own.txt:Own", "no Python file; its name must end in .py"),
    ],
)
def test_the_form_of_the_first_argument_is_checked(
    network: str, message: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_file(tmp_path, PLAIN)
    (tmp_path / "own.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        adopt(network, data_folder, tmp_path / "model", fit=True)


@pytest.mark.parametrize("part", ["train_dataset", "valid_dataset"])
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_in_a_part_is_an_error(part: str, label: int, data_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(data_folder, tmp_path / "data")
    shutil.rmtree(folder / part)
    windows = make_windows(1_000, seed=3)
    write_part(folder / part, replace(windows, labels=np.full(1_000, label, np.int8)))
    counts = "1000 bound and 0 unbound" if label else "0 bound and 1000 unbound"
    with pytest.raises(JundscanError, match=f"{part}.*{counts} windows"):
        adopt(f"{NETWORKS / 'mlp.py'}:MLP", folder, tmp_path / "model", fit=True)


def test_a_model_is_replaced_only_if_asked(adopted: Path, data_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(adopted, tmp_path / "model")
    before = (folder / "model.onnx").read_bytes()
    file = own_file(tmp_path, PLAIN)
    random_weights(file, "Own", tmp_path / "own.pt")
    with pytest.raises(OutputError, match="add --force"):
        adopt(f"{file}:Own", data_folder, folder, tmp_path / "own.pt")
    assert (folder / "model.onnx").read_bytes() == before
    adopt(f"{file}:Own", data_folder, folder, tmp_path / "own.pt", force=True)
    assert jundscan.load_model(folder, "cpu").metadata.architecture["class"] == "Own"
    assert not (folder / "weights.pt").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        adopt(f"{file}:Own", data_folder, tmp_path / "file", tmp_path / "own.pt")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "give one of --weights FILE and --fit"),
        (("--fit", "--weights", "own.pt"), 2, "give one of --weights FILE and --fit"),
        (("--fit", "--missing", "nan"), 2, "the network never sees NaN"),
        (("--weights", "own.pt"), 1, "train: own.pt: no such file"),
    ],
)
def test_the_command_line_prints_one_line(
    run_train: RunTrain,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    code: int,
    message: str,
    data_folder: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, _, err = run_train("adopt", f"{NETWORKS / 'mlp.py'}:MLP", "--data", data_folder, "--out", "m", *options)
    assert got == code
    assert message in err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.data
def test_the_notebooks_cnn_evaluates_as_in_torch(tmp_path: Path) -> None:
    """Fit the CNN on few batches of HepG2. `evaluate` must give torch's probabilities for all validation windows."""
    data = real_data() / "HepG2"
    adopt(f"{NETWORKS / 'cnn.py'}:CNN", data, tmp_path / "cnn", fit=True, epochs=1, steps=20)
    table = tmp_path / "predictions.tsv"
    command_line = ["evaluate", data / "valid_dataset", "--model", tmp_path / "cnn", "--predictions", table, "--quiet"]
    subprocess.run([sys.executable, "-m", "jundscan", *command_line], check=True, env={"PYTHONPATH": str(ROOT)})
    header = table.read_text().splitlines()[0].split("\t")
    got = np.loadtxt(table, skiprows=1, usecols=header.index("probability"), dtype=np.float32)
    shards = read_shards(data / "valid_dataset")
    assert shards.labels is not None
    assert shards.accessibility is not None
    own = NetworkSource(NETWORKS / "cnn.py", "CNN", weights=tmp_path / "cnn" / "weights.pt").build().own
    percentiles = fit_scale(shards.accessibility, "here").apply(shards.accessibility)
    expected = by_hand(own, shards.codes, percentiles, 0.0, "both")
    print(f"largest difference: {np.abs(got - expected).max():.2g}")
    assert len(got) == len(shards.labels) > 30_000
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    metadata = jundscan.load_model(tmp_path / "cnn", "cpu").metadata
    default = jundscan.load_model(device="cpu").metadata
    assert metadata.calibration_source == SOURCE
    for mode, table_of_mode in metadata.tables.items():
        assert table_of_mode.default_threshold != default.tables[mode].default_threshold
