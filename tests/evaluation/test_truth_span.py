"""Warning about peaks that come from only a part of the compared bases."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from jundscan.errors import InputError, RegionError, TrackError
from jundscan.evaluation.scan_accuracy import BIN_BASES, Accuracy
from jundscan.evaluation.truth_span import CoveredBases, PeakSpan, find_peak_span
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import ScoredWindows, score
from tests.conftest import Run
from tests.helpers.inputs import letters, write_fasta, write_rows


def covered(*stretches: tuple[int, int]) -> CoveredBases:
    lengths = [length for start, end in stretches for length in (end - start, 0)][:-1]
    return CoveredBases(np.array(stretches).ravel(), np.append(0.0, np.cumsum(lengths)))


def span_of(peaks: dict[str, list[int]], compared: dict[str, CoveredBases]) -> PeakSpan:
    """Measure the span of peaks of 200 bases with these starts."""
    return find_peak_span(
        {chrom: np.array([[s, s + 200] for s in starts]) for chrom, starts in peaks.items()}, compared
    )


MEGABASE = 1_000_000


@pytest.mark.parametrize(
    ("peaks", "compared", "bases", "is_partial"),
    [
        # 12 % of a chromosome
        ({"a": [*range(16 * MEGABASE, 22 * MEGABASE, 60_000)]}, {"a": covered((0, 51 * MEGABASE))}, 5_940_200, True),
        # the rest of the chromosome is unknown
        (
            {"a": [*range(16 * MEGABASE, 22 * MEGABASE, 60_000)]},
            {"a": covered((16 * MEGABASE, 22 * MEGABASE))},
            5_940_200,
            False,
        ),
        # peaks at both ends span the whole chromosome
        ({"a": [0, 10_000, 20_000, 980_000]}, {"a": covered((0, MEGABASE))}, 980_200, False),
        # one of two chromosomes, and both
        ({"a": [*range(0, MEGABASE, 9_000)]}, {name: covered((0, MEGABASE)) for name in "abc"}, 999_200, True),
        (
            {name: [*range(0, MEGABASE, 9_000)] for name in "ab"},
            {n: covered((0, MEGABASE)) for n in "abc"},
            1_998_400,
            False,
        ),
        # peaks of one chromosome in a genome whose other chromosomes are not compared
        ({"a": [*range(0, MEGABASE, 9_000)], "z": [5]}, {"a": covered((0, MEGABASE))}, 999_200, False),
        # few peaks may lie close by chance
        ({"a": [500_000]}, {"a": covered((0, MEGABASE))}, 200, False),
        ({"a": [500_000, 600_000]}, {"a": covered((0, MEGABASE))}, 100_200, False),
        ({"a": [500_000 + 1_000 * n for n in range(8)]}, {"a": covered((0, MEGABASE))}, 7_200, True),
        # no peak
        ({"z": [5]}, {"a": covered((0, MEGABASE))}, 0, True),
        ({"a": [5]}, {"a": covered((10_000, MEGABASE))}, 0, True),
    ],
)
def test_peaks_of_a_part_are_told_from_peaks_of_the_whole(
    peaks: dict[str, list[int]], compared: dict[str, CoveredBases], bases: int, is_partial: bool
) -> None:
    span = span_of(peaks, compared)
    assert (round(span.bases), span.is_partial) == (bases, is_partial)
    assert span.bases <= span.with_margins <= span.total


@pytest.mark.slow
@pytest.mark.parametrize("chromosomes", [1, 5, 40, 3_000])
@pytest.mark.parametrize("peaks", [3, 10, 300])
def test_peaks_of_the_whole_genome_rarely_count_as_a_part(chromosomes: int, peaks: int) -> None:
    """Scatter peaks evenly, also over many scaffolds, most without a peak."""
    rng = np.random.default_rng(peaks + chromosomes)
    warned = 0
    for _ in range(100 if chromosomes < 100 else 10):
        sizes = rng.integers(20_000, 400_000, chromosomes)
        ends = np.cumsum(sizes)
        by_chrom: dict[str, list[int]] = {}
        for place in np.sort(rng.integers(0, ends[-1], peaks)).tolist():
            number = int(np.searchsorted(ends, place, side="right"))
            at = place - int(ends[number] - sizes[number])
            kept = by_chrom.setdefault(str(number), [])
            if at + 200 <= sizes[number] and (not kept or kept[-1] + 200 < at):
                kept.append(at)
        compared = {str(number): covered((0, int(size))) for number, size in enumerate(sizes)}
        warned += span_of({chrom: starts for chrom, starts in by_chrom.items() if starts}, compared).is_partial
    assert warned <= {3: 15, 10: 4, 300: 0}[peaks]


def test_warning_has_both_numbers_and_the_option_to_use() -> None:
    peaks = {str(number): [*range(MEGABASE, 2 * MEGABASE, 50_000)] for number in range(5)}
    span = span_of(peaks, {str(number): covered((0, 10 * MEGABASE)) for number in range(5)})
    caution = span.caution("p.bed", "compared", "Windows elsewhere count as unbound.", "--truth-region")
    assert caution.code == "partial_truth"
    assert caution.message == (
        "The peaks of p.bed span 4.8 Mb of the 50.0 Mb compared. Windows elsewhere count as unbound. If the peaks are "
        "those of a part of the genome, give --truth-region 0:1000000-1950200 --truth-region 1:1000000-1950200 "
        "--truth-region 2:1000000-1950200 and 2 more."
    )
    json.dumps(caution.figures, allow_nan=False)
    assert caution.figures["spanned_bases"] == 5 * 950_200
    assert caution.figures["compared_bases"] == 50 * MEGABASE
    none = span_of({"z": [5]}, {"a": covered((0, 900))}).caution("p.bed", "compared", "All count as unbound.", "-x")
    assert none.message == "None of the peaks of p.bed lies in the 900 bases compared. All count as unbound."


@pytest.fixture
def part(tmp_path: Path) -> tuple[Path, Path]:
    """Write a chromosome of 200 kb with a site per kilobase, and peaks at the sites of 40 kb."""
    rng = np.random.default_rng(8)
    places = range(500, 200_000, 1_000)
    pieces = [letters(rng, 496) + "ATGACTCAT" + letters(rng, 495) for _ in places]
    genome = write_fasta(tmp_path / "part.fa", {"chr1": "".join(pieces), "chr2": letters(rng, 3_000)})
    rows = [("chr1", place - 100, place + 100) for place in places if 60_000 <= place < 100_000]
    return genome, write_rows(tmp_path / "peaks.bed", rows)


@pytest.mark.slow
def test_peaks_of_a_part_cause_a_warning_and_truth_region_corrects_precision(
    tmp_path: Path, run: Run, part: tuple[Path, Path]
) -> None:
    genome, peaks = part
    out, threshold = tmp_path / "w.tsv", 0.8
    common = ("scan", genome, "--truth", peaks, "--threshold", threshold, "--json", "-", "--format", "tsv", "--force")
    ran = run(*common, "-o", out)
    assert ran.code == 0, ran.err
    [warning] = [line for line in ran.err.splitlines() if line.startswith("warning: The peaks of")]
    assert warning == (
        f"warning: The peaks of {peaks} span 39.2 kb of the 203.0 kb compared. Windows elsewhere count as unbound, so "
        "precision may be far too low. If the peaks are those of a part of the genome, give --truth-region "
        "chr1:60400-99600."
    )
    part_only = json.loads(ran.out)["accuracy"]

    bed = write_rows(tmp_path / "known.bed", [("1", 60_400, 80_000), ("chr1", 80_000, 99_600)])
    rows = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("#")]
    inside = [(int(row[1]), float(row[3])) for row in rows if row[0] == "chr1" and 60_400 <= int(row[1]) <= 99_499]
    in_peaks = np.zeros(200_000, np.int64)
    for place in range(60_500, 100_000, 1_000):
        in_peaks[place - 100 : place + 100] = 1
    bound = [in_peaks[start : start + 101].sum() >= 51 for start, _ in inside]
    called = [np.float32(probability) >= np.float32(threshold) for _, probability in inside]
    for given in (["--truth-region", "chr1:60,400-99,600"], ["--truth-region", bed]):
        ran = run(*common, *given, "-o", out)
        assert ran.code == 0, ran.err
        assert "The peaks of" not in ran.err
        accuracy = json.loads(ran.out)["accuracy"]
        assert accuracy["n"] == len(inside)
        assert accuracy["positives"] == sum(bound)
        assert accuracy["precision"] == pytest.approx(metrics.precision_score(bound, called))
        assert accuracy["recall"] == pytest.approx(metrics.recall_score(bound, called)) == part_only["recall"]
        assert accuracy["precision"] > 3 * part_only["precision"]
        assert accuracy["peaks"]["known"] == 40
        assert accuracy["excluded"]["windows"] == len(rows) - len(inside)
        assert accuracy["peaks"]["hits"] + accuracy["excluded"]["hits"] == json.loads(ran.out)["hits"]
    assert f"left out of the comparison: {len(rows) - len(inside):,} windows" in ran.err


@pytest.mark.slow
def test_truth_exclude_truth_region_and_region_combine(tmp_path: Path, run: Run, part: tuple[Path, Path]) -> None:
    genome, peaks = part
    common = ("scan", genome, "--truth", peaks, "--json", "-", "-o", tmp_path / "h.bed", "--force", "-q")
    where = ("--region", "chr1:50000-110000")  # the peaks span two thirds of it
    ran = run(*common, *where)
    assert ran.code == 0
    assert "span" not in ran.err
    exclude = write_rows(tmp_path / "x.bed", [("chr1", 0, 60_000), ("chr1", 99_000, 200_000), ("chr2", 0, 3_000)])
    ran = run(*common, "--truth-exclude", exclude)
    assert "span" not in ran.err  # the peaks span all remaining bases
    both = json.loads(run(*common, *where, "--truth-exclude", exclude, "--truth-region", "1:70000-200000").out)
    assert both["accuracy"]["n"] == (99_000 - 101) // 10 - 7_000 + 1
    elsewhere = run(*common, *where, "--truth-region", "chr2")
    assert elsewhere.code == 0
    assert f"No window was compared with the peaks of {peaks}, because none was scored there." in elsewhere.err


@pytest.mark.parametrize(
    ("given", "error", "problem"),
    [
        ("chr1:0-300000", RegionError, "reaches beyond the end of chr1, which has 200000 bases"),
        ("chr7", RegionError, "no such chromosome"),
        ("gone.bed", RegionError, "no such chromosome"),
        ("empty.bed", InputError, "empty.bed: holds no region on a chromosome of the genome"),
        ("other.bed", InputError, "other.bed: holds no region on a chromosome of the genome"),
        ("bad.bed", TrackError, "line 1: start 9 and end 5"),
    ],
)
def test_a_wrong_truth_region_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, error: type[InputError], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in (("empty", []), ("other", [("chrX", 1, 9)]), ("bad", [("chr1", 9, 5)]), ("peaks", [("1", 1, 9)])):
        write_rows(tmp_path / f"{name}.bed", rows)
    with pytest.raises(error, match=problem):
        Accuracy("peaks.bed", {"chr1": 200_000, "chr2": 3_000}, 0.5, regions=["chr1:0-9000", given])


def test_truth_region_needs_truth(run: Run, part: tuple[Path, Path]) -> None:
    ran = run("scan", part[0], "--truth-region", "chr1")
    assert ran.code == 2
    assert "--truth-region" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "# no peak\n"])
def test_a_truth_without_peaks_is_an_error(tmp_path: Path, run: Run, part: tuple[Path, Path], content: str) -> None:
    empty = tmp_path / "none.bed"
    empty.write_text(content)
    ran = run("scan", part[0], "--truth", empty, "-o", tmp_path / "h.bed")
    assert ran.code == 1
    assert f"jundscan: {empty}: holds no peak, so nothing can be compared with it" in ran.err
    assert not (tmp_path / "h.bed").exists()


def test_compared_bases_are_counted_once_for_any_chunks(tmp_path: Path) -> None:
    peaks = write_rows(tmp_path / "p.bed", [("a", BIN_BASES * n, BIN_BASES * n + 300) for n in range(8)])
    starts = np.concatenate((np.arange(0, 60_000, 10), np.arange(200_000, 500_000, 10)))
    counted = []
    for cuts in ([], [1], [5_000, 6_000, 6_001], list(range(100, 36_000, 700))):
        accuracy = Accuracy(peaks, {"a": 500_101}, 0.5)
        for piece in np.split(starts, cuts):
            n = len(piece)
            accuracy.scored(ScoredWindows("a", piece // 10, piece, np.zeros(n, np.float32), 0, n, n, 0))
        [caution] = accuracy.cautions()
        counted.append(caution.figures)
    assert counted[0]["compared_bases"] == 60_091 + 300_091
    assert counted[1:] == counted[:1] * 3
    assert counted[0]["peaks"] == 7  # peaks that windows reach
    assert counted[0]["spanned_bases"] == pytest.approx(60_091, rel=0.01)


@pytest.mark.slow
@pytest.mark.data
def test_real_peaks_of_six_megabases_cause_a_warning(data_folder: Path) -> None:
    genome = data_folder / "genome" / "hg19.chr22.partial.fa.gz"
    peaks = data_folder / "peaks" / "K562.JUND.hg19.chr22_16000000-22000000.narrowPeak.gz"
    track = data_folder / "tracks" / "K562.accessibility.hg19.chr22.bw"
    with open_scan(genome, track, stride=50) as ready:
        sizes, threshold = ready.genome.chromsizes, ready.threshold.value
        whole = Accuracy(peaks, sizes, threshold)
        part = Accuracy(peaks, sizes, threshold, regions=["chr22:16000000-22000000"])
        for chunk in score(ready):
            whole.scored(chunk)
            part.scored(chunk)
    [caution] = whole.cautions()
    assert re.search(r"span [45]\.\d Mb of the 25\.\d Mb compared\.", caution.message)
    assert re.search(r"give --truth-region chr22:1\d{7}-2\d{7}\.", caution.message)
    assert part.cautions() == []
    precision = [accuracy.report()["precision"] for accuracy in (whole, part)]
    assert precision[1] > 2 * precision[0]  # 0.47 and 0.17 at stride 10
