"""The command line: parse, call the library, write. The only place that prints or exits."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from jundscan._version import __version__
from jundscan.cli import doctor, evaluate, explain, info, scale, scan, variants
from jundscan.errors import JundscanError, about

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


@contextmanager
def _ending_signals(came: list[int]) -> Iterator[None]:
    """Let SIGTERM (a scheduler's) and SIGHUP (a closed terminal's) unwind as Ctrl-C does: nothing half-written stays.

    Parameters
    ----------
    came : list of int
        Gets the numbers of the signals that come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminating = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        for other in terminating:
            signal.signal(other, signal.SIG_IGN)  # they may come twice, and must not break off the cleaning
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *terminating)}
    taken = {
        number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)
    }  # nohup stays in force
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _hold_standard_streams() -> None:
    """Open what a shell has closed (``2>&-``) on nothing, so that no file of ours gets the number of a stream.

    A closed stdout stays closed for Python: what would be written to it is an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (as long as the process)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    0 done, 1 bad input or environment, 2 usage; ended by a signal, what a shell reports then: 128 and its number, which
    is 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, and 141 when nobody reads on, as in ``jundscan scan … | head``.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    came: list[int] = []
    _hold_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # like every file of ours, whatever the locale is
    try:
        with _ending_signals(came):
            app(args=given, prog_name="jundscan", obj=given)  # commands see in it what was typed
    except BaseException as err:
        # whatever it has become: a signal that comes during an import can turn into an ImportError
        code: object = getattr(err, "code", True)
        if came and code:
            sys.exit(128 + came[0])
        if isinstance(err, JundscanError):
            typer.echo(f"jundscan: {err}", err=True)
            sys.exit(err.exit_code)
        if getattr(err.__context__, "errno", None) == errno.EPIPE:  # of which click has made exit code 1
            sys.exit(128 + getattr(signal, "SIGPIPE", 13))
        if isinstance(err, OSError):
            typer.echo(f"jundscan: {about(err)}", err=True)
            sys.exit(1)
        raise
