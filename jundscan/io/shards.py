"""Read and write shard folders: the windows, labels, weights and accessibility of a data set."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH, codes_from_one_hot
from jundscan.errors import OutputError, ShardError
from jundscan.io.arguments import plain_array, type_name
from jundscan.io.safe_pickle import read_array

_FILE_NAME = re.compile(r"shard-(0|[1-9]\d*)-(X|y|w|a|ids)\.joblib")
_COMPRESSION = 3


@dataclass(frozen=True)
class Shards:
    """The windows of all shards of one folder, in number order.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    codes : numpy.ndarray, shape=(n, 101), dtype=uint8
        Bases as codes 0 to 4 (see :mod:`jundscan.dna.letters`).
    labels : numpy.ndarray, shape=(n,), dtype=int8, or None
        1 bound, 0 unbound.
    weights : numpy.ndarray, shape=(n,), dtype=float64, or None
        Sample weights, finite, not negative, not all 0.
    accessibility : numpy.ndarray, shape=(n,), dtype=float32, or None
        Mean of the track over the window, in the track's own unit; NaN means not available.
    ids : numpy.ndarray, shape=(n,), dtype=str, or None
        ``chrom:start-end``, 0-based half-open; empty where the position is unknown. Not checked here, see
        :func:`jundscan.dna.regions.parse_ids`.
    """

    path: Path
    codes: NDArray[np.uint8]
    labels: NDArray[np.int8] | None
    weights: NDArray[np.float64] | None
    accessibility: NDArray[np.float32] | None
    ids: NDArray[np.str_] | None


def read_shards(folder: str | Path) -> Shards:
    """Read the shards 0, 1, … of a folder and concatenate them in number order.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``shard-K-X.joblib`` and, for every K or for none, ``shard-K-y``, ``-w``, ``-a`` and ``-ids``.
        Columns (n, 1) may also be (n,).

    Returns
    -------
    Shards
        At least one window.

    Raises
    ------
    ShardError
        When there is no shard, a shard or one of its files is missing, a file holds no plain array, or an array
        breaks its contract: shape, labels other than 0 and 1, negative or infinite numbers.
    """
    folder = Path(folder)
    numbers = _shard_numbers(folder)
    windows = [_read(folder, number, "X", _check_x) for number in numbers]
    lengths = [len(codes) for codes in windows]

    def column(kind: str, check: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any] | None:
        paths = [_file(folder, number, kind) for number in numbers]
        absent = [path for path in paths if not path.exists()]
        if len(absent) == len(paths):
            return None
        if absent:
            raise ShardError(absent[0], f"missing, though other shards have {kind}: add it or remove theirs")
        parts = [_read(folder, number, kind, check) for number in numbers]
        for path, part, length in zip(paths, parts, lengths, strict=True):
            if len(part) != length:
                raise ShardError(path, f"{len(part):,} rows, but X of the same shard has {length:,}")
        return np.concatenate(parts)

    if not sum(lengths):
        raise ShardError(folder, "the shards hold no window")
    weights = column("w", _check_w)
    if weights is not None and not weights.any():
        raise ShardError(folder, "every sample weight (w) is 0: remove the w files to use balanced weights")
    return Shards(
        path=folder,
        codes=np.concatenate(windows),
        labels=column("y", _check_y),
        weights=weights,
        accessibility=column("a", _check_a),
        ids=column("ids", _check_ids),
    )


def shards_from_arrays(
    data: object, labels: object = None, weights: object = None, accessibility: object = None, ids: object = None
) -> Shards:
    """Return windows from arrays, checked as those from files are.

    Parameters
    ----------
    data : numpy.ndarray, shape=(n, 101, 4) or (n, 101)
        One-hot windows, or codes 0 to 4 (see :mod:`jundscan.dna.letters`).
    labels, weights, accessibility : numpy.ndarray, shape=(n,) or (n, 1), or None
    ids : numpy.ndarray, shape=(n,), dtype=str, or sequence of str, or None
        ``chrom:start-end``, 0-based half-open; empty where the position is unknown.

    Returns
    -------
    Shards
        With the path ``(arrays)``.

    Raises
    ------
    ShardError
        When an array breaks its contract, see :func:`read_shards`.
    """
    path = Path("(arrays)")

    def check_column(
        kind: str, values: object, check: Callable[[NDArray[Any]], NDArray[Any]], rows: int | None = None
    ) -> Any:
        if values is None:
            return None
        array = plain_array(values)
        try:
            if array is None or array.dtype.kind not in "biufUO":
                raise ValueError(
                    f"is {type_name(values)}, expected an array of {'text' if kind == 'ids' else 'numbers'}"
                )
            column = check(array)
            if rows is not None and len(column) != rows:
                raise ValueError(f"{len(column):,} rows, but data has {rows:,}")
        except (ValueError, TypeError) as err:
            raise ShardError(path, f"{kind}: {err}") from err
        return column

    windows = plain_array(data)
    codes = check_column("data", data, _check_codes if windows is not None and windows.ndim == 2 else _check_x)
    if codes is None or not len(codes):
        raise ShardError(path, "no window: X is empty")
    rows = len(codes)
    w = check_column("weights", weights, _check_w, rows)
    if w is not None and not w.any():
        raise ShardError(path, "every sample weight is 0: leave weights out to use balanced weights")
    y, a = check_column("labels", labels, _check_y, rows), check_column("accessibility", accessibility, _check_a, rows)
    return Shards(path, codes, y, w, a, check_column("ids", ids, _check_texts, rows))


def write_shards(
    folder: str | Path,
    number: int,
    x: NDArray[np.integer[Any]],
    y: NDArray[np.generic] | None = None,
    w: NDArray[np.generic] | None = None,
    a: NDArray[np.generic] | None = None,
    ids: NDArray[np.str_] | None = None,
) -> None:
    """Write one shard for :func:`read_shards`, and replace existing files.

    Parameters
    ----------
    folder : str or pathlib.Path
        Created when it does not exist.
    number : int
        The K of the file names.
    x : numpy.ndarray, shape=(n, 101, 4)
        One-hot windows (:func:`jundscan.dna.letters.one_hot`).
    y, w, a : numpy.ndarray, shape=(n,) or (n, 1), or None
        Labels, sample weights, accessibility; None writes no file.
    ids : numpy.ndarray, shape=(n,), dtype=str, or None
        ``chrom:start-end``, 0-based half-open.

    Raises
    ------
    ValueError
        When the arrays differ in length.
    OutputError
        When the folder cannot be written.
    """
    folder = Path(folder)
    columns = {"y": (y, np.int64), "w": (w, np.float64), "a": (a, np.float32)}
    arrays: dict[str, NDArray[Any]] = {"X": x.astype(np.int8)}
    for kind, (values, dtype) in columns.items():
        if values is not None:
            arrays[kind] = values.astype(dtype).reshape(-1, 1)
    if ids is not None:
        arrays["ids"] = ids.astype(np.str_)
    lengths = {kind: len(array) for kind, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"arrays of different lengths: {lengths}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, array in arrays.items():
            joblib.dump(array, _file(folder, number, kind), compress=_COMPRESSION)
    except OSError as err:
        raise OutputError(f"{folder}: cannot write the shard: {err.strerror or err}") from err


def _file(folder: Path, number: int, kind: str) -> Path:
    return folder / f"shard-{number}-{kind}.joblib"


def _shard_numbers(folder: Path) -> list[int]:
    """Return the shard numbers of a folder, and raise unless they are 0, 1, … without a gap, each with its X."""
    if not folder.is_dir():
        raise ShardError(folder, "not a folder" if folder.exists() else "no such folder")
    try:
        matches = [match for path in folder.iterdir() if (match := _FILE_NAME.fullmatch(path.name))]
    except OSError as err:
        raise ShardError(folder, f"cannot be read: {err.strerror or err}") from err
    if not matches:
        shard_folders = sorted(str(path.parent) for path in folder.glob("*/shard-0-X.joblib"))
        if shard_folders:
            raise ShardError(folder, f"a data set, not a shard folder: name one of {', '.join(shard_folders)}")
        raise ShardError(folder, "no shard-K-X.joblib inside")
    numbers = range(max(int(match[1]) for match in matches) + 1)
    with_x = {int(match[1]) for match in matches if match[2] == "X"}
    missing = next((number for number in numbers if number not in with_x), None)
    if missing is not None:
        raise ShardError(_file(folder, missing, "X"), f"missing, but there are files of shard {numbers[-1]}")
    return list(numbers)


def _read(folder: Path, number: int, kind: str, check: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    path = _file(folder, number, kind)
    array = read_array(path)
    try:
        return check(array)
    except ValueError as err:
        raise ShardError(path, str(err)) from err


# Each check returns an array in its final form, or raises ValueError with the problem.


def _check_x(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim != 3 or array.shape[1:] != (WINDOW_LENGTH, len(ALPHABET)):
        raise ValueError(f"shape {array.shape}, expected (windows, {WINDOW_LENGTH}, {len(ALPHABET)})")
    if array.dtype.kind == "U":
        raise ValueError("text instead of one-hot numbers")
    with np.errstate(invalid="ignore"):  # NaN raises as "other than 0 and 1"
        return codes_from_one_hot(array)


def _check_codes(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.shape[1] != WINDOW_LENGTH or array.dtype.kind not in "iu":
        raise ValueError(f"{array.dtype} {array.shape}, expected codes (windows, {WINDOW_LENGTH})")
    if array.size and not 0 <= array.min() <= array.max() <= UNKNOWN:
        raise ValueError(f"codes other than 0 to {UNKNOWN}")
    return array.astype(np.uint8, copy=False)


def _check_column(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim not in (1, 2) or array.shape[1:] not in ((), (1,)):
        raise ValueError(f"shape {array.shape}, expected (windows, 1)")
    if array.dtype.kind == "U":
        raise ValueError("text instead of numbers")
    return array.reshape(-1)


def _check_y(array: NDArray[Any]) -> NDArray[np.int8]:
    column = _check_column(array)
    if not np.isin(column, (0, 1)).all():
        raise ValueError("labels other than 0 and 1")
    return column.astype(np.int8)


def _check_w(array: NDArray[Any]) -> NDArray[np.float64]:
    weights = _check_column(array).astype(np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("sample weights that are negative or not finite")
    return weights


def _check_a(array: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, which raises below
        values = _check_column(array).astype(np.float32)
    if np.isinf(values).any() or (values < 0).any():
        raise ValueError("accessibility that is negative or infinite (NaN, not available, is fine)")
    return values


def _check_ids(array: NDArray[Any]) -> NDArray[np.str_]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError(f"shape {array.shape} of {array.dtype}, expected (windows,) of text")
    return array


def _check_texts(array: NDArray[Any]) -> NDArray[np.str_]:
    is_text = array.dtype.kind == "O" and all(isinstance(text, str) for text in array.ravel().tolist())
    return _check_ids(array.astype(np.str_) if is_text else array)
