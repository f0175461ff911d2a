"""What a user sees on a terminal: messages in colour, and the progress bar. Also writes reports as JSON."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
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


def colour_text(text: str, colour: str) -> str:
    """Return text in colour if stderr is a terminal with colours and ``NO_COLOR`` is not set, else unchanged."""
    has_colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return typer.style(text, fg=colour, bold=True) if has_colours else text


class _Lines(logging.Formatter):
    """Formats a message. The level stands before warnings and errors."""

    def format(self, record: logging.LogRecord) -> str:
        text = escape_control_characters(super().format(record))
        if record.levelno <= logging.INFO:
            return text
        return f"{colour_text(f'{record.levelname.lower()}:', _COLOURS.get(record.levelno, 'red'))} {text}"


class _AboveTheBar(logging.StreamHandler[Any]):
    """Writes messages to a stream, above the progress bar while there is one."""

    console: Console | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.console is None:
            super().emit(record)
            return
        from rich.text import Text

        self.console.print(Text.from_ansi(self.format(record)), soft_wrap=True)


def start_log(quiet: bool = False) -> None:
    """Send the log to stderr, where it never mixes with data. ``quiet`` keeps warnings and errors only."""
    handler = _AboveTheBar(sys.stderr)
    handler.setFormatter(_Lines("%(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False


def print_error(message: object) -> None:
    """Write the error that ends a command to stderr, in one line."""
    typer.echo(f"{colour_text('jundscan:', 'red')} {message}", err=True)


@contextmanager
def progress(
    doing: str, total: int, quiet: bool, streamed: Iterable[str | Path | None] = ()
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if that is a terminal. Yields a function that takes the amount just done.

    rich would redirect stdout to the bar's console. Here it does not, because hits may go to stdout meanwhile.

    Parameters
    ----------
    doing : str
        Text beside the bar.
    total : int
        Amount of work.
    quiet : bool
        Show no bar.
    streamed : iterable of str or pathlib.Path
        Outputs that are written meanwhile. If one is a terminal there is no bar, because both would write over each
        other.
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
    """Return the command line of the user, quoted for a shell."""
    return shlex.join([context.find_root().info_name or "jundscan", *(context.obj or ())])


def write_json(report: Mapping[str, Any], target: str, force: bool) -> None:
    """Write a report as JSON to a file, or to stdout for ``-``, with one line per key of the outermost object."""
    from jundscan.io.outputs import open_output

    with open_output(target, force=force) as stream:
        lines = (json.dumps({key: value}, allow_nan=False)[1:-1] for key, value in report.items())
        stream.write("{\n " + ",\n ".join(lines) + "\n}\n")


def log_accessibility(accessibility: Path | None, no_accessibility: bool) -> None:
    """Log that there is no track, unless the user asked for none."""
    if accessibility is None and not no_accessibility:
        log.info("no --accessibility: scoring on sequence alone, which is much less accurate")


def log_threshold(threshold: Threshold, stride: int | None = None) -> None:
    """Log the threshold, its rule, and the precision and recall to expect: of windows, and with a stride of hits."""
    rule = threshold.rule
    shown = "model default" if rule.endswith("(model default)") else f"--{rule}"
    log.info("Calling windows that score %.4g or more (%s). %s", threshold.value, shown, threshold.expectation())
    if stride is not None and (of_peaks := threshold.peak_expectation(stride)) is not None:
        log.info("%s", of_peaks)


def log_provider(model: Model, device: Device) -> None:
    """Log where the model runs if the user left the choice to jundscan."""
    if device == "auto":
        log.info("running on %s", model.provider)


def log_written(*outputs: str | Path | None) -> None:
    """Log every file that was written, one line each, with its index. Streams are not logged."""
    from jundscan.io.bgzip import INDEX_ENDINGS, is_compressed
    from jundscan.io.streams import is_stream

    files = [str(path) for path in outputs if path is not None and not is_stream(path) and os.path.exists(path)]
    for file in files[:MAX_NAMED]:
        indexes = [f"{file}{ending}" for ending in INDEX_ENDINGS if is_compressed(file)]
        log.info("wrote %s", ", ".join([file, *filter(os.path.exists, indexes)]))
    if len(files) > MAX_NAMED:
        log.info("wrote %s more in %s", format_count(len(files) - MAX_NAMED, "file"), os.path.dirname(files[-1]) or ".")
