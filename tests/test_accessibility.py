"""The scale: percentiles by definition, through JSON, split or thinned; the windows that it is found on."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jundscan.accessibility import (
    IDENTITY,
    AccessibilityScale,
    fit_scale,
    genome_scale,
    given_scale,
    read_scale,
    source_windows,
)
from jundscan.errors import InputError
from jundscan.genome import open_genome
from jundscan.tracks import match_chromosomes, open_track


def some_means(windows=4000, distinct=300, seed=0):
    """Window means of which 60 % are 0."""
    rng = np.random.default_rng(seed)
    means = rng.choice(rng.gamma(0.5, 2.0, distinct), windows)
    means[rng.random(windows) < 0.6] = 0
    return means.astype(np.float32)


def test_a_percentile_is_what_lies_below_and_half_of_what_equals():
    means = some_means()
    scale = fit_scale(means, "here")
    expected = [(np.sum(means < m) + np.sum(means == m) / 2) / len(means) if m else 0.0 for m in means]
    np.testing.assert_allclose(scale.apply(means), expected, rtol=1e-6)
    assert scale.windows == len(means)
    assert len(scale.values) == len(np.unique(means)) - 1


def test_zero_stays_zero_and_what_is_missing_stays_missing():
    scale = fit_scale(some_means(), "here")
    mapped = scale.apply(np.array([0.0, np.nan, 1e-9, 1e9], dtype=np.float32))
    assert mapped.dtype == np.float32
    assert mapped[0] == 0
    assert np.isnan(mapped[1])
    assert mapped[2] == np.float32(scale.percentiles[0])
    assert mapped[3] == np.float32(scale.percentiles[-1])
    assert scale.apply(np.zeros(3, dtype=np.float32)).tolist() == [0, 0, 0]


@given(st.lists(st.floats(0, 30, width=32), min_size=1, max_size=700), st.integers(0, 700))
@settings(deadline=None)
def test_applying_it_in_parts_gives_the_same(means, cut):
    scale = fit_scale(some_means(), "here")
    array = np.array(means, dtype=np.float32)
    parts = [scale.apply(array[:cut]), scale.apply(array[cut:])]
    assert np.array_equal(np.concatenate(parts), scale.apply(array))


def test_thinned_knots_stay_close_and_closest_at_the_top():
    means = np.random.default_rng(1).gamma(0.3, 1.0, 200_000).astype(np.float32)
    scale = fit_scale(means, "here")
    assert len(scale.values) <= 2048
    assert (np.diff(scale.values) > 0).all()
    order = np.argsort(means)
    exact = np.empty(len(means))
    exact[order] = (np.arange(len(means)) + 0.5) / len(means)
    error = np.abs(scale.apply(means) - exact)
    assert error.max() < 1e-3
    assert error[order[-200:]].max() < 1e-5
    assert scale.values[-1] == means.max()


@pytest.mark.parametrize("means", [some_means(999), some_means(distinct=49), np.zeros(5000, dtype=np.float32)])
def test_too_few_windows_or_values_ask_for_a_scale(means):
    with pytest.raises(InputError, match=r"^here: .*--accessibility-scale FILE .*--accessibility-scale identity"):
        fit_scale(means, "here")


def test_the_identity_changes_nothing():
    means = np.array([0.0, np.nan, 0.25, 7.0], dtype=np.float32)
    for scale in (IDENTITY, AccessibilityScale.from_dict(IDENTITY.to_dict())):
        assert np.array_equal(scale.apply(means), means, equal_nan=True)


@pytest.mark.parametrize("wrap", [lambda record: record, lambda record: {"hits": 3, "accessibility_scale": record}])
def test_a_scale_is_read_back_as_it_was(tmp_path, wrap):
    scale = fit_scale(some_means(), "here")
    path = tmp_path / "scale.json"
    path.write_text(json.dumps(wrap(scale.to_dict())))
    again = read_scale(path)
    assert np.array_equal(again.values, scale.values)
    assert np.array_equal(again.percentiles, scale.percentiles)
    assert again.windows == scale.windows


def record(**changes):
    return {"windows": 5, "values": [1, 2], "percentiles": [0.1, 0.2]} | changes


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\0",
        "[]",
        "3",
        "{}",
        '{"accessibility_scale": null}',
        '{"accessibility_scale": [1]}',
        json.dumps(record(values=[2, 1])),
        json.dumps(record(values=[1, 1])),
        json.dumps(record(values=[1])),
        json.dumps(record(values=["x", "y"])),
        json.dumps(record(values=[-1, 2])),
        json.dumps(record(values=[1, float("inf")])),
        json.dumps(record(values=[[1, 2]], percentiles=[[0.1, 0.2]])),
        json.dumps(record(percentiles=[0.2, 0.1])),
        json.dumps(record(percentiles=[0.2, 1.1])),
        json.dumps(record(windows=None)),
    ],
)
def test_what_is_no_scale_is_refused(tmp_path, content):
    path = tmp_path / "scale.json"
    path.write_text(content)
    with pytest.raises(InputError, match="no accessibility scale can be read from it"):
        read_scale(path)


def test_a_missing_scale_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_scale(tmp_path / "none.json")


def write_genome(path, sequences):
    path.write_text("".join(f">{chrom}\n{sequence}\n" for chrom, sequence in sequences.items()))
    return open_genome(path)


@settings(deadline=None, max_examples=40)
@given(
    runs=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5)), min_size=1, max_size=5),
    limit=st.integers(1, 400),
)
def test_source_windows_are_evenly_spaced_without_unknown_bases(tmp_path_factory, runs, limit):
    sequence = "".join("A" * known + "N" * unknown for known, unknown in runs)
    sequences = {"a": sequence, "b": "N" * 200, "c": "", "d": "ACGT" * 50, "left_out": "ACGT" * 90}
    genome = write_genome(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)
    chroms = ["a", "b", "c", "d"]
    windows = source_windows(genome, chroms, limit)
    assert list(windows) == chroms
    possible = [
        (chrom, start)
        for chrom in chroms
        for start in range(len(sequences[chrom]) - 100)
        if "N" not in sequences[chrom][start : start + 101]
    ]
    count = min(limit, len(possible))
    found = [(chrom, start) for chrom, starts in windows.items() for start in starts.tolist()]
    assert found == [possible[i * len(possible) // count] for i in range(count)]


def test_the_scale_of_a_track_is_over_the_chromosomes_that_it_names(tmp_path):
    genome = write_genome(tmp_path / "genome.fa", {"1": "ACGT" * 1000, "2": "ACGT" * 1000})
    track_path = tmp_path / "a.bdg"
    track_path.write_text("".join(f"chr1\t{i * 20}\t{i * 20 + 20}\t{1 + i}\n" for i in range(100)))
    with open_track(track_path) as track:
        scale = genome_scale(genome, track, match_chromosomes(genome, track))
        means = track.window_means("chr1", np.arange(3900))
    assert scale.windows == 3900
    assert scale.apply(means).max() == pytest.approx(1 - 0.5 / 3900)
    assert scale.percentiles[0] > 0.45


@pytest.mark.parametrize("given", [None, "identity", IDENTITY])
def test_a_scale_is_given_as_it_is(given):
    assert given_scale(given) is (None if given is None else IDENTITY)


def test_a_scale_is_given_by_its_file(tmp_path):
    path = tmp_path / "scale.json"
    path.write_text(json.dumps({"windows": 7, "values": [1.0], "percentiles": [0.5]}))
    assert given_scale(path).windows == 7
    assert given_scale(str(path)).values.tolist() == [1.0]


def test_the_ends_of_what_a_scale_may_hold():
    record = {"windows": 3, "values": [0, 1, 2, 3], "percentiles": [0, 0.5, 0.5, 1]}
    scale = AccessibilityScale.from_dict(record)
    assert scale.to_dict() == {**record, "values": [0.0, 1.0, 2.0, 3.0], "percentiles": [0.0, 0.5, 0.5, 1.0]}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"values": [[1.0]]}, "values and percentiles must be two lists of the same length"),
        ({"values": [1.0, 2.0]}, "values and percentiles must be two lists of the same length"),
        ({"values": [-1.0]}, "values must be finite, none negative, and percentiles from 0 to 1"),
        ({"values": [2.0, 2.0], "percentiles": [0.1, 0.2]}, "values and percentiles must ascend"),
        ({"percentiles": None}, "values and percentiles must be two lists of the same length"),
        ({"windows": None}, "not an accessibility scale: needs windows, values and percentiles"),
    ],
)
def test_what_is_wrong_with_a_scale_is_said(changed, problem):
    record = {"windows": 3, "values": [1.0], "percentiles": [0.5]}
    with pytest.raises(ValueError, match=f"^{problem}$"):
        AccessibilityScale.from_dict({**record, **changed})


def test_a_thousand_windows_and_fifty_values_are_enough():
    means = np.concatenate((np.zeros(950), np.arange(1, 51)))
    assert fit_scale(means, "here").windows == 1000
    for few in (means[1:], np.append(np.zeros(951), np.arange(1, 50))):
        with pytest.raises(InputError, match=r"here: .* too few"):
            fit_scale(few, "here")


def test_as_many_knots_as_values_up_to_two_thousand():
    means = np.arange(1, 2050, dtype=np.float64)
    assert len(fit_scale(means[:2048], "here").values) == 2048
    thinned = fit_scale(np.arange(1, 100_001, dtype=np.float64), "here")
    assert 1500 < len(thinned.values) <= 2048
    assert (thinned.values[0], thinned.values[-1]) == (1, 100_000)


def test_a_scale_too_large_to_be_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("jundscan.files._LONGEST_JSON", 60)
    text = json.dumps({"windows": 3, "values": [1.0], "percentiles": [0.5]})
    path = tmp_path / "scale.json"
    path.write_text(text.ljust(60))
    assert read_scale(path).windows == 3
    path.write_text(text.ljust(61))
    with pytest.raises(InputError, match=r"scale\.json: no accessibility scale .* \(more than 60 bytes\)"):
        read_scale(path)
