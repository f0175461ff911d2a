"""Indexes of a FASTA, and reading at any place through them.

``.fai`` holds where each sequence lies in the uncompressed text, ``.gzi`` where the blocks of a bgzipped file lie.
Formats: the manual pages faidx(5) and bgzip(1) of htslib. An index that cannot be kept costs time only.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import FastaError
from jundscan.io.fasta.stream import MAX_HEADER_BYTES, header_name
from jundscan.io.files import BLOCK_START, gzip_reader, read_errors, temporary_beside

log = logging.getLogger("jundscan")

_MAX_NUMBER = 1 << 62
"""Maximum bases and bytes of an index, so that sums fit 64 bits."""
_NEWLINE, _RETURN = b"\n\r"
_SIZE_BYTES = 4
_AHEAD_BYTES, _NEAR_BYTES = 1 << 18, 1 << 12
"""Bytes read ahead when a read starts at most ``_NEAR_BYTES`` behind the last."""
_SKIPPED_BYTES = 1 << 18
"""Maximum uncompressed bytes that are read and dropped instead of looked up: a few blocks, or a header line."""


class FaiRecord(NamedTuple):
    """A line of a ``.fai``: where a sequence lies in the uncompressed file.

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


Index = dict[str, FaiRecord]


def plain_index(path: Path, original: Path | None, read_bytes: int) -> Index | None:
    """Read the ``.fai`` of an uncompressed FASTA; build it when it is missing or stale, and keep it if possible.

    Parameters
    ----------
    path : pathlib.Path
        The FASTA.
    original : pathlib.Path or None
        The user's file, when ``path`` is a copy of it. The index of a copy is not kept.
    read_bytes : int
        Bytes read at once.

    Returns
    -------
    dict of str to FaiRecord, or None
        None for a file that no index can describe, see :func:`build_fai`.

    Raises
    ------
    FastaError
        When the index is damaged, the file cannot be read, or two sequences share a name.
    """
    beside = Path(f"{path}.fai")
    if _is_current(beside, path):
        return _read_fai(path, beside)
    with read_errors(original or path, FastaError), path.open("rb") as file:
        index = build_fai(file, original or path, read_bytes)
    if index is None:
        log.info("%s: no index describes it (lines of unequal length?); it is streamed", original or path)
    elif original is None:
        keep_fai(beside, index)
    return index


def keep_fai(fai: Path, index: Index) -> None:
    """Write an index beside its FASTA, or log why that fails."""
    unfinished = temporary_beside(fai)  # so that no other run reads half an index
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines("\t".join(map(str, (name, *record))) + "\n" for name, record in index.items())
        unfinished.replace(fai)
    except OSError as err:
        log.info("cannot keep the index %s (%s); each run builds it again", fai, err.strerror)
    else:
        log.info("wrote the index %s", fai)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def bgzip_index(path: Path) -> tuple[Index, NDArray[np.int64]] | None:
    """Read the indexes beside a bgzipped FASTA; None unless both exist and the ``.fai`` is as new as the file.

    Returns
    -------
    index : dict of str to FaiRecord
    blocks : numpy.ndarray, shape=(n, 2), dtype=int64
        Where each block starts: byte of the compressed file, byte of the uncompressed text.

    Raises
    ------
    FastaError
        When an index is damaged.
    """
    fai, gzi = Path(f"{path}.fai"), Path(f"{path}.gzi")
    if not (fai.exists() and gzi.exists()):
        return None
    if not _is_current(fai, path):
        log.info("%s is older than its FASTA and not used", fai)
        return None
    return _read_fai(path, fai), _read_gzi(path, gzi)


def _read_gzi(path: Path, gzi: Path) -> NDArray[np.int64]:
    with read_errors(gzi, FastaError):
        numbers = np.fromfile(gzi, "<u8")
    problem = index_mismatch(path, ".gzi")
    if len(numbers) != 2 * int(next(iter(numbers), 0)) + 1 or numbers.max() >= _MAX_NUMBER or gzi.stat().st_size % 8:
        raise problem
    # the index leaves out the first block, which starts at 0
    blocks = np.append([0, 0], numbers[1:].astype(np.int64)).reshape(-1, 2)
    if (np.diff(blocks, axis=0) < 0).any() or blocks[-1, 0] >= path.stat().st_size:
        raise problem
    # a time stamp cannot show that the index is current, because bgzip writes the index before it closes the file
    with read_errors(path, FastaError), path.open("rb") as file:
        file.seek(int(blocks[-1, 0]))
        if file.read(len(BLOCK_START)) != BLOCK_START:
            raise problem
    return blocks


