"""Readers under test, and the compression of their files."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.damage.mutations import damaged_bytes
from tests.helpers import inputs

Files = Mapping[str, bytes]
Strategy = st.SearchStrategy[Files]


class Reader(NamedTuple):
    """A reader under test.

    ``cases`` are folders of damaged files. ``read`` reads one folder. ``right`` compares the result with the files and
    returns True, False, or UNSPECIFIED where no expected result exists.
    """

    name: str
    undamaged: tuple[Files, ...]
    cases: Strategy
    read: Callable[[Path], Any]
    right: Callable[[Files, Any], Any]


def compressors() -> dict[str, Callable[[bytes], bytes]]:
    return {"plain": bytes, "gzip": lambda data: gzip.compress(data, mtime=0), "bgzip": inputs.bgzip}


def damaged_file(data: bytes, compression: str, damage: Callable[[bytes], st.SearchStrategy[bytes]]) -> Any:
    """Damage the content before compression, or the compressed file, or both."""
    compress = compressors()[compression]
    if compression == "plain":
        return damage(data)
    return st.one_of(
        damage(data).map(compress), damaged_bytes(compress(data)), damage(data).map(compress).flatmap(damaged_bytes)
    )
