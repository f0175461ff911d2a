"""Standard streams, pipes and devices under the names of files: they are written to as they are.

A shell may connect ``/dev/stdout`` to a file, and that file may hold something already. Opening the name anew, renaming
another file to it or removing it would lose that. So whatever names a descriptor of this process is written through the
descriptor itself: what was opened for appending is appended to.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jundscan.errors import OutputError

STDOUT, STDERR = 1, 2
_NAMES = {0: "stdin", STDOUT: "stdout", STDERR: "stderr"}
_MOST_LINKS = 40
_FOLDERS = re.compile(r"/dev/fd|/proc/(\d+)(/task/\d+)?/fd")


def descriptor(path: str | Path) -> int | None:
    """Return the descriptor of this process that a path names, or None for any other path.

    Parameters
    ----------
    path : str or pathlib.Path
        ``-`` is stdout. ``/dev/stderr``, ``/dev/fd/3``, ``/proc/self/fd/3`` and links to these are descriptors.

    Examples
    --------
    >>> descriptor("-"), descriptor("hits.bed")
    (1, None)
    """
    if str(path) == "-":
        return STDOUT
    for number, process in _named_descriptors(path):
        if process in (None, str(os.getpid())):
            return number
    return None


def open_descriptor(number: int) -> int:
    """Return the descriptor behind a number: that of stderr is another one where a program keeps it to itself."""
    if number == STDERR and sys.stderr is not None:
        with suppress(OSError, ValueError):  # a stream in memory has none
            return sys.stderr.fileno()
    return number


def is_stream(path: str | Path) -> bool:
    """Return whether a path names a stream, a pipe or a device, which can be neither replaced nor removed."""
    if descriptor(path) is not None or any(True for _ in _named_descriptors(path)):
        return True
    target = Path(path)
    return target.exists() and not target.is_file() and not target.is_dir()


def is_stdout(path: str | Path | None) -> bool:
    """Return whether a path names standard output: ``-``, ``/dev/stdout`` or another name of it."""
    return path is not None and descriptor(path) == STDOUT


def is_terminal(path: str | Path | None) -> bool:
    """Return whether what is written to a path appears on a terminal."""
    if path is None:
        return False
    number = descriptor(path)
    if number is not None:
        with suppress(OSError):
            return os.isatty(open_descriptor(number))
        return False
    return os.path.realpath(path).startswith(("/dev/tty", "/dev/pts/"))


def destination(path: str | Path) -> str:
    """Name where a path leads: a stream by one word, whatever it is called, a file by its full path."""
    number = descriptor(path)
    if number is None:
        return os.path.realpath(path)
    return _NAMES.get(number, f"descriptor {number}")


def connected_file(path: str | Path) -> str | None:
    """Return the file that a shell has connected to the stream that ``path`` names; None without one."""
    number = descriptor(path)
    if number is None:
        return None
    file = os.path.realpath(f"/dev/fd/{open_descriptor(number)}")
    return file if os.path.isfile(file) else None


def check_stream(path: str | Path) -> None:
    """Check before any work that a stream is open for writing.

    Raises
    ------
    OutputError
        When it is closed, or open for reading only.
    """
    number = descriptor(path)
    if number is None:  # a pipe or a device: opening it may wait for its reader
        return
    if number in (STDOUT, STDERR) and (sys.stdout, sys.stderr)[number - 1] is None:
        raise OutputError(f"{path}: cannot be written: {_NAMES[number]} is closed")
    if number == STDOUT:
        return
    try:
        opened = open_descriptor(number)
        if stat.S_ISDIR(os.fstat(opened).st_mode) or _is_read_only(opened):
            raise OutputError(f"{path}: cannot be written: {destination(path)} is open for reading only")
    except OSError as err:
        raise OutputError(f"{path}: cannot be written: {err.strerror or err}") from err


def _is_read_only(number: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def _named_descriptors(path: str | Path) -> Iterator[tuple[int, str | None]]:
    """Follow links, and yield the descriptor that a name on the way means, with the process that it belongs to.

    The process is None in ``/dev/fd`` where that is a folder of its own, as on macOS.
    """
    name = os.fspath(path)
    for _ in range(_MOST_LINKS):
        folder, last = os.path.split(os.path.abspath(name))
        folder = os.path.realpath(folder)
        if (match := _FOLDERS.fullmatch(folder)) and last.isascii() and last.isdecimal():
            yield int(last), match[1]
            return
        link = None
        with suppress(OSError, ValueError):  # no link, or no path
            link = os.readlink(os.path.join(folder, last))
        if link is None:
            return
        name = os.path.join(folder, link)