def check_index(
    file: BinaryIO | BgzipReader, records: Sequence[tuple[str, FaiRecord]], numbers: NDArray[np.intp], path: Path
) -> None:
    """Check that sequences lie where their index says: after '>' and the name, and before the next '>'.

    Parameters
    ----------
    file : BinaryIO or BgzipReader
        The uncompressed FASTA.
    records : sequence of (str, FaiRecord)
        The index, as the sequences lie in the file. It may belong to an older file, because time stamps can be changed.
    numbers : numpy.ndarray, shape=(n,), dtype=intp
        The records to check, by their place in ``records``.
    path : pathlib.Path
        The FASTA, for the message.

    Raises
    ------
    FastaError
        When the index belongs to another file.
    """
    reader = ReadAhead(file)
    is_checked = np.zeros(len(records) + 1, np.bool_)
    is_checked[numbers] = True
    for number in np.flatnonzero(is_checked[:-1] | np.roll(is_checked, 1)[:-1]).tolist():
        name, record = records[number]
        before = records[number - 1][1] if number else None
        end = before.byte(before.length) if before else 0
        header = _between(reader, end, record.offset).lstrip()
        is_whole = header.endswith(b"\n") or not record.length  # the file may end after a name
        if not is_whole or header[1:].split(None, 1)[:1] != [name.encode()] or not header.startswith(b">"):
            raise index_mismatch(path)
        if is_checked[number] and record.length > record.line_bases:
            line_end = record.offset + record.line_bases
            if _between(reader, line_end, record.offset + record.line_bytes) not in (b"\n", b"\r\n"):
                raise index_mismatch(path)
    record = records[-1][1]
    if is_checked[len(records) - 1] and record.length:
        last = record.byte(record.length - 1)
        rest = _between(reader, last, last + _SKIPPED_BYTES)
        if not rest or rest[1:].strip():
            raise index_mismatch(path)


def _between(file: ReadAhead, start: int, end: int) -> bytes:
    """Read from ``start`` to ``end``, or nothing when a header cannot be as long."""
    return file.read(start, end) if 0 <= end - start <= _SKIPPED_BYTES else b""


def _is_current(index: Path, path: Path) -> bool:
    return index.exists() and index.stat().st_mtime >= path.stat().st_mtime


def _read_fai(path: Path, fai: Path) -> Index:
    index: Index = {}
    try:
        with read_errors(fai, FastaError), fai.open(encoding="utf-8", newline="\n") as lines:
            for line in iter(partial(lines.readline, _SKIPPED_BYTES), ""):
                name, length, offset, line_bases, line_bytes = line.rstrip("\r\n").split("\t")
                if name in index:
                    raise FastaError(path, f"two sequences are named {name}; names must be unique")
                # an empty sequence has no lines, and 1 avoids a division by zero
                numbers = int(length), int(offset), int(line_bases) or 1, int(line_bytes) or 1
                if not (min(numbers) >= 0 and max(numbers) < _MAX_NUMBER):
                    raise ValueError(f"impossible numbers {numbers}")
                index[name] = FaiRecord(*numbers)
        if not index:
            raise ValueError("empty")
    except FastaError:
        raise
    except ValueError as err:
        raise FastaError(path, f"its index {fai.name} is damaged; delete it") from err
    return index


class _UnevenLinesError(Exception):
    """No index can describe the file."""


def build_fai(file: BinaryIO, path: Path, read_bytes: int) -> Index | None:
    """Find where each sequence of an uncompressed FASTA lies, in pieces of bounded size however long its lines are.

    Parameters
    ----------
    file : BinaryIO
        The open file, at its start.
    path : pathlib.Path
        Its name for messages.
    read_bytes : int
        Bytes read at once.

    Returns
    -------
    dict of str to FaiRecord, or None
        In file order. None for a file that no index can describe: it has lines of unequal length, blank lines inside
        a sequence, carriage returns inside a line, or headers that are not UTF-8 text.

    Raises
    ------
    FastaError
        When two sequences share a name, a name is missing, or a header is longer than a megabyte.
    """
    try:
        return _FaiBuilder(path).read(file, read_bytes)
    except (_UnevenLinesError, UnicodeDecodeError):
        return None


