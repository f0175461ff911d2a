"""Hypothesis strategies that damage files: bytes, fields of text, values of JSON."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

NASTY_FIELDS = [
    *(b"", b" ", b"-1", b"-0", b"0", b"1", b"+7", b"007", b"1_0", b"1e2", b"1.5", b".", b"0x10", b"1,000", b"5 "),
    *(b"nan", b"NaN", b"inf", b"-inf", b"1e400", b"1e39", b"3e38", b"-1e-300", b"5e-324", b"Infinity"),
    *(b"2147483648", b"4611686018427387904", b"1099511627776", b"9223372036854775808", b"1" * 30, b"9" * 5000),
    *(
        "²".encode(),
        "１２".encode(),
        "é".encode(),
        b"\xe9",
        b"\xff\xfe",
        b"\x00",
        b"\x1b[31m",
        b"a\rb",
        "a\u2028b".encode(),
    ),
    *(b"chr1", b"1", b"chrA", b"A", b"chrM", b"#", b">", b"track", b"*", b"=cmd()", b"%s%n", b"{0}", b"'; rm -rf /"),
]
_SNIPPETS = [
    *NASTY_FIELDS,
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b"\t\t",
    b"\n\n",
    b">x\n",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"N" * 200,
]
_OTHER_FILES = [
    b"",
    b"\n",
    b"\x00" * 4096,
    b">seq\nACGTACGTNN\n",
    b"chr1\t0\t100\t1\n",
    b"{}",
    b"[]",
    b"null",
    b"\x89PNG\r\n\x1a\n" + bytes(64),
    b"%PDF-1.7\n",
    b"PK\x03\x04" + bytes(64),
    b"BZh91AY&SY" + bytes(64),
    b"\xfd7zXZ\x00" + bytes(64),
    b"\x1f\x8b",
    b"\x1f\x8b\x08\x04" + bytes(40),
    gzip.compress(b""),
    gzip.compress(gzip.compress(b"chr1\t0\t100\t1\n")),
    zlib.compress(b"nothing"),
    b"\x26\xfc\x8f\x88" + bytes(200),
    b"\x88\x8f\xfc\x26" + b"\xff" * 200,
    b"\x80\x04N.",
    b"#!/bin/sh\ntouch proof\n",
    b"<html><body>404 Not Found</body></html>\n",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
]


def _cut(data: bytes, place: int, size: int, _: bytes) -> bytes:
    return data[:place] + data[place + size :]


def _truncate(data: bytes, place: int, _: int, __: bytes) -> bytes:
    return data[:place]


def _flip(data: bytes, place: int, size: int, _: bytes) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 << size % 8)]) + data[place + 1 :] if place < len(data) else data


def _overwrite(data: bytes, place: int, _: int, snippet: bytes) -> bytes:
    return data[:place] + snippet + data[place + len(snippet) :]


def _insert(data: bytes, place: int, _: int, snippet: bytes) -> bytes:
    return data[:place] + snippet + data[place:]


def _repeat(data: bytes, place: int, size: int, _: bytes) -> bytes:
    return data[:place] + data[place : place + size] * 2 + data[place + size :]


def _zeros(data: bytes, place: int, size: int, _: bytes) -> bytes:
    return data[:place] + bytes(len(data[place : place + size])) + data[place + size :]


def _append(data: bytes, _: int, __: int, snippet: bytes) -> bytes:
    return data + snippet


_BYTE_OPERATIONS = [_cut, _truncate, _flip, _flip, _overwrite, _insert, _repeat, _zeros, _append]


def _change_field(data: bytes, place: int, size: int, snippet: bytes) -> bytes:
    lines = data.split(b"\n")
    line = place % len(lines)
    separator = b"\t" if b"\t" in lines[line] else b" "
    fields = lines[line].split(separator)
    fields[size % len(fields)] = snippet
    return b"\n".join([*lines[:line], separator.join(fields), *lines[line + 1 :]])


def _drop_field(data: bytes, place: int, size: int, _: bytes) -> bytes:
    lines = data.split(b"\n")
    line = place % len(lines)
    fields = lines[line].split(b"\t")
    del fields[size % len(fields)]
    return b"\n".join([*lines[:line], b"\t".join(fields), *lines[line + 1 :]])


def _repeat_line(data: bytes, place: int, size: int, _: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(size % len(lines), lines[place % len(lines)])
    return b"\n".join(lines)


def _drop_line(data: bytes, place: int, _: int, __: bytes) -> bytes:
    lines = data.split(b"\n")
    del lines[place % len(lines)]
    return b"\n".join(lines)


def _swap_fields(data: bytes, place: int, size: int, _: bytes) -> bytes:
    """Swap two columns of a line, such as start and end."""
    lines = data.split(b"\n")
    line = place % len(lines)
    fields = lines[line].split(b"\t")
    first = size % len(fields)
    fields[first - 1], fields[first] = fields[first], fields[first - 1]
    return b"\n".join([*lines[:line], b"\t".join(fields), *lines[line + 1 :]])


def _add_line(data: bytes, place: int, _: int, snippet: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(place % len(lines), snippet)
    return b"\n".join(lines)


def _huge_line(data: bytes, place: int, size: int, snippet: bytes) -> bytes:
    snippet = snippet or b"A"
    return _add_line(data, place, 0, snippet * ((1 << 8 + size % 14) // len(snippet) + 1))


_TEXT_OPERATIONS = [_change_field] * 4 + [_drop_field, _repeat_line, _drop_line, _swap_fields, _add_line, _huge_line]
_WHOLE: list[Callable[[bytes], bytes]] = [
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: data.replace(b"\n", b"\r"),
    lambda data: b"\xef\xbb\xbf" + data,
    lambda data: data.decode("latin-1").encode("utf-16"),
    lambda data: data.decode("latin-1").encode("utf-16-be"),
    lambda data: data.replace(b"\t", b" "),
    lambda data: data.replace(b"\t", b","),
    lambda data: data.rstrip(b"\n"),
    lambda data: data * 2,
    bytes.upper,
    bytes.lower,
    bytes.swapcase,
    lambda data: data[::-1],
    gzip.compress,
]

_operation = st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 9), st.sampled_from(_SNIPPETS))


def _apply(data: bytes, operations: list[Any]) -> bytes:
    for operation, (place, size, snippet) in operations:
        data = operation(data, place % (len(data) + 1), size, snippet)
    return data


def damaged_bytes(data: bytes) -> st.SearchStrategy[bytes]:
    """Damage bytes in up to three places, or sometimes replace the whole file."""
    few = st.lists(st.tuples(st.sampled_from(_BYTE_OPERATIONS), _operation), min_size=1, max_size=3)
    return st.one_of(*[few.map(lambda done: _apply(data, done))] * 9, st.sampled_from(_OTHER_FILES))


def damaged_text(data: bytes) -> st.SearchStrategy[bytes]:
    """Damage text: its fields, lines, line ends, encoding, bytes."""
    operations = _TEXT_OPERATIONS * 2 + _BYTE_OPERATIONS
    few = st.lists(st.tuples(st.sampled_from(operations), _operation), min_size=0, max_size=3)
    some = few.map(lambda done: _apply(data, done))
    return st.one_of(
        some,
        some,
        some,
        some,
        st.builds(lambda text, change: change(text), some, st.sampled_from(_WHOLE)),
        st.sampled_from(_OTHER_FILES),
    )


NASTY_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e308, 5e-324, 1 << 31, 1 << 63, 1 << 70, -(1 << 63)),
    *(float("nan"), float("inf"), float("-inf"), "", "0.5", "a\nb", "\x1b[31m", "a\u2028b", "\ud800", "x" * 10_000),
    *([], {}, [[]], [None], [1, [2]], {"a": {}}, [0.5] * 3000, ["0.5"], [1e308] * 3, "[red]markup[/red]"),
]


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in a JSON value that can be replaced."""
    places = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        places += _leaves(inner, (*path, key))
    return places


