"""Draw a comparison. matplotlib is imported only to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jundscan.io.pictures import BLUE, ORANGE, SKY, VERMILION, check_matplotlib, new_axes
from jundscan.model.thresholds import logits
from jundscan.schemas.records import Change

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jundscan.comparison.result import Comparison

GREY = "#8C8C8C"
COLOURS: dict[Change, str] = {"gained": VERMILION, "lost": BLUE, "stronger": ORANGE, "weaker": SKY, "same": GREY}
"""Colour of each change, in every picture and in the BED file."""
_SHAPES: dict[Change, str] = {
    "gained": "triangle-up", "lost": "triangle-down", "stronger": "triangle-up", "weaker": "triangle-down",
    "same": "circle",
}  # fmt: skip
STYLES: dict[str, tuple[str, str]] = {change: (colour, _SHAPES[change]) for change, colour in COLOURS.items()}
"""Colour and shape of each change's points."""
_MARKERS = {"triangle-up": "^", "triangle-down": "v", "circle": "."}  # as matplotlib names them
_SIZE = (6, 4)  # inches


def plot_comparison(compared: Comparison, axis: Axes | None = None) -> Axes:
    """Draw the difference of each site against its mean logit, and return the axis. Without one, make a figure.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    """
    check_matplotlib()
    axis = new_axes(*_SIZE) if axis is None else axis
    level = compared.logits.mean(axis=1)
    for change, (colour, shape) in reversed(STYLES.items()):  # changes over what stays the same
        rows = compared.change == change
        axis.scatter(
            level[rows], compared.difference[rows], s=9, color=colour, marker=_MARKERS[shape], linewidths=0,
            label=f"{change} ({rows.sum():,})", rasterized=True,
        )  # fmt: skip
    axis.axhline(0, color="black", linewidth=0.6)
    at = float(logits(np.array([compared.threshold], np.float32))[0])
    axis.axvline(at, color="black", linewidth=0.6, linestyle="--")
    first, second = compared.contrast
    axis.set(xlabel="mean logit of both groups", ylabel=f"difference of logits, {first} minus {second}")
    axis.legend()
    return axis
