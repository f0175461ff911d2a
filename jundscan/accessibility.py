"""From a track's own numbers to the model's: where a window stands in its track.

Assays and pipelines differ in scale, so the model sees a percentile, found once for a whole track (or data
set): 0 stays 0, and "more open than 97 % of the genome" means the same everywhere. Never a region, a chunk or
a batch decides it. The tracks themselves are read in :mod:`jundscan.tracks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.files import read_json
from jundscan.genome import Genome
from jundscan.interval_sets import subtract_intervals
from jundscan.metadata import DISTRIBUTION_BINS
from jundscan.tracks import Track

_KEY = "accessibility_scale"
_MOST_KNOTS = 2048
_FEWEST_WINDOWS = 1000
_FEWEST_VALUES = 50
OTHER_SCALE = (
    "give --accessibility-scale FILE (the record of a run on the whole track) or --accessibility-scale identity; "
    "a BED whose scores are all 0 counts with --bed-value presence"
)
# a scale of 2,048 knots takes 0.1 MB; the record of a run may hold more than its scale


@dataclass(frozen=True, eq=False)
class AccessibilityScale:
    """A mapping from window means to percentiles; one without knots changes nothing.

    Attributes
    ----------
    values : numpy.ndarray, shape=(knots,), dtype=float64
        Window means above 0, ascending.
    percentiles : numpy.ndarray, shape=(knots,), dtype=float64
        Where each stands among all windows, 0 to 1, ascending.
    windows : int
        Number of windows that it was found on.
    """

    values: NDArray[np.float64]
    percentiles: NDArray[np.float64]
    windows: int

    def apply(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map window means, one by one: 0 stays 0, NaN stays NaN, constant beyond the knots.

        Parameters
        ----------
        means : numpy.ndarray, shape=(n,), dtype=float32
            Means of the track over windows.

        Returns
        -------
        numpy.ndarray, shape=(n,), dtype=float32
            Percentiles from 0 to 1.
        """
        if not len(self.values):
            return means
        # neighbours often have the same mean: 0 between peaks, the height of one inside it
        heads = np.append(0, np.flatnonzero(means[1:] != means[:-1]) + 1)
        some = means[heads] if 2 * len(heads) < len(means) else means
        mapped = np.zeros(len(some), dtype=np.float32)
        at = np.flatnonzero(some != 0)  # and NaN is not
        mapped[at] = np.interp(some[at], self.values, self.percentiles)
        return mapped if some is means else np.repeat(mapped, np.diff(heads, append=len(means)))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return {
            "windows": self.windows,
            "values": self.values.tolist(),
            "percentiles": self.percentiles.tolist(),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> AccessibilityScale:
        """Build a scale from what :meth:`to_dict` returned.

        Raises
        ------
        ValueError
            When a key is missing, or the numbers are no scale.
        """
        try:
            values, percentiles = (np.array(record[key], np.float64) for key in ("values", "percentiles"))
            windows = int(record["windows"])
        except (KeyError, TypeError, OverflowError) as err:
            raise ValueError("not an accessibility scale: needs windows, values and percentiles") from err
        if values.ndim != 1 or values.shape != percentiles.shape:
            raise ValueError("values and percentiles must be two lists of the same length")
        knots = np.column_stack((values, percentiles))
        if not (np.isfinite(knots).all() and (knots >= 0).all() and (percentiles <= 1).all()):
            raise ValueError("values must be finite, none negative, and percentiles from 0 to 1")
        if not ((np.diff(values) > 0).all() and (np.diff(percentiles) >= 0).all()):
            raise ValueError("values and percentiles must ascend")
        return cls(values, percentiles, windows)


IDENTITY = AccessibilityScale(np.empty(0), np.empty(0), 0)
"""For values that are mapped already."""


def read_scale(path: str | Path) -> AccessibilityScale:
    """Read a scale: its own JSON, or the record of a run (``scan --json``) that holds one.

    Raises
    ------
    InputError
        When the file cannot be read or holds no scale.
    """
    try:
        record = read_json(Path(path))
        if not isinstance(record, dict):
            raise ValueError("no object of JSON")
        return AccessibilityScale.from_dict(record.get(_KEY, record) or {})
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from err
    except (ValueError, AttributeError) as err:  # no JSON, no scale
        raise InputError(f"{path}: no accessibility scale can be read from it ({err})") from err


def given_scale(given: AccessibilityScale | str | Path | None) -> AccessibilityScale | None:
    """Turn what a user gives as a scale into one: ``identity``, a file (:func:`read_scale`), or nothing."""
    if given is None or isinstance(given, AccessibilityScale):
        return given
    return IDENTITY if given == "identity" else read_scale(given)


def fit_scale(means: NDArray[np.floating[Any]], where: str, remedy: str = OTHER_SCALE) -> AccessibilityScale:
    """Find the percentile of every distinct window mean above 0.

    A percentile is (the windows below + half of those equal) / all windows. Of more than 2,048 distinct
    values at most 2,048 become knots: half of them even in rank, half ever denser towards the top.

    Parameters
    ----------
    means : numpy.ndarray, shape=(n,), dtype=float
        Means over windows of the whole track or data set; NaN, not available, is no part of the ranking.
    where : str
        What they come from, for the message.
    remedy : str
        What to do when they are too few, for the message.

    Returns
    -------
    AccessibilityScale
        The scale.

    Raises
    ------
    InputError
        When there are less than 1,000 windows or 50 distinct means above 0.
    """
    means = means[~np.isnan(means)]
    values, counts = np.unique(means, return_counts=True)
    distinct = int(np.count_nonzero(values))
    if len(means) < _FEWEST_WINDOWS or distinct < _FEWEST_VALUES:
        raise InputError(
            f"{where}: {len(means)} windows with {distinct} distinct values above 0 are too few to find the "
            f"accessibility scale (needs {_FEWEST_WINDOWS} and {_FEWEST_VALUES}): {remedy}"
        )
    percentiles = (np.cumsum(counts) - counts / 2) / len(means)
    above = values > 0
    values, counts, percentiles = values[above], counts[above], percentiles[above]
    if distinct > _MOST_KNOTS:
        up_to = np.cumsum(counts)
        total = up_to[-1]
        even = np.linspace(0, total - 1, _MOST_KNOTS // 2)
        from_top = total - np.geomspace(1, total, _MOST_KNOTS // 2)
        knots = np.unique(np.searchsorted(up_to, np.concatenate((even, from_top)), side="right"))
        values, percentiles = values[knots], percentiles[knots]
    return AccessibilityScale(values.astype(np.float64), percentiles, len(means))


def distribution(mapped: NDArray[np.floating[Any]]) -> list[float]:
    """Tell how mapped accessibility is distributed, to compare a scan with what its model was trained on.

    Parameters
    ----------
    mapped : numpy.ndarray, shape=(n,), dtype=float
        Percentiles, 0 to 1; NaN, not available, does not count.

    Returns
    -------
    list of float
        Shares of the windows: those at 0, then those in each of 20 equal bins of what is above 0. Empty without any.

    Examples
    --------
    >>> shares = distribution(np.array([0, 0, 0.96, np.nan, 1]))
    >>> shares[0], shares[-1], len(shares)
    (0.5, 0.5, 21)
    """
    known = mapped[~np.isnan(mapped)]
    if not len(known):
        return []
    above = np.histogram(known[known > 0], DISTRIBUTION_BINS, (0, 1))[0]
    shares: list[float] = (np.append(np.count_nonzero(known <= 0), above) / len(known)).tolist()
    return shares


def source_windows(genome: Genome, chroms: Iterable[str], limit: int = 200_000) -> dict[str, NDArray[np.int64]]:
    """Choose evenly spaced windows without an unknown base over whole chromosomes.

    Parameters
    ----------
    genome : Genome
        The genome; it is read through for its unknown bases.
    chroms : iterable of str
        Its chromosomes to choose from.
    limit : int
        The most windows, all chromosomes together.

    Returns
    -------
    dict of str to numpy.ndarray, shape=(n,), dtype=int64
        Window starts by chromosome, ascending; for chromosomes without a choosable window too.
    """
    names = list(chroms)
    # all chromosomes one after another
    begins = np.append(0, np.cumsum([genome.chromsizes[chrom] for chrom in names], dtype=np.int64))
    unknown = [
        runs + begin for begin, chrom in zip(begins, names, strict=False) if len(runs := genome.unknown_runs(chrom))
    ]
    whole = np.column_stack((begins[:-1], begins[1:]))
    runs = subtract_intervals(whole, np.concatenate(unknown)) if unknown else whole
    # the starts of all windows in known bases, counted through from 0 over all chromosomes
    ends = np.cumsum(np.maximum(np.diff(runs).ravel() - WINDOW_LENGTH + 1, 0))
    total = int(ends[-1]) if len(ends) else 0
    count = min(limit, total)
    chosen = np.arange(count, dtype=np.int64) * total // max(count, 1)
    run = np.searchsorted(ends, chosen, side="right")
    starts = runs[run, 1] - WINDOW_LENGTH + 1 - (ends[run] - chosen)
    edges = np.searchsorted(starts, begins)
    table = zip(names, begins.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=False)
    return {chrom: starts[first:stop] - begin for chrom, begin, first, stop in table}


def genome_scale(genome: Genome, track: Track, names: Mapping[str, str]) -> AccessibilityScale:
    """Find the scale of a track over the whole genome.

    Parameters
    ----------
    genome : Genome
        The genome.
    track : Track
        The track.
    names : mapping of str to str
        The track's name of each chromosome by the genome's, from :func:`jundscan.tracks.match_chromosomes`.

    Returns
    -------
    AccessibilityScale
        Found on at most 200,000 windows of these chromosomes.

    Raises
    ------
    InputError
        When there are too few windows or values, or a file cannot be read.
    """
    windows = source_windows(genome, names)
    means = track.means_of_all([(names[chrom], starts) for chrom, starts in windows.items()])
    return fit_scale(means, str(track.path))
