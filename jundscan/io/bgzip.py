"""bgzip and tabix, through pysam: compressed text of which a genome browser fetches any region."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from jundscan.errors import OutputError

Preset = Literal["bed", "vcf", "table"]
"""Columns that tabix indexes: those of BED (and bedGraph, narrowPeak, tables of windows) or of VCF. ``table`` has the
columns of BED behind one line of names."""
INDEX_ENDINGS = (".tbi", ".csi")
"""Endings of an index; ``.csi`` is for chromosomes that are too long for ``.tbi``."""

_COMPRESSED_ENDINGS = (".gz", ".bgz")
_TABLE_COLUMNS = {"seq_col": 0, "start_col": 1, "end_col": 2, "zerobased": True, "line_skip": 1}
_MAX_TBI_BASES = 1 << 29
_WRITE_MODE = "wb5"
"""Compression level 5 takes 0.6 of the time of the usual level 6 on a table of windows, which gets 0.4 % larger."""


def is_compressed(path: str | Path) -> bool:
    """Return whether the name of an output asks for compression."""
    return str(path).lower().endswith(_COMPRESSED_ENDINGS)


def index_ending(longest: int) -> str:
    """Return the ending of an index for chromosomes of at most ``longest`` bases.

    Examples
    --------
    >>> index_ending(248_956_422), index_ending(900_000_000)
    ('.tbi', '.csi')
    """
    return INDEX_ENDINGS[longest > _MAX_TBI_BASES]


@contextmanager
def quiet_pysam(output: str | Path) -> Iterator[Any]:
    """Import pysam, and keep htslib from printing to stderr inside the block.

    Parameters
    ----------
    output : str or pathlib.Path
        The output, for the message.

    Raises
    ------
    OutputError
        When pysam is not installed.
    """
    try:
        import pysam
    except ImportError as err:
        raise OutputError(
            f"{output}: writing bgzip with a tabix index needs pysam; run: pip install 'jundscan[hts]' "
            "(or give a name without .gz)"
        ) from err
    verbosity = pysam.set_verbosity(0)
    try:
        yield pysam
    finally:
        pysam.set_verbosity(verbosity)


class BgzipFile(io.RawIOBase):
    """A bgzipped file for writing bytes. It raises OutputError with the name of the output.

    Parameters
    ----------
    path : pathlib.Path
        A file that can be opened for writing, because htslib ends the process when it cannot open it.
    output : str or pathlib.Path
        Its name for messages.
    """

    def __init__(self, path: Path, output: str | Path) -> None:
        self._output = output
        with quiet_pysam(output) as pysam:
            self._file = pysam.BGZFile(str(path), _WRITE_MODE)

    def writable(self) -> bool:
        """Return True, which buffers ask for."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        with self._raising():
            written: int = self._file.write(bytes(data))
        return written

    def close(self) -> None:
        """Write the buffer and close the file.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        if self.closed:
            return
        try:
            with self._raising():
                self._file.close()
        finally:
            with suppress(OSError):
                self._file.close()  # again, because a file whose first close failed prints an error when collected
            super().close()

    @contextmanager
    def _raising(self) -> Iterator[None]:
        with quiet_pysam(self._output):
            try:
                yield
            except OSError as err:  # htslib does not pass on the reason
                raise OutputError(f"{self._output}: cannot be written; is the disk full?") from err


def build_index(data: Path, index: Path, preset: Preset, output: str | Path) -> None:
    """Index a finished bgzipped file with tabix.

    Parameters
    ----------
    data, index : pathlib.Path
        The compressed file, sorted by chromosome and start, and the index to write.
    preset : {"bed", "vcf", "table"}
        Columns to index.
    output : str or pathlib.Path
        The final name of the index, whose ending decides its kind.

    Raises
    ------
    OutputError
        When the index cannot be written.
    """
    columns = _TABLE_COLUMNS if preset == "table" else {"preset": preset}
    with quiet_pysam(output) as pysam:
        try:
            pysam.tabix_index(str(data), **columns, index=str(index), force=True, csi=str(output).endswith(".csi"))
        except OSError as err:
            raise OutputError(f"{output}: cannot be written ({err})") from err
