"""Where a scan's windows and hits go: each consumer is a sink, and :func:`run_scan` hands everything to all of them."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.windows import track_spans
from jundscan.errors import Caution
from jundscan.io.bgzip import Preset
from jundscan.io.bigwig import AddSpans
from jundscan.model.thresholds import false_positive_rates
from jundscan.options import Format
from jundscan.run.record import run_facts
from jundscan.scanning.checks import check_counts
from jundscan.scanning.hit_table import HitTable, NumberedHits
from jundscan.scanning.hits import Hits
from jundscan.scanning.lines import WINDOWS_HEADER, write_hits, write_windows
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ChunkCaller, Hit, ScoredWindows, hit_rows
from jundscan.schemas.records import ComparisonRecord, ScanRecord

_HITS_AT_ONCE = 1_000
"""Hits whose rows of the table are looked up at once, because reading a genome costs a little for every call."""


class Sink:
    """A consumer of a scan; by default it ignores what it gets."""

    def scored(self, chunk: ScoredWindows) -> None:
        """Take the next chunk, in genome order."""

    def hits(self, chrom: str, hits: Hits) -> None:
        """Take the next hits, in genome order; the chunks that they come from were taken before."""

    def finish(self) -> dict[str, Any]:
        """Write what is known only at the end, and return the sink's keys of the run's record."""
        return {}

    def cautions(self) -> Iterable[Caution]:
        """Return warnings about the result; they are logged once every file has its final name."""
        return ()


class HitList(Sink):
    """Keep hits in memory.

    Attributes
    ----------
    rows : list of Hit
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.rows: list[Hit] = []

    def hits(self, chrom: str, hits: Hits) -> None:
        """Keep hits."""
        self.rows += hit_rows(self._scan, chrom, hits)


class HitFile(Sink):
    """Write hits, or with the format ``windows`` every scored window.

    Hits are named by the model's factor, in the order in which they come: ``JUND_1`` is the first.

    Parameters
    ----------
    stream : typing.TextIO
    form : {"bed", "narrowPeak", "windows"}
    scan : Scan
    about : str, optional
        Comment lines for the head of the file. Without them it has no head at all.
    """

    def __init__(self, stream: TextIO, form: Format, scan: Scan, about: str | None = None) -> None:
        self._stream = stream
        self._form = form
        self._scan = scan
        self._count = 0
        if about is not None:
            stream.write(about + (WINDOWS_HEADER if form == "windows" else ""))

    def scored(self, chunk: ScoredWindows) -> None:
        """Write the windows of a chunk where the format is ``windows``."""
        if self._form == "windows":
            write_windows(self._stream, chunk.chrom, chunk.starts, chunk.probabilities)

    def hits(self, chrom: str, hits: Hits) -> None:
        """Write hits where the format holds hits."""
        first, scan = self._count + 1, self._scan
        factor = scan.model.metadata.factor
        self._count += len(hits.start)
        if self._form == "narrowPeak":
            rates = false_positive_rates(scan.model.metadata.table(scan.track is not None), hits.best)
            write_hits(self._stream, "narrowPeak", chrom, hits, factor, first, rates)
        elif self._form == "bed":
            write_hits(self._stream, "bed", chrom, hits, factor, first)

    def finish(self) -> dict[str, Any]:
        """Flush the file, because a full disk must show before any output of the scan gets its final name."""
        self._stream.flush()
        return {"hits": self._count}


