"""Genomes in memory, for callers from Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from string import ascii_letters
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.letters import UNKNOWN, encode
from jundscan.dna.regions import Region
from jundscan.errors import FastaError, TrackError
from jundscan.io.arguments import plain_array, type_name
from jundscan.io.fasta.genome import Block, Genome
from jundscan.io.fasta.stream import LINE_ENDS, READ_BYTES, check_blanks

Sequences: TypeAlias = "Mapping[str, str | bytes | NDArray[np.integer[Any]]] | NDArray[np.integer[Any]]"

SINGLE_NAME = "sequence"
"""Name of a sequence that comes without one."""

_LETTERS = (ascii_letters + "*-.").encode()  # with the signs of gaps and stops
_GENOME = Path("(sequences in memory)")


class MemoryGenome(Genome):
    """Sequences in memory, with the interface of a FASTA file.

    Parameters
    ----------
    sequences : mapping of str to (str, bytes or numpy.ndarray), or numpy.ndarray
        Letters of either case, or codes 0 to 4 (see :mod:`jundscan.dna.letters`), shape=(length,). Line ends between
        letters are left out, as in a FASTA.

    Raises
    ------
    FastaError
        When there is no sequence, a name is no text, or a sequence is neither letters nor codes, such as the text of
        a FASTA with its names, a path, or letters with blanks.
    """

    seekable = True

    def __init__(self, sequences: Sequences) -> None:
        super().__init__(_GENOME)
        named = sequences if isinstance(sequences, Mapping) else {SINGLE_NAME: sequences}
        if not named:
            raise FastaError(_GENOME, "no sequence; pass at least one")
        check_names(named, FastaError, _GENOME)
        self._codes = {chrom: _codes(chrom, sequence) for chrom, sequence in named.items()}

    @cached_property
    def chromsizes(self) -> ChromSizes:
        """Length of every sequence, bases."""
        return ChromSizes({chrom: len(codes) for chrom, codes in self._codes.items()})

    def unknown_runs(self, chrom: str) -> NDArray[np.int64]:
        """Return the runs of unknown bases, see :meth:`jundscan.io.fasta.genome.Genome.unknown_runs`."""
        unknown = np.concatenate([[False], self._codes[chrom] == UNKNOWN, [False]])
        return np.flatnonzero(np.diff(unknown)).reshape(-1, 2).astype(np.int64)

    def blocks(self, regions: Sequence[Region], block_bases: int = READ_BYTES) -> Iterator[Block]:
        """Yield views of the regions, see :meth:`jundscan.io.fasta.genome.Genome.blocks`."""
        for region in regions:
            for start in range(region.start, region.end, block_bases):
                codes = self._codes[region.chrom][start : min(start + block_bases, region.end)]
                yield Block(region.chrom, start, codes)


def check_names(named: Mapping[Any, Any], error: type[FastaError | TrackError], where: Path) -> None:
    """Check that every name of a chromosome is text and not empty."""
    for name in named:
        if not isinstance(name, str) or not name:
            raise error(where, f"a name must be text, and {name!r} is {'empty' if name == '' else type_name(name)}")


def _codes(chrom: str, sequence: object) -> NDArray[np.uint8]:
    if isinstance(sequence, str):
        return encode(_check_letters(chrom, sequence.encode("utf-8", "replace"), LINE_ENDS), drop=LINE_ENDS)
    if isinstance(sequence, bytes | bytearray):
        return encode(_check_letters(chrom, bytes(sequence), LINE_ENDS), drop=LINE_ENDS)
    codes = plain_array(sequence)
    if codes is not None and codes.ndim == 1 and codes.dtype in ("S1", "U1"):  # one letter per item
        letters = np.char.encode(codes.astype("U1"), "ascii", "replace") if codes.dtype == "U1" else codes
        return encode(_check_letters(chrom, letters.astype("S1").tobytes()))
    if codes is None or codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise FastaError(_GENOME, f"{chrom} is {type_name(sequence)}, not letters or a row of codes")
    if len(codes) and not 0 <= codes.min() <= codes.max() <= UNKNOWN:
        raise FastaError(_GENOME, f"{chrom} has codes other than 0 to {UNKNOWN}: A 0, C 1, G 2, T 3, anything else 4")
    return codes.astype(np.uint8, copy=False)


def _check_letters(chrom: str, letters: bytes, line_ends: bytes = b"") -> bytes:
    """Return letters and line ends unchanged.

    Raises
    ------
    FastaError
        When there is any other sign, which would count as a base.
    """
    if b">" in letters:
        raise FastaError(
            _GENOME,
            f"{chrom} is the text of a FASTA with its names; hand in the sequence alone, or the path of the file",
        )
    check_blanks(letters, chrom, _GENOME)
    if other := letters.translate(None, delete=_LETTERS + line_ends):
        first = other.decode("utf-8", "replace")[0]
        raise FastaError(
            _GENOME, f"{chrom}: {first!r} is no letter of a sequence; a path is handed in alone, not under a name"
        )
    return letters
