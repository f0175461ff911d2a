"""The genome, from FASTA: chromosome lengths, runs of unknown bases, and codes block by block.

An uncompressed FASTA is read by its index (``.fai``, built when missing or stale), so a region costs only
its own bases. So is a bgzipped FASTA that has both its indexes. Any other is streamed, once for lengths
and unknown bases and once for each call of :meth:`Genome.blocks`. Memory holds one block, whatever the size of
genome and chromosomes.
"""

from __future__ import annotations

import codecs
import sys
import weakref
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.letters import encode
from jundscan.dna.regions import Region
from jundscan.dna.windows import group_consecutive
from jundscan.errors import FastaError
from jundscan.io.fasta.index import BgzipReader, Index, ReadAhead, bgzip_index, check_index, index_mismatch, plain_index
from jundscan.io.fasta.stream import (
    LINE_ENDS,
    READ_BYTES,
    Survey,
    check_blanks,
    check_line_end,
    count_bases,
    records,
    survey,
)
from jundscan.io.file_kinds import check_address
from jundscan.io.files import STDIN, compression_of, copy_to_temporary_file, head_check, open_decompressed, read_errors


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


class Genome(ABC):
    """The sequences of a genome. It keeps no file open between calls.

    Attributes
    ----------
    path : pathlib.Path
        The file as the user named it; ``-`` is standard input.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def seekable(self) -> bool:
        """Whether reading a region costs only its own bases. A streamed genome is read from its start."""

    @property
    @abstractmethod
    def chromsizes(self) -> ChromSizes:
        """Length of every chromosome, bases, in file order."""

    @abstractmethod
    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """Return the maximal runs of anything but ACGT in either case; the first call may read the whole genome.

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

    @abstractmethod
    def blocks(self, regions: Sequence[Region], block_bases: int = READ_BYTES) -> Iterator[Block]:
        """Read regions piece by piece.

        Parameters
        ----------
        regions : sequence of Region
            In file order, disjoint.
        block_bases : int
            Maximum bases of a block.

        Yields
        ------
        Block
            Consecutive blocks that cover exactly the regions, in their order. No block spans two regions.

        Raises
        ------
        ValueError
            When the regions are out of order, overlap or reach beyond their chromosomes.
        FastaError
            When the file cannot be read, or is not the one that its index describes.
        """

    def bases(self, regions: Sequence[Region]) -> Iterator[NDArray[np.uint8]]:
        """Read regions one after another, many small ones at a time.

        Parameters
        ----------
        regions : sequence of Region
            As for :meth:`blocks`, which raises the same errors.

        Yields
        ------
        numpy.ndarray, shape=(bases,), dtype=uint8
            Codes, cut anywhere.
        """
        return (block.codes for block in self.blocks(regions))


