"""Draw explanations: logos of contributions, probability curves, known sites, response to accessibility.

matplotlib and logomaker are imported only to draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH, decode
from jundscan.errors import JundscanError
from jundscan.explanations.alignment import AverageLogo, contribution_logo, driving_site
from jundscan.io.pictures import BASE_COLOURS, new_axes, save_figure
from jundscan.scanning.pictures import LINE, THRESHOLD, draw_probabilities, scale_probabilities

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jundscan.explanations.mutagenesis import Explanation

MAX_LETTERS = 1_500
"""Maximum bases of a picture with letters, because matplotlib draws them slowly. Longer regions get bars."""
_ROW_BASES = 125
_PAGE_REACH = 20  # bases to each side of a hit's strongest base
_HEADROOM, _LABEL_HEADROOM = 1.1, 1.5
_DPI = 130
_INCH_BASES = 10  # bases per inch of a picture in a notebook
_WIDTHS, _HEIGHT = (5, 25), 2.4  # inches
_LOGO_INCH_BASES, _LOGO_TICKS = 5, 5  # bases per inch, and from one number to the next
_SITE = "#f0e4b8"
_UNAVAILABLE = "#7a9e9f"
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
    for number in range(rows):
        part = slice(number * row, min((number + 1) * row, n))
        logo_axis = figure.add_subplot(grid[2 * number])
        curve_axis = figure.add_subplot(grid[2 * number + 1], sharex=logo_axis)
        first = explanation.region.start + part.start
        _draw_contributions(logo_axis, explanation, part)
        logo_axis.tick_params(labelbottom=False)
        draw_probabilities(
            curve_axis, np.arange(first, first + part.stop - part.start), explanation.probabilities[part], threshold
        )
        scale_probabilities(curve_axis, np.append(explanation.probabilities, threshold))
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
        _mark(axis, explanation, high, label=False)
        axis.set(ylim=(low, high), xlim=(start - 0.5, start + len(part) - 0.5))
        axis.tick_params(labelsize=6)
        probability = math.nan if explanation.response is None else explanation.response.probability
        found = driving_site(explanation)
        kind = "no known site" if found is None else found.site.name
        axis.set_title(f"{explanation.region}, best probability {probability:.4f}, {kind}", fontsize=7, loc="left")
    for axis in axes[len(explanations) :]:
        axis.set_axis_off()
    save_figure(figure, path, _DPI, force)


def draw_averages(path: Path, averages: Sequence[AverageLogo], title: str, force: bool) -> None:
    """Draw average logos side by side: mean contributions above the frequency of each letter, on the same scales.

    The known site that regions are aligned on is shaded.
    """
    from matplotlib.figure import Figure

    widths = [len(one.contributions) for one in averages]
    figure = Figure(figsize=(max(7, 1 + sum(widths) / _LOGO_INCH_BASES), 4.4), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(2, len(averages), squeeze=False, sharex="col", sharey="row", width_ratios=widths)
    for above, below, one in zip(*axes, averages, strict=True):
        _draw_logo(above, one.contributions, one.first)
        above.set_title(one.title, fontsize="medium")
        _draw_logo(below, one.frequencies, one.first)
        for axis in (above, below) if one.site_length else ():
            axis.axvspan(-0.5, one.site_length - 0.5, color=_SITE, zorder=-2, linewidth=0)
        ticks = range(one.first, one.first + len(one.frequencies))
        below.set_xticks(ticks, [str(at) if at % _LOGO_TICKS == 0 else "" for at in ticks])
        below.set_xlabel(
            "position, 0 is the first base of the site" if one.site_length else "position in the alignment"
        )
    stacked = [one.contributions.clip(*signs).sum(axis=1) for one in averages for signs in ((0, None), (None, 0))]
    axes[0, 0].set(ylabel="mean contribution\n(logits)", ylim=_limits(np.concatenate(stacked)))
    axes[1, 0].set(ylabel="frequency", ylim=(0, 1))
    save_figure(figure, path, _DPI, force)


def plot_contributions(explanation: Explanation, axis: Axes | None = None) -> Axes:
    """Draw contributions as letters on one axis, in a row, and return it. Without an axis, make a figure."""
    check_pictures()
    region = explanation.region
    if axis is None:
        bases = len(explanation.codes)
        axis = new_axes(float(np.clip(bases / _INCH_BASES, *_WIDTHS)), _HEIGHT)
    _draw_contributions(axis, explanation, slice(0, len(explanation.codes)))
    axis.set(xlim=(region.start - 0.5, region.end - 0.5), xlabel=f"position on {region.chrom}, 0-based")
    return axis


def _draw_contributions(axis: Any, explanation: Explanation, part: slice) -> None:
    """Draw the contributions of some bases, with the known sites. All parts have the limits of the whole region."""
    low, high = _limits(explanation.contributions, _LABEL_HEADROOM if explanation.sites else _HEADROOM)
    _draw_logo(axis, contribution_logo(explanation)[part], explanation.region.start + part.start)
    _mark(axis, explanation, high)
    axis.set(ylim=(low, high), ylabel="contribution\n(logits)")


def _draw_logo(axis: Any, logo: NDArray[np.float64], start: int) -> None:
    """Draw letters, or bars where a region is longer than :data:`MAX_LETTERS`."""
    positions = np.arange(start, start + len(logo))
    if len(logo) > MAX_LETTERS:
        axis.bar(positions, logo.sum(axis=1), width=1, color=LINE)
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


def _mark(axis: Any, explanation: Explanation, top: float, label: bool = True) -> None:
    """Shade the known sites. Labels have the letters of the forward strand, as the logo below them."""
    for site in explanation.sites:
        left, right = (explanation.region.start + edge - 0.5 for edge in (site.start, site.end))
        letters = decode(explanation.codes[site.start : site.end]).decode()
        axis.axvspan(left, right, color=_SITE, zorder=-2, linewidth=0)
        if label:
            style = {"ha": "center", "va": "top", "fontsize": 7, "clip_on": True}
            axis.text((left + right) / 2, top, f"{site.name}\n{letters}", **style)


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
    axis.plot(response.percentiles, response.probabilities, color=LINE, label="the best window")
    axis.axhline(response.without, color=_UNAVAILABLE, linestyle=":", label="accessibility not available")
    axis.axhline(threshold, color=THRESHOLD, linewidth=0.8, linestyle="--", label="threshold")
    if not math.isnan(response.accessibility):
        axis.plot(response.accessibility, response.probability, "o", color=THRESHOLD, label="as it is")
    axis.set_xlim(-0.01, 1.01)
    scale_probabilities(axis, np.append(response.probabilities, [response.without, threshold]))
    axis.set_xlabel("accessibility, percentile of its track")
    axis.legend(loc="upper left", fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)


def _limits(contributions: NDArray[np.float64], headroom: float = _HEADROOM) -> tuple[float, float]:
    """Return the limits of the axis, with room for labels above the highest contribution."""
    known = contributions[~np.isnan(contributions)]
    low, high = min(float(known.min(initial=0)), 0), max(float(known.max(initial=0)), 0.05)
    return low * 1.1 - 0.02, high * headroom
