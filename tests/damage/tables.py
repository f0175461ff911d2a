"""Tables of other names, and scales of accessibility."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jundscan.accessibility import read_scale
from jundscan.names import read_aliases
from tests.damage import oracles
from tests.damage.intervals import SIZES
from tests.damage.mutations import damaged_json, damaged_text
from tests.damage.oracles import UNSPECIFIED
from tests.damage.reader import Files, Reader, in_or_outside

_ALIASES = b"# ucsc\tensembl\trefseq\nchr1\tone\tNC_1\n2\ttwo\tNC_2\n\xc3\xa9|x.1\tthree\t\nabsent\tfour\tNC_4\n"


def _right_aliases(files: Files, found: Mapping[str, str]) -> bool:
    lines = oracles.aliases(oracles.unpacked(next(iter(files.values()))), SIZES)
    spelled = {chrom: {chrom, "chr" + chrom, chrom.removeprefix("chr")} for chrom in SIZES}
    return all(
        chrom in SIZES and any(alias in line and line & spelled[chrom] for line in lines)
        for alias, chrom in found.items()
    )


def _alias() -> Reader:
    table = b"one\tchr1\tensembl\ntwo\t2\tensembl,genbank\n"
    cases = [
        in_or_outside(data, packing, damaged_text).map(lambda data: {"alias.txt": data})
        for data in (_ALIASES, table)
        for packing in ("plain", "plain", "gzip")
    ]
    undamaged = ({"alias.txt": _ALIASES}, {"alias.txt": table})
    return Reader(
        "alias", undamaged, st.one_of(cases), lambda folder: read_aliases(folder / "alias.txt", SIZES), _right_aliases
    )


_MEANS = np.array([0, 0.05, 0.1, 0.25, 0.77, 1, 3, 1e30], np.float32)
SCALE = {"windows": 5000, "values": [0.1, 0.25, 0.5, 2.0], "percentiles": [0.4, 0.5, 0.9, 0.99]}


def _right_scale(files: Files, found: Any) -> Any:
    mapped = oracles.scale(files["scale.json"])
    if mapped is UNSPECIFIED:
        return mapped
    return np.allclose(found, [mapped(mean) for mean in _MEANS.astype(float).tolist()], rtol=1e-5)


def _scale() -> Reader:
    records = (SCALE, {"hits": 3, "accessibility_scale": SCALE, "seconds": 1.5})
    cases = [damaged_json(record).map(lambda data: {"scale.json": data}) for record in records]
    undamaged = tuple({"scale.json": json.dumps(record).encode()} for record in records)
    return Reader(
        "scale",
        undamaged,
        st.one_of(cases),
        lambda folder: read_scale(folder / "scale.json").apply(_MEANS),
        _right_scale,
    )


def readers() -> list[Reader]:
    """Small files that tell how others are to be read."""
    return [_alias(), _scale()]
