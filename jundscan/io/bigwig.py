"""A bigWig out: another process writes what the scan sends, and a file that cannot be written is an error."""

from __future__ import annotations

import json
import logging
import mmap
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import OutputError, TrackError, warn
from jundscan.io import bigwig_child
from jundscan.io.bigwig_child import END, HEAD
from jundscan.io.file_kinds import check_address, file_kind
from jundscan.io.files import read_errors

log = logging.getLogger("jundscan")

AddSpans = Callable[[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], None]
"""Takes chrom, starts, ends, values of a track's next spans: sorted, disjoint, not changed afterwards."""

_MOST_BASES = (1 << 32) - 1
_PROBED_BYTES, _MOST_SAID = 1 << 20, 1 << 16


MAGIC = 0x888FFC26
_CHROM_MAGIC, _INDEX_MAGIC = 0x78CA8C91, 0x2468ACE0
_CHROM_HEADER, _INDEX_HEADER, _NODE_HEADER, _BLOCK_HEADER = 32, 48, 4, 24
_VALUE_BYTES = {1: 12, 2: 8, 3: 4}
"""Bytes of each value by the kind of a block: bedGraph, variable steps, fixed steps."""
_SUMMARY_BYTES = 32
"""Bytes of each record of a zoom level."""
_LONGEST_NAME = 1 << 12
_MOST_UNPACKED = 1 << 26
"""Bytes of a block, packed or not: a thousand times what writers make."""


def check_bigwig_path(path: str | Path) -> None:
    """Check before any work that the library which writes bigWigs can take a path.

    Raises
    ------
    OutputError
        When it is not UTF-8 text, because the library would end in a panic.
    """
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError as err:
        raise OutputError(f"{path}: the path of a bigWig must be UTF-8 text; rename it, or write .bedgraph.gz") from err


def check_bigwig_sizes(path: str | Path, chromsizes: Mapping[str, int]) -> None:
    """Check before any work that a bigWig can hold sequences.

    Parameters
    ----------
    path : str or pathlib.Path
        The output, for the message.
    chromsizes : mapping of str to int
        Lengths in bases. The format has 32 bits for them.

    Raises
    ------
    OutputError
        When a sequence is too long, or its name is not UTF-8 text, empty or with a zero byte in it.
    """
    for chrom, size in chromsizes.items():
        if size > _MOST_BASES:
            raise OutputError(
                f"{path}: a bigWig cannot hold {chrom}, whose {size:,} bases are more than {_MOST_BASES:,}; "
                "write .bedgraph.gz instead"
            )
        try:
            is_name = bool(chrom.encode()) and "\0" not in chrom
        except UnicodeEncodeError:
            is_name = False
        if not is_name:
            raise OutputError(f"{path}: a bigWig cannot hold the name {chrom!r}; rename it, or write .bedgraph.gz")


