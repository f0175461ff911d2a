"""The gene track of a scan's report in headless Chromium."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import SERIOUS, WIDTHS, findings, show_hit
from tests.browser.chromium import ABSENT, find_chromium, open_chromium
from tests.browser.reports import EXAMPLES
from tests.browser.test_reports import check_quiet, open_and_check
from tests.conftest import Run
from tests.helpers.inputs import write_rows

pytestmark = pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT)
HOSTILE = "<img src=x onerror=alert(1)>"
TRACK = "browser.trackViews.find((view) => view.track.name === 'genes')"
POPOVER = "document.getElementById('igv').shadowRoot.querySelector('.igv-ui-popover')"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser


def write_report(run: Run, folder: Path, genes: Path) -> Path:
    page = folder / "report.html"
    where = (EXAMPLES / "genome.fa", "--accessibility", EXAMPLES / "dnase.bedgraph")
    ran = run("scan", *where, "--accessibility-scale", EXAMPLES / "scale.json", "--genes", genes, "--report", page,
              "-o", folder / "hits.bed")  # fmt: skip
    assert ran.code == 0, ran.err
    return page


def click_on_base(chrome: Any, base: int) -> None:
    """Click on the gene track at a base in view."""
    left, top, first, bases_per_pixel = chrome.execute_script(
        f"const [viewport] = {TRACK}.viewports, [frame] = browser.referenceFrameList;"
        "const box = (viewport.viewportElement ?? viewport.$viewport[0]).getBoundingClientRect();"
        "return [box.left, box.top, frame.start, frame.bpPerPixel]"
    )
    where = {"x": left + (base - first) / bases_per_pixel, "y": top + 16, "button": "left", "clickCount": 1}
    for event in ("mousePressed", "mouseReleased"):
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": event, **where})


def test_genes_are_a_track_that_reaches_beyond_the_view(chrome: Any, run: Run, tmp_path: Path) -> None:
    open_and_check(chrome, write_report(run, tmp_path, EXAMPLES / "genes.gtf"))
    show_hit(chrome)
    chrom, start = chrome.execute_script("return [data.hits[0].chrom, data.hits[0].hit[0]]")
    shown = chrome.execute_async_script(
        f"const [chr, done] = arguments; {TRACK}.track.getFeatures(chr, 0, 60000, 100)"
        ".then((all) => done(all.map((one) => [one.name, one.start, one.end, one.strand])))",
        chrom,
    )
    assert (chrom, start) == ("chrA", 8_410)
    assert ["GENA2", 5_600, 8_400, "-"] in shown
    assert ["GENA1", 1_400, 5_200, "+"] in shown
    assert "GENB1" not in [name for name, *_ in shown]
    check_quiet(chrome)


def test_hostile_name_of_a_gene_is_shown_as_text(chrome: Any, run: Run, tmp_path: Path) -> None:
    genes = write_rows(tmp_path / "genes.bed", [("chrA", 1_000, 59_000, HOSTILE, 0, "+")])
    open_and_check(chrome, write_report(run, tmp_path, genes))
    show_hit(chrome)
    at = chrome.execute_script("return data.hits[0].hit[0]") + 200
    for _ in range(50):  # until the track is drawn
        click_on_base(chrome, at)
        time.sleep(0.5)
        if chrome.execute_script(f"return {POPOVER}?.textContent.includes('Name')"):
            break
    lines = chrome.execute_script(f"return [...{POPOVER}.lastElementChild.children].map((one) => one.textContent)")
    assert lines == [f"Name {HOSTILE}", "Location chrA:1,001-59,000 (+)"]
    assert chrome.execute_script(f"return {POPOVER}.querySelectorAll('img').length") == 0
    check_quiet(chrome)


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(run: Run, tmp_path: Path, width: int) -> None:
    page = write_report(run, tmp_path, EXAMPLES / "genes.gtf")
    with open_chromium(width) as chrome:
        chrome.set_script_timeout(120)
        open_and_check(chrome, page)
        show_hit(chrome)
        assert [one["id"] for one in findings(chrome) if one["impact"] in SERIOUS] == []
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
