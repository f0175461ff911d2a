"""Annotations in every format give the same genes, and the nearest start is the nearest by brute force."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.regions import Region, parse_region
from jundscan.errors import RegionError, TrackError
from jundscan.io.annotation import read_features
from jundscan.scanning.genes import Gene, Genes, read_genes
from tests.helpers.inputs import write_rows

SIZES = ChromSizes({"chr1": 10_000, "chr2": 5_000, "chrM": 600})
# two transcripts of one gene, a gene of one base on the other strand, and a gene without a transcript
PLUS = Gene("chr1", 1_000, 2_000, 1, "ABC1", "G1")
MINUS = Gene("chr1", 4_000, 4_500, -1, "XYZ; 2", "G2")
LONE = Gene("chr2", 99, 300, 1, "G3", "G3")
GTF = """#!genome-build made-up
1\tx\tgene\t1001\t2000\t.\t+\t.\tgene_id "G1"; gene_name "ABC1";
1\tx\ttranscript\t1001\t2000\t.\t+\t.\tgene_id "G1"; transcript_id "T1"; gene_name "ABC1"; tag "basic"; tag "CCDS";
1\tx\texon\t1001\t1100\t.\t+\t.\tgene_id "G1"; transcript_id "T1"; gene_name "ABC1";
1\tx\ttranscript\t1501\t2000\t.\t+\t.\tgene_id "G1"; transcript_id "T2"; gene_name "ABC1";
1\tx\tgene\t4001\t4500\t.\t-\t.\tgene_id "G2"; gene_name "XYZ; 2";
1\tx\ttranscript\t4001\t4500\t.\t-\t.\tgene_id "G2"; transcript_id "T3"; gene_name "XYZ; 2";
2\tx\tgene\t100\t300\t.\t+\t.\tgene_id "G3";
scaffold_9\tx\tgene\t100\t300\t.\t+\t.\tgene_id "G4";
"""
GFF3 = """##gff-version 3
chr1\tx\tregion\t1\t10000\t.\t.\t.\tID=chr1;Name=1
chr1\tx\tgene\t1001\t2000\t.\t+\t.\tID=G1;Name=ABC1;biotype=protein_coding
chr1\tx\tmRNA\t1001\t2000\t.\t+\t.\tID=T1;Parent=G1;Name=ABC1-201
chr1\tx\texon\t1001\t1100\t.\t+\t.\tParent=T1
chr1\tx\tmRNA\t1501\t2000\t.\t+\t.\tID=T2;Parent=G1;Name=ABC1-202
chr1\tx\tncRNA_gene\t4001\t4500\t.\t-\t.\tID=G2;Name=XYZ%3B 2
chr1\tx\tprimary_transcript\t4001\t4500\t.\t-\t.\tID=T3;Parent=G2
chr1\tx\tmiRNA\t4001\t4022\t.\t-\t.\tID=M3;Parent=T3
chr2\tx\tgene\t100\t300\t.\t+\t.\tID=G3
##FASTA
>chr1
ACGT
"""
BED = """track name=genes
chr1\t1000\t2000\tABC1\t0\t+
chr1\t1500\t2000\tABC1\t0\t+
chr1\t4000\t4500\tXYZ; 2\t0\t-
chr2\t99\t300\tG3\t0\t+
"""
FORMATS = {"a.gtf": GTF, "a.gff3": GFF3, "a.bed": BED}


def starts_of(genes: Genes) -> list[tuple[str, str, int]]:
    """Return chromosome, name and distance of every start from the first base, seen from each chromosome."""
    found = []
    for chrom, size in SIZES.items():
        bases = np.arange(size)
        nearest = genes.nearest(chrom, bases, bases + 1)
        found += [(chrom, nearest.names[at], int(at)) for at in np.flatnonzero(nearest.distances == 0).tolist()]
    return [row for row in found if row[1] is not None]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_format_holds_the_same_genes(tmp_path: Path, name: str, compressed: bool) -> None:
    path = tmp_path / (f"{name}.gz" if compressed else name)
    path.write_bytes(gzip.compress(FORMATS[name].encode(), mtime=0) if compressed else FORMATS[name].encode())
    genes = read_genes(path, SIZES)
    assert [gene[:5] for gene in genes] == [gene[:5] for gene in (PLUS, MINUS, LONE)]
    assert (len(genes), genes.starts) == (3, 4)
    assert starts_of(genes) == [
        ("chr1", "ABC1", 1_000),
        ("chr1", "ABC1", 1_500),
        ("chr1", "XYZ; 2", 4_499),
        ("chr2", "G3", 99),
    ]
    if not name.endswith("bed"):
        assert [gene.identity for gene in genes] == ["G1", "G2", "G3"]


def test_exons_make_up_transcripts_where_there_are_none(tmp_path: Path) -> None:
    exons = [
        ("chr1", "x", kind, start, end, ".", strand, ".", f'gene_id "{gene}"; transcript_id "{transcript}"')
        for kind, start, end, strand, gene, transcript in (
            ("exon", 101, 200, "+", "A", "A.1"),
            ("exon", 301, 400, "+", "A", "A.1"),
            ("CDS", 131, 200, "+", "A", "A.1"),
            ("exon", 151, 200, "+", "A", "A.2"),
            ("exon", 801, 900, "-", "B", "B.1"),
            ("exon", 601, 700, "-", "B", "B.1"),
        )
    ]
    genes = read_genes(write_rows(tmp_path / "a.gtf", exons), SIZES)
    assert list(genes) == [Gene("chr1", 100, 400, 1, "A", "A"), Gene("chr1", 600, 900, -1, "B", "B")]
    assert starts_of(genes) == [("chr1", "A", 100), ("chr1", "A", 150), ("chr1", "B", 899)]


def test_a_gene_that_stands_twice_is_two_genes(tmp_path: Path) -> None:
    rows = [(chrom, 10, 20, "MIR1", 0, "+") for chrom in ("chr1", "chr2")]
    assert [gene.chrom for gene in read_genes(write_rows(tmp_path / "a.bed", rows), SIZES)] == ["chr1", "chr2"]


STARTS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, -1])), min_size=1, max_size=12, unique=True)
INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), min_size=1, max_size=12)


@given(STARTS, INTERVALS)
def test_nearest_is_the_nearest_by_brute_force(starts: list[tuple[int, int]], intervals: list[tuple[int, int]]) -> None:
    from jundscan.scanning.genes import _arrange

    rows = [(Gene("chr1", at, at + 1, strand, f"{at}{strand}", ""), {at}) for at, strand in starts]
    genes = Genes(Path("a"), SIZES, {"chr1": _arrange(rows)})
    begins, widths = np.array(intervals, np.int64).T
    found = genes.nearest("chr1", begins, begins + widths)
    in_order = [gene for gene, _ in sorted(rows, key=lambda row: row[0].start)]
    for begin, width, name, distance in zip(
        begins.tolist(), widths.tolist(), found.names, found.distances.tolist(), strict=True
    ):
        end = begin + width

        def distance_to(gene: Gene, begin: int = begin, end: int = end) -> int:
            apart = max(gene.start - end + 1, begin - gene.start, 0)
            return -apart if (gene.start >= end) == (gene.strand > 0) else apart

        # upstream before downstream, then the first in the annotation
        best = min(in_order, key=lambda gene: (abs(distance_to(gene)), distance_to(gene) > 0))
        assert (name, distance) == (best.name, distance_to(best))


def test_a_chromosome_without_genes_has_no_nearest(tmp_path: Path) -> None:
    genes = read_genes(write_rows(tmp_path / "a.bed", [("1", 10, 20, "A", 0, "+")]), SIZES)
    nearest = genes.nearest("chr2", np.array([5, 7]), np.array([6, 9]))
    assert (nearest.names, nearest.distances.tolist()) == ([None, None], [0, 0])


@pytest.mark.tools
@pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")
def test_nearest_equals_bedtools(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    at = np.sort(rng.integers(0, 9_000, 400))  # some of them twice
    strands = rng.choice(["+", "-"], len(at)).tolist()
    rows = sorted({(one, strand) for one, strand in zip(at.tolist(), strands, strict=True)})
    starts = [("chr1", one, one + 1, f"G{one}{strand}", 0, strand) for one, strand in rows]
    path = write_rows(tmp_path / "starts.bed", starts)
    begins = np.sort(rng.integers(0, 9_800, 2_000))
    ends = begins + rng.integers(1, 150, len(begins))
    intervals = [("chr1", begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    hits = write_rows(tmp_path / "hits.bed", intervals)
    command = ["bedtools", "closest", "-a", hits, "-b", path, "-D", "b", "-t", "first"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    expected = [(cells[6], int(cells[-1])) for cells in (line.split("\t") for line in lines)]
    found = read_genes(path, SIZES).nearest("chr1", begins, ends)
    assert list(zip(found.names, found.distances.tolist(), strict=True)) == expected
    assert len({np.sign(distance) for _, distance in expected}) == 3


@pytest.fixture
def genes(tmp_path: Path) -> Genes:
    rows = [*GTF.splitlines()[1:], '2\tx\tgene\t900\t950\t.\t+\t.\tgene_id "G5"; gene_name "U6";']
    rows += ['1\tx\tgene\t900\t950\t.\t-\t.\tgene_id "G6"; gene_name "U6";']
    rows += ['2\tx\tgene\t4000\t4100\t.\t-\t.\tgene_id "ENSG7.3"; gene_name "NKX2+-1";']
    path = tmp_path / "genes.gtf"
    path.write_text("\n".join(rows) + "\n")
    return read_genes(path, SIZES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ABC1", Region("chr1", 1_000, 2_000)),
        ("abc1", Region("chr1", 1_000, 2_000)),
        ("G1", Region("chr1", 1_000, 2_000)),
        ("ABC1±0.5kb", Region("chr1", 500, 2_500)),
        ("ABC1 ± 500", Region("chr1", 500, 2_500)),
        ("ABC1+-1,000b", Region("chr1", 0, 3_000)),
        ("ABC1+/-1Mb", Region("chr1", 0, 10_000)),
        ("NKX2+-1", Region("chr2", 3_999, 4_100)),
        ("NKX2+-1+-10bp", Region("chr2", 3_989, 4_110)),
        ("ENSG7", Region("chr2", 3_999, 4_100)),
        ("chr2", Region("chr2", 0, 5_000)),
        ("2:10-20", Region("chr2", 10, 20)),
    ],
)
def test_regions_by_the_name_of_a_gene(genes: Genes, text: str, expected: Region) -> None:
    sizes = ChromSizes(SIZES)
    sizes.places = genes.find
    assert parse_region(text, sizes) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ABD1", r"neither a chromosome .* nor a gene of .*genes.gtf; did you mean ABC1\?"),
        ("nothing±1kb", "nor a gene of .*genes.gtf$"),
        ("U6", r"has 2 genes U6: G6 chr1:899-950, G5 chr2:899-950; name one by its identifier or place"),
        ("U6±1kb", "has 2 genes U6"),
        ("chr2:10-", "write chrom:start-end"),
        ("chr2:10-9000", "reaches beyond the end"),
    ],
)
def test_wrong_regions_are_errors(genes: Genes, text: str, problem: str) -> None:
    sizes = ChromSizes(SIZES)
    sizes.places = genes.find
    with pytest.raises(RegionError, match=problem):
        parse_region(text, sizes)


def test_a_gene_needs_an_annotation() -> None:
    with pytest.raises(RegionError, match=r"no such chromosome .* The name of a gene needs --genes"):
        parse_region("ABC1", SIZES)


def test_genes_within_a_region(genes: Genes) -> None:
    assert [gene.name for gene in genes.within(Region("chr1", 1_999, 4_001))] == ["ABC1", "XYZ; 2"]
    assert genes.within(Region("chr1", 2_000, 4_000)) == []
    assert genes.within(Region("chrM", 0, 600)) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "holds no gene"),
        ("# only a comment\n", "holds no gene"),
        ("chr1\t5\t9\n", "line 1: a BED of genes needs at least four columns"),
        ("chr1\t9\t5\tA\n", "line 1: a gene from 9 to 5"),
        ("gene\tplace\n", "line 1: is neither a line of GTF or GFF3"),
        (GTF + "1\tx\tgene\tfive\t9\t.\t+\t.\tgene_id 1\n", "line 10: start 'five' and end '9' must be whole numbers"),
        (GTF + "1\tx\tgene\t5\t9\n", "line 10: has 5 columns"),
        ("chrX\t5\t9\tA\t0\t+\n", "has no chromosome in common with the genome: it names chrX, the genome chr1"),
        ("##fileformat=VCFv4.2\n", "is a VCF, not a GTF, GFF3 or BED"),
    ],
)
def test_wrong_annotations_are_errors(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(TrackError, match=problem):
        read_genes(path, SIZES)


def test_genes_of_another_assembly_are_left_out_aloud(tmp_path: Path) -> None:
    from jundscan.errors import Cautions, collect_warnings

    rows = [("chr1", 10, 20, "A", 0, "+"), ("chr1", 9_990, 10_001, "B", 0, "+")]
    cautions = Cautions()
    with collect_warnings(cautions):
        genes = read_genes(write_rows(tmp_path / "a.bed", rows), SIZES)
    assert [gene.name for gene in genes] == ["A"]
    assert [caution.code for caution in cautions] == ["intervals_beyond_end"]


def test_separators_of_attributes(tmp_path: Path) -> None:
    rows = []
    for number, attributes in enumerate(
        ('gene_id "A" ; gene_name "B C";', 'gene_id "A";gene_name "B C";', "gene_id A; gene_name B C")
    ):
        path = tmp_path / f"{number}.gtf"
        path.write_text(f"1\tx\tgene\t5\t9\t.\t+\t.\t{attributes}\n")
        rows += [feature[-2:] for feature in read_features(path)]
    assert rows == [("A", "B C")] * 3
