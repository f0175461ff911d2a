"""Read files in the simplest way by the definitions of their formats, without code of ``jundscan``."""

from __future__ import annotations

import bisect
import gzip
import json
import re
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

UNSPECIFIED = "unspecified"
"""The result that is compared with nothing."""


class Invalid(Exception):
    """The file is invalid, and a reader must raise an error."""


WINDOW = 101
_INTEGER = re.compile(rb"\s*[+-]?[0-9]+\s*")
_NUMBER = re.compile(rb"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def decompressed(data: bytes) -> bytes:
    """Decompress gzip; return other data unchanged."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as err:
        raise Invalid from err


def fasta(data: bytes) -> dict[str, str]:
    """Return sequences by name, in upper case, with N for any letter but A, C, G or T."""
    sequences: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line.startswith(b">"):
            try:
                name = line[1:].split()[0].decode()
            except (IndexError, UnicodeDecodeError) as err:
                raise Invalid from err
            if name in sequences:
                raise Invalid
            current = sequences[name] = []
        elif line and not (current is None and not line.strip()):
            if current is None or re.search(rb"[> \t]", line):
                raise Invalid
            current.append(re.sub("[^ACGT]", "N", line.decode("latin-1").upper(), flags=re.ASCII))
    if not sequences:
        raise Invalid
    return {name: "".join(lines) for name, lines in sequences.items()}


def _integer(text: bytes) -> int:
    if not _INTEGER.fullmatch(text) or len(text) > 4000:
        raise Invalid
    return int(text)


def _number(text: bytes) -> float:
    if not _NUMBER.fullmatch(text):
        raise Invalid
    return float(text)


def _is_float(text: bytes) -> bool:
    return _NUMBER.fullmatch(text) is not None or text.strip().lower().lstrip(b"+-") in (b"nan", b"inf", b"infinity")


def _lies_inside(fields: list[bytes], column: int) -> bool:
    """Return whether a column holds a position inside the interval."""
    texts = fields[1], fields[column - 1] if len(fields) >= column else b"", fields[2] if len(fields) > 2 else b""
    if not all(re.fullmatch(rb"\s*-?[0-9]{1,19}\s*", text) and len(text) < 20 for text in texts):
        return False
    return int(texts[0]) <= int(texts[1]) <= int(texts[2])


def _track_column(lines: list[list[bytes]], declared: bool) -> int | None:
    """Return the column of a track's values by its form in most lines; raise Invalid for coordinates."""
    lengths = [len(fields) for fields in lines]
    columns = max(sorted(set(lengths), reverse=True), key=lengths.count)
    whole = [fields for fields in lines if len(fields) >= columns]

    def most(test: Callable[[list[bytes]], bool]) -> bool:
        return sum(map(test, whole)) * 2 >= len(lines)

    def is_whole(text: bytes) -> bool:
        return re.fullmatch(rb"\s*-?[0-9]+\s*", text) is not None

    def is_thick(fields: list[bytes]) -> bool:
        if re.fullmatch(rb"\s*[0-9]{1,3},[0-9]{1,3},[0-9]{1,3},?\s*", fields[8]):
            return True
        texts = fields[1], fields[6], fields[7], fields[2]
        if not all(is_whole(text) and len(text) < 20 for text in texts):
            return False
        start, left, right, end = map(int, texts)
        return start <= left <= right <= end or left == right == 0

    if columns < 4:
        return None
    inside = len(lines) >= 3 and all(_lies_inside(fields, min(columns, 5)) for fields in lines)
    if columns == 4:
        if not most(lambda fields: _is_float(fields[3])):
            return None
        names = [fields[3].strip() if len(fields) > 3 else b"" for fields in lines]
        first = 0 if names[0] == b"0" else 1
        if not declared and len(lines) >= 10 and names == [str(first + at).encode() for at in range(len(lines))]:
            return None
        if inside and not declared:
            raise Invalid
        return 4
    if columns in (9, 10) and most(lambda fields: all(map(_is_float, fields[6:9]))):
        if columns == 9 and not most(is_thick):
            return 7
        if columns == 10 and most(lambda fields: is_whole(fields[9])):
            return 7
    if columns == 5 or not most(lambda fields: fields[5].strip() in (b"+", b"-", b".")):
        pairs = columns > 5 and most(
            lambda fields: (
                is_whole(fields[4])
                and is_whole(fields[5])
                and -1 <= int(fields[4]) < int(fields[5])
                and not _is_float(fields[3])
            )
        )
        if pairs or inside:
            raise Invalid
    return 5


def intervals(data: bytes, kind: str) -> list[tuple[str, int, int, float]]:
    """Rows of a BED, bedGraph, narrowPeak or broadPeak in the order of the file; only regions may be none."""
    rows = []
    data = data.removeprefix(b"\xef\xbb\xbf")
    column: int | None = None
    all_lines = data.split(b"\n")
    kept = [line for line in all_lines if line.strip() and not re.match(rb"#|track[ \t]|browser[ \t]", line)]
    columns = [line.split(b"\t") if b"\t" in line else line.split() for line in kept]
    if kind == "track" and columns:
        declared = any(line.startswith(b"track") and b"type=bedgraph" in line.lower() for line in all_lines)
        column = _track_column(columns, declared)
    elif kind == "peaks" and columns:
        lengths = [len(fields) for fields in columns]
        column = 10 if max(sorted(set(lengths), reverse=True), key=lengths.count) == 10 else None
    for fields in columns:
        if len(fields) < (column or 3):
            raise Invalid
        start, end = _integer(fields[1]), _integer(fields[2])
        value = (-1.0 if kind == "peaks" else 1.0) if column is None else _number(fields[column - 1])
        if not 0 <= start < end <= 1 << 34 or not (-1 if kind == "peaks" else 0) <= value <= np.finfo(np.float32).max:
            raise Invalid
        try:
            rows.append((fields[0].decode(), start, end, value))
        except UnicodeDecodeError as err:
            raise Invalid from err
    if not rows and kind != "regions":
        raise Invalid
    return rows


def window_means(rows: list[tuple[str, int, int, float]], starts: Any) -> dict[str, Any]:
    """Mean over windows, base by base; overlapping intervals count with their maximum."""
    last = int(starts[-1]) + WINDOW
    by_chrom: dict[str, Any] = {}
    for chrom, start, end, value in rows:
        bases = by_chrom.setdefault(chrom, np.zeros(last))
        np.maximum(bases[start:end], float(np.float32(value)), out=bases[start:end])
    return {
        chrom: np.array([bases[start : start + WINDOW].sum() / WINDOW for start in starts])
        for chrom, bases in by_chrom.items()
    }


def aliases(data: bytes, sizes: dict[str, int]) -> list[set[str]]:
    """Sets of names that stand together on a line."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    written = [line for line in lines if line.strip() and not line.startswith(b"#")]
    try:
        names = [line.decode() for line in written]
    except UnicodeDecodeError as err:
        raise Invalid from err
    cells = [line.split("\t") if "\t" in line else line.split() for line in names]
    return [{cell.strip() for cell in row if cell.strip()} for row in cells]


def scale(data: bytes) -> Any:
    """Give the function from a mean to a percentile for each width."""
    try:
        record = json.loads(data)
        record = record.get("accessibility_scale", record) or {}
        records = {str(WINDOW): record, **record.get("wider", {})}
        lines = {
            width: list(zip(of_width["values"], of_width["percentiles"], strict=True))
            for width, of_width in records.items()
        }
        if not isinstance(record["windows"], int | float):
            return UNSPECIFIED
        if any(type(number) not in (int, float) for pairs in lines.values() for pair in pairs for number in pair):
            return UNSPECIFIED
    except RecursionError:
        raise Invalid from None
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise Invalid from err
    written = map(str, range(WINDOW, 4002, 2))
    if set(lines) - set(written) or (len(lines) > 1 and not all(lines.values())):
        raise Invalid
    return {int(width): _broken_line(pairs) for width, pairs in lines.items()}


def _broken_line(pairs: list[tuple[float, float]]) -> Callable[[float], float]:
    ascending = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(pairs))
    if not ascending or any(not (0 <= value < float("inf") and 0 <= part <= 1) for value, part in pairs):
        raise Invalid
    values, percentiles = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def mapped(mean: float) -> float:
        if not pairs or mean == 0:
            return mean
        at = bisect.bisect_left(values, mean)
        if at in (0, len(pairs)):
            return float(percentiles[min(at, len(pairs) - 1)])
        (x0, y0), (x1, y1) = pairs[at - 1 : at + 1]
        return float(y0 + (y1 - y0) * ((mean - x0) / (x1 - x0)))

    return mapped


def vcf(data: bytes) -> list[tuple[str, int, str, tuple[str, ...]]]:
    """Chromosome, 0-based start, reference and alternatives of each record of a VCF."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.startswith(b"##fileformat=VCF") or b"\0" in data:
        raise Invalid
    try:
        lines = [line.removesuffix("\r") for line in data.decode().split("\n")]
    except UnicodeDecodeError as err:
        raise Invalid from err
    first = next((number for number, line in enumerate(lines) if line.startswith("#CHROM\t")), None)
    if first is None or not all(line.startswith("#") for line in lines[:first] if line):
        raise Invalid
    records = []
    for number, line in enumerate(lines[first + 1 :], first + 2):
        if not line and number == len(lines):
            break
        fields = line.split("\t")
        if len(fields) < 8 or not re.fullmatch(r"\+?[0-9]*", fields[1], re.ASCII):
            raise Invalid
        chrom, position, _, reference, alternatives = fields[:5]
        if not chrom or chrom.startswith("#") or not alternatives:
            raise Invalid
        alleles = () if alternatives == "." else tuple(allele or "." for allele in alternatives.split(","))
        records.append((chrom, int(position or 0) - 1, reference or ".", alleles))
    return records


def bigwig(data: bytes) -> tuple[dict[str, int], list[tuple[str, int, int, float]]]:
    """Lengths, and every interval, of a little-endian bigWig (Kent et al. 2010, supplement); strict about structure."""
    try:
        magic, _, _, chrom_at, _, index_at = struct.unpack_from("<IHHQQQ", data)
        (buffer,) = struct.unpack_from("<I", data, 52)
        if magic != 0x888FFC26:
            raise Invalid
        tree, _, key_size, value_size, _, _ = struct.unpack_from("<IIIIQQ", data, chrom_at)
        if tree != 0x78CA8C91 or value_size != 8:
            raise Invalid
        names: dict[int, tuple[str, int]] = {}
        nodes = [chrom_at + 32]
        while nodes:
            at = nodes.pop()
            leaf, _, items = struct.unpack_from("<BBH", data, at)
            for item in range(items):
                place = at + 4 + item * (key_size + 8)
                key, first, second = struct.unpack_from(f"<{key_size}sII", data, place)
                if leaf:
                    names[first] = key.rstrip(b"\0").decode(), second
                else:
                    nodes.append(first | second << 32)
            if len(names) > 1000 or len(nodes) > 1000:
                raise Invalid
        if struct.unpack_from("<I", data, index_at)[0] != 0x2468ACE0:
            raise Invalid
        rows = []
        nodes = [index_at + 48]
        seen = 0
        while nodes:
            at = nodes.pop()
            seen += 1
            leaf, _, items = struct.unpack_from("<BBH", data, at)
            if seen > 1000:
                raise Invalid
            for item in range(items):
                if not leaf:
                    nodes.append(struct.unpack_from("<IIIIQ", data, at + 4 + item * 24)[4])
                    continue
                *_, block_at, size = struct.unpack_from("<IIIIQQ", data, at + 4 + item * 32)
                block = data[block_at : block_at + size]
                if len(block) != size:
                    raise Invalid
                rows += _block(zlib.decompress(block) if buffer else block, names)
    except (struct.error, zlib.error, UnicodeDecodeError, KeyError) as err:
        raise Invalid from err
    return dict(names.values()), rows


def _block(block: bytes, names: dict[int, tuple[str, int]]) -> list[tuple[str, int, int, float]]:
    chrom, start, _, step, span, kind, _, count = struct.unpack_from("<IIIIIBBH", block)
    name = names[chrom][0]
    if kind == 1:
        return [(name, *struct.unpack_from("<IIf", block, 24 + 12 * row)) for row in range(count)]
    if kind == 2:
        pairs = [struct.unpack_from("<If", block, 24 + 8 * row) for row in range(count)]
        return [(name, first, first + span, value) for first, value in pairs]
    values = struct.unpack_from(f"<{count}f", block, 24)
    return [(name, start + row * step, start + row * step + span, value) for row, value in enumerate(values)]
