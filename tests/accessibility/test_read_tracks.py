"""Tracks of reads and fragments against counts that are made one by one."""

from __future__ import annotations

import gzip
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from jundscan.accessibility import read_tracks
from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.read_tracks import ReadsTrack, open_reads, reads_format
from jundscan.accessibility.track_scale import track_scale
from jundscan.errors import Cautions, InputError, JundscanError, TrackError
from jundscan.io.barcodes import read_barcodes
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.options import ReadsAs, ReadsOptions
from tests.helpers.inputs import NEEDS_PYSAM, write_fasta, write_rows
from tests.helpers.reads import (
    BARCODES,
    SIZES,
    Fragment,
    Read,
    bedgraph_of,
    count_by_hand,
    in_order,
    make_fragments,
    means_by_hand,
    pair,
    write_alignments,
    write_fragments,
)

WIDTHS = (101, 301, 2101)
HG38_CHR22 = {"chr22": 50_818_468}
NOTHING_LEFT_OUT = dict.fromkeys(
    (
        *("unmapped", "secondary", "supplementary", "qc_failed", "duplicate"),
        *("not_properly_paired", "low_mapping_quality", "no_template_length"),
    ),
    0,
)


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, in which nothing may remain."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert os.listdir(folder) == []


@pytest.fixture(scope="module")
def fragments() -> list[Fragment]:
    return make_fragments()


def check_counts(track: ReadsTrack, expected: dict[str, np.ndarray]) -> None:
    """Compare window means at every start, and at several widths, with means of counts made one by one."""
    for chrom, counts in expected.items():
        starts = np.arange(len(counts) - 100)
        found = track.means_of_all([(chrom, starts)], WIDTHS)
        for column, width in enumerate(WIDTHS):
            np.testing.assert_allclose(found[:, column], means_by_hand(counts, starts, width), rtol=1e-6, atol=1e-7)
    assert track.bases_with_data() == {chrom: np.count_nonzero(counts) for chrom, counts in expected.items()}


@pytest.mark.parametrize("counted_as", ["cuts", "fragments"])
@pytest.mark.parametrize("name", ["a.tsv.gz", "sorted.bed"])
@pytest.mark.parametrize("count", [True, False], ids=["count", "no count"])
def test_fragments_equal_a_count_by_hand(
    tmp_path: Path, fragments: list[Fragment], counted_as: ReadsAs, name: str, count: bool
) -> None:
    rows = sorted(fragments) if name == "sorted.bed" else fragments
    path = write_fragments(tmp_path / name, rows, "# id=sample\n# pipeline_name=cellranger-atac\n", count)
    with open_track(path, reads=ReadsOptions(counted_as), genome_sizes=SIZES) as track:
        assert isinstance(track, ReadsTrack)
        expected = count_by_hand(fragments, counted_as)
        del expected["chrEmpty"]
        check_counts(track, expected)
        assert track.sizes == {chrom: SIZES[chrom] for chrom in expected}
        assert track.reads == {
            "format": "fragments",
            "counted_as": counted_as,
            "min_mapq": None,
            "lines": len(fragments),
            "fragments": len(fragments),
            "unpaired_reads": 0,
            "mates": 0,
            "left_out": {},
        }


