"""Every reader, with the files that it is given, how they are damaged, and what must come out of it."""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from hypothesis import strategies as st

from jundscan.accessibility import read_scale
from jundscan.encoding import decode, one_hot
from jundscan.genome import open_genome
from jundscan.names import read_aliases
from jundscan.regions import scan_spans
from jundscan.shards import Shards, read_shards, write_shards
from jundscan.tracks import open_track
from jundscan.truth import read_truth
from jundscan.windows import Region
from tests import inputs
from tests.damage import oracles
from tests.damage.mutations import damaged_bytes, damaged_json, damaged_text, seeds
from tests.damage.oracles import UNSPECIFIED, Invalid

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


def _packers() -> dict[str, Callable[[bytes], bytes]]:
    return {"plain": bytes, "gzip": lambda data: gzip.compress(data, mtime=0), "bgzip": inputs.bgzip}


def _in_or_outside(data: bytes, packing: str, damage: Callable[[bytes], st.SearchStrategy[bytes]]) -> Any:
    """Damage what is packed, or the packed file, or both."""
    pack = _packers()[packing]
    if packing == "plain":
        return damage(data)
    return st.one_of(damage(data).map(pack), damaged_bytes(pack(data)), damage(data).map(pack).flatmap(damaged_bytes))


# ---- FASTA


def _fasta_seeds() -> list[bytes]:
    made = []
    for rng, width, newline in zip(seeds(3), (60, 7, 1000), ("\n", "\r\n", "\n"), strict=True):
        sizes = {"chr1": 150, "chrA": 1, "2 with words": 233, "é|x.1": 120}
        lines = []
        for name, size in sizes.items():
            letters = inputs.letters(rng, size, "ACGTacgtN")
            lines += [f">{name}", *(letters[at : at + width] for at in range(0, size, width))]
        made.append((newline.join(lines) + newline).encode())
    return made


