"""Output files and tracks. A file gets its final name when it is complete.

All text is UTF-8 with Unix line ends.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import OutputError
from jundscan.io.bgzip import INDEX_ENDINGS, BgzipFile, Preset, build_index, index_ending, is_compressed, quiet_pysam
from jundscan.io.bigwig import AddSpans, check_bigwig_path, check_bigwig_sizes
from jundscan.io.bigwig_writer import open_bigwig
from jundscan.io.files import temporary_beside, temporary_folder
from jundscan.io.numbers import round_binary, round_decimals, write_spans
from jundscan.io.streams import check_stream, descriptor, is_stdout, is_stream, open_descriptor

_BUFFER_BYTES = 1 << 20
_GZIP_LEVEL = 6
_BIGWIG_ENDINGS = (".bw", ".bigwig")
_BEDGRAPH_ENDINGS = (".bedgraph", ".bdg", ".bedgraph.gz", ".bdg.gz")


def check_output(path: str | Path, force: bool, indexed: bool = False) -> None:
    """Check that an output can be written, before any work.

    Parameters
    ----------
    path : str or pathlib.Path
        ``-`` is stdout. A stream, a pipe or a device (see :mod:`jundscan.io.streams`) needs no ``force``.
    force : bool
        Whether an existing file may be replaced.
    indexed : bool
        Whether a compressed file will have a tabix index beside it (see :func:`open_output`).

    Raises
    ------
    OutputError
        When the file or its index exists and ``force`` is false, the path is a folder, its folder is missing or not
        writable, a stream is closed, or pysam is needed for an index and not installed.
    """
    if is_stream(path):
        check_stream(path)
        return
    target = _target(path)
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; name a file inside it")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: the folder {target.parent} does not exist; make it first")
    if target.exists() and not force:
        raise OutputError(f"{path}: exists already; --force replaces it")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {target.parent} is not writable")
    if indexed and is_compressed(path):
        with quiet_pysam(path):
            for index in _indexes(target):
                check_output(index, force)


def check_track_output(path: str | Path, force: bool) -> None:
    """Check that a track can be written, as :func:`check_output` does, and that a file has the ending of a track."""
    if not is_stream(path) and not str(path).lower().endswith((*_BIGWIG_ENDINGS, *_BEDGRAPH_ENDINGS)):
        raise OutputError(f"{path}: a track must end in .bw, .bigWig, .bedgraph or .bedgraph.gz")
    if is_bigwig_output(path):
        check_bigwig_path(path)
    check_output(path, force, indexed=True)


def is_bigwig_output(path: str | Path) -> bool:
    """Return whether the name of an output asks for a bigWig."""
    return str(path).lower().endswith(_BIGWIG_ENDINGS)


@contextmanager
def atomic_path(path: str | Path, force: bool) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename that file to ``path`` when the block ends.

    When the block raises, no file is left. When the block writes no file, an older file at ``path`` is removed,
    because it would look like the result. For a stream, a pipe or a device the file is copied when the block ends.
    Several runs may write to one path at once: the last to finish wins, or without ``force`` the first.

    Raises
    ------
    OutputError
        See :func:`check_output`; also when renaming fails, or ``force`` is false and a file has appeared at ``path``.
    """
    check_output(path, force)
    if is_stream(path):
        with temporary_folder() as folder:
            temporary = folder / Path(path).name
            yield temporary
            if temporary.exists():
                with temporary.open("rb") as source, _open_stream(path) as stream:
                    shutil.copyfileobj(source, stream, _BUFFER_BYTES)
        return
    target = _target(path)
    temporary = temporary_beside(target)
    try:
        yield temporary
        check_output(path, force)
        try:
            if temporary.exists():
                temporary.replace(target)
            else:
                target.unlink(missing_ok=True)
        except OSError as err:
            raise write_error(path, err) from err
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def open_output(
    path: str | Path,
    force: bool = False,
    preset: Preset | None = None,
    longest: int = 0,
    is_sorted: Callable[[], bool] = lambda: True,
) -> Iterator[TextIO]:
    """Open a text output: a file, compressed when its name ends in ``.gz`` or ``.bgz``, or ``-`` for stdout.

    A file is written beside its final name and renamed when the block ends. When the block raises, no file is
    left. Stdout stays open. Any other stream, a pipe or a device is written directly.

    Parameters
    ----------
    path : str or pathlib.Path
    force : bool
        Whether an existing file may be replaced.
    preset : {"bed", "vcf", "table"}, optional
        Format of lines that are sorted by chromosome and start. A compressed file is then bgzipped and has a tabix
        index beside it. Without a preset it is gzipped.
    longest : int
        Bases of the longest chromosome. Beyond 2²⁹ the index is ``.csi`` instead of ``.tbi``.
    is_sorted : callable
        Called after the last line. When it returns False, the file gets no index.

    Yields
    ------
    typing.TextIO

    Raises
    ------
    OutputError
        See :func:`check_output`; also when writing fails (disk full), inside the block or at its end.
    BrokenPipeError
        When the reader of stdout or of a pipe has closed it.
    """
    if is_stdout(path) and not is_compressed(path):
        check_output(path, force)
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as err:
            raise write_error("stdout", err) from err
        return
    if preset is not None and is_compressed(path) and not is_stream(path):
        with _open_indexed(path, force, preset, longest, is_sorted) as stream:
            yield stream
        return
    with ExitStack() as stack:
        if is_stream(path):
            check_output(path, force)
            raw = _open_stream(path)
        else:
            raw = OutputFile(stack.enter_context(atomic_path(path, force)), path)
        buffer = stack.enter_context(io.BufferedWriter(stack.enter_context(raw), _BUFFER_BYTES))
        binary = cast(IO[bytes], buffer)
        if is_compressed(path):
            # without name and time in its header, so that equal content gives equal files
            binary = cast(IO[bytes], gzip.GzipFile("", "wb", _GZIP_LEVEL, buffer, mtime=0))
        with io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as stream:
            yield stream


