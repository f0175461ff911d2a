"""Compare the page's modules with jundscan on 200 sequences and 20 regions, and time them.

Run it by ``python -m tests.browser.try_page``. The tests do the same with fewer sequences.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.browser.try_page.cases import codes_of, contribution_tolerance, explain, make_cases, scan_tsv
from tests.browser.try_page.site import NO_NODE, find_node, make_folder, run_modules

SEQUENCES, REGIONS, REGION_BASES = 200, 20, 101
REPEATS = 7
MAX_DIFFERENCE, MAX_CHANGE = 1e-5, 1e-4


def compare_windows(page: Path, folder: Path) -> float:
    """Return the largest difference of probabilities from those of ``jundscan scan --stride 1 --format tsv``."""
    cases = make_cases(SEQUENCES, seed=1)
    worst, windows = 0.0, 0
    for case, answer in zip(cases, run_modules(page, [case.request() for case in cases])["answers"], strict=True):
        starts, probabilities = scan_tsv(case, folder)
        scored = answer["scanned"][0]
        found = np.array(scored["probabilities"], np.float64)
        known = ~np.isnan(found)
        if not np.array_equal(np.array(scored["starts"])[known], starts):
            return float("inf")
        worst = max(worst, float(np.abs(found[known] - probabilities).max(initial=0)))
        windows += len(starts)
    lengths = [len(codes_of(case)) for case in cases]
    print(f"{len(cases)} sequences of {min(lengths):,} to {max(lengths):,} bases, {windows:,} windows: {worst:.2g}")
    return worst


def compare_contributions(page: Path, folder: Path) -> bool:
    """Compare contributions with those of ``jundscan.explain``, and return whether all are close enough."""
    rng = random.Random(2)
    cases = [case for case in make_cases(4 * REGIONS, seed=2, longest=5_000) if len(codes_of(case)) > 2 * REGION_BASES]
    starts = [rng.randrange(len(codes_of(case)) - REGION_BASES) for case in cases[:REGIONS]]
    regions = [(start, start + REGION_BASES) for start in starts]
    requests = [case.request(regions=[region]) for case, region in zip(cases, regions, strict=False)]
    are_close = True
    differences = []
    for case, region, answer in zip(cases, regions, run_modules(page, requests)["answers"], strict=False):
        found, expected = np.array(answer["explained"][0], np.float64), explain(case, region, folder)
        scores = np.array(answer["scanned"][0]["probabilities"], np.float64)
        difference = float(np.nanmax(np.abs(found - expected), initial=0))
        are_close &= np.array_equal(np.isnan(found), np.isnan(expected))
        are_close &= difference <= contribution_tolerance(scores)
        differences.append((difference, float(np.nanmax(scores))))
    differences.sort()
    close = sum(difference <= MAX_CHANGE for difference, _ in differences)
    print(f"{len(regions)} regions: {close} within {MAX_CHANGE} logits, median {differences[REGIONS // 2][0]:.2g}")
    for difference, best in differences[close:]:
        print(f"  {difference:.2g} logits where the best window scores {best:.7f}")
    return are_close


def time_modules(page: Path) -> None:
    """Print the shortest time of 1 kb at stride 1 and of 1 Mb at stride 10, after the model is loaded."""
    rng = random.Random(3)
    for length, stride in ((1_000, 1), (1_000_000, 10)):
        fasta = ">a\n" + "".join(rng.choices("ACGT", k=length)) + "\n"
        request = {"text": fasta, "stride": stride, "threshold": 0.9}
        answers = run_modules(page, [request] * REPEATS)["answers"]
        times = [answer["scanned"][0]["milliseconds"] for answer in answers]
        print(f"{length:,} bases at stride {stride}: {times[0]:.0f} ms first, {min(times):.0f} ms at best")


def main() -> int:
    """Do all of it, and return 1 when a difference is too large."""
    with tempfile.TemporaryDirectory() as name:
        page = make_folder(Path(name))
        time_modules(page)
        print(f"load average {os.getloadavg()[0]:.1f}")
        is_same = compare_windows(page, Path(name)) <= MAX_DIFFERENCE
        return int(not (compare_contributions(page, Path(name)) and is_same))


if __name__ == "__main__":
    sys.exit(main() if find_node() else NO_NODE)
