"""Scales: percentiles by definition at every width, as JSON, applied in parts, with fewer knots than values."""

import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.genome_tracks import GenomeTrack, match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import (
    IDENTITY,
    AccessibilityScale,
    Knots,
    fit_knots,
    fit_scale,
    read_scale,
    resolve_scale,
)
from jundscan.accessibility.track_scale import evenly_spaced, known_stretches, track_scale
from jundscan.errors import InputError
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.io.fasta.genome import open_genome
from jundscan.scanning.plan import open_scan
from tests.helpers.numpy_models import numpy_model


def some_means(windows=4000, distinct=300, seed=0):
    """Window means of which 60 % are 0."""
    rng = np.random.default_rng(seed)
    means = rng.choice(rng.gamma(0.5, 2.0, distinct), windows)
    means[rng.random(windows) < 0.6] = 0
    return means.astype(np.float32)


def test_a_percentile_counts_lower_windows_and_half_of_the_equal_ones():
    means = some_means()
    scale = fit_scale(means, "here")
    expected = [(np.sum(means < m) + np.sum(means == m) / 2) / len(means) if m else 0.0 for m in means]
    np.testing.assert_allclose(scale.apply(means), expected, rtol=1e-6)
    assert scale.windows == len(means)
    assert len(scale.values) == len(np.unique(means)) - 1


def test_zero_and_nan_are_not_mapped():
    scale = fit_scale(some_means(), "here")
    mapped = scale.apply(np.array([0.0, np.nan, 1e-9, 1e9], dtype=np.float32))
    assert mapped.dtype == np.float32
    assert mapped[0] == 0
    assert np.isnan(mapped[1])
    assert mapped[2] == np.float32(scale.percentiles[0])
    assert mapped[3] == np.float32(scale.percentiles[-1])
    assert scale.apply(np.zeros(3, dtype=np.float32)).tolist() == [0, 0, 0]


@given(st.lists(st.floats(0, 30, width=32), min_size=1, max_size=700), st.integers(0, 700))
def test_a_scale_maps_parts_as_it_maps_the_whole(means, cut):
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


