"""What a scan of many samples writes: the files of each sample, and the table of sites."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from jundscan._version import __version__
from jundscan.errors import format_count
from jundscan.io.aliases import check_names_in_text
from jundscan.io.bgzip import Preset
from jundscan.io.bigwig import AddSpans
from jundscan.io.numbers import format_probabilities
from jundscan.io.outputs import check_folder, open_folder, open_output, open_track_output, write_errors
from jundscan.options import DEFAULT_TRACK_DIGITS, Format, TrackFormat
from jundscan.run.record import header
from jundscan.samples.plan import Samples
from jundscan.samples.sites import Sites, call_sites
from jundscan.scanning.hit_table import HitTable
from jundscan.scanning.outputs import (
    Counter,
    Sink,
    TrackFile,
    feed_together,
    finish_sinks,
    hit_sink,
    index_preset,
    scan_record,
    spans_of_windows,
)
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows, score_together
from jundscan.schemas.records import SampleRecord, SamplesRecord
from jundscan.threads import in_order

SITE_COLUMNS = ("chrom", "start", "end", "summit", "samples")
_ENDINGS: dict[Format, str] = {"bed": ".bed", "narrowPeak": ".narrowPeak", "table": ".tsv", "windows": ".tsv"}


@dataclass(frozen=True)
class SampleOutputs:
    """Files that a scan of many samples writes, all into one folder; the command line describes each option.

    ``comments`` is whether files begin with lines that name their inputs, and ``command`` the command line for these
    lines and the record.
    """

    folder: Path
    format: Format = "bed"
    track: TrackFormat | None = None
    compress: bool = False
    force: bool = False
    comments: bool = True
    command: str | None = None
    track_digits: int | None = DEFAULT_TRACK_DIGITS

    @property
    def only_hits(self) -> bool:
        """Whether no output but the table of sites needs windows below the threshold."""
        return self.format != "windows" and self.track is None

    @property
    def sites(self) -> str:
        """Name of the table of sites."""
        return self._named("sites.tsv")

    def hits(self, sample: str) -> str:
        """Return the name of a sample's file of hits."""
        return self._named(sample + _ENDINGS[self.format])

    def track_of(self, sample: str) -> str | None:
        """Return the name of a sample's track; None without tracks."""
        if self.track == "bw":
            return f"{sample}.bw"
        return None if self.track is None else self._named(f"{sample}.bedgraph")

    def _named(self, name: str) -> str:
        return f"{name}.gz" if self.compress else name

    def names(self, samples: Iterable[str]) -> list[str]:
        """Return the names of all files, the table of sites last."""
        files = [name for sample in samples for name in (self.track_of(sample), self.hits(sample)) if name is not None]
        return [*files, self.sites]

    def check(self, samples: Iterable[str]) -> None:
        """Check before any work that every file can be written.

        Raises
        ------
        OutputError
            When a file exists, its folder cannot be made, or the software that compresses is not installed.
        """
        check_folder(self.folder, self.names(samples), self.force)


