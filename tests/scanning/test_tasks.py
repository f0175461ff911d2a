"""Scaffolds that share a task and a call of the model are scored as if each were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jundscan.accessibility.opening import open_track
from jundscan.dna.letters import UNKNOWN
from jundscan.dna.regions import Region
from jundscan.dna.windows import chunks as chunks_of
from jundscan.dna.windows import span_table
from jundscan.model.model import Model
from jundscan.scanning.outputs import Counter, feed
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import score
from jundscan.scanning.tasks import calls, join, known_runs, tasks
from tests.helpers.inputs import genome_letters, scale_of, track_rows, write_fasta, write_rows
from tests.helpers.numpy_models import numpy_model
from tests.helpers.windows import window_starts


@st.composite
def scanned(draw: st.DrawFn) -> tuple[dict[str, NDArray[np.uint8]], list[Region]]:
    """Chromosomes with unknown letters, some shorter than a window, and spans of them, some of which touch."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    genome, spans = {}, []
    for number in range(rng.integers(1, 7)):
        length = int(rng.integers(1, rng.choice([150, 1_500])))
        genome[chrom := f"s{number}"] = codes = rng.integers(0, 4, length).astype(np.uint8)
        for at in rng.integers(0, length, rng.integers(0, 4)).tolist():
            codes[at : at + int(rng.integers(1, 30))] = UNKNOWN
        inner = rng.integers(0, length, rng.integers(0, 4))
        edges = np.unique([*inner, *([0] if rng.random() < 0.7 else []), *([length] if rng.random() < 0.7 else [])])
        spans += [Region(chrom, *pair) for pair in pairwise(edges.astype(int).tolist()) if rng.random() < 0.7]
    return genome, spans


def reader(genome: Mapping[str, NDArray[np.uint8]], seed: int = 0) -> Callable[[Sequence[Region]], Iterator[Any]]:
    """Read regions as a genome does, in blocks cut anywhere."""

    def read(regions: Sequence[Region]) -> Iterator[Any]:
        for one, other in pairwise(regions):
            assert one.chrom != other.chrom or one.end < other.start
        bases = np.concatenate([np.empty(0, np.uint8), *(genome[chrom][start:end] for chrom, start, end in regions)])
        return iter(np.split(bases, np.sort(np.random.default_rng(seed).integers(0, len(bases) + 1, 4))))

    return read


@pytest.mark.slow
@given(
    drawn=scanned(),
    stride=st.integers(1, 160),
    flank=st.integers(0, 130),
    size=st.sampled_from([101, 500, 3_000, 20_000]),
    most=st.integers(1, 40),
)
@settings(max_examples=200)
def test_each_known_window_is_in_one_call_with_its_own_flanks(
    drawn: tuple[dict[str, NDArray[np.uint8]], list[Region]], stride: int, flank: int, size: int, most: int
) -> None:
    genome, spans = drawn
    sizes = {chrom: len(codes) for chrom, codes in genome.items()}
    read = reader(genome)
    around = {chrom: np.pad(codes, flank, constant_values=UNKNOWN) for chrom, codes in genome.items()}
    expected = [
        (chrom, start)
        for chrom, first, end in spans
        for start in window_starts(first, end, sizes[chrom], stride)
        if genome[chrom][start : start + 101].max() < UNKNOWN
    ]
    places = []
    for task in tasks(spans, sizes, read, stride, size, flank):
        joined = join(task, stride, flank)
        assert len(joined.firsts) == 1 or len(joined.codes) - 2 * flank <= size
        runs, counts = known_runs(joined, stride, flank)
        chroms = np.repeat(task.chroms, np.diff([*task.heads, len(task.begins)]))
        found = []
        for first, count in zip(runs.tolist(), counts.tolist(), strict=True):
            piece = int(np.searchsorted(joined.firsts, first, side="right")) - 1
            start = int(task.chunks.starts[piece]) + (first - int(joined.firsts[piece])) * stride
            found += [(first + at, str(chroms[piece]), start + at * stride) for at in range(count)]
        row = 0
        for call in calls(runs, counts, most, stride, flank):
            assert call.row == row
            assert 0 < call.end - call.first <= most
            bases = joined.codes[call.first * stride : (call.end - 1) * stride + 101 + 2 * flank]
            assert len(bases) == (call.end - call.first - 1) * stride + 101 + 2 * flank
            rows = found[call.row : call.end_row]
            assert (rows[0][0], rows[-1][0]) == (call.first, call.end - 1)
            for number, chrom, start in rows:
                begin = (number - call.first) * stride
                seen = bases[begin : begin + 101 + 2 * flank]
                assert np.array_equal(seen, around[chrom][start : start + 101 + 2 * flank])
            row = call.end_row
        assert row == len(found)
        places += [(chrom, start) for _, chrom, start in found]
    assert places == expected


