"""Average the contributions of many regions: aligned on their known sites, or on what they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, one_hot
from jundscan.model.sites import NO_SITE, KnownSite

if TYPE_CHECKING:
    from jundscan.explanations.mutagenesis import Explanation

SITE_FLANK = 7
"""Bases to each side of a known site in a logo."""
WIDTH = 21
"""Bases of the logo of regions without a known site: as many as an AP-1 site and its neighbours."""
_SEED_BASES = 9
_ROUNDS = 5


class AverageLogo(NamedTuple):
    """The average of aligned regions.

    Attributes
    ----------
    kind : str
        Name of the known site that the regions are aligned on, or :data:`jundscan.model.sites.NO_SITE`.
    contributions : numpy.ndarray, shape=(n, 4), dtype=float64
        Mean contribution of each position's base over the regions, in the column of its letter.
    frequencies : numpy.ndarray, shape=(n, 4), dtype=float64
        Share of the regions that have each letter.
    regions : int
        Number of regions averaged.
    first : int
        Position of the first row. Position 0 is the first base of the site. Without a site it is the first row.
    site_length : int
        Bases of the site, 0 without.
    """

    kind: str
    contributions: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    regions: int
    first: int = 0
    site_length: int = 0

    @property
    def title(self) -> str:
        """Kind and number of regions."""
        return f"{'no known site' if self.kind == NO_SITE else self.kind} (n = {self.regions:,})"


class DrivingSite(NamedTuple):
    """The known site of a region whose bases contribute most, and the sum of their contributions in logits."""

    site: KnownSite
    contribution: float


def driving_site(explanation: Explanation) -> DrivingSite | None:
    """Return the known site of a region whose bases contribute most in total, or None where there is no site."""
    contributions = np.nan_to_num(explanation.contributions)
    sites = [DrivingSite(one, float(contributions[one.start : one.end].sum())) for one in explanation.sites]
    return max(sites, key=lambda one: one.contribution, default=None)


def contribution_logo(explanation: Explanation) -> NDArray[np.float64]:
    """Put each base's contribution into the column of its letter, (n, 4). Missing contributions are 0."""
    return np.nan_to_num(explanation.contributions)[:, None] * one_hot(explanation.codes)


def logos_by_kind(explanations: Sequence[Explanation], kinds: Iterable[str]) -> list[AverageLogo]:
    """Average regions by the kind of the known site that drives them.

    Parameters
    ----------
    explanations : sequence of Explanation
        The strongest first.
    kinds : iterable of str
        From :func:`jundscan.model.sites.site_kinds`.

    Returns
    -------
    list of AverageLogo
        In the order of ``kinds``, then regions without a site. Kinds without a region are left out.
    """
    driven = [(one, driving_site(one)) for one in explanations]
    by_kind = {
        kind: [(one, found.site) for one, found in driven if found is not None and found.site.name == kind]
        for kind in kinds
    }
    logos = [align_on_sites(kind, regions) for kind, regions in by_kind.items() if regions]
    rest = align_freely([one for one, found in driven if found is None])
    return logos if rest is None else [*logos, rest]


def align_on_sites(kind: str, regions: Sequence[tuple[Explanation, KnownSite]]) -> AverageLogo:
    """Average regions around their sites, which all have the same length, as read on the strand of the site.

    A site that reads the same on both strands counts in both directions, so its logo is symmetrical. Positions beyond
    the ends of a region do not count.
    """
    length = regions[0][1].end - regions[0][1].start
    width = length + 2 * SITE_FLANK
    sums, counts = np.zeros((width, len(ALPHABET))), np.zeros((width, len(ALPHABET)))
    for explanation, site in regions:
        codes = np.pad(explanation.codes, SITE_FLANK, constant_values=UNKNOWN)[site.start : site.start + width]
        values = np.pad(np.nan_to_num(explanation.contributions), SITE_FLANK)[site.start : site.start + width]
        letters = one_hot(codes)
        for turned in {"+": (False,), "-": (True,), ".": (False, True)}[site.strand]:
            # reversed columns turn A C G T into its complement
            step = -1 if turned else 1
            sums += (values[:, None] * letters)[::step, ::step]
            counts += letters[::step, ::step]
    known = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return AverageLogo(kind, sums / known, counts / known, len(regions), -SITE_FLANK, length)


def align_freely(explanations: Sequence[Explanation]) -> AverageLogo | None:
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
    return AverageLogo(NO_SITE, template, (aligned != 0).mean(axis=0), len(logos))
