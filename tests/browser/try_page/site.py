"""The page that runs the model in the browser: its folder as the site has it, served on this machine."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docs.hooks import EXAMPLES, describe_model
from jundscan.model.load import default_model_path
from tests.browser.chromium import wait_for
from tests.helpers.pages import DOCS
from tests.helpers.pages import EXAMPLES as EXAMPLE_FOLDER

RUNNER = Path(__file__).parent / "run.mjs"
NO_NODE = "node is not installed"


def find_node() -> str | None:
    """Find node."""
    return shutil.which("node")


def make_folder(folder: Path) -> Path:
    """Put the page's modules, its model and what the build makes of that into a folder, without the page itself."""
    target = folder / "try"
    shutil.copytree(DOCS / "try", target)
    shutil.copy(default_model_path(), target / "model.onnx")
    (target / "model.json").write_text(describe_model())
    for name in EXAMPLES:
        shutil.copy(EXAMPLE_FOLDER / name, target / name)
    return target


def run_modules(folder: Path, requests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Score requests by the page's modules under node, see ``run.mjs``."""
    node = find_node()
    assert node is not None, NO_NODE
    ran = subprocess.run(
        [node, str(RUNNER), str(folder)], input=json.dumps(requests), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    answers: dict[str, Any] = json.loads(ran.stdout)
    return answers


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does, and return its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))  # seconds until it notices the end
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def open_try(chrome: Any, address: str) -> None:
    """Open the page, and wait until it can answer."""
    chrome.get(f"{address}/try/index.html")
    wait_for(chrome, "document.getElementById('try-form').dataset.ready")


def submit(chrome: Any, text: str) -> None:
    """Paste a text, score it, and wait for the answer or the error."""
    chrome.execute_script("document.getElementById('try-sequence').value = arguments[0]", text)
    chrome.execute_script("document.getElementById('try-form').requestSubmit()")
    wait_idle(chrome)


def wait_idle(chrome: Any) -> None:
    """Wait until the page has answered."""
    wait_for(chrome, "!document.getElementById('try-form').dataset.busy")


def text_of(chrome: Any, name: str) -> str:
    """Return the text of an element of the page."""
    return str(chrome.execute_script(f"return document.getElementById('try-{name}').textContent"))
