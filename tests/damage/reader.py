"""What a reader under test is, and how the files that it is given are packed."""

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

    ``cases`` are folders of files, ``read`` reads one of them and gives something to compare, ``right`` tells whether
    that is what the files hold: True, False, or UNSPECIFIED where only a refusal or a sane result can be asked for.
    """

    name: str
    undamaged: tuple[Files, ...]
    cases: Strategy
    read: Callable[[Path], Any]
    right: Callable[[Files, Any], Any]


def packers() -> dict[str, Callable[[bytes], bytes]]:
    return {"plain": bytes, "gzip": lambda data: gzip.compress(data, mtime=0), "bgzip": inputs.bgzip}


def in_or_outside(data: bytes, packing: str, damage: Callable[[bytes], st.SearchStrategy[bytes]]) -> Any:
    """Damage what is packed, or the packed file, or both."""
    pack = packers()[packing]
    if packing == "plain":
        return damage(data)
    return st.one_of(damage(data).map(pack), damaged_bytes(pack(data)), damage(data).map(pack).flatmap(damaged_bytes))
