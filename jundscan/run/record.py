"""The record of a run (``scan --json``): what went in, with which versions, what came out and how long it took."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jundscan._version import __version__
from jundscan.model.metadata import Metadata
from jundscan.scanning.plan import Scan


def file_facts(path: Path) -> dict[str, Any]:
    """Tell a file's path, its size in bytes and when it was last changed (UTC); None for what is no file.

    Parameters
    ----------
    path : pathlib.Path
        ``-``, a pipe or a device has neither size nor time.
    """
    facts: dict[str, Any] = {"path": str(path), "bytes": None, "modified": None}
    if path.is_file():
        status = path.stat()
        facts["bytes"] = status.st_size
        facts["modified"] = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    return facts


def versions() -> dict[str, str]:
    """Tell the versions of what computes the numbers."""
    import onnxruntime

    return {
        "jundscan": __version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        "pybigtools": version("pybigtools"),
        "python": platform.python_version(),
    }


def what_is_seen(metadata: Metadata) -> str:
    """Describe in words how far around a window a model looks."""
    length, flank, widths = metadata.window_length, metadata.flank, metadata.accessibility_widths
    bases = f"each window of {length} bases" + (f" and {flank:,} bases to each side of it" if flank else "")
    if len(widths) == 1:
        return f"{bases}, and the window's accessibility"
    *some, widest = (format(width, ",") for width in widths)
    return f"{bases}, and accessibility in the {', '.join(some)} and {widest} bases around its centre"


def run_facts(scan: Scan, inputs: Mapping[str, Path | None], command: str | None) -> dict[str, Any]:
    """Put what any run is made from into the keys that all records have.

    Parameters
    ----------
    scan : Scan
    inputs : mapping of str to pathlib.Path or None
        Files read besides those that the scan names itself.
    command : str or None
        The command line.
    """
    files = {**scan.inputs, "model": scan.model.path, **inputs}
    return {
        "jundscan": __version__,
        "command": command,
        "genome": str(scan.genome.path),
        "timings": scan.timings,
        "threshold": scan.threshold.value,
        "threshold_rule": scan.threshold.rule,
        "expected": scan.threshold.shares(),
        "accessibility": None if scan.track is None else str(scan.track.path),
        "accessibility_values": None
        if scan.track is None
        else scan.track.track.meaning and scan.track.track.meaning.to_dict(),
        "model": scan.model.identity(),
        "provider": scan.model.provider,
        "threads": scan.threads,
        "versions": versions(),
        "inputs": {kind: file_facts(path) for kind, path in files.items() if path is not None},
        "warnings": scan.cautions.to_list(),
        "accessibility_scale": None if scan.track is None else scan.scale.to_dict(),
    }


def scan_record(
    scan: Scan,
    *,
    inputs: Mapping[str, Path | None],
    command: str | None,
    hits: int,
    seconds: float,
    accuracy: dict[str, Any] | None,
) -> dict[str, Any]:
    """Put a finished scan into the keys of ``scan --json``.

    Parameters
    ----------
    scan : Scan
        Its counters and timings stand at their final values.
    inputs : mapping of str to pathlib.Path or None
        Files read besides those that the scan names itself.
    command : str or None
        The command line.
    hits : int
    seconds : float
        From the first window to the last output.
    accuracy : dict or None
        From :meth:`jundscan.evaluation.scan_accuracy.Accuracy.report`.
    """
    return {
        **run_facts(scan, inputs, command),
        "windows_scored": scan.windows_scored,
        "windows_skipped": scan.windows_skipped,
        "hits": hits,
        "bases_scanned": scan.bases_scanned,
        "seconds": seconds,
        "bases_per_second": scan.bases_scanned / seconds,
        "stride": scan.stride,
        "regions": None if scan.regions is None else scan.regions._asdict(),
        "accuracy": accuracy and {**accuracy, "model": scan.model.identity(), "provider": scan.model.provider},
    }
