"""What ``import jundscan`` offers of scans, from files or from arrays; options that its relatives share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast, overload

import numpy as np

from jundscan.accessibility.arrays import MemoryTrack, Values
from jundscan.accessibility.scale import AccessibilityScale, resolve_scale
from jundscan.accessibility.tracks import Track
from jundscan.dna.chromosomes import ChromSizes
from jundscan.errors import InputError
from jundscan.io.arguments import (
    check_options,
    file_path,
    flag,
    is_path,
    optional_path,
    plain_array,
    texts,
    type_name,
)
from jundscan.io.fasta.arrays import MemoryGenome, Sequences
from jundscan.io.fasta.genome import Genome
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.options import BedValue, Device, MissingChromosomes, ThresholdKind, ThresholdRule
from jundscan.scanning.checks import judge
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.score import Hit, Scored, call_hits, score, worth

_RULES: tuple[ThresholdKind, ...] = ("threshold", "fpr", "precision", "recall")
_PATHS = {"regions_file", "exclude", "alias"}


class ModelOptions(TypedDict, total=False):
    """Options that :func:`scan` shares with its relatives, all of them keywords; each is described there."""

    model: Model | str | Path | None
    device: Device
    threads: int | None
    threshold: float
    fpr: float
    precision: float
    recall: float
    scale: AccessibilityScale | str | Path | None
    allow_length_mismatch: bool
    alias: str | Path | None
    bed_value: BedValue
    missing_chromosomes: MissingChromosomes | None


class ScanOptions(ModelOptions, total=False):
    """Options of :func:`scan`."""

    stride: int
    regions: str | Iterable[str]
    regions_file: str | Path | None
    exclude: str | Path | None


MODEL_OPTIONS: frozenset[str] = getattr(ModelOptions, "__optional_keys__")  # noqa: B009 (mypy knows it not)
SCAN_OPTIONS: frozenset[str] = getattr(ScanOptions, "__optional_keys__")  # noqa: B009


@overload
def scan(
    genome: str | Path | Sequences,
    accessibility: str | Path | Values | None = None,
    *,
    windows: Literal[False] = False,
    **options: Unpack[ScanOptions],
) -> Iterator[Hit]: ...


@overload
def scan(
    genome: str | Path | Sequences,
    accessibility: str | Path | Values | None = None,
    *,
    windows: Literal[True],
    **options: Unpack[ScanOptions],
) -> Iterator[Scored]: ...


def scan(
    genome: str | Path | Sequences,
    accessibility: str | Path | Values | None = None,
    *,
    windows: bool = False,
    **options: Unpack[ScanOptions],
) -> Iterator[Hit] | Iterator[Scored]:
    """Scan a genome for JUND: the hits in genome order, or every window's probability.

    Everything is opened and checked by the call itself; the scan runs while the result is iterated over.

    Parameters
    ----------
    genome : str, pathlib.Path, pyfaidx.Fasta, mapping or numpy.ndarray
        A FASTA file, or one that pyfaidx has open, or sequences by name: letters (str, bytes) or codes (numpy.ndarray,
        shape=(length,), integer, A 0, C 1, G 2, T 3, anything else 4). An array alone is one sequence, named
        ``sequence``.
    accessibility : str, pathlib.Path, mapping, numpy.ndarray or None
        A track file, or values by name, one for each base (numpy.ndarray, shape=(length,), in any unit, not
        negative). Without it the model runs on sequence alone.
    windows : bool
        Yield the probabilities of all windows, in chunks, instead of hits.
    **options
        ``model``: a loaded model, a file or its folder; the installed one if not given.
        ``device``: ``"auto"``, ``"cpu"`` or ``"cuda"``, for a model that is not loaded yet.
        ``threads``: worker threads; one for each core that the process may use if not given.
        ``stride``: bases between window starts, 10 if not given.
        ``threshold``, ``fpr``, ``precision``, ``recall``: at most one of them chooses the threshold, see
        :func:`jundscan.model.thresholds.choose_threshold`; without one it is the model's own rule.
        ``regions`` (one or several ``chrom:start-end``, 0-based half-open), ``regions_file``, ``exclude`` (BED files):
        where.
        ``scale``: how window means become percentiles: a file (see ``--accessibility-scale``), ``"identity"`` for
        values that are percentiles already, an AccessibilityScale; found from the whole track if not given.
        ``allow_length_mismatch``: accept a track of other chromosome lengths. ``alias``: a file of other names of
        chromosomes. ``bed_value``: whether an interval of a BED counts as its score or, ``"presence"``, as 1.
        ``missing_chromosomes``: what holds on chromosomes that the track does not name: ``"closed"``, ``"unknown"`` or
        ``"error"``; closed where names fit if not given, see
        :func:`jundscan.accessibility.genome_tracks.match_chromosomes`.

    Returns
    -------
    iterator of Hit or of Scored
        A hit is (chrom, start, end, probability, summit, expected_precision, accessibility), see
        :class:`jundscan.Hit`. A chunk of windows is :class:`jundscan.Scored`: its arrays ``starts`` and
        ``probabilities`` leave out windows with unknown letters.

    Raises
    ------
    InputError
        When anything handed in cannot be used, also when more than one rule for the threshold is given. It is a
        :class:`JundscanError` and a :class:`ValueError`.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> sequences = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> [hit.chrom for hit in scan(sequences, threshold=0.0, device="cpu")]
    ['chr1']
    >>> sum(len(chunk.starts) for chunk in scan(sequences, windows=True, stride=50, device="cpu"))
    9
    """
    whole = flag("windows", windows)
    ready = prepared("scan", genome, accessibility, options, SCAN_OPTIONS)
    return _windows(ready) if whole else _hits(ready)


def prepared(
    called: str,
    genome: str | Path | Sequences,
    accessibility: str | Path | Values | None,
    options: ModelOptions,
    known: Collection[str] = MODEL_OPTIONS,
    concerned: Callable[[ChromSizes], Iterable[str]] | None = None,
) -> Scan:
    """Open and check what :func:`scan` and its relatives take.

    Parameters
    ----------
    called : str
        Name of the function that was called, for messages.
    genome, accessibility
        As for :func:`scan`.
    options : dict
    known : collection of str
        Which options there are.
    concerned : callable, optional
        As for :func:`jundscan.scanning.plan.open_scan`.

    Raises
    ------
    InputError
        When anything handed in cannot be used.
    """
    settings: dict[str, Any] = dict(options)
    check_options(called, settings, known)
    rules = {kind: value for kind in _RULES if (value := settings.pop(kind, None)) is not None}
    if len(rules) > 1:
        raise InputError(f"{' and '.join(rules)} exclude each other")
    for kind, value in rules.items():
        settings["threshold_rule"] = ThresholdRule(kind, value)
    for name in _PATHS & settings.keys():
        settings[name] = optional_path(name, settings[name])
    settings["regions"] = texts("regions", settings.get("regions"))
    settings["allow_length_mismatch"] = flag("allow_length_mismatch", settings.get("allow_length_mismatch", False))
    settings["scale"] = scale_of(settings.get("scale"))
    opened, track = given_genome(genome), given_track(accessibility)
    settings["model"] = loaded_model(settings.get("model"), settings.pop("device", "auto"))
    return open_scan(opened, track, concerned=concerned, **settings)


def given_genome(given: object) -> Genome | Path:
    """Return the genome that was handed in, or the path of its file; anything else is an InputError."""
    if is_path(given):
        return file_path("genome", given)
    if isinstance(given, Genome):
        return given
    if type(given).__module__.partition(".")[0] == "pyfaidx" and (opened := _file_of(given)) is not None:
        return opened
    if not isinstance(given, Mapping) and plain_array(given) is None:
        raise InputError(
            f"genome: must be the path of a FASTA, a pyfaidx.Fasta, sequences by name or an array of codes, "
            f"not {type_name(given)}"
        )
    return MemoryGenome(cast(Sequences, given))


def _file_of(given: object) -> Path | None:
    """Return the file that a ``pyfaidx.Fasta`` has open; None for anything else of pyfaidx."""
    import pyfaidx

    return Path(given.filename) if isinstance(given, pyfaidx.Fasta) else None


def given_track(given: object) -> Track | Path | None:
    """Return the track that was handed in, or the path of its file; anything else is an InputError."""
    if given is None or isinstance(given, Track):
        return given
    if is_path(given):
        return file_path("accessibility", given)
    if not isinstance(given, Mapping) and plain_array(given) is None:
        raise InputError(
            f"accessibility: must be the path of a track, values by name or an array of values, not {type_name(given)}"
        )
    return MemoryTrack(cast(Values, given))


def scale_of(given: object) -> AccessibilityScale | None:
    """Return the scale that was handed in or named; anything else is an InputError."""
    if isinstance(given, AccessibilityScale) or (isinstance(given, str) and given == "identity"):
        return resolve_scale(given)
    return resolve_scale(optional_path("scale", given))


def _windows(ready: Scan) -> Iterator[Scored]:
    with ready:
        yield from score(ready)
        judge(ready)


def _hits(ready: Scan) -> Iterator[Hit]:
    with ready:
        for chrom, hits in call_hits(ready, score(ready)):
            known = worth(ready, chrom, hits.best, hits.summit)
            more = ([None if np.isnan(value) else value for value in column.tolist()] for column in known)
            for row in zip(*(column.tolist() for column in hits), *more, strict=True):
                yield Hit(chrom, *row)
        judge(ready)


def loaded_model(model: object, device: Device) -> Model:
    """Return the model that was handed in, or open it; anything else is an InputError."""
    return model if isinstance(model, Model) else load_model(optional_path("model", model), device)
