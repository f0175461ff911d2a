"""Files and tracks out, atomically: a file has its final name only once it is whole.

All text is UTF-8 with Unix line ends.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO, cast

from jundscan.errors import OutputError
from jundscan.io.bgzip import INDEX_ENDINGS, BgzipFile, Preset, build_index, index_ending, is_compressed, quiet_pysam
from jundscan.io.bigwig import AddSpans, check_bigwig_path, check_bigwig_sizes, open_bigwig
from jundscan.io.files import temporary_beside
from jundscan.io.numbers import write_spans
from jundscan.io.streams import check_stream, descriptor, is_stdout, is_stream, open_descriptor

_BUFFER = 1 << 20
_GZIP_LEVEL = 6
_BIGWIG_ENDINGS = (".bw", ".bigwig")
_BEDGRAPH_ENDINGS = (".bedgraph", ".bdg", ".bedgraph.gz", ".bdg.gz")


def check_output(path: str | Path, force: bool, indexed: bool = False) -> None:
    """Find out before any work whether an output can be written.

    Parameters
    ----------
    path : str or pathlib.Path
        ``-`` is stdout. A stream, a pipe or a device (see :mod:`jundscan.io.streams`) exists already, and needs no
        ``force``.
    force : bool
        Whether an existing file may be replaced.
    indexed : bool
        Whether a packed one is to have a tabix index beside it (see :func:`open_output`).

    Raises
    ------
    OutputError
        When the file or its index exists and ``force`` is false, it is a folder, its folder is missing or not
        writable, a stream is closed, or what makes the index is not installed.
    """
    if is_stream(path):
        check_stream(path)
        return
    target = _place(path)
    if target.is_dir():
        raise OutputError(f"{path}: a folder; name a file inside it")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: no folder {target.parent}: make it first")
    if target.exists() and not force:
        raise OutputError(f"{path}: exists already; --force replaces it")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {target.parent} is not writable")
    if indexed and is_compressed(path):
        with quiet_pysam(path):
            for index in _indexes(target):
                check_output(index, force)


def check_track_output(path: str | Path, force: bool) -> None:
    """Find out before any work whether a track can be written: :func:`check_output`, and the ending of a file."""
    if not is_stream(path) and not str(path).lower().endswith((*_BIGWIG_ENDINGS, *_BEDGRAPH_ENDINGS)):
        raise OutputError(f"{path}: a track must end in .bw, .bigWig, .bedgraph or .bedgraph.gz")
    if _is_bigwig(path):
        check_bigwig_path(path)
    check_output(path, force, indexed=True)


def _is_bigwig(path: str | Path) -> bool:
    return str(path).lower().endswith(_BIGWIG_ENDINGS)


@contextmanager
def atomic_path(path: str | Path, force: bool) -> Iterator[Path]:
    """Give a name to write to, beside ``path``, that is renamed to it when the block ends.

    When the block raises, nothing is left. When it writes nothing, an older file is removed all the same:
    it would be taken for the result. To a stream, a pipe or a device everything is copied when the block ends. Several
    runs that write to one place do not meet before the end: the last one's file stays, or, without ``force``, the first
    one's.

    Raises
    ------
    OutputError
        See :func:`check_output`; also when renaming fails, or a file has appeared there that ``force`` does not cover.
    """
    check_output(path, force)
    if is_stream(path):
        with tempfile.TemporaryDirectory(prefix="jundscan.") as folder:
            copied = Path(folder, Path(path).name)
            yield copied
            if copied.exists():
                with copied.open("rb") as source, _open_stream(path) as stream:
                    shutil.copyfileobj(source, stream, _BUFFER)
        return
    target = _place(path)
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
    """Open a text output: a file, compressed when its name ends in ``.gz``, or ``-`` for stdout.

    The file is written beside its final name and renamed when the block ends; when the block raises, nothing
    is left. Stdout streams and stays open. Another stream, a pipe or a device is written directly.

    Parameters
    ----------
    path : str or pathlib.Path
    force : bool
        Whether an existing file may be replaced.
    preset : {"bed", "vcf"}, optional
        What the lines are, sorted by chromosome and start: a compressed file is then bgzipped and has a tabix index
        beside it. Without it, it is gzipped.
    longest : int
        Bases of the longest chromosome; beyond 2²⁹ the index is ``.csi`` instead of ``.tbi``.
    is_sorted : callable
        Asked when all is written: lines that turn out not to be sorted get no index.

    Yields
    ------
    typing.TextIO

    Raises
    ------
    OutputError
        See :func:`check_output`; also when writing fails (disk full), from wherever the text is written.
    BrokenPipeError
        When the reader of stdout or of a pipe has gone.
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
            raw = _File(stack.enter_context(atomic_path(path, force)), path)
        buffer = stack.enter_context(io.BufferedWriter(stack.enter_context(raw), _BUFFER))
        binary = cast(IO[bytes], buffer)
        if is_compressed(path):
            # no name and no time inside: equal content gives equal files
            binary = cast(IO[bytes], gzip.GzipFile("", "wb", _GZIP_LEVEL, buffer, mtime=0))
        with io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as stream:
            yield stream


