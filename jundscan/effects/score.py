"""Score variants: both haplotypes of every alternative allele, at every window that it touches.

The calling thread collects some alleles and the bases around them into tasks, and worker threads score the tasks.
Windows of the reference that variants share are scored once. A window is scored with the flanks of its own haplotype.
An indel in a repeat touches the windows of all positions at which it can be written. Each allele is judged alone:
phased neighbours are not put on one haplotype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosome_line import ChromosomeLine
from jundscan.dna.interval_sets import merge_intervals
from jundscan.dna.letters import UNKNOWN
from jundscan.dna.windows import known_windows
from jundscan.effects.alleles import STATUSES
from jundscan.effects.haplotypes import (
    BLOCK_WINDOWS,
    Int64Array,
    block_bases,
    cut_into_blocks,
    expand_ranges,
    find_partners,
    read_bases,
    splice,
)
from jundscan.effects.indels import widen_indels
from jundscan.effects.tasks import TASK_ALLELES, Record, Task, TaskBuilder, split_variants
from jundscan.io.vcf import Variant
from jundscan.model.thresholds import false_positive_rates, is_positive, logits
from jundscan.scanning.plan import Scan
from jundscan.schemas.records import Status
from jundscan.threads import in_order

CALL_BLOCKS = 40
"""Maximum blocks per call of the model, because its arrays must fit into the processor's cache."""


