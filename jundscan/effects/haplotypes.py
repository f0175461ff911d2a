"""Find the windows of both haplotypes that a variant touches, pair them, and splice the bases of the alternative one.

A trimmed variant replaces the reference bases from ``start`` on by an alternative allele. Either allele can be empty. A
window is touched when it holds a base of its haplotype's allele. Where the allele is empty, a window is touched when it
holds both bases beside the gap. So the touched windows start at ``start - 100`` to ``start + allele - 1``, within the
haplotype. A gap at the end of a haplotype has a base on one side only. There, the outermost window is touched. Windows
with the allele in a flank only are not touched, but the flanks of a touched window come from its own haplotype.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jundscan.dna import windows
from jundscan.dna.letters import WINDOW_LENGTH

Int64Array = NDArray[np.int64]

BLOCK_WINDOWS = WINDOW_LENGTH
"""Windows per block: a substitution touches 101."""
REACH = WINDOW_LENGTH - 1
"""Bases to each side of a variant that share a window with it."""
_MAX_SPLICED_BASES = 1 << 20
"""Maximum bases spliced at a time where an allele moves them, because each takes an index of 8 bytes."""


def block_bases(flank: int) -> int:
    """Return the number of bases of a block: those of its windows, and a flank on each side."""
    return BLOCK_WINDOWS + WINDOW_LENGTH - 1 + 2 * flank


class Sites(NamedTuple):
    """Trimmed variants; row i of every array is variant i. Coordinates can run through several chromosomes.

    Attributes
    ----------
    start : numpy.ndarray, shape=(n,), dtype=int64
        First base replaced. For an insertion, the base behind it.
    ref_bases, alt_bases : numpy.ndarray, shape=(n,), dtype=int64
        Lengths of the alleles.
    chrom_start, chrom_end : numpy.ndarray, shape=(n,), dtype=int64
        First base of the variant's chromosome on the reference, and the position behind its last base.
    """

    start: Int64Array
    ref_bases: Int64Array
    alt_bases: Int64Array
    chrom_start: Int64Array
    chrom_end: Int64Array

    @property
    def is_indel(self) -> NDArray[np.bool_]:
        """Whether one allele is empty."""
        return np.asarray((self.ref_bases == 0) | (self.alt_bases == 0))

    def take(self, rows: NDArray[np.intp]) -> Sites:
        """Return the variants in these rows."""
        return Sites._make(column[rows] for column in self)

    def touched_reference(self) -> tuple[Int64Array, Int64Array]:
        """Return the starts of the first and the last touched window on the reference."""
        return self._touched_windows(self.ref_bases, self.chrom_end)

    def touched_alternative(self) -> tuple[Int64Array, Int64Array]:
        """Return the starts of the first and the last touched window on the alternative, in its own coordinates."""
        return self._touched_windows(self.alt_bases, self.chrom_end - self.ref_bases + self.alt_bases)

    def too_short(self) -> NDArray[np.bool_]:
        """Return whether either haplotype is shorter than a window."""
        change = np.minimum(self.alt_bases - self.ref_bases, 0)
        return np.asarray(self.chrom_end - self.chrom_start + change < WINDOW_LENGTH)

    def _touched_windows(self, allele: Int64Array, end: Int64Array) -> tuple[Int64Array, Int64Array]:
        outermost = end - WINDOW_LENGTH
        first = np.minimum(np.maximum(self.start - REACH, self.chrom_start), outermost)
        last = np.maximum(np.minimum(self.start + allele - 1, outermost), self.chrom_start)
        return first, last


def find_partners(
    windows: Int64Array, start: Int64Array, own: Int64Array, other: Int64Array, first: Int64Array, last: Int64Array
) -> Int64Array:
    """Find the partner of each touched window on the other haplotype.

    A window that starts before the variant has the partner with the same start. A window that starts inside its allele
    and ends behind it has the partner with the same end. A window inside its allele has the partner with the nearest
    start.

    Parameters
    ----------
    windows : numpy.ndarray, shape=(n,), dtype=int64
        Starts, each on its own haplotype.
    start, own, other : numpy.ndarray, shape=(n,), dtype=int64
        The variant: its start, and the lengths of its allele on this haplotype and on the other one.
    first, last : numpy.ndarray, shape=(n,), dtype=int64
        First and last touched window on the other haplotype. Partners beyond them are moved to the nearer of the two.

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=int64
        Starts on the other haplotype.
    """
    ends_behind = (windows >= start) & (windows + WINDOW_LENGTH > start + own)
    return np.clip(np.where(ends_behind, windows - own + other, windows), first, last)


def expand_ranges(first: Int64Array, last: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """List the integers from ``first`` to ``last``, both included, of every range. No range may be empty.

    Returns
    -------
    row, value : numpy.ndarray, shape=(total,), dtype=int64
        Number of the range, and integer.
    begin : numpy.ndarray, shape=(ranges,), dtype=int64
        Index of the first integer of each range.

    Examples
    --------
    >>> [column.tolist() for column in expand_ranges(np.array([5, 0]), np.array([6, 2]))]
    [[0, 0, 1, 1, 1], [5, 6, 0, 1, 2], [0, 2]]
    """
    counts = last - first + 1
    begin = np.cumsum(counts) - counts
    row = np.repeat(np.arange(len(counts)), counts)
    return row, windows.concatenate_ranges(first, counts, 1), begin


class Blocks(NamedTuple):
    """Ranges of windows cut into blocks of :data:`BLOCK_WINDOWS`. The last block of a range may reach beyond it.

    Attributes
    ----------
    row : numpy.ndarray, shape=(blocks,), dtype=int64
        Number of the range that a block belongs to.
    start : numpy.ndarray, shape=(blocks,), dtype=int64
        First window of a block.
    shift : numpy.ndarray, shape=(ranges,), dtype=int64
        Added to a window's start, gives its index among the windows of all blocks.
    """

    row: Int64Array
    start: Int64Array
    shift: Int64Array


def cut_into_blocks(first: Int64Array, last: Int64Array) -> Blocks:
    """Cut ranges of windows, each from ``first`` to ``last``, into blocks."""
    counts = (last - first) // BLOCK_WINDOWS + 1
    before = np.cumsum(counts) - counts
    row = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(row)) - before[row]
    return Blocks(row, first[row] + number * BLOCK_WINDOWS, before * BLOCK_WINDOWS - first)


def splice(
    reference: NDArray[np.uint8],
    shift: Int64Array,
    alleles: NDArray[np.uint8],
    allele_begin: Int64Array,
    sites: Sites,
    blocks: Blocks,
    flank: int,
) -> NDArray[np.uint8]:
    """Splice the bases of blocks of alternative haplotypes, with their flanks.

    Parameters
    ----------
    reference : numpy.ndarray, dtype=uint8
        Codes of the reference around the variants.
    shift : numpy.ndarray, shape=(n,), dtype=int64
        Added to a position near a variant, gives its index in ``reference``.
    alleles : numpy.ndarray, dtype=uint8
        Codes of all alternative alleles.
    allele_begin : numpy.ndarray, shape=(n,), dtype=int64
        Index of the first base of each allele.
    sites : Sites
    blocks : Blocks
        Of the alternative haplotypes of ``sites``.
    flank : int
        Bases to each side of a block.

    Returns
    -------
    numpy.ndarray, shape=(blocks, block_bases(flank)), dtype=uint8
        Row i begins ``flank`` bases before ``blocks.start[i]``.
    """
    length = block_bases(flank)
    codes = np.empty((len(blocks.row), length), np.uint8)
    in_place = (sites.alt_bases == sites.ref_bases)[blocks.row]
    # most variants move no base: copy the reference, and write the few bases of the allele over it
    at = np.flatnonzero(in_place)
    row, before = blocks.row[at], (blocks.start - flank - sites.start[blocks.row])[at]
    codes[at] = read_bases(reference, blocks.start[at] - flank + shift[row], length)
    first, last = np.maximum(before, 0), np.minimum(before + length, sites.alt_bases[row]) - 1
    with_allele = np.flatnonzero(first <= last)
    block, base, _ = expand_ranges(first[with_allele], last[with_allele])
    block = with_allele[block]
    codes[at[block], base - before[block]] = alleles[allele_begin[row[block]] + base]

    moving, together = np.flatnonzero(~in_place), max(1, _MAX_SPLICED_BASES // length)
    for at in (moving[begin : begin + together] for begin in range(0, len(moving), together)):
        row = blocks.row[at]
        offset = (blocks.start[at] - flank - sites.start[row])[:, None] + np.arange(length)  # from the variant's start
        allele = sites.alt_bases[row][:, None]
        inside = (offset >= 0) & (offset < allele)
        position = offset + (sites.start + shift)[row][:, None]
        position += np.where(offset >= allele, (sites.ref_bases[row] - sites.alt_bases[row])[:, None], 0)
        position[inside] = 0
        moved = reference[position]
        block, base = np.nonzero(inside)
        moved[inside] = alleles[allele_begin[row[block]] + offset[block, base]]
        codes[at] = moved
    return codes


def read_bases(codes: NDArray[np.uint8], starts: Int64Array, length: int) -> NDArray[np.uint8]:
    """Copy ``length`` bases from each start on, (n, length)."""
    copied: NDArray[np.uint8] = sliding_window_view(codes, length)[starts]
    return copied
