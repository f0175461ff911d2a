"""Which bases matter: every substitution at every base, scored through all windows that cover it.

A window is scored with its flanks. Each substitution is made in a copy of its own, of the windows that cover it and
what the model sees around them. Where a model has no flanks, a copy carries several: substitutions 101 bases apart
share no window. A window's accessibility is that of the reference throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH, decode
from jundscan.dna.regions import Region
from jundscan.dna.windows import known_windows
from jundscan.errors import InputError
from jundscan.io.fasta.stretches import StretchReader
from jundscan.io.frames import data_frame
from jundscan.model.model import WINDOW_MULTIPLE
from jundscan.model.thresholds import logits
from jundscan.scanning.plan import Scan
from jundscan.threads import in_order

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_BASES = 1_000_000
"""Bases explained in one run."""
COPY_SUBSTITUTIONS = 10
"""Substitutions in one mutated copy at most, for a model without flanks, which works through long copies 1.5 times as
fast. With flanks it would score as many windows for nothing between two as a flank has bases."""
CALL_BASES = 1 << 16
"""Bases of mutated copies in one call of the model."""
PERCENTILES = np.linspace(0, 1, 101, dtype=np.float32)
"""Accessibility values that the response is computed at."""
_OTHERS = len(ALPHABET) - 1
_CENTRE = WINDOW_LENGTH // 2
_REACH = WINDOW_LENGTH - 1


class Response(NamedTuple):
    """What accessibility contributes: one window's probability as a function of it.

    The window keeps its bases and its flanks. A model that takes accessibility over several widths gets the same
    percentile at each, so that the window as it is need not lie on the curve.

    Attributes
    ----------
    start : int
        Start of the window, 0-based: the best one of those that lie in the region, or of those that touch it.
    probability, accessibility : float
        Its probability as it is, and the percentile that its own 101 bases have; NaN where not available.
    percentiles, probabilities : numpy.ndarray, shape=(101,), dtype=float32
        Its probability at other percentiles.
    without : float
        Its probability when accessibility is not available at any width.
    """

    start: int
    probability: float
    accessibility: float
    percentiles: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    without: float


class Explanation(NamedTuple):
    """What drives the prediction along a region of n bases. Row i of every array is base ``region.start`` + i.

    Values are NaN where every window over a base holds unknown letters.

    Attributes
    ----------
    region : Region
        Chromosome, start and end, 0-based half-open.
    codes : numpy.ndarray, shape=(n,), dtype=uint8
        Bases of the reference: A 0, C 1, G 2, T 3, unknown 4.
    differences : numpy.ndarray, shape=(n, 4), dtype=float64
        Effect of changing the base to A, C, G or T: logit(mutated) - logit(reference), mean over the windows that
        cover the base. Negative where the change makes binding less likely; 0 for the base of the reference.
    contributions : numpy.ndarray, shape=(n,), dtype=float64
        Contribution of the base, in logits: minus the mean of its three substitutions. Positive where the base helps.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
        Probability, 0 to 1, of the window centred on the base.
    accessibility : numpy.ndarray, shape=(n,), dtype=float32
        Percentile, 0 to 1, of that window's own 101 bases in its track; NaN where not available.
    response : Response or None
        Probability of the best window as a function of its accessibility. None where every window holds unknown
        letters.
    """

    region: Region
    codes: NDArray[np.uint8]
    differences: NDArray[np.float64]
    contributions: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    accessibility: NDArray[np.float32]
    response: Response | None

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` with one row per base, and the columns of ``mutagenesis.tsv``."""
        chrom, start, end = self.region
        starts = np.arange(start, end)
        return data_frame(
            {
                "chrom": chrom,
                "start": starts,
                "end": starts + 1,
                "reference": list(decode(self.codes).decode()),
                **dict(zip(ALPHABET, self.differences.T, strict=True)),
                "contribution": self.contributions,
                "probability": self.probabilities,
                "accessibility": self.accessibility,
            }
        )


class _Stretch(NamedTuple):
    """The bases [start, end) of a chromosome with all windows that cover them, the first at ``start`` - 100.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(end - start + 200 + 2 * flank,), dtype=uint8
        The bases of these windows and their flanks; 4 beyond the ends of the chromosome.
    accessibility : numpy.ndarray, shape=(end - start + 100, widths), dtype=float32
        NaN for windows that reach beyond an end.
    """

    start: int
    end: int
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
        From :func:`jundscan.scanning.plan.open_scan`; stride and regions do not matter.
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
    reference = StretchReader(scan.genome)
    stretches = (
        (number, stretch) for number, region in enumerate(regions) for stretch in _cut(scan, reference, region)
    )
    with closing(in_order(lambda item: (*item, _mutate(scan, item[1])), stretches, scan.inputs.threads)) as done:
        for number, parts in itertools.groupby(done, key=lambda item: item[0]):
            yield _joined(scan, regions[number], [(stretch, mutated) for _, stretch, mutated in parts])
    scan.inputs.finish()


