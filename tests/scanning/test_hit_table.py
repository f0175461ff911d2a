"""The table of hits: formats by endings, how other programs read it, known sites and known peaks."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest

from jundscan.dna.regions import Region
from jundscan.io.bed import read_regions
from jundscan.io.fasta.genome import open_genome
from jundscan.scanning import hit_table
from jundscan.scanning.hit_table import HIT_COLUMNS, PEAK_COLUMNS, SITE_COLUMNS, _each_region
from tests.conftest import Run
from tests.helpers.inputs import NEEDS_PYSAM, genome_letters, write_fasta, write_rows

EXAMPLES = Path(__file__).parents[2] / "examples"
SCAN = ("scan", EXAMPLES / "genome.fa", "--accessibility", EXAMPLES / "dnase.bedgraph", "--accessibility-scale",
        EXAMPLES / "scale.json", "--threshold", 0.9, "-q")  # fmt: skip
COLUMNS = [*HIT_COLUMNS, *SITE_COLUMNS]
TURNED = str.maketrans("ACGT", "TGCA")


def table_of(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def sequences_of(path: Path) -> dict[str, str]:
    records = [record.partition("\n") for record in path.read_text().split(">")[1:]]
    return {name.split()[0]: letters.replace("\n", "").upper() for name, _, letters in records}


def sites_by_hand(sequence: str) -> list[tuple[int, str, str, str]]:
    """Start, name, strand and sequence of every exact site."""
    texts = (("AP-1", "+", "TGACTCA"), ("AP-1", "-", "TGAGTCA"), ("CRE", ".", "TGACGTCA"))
    return [
        (at, name, strand, text.translate(TURNED)[::-1] if strand == "-" else text)
        for at in range(len(sequence))
        for name, strand, text in texts
        if sequence.startswith(text, at)
    ]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a genome with sites at random places, some of them close together, and runs of N."""
    rng = np.random.default_rng(8)
    text = list(genome_letters(rng, 12_000))
    for at in rng.integers(0, len(text) - 8, 120).tolist():
        site = ("TGACTCA", "tgagtca", "TGACGTCA")[rng.integers(3)]
        text[at : at + len(site)] = site
    return write_fasta(
        tmp_path_factory.mktemp("sites") / "genome.fa", {"chr1": "".join(text), "chr2": "".join(text[::-1])}
    )


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("h.bed", (), "chrA\t"),
        ("h.txt", (), "chrA\t"),
        ("h.tsv", (), "chrom\tstart\t"),
        ("H.TSV", (), "chrom\tstart\t"),
        ("h.csv", (), "chrom,start,"),
        ("h.txt", ("--format", "table"), "chrom\tstart\t"),
        ("h.csv", ("--format", "table"), "chrom,start,"),
        ("w.tsv", ("--format", "windows", "--no-header"), "chrA\t0\t101\t0."),
        ("w.tsv", ("--format", "tsv", "--no-header"), "chrA\t0\t101\t0."),
        ("h.csv", ("--format", "bed"), "chrA\t"),
    ],
)
def test_the_ending_chooses_the_format_and_an_option_overrides_it(
    tmp_path: Path, run: Run, name: str, options: tuple[str, ...], begins: str
) -> None:
    assert run(*SCAN, "-o", tmp_path / name, *options).code == 0
    lines = [line for line in (tmp_path / name).read_text().splitlines() if not line.startswith("# ")]
    assert lines[0].startswith(begins)


def test_the_ending_narrowpeak_writes_ten_columns(tmp_path: Path, run: Run) -> None:
    assert run(*SCAN, "-o", tmp_path / "h.narrowpeak", "--no-header").code == 0
    assert {line.count("\t") for line in (tmp_path / "h.narrowpeak").read_text().splitlines()} == {9}


def test_a_compressed_csv_is_gzip_without_an_index(tmp_path: Path, run: Run) -> None:
    assert run(*SCAN, "-o", tmp_path / "h.csv").code == 0
    assert run(*SCAN, "-o", tmp_path / "h.csv.gz").code == 0
    assert gzip.decompress((tmp_path / "h.csv.gz").read_bytes()) == (tmp_path / "h.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.csv", "h.csv.gz"]


@NEEDS_PYSAM
@pytest.mark.parametrize("threshold", [0.9, 1])
def test_the_index_of_a_compressed_table_leaves_out_its_names(tmp_path: Path, run: Run, threshold: float) -> None:
    import pysam

    for options in ((), ("--no-header",)):
        path = tmp_path / f"h{len(options)}.tsv.gz"
        assert run(*SCAN, "--threshold", threshold, "-o", path, *options).code == 0
        names = [] if options else ["\t".join(COLUMNS)]
        with pysam.TabixFile(str(path)) as file:
            found = [line for chrom in file.contigs for line in file.fetch(chrom)]
        assert [*names, *found] == gzip.decompress(path.read_bytes()).decode().splitlines()
        assert bool(found) == (threshold < 1)


