"""A fit learns, is reproducible, and gives the same result after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.train.conftest import FAMILIES, make_windows, predict_windows, quick_fit, tiny, write_part
from train.config import Candidate
from train.data.dataset import DataSet, Windows, fraction_adjacent, load_windows
from train.fitting.fit import FittedNetwork, Listener, fit, load_fitted

SHORT = quick_fit(epochs=3, seed=5)


def assert_same(one: FittedNetwork, other: FittedNetwork) -> None:
    assert one.epoch == other.epoch
    assert one.curve == other.curve
    assert one.state.keys() == other.state.keys()
    for name, value in one.state.items():
        assert torch.equal(value, other.state[name]), name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_overfit_32_windows(family: str) -> None:
    few = make_windows(32, seed=11)
    # random windows, which a network can only memorise
    few = replace(few, accessibility=np.full(32, np.nan, np.float32))
    few.codes[:] = np.random.default_rng(4).integers(0, 4, few.codes.shape)
    network = replace(tiny(family), state=32, hidden=32, dropout=0.0, body_dropout=0.0)
    config = quick_fit(
        epochs=10, steps=30, batch=32, bound=0.25, learning_rate=0.02, filter_learning_rate=0.02,
        weight_decay=0.0, withhold=0.0, average=0.5,
    )  # fmt: skip
    fitted = fit(Candidate(network, config), [few], few)
    assert fitted.selection == 1.0
    probabilities = predict_windows(fitted.network(), few.codes, few.accessibility)
    assert ((probabilities >= 0.5) == few.labels).all()
    assert fitted.curve[-1]["loss"] < 0.5 * fitted.curve[0]["loss"]


def test_a_fit_generalises_and_keeps_the_best_late_epoch(data_set: DataSet) -> None:
    fitted = fit(Candidate(tiny("cnn"), replace(SHORT, epochs=8, learning_rate=0.02)), [data_set.train], data_set.valid)
    best = fitted.curve[fitted.epoch - 1]
    judged = best["valid"]["with_accessibility"]
    assert judged["weighted_accuracy"] > 0.75
    assert judged["auroc"] > 0.8
    late = fitted.curve[6:]  # validation selects among the last quarter of 8 epochs
    assert fitted.selection == max(entry["valid"]["with_accessibility"]["weighted_accuracy"] for entry in late)
    assert fitted.epoch > 6


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_fit(family: str, data_set: DataSet) -> None:
    candidate = Candidate(tiny(family), replace(SHORT, epochs=2))
    first = fit(candidate, [data_set.train], data_set.valid)
    torch.manual_seed(12345)  # the global random state has no effect
    assert_same(first, fit(candidate, [data_set.train], data_set.valid))
    other = fit(replace(candidate, fit=replace(candidate.fit, seed=6)), [data_set.train], data_set.valid)
    assert other.curve != first.curve


@pytest.mark.parametrize("family", FAMILIES)
def test_interrupted_and_resumed_equals_uninterrupted(family: str, data_set: DataSet, tmp_path: Path) -> None:
    candidate, checkpoint = Candidate(tiny(family), SHORT), tmp_path / "run" / "checkpoint.pt"
    sets = [data_set.train, data_set.train]
    whole = fit(candidate, sets, data_set.valid)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    for done in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            fit(candidate, sets, data_set.valid, checkpoint=checkpoint, listener=Listener(epoch=interrupt))
        so_far = load_fitted(candidate, checkpoint)
        assert len(so_far.curve) == done
        assert so_far.curve == whole.curve[:done]
        torch.rand(17)
    assert_same(fit(candidate, sets, data_set.valid, checkpoint=checkpoint), whole)
    lines: list[str] = []
    again = fit(candidate, sets, data_set.valid, checkpoint=checkpoint, listener=Listener(epoch=lines.append))
    assert_same(again, whole)
    assert not lines  # the fit was complete


def test_interrupted_in_the_middle_of_an_epoch(data_set: DataSet, tmp_path: Path) -> None:
    candidate, checkpoint = Candidate(tiny("cnn"), SHORT), tmp_path / "checkpoint.pt"
    steps = 0

    def interrupt(loss: float) -> None:
        nonlocal steps
        steps += 1
        if steps == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(candidate, [data_set.train], data_set.valid, checkpoint=checkpoint, listener=Listener(step=interrupt))
    resumed = fit(candidate, [data_set.train], data_set.valid, checkpoint=checkpoint)
    assert_same(resumed, fit(candidate, [data_set.train], data_set.valid))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("withhold", [0.0, 1.0])
def test_missing_accessibility_never_makes_weights_or_scores_nan(family: str, withhold: float) -> None:
    half, none = make_windows(600, seed=21, missing=0.5), make_windows(400, seed=22, missing=1.0)
    candidate = Candidate(tiny(family), replace(SHORT, epochs=1, withhold=withhold))
    fitted = fit(candidate, [half, none], none)
    assert all(bool(torch.isfinite(value).all()) for value in fitted.state.values())
    assert np.isfinite(fitted.curve[0]["loss"])
    judged = fitted.curve[0]["valid"]
    assert judged["with_accessibility"] == judged["without_accessibility"]
    assert np.isfinite(predict_windows(fitted.network(), half.codes, half.accessibility)).all()


def test_withheld_accessibility_does_not_change_the_fit(data_set: DataSet) -> None:
    candidate = Candidate(tiny("cnn"), replace(SHORT, epochs=1, withhold=1.0))
    shuffled = replace(data_set.train, accessibility=data_set.train.accessibility[::-1].copy())
    one, other = (fit(candidate, [train], data_set.valid) for train in (data_set.train, shuffled))
    for fitted in (one, other):  # the metrics of training windows are measured with accessibility
        del fitted.curve[0]["train"]
    assert_same(one, other)


def test_only_proportions_of_weights_matter(data_set: DataSet) -> None:
    candidate = Candidate(tiny("mlp"), replace(SHORT, epochs=1))
    larger = replace(data_set.train, weights=data_set.train.weights * 8.0)
    assert_same(
        fit(candidate, [data_set.train], data_set.valid),
        fit(candidate, [larger], data_set.valid),
    )


def test_load_windows_maps_accessibility_to_percentiles(data_folder: Path) -> None:
    windows: Windows = load_windows(data_folder / "train_dataset")
    raw: Any = make_windows(1200, seed=1)
    np.testing.assert_array_equal(windows.codes, raw.codes)
    np.testing.assert_array_equal(windows.accessibility == 0, raw.accessibility == 0)
    ranks = np.argsort(np.argsort(raw.accessibility, kind="stable"))
    above = raw.accessibility > 0
    np.testing.assert_allclose(windows.accessibility[above], (ranks[above] + 0.5) / 1200, atol=2e-3)


def test_only_available_windows_are_ranked(tmp_path: Path) -> None:
    """Windows without accessibility do not change the percentiles of the others."""
    windows = make_windows(2000, seed=31)
    missing = np.arange(2000) % 3 == 0
    write_part(tmp_path / "some", replace(windows, accessibility=np.where(missing, np.nan, windows.accessibility)))
    write_part(tmp_path / "kept", windows.take(~missing))
    some = load_windows(tmp_path / "some").accessibility
    assert np.isnan(some[missing]).all()
    np.testing.assert_array_equal(some[~missing], load_windows(tmp_path / "kept").accessibility)


def test_fraction_of_windows_adjacent_to_training_windows() -> None:
    windows = make_windows(6, seed=41)
    starts = np.array(["chr1:0-101", "chr1:101-202", "chr1:303-404", "chr2:404-505", "chr1:505-606", "chr1:404-505"])
    trained, judged = ([0, 2, 4], [1, 3, 5])
    placed = replace(windows, ids=starts)
    # chr1:101 and chr1:404 abut training windows; chr2:404 is alone on its chromosome
    assert fraction_adjacent(placed.take(np.array(judged)), placed.take(np.array(trained))) == pytest.approx(2 / 3)
    assert fraction_adjacent(placed.take(np.array(judged)), placed.take(np.array([3]))) == 0
    assert fraction_adjacent(windows, placed) is None
