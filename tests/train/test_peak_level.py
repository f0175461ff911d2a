"""Counts of peaks and hits on held-out blocks equal a naive count and real scans, and promises are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jundscan
import train.comparison.peak_level
from jundscan.model.metadata import MODES, CalibrationRow
from tests.train.conftest import SmallGenome, quick_fit, tiny
from train.comparison.peak_level import LabelledWindows, ScannedWindows, add_counts, fold_spans, peak_counts
from train.config import Candidate
from train.data.dataset import TRAIN, VALID, chroms_and_starts, load_windows
from train.data.make_shards import make_shards
from train.data.source import DataSource, read_source, write_source
from train.data.split import Split
from train.export.calibration import HeldOutWindows, PeakCounts, add_peak_shares, calibrate, calibration_table
from train.export.peak_promises import peak_check, peak_record
from train.fitting.fit import FittedNetwork
from train.fitting.folds import fit_without_fold

WINDOW = 101


def nothing_counted(thresholds: list[float], blocks: int) -> PeakCounts:
    each = (np.zeros((blocks, len(thresholds)), np.int64) for _ in range(3))
    return PeakCounts(np.array(thresholds), np.arange(blocks), np.zeros(blocks, np.int64), *each)


def stretches(starts: list[int]) -> list[set[int]]:
    """Return the bases of windows, joined where windows abut or overlap."""
    found: list[set[int]] = []
    for start in sorted(starts):
        if not found or start > max(found[-1]) + 1:
            found.append(set())
        found[-1] |= set(range(start, start + WINDOW))
    return found


@settings(max_examples=60)
@given(
    st.dictionaries(st.integers(0, 30), st.booleans(), min_size=1),
    st.dictionaries(st.integers(0, 300), st.sampled_from([0.1, 0.4, 0.6, 0.9])),
    st.sampled_from([WINDOW, 50, 120]),
)
def test_counts_equal_a_naive_count_of_shared_bases(
    labels: dict[int, bool], scores: dict[int, float], apart: int
) -> None:
    """Windows abut, overlap, or have gaps between them."""
    at = np.array(sorted(labels), np.int64)
    truth = LabelledWindows(at * apart, at // 10, np.array([labels[number] for number in at.tolist()]))
    indices = np.array(sorted(scores), np.int64)
    probabilities = np.array([scores[number] for number in indices.tolist()], np.float32)
    counts = nothing_counted([0.2, 0.5, 0.8], 4)
    add_counts(counts, truth, ScannedWindows(indices, indices * 10, probabilities))

    seen = set().union(*(range(start, start + WINDOW) for start in (indices * 10).tolist()))
    peaks = [peak for peak in stretches(truth.start[truth.bound].tolist()) if peak & seen]
    block_of = dict(zip(truth.start.tolist(), truth.block.tolist(), strict=True))
    assert counts.peaks.tolist() == [sum(block_of[min(peak)] == block for peak in peaks) for block in range(4)]
    for column, threshold in enumerate((0.2, 0.5, 0.8)):
        called = [number * 10 for number, score in scores.items() if score >= threshold]
        hits: list[set[int]] = []
        for start in sorted(called):  # abutting windows are two hits
            if not hits or start > max(hits[-1]):
                hits.append(set())
            hits[-1] |= set(range(start, start + WINDOW))
        expected = np.zeros((3, 4), np.int64)
        for peak in peaks:
            expected[0, block_of[min(peak)]] += any(hit & peak for hit in hits)
        for hit in hits:
            touched = [start for start in truth.start.tolist() if hit & set(range(start, start + WINDOW))]
            if touched:
                expected[1, block_of[min(touched)]] += 1
                expected[2, block_of[min(touched)]] += any(hit & peak for peak in peaks)
        found = (counts.peaks_hit[:, column], counts.hits[:, column], counts.hits_on_peaks[:, column])
        np.testing.assert_array_equal(np.stack(found), expected)


def test_spans_hold_the_windows_of_a_fold_and_no_others() -> None:
    rng = np.random.default_rng(1)
    numbers = np.sort(rng.choice(400, 250, replace=False))
    starts, chroms = numbers * WINDOW, np.where(numbers < 200, "1", "2")
    here = (numbers // 40) % 3 == 1
    order = rng.permutation(len(numbers))
    spans = fold_spans(chroms[order], starts[order], here[order], {"chr1": 10**6, "chr2": 10**6})
    for chrom, start, inside in zip(chroms.tolist(), starts.tolist(), here.tolist(), strict=True):
        touched = [s for s in spans if s.chrom == f"chr{chrom}" and s.start < start + WINDOW and start < s.end]
        assert bool(touched) == inside
        assert all(span.start <= start and start + WINDOW <= span.end for span in touched)
    # no region for a window off the scan's grid, beyond the genome's end, or on an unknown chromosome
    assert fold_spans(np.array(["1"]), np.array([5]), np.array([True]), {"chr1": 500}) == []
    assert fold_spans(np.array(["1"]), np.array([500]), np.array([True]), {"chr1": 500}) == []
    assert fold_spans(np.array(["3"]), np.array([0]), np.array([True]), {"chr1": 500}) == []


@pytest.fixture
def data(small_genome: SmallGenome, tmp_path: Path) -> Path:
    """Shards of the small genome, with a dataset.json."""
    from jundscan.accessibility.genome_tracks import match_chromosomes
    from jundscan.accessibility.opening import open_track
    from jundscan.evaluation.truth import read_truth
    from jundscan.io.fasta.genome import open_genome

    folder = tmp_path / "data"
    genome = open_genome(small_genome.fasta)
    with open_track(small_genome.track) as track:
        make_shards(
            genome, read_truth(small_genome.bed, genome.chromsizes), match_chromosomes(genome, track), folder,
             Split(5_000, 0.3, 0.0, 0, (), ()), stride=WINDOW, shard_windows=10_000, regions=(), force=False,
        )  # fmt: skip
    write_source(folder, DataSource(small_genome.fasta, small_genome.track, "TinyCells", "made-up"))
    return folder


def test_held_out_chromosomes_are_scanned_by_networks_not_fitted_on_them(data: Path, tmp_path: Path) -> None:
    source = read_source(data)
    windows = load_windows(data / TRAIN, data / VALID, source=source)
    chroms, starts = chroms_and_starts(windows)
    fold = np.unique(chroms, return_inverse=True)[1].astype(np.int64)
    recipes = [FittedNetwork(Candidate(tiny(kind), quick_fit()), {}, 2, []) for kind in ("around", "cnn")]
    rng = np.random.default_rng(0)
    probabilities = {mode: rng.random(len(fold), dtype=np.float32) for mode in MODES}
    progress: list[str] = []
    arguments = (*recipes, [windows], fold, source, probabilities, tmp_path / "runs", progress.append)
    counts = peak_counts(*arguments)
    assert len(progress) == 3
    assert list(counts) == list(MODES)
    for mode, one in counts.items():
        assert (one.hits_on_peaks <= one.hits).all()
        assert (one.peaks_hit <= one.peaks[:, None]).all()
        rows = calibrate(windows.labels, probabilities[mode], 0.5)
        assert one.thresholds.tolist() == [row.threshold for row in rows]
    assert counts[MODES[0]].peaks.tolist() == counts[MODES[1]].peaks.tolist()
    assert counts[MODES[0]].peaks.sum() > 20
    assert not np.array_equal(counts[MODES[0]].hits, counts[MODES[1]].hits)

    # jundscan.scan finds the same hits
    sets = [windows]
    networks = [fit_without_fold(one.candidate, sets, fold, 0, one.epoch) for one in recipes]
    model = train.comparison.peak_level._model(networks, tmp_path / "model.onnx")
    first = fold == 0
    (region,) = fold_spans(chroms, starts, first, {"chr1": 61_237, "chr2": 40_050, "chr3": 20_101})
    bound = [set(range(start, start + WINDOW)) for start in starts[first & (windows.labels > 0)].tolist()]
    labelled = set().union(*(range(start, start + WINDOW) for start in starts[first].tolist()))
    for column in (0, 10, 20):
        threshold = counts[MODES[0]].thresholds[column]
        hits = list(
            jundscan.scan(
                source.genome, source.accessibility, model=model, threshold=float(threshold),
                regions=str(region),
            )
        )  # fmt: skip
        spans = [set(range(hit.start, hit.end)) for hit in hits]
        judged = [span for span in spans if span & labelled]
        assert counts[MODES[0]].hits[0, column] == len(judged)
        assert counts[MODES[0]].hits_on_peaks[0, column] == sum(any(span & one for one in bound) for span in judged)

    # a second call reads the cache
    again = peak_counts(*arguments)
    assert len(progress) == 3
    for mode in MODES:
        for kept, found in zip(again[mode], counts[mode], strict=True):
            np.testing.assert_array_equal(kept, found)


def made_up_counts(on_peaks: list[int], rows: tuple[CalibrationRow, ...]) -> PeakCounts:
    """Return counts of ten hits and eight peaks per block, with ``on_peaks`` hits on peaks at every threshold."""
    number, thresholds = len(on_peaks), np.array([row.threshold for row in rows])
    shares = np.repeat(np.array(on_peaks)[:, None], len(rows), axis=1)
    return PeakCounts(
        thresholds, np.arange(number) % 5, np.full(number, 8), np.minimum(shares, 8), np.full_like(shares, 10), shares
    )


def held_out() -> HeldOutWindows:
    rng = np.random.default_rng(2)
    labels = (rng.random(20_000) < 0.05).astype(np.int8)
    probabilities = {mode: (rng.random(len(labels)) ** (1 + 2 * (1 - labels))).astype(np.float32) for mode in MODES}
    return HeldOutWindows("made up", labels, probabilities)


def test_shares_of_peaks_are_in_the_table_and_in_the_record() -> None:
    known = held_out()
    rows = calibrate(known.labels, known.probabilities[MODES[0]], 0.05)
    counts = made_up_counts([3, 5, 4, 4, 2, 6, 4, 4, 3, 5], rows)
    table = calibration_table(known.labels, known.probabilities[MODES[0]], 0.05, counts)
    assert {(row.hit_precision, row.peak_recall) for row in table.rows} == {(0.4, 0.5)}
    assert [row.recall for row in table.rows] == [row.recall for row in rows]
    none = PeakCounts(counts.thresholds, counts.fold, *(np.zeros_like(one) for one in counts[2:]))
    assert {(row.hit_precision, row.peak_recall) for row in add_peak_shares(rows, none)} == {(None, None)}
    bare = calibration_table(known.labels, known.probabilities[MODES[0]], 0.05)
    assert {(row.hit_precision, row.peak_recall) for row in bare.rows} == {(None, None)}
    fitted = FittedNetwork(Candidate(tiny("cnn"), quick_fit()), {}, 2, [])
    record = peak_record(
        HeldOutWindows("made up", known.labels, known.probabilities, {MODES[0]: counts}), fitted, "TinyCells"
    )
    assert (record["data"], record["epoch"], record["blocks"]) == ("TinyCells", 2, 10)
    found = record["modes"][MODES[0]]
    assert found["peaks"] == 80
    assert found["hits"] == [100] * len(rows)
    assert found["hits_on_peaks"] == [40] * len(rows)


def test_promises_hold_on_similar_blocks_and_fail_on_different_ones() -> None:
    known = held_out()
    rows = calibrate(known.labels, known.probabilities[MODES[0]], 0.05)
    alike = peak_check(made_up_counts([3, 5, 4, 4, 2, 6, 4, 4, 3, 5] * 3, rows), rows)
    assert [entry["rate"] for entry in alike] == [0.001, 0.002, 0.005, 0.01, 0.05, 0.1]
    for entry in alike:
        for name in ("hit_precision", "peak_recall"):
            halves = entry[name]["halves"]
            assert halves["within"]
            assert halves["interval"][0] < halves["observed"] - halves["promised"] < halves["interval"][1]
            assert halves["promised"] + halves["observed"] == pytest.approx(0.8 if name == "hit_precision" else 1.0)
            assert len(entry[name]["folds"]) == 5
    promising = np.random.default_rng(0).permutation(30) % 2 == 0
    for entry in peak_check(made_up_counts(np.where(promising, 8, 2).tolist(), rows), rows):
        assert not entry["hit_precision"]["halves"]["within"]
        assert (entry["hit_precision"]["halves"]["promised"], entry["hit_precision"]["halves"]["observed"]) == (
            0.8,
            0.2,
        )
    empty = made_up_counts([0] * 10, rows)
    nothing = PeakCounts(empty.thresholds, empty.fold, *(np.zeros_like(one) for one in empty[2:]))
    assert {entry["peak_recall"]["halves"] for entry in peak_check(nothing, rows)} == {None}
