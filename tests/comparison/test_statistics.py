"""Moderated t statistics against limma's formulas written plainly, and against what they promise."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special, stats

from jundscan.comparison.statistics import ModeratedTest, fit_prior, moderated_t, q_values

Values = NDArray[np.float64]


def simulate(
    rng: np.random.Generator, sites: int, sizes: tuple[int, int], degrees: float = 4.0, changed: float = 0.0
) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Draw logits of two groups; a share of the sites changes by a few standard deviations."""
    variances = 0.3 * degrees / rng.chisquare(degrees, sites)
    centres = rng.normal(2, 2, sites)
    is_changed = rng.random(sites) < changed
    shift = is_changed * rng.choice([-1, 1], sites) * rng.uniform(1.5, 5, sites)
    first, second = (
        rng.normal(mean[:, None], np.sqrt(variances)[:, None], (sites, number))
        for mean, number in zip((centres + shift, centres), sizes, strict=True)
    )
    return first, second, is_changed


def one_by_one(first: Values, second: Values) -> tuple[list[float], float, float]:
    """Compute p values site by site from the formulas of Smyth (2004), and the prior by minimising, not by a root."""
    n1, n2 = first.shape[1], second.shape[1]
    d = n1 + n2 - 2
    variances = []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        mean_a, mean_b = sum(a) / n1, sum(b) / n2
        variances.append((sum((x - mean_a) ** 2 for x in a) + sum((x - mean_b) ** 2 for x in b)) / d)
    e = [math.log(v) - special.psi(d / 2) + math.log(d / 2) for v in variances]
    middle = sum(e) / len(e)
    target = sum((x - middle) ** 2 for x in e) / (len(e) - 1) - float(special.zeta(2, d / 2))  # zeta(2, x): trigamma
    if target <= 0:
        d0, s0 = math.inf, sum(variances) / len(variances)
    else:
        found: Any = optimize.minimize_scalar(
            lambda log_half: (math.log(special.zeta(2, math.exp(log_half))) - math.log(target)) ** 2,
            bounds=(-10, 20), method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        half = math.exp(found.x)
        d0, s0 = 2 * half, math.exp(middle + special.psi(half) - math.log(half))
    p_values = []
    for a, b, v in zip(first.tolist(), second.tolist(), variances, strict=True):
        posterior = s0 if math.isinf(d0) else (d0 * s0 + d * v) / (d0 + d)
        t = (sum(a) / n1 - sum(b) / n2) / math.sqrt(posterior * (1 / n1 + 1 / n2))
        df = min(d + d0, d * len(variances))
        p_values.append(float(special.betainc(df / 2, 0.5, df / (df + t * t))))
    return p_values, d0, s0


@pytest.mark.parametrize("sizes", [(3, 3), (2, 2), (2, 5), (1, 4), (3, 1)])
def test_moderated_t_is_that_of_the_formulas(sizes: tuple[int, int]) -> None:
    first, second, _ = simulate(np.random.default_rng(sum(sizes)), 400, sizes, changed=0.2)
    found = moderated_t(first, second)
    assert found is not None
    expected, degrees, variance = one_by_one(first, second)
    assert found.prior.degrees == pytest.approx(degrees, rel=1e-5)
    assert found.prior.variance == pytest.approx(variance, rel=1e-6)
    np.testing.assert_allclose(found.p, expected, rtol=1e-4)


LIMMA = [
    pytest.param(
        [[2.17, 1.55, 1.91], [2.68, 1.64, 2.62], [2.82, 1.68, 2.43], [2.34, 2.26, 2.19], [1.79, 2.22, 2.16],
         [1.98, 1.35, 3.19]],
        [[0.14, -0.19, 0.46], [1.32, 2.74, 0.16], [1.05, 0.57, -0.52], [-0.12, 0.68, 1.26], [0.23, 0.74, 1.23],
         [0.69, -0.13, 2.48]],
        (5.618583587163099, 0.39867010925424523),
        [0.2749983552060494, 0.6509580760142316, 0.43726063833641376, 0.33388436423922085, 0.29614491989063113,
         0.7851150429217251],
        id="three and three",
    ),
    pytest.param(
        [[2.08], [2.62], [2.07], [1.63], [2.11], [2.66]],
        [[0.41, 0.41, -0.39], [0.49, -1.3, 0.96], [1.32, -0.6, 1.13], [0.86, 1.3, 0.84], [0.02, 0.41, -0.01],
         [0.43, 0.38, 0.16]],
        (2.366015603644827, 0.18991179016158216),
        [0.20064081419539387, 0.7543569601741517, 0.6156187172719374, 0.13388276907449576, 0.1280651077773635,
         0.11236811089166283],
        id="one and three",
    ),
]  # fmt: skip
"""Two groups, and what limma's ``squeezeVar`` gives: prior and moderated variances (InMoose 0.9.1, a port of limma)."""


@pytest.mark.parametrize(("first", "second", "prior", "moderated"), LIMMA)
def test_prior_and_variances_are_limma_s(
    first: list[list[float]], second: list[list[float]], prior: tuple[float, float], moderated: list[float]
) -> None:
    ours, theirs = np.array(first), np.array(second)
    found = moderated_t(ours, theirs)
    assert found is not None
    assert found.prior == pytest.approx(prior)
    errors = np.sqrt(np.array(moderated) * (1 / ours.shape[1] + 1 / theirs.shape[1]))
    np.testing.assert_allclose(found.t, (ours.mean(axis=1) - theirs.mean(axis=1)) / errors)


def test_a_case_by_hand() -> None:
    # two samples a group, variances 1/2 and 8 with 2 degrees: logarithms z of them differ by log 16
    first, second = np.array([[1.0, 2.0], [0.0, 4.0]]), np.array([[4.0, 5.0], [10.0, 14.0]])
    found = moderated_t(first, second)
    assert found is not None
    spread = math.log(16) ** 2 / 2  # of z, which has one degree
    trigamma = spread - math.pi**2 / 6  # trigamma(1), of two degrees
    half = found.prior.degrees / 2
    assert special.polygamma(1, half) == pytest.approx(trigamma)
    # e = z - digamma(1) + log(1), the mean of z is log 2, and digamma(1) is minus Euler's constant
    scale = math.exp(math.log(2) + np.euler_gamma + special.digamma(half) - math.log(half))
    assert found.prior.variance == pytest.approx(scale)
    d0 = found.prior.degrees
    for row, (variance, difference) in enumerate([(0.5, -3.0), (8.0, -10.0)]):
        moderated = (d0 * scale + 2 * variance) / (d0 + 2)
        assert found.t[row] == pytest.approx(difference / math.sqrt(moderated))
    assert found.degrees == pytest.approx(min(2 + d0, 4))


def test_the_prior_of_known_variances_is_found() -> None:
    rng = np.random.default_rng(1)
    d0, s0, d = 5.0, 0.7, 4
    true = s0 * d0 / rng.chisquare(d0, 200_000)
    found = fit_prior(true * rng.chisquare(d, len(true)) / d, d)
    assert found.degrees == pytest.approx(d0, rel=0.05)
    assert found.variance == pytest.approx(s0, rel=0.02)


def test_equal_variances_are_pooled() -> None:
    rng = np.random.default_rng(2)
    spread = np.array([-1.0, 0.0, 1.0]) * rng.uniform(0.9, 1.1, (50, 1))
    first, second = rng.normal(size=(50, 1)) + spread, rng.normal(size=(50, 1)) + spread
    found = moderated_t(first, second)
    assert found is not None
    assert math.isinf(found.prior.degrees)
    pooled = (first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)).mean() / 2
    assert found.prior.variance == pytest.approx(pooled)
    assert found.degrees == 200  # 4 of each of 50 sites


