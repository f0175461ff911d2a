"""Build the index of a FASTA (``.fai``) from pieces of bounded size, however long its lines are.

Format: the manual page faidx(5) of htslib. Libraries read whole lines, and a chromosome may be a single line.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import FastaError

_READ_BYTES = 1 << 18
_LONGEST_HEADER = 1 << 20
_NEWLINE, _RETURN = b"\n\r"


class FaiRecord(NamedTuple):
    """Where a sequence lies in the uncompressed file: a line of a ``.fai``.

    Attributes
    ----------
    length : int
        Bases.
    offset : int
        Byte of the first base.
    line_bases, line_bytes : int
        Bases in each line but the last, and its bytes with the line end.
    """

    length: int
    offset: int
    line_bases: int
    line_bytes: int

    def byte(self, base: int) -> int:
        """Return the byte of a base, or of the end of the bases for ``base = length``."""
        lines, rest = divmod(base, self.line_bases or 1)  # an empty sequence has no lines
        return self.offset + lines * self.line_bytes + rest


class _UnevenLinesError(Exception):
    """No index can describe the file."""


def build_fai(file: BinaryIO, path: Path) -> dict[str, FaiRecord] | None:
    """Read a plain FASTA through and find where each sequence lies.

    Parameters
    ----------
    file : BinaryIO
        The open file, at its start.
    path : pathlib.Path
        Its name for messages.

    Returns
    -------
    dict of str to FaiRecord, or None
        In the order of the file. None for a file that no index can describe: it has lines of unequal length, blank
        lines inside a sequence, carriage returns inside a line, or headers that are not UTF-8 text.

    Raises
    ------
    FastaError
        When two sequences share a name, one has none, or a header is longer than a megabyte.
    """
    try:
        return _Builder(path).read(file)
    except (_UnevenLinesError, UnicodeDecodeError):
        return None


class _Builder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._index: dict[str, FaiRecord] = {}
        self._name: str | None = None
        self._start_record(0)

    def read(self, file: BinaryIO) -> dict[str, FaiRecord]:
        at, line_starts = 0, True  # bytes before `data`; whether it begins a line
        while data := file.read(_READ_BYTES):
            begin = 0
            while (header := self._find_header(data, begin, line_starts)) >= 0:
                self._add(data[begin:header])
                end = data.find(b"\n", header) + 1
                if not end:  # the header goes on behind what was read
                    data += file.readline(_LONGEST_HEADER)
                    end = len(data)
                    if end - header > _LONGEST_HEADER:
                        problem = f"a '>' line of more than {_LONGEST_HEADER:,} bytes; shorten it"
                        raise FastaError(self._path, problem)
                self._finish_record()
                self._name = self._name_in(data[header + 1 : end])
                self._start_record(at + end)
                begin, line_starts = end, True
            self._add(data[begin:])
            at += len(data)
            line_starts = data.endswith(b"\n")
        self._finish_record()
        return self._index

    @staticmethod
    def _find_header(data: bytes, begin: int, line_starts: bool) -> int:
        """Return where the next line that begins with '>' starts, or -1."""
        if begin < len(data) and line_starts and data[begin] == ord(">"):
            return begin
        return data.find(b"\n>", begin) + 1 or -1

    def _name_in(self, header: bytes) -> str:

        header.decode()
        name = name_in(header, self._path)
        if name in self._index:
            raise FastaError(self._path, f"two sequences are named {name}; names must be unique")
        return name

    def _start_record(self, offset: int) -> None:
        self._offset = offset
        self._length = self._line_bases = self._line_bytes = 0
        self._unended, self._returns = 0, 0  # bytes of the line begun, and carriage returns at their end
        self._is_last = False  # whether a line was shorter than the first: only blank ones may follow

    def _finish_record(self) -> None:
        if self._unended - self._returns:  # the file ends without a line end
            bases = self._unended - self._returns
            self._add_lines(np.array([bases]), np.array([bases + 1]))  # as samtools writes it
        if self._name is not None:
            self._index[self._name] = FaiRecord(self._length, self._offset, self._line_bases, self._line_bytes)

    def _add(self, piece: bytes) -> None:
        """Add bytes of a sequence, cut anywhere."""
        if not piece:
            return
        letters = np.frombuffer(piece, np.uint8)
        newlines = np.flatnonzero(letters == _NEWLINE)
        begun, returns_before = self._unended, self._returns
        found = returns_before + (piece.count(b"\r") if b"\r" in piece else 0)
        if not len(newlines):
            self._unended += len(piece)
            self._returns = int(piece.endswith(b"\r"))
            if found > self._returns:
                raise _UnevenLinesError
            return
        returns = letters[newlines - 1] == _RETURN
        returns[0] = returns_before > 0 if newlines[0] == 0 else piece[newlines[0] - 1] == _RETURN
        line_bytes = np.diff(newlines, prepend=-1)
        line_bytes[0] += begun
        self._unended = len(piece) - int(newlines[-1]) - 1
        self._returns = int(piece.endswith(b"\r"))
        if found > np.count_nonzero(returns) + self._returns:  # others take one inside a line for its end
            raise _UnevenLinesError
        self._add_lines(line_bytes - 1 - returns, line_bytes)

    def _add_lines(self, bases: NDArray[np.int64], line_bytes: NDArray[np.int64]) -> None:
        if self._name is None:
            if bases.any():
                raise _UnevenLinesError
            return
        if not self._line_bases and bases[0]:
            if self._is_last:
                raise _UnevenLinesError  # behind a blank line
            self._line_bases, self._line_bytes = int(bases[0]), int(line_bytes[0])
        shorter = np.flatnonzero((bases != self._line_bases) | (line_bytes != self._line_bytes))
        if self._is_last:
            if bases.any():
                raise _UnevenLinesError
        elif len(shorter):
            first = int(shorter[0])
            if bases[first] > self._line_bases or bases[first + 1 :].any():
                raise _UnevenLinesError
            self._is_last = True
        self._length += int(bases.sum())


def name_in(header: bytes, path: Path) -> str:
    """Return a sequence's name: the first word of its header line, which comes without its '>'.

    Raises
    ------
    FastaError
        When there is none, or it is not UTF-8 text.
    """
    check_line_end(header, path)
    words = header.split(maxsplit=1)
    if not words:
        raise FastaError(path, "a sequence without a name")
    try:
        return words[0].decode()
    except UnicodeDecodeError as err:
        raise FastaError(path, "a sequence name is not UTF-8 text; rename it") from err


def check_line_end(header: bytes, path: Path) -> None:
    """Refuse a header line with a carriage return inside: lines that end with nothing else are no lines to others."""
    if b"\r" in header.rstrip(b"\r\n"):
        raise FastaError(path, "lines end with a carriage return alone; convert it, say with: mac2unix")
