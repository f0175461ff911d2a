"""Interval sets against sets of bases."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.interval_sets import intersect_intervals, merge_intervals, subtract_intervals

interval_lists = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=12
).map(lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2))


def bases(intervals):
    return {base for start, end in intervals.tolist() for base in range(start, end)}


def assert_sorted_disjoint(intervals):
    assert (intervals[:, 0] < intervals[:, 1]).all()
    assert (intervals[1:, 0] >= intervals[:-1, 1]).all()


@given(interval_lists)
def test_merged_intervals_hold_the_same_bases_and_leave_gaps(intervals):
    merged = merge_intervals(intervals)
    assert bases(merged) == bases(intervals)
    assert (merged[1:, 0] > merged[:-1, 1]).all()


def test_merging_no_intervals_returns_none():
    assert merge_intervals(np.empty((0, 2), np.int64)).shape == (0, 2)


@given(interval_lists.map(merge_intervals), interval_lists.map(merge_intervals))
def test_intersection_and_difference_are_those_of_sets(a, b):
    both, only_a = intersect_intervals(a, b), subtract_intervals(a, b)
    assert bases(both) == bases(a) & bases(b)
    assert bases(only_a) == bases(a) - bases(b)
    assert_sorted_disjoint(both)
    assert_sorted_disjoint(only_a)


def test_abutting_intervals_stay_apart_in_an_intersection():
    a = np.array([[0, 5], [5, 9]])
    assert intersect_intervals(a, np.array([[3, 7]])).tolist() == [[3, 5], [5, 7]]
    assert subtract_intervals(a, np.array([[0, 5], [5, 6]])).tolist() == [[6, 9]]
