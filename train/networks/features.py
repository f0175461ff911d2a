"""What networks and their graphs see of a window besides motifs: letters, accessibility and base composition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jundscan.dna.letters import ALPHABET, COMPLEMENT, WINDOW_LENGTH

ACCESSIBILITY_KNOTS = tuple(1.0 - 0.5**number for number in range(9))
"""The percentile enters the head by how far it is above 0, 1/2, 3/4, ... 255/256: the upper end, where the signal is,
takes as much room as the rest."""
DINUCLEOTIDES = ("AA", "AC", "AG", "AT", "CA", "CC", "CG", "GA", "GC", "TA")
"""Counted together with their reverse complements, which are the other six."""
ACCESSIBILITY_FEATURES = ("available", *(f"above_{knot:.4g}" for knot in ACCESSIBILITY_KNOTS))
"""What the head sees of accessibility at each width; see :func:`accessibility_features`."""
COMPOSITION = ("C_or_G", *DINUCLEOTIDES)
"""What it sees of a window's own bases beside the body's vector."""
SURROUNDINGS = ("C_or_G", "CG", "known")
"""What it sees of the bases of wider ranges."""


def one_hot(codes: Tensor) -> Tensor:
    """Expand codes (B, L), uint8, into float channels (B, 4, L); an unknown base is zero in all four."""
    letters = torch.arange(len(ALPHABET), dtype=codes.dtype, device=codes.device)
    return (codes[:, None, :] == letters[:, None]).float()


def reverse_complement(codes: Tensor) -> Tensor:
    """Read the other strand of codes (B, L), uint8."""
    return torch.from_numpy(COMPLEMENT).to(codes.device)[codes.int()].flip(1)


def window_bases(codes: Tensor, flank: int) -> Tensor:
    """Cut windows with ``flank`` bases to each side out of longer ones: (B, L) -> (B, 101 + 2 flank)."""
    margin = (codes.shape[1] - WINDOW_LENGTH) // 2 - flank
    return codes[:, margin : codes.shape[1] - margin]


def composition_weights() -> NDArray[np.float32]:
    """Give the base composition of a window as sums over its counts of the 16 dinucleotides.

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
    """Give what :data:`SURROUNDINGS` names as sums over the counts of the 16 dinucleotides, (3, 16)."""
    weights = composition_weights()
    known = np.ones((1, weights.shape[1]), np.float32)
    return np.concatenate([weights[:1], weights[1 + DINUCLEOTIDES.index("CG")][None], known])


def dinucleotide_counts(codes: Tensor, ranges: Sequence[int]) -> Tensor:
    """Count the 16 dinucleotides over windows with each of ``ranges`` bases to both sides, unknown letters in none.

    Returns
    -------
    torch.Tensor, shape=(B, ranges, 16), dtype=float32
        First letter times 4 plus second letter.
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
    """Say of each width whether there is accessibility, and how far it is above each of the knots.

    Parameters
    ----------
    accessibility : torch.Tensor, shape=(B, widths), dtype=float32
        Mapped; NaN where not available.

    Returns
    -------
    torch.Tensor, shape=(B, widths * 10), dtype=float32
        Width after width: 1 if a value was there; how far it is above each of the :data:`ACCESSIBILITY_KNOTS`, as a
        share of the way from there to 1.
    """
    missing = torch.isnan(accessibility)
    percentile = torch.where(missing, 0.0, accessibility).clamp(0.0, 1.0)
    knots = torch.tensor(ACCESSIBILITY_KNOTS, device=percentile.device)
    above = torch.relu(percentile[:, :, None] - knots) / (1.0 - knots)
    return torch.cat([(~missing).float()[:, :, None], above], dim=2).flatten(1)


def composition_features(counts: Tensor) -> Tensor:
    """Turn counts of dinucleotides (B, 1 + ranges, 16) into composition of the window, then of each wider range.

    Returns
    -------
    torch.Tensor, shape=(B, 11 + 3 * ranges), dtype=float32
        The sums of :func:`composition_weights`, then for each wider range those of :func:`surroundings_weights`.
    """
    window = counts[:, 0] @ torch.from_numpy(composition_weights()).to(counts).T
    wider = counts[:, 1:] @ torch.from_numpy(surroundings_weights()).to(counts).T
    return torch.cat([window, wider.flatten(1)], dim=1)
