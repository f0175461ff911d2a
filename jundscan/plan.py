"""What a scan is made of: everything opened and checked before any work."""

from __future__ import annotations

import logging
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
from jundscan.choices import DEFAULT_STRIDE, MOST_STRIDE, BedValue, Wish, check_choice, whole
from jundscan.errors import InputError
from jundscan.files import Stamp, stamp
from jundscan.genome import Genome, open_genome
from jundscan.model import Model, load_model
from jundscan.names import read_aliases
from jundscan.regions import scan_spans
from jundscan.thresholds import Threshold, choose_threshold
from jundscan.tracks import Track, match_chromosomes, open_track
from jundscan.windows import Region, count_windows, span_table

log = logging.getLogger("jundscan")


@dataclass
class Scan:
    """A scan ready to run, everything opened and checked; closes its files as a context manager.

    ``inputs`` are the files it was made from, by what they are, ``stamps`` how they were before anything was read, and
    ``timings`` the seconds that each stage took.
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
    bed_value: BedValue
    windows: int
    inputs: Mapping[str, Path]
    stamps: Mapping[Path, Stamp]
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

    def accessibility_of(self, parts: Sequence[tuple[str, NDArray[np.int64]]]) -> NDArray[np.float32]:
        """Return the mapped accessibility of windows and what surrounds them, at each width that the model sees.

        It is NaN on chromosomes that the track does not name.

        Parameters
        ----------
        parts : sequence of (str, numpy.ndarray of int64)
            Chromosomes as the genome names them, each with starts of windows, 0-based, ascending, none twice.

        Returns
        -------
        numpy.ndarray, shape=(windows of all parts, widths), dtype=float32
        """
        names, widths = self.track_names, self.model.widths
        named = [(names[chrom], starts) for chrom, starts in parts if chrom in names and len(starts)]
        if self.track is None or not named:
            return np.full((sum(len(starts) for _, starts in parts), len(widths)), np.nan, np.float32)
        mapped = self.scale.apply_all(self.track.means_of_all(named, widths), widths)
        if self.scale is IDENTITY and mapped.max(initial=0) > 1:
            self.beyond_percentiles = True
        if len(named) == len(parts):
            return mapped
        is_named = np.repeat([chrom in names for chrom, _ in parts], [len(starts) for _, starts in parts])
        every = np.full((len(is_named), len(widths)), np.nan, np.float32)
        every[is_named] = mapped
        return every

    def finish(self) -> None:
        """Say what can be said only at the end of a run.

        Raises
        ------
        InputError
            When a file was written to, replaced or removed meanwhile: part of what was read may be of either.
        """
        for path, before in self.stamps.items():
            if stamp(path) != before:
                raise InputError(f"{path}: was changed or removed while it was being read; scan again")
        if self.beyond_percentiles and self.track is not None:
            log.warning("%s: accessibility above 1 is no percentile, and counts as 1", self.track.path)

    def watch(self, path: str | Path) -> None:
        """Compare one more input at the end with what it is now."""
        if (before := stamp(Path(path))) is not None:
            self.stamps = {**self.stamps, Path(path): before}

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
    regions: str | Iterable[str] = (),
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
    check_choice("bed_value", bed_value, BedValue)
    stride = whole("stride", stride, MOST_STRIDE)
    threads = os.cpu_count() or 1 if threads is None else whole("threads", threads)
    files = {
        "genome": genome,
        "accessibility": accessibility,
        "regions": regions_file,
        "exclude": exclude,
        "alias": alias,
    }
    inputs = {kind: Path(path) for kind, path in files.items() if isinstance(path, str | Path)}
    stamps = {path: before for path in inputs.values() if (before := stamp(path)) is not None}
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
            scale = genome_scale(fasta, track, names, ready.widths)
        else:
            scale.check_widths(ready.widths)
        timings = {"opening": opened - began, "accessibility_scale": time.perf_counter() - opened}
        return Scan(
            genome=fasta,
            model=ready,
            stride=stride,
            threshold=choose_threshold(ready.metadata, track is not None, wish, value),
            spans=spans,
            track=track,
            track_names=names,
            scale=scale,
            threads=threads,
            bed_value=bed_value,
            windows=int(count_windows(span_table(spans, fasta.chromsizes), stride).sum()),
            inputs=inputs,
            stamps=stamps,
            timings=timings,
            files=stack.pop_all(),
        )
