"""Indexes of a FASTA: ``.fai`` (where each sequence lies) and ``.gzi`` (where the blocks of a bgzipped file lie).

Formats: the manual pages faidx(5) and bgzip(1) of htslib. Neither is ever needed beside the FASTA: a folder that
cannot be written to costs time and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import FastaError
from jundscan.io.fasta.faidx import FaiRecord, build_fai
from jundscan.io.fasta.random_access import SKIPPED_BYTES, BgzipReader, ReadAhead, index_mismatch
from jundscan.io.files import BLOCK_START, read_errors, temporary_beside

log = logging.getLogger("jundscan")

_FARTHEST = 1 << 62


Index = dict[str, FaiRecord]


def plain_index(path: Path, shown: Path | None = None) -> Index | None:
    """Read the ``.fai`` of a plain FASTA; where it is missing or stale build it, and keep it if possible.

    Parameters
    ----------
    path : pathlib.Path
        The FASTA.
    shown : pathlib.Path, optional
        How the user named it, where it is a copy; then the index is not kept.

    Returns
    -------
    dict of str to FaiRecord, or None
        None for a file that no index can describe, as packed ones are without theirs: lines of unequal length, blank
        ones among them, or headers that are not UTF-8 text.

    Raises
    ------
    FastaError
        When the index is damaged, or the file cannot be read or indexed: names that repeat.
    """
    beside = _index_path(path, ".fai")
    if _is_current(beside, path):
        return _read_fai(path, beside)
    with read_errors(shown or path, FastaError), path.open("rb") as file:
        index = build_fai(file, shown or path)
    if index is None:
        log.info("%s: no index describes it (lines of unequal length?); it is read through", shown or path)
    elif shown is None:
        _keep_fai(beside, index)
    return index


def _keep_fai(fai: Path, index: Index) -> None:
    """Write an index beside its FASTA, where that is possible."""
    # under another name first, because no other run may find half an index
    unfinished = temporary_beside(fai)
    try:
        _write_fai(unfinished, index)
        unfinished.replace(fai)
    except OSError as err:
        log.info("the index %s cannot be kept (%s); each run makes it anew", fai, err.strerror)
    else:
        log.info("wrote the index %s", fai)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _write_fai(fai: Path, index: Index) -> None:
    with fai.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(map(str, (name, *record))) + "\n" for name, record in index.items())


def bgzip_index(path: Path) -> tuple[Index, NDArray[np.int64]] | None:
    """Read the indexes beside a bgzipped FASTA, where both are there and the ``.fai`` is not older than the file.

    Returns
    -------
    index : dict of str to FaiRecord
    blocks : numpy.ndarray, shape=(n, 2), dtype=int64
        Where each block starts: in the packed file, in the unpacked one.

    Raises
    ------
    FastaError
        When one of them is damaged.
    """
    fai, gzi = (_index_path(path, ending) for ending in (".fai", ".gzi"))
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
    if len(numbers) != 2 * int(next(iter(numbers), 0)) + 1 or numbers.max() >= _FARTHEST or gzi.stat().st_size % 8:
        raise problem
    blocks = np.append([0, 0], numbers[1:].astype(np.int64)).reshape(
        -1, 2
    )  # the first block, at 0, is not written down
    if (np.diff(blocks, axis=0) < 0).any() or blocks[-1, 0] >= path.stat().st_size:
        raise problem
    # its time of writing tells nothing: bgzip writes it before the file is closed
    with read_errors(path, FastaError), path.open("rb") as file:
        file.seek(int(blocks[-1, 0]))
        if file.read(len(BLOCK_START)) != BLOCK_START:
            raise problem
    return blocks


def check_index(
    file: BinaryIO | BgzipReader, order: Sequence[tuple[str, FaiRecord]], wanted: NDArray[np.intp], path: Path
) -> None:
    """Look whether sequences lie where their index says: a '>' and the name before each, the next one behind it.

    Parameters
    ----------
    file : BinaryIO or BgzipReader
        The unpacked FASTA.
    order : sequence of (str, FaiRecord)
        Its index, as the sequences lie in the file; an older file's perhaps, since times of writing can be changed.
    wanted : numpy.ndarray, shape=(n,), dtype=intp
        Numbers in ``order`` of those that will be read; only they, and those behind them, are looked at.
    path : pathlib.Path
        The FASTA, for the message.

    Raises
    ------
    FastaError
        When the index is another file's.
    """
    held = ReadAhead(file)
    is_wanted = np.zeros(len(order) + 1, np.bool_)
    is_wanted[wanted] = True
    for number in np.flatnonzero(is_wanted[:-1] | np.roll(is_wanted, 1)[:-1]).tolist():
        name, placed = order[number]
        before = order[number - 1][1] if number else None
        end = before.byte(before.length) if before else 0
        header = _between(held, end, placed.offset).lstrip()
        whole = header.endswith(b"\n") or not placed.length  # the file may end behind a name
        if not whole or header[1:].split(None, 1)[:1] != [name.encode()] or not header.startswith(b">"):
            raise index_mismatch(path)
        if is_wanted[number] and placed.length > placed.line_bases:
            line_end = placed.offset + placed.line_bases
            if _between(held, line_end, placed.offset + placed.line_bytes) not in (b"\n", b"\r\n"):
                raise index_mismatch(path)
    placed = order[-1][1]
    if is_wanted[len(order) - 1] and placed.length:
        last = placed.byte(placed.length - 1)
        rest = _between(held, last, last + SKIPPED_BYTES)
        if not rest or rest[1:].strip():
            raise index_mismatch(path)


def _between(file: ReadAhead, start: int, end: int) -> bytes:
    """Read what is between two places, if that can be no more than a header."""
    return file.read(start, end) if 0 <= end - start <= SKIPPED_BYTES else b""


def _index_path(path: Path, ending: str) -> Path:
    return Path(f"{path}{ending}")


def _is_current(index: Path, path: Path) -> bool:
    return index.exists() and index.stat().st_mtime >= path.stat().st_mtime


def _read_fai(path: Path, fai: Path) -> Index:
    index: Index = {}
    try:
        with read_errors(fai, FastaError), fai.open(encoding="utf-8", newline="\n") as lines:
            for line in iter(partial(lines.readline, SKIPPED_BYTES), ""):
                name, length, offset, line_bases, line_bytes = line.rstrip("\r\n").split("\t")
                if name in index:
                    raise FastaError(path, f"two sequences are named {name}; names must be unique")
                # an empty sequence has no lines; 1 keeps the arithmetic defined
                numbers = int(length), int(offset), int(line_bases) or 1, int(line_bytes) or 1
                if not (min(numbers) >= 0 and max(numbers) < _FARTHEST):
                    raise ValueError(f"impossible numbers {numbers}")
                index[name] = FaiRecord(*numbers)
        if not index:
            raise ValueError("empty")
    except FastaError:
        raise
    except ValueError as err:
        raise FastaError(path, f"its index {fai.name} is damaged; delete it") from err
    return index
