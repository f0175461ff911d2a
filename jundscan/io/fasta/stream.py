"""The letters of a FASTA file as they come: records one after another, without an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, encode
from jundscan.errors import FastaError
from jundscan.io.fasta.faidx import name_in
from jundscan.io.files import open_unpacked, read_errors

READ_BYTES = 1 << 18
LINE_ENDS = b"\r\n"
NO_RUNS = np.empty((0, 2), dtype=np.int64)
_LONGEST_HEADER = 1 << 20
_NOT_UNKNOWN = ALPHABET.encode() + ALPHABET.lower().encode() + LINE_ENDS


def records(file: Path, path: Path) -> Iterator[tuple[str, bytes]]:
    """Stream a FASTA: each record's name with pieces of its letters (line ends included), at least one."""
    name, previous = "", b"\n"
    names: set[str] = set()
    with read_errors(path, FastaError), open_unpacked(file) as unpacked:
        while data := unpacked.read(READ_BYTES):
            start = 0
            while (header := data.find(b">", start)) >= 0:
                if (data[header - 1 : header] if header else previous) not in (b"\n", b"\r"):
                    raise FastaError(path, f"a '>' inside the sequence of {name}")
                if header > start and name:
                    yield name, checked_letters(data[start:header], name, path)
                start = data.find(b"\n", header) + 1
                if not start:  # the line goes on behind what was read
                    rest = unpacked.readline(_LONGEST_HEADER)
                    if len(rest) == _LONGEST_HEADER:
                        raise FastaError(path, f"a '>' line of more than {_LONGEST_HEADER:,} bytes; shorten it")
                    data += rest
                    start = len(data)
                name = name_in(data[header + 1 : start], path)
                if name in names:
                    raise FastaError(path, f"two sequences are named {name}; names must be unique")
                names.add(name)
                yield name, b""
            if start < len(data):
                yield name, checked_letters(data[start:], name, path)
            previous = data[-1:]


def checked_letters(data: bytes, name: str, path: Path) -> bytes:
    """Return pieces of a sequence as they are; blanks would be counted as bases, and move all that follow."""
    if b" " in data or b"\t" in data:
        raise FastaError(path, f"a blank inside the sequence of {name}; remove it")
    return data


def count_bases(letters: bytes) -> int:
    """Count the letters that are not line ends."""
    newlines = np.count_nonzero(np.frombuffer(letters, np.uint8) == ord("\n"))  # four times as fast as bytes.count
    return len(letters) - int(newlines) - (letters.count(b"\r") if b"\r" in letters else 0)


def unknown_runs(letters: bytes, bases: int) -> NDArray[np.int64]:
    """Find the runs of unknown bases, (n, 2), among letters with line ends, so many bases of them."""
    # nearly every piece of a genome is wholly known or wholly unknown, which is told quickly
    unknown = len(letters.translate(None, delete=_NOT_UNKNOWN))
    if not unknown:
        return NO_RUNS
    if unknown == bases:
        return np.array([[0, bases]], dtype=np.int64)
    is_unknown = encode(letters, drop=LINE_ENDS) == UNKNOWN
    return np.flatnonzero(np.diff(is_unknown, prepend=False, append=False)).reshape(-1, 2)
