"""Format float32 numbers as the shortest decimals, the same in all outputs."""

from __future__ import annotations

import math
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


def round_decimals(values: NDArray[np.float32], digits: int) -> NDArray[np.float32]:
    """Round values to ``digits`` decimals, a half to the even digit.

    Examples
    --------
    >>> round_decimals(np.array([0.1234, 0.0625], np.float32), 3).tolist() == np.float32([0.123, 0.062]).tolist()
    True
    """
    return np.round(values.astype(np.float64), digits).astype(np.float32)


def round_binary(values: NDArray[np.float32], digits: int) -> NDArray[np.float32]:
    """Return numbers of few bits, each of which rounds to the same ``digits`` decimals as its value does.

    They are multiples of the greatest power of 1/2 that is at most one unit of the last digit: of 1/1024 for 3 digits.
    Their last bytes are zeros, and a compressed file of them is smaller than one of :func:`round_decimals`.

    Parameters
    ----------
    values : numpy.ndarray, dtype=float32
        From 0 to 1.
    digits : int
        From 1 to :data:`jundscan.options.MAX_TRACK_DIGITS`.

    Examples
    --------
    >>> round_binary(np.array([0.1234, 1], np.float32), 3).tolist()
    [0.123046875, 1.0]
    """
    units = 2.0 ** math.ceil(digits * math.log2(10))
    numbers: NDArray[np.float64] = np.rint(np.round(values.astype(np.float64), digits) * units) / units
    return numbers.astype(np.float32)


def write_spans(
    stream: TextIO, chrom: str, starts: NDArray[np.int64], ends: NDArray[np.int64], values: NDArray[np.float32]
) -> None:
    """Write one bedGraph line per span: chrom, start, end, value. Coordinates are 0-based half-open."""
    rows = zip(starts.tolist(), ends.tolist(), shortest_decimals(values).tolist(), strict=True)
    stream.write("".join([f"{chrom}\t{start}\t{end}\t{value!r}\n" for start, end, value in rows]))