@pytest.mark.parametrize("name", ["h.xlsx", "h.XLS", "h.xlsx.gz"])
@pytest.mark.parametrize("options", [(), ("--format", "table")])
def test_a_workbook_of_excel_is_a_usage_error(tmp_path: Path, run: Run, name: str, options: tuple[str, ...]) -> None:
    ran = run(*SCAN, "-o", tmp_path / name, *options)
    assert ran.code == 2
    assert "name a .csv or .tsv file" in " ".join(ran.err.replace("│", "").split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "form", "what"),
    [
        ("h.bed", "table", "the table of hits"),
        ("h.tsv", "bed", "a BED of hits"),
        ("w.csv", "windows", "a tab-separated line per window"),
        ("h.bed", "narrowPeak", None),
        ("w.tsv", "windows", None),
        ("h.txt", "table", None),
    ],
)
def test_an_ending_that_promises_another_format_is_logged(
    tmp_path: Path, run: Run, name: str, form: str, what: str | None
) -> None:
    ran = run(*SCAN[:-1], "-o", tmp_path / name, "--format", form)
    message = f"{tmp_path / name}: holds {what}, as --format says, whatever its ending promises"
    assert ran.code == 0
    assert (message in ran.err.splitlines()) == (what is not None)
    assert ("whatever" in ran.err) == (what is not None)


def test_the_table_has_one_line_of_names_and_the_same_number_of_fields_everywhere(tmp_path: Path, run: Run) -> None:
    """What R's read.delim needs, which knows no comments: no line is longer than the first, and quotes are in pairs."""
    for name, delimiter in (("h.tsv", "\t"), ("h.csv", ",")):
        assert run(*SCAN, "-o", tmp_path / name).code == 0
        text = (tmp_path / name).read_text()
        lines = text.splitlines()
        assert lines[0].split(delimiter) == COLUMNS
        assert {line.count(delimiter) for line in lines} == {len(COLUMNS) - 1}
        assert '"' not in text
        assert "#" not in text
        assert text.isascii()
        assert text.endswith("\n")
        assert not any(line.endswith(delimiter) for line in lines)  # bedtools reads no such line
    assert table_of((tmp_path / "h.tsv").read_text()) == table_of((tmp_path / "h.csv").read_text(), ",")
    # as the BED says
    bed = [line.split("\t") for line in run(*SCAN, "--no-header").out.splitlines()]
    hits = table_of((tmp_path / "h.tsv").read_text())
    assert [[hit[name] for name in COLUMNS[:5]] for hit in hits] == [row[:5] for row in bed]
    assert len(hits) > 5


def test_pandas_reads_numbers_and_missing_values_without_options(tmp_path: Path, run: Run) -> None:
    pandas = pytest.importorskip("pandas")
    for name, delimiter in (("h.tsv", "\t"), ("h.csv", ",")):
        arguments = ("scan", EXAMPLES / "genome.fa", "--threshold", 0.3, "-q", "-o", tmp_path / name)
        assert run(*arguments).code == 0
        frame = pandas.read_csv(tmp_path / name, sep=delimiter)
        assert list(frame.columns) == COLUMNS
        for column in ("start", "end", "score", "summit", "sites"):
            assert frame[column].dtype.kind == "i", column
        for column in ("probability", "expected_precision", "accessibility", "site_start"):
            assert frame[column].dtype.kind == "f", column
        assert frame["accessibility"].isna().all()  # no track
        assert frame["site_start"].isna().equals(frame["site"] == "none")
        assert 0 < frame["site_start"].isna().sum() < len(frame)
        assert frame["site_sequence"].isna().equals(frame["sites"] == 0)


def test_odd_names_of_sequences_stand_in_quotes(tmp_path: Path, run: Run) -> None:
    text = genome_letters(np.random.default_rng(3), 2_000)
    names = ['with"quote', "with,comma", "=1+1", "NA#1"]
    genome = write_fasta(tmp_path / "genome.fa", dict.fromkeys(names, text))
    for name, delimiter in (("h.tsv", "\t"), ("h.csv", ",")):
        assert run("scan", genome, "--threshold", 0.05, "-q", "-o", tmp_path / name).code == 0
        hits = table_of((tmp_path / name).read_text(), delimiter)
        assert list(dict.fromkeys(hit["chrom"] for hit in hits)) == names
        assert {len(hit) for hit in hits} == {len(COLUMNS)}
        assert {hit["chromatin"] for hit in hits} == {"unknown"}


