"""The notebook in ``examples/`` runs, and shows what it says that it shows."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

from tests.helpers.notebooks import (
    NOTEBOOK,
    code_cells,
    execute,
    imported,
    kernel_manager,
    pictures,
    read,
    texts,
)
from tests.helpers.pages import ROOT, agrees

KILOBYTE = 1_000


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_the_notebook_shows(tmp_path: Path) -> None:
    pytest.importorskip("logomaker")
    before, after = read(), execute(read(), tmp_path)
    for old, new in zip(code_cells(before), code_cells(after), strict=True):
        assert new.execution_count is not None
        for shown, found in zip(texts(old), texts(new), strict=True):
            assert agrees(shown, found), f"{new.source}\n{found}\nrun: python -m tests.golden examples/notebook.ipynb"
    assert pictures(before) == pictures(after) >= 3


def test_the_notebook_imports_the_package_and_its_extras_alone() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["plots"]
    of_extras = {requirement.partition(">")[0] for requirement in extras} | {"pandas"}  # logomaker brings pandas
    assert {"jundscan"} <= imported(read()) <= {"jundscan"} | of_extras


def test_the_kernel_is_the_python_of_the_tests(tmp_path: Path) -> None:
    manager = kernel_manager(tmp_path)
    assert manager.kernel_name == read().metadata["kernelspec"]["name"]
    assert manager.format_kernel_cmd()[0] == sys.executable


def test_the_notebook_is_small_and_names_no_folder_of_its_author() -> None:
    text = NOTEBOOK.read_text("utf-8")
    assert len(text) < 200 * KILOBYTE
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert set(read().metadata) == {"kernelspec", "language_info"}
    assert all(set(cell.metadata) == set() for cell in read().cells)
