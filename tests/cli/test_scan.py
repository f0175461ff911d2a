"""``jundscan scan`` end to end: outputs, messages and streams."""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from pathlib import Path

import numpy as np
import pybigtools
import pytest

import jundscan
from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import IDENTITY
from jundscan.accessibility.track_scale import track_scale
from jundscan.cli.scan import Outputs
from jundscan.dna.windows import track_spans
from jundscan.io.bed import read_intervals
from jundscan.io.fasta.genome import open_genome
from jundscan.model.load import DEFAULT_MODEL
from jundscan.model.model import Model
from jundscan.model.thresholds import SHARES, expected_precision, false_positive_rates
from jundscan.scanning.hit_table import HIT_COLUMNS, SITE_COLUMNS
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import score
from tests.conftest import SIZES, Run
from tests.helpers.inputs import scale_of, write_bigwig, write_fasta, write_rows

KEYS = {
    "windows_scored", "windows_skipped", "hits", "bases_scanned", "seconds", "bases_per_second", "threshold",
    "threshold_rule", "expected", "stride", "accessibility", "accessibility_scale", "model", "provider", "accuracy",
}  # fmt: skip
MORE_KEYS = {
    "accessibility_values", "jundscan", "genome", "threads", "command", "timings", "versions", "inputs", "warnings",
    "regions",
}  # fmt: skip


