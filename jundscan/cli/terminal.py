"""What a user sees on a terminal: messages and their colours, the bar, and no line of a library's own."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jundscan.errors import escape_control_characters

if TYPE_CHECKING:
    from rich.console import Console

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


def say_error(message: object) -> None:
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
