"""Time short commands: the help text, and a scan of 10 kb."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.genome import read_codes, write_fasta, write_peaks
from benchmarks.timing import interleaved, jundscan_command, run_command

BASES = 10_000
REPEATS = 5


def measure(folder: Path, model: Path) -> dict[str, Any]:
    """Time from start to end of the process, in seconds: ``help``, ``scan_10kb`` with a track, and without one."""
    fasta, track = folder / "small.fa", folder / "small.bedgraph"
    write_fasta(fasta, [("chr1", read_codes(None, BASES))])
    write_peaks(track, {"chr1": BASES}, 10)
    scan = [*jundscan_command(), "scan", str(fasta), "--model", str(model), "--force", "--quiet"]
    scan += ["--output", str(folder / "small.bed")]
    # ten kilobases are too few to fit a track's scale on
    with_track = [*scan, "--accessibility", str(track), "--accessibility-scale", "identity"]
    commands = {"help": [*jundscan_command(), "--help"], "scan_10kb": with_track, "scan_10kb_no_track": scan}
    return interleaved({name: partial(_seconds, command) for name, command in commands.items()}, REPEATS)


def _seconds(command: list[str]) -> float:
    return run_command(command)["seconds"]
