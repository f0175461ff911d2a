"""Describe the machine of a measurement: processor, memory, versions, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from jundscan._version import __version__

LIBRARIES = (
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
    "onnx",
    "pyfaidx",
    "pybigtools",
    "isal",
    "pysam",
    "scikit-learn",
    "joblib",
    "threadpoolctl",
    "pymemesuite",
    "MOODS-python",
    "memelite",
    "lightmotif",
)
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
NOT_INSTALLED = "not installed"


def version_of(library: str) -> str:
    """Return a library's version, or ``not installed``."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return NOT_INSTALLED


def describe() -> dict[str, Any]:
    """Describe the machine and the installation, for the JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": _hardware(),
        "versions": {
            "python": platform.python_version(),
            "jundscan": __version__,
            **{name: version_of(name) for name in LIBRARIES},
        },
    }


def _hardware() -> dict[str, Any]:
    lines = _fields(Path("/proc/cpuinfo"))
    flags = lines.get("flags", "").split()
    memory = _fields(Path("/proc/meminfo")).get("MemTotal", "0 kB").split()[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": lines.get("model name", platform.processor() or platform.machine()),
        "cpu_family_model": "/".join(lines.get(key, "?") for key in ("cpu family", "model", "stepping")),
        "mhz": lines.get("cpu MHz"),
        "cache": lines.get("cache size"),
        "cores": cores,
        "flags": {flag: flag in flags for flag in FLAGS},
        "memory_bytes": int(memory) * 1024,
        "system": platform.platform(),
        "load_at_start": list(os.getloadavg()),
    }


def _fields(path: Path) -> dict[str, str]:
    """Return the first value of each key in the ``key: value`` lines of a file. Without the file, return nothing."""
    found: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    return found
