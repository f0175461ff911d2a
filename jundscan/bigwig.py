"""A bigWig out: pybigtools pulls, the scan pushes, and a file that cannot be written is an error."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import OutputError

log = logging.getLogger("jundscan")

AddSpans = Callable[[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], None]
"""Takes chrom, starts, ends, values of a track's next spans: sorted, disjoint, not changed afterwards."""
_Piece = tuple[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

_QUEUED_PIECES = 4
_MOST_BASES = (1 << 32) - 1
_PROBED_BYTES = 1 << 20


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
    """Feed pybigtools, which pulls from an iterator, in a thread of its own through a short queue.

    pybigtools reports hardly any failure: it may return as if all were well, or raise what is no Exception.
    Its header comes last, so a file that opens is whole.
    """
    import pybigtools

    pieces: queue.Queue[_Piece | None] = queue.Queue(_QUEUED_PIECES)
    failures: list[BaseException] = []
    done = threading.Event()  # a thread's own join and is_alive can be wrong once a signal has interrupted them

    def spans() -> Iterator[tuple[str, int, int, float]]:
        while (piece := pieces.get()) is not None:
            chrom, starts, ends, values = piece
            yield from zip(repeat(chrom), starts.tolist(), ends.tolist(), values.tolist(), strict=False)

    def write() -> None:
        try:
            pybigtools.open(str(temporary), "w").write(dict(chromsizes), spans())
        except BaseException as err:  # its panics are no Exceptions
            failures.append(err)
        finally:
            done.set()

    writer = threading.Thread(target=write, name="bigWig", daemon=True)

    def put(piece: _Piece | None) -> None:
        while not done.is_set():
            try:
                return pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
        return None

    def add(chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        if not starts.size:
            return
        if writer.ident is None:
            writer.start()
        put((chrom, starts, ends, values))
        if done.is_set():
            raise OutputError(f"{shown}: the bigWig cannot be written: {_reason(temporary, failures)}")

    try:
        yield add
    finally:
        if writer.ident is not None:
            try:
                put(None)
                done.wait()
            except BaseException:  # once more: what it writes must not appear after all else is removed
                put(None)
                done.wait()
                raise
    if writer.ident is None:
        log.warning("%s: not written, for no window was scored and a bigWig cannot be empty", shown)
        return
    try:
        with temporary.open("rb") as file, pybigtools.open(file) as written:  # given a path, it prints what is wrong
            written.chroms()
    except Exception as err:
        raise OutputError(f"{shown}: the bigWig cannot be written: {_reason(temporary, [*failures, err])}") from err


def _reason(temporary: Path, failures: Sequence[BaseException]) -> str:
    """Tell why a bigWig was not finished: what the system says to more bytes in the same file, else the library."""
    try:
        with temporary.open("ab") as file:
            file.write(bytes(_PROBED_BYTES))
    except OSError as err:
        return err.strerror or str(err)
    return " ".join(str(failures[0]).split()) if failures else "pybigtools gave up without a reason"
