"""What ``import jundscan`` offers besides models: scan a genome, evaluate predictions; from files or from arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility import AccessibilityScale, given_scale
from jundscan.choices import BedValue, Device, MissingChromosomes, Wish
from jundscan.evaluation import Evaluation, evaluate_shards
from jundscan.genome import Genome
from jundscan.memory import MemoryGenome, MemoryTrack, Sequences, Values
from jundscan.model import Model, load_model
from jundscan.neighbourhood import open_source
from jundscan.plan import Scan, prepare
from jundscan.scan import Hit, Scored, call_hits, score, worth
from jundscan.scan_checks import judge
from jundscan.shards import Shards, read_shards, shards_from_arrays
from jundscan.tracks import Track

Data: TypeAlias = "str | Path | Shards | NDArray[Any]"

_WISHES: tuple[Wish, ...] = ("threshold", "fpr", "precision", "recall")


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
    genome : str, pathlib.Path, mapping or numpy.ndarray
        A FASTA file, or sequences by name: letters (str, bytes) or codes (numpy.ndarray, shape=(length,), integer,
        A 0, C 1, G 2, T 3, anything else 4). An array alone is one sequence, named ``sequence``.
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
        :func:`jundscan.thresholds.choose_threshold`; without one it is the model's own rule.
        ``regions`` (one or several ``chrom:start-end``, 0-based half-open), ``regions_file``, ``exclude`` (BED files):
        where.
        ``scale``: how window means become percentiles: a file (see ``--accessibility-scale``), ``"identity"`` for
        values that are percentiles already, an AccessibilityScale; found from the whole track if not given.
        ``allow_length_mismatch``: accept a track of other chromosome lengths. ``alias``: a file of other names of
        chromosomes. ``bed_value``: whether an interval of a BED counts as its score or, ``"presence"``, as 1.
        ``missing_chromosomes``: what holds on chromosomes that the track does not name: ``"closed"``, ``"unknown"`` or
        ``"error"``; closed where names fit if not given, see :func:`jundscan.genome_tracks.match_chromosomes`.

    Returns
    -------
    iterator of Hit or of Scored
        A hit is (chrom, start, end, probability, summit, expected_precision, accessibility), see
        :class:`jundscan.Hit`. A chunk of windows is :class:`jundscan.Scored`: its arrays ``starts`` and
        ``probabilities`` leave out windows with unknown letters.

    Raises
    ------
    JundscanError
        When anything handed in cannot be used.
    ValueError
        When more than one rule for the threshold is given.

    Examples
    --------
    >>> sequences = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> [hit.chrom for hit in scan(sequences, threshold=0.0, device="cpu")]
    ['chr1']
    >>> sum(len(chunk.starts) for chunk in scan(sequences, windows=True, stride=50, device="cpu"))
    9
    """
    ready = prepared(genome, accessibility, options)
    return _windows(ready) if windows else _hits(ready)


def prepared(genome: str | Path | Sequences, accessibility: str | Path | Values | None, options: ModelOptions) -> Scan:
    """Open and check what :func:`scan` and its relatives take."""
    settings: dict[str, Any] = dict(options)
    wishes = {wish: value for wish in _WISHES if (value := settings.pop(wish, None)) is not None}
    if len(wishes) > 1:
        raise ValueError(f"{' and '.join(wishes)} exclude each other")
    if wishes:
        (settings["wish"], settings["value"]) = next(iter(wishes.items()))
    settings["scale"] = given_scale(settings.get("scale"))
    settings["model"] = _loaded(settings.get("model"), settings.pop("device", "auto"))
    return prepare(_genome(genome), _track(accessibility), **settings)


def _genome(given: str | Path | Sequences) -> Genome | str | Path:
    return given if isinstance(given, str | Path) else MemoryGenome(given)


def _track(given: str | Path | Values | None) -> Track | str | Path | None:
    return given if isinstance(given, str | Path | None) else MemoryTrack(given)


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


def _loaded(model: Model | str | Path | None, device: Device) -> Model:
    return model if isinstance(model, Model) else load_model(model, device)


class EvaluateOptions(TypedDict, total=False):
    """Options of :func:`evaluate` for one and for several data sets; each is described there."""

    genome: str | Path | Sequences | None
    accessibility: str | Path | Values | None
    model: Model | str | Path | None
    device: Device
    threshold: float | None
    withhold_accessibility: bool
    scale: AccessibilityScale | str | Path | None
    allow_length_mismatch: bool
    alias: str | Path | None
    bed_value: BedValue
    missing_chromosomes: MissingChromosomes | None
    threads: int | None


@overload
def evaluate(  # type: ignore[overload-overlap]  # a str is a sequence of str too, and means a folder
    data: Data,
    y: NDArray[Any] | None = None,
    w: NDArray[Any] | None = None,
    a: NDArray[Any] | None = None,
    *,
    ids: NDArray[Any] | Sequence[str] | None = None,
    **options: Unpack[EvaluateOptions],
) -> Evaluation: ...


