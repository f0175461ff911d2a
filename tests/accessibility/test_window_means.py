"""Window means of a text track against exact arithmetic, whatever the values beside a window."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jundscan.accessibility.opening import open_track
from jundscan.accessibility.window_means import offset, running_sums, window_sums
from jundscan.dna.interval_sets import Intervals
from tests.helpers.inputs import write_bigwig, write_rows

WIDEST = 301
GREATEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)

values = st.floats(0, GREATEST, width=32) | st.sampled_from([0.0, 1e-45, 1e-30, 0.001, 0.004, 1.0, 3e12, GREATEST])
pieces = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 250), values), min_size=1, max_size=25)


def intervals_of(parts: list[tuple[int, int, float]], first: int) -> Intervals:
    """Lay intervals one behind the other, each after a gap."""
    gaps, lengths, heights = (np.array(column) for column in zip(*parts, strict=True))
    ends = first + np.cumsum(gaps + lengths)
    return Intervals(ends - lengths, ends, heights.astype(np.float32).astype(np.float64))


def exact_means(flat: Intervals, starts: list[int], width: int) -> NDArray[np.float64]:
    found = []
    for start in starts:
        first = start + offset(width)
        overlaps = np.clip(np.minimum(flat.ends, first + width) - np.maximum(flat.starts, first), 0, None)
        some = np.flatnonzero(overlaps)
        total = sum(Fraction(float(flat.values[row])) * int(overlaps[row]) for row in some)
        found.append(float(Fraction(total, width)))
    return np.array(found)


@pytest.mark.slow
@settings(max_examples=150)
@example(parts=[(0, 1, 1e-45), (0, 1, GREATEST), (0, 250, 1e-45)], block=301, widths=[1, 101], step=1, before=0)
@given(
    parts=pieces,
    block=st.sampled_from([301, 500, 1 << 15]),
    widths=st.lists(st.sampled_from([1, 2, 101, 300, 301]), min_size=1, max_size=3, unique=True),
    step=st.sampled_from([1, 3, 40, 700]),
    before=st.integers(0, 2_000),
)
def test_means_are_exact_whatever_lies_beside_a_window(
    parts: list[tuple[int, int, float]], block: int, widths: list[int], step: int, before: int
) -> None:
    flat = intervals_of(parts, WIDEST + before)
    sums = running_sums(flat, block, WIDEST)
    starts = np.arange(WIDEST, int(flat.ends[-1]) + 200, step)
    found = sums.means(starts, widths)
    alone = np.concatenate([sums.means(starts[row : row + 1], widths) for row in range(0, len(starts), 29)])
    assert np.array_equal(alone, found[::29])
    looked = slice(None, None, max(len(starts) // 60, 1))
    for column, width in enumerate(widths):
        expected = exact_means(flat, starts[looked].tolist(), width)
        np.testing.assert_allclose(found[looked, column], expected, rtol=3e-7, atol=SMALLEST)
        assert not found[looked, column][expected == 0].any()


OUTLIERS = {
    "one outlier": [3e12, *(0.004 + 0.0001 * i for i in range(40))],
    "the least float beside the greatest": [1e-38, 3e38, 1e-38, 2e-38],
    "one value in every order of magnitude": [10.0**power for power in range(-37, 38)],
    "an outlier every other interval": [0.01, 1e15] * 30,
    "nothing unusual": [0.05 * i + 0.01 for i in range(60)],
}


@settings(max_examples=60)
@given(
    parts=st.lists(st.tuples(st.integers(2_000, 9_000), st.integers(1, 250), values), min_size=1, max_size=6),
    block=st.sampled_from([301, 500, 1 << 13]),
    step=st.sampled_from([1, 7, 40]),
)
def test_means_near_rare_peaks_equal_those_of_windows_looked_up_alone(
    parts: list[tuple[int, int, float]], block: int, step: int
) -> None:
    flat = intervals_of(parts, WIDEST)
    sums = running_sums(flat, block, WIDEST)
    starts, widths = np.arange(WIDEST, int(flat.ends[-1]) + 3_000, step), (101, 301)
    found = sums.means(starts, widths)
    # windows and ranges that begin or end at an edge of an interval, or one step beside it, and some far from all
    edges = np.concatenate([flat.starts, flat.ends])
    shifts = [shift + beside for shift in (0, -101, 100, -201) for beside in (-step, 0, step)]
    near = np.searchsorted(starts, np.concatenate([edges + shift for shift in shifts]))
    some = np.unique(np.concatenate([near[near < len(starts)], np.arange(0, len(starts), 997)]))
    assert np.array_equal(found[some], np.concatenate([sums.means(starts[[row]], widths) for row in some]))
    for column, width in enumerate(widths):
        exact = exact_means(flat, starts[some].tolist(), width)
        np.testing.assert_allclose(found[some, column], exact, rtol=3e-7, atol=SMALLEST)


@pytest.mark.parametrize("heights", OUTLIERS.values(), ids=OUTLIERS)
def test_a_text_track_and_a_bigwig_of_the_same_values_give_the_same_means(tmp_path: Path, heights: list[float]) -> None:
    rows = [("chr1", 1_000 + 300 * i, 1_200 + 300 * i, value) for i, value in enumerate(heights)]
    # a second chromosome whose blocks are even, and a third that shares a block with the first
    rows += [("chr2", at, at + 100, 0.5 + at / 1e6) for at in range(0, 90_000, 150)] + [("chr3", 5, 50, 1e-6)]
    sizes = {"chr1": 40_000, "chr2": 90_000, "chr3": 60}
    paths = [write_rows(tmp_path / "t.bedgraph", rows), write_bigwig(tmp_path / "t.bw", sizes, rows)]
    parts = [(chrom, np.arange(0, size, 10)) for chrom, size in sizes.items()]
    widths = [101, 301, 1_101, 4_001]
    found = []
    for path in paths:
        with open_track(path) as track:
            found.append(track.means_of_all(parts, widths))
    np.testing.assert_allclose(found[0], found[1], rtol=3e-7, atol=SMALLEST)
    assert np.array_equal(found[0] == 0, found[1] == 0)


def test_an_ordinary_track_is_summed_in_one_layer_and_an_outlier_costs_its_own_block_only() -> None:
    rng = np.random.default_rng(0)
    starts = np.sort(rng.choice(10_000_000, 50_000, replace=False)) * 10 + (1 << 15)
    ordinary = Intervals(starts, starts + 10, np.float32(rng.exponential(10, len(starts)) + 0.01).astype(np.float64))
    assert not running_sums(ordinary, 1 << 15, 4_001).layers
    ordinary.values[25_000] = 1e12
    sums = running_sums(ordinary, 1 << 15, 4_001)
    assert len(sums.uneven) in (1, 2)  # two, where the widest stretch of the block before reaches it
    assert sum(len(layer.positions) for layer in sums.layers) < len(sums.positions) / 500


GRIDS = {
    "every base": np.arange(2_000),
    "every tenth base": np.arange(3, 2_000, 10),
    "every seventh base": np.arange(0, 2_000, 7),
    "every fiftieth base": np.arange(4, 2_000, 50),
    "every tenth base but for gaps": np.delete(np.arange(0, 2_000, 10), [5, 6, 7, 90, 150]),
    "tens in a few places": np.array([0, 10, 250, 1_990]),
    "anywhere": np.array([1, 2, 40, 333, 1_007, 1_999]),
    "one": np.array([77]),
}


@pytest.mark.parametrize("starts", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("widths", [[101, 301, 601, 1101, 2101], [1, 2, 9, 10, 19, 20, 105, 4001], [3], [111, 101]])
def test_the_order_of_additions_depends_on_the_range_alone(starts: NDArray[np.int64], widths: list[int]) -> None:
    rng = np.random.default_rng(0)
    values = np.float32(10 ** rng.uniform(-8, 8, 2_000 + 4_100)).astype(np.float64)  # any other order rounds otherwise
    offsets = [7 * row if 101 not in widths else 2_000 + offset(width) for row, width in enumerate(widths)]
    found = window_sums(values, starts, widths, offsets).copy()
    for row, (width, behind) in enumerate(zip(widths, offsets, strict=True)):
        every = window_sums(values, np.arange(2_000), [width], [behind])[0]
        assert np.array_equal(found[row], every[starts])
        naive = [values[start + behind : start + behind + width].sum() for start in starts.tolist()]
        np.testing.assert_allclose(found[row], naive, rtol=1e-13)
