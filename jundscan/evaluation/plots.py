"""Draw how good predictions are, for papers and slides: curves, calibration, confusion, distributions of scores.

Pictures are written as PNG (300 dots per inch) and as SVG (text stays text). Lines differ in colour and in dashes.
matplotlib and scikit-learn are imported only to draw.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import InputError, OutputError
from jundscan.io.outputs import check_output, remove_old_output, write_error
from jundscan.io.pictures import SERIES, SKY, STYLE, VERMILION, check_matplotlib, new_axes, save_figure
from jundscan.model.thresholds import is_positive

log = logging.getLogger("jundscan")

FORMATS = ("png", "svg")
PICTURES = ("roc", "precision_recall", "calibration", "confusion", "scores")
"""File names without endings. The first three need windows of both classes."""

_PANEL = (3.5, 3.4)  # inches: one column of a journal
_LINE_HEIGHT = 0.15  # inches per line of the legend
_PANEL_LINES = 3  # lines of the legend within a panel's height
_DPI = 300
_MAX_ACROSS = 3  # panels
_COLOURS = (*SERIES, "#000000")
_DASHES = ("-", "--", "-.", ":")
_CHANCE = {"color": "0.6", "linewidth": 0.8, "linestyle": (0, (1, 2))}
CLASSES = ("unbound", "bound")
SCORE_BINS = 25


@dataclass(frozen=True, eq=False)
class Predictions:
    """Windows that one model scored.

    Attributes
    ----------
    name : str
        Name in the pictures.
    labels : numpy.ndarray, shape=(n,)
        0 or 1, at least one window.
    probabilities : numpy.ndarray, shape=(n,)
        0 to 1.
    weights : numpy.ndarray, shape=(n,), dtype=float64
        Used only by the weighted accuracy above the confusion matrix. All other values count windows.
    threshold : float
        Windows at or above it are called bound.
    """

    name: str
    labels: NDArray[np.integer[Any]]
    probabilities: NDArray[np.floating[Any]]
    weights: NDArray[np.float64]
    threshold: float

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether each window is called bound."""
        return is_positive(self.probabilities, self.threshold)

    @property
    def has_both(self) -> bool:
        """Whether there are bound and unbound windows."""
        return bool(0 < np.count_nonzero(self.labels) < len(self.labels))


def write_plots(
    folder: str | Path,
    sets: Sequence[Predictions],
    title: str = "",
    formats: Sequence[str] = FORMATS,
    force: bool = False,
) -> list[Path]:
    """Draw the five pictures of :data:`PICTURES`, with a line or a panel per set of predictions.

    A set whose windows are all bound or all unbound has no curves and no calibration. A warning is logged for it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Created if missing.
    sets : sequence of Predictions
        At least one.
    title : str
        Above every picture.
    formats : sequence of str
        Endings of the files: ``png``, ``svg``, or another format of matplotlib.
    force : bool
        Replace pictures that exist.

    Returns
    -------
    list of pathlib.Path
        The pictures written.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    OutputError
        When a picture exists and ``force`` is false, or the folder or a picture cannot be written.
    """
    check_plots(folder, force, formats)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise write_error(folder, err) from err
    curves = [one for one in sets if one.has_both]
    for one in sets:
        if not one.has_both:
            log.warning("%s: all labels are the same, so it has no curves and no calibration", one.name)
    drawings: dict[str, Callable[[Any], None]] = {
        "roc": lambda figure: _draw_roc(figure.subplots(), curves),
        "precision_recall": lambda figure: _draw_precision_recall(figure.subplots(), curves),
        "calibration": lambda figure: _draw_calibration(figure.subplots(), curves),
        "confusion": lambda figure: _in_panels(figure, sets, _draw_confusion),
        "scores": lambda figure: _in_panels(figure, sets, _draw_scores),
    }
    written = []
    for name, draw in drawings.items():
        in_panels = name in ("confusion", "scores")
        if not in_panels and not curves:
            for ending in formats:
                remove_old_output(folder / f"{name}.{ending}", force)
            continue
        lines = _PANEL_LINES if in_panels else 2 + len(sets) * (2 if name == "calibration" else 1)
        with _figure(len(sets) if in_panels else 1, lines, title) as figure:
            draw(figure)
            for ending in formats:
                path = folder / f"{name}.{ending}"
                save_figure(figure, path, _DPI, force)
                written.append(path)
    return written