def _cut(scan: Scan, reference: StretchReader, region: Region) -> Iterator[_Stretch]:
    length, around = scan.genome.chromsizes[region.chrom], _REACH + scan.model.flank
    share = -(-(region.end - region.start) // scan.inputs.threads)
    step = min(COPY_SUBSTITUTIONS * WINDOW_LENGTH, max(share, WINDOW_LENGTH))  # something for every thread
    for start in range(region.start, region.end, step):
        end = min(start + step, region.end)
        codes = reference.read([Region(region.chrom, start - around, end + around)])
        first = start - _REACH
        inside = slice(max(0, -first), max(0, min(end, length - WINDOW_LENGTH + 1) - first))
        accessibility = np.full((end - first, len(scan.model.widths)), np.nan, np.float32)
        accessibility[inside] = scan.inputs.accessibility_of([(region.chrom, np.arange(first, end)[inside])])
        yield _Stretch(start, end, codes, accessibility)


def _mutate(scan: Scan, stretch: _Stretch) -> _Mutated:
    n, flank = stretch.end - stretch.start, scan.model.flank
    probabilities = scan.model.slide(stretch.codes, stretch.accessibility, 1)
    before = logits(probabilities)
    known = np.ones(len(before), np.bool_)
    if (every_known := known_windows(stretch.codes[None], flank)) is not None:
        known = every_known[0]
        probabilities[~known] = np.nan
    sums = _sums_of_bases(scan, stretch, before, known)
    known_before = np.append(0, np.cumsum(known))
    counts = known_before[WINDOW_LENGTH:] - known_before[:-WINDOW_LENGTH]  # among the windows over each base
    letters = stretch.codes[_REACH + flank :][:n]
    mutated = np.flatnonzero((letters != UNKNOWN) & (counts > 0))
    differences = np.full((n, len(ALPHABET)), np.nan)
    for step in range(_OTHERS):
        differences[mutated, (letters[mutated] + step + 1) % len(ALPHABET)] = sums[step, mutated] / counts[mutated]
    differences[mutated, letters[mutated]] = 0
    return _Mutated(differences, probabilities)


def _sums_of_bases(
    scan: Scan, stretch: _Stretch, before: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Sum, over the known windows that cover a base, what a substitution there changes.

    Parameters
    ----------
    scan : Scan
    stretch : _Stretch
    before : numpy.ndarray, shape=(windows,), dtype=float64
        Logits of its windows on the reference.
    known : numpy.ndarray, shape=(windows,), dtype=bool

    Returns
    -------
    numpy.ndarray, shape=(3, n), dtype=float64
        One, two and three letters on, for each base of the stretch.
    """
    n, flank, model = stretch.end - stretch.start, scan.model.flank, scan.model
    together = 1 if flank else max(1, round(n / WINDOW_LENGTH))
    apart = max(WINDOW_LENGTH, -(-n // together))
    windows = (together - 1) * apart + WINDOW_LENGTH
    windows += -windows % WINDOW_MULTIPLE
    length = windows + model.span - 1
    # copy i begins 100 bases and a flank before base i, and holds substitutions at bases i, i + apart, i + 2 * apart
    spare = max(0, apart - 1 + length - len(stretch.codes))
    bases = sliding_window_view(np.pad(stretch.codes, (0, spare), constant_values=UNKNOWN), length)
    spare = max(0, apart - 1 + windows - len(before))
    held = np.pad(stretch.accessibility, ((0, spare), (0, 0)), constant_values=np.nan)
    held = sliding_window_view(held, windows, axis=0).swapaxes(1, 2)
    old = sliding_window_view(np.pad(before, (0, spare)), WINDOW_LENGTH)
    format_count = sliding_window_view(np.pad(known, (0, spare)), WINDOW_LENGTH)
    mutated = slice(_REACH + flank, _REACH + flank + (together - 1) * apart + 1, apart)

    sums = np.zeros((_OTHERS, together, apart))
    rows = max(1, CALL_BASES // length)
    copies = min(apart, n)
    for first, step in itertools.product(range(0, copies, rows), range(_OTHERS)):
        part = slice(first, min(first + rows, copies))
        codes = bases[part].copy()
        letters = codes[:, mutated]
        codes[:, mutated] = np.where(letters == UNKNOWN, UNKNOWN, (letters + step + 1) % len(ALPHABET))
        after = model.slide_many(codes, held[part], rows)
        new = logits(sliding_window_view(after, WINDOW_LENGTH, axis=1)[:, ::apart][:, :together])
        for number in range(together):
            here = slice(number * apart + part.start, number * apart + part.stop)
            change = np.where(format_count[here], new[:, number] - old[here], 0)
            sums[step, number, part] = change.sum(axis=1)
    return sums.reshape(_OTHERS, -1)[:, :n]


def _joined(scan: Scan, region: Region, parts: list[tuple[_Stretch, _Mutated]]) -> Explanation:
    probabilities, accessibility = (np.full(region.end - region.start, np.nan, np.float32) for _ in range(2))
    best: tuple[bool, float, int, float, NDArray[np.uint8]] | None = None
    for stretch, mutated in parts:
        starts = np.arange(stretch.start - _REACH, stretch.end)
        centres = starts + _CENTRE - region.start
        here = (centres >= 0) & (centres < len(probabilities))
        probabilities[centres[here]] = mutated.probabilities[here]
        accessibility[centres[here]] = stretch.accessibility[here, 0]
        inside = (starts >= region.start) & (starts + WINDOW_LENGTH <= region.end)
        for within in (True, False):
            candidates = np.flatnonzero((inside == within) & ~np.isnan(mutated.probabilities))
            if candidates.size:
                top = int(candidates[np.argmax(mutated.probabilities[candidates])])
                window = stretch.codes[top : top + scan.model.span]
                own = float(stretch.accessibility[top, 0])
                found = (within, float(mutated.probabilities[top]), int(starts[top]), own)
                if best is None or found[:2] > best[:2]:
                    best = (*found, window)
    differences = np.concatenate([mutated.differences for _, mutated in parts])
    around = _REACH + scan.model.flank
    bases = [stretch.codes[around:-around] for stretch, _ in parts]
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
    everywhere = np.repeat(values[:, None], len(scan.model.widths), axis=1)
    probabilities = scan.model.predict(np.tile(window, (len(values), 1)), everywhere)
    return Response(start, probability, accessibility, PERCENTILES, probabilities[:-1], float(probabilities[-1]))
