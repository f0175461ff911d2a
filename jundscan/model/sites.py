"""Find the known sites of a model: short sequences that its factor and its partners bind.

JUND's family binds two exact sequences. AP-1 sites (TPA response elements) are TGACTCA and, on the other strand,
TGAGTCA. cAMP response elements (CRE) are TGACGTCA, the same on both strands. Weaker sites do not count: contributions
show what the model makes of them.

A model of another factor counts matches of its strongest motifs, which its metadata hold. Without them it has no known
sites.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, decode, reverse_complement
from jundscan.model.metadata import DEFAULT_FACTOR, Metadata, SiteMatrix

NO_SITE = "none"
"""Kind of a sequence without a known site, in outputs."""
CONSENSUS = {b"TGACTCA": ("AP-1", "+"), b"TGAGTCA": ("AP-1", "-"), b"TGACGTCA": ("CRE", ".")}
"""Name and strand of each exact sequence. The CRE is its own reverse complement."""
_EXACT = 1.0
"""Score of an exact match. None is better than another."""
_UNIT = 100
"""Scores are added up as whole hundredths of a bit, because float32 holds them exactly in any order of addition."""
_IMPOSSIBLE = -1e6
"""Score of an unknown letter, in these units: no match reaches over one."""


class KnownSite(NamedTuple):
    """A match of a known site.

    Attributes
    ----------
    start, end : int
        0-based half-open within the sequence.
    name : str
        Its kind, one of :func:`site_kinds`.
    strand : str
        ``+`` or ``-``; ``.`` for a site that reads the same on both strands.
    sequence : str
        Upper-case letters, as read on the site's strand.
    score : float
        1 for exact sequences. For a matrix, log2 odds against equal letter frequencies, in bits.
    """

    start: int
    end: int
    name: str
    strand: str
    sequence: str
    score: float


def site_kinds(metadata: Metadata) -> tuple[str, ...]:
    """Return the names of a model's known sites, the strongest first. Empty if it knows none."""
    if metadata.sites:
        return tuple(one.name for one in metadata.sites)
    if metadata.factor == DEFAULT_FACTOR:
        return tuple(dict.fromkeys(name for name, _ in CONSENSUS.values()))
    return ()


def describe_sites(metadata: Metadata) -> str:
    """Describe in one line what counts as a known site of a model."""
    if metadata.sites:
        listed = (f"{one.name} ({one.source}, {one.threshold:g} bits or more)" for one in metadata.sites)
        return f"matches of {', '.join(listed)}"
    if metadata.factor == DEFAULT_FACTOR:
        return f"exact matches of {', '.join(sequence.decode() for sequence in CONSENSUS)}"
    return f"none: the model holds no motif of {metadata.factor}"


def find_sites(codes: NDArray[np.uint8], metadata: Metadata) -> list[KnownSite]:
    """Find a model's known sites in a sequence, sorted by start.

    Of overlapping matches of one matrix, on either strand, the best is kept.

    Parameters
    ----------
    codes : numpy.ndarray, shape=(n,), dtype=uint8
        Bases: A 0, C 1, G 2, T 3, unknown 4.
    metadata : Metadata
        Of the model.

    Returns
    -------
    list of KnownSite
    """
    if metadata.sites:
        return _find_matches(codes, metadata.sites)
    return _find_exact(codes) if metadata.factor == DEFAULT_FACTOR else []


def best_site(codes: NDArray[np.uint8], metadata: Metadata, near: int) -> KnownSite | None:
    """Return the known site with the highest score. Equal scores are decided by the distance of the site's centre.

    Parameters
    ----------
    codes, metadata
        As for :func:`find_sites`.
    near : int
        Position in the sequence, 0-based, such as the summit of a hit.

    Returns
    -------
    KnownSite or None
        None where there is no site. Of two sites at the same distance, the first.
    """
    return best_of(find_sites(codes, metadata), near)


def best_of(sites: Iterable[KnownSite], near: int) -> KnownSite | None:
    """Return the best of the sites of a sequence, see :func:`best_site`."""
    return max(sites, key=lambda site: (site.score, -abs(site.start + site.end - 1 - 2 * near)), default=None)


