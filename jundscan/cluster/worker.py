"""Score tasks of a scan on a worker of a cluster.

Nothing here knows Dask. Arguments and results travel between machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from jundscan.accessibility.scale import AccessibilityScale
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.errors import ClusterError, JundscanError
from jundscan.io.files import fingerprint
from jundscan.model.load import load_model
from jundscan.model.thresholds import Threshold, is_positive
from jundscan.options import BedValue, Device
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import ScoredWindows, score

MAX_OPEN_SCANS = 2
"""Maximum scans per worker that stay open from one task to the next, because each holds a model in memory."""


class Job(NamedTuple):
    """A scan in a form that travels to a worker, which opens it again.

    Attributes
    ----------
    name : str
        Unique to each scan.
    genome, accessibility, alias, model : pathlib.Path or None
        Absolute paths. None as model is the one installed with jundscan.
    sizes : mapping of pathlib.Path to int
        Bytes of the files on the client.
    chromsizes : dict of str to int
        Lengths of the chromosomes, bases.
    sha256 : str
        Hash of the model.
    device : {"cpu", "cuda"}
        Where the model runs, because another device would round in another way.
    scale, stride, threads, bed_value
        As for :func:`jundscan.scanning.plan.open_scan`.
    track_names, closed
        Of the client's :class:`jundscan.accessibility.genome_tracks.GenomeTrack`, because they depend on all spans.
    threshold : Threshold
    every_window : bool
        False: workers count windows below the threshold, but do not send them back.
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
    """The result of one task.

    Attributes
    ----------
    chunks : list of ScoredWindows
        One chunk per chromosome.
    first, last : tuple of (str, int)
        Chromosome and start of the first window scored; chromosome and end of the last one. An empty name and 0 where
        none was scored.
    beyond_percentiles : bool
        See :class:`jundscan.run.inputs.Inputs`.
    """

    chunks: list[ScoredWindows]
    first: tuple[str, int]
    last: tuple[str, int]
    beyond_percentiles: bool


def score_spans(job: Job, spans: Sequence[Region]) -> Part | str:
    """Score the windows of one task.

    Parameters
    ----------
    job : Job
    spans : sequence of Region
        In genome order, disjoint.

    Returns
    -------
    Part or str
        An error is one line of text, because Dask cannot send exceptions with their own attributes.
    """
    try:
        scan = replace(_open_once(job), spans=spans)
        by_chrom = [
            _concatenate(chrom, list(chunks)) for chrom, chunks in groupby(score(scan), lambda chunk: chunk.chrom)
        ]
    except JundscanError as err:
        return str(err)
    some = [chunk for chunk in by_chrom if len(chunk.starts)]
    first = (some[0].chrom, int(some[0].starts[0])) if some else ("", 0)
    last = (some[-1].chrom, int(some[-1].starts[-1]) + WINDOW_LENGTH) if some else ("", 0)
    if not job.every_window:
        by_chrom = [_positive(chunk, job.threshold.value) for chunk in by_chrom]
    return Part(by_chrom, first, last, scan.inputs.beyond_percentiles)


def forget() -> None:
    """Close all scans; tasks that still use one keep it to their end."""
    _scans.clear()


def _concatenate(chrom: str, chunks: Sequence[ScoredWindows]) -> ScoredWindows:
    _, indices, starts, probabilities, *counts = zip(*chunks, strict=True)
    arrays = (np.concatenate(indices), np.concatenate(starts), np.concatenate(probabilities))
    return ScoredWindows(chrom, *arrays, *map(sum, counts))


def _positive(chunk: ScoredWindows, threshold: float) -> ScoredWindows:
    """Leave out windows below the threshold; the counts stay."""
    kept = is_positive(chunk.probabilities, threshold)
    return chunk._replace(
        indices=chunk.indices[kept], starts=chunk.starts[kept], probabilities=chunk.probabilities[kept]
    )


_scans: dict[str, Scan] = {}
_opening = Lock()


def _open_once(job: Job) -> Scan:
    with _opening:
        if job.name not in _scans:
            while len(_scans) >= MAX_OPEN_SCANS:
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
        allow_length_mismatch=True,  # the client has compared them
        alias=job.alias,
        bed_value=job.bed_value,
        missing_chromosomes="closed",
        threads=job.threads,
        compare_track=False,
    )
    if dict(ready.genome.chromsizes) != job.chromsizes:
        raise ClusterError(f"{job.genome} has other chromosomes; all machines must see the same files")
    if ready.track is not None:
        ready.inputs.track = replace(ready.track, names=job.track_names, closed=job.closed)
    return replace(ready, threshold=job.threshold)
