"""The text of a FASTA, read forwards without an index: names, letters, lengths and runs of unknown bases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import ALPHABET, UNKNOWN, encode
from jundscan.errors import FastaError
from jundscan.io.files import open_decompressed, read_errors

READ_BYTES = 1 << 18
"""Bytes of uncompressed text read at once."""
MAX_HEADER_BYTES = 1 << 20
"""Maximum bytes of a '>' line, because a damaged file may have no line end."""
LINE_ENDS = b"\r\n"
_NO_RUNS = np.empty((0, 2), dtype=np.int64)
_NOT_UNKNOWN = ALPHABET.encode() + ALPHABET.lower().encode() + LINE_ENDS


class Survey(NamedTuple):
    """Bases of each sequence, in file order, and its sorted runs of letters other than ACGT, shape (n, 2)."""

    lengths: dict[str, int]
    unknown_runs: dict[str, NDArray[np.int64]]


def survey(file: Path, path: Path, read_bytes: int) -> Survey:
    """Find the lengths and the unknown bases of all sequences in one pass."""
    lengths: dict[str, int] = {}
    runs: dict[str, list[NDArray[np.int64]]] = {}
    for name, letters in records(file, path, read_bytes):
        start = lengths.setdefault(name, 0)
        lengths[name] += (bases := count_bases(letters))
        parts = runs.setdefault(name, [])
        if len(unknown := _unknown_runs(letters, bases)):
            parts.append(unknown + start)
    return Survey(
        lengths, {name: merge_intervals(np.concatenate(parts)) if parts else _NO_RUNS for name, parts in runs.items()}
    )


def records(file: Path, path: Path, read_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each sequence with pieces of its letters and line ends, at least one piece a sequence.

    Errors name the file ``path``, of which ``file`` may be a copy.
    """
    name, previous = "", b"\n"
    names: set[str] = set()
    with read_errors(path, FastaError), open_decompressed(file) as text:
        while data := text.read(read_bytes):
            start = 0
            while (header := data.find(b">", start)) >= 0:
                if (data[header - 1 : header] if header else previous) not in (b"\n", b"\r"):
                    raise FastaError(path, f"a '>' inside the sequence of {name}; begin a new line before it")
                if header > start and name:
                    yield name, check_blanks(data[start:header], name, path)
                start = data.find(b"\n", header) + 1
                if not start:  # the line continues after this piece
                    rest = text.readline(MAX_HEADER_BYTES)
                    if len(rest) == MAX_HEADER_BYTES:
                        raise FastaError(path, f"a '>' line of more than {MAX_HEADER_BYTES:,} bytes; shorten it")
                    data += rest
                    start = len(data)
                name = header_name(data[header + 1 : start], path)
                if name in names:
                    raise FastaError(path, f"two sequences are named {name}; names must be unique")
                names.add(name)
                yield name, b""
            if start < len(data):
                yield name, check_blanks(data[start:], name, path)
            previous = data[-1:]


def header_name(header: bytes, path: Path) -> str:
    """Return the name of a sequence: the first word of its header line, which comes without the '>'.

    Raises
    ------
    FastaError
        When the name is missing or not UTF-8 text, or a carriage return stands inside the line.
    """
    check_line_end(header, path)
    words = header.split(maxsplit=1)
    if not words:
        raise FastaError(path, "a '>' line without a name; add one")
    try:
        return words[0].decode()
    except UnicodeDecodeError as err:
        raise FastaError(path, "a sequence name is not UTF-8 text; rename it") from err


def check_line_end(header: bytes, path: Path) -> None:
    """Raise FastaError when a carriage return stands inside a header, because other programs see no line end there."""
    if b"\r" in header.rstrip(b"\r\n"):
        raise FastaError(path, "lines end with a carriage return alone; convert the file with: mac2unix")


def check_blanks(letters: bytes, name: str, path: Path) -> bytes:
    """Return letters unchanged. Raise FastaError for a blank, which would count as a base."""
    if b" " in letters or b"\t" in letters:
        raise FastaError(path, f"a blank inside the sequence of {name}; remove it")
    return letters


def count_bases(letters: bytes) -> int:
    """Count the letters that are not line ends."""
    newlines = np.count_nonzero(np.frombuffer(letters, np.uint8) == ord("\n"))  # four times as fast as bytes.count
    return len(letters) - int(newlines) - (letters.count(b"\r") if b"\r" in letters else 0)


def _unknown_runs(letters: bytes, bases: int) -> NDArray[np.int64]:
    """Find the runs of unknown bases, (n, 2), among ``bases`` letters and their line ends."""
    # a quick count first, because nearly every piece of a genome is known or unknown throughout
    unknown = len(letters.translate(None, delete=_NOT_UNKNOWN))
    if not unknown:
        return _NO_RUNS
    if unknown == bases:
        return np.array([[0, bases]], dtype=np.int64)
    is_unknown = encode(letters, drop=LINE_ENDS) == UNKNOWN
    return np.flatnonzero(np.diff(is_unknown, prepend=False, append=False)).reshape(-1, 2)
