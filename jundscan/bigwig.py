"""A bigWig out: pybigtools pulls, the scan pushes, and a file that cannot be written is an error."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
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
            raise OutputError(f"{shown}: the bigWig cannot be written; is the disk full?")

    try:
        yield add
    finally:
        if writer.ident is not None:
            put(None)
            _wait(done)
    if writer.ident is None:
        log.warning("%s: not written, for no window was scored and a bigWig cannot be empty", shown)
        return
    try:
        with temporary.open("rb") as file, pybigtools.open(file) as written:  # given a path, it prints what is wrong
            written.chroms()
    except Exception as err:
        cause = " ".join(str(failures[0] if failures else err).split())
        raise OutputError(f"{shown}: the bigWig cannot be written; is the disk full? ({cause})") from err


def _wait(done: threading.Event) -> None:
    """Wait to the end even when interrupted: Python aborts when it ends while a thread is inside pybigtools."""
    try:
        done.wait()
    except BaseException:
        done.wait()
        raise
