"""Whether the header and the trees of a bigWig are sound, before a library trusts them.

The library that reads bigWigs allocates what a file says and follows where it points: a damaged file would end the
process, or silently lose blocks. Layout: Kent et al. 2010, Bioinformatics 26:2204, supplementary tables 5 to 17.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import TrackError
from jundscan.io.file_kinds import check_address, kind_of
from jundscan.io.files import read_errors

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
        return kind_of(file.read(4)) == "bigWig"


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
