"""What variants do to JUND: both haplotypes of every alternative allele, scored at every window that it touches.

``score_variants`` takes variants in any order and gives their effects in that order: the calling thread collects a few
hundred alleles and the bases around them, worker threads score them. Windows of the reference that neighbours share are
scored once. A window is scored with the flanks of its own haplotype, but one that holds the allele in a flank only is
not touched. An indel in a repeat touches the windows of all places at which it can be written. All windows go through
the model in blocks of one size, many blocks to a call. Each allele is judged alone: phased neighbours are not put on
one haplotype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import UNKNOWN
from jundscan.dna.windows import known_windows
from jundscan.effects.alleles import STATUSES, Status
from jundscan.effects.haplotypes import (
    BLOCK_WINDOWS,
    Int64Array,
    bases_of,
    block_bases,
    blocks,
    partners,
    ranges,
    splice,
)
from jundscan.effects.indels import spread
from jundscan.effects.tasks import TASK_ALLELES, Gather, Payload, Task, portions
from jundscan.io.vcf import Variant
from jundscan.model.thresholds import false_positive_rates, is_positive, logits
from jundscan.scanning.plan import Scan
from jundscan.threads import in_order

CALL_BLOCKS = 40
"""Blocks in one call of the model: few enough that its arrays stay in the processor's cache."""


class Effects(NamedTuple):
    """Effects of alternative alleles, one row each; NaN and -1 where an allele was not scored.

    Attributes
    ----------
    status : numpy.ndarray, shape=(n,), dtype=int8
        Place in :data:`jundscan.effects.alleles.STATUSES`.
    reference, alternative : numpy.ndarray, shape=(n,), dtype=float32
        Best probability among the windows touched on each haplotype.
    difference : numpy.ndarray, shape=(n,), dtype=float64
        Logit of ``alternative`` minus logit of ``reference``.
    window : numpy.ndarray, shape=(n,), dtype=int64
        Start, on the reference, of the pair of windows whose logits differ most (the first of equals), 0-based.
    window_difference : numpy.ndarray, shape=(n,), dtype=float64
        That difference, alternative minus reference.
    hit : numpy.ndarray, shape=(n,), dtype=int8
        Place in :data:`jundscan.effects.alleles.HITS`.
    reference_fpr, alternative_fpr : numpy.ndarray, shape=(n,), dtype=float64
        False-positive rate of windows at ``reference`` and ``alternative``, see
        :func:`jundscan.model.thresholds.false_positive_rates`.
    left_shift : numpy.ndarray, shape=(n,), dtype=int64
        Bases by which the start of an indel moves left when it is left-aligned with one base before it, as a VCF has
        it; 0 for anything else.
    in_repeat : numpy.ndarray, shape=(n,), dtype=bool
        Whether an indel could be written elsewhere, see :mod:`jundscan.effects.indels`.
    """

    status: NDArray[np.int8]
    reference: NDArray[np.float32]
    alternative: NDArray[np.float32]
    difference: NDArray[np.float64]
    window: Int64Array
    window_difference: NDArray[np.float64]
    hit: NDArray[np.int8]
    reference_fpr: NDArray[np.float64]
    alternative_fpr: NDArray[np.float64]
    left_shift: Int64Array
    in_repeat: NDArray[np.bool_]


def score_variants(
    scan: Scan,
    variants: Iterable[tuple[Payload, Variant]],
    task_alleles: int = TASK_ALLELES,
    read: Callable[[], int] = lambda: 0,
) -> Iterator[tuple[list[Payload], Effects]]:
    """Score variants in portions, in the order given; the result depends neither on threads nor on portions.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`; stride and regions do not matter.
    variants : iterable
        Each with whatever is to come back with its effects.
    task_alleles : int
        Alleles that one worker takes at a time.
    read : callable
        Tells how many bytes of them have been read, where they are long: they are in memory until they come back.

    Yields
    ------
    payloads : list
        Of one portion's variants.
    effects : Effects
        A row for each alternative allele of each of these variants.
    """
    gather = Gather(scan)
    tasks = ((payloads, gather.task(portion)) for payloads, portion in portions(variants, task_alleles, read))
    with closing(
        in_order(lambda item: (item[0], _score_task(scan, item[1], gather.origins)), tasks, scan.threads)
    ) as done:
        yield from done
    scan.finish()


