"""Outputs that are no files: standard streams, pipes and devices.

A shell may connect ``/dev/stdout`` to a file with content. Opening, replacing or removing that path would lose the
content. Such an output is therefore written through the open descriptor, which appends where the shell asked for it.
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
_MAX_LINKS = 40
"""Maximum symbolic links to follow, as in Linux."""
_DESCRIPTOR_FOLDER = re.compile(r"/dev/fd|/proc/(\d+)(/task/\d+)?/fd")


def descriptor(path: str | Path) -> int | None:
    """Return the file descriptor of this process that a path names; None for any other path.

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
    """Return the descriptor to write to: for stderr that of ``sys.stderr``, which a program may have moved."""
    if number == STDERR and sys.stderr is not None:
        with suppress(OSError, ValueError):  # a stream in memory has no descriptor
            return sys.stderr.fileno()
    return number


def is_stream(path: str | Path) -> bool:
    """Return whether a path is a stream, a pipe or a device, which must be neither replaced nor removed."""
    if descriptor(path) is not None or any(True for _ in _named_descriptors(path)):
        return True
    target = Path(path)
    return target.exists() and not target.is_file() and not target.is_dir()


def is_stdout(path: str | Path | None) -> bool:
    """Return whether a path names standard output: ``-``, ``/dev/stdout`` or another name of it."""
    return path is not None and descriptor(path) == STDOUT


def is_terminal(path: str | Path | None) -> bool:
    """Return whether a path is a terminal."""
    if path is None:
        return False
    number = descriptor(path)
    if number is not None:
        with suppress(OSError):
            return os.isatty(open_descriptor(number))
        return False
    return os.path.realpath(path).startswith(("/dev/tty", "/dev/pts/"))


def destination(path: str | Path) -> str:
    """Return one name for each output: ``stdout``, ``stderr`` or ``descriptor N``, or the full path of a file."""
    number = descriptor(path)
    if number is None:
        return os.path.realpath(path)
    return _NAMES.get(number, f"descriptor {number}")


def connected_file(path: str | Path) -> str | None:
    """Return the file that a shell has connected to the stream ``path``, as in ``> FILE``; None without one."""
    number = descriptor(path)
    if number is None:
        return None
    file = os.path.realpath(f"/dev/fd/{open_descriptor(number)}")
    return file if os.path.isfile(file) else None


def check_stream(path: str | Path) -> None:
    """Check that a stream is open for writing, before any work.

    Raises
    ------
    OutputError
        When the stream is closed, or open for reading only.
    """
    number = descriptor(path)
    if number is None:  # a pipe or a device, not opened here because opening may wait for a reader
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
    """Follow links until one names a descriptor, and yield that number and its process ID.

    The process ID is None where ``/dev/fd`` is a folder and no link, as on macOS.
    """
    name = os.fspath(path)
    for _ in range(_MAX_LINKS):
        folder, last = os.path.split(os.path.abspath(name))
        folder = os.path.realpath(folder)
        if (match := _DESCRIPTOR_FOLDER.fullmatch(folder)) and last.isascii() and last.isdecimal():
            yield int(last), match[1]
            return
        link = None
        with suppress(OSError, ValueError):  # not a link, or not a path
            link = os.readlink(os.path.join(folder, last))
        if link is None:
            return
        name = os.path.join(folder, link)
