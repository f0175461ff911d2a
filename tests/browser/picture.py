"""Take the picture of the example's report for the README, with the genome view open."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import ABSENT, find_chromium, open_chromium, open_page, wait_for
from tests.browser.reports import write_scan

WIDTH, HEIGHT = 1000, 1200


def draw(target: Path) -> None:
    """Write the top of the page as PNG."""
    with tempfile.TemporaryDirectory() as folder, open_chromium(WIDTH, HEIGHT) as chrome:
        open_page(chrome, write_scan(Path(folder)).page)
        chrome.find_element("css selector", "button[data-hit]").click()
        wait_for(chrome, "document.getElementById('view').dataset.shown")
        chrome.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 1}
        taken = chrome.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    target.write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    if find_chromium() is None:
        sys.exit(ABSENT)
    draw(Path(sys.argv[1]))
