"""Outputs do not depend on threads, sizes of tasks and calls, or order of completion; models have pinned hashes."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jundscan
from jundscan.cli.scan import Outputs, write_scan
from jundscan.model.load import DEFAULT_MODEL, default_model_path
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import score
from tests import golden
from tests.helpers.inputs import scale_of, write_rows
from tests.helpers.numpy_models import numpy_model

FORMS = {
    "bed": ("hits.bed", "p.bw"),
    "narrowPeak": ("hits.narrowPeak", "p.bedgraph.gz"),
    "table": ("hits.tsv", "p.bw"),
    "windows": ("windows.tsv.gz", "p.bedgraph"),
}


class Unsteady(Model):
    """A model whose calls take random times, so that tasks finish in a random order."""

    def slide(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        probabilities = super().slide(codes, accessibility, stride)
        time.sleep(float(np.random.default_rng().choice([0, 0, 0.001])))
        return probabilities


def content(path: Path) -> bytes:
    """Read a file without its comment lines."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data if path.suffix == ".bw" else b"".join(line for line in data.splitlines(True) if line[:1] != b"#")


@pytest.mark.slow
@pytest.mark.parametrize(("form", "stride"), [("bed", 10), ("narrowPeak", 20), ("table", 10), ("windows", 7)])
def test_outputs_do_not_depend_on_threads_sizes_and_order(
    tmp_path: Path, genome: Path, track: Path, model: Model, form: str, stride: int
) -> None:
    truth = write_rows(tmp_path / "peaks.bed", [("chr1", 500, 900), ("chr1", 3_000, 3_300), ("chr2", 40, 400)])
    unsteady = Unsteady(*(getattr(model, field.name) for field in fields(model)))

    def scanned(folder: Path, model: Model, threads: int, **sizes: int) -> dict[str, object]:
        folder.mkdir()
        hits, track_name = FORMS[form]
        outputs = Outputs(
            str(folder / hits), form, folder / track_name, truth=truth, accuracy_track=folder / "a.bedgraph"
        )
        settings = {"stride": stride, "scale": scale_of(model), "threshold_rule": ThresholdRule("threshold", 0.4)}
        with open_scan(genome, track, model=model, threads=threads, **settings) as ready:
            record = write_scan(ready, outputs, score(ready, **sizes))
        for key in ("seconds", "bases_per_second", "timings", "threads"):
            del record[key]
        files = {path.name: content(path) for path in folder.iterdir() if path.suffix not in (".tbi", ".csi")}
        assert len(files) == 3
        return {**files, "record": record}

    expected = scanned(tmp_path / "alone", model, 1)
    assert all(expected.values())
    sizes = [(700, 16), (333, 4_000), (1_234, 96), (5_000, 32), (1 << 18, 8_192)]
    for number, (task_bases, call_windows) in enumerate(sizes):
        threads = (1, 2, 3, 8)[number % 4]
        found = scanned(tmp_path / str(number), unsteady, threads, task_bases=task_bases, call_windows=call_windows)
        assert found == expected, (task_bases, call_windows, threads)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 10, 120])
@pytest.mark.parametrize("flank", [None, 200])
def test_probability_does_not_depend_on_other_windows_scanned(
    tmp_path: Path, genome: Path, track: Path, model: Model, stride: int, flank: int | None
) -> None:
    if flank is not None:
        model = numpy_model(model, flank, (101, 301, 1_101))
    settings = {"model": model, "stride": stride, "scale": scale_of(model)}

    def scores(sizes: dict[str, int], **scanned: Any) -> dict[tuple[str, int], float]:
        with open_scan(genome, track, **settings, **scanned) as ready:
            return {
                (scored.chrom, start): probability
                for scored in score(ready, **sizes)
                for start, probability in zip(scored.starts.tolist(), scored.probabilities.tolist(), strict=True)
            }

    every = scores({})
    smallest = 101 if stride > 1 else 116  # tasks of one window, and of 16 where each base begins one
    rng = np.random.default_rng(stride)
    lengths = {"chr1": 6_000, "chr2": 3_033, "chr3": 450}

    def random_regions(count: int, longest: int) -> list[tuple[str, int, int]]:
        chosen = []
        for chrom in rng.choice(list(lengths), count).tolist():
            start = int(rng.integers(0, lengths[chrom] - 300))
            chosen.append((chrom, start, min(start + int(rng.integers(260, longest)), lengths[chrom])))
        return chosen

    for number in range(8):
        named, listed = random_regions(2, 2_000), random_regions(12, 500)
        found = scores(
            {
                "task_bases": int(rng.choice([smallest, 700, 3_000, 1 << 18])),
                "call_windows": int(rng.choice([16, 64, 4_096])),
            },
            threads=int(rng.integers(1, 4)),
            regions=[f"{chrom}:{start}-{end}" for chrom, start, end in named],
            regions_file=write_rows(tmp_path / "regions.bed", listed) if number % 3 else None,
            exclude=write_rows(tmp_path / "exclude.bed", random_regions(3, 400)) if number % 2 else None,
        )
        assert found
        assert found == {place: every[place] for place in found}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_evaluate_does_not_depend_on_threads(model: Model, threads: int) -> None:
    codes = np.random.default_rng(9).integers(0, 5, (1_000, 101)).astype(np.uint8)
    one, more = (jundscan.evaluate(codes, model=model, threads=number).probabilities for number in (1, threads))
    assert np.array_equal(one, more)


def pinned() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((golden.FOLDER / "models.json").read_text())
    return found


def test_models_have_the_pinned_hashes() -> None:
    """A model changes only together with its golden files, which ``make golden`` writes."""
    exported = {path.parent.name: path for path in sorted(default_model_path().parents[1].glob("*/model.onnx"))}
    assert DEFAULT_MODEL in exported
    if len(exported) > 1:  # a checkout, not an installed wheel
        assert exported.keys() == pinned().keys()
    for name, path in exported.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == pinned()[name]["sha256"], f"{name}: see make golden"


@pytest.mark.slow
@pytest.mark.parametrize("name", pinned())
def test_golden_scores_of_each_model(name: str) -> None:
    path = default_model_path().parents[1] / name
    if not path.exists():
        pytest.skip("only the default model comes with a wheel")
    found, expected = golden.model_facts(path), pinned()[name]
    assert (found["name"], found["version"]) == (expected["name"], expected["version"])
    assert len(expected["probabilities"]) >= 20
    assert len(set(expected["probabilities"])) >= 10
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=1e-5)
