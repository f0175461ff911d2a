"""Opening input files, compressed or not by their content, with errors that name the file."""

from __future__ import annotations

import atexit
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
"""The name of standard input."""
_GZIP_MAGIC = b"\x1f\x8b"
BLOCK_START = b"\x1f\x8b\x08\x04"
"""First bytes of a block of a bgzipped file: a gzip member with an extra field (SAM specification, section 4.1)."""
_BLOCK_FIELD = slice(12, 16), b"BC\x02\x00"  # holds the size of the block
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every bgzipped file (SAM specification, section 4.1.2)."""
_NO_END = "bgzip's EOF block is missing at its end"
_COPY_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 18
_MAX_LINE_BYTES = 1 << 20
_MAX_JSON_BYTES = 1 << 24
TEMPORARY_PREFIX = ".jundscan-"
"""Start of the name of an unfinished output. A killed process leaves such a file, which may be deleted."""


class FileFingerprint(NamedTuple):
    """Size and time of a file, which show that it has changed.

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
    """Return the fingerprint of a file; None when it is missing or can be read only once."""
    if not path.is_file():
        return None
    status = path.stat()
    return FileFingerprint(status.st_size, status.st_mtime_ns)


def temporary_beside(path: Path) -> Path:
    """Return a random path beside ``path``, with its ending, that no other run uses."""
    return path.with_name(f"{TEMPORARY_PREFIX}{os.urandom(4).hex()}.{path.name}")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for temporary files, and remove it with all that it holds when the block ends.

    A signal may come between any two steps, so the folder's removal is registered before the folder is made.
    :class:`tempfile.TemporaryDirectory` registers it afterwards, and such a signal leaves the folder.
    """
    folder = Path(tempfile.gettempdir(), f"jundscan.{os.urandom(8).hex()}")
    remove = partial(shutil.rmtree, folder, ignore_errors=True)  # the folder may not exist yet
    atexit.register(remove)
    try:
        folder.mkdir(0o700)
        yield folder
    finally:
        remove()
        atexit.unregister(remove)


CheckHead = Callable[[bytes, bool], None]
"""Raise for a wrong kind of file: takes its first bytes, decompressed, and whether they were compressed."""


def head_check(path: Path, purpose: Purpose, error: type[JundscanError]) -> CheckHead:
    """Return a check that an input suits its purpose, see :func:`jundscan.io.file_kinds.check_head`."""
    return partial(check_head, path, purpose, error)


@contextmanager
def open_decompressed(path: Path, check: CheckHead | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, and decompress it when its content (not its name) is gzipped or bgzipped.

    A pipe works too, because the file is opened once and read forwards.

    Raises
    ------
    EOFError
        When a bgzipped file, or gzip's last member, has no end. A file raises it at once, a pipe at its end.
    JundscanError
        What ``check`` raises.
    """
    with path.open("rb") as file, decompress(file, check) as content:
        yield content


@contextmanager
def decompress(file: BufferedReader, check: CheckHead | None = None) -> Iterator[BinaryIO]:
    """Read an open file from its position, and decompress gzip. The file stays open."""
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
    if not head.startswith(_GZIP_MAGIC):
        if check is not None:
            check(head, False)
        yield file
        return
    last = _LastBytes(file)
    is_bgzip = _compression(head) == "bgzip"
    if is_bgzip and file.seekable():
        _check_bgzip_end(file)
    with gzip_reader(cast(BinaryIO, last)) as content:
        if check is not None:
            check(cast(Any, content).peek(HEAD_BYTES)[:HEAD_BYTES], True)
        yield content
    if is_bgzip and last.is_at_end and last.bytes != BGZIP_END:
        raise EOFError(_NO_END)


class _LastBytes:
    """A file read forwards, which keeps its last bytes."""

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


