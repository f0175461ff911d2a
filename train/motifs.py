"""What the first layer starts from: DNA elements bound by JUND, its partners and factors active in the same cells.

The elements are consensus sequences in IUPAC letters, as given in textbooks and reviews of each family (AP-1: Angel and
Karin 1991; CRE and C/EBP-ATF composites: Hai and Hartman 2001; the others: the factors' JASPAR summaries). Training
moves every filter; the start only spares it the search, which a thousand bound windows are too few for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import ALPHABET

ELEMENTS = {
    "AP-1": "NRTGACTCAYN",
    "AP-1, strict": "GGTGAGTCACC",
    "CRE": "NRTGACGTCAYN",
    "CRE, half": "TGACGCAA",
    "CARE (ATF4-C/EBP)": "RTGATGCAAT",
    "C/EBP": "ATTGCGCAAT",
    "CTCF": "CCACNAGRKGGCRC",
    "FOXA": "TGTTTACWYW",
    "ETS (GABPA)": "RCCGGAAGTG",
    "HNF1": "GTTAATNATTAA",
    "YY1": "AARATGGCGGC",
    "MARE (MAF)": "TGCTGACTCAGCA",
    "nuclear receptor (NR2F)": "RAGGTCAAAGGTCA",
    "SP/KLF": "GGGGCGGGGC",
    "NF-Y": "RRCCAATSRG",
    "HNF4": "CAAAGTCCA",
}
"""Name and consensus, IUPAC letters."""
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
OFF_CONSENSUS = 0.03
"""Probability of each letter that the consensus does not name, as in a well-sampled motif."""
BACKGROUND = 0.25


def log_odds(consensus: str, width: int) -> NDArray[np.float32]:
    """Turn a consensus into the weights of a filter: log-odds against equal letters, zeros around it.

    Returns
    -------
    numpy.ndarray, shape=(4, width), dtype=float32
        Natural logarithms, letters in the order of the alphabet; a consensus longer than ``width`` loses its ends.

    Examples
    --------
    >>> log_odds("A", 3).round(1).tolist()[0]
    [0.0, 1.3, 0.0]
    """
    cut = max(0, len(consensus) - width)
    kept = consensus[cut // 2 : len(consensus) - (cut - cut // 2)]
    weights = np.zeros((len(ALPHABET), width), np.float32)
    first = (width - len(kept)) // 2
    for position, symbol in enumerate(kept, start=first):
        letters = IUPAC[symbol]
        off = OFF_CONSENSUS if len(letters) < len(ALPHABET) else BACKGROUND
        named = (1.0 - off * (len(ALPHABET) - len(letters))) / len(letters)
        for row, letter in enumerate(ALPHABET):
            weights[row, position] = np.log((named if letter in letters else off) / BACKGROUND)
    return weights


def motif_filters(filters: int, width: int) -> NDArray[np.float32]:
    """Stack the elements as filters (filters, 4, width), from the first on again when there are more filters."""
    elements = list(ELEMENTS.values())
    return np.stack([log_odds(elements[number % len(elements)], width) for number in range(filters)])
