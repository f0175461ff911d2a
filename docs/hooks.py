"""Hooks of the documentation's build: options of commands, files from outside ``docs/``, the model for the browser.

MkDocs calls the functions ``on_…``. Tests call the others, and those need no MkDocs.
"""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
EXAMPLES = ("genome.fa", "dnase.bedgraph", "scale.json")
"""Files of ``examples/`` that the page in the browser offers."""

_HEADER = ("| option | meaning | default, limits |", "|---|---|---|")
_OPTIONS = re.compile(r"^<!-- options: (\w+) -->$", re.MULTILINE)
_FILE = re.compile(r"^<!-- file: (\S+) -->$", re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"<code>([^<]*)</code>")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
_UNBROKEN = r'<span class="option">\g<0></span>'
_TYPES = re.compile(r"\(<code>\((.+?)\)</code>", re.DOTALL)
_ROLE = re.compile(r":(?:class|func|data|attr|meth|exc):<code>~?([\w.]+)</code>")


def commands() -> dict[str, Any]:
    """Return the commands of ``jundscan`` by name, as objects of typer."""
    from jundscan.cli import app

    program: Any = typer.main.get_command(app)
    return dict(program.commands)


def describe_command(name: str) -> str:
    """Return usage, description and options of a command as Markdown: one table per group of options."""
    command = commands()[name]
    context = typer.Context(command, info_name=f"jundscan {name}")
    groups: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            group = getattr(parameter, "rich_help_panel", None) or ("Arguments" if is_argument else "General")
            long_name = max(parameter.opts, key=len).lstrip("-").replace("_", "-").lower()
            groups.setdefault(group, []).append(_row(f"{name}-{long_name}", *record))
    usage = " ".join([context.info_name or "", *command.collect_usage_pieces(context)])
    tables = ["\n".join([f"### {group}", "", *_HEADER, *rows]) for group, rows in groups.items()]
    return "\n\n".join([f"```text\n{usage}\n```", _description(command.help or ""), *tables])


