"""Pickles that try to run code, to recurse or to fill the memory, in place of a shard's arrays."""

from __future__ import annotations

import pickletools
import struct
import zlib
from typing import Any

from hypothesis import strategies as st

from tests.damage.oracles import UNSPECIFIED
from tests.damage.reader import Files, Reader
from tests.damage.shard_folders import KINDS, read_folder, shards

_TARGETS = [
    *(("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("builtins", "exec"), ("builtins", "eval")),
    *(("builtins", "getattr"), ("builtins", "__import__"), ("importlib", "import_module"), ("runpy", "run_path")),
    *(("numpy", "ndarray"), ("numpy", "dtype"), ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "save")),
    *(("joblib.numpy_pickle", "NumpyArrayWrapper"), ("joblib.numpy_pickle", "load"), ("joblib", "load")),
    *(("joblib.numpy_pickle", "NDArrayWrapper"), ("joblib.numpy_pickle", "ZNDArrayWrapper")),
    *(("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar"), ("copyreg", "_reconstructor")),
    *(("joblib.numpy_pickle", "NumpyArrayWrapper.read_array"), ("numpy", "dtype.__class__.__subclasses__")),
    *(("pathlib", "Path"), ("shutil", "rmtree"), ("os", "remove"), ("socket", "socket"), ("", ""), ("a\nb", "c")),
]
PAYLOAD = "touch proof"


def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _named(target: tuple[str, str], old: bool) -> bytes:
    if old:
        return b"c" + target[0].encode() + b"\n" + target[1].encode() + b"\n"
    return _text(target[0]) + _text(target[1]) + b"\x93"


_opcodes = [code.code.encode("latin-1") for code in pickletools.opcodes]
_piece = st.one_of(
    st.builds(_named, st.sampled_from(_TARGETS), st.booleans()),
    st.sampled_from(
        [_text(PAYLOAD), _text("i1"), _text("shape"), _text("order"), b"(", b"t", b"R", b"b", b"\x81", b"o"]
    ),
    st.sampled_from(
        [b"}", b"]", b")", b"N", b"\x88", b"K\x07", b"\x85", b"\x86", b"\x87", b"0", b"1", b"2", b"s", b"u", b"a", b"e"]
    ),
    st.sampled_from([b"ios\nsystem\n", b"\x82\x01", b"\x84\xff\xff\xff\x7f", b"Pproof\n", b"Q", b"\x97", b"\x98"]),
    st.sampled_from(
        [b"r\xff\xff\xff\xff", b"q\x00", b"h\x00", b"p999999999999\n", b"g0\n", b"\x94", b"j\xff\xff\xff\x7f"]
    ),
    st.sampled_from(
        [b"B\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 8, b"\x8d" + b"\xff" * 8, b"\x96" + b"\xff" * 7 + b"\x7f"]
    ),
    st.sampled_from(
        [b"\x95" + b"\xff" * 8, b"\x95" + b"\x10" + bytes(7), b"\x8b\xff\xff\xff\x7f", b"I" + b"9" * 6000 + b"\n"]
    ),
    st.sampled_from(_opcodes),
)
_programs = st.builds(
    lambda protocol, pieces: b"\x80" + bytes([protocol]) + b"".join(pieces) + b".",
    st.sampled_from([2, 3, 4, 5, 99]),
    st.lists(_piece, max_size=14),
)

RECURSIVE = {
    "list in itself": b"\x80\x02]q\x00h\x00a.",
    "tuple in itself": b"\x80\x02]q\x00h\x00\x85a.",
    "lists in lists": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "tuples in tuples": b"\x80\x02)" + b"\x85" * 200_000 + b".",
    "doubled two thousand times": b"\x80\x02]q\x00" + b"h\x00h\x00\x86q\x00" * 2000 + b".",
    "dictionary as its own key": b"\x80\x02}q\x00h\x00h\x00s.",
    "marks": b"\x80\x02" + b"(" * 200_000 + b".",
    "a memo of a million": b"\x80\x04N" + b"\x94" * 1_000_000 + b".",
    "memo at the end of the range": b"\x80\x02Nr\xff\xff\xff\xff.",
    "a dtype of itself": b"\x80\x02cnumpy\ndtype\nq\x00h\x00\x85R.",
    "nested dtypes": b"\x80\x02cnumpy\ndtype\n" + b"(]" * 3000 + b"t" * 1 + b"R.",
    "promised bytes": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f" + b"AAAA.",
    "a frame beyond memory": b"\x80\x04\x95" + b"\xff" * 7 + b"\x0f" + b"N.",
}


def two_gigabytes(size: int = 1 << 31) -> bytes:
    """Return a compressed pickle of ``size`` zeros."""
    packer = zlib.compressobj(9)
    start = packer.compress(b"\x80\x04\x8e" + struct.pack("<Q", size)) + packer.flush(zlib.Z_FULL_FLUSH)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + megabyte * (size >> 20)  # the missing checksum does not matter, because a reader raises earlier


def _in_shard(program: bytes, kind: str, compressed: bool) -> Files:
    return {**shards(0), f"shard-0-{kind}.joblib": zlib.compress(program) if compressed else program}


def _right(files: Files, found: Any) -> Any:
    return UNSPECIFIED


def hostile_shards() -> Reader:
    """Return the reader of shards with a hostile pickle among them."""
    programs = st.one_of(*[_programs] * 30, st.sampled_from(list(RECURSIVE.values())))
    cases = st.builds(_in_shard, programs, st.sampled_from(KINDS), st.booleans())
    return Reader("hostile pickles", (shards(0),), cases, read_folder, _right)