def write_samples(
    samples: Samples,
    outputs: SampleOutputs,
    table: Path | None = None,
    chunks: Iterable[tuple[ScoredWindows, ...]] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> SamplesRecord:
    """Scan all samples, write their files and the table of sites, and return the record of the run.

    All files get their final names at the end, or none does.

    Parameters
    ----------
    samples : Samples
        From :func:`jundscan.samples.plan.open_samples`.
    outputs : SampleOutputs
    table : pathlib.Path, optional
        The table of samples, for the record.
    chunks : iterable of tuple of ScoredWindows, optional
        Scored windows of a cluster; by default this machine scores them.
    on_progress : callable, optional
        Gets the number of windows of each chunk.

    Returns
    -------
    SamplesRecord
        The record of ``scan --samples --json``.
    """
    began = time.perf_counter()
    scans, names = samples.scans, samples.names
    one = scans[0]
    sizes = {chrom: one.genome.chromsizes[chrom] for chrom in one.reach}
    check_names_in_text(outputs.sites, sizes)
    longest = max(one.genome.chromsizes.values(), default=0)
    with open_folder(outputs.folder, outputs.names(names), outputs.force) as folder, ExitStack() as files:

        def open_text(name: str, preset: Preset | None = "bed") -> TextIO:
            return files.enter_context(open_output(folder / name, preset=preset, longest=longest))

        def add_to(name: str) -> AddSpans:
            return files.enter_context(open_track_output(folder / name, sizes, digits=outputs.track_digits))

        sinks: list[list[Sink]] = []
        for name, scan in zip(names, scans, strict=True):
            own = header(scan.inputs, scan.threshold, scan.stride, outputs.command) if outputs.comments else None
            track = outputs.track_of(name)
            hits = open_text(outputs.hits(name), index_preset(outputs.format, has_names=outputs.comments))
            sinks.append([hit_sink(hits, outputs.format, scan, own, HitTable(scan)), Counter(scan)])
            if track is not None and outputs.track == "bedgraph":
                sinks[-1].append(TrackFile(add_to(track), scan))
        sites_file = open_text(outputs.sites)
        if outputs.comments:
            several = f"of {format_count(len(names), 'sample')}"
            sites_file.write(header(one.inputs, one.threshold, one.stride, outputs.command, several))
            sites_file.write("#" + "\t".join((*SITE_COLUMNS, *names)) + "\n")
        spool = files.enter_context(TrackSpool(folder, scans)) if outputs.track == "bw" else None
        scored = feed_together(scans, score_together(scans) if chunks is None else chunks, sinks)
        count = 0
        for chrom, sites in call_sites(scans, _passed_on(scored, spool, on_progress)):
            write_sites(sites_file, chrom, sites, one.threshold.value)
            count += len(sites.start)
        found = [finish_sinks(of_sample) for of_sample in sinks]
        sites_file.flush()
        if spool is not None:
            tracks = [folder / f"{name}.bw" for name in names]
            spool.write(tracks, sizes, one.inputs.threads, outputs.track_digits)
    seconds = time.perf_counter() - began
    records: dict[str, SampleRecord] = {}
    for sample, scan, keys, of_sample in zip(samples.samples, scans, found, sinks, strict=True):
        for sink in of_sample:
            scan.inputs.cautions.take(sink.cautions())
        depth, track = scan.inputs.depth, outputs.track_of(sample.name)
        records[sample.name] = {
            **scan_record(scan, keys, {"samples": table}, outputs.command, seconds),
            "group": sample.group,
            "depth": None if depth is None else depth.to_dict(),
            "files": {
                "hits": str(outputs.folder / outputs.hits(sample.name)),
                "track": None if track is None else str(outputs.folder / track),
            },
        }
    return {
        "jundscan": __version__,
        "command": outputs.command,
        "samples": records,
        "sites": count,
        "sites_file": str(outputs.folder / outputs.sites),
        "seconds": seconds,
    }


def write_sites(stream: TextIO, chrom: str, sites: Sites, threshold: float) -> None:
    """Write one line per site: the columns of :data:`SITE_COLUMNS`, then the best probability of each sample."""
    bests = [format_probabilities(of_sample) for of_sample in sites.best.T]
    columns = (sites.start, sites.end, sites.summit, sites.count_samples(threshold))
    rows = zip(*(column.tolist() for column in columns), *bests, strict=True)
    stream.writelines(["\t".join(map(str, (chrom, *row))) + "\n" for row in rows])


def _passed_on(
    chunks: Iterable[tuple[ScoredWindows, ...]], spool: TrackSpool | None, on_progress: Callable[[int], None] | None
) -> Iterator[tuple[ScoredWindows, ...]]:
    for together in chunks:
        if spool is not None:
            spool.add(together)
        yield together
        if on_progress is not None:
            on_progress(together[0].tried)


class TrackSpool:
    """Probabilities of all samples in files, until bigWigs are written of them a few at a time.

    Each bigWig that is open holds spans and indexes. As many at once as there are samples would fill the memory.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files are.
    scans : sequence of Scan
    """

    def __init__(self, folder: Path, scans: Sequence[Scan]) -> None:
        self._scan = scans[0]
        self._paths = [folder / f"{number}.spool" for number in range(len(scans))]
        self._positions = folder / "positions.spool"
        self._pieces: list[tuple[str, int]] = []
        self._files = ExitStack()
        self._streams: list[BinaryIO] = []

    def __enter__(self) -> TrackSpool:
        with write_errors(self._positions):
            self._streams = [self._files.enter_context(path.open("wb")) for path in (self._positions, *self._paths)]
        return self

    def __exit__(self, *exc: object) -> None:
        self._files.close()

    def add(self, chunks: Sequence[ScoredWindows]) -> None:
        """Add the windows of a chunk of every sample."""
        starts, ends, some = spans_of_windows(self._scan, chunks[0])
        self._pieces.append((chunks[0].chrom, len(starts)))
        positions, *values = self._streams
        with write_errors(self._positions):
            positions.write(np.concatenate((starts, ends)).tobytes())
            for stream, chunk in zip(values, chunks, strict=True):
                stream.write(chunk.probabilities[some].tobytes())

    def write(self, paths: Sequence[Path], sizes: dict[str, int], threads: int, digits: int | None) -> None:
        """Write the bigWig of each sample, with ``digits`` decimals."""
        with write_errors(self._positions):
            self._files.close()

        def write_one(item: tuple[Path, Path]) -> None:
            spooled, path = item
            with (
                open_track_output(path, sizes, digits=digits) as add,
                self._positions.open("rb") as positions,
                spooled.open("rb") as values,
            ):
                for chrom, count in self._pieces:
                    starts, ends = np.fromfile(positions, np.int64, 2 * count).reshape(2, count)
                    add(chrom, starts, ends, np.fromfile(values, np.float32, count))
            spooled.unlink()

        with closing(in_order(write_one, zip(self._paths, paths, strict=True), threads)) as written:
            for _ in written:
                pass
