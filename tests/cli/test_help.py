"""Help of every command: it fits the terminal, its groups stand in order, and its examples can be copied."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from jundscan.cli import app
from jundscan.cli.help_layout import COMMAND_PANELS, OPTION_PANELS
from tests.conftest import Run

PROGRAM: Any = get_command(app)
COMMANDS: dict[str, Any] = PROGRAM.commands
EVERY_HELP = [(), *((name,) for name in COMMANDS)]
WIDTHS = (80, 120)


def shown_help(run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], columns: int, name: str) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = run(*command, name)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def declared_options(command: tuple[str, ...]) -> list[Any]:
    """Return the options that jundscan declares, as typer first makes them: without a group unless one is declared."""
    program: Any = get_command(app)
    params = program.commands[command[0]].params if command else program.params
    return [
        param for param in params if param.param_type_name == "option" and not param.opts[0].endswith("-completion")
    ]


def titles(shown: str) -> list[str]:
    return re.findall(r"^╭─ (.+?) ─+╮ *$", shown, re.MULTILINE)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", EVERY_HELP)
def test_help_fits_and_shows_every_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], columns: int
) -> None:
    shown = shown_help(run, monkeypatch, command, columns, "--help")
    assert max(map(len, shown.splitlines())) <= columns
    assert "…" not in shown
    names = ["--help", "-h"]
    for option in declared_options(command):
        names += [*option.opts, *option.secondary_opts, *filter(None, [option.metavar])]
    rows = {word for line in shown.splitlines() if line.startswith("│") for word in line.split()}
    assert set(names) <= rows


@pytest.mark.parametrize("columns", WIDTHS)
def test_scan_help_has_at_most_100_lines(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    assert len(shown_help(run, monkeypatch, ("scan",), columns, "--help").splitlines()) <= 100


@pytest.mark.parametrize("command", EVERY_HELP)
def test_every_option_stands_in_a_named_group(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    groups = [option.rich_help_panel for option in declared_options(command)]
    assert set(groups) <= set(OPTION_PANELS)
    in_order = [panel for panel in OPTION_PANELS if panel in groups]
    others = {"Arguments", *COMMAND_PANELS}
    shown = titles(shown_help(run, monkeypatch, command, 80, "--help"))
    assert [title for title in shown if title not in others] == in_order


def test_groups_of_scan(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert titles(shown_help(run, monkeypatch, ("scan",), 80, "--help")) == [
        "Arguments",
        "Inputs",
        "Where to scan",
        "Threshold",
        "Outputs",
        "Comparison with known peaks",
        "Computing",
    ]


@pytest.mark.parametrize("command", EVERY_HELP)
def test_short_name_gives_the_same_help(run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    short, long = (shown_help(run, monkeypatch, command, 80, name) for name in ("-h", "--help"))
    assert short == long


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_to_copy(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, columns: int) -> None:
    shown = shown_help(run, monkeypatch, (name,), columns, "--help")
    examples = [line.strip() for line in shown.partition("Examples:")[2].splitlines() if line.strip()]
    assert len(examples) >= 2
    assert examples == COMMANDS[name].epilog.split("\n\n")[1:]
    for example in examples:
        program, command, *arguments = shlex.split(example.partition(" > ")[0])
        assert (program, command) == ("jundscan", name)
        COMMANDS[name].make_context(name, arguments)  # raises an error for an unknown option or a wrong value


def test_program_says_in_one_line_what_each_command_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_help(run, monkeypatch, (), 80, "--help")
    assert titles(shown)[-len(COMMAND_PANELS) :] == list(COMMAND_PANELS)
    listed = shown.partition(COMMAND_PANELS[0])[2]
    assert re.findall(r"^│ +(\S+)", listed, re.MULTILINE) == list(COMMANDS)


def test_usage_errors_recommend_help(run: Run) -> None:
    assert "Try 'jundscan scan --help' for help." in run("scan").err
