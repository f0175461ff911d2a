"""Samples in two groups on the example's genome: some planted sites are open in one group only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "examples"
GAINED = (("chrA", 8_500), ("chrA", 38_500), ("chrB", 1_000))
"""Open stretches that are closed in the group ``control``."""
LOST = (("chrA", 23_500), ("chrB", 16_000))
"""Open stretches that are closed in the group ``treated``."""


def write_groups(folder: Path, treated: int = 2, control: int = 2) -> Path:
    """Write the tracks of two groups, whose heights vary by a tenth, and the table of samples. Return the table."""
    rng = np.random.default_rng(9)
    rows = [line.split("\t") for line in (EXAMPLES / "dnase.bedgraph").read_text().splitlines() if line[0] != "#"]
    lines = ["sample\taccessibility\tgroup"]
    for group, number, closed in (("treated", treated, LOST), ("control", control, GAINED)):
        for at in range(1, number + 1):
            track = [
                (chrom, start, end, f"{float(value) * rng.lognormal(0, 0.1):.3f}")
                for chrom, start, end, value in rows
                if (chrom, int(start)) not in closed
            ]
            name = f"{group}{at}"
            (folder / f"{name}.bedgraph").write_text("".join("\t".join(row) + "\n" for row in track))
            lines.append(f"{name}\t{name}.bedgraph\t{group}")
    table = folder / "samples.tsv"
    table.write_text("\n".join([*lines, ""]))
    return table
