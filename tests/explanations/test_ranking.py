"""The strongest hits: ranked by exact probability, whatever scores the file has."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.accessibility.scale import IDENTITY
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.explanations.ranking import HIT_BASES, read_hits, strongest_hits
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.model.model import Model
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import Hit as FoundHit
from tests.conftest import Run
from tests.helpers.inputs import letters, write_fasta, write_rows

MANY = ("--accessibility-scale", "identity", "--threshold", 0.9)


@pytest.fixture(scope="module")
def many() -> dict[str, str]:
    """Make three chromosomes with 180 sites."""
    rng = np.random.default_rng(11)
    pieces = [[letters(rng, int(rng.integers(380, 420))) + "TGACTCA" for _ in range(60)] for _ in range(3)]
    return {f"chr{number}": "".join(some) for number, some in enumerate(pieces, 1)}


@pytest.fixture
def inputs(tmp_path: Path, many: dict[str, str]) -> tuple[Path, Path]:
    """Write their FASTA, and a track that is open at the sites, so that scores of hits tie."""
    rng = np.random.default_rng(1)
    rows = []
    for chrom, sequence in many.items():
        for site in re.finditer("TGA[CG]TCA", sequence):
            start = max(0, site.start() - 75)
            rows.append((chrom, start, min(start + 150, len(sequence)), rng.choice([0.99, 0.995, 0.999])))
    return write_fasta(tmp_path / "many.fa", many), write_rows(tmp_path / "open.bedgraph", rows)


def ready_for(inputs: tuple[Path, Path], model: Model) -> Scan:
    return open_scan(*inputs, model=model, scale=IDENTITY, threads=2)


def exact_hits(inputs: tuple[Path, Path], model: Model, stride: int = 10) -> list[FoundHit]:
    return list(jundscan.scan(*inputs, model=model, scale="identity", threshold=0.9, stride=stride))


def explained(hit: FoundHit) -> tuple[str, int, int]:
    first = max(0, (hit.start + hit.end - HIT_BASES) // 2)
    return hit.chrom, first, first + HIT_BASES


def best_of(hits: list[FoundHit], top: int) -> list[tuple[tuple[str, int, int], float]]:
    found = sorted(hits, key=lambda hit: -hit.probability)[:top]
    return [(explained(hit), hit.probability) for hit in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stride", "form"), [(1, "bed"), (5, "bed"), (10, "bed"), (10, "narrowPeak"), (37, "bed"), (100, "narrowPeak")]
)
def test_hits_are_ranked_by_exact_probability(
    tmp_path: Path,
    run: Run,
    inputs: tuple[Path, Path],
    model: Model,
    stride: int,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, track = tmp_path / f"hits.{form}", ("--accessibility", inputs[1])
    assert run("scan", inputs[0], *track, *MANY, "--stride", stride, "--format", form, "-o", path, "-q").code == 0
    expected = exact_hits(inputs, model, stride)
    ties = Counter(round(1000 * hit.probability) for hit in expected)
    assert len(expected) > 100
    assert max(ties.values()) > 5
    monkeypatch.setattr("jundscan.scanning.score.MIN_TASK_BASES", WINDOW_LENGTH + 2 * stride)  # hits straddle tasks
    with ready_for(inputs, model) as ready:
        found = strongest_hits(ready, read_hits(path, ready), 50)
    assert [(tuple(hit.region), hit.probability) for hit in found] == best_of(expected, 50)
    by_score = sorted(expected, key=lambda hit: -round(1000 * hit.probability))[:50]
    assert [explained(hit) for hit in by_score] != [tuple(hit.region) for hit in found]


@pytest.mark.slow
def test_command_and_python_explain_the_same_strongest_hits(
    tmp_path: Path, run: Run, inputs: tuple[Path, Path], model: Model
) -> None:
    pytest.importorskip("logomaker")
    path, track = tmp_path / "hits.bed", ("--accessibility", inputs[1])
    assert run("scan", inputs[0], *track, *MANY, "-o", path, "-q", "--no-header").code == 0
    ran = run("explain", inputs[0], *track, *MANY, "--hits", path, "--top", 4, "-o", tmp_path / "why", "--json", "-")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    hits = exact_hits(inputs, model)
    expected = best_of(hits, 4)
    assert record["hits"] == [f"{chrom}:{start}-{end}" for (chrom, start, end), _ in expected]
    assert np.float32(record["hit_probabilities"]).tolist() == [probability for _, probability in expected]
    assert "strongest hits score below" not in ran.err
    options = {"model": model, "scale": "identity", "threshold": 0.9}
    for given in (path, iter(hits)):
        some = jundscan.explain(inputs[0], "chr1:0-5", inputs[1], hits=given, top=2, **options)
        assert [tuple(one.region) for one in some] == [("chr1", 0, 5), *(region for region, _ in expected[:2])]


def test_scores_in_the_file_do_not_change_the_ranking(
    tmp_path: Path, inputs: tuple[Path, Path], model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    hits = exact_hits(inputs, model)[::-1]
    files = {
        "plain.bed": [(hit.chrom, hit.start, hit.end) for hit in hits],
        "other.bed": [(hit.chrom, hit.start, hit.end, "x", number, ".") for number, hit in enumerate(hits)],
        "odd.bed": [(hit.chrom[3:], hit.start, hit.end, "x", "strong", ".") for hit in hits],
    }
    with ready_for(inputs, model) as ready:
        for name, rows in files.items():
            found = strongest_hits(ready, read_hits(write_rows(tmp_path / name, rows), ready), 30)
            assert [(tuple(hit.region), hit.probability) for hit in found] == best_of(hits[::-1], 30)
    assert "strongest hits score below" not in caplog.text
    with open_scan(inputs[0], model=model) as alone:  # without the scan's track
        found = strongest_hits(alone, read_hits(tmp_path / "plain.bed", alone), 30)
    assert found[0].probability < max(hit.probability for hit in hits)
    assert re.search(r"plain.bed: \d+ of the 30 strongest hits score below the threshold of 0\.98\d* here", caplog.text)


def test_strongest_hits_equal_a_loop_over_windows(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(5)
    genome = {"chr1": letters(rng, 3_000) + "N" * 400 + letters(rng, 500), "chr2": letters(rng, 700)}
    rows = [("chr1", int(start), int(start + length)) for start, length in rng.integers(1, 400, (20, 2)) * [6, 1]]
    rows += [("chr2", 0, 700), ("chr2", 0, 54), ("chr2", 650, 700), ("2", 333, 334), ("chr1", 3_050, 3_350)]
    rows += [("chr1", 3_200, 3_260), ("chr2", 0, 54)]
    path = write_rows(tmp_path / "peaks.bed", [*rows, ("chrZ", 1, 9)])
    known = {
        (chunk.chrom, start): probability
        for chunk in jundscan.scan(genome, model=model, stride=1, windows=True)
        for start, probability in zip(chunk.starts.tolist(), chunk.probabilities.tolist(), strict=True)
    }
    expected = []
    for name, start, end in rows:
        chrom = "chr" + name.removeprefix("chr")
        first = max(0, (start + end - HIT_BASES) // 2)
        region = (chrom, first, min(first + HIT_BASES, len(genome[chrom])))
        within = (start, end) if end - start >= WINDOW_LENGTH else region[1:]
        windows = range(within[0], within[1] - WINDOW_LENGTH + 1)
        expected.append(
            (max((known.get((chrom, at), -1.0) for at in windows), default=-1.0), chrom, start, end, region)
        )
    expected.sort(key=lambda row: (-row[0], *row[1:]))
    with open_scan(MemoryGenome(genome), model=model) as ready:
        found = strongest_hits(ready, read_hits(path, ready), 1_000)
    assert [tuple(hit.region) for hit in found] == [row[-1] for row in expected]
    assert [-1 if np.isnan(hit.probability) else hit.probability for hit in found] == [row[0] for row in expected]
    assert np.isnan([hit.probability for hit in found]).sum() == 2  # all bases unknown


def test_hits_outside_the_genome_cause_a_warning_or_an_error(
    tmp_path: Path, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    genome = MemoryGenome({"chr1": letters(np.random.default_rng(0), 500)})
    rows = [("chr1", 300, 600), ("chr1", 600, 700), ("chr1", 0, 101), ("chr9", 0, 101)]
    with open_scan(genome, model=model) as ready:
        path = write_rows(tmp_path / "hits.bed", rows)
        found = strongest_hits(ready, read_hits(path, ready), 9)
        assert {tuple(hit.region) for hit in found} == {("chr1", 324, 475), ("chr1", 0, 151)}
        assert f"{path}: 2 of 4 hits beyond the chromosome's end; another assembly?" in caplog.text
        for lost in (rows[1:2], rows[3:]):
            with pytest.raises(InputError, match=r"none of its hits is on a chromosome of .*, or before its end"):
                read_hits(write_rows(tmp_path / "lost.bed", lost), ready)
        with pytest.raises(InputError, match="one on chr1 has a start below 0, or not below its end"):
            read_hits([FoundHit("chr1", 50, 50, 0.5, 50)], ready)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hits.bed", b""),
        ("hits.bed", None),
        ("hits.narrowPeak", None),
        ("hits.bed.gz", None),
        ("hits.bed.gz", gzip.compress(b"", mtime=0)),
    ],
)
def test_scan_without_hits_gives_empty_explanations_and_a_warning(
    tmp_path: Path, run: Run, genome: Path, name: str, content: bytes | None
) -> None:
    pytest.importorskip("logomaker")
    path, folder = tmp_path / name, tmp_path / "why"
    if content is None:
        if name.endswith(".gz"):
            pytest.importorskip("pysam")
        form = "narrowPeak" if "narrowPeak" in name else "bed"
        assert run("scan", genome, "--threshold", 1, "-o", path, "--format", form, "-q").code == 0
    else:
        path.write_bytes(content)
    ran = run("explain", genome, "--hits", path, "-o", folder, "--json", "-", "-q")
    assert ran.code == 0
    assert ran.err == f"warning: {path}: holds no hit, so none is explained\n"
    tables = {"mutagenesis.tsv", "contributions.bedgraph", "accessibility.tsv", "sites.bed"}
    assert {file.name for file in folder.iterdir()} == tables
    for file in folder.iterdir():
        assert all(line.startswith(("#", "track")) for line in file.read_text().splitlines())
    record = json.loads(ran.out)
    assert (record["hits"], record["hit_probabilities"], record["bases"]) == ([], [], 0)
    assert {Path(file).name for file in record["files"]} == tables


@pytest.mark.slow
def test_older_pictures_of_hits_are_removed_with_force(tmp_path: Path, run: Run, genome: Path) -> None:
    pytest.importorskip("logomaker")
    folder = tmp_path / "why"
    folder.mkdir()
    (folder / "hits.png").write_text("older")
    arguments = ("explain", genome, "--hits", write_rows(tmp_path / "h.bed", []), "-o", folder, "-q")
    failed = run(*arguments)
    assert failed.code == 1
    assert "hits.png" in failed.err
    ran = run(*arguments, "--region", "chr1:100-150", "--force")
    assert ran.code == 0
    assert not (folder / "hits.png").exists()
    assert (folder / "chr1_100-150.png").exists()