@overload
def evaluate(data: Sequence[str | Path | Shards], **options: Unpack[EvaluateOptions]) -> list[Evaluation]: ...


def evaluate(
    data: Data | Sequence[str | Path | Shards],
    y: NDArray[Any] | None = None,
    w: NDArray[Any] | None = None,
    a: NDArray[Any] | None = None,
    *,
    ids: NDArray[Any] | Sequence[str] | None = None,
    genome: str | Path | Sequences | None = None,
    accessibility: str | Path | Values | None = None,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threshold: float | None = None,
    withhold_accessibility: bool = False,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    threads: int | None = None,
) -> Evaluation | list[Evaluation]:
    """Score labelled windows and say how well: a folder of shards, several of them, or arrays.

    Parameters
    ----------
    data : str, pathlib.Path, Shards, numpy.ndarray, or a sequence of the first three
        A folder of shards; or windows, one-hot (n, 101, 4) in the order A C G T, or codes (n, 101).
    y : numpy.ndarray, shape=(n,) or (n, 1), optional
        Labels, 0 or 1, with windows as arrays; without them there are probabilities only.
    w : numpy.ndarray, shape=(n,) or (n, 1), optional
        Sample weights; without them both classes weigh alike.
    a : numpy.ndarray, shape=(n,) or (n, 1), optional
        Accessibility, the mean of the track over each window, in any unit; NaN is "not available".
    ids : numpy.ndarray or sequence of str, shape=(n,), optional
        Where the windows of an array lie, ``chrom:start-end``, 0-based half-open; empty where that is not known.
    genome : str, pathlib.Path, mapping or numpy.ndarray, optional
        As for :func:`scan`: what lies beside each window is looked up by its id. Without it a model that sees more
        than a window sees the window alone.
    accessibility : str, pathlib.Path, mapping or numpy.ndarray, optional
        A track over this genome, as for :func:`scan`, instead of ``a`` where the place of a window is known.
    model : Model, str or pathlib.Path, optional
        A loaded model, a file or its folder; the installed one if not given.
    device : {"auto", "cpu", "cuda"}
        For a model that is not loaded yet.
    threshold : float, optional
        Windows at or above it are called bound; the model's balanced decision (0.5) if not given.
    withhold_accessibility : bool
        Score on sequence alone.
    scale : AccessibilityScale, str or pathlib.Path, optional
        How accessibility becomes percentiles, as for :func:`scan`; found from the whole track or, without one, from
        these windows if not given.
    allow_length_mismatch, alias, bed_value, missing_chromosomes
        As for :func:`scan`.
    threads : int, optional
        Worker threads; one for each core that the process may use if not given.

    Returns
    -------
    Evaluation or list of Evaluation
        ``probabilities`` of every window and ``report``, the keys of ``jundscan evaluate --json``; a list for
        several folders.

    Raises
    ------
    JundscanError
        When anything handed in cannot be used.
    TypeError
        When ``y``, ``w``, ``a`` or ``ids`` come with a folder, or a track without a genome.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> result = evaluate(rng.integers(0, 4, (200, 101)), y=rng.integers(0, 2, 200), device="cpu")
    >>> result.report["n"], result.probabilities.shape
    (200, (200,))
    """
    several = isinstance(data, Sequence) and not isinstance(data, str)
    sources: Sequence[Any] = data if several else [data]  # type: ignore[assignment]
    sets = [_shards(one, y, w, a, ids) for one in sources]
    if genome is None and (accessibility is not None or alias is not None):
        raise TypeError("accessibility and alias need the genome that the windows come from")
    if accessibility is not None and withhold_accessibility:
        raise TypeError("withhold_accessibility contradicts accessibility")
    loaded, mapping = _loaded(model, device), given_scale(scale)
    with ExitStack() as stack:
        source = None
        if genome is not None:
            opened = open_source(
                _genome(genome),
                _track(accessibility),
                allow_length_mismatch=allow_length_mismatch,
                alias=alias,
                bed_value=bed_value,
                missing_chromosomes=missing_chromosomes,
            )
            source = stack.enter_context(opened)
        results = [
            evaluate_shards(
                shards,
                loaded,
                threshold=threshold,
                withhold_accessibility=withhold_accessibility,
                scale=mapping,
                threads=threads,
                source=source,
            )
            for shards in sets
        ]
    return results if several else results[0]


def _shards(
    data: Data,
    y: NDArray[Any] | None,
    w: NDArray[Any] | None,
    a: NDArray[Any] | None,
    ids: NDArray[Any] | Sequence[str] | None,
) -> Shards:
    if isinstance(data, np.ndarray):
        return shards_from_arrays(data, y, w, a, ids)
    if any(column is not None for column in (y, w, a, ids)):
        raise TypeError("y, w, a and ids come with windows as an array; a folder of shards holds its own")
    return data if isinstance(data, Shards) else read_shards(data)
