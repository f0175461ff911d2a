"""Reports as files: their numbers against the outputs of the scan, escaping, errors, size."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import distribution
from jundscan.cli.scan import Outputs, write_scan
from jundscan.evaluation.metrics import compute_metrics
from jundscan.evaluation.plots import Predictions
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.report import collect
from jundscan.report.collect import Collector
from jundscan.report.evaluation_page import _confusion, _thin
from jundscan.report.neighbourhoods import FLANK
from jundscan.report.scan_page import distance_from_training
from jundscan.scanning.hits import Hits
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import score
from tests.conftest import Run
from tests.helpers.inputs import scale_of, write_fasta, write_shard
from tests.helpers.numpy_models import numpy_model

pytest.importorskip("jinja2")

STATIC = Path(collect.__file__).parent / "static"
HOSTILE = "<img/src=x/onerror=alert(1)>"


def data_of(path: Path) -> Any:
    """Read the data of a report's scripts."""
    return json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())[0])


def visible(path: Path) -> str:
    """Return the text of a page, without scripts and styles."""

    class Reader(HTMLParser):
        text = ""
        inside = ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.inside = tag
            self.text += " "

        def handle_data(self, data: str) -> None:
            if self.inside not in ("script", "style"):
                self.text += data

    reader = Reader()
    reader.feed(path.read_text())
    return re.sub(r"\s+", " ", reader.text)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [3, 10, 250])
