"""Saturation mutagenesis: make every substitution at every base, and score all windows that cover it.

Each substitution is made in its own copy of the windows that cover it, with their flanks. If the model has no flanks,
a copy carries several substitutions 101 bases apart, because these share no window. Accessibility stays that of the
reference.
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
from jundscan.errors import InputError, format_bases
from jundscan.io.fasta.stretches import StretchReader
from jundscan.io.frames import data_frame
from jundscan.io.html_tables import html_table
from jundscan.model.model import WINDOW_MULTIPLE
from jundscan.model.sites import KnownSite, find_sites
from jundscan.model.thresholds import logits
from jundscan.scanning.plan import Scan
from jundscan.threads import in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MAX_BASES = 1_000_000
"""Maximum bases per run."""
COPY_SUBSTITUTIONS = 10
"""Maximum substitutions per copy for a model without flanks, because it scores long copies 1.5 times as fast. With
flanks, the windows between two substitutions would be scored in vain."""
CALL_BASES = 1 << 16
"""Maximum bases per call of the model."""
PERCENTILES = np.linspace(0, 1, 101, dtype=np.float32)
"""Accessibility percentiles of :class:`Response`."""
_OTHERS = len(ALPHABET) - 1
_SHOWN_BASES = 10  # rows of an explanation's table in a notebook
_CENTRE = WINDOW_LENGTH // 2
_REACH = WINDOW_LENGTH - 1


class Response(NamedTuple):
    """The probability of a region's best window as a function of accessibility.

    The window keeps its bases and its flanks. If the model takes accessibility over several widths, each gets the same
    percentile. So the window's real probability may lie beside the curve.

    Attributes
    ----------
    start : int
        Start of the best window in the region, or of the best window that touches it. 0-based.
    probability, accessibility : float
        Its real probability, and the percentile of its own 101 bases. NaN where not available.
    percentiles, probabilities : numpy.ndarray, shape=(101,), dtype=float32
        The curve.
    without : float
        Its probability if accessibility is not available at any width.
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
    sites : tuple of KnownSite
        Known sites of the model, sorted by start. Their positions count from ``region.start``.
    """

    region: Region
    codes: NDArray[np.uint8]
    differences: NDArray[np.float64]
    contributions: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    accessibility: NDArray[np.float32]
    response: Response | None
    sites: tuple[KnownSite, ...] = ()

    def __repr__(self) -> str:
        return f"<Explanation: {self._describe()}>"

    def _repr_html_(self) -> str:
        if not self._strongest():
            return html_table(self._describe(), (), ())
        columns = ("start", "reference", "contribution", *ALPHABET)
        rows = [
            (
                self.region.start + row,
                _letter(self.codes[row]),
                *(f"{value:+.2f}" for value in (self.contributions[row], *self.differences[row])),
            )
            for row in sorted(self._strongest()[:_SHOWN_BASES])
        ]
        return html_table(f"{self._describe()}. Strongest bases, in logits:", columns, rows)

    def _strongest(self) -> list[int]:
        """Return the rows of bases with a contribution, the strongest first."""
        strengths = np.abs(self.contributions)
        order = np.argsort(-strengths, kind="stable").tolist()
        return [row for row in order if not np.isnan(strengths[row])]

    def _describe(self) -> str:
        """Describe the explanation in one line."""
        text = f"{self.region}, {format_bases(len(self.codes))}"
        strongest = self._strongest()
        if not strongest or self.response is None:
            return f"{text}, every window holds unknown letters"
        base = strongest[0]
        return (
            f"{text}, strongest {_letter(self.codes[base])} at {self.region.start + base} "
            f"({self.contributions[base]:+.2f} logits), best window at {self.response.start} "
            f"with probability {self.response.probability:.4f}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the contribution of each base as a letter, with known sites shaded.

        A region of more than 1,500 bases gets bars in place of letters.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: on a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        JundscanError
            When matplotlib or logomaker is not installed.
        """
        from jundscan.explanations.pictures import plot_contributions

        return plot_contributions(self, ax)

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` with one row per base.

        Its columns are chrom, start and end (0-based half-open), reference, A, C, G and T (``differences``),
        contribution, probability and accessibility.
        """
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


def _letter(code: np.uint8) -> str:
    return decode(np.array([code], np.uint8)).decode()


class _Task(NamedTuple):
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


class _Scores(NamedTuple):
    """Scores of a task: differences (bases, 4), and the probability of each window, NaN with unknown bases."""

    differences: NDArray[np.float64]
    probabilities: NDArray[np.float32]


def explain_regions(
    scan: Scan, regions: Iterable[Region], *, copy_substitutions: int = COPY_SUBSTITUTIONS, call_bases: int = CALL_BASES
) -> Iterator[Explanation]:
    """Explain regions one after the other, in their order.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`. Its stride and regions are not used.
    regions : iterable of Region
        Inside their chromosomes.
    copy_substitutions : int
        Maximum substitutions per copy, see :data:`COPY_SUBSTITUTIONS`. Does not change the result.
    call_bases : int
        Maximum bases per call of the model. Does not change the result.

    Yields
    ------
    Explanation

    Raises
    ------
    InputError
        When the regions have more than a million bases.
    """
    regions = list(regions)
    bases = sum(region.end - region.start for region in regions)
    if bases > MAX_BASES:
        raise InputError(
            f"{bases:,} bases to explain, at most {MAX_BASES:,} in one run: choose smaller or fewer regions"
        )
    reference = StretchReader(scan.genome)
    tasks = (
        (number, task)
        for number, region in enumerate(regions)
        for task in _cut(scan, reference, region, copy_substitutions)
    )
    with closing(
        in_order(lambda item: (*item, _mutate(scan, item[1], call_bases)), tasks, scan.inputs.threads)
    ) as done:
        for number, parts in itertools.groupby(done, key=lambda item: item[0]):
            yield _join(scan, regions[number], [(task, scores) for _, task, scores in parts])
    scan.inputs.finish()


def _cut(scan: Scan, reference: StretchReader, region: Region, copy_substitutions: int) -> Iterator[_Task]:
    length, around = scan.genome.chromsizes[region.chrom], _REACH + scan.model.flank
    share = -(-(region.end - region.start) // scan.inputs.threads)  # so that every thread has work
    step = min(copy_substitutions * WINDOW_LENGTH, max(share, WINDOW_LENGTH))
    for start in range(region.start, region.end, step):
        end = min(start + step, region.end)
        codes = reference.read([Region(region.chrom, start - around, end + around)])
        first = start - _REACH
        inside = slice(max(0, -first), max(0, min(end, length - WINDOW_LENGTH + 1) - first))
        accessibility = np.full((end - first, len(scan.model.widths)), np.nan, np.float32)
        accessibility[inside] = scan.inputs.accessibility_of([(region.chrom, np.arange(first, end)[inside])])
        yield _Task(start, end, codes, accessibility)


def _mutate(scan: Scan, task: _Task, call_bases: int) -> _Scores:
    n, flank = task.end - task.start, scan.model.flank
    probabilities = scan.model.slide(task.codes, task.accessibility, 1)
    before = logits(probabilities)
    known = np.ones(len(before), np.bool_)
    if (known_rows := known_windows(task.codes[None], flank)) is not None:
        known = known_rows[0]
        probabilities[~known] = np.nan
    sums = _sum_changes(scan, task, before, known, call_bases)
    known_before = np.append(0, np.cumsum(known))
    counts = known_before[WINDOW_LENGTH:] - known_before[:-WINDOW_LENGTH]  # known windows over each base
    letters = task.codes[_REACH + flank :][:n]
    mutated = np.flatnonzero((letters != UNKNOWN) & (counts > 0))
    differences = np.full((n, len(ALPHABET)), np.nan)
    for step in range(_OTHERS):
        differences[mutated, (letters[mutated] + step + 1) % len(ALPHABET)] = sums[step, mutated] / counts[mutated]
    differences[mutated, letters[mutated]] = 0
    return _Scores(differences, probabilities)


def _sum_changes(
    scan: Scan, task: _Task, before: NDArray[np.float64], known: NDArray[np.bool_], call_bases: int
) -> NDArray[np.float64]:
    """Sum the change of the logit by each substitution over the known windows that cover its base, (3, bases).

    Row i holds the substitutions by the letter i + 1 places on in ACGT. ``before`` holds the logits of the task's
    windows on the reference. ``known`` is false for windows with an unknown base.
    """
    n, flank, model = task.end - task.start, scan.model.flank, scan.model
    together = 1 if flank else max(1, round(n / WINDOW_LENGTH))
    apart = max(WINDOW_LENGTH, -(-n // together))
    windows = (together - 1) * apart + WINDOW_LENGTH
    windows += -windows % WINDOW_MULTIPLE
    length = windows + model.span - 1
    # copy i begins 100 bases and a flank before base i, and holds substitutions at bases i, i + apart, i + 2 * apart
    spare = max(0, apart - 1 + length - len(task.codes))
    bases = sliding_window_view(np.pad(task.codes, (0, spare), constant_values=UNKNOWN), length)
    spare = max(0, apart - 1 + windows - len(before))
    values = np.pad(task.accessibility, ((0, spare), (0, 0)), constant_values=np.nan)
    values = sliding_window_view(values, windows, axis=0).swapaxes(1, 2)
    old = sliding_window_view(np.pad(before, (0, spare)), WINDOW_LENGTH)
    format_count = sliding_window_view(np.pad(known, (0, spare)), WINDOW_LENGTH)
    mutated = slice(_REACH + flank, _REACH + flank + (together - 1) * apart + 1, apart)

    sums = np.zeros((_OTHERS, together, apart))
    rows = max(1, call_bases // length)
    copies = min(apart, n)
    for first, step in itertools.product(range(0, copies, rows), range(_OTHERS)):
        part = slice(first, min(first + rows, copies))
        codes = bases[part].copy()
        letters = codes[:, mutated]
        codes[:, mutated] = np.where(letters == UNKNOWN, UNKNOWN, (letters + step + 1) % len(ALPHABET))
        after = model.slide_many(codes, values[part], rows)
        new = logits(sliding_window_view(after, WINDOW_LENGTH, axis=1)[:, ::apart][:, :together])
        for number in range(together):
            here = slice(number * apart + part.start, number * apart + part.stop)
            change = np.where(format_count[here], new[:, number] - old[here], 0)
            sums[step, number, part] = change.sum(axis=1)
    return sums.reshape(_OTHERS, -1)[:, :n]


def _join(scan: Scan, region: Region, parts: list[tuple[_Task, _Scores]]) -> Explanation:
    probabilities, accessibility = (np.full(region.end - region.start, np.nan, np.float32) for _ in range(2))
    best: tuple[bool, float, int, float, NDArray[np.uint8]] | None = None
    for task, scores in parts:
        starts = np.arange(task.start - _REACH, task.end)
        centres = starts + _CENTRE - region.start
        here = (centres >= 0) & (centres < len(probabilities))
        probabilities[centres[here]] = scores.probabilities[here]
        accessibility[centres[here]] = task.accessibility[here, 0]
        inside = (starts >= region.start) & (starts + WINDOW_LENGTH <= region.end)
        for is_inside in (True, False):
            candidates = np.flatnonzero((inside == is_inside) & ~np.isnan(scores.probabilities))
            if candidates.size:
                top = int(candidates[np.argmax(scores.probabilities[candidates])])
                window = task.codes[top : top + scan.model.span]
                own = float(task.accessibility[top, 0])
                candidate = (is_inside, float(scores.probabilities[top]), int(starts[top]), own)
                if best is None or candidate[:2] > best[:2]:
                    best = (*candidate, window)
    differences = np.concatenate([scores.differences for _, scores in parts])
    around = _REACH + scan.model.flank
    bases = np.concatenate([task.codes[around:-around] for task, _ in parts])
    return Explanation(
        region,
        bases,
        differences,
        -differences.sum(axis=1) / _OTHERS,
        probabilities,
        accessibility,
        None if best is None else _response(scan, *best[1:]),
        tuple(find_sites(bases, scan.model.metadata)),
    )


def _response(scan: Scan, probability: float, start: int, accessibility: float, window: NDArray[np.uint8]) -> Response:
    values = np.append(PERCENTILES, np.float32(np.nan))
    at_every_width = np.repeat(values[:, None], len(scan.model.widths), axis=1)
    probabilities = scan.model.predict(np.tile(window, (len(values), 1)), at_every_width)
    return Response(start, probability, accessibility, PERCENTILES, probabilities[:-1], float(probabilities[-1]))