def binned_means(width, windows=200_000):
    """Means over windows of counts of reads in bins of 50 bases, of which many are alike."""
    counts = np.repeat(np.random.default_rng(2).poisson(0.3, windows // 5), 50)
    sums = np.append(0, np.cumsum(counts))
    return ((sums[width:] - sums[:-width]) / width).astype(np.float32)[::10]


def smooth_means(width, windows=200_000):
    """Means over ``width`` neighbours of values that differ by orders of magnitude."""
    sums = np.append(0, np.cumsum(np.random.default_rng(1).gamma(0.02, 1.0, windows)))
    return ((sums[width:] - sums[:-width]) / width).astype(np.float32)


@pytest.mark.parametrize("made", [binned_means, smooth_means])
@pytest.mark.parametrize("width", [301, 1101])
def test_wider_surroundings_need_half_as_many_knots(made, width):
    values, counts = np.unique(made(width), return_counts=True)
    knots = fit_knots(values, counts, 1024)
    exact = (np.cumsum(counts) - counts / 2) / counts.sum()
    above = values > 0
    assert len(knots.values) <= 1024
    assert np.abs(knots.map(values[above]) - exact[above]).max() < 0.002


@pytest.mark.parametrize("means", [some_means(999), some_means(distinct=49), np.zeros(5000, dtype=np.float32)])
def test_too_few_windows_or_values_raise(means):
    with pytest.raises(InputError, match=r"^here: .*--accessibility-scale FILE .*--accessibility-scale identity"):
        fit_scale(means, "here")


def test_the_identity_changes_nothing():
    means = np.array([0.0, np.nan, 0.25, 7.0], dtype=np.float32)
    for scale in (IDENTITY, AccessibilityScale.from_dict(IDENTITY.to_dict())):
        assert np.array_equal(scale.apply(means), means, equal_nan=True)
        at_all_widths = np.stack((means, means[::-1]), axis=1)
        assert np.array_equal(scale.apply_all(at_all_widths, (101, 301)), at_all_widths, equal_nan=True)


@pytest.mark.parametrize("wrap", [lambda record: record, lambda record: {"hits": 3, "accessibility_scale": record}])
def test_a_scale_is_read_back_as_it_was(tmp_path, wrap):
    scale = scale_of_three()
    path = tmp_path / "scale.json"
    path.write_text(json.dumps(wrap(scale.to_dict())))
    again = read_scale(path)
    assert again.to_dict() == scale.to_dict()
    means = np.stack([some_means(seed=seed) for seed in range(3)], axis=1)
    assert np.array_equal(again.apply_all(means, (101, 301, 1101)), scale.apply_all(means, (101, 301, 1101)))


def scale_of_three():
    """A scale for windows and two widths around them."""
    wider = {width: fit_knots(*np.unique(some_means(seed=width), return_counts=True), 1024) for width in (301, 1101)}
    return dataclasses.replace(fit_scale(some_means(), "here"), wider=wider)


def test_every_width_has_its_own_percentiles():
    scale = scale_of_three()
    columns = [np.append(some_means(seed=seed), [np.nan, 0, 1e9]).astype(np.float32) for seed in range(3)]
    mapped = scale.apply_all(np.stack(columns, axis=1), (101, 301, 1101))
    assert mapped.shape == (4003, 3)
    assert mapped.dtype == np.float32
    assert np.array_equal(mapped[:, 0], scale.apply(columns[0]), equal_nan=True)
    for column, width in ((1, 301), (2, 1101)):
        alone = AccessibilityScale(*scale.wider[width], scale.windows)
        assert np.array_equal(mapped[:, column], alone.apply(columns[column]), equal_nan=True)
    assert not np.array_equal(mapped[:, 1], mapped[:, 2])
    in_another_order = scale.apply_all(np.stack(columns[::-1], axis=1), (1101, 301, 101))
    assert np.array_equal(in_another_order[:, ::-1], mapped, equal_nan=True)


@pytest.mark.parametrize(("widths", "bases"), [((101, 301, 601), "601"), ((101, 401, 1101, 2001), "401, 2001")])
def test_a_scale_without_a_width_of_the_model_raises(tmp_path, widths, bases):
    scale = scale_of_three()
    path = tmp_path / "scale.json"
    path.write_text(json.dumps(scale.to_dict()))
    for one, where in ((scale, "accessibility scale"), (read_scale(path), re.escape(str(path)))):
        problem = f"^{where}: has no percentiles for the {bases} bases around a window, .* model: jundscan scale$"
        with pytest.raises(InputError, match=problem):
            one.check_widths(widths)
        with pytest.raises(InputError, match=problem):
            one.apply_all(np.ones((5, len(widths)), np.float32), widths)
        one.check_widths((101, 1101))
    IDENTITY.check_widths(widths)


def test_a_scan_with_a_scale_of_another_model_raises_before_it_begins(model):
    genome, track = MemoryGenome("ACGT" * 1000), MemoryTrack(np.arange(4000.0))
    around = numpy_model(model, 0, (101, 301, 1101))
    with pytest.raises(InputError, match="no percentiles for the 301, 1101 bases around a window"):
        open_scan(genome, track, model=around, scale=fit_scale(some_means(), "here"))
    with open_scan(genome, track, model=around, scale=scale_of_three()) as scan:
        assert scan.inputs.scale.windows == 4000


@settings(max_examples=30)
@given(
    widths=st.sampled_from([(101,), (101, 301), (101, 301, 1101)]),
    starts=st.lists(st.lists(st.integers(0, 2899), max_size=30, unique=True).map(sorted), min_size=3, max_size=3),
    has_scale=st.booleans(),
)
def test_a_scan_maps_accessibility_at_every_width_and_0_without_data(model, widths, starts, has_scale):
    rng = np.random.default_rng(0)
    values = {chrom: rng.exponential(1, 3000) * (rng.random(3000) < 0.1) for chrom in ("a", "c")}
    genome = MemoryGenome(dict.fromkeys("abc", "ACGT" * 750))
    track = MemoryTrack(values)
    scale = scale_of_three() if has_scale else None
    with open_scan(genome, track, model=numpy_model(model, 20, widths), scale=scale) as scan:
        parts = [(chrom, np.array(of_chrom, np.int64)) for chrom, of_chrom in zip("abc", starts, strict=True)]
        found = scan.inputs.accessibility_of(parts)
        assert found.shape == (sum(map(len, starts)), len(widths))
        assert found.dtype == np.float32
        row = 0
        for chrom, of_chrom in parts:
            rows = found[row : row + len(of_chrom)]
            row += len(of_chrom)
            if chrom not in values:
                assert not rows.any()
                continue
            for column, width in enumerate(widths):
                means = track.window_means(chrom, of_chrom, width)
                every = np.stack([means] * len(widths), axis=1)
                assert np.array_equal(rows[:, column], scan.inputs.scale.apply_all(every, widths)[:, column])


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
        json.dumps(record(wider=None)),
        json.dumps(record(wider=[301])),
        json.dumps(record(wider={"301": None})),
        json.dumps(record(wider={"301": {"values": [1]}})),
        json.dumps(record(wider={"301": record(percentiles=[0.2, 0.1])})),
        json.dumps(record(values=[], percentiles=[], wider={"301": record()})),
        json.dumps(record(wider={"301": record(values=[], percentiles=[])})),
        *(
            json.dumps(record(wider={width: record()}))
            for width in ("", "x", "99", "101", "300", "0301", "+301", " 301", "301.0", "4003", "٣٠١", "9" * 5000)
        ),
    ],
)
def test_a_file_that_holds_no_scale_raises(tmp_path, content):
    path = tmp_path / "scale.json"
    path.write_text(content)
    with pytest.raises(InputError, match="no accessibility scale can be read from it"):
        read_scale(path)


