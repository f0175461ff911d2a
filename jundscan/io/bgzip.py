"""bgzip and tabix, by pysam: packed text from which a genome browser fetches any stretch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from jundscan.errors import OutputError

Preset = Literal["bed", "vcf"]
"""Which columns tabix indexes: those of BED (and bedGraph, narrowPeak, our tables) or of VCF."""
INDEX_ENDINGS = (".tbi", ".csi")
"""Of an index beside its file; ``.csi`` is for chromosomes too long for the other."""

_PACKED_ENDINGS = (".gz", ".bgz")
_LONGEST_IN_TBI = 1 << 29
_WRITE = "wb5"
"""Level 5: on a table of windows 0.6 of the time that the usual level 6 takes, and 0.4 % larger."""


def is_compressed(path: str | Path) -> bool:
    """Tell by its name whether an output is to be compressed."""
    return str(path).lower().endswith(_PACKED_ENDINGS)


def index_ending(longest: int) -> str:
    """Choose the kind of index for chromosomes of at most ``longest`` bases.

    Examples
    --------
    >>> index_ending(248_956_422), index_ending(900_000_000)
    ('.tbi', '.csi')
    """
    return INDEX_ENDINGS[longest > _LONGEST_IN_TBI]


@contextmanager
def quiet_pysam(shown: str | Path) -> Iterator[Any]:
    """Give pysam, and keep htslib from writing to stderr itself meanwhile.

    Parameters
    ----------
    shown : str or pathlib.Path
        The output it is wanted for.

    Raises
    ------
    OutputError
        When pysam is not installed.
    """
    try:
        import pysam
    except ImportError as err:
        raise OutputError(
            f"{shown}: writing bgzip with a tabix index needs pysam; run: pip install 'jundscan[hts]' "
            "(or give a name without .gz)"
        ) from err
    verbosity = pysam.set_verbosity(0)
    try:
        yield pysam
    finally:
        pysam.set_verbosity(verbosity)


class BgzipFile(io.RawIOBase):
    """A bgzipped file to write bytes to, whose failures name the output.

    Parameters
    ----------
    path : pathlib.Path
        A file that can be opened for writing: where it cannot, htslib ends the whole process.
    shown : str or pathlib.Path
        The name for messages.
    """

    def __init__(self, path: Path, shown: str | Path) -> None:
        self._shown = shown
        with quiet_pysam(shown) as pysam:
            self._file = pysam.BGZFile(str(path), _WRITE)

    def writable(self) -> bool:
        """Tell the buffers around it that it takes bytes."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes.

        Raises
        ------
        OutputError
            When the system refuses.
        """
        with self._failing():
            written: int = self._file.write(bytes(data))
        return written

    def close(self) -> None:
        """Write what is buffered and close.

        Raises
        ------
        OutputError
            When the system refuses.
        """
        if self.closed:
            return
        try:
            with self._failing():
                self._file.close()
        finally:
            with suppress(OSError):
                self._file.close()  # a close that failed to flush leaves it open: again, or it complains when collected
            super().close()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        with quiet_pysam(self._shown):
            try:
                yield
            except OSError as err:  # htslib does not hand on why
                raise OutputError(f"{self._shown}: cannot be written; is the disk full?") from err


def build_index(data: Path, index: Path, preset: Preset, shown: str | Path) -> None:
    """Index a finished bgzipped file with tabix.

    Parameters
    ----------
    data, index : pathlib.Path
        The packed file, sorted by chromosome and start, and where the index goes.
    preset : {"bed", "vcf"}
    shown : str or pathlib.Path
        The final name of the index: its ending tells the kind.

    Raises
    ------
    OutputError
        When the index cannot be written.
    """
    with quiet_pysam(shown) as pysam:
        try:
            pysam.tabix_index(str(data), preset=preset, index=str(index), force=True, csi=str(shown).endswith(".csi"))
        except OSError as err:
            raise OutputError(f"{shown}: cannot be written ({err})") from err
