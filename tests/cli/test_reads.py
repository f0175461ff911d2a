"""Reads and fragments on the command line and in Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.cli import main
from jundscan.dna.letters import encode, one_hot
from jundscan.errors import InputError
from jundscan.io.shards import write_shards
from jundscan.model.model import Model
from tests.helpers.inputs import NEEDS_PYSAM, letters, write_bigwig, write_fasta, write_rows
from tests.helpers.reads import BARCODES, Read, count_by_hand, pair, write_alignments, write_fragments

SIZES = {"chr1": 60_000, "chr2": 20_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, fragments over it, and the same as BAM and as a bigWig that is counted by hand."""
    folder = tmp_path_factory.mktemp("reads")
    rng = np.random.default_rng(7)
    sequences = {chrom: letters(rng, size) for chrom, size in SIZES.items()}
    write_fasta(folder / "genome.fa", sequences)
    rows = []
    for chrom, size in SIZES.items():
        starts = np.clip(rng.normal(rng.choice((0.2, 0.5, 0.8), size // 8) * size, 900), 0, size - 600).astype(int)
        lengths = rng.integers(55, 600, len(starts))
        rows += [
            (chrom, start, start + length, BARCODES[start % 4])
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]
    write_fragments(folder / "atac.tsv.gz", rows)
    counts = count_by_hand(rows, sizes=SIZES)
    values = [
        (chrom, base, base + 1, float(counts[chrom][base]))
        for chrom in SIZES
        for base in np.flatnonzero(counts[chrom]).tolist()
    ]
    write_bigwig(folder / "atac.bw", SIZES, values)
    write_rows(folder / "peaks.bed", [("chr1", 5, 90, "p", 3)])
    windows = np.lib.stride_tricks.sliding_window_view(encode(sequences["chr1"].encode()), 101)[: 40 * 1_200 : 40]
    ids = np.array([f"chr1:{start}-{start + 101}" for start in range(0, 40 * 1_200, 40)])
    write_shards(folder / "shards", 0, one_hot(windows), y=rng.random(1_200) < 0.2, ids=ids)
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    return int(ended.value.code or 0)


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_a_scan_of_fragments_equals_that_of_a_track_counted_by_hand(folder: Path, tmp_path: Path) -> None:
    for name in ("atac.tsv.gz", "atac.bw"):
        options = ("--accessibility", folder / name, "--format", "tsv", "--json", tmp_path / f"{name}.json")
        assert run("scan", folder / "genome.fa", *options, "-o", tmp_path / f"{name}.tsv") == 0
    assert lines(tmp_path / "atac.tsv.gz.tsv") == lines(tmp_path / "atac.bw.tsv")
    record = json.loads((tmp_path / "atac.tsv.gz.json").read_text())
    assert record["accessibility"] == str(folder / "atac.tsv.gz")
    assert record["accessibility_values"] == {"kind": "fragments", "column": None}
    assert record["accessibility_reads"]["fragments"] == record["accessibility_reads"]["lines"] == 10_000
    assert "accessibility_reads" not in json.loads((tmp_path / "atac.bw.json").read_text())


@NEEDS_PYSAM
def test_a_track_of_reads_gives_the_scores_of_the_reads(folder: Path, tmp_path: Path) -> None:
    rows = [tuple(line.split("\t")) for line in _unpacked(folder / "atac.tsv.gz")]
    fragments = [(chrom, int(start), int(end), barcode) for chrom, start, end, barcode, _ in rows]
    bam = tmp_path / "atac.bam"
    write_alignments(bam, [read for n, row in enumerate(fragments) for read in pair(n, row)], SIZES)
    assert run("track", bam, "--genome", folder / "genome.fa", "-o", tmp_path / "made.bw") == 0
    assert run("track", folder / "atac.tsv.gz", "--genome", folder / "genome.fa", "-o", tmp_path / "f.bw") == 0
    for track in (bam, tmp_path / "made.bw", tmp_path / "f.bw"):
        output = ("-o", f"{track}.tsv")
        assert run("scan", folder / "genome.fa", "--accessibility", track, "--format", "tsv", *output) == 0
    expected = lines(Path(f"{bam}.tsv"))
    assert len(expected) > 7_000
    assert lines(tmp_path / "made.bw.tsv") == lines(tmp_path / "f.bw.tsv") == expected


def _unpacked(path: Path) -> list[str]:
    import gzip

    return gzip.decompress(path.read_bytes()).decode().splitlines()


def test_options_on_reads_reach_every_command(folder: Path, tmp_path: Path) -> None:
    reads = ("--accessibility", folder / "atac.tsv.gz", "--reads", "fragments")
    genome, target = folder / "genome.fa", tmp_path / "record.json"
    (tmp_path / "v.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t500\t.\tN\tA\t.\t.\t.\n"
    )
    commands = [
        ("scan", genome, *reads, "--region", "chr2", "-o", tmp_path / "hits.bed", "--json", target),
        ("scale", folder / "atac.tsv.gz", genome, "--reads", "fragments", "-o", target),
        ("evaluate", folder / "shards", "--genome", genome, *reads, "--json", target),
    ]
    if _has("matplotlib", "logomaker"):
        commands.append(
            ("explain", genome, *reads, "--region", "chr1:500-502", "-o", tmp_path / "why", "--json", target)
        )
    if _has("pysam"):
        commands.append(("variants", genome, tmp_path / "v.vcf", *reads, "-o", tmp_path / "e.tsv", "--json", target))
    for command in commands:
        assert run(*command, "--force") == 0
        assert json.loads(target.read_text())["accessibility_reads"]["counted_as"] == "fragments", command[0]


def _has(*packages: str) -> bool:
    from importlib.util import find_spec

    return all(find_spec(package) for package in packages)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("scan genome.fa --reads cuts", "has no reads to count: give --accessibility"),
        ("scan genome.fa --min-mapq 3", "has no reads to count: give --accessibility"),
        ("scan genome.fa --accessibility peaks.bed --reads cuts", "holds no reads"),
        ("scan genome.fa --accessibility atac.bw --min-mapq 3", "holds no reads"),
        ("scan genome.fa --accessibility atac.tsv.gz --min-mapq 3", "holds no mapping qualities"),
        ("scan genome.fa --accessibility atac.tsv.gz --min-mapq 256", "should be less than or equal to 255"),
        ("scan genome.fa --accessibility atac.tsv.gz --reads ends", "'ends' is not one of 'cuts', 'fragments'"),
        ("variants genome.fa v.vcf --accessibility atac.bw --reads cuts", "holds no reads"),
        ("explain genome.fa --region chr1:0-9 -o x --accessibility atac.bw --reads cuts", "holds no reads"),
        ("evaluate shards --genome genome.fa --accessibility atac.bw --reads cuts", "holds no reads"),
        ("scale atac.bw --reads cuts", "holds no reads"),
        ("track atac.tsv.gz --genome genome.fa -o x.bedgraph", "must end in .bw or .bigWig"),
        ("track atac.tsv.gz --alias a.txt -o x.bw", "needs --genome"),
        (
            "scan genome.fa --accessibility atac.tsv.gz --backend dask --scheduler tcp://x:1",
            "workers cannot count reads",
        ),
    ],
)
def test_wrong_options_are_usage_errors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, expected: str
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(os.listdir())
    assert run(*command.split()) == 2
    words = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert expected in words
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("track peaks.bed -o x.bw", "holds no reads: name a BAM, a CRAM or a fragments file"),
        ("track atac.tsv.gz -o x.bw", "does not state chromosome lengths"),
        ("track none.bam -o x.bw", "none.bam: No such file"),
        ("scan genome.fa --accessibility none.bam --reads cuts", "none.bam: No such file"),
        ("scale atac.tsv.gz", "does not state chromosome lengths"),
    ],
)
def test_wrong_inputs_are_errors_of_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, expected: str
) -> None:
    monkeypatch.chdir(folder)
    assert run(*command.split()) == 1
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert not Path("x.bw").exists()


