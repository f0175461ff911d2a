"""A bigWig holds the spans that were written, in every reader, however they were handed over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pybigtools
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.errors import OutputError
from jundscan.io import bigwig_writer
from jundscan.io.bigwig import check_bigwig
from jundscan.io.bigwig_writer import open_bigwig

Row = tuple[int, int, float]
SMALL = {"_SPANS_AT_ONCE": 50, "_STEPS_IN_BLOCK": 16, "_SPANS_IN_BLOCK": 8, "_SUMMARIES_IN_BLOCK": 4, "_NODE_ITEMS": 3,
         "_MIN_STEPS": 5, "_FIRST_ZOOM": 3}  # fmt: skip
"""Settings with which a few hundred spans need every kind of block, many of them, and trees of several levels."""


@st.composite
def tracks(draw: st.DrawFn) -> dict[str, list[Row]]:
    """Spans of a few chromosomes: stretches of equal steps, and single spans of any width between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    chroms: dict[str, list[Row]] = {}
    for chrom in draw(st.permutations(["chr10", "chr2", "1", "scaffold_17"]))[: draw(st.integers(1, 4))]:
        at, rows = int(rng.integers(0, 50)), []
        for _ in range(draw(st.integers(1, 12))):
            width, count = int(rng.integers(1, 30)), int(rng.choice([1, 2, 4, 5, 20, 90]))
            rows += [(at + i * width, at + (i + 1) * width, float(np.float32(rng.random()))) for i in range(count)]
            at += count * width + int(rng.choice([0, 0, 1, 400]))
        chroms[chrom] = rows
    return chroms


def write(path: Path, chroms: dict[str, list[Row]], sizes: dict[str, int], pieces: Sequence[int]) -> None:
    with open_bigwig(path, path, sizes) as add:
        for chrom, rows in chroms.items():
            cuts = [0, *sorted(piece % (len(rows) + 1) for piece in pieces), len(rows)]
            for begin, end in pairwise(cuts):
                some = np.array(rows[begin:end]).reshape(-1, 3)
                add(chrom, some[:, 0].astype(np.int64), some[:, 1].astype(np.int64), some[:, 2].astype(np.float32))


@pytest.fixture(params=[{}, SMALL], ids=["settings", "small settings"])
def _settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in request.param.items():
        monkeypatch.setattr(bigwig_writer, name, value)


@pytest.mark.usefixtures("_settings")
@given(chroms=tracks(), pieces=st.lists(st.integers(0, 1000), max_size=5))
def test_every_reader_finds_the_spans(chroms: dict[str, list[Row]], pieces: list[int]) -> None:
    sizes = {"no spans": 30} | {chrom: rows[-1][1] + 7 for chrom, rows in chroms.items()}
    with TemporaryDirectory() as folder:
        path, other = Path(folder, "t.bw"), Path(folder, "other.bw")
        write(path, chroms, sizes, pieces)
        write(other, chroms, sizes, [])
        assert path.read_bytes() == other.read_bytes()
        blocks = check_bigwig(path)
        with path.open("rb") as file:
            for level in (blocks.values, *blocks.zooms):
                level.check_all(file)
        with pyBigWig.open(str(path)) as track, pybigtools.open(str(path)) as second:
            assert list(track.chroms()) == list(chroms)
            assert second.chroms() == {chrom: sizes[chrom] for chrom in chroms}
            every = np.concatenate([np.repeat([row[2] for row in rows], widths(rows)) for rows in chroms.values()])
            assert track.header()["nBasesCovered"] == len(every)
            assert second.info()["summary"]["sum"] == pytest.approx(every.sum())
            for chrom, rows in chroms.items():
                assert list(track.intervals(chrom)) == rows
                assert list(second.records(chrom)) == rows
                check_summaries(second, chrom, rows)


def widths(rows: list[Row]) -> list[int]:
    return [end - start for start, end, _ in rows]


def check_summaries(track: pybigtools.BBIReader, chrom: str, rows: list[Row]) -> None:
    """Compare every summary of a chromosome with its bases, and check that summaries cover all bases."""
    values = np.full(rows[-1][1], np.nan)
    for start, end, value in rows:
        values[start:end] = value
    assert 4 <= len(track.zooms()) <= 5
    for reduction in track.zooms():
        covered = 0
        for start, end, found in track.zoom_records(reduction, chrom):
            inside = values[start:end][~np.isnan(values[start:end])]
            assert end - start <= reduction
            assert found["bases_covered"] == len(inside)
            assert (found["min_val"], found["max_val"]) == (inside.min(), inside.max())
            assert found["sum"] == pytest.approx(inside.sum(), rel=1e-5)
            assert found["sum_squares"] == pytest.approx((inside**2).sum(), rel=1e-5)
            covered += len(inside)
        assert covered == np.count_nonzero(~np.isnan(values))


@pytest.mark.parametrize("count", [49, 50, 51, 100, 101])
@pytest.mark.parametrize("piece", [1, 50, 100])
def test_no_span_is_left_out_of_the_summaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, piece: int
) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(bigwig_writer, name, value)
    rows = [(10 * row, 10 * row + 10, row / 128) for row in range(count)]
    write(tmp_path / "t.bw", {"chr1": rows}, {"chr1": 2_000}, range(piece, count, piece))
    with pybigtools.open(str(tmp_path / "t.bw")) as track:
        assert list(track.records("chr1")) == rows
        check_summaries(track, "chr1", rows)


@pytest.mark.parametrize(
    "rows",
    [
        [[(5, 9, 0.5), (8, 12, 0.5)]],
        [[(5, 9, 0.5), (5, 9, 0.5)]],
        [[(20, 30, 0.5)], [(10, 15, 0.5)]],
        [[(90, 101, 0.5)]],
        [[(-3, 5, 0.5)]],
    ],
    ids=["overlap", "twice", "backwards", "beyond", "before"],
)
def test_spans_out_of_order_are_an_error(tmp_path: Path, rows: list[list[Row]]) -> None:
    with pytest.raises(OutputError, match="spans of chr1 are out of order"):
        write_pieces(tmp_path / "t.bw", [("chr1", piece) for piece in rows])


def write_pieces(path: Path, pieces: Sequence[tuple[str, list[Row]]]) -> None:
    with open_bigwig(path, path, {chrom: 100 for chrom, _ in pieces}) as add:
        for chrom, rows in pieces:
            starts, ends, values = np.array(rows).T
            add(chrom, starts.astype(np.int64), ends.astype(np.int64), values.astype(np.float32))


def test_chromosome_in_two_parts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="spans of a are out of order"):
        write_pieces(tmp_path / "t.bw", [("a", [(5, 9, 0.5)]), ("b", [(5, 9, 0.5)]), ("a", [(50, 60, 0.5)])])


def test_steps_take_fewer_bytes_than_spans(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(100_000).astype(np.float32)
    starts = np.arange(len(values)) * 10
    for name, ends in (("steps", starts + 10), ("spans", starts + 9 - np.arange(len(values)) % 2)):
        path = tmp_path / name
        with open_bigwig(path, path, {"chr1": 10 * len(values)}) as add:
            add("chr1", starts, ends, values)
    assert (tmp_path / "steps").stat().st_size < 0.7 * (tmp_path / "spans").stat().st_size