class FastaFile(Genome):
    """A FASTA file, from :func:`open_genome`.

    Parameters
    ----------
    path : pathlib.Path
        Its name for messages.
    file : pathlib.Path
        The file to read: ``path``, or a copy of what came through a pipe.
    read_bytes : int
        Bytes of uncompressed text read at once.
    """

    def __init__(self, path: Path, file: Path, read_bytes: int) -> None:
        super().__init__(path)
        self._file = file
        self._read_bytes = read_bytes

    @cached_property
    def _survey(self) -> Survey:
        return survey(self._file, self.path, self._read_bytes)

    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """Return the runs of unknown bases, see :meth:`Genome.unknown_runs`."""
        return self._survey.unknown_runs[chrom]

    def blocks(self, regions: Sequence[Region], block_bases: int = READ_BYTES) -> Iterator[Block]:
        """Read regions piece by piece, see :meth:`Genome.blocks`."""
        self._check_regions(regions)
        return self._blocks(regions, block_bases)

    @abstractmethod
    def _blocks(self, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        """Read regions that are checked."""

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """Number of each chromosome, from 1."""
        return {chrom: number for number, chrom in enumerate(self.chromsizes, 1)}

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


class IndexedFasta(FastaFile):
    """A FASTA that is read by its index.

    Parameters
    ----------
    path, file, read_bytes
        See :class:`FastaFile`.
    index : dict of str to FaiRecord
        Where each sequence lies in the uncompressed file.
    gzip_blocks : numpy.ndarray, shape=(n, 2), dtype=int64, optional
        Where the blocks of a bgzipped file lie, from :func:`jundscan.io.fasta.index.bgzip_index`.
    """

    seekable = True

    def __init__(
        self, path: Path, file: Path, read_bytes: int, index: Index, gzip_blocks: NDArray[np.int64] | None = None
    ) -> None:
        super().__init__(path, file, read_bytes)
        self._index = index
        self._gzip_blocks = gzip_blocks
        # in the order in which the sequences lie in the file
        self._records = sorted(index.items(), key=lambda item: item[1].offset)
        self._numbers = {name: number for number, (name, _) in enumerate(self._records)}

    @cached_property
    def chromsizes(self) -> ChromSizes:
        """Length of every chromosome, bases, in index order."""
        return ChromSizes({chrom: record.length for chrom, record in self._index.items()})

    @cached_property
    def _survey(self) -> Survey:
        found = survey(self._file, self.path, self._read_bytes)
        if found.lengths != dict(self.chromsizes):
            raise index_mismatch(self.path)
        return found

    def _blocks(self, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        with self._open_file(regions) as file:
            for chrom, first, last in regions:
                for start in range(first, last, block_bases):
                    end = min(start + block_bases, last)
                    yield Block(chrom, start, self._read(file, [(chrom, start, end)]))

    def bases(self, regions: Sequence[Region]) -> Iterator[NDArray[np.uint8]]:
        """Read regions one after another, many small ones at a time, see :meth:`Genome.bases`."""
        self._check_regions(regions)
        return self._bases(regions)

    def _bases(self, regions: Sequence[Region]) -> Iterator[NDArray[np.uint8]]:
        pieces = [
            (chrom, start, min(start + self._read_bytes, last))
            for chrom, first, last in regions
            for start in range(first, last, self._read_bytes)
        ]
        sizes = np.array([end - start for _, start, end in pieces], np.int64)
        with self._open_file(regions) as file:
            for begin, stop in group_consecutive(sizes, self._read_bytes):
                yield self._read(file, pieces[begin:stop])

    @contextmanager
    def _open_file(self, regions: Sequence[Region]) -> Iterator[ReadAhead]:
        """Open the file, and check that the chromosomes of these regions lie where the index says."""
        with read_errors(self.path, FastaError), self._file.open("rb") as opened:
            file = opened if self._gzip_blocks is None else BgzipReader(opened, self._gzip_blocks, self.path)
            chroms = dict.fromkeys(region.chrom for region in regions)
            check_index(file, self._records, np.array([self._numbers[chrom] for chrom in chroms], np.intp), self.path)
            yield ReadAhead(file)

    def _read(self, file: ReadAhead, pieces: Sequence[tuple[str, int, int]]) -> NDArray[np.uint8]:
        """Read pieces of chromosomes, (chromosome, start, end), one after another."""
        parts = []
        for chrom, start, end in pieces:
            record = self._index[chrom]
            letters = check_blanks(file.read(record.byte(start), record.byte(end)), chrom, self.path)
            parts.append(encode(letters, drop=LINE_ENDS))
            if len(parts[-1]) != end - start:
                raise index_mismatch(self.path)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class StreamedFasta(FastaFile):
    """A FASTA without index, which is read from its start for every call."""

    seekable = False

    @cached_property
    def chromsizes(self) -> ChromSizes:
        """Length of every chromosome, bases, in file order; reads the whole file."""
        return ChromSizes(self._survey.lengths)

    def _blocks(self, regions: Sequence[Region], block_bases: int) -> Iterator[Block]:
        waiting: dict[str, deque[Region]] = defaultdict(deque)
        for region in regions:
            waiting[region.chrom].append(region)
        current, end = "", 0
        for chrom, letters in records(self._file, self.path, self._read_bytes):
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


def open_genome(path: str | Path, read_bytes: int = READ_BYTES) -> Genome:
    """Open a FASTA file: uncompressed, gzipped or bgzipped, by content and not by name.

    The index of an uncompressed file is written beside it, or kept in memory when that folder is not writable. A file
    with lines of unequal length has no index and is streamed, as a gzipped one is. A bgzipped file is read by its
    indexes when both exist. Standard input or a pipe is copied to a temporary file, because it is read twice.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; ``-`` is standard input.
    read_bytes : int
        Bytes of uncompressed text read at once.

    Returns
    -------
    Genome

    Raises
    ------
    FastaError
        When the file is missing, unreadable, cut short, empty or no FASTA, or two sequences share a name.
    """
    path = Path(path)
    check_address(path, FastaError, is_stdin_read=True)
    if path == STDIN and sys.stdin.isatty():
        raise FastaError(path, "standard input is a terminal; send a FASTA to it, or name a file")
    with read_errors(path, FastaError):
        copy = copy_to_temporary_file(path)
    try:
        genome = _open_file(path, copy or path, read_bytes)
    except BaseException:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise
    if copy is not None:
        weakref.finalize(genome, copy.unlink, missing_ok=True)
    return genome


def _open_file(path: Path, file: Path, read_bytes: int) -> Genome:
    with read_errors(path, FastaError), open_decompressed(file, head_check(path, "genome", FastaError)) as text:
        compression = compression_of(file)
        start = text.read(READ_BYTES).lstrip()
    if not start:
        raise FastaError(path, "is empty")
    if start.startswith(codecs.BOM_UTF8 + b">"):
        raise FastaError(path, "starts with a byte-order mark, which is no part of a FASTA; save it as plain text")
    if not start.startswith(b">"):
        raise FastaError(path, "not a FASTA file: its first line must be a '>' and a name")
    check_line_end(start.partition(b"\n")[0], path)
    if compression is None:
        if path.suffix.lower() in (".gz", ".bgz"):
            raise FastaError(path, "is named as if it were compressed, but is not; rename it")
        index, blocks = plain_index(file, None if file is path else path, read_bytes), None
    else:
        index, blocks = (bgzip_index(file) if compression == "bgzip" else None) or (None, None)
    if index is None:
        return StreamedFasta(path, file, read_bytes)
    return IndexedFasta(path, file, read_bytes, index, blocks)
