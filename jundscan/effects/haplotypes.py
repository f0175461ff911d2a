"""Windows of two haplotypes, reference and alternative: which ones a variant touches, and which belong together.

A trimmed variant replaces the ``reference`` bases from ``start`` on by ``alternative`` other ones (either can be 0). A
window of a haplotype is touched when it holds a base of its allele, or, where the allele is empty, both bases beside
the gap. So the windows touched start at ``start - 100`` to ``start + allele - 1``, as far as they lie within the
haplotype. A gap at the end of a haplotype has a base on one side only: the outermost window is taken there. What a
window sees beside itself is its own haplotype too: bases of the flanks are spliced as those of the windows are, and
windows that have the allele in a flank only are not touched.
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
"""Windows scored together: the 101 of a substitution."""
REACH = WINDOW_LENGTH - 1
"""Bases on either side of a variant that share a window with it."""
_SPLICED_BASES = 1 << 20
"""Bases of haplotypes put together at a time where an allele moves them: their positions take eight bytes each."""


def block_bases(flank: int) -> int:
    """Return the bases of a block: those of its windows and a flank on either side."""
    return BLOCK_WINDOWS + WINDOW_LENGTH - 1 + 2 * flank


class Sites(NamedTuple):
    """Trimmed variants; row i of every array is variant i. Coordinates may run through several chromosomes.

    Attributes
    ----------
    start : numpy.ndarray, shape=(n,), dtype=int64
        First base replaced, or the base behind the gap that is filled.
    reference, alternative : numpy.ndarray, shape=(n,), dtype=int64
        Lengths of the alleles.
    begin, end : numpy.ndarray, shape=(n,), dtype=int64
        Where the variant's chromosome begins and ends on the reference.
    """

    start: Int64Array
    reference: Int64Array
    alternative: Int64Array
    begin: Int64Array
    end: Int64Array

    def take(self, rows: NDArray[np.intp]) -> Sites:
        """Return some of the variants."""
        return Sites._make(column[rows] for column in self)

    def touched_reference(self) -> tuple[Int64Array, Int64Array]:
        """Return the starts of the first and the last window touched on the reference."""
        return self._touched(self.reference, self.end)

    def touched_alternative(self) -> tuple[Int64Array, Int64Array]:
        """Return the starts of the first and the last window touched on the alternative, in its own coordinates."""
        return self._touched(self.alternative, self.end - self.reference + self.alternative)

    def too_short(self) -> NDArray[np.bool_]:
        """Tell where one of both haplotypes is shorter than a window."""
        shorter = np.minimum(self.alternative - self.reference, 0)
        return np.asarray(self.end - self.begin + shorter < WINDOW_LENGTH)

    def _touched(self, allele: Int64Array, end: Int64Array) -> tuple[Int64Array, Int64Array]:
        outermost = end - WINDOW_LENGTH
        first = np.minimum(np.maximum(self.start - REACH, self.begin), outermost)
        last = np.maximum(np.minimum(self.start + allele - 1, outermost), self.begin)
        return first, last


def partners(
    windows: Int64Array, start: Int64Array, own: Int64Array, other: Int64Array, first: Int64Array, last: Int64Array
) -> Int64Array:
    """Find the window of the other haplotype that a window touched by a variant belongs to.

    One that starts before the variant belongs to the one with the same start, one that starts inside its allele and
    ends behind it to the one with the same end, and one wholly inside its allele to the one with the nearest start.

    Parameters
    ----------
    windows : numpy.ndarray, shape=(n,), dtype=int64
        Their starts, each on its own haplotype.
    start, own, other : numpy.ndarray, shape=(n,), dtype=int64
        The variant: its start, the length of its allele on this haplotype and on the other.
    first, last : numpy.ndarray, shape=(n,), dtype=int64
        First and last window touched on the other haplotype: where there is no such partner, the nearest is taken.

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=int64
        Starts on the other haplotype.
    """
    ends_behind = (windows >= start) & (windows + WINDOW_LENGTH > start + own)
    return np.clip(np.where(ends_behind, windows - own + other, windows), first, last)


class Ranges(NamedTuple):
    """Ranges of whole numbers, one after the other.

    Attributes
    ----------
    row : numpy.ndarray, shape=(total,), dtype=int64
        The range that a number belongs to.
    value : numpy.ndarray, shape=(total,), dtype=int64
        The number.
    begin : numpy.ndarray, shape=(ranges,), dtype=int64
        Where a range begins.
    """

    row: Int64Array
    value: Int64Array
    begin: Int64Array


def ranges(first: Int64Array, last: Int64Array) -> Ranges:
    """Write out ranges, each from ``first`` to ``last`` with both of them, none empty.

    Examples
    --------
    >>> ranges(np.array([5, 0]), np.array([6, 2])).value.tolist()
    [5, 6, 0, 1, 2]
    """
    counts = last - first + 1
    begin = np.cumsum(counts) - counts
    row = np.repeat(np.arange(len(counts)), counts)
    return Ranges(row, windows.concatenate_ranges(first, counts, 1), begin)


class Blocks(NamedTuple):
    """Ranges of windows cut into blocks of :data:`BLOCK_WINDOWS`; the last block of a range may reach beyond it.

    Attributes
    ----------
    row : numpy.ndarray, shape=(blocks,), dtype=int64
        The range that a block belongs to.
    start : numpy.ndarray, shape=(blocks,), dtype=int64
        Its first window.
    slot : numpy.ndarray, shape=(ranges,), dtype=int64
        What to add to a window's start to find it among the windows of all blocks.
    """

    row: Int64Array
    start: Int64Array
    slot: Int64Array


def blocks(first: Int64Array, last: Int64Array) -> Blocks:
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
    cut: Blocks,
    flank: int,
) -> NDArray[np.uint8]:
    """Put together the bases of blocks of alternative haplotypes, with what lies beside them there.

    Parameters
    ----------
    reference : numpy.ndarray, dtype=uint8
        Codes of the reference around the variants.
    shift : numpy.ndarray, shape=(n,), dtype=int64
        What to add to a position near a variant to find it in ``reference``.
    alleles : numpy.ndarray, dtype=uint8
        Codes of all alternative alleles.
    allele_begin : numpy.ndarray, shape=(n,), dtype=int64
        Where each begins.
    sites : Sites
        The variants.
    cut : Blocks
        Of their alternative haplotypes.
    flank : int
        Bases on either side of a block.

    Returns
    -------
    numpy.ndarray, shape=(blocks, block_bases(flank)), dtype=uint8
        Row i begins ``flank`` bases before ``cut.start[i]``.
    """
    length = block_bases(flank)
    codes = np.empty((len(cut.row), length), np.uint8)
    in_place = (sites.alternative == sites.reference)[cut.row]
    # most variants move nothing: copies of the reference, and the few bases of the allele written over them
    at = np.flatnonzero(in_place)
    row, before = cut.row[at], (cut.start - flank - sites.start[cut.row])[at]
    codes[at] = bases_of(reference, cut.start[at] - flank + shift[row], length)
    first, last = np.maximum(before, 0), np.minimum(before + length, sites.alternative[row]) - 1
    held = np.flatnonzero(first <= last)
    block, base, _ = ranges(first[held], last[held])
    block = held[block]
    codes[at[block], base - before[block]] = alleles[allele_begin[row[block]] + base]

    moving, together = np.flatnonzero(~in_place), max(1, _SPLICED_BASES // length)
    for at in (moving[begin : begin + together] for begin in range(0, len(moving), together)):
        row = cut.row[at]
        offset = (cut.start[at] - flank - sites.start[row])[:, None] + np.arange(length)  # from the variant's start
        allele = sites.alternative[row][:, None]
        inside = (offset >= 0) & (offset < allele)
        position = offset + (sites.start + shift)[row][:, None]
        position += np.where(offset >= allele, (sites.reference[row] - sites.alternative[row])[:, None], 0)
        position[inside] = 0
        moved = reference[position]
        block, base = np.nonzero(inside)
        moved[inside] = alleles[allele_begin[row[block]] + offset[block, base]]
        codes[at] = moved
    return codes


def bases_of(codes: NDArray[np.uint8], starts: Int64Array, length: int) -> NDArray[np.uint8]:
    """Copy as many bases from each of these places on, (n, length)."""
    copied: NDArray[np.uint8] = sliding_window_view(codes, length)[starts]
    return copied
