"""A headless Chromium that records the requests and console messages of a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ABSENT = "no Chromium with its driver here (Debian: apt-get install chromium chromium-driver) or no Selenium"


def find_chromium() -> tuple[str, str] | None:
    """Find the browser and its driver."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def open_chromium(
    width: int = 1200, height: int = 900, dark: bool = False, arguments: Sequence[str] = ()
) -> Iterator[Any]:
    """Start a browser, light or dark, of a size in CSS pixels, with arguments of its own."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    found = find_chromium()
    assert found is not None, ABSENT
    browser, driver = found
    options = ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options, Service(driver))
    try:
        set_screen(chrome, width, height, dark)
        yield chrome
    finally:
        chrome.quit()


def set_screen(chrome: Any, width: int = 1200, height: int = 900, dark: bool = False) -> None:
    """Show the next pages light or dark, and in a size in CSS pixels."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def open_page(chrome: Any, path: Path) -> None:
    """Open a report and wait for its pictures."""
    chrome.get(path.resolve().as_uri())
    wait_for(chrome, "[...document.querySelectorAll('.chart')].every((one) => one.querySelector('svg'))")


def wait_for(chrome: Any, script: str, seconds: float = 60) -> Any:
    """Wait until an expression of JavaScript holds, and return its value."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, seconds, poll_frequency=0.05).until(
        lambda browser: browser.execute_script(f"return {script}")
    )


def wait_for_transitions(chrome: Any) -> None:
    """Wait until nothing changes its colour or place any more."""
    wait_for(chrome, "document.getAnimations().every((one) => one.playState !== 'running')")


def complaints(chrome: Any) -> list[str]:
    """Return the console's warnings and errors since the last call."""
    return [entry["message"] for entry in chrome.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def requests(chrome: Any) -> list[str]:
    """Return the URLs requested since the last call, without the page itself and data inside it."""
    events = (json.loads(entry["message"])["message"] for entry in chrome.get_log("performance"))
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    urls = [one["request"]["url"] for one in sent if one.get("type") != "Document"]
    return [url for url in urls if not url.startswith(("data:", "blob:"))]
