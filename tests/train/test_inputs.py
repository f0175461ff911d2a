"""Networks see windows with and without their neighbourhood, in every mode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from jundscan.model.metadata import MODES, WINDOW_MODES
from train.comparison.crossval import out_of_fold, pair_predictions
from train.config import Candidate
from train.data.dataset import Neighbourhoods, Windows
from train.fitting.fit import fit, predict_modes
from train.fitting.folds import far_from, rows_without_fold
from train.fitting.inputs import is_bare, make_inputs, modes, network_codes, summarise, without_flanks
from train.networks.architectures import CNN, build_network

from .conftest import make_windows, predict_windows, quick_fit, span_of, tiny

FLANK = tiny("around").flank
WIDTHS = tiny("around").accessibility_widths


def placed_windows(count: int, seed: int, unknown: float = 0.2) -> Windows:
    """Make abutting windows with random flanks. A fraction ``unknown`` of them is bare."""
    windows = make_windows(count, seed)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (count, 101 + 2 * FLANK), dtype=np.uint8)
    accessibility = rng.random((count, len(WIDTHS)), dtype=np.float32)
    hidden = rng.random(count) < unknown
    codes[hidden] = 4
    accessibility[hidden, 1:] = np.nan
    codes[:, FLANK : FLANK + 101] = windows.codes
    ids = np.array([f"chr1:{start}-{start + 101}" for start in np.arange(count) * 101])
    own = accessibility[:, 0].copy()
    return replace(windows, ids=ids, accessibility=own, neighbourhood=Neighbourhoods(codes, accessibility, WIDTHS))


def test_summaries_give_the_same_predictions_as_codes() -> None:
    windows, config = placed_windows(200, seed=1), tiny("around")
    network = build_network(config).eval()
    network.set_scales(torch.from_numpy(network_codes(windows, FLANK)))
    found = predict_modes(network, windows)
    assert tuple(found) == (*MODES, *WINDOW_MODES) == modes(config)
    assert windows.neighbourhood is not None
    both = (windows.neighbourhood.codes, without_flanks(windows.neighbourhood.codes))
    for mode, probabilities in found.items():
        codes = both[mode in WINDOW_MODES]
        accessibility = windows.neighbourhood.accessibility.copy()
        if mode in WINDOW_MODES:
            accessibility[:, 1:] = np.nan
        if mode.endswith(MODES[1]):
            accessibility[:] = np.nan
        np.testing.assert_allclose(probabilities, predict_windows(network, codes, accessibility), rtol=0, atol=1e-6)
    assert not np.array_equal(found[MODES[0]], found[WINDOW_MODES[0]])


def test_without_a_neighbourhood_flanks_are_unknown_and_wider_accessibility_is_nan() -> None:
    windows = replace(placed_windows(20, seed=2), neighbourhood=None)
    codes = network_codes(windows, FLANK)
    np.testing.assert_array_equal(codes[:, FLANK : FLANK + 101], windows.codes)
    assert (np.delete(codes, np.s_[FLANK : FLANK + 101], axis=1) == 4).all()
    inputs = make_inputs(windows, build_network(tiny("around")))
    assert torch.isnan(inputs.accessibility[:, 1:]).all()
    np.testing.assert_array_equal(inputs.known, inputs.alone)


def test_the_same_windows_are_summarised_once() -> None:
    one = placed_windows(50, seed=3)
    other = replace(one, labels=1 - one.labels)
    another = placed_windows(50, seed=4)
    first, second, third = summarise([one, other, another], build_network(tiny("around")))
    assert first.summary is second.summary
    assert first.summary is not None
    assert third.summary is not None
    assert not np.array_equal(first.summary.known, third.summary.known)
    assert summarise([one], build_network(tiny("cnn")))[0].summary is None
    assert first.take(np.array([7])).summary is not None


def test_networks_with_narrower_flanks_see_their_own_bases() -> None:
    windows = placed_windows(30, seed=5)
    assert windows.neighbourhood is not None
    np.testing.assert_array_equal(network_codes(windows, 0), windows.codes)
    np.testing.assert_array_equal(network_codes(windows, 50), windows.neighbourhood.codes[:, 50:-50])
    assert make_inputs(windows, build_network(tiny("cnn"))).accessibility.shape == (30, 1)
    assert span_of(build_network(tiny("around"))) == windows.neighbourhood.codes.shape[1]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_withheld_neighbourhood_does_not_change_the_fit(share: float) -> None:
    windows = placed_windows(300, seed=6, unknown=0.0)
    assert windows.neighbourhood is not None
    accessibility = windows.neighbourhood.accessibility.copy()
    accessibility[:, 1:] = 1 - accessibility[:, 1:]
    other = replace(windows, neighbourhood=windows.neighbourhood._replace(accessibility=accessibility))
    candidate = Candidate(tiny("around"), quick_fit(epochs=1, withhold_around=share))
    one, two = (fit(candidate, [some], None).network().head.from_side.weight for some in (windows, other))
    assert torch.equal(one, two) == (share == 1.0)


def test_windows_that_see_a_held_out_block_are_not_fitted_on() -> None:
    windows = placed_windows(300, seed=7)
    fold = np.arange(300) // 100
    (found,) = out_of_fold(Candidate(tiny("around"), quick_fit(epochs=1)), [windows], fold)
    assert set(found) == {*MODES, *WINDOW_MODES}
    reach = max(FLANK, (WIDTHS[-1] - 101) // 2)
    for number in range(3):
        starts = np.flatnonzero(rows_without_fold(tiny("around"), windows, fold, number)) * 101
        held_out = np.flatnonzero(fold == number) * 101
        distance = np.abs(starts[:, None] - held_out).min(1) - 101
        assert distance.min() >= reach
        gone = np.setdiff1d(np.flatnonzero(fold != number) * 101, starts)
        assert (np.abs(gone[:, None] - held_out).min(1) - 101 < reach).all()


def test_predictions_of_both_networks_are_combined() -> None:
    windows = placed_windows(60, seed=9)
    assert windows.neighbourhood is not None
    around = {mode: np.full(60, 0.25, np.float32) for mode in (*MODES, *WINDOW_MODES)}
    alone = {mode: np.full(60, 0.75, np.float32) for mode in MODES}
    (found,) = pair_predictions([around], [alone], [windows], FLANK)
    bare = is_bare(windows, FLANK)
    assert bare.tolist() == (windows.neighbourhood.codes[:, :FLANK] == 4).all(1).tolist()
    for mode in MODES:
        np.testing.assert_array_equal(found[mode], np.where(bare, 0.75, 0.25).astype(np.float32))
    assert all((found[mode] == 0.75).all() for mode in WINDOW_MODES)
    one_letter = windows.neighbourhood.codes.copy()
    one_letter[:, 3] = 0  # a single known letter forms no pair
    changed = replace(windows, neighbourhood=windows.neighbourhood._replace(codes=one_letter))
    assert is_bare(changed, FLANK)[bare].all()


def test_far_from_measures_on_the_same_chromosome() -> None:
    windows = placed_windows(4, seed=8)
    ids = np.array(["a:0-101", "a:500-601", "b:0-101", "a:151-252"])
    far = far_from(replace(windows, ids=ids), np.array([3]), 100)
    assert far.tolist() == [False, True, True, False]


@pytest.mark.parametrize(("width", "ranges"), [(12, (0, 50)), (22, (0, 10, 30, 50)), (2, (0, 50))])
def test_summaries_of_bare_windows_are_those_with_unknown_flanks(width: int, ranges: tuple[int, ...]) -> None:
    config = replace(tiny("around"), filter_width=width, ranges=ranges, composition_ranges=(50,))
    network = build_network(config)
    assert isinstance(network, CNN)
    windows = placed_windows(40, seed=5)
    (found,) = summarise([windows], network)
    assert found.summary is not None
    unknown = without_flanks(network_codes(windows, 50))
    np.testing.assert_array_equal(found.summary.alone, network.summary(torch.from_numpy(unknown)).detach())
