"""Write a page as one HTML file, with templates, libraries and data inside.

Jinja2 escapes text. In case anything slips through, the page's security policy runs only scripts with the SHA-256 of
its own, and allows no request to any server.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jundscan._version import __version__
from jundscan.errors import JundscanError, OutputError
from jundscan.io.outputs import check_output, open_output
from jundscan.io.pictures import BLUE, GREEN, VERMILION
from jundscan.io.streams import is_stdout

if TYPE_CHECKING:
    from jinja2 import Environment

GENOME_COLOURS = {"hit": VERMILION, "probability": BLUE, "accessibility": GREEN, "peaks": "#6A3D9A", "genes": "#595959"}
"""Colours of the tracks of the genome view."""
_STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"


class Check(NamedTuple):
    """One check of a result, for or against it."""

    fine: bool
    text: str


def check_report(path: str | Path, force: bool) -> None:
    """Check before any work that a report can be written.

    Raises
    ------
    JundscanError
        When Jinja2 is not installed.
    OutputError
        When the file exists and ``force`` is false, it is stdout, or it cannot be written.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as err:
        raise JundscanError("reports need Jinja2: run pip install 'jundscan[report]'") from err
    if is_stdout(path):
        raise OutputError("a report is a file to open in a browser: name one that ends in .html")
    check_output(path, force)


def write_page(
    path: str | Path,
    template: str,
    page: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    force: bool = False,
    genome_view: bool = False,
) -> None:
    """Write one page.

    Parameters
    ----------
    path : str or pathlib.Path
    template : str
        Name of a template.
    page : mapping
        Values for the template.
    data : mapping
        Data for the scripts, ready for JSON.
    force : bool
        Replace a file that exists.
    genome_view : bool
        Whether to include igv.js.
    """
    check_report(path, force)
    libraries = [one for one in _libraries() if genome_view or one["package"] != "igv"]
    own = (_TEMPLATES / "report.js").read_bytes()
    scripts = {one["file"]: bytes.fromhex(one["sha256"]) for one in libraries if one["file"].endswith(".js")}
    hashes = [*scripts.values(), hashlib.sha256(own).digest()]
    styles = [(_STATIC / one["file"]).read_text("utf-8") for one in libraries if one["file"].endswith(".css")]
    styles.append((_TEMPLATES / "report.css").read_text("utf-8"))
    text = (
        _environment()
        .get_template(template)
        .render(
            page,
            version=__version__,
            data=_json({**data, "colours": GENOME_COLOURS}),
            record_json=_json(page["summary"]),
            scripts=[*((_STATIC / name).read_text("utf-8") for name in scripts), own.decode()],
            styles=styles,
            policy=_policy(hashes),
            libraries=[one | {"text": (_STATIC / f"{one['file']}.LICENSE").read_text("utf-8")} for one in libraries],
        )
    )
    with open_output(path, force) as stream:
        stream.write(text)


def _libraries() -> list[dict[str, str]]:
    libraries: list[dict[str, str]] = json.loads((_STATIC / "libraries.json").read_bytes())
    return libraries


def _json(data: Mapping[str, Any]) -> str:
    """Format JSON that is safe between tags, without ``<``, ``>`` and ``&``."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(hashes: Iterable[bytes]) -> str:
    """Return a security policy that runs only scripts with these SHA-256. A library that was changed does not run."""
    named = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {named}; style-src 'unsafe-inline'; img-src data: blob:; "
        "connect-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["digits"] = lambda value: "undefined" if value is None else f"{value:.3f}"
    return environment
