"""Learning curves hold metrics of training and validation windows, and are drawn."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import quick_fit, tiny
from tests.train.test_report import EXPORTED
from train.cards.curves import STEP_LOSS, curve_files, draw_curves, points
from train.config import Candidate
from train.data.dataset import DataSet
from train.fitting.fit import CURVE_WINDOWS, fit, judge, judge_sample, training_sample
from train.records import read_training


@pytest.fixture(scope="module")
def curve(data_set: DataSet) -> list[dict[str, object]]:
    return fit(Candidate(tiny("cnn"), quick_fit()), [data_set.train], data_set.valid).curve


def test_every_epoch_has_metrics_of_both_parts(curve: list[dict[str, object]]) -> None:
    assert [entry["epoch"] for entry in curve] == [1, 2]
    for part in ("train", "valid"):
        for metric in ("loss", "weighted_accuracy", "auroc"):
            epochs, values = points(curve, part, metric)
            assert epochs == [1, 2]
            assert all(0 < value <= 1 for value in values)
    assert points(curve, "train", "average_precision") == ([], [])  # it depends on the share of bound windows


def test_the_sample_stands_for_all_training_windows(data_set: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    network = fit(Candidate(tiny("cnn"), quick_fit(epochs=1)), [data_set.train], data_set.valid).network()
    whole = judge(network, data_set.train)["with_accessibility"]
    assert judge_sample(network, training_sample(data_set.train))["with_accessibility"] == pytest.approx(
        {name: value for name, value in whole.items() if name != "average_precision"}
    )
    monkeypatch.setitem(CURVE_WINDOWS, 0, 300)
    sample = training_sample(data_set.train)
    assert (sample.labels == 0).sum() == 300
    for label in (0, 1):
        sums = [one.weights[one.labels == label].sum() for one in (sample, data_set.train)]
        assert sums[0] == pytest.approx(sums[1])
    assert np.array_equal(sample.codes, training_sample(data_set.train).codes)
    assert judge_sample(network, sample)["with_accessibility"]["loss"] == pytest.approx(whole["loss"], rel=0.15)


def test_curves_are_drawn_the_same_every_time(curve: list[dict[str, object]], tmp_path: Path) -> None:
    first = draw_curves({"cnn": curve}, curve_files(tmp_path / "a"), title="cnn", kept=2)
    second = draw_curves({"cnn": curve}, curve_files(tmp_path / "b"), title="cnn", kept=2)
    assert [path.name for path in first] == ["learning_curves.png", "learning_curves.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    text = first[1].read_text()
    for shown in ("training", "validation", "epoch 2, whose weights are kept", "AUROC", "weighted accuracy", "epoch"):
        assert shown in re.findall(r"<text[^>]*>([^<]+)</text>", text)


def test_curves_of_earlier_versions_are_drawn(tmp_path: Path) -> None:
    training = read_training(EXPORTED)
    curves = {key: training["candidates"][key]["curve"] for key in training["best_of_family"].values()}
    assert all("train" not in entry for one in curves.values() for entry in one)
    (svg,) = draw_curves(curves, [tmp_path / "all.svg"])
    for key in curves:
        assert f"{key}: {STEP_LOSS}" in svg.read_text()
        assert f"{key}: validation" in svg.read_text()