class TableFile(Sink):
    """Write the table of hits: one line of names, and one line per hit. What is not known is empty.

    A streamed genome is read again for all hits at the end.

    Parameters
    ----------
    stream : typing.TextIO
    table : HitTable
    delimiter : str
        Tab or comma. A value that holds it stands in quotes.
    has_names : bool
        Whether the file begins with the names of the columns.
    """

    def __init__(self, stream: TextIO, table: HitTable, delimiter: str = "\t", has_names: bool = True) -> None:
        self._stream = stream
        self._lines = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        self._table = table
        self._waiting: list[NumberedHits] = []
        self._count = self._written = 0
        if has_names:
            self._lines.writerow(table.columns)

    def hits(self, chrom: str, hits: Hits) -> None:
        """Keep hits, and write those of a batch."""
        first = self._count + 1
        self._count += len(hits.start)
        self._waiting.append(NumberedHits(chrom, hits, range(first, self._count + 1)))
        if self._table.is_seekable and self._count - self._written >= _HITS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        self._lines.writerows(self._table.rows(self._waiting))
        self._waiting, self._written = [], self._count

    def finish(self) -> dict[str, Any]:
        """Write the last hits and flush the file, see :meth:`HitFile.finish`."""
        self._write()
        self._stream.flush()
        return {"hits": self._count}


def hit_sink(
    stream: TextIO,
    form: Format,
    scan: Scan,
    about: str | None,
    table: HitTable,
    delimiter: str = "\t",
) -> Sink:
    """Return the sink that writes a format.

    Parameters
    ----------
    stream, form, scan, about
        As for :class:`HitFile`, with the format ``table`` too. A table has no comment lines, and without ``about`` no
        names of columns.
    table : HitTable
        Of this scan, for the format ``table``.
    delimiter : str
        As for :class:`TableFile`.
    """
    if form == "table":
        return TableFile(stream, table, delimiter, about is not None)
    return HitFile(stream, form, scan, about)


def index_preset(form: Format, delimiter: str = "\t", has_names: bool = True) -> Preset | None:
    r"""Return what an index of a compressed file of hits needs to know; None where the file gets no index.

    Examples
    --------
    >>> index_preset("bed"), index_preset("table"), index_preset("table", ","), index_preset("table", "\t", False)
    ('bed', 'table', None, 'bed')
    """
    if form != "table":
        return "bed"
    if delimiter != "\t":
        return None
    return "table" if has_names else "bed"


class TrackFile(Sink):
    """Write the probability of every scored window as a track.

    Parameters
    ----------
    add_spans : callable
        From :func:`jundscan.io.outputs.open_track_output`.
    scan : Scan
    """

    def __init__(self, add_spans: AddSpans, scan: Scan) -> None:
        self._add_spans = add_spans
        self._scan = scan

    def scored(self, chunk: ScoredWindows) -> None:
        """Write the windows of a chunk, each on the bases around its centre."""
        starts, ends, some = spans_of_windows(self._scan, chunk)
        self._add_spans(chunk.chrom, starts, ends, chunk.probabilities[some])


