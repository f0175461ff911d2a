"""Read one plain array from a joblib file, safely.

A joblib file is a pickle, and a pickle may call any function when it is loaded. :func:`read_array` therefore loads a
plain array of numbers or text, and raises for every other name, type and layout.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from numpy.typing import NDArray

from jundscan.errors import ShardError

_DEFLATE_RATIO = 1100
"""Maximum bytes of an array per byte of its compressed file, because deflate reaches 1,032 at most."""

_READ_BYTES = 1 << 16
_MAX_PICKLE_BYTES = 1 << 16
"""Maximum bytes of a pickle without its array; real ones take some 200."""


class _Ndarray:
    """Replacement for ``numpy.ndarray`` inside a pickle, which may name that class but not call it."""


class _ZlibFile(io.RawIOBase):
    """A reader that ends with its zlib stream, because joblib's own reader never ends when bytes follow the stream."""

    def __init__(self, compressed: IO[bytes]) -> None:
        self._compressed = compressed
        self._stream = zlib.decompressobj()

    def readable(self) -> bool:
        """Return True, which buffers ask for."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at least one byte into a buffer; return 0 at the end."""
        while not self._stream.eof:
            data = self._stream.unconsumed_tail or self._compressed.read(_READ_BYTES)
            if not data:
                raise EOFError("the compressed data end too early")
            content = self._stream.decompress(data, len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)
        if self._stream.unused_data or self._compressed.read(1):
            raise ValueError("more bytes follow the compressed data")
        return 0


class _ArrayUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib has no types
    """An unpickler that loads one plain array from a joblib file and nothing else."""

    _ALLOWED = {  # noqa: RUF012
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): NumpyArrayWrapper,
        ("numpy", "ndarray"): _Ndarray,
        ("numpy", "dtype"): np.dtype,
    }
    dispatch = NumpyUnpickler.dispatch.copy()

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        super().__init__("", stream, ensure_native_byte_order=True)
        self._max_bytes = max_bytes
        self._pickle_bytes = 0
        self._file_read = self._read_pickle  # the unpickler reads through this, and arrays from the stream itself
        self._file_readline = partial(stream.readline, _MAX_PICKLE_BYTES)

    def _read_pickle(self, size: int) -> bytes:
        """Read a part of the pickle around the array, and raise when it is too long for the memory."""
        self._pickle_bytes += size
        if self._pickle_bytes > _MAX_PICKLE_BYTES:
            raise ValueError(f"more than {_MAX_PICKLE_BYTES:,} bytes beside the array")
        data: bytes = self.file_handle.read(size)
        return data

    def find_class(self, module: str, name: str) -> Any:
        """Return one of three allowed names, and raise for every other, so that a pickle cannot call it."""
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise ValueError(f"it holds {module}.{name}") from None

    def load_build(self) -> None:
        """Check the description of an array before joblib allocates memory for it and reads it."""
        target, state = self.stack[-2:]
        if isinstance(target, NumpyArrayWrapper):
            self.stack[-1] = self._check_state(state)
        elif not isinstance(target, np.dtype):
            raise ValueError("it sets the state of another object than an array")
        super().load_build()

    dispatch[b"b"[0]] = load_build  # the opcode BUILD

    def _check_state(self, state: dict[str, Any]) -> dict[str, Any]:
        dtype, shape, order = state["dtype"], state["shape"], state["order"]
        # the kind and not dtype.hasobject, because a pickle can clear that flag
        if not isinstance(dtype, np.dtype) or dtype.kind not in "biufU":
            raise ValueError(f"an array of {dtype}, not of numbers or text")
        if state["subclass"] is not _Ndarray or order not in ("C", "F"):
            raise ValueError("not a plain array")
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("an impossible shape")
        dtype = np.dtype(dtype.str)  # a new one, because the pickled one may hold more than its name
        if math.prod(shape) * dtype.itemsize > self._max_bytes:
            raise ValueError(f"{math.prod(shape):,} entries are more than the file can hold")
        return {
            "dtype": dtype,
            "shape": shape,
            "order": order,
            "subclass": np.ndarray,
            "allow_mmap": False,
            "numpy_array_alignment_bytes": state.get("numpy_array_alignment_bytes"),
        }


def read_array(path: Path) -> NDArray[Any]:
    """Read the plain array in a joblib file, uncompressed or compressed by zlib or gzip.

    Raises
    ------
    ShardError
        When the file is unreadable, damaged, or holds anything but one plain array of numbers or text.
    """
    try:
        with path.open("rb") as raw:
            stream, max_bytes = _decompress(raw)
            array = _ArrayUnpickler(stream, max_bytes).load()
            if stream.read(1):  # reading to the end also verifies the checksum
                raise ValueError("more bytes follow the array")
    except PermissionError as err:
        raise ShardError(path, str(err.strerror)) from err
    except (OSError, EOFError, zlib.error) as err:
        raise ShardError(path, f"cannot be read, perhaps cut short: {err}") from err
    except Exception as err:  # damaged or hostile bytes can raise any exception
        raise ShardError(path, f"not a joblib file of one plain array: {err}") from err
    if not isinstance(array, np.ndarray):
        raise ShardError(path, f"not a joblib file of one plain array: found {type(array).__name__}")
    return array


def _decompress(raw: IO[bytes]) -> tuple[IO[bytes], int]:
    """Return a stream of a joblib file's pickle, and the maximum bytes that it can hold."""
    size = os.fstat(raw.fileno()).st_size
    magic = raw.read(2)
    raw.seek(0)
    if magic == b"\x1f\x8b":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw)), size * _DEFLATE_RATIO
    if magic[:1] == b"\x78":
        return io.BufferedReader(_ZlibFile(raw), 1 << 20), size * _DEFLATE_RATIO
    if magic[:1] == b"\x80":  # PROTO, the first opcode of every pickle since protocol 2
        return raw, size
    # other compressors, and the format before joblib 0.10, whose loader cannot be restricted
    raise ValueError("neither uncompressed, zlib nor gzip; write it again with joblib.dump(array, path, compress=3)")
