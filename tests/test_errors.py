"""docs/warnings.md lists every warning of the source code, with its figures."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from jundscan.errors import Cautions, collect_warnings, warn

ROOT = Path(__file__).parents[1]


def warnings_in_source() -> dict[str, set[str]]:
    """Return the codes in the source, each with the names of its figures."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "jundscan").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            name = ast.unparse(node.func)
            code = node.args[0]
            if not isinstance(code, ast.Constant) or not isinstance(code.value, str):
                continue
            if name == "warn" or name.endswith("cautions.add"):
                figures = {keyword.arg for keyword in node.keywords if keyword.arg}
                found.setdefault(code.value, set()).update(figures)
            elif name == "Caution":
                found.setdefault(code.value, set())
    return found


def documented() -> dict[str, set[str]]:
    rows = [
        line.split("|") for line in (ROOT / "docs" / "warnings.md").read_text().splitlines() if line.startswith("| `")
    ]
    return {row[1].strip(" `"): {name.strip(" `") for name in row[3].split(",") if name.strip()} for row in rows}


def test_every_warning_is_documented() -> None:
    assert warnings_in_source().keys() == documented().keys()


@pytest.mark.slow
def test_every_figure_of_a_warning_is_documented() -> None:
    listed = documented()
    for code, figures in warnings_in_source().items():
        assert figures <= listed[code], code


def test_a_warning_is_logged_once_and_kept_by_its_run(caplog: pytest.LogCaptureFixture) -> None:
    cautions = Cautions()
    cautions.add("one", "first", number=1)
    cautions.add("one", "first", number=1)
    cautions.take(list(cautions))
    with collect_warnings(cautions):
        warn("one", "of another file", number=2)
        warn("one", "first", number=1)
    warn("two", "of no run")
    assert cautions.to_list() == [
        {"code": "one", "message": "first", "figures": {"number": 1}},
        {"code": "one", "message": "of another file", "figures": {"number": 2}},
    ]
    assert caplog.messages == ["first", "of another file", "of no run"]
