"""Regions as text: ``chrom:start-end`` that users type, and the ids of single windows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import ChromSizes, matching_name, some_names
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError, RegionError

_ID = re.compile(r"(.+):([0-9]{1,15})-([0-9]{1,15})")


class Region(NamedTuple):
    """The bases [start, end) of a chromosome.

    Examples
    --------
    >>> str(Region("chr22", 16000000, 22000000))
    'chr22:16000000-22000000'
    """

    chrom: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}"


def parse_region(text: str, chromsizes: Mapping[str, int]) -> Region:
    """Read ``chrom`` or ``chrom:start-end`` (0-based half-open, commas in the numbers allowed), or the name of a gene.

    Parameters
    ----------
    text : str
        The region; ``22`` finds ``chr22`` and the other way round. A chromosome's name comes before that of a gene.
    chromsizes : mapping of str to int
        Length of every chromosome, bases. The places of a :class:`ChromSizes` count too.

    Returns
    -------
    Region
        Under the name in ``chromsizes``.

    Raises
    ------
    RegionError
        When the region is malformed or empty, its chromosome is unknown, or it reaches beyond its chromosome.

    Examples
    --------
    >>> parse_region("22:1,000-2,000", {"chr22": 5000})
    Region(chrom='chr22', start=1000, end=2000)
    """
    if not isinstance(text, str):
        raise RegionError(text, "must be text, chrom:start-end")
    # names may hold colons (HLA-A*01:01:01), so try the whole text as a name first
    whole = matching_name(text, chromsizes)
    if whole is not None:
        return Region(whole, 0, chromsizes[whole])
    name, colon, bounds = text.rpartition(":")
    chrom = matching_name(name if colon else text, chromsizes)
    if chrom is None and isinstance(chromsizes, ChromSizes) and chromsizes.places is not None:
        return chromsizes.places(text)
    if chrom is None:
        known = f"no such chromosome in the genome, which has {some_names(chromsizes)}"
        raise RegionError(text, known if colon else f"{known}. The name of a gene needs --genes")
    left, _, right = bounds.replace(",", "").partition("-")
    if not (left.isdecimal() and right.isdecimal() and bounds.isascii()):
        raise RegionError(text, "write chrom:start-end with whole numbers, 0-based half-open, such as chr22:0-1000")
    region = Region(chrom, int(left), int(right))
    if region.start >= region.end:
        raise RegionError(text, "the start must be less than the end")
    if region.end > chromsizes[chrom]:
        raise RegionError(text, f"reaches beyond the end of {chrom}, which has {chromsizes[chrom]} bases")
    return region


class WindowPositions(NamedTuple):
    """Positions of windows from their ids; row i is window i.

    Attributes
    ----------
    names : tuple of str
        The distinct chromosome names, in the order of their first window.
    chroms : numpy.ndarray, shape=(n,), dtype=int64
        Index into ``names``; -1 where the id is empty.
    starts : numpy.ndarray, shape=(n,), dtype=int64
        First base, 0-based; -1 where the id is empty.
    """

    names: tuple[str, ...]
    chroms: NDArray[np.int64]
    starts: NDArray[np.int64]


def parse_ids(ids: NDArray[np.str_], where: str) -> WindowPositions:
    """Read ids of windows, ``chrom:start-end``, 0-based half-open; an empty id means an unknown position.

    Parameters
    ----------
    ids : numpy.ndarray, shape=(n,), dtype=str
    where : str
        Origin of the ids, for messages.

    Raises
    ------
    InputError
        When an id is malformed, or its length is not that of a window.

    Examples
    --------
    >>> parse_ids(np.array(["chr22:7-108", "", "chr22:0-101"]), "shards")
    WindowPositions(names=('chr22',), chroms=array([ 0, -1,  0]), starts=array([ 7, -1,  0]))
    """
    names: dict[str, int] = {}
    chroms = np.full(len(ids), -1, np.int64)
    starts = np.full(len(ids), -1, np.int64)
    for row, text in enumerate(ids.tolist()):
        if not text:
            continue
        match = _ID.fullmatch(text)
        if match is None:
            raise window_id_error(
                where,
                row,
                text,
                "is not the position of a window. Write chrom:start-end, 0-based half-open. Leave the id empty where "
                "the position is unknown",
            )
        start, end = int(match[2]), int(match[3])
        if end - start != WINDOW_LENGTH:
            raise window_id_error(where, row, text, f"is {end - start:,} bases long, a window has {WINDOW_LENGTH}")
        chroms[row] = names.setdefault(match[1], len(names))
        starts[row] = start
    return WindowPositions(tuple(names), chroms, starts)


def window_id_error(where: str, row: int, text: str, problem: str) -> InputError:
    """Return the error of a wrong id; ``row`` counts from 0."""
    return InputError(f"{where}: id of row {row:,} (counted from 0): {text!r} {problem}")
