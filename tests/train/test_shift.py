"""Windows moved along the genome: what is read is what stands there."""

import numpy as np
import torch

from train.data.dataset import Windows
from train.fitting.shift import MAX_SHIFT, neighbours, shifted

LENGTH = 101


def tiled(labels, chroms=None, left_out=(), seed=0):
    """Windows that abut, in no order, and the sequence that they tile; those of ``left_out`` are missing."""
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


def test_neighbours_abut_on_the_same_chromosome_and_are_labelled_alike():
    _, rows, windows = tiled([0, 0, 1, 1, 0, 0, 0], ["a", "a", "a", "a", "a", "b", "b"], left_out=[3])
    before, behind = (dict(zip(rows.tolist(), rows[column].tolist(), strict=True)) for column in neighbours(windows))
    assert before == {0: 0, 1: 0, 2: 2, 4: 4, 5: 5, 6: 5}
    assert behind == {0: 1, 1: 1, 2: 2, 4: 4, 5: 6, 6: 6}


def test_without_places_nothing_is_a_neighbour():
    _, _, windows = tiled([0, 0, 0])
    bare = Windows(windows.codes, windows.labels, windows.weights, windows.accessibility)
    assert neighbours(bare).tolist() == [[0, 1, 2]] * 2


def take(windows, rows, share, seed=1):
    codes, accessibility = torch.from_numpy(windows.codes), torch.from_numpy(windows.accessibility)
    generator = torch.Generator().manual_seed(seed)
    near = torch.from_numpy(neighbours(windows))
    taken = shifted(codes, accessibility, near, torch.from_numpy(rows), share, generator)
    return [part.numpy() for part in taken]


def test_a_moved_window_is_what_stands_there():
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
        # a window's accessibility is its number: in between it rises evenly
        np.testing.assert_allclose(value, fitting[0] / LENGTH, rtol=1e-5, atol=1e-6)
        distances.append(fitting[0] - home)
    assert min(distances) == -MAX_SHIFT
    assert max(distances) == MAX_SHIFT


def test_the_share_decides_how_many_move():
    _, _, windows = tiled([0] * 8)
    drawn = np.random.default_rng(2).integers(0, 8, 4000)
    codes, accessibility = take(windows, drawn, 0.0)
    np.testing.assert_array_equal(codes, windows.codes[drawn])
    np.testing.assert_array_equal(accessibility, windows.accessibility[drawn])
    codes, _ = take(windows, drawn, 0.5)
    stayed = (codes == windows.codes[drawn]).all(1).mean()
    assert 0.5 < stayed < 0.7  # beside the half that is not moved: no neighbour on that side, or by 0 bases


def test_labels_that_differ_are_never_mixed():
    _, _, windows = tiled([0, 1, 0, 1])
    drawn = np.arange(4).repeat(50)
    codes, _ = take(windows, drawn, 1.0)
    np.testing.assert_array_equal(codes, windows.codes[drawn])
