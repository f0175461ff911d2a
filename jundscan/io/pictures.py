"""Write pictures (PNG, SVG) of matplotlib, and the colours that pictures and reports share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jundscan.io.outputs import atomic_path, write_error

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
"""Colours of Okabe and Ito (2008), which colour-blind readers can tell apart."""
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""Colours of lines, in their order."""
BASE_COLOURS = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": VERMILION}


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
