"""Opening input files: packed or not by content, unchanged while read, and what goes wrong said in our own errors."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from jundscan.errors import FastaError, JundscanError, TrackError
from jundscan.io.file_kinds import HEAD_BYTES, Purpose, check_address, check_head
from jundscan.io.streams import descriptor

STDIN = Path("-")
"""What names the standard input."""
_GZIP_MAGIC = b"\x1f\x8b"
BLOCK_START = b"\x1f\x8b\x08\x04"
"""How each block of a bgzipped file starts: a gzip member with an extra field (SAM specification, section 4.1)."""
_BLOCK_FIELD = slice(12, 16), b"BC\x02\x00"  # the field, which holds the member's size
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every bgzipped file (SAM specification, section 4.1.2)."""
_NO_END = "bgzip's EOF block is missing at its end"
_COPY_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18
_LONGEST_LINE = 1 << 20
_LONGEST_JSON = 1 << 24
TEMPORARY_PREFIX = ".jundscan-"
"""How the name of a file begins that is still being written; after SIGKILL it stays and may be deleted."""


class FileFingerprint(NamedTuple):
    """What tells a file from the one that was there before.

    Attributes
    ----------
    size : int
        Bytes.
    modified : int
        Nanoseconds since 1970.
    """

    size: int
    modified: int


def fingerprint(path: Path) -> FileFingerprint | None:
    """Tell a file's size and when it was last written; None for what is missing or can be read only once."""
    if not path.is_file():
        return None
    status = path.stat()
    return FileFingerprint(status.st_size, status.st_mtime_ns)


def temporary_beside(path: Path) -> Path:
    """Choose a name beside ``path``, with its ending, that no other run chooses, on this machine or another."""
    return path.with_name(f"{TEMPORARY_PREFIX}{os.urandom(4).hex()}.{path.name}")


CheckHead = Callable[[bytes, bool], None]
"""Takes the first bytes of a file, uncompressed, and whether they were compressed; raises for a wrong kind of file."""


def kind_check(path: Path, purpose: Purpose, error: type[JundscanError]) -> CheckHead:
    """Make the check that an input is of the kind wanted: see :func:`jundscan.io.file_kinds.check_head`."""
    return partial(check_head, path, purpose, error)


