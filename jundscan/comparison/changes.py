"""Compare two groups at sites: mean logits, test, and what becomes of each site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jundscan.comparison.result import Comparison, Contrast
from jundscan.comparison.statistics import moderated_t, q_values
from jundscan.errors import Caution
from jundscan.model.thresholds import logits
from jundscan.options import FDR, MIN_DIFFERENCE
from jundscan.samples.sites import SiteTable

NO_TEST = -1.0
"""What stands for p and q where nothing was tested."""


def compare_groups(
    contrast: Contrast,
    samples: Sequence[str],
    groups: Sequence[str],
    sites: SiteTable,
    threshold: float,
    fdr: float = FDR,
    min_difference: float = MIN_DIFFERENCE,
) -> Comparison:
    """Compare the two groups at every site.

    Parameters
    ----------
    contrast : Contrast
    samples, groups : sequence of str
        Name and group of each sample: the columns of ``sites.best``. Each group of the contrast has a sample.
    sites : SiteTable
    threshold : float
        Probability of a hit.
    fdr, min_difference : float
        See :class:`jundscan.comparison.result.Comparison`.
    """
    values = logits(sites.best)
    columns = [np.flatnonzero(np.array(groups) == group) for group in contrast]
    of_group = [values[:, rows] for rows in columns]
    means = np.column_stack([group.mean(axis=1) for group in of_group])
    difference = means[:, 0] - means[:, 1]
    tested = moderated_t(*of_group)
    p = np.full(len(values), NO_TEST) if tested is None else tested.p
    q = p if tested is None else q_values(p)
    is_real = np.abs(difference) >= min_difference if tested is None else q < fdr
    return Comparison(
        contrast=contrast,
        samples=tuple(samples),
        groups=tuple(groups),
        sites=sites,
        threshold=threshold,
        fdr=fdr,
        min_difference=min_difference,
        logits=means,
        probabilities=np.column_stack([sites.best[:, rows].max(axis=1) for rows in columns]),
        difference=difference,
        change=classify(means, float(logits(np.array([threshold], np.float32))[0]), is_real),
        p=p,
        q=q,
        prior=None if tested is None else tested.prior,
    )


def classify(means: NDArray[np.float64], threshold: float, is_real: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Name what becomes of each site.

    A difference that is not real is ``same``, also across the threshold. Otherwise noise alone would make gained and
    lost sites of all sites whose scores lie at the threshold.

    Parameters
    ----------
    means : numpy.ndarray, shape=(n, 2), dtype=float64
        Mean logits of both groups.
    threshold : float
        As a logit.
    is_real : numpy.ndarray, shape=(n,), dtype=bool
        Whether a difference counts.

    Examples
    --------
    >>> classify(np.array([[2.0, -2.0], [2.0, 1.0], [2.0, -2.0]]), 0.0, np.array([True, True, False])).tolist()
    ['gained', 'stronger', 'same']
    """
    is_hit = means >= threshold
    crosses, rises = is_hit[:, 0] != is_hit[:, 1], means[:, 0] > means[:, 1]
    named = np.where(crosses, np.where(rises, "gained", "lost"), np.where(rises, "stronger", "weaker"))
    return np.where(is_real & (means[:, 0] != means[:, 1]), named, "same").astype(object)


def cautions(compared: Comparison) -> Iterator[Caution]:
    """Yield warnings about tests that could not be made as usual, and about a result without sites."""
    sizes = dict(zip(compared.contrast, compared.sizes, strict=True))
    few = [group for group, number in sizes.items() if number == 1]
    until = f"differences of {compared.min_difference:g} logits and more count as changes"
    if len(few) == 2:
        yield Caution(
            "no_replicates",
            f"{few[0]} and {few[1]} have one sample each, so chance cannot be told from change: p and q are -1, and "
            f"{until}. Add replicates to test them",
            sizes,
        )
    elif few:
        yield Caution(
            "one_without_replicates",
            f"{few[0]} has one sample: its variance is taken to be that of the other group. Add replicates",
            sizes,
        )
    if not len(compared):
        yield Caution("no_hits", "0 sites: no window of any sample reaches the threshold", {})
    elif len(few) < 2 and not compared.is_tested:
        yield Caution(
            "equal_replicates",
            f"the samples of each group are equal at all sites, so nothing can be tested: p and q are -1, and {until}. "
            "Look for one track under two names",
            sizes,
        )
