"""Scans with a real Dask scheduler and two real workers on this machine, against the same scan without them."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from jundscan.accessibility.scale import IDENTITY
from jundscan.cli.scan import Outputs, write_scan
from jundscan.cluster.client import SUBMITTED_PER_THREAD, divide_spans, score_together_on_cluster
from jundscan.cluster.worker import Part, forget, score_spans
from jundscan.errors import ClusterError
from jundscan.model.model import Model
from jundscan.options import ThresholdRule
from jundscan.scanning.outputs import Counter, feed
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import ScoredWindows, score
from tests.conftest import Run
from tests.helpers.groups import EXAMPLES, write_groups
from tests.helpers.inputs import letters, track_rows, write_fasta, write_rows
from tests.helpers.windows import window_starts

ROOT = Path(__file__).parents[2]
LARGE = {"chr1": 900_000, "chr2": 500_000, "chr3": 90, "chr4": 300_000, "chr5": 4_000}


def score_on_cluster(scan: Scan, *arguments: Any, **options: Any) -> Iterator[ScoredWindows]:
    """Score one scan on a cluster."""
    with closing(score_together_on_cluster([scan], *arguments, **options)) as together:
        for (chunk,) in together:
            yield chunk


# without a cluster: cutting a scan into tasks, and the work of a worker


def test_reads_are_not_sent_to_workers(tmp_path: Path, genome: Path, model: Model) -> None:
    from jundscan.cluster.client import _job

    rows = [("chr1", at, at + 150, "AAACGAAAGACTCGGA-1", 1) for at in range(0, 5_000, 7)]
    reads = write_rows(tmp_path / "fragments.tsv", rows)
    with (
        open_scan(genome, reads, model=model, scale=IDENTITY) as ready,
        pytest.raises(ClusterError, match="cannot count reads; convert them: jundscan track"),
    ):
        _job(ready, True, "one")


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 7, 10, 150])
@pytest.mark.parametrize("most", [202, 1_000, 5_000, 10**6])
def test_tasks_hold_every_window_once(genome: Path, model: Model, stride: int, most: int) -> None:
    regions = ["chr1:33-2000", "chr1:2005-5999", "chr2", "chr3:100-450"]
    with open_scan(genome, model=model, stride=stride, regions=regions) as ready:
        tasks = list(divide_spans(ready, most))

        def starts(spans) -> list[tuple[str, int]]:
            sizes = ready.genome.chromsizes
            return [
                (chrom, at) for chrom, start, end in spans for at in window_starts(start, end, sizes[chrom], stride)
            ]

        assert starts(region for task in tasks for region in task) == starts(ready.spans)
        assert (len(tasks) == 1) == (most == 10**6)
        assert all(sum(end - start for _, start, end in task) <= max(most, 202) + 2 * 101 for task in tasks)


class Alone:
    """A client of one thread in this process."""

    def __init__(self) -> None:
        self.submitted = 0
        self._thread = ThreadPoolExecutor(1)

    def submit(self, function, *, pure: bool):
        self.submitted += 1
        return self._thread.submit(function)

    def run(self, function, **options: object) -> None:
        function()

    def ncores(self) -> dict[str, int]:
        return {"here": 1}


@pytest.fixture
def here() -> Iterator[Alone]:
    """Stand in for a cluster; the tasks themselves are the real ones."""
    yield Alone()
    forget()


@pytest.mark.slow
@pytest.mark.parametrize("stride", [10, 37, 150])
@pytest.mark.parametrize("every_window", [True, False])
def test_results_of_tasks_make_the_same_scan(
    genome: Path, track: Path, model: Model, here: Alone, stride: int, every_window: bool
) -> None:
    def collected(scored) -> list[tuple[object, ...]]:
        rows = [
            (chunk.chrom, *row)
            for chunk in scored
            for row in zip(*(column.tolist() for column in chunk[1:4]), strict=True)
        ]
        return rows if every_window else [row for row in rows if np.float32(row[3]) >= np.float32(0.3)]

    def ready():
        return open_scan(
            genome,
            track,
            model=model,
            stride=stride,
            scale=IDENTITY,
            threshold_rule=ThresholdRule("threshold", 0.3),
            threads=1,
        )

    with ready() as alone, ready() as cluster:
        counted = Counter(alone)
        expected = collected(feed(score(alone), [counted]))
        for task_windows in (1, 40, 10**6):
            counter = Counter(cluster)
            found = list(feed(score_on_cluster(cluster, here, every_window, task_windows=task_windows), [counter]))
            assert collected(found) == expected
            assert expected
            assert sum(chunk.tried for chunk in found) == alone.windows
            assert counter.finish() == counted.finish()
            assert counter.windows_called == counted.windows_called
            sent = sum(len(chunk.starts) for chunk in found)
            assert sent == (counted.windows_scored if every_window else len(expected))


def test_worker_reports_files_that_differ(tmp_path: Path, genome: Path, track: Path, model: Model, here: Alone) -> None:
    def error() -> str:
        with pytest.raises(ClusterError) as err:
            list(score_on_cluster(ready, here))
        return str(err.value)

    with open_scan(genome, track, model=model, scale=IDENTITY) as ready:
        content = track.read_text()
        track.write_text(content + "chr1\t1\t2\t3\n")
        assert "bytes instead of" in error()
        assert str(track) in error()
        track.write_text(content)
        letters_of = genome.read_bytes()
        genome.write_bytes(letters_of.replace(b">chr3", b">chrX"))
        genome.with_name("genome.fa.fai").unlink()
        assert "other chromosomes" in error()
        genome.unlink()
        assert "genome.fa is missing" in error()


def test_worker_reports_another_model(genome: Path, model: Model) -> None:
    with open_scan(genome, model=model) as ready:
        from jundscan.cluster.client import _job

        job = _job(ready, True, "one")._replace(sha256="0" * 64)
        assert "another model" in str(score_spans([job], ready.spans))
        assert isinstance(score_spans([_job(ready, True, "one")], ready.spans), Part)
    forget()


def test_compressed_genome_without_index_is_a_warning(
    tmp_path: Path, sequences: dict[str, str], model: Model, here: Alone, caplog: pytest.LogCaptureFixture
) -> None:
    packed = write_fasta(tmp_path / "g.fa.gz", sequences, "gzip")
    with open_scan(packed, model=model, stride=50) as ready, open_scan(packed, model=model, stride=50) as alone:
        found = list(score_on_cluster(ready, here, task_windows=30))
        expected = np.concatenate([scored.probabilities for scored in score(alone)])
        assert np.array_equal(np.concatenate([scored.probabilities for scored in found]), expected)
    assert "each task reads it from its start" in caplog.text


def test_a_report_does_not_hide_the_index_of_the_genome(
    tmp_path: Path, genome: Path, model: Model, here: Alone, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("jinja2")
    with open_scan(genome, model=model, threshold_rule=ThresholdRule("threshold", 0.3)) as ready:
        outputs = Outputs(str(tmp_path / "hits.bed"), report=tmp_path / "report.html")
        record = write_scan(ready, outputs, score_on_cluster(ready, here))
    assert record["hits"] > 0
    assert "no_index" not in [warning["code"] for warning in record["warnings"]]
    assert "no index" not in caplog.text


@pytest.mark.slow
def test_few_tasks_are_submitted_at_once(genome: Path, model: Model, here: Alone) -> None:
    """Their results would fill the memory."""
    with open_scan(genome, model=model) as ready:
        chunks = score_on_cluster(ready, here, task_windows=1)
        next(chunks)
        assert here.submitted == SUBMITTED_PER_THREAD
        assert sum(1 for _ in chunks) > 2 * SUBMITTED_PER_THREAD


def test_genome_from_standard_input_is_an_error(genome: Path, model: Model, here: Alone, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(genome.read_bytes()), isatty=lambda: False))
    with open_scan("-", model=model) as ready, pytest.raises(ClusterError, match="-: can be read only once"):
        list(score_on_cluster(ready, here))


@pytest.mark.parametrize(
    ("options", "problem"),
    [(("--backend", "dask"), "needs --scheduler"), (("--scheduler", "tcp://127.0.0.1:1"), "needs --backend dask")],
)
def test_backend_and_scheduler_need_each_other(run: Run, genome: Path, options: tuple[str, ...], problem: str) -> None:
    ran = run("scan", genome, *options)
    assert ran.code == 2
    assert problem in ran.err


def test_error_without_dask_names_the_extra_to_install(run: Run, genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = run("scan", genome, "--backend", "dask", "--scheduler", "tcp://127.0.0.1:8786", "-q")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "jundscan: --backend dask needs Dask; run: pip install 'jundscan[cluster]'\n"


# on a cluster


class Cluster(NamedTuple):
    scheduler_file: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]

    def worker(self) -> subprocess.Popen[bytes]:
        command = ["worker", "--scheduler-file", self.scheduler_file, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        self.workers.append(dask(*command, "--host", "127.0.0.1", folder=self.scheduler_file.parent))
        return self.workers[-1]


def dask(*arguments: object, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
    command = [sys.executable, "-m", "dask", *map(str, arguments)]
    with (folder / f"{arguments[0]}.{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)


def loopback_is_up() -> bool:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        one.listen()
        try:
            other.connect(one.getsockname())
        except OSError:
            return False
    return True


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a scheduler and two workers of one thread."""
    pytest.importorskip("distributed", reason="needs the extra cluster: pip install '.[cluster]'")
    if not loopback_is_up():
        pytest.skip("the loopback network is down")
    folder = tmp_path / "dask"
    folder.mkdir()
    file = folder / "scheduler.json"
    scheduler = dask(
        "scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file, "--no-dashboard", folder=folder
    )
    made = Cluster(file, scheduler, [])
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        for _ in range(2):
            made.worker()
        yield made
    finally:
        for process in [*made.workers, scheduler]:
            process.kill()
            process.wait()


