"""The record of a run (``--json``): inputs, versions, threshold, warnings and times; and the head of its outputs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from jundscan._version import __version__
from jundscan.model.thresholds import Threshold
from jundscan.run.inputs import Inputs
from jundscan.schemas.records import FileRecord, RunRecord, VersionsRecord


def file_facts(path: Path) -> FileRecord:
    """Return the path of a file, its size in bytes and the time of its last change (UTC).

    Parameters
    ----------
    path : pathlib.Path
        For ``-``, a pipe or a device, size and time are None.
    """
    facts: FileRecord = {"path": str(path), "bytes": None, "modified": None}
    if path.is_file():
        status = path.stat()
        facts["bytes"] = status.st_size
        facts["modified"] = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    return facts


def versions() -> VersionsRecord:
    """Return the versions of the software that computes the numbers."""
    import onnxruntime

    return {
        "jundscan": __version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        "pybigtools": version("pybigtools"),
        "python": platform.python_version(),
    }


def run_facts(inputs: Inputs, threshold: Threshold, files: Mapping[str, Path | None], command: str | None) -> RunRecord:
    """Return the keys that the records of all commands share.

    Parameters
    ----------
    inputs : Inputs
    threshold : Threshold
    files : mapping of str to pathlib.Path or None
        Input files besides those of ``inputs``, by what they are.
    command : str or None
        The command line.
    """
    model, track = inputs.model, inputs.track
    meaning = None if track is None else track.track.meaning
    paths = {**inputs.paths, "model": model.path, **files}
    record: RunRecord = {
        "jundscan": __version__,
        "command": command,
        "genome": str(inputs.genome.path),
        "timings": inputs.timings,
        "threshold": threshold.value,
        "threshold_rule": threshold.rule,
        "expected": threshold.shares(),
        "accessibility": None if track is None else str(track.path),
        "accessibility_values": None if meaning is None else meaning.to_dict(),
        "model": model.identity(),
        "provider": model.provider,
        "threads": inputs.threads,
        "versions": versions(),
        "inputs": {kind: file_facts(path) for kind, path in paths.items() if path is not None},
        "warnings": inputs.cautions.to_list(),
        "accessibility_scale": None if track is None else inputs.scale.to_dict(),
    }
    if track is not None and track.track.reads is not None:
        record["accessibility_reads"] = track.track.reads
    return record


def header(
    inputs: Inputs, threshold: Threshold, stride: int, command: str | None = None, accessibility: str | None = None
) -> str:
    """Return ``#`` lines that name version, model, inputs, stride, threshold and its rule, and the command line.

    ``accessibility`` describes several tracks; by default it is the name of the one track.
    """
    metadata, track = inputs.model.metadata, inputs.track
    accessibility = accessibility or ("none" if track is None else track.path.name)
    lines = [
        f"jundscan {__version__}, model {metadata.name} {metadata.version} sha256 {inputs.model.sha256}",
        f"genome {inputs.genome.path.name}, accessibility {accessibility}, "
        f"stride {stride}, threshold {threshold.value:.6g} ({threshold.rule})",
    ]
    if command is not None:
        lines.append(f"command: {command}")
    return "".join(f"# {_one_line(line)}\n" for line in lines)


def _one_line(text: str) -> str:
    """Escape line ends and undecodable bytes, which the name of a file may hold."""
    return text.replace("\n", "\\n").replace("\r", "\\r").encode(errors="backslashreplace").decode()
