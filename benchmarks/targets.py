"""Compare a run with the targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MEGABYTE = 1e6
MAX_BYTES = 350 * MEGABYTE
MIN_RATIOS = {
    "windows": 100,
    "fimo_stride_1": 0.6,
    "fimo_default": 2.0,
    "kernel_sgemm": 0.5,
    "scaling": 0.95,
    "end_to_end_kernel": 0.85,
    "end_to_end_kernel_stride_1": 0.85,
}
"""Minimum of each ratio of a run."""


@dataclass(frozen=True)
class Target:
    """One row of the table. ``met`` is None if nothing was measured."""

    number: str
    measure: str
    target: str
    measured: str
    met: bool | None


def targets(results: dict[str, Any]) -> list[Target]:
    """Compare a run's results with the targets."""
    ratios, stride, threads = results["ratios"], results["default_stride"], results["threads"]
    rows = [
        _ratio("1", f"stride 1, end to end ÷ windows through ONNX Runtime, {threads} threads", ratios, "windows"),
        _ratio("2", f"stride 1, end to end, {threads} threads ÷ FIMO", ratios, "fimo_stride_1"),
        _ratio("3", f"stride {stride} (default), end to end, {threads} threads ÷ FIMO", ratios, "fimo_default"),
        _ratio("4", f"kernel ÷ sgemm, GFLOP/s, {threads} threads, default stride", ratios, "kernel_sgemm"),
        _ratio("5", f"speed at {threads} ÷ 1 threads, over the same of sgemm", ratios, "scaling"),
        _ratio("6", "end to end ÷ kernel only, default stride", ratios, "end_to_end_kernel"),
        _ratio("6", "end to end ÷ kernel only, stride 1", ratios, "end_to_end_kernel_stride_1"),
    ]
    return [*rows, *_memory(results), *_startup(results), _evaluation(results), *_agreement(results)]


def _row(number: str, measure: str, target: str, value: Any, show: Callable[[Any], str], met: bool | None) -> Target:
    return Target(number, measure, target, "–" if value is None else show(value), None if value is None else met)


def _ratio(number: str, measure: str, ratios: dict[str, Any], key: str) -> Target:
    found, least = ratios.get(key), MIN_RATIOS[key]
    met = None if found is None else found["median"] >= least

    def show(one: dict[str, Any]) -> str:
        return f"{one['median']:.3g} ({one['min']:.3g} – {one['max']:.3g})"

    return _row(number, measure, f"≥ {least:g}", found, show, met)


def _memory(results: dict[str, Any]) -> list[Target]:
    memory = results.get("memory")
    peaks = [peak for name, peak in results["scan_peak_bytes"].items() if name.startswith("end to end/default/")]
    most = max(peaks, default=None)
    met = None if most is None else most <= MAX_BYTES
    rows = [_row("7", "peak memory, the most of the default network's scans", "≤ 350 MB", most, _megabytes, met)]
    if not memory:
        return [*rows, Target("7", "peak memory of longer genomes", "≤ 350 MB; within 10 %", "–", None)]
    for kind in ("plain", "gzip"):
        one = memory[f"one/{kind}"]["peak_bytes"]
        name = f"peak memory, a chromosome of {memory['bases'] / 1e6:.0f} Mb, {kind}"
        rows.append(_row("7", name, "≤ 350 MB", one, _megabytes, one <= MAX_BYTES))
        for shape, words in (("ten", "ten such chromosomes"), ("long", "one ten times as long")):
            more = memory[f"{shape}/{kind}"]["peak_bytes"] / one - 1
            rows.append(_row("7", f"{words}, {kind}", "within 10 %", more, lambda m: f"{m:+.1%}", more <= 0.1))
    return rows


def _startup(results: dict[str, Any]) -> list[Target]:
    startup = results.get("startup")
    rows = []
    for key, words, most in (("help", "`jundscan --help`", 0.3), ("scan_10kb", "scan of 10 kb", 1.2)):
        value = startup[key]["median"] if startup else None
        met = None if value is None else value <= most
        rows.append(_row("8", f"{words} (median of 5)", f"≤ {most:g} s", value, lambda s: f"{s:.2f} s", met))
    return rows


def _evaluation(results: dict[str, Any]) -> Target:
    found = results.get("evaluation")
    value = found["ratios"]["loop_same_network/ours"]["median"] if found else None
    met = None if value is None else value >= 10
    name = "evaluation: times as fast as the torch loop with the same network"
    return _row("9", name, "≥ 10", value, lambda times: f"{times:.1f}", met)


def _agreement(results: dict[str, Any]) -> list[Target]:
    found = results.get("agreement") or {}
    identical = found.get("bit_identical")
    rows = [
        _row("10", "probabilities over chunk length and threads", "bit-identical", identical, _yes, bool(identical))
    ]
    for key, words, most in (("single_windows", "against single windows", 1e-6), ("torch", "against torch", 1e-5)):
        value = found.get(key)
        met = None if value is None else value <= most
        rows.append(_row("10", f"largest difference {words}", f"≤ {most:g}", value, lambda d: f"{d:.1e}", met))
    return rows


def _megabytes(value: int) -> str:
    return f"{value / MEGABYTE:.0f} MB"


def _yes(value: bool) -> str:
    return "bit-identical" if value else "different"