def rows_of(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


@pytest.fixture
def windows(genome: Path, model: Model) -> dict[tuple[str, int], float]:
    """Every window at the default stride without a track."""
    with open_scan(genome, model=model) as ready:
        return {
            (piece.chrom, start): p
            for piece in score(ready)
            for start, p in zip(piece.starts.tolist(), piece.probabilities.tolist(), strict=True)
        }


@pytest.fixture
def threshold(windows: dict[tuple[str, int], float]) -> float:
    return float(np.quantile(list(windows.values()), 0.9))


def test_hits_go_to_stdout_and_messages_to_stderr(run: Run, genome: Path, windows, threshold: float) -> None:
    ran = run("scan", genome, "--threshold", threshold)
    assert ran.code == 0
    rows = rows_of(ran.out)
    assert len(rows) > 5
    assert [row[3] for row in rows] == [f"JUND_{number}" for number in range(1, len(rows) + 1)]
    for chrom, start, end, _, hit_score, strand in rows:
        inside = [p for (c, s), p in windows.items() if c == chrom and int(start) <= s and s + 101 <= int(end)]
        assert int(hit_score) == round(1000 * max(inside))
        assert strand == "."
    comments = [line for line in ran.out.splitlines() if line.startswith("#")]
    assert len(comments) == 3
    assert f"model {DEFAULT_MODEL} " in comments[0]
    assert "accessibility none, stride 10" in comments[1]
    assert comments[2] == f"# command: jundscan scan {genome} --threshold {threshold}"
    said = ran.err.splitlines()
    assert any("sequence alone" in line for line in said)
    (calling,) = (line for line in said if line.startswith("Calling windows that score "))
    assert f"{threshold:.4g} or more (--threshold {threshold:g}). Expect " in calling
    assert calling.endswith(" bound windows to be found.")
    assert f"{len(rows)} hits in {len(windows):,} windows" in said[-1]
    assert "\r" not in ran.err  # no progress bar off a terminal
    assert "\x1b" not in ran.err


def test_quiet_logs_nothing(run: Run, genome: Path, threshold: float) -> None:
    assert run("scan", genome, "--threshold", threshold, "--quiet").err == ""


def test_narrowpeak_holds_probability_and_summit(run: Run, genome: Path, windows, threshold: float) -> None:
    bed = rows_of(run("scan", genome, "--threshold", threshold, "-q").out)
    peaks = rows_of(run("scan", genome, "--threshold", threshold, "-q", "--format", "narrowPeak").out)
    assert [row[:6] for row in peaks] == bed
    for chrom, start, _, _, _, _, signal, _, _, summit in peaks:
        centre = int(start) + int(summit)
        assert windows[chrom, centre - 50] == pytest.approx(float(signal), abs=1e-6)


def test_narrowpeak_has_calibrated_p_values_and_no_q_values(run: Run, genome: Path, windows, model: Model) -> None:
    table = model.metadata.without_accessibility
    low = str(table.rows[0].threshold - 0.01)  # some hits are below the calibration table
    peaks = rows_of(run("scan", genome, "--threshold", low, "-q", "--format", "narrowPeak").out)
    peaks += rows_of(run("scan", genome, "--threshold", 0.6, "-q", "--format", "narrowPeak").out)
    rates = false_positive_rates(table, np.array([row[6] for row in peaks], np.float32))
    assert len(peaks) > 10
    for row, rate in zip(peaks, rates.tolist(), strict=True):
        assert float(row[7]) == (-1 if np.isnan(rate) else pytest.approx(-np.log10(rate), abs=1e-5))
        assert row[8] == "-1"
    assert Outputs(format="narrowPeak").only_hits  # so it is written as the scan goes


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 10, 37])
def test_hit_table_equals_the_hits_of_the_python_api(
    tmp_path: Path, run: Run, genome: Path, track: Path, model: Model, stride: int
) -> None:
    closed_ends = tmp_path / "closed.bedgraph"  # nothing behind base 1,000
    lines = [line for line in track.read_text().splitlines() if int(line.split("\t")[2]) <= 1_000]
    closed_ends.write_text("\n".join(lines) + "\n")
    scale = tmp_path / "scale.json"
    scale.write_text(json.dumps(scale_of(model).to_dict()))
    options = {"accessibility": closed_ends, "scale": scale, "threshold": 0.15, "stride": stride}
    hits = list(jundscan.scan(genome, device="cpu", **options))
    ran = run("scan", genome, "--accessibility", closed_ends, "--accessibility-scale", scale, "--threshold", 0.15,
              "--stride", stride, "--format", "table", "-q")  # fmt: skip
    assert ran.code == 0, ran.err
    names, *rows = rows_of(ran.out)
    assert names == [*HIT_COLUMNS, *SITE_COLUMNS]
    assert len(rows) == len(hits) > 5
    with open_scan(genome, closed_ends, model=model, scale=scale_of(model), stride=stride) as ready:
        for number, (row, hit) in enumerate(zip(rows, hits, strict=True), start=1):
            assert (row[0], int(row[1]), int(row[2]), row[3]) == (*hit[:3], f"JUND_{number}")
            assert int(row[4]) == round(1000 * hit.probability)
            assert (np.float32(row[5]), int(row[7])) == (np.float32(hit.probability), hit.summit)
            (percentile,) = ready.inputs.accessibility_of([(hit.chrom, np.array([hit.summit - 50]))])[:, 0].tolist()
            held = model.metadata.table(not np.isnan(percentile))
            (worth,) = expected_precision(held, np.array([row[5]], np.float32)).tolist()
            if np.isnan(worth):
                assert (row[6], hit.expected_precision) == ("", None)
            else:
                assert float(row[6]) == pytest.approx(hit.expected_precision, rel=1e-3)
                assert hit.expected_precision == worth
            if np.isnan(percentile):
                assert (*row[8:10], hit.accessibility) == ("", "unknown", None)
            else:
                assert np.float32(row[8]) == np.float32(percentile) == np.float32(hit.accessibility)
                assert row[9] == ("open" if percentile > 0 else "closed")
    assert {"open", "closed"} <= {row[9] for row in rows}
    bare = list(jundscan.scan(genome, device="cpu", threshold=0.15, stride=stride))
    assert {hit.accessibility for hit in bare} == {None}
    alone = rows_of(run("scan", genome, "--threshold", 0.15, "--stride", stride, "--format", "table", "-q").out)
    assert {tuple(row[8:10]) for row in alone[1:]} == {("", "unknown")}


