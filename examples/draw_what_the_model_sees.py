"""Draw ``docs/what-the-model-sees.png``: the bases and the chromatin that decide on one window. Run: make examples.

Every length comes from the metadata of the bundled model.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from jundscan.model.load import load_model

mpl.use("Agg")
import matplotlib.pyplot as plt

TARGET = Path(__file__).parents[1] / "docs" / "what-the-model-sees.png"
WINDOW, SEQUENCE, CHROMATIN = "#d1495b", "#274156", "#7a9e9f"
BAR_HEIGHT, GROUP_GAP = 0.62, 0.7


def main() -> None:
    """Draw one bar for each stretch around the window that the model takes something from."""
    model = load_model(device="cpu")
    architecture, window = model.metadata.architecture, model.metadata.window_length
    scored = f"window of {window} bp: its probability is predicted"
    read = f"{model.flank} bp on each side: read for context"
    groups = [
        ("DNA sequence", [(window + 2 * model.flank, read)], SEQUENCE),
        (
            "Motifs",
            [(window + 2 * flank, f"best match within {flank} bp" if flank else "best match in the window")
             for flank in architecture["ranges"]],
            SEQUENCE,
        ),
        (
            "Base composition",
            [(window + 2 * flank, f"C+G and CpG within {flank} bp" if flank else "dinucleotides of the window")
             for flank in (0, *architecture["composition_ranges"])],
            SEQUENCE,
        ),
        ("Open chromatin", [(width, f"mean over {width:,} bp") for width in model.widths], CHROMATIN),
    ]  # fmt: skip

    figure, axis = plt.subplots(figsize=(9, 4.8), layout="constrained")
    row, ticks, names = 0.0, [], []
    for title, bars, color in groups:
        rows = [row + number for number in range(len(bars))]
        for at, (width, text) in zip(rows, bars, strict=True):
            axis.barh(at, width, BAR_HEIGHT, left=-width / 2, color=color, alpha=0.75)
            axis.text(width / 2 + 20, at, text, va="center", fontsize=8)
        ticks.append(sum(rows) / len(rows))
        names.append(title)
        row = rows[-1] + 1 + GROUP_GAP
    axis.axvspan(-window / 2, window / 2, color=WINDOW, alpha=0.25, linewidth=0)
    axis.text(0, -0.75, scored, ha="center", fontsize=8, color=WINDOW)
    axis.set_yticks(ticks, names)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(row - GROUP_GAP, -1.2)
    reach = max(*model.widths, window + 2 * model.flank) / 2
    axis.set_xlim(-1.03 * reach, 1.55 * reach)
    axis.set_xticks(range(-1000, 1001, 500))
    axis.set_xlabel("position relative to the centre of the window (bp)")
    axis.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main()
