"""Draw explanations: logos of contributions, probability curves, known sites, response to accessibility.

matplotlib and logomaker are imported only to draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from jundscan.errors import JundscanError
from jundscan.explanations.alignment import AverageLogo, contribution_logo
from jundscan.explanations.known_sites import KnownSite, find_sites
from jundscan.explanations.mutagenesis import Explanation
from jundscan.io.pictures import BASE_COLOURS, save_figure
from jundscan.model.thresholds import CLIP

MAX_LETTERS = 1_500
"""Maximum bases of a picture with letters, because matplotlib draws them slowly. Longer regions get bars."""
_ROW_BASES = 125
_PAGE_REACH = 20  # bases to each side of a hit's strongest base
_HEADROOM, _LABEL_HEADROOM = 1.1, 1.5
_DPI = 130
_SITE = "#f0e4b8"
_LINE, _THRESHOLD, _UNAVAILABLE = "#274156", "#d1495b", "#7a9e9f"
_WINDOW, _FLANK = "#c3d5e3", "#e6eef4"


def check_pictures() -> None:
    """Check before any work that pictures can be drawn.

    Raises
    ------
    JundscanError
        When matplotlib or logomaker is not installed.
    """
    try:
        import logomaker  # noqa: F401
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise JundscanError("logos need matplotlib and logomaker: run pip install 'jundscan[plots]'") from err


def draw_region(path: Path, explanation: Explanation, flank: int, threshold: float, title: str, force: bool) -> None:
    """Draw one region: contributions above the probability curve, and the response to accessibility.

    Behind the curve, the best window is shaded dark and its flanks light.

    Parameters
    ----------
    path : pathlib.Path
        PNG.
    explanation : Explanation
    flank : int
        Bases to each side of a window that the model sees.
    threshold : float
        Drawn as a line.
    title : str
    force : bool
        Replace an existing picture.

    Raises
    ------
    OutputError
        When the picture cannot be written.
    """
    from matplotlib.figure import Figure

    n = len(explanation.codes)
    rows = math.ceil(n / _ROW_BASES) if n <= MAX_LETTERS else 1
    row = math.ceil(n / rows)
    figure = Figure(figsize=(12, 1.2 + 2.6 * rows + 2.4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    grid = figure.add_gridspec(2 * rows + 1, 1, height_ratios=[1.7, 0.9] * rows + [2.2])
    sites = find_sites(explanation.codes)
    low, high = _limits(explanation.contributions, _LABEL_HEADROOM if sites else _HEADROOM)
    for number in range(rows):
        part = slice(number * row, min((number + 1) * row, n))
        logo_axis = figure.add_subplot(grid[2 * number])
        curve_axis = figure.add_subplot(grid[2 * number + 1], sharex=logo_axis)
        _draw_logo(logo_axis, contribution_logo(explanation)[part], explanation.region.start + part.start)
        _mark(logo_axis, sites, explanation.region.start, high)
        logo_axis.set(ylim=(low, high), ylabel="contribution\n(logits)")
        logo_axis.tick_params(labelbottom=False)
        _draw_curve(curve_axis, explanation, part, threshold)
        first = explanation.region.start + number * row
        logo_axis.set_xlim(first - 0.5, first + row - 0.5)
        _shade_best(curve_axis, explanation, flank, first, first + row)
    curve_axis.set_xlabel(f"position on {explanation.region.chrom}, 0-based")
    _draw_response(figure.add_subplot(grid[2 * rows]), explanation, threshold)
    save_figure(figure, path, _DPI, force)


def draw_page(path: Path, explanations: Sequence[Explanation], title: str, force: bool) -> None:
    """Draw regions on one page, each cut to its strongest base and its neighbours. Arguments as :func:`draw_region`."""
    from matplotlib.figure import Figure

    columns = 2 if len(explanations) > 1 else 1
    rows = math.ceil(len(explanations) / columns)
    figure = Figure(figsize=(7 * columns, 0.8 + 1.15 * rows), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
    for axis, explanation in zip(axes, explanations, strict=False):
        logo = contribution_logo(explanation)
        middle = int(np.argmax(np.convolve(np.abs(logo).sum(axis=1), np.ones(9), "same")))
        first = int(np.clip(middle - _PAGE_REACH, 0, max(len(logo) - 2 * _PAGE_REACH - 1, 0)))
        part = logo[first : first + 2 * _PAGE_REACH + 1]
        start = explanation.region.start + first
        _draw_logo(axis, part, start)
        low, high = _limits(part.sum(axis=1))
        _mark(axis, find_sites(explanation.codes), explanation.region.start, high, label=False)
        axis.set(ylim=(low, high), xlim=(start - 0.5, start + len(part) - 0.5))
        axis.tick_params(labelsize=6)
        probability = math.nan if explanation.response is None else explanation.response.probability
        axis.set_title(f"{explanation.region}, best probability {probability:.4f}", fontsize=7, loc="left")
    for axis in axes[len(explanations) :]:
        axis.set_axis_off()
    save_figure(figure, path, _DPI, force)


def draw_average(path: Path, average: AverageLogo, title: str, force: bool) -> None:
    """Draw an average logo: mean contributions above the frequency of each letter."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_logo(above, average.contributions, 0)
    above.set_ylabel("mean contribution\n(logits)")
    _draw_logo(below, average.frequencies, 0)
    below.set_xticks(range(len(average.frequencies)))
    below.set(ylabel="frequency", xlabel="position in the alignment", ylim=(0, 1))
    save_figure(figure, path, _DPI, force)


