"""Format float32 numbers as the shortest decimals, the same in all outputs."""

from __future__ import annotations

from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

_MAX_DECIMALS = 17


def format_probability(probability: float | np.floating[Any]) -> str:
    """Format one float32 as the shortest decimal that reads back as the same float32.

    Examples
    --------
    >>> format_probability(np.float32(0.1)), format_probability(1), format_probability(2e-6)
    ('0.1', '1.0', '2e-06')
    """
    return format_probabilities(np.array([probability], dtype=np.float32))[0]


def format_probabilities(probabilities: NDArray[np.float32]) -> list[str]:
    """Format float32 values as :func:`format_probability` does."""
    return [repr(value) for value in shortest_decimals(probabilities).tolist()]


def shortest_decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the float64 that ``repr`` prints as the shortest decimal of each float32: 0.1, not 0.10000000149.

    Examples
    --------
    >>> shortest_decimals(np.array([0.1, 0.25], dtype=np.float32)).tolist()
    [0.1, 0.25]
    """
    decimals = values.astype(np.float64)
    exact, rest = decimals.copy(), np.arange(len(values))
    for places in range(_MAX_DECIMALS + 1):
        rounded = np.rint(exact * 10.0**places) / 10.0**places
        found = rounded.astype(np.float32) == values[rest]
        decimals[rest[found]] = rounded[found]
        rest, exact = rest[~found], exact[~found]
        if not rest.size:
            return decimals
    # a slower way for values below 1e-9 or so, which are few
    decimals[rest] = values[rest].astype(np.str_).astype(np.float64)
    return decimals


def write_spans(
    stream: TextIO, chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]
) -> None:
    """Write one bedGraph line per span: chrom, start, end, value. Coordinates are 0-based half-open."""
    rows = zip(starts.tolist(), ends.tolist(), shortest_decimals(values).tolist(), strict=True)
    stream.write("".join([f"{chrom}\t{start}\t{end}\t{value!r}\n" for start, end, value in rows]))
