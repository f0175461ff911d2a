"""The scale of a track: the windows to find it on, and whether a scale fits a track.

A track that knows the lengths of its chromosomes is sampled as a whole, whatever the FASTA holds, but without its long
empty stretches (:mod:`jundscan.accessibility.data_stretches`). A text track knows no lengths, so it is sampled on the
known bases of the genome's chromosomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import MIN_COMMON_SHARE, GenomeTrack, data_share
from jundscan.accessibility.scale import (
    IDENTITY,
    MAX_WIDER_KNOTS,
    MIN_VALUES,
    OTHER_SCALE,
    AccessibilityScale,
    distribution,
    fit_knots,
    fit_scale,
)
from jundscan.accessibility.tracks import PerBaseTrack, Track
from jundscan.dna.interval_sets import subtract_intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import Cautions, InputError
from jundscan.io.fasta.genome import Genome

MAX_SCALE_WINDOWS = 200_000
"""Maximum windows that a scale is found on."""
COMPARED_WINDOWS = 20_000
"""Windows to compare a scale with a track on. They give a share to within 1 %."""
MIN_COMPARED_WINDOWS = 100
"""Minimum windows with data to compare a scale with a track, because a share of fewer is too uncertain."""
MAX_TRAINING_DISTANCE = 0.1
"""Maximum difference between cumulative distributions of accessibility, of a track and of training data."""
MAX_SCALE_DISTANCE = 0.25
"""The same for a scale from elsewhere. Parts of a genome differ less from the whole, tracks of another depth more."""


def evenly_spaced(stretches: Mapping[str, NDArray[np.int64]], limit: int) -> dict[str, NDArray[np.int64]]:
    """Choose evenly spaced windows that lie wholly in stretches.

    Parameters
    ----------
    stretches : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        By chromosome, ascending and disjoint.
    limit : int
        Maximum number of windows on all chromosomes together.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(n,), dtype=int64
        Window starts by chromosome, ascending. A chromosome without a window has an empty array.

    Examples
    --------
    >>> {chrom: starts.tolist() for chrom, starts in evenly_spaced({"a": np.array([[0, 301]])}, 3).items()}
    {'a': [0, 67, 134]}
    """
    runs = np.concatenate([np.empty((0, 2), np.int64), *stretches.values()])
    # number all windows from 0, over all stretches
    ends = np.cumsum(np.maximum(runs[:, 1] - runs[:, 0] - WINDOW_LENGTH + 1, 0))
    total = int(ends[-1]) if len(ends) else 0
    count = min(limit, total)
    chosen = np.arange(count, dtype=np.int64) * total // max(count, 1)
    run = np.searchsorted(ends, chosen, side="right")
    starts = runs[run, 1] - WINDOW_LENGTH + 1 - (ends[run] - chosen)
    edges = np.searchsorted(run, np.append(0, np.cumsum([len(of_chrom) for of_chrom in stretches.values()])))
    bounds = zip(stretches, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return {chrom: starts[first:stop] for chrom, first, stop in bounds}


def known_stretches(genome: Genome, chroms: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    """Return the runs of known bases of chromosomes, (n, 2) each; reads the whole genome."""
    names = list(chroms)
    begins = np.append(0, np.cumsum([genome.chromsizes[chrom] for chrom in names], dtype=np.int64))
    unknown = [
        runs + begin for begin, chrom in zip(begins, names, strict=False) if len(runs := genome.unknown_runs(chrom))
    ]
    # with all chromosomes one after another, a single subtraction serves many scaffolds
    whole = np.column_stack((begins[:-1], begins[1:]))
    runs = subtract_intervals(whole, np.concatenate(unknown)) if unknown else whole
    edges = np.searchsorted(runs[:, 0], begins)
    bounds = zip(names, begins.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=False)
    return {chrom: runs[first:stop] - begin for chrom, begin, first, stop in bounds}


def scale_means(
    genome: Genome | None, track: GenomeTrack | Track, widths: Sequence[int], limit: int = MAX_SCALE_WINDOWS
) -> NDArray[np.float32]:
    """Average a track over the windows that its scale is found on.

    Parameters
    ----------
    genome : Genome or None
        Needed for a text track only, which does not know the lengths of its chromosomes.
    track : GenomeTrack or Track
        A Track where there is no genome.
    widths : sequence of int
        Bases around the centres of windows; the window's own 101 come first.
    limit : int
        Maximum number of windows.

    Returns
    -------
    numpy.ndarray, shape=(windows, widths), dtype=float32

    Raises
    ------
    InputError
        When there is neither a genome nor a track that knows its lengths, or a file cannot be read.
    """
    source = track.track if isinstance(track, GenomeTrack) else track
    if isinstance(source, PerBaseTrack):
        windows = evenly_spaced(source.stretches_with_data(), limit)
        return (
            source.means_of_all(_with_windows(windows), widths) if windows else np.empty((0, len(widths)), np.float32)
        )
    if genome is None or not isinstance(track, GenomeTrack):
        raise InputError(f"{source.path}: is a text file, which does not state chromosome lengths. Give the genome too")
    chroms = [chrom for chrom in genome.chromsizes if track.has_accessibility(chrom)]
    return track.means(_with_windows(evenly_spaced(known_stretches(genome, chroms), limit)), widths)


def _with_windows(windows: Mapping[str, NDArray[np.int64]]) -> list[tuple[str, NDArray[np.int64]]]:
    """Drop chromosomes without a window, but keep the first where none has any."""
    return [part for part in windows.items() if len(part[1])] or list(windows.items())[:1]


def fit_track_scale(
    genome: Genome | None,
    track: GenomeTrack | Track,
    widths: Sequence[int],
    cautions: Cautions | None = None,
    remedy: str = OTHER_SCALE,
    min_values: int = MIN_VALUES,
) -> tuple[AccessibilityScale, NDArray[np.float32]]:
    """Find the scale of a track, as :func:`track_scale` does; ``remedy`` and ``min_values`` as for :func:`fit_scale`.

    Returns
    -------
    scale : AccessibilityScale
    means : numpy.ndarray, shape=(windows, widths), dtype=float32
        Means of the windows that the scale was found on, for :func:`check_scale`.
    """
    if cautions is not None and isinstance(track, GenomeTrack):
        _warn_of_partial_genome(track, cautions)
    means = scale_means(genome, track, widths)
    own = fit_scale(means[:, 0], str(track.path), _with_fragments(track, remedy), min_values)
    wider = {
        width: fit_knots(*np.unique(of_width, return_counts=True), MAX_WIDER_KNOTS)
        for width, of_width in zip(widths[1:], means.T[1:], strict=True)
    }
    return replace(own, wider=wider), means


def _with_fragments(track: GenomeTrack | Track, remedy: str) -> str:
    """Add to a remedy against too few different means that whole fragments have more of them than cuts."""
    reads = (track.track if isinstance(track, GenomeTrack) else track).reads
    is_cuts = reads is not None and reads["counted_as"] == "cuts"
    return f"{remedy}; or count whole fragments: --reads fragments" if is_cuts else remedy


def track_scale(
    genome: Genome | None,
    track: GenomeTrack | Track,
    widths: Sequence[int] = (WINDOW_LENGTH,),
    cautions: Cautions | None = None,
) -> AccessibilityScale:
    """Find the scale of a track.

    Parameters
    ----------
    genome, track, widths
        As for :func:`scale_means`.
    cautions : Cautions, optional
        Collects a warning when the genome holds less than half of a text track's data.

    Raises
    ------
    InputError
        When there are too few windows or distinct means, or a file cannot be read.
    """
    return fit_track_scale(genome, track, widths, cautions)[0]


def _warn_of_partial_genome(track: GenomeTrack, cautions: Cautions) -> None:
    """Warn when the genome holds less than half of the data of a text track, whose scale is found on the genome."""
    if isinstance(track.track, PerBaseTrack):
        return
    share = data_share(track.track, track.names)
    if share < MIN_COMMON_SHARE:
        cautions.add(
            "scale_of_part",
            f"{track.path}: the genome's chromosomes hold {share:.1%} of the track's data, and the scale is found "
            "on them alone. Find it with the whole genome (jundscan scale) and give --accessibility-scale FILE",
            share=share,
        )


def check_scale(
    genome: Genome,
    track: GenomeTrack,
    scale: AccessibilityScale,
    means: NDArray[np.float32] | None,
    training: Mapping[str, list[float]] | None,
    cautions: Cautions,
) -> Sequence[float]:
    """Warn when a scale fits another track, or accessibility is distributed unlike the training data.

    Parameters
    ----------
    genome : Genome
    track : GenomeTrack
    scale : AccessibilityScale
    means : numpy.ndarray, shape=(windows,), dtype=float32, or None
        Means of the windows that the scale was found on. None for a scale from elsewhere. Then the track is sampled
        without a look at unknown bases, and the share of windows at 0 is taken from the scale.
    training : mapping of str to list of float, or None
        Distributions in the training data, from the model.
    cautions : Cautions
        Collects the warnings.

    Returns
    -------
    sequence of float
        Distribution of accessibility over the track, see :func:`jundscan.accessibility.scale.distribution`. Empty
        where too few windows have data.
    """
    if means is not None:
        shares = distribution(scale.apply(means))
    else:
        shares, distance = _compare_scale(genome, track, scale)
        if distance > MAX_SCALE_DISTANCE:
            cautions.add(
                "scale_of_another_track",
                f"{track.path}: the scale given ({scale.where}) is that of another track: {distance:.0%} of the "
                f"windows with data would have other percentiles there ({MAX_SCALE_DISTANCE:.0%} allowed). Leave "
                "--accessibility-scale out, or find the scale again: jundscan scale",
                apart=distance,
                allowed=MAX_SCALE_DISTANCE,
            )
    if shares and training:
        distance, nearest = distance_from_training(shares, training)
        if distance > MAX_TRAINING_DISTANCE:
            cautions.add(
                "unlike_training",
                f"{track.path}: accessibility differs from what the model was trained on: {distance:.0%} of the "
                f"windows have other percentiles than in {nearest}, the most similar data set of training "
                f"({MAX_TRAINING_DISTANCE:.0%} allowed). Precision and recall may be lower than expected",
                apart=distance,
                nearest=nearest,
                allowed=MAX_TRAINING_DISTANCE,
            )
    return shares


def _compare_scale(genome: Genome, track: GenomeTrack, scale: AccessibilityScale) -> tuple[list[float], float]:
    """Return the distribution of accessibility over a track, and the distance of its windows with data from a scale.

    In its own track, percentiles above 0 are spread evenly up to 1. The distance is the largest difference from that
    (Kolmogorov and Smirnov): 0 for the identity, and where too few windows have data.
    """
    if isinstance(track.track, PerBaseTrack):
        sample = scale_means(genome, track, (WINDOW_LENGTH,), COMPARED_WINDOWS)[:, 0]
    else:
        whole = {chrom: np.array([[0, genome.chromsizes[chrom]]]) for chrom in track.names}
        sample = track.means(_with_windows(evenly_spaced(whole, MAX_SCALE_WINDOWS)))[:, 0]
    if scale is IDENTITY:
        return distribution(np.minimum(sample, 1)), 0.0
    above = sample[sample > 0]
    if len(above) < MIN_COMPARED_WINDOWS:
        return [], 0.0
    mapped, zero = scale.apply(above), scale.zero_share
    spread = np.clip((np.sort(mapped).astype(np.float64) - zero) / max(1 - zero, 1 / MAX_SCALE_WINDOWS), 0, 1)
    ranks = (np.arange(len(spread)) + 0.5) / len(spread)
    shares = [zero, *((1 - zero) * np.array(distribution(mapped)[1:])).tolist()]
    return shares, float(np.abs(spread - ranks).max())


def distance_from_training(shares: Sequence[float], training: Mapping[str, list[float]]) -> tuple[float, str]:
    """Return the distance of a distribution from the nearest one of training, and the name of that one.

    The distance is the largest difference between cumulative shares (Kolmogorov and Smirnov).

    Examples
    --------
    >>> distance_from_training([0.9, 0.1], {"one": [0.5, 0.5], "two": [0.8, 0.2]})
    (0.1, 'two')
    """
    distances = {
        name: round(float(np.abs(np.cumsum(shares) - np.cumsum(other)).max()), 6) for name, other in training.items()
    }
    nearest = min(distances, key=lambda name: distances[name])
    return distances[nearest], nearest
