"""Check results and speed on an NVIDIA card, in one command: ``python -m benchmarks.gpu --out gpu.json``.

It needs the package with onnxruntime-gpu and the examples, reads the real data where ``JUNDSCAN_DATA`` names it, and
compares with PyTorch if that is installed. It ends within five minutes. ``--provider cpu`` runs the same checks without
a card.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks import around_model, machine
from benchmarks.genome import BenchmarkGenome, make_genome
from benchmarks.ours import kernel_rate, percentiles
from benchmarks.timing import Summary, jundscan_command, log_progress, ratio, run_command, summary
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.doctor import diagnose
from jundscan.model import load
from jundscan.model.card import CUDA, Card
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.options import DEFAULT_STRIDE
from jundscan.threads import usable_cores

EXAMPLES = Path(__file__).parents[1] / "examples"
TOLERANCE = 1e-5
"""Largest difference of probabilities between the card and the processor."""
STRIDES = (1, 3, DEFAULT_STRIDE, 101)
TIMED_STRIDES = (1, DEFAULT_STRIDE)
TRACKS = (1, 50)
ROW_BASES = 200_000
TORCH_BATCH = 4096
CARD_THREADS = 4
"""Threads that make calls for a card: one waits while others prepare theirs."""
SWEEP_BASES = tuple(1 << power for power in range(16, 21))
SWEEP_OPTIONS: dict[str, dict[str, str]] = {
    "exhaustive search": {"cudnn_conv_algo_search": "EXHAUSTIVE"},
    "default algorithm": {"cudnn_conv_algo_search": "DEFAULT"},
    "TF32": {"use_tf32": "1"},
    "channels last": {"prefer_nhwc": "1"},
    "bias in the convolution": {"fuse_conv_bias": "1"},
}


def main(arguments: list[str] | None = None) -> None:
    """Check, measure, print one line per finding, and end with exit code 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--provider", choices=("cuda", "cpu"), default="cuda", help="cpu runs it without a card")
    parser.add_argument("--bases", type=int, default=25_000_000, help="bases per chromosome of the timed genome")
    parser.add_argument("--chromosomes", type=int, default=2, help="chromosomes of the timed genome")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--sweep", action="store_true", help="time other sizes of calls and settings of the card only")
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {"machine": machine.describe(), "card": describe_card(), "provider": options.provider}
    began = time.perf_counter()
    tested = load_model(device=options.provider)
    found["load_seconds"] = time.perf_counter() - began
    log_progress(f"loaded in {found['load_seconds']:.2f} s")
    reference = load_model(device="cpu")
    found |= {"model": tested.identity(), "checks": {}}
    with tempfile.TemporaryDirectory(prefix="jundscan-gpu-") as name:
        folder = Path(name)
        genome = make_genome(folder, None, options.bases, options.chromosomes)
        if options.sweep:
            found["sweep"] = []
            keep = partial(save, found, options.out)
            sweep(tested, reference, genome.codes, options.repeats, found["sweep"], keep)
        else:
            found["checks"] = check(tested, reference, options.provider, folder)
            save(found, options.out)
            found["speed"] = measure(tested, reference, genome, options.provider, options.repeats, folder)
    save(found, options.out)
    failed = [name for name, facts in found["checks"].items() if not facts["passed"]]
    for line in lines(found):
        print(line)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def save(found: dict[str, Any], path: Path | None) -> None:
    """Write what is known so far, so that a run that is ended leaves its first part."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n")


def describe_card() -> dict[str, str] | None:
    """Return name, driver and memory of the first card as ``nvidia-smi`` knows them, None without a card."""
    fields = ("name", "driver_version", "memory.total")
    values = _nvidia_smi(fields)
    return None if values is None else dict(zip(fields, values, strict=True))


def _nvidia_smi(fields: tuple[str, ...]) -> list[str] | None:
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        return [value.strip() for value in ran.stdout.splitlines()[0].split(",")]
    return None


def check(tested: Model, reference: Model, provider: str, folder: Path) -> dict[str, Any]:
    """Compare results with those of the processor."""
    checks: dict[str, Callable[[], dict[str, Any]]] = {
        "provider": partial(check_provider, tested, provider),
        "operators": partial(check_operators, tested, folder),
        "agreement": partial(check_agreement, tested, reference),
        "hits": partial(check_hits, provider, folder),
        "repeat": partial(check_repeat, provider, folder),
        "doctor": partial(check_doctor, provider),
    }
    done = {}
    for name, run in checks.items():
        began = time.perf_counter()
        done[name] = run()
        done[name]["seconds"] = round(time.perf_counter() - began, 2)
        log_progress(f"{name}: {'passed' if done[name]['passed'] else 'FAILED'} ({done[name]['seconds']} s)")
    return done


def check_provider(tested: Model, provider: str) -> dict[str, Any]:
    """Check that the session runs on what was asked for."""
    wanted = CUDA if provider == "cuda" else "CPUExecutionProvider"
    return {"passed": tested.provider == wanted, "providers": tested.session.get_providers()}


def check_operators(tested: Model, folder: Path) -> dict[str, Any]:
    """Profile one call of each branch, and list operators that the card leaves to the processor.

    ONNX Runtime keeps operators that compute shapes and loop counts on the processor on purpose. The check fails if an
    operator that computes on windows is among them.
    """
    import onnxruntime

    if tested.card is None:
        return {"passed": True, "on_the_processor": {}, "on_the_card": {}}
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
    providers = [load.cuda_provider(tested.card.device), "CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(tested.path), options, providers=providers)
    profiled = replace(tested, session=session, card=Card(tested.card.device))
    for stride in STRIDES:
        codes, accessibility = random_row(profiled, stride, ROW_BASES)
        profiled.slide(codes, accessibility, stride)
        profiled.predict(codes[: profiled.span][None], accessibility[:1])
        profiled.predict(codes[:WINDOW_LENGTH][None], accessibility[:1, 0])
    events = json.loads(Path(session.end_profiling()).read_text())
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    times: Counter[str] = Counter()
    for event in events:
        facts = event.get("args", {})
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            counted[facts["provider"]][facts["op_name"]] += 1
            if facts["provider"] != CUDA:
                times[facts["op_name"]] += event["dur"]
    heavy = {"Conv", "MaxPool", "Relu", "Max", "Sigmoid", "LSTM", "Clip", "IsNaN", "ReduceMin"}
    left = dict(counted["CPUExecutionProvider"])
    return {
        "passed": not heavy & left.keys(),
        "on_the_processor": left,
        "microseconds_on_the_processor": dict(times),
        "on_the_card": dict(counted[CUDA]),
    }


def random_row(model: Model, stride: int, bases: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make random bases and percentiles of every window, some of both unknown."""
    rng = np.random.default_rng(stride)
    codes = rng.integers(0, 4, bases, dtype=np.uint8)
    codes[rng.integers(0, bases, bases // 500)] = UNKNOWN
    accessibility = percentiles((bases - model.span) // stride + 1, len(model.widths))
    accessibility[::5] = np.nan
    return codes, accessibility


def check_agreement(tested: Model, reference: Model) -> dict[str, Any]:
    """Compare probabilities in every mode: sliding at several strides, and single windows with and without flanks."""
    differences = {}
    for stride in STRIDES:
        codes, accessibility = random_row(tested, stride, ROW_BASES)
        for mode, values in (("with", accessibility), ("without", np.full_like(accessibility, np.nan))):
            differences[f"stride {stride}, {mode} accessibility"] = _difference(
                *(one.slide(codes, values, stride) for one in (tested, reference))
            )
    codes, accessibility = random_row(tested, 1, 5_000)
    windows = np.lib.stride_tricks.sliding_window_view(codes, tested.span)
    alone = windows[:, tested.flank : tested.flank + WINDOW_LENGTH]
    for name, some in (("windows with neighbourhood", windows), ("windows alone", alone)):
        own = accessibility if name.endswith("neighbourhood") else accessibility[:, :1]
        for mode, values in (("with", own), ("without", np.full_like(own, np.nan))):
            differences[f"{name}, {mode} accessibility"] = _difference(
                *(one.predict(some, values) for one in (tested, reference))
            )
    blocks, values = windows[:64], np.ascontiguousarray(accessibility[:64, None])
    differences["many rows"] = _difference(*(one.slide_many(blocks, values, 8) for one in (tested, reference)))
    return {"passed": max(differences.values()) <= TOLERANCE, "largest": max(differences.values()), **differences}


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one.astype(np.float64) - other).max())


def inputs() -> Iterator[tuple[str, list[str]]]:
    """Yield names and arguments of the genomes to scan: the example, and the real one where there is one."""
    example = [str(EXAMPLES / name) for name in ("genome.fa", "dnase.bedgraph", "scale.json")]
    yield "example", [example[0], "--accessibility", example[1], "--accessibility-scale", example[2]]
    if data := os.environ.get("JUNDSCAN_DATA"):
        genome = Path(data, "genome", "hg19.chr22.partial.fa.gz")
        track = Path(data, "tracks", "HepG2.DNase.hg19.chr22.narrowPeak.gz")
        if genome.is_file() and track.is_file():
            yield "chr22 of hg19", [str(genome), "--accessibility", str(track)]


def scan_lines(device: str, arguments: list[str], output: Path) -> list[str]:
    """Scan with the command line and return the lines of its output but for comments."""
    command = [*jundscan_command(), "scan", *arguments, "--device", device, "--output", str(output), "--force"]
    ran = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {ran.returncode}: {ran.stderr[-2000:]}")
    return [line for line in output.read_text().splitlines() if not line.startswith("#")]


def check_hits(provider: str, folder: Path) -> dict[str, Any]:
    """Check that a scan writes the hits that it writes on the processor."""
    found: dict[str, Any] = {"passed": True}
    for (name, arguments), stride in itertools.product(inputs(), TIMED_STRIDES):
        with_stride = [*arguments, "--stride", str(stride), "--format", "bed"]
        one, other = (scan_lines(device, with_stride, folder / "hits.bed") for device in (provider, "cpu"))
        different = len(set(one) ^ set(other))
        found[f"{name}, stride {stride}"] = {"hits": len(other), "different_lines": different}
        found["passed"] &= one == other
    return found


def check_repeat(provider: str, folder: Path) -> dict[str, Any]:
    """Check that two scans write the same probabilities to the last digit, whatever the threads."""
    found: dict[str, Any] = {"passed": True}
    for (name, arguments), stride in itertools.product(inputs(), TIMED_STRIDES):
        if stride == 1 and name != "example":
            continue  # a line per base of a chromosome is a gigabyte
        every = [*arguments, "--stride", str(stride), "--format", "tsv"]
        one, other = (scan_lines(provider, [*every, "--threads", n], folder / "all.tsv") for n in ("1", "4"))
        found[f"{name}, stride {stride}"] = {"windows": len(one), "identical": one == other}
        found["passed"] &= one == other
    return found


def check_doctor(provider: str) -> dict[str, Any]:
    """Check that the doctor finds the card, and no problem."""
    facts = diagnose().to_dict()
    devices, self_test = facts["devices"], facts["self_test"]
    right = devices.get("cuda") == CUDA if provider == "cuda" else devices.get("cpu") == "CPUExecutionProvider"
    return {"passed": bool(facts["ok"] and right), "problems": facts["problems"], "self_test": self_test}


def measure(
    tested: Model, reference: Model, genome: BenchmarkGenome, provider: str, repeats: int, folder: Path
) -> dict[str, Any]:
    """Time scans and calls on the card, on all cores of the same machine, and in PyTorch."""
    cores = usable_cores()
    found: dict[str, Any] = {"genome": {"source": genome.source, "bases": genome.bases}, "cores": cores, "scan": {}}
    for stride in TIMED_STRIDES:
        runs: dict[str, list[dict[str, float]]] = {provider: [], "cpu": []}
        for _, device in itertools.product(range(repeats), (provider, "cpu")):
            runs[device].append(scan_once(genome, device, stride, folder))
            log_progress(f"scan, stride {stride}, {device}: {runs[device][-1]}")
        found["scan"][str(stride)] = compare_scans(runs, provider, genome.bases)
        free = around_model.without_model(tested)
        rate = around_model.rate(genome.fasta, genome.track, free, stride, None, folder)
        found["scan"][str(stride)]["without_the_model"] = rate
    found["kernel"] = {}
    for stride, tracks in itertools.product(TIMED_STRIDES, TRACKS):
        bases = len(genome.codes) // (1 if tracks == 1 else 10)
        threads = cores if tested.card is None else CARD_THREADS
        on_card = rate_of_tracks(tested, genome.codes[:bases], stride, threads, tracks)
        on_cores = rate_of_tracks(reference, genome.codes[: max(bases // 4, tested.span)], stride, cores, tracks)
        rates = {provider: summary([on_card() for _ in range(repeats)])}
        rates["cpu"] = summary([on_cores() for _ in range(repeats if tracks == 1 else 1)])
        times = rates[provider]["median"] / rates["cpu"]["median"]
        found["kernel"][f"stride {stride}, tracks {tracks}"] = {"mbp_per_second": rates, "over_cpu": times}
        log_progress(f"kernel, stride {stride}, tracks {tracks}: {rates[provider]['median']:.4g}, {times:.3g} x cpu")
    found["torch"] = torch_rate(reference, genome.codes, provider, repeats)
    return found


def scan_once(genome: BenchmarkGenome, device: str, stride: int, folder: Path) -> dict[str, float]:
    """Scan with the command line; seconds of the process and of the scan in it, and the card's memory while it runs."""
    record = folder / "record.json"
    command = [
        *(*jundscan_command(), "scan", str(genome.fasta), "--accessibility", str(genome.track)),
        *("--stride", str(stride), "--device", device, "--output", str(folder / "timed.bed")),
        *("--json", str(record), "--force", "--quiet"),
    ]
    with card_memory() as memory:
        measured = run_command(command)
    run = json.loads(record.read_text())
    return {
        "seconds": measured["seconds"],
        "seconds_scanning": run["seconds"],
        "cpu_seconds": measured["cpu_seconds"],
        "peak_bytes": measured["peak_bytes"],
        **({"card_megabytes": max(memory) - memory[0]} if device == "cuda" and memory else {}),
    }


@contextmanager
def card_memory() -> Iterator[list[float]]:
    """Read the card's memory in use, in megabytes, again and again; first before the block runs."""
    seen: list[float] = []
    ended = threading.Event()

    def read() -> None:
        if values := _nvidia_smi(("memory.used",)):
            seen.append(float(values[0].split()[0]))

    def watch() -> None:
        while seen and not ended.wait(0.1):
            read()

    read()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def compare_scans(runs: dict[str, list[dict[str, float]]], provider: str, bases: int) -> dict[str, Any]:
    """Summarise scans in Mbp/s: of the whole process, and of the scan alone, which begins when all inputs are open."""
    rates: dict[str, dict[str, Summary]] = {
        device: {key: summary([bases / run[key] / 1e6 for run in done]) for key in ("seconds", "seconds_scanning")}
        for device, done in runs.items()
    }
    return {
        "mbp_per_second": {device: rate["seconds_scanning"] for device, rate in rates.items()},
        "mbp_per_second_with_start": {device: rate["seconds"] for device, rate in rates.items()},
        "over_cpu": ratio(*(rates[device]["seconds_scanning"] for device in (provider, "cpu"))),
        "over_cpu_with_start": ratio(*(rates[device]["seconds"] for device in (provider, "cpu"))),
        "cpu_seconds": {device: [run["cpu_seconds"] for run in done] for device, done in runs.items()},
        "card_megabytes": max((run.get("card_megabytes", 0.0) for run in runs[provider]), default=0.0),
        "peak_bytes": {device: max(run["peak_bytes"] for run in done) for device, done in runs.items()},
    }


def rate_of_tracks(
    model: Model, codes: NDArray[np.uint8], stride: int, threads: int, tracks: int
) -> Callable[[], float]:
    """Prepare a measurement in Mbp/s of scoring bases with several tracks, one after another."""
    measure = kernel_rate(model, codes, stride, threads)
    if tracks == 1:
        measure()
    return lambda: 1 / sum(1 / measure() for _ in range(tracks))


def torch_rate(model: Model, codes: NDArray[np.uint8], provider: str, repeats: int) -> dict[str, Any] | None:
    """Time the same network in PyTorch on the same device, window by window at every base; None without PyTorch."""
    try:
        import torch

        from benchmarks.windowed import every_base, same_network
    except ImportError as err:
        log_progress(f"PyTorch: not compared ({err})")
        return None
    if provider == "cuda" and not torch.cuda.is_available():
        return None
    torch.backends.cudnn.allow_tf32 = False
    network = same_network(model).to(provider)
    batch = TORCH_BATCH if provider == "cuda" else 64
    windows = every_base(model, codes[: model.span + (10 if provider == "cuda" else 4) * batch], 8 * batch)
    columns = [torch.from_numpy(column).to(provider) for column in windows]

    def run() -> float:
        began = time.perf_counter()
        with torch.no_grad():
            for first in range(0, len(columns[0]), batch):
                scores = torch.sigmoid(network(*(column[first : first + batch] for column in columns)))
        scores.cpu()
        return len(columns[0]) / (time.perf_counter() - began) / 1e6

    run()
    rates = summary([run() for _ in range(repeats)])
    log_progress(f"PyTorch, window by window: {rates['median']:.4g} Mbp/s")
    return {"version": torch.__version__, "batch": batch, "mbp_per_second": rates}


def sweep(
    tested: Model,
    reference: Model,
    codes: NDArray[np.uint8],
    repeats: int,
    rows: list[dict[str, Any]],
    save: Callable[[], None],
) -> None:
    """Time calls of several sizes, several at once, in tiles, and with other settings of the card."""
    if tested.card is None:
        return

    def add(name: str, model: Model, threads: int = CARD_THREADS) -> None:
        for stride in TIMED_STRIDES:
            row, accessibility = random_row(model, stride, ROW_BASES)
            try:
                difference = _difference(*(one.slide(row, accessibility, stride) for one in (model, reference)))
                rate = kernel_rate(model, codes, stride, threads)
                rate()
                rates = summary([rate() for _ in range(repeats)])
            except Exception as err:  # a setting that does not work is a finding
                rows.append({"setting": name, "stride": stride, "error": str(err)[:300]})
                save()
                log_progress(f"{name}, stride {stride}: {err}")
                continue
            rows.append({"setting": name, "stride": stride, "difference": difference, "mbp_per_second": rates})
            save()
            log_progress(f"{name}, stride {stride}: {rates['median']:.4g} Mbp/s, differs by {difference:.2g}")

    device = tested.card.device
    for bases in SWEEP_BASES:
        add(f"calls of {bases:,} bases", replace(tested, card=Card(device, bases, bases)))
    for at_once in (2, 4):
        card = Card(device, slots=threading.BoundedSemaphore(at_once))
        add(f"{at_once} at once", replace(tested, card=card), 2 * at_once)
    add("in tiles", replace(tested, card=None))
    for name, changed in SWEEP_OPTIONS.items():
        with patch.dict(load.CUDA_OPTIONS, changed):
            began = time.perf_counter()
            other = load_model(device=device)
            rows.append({"setting": name, "load_seconds": time.perf_counter() - began})
            add(name, other)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield a line per finding."""
    card = found["card"]
    yield f"{found['provider']}: {'no card' if card is None else ', '.join(card.values())}"
    for name, facts in found["checks"].items():
        yield f"{name}: {'passed' if facts['passed'] else 'FAILED'}"
    if "speed" not in found:
        return
    for stride, facts in found["speed"]["scan"].items():
        rates = {device: rate["median"] for device, rate in facts["mbp_per_second"].items()}
        words = ", ".join(f"{device} {rate:.4g} Mbp/s" for device, rate in rates.items())
        yield f"scan, stride {stride}: {words}, {facts['over_cpu']['median']:.3g} x; with zeros in place of " + (
            f"probabilities {facts['without_the_model']:.4g} Mbp/s"
        )
    for name, facts in found["speed"]["kernel"].items():
        rates = {device: rate["median"] for device, rate in facts["mbp_per_second"].items()}
        words = ", ".join(f"{device} {rate:.4g} Mbp/s" for device, rate in rates.items())
        yield f"kernel, {name}: {words}, {facts['over_cpu']:.3g} x"
    if found["speed"]["torch"]:
        yield f"PyTorch, window by window: {found['speed']['torch']['mbp_per_second']['median']:.4g} Mbp/s"


if __name__ == "__main__":
    main()
