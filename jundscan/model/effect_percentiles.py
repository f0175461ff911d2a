"""Rank the effect of a variant among those of reference variants, whose distribution a model's metadata hold.

Only the size of an effect counts: the absolute difference of logits. Its sign says whether binding becomes more or less
likely. Logits do not saturate. A difference of probabilities vanishes where the reference scores near 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from jundscan.schemas.records import Fraction, about

MAX_QUANTILES = 1000
"""Maximum quantiles of a distribution, because a model that holds more is damaged."""
TAIL = 10
"""The last quantile and the one with this many times as many reference variants beyond it set the slope of the tail."""
BEYOND = 10
"""Percentiles end where this many times as many reference variants would be needed to see one more."""
_LEAST_WIDTH = 1e-9  # of the tail, in logits

Size = Annotated[float, Meta(ge=0, le=1e6)]
"""Absolute difference of logits."""


@dataclass(frozen=True)
class EffectSizes:
    """Distribution of the effects of reference variants: absolute differences of logits."""

    variants: Annotated[int, Meta(ge=1), about("Scored reference variants.")]
    shares: Annotated[
        tuple[Fraction, ...],
        Meta(min_length=2, max_length=MAX_QUANTILES),
        about("Share of the reference variants with a smaller effect, ascending from 0, below 1."),
    ]
    quantiles: Annotated[
        tuple[Size, ...],
        Meta(min_length=2, max_length=MAX_QUANTILES),
        about("Absolute difference of logits at each share."),
    ]

    def percentiles(self, differences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the reference variants whose effect is smaller, from 0 to 1.

        Between two quantiles, the logarithm of the share beyond is interpolated. Beyond the last quantile it is
        extrapolated, up to a tenth of what one reference variant counts.

        Parameters
        ----------
        differences : numpy.ndarray, shape=(n,), dtype=float64
            Differences of logits. NaN gives NaN.

        Examples
        --------
        >>> sizes = EffectSizes(100, (0.0, 0.5, 0.9, 0.99), (0.0, 0.1, 1.0, 2.0))
        >>> sizes.percentiles(np.array([0.0, -0.1, 1.0, -2.0, 2.5, 9.0])).round(4).tolist()
        [0.0, 0.5, 0.9, 0.99, 0.9968, 0.999]
        """
        sizes, quantiles = np.abs(differences), np.array(self.quantiles, np.float64)
        beyond = -np.log1p(-np.array(self.shares, np.float64))
        exponents = np.interp(sizes, quantiles, beyond, left=0.0)
        # of equal quantiles np.interp takes the last, but no reference variant has a smaller effect than none
        exponents[sizes <= quantiles[0]] = 0.0
        decade = min(int(np.searchsorted(beyond, beyond[-1] - np.log(TAIL) - 1e-9)), len(beyond) - 2)
        slope = (beyond[-1] - beyond[decade]) / max(quantiles[-1] - quantiles[decade], _LEAST_WIDTH)
        exponents = np.where(sizes > quantiles[-1], beyond[-1] + (sizes - quantiles[-1]) * slope, exponents)
        exponents[np.isnan(differences)] = np.nan
        percentiles: NDArray[np.float64] = np.minimum(-np.expm1(-exponents), 1 - 1 / (BEYOND * self.variants))
        return percentiles

    def problem(self) -> str | None:
        """Describe what is wrong with the lists; None when nothing is."""
        if len(self.shares) != len(self.quantiles):
            return "shares and quantiles differ in length"
        if self.shares[0] != 0 or self.shares[-1] >= 1 or any(one >= other for one, other in pairwise(self.shares)):
            return "shares do not ascend from 0 to less than 1"
        if any(one > other for one, other in pairwise(self.quantiles)):
            return "quantiles do not ascend"
        return None


@dataclass(frozen=True)
class ModeEffects:
    """Effects of the reference variants in one mode of the model."""

    accessible: Annotated[EffectSizes, about("Substitutions in accessible windows.")]
    uniform: Annotated[EffectSizes, about("Substitutions anywhere.")]


@dataclass(frozen=True)
class EffectReference:
    """Reference variants that the effect of a variant is ranked among."""

    source: Annotated[str, Meta(max_length=500), about("Where the reference variants come from.")]
    seed: Annotated[int, about("Seed of their choice.")]
    with_accessibility: Annotated[ModeEffects, about("Effects with the track of the data set.")]
    without_accessibility: Annotated[ModeEffects, about("Effects from sequence alone.")]

    def mode(self, has_accessibility: bool) -> ModeEffects:
        """Return the effects with or without accessibility."""
        return self.with_accessibility if has_accessibility else self.without_accessibility

    def problem(self) -> str | None:
        """Describe what is wrong with a distribution; None when nothing is."""
        for mode in (self.with_accessibility, self.without_accessibility):
            for sizes in (mode.accessible, mode.uniform):
                if (problem := sizes.problem()) is not None:
                    return problem
        return None
