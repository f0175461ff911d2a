"""Run all measurements in order, and compute the ratios."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import agreement, evaluation, machine, memory, peers, sgemm, startup, stride, training, windowed
from benchmarks.flops import multiply_adds_per_base
from benchmarks.genome import BASES_PER_PEAK, BenchmarkGenome, make_genome, write_fasta, write_peaks
from benchmarks.ours import EndToEnd, kernel_rate, strides
from benchmarks.timing import Summary, interleaved, log_progress, ratio
from jundscan.model.load import DEFAULT_MODEL, load_model
from jundscan.model.model import Model
from jundscan.options import DEFAULT_STRIDE

SECTIONS = ("speeds", "startup", "memory", "evaluation", "training", "agreement", "stride")
OTHERS = ("mlp", "lstm")
OTHER_BASES = 6_000_000
"""Bases that the slower networks scan. The LSTM at stride 1 scans ``LSTM_EVERY_BASE``."""
LSTM_EVERY_BASE = 200_000
SLOW_PEER_BASES = 6_000_000
RUNTIME_WINDOWS, TORCH_WINDOWS = 40_000, 10_000
QUICK_COPY = 400_000
QUICK_DIVISOR = 20


def default_folder(models: Path) -> Path:
    return models / DEFAULT_MODEL


def measure(options: argparse.Namespace, fasta: Path | None, data: Path | None) -> dict[str, Any]:
    """Measure every section, or those of ``--only``, and return the content of ``results.json``."""
    selected = options.only or SECTIONS
    threads, quick = options.threads, options.quick
    repeats = 2 if quick else options.repeats
    default = load_model(default_folder(options.models), "cpu")
    shards = None if data is None else data / "HepG2" / "valid_dataset"
    with tempfile.TemporaryDirectory(prefix="jundscan-bench-") as name:
        folder = Path(name)
        log_progress("making the genome")
        genome = make_genome(folder, fasta, QUICK_COPY if quick else None)
        results: dict[str, Any] = {
            "machine": machine.describe(),
            "quick": quick,
            "threads": threads,
            "default_stride": DEFAULT_STRIDE,
            "genome": {
                "source": genome.source,
                "bases": genome.bases,
                "peaks": genome.bases // BASES_PER_PEAK,
            },
            "models": {"default": _about(default)},
            "strides": list(strides(DEFAULT_STRIDE)),
            "ratios": {},
            "speeds": {},
            "scan_bases": {},
            "scan_peak_bytes": {},
            "window_counts": {},
            "peers": {},
            "kernel_gflops": {},
        }
        sections: dict[str, Callable[[], Any]] = {
            "startup": lambda: startup.measure(folder, default.path),
            "memory": lambda: memory.measure(folder, default.path, fasta, threads, quick),
            "evaluation": lambda: evaluation.measure(folder, default, genome, shards, threads, repeats, quick),
            "training": lambda: training.measure(default, threads, repeats, quick),
            "agreement": lambda: agreement.measure(genome, default, DEFAULT_STRIDE, threads),
            "stride": lambda: _stride(folder, genome, default, data, threads, results["speeds"]),
        }
        per_base = multiply_adds_per_base(default.metadata.architecture, DEFAULT_STRIDE)
        results["multiply_adds_per_base"] = per_base
        if "speeds" in selected:
            _speeds(results, genome, default, options, folder, repeats)
        for section, work in sections.items():
            if section in selected:
                log_progress(section)
                results[section] = work()
        return results


def _about(model: Model) -> dict[str, Any]:
    return {
        **model.identity(),
        "family": model.metadata.family,
        "architecture": dict(model.metadata.architecture),
        "flank": model.flank,
        "accessibility_widths": list(model.widths),
        "validation": dict(model.metadata.validation),
    }


def _speeds(
    results: dict[str, Any],
    genome: BenchmarkGenome,
    model: Model,
    options: argparse.Namespace,
    folder: Path,
    repeats: int,
) -> None:
    """Measure the speeds of the default network and its rivals alternately, then those of the other networks."""
    threads, quick = options.threads, options.quick
    cut = QUICK_DIVISOR if quick else 1
    counts = tuple(dict.fromkeys((1, threads)))
    ours = EndToEnd(genome, folder)
    ours.run(model.path, 101, threads)  # writes the index, fills the page cache
    cases: dict[str, Callable[[], float]] = {}
    for stride_ in results["strides"]:
        results["scan_bases"][f"default/{stride_}"] = genome.bases
        for count in counts:
            key = f"default/{stride_}/{count}"
            cases[f"end to end/{key}"] = partial(ours.rate, f"end to end/{key}", model.path, stride_, count)
            cases[f"kernel/{key}"] = kernel_rate(model, genome.codes, stride_, count)
    pinned = f"end to end on one core/default/{DEFAULT_STRIDE}/1"
    cases[pinned] = partial(ours.rate, pinned, model.path, DEFAULT_STRIDE, 1, 1)
    cases |= sgemm.cases(counts, quick)
    scanners, results["peers"] = peers.cases(genome.codes, SLOW_PEER_BASES // cut)
    cases |= {f"peer/{name}": case for name, case in scanners.items()}
    seen, few = (windowed.every_base(model, genome.codes, n // cut) for n in (RUNTIME_WINDOWS, TORCH_WINDOWS))
    loops = {
        **{f"windows/ONNX Runtime/{count}": windowed.runtime_loop(model, seen, count) for count in counts},
        "windows/torch, same network": windowed.torch_loop(windowed.same_network(model), *few, threads),
        "windows/torch, plain CNN": windowed.torch_loop(windowed.plain_cnn(), *few.alone(), threads),
    }
    results["window_counts"] = {name: len((seen if "ONNX" in name else few).codes) for name in loops}
    speeds = interleaved({**cases, **loops}, repeats)
    results["speeds"] = speeds
    results["ratios"] = _ratios(results, speeds, threads)
    for family in OTHERS:
        path = options.models / f"{DEFAULT_MODEL}-{family}"
        if path.is_dir():
            _other_network(results, genome, load_model(path, "cpu"), family, folder, counts, cut)
    results["scan_records"] = ours.records
    results["scan_peak_bytes"] |= {name: record["peak_bytes"] for name, record in ours.records.items()}


def _other_network(
    results: dict[str, Any],
    genome: BenchmarkGenome,
    model: Model,
    family: str,
    folder: Path,
    counts: tuple[int, ...],
    cut: int,
) -> None:
    """Measure a network other than the default once, on less of the genome."""
    log_progress(f"the {family}")
    results["models"][family] = _about(model)
    for stride_ in results["strides"]:
        bases = LSTM_EVERY_BASE if family == "lstm" and stride_ == 1 else OTHER_BASES // cut
        less = _shorter(genome, min(bases, len(genome.codes)), folder)
        ours = EndToEnd(less, folder)
        cases: dict[str, Callable[[], float]] = {}
        for count in counts:
            key = f"{family}/{stride_}/{count}"
            cases[f"end to end/{key}"] = partial(ours.rate, f"end to end/{key}", model.path, stride_, count)
            cases[f"kernel/{key}"] = kernel_rate(model, less.codes, stride_, count)
        results["speeds"] |= interleaved(cases, 1)
        results["scan_bases"][f"{family}/{stride_}"] = less.bases
        results["scan_peak_bytes"] |= {name: record["peak_bytes"] for name, record in ours.records.items()}


def _shorter(genome: BenchmarkGenome, bases: int, folder: Path) -> BenchmarkGenome:
    fasta, track = folder / f"genome-{bases}.fa", folder / f"peaks-{bases}.bedgraph"
    codes = genome.codes[:bases]
    if not fasta.exists():
        write_fasta(fasta, [("chr1", codes)])
        write_peaks(track, {"chr1": bases}, bases // BASES_PER_PEAK)
    return replace(genome, fasta=fasta, track=track, codes=codes, bases=bases)


def _ratios(results: dict[str, Any], speeds: dict[str, Summary], threads: int) -> dict[str, Summary]:
    """Compute the ratios of the targets, and convert the kernel's speed to GFLOP/s."""
    every, default = f"end to end/default/1/{threads}", f"end to end/default/{DEFAULT_STRIDE}/{threads}"
    one = f"default/{DEFAULT_STRIDE}/1"
    kernel = f"kernel/default/{DEFAULT_STRIDE}"
    found = {
        "windows": ratio(speeds[every], speeds[f"windows/ONNX Runtime/{threads}"]),
        "end_to_end_kernel": ratio(speeds[default], speeds[f"{kernel}/{threads}"]),
        "end_to_end_kernel_stride_1": ratio(speeds[every], speeds[f"kernel/default/1/{threads}"]),
    }
    if "peer/FIMO" in speeds:
        found["fimo_stride_1"] = ratio(speeds[every], speeds["peer/FIMO"])
        found["fimo_default"] = ratio(speeds[default], speeds["peer/FIMO"])
    yard = {count: sgemm.faster(speeds, count) for count in dict.fromkeys((1, threads))}
    for count, best in yard.items():
        gflops = {"runs": [2e-3 * results["multiply_adds_per_base"] * r for r in speeds[f"{kernel}/{count}"]["runs"]]}
        results["kernel_gflops"][str(count)] = ratio(gflops, {"runs": [1.0] * len(gflops["runs"])})
        found["kernel_sgemm" if count == threads else f"kernel_sgemm_{count}"] = ratio(gflops, best)
    sgemm_gain = ratio(yard[threads], yard[1])
    for key, alone in (
        ("scaling", f"end to end/{one}"),
        ("scaling_kernel", f"kernel/{one}"),
        ("scaling_from_one_core", f"end to end on one core/{one}"),
    ):
        many = f"{kernel}/{threads}" if key == "scaling_kernel" else default
        found[key] = ratio(ratio(speeds[many], speeds[alone]), sgemm_gain)
    return found


def _stride(
    folder: Path,
    genome: BenchmarkGenome,
    model: Model,
    data: Path | None,
    threads: int,
    speeds: dict[str, Summary],
) -> dict[str, Any] | None:
    """Measure recall and summit distance, and add each stride's speed, from one scan if it is not measured yet."""
    if data is None:
        return None
    found = stride.measure(folder, data, model, threads)
    ours = EndToEnd(genome, folder)
    for row in found["rows"]:
        known = speeds.get(f"end to end/default/{row['stride']}/{threads}")
        rate = known["median"] if known else ours.rate(str(row["stride"]), model.path, row["stride"], threads)
        row["mbp_per_second"] = rate
    return found
