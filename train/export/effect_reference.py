"""Score reference variants, whose effects rank those of a user's variants, and keep their quantiles in a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH
from jundscan.effects.alleles import STATUSES
from jundscan.effects.score import score_variants
from jundscan.errors import InputError
from jundscan.io.outputs import atomic_path
from jundscan.io.vcf import Variant
from jundscan.model.effect_percentiles import EffectReference, EffectSizes, ModeEffects
from jundscan.model.load import load_model
from jundscan.model.metadata import MODES
from jundscan.model.model import Model
from jundscan.scanning.plan import open_scan
from train.data.dataset import DataSet, Windows, chroms_and_starts
from train.data.source import DataSource
from train.export.model_folder import write_model
from train.records import METRICS_FILE, read_record, write_record

VARIANTS = 100_000
"""Reference variants of each kind. They take some minutes."""
AT_EXPORT = 1_000
"""Those of a new model, which take seconds. Its percentiles beyond 0.995 are extrapolated."""
ACCESSIBLE = 0.95
"""Percentile of accessibility from which on a training window counts as accessible."""
MOST_ACCESSIBLE = f"among the {100 * (1 - ACCESSIBLE):.0f} % most accessible"
SHARES = np.concatenate((np.arange(0, 99) / 100, np.arange(990, 999) / 1000, np.arange(9990, 10_000) / 10_000))
"""Shares of the quantiles: hundredths, then thousandths, then ten-thousandths, because the tail is what matters."""
FEWEST_BEYOND = 5
"""Minimum reference variants beyond a quantile."""
MIN_WINDOWS = 100
"""Minimum accessible training windows."""


class ReferenceVariants(NamedTuple):
    """Substitutions in training windows, in genome order.

    Attributes
    ----------
    accessible, uniform : list of Variant
        In accessible windows, and in any window.
    """

    accessible: list[Variant]
    uniform: list[Variant]


def draw_variants(windows: Windows, count: int, seed: int) -> ReferenceVariants:
    """Draw substitutions in training windows at random, without repetition.

    Parameters
    ----------
    windows : Windows
        With ids, and accessibility as percentiles.
    count : int
        Variants of each kind; fewer where windows are few.
    seed : int

    Raises
    ------
    InputError
        When the windows have no ids, or too few of them are accessible.
    """
    if windows.ids is None:
        raise InputError("reference variants need windows with ids (shard-K-ids.joblib)")
    rows = np.flatnonzero((windows.accessibility >= ACCESSIBLE) & (windows.accessibility > 0))
    if len(rows) < MIN_WINDOWS:
        raise InputError(f"{len(rows):,} training windows are {MOST_ACCESSIBLE}; reference variants need {MIN_WINDOWS}")
    names, starts = chroms_and_starts(windows)
    rng = np.random.default_rng(seed)
    return ReferenceVariants(
        *(_draw(windows, names, starts, some, count, rng) for some in (rows, np.arange(len(windows.codes))))
    )


def _draw(
    windows: Windows,
    names: NDArray[np.str_],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> list[Variant]:
    """Draw substitutions in some windows."""
    others = len(ALPHABET) - 1
    drawn = rng.choice(
        len(rows) * WINDOW_LENGTH * others, min(count, len(rows) * WINDOW_LENGTH * others), replace=False
    )
    number, step = np.divmod(drawn, others)
    row, offset = np.divmod(number, WINDOW_LENGTH)
    old = windows.codes[rows[row], offset]
    known = old != UNKNOWN
    new = (old + 1 + step.astype(np.uint8)) % len(ALPHABET)
    columns = (names[rows[row]], starts[rows[row]] + offset, old, new)
    ordered = np.lexsort((columns[3], columns[1], columns[0]))
    ordered = ordered[known[ordered]]
    return [
        Variant(chrom, start, ALPHABET[one], (ALPHABET[other],))
        for chrom, start, one, other in zip(*(column[ordered].tolist() for column in columns), strict=True)
    ]


def score_reference(
    model: Model | Path, source: DataSource, variants: ReferenceVariants, threads: int | None = None
) -> Iterator[tuple[str, list[NDArray[np.float64]]]]:
    """Yield each mode of :data:`jundscan.model.metadata.MODES` with the differences of both kinds of variants.

    Only variants whose windows were all scored count.
    """
    assert source.genome is not None
    for mode, track in zip(MODES, (source.accessibility, None), strict=True):
        differences = []
        with open_scan(
            source.genome, track, model=model, stride=1, allow_length_mismatch=True, threads=threads
        ) as scan:
            for kind in variants:
                found = [effects for _, effects in score_variants(scan, ((one, one) for one in kind))]
                scored = np.concatenate([effects.status == STATUSES.index("scored") for effects in found])
                differences.append(np.concatenate([effects.difference for effects in found])[scored])
        yield mode, differences


def summarise_effects(differences: NDArray[np.float64]) -> EffectSizes:
    """Return the quantiles of absolute differences.

    Variants without any effect get one quantile, whose share is theirs exactly, because many may have none.
    """
    sizes = np.abs(differences)
    shares = SHARES[len(sizes) * (1 - SHARES) >= FEWEST_BEYOND]
    quantiles = np.quantile(sizes, shares)
    without = float((sizes == 0).mean())
    if 0 < without < shares[-1]:
        above = shares > without
        shares = np.concatenate(([0.0, without], shares[above]))
        quantiles = np.concatenate(([0.0, 0.0], quantiles[above]))
    return EffectSizes(
        len(sizes), tuple(shares.round(8).tolist()), tuple(float(f"{value:.6g}") for value in quantiles.tolist())
    )


def effect_reference(
    model: Model | Path,
    windows: Windows,
    source: DataSource,
    name: str,
    count: int = VARIANTS,
    seed: int = 0,
    threads: int | None = None,
) -> EffectReference:
    """Score reference variants with a model.

    Parameters
    ----------
    model : Model or pathlib.Path
    windows : Windows
        Training windows, see :func:`draw_variants`.
    source : DataSource
        With a genome and a track.
    name : str
        Of the data set.
    count, seed : int
        See :func:`draw_variants`.
    threads : int, optional

    Raises
    ------
    InputError
        When genome or track is missing, and as :func:`draw_variants` does.
    """
    if source.genome is None or source.accessibility is None:
        raise InputError("reference variants need the genome and the track of the training windows")
    variants = draw_variants(windows, count, seed)
    modes = {
        mode: ModeEffects(*(summarise_effects(one) for one in differences))
        for mode, differences in score_reference(model, source, variants, threads)
    }
    chroms = np.unique(chroms_and_starts(windows)[0]).tolist()
    where = ", ".join(chroms) if len(chroms) <= 3 else f"{len(chroms)} chromosomes"
    described = (
        f"random substitutions in training windows of {name} on {where}: {len(variants.accessible):,} in windows "
        f"{MOST_ACCESSIBLE}, {len(variants.uniform):,} in any"
    )
    return EffectReference(described, seed, **modes)


def add_effect_reference(folder: Path, reference: EffectReference) -> str:
    """Write a reference into the metadata of an exported model, and its new SHA-256 into ``metrics.json``.

    The graph stays the same, byte by byte.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the model.
    reference : EffectReference

    Returns
    -------
    str
        SHA-256 of the file.
    """
    file = folder / "model.onnx"
    metadata = replace(load_model(file, "cpu").metadata, effects=reference)
    with atomic_path(file, force=True) as temporary:
        sha256 = write_model(onnx.load(file), metadata, temporary).sha256
    record_file = folder / METRICS_FILE
    if record_file.is_file():
        record = read_record(record_file, "model")
        for report in (record, *(record[mode] for mode in metadata.tables if mode in record)):
            report["model"]["sha256"] = sha256
        write_record(record, record_file)
    return sha256


def rank_effects(folder: Path, data_set: DataSet, on_progress: Callable[[str], None]) -> None:
    """Score a few reference variants with a new model, and keep their effects in it, if genome and track are known.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the model.
    data_set : DataSet
        Its training windows hold the variants.
    on_progress : callable
        Called with a line where there is no reference.
    """
    if data_set.source.genome is None or data_set.source.accessibility is None:
        return
    try:
        reference = effect_reference(folder, data_set.train, data_set.source, data_set.name, AT_EXPORT)
    except InputError as err:
        on_progress(f"{folder}: effects of variants get no percentiles: {err}")
        return
    add_effect_reference(folder, reference)
