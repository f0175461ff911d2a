"""Check a VCF, BCF or table while htslib reads it, because htslib loads a record of any size and text of any content.

A thread decompresses the file into a pipe that htslib reads. It limits the header and each record, and checks the text.
A table of variants goes through the pipe as a VCF.
"""

from __future__ import annotations

import codecs
import os
import shlex
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Thread

from jundscan.errors import InputError, TrackError
from jundscan.io.file_kinds import check_address
from jundscan.io.files import STDIN, compression_of, decompress, head_check, open_decompressed, read_errors
from jundscan.io.variant_tables import REQUIRED, LineNumbers, TableFormat, find_format, table_to_vcf
from jundscan.io.vcf_columns import VCF_COLUMNS, VCF_FIRST_LINE

_MAX_RECORD_BYTES = 1 << 24
"""Maximum bytes of a record: sixteen for each of a million people."""
_MAX_HEADER_BYTES = 1 << 26
_CHUNK_BYTES = 1 << 18
_BCF_MAGIC = b"BCF"
_COLUMNS_LINE = r"\t".join(VCF_COLUMNS)
"""The last line of a header; ``\\t`` stands for a tab."""


class BoundedVcfPipe:
    """A pipe that carries the decompressed bytes of a VCF or BCF, or a table as VCF. The caller closes it.

    Parameters
    ----------
    path : pathlib.Path
        The file, compressed or not; ``-`` is standard input.

    Attributes
    ----------
    outlet : int
        File descriptor to read from.
    bytes_read : int
        Bytes of the file read until now; 0 for a pipe.
    bytes_passed : int
        Decompressed bytes sent until now.
    header_lines : int
        Lines of a VCF's header, its last one included; 0 for BCF and tables.
    table : TableFormat or None
        How a table is read. None for VCF and BCF.
    error : BaseException or None
        The error that ended the thread, set before the pipe ends.

    Raises
    ------
    InputError
        When the file is of another kind, or the last block of a bgzipped file is missing.
    """

    def __init__(self, path: Path) -> None:
        check_address(path, TrackError, is_stdin_read=True)
        self._check = head_check(path, "variants", TrackError)
        if path.is_file():  # the thread checks a pipe, which can be read only once
            with read_errors(path, TrackError), open_decompressed(path, self._check):
                pass
        self._path = path
        self.bytes_read = self.bytes_passed = self.header_lines = 0
        self.table: TableFormat | None = None
        self._numbers = LineNumbers()
        self.error: BaseException | None = None
        self._is_open = True
        self.outlet, inlet = os.pipe()
        # a daemon, because it may wait for ever for a program that writes to standard input
        self._thread = Thread(target=self._fill, args=(inlet,), name="jundscan-vcf", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the pipe and end the thread."""
        self._is_open = False
        if self._path.is_file():
            while os.read(self.outlet, _CHUNK_BYTES):  # frees the thread, which may wait for a reader
                pass
            self._thread.join()
        os.close(self.outlet)

    def line_of(self, record: int) -> int | None:
        """Return the line of a record, counted from 1; None for BCF."""
        if self.table is not None:
            return self._numbers.line(record)
        return self.header_lines + record if self.header_lines else None

    def _fill(self, inlet: int) -> None:
        with suppress(BrokenPipeError), os.fdopen(inlet, "wb") as pipe:
            try:
                with closing(self._chunks()) as chunks:
                    for chunk in self._check_lines(chunks):
                        pipe.write(chunk)
                        self.bytes_passed += len(chunk)
                        if not self._is_open:
                            break
            except BrokenPipeError:
                raise
            except BaseException as err:  # the reader must not mistake an error for the end of the file
                self.error = err

    def _chunks(self) -> Generator[bytes, None, None]:
        source = Path("/dev/stdin") if self._path == STDIN else self._path
        with read_errors(self._path, TrackError), source.open("rb") as file, decompress(file, self._check) as content:
            for chunk in iter(partial(content.read, _CHUNK_BYTES), b""):
                self.bytes_read = file.tell() if file.seekable() else 0
                yield chunk

    def _check_lines(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(chunks, b"")
        all_chunks = chain((first.removeprefix(codecs.BOM_UTF8),), chunks)
        if first.startswith(_BCF_MAGIC):
            return _checked_records(self._path, all_chunks)
        self.table = find_format(first.removeprefix(codecs.BOM_UTF8))
        if self.table is not None:
            return table_to_vcf(self._path, _checked_lines(self._path, all_chunks), self.table, self._numbers)
        return _checked_lines(self._path, all_chunks, VcfHeader(self._path), self._end_header)

    def _end_header(self, lines: int) -> None:
        self.header_lines = lines


def _checked_lines(
    path: Path,
    chunks: Iterable[bytes],
    header: VcfHeader | None = None,
    end_header: Callable[[int], None] = lambda lines: None,
) -> Iterator[bytes]:
    """Yield chunks of text. Raise when they are not UTF-8, hold a zero byte, or the header or a line is too long."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    number, unended, passed = 1, 0, 0
    for chunk in chunks:
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as err:
            wrong_line = number + err.object.count(b"\n", 0, err.start)
            raise TrackError(path, "is not UTF-8 text, as VCF must be", wrong_line) from err
        if (zero := chunk.find(b"\0")) >= 0:
            raise TrackError(
                path, "a zero byte in text: the file is damaged; fetch it again", number + chunk.count(b"\n", 0, zero)
            )
        first = chunk.find(b"\n")
        if unended + (len(chunk) if first < 0 else first) > _MAX_RECORD_BYTES:
            raise TrackError(path, f"more than {_MAX_RECORD_BYTES:,} bytes in one line; leave it out", number)
        unended = unended + len(chunk) if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        passed += len(chunk)
        if header is not None and not header.is_complete:
            header.add(chunk)
            if header.is_complete:
                end_header(header.lines)
            elif passed > _MAX_HEADER_BYTES:
                raise TrackError(path, f"no line #CHROM within {_MAX_HEADER_BYTES:,} bytes: not a VCF")
        number += chunk.count(b"\n")
        yield chunk
    if header is not None:
        header.end()


def _checked_records(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks of a BCF. Raise when its header or a record is too long (VCF specification 4.3, section 6)."""
    sizes, is_header, ahead, number = b"", True, 0, 0
    for chunk in chunks:
        at = min(ahead, len(chunk))
        ahead -= at
        while at < len(chunk):
            needed = 9 if is_header else 8  # "BCF", version and length of the text; lengths of a record's two parts
            piece = chunk[at : at + needed - len(sizes)]
            sizes, at = sizes + piece, at + len(piece)
            if len(sizes) < needed:
                break
            size = struct.unpack("<I", sizes[5:])[0] if is_header else sum(struct.unpack("<II", sizes))
            if size > (_MAX_HEADER_BYTES if is_header else _MAX_RECORD_BYTES):
                raise InputError(f"{path}: {size:,} bytes in {f'record {number}' if number else 'its header'}: damaged")
            sizes, is_header, number = b"", False, number + 1
            step = min(size, len(chunk) - at)
            at, ahead = at + step, size - step
        yield chunk


class VcfHeader:
    """Check the header of a VCF chunk by chunk.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.

    Attributes
    ----------
    lines : int
        Lines of the header until now.
    is_complete : bool
        Whether its last line, ``#CHROM``, has come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unended = b""
        self.lines = 0
        self.is_complete = False

    def add(self, chunk: bytes) -> None:
        """Check the next chunk of the file, until the header is complete.

        Raises
        ------
        TrackError
            When a line of the header is missing. The message shows that line.
        """
        *lines, self._unended = (self._unended + chunk).split(b"\n")
        for line in lines:
            if self._is_last(line.removesuffix(b"\r").decode(errors="replace")):
                return

    def end(self) -> None:
        """Check the last line of the file when the header is still incomplete; errors are those of :meth:`add`."""
        if not self.is_complete and not self._is_last(self._unended.decode(errors="replace")):
            raise self._missing_lines(False, True, "")

    def _is_last(self, line: str) -> bool:
        """Count and check a line, and return whether it ends the header."""
        self.lines += 1
        is_columns = line.startswith("#CHROM")
        if self.lines == 1 and not line.startswith("##fileformat=VCF"):
            raise self._missing_lines(True, not is_columns and not line.startswith("##"), line)
        if line and not line.startswith("#"):
            raise self._missing_lines(False, True, line)
        if is_columns and not line.startswith("#CHROM\t"):
            problem = f"cannot be read as VCF: its columns must be separated by tabs: {_COLUMNS_LINE}"
            raise TrackError(self._path, problem, self.lines)
        self.is_complete = is_columns
        return is_columns

    def _missing_lines(self, first: bool, columns: bool, line: str) -> TrackError:
        """Return the error for a file whose first line, or line of columns, or both are missing before ``line``."""
        missing = [text for text, lacks in ((VCF_FIRST_LINE, first), (_COLUMNS_LINE, columns)) if lacks]
        problem = f"cannot be read as VCF: its header lacks {' and '.join(missing)} (\\t is a tab)"
        cells = line.split("\t")
        if line and not line.startswith("#") and len(cells) < len(VCF_COLUMNS):
            problem += (
                f"; a record has at least {len(VCF_COLUMNS)} columns separated by tabs, this line has {len(cells)}"
            )
            problem += f". A table needs the columns {', '.join(REQUIRED)}, named in its first line"
        elif first and line and columns != line.startswith("#") and self._is_uncompressed_file():
            text = "".join(rf"{text}\n" for text in missing)
            problem += f". Add with: printf '{text}' | cat - {shlex.quote(str(self._path))} > with_header.vcf"
        return TrackError(self._path, problem, self.lines)

    def _is_uncompressed_file(self) -> bool:
        return self._path.is_file() and compression_of(self._path) is None
