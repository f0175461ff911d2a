"""Tracks from aligned reads and from fragments: how many cuts, or fragments, lie at each base.

What counts
    A fragment of properly paired reads counts once, from its leftmost mate and the template length. ``cuts`` counts its
    first base and its last base. ``fragments`` counts each of its bases. Of an unpaired read the other end of the
    fragment is unknown. ``cuts`` counts its 5' end, ``fragments`` the bases that it is aligned to and no further.
    Each line of a fragments file is one fragment.
What does not
    Reads that are unmapped, secondary, supplementary, QC-failed, duplicates, not properly paired, or below the minimum
    mapping quality are left out, and counted by reason. A fragments file holds none of these.
Memory
    The file is read once. What counts goes to a temporary file. Then one chromosome at a time becomes a part of a
    temporary bigWig, so that memory is bounded by the reads of a chromosome.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.data_stretches import BIN_BASES
from jundscan.accessibility.tracks import BigWigTrack, PerBaseTrack
from jundscan.dna.chromosomes import matching_name
from jundscan.dna.interval_sets import Intervals
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import OutputError, TrackError, format_count, format_os_error
from jundscan.io.alignments import AlignmentFile
from jundscan.io.barcodes import BarcodeGroups
from jundscan.io.bigwig import check_bigwig_sizes
from jundscan.io.bigwig_writer import open_bigwig
from jundscan.io.file_kinds import check_address, file_kind
from jundscan.io.files import open_decompressed, read_errors, temporary_folder
from jundscan.io.fragments import FragmentBlock, is_fragments, read_fragments
from jundscan.io.outputs import atomic_path, write_error
from jundscan.io.value_columns import ValueColumn
from jundscan.options import ReadsAs, ReadsOptions
from jundscan.schemas.records import ReadsRecord
from jundscan.threads import in_order, usable_cores

log = logging.getLogger("jundscan")

ReadsFormat = Literal["BAM", "CRAM", "fragments"]
_HEAD_BYTES = 1 << 16
_MAX_BASE = (1 << 32) - 1
"""Maximum position, because a bigWig holds 32 bits."""
_ROWS_IN_MEMORY = 1 << 22
"""Maximum rows kept in memory before they go to the temporary file."""
_SPANS_AT_ONCE = 1 << 18
_LARGE_BYTES = 1 << 28
"""Minimum size of a file whose counting is announced, because it takes a minute."""
_REASONS = {
    "unmapped": "unmapped",
    "secondary": "secondary",
    "supplementary": "supplementary",
    "qc_failed": "failed quality control",
    "duplicate": "duplicates",
    "not_properly_paired": "not properly paired",
    "low_mapping_quality": "low mapping quality",
    "no_template_length": "no template length",
    "other_barcodes": "of other barcodes",
}


def reads_format(path: str | Path) -> ReadsFormat | None:
    """Return the format of a file of reads or fragments, by its content; None for any other file and for a pipe.

    Raises
    ------
    TrackError
        When the file cannot be read.
    """
    path = Path(path)
    check_address(path, TrackError)
    if not path.is_file():
        return None
    with read_errors(path, TrackError), open_decompressed(path) as file:
        head = file.read(_HEAD_BYTES)
    match file_kind(head):
        case "BAM":
            return "BAM"
        case "CRAM":
            return "CRAM"
        case None if is_fragments(path, head):
            return "fragments"
    return None


class ReadsTrack(PerBaseTrack):
    """Counts of reads or fragments per base, from :func:`open_reads`. Close it: it keeps a temporary file.

    Parameters
    ----------
    path : pathlib.Path
        The file of reads.
    file_format : {"BAM", "CRAM", "fragments"}
    counted_as : {"cuts", "fragments"}
    sizes : dict of str to int
        Chromosome lengths.
    counts : _Counts or callable
        The counts, or a function that reads the file and returns them. It is called when the first value is asked for.
    """

    def __init__(
        self,
        path: Path,
        file_format: ReadsFormat,
        counted_as: ReadsAs,
        sizes: dict[str, int],
        counts: _Counts | Callable[[], _Counts],
    ) -> None:
        self.path = path
        self.sizes = sizes
        self.names = tuple(sizes)
        self.meaning = ValueColumn(file_format, meaning=f"{counted_as} per base")
        self._made = counts

    @property
    def _counts(self) -> _Counts:
        if callable(self._made):
            self._made = self._made()
        return self._made

    @property
    def reads(self) -> ReadsRecord:
        """What counts and what was left out."""
        return self._counts.record

    def close(self) -> None:
        """Close and remove the temporary file."""
        if not callable(self._made):
            self._made.files.close()

    def save(self, path: str | Path, force: bool = False) -> None:
        """Copy the counts to a bigWig, which names the chromosomes that have any.

        Parameters
        ----------
        path : str or pathlib.Path
        force : bool
            Whether an existing file may be replaced.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        counts = self._counts
        with atomic_path(path, force) as temporary:
            try:
                shutil.copyfile(counts.bigwig.path, temporary)
            except OSError as err:
                raise write_error(path, err) from err

    def count_beyond(self, chrom: str, length: int) -> int:
        """Count the fragments that reach beyond the end of a chromosome. They are cut there."""
        return self._counts.beyond[chrom]

    def bases_with_data(self) -> dict[str, int]:
        """Return the number of bases with a count on each chromosome."""
        return dict(self._counts.covered)

    def means_of_all(
        self, parts: Sequence[tuple[str, NDArray[np.int64]]], widths: Sequence[int] = (WINDOW_LENGTH,)
    ) -> NDArray[np.float32]:
        """Average over windows of several chromosomes; 0 on those without reads."""
        covered = self._counts.covered
        with_reads = [part for part in parts if covered[part[0]]]
        if len(with_reads) == len(parts):
            return self._counts.bigwig.means_of_all(parts, widths)
        counts = [len(starts) for _, starts in parts]
        means = np.zeros((sum(counts), len(widths)), np.float32)
        if with_reads:
            has_reads = np.repeat([covered[chrom] > 0 for chrom, _ in parts], counts)
            means[has_reads] = self._counts.bigwig.means_of_all(with_reads, widths)
        return means

    def _values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        counts = self._counts
        return counts.bigwig._values(chrom, start, end) if counts.covered[chrom] else np.zeros(end - start)

    def _is_empty(self, chrom: str) -> NDArray[np.bool_]:
        if self._counts.covered[chrom]:
            return self._counts.bigwig._is_empty(chrom)
        return np.ones(-(-self.sizes[chrom] // BIN_BASES), np.bool_)


@dataclass(frozen=True)
class _Counts:
    """The counts of one track.

    Attributes
    ----------
    bigwig : BigWigTrack
        The counts in a temporary file, which names the chromosomes that have any.
    record : ReadsRecord
    covered, beyond : mapping of str to int
        By chromosome: bases with a count, and fragments beyond its end.
    files : contextlib.ExitStack
        Closes and removes the file.
    """

    bigwig: BigWigTrack
    record: ReadsRecord
    covered: Mapping[str, int]
    beyond: Mapping[str, int]
    files: ExitStack


def open_reads(
    path: str | Path,
    genome_sizes: Mapping[str, int] | None,
    reads: ReadsOptions = ReadsOptions(),  # noqa: B008 - frozen
    groups: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, ReadsTrack]:
    """Open a file of reads or fragments as a track, or a fragments file as one track for each group of barcodes.

    The file is read once, whatever the number of groups. A file that is neither BAM nor CRAM is read as fragments.

    Parameters
    ----------
    path : str or pathlib.Path
        BAM, CRAM, or fragments (see :mod:`jundscan.io.fragments`), sorted or not.
    genome_sizes : mapping of str to int or None
        Lengths of the genome's chromosomes, which a fragments file does not state. Other spellings of names match.
    reads : ReadsOptions
    groups : mapping of str to frozenset of str, optional
        Barcodes of each group, such as :func:`jundscan.io.barcodes.read_barcodes` returns. Other barcodes are left out.

    Returns
    -------
    dict of str to ReadsTrack
        By the name of the group, in the order of ``groups``; without groups under the empty name. The caller closes
        each of them.

    Raises
    ------
    TrackError
        When the file cannot be read, is damaged, or holds nothing that counts. Also when lengths or barcodes are needed
        and missing, or the barcodes of a group are not in the file.
    JundscanError
        When pysam is needed and not installed.
    """
    path = Path(path)
    with read_errors(path, TrackError):
        path.stat()
    file_format = reads_format(path) or "fragments"
    if path.is_file() and (size := path.stat().st_size) >= _LARGE_BYTES:
        log.info("%s: counting %.1f GB of reads; jundscan track counts them once for many scans", path, size / 1e9)
    if file_format == "fragments":
        if reads.given_min_mapq is not None:
            raise TrackError(path, "a fragments file holds no mapping qualities; leave --min-mapq out")
        if genome_sizes is None:
            raise TrackError(path, "a fragments file does not state chromosome lengths. Give the genome too")
        return _open_fragments(path, genome_sizes, reads.counted_as, groups)
    if groups is not None:
        raise TrackError(path, f"is a {file_format}; barcodes divide a fragments file only")
    file = AlignmentFile(path)
    check_bigwig_sizes(path, file.sizes)
    return {
        "": ReadsTrack(
            path, file_format, reads.counted_as, file.sizes, partial(_count_alignments, file, file_format, reads)
        )
    }


def _count_alignments(file: AlignmentFile, file_format: ReadsFormat, reads: ReadsOptions) -> _Counts:
    fragments = unpaired = 0
    with _Rows(file.path) as rows:
        for block in file.blocks(reads.min_mapq):
            of_pair = block.strands == 0
            pairs = int(np.count_nonzero(of_pair))
            fragments, unpaired = fragments + pairs, unpaired + len(of_pair) - pairs
            starts, ends = block.starts, block.ends
            if reads.counted_as == "cuts" and pairs < len(of_pair):
                # one cut, at the 5' end
                starts = np.where(block.strands == 2, ends - 1, starts)
                ends = np.where(of_pair, ends, starts)
            rows.add(block.chroms, starts, ends)
        record: ReadsRecord = {
            "format": file_format,
            "counted_as": reads.counted_as,
            "min_mapq": reads.min_mapq,
            "lines": file.reads,
            "fragments": fragments,
            "unpaired_reads": unpaired,
            "mates": file.mates,
            "left_out": file.left_out,
        }
        _log_counts(file.path, record)
        if not fragments + unpaired:
            raise TrackError(file.path, f"no read counts: {_left_out(record) or 'it holds none'}")
        keys = {name: number for number, name in enumerate(file.sizes)}
        rows.sort()
        with ExitStack() as opened:
            files = opened.enter_context(ExitStack())
            counts = _write_counts(file.path, rows, keys, file.sizes, record, files)
            opened.pop_all()
        return counts


class _Groups:
    """Numbers of the groups of barcodes, and how many fragments each of them has."""

    def __init__(self, groups: Mapping[str, frozenset[str]] | None) -> None:
        self.names = [""] if groups is None else list(groups)
        self.given = groups
        self.counts = np.zeros(len(self.names), np.int64)
        self.example = b""
        self._numbers = {
            barcode.encode(): number for number, barcodes in enumerate((groups or {}).values()) for barcode in barcodes
        }

    def of_lines(self, block: FragmentBlock) -> NDArray[np.int64]:
        """Return the number of the group of each line, -1 for other barcodes, and count them."""
        if self.given is None:
            found = np.zeros(len(block.starts), np.int64)
        else:
            self.example = self.example or block.barcodes[0]
            found = np.array([self._numbers.get(barcode, -1) for barcode in block.barcodes], np.int64)
        self.counts += np.bincount(found[found >= 0], minlength=len(self.names))
        return found

    def check(self, path: Path) -> None:
        """Raise TrackError when the barcodes of a group are not in the file."""
        empty = [name for name, count in zip(self.names, self.counts.tolist(), strict=True) if not count]
        if self.given is None or not empty:
            return
        listed = f" of {self.given.path}" if isinstance(self.given, BarcodeGroups) else ""
        both = f"it has {self.example.decode(errors='replace')}, the list {min(self.given[empty[0]], default='none')}"
        if len(empty) == len(self.names):
            problem = f"holds none of the barcodes{listed}: {both}. Do they differ in a prefix or suffix?"
        else:
            problem = f"holds no barcode of group {empty[0]}{listed}: {both}. Leave the group out"
        raise TrackError(path, problem)


def _open_fragments(
    path: Path, genome_sizes: Mapping[str, int], counted_as: ReadsAs, given: Mapping[str, frozenset[str]] | None
) -> dict[str, ReadsTrack]:
    groups = _Groups(given)
    chroms: dict[bytes, int] = {}
    extents: list[int] = []
    lines = 0
    with _Rows(path) as rows, ExitStack() as opened:
        for block in read_fragments(path, given is not None):
            lines += len(block.starts)
            numbers = [chroms.setdefault(name, len(chroms)) for name, _ in block.runs]
            lengths = [length for _, length in block.runs]
            extents += [0] * (len(chroms) - len(extents))
            last_ends = np.maximum.reduceat(block.ends, np.cumsum([0, *lengths[:-1]]))
            for number, last_end in zip(numbers, last_ends.tolist(), strict=True):
                extents[number] = max(extents[number], last_end)
            of_lines = groups.of_lines(block)
            keys = np.repeat(numbers, lengths) * len(groups.names) + of_lines
            known = of_lines >= 0
            rows.add(keys[known], block.starts[known], block.ends[known])
        if not lines:
            raise TrackError(path, "holds no fragment")
        groups.check(path)
        sizes = _sizes_of(path, chroms, extents, genome_sizes)
        records: list[ReadsRecord] = []
        for name, fragments in zip(groups.names, groups.counts.tolist(), strict=True):
            record: ReadsRecord = {
                "format": "fragments",
                "counted_as": counted_as,
                "min_mapq": None,
                "lines": lines,
                "fragments": fragments,
                "unpaired_reads": 0,
                "mates": 0,
                "left_out": {} if given is None else {"other_barcodes": lines - fragments},
            }
            _log_counts(path, record, name)
            records.append(record)
        rows.sort()
        # the workers' files belong to this thread, which removes them all when one of the workers fails
        files = [opened.enter_context(ExitStack()) for _ in groups.names]

        def write(number: int) -> _Counts:
            keys_of = {chrom: place * len(groups.names) + number for place, chrom in enumerate(sizes)}
            return _write_counts(path, rows, keys_of, sizes, records[number], files[number])

        tracks: dict[str, ReadsTrack] = {}
        with closing(in_order(write, range(len(records)), min(usable_cores(), len(records)))) as written:
            for name, counts in zip(groups.names, written, strict=True):
                tracks[name] = ReadsTrack(path, "fragments", counted_as, sizes, counts)
        opened.pop_all()
    return tracks


def _sizes_of(
    path: Path, chroms: Iterable[bytes], extents: Sequence[int], genome_sizes: Mapping[str, int]
) -> dict[str, int]:
    """Return the length of each chromosome of a fragments file: the genome's, or where it has none the last end."""
    sizes: dict[str, int] = {}
    for chrom, extent in zip(chroms, extents, strict=True):
        try:
            name = chrom.decode()
        except UnicodeDecodeError as err:
            raise TrackError(path, f"the chromosome name {chrom!r} is not UTF-8 text") from err
        known = matching_name(name, genome_sizes)
        sizes[name] = min(extent, _MAX_BASE) if known is None else genome_sizes[known]
    check_bigwig_sizes(path, sizes)
    return sizes


class _Rows:
    """Starts and ends by chromosome and group, in memory while there are few, else in a temporary file.

    Parameters
    ----------
    path : pathlib.Path
        The file of reads, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.uint32]]] = []
        self._waiting_rows = 0
        self._file: BinaryIO | None = None
        self._portions: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, keys: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Add rows. Where end equals start, the row is a single cut."""
        rows = np.minimum(np.column_stack((starts, ends)), _MAX_BASE).astype(np.uint32)
        self._waiting.append((keys, rows))
        self._waiting_rows += len(keys)
        if self._waiting_rows >= _ROWS_IN_MEMORY:
            self._write()

    def sort(self) -> None:
        """Sort the rows in memory, after the last has been added."""
        if self._waiting:
            self._waiting = [_sort_rows(self._waiting)]

    def read(self, key: int) -> NDArray[np.uint32]:
        """Return the rows of a chromosome and group, (n, 2), from sorted rows; safe in several threads."""
        found = [rows[slice(*np.searchsorted(keys, (key, key + 1)).tolist())] for keys, rows in self._waiting]
        for keys, begins in self._portions:
            at = int(np.searchsorted(keys, key))
            if self._file is not None and at < len(keys) and keys[at] == key:
                content = os.pread(self._file.fileno(), int(begins[at + 1] - begins[at]), int(begins[at]))
                found.append(np.frombuffer(content, np.uint32).reshape(-1, 2))
        return np.concatenate(found or [np.empty((0, 2), np.uint32)])

    def _write(self) -> None:
        keys, rows = _sort_rows(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="jundscan.")  # noqa: SIM115 - closed on exit
            begin = self._file.seek(0, os.SEEK_END)
            self._file.write(rows.tobytes())
            self._file.flush()
        except OSError as err:
            raise _no_room(self._path, err) from err
        firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        self._portions.append((keys[firsts], begin + np.append(firsts, len(keys)) * rows.itemsize * 2))


def _sort_rows(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.uint32]]],
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    keys = np.concatenate([keys for keys, _ in parts])
    rows = np.concatenate([rows for _, rows in parts])
    if len(keys) and (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[order]
    return keys, rows


def _no_room(path: Path, err: OSError | OutputError) -> TrackError:
    reason = format_os_error(err) if isinstance(err, OSError) else err
    problem = f"its counts cannot be written to {tempfile.gettempdir()} ({reason})"
    return TrackError(path, f"{problem}; TMPDIR=FOLDER names another folder")


def _write_counts(
    path: Path,
    rows: _Rows,
    keys: Mapping[str, int],
    sizes: Mapping[str, int],
    record: ReadsRecord,
    files: ExitStack,
) -> _Counts:
    """Write the counts of one track to a temporary bigWig, chromosome by chromosome, and open it.

    Parameters
    ----------
    path : pathlib.Path
        The file of reads, for messages.
    rows : _Rows
        Sorted.
    keys : mapping of str to int
        Where the rows of each chromosome are.
    sizes : mapping of str to int
        Chromosome lengths.
    record : ReadsRecord
        What counts.
    files : contextlib.ExitStack
        Gets the temporary file. Closing it removes the file.
    """
    count = count_cuts if record["counted_as"] == "cuts" else count_depth
    covered: dict[str, int] = {}
    beyond: dict[str, int] = {}
    try:
        temporary = files.enter_context(temporary_folder()) / "counts.bw"
        with open_bigwig(temporary, temporary, sizes) as add:
            for chrom, size in sizes.items():
                of_chrom = rows.read(keys[chrom])
                beyond[chrom] = int(np.count_nonzero((of_chrom[:, 0] >= size) | (of_chrom[:, 1] > size)))
                starts, ends, values = count(of_chrom, size)
                covered[chrom] = int((ends - starts).sum())
                for first in range(0, len(starts), _SPANS_AT_ONCE):
                    some = slice(first, first + _SPANS_AT_ONCE)
                    add(chrom, starts[some], ends[some], values[some].astype(np.float32))
            if not any(covered.values()):
                raise TrackError(path, "every fragment lies beyond the end of its chromosome: another assembly?")
    except (OSError, OutputError) as err:
        raise _no_room(path, err) from err
    bigwig = files.enter_context(BigWigTrack(temporary))
    return _Counts(bigwig, record, covered, beyond, files)


def count_cuts(rows: NDArray[np.integer[Any]], size: int) -> Intervals:
    """Count cuts at each base: the first and the last base of each fragment.

    Parameters
    ----------
    rows : numpy.ndarray, shape=(n, 2)
        Starts and ends, in any order. Where both are equal, the row is one cut at that base.
    size : int
        Length of the chromosome. Cuts beyond it are left out.

    Returns
    -------
    Intervals
        Runs of bases with the same count above 0, sorted.

    Examples
    --------
    >>> [column.tolist() for column in count_cuts(np.array([[3, 5], [4, 8], [2, 2], [7, 99]]), 50)]
    [[2, 4, 7], [4, 5, 8], [1.0, 2.0, 2.0]]
    """
    starts, ends = rows.T
    positions = np.concatenate((starts, ends[ends > starts] - 1))
    bases, counts = np.unique(positions[positions < size], return_counts=True)
    is_first = np.append(True, (bases[1:] != bases[:-1] + 1) | (counts[1:] != counts[:-1]))[: len(bases)]
    is_last = np.append(is_first[1:], True)[: len(bases)]
    bases = bases.astype(np.int64)
    return Intervals(bases[is_first], bases[is_last] + 1, counts[is_first].astype(np.float64))


def count_depth(rows: NDArray[np.integer[Any]], size: int) -> Intervals:
    """Count the fragments over each base.

    Parameters
    ----------
    rows : numpy.ndarray, shape=(n, 2)
        Starts and ends, in any order.
    size : int
        Length of the chromosome. Fragments are cut there.

    Returns
    -------
    Intervals
        Runs of bases with the same count above 0, sorted.

    Examples
    --------
    >>> [column.tolist() for column in count_depth(np.array([[2, 9], [4, 6], [6, 99]]), 50)]
    [[2, 4, 9], [4, 9, 50], [1.0, 2.0, 1.0]]
    """
    inside = np.minimum(rows[rows[:, 0] < size], size)
    positions, back = np.unique(inside.T, return_inverse=True)
    positions = positions.astype(np.int64)
    changes = np.bincount(back.ravel(), np.repeat((1.0, -1.0), len(inside)), len(positions))
    positions, changes = positions[changes != 0], changes[changes != 0]
    depth = np.cumsum(changes)[:-1]
    is_covered = depth > 0
    return Intervals(positions[:-1][is_covered], positions[1:][is_covered], depth[is_covered])


def _log_counts(path: Path, record: ReadsRecord, group: str = "") -> None:
    is_cuts = record["counted_as"] == "cuts"
    counted = [
        f"{what} of {format_count(number, noun)}"
        for what, number, noun in (
            ("both ends" if is_cuts else "all bases", record["fragments"], "fragment"),
            ("5' ends" if is_cuts else "aligned bases", record["unpaired_reads"], "unpaired read"),
        )
        if number
    ]
    left_out = _left_out(record)
    log.info(
        "%s%s: read as %s, counted: %s%s",
        path,
        f", group {group}" if group else "",
        record["format"],
        " and ".join(counted) or "nothing",
        f"; left out: {left_out}" if left_out else "",
    )


def _left_out(record: ReadsRecord) -> str:
    return ", ".join(f"{count:,} {_REASONS[reason]}" for reason, count in record["left_out"].items() if count)
