"""Write hits and windows as lines of text. All formats hold the same numbers; coordinates are 0-based half-open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.io.numbers import format_probabilities, write_spans
from jundscan.scanning.hits import Hits

HitFormat = Literal["bed", "narrowPeak"]
WINDOWS_HEADER = "#chrom\tstart\tend\tprobability\n"


def write_hits(
    stream: TextIO,
    format: HitFormat,
    chrom: str,
    hits: Hits,
    factor: str,
    first: int = 1,
    p_values: NDArray[np.float64] | None = None,
) -> None:
    """Write hits as strict BED6 or as narrowPeak.

    Parameters
    ----------
    stream : typing.TextIO
    format : {"bed", "narrowPeak"}
        Both hold name, score (1000 × probability, rounded) and strand ``.``. narrowPeak adds the exact probability as
        signalValue, the p value and the summit relative to the start. Its q value is -1 (none), because no p value
        of the calibration is low enough to pass among all windows of a genome.
    chrom : str
    hits : Hits
    factor : str
        The model's factor. ``JUND_1`` is the name of the first hit of a file with JUND.
    first : int
        Number in the name of the first of these hits.
    p_values : numpy.ndarray, shape=(hits,), dtype=float64, optional
        For narrowPeak, which holds -log10 of them; -1 where a p value is NaN or missing.
    """
    names = hit_names(factor, range(first, first + len(hits.start)))
    rows = zip(hits.start.tolist(), hits.end.tolist(), names, bed_scores(hits.best), strict=True)
    if format == "bed":
        stream.writelines([f"{chrom}\t{s}\t{e}\t{name}\t{score}\t.\n" for s, e, name, score in rows])
        return
    signals = format_probabilities(hits.best)
    peaks = (hits.summit - hits.start).tolist()
    levels = _minus_log10(p_values, len(peaks))
    stream.writelines(
        [
            f"{chrom}\t{s}\t{e}\t{name}\t{score}\t.\t{signal}\t{p}\t-1\t{peak}\n"
            for (s, e, name, score), signal, p, peak in zip(rows, signals, levels, peaks, strict=True)
        ]
    )


def hit_names(factor: str, numbers: Iterable[int]) -> list[str]:
    """Return the names of hits: the factor and the number of the hit in its scan, such as ``JUND_1``."""
    return [f"{factor}_{number}" for number in numbers]


def bed_scores(best: NDArray[np.float32]) -> list[int]:
    """Return 1000 × probability, rounded."""
    return np.rint(1000 * best.astype(np.float64)).astype(np.int64).tolist()  # type: ignore[no-any-return]


def write_windows(stream: TextIO, chrom: str, starts: NDArray[np.int64], probabilities: NDArray[np.float32]) -> None:
    """Write one line per window with the columns of :data:`WINDOWS_HEADER`."""
    write_spans(stream, chrom, starts, starts + WINDOW_LENGTH, probabilities)


def _minus_log10(levels: NDArray[np.float64] | None, count: int) -> list[str]:
    if levels is None:
        return ["-1"] * count
    written = -np.log10(levels) + 0.0  # turns -0 into 0
    return ["-1" if np.isnan(value) else f"{value:.5f}" for value in written.tolist()]
