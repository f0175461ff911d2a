"""Choose the motifs that filters start from, by how well their best scores tell bound from unbound training windows.

Validation and test windows take no part. A fit that holds blocks out chooses again without their windows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import InputError
from train.config import FILTER_MULTIPLE, JUND, Candidate, Motifs, Start
from train.data.dataset import Windows, chroms_and_starts, in_genome_order
from train.fitting.motif_discovery import best_scores, discover
from train.fitting.select import CHECKPOINT
from train.networks.motif_sources import AUTO, RANDOM, Wish
from train.networks.motifs import MLP_MOTIFS, RELEASE, log_odds, make_start, similarities, vertebrate_motifs
from train.records import read_record, write_record

log = logging.getLogger("jundscan")

MOTIFS_FILE = "motifs.json"
"""File in a folder of checkpoints that holds the motifs of its fits."""
LEARNED = "learned"
"""Source of a motif that the first fit found."""
WIDTHS = (12, 22)
"""Bases of a filter: as narrow as the default, or wide. Longer motifs are ranked by the part that a filter can hold."""
WIDE_FPR = 0.01
"""False-positive rate at which widths are compared, because random matches in a neighbourhood are many."""
WIDE_ERRORS = 2.0
"""Standard errors by which the best motif must find more bound windows with wide filters, because those cost time."""
MAX_BOUND, MAX_UNBOUND = 4_000, 12_000
"""Maximum windows of each class that take part in the choice. More cost time and change the ranking little."""
STRETCHES, HELD_OUT = 20, 4
"""Windows are divided into this many stretches in genome order. One stretch in four tests what the others taught."""
ALIKE = 0.8
"""Similarity above which two motifs count as one."""
ERRORS = 3.0
"""Standard errors by which a learned motif must beat chance on windows that it was not learned from."""
SAME_FILTERS_LEARNED = 2
"""Filters of the first fit per motif wanted, because several find the same motif."""


class Sample(NamedTuple):
    """Windows that take part in the choice. Unbound windows have the bound windows' share of C and G."""

    codes: NDArray[np.uint8]
    labels: NDArray[np.int8]
    held_out: NDArray[np.bool_]


