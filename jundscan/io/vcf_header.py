"""The header of a VCF as text: whether it is there, and what to do about a file that lacks it."""

from __future__ import annotations

import shlex
from pathlib import Path

from jundscan.errors import TrackError
from jundscan.io.files import packing

FIRST_LINE = "##fileformat=VCFv4.2"
COLUMNS_LINE = r"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
"""The last line of a header; ``\\t`` stands for a tab."""
_FEWEST_COLUMNS = 8


class VcfHeader:
    """Look at the lines of a header as they come.

    Parameters
    ----------
    path : pathlib.Path
        Where they come from, for messages.

    Attributes
    ----------
    lines : int
        Lines of it seen until now.
    is_whole : bool
        Whether its last line, ``#CHROM``, has come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unended = b""
        self.lines = 0
        self.is_whole = False

    def take(self, chunk: bytes) -> None:
        """Look at more of the file, until the header is whole.

        Raises
        ------
        TrackError
            When a line of the header is missing; the message shows it.
        """
        *lines, self._unended = (self._unended + chunk).split(b"\n")
        for line in lines:
            if self._look_at(line.removesuffix(b"\r").decode(errors="replace")):
                return

    def end(self) -> None:
        """Look at what the file ended with.

        Raises
        ------
        TrackError
            As :meth:`take` does.
        """
        if not self.is_whole and not self._look_at(self._unended.decode(errors="replace")):
            raise self._without(False, True, "")

    def _look_at(self, line: str) -> bool:
        """Count a line; tell whether it was the last of the header."""
        self.lines += 1
        is_columns = line.startswith("#CHROM")
        if self.lines == 1 and not line.startswith("##fileformat=VCF"):
            raise self._without(True, not is_columns and not line.startswith("##"), line)
        if line and not line.startswith("#"):
            raise self._without(False, True, line)
        if is_columns and not line.startswith("#CHROM\t"):
            raise TrackError(
                self._path, f"cannot be read as VCF: its columns must be separated by tabs: {COLUMNS_LINE}", self.lines
            )
        self.is_whole = is_columns
        return is_columns

    def _without(self, first: bool, columns: bool, line: str) -> TrackError:
        """Describe which of the two lines are missing, before what line."""
        missing = [text for text, lacks in ((FIRST_LINE, first), (COLUMNS_LINE, columns)) if lacks]
        problem = f"cannot be read as VCF: its header lacks {' and '.join(missing)} (\\t is a tab)"
        cells = line.split("\t")
        if line and not line.startswith("#") and len(cells) < _FEWEST_COLUMNS:
            problem += (
                f"; a record has at least {_FEWEST_COLUMNS} columns separated by tabs, this line has {len(cells)}"
            )
        elif first and line and columns != line.startswith("#") and self._is_plain():
            made = "".join(rf"{text}\n" for text in missing)
            problem += f". Add with: printf '{made}' | cat - {shlex.quote(str(self._path))} > with_header.vcf"
        return TrackError(self._path, problem, self.lines)

    def _is_plain(self) -> bool:
        return self._path.is_file() and packing(self._path) is None
