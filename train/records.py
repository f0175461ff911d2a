"""Read and write the JSON files of an ``exported`` folder and cached arrays, with one-line errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import InputError
from jundscan.io.files import read_json
from jundscan.io.outputs import atomic_path
from jundscan.model.load import DEFAULT_MODEL

METRICS_FILE, TRAINING_FILE, COMPARISON_FILE, PEAKS_FILE = (
    "metrics.json",
    "training.json",
    "crossval.json",
    "peaks.json",
)

log = logging.getLogger("jundscan")


def write_record(record: Mapping[str, Any], path: Path) -> None:
    """Write JSON to a temporary file and rename it. Make the folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def read_record(path: Path, *keys: str) -> dict[str, Any]:
    """Read JSON that :func:`write_record` wrote.

    Raises
    ------
    InputError
        When the file cannot be read or lacks one of ``keys``.
    """
    try:
        record = read_json(path)
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}; python -m train run writes it") from err
    except ValueError as err:
        raise InputError(f"{path}: not JSON ({err}); python -m train run writes it") from err
    missing = [key for key in keys if not isinstance(record, dict) or key not in record]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; python -m train run writes it")
    return dict(record)


def read_metrics(exported: Path, name: str) -> dict[str, Any]:
    """Read a model's ``metrics.json``."""
    return read_record(exported / name / METRICS_FILE, "n", "positives", "training", "without_accessibility")


def read_training(exported: Path) -> dict[str, Any]:
    """Read ``training.json``: the model's name, the data, the candidates and the selection.

    Older files do not name the model. It is the default model then.
    """
    return {
        "name": DEFAULT_MODEL,
        **read_record(exported / TRAINING_FILE, "factor", "data", "candidates", "selected"),
    }


def read_comparison(exported: Path) -> dict[str, Any] | None:
    """Read ``crossval.json``, which ``python -m train crossval`` writes.

    Returns
    -------
    dict or None
        None when there is no file. Also None, with a warning, when the file is of another network or of other data.
    """
    path = exported / COMPARISON_FILE
    if not path.is_file():
        return None
    record = read_record(path, "selected", "epoch", "data")
    training = read_training(exported)
    selected = training["selected"]
    ours = selected, training["candidates"][selected]["best_epoch"], [one["name"] for one in training["data"]]
    if (record["selected"], record["epoch"], [one["name"] for one in record["data"]]) == ours:
        return record
    log.warning("%s is of another network or data; the card omits it. Update it: python -m train crossval", path)
    return None


def read_peaks(exported: Path) -> dict[str, Any] | None:
    """Read ``peaks.json``, the counts of peaks and hits on held-out blocks. Return None when there is no file."""
    path = exported / PEAKS_FILE
    return read_record(path, "selected", "epoch", "data", "modes") if path.is_file() else None


def read_or_compute(
    path: Path, names: Sequence[str], compute: Callable[[], Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Read arrays from a file. When it does not hold all of them, compute them and write the file."""
    if path.is_file():
        with np.load(path) as file:
            if set(names) <= set(file.files):
                return {name: file[name] for name in names}
    found = dict(compute())
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **found)  # type: ignore[arg-type]
    return found
