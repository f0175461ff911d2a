"""Pictures of how good predictions are: ROC, precision and recall, calibration, confusion.

matplotlib and scikit-learn are imported only when pictures are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import JundscanError, OutputError
from jundscan.hits import is_positive
from jundscan.writers import cannot_write, replacing

log = logging.getLogger("jundscan")

_SIZE = (5.5, 5.0)  # inches
_DPI = 150
_CLASSES = ("unbound", "bound")


def write_plots(
    folder: str | Path,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    weights: NDArray[np.float64],
    threshold: float,
    title: str,
) -> list[Path]:
    """Draw ``roc.png``, ``precision_recall.png``, ``calibration.png`` and ``confusion.png``.

    The first three need both classes and are left out, with a warning, when there is only one.

    Parameters
    ----------
    folder : str or pathlib.Path
        Made when it does not exist; older pictures in it are replaced.
    labels : numpy.ndarray, shape=(n,)
        0 or 1, at least one window.
    probabilities : numpy.ndarray, shape=(n,)
        0 to 1.
    weights : numpy.ndarray, shape=(n,), dtype=float64
        Only the weighted accuracy beside the confusion matrix uses them; curves and counts are of windows.
    threshold : float
        Windows at or above it are called positive.
    title : str
        What was evaluated, above every picture.

    Returns
    -------
    list of pathlib.Path
        The pictures written.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    OutputError
        When the folder or a picture cannot be written.
    """
    check_plots(folder)
    from matplotlib.figure import Figure

    called = is_positive(probabilities, threshold)
    drawings: dict[str, Callable[[Any], None]] = {
        "roc": lambda ax: _draw_roc(ax, labels, probabilities, called),
        "precision_recall": lambda ax: _draw_precision_recall(ax, labels, probabilities, called),
        "calibration": lambda ax: _draw_calibration(ax, labels, probabilities),
        "confusion": lambda ax: _draw_confusion(ax, labels, called, weights, threshold),
    }
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise cannot_write(folder, err) from err
    if not 0 < np.count_nonzero(labels) < len(labels):
        log.warning("%s: all labels are the same, so only confusion.png is drawn", folder)
        drawings = {"confusion": drawings["confusion"]}
    written = []
    for name, draw in drawings.items():
        # a figure of its own, without pyplot: no window, no state that outlives the call
        figure = Figure(figsize=_SIZE, layout="constrained")
        figure.suptitle(title, fontsize="medium")
        draw(figure.subplots())
        path = folder / f"{name}.png"
        with replacing(path, force=True) as temporary:
            try:
                figure.savefig(temporary, dpi=_DPI)
            except OSError as err:
                raise cannot_write(path, err) from err
        written.append(path)
    return written


def check_plots(folder: str | Path) -> None:
    """Find out before any work whether pictures can be drawn.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    OutputError
        When ``folder`` is a file.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise JundscanError("pictures need matplotlib: run pip install 'jundscan[plots]'") from err
    if Path(folder).exists() and not Path(folder).is_dir():
        raise OutputError(f"{folder}: cannot be written: it is a file, not a folder")


def _draw_roc(
    ax: Any,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    called: NDArray[np.bool_],
) -> None:
    from sklearn.metrics import RocCurveDisplay

    RocCurveDisplay.from_predictions(labels, probabilities, ax=ax, name="model", plot_chance_level=True)
    ax.plot(called[labels == 0].mean(), called[labels == 1].mean(), "o", color="C3", label="threshold")
    ax.set(xlabel="false-positive rate", ylabel="recall (true-positive rate)", title="ROC curve")
    ax.legend(loc="lower right")


def _draw_precision_recall(
    ax: Any,
    labels: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    called: NDArray[np.bool_],
) -> None:
    from sklearn.metrics import PrecisionRecallDisplay

    PrecisionRecallDisplay.from_predictions(labels, probabilities, ax=ax, name="model", plot_chance_level=True)
    if called.any():
        ax.plot(called[labels == 1].mean(), labels[called].mean(), "o", color="C3", label="threshold")
    ax.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    ax.legend(loc="upper right")


def _draw_calibration(ax: Any, labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]) -> None:
    from sklearn.calibration import CalibrationDisplay

    CalibrationDisplay.from_predictions(labels, probabilities, n_bins=10, ax=ax, name="model")
    ax.set(xlabel="mean probability in ten bins", ylabel="bound windows among them", title="Calibration")
    ax.legend(loc="upper left")


def _draw_confusion(
    ax: Any,
    labels: NDArray[np.integer[Any]],
    called: NDArray[np.bool_],
    weights: NDArray[np.float64],
    threshold: float,
) -> None:
    from sklearn.metrics import ConfusionMatrixDisplay

    counts = np.bincount(2 * labels.astype(np.int64) + called, minlength=4).reshape(2, 2)
    # shaded by each label's share: by counts, the rare bound windows would all look empty
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=_CLASSES)
    display.plot(ax=ax, cmap="Blues", im_kw={"vmin": 0, "vmax": 1}, colorbar=False)
    for text, count, share in zip(display.text_.flat, counts.flat, shares.flat, strict=True):
        text.set_text(f"{count:,}\n{share:.1%}")
    heading = f"Windows at threshold {threshold:.3g}"
    if weights.sum() > 0:
        accuracy = np.average(called == labels.astype(bool), weights=weights)
        heading += f" (weighted accuracy {accuracy:.3f})"
    ax.set(xlabel="called", ylabel="known", title=heading)
