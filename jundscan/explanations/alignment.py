"""Align the contributions of many regions on what they share, and average them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jundscan.dna.letters import one_hot

if TYPE_CHECKING:
    from jundscan.explanations.mutagenesis import Explanation

WIDTH = 21
"""Bases of the average logo: a site and its neighbours."""
_SEED_BASES = 9
_ROUNDS = 5


class AverageLogo(NamedTuple):
    """The average of aligned regions.

    Attributes
    ----------
    contributions : numpy.ndarray, shape=(WIDTH, 4), dtype=float64
        Mean contribution of each position's base over the regions, in the column of its letter.
    frequencies : numpy.ndarray, shape=(WIDTH, 4), dtype=float64
        Share of the regions that have each letter.
    regions : int
        Number of regions averaged.
    """

    contributions: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    regions: int


def contribution_logo(explanation: Explanation) -> NDArray[np.float64]:
    """Put each base's contribution into the column of its letter, (n, 4). Missing contributions are 0."""
    return np.nan_to_num(explanation.contributions)[:, None] * one_hot(explanation.codes)


def average_logos(explanations: Sequence[Explanation]) -> AverageLogo | None:
    """Align regions by their contributions, on either strand, and average them.

    The first template is the strongest stretch of the first region. In each round, every region takes the offset and
    strand that fit the template best (greatest sum of products). Their mean is the next template. Regions without the
    shared motif are kept, and blur the average.

    Parameters
    ----------
    explanations : sequence of Explanation
        The strongest first. Regions shorter than :data:`WIDTH` are left out.

    Returns
    -------
    AverageLogo or None
        None if no region is long enough.
    """
    logos = [contribution_logo(one) for one in explanations if len(one.codes) >= WIDTH]
    if not logos:
        return None
    # both strands: reversed columns turn A C G T into its complement
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
    return AverageLogo(template, (aligned != 0).mean(axis=0), len(logos))