def test_counts_are_the_same_in_memory_and_from_a_temporary_file(
    tmp_path: Path, fragments: list[Fragment], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fragments(tmp_path / "f.tsv", fragments)
    monkeypatch.setattr("jundscan.io.files._BLOCK_BYTES", 2_000)
    monkeypatch.setattr(read_tracks, "_ROWS_IN_MEMORY", 70)
    with open_reads(path, SIZES)[""] as track:
        check_counts(track, {chrom: row for chrom, row in count_by_hand(fragments).items() if row.any()})


def test_one_pass_divides_fragments_among_groups(
    tmp_path: Path, fragments: list[Fragment], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fragments(tmp_path / "f.tsv.gz", fragments)
    members = {"B": (BARCODES[0], BARCODES[3]), "A": (BARCODES[2],)}
    listed = [(barcode, name) for name, barcodes in members.items() for barcode in barcodes]
    table = write_rows(tmp_path / "b.tsv", [("barcode", "group"), *listed])
    opened: list[Path] = []
    reading = read_tracks.read_fragments
    monkeypatch.setattr(read_tracks, "read_fragments", lambda *given: opened.append(given[0]) or reading(*given))
    monkeypatch.setattr(read_tracks, "_ROWS_IN_MEMORY", 500)
    tracks = open_reads(path, SIZES, groups=read_barcodes(table))
    assert opened == [path]
    assert list(tracks) == ["B", "A"]
    for name, track in tracks.items():
        of_group = [row for row in fragments if row[3] in members[name]]
        with track:
            check_counts(track, {chrom: row for chrom, row in count_by_hand(of_group).items() if row.any()})
            assert track.reads["fragments"] == len(of_group)
            assert track.reads["left_out"] == {"other_barcodes": len(fragments) - len(of_group)}


def test_a_group_without_reads_on_a_chromosome_is_0_there(tmp_path: Path) -> None:
    rows = [("chr1", 100, 300, BARCODES[0]), ("chr2", 700, 900, BARCODES[1])]
    groups = {"x": frozenset(BARCODES[:1]), "y": frozenset(BARCODES[1:2])}
    tracks = open_reads(write_fragments(tmp_path / "f.tsv", rows), SIZES, groups=groups)
    with tracks["x"] as x, tracks["y"] as y:
        starts = np.arange(0, 1_000, 50)
        both = [("chr2", starts), ("chr1", starts)]
        assert not x.means_of_all(both)[: len(starts)].any()
        assert x.means_of_all(both)[len(starts) :].any()
        assert not y.means_of_all([("chr1", starts)]).any()
        assert {chrom: len(rows) for chrom, rows in x.stretches_with_data().items()} == {"chr1": 1, "chr2": 0}


def beside(fragments: Sequence[Fragment]) -> Iterator[Read]:
    """Reads that do not count: duplicates, secondary, supplementary, QC-failed, low quality, and so on."""
    for number, fragment in enumerate(islice(fragments, 40)):
        yield from pair(number, fragment, 0x400)
        yield from pair(number, fragment, 0x200 | 0x400)
        yield from pair(number, fragment, mapq=29)
        yield pair(number, fragment, 0x100)[0]
        yield pair(number, fragment, 0x800)[1]
        left, right = pair(number, fragment)
        yield left._replace(flag=0x61)
        yield left._replace(flag=0x65, cigar="*")
        yield left._replace(template=0)
        yield right._replace(mapq=10)


LEFT_OUT = {
    **{"unmapped": 40, "secondary": 40, "supplementary": 40, "qc_failed": 80, "duplicate": 80},
    **{"not_properly_paired": 40, "low_mapping_quality": 120, "no_template_length": 40},
}


@NEEDS_PYSAM
@pytest.mark.parametrize("counted_as", ["cuts", "fragments"])
@pytest.mark.parametrize("form", ["sorted", "indexed", "unsorted", "cram"])
def test_paired_reads_equal_a_count_by_hand(
    tmp_path: Path, fragments: list[Fragment], counted_as: ReadsAs, form: str
) -> None:
    import pysam

    reads = [read for number, row in enumerate(fragments) for read in pair(number, row)] + list(beside(fragments))
    random.Random(1).shuffle(reads)
    if form == "unsorted":
        path = write_alignments(tmp_path / "reads", reads)
    elif form == "cram":
        genome = write_fasta(tmp_path / "g.fa", {chrom: "ACGT" * (size // 4) for chrom, size in SIZES.items()})
        pysam.faidx(str(genome))
        path = write_alignments(tmp_path / "reads.cram", in_order(reads), reference=genome)
        genome.unlink()  # only bases and qualities need it
    else:
        path = write_alignments(tmp_path / "reads.bam", in_order(reads))
    if form == "indexed":
        pysam.index(str(path))
    with open_track(path, reads=ReadsOptions(counted_as)) as track:
        assert isinstance(track, ReadsTrack)
        check_counts(track, count_by_hand(fragments, counted_as))
        assert track.sizes == SIZES
        assert track.reads == {
            "format": "CRAM" if form == "cram" else "BAM",
            "counted_as": counted_as,
            "min_mapq": 30,
            "lines": len(reads),
            "fragments": len(fragments),
            "unpaired_reads": 0,
            "mates": len(fragments),
            "left_out": LEFT_OUT,
        }
        counted = sum(track.reads[what] for what in ("fragments", "unpaired_reads", "mates"))
        assert counted + sum(LEFT_OUT.values()) == len(reads)


@NEEDS_PYSAM
@pytest.mark.parametrize(("min_mapq", "counted"), [(0, 3), (10, 3), (11, 2), (31, 1), (60, 1), (61, 0)])
def test_reads_below_the_minimum_mapping_quality_are_left_out(tmp_path: Path, min_mapq: int, counted: int) -> None:
    reads = [Read("a", 0, "chr1", 500 * n, mapq=quality) for n, quality in enumerate((10, 30, 60))]
    path = write_alignments(tmp_path / "a.bam", reads)
    with open_reads(path, None, ReadsOptions(None, min_mapq))[""] as track:
        if not counted:
            with pytest.raises(TrackError, match="no read counts: 3 low mapping quality"):
                track.bases_with_data()
            return
        assert track.bases_with_data()["chr1"] == counted
        assert track.reads["left_out"] == {**NOTHING_LEFT_OUT, "low_mapping_quality": 3 - counted}


@NEEDS_PYSAM
def test_unpaired_reads_count_at_their_5_end_or_where_they_are_aligned(tmp_path: Path) -> None:
    reads = [
        Read("forward", 0, "chr1", 1_000, "5S40M2D10M3S"),
        Read("reverse", 0x10, "chr1", 2_000, "5S40M2D10M3S"),
        Read("reverse", 0x10, "chr2", 0),
    ]
    path = write_alignments(tmp_path / "a.bam", reads)
    expected = {chrom: np.zeros(size) for chrom, size in SIZES.items()}
    expected["chr1"][[1_000, 2_051]] = expected["chr2"][49] = 1
    with open_reads(path, None)[""] as track:
        check_counts(track, expected)
        assert (track.reads["fragments"], track.reads["unpaired_reads"], track.reads["mates"]) == (0, 3, 0)
    with open_reads(path, None, ReadsOptions("fragments"))[""] as track:
        check_counts(
            track, count_by_hand([("chr1", 1_000, 1_052), ("chr1", 2_000, 2_052), ("chr2", 0, 50)], "fragments")
        )


@NEEDS_PYSAM
def test_reads_in_many_portions_equal_a_count_by_hand(
    tmp_path: Path, fragments: list[Fragment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jundscan.io.alignments._READS_AT_ONCE", 100)
    monkeypatch.setattr(read_tracks, "_ROWS_IN_MEMORY", 250)
    path = write_alignments(tmp_path / "a.bam", [read for n, row in enumerate(fragments) for read in pair(n, row)])
    with open_reads(path, None)[""] as track:
        check_counts(track, count_by_hand(fragments))


def test_fragments_beyond_the_end_are_cut_and_counted_in_one_warning(tmp_path: Path) -> None:
    rows = [("chr1", 29_900, 30_001, BARCODES[0]), ("chr1", 31_000, 31_100, BARCODES[0]), ("chr1", 5, 90, BARCODES[0])]
    path = write_fragments(tmp_path / "f.tsv", rows)
    genome = MemoryGenome({chrom: np.zeros(size, np.uint8) for chrom, size in SIZES.items()})
    for counted_as, bases in (("cuts", {5, 89, 29_900}), ("fragments", {*range(5, 90), *range(29_900, 30_000)})):
        cautions = Cautions()
        with open_reads(path, SIZES, ReadsOptions(counted_as))[""] as track:
            match_chromosomes(genome, track, cautions)
            assert track.bases_with_data() == {"chr1": len(bases)}
        beyond = [one for one in cautions if one.code == "intervals_beyond_end"]
        assert [one.figures for one in beyond] == [{"intervals": 2}]


def test_other_spellings_and_other_chromosomes_keep_their_names(tmp_path: Path) -> None:
    rows = [("1", 5, 90, BARCODES[0]), ("KI270711.1", 700, 900, BARCODES[0])]
    with open_reads(write_fragments(tmp_path / "f.tsv", rows), SIZES)[""] as track:
        assert track.sizes == {"1": 30_000, "KI270711.1": 900}


@NEEDS_PYSAM
def test_a_bam_of_another_genome_is_an_error_before_its_reads_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_alignments(tmp_path / "a.bam", [Read("a", 0, "chr1", 5)])
    genome = MemoryGenome({"chr1": np.zeros(29_000, np.uint8), "chr2": np.zeros(12_000, np.uint8)})
    monkeypatch.setattr(read_tracks, "_count_alignments", lambda *_: pytest.fail("the reads were read"))
    with (
        open_reads(path, genome.chromsizes)[""] as track,
        pytest.raises(TrackError, match=r"chr1 has 30000 bases, but chr1 of .* has 29000: another assembly"),
    ):
        match_chromosomes(genome, track)


@NEEDS_PYSAM
def test_a_scale_of_a_bam_needs_no_genome(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    reads = [Read("a", 0, "chr1", int(start)) for start in rng.gamma(2, 3_000, 20_000) if start < 29_900]
    with open_track(write_alignments(tmp_path / "a.bam", reads)) as track:
        assert track_scale(None, track).windows == 29_900


def test_fragments_without_a_genome_are_an_error(tmp_path: Path) -> None:
    path = write_fragments(tmp_path / "f.tsv", make_fragments(number=5))
    with pytest.raises(TrackError, match=r"does not state chromosome lengths\. Give the genome too"):
        open_track(path)


def files_of_every_error(folder: Path) -> dict[str, tuple[Callable[[], object], str]]:
    rows = make_fragments(number=50)
    good = write_fragments(folder / "fragments.tsv", rows)
    packed = write_fragments(folder / "fragments.tsv.gz", rows)
    cut = folder / "cut.fragments.tsv.gz"
    cut.write_bytes(packed.read_bytes()[:-40])

    def text(name: str, line: str) -> Path:
        return write_rows(folder / f"{name}.fragments.tsv", [*((*row, 1) for row in rows[:3]), line.split(" ")])

    def opened(path: Path, **options: object) -> Callable[[], object]:
        return lambda: open_reads(path, SIZES, **options)  # type: ignore[arg-type]

    bases = frozenset({"AAACGAAAGACTCGGA"})
    listed = write_rows(folder / "cells.txt", [("AAACGAAAGACTCGGA",)])
    return {
        "more columns": (
            opened(text("a", "chr1 5 9 ACGTACGTACGT 1 +")),
            r"line 4: has 6 columns, a line .* has 3 to 5",
        ),
        "fewer columns": (opened(text("b", "chr1 5")), "line 4: has 2 columns, a line of a fragments file has 3 to 5"),
        "no barcode": (opened(text("c", "chr1 5 9"), groups={"x": bases}), "line 4: .* column 4 must hold the barcode"),
        "other columns": (
            opened(text("o", "chr1 5 9")),
            "line 4: has 3 columns, the first line has 5; is the file cut",
        ),
        "negative": (opened(text("d", "chr1 -5 9 ACGTACGTACGT 1")), "line 4: start '-5' and end '9' must be whole"),
        "inverted": (
            opened(text("e", "chr1 9 5 ACGTACGTACGT 1")),
            "line 4: start 9 and end 5: must be 0 <= start < end",
        ),
        "empty": (opened(text("f", "chr1 5 5 ACGTACGTACGT 1")), "line 4: start 5 and end 5: must be"),
        "no number": (opened(text("g", "chr1 5 x ACGTACGTACGT 1")), "line 4: start '5' and end 'x' must be whole"),
        "no chromosome": (opened(text("h", " 5 9 ACGTACGTACGT 1")), "line 4: its chromosome is empty"),
        "damaged": (opened(cut), "damaged or cut short"),
        "only a header": (opened(write_fragments(folder / "n.tsv", [], "# id=x\n")), "holds no fragment"),
        "missing": (opened(folder / "none.tsv"), "No such file"),
        "nothing matches": (
            opened(good, groups={"x": bases}),
            rf"none of the barcodes: it has {rows[0][3]}, the list AAACGAAAGACTCGGA\. Do they differ in a",
        ),
        "nothing of a file matches": (
            opened(good, groups=read_barcodes(listed)),
            rf"fragments.tsv: holds none of the barcodes of {listed}: it has ",
        ),
        "a group without fragments": (
            opened(good, groups={"y": frozenset(BARCODES), "x": bases}),
            "holds no barcode of group x: it has .*, the list AAACGAAAGACTCGGA. Leave the group out",
        ),
        "mapping quality": (opened(good, reads=ReadsOptions(None, 3)), "holds no mapping qualities; leave --min-mapq"),
        "presence": (lambda: open_track(good, "presence", genome_sizes=SIZES), "is a fragments file; --bed-value"),
        "no reads": (
            lambda: open_track(write_rows(folder / "a.bed", [("chr1", 5, 9)]), reads=ReadsOptions("cuts")),
            "holds no reads; --reads and --min-mapq are for BAM, CRAM",
        ),
        "beyond": (
            opened(write_fragments(folder / "k.tsv", [("chr2", 12_000, 12_100, BARCODES[0])])),
            "every fragment lies beyond the end of its chromosome",
        ),
    }


ERRORS = (
    *(
        "more columns",
        "fewer columns",
        "no barcode",
        "other columns",
        "negative",
        "inverted",
        "empty",
        "no number",
        "no chromosome",
    ),
    *("damaged", "only a header", "missing", "nothing matches", "nothing of a file matches"),
    *("a group without fragments", "mapping quality", "presence", "no reads", "beyond"),
)


@pytest.mark.parametrize("name", ERRORS)
def test_bad_fragments_are_errors_of_one_line(tmp_path: Path, name: str) -> None:
    made = files_of_every_error(tmp_path)
    assert set(made) == set(ERRORS)
    run, expected = made[name]
    with pytest.raises(InputError, match=expected) as raised:
        run()
    assert str(tmp_path) in str(raised.value)


@NEEDS_PYSAM
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("truncated.bam", "cut short"),
        ("truncated.cram", "cut short"),
        ("gzip.bam", "damaged or cut short"),
        ("barcodes.bam", "is a BAM; barcodes divide a fragments file only"),
        ("unaligned.bam", "its header names no chromosome"),
        ("empty.bam", "no read counts: it holds none"),
        ("duplicates.bam", "no read counts: 2 duplicates, 1 low mapping quality"),
        ("presence.bam", "is a BAM; --bed-value presence"),
    ],
)
def test_bad_alignments_are_errors_of_one_line(tmp_path: Path, name: str, expected: str) -> None:
    path = tmp_path / name
    rows = make_fragments(number=400)
    reads = in_order(read for number, row in enumerate(rows) for read in pair(number, row))
    if name == "truncated.cram":
        genome = write_fasta(tmp_path / "g.fa", {chrom: "ACGT" * (size // 4) for chrom, size in SIZES.items()})
        write_alignments(path, reads, reference=genome)
    elif name == "duplicates.bam":
        write_alignments(path, [*pair(0, rows[0], 0x400), Read("a", 0, "chr1", 5, mapq=1)])
    else:
        is_empty = name in ("empty.bam", "unaligned.bam")
        write_alignments(path, [] if is_empty else reads, {} if name == "unaligned.bam" else SIZES)
    if name == "gzip.bam":  # one member, where bgzip has many with their sizes
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())))
    if name.startswith("truncated"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=expected) as raised:  # noqa: PT012 - counted when the first value is asked for
        if name == "presence.bam":
            open_track(path, "presence")
        groups = {"x": frozenset(BARCODES)} if name == "barcodes.bam" else None
        with open_reads(path, SIZES, groups=groups)[""] as track:
            track.bases_with_data()
    assert str(raised.value).startswith(str(path))


@NEEDS_PYSAM
def test_a_missing_pysam_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_alignments(tmp_path / "a.bam", [Read("a", 0, "chr1", 5)])
    monkeypatch.setitem(sys.modules, "pysam", None)
    with pytest.raises(JundscanError, match=r"BAM and CRAM need pysam: run pip install 'jundscan\[hts\]'"):
        open_track(path)


@pytest.mark.parametrize("moment", ["read_fragments", "count_cuts", "open_bigwig", "BigWigTrack"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_temporary_files_are_removed_on_errors_and_interrupts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, error: BaseException
) -> None:
    path = write_fragments(tmp_path / "f.tsv", make_fragments(number=500))
    real, calls = getattr(read_tracks, moment), []

    def failing(*given: object) -> object:
        calls.append(given)
        if moment == "read_fragments":
            return failing_blocks(real(*given), error)
        if len(calls) == 2:
            raise error
        return real(*given)

    monkeypatch.setattr(read_tracks, moment, failing)
    monkeypatch.setattr(read_tracks, "_ROWS_IN_MEMORY", 100)
    groups = {barcode: frozenset({barcode}) for barcode in BARCODES}
    with pytest.raises((KeyboardInterrupt, OSError, TrackError)):
        open_reads(path, SIZES, groups=groups)
    assert calls


def failing_blocks(blocks: Iterator[object], error: BaseException) -> Iterator[object]:
    yield next(blocks)
    raise error


@pytest.mark.parametrize(
    ("name", "line", "found"),
    [
        ("a.tsv", "chr1\t5\t90\tAAACGAAAGACTCGGA-1\t2", "fragments"),
        ("a.bed", "chr1\t5\t90\tAAACGAAAGACTCGGA", "fragments"),
        ("a.bed", "chr1\t5\t90\tscATAC_BMMC_R1#TTATGTCAGTGATTAG-1\t1", "fragments"),
        ("a.tsv", "# id=x\n# primary_contig=chr1\nchr1\t5\t90\tcell7\t2", "fragments"),
        ("atac_fragments.tsv", "chr1\t5\t90\tcell7\t2", "fragments"),
        ("fragments.bed", "chr1\t5\t90", "fragments"),
        ("a.bed", "chr1\t5\t90\tpeak_1\t2", None),
        ("a.bed", "chr1\t5\t90\tpeak_1\t2\t+", None),
        ("a.bed", "chr1\t5\t90\tAAACGAAAGACTCGGA\t2\t+", None),
        ("a.bed", "chr1\t5\t90\tAAACGAAAGACTCGGA\t2.5", None),
        ("fragments.bedgraph", "chr1\t5\t90\t1.5", None),
        ("fragments_peaks.narrowPeak", "chr1\t5\t90\tp\t9\t.\t1\t2\t3\t4", None),
        ("a.bed", "track name=x\nchr1\t5\t90\tAAACGAAAGACTCGGA\t2", None),
        ("a.bed", "chr1 5 90 AAACGAAAGACTCGGA 2", None),
        ("a.bed", "", None),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_fragments_are_recognized_by_their_content(
    tmp_path: Path, name: str, line: str, found: str | None, packed: bool
) -> None:
    path = tmp_path / name
    data = f"{line}\n".encode() * 3
    path.write_bytes(gzip.compress(data) if packed else data)
    assert reads_format(path) == found


@pytest.mark.slow
@pytest.mark.data
def test_pseudobulks_of_real_fragments_equal_bedgraphs_made_independently(data_folder: Path, tmp_path: Path) -> None:
    path = data_folder / "reads" / "atac.fragments.hg38.chr22.tsv.gz"
    listed = read_barcodes(data_folder / "reads" / "barcodes.txt")[""]
    with gzip.open(path, "rt") as lines:
        rows = [line.split() for line in lines]
    others = frozenset({row[3] for row in rows} - listed)
    groups = {"listed": listed, "others": others}
    counts = Counter("listed" if row[3] in listed else "others" for row in rows)
    assert sum(counts.values()) == 57_115
    starts = np.arange(0, HG38_CHR22["chr22"] - 100, 10)
    for name, track in open_reads(path, HG38_CHR22, groups=groups).items():
        text = tmp_path / f"{name}.bedgraph"
        text.write_text(bedgraph_of(row for row in rows if row[3] in groups[name]))
        with track, open_track(text) as by_hand:
            parts = [("chr22", starts)]
            found, expected = track.means_of_all(parts, WIDTHS), by_hand.means_of_all(parts, WIDTHS)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
            assert found.any()
            assert track.reads["fragments"] == counts[name]
            assert track.reads["left_out"] == {"other_barcodes": 57_115 - counts[name]}


@pytest.mark.slow
@pytest.mark.data
def test_a_shallow_sample_has_a_scale_of_fragments_but_not_of_cuts(data_folder: Path) -> None:
    path = data_folder / "reads" / "atac.fragments.hg38.chr22.tsv.gz"
    with open_reads(path, HG38_CHR22)[""] as track, pytest.raises(InputError, match="--reads fragments"):
        track_scale(None, track)
    with open_reads(path, HG38_CHR22, ReadsOptions("fragments"))[""] as track:
        assert track_scale(None, track).windows == 200_000


@pytest.mark.slow
@pytest.mark.data
@NEEDS_PYSAM
@pytest.mark.parametrize("form", ["sorted", "unsorted", "single-end"])
def test_a_bam_of_real_fragments_equals_the_fragments(data_folder: Path, tmp_path: Path, form: str) -> None:
    source = data_folder / "reads" / "atac.fragments.hg38.chr22.tsv.gz"
    with gzip.open(source, "rt") as lines:
        rows = [
            (chrom, int(start), max(int(end), int(start) + 50), barcode)
            for chrom, start, end, barcode, _ in map(str.split, lines)
        ]
    longer = write_fragments(tmp_path / "f.tsv", rows)
    reads = [read for number, row in enumerate(rows) for read in pair(number, row)]
    if form == "single-end":
        reads = [read._replace(flag=read.flag & 0x10, mate=-1, template=0) for read in reads]
    reads += list(beside(rows))
    if form == "unsorted":
        random.Random(0).shuffle(reads)
    else:
        reads.sort(key=lambda read: read.start)
    path = write_alignments(tmp_path / "a.bam", reads, HG38_CHR22)
    starts = np.arange(0, HG38_CHR22["chr22"] - 100, 10)
    with open_track(path) as track, open_track(longer, genome_sizes=HG38_CHR22) as expected:
        assert isinstance(track, ReadsTrack)
        parts = [("chr22", starts)]
        assert np.array_equal(track.means_of_all(parts, WIDTHS), expected.means_of_all(parts, WIDTHS))
        counted = ("fragments", "unpaired_reads", "mates")
        of_form = (0, 114_230, 0) if form == "single-end" else (57_115, 0, 57_115)
        assert tuple(track.reads[what] for what in counted) == of_form
        assert track.reads["left_out"] == LEFT_OUT


@pytest.mark.slow
@pytest.mark.data
@NEEDS_PYSAM
def test_a_real_bam_of_unpaired_reads_equals_a_count_by_hand(data_folder: Path) -> None:
    import pysam

    path = data_folder / "reads" / "tiny.bam"
    with pysam.AlignmentFile(str(path)) as file:
        ends = Counter(
            (read.reference_name, read.reference_end - 1 if read.is_reverse else read.reference_start)
            for read in file.fetch(until_eof=True)
            if read.mapping_quality >= 30
        )
    with open_track(path) as track:
        assert sum(track.bases_with_data().values()) == len(ends)
        for (chrom, base), count in islice(ends.items(), 50):
            mean = track.window_means(chrom, np.array([base]))
            nearby = sum(n for (name, at), n in ends.items() if name == chrom and base <= at < base + 101)
            np.testing.assert_allclose(mean, nearby / 101, rtol=1e-6)
            assert nearby >= count


def test_counting_a_large_file_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_fragments(tmp_path / "f.tsv", make_fragments(number=100))
    caplog.set_level("INFO", "jundscan")
    for limit, announced in ((path.stat().st_size, 1), (path.stat().st_size + 1, 0)):
        monkeypatch.setattr(read_tracks, "_LARGE_BYTES", limit)
        caplog.clear()
        open_reads(path, SIZES)[""].close()
        assert sum("jundscan track counts them once" in line for line in caplog.messages) == announced


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_fragments_through_a_pipe_are_an_error(tmp_path: Path) -> None:
    pipe, path = tmp_path / "pipe", write_fragments(tmp_path / "f.tsv", make_fragments(number=100))
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True)
    writer.start()
    with pytest.raises(TrackError, match="holds fragments, which cannot be read through a pipe"):
        open_track(pipe, genome_sizes=SIZES)
    writer.join()
