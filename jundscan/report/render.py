"""Pages to one HTML file each: templates, libraries and data joined, and everything else forbidden.

Text is escaped by Jinja2. Should anything slip through, the file's own security policy names its scripts by their
SHA-256 and admits no other, no request to any server and no plug-in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jundscan._version import __version__
from jundscan.errors import JundscanError, OutputError
from jundscan.io.outputs import atomic_path, check_output, open_output
from jundscan.io.streams import is_stdout

if TYPE_CHECKING:
    from jinja2 import Environment

_STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"


def check_report(path: str | Path, force: bool) -> None:
    """Find out before any work whether a report can be made.

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
        raise OutputError("a report is a file to open in a browser; name one that ends in .html")
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
        What the template shows.
    data : mapping
        What the scripts read, ready for JSON.
    force : bool
        Replace a file that exists.
    genome_view : bool
        Whether to take igv.js into the file.
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
            data=_json(data),
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
    """Write JSON that can stand between tags: no end tag, no comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(hashes: Iterable[bytes]) -> str:
    """Admit the scripts with these SHA-256 and nothing else; a library that was changed does not run."""
    named = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {named}; style-src 'unsafe-inline'; img-src data: blob:; "
        "connect-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def _environment() -> Environment:
    from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
    from jinja2.bccache import Bucket

    class BesideTemplates(BytecodeCache):
        """Keeps compiled templates as Python keeps compiled modules: beside them, where it may."""

        def _path(self, bucket: Bucket) -> Path:
            return Path(cache_from_source(str(_TEMPLATES / f"{bucket.key}.py")))

        def load_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError), self._path(bucket).open("rb") as file:
                bucket.load_bytecode(file)

        def dump_bytecode(self, bucket: Bucket) -> None:
            if sys.dont_write_bytecode:
                return
            path = self._path(bucket)
            with suppress(OSError, OutputError):
                path.parent.mkdir(exist_ok=True)
                with atomic_path(path, force=True) as temporary:
                    temporary.write_bytes(bucket.bytecode_to_string())

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        bytecode_cache=BesideTemplates(),
    )
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["digits"] = _digits
    return environment


def _digits(value: float | None, digits: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"
