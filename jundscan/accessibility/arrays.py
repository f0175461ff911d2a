"""Tracks that are arrays already, for callers from Python."""

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
from jundscan.io.fasta.arrays import ONE, check_names

Values: TypeAlias = "Mapping[str, ArrayLike] | NDArray[np.floating[Any]]"

_TRACK = Path("(accessibility in memory)")
_LARGEST = float(np.finfo(np.float32).max)


class MemoryTrack(PerBaseTrack):
    """Values by name, one for each base, with the interface of a track file.

    Parameters
    ----------
    values : mapping of str to array_like, or numpy.ndarray
        shape=(length,), finite, not negative.

    Raises
    ------
    TrackError
        When there is none, a name is no text, or one is no row of such numbers.
    """

    def __init__(self, values: Values) -> None:
        self.path = _TRACK
        named = values if isinstance(values, Mapping) else {ONE: values}
        if not named:
            raise TrackError(_TRACK, "there is none; leave accessibility out to scan on sequence alone")
        check_names(named, TrackError, _TRACK)
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
        """Return the bases with a value above 0."""
        return {chrom: int(np.count_nonzero(row)) for chrom, row in self._rows.items()}

    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        row = self._rows[chrom]
        return np.array([not row[start : start + BIN_BASES].any() for start in range(0, len(row), BIN_BASES)], np.bool_)


def _row(chrom: str, values: object) -> NDArray[np.float64]:
    made = plain_array(values)
    if made is None or made.dtype.kind not in "biufO":
        raise TrackError(_TRACK, f"{chrom} holds other things than numbers: it is {type_name(values)}")
    try:
        row = made.astype(np.float64, copy=False)
    except (TypeError, ValueError) as err:
        raise TrackError(_TRACK, f"{chrom} holds other things than numbers ({err})") from err
    if row.ndim != 1 or not ((row >= 0) & (row <= _LARGEST)).all():  # beyond float32 as good as infinite
        raise TrackError(_TRACK, f"{chrom}: needs one number for each base, none negative and all finite")
    return row