def plot_curves(one: Predictions, ax: Any = None) -> NDArray[Any]:
    """Draw the ROC curve and the precision-recall curve side by side.

    Parameters
    ----------
    one : Predictions
        Windows of both classes.
    ax : sequence of two matplotlib.axes.Axes, optional
        Where to draw. None: on a new figure, which a notebook shows.

    Returns
    -------
    numpy.ndarray, shape=(2,), dtype=object
        The axes.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    InputError
        When ``ax`` does not hold two axes.
    """
    check_matplotlib()
    import matplotlib as mpl

    axes = None if ax is None else np.array(ax, object).ravel()
    if axes is not None and len(axes) != 2:
        raise InputError(f"ax: must hold two Axes, one for each curve, as from plt.subplots(1, 2), not {len(axes)}")
    with nullcontext() if axes is not None else mpl.rc_context(STYLE):
        if axes is None:
            axes = new_axes(2 * _PANEL[0], _PANEL[1], columns=2)
        _draw_roc(axes[0], [one])
        _draw_precision_recall(axes[1], [one])
    return axes


def check_plots(folder: str | Path, force: bool, formats: Sequence[str] = FORMATS) -> None:
    """Check before any work that pictures can be drawn.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    OutputError
        When ``folder`` is a file, or holds such pictures and ``force`` is false.
    """
    check_matplotlib()
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: cannot be written: it is a file, not a folder")
    if folder.exists():
        for path in (folder / f"{name}.{ending}" for name in PICTURES for ending in formats):
            check_output(path, force)


