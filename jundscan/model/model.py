"""An open model: scores windows from their bases and accessibility with ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.io.arguments import codes_array, float32_array
from jundscan.io.html_tables import html_table
from jundscan.model.card import ROW_WINDOWS, Card
from jundscan.model.metadata import MAX_TILE_WINDOWS, Metadata
from jundscan.options import DEFAULT_STRIDE, positive_int
from jundscan.schemas.records import ModelRecord
from jundscan.threads import in_order

if TYPE_CHECKING:
    import onnxruntime

WINDOW_MULTIPLE = 16
"""Every call of :meth:`Model.slide` scores a multiple of this many windows.

SIMD kernels handle the remainder of a vector with other instructions, which may change the last bit. Padding keeps
scores independent of how windows are split into calls.
"""
CALL_BASES = 8292
"""Maximum bases in one call of :meth:`Model.slide`, because its arrays then fit into the processor's cache."""
CALL_WINDOWS = MAX_TILE_WINDOWS
"""Maximum windows in one call of a graph that divides rows into tiles itself."""
TRACKS_PER_CALL = 50
"""Maximum tracks that share the sequence in one call. At stride 10 a track costs 0.25 µs a window with 10 of them, 0.20
with 25 and 0.18 with 50, alone 0.85. With 75 it costs as much as with 50."""
SHARED_CALL_VALUES = 12_000
"""Maximum windows times tracks in one call of several tracks, because its arrays then fit into the processor's cache.
At stride 10 and 25 tracks, calls of 480 windows cost 0.20 µs a window and track, calls of 1,008 windows 0.25."""
BATCH_BASES = 1 << 16
"""Maximum bases in one call of :meth:`Model.predict`, because its arrays then fit into the processor's cache."""


