"""The command line: one module per command. Parses, calls the library and writes; nothing else prints or exits."""

from __future__ import annotations

import errno
import io
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated

import typer
from typer.main import get_command

from jundscan._version import __version__
from jundscan.cli import comparison, doctor, evaluate, explain, help_layout, info, scale, scan, score, track, variants
from jundscan.cli.process import end, ending_signals, hold_standard_streams, keep_stderr
from jundscan.cli.terminal import print_error
from jundscan.errors import JundscanError, format_os_error

app = typer.Typer(
    name="jundscan",
    cls=help_layout.Program,
    context_settings=help_layout.HELP_NAMES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Predict where a transcription factor binds, from DNA sequence and chromatin accessibility. "
    "The model that comes with jundscan is of JUND.",
    epilog="Start with: jundscan scan genome.fa --accessibility dnase.bw -o hits.bed",
)
for _panel, _function, _epilog in (
    (help_layout.PREDICT, scan.scan, scan.EXAMPLES),
    (help_layout.PREDICT, score.score, score.EXAMPLES),
    (help_layout.PREDICT, comparison.compare, comparison.EXAMPLES),
    (help_layout.PREDICT, variants.variants, variants.EXAMPLES),
    (help_layout.PREDICT, explain.explain, explain.EXAMPLES),
    (help_layout.PREPARE, scale.scale, scale.EXAMPLES),
    (help_layout.PREPARE, track.track, track.EXAMPLES),
    (help_layout.PREPARE, evaluate.evaluate, evaluate.EXAMPLES),
    (help_layout.PREPARE, info.info, info.EXAMPLES),
    (help_layout.PREPARE, doctor.doctor, doctor.EXAMPLES),
):
    app.command(cls=help_layout.Command, epilog=_epilog, rich_help_panel=_panel)(_function)


def _show_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"jundscan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version.",
            callback=_show_version,
            is_eager=True,
            rich_help_panel=help_layout.GENERAL,
        ),
    ] = False,
) -> None:
    """Predict where a transcription factor binds, from DNA sequence and chromatin accessibility."""


@cache
def _command() -> Callable[..., object]:
    """Build the parser of the command line, once for all calls of :func:`main`."""
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 bad input or environment, 2 usage. After a signal it is 128 plus its number, as a shell
    reports it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, 141 when the reader of a pipe ends (``| head``).

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``jundscan`` on the command line. None: ``sys.argv``, and then :func:`jundscan.cli.process.end`
        ends the process.
    """
    if arguments is not None:
        hold_standard_streams()
        _run(list(arguments))
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside _run, Ctrl-C ends the process without a traceback
    code: object = 0
    hold_standard_streams()
    keep_stderr()
    try:
        _run(sys.argv[1:])
    except SystemExit as err:
        code = err.code
    except BaseException:
        with suppress(OSError):
            traceback.print_exc()
        code = 1
    end(code)


def _run(arguments: list[str]) -> None:
    received: list[int] = []
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # in any locale, like every file that jundscan writes
    try:
        with ending_signals(received):
            _command()(args=arguments, prog_name="jundscan", obj=arguments)  # commands read the command line from obj
    except BaseException as err:
        # any type of error: a signal during an import can turn into an ImportError
        code: object = getattr(err, "code", True)
        if received and code:
            sys.exit(128 + received[0])
        if isinstance(err, JundscanError):
            print_error(err)
            sys.exit(err.exit_code)
        if getattr(err.__context__, "errno", None) == errno.EPIPE:  # click turned it into exit code 1
            sys.exit(128 + getattr(signal, "SIGPIPE", 13))
        if isinstance(err, OSError):
            print_error(format_os_error(err))
            sys.exit(1)
        raise
