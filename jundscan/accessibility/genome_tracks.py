"""A track over a genome: matched chromosome names, and the accessibility of chromosomes that the track lacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.tracks import Track
from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import Cautions, TrackError, format_count
from jundscan.io.fasta.genome import Genome
from jundscan.options import MissingChromosomes

log = logging.getLogger("jundscan")

MIN_COMMON_SHARE = 0.5
"""Minimum share of the bases to scan, and of the track's data, on chromosomes that genome and track have in common."""
_MAX_NAMES = 100
"""Maximum chromosome names in a warning's figures."""


@dataclass(frozen=True)
class GenomeTrack:
    """A track over a genome, from :func:`match_chromosomes`.

    Attributes
    ----------
    track : Track
    names : mapping of str to str
        The track's name of each chromosome, by the genome's name.
    closed : frozenset of str
        Chromosomes of the genome that the track lacks and that count as closed: 0 everywhere. A chromosome that is
        neither here nor in ``names`` has no accessibility: NaN.
    """

    track: Track
    names: Mapping[str, str]
    closed: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """The track's file."""
        return self.track.path

    def has_accessibility(self, chrom: str) -> bool:
        """Return whether a chromosome is in the track or counts as closed."""
        return chrom in self.names or chrom in self.closed

    def means(
        self, parts: Sequence[tuple[str, NDArray[np.int64]]], widths: Sequence[int] = (WINDOW_LENGTH,)
    ) -> NDArray[np.float32]:
        """Average the track over windows of several chromosomes, at several widths.

        Parameters
        ----------
        parts : sequence of (str, numpy.ndarray of int64)
            Chromosomes by the genome's names, each with its window starts, 0-based, ascending, none twice.
        widths : sequence of int
            Bases around the centres of windows.

        Returns
        -------
        numpy.ndarray, shape=(windows of all parts, widths), dtype=float32
            Means, not percentiles: 0 on chromosomes that count as closed, NaN on those without accessibility.
        """
        named = [(self.names[chrom], starts) for chrom, starts in parts if chrom in self.names]
        if named and len(named) == len(parts):
            return self.track.means_of_all(named, widths)
        counts = [len(starts) for _, starts in parts]
        elsewhere = [np.float32(0 if chrom in self.closed else np.nan) for chrom, _ in parts]
        means = np.repeat(np.array(elsewhere, np.float32), counts)[:, None].repeat(len(widths), axis=1)
        if any(len(starts) for _, starts in named):
            is_named = np.repeat(np.array([chrom in self.names for chrom, _ in parts], np.bool_), counts)
            means[is_named] = self.track.means_of_all(named, widths)
        return means


def data_share(track: Track, names: Mapping[str, str]) -> float:
    """Return the share of a track's data on the chromosomes in common with a genome; 1 for a track without data.

    Parameters
    ----------
    track : Track
    names : mapping of str to str
        The track's name of each chromosome, by the genome's name.
    """
    with_data = track.bases_with_data()
    total = sum(with_data.values())
    return sum(with_data[name] for name in dict.fromkeys(names.values())) / total if total else 1.0


def match_chromosomes(
    genome: Genome,
    track: Track,
    cautions: Cautions | None = None,
    *,
    allow_length_mismatch: bool = False,
    missing: MissingChromosomes | None = None,
    reach: Mapping[str, int] | Callable[[], Mapping[str, int]] | None = None,
) -> GenomeTrack:
    """Find each chromosome of the genome in the track, under any naming convention or an alias.

    A chromosome that the track lacks counts as closed, because writers of tracks leave out chromosomes without data.
    This holds only where the names fit. They fit when every chromosome to scan is in the track. Else the chromosomes in
    common must hold half of the bases to scan (or of the genome) and half of the track's data.

    Parameters
    ----------
    genome : Genome
    track : Track
    cautions : Cautions, optional
        Collects warnings: missing chromosomes, other lengths, intervals beyond the end.
    allow_length_mismatch : bool
        Accept a track that states other chromosome lengths than the genome.
    missing : {"closed", "unknown", "error"}, optional
        Accessibility of chromosomes that the track lacks: 0 (closed), NaN (unknown), or a TrackError. Without it they
        count as closed if the names fit. With it nothing checks whether the names fit.
    reach : mapping of str to int, or callable, optional
        Bases to scan by chromosome, or a function that returns them, called only where genome and track differ. All
        bases of the genome if not given.

    Returns
    -------
    GenomeTrack

    Raises
    ------
    TrackError
        When no chromosome is in both, the names do not fit, or the lengths differ on half of the bases to scan that
        are in common.
    """
    cautions = Cautions() if cautions is None else cautions
    chromsizes = genome.chromsizes
    in_track = dict.fromkeys(track.names)
    other = {matching_name(name, chromsizes): name for name in reversed(track.names)}
    found = {chrom: chrom if chrom in in_track else other.get(chrom) for chrom in chromsizes}
    names = {chrom: name for chrom, name in found.items() if name is not None}
    if not names:
        raise TrackError(
            track.path,
            f"no chromosome in common: it names {some_names(track.names)}, while {genome.path} has "
            f"{some_names(chromsizes)}. Give --alias FILE if these are other names of the same sequences",
        )
    absent = [chrom for chrom in chromsizes if chrom not in names]
    sizes = track.sizes or {}
    differ = [chrom for chrom, name in names.items() if sizes.get(name, chromsizes[chrom]) != chromsizes[chrom]]
    if allow_length_mismatch:
        differ = []
    if differ or absent:
        bases = (reach() if callable(reach) else reach) or dict(chromsizes)
        _check_lengths(genome, track, names, differ, bases, cautions)
        _check_missing(genome, track, names, [chrom for chrom in absent if chrom in bases], bases, missing, cautions)
    for chrom in differ:
        del names[chrom]
    renamed = [f"{name} for {chrom}" for chrom, name in names.items() if name != chrom]
    if renamed:
        log.info("%s names chromosomes differently: %s", track.path, some_names(renamed))
    beyond = sum(track.count_beyond(name, chromsizes[chrom]) for chrom, name in names.items())
    if beyond:
        cautions.add(
            "intervals_beyond_end",
            f"{track.path}: {format_count(beyond, 'interval')} beyond the end of the chromosome, cut there. Check that "
            "track and genome are of the same assembly",
            intervals=beyond,
        )
    return GenomeTrack(track, names, frozenset() if missing == "unknown" else frozenset(absent))


