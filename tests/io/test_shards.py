"""Shards: written ones read back, damaged ones are errors that name the file, hostile ones run no code."""

import gzip
import importlib
import os
import pickle
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.numpy_pickle import NumpyArrayWrapper

from jundscan.dna.letters import codes_from_one_hot, one_hot
from jundscan.errors import JundscanError, OutputError, ShardError
from jundscan.io.shards import read_shards, write_shards
from tests.damage.hostile import RECURSIVE

RNG = np.random.default_rng(0)


def make_shard(folder: Path, number: int = 0, n: int = 7) -> dict[str, np.ndarray]:
    arrays = {
        "x": one_hot(RNG.integers(0, 5, (n, 101)).astype(np.uint8)),
        "y": np.arange(n) % 2,
        "w": RNG.random(n) + 0.1,
        "a": RNG.random(n).astype(np.float32),
        "ids": np.array([f"chr22:{i}-{i + 101}" for i in range(n)]),
    }
    arrays["a"][0] = np.nan
    write_shards(folder, number, **arrays)
    return arrays


def replace(folder: Path, kind: str, array: object, compress: int = 3) -> Path:
    path = folder / f"shard-0-{kind}.joblib"
    joblib.dump(array, path, compress=compress)
    return path


def test_round_trip_joins_shards_in_number_order(tmp_path: Path) -> None:
    parts = [make_shard(tmp_path, number, n=number + 1) for number in range(11)]  # 10 sorts before 2 as text
    (tmp_path / "notes.txt").write_text("ignored")
    shards = read_shards(str(tmp_path))
    assert shards.path == tmp_path
    for name, values, dtype in [
        ("y", shards.labels, np.int8),
        ("w", shards.weights, np.float64),
        ("a", shards.accessibility, np.float32),
        ("ids", shards.ids, np.str_),
    ]:
        assert values is not None
        assert np.issubdtype(values.dtype, dtype)
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))
    assert shards.codes.dtype == np.uint8
    np.testing.assert_array_equal(shards.codes, codes_from_one_hot(np.concatenate([p["x"] for p in parts])))


def test_written_files_have_the_shapes_of_the_contract(tmp_path: Path) -> None:
    make_shard(tmp_path, n=3)
    found = {kind: joblib.load(tmp_path / f"shard-0-{kind}.joblib") for kind in ("X", "y", "w", "a", "ids")}
    assert {kind: (array.shape, array.dtype.kind) for kind, array in found.items()} == {
        "X": ((3, 101, 4), "i"),
        "y": ((3, 1), "i"),
        "w": ((3, 1), "f"),
        "a": ((3, 1), "f"),
        "ids": ((3,), "U"),
    }


def test_x_alone_makes_a_shard(tmp_path: Path) -> None:
    write_shards(tmp_path / "new" / "folder", 0, np.zeros((2, 101, 4), dtype=np.int8))
    shards = read_shards(tmp_path / "new" / "folder")
    assert (shards.labels, shards.weights, shards.accessibility, shards.ids) == (None,) * 4


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_x_may_have_any_dtype_and_memory_order(tmp_path: Path, dtype: str, order: str) -> None:
    expected = make_shard(tmp_path)["x"]
    replace(tmp_path, "X", np.asarray(expected, dtype=dtype, order=order))
    np.testing.assert_array_equal(read_shards(tmp_path).codes, codes_from_one_hot(expected))


@pytest.mark.parametrize("compress", [0, 9, ("gzip", 3)])
def test_every_compression_of_joblib_is_read(tmp_path: Path, compress: int) -> None:
    expected = make_shard(tmp_path)["y"]
    replace(tmp_path, "y", expected, compress=compress)
    labels = read_shards(tmp_path).labels
    assert labels is not None
    assert labels.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("kind", "array", "problem"),
    [
        ("X", np.zeros((7, 100, 4), np.int8), r"shape \(7, 100, 4\), expected \(windows, 101, 4\)"),
        ("X", np.full((7, 101, 4), 2, np.int8), "other than 0 and 1"),
        ("X", np.full((7, 101, 4), np.nan), "other than 0 and 1"),
        ("X", np.ones((7, 101, 4), np.int8), "more than one letter"),
        ("X", np.full((7, 101, 4), "A"), "text"),
        ("y", np.arange(7), "labels other than 0 and 1"),
        ("y", np.array(["0"] * 7), "text"),
        ("y", np.zeros((7, 2)), r"shape \(7, 2\)"),
        ("y", np.zeros(6), "6 rows, but X of the same shard has 7"),
        ("w", np.full(7, -1.0), "negative"),
        ("w", np.full(7, np.nan), "not finite"),
        ("w", np.zeros(7), r"every sample weight \(w\) is 0"),
        ("a", np.full(7, -0.5), "negative"),
        ("a", np.full(7, 1e300), "infinite"),
        ("ids", np.arange(7), "text"),
        ("ids", np.array(["chr22:1-102"] * 7, dtype=object), "object"),
        ("y", np.zeros(7, "datetime64[s]"), "not of numbers"),
        ("y", np.zeros(7, [("f", "O"), ("g", "i4")]), "not of numbers"),
        ("y", np.ma.masked_array(np.zeros(7)), "not a joblib file"),
        ("y", [0] * 7, "found list"),
        ("y", {"a": np.zeros(7)}, "found dict"),
    ],
)
def test_array_that_breaks_its_contract_is_an_error(tmp_path: Path, kind: str, array: object, problem: str) -> None:
    make_shard(tmp_path)
    replace(tmp_path, kind, array)
    with pytest.raises(ShardError, match=problem):
        read_shards(tmp_path)


