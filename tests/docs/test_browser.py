"""The documentation's pages in a browser, opened as files, on a laptop and on a phone."""

from __future__ import annotations

import importlib.util

import pytest

from tests.browser.axe import SERIOUS, WIDTHS, findings
from tests.browser.chromium import ABSENT, complaints, find_chromium, open_chromium, open_page, requests, wait_for
from tests.docs.conftest import Site

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_the_screen_load_files_of_the_site_only_and_axe_finds_nothing_serious(site: Site, width: int) -> None:
    with open_chromium(width) as chrome:
        chrome.set_script_timeout(120)
        for page in site.pages:
            open_page(chrome, page)
            assert chrome.execute_script("return document.documentElement.scrollWidth") <= width, page
            assert [url for url in requests(chrome) if not url.startswith(site.folder.as_uri())] == [], page
            assert complaints(chrome) == [], page
            found = [(one["id"], one["nodes"][0]["html"]) for one in findings(chrome) if one["impact"] in SERIOUS]
            assert found == [], page


def test_search_finds_a_command_without_a_server(site: Site) -> None:
    with open_chromium(WIDTHS[0]) as chrome:
        open_page(chrome, site.folder / "index.html")
        chrome.find_element("css selector", ".md-search__input").send_keys("accuracy-track")
        links = "[...document.querySelectorAll('.md-search-result__link')].map((link) => link.href)"
        wait_for(chrome, f"{links}.length")
        assert any("commands/scan.html" in link for link in chrome.execute_script(f"return {links}"))
