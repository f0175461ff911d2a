"""Widen indels in repeats to all bases that some way of writing them touches.

A deletion of one A from AAAA can be written at each of the four. All four make the same haplotype, so they must have
the same effect. An indel therefore replaces all bases that some way of writing it touches: here AAAA becomes AAA.
NCBI's SPDI does the same (Holmes et al. 2020, Bioinformatics 36:1902, "variant overprecision correction algorithm").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN
from jundscan.effects.haplotypes import Int64Array, Sites

REACH_OF_REPEATS = 1_000
"""Bases to each side of an indel that are searched for a repeat, because they are read for every indel."""


class WidenedIndels(NamedTuple):
    """Variants that replace all bases that some way of writing them touches.

    Attributes
    ----------
    sites : Sites
        Indels in repeats are widened, all other variants unchanged.
    alleles : numpy.ndarray, dtype=uint8
        Codes of the alternative alleles, one after the other.
    left, right : numpy.ndarray, shape=(n,), dtype=int64
        Bases by which each variant could be written further left and right.
    """

    sites: Sites
    alleles: NDArray[np.uint8]
    left: Int64Array
    right: Int64Array


def widen_indels(
    sites: Sites, alleles: NDArray[np.uint8], codes: NDArray[np.uint8], shift: Int64Array
) -> WidenedIndels:
    """Find all positions at which each indel can be written, and widen the indel to them.

    An unknown base and the end of a chromosome end a repeat.

    Parameters
    ----------
    sites : Sites
        Trimmed variants: no two alleles begin or end with the same letter.
    alleles : numpy.ndarray, dtype=uint8
        Codes of the alternative alleles, one after the other.
    codes : numpy.ndarray, dtype=uint8
        Codes of the reference, at least :data:`REACH_OF_REPEATS` to each side of each indel.
    shift : numpy.ndarray, shape=(n,), dtype=int64
        Added to a variant's start, gives its index in ``codes``.

    Returns
    -------
    WidenedIndels

    Examples
    --------
    >>> codes = np.full(2_006, UNKNOWN, np.uint8)
    >>> codes[1_000:1_006] = [1, 0, 0, 0, 0, 2]
    >>> one = Sites(*(np.array([value]) for value in (1_003, 1, 0, 1_000, 1_006)))  # CAAAAG to CAAAG
    >>> found = widen_indels(one, np.empty(0, np.uint8), codes, np.array([0]))
    >>> found.sites.start, found.sites.ref_bases, found.alleles, found.left, found.right
    (array([1001]), array([4]), array([0, 0, 0], dtype=uint8), array([2]), array([1]))
    """
    left, right = np.zeros_like(sites.start), np.zeros_like(sites.start)
    indels = np.flatnonzero(sites.is_indel)
    ends = np.cumsum(sites.alt_bases)
    widened: dict[int, NDArray[np.uint8]] = {}
    columns = (indels, sites.start[indels] + shift[indels], sites.ref_bases[indels], ends[indels])
    for row, at, deleted, end in zip(*(column.tolist() for column in columns), strict=True):
        inserted = alleles[end - int(sites.alt_bases[row]) : end]
        size = deleted or len(inserted)
        before, behind = codes[at - REACH_OF_REPEATS : at], codes[at + deleted : at + deleted + REACH_OF_REPEATS]
        moved = codes[at : at + deleted] if deleted else inserted
        if moved[-1] != before[-1] and moved[0] != behind[0]:  # no repeat: nearly half of all indels
            continue
        longer = np.concatenate((before, moved, behind))
        same = (longer[:-size] == longer[size:]) & (longer[size:] != UNKNOWN)
        to_left, to_right = _count_leading(same[REACH_OF_REPEATS - 1 :: -1]), _count_leading(same[REACH_OF_REPEATS:])
        left[row], right[row] = to_left, to_right
        widened[row] = longer[REACH_OF_REPEATS - to_left : REACH_OF_REPEATS + to_right + len(inserted)]
    if not widened:
        return WidenedIndels(sites, alleles, left, right)
    pieces = np.split(alleles, ends[:-1])
    for row, allele in widened.items():
        pieces[row] = allele
    repeat = left + right
    wider = sites._replace(
        start=sites.start - left, ref_bases=sites.ref_bases + repeat, alt_bases=sites.alt_bases + repeat
    )
    return WidenedIndels(wider, np.concatenate(pieces), left, right)


def _count_leading(same: NDArray[np.bool_]) -> int:
    """Count the true values before the first false one."""
    return len(same) if same.all() else int(np.argmin(same))
