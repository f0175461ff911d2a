"""What a user sees on a terminal: messages and their colours, the bar, and no line of a library's own."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jundscan.errors import escape_control_characters, format_count
from jundscan.options import Device

if TYPE_CHECKING:
    from rich.console import Console

    from jundscan.model.model import Model
    from jundscan.model.thresholds import Threshold

MAX_NAMED = 100
"""Maximum number of files that a command names at its end. It counts the others."""

log = logging.getLogger("jundscan")

_COLOURS = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


def coloured(text: str, colour: str) -> str:
    """Colour text for stderr, if that is a terminal that has colours and whose user has not set ``NO_COLOR``."""
    wanted = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return typer.style(text, fg=colour, bold=True) if wanted else text


class _Lines(logging.Formatter):
    """Information plain, everything worse named."""

    def format(self, record: logging.LogRecord) -> str:
        text = escape_control_characters(super().format(record))
        if record.levelno <= logging.INFO:
            return text
        return f"{coloured(f'{record.levelname.lower()}:', _COLOURS.get(record.levelno, 'red'))} {text}"


class _AboveTheBar(logging.StreamHandler[Any]):
    """Writes lines to a stream; while a bar is drawn there, above it."""

    console: Console | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.console is None:
            super().emit(record)
            return
        from rich.text import Text

        self.console.print(Text.from_ansi(self.format(record)), soft_wrap=True)


def start_log(quiet: bool = False) -> None:
    """Send what the library says to stderr, so that it never mixes with data; ``quiet`` keeps warnings only."""
    handler = _AboveTheBar(sys.stderr)
    handler.setFormatter(_Lines("%(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False


def print_error(message: object) -> None:
    """Write the line that a command ends with."""
    typer.echo(f"{coloured('jundscan:', 'red')} {message}", err=True)


@contextmanager
def progress(
    doing: str, total: int, quiet: bool, streamed: Iterable[str | Path | None] = ()
) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr if that is a terminal. Yields a function that takes how much more is done.

    The bar keeps its hands off stdout, which rich would send to the bar's console: hits may be on their way there.

    Parameters
    ----------
    doing : str
        What is being done.
    total : int
        How much there is to do.
    quiet : bool
        Show none.
    streamed : iterable of str or pathlib.Path
        Outputs that are written meanwhile. When one of them is a terminal there is no bar, because lines and bar would
        write over each other.
    """
    from jundscan.io.streams import is_terminal

    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or any(map(is_terminal, streamed)):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    handlers = [handler for handler in log.handlers if isinstance(handler, _AboveTheBar)]
    with Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(doing, total=total)
        for handler in handlers:
            handler.console = console
        try:
            yield lambda done: bar.advance(task, done)
        finally:
            for handler in handlers:
                handler.console = None


def command_line(context: typer.Context) -> str:
    """Return the command as it was typed, quoted for a shell."""
    return shlex.join([context.find_root().info_name or "jundscan", *(context.obj or ())])


def write_json(report: dict[str, Any], target: str, force: bool) -> None:
    """Write a report as JSON to a file, or to stdout for ``-``: one line for each key of the outermost object."""
    from jundscan.io.outputs import open_output

    with open_output(target, force=force) as stream:
        lines = (json.dumps({key: value}, allow_nan=False)[1:-1] for key, value in report.items())
        stream.write("{\n " + ",\n ".join(lines) + "\n}\n")


def log_accessibility(accessibility: Path | None, no_accessibility: bool) -> None:
    """Say that there is no track when nobody said so."""
    if accessibility is None and not no_accessibility:
        log.info("no --accessibility: scoring on sequence alone, which is much less accurate")


def log_threshold(threshold: Threshold, stride: int | None = None) -> None:
    """Log the threshold, the rule that chose it and what to expect of windows; for a scan's stride of hits too."""
    rule = threshold.rule
    shown = "model default" if rule.endswith("(model default)") else f"--{rule}"
    log.info("Calling windows that score %.4g or more (%s). %s", threshold.value, shown, threshold.expectation())
    if stride is not None and (of_peaks := threshold.peak_expectation(stride)) is not None:
        log.info("%s", of_peaks)


def log_provider(model: Model, device: Device) -> None:
    """Say what a model runs on, where that was left to be found; not before something runs."""
    if device == "auto":
        log.info("running on %s", model.provider)


def log_written(*outputs: str | Path | None) -> None:
    """Name every file that was written, a line each, with its index; streams are where the user sent them."""
    from jundscan.io.bgzip import INDEX_ENDINGS, is_compressed
    from jundscan.io.streams import is_stream

    files = [str(one) for one in outputs if one is not None and not is_stream(one) and os.path.exists(one)]
    for file in files[:MAX_NAMED]:
        indexes = [f"{file}{ending}" for ending in INDEX_ENDINGS if is_compressed(file)]
        log.info("wrote %s", ", ".join([file, *filter(os.path.exists, indexes)]))
    if len(files) > MAX_NAMED:
        log.info("wrote %s more in %s", format_count(len(files) - MAX_NAMED, "file"), os.path.dirname(files[-1]) or ".")
