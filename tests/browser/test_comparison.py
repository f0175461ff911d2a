"""The report of a comparison in headless Chromium: its numbers, both groups in the genome view, and axe-core."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import SERIOUS, WIDTHS, findings, show_hit
from tests.browser.chromium import ABSENT, find_chromium, set_screen, wait_for
from tests.browser.reports import Report, write_comparison
from tests.browser.test_reports import cells, check_numbers, check_quiet, open_and_check

pytestmark = pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT)


@pytest.fixture
def written(example_comparison: Report) -> Report:
    return example_comparison


def test_page_shows_its_record_and_sites(chrome: Any, written: Report) -> None:
    open_and_check(chrome, written.page)
    record = json.loads(written.record.read_text())
    keys = check_numbers(chrome, record)
    assert keys >= {"sites", "changes.gained", "changes.same", "fdr", "threshold", "stride", "samples.3.sites"}
    rows = [
        line.split("\t") for line in written.page.with_name("changes.tsv").read_text().splitlines() if line[0] != "#"
    ]
    for change in ("gained", "lost"):
        expected = {f"{row[0]}:{row[1]}-{row[2]}" for row in rows if row[9] == change}
        assert len(expected) == record["changes"][change] > 0
        assert set(cells(chrome, f"{change}-table", 0)) == expected
    points = "document.querySelectorAll('#difference-plot .mark-symbol.role-mark path').length"
    assert chrome.execute_script(f"return {points}") == record["sites"]
    assert "sequence of a site is the same in both groups" in chrome.find_element("id", "main").text


def test_click_on_a_site_shows_both_groups(chrome: Any, written: Report) -> None:
    open_and_check(chrome, written.page)
    for number in (0, -1):  # a gained and a lost site
        button = chrome.find_elements("css selector", "button[data-hit]")[number]
        name = button.text
        chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        wait_for(chrome, f"document.getElementById('view').dataset.shown === {json.dumps(name)}")
        tracks = chrome.execute_script("return browser.trackViews.map((view) => view.track.name).filter(Boolean)")
        shown = [f"{group}: {what}" for group in ("treated", "control") for what in ("probability", "accessibility")]
        assert [one for one in tracks if one != "Select Tracks"] == ["site", *shown]
        hit = chrome.execute_script("return data.hits[arguments[0]]", button.get_attribute("data-hit"))
        highest = {group: max(one["probability"]) for group, one in hit["groups"].items()}
        assert (highest["treated"] > highest["control"]) == (number == 0)
        values = chrome.execute_async_script(
            "const [name, chr, start, end, done] = arguments; browser.findTracks('name', name)[0]"
            ".getFeatures(chr, start, end, 0.1).then((all) => done(all.map((one) => one.value)))",
            "control: probability", hit["chrom"], hit["start"], hit["start"] + len(hit["sequence"]),
        )  # fmt: skip
        assert max(values) == pytest.approx(highest["control"])
    check_quiet(chrome)


@pytest.mark.parametrize("options", [("--threshold", 1), ("--min-difference", 9)], ids=["no site", "no change"])
def test_page_without_changes_is_quiet(chrome: Any, tmp_path: Path, options: tuple[object, ...]) -> None:
    page = write_comparison(tmp_path, 1, 1, *options).page
    open_and_check(chrome, page)
    assert "No site is gained." in chrome.find_element("id", "main").text
    assert chrome.find_elements("css selector", "button[data-hit]") == []


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(chrome: Any, written: Report, width: int) -> None:
    set_screen(chrome, width)
    chrome.set_script_timeout(120)
    open_and_check(chrome, written.page)
    show_hit(chrome)
    assert [one["id"] for one in findings(chrome) if one["impact"] in SERIOUS] == []
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
