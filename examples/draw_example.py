"""Draw ``docs/example.png``: accessibility, probability and hits along a part of the example. Run: make examples.

The picture shows the probabilities of a scan, which sees each window's neighbourhood, and those of windows alone.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from jundscan.accessibility.scale import read_scale
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.io.bed import read_intervals
from jundscan.model.load import load_model
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import call_hits, score

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
CHROM, START, END = "chrA", 0, 30_000
STRIDE = 10


def main() -> None:
    """Scan the example and draw one region of it."""
    scale = read_scale(HERE / "scale.json")
    genome, track = HERE / "genome.fa", HERE / "dnase.bedgraph"
    region = f"{CHROM}:{START}-{END}"
    with open_scan(
        genome, track, model=load_model(device="cpu"), scale=scale, stride=STRIDE, regions=[region]
    ) as ready:
        scored = list(score(ready))
        hits = [
            (start, end)
            for _, found in call_hits(ready, scored)
            for start, end in zip(found.start.tolist(), found.end.tolist(), strict=True)
        ]
        threshold = ready.threshold.value
        starts = np.concatenate([piece.starts for piece in scored])
        (block,) = ready.genome.blocks([Region(CHROM, START, END)], END - START)
        windows = np.lib.stride_tricks.sliding_window_view(block.codes, WINDOW_LENGTH)[starts - START]
        alone = ready.model.predict(windows, ready.inputs.accessibility_of([(CHROM, starts)])[:, 0])
    probabilities = np.concatenate([piece.probabilities for piece in scored])
    signal = read_intervals(track, "track")[CHROM]
    sites = read_intervals(HERE / "sites.bed", "regions")[CHROM]

    figure, axes = plt.subplots(3, 1, figsize=(9, 3.6), sharex=True, height_ratios=[2, 2, 1], layout="constrained")
    widths = signal.ends - signal.starts
    axes[0].bar(signal.starts, signal.values, widths, align="edge", color="#7a9e9f")
    axes[0].set_ylabel("open\nchromatin")
    axes[1].plot(starts + 50, alone, color="#b9b5ab", linewidth=0.7, label="windows alone")
    axes[1].plot(starts + 50, probabilities, color="#274156", linewidth=0.9, label="with what lies around them")
    axes[1].legend(loc="upper right", fontsize="x-small", framealpha=0.9)
    axes[1].axhline(threshold, color="#d1495b", linewidth=0.8, linestyle="--")
    axes[1].set_ylabel("JUND\nprobability")
    axes[1].set_ylim(0, 1)
    axes[2].broken_barh([(start, end - start) for start, end in hits], (0.55, 0.35), color="#d1495b")
    planted = [(start, end - start) for start, end in zip(sites.starts.tolist(), sites.ends.tolist(), strict=True)]
    axes[2].broken_barh(planted, (0.1, 0.35), color="#edae49")
    axes[2].set_yticks([0.28, 0.72], ["planted", "hits"])
    axes[2].set_ylim(0, 1)
    axes[2].set_xlim(START, END)
    axes[2].set_xlabel(f"position on {CHROM} of the example (synthetic), bases")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    target = HERE.parent / "docs" / "example.png"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
