"""Write a bigWig from arrays of spans. :mod:`jundscan.io.bigwig` names the source of the layout.

A library either stores start, end and value of every span, or begins its zoom levels at 16 spans. A rounded track then
has 3.3 or 1.6 times the bytes of fixed steps with coarser zoom levels (``benchmarks/tracks.json``).
"""

from __future__ import annotations

import struct
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import OutputError, warn
from jundscan.io.bigwig import CHROM_MAGIC, INDEX_MAGIC, MAGIC, AddSpans, block_dtypes

_HEADER, _ZOOM_HEADER = struct.Struct("<IHHQQQHHQQIQ"), struct.Struct("<IIQQ")
_SUMMARY, _CHROM_HEADER = struct.Struct("<Qdddd"), struct.Struct("<IIIIQQ")
_INDEX_HEADER, _NODE_HEADER = struct.Struct("<IIQIIIIQII"), struct.Struct("<BBH")
_BLOCK_HEADER = struct.Struct("<IIIIIBBH")
_VERSION = 4
_SPANS, _FIXED_STEPS = 1, 3
"""Kinds of blocks: start, end and value of each span, or values alone because every span follows the one before it."""

_ZOOM_LEVELS, _ZOOM_FACTOR, _FIRST_ZOOM = 5, 4, 64
"""The first zoom level summarises 64 mean spans, and each further one four times as many bases."""
_MAX_FIRST_ZOOM = 1 << 22
_SPANS_AT_ONCE = 1 << 16
"""Spans written together: the same number each time, so that the bytes do not depend on how spans are handed over."""
_STEPS_IN_BLOCK, _SPANS_IN_BLOCK, _SUMMARIES_IN_BLOCK = 8192, 2048, 1024
_MAX_BLOCK_BYTES = 24 + 4 * _STEPS_IN_BLOCK
_MIN_STEPS = 64
"""Minimum spans of a block of fixed steps, because a block of its own costs as many bytes as some 40 spans save."""
_NODE_ITEMS = 256
_COMPRESSION = 3
"""Level of igzip. zlib at its default level saves 2 % of the bytes, and takes 20 times as long."""

_SPAN_DTYPE = np.dtype([("start", "<u4"), ("end", "<u4"), ("value", "<f4")])
_ZOOM_DTYPE = np.dtype(
    [("chrom", "<u4"), ("start", "<u4"), ("end", "<u4"), ("covered", "<u4")]
    + [(name, "<f4") for name in ("lowest", "highest", "total", "squares")]
)


