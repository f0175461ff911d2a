"""What several commands share: options, messages, JSON."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from jundscan.choices import Device

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="An .onnx file made by jundscan, or its folder. [default: the one that is installed]",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option(help="cuda fails where CUDA cannot be had; auto takes it where it can and says what runs."),
]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="Worker threads. [default: one a core]", show_default=False)
]
JsonOption = Annotated[
    str | None,
    typer.Option("--json", help="Write the report as JSON to a file, or - for stdout.", show_default=False),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        "--accessibility-scale",
        metavar="FILE|identity",
        help="A scale found before (its file, or the --json of a scan); identity: the values are percentiles already.",
        show_default=False,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace output files that exist.")]
NoAccessibilityOption = Annotated[bool, typer.Option("--no-accessibility", help="Score on sequence alone.")]


class _Lines(logging.Formatter):
    """Information plain, everything worse named."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def start_log(quiet: bool = False) -> None:
    """Send what the library says to stderr, so that it never mixes with data; ``quiet`` keeps warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(message)s"))
    log = logging.getLogger("jundscan")
    log.handlers = [handler]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False


def command_line(context: typer.Context) -> str:
    """Return the command as it was typed, quoted for a shell."""
    return shlex.join([context.find_root().info_name or "jundscan", *(context.obj or ())])


def write_json(report: dict[str, Any], target: str, force: bool) -> None:
    """Write a report as JSON to a file, or to stdout for ``-``: one line for each key of the outermost object."""
    from jundscan.writers import open_output

    with open_output(target, force=force) as stream:
        lines = (json.dumps({key: value}, allow_nan=False)[1:-1] for key, value in report.items())
        stream.write("{\n " + ",\n ".join(lines) + "\n}\n")


def fraction(value: float | None, option: str) -> None:
    """Refuse a value outside 0 to 1.

    Raises
    ------
    typer.BadParameter
        A usage error, exit code 2.
    """
    if value is not None and not 0.0 <= value <= 1.0:
        raise typer.BadParameter(f"{value:g} is not between 0 and 1", param_hint=option)