def test_one_site_gives_student_s_test() -> None:
    first, second = np.array([[1.0, 2.5, 3.0]]), np.array([[4.0, 5.5]])
    found = moderated_t(first, second)
    assert found is not None
    expected = stats.ttest_ind(first[0], second[0])
    assert (found.t[0], found.p[0]) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_group_of_one_takes_the_variance_of_the_other() -> None:
    first, second, _ = simulate(np.random.default_rng(3), 300, (1, 3))
    found = moderated_t(first, second)
    assert found is not None
    assert found.prior == pytest.approx(fit_prior(second.var(axis=1, ddof=1), 2))
    error = found.t[:5] / (first[:5, 0] - second[:5].mean(axis=1))
    d0, s0 = found.prior
    expected = (d0 * s0 + 2 * second[:5].var(axis=1, ddof=1)) / (d0 + 2) * (1 + 1 / 3)
    np.testing.assert_allclose(error**-2, expected)


def test_groups_of_one_are_not_tested() -> None:
    assert moderated_t(np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])) is None


def run_quietly(first: Values, second: Values) -> ModeratedTest | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return moderated_t(first, second)


def test_equal_samples_are_not_tested() -> None:
    same = np.full((10, 3), 0.1)
    assert run_quietly(same, same + 1) is None
    assert run_quietly(np.empty((0, 2)), np.empty((0, 2))) is None


