"""Find exact matches of the consensus sequences that JUND's family binds.

AP-1 sites (TPA response elements) are TGACTCA and, on the other strand, TGAGTCA. cAMP response elements (CRE) are
TGACGTCA, the same on both strands. Weaker sites are not marked: contributions show what the model makes of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import decode

CONSENSUS = {"TGACTCA": ("AP-1", "+"), "TGAGTCA": ("AP-1", "-"), "TGACGTCA": ("CRE", ".")}
"""Name and strand of each consensus. The CRE is its own reverse complement."""


class KnownSite(NamedTuple):
    """An exact match. ``start`` and ``end`` are 0-based half-open within the sequence."""

    start: int
    end: int
    name: str
    sequence: str


def find_sites(codes: NDArray[np.uint8]) -> list[KnownSite]:
    """Find the sites of a sequence, sorted by start.

    Examples
    --------
    >>> from jundscan.dna.letters import encode
    >>> [(site.start, site.name) for site in find_sites(encode(b"cctgactcatgacgtca"))]
    [(2, 'AP-1'), (9, 'CRE')]
    """
    sequence = decode(codes).decode()
    sites = []
    for consensus, (name, _) in CONSENSUS.items():
        at = sequence.find(consensus)
        while at >= 0:
            sites.append(KnownSite(at, at + len(consensus), name, consensus))
            at = sequence.find(consensus, at + 1)
    return sorted(sites)