class _Summaries(NamedTuple):
    """What is known of some bases; row i of every array is summary i.

    Sums count every covered base. All are float64 until they are written.
    """

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    covered: NDArray[np.int64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def rows(self, rows: slice) -> _Summaries:
        return _Summaries._make(column[rows] for column in self)


@contextmanager
def open_bigwig(temporary: Path, output: str | Path, chromsizes: Mapping[str, int]) -> Iterator[AddSpans]:
    """Write a bigWig whose header lists the chromosomes that have spans.

    Parameters
    ----------
    temporary : pathlib.Path
        The file to write. Without spans it is not made, and a warning is logged.
    output : str or pathlib.Path
        Its final name, for messages.
    chromsizes : mapping of str to int
        Chromosome lengths in bases.

    Yields
    ------
    AddSpans
        A function to call with the spans of one chromosome after another, in as many calls as needed.

    Raises
    ------
    OutputError
        When the file cannot be written, or spans overlap or lie beyond the end of their chromosome.
    """
    writer: _Writer | None = None
    with ExitStack() as files:

        def opened(file: BinaryIO) -> BinaryIO:
            files.callback(_close, file)
            return file

        def add(chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
            nonlocal writer
            if not len(starts):
                return
            with _write_errors(output):
                if writer is None:
                    file = opened(temporary.open("wb"))
                    spools = [opened(tempfile.TemporaryFile(dir=temporary.parent)) for _ in range(_ZOOM_LEVELS)]  # noqa: SIM115
                    writer = _Writer(file, spools, output, chromsizes)
                writer.add(chrom, starts, ends, values)

        yield add
        if writer is None:
            warn("empty_track", f"{output}: not written, because no window was scored and a bigWig cannot be empty")
            return
        with _write_errors(output):
            writer.finish()


@contextmanager
def _write_errors(output: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise OutputError(f"{output}: the bigWig cannot be written: {err.strerror or err}") from err


def _close(file: BinaryIO) -> None:
    """Close a file that is finished, or will be deleted because an error has been raised."""
    with suppress(OSError):
        file.close()


class _Blocks:
    """Compressed blocks in a file, and what the index holds of each: first and last base, byte and size."""

    def __init__(self, file: BinaryIO) -> None:
        from isal import isal_zlib

        self._compress = isal_zlib.compress
        self.file = file
        self._index = array("Q")

    def write(self, first: tuple[int, int], last: tuple[int, int], data: bytes) -> None:
        """Write a block of bases from ``first`` to ``last``, each a chromosome's number and a position."""
        compressed = self._compress(data, _COMPRESSION)
        self._index.extend((*first, *last, self.file.tell(), len(compressed)))
        self.file.write(compressed)

    def index(self, shift: int) -> NDArray[np.void]:
        """Return one row per block for the index, places shifted by ``shift`` bytes."""
        table = np.frombuffer(self._index, np.uint64).reshape(-1, 6)
        leaves = np.empty(len(table), block_dtypes("<")[0])
        for name, column in zip(leaves.dtype.names or (), table.T, strict=True):
            leaves[name] = column
        leaves["at"] += np.uint64(shift)
        return leaves


class _ZoomLevel:
    """Summaries of bins of ``reduction`` bases each; the bins lie side by side from the start of a chromosome."""

    def __init__(self, reduction: int, blocks: _Blocks) -> None:
        self.reduction, self.blocks = reduction, blocks
        self._open: _Summaries | None = None  # one row, of the bin that the next summaries may still lie in
        self._waiting = np.empty(0, _ZOOM_DTYPE)

    def add(self, summaries: _Summaries, is_last: bool) -> _Summaries:
        """Add the next summaries of smaller bins, and return those of the bins that are complete."""
        if self._open is not None:
            summaries = _Summaries._make(map(np.concatenate, zip(self._open, summaries, strict=True)))
        merged = _merge(summaries, summaries.start // self.reduction)
        complete = merged if is_last else merged.rows(slice(-1))
        self._open = merged.rows(slice(-1, None))
        written = np.empty(len(complete.start), _ZOOM_DTYPE)
        for name, column in complete._asdict().items():
            written[name] = column
        self._waiting = np.concatenate((self._waiting, written))
        whole = len(self._waiting) if is_last else len(self._waiting) // _SUMMARIES_IN_BLOCK * _SUMMARIES_IN_BLOCK
        for begin in range(0, whole, _SUMMARIES_IN_BLOCK):
            rows = self._waiting[begin : min(begin + _SUMMARIES_IN_BLOCK, whole)]
            head, tail = rows[0], rows[-1]
            self.blocks.write(
                (int(head["chrom"]), int(head["start"])), (int(tail["chrom"]), int(tail["end"])), rows.tobytes()
            )
        self._waiting = self._waiting[whole:]
        return complete


def _merge(parts: _Summaries, bins: NDArray[np.int64]) -> _Summaries:
    """Merge neighbouring summaries of one bin of one chromosome."""
    is_first = np.ones(len(bins), np.bool_)
    is_first[1:] = (bins[1:] != bins[:-1]) | (parts.chrom[1:] != parts.chrom[:-1])
    firsts = np.flatnonzero(is_first)
    lasts = np.append(firsts[1:], len(bins)) - 1
    return _Summaries(
        parts.chrom[firsts],
        parts.start[firsts],
        parts.end[lasts],
        np.add.reduceat(parts.covered, firsts),
        np.minimum.reduceat(parts.lowest, firsts),
        np.maximum.reduceat(parts.highest, firsts),
        np.add.reduceat(parts.total, firsts),
        np.add.reduceat(parts.squares, firsts),
    )


class _Spans(NamedTuple):
    """Spans of chromosomes, in order; row i of every array is span i."""

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float32]

    def rows(self, begin: int, end: int) -> _Spans:
        return _Spans._make(column[begin:end] for column in self)


class _Writer:
    def __init__(
        self, file: BinaryIO, spools: Sequence[BinaryIO], output: str | Path, chromsizes: Mapping[str, int]
    ) -> None:
        self._output = output
        self._sizes = chromsizes
        self._numbers: dict[str, int] = {}
        self._last = "", 0
        self._pieces: list[_Spans] = []
        self._waiting = 0
        self._levels: list[_ZoomLevel] = []
        self._spools = spools
        self._totals: _Summaries | None = None
        self._chroms_at = _HEADER.size + _ZOOM_LEVELS * _ZOOM_HEADER.size + _SUMMARY.size
        # the tree is written at the end, into this room, because readers expect it before the values
        names = [chrom.encode() for chrom in chromsizes]
        self._key_bytes = max(map(len, names))
        room = len(_chrom_tree(0, dict.fromkeys(names, (0, 0)), self._key_bytes))
        file.write(bytes(self._chroms_at + room))
        self._values_at = file.tell()
        file.write(bytes(8))  # the number of blocks
        self._blocks = _Blocks(file)

    def add(self, chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        name, end = self._last
        is_known = chrom in self._numbers
        edges = np.empty((len(starts), 2), np.int64)
        edges[:, 0], edges[:, 1] = starts, ends
        is_sorted = bool((np.diff(edges.ravel()) >= 0).all()) and (
            not is_known or (name == chrom and end <= edges[0, 0])
        )
        if not is_sorted or edges[0, 0] < 0 or edges[-1, 1] > self._sizes[chrom]:
            problem = f"spans of {chrom} are out of order, overlap or lie beyond its {self._sizes[chrom]:,} bases"
            raise OutputError(f"{self._output}: the bigWig cannot be written: {problem}")
        number = self._numbers.setdefault(chrom, len(self._numbers))
        self._last = chrom, int(edges[-1, 1])
        self._pieces.append(
            _Spans(np.full(len(edges), number), edges[:, 0], edges[:, 1], values.astype(np.float32, copy=False))
        )
        self._waiting += len(edges)
        if self._waiting > _SPANS_AT_ONCE:
            self._write_pieces(is_last=False)

    def _write_pieces(self, is_last: bool) -> None:
        spans = _Spans._make(map(np.concatenate, zip(*self._pieces, strict=True)))
        count = len(spans.start)
        # one span at least is left for the end, which completes the zoom levels
        whole = count if is_last else (count - 1) // _SPANS_AT_ONCE * _SPANS_AT_ONCE
        for begin in range(0, whole, _SPANS_AT_ONCE):
            end = min(begin + _SPANS_AT_ONCE, whole)
            self._write_spans(spans.rows(begin, end), is_last and end == whole)
        self._pieces, self._waiting = [spans.rows(whole, count)], count - whole

    def _write_spans(self, spans: _Spans, is_last: bool) -> None:
        if not self._levels:
            mean = float((spans.end - spans.start).mean())
            first = min(max(round(_FIRST_ZOOM * mean), 1), _MAX_FIRST_ZOOM)
            reductions = [first * _ZOOM_FACTOR**level for level in range(_ZOOM_LEVELS)]
            blocks = map(_Blocks, self._spools)
            self._levels = [_ZoomLevel(*level) for level in zip(reductions, blocks, strict=True)]
        for begin, end, step in _sections(spans):
            self._write_section(spans.rows(begin, end), step)
        summaries = _summarise(spans, self._levels[0].reduction)
        totals = _merge(summaries._replace(chrom=0 * summaries.chrom), 0 * summaries.start)
        if self._totals is not None:
            both = _Summaries._make(map(np.concatenate, zip(self._totals, totals, strict=True)))
            totals = _merge(both, 0 * both.start)
        self._totals = totals
        for level in self._levels:
            summaries = level.add(summaries, is_last)
            if not len(summaries.start):
                break

    def _write_section(self, spans: _Spans, step: int) -> None:
        size, kind = (_STEPS_IN_BLOCK, _FIXED_STEPS) if step else (_SPANS_IN_BLOCK, _SPANS)
        for begin in range(0, len(spans.start), size):
            chroms, starts, ends, values = spans.rows(begin, begin + size)
            chrom, start, end = int(chroms[0]), int(starts[0]), int(ends[-1])
            if step:
                rows = values.astype("<f4", copy=False).tobytes()
            else:
                table = np.empty(len(starts), _SPAN_DTYPE)
                table["start"], table["end"], table["value"] = starts, ends, values
                rows = table.tobytes()
            head = _BLOCK_HEADER.pack(chrom, start, end, step, step, kind, 0, len(starts))
            self._blocks.write((chrom, start), (chrom, end), head + rows)

    def finish(self) -> None:
        """Write the spans that are left, the zoom levels, all indexes and the header."""
        self._write_pieces(is_last=True)
        file = self._blocks.file
        leaves = self._blocks.index(0)
        index_at = file.tell()
        file.write(_index(index_at, leaves))
        headers = []
        for level, spool in zip(self._levels, self._spools, strict=True):
            at = file.tell()
            file.write(struct.pack("<I", len(level.blocks.index(0))))
            shift = file.tell()
            spool.seek(0)
            copyfileobj(spool, file)
            zoom_index_at = file.tell()
            file.write(_index(zoom_index_at, level.blocks.index(shift)))
            headers.append(_ZOOM_HEADER.pack(level.reduction, 0, at, zoom_index_at))
        file.write(struct.pack("<I", MAGIC))
        totals = self._totals
        assert totals is not None
        summary_at = self._chroms_at - _SUMMARY.size
        chroms = {name.encode(): (number, self._sizes[name]) for name, number in self._numbers.items()}
        file.seek(self._values_at)
        file.write(struct.pack("<Q", len(leaves)))
        file.seek(0)
        file.write(
            _HEADER.pack(
                MAGIC, _VERSION, len(headers), self._chroms_at, self._values_at, index_at, 0, 0, 0, summary_at,
                _MAX_BLOCK_BYTES, 0,
            )
        )  # fmt: skip
        file.write(b"".join(headers))
        file.write(_SUMMARY.pack(int(totals.covered[0]), *(float(column[0]) for column in totals[4:])))
        file.write(_chrom_tree(self._chroms_at, chroms, self._key_bytes))
        file.flush()


def _sections(spans: _Spans) -> Iterator[tuple[int, int, int]]:
    """Yield first and last row of spans that go into blocks of one kind, and their step: 0 where they have none."""
    width = spans.end - spans.start
    is_first = np.ones(len(width), np.bool_)
    is_other = spans.chrom[1:] != spans.chrom[:-1]
    is_first[1:] = is_other | (spans.start[1:] != spans.end[:-1]) | (width[1:] != width[:-1])
    firsts = np.flatnonzero(is_first)
    is_long = np.diff(firsts, append=len(width)) >= _MIN_STEPS
    chroms = spans.chrom[firsts]
    begins = np.ones(len(firsts), np.bool_)
    begins[1:] = is_long[1:] | is_long[:-1] | (chroms[1:] != chroms[:-1])
    rows = firsts[begins].tolist()
    steps = np.where(is_long, width[firsts], 0)[begins].tolist()
    yield from zip(rows, [*rows[1:], len(width)], steps, strict=True)


def _summarise(spans: _Spans, reduction: int) -> _Summaries:
    """Summarise spans by bins of ``reduction`` bases. A span that reaches into several bins is cut at their ends."""
    first, last = spans.start // reduction, (spans.end - 1) // reduction
    chroms, starts, ends, values, bins = *spans, first
    if (counts := last - first + 1).max() > 1:
        rows = np.repeat(np.arange(len(counts)), counts)
        bins = first[rows] + np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        chroms, values = chroms[rows], values[rows]
        starts, ends = np.maximum(starts[rows], bins * reduction), np.minimum(ends[rows], (bins + 1) * reduction)
    covered, wide = ends - starts, values.astype(np.float64)
    total = wide * covered
    return _merge(_Summaries(chroms, starts, ends, covered, wide, wide, total, wide * total), bins)


def _chrom_tree(at: int, chroms: Mapping[bytes, tuple[int, int]], key_bytes: int) -> bytes:
    """Return the tree of chromosomes that stands at byte ``at``: number and length of each name."""
    leaf = np.dtype([("key", f"S{key_bytes}"), ("number", "<u4"), ("size", "<u4")])
    inner = np.dtype([("key", f"S{key_bytes}"), ("at", "<u8")])
    rows = np.array([(name, *chroms[name]) for name in sorted(chroms)], leaf)
    header = _CHROM_HEADER.pack(CHROM_MAGIC, min(_NODE_ITEMS, len(rows)), key_bytes, 8, len(rows), 0)
    return header + _tree(at + len(header), rows, inner)


def _index(at: int, leaves: NDArray[np.void]) -> bytes:
    """Return the index of blocks that stands at byte ``at``."""
    bounds = (*leaves[["first", "start"]][0].tolist(), *leaves[["last", "end"]][-1].tolist())
    header = _INDEX_HEADER.pack(INDEX_MAGIC, _NODE_ITEMS, len(leaves), *bounds, at, 1, 0)
    return header + _tree(at + len(header), leaves, block_dtypes("<")[1])


def _tree(at: int, leaves: NDArray[np.void], inner: np.dtype[np.void]) -> bytes:
    """Return a tree, its root first, then level by level down to the leaves.

    A node above the leaves holds, for each child, the fields of ``inner``: those that name a first or only place come
    from the child's first item, those that name a last place from its last item, and ``at`` is the child's byte.
    """
    levels = [leaves]
    while len(levels[0]) > _NODE_ITEMS:
        below = levels[0]
        heads = below[::_NODE_ITEMS]
        tails = below[np.minimum(np.arange(len(heads)) * _NODE_ITEMS + _NODE_ITEMS, len(below)) - 1]
        above = np.zeros(len(heads), inner)
        for name in (inner.names or ())[:-1]:
            above[name] = (tails if name in ("last", "end") else heads)[name]
        levels.insert(0, above)
    parts: list[bytes] = []
    for number, level in enumerate(levels, 1):
        is_leaf = number == len(levels)
        at += sum(_node_bytes(level))
        if not is_leaf:
            sizes = _node_bytes(levels[number])
            level["at"] = at + np.cumsum([0, *sizes[:-1]])
        for begin in range(0, len(level), _NODE_ITEMS):
            items = level[begin : begin + _NODE_ITEMS]
            parts += [_NODE_HEADER.pack(is_leaf, 0, len(items)), items.tobytes()]
    return b"".join(parts)


def _node_bytes(level: NDArray[np.void]) -> list[int]:
    """Return the bytes of each node of a level."""
    return [
        _NODE_HEADER.size + level.itemsize * min(_NODE_ITEMS, len(level) - begin)
        for begin in range(0, len(level), _NODE_ITEMS)
    ]
