"""Try many damaged inputs: ``python -m tests.damage --examples 50000`` prints the outcomes of each reader.

Each reader runs in a process of its own, so that crashes and hangs of libraries count too. The process may take 1 GB
more memory than it starts with, and 30 seconds an example. A folder keeps the failures by reader and cause.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import logging
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.damage.check import check
from tests.damage.reader import Reader
from tests.damage.readers import readers

MAX_BYTES = 1 << 30
MAX_SECONDS = 30
BATCH = 500


def _attempt(reader: Reader, examples: int, chosen: int, last: Path, failures: Path, results: Path, begun: Any) -> None:
    """Try ``examples`` inputs in a process of its own, and write the number of each outcome to ``results``."""
    counts: Counter[str] = Counter()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    warnings.simplefilter("error")
    logging.getLogger("jundscan").addHandler(logging.NullHandler())  # keeps log messages off stderr
    for files in reader.undamaged:  # loads libraries before memory is measured
        check(reader, files, undamaged=True)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_BYTES, size + MAX_BYTES))
    faulthandler.enable(os.open(f"{last}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND))

    @seed(chosen)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(files=reader.cases)
    def attempt(files: Mapping[str, bytes]) -> None:
        last.write_bytes(pickle.dumps(dict(files)))
        begun.value += 1
        try:
            counts[check(reader, files)] += 1
        except BaseException as err:  # a panic in Rust is no Exception, and the next examples must run
            if isinstance(err, KeyboardInterrupt):
                raise
            counts["failed"] += 1
            report = traceback.format_exc()
            frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(err.__traceback__)]
            cause = hashlib.sha256(f"{type(err).__name__} {frames}".encode()).hexdigest()[:8]
            stem = f"{failures}/{reader.name.replace(' ', '_')}-{type(err).__name__}-{cause}"
            if not Path(f"{stem}.txt").exists():
                Path(f"{stem}.txt").write_text(report)
                Path(f"{stem}.pickle").write_bytes(last.read_bytes())

    attempt()
    counts["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    results.write_text(json.dumps(counts))


def _wait(process: Any, begun: Any) -> None:
    """Wait for a process, and abort it when an example takes too long, which logs the stack.

    The seconds count only while this process runs, so that a pause of the machine is no hang.
    """
    before, seconds = -1, 0
    while process.exitcode is None:
        process.join(1)
        now = begun.value
        before, seconds = now, seconds + 1 if now == before else 0
        if seconds > MAX_SECONDS:
            os.kill(process.pid, signal.SIGABRT)
            process.join()


def _run(reader: Reader, examples: int, first_seed: int, folder: Path) -> dict[str, Any]:
    """Try a reader in batches."""
    began = time.monotonic()
    totals: Counter[str] = Counter()
    peak, number = 0, 0
    stem = f"{folder}/{reader.name.replace(' ', '_')}"
    context = multiprocessing.get_context("fork")
    while totals["examples"] < examples:
        results, last = Path(f"{stem}.json"), Path(f"{stem}.last")
        results.unlink(missing_ok=True)
        batch = min(BATCH, examples - totals["examples"])
        begun = context.Value("q", 0)
        chosen = first_seed + number
        process = context.Process(target=_attempt, args=(reader, batch, chosen, last, folder, results, begun))
        process.start()
        _wait(process, begun)
        number += 1
        if results.exists():
            counts = Counter(json.loads(results.read_text()))
            peak = max(peak, counts.pop("peak"))
            tried = counts.total()
            totals.update(counts)
        else:  # the process crashed or hung in its last example
            totals["crashed"] += 1
            tried = 1
            last.rename(f"{stem}.crash{number}.pickle")
        totals["examples"] += max(tried, 1)
        if number > 20 and totals["crashed"] > number // 2:
            break
    return {**totals, "peak_mb": peak, "seconds": round(time.monotonic() - began)}


def main() -> None:
    """Run all readers, write the report, and exit with 1 when an example failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.damage", description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="for all readers together")
    parser.add_argument("--reader", action="append", help="only this reader; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/damage"), help="folder for the report and failures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [reader for reader in readers() if not options.reader or reader.name in options.reader]
    report = {}
    for reader in chosen:
        report[reader.name] = counts = _run(reader, -(-options.examples // len(chosen)), options.seed, options.out)
        print(reader.name, counts, flush=True)
        (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    failed = sum(counts.get("failed", 0) + counts.get("crashed", 0) for counts in report.values())
    print(f"{sum(counts['examples'] for counts in report.values()):,} examples, {failed:,} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
