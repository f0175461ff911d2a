"""Kill scans at random moments and check the files that remain: ``python -m tests.faults.kills --runs 200``.

Each scan starts with ``--force`` over older outputs, and a signal ends it. Then every output must hold the older
content or that of an undisturbed scan, and an index must describe the file beside it. SIGINT and SIGTERM must leave no
other file. SIGKILL may leave files with the names of temporary files. ``test_faults.py`` runs a few of these.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jundscan.io.files import TEMPORARY_PREFIX
from tests.helpers.inputs import letters, track_rows, write_fasta, write_rows

ROOT = Path(__file__).parents[2]
SIZES = {"chr1": 1_500_000, "chr2": 900_000, "chr3": 5_000}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
KINDS = {
    "uncompressed, without index": ("in/genome.fa", "hits.bed", "probability.bw"),
    "compressed, standard input": ("-", "hits.bed.gz", "probability.bedgraph.gz"),
}
"""Genome, hits and track of each kind of scan."""
_VOLATILE = ("seconds", "bases_per_second", "timings", "inputs")


class Remains(NamedTuple):
    """Exit code of a killed scan, the state of each file ("old", "new" or "absent"), and the problems."""

    code: int
    states: dict[str, str]
    problems: list[str]


def make_inputs(folder: Path) -> Path:
    """Write genome and track into a new folder, and return it."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    write_fasta(folder / "genome.fa", {chrom: letters(rng, size) for chrom, size in SIZES.items()})
    write_rows(folder / "track.bedgraph", track_rows(rng, SIZES))
    return folder


def arguments(kind: str) -> list[str]:
    genome, hits, track = KINDS[kind]
    options = [
        "--accessibility",
        "in/track.bedgraph",
        "--stride",
        "4",
        "--threshold",
        "0.7",
        "--threads",
        "2",
        "--force",
    ]
    return ["scan", genome, *options, "-o", hits, "--track", track, "--json", "run.json"]


def start(kind: str, inputs: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a scan in a new folder that holds its inputs and older outputs."""
    for new in (folder, folder / "tmp"):
        new.mkdir()
    shutil.copytree(inputs, folder / "in")
    for name in names(kind):
        (folder / name).write_text(f"older {name}\n")
    command = [sys.executable, "-m", "jundscan", *arguments(kind)]
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    with (inputs / "genome.fa").open() as standard_input:
        return subprocess.Popen(
            command, cwd=folder, stdin=standard_input, stderr=subprocess.PIPE, text=True, env=environment
        )


def names(kind: str) -> list[str]:
    """Return the names of the outputs of a kind of scan."""
    _, hits, track = KINDS[kind]
    indexes = [f"{name}.tbi" for name in (hits, track) if name.endswith(".gz")]
    return [hits, track, *indexes, "run.json"]


def undisturbed(kind: str, inputs: Path, folder: Path) -> tuple[dict[str, bytes], float]:
    """Run a scan to its end, and return the contents of its outputs and its seconds."""
    began = time.monotonic()
    process = start(kind, inputs, folder)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return {name: (folder / name).read_bytes() for name in names(kind)}, time.monotonic() - began


def kill(kind: str, inputs: Path, folder: Path, number: signal.Signals, delay: float) -> tuple[int, str]:
    """Kill a scan after ``delay`` seconds, and return its exit code as in a shell, and its stderr."""
    process = start(kind, inputs, folder)
    time.sleep(delay)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    return process.returncode % 256 if process.returncode >= 0 else 128 - process.returncode, stderr


def judge(kind: str, folder: Path, number: signal.Signals, code: int, complete: Mapping[str, bytes]) -> Remains:
    """Compare the files of a killed scan with the older ones and with the complete ones."""
    states = {name: _state(folder / name, complete[name]) for name in names(kind)}
    problems = [f"{name} is {state}" for name, state in states.items() if state not in ("old", "new", "absent")]
    problems += [f"{name} is gone" for name, state in states.items() if state == "absent" and not name.endswith(".tbi")]
    problems += [
        f"{name} is {state} beside another file"
        for name, state in states.items()
        if name.endswith(".tbi") and state not in ("absent", states[name.removesuffix(".tbi")])
    ]
    if code not in (0, 128 + number):
        problems.append(f"exit code {code}")
    if code == 0 and set(states.values()) != {"new"}:
        problems.append("exit code 0 and not all is new")
    inputs = {"genome.fa", "track.bedgraph", "genome.fa.fai"}
    others = {path.name for path in folder.iterdir() if path.is_file()} - set(states)
    others |= {path.name for path in (folder / "in").iterdir()} - inputs
    # every session of ONNX Runtime leaves .ses
    temporary = {path.name for path in (folder / "tmp").iterdir()} - {".ses"}
    if number != signal.SIGKILL:
        problems += [f"left {name}" for name in sorted(others | temporary)]
    else:
        problems += [f"left {name}" for name in sorted(others) if not name.startswith(TEMPORARY_PREFIX)]
        problems += [f"left {name}" for name in sorted(temporary) if not name.startswith("jundscan.")]
    index = folder / "in" / "genome.fa.fai"
    if index.exists() and len(index.read_text().splitlines()) != len(SIZES):
        problems.append("half an index of the genome")
    return Remains(code, states, problems)


def _state(path: Path, complete: bytes) -> str:
    if not path.exists():
        return "absent"
    content = path.read_bytes()
    if content == f"older {path.name}\n".encode():
        return "old"
    if path.suffix == ".json":
        return "new" if _constant_part(content) == _constant_part(complete) else "damaged"
    return "new" if content == complete else "damaged"


def _constant_part(content: bytes) -> dict[str, Any]:
    """Return the part of a record that is equal in all runs of the same scan."""
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return {key: value for key, value in record.items() if key not in _VOLATILE}


def moment(rng: np.random.Generator, seconds: float) -> float:
    """Draw the second of a kill: half of them anywhere, half near the end, when files are renamed."""
    low, high = (0.0, 1.0) if rng.random() < 0.5 else (0.85, 1.05)
    return float(rng.uniform(low, high) * seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="signals that reach a running scan")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background job would ignore it
    rng = np.random.default_rng(options.seed)
    found: Counter[tuple[str, int, str]] = Counter()
    bad = late = 0
    with tempfile.TemporaryDirectory() as work:
        inputs = make_inputs(Path(work, "in"))
        complete, seconds = {}, {}
        for kind in KINDS:
            complete[kind], seconds[kind] = undisturbed(kind, inputs, Path(work, kind))
        while sum(found.values()) < options.runs:
            kind = list(KINDS)[rng.integers(len(KINDS))]
            number = SIGNALS[rng.integers(len(SIGNALS))]
            folder = Path(work, "run")
            delay = moment(rng, seconds[kind])
            code, stderr = kill(kind, inputs, folder, number, delay)
            remains = judge(kind, folder, number, code, complete[kind])
            shutil.rmtree(folder)
            if code == 0:  # the scan had finished
                late += 1
                seconds[kind] *= 0.97
            else:
                states = set(remains.states.values()) - {"absent"}
                found[number.name, code, "mixed" if len(states) > 1 else states.pop()] += 1
                seconds[kind] *= 1.01
            if remains.problems:
                bad += 1
                print(f"{kind}, {number.name} after {delay:.3f} s:", *remains.problems, stderr, sep="\n  ", flush=True)
    for (name, code, state), times in sorted(found.items()):
        print(f"{name:8} exit {code}  files {state:6} {times:4}")
    print(f"{sum(found.values())} kills, and {late} that came too late. {bad} left files neither old nor complete.")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
