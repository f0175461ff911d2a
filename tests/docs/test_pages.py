"""Commands and programs in the README and the pages run, and print what the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.pages import (
    DOCS,
    NOT_RUN,
    NOT_RUN_TOO,
    OTHER_LANGUAGES,
    README,
    ROOT,
    RUN,
    TESTED_COMMAND,
    Example,
    agrees,
    blocks,
    examples,
    missing_needs,
    pages,
    rewrite,
    run_all,
)

PAGES = {page.relative_to(ROOT).as_posix(): page for page in pages()}
WITH_EXAMPLES = [name for name, page in PAGES.items() if examples(page.read_text("utf-8"))]
TOP_LEVEL = sorted(path.name for path in ROOT.glob("*.md"))
PROGRAM_OPTIONS = frozenset({"--version", "--help", "--install-completion", "--show-completion"})
"""Options of ``jundscan`` itself, and of every command."""


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_print_what_the_page_shows(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    if missing := missing_needs(page):
        pytest.skip(f"examples of {name} need {', '.join(missing)}, which is not installed")
    text = page.read_text("utf-8")
    found = examples(text)
    printed = run_all(found, tmp_path)
    for example, output in zip(found, printed, strict=True):
        if example.shown is not None:
            assert agrees(example.shown, output), f"{example.code}\n{output}\nrun: python -m tests.golden {name}"
    assert rewrite(text, [example.shown or "" for example in found]) == text


@pytest.mark.parametrize("name", PAGES)
def test_blocks_have_languages_whose_commands_are_checked(name: str) -> None:
    text = PAGES[name].read_text("utf-8")
    found = blocks(text)
    assert 2 * len(found) == len(re.findall(r"^\s*(?:>\s*)*(?:```|~~~)", text, re.MULTILINE)), "a block is not found"
    assert {block.language for block in found} <= RUN | OTHER_LANGUAGES | {"shell"}


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_are_not_run_are_those_of_other_programs(name: str) -> None:
    for block in blocks(PAGES[name].read_text("utf-8")):
        if block.language == "shell" and not block.excused:
            assert TESTED_COMMAND.search(block.body) is None, "put it into a block console or sh"
            for line in re.sub(r"\\\n", " ", block.body).splitlines():
                word = line.split(" ")[0]
                assert not word or word.startswith("#") or word in NOT_RUN or line.startswith(NOT_RUN_TOO), line


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_links_of_the_files_at_the_top_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_links_to_headings_of_the_files_at_the_top_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    known = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= known


@pytest.mark.parametrize("name", PAGES)
def test_options_named_exist(name: str, options: frozenset[str]) -> None:
    named = set(re.findall(r"`(--[a-z][a-z-]+)", PAGES[name].read_text("utf-8")))
    assert named <= options | PROGRAM_OPTIONS


@pytest.fixture(scope="module")
def options() -> frozenset[str]:
    """Return the options of all commands, and those of the programs of a checkout."""
    from docs.hooks import commands

    of_commands = {name for command in commands().values() for option in command.params for name in option.opts}
    sources = [path for folder in ("train", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    in_sources = re.findall(r'"(--[a-z-]+)"', "".join(path.read_text("utf-8") for path in sources))
    # typer makes the other options of the training from names of parameters; to import them needs PyTorch
    commands_of_training = "".join((ROOT / "train" / name).read_text() for name in ("__main__.py", "adopt/command.py"))
    parameters = re.findall(r"^    (\w+): \w*(?:Annotated|Option)\b", commands_of_training, re.MULTILINE)
    of_training = {f"--{name.replace('_', '-')}" for name in parameters}
    return frozenset(of_commands | of_training).union(in_sources)


def test_numbers_may_differ_in_their_last_digits_only() -> None:
    assert agrees("a 0.9782\n", "a 0.9783\n")
    assert not agrees("a 0.98\n", "a 0.88\n")
    assert not agrees("chrA\t10\n", "chrB\t10\n")
    assert not agrees("1\n", "1\n2\n")


PAGE = """# Page

```console
$ echo a \\
    b
a b
$ true
```

- A list:

    ```python
    print("x")
    ```

    ```text
    old
    ```

```sh
ls genome.fa
```
"""


def test_examples_are_found_also_where_they_are_indented() -> None:
    assert examples(PAGE) == [
        Example("console", "echo a \\\n    b\n", "a b\n"),
        Example("console", "true\n", ""),
        Example("python", 'print("x")\n', "old\n"),
        Example("sh", "ls genome.fa\n", None),
    ]


def test_outputs_are_written_in_place_of_old_ones(tmp_path: Path) -> None:
    printed = run_all(examples(PAGE), tmp_path)
    assert printed == ["a b\n", "", "x\n", "genome.fa\n"]
    assert rewrite(PAGE, printed) == PAGE.replace("old", "x")
    without = PAGE.replace("    ```text\n    old\n    ```\n", "")
    assert rewrite(without, printed).count("```text\n    x\n") == 1


def test_user_files_are_there_for_scripts_only(tmp_path: Path) -> None:
    session, script = Example("console", "ls\n", ""), Example("sh", "ls\n", None)
    alone, with_files = run_all([session, script], tmp_path)
    assert alone == "examples\n"
    names = {
        "atac.bam",
        "fragments.tsv.gz",
        "genome.fa",
        "dnase.bw",
        "peaks.narrowPeak",
        "blacklist.bed",
        "sites.bed",
        "variants.vcf",
        "scale.json",
    }
    assert set(with_files.split()) == names | {"shards", "examples"}


@pytest.mark.slow
def test_user_files_can_be_scanned(tmp_path: Path) -> None:
    scan = "jundscan scan genome.fa --accessibility dnase.bw --accessibility-scale scale.json --truth peaks.narrowPeak"
    script = f"{scan} --exclude blacklist.bed -o hits.bed --quiet\n"
    count = Example("console", "grep -vc '^#' hits.bed\n", "")
    _, hits = run_all([Example("sh", script, None), count], tmp_path)
    assert int(hits) > 10


def test_a_page_names_what_its_examples_need(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("---\nneeds: [bash, no-such-program, pytest]\n---\n# Page\n")
    assert missing_needs(page) == ["no-such-program"]
    assert missing_needs(DOCS / "warnings.md") == []


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ls nowhere"):
        run_all([Example("sh", "ls nowhere\n", None)], tmp_path)


def test_readme_has_sessions_and_pages_have_examples_of_every_kind() -> None:
    assert {example.kind for example in examples(README.read_text("utf-8"))} == {"console"}
    kinds = {example.kind for page in pages() for example in examples(page.read_text("utf-8"))}
    assert kinds == {"console", "python", "sh"}
