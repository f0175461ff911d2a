"""Comparisons whose answer is known: peaks of two cell types, halves of tumours, and simulated tracks."""

from __future__ import annotations

from pathlib import Path

import pytest

from jundscan.model.model import Model


@pytest.mark.data
def test_differences_rank_the_peaks_of_two_cell_types(data_folder: Path, model: Model) -> None:
    from benchmarks.compare import rank_peaks

    found = rank_peaks(data_folder, model, resamples=10)  # the intervals are not looked at
    ours, *others = (one["value"] for one in found["auroc"].values())
    assert ours >= 0.85
    assert len(others) == 4  # of accessibility alone, whatever they are
    assert found["peaks_of_one"] == {"K562": 247, "HepG2": 21}


@pytest.mark.data
def test_halves_of_tumours_do_not_differ_but_tumours_do(data_folder: Path, tmp_path: Path, model: Model) -> None:
    from benchmarks.compare import compare_tumours

    found = compare_tumours(data_folder, tmp_path, model)
    assert len(found["halves_of_all_tumours"]) == 8
    assert max(one["q_below_0.05"] for one in found["halves_of_all_tumours"]) <= 0.01
    changes = [sum(one["changes"].values()) - one["changes"]["same"] for one in found["two_tumours"].values()]
    assert len(changes) == 6
    assert max(changes) > 50


@pytest.mark.slow
def test_false_discoveries_among_simulated_tracks_keep_their_promise(tmp_path: Path, model: Model) -> None:
    from benchmarks.compare import simulate

    runs = [simulate(tmp_path, model, seed) for seed in range(3)]
    called, false, changed = (sum(run[what] for run in runs) for what in ("called", "false", "changed"))
    assert false <= 0.05 * called
    assert called - false > 0.8 * changed
