"""Try many damaged inputs: ``python -m tests.damage --examples 50000``; says what came of them, reader by reader.

Each reader runs in a process of its own, so that a crash or a hang of a library is found too: the process may take 1 GB
more memory than it starts with and 30 seconds an example. What fails is written to a folder, by its reader and cause.
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

MEMORY = 1 << 30
SECONDS = 30
BATCH = 500


def _attempt(reader: Reader, examples: int, chosen: int, last: Path, failures: Path, results: Path, begun: Any) -> None:
    """Run in a process of its own: try so many examples, and write down how many there were and what came of them."""
    counts: Counter[str] = Counter()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    warnings.simplefilter("error")
    logging.getLogger("jundscan").addHandler(logging.NullHandler())  # what is said is not looked at here
    for files in reader.undamaged:  # what is loaded on first use is no part of an input's memory
        check(reader, files, undamaged=True)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
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
        except BaseException as err:  # a panic in Rust is no Exception; the next examples are wanted too
            if isinstance(err, KeyboardInterrupt):
                raise
            counts["failed"] += 1
            told = traceback.format_exc()
            frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(err.__traceback__)]
            cause = hashlib.sha256(f"{type(err).__name__} {frames}".encode()).hexdigest()[:8]
            place = f"{failures}/{reader.name.replace(' ', '_')}-{type(err).__name__}-{cause}"
            if not Path(f"{place}.txt").exists():
                Path(f"{place}.txt").write_text(told)
                Path(f"{place}.pickle").write_bytes(last.read_bytes())

    attempt()
    counts["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    results.write_text(json.dumps(counts))


def _wait(process: Any, begun: Any) -> None:
    """Wait for the end; when an example takes too long, abort it, which writes down where it is.

    Seconds are those in which this process ran, so that being stopped for a while is not taken for a hang.
    """
    before, seconds = -1, 0
    while process.exitcode is None:
        process.join(1)
        now = begun.value
        before, seconds = now, seconds + 1 if now == before else 0
        if seconds > SECONDS:
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
        else:  # crashed or hung: what it was doing is in its last example
            totals["crashed"] += 1
            tried = 1
            last.rename(f"{stem}.crash{number}.pickle")
        totals["examples"] += max(tried, 1)
        if number > 20 and totals["crashed"] > number // 2:
            break
    return {**totals, "peak_mb": peak, "seconds": round(time.monotonic() - began)}


def main() -> None:
    """Run all readers, write the report, fail when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.damage", description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="for all readers together")
    parser.add_argument("--reader", action="append", help="only these; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/damage"), help="folder for the report and failures")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    wanted = [reader for reader in readers() if not chosen.reader or reader.name in chosen.reader]
    report = {}
    for reader in wanted:
        report[reader.name] = counts = _run(reader, -(-chosen.examples // len(wanted)), chosen.seed, chosen.out)
        print(reader.name, counts, flush=True)
        (chosen.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    failed = sum(counts.get("failed", 0) + counts.get("crashed", 0) for counts in report.values())
    print(f"{sum(counts['examples'] for counts in report.values()):,} examples, {failed:,} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
