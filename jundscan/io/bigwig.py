"""bigWig: what the format can hold, and checking a file before a library reads it.

The library allocates the sizes that a file states and follows its pointers. Damage would end the process, or lose
blocks without an error. Layout: Kent et al. 2010, Bioinformatics 26:2204, supplementary tables 5 to 17.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import OutputError, TrackError
from jundscan.io.file_kinds import check_address, file_kind
from jundscan.io.files import read_errors

AddSpans = Callable[[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], None]
"""Write the next spans of a track: chrom, starts, ends, values. Spans are sorted and disjoint."""

_MAX_BASES = (1 << 32) - 1
"""Maximum bases of a chromosome, because the format holds positions in 32 bits."""

MAGIC = 0x888FFC26
CHROM_MAGIC, INDEX_MAGIC = 0x78CA8C91, 0x2468ACE0
_CHROM_HEADER, _INDEX_HEADER, _NODE_HEADER, _BLOCK_HEADER = 32, 48, 4, 24
_VALUE_BYTES = {1: 12, 2: 8, 3: 4}
"""Bytes of a value in each kind of block: bedGraph, variable steps, fixed steps."""
_SUMMARY_BYTES = 32
"""Bytes of a record of a zoom level."""
_WRONG_SIZE = "a block of values has a wrong size"
_MAX_NAME_BYTES = 1 << 12
_MAX_BLOCK_BYTES = 1 << 26
"""Maximum bytes of a block, compressed or not: a thousand times as large as real ones."""


def check_bigwig_path(path: str | Path) -> None:
    """Check that the path of a bigWig is UTF-8 text, before any work.

    Raises
    ------
    OutputError
        When it is not, because the library would end in a panic.
    """
    try:
        os.path.realpath(path).encode()
    except UnicodeEncodeError as err:
        raise OutputError(f"{path}: the path of a bigWig must be UTF-8 text; rename it, or write .bedgraph.gz") from err


def check_bigwig_sizes(path: str | Path, chromsizes: Mapping[str, int]) -> None:
    """Check that a bigWig can hold these sequences, before any work.

    Parameters
    ----------
    path : str or pathlib.Path
        The output, for the message.
    chromsizes : mapping of str to int
        Lengths in bases.

    Raises
    ------
    OutputError
        When a sequence is too long, or its name is empty, not UTF-8 text or holds a zero byte.
    """
    for chrom, size in chromsizes.items():
        if size > _MAX_BASES:
            raise OutputError(
                f"{path}: a bigWig cannot hold {chrom}, whose {size:,} bases are more than {_MAX_BASES:,}; "
                "write .bedgraph.gz instead"
            )
        try:
            is_name = bool(chrom.encode()) and "\0" not in chrom
        except UnicodeEncodeError:
            is_name = False
        if not is_name:
            raise OutputError(f"{path}: a bigWig cannot hold the name {chrom!r}; rename it, or write .bedgraph.gz")


def is_bigwig(path: Path) -> bool:
    """Return whether a file is a bigWig, by its first bytes; False for a pipe, which can be read only once.

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
    """Blocks of a bigWig. Each is checked once before a library reads it, because some damage makes the library panic.

    Parameters
    ----------
    numbers : mapping of str to int
        The number of each chromosome.
    blocks : numpy.ndarray, shape=(n,)
        From the index of the values, in genome order.
    order : str
        Byte order, for :mod:`struct`.
    uncompressed : int
        Maximum bytes of a block after decompression; 0 where blocks are not compressed.
    reduction : int
        Bases that each record of a zoom level summarises; 0 for the values themselves.
    """

    def __init__(
        self, numbers: Mapping[str, int], blocks: NDArray[np.void], order: str, uncompressed: int, reduction: int = 0
    ) -> None:
        self.reduction = reduction
        self._numbers = numbers
        self._starts = _position(blocks["first"], blocks["start"])
        self._ends = np.maximum.accumulate(_position(blocks["last"], blocks["end"]))
        self._extents = blocks[["at", "size"]].copy()
        self._order, self._uncompressed = order, uncompressed
        self._is_sound = bytearray(len(blocks))
        self._all_sound = False

    def check(self, file: BinaryIO, chrom: str, start: int, end: int) -> None:
        """Check the blocks that hold values of [start, end). The file keeps its position.

        Raises
        ------
        ValueError
            When a block is damaged.
        """
        of_chrom = self._numbers[chrom] << 32
        first = self._ends.searchsorted(np.uint64(of_chrom + max(start, 0)), "right")
        stop = self._starts.searchsorted(np.uint64(of_chrom + max(end, 0)))
        self._check_rows(file, int(first), int(stop))

    def check_all(self, file: BinaryIO) -> None:
        """Check all blocks; errors are those of :meth:`check`."""
        if not self._all_sound:
            self._check_rows(file, 0, len(self._is_sound))
            self._all_sound = True

    def _check_rows(self, file: BinaryIO, first: int, stop: int) -> None:
        row = first - 1
        while (row := self._is_sound.find(0, row + 1, stop)) >= 0:
            at, size = self._extents[row].tolist()
            before = file.tell()
            file.seek(at)
            self._check_block(file.read(size), size)
            file.seek(before)
            self._is_sound[row] = 1

    def _check_block(self, data: bytes, size: int) -> None:
        from isal import isal_zlib

        if len(data) != size:
            raise ValueError("the file ends inside a block of values")
        if self._uncompressed:
            stream: Any = isal_zlib.decompressobj()
            damage: Any = isal_zlib.error
            try:
                data = stream.decompress(data, self._uncompressed + 1)
            except damage as err:
                raise ValueError(f"a block of values cannot be decompressed: {err}") from err
            if not stream.eof or len(data) > self._uncompressed:
                raise ValueError("a block of values is cut short, or larger than the header states")
        if self.reduction:
            if len(data) % _SUMMARY_BYTES:
                raise ValueError("a block of summaries has a wrong size")
            return
        kind, _, count = struct.unpack_from(f"{self._order}BBH", data, 20) if len(data) >= _BLOCK_HEADER else (0, 0, 0)
        if kind not in _VALUE_BYTES or _BLOCK_HEADER + _VALUE_BYTES[kind] * count > len(data):
            raise ValueError(_WRONG_SIZE)


