"""Hits, windows and tracks out, atomically: a file has its final name only once it is whole.

All coordinates are 0-based half-open; all text is UTF-8 with Unix line ends.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from jundscan.bigwig import AddSpans, open_bigwig
from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import OutputError
from jundscan.hits import Hits

HitFormat = Literal["bed", "narrowPeak"]
WINDOWS_HEADER = "#chrom\tstart\tend\tprobability\n"

_BUFFER = 1 << 20
_GZIP_LEVEL = 6
_MOST_DECIMALS = 17
_BIGWIG_ENDINGS = (".bw", ".bigwig")
_BEDGRAPH_ENDINGS = (".bedgraph", ".bdg", ".bedgraph.gz", ".bdg.gz")


def check_output(path: str | Path, force: bool) -> None:
    """Find out before any work whether an output can be written.

    Parameters
    ----------
    path : str or pathlib.Path
        ``-`` is stdout, always fine.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        When the file exists and ``force`` is false, it is a folder, or its folder is missing or not writable.
    """
    if str(path) == "-":
        return
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{path}: a folder; name a file inside it")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: no folder {target.parent}: make it first")
    if _is_special(target):
        return
    if target.exists() and not force:
        raise OutputError(f"{path}: exists already; --force replaces it")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {target.parent} is not writable")


def check_track_output(path: str | Path, force: bool) -> None:
    """Find out before any work whether a track can be written: :func:`check_output`, and its ending."""
    if not str(path).lower().endswith((*_BIGWIG_ENDINGS, *_BEDGRAPH_ENDINGS)):
        raise OutputError(f"{path}: a track must end in .bw, .bigWig, .bedgraph or .bedgraph.gz")
    check_output(path, force)


@contextmanager
def replacing(path: str | Path, force: bool) -> Iterator[Path]:
    """Give a name to write to, beside ``path``, that is renamed to it when the block ends.

    When the block raises, nothing is left. When it writes nothing, an older file is removed all the same:
    it would be taken for the result. A device or a pipe is given as it is.

    Raises
    ------
    OutputError
        See :func:`check_output`; also when renaming fails.
    """
    check_output(path, force)
    target = Path(os.path.realpath(path))  # the file behind a link, not the link, is replaced
    if _is_special(target):
        yield target
        return
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield temporary
        try:
            if temporary.exists():
                temporary.replace(target)
            else:
                target.unlink(missing_ok=True)
        except OSError as err:
            raise cannot_write(path, err) from err
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def open_output(path: str | Path, force: bool = False) -> Iterator[TextIO]:
    """Open a text output: a file, gzipped when its name ends in ``.gz``, or ``-`` for stdout.

    The file is written beside its final name and renamed when the block ends; when the block raises, nothing
    is left. Stdout streams and stays open; a device or a pipe is written directly.

    Parameters
    ----------
    path : str or pathlib.Path
    force : bool
        Whether an existing file may be replaced.

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
    if str(path) == "-":
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as err:
            raise cannot_write("stdout", err) from err
        return
    with (
        replacing(path, force) as temporary,
        _File(temporary, path) as raw,
        io.BufferedWriter(raw, _BUFFER) as buffer,
    ):
        binary = cast(IO[bytes], buffer)
        if str(path).endswith(".gz"):
            # no name and no time inside: equal content gives equal files
            binary = cast(IO[bytes], gzip.GzipFile("", "wb", _GZIP_LEVEL, buffer, mtime=0))
        with io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as stream:
            yield stream


@contextmanager
def open_track_output(path: str | Path, chromsizes: Mapping[str, int], force: bool = False) -> Iterator[AddSpans]:
    """Open a track: bigWig (``.bw``, ``.bigWig``) or bedGraph (``.bedgraph``, ``.bdg``, also ``.gz``).

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
        When the name has none of these endings, and as in :func:`open_output`.
    """
    check_track_output(path, force)
    if str(path).lower().endswith(_BIGWIG_ENDINGS):
        with replacing(path, force) as temporary, open_bigwig(temporary, path, chromsizes) as add:
            yield add
    else:
        with open_output(path, force) as stream:

            def add(
                chrom: str,
                starts: NDArray[np.int64],
                ends: NDArray[np.int64],
                values: NDArray[np.float32],
            ) -> None:
                _write_rows(stream, chrom, starts, ends, shortest_decimals(values))

            yield add


