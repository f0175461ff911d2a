"""Tracks of text and bigWig, regions, exclusions, known peaks, hits to explain."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jundscan.accessibility.opening import open_track
from jundscan.api import scan
from jundscan.dna.regions import Region
from jundscan.evaluation.truth import read_truth
from jundscan.explanations.ranking import MIN_HITS_FOR_STRIDE, read_hits, strongest_hits
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.spans import scan_spans
from tests.damage import oracles
from tests.damage.mutations import damaged_bytes, damaged_text, seeds
from tests.damage.oracles import UNSPECIFIED, Invalid
from tests.damage.reader import Files, Reader, compressors, damaged_file
from tests.helpers import inputs

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
        all_at_once = track.means_of_all([(name, _STARTS) for name in track.names], (101, 301))
    assert np.array_equal(all_at_once[:, 0], np.concatenate(list(means.values())))
    assert np.isfinite(all_at_once).all()
    return means


def _same_means(found: Mapping[str, Any], rows: list[tuple[str, int, int, float]]) -> bool:
    expected = oracles.window_means(rows, _STARTS)
    largest = max((row[3] for row in rows), default=0.0)
    return list(found) == list(expected) and all(
        np.allclose(found[name], expected[name], rtol=1e-5, atol=1e-12 * largest) for name in found
    )


def _track(extension: str) -> Reader:
    names = {
        compression: f"track.{extension}" + ("" if compression == "plain" else ".gz") for compression in compressors()
    }
    made = [_rows(rng, _FORMATS[extension]) for rng in seeds(2)]
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data, name=names[compression]: {name: data})
        for data in made
        for compression in ("plain", "plain", "gzip", "bgzip")
    ]
    undamaged = tuple(
        {names[compression]: compress(data)} for data in made for compression, compress in compressors().items()
    )

    def right(files: Files, found: Mapping[str, Any]) -> bool:
        (data,) = files.values()
        return _same_means(found, oracles.intervals(oracles.decompressed(data), "track"))

    return Reader(
        f"track {extension}", undamaged, st.one_of(cases), lambda folder: _read_track(next(folder.iterdir())), right
    )


SIZES = {"chr1": 900, "2": 850, "é|x.1": 820, "short": 50}


def chromosome(name: str) -> str | None:
    return next((chrom for chrom in (name, "chr" + name, name.removeprefix("chr")) if chrom in SIZES), None)


def _on_grid(chrom: str, start: int, end: int, stride: int) -> list[int]:
    """Return the starts of the windows that lie completely inside a stretch."""
    last = SIZES[chrom] - oracles.WINDOW
    starts = {*range(0, last + 1, stride), last} if last >= 0 else set()
    return [window for window in starts if start <= window and window + oracles.WINDOW <= end]


def _holds_window(row: tuple[str, int, int, float]) -> bool:
    chrom = chromosome(row[0])
    return chrom is not None and bool(_on_grid(chrom, row[1], row[2], 10))


def _mask(rows: list[tuple[str, int, int, float]]) -> dict[str, Any]:
    masks = {chrom: np.zeros(size, bool) for chrom, size in SIZES.items()}
    for name, start, end, _ in rows:
        chrom = chromosome(name)
        if chrom is not None:
            masks[chrom][start:end] = True
    return masks


def _covered(spans: list[Region]) -> dict[str, Any]:
    return _mask([(span.chrom, span.start, span.end, 1.0) for span in spans])


def _read_spans(folder: Path) -> dict[str, Any]:
    path = next(folder.iterdir())
    options: dict[str, Any] = {"exclude" if path.name.startswith("exclude") else "regions_file": path}
    return _covered(list(scan_spans(SIZES, 10, **options)))


def _right_spans(files: Files, found: Mapping[str, Any]) -> bool:
    ((name, data),) = files.items()
    rows = oracles.intervals(oracles.decompressed(data), "regions")
    if not name.startswith("exclude"):
        rows = [row for row in rows if _holds_window(row)]
    masks = _mask(rows)
    if name.startswith("exclude"):
        masks = {chrom: ~mask for chrom, mask in masks.items()}
    for mask in masks.values():  # leave out runs that are too short for a window
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
        for start, end in edges:
            mask[start:end] = end - start >= oracles.WINDOW
    if not any(mask.any() for mask in masks.values()):
        raise Invalid
    return all(np.array_equal(found[chrom], masks[chrom]) for chrom in SIZES)


def _spans(kind: str) -> Reader:
    data = b"chr1\t100\t400\n1\t350\t600\n2\t0\t850\tname\nchr2\t5\t500\n\xc3\xa9|x.1\t1\t300\n"
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data: {f"{kind}.bed": data})
        for compression in ("plain", "plain", "gzip")
    ]
    return Reader(kind, ({f"{kind}.bed": data},), st.one_of(cases), _read_spans, _right_spans)


def _read_peaks(folder: Path) -> list[tuple[str, int, int, int]]:
    truth = read_truth(next(folder.iterdir()), SIZES)
    for chrom, size in SIZES.items():
        labels = truth.labels(chrom, np.arange(max(size - 100, 0)))
        assert set(labels.tolist()) <= {0, 1}
    return sorted(
        (chrom, *row)
        for chrom, peaks in truth.single_peaks.items()
        for row in zip(*(column.tolist() for column in peaks), strict=True)
    )


def _right_peaks(files: Files, found: Any) -> bool:
    (data,) = files.values()
    expected = []
    for name, start, end, offset in oracles.intervals(oracles.decompressed(data), "peaks"):
        chrom = chromosome(name)
        inside = 0 <= offset < end - start
        summit = int(start + offset) if inside else start + (end - start) // 2
        if chrom is not None:
            expected.append((chrom, start, end, summit))
    return sorted(expected) == found


def _truth() -> Reader:
    made = [_rows(rng, columns) for rng, columns in zip(seeds(3), (10, 6, 3), strict=True)]
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data: {"truth.narrowPeak": data})
        for data in made
        for compression in ("plain", "plain", "gzip")
    ]
    undamaged = tuple({"truth.narrowPeak": data} for data in made)
    return Reader("truth", undamaged, st.one_of(cases), _read_peaks, _right_peaks)


_HIT_BASES, _TOP = 151, 5


@cache
def _sequences() -> dict[str, str]:
    rng = np.random.default_rng(1)
    return {chrom: inputs.letters(rng, size) for chrom, size in SIZES.items()}


@cache
def _opened_scan() -> Scan:
    return open_scan(MemoryGenome(_sequences()))


@cache
def _probabilities() -> dict[str, Any]:
    """Return the probability of every window of each chromosome, at stride 1."""
    chunks = scan(_sequences(), windows=True, stride=1)
    return {chunk.chrom: chunk.probabilities for chunk in chunks}


def _read_hits(folder: Path) -> list[tuple[str, int, int]]:
    opened = _opened_scan()
    # without the check that inputs stay the same, because this folder is deleted
    ready = replace(opened, inputs=replace(opened.inputs, fingerprints={}))
    hits = read_hits(next(folder.iterdir()), ready)
    return [tuple(hit.region) for hit in strongest_hits(ready, hits, _TOP)]


def _right_hits(files: Files, found: Any) -> bool:
    (data,) = files.values()
    rows = oracles.intervals(oracles.decompressed(data), "regions")
    cut = [(chrom, start, min(end, SIZES[chrom])) for name, start, end, _ in rows if (chrom := chromosome(name))]
    hits = [hit for hit in cut if hit[1] < hit[2]]
    if rows and not hits:
        raise Invalid
    step = 0
    for chrom, start, end in hits:
        last = SIZES[chrom] - oracles.WINDOW
        step = math.gcd(step, *(place for place in (start, end - oracles.WINDOW) if place != last))
    step = math.gcd(step, 10) if len(hits) < MIN_HITS_FOR_STRIDE or not step else step
    expected = []
    for chrom, start, end in hits:
        first = max(0, (start + end - _HIT_BASES) // 2)
        region = (chrom, first, min(first + _HIT_BASES, SIZES[chrom]))
        windows = _on_grid(chrom, start, end, step) or _on_grid(*region, step)
        best = max((float(_probabilities()[chrom][window]) for window in windows), default=-1.0)
        expected.append((-best, list(SIZES).index(chrom), start, end, region))
    return found == [row[-1] for row in sorted(expected)[:_TOP]]


def _hits() -> Reader:
    made = {"hits.bed": _rows(seeds(1)[0], 6), "hits.narrowPeak": _rows(seeds(2)[1], 10)}
    cases = [
        damaged_file(data, compression, damaged_text).map(lambda data, name=name: {name: data})
        for name, data in made.items()
        for compression in ("plain", "plain", "gzip")
    ]
    undamaged = tuple({name: data} for name, data in made.items())
    return Reader("hits to explain", undamaged, st.one_of(cases), _read_hits, _right_hits)


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
    except Invalid:  # the damage may lie in a part that is not read
        return UNSPECIFIED
    if set(sizes) != set(found) or any(start >= end or not 0 <= value < np.inf for _, start, end, value in rows):
        return UNSPECIFIED
    inside = [(name, start, min(end, sizes[name]), value) for name, start, end, value in rows if start < sizes[name]]
    return _same_means({name: found[name] for name in sizes}, [(name, 0, 1, 0.0) for name in sizes] + inside)


def _bigwig() -> Reader:
    made = bigwigs()
    cases = [damaged_bytes(data).map(lambda data: {"track.bw": data}) for data in made]
    undamaged = tuple({"track.bw": data} for data in made)
    return Reader(
        "track bigWig", undamaged, st.one_of(cases), lambda folder: _read_track(folder / "track.bw"), _right_bigwig
    )


def readers() -> list[Reader]:
    """Return the readers of files of intervals."""
    return [*map(_track, _FORMATS), _bigwig(), _spans("regions"), _spans("exclude"), _truth(), _hits()]
