"""Put together the report of a scan: its inputs, checks of its result, pictures, and the best hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jundscan.accessibility.track_scale import MAX_TRAINING_DISTANCE, distance_from_training
from jundscan.evaluation.metric_texts import INTERVAL, metric_rows
from jundscan.evaluation.peaks import Peaks
from jundscan.model.sites import describe_sites
from jundscan.report import charts
from jundscan.report.collect import FLANK, PROBABILITY_BINS, BestHits, Collector
from jundscan.report.neighbourhoods import GENE_FLANK, genes_near, neighbourhoods
from jundscan.report.render import Check, write_page
from jundscan.run.inputs import Inputs
from jundscan.scanning.checks import count_calls
from jundscan.scanning.hit_table import Cell, HitTable, NumberedHits, as_text
from jundscan.scanning.hits import Hits
from jundscan.scanning.lines import hit_names
from jundscan.scanning.plan import Scan

_MAX_ROWS = 100  # chromosomes in the table; the others share one row


_LABELS = {"chrom": "chromosome"}
_NUMBERS = frozenset(
    ("start", "end", "score", "probability", "expected_precision", "summit", "accessibility", "site_start",
     "sites", "distance_to_tss")
)  # fmt: skip
_DIGITS = {"probability": ".6f", "expected_precision": ".3f", "accessibility": ".4g"}
"""Formats of columns that the page rounds. The download holds all digits."""


class Column(NamedTuple):
    """A column of the table of hits on the page."""

    name: str
    label: str
    is_number: bool


def write_scan_report(
    path: str | Path,
    scan: Scan,
    collected: Collector,
    record: Mapping[str, Any],
    table: HitTable,
    known: Mapping[str, Peaks] | None = None,
    force: bool = False,
) -> None:
    """Write the report of a finished scan.

    Parameters
    ----------
    path : str or pathlib.Path
    scan : Scan
    collected : Collector
        A sink of the scan.
    record : mapping
        The keys of ``scan --json``.
    table : HitTable
        Of this scan.
    known : mapping of str to Peaks, optional
        Known peaks by the genome's chromosome names; None without ``--truth``.
    force : bool
        Replace a file that exists.

    Raises
    ------
    JundscanError
        When Jinja2 is not installed, or the file cannot be written.
    """
    hits = collected.best_hits()
    rows = _table_rows(table, hits)
    around = neighbourhoods(scan, hits, known or {})
    along, scores, openness = (
        _chromosome_strips(collected),
        _scores(collected, scan.threshold.value),
        _accessibility(scan.inputs),
    )
    page = {
        "record": record,
        "summary": {key: value for key, value in record.items() if key != "accessibility_scale"},
        "threshold": scan.threshold,
        "prevalence": scan.model.metadata.prevalence,
        "metadata": scan.model.metadata,
        "sees": scan.model.metadata.describe_reach(),
        "called": collected.called,
        "checks": _checks(scan, collected.called, record["windows_scored"]),
        "chromosomes": _chromosomes(scan, collected),
        "sites": describe_sites(scan.model.metadata),
        **_shown_table(scan, table, rows),
        "shown_hits": len(hits.start),
        "has_truth": known is not None,
        "metrics": None if record["accuracy"] is None else metric_rows([record["accuracy"]]),
        "interval_meaning": INTERVAL,
        "flank": FLANK,
        "gene_flank": None if scan.genes is None else GENE_FLANK,
        "along": along,
        "scores": scores,
        "accessibility": openness,
    }
    names = hit_names(scan.model.metadata.factor, hits.number.tolist())
    columns = (names, hits.chrom.tolist(), hits.start.tolist(), hits.end.tolist(), around)
    in_order = sorted(zip(hits.number.tolist(), rows, strict=True))
    data = {
        "charts": {chart["id"]: chart["spec"] for chart in (along, scores, openness) if chart is not None},
        "hits": [
            {"name": name, "chrom": chrom, "hit": [start, end], **near}
            for name, chrom, start, end, near in zip(*columns, strict=True)
        ],
        "sizes": {chrom: scan.genome.chromsizes[chrom] for chrom in dict.fromkeys(columns[1])},
        "has_truth": known is not None,
        "table": {"columns": table.columns, "rows": [[as_text(cell) for cell in row] for _, row in in_order]},
        "genes": None if scan.genes is None else genes_near(scan.genes, hits),
    }
    write_page(path, "scan.html", page, data, force=force, genome_view=True)


def _checks(scan: Scan, called: int, scored: int) -> list[Check]:
    """List warnings, then checks that found nothing wrong."""
    checks = [Check(False, f"{caution.message}.") for caution in scan.inputs.cautions]
    warned = {caution.code for caution in scan.inputs.cautions}
    trained = scan.model.metadata.training_accessibility
    if scan.track is None:
        text = "No accessibility track: from sequence alone the model is much less accurate, see its metrics."
        checks.append(Check(False, text))
    elif trained and scan.inputs.accessibility_shares and "unlike_training" not in warned:
        apart, nearest = distance_from_training(scan.inputs.accessibility_shares, trained)
        text = f"Accessibility is like that of the training data: its distribution differs by {apart:.0%} of windows "
        checks.append(Check(True, f"{text}from that of {nearest}; up to {MAX_TRAINING_DISTANCE:.0%} is normal."))
    if scan.windows and "unknown_letters" not in warned:
        share = (scan.windows - scored) / scan.windows
        checks.append(Check(True, f"{share:.1%} of windows hold unknown letters and were not scored."))
    return checks + _promise_checks(scan, called, scored)


def _promise_checks(scan: Scan, called: int, scored: int) -> list[Check]:
    where = "The threshold lies {} the model's calibration table, so its error rates are unknown."
    if scan.threshold.expected is None:
        return [Check(False, where.format("below"))]
    if scan.threshold.is_beyond:
        return [Check(False, where.format("above"))]
    calls = count_calls(scan, called, scored)
    if calls is None or not calls.are_as_expected:
        return []
    text = f"{calls.called:,} of {calls.scored:,} scored windows are called, {calls.ratio:.2g} times as many as the "
    return [Check(True, f"{text}{calls.expected:,.0f} that the model's calibration predicts.")]


def _chromosomes(scan: Scan, collected: Collector) -> dict[str, Any]:
    """Return the table of hits and scored bases by chromosome; all but the largest chromosomes share one row."""
    rows: list[dict[str, Any]] = [
        {"chrom": chrom, "length": scan.genome.chromsizes[chrom], "windows": windows,
         "bases": collected.base_counts[chrom], "hits": collected.hit_counts[chrom]}
        for chrom, windows in collected.window_counts.items()
    ]  # fmt: skip
    if len(rows) > _MAX_ROWS:
        kept = {row["chrom"] for row in sorted(rows, key=lambda row: -row["bases"])[:_MAX_ROWS]}
        others = [row for row in rows if row["chrom"] not in kept]
        rows = [row for row in rows if row["chrom"] in kept]
        sums = {key: sum(row[key] for row in others) for key in ("length", "windows", "bases", "hits")}
        rows.append({"chrom": f"{len(others):,} others", **sums})
    for row in rows:
        row["per_mb"] = row["hits"] / row["bases"] * 1e6 if row["bases"] else None
    return {"rows": rows, "total": {key: sum(row[key] for row in rows) for key in ("windows", "bases", "hits")}}


def _table_rows(table: HitTable, hits: BestHits) -> list[tuple[Cell, ...]]:
    """Return the row of each hit, in their order. They are looked up in the order of the genome."""
    order = np.argsort(hits.number)
    chroms = hits.chrom[order]
    parts = []
    for chrom in dict.fromkeys(chroms.tolist()):
        rows = order[chroms == chrom]
        columns = Hits(hits.start[rows], hits.end[rows], hits.best[rows], hits.summit[rows])
        parts.append(NumberedHits(chrom, columns, hits.number[rows].tolist()))
    found = list(table.rows(parts))
    return [found[at] for at in np.argsort(order).tolist()]


def _shown_table(scan: Scan, table: HitTable, rows: Sequence[tuple[Cell, ...]]) -> dict[str, Any]:
    """Return the columns and the texts of the page's table. Without a track two columns would say nothing."""
    first = table.columns.index("name")
    left_out = () if scan.track is not None else ("accessibility", "chromatin")
    order = [first, *(at for at, name in enumerate(table.columns) if at != first and name not in left_out)]
    names = [table.columns[at] for at in order]
    return {
        "columns": [Column(name, _LABELS.get(name, name.replace("_", " ")), name in _NUMBERS) for name in names],
        "hits": [[_shown(name, row[at]) for name, at in zip(names, order, strict=True)] for row in rows],
    }


