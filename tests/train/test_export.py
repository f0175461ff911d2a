"""A fitted network becomes a model folder that jundscan loads and that predicts as torch does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jundscan
from jundscan.accessibility.scale import distribution
from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.evaluation.metrics import compute_metrics
from jundscan.io.shards import read_shards
from jundscan.model.metadata import Metadata, ThresholdTable
from jundscan.model.model import Model
from jundscan.model.reference_scores import largest_difference, run_self_test
from tests.train.conftest import QUICK_PARITY, predict_windows, quick_fit, tiny
from train.config import Candidate, NetworkConfig
from train.data.dataset import DataSet, windows_sha256
from train.export.calibration import calibrate
from train.export.model_folder import Provenance, export
from train.fitting.fit import FittedNetwork, fit
from train.fitting.select import partner_for_bare_windows


@dataclass(frozen=True)
class Exported:
    fitted: FittedNetwork
    folder: Path
    metrics: dict[str, Any]
    model: Model
    provenance: Provenance


@pytest.fixture(scope="module")
def exported(data_set: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    fitted = fit(Candidate(tiny("cnn"), quick_fit(epochs=2, seed=3)), [data_set.train], data_set.valid)
    folder = tmp_path_factory.mktemp("exported") / "jund-test"
    provenance = Provenance(
        "9.8.7",
        ("TinyCells",),
        "made-up",
        windows_sha256(data_set.train),
        data_set.path / "valid_dataset",
        {"TinyCells": distribution(data_set.train.accessibility)},
    )
    metrics = export(fitted, folder, provenance, parity=QUICK_PARITY)
    return Exported(fitted, folder, metrics, jundscan.load_model(folder, "cpu"), provenance)


def test_the_model_loads_and_predicts_as_torch_does(exported: Exported, data_set: DataSet) -> None:
    valid = data_set.valid
    got = exported.model.predict(valid.codes, valid.accessibility)
    expected = predict_windows(exported.fitted.network(), valid.codes, valid.accessibility)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    assert got.std() > 0.01


def test_metadata_names_data_seed_and_versions(exported: Exported) -> None:
    metadata = exported.model.metadata
    assert (metadata.name, metadata.version, metadata.family) == ("jund-test", "9.8.7", "cnn")
    assert (metadata.cell_types, metadata.assembly, metadata.seed) == (("TinyCells",), "made-up", 3)
    assert metadata.training_data_sha256 == exported.provenance.training_data_sha256
    assert metadata.prevalence == 0.25
    assert metadata.training_accessibility == exported.provenance.training_accessibility
    assert metadata.architecture["family"] == "cnn"
    assert {"torch", "onnx", "onnxruntime", "numpy"} <= set(metadata.library_versions)
    assert metadata.decision_threshold == 0.5
    assert Metadata.from_json(metadata.to_json(), "here") == metadata
    for mode, report in (
        ("with_accessibility", exported.metrics),
        ("without_accessibility", exported.metrics["without_accessibility"]),
    ):
        assert metadata.validation[mode]["weighted_accuracy"] == report["weighted_accuracy"]


@pytest.mark.parametrize("withhold", [False, True])
def test_metrics_equal_the_report_of_evaluate(exported: Exported, withhold: bool) -> None:
    written = json.loads((exported.folder / "metrics.json").read_text())
    assert written == json.loads(json.dumps(exported.metrics))
    shards = read_shards(exported.provenance.validation_folder)
    report = evaluate_shards(shards, exported.model, withhold_accessibility=withhold).report
    assert report is not None
    mine = written["without_accessibility"] if withhold else written
    describe_model = {"accessibility"}  # in the file without the path of a workstation
    for key in report.keys() - describe_model:
        assert mine[key] == json.loads(json.dumps(report[key])), key
    assert (
        str(exported.provenance.validation_folder.parent.parent) not in (exported.folder / "metrics.json").read_text()
    )


def test_the_model_carries_its_own_reference_scores(exported: Exported) -> None:
    expected = exported.model.metadata.self_test
    assert expected is not None
    assert largest_difference(exported.model, expected) <= 1e-6
    assert expected == run_self_test(exported.model)


def test_a_model_of_two_networks_scores_bare_windows_by_the_second(data_set: DataSet, tmp_path: Path) -> None:
    recipe = quick_fit(epochs=1)
    around, alone = (fit(Candidate(tiny(kind), recipe), [data_set.train], data_set.valid) for kind in ("around", "cnn"))
    assert partner_for_bare_windows(around, [around, alone]) is alone
    assert partner_for_bare_windows(alone, [around, alone]) is None
    assert partner_for_bare_windows(around, [around]) is None
    provenance = Provenance("1.0.0", ("TinyCells",), "made-up", "0" * 64, data_set.path / "valid_dataset")
    metrics = export(around, tmp_path / "pair", provenance, alone=alone, parity=QUICK_PARITY)
    model = jundscan.load_model(tmp_path / "pair", "cpu")
    assert model.flank == tiny("around").flank
    assert NetworkConfig.from_dict(model.metadata.architecture) == tiny("around")
    assert NetworkConfig.from_dict(model.metadata.architecture["alone"]) == tiny("cnn")
    assert metrics["training"]["alone"]["network"]["ranges"] == (0,)
    valid = data_set.valid
    expected = predict_windows(alone.network(), valid.codes, valid.accessibility)
    np.testing.assert_allclose(model.predict(valid.codes, valid.accessibility), expected, rtol=0, atol=1e-5)
    shards = read_shards(data_set.path / "valid_dataset")
    of_window = evaluate_shards(shards, model).report
    assert of_window is not None
    assert metrics["window_with_accessibility"]["auroc"] == of_window["auroc"]


def test_hashes_are_those_of_the_file_and_of_the_windows(exported: Exported, data_set: DataSet) -> None:
    content = hashlib.sha256((exported.folder / "model.onnx").read_bytes()).hexdigest()
    assert exported.model.sha256 == content
    identity = {"name": "jund-test", "version": "9.8.7", "sha256": content, "factor": "JUND"}
    assert exported.metrics["model"] == identity
    changed = data_set.train.codes.copy()
    changed[0, 0] = (changed[0, 0] + 1) % 4
    other = replace(data_set.train, codes=changed)
    assert windows_sha256(data_set.train) == windows_sha256(*data_set.parts[:1]) != windows_sha256(other)


@pytest.mark.parametrize("mode", ["with_accessibility", "without_accessibility"])
def test_calibration_is_monotone_and_equals_counted_rates(exported: Exported, mode: str) -> None:
    table: ThresholdTable = getattr(exported.model.metadata, mode)
    assert len(table.rows) > 10
    thresholds, recalls, rates = (
        np.array([getattr(row, key) for row in table.rows]) for key in ("threshold", "recall", "fpr")
    )
    assert (np.diff(thresholds) > 0).all()
    assert (np.diff(recalls) <= 0).all()
    assert (np.diff(rates) < 0).all()
    assert table.default_threshold in thresholds
    shards = read_shards(exported.provenance.validation_folder)
    evaluation = evaluate_shards(shards, exported.model, withhold_accessibility=mode == "without_accessibility")
    assert shards.labels is not None
    for row in table.rows[::7]:
        called = evaluation.probabilities >= np.float32(row.threshold)
        assert row.recall == pytest.approx(called[shards.labels == 1].mean())
        assert row.fpr == pytest.approx(called[shards.labels == 0].mean())
        # at these windows' own prevalence, precision is the fraction of called windows that are bound
        assert row.precision == pytest.approx(shards.labels[called].mean())


def test_equal_probabilities_give_one_calibration_row() -> None:
    labels = np.array([0] * 50 + [1] * 50, np.int8)
    rows = calibrate(labels, np.full(100, 0.5, np.float32), 0.01)
    assert [(row.threshold, row.recall, row.fpr) for row in rows] == [(0.5, 1.0, 1.0)]
    assert rows[0].precision == pytest.approx(0.01)


def test_precision_follows_the_prevalence() -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(4_000) % 2).astype(np.int8)
    probabilities = np.clip(rng.normal(0.3 + 0.4 * labels, 0.15), 0, 1).astype(np.float32)
    row = next(row for row in calibrate(labels, probabilities, 0.05) if row.fpr <= 0.1)
    weights = np.where(labels == 1, 0.05, 0.95)
    called = probabilities >= row.threshold
    assert row.precision == pytest.approx(weights[called & (labels == 1)].sum() / weights[called].sum())
    report = compute_metrics(labels, probabilities, weights, row.threshold, resamples=0)
    assert row.recall == pytest.approx(report["recall"])


def test_exporting_again_gives_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    folder = tmp_path / "jund-test"
    folder.mkdir()
    (folder / "README.md").write_text("the card stays")
    export(exported.fitted, folder, exported.provenance, parity=QUICK_PARITY)
    assert (folder / "model.onnx").read_bytes() == (exported.folder / "model.onnx").read_bytes()
    assert (folder / "README.md").read_text() == "the card stays"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jund-test"]
