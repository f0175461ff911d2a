"""What drives many regions alike: their contributions aligned on what they share, and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jundscan.dna.letters import one_hot
from jundscan.explanations.mutagenesis import Explanation

WIDTH = 21
"""Bases of the average: a site and what stands beside it."""
_SEED_BASES = 9
_ROUNDS = 5


class Aggregate(NamedTuple):
    """An average of aligned regions.

    Attributes
    ----------
    contributions : numpy.ndarray, shape=(WIDTH, 4), dtype=float64
        Mean over the regions of the contribution of the base that is there, in the column of its letter.
    frequencies : numpy.ndarray, shape=(WIDTH, 4), dtype=float64
        How often each letter is there.
    regions : int
        Number of regions averaged.
    """

    contributions: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    regions: int


def contribution_logo(explanation: Explanation) -> NDArray[np.float64]:
    """Put each base's contribution into the column of its letter, (n, 4); 0 where there is none."""
    return np.nan_to_num(explanation.contributions)[:, None] * one_hot(explanation.codes)


def aggregate(explanations: Sequence[Explanation]) -> Aggregate | None:
    """Align regions by their contributions, on either strand, and average them.

    The template begins as the strongest stretch of the first region. In each of a few rounds every region takes the
    place and the strand that fit the template best (the greatest sum of products), and their mean is the next template.
    Regions that share nothing with the others blur the average; they are not left out.

    Parameters
    ----------
    explanations : sequence of Explanation
        The strongest first; those shorter than the average are left out.

    Returns
    -------
    Aggregate or None
        None without a region that is long enough.
    """
    logos = [contribution_logo(one) for one in explanations if len(one.codes) >= WIDTH]
    if not logos:
        return None
    # both strands: the complement of A C G T in reverse order of the columns
    strands = [np.stack((logo, logo[::-1, ::-1])) for logo in logos]
    windows = [sliding_window_view(both, (WIDTH, 4), axis=(1, 2))[:, :, 0] for both in strands]
    strength = np.convolve(np.abs(logos[0]).sum(axis=1), np.ones(_SEED_BASES), "same")
    seed = int(np.clip(np.argmax(strength) - WIDTH // 2, 0, len(logos[0]) - WIDTH))
    template = logos[0][seed : seed + WIDTH]
    aligned = np.empty((len(logos), WIDTH, 4))
    for _ in range(_ROUNDS):
        for number, choices in enumerate(windows):
            fit = np.tensordot(choices, template, axes=2)
            aligned[number] = choices[np.unravel_index(np.argmax(fit), fit.shape)]
        template = aligned.mean(axis=0)
    return Aggregate(template, (aligned != 0).mean(axis=0), len(logos))
