"""What every command opens before any work: genome, model and accessibility track."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import GenomeTrack, match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import IDENTITY, MIN_VALUES, OTHER_SCALE, AccessibilityScale, Depth
from jundscan.accessibility.track_scale import check_scale, fit_track_scale
from jundscan.accessibility.tracks import Track
from jundscan.errors import Cautions, InputError, collect_warnings
from jundscan.io.aliases import open_genome_with_aliases
from jundscan.io.fasta.genome import Genome
from jundscan.io.files import FileFingerprint, fingerprint
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.options import BedValue, MissingChromosomes, ReadsOptions, positive_int
from jundscan.threads import usable_cores


@dataclass
class Inputs:
    """The opened inputs of one run. What opens a run closes ``files``.

    Attributes
    ----------
    genome : Genome
    model : Model
    threads : int
        Worker threads.
    paths : dict of str to pathlib.Path
        Input files by what they are: ``genome``, ``accessibility``, ``alias``, …
    fingerprints : dict of pathlib.Path to FileFingerprint
        Size and time of these files before anything was read.
    began : float
        When opening began, in seconds of :func:`time.perf_counter`.
    bed_value : {"score", "presence"}
        What an interval of a BED track counts as.
    track : GenomeTrack or None
        None without accessibility.
    scale : AccessibilityScale
        Maps window means of the track to percentiles.
    accessibility_shares : sequence of float
        Distribution of accessibility over the track (:func:`jundscan.accessibility.scale.distribution`).
    depth : Depth or None
        What the scale was found on; None where it was given.
    timings : dict of str to float
        Seconds of each stage.
    cautions : Cautions
        Warnings about what may mislead in the result.
    files : contextlib.ExitStack
        Open files.
    beyond_percentiles : bool
        Whether a value above 1 was mapped with the identity scale.
    """

    genome: Genome
    model: Model
    threads: int
    paths: dict[str, Path]
    fingerprints: dict[Path, FileFingerprint]
    began: float
    cautions: Cautions
    bed_value: BedValue = "score"
    track: GenomeTrack | None = None
    scale: AccessibilityScale = IDENTITY
    accessibility_shares: Sequence[float] = ()
    depth: Depth | None = None
    timings: dict[str, float] = field(default_factory=dict)
    files: ExitStack = field(default_factory=ExitStack)
    beyond_percentiles: bool = False

    def open_track(
        self,
        accessibility: Track | str | Path | None,
        bases_to_score: Callable[[], Mapping[str, int]],
        *,
        scale: AccessibilityScale | None = None,
        allow_length_mismatch: bool = False,
        bed_value: BedValue = "score",
        missing_chromosomes: MissingChromosomes | None = None,
        reads: ReadsOptions = ReadsOptions(),  # noqa: B008 - frozen
        compare: bool = True,
        remedy: str = OTHER_SCALE,
        min_values: int = MIN_VALUES,
    ) -> None:
        """Open the track, find its chromosomes in the genome and its scale.

        Parameters
        ----------
        accessibility, scale, allow_length_mismatch, bed_value, missing_chromosomes
            As for :func:`jundscan.scanning.plan.open_scan`.
        reads : ReadsOptions
            What counts of reads or fragments.
        bases_to_score : callable
            Returns bases by chromosome; called only where names or lengths differ between genome and track.
        compare : bool
            Whether to compare the track with the scale and with the model's training data.
        remedy, min_values
            As for :func:`jundscan.accessibility.scale.fit_scale`.
        """
        self.bed_value = bed_value
        if accessibility is not None:
            opened = (
                accessibility
                if isinstance(accessibility, Track)
                else open_track(accessibility, bed_value, reads, self.genome.chromsizes)
            )
            self.files.enter_context(opened)
            self.track = match_chromosomes(
                self.genome,
                opened,
                self.cautions,
                allow_length_mismatch=allow_length_mismatch,
                missing=missing_chromosomes,
                reach=bases_to_score,
            )
        opened_at = time.perf_counter()
        if self.track is not None:
            means = None
            if scale is None:
                found = fit_track_scale(self.genome, self.track, self.model.widths, self.cautions, remedy, min_values)
                scale, means = found[0], found[1][:, 0]
                self.depth = scale.depth
            self._set_scale(self.track, scale, means, compare)
        self.timings = {"opening": opened_at - self.began, "accessibility_scale": time.perf_counter() - opened_at}

    def _set_scale(
        self, track: GenomeTrack, scale: AccessibilityScale, means: NDArray[np.float32] | None, compare: bool
    ) -> None:
        """Check the scale of the track, and warn where the track is unlike the scale or the training data."""
        scale.check_widths(self.model.widths)
        self.scale = scale
        if compare:
            training = self.model.metadata.training_accessibility
            self.accessibility_shares = check_scale(self.genome, track, scale, means, training, self.cautions)

    def accessibility_of(self, parts: Sequence[tuple[str, NDArray[np.int64]]]) -> NDArray[np.float32]:
        """Return the accessibility of windows, as percentiles, at each width that the model sees.

        Parameters
        ----------
        parts : sequence of (str, numpy.ndarray of int64)
            Chromosomes as the genome names them, each with window starts: 0-based, ascending, distinct.

        Returns
        -------
        numpy.ndarray, shape=(windows of all parts, widths), dtype=float32
            NaN without a track, and on chromosomes without accessibility.
        """
        widths = self.model.widths
        if self.track is None:
            return np.full((sum(len(starts) for _, starts in parts), len(widths)), np.nan, np.float32)
        mapped = self.scale.apply_all(self.track.means(parts, widths), widths)
        if self.scale is IDENTITY and (mapped > 1).any():
            self.beyond_percentiles = True
        return mapped

    def watch(self, path: str | Path) -> None:
        """Remember size and time of one more input, for :meth:`finish`."""
        if (before := fingerprint(Path(path))) is not None:
            self.fingerprints[Path(path)] = before

    def finish(self) -> None:
        """Check at the end of a run that no input has changed, and warn of values that are no percentiles.

        Raises
        ------
        InputError
            When a file was written to, replaced or removed: the run may have read parts of two versions.
        """
        for path, before in self.fingerprints.items():
            if fingerprint(path) != before:
                raise InputError(f"{path}: was changed or removed while it was being read; scan again")
        if self.beyond_percentiles and self.track is not None:
            self.cautions.add(
                "no_percentiles", f"{self.track.path}: accessibility above 1 is no percentile, and counts as 1"
            )


def open_inputs(
    genome: Genome | str | Path,
    model: Model | str | Path | None = None,
    *,
    alias: str | Path | None = None,
    threads: int | None = None,
    files: Mapping[str, object],
) -> Inputs:
    """Open genome and model; :meth:`Inputs.open_track` opens the track.

    Parameters
    ----------
    genome, model, alias, threads
        As for :func:`jundscan.scanning.plan.open_scan`.
    files : mapping of str to object
        Further inputs by what they are; those that are paths are watched for changes.

    Raises
    ------
    JundscanError
        When an input cannot be used.
    """
    began = time.perf_counter()
    threads = usable_cores() if threads is None else positive_int("threads", threads)
    every = {"genome": genome, **files, "alias": alias}
    paths = {kind: Path(path) for kind, path in every.items() if isinstance(path, str | Path)}
    fingerprints = {path: before for path in paths.values() if (before := fingerprint(path)) is not None}
    cautions = Cautions()
    with collect_warnings(cautions):
        ready = model if isinstance(model, Model) else load_model(model)
        fasta = open_genome_with_aliases(genome, alias)
    return Inputs(fasta, ready, threads, paths, fingerprints, began, cautions)
