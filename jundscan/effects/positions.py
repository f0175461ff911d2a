"""Find out whether positions of variants count from 0 instead of 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from jundscan.dna.chromosomes import matching_name
from jundscan.dna.letters import decode
from jundscan.dna.regions import Region
from jundscan.effects.alleles import STATUSES
from jundscan.effects.score import Effects
from jundscan.io.fasta.stretches import StretchReader
from jundscan.scanning.plan import Scan

_MAX_KEPT = 100
"""Maximum records kept, because their bases are read again."""
_MIN_SHARE = 0.9
"""Minimum share of them whose REF must stand one base further. By chance a quarter of substitutions do."""
_MIN_RECORDS = 3


class ShiftedPositions:
    """Keep some records whose REF differs from the genome, and compare them with the next base.

    Parameters
    ----------
    scan : Scan
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._kept: dict[Region, str] = {}

    def add(self, records: list[Any], effects: Effects) -> None:
        """Keep records of a task whose REF differs from the genome."""
        rows = np.flatnonzero(effects.status == STATUSES.index("ref_mismatch"))
        if not len(rows) or len(self._kept) >= _MAX_KEPT:
            return
        sizes = self._scan.genome.chromsizes
        numbers = np.repeat(np.arange(len(records)), [len(record.alts or ()) for record in records])
        for number in dict.fromkeys(numbers[rows].tolist()):
            record = records[number]
            chrom, end = matching_name(record.chrom, sizes), record.start + 1 + len(record.ref)
            if chrom is not None and end <= sizes[chrom] and len(self._kept) < _MAX_KEPT:
                self._kept[Region(chrom, record.start + 1, end)] = record.ref.upper()

    def advice(self) -> str:
        """Return advice if REF alleles stand one base further, else nothing."""
        reader = StretchReader(self._scan.genome)
        order = {chrom: rank for rank, chrom in enumerate(self._scan.genome.chromsizes)}
        matches = 0
        for region in sorted(self._kept, key=lambda one: (order[one.chrom], *one[1:])):
            matches += decode(reader.read([region])).decode() == self._kept[region]
        if len(self._kept) < _MIN_RECORDS or matches < _MIN_SHARE * len(self._kept):
            return ""
        return (
            f". {matches} of {len(self._kept)} of them match one base further, so positions seem to count from 0: "
            "add 1 to each"
        )
