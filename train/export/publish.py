"""Export the best fits under their names into an ``exported`` folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jundscan.accessibility.scale import distribution
from jundscan.errors import InputError
from jundscan.model.load import DEFAULT_MODEL
from jundscan.model.metadata import DEFAULT_FACTOR, WORD
from train.data.dataset import VALID, DataSet, windows_sha256
from train.export.calibration import HeldOutWindows
from train.export.effect_reference import rank_effects
from train.export.model_folder import ParitySizes, Provenance, export
from train.export.peak_promises import peak_record
from train.fitting.fit import FittedNetwork
from train.fitting.select import best_of, best_of_families, partner_for_bare_windows, training_record
from train.records import PEAKS_FILE, TRAINING_FILE, write_record

DEFAULT_VERSION = "2.1.0"
"""Version of the default model."""
NEW_VERSION = "1.0.0"
"""Version of any other model, if the user names none."""


class Origin(NamedTuple):
    """Facts about the exported models that the user gives."""

    factor: str
    name: str
    assembly: str
    version: str


def check_word(option: str, word: str) -> None:
    """Raise InputError when a word cannot be a part of the names in files."""
    if not re.fullmatch(WORD, word):
        raise InputError(
            f"{option} {word!r}: must be 1 to 50 letters (A-Z, a-z), digits, '.', '_' or '-', and begin with a letter "
            "or a digit"
        )


def origin_from_options(factor: str, name: str | None, assembly: str, version: str | None) -> Origin:
    """Check a factor and a model's name, and return them with the defaults of what is None.

    The default model is named :data:`jundscan.model.load.DEFAULT_MODEL`. A model of another factor is named after it.

    Raises
    ------
    InputError
        When the factor or the name cannot be a part of the names in files.
    """
    name = name or (DEFAULT_MODEL if factor == DEFAULT_FACTOR else factor.lower())
    check_word("--factor", factor)
    check_word("--name", name)
    return Origin(factor, name, assembly, version or (DEFAULT_VERSION if name == DEFAULT_MODEL else NEW_VERSION))


def export_all(
    fits: Sequence[FittedNetwork],
    sets: Sequence[DataSet],
    out: Path,
    origin: Origin,
    held_out: HeldOutWindows | None,
    on_progress: Callable[[str], None],
    parity: ParitySizes | None = None,
) -> None:
    """Export the best fit of each family and the best of all, and write ``training.json``.

    Parameters
    ----------
    fits : sequence of Fitted
    sets : sequence of DataSet
        The data they were fitted on. The first data set selected.
    out : pathlib.Path
        Folder for the model folders, for ``training.json``, and for ``peaks.json`` if held-out blocks were scanned.
    origin : Origin
    held_out : HeldOut or None
        Calibrates the thresholds of the best model. Validation windows calibrate the others, and all without it.
    on_progress : callable
        Called with a line for every model.
    parity : ParitySizes, optional
        See :func:`train.export.model_folder.export`.
    """
    provenance = Provenance(
        factor=origin.factor,
        version=origin.version,
        cell_types=tuple(one.name for one in sets),
        assembly=origin.assembly,
        training_data_sha256=windows_sha256(*(one.train for one in sets)),
        validation_folder=sets[0].path / VALID,
        source=sets[0].source,
        training_accessibility={one.name: shares for one in sets if (shares := distribution(one.train.accessibility))},
    )
    named = {f"{origin.name}-{family}": fitted for family, fitted in best_of_families(fits).items()}
    named[origin.name] = best_of(fits)
    for name, fitted in named.items():
        calibrated_by = held_out if fitted is best_of(fits) else None
        metrics = export(fitted, out / name, provenance, calibrated_by, partner_for_bare_windows(fitted, fits), parity)
        on_progress(
            f"{out / name}: {fitted.candidate.network.family}, validation weighted accuracy "
            f"{metrics['weighted_accuracy']:.4f}, AUROC {metrics['auroc']:.4f}, "
            f"average precision {metrics['average_precision']:.4f}"
        )
    rank_effects(out / origin.name, sets[0], on_progress)
    write_record({"name": origin.name, **training_record(fits, sets, origin.factor)}, out / TRAINING_FILE)
    if held_out is None or not held_out.peaks:
        (out / PEAKS_FILE).unlink(missing_ok=True)  # an earlier export may have left one
    else:
        write_record(peak_record(held_out, best_of(fits), sets[0].name), out / PEAKS_FILE)
