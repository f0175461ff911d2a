"""The scale of a track: which of its windows decide, and whether a scale that was given fits the track.

The scale belongs to the track. A track that knows the lengths of its chromosomes is looked at as a whole, whatever the
FASTA holds, without its long empty stretches (:mod:`jundscan.accessibility.data_stretches`). A text track knows no
lengths: there the known bases of the genome's chromosomes decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import MIN_COMMON_SHARE, GenomeTrack, data_share
from jundscan.accessibility.scale import (
    IDENTITY,
    MAX_WIDER_KNOTS,
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
"""Windows that a given scale is compared with: a share of them is known to within 1 %."""
MIN_COMPARED_WINDOWS = 100
"""Minimum number of windows with data that a scale is compared on, because a share of fewer is known too vaguely."""
MAX_TRAINING_DISTANCE = 0.1
"""Distributions of accessibility whose cumulative shares are further apart than this are called different."""
MAX_SCALE_DISTANCE = 0.25
"""The same for a scale that was given: parts of a genome differ from the whole, tracks of another depth by more."""


def evenly_spaced(stretches: Mapping[str, NDArray[np.int64]], limit: int) -> dict[str, NDArray[np.int64]]:
    """Choose evenly spaced windows that lie wholly in stretches.

    Parameters
    ----------
    stretches : mapping of str to numpy.ndarray, shape=(n, 2), dtype=int64
        By chromosome, ascending and disjoint.
    limit : int
        The most windows, all chromosomes together.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(n,), dtype=int64
        Window starts by chromosome, ascending; for chromosomes without a choosable window too.

    Examples
    --------
    >>> {chrom: starts.tolist() for chrom, starts in evenly_spaced({"a": np.array([[0, 301]])}, 3).items()}
    {'a': [0, 67, 134]}
    """
    runs = np.concatenate([np.empty((0, 2), np.int64), *stretches.values()])
    # the starts of all windows, counted through from 0 over all stretches
    ends = np.cumsum(np.maximum(runs[:, 1] - runs[:, 0] - WINDOW_LENGTH + 1, 0))
    total = int(ends[-1]) if len(ends) else 0
    count = min(limit, total)
    chosen = np.arange(count, dtype=np.int64) * total // max(count, 1)
    run = np.searchsorted(ends, chosen, side="right")
    starts = runs[run, 1] - WINDOW_LENGTH + 1 - (ends[run] - chosen)
    edges = np.searchsorted(run, np.append(0, np.cumsum([len(held) for held in stretches.values()])))
    bounds = zip(stretches, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return {chrom: starts[first:stop] for chrom, first, stop in bounds}


def known_stretches(genome: Genome, chroms: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    """Return the runs of known bases of chromosomes, (n, 2) each; the genome is read through for them."""
    names = list(chroms)
    begins = np.append(0, np.cumsum([genome.chromsizes[chrom] for chrom in names], dtype=np.int64))
    unknown = [
        runs + begin for begin, chrom in zip(begins, names, strict=False) if len(runs := genome.unknown_runs(chrom))
    ]
    # all chromosomes one after another: one subtraction for all of many scaffolds
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
        Needed by a text track only, which does not know the lengths of its chromosomes.
    track : GenomeTrack or Track
        The latter where there is no genome.
    widths : sequence of int
        Bases around the centres of windows; the window's own come first.
    limit : int
        The most windows.

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
        return source.means_of_all(_filled(windows), widths) if windows else np.empty((0, len(widths)), np.float32)
    if genome is None or not isinstance(track, GenomeTrack):
        raise InputError(f"{source.path}: is text and does not know how long chromosomes are; give the genome too")
    chroms = [chrom for chrom in genome.chromsizes if chrom in track.names or chrom in track.closed]
    return track.means(_filled(evenly_spaced(known_stretches(genome, chroms), limit)), widths)


def _filled(windows: Mapping[str, NDArray[np.int64]]) -> list[tuple[str, NDArray[np.int64]]]:
    """Leave out chromosomes without a window; the first stays where none has any."""
    return [part for part in windows.items() if len(part[1])] or list(windows.items())[:1]


def scale_of(means: NDArray[np.float32], widths: Sequence[int], where: str) -> AccessibilityScale:
    """Find the percentiles of means at each width, see :func:`jundscan.accessibility.scale.fit_scale`.

    Parameters
    ----------
    means : numpy.ndarray, shape=(windows, widths), dtype=float32
        From :func:`scale_means`.
    widths : sequence of int
    where : str
        What they come from, for messages.

    Raises
    ------
    InputError
        When there are too few windows, or values.
    """
    own = fit_scale(means[:, 0], where)
    wider = {
        width: fit_knots(*np.unique(of_width, return_counts=True), MAX_WIDER_KNOTS)
        for width, of_width in zip(widths[1:], means.T[1:], strict=True)
    }
    return replace(own, wider=wider)


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
        Gets a warning when the genome holds less than half of a text track's data.

    Raises
    ------
    InputError
        When there are too few windows, or values of their own bases, or a file cannot be read.
    """
    if cautions is not None and isinstance(track, GenomeTrack):
        warn_of_partial_genome(track, cautions)
    return scale_of(scale_means(genome, track, widths), widths, str(track.path))