@contextmanager
def _figure(panels: int, lines: int, title: str) -> Iterator[Any]:
    """Make a figure for panels and the lines of their legend, without pyplot, which would keep it in memory."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    across = min(panels, _MAX_ACROSS)
    down = math.ceil(panels / across)
    with mpl.rc_context(STYLE):
        height = _PANEL[1] + _LINE_HEIGHT * max(0, lines - _PANEL_LINES)
        figure = Figure(figsize=(_PANEL[0] * across, height * down), layout="constrained")
        if title:
            figure.suptitle(title, fontsize="medium")
        yield figure


def _in_panels(figure: Any, sets: Sequence[Predictions], draw: Callable[[Any, Predictions], None]) -> None:
    across = min(len(sets), _MAX_ACROSS)
    axes = figure.subplots(math.ceil(len(sets) / across), across, squeeze=False).ravel()
    for ax, one in zip(axes, sets, strict=False):
        draw(ax, one)
    for ax in axes[len(sets) :]:
        ax.set_axis_off()


def _styles() -> Iterator[dict[str, Any]]:
    """Yield colours and dashes, one pair per line."""
    for colour, dashes in zip(cycle(_COLOURS), cycle(_DASHES), strict=False):
        yield {"color": colour, "linestyle": dashes}


def _draw_roc(ax: Any, sets: Sequence[Predictions]) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    ax.plot([0, 1], [0, 1], label="chance", **_CHANCE)
    for one, style in zip(sets, _styles(), strict=False):
        rates, recalls, _ = roc_curve(one.labels, one.probabilities)
        area = roc_auc_score(one.labels, one.probabilities)
        ax.plot(rates, recalls, label=f"{one.name}: AUROC {area:.3f}", **style)
        called = one.called
        ax.plot(called[one.labels == 0].mean(), called[one.labels == 1].mean(), "o", color=style["color"], ms=4)
    ax.set(xlabel="false-positive rate (share of unbound windows)", ylabel="recall (share of bound windows)")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _legend(ax, sets)


def _draw_precision_recall(ax: Any, sets: Sequence[Predictions]) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    for one, style in zip(sets, _styles(), strict=False):
        precisions, recalls, _ = precision_recall_curve(one.labels, one.probabilities, drop_intermediate=True)
        average = average_precision_score(one.labels, one.probabilities)
        # steps back from each point, as in the sum of average precision
        ax.plot(recalls, precisions, drawstyle="steps-post", label=f"{one.name}: AP {average:.3f}", **style)
        ax.axhline(one.labels.mean(), **(_CHANCE | {"color": style["color"]}))
        called = one.called
        if called.any():
            ax.plot(called[one.labels == 1].mean(), one.labels[called].mean(), "o", color=style["color"], ms=4)
    ax.plot([], [], label="chance (share of bound windows)", **_CHANCE)
    ax.set(xlabel="recall (share of bound windows)", ylabel="precision (share of called windows)")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend(ax, sets)


def _legend(ax: Any, sets: Sequence[Predictions]) -> None:
    """Put the legend of lines and dots below the picture, where it hides nothing."""
    thresholds = sorted({one.threshold for one in sets})
    if len(thresholds) == 1:
        ax.plot([], [], "o", color="0.4", ms=4, label=f"at threshold {thresholds[0]:.3g}")
    _legend_below(ax)


def _legend_below(ax: Any) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))


def _draw_calibration(ax: Any, sets: Sequence[Predictions]) -> None:
    ax.plot([0, 1], [0, 1], label="perfectly calibrated", **_CHANCE)
    for one, style in zip(sets, _styles(), strict=False):
        for weights, marker, face, what in (
            (one.weights, "o", style["color"], "windows by their weights"),
            (None, "s", "white", "each window alike"),
        ):
            predicted, observed = reliability(one, weights)
            ax.plot(predicted, observed, marker=marker, mfc=face, ms=4, label=f"{one.name}: {what}", **style)
    ax.set(xlabel="mean probability of the windows in a bin of 0.1", ylabel="share of them that is bound")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _legend_below(ax)


def reliability(
    one: Predictions, weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean probability and share of bound windows in ten bins, by weights or counting windows.

    scikit-learn's calibration_curve takes no weights.
    """
    each = np.ones(len(one.labels)) if weights is None else weights
    edges = np.linspace(0, 1, 11)
    total, predicted, observed = (
        np.histogram(one.probabilities, edges, weights=each * values)[0]
        for values in (1.0, one.probabilities, one.labels)
    )
    used = total > 0
    return predicted[used] / total[used], observed[used] / total[used]


def _draw_confusion(ax: Any, one: Predictions) -> None:
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    counts = confusion_matrix(one.labels, one.called, labels=[0, 1])
    # shaded by the share of each label, because by counts the rare bound windows would all look empty
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=CLASSES)
    display.plot(ax=ax, cmap="Blues", im_kw={"vmin": 0, "vmax": 1}, colorbar=False)
    for text, count, share in zip(display.text_.flat, counts.flat, shares.flat, strict=True):
        text.set_text(f"{count:,}\n{share:.1%}")
    heading = f"{one.name}, threshold {one.threshold:.3g}"
    if one.weights.sum() > 0:
        accuracy = np.average(one.called == one.labels.astype(bool), weights=one.weights)
        heading += f"\nweighted accuracy {accuracy:.3f}"
    ax.set(xlabel="called (windows, share of the row)", ylabel="known", title=heading)


def _draw_scores(ax: Any, one: Predictions) -> None:
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    for label, colour, filled in ((0, SKY, True), (1, VERMILION, False)):
        scores = one.probabilities[one.labels == label]
        if len(scores):
            shares = np.full(len(scores), 1 / len(scores))
            ax.hist(
                scores, edges, weights=shares, color=colour, histtype="stepfilled" if filled else "step",
                linewidth=1.3, label=f"{CLASSES[label]}, {len(scores):,} windows",
            )  # fmt: skip
    ax.axvline(one.threshold, color="0.3", linewidth=0.8, linestyle="--", label=f"threshold {one.threshold:.3g}")
    ax.set(xlabel="probability", ylabel=f"share of the class, per bin of {1 / SCORE_BINS:g}", title=one.name)
    ax.set(xlim=(0, 1), yscale="log")
    _legend_below(ax)
