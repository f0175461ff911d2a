"""Which bases matter: every substitution at every base, scored through all windows that cover it.

Substitutions 101 bases apart share no window, so one mutated copy of a stretch carries one at every 101st base, and
each of its windows holds exactly one: 303 copies hold every substitution of a stretch of any length. A window's
accessibility is that of the reference throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from jundscan.effects import logits
from jundscan.encoding import ALPHABET, UNKNOWN, WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.haplotypes import known_windows
from jundscan.plan import Scan
from jundscan.reference import Reference
from jundscan.tasks import in_order
from jundscan.windows import Region

MOST_BASES = 1_000_000
"""Bases explained in one run."""
CHUNK_BASES = 10 * WINDOW_LENGTH
"""Bases explained together, all their mutated copies at a time."""
PERCENTILES = np.linspace(0, 1, 101, dtype=np.float32)
"""Accessibility values that the response is computed at."""
_OTHERS = len(ALPHABET) - 1
_CENTRE = WINDOW_LENGTH // 2


class Response(NamedTuple):
    """What accessibility contributes: one window's probability as a function of it.

    Attributes
    ----------
    start : int
        Start of the window, 0-based: the best one of those that lie in the region, or of those that touch it.
    probability, accessibility : float
        Its probability, and the percentile that it has; NaN where not available.
    percentiles, probabilities : numpy.ndarray, shape=(101,), dtype=float32
        Its probability at other percentiles.
    without : float
        Its probability when accessibility is not available.
    """

    start: int
    probability: float
    accessibility: float
    percentiles: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    without: float


class Explanation(NamedTuple):
    """What drives the prediction along a region of n bases; NaN where no window without unknown letters covers a base.

    Attributes
    ----------
    region : Region
    codes : numpy.ndarray, shape=(n,), dtype=uint8
        The bases.
    differences : numpy.ndarray, shape=(n, 4), dtype=float64
        Mean over the windows that cover a base of logit(mutated) - logit(reference), for A, C, G and T; 0 for the base
        that is there.
    contributions : numpy.ndarray, shape=(n,), dtype=float64
        The base's own: minus the mean over its three substitutions. Positive where the base helps.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
        Probability of the window centred on a base.
    accessibility : numpy.ndarray, shape=(n,), dtype=float32
        Percentile of that window.
    response : Response or None
        None where no window is known.
    """

    region: Region
    codes: NDArray[np.uint8]
    differences: NDArray[np.float64]
    contributions: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    accessibility: NDArray[np.float32]
    response: Response | None


class _Stretch(NamedTuple):
    """The bases [start, end) of a chromosome with all windows that cover them."""

    start: int
    end: int
    first: int  # start of the first window
    codes: NDArray[np.uint8]
    accessibility: NDArray[np.float32]


class _Mutated(NamedTuple):
    differences: NDArray[np.float64]
    probabilities: NDArray[np.float32]  # of all windows of the stretch; NaN with unknown letters


def explain_regions(scan: Scan, regions: Iterable[Region]) -> Iterator[Explanation]:
    """Explain regions one after the other, in their order.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.plan.prepare`; stride and regions do not matter.
    regions : iterable of Region
        Inside their chromosomes.

    Yields
    ------
    Explanation

    Raises
    ------
    InputError
        When there are more than a million bases.
    """
    regions = list(regions)
    bases = sum(region.end - region.start for region in regions)
    if bases > MOST_BASES:
        raise InputError(
            f"{bases:,} bases to explain, at most {MOST_BASES:,} in one run: choose smaller or fewer regions"
        )
    reference = Reference(scan.genome)
    stretches = (
        (number, stretch) for number, region in enumerate(regions) for stretch in _cut(scan, reference, region)
    )
    with closing(in_order(lambda item: (*item, _mutate(scan, item[1])), stretches, scan.threads)) as done:
        for number, parts in groupby(done, key=lambda item: item[0]):
            yield _joined(scan, regions[number], [(stretch, mutated) for _, stretch, mutated in parts])
    scan.finish()


def _cut(scan: Scan, reference: Reference, region: Region) -> Iterator[_Stretch]:
    length = scan.genome.chromsizes[region.chrom]
    share = -(-(region.end - region.start) // scan.threads)
    step = min(CHUNK_BASES, max(share, WINDOW_LENGTH))  # something for every thread
    for start in range(region.start, region.end, step):
        end = min(start + step, region.end)
        first = max(0, start - WINDOW_LENGTH + 1)
        count = max(0, min(end - 1, length - WINDOW_LENGTH) - first + 1)
        # where the chromosome is too short for a window, the bases are still needed
        codes = reference.read([Region(region.chrom, first, max(first + count + WINDOW_LENGTH - 1, end))])
        yield _Stretch(
            start, end, first, codes, scan.accessibility_of([(region.chrom, np.arange(first, first + count))])
        )


def _mutate(scan: Scan, stretch: _Stretch) -> _Mutated:
    n, count = stretch.end - stretch.start, len(stretch.accessibility)
    differences = np.full((n, len(ALPHABET)), np.nan)
    if not count:
        return _Mutated(differences, np.empty(0, np.float32))
    codes, every_known = stretch.codes, known_windows(stretch.codes[None], UNKNOWN)
    known = np.ones(count, np.bool_) if every_known is None else every_known[0]
    before = _score(scan, codes[None], stretch.accessibility)[0]
    place = np.arange(len(codes))
    copies = np.tile(codes, (_OTHERS, WINDOW_LENGTH, 1))
    here = (place % WINDOW_LENGTH == np.arange(WINDOW_LENGTH)[:, None]) & (codes != UNKNOWN)
    for step in range(_OTHERS):  # one, two and three letters on
        copies[step][here] = (np.broadcast_to(codes, here.shape)[here] + step + 1) % len(ALPHABET)
    after = _score(scan, copies.reshape(-1, len(codes)), stretch.accessibility).reshape(*copies.shape[:2], count)

    bases = np.arange(n) + stretch.start - stretch.first
    sums = _sums_of_bases(logits(after) - logits(before), known)[:, bases]
    known_before = np.append(0, np.cumsum(known))
    counts = known_before[np.minimum(bases + 1, count)] - known_before[np.maximum(bases - WINDOW_LENGTH + 1, 0)]
    letters = codes[bases]
    mutated = np.flatnonzero((letters != UNKNOWN) & (counts > 0))
    for step in range(_OTHERS):
        differences[mutated, (letters[mutated] + step + 1) % len(ALPHABET)] = sums[step, mutated] / counts[mutated]
    differences[mutated, letters[mutated]] = 0
    before[~known] = np.nan
    return _Mutated(differences, before)


def _sums_of_bases(change: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum what changes in the known windows over each base.

    Window w covers place p when w is one of p - 100 to p, and the copy that mutates p is number p % 101. So the windows
    of a copy fall into groups of 101, one after another, each of a base of its own.

    Parameters
    ----------
    change : numpy.ndarray, shape=(3, 101, windows), dtype=float64
        By letters on, copy and window.
    known : numpy.ndarray, shape=(windows,), dtype=bool

    Returns
    -------
    numpy.ndarray, shape=(3, n), dtype=float64
        By letters on and place, counted from the first window; n is at least windows + 100.
    """
    reach, count = WINDOW_LENGTH - 1, len(known)
    groups = -(-(count + reach) // WINDOW_LENGTH)
    whole = np.zeros((_OTHERS, WINDOW_LENGTH, (groups + 2) * WINDOW_LENGTH))
    whole[:, :, reach : reach + count] = change
    if not known.all():
        whole[:, :, reach : reach + count][:, :, ~known] = 0
    by_step, by_copy, by_window = whole.strides
    # of each copy from as many windows on as its number
    shape = _OTHERS, groups, WINDOW_LENGTH, WINDOW_LENGTH
    strides = by_step, WINDOW_LENGTH * by_window, by_copy + by_window, by_window
    sums: NDArray[np.float64] = as_strided(whole, shape, strides, writeable=False).sum(axis=3)
    return sums.reshape(_OTHERS, -1)


def _score(scan: Scan, codes: NDArray[np.uint8], accessibility: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score every window of copies of a stretch, (copies, windows).

    Copies lie end to end in one long row, which the model is fastest on; windows across two of them are left out.
    """
    count, across = len(accessibility), WINDOW_LENGTH - 1
    held = np.pad(accessibility, (0, across), constant_values=np.nan)
    together = max(1, scan.model.windows_per_call(1) // len(held))
    probabilities = np.empty((len(codes), count), np.float32)
    for first in range(0, len(codes), together):
        copies = codes[first : first + together]
        row = scan.model.slide(copies.ravel(), np.tile(held, len(copies))[:-across], 1)
        probabilities[first : first + together] = np.pad(row, (0, across)).reshape(copies.shape)[:, :count]
    return probabilities


def _joined(scan: Scan, region: Region, parts: list[tuple[_Stretch, _Mutated]]) -> Explanation:
    probabilities, accessibility = (np.full(region.end - region.start, np.nan, np.float32) for _ in range(2))
    best: tuple[bool, float, int, float, NDArray[np.uint8]] | None = None
    for stretch, mutated in parts:
        starts = np.arange(len(mutated.probabilities)) + stretch.first
        centres = starts + _CENTRE - region.start
        here = (centres >= 0) & (centres < len(probabilities))
        probabilities[centres[here]] = mutated.probabilities[here]
        accessibility[centres[here]] = stretch.accessibility[here]
        inside = (starts >= region.start) & (starts + WINDOW_LENGTH <= region.end)
        for within in (True, False):
            candidates = np.flatnonzero((inside == within) & ~np.isnan(mutated.probabilities))
            if candidates.size:
                top = int(candidates[np.argmax(mutated.probabilities[candidates])])
                window = stretch.codes[top : top + WINDOW_LENGTH]
                found = (within, float(mutated.probabilities[top]), int(starts[top]), float(stretch.accessibility[top]))
                if best is None or found[:2] > best[:2]:
                    best = (*found, window)
    differences = np.concatenate([mutated.differences for _, mutated in parts])
    bases = [stretch.codes[stretch.start - stretch.first :][: stretch.end - stretch.start] for stretch, _ in parts]
    return Explanation(
        region,
        np.concatenate(bases),
        differences,
        -differences.sum(axis=1) / _OTHERS,
        probabilities,
        accessibility,
        None if best is None else _response(scan, *best[1:]),
    )


def _response(scan: Scan, probability: float, start: int, accessibility: float, window: NDArray[np.uint8]) -> Response:
    values = np.append(PERCENTILES, np.float32(np.nan))
    probabilities = scan.model.predict(np.tile(window, (len(values), 1)), values)
    return Response(start, probability, accessibility, PERCENTILES, probabilities[:-1], float(probabilities[-1]))