def _find_exact(codes: NDArray[np.uint8]) -> list[KnownSite]:
    """Find exact matches of JUND's sites.

    Examples
    --------
    >>> from jundscan.dna.letters import encode
    >>> [site[:5] for site in _find_exact(encode(b"cctgagtcatgacgtca"))]
    [(2, 9, 'AP-1', '-', 'TGACTCA'), (9, 17, 'CRE', '.', 'TGACGTCA')]
    """
    letters = decode(codes)
    sites = []
    for consensus, (name, strand) in CONSENSUS.items():
        at = letters.find(consensus)
        while at >= 0:
            end = at + len(consensus)
            sites.append(KnownSite(at, end, name, strand, _read(codes[at:end], strand), _EXACT))
            at = letters.find(consensus, at + 1)
    return sorted(sites)


def _read(codes: NDArray[np.uint8], strand: str) -> str:
    return decode(reverse_complement(codes) if strand == "-" else codes).decode()


class _Scanner(NamedTuple):
    """The matrices of a model on both strands, as one product.

    Attributes
    ----------
    weights : numpy.ndarray, shape=(width * 5, 2 * matrices), dtype=float32
        Hundredths of a bit of each letter at each position. The second half holds the other strand.
    thresholds : numpy.ndarray, shape=(2 * matrices,), dtype=float32
        Hundredths of a bit from which on a match counts.
    lengths : list of int
        Positions of each matrix.
    palindromes : list of bool
        Whether a matrix is its own reverse complement.
    """

    weights: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    lengths: list[int]
    palindromes: list[bool]


@lru_cache(maxsize=8)
def _scanner(sites: tuple[SiteMatrix, ...]) -> _Scanner:
    """Prepare the matrices of a model."""
    matrices = [np.rint(_UNIT * np.array(one.matrix)).astype(np.float32) for one in sites]
    turned = [matrix[::-1, ::-1] for matrix in matrices]
    width, letters = max(map(len, matrices)), len(ALPHABET) + 1
    weights = np.zeros((2 * len(sites), width, letters), np.float32)
    for row, matrix in zip(weights, [*matrices, *turned], strict=True):
        row[: len(matrix), :UNKNOWN] = matrix
        row[: len(matrix), UNKNOWN] = _IMPOSSIBLE
    thresholds = np.rint(_UNIT * np.array([one.threshold for one in sites] * 2)).astype(np.float32)
    palindromes = [np.array_equal(*pair) for pair in zip(matrices, turned, strict=True)]
    return _Scanner(weights.reshape(len(weights), -1).T.copy(), thresholds, list(map(len, matrices)), palindromes)


def _find_matches(codes: NDArray[np.uint8], sites: tuple[SiteMatrix, ...]) -> list[KnownSite]:
    """Find matches of matrices."""
    if not len(codes):
        return []
    scanner, letters = _scanner(sites), len(ALPHABET) + 1
    width = len(scanner.weights) // letters
    padded = np.full(len(codes) + width - 1, UNKNOWN, np.uint8)
    padded[: len(codes)] = codes
    rows = np.eye(letters, dtype=np.float32)[padded].ravel()
    windows = sliding_window_view(rows, width * letters)[::letters]
    scores = windows.copy() @ scanner.weights  # a copy, because BLAS takes no rows that overlap
    starts, columns = np.nonzero(scores >= scanner.thresholds)
    matches = sorted(
        (-score, start, column)
        for score, start, column in zip(
            scores[starts, columns].tolist(), starts.tolist(), columns.tolist(), strict=True
        )
    )
    kept: list[KnownSite] = []
    taken: list[list[int]] = [[] for _ in sites]
    for score, start, column in matches:
        turned, number = divmod(column, len(sites))
        length = scanner.lengths[number]
        if any(abs(start - other) < length for other in taken[number]):
            continue
        taken[number].append(start)
        strand = "." if scanner.palindromes[number] else "+-"[turned]
        sequence = _read(codes[start : start + length], strand)
        kept.append(KnownSite(start, start + length, sites[number].name, strand, sequence, -score / _UNIT))
    return sorted(kept)
