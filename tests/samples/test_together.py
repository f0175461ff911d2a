"""Scans of many tracks at once, against the scans of single tracks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN
from jundscan.errors import InputError
from jundscan.model.load import load_model
from jundscan.model.model import TRACKS_PER_CALL, WINDOW_MULTIPLE, Model
from jundscan.samples.plan import Samples, open_samples
from jundscan.samples.table import Sample
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import ScoredWindows, score, score_together
from tests.conftest import SIZES
from tests.helpers.inputs import scale_of, track_rows, write_rows
from tests.helpers.numpy_models import numpy_model

EXPORTED = Path(__file__).parents[2] / "exported"


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Three tracks: one lacks chr2, one has chr3 only."""
    of_samples = {"one": ["chr1", "chr2"], "two": ["chr1"], "three": ["chr3"]}
    found = []
    for seed, (name, chroms) in enumerate(of_samples.items()):
        rows = track_rows(np.random.default_rng(seed), {chrom: SIZES[chrom] for chrom in chroms}, every=60)
        found.append(Sample(name, write_rows(tmp_path / f"{name}.bedgraph", rows)))
    return found


def assert_equal(found: ScoredWindows, expected: ScoredWindows) -> None:
    for name, column, other in zip(found._fields, found, expected, strict=True):
        np.testing.assert_array_equal(column, other, err_msg=name)


def track_values(rng: np.random.Generator, tracks: int, windows: int, widths: int) -> NDArray[np.float32]:
    """Percentiles with zeros, single missing windows and a track without any value."""
    values = rng.random((tracks, windows, widths), np.float32)
    values[rng.random((tracks, windows)) < 0.3] = 0
    values[rng.random((tracks, windows)) < 0.1] = np.nan
    values[tracks // 2] = np.nan
    values[rng.random(tracks) < 0.3] = 0
    return values


@pytest.mark.parametrize("family", ["", "-mlp", "-lstm"])
@pytest.mark.parametrize("stride", [1, 7, 10, 200, 1_500])
def test_tracks_score_as_each_does_alone(family: str, stride: int) -> None:
    model = load_model(EXPORTED / f"jund-2{family}", "cpu")
    rng = np.random.default_rng(stride)
    assert model.shares_sequence == (family != "-lstm")
    for tracks, windows in ((1, 33), (2, 1), (3, 50), (TRACKS_PER_CALL + 2, 20), (51, 17)):
        codes = rng.integers(0, 4, (windows - 1) * stride + model.span).astype(np.uint8)
        if windows != 33:  # unknown letters, and a call without any
            codes[rng.random(len(codes)) < 0.002] = UNKNOWN
        values = track_values(rng, tracks, windows, len(model.widths))
        found = model.slide_tracks(codes, values, stride)
        expected = np.stack([model.slide(codes, of_track, stride) for of_track in values])
        assert found.shape == (tracks, windows)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_rows_of_a_tile_and_more_score_as_each_track_does_alone(model: Model) -> None:
    rng = np.random.default_rng(1)
    for stride, tile in ((1, 4_096), (10, 1_024)):
        for windows in (tile - WINDOW_MULTIPLE, tile - 1, tile, tile + 1):
            codes = rng.integers(0, 4, (windows - 1) * stride + model.span).astype(np.uint8)
            values = track_values(rng, 3, windows, len(model.widths))
            expected = np.stack([model.slide(codes, of_track, stride) for of_track in values])
            np.testing.assert_array_equal(model.slide_tracks(codes, values, stride), expected)


def test_a_single_width_is_the_windows_own(model: Model) -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, 9 * 10 + model.span).astype(np.uint8)
    own = rng.random((2, 10), np.float32)
    expected = np.stack([model.slide(codes, of_track, 10) for of_track in own])
    np.testing.assert_array_equal(model.slide_tracks(codes, own, 10), expected)


def test_tracks_of_other_shapes_are_errors(model: Model) -> None:
    codes = np.zeros(model.span, np.uint8)
    for shape in ((0, 1, 5), (2, 2, 5), (2, 1, 9), (1,)):
        with pytest.raises(InputError, match="accessibility"):
            model.slide_tracks(codes, np.zeros(shape, np.float32), 10)


