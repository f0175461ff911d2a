"""Measure the cost of a report: whole scans of 6 Mb with and without ``--report``.

Run ``python -m benchmarks.report --data DIR`` with the folder of the real data. It writes ``benchmarks/report.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.timing import interleaved, jundscan_command, ratio, run_command

TARGET = Path(__file__).with_name("report.json")
REGION = "22:16000000-22000000"
CASES = {
    "default": (),
    "every base": ("--stride", "1"),
    "1,000 hits": ("--threshold", "0.5"),
}
"""Further options of the scan. The last case fills the report's table."""
MAX_RATIO = 1.15
"""Maximum ratio in the first case."""
REPEATS = 11


def measure(data: Path, repeats: int) -> dict[str, Any]:
    """Time every case with and without a report, from start to end of the process."""
    genome, track = (
        data / "genome" / "hg19.22_1-22000000.fa.gz",
        data / "tracks" / "HepG2.DNase.hg19.chr22.narrowPeak.gz",
    )
    # let Python and the reports cache what they compile, as an installed program does
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        hits, page = Path(folder, "hits.bed"), Path(folder, "report.html")
        scan = [*jundscan_command(), "scan", genome, "--accessibility", track, "--region", REGION, "-o", hits]
        for name, options in CASES.items():
            without = [str(part) for part in (*scan, *options, "--force", "--quiet")]
            commands = {"without": without, "with": [*without, "--report", str(page)]}
            run_command(commands["with"])  # fills the compiled files and the disk cache
            timed = interleaved({case: partial(_seconds, command) for case, command in commands.items()}, repeats)
            results[name] = {**timed, "ratio": ratio(timed["with"], timed["without"]), "bytes": page.stat().st_size}
    return results


def _seconds(command: list[str]) -> float:
    return run_command(command)["seconds"]


def main() -> None:
    """Measure, write the JSON and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    results = {**machine.describe(), "region": REGION, "cases": measure(options.data, options.repeats)}
    TARGET.write_text(json.dumps(results, indent=1) + "\n")
    for name, case in results["cases"].items():
        print(f"{name}: with ÷ without {case['ratio']['median']:.3f}, {case['bytes'] / 1e6:.2f} MB")
    is_met = results["cases"]["default"]["ratio"]["median"] <= MAX_RATIO
    print(f"target for the default: at most {MAX_RATIO}: {'met' if is_met else 'missed'}")


if __name__ == "__main__":
    main()