def choose_motifs(
    wish: Wish, sets: Sequence[Windows], filters: int = FILTER_MULTIPLE, width: int | None = None
) -> Motifs:
    """Choose the motifs that filters start from.

    Parameters
    ----------
    wish : Wish
        ``auto``: JASPAR's most enriched vertebrate matrices, and motifs learned from the windows, at most half.
        ``random``: learned motifs only. Named motifs stand first, and learned ones fill up.
    sets : sequence of Windows
        Training windows.
    filters : int
        Minimum number of motifs. More named motifs need more, a multiple of 16.
    width : int, optional
        Bases of a filter. By default ``auto`` chooses between :data:`WIDTHS`.

    Raises
    ------
    InputError
        When no window is bound, or none is unbound.
    """
    if wish.choice == JUND:
        return Motifs()
    count = -(-max(filters, len(wish.named)) // FILTER_MULTIPLE) * FILTER_MULTIPLE
    if len(wish.named) == count:
        return Motifs(wish.choice, wish.named)
    sample = draw_sample(sets)
    scores = {}
    if wish.choice == AUTO:
        matrices = list(vertebrate_motifs().values())
        scores = {one: best_scores(sample.codes, _weights(matrices, one)) for one in ((width,) if width else WIDTHS)}
        width = _best_width(sample.labels, scores)
    width = width or WIDTHS[0]
    learned = _learned(sample, count, width)
    if wish.choice == AUTO:
        enriched = _enriched(sample.labels, scores[width])
        proven = [one for one in learned if _beats_chance(one, sample)]
        starts = _distinct([*enriched, *proven], count, width, most_learned=count // 2)
    else:
        starts = [*wish.named, *_distinct(learned, count - len(wish.named), width, apart_from=wish.named)]
    return Motifs(wish.choice, tuple(starts), width if width != WIDTHS[0] else None)


def choose_again(motifs: Motifs, sets: Sequence[Windows]) -> Motifs:
    """Choose as before, on other windows."""
    named = () if motifs.choice in (AUTO, RANDOM) else tuple(one for one in motifs.starts if one.source != LEARNED)
    return choose_motifs(Wish(motifs.choice, named), sets, len(motifs.starts), motifs.width or WIDTHS[0])


def draw_sample(sets: Sequence[Windows]) -> Sample:
    """Draw windows for the choice, the same ones at every call.

    Raises
    ------
    InputError
        When no window is bound, or none is unbound.
    """
    codes, labels = (np.concatenate([getattr(one, name) for one in sets]) for name in ("codes", "labels"))
    held_out = np.concatenate([_stretch(one) % HELD_OUT == HELD_OUT - 1 for one in sets])
    bound, unbound = (np.flatnonzero(labels == label) for label in (1, 0))
    if not len(bound) or not len(unbound):
        kind = "unbound" if len(bound) else "bound"
        raise InputError(f"none of the {len(labels):,} training windows is {kind}; check the peaks and their assembly")
    rng = np.random.default_rng(0)
    if len(bound) > MAX_BOUND:
        bound = np.sort(rng.choice(bound, MAX_BOUND, replace=False))
    if len(unbound) > MAX_UNBOUND:
        share = ((codes == 1) | (codes == 2)).sum(1)
        wanted, there = (np.bincount(share[rows], minlength=codes.shape[1] + 1) for rows in (bound, unbound))
        weights = (wanted + 1e-3 * len(bound) / codes.shape[1])[share[unbound]] / there[share[unbound]]
        unbound = np.sort(rng.choice(unbound, MAX_UNBOUND, replace=False, p=weights / weights.sum()))
    rows = np.concatenate([bound, unbound])
    return Sample(codes[rows], labels[rows], held_out[rows])


def _stretch(windows: Windows) -> NDArray[np.int64]:
    """Return which of the stretches each window lies in, (N,). Without ids, windows count as in genome order."""
    count = len(windows.labels)
    order = np.arange(count) if windows.ids is None else in_genome_order(*chroms_and_starts(windows))[0]
    stretch = np.empty(count, np.int64)
    stretch[order] = np.arange(count) * STRETCHES // max(count, 1)
    return stretch


def enrichment(scores: NDArray[np.float32], labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the AUROC of every column of scores (N, n). It is 0.5 if one class is missing.

    Examples
    --------
    >>> enrichment(np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 0.0]]), np.array([0, 1, 1])).tolist()
    [1.0, 0.25]
    """
    from scipy.stats import rankdata

    bound = int((labels == 1).sum())
    unbound = len(labels) - bound
    if not bound or not unbound:
        return np.full(scores.shape[1], 0.5)
    ranks = rankdata(scores, axis=0)[labels == 1].sum(0)
    return np.asarray((ranks - bound * (bound + 1) / 2) / (bound * unbound), np.float64)


def _best_width(labels: NDArray[np.int8], scores: Mapping[int, NDArray[np.float32]]) -> int:
    """Return the narrowest width of ``scores``, unless JASPAR's best motif finds clearly more bound windows at another.

    A motif of 15 bases such as CTCF's does. With filters of 12 bases, too many unbound windows match as well.
    """
    bound = int((labels == 1).sum())
    recalls = {width: _best_recall(labels, of_width) for width, of_width in scores.items()}
    narrow, wide = min(recalls), max(recalls, key=lambda width: recalls[width])
    error = np.sqrt(max(recalls[narrow] * (1 - recalls[narrow]), 1 / bound) / bound)
    return wide if recalls[wide] - recalls[narrow] > WIDE_ERRORS * error else narrow


def _best_recall(labels: NDArray[np.int8], scores: NDArray[np.float32]) -> float:
    """Return the largest share of bound windows that one motif finds at :data:`WIDE_FPR`."""
    least = np.quantile(scores[labels == 0], 1 - WIDE_FPR, axis=0)
    return float((scores[labels == 1] > least).mean(0).max())


def _learned(sample: Sample, count: int, width: int) -> list[Start]:
    """Learn motifs from three quarters of the windows, and measure them on the rest. The best stand first."""
    taught = ~sample.held_out
    bound, unbound = (sample.codes[(sample.labels == label) & taught] for label in (1, 0))
    if not len(bound) or not len(unbound):  # all lie in one stretch
        bound, unbound = (sample.codes[sample.labels == label] for label in (1, 0))
    matrices = discover(bound, unbound, SAME_FILTERS_LEARNED * count, width)
    scores = best_scores(sample.codes[sample.held_out], _weights(matrices, width))
    aurocs = enrichment(scores, sample.labels[sample.held_out])
    order = np.argsort(-aurocs, kind="stable")
    return [
        make_start(f"{LEARNED} {rank}", LEARNED, matrices[row], float(aurocs[row]))
        for rank, row in enumerate(order, start=1)
    ]


def _enriched(labels: NDArray[np.int8], scores: NDArray[np.float32]) -> list[Start]:
    """Measure JASPAR's matrices by their scores."""
    return [
        make_start(name, RELEASE, matrix, float(auroc))
        for (name, matrix), auroc in zip(vertebrate_motifs().items(), enrichment(scores, labels), strict=True)
    ]