@pytest.mark.parametrize("constant", [5, 150])
def test_saturated_sites_get_a_sane_p_value(constant: int) -> None:
    first, second, _ = simulate(np.random.default_rng(4), 200, (3, 3))
    first[:constant], second[:constant] = 13.8, 13.8
    first[0] = 9.0  # equal in each group, but not between them
    found = run_quietly(first, second)
    assert found is not None
    assert np.isfinite(found.t).all()
    assert (found.p[1:constant] == 1).all()
    assert found.p[0] < 0.05
    assert ((found.p >= 0) & (found.p <= 1)).all()
    within = (first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / 2
    assert found.prior == pytest.approx(fit_prior(within[constant:], 4))


def test_sites_without_variance_are_not_called_where_there_is_no_prior() -> None:
    first, second = np.full((4, 2), 1.0), np.full((4, 2), 7.0)
    first[0] = 1.0, 1.5  # the only site with a variance, so none to fit a prior to
    found = run_quietly(first, second)
    assert found is not None
    assert found.p[0] < 0.05
    assert found.p[1:].tolist() == [1, 1, 1]


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert q_values(p).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert q_values(np.empty(0)).tolist() == []


@pytest.mark.parametrize(("sizes", "degrees"), [((2, 2), 4.0), ((3, 3), 4.0), ((4, 2), 20.0), ((1, 4), 4.0)])
def test_false_discoveries_keep_their_promise(sizes: tuple[int, int], degrees: float) -> None:
    false, powers = [], []
    for seed in range(40):
        first, second, is_changed = simulate(np.random.default_rng(seed), 1_500, sizes, degrees, changed=0.2)
        found = moderated_t(first, second)
        assert found is not None
        called = q_values(found.p) < 0.05
        false.append((called & ~is_changed).sum() / max(called.sum(), 1))
        powers.append((called & is_changed).sum() / is_changed.sum())
    assert np.mean(false) <= 0.05
    assert np.mean(powers) > 0.2


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (1, 3)])
def test_nothing_is_found_where_nothing_differs(sizes: tuple[int, int]) -> None:
    shares, low = [], []
    for seed in range(20):
        found = moderated_t(*simulate(np.random.default_rng(seed), 2_000, sizes)[:2])
        assert found is not None
        shares.append((q_values(found.p) < 0.05).mean())
        low.append((found.p < 0.05).mean())
    assert np.mean(shares) <= 0.001
    assert np.mean(low) == pytest.approx(0.05, abs=0.01)
