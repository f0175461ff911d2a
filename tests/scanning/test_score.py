"""Scans against a naive scan, and across sizes of tasks, threads and compression."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier, BoundedSemaphore, Lock
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jundscan
from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import IDENTITY
from jundscan.accessibility.track_scale import track_scale
from jundscan.dna.letters import UNKNOWN, encode, one_hot
from jundscan.errors import JundscanError
from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.io.fasta.genome import open_genome
from jundscan.io.shards import read_shards, write_shards
from jundscan.model.load import default_model_path, load_model
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.run.inputs import Inputs
from jundscan.scanning.outputs import Counter, feed
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import AROUND_MODEL_AT_ONCE, call_hits, score
from tests.helpers.inputs import Row, genome_letters, scale_of, write_bigwig, write_fasta, write_rows
from tests.helpers.numpy_models import numpy_model

Scores = dict[tuple[str, int], float]


def read_rows(path: Path) -> list[Row]:
    fields = [line.split("\t") for line in path.read_text().splitlines()]
    return [(chrom, int(start), int(end), float(value)) for chrom, start, end, value in fields]


@pytest.fixture(params=["the shipped one", "one that sees far"])
def any_model(model: Model, request: pytest.FixtureRequest) -> Model:
    """The installed model, and a model whose flanks are longer than chr3."""
    return model if request.param == "the shipped one" else numpy_model(model, 460, (101, 301, 1_101))


def naive_scores(
    sequences: Mapping[str, str],
    model: Model,
    stride: int,
    rows: Sequence[Row] | None = None,
    inside: Sequence[tuple[str, int, int]] | None = None,
    outside: Sequence[tuple[str, int, int]] = (),
) -> Scores:
    """Score one window at a time; windows lie wholly in ``inside`` and touch nothing in ``outside``."""
    scores = {}
    beside = max(model.flank, 2_000)
    for chrom, letters in sequences.items():
        signal = np.full(len(letters), np.nan if rows is None else 0.0)
        for name, start, end, value in rows or ():
            if name == chrom:
                signal[start:end] = np.maximum(signal[start:end], value)
        signal = np.pad(signal, beside)  # beyond the ends: not open, and no letters
        codes = np.pad(encode(letters.encode()), beside, constant_values=UNKNOWN)
        starts = set(range(0, len(letters) - 100, stride)) | ({len(letters) - 101} if len(letters) > 100 else set())
        for start in sorted(starts):
            end = start + 101
            if set(letters[start:end].upper()) - set("ACGT"):
                continue
            if inside is not None and not any(c == chrom and s <= start and end <= e for c, s, e in inside):
                continue
            if any(c == chrom and start < e and s < end for c, s, e in outside):
                continue
            centre, first = start + 50 + beside, start + beside
            means = [signal[centre - width // 2 : centre + width // 2 + 1].mean() for width in model.widths]
            mapped = scale_of(model).apply_all(np.array([means], np.float32), model.widths)
            seen = codes[first - model.flank : first + 101 + model.flank]
            scores[chrom, start] = float(model.predict(seen[None], mapped)[0])
    return scores


def collect(ready: Scan, counter: Counter | None = None, **sizes: int) -> Scores:
    return {
        (chunk.chrom, start): probability
        for chunk in feed(score(ready, **sizes), [counter] if counter else [])
        for start, probability in zip(chunk.starts.tolist(), chunk.probabilities.tolist(), strict=True)
    }


def counts(counter: Counter) -> tuple[int, int, int]:
    found = counter.finish()
    return found["windows_scored"], found["windows_skipped"], found["bases_scanned"]


def assert_same(found: Scores, expected: Scores) -> None:
    assert list(found) == list(expected)  # in genome order, too
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [3, 10, 101, 150])
@pytest.mark.parametrize("with_track", [False, True])
def test_windows_equal_a_naive_scan(
    genome: Path, track: Path, sequences: dict[str, str], any_model: Model, stride: int, with_track: bool
) -> None:
    rows, given = (read_rows(track), track) if with_track else (None, None)
    with open_scan(genome, given, model=any_model, stride=stride, scale=scale_of(any_model), threads=2) as ready:
        expected = naive_scores(sequences, any_model, stride, rows)
        counter = Counter(ready)
        assert_same(collect(ready, counter), expected)
        windows = sum(len(set(range(0, len(s) - 100, stride)) | {len(s) - 101}) for s in sequences.values() if s[100:])
        bases = len({(chrom, start + base) for chrom, start in expected for base in range(101)})
        assert counts(counter) == (len(expected), windows - len(expected), bases)


@pytest.mark.slow
def test_stride_1_scores_every_window(tmp_path: Path, any_model: Model) -> None:
    sequences = {"a": genome_letters(np.random.default_rng(1), 900), "b": "acgt" * 26}
    with open_scan(write_fasta(tmp_path / "g.fa", sequences), model=any_model, stride=1) as ready:
        assert_same(collect(ready), naive_scores(sequences, any_model, 1))


def test_strides_longer_than_window_and_flanks(tmp_path: Path, any_model: Model) -> None:
    rng = np.random.default_rng(5)
    sequences = {name: genome_letters(rng, size) for name, size in (("a", 9_000), ("b", 1_500), ("c", 101), ("d", 700))}
    with open_scan(write_fasta(tmp_path / "g.fa", sequences), model=any_model, stride=1_300) as ready:
        expected = naive_scores(sequences, any_model, 1_300)
        for size in (101, 3_000, 1 << 18):
            assert_same(collect(ready, task_bases=size), expected)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mlp", "cnn", "lstm"])
def test_sliding_equals_single_windows_for_each_family(genome: Path, track: Path, sequences, family: str) -> None:
    path = default_model_path().parents[1] / f"jund-2-{family}"
    if not path.exists():
        pytest.skip("only the default model comes with a wheel")
    model = load_model(path, "cpu")
    with open_scan(genome, track, model=model, stride=25, scale=scale_of(model)) as ready:
        assert_same(collect(ready), naive_scores(sequences, model, 25, read_rows(track)))


@pytest.mark.slow
def test_regions_and_exclusions_choose_the_windows(tmp_path: Path, genome: Path, sequences, any_model: Model) -> None:
    inside = [("chr1", 1_003, 2_500), ("chr1", 2_400, 3_000), ("chr2", 2_000, 3_033), ("chr3", 0, 450)]
    outside = [("chr1", 1_800, 1_801), ("chr2", 2_300, 2_500)]
    regions_file = write_rows(tmp_path / "regions.bed", inside[1:])
    exclude = write_rows(tmp_path / "exclude.bed", outside)
    with open_scan(
        genome,
        model=any_model,
        stride=7,
        regions=["1:1,003-2,500"],
        regions_file=regions_file,
        exclude=exclude,
    ) as ready:
        merged = [("chr1", 1_003, 3_000), *inside[2:]]
        assert_same(collect(ready), naive_scores(sequences, any_model, 7, inside=merged, outside=outside))


def naive_hits(scores: Scores, threshold: float) -> list[tuple[str, int, int, float, int]]:
    """Join positive windows that overlap; the summit is the middle of the leftmost run of best ones."""
    groups: list[list[tuple[str, int, float]]] = []
    for (chrom, start), probability in scores.items():
        if np.float32(probability) < np.float32(threshold):
            continue
        if groups and groups[-1][-1][0] == chrom and start < groups[-1][-1][1] + 101:
            groups[-1].append((chrom, start, probability))
        else:
            groups.append([(chrom, start, probability)])
    places = {place: number for number, place in enumerate(scores)}
    hits = []
    for group in groups:
        best = max(probability for _, _, probability in group)
        top = [(chrom, start) for chrom, start, probability in group if round(probability, 6) == round(best, 6)]
        plateau = [top[0]]
        while len(plateau) < len(top) and places[top[len(plateau)]] == places[plateau[-1]] + 1:
            plateau.append(top[len(plateau)])
        chrom, first, _ = group[0]
        hits.append((chrom, first, group[-1][1] + 101, best, plateau[(len(plateau) - 1) // 2][1] + 50))
    return hits


@pytest.mark.slow
@pytest.mark.parametrize("stride", [10, 40, 101])
def test_hits_equal_naive_hits(tmp_path: Path, model: Model, stride: int) -> None:
    rng = np.random.default_rng(stride)
    sequences = {name: genome_letters(rng, 12_000).replace("n", "a") for name in ("a", "b")}
    path = write_fasta(tmp_path / "g.fa", sequences)
    with open_scan(path, model=model, stride=stride) as ready:
        scores = collect(ready)
    threshold = float(np.quantile(list(scores.values()), 0.8))
    expected = naive_hits(scores, threshold)
    found = list(jundscan.scan(path, model=model, stride=stride, threshold=threshold))
    assert len(found) > 10
    assert [hit[:3] for hit in found] == [hit[:3] for hit in expected]
    np.testing.assert_allclose([hit.probability for hit in found], [hit[3] for hit in expected])
    assert [hit.summit for hit in found] == [hit[4] for hit in expected]
    with open_scan(
        path, model=model, stride=stride, threshold_rule=ThresholdRule("threshold", threshold), threads=3
    ) as ready:
        pieces = [hits for _, hits in call_hits(ready, score(ready, task_bases=150))]
    assert np.concatenate([piece.start for piece in pieces]).tolist() == [hit.start for hit in found]
    assert np.concatenate([piece.summit for piece in pieces]).tolist() == [hit.summit for hit in found]


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 10, 150])
def test_threads_and_sizes_of_tasks_and_calls_change_no_bit(
    genome: Path, track: Path, any_model: Model, stride: int
) -> None:
    settings: dict[str, Any] = {"model": any_model, "stride": stride, "scale": scale_of(any_model)}

    def scores(threads: int, **sizes: int) -> NDArray[np.float32]:
        with open_scan(genome, track, threads=threads, **settings) as ready:
            return np.concatenate([scored.probabilities for scored in score(ready, **sizes)])

    expected = scores(1)
    # at stride 1 a task of 101 bases is one window
    for task_bases, call_windows, threads in [
        (101 if stride > 1 else 150, 16, 2),
        (700, 4_096, 3),
        (1 << 16, 32, 1),
        (1_234, 96, 2),
    ]:
        found = scores(threads, task_bases=task_bases, call_windows=call_windows)
        assert np.array_equal(found, expected), (task_bases, call_windows, threads)


def test_many_threads_call_the_model_while_few_work_around_it(
    genome: Path, track: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, around, most = 8, 0, 0
    lock, first_calls, together = Lock(), BoundedSemaphore(8), Barrier(threads, timeout=30)
    accessibility_of, run = Inputs.accessibility_of, model.session.run

    def slow(*arguments: Any) -> NDArray[np.float32]:
        nonlocal around, most
        with lock:
            around += 1
            most = max(most, around)
        found = accessibility_of(*arguments)
        time.sleep(0.05)
        with lock:
            around -= 1
        return found

    class Session:
        def run(self, *arguments: Any) -> Any:
            if first_calls.acquire(blocking=False):
                together.wait()  # raises unless all threads are inside a call
            return run(*arguments)

    monkeypatch.setattr(Inputs, "accessibility_of", slow)
    with open_scan(genome, track, model=replace(model, session=Session()), threads=threads) as ready:
        scored = sum(len(chunk.starts) for chunk in score(ready, task_bases=300))
    assert scored > 100
    assert most == AROUND_MODEL_AT_ONCE


def test_compressed_genomes_give_the_same_scores(tmp_path: Path, sequences: dict[str, str], model: Model) -> None:
    found = []
    for packed, name in (("plain", "g.fa"), ("gzip", "g.fa.gz"), ("bgzip", "h.fa.gz")):
        with open_scan(write_fasta(tmp_path / name, sequences, packed), model=model) as ready:
            found.append(collect(ready, task_bases=500))
    assert found[0]
    assert found[0] == found[1] == found[2]


def test_bigwig_and_bedgraph_give_the_same_scores(tmp_path: Path, genome: Path, sequences, model: Model) -> None:
    sizes = {chrom: len(letters) for chrom, letters in sequences.items()}
    rows = [("chr1", at, at + 70, 0.1 + at / 10_000) for at in range(0, 5_900, 300)] + [("chr2", 0, 3_000, 0.5)]
    scores = []
    for path in (write_rows(tmp_path / "t.bedgraph", rows), write_bigwig(tmp_path / "t.bw", sizes, rows)):
        with open_scan(genome, path, model=model, scale=scale_of(model), regions=["chr1", "chr2"]) as ready:
            scores.append(list(collect(ready).values()))
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_unknown_chromosomes_are_scored_from_sequence_alone(genome: Path, track: Path, any_model: Model) -> None:
    options: dict[str, Any] = {"model": any_model, "scale": scale_of(any_model), "missing_chromosomes": "unknown"}
    with open_scan(genome, model=any_model) as alone, open_scan(genome, track, **options) as ready:
        without, found = collect(alone), collect(ready)
    assert {place: p for place, p in found.items() if place[0] == "chr3"} == {
        place: p for place, p in without.items() if place[0] == "chr3"
    }
    assert any(found[place] != without[place] for place in found if place[0] == "chr1")


def test_scale_comes_from_the_whole_track(genome: Path, track: Path, model: Model) -> None:
    fasta = open_genome(genome)
    with open_track(track) as opened:
        expected = track_scale(fasta, match_chromosomes(fasta, opened), model.widths)
    with open_scan(genome, track, model=model, regions=["chr2:1000-2000"], stride=50) as ready:
        assert ready.inputs.scale.to_dict() == expected.to_dict()


def test_evaluate_and_scan_give_the_same_probabilities(tmp_path: Path, genome: Path, track: Path, sequences, model):
    rng = np.random.default_rng(0)
    rows = [(chrom, start, end, min(value, 1)) for chrom, start, end, value in read_rows(track)]
    mapped = write_rows(tmp_path / "mapped.bedgraph", rows)
    model = numpy_model(model, 0)  # shards hold nothing but windows
    with open_scan(genome, mapped, model=model, stride=1, scale=IDENTITY) as ready:
        scores = collect(ready)
    places = [list(scores)[at] for at in sorted(rng.choice(len(scores), 300, replace=False))]
    codes = np.stack([encode(sequences[chrom][start : start + 101].encode()) for chrom, start in places])
    with open_track(mapped) as opened:
        a = [
            opened.window_means(chrom, np.array([start]))[0] if chrom in opened.names else 0.0
            for chrom, start in places
        ]
    write_shards(tmp_path / "shards", 0, one_hot(codes), a=np.array(a))
    result = evaluate_shards(read_shards(tmp_path / "shards"), model, scale=IDENTITY)
    np.testing.assert_allclose(result.probabilities, [scores[place] for place in places], atol=1e-6)


def test_genome_of_unknown_letters_has_no_scored_window(tmp_path: Path, model: Model) -> None:
    with open_scan(write_fasta(tmp_path / "g.fa", {"a": "N" * 500}), model=model) as ready:
        counter = Counter(ready)
        assert collect(ready, counter) == {}
        assert counts(counter) == (0, 41, 0)


def test_identity_scale_warns_of_values_above_1(tmp_path: Path, genome: Path, model: Model, caplog) -> None:
    raw = write_rows(tmp_path / "raw.bedgraph", [("chr1", 0, 6_000, 37.5)])
    with open_scan(genome, raw, model=model, scale=IDENTITY) as ready:
        collect(ready)
    assert "above 1 is no percentile" in caplog.text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stride": 0}, "stride 0: must be a whole number, from 1 to 1,000,000"),
        ({"stride": 2.5}, "stride 2.5: must be a whole number"),
        ({"stride": 10**12}, "stride 1000000000000: must be"),
        ({"threads": 0}, "threads 0: must be a whole number, at least 1"),
        ({"threads": 1.5}, "threads 1.5: must be"),
        ({"stride": True}, "stride True: must be"),
        ({"stride": "10"}, "stride '10': must be"),
        ({"threshold": 2}, "threshold 2: not a number between 0 and 1"),
        ({"threshold": float("nan")}, "threshold nan: not a number between"),
        ({"threshold": "0.5"}, "threshold '0.5': not a number between"),
        ({"fpr": -0.1}, "fpr -0.1: not a number between"),
        ({"bed_value": "depth"}, "bed_value 'depth': must be one of score, presence"),
        ({"regions": [("chr1", 0, 500)]}, "must be text, chrom:start-end"),
        ({"regions": "chr9"}, "no such chromosome"),
    ],
    ids=repr,
)
def test_wrong_options_raise_errors(genome: Path, model: Model, options: dict[str, Any], says: str) -> None:
    with pytest.raises(JundscanError, match=re.escape(says)):
        jundscan.scan(genome, model=model, **options)


@pytest.mark.parametrize("device", ["gpu", "CPU", "cuda:x", 0, None])
def test_unknown_devices_raise_errors(device: Any) -> None:
    with pytest.raises(JundscanError, match="must be one of auto, cpu, cuda"):
        jundscan.load_model(device=device)


def test_one_region_needs_no_list(genome: Path, model: Model) -> None:
    one, same = (list(jundscan.scan(genome, model=model, threshold=0, regions=given)) for given in ("chr1", ["chr1"]))
    assert one == same != []


def test_numpy_numbers_are_accepted_as_options(genome: Path, model: Model) -> None:
    one, same = (
        list(jundscan.scan(genome, model=model, threshold=given, stride=stride, threads=stride))
        for given, stride in ((0.0, 10), (np.float32(0), np.uint8(10)))
    )
    assert one == same != []


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from jundscan.cli.scan import Outputs, write_scan
from jundscan.scanning.plan import open_scan

folder, megabases = Path(sys.argv[1]), int(sys.argv[2])
line = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), 100_000).tobytes() + b"\\n"
genome = folder / f"{megabases}.fa"
with genome.open("wb") as file:
    file.write(b">chr1\\n")
    for _ in range(10 * megabases):
        file.write(line)
with (folder / "t.bedgraph").open("w") as file:
    for start in range(0, 3_000_000, 10_000):
        file.write(f"chr1\\t{start}\\t{start + 200}\\t{1 + start % 970_000}\\n")
out = folder / f"{megabases}.tsv"
with open_scan(genome, folder / "t.bedgraph", stride=25, threads=2) as ready:
    record = write_scan(ready, Outputs(str(out), "windows", track=folder / f"{megabases}.bw"))
    assert record["windows_scored"] > 39_000 * megabases
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_genome(tmp_path: Path) -> None:
    def peak(megabases: int) -> int:
        command = [sys.executable, "-c", MEMORY, str(tmp_path), str(megabases)]
        return int(
            subprocess.run(command, capture_output=True, check=True, text=True, cwd=Path(__file__).parents[2]).stdout
        )

    assert peak(18) < 1.1 * peak(3)
