"""Put together the report of a comparison: counts, differences, and the best gained and lost sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.comparison.pictures import STYLES
from jundscan.comparison.result import Comparison
from jundscan.model.thresholds import logits
from jundscan.report import charts
from jundscan.report.collect import FLANK, BestHits
from jundscan.report.neighbourhoods import group_neighbourhoods
from jundscan.report.render import Check, write_page
from jundscan.scanning.plan import Scan

BEST_SITES = 100
"""Maximum gained sites in the report, and lost ones, because each brings the signals around it."""
MAX_POINTS = 1_000
"""Maximum points of each change in the picture, because a browser draws each one by itself."""


def write_comparison_report(
    path: str | Path,
    scans: Sequence[Scan],
    compared: Comparison,
    record: Mapping[str, Any],
    force: bool = False,
) -> None:
    """Write the report of a comparison.

    Parameters
    ----------
    path : str or pathlib.Path
    scans : sequence of Scan
        Finished scans, one per sample, in the order of ``compared.samples``.
    compared : Comparison
    record : mapping
        The keys of ``compare --json``.
    force : bool
        Replace a file that exists.

    Raises
    ------
    JundscanError
        When Jinja2 is not installed, or the file cannot be written.
    """
    best = [compared.rank(change)[:BEST_SITES] for change in ("gained", "lost")]
    shown = np.concatenate(best)
    sites = compared.sites
    columns = (sites.chrom[shown], sites.start[shown], sites.end[shown])
    drawn = BestHits(*columns, sites.best[shown].max(axis=1), sites.summit[shown], shown + 1)
    around = group_neighbourhoods(scans, compared.groups, drawn)
    differences = _differences(compared)
    gained, lost = (_rows(compared, rows, before) for rows, before in zip(best, (0, len(best[0])), strict=True))
    first, second = compared.contrast
    page = {
        "record": record,
        "summary": record,
        "metadata": scans[0].model.metadata,
        "sees": scans[0].model.metadata.describe_reach(),
        "first": first,
        "second": second,
        "is_tested": compared.is_tested,
        "checks": _checks(compared, record),
        "differences": differences,
        "gained": gained,
        "lost": lost,
        "flank": FLANK,
    }
    data = {
        "charts": {differences["id"]: differences["spec"]},
        "hits": [
            {"chrom": chrom, "hit": [start, end], **near}
            for chrom, start, end, near in zip(*(column.tolist() for column in columns), around, strict=True)
        ],
        "sizes": {chrom: scans[0].genome.chromsizes[chrom] for chrom in dict.fromkeys(columns[0].tolist())},
        "has_truth": False,
    }
    write_page(path, "comparison.html", page, data, force=force, genome_view=True)


def _checks(compared: Comparison, record: Mapping[str, Any]) -> list[Check]:
    """List warnings, then what was tested."""
    checks = [Check(False, f"{warning['message']}.") for warning in record["warnings"]]
    if compared.prior is not None:
        degrees = compared.prior.degrees
        strength = "infinitely many" if np.isinf(degrees) else f"{degrees:.2g}"
        text = f"Differences were tested on {compared.sizes[0]} against {compared.sizes[1]} samples. The prior of the "
        checks.append(Check(True, f"{text}variance counts as much as {strength} degrees of freedom."))
    return checks


def _rows(compared: Comparison, rows: NDArray[np.int64], before: int) -> list[dict[str, Any]]:
    """Return rows of a table of sites; ``before`` sites stand before them in the data of the genome view."""
    sites = compared.sites
    columns = (sites.chrom, sites.start, sites.end, compared.probabilities, compared.difference, compared.p, compared.q)
    return [
        {
            "number": number,
            "chrom": chrom,
            "start": start,
            "end": end,
            "length": end - start,
            "probabilities": probabilities,
            "difference": difference,
            "p": p,
            "q": q,
        }
        for number, (chrom, start, end, probabilities, difference, p, q) in enumerate(
            zip(*(column[rows].tolist() for column in columns), strict=True), before
        )
    ]


def _differences(compared: Comparison) -> dict[str, Any]:
    """Draw the difference of sites against their mean logit; of each change, sites at even distances in the genome."""
    points: list[dict[str, Any]] = []
    levels = compared.logits.mean(axis=1)
    for change in reversed(STYLES):
        rows = np.flatnonzero(compared.change == change)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_POINTS)).astype(np.int64)]
        columns = (compared.sites.chrom, compared.sites.start, compared.sites.end, levels, compared.difference)
        points += [
            {
                "name": change,
                "site": f"{chrom}:{start}-{end}",
                "x": round(level, 3),
                "y": round(difference, 3),
                "q": "not tested" if q < 0 else f"{q:.3g}",
            }
            for chrom, start, end, level, difference, q in zip(
                *(column[rows].tolist() for column in (*columns, compared.q)), strict=True
            )
        ]
    first, second = compared.contrast
    spec = charts.scatter(
        f"Points: difference of logits, {first} minus {second}, of {len(points)} sites against their mean logit.",
        points,
        STYLES,
        "mean logit of both groups",
        f"{first} minus {second}",
        tooltip={"site": "site", "name": "change", "y": "difference", "q": "q"},
        mark_at=float(logits(np.array([compared.threshold], np.float32))[0]),
    )
    return {"id": "difference-plot", "spec": spec, "shown": len(points), "most": MAX_POINTS}