def _weights(matrices: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float32]:
    return np.stack([log_odds(matrix, width) for matrix in matrices])


def _beats_chance(start: Start, sample: Sample) -> bool:
    bound = int((sample.labels[sample.held_out] == 1).sum())
    unbound = int(sample.held_out.sum()) - bound
    if start.auroc is None or not bound or not unbound:
        return False
    return start.auroc - 0.5 > ERRORS * np.sqrt((bound + unbound + 1) / (12 * bound * unbound))


def _distinct(
    starts: Sequence[Start],
    count: int,
    width: int,
    most_learned: int | None = None,
    apart_from: Sequence[Start] = (),
) -> list[Start]:
    """Take ``count`` motifs, the highest AUROC first. Leave out those that resemble one taken before.

    If too few are left, those that were left out fill up.
    """
    ranked = sorted(starts, key=lambda one: -(one.auroc or 0.0))
    weights = _weights([np.array(one.matrix) for one in [*ranked, *apart_from]], width)
    alike = similarities(weights, weights).max(2) > ALIKE
    taken: list[int] = []
    left = []
    before = list(range(len(ranked), len(weights)))
    learned = 0
    for number, one in enumerate(ranked):
        full = one.source == LEARNED and most_learned is not None and learned >= most_learned
        if len(taken) == count or full or alike[number, [*before, *taken]].any():
            left.append(number)
            continue
        taken.append(number)
        learned += one.source == LEARNED
    return [ranked[number] for number in [*taken, *left][:count]]


def with_motifs(candidates: Sequence[Candidate], motifs: Motifs) -> list[Candidate]:
    """Let candidates start from ``motifs``.

    CNN and LSTM get more filters if more motifs were named. A CNN gets wide filters if the motifs are wide, unless it
    has a width of its own.
    """
    changed = []
    for one in candidates:
        network = one.network
        if network.family != "mlp" and motifs.choice not in (AUTO, RANDOM, JUND):
            network = replace(network, filters=max(network.filters, len(motifs.starts)))
        if network.family == "cnn" and motifs.width is not None and network.filter_width == WIDTHS[0]:
            network = replace(network, filter_width=motifs.width)
        changed.append(replace(one, network=network, motifs=motifs))
    return changed


def filters_needed(candidates: Sequence[Candidate]) -> int:
    """Return how many motifs the largest of the candidates starts from."""
    return max((MLP_MOTIFS if one.network.family == "mlp" else one.network.filters for one in candidates), default=0)


def read_motifs(runs: Path) -> Motifs:
    """Read the motifs of a folder of checkpoints: JUND's if the folder is older than the choice of motifs."""
    path = runs / MOTIFS_FILE
    return Motifs.from_dict(read_record(path, "choice", "starts")) if path.is_file() else Motifs()


def _describe(start: Start) -> str:
    return start.name if start.auroc is None else f"{start.name} (AUROC {start.auroc:.2f})"


def motifs_of_runs(wish: Wish, sets: Sequence[Windows], runs: Path, filters: int) -> Motifs:
    """Return the motifs of a folder of checkpoints. Choose and write them if the folder has no fits.

    Raises
    ------
    InputError
        When its fits started from other motifs, or when the windows allow no choice.
    """
    if (runs / MOTIFS_FILE).is_file() or any(runs.glob(f"*/{CHECKPOINT}")):
        known = read_motifs(runs)
        if known.choice != wish.choice:
            raise InputError(
                f"{runs}: its fits start from other motifs; give --motifs {known.choice}, or another folder with --runs"
            )
        if wish.choice == JUND or len(known.starts) >= filters:
            return known
        if any(runs.glob(f"*/{CHECKPOINT}")):
            raise InputError(
                f"{runs}: its fits start from {len(known.starts)} motifs, not {filters}; give another --runs"
            )
    log.info("choosing the motifs that filters start from (--motifs %s)", wish.choice)
    motifs = choose_motifs(wish, sets, filters)
    if motifs.starts:
        wide = "" if motifs.width is None else f", and a CNN's are {motifs.width} bases wide"
        log.info("filters start from %s%s", "; ".join(_describe(one) for one in motifs.starts), wide)
    write_record(motifs.to_dict(), runs / MOTIFS_FILE)
    return motifs
