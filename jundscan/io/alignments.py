"""Aligned reads: BAM and CRAM, through pysam. A file needs no index, and may be unsorted.

Of a CRAM only the columns that count are decoded, so it needs no reference.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import JundscanError, TrackError

PAIRED, PROPER, UNMAPPED, REVERSE = 0x1, 0x2, 0x4, 0x10
SECONDARY, QC_FAILED, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800
_ALL_FLAGS = 0xFFF
_COLUMNS = 0x17F
"""Columns to decode of a CRAM, htslib's ``required_fields``: name to TLEN without PNEXT, no bases and no qualities."""
_READS_AT_ONCE = 1 << 16

LEFT_OUT = (
    "unmapped",
    "secondary",
    "supplementary",
    "qc_failed",
    "duplicate",
    "not_properly_paired",
    "low_mapping_quality",
    "no_template_length",
)
"""Why a read is left out. The first reason that holds counts."""
_PAIR, _FORWARD, _BACKWARD, _MATE = range(4)
_FIRST_REASON = 4
_LOW_QUALITY, _NO_LENGTH = (_FIRST_REASON + LEFT_OUT.index(name) for name in LEFT_OUT[-2:])


class AlignmentBlock(NamedTuple):
    """Fragments and unpaired reads of some lines.

    Attributes
    ----------
    chroms : numpy.ndarray, shape=(n,), dtype=int64
        Numbers of chromosomes in the header.
    starts, ends : numpy.ndarray, shape=(n,), dtype=int64
        Of the fragment, or the aligned bases of an unpaired read.
    strands : numpy.ndarray, shape=(n,), dtype=int8
        0 for a fragment, 1 for an unpaired read on the forward strand, 2 on the reverse strand.
    """

    chroms: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    strands: NDArray[np.int8]


class AlignmentFile:
    """An open BAM or CRAM.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    sizes : dict of str to int
        Chromosome lengths, from the header.
    reads : int
        Lines read until now.
    mates : int
        Of these, right mates of fragments: each fragment counts once, with its left mate.
    left_out : dict of str to int
        Of these, reads left out by reason, see :data:`LEFT_OUT`.

    Raises
    ------
    JundscanError
        When pysam is not installed.
    TrackError
        When the file cannot be read or is cut short, or names no chromosome.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes = _header_sizes(path)
        self.reads = self.mates = 0
        self.left_out = dict.fromkeys(LEFT_OUT, 0)

    def blocks(self, min_mapq: int) -> Iterator[AlignmentBlock]:
        """Read the file once, and yield what counts of it.

        A properly paired read with a positive template length stands for its fragment: the leftmost mate. Its mate is
        only counted in :attr:`mates`. An unpaired read stands for itself.

        Parameters
        ----------
        min_mapq : int
            Minimum mapping quality of a read that counts.

        Raises
        ------
        TrackError
            When the file is damaged or cut short.
        """
        actions = [_action(flag) for flag in range(_ALL_FLAGS + 1)]
        counts = [0] * (_FIRST_REASON + len(LEFT_OUT))
        chroms, starts, ends, strands = array("q"), array("q"), array("q"), array("b")
        with _opened(self.path) as file:
            reads = file.fetch(until_eof=True)
            is_read = False
            while not is_read:
                is_read = True
                for read in reads:
                    action = actions[read.flag & _ALL_FLAGS]
                    if action < _FIRST_REASON:
                        start = read.reference_start
                        if read.mapping_quality < min_mapq:
                            action = _LOW_QUALITY
                        elif action == _PAIR:
                            length = read.template_length
                            end = start + length
                            if length <= 0:
                                action = _MATE if length else _NO_LENGTH
                        else:
                            end = read.reference_end or start + 1
                        if action < _MATE:
                            chroms.append(read.reference_id)
                            starts.append(start)
                            ends.append(end)
                            strands.append(action)
                    counts[action] += 1
                    if len(starts) == _READS_AT_ONCE:
                        is_read = False
                        break
                if starts:
                    yield AlignmentBlock(
                        np.array(chroms), np.array(starts), np.array(ends), np.array(strands, dtype=np.int8)
                    )
                    for column in (chroms, starts, ends, strands):
                        del column[:]
        self.reads, self.mates = sum(counts), counts[_MATE]
        self.left_out = dict(zip(LEFT_OUT, counts[_FIRST_REASON:], strict=True))


def _action(flag: int) -> int:
    """Return what becomes of a read with these flags: a fragment, an unpaired read, or a reason to leave it out."""
    paired = flag & PAIRED
    holds = (
        flag & UNMAPPED,
        flag & SECONDARY,
        flag & SUPPLEMENTARY,
        flag & QC_FAILED,
        flag & DUPLICATE,
        paired and not flag & PROPER,
    )
    reason = next((number for number, is_so in enumerate(holds) if is_so), None)
    if reason is not None:
        return _FIRST_REASON + reason
    if paired:
        return _PAIR
    return _BACKWARD if flag & REVERSE else _FORWARD


def _header_sizes(path: Path) -> dict[str, int]:
    with _opened(path) as file:
        sizes = dict(zip(file.references, file.lengths, strict=True))
    if not sizes:
        raise TrackError(path, "its header names no chromosome: the reads are not aligned; align them first")
    return sizes


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a BAM or CRAM; htslib prints nothing to the terminal, and its errors become TrackError."""
    try:
        import pysam
    except ImportError as err:
        raise JundscanError(f"{path}: BAM and CRAM need pysam: run pip install 'jundscan[hts]'") from err
    verbosity = pysam.set_verbosity(0)
    try:
        file = pysam.AlignmentFile(str(path), "r", check_sq=False, format_options=[f"required_fields={_COLUMNS}"])
        with file:
            yield file
    except (OSError, ValueError, NotImplementedError) as err:  # the last for gzip in place of bgzip
        if isinstance(err, JundscanError):
            raise
        raise TrackError(path, f"damaged or cut short ({err}); fetch it again") from err
    finally:
        pysam.set_verbosity(verbosity)