def _draw_logo(axis: Any, logo: NDArray[np.float64], start: int) -> None:
    """Draw letters, or bars where a region is longer than :data:`MAX_LETTERS`."""
    positions = np.arange(start, start + len(logo))
    if len(logo) > MAX_LETTERS:
        axis.bar(positions, logo.sum(axis=1), width=1, color=_LINE)
    elif logo.any():
        import logomaker
        import pandas as pd

        drawn = logomaker.Logo(
            pd.DataFrame(logo, index=positions, columns=list(ALPHABET)), ax=axis, color_scheme=BASE_COLOURS
        )
        drawn.style_spines(visible=False)
    axis.axhline(0, color="0.3", linewidth=0.6)
    axis.ticklabel_format(axis="x", useOffset=False, style="plain")
    axis.spines[["top", "right"]].set_visible(False)


def _mark(axis: Any, sites: Sequence[KnownSite], start: int, top: float, label: bool = True) -> None:
    for site in sites:
        left, right = start + site.start - 0.5, start + site.end - 0.5
        axis.axvspan(left, right, color=_SITE, zorder=-2, linewidth=0)
        if label:
            style = {"ha": "center", "va": "top", "fontsize": 7, "clip_on": True}
            axis.text((left + right) / 2, top, f"{site.name}\n{site.sequence}", **style)


def _draw_curve(axis: Any, explanation: Explanation, part: slice, threshold: float) -> None:
    positions = np.arange(len(explanation.codes))[part] + explanation.region.start
    axis.plot(positions, explanation.probabilities[part], color=_LINE, linewidth=1)
    axis.axhline(threshold, color=_THRESHOLD, linewidth=0.8, linestyle="--")
    _probability_axis(axis, np.append(explanation.probabilities, threshold))
    axis.ticklabel_format(axis="x", useOffset=False, style="plain")
    axis.spines[["top", "right"]].set_visible(False)


def _shade_best(axis: Any, explanation: Explanation, flank: int, first: int, end: int) -> None:
    """Shade the best window and its flanks, within [first, end) of the region."""
    response, region = explanation.response, explanation.region
    if response is None:
        return
    first, end = max(first, region.start), min(end, region.end)
    for reach, colour in ((flank, _FLANK), (0, _WINDOW)):
        left, right = max(response.start - reach, first), min(response.start + WINDOW_LENGTH + reach, end)
        if left < right:
            axis.axvspan(left - 0.5, right - 0.5, color=colour, zorder=-2, linewidth=0)
    at = max(response.start, region.start)
    if first <= at < end:
        label = "the best window, and what the model sees around it" if flank else "the best window"
        side = "left" if 2 * at < first + end else "right"
        style = {"va": "bottom", "fontsize": 7, "clip_on": True, "transform": axis.get_xaxis_transform()}
        axis.text(at, 0.03, f" {label} ", ha=side, **style)


def _draw_response(axis: Any, explanation: Explanation, threshold: float) -> None:
    response = explanation.response
    if response is None:
        axis.set_axis_off()
        axis.text(0.5, 0.5, "no window without unknown letters", ha="center")
        return
    axis.plot(response.percentiles, response.probabilities, color=_LINE, label="the best window")
    axis.axhline(response.without, color=_UNAVAILABLE, linestyle=":", label="accessibility not available")
    axis.axhline(threshold, color=_THRESHOLD, linewidth=0.8, linestyle="--", label="threshold")
    if not math.isnan(response.accessibility):
        axis.plot(response.accessibility, response.probability, "o", color=_THRESHOLD, label="as it is")
    axis.set_xlim(-0.01, 1.01)
    _probability_axis(axis, np.append(response.probabilities, [response.without, threshold]))
    axis.set_xlabel("accessibility, percentile of its track")
    axis.legend(loc="upper left", fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)


def _probability_axis(axis: Any, shown: NDArray[np.floating[Any]]) -> None:
    """Scale by the logit, because most probabilities are near 0 and those of sites near 1."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_yscale("logit")
    axis.yaxis.set_major_locator(FixedLocator([1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999]))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    lowest, highest = np.nanmin(shown, initial=0.4), np.nanmax(shown, initial=0.6)
    axis.set(ylim=(max(lowest / 2, CLIP), min(1 - (1 - highest) / 2, 1 - CLIP)), ylabel="probability")


def _limits(contributions: NDArray[np.float64], headroom: float = _HEADROOM) -> tuple[float, float]:
    """Return the limits of the axis, with room for labels above the highest contribution."""
    known = contributions[~np.isnan(contributions)]
    low, high = min(float(known.min(initial=0)), 0), max(float(known.max(initial=0)), 0.05)
    return low * 1.1 - 0.02, high * headroom
