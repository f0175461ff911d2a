"""Hits: the vectorised stream against a naive loop over the windows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.model.thresholds import is_positive
from jundscan.scanning.hits import HitCaller, Hits

Row = tuple[int, int, float, int]
LEVELS = [0.0, 0.3, 0.5, 0.7, 0.70000005, 0.7000004, 0.7000008, 0.9, 1.0]


def naive(indices: list[int], starts: list[int], probabilities: list[float], threshold: float) -> list[Row]:
    """Follow the rules one window at a time."""
    groups: list[list[tuple[int, int, float]]] = []
    for index, start, p in zip(indices, starts, probabilities, strict=True):
        if np.float32(p) < np.float32(threshold):
            continue
        if groups and start < groups[-1][-1][1] + 101:
            groups[-1].append((index, start, p))
        else:
            groups.append([(index, start, p)])
    rows = []
    for group in groups:
        best = max(p for *_, p in group)
        run: list[tuple[int, int, float]] = []
        for window in group:
            if np.round(np.float64(window[2]), 6) == np.round(np.float64(best), 6):
                if run and window[0] != run[-1][0] + 1:
                    break
                run.append(window)
        rows.append((group[0][1], group[-1][1] + 101, best, run[(len(run) - 1) // 2][1] + 50))
    return rows


def call(caller: HitCaller, pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[Row]:
    return [row for piece in pieces for row in rows(caller.add(*piece))] + rows(caller.finish())


def rows(hits: Hits) -> list[Row]:
    assert hits.start.dtype == hits.end.dtype == hits.summit.dtype == np.int64
    assert hits.best.dtype == np.float32
    return list(zip(*(column.tolist() for column in hits), strict=True))


@st.composite
def scans(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Draw a stride and the scored windows of a chromosome, the last perhaps off the grid."""
    stride = draw(st.sampled_from([1, 7, 50, 100, 101, 150]))
    scored = np.array(draw(st.lists(st.sampled_from([True, True, True, False]), max_size=60)), dtype=bool)
    indices = np.flatnonzero(scored)
    starts = indices * stride
    if len(starts) > 1:
        starts[-1] -= draw(st.integers(0, stride - 1))
    values = draw(st.lists(st.sampled_from(LEVELS), min_size=len(indices), max_size=len(indices)))
    return stride, indices, starts, np.array(values, dtype=np.float32)


@given(scans(), st.sampled_from([0.0, 0.5, 0.7, 1.0]), st.lists(st.integers(0, 60), max_size=6))
def test_hits_equal_a_naive_loop_for_every_split_into_chunks(
    scan: tuple[int, np.ndarray, np.ndarray, np.ndarray], threshold: float, cuts: list[int]
) -> None:
    stride, *columns = scan
    expected = naive(*(column.tolist() for column in columns), threshold)
    caller = HitCaller(threshold, stride)
    whole = call(caller, [tuple(columns)])
    assert whole == expected
    edges = [0, *sorted(cuts), len(columns[0])]
    pieces = [tuple(column[i:j] for column in columns) for i, j in pairwise(edges)]
    assert call(caller, pieces) == expected  # also: a finished caller starts afresh
    assert call(caller, [tuple(column[i : i + 1] for column in columns) for i in range(edges[-1])]) == expected


@given(scans())
def test_hits_are_sorted_disjoint_and_cover_every_positive_window(
    scan: tuple[int, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    stride, indices, starts, probabilities = scan
    found = call(HitCaller(0.5, stride), [(indices, starts, probabilities)])
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    for start in starts[probabilities >= 0.5].tolist():
        assert sum(hit[0] <= start and start + 101 <= hit[1] for hit in found) == 1


@pytest.mark.parametrize(
    ("starts", "probabilities", "expected"),
    [
        ([], [], []),
        ([0], [0.4], []),
        ([0], [0.5], [(0, 101, 0.5, 50)]),
        ([0, 101], [0.5, 0.75], [(0, 101, 0.5, 50), (101, 202, 0.75, 151)]),  # abutting
        ([0, 100], [0.5, 0.75], [(0, 201, 0.75, 150)]),  # one base in common
        ([0, 50, 100], [0.75, 0.1, 0.75], [(0, 201, 0.75, 50)]),  # a lower one in between, two runs
        ([0, 50, 100, 150], [0.75] * 4, [(0, 251, 0.75, 100)]),  # a tie in the middle
    ],
)
def test_hits_follow_the_documented_rules(starts: list[int], probabilities: list[float], expected: list[Row]) -> None:
    positions = np.array(starts, dtype=np.int64)
    piece = (np.arange(len(starts)), positions, np.array(probabilities, dtype=np.float32))
    assert call(HitCaller(0.5, 50), [piece]) == expected


def test_one_hit_on_a_whole_chromosome_keeps_one_row_in_memory() -> None:
    caller = HitCaller(0.0, 1)
    for first in range(0, 100_000, 1_000):
        windows = np.arange(first, first + 1_000)
        assert not caller.add(windows, windows, np.full(1_000, 0.25, dtype=np.float32)).start.size
    assert rows(caller.finish()) == [(0, 100_100, 0.25, 49_999 + 50)]
    assert rows(caller.finish()) == []


def test_threshold_is_compared_in_float32() -> None:
    written = np.array([0.7, 0.1, 0.3], dtype=np.float32)
    assert is_positive(written, 0.7).tolist() == [True, False, False]
    assert is_positive(written.astype(np.float64), 0.1).tolist() == [True, True, True]
    assert is_positive(np.array([np.nan]), 0.0).tolist() == [False]