def test_calls_of_several_tracks_stay_below_the_tile(model: Model) -> None:
    for stride in (1, 7, 10, 100):
        alone = model.windows_per_call(stride)
        several = [model.windows_per_call(stride, tracks) for tracks in (2, 10, 25, 400)]
        assert all(one >= other for one, other in zip([alone, *several], several, strict=False))
        assert all(windows % WINDOW_MULTIPLE == 0 and windows > 0 for windows in several)
        assert several[0] < model.metadata.tiles.get(str(stride), alone + 1)


SHIPPED, FAR, ONE_BY_ONE = "the shipped one", "one that sees far", "one that takes tracks one by one"
# thousands of windows of an LSTM take long
STRIDES = {SHIPPED: (1, 7, 10, 200), FAR: (1, 7, 10, 200), ONE_BY_ONE: (7, 10, 200)}


@pytest.fixture
def any_model(model: Model, request: pytest.FixtureRequest) -> Model:
    if request.param == ONE_BY_ONE:
        return load_model(EXPORTED / "jund-2-lstm", "cpu")
    return model if request.param == SHIPPED else numpy_model(model, 460, (101, 301, 1_101))


@pytest.mark.parametrize(
    ("any_model", "stride"),
    [(name, stride) for name, strides in STRIDES.items() for stride in strides],
    indirect=["any_model"],
)
def test_scans_together_equal_single_scans(genome: Path, samples: list[Sample], any_model: Model, stride: int) -> None:
    """One sample lacks chromosomes: closed in one setting, unknown (NaN) in the other."""
    for missing in ("closed", "unknown"):
        options: dict[str, Any] = {
            "model": any_model,
            "stride": stride,
            "scale": scale_of(any_model),
            "missing_chromosomes": missing,
            "threads": 2,
        }
        with open_samples(genome, samples, **options) as ready:
            assert len({id(scan.genome) for scan in ready.scans}) == 1
            together = list(score_together(ready.scans))
        for at, sample in enumerate(samples):
            with open_scan(genome, sample.accessibility, **options) as scan:
                alone = list(score(scan))
            assert len(alone) == len(together)
            for chunks, expected in zip(together, alone, strict=True):
                assert_equal(chunks[at], expected)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 10, 150])
def test_sizes_of_tasks_and_calls_change_no_bit(genome: Path, samples: list[Sample], model: Model, stride: int) -> None:
    def scores(ready: Samples, **sizes: int) -> NDArray[np.float32]:
        rows = [[chunk.probabilities for chunk in chunks] for chunks in score_together(ready.scans, **sizes)]
        return np.concatenate([np.stack(row) for row in rows], axis=1)

    with open_samples(
        genome, samples, model=model, stride=stride, scale=scale_of(model), missing_chromosomes="closed"
    ) as ready:
        expected = scores(ready)
        # at stride 1 a task of 101 bases is one window
        for task_bases, call_windows in [(101 if stride > 1 else 150, 16), (700, 4_096), (1 << 16, 32), (1_234, 96)]:
            np.testing.assert_array_equal(scores(ready, task_bases=task_bases, call_windows=call_windows), expected)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 90), st.sampled_from([1, 3, 10, 101]), st.integers(0, 2**32 - 1), st.booleans()
)
def test_any_number_of_tracks_and_windows(
    model: Model, tracks: int, windows: int, stride: int, seed: int, is_known: bool
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4 if is_known else 5, (windows - 1) * stride + model.span).astype(np.uint8)
    values = track_values(rng, tracks, windows, len(model.widths))
    rows = rng.integers(0, tracks, 3)
    expected = np.stack([model.slide(codes, values[row], stride) for row in rows])
    np.testing.assert_array_equal(model.slide_tracks(codes, values, stride)[rows], expected)


def test_covered_bases_count_once_per_sample(genome: Path, samples: list[Sample], model) -> None:
    """Bases covered count once per sample, as in its own scan."""

    def covered(chunks: Iterator[tuple[ScoredWindows, ...]]) -> list[list[int]]:
        return [[chunk.covered for chunk in of_samples] for of_samples in chunks]

    with open_samples(genome, samples, model=model, scale=scale_of(model), missing_chromosomes="closed") as ready:
        rows = covered(score_together(ready.scans, task_bases=300))
        assert all(len(set(row)) == 1 for row in rows)
        assert sum(row[0] for row in rows) == sum(row[0] for row in covered(score_together(ready.scans)))
