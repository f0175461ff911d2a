"""Tables of cell barcodes, with or without the group of each cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from jundscan.errors import TrackError
from jundscan.io.files import text_lines

_HEADER = re.compile(r"(.*barcodes?|cells?|cell_?ids?|cb|index|obs_names)?", re.IGNORECASE)
"""First cell of a header line."""


class BarcodeGroups(dict[str, frozenset[str]]):
    """Barcodes of each group, in the order of the file. Barcodes without a group stand under the empty name.

    Attributes
    ----------
    path : pathlib.Path
        The file, for messages.
    """

    def __init__(self, path: Path, groups: Mapping[str, frozenset[str]]) -> None:
        super().__init__(groups)
        self.path = path

    @property
    def has_groups(self) -> bool:
        """Whether the file has a column of groups."""
        return "" not in self


def read_barcodes(path: str | Path) -> BarcodeGroups:
    """Read a table of barcodes: one column, or barcode and group, separated by tabs, commas or blanks.

    The first line is a header when its first cell says ``barcode``, ``cell``, ``cell_id``, ``CB`` or ``index``.
    Lines that start with ``#`` and blank lines are skipped.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, compressed or not.

    Returns
    -------
    BarcodeGroups

    Raises
    ------
    TrackError
        When the file cannot be read or holds no barcode, a line has another number of columns than the first, a cell is
        empty, or a barcode stands in two groups.
    """
    path = Path(path)
    lines: dict[str, tuple[int, str]] = {}
    groups: dict[str, set[str]] = {}
    columns = 0
    for number, line in text_lines(path):
        if line.startswith(b"#") or not line.strip():
            continue
        cells = _cells(path, number, line)
        is_first, columns = not columns, columns or len(cells)
        if len(cells) > 2 or len(cells) != columns:
            expected = "one column (barcode) or two (barcode, group)" if len(cells) > 2 else f"{columns} as above"
            raise TrackError(path, f"has {len(cells)} columns, needs {expected}", number)
        if is_first and _HEADER.fullmatch(cells[0]):
            continue
        if not all(cells):
            raise TrackError(path, "a cell is empty: write barcode and group, or leave the line out", number)
        barcode, group = cells[0], cells[1] if columns == 2 else ""
        before, other = lines.setdefault(barcode, (number, group))
        if other != group:
            problem = f"the barcode {barcode} is in group {group}, and in group {other} on line {before}"
            raise TrackError(path, f"{problem}; keep one of the two lines", number)
        groups.setdefault(group, set()).add(barcode)
    if not groups:
        raise TrackError(path, "holds no barcode")
    return BarcodeGroups(path, {group: frozenset(barcodes) for group, barcodes in groups.items()})


def _cells(path: Path, number: int, line: bytes) -> list[str]:
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as err:
        raise TrackError(path, "is not UTF-8 text; save it as UTF-8", number) from err
    separator = next((mark for mark in "\t," if mark in text), None)
    return [cell.strip().strip('"') for cell in text.split(separator)]