def _check_missing(
    genome: Genome,
    track: Track,
    names: Mapping[str, str],
    absent: Sequence[str],
    reach: Mapping[str, int],
    missing: MissingChromosomes | None,
    cautions: Cautions,
) -> None:
    """Warn of chromosomes to scan that the track lacks; raise TrackError when names do not fit."""
    if not absent:
        return
    both = f"it names {some_names(track.names)}, while {genome.path} has {some_names(genome.chromsizes)}"
    if missing == "error":
        raise TrackError(track.path, f"does not name {some_names(absent)}: {both}. Give --alias FILE if names differ")
    bases, total = sum(reach[chrom] for chrom in absent), sum(reach.values())
    sizes = genome.chromsizes
    whole = sum(sizes[chrom] for chrom in names) / max(sum(sizes.values()), 1)
    common = 1 - bases / total if total else 1.0
    if missing is None:
        data = data_share(track, names)
        if max(common, whole) < MIN_COMMON_SHARE or data < MIN_COMMON_SHARE:
            raise TrackError(
                track.path,
                f"names do not fit: chromosomes in common hold {common:.0%} of the bases to scan and {data:.0%} of the "
                f"track's data; {both}. Give --alias FILE if names differ, or --missing-chromosomes closed if the "
                f"track leaves out chromosomes without data",
            )
    elsewhere = "scored from sequence alone" if missing == "unknown" else "counted as closed"
    cautions.add(
        "missing_chromosomes",
        f"{track.path}: of {format_count(len(reach), 'chromosome')} to scan, {len(absent):,} missing from the track "
        f"({some_names(absent)}), {bases / max(total, 1):.1%} of the bases; {elsewhere} (--missing-chromosomes)",
        chromosomes=len(absent),
        bases=bases,
        share=bases / max(total, 1),
        names=list(absent[:_MAX_NAMES]),
        treated_as=missing or "closed",
    )


def _check_lengths(
    genome: Genome,
    track: Track,
    names: Mapping[str, str],
    differ: Sequence[str],
    reach: Mapping[str, int],
    cautions: Cautions,
) -> None:
    """Warn of chromosomes with another length in the track; raise TrackError when they are half of those in common."""
    if not differ:
        return
    in_reach = [chrom for chrom in differ if chrom in reach]
    chrom, sizes = (in_reach or differ)[0], track.sizes or {}
    lengths = f"{sizes[names[chrom]]} bases, but {chrom} of {genome.path} has {genome.chromsizes[chrom]}"
    example = f"{names[chrom]} has {lengths}"
    bases, total = (sum(reach.get(chrom, 0) for chrom in chroms) for chroms in (in_reach, names))
    if in_reach and bases >= MIN_COMMON_SHARE * total:
        raise TrackError(track.path, f"{example}: another assembly? --allow-length-mismatch accepts a partial genome")
    concerned = f"{len(in_reach):,} to scan, from sequence alone" if in_reach else "none to scan"
    cautions.add(
        "other_lengths",
        f"{track.path}: {example}. Chromosomes of another length: {len(differ):,}, {concerned}",
        chromosomes=len(differ),
        to_scan=len(in_reach),
        bases=bases,
        share=bases / max(total, 1),
        names=list(differ[:_MAX_NAMES]),
    )
