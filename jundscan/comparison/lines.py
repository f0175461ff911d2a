"""Write a comparison as lines of text: a table, and BED for a genome browser. Coordinates are 0-based half-open."""

from __future__ import annotations

from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from jundscan.comparison.pictures import COLOURS
from jundscan.comparison.result import Comparison
from jundscan.io.numbers import format_probabilities

_SCORE_OF_LOGIT = 100
"""BED score per logit, so that 1000, the highest score, stands for differences of 10 logits and more."""
_MAX_SCORE = 1000


def write_changes(stream: TextIO, compared: Comparison) -> None:
    """Write one line per site, under a line with the names of the columns, which starts with ``#``."""
    columns = compared.columns()
    stream.write("#" + "\t".join(columns) + "\n")
    rows = zip(*(_format(name, column) for name, column in columns.items()), strict=True)
    stream.writelines(["\t".join(row) + "\n" for row in rows])


def _format(name: str, column: NDArray[np.generic]) -> list[str]:
    if column.dtype == np.float32:
        return format_probabilities(column.astype(np.float32))
    if column.dtype == np.float64:
        digits = 4 if name in ("p", "q") else 6
        return [f"{value:.{digits}g}" for value in column.tolist()]
    return [str(value) for value in column.tolist()]


def write_changes_bed(stream: TextIO, compared: Comparison) -> None:
    """Write BED9: the change as name and colour, the size of the difference as score, the summit as thick base."""
    sites = compared.sites
    scores = np.minimum(np.rint(_SCORE_OF_LOGIT * np.abs(compared.difference)), _MAX_SCORE).astype(np.int64)
    colours = {change: ",".join(str(part) for part in bytes.fromhex(code[1:])) for change, code in COLOURS.items()}
    columns = (sites.chrom, sites.start, sites.end, compared.change, scores, sites.summit)
    stream.writelines(
        [
            f"{chrom}\t{start}\t{end}\t{change}\t{score}\t.\t{summit}\t{summit + 1}\t{colours[change]}\n"
            for chrom, start, end, change, score, summit in zip(*(one.tolist() for one in columns), strict=True)
        ]
    )
