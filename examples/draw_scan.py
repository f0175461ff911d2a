"""Draw a scan of one region: accessibility, probability, hits and known peaks along the chromosome.

Run ``python examples/draw_scan.py GENOME TRACK PEAKS REGION TITLE TARGET``; ``make docs/scan.png`` draws the README's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from jundscan.accessibility.opening import open_track
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import parse_region
from jundscan.io.bed import read_intervals
from jundscan.model.load import load_model
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import call_hits, score

mpl.use("Agg")
import matplotlib.pyplot as plt

MEGABASE = 1e6


def main(genome: str, track: str, peaks: str, region: str, title: str, target: str) -> None:
    """Scan the region and draw it; chromosomes must have the same names in all files."""
    with open_scan(genome, track, model=load_model(device="cpu"), regions=[region]) as ready:
        chunks = list(score(ready))
        hits = [found for _, found in call_hits(ready, chunks)]
        chrom, first, last = parse_region(region, ready.genome.chromsizes)
        threshold = ready.threshold.value
    starts, probabilities = (
        np.concatenate([getattr(part, name) for part in chunks]) for name in ("starts", "probabilities")
    )
    with open_track(Path(track)) as opened:
        signal = opened.means_of_all([(chrom, starts)])[:, 0]
    known = read_intervals(Path(peaks), "regions")[chrom]
    called = [
        (start, end) for found in hits for start, end in zip(found.start.tolist(), found.end.tolist(), strict=True)
    ]
    measured = [
        (start, end)
        for start, end in zip(known.starts.tolist(), known.ends.tolist(), strict=True)
        if first < end and start < last
    ]

    figure, axes = plt.subplots(3, 1, figsize=(9, 4), sharex=True, height_ratios=[2, 2, 1], layout="constrained")
    centres = (starts + WINDOW_LENGTH // 2) / MEGABASE
    axes[0].fill_between(centres, signal, color="#7a9e9f", linewidth=0)
    axes[0].set_ylabel("open chromatin,\ntrack's own units")
    axes[0].set_title(title, fontsize="medium")
    axes[1].plot(centres, probabilities, color="#274156", linewidth=0.7)
    axes[1].axhline(threshold, color="#d1495b", linewidth=0.8, linestyle="--", label=f"threshold {threshold:.3f}")
    axes[1].set_ylabel("model's score\nof each window")
    axes[1].set_ylim(0, 1.05)
    axes[1].legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, fontsize="x-small", frameon=False)
    for row, (spans, colour) in enumerate(((measured, "#edae49"), (called, "#d1495b"))):
        axes[2].broken_barh(
            [(start / MEGABASE, (end - start) / MEGABASE) for start, end in spans],
            (row, 0.8),
            color=colour,
            edgecolor=colour,
        )
    axes[2].set_yticks([0.4, 1.4], ["ChIP-seq peaks", "hits of the scan"])
    axes[2].set_xlim(first / MEGABASE, last / MEGABASE)
    axes[2].set_xlabel(f"position on {chrom}, megabases")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
