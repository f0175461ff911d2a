"""One plain array out of a joblib file, safely.

A joblib file is a pickle, and unpickling runs whatever the file says. :func:`read_array` therefore admits the
one thing that a shard holds, a plain array of numbers or text, and refuses every other name, type and layout.
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
"""Deflate shrinks at most 1,032-fold: a file that promises more than this times its size is lying."""

_PACKED_BYTES = 1 << 16
_MOST_DESCRIPTION = 1 << 16
"""Bytes of a pickle beside its array; real ones take some 200."""


class _Ndarray:
    """Stands for ``numpy.ndarray`` inside a pickle: only named there, never to be called."""


class _ZlibFile(io.RawIOBase):
    """Unpack a zlib stream to its end, and no further: joblib's own reader never ends where bytes follow the stream."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._stream = zlib.decompressobj()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, at least with a byte before the end."""
        while not self._stream.eof:
            data = self._stream.unconsumed_tail or self._packed.read(_PACKED_BYTES)
            if not data:
                raise EOFError("the packed data end too early")
            unpacked = self._stream.decompress(data, len(buffer))
            if unpacked:
                buffer[: len(unpacked)] = unpacked
                return len(unpacked)
        if self._stream.unused_data or self._packed.read(1):
            raise ValueError("more follows the packed data")
        return 0


class _ArrayUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib has no types
    """Read one plain array from a joblib file, nothing else."""

    _ADMITTED = {  # noqa: RUF012
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): NumpyArrayWrapper,
        ("numpy", "ndarray"): _Ndarray,
        ("numpy", "dtype"): np.dtype,
    }
    dispatch = NumpyUnpickler.dispatch.copy()

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        super().__init__("", stream, ensure_native_byte_order=True)
        self._max_bytes = max_bytes
        self._description_bytes = 0
        self._file_read = self._read_description  # what the unpickler reads; arrays come from the stream itself
        self._file_readline = partial(stream.readline, _MOST_DESCRIPTION)

    def _read_description(self, size: int) -> bytes:
        """Read for the pickle around the array, which is short: one of gigabytes would fill the memory."""
        self._description_bytes += size
        if self._description_bytes > _MOST_DESCRIPTION:
            raise ValueError(f"more than {_MOST_DESCRIPTION:,} bytes beside the array")
        data: bytes = self.file_handle.read(size)
        return data

    def find_class(self, module: str, name: str) -> Any:
        """Admit three names; whatever else a pickle could call stops here."""
        try:
            return self._ADMITTED[module, name]
        except KeyError:
            raise ValueError(f"it holds {module}.{name}") from None

    def load_build(self) -> None:
        """Check an array's description before joblib acts on it (allocates and reads)."""
        target, state = self.stack[-2:]
        if isinstance(target, NumpyArrayWrapper):
            self.stack[-1] = self._checked(state)
        elif not isinstance(target, np.dtype):
            raise ValueError("it sets the state of something other than an array")
        super().load_build()

    dispatch[b"b"[0]] = load_build  # the opcode BUILD

    def _checked(self, state: dict[str, Any]) -> dict[str, Any]:
        dtype, shape, order = state["dtype"], state["shape"], state["order"]
        # the kind, not dtype.hasobject: a pickled state can clear that flag
        if not isinstance(dtype, np.dtype) or dtype.kind not in "biufU":
            raise ValueError(f"an array of {dtype}, not of numbers or text")
        if state["subclass"] is not _Ndarray or order not in ("C", "F"):
            raise ValueError("not a plain array")
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("an impossible shape")
        dtype = np.dtype(dtype.str)  # a fresh one: the pickled one may carry more than its name
        if math.prod(shape) * dtype.itemsize > self._max_bytes:
            raise ValueError(f"it promises {math.prod(shape):,} entries, more than the file can hold")
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
            stream, max_bytes = _decompressed(raw)
            array = _ArrayUnpickler(stream, max_bytes).load()
            if stream.read(1):  # reading to the end also checks the compressor's checksum
                raise ValueError("more follows the array")
    except PermissionError as err:
        raise ShardError(path, str(err.strerror)) from err
    except (OSError, EOFError, zlib.error) as err:
        raise ShardError(path, f"cannot be read, truncated perhaps: {err}") from err
    except Exception as err:  # damaged or hostile bytes can raise anything at all
        raise ShardError(path, f"refused, not a joblib file of one plain array: {err}") from err
    if not isinstance(array, np.ndarray):
        raise ShardError(path, f"refused, not a joblib file of one plain array: found {type(array).__name__}")
    return array


def _decompressed(raw: IO[bytes]) -> tuple[IO[bytes], int]:
    """Open a joblib file's pickle; also tell how many bytes it can hold at most."""
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
    raise ValueError("neither plain, zlib nor gzip; write it again with joblib.dump(array, path, compress=3)")
