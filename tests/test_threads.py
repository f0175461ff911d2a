"""Ordered work on threads, and the default number of threads: the cores that the process may use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from jundscan import threads as cores
from jundscan.scanning.plan import open_scan
from jundscan.threads import TASKS_AHEAD_PER_THREAD, in_order, usable_cores
from tests.helpers.inputs import write_shard

ROOT = Path(__file__).parents[1]
SOME = "ACGTTGCA" * 40
NOWHERE = Path("/nonexistent")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot assign cores")
@pytest.mark.parametrize("command", ["scan", "doctor"])
def test_a_process_with_one_core_uses_one_thread(tmp_path: Path, command: str) -> None:
    (tmp_path / "genome.fa").write_text(f">s\n{SOME}\n")
    arguments = {"scan": ["scan", str(tmp_path / "genome.fa"), "-o", os.devnull], "doctor": ["doctor"]}[command]
    code = (
        "import os, sys; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]); "
        "from jundscan.cli import main; main(sys.argv[1:])"
    )
    line = [sys.executable, "-c", code, *arguments, "--json", "-"]
    ran = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=True)
    record = json.loads(ran.stdout)
    assert (record["threads"] if command == "scan" else record["threads"]["default"]) == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "300000 100000"}, 3),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "1000 100000"}, 1),
        ({"cpu.max": "9900000 100000"}, 8),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000", "cpu.max": "500000 100000"}, 4),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu.max": "something else"}, 8),
        ({"cpu.max": "100000 0"}, 8),
    ],
)
def test_quotas_of_control_groups_limit_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    own = tmp_path / "of_process"
    own.write_text("0::/a/b\n")
    assert usable_cores(own, tmp_path) == expected


def test_without_core_assignment_the_cores_of_the_machine_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cores.os, "sched_getaffinity", raising=False)
    for counted, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(cores.os, "cpu_count", lambda counted=counted: counted)
        assert usable_cores(NOWHERE, NOWHERE) == expected


def test_scan_evaluate_and_doctor_share_the_default_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jundscan
    from jundscan.doctor import diagnose
    from jundscan.io.fasta.arrays import MemoryGenome
    from jundscan.model.model import Model

    taken = []
    for module in ("run.inputs", "evaluation.labelled_windows", "doctor"):
        monkeypatch.setattr(f"jundscan.{module}.usable_cores", lambda: 3)
    predict = Model.predict
    monkeypatch.setattr(
        Model,
        "predict",
        lambda self, codes, accessibility, threads=1: taken.append(threads) or predict(self, codes, accessibility),
    )
    model = jundscan.load_model(device="cpu")
    with open_scan(MemoryGenome({"s": SOME}), model=model) as ready:
        assert ready.inputs.threads == 3
    taken.clear()
    jundscan.evaluate(write_shard(tmp_path / "shard"), model=model)
    assert taken == [3]
    assert diagnose().found["threads"] == {"default": 3, "usable_cores": 3}


def test_results_keep_the_order_of_items_and_few_items_are_taken_ahead() -> None:
    taken = []
    begun = Event()

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number:
            begun.set()
        else:
            begun.wait(10)  # the first task ends after the second
        return -number

    results = in_order(work, items(), threads=2)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    assert len(taken) == 2 * TASKS_AHEAD_PER_THREAD + 3
    results.close()
    assert len(taken) == 2 * TASKS_AHEAD_PER_THREAD + 3


@pytest.mark.slow
@pytest.mark.parametrize("submitted", [1, 3])
def test_an_interruption_that_leaves_a_pool_lock_taken_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, submitted: int
) -> None:
    """A signal handler that raises between taking a lock and guarding it does just that."""
    pools: list[ThreadPoolExecutor] = []

    class Interrupted(ThreadPoolExecutor):
        taken = 0

        def submit(self, *call: Any, **options: Any) -> Any:
            pools.append(self)
            self.taken += 1
            if self.taken > submitted:
                self._idle_semaphore._cond._lock.acquire()  # type: ignore[attr-defined]
                raise KeyboardInterrupt
            return super().submit(*call, **options)

    monkeypatch.setattr("jundscan.threads.ThreadPoolExecutor", Interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(in_order(lambda seconds: time.sleep(seconds), [0.2] * 9, threads=2))
    assert time.monotonic() - began < 5
    pools[0]._idle_semaphore._cond._lock.release()  # type: ignore[attr-defined]
    pools[0].shutdown()
