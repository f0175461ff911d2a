"""Windows and chunks of them against the naive definitions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.regions import Region
from jundscan.dna.windows import chunks, count_windows, group_consecutive, track_spans, with_flanks
from tests.helpers.windows import window_starts

region_lists = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=12
).map(lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2))
lengths = st.integers(0, 700)
strides = st.integers(1, 250)


@st.composite
def spans(draw):
    length = draw(lengths)
    start = draw(st.integers(0, length))
    end = draw(st.integers(start, length) | st.just(length))
    return start, end, length


def all_starts(length, stride):
    return window_starts(0, length, length, stride)


@given(st.lists(spans(), min_size=1, max_size=4), strides, st.integers(101, 500))
def test_chunks_hold_every_window_exactly_once(table, stride, chunk_bases):
    seen = []
    for number, start, end, first, count in zip(
        *(column.tolist() for column in chunks(np.array(table), stride, chunk_bases)), strict=True
    ):
        starts = [start + i * stride for i in range(count)]
        assert end == starts[-1] + 101
        assert end - start <= chunk_bases
        indexed = {start: index for index, start in enumerate(all_starts(table[number][2], stride))}
        assert [indexed[s] for s in starts] == list(range(first, first + count))
        seen += [(number, start) for start in starts]
    expected = [window_starts(*span, stride) for span in table]
    assert seen == [(number, start) for number, starts in enumerate(expected) for start in starts]
    assert count_windows(np.array(table), stride).tolist() == [len(starts) for starts in expected]


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 60))
def test_groups_of_consecutive_items_are_as_large_as_the_limit_allows(sizes, most):
    groups = list(group_consecutive(np.array(sizes, dtype=np.int64), most))
    assert [row for first, stop in groups for row in range(first, stop)] == list(range(len(sizes)))
    for first, stop in groups:
        assert stop == first + 1 or sum(sizes[first:stop]) <= most
    for (first, _), (_, stop) in pairwise(groups):
        assert sum(sizes[first:stop]) > most  # no two neighbouring groups fit into one


@given(st.lists(region_lists, min_size=1, max_size=3), st.integers(0, 15), st.integers(0, 20))
def test_spans_with_flanks_hold_each_base_near_a_span_once(tables, flank, beyond):
    spans = [Region(f"c{at}", *row) for at, table in enumerate(tables) for row in merge_intervals(table).tolist()]
    sizes = {f"c{at}": int(table.max(initial=0)) + beyond for at, table in enumerate(tables)}
    regions, shifts = with_flanks(spans, sizes, flank)
    for one, other in pairwise(regions):
        assert one.chrom < other.chrom or (one.chrom == other.chrom and one.end < other.start)
    row = [(chrom, base) for chrom, start, end in regions for base in range(start, end)]
    near = {
        (chrom, base)
        for chrom, start, end in spans
        for base in range(max(start - flank, 0), min(end + flank, sizes[chrom]))
    }
    assert set(row) == near
    for (chrom, start, end), shift in zip(spans, shifts.tolist(), strict=True):
        assert row[start + shift : end + shift] == [(chrom, base) for base in range(start, end)]


def test_a_small_span_of_a_long_chromosome_costs_little():
    length = 10**12
    assert count_windows(np.array([[0, length, length]]), 1).tolist() == [length - 100]
    assert chunks(np.array([[length - 1000, length, length]]), 7, 200).starts.min() >= length - 1000


@pytest.mark.parametrize(
    "call",
    [
        lambda: count_windows(np.array([[0, 200, 200]]), 0),
        lambda: count_windows(np.array([[0, 201, 200]]), 1),
        lambda: count_windows(np.array([[5, 4, 200]]), 1),
        lambda: chunks(np.array([[0, 200, 200]]), 1, 100),
    ],
)
def test_impossible_spans_strides_and_chunks_raise(call):
    with pytest.raises(ValueError, match=r"must|not inside"):
        call()


@given(st.integers(101, 700), strides)
def test_track_spans_end_at_the_next_span_and_at_the_chromosome_ends(length, stride):
    starts = np.array(all_starts(length, stride))
    span_starts, span_ends = track_spans(starts, length, stride)
    raw = [(s + 50 - stride // 2, s + 50 - stride // 2 + stride) for s in starts.tolist()]
    for i, (left, right) in enumerate(raw):
        cut = min(right, raw[i + 1][0]) if i + 1 < len(raw) else right
        assert span_starts[i] == max(left, 0)
        assert span_ends[i] == min(max(cut, 0), length)
    assert (span_ends[:-1] <= span_starts[1:]).all()
    empty = np.flatnonzero(span_starts >= span_ends)
    assert empty.tolist() == ([0] if len(starts) > 1 and length <= stride // 2 + 51 else [])


@given(st.integers(101, 700), strides, st.data())
def test_a_track_span_does_not_depend_on_its_neighbours(length, stride, data):
    starts = np.array(all_starts(length, stride))
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(starts), max_size=len(starts))))
    whole = np.column_stack(track_spans(starts, length, stride))
    assert np.array_equal(np.column_stack(track_spans(starts[chosen], length, stride)), whole[chosen])


def test_a_span_of_exactly_the_last_window_holds_it():
    cut = chunks(np.array([[149, 250, 250]]), 100, 1_000)
    assert (cut.starts.tolist(), cut.firsts.tolist(), cut.counts.tolist()) == ([149], [2], [1])


def test_track_spans_end_where_the_span_of_their_window_ends():
    starts = np.array([300, 900, 1200])
    inside = np.array([[0, 250], [280, 480], [900, 1010], [1200, 1500]])
    # 300 bases around the centre would be 200-500, 800-1100, 1100-1400
    span_starts, span_ends = track_spans(starts, 2000, 300, inside)
    assert list(zip(span_starts.tolist(), span_ends.tolist(), strict=True)) == [(280, 480), (900, 1010), (1200, 1400)]


def test_track_spans_end_where_the_chromosome_does():
    span_starts, span_ends = track_spans(np.array([0, 400]), 501, 400)
    assert (span_starts.tolist(), span_ends.tolist()) == ([0, 250], [250, 501])
