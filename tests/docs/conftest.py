"""The documentation site, built once for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.pages import ROOT


class Site(NamedTuple):
    """A built site, and what the build printed."""

    folder: Path
    code: int
    log: str

    @property
    def pages(self) -> list[Path]:
        """Its HTML pages, without the one for addresses that do not exist."""
        return sorted(page for page in self.folder.rglob("*.html") if page.name != "404.html")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Build the site."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return Site(folder, ran.returncode, ran.stdout + ran.stderr)