def ask(cluster: Cluster, code: str) -> None:
    """Run a program that has the cluster's ``client``."""
    lines = ["import sys, time", "from distributed import Client", "client = Client(scheduler_file=sys.argv[1])", code]
    subprocess.run([sys.executable, "-c", "\n".join(lines), cluster.scheduler_file], check=True, timeout=90)


def wait_for_workers(cluster: Cluster) -> None:
    ask(cluster, "client.wait_for_workers(2, timeout=60)")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write a genome and a track whose scan takes some seconds."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(2)
    genome = write_fasta(folder / "genome.fa", {chrom: letters(rng, size) for chrom, size in LARGE.items()})
    sizes = {chrom: size for chrom, size in LARGE.items() if chrom != "chr4"}
    return genome, write_rows(folder / "track.bedgraph", track_rows(rng, sizes))


def data_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


COUNTED = ("windows_scored", "windows_skipped", "hits", "bases_scanned", "accessibility_scale", "threshold", "provider")


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["all stay", "one is killed"])
def test_outputs_equal_those_without_a_cluster(
    tmp_path: Path, cluster: Cluster, large: tuple[Path, Path], killed: bool
) -> None:
    genome, track = large
    common = ["scan", genome, "--accessibility", track, "--stride", 4, "--threshold", 0.6, "-q"]

    def command(name: str, *more: object) -> list[str]:
        outputs = ["-o", tmp_path / f"{name}.tsv", "--format", "tsv", "--track", tmp_path / f"{name}.bedgraph"]
        every = [*common, *outputs, "--json", tmp_path / f"{name}.json", *more]
        return [sys.executable, "-m", "jundscan", *map(str, every)]

    wait_for_workers(cluster)
    with subprocess.Popen(
        command("cluster", "--backend", "dask", "--scheduler", cluster.scheduler_file),
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as scan:
        if killed:
            wait_until_busy(cluster)
            cluster.workers[0].kill()
        _, messages = scan.communicate(timeout=120)
    assert scan.returncode == 0, messages
    subprocess.run(command("local"), check=True, cwd=ROOT)
    for ending in ("tsv", "bedgraph"):
        assert data_lines(tmp_path / f"cluster.{ending}") == data_lines(tmp_path / f"local.{ending}")
    records = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("cluster", "local")]
    assert {key: records[0][key] for key in COUNTED} == {key: records[1][key] for key in COUNTED}
    if killed:
        assert cluster.workers[0].poll() is not None
        assert cluster.workers[1].poll() is None


