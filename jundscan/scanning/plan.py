"""What a scan is made of: everything opened and checked before any work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import GenomeTrack, match_chromosomes
from jundscan.accessibility.scale import IDENTITY, AccessibilityScale
from jundscan.accessibility.track_scale import (
    compare_scale,
    scale_means,
    scale_of,
    warn_of_accessibility,
    warn_of_partial_genome,
)
from jundscan.accessibility.tracks import Track, open_track
from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.regions import Region
from jundscan.dna.windows import count_windows, span_table
from jundscan.errors import Cautions, InputError, collect_warnings
from jundscan.io.aliases import read_aliases
from jundscan.io.fasta.genome import Genome, open_genome
from jundscan.io.files import FileFingerprint, fingerprint
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.model.thresholds import Threshold, choose_threshold
from jundscan.options import (
    DEFAULT_STRIDE,
    MAX_STRIDE,
    BedValue,
    MissingChromosomes,
    ThresholdRule,
    check_choice,
    positive_int,
)
from jundscan.scanning.spans import RegionCounts, find_spans
from jundscan.threads import usable_cores

log = logging.getLogger("jundscan")


@dataclass
class Scan:
    """A scan ready to run, everything opened and checked; closes its files as a context manager.

    ``inputs`` are the files it was made from, by what they are, ``fingerprints`` how they were before anything was
    read, and ``timings`` the seconds that each stage took. ``accessibility_shares`` tell how accessibility is
    distributed over the track (:func:`jundscan.accessibility.scale.distribution`), and ``cautions`` hold what may
    mislead in the result.
    """

    genome: Genome
    model: Model
    stride: int
    threshold: Threshold
    spans: Sequence[Region]
    regions: RegionCounts | None
    track: GenomeTrack | None
    scale: AccessibilityScale
    accessibility_shares: Sequence[float]
    threads: int
    bed_value: BedValue
    windows: int
    inputs: Mapping[str, Path]
    fingerprints: Mapping[Path, FileFingerprint]
    timings: dict[str, float]
    cautions: Cautions
    files: ExitStack
    windows_scored: int = field(default=0, init=False)
    windows_called: int = field(default=0, init=False)
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

        It is NaN without a track, and on chromosomes without accessibility.

        Parameters
        ----------
        parts : sequence of (str, numpy.ndarray of int64)
            Chromosomes as the genome names them, each with starts of windows, 0-based, ascending, none twice.

        Returns
        -------
        numpy.ndarray, shape=(windows of all parts, widths), dtype=float32
        """
        widths = self.model.widths
        if self.track is None:
            return np.full((sum(len(starts) for _, starts in parts), len(widths)), np.nan, np.float32)
        mapped = self.scale.apply_all(self.track.means(parts, widths), widths)
        if self.scale is IDENTITY and (mapped > 1).any():
            self.beyond_percentiles = True
        return mapped

    def finish(self) -> None:
        """Say what can be said only at the end of a run.

        Raises
        ------
        InputError
            When a file was written to, replaced or removed meanwhile: part of what was read may be of either.
        """
        for path, before in self.fingerprints.items():
            if fingerprint(path) != before:
                raise InputError(f"{path}: was changed or removed while it was being read; scan again")
        if self.beyond_percentiles and self.track is not None:
            self.cautions.add(
                "no_percentiles",
                f"{self.track.path}: accessibility above 1 is no percentile, and counts as 1",
            )

    def watch(self, path: str | Path) -> None:
        """Compare one more input at the end with what it is now."""
        if (before := fingerprint(Path(path))) is not None:
            self.fingerprints = {**self.fingerprints, Path(path): before}

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.files.close()


