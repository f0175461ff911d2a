"""Sites of many samples against a naive union of the hits of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.samples.sites import Sites, _Windows, call_sites
from jundscan.scanning.hits import HitCaller
from jundscan.scanning.score import ScoredWindows

THRESHOLD = 0.5


def scans(samples: int, stride: int) -> Any:
    scan = SimpleNamespace(threshold=SimpleNamespace(value=THRESHOLD), stride=stride)
    return [scan] * samples


def chunks_of(
    chrom: str, indices: NDArray[np.int64], stride: int, probabilities: NDArray[np.float32], cuts: Sequence[int]
) -> list[tuple[ScoredWindows, ...]]:
    """Cut windows into chunks, and give each sample its own."""
    edges = [0, *sorted(cuts), len(indices)]
    return [
        tuple(
            ScoredWindows(chrom, indices[a:b], indices[a:b] * stride, row[a:b], 0, b - a, b - a, 0)
            for row in probabilities
        )
        for a, b in pairwise(edges)
    ]


def join(found: Sequence[tuple[str, Sites]]) -> Sites:
    return Sites(*(np.concatenate(column) for column in zip(*(sites for _, sites in found), strict=True)))


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), st.integers(1, 80), st.sampled_from([1, 10, 60, 101, 200]), st.data())
def test_sites_equal_a_naive_union(samples: int, count: int, stride: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    indices = np.flatnonzero(rng.random(count) < 0.8)
    probabilities = rng.random((samples, len(indices)), np.float32) * np.float32(0.62)
    cuts = data.draw(st.lists(st.integers(0, len(indices)), max_size=5))
    chunks = [
        *chunks_of("chr1", indices, stride, probabilities, cuts),
        *chunks_of("chr2", indices, stride, probabilities[::-1], cuts[:1]),
    ]
    found = list(call_sites(scans(samples, stride), chunks))
    starts = indices * stride
    for chrom, rows in (("chr1", probabilities), ("chr2", probabilities[::-1])):
        called = starts[(rows >= THRESHOLD).any(axis=0)]
        bounds: list[list[int]] = []
        for start in called.tolist():
            if bounds and start < bounds[-1][1]:
                bounds[-1][1] = start + WINDOW_LENGTH
            else:
                bounds.append([start, start + WINDOW_LENGTH])
        here = [item for item in found if item[0] == chrom]
        if not bounds:
            assert not here
            continue
        sites = join(here)
        assert np.column_stack((sites.start, sites.end)).tolist() == bounds
        inside = [(starts >= start) & (starts + WINDOW_LENGTH <= end) for start, end in bounds]
        np.testing.assert_array_equal(sites.best, [rows[:, some].max(axis=1) for some in inside])
        caller = HitCaller(THRESHOLD, stride)
        hits = [caller.add(indices, starts, rows.max(axis=0)), caller.finish()]
        np.testing.assert_array_equal(sites.summit, np.concatenate([part.summit for part in hits]))
        np.testing.assert_array_equal(sites.best.max(axis=1), np.concatenate([part.best for part in hits]))
        own = [(rows[:, some] >= THRESHOLD).any(axis=1).sum() for some in inside]
        assert sites.count_samples(THRESHOLD).tolist() == own


def test_windows_behind_the_open_hit_are_dropped() -> None:
    """A hit stays open until the next positive window, which may be the last of the chromosome."""
    windows = _Windows(2)
    caller = HitCaller(THRESHOLD, 10)
    for first in range(0, 100_000, 1_000):
        indices = np.arange(first, first + 1_000)
        probabilities = np.zeros((1_000, 2), np.float32)
        if not first:
            probabilities[5] = 0.9
        windows.add(indices * 10, probabilities)
        assert not len(caller.add(indices, indices * 10, probabilities.max(axis=1)).start)
        windows.keep(*caller.open_bounds)
        assert len(windows._starts) <= WINDOW_LENGTH // 10 + 1
    assert windows.sites(caller.finish()).best.tolist() == [[np.float32(0.9)] * 2]


def test_no_window_is_no_site() -> None:
    nothing = np.empty(0, np.int64)
    empty = ScoredWindows("chr1", nothing, nothing, np.empty(0, np.float32), 0, 7, 0, 0)
    assert list(call_sites(scans(2, 10), [(empty, empty)])) == []
