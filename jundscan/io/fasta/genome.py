"""The genome, from FASTA: lengths, runs of unknown bases, and codes block by block.

A plain FASTA is read by its index (``.fai``, built when missing or stale), so a region costs only
its own bases; so is a bgzipped one that has both its indexes. Any other is streamed, once for lengths
and unknown bases and once for each call of :meth:`Genome.blocks`. Memory holds one block, whatever the size of
genome and chromosomes.
"""

from __future__ import annotations

import codecs
import sys
import weakref
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import encode
from jundscan.dna.regions import Region
from jundscan.dna.windows import together
from jundscan.errors import FastaError
from jundscan.io.fasta.faidx import FaiRecord, check_line_end
from jundscan.io.fasta.index import Index, bgzip_index, check_index, plain_index
from jundscan.io.fasta.random_access import BgzipReader, ReadAhead, index_mismatch
from jundscan.io.fasta.stream import LINE_ENDS, NO_RUNS, READ_BYTES, checked_letters, count_bases, records, unknown_runs
from jundscan.io.file_kinds import check_address
from jundscan.io.files import STDIN, copy_to_temporary_file, kind_check, open_unpacked, packing, read_errors


class Block(NamedTuple):
    """Consecutive bases of a chromosome.

    Attributes
    ----------
    chrom : str
        The chromosome.
    start : int
        Position of the first base, 0-based.
    codes : numpy.ndarray, shape=(bases,), dtype=uint8
        Read-only codes 0 to 4, see :mod:`jundscan.dna.letters`.
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

    _index: Index | None = None

    def __init__(
        self,
        path: Path,
        file: Path | None = None,
        index: Index | None = None,
        gzip_blocks: NDArray[np.int64] | None = None,
    ) -> None:
        self.path = path
        self._file = file or path  # where the bytes are: a copy of what came through a pipe
        self._index = index  # None: the file is streamed
        self._gzip_blocks = gzip_blocks
        if self._file is not path:
            weakref.finalize(self, self._file.unlink, missing_ok=True)

    @property
    def seekable(self) -> bool:
        """Whether a region costs its own bases only; a packed file without indexes is read from its start."""
        return self._index is not None

    @cached_property
    def chromsizes(self) -> ChromSizes:
        """Length of every chromosome, bases, in file order; a file without index is read through for them."""
        if self._index is None:
            sizes = self._survey[0]
        else:
            sizes = {chrom: placed.length for chrom, placed in self._index.items()}
        return ChromSizes(sizes)

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

    def blocks(self, regions: Sequence[Region], block_bases: int = READ_BYTES) -> Iterator[Block]:
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
        self._check_regions(regions)
        if self._index is None:
            return self._streamed(regions, block_bases)
        return self._indexed(self._index, regions, block_bases)

    def bases(self, regions: Sequence[Region]) -> Iterator[NDArray[np.uint8]]:
        """Read regions one after another, without telling where one ends: many small ones at a time.

        Parameters
        ----------
        regions : sequence of Region
            As for :meth:`blocks`, which raises the same.

        Yields
        ------
        numpy.ndarray, shape=(bases,), dtype=uint8
            Codes, cut anywhere.
        """
        if self._index is None:
            return (block.codes for block in self.blocks(regions))
        self._check_regions(regions)
        return self._indexed_bases(self._index, regions)

    def _check_regions(self, regions: Sequence[Region]) -> None:
        sizes = self.chromsizes
        chrom, end, rank = "", 0, 0
        for region in regions:
            if region.chrom != chrom:
                end, rank, before = 0, self._ranks[region.chrom], rank
                chrom = region.chrom
                if rank < before:
                    raise ValueError(f"region {region} precedes the one before it")
            if region.start < end:
                raise ValueError(f"region {region} overlaps or precedes the one before it")
            if not 0 <= region.start <= region.end <= sizes[chrom]:
                raise ValueError(f"region {region} is not inside its chromosome")
            end = region.end

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """Number of each chromosome, from 1."""
        return {chrom: number for number, chrom in enumerate(self.chromsizes, 1)}

    @cached_property
    def _in_file(self) -> tuple[list[tuple[str, FaiRecord]], dict[str, int]]:
        """The index as the sequences lie in the file, and the number of each in it."""
        order = sorted((self._index or {}).items(), key=lambda item: item[1].offset)
        return order, {name: number for number, (name, _) in enumerate(order)}

    @contextmanager
    def _opened(self, regions: Sequence[Region]) -> Iterator[ReadAhead]:
        """Open the file, and look whether these regions lie where the index says."""
        with read_errors(self.path, FastaError), self._file.open("rb") as opened:
            file = opened if self._gzip_blocks is None else BgzipReader(opened, self._gzip_blocks, self.path)
            order, numbers = self._in_file
            wanted = np.array([numbers[chrom] for chrom in dict.fromkeys(region.chrom for region in regions)], np.intp)
            check_index(file, order, wanted, self.path)
            yield ReadAhead(file)

    def _indexed(self, index: Index, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        with self._opened(regions) as file:
            for chrom, first, last in regions:
                for start in range(first, last, block_bases):
                    end = min(start + block_bases, last)
                    yield Block(chrom, start, self._read(file, index, [(chrom, start, end)]))

    def _indexed_bases(self, index: Index, regions: Sequence[Region]) -> Iterator[NDArray[np.uint8]]:
        pieces = [
            (chrom, start, min(start + READ_BYTES, last))
            for chrom, first, last in regions
            for start in range(first, last, READ_BYTES)
        ]
        sizes = np.array([end - start for _, start, end in pieces], np.int64)
        with self._opened(regions) as file:
            for begin, stop in together(sizes, READ_BYTES):
                yield self._read(file, index, pieces[begin:stop])

    def _read(self, file: ReadAhead, index: Index, pieces: Sequence[tuple[str, int, int]]) -> NDArray[np.uint8]:
        """Read pieces of chromosomes, (chromosome, start, end), one after another."""
        parts = []
        for chrom, start, end in pieces:
            placed = index[chrom]
            letters = checked_letters(file.read(placed.byte(start), placed.byte(end)), chrom, self.path)
            parts.append(encode(letters, drop=LINE_ENDS))
            if len(parts[-1]) != end - start:
                raise index_mismatch(self.path)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _streamed(self, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        waiting: dict[str, deque[Region]] = defaultdict(deque)
        for region in regions:
            waiting[region.chrom].append(region)
        current, end = "", 0
        for chrom, letters in records(self._file, self.path):
            if not waiting:
                return
            start = end if chrom == current else 0
            current, end = chrom, start + count_bases(letters)
            queue = waiting.get(chrom)
            if not queue or queue[0].start >= end:
                continue
            codes = encode(letters, drop=LINE_ENDS)
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
        for chrom, letters in records(self._file, self.path):
            start = lengths.setdefault(chrom, 0)
            lengths[chrom] += (bases := count_bases(letters))
            parts = runs.setdefault(chrom, [])
            if len(unknown := unknown_runs(letters, bases)):
                parts.append(unknown + start)
        if self._index is not None and lengths != dict(self.chromsizes):
            raise index_mismatch(self.path)
        return lengths, {
            chrom: merge_intervals(np.concatenate(parts)) if parts else NO_RUNS for chrom, parts in runs.items()
        }


def open_genome(path: str | Path) -> Genome:
    """Open a FASTA file: plain, gzipped or bgzipped, by content and not by name; ``-`` and pipes too.

    The index of a plain file is written beside it, or kept in memory where that folder cannot be written to; one whose
    lines are of unequal length has none, and is read as a gzipped one is. Indexes of
    a bgzipped one are used where they are. What comes from standard input or through a pipe is copied to a temporary
    file, because it is needed twice.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; ``-`` is standard input.

    Returns
    -------
    Genome
        With the lengths of an indexed file known already.

    Raises
    ------
    FastaError
        When the file is missing, unreadable, cut short, empty or no FASTA, or cannot be indexed: names that repeat.
    """
    path = Path(path)
    check_address(path, FastaError, is_stdin_read=True)
    if path == STDIN and sys.stdin.isatty():
        raise FastaError(path, "standard input is a terminal; send a FASTA to it, or name a file")
    with read_errors(path, FastaError):
        copy = copy_to_temporary_file(path)
    try:
        return _open_file(path, copy or path)
    except BaseException:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise


def _open_file(path: Path, file: Path) -> Genome:
    with read_errors(path, FastaError), open_unpacked(file, kind_check(path, "genome", FastaError)) as letters:
        packed = packing(file)
        start = letters.read(READ_BYTES).lstrip()
    if not start:
        raise FastaError(path, "is empty")
    if start.startswith(codecs.BOM_UTF8 + b">"):
        raise FastaError(path, "starts with a byte-order mark, which is no part of a FASTA; save it as plain text")
    if not start.startswith(b">"):
        raise FastaError(path, "not a FASTA file: its first line must be a '>' and a name")
    check_line_end(start.partition(b"\n")[0], path)
    if packed is None and path.suffix.lower() in (".gz", ".bgz"):
        raise FastaError(path, "is named as if it were compressed, but is not; rename it")
    if packed is None:
        return Genome(path, file, plain_index(file, None if file is path else path))
    index, blocks = (bgzip_index(file) if packed == "bgzip" else None) or (None, None)
    return Genome(path, file, index, blocks)