def wait_until_busy(cluster: Cluster, first: str = "") -> None:
    """Run some code, then wait until the first worker works on a task."""
    code = f"""
{first}
pids = client.run(__import__("os").getpid)
(worker,) = [worker for worker, pid in pids.items() if pid == {cluster.workers[0].pid}]
deadline = time.monotonic() + 60
while not any("score_spans" in key for key in client.processing()[worker]):
    time.sleep(0.02)
    if time.monotonic() > deadline:
        sys.exit("the worker has nothing to do")
"""
    ask(cluster, code)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["a task ends its worker", "the scheduler goes"])
def test_failure_of_the_cluster_is_an_error(
    tmp_path: Path, cluster: Cluster, large: tuple[Path, Path], fault: str
) -> None:
    """The command fails instead of waiting forever, and keeps the older output."""
    out = tmp_path / "hits.bed"
    out.write_text("older")
    wait_for_workers(cluster)
    options = ["--backend", "dask", "--scheduler", cluster.scheduler_file, "--stride", 1, "-q", "--force", "-o", out]
    command = [sys.executable, "-m", "jundscan", "scan", large[0], *options]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, cwd=ROOT) as scan:
        if fault == "the scheduler goes":
            wait_until_busy(cluster)
            cluster.scheduler.kill()
        else:
            configure = "import dask; dask_scheduler.allowed_failures = 0"
            wait_until_busy(cluster, f"client.run_on_scheduler(lambda dask_scheduler: exec({configure!r}))")
            cluster.workers[0].kill()
        _, messages = scan.communicate(timeout=120)
    assert scan.returncode == 1, messages
    assert "the Dask cluster failed" in messages
    assert "Traceback" not in messages
    assert out.read_text() == "older"
    assert not list(tmp_path.glob(".jundscan-*"))