def spans_of_windows(
    scan: Scan, chunk: ScoredWindows
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return starts and ends of the lines of a track, and which of the chunk's windows they are."""
    length = scan.genome.chromsizes[chunk.chrom]
    starts, ends = track_spans(chunk.starts, length, scan.stride, scan.reach[chunk.chrom])
    some = starts < ends  # an empty span is no line of a track
    return starts[some], ends[some], some


class Counter(Sink):
    """Count windows and bases; warn where the counts suggest that the result may mislead.

    Attributes
    ----------
    windows_scored, windows_called, bases_scanned : int
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.windows_scored = self.windows_called = self.bases_scanned = 0

    def scored(self, chunk: ScoredWindows) -> None:
        """Count the windows of a chunk and the bases that they cover."""
        self.windows_scored += chunk.scored
        self.windows_called += chunk.positive
        self.bases_scanned += chunk.covered

    def finish(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "windows_scored": self.windows_scored,
            "windows_skipped": self._scan.windows - self.windows_scored,
            "bases_scanned": self.bases_scanned,
        }

    def cautions(self) -> Iterator[Caution]:
        """Yield warnings about the counts."""
        yield from check_counts(self._scan, self.windows_called, self.windows_scored)
        if not self.windows_called:
            reason = "no window reaches the threshold" if self.windows_scored else "no window could be scored"
            yield Caution("no_hits", f"0 hits: {reason}", {})


class Progress(Sink):
    """Report the number of windows of each chunk to a progress bar."""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._on_progress = on_progress

    def scored(self, chunk: ScoredWindows) -> None:
        """Report the windows of a chunk, scored or not."""
        self._on_progress(chunk.tried)


def feed_together(
    scans: Sequence[Scan], chunks: Iterable[tuple[ScoredWindows, ...]], sinks: Sequence[Sequence[Sink]]
) -> Iterator[tuple[ScoredWindows, ...]]:
    """Hand the chunks and the hits of each scan to its own sinks, and yield the chunks of all scans.

    Parameters
    ----------
    scans : sequence of Scan
    chunks : iterable of tuple of ScoredWindows
        From :func:`jundscan.scanning.score.score_together`, or from a cluster.
    sinks : sequence of sequence of Sink
        Those of each scan.
    """
    began = time.perf_counter()
    callers = [ChunkCaller(scan) for scan in scans]

    def hand_over(found: Iterable[tuple[str, Hits]], takers: Sequence[Sink]) -> None:
        for chrom, hits in found:
            for sink in takers:
                sink.hits(chrom, hits)

    for together in chunks:
        for caller, chunk, takers in zip(callers, together, sinks, strict=True):
            for sink in takers:
                sink.scored(chunk)
            hand_over(caller.add(chunk), takers)
        yield together
    for caller, takers in zip(callers, sinks, strict=True):
        hand_over(caller.finish(), takers)
    for scan in scans:
        scan.inputs.timings["scanning"] = time.perf_counter() - began


def finish_sinks(sinks: Iterable[Sink]) -> dict[str, Any]:
    """Finish sinks, and return the keys of all of them."""
    found: dict[str, Any] = {}
    for sink in sinks:
        found |= sink.finish()
    return found


def feed(chunks: Iterable[ScoredWindows], sinks: Sequence[Sink]) -> Iterator[ScoredWindows]:
    """Yield chunks after all sinks have taken them."""
    for chunk in chunks:
        for sink in sinks:
            sink.scored(chunk)
        yield chunk


def run_scan(scan: Scan, chunks: Iterable[ScoredWindows], sinks: Sequence[Sink]) -> dict[str, Any]:
    """Hand all chunks and their hits to sinks, then finish the sinks.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    chunks : iterable of ScoredWindows
        From :func:`jundscan.scanning.score.score`, or from a cluster.
    sinks : sequence of Sink

    Returns
    -------
    dict
        The keys of all sinks.
    """
    for _ in feed_together([scan], ((chunk,) for chunk in chunks), [sinks]):
        pass
    return finish_sinks(sinks)


def scan_record(
    scan: Scan, found: Mapping[str, Any], files: Mapping[str, Path | None], command: str | None, seconds: float
) -> ScanRecord:
    """Return the record of ``scan --json``.

    Parameters
    ----------
    scan : Scan
    found : mapping
        From :func:`run_scan`.
    files : mapping of str to pathlib.Path or None
        Input files besides those of the scan.
    command : str or None
        The command line.
    seconds : float
        From the first window to the last output.
    """
    scan.inputs.timings["finishing"] = seconds - scan.inputs.timings["scanning"]
    accuracy: ComparisonRecord | None = found.get("accuracy")
    identity, provider = scan.model.identity(), scan.model.provider
    return {
        **run_facts(scan.inputs, scan.threshold, files, command),
        "windows_scored": found["windows_scored"],
        "windows_skipped": found["windows_skipped"],
        "hits": found["hits"],
        "bases_scanned": found["bases_scanned"],
        "seconds": seconds,
        "bases_per_second": found["bases_scanned"] / seconds,
        "stride": scan.stride,
        "regions": None if scan.regions is None else scan.regions.to_dict(),
        "accuracy": None if accuracy is None else {**accuracy, "model": identity, "provider": provider},
    }
