"""Write pictures (PNG, SVG) of matplotlib, make axes for notebooks, and the colours that pictures and reports share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jundscan.errors import JundscanError
from jundscan.io.outputs import atomic_path, write_error

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
"""Colours of Okabe and Ito (2008), which colour-blind readers can tell apart."""
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""Colours of lines, in their order."""
BASE_COLOURS = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": VERMILION}

STYLE: dict[Any, Any] = {
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
"""Settings of matplotlib for pictures in papers and slides. Text of an SVG stays text."""


def check_matplotlib() -> None:
    """Check before any work that pictures can be drawn.

    Raises
    ------
    JundscanError
        When matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise JundscanError("pictures need matplotlib: run pip install 'jundscan[plots]'") from err


def new_axes(width: float, height: float, columns: int = 1) -> Any:
    """Return the axes of a new figure, in inches, that a notebook shows: one, or an array of ``columns`` axes."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained")
    return axes


def save_figure(figure: Any, path: Path, dpi: int, force: bool) -> None:
    """Write a figure of matplotlib, without a date, so that equal pictures are equal files.

    Raises
    ------
    OutputError
        When the file exists and ``force`` is false, or cannot be written.
    """
    form = path.suffix.removeprefix(".")
    metadata = {"Date": None} if form == "svg" else None
    with atomic_path(path, force) as temporary:
        try:
            figure.savefig(temporary, dpi=dpi, format=form, metadata=metadata)
        except OSError as err:
            raise write_error(path, err) from err