def test_windows_holds_every_scored_window(tmp_path: Path, run: Run, genome: Path, windows) -> None:
    out = tmp_path / "w.tsv"
    assert run("scan", genome, "--format", "windows", "-o", out, "--no-accessibility").out == ""
    assert "#chrom\tstart\tend\tprobability" in out.read_text().splitlines()
    rows = rows_of(out.read_text())
    assert {(row[0], int(row[1])): np.float32(row[3]) for row in rows} == windows
    assert all(int(end) - int(start) == 101 for _, start, end, _ in rows)
    older = run("scan", genome, "--format", "tsv", "--no-accessibility", "--no-header", "-q")
    assert rows_of(older.out) == rows


def values_per_base(path: Path, chrom: str) -> np.ndarray:
    if path.suffix == ".bw":
        return pybigtools.open(str(path)).values(chrom, 0, SIZES[chrom], fillna=0.0)
    values = np.zeros(SIZES[chrom])
    for start, end, value in zip(*read_intervals(path, "track")[chrom], strict=True):
        values[start:end] = value
    return values


@pytest.mark.slow
@pytest.mark.parametrize("name", ["p.bw", "p.bedgraph", "p.bedgraph.gz"])
def test_tracks_hold_every_scored_window(tmp_path: Path, run: Run, genome: Path, windows, name: str) -> None:
    path = tmp_path / name
    assert run("scan", genome, "--track", path, "--track-digits", "exact").code == 0
    for chrom in ("chr1", "chr2", "chr3"):
        starts = np.array([start for name, start in windows if name == chrom])
        expected = np.zeros(SIZES[chrom])
        for start, end, place in zip(*track_spans(starts, SIZES[chrom], 10), starts.tolist(), strict=True):
            expected[start:end] = windows[chrom, place]
        np.testing.assert_allclose(values_per_base(path, chrom), expected, rtol=1e-6)


@pytest.mark.parametrize("digits", ["0", "7", "-1", "3.5", "all", "٣"])
def test_digits_of_a_track_are_a_number_or_exact(run: Run, genome: Path, tmp_path: Path, digits: str) -> None:
    ran = run("scan", genome, "--track", tmp_path / "p.bw", "--track-digits", digits)
    assert ran.code == 2
    assert "neither a whole number from 1 to 6 nor exact" in " ".join(ran.err.replace("│", " ").split())


def test_digits_of_a_track_need_a_track(run: Run, genome: Path) -> None:
    ran = run("scan", genome, "--track-digits", "exact")
    assert ran.code == 2
    assert "has no track to write without --track" in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.slow
def test_record_counts_windows_and_hits(tmp_path: Path, run: Run, genome: Path, track: Path, model: Model) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", [("chr1", 500, 900)])
    # the track is too small to find its scale
    scale = tmp_path / "scale.json"
    scale.write_text(json.dumps(scale_of(model).to_dict()))
    ran = run("scan", genome, "--accessibility", track, "--accessibility-scale", scale, "--json", "-", "--truth", peaks,
              "-o", tmp_path / "h.bed", "--fpr", 0.05, "--threads", 1)  # fmt: skip
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    assert record.keys() == KEYS | MORE_KEYS
    assert record["threshold_rule"] == "fpr 0.05"
    (row,) = (row for row in model.metadata.with_accessibility.rows if row.threshold == record["threshold"])
    assert record["expected"] == {share: getattr(row, share) for share in SHARES}
    assert record["model"] == model.identity()
    assert record["accessibility"] == str(track)
    assert record["accessibility_scale"] == json.loads(scale.read_text())
    assert record["accuracy"]["n"] == record["windows_scored"]
    assert [record["accuracy"][key] for key in ("model", "provider")] == [record["model"], record["provider"]]
    assert record["hits"] == len(rows_of((tmp_path / "h.bed").read_text()))
    windows = sum(len({*range(0, size - 100, 10), size - 101}) for size in SIZES.values() if size > 100)
    assert record["windows_scored"] + record["windows_skipped"] == windows
    # a record serves as a scale
    (tmp_path / "run.json").write_text(ran.out)
    again = run("scan", genome, "--accessibility", track, "--accessibility-scale", tmp_path / "run.json",
                "-o", tmp_path / "again.bed", "--fpr", 0.05)  # fmt: skip
    assert again.code == 0, again.err
    assert rows_of((tmp_path / "again.bed").read_text()) == rows_of((tmp_path / "h.bed").read_text())


