"""All reports in headless Chromium, of the bundled example and of the real data, against their records."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.report.collect import Collector
from tests.browser.chromium import ABSENT, complaints, find_chromium, open_page, requests, set_screen, wait_for
from tests.browser.reports import Report, write_evaluation, write_scan
from tests.conftest import Run, real_data
from tests.helpers.inputs import write_fasta

pytestmark = pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT)
SOURCES = ["example", pytest.param("real", marks=pytest.mark.data)]
HOSTILE = ["<img src=x onerror=alert(1)>", "<img/src=x/onerror=alert(1)>"]


@pytest.fixture(scope="module", params=SOURCES)
def scan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    if request.param == "example":
        found: Report = request.getfixturevalue("example_scan")
        return found
    return write_scan(tmp_path_factory.mktemp("scan"), real_data())


@pytest.fixture(scope="module", params=SOURCES)
def evaluation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    if request.param == "example":
        found: Report = request.getfixturevalue("example_evaluation")
        return found
    return write_evaluation(tmp_path_factory.mktemp("evaluation"), real_data())


@pytest.fixture
def pages(
    example_scan: Report, example_evaluation: Report, example_comparison: Report, example_variants: Report
) -> list[Path]:
    """All reports of the example."""
    return [one.page for one in (example_scan, example_evaluation, example_comparison, example_variants)]


def open_and_check(chrome: Any, page: Path) -> None:
    """Open a page, and check that it makes no request and logs no warning."""
    complaints(chrome), requests(chrome)
    open_page(chrome, page)
    check_quiet(chrome)


def check_quiet(chrome: Any) -> None:
    assert requests(chrome) == []
    assert complaints(chrome) == []


def cells(chrome: Any, table: str, column: int) -> list[str]:
    return list(
        chrome.execute_script(
            "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)]"
            ".map((row) => row.cells[arguments[1]].textContent.trim())",
            table, column,
        )
    )  # fmt: skip


def wait_for_cells(chrome: Any, table: str, column: int, expected: list[str]) -> None:
    """Wait for a table to show the expected cells."""
    for _ in range(50):
        if (shown := cells(chrome, table, column)) == expected:
            return
        time.sleep(0.1)
    assert shown == expected


def look_up(record: Any, key: str) -> Any:
    for part in key.split("."):
        record = record[int(part)] if isinstance(record, list) else record[part]
    return record


def check_numbers(chrome: Any, record: Any) -> set[str]:
    """Compare every number of the page, as stored and as shown, with the record. Return their keys."""
    shown = chrome.execute_script(
        "return [...document.querySelectorAll('data[data-key]')]"
        ".map((one) => [one.dataset.key, one.getAttribute('value'), one.textContent])"
    )
    for key, value, text in shown:
        expected = look_up(record, key)
        if expected is None:
            assert (value, text) == ("null", "undefined"), key
            continue
        assert float(value) == expected, key
        digits = text.partition(".")[2]
        assert float(text.replace(",", "")) == pytest.approx(expected, abs=0.6 * 10.0 ** -len(digits), rel=5e-3), key
    return {key for key, _, _ in shown}


def test_scan_page_shows_its_record(chrome: Any, scan: Report) -> None:
    open_and_check(chrome, scan.page)
    record = json.loads(scan.record.read_text())
    keys = check_numbers(chrome, record)
    assert keys >= {"hits", "windows_scored", "windows_skipped", "bases_scanned", "threshold", "seconds", "stride"}
    assert keys >= {"accuracy.auroc", "accuracy.confidence_intervals.recall.1", "accuracy.peaks.hit", "accuracy.n"}
    embedded = json.loads(chrome.execute_script("return document.getElementById('record-json').textContent"))
    assert embedded == {key: value for key, value in record.items() if key != "accessibility_scale"}
    assert json.loads(chrome.execute_script("return document.getElementById('record').textContent")) == embedded


def test_hit_table_sorts_and_filters(chrome: Any, scan: Report) -> None:
    open_and_check(chrome, scan.page)
    hits = [line.split("\t") for line in scan.page.with_name("hits.bed").read_text().splitlines() if line[0] != "#"]
    columns = [one.text for one in chrome.find_elements("css selector", "#hit-table thead th")]
    best = [float(text) for text in cells(chrome, "hit-table", columns.index("probability"))]
    assert best == sorted(best, reverse=True)
    start = chrome.find_element("css selector", "#hit-table thead th:nth-child(3)")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", start)
    starts = sorted(int(hit[1]) for hit in hits)
    for expected in (starts, starts[::-1]):  # ascending, then descending
        start.click()
        wait_for_cells(chrome, "hit-table", 2, [str(at) for at in expected[: len(best)]])
    search = chrome.find_element("css selector", "#hit-table_wrapper input[type=search]")
    search.send_keys(f"{hits[3][3]} {hits[3][1]} {hits[3][2]}")
    wait_for_cells(chrome, "hit-table", 0, [hits[3][3]])
    check_quiet(chrome)


def test_download_is_the_table_that_the_scan_writes(chrome: Any, scan: Report, tmp_path: Path) -> None:
    open_and_check(chrome, scan.page)
    chrome.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    assert not chrome.find_elements("id", "more-hits")
    for ending in ("tsv", "csv"):
        button = chrome.find_element("css selector", f"button[data-download={ending}]")
        chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        downloaded = tmp_path / f"hits.{ending}"
        for _ in range(100):
            if downloaded.exists():
                break
            time.sleep(0.1)
        assert downloaded.read_bytes() == scan.page.with_name(f"hits.{ending}").read_bytes()
    check_quiet(chrome)


def test_page_with_some_of_the_hits_names_the_option_that_writes_all(chrome: Any, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Collector.__init__, "__defaults__", (5, 50))
        scan = write_scan(tmp_path)
    open_and_check(chrome, scan.page)
    hits = json.loads(scan.record.read_text())["hits"]
    assert hits > 5
    text = chrome.find_element("id", "more-hits").text
    assert text == (f"The page leaves out {hits - 5} hits. The option -o hits.tsv of jundscan scan writes all {hits}.")
    written = [line.split("\t") for line in scan.page.with_name("hits.tsv").read_text().splitlines()]
    best = sorted(written[1:], key=lambda row: -float(row[5]))[:5]
    table = chrome.execute_script("return data.table")
    assert [table["columns"], *table["rows"]] == [written[0], *(row for row in written if row in best)]
    assert cells(chrome, "hit-table", 0) == [row[3] for row in best]


def test_click_on_a_hit_shows_the_genome(chrome: Any, scan: Report) -> None:
    from selenium.webdriver.common.keys import Keys

    open_and_check(chrome, scan.page)
    buttons = chrome.find_elements("css selector", "button[data-hit]")
    for button, key in ((buttons[1], False), (buttons[0], True)):  # by mouse, then by keyboard
        name, number = button.text, button.get_attribute("data-hit")
        hit = chrome.execute_script("return data.hits[arguments[0]]", number)
        locus = f"{hit['chrom']}:{hit['hit'][0]}-{hit['hit'][1]}"
        assert hit["name"] == name
        if key:
            button.send_keys(Keys.ENTER)
        else:
            chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
            button.click()
        wait_for(chrome, f"document.getElementById('view').dataset.shown === {json.dumps(locus)}")
        assert chrome.execute_script("return document.activeElement.textContent") == f"{name}, {locus}"
        tracks = chrome.execute_script("return browser.trackViews.map((view) => view.track.name).filter(Boolean)")
        assert [one for one in tracks if one != "Select Tracks"] == [
            "hit",
            "probability",
            "accessibility",
            "known peaks",
        ]
        assert chrome.execute_script("return browser.trackViews.some((view) => view.track.type === 'sequence')")
        contig = hit["chrom"]
        bases = chrome.execute_async_script(
            "const [chr, start, end, done] = arguments; browser.genome.getSequence(chr, start, end).then(done)",
            contig, hit["start"] + 10, hit["start"] + 60,
        )  # fmt: skip
        assert bases.upper() == hit["sequence"][10:60]
        values = chrome.execute_async_script(
            "const [chr, start, end, done] = arguments; browser.findTracks('name', 'probability')[0]"
            ".getFeatures(chr, start, end, 0.1).then((all) => done(all.map((one) => one.value)))",
            contig, hit["start"], hit["start"] + len(hit["sequence"]),
        )  # fmt: skip
        assert max(values) == pytest.approx(max(hit["probability"]))
        assert len(values) == len(hit["probability"])
        painted = (
            "[...document.getElementById('igv').shadowRoot.querySelectorAll('canvas')].some((one) => one.width > 100)"
        )
        wait_for(chrome, painted)
    check_quiet(chrome)


def test_evaluation_page_shows_its_record(chrome: Any, evaluation: Report) -> None:
    open_and_check(chrome, evaluation.page)
    record = json.loads(evaluation.record.read_text())
    keys = check_numbers(chrome, record)
    reports = record.get("data", [record])
    prefix = "data.0." if "data" in record else ""
    assert keys >= {f"{prefix}{key}" for key in ("n", "positives", "threshold", "auroc", "confidence_intervals.mcc.0")}
    for number, report in enumerate(reports):
        assert confusion(chrome, number) == report["confusion_matrix"]
        shown = float(cell(chrome, number, "precision"))
        assert shown == pytest.approx(report["precision"], abs=6e-4)
        assert float(cell(chrome, number, "accuracy")) == pytest.approx(report["weighted_accuracy"], abs=6e-4)
    assert chrome.execute_script("return document.querySelectorAll('.chart svg').length") == 3 + len(reports)


def cell(chrome: Any, number: int, name: str) -> str:
    return str(
        chrome.execute_script(
            "return document.querySelector(`#confusion-${arguments[0]} [data-cell='${arguments[1]}']`).textContent",
            number, name,
        )
    )  # fmt: skip


def confusion(chrome: Any, number: int) -> list[list[int]]:
    return [[int(cell(chrome, number, name).replace(",", "")) for name in row] for row in (("tn", "fp"), ("fn", "tp"))]


def test_slider_updates_the_confusion_matrix(chrome: Any, evaluation: Report) -> None:
    from selenium.webdriver.common.keys import Keys

    open_and_check(chrome, evaluation.page)
    record = json.loads(evaluation.record.read_text())
    report = record.get("data", [record])[0]
    bound, unbound = report["positives"], report["n"] - report["positives"]
    slider = chrome.find_element("id", "threshold")
    slider.send_keys(Keys.END)
    (tn, fp), (fn, tp) = confusion(chrome, 0)
    assert (tn + fp, fn + tp) == (unbound, bound)
    assert cell(chrome, 0, "threshold") == "1"
    assert fp < report["confusion_matrix"][0][1]
    before = [unbound, bound]
    slider.send_keys(Keys.HOME, Keys.ARROW_RIGHT)  # the first step is the threshold evaluated, the second is 0
    assert slider.get_attribute("aria-valuetext") == "0.000"
    assert confusion(chrome, 0) == [[0, before[0]], [0, before[1]]]
    chrome.find_element("id", "threshold-own").click()
    assert confusion(chrome, 0) == report["confusion_matrix"]
    check_quiet(chrome)


def test_mistake_table_sorts(chrome: Any, evaluation: Report) -> None:
    open_and_check(chrome, evaluation.page)
    headings = [one.text for one in chrome.find_elements("css selector", "#mistake-table thead th")]
    column = headings.index("probability")
    heading = chrome.find_elements("css selector", "#mistake-table thead th")[column]
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", heading)
    heading.click()
    labelled = "document.querySelectorAll('#mistake-table thead th')[arguments[0]].ariaSort"
    for _ in range(50):
        if chrome.execute_script(f"return {labelled}", column) == "ascending":
            break
        time.sleep(0.1)
    shown = [float(text) for text in cells(chrome, "mistake-table", column)]
    assert len(shown) > 3
    assert shown == sorted(shown)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_chromosome_name_is_shown_as_text(chrome: Any, tmp_path: Path, run: Run, name: str) -> None:
    letters = "".join(np.random.default_rng(2).choice(list("ACGT"), 3000))
    fasta = write_fasta(tmp_path / "genome.fa", {name: letters})
    page, bed = tmp_path / "r.html", tmp_path / "h.bed"
    threshold = json.loads(run("scan", fasta, "--threshold", 1, "-o", bed, "--json", "-").out)["threshold"]
    assert threshold == 1
    ran = run("scan", fasta, "--threshold", 0.05, "-o", bed, "--force", "--report", page)
    assert ran.code == 0, ran.err
    open_and_check(chrome, page)
    called = name.split()[0]  # the first word of a FASTA's header is the name
    assert cells(chrome, "hit-table", 1)[0] == called
    button = chrome.find_element("css selector", "button[data-hit]")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    wait_for(chrome, "document.getElementById('view').dataset.shown")
    assert f", {called}:" in chrome.find_element("id", "view-title").text
    assert chrome.execute_script("return document.querySelectorAll('img').length") == 0
    check_quiet(chrome)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1200, True)])
def test_pages_fit_a_phone_and_the_dark_theme(chrome: Any, pages: list[Path], width: int, dark: bool) -> None:
    set_screen(chrome, width, 800, dark)
    for page in pages:
        open_and_check(chrome, page)
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
        ground = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark


def test_page_prints_without_navigation(chrome: Any, scan: Report) -> None:
    open_and_check(chrome, scan.page)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not chrome.find_element("css selector", "nav").is_displayed()
    assert chrome.find_element("css selector", "#chromosome-table").is_displayed()
    pdf = chrome.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(pdf) > 10_000
