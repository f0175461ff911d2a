"""The notebook in ``examples/``: run by the Python of the tests, compared with its outputs, and written anew."""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.helpers.pages import EXAMPLES, ROOT

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from nbformat import NotebookNode

NOTEBOOK = EXAMPLES / "notebook.ipynb"
TIMEOUT = 120
"""Maximum seconds per cell."""


def read(path: Path = NOTEBOOK) -> NotebookNode:
    """Read a notebook and check that it is one."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def kernel_manager(folder: Path) -> AsyncKernelManager:
    """Return the manager of a kernel that is the Python of this process, whatever kernels the machine has installed."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    # without folders to search, python3 is the kernel that ipykernel describes: sys.executable
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        connection_file=str(folder / "kernel.json"),
    )


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run every cell in a copy of ``examples/`` inside ``folder``, and put the outputs into the notebook.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        When a cell fails.
    """
    from nbclient import NotebookClient

    work = folder / "examples"
    shutil.copytree(EXAMPLES, work, ignore=shutil.ignore_patterns("*.fai", ".*", "__pycache__"))
    client = NotebookClient(
        notebook,
        km=kernel_manager(folder),
        timeout=TIMEOUT,
        record_timing=False,
        resources={"metadata": {"path": str(work)}},
    )
    # neither the user's settings of IPython nor a backend of matplotlib from outside
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    client.execute(cleanup_kc=True, env=environment)
    return notebook


def write(path: Path, folder: Path) -> int:
    """Run a notebook in ``folder``, and write its outputs into it. Return the number of cells that ran."""
    import nbformat

    notebook = execute(read(path), folder)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    nbformat.write(notebook, path)
    return len(code_cells(notebook))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: NotebookNode) -> list[str]:
    """Return what a cell printed and showed, without pictures, whose bytes differ between versions of matplotlib."""
    found: list[str] = []
    for output in cell.outputs:
        data: dict[str, Any] = output.get("data", {})
        found += [output.text] if output.output_type == "stream" else []
        found += [data[kind] for kind in ("text/plain", "text/html") if kind in data and "image/png" not in data]
    return found


def pictures(notebook: NotebookNode) -> int:
    """Count the pictures in the outputs."""
    return sum("image/png" in output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs)


def imported(notebook: NotebookNode) -> set[str]:
    """Return the packages that the cells import. A cell that is not plain Python, such as a magic, is an error."""
    names: set[str] = set()
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or ".").partition(".")[0])
    return names
