"""Means around windows against a loop over bases, for every kind of track, and errors of tracks."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pybigtools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.tracks import BigWigTrack, TextTrack, Track
from jundscan.accessibility.window_means import MAX_WIDTH
from jundscan.errors import TrackError

LENGTH = 2000
rows = st.lists(
    st.tuples(
        st.integers(0, LENGTH - 1),
        st.integers(1, 300),
        st.floats(0, 1e6, width=32) | st.sampled_from([0.0, 1e-30, 1.0]),
    ).map(lambda row: (row[0], min(sum(row[:2]), LENGTH), row[2])),
    min_size=1,
    max_size=12,
)


def write_text(path, rows, chrom="chr1"):
    path.write_text("".join(f"{chrom}\t{start}\t{end}\t{value!r}\n" for start, end, value in rows))
    return path


def write_bigwig(path, rows, sizes=None):
    made = path.with_suffix(".bw")  # pybigtools writes under no other extension
    pybigtools.open(str(made), "w").write(sizes or {"chr1": LENGTH}, [("chr1", *row) for row in rows])
    return made.rename(path)


def per_base(rows):
    values = np.zeros(LENGTH)
    for start, end, value in rows:
        values[start:end] = np.maximum(values[start:end], value)
    return values


def runs(values):
    """Turn values per base into the disjoint rows of a bigWig."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    pairs = pairwise(edges)
    return [(start, end, float(values[start])) for start, end in pairs if values[start] > 0]


def means_around(values, starts, width):
    """Mean over the bases around the centre of each window, one by one."""
    padded = np.concatenate((np.zeros(MAX_WIDTH), values, np.zeros(2 * MAX_WIDTH)))
    begins = np.array(starts, np.int64) + 50 - width // 2 + MAX_WIDTH
    return np.array([padded[begin : begin + width].sum() / width for begin in begins.tolist()])


def open_bigwig(path, rows):
    track = open_track(write_bigwig(path, runs(per_base(rows))))
    assert isinstance(track, BigWigTrack)
    return track


# a mean below what float32 holds with all its digits
@pytest.mark.slow
@example(
    rows=[(0, 1, 2.0**-126)], kind="text", starts=[0], widths=[101], cuts=[], slab=102, gap=101, block=101, widest=101
)
@settings(max_examples=120)
@given(
    rows=rows,
    kind=st.sampled_from(["text", "bigwig", "memory"]),
    # beyond the end too, because a genome may be longer than its track
    starts=st.lists(st.integers(0, LENGTH + 700), min_size=1, max_size=60, unique=True).map(sorted)
    | st.tuples(st.integers(0, 900), st.integers(1, 40)).map(lambda t: list(range(t[0], LENGTH - 100, t[1])))
    | st.lists(st.integers(0, 90), min_size=1, max_size=60, unique=True).map(
        lambda tens: [10 * n for n in sorted(tens)]
    ),
    widths=st.lists(st.sampled_from([1, 2, 64, 100, 101, 102, 301, 1023, 1501]), min_size=1, max_size=4, unique=True)
    | st.lists(st.integers(1, 1501), min_size=1, max_size=4, unique=True),
    cuts=st.lists(st.integers(0, 1000), max_size=4),
    slab=st.integers(102, 3000),
    gap=st.integers(0, 3000),
    block=st.integers(101, 3000),
    widest=st.sampled_from([101, 1501, MAX_WIDTH]),
)
def test_means_equal_those_of_a_loop_however_the_windows_are_read(
    rows, kind, starts, widths, cuts, slab, gap, block, widest
):
    values = per_base(rows)
    if not values.any():
        kind = "text"
    widest = max(widest, *widths)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "track.bedgraph")
        if kind == "text":
            track = TextTrack(write_text(path, rows), "score", block_bases=max(block, widest), max_width=widest)
        else:
            per_base_track = MemoryTrack({"chr1": values}) if kind == "memory" else open_bigwig(path, rows)
            per_base_track.slab_bases, per_base_track.gap_bases = slab, gap
            track = per_base_track
        with track:
            together = track.means_of_all([("chr1", np.array(starts))], widths)
            for column, width in enumerate(widths):
                whole = track.window_means("chr1", np.array(starts), width)
                portions = np.split(np.array(starts), sorted(cut for cut in cuts if cut < len(starts)))
                split = np.concatenate([track.window_means("chr1", portion, width) for portion in portions])
                every = track.window_means("chr1", np.arange(LENGTH + 701), width)
                assert whole.dtype == together.dtype == np.float32
                assert np.array_equal(whole, together[:, column])
                assert np.array_equal(whole, split)
                assert np.array_equal(whole, every[starts])
                naive = means_around(values, starts, width)
                # running sums lose only values 10^12 times below the track's highest
                smallest = float(np.finfo(np.float32).smallest_subnormal)  # to which a float32 near 0 is rounded
                np.testing.assert_allclose(whole, naive, rtol=1e-7, atol=1e-12 * values.max() + smallest)
                assert not whole[naive == 0].any()
                assert (whole >= 0).all()


