"""The site builds without a warning, asks no server for anything, and shows every command, option and public name."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import jundscan
from docs.hooks import commands, describe_command
from tests.docs.conftest import Site
from tests.helpers.pages import DOCS, ROOT

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Attributes that make a browser load a file, of each element."""
COMMANDS = commands()


class Page(HTMLParser):
    """What a page loads, links to, and can be linked to.

    Attributes
    ----------
    loaded, links : list of str
        Addresses.
    identifiers : set of str
    text : str
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.identifiers: set[str] = set()
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of an element."""
        attributes = dict(attrs)
        self.identifiers.add(attributes.get("id") or "")
        if tag == "a":
            self.links.append(attributes.get("href") or "")
        elif tag in LOADED and attributes.get("rel") != "canonical":
            self.loaded.append(attributes.get(LOADED[tag]) or "")

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


@pytest.mark.slow
def test_site_builds_without_a_warning(site: Site) -> None:
    assert site.code == 0, site.log
    assert "WARNING" not in site.log
    assert len(site.pages) > 10


@pytest.mark.slow
def test_pages_ask_no_server_for_anything(site: Site) -> None:
    for path in site.pages:
        page = Page(path)
        assert page.loaded, path
        assert [each for each in page.loaded if re.match(r"(?:https?:)?//", each)] == [], path
    for style in site.folder.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", style.read_text("utf-8")) == [], style


@pytest.mark.slow
def test_what_pages_load_and_link_to_is_in_the_site(site: Site) -> None:
    for path in site.pages:
        page = Page(path)
        targets = [each.partition("#")[0].partition("?")[0] for each in [*page.loaded, *page.links]]
        local = {each for each in targets if each and not re.match(r"[a-z]+:", each)}
        assert [each for each in local if not (path.parent / each).exists()] == [], path


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_a_command_shows_every_option(site: Site, command: str) -> None:
    page = Page(site.folder / "commands" / f"{command}.html")
    for parameter in COMMANDS[command].params:
        for name in [*parameter.opts, *parameter.secondary_opts]:
            if name.startswith("-"):
                assert name in page.text
    options = {name for parameter in COMMANDS[command].params for name in parameter.opts if name.startswith("--")}
    assert {f"{command}-{name.lstrip('-')}" for name in options} <= page.identifiers


@pytest.mark.slow
def test_the_page_of_the_api_shows_every_public_name(site: Site) -> None:
    page = Page(site.folder / "api.html")
    names = {f"jundscan.{name}" for name in jundscan.__all__ if name != "__version__"}
    assert names <= page.identifiers
    assert re.search(r":(?:class|func|data):", page.text) is None
    assert re.search(r"genome\s+\(str, Path, Fasta, mapping or ndarray\)", page.text)


@pytest.mark.slow
def test_files_from_outside_the_folder_are_shown(site: Site) -> None:
    assert "Keep a Changelog" in Page(site.folder / "changes.html").text
    card = Page(site.folder / "model-card.html")
    assert any(each.endswith("filters.png") for each in card.loaded)


@pytest.mark.slow
def test_links_between_pages_of_other_folders_lead_to_pages_and_others_are_text(site: Site) -> None:
    changes = Page(site.folder / "changes.html")
    assert "warnings.html" in changes.links
    assert "SECURITY.md" in changes.text
    assert [link for link in changes.links if "SECURITY" in link] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page_with_an_example(command: str) -> None:
    text = (DOCS / "commands" / f"{command}.md").read_text("utf-8")
    assert f"<!-- options: {command} -->" in text
    assert f"$ jundscan {command}" in text


def test_every_page_is_in_the_navigation() -> None:
    yaml = pytest.importorskip("yaml")
    groups = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    named = [page for group in groups for pages in group.values() for entry in pages for page in entry.values()]
    assert sorted(named) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_options_are_shown_as_in_the_help() -> None:
    text = describe_command("scan")
    assert re.search(
        r"^\| <span id=\"scan-stride\"><code>--stride</code> .+</span> \| .+ \| `10` .+\|$", text, re.MULTILINE
    )
    assert re.search(r"^\| <span id=\"scan-genome\"><code>.+</span> \| FASTA.+ \| required \|$", text, re.MULTILINE)
    assert re.search(r"^\| <span id=\"scan-output\"><code>-o</code> <code>--output</code> ", text, re.MULTILINE)
    assert "Example" not in describe_command("evaluate").partition("|")[0]
