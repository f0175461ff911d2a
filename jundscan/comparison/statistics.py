"""Moderated t statistics of two groups, as in limma, and q values. scipy is imported only to compute them.

With two or three samples a group, the variance of a single site is poorly known: small by chance at some of many sites.
Smyth (2004) therefore draws each site's variance towards a prior that is fitted to the variances of all sites.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LOWEST_VARIANCE = 1e-5
"""Lowest variance for the fit of the prior, relative to the median, because the fit takes logarithms. limma's value."""


class VariancePrior(NamedTuple):
    """What variances are drawn towards: a scaled inverse chi-squared distribution.

    Attributes
    ----------
    degrees : float
        Degrees of freedom, 0 (nothing is known) to infinity (all sites have the same variance).
    variance : float
        Typical variance.
    """

    degrees: float
    variance: float


class ModeratedTest(NamedTuple):
    """Test of a difference at each of n sites.

    Attributes
    ----------
    t : numpy.ndarray, shape=(n,), dtype=float64
        Moderated t statistic.
    p : numpy.ndarray, shape=(n,), dtype=float64
        Two-sided p value.
    degrees : float
        Degrees of freedom of the statistic.
    prior : VariancePrior
    """

    t: NDArray[np.float64]
    p: NDArray[np.float64]
    degrees: float
    prior: VariancePrior


def moderated_t(first: NDArray[np.float64], second: NDArray[np.float64]) -> ModeratedTest | None:
    """Test at each site whether the means of two groups differ.

    The variance is that within groups, pooled. A group of one sample adds nothing to it: then the other group's holds.

    Sites may be chosen by the same values that are tested, as long as the choice does not look at the groups: the union
    of the hits of all samples is the same however samples are labelled. So p values stay those of the labels.

    Parameters
    ----------
    first, second : numpy.ndarray, shape=(n, samples), dtype=float64
        Values of each site in the samples of a group; at least one sample each.

    Returns
    -------
    ModeratedTest or None
        None where no variance can be had: one sample a group, or the samples of a group are equal at every site.
    """
    from scipy.stats import t as students

    samples = first.shape[1], second.shape[1]
    degrees = sum(samples) - 2
    if degrees < 1:
        return None
    squares = _squares_within(first) + _squares_within(second)
    variances = squares / degrees
    if not variances.any():
        return None
    prior = fit_prior(variances, degrees)
    if np.isinf(prior.degrees):
        moderated = np.full_like(variances, prior.variance)
    else:
        moderated = (prior.degrees * prior.variance + degrees * variances) / (prior.degrees + degrees)
    errors = np.sqrt(moderated * sum(1 / number for number in samples))
    differences = first.mean(axis=1) - second.mean(axis=1)
    # a site without any variance and without a prior cannot be tested: its statistic is 0
    statistic = np.divide(differences, errors, out=np.zeros_like(differences), where=errors > 0)
    # as limma does: the prior was fitted on these sites, so no test has more degrees of freedom than all sites together
    total = min(degrees + prior.degrees, degrees * len(variances))
    return ModeratedTest(statistic, 2 * students.sf(np.abs(statistic), total), total, prior)


def _squares_within(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the squares of the distances from the mean of each row, exactly 0 where the values of a row are equal."""
    squares: NDArray[np.float64] = np.square(values - values.mean(axis=1, keepdims=True)).sum(axis=1)
    squares[np.ptp(values, axis=1) == 0] = 0
    return squares


def fit_prior(variances: NDArray[np.float64], degrees: int) -> VariancePrior:
    """Fit the prior of variances by the moments of their logarithms: ``fitFDist`` of limma, Smyth (2004), section 6.2.

    Variances of exactly 0 are left out, because they come from ties: chromatin that is closed in every sample gives
    every sample the same score. limma moves them to a small value instead, which is meant for rare cases.

    Parameters
    ----------
    variances : numpy.ndarray, shape=(n,), dtype=float64
        Not negative, at least one above 0.
    degrees : int
        Degrees of freedom of each.

    Returns
    -------
    VariancePrior
    """
    from scipy.special import digamma, polygamma

    known = variances[variances > 0]
    if len(known) == 1:
        return VariancePrior(0.0, float(known[0]))
    known = np.maximum(known, _LOWEST_VARIANCE * np.median(known))
    logs = np.log(known) - digamma(degrees / 2) + np.log(degrees / 2)
    mean, spread = logs.mean(), logs.var(ddof=1) - polygamma(1, degrees / 2)
    if spread <= 0:  # variances differ no more than chance makes them
        return VariancePrior(np.inf, float(known.mean()))
    half = inverse_trigamma(float(spread))
    return VariancePrior(2 * half, float(np.exp(mean + digamma(half) - np.log(half))))


def inverse_trigamma(value: float) -> float:
    """Return the argument at which the trigamma function has a value above 0.

    Examples
    --------
    >>> round(inverse_trigamma(1.6449340668), 6)
    1.0
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    # 1/y < trigamma(y) < 1/y + 1/y²
    low, high = 1 / value, (1 + np.sqrt(1 + 4 * value)) / (2 * value)
    return float(brentq(lambda y: polygamma(1, y) - value, low, high, xtol=1e-12 * low, rtol=1e-12))


def q_values(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p values for their number as Benjamini and Hochberg (1995) do.

    Parameters
    ----------
    p : numpy.ndarray, shape=(n,), dtype=float64

    Returns
    -------
    numpy.ndarray, shape=(n,), dtype=float64
        False discovery rate among the sites with this p value or a lower one.
    """
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p) if len(p) else p)