def test_a_missing_scale_file_raises(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_scale(tmp_path / "none.json")


def write_genome(path, sequences):
    path.write_text("".join(f">{chrom}\n{sequence}\n" for chrom, sequence in sequences.items()))
    return open_genome(path)


@settings(max_examples=40)
@given(
    runs=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5)), min_size=1, max_size=5),
    limit=st.integers(1, 400),
)
def test_source_windows_are_evenly_spaced_without_unknown_bases(tmp_path_factory, runs, limit):
    sequence = "".join("A" * known + "N" * unknown for known, unknown in runs)
    sequences = {"a": sequence, "b": "N" * 200, "c": "", "d": "ACGT" * 50, "left_out": "ACGT" * 90}
    genome = write_genome(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)
    chroms = ["a", "b", "c", "d"]
    windows = evenly_spaced(known_stretches(genome, chroms), limit)
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


@pytest.mark.parametrize(("missing", "windows"), [("closed", 7800), ("unknown", 3900)])
def test_the_scale_of_a_text_track_is_over_the_chromosomes_of_the_genome(tmp_path, missing, windows):
    genome = write_genome(tmp_path / "genome.fa", {"1": "ACGT" * 1000, "2": "ACGT" * 1000})
    track_path = tmp_path / "a.bdg"
    track_path.write_text("".join(f"chr1\t{i * 20}\t{i * 20 + 20}\t{1.5 + i}\n" for i in range(100)))
    with open_track(track_path) as track:
        scale = track_scale(genome, match_chromosomes(genome, track, missing=missing))
        means = track.window_means("chr1", np.arange(3900))
    assert scale.windows == windows
    assert scale.apply(means).max() == pytest.approx(1 - 0.5 / windows)
    assert scale.zero_share == pytest.approx(1 - 2000 / windows, abs=0.01)


def test_a_scale_is_found_at_every_width_on_the_same_windows(tmp_path):
    rng = np.random.default_rng(3)
    values = {chrom: np.repeat(rng.exponential(1, 40), 50) for chrom in ("chr1", "chr2")}
    genome = write_genome(tmp_path / "genome.fa", {"1": "ACGT" * 500, "2": "ACGT" * 500})
    track = MemoryTrack(values)
    names = match_chromosomes(genome, track)
    scale = track_scale(genome, names, (101, 301, 1101))
    assert scale.windows == 2 * 1900
    assert list(scale.wider) == [301, 1101]
    own = track_scale(genome, names)
    assert own.wider == {}
    assert np.array_equal(own.values, scale.values)
    starts = np.arange(1900)
    for width, knots in scale.wider.items():
        means = track.means_of_all([("chr1", starts), ("chr2", starts)], (width,))[:, 0]
        exact = [(np.sum(means < mean) + np.sum(means == mean) / 2) / len(means) for mean in means]
        np.testing.assert_allclose(knots.map(means), exact, atol=0.002)


def test_wider_surroundings_may_have_few_values(tmp_path):
    genome = write_genome(tmp_path / "genome.fa", {"chr1": "ACGT" * 500})
    values = np.zeros(2000)
    values[:60] = 1.0
    scale = track_scale(genome, GenomeTrack(MemoryTrack({"chr1": values}), {"chr1": "chr1"}), (101, 1101))
    assert len(scale.values) == 60
    assert len(scale.wider[1101].values) >= 1
    values[20:] = 0
    with pytest.raises(InputError, match="1900 windows with 20 distinct values"):
        track_scale(genome, GenomeTrack(MemoryTrack({"chr1": values}), {"chr1": "chr1"}), (101, 1101))


