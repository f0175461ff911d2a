"""Baselines find motifs and accessibility, never see the fold they predict, and the comparison is consistent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from jundscan.dna.letters import reverse_complement
from jundscan.errors import ShardError
from jundscan.evaluation.metrics import balanced_weights, bootstrap_blocks
from train.comparison import against_baselines, baselines, crossval
from train.comparison.against_baselines import PARTS, compare
from train.comparison.baselines import (
    AP1,
    BASELINE_MOTIFS,
    BASELINES,
    BOOSTED_NEIGHBOURHOOD,
    JUND,
    Plain,
    PlainCNN,
    PlainLSTM,
    PlainMLP,
    Table,
    Tabular,
    weights_of,
)
from train.comparison.checks import calibration_check
from train.config import Candidate
from train.data.dataset import DataSet, Windows, load_data_set
from train.export.calibration import CHECKED_RATES
from train.fitting.fit import FittedNetwork, fit
from train.networks.motifs import fetch_motifs, log_odds
from train.records import write_record

from .conftest import make_windows, quick_fit, tiny, write_part

WINDOW = 101


@pytest.fixture(autouse=True)
def one_openmp_thread() -> Iterator[None]:
    """Use one thread, because trees of a few hundred windows take longer with more."""
    with threadpool_limits(1):
        yield


def few_motifs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the baselines of many motifs two motifs and few trees."""
    for name, boosted in (("logistic_motifs", False), ("boosted_motifs", True)):
        monkeypatch.setitem(BASELINES, name, (name, Tabular((JUND, AP1), True, boosted, trees=20)))


def make_table(count: int, seed: int) -> Table:
    windows = make_windows(count, seed)
    share = np.argsort(np.argsort(windows.accessibility)) / count
    return Table(replace(windows, accessibility=share.astype(np.float32)), baselines.best_scores(windows.codes))


@pytest.fixture(scope="module")
def tables() -> tuple[Table, Table]:
    return make_table(1500, seed=1), make_table(500, seed=2)


def test_all_motifs_are_in_the_database() -> None:
    assert len(BASELINE_MOTIFS) == len(set(BASELINE_MOTIFS)) == 66
    found = list(fetch_motifs(BASELINE_MOTIFS))
    assert len(found) == 66
    assert {f"{JUND} JUND", f"{AP1} FOS::JUN"} <= set(found)


def test_best_scores_are_the_best_over_positions_and_strands() -> None:
    codes = make_windows(3, seed=5).codes
    got = baselines.best_scores(codes)
    for column, matrix in enumerate(fetch_motifs(BASELINE_MOTIFS).values()):
        weights = np.vstack([log_odds(matrix, len(matrix)), np.zeros((1, len(matrix)), np.float32)])  # N scores 0
        for row, window in enumerate(codes):
            scores = [
                weights[read[at : at + len(matrix)], np.arange(len(matrix))].sum()
                for read in (window, reverse_complement(window))
                for at in range(WINDOW - len(matrix) + 1)
            ]
            assert got[row, column] == pytest.approx(max(scores), abs=1e-4)


def test_composition_counts_letters_and_pairs() -> None:
    codes = np.zeros((2, WINDOW), np.uint8)
    codes[1, :6] = [1, 2, 1, 2, 2, 4]  # CGCGGN
    np.testing.assert_array_equal(baselines.composition(codes), [[0, 0], [5, 2]])