def test_report_shows_what_the_outputs_hold(
    tmp_path: Path, run: Run, genome: Path, track: Path, sequences: dict[str, str], stride: int
) -> None:
    page, record_path, table = tmp_path / "r.html", tmp_path / "r.json", tmp_path / "w.tsv"
    common = ["scan", genome, "--accessibility", track, "--accessibility-scale", "identity", "--stride", stride]
    assert run(*common, "--format", "tsv", "-o", table).code == 0
    windows = [line.split("\t") for line in table.read_text().splitlines() if not line.startswith("#")]
    probability = {(chrom, int(start)): float(p) for chrom, start, _, p in windows}
    threshold = float(np.quantile(list(probability.values()), 0.8))
    bed = tmp_path / "h.narrowPeak"
    options = ["--format", "narrowPeak", "-o", bed, "--threshold", threshold, "--report", page, "--json", record_path]
    ran = run(*common, *options)
    assert ran.code == 0, ran.err
    hits = [line.split("\t") for line in bed.read_text().splitlines() if not line.startswith("#")]
    data = data_of(page)
    best_first = sorted(hits, key=lambda hit: -float(hit[6]))
    assert [(hit["chrom"], *hit["hit"]) for hit in data["hits"]] == [(h[0], int(h[1]), int(h[2])) for h in best_first]

    with open_track(track) as opened:
        for shown, hit in zip(data["hits"], best_first, strict=True):
            chrom, summit = hit[0], int(hit[1]) + int(hit[9])
            start = shown["start"]
            letters = re.sub("[^ACGT]", "N", sequences[chrom].upper())
            assert shown["sequence"] == letters[max(summit - FLANK, 0) : summit + FLANK + 1]
            assert start == max(summit - FLANK, 0)
            at = next(i for i, to in enumerate(shown["to"]) if to > summit - start)
            assert shown["from"][at] <= summit - start
            assert shown["probability"][at] == pytest.approx(float(hit[6]), rel=1e-3)
            if chrom in opened.names and stride >= 10:
                (mean,) = opened.window_means(chrom, np.array([summit - 50]))
                assert shown["accessibility"][at] == pytest.approx(float(mean), rel=1e-3)
            assert (shown["accessibility"] is None) == (chrom not in opened.names)
            if stride >= 10:  # every value shown is its window's, to 4 digits
                written = {max(s + 50 - stride // 2, 0): p for (c, s), p in probability.items() if c == chrom}
                for at, value in list(zip(shown["from"], shown["probability"], strict=True))[1:]:
                    assert value == pytest.approx(written[start + at], rel=6e-4)

    rows = {row["chrom"]: row for row in _sum_along(data)}
    assert {chrom: row["hits"] for chrom, row in rows.items() if row["hits"]} == Counter(hit[0] for hit in hits)
    assert {chrom: row["windows"] for chrom, row in rows.items() if row["windows"]} == Counter(w[0] for w in windows)
    assert sum(row["value"] for row in data["charts"]["scores"]["data"]["values"]) == len(windows)


def _sum_along(data: Any) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for row in data["charts"]["along"]["data"]["values"]:
        total = rows.setdefault(row["chrom"], {"chrom": row["chrom"], "hits": 0, "windows": 0})
        total["hits"] += row["hits"]
        total["windows"] += row["windows"]
    return list(rows.values())


@pytest.mark.slow
@pytest.mark.parametrize("packed", ["plain", "gzip"])
@pytest.mark.parametrize("flank", [None, 600])
def test_windows_shown_have_the_probabilities_of_the_scan(
    tmp_path: Path, track: Path, sequences: dict[str, str], model: Model, packed: str, flank: int | None
) -> None:
    """Some hits lie near the ends of chromosomes and of regions."""
    if flank is not None:
        model = numpy_model(model, flank, (101, 1_101))
    genome = write_fasta(tmp_path / ("g.fa" if packed == "plain" else "g.fa.gz"), sequences, packed)
    regions = ["chr1:700-1500", "chr1:1700-1900", "chr1:4000-6000", "chr2", "chr3"]
    table, page = tmp_path / "w.tsv", tmp_path / "r.html"
    settings = {"model": model, "scale": scale_of(model), "regions": regions}
    with open_scan(genome, track, threshold_rule=ThresholdRule("threshold", 0.0), **settings) as scan:
        best: dict[str, float] = {}
        for scored in score(scan):
            best[scored.chrom] = max(best.get(scored.chrom, 0.0), float(scored.probabilities.max(initial=0)))
    with open_scan(genome, track, threshold_rule=ThresholdRule("threshold", min(best.values())), **settings) as scan:
        write_scan(scan, Outputs(str(table), "windows", report=page))
    lines = [line.split("\t") for line in table.read_text().splitlines() if not line.startswith("#")]
    written = {(chrom, int(start) + 45): float(p) for chrom, start, _, p in lines}
    hits = data_of(page)["hits"]
    assert len({hit["chrom"] for hit in hits}) == 3
    shown = 0
    for hit in hits:
        for at, value in list(zip(hit["from"], hit["probability"], strict=True))[1:-1]:
            assert value == pytest.approx(written[hit["chrom"], hit["start"] + at], rel=6e-4)
            shown += 1
    assert shown > 200


def test_report_names_the_bases_that_the_model_sees(tmp_path: Path, genome: Path, model: Model) -> None:
    far = numpy_model(model, 1_200, (101, 301, 1_101))
    page = tmp_path / "r.html"
    with open_scan(genome, model=far) as scan:
        write_scan(scan, Outputs(str(tmp_path / "h.bed"), report=page))
    seen = (
        "each window of 101 bases and 1,200 bases to each side of it, and accessibility in the 101, 301 and 1,101 bases"
    )
    assert f"the model sees {seen} around its centre" in visible(page)
    alone = numpy_model(model, 0).metadata
    assert alone.describe_reach() == "each window of 101 bases, and the window's accessibility"


@pytest.mark.slow
def test_report_shows_expected_precision_and_chromatin_of_hits(
    tmp_path: Path, run: Run, genome: Path, track: Path
) -> None:
    closed_ends = tmp_path / "closed.bedgraph"  # nothing behind base 1,000
    lines = [line for line in track.read_text().splitlines() if int(line.split("\t")[2]) <= 1_000]
    closed_ends.write_text("\n".join(lines) + "\n")
    page, table = tmp_path / "r.html", tmp_path / "h.tsv"
    ran = run("scan", genome, "--accessibility", closed_ends, "--accessibility-scale", "identity", "--threshold", 0.15,
              "--format", "table", "-o", table, "--report", page)  # fmt: skip
    assert ran.code == 0, ran.err
    names, *written = [line.split("\t") for line in table.read_text().splitlines()]
    html = page.read_text()
    cells = [
        re.findall(r"<td.*?>(.*?)</td>", row) for row in re.findall(r"<tr><td><button.*?</tr>", html, flags=re.DOTALL)
    ]
    shown = {re.sub("<.*?>", "", row[0]): row[1:] for row in cells}  # the name is a button
    assert len(shown) == len(written) > 5
    digits = {"probability": ".6f", "expected_precision": ".3f", "accessibility": ".4g"}
    for row in written:
        hit = dict(zip(names, row, strict=True))
        expected = [
            format(float(text), digits[name]) if text and name in digits else text
            for name, text in hit.items()
            if name != "name"
        ]
        assert shown[hit["name"]] == expected
    assert {row[8] for row in shown.values()} >= {"open", "closed"}
    # the page's data hold the same table with all digits, for its download
    assert data_of(page)["table"] == {"columns": names, "rows": written}
    assert "0.98 does not mean a chance of 98 %" in visible(page)
    assert run("scan", genome, "--threshold", 0.15, "-o", tmp_path / "h.bed", "--report", page, "--force").code == 0
    assert ">chromatin<" not in page.read_text()


def test_report_shows_peak_recall_where_the_model_holds_it(tmp_path: Path, genome: Path, model: Model) -> None:
    def text(hit_precision: float | None) -> str:
        table = model.metadata.without_accessibility
        rows = tuple(replace(row, hit_precision=hit_precision, peak_recall=0.5) for row in table.rows)
        metadata = replace(model.metadata, without_accessibility=replace(table, rows=rows))
        page = tmp_path / "r.html"
        with open_scan(genome, model=replace(model, metadata=metadata)) as scan:
            write_scan(scan, Outputs(str(tmp_path / "h.bed"), report=page, force=True))
        return visible(page)

    assert "Of hits, expect 4 in 10 to lie on a peak, and 5 in 10 peaks to be hit (held-out blocks)." in text(0.4)
    assert "Of hits, expect" not in text(None)


def test_chromosomes_add_up_to_the_record(tmp_path: Path, genome: Path, model: Model) -> None:
    with open_scan(genome, model=model, regions=["chr1:100-3000", "chr1:3050-5000", "chr2"]) as scan:
        record = write_scan(scan, Outputs(str(tmp_path / "h.bed"), report=tmp_path / "r.html"))
    text = visible(tmp_path / "r.html")
    assert f"all {record['windows_scored']:,} {record['bases_scanned']:,} {record['hits']:,}" in text
    assert "No accessibility track" in text


def test_only_the_best_hits_are_kept(genome: Path, model: Model) -> None:
    rng = np.random.default_rng(0)
    best = np.round(rng.random(1000), 2).astype(np.float32)  # many are equal
    start = np.arange(1000) * 3
    with open_scan(genome, model=model) as scan:
        collector = Collector(scan, max_hits=50, max_kept=120)
    for part in np.split(np.arange(1000), [1, 90, 300, 301, 777]):
        collector.hits("chr1", Hits(start[part], start[part] + 101, best[part], start[part] + 50))
    kept = collector.best_hits()
    expected = np.lexsort((start, -best))[:50]
    assert kept.start.tolist() == start[expected].tolist()
    assert kept.best.tolist() == best[expected].tolist()
    assert collector.hit_counts["chr1"] == 1000


def test_names_are_escaped_in_the_page(tmp_path: Path, run: Run, model: Model) -> None:
    rng = np.random.default_rng(1)
    names = (HOSTILE, "</script><script>alert(2)</script>", '"onmouseover="alert(3)')
    fasta = write_fasta(tmp_path / "<b>genome.fa", {name: "".join(rng.choice(list("ACGT"), 900)) for name in names})
    page = tmp_path / "r.html"
    ran = run("scan", fasta, "--threshold", 0.01, "-o", tmp_path / "h.bed", "--report", page)
    assert ran.code == 0, ran.err
    html = page.read_text()
    assert "<img" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "alert(2)</script>" not in html
    assert 'onmouseover="alert' not in html
    assert "<b>genome" not in html
    assert "</script" not in json.dumps(data_of(page)) or "\\u003c/script" in html
    for name in names:
        assert name in visible(page)
    assert {hit["chrom"] for hit in data_of(page)["hits"]} == set(names)


def test_policy_allows_only_the_scripts_of_the_report(tmp_path: Path, run: Run, genome: Path) -> None:
    import base64

    page = tmp_path / "r.html"
    assert run("scan", genome, "-o", tmp_path / "h.bed", "--report", page).code == 0
    html = page.read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', html)
    policy = policy.replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts}
    assert len(scripts) == 6
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert set(directives["script-src"].split()) == hashes
    assert directives["default-src"] == "'none'"
    assert set(directives["connect-src"].split()) == {"data:", "blob:"}
    before_scripts = html.replace("<script", "\n<script").split("<script>")[0]
    loaded_or_linked = re.findall(r'(?:src|href)="(?!#|data:)([^"]*)', before_scripts)
    assert loaded_or_linked == ["https://jundscan.github.io/jundscan/try/"]  # a link in the footer
    assert "//# sourceMappingURL" not in html


def test_accessibility_unlike_the_training_data_is_a_warning(
    tmp_path: Path, genome: Path, track: Path, model: Model
) -> None:
    from jundscan.accessibility.scale import IDENTITY

    def text(trained: dict[str, list[float]] | None) -> str:
        known = replace(model, metadata=replace(model.metadata, training_accessibility=trained))
        page = tmp_path / "r.html"
        with open_scan(genome, track, model=known, scale=IDENTITY) as scan:
            write_scan(scan, Outputs(str(tmp_path / "h.bed"), report=page, force=True))
        return visible(page)

    zeros, even = [1.0] + [0.0] * 20, [0.3] + [0.035] * 20
    assert "does not say how accessibility was distributed" in text(None)
    assert "accessibility differs from what the model was trained on" in text({"Liver": zeros})
    shown = text({"Liver": zeros, "Blood": even})
    assert "than in Blood, the most similar data set" in shown
    assert "training: Liver 100.0 %" in shown


def test_distance_between_accessibility_distributions() -> None:
    mapped = np.array([0.0, 0.0, 0.5, 1.0], np.float32)
    shares = distribution(mapped)
    assert sum(shares) == 1.0
    assert shares[0] == 0.5
    assert distance_from_training(shares, {"same": shares}) == (0.0, "same")
    assert distance_from_training([1.0, 0.0], {"far": [0.0, 1.0], "near": [0.7, 0.3]}) == (0.3, "near")
    assert distribution(np.array([np.nan])) == []


@pytest.mark.slow
def test_scan_without_hits_has_a_report(tmp_path: Path, run: Run, genome: Path) -> None:
    page = tmp_path / "r.html"
    assert run("scan", genome, "--threshold", 1, "-o", tmp_path / "h.bed", "--report", page).code == 0
    assert "0 hits: no window reaches the threshold" in visible(page)
    assert data_of(page)["hits"] == []
    empty = write_fasta(tmp_path / "n.fa", {"chrN": "N" * 500})
    assert run("scan", empty, "-o", tmp_path / "h2.bed", "--report", tmp_path / "n.html").code == 0
    assert "100% of the windows hold unknown letters" in visible(tmp_path / "n.html")


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.501, 1.0])
def test_threshold_slider_counts_as_evaluate_does(threshold: float) -> None:
    rng = np.random.default_rng(4)
    labels = (rng.random(500) < 0.2).astype(np.int64)
    probabilities = np.round(rng.random(500), 2).astype(np.float32)
    weights = rng.random(500)
    shown = _confusion(Predictions("x", labels, probabilities, weights, 0.333))
    assert (shown["bound"], shown["unbound"]) == (labels.sum(), 500 - labels.sum())
    for at, used in ((0, 0.333), (1 + round(threshold * 1000), threshold)):
        expected = compute_metrics(labels, probabilities, weights, used, resamples=0)
        assert expected["confusion_matrix"][0][1] == shown["fp"][at]
        assert expected["confusion_matrix"][1][1] == shown["tp"][at]
        assert expected["weighted_accuracy"] == pytest.approx(shown["accuracy"][at], abs=1e-6)