@contextmanager
def _open_indexed(
    path: str | Path, force: bool, preset: Preset, longest: int, is_sorted: Callable[[], bool]
) -> Iterator[TextIO]:
    """Write a bgzipped file and its index, in an order in which a wrong index never stands beside a file.

    Both are finished under other names; then any older index goes, the file gets its name, and last the index. Another
    run that has come as far with the same output waits meanwhile.
    """
    check_output(path, force, indexed=True)
    target = _place(path)
    index = target.with_name(target.name + index_ending(longest))
    with ExitStack() as waiting, atomic_path(index, force) as temporary_index, atomic_path(path, force) as temporary:
        for opened, shown in ((temporary, path), (temporary_index, index)):
            _File(opened, shown).close()  # says now and in our words why it cannot be opened, if so
        packed = cast(IO[bytes], io.BufferedWriter(BgzipFile(temporary, path), _BUFFER))
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as stream:
            yield stream
        if is_sorted():
            build_index(temporary, temporary_index, preset, index)
        else:
            temporary_index.unlink()
        waiting.enter_context(_alone_in(target.parent))
        check_output(path, force, indexed=True)
        for older in _indexes(target):
            older.unlink(missing_ok=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other run is inside this block for the same folder, where the system can tell.

    The lock is the system's: it ends with the process, and leaves nothing behind.
    """
    try:
        import fcntl

        lock = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows
        yield
        return
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _indexes(target: Path) -> list[Path]:
    return [target.with_name(target.name + ending) for ending in INDEX_ENDINGS]


@contextmanager
def open_track_output(path: str | Path, chromsizes: Mapping[str, int], force: bool = False) -> Iterator[AddSpans]:
    """Open a track: bigWig (``.bw``, ``.bigWig``) or bedGraph (``.bedgraph``, ``.bdg``, also ``.gz``; a stream).

    Parameters
    ----------
    path : str or pathlib.Path
    chromsizes : Mapping of str to int
        Chromosome lengths in bases, in FASTA order; a bigWig's header gets those that have spans.
    force : bool
        Whether an existing file may be replaced.

    Yields
    ------
    AddSpans
        A function to call with the spans of one chromosome after another, as often for each as needed.

    Raises
    ------
    OutputError
        When the name has none of these endings, a bigWig cannot hold the sequences, and as in :func:`open_output`.
    """
    check_track_output(path, force)
    if _is_bigwig(path):
        check_bigwig_sizes(path, chromsizes)
        with atomic_path(path, force) as temporary, open_bigwig(temporary, path, chromsizes) as add:
            yield add
    else:
        longest = max(chromsizes.values(), default=0)
        with open_output(path, force, "bed", longest) as stream:
            yield partial(write_spans, stream)


class _File(io.FileIO):
    """A raw file for writing whose failures name the output, through whatever buffers wrap it."""

    def __init__(self, file: Path | int, shown: str | Path, mode: str = "wb") -> None:
        self._shown = shown
        try:
            super().__init__(file, mode)
        except OSError as err:
            raise write_error(shown, err) from err

    def write(self, data: Any) -> int:
        """Write bytes; an OSError becomes an OutputError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise write_error(self._shown, err) from err

    def close(self) -> None:
        """Close; what a network file system says only now becomes an OutputError too."""
        try:
            super().close()
        except OSError as err:
            raise write_error(self._shown, err) from err


def _open_stream(path: str | Path) -> _File:
    """Open a stream to write on where it stands; nothing that it holds is lost."""
    number = descriptor(path)
    if number is None:
        return _File(Path(path), path, "ab")
    for standard in (sys.stdout, sys.stderr):  # what was printed before comes before
        if standard is not None:
            standard.flush()
    try:
        return _File(os.dup(open_descriptor(number)), path)
    except OSError as err:
        raise write_error(path, err) from err


def write_error(shown: str | Path, err: OSError) -> OutputError:
    """Say which output failed, and why, in one line."""
    return OutputError(f"{shown}: cannot be written: {err.strerror or err}")


def remove_old_output(path: str | Path, force: bool) -> None:
    """Remove what an earlier run wrote where this run writes nothing; errors are those of :func:`atomic_path`."""
    with atomic_path(path, force):
        pass


def _place(path: str | Path) -> Path:
    """Return the file behind a link: an output replaces that file and keeps the link."""
    return Path(os.path.realpath(path))