def _score_task(scan: Scan, task: Task, origins: dict[str, int]) -> Effects:
    status = task.status.copy()
    stretch_shift = np.cumsum(np.diff(task.stretches).ravel()) - task.stretches[:, 1]

    def shift_at(positions: Int64Array) -> Int64Array:
        """What to add to positions to find them in the task's codes."""
        return stretch_shift[np.searchsorted(task.stretches[:, 0], positions, side="right") - 1]

    def flag(rows: NDArray[np.intp], reason: Status) -> None:
        status[task.rows[rows]] = STATUSES.index(reason)

    mismatch = _mismatches(task, shift_at(task.written[0]))
    flag(np.flatnonzero(mismatch), "ref_mismatch")
    too_short = task.sites.too_short()
    flag(np.flatnonzero(too_short & ~mismatch), "no_window")
    keep = np.flatnonzero(~mismatch & ~too_short)
    effects = _none(status)
    if not keep.size:
        return effects
    every, alleles, left, right = spread(task.sites, task.alleles, task.codes, shift_at(task.sites.start))
    is_indel = (task.sites.reference == 0) | (task.sites.alternative == 0)
    aligned = np.maximum(every.start - 1, every.begin)
    effects.left_shift[task.rows[keep]] = np.where(is_indel, np.maximum(task.written[0] - aligned, 0), 0)[keep]
    effects.in_repeat[task.rows[keep]] = (left + right > 0)[keep]
    sites, flank = every.take(keep), scan.model.flank
    (first, last), (first_alternative, last_alternative) = sites.touched_reference(), sites.touched_alternative()

    # the reference: every window touched by any variant, once
    runs = merge_intervals(np.column_stack((first, last + 1)))
    on_reference = blocks(runs[:, 0], runs[:, 1] - 1)
    slot = on_reference.slot[np.searchsorted(runs[:, 0], first, side="right") - 1]
    codes = bases_of(task.codes, on_reference.start - flank + shift_at(on_reference.start), block_bases(flank))
    accessibility = _accessibility(scan, task.chroms, origins, runs, on_reference.slot, len(codes))
    scored = _run(scan, codes, accessibility)

    # the alternative haplotypes: every variant alone, each window with the accessibility of its partner
    on_alternative = blocks(first_alternative, last_alternative)
    begin = np.cumsum(every.alternative) - every.alternative
    codes = splice(task.codes, shift_at(first), alleles, begin[keep], sites, on_alternative, flank)
    held = np.full((len(codes) * BLOCK_WINDOWS, len(scan.model.widths)), np.nan, np.float32)
    if scan.track is not None:
        row, window, _ = ranges(first_alternative, last_alternative)
        partner = partners(
            window, sites.start[row], sites.alternative[row], sites.reference[row], first[row], last[row]
        )
        held[window + on_alternative.slot[row]] = accessibility[partner + slot[row]]
    rescored = _run(scan, codes, held)

    # pairs: each window of the haplotype that has more, and its partner on the other
    longer = sites.alternative >= sites.reference
    row, window, pair_begin = ranges(
        np.where(longer, first_alternative, first), np.where(longer, last_alternative, last)
    )
    if np.array_equal(sites.reference, sites.alternative):
        on_old = on_new = window
    else:
        lengths = (sites.alternative, sites.reference)
        own, other = (np.where(longer, one, two)[row] for one, two in (lengths, lengths[::-1]))
        begin_other, end_other = np.where(longer, first, first_alternative), np.where(longer, last, last_alternative)
        partner = partners(window, sites.start[row], own, other, begin_other[row], end_other[row])
        on_old, on_new = np.where(longer[row], partner, window), np.where(longer[row], window, partner)
    old, new = scored[on_old + slot[row]], rescored[on_new + on_alternative.slot[row]]
    change = logits(new) - logits(old)
    size = np.nan_to_num(np.abs(change), nan=-1.0)
    top = np.flatnonzero(
        size == np.repeat(np.maximum.reduceat(size, pair_begin), np.diff(pair_begin, append=len(size)))
    )
    top = top[np.searchsorted(top, pair_begin)]
    best_old, best_new = np.fmax.reduceat(old, pair_begin), np.fmax.reduceat(new, pair_begin)
    left_out = np.logical_or.reduceat(np.isnan(old) | np.isnan(new), pair_begin)
    unknown = np.isnan(change[top])
    flag(keep[unknown], "unknown_bases")
    flag(keep[left_out & ~unknown], "partial")

    fine = ~unknown
    at = task.rows[keep[fine]]
    threshold = scan.threshold.value
    hit_old, hit_new = is_positive(best_old, threshold), is_positive(best_new, threshold)
    effects.reference[at], effects.alternative[at] = best_old[fine], best_new[fine]
    effects.difference[at] = (logits(best_new) - logits(best_old))[fine]
    effects.window[at] = (on_old[top] - sites.begin)[fine]
    effects.window_difference[at] = change[top][fine]
    effects.hit[at] = np.where(hit_old, np.where(hit_new, 2, 1), np.where(hit_new, 0, 3))[fine]
    table = scan.model.metadata.table(scan.track is not None)
    effects.reference_fpr[at] = false_positive_rates(table, best_old[fine])
    effects.alternative_fpr[at] = false_positive_rates(table, best_new[fine])
    return effects


