"""The documentation's pages in a browser, opened as files, on a laptop and on a phone."""

from __future__ import annotations

import importlib.util

import pytest

from tests.browser.axe import SERIOUS, WIDTHS, findings
from tests.browser.chromium import (
    ABSENT,
    complaints,
    find_chromium,
    open_chromium,
    open_page,
    requests,
    set_screen,
    wait_for,
)
from tests.docs.conftest import Site

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT),
]


@pytest.mark.parametrize("widths", [WIDTHS, WIDTHS[::-1]], ids=["opened on a laptop", "opened on a phone"])
def test_pages_fit_the_screen_load_files_of_the_site_only_and_axe_finds_nothing_serious(
    site: Site, widths: tuple[int, ...]
) -> None:
    """Open every other page at one width. Check it there, then at the other width."""
    with open_chromium(widths[0]) as chrome:
        chrome.set_script_timeout(120)
        for page in site.pages[WIDTHS.index(widths[0]) :: len(WIDTHS)]:
            set_screen(chrome, widths[0])
            open_page(chrome, page)
            for width in widths:
                set_screen(chrome, width)
                wait_for(chrome, "document.getAnimations().every((one) => one.playState !== 'running')")
                assert chrome.execute_script("return document.documentElement.scrollWidth") <= width, (page, width)
                assert [url for url in requests(chrome) if not url.startswith(site.folder.as_uri())] == [], page
                assert complaints(chrome) == [], page
                found = [(one["id"], one["nodes"][0]["html"]) for one in findings(chrome) if one["impact"] in SERIOUS]
                assert found == [], (page, width)


def test_search_finds_a_command_without_a_server(site: Site) -> None:
    with open_chromium(WIDTHS[0]) as chrome:
        open_page(chrome, site.folder / "index.html")
        chrome.find_element("css selector", ".md-search__input").send_keys("accuracy-track")
        links = "[...document.querySelectorAll('.md-search-result__link')].map((link) => link.href)"
        wait_for(chrome, f"{links}.length")
        assert any("commands/scan.html" in link for link in chrome.execute_script(f"return {links}"))
