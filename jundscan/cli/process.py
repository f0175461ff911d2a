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

from jundscan.errors import InputError

FILES_OF_SAMPLE, OTHER_FILES = 4, 100
"""Open files of each sample at most (its track, hits, windows, and an index), and all others."""
_BROKEN_PIPE = 128 + getattr(signal, "SIGPIPE", 13)


def hold_standard_streams() -> None:
    """Open standard streams that the shell closed (``2>&-``) on the null device.

    Else the next file that this process opens would get the number of a stream. For Python a closed stdout stays
    closed: writing to it is an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def keep_stderr() -> None:
    """Keep stderr for Python, and send what libraries write to descriptor 2 to the null device.

    ONNX Runtime, htslib and panics of Rust libraries write to it directly. They raise the same as an error, which
    becomes one line of ours. When a library crashes, Python writes the traceback.
    """
    stream = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = stream
    faulthandler.enable(stream)


@contextmanager
def ending_signals(received: list[int]) -> Iterator[None]:
    """Unwind on SIGTERM (from a scheduler) and SIGHUP (from a closed terminal) as on Ctrl-C.

    So no half-written file stays.

    Parameters
    ----------
    received : list of int
        The handler appends the number of each signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminating = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def unwind(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        for other in terminating:
            signal.signal(other, signal.SIG_IGN)  # a second signal must not interrupt the cleaning
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *terminating)}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]  # nohup ignores
    for number in handled:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])


def end(code: object) -> NoReturn:
    """Run exit handlers, flush standard streams, and end the process at once.

    Python's own shutdown would take apart threads that are inside a library, such as the one that writes a bigWig.
    Then the process aborts: exit code 134 instead of 143.

    Parameters
    ----------
    code : object
        As for :func:`sys.exit`.
    """
    number = code if isinstance(code, int) else int(code is not None)
    if isinstance(code, str):
        _write(code)
    with suppress(Exception):  # Python has written each error to stderr
        atexit._run_exitfuncs()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        number = number or _BROKEN_PIPE
    except OSError as err:
        _write(f"jundscan: stdout: cannot be written: {err.strerror or err}")
        number = number or 1
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(number & 0xFF)


def _write(text: str) -> None:
    with suppress(OSError):  # its reader is gone
        sys.stderr.write(f"{text}\n")


def allow_files_of(samples: int) -> None:
    """Raise the system's limit on open files of this process to what this many samples need.

    Raises
    ------
    InputError
        When the system does not allow it.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    needed = FILES_OF_SAMPLE * samples + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return
    if hard != unlimited and hard < needed:
        raise InputError(
            f"{samples:,} samples need {needed:,} open files, and this system allows {hard:,}. Take fewer, or raise "
            "the limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
