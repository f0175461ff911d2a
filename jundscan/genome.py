"""The genome, from FASTA: lengths, runs of unknown bases, and codes block by block.

A plain FASTA is read by its index (``.fai``, made by pyfaidx when missing or stale), so a region costs only
its own bases; so is a bgzipped one that has both its indexes. Any other packed one is streamed, once for lengths
and unknown bases and once for each call of :meth:`Genome.blocks`. Memory holds one block, whatever the size of
genome and chromosomes.
"""

from __future__ import annotations

import sys
import weakref
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import ALPHABET, UNKNOWN, encode
from jundscan.errors import FastaError
from jundscan.fasta_index import BgzipReader, Index, bgzip_index, check_index, index_mismatch, name_in, plain_index
from jundscan.files import STDIN, open_unpacked, packing, read_errors, spooled
from jundscan.names import ChromSizes, read_aliases
from jundscan.windows import Region, merge_intervals

_READ_BYTES = 1 << 20
_LONGEST_HEADER = 1 << 20
_AHEAD_BYTES, _NEAR_BYTES = 1 << 18, 1 << 12
_LINE_ENDS = b"\r\n"
_NO_RUNS = np.empty((0, 2), dtype=np.int64)
_NOT_UNKNOWN = ALPHABET.encode() + ALPHABET.lower().encode() + _LINE_ENDS


class Block(NamedTuple):
    """Consecutive bases of a chromosome.

    Attributes
    ----------
    chrom : str
        The chromosome.
    start : int
        Position of the first base, 0-based.
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        Read-only codes 0 to 4, see :mod:`jundscan.encoding`.
    """

    chrom: str
    start: int
    codes: NDArray[np.uint8]


