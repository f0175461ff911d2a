"""Scaffolds that share a task and a call of the model are scored as if each were alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jundscan.accessibility import AccessibilityScale
from jundscan.encoding import UNKNOWN
from jundscan.model import Model
from jundscan.plan import prepare
from jundscan.scan import score
from jundscan.tasks import TASKS_PER_THREAD, calls, in_order, join, known_runs, tasks
from jundscan.tracks import open_track
from jundscan.windows import Region, span_table
from jundscan.windows import chunks as chunks_of
from tests.inputs import genome_letters, track_rows, write_fasta, write_rows

SCALE = AccessibilityScale(np.array([0.01, 0.3, 0.9]), np.array([0.5, 0.8, 0.99]), 1000)


def test_results_come_in_order_and_items_are_taken_little_ahead() -> None:
    taken = []
    begun = Event()

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number:
            begun.set()
        else:
            begun.wait(10)  # the first ends behind the second
        return -number

    results = in_order(work, items(), threads=2)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    assert len(taken) == 2 * TASKS_PER_THREAD + 3
    results.close()
    assert len(taken) == 2 * TASKS_PER_THREAD + 3


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    stride=st.integers(1, 160),
    unknown=st.lists(st.integers(0, 10_000), max_size=6),
    most=st.integers(1, 40),
)
@settings(deadline=None)
def test_every_window_of_known_letters_is_in_one_call(
    counts: list[int], stride: int, unknown: list[int], most: int
) -> None:
    rng = np.random.default_rng(3)
    spans, sizes = [], {}
    for number, count in enumerate(counts):
        length = (count - 1) * stride + 101
        spans.append(Region(f"s{number}", 0, length))
        sizes[f"s{number}"] = length + 1000
    bases = rng.integers(0, 4, sum(span.end for span in spans)).astype(np.uint8)
    bases[[at for at in unknown if at < len(bases)]] = UNKNOWN
    cuts = np.sort(rng.integers(0, len(bases), 3))
    (task,) = tasks(spans, sizes, iter(np.split(bases, cuts)), stride, len(bases))
    codes, firsts = join(task, stride)
    expected, end = [], 0
    for first, span in zip(firsts.tolist(), spans, strict=True):
        own = bases[end : end + span.end]
        end += span.end
        assert np.array_equal(codes[first * stride : first * stride + span.end], own)
        windows = np.lib.stride_tricks.sliding_window_view(own, 101)[::stride]
        expected += (first + np.flatnonzero((windows != UNKNOWN).all(axis=1))).tolist()
    runs, lengths = known_runs(codes, stride)
    found = [first + at for first, length in zip(runs.tolist(), lengths.tolist(), strict=True) for at in range(length)]
    assert found == expected
    row = 0
    for call in calls(runs, lengths, most, stride):
        assert call.row == row
        assert 0 < call.end - call.first <= most
        rows = found[call.row : call.end_row]
        assert (rows[0], rows[-1]) == (call.first, call.end - 1)
        row = call.end_row
    assert row == len(found)


@given(
    places=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(0, 700)), min_size=1, max_size=6).map(
        sorted
    ),
    stride=st.integers(1, 150),
    most=st.integers(101, 900),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_tasks_hold_each_portion_with_its_own_bases(
    places: list[tuple[int, int, int]], stride: int, most: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    genome = {f"s{number}": rng.integers(0, 5, 1000).astype(np.uint8) for number in range(3)}
    sizes = dict.fromkeys(genome, 1000)
    spans: list[Region] = []
    for number, start, length in places:
        chrom = f"s{number}"
        if not spans or spans[-1].chrom != chrom or spans[-1].end < start:
            spans.append(Region(chrom, start, min(start + length, 1000)))
    bases = np.concatenate([genome[chrom][start:end] for chrom, start, end in spans])
    blocks = iter(np.split(bases, np.sort(rng.integers(0, len(bases) + 1, 4))))
    found = []
    for task in tasks(spans, sizes, blocks, stride, most):
        chunks = task.chunks
        assert task.begins[0] == 0
        assert len(task.begins) == 1 or (chunks.ends - chunks.starts).sum() <= most
        chroms = np.repeat(task.chroms, np.diff([*task.heads, len(task.begins)])).tolist()
        assert all(task.chroms[at] != task.chroms[at - 1] for at in range(1, len(task.chroms)))
        assert chroms == [spans[number].chrom for number in chunks.spans.tolist()]
        for chrom, begin, start, end in zip(chroms, task.begins.tolist(), chunks.starts, chunks.ends, strict=True):
            assert np.array_equal(task.codes[begin : begin + end - start], genome[chrom][start:end])
        found += list(zip(*(column.tolist() for column in chunks), strict=True))
    whole = chunks_of(span_table(spans, sizes), stride, most)
    assert found == list(zip(*(column.tolist() for column in whole), strict=True))
    assert next(blocks, None) is None


@pytest.fixture(scope="module")
def scaffolds() -> dict[str, str]:
    rng = np.random.default_rng(11)
    sizes = [*rng.integers(60, 700, 60).tolist(), 101, 102, 100, 4_000, 111]
    return {f"scaffold_{number}": genome_letters(rng, size) for number, size in enumerate(sizes)}


@pytest.mark.parametrize("stride", [1, 10, 101, 150])
def test_scaffolds_are_scored_as_if_alone(tmp_path: Path, model: Model, scaffolds: dict[str, str], stride: int) -> None:
    genome = write_fasta(tmp_path / "g.fa", scaffolds)
    some = {name: len(letters) for number, (name, letters) in enumerate(scaffolds.items()) if number % 3}
    rows = track_rows(np.random.default_rng(1), dict(reversed(some.items())), every=150)
    track = write_rows(tmp_path / "t.bedgraph", rows)

    def scores(**sizes: int) -> list[tuple[str, int, list[int], list[int], list[float]]]:
        with prepare(genome, track, model=model, stride=stride, scale=SCALE, threads=2) as ready:
            found: dict[str, list[list[float]]] = {}
            tried = 0
            for scored in score(ready, **sizes):
                tried += scored.tried
                columns = found.setdefault(scored.chrom, [[], [], []])
                for column, values in zip(columns, scored[1:4], strict=True):
                    column += values.tolist()
            assert tried == ready.windows
            return [(ready.windows_scored, ready.bases_scanned), found]

    alone = scores(task_bases=101)
    assert len(alone[1]) > 50
    for size in (400, 3_000, 1 << 18):
        assert scores(task_bases=size) == alone


@given(
    sizes=st.lists(st.integers(1, 90_000), min_size=1, max_size=12),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_a_track_finds_the_same_means_for_all_scaffolds_at_once(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        row for at, size in enumerate(sizes) for row in track_rows(rng, {f"s{at}": size + 100}, every=size // 3 + 1)
    ]
    track = open_track(write_rows(tmp_path_factory.mktemp("means") / "t.bedgraph", rows))
    parts = []
    for name in rng.permutation(list(track.names)).tolist():
        starts = np.unique(rng.integers(0, sizes[int(name[1:])] + 500, 50))
        parts.append((name, starts))
    alone = [track.window_means(name, starts) for name, starts in parts]
    assert np.array_equal(track.means_of_all(parts), np.concatenate(alone))
    for (name, starts), means in zip(parts, alone, strict=True):
        signal = np.zeros(sizes[int(name[1:])] + 800)
        for chrom, start, end, value in rows:
            if chrom == name:
                signal[start:end] = np.maximum(signal[start:end], np.float32(value))
        naive = np.array([signal[start : start + 101].sum() / 101 for start in starts.tolist()])
        np.testing.assert_allclose(means, naive, rtol=1e-6)
        assert np.array_equal(means == 0, naive == 0)


def test_many_scaffolds_share_the_calls_of_the_model(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = "ACGTTGCATC" * 20
    genome = write_fasta(tmp_path / "g.fa", {f"s{at}": letters for at in range(2_000)})
    sizes = []
    slide = Model.slide

    def counted(self: Model, codes: np.ndarray, *rest: object) -> np.ndarray:
        sizes.append(len(codes))
        return slide(self, codes, *rest)

    monkeypatch.setattr(Model, "slide", counted)
    with prepare(genome, model=model) as ready:
        assert sum(len(scored.starts) for scored in score(ready)) == ready.windows == 2_000 * 11
    assert len(sizes) < 200