def warn_of_partial_genome(track: GenomeTrack, cautions: Cautions) -> None:
    """Warn when the genome holds less than half of the data of a text track, whose scale is found on the genome."""
    if isinstance(track.track, PerBaseTrack):
        return
    share = data_share(track.track, track.names)
    if share < MIN_COMMON_SHARE:
        cautions.add(
            "scale_of_part",
            f"{track.path}: the genome's chromosomes hold {share:.1%} of the track's data, and its scale is found on "
            f"them alone. Find it with the whole genome (jundscan scale) and give --accessibility-scale FILE",
            share=share,
        )


class ScaleFit(NamedTuple):
    """How a scale and a track go together, from :func:`compare_scale`.

    Attributes
    ----------
    shares : list of float
        How accessibility is distributed over the track, see :func:`jundscan.accessibility.scale.distribution`; empty
        where too few windows have data.
    apart : float or None
        Largest share of windows with data that stand elsewhere than in the track that the scale was found on; None
        for a scale that was found on this track, and for the identity.
    """

    shares: list[float]
    apart: float | None


def compare_scale(
    genome: Genome, track: GenomeTrack, scale: AccessibilityScale, means: NDArray[np.float32] | None
) -> ScaleFit:
    """Tell how accessibility is distributed over a track, and whether a scale that was given is this track's.

    Parameters
    ----------
    genome : Genome
    track : GenomeTrack
    scale : AccessibilityScale
    means : numpy.ndarray, shape=(windows,), dtype=float32, or None
        Of the windows that the scale was found on. None for a scale that was given: then the track is looked at
        without asking which bases of the genome are known, and the share of windows at 0 is that of the scale.
    """
    if means is not None:
        return ScaleFit(distribution(scale.apply(means)), None)
    if isinstance(track.track, PerBaseTrack):
        sample = scale_means(genome, track, (WINDOW_LENGTH,), COMPARED_WINDOWS)[:, 0]
    else:
        whole = {chrom: np.array([[0, genome.chromsizes[chrom]]]) for chrom in track.names}
        sample = track.means(_filled(evenly_spaced(whole, MAX_SCALE_WINDOWS)))[:, 0]
    if scale is IDENTITY:
        return ScaleFit(distribution(np.minimum(sample, 1)), None)
    above = sample[sample > 0]
    if len(above) < MIN_COMPARED_WINDOWS:
        return ScaleFit([], None)
    mapped, zero = scale.apply(above), scale.zero_share
    # in its own track percentiles above 0 are spread evenly up to 1 (Kolmogorov and Smirnov)
    spread = np.clip((np.sort(mapped).astype(np.float64) - zero) / max(1 - zero, 1 / MAX_SCALE_WINDOWS), 0, 1)
    ranks = (np.arange(len(spread)) + 0.5) / len(spread)
    shares = [zero, *((1 - zero) * np.array(distribution(mapped)[1:])).tolist()]
    return ScaleFit(shares, float(np.abs(spread - ranks).max()))


def warn_of_accessibility(
    track: GenomeTrack,
    scale: AccessibilityScale,
    fit: ScaleFit,
    training: Mapping[str, list[float]] | None,
    cautions: Cautions,
) -> None:
    """Warn when a scale is another track's, or accessibility is distributed otherwise than in training."""
    if fit.apart is not None and fit.apart > MAX_SCALE_DISTANCE:
        cautions.add(
            "scale_of_another_track",
            f"{track.path}: the scale given ({scale.where}) is that of another track: {fit.apart:.0%} of the windows "
            f"with data stand elsewhere than in its own ({MAX_SCALE_DISTANCE:.0%} allowed). Leave "
            f"--accessibility-scale out, or find the scale anew (jundscan scale)",
            apart=fit.apart,
            allowed=MAX_SCALE_DISTANCE,
        )
    if fit.shares and training:
        apart, nearest = distance_from_training(fit.shares, training)
        if apart > MAX_TRAINING_DISTANCE:
            cautions.add(
                "unlike_training",
                f"{track.path}: accessibility differs from what the model was trained on: {apart:.0%} of the windows "
                f"stand elsewhere than in {nearest}, the nearest ({MAX_TRAINING_DISTANCE:.0%} allowed). Thresholds "
                f"may promise too much",
                apart=apart,
                nearest=nearest,
                allowed=MAX_TRAINING_DISTANCE,
            )


def distance_from_training(shares: Sequence[float], trained: Mapping[str, list[float]]) -> tuple[float, str]:
    """Tell how far a distribution is from the nearest one of training, and which that is.

    The measure is the largest difference of the cumulative shares, as in the test of Kolmogorov and Smirnov.

    Examples
    --------
    >>> distance_from_training([0.9, 0.1], {"one": [0.5, 0.5], "two": [0.8, 0.2]})
    (0.1, 'two')
    """
    apart = {
        name: round(float(np.abs(np.cumsum(shares) - np.cumsum(other)).max()), 6) for name, other in trained.items()
    }
    nearest = min(apart, key=lambda name: apart[name])
    return apart[nearest], nearest