def test_folder_without_windows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no such folder"):
        read_shards(tmp_path / "absent")
    with pytest.raises(ShardError, match=r"no shard-K-X\.joblib"):
        read_shards(tmp_path)
    write_shards(tmp_path, 0, np.zeros((0, 101, 4), dtype=np.int8))
    with pytest.raises(ShardError, match="hold no window"):
        read_shards(tmp_path)
    with pytest.raises(ShardError, match="not a folder"):
        read_shards(tmp_path / "shard-0-X.joblib")


def test_error_for_a_data_set_names_its_shard_folders(tmp_path: Path) -> None:
    make_shard(tmp_path / "train_dataset")
    make_shard(tmp_path / "valid_dataset")
    with pytest.raises(ShardError, match=r"name one of .*train_dataset, .*valid_dataset"):
        read_shards(tmp_path)


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        ("shard-1-*", r"shard-1-X\.joblib: missing, but there are files of shard 2"),
        ("shard-2-X*", r"shard-2-X\.joblib: missing"),
        ("shard-1-w*", r"shard-1-w\.joblib: missing, though other shards have w"),
    ],
)
def test_error_names_a_missing_file(tmp_path: Path, missing: str, problem: str) -> None:
    for number in range(3):
        make_shard(tmp_path, number)
    for path in tmp_path.glob(missing):
        path.unlink()
    with pytest.raises(ShardError, match=problem):
        read_shards(tmp_path)


class RunsCommand:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.proof}",)


class Reduces:
    """Pickles as one call of an allowed name, and a state to set."""

    def __init__(self, *reduced: object) -> None:
        self.reduced = reduced

    def __reduce__(self) -> object:
        return self.reduced


def pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=4)


@pytest.mark.parametrize("compress", [0, 3])
@pytest.mark.parametrize("nested", ["array", "top", "list", "structured"])
def test_hostile_pickle_runs_no_code(tmp_path: Path, nested: str, compress: int) -> None:
    make_shard(tmp_path)
    payload = RunsCommand(tmp_path / "proof")
    values: dict[str, object] = {
        "array": np.array([payload] * 7, dtype=object),
        "top": payload,
        "list": [np.zeros(7), payload],
        "structured": np.array([(payload,)] * 7, dtype=[("f", "O")]),
    }
    path = replace(tmp_path, "ids", values[nested], compress=compress)
    with pytest.raises(ShardError, match="not a joblib file"):
        read_shards(tmp_path)
    assert not (tmp_path / "proof").exists()
    if nested != "structured":
        joblib.load(path)  # the payload is real: joblib itself runs it
        assert (tmp_path / "proof").exists()