class Genome:
    """A FASTA file, from :func:`open_genome`; it keeps no file open between calls.

    Attributes
    ----------
    path : pathlib.Path
        The file as it was named; ``-`` is standard input.
    """

    def __init__(
        self,
        path: Path,
        file: Path | None = None,
        index: Index | None = None,
        gzip_blocks: NDArray[np.int64] | None = None,
        alias: str | Path | None = None,
    ) -> None:
        self.path = path
        self._file = file or path  # where the bytes are: a copy of what came through a pipe
        self._index = index  # None: the file is streamed
        self._gzip_blocks = gzip_blocks
        self._alias = alias
        if self._file is not path:
            weakref.finalize(self, self._file.unlink, missing_ok=True)

    @property
    def seekable(self) -> bool:
        """Whether a region costs its own bases only, and not those before it."""
        return self._index is not None

    @property
    def is_streamed(self) -> bool:
        """Whether a region costs all that lies before it: a packed file without indexes."""
        return self._index is None

    @cached_property
    def chromsizes(self) -> ChromSizes:
        """Length of every chromosome, bases, in file order; a file without index is read through for them.

        Raises
        ------
        TrackError
            When the file of aliases cannot be used.
        """
        if self._index is None:
            sizes = self._survey[0]
        else:
            sizes = {chrom: placed.length for chrom, placed in self._index.items()}
        return ChromSizes(sizes, None if self._alias is None else read_aliases(self._alias, sizes))

    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """Return the maximal runs of anything but ACGT in either case; the first call reads the file through.

        Parameters
        ----------
        chrom : str
            A chromosome of this genome.

        Returns
        -------
        numpy.ndarray, shape=(n, 2), dtype=int64
            Starts and ends, sorted, disjoint.

        Raises
        ------
        FastaError
            When the file cannot be read, or is not the one that its index describes.
        """
        return self._survey[1][chrom]

    def blocks(self, regions: Sequence[Region], block_bases: int = _READ_BYTES) -> Iterator[Block]:
        """Read regions piece by piece.

        Parameters
        ----------
        regions : sequence of Region
            In the order of the file, disjoint.
        block_bases : int
            The most bases in a block.

        Yields
        ------
        Block
            Consecutive blocks that cover exactly the regions, in their order; none spans two regions.

        Raises
        ------
        ValueError
            When the regions are out of order, overlap or reach beyond their chromosomes.
        FastaError
            When the file cannot be read, or is not the one that its index describes.
        """
        rank = {chrom: number for number, chrom in enumerate(self.chromsizes)}
        previous = (-1, 0)
        for region in regions:
            if (rank[region.chrom], region.start) < previous:
                raise ValueError(f"region {region} overlaps or precedes the one before it")
            if not 0 <= region.start <= region.end <= self.chromsizes[region.chrom]:
                raise ValueError(f"region {region} is not inside its chromosome")
            previous = (rank[region.chrom], region.end)
        if self._index is None:
            return self._streamed(regions, block_bases)
        return self._indexed(self._index, regions, block_bases)

    def _indexed(self, index: Index, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        held, held_start = b"", 0
        with read_errors(self.path, FastaError), self._file.open("rb") as opened:
            file = opened if self._gzip_blocks is None else BgzipReader(opened, self._gzip_blocks, self.path)
            check_index(file, index, {region.chrom for region in regions}, self.path)
            for region, following in zip_longest(regions, regions[1:]):
                placed = index[region.chrom]
                for start in range(region.start, region.end, block_bases):
                    end = min(start + block_bases, region.end)
                    first_byte, end_byte = placed.byte(start), placed.byte(end)
                    if not held_start <= first_byte <= end_byte <= held_start + len(held):
                        # small scaffolds in a row are read together
                        near = following and 0 <= index[following.chrom].byte(following.start) - end_byte <= _NEAR_BYTES
                        file.seek(first_byte)
                        held, held_start = file.read(max(end_byte - first_byte, _AHEAD_BYTES * bool(near))), first_byte
                    letters = held[first_byte - held_start : end_byte - held_start]
                    codes = encode(_letters(letters, region.chrom, self.path), drop=_LINE_ENDS)
                    if len(codes) != end - start:
                        raise index_mismatch(self.path)
                    yield Block(region.chrom, start, codes)

    def _streamed(self, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        waiting: dict[str, deque[Region]] = defaultdict(deque)
        for region in regions:
            waiting[region.chrom].append(region)
        current, end = "", 0
        for chrom, letters in _records(self._file, self.path):
            if not waiting:
                return
            start = end if chrom == current else 0
            current, end = chrom, start + _bases(letters)
            queue = waiting.get(chrom)
            if not queue or queue[0].start >= end:
                continue
            codes = encode(letters, drop=_LINE_ENDS)
            while queue and queue[0].start < end:
                left, right = max(queue[0].start, start), min(queue[0].end, end)
                for first in range(left, right, block_bases):
                    stop = min(first + block_bases, right)
                    yield Block(chrom, first, codes[first - start : stop - start])
                if queue[0].end > end:
                    break
                queue.popleft()
            if not queue:
                del waiting[chrom]

    @cached_property
    def _survey(self) -> tuple[dict[str, int], dict[str, NDArray[np.int64]]]:
        """Lengths and unknown runs of all chromosomes, in one pass."""
        lengths: dict[str, int] = {}
        runs: dict[str, list[NDArray[np.int64]]] = {}
        for chrom, letters in _records(self._file, self.path):
            start = lengths.setdefault(chrom, 0)
            lengths[chrom] += _bases(letters)
            parts = runs.setdefault(chrom, [])
            if len(unknown := _unknown_runs(letters)):
                parts.append(unknown + start)
        if self._index is not None and lengths != dict(self.chromsizes):
            raise index_mismatch(self.path)
        return lengths, {
            chrom: merge_intervals(np.concatenate(parts)) if parts else _NO_RUNS for chrom, parts in runs.items()
        }


def open_genome(path: str | Path, alias: str | Path | None = None) -> Genome:
    """Open a FASTA file: plain, gzipped or bgzipped, by content and not by name; ``-`` and pipes too.

    The index of a plain file is written beside it, or kept in memory where that folder cannot be written to. Those of
    a bgzipped one are used where they are. What comes from standard input or through a pipe is copied to a temporary
    file, because it is needed twice.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; ``-`` is standard input.
    alias : str or pathlib.Path, optional
        Other names of the chromosomes, see :func:`jundscan.names.read_aliases`.

    Returns
    -------
    Genome
        With the lengths of an indexed file known already.

    Raises
    ------
    FastaError
        When the file is missing, unreadable, empty or no FASTA, or cannot be indexed: names that repeat or
        are not UTF-8, lines of unequal length.
    """
    path = Path(path)
    if path == STDIN and sys.stdin.isatty():
        raise FastaError(path, "standard input is a terminal; send a FASTA to it, or name a file")
    with read_errors(path, FastaError):
        copy = spooled(path)
    try:
        return _open_file(path, copy or path, alias)
    except BaseException:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise


def _open_file(path: Path, file: Path, alias: str | Path | None) -> Genome:
    with read_errors(path, FastaError), open_unpacked(file) as letters:
        packed = packing(file)
        start = letters.read(_READ_BYTES).lstrip()
    if not start:
        raise FastaError(path, "is empty")
    if not start.startswith(b">"):
        raise FastaError(path, "not a FASTA file: its first line must be a '>' and a name")
    if packed is None and path.suffix.lower() in (".gz", ".bgz"):
        raise FastaError(path, "is named as if it were compressed, but is not; rename it")
    if packed is None:
        return Genome(path, file, plain_index(file, None if file is path else path), alias=alias)
    index, blocks = (bgzip_index(file) if packed == "bgzip" else None) or (None, None)
    return Genome(path, file, index, blocks, alias)


def _records(file: Path, path: Path) -> Iterator[tuple[str, bytes]]:
    """Stream a FASTA: each record's name with pieces of its letters (line ends included), at least one."""
    name, previous = "", b"\n"
    names: set[str] = set()
    with read_errors(path, FastaError), open_unpacked(file) as unpacked:
        while data := unpacked.read(_READ_BYTES):
            start = 0
            while (header := data.find(b">", start)) >= 0:
                if (data[header - 1 : header] if header else previous) not in (b"\n", b"\r"):
                    raise FastaError(path, f"a '>' inside the sequence of {name}")
                if header > start and name:
                    yield name, _letters(data[start:header], name, path)
                start = data.find(b"\n", header) + 1
                if not start:  # the line goes on behind what was read
                    rest = unpacked.readline(_LONGEST_HEADER)
                    if len(rest) == _LONGEST_HEADER:
                        raise FastaError(path, f"a '>' line of more than {_LONGEST_HEADER:,} bytes; shorten it")
                    data += rest
                    start = len(data)
                name = name_in(data[header + 1 : start], path)
                if name in names:
                    raise FastaError(path, f"two sequences are named {name}; names must be unique")
                names.add(name)
                yield name, b""
            if start < len(data):
                yield name, _letters(data[start:], name, path)
            previous = data[-1:]


def _letters(data: bytes, name: str, path: Path) -> bytes:
    """Return pieces of a sequence as they are; blanks would be counted as bases, and move all that follow."""
    if b" " in data or b"\t" in data:
        raise FastaError(path, f"a blank inside the sequence of {name}; remove it")
    return data


def _bases(letters: bytes) -> int:
    """Count the letters that are not line ends."""
    return len(letters) - letters.count(b"\n") - letters.count(b"\r")


def _unknown_runs(letters: bytes) -> NDArray[np.int64]:
    """Find the runs of unknown bases, (n, 2), among letters with line ends."""
    unknown = len(letters.translate(None, delete=_NOT_UNKNOWN))
    # nearly every piece of a genome is wholly known or wholly unknown, which two quick counts tell
    if unknown == 0:
        return _NO_RUNS
    if unknown == _bases(letters):
        return np.array([[0, unknown]], dtype=np.int64)
    is_unknown = encode(letters, drop=_LINE_ENDS) == UNKNOWN
    return np.flatnonzero(np.diff(is_unknown, prepend=False, append=False)).reshape(-1, 2)