def _description(text: str) -> str:
    """Return the description of a command without its examples, which stand on the page."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\f", "").strip())
    return "\n\n".join(_escape(" ".join(each.split())) for each in paragraphs if not each.startswith("Example"))


def _row(anchor: str, names: str, text: str) -> str:
    """Return the row of an option, from what its help shows: names and placeholder, text and [default; limits]."""
    match = re.fullmatch(r"(.*?)(?:  ?\[([^\]]*)\])?", text, re.DOTALL)
    assert match is not None
    rest = "".join(f"`{part.removeprefix('default: ')}` " for part in (match[2] or "").split("; ") if part)
    words = re.findall(r"<[^>]*>|[^\s,]+", names)
    shown = " ".join(f"<code>{html.escape(word)}</code>" for word in words).replace("|", "&#124;")
    return f'| <span id="{anchor}">{shown}</span> | {_escape(match[1])} | {rest.replace("`required`", "required")}|'


def _escape(text: str) -> str:
    """Escape what Markdown and HTML would interpret in a help text, outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    escaped = [part if part.startswith("`") else re.sub(r"([*_<])", r"\\\1", part) for part in parts]
    return "".join(escaped).replace("|", "\\|")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Watch the sources that pages are made from, for ``make docs-serve``."""
    config.watch += [str(ROOT / name) for name in ("jundscan", "CHANGELOG.md", "exported/jund-2/README.md")]
    return config


def describe_model() -> str:
    """Return what the page in the browser must know of the default model, as JSON.

    All of it comes from the model's metadata and from the code that scans, so that the page copies no constant.
    """
    from jundscan.dna.letters import decode
    from jundscan.model.load import load_model
    from jundscan.model.reference_scores import REFERENCE_TOLERANCE, STRIDE, reference_windows
    from jundscan.model.sites import CONSENSUS
    from jundscan.model.thresholds import CLIP
    from jundscan.options import DEFAULT_STRIDE
    from jundscan.scanning.hits import SUMMIT_RESOLUTION

    model = load_model(device="cpu")
    codes, accessibility = reference_windows(model.flank, len(model.widths))
    record = {
        "metadata": model.metadata.to_dict(),
        "sha256": model.sha256,
        "reference": {
            "letters": decode(codes).decode(),
            "accessibility": accessibility.astype(float).tolist(),
            "stride": STRIDE,
            "tolerance": REFERENCE_TOLERANCE,
        },
        "consensus": [
            {"sequence": each.decode(), "name": name, "strand": strand} for each, (name, strand) in CONSENSUS.items()
        ],
        "clip": CLIP,
        "summit_resolution": SUMMIT_RESOLUTION,
        "default_stride": DEFAULT_STRIDE,
    }
    return json.dumps(record, allow_nan=False)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Put the default model, what the page must know of it, and the examples beside the page that runs it."""
    from mkdocs.structure.files import File

    from jundscan.model.load import default_model_path

    copied = {"model.onnx": default_model_path()} | {name: ROOT / "examples" / name for name in EXAMPLES}
    for name, path in copied.items():
        files.append(File.generated(config, f"try/{name}", abs_src_path=str(path)))
    files.append(File.generated(config, "try/model.json", content=describe_model()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put files and options in place of their comments, and follow links that leave ``docs/``."""
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def included(match: re.Match[str]) -> str:
        source = ROOT / match[1]
        return _links_followed(source.read_text("utf-8"), source.parent, folder, docs, files, config)

    markdown = _links_followed(markdown, folder, folder, docs, files, config)
    markdown = _FILE.sub(included, markdown)
    return _OPTIONS.sub(lambda match: describe_command(match[1]), markdown)


def _links_followed(markdown: str, source: Path, folder: Path, docs: Path, files: Files, config: MkDocsConfig) -> str:
    """Rewrite the links of a text of the folder ``source`` for a page of ``folder``.

    Pictures from outside ``docs/`` are copied into the site. Links to other files from outside become their text.
    A link to a file that does not exist stays, so that the build warns.
    """
    from mkdocs.structure.files import File

    def link(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        file = Path(os.path.normpath(source / target))
        if not file.exists() or not file.is_relative_to(ROOT):
            return match[0]
        if not file.is_relative_to(docs):
            if not picture:
                return text
            uri = f"files/{file.relative_to(ROOT).as_posix()}"
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(file)))
            file = docs / uri
        return f"{picture}[{text}]({Path(os.path.relpath(file, folder)).as_posix()}{anchor or ''})"

    parts, done = [], 0
    for fence in _FENCED.finditer(markdown):
        parts += [_LINK.sub(link, markdown[done : fence.start()]), fence[0]]
        done = fence.end()
    return "".join(parts) + _LINK.sub(link, markdown[done:])


def on_page_content(html: str, **_: Any) -> str:
    """Link the roles of docstrings (``:class:`Name```) to public names, and keep options in one piece.

    Several types of a parameter look like a tuple without this, because griffe reads commas so.
    """

    def linked(match: re.Match[str]) -> str:
        name = match[1]
        for identifier in (name, f"jundscan.{name}"):
            if f'id="{identifier}"' in html:
                return f'<a href="#{identifier}"><code>{name}</code></a>'
        return f"<code>{name}</code>"

    def kept(match: re.Match[str]) -> str:
        return f"<code>{_OPTION.sub(_UNBROKEN, match[1])}</code>"

    return _INLINE_CODE.sub(kept, _ROLE.sub(linked, _TYPES.sub(r"(<code>\1</code>", html)))


def on_post_page(output: str, **_: Any) -> str:
    """Name the parts of a page that the theme leaves without a name, for screen readers."""
    output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    return re.sub(r'(<input class="md-toggle" data-md-toggle="(\w+)")', r'\1 aria-label="\2"', output)


def on_post_template(output_content: str, *, template_name: str, **_: Any) -> str:
    """Name the same parts on the page for addresses that do not exist."""
    return on_post_page(output_content) if template_name == "404.html" else output_content
