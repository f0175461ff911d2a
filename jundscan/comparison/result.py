"""The result of a comparison, as :func:`jundscan.compare` returns it: one row per site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from jundscan.comparison.pictures import plot_comparison
from jundscan.comparison.statistics import VariancePrior
from jundscan.errors import format_count
from jundscan.io.frames import data_frame
from jundscan.io.html_tables import html_table
from jundscan.samples.sites import SiteTable
from jundscan.schemas.records import Change

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

CHANGES: tuple[Change, ...] = get_args(Change)
"""What becomes of a site, in the order of tables and pictures."""
_SHOWN_SITES = 5  # rows of a comparison's table in a notebook


class Contrast(NamedTuple):
    """Two groups to compare: differences are ``first`` minus ``second``."""

    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.first} minus {self.second}"


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Where binding changes between two groups of samples. Row i of every array is site i.

    The sequence of a site is the same in both groups. So every difference is one of accessibility, seen through the
    sequence. ``to_frame()`` makes a table, ``plot()`` a picture.

    Attributes
    ----------
    contrast : Contrast
        Names of the two groups. Differences are the first minus the second.
    samples, groups : tuple of str
        Name and group of each sample.
    sites : SiteTable
        Union of the hits of all samples.
    threshold : float
        Probability of a hit.
    fdr : float
        A change needs a lower q value, where differences were tested.
    min_difference : float
        A change needs this difference or more, where differences were not tested.
    logits : numpy.ndarray, shape=(n, 2), dtype=float64
        Mean logit of each group, of the samples' best windows. Probabilities are clipped to [1e-6, 1 - 1e-6] before.
    probabilities : numpy.ndarray, shape=(n, 2), dtype=float32
        Highest probability in each group.
    difference : numpy.ndarray, shape=(n,), dtype=float64
        Mean logit of the first group minus that of the second.
    change : numpy.ndarray, shape=(n,), dtype=object
        ``gained``, ``lost``, ``stronger``, ``weaker`` or ``same``.
    p, q : numpy.ndarray, shape=(n,), dtype=float64
        p value of the moderated t test and Benjamini-Hochberg's q value; -1 where nothing was tested.
    prior : VariancePrior or None
        Prior of the test. None where nothing was tested.
    """

    contrast: Contrast
    samples: tuple[str, ...]
    groups: tuple[str, ...]
    sites: SiteTable
    threshold: float
    fdr: float
    min_difference: float
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    difference: NDArray[np.float64]
    change: NDArray[np.object_]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    prior: VariancePrior | None

    @property
    def is_tested(self) -> bool:
        """Whether there are p and q values."""
        return self.prior is not None

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of samples in each group."""
        return self.groups.count(self.contrast.first), self.groups.count(self.contrast.second)

    @cached_property
    def counts(self) -> dict[Change, int]:
        """Number of sites of each change."""
        return {change: int((self.change == change).sum()) for change in CHANGES}

    def __len__(self) -> int:
        return len(self.difference)

    def __repr__(self) -> str:
        return f"<Comparison: {self._describe()}>"

    def _describe(self) -> str:
        """Describe the result in one line."""
        changes = ", ".join(f"{count:,} {change}" for change, count in self.counts.items())
        return f"{self.contrast}, {format_count(len(self), 'site')}: {changes}"

    def _repr_html_(self) -> str:
        columns = ("chrom", "start", "end", f"logit {self.contrast.first}", f"logit {self.contrast.second}", "change")
        rows = [
            (
                self.sites.chrom[row],
                self.sites.start[row],
                self.sites.end[row],
                *(f"{value:.2f}" for value in self.logits[row]),
                self.change[row],
            )
            for row in self.rank()[:_SHOWN_SITES]
        ]
        return html_table(self._describe(), columns, rows)

    def rank(self, *changes: Change) -> NDArray[np.int64]:
        """Return the rows of sites, the most certain change first: by p where tested, then by the size of differences.

        Parameters
        ----------
        *changes : str
            Rank only sites of these changes. Without any, all sites.
        """
        rows = np.flatnonzero(np.isin(self.change, changes)) if changes else np.arange(len(self))
        order: NDArray[np.int64] = rows[np.lexsort((-np.abs(self.difference[rows]), self.p[rows]))]
        return order

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` with one row per site and the columns of the file that ``compare`` writes.

        Raises
        ------
        JundscanError
            When pandas is not installed.
        """
        return data_frame(self.columns())

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns of the table of sites by name."""
        first, second = self.contrast
        return {
            "chrom": self.sites.chrom,
            "start": self.sites.start,
            "end": self.sites.end,
            "summit": self.sites.summit,
            f"logit_{first}": self.logits[:, 0],
            f"logit_{second}": self.logits[:, 1],
            f"probability_{first}": self.probabilities[:, 0],
            f"probability_{second}": self.probabilities[:, 1],
            "difference": self.difference,
            "change": self.change,
            "p": self.p,
            "q": self.q,
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the difference of each site against its mean logit, coloured by change.

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
            When matplotlib is not installed.
        """
        return plot_comparison(self, ax)
