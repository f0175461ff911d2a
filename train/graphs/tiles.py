"""Score long rows in tiles of a fixed size, which is faster because ONNX Runtime knows every shape beforehand.

A tile fits into the processor's cache. ONNX Runtime folds sums into the convolutions before them only if it can prove
that both shapes are equal. Every probability stays the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto

from train.graphs.writer import PROBABILITIES, GraphWriter, numbers_up_to

Write = Callable[[GraphWriter], str]
"""Writes a network that reads ``writer.sequence`` and ``writer.accessibility``. Returns the probabilities' name."""


def build_untiled(prefix: str, write: Write) -> onnx.GraphProto:
    """Write a branch with a network for rows of any length."""
    w = GraphWriter(prefix)
    return w.graph([(write(w), *PROBABILITIES)])


def build_tiled(prefix: str, write: Write, stride: int, tile: int, span: int, widths: int) -> onnx.GraphProto:
    """Write a branch with a network for rows of at least ``tile`` windows: a loop over the tiles of every row.

    The last tile of a row ends where the row ends, so it may overlap the tile before. Windows in both count once.

    Parameters
    ----------
    prefix : str
        Prefix of all names.
    write : callable
        Writes the network.
    stride : int
        Bases between the starts of neighbouring windows.
    tile : int
        Windows.
    span : int
        Bases of a window and its flanks.
    widths : int
        Columns of accessibility.
    """
    w = GraphWriter(prefix)
    batch, windows = (
        w.add("Shape", ["accessibility"], name, start=axis, end=axis + 1)
        for axis, name in enumerate(("rows", "windows"))
    )
    one = w.integers(1)
    whole = w.add("Div", [w.add("Sub", [windows, one], "windows_less_1"), w.integers(tile)], "whole_tiles")
    tiles = w.add("Add", [whole, one], "tiles")  # of a row
    trips = w.add("Squeeze", [w.add("Mul", [batch, tiles], "all_tiles"), w.integers(0)], "trips")
    last = w.add("Sub", [windows, w.integers(tile)], "last_start")
    starts = _starts(w, trips, tiles, last, tile)
    body = GraphWriter(prefix + "tile_")
    bases = w.add("Mul", [starts, w.integers(1, stride)], "bases")
    body.sequence = _cut(body, "sequence", bases, (tile - 1) * stride + span)
    body.accessibility = _cut(body, "accessibility", starts, tile, *([widths] if widths > 1 else []))
    scored = w.add("Loop", [trips, ""], "scored", body=_loop_body(body, write, tile))  # (rows * tiles, 1, tile)
    shape = w.add("Concat", [batch, w.integers(-1)], "row_shape", axis=0)
    rows = w.add("Reshape", [scored, shape], "overlapping")  # (rows, tiles * tile)
    before = w.add("Mul", [whole, w.integers(tile)], "windows_before")
    begun = w.add("Slice", [rows, w.integers(0), before, one], "all_but_last")
    rest = w.add("Sub", [before, windows], "minus_rest")
    ended = w.add("Slice", [rows, rest, w.integers(np.iinfo(np.int64).max), one], "rest_of_last")
    joined = w.add("Concat", [begun, ended], "joined_tiles", axis=1)
    return w.graph([(joined, *PROBABILITIES)])


def _starts(w: GraphWriter, trips: str, tiles: str, last: str, tile: int) -> str:
    """Write row and first window of every tile, (rows * tiles, 2), outside the loop because that is faster."""
    numbers = numbers_up_to(w, trips, "numbers")
    row = w.add("Div", [numbers, tiles], "row")
    column = w.add("Sub", [numbers, w.add("Mul", [row, tiles], "tiles_before")], "column")
    first = w.add("Min", [w.add("Mul", [column, w.integers(tile)], "unshifted"), last], "first")
    columns = [
        w.add("Unsqueeze", [value, w.integers(1)], f"{value.removeprefix(w.prefix)}_2d") for value in (row, first)
    ]
    return w.add("Concat", columns, "starts", axis=1)


def _loop_body(w: GraphWriter, write: Write, tile: int) -> onnx.GraphProto:
    """Write the loop's body, which scores one tile."""
    score = write(w)
    go_on = w.add("Identity", [w.prefix + "condition"], "go_on")
    return w.graph(
        [(go_on, TensorProto.BOOL, []), (score, TensorProto.FLOAT, [1, tile])],
        [(w.prefix + "number", TensorProto.INT64, []), (w.prefix + "condition", TensorProto.BOOL, [])],
    )


def _cut(w: GraphWriter, values: str, starts: str, length: int, *rest: int) -> str:
    """Cut (1, length, ...) out of (rows, columns, ...). The reshape costs little and makes the shape known."""
    start = w.add("Gather", [starts, w.prefix + "number"], f"start_{values}", axis=0)
    end = w.add("Add", [start, w.integers(1, length)], f"end_{values}")
    cut = w.add("Slice", [values, start, end], f"cut_{values}")
    return w.add("Reshape", [cut, w.integers(1, length, *rest)], f"tile_{values}")
