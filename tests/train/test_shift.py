"""Moved windows hold the genome's bases at their new position."""

import numpy as np
import torch

from train.data.dataset import Windows
from train.fitting.shift import MAX_SHIFT, neighbours, shift_windows

LENGTH = 101


def tiled(labels, chroms=None, left_out=(), seed=0):
    """Return a sequence and its abutting windows in random order, without those of ``left_out``."""
    rng = np.random.default_rng(seed)
    genome = rng.integers(0, 4, len(labels) * LENGTH, dtype=np.uint8)
    rows = rng.permutation([number for number in range(len(labels)) if number not in left_out])
    chroms = chroms or ["chr1"] * len(labels)
    windows = Windows(
        genome.reshape(-1, LENGTH)[rows],
        np.array(labels, np.int8)[rows],
        np.ones(len(rows)),
        rows.astype(np.float32),
        np.array([f"{chroms[row]}:{row * LENGTH}-{row * LENGTH + LENGTH}" for row in rows]),
    )
    return genome, rows, windows


def test_neighbours_abut_on_the_same_chromosome_and_have_the_same_label():
    _, rows, windows = tiled([0, 0, 1, 1, 0, 0, 0], ["a", "a", "a", "a", "a", "b", "b"], left_out=[3])
    before, behind = (dict(zip(rows.tolist(), rows[column].tolist(), strict=True)) for column in neighbours(windows))
    assert before == {0: 0, 1: 0, 2: 2, 4: 4, 5: 5, 6: 5}
    assert behind == {0: 1, 1: 1, 2: 2, 4: 4, 5: 6, 6: 6}


def test_windows_without_ids_have_no_neighbours():
    _, _, windows = tiled([0, 0, 0])
    bare = Windows(windows.codes, windows.labels, windows.weights, windows.accessibility)
    assert neighbours(bare).tolist() == [[0, 1, 2]] * 2


def take(windows, rows, share, seed=1):
    codes, accessibility = torch.from_numpy(windows.codes), torch.from_numpy(windows.accessibility)
    generator = torch.Generator().manual_seed(seed)
    near = torch.from_numpy(neighbours(windows))
    taken = shift_windows(codes, accessibility, near, torch.from_numpy(rows), share, generator)
    return [part.numpy() for part in taken]


def test_a_moved_window_holds_the_bases_at_its_new_start():
    genome, places, windows = tiled([0] * 8)
    drawn = np.random.default_rng(2).integers(0, 8, 500)
    codes, accessibility = take(windows, drawn, 1.0)
    distances = []
    for row, sequence, value in zip(drawn, codes, accessibility, strict=True):
        home = places[row] * LENGTH
        fitting = [
            start
            for start in range(max(home - MAX_SHIFT, 0), min(home + MAX_SHIFT, len(genome) - LENGTH) + 1)
            if (genome[start : start + LENGTH] == sequence).all()
        ]
        assert len(fitting) == 1
        # a window's accessibility is its number, and rises linearly in between
        np.testing.assert_allclose(value, fitting[0] / LENGTH, rtol=1e-5, atol=1e-6)
        distances.append(fitting[0] - home)
    assert min(distances) == -MAX_SHIFT
    assert max(distances) == MAX_SHIFT


def test_the_share_of_moved_windows_is_as_asked():
    _, _, windows = tiled([0] * 8)
    drawn = np.random.default_rng(2).integers(0, 8, 4000)
    codes, accessibility = take(windows, drawn, 0.0)
    np.testing.assert_array_equal(codes, windows.codes[drawn])
    np.testing.assert_array_equal(accessibility, windows.accessibility[drawn])
    codes, _ = take(windows, drawn, 0.5)
    stayed = (codes == windows.codes[drawn]).all(1).mean()
    assert 0.5 < stayed < 0.7  # half are not moved; some others lack a neighbour on that side or move by 0 bases


def test_windows_do_not_move_towards_another_label():
    _, _, windows = tiled([0, 1, 0, 1])
    drawn = np.arange(4).repeat(50)
    codes, _ = take(windows, drawn, 1.0)
    np.testing.assert_array_equal(codes, windows.codes[drawn])