def test_record_names_inputs_and_times(tmp_path: Path, run: Run, genome: Path) -> None:
    exclude = write_rows(tmp_path / "exclude.bed", [("chr1", 0, 500)])
    arguments = ("scan", genome, "--json", tmp_path / "run 1.json", "-o", tmp_path / "h.bed", "--exclude", exclude)
    assert run(*arguments).code == 0
    text = (tmp_path / "run 1.json").read_text()
    record = json.loads(text)
    assert len(text.splitlines()) == len(record) + 2  # one line a key, however long its arrays
    assert record["inputs"].keys() == {"genome", "exclude", "model"}
    assert record["inputs"]["exclude"]["bytes"] == exclude.stat().st_size
    changed = datetime.fromisoformat(record["inputs"]["genome"]["modified"])
    assert abs(changed.timestamp() - genome.stat().st_mtime) <= 1
    assert record["versions"]["numpy"] == np.__version__
    assert record["versions"].keys() >= {"jundscan", "onnxruntime", "python"}
    assert shlex.split(record["command"]) == ["jundscan", *map(str, arguments)]
    timings = record["timings"]
    assert timings.keys() == {"opening", "accessibility_scale", "scanning", "finishing"}
    assert timings["scanning"] + timings["finishing"] == pytest.approx(record["seconds"])


@pytest.mark.slow
def test_regions_left_out_or_cut_are_warned_of_and_recorded(tmp_path: Path, run: Run, genome: Path) -> None:
    peaks = [("chr1", 500, 554), ("chr1", 1_000, 1_400), ("chr2", 2_900, 3_100), ("chr2", 4_000, 4_200)]
    file = write_rows(tmp_path / "peaks.bed", peaks)
    arguments = ("scan", genome, "-o", tmp_path / "h.bed", "-q", "--force", "--json", "-")
    ran = run(*arguments, "--regions", file, "--threshold", 0)
    assert ran.code == 0
    assert ran.err == (
        f"warning: {file}: of 4 regions, left out 2 (1 without a window of 101 bases at stride 10, 1 beyond the end of "
        "the chromosome (another assembly?)) and cut 1 at the end of the chromosome (another assembly?)\n"
    )
    record = json.loads(ran.out)
    assert record["regions"] == {"given": 4, "left_out": 2, "cut": 1}
    assert record["windows_scored"] + record["windows_skipped"] == 30 + 5
    assert json.loads(run(*arguments, "--region", "chr1").out)["regions"] == {"given": 1, "left_out": 0, "cut": 0}
    assert json.loads(run(*arguments).out)["regions"] is None


@pytest.mark.slow
def test_empty_exclusion_is_only_a_warning(tmp_path: Path, run: Run, genome: Path) -> None:
    blacklist = write_rows(tmp_path / "blacklist.bed", [("# assembly hg38",)])
    ran = run("scan", genome, "--threshold", 0.5, "--exclude", blacklist, "-q", "--no-header")
    assert ran.code == 0
    assert ran.err == f"warning: {blacklist} excludes nothing: it holds no interval on a chromosome of the genome\n"
    assert ran.out == run("scan", genome, "--threshold", 0.5, "-q", "--no-header").out


