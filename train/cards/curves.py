"""Draw learning curves: loss, weighted accuracy and AUROC of training and validation windows by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from jundscan.io.pictures import BLUE, SERIES, STYLE, VERMILION, save_figure
from jundscan.model.metadata import MODES
from train.fitting.fit import METRICS

CURVES = "learning_curves"
"""Name of the pictures, without ending."""
FORMATS = ("png", "svg")
PANELS = {"loss": "weighted cross-entropy", METRICS[0]: "weighted accuracy", METRICS[1]: "AUROC"}
"""Metrics of the panels, and their names."""
PARTS = {"train": ("training", "--"), "valid": ("validation", "-")}
"""Keys of a curve's entries, their names and their dashes."""
STEP_LOSS = "training, in the steps (with dropout)"
_PANEL = (2.9, 2.6)  # inches
_LINE_HEIGHT = 0.16  # inches per line of the legend
_DPI = 200

Curve = Sequence[Mapping[str, Any]]


def points(curve: Curve, part: str, metric: str) -> tuple[list[int], list[float]]:
    """Return epochs and values of a metric with accessibility. Leave out epochs that do not have it.

    Examples
    --------
    >>> points([{"epoch": 1, "loss": 0.6, "valid": {"with_accessibility": {"auroc": 0.8}}}], "valid", "auroc")
    ([1], [0.8])
    """
    found = [(entry["epoch"], entry.get(part, {}).get(MODES[0], {}).get(metric)) for entry in curve]
    known = [(epoch, value) for epoch, value in found if value is not None]
    return [epoch for epoch, _ in known], [value for _, value in known]


def curve_files(folder: Path, name: str = CURVES) -> list[Path]:
    """Return the files of a picture of learning curves, a PNG and an SVG."""
    return [folder / f"{name}.{ending}" for ending in FORMATS]


def draw_curves(
    curves: Mapping[str, Curve], paths: Sequence[Path], title: str = "", kept: int | None = None
) -> Sequence[Path]:
    """Draw the learning curves of one or several candidates, replacing earlier pictures.

    Parameters
    ----------
    curves : mapping
        Curves of :class:`train.fitting.fit.FittedNetwork` by the name to show. Curves without the metrics of training
        windows, as earlier versions wrote them, show the loss of the steps.
    paths : sequence of pathlib.Path
        The ending says the format. Folders are made if missing.
    title : str
    kept : int, optional
        Epoch whose weights are kept.

    Returns
    -------
    sequence of pathlib.Path
        ``paths``.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        rows = 2 * len(curves) + (kept is not None)
        size = _PANEL[0] * len(PANELS), _PANEL[1] + _LINE_HEIGHT * -(-rows // len(PANELS))
        figure = Figure(figsize=size, layout="constrained")
        if title:
            figure.suptitle(title, fontsize="medium")
        axes = figure.subplots(1, len(PANELS))
        for ax, metric in zip(axes, PANELS, strict=True):
            plot_metric(ax, curves, metric)
            if kept is not None:
                ax.axvline(
                    kept, color="0.5", linewidth=0.8, linestyle=":", label=f"epoch {kept}, whose weights are kept"
                )
        lines = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(PANELS))
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_figure(figure, path, _DPI, force=True)
    return paths


def plot_metric(ax: Any, curves: Mapping[str, Curve], metric: str) -> None:
    """Plot a metric of :data:`PANELS` by epoch onto an Axes of matplotlib: training dashed, validation solid."""
    several = len(curves) > 1
    for (label, curve), colour in zip(curves.items(), cycle(SERIES), strict=False):
        for part, (shown, dashes) in PARTS.items():
            epochs, values = points(curve, part, metric)
            style = {"linestyle": dashes, "color": colour if several else {"train": BLUE, "valid": VERMILION}[part]}
            if not epochs and part == "train" and metric == "loss":
                epochs, values = [entry["epoch"] for entry in curve], [entry["loss"] for entry in curve]
                shown = STEP_LOSS
            if epochs:
                marker = {"marker": "o", "ms": 3} if len(epochs) == 1 else {}
                ax.plot(epochs, values, label=f"{label}: {shown}" if several else shown, **style, **marker)
    ax.set(xlabel="epoch", ylabel=PANELS[metric])
    ax.xaxis.get_major_locator().set_params(integer=True)
