"""Small files: aliases of chromosomes, samples, accessibility scales, the address of a scheduler."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jundscan.accessibility.scale import read_scale
from jundscan.cluster.client import written_address
from jundscan.io.aliases import read_aliases
from jundscan.samples.table import read_samples
from tests.damage import oracles
from tests.damage.intervals import SIZES
from tests.damage.mutations import damaged_json, damaged_text
from tests.damage.oracles import UNSPECIFIED, Invalid
from tests.damage.reader import Files, Reader, damaged_file

_ALIASES = b"# ucsc\tensembl\trefseq\nchr1\tone\tNC_1\n2\ttwo\tNC_2\n\xc3\xa9|x.1\tthree\t\nabsent\tfour\tNC_4\n"


def _right_aliases(files: Files, found: Mapping[str, str]) -> bool:
    lines = oracles.aliases(oracles.decompressed(next(iter(files.values()))), SIZES)
    spelled = {chrom: {chrom, "chr" + chrom, chrom.removeprefix("chr")} for chrom in SIZES}
    return all(
        chrom in SIZES and any(alias in line and line & spelled[chrom] for line in lines)
        for alias, chrom in found.items()
    )


def _alias() -> Reader:
    table = b"one\tchr1\tensembl\ntwo\t2\tensembl,genbank\n"
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data: {"alias.txt": data})
        for data in (_ALIASES, table)
        for compression in ("plain", "plain", "gzip")
    ]
    undamaged = ({"alias.txt": _ALIASES}, {"alias.txt": table})
    return Reader(
        "alias", undamaged, st.one_of(cases), lambda folder: read_aliases(folder / "alias.txt", SIZES), _right_aliases
    )


_SAMPLES = (
    b"# made for a test\nsample\taccessibility\tgroup\nliver 1\ta.bw\tadult\n\xc3\xa9_2.x\tb.bw\t\n",
    b"age\taccessibility\tsample\r\n7\tb.bw\tone\r\n9\ta.bw\ttwo\r\n8\ta.bw\tthree\r\n",
)


def _read_samples(folder: Path) -> list[tuple[Any, ...]]:
    return [(one.name, Path(str(one.accessibility)).name, one.group) for one in read_samples(folder / "samples.tsv")]


def _right_samples(files: Files, found: list[tuple[Any, ...]]) -> bool:
    try:
        text = oracles.decompressed(files["samples.tsv"]).decode().removeprefix("\ufeff")
        lines = [line.rstrip("\r") for line in text.split("\n")]
        header, *rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
        columns = [cell.strip() for cell in header]
        places = [columns.index(name) for name in ("sample", "accessibility")]
    except ValueError as err:
        raise Invalid from err
    group = columns.index("group") if "group" in columns else None
    names = [row[places[0]].strip() for row in rows]
    if len(set(names)) != len(names) or any(len(row) != len(columns) for row in rows):
        raise Invalid
    expected = [
        (*(row[at].strip() for at in places), (group is not None and row[group].strip()) or None) for row in rows
    ]
    return bool(found) and found == [(name, Path(path).name, of_row) for name, path, of_row in expected]


def _samples() -> Reader:
    tracks = {"a.bw": b"", "b.bw": b""}
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data: {"samples.tsv": data, **tracks})
        for data in _SAMPLES
        for compression in ("plain", "plain", "gzip")
    ]
    undamaged = tuple({"samples.tsv": data, **tracks} for data in _SAMPLES)
    return Reader("samples", undamaged, st.one_of(cases), _read_samples, _right_samples)


_MEANS = np.array([0, 0.05, 0.1, 0.25, 0.77, 1, 3, 1e30], np.float32)


def scale_record(*wider: int) -> dict[str, Any]:
    """Return a scale as JSON, for windows and for wider surroundings."""
    line = {"values": [0.1, 0.25, 0.5, 2.0], "percentiles": [0.4, 0.5, 0.9, 0.99]}
    lines = {str(width): {"values": [0.1, 0.3 + width], "percentiles": [0.2, 0.9]} for width in wider}
    return {"windows": 5000, **line} | ({"wider": lines} if wider else {})


def _read_scale(folder: Path) -> dict[int, Any]:
    scale = read_scale(folder / "scale.json")
    widths = (oracles.WINDOW, *scale.wider)
    return dict(zip(widths, scale.apply_all(np.stack([_MEANS] * len(widths), axis=1), widths).T, strict=True))


def _right_scale(files: Files, found: dict[int, Any]) -> Any:
    mapped = oracles.scale(files["scale.json"])
    if mapped is UNSPECIFIED:
        return mapped
    means = _MEANS.astype(float).tolist()
    return set(found) == set(mapped) and all(
        np.allclose(found[width], [mapped[width](mean) for mean in means], rtol=1e-5) for width in found
    )


def _scale() -> Reader:
    records = (scale_record(), {"hits": 3, "accessibility_scale": scale_record(301, 1101), "seconds": 1.5})
    cases = [damaged_json(record).map(lambda data: {"scale.json": data}) for record in records]
    undamaged = tuple({"scale.json": json.dumps(record).encode()} for record in records)
    return Reader("scale", undamaged, st.one_of(cases), _read_scale, _right_scale)


def _read_address(folder: Path) -> str:
    return written_address(str(folder / "scheduler.json"))


def _right_address(files: Files, found: str) -> bool:
    try:
        return bool(json.loads(files["scheduler.json"])["address"] == found)
    except (ValueError, TypeError, LookupError, RecursionError) as err:
        raise Invalid from err


def _scheduler() -> Reader:
    record = {"type": "Scheduler", "id": "Scheduler-1", "address": "tcp://127.0.0.1:8786", "workers": {}}
    cases = damaged_json(record).map(lambda data: {"scheduler.json": data})
    undamaged = ({"scheduler.json": json.dumps(record).encode()},)
    return Reader("scheduler file", undamaged, cases, _read_address, _right_address)


def readers() -> list[Reader]:
    """Return the readers of small files."""
    return [_alias(), _samples(), _scale(), _scheduler()]