def _none(status: NDArray[np.int8]) -> Effects:
    """Effects of alleles that are not scored."""
    n = len(status)
    return Effects(
        status,
        np.full(n, np.nan, np.float32),
        np.full(n, np.nan, np.float32),
        np.full(n, np.nan),
        np.full(n, -1, np.int64),
        np.full(n, np.nan),
        np.full(n, -1, np.int8),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
    )


def _mismatches(task: Task, shift: Int64Array) -> NDArray[np.bool_]:
    """Tell the alleles whose REF is not what the genome has; where the genome has N, anything is."""
    starts, lengths, written = task.written
    if not len(starts):
        return np.empty(0, np.bool_)
    row, position, begin = ranges(starts, starts + lengths - 1)
    there = task.codes[position + shift[row]]
    return np.logical_or.reduceat((written != there) & (there != UNKNOWN), begin)


def _accessibility(
    scan: Scan, chroms: list[str], origins: dict[str, int], runs: NDArray[np.int64], slot: Int64Array, count: int
) -> NDArray[np.float32]:
    """Return the mapped accessibility of the windows of blocks on the reference, (windows, widths).

    NaN for windows that only fill up a block.
    """
    accessibility = np.full((count * BLOCK_WINDOWS, len(scan.model.widths)), np.nan, np.float32)
    if scan.track is None:
        return accessibility
    row, window, _ = ranges(runs[:, 0], runs[:, 1] - 1)
    edges = np.searchsorted(window, [*(origins[chrom] for chrom in chroms), np.iinfo(np.int64).max])
    bounds = zip(chroms, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    parts = [(chrom, window[begin:end] - origins[chrom]) for chrom, begin, end in bounds]
    accessibility[window + slot[row]] = scan.accessibility_of(parts)
    return accessibility


def _run(scan: Scan, codes: NDArray[np.uint8], accessibility: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score all windows of blocks, one after the other; NaN where a window itself holds an unknown letter."""
    held = accessibility.reshape(len(codes), BLOCK_WINDOWS, -1)
    probabilities = scan.model.slide_many(codes, held, CALL_BLOCKS)
    known = known_windows(codes, scan.model.flank)
    if known is not None:
        probabilities[~known] = np.nan
    return probabilities.ravel()