def write_hits(stream: TextIO, format: HitFormat, chrom: str, hits: Hits, first: int = 1) -> None:
    """Write hits as strict BED6 or as narrowPeak.

    Parameters
    ----------
    stream : typing.TextIO
    format : {"bed", "narrowPeak"}
        Both give name, score (1000 × probability, rounded) and strand ``.``; narrowPeak adds the exact
        probability as signalValue, -1 for pValue and qValue, and the summit relative to the start.
    chrom : str
    hits : Hits
    first : int
        Number of the first hit, for its name: ``JUND_1`` is the first of an output.
    """
    names = [f"JUND_{number}" for number in range(first, first + len(hits.start))]
    scores = np.rint(1000 * hits.best.astype(np.float64)).astype(np.int64).tolist()
    rows = zip(hits.start.tolist(), hits.end.tolist(), names, scores, strict=True)
    if format == "bed":
        stream.writelines([f"{chrom}\t{s}\t{e}\t{name}\t{score}\t.\n" for s, e, name, score in rows])
        return
    signals = format_probabilities(hits.best)
    peaks = (hits.summit - hits.start).tolist()
    stream.writelines(
        [
            f"{chrom}\t{s}\t{e}\t{name}\t{score}\t.\t{signal}\t-1\t-1\t{peak}\n"
            for (s, e, name, score), signal, peak in zip(rows, signals, peaks, strict=True)
        ]
    )


def write_windows_tsv(
    stream: TextIO, chrom: str, starts: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> None:
    """Write one line per window: chrom, start, end, probability; :data:`WINDOWS_HEADER` goes before all."""
    _write_rows(stream, chrom, starts, starts + WINDOW_LENGTH, shortest_decimals(probabilities))


def format_probability(probability: float | np.floating[Any]) -> str:
    """Write one float32 as the shortest decimal that reads back as the same float32.

    Examples
    --------
    >>> format_probability(np.float32(0.1)), format_probability(1), format_probability(2e-6)
    ('0.1', '1.0', '2e-06')
    """
    return format_probabilities(np.array([probability], dtype=np.float32))[0]


def format_probabilities(probabilities: NDArray[np.float32]) -> list[str]:
    """Write float32 values as :func:`format_probability` does."""
    return [repr(value) for value in shortest_decimals(probabilities).tolist()]


def shortest_decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the float64 that ``repr`` writes as the shortest decimal of each float32: 0.1, not 0.10000000149.

    Examples
    --------
    >>> shortest_decimals(np.array([0.1, 0.25], dtype=np.float32)).tolist()
    [0.1, 0.25]
    """
    decimals = values.astype(np.float64)
    exact, rest = decimals.copy(), np.arange(len(values))
    for places in range(_MOST_DECIMALS + 1):
        rounded = np.rint(exact * 10.0**places) / 10.0**places
        found = rounded.astype(np.float32) == values[rest]
        decimals[rest[found]] = rounded[found]
        rest, exact = rest[~found], exact[~found]
        if not rest.size:
            return decimals
    # below 1e-9 or so, where numpy's slower way costs little because such values are few
    decimals[rest] = values[rest].astype(np.str_).astype(np.float64)
    return decimals


def _write_rows(
    stream: TextIO,
    chrom: str,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    decimals: NDArray[np.float64],
) -> None:
    rows = zip(starts.tolist(), ends.tolist(), decimals.tolist(), strict=True)
    stream.write("".join([f"{chrom}\t{start}\t{end}\t{value!r}\n" for start, end, value in rows]))


class _File(io.FileIO):
    """A raw file for writing whose failures name the output, through whatever buffers wrap it."""

    def __init__(self, path: Path, shown: str | Path) -> None:
        self._shown = shown
        try:
            super().__init__(path, "wb")
        except OSError as err:
            raise cannot_write(shown, err) from err

    def write(self, data: Any) -> int:
        """Write bytes; an OSError becomes an OutputError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise cannot_write(self._shown, err) from err


def cannot_write(shown: str | Path, err: OSError) -> OutputError:
    """Say which output failed, and why, in one line."""
    return OutputError(f"{shown}: cannot be written: {err.strerror or err}")


def _is_special(target: Path) -> bool:
    """Tell a device or a pipe, which can be neither replaced nor removed, from a file."""
    return target.exists() and not target.is_file()
