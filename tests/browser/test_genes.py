"""The gene track of a scan's report in headless Chromium."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import SERIOUS, WIDTHS, findings, show_hit
from tests.browser.chromium import ABSENT, find_chromium, set_screen, wait_for
from tests.browser.reports import EXAMPLES, write_scan_with_genes
from tests.browser.test_reports import check_quiet, open_and_check
from tests.helpers.inputs import write_rows

pytestmark = pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT)
HOSTILE = "<img src=x onerror=alert(1)>"
TRACK = "browser.trackViews.find((view) => view.track.name === 'genes')"
POPOVER = "document.getElementById('igv').shadowRoot.querySelector('.igv-ui-popover')"


@pytest.fixture(scope="module")
def example_genes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scan_with_genes(tmp_path_factory.mktemp("genes"), EXAMPLES / "genes.gtf")


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


def test_genes_are_a_track_that_reaches_beyond_the_view(chrome: Any, example_genes: Path) -> None:
    open_and_check(chrome, example_genes)
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


def test_hostile_name_of_a_gene_is_shown_as_text(chrome: Any, tmp_path: Path) -> None:
    from selenium.common.exceptions import TimeoutException

    genes = write_rows(tmp_path / "genes.bed", [("chrA", 1_000, 59_000, HOSTILE, 0, "+")])
    open_and_check(chrome, write_scan_with_genes(tmp_path, genes))
    show_hit(chrome)
    at = chrome.execute_script("return data.hits[0].hit[0]") + 200
    for _ in range(50):  # until the track is drawn
        click_on_base(chrome, at)
        with suppress(TimeoutException):  # a second click within half a second could count as a double click
            wait_for(chrome, f"{POPOVER}?.textContent.includes('Name')", 0.5)
            break
    lines = chrome.execute_script(f"return [...{POPOVER}.lastElementChild.children].map((one) => one.textContent)")
    assert lines == [f"Name {HOSTILE}", "Location chrA:1,001-59,000 (+)"]
    assert chrome.execute_script(f"return {POPOVER}.querySelectorAll('img').length") == 0
    check_quiet(chrome)


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(chrome: Any, example_genes: Path, width: int) -> None:
    set_screen(chrome, width)
    chrome.set_script_timeout(120)
    open_and_check(chrome, example_genes)
    show_hit(chrome)
    assert [one["id"] for one in findings(chrome) if one["impact"] in SERIOUS] == []
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
