"""Write golden files, JSON Schemas and the outputs in README, pages and notebook anew.

``python -m tests.golden [PAGE ...]``
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from jundscan.options import DEFAULT_STRIDE
from tests.golden import FOLDER, SCORES_STRIDE, features, models, scan_to
from tests.golden.schemas import write_schemas
from tests.helpers import notebooks
from tests.helpers.pages import examples, missing_needs, pages, rewrite, run_all


def write_golden() -> None:
    """Write the files of this folder and the JSON Schemas anew."""
    write_schemas()
    with tempfile.TemporaryDirectory() as work:
        made = {
            "features.tsv": features(),
            "scores.tsv": scan_to(Path(work, "scores"), "windows", SCORES_STRIDE),
            "hits.bed": scan_to(Path(work, "hits"), "bed", DEFAULT_STRIDE),
        }
    for name, text in made.items():
        (FOLDER / name).write_text(text)
        print(f"{FOLDER / name}: {text.count(chr(10))} lines")
    pinned = models()  # reads features.tsv
    lines = (f" {json.dumps(name)}: {json.dumps(facts)}" for name, facts in pinned.items())
    (FOLDER / "models.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{FOLDER / 'models.json'}: {len(pinned)} models")


def write_page(page: Path) -> None:
    """Run the examples of a page and write their outputs into it."""
    text = page.read_text("utf-8")
    found = examples(text)
    if missing := missing_needs(page):
        print(f"{page}: left as it is, {', '.join(missing)} not installed")
    elif found:
        with tempfile.TemporaryDirectory() as work:
            printed = run_all(found, Path(work))
        page.write_text(rewrite(text, printed), "utf-8")
        print(f"{page}: {len(printed)} examples")


def write_notebook(path: Path) -> None:
    """Run a notebook and write its outputs into it."""
    with tempfile.TemporaryDirectory() as work:
        print(f"{path}: {notebooks.write(path, Path(work))} cells")


if __name__ == "__main__":
    named = [Path(name).resolve() for name in sys.argv[1:]]
    if not named:
        write_golden()
    for page in named or [*pages(), notebooks.NOTEBOOK]:
        if page.suffix == notebooks.NOTEBOOK.suffix:
            write_notebook(page)
        else:
            write_page(page)
