"""Opening input files: packed or not by content, and what goes wrong said in our own errors."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jundscan.errors import FastaError, TrackError

_GZIP_MAGIC = b"\x1f\x8b"


def open_unpacked(path: Path) -> BinaryIO | gzip.GzipFile:
    """Open a file for reading bytes, through gzip when its content (not its name) is gzipped or bgzipped."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path) if packed else path.open("rb")


@contextmanager
def read_errors(path: Path, error: type[FastaError | TrackError]) -> Iterator[None]:
    """Raise what the system or gzip has against ``path`` as ``error``."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise error(path, f"damaged or cut short ({err}); fetch it again") from err
    except OSError as err:
        raise error(path, err.strerror or str(err)) from err
