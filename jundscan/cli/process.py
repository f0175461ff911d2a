"""The process that a command runs in: its standard streams, the signals that end it, and its end."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

_BROKEN_PIPE = 128 + getattr(signal, "SIGPIPE", 13)


def hold_standard_streams() -> None:
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


def keep_stderr() -> None:
    """Leave stderr to Python: what libraries write to it by themselves goes nowhere.

    ONNX Runtime, htslib and the panics of libraries in Rust write there without asking. What they have to say is raised
    as an error too, and becomes one line of ours. When a library crashes, Python writes where it was.
    """
    stream = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = stream
    faulthandler.enable(stream)


@contextmanager
def ending_signals(came: list[int]) -> Iterator[None]:
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

    def unwind(number: int, frame: FrameType | None) -> None:
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
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def end(code: object) -> NoReturn:
    """End the process at once: write what standard streams hold back, do what was registered for the end, and go.

    Python itself would take apart what is still running. A thread that is inside a library meanwhile, such as the one
    that writes a bigWig, is then torn out of it, and the process aborts: exit code 134 instead of 143.

    Parameters
    ----------
    code : object
        As :func:`sys.exit` takes it.
    """
    number = code if isinstance(code, int) else int(code is not None)
    if isinstance(code, str):
        _say(code)
    with suppress(Exception):  # each of them has been reported to stderr
        atexit._run_exitfuncs()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        number = number or _BROKEN_PIPE
    except OSError as err:
        _say(f"jundscan: stdout: cannot be written: {err.strerror or err}")
        number = number or 1
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(number & 0xFF)


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it
        sys.stderr.write(f"{text}\n")