def open_scan(
    genome: Genome | str | Path,
    accessibility: Track | str | Path | None = None,
    *,
    model: Model | str | Path | None = None,
    stride: int = DEFAULT_STRIDE,
    threshold_rule: ThresholdRule | None = None,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
    scale: AccessibilityScale | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    threads: int | None = None,
    concerned: Callable[[ChromSizes], Iterable[str]] | None = None,
    judged: bool = True,
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
    threshold_rule : ThresholdRule, optional
        How the threshold is chosen, see :func:`jundscan.model.thresholds.choose_threshold`.
    regions, regions_file, exclude
        What to scan: see :func:`jundscan.scanning.spans.find_spans`.
    scale : AccessibilityScale, optional
        How window means become percentiles; without it found from the whole track.
    allow_length_mismatch : bool
        Accept a track whose header gives other chromosome lengths than the genome.
    alias : str or pathlib.Path, optional
        Other names of the chromosomes, for all files: see :func:`jundscan.io.aliases.read_aliases`.
    bed_value : {"score", "presence"}
        What an interval of a BED track counts as, see :func:`jundscan.io.bed.read_intervals`.
    missing_chromosomes : {"closed", "unknown", "error"}, optional
        What holds on chromosomes that the track does not name, see
        :func:`jundscan.accessibility.genome_tracks.match_chromosomes`.
    threads : int, optional
        Worker threads; one for each core that the process may use if not given.
    concerned : callable, optional
        Returns the chromosomes that the run is about where it is not about the spans; asked where names or lengths
        differ between genome and track.
    judged : bool
        Whether the track is compared with the scale and with the model's training; a worker of a cluster need not.

    Raises
    ------
    JundscanError
        When anything handed in cannot be used.
    """
    began = time.perf_counter()
    check_choice("bed_value", bed_value, BedValue)
    if missing_chromosomes is not None:
        check_choice("missing_chromosomes", missing_chromosomes, MissingChromosomes)
    stride = positive_int("stride", stride, MAX_STRIDE)
    threads = usable_cores() if threads is None else positive_int("threads", threads)
    files = {
        "genome": genome,
        "accessibility": accessibility,
        "regions": regions_file,
        "exclude": exclude,
        "alias": alias,
    }
    inputs = {kind: Path(path) for kind, path in files.items() if isinstance(path, str | Path)}
    fingerprints = {path: before for path in inputs.values() if (before := fingerprint(path)) is not None}
    cautions = Cautions()
    with ExitStack() as stack, collect_warnings(cautions):
        ready = model if isinstance(model, Model) else load_model(model)
        fasta = genome if isinstance(genome, Genome) else open_genome(genome)
        if alias is not None:
            fasta.chromsizes.aliases = read_aliases(alias, fasta.chromsizes)
        spans, counts = find_spans(fasta.chromsizes, stride, regions, regions_file, exclude)
        track = None
        if accessibility is not None:
            opened = accessibility if isinstance(accessibility, Track) else open_track(accessibility, bed_value)
            stack.enter_context(opened)
            track = match_chromosomes(
                fasta,
                opened,
                cautions,
                allow_length_mismatch=allow_length_mismatch,
                missing=missing_chromosomes,
                reach=partial(_reach, spans, fasta.chromsizes, concerned),
            )
        ready_at = time.perf_counter()
        used, shares = _scale(fasta, track, scale, ready, cautions, judged)
        timings = {"opening": ready_at - began, "accessibility_scale": time.perf_counter() - ready_at}
        return Scan(
            genome=fasta,
            model=ready,
            stride=stride,
            threshold=choose_threshold(ready.metadata, track is not None, threshold_rule),
            spans=spans,
            regions=counts,
            track=track,
            scale=used,
            accessibility_shares=shares,
            threads=threads,
            bed_value=bed_value,
            windows=int(count_windows(span_table(spans, fasta.chromsizes), stride).sum()),
            inputs=inputs,
            fingerprints=fingerprints,
            timings=timings,
            cautions=cautions,
            files=stack.pop_all(),
        )


def bases_by_chromosome(spans: Sequence[Region]) -> dict[str, int]:
    """Add up the bases of spans by chromosome."""
    bases: dict[str, int] = {}
    for chrom, start, end in spans:
        bases[chrom] = bases.get(chrom, 0) + end - start
    return bases


def _reach(
    spans: Sequence[Region], sizes: ChromSizes, concerned: Callable[[ChromSizes], Iterable[str]] | None
) -> dict[str, int]:
    chosen = {} if concerned is None else {chrom: sizes[chrom] for chrom in concerned(sizes)}
    return chosen or bases_by_chromosome(spans)


def _scale(
    genome: Genome,
    track: GenomeTrack | None,
    given: AccessibilityScale | None,
    model: Model,
    cautions: Cautions,
    judged: bool,
) -> tuple[AccessibilityScale, Sequence[float]]:
    """Find or check the scale of a track; and tell how accessibility is distributed over the track."""
    if track is None:
        return IDENTITY, ()
    means = None
    if given is None:
        warn_of_partial_genome(track, cautions)
        means = scale_means(genome, track, model.widths)
        scale = scale_of(means, model.widths, str(track.path))
    else:
        given.check_widths(model.widths)
        scale = given
    if not judged:
        return scale, ()
    fit = compare_scale(genome, track, scale, None if means is None else means[:, 0])
    warn_of_accessibility(track, scale, fit, model.metadata.training_accessibility, cautions)
    return scale, fit.shares
