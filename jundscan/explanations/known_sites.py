"""Known sites of JUND's family in a sequence: exact matches of the two consensus sequences, nothing weighted.

AP-1 sites (TPA response elements) are TGACTCA and, on the other strand, TGAGTCA; cAMP response elements (CRE) are
TGACGTCA, the same on both strands. Weaker sites are not marked: what the model makes of them, the contributions show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import decode

CONSENSUS = {"TGACTCA": ("AP-1", "+"), "TGAGTCA": ("AP-1", "-"), "TGACGTCA": ("CRE", ".")}
"""Name and strand of each; the CRE reads alike on both."""


class Match(NamedTuple):
    """A site; ``start`` and ``end`` are 0-based half-open within the sequence."""

    start: int
    end: int
    name: str
    sequence: str


def matches(codes: NDArray[np.uint8]) -> list[Match]:
    """Find the sites, sorted by their starts.

    Examples
    --------
    >>> from jundscan.dna.letters import encode
    >>> [(match.start, match.name) for match in matches(encode(b"cctgactcatgacgtca"))]
    [(2, 'AP-1'), (9, 'CRE')]
    """
    sequence = decode(codes).decode()
    found = []
    for site, (name, _) in CONSENSUS.items():
        at = sequence.find(site)
        while at >= 0:
            found.append(Match(at, at + len(site), name, site))
            at = sequence.find(site, at + 1)
    return sorted(found)