@pytest.mark.parametrize("packed", ["plain", "gzip"])
@pytest.mark.parametrize("batch", [1_000, 3])
def test_known_sites_are_those_found_by_hand(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, sites: Path, packed: str, batch: int
) -> None:
    sequences = sequences_of(sites)
    genome = write_fasta(tmp_path / ("g.fa" if packed == "plain" else "g.fa.gz"), sequences, packed)
    monkeypatch.setattr("jundscan.scanning.outputs._HITS_AT_ONCE", batch)
    out = tmp_path / "h.tsv"
    assert run("scan", genome, "--threshold", 0.6, "-q", "-o", out).code == 0
    hits = table_of(out.read_text())
    assert [hit["name"] for hit in hits] == [f"JUND_{number}" for number in range(1, len(hits) + 1)]
    for hit in hits:
        start, end, summit = (int(hit[name]) for name in ("start", "end", "summit"))
        found = sites_by_hand(sequences[hit["chrom"]][start:end])
        assert int(hit["sites"]) == len(found)
        if not found:
            assert (hit["site"], hit["site_start"], hit["site_strand"], hit["site_sequence"]) == ("none", "", "", "")
            continue
        shown = (int(hit["site_start"]) - start, hit["site"], hit["site_strand"], hit["site_sequence"])
        assert shown in found
        # all exact sites score the same, so the best is the nearest to the summit
        distance = {site: abs(2 * (start + site[0]) + len(site[3]) - 1 - 2 * summit) for site in found}
        assert distance[shown] == min(distance.values())
    assert {hit["site"] for hit in hits} == {"AP-1", "CRE", "none"}
    assert max(int(hit["sites"]) for hit in hits) > 1
    assert {hit["site_strand"] for hit in hits} == {"+", "-", ".", ""}


def test_sites_of_a_very_long_hit_are_looked_for_around_its_summit(
    run: Run, monkeypatch: pytest.MonkeyPatch, sites: Path
) -> None:
    monkeypatch.setattr(hit_table, "SITE_REACH", 200)
    hits = table_of(run("scan", sites, "--threshold", 0, "-q", "--format", "table").out)
    assert max(int(hit["end"]) - int(hit["start"]) for hit in hits) > 1_000
    for hit in hits:
        sequence, summit = sequences_of(sites)[hit["chrom"]], int(hit["summit"])
        first = max(summit - 200, int(hit["start"]))
        assert int(hit["sites"]) == len(sites_by_hand(sequence[first : min(summit + 201, int(hit["end"]))]))


def test_regions_are_read_whole_whatever_the_genome_yields(sites: Path) -> None:
    sequence = sequences_of(sites)["chr1"]
    rng = np.random.default_rng(1)
    edges = np.sort(rng.choice(len(sequence), 60, replace=False)).reshape(-1, 2).tolist()
    regions = [Region("chr1", *edge) for edge in edges]
    for read_bytes in (7, 100, 1 << 18):
        found = list(_each_region(open_genome(sites, read_bytes), regions))
        assert [len(codes) for codes in found] == [end - start for start, end in edges]
        whole = next(iter(open_genome(sites).bases([Region("chr1", 0, len(sequence))])))
        for codes, (start, end) in zip(found, edges, strict=True):
            np.testing.assert_array_equal(codes, whole[start:end])


def test_known_peaks_agree_with_the_record(tmp_path: Path, run: Run) -> None:
    out, record = tmp_path / "h.tsv", tmp_path / "r.json"
    excluded = write_rows(tmp_path / "out.bed", [("chrA", 0, 9_000)])
    for options in (
        (),
        ("--truth-exclude", excluded),
        ("--truth-region", "chrB"),
        ("--truth-region", "chrA:8000-40000"),
    ):
        ran = run(*SCAN, "--truth", EXAMPLES / "peaks.bed", *options, "-o", out, "--json", record, "--force")
        assert ran.code == 0, ran.err
        hits, peaks = table_of(out.read_text()), json.loads(record.read_text())["accuracy"]["peaks"]
        assert list(hits[0]) == [*HIT_COLUMNS, *PEAK_COLUMNS, *SITE_COLUMNS]
        counts = {word: sum(hit["known_peak"] == word for hit in hits) for word in ("yes", "no", "")}
        assert counts["yes"] == peaks["hits_on_peaks"] > 0
        assert counts["yes"] + counts["no"] == peaks["hits"]
        assert sum(counts.values()) == len(hits)
        assert (counts[""] > 0) == bool(options)
        known = [line.split()[:3] for line in (EXAMPLES / "peaks.bed").read_text().splitlines()]
        for hit in hits:
            touches = any(
                chrom == hit["chrom"] and int(start) < int(hit["end"]) and int(end) > int(hit["start"])
                for chrom, start, end in known
            )
            assert hit["known_peak"] in ("", "yes" if touches else "no")


def test_regions_and_hits_may_be_a_table(tmp_path: Path, run: Run) -> None:
    table, bed = tmp_path / "h.tsv", tmp_path / "h.bed"
    for path in (table, bed):
        assert run(*SCAN, "-o", path).code == 0
    sizes = {chrom: len(sequence) for chrom, sequence in sequences_of(EXAMPLES / "genome.fa").items()}
    expected = read_regions(bed, sizes)
    for chrom, rows in read_regions(table, sizes).items():
        np.testing.assert_array_equal(rows, expected[chrom])
    assert run(*SCAN, "-o", tmp_path / "h.csv").code == 0
    ran = run(*SCAN, "--regions", tmp_path / "h.csv")
    assert ran.code == 1
    assert "is a table with commas" in ran.err
    assert "jundscan scan -o hits.tsv" in ran.err


def test_no_hits_leave_the_line_of_names(run: Run) -> None:
    ran = run("scan", EXAMPLES / "genome.fa", "--threshold", 1, "--format", "table", "-q")
    assert ran.out == "\t".join(COLUMNS) + "\n"
