"""A bigWig out: another process writes what the scan sends, and a file that cannot be written is an error."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import OutputError, warn
from jundscan.io import bigwig_child
from jundscan.io.bigwig_child import END, HEAD

log = logging.getLogger("jundscan")

AddSpans = Callable[[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], None]
"""Takes chrom, starts, ends, values of a track's next spans: sorted, disjoint, not changed afterwards."""

_MOST_BASES = (1 << 32) - 1
_PROBED_BYTES, _MOST_SAID = 1 << 20, 1 << 16


def check_bigwig_path(path: str | Path) -> None:
    """Check before any work that the library which writes bigWigs can take a path.

    Raises
    ------
    OutputError
        When it is not UTF-8 text, because the library would end in a panic.
    """
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError as err:
        raise OutputError(f"{path}: the path of a bigWig must be UTF-8 text; rename it, or write .bedgraph.gz") from err


def check_bigwig_sizes(path: str | Path, chromsizes: Mapping[str, int]) -> None:
    """Check before any work that a bigWig can hold sequences.

    Parameters
    ----------
    path : str or pathlib.Path
        The output, for the message.
    chromsizes : mapping of str to int
        Lengths in bases. The format has 32 bits for them.

    Raises
    ------
    OutputError
        When a sequence is too long, or its name is not UTF-8 text, empty or with a zero byte in it.
    """
    for chrom, size in chromsizes.items():
        if size > _MOST_BASES:
            raise OutputError(
                f"{path}: a bigWig cannot hold {chrom}, whose {size:,} bases are more than {_MOST_BASES:,}; "
                "write .bedgraph.gz instead"
            )
        try:
            is_name = bool(chrom.encode()) and "\0" not in chrom
        except UnicodeEncodeError:
            is_name = False
        if not is_name:
            raise OutputError(f"{path}: a bigWig cannot hold the name {chrom!r}; rename it, or write .bedgraph.gz")


@contextmanager
def open_bigwig(temporary: Path, shown: str | Path, chromsizes: Mapping[str, int]) -> Iterator[AddSpans]:
    """Send spans to a process of its own in which pybigtools writes: see :mod:`jundscan.io.bigwig_child`.

    pybigtools reports hardly any failure, and may return as if all were well. Its header comes last, so a file that
    opens is whole.
    """
    import pybigtools

    with tempfile.TemporaryFile() as said:
        child: subprocess.Popen[bytes] | None = None

        def add(chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
            nonlocal child
            if not starts.size:
                return
            if child is None:
                child = _start(temporary, shown, said)
                _send(child, json.dumps(dict(chromsizes)).encode() + b"\n")
            name = chrom.encode()
            columns = (starts.astype(np.int64), ends.astype(np.int64), values.astype(np.float32))
            piece = (HEAD.pack(len(name), len(starts)), name, *(column.tobytes() for column in columns))
            if not _send(child, b"".join(piece)):
                child.wait()
                raise OutputError(f"{shown}: the bigWig cannot be written: {_reason(temporary, said)}")

        try:
            yield add
            if child is not None:
                _send(child, END)
                _finish(child)
        finally:
            if child is not None:
                child.kill()
                _finish(child)
        if child is None:
            warn("empty_track", f"{shown}: not written, for no window was scored and a bigWig cannot be empty")
            return
        try:
            with temporary.open("rb") as file, pybigtools.open(file) as written:  # of a path it prints what is wrong
                written.chroms()
        except Exception as err:
            raise OutputError(f"{shown}: the bigWig cannot be written: {_reason(temporary, said, err)}") from err


def _start(temporary: Path, shown: str | Path, said: BinaryIO) -> subprocess.Popen[bytes]:
    import pybigtools

    library = Path(pybigtools.__file__ or "").parents[1]
    command = [sys.executable, "-P", bigwig_child.__file__, str(temporary), str(library)]
    try:
        # a session of its own, because Ctrl-C in a terminal is for this process to deal with
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
    except OSError as err:
        raise OutputError(f"{shown}: the bigWig cannot be written: no process for it ({err.strerror or err})") from err


def _send(child: subprocess.Popen[bytes], data: bytes) -> bool:
    """Send bytes; False when the process has gone."""
    try:
        if child.stdin is not None:
            child.stdin.write(data)
            child.stdin.flush()
    except BrokenPipeError:
        return False
    return True


def _finish(child: subprocess.Popen[bytes]) -> None:
    """Close the pipe, and wait for the end of the process."""
    with suppress(BrokenPipeError):
        if child.stdin is not None:
            child.stdin.close()
    child.wait()


def _reason(temporary: Path, said: BinaryIO, problem: object = "pybigtools gave up without a reason") -> str:
    """Tell why a bigWig was not finished: what the system says to more bytes in the same file, else the library."""
    try:
        with temporary.open("ab") as file:
            file.write(bytes(_PROBED_BYTES))
    except OSError as err:
        return err.strerror or str(err)
    said.seek(0)
    lines = said.read(_MOST_SAID).decode(errors="replace").splitlines()
    return next((line.strip() for line in lines if line.strip()), " ".join(str(problem).split()))
