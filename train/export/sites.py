"""Describe the strongest motifs of a fit, whose matches count as known sites of its model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jundscan.model.metadata import MAX_SITE_LENGTH, SiteMatrix
from jundscan.model.sites import NO_SITE
from train.config import JUND, Motifs, Start
from train.fitting.motif_choice import ALIKE, LEARNED
from train.networks.motifs import BACKGROUND, RELEASE, log_odds, similarities, vertebrate_motifs

MAX_MOTIFS = 4
"""Maximum motifs whose matches count, because more of them match by chance somewhere in most hits."""
LEAST_SHARE = 0.5
"""Least AUROC beyond chance of a motif that counts, as a share of the best motif's."""
CHANCE = 1e-4
"""Probability that a random position of one strand matches, with equal letter frequencies. It is the default of FIMO.
For comparison, it is 0.6e-4 for one exact sequence of 7 bases such as TGACTCA."""
LEAST_INFORMATION = 0.25
"""Least bits of the first and the last position of a site. Positions beyond them are cut off."""
DECIMALS = 2
NAME_LENGTH = 40


def describe_motifs(motifs: Motifs) -> tuple[SiteMatrix, ...]:
    """Return the motifs whose matches count as known sites, the strongest first.

    Motifs that the user named count in their order. Of motifs that the windows chose, those count that tell bound from
    unbound windows best. Nobody ranked JUND's 16 motifs for another factor, so none of them counts.
    """
    if motifs.choice == JUND:
        return ()
    named = [start for start in motifs.starts if start.auroc is None]
    found: dict[str, SiteMatrix] = {}
    for start in (named or _strongest(motifs.starts))[:MAX_MOTIFS]:
        core = _informative(np.array(start.matrix))
        if not len(core):
            continue
        name, source = _name(start)
        unique, number = name, 1
        while unique in found or unique == NO_SITE:
            number += 1
            unique = f"{name}_{number}"
        rows = log_odds(core, min(len(core), MAX_SITE_LENGTH)).T.astype(np.float64).round(DECIMALS)
        matrix = tuple((a, c, g, t) for a, c, g, t in rows.tolist())
        found[unique] = SiteMatrix(unique, source, matrix, find_threshold(rows))
    return tuple(found.values())


def _strongest(starts: Sequence[Start]) -> list[Start]:
    gains = [(start.auroc or 0.5) - 0.5 for start in starts]
    return [start for start, gain in zip(starts, gains, strict=True) if gain >= LEAST_SHARE * max(gains) > 0]


def _informative(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut off the positions before the first informative one and after the last."""
    information = (frequencies * log_odds(frequencies, len(frequencies)).T).sum(1)
    kept = np.flatnonzero(information >= LEAST_INFORMATION)
    return frequencies[kept[0] : kept[-1] + 1] if len(kept) else frequencies[:0]


def _name(start: Start) -> tuple[str, str]:
    """Return a short name without spaces, and the source. A learned motif is named after the one it resembles."""
    identifier, _, name = start.name.partition(" ")
    if start.source == RELEASE and name:
        return _one_word(name), f"{RELEASE} {identifier}"
    if start.source != LEARNED:
        return _one_word(start.name), "".join(letter if letter.isprintable() else "_" for letter in start.source)
    known = vertebrate_motifs()
    width = len(start.matrix)
    filters = np.stack([log_odds(matrix, width) for matrix in known.values()])
    alike = similarities(log_odds(np.array(start.matrix), width)[None], filters)[0].max(1)
    nearest = list(known)[int(alike.argmax())]
    if alike.max() < ALIKE:
        return _one_word(start.name), "learned from the training windows"
    source = f"learned from the training windows, resembles {RELEASE} {nearest.partition(' ')[0]}"
    return _one_word(f"{nearest.partition(' ')[2]}-like"), source


def _one_word(name: str) -> str:
    return re.sub(r"[^!-~]+", "_", name)[:NAME_LENGTH]


def find_threshold(log_odds: NDArray[np.float64]) -> float:
    """Return the least score that a random position reaches with at most the probability :data:`CHANCE`.

    The distribution of scores is exact, because scores are whole hundredths of a bit. Biopython's is rounded to steps.
    A motif too short for this probability gets its highest score.

    Parameters
    ----------
    log_odds : numpy.ndarray, shape=(length, 4)
        Log2 odds of A, C, G and T, in hundredths of a bit.

    Returns
    -------
    float
    """
    unit = 10**DECIMALS
    rows = np.rint(log_odds * unit).astype(np.int64)
    probabilities = np.ones(1)  # of the lowest score and each hundredth above it
    for row in rows - rows.min(1, keepdims=True):
        longer = np.zeros(len(probabilities) + row.max())
        for value in row:
            longer[value : value + len(probabilities)] += probabilities * BACKGROUND
        probabilities = longer
    reached = np.cumsum(probabilities[::-1])[::-1]
    rare = np.flatnonzero((reached <= CHANCE) & (probabilities > 0))
    best = int(rare[0]) if len(rare) else len(reached) - 1
    return float(rows.min(1).sum() + best) / unit