def test_thinned_curves_keep_ends_and_corners() -> None:
    x = np.sort(np.random.default_rng(0).random(5000))
    x[0], x[-1] = 0, 1
    kept = _thin(x, x**2)
    assert kept[0] == 0
    assert kept[-1] == len(x) - 1
    assert len(kept) <= 400
    assert np.abs(np.interp(x, x[kept], x[kept] ** 2) - x**2).max() < 1e-4


@pytest.mark.slow
def test_report_of_several_shards_and_of_one_label(tmp_path: Path, run: Run) -> None:
    one = write_shard(tmp_path / "one")
    same = write_shard(tmp_path / "same", seed=1, y=np.zeros(1200, np.int64), ids=None)
    page = tmp_path / "r.html"
    ran = run("evaluate", one, same, "--report", page, "--json", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    text = visible(page)
    assert "Without curves, because all their windows have the same label: same" in text
    assert "undefined" in text
    assert "chr22:" in text
    assert "number " in text
    record = json.loads((tmp_path / "r.json").read_text())
    shown = data_of(page)["confusion"]
    for report, counts in zip(record["data"], shown, strict=True):
        assert report["confusion_matrix"] == [
            [counts["unbound"] - counts["fp"][0], counts["fp"][0]],
            [counts["bound"] - counts["tp"][0], counts["tp"][0]],
        ]


@pytest.mark.parametrize("command", ["scan", "evaluate"])
def test_report_errors_come_before_any_work(
    tmp_path: Path, run: Run, genome: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    source = genome if command == "scan" else write_shard(tmp_path / "shards")
    page = tmp_path / "r.html"
    page.write_text("mine")
    outputs = ["-o", tmp_path / "h.bed"] if command == "scan" else []
    ran = run(command, source, *outputs, "--report", page)
    assert (ran.code, ran.err.count("--force replaces it")) == (1, 1)
    assert page.read_text() == "mine"
    assert run(command, source, *outputs, "--report", page, "--json", page, "--force").code == 2
    assert "name one that ends in .html" in run(command, source, *outputs, "--report", "-").err
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ran = run(command, source, *outputs, "--report", tmp_path / "new.html")
    assert ran.code == 1
    assert "pip install 'jundscan[report]'" in ran.err.splitlines()[-1]
    assert not (tmp_path / "h.bed").exists()
    assert not (tmp_path / "new.html").exists()


def test_bundled_libraries_have_the_recorded_hashes() -> None:
    libraries = json.loads((STATIC / "libraries.json").read_bytes())
    package = json.loads((STATIC.parents[2] / "browser" / "package.json").read_bytes())
    for one in libraries:
        assert hashlib.sha256((STATIC / one["file"]).read_bytes()).hexdigest() == one["sha256"], one["file"]
        assert "Copyright" in (STATIC / f"{one['file']}.LICENSE").read_text()
        assert one["version"] == package["dependencies"][one["package"]]
    kept = {path.name for path in STATIC.iterdir()} - {"libraries.json"}
    assert kept == {name for one in libraries for name in (one["file"], f"{one['file']}.LICENSE")}


@pytest.mark.slow
@pytest.mark.data
def test_reports_stay_small(tmp_path: Path, run: Run, data_folder: Path) -> None:
    page = tmp_path / "r.html"
    ran = run(
        "scan", data_folder / "genome" / "hg19.22_1-22000000.fa.gz", "--region", "22:16000000-22000000", "--stride", 10,
        "--accessibility", data_folder / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz", "--threshold", 0.2,
        "--truth", next((data_folder / "peaks").glob("HepG2*")), "-o", tmp_path / "h.bed", "--report", page,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert len(data_of(page)["hits"]) == 1000
    assert page.stat().st_size < 5_000_000