def test_python_takes_reads_and_their_options(folder: Path, model: Model) -> None:
    genome, fragments = folder / "genome.fa", folder / "atac.tsv.gz"
    found = [
        np.concatenate(
            [chunk.probabilities for chunk in jundscan.scan(genome, track, windows=True, model=model, **how)]
        )
        for track, how in ((fragments, {}), (folder / "atac.bw", {}), (fragments, {"reads": "fragments"}))
    ]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize(
    ("accessibility", "options", "expected"),
    [
        (None, {"reads": "cuts"}, "need accessibility from a file"),
        ({"chr1": np.zeros(60_000)}, {"min_mapq": 3}, "need accessibility from a file"),
        ("atac.bw", {"reads": "cuts"}, "holds no reads"),
        ("atac.tsv.gz", {"reads": "ends"}, "reads 'ends': must be one of cuts, fragments"),
        ("atac.tsv.gz", {"min_mapq": -1}, "min_mapq -1: must be a whole number, from 0 to 255"),
        ("atac.tsv.gz", {"min_mapq": 20}, "holds no mapping qualities"),
    ],
)
def test_python_raises_for_wrong_options(
    folder: Path, model: Model, accessibility: object, options: dict[str, object], expected: str
) -> None:
    track = folder / accessibility if isinstance(accessibility, str) else accessibility
    with pytest.raises(InputError, match=expected):
        jundscan.scan(folder / "genome.fa", track, model=model, **options)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many reads that counting them takes a while."""
    starts = np.random.default_rng(0).integers(0, 59_000, 400_000)
    reads = [Read("a", 0, "chr1", int(start)) for start in starts]
    return write_alignments(tmp_path_factory.mktemp("deep") / "a.bam", reads, SIZES)


@NEEDS_PYSAM
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_scan_leaves_no_temporary_file(
    folder: Path, deep: Path, tmp_path: Path, number: signal.Signals
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "jundscan", "scan", folder / "genome.fa", "--accessibility", deep, "--stride", "1"]
    process = subprocess.Popen(
        [*map(str, command), "-o", str(tmp_path / "hits.bed")],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    # not the first file of all, with which tempfile tries the folder
    while not list(temporary.glob("jundscan.*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert os.listdir(temporary) == []
    assert not (tmp_path / "hits.bed").exists()
