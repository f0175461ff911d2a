"""A program that writes spans from standard input to a bigWig; :mod:`jundscan.io.bigwig` starts it.

The library that writes bigWigs prints the stacks of panics to stderr, and aborts a process that ends during its work.
A process of its own keeps both from the user. This module imports nothing of the package, so that it starts quickly.
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
"""Header of each message: bytes of the chromosome's name, number of spans. Name, starts, ends and values follow."""
END = HEAD.pack(0, 0)
"""Header that marks the end; without it the file is not finished."""


def read_spans(stream: BinaryIO) -> Iterator[tuple[str, int, int, float]]:
    """Yield spans: chromosome, start, end, value. End the process when the stream ends early."""
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
        os._exit(1)  # the sender has ended
    return data


def main() -> None:
    """Write the bigWig that the first argument names, with the library in the folder that the second names."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the end of the stream ends this process
        signal.signal(number, signal.SIG_IGN)
    path, library = sys.argv[1:]
    sys.path.append(library)
    import pybigtools

    sizes = json.loads(sys.stdin.buffer.readline())
    try:
        pybigtools.open(path, "w").write(sizes, read_spans(sys.stdin.buffer))
    except BaseException as err:  # a panic is no Exception
        sys.stderr.write(f"{err}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
