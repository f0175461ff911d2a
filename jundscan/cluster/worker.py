"""Score tasks of a scan on a worker of a cluster.

Nothing here knows Dask. Arguments and results travel between machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
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
from jundscan.samples.plan import with_own_inputs
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import ScoredWindows, score_together
from jundscan.threads import in_order

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
        False: workers count windows below the threshold, but send back only those that a site may hold.
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
    chunks : list of tuple of ScoredWindows
        For each chromosome one chunk per scan.
    first, last : tuple of (str, int)
        Chromosome and start of the first window scored; chromosome and end of the last one. An empty name and 0 where
        none was scored.
    beyond_percentiles : list of bool
        For each scan, see :class:`jundscan.run.inputs.Inputs`.
    """

    chunks: list[tuple[ScoredWindows, ...]]
    first: tuple[str, int]
    last: tuple[str, int]
    beyond_percentiles: list[bool]


def score_spans(jobs: Sequence[Job], spans: Sequence[Region]) -> Part | str:
    """Score the windows of one task.

    Parameters
    ----------
    jobs : sequence of Job
        Scans of one genome with several tracks, which the worker scores together.
    spans : sequence of Region
        In genome order, disjoint.

    Returns
    -------
    Part or str
        An error is one line of text, because Dask cannot send exceptions with their own attributes.
    """
    try:
        scans = [replace(scan, spans=spans) for scan in _open_once(jobs)]
        by_chrom = [
            tuple(_concatenate(chrom, of_scan) for of_scan in zip(*chunks, strict=True))
            for chrom, chunks in groupby(score_together(scans), lambda chunks: chunks[0].chrom)
        ]
    except JundscanError as err:
        return str(err)
    some = [chunks[0] for chunks in by_chrom if len(chunks[0].starts)]
    first = (some[0].chrom, int(some[0].starts[0])) if some else ("", 0)
    last = (some[-1].chrom, int(some[-1].starts[-1]) + WINDOW_LENGTH) if some else ("", 0)
    if not jobs[0].every_window:
        by_chrom = [_without_background(chunks, jobs[0].threshold.value) for chunks in by_chrom]
    return Part(by_chrom, first, last, [scan.inputs.beyond_percentiles for scan in scans])


def forget() -> None:
    """Close all scans; tasks that still use one keep it to their end."""
    _scans.clear()


def _concatenate(chrom: str, chunks: Sequence[ScoredWindows]) -> ScoredWindows:
    _, indices, starts, probabilities, *counts = zip(*chunks, strict=True)
    arrays = (np.concatenate(indices), np.concatenate(starts), np.concatenate(probabilities))
    return ScoredWindows(chrom, *arrays, *map(sum, counts))


def _without_background(chunks: tuple[ScoredWindows, ...], threshold: float) -> tuple[ScoredWindows, ...]:
    """Leave out windows below the threshold; the counts stay.

    Of several scans all windows stay that may lie inside a site of any of them: those that overlap a positive window,
    of this task or of the one beside it.
    """
    starts = chunks[0].starts
    kept = np.any([is_positive(chunk.probabilities, threshold) for chunk in chunks], axis=0)
    if len(chunks) > 1 and len(starts):
        edges = starts[[0, -1]] + [-WINDOW_LENGTH, WINDOW_LENGTH]  # windows of the neighbouring tasks may be positive
        near = np.concatenate((edges[:1], starts[kept], edges[1:]))
        behind = np.searchsorted(near, starts, side="right")  # near[behind - 1] <= start < near[behind]
        kept = np.minimum(starts - near[behind - 1], near[behind] - starts) <= WINDOW_LENGTH
    return tuple(
        chunk._replace(indices=chunk.indices[kept], starts=chunk.starts[kept], probabilities=chunk.probabilities[kept])
        for chunk in chunks
    )


_scans: dict[str, tuple[Scan, ...]] = {}
_opening = Lock()


def _open_once(jobs: Sequence[Job]) -> tuple[Scan, ...]:
    name = jobs[0].name
    with _opening:
        if name not in _scans:
            while len(_scans) >= MAX_OPEN_SCANS:
                del _scans[next(iter(_scans))]
            _scans[name] = _open(jobs)
        return _scans[name]


def _open(jobs: Sequence[Job]) -> tuple[Scan, ...]:
    """Open genome and model once, and the track of each job."""
    for path, size in {path: size for job in jobs for path, size in job.sizes.items()}.items():
        found = fingerprint(path)
        if found is None or found.size != size:
            problem = "is missing" if found is None else f"has {found.size} bytes instead of {size}"
            raise ClusterError(f"{path} {problem}; all machines must see the same files under the same paths")
    one = jobs[0]
    model = load_model(one.model, one.device)
    if model.sha256 != one.sha256:
        raise ClusterError(f"{model.path} is another model than on the machine that started the scan")
    base = open_scan(one.genome, model=model, stride=one.stride, alias=one.alias, threads=one.threads)
    if dict(base.genome.chromsizes) != one.chromsizes:
        raise ClusterError(f"{one.genome} has other chromosomes; all machines must see the same files")

    def open_one(job: Job) -> Scan:
        scan = with_own_inputs(base, {"accessibility": job.accessibility})
        scan.inputs.open_track(
            job.accessibility,
            lambda: one.chromsizes,
            scale=job.scale,
            allow_length_mismatch=True,  # the client has compared them
            bed_value=job.bed_value,
            missing_chromosomes="closed",
            compare=False,
        )
        if scan.track is not None:
            scan.inputs.track = replace(scan.track, names=job.track_names, closed=job.closed)
        return replace(scan, threshold=job.threshold)

    with closing(in_order(open_one, jobs, one.threads)) as opened:
        return tuple(opened)
