"""What a worker of a cluster does: open a scan as it was opened elsewhere, and score stretches of it.

Nothing here knows Dask; what it takes and gives travels between machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from jundscan.accessibility.scale import AccessibilityScale
from jundscan.dna.regions import Region
from jundscan.errors import ClusterError, JundscanError
from jundscan.io.files import fingerprint
from jundscan.model.load import load_model
from jundscan.model.thresholds import Threshold, is_positive
from jundscan.options import BedValue, Device
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import Scored, score

MOST_OPEN = 2
"""Scans that a worker keeps open from one task to the next."""


class Job(NamedTuple):
    """What a worker needs in order to open a scan.

    Attributes
    ----------
    name : str
        Another one for each scan.
    genome, accessibility, alias, model : pathlib.Path or None
        Absolute. Without a model it is the one that comes with jundscan.
    sizes : mapping of pathlib.Path to int
        Bytes of the files on the machine that started the scan.
    chromsizes : dict of str to int
        Lengths of the chromosomes, bases.
    sha256 : str
        Hash of the model.
    device : {"cpu", "cuda"}
        What the model runs on there: another device would round in another way.
    scale, stride, threads, bed_value
        As for :func:`jundscan.scanning.plan.open_scan`.
    track_names, closed
        Of the :class:`jundscan.accessibility.genome_tracks.GenomeTrack`: decided where the scan was started, by what it
        looks at.
    threshold : Threshold
    every_window : bool
        Otherwise windows below the threshold are counted and not sent back.
    """

    name: str
    genome: Path
    accessibility: Path | None
    alias: Path | None
    model: Path | None
    sizes: Mapping[Path, int]
    chromsizes: dict[str, int]
    sha256: str
    device: Device
    scale: AccessibilityScale
    stride: int
    threads: int
    bed_value: BedValue
    track_names: Mapping[str, str]
    closed: frozenset[str]
    threshold: Threshold
    every_window: bool


class Part(NamedTuple):
    """What a worker found on some stretches, and its counters, which are those of :class:`jundscan.scanning.plan.Scan`.

    ``first`` is the chromosome and start of the first window scored, ``last`` those of the end of the last one.
    """

    scored: list[Scored]
    windows_scored: int
    windows_called: int
    bases_scanned: int
    first: tuple[str, int]
    last: tuple[str, int]
    beyond_percentiles: bool


def score_stretches(job: Job, stretches: Sequence[Region]) -> Part | str:
    """Do one task of a scan.

    Parameters
    ----------
    job : Job
    stretches : sequence of Region
        In genome order, disjoint.

    Returns
    -------
    Part or str
        What went wrong, in one line: exceptions with fields of their own do not travel.
    """
    try:
        mine = replace(_opened(job), spans=stretches, files=ExitStack())
        by_chrom = [_joined(chrom, list(pieces)) for chrom, pieces in groupby(score(mine), lambda piece: piece.chrom)]
    except JundscanError as err:
        return str(err)
    first = next(((scored.chrom, int(scored.starts[0])) for scored in by_chrom if len(scored.starts)), ("", 0))
    if not job.every_window:
        by_chrom = [_positive(scored, job.threshold.value) for scored in by_chrom]
    format_count = (mine.windows_scored, mine.windows_called, mine.bases_scanned)
    return Part(by_chrom, *format_count, first, mine.last_scored, mine.beyond_percentiles)


def forget() -> None:
    """Let go of all scans; tasks that still use one keep it to their end."""
    _scans.clear()


def _joined(chrom: str, parts: Sequence[Scored]) -> Scored:
    return Scored(
        chrom,
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        sum(part.covered for part in parts),
        sum(part.tried for part in parts),
        sum(part.positive for part in parts),
    )


def _positive(scored: Scored, threshold: float) -> Scored:
    """Leave out windows that no hit is made of; the counters stay."""
    kept = is_positive(scored.probabilities, threshold)
    return scored._replace(
        indices=scored.indices[kept], starts=scored.starts[kept], probabilities=scored.probabilities[kept]
    )


_scans: dict[str, Scan] = {}
_opening = Lock()


def _opened(job: Job) -> Scan:
    with _opening:
        if job.name not in _scans:
            while len(_scans) >= MOST_OPEN:
                del _scans[next(iter(_scans))]
            _scans[job.name] = _open(job)
        return _scans[job.name]


def _open(job: Job) -> Scan:
    for path, size in job.sizes.items():
        found = fingerprint(path)
        if found is None or found.size != size:
            problem = "is missing" if found is None else f"has {found.size} bytes instead of {size}"
            raise ClusterError(f"{path} {problem}; all machines must see the same files under the same paths")
    model = load_model(job.model, job.device)
    if model.sha256 != job.sha256:
        raise ClusterError(f"{model.path} is another model than on the machine that started the scan")
    ready = open_scan(
        job.genome,
        job.accessibility,
        model=model,
        stride=job.stride,
        scale=job.scale,
        allow_length_mismatch=True,  # the machine that started the scan has looked
        alias=job.alias,
        bed_value=job.bed_value,
        missing_chromosomes="closed",
        threads=job.threads,
        judged=False,
    )
    if dict(ready.genome.chromsizes) != job.chromsizes:
        raise ClusterError(f"{job.genome} has other chromosomes; all machines must see the same files")
    track = ready.track and replace(ready.track, names=job.track_names, closed=job.closed)
    return replace(ready, threshold=job.threshold, track=track)