@pytest.mark.slow
def test_unusable_clusters_are_errors(tmp_path: Path, cluster: Cluster, genome: Path) -> None:
    wait_for_workers(cluster)
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    time.sleep(0.5)
    command = [sys.executable, "-m", "jundscan", "scan", str(genome), "-q", "--backend", "dask", "--scheduler"]
    (tmp_path / "no.json").write_text("{}")
    for scheduler, problem in (
        (str(cluster.scheduler_file), "has no workers"),
        ("nowhere", "nowhere: no Dask scheduler"),
        ("tcp://127.0.0.1:1", "no Dask scheduler"),
        (str(tmp_path / "no.json"), "holds no address of a Dask scheduler (KeyError('address'))"),
    ):
        ran = subprocess.run([*command, scheduler], capture_output=True, text=True, cwd=ROOT, check=False)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert problem in ran.stderr
        assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_comparison_on_a_cluster_is_the_same(cluster: Cluster, tmp_path: Path, run: Run) -> None:
    table = write_groups(tmp_path)
    what: list[object] = [
        "compare",
        EXAMPLES / "genome.fa",
        "--samples",
        table,
        "--contrast",
        "treated,control",
        "--no-header",
        "-q",
    ]
    what += ["--accessibility-scale", EXAMPLES / "scale.json"]
    wait_for_workers(cluster)
    here = run(*what)
    there = run(*what, "--backend", "dask", "--scheduler", cluster.scheduler_file)
    assert (here.code, there.code) == (0, 0), there.err
    assert there.out == here.out != ""
