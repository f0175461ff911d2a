"""Motifs as weights of filters, and the 16 JASPAR motifs that the bundled models start from.

The matrices come with the package pyjaspar (JASPAR 2024, CC BY 4.0, https://jaspar.elixir.no). JUND's motifs were
chosen by hand, from backward elimination among 66 motifs on blocked folds of the HepG2 and K562 training and validation
windows. Metrics on these folds are therefore slightly too good. ``train/fitting/motif_choice.py`` chooses motifs of
other factors.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET
from jundscan.errors import InputError
from train.config import JUND, Motifs, Start

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
MIN_OVERLAP = 6
"""Minimum positions in which two filters overlap when they are compared."""
DECIMALS = 6
"""Decimals of a recorded frequency."""


def frequencies(counts: Any) -> NDArray[np.float64]:
    """Convert counts by letter to frequencies (length, 4) in ACGT order."""
    table = np.array([counts[letter] for letter in ALPHABET], np.float64).T
    return table / table.sum(1, keepdims=True)


def fetch_motifs(identifiers: tuple[str, ...] = MOTIFS) -> dict[str, NDArray[np.float64]]:
    """Fetch frequency matrices (length, 4) in ACGT order, keyed by "identifier name".

    Raises
    ------
    InputError
        When JASPAR has no matrix of an identifier.
    """
    from pyjaspar import jaspardb

    database = jaspardb(release=RELEASE)
    motifs = {}
    for identifier in identifiers:
        with warnings.catch_warnings(action="ignore"):  # of an unknown identifier, which is an error below
            motif: Any = database.fetch_motif_by_id(identifier)
        if motif is None:
            raise InputError(f"{identifier}: no such matrix in {RELEASE}; look it up at https://jaspar.elixir.no")
        motifs[f"{identifier} {motif.name}"] = frequencies(motif.counts)
    return motifs


@cache
def vertebrate_motifs() -> dict[str, NDArray[np.float64]]:
    """Fetch all matrices of JASPAR's CORE collection of vertebrates, as :func:`fetch_motifs` does."""
    from pyjaspar import jaspardb

    found = jaspardb(release=RELEASE).fetch_motifs(collection="CORE", tax_group=["vertebrates"])
    return {f"{one.matrix_id} {one.name}": frequencies(one.counts) for one in found}


def make_start(name: str, source: str, matrix: NDArray[np.float64], auroc: float | None = None) -> Start:
    """Make a filter's start from frequencies (length, 4)."""
    rows = tuple(tuple(float(value) for value in row) for row in matrix.round(DECIMALS))
    return Start(name, source, rows, None if auroc is None else round(auroc, 4))


def all_starts(motifs: Motifs) -> tuple[Start, ...]:
    """Return the starts of ``motifs``. Those of JUND come from JASPAR."""
    if motifs.choice != JUND:
        return motifs.starts
    return tuple(make_start(name, RELEASE, matrix) for name, matrix in fetch_motifs().items())


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


def place_motifs(filters: int, width: int, motif_width: int, motifs: Motifs) -> NDArray[np.float32]:
    """Place the first two motifs at evenly spaced positions of otherwise zero filters, (filters, 4, width)."""
    weights = np.zeros((filters, len(ALPHABET), width), np.float32)
    narrow = motif_filters(MLP_MOTIFS, motif_width, motifs)
    for number, rows in enumerate(np.array_split(np.arange(filters), MLP_MOTIFS)):
        starts = np.linspace(0, width - motif_width, len(rows)).round().astype(int)
        for row, start in zip(rows, starts, strict=True):
            weights[row, :, start : start + motif_width] = narrow[number]
    return weights


def motif_filters(filters: int, width: int, motifs: Motifs | None = None) -> NDArray[np.float32]:
    """Stack the first ``filters`` motifs as filters (filters, 4, width). JUND's if ``motifs`` is None.

    Raises
    ------
    InputError
        When there are fewer motifs than filters.
    """
    motifs = motifs or Motifs()
    if filters > (known := len(MOTIFS if motifs.choice == JUND else motifs.starts)):
        raise InputError(f"{filters} filters, but only {known} motifs to start from; take fewer filters, or name more")
    # JUND's matrices are not rounded as those of a record are, because the bundled models come from exact ones
    matrices: Iterable[NDArray[np.float64]]
    if motifs.choice == JUND:
        matrices = fetch_motifs(MOTIFS[:filters]).values()
    else:
        matrices = (np.array(start.matrix) for start in motifs.starts[:filters])
    return np.stack([log_odds(matrix, width) for matrix in matrices])


def centre(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract every position's mean, because a constant for all letters does not distinguish windows."""
    return weights - weights.mean(-2, keepdims=True)


def similarities(filters: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlate the weights of filters (n, 4, width) with those of others (m, 4, width), at the best of all shifts.

    Returns
    -------
    numpy.ndarray, shape=(n, m, 2)
        On the same strand, and with the other filter on the other strand.
    """
    ours, theirs = centre(filters), centre(others)
    norms = [np.linalg.norm(one, axis=(1, 2)) for one in (ours, theirs)]
    scale = np.maximum(norms[0][:, None] * norms[1], 1e-9)
    padding = filters.shape[2] - MIN_OVERLAP
    found = [
        torch.nn.functional.conv1d(
            torch.from_numpy(ours), torch.from_numpy(np.ascontiguousarray(turned)), padding=padding
        )
        .amax(2)
        .numpy()
        / scale
        for turned in (theirs, theirs[:, ::-1, ::-1])
    ]
    return np.stack(found, axis=2).astype(np.float64)
