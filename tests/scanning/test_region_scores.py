"""A region's row is what brute force finds among the windows of a scan; the rows keep the order of the file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import jundscan
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.scanning import region_scores
from jundscan.scanning.hit_table import GENE_COLUMNS
from jundscan.scanning.region_scores import RegionScore
from tests.conftest import Run, real_data
from tests.helpers.inputs import letters, write_fasta

Windows = dict[str, tuple[np.ndarray, np.ndarray]]
Listed = list[tuple[str, int, int]]
SIZES = {"chr1": 9_004, "chr2": 2_500, "short": 90}
STRIDE = 10


@pytest.fixture(scope="module")
def sequences() -> dict[str, str]:
    rng = np.random.default_rng(4)
    found = {chrom: letters(rng, size) for chrom, size in SIZES.items()}
    known = found["chr1"]
    return found | {"chr1": known[:3_000] + "N" * 400 + known[3_400:5_000] + "n" + known[5_001:]}


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(device="cpu")


def scan_windows(*arguments: Any, **options: Any) -> Windows:
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for chunk in jundscan.scan(*arguments, windows=True, **options):
        found.setdefault(chunk.chrom, []).append((chunk.starts, chunk.probabilities))
    return {chrom: tuple(map(np.concatenate, zip(*parts, strict=True))) for chrom, parts in found.items()}  # type: ignore[misc]


def check_rows(
    rows: list[RegionScore], listed: Listed, windows: Windows, threshold: float, sizes: dict[str, int], extend: int = 0
) -> None:
    """Compare rows with what a loop over the windows of a scan finds, and their order with that of the regions."""
    assert [(row.chrom, row.start, row.end) for row in rows] == listed
    for row in rows:
        starts, probabilities = windows.get(row.chrom, (np.empty(0, np.int64), np.empty(0, np.float32)))
        begin, end = max(row.start - extend, 0), min(row.end + extend, sizes[row.chrom])
        inside = (starts >= begin) & (starts + WINDOW_LENGTH <= end)
        starts, probabilities = starts[inside], probabilities[inside]
        assert row.windows == len(starts)
        if not len(starts):
            last = sizes[row.chrom] - WINDOW_LENGTH
            possible = range(begin, end - WINDOW_LENGTH + 1)
            holds_window = any(start % STRIDE == 0 or start == last for start in possible)
            assert row.status == ("unknown bases" if holds_window else "too short")
            assert {row.score, row.probability, row.expected_precision, row.position, row.mean_probability} == {None}
            continue
        best = probabilities.max()
        assert row.probability == best
        assert row.score == round(1000 * float(best))
        assert row.mean_probability == pytest.approx(float(probabilities.astype(np.float64).mean()), rel=1e-5)
        assert row.status == ("hit" if best >= np.float32(threshold) else "below threshold")
        # the centre of the middle window of the leftmost run of windows that share the best probability
        level = np.rint(probabilities.astype(np.float64) * 1e6)
        run = [int(np.flatnonzero(level == np.rint(float(best) * 1e6))[0])]
        while (
            run[-1] + 1 < len(level)
            and level[run[-1] + 1] == level[run[0]]
            and starts[run[-1] + 1] <= starts[run[-1]] + STRIDE
        ):
            run.append(run[-1] + 1)
        assert row.position == starts[run[(len(run) - 1) // 2]] + WINDOW_LENGTH // 2


def some_regions(count: int) -> Listed:
    rng = np.random.default_rng(7)
    listed = []
    for _ in range(count):
        chrom = str(rng.choice(list(SIZES)))
        start = int(rng.integers(0, SIZES[chrom] - 1))
        listed.append((chrom, start, min(SIZES[chrom], start + int(rng.choice([1, 100, 101, 110, 111, 300, 2_000])))))
    return [*listed, ("chr1", 0, SIZES["chr1"]), ("chr1", 3_100, 3_300), listed[0], listed[1], ("short", 0, 90)]


@pytest.mark.parametrize("extend", [0, 55])
@pytest.mark.parametrize("batch", [None, 300])
def test_rows_equal_brute_force_over_the_windows_of_a_scan(
    sequences: dict[str, str], model: Model, monkeypatch: pytest.MonkeyPatch, extend: int, batch: int | None
) -> None:
    if batch is not None:
        monkeypatch.setattr(region_scores, "_WINDOWS_AT_ONCE", batch)
    listed = some_regions(300)
    windows = scan_windows(sequences, model=model)
    threshold = float(np.median(windows["chr1"][1]))
    rows = list(jundscan.score_regions(sequences, listed, model=model, extend=extend, threshold=threshold))
    check_rows(rows, listed, windows, threshold, SIZES, extend)
    assert {row.status for row in rows} == {"hit", "below threshold", "too short", "unknown bases"}


def test_accessibility_and_precision_are_those_of_the_best_window(sequences: dict[str, str], model: Model) -> None:
    track = {chrom: np.linspace(0, 1, size) for chrom, size in SIZES.items()}
    options: dict[str, Any] = {"model": model, "scale": "identity", "threshold": 0.0}
    rows = list(
        jundscan.score_regions(
            sequences, [("chr1", 0, 3_000), ("chr1", 0, 3_000), ("chr2", 0, 2_500)], track, **options
        )
    )
    hits = list(jundscan.scan(sequences, track, regions=["chr1:0-3000", "chr2"], **options))
    assert [(row.probability, row.position, row.expected_precision, row.accessibility) for row in rows[1:]] == [
        (hit.probability, hit.summit, hit.expected_precision, hit.accessibility) for hit in hits
    ]
    assert rows[0] == rows[1]


@pytest.mark.slow
@pytest.mark.data
def test_rows_of_all_dnase_peaks_equal_the_windows_of_a_scan(tmp_path: Path, run: Run) -> None:
    data = real_data()
    genome = data / "genome" / "hg19.chr22.partial.fa.gz"
    peaks = data / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz"
    track = data / "tracks" / "K562.accessibility.hg19.chr22.bw"
    options = ("--accessibility", track, "--allow-length-mismatch", "-q")
    ran = run("score", genome, peaks, *options, "-o", tmp_path / "s.tsv", "--json", tmp_path / "s.json")
    assert ran.code == 0, ran.err
    ran = run("scan", genome, *options, "--regions", peaks, "--format", "tsv", "-o", tmp_path / "w.tsv")
    assert ran.code == 0, ran.err
    table = pd.read_csv(tmp_path / "w.tsv", sep="\t", comment="#", names=["chrom", "start", "end", "probability"])
    windows = {"chr22": (table["start"].to_numpy(), table["probability"].to_numpy(np.float32))}
    with gzip.open(peaks, "rt") as file:
        listed = [(fields[0], int(fields[1]), int(fields[2])) for fields in (line.split("\t") for line in file)]
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["regions"] == len(listed) == 3_472
    rows = [typed(row) for row in csv.DictReader((tmp_path / "s.tsv").read_text().splitlines(), delimiter="\t")]
    check_rows(rows, listed, windows, record["threshold"], {"chr22": 51_304_566})
    assert record["windows_scored"] == len(table)


def typed(row: dict[str, str]) -> RegionScore:
    """Return the line of a table as a row; the mean is rounded there."""
    whole, real = (
        ("start", "end", "score", "position", "windows", "distance_to_tss"),
        ("expected_precision", "mean_probability"),
    )
    values: dict[str, Any] = {"nearest_gene": None, "distance_to_tss": None, **row}
    for name, text in row.items():
        if text == "":
            values[name] = None
        elif name in whole:
            values[name] = int(text)
        elif name in real:
            values[name] = float(text)
        elif name in ("probability", "accessibility"):
            values[name] = float(np.float32(text))
    return RegionScore(**values)


@pytest.fixture
def genome(tmp_path: Path, sequences: dict[str, str]) -> Path:
    return write_fasta(tmp_path / "genome.fa", sequences)


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    path = tmp_path / "regions.bed"
    path.write_text(
        '# comment\nchr2\t100\t400\tsecond, "quoted"\n1\t0\t900\nchr1\t10\t50\ttiny\nchr2\t100\t400\tagain\n'
    )
    return path


@pytest.mark.parametrize("name", ["s.tsv", "s.csv", "s.csv.gz", "s.txt"])
def test_table_is_read_by_pandas(tmp_path: Path, run: Run, genome: Path, bed: Path, name: str) -> None:
    ran = run("score", genome, bed, "-o", tmp_path / name, "--json", "-")
    assert ran.code == 0, ran.err
    assert "warning: 1 of 4 regions hold no window of 101 bases at stride 10; --extend 60 widens them enough" in ran.err
    content = (tmp_path / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    table = pd.read_csv(io.StringIO(text), sep="," if ".csv" in name else "\t")
    assert list(table.columns) == [name for name in RegionScore._fields if name not in GENE_COLUMNS]
    assert table["name"].fillna("").tolist() == ['second, "quoted"', "", "tiny", "again"]
    assert table["chrom"].tolist() == ["chr2", "chr1", "chr1", "chr2"]
    assert table["score"].isna().tolist() == [False, False, True, False]
    assert table.drop(columns="name").iloc[0].equals(table.drop(columns="name").iloc[3])
    record = json.loads(ran.out)
    assert record["status"]["too short"] == 1
    assert sum(record["status"].values()) == record["regions"] == 4
    assert [warning["code"] for warning in record["warnings"]].count("regions_too_short") == 1
    assert record["inputs"]["regions"]["path"] == str(bed)


def test_nearest_genes_are_those_of_the_regions(tmp_path: Path, run: Run, genome: Path, bed: Path) -> None:
    genes = tmp_path / "genes.bed"
    genes.write_text("chr1\t300\t700\tinside\t0\t+\nchr1\t2000\t2500\tdown\t0\t+\n")
    ran = run("score", genome, bed, "--genes", genes, "-q", "-o", tmp_path / "s.tsv")
    assert ran.code == 0, ran.err
    rows = [typed(row) for row in csv.DictReader((tmp_path / "s.tsv").read_text().splitlines(), delimiter="\t")]
    found = [(row.nearest_gene, row.distance_to_tss) for row in rows]
    assert found == [(None, None), ("inside", 0), ("inside", -251), (None, None)]
    again = jundscan.score_regions(genome, bed, genes=genes)
    assert [(row.nearest_gene, row.distance_to_tss) for row in again] == found


def test_advised_extension_gives_every_region_a_window(run: Run, genome: Path, bed: Path) -> None:
    ran = run("score", genome, bed, "--extend", 60, "-q")
    assert ran.code == 0
    assert ran.err == ""
    assert "too short" not in ran.out


def test_sequences_are_scored_one_by_one(tmp_path: Path, run: Run, sequences: dict[str, str], model: Model) -> None:
    """Names like those of ``bedtools getfasta`` are names, not positions."""
    records = {f"chr22:{at}-{at + 200}": sequences["chr2"][at : at + 200] for at in (2_000, 1_000, 0)} | {
        "tiny": "ACGT"
    }
    fasta = write_fasta(tmp_path / "promoters.fa", records)
    ran = run("score", "--sequences", fasta, "-q", "-o", tmp_path / "s.tsv")
    assert ran.code == 0, ran.err
    rows = [typed(row) for row in csv.DictReader((tmp_path / "s.tsv").read_text().splitlines(), delimiter="\t")]
    assert [row.name for row in rows] == [row.chrom for row in rows] == list(records)
    listed = [(name, 0, len(sequence)) for name, sequence in records.items()]
    windows = scan_windows(records, model=model)
    threshold = json.loads(run("score", "--sequences", fasta, "-q", "-o", "/dev/null", "--json", "-").out)["threshold"]
    check_rows(rows, listed, windows, threshold, {name: len(sequence) for name, sequence in records.items()})
    hits = run("scan", fasta, "--threshold", 0, "-q", "--no-header", "--region", "chr22:1000-1200").out
    assert {line.split("\t")[0] for line in hits.splitlines()} == {"chr22:1000-1200"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("chr2\t2400\t2501\tx", "line 2: chr2:2400-2501 reaches beyond the end of chr2, which has 2500 bases"),
        ("chrZ\t0\t200", "line 2: no chromosome chrZ in the genome, which has chr1, chr2"),
        ("chr1\t200\t100", "line 2: start 200 and end 100"),
        ("chr1\tx\t100", "line 2: start 'x' and end '100' must be whole numbers"),
    ],
)
def test_wrong_line_is_an_error(tmp_path: Path, run: Run, genome: Path, line: str, problem: str) -> None:
    (tmp_path / "r.bed").write_text(f"chr1\t0\t500\n{line}\n")
    ran = run("score", genome, tmp_path / "r.bed", "-o", tmp_path / "s.tsv")
    assert ran.code == 1
    assert problem in ran.err
    assert not (tmp_path / "s.tsv").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("{genome}",), "name a genome and a BED of regions, or --sequences"),
        (("{genome}", "{bed}", "--sequences", "{genome}"), "contradicts GENOME"),
        (("--sequences", "{genome}", "--accessibility", "{bed}"), "has no positions on sequences"),
        (("--sequences", "{genome}", "--genes", "{bed}"), "has no positions on sequences"),
        (("{genome}", "{bed}", "-o", "s.xlsx"), "workbooks of Excel are not written"),
        (("{genome}", "{bed}", "--extend", "-1"), "Invalid value for '--extend'"),
    ],
)
def test_usage_errors(run: Run, genome: Path, bed: Path, arguments: tuple[str, ...], problem: str) -> None:
    ran = run("score", *(one.format(genome=genome, bed=bed) for one in arguments))
    assert ran.code == 2
    assert problem in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("regions", "problem"),
    [
        (5, "must be the path of a BED"),
        ([], "none is given"),
        ([("chr1", 0)], r"regions\[0\]: must be \(chrom, start, end\)"),
        ([("chr1", 0, 200), (1, 0, 200)], r"regions\[1\]: chrom and name must be text"),
        ([("chr1", 5, 5)], r"regions\[0\]: end 5: must be a whole number, at least 6"),
        ([("chr1", 0, 200), ("chr1", 0, 99_999)], r"regions\[1\]: chr1:0-99999 reaches beyond"),
    ],
)
def test_wrong_regions_from_python_are_errors(
    sequences: dict[str, str], model: Model, regions: Any, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        jundscan.score_regions(sequences, regions, model=model)


def test_every_sequence_is_scored_without_regions(sequences: dict[str, str], model: Model) -> None:
    rows = list(jundscan.score_regions(sequences, model=model))
    assert [(row.name, row.start, row.end) for row in rows] == [(chrom, 0, size) for chrom, size in SIZES.items()]