@pytest.mark.slow
@pytest.mark.parametrize("form", ["bed", "narrowPeak", "table", "windows"])
def test_no_header_leaves_out_comment_lines(run: Run, genome: Path, threshold: float, form: str) -> None:
    arguments = ("scan", genome, "--threshold", threshold, "-q", "--format", form)
    with_header, without = run(*arguments).out, run(*arguments, "--no-header").out
    assert with_header.startswith("chrom\tstart\t" if form == "table" else "# jundscan ")
    names = 1 if form == "table" else 0
    assert without.splitlines() == [line for line in with_header.splitlines() if not line.startswith("#")][names:]


def test_odd_file_name_does_not_break_the_header(tmp_path: Path, run: Run, sequences: dict[str, str]) -> None:
    genome = write_fasta(tmp_path / "two\nlines\udcff.fa", sequences)
    ran = run("scan", genome, "-o", tmp_path / "h.bed", "--region", "chr1:0-200", "-q")
    assert ran.code == 0
    comments = [line for line in (tmp_path / "h.bed").read_text().splitlines() if not line.startswith("chr")]
    assert len(comments) == 3
    assert all(line.startswith("#") and r"two\nlines\udcff.fa" in line for line in comments[1:])


def test_record_without_track_and_truth_holds_nulls(tmp_path: Path, run: Run, genome: Path) -> None:
    record = json.loads(run("scan", genome, "--json", "-", "-o", tmp_path / "h.bed").out)
    assert record.keys() == KEYS | MORE_KEYS
    assert (record["accessibility"], record["accessibility_scale"], record["accuracy"]) == (None, None, None)
    assert "(model default)" in record["threshold_rule"]


def test_record_holds_the_scale_of_the_whole_track(
    tmp_path: Path, run: Run, genome: Path, track: Path, model: Model
) -> None:
    with open_track(track) as opened:
        fasta = open_genome(genome)
        scale = track_scale(fasta, match_chromosomes(fasta, opened), model.widths)
    assert scale is not IDENTITY
    ran = run("scan", genome, "--accessibility", track, "--region", "chr2", "--json", "-", "-o", tmp_path / "h.bed")
    assert json.loads(ran.out)["accessibility_scale"] == scale.to_dict()


def test_other_names_and_intervals_beyond_the_end_are_logged(tmp_path: Path, run: Run, genome: Path) -> None:
    track = write_rows(tmp_path / "t.bedgraph", [("1", 100, 400, 0.5), ("1", 5_900, 6_001, 1), ("1", 7_000, 8_000, 1)])
    ran = run("scan", genome, "--accessibility", track, "--accessibility-scale", "identity", "--region", "1")
    assert ran.code == 0
    assert "names chromosomes differently: 1 for chr1" in ran.err
    assert "missing from the track" not in ran.err
    assert "warning: " in ran.err
    assert "2 intervals beyond the end" in ran.err
    assert "region 1 stands for chr1:0-6000" in ran.err


def test_allow_length_mismatch_accepts_a_partial_genome(tmp_path: Path, run: Run, genome: Path) -> None:
    track = write_bigwig(tmp_path / "t.bw", {"chr1": 9_000}, [("chr1", 100, 900, 0.5)])
    arguments = ("scan", genome, "--accessibility", track, "--accessibility-scale", "identity")
    assert run(*arguments).code == 1
    assert run(*arguments, "--allow-length-mismatch").code == 0


def test_zero_hits_are_a_warning_even_with_quiet(run: Run, genome: Path) -> None:
    ran = run("scan", genome, "--threshold", 1, "--quiet")
    assert ran.code == 0
    assert rows_of(ran.out) == []
    assert ran.err == "warning: 0 hits: no window reaches the threshold\n"


def test_genome_of_unknown_letters_is_a_warning(tmp_path: Path, run: Run) -> None:
    genome = write_fasta(tmp_path / "n.fa", {"chr1": "N" * 20_500})
    peaks = write_rows(tmp_path / "peaks.bed", [("chr1", 0, 500)])
    ran = run("scan", genome, "--quiet", "--track", tmp_path / "p.bedgraph", "--truth", peaks,
              "--accuracy-track", tmp_path / "a.bedgraph", "--json", tmp_path / "r.json")  # fmt: skip
    assert ran.code == 0
    assert "0 hits: no window could be scored" in ran.err
    assert json.loads((tmp_path / "r.json").read_text())["windows_scored"] == 0


