"""Read and write ``dataset.json``, which names a data set's genome, track, cell type and assembly."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jundscan.errors import InputError
from jundscan.evaluation.neighbourhood import WindowSource, open_source
from jundscan.io.files import read_json
from jundscan.io.outputs import atomic_path

DATA_SET = "dataset.json"
KEYS = ("genome", "accessibility", "cell_type", "assembly")


@dataclass(frozen=True)
class DataSource:
    """Where windows come from. None means unknown.

    Attributes
    ----------
    genome, accessibility : pathlib.Path or None
        The FASTA and a track over it.
    cell_type, assembly : str or None
    """

    genome: Path | None = None
    accessibility: Path | None = None
    cell_type: str | None = None
    assembly: str | None = None

    def open(self) -> AbstractContextManager[WindowSource | None]:
        """Open genome and track, where neighbourhoods are looked up. Without a genome the context is None."""
        if self.genome is None:
            return nullcontext()
        return open_source(self.genome, self.accessibility, allow_length_mismatch=True)


NO_SOURCE = DataSource()


def read_source(folder: Path) -> DataSource:
    """Read ``dataset.json`` of a data set. Without the file every field is None.

    Raises
    ------
    InputError
        When the file cannot be read, has another key, or has a value that is neither text nor null.
    """
    path = folder / DATA_SET
    if not path.is_file():
        return NO_SOURCE
    try:
        record = read_json(path)
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from err
    except ValueError as err:
        raise InputError(f"{path}: not JSON ({err})") from err
    texts: dict[str, Any] = dict(record) if isinstance(record, dict) else {}
    wrong = sorted(set(texts) - set(KEYS)) or [key for key in texts if not isinstance(texts[key], str | None)]
    if wrong or not texts:
        raise InputError(f"{path}: needs an object with {', '.join(KEYS)}, each a text or null{_named(wrong)}")
    files = {key: folder / texts[key] if texts.get(key) else None for key in KEYS[:2]}
    return DataSource(**files, cell_type=texts.get("cell_type"), assembly=texts.get("assembly"))


def source_from_options(
    folder: Path, genome: Sequence[Path] | None, track: Sequence[Path] | None, number: int = 0
) -> DataSource:
    """Read ``dataset.json`` of data set ``number``. Files that options name replace those of the file."""
    source = read_source(folder)
    if genome:
        source = replace(source, genome=genome[number])
    return replace(source, accessibility=track[number]) if track else source


def _named(wrong: list[str]) -> str:
    return f"; it has {wrong[0]!r}" if wrong else ""


def write_source(folder: Path, source: DataSource) -> None:
    """Write ``dataset.json``, with paths relative to the folder."""
    record = {
        "genome": _relative(source.genome, folder),
        "accessibility": _relative(source.accessibility, folder),
        "cell_type": source.cell_type,
        "assembly": source.assembly,
    }
    with atomic_path(folder / DATA_SET, force=True) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def _relative(path: Path | None, folder: Path) -> str | None:
    return None if path is None else os.path.relpath(path.resolve(), folder.resolve())
