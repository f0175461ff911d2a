"""Bytes of a FASTA at any place: blocks of a bgzipped file looked up, what is near read ahead."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import FastaError
from jundscan.io.files import BLOCK_START, unpacking

_SIZE_BYTES = 4
_AHEAD_BYTES, _NEAR_BYTES = 1 << 18, 1 << 12
SKIPPED_BYTES = 1 << 18
"""Up to so many unpacked bytes are read and dropped rather than looked up: a few blocks, or a header line."""


class BgzipReader:
    """The unpacked bytes of a bgzipped file, from any place.

    Parameters
    ----------
    file : BinaryIO
        The packed file.
    blocks : numpy.ndarray, shape=(n, 2), dtype=int64
        From :func:`jundscan.io.fasta.index.bgzip_index`.
    path : pathlib.Path
        The file, for messages.
    """

    def __init__(self, file: BinaryIO, blocks: NDArray[np.int64], path: Path) -> None:
        self._file = file
        self._blocks = blocks
        self._path = path
        self._unpacked = unpacking(file)
        self._at = 0

    def seek(self, place: int) -> None:
        """Go to a byte of the unpacked file.

        Raises
        ------
        FastaError
            When the blocks do not lie where their index says.
        """
        if not 0 <= place - self._at <= SKIPPED_BYTES:
            block = int(np.searchsorted(self._blocks[:, 1], place, side="right")) - 1
            packed, self._at = self._blocks[block].tolist()
            if block + 1 < len(self._blocks):  # a block ends with its unpacked size, and then comes the next one
                following, unpacked = self._blocks[block + 1].tolist()
                self._file.seek(following - _SIZE_BYTES)
                size = self._file.read(_SIZE_BYTES)
                if int.from_bytes(size, "little") != unpacked - self._at or self._file.read(4) != BLOCK_START:
                    raise index_mismatch(self._path, ".gzi")
            self._file.seek(packed)
            self._unpacked = unpacking(self._file)
        self.read(place - self._at)

    def read(self, size: int) -> bytes:
        """Read so many unpacked bytes, less only at the end of the file."""
        data = self._unpacked.read(size)
        self._at += len(data)
        return data


class ReadAhead:
    """A file read forwards, a little here and a little there: what is near to the last place comes with it.

    A system call for each of a hundred thousand scaffolds would cost more than their bases.

    Parameters
    ----------
    file : BinaryIO or BgzipReader
    """

    def __init__(self, file: BinaryIO | BgzipReader) -> None:
        self._file = file
        self._held, self._start, self._end = b"", 0, 0

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to before ``end``, less only at the end of the file."""
        if not self._start <= start <= end <= self._end:
            near = 0 <= start - self._end <= _NEAR_BYTES
            self._file.seek(start)
            self._held = self._file.read(max(end - start, _AHEAD_BYTES if near else 0))
            self._start, self._end = start, start + len(self._held)
        return self._held[start - self._start : end - self._start]


def index_mismatch(path: Path, ending: str = ".fai") -> FastaError:
    """Make the error of an index that describes another file."""
    return FastaError(path, f"is not the file that {path.name}{ending} describes; delete that index")