def _check_bgzip_end(file: BinaryIO) -> None:
    """Raise EOFError when the last block of a bgzipped file is missing. The file keeps its position."""
    before = file.tell()
    file.seek(0, os.SEEK_END)
    file.seek(max(file.tell() - len(BGZIP_END), 0))
    end = file.read()
    file.seek(before)
    if end != BGZIP_END:
        raise EOFError(_NO_END)


def text_lines(path: Path, purpose: Purpose = "table") -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text with their numbers, from 1; parameters and errors are those of :func:`text_blocks`."""
    for number, lines in text_blocks(path, purpose):
        yield from enumerate(lines, number)


def text_blocks(path: Path, purpose: Purpose) -> Iterator[tuple[int, list[bytes]]]:
    """Read a table of text, compressed or not, many lines at a time and without its byte-order mark.

    Parameters
    ----------
    path : pathlib.Path
        The file, or a pipe.
    purpose : Purpose
        Use of the file, see :mod:`jundscan.io.file_kinds`.

    Yields
    ------
    int
        Number of the first line, from 1.
    list of bytes
        Lines, without their newlines.

    Raises
    ------
    TrackError
        When the file cannot be read, is of another kind or cut short, or a line is longer than a megabyte. The limit
        keeps an endless line from filling the memory.
    """
    check_address(path, TrackError)
    with read_errors(path, TrackError):
        with open_decompressed(path, head_check(path, purpose, TrackError)) as file:
            number, rest = 1, file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
            while read := file.read(_BLOCK_BYTES):
                *lines, rest = (rest + read).split(b"\n")
                if lines:
                    yield number, lines
                number += len(lines)
                if len(rest) >= _MAX_LINE_BYTES:
                    problem = f"more than {_MAX_LINE_BYTES:,} bytes in one line: not a table of text"
                    raise TrackError(path, problem, number)
        if rest:  # the last line, known to be complete because the file ended without an error
            yield number, [rest]


def read_json(path: Path) -> Any:
    """Read a small file of JSON.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is no JSON, nested too deeply, or longer than 16 MiB.
    """
    with path.open("rb") as file:
        text = file.read(_MAX_JSON_BYTES + 1)
    if len(text) > _MAX_JSON_BYTES:
        raise ValueError(f"more than {_MAX_JSON_BYTES:,} bytes")
    try:
        return json.loads(text)
    except RecursionError as err:
        raise ValueError("lists or objects nested too deeply") from err


def gzip_reader(file: BinaryIO) -> BinaryIO:
    """Return a reader of gzip members from the position of a file. Closing it leaves the file open."""
    from isal import igzip

    opened: Any = igzip.IGzipFile
    return cast(BinaryIO, opened(fileobj=file, mode="rb"))


def compression_of(path: Path) -> str | None:
    """Return how a file is compressed, by its first bytes: ``"gzip"``, ``"bgzip"`` or None."""
    with path.open("rb") as file:
        return _compression(file.read(18))


def _compression(head: bytes) -> str | None:
    if not head.startswith(_GZIP_MAGIC):
        return None
    field, value = _BLOCK_FIELD
    return "bgzip" if head.startswith(BLOCK_START) and head[field] == value else "gzip"


def copy_to_temporary_file(path: Path) -> Path | None:
    """Copy an input that can be read only once (standard input, another stream, a pipe) to a temporary file.

    Returns
    -------
    pathlib.Path or None
        The copy, which the caller deletes; None when ``path`` is a file that can be read again.
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
    """Raise errors of the operating system and of decompression as ``error``, with the file and the reason."""
    try:
        yield
    except _decompression_errors() as err:
        raise error(path, f"damaged or cut short ({err}); fetch it again") from err
    except OSError as err:
        raise error(path, err.strerror or str(err)) from err


def _decompression_errors() -> tuple[type[Exception], ...]:
    """Return the errors of damaged gzip; imported here because only an error needs them."""
    from isal import isal_zlib

    isal_error: Any = isal_zlib.error
    return EOFError, zlib.error, isal_error, gzip.BadGzipFile