def _read_genome(path: Path, first: str = "blocks") -> dict[str, str]:
    genome = open_genome(path)
    sizes = dict(genome.chromsizes)
    sequences = dict.fromkeys(sizes, "")
    if first == "unknown":  # read through first, as a scan with a track does
        for chrom in sizes:
            genome.unknown_runs(chrom)
    for block in genome.blocks([Region(chrom, 0, size) for chrom, size in sizes.items()], 97):
        assert block.start == len(sequences[block.chrom])
        sequences[block.chrom] += decode(block.codes).decode()
    assert {chrom: len(sequence) for chrom, sequence in sequences.items()} == sizes
    for chrom, sequence in sequences.items():
        known = np.frombuffer(sequence.encode(), np.uint8) != ord("N")
        for start, end in genome.unknown_runs(chrom).tolist():
            assert not known[start:end].any()
            known[start:end] = True
        assert known.all()
    for chrom, size in sizes.items():  # a part of each, as --region asks for
        if size > 3:
            part = next(genome.blocks([Region(chrom, size // 3, size // 3 + 2)]))
            assert decode(part.codes).decode() == sequences[chrom][size // 3 : size // 3 + 2]
    return sequences


def _right_genome(files: Files, found: dict[str, str]) -> bool:
    return oracles.fasta(oracles.unpacked(files["genome.fa"])) == found


def _fasta(packing: str) -> Reader:
    names = {"plain": "fasta", "gzip": "fasta gzip", "bgzip": "fasta bgzip"}
    made = _fasta_seeds()
    pack = _packers()[packing]
    cases = [_in_or_outside(data, packing, damaged_text).map(lambda data: {"genome.fa": data}) for data in made]
    undamaged = tuple({"genome.fa": pack(data)} for data in made)
    return Reader(
        names[packing], undamaged, st.one_of(cases), lambda folder: _read_genome(folder / "genome.fa"), _right_genome
    )


class _Stdin(NamedTuple):
    buffer: io.BytesIO

    def isatty(self) -> bool:
        return False


def _read_stdin(folder: Path) -> dict[str, str]:
    before = sys.stdin
    sys.stdin = _Stdin(io.BytesIO((folder / "genome.fa").read_bytes()))  # type: ignore[assignment]
    try:
        return _read_genome(Path("-"), "unknown")
    finally:
        sys.stdin = before


def _fasta_stdin() -> Reader:
    made = _fasta_seeds()
    cases = [
        _in_or_outside(data, packing, damaged_text).map(lambda data: {"genome.fa": data})
        for data in made
        for packing in _packers()
    ]
    undamaged = tuple({"genome.fa": data} for data in made)
    return Reader("fasta stdin", undamaged, st.one_of(cases), _read_stdin, _right_genome)


@cache
def indexed(packing: str) -> list[Files]:
    """FASTA files with their indexes."""
    made = []
    for data in _fasta_seeds():
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder, "genome.fa")
            plain.write_bytes(data)
            open_genome(plain)
            fai = Path(folder, "genome.fa.fai").read_bytes()
        if packing == "plain":
            made.append({"genome.fa": data, "genome.fa.fai": fai})
            continue
        packed, places, unpacked = inputs.bgzip(data, 100), [], 0
        at = 0
        while at < len(packed):
            size = struct.unpack_from("<H", packed, at + 16)[0] + 1
            unpacked += struct.unpack_from("<I", packed, at + size - 4)[0]
            at += size
            places.append((at, unpacked))
        del places[-1:]  # behind the empty block at the end is nothing
        gzi = struct.pack("<Q", len(places)) + b"".join(struct.pack("<QQ", *place) for place in places)
        made.append({"genome.fa": packed, "genome.fa.fai": fai, "genome.fa.gzi": gzi})
    return made


def _damaged_index(files: Files) -> Strategy:
    others = indexed("plain")
    fai = st.one_of(damaged_text(files["genome.fa.fai"]), st.sampled_from([other["genome.fa.fai"] for other in others]))
    with_fai = fai.map(lambda fai: {**files, "genome.fa.fai": fai})
    if "genome.fa.gzi" not in files:
        return with_fai
    gzi = damaged_bytes(files["genome.fa.gzi"]).map(lambda gzi: {**files, "genome.fa.gzi": gzi})
    return st.one_of(with_fai, gzi)


def _fasta_indexes(packing: str) -> Reader:
    made = indexed(packing)
    name = {"plain": "fasta index .fai", "bgzip": "fasta indexes .fai and .gzi"}[packing]
    return Reader(
        name,
        tuple(made),
        st.one_of(*map(_damaged_index, made)),
        lambda folder: _read_genome(folder / "genome.fa"),
        _right_genome,
    )


# ---- intervals

_STARTS = np.arange(0, 900, 7)


def _rows(rng: np.random.Generator, columns: int) -> bytes:
    lines = []
    for chrom in ("chr1", "2", "é|x.1"):
        for start in rng.integers(0, 700, 6).tolist():
            end = start + int(rng.integers(1, 120))
            value = f"{rng.random():.4g}"
            row = {
                3: [],
                4: [value],
                5: ["peak", value],
                6: ["peak", str(int(rng.integers(1000))), "."],
                9: ["peak", "500", ".", value, "3.1", "2"],
                10: ["peak", "500", ".", value, "3.1", "2", str((end - start) // 3)],
            }[columns]
            lines.append("\t".join([chrom, str(start), str(end), *row]))
    return ("# made for a test\ntrack name=x\n" + "\n".join(lines) + "\n").encode()


_FORMATS = {"bedgraph": 4, "bed": 6, "narrowPeak": 10, "broadPeak": 9, "txt": 4}


def _read_track(path: Path) -> dict[str, Any]:
    with open_track(path) as track:
        means = {name: track.window_means(name, _STARTS) for name in track.names}
        all_at_once = track.means_of_all([(name, _STARTS) for name in track.names])
    assert np.array_equal(all_at_once, np.concatenate(list(means.values())))
    return means


def _same_means(found: Mapping[str, Any], rows: list[tuple[str, int, int, float]]) -> bool:
    expected = oracles.window_means(rows, _STARTS)
    largest = max((row[3] for row in rows), default=0.0)
    return list(found) == list(expected) and all(
        np.allclose(found[name], expected[name], rtol=1e-5, atol=1e-12 * largest) for name in found
    )


def _track(extension: str) -> Reader:
    names = {packing: f"track.{extension}" + ("" if packing == "plain" else ".gz") for packing in _packers()}
    made = [_rows(rng, _FORMATS[extension]) for rng in seeds(2)]
    cases = [
        _in_or_outside(data, packing, damaged_text).map(lambda data, name=names[packing]: {name: data})
        for data in made
        for packing in ("plain", "plain", "gzip", "bgzip")
    ]
    undamaged = tuple({names[packing]: pack(data)} for data in made for packing, pack in _packers().items())

    def right(files: Files, found: Mapping[str, Any]) -> bool:
        (data,) = files.values()
        return _same_means(found, oracles.intervals(oracles.unpacked(data), extension.lower(), "track"))

    return Reader(
        f"track {extension}", undamaged, st.one_of(cases), lambda folder: _read_track(next(folder.iterdir())), right
    )


_SIZES = {"chr1": 900, "2": 850, "é|x.1": 820, "short": 50}


def _mask(rows: list[tuple[str, int, int, float]]) -> dict[str, Any]:
    masks = {chrom: np.zeros(size, bool) for chrom, size in _SIZES.items()}
    for name, start, end, _ in rows:
        chrom = next((one for one in (name, "chr" + name, name.removeprefix("chr")) if one in _SIZES), None)
        if chrom is not None:
            masks[chrom][start:end] = True
    return masks


def _covered(spans: list[Region]) -> dict[str, Any]:
    return _mask([(span.chrom, span.start, span.end, 1.0) for span in spans])


def _read_spans(folder: Path) -> dict[str, Any]:
    path = next(folder.iterdir())
    options: dict[str, Any] = {"exclude" if path.name.startswith("exclude") else "regions_file": path}
    return _covered(list(scan_spans(_SIZES, 10, **options)))


def _right_spans(files: Files, found: Mapping[str, Any]) -> bool:
    ((name, data),) = files.items()
    rows = oracles.intervals(oracles.unpacked(data), "bed", "regions")
    masks = _mask(rows)
    if name.startswith("exclude"):
        masks = {chrom: ~mask for chrom, mask in masks.items()}
    elif any(chrom.removeprefix("chr") not in {"1", "2", "é|x.1", "short"} or end > 900 for chrom, _, end, _ in rows):
        raise Invalid  # a region of no chromosome, or beyond its end
    for mask in masks.values():  # too short for a window
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
        for start, end in edges:
            mask[start:end] = end - start >= oracles.WINDOW
    return all(np.array_equal(found[chrom], masks[chrom]) for chrom in _SIZES)


def _spans(kind: str) -> Reader:
    data = b"chr1\t100\t400\n1\t350\t600\n2\t0\t850\tname\nchr2\t5\t500\n\xc3\xa9|x.1\t1\t300\n"
    cases = [
        _in_or_outside(data, packing, damaged_text).map(lambda data: {f"{kind}.bed": data})
        for packing in ("plain", "plain", "gzip")
    ]
    return Reader(kind, ({f"{kind}.bed": data},), st.one_of(cases), _read_spans, _right_spans)


def _read_peaks(folder: Path) -> list[tuple[str, int, int, int]]:
    truth = read_truth(next(folder.iterdir()), _SIZES)
    for chrom, size in _SIZES.items():
        labels = truth.labels(chrom, np.arange(max(size - 100, 0)))
        assert set(labels.tolist()) <= {0, 1}
    return sorted(
        (chrom, *row)
        for chrom, peaks in truth.known.items()
        for row in zip(*(column.tolist() for column in peaks), strict=True)
    )


def _right_peaks(files: Files, found: Any) -> bool:
    (data,) = files.values()
    expected = []
    for name, start, end, offset in oracles.intervals(oracles.unpacked(data), "narrowpeak", "peaks"):
        chrom = next((one for one in (name, "chr" + name, name.removeprefix("chr")) if one in _SIZES), None)
        inside = 0 <= offset < end - start
        summit = int(start + offset) if inside else start + (end - start) // 2
        if chrom is not None:
            expected.append((chrom, start, end, summit))
    return sorted(expected) == found


def _truth() -> Reader:
    made = [_rows(rng, columns) for rng, columns in zip(seeds(3), (10, 6, 3), strict=True)]
    cases = [
        _in_or_outside(data, packing, damaged_text).map(lambda data: {"truth.narrowPeak": data})
        for data in made
        for packing in ("plain", "plain", "gzip")
    ]
    undamaged = tuple({"truth.narrowPeak": data} for data in made)
    return Reader("truth", undamaged, st.one_of(cases), _read_peaks, _right_peaks)


# ---- bigWig


@cache
def bigwigs() -> list[bytes]:
    made = []
    for rng in seeds(2):
        rows = []
        for chrom in ("chr1", "chr2"):
            edges = np.unique(rng.integers(0, 800, 30)).tolist()
            rows += [
                (chrom, a, b, float(np.float32(rng.random()))) for a, b in zip(edges[::2], edges[1::2], strict=False)
            ]
        with tempfile.TemporaryDirectory() as folder:
            path = inputs.write_bigwig(Path(folder, "t.bw"), {"chr1": 900, "chr2": 850}, rows)
            made.append(path.read_bytes())
    return made


def _right_bigwig(files: Files, found: Mapping[str, Any]) -> Any:
    try:
        sizes, rows = oracles.bigwig(files["track.bw"])
    except Invalid:  # what nothing asks for need not be sound
        return UNSPECIFIED
    if set(sizes) != set(found) or any(start >= end or not 0 <= value < np.inf for _, start, end, value in rows):
        return UNSPECIFIED
    return _same_means({name: found[name] for name in sizes}, [(name, 0, 1, 0.0) for name in sizes] + rows)


def _bigwig() -> Reader:
    made = bigwigs()
    cases = [damaged_bytes(data).map(lambda data: {"track.bw": data}) for data in made]
    undamaged = tuple({"track.bw": data} for data in made)
    return Reader(
        "track bigWig", undamaged, st.one_of(cases), lambda folder: _read_track(folder / "track.bw"), _right_bigwig
    )


# ---- aliases and scales

_ALIASES = b"# ucsc\tensembl\trefseq\nchr1\tone\tNC_1\n2\ttwo\tNC_2\n\xc3\xa9|x.1\tthree\t\nabsent\tfour\tNC_4\n"


def _right_aliases(files: Files, found: Mapping[str, str]) -> bool:
    lines = oracles.aliases(oracles.unpacked(next(iter(files.values()))), _SIZES)
    spelled = {chrom: {chrom, "chr" + chrom, chrom.removeprefix("chr")} for chrom in _SIZES}
    return all(
        chrom in _SIZES and any(alias in line and line & spelled[chrom] for line in lines)
        for alias, chrom in found.items()
    )


def _alias() -> Reader:
    table = b"one\tchr1\tensembl\ntwo\t2\tensembl,genbank\n"
    cases = [
        _in_or_outside(data, packing, damaged_text).map(lambda data: {"alias.txt": data})
        for data in (_ALIASES, table)
        for packing in ("plain", "plain", "gzip")
    ]
    undamaged = ({"alias.txt": _ALIASES}, {"alias.txt": table})
    return Reader(
        "alias", undamaged, st.one_of(cases), lambda folder: read_aliases(folder / "alias.txt", _SIZES), _right_aliases
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


# ---- shards

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
    return shards


def _right_shards(files: Files, found: Shards) -> Any:
    """Compare where nothing but the bytes of an uncompressed column has changed."""
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
    if compress:  # what is packed, with a sound checksum around it
        inner = damaged_bytes(shards(0)[name])
        pack = (lambda data: gzip.compress(data, 1)) if isinstance(compress, tuple) else inputs.zlib.compress
        damaged = st.one_of(damaged, inner.map(pack))
    return damaged.map(lambda data: {**files, name: data})


def _shard_folder() -> Reader:
    ways: list[Any] = [0, 3, ("gzip", 3)]
    cases = [_damaged_shard(compress, kind) for compress in (0, *ways) for kind in KINDS]
    return Reader("shards", tuple(map(shards, ways)), st.one_of(cases), read_folder, _right_shards)


def readers() -> list[Reader]:
    """Every reader."""
    from tests.damage.hostile import hostile_shards
    from tests.damage.models import model_files, model_metadata
    from tests.damage.programs import evaluate_program, scan_program

    return [
        *map(_fasta, _packers()),
        _fasta_stdin(),
        _fasta_indexes("plain"),
        _fasta_indexes("bgzip"),
        *map(_track, _FORMATS),
        _bigwig(),
        _spans("regions"),
        _spans("exclude"),
        _truth(),
        _alias(),
        _scale(),
        _shard_folder(),
        hostile_shards(),
        model_files(),
        model_metadata(),
        scan_program(),
        evaluate_program(),
    ]
