"""The command line: parse, call the library, write. The only place that prints or exits."""

from __future__ import annotations

import errno
import io
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from jundscan._version import __version__
from jundscan.cli import doctor, evaluate, explain, info, scale, scan, variants
from jundscan.cli.process import end, ending_signals, hold_standard_streams, keep_stderr
from jundscan.cli.terminal import print_error
from jundscan.errors import JundscanError, format_os_error

app = typer.Typer(
    name="jundscan",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Tell where JUND binds, from DNA sequence and chromatin accessibility.",
    epilog="Start with: jundscan scan genome.fa --accessibility dnase.narrowPeak -o hits.bed",
)
app.command("scan")(scan.scan)
app.command("variants")(variants.variants)
app.command("explain")(explain.explain)
app.command("evaluate")(evaluate.evaluate)
app.command("scale")(scale.scale)
app.command("info")(info.info)
app.command("doctor")(doctor.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jundscan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Tell where JUND binds, from DNA sequence and chromatin accessibility."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    0 done, 1 bad input or environment, 2 usage; ended by a signal, what a shell reports then: 128 and its number, which
    is 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, and 141 when nobody reads on, as in ``jundscan scan … | head``.

    Parameters
    ----------
    arguments : sequence of str, optional
        What is typed after ``jundscan``. Without them this is the program that a shell started: then it takes what was
        typed, and ends the process by :func:`jundscan.cli.process.end`.
    """
    if arguments is not None:
        hold_standard_streams()
        _run(list(arguments))
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # before and after _run it ends the process without a traceback
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


def _run(given: list[str]) -> None:
    came: list[int] = []
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # like every file of ours, whatever the locale is
    try:
        with ending_signals(came):
            app(args=given, prog_name="jundscan", obj=given)  # commands see in it what was typed
    except BaseException as err:
        # whatever it has become: a signal that comes during an import can turn into an ImportError
        code: object = getattr(err, "code", True)
        if came and code:
            sys.exit(128 + came[0])
        if isinstance(err, JundscanError):
            print_error(err)
            sys.exit(err.exit_code)
        if getattr(err.__context__, "errno", None) == errno.EPIPE:  # of which click has made exit code 1
            sys.exit(128 + getattr(signal, "SIGPIPE", 13))
        if isinstance(err, OSError):
            print_error(format_os_error(err))
            sys.exit(1)
        raise