@dataclass(frozen=True)
class Model:
    """A model ready to run, from several threads at once if need be.

    A pickle of it holds the file's content. Unpickling opens that again, on the same kind of device.

    Attributes
    ----------
    path : pathlib.Path
        The ``.onnx`` file.
    metadata : Metadata
        Description of the model, from the file.
    sha256 : str
        SHA-256 of the file, hexadecimal.
    provider : str
        ONNX Runtime provider that runs the model, as the session reports it.
    card : Card or None
        The graphics card that runs the model. None: the processor does.
    """

    path: Path
    metadata: Metadata
    sha256: str
    provider: str
    session: onnxruntime.InferenceSession
    card: Card | None = None

    def __repr__(self) -> str:
        return f"<Model: {self._describe()}, on {self.provider}>"

    def _repr_html_(self) -> str:
        metadata = self.metadata
        rows = [
            ("sees", metadata.describe_reach()),
            ("trained on", f"{', '.join(metadata.cell_types)} ({metadata.assembly})"),
            ("runs on", self.provider),
            ("file", self.path),
            ("sha256", self.sha256),
        ]
        return html_table(self._describe(), (), rows)

    def _describe(self) -> str:
        return f"{self.metadata.name} {self.metadata.version} ({self.metadata.family.upper()})"

    def __deepcopy__(self, memo: object) -> Model:
        """Return the model itself, because it never changes."""
        return self

    def identity(self) -> ModelRecord:
        """Return name, version, SHA-256 and factor, for reports."""
        metadata = self.metadata
        return {"name": metadata.name, "version": metadata.version, "sha256": self.sha256, "factor": metadata.factor}

    def windows_per_call(self, stride: int, tracks: int = 1) -> int:
        """Return the maximum number of windows per call of :meth:`slide`, a multiple of :data:`WINDOW_MULTIPLE`.

        With several tracks it is that of :meth:`slide_tracks`.
        """
        if self.card is not None:
            windows = self._row_windows(stride)
            return windows * self._rows_per_call(self.card, (windows - 1) * min(stride, self.span) + self.span, stride)
        tile, is_shared = self.metadata.tiles.get(str(stride)), tracks > 1 and self.shares_sequence
        if tile is not None:
            windows = tile - 1 if is_shared else CALL_WINDOWS // tile * tile
        else:
            windows = (CALL_BASES - WINDOW_LENGTH) // min(stride, WINDOW_LENGTH) + 1
            windows = min(windows, self.metadata.max_windows_per_call)
        if is_shared:
            values = SHARED_CALL_VALUES if tile else min(SHARED_CALL_VALUES, self.metadata.max_windows_per_call)
            windows = min(windows, values // min(tracks, TRACKS_PER_CALL))
        return max(windows // WINDOW_MULTIPLE * WINDOW_MULTIPLE, WINDOW_MULTIPLE)

    @property
    def flank(self) -> int:
        """Bases to each side of a window that the model sees."""
        return self.metadata.flank

    @property
    def widths(self) -> tuple[int, ...]:
        """Bases around a window's centre that the model takes mean accessibility over; the first is 101, the window."""
        return self.metadata.accessibility_widths

    @property
    def span(self) -> int:
        """Bases of a window and both its flanks."""
        return WINDOW_LENGTH + 2 * self.metadata.flank

    def slide(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """Score every window along one sequence.

        Parameters
        ----------
        codes : numpy.ndarray, shape=(length,), integer
            Bases as in :mod:`jundscan.dna.letters`; the first window starts at base ``flank``.
        accessibility : numpy.ndarray, shape=(windows,) or (windows, widths), floating
            Percentiles, NaN where not available; windows = (length - span) // stride + 1. A single column is the
            accessibility of the windows' own bases.
        stride : int
            Bases between the starts of neighbouring windows.

        Returns
        -------
        numpy.ndarray, shape=(windows,), dtype=float32
            Probabilities.

        Raises
        ------
        InputError
            When an array is no codes or numbers, or accessibility has another length than there are windows.
        """
        accessibility = float32_array("accessibility", accessibility, (1, 2))
        probabilities: NDArray[np.float32] = self._slide(codes, accessibility[None], stride)[0]
        return probabilities

    def slide_tracks(
        self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int
    ) -> NDArray[np.float32]:
        """Score every window along one sequence with several tracks; every row is what :meth:`slide` returns for it.

        The graph computes only once what only the sequence decides, where it can and the call is short enough:
        see :meth:`windows_per_call`.

        Parameters
        ----------
        codes, stride
            As for :meth:`slide`.
        accessibility : numpy.ndarray, shape=(tracks, windows) or (tracks, windows, widths), floating
            Percentiles, NaN where not available.

        Returns
        -------
        numpy.ndarray, shape=(tracks, windows), dtype=float32
            Probabilities.

        Raises
        ------
        InputError
            As :meth:`slide` raises it, and when there is no track.
        """
        accessibility = float32_array("accessibility", accessibility, (2, 3))
        if not len(accessibility):
            raise InputError("accessibility: no track; give one row per track")
        return self._slide(codes, accessibility, stride)

    @cached_property
    def shares_sequence(self) -> bool:
        """Whether the graph takes one sequence with several tracks, and scores each as it does alone, to the last bit.

        Found on a short sequence at three strides, because a graph may have branches for some. The LSTM does not: its
        graph reshapes by its rows.
        """
        if self.card is not None:
            return False  # a card computes rows side by side
        return all(map(self._shares_sequence_at, (1, 7, DEFAULT_STRIDE)))

    def _shares_sequence_at(self, stride: int) -> bool:
        rng = np.random.default_rng(0)
        columns = rng.random((3, WINDOW_MULTIPLE, len(self.widths)), np.float32)
        columns[1] = np.nan
        codes = rng.integers(0, UNKNOWN, (1, (WINDOW_MULTIPLE - 1) * stride + self.span)).astype(np.uint8)
        alone = np.concatenate([self._call(codes, columns[[row]], stride) for row in range(len(columns))])
        try:
            together = self._call(codes, columns, stride)
        except Exception:  # ONNX Runtime's errors share no base but Exception
            return False
        return np.array_equal(together, alone)

    def _slide(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """Score windows along one sequence: accessibility (tracks, windows, …) to probabilities (tracks, windows)."""
        codes, stride = codes_array("codes", codes, 1), positive_int("stride", stride)
        tracks, windows = accessibility.shape[:2]
        if windows < 1 or windows != (len(codes) - self.span) // stride + 1:
            raise InputError(
                f"accessibility: {windows:,} values, but {len(codes):,} bases hold "
                f"{max((len(codes) - self.span) // stride + 1, 0):,} windows of {self.span} bases at stride {stride}"
            )
        if stride > self.span:  # leave out the bases that no window sees
            codes = np.lib.stride_tricks.sliding_window_view(codes, self.span)[::stride].ravel()
            stride = self.span
        columns = self._at_widths(accessibility.reshape(tracks * windows, *accessibility.shape[2:]))
        columns = columns.reshape(tracks, windows, len(self.widths))
        if self.card is not None:
            return np.stack([self._slide_in_rows(codes, of_track, stride) for of_track in columns])
        columns, row_of = _without_twins(columns)
        spare = -windows % WINDOW_MULTIPLE
        if spare:
            codes = np.concatenate([codes, np.full(spare * stride, UNKNOWN, np.uint8)])
            columns = np.pad(columns, ((0, 0), (0, spare), (0, 0)), constant_values=np.nan)
        # a row of a tile and more is cut into tiles, each of its own sequence
        is_tiled = windows + spare >= self.metadata.tiles.get(str(stride), windows + spare + 1)
        rows = len(columns)
        together = TRACKS_PER_CALL if rows > 1 and not is_tiled and self.shares_sequence else 1
        parts = [self._run(codes[None], some, stride) for some in np.array_split(columns, -(-rows // together))]
        probabilities = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return (probabilities if row_of is None else probabilities[row_of])[:, :windows]

    def slide_many(
        self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], rows: int
    ) -> NDArray[np.float32]:
        """Score every window at stride 1 along many sequences of the same length.

        Parameters
        ----------
        codes : numpy.ndarray, shape=(n, length), integer
            Bases as in :mod:`jundscan.dna.letters`; length = span + windows - 1. Choose ``windows`` a multiple of
            :data:`WINDOW_MULTIPLE`.
        accessibility : numpy.ndarray, shape=(n, windows) or (n, windows, widths), floating
            Percentiles, NaN where not available.
        rows : int
            Maximum sequences in a call; fewer if the model limits the windows of a call.

        Returns
        -------
        numpy.ndarray, shape=(n, windows), dtype=float32
            Probabilities.

        Raises
        ------
        InputError
            When an array is no codes or numbers, or has another shape.
        """
        codes, rows = codes_array("codes", codes, 2), positive_int("rows", rows)
        accessibility = float32_array("accessibility", accessibility, (2, 3))
        windows = accessibility.shape[1]
        if len(accessibility) != len(codes) or windows != codes.shape[1] - self.span + 1:
            raise InputError(
                f"accessibility: {' x '.join(map(str, accessibility.shape))} values, but {len(codes):,} rows of "
                f"{codes.shape[1]:,} bases hold {max(codes.shape[1] - self.span + 1, 0):,} windows each"
            )
        columns = self._at_widths(accessibility.reshape(len(codes) * windows, *accessibility.shape[2:]))
        columns = columns.reshape(len(codes), windows, len(self.widths))
        if self.card is not None:  # it divides the rows itself
            rows = len(codes)
        else:
            rows = max(1, min(rows, self.metadata.max_windows_per_call // max(windows, 1)))
        probabilities = np.empty((len(codes), windows), np.float32)
        for first in range(0, len(codes), rows):
            part = slice(first, first + rows)
            probabilities[part] = self._run(codes[part], columns[part], 1)
        return probabilities

    def predict(
        self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], threads: int = 1
    ) -> NDArray[np.float32]:
        """Score single windows.

        Parameters
        ----------
        codes : numpy.ndarray, shape=(n, 101) or (n, span), integer
            Windows alone, with unknown flanks, or windows with both flanks.
        accessibility : numpy.ndarray, shape=(n,) or (n, widths), floating
            Percentiles, NaN where not available. A single column is the accessibility of the windows' own bases.
        threads : int
            Worker threads.

        Returns
        -------
        numpy.ndarray, shape=(n,), dtype=float32
            Probabilities.

        Raises
        ------
        InputError
            When an array is no codes or numbers, or has another shape.
        """
        codes, threads = codes_array("codes", codes, 2), positive_int("threads", threads)
        accessibility = float32_array("accessibility", accessibility, (1, 2))
        if codes.shape[1] not in (WINDOW_LENGTH, self.span):
            raise InputError(
                f"codes: {codes.shape[1]} bases a window; must be {WINDOW_LENGTH}, or {self.span} with both flanks"
            )
        if len(accessibility) != len(codes):
            raise InputError(f"accessibility: {len(accessibility):,} rows, but {len(codes):,} windows")
        bases = BATCH_BASES if self.card is None else self.card.call_bases
        batch = min(max(bases // self.span, 1), self.metadata.max_windows_per_call)
        missing = (self.span - codes.shape[1]) // 2

        def score(first: int) -> NDArray[np.float32]:
            rows = slice(first, first + batch)
            some = np.pad(codes[rows], ((0, 0), (missing, missing)), constant_values=UNKNOWN)
            return self._run(some, self._at_widths(accessibility[rows])[:, None], DEFAULT_STRIDE)[:, 0]

        firsts = range(0, len(codes), batch)
        parts = list(map(score, firsts) if threads == 1 else in_order(score, firsts, threads))
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def _at_widths(self, accessibility: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a column for each width, (n, widths); missing columns become NaN."""
        columns = accessibility[:, None] if accessibility.ndim == 1 else accessibility
        missing = len(self.widths) - columns.shape[1]
        if missing < 0 or not columns.shape[1]:
            raise InputError(f"accessibility: {columns.shape[1]} columns, but the model sees {len(self.widths)} widths")
        if missing > 0:
            return np.pad(columns, ((0, 0), (0, missing)), constant_values=np.nan)
        return columns

    def _row_windows(self, stride: int) -> int:
        """Return the windows per row of a call on a card: too few for the tiles that are fast on a processor."""
        tile = self.metadata.tiles.get(str(stride))
        return ROW_WINDOWS if tile is None else max(tile - WINDOW_MULTIPLE, 1)

    def _rows_per_call(self, card: Card, length: int, stride: int) -> int:
        """Return the rows per call on a card, for rows of ``length`` bases."""
        known = str(stride) in self.metadata.tiles
        most = card.call_windows if known else min(card.call_windows, self.metadata.max_windows_per_call)
        return max(min(card.call_bases // length, most // ((length - self.span) // stride + 1)), 1)

    def _slide_in_rows(
        self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int
    ) -> NDArray[np.float32]:
        """Score a long sequence as many rows, which a card computes side by side.

        Loops over tiles, fast on a processor, leave most of a card idle.
        """
        windows, row_windows = len(accessibility), self._row_windows(stride)
        spare = -windows % row_windows
        if spare:  # fill up with known letters, because unknown ones would call for the network of bare windows
            codes = np.concatenate([codes, np.zeros(spare * stride, np.uint8)])
            accessibility = np.concatenate([accessibility, np.full((spare, len(self.widths)), np.nan, np.float32)])
        length = (row_windows - 1) * stride + self.span
        rows = np.lib.stride_tricks.sliding_window_view(codes, length)[:: row_windows * stride]
        return self._run(rows, accessibility.reshape(len(rows), row_windows, -1), stride).ravel()[:windows]

    def _run(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """Score rows: (rows, length) and (rows, windows, widths) to (rows, windows); (1, length) with any rows."""
        windows = (codes.shape[1] - self.span) // stride + 1
        is_shared = len(codes) == 1 and self.card is None
        if accessibility.shape != (len(accessibility) if is_shared else len(codes), windows, len(self.widths)):
            raise InputError(
                f"{windows} windows in each of {len(codes)} sequences, {len(self.widths)} widths, "
                f"accessibility {accessibility.shape}"
            )
        if self.card is None:
            return self._call(codes, accessibility, stride)
        parts: list[NDArray[np.float32]] = []
        first = 0
        while first < len(codes):
            # every call has the same shape, because cuDNN plans anew whenever a shape changes
            rows = self._rows_per_call(self.card, codes.shape[1], stride)
            some, values = codes[first : first + rows], accessibility[first : first + rows]
            if len(some) < rows:
                last = np.minimum(np.arange(rows), len(some) - 1)
                some, values = some[last], values[last]
            some = np.ascontiguousarray(some)
            try:
                with self.card.slots:
                    scored = self._call(some, values, stride)
            except Exception as err:  # ONNX Runtime's errors share no base but Exception
                self.card.shrink(err, rows * codes.shape[1], rows)
                continue
            parts.append(scored[: len(codes) - first])
            first += rows
        return np.concatenate(parts)

    def _call(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        inputs = {
            "sequence": codes,
            "accessibility": accessibility[..., 0] if len(self.widths) == 1 else accessibility,
            "stride": np.array(stride, np.int64),
        }
        probability: NDArray[np.float32] = self.session.run(["probability"], inputs)[0]
        return probability


def _without_twins(columns: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    """Leave out all but one of the tracks that are closed everywhere, because they score the same.

    Parameters
    ----------
    columns : numpy.ndarray, shape=(tracks, windows, widths), dtype=float32

    Returns
    -------
    columns : numpy.ndarray, shape=(rows, windows, widths), dtype=float32
    row_of : numpy.ndarray, shape=(tracks,), dtype=int64, or None
        Row of each track; None where all stay.
    """
    if len(columns) == 1:
        return columns, None
    closed = np.flatnonzero(np.logical_not(columns.any(axis=(1, 2))))  # NaN is not closed
    if len(closed) < 2:
        return columns, None
    kept = np.ones(len(columns), np.bool_)
    kept[closed[1:]] = False
    row_of = np.cumsum(kept) - 1
    row_of[closed] = row_of[closed[0]]
    return columns[kept], row_of
