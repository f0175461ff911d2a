"""Measure everything in one run, and write ``results.json`` and the tables: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks import machine, run
from benchmarks.genome import make_genome
from benchmarks.render import full, page, replace_block, short
from benchmarks.timing import log_progress
from jundscan.model.load import load_model
from jundscan.threads import usable_cores
from train.records import write_record

FOLDER = Path(__file__).parent
RESULTS, PROFILE = FOLDER / "results.json", FOLDER / "profile.json"
AGAINST_FIMO = FOLDER / "against_fimo.json"
AROUND_MODEL, CARD = FOLDER / "around_model.json", FOLDER / "gpu.json"
README, PAGE = FOLDER.parent / "README.md", FOLDER.parent / "docs" / "benchmarks.md"
PROFILE_BASES = 6_350_000
QUICK_BASES = 100_000


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--genome", type=Path, help="FASTA to read bases from (default: random bases)")
    parser.add_argument("--models", type=Path, default=FOLDER.parent / "exported", help="folder of model folders")
    parser.add_argument("--threads", type=int, default=min(2, usable_cores()), help="maximum threads")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of the speed table")
    parser.add_argument("--quick", action="store_true", help="measure tiny inputs; write nothing without --out")
    parser.add_argument("--only", nargs="+", choices=run.SECTIONS, help="measure only these sections")
    parser.add_argument("--out", type=Path, help="JSON file instead of benchmarks/results.json; prints the tables")
    parser.add_argument("--profile", action="store_true", help="profile the default scan instead")
    parser.add_argument("--render", action="store_true", help="write the tables from the JSON without measuring")
    options = parser.parse_args(arguments)
    if options.only and not (options.out or options.quick):
        parser.error("--only would make results.json incomplete; give another file with --out")
    return options


def data_folder() -> Path | None:
    """Return the folder of real data that JUNDSCAN_DATA names, or None."""
    named = os.environ.get("JUNDSCAN_DATA")
    return Path(named) if named else None


def genome_source(options: argparse.Namespace) -> Path | None:
    given: Path | None = options.genome
    return default_genome() if given is None else given


def default_genome() -> Path | None:
    """Return the FASTA of the real data, or None without JUNDSCAN_DATA."""
    data = data_folder()
    return None if data is None else data / "genome" / "hg19.chr22.partial.fa.gz"


def read_json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.is_file() else None


def render() -> None:
    """Write both READMEs and docs/benchmarks.md from the JSON files.

    Raises
    ------
    ValueError
        When the top-level README or the page has no block for the tables.
    """
    results, against_fimo = read_json(RESULTS), read_json(AGAINST_FIMO)
    if results is None or against_fimo is None:
        sys.exit(f"measure first: python -m benchmarks, and python -m benchmarks.against_fimo --out {AGAINST_FIMO}")
    (FOLDER / "README.md").write_text(full(results, read_json(PROFILE)))
    on_page = page(results, against_fimo, read_json(AROUND_MODEL), read_json(CARD))
    contents = ((README, short(against_fimo)), (PAGE, on_page))
    for path, content in contents:
        path.write_text(replace_block(path.read_text(), content, path.name))


def profile(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import profiling

    with tempfile.TemporaryDirectory(prefix="jundscan-profile-") as folder:
        genome = make_genome(Path(folder), genome_source(options), QUICK_BASES if options.quick else PROFILE_BASES)
        model = load_model(run.default_folder(options.models), "cpu")
        measured = profiling.measure(genome, model, options.threads, Path(folder))
        return {"machine": machine.describe(), "genome": genome.source, "model": model.identity(), **measured}


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.render:
        render()
        return
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    began = time.perf_counter()
    if options.profile:
        found, target = profile(options), PROFILE
    else:
        found, target = run.measure(options, genome_source(options), data_folder()), RESULTS
        found["minutes"] = (time.perf_counter() - began) / 60
    if options.out or not options.quick:
        write_record(found, options.out or target)
    if options.out or options.quick:
        if options.profile:
            print(json.dumps(found, indent=1))
        else:
            print(full(found))
    elif RESULTS.is_file():
        render()
    log_progress(f"done in {(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