def _position(chroms: NDArray[np.unsignedinteger[Any]], bases: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint64]:
    """Return one number for chromosome and base, in genome order."""
    return chroms.astype(np.uint64) * np.uint64(1 << 32) + bases.astype(np.uint64)


class BigWigBlocks(NamedTuple):
    """All blocks of a bigWig.

    Attributes
    ----------
    values : Blocks
    zooms : tuple of Blocks
        One for each zoom level.
    """

    values: Blocks
    zooms: tuple[Blocks, ...]


def check_bigwig(path: Path) -> BigWigBlocks:
    """Check the header, the names and the indexes of a bigWig.

    Parameters
    ----------
    path : pathlib.Path
        A file that starts with the magic number of a bigWig, in either byte order.

    Raises
    ------
    TrackError
        When the file is cut short or damaged: a pointer leads outside the file or in a circle, or a count is wrong.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order = "<" if struct.unpack_from("<I", data)[0] == MAGIC else ">"
        try:
            return _check(data, order)
        except (struct.error, ValueError, OverflowError) as err:
            raise TrackError(path, f"cannot be read as a bigWig, cut short or damaged ({err}); fetch it again") from err


def _check(data: mmap.mmap, order: str) -> BigWigBlocks:
    _, _, zooms, chroms_at, _, index_at, _, _, _, _, uncompressed, _ = struct.unpack_from(f"{order}IHHQQQHHQQIQ", data)
    if uncompressed > _MAX_BLOCK_BYTES:
        raise ValueError(f"blocks of {uncompressed:,} bytes")
    if not index_at:
        raise ValueError("it holds no values")
    numbers = _number_chroms(data, order, chroms_at)
    chroms = len(numbers)
    blocks = _leaves(data, order, index_at)
    levels = []
    for number in range(zooms):
        reduction, _, _, zoom_at = struct.unpack_from(f"{order}IIQQ", data, 64 + 24 * number)
        if struct.unpack_from(f"{order}I", data, zoom_at)[0] != INDEX_MAGIC:
            raise ValueError("the index of a zoom level is not where the header states")
        leaves = _leaves(data, order, zoom_at)
        _check_inside(data, leaves)
        if not reduction:
            raise ValueError("a zoom level that summarises no base")
        levels.append(Blocks(numbers, leaves, order, uncompressed, reduction))
    (count,) = struct.unpack_from(f"{order}Q", data, index_at + 8)
    if len(blocks) != count:
        raise ValueError(f"the header counts {count:,} blocks of values, the index {len(blocks):,}")
    found = BigWigBlocks(Blocks(numbers, blocks, order, uncompressed), tuple(levels))
    if not len(blocks):
        return found
    first, start, last, end, _, _ = (blocks[name].astype(np.uint64) for name in blocks.dtype.names or ())
    if (last >= chroms).any() or (first > last).any() or ((first == last) & (start >= end)).any():
        raise ValueError("a block without chromosome or without base")
    positions = _position(first, start)
    if (positions[1:] < positions[:-1]).any():  # blocks lie in genome order
        raise ValueError("blocks out of order")
    _check_inside(data, blocks)
    if not uncompressed:
        _check_sizes(data, order, blocks)
    return found


def _check_inside(data: mmap.mmap, blocks: NDArray[np.void]) -> None:
    at, size = (blocks[name].astype(np.uint64) for name in ("at", "size"))
    if (size > _MAX_BLOCK_BYTES).any() or (at > len(data)).any() or (at + size > len(data)).any():
        raise ValueError("a block beyond the end of the file")


def _check_sizes(data: mmap.mmap, order: str, blocks: NDArray[np.void]) -> None:
    """Check the sizes of uncompressed blocks, which have no checksum."""
    for at, size in zip(blocks["at"].tolist(), blocks["size"].tolist(), strict=True):
        kind, _, count = struct.unpack_from(f"{order}BBH", data, at + 20)
        if kind not in _VALUE_BYTES or _BLOCK_HEADER + _VALUE_BYTES[kind] * count != size:
            raise ValueError(_WRONG_SIZE)


def _number_chroms(data: mmap.mmap, order: str, at: int) -> dict[str, int]:
    """Read the tree of chromosomes, and return the number of each, from 0."""
    magic, _, key_size, value_size, count, _ = struct.unpack_from(f"{order}IIIIQQ", data, at)
    if magic != CHROM_MAGIC or value_size != 8 or not 0 < key_size <= _MAX_NAME_BYTES:
        raise ValueError("the chromosomes are not where the header states")
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
                raise ValueError("a chromosome stands twice or has no name")
            found[name.rstrip(b"\0").decode()] = number
            names.add(name)
            numbers.add(number)
    if not count or numbers != set(range(min(count, len(data)))):
        raise ValueError(f"the header counts {count:,} chromosomes, the tree {len(numbers):,}")
    return found


def _leaves(data: mmap.mmap, order: str, at: int) -> NDArray[np.void]:
    """Read an index of blocks: first and last chromosome and base of every block, and its byte and size in the file."""
    if struct.unpack_from(f"{order}I", data, at)[0] != INDEX_MAGIC:
        raise ValueError("an index is not where the header states")
    dtype, inner = block_dtypes(order)
    parts = [np.empty(0, dtype)]
    boxes: dict[int, tuple[int, ...]] = {}
    for is_leaf, start, items in _nodes(data, order, at + _INDEX_HEADER, dtype.itemsize, 16, inner.itemsize):
        rows = np.frombuffer(data, dtype if is_leaf else inner, items, start).copy()
        box = boxes.pop(start - _NODE_HEADER, None)
        if box is not None and items:
            low = min(zip(rows["first"].tolist(), rows["start"].tolist(), strict=True))
            high = max(zip(rows["last"].tolist(), rows["end"].tolist(), strict=True))
            if low < box[:2] or high > box[2:]:
                raise ValueError("a node of an index lies outside its parent")
        if is_leaf:
            parts.append(rows)
        else:
            boxes.update({row[4]: row[:4] for row in rows.tolist()})
    return np.concatenate(parts)


def block_dtypes(order: str) -> tuple[np.dtype[np.void], np.dtype[np.void]]:
    """Return how an index describes a block, and how it describes a node, in a byte order."""
    kinds = [("first", "u4"), ("start", "u4"), ("last", "u4"), ("end", "u4"), ("at", "u8"), ("size", "u8")]
    fields = [(name, order + kind) for name, kind in kinds]
    return np.dtype(fields), np.dtype(fields[:-1])


def _nodes(
    data: mmap.mmap, order: str, root: int, leaf_width: int, child_at: int, inner_width: int
) -> list[tuple[bool, int, int]]:
    """Walk a tree from left to right, and return for each node: is it a leaf, start of its items, their count."""
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
        pointers = range(start + child_at, start + child_at + items * inner_width, inner_width)
        children = [struct.unpack_from(f"{order}Q", data, pointer)[0] for pointer in pointers]
        if len(set(children)) < len(children) or seen.intersection(children):
            raise ValueError("a node is its own ancestor, or stands twice")
        seen.update(children)
        waiting += reversed(children)
    return found
