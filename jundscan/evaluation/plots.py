"""Pictures of how good predictions are, for paper and slide: curves, calibration, confusion, distributions of scores.

Each is written as PNG (300 dots an inch) and as SVG (text stays text). Colours are those of Okabe and Ito (2008), which
colour-blind readers can tell apart, and lines differ in their dashes too. matplotlib and scikit-learn are imported
only when pictures are asked for.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import JundscanError, OutputError
from jundscan.io.outputs import atomic_path, check_output, remove_old_output, write_error
from jundscan.model.thresholds import is_positive

log = logging.getLogger("jundscan")

FORMATS = ("png", "svg")
PICTURES = ("roc", "precision_recall", "calibration", "confusion", "scores")
"""File names without endings; the first three need windows of both classes."""

_PANEL = (3.5, 3.4)  # inches: one column of a journal
_LINE = 0.15  # inches of a line of the legend
_LINES = 3  # of a legend that the panel has room for
_DPI = 300
_MOST_ACROSS = 3  # panels
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
_CHANCE = {"color": "0.6", "linewidth": 0.8, "linestyle": (0, (1, 2))}
_CLASSES = ("unbound", "bound")
_SCORE_BINS = 25
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "jundscan",  # equal pictures are equal files
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Windows that one model scored.

    Attributes
    ----------
    name : str
        What the picture calls them.
    labels : numpy.ndarray, shape=(n,)
        0 or 1, at least one window.
    probabilities : numpy.ndarray, shape=(n,)
        0 to 1.
    weights : numpy.ndarray, shape=(n,), dtype=float64
        Only the weighted accuracy above the confusion matrix uses them; everything else counts windows.
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
        """Which windows are called bound."""
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
    """Draw the five pictures of :data:`PICTURES`, with a line or a panel for each set of predictions.

    Sets whose windows are all bound or all unbound have no curves and no calibration; that is said.

    Parameters
    ----------
    folder : str or pathlib.Path
        Made when it does not exist.
    sets : sequence of Predictions
        At least one.
    title : str
        Above every picture.
    formats : sequence of str
        Endings of the files: ``png``, ``svg``, or another one that matplotlib can write.
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
        lines = _LINES if in_panels else 2 + len(sets) * (2 if name == "calibration" else 1)
        with _figure(len(sets) if in_panels else 1, lines, title) as figure:
            draw(figure)
            for ending in formats:
                path = folder / f"{name}.{ending}"
                with atomic_path(path, force) as temporary:
                    try:
                        # without a date, which would make every file differ
                        about = {"Date": None} if ending == "svg" else None
                        figure.savefig(temporary, dpi=_DPI, format=ending, metadata=about)
                    except OSError as err:
                        raise write_error(path, err) from err
                written.append(path)
    return written


def check_plots(folder: str | Path, force: bool, formats: Sequence[str] = FORMATS) -> None:
    """Find out before any work whether pictures can be drawn.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    OutputError
        When ``folder`` is a file, or holds such pictures and ``force`` is false.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise JundscanError("pictures need matplotlib: run pip install 'jundscan[plots]'") from err
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: cannot be written: it is a file, not a folder")
    if folder.exists():
        for path in (folder / f"{name}.{ending}" for name in PICTURES for ending in formats):
            check_output(path, force)


@contextmanager
def _figure(panels: int, lines: int, title: str) -> Iterator[Any]:
    """Give a figure for panels with so many lines of legend, without pyplot: no state that outlives it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    across = min(panels, _MOST_ACROSS)
    down = math.ceil(panels / across)
    with mpl.rc_context(_STYLE):
        height = _PANEL[1] + _LINE * max(0, lines - _LINES)
        figure = Figure(figsize=(_PANEL[0] * across, height * down), layout="constrained")
        if title:
            figure.suptitle(title, fontsize="medium")
        yield figure


def _in_panels(figure: Any, sets: Sequence[Predictions], draw: Callable[[Any, Predictions], None]) -> None:
    across = min(len(sets), _MOST_ACROSS)
    axes = figure.subplots(math.ceil(len(sets) / across), across, squeeze=False).ravel()
    for ax, one in zip(axes, sets, strict=False):
        draw(ax, one)
    for ax in axes[len(sets) :]:
        ax.set_axis_off()


def _styles() -> Iterator[dict[str, Any]]:
    """Colours and dashes for one line after another."""
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
        # a step back from each point, as average precision sums it up
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
    """Name the lines below the picture, where they hide nothing, and the dots on them."""
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
    """Mean probability and share of bound windows in ten bins; scikit-learn's calibration_curve takes no weights."""
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
    # shaded by each label's share: by counts, the rare bound windows would all look empty
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=_CLASSES)
    display.plot(ax=ax, cmap="Blues", im_kw={"vmin": 0, "vmax": 1}, colorbar=False)
    for text, count, share in zip(display.text_.flat, counts.flat, shares.flat, strict=True):
        text.set_text(f"{count:,}\n{share:.1%}")
    heading = f"{one.name}, threshold {one.threshold:.3g}"
    if one.weights.sum() > 0:
        accuracy = np.average(one.called == one.labels.astype(bool), weights=one.weights)
        heading += f"\nweighted accuracy {accuracy:.3f}"
    ax.set(xlabel="called (windows, share of the row)", ylabel="known", title=heading)


def _draw_scores(ax: Any, one: Predictions) -> None:
    edges = np.linspace(0, 1, _SCORE_BINS + 1)
    for label, colour, filled in ((0, _COLOURS[5], True), (1, _COLOURS[1], False)):
        scores = one.probabilities[one.labels == label]
        if len(scores):
            shares = np.full(len(scores), 1 / len(scores))
            ax.hist(
                scores, edges, weights=shares, color=colour, histtype="stepfilled" if filled else "step",
                linewidth=1.3, label=f"{_CLASSES[label]}, {len(scores):,} windows",
            )  # fmt: skip
    ax.axvline(one.threshold, color="0.3", linewidth=0.8, linestyle="--", label=f"threshold {one.threshold:.3g}")
    ax.set(xlabel="probability", ylabel=f"share of the class, per bin of {1 / _SCORE_BINS:g}", title=one.name)
    ax.set(xlim=(0, 1), yscale="log")
    _legend_below(ax)
