"""Write the spans that come through standard input to a bigWig: a program, started by :mod:`jundscan.io.bigwig`.

The library that writes bigWigs ends threads in panics, which print stacks to stderr, and a program that ends while a
thread is inside it aborts. In a process of its own neither reaches the user.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from array import array
from collections.abc import Iterator
from typing import BinaryIO

HEAD = struct.Struct("<IQ")
"""Before each piece: bytes of the chromosome's name, number of spans. Starts, ends and values follow."""
END = HEAD.pack(0, 0)
"""What says that all spans have come; without it the file is not finished."""


def read_spans(stream: BinaryIO) -> Iterator[tuple[str, int, int, float]]:
    """Yield spans as they come: chromosome, start, end, value; end the process when the stream ends too early."""
    while True:
        name_bytes, count = HEAD.unpack(_read(stream, HEAD.size))
        if not name_bytes:
            return
        chrom = _read(stream, name_bytes).decode()
        columns: tuple[array[int], array[int], array[float]] = array("q"), array("q"), array("f")
        for column in columns:
            column.frombytes(_read(stream, column.itemsize * count))
        for start, end, value in zip(*columns, strict=True):
            yield chrom, start, end, value


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        os._exit(1)  # whoever sent the spans is gone
    return data


def main() -> None:
    """Write the bigWig named by the first argument; the second is the folder in which the library lies."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the end of the stream says when to stop
        signal.signal(number, signal.SIG_IGN)
    path, library = sys.argv[1:]
    sys.path.append(library)
    import pybigtools

    sizes = json.loads(sys.stdin.buffer.readline())
    try:
        pybigtools.open(path, "w").write(sizes, read_spans(sys.stdin.buffer))
    except BaseException as err:  # its panics are no Exceptions
        sys.stderr.write(f"{err}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
