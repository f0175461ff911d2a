"""What a scan is made of: everything opened and checked before any work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility import IDENTITY, AccessibilityScale, genome_scale
from jundscan.choices import DEFAULT_STRIDE, BedValue, Wish
from jundscan.genome import Genome, open_genome
from jundscan.model import Model, load_model
from jundscan.names import read_aliases
from jundscan.regions import scan_spans
from jundscan.thresholds import Threshold, choose_threshold
from jundscan.tracks import Track, match_chromosomes, open_track
from jundscan.windows import Region, windows_in


@dataclass
class Scan:
    """A scan ready to run, everything opened and checked; closes its files as a context manager.

    ``inputs`` are the files it was made from, by what they are, ``timings`` the seconds that each stage took.
    """

    genome: Genome
    model: Model
    stride: int
    threshold: Threshold
    spans: Sequence[Region]
    track: Track | None
    track_names: Mapping[str, str]
    scale: AccessibilityScale
    threads: int
    windows: int
    inputs: Mapping[str, Path]
    timings: dict[str, float]
    files: ExitStack
    windows_scored: int = field(default=0, init=False)
    bases_scanned: int = field(default=0, init=False)
    last_scored: tuple[str, int] = field(default=("", 0), init=False)
    beyond_percentiles: bool = field(default=False, init=False)

    @property
    def windows_skipped(self) -> int:
        """Windows in reach that hold a letter other than A, C, G, T."""
        return self.windows - self.windows_scored

    @cached_property
    def reach(self) -> dict[str, NDArray[np.int64]]:
        """Where the spans of each chromosome lie, (n, 2)."""
        by_chrom: dict[str, list[tuple[int, int]]] = {}
        for chrom, start, end in self.spans:
            by_chrom.setdefault(chrom, []).append((start, end))
        return {chrom: np.array(stretches) for chrom, stretches in by_chrom.items()}

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.files.close()


def prepare(
    genome: Genome | str | Path,
    accessibility: Track | str | Path | None = None,
    *,
    model: Model | str | Path | None = None,
    stride: int = DEFAULT_STRIDE,
    wish: Wish | None = None,
    value: float | None = None,
    regions: Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
    scale: AccessibilityScale | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    threads: int | None = None,
) -> Scan:
    """Open and check everything that a scan needs.

    Parameters
    ----------
    genome : Genome, str or pathlib.Path
        FASTA, plain, gzipped or bgzipped, ``-`` for standard input, or what is open already.
    accessibility : Track, str or pathlib.Path, optional
        narrowPeak, BED, bedGraph or bigWig; without it the model runs on sequence alone.
    model : Model, str or pathlib.Path, optional
        The default model if not given.
    stride : int
        Bases between window starts.
    wish, value
        How the threshold is chosen, see :func:`jundscan.thresholds.choose_threshold`.
    regions, regions_file, exclude
        What to scan: see :func:`jundscan.regions.scan_spans`.
    scale : AccessibilityScale, optional
        How window means become percentiles; without it found from the whole track.
    allow_length_mismatch : bool
        Accept a track whose header gives other chromosome lengths than the genome.
    alias : str or pathlib.Path, optional
        Other names of the chromosomes, for all files: see :func:`jundscan.names.read_aliases`.
    bed_value : {"score", "presence"}
        What an interval of a BED track counts as, see :func:`jundscan.intervals.read_intervals`.
    threads : int, optional
        Worker threads; as many as there are cores if not given.

    Raises
    ------
    JundscanError
        When anything handed in cannot be used.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        ready = model if isinstance(model, Model) else load_model(model)
        fasta = genome if isinstance(genome, Genome) else open_genome(genome)
        if alias is not None:
            fasta.chromsizes.aliases = read_aliases(alias, fasta.chromsizes)
        spans = scan_spans(fasta.chromsizes, stride, regions, regions_file, exclude)
        track = None
        if accessibility is not None:
            track = accessibility if isinstance(accessibility, Track) else open_track(accessibility, bed_value)
            stack.enter_context(track)
        names = {} if track is None else match_chromosomes(fasta, track, allow_length_mismatch)
        opened = time.perf_counter()
        if track is None:
            scale = IDENTITY
        elif scale is None:
            scale = genome_scale(fasta, track, names)
        timings = {"opening": opened - began, "accessibility_scale": time.perf_counter() - opened}
        files = {
            "genome": genome,
            "accessibility": accessibility,
            "regions": regions_file,
            "exclude": exclude,
            "alias": alias,
        }
        sizes = fasta.chromsizes
        return Scan(
            genome=fasta,
            model=ready,
            stride=stride,
            threshold=choose_threshold(ready.metadata, track is not None, wish, value),
            spans=spans,
            track=track,
            track_names=names,
            scale=scale,
            threads=threads or os.cpu_count() or 1,
            windows=sum(windows_in(span.start, span.end, sizes[span.chrom], stride).total for span in spans),
            inputs={kind: Path(path) for kind, path in files.items() if isinstance(path, str | Path)},
            timings=timings,
            files=stack.pop_all(),
        )
