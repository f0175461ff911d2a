"""Genomes and tracks that are arrays already, for callers from Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jundscan.data_stretches import BIN_BASES
from jundscan.encoding import UNKNOWN, encode
from jundscan.errors import FastaError, TrackError
from jundscan.genome import Block, Genome
from jundscan.names import ChromSizes
from jundscan.tracks import PerBaseTrack
from jundscan.windows import Region

Sequences: TypeAlias = "Mapping[str, str | bytes | NDArray[np.integer[Any]]] | NDArray[np.integer[Any]]"
Values: TypeAlias = "Mapping[str, ArrayLike] | NDArray[np.floating[Any]]"

ONE = "sequence"
"""Name of an array that comes alone."""

_GENOME, _TRACK = Path("(sequences in memory)"), Path("(accessibility in memory)")


class MemoryGenome(Genome):
    """Sequences by name, with the interface of a FASTA file.

    Parameters
    ----------
    sequences : mapping of str to (str, bytes or numpy.ndarray), or numpy.ndarray
        Letters of either case, or codes 0 to 4 (see :mod:`jundscan.encoding`), shape=(length,).

    Raises
    ------
    FastaError
        When there is no sequence, or one is neither letters nor codes.
    """

    def __init__(self, sequences: Sequences) -> None:
        super().__init__(_GENOME)
        named = sequences if isinstance(sequences, Mapping) else {ONE: sequences}
        if not named:
            raise FastaError(_GENOME, "there is none")
        self._codes = {chrom: _codes(chrom, sequence) for chrom, sequence in named.items()}

    @cached_property
    def chromsizes(self) -> ChromSizes:
        """Length of every sequence, bases."""
        return ChromSizes({chrom: len(codes) for chrom, codes in self._codes.items()})

    @property
    def seekable(self) -> bool:
        """Any region is at hand."""
        return True

    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """Return the maximal runs of unknown bases, (n, 2)."""
        unknown = np.concatenate([[False], self._codes[chrom] == UNKNOWN, [False]])
        return np.flatnonzero(np.diff(unknown)).reshape(-1, 2).astype(np.int64)

    def blocks(self, regions: Sequence[Region], block_bases: int = 1 << 20) -> Iterator[Block]:
        """Yield views of the regions, piece by piece."""
        for region in regions:
            for start in range(region.start, region.end, block_bases):
                codes = self._codes[region.chrom][start : min(start + block_bases, region.end)]
                yield Block(region.chrom, start, codes)


class MemoryTrack(PerBaseTrack):
    """Values by name, one for each base, with the interface of a track file.

    Parameters
    ----------
    values : mapping of str to array_like, or numpy.ndarray
        shape=(length,), finite, not negative.

    Raises
    ------
    TrackError
        When there is none, or one is no row of such numbers.
    """

    def __init__(self, values: Values) -> None:
        self.path = _TRACK
        named = values if isinstance(values, Mapping) else {ONE: values}
        if not named:
            raise TrackError(_TRACK, "there is none; leave accessibility out to scan on sequence alone")
        self._rows = {chrom: _row(chrom, row) for chrom, row in named.items()}
        self.sizes = {chrom: len(row) for chrom, row in self._rows.items()}
        self.names = tuple(self._rows)

    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        row = self._rows[chrom]
        inside = row[max(start, 0) : max(end, 0)]
        if len(inside) == end - start:
            return inside
        values = np.zeros(end - start)
        values[max(-start, 0) : max(-start, 0) + len(inside)] = inside
        return values

    def bases_with_data(self) -> dict[str, int]:
        """Return the bases with a value above 0."""
        return {chrom: int(np.count_nonzero(row)) for chrom, row in self._rows.items()}

    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        row = self._rows[chrom]
        return np.array([not row[start : start + BIN_BASES].any() for start in range(0, len(row), BIN_BASES)], np.bool_)


def _codes(chrom: str, sequence: str | bytes | NDArray[Any]) -> NDArray[np.uint8]:
    if isinstance(sequence, str):
        sequence = sequence.encode("ascii", "replace")
    if isinstance(sequence, bytes):
        return encode(sequence)
    codes = np.asarray(sequence)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise FastaError(_GENOME, f"{chrom} is {codes.dtype} {codes.shape}, not letters or a row of codes")
    if len(codes) and not 0 <= codes.min() <= codes.max() <= UNKNOWN:
        raise FastaError(_GENOME, f"{chrom} has codes other than 0 to {UNKNOWN}: A 0, C 1, G 2, T 3, anything else 4")
    return codes.astype(np.uint8, copy=False)


def _row(chrom: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        row = np.asarray(values, np.float64)
    except (TypeError, ValueError) as err:
        raise TrackError(_TRACK, f"{chrom} holds other things than numbers ({err})") from err
    if row.ndim != 1 or not (np.isfinite(row) & (row >= 0)).all():
        raise TrackError(_TRACK, f"{chrom}: needs one number for each base, none negative and all finite")
    return row
