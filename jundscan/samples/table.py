"""The table of samples: a name and a track for each, and the group that it belongs to."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jundscan.accessibility.read_tracks import reads_format
from jundscan.accessibility.tracks import Track
from jundscan.errors import InputError, TrackError
from jundscan.io.barcodes import read_barcodes
from jundscan.io.files import text_lines

log = logging.getLogger("jundscan")

COLUMNS = ("sample", "accessibility", "group", "barcodes")
NEEDED = COLUMNS[:2]
RESERVED_NAMES = frozenset({"chrom", "start", "end", "summit", "samples", "sites"})
"""Names that no sample may have: columns of the table of sites, and the name of its file."""
_NAME = re.compile(r"[^\W_](?:[\w+. -]{0,98}[\w+])?")
"""Names of samples become names of files on every system, and of columns."""


@dataclass(frozen=True)
class Sample:
    """One row of the table.

    Attributes
    ----------
    name : str
        Letters, digits and ``_ . - +`` or blanks inside, at most 100, because files are named by it.
    accessibility : pathlib.Path or Track
        The track's file, or an opened track.
    group : str or None
        What the sample belongs to: a condition, a cell type.
    barcodes : pathlib.Path or None
        The file that the cells come from.
    line : int or None
        Line of the table, 1-based.
    cells : frozenset of str or None
        Barcodes of the cells that count, of a fragments file. None: all fragments count.
    """

    name: str
    accessibility: Path | Track
    group: str | None = None
    barcodes: Path | None = None
    line: int | None = None
    cells: frozenset[str] | None = field(default=None, repr=False)


def sample_files(samples: Sequence[Sample]) -> list[Path | None]:
    """Return the input files of samples."""
    tracks = [sample.accessibility for sample in samples if isinstance(sample.accessibility, Path)]
    return [*tracks, *(sample.barcodes for sample in samples)]


def read_samples(path: str | Path) -> list[Sample]:
    """Read a table of samples, separated by tabs, whose first line names its columns.

    Columns are ``sample``, ``accessibility``, and if wanted ``group`` and ``barcodes``, in any order. Others are left
    out, which is logged. Blank lines and lines that start with ``#`` are skipped. Paths are relative to the table.

    A file of barcodes with one column restricts a fragments file to these cells. With a second column, of groups, the
    row becomes one sample for each group, whose name is ``SAMPLE.GROUP``.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, compressed or not.

    Returns
    -------
    list of Sample
        In the order of the file, at least one.

    Raises
    ------
    TrackError
        When the file cannot be read, a column or a cell is missing, a name cannot be used or stands twice, or a file
        is missing.
    """
    path = Path(path)
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise TrackError(path, f"holds no sample. Its first line names the columns: {', '.join(NEEDED)}")
    number, header = first
    twice = [name for name in COLUMNS if header.count(name) > 1]
    missing = [name for name in NEEDED if name not in header]
    if twice or missing:
        problem = f"the column {twice[0]} stands twice" if twice else f"no column {' and no column '.join(missing)}"
        names = ", ".join(header)
        raise TrackError(path, f"{problem}; the first line names the columns, separated by tabs: {names}", number)
    others = [name for name in header if name not in COLUMNS]
    if others:
        log.info("%s: columns that are not read: %s", path, ", ".join(others))
    samples = []
    for number, cells in rows:
        if len(cells) != len(header):
            raise TrackError(path, f"has {len(cells)} columns, the first line names {len(header)}", number)
        samples += _expand(path, _sample(path, number, dict(zip(header, cells, strict=True))))
    if not samples:
        raise TrackError(path, "holds no sample below the line that names the columns")
    check_names(samples, path)
    return samples


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line that is neither blank nor a comment, with its number."""
    for number, line in text_lines(path):
        try:
            text = line.decode().rstrip("\r")
        except UnicodeDecodeError as err:
            raise TrackError(path, "is not UTF-8 text; save it as UTF-8, separated by tabs", number) from err
        if text.strip() and not text.startswith("#"):
            if not text.replace("\t", "").isprintable():
                raise TrackError(path, "holds control characters: not a table of text", number)
            yield number, [cell.strip() for cell in text.split("\t")]


def _sample(path: Path, number: int, cells: dict[str, str]) -> Sample:
    for column in NEEDED:
        if not cells[column]:
            raise TrackError(path, f"no {column}: the cell is empty", number)
    name, accessibility = cells["sample"], path.parent / cells["accessibility"]
    barcodes = path.parent / cells["barcodes"] if cells.get("barcodes") else None
    for file in (accessibility, barcodes):
        if file is not None and not file.exists():
            raise TrackError(path, f"sample {name}: {file}: no such file (paths are relative to the table)", number)
    return Sample(name, accessibility, cells.get("group") or None, barcodes, number)


def _expand(table: Path, sample: Sample) -> list[Sample]:
    """Return the sample, or one for each group of its barcodes."""
    if sample.barcodes is None:
        return [sample]
    where = f"sample {sample.name}: "
    if isinstance(sample.accessibility, Path) and reads_format(sample.accessibility) != "fragments":
        problem = f"{where}barcodes are for a fragments file, which {sample.accessibility} is not"
        raise TrackError(table, problem, sample.line)
    groups = read_barcodes(sample.barcodes)
    if not groups.has_groups:
        return [replace(sample, cells=groups[""])]
    if sample.group is not None:
        problem = f"{where}has the group {sample.group}, but {sample.barcodes} gives each cell a group; leave one out"
        raise TrackError(table, problem, sample.line)
    return [replace(sample, name=f"{sample.name}.{group}", group=group, cells=cells) for group, cells in groups.items()]


def check_names(samples: Iterable[Sample], table: Path | None = None) -> None:
    """Raise InputError when a name of a sample cannot be used, or stands twice.

    Parameters
    ----------
    samples : iterable of Sample
    table : pathlib.Path, optional
        Where they come from, for the message.
    """
    before: dict[str, Sample] = {}
    for sample in samples:
        name = sample.name
        if name.casefold() in RESERVED_NAMES:
            raise _error(table, sample, "is a column or the name of the table of sites; choose another name")
        if not _NAME.fullmatch(name):
            allowed = "letters, digits and _ . - + or blanks inside, at most 100, because files are named by it"
            raise _error(table, sample, f"cannot be used as a name: it must have {allowed}")
        other = before.setdefault(name.casefold(), sample)
        if other is not sample:
            where = "" if other.line is None else f", first on line {other.line}"
            again = "" if other.name == name else f" (as {other.name}: some systems do not tell their files apart)"
            raise _error(table, sample, f"stands twice{again}{where}; each sample needs a name of its own")


def _error(table: Path | None, sample: Sample, problem: str) -> InputError:
    text = f"sample {sample.name!r} {problem}"
    return InputError(text) if table is None else TrackError(table, text, sample.line)


def describe(samples: Sequence[Sample]) -> str:
    """Return the names of at most five samples, for messages.

    Examples
    --------
    >>> describe([Sample(name, Path("x.bw")) for name in "abcdefg"])
    'a, b, c, d, e, …'
    """
    names = [sample.name for sample in samples]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
