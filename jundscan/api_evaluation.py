"""What ``import jundscan`` offers of evaluations: labelled windows from folders or arrays, and how well they score."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack, overload

from numpy.typing import NDArray

from jundscan.accessibility.arrays import Values
from jundscan.accessibility.scale import AccessibilityScale
from jundscan.api import given_genome, given_track, loaded_model, scale_of
from jundscan.errors import InputError
from jundscan.evaluation.labelled_windows import Evaluation, evaluate_shards
from jundscan.evaluation.neighbourhood import open_source
from jundscan.io.arguments import file_path, flag, is_path, optional_path, type_name
from jundscan.io.fasta.arrays import Sequences
from jundscan.io.shards import Shards, read_shards, shards_from_arrays
from jundscan.model.model import Model
from jundscan.options import BedValue, Device, MissingChromosomes, check_fraction

Data: TypeAlias = "str | Path | Shards | NDArray[Any]"


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
    InputError
        When anything handed in cannot be used, also when ``y``, ``w``, ``a`` or ``ids`` come with a folder, or a track
        without a genome. It is a :class:`JundscanError` and a :class:`ValueError`.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> result = evaluate(rng.integers(0, 4, (200, 101)), y=rng.integers(0, 2, 200), device="cpu")
    >>> result.report["n"], result.probabilities.shape
    (200, (200,))
    """
    several = isinstance(data, list | tuple)
    sources: Sequence[Any] = data if several else [data]  # type: ignore[assignment]
    if not sources:
        raise InputError("data: no folder of shards is named")
    withheld = flag("withhold_accessibility", withhold_accessibility)
    if genome is None and (accessibility is not None or alias is not None):
        raise InputError("accessibility and alias need the genome that the windows come from")
    if accessibility is not None and withheld:
        raise InputError("withhold_accessibility contradicts accessibility")
    if threshold is not None:
        check_fraction("threshold", threshold)
        threshold = float(threshold)
    opened = (
        None if genome is None else (given_genome(genome), given_track(accessibility), optional_path("alias", alias))
    )
    mismatch = flag("allow_length_mismatch", allow_length_mismatch)
    sets = [_shards(one, y, w, a, ids) for one in sources]
    loaded, mapping = loaded_model(model, device), scale_of(scale)
    with ExitStack() as stack:
        source = None
        if opened is not None:
            fasta, track, names = opened
            source = stack.enter_context(
                open_source(
                    fasta,
                    track,
                    allow_length_mismatch=mismatch,
                    alias=names,
                    bed_value=bed_value,
                    missing_chromosomes=missing_chromosomes,
                )
            )
        results = [
            evaluate_shards(
                shards,
                loaded,
                threshold=threshold,
                withhold_accessibility=withheld,
                scale=mapping,
                threads=threads,
                source=source,
            )
            for shards in sets
        ]
    return results if several else results[0]


def _shards(data: object, y: object, w: object, a: object, ids: object) -> Shards:
    if not isinstance(data, Shards) and not is_path(data) and hasattr(data, "__array__"):
        return shards_from_arrays(data, y, w, a, ids)
    if any(column is not None for column in (y, w, a, ids)):
        raise InputError("y, w, a and ids come with windows as an array; a folder of shards holds its own")
    if isinstance(data, Shards):
        return data
    if not is_path(data):
        raise InputError(
            f"data: must be a folder of shards, several of them, Shards or an array of windows, not {type_name(data)}"
        )
    return read_shards(file_path("data", data))
