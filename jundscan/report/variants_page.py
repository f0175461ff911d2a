"""Put together the report of variants: counts, and the strongest effects with a picture of each."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jundscan.dna.chromosomes import matching_name
from jundscan.dna.letters import WINDOW_LENGTH, decode, encode
from jundscan.dna.regions import Region
from jundscan.effects.alleles import trim
from jundscan.effects.effect import Effect, effect_rows
from jundscan.effects.score import Effects, WindowPairs, score_pairs
from jundscan.io.fasta.stretches import StretchReader
from jundscan.io.pictures import BLUE, VERMILION
from jundscan.io.vcf import Variant
from jundscan.model.sites import KnownSite, describe_sites, find_sites
from jundscan.model.thresholds import logits
from jundscan.report import charts
from jundscan.report.render import Check, write_page
from jundscan.scanning.plan import Scan

BEST_ALLELES = 500
"""Maximum alleles in the report, because each brings a picture. The output holds them all."""
_AT_ONCE = 100
"""Alleles scored again at a time."""
_SHOWN_BASES = 25
"""Bases shown on either side of the changed bases."""
_SHOWN_CHANGE = 60
"""Maximum changed bases shown of an allele."""
_SITE_BASES = 40
"""Bases on either side of the change in which sites are searched, because a site may reach so far over its edge."""
_MAX_POINTS = 600
"""Maximum windows in a picture. Long alleles touch more, of which those around the greatest change are shown."""
_COLOURS = {"reference allele": BLUE, "alternative allele": VERMILION, "threshold": "#6A3D9A"}
_COLUMNS = (
    *("chrom", "pos", "id", "reference", "alternative", "status", "reference_probability", "alternative_probability"),
    *("difference", "hit", "percentile", "uniform_percentile", "sites_lost", "sites_gained"),
)
"""Columns of the table to download."""


class ShownAllele(NamedTuple):
    """An allele with its effect and its ID in the file."""

    effect: Effect
    name: str | None


class StrongestAlleles:
    """Collect the alleles with the largest absolute differences while variants are scored.

    Parameters
    ----------
    most : int
        Maximum alleles to keep.

    Attributes
    ----------
    scored : int
        Alleles with an effect.
    """

    def __init__(self, most: int = BEST_ALLELES) -> None:
        self._most = most
        self._heap: list[tuple[float, int, ShownAllele]] = []
        self._seen = self.scored = 0

    def add(self, records: Sequence[Any], effects: Effects) -> None:
        """Add the effects of a task, with its records."""
        sizes = np.nan_to_num(np.abs(effects.difference), nan=-1.0)
        self.scored += int((sizes >= 0).sum())
        least = self._heap[0][0] if len(self._heap) == self._most else -0.5
        rows = np.flatnonzero(sizes > least)
        if len(rows):
            alleles = [(record, alternative) for record in records for alternative in record.alts or ()]
            chosen = [alleles[row] for row in rows.tolist()]
            variants = (Variant(record.chrom, record.start, record.ref, (allele,)) for record, allele in chosen)
            found = effect_rows(variants, Effects._make(column[rows] for column in effects))
            for row, (record, _), effect in zip(rows.tolist(), chosen, found, strict=True):
                entry = abs(effect.difference), -self._seen - row, ShownAllele(effect, record.id)
                push = heapq.heappush if len(self._heap) < self._most else heapq.heappushpop
                push(self._heap, entry)
        self._seen += len(sizes)

    def best(self) -> list[ShownAllele]:
        """Return the alleles kept, the strongest first; equal ones in the order of the input."""
        return [allele for *_, allele in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


def write_variants_report(
    path: str | Path, scan: Scan, strongest: StrongestAlleles, record: Mapping[str, Any], force: bool = False
) -> None:
    """Write the report of a finished run of variants.

    Parameters
    ----------
    path : str or pathlib.Path
    scan : Scan
    strongest : StrongestAlleles
        Fed with all effects of the run.
    record : mapping
        The keys of ``variants --json``.
    force : bool
        Replace a file that exists.

    Raises
    ------
    JundscanError
        When Jinja2 is not installed, or the file cannot be written.
    """
    alleles = strongest.best()
    sequences = _sequences(scan, alleles)
    pairs = _pairs(scan, alleles)
    rows = [_row(allele, sequence, scan) for allele, sequence in zip(alleles, sequences, strict=True)]
    spec = charts.allele_lines(_COLOURS, "centre of the window, bases from the variant", "logit")
    metadata = scan.model.metadata
    page = {
        "record": record,
        "summary": {key: value for key, value in record.items() if key != "accessibility_scale"},
        "metadata": metadata,
        "sees": metadata.describe_reach(),
        "sites": describe_sites(metadata),
        "checks": [Check(False, f"{caution.message}.") for caution in scan.inputs.cautions],
        "alleles": rows,
        "shown": len(rows),
        "scored": strongest.scored,
        "has_percentiles": metadata.effects is not None,
        "status": {name: number for name, number in record["status"].items() if number},
    }
    data = {
        "charts": {},
        "allele_chart": spec,
        "threshold": float(logits(np.array([scan.threshold.value], np.float32))[0]),
        "alleles": [
            {
                "title": row["title"],
                **_picture(allele.effect, sequence, of_allele),
                "lost": row["lost"],
                "gained": row["gained"],
            }
            for row, allele, sequence, of_allele in zip(rows, alleles, sequences, pairs, strict=True)
        ],
        "table": {
            "name": "variants",
            "columns": _COLUMNS,
            "rows": [_cells(allele, row) for allele, row in zip(alleles, rows, strict=True)],
        },
    }
    write_page(path, "variants.html", page, data, force=force)


class _Sequences(NamedTuple):
    """The bases around a change, on both haplotypes, and the known sites that touch the change on either."""

    left: str
    old: str
    new: str
    right: str
    lost: list[KnownSite]
    gained: list[KnownSite]


def _sequences(scan: Scan, alleles: Sequence[ShownAllele]) -> list[_Sequences]:
    """Read the bases around each allele again, in the order of the genome."""
    sizes = scan.genome.chromsizes
    ranks = {chrom: rank for rank, chrom in enumerate(sizes)}
    reader = StretchReader(scan.genome)
    places = []
    for effect, _ in alleles:
        chrom = matching_name(effect.chrom, sizes)
        assert chrom is not None
        places.append((chrom, *trim(effect.start, effect.reference_allele.upper(), effect.alternative_allele.upper())))
    found: dict[int, _Sequences] = {}
    for number in sorted(range(len(places)), key=lambda number: (ranks[places[number][0]], places[number][1])):
        chrom, start, old, new = places[number]
        region = Region(chrom, max(start - _SITE_BASES, 0), min(start + len(old) + _SITE_BASES, sizes[chrom]))
        letters = decode(reader.read([region])).decode()
        left, right = letters[: start - region.start], letters[start - region.start + len(old) :]
        before, after = (_touching(scan, left, middle, right) for middle in (old, new))
        kept = {_identity(site) for site in before} & {_identity(site) for site in after}
        found[number] = _Sequences(
            left,
            old,
            new,
            right,
            *([site for site in sites if _identity(site) not in kept] for sites in (before, after)),
        )
    return [found[number] for number in range(len(places))]


def _touching(scan: Scan, left: str, middle: str, right: str) -> list[KnownSite]:
    """Return the known sites that hold a changed base, or both bases beside a gap."""
    start, end = len(left), len(left) + len(middle)
    if not middle:
        start, end = start - 1, end + 1  # the bases beside a gap; a site must hold both
    least = 1 if middle else 2
    sites = find_sites(encode((left + middle + right).encode()), scan.model.metadata)
    return [site for site in sites if min(site.end, end) - max(site.start, start) >= least]


def _identity(site: KnownSite) -> tuple[str, str, str]:
    return site.name, site.strand, site.sequence


def _pairs(scan: Scan, alleles: Sequence[ShownAllele]) -> list[WindowPairs]:
    found: list[WindowPairs] = []
    for first in range(0, len(alleles), _AT_ONCE):
        variants = [
            Variant(effect.chrom, effect.start, effect.reference_allele, (effect.alternative_allele,))
            for effect, _ in alleles[first : first + _AT_ONCE]
        ]
        found += [pairs for pairs in score_pairs(scan, variants) if pairs is not None]
    return found


def _row(allele: ShownAllele, sequence: _Sequences, scan: Scan) -> dict[str, Any]:
    effect = allele.effect
    change = f"{_short(effect.reference_allele)}>{_short(effect.alternative_allele)}"
    return {
        "title": f"{effect.chrom}:{effect.pos} {change}",
        "effect": effect,
        "name": allele.name or "",
        "lost": _describe(sequence.lost),
        "gained": _describe(sequence.gained),
    }


def _short(allele: str) -> str:
    return allele if len(allele) <= 10 else f"{allele[:8]}… ({len(allele):,} bases)"


def _describe(sites: Sequence[KnownSite]) -> str:
    return ", ".join(f"{site.name} {site.sequence}" for site in sites)


def _picture(effect: Effect, sequence: _Sequences, pairs: WindowPairs) -> dict[str, Any]:
    """Return the bases and the logits of both alleles around the variant, ready for JSON."""
    known = ~(np.isnan(pairs.reference) | np.isnan(pairs.alternative))
    pairs = WindowPairs._make(column[known] for column in pairs)
    if len(pairs.start) > _MAX_POINTS:
        middle = int(np.argmax(pairs.start >= effect.window))
        first = min(max(middle - _MAX_POINTS // 2, 0), len(pairs.start) - _MAX_POINTS)
        pairs = WindowPairs._make(column[first : first + _MAX_POINTS] for column in pairs)
    return {
        "left": sequence.left[-_SHOWN_BASES:],
        "old": _cut(sequence.old),
        "new": _cut(sequence.new),
        "right": sequence.right[:_SHOWN_BASES],
        "at": (pairs.start + WINDOW_LENGTH // 2 - effect.start).tolist(),
        "reference": logits(pairs.reference).round(3).tolist(),
        "alternative": logits(pairs.alternative).round(3).tolist(),
    }


def _cut(letters: str) -> str:
    half = _SHOWN_CHANGE // 2
    return letters if len(letters) <= _SHOWN_CHANGE else f"{letters[:half]}…{letters[-half:]}"


def _cells(allele: ShownAllele, row: Mapping[str, Any]) -> list[str]:
    effect = allele.effect
    numbers = [effect.reference, effect.alternative, effect.difference]
    shares = [effect.percentile, effect.uniform_percentile]
    return [
        *(effect.chrom, str(effect.pos), allele.name or "", effect.reference_allele, effect.alternative_allele),
        *(effect.status, *(f"{number:.6g}" for number in numbers), str(effect.hit)),
        *("" if share != share else f"{share:.6g}" for share in shares),
        *(row["lost"], row["gained"]),
    ]
