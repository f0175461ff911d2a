"""VCF and BCF on their way to htslib, which takes a record of any size into memory, and text as it comes.

A thread unpacks the file into a pipe that htslib reads, and looks at what passes: how long the header and each record
is, and whether text is text.
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
from jundscan.io.files import STDIN, compression_of, decompressed, head_check, open_decompressed, read_errors

LONGEST_RECORD = 1 << 24
"""Most bytes of a record: sixteen for each of a million people."""
LONGEST_HEADER = 1 << 26
_CHUNK = 1 << 18
_BCF = b"BCF"


FIRST_LINE = "##fileformat=VCFv4.2"
COLUMNS_LINE = r"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
"""The last line of a header; ``\\t`` stands for a tab."""
_FEWEST_COLUMNS = 8


class BoundedVcfPipe:
    """A pipe through which a file runs, unpacked; close it.

    Parameters
    ----------
    path : pathlib.Path
        VCF or BCF, packed or not; ``-`` is standard input.

    Attributes
    ----------
    outlet : int
        File descriptor to read from.
    taken : int
        Bytes of the file that have been read; 0 where that cannot be told.
    passed : int
        Bytes that have gone through, unpacked.
    header_lines : int
        Lines of a text's header, its last one included; 0 for BCF.
    error : BaseException or None
        What ended it before the file's end; set before the pipe ends.

    Raises
    ------
    InputError
        When it is another kind of file, or the last block of a bgzipped file is missing.
    """

    def __init__(self, path: Path) -> None:
        check_address(path, TrackError, is_stdin_read=True)
        self._check = head_check(path, "variants", TrackError)
        if path.is_file():  # of a pipe the thread finds it out
            with read_errors(path, TrackError), open_decompressed(path, self._check):
                pass
        self._path = path
        self.taken = self.passed = self.header_lines = 0
        self.error: BaseException | None = None
        self._wanted = True
        self.outlet, inlet = os.pipe()
        # a daemon, since it may wait for another program that says nothing more
        self._thread = Thread(target=self._fill, args=(inlet,), name="jundscan-vcf", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the pipe; the thread ends."""
        self._wanted = False
        if self._path.is_file():
            while os.read(self.outlet, _CHUNK):  # whoever else may have kept the pipe open does not read it any more
                pass
            self._thread.join()
        os.close(self.outlet)

    def _fill(self, inlet: int) -> None:
        with suppress(BrokenPipeError), os.fdopen(inlet, "wb") as pipe:
            try:
                with closing(self._chunks()) as chunks:
                    for chunk in self._looked_at(chunks):
                        pipe.write(chunk)
                        self.passed += len(chunk)
                        if not self._wanted:
                            break
            except BrokenPipeError:
                raise
            except BaseException as err:  # nothing may look like the end of the file but its end
                self.error = err

    def _chunks(self) -> Generator[bytes, None, None]:
        source = Path("/dev/stdin") if self._path == STDIN else self._path
        with read_errors(self._path, TrackError), source.open("rb") as file, decompressed(file, self._check) as content:
            for chunk in iter(partial(content.read, _CHUNK), b""):
                self.taken = file.tell() if file.seekable() else 0
                yield chunk

    def _looked_at(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(chunks, b"")
        everything = chain((first.removeprefix(codecs.BOM_UTF8),), chunks)
        if first.startswith(_BCF):
            return _records(self._path, everything)
        return _lines(self._path, everything, VcfHeader(self._path), self._end_header)

    def _end_header(self, lines: int) -> None:
        self.header_lines = lines


def _lines(
    path: Path, chunks: Iterable[bytes], header: VcfHeader, end_header: Callable[[int], None]
) -> Iterator[bytes]:
    """Pass text on, while it is UTF-8 without zero bytes and neither its header nor a line is too long."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    number, unended, passed = 1, 0, 0
    for chunk in chunks:
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as err:
            bad = number + err.object.count(b"\n", 0, err.start)
            raise TrackError(path, "is not UTF-8 text, as VCF must be", bad) from err
        if (zero := chunk.find(b"\0")) >= 0:
            raise TrackError(path, "a zero byte in text: damaged", number + chunk.count(b"\n", 0, zero))
        first = chunk.find(b"\n")
        if unended + (len(chunk) if first < 0 else first) > LONGEST_RECORD:
            raise TrackError(path, f"more than {LONGEST_RECORD:,} bytes in one line", number)
        unended = unended + len(chunk) if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        passed += len(chunk)
        if not header.is_whole:
            header.take(chunk)
            if header.is_whole:
                end_header(header.lines)
            elif passed > LONGEST_HEADER:
                raise TrackError(path, f"no line #CHROM within {LONGEST_HEADER:,} bytes: not a VCF")
        number += chunk.count(b"\n")
        yield chunk
    header.end()


def _records(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass BCF on, while neither its header nor a record is too long (VCF specification 4.3, section 6)."""
    sizes, of_header, ahead, number = b"", True, 0, 0
    for chunk in chunks:
        at = min(ahead, len(chunk))
        ahead -= at
        while at < len(chunk):
            needed = 9 if of_header else 8  # "BCF", version and length of the text; lengths of a record's two parts
            piece = chunk[at : at + needed - len(sizes)]
            sizes, at = sizes + piece, at + len(piece)
            if len(sizes) < needed:
                break
            size = struct.unpack("<I", sizes[5:])[0] if of_header else sum(struct.unpack("<II", sizes))
            if size > (LONGEST_HEADER if of_header else LONGEST_RECORD):
                raise InputError(f"{path}: {size:,} bytes in {f'record {number}' if number else 'its header'}: damaged")
            sizes, of_header, number = b"", False, number + 1
            step = min(size, len(chunk) - at)
            at, ahead = at + step, size - step
        yield chunk


class VcfHeader:
    """Look at the lines of a header as they come.

    Parameters
    ----------
    path : pathlib.Path
        Where they come from, for messages.

    Attributes
    ----------
    lines : int
        Lines of it seen until now.
    is_whole : bool
        Whether its last line, ``#CHROM``, has come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unended = b""
        self.lines = 0
        self.is_whole = False

    def take(self, chunk: bytes) -> None:
        """Look at more of the file, until the header is whole.

        Raises
        ------
        TrackError
            When a line of the header is missing; the message shows it.
        """
        *lines, self._unended = (self._unended + chunk).split(b"\n")
        for line in lines:
            if self._look_at(line.removesuffix(b"\r").decode(errors="replace")):
                return

    def end(self) -> None:
        """Look at what the file ended with.

        Raises
        ------
        TrackError
            As :meth:`take` does.
        """
        if not self.is_whole and not self._look_at(self._unended.decode(errors="replace")):
            raise self._without(False, True, "")

    def _look_at(self, line: str) -> bool:
        """Count a line; tell whether it was the last of the header."""
        self.lines += 1
        is_columns = line.startswith("#CHROM")
        if self.lines == 1 and not line.startswith("##fileformat=VCF"):
            raise self._without(True, not is_columns and not line.startswith("##"), line)
        if line and not line.startswith("#"):
            raise self._without(False, True, line)
        if is_columns and not line.startswith("#CHROM\t"):
            raise TrackError(
                self._path, f"cannot be read as VCF: its columns must be separated by tabs: {COLUMNS_LINE}", self.lines
            )
        self.is_whole = is_columns
        return is_columns

    def _without(self, first: bool, columns: bool, line: str) -> TrackError:
        """Describe which of the two lines are missing, before what line."""
        missing = [text for text, lacks in ((FIRST_LINE, first), (COLUMNS_LINE, columns)) if lacks]
        problem = f"cannot be read as VCF: its header lacks {' and '.join(missing)} (\\t is a tab)"
        cells = line.split("\t")
        if line and not line.startswith("#") and len(cells) < _FEWEST_COLUMNS:
            problem += (
                f"; a record has at least {_FEWEST_COLUMNS} columns separated by tabs, this line has {len(cells)}"
            )
        elif first and line and columns != line.startswith("#") and self._is_plain():
            made = "".join(rf"{text}\n" for text in missing)
            problem += f". Add with: printf '{made}' | cat - {shlex.quote(str(self._path))} > with_header.vcf"
        return TrackError(self._path, problem, self.lines)

    def _is_plain(self) -> bool:
        return self._path.is_file() and compression_of(self._path) is None