SCAFFOLDS = {"chr1": 90_000, "a": 40, "b": 3_000, "chr2": 33_000, "c": 101, "d": 500}


@pytest.mark.slow
@settings(max_examples=40)
@given(
    seed=st.integers(0, 99),
    bigwig=st.booleans(),
    order=st.permutations(list(SCAFFOLDS)),
    widths=st.lists(st.integers(0, MAX_WIDTH // 2).map(lambda half: 2 * half + 1), min_size=1, max_size=3)
    | st.just([101, 301, 1101, 2101, MAX_WIDTH]),
    step=st.sampled_from([1, 10, 77, 5_000, None]),
)
def test_surroundings_never_reach_another_chromosome(seed, bigwig, order, widths, step):
    rng = np.random.default_rng(seed)
    values = {}
    for chrom, size in SCAFFOLDS.items():  # the ends always hold something
        edges = np.unique([0, size, *rng.integers(0, size, rng.integers(2, 60))])
        heights = np.float32(rng.exponential(1, len(edges) - 1) * (rng.random(len(edges) - 1) < 0.5))
        heights[[0, -1]] = rng.random(2) + 0.5
        values[chrom] = np.repeat(heights.astype(float), np.diff(edges))
    rows = {chrom: runs(of_chrom) for chrom, of_chrom in values.items()}
    parts = []
    for chrom in order:
        starts = (
            rng.integers(0, SCAFFOLDS[chrom], 40) if step is None else np.arange(0, SCAFFOLDS[chrom], step)[-3_000:]
        )
        parts.append((chrom, np.unique(np.append(starts, [0, SCAFFOLDS[chrom] - 1]))))
    with tempfile.TemporaryDirectory() as folder:
        if bigwig:
            path = Path(folder, "track.bw")
            lines = [(chrom, *row) for chrom in sorted(rows) for row in rows[chrom]]
            pybigtools.open(str(path), "w").write(SCAFFOLDS, lines)
        else:
            path = Path(folder, "track.bedgraph")
            path.write_text("".join(f"{c}\t{s}\t{e}\t{v!r}\n" for c in rows for s, e, v in rows[c]))
        with open_track(path) as track:
            found = track.means_of_all(parts, widths)
    for column, width in enumerate(widths):
        sums = {chrom: np.append(0, np.cumsum(of_chrom)) for chrom, of_chrom in values.items()}
        expected = []
        for chrom, starts in parts:
            begins = starts + 50 - width // 2
            low, high = (np.clip(at, 0, SCAFFOLDS[chrom]) for at in (begins, begins + width))
            expected.append((sums[chrom][high] - sums[chrom][low]) / width)
        naive = np.concatenate(expected)
        np.testing.assert_allclose(found[:, column], naive, rtol=1e-6, atol=1e-9)
        assert np.array_equal(found[:, column] == 0, naive < 1e-9)


class RecordingTrack(MemoryTrack):
    """A track in memory that keeps the spans that are read from it."""

    def _values(self, chrom, start, end):
        self.read.append((start, end))
        return super()._values(chrom, start, end)


def test_windows_far_apart_are_read_alone_and_near_ones_together():
    track = RecordingTrack({"chr1": np.full(1_000_000, 2.0)})
    track.read = []
    means = track.means_of_all([("chr1", np.array([0, 1_000, 500_000, 990_000]))], (101, 301, 1101))
    # once for all widths, and a few bases more, so that windows stay a multiple of 10 bases apart
    assert track.read == [(-500, 1_610), (499_500, 500_610), (989_500, 990_601)]
    assert means[1:].tolist() == [[2.0] * 3] * 3
    np.testing.assert_allclose(means[0], [2, 2 * 201 / 301, 2 * 601 / 1101], rtol=1e-6)


@pytest.mark.parametrize("width", [0, -101, MAX_WIDTH + 1])
def test_a_width_out_of_range_raises(width, tmp_path):
    tracks: list[Track] = [
        MemoryTrack(np.ones(500)),
        open_track(write_text(tmp_path / "a.bdg", [(0, 500, 1.0)], "sequence")),
    ]
    for track in tracks:
        with pytest.raises(ValueError, match=f"a width of {width} bases: must be from 1 to 4,001"):
            track.window_means("sequence", np.arange(10), width)


def test_a_window_far_below_its_neighbours_keeps_its_digits(tmp_path):
    track = open_track(write_text(tmp_path / "a.bdg", [(0, 200, 1e4), (200, 401, 1e-3)]))
    assert track.window_means("chr1", np.array([250])) == np.float32(1e-3)


def test_a_bigwig_is_recognized_by_its_content_and_knows_its_sizes(tmp_path):
    rows = [(10, 20, 1.0)]
    with open_track(write_bigwig(tmp_path / "a.bed", rows)) as track:
        assert (track.sizes, track.names) == ({"chr1": LENGTH}, ("chr1",))
    with open_track(write_text(tmp_path / "a.bw", rows)) as track:
        assert (track.sizes, track.names) == (None, ("chr1",))
        assert len(track.window_means("chr1", np.empty(0, dtype=np.int64))) == 0


def test_bases_beyond_a_bigwig_count_as_0(tmp_path):
    with open_track(write_bigwig(tmp_path / "a.bw", [(LENGTH - 101, LENGTH, 101.0)])) as track:
        starts = np.array([LENGTH - 101, LENGTH - 1, LENGTH + 500])
        assert track.window_means("chr1", starts).tolist() == [101.0, 1.0, 0.0]


def test_threads_that_share_a_track_read_the_same_means(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(i * 10, i * 10 + 7, float(rng.random())) for i in range(LENGTH // 10)]
    portions = np.array_split(np.arange(LENGTH - 100), 40)
    for path in (write_bigwig(tmp_path / "a.bw", rows), write_text(tmp_path / "a.bdg", rows)):
        with open_track(path) as track, ThreadPoolExecutor(4) as pool:
            means = np.concatenate(list(pool.map(lambda starts: track.window_means("chr1", starts), portions)))
            assert np.array_equal(means, track.window_means("chr1", np.arange(LENGTH - 100)))


@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_a_negative_or_infinite_value_in_a_bigwig_raises(tmp_path, value):
    path = write_bigwig(tmp_path / "a.bw", [(10, 20, 1.0), (300, 310, float(value))])
    with open_track(path) as track, pytest.raises(TrackError, match=r"chr1:300 has the value"):
        track.window_means("chr1", np.arange(0, 400))


@pytest.mark.parametrize("kept", [4, 40, 200])
def test_a_damaged_bigwig_raises(tmp_path, kept):
    path = write_bigwig(tmp_path / "a.bw", [(10, 20, 1.0)])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TrackError, match="cannot be read as a bigWig"):
        open_track(path)


def test_a_missing_track_raises(tmp_path):
    with pytest.raises(TrackError, match="No such file"):
        open_track(tmp_path / "none.bw")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["HepG2.DNase.hg19.chr22.narrowPeak.gz", "K562.accessibility.hg19.chr22.bw"])
def test_means_of_real_tracks_equal_the_accessibility_of_the_shards(name, data_folder):
    import joblib

    shard = data_folder / name.split(".")[0] / "valid_dataset"
    ids, a = (joblib.load(shard / f"shard-0-{part}.joblib") for part in ("ids", "a"))
    starts = np.array([int(text.split(":")[1].split("-")[0]) for text in ids])
    order = np.argsort(starts)
    with open_track(data_folder / "tracks" / name) as track:
        means = track.window_means("chr22", starts[order])
    np.testing.assert_allclose(means, a.ravel()[order], rtol=1e-6)