def test_only_force_replaces_outputs(tmp_path: Path, run: Run, genome: Path, threshold: float) -> None:
    out = tmp_path / "h.bed"
    out.write_text("precious\n")
    ran = run("scan", genome, "-o", out)
    assert ran.code == 1
    assert "h.bed: exists already; --force replaces it" in ran.err
    assert out.read_text() == "precious\n"
    assert run("scan", genome, "-o", out, "--force", "--threshold", threshold).code == 0
    assert rows_of(out.read_text())


@pytest.mark.slow
def test_info_describes_the_model(run: Run, model: Model) -> None:
    ran = run("info", "--json", "-")
    assert json.loads(ran.out)["sha256"] == model.sha256
    shown = run("info").out
    assert model.sha256 in "".join(shown.split())
    assert "scan's default: fpr" in shown
    assert model.metadata.describe_reach() in " ".join(shown.split())
    assert shown.count("default: ") == len(model.metadata.tables)
    assert run("--version").out.startswith("jundscan ")
    assert "Start with: jundscan scan" in " ".join(run("--help").out.split())


@pytest.fixture
def real(data_folder: Path) -> tuple[Path, ...]:
    return (
        data_folder / "genome" / "hg19.22_1-22000000.fa.gz",
        data_folder / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz",
        data_folder / "peaks" / "HepG2.JUND.hg19.chr22_16000000-22000000.narrowPeak.gz",
    )


@pytest.mark.slow
@pytest.mark.data
def test_scan_of_real_data(tmp_path: Path, run: Run, real: tuple[Path, ...]) -> None:
    genome, track, peaks = real
    ran = run("scan", genome, "--accessibility", track, "-o", tmp_path / "hits.bed", "--json", "-",
              "--truth", peaks, "--accuracy-track", tmp_path / "accuracy.bw")  # fmt: skip
    assert ran.code == 0, ran.err
    assert "chr22 for 22" in ran.err
    assert "beyond the end of the chromosome" in ran.err
    record = json.loads(ran.out)
    assert record["windows_scored"] > 500_000
    assert record["hits"] > 20
    assert record["accuracy"]["positives"] > 500
    with open_track(tmp_path / "accuracy.bw") as written:
        assert written.sizes == {"22": 22_000_000}


@pytest.mark.slow
@pytest.mark.data
def test_scan_and_evaluate_agree_on_validation_windows(
    tmp_path: Path, run: Run, real: tuple[Path, ...], data_folder: Path
) -> None:
    genome, (_, track, _) = data_folder / "genome" / "hg19.chr22.partial.fa.gz", real
    inputs = ("--accessibility", track, "--accessibility-scale", "identity")
    shards = data_folder / "HepG2" / "valid_dataset"
    ran = run("evaluate", shards, "--genome", genome, *inputs, "--predictions", tmp_path / "p.tsv")
    assert ran.code == 0, ran.err
    header, *rows = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()]
    inside = {row[header.index("id")].partition(":")[2]: float(row[-1]) for row in rows}
    first = min(int(span.partition("-")[0]) for span in inside)
    ran = run("scan", genome, *inputs, "--stride", 1, "--format", "tsv",
              "-o", tmp_path / "w.tsv", "--region", f"chr22:{first}-{first + 1_000_000}")  # fmt: skip
    assert ran.code == 0, ran.err
    found = {f"{row[1]}-{row[2]}": float(row[3]) for row in rows_of((tmp_path / "w.tsv").read_text())}
    shared = found.keys() & inside.keys()
    assert len(shared) > 20
    for span in shared:
        assert found[span] == pytest.approx(inside[span], abs=1e-5)