@contextmanager
def _open_indexed(
    path: str | Path, force: bool, preset: Preset, longest: int, is_sorted: Callable[[], bool]
) -> Iterator[TextIO]:
    """Write a bgzipped file and its index, so that a wrong index never stands beside a file.

    Both are completed under temporary names. Then any older index is removed, the file is renamed, and the index last.
    A lock on the folder keeps other runs from these steps meanwhile.
    """
    check_output(path, force, indexed=True)
    target = _target(path)
    index = target.with_name(target.name + index_ending(longest))
    with ExitStack() as lock, atomic_path(index, force) as temporary_index, atomic_path(path, force) as temporary:
        for opened, output in ((temporary, path), (temporary_index, index)):
            OutputFile(opened, output).close()  # raises a clear error here when it cannot be opened
        binary = cast(IO[bytes], io.BufferedWriter(BgzipFile(temporary, path), _BUFFER_BYTES))
        with io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as stream:
            yield stream
        if is_sorted():
            build_index(temporary, temporary_index, preset, index)
        else:
            temporary_index.unlink()
        lock.enter_context(_folder_lock(target.parent))
        check_output(path, force, indexed=True)
        for older in _indexes(target):
            older.unlink(missing_ok=True)


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder until the block ends; wait while another run holds the lock.

    The lock ends with the process and leaves no file. Some systems have none, and the block then runs without.
    """
    try:
        import fcntl

        opened = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows
        yield
        return
    try:
        with suppress(OSError):  # some network file systems cannot lock a folder
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


@contextmanager
def open_folder(folder: Path, names: Sequence[str], force: bool = False) -> Iterator[Path]:
    """Yield a temporary folder, and move its files into ``folder`` when the block ends: all of them, or none.

    When the block raises, no file is left, nor the folder if it was not there before. Where the block has not written
    one of the files, an older file of its name is removed, because it would look like a result.

    Parameters
    ----------
    folder : pathlib.Path
        May be missing; the folder above it may not.
    names : sequence of str
        Names of the files in both folders. Indexes of compressed files go with them.
    force : bool
        Whether existing files may be replaced.

    Raises
    ------
    OutputError
        See :func:`check_folder`; also when a file cannot be written or moved.
    """
    check_folder(folder, names, force)
    is_new = not folder.is_dir()
    temporary = temporary_beside(folder / "samples")
    try:
        with write_errors(folder):
            temporary.mkdir(parents=True)
        try:
            yield temporary
        except OutputError as err:  # names the temporary file
            raise OutputError(str(err).replace(str(temporary), str(folder))) from err
        check_folder(folder, names, force)
        with write_errors(folder), _folder_lock(folder):
            for name in names:
                _move(temporary / name, _target(folder / name))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise
    shutil.rmtree(temporary, ignore_errors=True)


def _move(file: Path, target: Path) -> None:
    """Move a file and its index, and remove older ones."""
    if is_compressed(target):
        for older in _indexes(target):
            older.unlink(missing_ok=True)
    if not file.exists():
        target.unlink(missing_ok=True)
        return
    file.replace(target)
    for index, moved in zip(_indexes(file), _indexes(target), strict=True):
        if index.exists():
            index.replace(moved)


def check_folder(folder: Path, names: Iterable[str], force: bool) -> None:
    """Check that files can be written into a folder, which may be missing, as :func:`check_output` does."""
    if folder.is_dir():
        for name in names:
            check_output(folder / name, force, indexed=True)
    elif folder.exists():
        raise OutputError(f"{folder}: is a file; name a folder")
    else:
        above = Path(os.path.realpath(folder)).parent
        check_output(above / folder.name, force)


def _indexes(target: Path) -> list[Path]:
    return [target.with_name(target.name + ending) for ending in INDEX_ENDINGS]


class SpanJoiner:
    """Join neighbouring spans of equal values, and pass them on. The result does not depend on how spans are divided.

    Parameters
    ----------
    add_spans : callable
        Gets the joined spans.
    """

    def __init__(self, add_spans: AddSpans) -> None:
        self._add_spans = add_spans
        self._chrom = ""
        self._open = _NO_SPANS  # the last span, which the next may still join

    def add(self, chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Add spans, sorted and disjoint."""
        if chrom != self._chrom:
            self.finish()
            self._chrom = chrom
        before = self._open
        starts, ends = np.concatenate((before[0], starts)), np.concatenate((before[1], ends))
        values = np.concatenate((before[2], values))
        is_first = np.ones(len(starts), np.bool_)
        is_first[1:] = (values[1:] != values[:-1]) | (starts[1:] != ends[:-1])
        starts, values = starts[is_first], values[is_first]
        ends = ends[np.append(is_first[1:], True)[: len(ends)]]
        self._open = starts[-1:], ends[-1:], values[-1:]
        if len(starts) > 1:
            self._add_spans(chrom, starts[:-1], ends[:-1], values[:-1])

    def finish(self) -> None:
        """Pass on the last span."""
        if len(self._open[0]):
            self._add_spans(self._chrom, *self._open)
        self._open = _NO_SPANS


