"""Folders of shards with damaged bytes in one file, compressed or not."""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from jundscan.dna.letters import one_hot
from jundscan.dna.regions import parse_ids
from jundscan.errors import InputError
from jundscan.io.shards import Shards, read_shards, write_shards
from tests.damage.mutations import damaged_bytes
from tests.damage.oracles import UNSPECIFIED
from tests.damage.reader import Files, Reader, Strategy
from tests.helpers import inputs

KINDS = ("X", "y", "w", "a", "ids")


@cache
def shards(compress: int) -> Files:
    rng = np.random.default_rng(5)
    n = 6
    codes = rng.integers(0, 5, (n, 101)).astype(np.uint8)
    ids = np.array([f"chr22:{i}-{i + 101}" for i in range(n)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, 0, one_hot(codes), y=np.arange(n) % 2, w=rng.random(n) + 0.1, a=rng.random(n), ids=ids)
        for path in folder.iterdir():
            joblib.dump(joblib.load(path), path, compress=compress)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_folder(folder: Path) -> Shards:
    shards = read_shards(folder)
    n = len(shards.codes)
    assert n
    assert shards.codes.shape == (n, 101)
    assert shards.codes.max() <= 4
    for column in (shards.labels, shards.weights, shards.accessibility, shards.ids):
        assert column is None or column.shape == (n,)
    if shards.weights is not None:
        assert np.isfinite(shards.weights).all()
        assert (shards.weights >= 0).all()
    if shards.accessibility is not None:
        assert not (shards.accessibility < 0).any()
        assert not np.isinf(shards.accessibility).any()
    if shards.ids is not None:
        "\n".join(map(str, shards.ids.tolist())).encode()  # what --predictions writes
        _check_places(shards.ids)
    return shards


def _check_places(ids: NDArray[np.str_]) -> None:
    """Parse ids that may be damaged, into equal positions or an error of one line that names a row."""
    problem = None
    try:
        names, numbers, starts = parse_ids(ids, "shards")
    except InputError as err:
        problem = str(err)
    if problem is not None:
        assert problem.isprintable()
        assert problem.startswith("shards: id of row ")
        return
    for text, number, start in zip(ids.tolist(), numbers.tolist(), starts.tolist(), strict=True):
        chrom, _, bounds = text.rpartition(":")
        assert (chrom, start) == ((names[number], int(bounds.split("-")[0])) if text else ("", -1))


def _right_shards(files: Files, found: Shards) -> Any:
    """Compare the columns when only the bytes of an uncompressed column have changed."""
    sound = shards(0)
    if any(len(files.get(name, b"")) != len(data) for name, data in sound.items()):
        return UNSPECIFIED
    columns = (("w", found.weights, "<f8"), ("a", found.accessibility, "<f4"), ("y", found.labels, "<i8"))
    for kind, column, dtype in columns:
        name = f"shard-0-{kind}.joblib"
        size = len(found.codes) * np.dtype(dtype).itemsize
        head, tail = sound[name][: -size - 1], sound[name][-1:]
        if not files[name].startswith(head) or not files[name].endswith(tail):
            return UNSPECIFIED
        expected = np.frombuffer(files[name][-size - 1 : -1], dtype)
        if not np.array_equal(column, expected.astype(column.dtype), equal_nan=kind == "a"):
            return False
    return True


def _damaged_shard(compress: int, kind: str) -> Strategy:
    files = shards(compress)
    name = f"shard-0-{kind}.joblib"
    others = [files[f"shard-0-{other}.joblib"] for other in KINDS]
    damaged = st.one_of(*[damaged_bytes(files[name])] * 6, st.sampled_from(others))
    if compress:  # damaged content with a right checksum around it
        inner = damaged_bytes(shards(0)[name])
        compressor = (lambda data: gzip.compress(data, 1)) if isinstance(compress, tuple) else inputs.zlib.compress
        damaged = st.one_of(damaged, inner.map(compressor))
    return damaged.map(lambda data: {**files, name: data})


def shard_folders() -> Reader:
    """Return the reader of folders of shards."""
    ways: list[Any] = [0, 3, ("gzip", 3)]
    cases = [_damaged_shard(compress, kind) for compress in (0, *ways) for kind in KINDS]
    return Reader("shards", tuple(map(shards, ways)), st.one_of(cases), read_folder, _right_shards)