@contextmanager
def open_unpacked(path: Path, check: CheckHead | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, through gzip when its content (not its name) is gzipped or bgzipped.

    A pipe is fine: it is opened once and read forwards.

    Raises
    ------
    EOFError
        When a bgzipped file, or gzip's last member, has no end: at once for a file, at its end for a pipe.
    JundscanError
        What ``check`` raises.
    """
    with path.open("rb") as file, unpacked(file, check) as content:
        yield content


@contextmanager
def unpacked(file: BufferedReader, check: CheckHead | None = None) -> Iterator[BinaryIO]:
    """Read an open file from where it stands, through gzip when that is what it holds; the file stays open."""
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
    if not head.startswith(_GZIP_MAGIC):
        if check is not None:
            check(head, False)
        yield file
        return
    last = _LastBytes(file)
    is_bgzip = _packing_of(head) == "bgzip"
    if is_bgzip and file.seekable():
        _check_end(file)
    with unpacking(cast(BinaryIO, last)) as content:
        if check is not None:
            check(cast(Any, content).peek(HEAD_BYTES)[:HEAD_BYTES], True)
        yield content
    if is_bgzip and last.is_at_end and last.bytes != BGZIP_END:
        raise EOFError(_NO_END)


class _LastBytes:
    """A file read forwards that keeps the last bytes which were read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes = b""
        self.is_at_end = False

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.is_at_end = self.is_at_end or (not data and size != 0)
        self.bytes = (self.bytes + data[-len(BGZIP_END) :])[-len(BGZIP_END) :]
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _check_end(file: BinaryIO) -> None:
    """Raise EOFError when the last block of a bgzipped file is missing; the file stays where it was."""
    before = file.tell()
    file.seek(0, os.SEEK_END)
    file.seek(max(file.tell() - len(BGZIP_END), 0))
    end = file.read()
    file.seek(before)
    if end != BGZIP_END:
        raise EOFError(_NO_END)


def text_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, the lines of a table of text, as :func:`text_blocks` gives them."""
    for number, lines in text_blocks(path, "table"):
        yield from enumerate(lines, number)


def text_blocks(path: Path, purpose: Purpose) -> Iterator[tuple[int, list[bytes]]]:
    """Read a table of text, packed or not, many lines at a time; a byte-order mark is left out.

    Parameters
    ----------
    path : pathlib.Path
        The file; a pipe is fine.
    purpose : Purpose
        What it is read for, see :mod:`jundscan.io.file_kinds`.

    Yields
    ------
    int
        Number of the first line, from 1.
    list of bytes
        Lines, without their newlines.

    Raises
    ------
    TrackError
        When the file cannot be read, is of another kind or cut short, or a line is longer than any of a table: so
        nothing that unpacks to a line without end fills the memory.
    """
    check_address(path, TrackError)
    with read_errors(path, TrackError):
        with open_unpacked(path, kind_check(path, purpose, TrackError)) as file:
            number, rest = 1, file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
            while read := file.read(_BLOCK_BYTES):
                *lines, rest = (rest + read).split(b"\n")
                if lines:
                    yield number, lines
                number += len(lines)
                if len(rest) >= _LONGEST_LINE:
                    raise TrackError(
                        path, f"more than {_LONGEST_LINE:,} bytes in one line: not a table of text", number
                    )
        if rest:  # the file is whole, and so is its last line
            yield number, [rest]


def read_json(path: Path) -> Any:
    """Read a small file of JSON.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is no JSON, nested too deep, or longer than any that is meant for us.
    """
    with path.open("rb") as file:
        text = file.read(_LONGEST_JSON + 1)
    if len(text) > _LONGEST_JSON:
        raise ValueError(f"more than {_LONGEST_JSON:,} bytes")
    try:
        return json.loads(text)
    except RecursionError as err:
        raise ValueError("lists or objects nested too deep") from err


def unpacking(file: BinaryIO) -> BinaryIO:
    """Read gzip members from where a file stands; closing the result leaves the file open."""
    from isal import igzip

    opened: Any = igzip.IGzipFile
    return cast(BinaryIO, opened(fileobj=file, mode="rb"))


def packing(path: Path) -> str | None:
    """Tell by its first bytes how a file is packed: ``"gzip"``, ``"bgzip"``, or None."""
    with path.open("rb") as file:
        return _packing_of(file.read(18))


def _packing_of(head: bytes) -> str | None:
    if not head.startswith(_GZIP_MAGIC):
        return None
    place, field = _BLOCK_FIELD
    return "bgzip" if head.startswith(BLOCK_START) and head[place] == field else "gzip"


def copy_to_temporary_file(path: Path) -> Path | None:
    """Copy standard input (``-``), another stream or a pipe, which can be read only once, to a temporary file.

    Returns
    -------
    pathlib.Path or None
        The copy, for the caller to delete; None when ``path`` is a file that can be read again.
    """
    number = None if path == STDIN else descriptor(path)
    if path != STDIN and number is None and not path.is_fifo():
        return None
    copy = Path(tempfile.mkstemp(prefix="jundscan.")[1])
    try:
        with copy.open("wb") as target:
            if path == STDIN or number == 0:
                shutil.copyfileobj(sys.stdin.buffer, target, _COPY_BYTES)
            else:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, target, _COPY_BYTES)
    except BaseException:
        copy.unlink()
        raise
    return copy


@contextmanager
def read_errors(path: Path, error: type[FastaError | TrackError]) -> Iterator[None]:
    """Raise what the system or gzip has against ``path`` as ``error``."""
    try:
        yield
    except _damages() as err:
        raise error(path, f"damaged or cut short ({err}); fetch it again") from err
    except OSError as err:
        raise error(path, err.strerror or str(err)) from err


def _damages() -> tuple[type[Exception], ...]:
    """Name what an unpacker raises; looked up only when something was raised."""
    from isal import isal_zlib

    unpacker: Any = isal_zlib.error
    return EOFError, zlib.error, unpacker, gzip.BadGzipFile