_NO_SPANS = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)


@contextmanager
def open_track_output(
    path: str | Path, chromsizes: Mapping[str, int], force: bool = False, digits: int | None = None
) -> Iterator[AddSpans]:
    """Open a track: bigWig (``.bw``, ``.bigWig``), or bedGraph (``.bedgraph``, ``.bdg``, with or without ``.gz``).

    A stream, a pipe or a device gets a bedGraph, unless its name ends in ``.bw`` or ``.bigWig``.

    Parameters
    ----------
    path : str or pathlib.Path
    chromsizes : Mapping of str to int
        Chromosome lengths in bases, in FASTA order. A bigWig's header lists the chromosomes that have spans.
    force : bool
        Whether an existing file may be replaced.
    digits : int, optional
        Round values to this number of decimals. In a bedGraph, neighbours that are then equal become one line. A bigWig
        holds no positions of spans that follow one another, so that it would grow if some of them were joined. Its
        values are numbers of few bits that round to the same decimals. None: write every value exactly.

    Yields
    ------
    AddSpans
        A function to call with the spans of one chromosome after another, in as many calls as needed.

    Raises
    ------
    OutputError
        When a file has another ending, or a bigWig cannot hold the sequences; also as in :func:`open_output`.
    """
    check_track_output(path, force)
    if is_bigwig_output(path):
        check_bigwig_sizes(path, chromsizes)
        with atomic_path(path, force) as temporary, open_bigwig(temporary, path, chromsizes) as add:
            yield add if digits is None else _rounding(add, partial(round_binary, digits=digits))
    else:
        longest = max(chromsizes.values(), default=0)
        with open_output(path, force, "bed", longest) as stream:
            if digits is None:
                yield partial(write_spans, stream)
                return
            joiner = SpanJoiner(partial(write_spans, stream))
            yield _rounding(joiner.add, partial(round_decimals, digits=digits))
            joiner.finish()


def _rounding(add_spans: AddSpans, round_values: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> AddSpans:
    def add(chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        add_spans(chrom, starts, ends, round_values(values))

    return add


class OutputFile(io.FileIO):
    """An unbuffered file or descriptor for writing, which raises OutputError with the name of the output."""

    def __init__(self, file: Path | int, output: str | Path, mode: str = "wb") -> None:
        self._output = output
        try:
            super().__init__(file, mode)
        except OSError as err:
            raise write_error(output, err) from err

    def write(self, data: Any) -> int:
        """Write bytes; an OSError becomes an OutputError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise write_error(self._output, err) from err

    def close(self) -> None:
        """Close the file; an OSError, which a network file system may raise only now, becomes an OutputError."""
        try:
            super().close()
        except OSError as err:
            raise write_error(self._output, err) from err


def _open_stream(path: str | Path) -> OutputFile:
    """Open a stream for appending."""
    number = descriptor(path)
    if number is None:
        return OutputFile(Path(path), path, "ab")
    for standard in (sys.stdout, sys.stderr):  # so that earlier prints come first
        if standard is not None:
            standard.flush()
    try:
        return OutputFile(os.dup(open_descriptor(number)), path)
    except OSError as err:
        raise write_error(path, err) from err


def write_error(output: str | Path, err: OSError) -> OutputError:
    """Format an OSError of an output as an OutputError, ``FILE: cannot be written: reason``."""
    return OutputError(f"{output}: cannot be written: {err.strerror or err}")


@contextmanager
def write_errors(output: str | Path) -> Iterator[None]:
    """Raise an OSError inside the block as an OutputError that names the output."""
    try:
        yield
    except OSError as err:
        raise write_error(output, err) from err


def remove_old_output(path: str | Path, force: bool) -> None:
    """Remove the output of an earlier run where this run writes none; errors are those of :func:`atomic_path`."""
    with atomic_path(path, force):
        pass


def _target(path: str | Path) -> Path:
    """Return the file behind a link, because an output replaces that file and keeps the link."""
    return Path(os.path.realpath(path))
