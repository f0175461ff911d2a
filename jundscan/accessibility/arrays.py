"""Tracks in memory, for callers from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jundscan.accessibility.data_stretches import BIN_BASES
from jundscan.accessibility.tracks import PerBaseTrack
from jundscan.errors import TrackError
from jundscan.io.arguments import plain_array, type_name
from jundscan.io.fasta.arrays import SINGLE_NAME, check_names

Values: TypeAlias = "Mapping[str, ArrayLike] | NDArray[np.floating[Any]]"

_PATH = Path("(accessibility in memory)")
_MAX_VALUE = float(np.finfo(np.float32).max)
"""Maximum value, because means are float32 and a higher one would become infinite."""


class MemoryTrack(PerBaseTrack):
    """An array of values per base for each chromosome, with the interface of a track file.

    Parameters
    ----------
    values : mapping of str to array_like, or numpy.ndarray
        By chromosome, or one array for a single sequence. Shape (length,), finite, not negative.

    Raises
    ------
    TrackError
        When the mapping is empty, a name is not text, or values are not such an array.
    """

    def __init__(self, values: Values) -> None:
        self.path = _PATH
        named = values if isinstance(values, Mapping) else {SINGLE_NAME: values}
        if not named:
            raise TrackError(_PATH, "holds no chromosome. Leave accessibility out to scan on sequence alone")
        check_names(named, TrackError, _PATH)
        self._rows = {chrom: _row(chrom, row) for chrom, row in named.items()}
        self.sizes = {chrom: len(row) for chrom, row in self._rows.items()}
        self.names = tuple(self._rows)

    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        row = self._rows[chrom]
        inside = row[max(start, 0) : max(end, 0)]
        if len(inside) == end - start:
            return inside
        values = np.zeros(end - start)
        values[max(-start, 0) : max(-start, 0) + len(inside)] = inside
        return values

    def bases_with_data(self) -> dict[str, int]:
        """Return the number of bases with a value above 0 on each chromosome."""
        return {chrom: int(np.count_nonzero(row)) for chrom, row in self._rows.items()}

    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        row = self._rows[chrom]
        return np.array([not row[start : start + BIN_BASES].any() for start in range(0, len(row), BIN_BASES)], np.bool_)


def _row(chrom: str, values: object) -> NDArray[np.float64]:
    row = plain_array(values)
    if row is None or row.dtype.kind not in "biufO":
        raise TrackError(_PATH, f"{chrom} must be an array of numbers, one for each base, not {type_name(values)}")
    try:
        row = row.astype(np.float64, copy=False)
    except (TypeError, ValueError) as err:
        raise TrackError(_PATH, f"{chrom} must be an array of numbers, one for each base ({err})") from err
    if row.ndim != 1 or not ((row >= 0) & (row <= _MAX_VALUE)).all():
        raise TrackError(_PATH, f"{chrom} needs one number for each base, none negative and all finite")
    return row