def test_tabular_baselines_learn_from_motifs_and_accessibility(
    tables: tuple[Table, Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    few_motifs(monkeypatch)
    train, test = tables
    labels = test.windows.labels
    auroc = {}
    for name in ("accessibility", "jund_motif", "ap1_motif", "logistic_motifs", "boosted_motifs"):
        for mode, has in (("with", True), ("without", False)):
            found = BASELINES[name][1]([train], [test], has)
            if found is None:
                assert (name, mode) == ("accessibility", "without")
                continue
            assert found[0].shape == labels.shape
            assert ((found[0] >= 0) & (found[0] <= 1)).all()
            auroc[name, mode] = roc_auc_score(labels, found[0])
    assert auroc["ap1_motif", "without"] > 0.8
    for name in ("ap1_motif", "logistic_motifs", "boosted_motifs"):
        assert auroc[name, "with"] > auroc["accessibility", "with"]
    assert auroc["ap1_motif", "with"] > auroc["ap1_motif", "without"]


def test_cell_types_have_equal_weight(tables: tuple[Table, Table]) -> None:
    weights = weights_of(tables)
    assert weights[:1500].mean() == pytest.approx(1.0)
    assert weights[1500:].mean() == pytest.approx(1.0)


@pytest.mark.parametrize("network", [PlainMLP, PlainCNN, PlainLSTM])
def test_plain_networks_fit_and_score(network: Any, tables: tuple[Table, Table]) -> None:
    baseline = Plain(network, epochs=1, adam=True)
    train = tables[0].take(np.arange(301))  # a last batch of one
    found = baseline([train], list(tables), True)
    assert found is not None
    assert [len(one) for one in found] == [1500, 500]
    assert np.isfinite(found[0]).all()
    assert baseline([train], list(tables), False) is None
    again = baseline([train], list(tables), True)
    assert again is not None
    np.testing.assert_array_equal(found[0], again[0])


def test_no_baseline_sees_the_fold_it_predicts(tables: tuple[Table, Table]) -> None:
    fold = np.arange(500) // 100
    marked = replace(tables[1], scores=np.arange(500, dtype=np.float32)[:, None])

    def spy(train: Sequence[Table], test: Sequence[Table], has: bool) -> list[NDArray[np.float32]] | None:
        seen = np.concatenate([table.scores[:, 0] for table in train])
        assert len(seen) == 2 * 400
        return [np.isin(table.scores[:, 0], seen).astype(np.float32) for table in test]

    for result in baselines.baseline_out_of_fold(spy, [marked, marked], fold, True) or []:
        assert (result == 0).all()
    assert baselines.baseline_out_of_fold(Tabular(), [marked], fold, False) is None


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([3, 20, 1000]))
def test_bootstrap_agrees_with_scikit_learn(seed: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random(80) < 0.3).astype(np.int8)
    labels[:2] = 0, 1
    block = np.repeat(np.arange(8), 10)
    probabilities = (rng.integers(0, distinct, 80) / distinct).astype(np.float32)
    weights = balanced_weights(labels)
    got = bootstrap_blocks(labels, probabilities, weights, 0.5, block, resamples=5, seed=3)
    draws, expected = np.random.default_rng(3), []
    for _ in range(5):
        times = np.bincount(draws.integers(0, 8, 8), minlength=8)[block].astype(float)
        if 0 < (times * labels).sum() < times.sum():
            right = (probabilities >= 0.5) == labels
            expected.append(
                [
                    np.average(right, weights=weights * times),
                    roc_auc_score(labels, probabilities, sample_weight=times),
                    average_precision_score(labels, probabilities, sample_weight=times),
                ]
            )
    np.testing.assert_allclose(
        np.stack([got["weighted_accuracy"], got["auroc"], got["average_precision"]], axis=1), expected
    )


def test_calibration_check_passes_calibrated_and_flags_shifted_probabilities() -> None:
    rng = np.random.default_rng(11)
    fold = np.arange(50_000) % 5
    labels = (rng.random(50_000) < 0.05).astype(np.int8)
    probabilities = (1 / (1 + np.exp(-rng.normal(2.0 * labels, 1.0)))).astype(np.float32)
    calibrated = calibration_check(labels, probabilities, fold)
    assert [row["rate"] for row in calibrated["pooled"]] == list(CHECKED_RATES)
    within = [row[name]["within"] for row in calibrated["folds"] for name in ("recall", "fpr")]
    assert np.mean(within) > 0.85
    shifted = np.where(fold == 2, probabilities**0.5, probabilities).astype(np.float32)
    flagged = calibration_check(labels, shifted, fold)
    assert not any(row["fpr"]["within"] for row in flagged["folds"] if row["fold"] == 2)


def write_cells(folder: Path, seed: int) -> Windows:
    """Write a data set of two parts over ten megabases."""
    windows = make_windows(2400, seed=4)
    shifted = np.random.default_rng(seed).gamma(2.0, 1.0, 2400).astype(np.float32)
    starts = np.arange(2400) * 4040
    ids = np.array([f"chr1:{start}-{start + WINDOW}" for start in starts])
    windows = replace(windows, ids=ids, accessibility=windows.accessibility + shifted)
    for part, rows in (("train_dataset", slice(0, 1300)), ("valid_dataset", slice(1300, None))):
        write_part(folder / part, windows.take(np.arange(2400)[rows]))
    return windows


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few_motifs(monkeypatch)
    for name in against_baselines.SLOW:
        label, baseline = BASELINES[name]
        monkeypatch.setitem(BASELINES, name, (label, replace(baseline, epochs=1)))  # type: ignore[type-var]


@pytest.mark.usefixtures("quick")
def test_compare_caches_its_results(tmp_path: Path) -> None:
    folders = [tmp_path / "Cells", tmp_path / "Others"]
    sets = [write_cells(folder, seed) for seed, folder in enumerate(folders)]
    fitted: FittedNetwork = fit(Candidate(tiny("cnn"), quick_fit()), sets, sets[0], until=1)
    runs, out, progress = tmp_path / "runs", tmp_path / "deep" / "crossval.json", []

    def run() -> dict[str, Any]:
        for record in compare(sets_of(folders), [fitted], runs, (0, 1), progress.append, resamples=20):
            write_record(record, out)
        found: dict[str, Any] = json.loads(out.read_text())
        return found

    first = run()
    assert list(first["models"])[-3:] == list(against_baselines.SLOW)
    assert set(first["models"]) == {*BASELINES, "cnn"} - {BOOSTED_NEIGHBOURHOOD}  # these windows have no neighbourhood
    assert set(PARTS) <= set(first)
    assert first["repeated"]["seeds"] == [0, 1]
    assert [(row["fitted_on"], row["judged_on"]) for row in first["cross_cell"]] == [
        (["Others"], "Cells"),
        (["Cells"], "Others"),
    ]
    for model in first["models"].values():
        low, high = model["cells"]["Cells"]["with_accessibility"]["confidence_intervals"]["auroc"]
        assert low <= high
    difference = first["paired"]["cells"]["Others"]["with_accessibility"]["auroc"]["difference"]
    ours, theirs = (
        first["models"][name]["cells"]["Others"]["with_accessibility"]["auroc"] for name in ("cnn", "boosted_motifs")
    )
    assert difference == pytest.approx(ours - theirs)
    assert first["rescaled"]["largest"] < 0.05

    # the cached predictions also calibrate the thresholds
    before = len(progress)
    _, held_out = crossval.judge_on_folds([fitted], sets_of(folders), runs, progress.append)
    assert len(progress) == before
    fold = against_baselines.load_pool(sets_of(folders), runs, progress.append).fold
    (alone, _) = crossval.out_of_fold(fitted.candidate, list(map(crossval.load_all, sets_of(folders))), fold, 1)
    np.testing.assert_array_equal(held_out.probabilities["with_accessibility"], alone["with_accessibility"])
    assert run() == first
    assert len(progress) == before  # every fit prints a line, so nothing was fitted again


def sets_of(folders: Sequence[Path]) -> list[DataSet]:
    return list(map(load_data_set, folders))


def test_other_windows_in_each_set_are_an_error(tmp_path: Path) -> None:
    write_cells(tmp_path / "Cells", 0)
    windows = make_windows(1200, seed=4)
    ids = np.array([f"chr2:{start}-{start + WINDOW}" for start in np.arange(1200) * WINDOW])
    for part in ("train_dataset", "valid_dataset"):
        write_part(tmp_path / "Others" / part, replace(windows, ids=ids))
    sets = [load_data_set(tmp_path / name) for name in ("Cells", "Others")]
    with pytest.raises(ShardError, match="same windows"):
        against_baselines.load_pool(sets, tmp_path, lambda line: None)