def array_of_pointers() -> bytes:
    """Return a pickle of an object array with a cleared "has objects" flag, whose bytes would become pointers."""
    wrapper = NumpyArrayWrapper(np.ndarray, (2,), "C", np.dtype("O"))
    disguised = Reduces(np.dtype, ("O", False, True), (3, "|", None, None, None, -1, -1, 0))
    wrapper.dtype = disguised
    return pickled(wrapper)[:-1] + b"\x01\xff" + b"A" * 16 + b"."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ZF0x1234 the format before joblib 0.10",
        b"\x80\x04",
        pickled(None),
        pickled(Reduces(np.ndarray, ((7,), "O"))),
        pickled(Reduces(np.ndarray, ((1 << 40,), "f8"))),
        pickled(Reduces(np.dtype, ("f8",))),
        pickled(NumpyArrayWrapper(np.ndarray, (1 << 40,), "C", np.dtype("i1"))),
        zlib.compress(pickled(NumpyArrayWrapper(np.ndarray, (1 << 40,), "C", np.dtype("i1")))),
        pickled(NumpyArrayWrapper(np.ndarray, (-1,), "C", np.dtype("i1"))),
        pickled(NumpyArrayWrapper(np.ndarray, ("7",), "C", np.dtype("i1"))),
        pickled(NumpyArrayWrapper(np.memmap, (7,), "C", np.dtype("i1"))),
        pickled(NumpyArrayWrapper(np.ndarray, (7,), "K", np.dtype("i1"))),
        # the class instead of an instance, whose state would change joblib for the rest of the process
        pickled(NumpyArrayWrapper)[:-1] + pickled({"order": "C"})[2:-1] + b"b.",
        array_of_pointers(),
        gzip.compress(b"not a pickle", mtime=0),
    ],
)
def test_damaged_or_disguised_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    make_shard(tmp_path)
    (tmp_path / "shard-0-y.joblib").write_bytes(content)
    with pytest.raises(ShardError, match=r"shard-0-y\.joblib: (not a joblib file|cannot be read)"):
        read_shards(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3)])
def test_file_cut_at_any_byte_is_an_error_or_complete(tmp_path: Path, compress: int) -> None:
    make_shard(tmp_path)
    path = replace(tmp_path, "a", np.linspace(0, 1, 7), compress=compress)
    expected = read_shards(tmp_path).accessibility
    content = path.read_bytes()
    errors = 0
    for size in range(len(content)):
        path.write_bytes(content[:size])
        try:  # the cut may have removed only the checksum at the end
            np.testing.assert_array_equal(read_shards(tmp_path).accessibility, expected)
        except ShardError:
            errors += 1
    assert errors > 0.9 * len(content)


def test_changed_or_added_bytes_are_an_error(tmp_path: Path) -> None:
    make_shard(tmp_path)
    path = replace(tmp_path, "w", np.linspace(1, 2, 7))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # the checksum
    with pytest.raises(ShardError):
        read_shards(tmp_path)
    path = replace(tmp_path, "w", np.linspace(1, 2, 7), compress=0)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ShardError, match="more bytes follow"):
        read_shards(tmp_path)


def test_writing_raises_for_unequal_lengths_and_unwritable_folders(tmp_path: Path) -> None:
    x = np.zeros((2, 101, 4), dtype=np.int8)
    with pytest.raises(ValueError, match="different lengths"):
        write_shards(tmp_path, 0, x, y=np.zeros(3))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the shard"):
        write_shards(tmp_path / "file", 0, x)


def test_unreadable_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    make_shard(tmp_path)
    (tmp_path / "shard-0-y.joblib").unlink()
    (tmp_path / "shard-0-y.joblib").mkdir()
    with pytest.raises(JundscanError, match="cannot be read") as caught:
        read_shards(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.data
def test_real_shards(data_folder: Path) -> None:
    shards = read_shards(data_folder / "HepG2" / "valid_dataset")
    assert shards.codes.shape == (34_527, 101)
    assert shards.labels is not None
    assert shards.labels.sum() == 146
    assert shards.ids is not None
    assert shards.ids[0] == "chr22:27247552-27247653"


@pytest.mark.slow
@pytest.mark.parametrize("name", RECURSIVE)
def test_recursive_pickle_is_a_short_error(tmp_path: Path, name: str) -> None:
    make_shard(tmp_path)
    for content in (RECURSIVE[name], zlib.compress(RECURSIVE[name])):
        (tmp_path / "shard-0-y.joblib").write_bytes(content)
        with pytest.raises(ShardError, match=r"shard-0-y\.joblib: (not a joblib file|cannot be read)") as caught:
            read_shards(tmp_path)
        assert len(str(caught.value)) < 1200


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("target", ["os.system", "builtins.exec", "builtins.eval", "subprocess.Popen", "numpy.load"])
def test_call_in_a_pickle_of_any_protocol_never_runs(tmp_path: Path, protocol: int, target: str) -> None:
    module, _, name = target.rpartition(".")
    proof = tmp_path / "proof"

    class Calls:
        def __reduce__(self) -> object:
            called = getattr(importlib.import_module(module), name)
            return called, (f"touch {proof}" if module == "os" else f"open({str(proof)!r}, 'w')",)

    make_shard(tmp_path)
    program = pickle.dumps(Calls(), protocol=protocol)
    for content in (program, zlib.compress(program), gzip.compress(program)):
        (tmp_path / "shard-0-X.joblib").write_bytes(content)
        with pytest.raises(ShardError, match="not a joblib file"):
            read_shards(tmp_path)
    assert not proof.exists()
