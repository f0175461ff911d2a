"""Draw probabilities along a chromosome. matplotlib is imported only to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.io.pictures import check_matplotlib, new_axes
from jundscan.model.thresholds import CLIP

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jundscan.scanning.score import ScoredWindows

LINE, THRESHOLD = "#274156", "#d1495b"
"""Colours of probabilities and of thresholds."""
_SIZE = (10, 2.4)  # inches


def plot_windows(chunk: ScoredWindows, threshold: float | None, axis: Axes | None = None) -> Axes:
    """Draw the probabilities of a chunk at the centres of its windows, and return the axis. Without one, make a figure.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    """
    check_matplotlib()
    axis = new_axes(*_SIZE) if axis is None else axis
    gaps = np.flatnonzero(np.diff(chunk.indices) > 1) + 1
    centres = np.insert(chunk.starts + WINDOW_LENGTH // 2, gaps, chunk.starts[gaps])
    probabilities = np.insert(np.clip(chunk.probabilities, CLIP, 1 - CLIP), gaps, np.nan)
    draw_probabilities(axis, centres, probabilities, threshold)
    # chunks that were drawn before share the axis
    scale_probabilities(axis, np.concatenate([line.get_ydata() for line in axis.lines]))
    axis.set_xlabel(f"position on {chunk.chrom}, 0-based")
    return axis


def draw_probabilities(
    axis: Any, positions: NDArray[np.integer[Any]], probabilities: NDArray[np.float32], threshold: float | None
) -> None:
    """Draw a line of probabilities, interrupted where they are NaN, and a dashed line at the threshold.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    positions, probabilities : numpy.ndarray, shape=(n,)
    threshold : float or None
    """
    axis.plot(positions, probabilities, color=LINE, linewidth=1)
    if threshold is not None:
        axis.axhline(threshold, color=THRESHOLD, linewidth=0.8, linestyle="--", label=f"threshold {threshold:.3g}")
    axis.ticklabel_format(axis="x", useOffset=False, style="plain")
    axis.spines[["top", "right"]].set_visible(False)


def scale_probabilities(axis: Any, shown: NDArray[np.floating[Any]]) -> None:
    """Scale the vertical axis by the logit, because most probabilities are near 0 and those of sites near 1.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    shown : numpy.ndarray
        What the axis must show. NaN is left out.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_yscale("logit")
    axis.yaxis.set_major_locator(FixedLocator([1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999]))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    lowest, highest = np.nanmin(shown, initial=0.4), np.nanmax(shown, initial=0.6)
    axis.set(ylim=(max(lowest / 2, CLIP), min(1 - (1 - highest) / 2, 1 - CLIP)), ylabel="probability")
