"""Blocked folds divide no block and no peak, and networks predict only windows of folds they were not fitted on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.errors import InputError, ShardError
from train.comparison.crossval import judge_on_folds, out_of_fold
from train.config import Candidate
from train.data.dataset import load_data_set
from train.fitting.fit import fit
from train.fitting.folds import blocked_folds, fit_without_fold

from .conftest import make_windows, predict_windows, quick_fit, tiny, write_part

WINDOW = 101


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=200, unique=True),
    st.integers(0, 2**31),
    st.sampled_from([500, 5_000, 50_000]),
)
def test_blocks_and_peaks_stay_whole(numbers: list[int], seed: int, block_bases: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.array(numbers, np.int64) * WINDOW
    chroms = np.where(rng.random(len(starts)) < 0.5, "chr1", "chr2")
    bound = rng.random(len(starts)) < 0.4
    fold = blocked_folds(chroms, starts, bound, block_bases)
    place = {
        (chrom, start): row for row, (chrom, start) in enumerate(zip(chroms.tolist(), starts.tolist(), strict=True))
    }
    by_block: dict[tuple[str, int], set[int]] = {}
    for (chrom, start), row in place.items():
        before = place.get((chrom, start - WINDOW))
        if bound[row] and before is not None and bound[before]:
            assert fold[row] == fold[before]  # one peak, one fold
        else:
            by_block.setdefault((chrom, start // block_bases), set()).add(int(fold[row]))
    assert all(len(folds) == 1 for folds in by_block.values())


def test_every_window_is_predicted_by_a_network_that_did_not_see_it() -> None:
    windows = make_windows(600, seed=3)
    fold = np.arange(600) // 200
    candidate = Candidate(tiny("cnn"), quick_fit())
    (pooled,) = out_of_fold(candidate, [windows], fold)
    assert all(np.isfinite(values).all() for values in pooled.values())
    alone = fit(candidate, [windows.take(fold != 1)], None).network()
    expected = predict_windows(alone, windows.codes[fold == 1], windows.accessibility[fold == 1])
    np.testing.assert_array_equal(pooled["with_accessibility"][fold == 1], expected)
    assert not np.array_equal(pooled["with_accessibility"], pooled["without_accessibility"])


def test_a_fit_without_a_fold_is_read_from_its_cache(tmp_path: Path) -> None:
    windows = make_windows(400, seed=5)
    fold = np.arange(400) // 200
    candidate = Candidate(tiny("cnn"), quick_fit())
    (pooled,) = out_of_fold(candidate, [windows], fold, 1, cache=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold_0_epoch_1.pt", "fold_1_epoch_1.pt"]
    other = replace(windows, labels=1 - windows.labels)  # a new fit would predict otherwise
    network = fit_without_fold(candidate, [other], fold, 1, 1, tmp_path).network()
    found = predict_windows(network, windows.codes[fold == 1], windows.accessibility[fold == 1])
    np.testing.assert_array_equal(found, pooled["with_accessibility"][fold == 1])
    (tmp_path / "fold_0_epoch_1.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"fold_0_epoch_1\.pt: not a complete checkpoint .*; delete it"):
        fit_without_fold(candidate, [windows], fold, 0, 1, tmp_path)


def test_too_few_blocks_are_an_error(tmp_path: Path) -> None:
    windows = make_windows(2400, seed=4)
    ids = np.array([f"chr1:{start}-{start + WINDOW}" for start in range(0, 2400 * WINDOW, WINDOW)])
    half = len(ids) // 2
    for part, rows in (("train_dataset", slice(0, half)), ("valid_dataset", slice(half, None))):
        write_part(tmp_path / part, replace(windows.take(np.arange(2400)[rows]), ids=ids[rows]))
    candidate = Candidate(tiny("cnn"), quick_fit())
    fitted = fit(candidate, [windows], None)
    with pytest.raises(ShardError, match="too few blocks"):
        judge_on_folds([fitted], [load_data_set(tmp_path)], tmp_path / "runs", lambda line: None)
