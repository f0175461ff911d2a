"""One browser for the tests of this folder, and the reports of the bundled example, each written once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import open_chromium, set_screen
from tests.browser.reports import Report, write_comparison, write_evaluation, write_scan, write_variants_of_example


@pytest.fixture(scope="session")
def started_chromium() -> Iterator[Any]:
    """The browser."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def chrome(started_chromium: Any) -> Any:
    """The browser, light and of a laptop's size, whatever the test before has set."""
    set_screen(started_chromium)
    return started_chromium


@pytest.fixture(scope="session")
def example_scan(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A scan of the bundled example. Tests only read it, as all reports here."""
    return write_scan(tmp_path_factory.mktemp("scan"))


@pytest.fixture(scope="session")
def example_evaluation(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """An evaluation of the bundled example."""
    return write_evaluation(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="session")
def example_comparison(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A comparison of two groups on the bundled example."""
    return write_comparison(tmp_path_factory.mktemp("comparison"))


@pytest.fixture(scope="session")
def example_variants(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The variants of the bundled example."""
    return write_variants_of_example(tmp_path_factory.mktemp("variants"))
