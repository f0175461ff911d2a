"""Features that networks and their ONNX graphs compute of a window: letters, accessibility, base composition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jundscan.dna.letters import ALPHABET, COMPLEMENT, WINDOW_LENGTH

ACCESSIBILITY_KNOTS = tuple(1.0 - 0.5**number for number in range(9))
"""Percentiles 0, 1/2, 3/4, … 255/256. The head sees how far a window is above each, because the signal lies in the
uppermost percentiles."""
DINUCLEOTIDES = ("AA", "AC", "AG", "AT", "CA", "CC", "CG", "GA", "GC", "TA")
"""Each is counted together with its reverse complement, which makes up all 16."""
ACCESSIBILITY_FEATURES = ("available", *(f"above_{knot:.4g}" for knot in ACCESSIBILITY_KNOTS))
"""Features of accessibility at each width, see :func:`accessibility_features`."""
COMPOSITION = ("C_or_G", *DINUCLEOTIDES)
"""Composition features of a window's own bases."""
SURROUNDINGS = ("C_or_G", "CG", "known")
"""Composition features of each wider range."""


def one_hot(codes: Tensor) -> Tensor:
    """Expand codes (B, L), uint8, into float channels (B, 4, L). An unknown base is 0 in all four."""
    letters = torch.arange(len(ALPHABET), dtype=codes.dtype, device=codes.device)
    return (codes[:, None, :] == letters[:, None]).float()


def reverse_complement(codes: Tensor) -> Tensor:
    """Return the reverse complement of codes (B, L), uint8."""
    return torch.from_numpy(COMPLEMENT).to(codes.device)[codes.int()].flip(1)


def window_bases(codes: Tensor, flank: int) -> Tensor:
    """Cut windows with ``flank`` bases to each side out of longer ones: (B, L) -> (B, 101 + 2 flank)."""
    margin = (codes.shape[1] - WINDOW_LENGTH) // 2 - flank
    return codes[:, margin : codes.shape[1] - margin]


def composition_weights() -> NDArray[np.float32]:
    """Return the matrix that maps counts of the 16 dinucleotides to :data:`COMPOSITION`.

    Returns
    -------
    numpy.ndarray, shape=(11, 16), dtype=float32
        Rows: C or G (the outermost two bases count half), then :data:`DINUCLEOTIDES`. Columns: first letter times 4
        plus second letter.
    """
    weights = np.zeros((1 + len(DINUCLEOTIDES), len(ALPHABET) ** 2), np.float32)
    for first, letter in enumerate(ALPHABET):
        for second, next_letter in enumerate(ALPHABET):
            column = len(ALPHABET) * first + second
            weights[0, column] = ((letter in "CG") + (next_letter in "CG")) / 2
            other_strand = ALPHABET[-1 - second] + ALPHABET[-1 - first]
            names = {letter + next_letter, other_strand}
            weights[1:, column] = [name in names for name in DINUCLEOTIDES]
    return weights


def surroundings_weights() -> NDArray[np.float32]:
    """Return the matrix (3, 16) that maps counts of the 16 dinucleotides to :data:`SURROUNDINGS`."""
    weights = composition_weights()
    known = np.ones((1, weights.shape[1]), np.float32)
    return np.concatenate([weights[:1], weights[1 + DINUCLEOTIDES.index("CG")][None], known])


def dinucleotide_counts(codes: Tensor, ranges: Sequence[int]) -> Tensor:
    """Count the 16 dinucleotides over windows with each of ``ranges`` bases to both sides.

    Returns
    -------
    torch.Tensor, shape=(B, ranges, 16), dtype=float32
        Last axis: first letter times 4 plus second letter. A pair with an unknown letter is not counted.
    """
    steps = codes[:, :-1].long() * (len(ALPHABET) + 1) + codes[:, 1:].long()
    middle, kinds = steps.shape[1] // 2, (len(ALPHABET) + 1) ** 2
    found = []
    for reach in ranges:
        half = (WINDOW_LENGTH - 1) // 2 + reach
        counts = torch.zeros(len(steps), kinds, device=codes.device)
        within = steps[:, middle - half : middle + half]
        counts.scatter_add_(1, within, torch.ones_like(within, dtype=counts.dtype))
        square = counts.view(-1, len(ALPHABET) + 1, len(ALPHABET) + 1)
        found.append(square[:, : len(ALPHABET), : len(ALPHABET)].flatten(1))
    return torch.stack(found, dim=1)


def accessibility_features(accessibility: Tensor) -> Tensor:
    """Compute :data:`ACCESSIBILITY_FEATURES` at every width.

    Parameters
    ----------
    accessibility : torch.Tensor, shape=(B, widths), dtype=float32
        Percentiles. NaN where not available.

    Returns
    -------
    torch.Tensor, shape=(B, widths * 10), dtype=float32
        Width after width: 1 if there is a value, then how far it is above each of :data:`ACCESSIBILITY_KNOTS`, scaled
        so that percentile 1 gives 1.
    """
    missing = torch.isnan(accessibility)
    percentile = torch.where(missing, 0.0, accessibility).clamp(0.0, 1.0)
    knots = torch.tensor(ACCESSIBILITY_KNOTS, device=percentile.device)
    above = torch.relu(percentile[:, :, None] - knots) / (1.0 - knots)
    return torch.cat([(~missing).float()[:, :, None], above], dim=2).flatten(1)


def composition_features(counts: Tensor) -> Tensor:
    """Compute composition from counts of dinucleotides (B, 1 + ranges, 16).

    Returns
    -------
    torch.Tensor, shape=(B, 11 + 3 * ranges), dtype=float32
        :data:`COMPOSITION` of the window, then :data:`SURROUNDINGS` of each wider range.
    """
    window = counts[:, 0] @ torch.from_numpy(composition_weights()).to(counts).T
    wider = counts[:, 1:] @ torch.from_numpy(surroundings_weights()).to(counts).T
    return torch.cat([window, wider.flatten(1)], dim=1)
