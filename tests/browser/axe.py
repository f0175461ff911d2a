"""Check the accessibility of pages by axe-core (`make axe`). Print all findings and fail on a serious one.

``python -m tests.browser.axe`` checks all reports, ``python -m tests.browser.axe PAGE ...`` other pages.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from tests.browser.chromium import ABSENT, find_chromium, open_chromium, open_page, wait_for, wait_for_transitions
from tests.browser.reports import write_reports

AXE = Path(__file__).parent / "axe-core" / "axe.min.js"
"""Copied there by `make static`."""
SERIOUS = ("serious", "critical")
WIDTHS = (1280, 390)
"""Of the pages, in CSS pixels: a laptop and a phone."""
_OPTIONS = "{resultTypes: ['violations'], preload: {assets: ['media']}}"
"""Leaves out to fetch all style sheets again. Only a rule that axe-core does not run by itself reads them."""
_RUN = f"const done = arguments[0]; axe.run(document, {_OPTIONS}).then(done)"


def findings(chrome: Any) -> list[dict[str, Any]]:
    """Run axe-core in the open page, once no colour changes any more."""
    wait_for_transitions(chrome)
    chrome.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # the page's policy forbids other scripts
    if not chrome.execute_script("return 'axe' in window"):
        chrome.execute_script(AXE.read_text("utf-8"))
    found = chrome.execute_async_script(_RUN)
    chrome.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
    return list(found["violations"])


def show_hit(chrome: Any) -> None:
    """Click on the first hit or allele of a report, if it has any, and wait for the picture."""
    for what, view in (("hit", "view"), ("allele", "allele-view")):
        if buttons := chrome.find_elements("css selector", f"button[data-{what}]"):
            buttons[0].click()
            wait_for(chrome, f"document.getElementById('{view}').dataset.shown")


def main(pages: list[Path]) -> int:
    """Check pages, light and dark, wide and narrow. Return the number of serious findings."""
    serious = 0
    for width, dark in product(WIDTHS, (False, True)):
        with open_chromium(width, dark=dark) as chrome:
            chrome.set_script_timeout(120)
            for page in pages:
                open_page(chrome, page)
                show_hit(chrome)
                found = findings(chrome)
                print(f"{page.name}, {width} pixels, {'dark' if dark else 'light'}: {len(found)} findings")
                for one in found:
                    serious += one["impact"] in SERIOUS
                    print(f"  {one['impact']}: {one['id']}: {one['help']} ({len(one['nodes'])} places)")
                    for node in one["nodes"][:5]:
                        print(f"    {node['target']} {node['html'][:160]}")
    print(f"{serious} serious findings")
    return serious


if __name__ == "__main__":
    if find_chromium() is None:
        sys.exit(ABSENT)
    pages = [Path(path) for path in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(pages or write_reports(Path(folder))) > 0)
