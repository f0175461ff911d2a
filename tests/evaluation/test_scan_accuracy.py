"""``--truth`` and ``--accuracy-track`` against scikit-learn and naive bins on the written table."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from jundscan.errors import TrackError
from jundscan.evaluation.scan_accuracy import Accuracy
from jundscan.scanning.score import ScoredWindows
from tests.conftest import Run
from tests.helpers.inputs import genome_letters, write_fasta, write_rows

PEAKS = [
    ("chr1", 100, 400),
    ("chr1", 350, 700),
    ("1", 9_000, 12_100),
    ("chr2", 0, 50),
    ("chr2", 500, 551),
    ("chr9", 1, 9),
]


@pytest.fixture
def big_genome(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    return write_fasta(tmp_path / "big.fa", {"chr1": genome_letters(rng, 25_500), "chr2": genome_letters(rng, 1_000)})


def naive_labels(rows: list[tuple[str, int, int]]) -> np.ndarray:
    covered = {"chr1": np.zeros(25_500), "chr2": np.zeros(1_000)}
    for chrom, start, end in PEAKS:
        if chrom != "chr9":
            covered["chr" + chrom.removeprefix("chr")][start:end] = 1
    return np.array([covered[chrom][start:end].sum() >= 51 for chrom, start, end in rows])


def test_report_and_track_equal_those_of_the_table(tmp_path: Path, run: Run, big_genome: Path) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", PEAKS)
    out, track, record = tmp_path / "w.tsv", tmp_path / "accuracy.bedgraph", tmp_path / "run.json"
    ran = run("scan", big_genome, "--format", "tsv", "-o", out, "--truth", peaks, "--accuracy-track", track,
              "--json", record, "--threshold", 0.45, "--stride", 7)  # fmt: skip
    assert ran.code == 0, ran.err
    assert "1 for chr1" in ran.err
    fields = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("#")]
    rows = [(chrom, int(start), int(end)) for chrom, start, end, _ in fields]
    p = np.array([row[3] for row in fields], np.float32)
    y = naive_labels(rows)
    weights = np.where(y, 1 / y.sum(), 1 / (~y).sum()) * len(y) / 2
    called = p >= np.float32(0.45)
    report = json.loads(record.read_text())["accuracy"]
    expected = {
        "n": len(y),
        "positives": y.sum(),
        "threshold": 0.45,
        "weighted_accuracy": metrics.accuracy_score(y, called, sample_weight=weights),
        "precision": metrics.precision_score(y, called, zero_division=0),
        "recall": metrics.recall_score(y, called),
        "f1": metrics.f1_score(y, called),
        "auroc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "mcc": metrics.matthews_corrcoef(y, called),
        "brier": metrics.brier_score_loss(y, p, sample_weight=weights),
    }
    assert 10 < expected["positives"] < len(y) / 2
    for name, value in expected.items():
        assert report[name] == pytest.approx(value, rel=1e-6), name
    assert report["confusion_matrix"] == metrics.confusion_matrix(y, called).tolist()

    bins: dict[tuple[str, int], list[int]] = {}
    for place, (chrom, start, _) in enumerate(rows):
        bins.setdefault((chrom, (start + 50) // 10_000), []).append(place)
    written = [line.split("\t") for line in track.read_text().splitlines()]
    assert [(chrom, int(start)) for chrom, start, _, _ in written] == [(c, 10_000 * b) for c, b in bins]
    assert [int(row[2]) for row in written] == [10_000, 20_000, 25_500, 1_000]
    values = [weights[at][called[at] == y[at]].sum() / weights[at].sum() for at in map(np.array, bins.values())]
    np.testing.assert_allclose([float(row[3]) for row in written], values, rtol=1e-6)


def test_bins_without_a_window_are_left_out(tmp_path: Path) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", [("a", 0, 500)])
    accuracy = Accuracy(peaks, {"a": 50_000}, 0.5)
    spans: list[tuple[object, ...]] = []
    accuracy.write_track(lambda *span: spans.append(span))
    assert spans == []
    report = accuracy.report()
    assert (report["n"], report["weighted_accuracy"], report["auroc"]) == (0, None, None)
    json.dumps(report, allow_nan=False)
    starts = np.array([0, 9_950, 40_000])
    probabilities = np.array([0.9, 0.9, 0.1], np.float32)
    accuracy.scored(ScoredWindows("a", np.arange(3), starts, probabilities, 303, tried=3, scored=3, positive=2))
    accuracy.write_track(lambda *span: spans.append(span))
    ((chrom, begin, end, values),) = spans
    assert (chrom, begin.tolist(), end.tolist()) == ("a", [0, 10_000, 40_000], [10_000, 20_000, 50_000])
    assert values.tolist() == [1, 0, 1]


def test_truth_of_another_genome_is_an_error(tmp_path: Path) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", [("chrX", 0, 500)])
    with pytest.raises(TrackError, match=r"no chromosome in common.* chrX, .* chr1"):
        Accuracy(peaks, {"chr1": 1_000}, 0.5)


@pytest.mark.slow
@pytest.mark.data
def test_real_accuracy_equals_that_of_the_table(tmp_path: Path, run: Run, data_folder: Path) -> None:
    first, last = 16_000_000, 22_000_000
    genome = data_folder / "genome" / "hg19.22_1-22000000.fa.gz"
    peaks = data_folder / "peaks" / "HepG2.JUND.hg19.chr22_16000000-22000000.narrowPeak.gz"
    out, hits, record = tmp_path / "w.tsv", tmp_path / "h.narrowPeak", tmp_path / "run.json"
    common = ("--accessibility", data_folder / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz", "--truth", peaks,
              "--region", f"22:{first}-{last}", "--precision", 0.2)  # fmt: skip
    for path, form in ((hits, "narrowPeak"), (out, "tsv")):
        ran = run("scan", genome, *common, "--format", form, "-o", path, "--json", record, "--force")
        assert ran.code == 0, ran.err
    written = json.loads(record.read_text())
    table = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("#")]
    starts, ends = (np.array([row[column] for row in table], int) for column in (1, 2))
    p = np.array([row[3] for row in table], np.float32)
    lines = [line.split("\t") for line in gzip.decompress(peaks.read_bytes()).decode().splitlines()]
    known = np.array([[row[1], row[2], int(row[1]) + int(row[9])] for row in lines], int)
    covered = np.zeros(last + 1, bool)
    for start, end, _ in known:
        covered[start:end] = True
    bases = np.concatenate([[0], np.cumsum(covered)])
    y = bases[ends] - bases[starts] >= 51
    called = p >= np.float32(written["threshold"])
    weights = np.where(y, 0.5 * len(y) / y.sum(), 0.5 * len(y) / (~y).sum())
    expected = {
        "n": written["windows_scored"],
        "positives": y.sum(),
        "weighted_accuracy": metrics.balanced_accuracy_score(y, called),
        "precision": metrics.precision_score(y, called),
        "recall": metrics.recall_score(y, called),
        "f1": metrics.f1_score(y, called),
        "auroc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "mcc": metrics.matthews_corrcoef(y, called),
        "brier": metrics.brier_score_loss(y, p, sample_weight=weights),
    }
    assert len(y) > 300_000
    for name, value in expected.items():
        assert written["accuracy"][name] == pytest.approx(value, rel=1e-9), name
    assert written["accuracy"]["confusion_matrix"] == metrics.confusion_matrix(y, called).tolist()

    rows = [line.split("\t") for line in hits.read_text().splitlines() if not line.startswith("#")]
    found = np.array([[row[1], row[2], int(row[1]) + int(row[9])] for row in rows], int)
    meet = (known[:, None, 0] < found[None, :, 1]) & (found[None, :, 0] < known[:, None, 1])
    apart = np.where(meet, np.abs(known[:, None, 2] - found[None, :, 2]), np.iinfo(int).max)[meet.any(axis=1)]
    reached = np.array([((starts < end) & (ends > start)).any() for start, end, _ in known])
    low, median, high = np.percentile(apart.min(axis=1), (25, 50, 75))
    assert written["accuracy"]["peaks"] == {
        "known": reached.sum(),
        "hit": meet.any(axis=1).sum(),
        "recall": pytest.approx(meet.any(axis=1).sum() / reached.sum()),
        "hits": len(found),
        "hits_on_peaks": meet.any(axis=0).sum(),
        "precision": pytest.approx(meet.any(axis=0).mean()),
        "summit_distance": {"median": median, "quartiles": [low, high]},
        "not_reached": (~reached).sum(),
    }
    assert meet.any()