def _replace(value: Any, choice: int, nasty: Any, drop: bool) -> Any:
    value = copy.deepcopy(value)
    places = _leaves(value)
    place = places[choice % len(places)]
    if not place:
        return nasty
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    if drop:
        del inner[place[-1]]
    else:
        inner[place[-1]] = nasty
    return value


def damaged_values(value: Any) -> st.SearchStrategy[Any]:
    """Replace or remove one or two values anywhere in JSON."""
    once = st.tuples(st.integers(0, 5000), st.sampled_from(NASTY_VALUES), st.booleans())

    def change(steps: list[Any]) -> Any:
        changed = value
        for step in steps:
            changed = _replace(changed, *step)
        return changed

    return st.lists(once, min_size=0, max_size=2).map(change)


def damaged_json(value: Any) -> st.SearchStrategy[bytes]:
    """Damage JSON: its values, its text, its nesting."""
    whole = [b"[" * 100_000, b'{"a":' * 100_000, b'{"accessibility_scale":' + b"[" * 5000, b"1" * 10_000, b"1e999"]
    text = json.dumps(value).encode()
    return st.one_of(
        damaged_values(value).map(lambda changed: json.dumps(changed).encode()),
        damaged_values(value).map(lambda changed: json.dumps(changed).encode()),
        damaged_text(text),
        st.sampled_from(whole),
    )


def seeds(number: int = 4) -> list[np.random.Generator]:
    """Return random generators for the undamaged files."""
    return [np.random.default_rng(seed) for seed in range(number)]
