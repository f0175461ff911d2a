"""Profile a scan: the stages of the pipeline, and the operators inside ONNX Runtime.

The profiler wraps the functions of each stage and measures the CPU time of the calling thread, so that stages that
overlap in time stay separate. Time in a nested wrapped function counts for the inner one only.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import jundscan.run.inputs
import jundscan.scanning.outputs
from benchmarks.genome import BenchmarkGenome
from benchmarks.ours import percentiles
from benchmarks.timing import seconds_of
from jundscan.accessibility.scale import AccessibilityScale
from jundscan.accessibility.tracks import TextTrack
from jundscan.cli.scan import Outputs, write_scan
from jundscan.io.fasta.genome import IndexedFasta
from jundscan.model.model import Model
from jundscan.options import DEFAULT_STRIDE
from jundscan.run.inputs import Inputs
from jundscan.scanning.hits import HitCaller
from jundscan.scanning.plan import open_scan

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("finding runs of N", IndexedFasta, "unknown_runs"),
    ("opening the genome", jundscan.run.inputs, "open_genome_with_aliases"),
    ("opening the track", jundscan.run.inputs, "open_track"),
    ("accessibility scale", jundscan.run.inputs, "fit_track_scale"),
    ("accessibility scale", Inputs, "_set_scale"),
    ("reading and encoding", IndexedFasta, "bases"),
    ("window means", TextTrack, "means_of_all"),
    ("window means", AccessibilityScale, "apply_all"),
    ("inference", Model, "slide_tracks"),
    ("hit calling", HitCaller, "add"),
    ("hit calling", HitCaller, "finish"),
    ("writing", jundscan.scanning.outputs, "write_hits"),
)
"""Stage, and the function that it consists of."""
GLUE = "everything else"
CALLS = 200


class Clock:
    """CPU seconds by stage, over all threads."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._thread = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the CPU time of the block to a stage, without the time of inner stages."""
        outer = getattr(self._thread, "inner_seconds", 0.0)
        self._thread.inner_seconds = 0.0
        began = time.thread_time()
        try:
            yield
        finally:
            taken = time.thread_time() - began
            with self._lock:
                self.seconds[name] += taken - self._thread.inner_seconds
            self._thread.inner_seconds = outer + taken

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a timer. If it returns an iterator, the iterator is timed too."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                result = function(*args, **kwargs)
            return self._time_iterator(name, result) if isinstance(result, Iterator) else result

        return timed

    def _time_iterator(self, name: str, values: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.stage(name):
                try:
                    value = next(values)
                except StopIteration:
                    return
            yield value


def stages(genome: BenchmarkGenome, model: Model, stride: int, threads: int, folder: Path) -> dict[str, Any]:
    """Scan the benchmark genome once in this process and return each stage's CPU seconds and share."""
    clock = Clock()
    cpu = time.process_time()
    wall = time.perf_counter()
    with ExitStack() as stack:
        for name, owner, attribute in STAGES:
            function = getattr(owner, attribute)
            stack.enter_context(patch.object(owner, attribute, clock.wrap(name, function)))
        with open_scan(genome.fasta, genome.track, model=model, stride=stride, threads=threads) as scan:
            prepared = time.perf_counter() - wall
            record = write_scan(scan, Outputs(str(folder / "profile.bed"), force=True))
    total = time.process_time() - cpu
    seconds = dict(clock.seconds)
    seconds[GLUE] = max(0.0, total - sum(seconds.values()))
    return {
        "stride": stride,
        "threads": threads,
        "bases": genome.bases,
        "wall_seconds": time.perf_counter() - wall,
        "wall_seconds_preparing": prepared,
        "wall_seconds_scanning": record["seconds"],
        "cpu_seconds": total,
        "stages": {
            name: {"cpu_seconds": seconds[name], "share": seconds[name] / total}
            for name in dict.fromkeys([*(stage for stage, _, _ in STAGES), GLUE])
            if name in seconds
        },
    }


def operators(genome: BenchmarkGenome, model: Model, stride: int, folder: Path) -> dict[str, Any]:
    """Run the default scan's calls under ONNX Runtime's profiler and return each operator's share of the time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "operators")
    session = onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
    windows = min(model.windows_per_call(stride), (len(genome.codes) - model.span) // stride + 1)
    bases = (windows - 1) * stride + model.span
    accessibility = percentiles(windows, len(model.widths))
    mapped = accessibility if len(model.widths) > 1 else accessibility[:, 0]
    inputs = {"accessibility": mapped[None], "stride": np.array(stride, np.int64)}
    starts = range(0, len(genome.codes) - bases + 1, bases)[:CALLS]

    def run() -> None:
        for start in starts:
            session.run(["probability"], {"sequence": genome.codes[None, start : start + bases], **inputs})

    seconds = seconds_of(run)
    events = json.loads(Path(session.end_profiling()).read_text())
    by_kind: defaultdict[str, float] = defaultdict(float)
    by_node: defaultdict[str, float] = defaultdict(float)
    for event in events:
        kind = event.get("args", {}).get("op_name")
        if event.get("cat") != "Node" or kind in (None, "If", "Loop") or not event["name"].endswith("_kernel_time"):
            continue
        by_kind[kind] += event["dur"]
        by_node[f"{event['name'].removesuffix('_kernel_time')} ({kind})"] += event["dur"]
    total = sum(by_kind.values()) or 1.0
    return {
        "stride": stride,
        "call_bases": bases,
        "calls": len(starts),
        "microseconds_per_call": 1e6 * seconds / len(starts),
        "operators": {name: by_kind[name] / total for name in sorted(by_kind, key=by_kind.__getitem__, reverse=True)},
        "nodes": {name: by_node[name] / total for name in sorted(by_node, key=by_node.__getitem__, reverse=True)[:15]},
    }


def measure(genome: BenchmarkGenome, model: Model, threads: int, folder: Path) -> dict[str, Any]:
    """Profile the default scan, and stride 1 beside it."""
    strides = dict.fromkeys((DEFAULT_STRIDE, 1))
    return {
        "stages": [stages(genome, model, stride, threads, folder) for stride in strides],
        "operators": [operators(genome, model, stride, folder) for stride in strides],
    }