class Effects(NamedTuple):
    """Effects of alternative alleles, one row per allele. Alleles that were not scored have NaN and -1.

    Attributes
    ----------
    status : numpy.ndarray, shape=(n,), dtype=int8
        Index in :data:`jundscan.effects.alleles.STATUSES`.
    reference, alternative : numpy.ndarray, shape=(n,), dtype=float32
        Highest probability among the touched windows of each haplotype.
    difference : numpy.ndarray, shape=(n,), dtype=float64
        Logit of ``alternative`` minus logit of ``reference``.
    window : numpy.ndarray, shape=(n,), dtype=int64
        Start, on the reference and 0-based, of the pair of windows whose logits differ most (the first of equals).
    window_difference : numpy.ndarray, shape=(n,), dtype=float64
        Logit of that pair's alternative window minus logit of its reference window.
    hit : numpy.ndarray, shape=(n,), dtype=int8
        Index in :data:`jundscan.effects.alleles.HIT_CHANGES`.
    reference_fpr, alternative_fpr : numpy.ndarray, shape=(n,), dtype=float64
        False-positive rate of windows at ``reference`` and ``alternative``, see
        :func:`jundscan.model.thresholds.false_positive_rates`.
    left_shift : numpy.ndarray, shape=(n,), dtype=int64
        Bases by which left-alignment moves the start of an indel, with one base before it as in a VCF. 0 for all other
        alleles.
    in_repeat : numpy.ndarray, shape=(n,), dtype=bool
        Whether an indel could be written elsewhere, see :mod:`jundscan.effects.indels`.
    percentile, uniform_percentile : numpy.ndarray, shape=(n,), dtype=float64
        Share of reference variants whose absolute difference is smaller: of substitutions in accessible windows, and of
        substitutions anywhere. NaN for a model without reference, see :mod:`jundscan.model.effect_percentiles`.
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
    percentile: NDArray[np.float64]
    uniform_percentile: NDArray[np.float64]


def score_variants(
    scan: Scan,
    variants: Iterable[tuple[Record, Variant]],
    task_alleles: int = TASK_ALLELES,
    bytes_read: Callable[[], int] = lambda: 0,
    call_blocks: int = CALL_BLOCKS,
) -> Iterator[tuple[list[Record], Effects]]:
    """Score variants task by task, in their order. Threads and the size of tasks and calls do not change the result.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`. Its stride and regions are not used.
    variants : iterable of (record, Variant)
        Each variant with its record, any object, which is returned with the effects.
    task_alleles : int
        Maximum alleles per task.
    bytes_read : callable
        Returns the bytes of input read so far. A task ends early where records are long.
    call_blocks : int
        Maximum blocks per call of the model.

    Yields
    ------
    records : list
        The records of one task.
    effects : Effects
        A row for each alternative allele of these records.
    """
    builder = TaskBuilder(scan)
    tasks = (
        (records, builder.build(of_task)) for records, of_task in split_variants(variants, task_alleles, bytes_read)
    )
    with closing(
        in_order(
            lambda item: (item[0], _score_task(scan, item[1], builder.line, call_blocks).effects),
            tasks,
            scan.inputs.threads,
        )
    ) as done:
        yield from done
    scan.inputs.finish()


class WindowPairs(NamedTuple):
    """Windows that an allele touches, each with its partner on the other haplotype.

    Attributes
    ----------
    start : numpy.ndarray, shape=(n,), dtype=int64
        Start of the reference window, 0-based, ascending; where bases are inserted, several pairs share one.
    reference, alternative : numpy.ndarray, shape=(n,), dtype=float32
        Probabilities. NaN for a window with an unknown base.
    """

    start: Int64Array
    reference: NDArray[np.float32]
    alternative: NDArray[np.float32]


class _ScoredTask(NamedTuple):
    """Alleles of a task: their effects, and for each that has any, its row, first pair and all pairs of windows."""

    effects: Effects
    rows: NDArray[np.intp]
    begin: NDArray[np.intp]
    pairs: WindowPairs


def score_pairs(scan: Scan, variants: Sequence[Variant], call_blocks: int = CALL_BLOCKS) -> list[WindowPairs | None]:
    """Score the windows that each of a few alleles touches.

    Parameters
    ----------
    scan : Scan
    variants : sequence of Variant
        In any order. They are scored at once, so their windows are in memory together.
    call_blocks : int
        Maximum blocks per call of the model.

    Returns
    -------
    list of WindowPairs or None
        One for each alternative allele. None for an allele that is not scored.
    """
    builder = TaskBuilder(scan)
    scored = _score_task(scan, builder.build(list(variants)), builder.line, call_blocks)
    found: list[WindowPairs | None] = [None] * len(scored.effects.status)
    ends = np.append(scored.begin[1:], len(scored.pairs.start))
    for row, first, end in zip(scored.rows.tolist(), scored.begin.tolist(), ends.tolist(), strict=True):
        if scored.effects.hit[row] >= 0:
            found[row] = WindowPairs._make(column[first:end] for column in scored.pairs)
    return found


def _score_task(scan: Scan, task: Task, line: ChromosomeLine, call_blocks: int) -> _ScoredTask:
    status = task.status.copy()
    stretch_shift = np.cumsum(np.diff(task.stretches).ravel()) - task.stretches[:, 1]

    def shift_at(positions: Int64Array) -> Int64Array:
        """Return what to add to each position to get its index in the task's codes."""
        return stretch_shift[np.searchsorted(task.stretches[:, 0], positions, side="right") - 1]

    def flag(rows: NDArray[np.intp], reason: Status) -> None:
        status[task.rows[rows]] = STATUSES.index(reason)

    mismatch = _find_mismatches(task, shift_at(task.ref_starts))
    flag(np.flatnonzero(mismatch), "ref_mismatch")
    too_short = task.sites.too_short()
    flag(np.flatnonzero(too_short & ~mismatch), "no_window")
    keep = np.flatnonzero(~mismatch & ~too_short)
    effects = _empty_effects(status)
    if not keep.size:
        nothing = np.empty(0, np.float32)
        return _ScoredTask(effects, keep, keep, WindowPairs(np.empty(0, np.int64), nothing, nothing))
    widened, alleles, left, right = widen_indels(task.sites, task.alleles, task.codes, shift_at(task.sites.start))
    aligned = np.maximum(widened.start - 1, widened.chrom_start)
    shifts = np.where(task.sites.is_indel, np.maximum(task.ref_starts - aligned, 0), 0)
    effects.left_shift[task.rows[keep]] = shifts[keep]
    effects.in_repeat[task.rows[keep]] = (left + right > 0)[keep]
    sites, flank = widened.take(keep), scan.model.flank
    (first, last), (first_alternative, last_alternative) = sites.touched_reference(), sites.touched_alternative()

    # the reference: every window that any variant touches, once
    runs = merge_intervals(np.column_stack((first, last + 1)))
    on_reference = cut_into_blocks(runs[:, 0], runs[:, 1] - 1)
    shift = on_reference.shift[np.searchsorted(runs[:, 0], first, side="right") - 1]
    codes = read_bases(task.codes, on_reference.start - flank + shift_at(on_reference.start), block_bases(flank))
    accessibility = _accessibility(scan, line, runs, on_reference.shift, len(codes))
    scored = _score_blocks(scan, codes, accessibility, call_blocks)

    # the alternative haplotypes: every variant alone, each window with the accessibility of its partner
    on_alternative = cut_into_blocks(first_alternative, last_alternative)
    begin = np.cumsum(widened.alt_bases) - widened.alt_bases
    codes = splice(task.codes, shift_at(first), alleles, begin[keep], sites, on_alternative, flank)
    of_partners = np.full((len(codes) * BLOCK_WINDOWS, len(scan.model.widths)), np.nan, np.float32)
    if scan.track is not None:
        row, window, _ = expand_ranges(first_alternative, last_alternative)
        partner = find_partners(
            window, sites.start[row], sites.alt_bases[row], sites.ref_bases[row], first[row], last[row]
        )
        of_partners[window + on_alternative.shift[row]] = accessibility[partner + shift[row]]
    rescored = _score_blocks(scan, codes, of_partners, call_blocks)

    # pairs: each window of the longer haplotype, and its partner on the other one
    longer = sites.alt_bases >= sites.ref_bases
    row, window, pair_begin = expand_ranges(
        np.where(longer, first_alternative, first), np.where(longer, last_alternative, last)
    )
    if np.array_equal(sites.ref_bases, sites.alt_bases):
        on_old = on_new = window
    else:
        lengths = (sites.alt_bases, sites.ref_bases)
        own, other = (np.where(longer, one, two)[row] for one, two in (lengths, lengths[::-1]))
        begin_other, end_other = np.where(longer, first, first_alternative), np.where(longer, last, last_alternative)
        partner = find_partners(window, sites.start[row], own, other, begin_other[row], end_other[row])
        on_old, on_new = np.where(longer[row], partner, window), np.where(longer[row], window, partner)
    old, new = scored[on_old + shift[row]], rescored[on_new + on_alternative.shift[row]]
    change = logits(new) - logits(old)
    size = np.nan_to_num(np.abs(change), nan=-1.0)
    top = np.flatnonzero(
        size == np.repeat(np.maximum.reduceat(size, pair_begin), np.diff(pair_begin, append=len(size)))
    )
    top = top[np.searchsorted(top, pair_begin)]
    best_old, best_new = np.fmax.reduceat(old, pair_begin), np.fmax.reduceat(new, pair_begin)
    has_unknown = np.logical_or.reduceat(np.isnan(old) | np.isnan(new), pair_begin)
    all_unknown = np.isnan(change[top])
    flag(keep[all_unknown], "unknown_bases")
    flag(keep[has_unknown & ~all_unknown], "partial")

    known = ~all_unknown
    at = task.rows[keep[known]]
    threshold = scan.threshold.value
    hit_old, hit_new = is_positive(best_old, threshold), is_positive(best_new, threshold)
    effects.reference[at], effects.alternative[at] = best_old[known], best_new[known]
    effects.difference[at] = (logits(best_new) - logits(best_old))[known]
    effects.window[at] = (on_old[top] - sites.chrom_start)[known]
    effects.window_difference[at] = change[top][known]
    effects.hit[at] = np.where(hit_old, np.where(hit_new, 2, 1), np.where(hit_new, 0, 3))[known]
    table = scan.model.metadata.table(scan.track is not None)
    effects.reference_fpr[at] = false_positive_rates(table, best_old[known])
    effects.alternative_fpr[at] = false_positive_rates(table, best_new[known])
    if scan.model.metadata.effects is not None:
        reference = scan.model.metadata.effects.mode(scan.track is not None)
        effects.percentile[at] = reference.accessible.percentiles(effects.difference[at])
        effects.uniform_percentile[at] = reference.uniform.percentiles(effects.difference[at])
    pairs = WindowPairs(on_old - sites.chrom_start[row], old, new)
    return _ScoredTask(effects, task.rows[keep], pair_begin, pairs)


def _empty_effects(status: NDArray[np.int8]) -> Effects:
    """Return effects of alleles that are not scored."""
    nan32, nan, no_window, no_hit = np.float32(np.nan), np.float64(np.nan), np.int64(-1), np.int8(-1)
    fills = (nan32, nan32, nan, no_window, nan, no_hit, nan, nan, np.int64(0), np.False_, nan, nan)
    return Effects._make([status, *(np.full(len(status), fill) for fill in fills)])


def _find_mismatches(task: Task, shift: Int64Array) -> NDArray[np.bool_]:
    """Return whether the REF of each allele differs from the genome. An N of the genome matches any letter."""
    if not len(task.ref_starts):
        return np.empty(0, np.bool_)
    row, position, begin = expand_ranges(task.ref_starts, task.ref_starts + task.ref_lengths - 1)
    in_genome = task.codes[position + shift[row]]
    return np.logical_or.reduceat((task.ref_codes != in_genome) & (in_genome != UNKNOWN), begin)


def _accessibility(
    scan: Scan, line: ChromosomeLine, runs: NDArray[np.int64], shift: Int64Array, blocks: int
) -> NDArray[np.float32]:
    """Return the mapped accessibility of the windows of blocks on the reference, (windows, widths).

    Windows that only fill up a block have NaN.
    """
    accessibility = np.full((blocks * BLOCK_WINDOWS, len(scan.model.widths)), np.nan, np.float32)
    if scan.track is None:
        return accessibility
    row, window, _ = expand_ranges(runs[:, 0], runs[:, 1] - 1)
    accessibility[window + shift[row]] = scan.inputs.accessibility_of(list(line.split(window)))
    return accessibility


def _score_blocks(
    scan: Scan, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], call_blocks: int
) -> NDArray[np.float32]:
    """Return the probabilities of all windows of blocks, (windows,). Windows with an unknown base have NaN."""
    probabilities = scan.model.slide_many(codes, accessibility.reshape(len(codes), BLOCK_WINDOWS, -1), call_blocks)
    known = known_windows(codes, scan.model.flank)
    if known is not None:
        probabilities[~known] = np.nan
    return probabilities.ravel()