def test_means_are_interpolated_between_knots():
    knots = Knots(np.array([1.0, 3.0]), np.array([0.2, 0.6]))
    means = np.array([0, 0.5, 1, 2, 2, 2, 2, 9, np.nan], np.float32)
    expected = np.array([0, 0.2, 0.2, 0.4, 0.4, 0.4, 0.4, 0.6, np.nan], np.float32)
    assert np.array_equal(knots.map(means), expected, equal_nan=True)
    assert knots.map(means[:0]).shape == (0,)
    among_zeros = np.zeros(1_000, np.float32)
    among_zeros[7 : 7 + 100 * len(means) : 100] = means
    mapped = knots.map(among_zeros)
    assert np.array_equal(mapped[7 : 7 + 100 * len(means) : 100], expected, equal_nan=True)
    assert np.count_nonzero(mapped) == np.count_nonzero(means)


@pytest.mark.parametrize("given", [None, "identity", IDENTITY])
def test_none_identity_and_a_scale_resolve_to_themselves(given):
    assert resolve_scale(given) is (None if given is None else IDENTITY)


def test_a_path_resolves_to_the_scale_in_the_file(tmp_path):
    path = tmp_path / "scale.json"
    path.write_text(json.dumps({"windows": 7, "values": [1.0], "percentiles": [0.5]}))
    assert resolve_scale(path).windows == 7
    assert resolve_scale(str(path)).values.tolist() == [1.0]


def test_a_scale_at_the_limits_of_its_values_is_read():
    record = {"windows": 3, "values": [0, 1, 2, 3], "percentiles": [0, 0.5, 0.5, 1]}
    scale = AccessibilityScale.from_dict(record)
    assert scale.to_dict() == {**record, "values": [0.0, 1.0, 2.0, 3.0], "percentiles": [0.0, 0.5, 0.5, 1.0]}
    widest = {"4001": {"values": [1.0], "percentiles": [1.0]}, "103": {"values": [0.0], "percentiles": [0.0]}}
    assert AccessibilityScale.from_dict({**record, "wider": widest}).to_dict()["wider"] == widest
    assert AccessibilityScale.from_dict({**record, "wider": {}}).wider == {}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"values": [[1.0]]}, "values and percentiles must be two lists of the same length"),
        ({"values": [1.0, 2.0]}, "values and percentiles must be two lists of the same length"),
        ({"values": [-1.0]}, "values must be finite, none negative, and percentiles from 0 to 1"),
        ({"values": [2.0, 2.0], "percentiles": [0.1, 0.2]}, "values and percentiles must ascend"),
        ({"percentiles": None}, "values and percentiles must be two lists of the same length"),
        ({"windows": None}, "not an accessibility scale: needs windows, values and percentiles"),
        ({"wider": {"301": {}}}, "not an accessibility scale: needs windows, values and percentiles"),
        ({"wider": {301: {}}}, "not an accessibility scale: needs windows, values and percentiles"),
        (
            {"wider": {"302": {"values": [1.0], "percentiles": [0.5]}}},
            "wider surroundings have an odd number of bases from 103 to 4,001",
        ),
        (
            {"wider": {"301": {"values": [], "percentiles": []}}},
            "where there are wider surroundings, each width needs values and percentiles",
        ),
        ({"wider": {"301": {"values": [1.0], "percentiles": [2]}}}, "values must be finite, none negative, .* 0 to 1"),
    ],
)
def test_a_wrong_scale_raises_with_the_reason(changed, problem):
    record = {"windows": 3, "values": [1.0], "percentiles": [0.5]}
    with pytest.raises(ValueError, match=f"^{problem}$"):
        AccessibilityScale.from_dict({**record, **changed})


def test_a_scale_needs_a_thousand_windows_and_fifty_values():
    means = np.concatenate((np.zeros(950), np.arange(1, 51)))
    assert fit_scale(means, "here").windows == 1000
    for few in (means[1:], np.append(np.zeros(951), np.arange(1, 50))):
        with pytest.raises(InputError, match=r"here: .* too few"):
            fit_scale(few, "here")


def test_a_scale_has_at_most_2048_knots():
    means = np.arange(1, 2050, dtype=np.float64)
    assert len(fit_scale(means[:2048], "here").values) == 2048
    thinned = fit_scale(np.arange(1, 100_001, dtype=np.float64), "here")
    assert 1500 < len(thinned.values) <= 2048
    assert (thinned.values[0], thinned.values[-1]) == (1, 100_000)


def test_scale_of_more_than_16_mebibytes_is_an_error(tmp_path):
    text = json.dumps({"windows": 3, "values": [1.0], "percentiles": [0.5]})
    path = tmp_path / "scale.json"
    path.write_text(text.ljust(1 << 24))
    assert read_scale(path).windows == 3
    path.write_text(text.ljust((1 << 24) + 1))
    with pytest.raises(InputError, match=r"scale\.json: no accessibility scale .* \(more than 16,777,216 bytes\)"):
        read_scale(path)