def _shown(column: str, cell: Cell) -> str:
    return as_text(cell) if cell is None or column not in _DIGITS else format(cell, _DIGITS[column])


def _chromosome_strips(collected: Collector) -> dict[str, Any]:
    """Draw hits along the chromosomes, as bars for one chromosome and as strips for several."""
    rows = [
        {"chrom": chrom, "start": start / 1e6, "end": (start + along.width) / 1e6, "hits": hits, "windows": windows}
        for chrom, along in collected.along.items()
        for start, hits, windows in zip(
            range(along.start, along.start + along.width * len(along.hits), along.width),
            along.hits.tolist(), along.windows.tolist(), strict=True,
        )
    ]  # fmt: skip
    width = next(iter(collected.along.values())).width
    names = list(collected.along)
    if len(names) == 1:
        spec = charts.bars_along(f"Bars: hits along {names[0]} in bins of {width:,} bases.", rows)
    else:
        what = f"Strips: hits along {len(names)} chromosomes in bins of {width:,} bases."
        spec = charts.strips_along(what, rows, names)
    left_out = len(collected.window_counts) - len(names)
    return {"id": "along", "spec": spec, "names": names, "width": width, "left_out": left_out}


def _scores(collected: Collector, threshold: float) -> dict[str, Any]:
    rows = [
        {"name": "scored windows", "start": at / PROBABILITY_BINS, "end": (at + 1) / PROBABILITY_BINS, "value": count}
        for at, count in enumerate(collected.probabilities.tolist())
    ]
    spec = charts.histogram(
        f"Histogram of the probabilities of all scored windows, with the threshold {threshold:.4g}.",
        rows, ["scored windows"], "probability", "windows (logarithmic)", log=True, mark_at=threshold,
    )  # fmt: skip
    return {"id": "scores", "spec": spec}


def _accessibility(inputs: Inputs) -> dict[str, Any] | None:
    """Draw the distribution of accessibility, and those of the training data if the model holds them."""
    shares = list(inputs.accessibility_shares)
    if not shares:
        return None
    trained = inputs.model.metadata.training_accessibility or {}
    sets = {"this track": shares, **{f"training: {name}": other for name, other in trained.items()}}
    bins = len(shares) - 1
    rows = [
        {"name": name, "start": at / bins, "end": (at + 1) / bins, "value": share}
        for name, of_set in sets.items()
        for at, share in enumerate(of_set[1:])
    ]
    spec = charts.histogram(
        "Histogram of accessibility percentiles above 0 in windows of the track, against the model's training data.",
        rows, list(sets), "accessibility (percentile in its track; 0 is apart)", "share of windows", log=False,
    )  # fmt: skip
    zeros = [{"name": name, "share": of_set[0]} for name, of_set in sets.items()]
    return {"id": "accessibility", "spec": spec, "zeros": zeros, "has_training": bool(trained)}