class _FaiBuilder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._index: Index = {}
        self._name: str | None = None
        self._start_record(0)

    def read(self, file: BinaryIO, read_bytes: int) -> Index:
        at, line_starts = 0, True  # bytes before `data`; whether it begins a line
        while data := file.read(read_bytes):
            begin = 0
            while (header := self._find_header(data, begin, line_starts)) >= 0:
                self._add(data[begin:header])
                end = data.find(b"\n", header) + 1
                if not end:  # the line continues after this piece
                    data += file.readline(MAX_HEADER_BYTES)
                    end = len(data)
                    if end - header > MAX_HEADER_BYTES:
                        raise FastaError(self._path, f"a '>' line of more than {MAX_HEADER_BYTES:,} bytes; shorten it")
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
        header.decode()  # a header that is not UTF-8 cannot be indexed
        name = header_name(header, self._path)
        if name in self._index:
            raise FastaError(self._path, f"two sequences are named {name}; names must be unique")
        return name

    def _start_record(self, offset: int) -> None:
        self._offset = offset
        self._length = self._line_bases = self._line_bytes = 0
        self._unended, self._returns = 0, 0  # bytes of an unfinished line, and carriage returns at their end
        self._is_last = False  # whether a line was shorter than the first, so that only blank lines may follow

    def _finish_record(self) -> None:
        if self._unended - self._returns:  # the file ends without a line end
            bases = self._unended - self._returns
            self._add_lines(np.array([bases]), np.array([bases + 1]))  # as samtools does
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
        if found > np.count_nonzero(returns) + self._returns:  # a carriage return inside a line
            raise _UnevenLinesError
        self._add_lines(line_bytes - 1 - returns, line_bytes)

    def _add_lines(self, bases: NDArray[np.int64], line_bytes: NDArray[np.int64]) -> None:
        if self._name is None:
            if bases.any():
                raise _UnevenLinesError
            return
        if not self._line_bases and bases[0]:
            if self._is_last:
                raise _UnevenLinesError  # letters after a blank line
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


class BgzipReader:
    """The uncompressed text of a bgzipped file, from any place; ``blocks`` are those of :func:`bgzip_index`."""

    def __init__(self, file: BinaryIO, blocks: NDArray[np.int64], path: Path) -> None:
        self._file = file
        self._blocks = blocks
        self._path = path
        self._text = gzip_reader(file)
        self._at = 0

    def seek(self, place: int) -> None:
        """Go to a byte of the uncompressed text.

        Raises
        ------
        FastaError
            When the blocks do not lie where the index says.
        """
        if not 0 <= place - self._at <= _SKIPPED_BYTES:
            block = int(np.searchsorted(self._blocks[:, 1], place, side="right")) - 1
            start, self._at = self._blocks[block].tolist()
            if block + 1 < len(self._blocks):  # a block ends with its uncompressed size, and the next one follows
                next_start, next_at = self._blocks[block + 1].tolist()
                self._file.seek(next_start - _SIZE_BYTES)
                size = self._file.read(_SIZE_BYTES)
                if int.from_bytes(size, "little") != next_at - self._at or self._file.read(4) != BLOCK_START:
                    raise index_mismatch(self._path, ".gzi")
            self._file.seek(start)
            self._text = gzip_reader(self._file)
        self.read(place - self._at)

    def read(self, size: int) -> bytes:
        """Read ``size`` uncompressed bytes, or fewer at the end of the file."""
        data = self._text.read(size)
        self._at += len(data)
        return data


class ReadAhead:
    """A file read forwards in small pieces, with bytes read ahead.

    Without it, a system call for each of a hundred thousand scaffolds would cost more than their bases.
    """

    def __init__(self, file: BinaryIO | BgzipReader) -> None:
        self._file = file
        self._data, self._start, self._end = b"", 0, 0

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to before ``end``, or fewer at the end of the file."""
        if not self._start <= start <= end <= self._end:
            is_near = 0 <= start - self._end <= _NEAR_BYTES
            self._file.seek(start)
            self._data = self._file.read(max(end - start, _AHEAD_BYTES if is_near else 0))
            self._start, self._end = start, start + len(self._data)
        return self._data[start - self._start : end - self._start]


def index_mismatch(path: Path, ending: str = ".fai") -> FastaError:
    """Return the error for an index that describes another file."""
    return FastaError(path, f"is not the file that {path.name}{ending} describes; delete that index")
