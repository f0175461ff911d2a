"""Kill scans at random moments and look at what they leave: ``python -m tests.faults.kills --runs 200``.

Each scan starts over older outputs, with ``--force``, and is ended by a signal. Then every final name must hold either
the older content or what an undisturbed scan writes; an index must not stand beside a file that it does not describe;
after SIGINT and SIGTERM nothing else may lie there, after SIGKILL only files whose names say what they are. The suite
runs a few of these (``test_faults.py``); the long run is a command.
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
    "plain, index to be made": ("in/genome.fa", "hits.bed", "probability.bw"),
    "packed, standard input": ("-", "hits.bed.gz", "probability.bedgraph.gz"),
}
"""Genome, hits, track."""
_VOLATILE = ("seconds", "bases_per_second", "timings", "inputs")


class Killed(NamedTuple):
    """What one scan left: exit code, "old", "new" or "absent" by file, and all that is wrong with it."""

    code: int
    states: dict[str, str]
    problems: list[str]


def make_inputs(folder: Path) -> Path:
    """Write genome and track; the folder that holds them."""
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
    for place in (folder, folder / "tmp"):
        place.mkdir()
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
    """List the final names of a kind of scan."""
    _, hits, track = KINDS[kind]
    indexes = [f"{name}.tbi" for name in (hits, track) if name.endswith(".gz")]
    return [hits, track, *indexes, "run.json"]


def undisturbed(kind: str, inputs: Path, folder: Path) -> tuple[dict[str, bytes], float]:
    """Let one finish: the contents of its files, and the seconds that it took."""
    began = time.monotonic()
    process = start(kind, inputs, folder)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return {name: (folder / name).read_bytes() for name in names(kind)}, time.monotonic() - began


def kill(kind: str, inputs: Path, folder: Path, number: signal.Signals, delay: float) -> tuple[int, str]:
    """Start a scan and end it after so many seconds; its exit code as a shell gives it, and what it said."""
    process = start(kind, inputs, folder)
    time.sleep(delay)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode % 256 if process.returncode >= 0 else 128 - process.returncode, said


def judge(kind: str, folder: Path, number: signal.Signals, code: int, whole: Mapping[str, bytes]) -> Killed:
    """Compare what a scan left with what was there before and what would have been there at the end."""
    states = {name: _state(folder / name, whole[name]) for name in names(kind)}
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
    temporary = {path.name for path in (folder / "tmp").iterdir()} - {
        ".ses"
    }  # ONNX Runtime's own, left by every session
    if number != signal.SIGKILL:
        problems += [f"left {name}" for name in sorted(others | temporary)]
    else:
        problems += [f"left {name}" for name in sorted(others) if not name.startswith(TEMPORARY_PREFIX)]
        problems += [f"left {name}" for name in sorted(temporary) if not name.startswith("jundscan.")]
    index = folder / "in" / "genome.fa.fai"
    if index.exists() and len(index.read_text().splitlines()) != len(SIZES):
        problems.append("half an index of the genome")
    return Killed(code, states, problems)


def _state(path: Path, whole: bytes) -> str:
    if not path.exists():
        return "absent"
    content = path.read_bytes()
    if content == f"older {path.name}\n".encode():
        return "old"
    if path.suffix == ".json":
        return "new" if _lasting(content) == _lasting(whole) else "damaged"
    return "new" if content == whole else "damaged"


def _lasting(content: bytes) -> dict[str, Any]:
    """Take from a record what every run of the same scan says alike."""
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return {key: value for key, value in record.items() if key not in _VOLATILE}


def moment(rng: np.random.Generator, seconds: float) -> float:
    """Draw when to kill: half of them anywhere, half about the end, where files get their names."""
    low, high = (0.0, 1.0) if rng.random() < 0.5 else (0.85, 1.05)
    return float(rng.uniform(low, high) * seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="signals that reach a running scan")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would inherit "ignore"
    rng = np.random.default_rng(options.seed)
    found: Counter[tuple[str, int, str]] = Counter()
    bad = late = 0
    with tempfile.TemporaryDirectory() as work:
        inputs = make_inputs(Path(work, "in"))
        whole, seconds = {}, {}
        for kind in KINDS:
            whole[kind], seconds[kind] = undisturbed(kind, inputs, Path(work, kind))
        while sum(found.values()) < options.runs:
            kind = list(KINDS)[rng.integers(len(KINDS))]
            number = SIGNALS[rng.integers(len(SIGNALS))]
            folder = Path(work, "run")
            delay = moment(rng, seconds[kind])
            code, said = kill(kind, inputs, folder, number, delay)
            killed = judge(kind, folder, number, code, whole[kind])
            shutil.rmtree(folder)
            if code == 0:  # it had finished, or was about to
                late += 1
                seconds[kind] *= 0.97
            else:
                states = set(killed.states.values()) - {"absent"}
                found[number.name, code, "mixed" if len(states) > 1 else states.pop()] += 1
                seconds[kind] *= 1.01
            if killed.problems:
                bad += 1
                print(f"{kind}, {number.name} after {delay:.3f} s:", *killed.problems, said, sep="\n  ", flush=True)
    for (name, code, state), times in sorted(found.items()):
        print(f"{name:8} exit {code}  files {state:6} {times:4}")
    print(f"{sum(found.values())} kills, {late} more came too late; {bad} left anything but old or complete files")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
