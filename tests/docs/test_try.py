"""The page that runs the model in the browser, end to end in headless Chromium against `jundscan scan`."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jundscan.cli import app
from tests.browser.axe import SERIOUS, WIDTHS, findings
from tests.browser.chromium import ABSENT, complaints, find_chromium, open_chromium, wait_for
from tests.browser.try_page.site import open_try, serve, submit, text_of, wait_idle
from tests.docs.conftest import Site
from tests.helpers.pages import EXAMPLES

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT),
]
TRACK, SCALE = EXAMPLES / "dnase.bedgraph", EXAMPLES / "scale.json"
KEEP_DOWNLOADS = """
window.saved = null;
URL.createObjectURL = (blob) => { window.saved = blob.text(); return "#"; };
HTMLAnchorElement.prototype.click = () => {};
"""


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with serve(site.folder) as found:
        yield found


@pytest.fixture(scope="module")
def chrome(address: str) -> Iterator[Any]:
    with open_chromium() as browser:
        open_try(browser, address)
        yield browser


def click(chrome: Any, selector: str) -> None:
    """Click on an element, wherever it is, and wait for the answer."""
    chrome.execute_script("document.querySelector(arguments[0]).click()", selector)
    wait_idle(chrome)


def download(chrome: Any, kind: str) -> list[str]:
    """Return the lines of a download that are no header."""
    chrome.execute_script(KEEP_DOWNLOADS)
    click(chrome, f"[data-download={kind}]")
    text = chrome.execute_async_script("const done = arguments[0]; window.saved.then(done)")
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_files_of_a_user_give_the_windows_and_hits_of_a_scan(chrome: Any, tmp_path: Path) -> None:
    genome = EXAMPLES / "genome.fa"
    for name, path in (("fasta", genome), ("track", TRACK), ("scale", SCALE)):
        chrome.find_element("id", f"try-{name}").send_keys(str(path))
        wait_idle(chrome)
    click(chrome, "#try-score")
    assert text_of(chrome, "error") == ""
    track = ["--accessibility", str(TRACK), "--accessibility-scale", str(SCALE)]
    for kind in ("bed", "tsv"):
        output = tmp_path / kind
        copy = shutil.copy(genome, tmp_path)
        app(["scan", str(copy), *track, "--format", kind, "-o", str(output), "--quiet"], standalone_mode=False)
        expected = [line for line in output.read_text().splitlines() if not line.startswith("#")]
        found = download(chrome, kind)
        assert len(expected) > 10
        if kind == "bed":
            assert found == expected
        else:
            rows = [(one.split("\t"), other.split("\t")) for one, other in zip(found, expected, strict=True)]
            assert all(one[:3] == other[:3] for one, other in rows)
            assert max(abs(float(one[3]) - float(other[3])) for one, other in rows) < 1e-5
    assert complaints(chrome) == []


def test_a_variant_is_compared_and_its_bases_are_explained(chrome: Any) -> None:
    click(chrome, "[data-example=variant]")
    assert "The largest change is −" in text_of(chrome, "summary")
    assert chrome.execute_script("return document.querySelectorAll('#try-chart path').length") > 5
    click(chrome, "#try-hits button")
    assert text_of(chrome, "error") == ""
    assert "Which bases matter: site" in text_of(chrome, "explained-title")
    first = chrome.execute_script("return document.querySelectorAll('#try-logo path').length")
    assert first > 20
    chrome.execute_script("document.getElementById('try-of').value = 'second'")
    click(chrome, "#try-explain")
    assert "Which bases matter: variant" in text_of(chrome, "explained-title")
    for kind in ("svg", "logo"):
        (picture,) = download(chrome, kind)
        assert picture.startswith("<svg ")
        assert "var(" not in picture


def test_a_stricter_threshold_calls_fewer_hits(chrome: Any) -> None:
    click(chrome, "[data-example=track]")
    before = text_of(chrome, "summary")
    choose = "const all = document.getElementById('try-rate'); all.selectedIndex = all.length - 1; all.onchange()"
    chrome.execute_script(choose)
    wait_idle(chrome)
    assert text_of(chrome, "summary") != before
    assert "Expect" in text_of(chrome, "expectation")
    chrome.execute_script("const all = document.getElementById('try-rate'); all.selectedIndex = 0; all.onchange()")
    wait_idle(chrome)
    assert text_of(chrome, "summary") == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MKVLAAGIVGLLLAQPSE" * 9, "looks like a protein sequence"),
        ("ACGT" * 250_001, "more than 1,000,000 bases"),
        ("ACGT?" * 30, "is no letter of DNA"),
        ("ACGT", "too short"),
    ],
    ids=["protein", "too long", "strange letter", "too short"],
)
def test_errors_are_in_plain_words(chrome: Any, text: str, message: str) -> None:
    click(chrome, "input[value=unknown]")
    submit(chrome, text)
    assert message in text_of(chrome, "error")
    submit(chrome, "ACGT" * 50)
    assert text_of(chrome, "error") == ""


def test_the_keyboard_is_enough(chrome: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        ActionChains(chrome).send_keys(*keys).perform()

    def focused() -> str:
        return str(chrome.execute_script("const it = document.activeElement; return it.id || it.textContent"))

    click(chrome, "input[value=unknown]")
    area = chrome.find_element("id", "try-sequence")
    area.clear()
    area.send_keys("TGACTCA" + "ACGT" * 40)
    steps = 0
    while focused() != "try-score" and steps < 30:
        press(Keys.TAB)
        steps += 1
    press(Keys.ENTER)
    wait_for(chrome, "document.activeElement.id == 'try-results-title'")
    while focused() != "try-explain" and steps < 60:
        press(Keys.TAB)
        steps += 1
    press(Keys.SPACE)
    wait_for(chrome, "!document.getElementById('try-explained').hidden")
    wait_idle(chrome)
    assert text_of(chrome, "error") == ""


def test_it_asks_no_other_host_and_works_with_the_network_off(site: Site, tmp_path: Path) -> None:
    log = tmp_path / "network.json"
    with open_chromium(arguments=[f"--log-net-log={log}"]) as chrome:
        with serve(site.folder) as address:
            open_try(chrome, address)
        chrome.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        for example in ("site", "track", "variant"):
            click(chrome, f"[data-example={example}]")
            click(chrome, "#try-explain")
            assert text_of(chrome, "error") == ""
            assert "hit" in text_of(chrome, "summary")
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    # Chromium asks for things of its own too; these have no page that started them
    urls = {each["url"] for each in events if "url" in each and each.get("initiator", "").startswith(address)}
    assert {url.rpartition("/")[2] for url in urls} >= {"worker.js", "model.onnx", "ort-wasm-simd-threaded.wasm.gz"}
    assert [url for url in urls if not url.startswith(f"{address}/")] == []


def test_it_gives_no_answer_when_reference_scores_differ(site: Site, tmp_path: Path) -> None:
    shutil.copytree(site.folder / "try", tmp_path / "try")
    path = tmp_path / "try" / "model.json"
    file = json.loads(path.read_bytes())
    file["metadata"]["self_test"]["without_accessibility"][7] += 0.001
    path.write_text(json.dumps(file))
    with serve(tmp_path) as address, open_chromium() as chrome:
        chrome.get(f"{address}/try/index.html")
        wait_for(chrome, "document.getElementById('try-error').textContent")
        assert "gives no answer" in text_of(chrome, "error")
        assert chrome.find_element("id", "try-score").get_attribute("disabled")


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious_in_its_answers(chrome: Any, width: int) -> None:
    chrome.set_script_timeout(120)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    click(chrome, "[data-example=variant]")
    click(chrome, "#try-explain")
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    for scheme in ("default", "slate"):
        chrome.execute_script("document.body.dataset.mdColorScheme = arguments[0]", scheme)
        found = [(one["id"], one["nodes"][0]["html"]) for one in findings(chrome) if one["impact"] in SERIOUS]
        assert found == [], scheme