@given(
    drawn=scanned(),
    stride=st.integers(1, 150),
    flank=st.integers(0, 90),
    most=st.sampled_from([101, 700, 4_000]),
    seed=st.integers(0, 99),
)
def test_tasks_hold_each_chunk_with_its_own_bases(
    drawn: tuple[dict[str, NDArray[np.uint8]], list[Region]], stride: int, flank: int, most: int, seed: int
) -> None:
    genome, spans = drawn
    sizes = {chrom: len(codes) for chrom, codes in genome.items()}
    blocks: list[Iterator[Any]] = []

    def read(regions: Sequence[Region]) -> Iterator[Any]:
        blocks.append(reader(genome, seed)(regions))
        return blocks[0]

    found = []
    for task in tasks(spans, sizes, read, stride, most, flank):
        chunks = task.chunks
        assert len(task.begins) == 1 or (chunks.ends - chunks.starts).sum() <= most
        chroms = np.repeat(task.chroms, np.diff([*task.heads, len(task.begins)])).tolist()
        assert all(task.chroms[at] != task.chroms[at - 1] for at in range(1, len(task.chroms)))
        assert chroms == [spans[number].chrom for number in chunks.spans.tolist()]
        columns = (task.begins, task.lefts, task.rights, chunks.starts, chunks.ends)
        for chrom, *row in zip(chroms, *(column.tolist() for column in columns), strict=True):
            begin, left, right, start, end = row
            assert (left, right) == (min(start, flank), min(sizes[chrom] - end, flank))
            bases = task.codes[begin - left : begin + end - start + right]
            assert np.array_equal(bases, genome[chrom][start - left : end + right])
        found += list(zip(*(column.tolist() for column in chunks), strict=True))
    whole = chunks_of(span_table(spans, sizes), stride, most)
    assert found == list(zip(*(column.tolist() for column in whole), strict=True))
    assert next(blocks[0], None) is None


@pytest.mark.parametrize("flank", [0, 400])
def test_gaps_between_scaffolds_are_one_flank_wide(flank: int) -> None:
    genome = {f"s{number}": np.zeros(1_001, np.uint8) for number in range(50)}
    spans = [Region(chrom, 0, 1_001) for chrom in genome]
    (task,) = tasks(spans, dict.fromkeys(genome, 1_001), reader(genome), 10, 1 << 20, flank)
    assert len(join(task, 10, flank).codes) <= 50 * (1_001 + flank + 10) + flank


@pytest.mark.parametrize("flank", [0, 400])
def test_long_strides_do_not_lengthen_concatenated_chunks(flank: int) -> None:
    genome = {f"s{number}": np.zeros(500, np.uint8) for number in range(100)}
    spans = [Region(chrom, 0, 500) for chrom in genome]
    for task in tasks(spans, dict.fromkeys(genome, 500), reader(genome), 50_000, 1 << 18, flank):
        assert len(join(task, 50_000, flank).codes) <= (1 << 18) + 2 * flank


@pytest.fixture(scope="module")
def scaffolds() -> dict[str, str]:
    rng = np.random.default_rng(11)
    sizes = [*rng.integers(60, 700, 60).tolist(), 101, 102, 100, 4_000, 111]
    return {f"scaffold_{number}": genome_letters(rng, size) for number, size in enumerate(sizes)}


@pytest.mark.slow
@pytest.mark.parametrize(("stride", "flank"), [(1, None), (10, None), (101, None), (150, None), (10, 130), (150, 130)])
def test_scaffolds_that_share_a_task_score_as_if_alone(
    tmp_path: Path, model: Model, scaffolds: dict[str, str], stride: int, flank: int | None
) -> None:
    if flank is not None:
        model = numpy_model(model, flank, (101, 301))
    if stride == 1:  # a task of 101 bases is one window
        scaffolds = dict(list(scaffolds.items())[20:40])
    genome = write_fasta(tmp_path / "g.fa", scaffolds)
    some = {name: len(letters) for number, (name, letters) in enumerate(scaffolds.items()) if number % 3}
    rows = track_rows(np.random.default_rng(1), dict(reversed(some.items())), every=150)
    track = write_rows(tmp_path / "t.bedgraph", rows)

    def scores(**sizes: int) -> list[tuple[str, int, list[int], list[int], list[float]]]:
        with open_scan(genome, track, model=model, stride=stride, scale=scale_of(model), threads=2) as ready:
            found: dict[str, list[list[float]]] = {}
            tried = 0
            counter = Counter(ready)
            for chunk in feed(score(ready, **sizes), [counter]):
                tried += chunk.tried
                columns = found.setdefault(chunk.chrom, [[], [], []])
                for column, values in zip(columns, chunk[1:4], strict=True):
                    column += values.tolist()
            assert tried == ready.windows
            return [(counter.windows_scored, counter.bases_scanned), found]

    alone = scores(task_bases=101)
    assert len(alone[1]) > (10 if stride == 1 else 50)
    for size in (400, 3_000, 1 << 18):
        assert scores(task_bases=size) == alone


@given(
    sizes=st.lists(st.integers(1, 90_000), min_size=1, max_size=12),
    seed=st.integers(0, 9),
)
@settings(max_examples=40)
def test_means_of_many_scaffolds_at_once_equal_single_ones(
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
    assert np.array_equal(track.means_of_all(parts)[:, 0], np.concatenate(alone))
    for (name, starts), means in zip(parts, alone, strict=True):
        signal = np.zeros(sizes[int(name[1:])] + 800)
        for chrom, start, end, value in rows:
            if chrom == name:
                signal[start:end] = np.maximum(signal[start:end], np.float32(value))
        naive = np.array([signal[start : start + 101].sum() / 101 for start in starts.tolist()])
        np.testing.assert_allclose(means, naive, rtol=1e-6)
        assert np.array_equal(means == 0, naive == 0)


@pytest.mark.slow
def test_many_scaffolds_share_calls_of_the_model(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "ACGTTGCATC" * 20
    genome = write_fasta(tmp_path / "g.fa", {f"s{at}": letters for at in range(2_000)})
    sizes = []
    slide = Model.slide

    def counted(self: Model, codes: np.ndarray, *rest: object) -> np.ndarray:
        sizes.append(len(codes))
        return slide(self, codes, *rest)

    monkeypatch.setattr(Model, "slide", counted)
    with open_scan(genome, model=model) as ready:
        assert sum(len(scored.starts) for scored in score(ready)) == ready.windows == 2_000 * 11
    assert len(sizes) < 200
