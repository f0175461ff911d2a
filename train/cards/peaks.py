"""What cards and the README say of peaks and hits on held-out blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jundscan.model.metadata import MODES, CalibrationRow, Metadata
from train.cards.comparison import SHOWN

SHARES = {"hit_precision": "hits on a peak", "peak_recall": "peaks hit"}
"""Shares of the calibration table that speak of peaks, and their names."""


def share(value: float | None) -> str:
    """Show a share to three decimals, or a dash where it is not known."""
    return "–" if value is None else f"{value:.3f}"


def default_row(metadata: Metadata, mode: str) -> CalibrationRow:
    """Return the calibration row of scan's default threshold in a mode."""
    table = metadata.tables[mode]
    return next(row for row in table.rows if row.threshold == table.default_threshold)


def peak_sentence(metadata: Metadata) -> str:
    """Write what to expect of windows, hits and peaks at scan's default thresholds; empty where that is not known."""
    parts = []
    for mode in MODES:
        row = default_row(metadata, mode)
        if row.precision is not None and row.hit_precision is not None and row.peak_recall is not None:
            parts.append(
                f"{SHOWN[mode]}, {row.precision:.1%} of the windows called are bound and {row.recall:.1%} of the bound "
                f"ones are called; {row.hit_precision:.1%} of the hits lie on a peak and {row.peak_recall:.1%} of the "
                "peaks are hit"
            )
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "." if parts else ""


def peak_parts(record: Mapping[str, Any]) -> list[str]:
    """Write the part of the card that ``peaks.json`` fills, one line an item."""
    lines = [
        "### Peaks and hits",
        f"{record['data']}: each of {record['folds']} folds of blocks of {record['block_bases']:,} bases, held out of "
        f"the fit, was scanned at stride {record['stride']}. A peak is a stretch of bound windows that touch one "
        "another. It is hit when a hit shares a base with it, and then the hit is on a peak. Only training and "
        "validation windows count: hits that touch none of them are left out, and a peak without a scored window is "
        "left out too.",
        "",
        "Do these shares hold on blocks that they were not counted on? One half of the blocks, drawn at random, "
        "promises and the other one is observed. In brackets the 95 % interval of the difference, with the blocks of "
        "both halves drawn anew. Beside it: in how many of the folds the share agrees so with that of all others.",
        "",
        "| what the model sees | false-positive rate | peaks | hits | "
        + " | ".join(f"{name}: promised | observed | difference | folds within" for name in SHARES.values())
        + " |",
        "|---" * 12 + "|",
    ]
    for mode, found in record["modes"].items():
        for entry in found["promises"]:
            column = found["thresholds"].index(entry["threshold"])
            cells = [SHOWN[mode], f"{entry['rate']:g}", f"{found['peaks']:,}", f"{found['hits'][column]:,}"]
            for name in SHARES:
                cells += _promise(entry[name]["halves"], entry[name]["folds"])
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _promise(halves: Mapping[str, Any] | None, folds: Sequence[Mapping[str, Any] | None]) -> list[str]:
    known = [one for one in folds if one is not None]
    within = f"{sum(one['within'] for one in known)} of {len(known)}"
    if halves is None:
        return ["–", "–", "–", within]
    low, high = halves["interval"]
    difference = f"{halves['observed'] - halves['promised']:+.3f} ({low:+.3f} to {high:+.3f})"
    outside = "" if halves["within"] else " (outside)"
    return [share(halves["promised"]), share(halves["observed"]), difference + outside, within]
