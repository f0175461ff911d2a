"""JASPAR motifs that the first layer starts from: JUND, its partners, and factors active in the same cells.

The matrices come with the package pyjaspar (JASPAR 2024, CC BY 4.0, https://jaspar.elixir.no). Filters start from
motifs because a thousand bound windows are too few to find motifs in. The motifs were chosen by hand, from backward
elimination among 66 motifs on blocked folds of the HepG2 and K562 training and validation windows. Metrics on these
folds are therefore slightly too good.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET

MLP_MOTIFS = 2
"""Number of motifs that the MLP's filters, which cover a whole window, start from."""
RELEASE = "JASPAR2024"
MOTIFS = (
    "MA0491.3",  # JUND, the AP-1 element TGACTCA
    "MA1126.2",  # FOS::JUN, the CRE TGACGTCA
    "MA0492.2",  # JUND, CRE-like
    "MA0833.3",  # ATF4, the C/EBP-ATF element TGATGCAAT
    "MA1636.2",  # CEBPG
    "MA0139.2",  # CTCF
    "MA0047.4",  # FOXA2
    "MA0062.4",  # GABPA
    "MA0046.3",  # HNF1A
    "MA0095.3",  # YY1
    "MA0496.4",  # MAFK
    "MA1111.2",  # NR2F2
    "MA0079.5",  # SP1
    "MA0102.5",  # CEBPA
    "MA0060.4",  # NFYA
    "MA0114.5",  # HNF4A
)
"""Matrix identifiers, the most useful first."""
PSEUDO_COUNT = 0.01
"""Added to each letter's frequency, because the logarithm of 0 is undefined."""
BACKGROUND = 0.25
"""Frequency of each letter outside the motif."""


def fetch_motifs(identifiers: tuple[str, ...] = MOTIFS) -> dict[str, NDArray[np.float64]]:
    """Fetch frequency matrices (length, 4) in ACGT order, keyed by "identifier name"."""
    from pyjaspar import jaspardb

    database = jaspardb(release=RELEASE)
    motifs = {}
    for identifier in identifiers:
        motif: Any = database.fetch_motif_by_id(identifier)
        counts = np.array([motif.counts[letter] for letter in ALPHABET], np.float64).T
        motifs[f"{identifier} {motif.name}"] = counts / counts.sum(1, keepdims=True)
    return motifs


def log_odds(frequencies: NDArray[np.float64], width: int) -> NDArray[np.float32]:
    """Convert a motif to the weights of a filter: log2 odds against equal letter frequencies.

    Parameters
    ----------
    frequencies : numpy.ndarray, shape=(length, 4)
        Rows sum to 1.
    width : int
        Bases of the filter. A longer motif keeps its most informative part. A shorter one is padded with zeros.

    Returns
    -------
    numpy.ndarray, shape=(4, width), dtype=float32

    Examples
    --------
    >>> log_odds(np.array([[1.0, 0.0, 0.0, 0.0]]), 3).round(1).tolist()[0]
    [0.0, 2.0, 0.0]
    """
    smoothed = (frequencies + PSEUDO_COUNT) / (1 + len(ALPHABET) * PSEUDO_COUNT)
    odds = np.log2(smoothed / BACKGROUND)
    if len(odds) > width:
        information = np.convolve((frequencies * odds).sum(1), np.ones(width), "valid")
        odds = odds[int(information.argmax()) :][:width]
    weights = np.zeros((len(ALPHABET), width), np.float32)
    first = (width - len(odds)) // 2
    weights[:, first : first + len(odds)] = odds.T
    return weights


def place_motifs(filters: int, width: int, motif_width: int) -> NDArray[np.float32]:
    """Place the first two motifs at evenly spaced positions of otherwise zero filters, (filters, 4, width)."""
    weights = np.zeros((filters, len(ALPHABET), width), np.float32)
    narrow = motif_filters(MLP_MOTIFS, motif_width)
    for number, rows in enumerate(np.array_split(np.arange(filters), MLP_MOTIFS)):
        starts = np.linspace(0, width - motif_width, len(rows)).round().astype(int)
        for row, start in zip(rows, starts, strict=True):
            weights[row, :, start : start + motif_width] = narrow[number]
    return weights


def motif_filters(filters: int, width: int) -> NDArray[np.float32]:
    """Stack the motifs as filters (filters, 4, width).

    Raises
    ------
    ValueError
        When there are fewer motifs than filters.
    """
    if filters > len(MOTIFS):
        raise ValueError(f"{filters} filters, but only {len(MOTIFS)} motifs to start from")
    return np.stack([log_odds(motif, width) for motif in fetch_motifs(MOTIFS[:filters]).values()])