@contextmanager
def open_bigwig(temporary: Path, shown: str | Path, chromsizes: Mapping[str, int]) -> Iterator[AddSpans]:
    """Send spans to a process of its own in which pybigtools writes: see :mod:`jundscan.io.bigwig_child`.

    pybigtools reports hardly any failure, and may return as if all were well. Its header comes last, so a file that
    opens is whole.
    """
    import pybigtools

    with tempfile.TemporaryFile() as said:
        child: subprocess.Popen[bytes] | None = None

        def add(chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
            nonlocal child
            if not starts.size:
                return
            if child is None:
                child = _start(temporary, shown, said)
                _send(child, json.dumps(dict(chromsizes)).encode() + b"\n")
            name = chrom.encode()
            columns = (starts.astype(np.int64), ends.astype(np.int64), values.astype(np.float32))
            piece = (HEAD.pack(len(name), len(starts)), name, *(column.tobytes() for column in columns))
            if not _send(child, b"".join(piece)):
                child.wait()
                raise OutputError(f"{shown}: the bigWig cannot be written: {_reason(temporary, said)}")

        try:
            yield add
            if child is not None:
                _send(child, END)
                _finish(child)
        finally:
            if child is not None:
                child.kill()
                _finish(child)
        if child is None:
            warn("empty_track", f"{shown}: not written, for no window was scored and a bigWig cannot be empty")
            return
        try:
            with temporary.open("rb") as file, pybigtools.open(file) as written:  # of a path it prints what is wrong
                written.chroms()
        except Exception as err:
            raise OutputError(f"{shown}: the bigWig cannot be written: {_reason(temporary, said, err)}") from err


def _start(temporary: Path, shown: str | Path, said: BinaryIO) -> subprocess.Popen[bytes]:
    import pybigtools

    library = Path(pybigtools.__file__ or "").parents[1]
    command = [sys.executable, "-P", bigwig_child.__file__, str(temporary), str(library)]
    try:
        # a session of its own, because Ctrl-C in a terminal is for this process to deal with
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
    except OSError as err:
        raise OutputError(f"{shown}: the bigWig cannot be written: no process for it ({err.strerror or err})") from err


def _send(child: subprocess.Popen[bytes], data: bytes) -> bool:
    """Send bytes; False when the process has gone."""
    try:
        if child.stdin is not None:
            child.stdin.write(data)
            child.stdin.flush()
    except BrokenPipeError:
        return False
    return True


def _finish(child: subprocess.Popen[bytes]) -> None:
    """Close the pipe, and wait for the end of the process."""
    with suppress(BrokenPipeError):
        if child.stdin is not None:
            child.stdin.close()
    child.wait()


def _reason(temporary: Path, said: BinaryIO, problem: object = "pybigtools gave up without a reason") -> str:
    """Tell why a bigWig was not finished: what the system says to more bytes in the same file, else the library."""
    try:
        with temporary.open("ab") as file:
            file.write(bytes(_PROBED_BYTES))
    except OSError as err:
        return err.strerror or str(err)
    said.seek(0)
    lines = said.read(_MOST_SAID).decode(errors="replace").splitlines()
    return next((line.strip() for line in lines if line.strip()), " ".join(str(problem).split()))


def is_bigwig(path: Path) -> bool:
    """Tell a bigWig by its first bytes; a pipe holds none, because what is read of it is gone.

    Raises
    ------
    TrackError
        When the file cannot be read.
    """
    check_address(path, TrackError)
    if path.is_fifo():
        return False
    with read_errors(path, TrackError), path.open("rb") as file:
        return file_kind(file.read(4)) == "bigWig"


class Blocks:
    """Blocks of a bigWig, each looked at once before a library reads it: some damage ends in its panic.

    Parameters
    ----------
    numbers : mapping of str to int
        The number of each chromosome.
    blocks : numpy.ndarray, shape=(n,)
        From the index of the values, in the order of the genome.
    order : str
        Byte order, for :mod:`struct`.
    uncompressed : int
        Maximum bytes of a block when it is uncompressed; 0 where blocks are not compressed.
    reduction : int
        Bases that each record of a zoom level summarises; 0 for the values themselves.
    """

    def __init__(
        self, numbers: Mapping[str, int], blocks: NDArray[np.void], order: str, uncompressed: int, reduction: int = 0
    ) -> None:
        self.reduction = reduction
        self._numbers = numbers
        self._starts = _place(blocks["first"], blocks["start"])
        self._ends = np.maximum.accumulate(_place(blocks["last"], blocks["end"]))
        self._where = blocks[["at", "size"]].copy()
        self._order, self._uncompressed = order, uncompressed
        self._is_sound = np.zeros(len(blocks), np.bool_)
        self._are_sound = False

    def check(self, file: BinaryIO, chrom: str, start: int, end: int) -> None:
        """Look at the blocks that tell of [start, end); the file stays where it is.

        Raises
        ------
        ValueError
            When one is damaged.
        """
        number = np.uint64(self._numbers[chrom])
        places = _place(np.array([number, number]), np.array([max(start, 0), max(end, 0)], np.uint64))
        first, stop = np.searchsorted(self._ends, places[0], "right"), np.searchsorted(self._starts, places[1])
        self._check_rows(file, int(first), int(stop))

    def check_all(self, file: BinaryIO) -> None:
        """Look at all blocks; errors are those of :meth:`check`."""
        if not self._are_sound:
            self._check_rows(file, 0, len(self._is_sound))
            self._are_sound = True

    def _check_rows(self, file: BinaryIO, first: int, stop: int) -> None:
        for row in (np.flatnonzero(~self._is_sound[first:stop]) + first).tolist():
            at, size = self._where[row].tolist()
            before = file.tell()
            file.seek(at)
            self._check_block(file.read(size), size)
            file.seek(before)
            self._is_sound[row] = True

    def _check_block(self, data: bytes, size: int) -> None:
        from isal import isal_zlib

        if len(data) != size:
            raise ValueError("the file ends inside a block of values")
        if self._uncompressed:
            unpacker: Any = isal_zlib.decompressobj()
            damage: Any = isal_zlib.error
            try:
                data = unpacker.decompress(data, self._uncompressed + 1)
            except damage as err:
                raise ValueError(f"a block of values cannot be uncompressed: {err}") from err
            if not unpacker.eof or len(data) > self._uncompressed:
                raise ValueError("a block of values has another size than the header says")
        if self.reduction:
            if len(data) % _SUMMARY_BYTES:
                raise ValueError("a block of another size than its summaries")
            return
        kind, _, count = struct.unpack_from(f"{self._order}BBH", data, 20) if len(data) >= _BLOCK_HEADER else (0, 0, 0)
        if kind not in _VALUE_BYTES or _BLOCK_HEADER + _VALUE_BYTES[kind] * count > len(data):
            raise ValueError("a block of another size than its values")


def _place(chroms: NDArray[np.unsignedinteger[Any]], bases: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint64]:
    return chroms.astype(np.uint64) * np.uint64(1 << 32) + bases.astype(np.uint64)


class BigWigBlocks(NamedTuple):
    """Where the data of a bigWig lie.

    Attributes
    ----------
    values : Blocks
    zooms : tuple of Blocks
        Of each zoom level.
    """

    values: Blocks
    zooms: tuple[Blocks, ...]


def check_bigwig(path: Path) -> BigWigBlocks:
    """Read the header, all names and the index of the values.

    Parameters
    ----------
    path : pathlib.Path
        A file that starts with the magic number of a bigWig, in either byte order.

    Raises
    ------
    TrackError
        When anything points outside the file, at itself, or promises what cannot be: cut short, damaged, or no bigWig.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order = "<" if struct.unpack_from("<I", data)[0] == MAGIC else ">"
        try:
            return _check(data, order)
        except (struct.error, ValueError, OverflowError) as err:
            raise TrackError(path, f"cannot be read as a bigWig, cut short or damaged ({err}); fetch it again") from err


def _check(data: mmap.mmap, order: str) -> BigWigBlocks:
    _, _, zooms, chroms_at, _, index_at, _, _, _, _, unpacked, _ = struct.unpack_from(f"{order}IHHQQQHHQQIQ", data)
    if unpacked > _MOST_UNPACKED:
        raise ValueError(f"blocks of {unpacked:,} bytes")
    if not index_at:
        raise ValueError("it holds no value")
    numbers = _number_chroms(data, order, chroms_at)
    chroms = len(numbers)
    blocks = _leaves(data, order, index_at)
    levels = []
    for number in range(zooms):
        reduction, _, _, zoom_at = struct.unpack_from(f"{order}IIQQ", data, 64 + 24 * number)
        if struct.unpack_from(f"{order}I", data, zoom_at)[0] != _INDEX_MAGIC:
            raise ValueError("no index of a zoom level where the header says")
        leaves = _leaves(data, order, zoom_at)
        _check_inside(data, leaves)
        if not reduction:
            raise ValueError("a zoom level that summarises no base")
        levels.append(Blocks(numbers, leaves, order, unpacked, reduction))
    (count,) = struct.unpack_from(f"{order}Q", data, index_at + 8)
    if len(blocks) != count:
        raise ValueError(f"{count:,} blocks of values, of which {len(blocks):,} are in the index")
    found = BigWigBlocks(Blocks(numbers, blocks, order, unpacked), tuple(levels))
    if not len(blocks):
        return found
    first, start, last, end, _, _ = (blocks[name].astype(np.uint64) for name in blocks.dtype.names or ())
    if (last >= chroms).any() or (first > last).any() or ((first == last) & (start >= end)).any():
        raise ValueError("a block of no chromosome, or of no base")
    # blocks lie in the order of the genome, so one that was moved shows
    places = _place(first, start)
    if (places[1:] < places[:-1]).any():
        raise ValueError("blocks out of order")
    _check_inside(data, blocks)
    if not unpacked:
        _check_plain(data, order, blocks)
    return found


def _check_inside(data: mmap.mmap, blocks: NDArray[np.void]) -> None:
    at, size = (blocks[name].astype(np.uint64) for name in ("at", "size"))
    if (size > _MOST_UNPACKED).any() or (at > len(data)).any() or (at + size > len(data)).any():
        raise ValueError("a block beyond the end of the file")


def _check_plain(data: mmap.mmap, order: str, blocks: NDArray[np.void]) -> None:
    """Look at the lengths of blocks that are not packed: packed ones have a checksum."""
    for at, size in zip(blocks["at"].tolist(), blocks["size"].tolist(), strict=True):
        kind, _, count = struct.unpack_from(f"{order}BBH", data, at + 20)
        if kind not in _VALUE_BYTES or _BLOCK_HEADER + _VALUE_BYTES[kind] * count != size:
            raise ValueError("a block of another size than its values")


def _number_chroms(data: mmap.mmap, order: str, at: int) -> dict[str, int]:
    """Read the tree of chromosomes; their numbers are 0, 1, …, as many as there are."""
    magic, _, key_size, value_size, count, _ = struct.unpack_from(f"{order}IIIIQQ", data, at)
    if magic != _CHROM_MAGIC or value_size != 8 or not 0 < key_size <= _LONGEST_NAME:
        raise ValueError("no chromosomes where the header says")
    width = key_size + 8
    found: dict[str, int] = {}
    numbers: set[int] = set()
    names: set[bytes] = set()
    for is_leaf, start, items in _nodes(data, order, at + _CHROM_HEADER, width, key_size, width):
        if not is_leaf:
            continue
        for item in range(items):
            name, number, _ = struct.unpack_from(f"{order}{key_size}sII", data, start + item * width)
            if number in numbers or name in names or not name.rstrip(b"\0"):
                raise ValueError("a chromosome twice, or without a name")
            found[name.rstrip(b"\0").decode()] = number
            names.add(name)
            numbers.add(number)
    if not count or numbers != set(range(min(count, len(data)))):
        raise ValueError(f"{count:,} chromosomes, of which {len(numbers):,} are there")
    return found


def _leaves(data: mmap.mmap, order: str, at: int) -> NDArray[np.void]:
    """Read the index of the values: first and last chromosome and base of every block, its place and size."""
    if struct.unpack_from(f"{order}I", data, at)[0] != _INDEX_MAGIC:
        raise ValueError("no index where the header says")
    kinds = [("first", "u4"), ("start", "u4"), ("last", "u4"), ("end", "u4"), ("at", "u8"), ("size", "u8")]
    dtype = np.dtype([(name, order + kind) for name, kind in kinds])
    inner = np.dtype([(name, order + kind) for name, kind in kinds[:-1]])
    parts = [np.empty(0, dtype)]
    boxes: dict[int, tuple[int, ...]] = {}
    for is_leaf, start, items in _nodes(data, order, at + _INDEX_HEADER, dtype.itemsize, 16, inner.itemsize):
        rows = np.frombuffer(data, dtype if is_leaf else inner, items, start).copy()
        box = boxes.pop(start - _NODE_HEADER, None)
        if box is not None and items:
            low = min(zip(rows["first"].tolist(), rows["start"].tolist(), strict=True))
            high = max(zip(rows["last"].tolist(), rows["end"].tolist(), strict=True))
            if low < box[:2] or high > box[2:]:
                raise ValueError("an index whose parts do not fit")
        if is_leaf:
            parts.append(rows)
        else:
            boxes.update({row[4]: row[:4] for row in rows.tolist()})
    return np.concatenate(parts)


def _nodes(
    data: mmap.mmap, order: str, root: int, leaf_width: int, child_at: int, inner_width: int
) -> list[tuple[bool, int, int]]:
    """Walk a tree from left to right: each node's kind, where its items start, and how many they are."""
    found: list[tuple[bool, int, int]] = []
    waiting, seen = [root], {root}
    while waiting:
        at = waiting.pop()
        is_leaf, _, items = struct.unpack_from(f"{order}BBH", data, at)
        start = at + _NODE_HEADER
        if is_leaf > 1 or start + items * (leaf_width if is_leaf else inner_width) > len(data):
            raise ValueError("a node beyond the end of the file")
        found.append((bool(is_leaf), start, items))
        if is_leaf:
            continue
        places = range(start + child_at, start + child_at + items * inner_width, inner_width)
        children = [struct.unpack_from(f"{order}Q", data, place)[0] for place in places]
        if len(set(children)) < len(children) or seen.intersection(children):
            raise ValueError("a node inside itself")
        seen.update(children)
        waiting += reversed(children)
    return found
