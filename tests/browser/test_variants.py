"""The report of variants in headless Chromium: its numbers, pictures of alleles, the download, and axe-core."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest

from tests.browser.axe import SERIOUS, WIDTHS, findings, show_hit
from tests.browser.chromium import ABSENT, find_chromium, set_screen, wait_for
from tests.browser.reports import Report
from tests.browser.test_reports import cells, check_numbers, check_quiet, open_and_check

pytestmark = pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT)


@pytest.fixture
def written(example_variants: Report) -> Report:
    return example_variants


def rows_of(written: Report) -> list[dict[str, str]]:
    lines = [line.split("\t") for line in written.page.with_name("effects.tsv").read_text().splitlines()]
    header, *rows = [line for line in lines if not line[0].startswith("# ")]
    return [dict(zip([name.lstrip("#") for name in header], row, strict=True)) for row in rows]


def test_page_shows_the_strongest_effects_first(chrome: Any, written: Report) -> None:
    open_and_check(chrome, written.page)
    assert check_numbers(chrome, json.loads(written.record.read_text())) >= {"alleles", "hits.lost", "status.scored"}
    scored = [row for row in rows_of(written) if row["difference"] != "."]
    scored.sort(key=lambda row: -abs(float(row["difference"])))
    shown = [float(text) for text in cells(chrome, "allele-table", 2)]
    assert shown == pytest.approx([float(row["difference"]) for row in scored[: len(shown)]], abs=6e-4)
    assert f"All {len(scored)} scored alleles." in chrome.find_element("id", "main").text


def test_click_on_an_allele_shows_bases_sites_and_windows(chrome: Any, written: Report) -> None:
    open_and_check(chrome, written.page)
    button = next(one for one in chrome.find_elements("css selector", "button[data-allele]") if "9683 T>C" in one.text)
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    wait_for(chrome, "document.getElementById('allele-view').dataset.shown === 'chrA:9683 T>C'")
    assert chrome.find_element("id", "allele-sites").text == "lost: AP-1 TGACTCA"
    lines = chrome.find_element("id", "allele-bases").text.splitlines()
    assert [line.split()[0] for line in lines] == ["reference", "alternative"]
    assert "TGAGTCA" in lines[0]
    assert "CGAGTCA" in lines[1]
    assert [one.text for one in chrome.find_elements("css selector", "#allele-bases mark")] == ["T", "C"]
    assert chrome.execute_script("return document.querySelectorAll('#allele-chart .mark-line path').length") == 3
    drawn = chrome.execute_script("return data.alleles[arguments[0]]", button.get_attribute("data-allele"))
    [row] = [row for row in rows_of(written) if (row["pos"], row["alternative"]) == ("9683", "C")]
    best = max(drawn["alternative"]) - max(drawn["reference"])
    assert best == pytest.approx(float(row["difference"]), abs=2e-3)
    assert len(drawn["at"]) == 101
    check_quiet(chrome)


def test_download_holds_the_table(chrome: Any, written: Report) -> None:
    open_and_check(chrome, written.page)
    chrome.execute_script(
        "window.saved = []; HTMLAnchorElement.prototype.click = function () {"
        " fetch(this.href).then((one) => one.text()).then((text) => saved.push([this.download, text])) }"
    )
    for button in chrome.find_elements("css selector", "button[data-download]"):
        button.click()
    wait_for(chrome, "saved.length === 2")
    found = dict(chrome.execute_script("return saved"))
    assert found.keys() == {"variants.tsv", "variants.csv"}
    header, first, *_ = [line.split("\t") for line in found["variants.tsv"].splitlines()]
    row = dict(zip(header, first, strict=True))
    [same] = [one for one in rows_of(written) if (one["pos"], one["alternative"]) == (row["pos"], row["alternative"])]
    for name in ("chrom", "id", "reference", "difference", "hit", "percentile", "uniform_percentile"):
        assert row[name] == same[name]
    assert found["variants.csv"].splitlines()[1].startswith("chrA,")


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(chrome: Any, written: Report, width: int) -> None:
    set_screen(chrome, width)
    chrome.set_script_timeout(120)
    open_and_check(chrome, written.page)
    show_hit(chrome)
    assert [one["id"] for one in findings(chrome) if one["impact"] in SERIOUS] == []
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
