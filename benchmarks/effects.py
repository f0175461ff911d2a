"""Measure whether percentiles of effects are uniform on fresh reference variants: ``python -m benchmarks.effects``.

Substitutions are drawn again with another seed, scored, and ranked by the reference in the model. In a sound reference
their percentiles are uniform from 0 to 1, also in the tail. Variants without any effect all have percentile 0. For the
test they are spread at random below the share of such variants in the reference.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from benchmarks import machine
from benchmarks.__main__ import FOLDER, data_folder
from benchmarks.timing import log_progress
from jundscan.model.effect_percentiles import EffectSizes, ModeEffects
from jundscan.model.load import load_model
from jundscan.model.model import Model
from train.data.dataset import TRAIN, Windows, load_windows
from train.data.source import DataSource, read_source
from train.export.effect_reference import draw_variants, score_reference
from train.records import write_record

RESULTS = FOLDER / "effects.json"
MODELS = ("jund-2", "jund-2-cnn", "jund-2-mlp", "jund-2-lstm")
KINDS = tuple(ModeEffects.__annotations__)
VARIANTS, QUICK_VARIANTS = 10_000, 500
SEED = 1
"""Another seed than that of the references."""
TAIL = (0.9, 0.99, 0.999)
CELL_TYPE = "HepG2"


def describe_null(sizes: EffectSizes, differences: NDArray[np.float64], seed: int = SEED) -> dict[str, Any]:
    """Compare the percentiles of fresh reference variants with a uniform distribution.

    Returns
    -------
    dict
        ``variants``; ``without_effect``, the share without any; ``ks`` and ``p`` of the Kolmogorov-Smirnov test;
        ``beyond``, [share beyond, share expected] at each of :data:`TAIL`; ``distinct``, distinct percentiles among the
        100 highest; ``highest``.
    """
    percentiles = sizes.percentiles(differences)
    none = differences == 0
    spread = percentiles.copy()
    least = max(share for share, size in zip(sizes.shares, sizes.quantiles, strict=True) if size == sizes.quantiles[0])
    spread[none] = np.random.default_rng(seed).random(int(none.sum())) * least
    test = kstest(spread, "uniform")
    return {
        "variants": len(differences),
        "without_effect": float(none.mean()),
        "ks": float(test.statistic),
        "p": float(test.pvalue),
        "beyond": {str(share): [float((percentiles > share).mean()), round(1 - share, 6)] for share in TAIL},
        "distinct": len(np.unique(np.sort(percentiles)[-100:])),
        "highest": float(percentiles.max()),
    }


def measure(model: Model, windows: Windows, source: DataSource, count: int, seed: int = SEED) -> dict[str, Any]:
    """Return what :func:`describe_null` says of each mode and kind of reference variants."""
    reference = model.metadata.effects
    assert reference is not None
    found: dict[str, Any] = {}
    for mode, differences in score_reference(model, source, draw_variants(windows, count, seed)):
        sizes = getattr(reference, mode)
        found[mode] = {
            kind: describe_null(getattr(sizes, kind), one) for kind, one in zip(KINDS, differences, strict=True)
        }
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few variants; print instead of writing")
    parser.add_argument("--models", nargs="+", default=MODELS, help="models of exported/")
    parser.add_argument("--out", type=Path, help="JSON file instead of benchmarks/effects.json")
    options = parser.parse_args(arguments)
    data = data_folder()
    if data is None:
        parser.error("set JUNDSCAN_DATA to the folder of the real data")
    source = read_source(data / CELL_TYPE)
    windows = load_windows(data / CELL_TYPE / TRAIN, source=source)
    results = []
    for name in options.models:
        model = load_model(FOLDER.parent / "exported" / name, "cpu")
        null = measure(model, windows, source, QUICK_VARIANTS if options.quick else VARIANTS)
        log_progress(f"{name}: {null}")
        results.append({"model": model.identity(), "reference": model.metadata.effects.source, "null": null})  # type: ignore[union-attr]
    if not options.quick:
        record = {"machine": machine.describe(), "data": CELL_TYPE, "seed": SEED, "models": results}
        write_record(record, options.out or RESULTS)


if __name__ == "__main__":
    main()
