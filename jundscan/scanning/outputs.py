"""Where a scan's windows go: hits or a table, a track, and the comparison with known peaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from jundscan._version import __version__
from jundscan.dna.windows import track_spans
from jundscan.io.aliases import check_names_in_text
from jundscan.io.bigwig import AddSpans
from jundscan.io.outputs import check_output, check_track_output, open_output, open_track_output
from jundscan.model.thresholds import false_positive_rates
from jundscan.options import Format
from jundscan.run.record import scan_record
from jundscan.scanning.checks import judge
from jundscan.scanning.hits import Hits
from jundscan.scanning.lines import HITS_HEADER, WINDOWS_HEADER, write_hit_table, write_hits, write_windows_tsv
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import Scored, call_hits, score, worth

_COLUMNS = {"tsv": WINDOWS_HEADER, "table": HITS_HEADER}


@dataclass(frozen=True)
class Outputs:
    """Files that a scan writes.

    Attributes
    ----------
    hits : str
        ``-`` is stdout.
    format : {"bed", "narrowPeak", "table", "tsv"}
        ``table`` holds hits with all that is known of them, ``tsv`` one line per scored window instead of hits.
    track : pathlib.Path, optional
        The probability of every scored window, bedGraph or bigWig.
    truth : pathlib.Path, optional
        Known peaks to compare with.
    accuracy_track : pathlib.Path, optional
        Weighted accuracy in bins of 10 kb; needs ``truth``.
    force : bool
        Replace files that exist.
    truth_exclude : pathlib.Path, optional
        Regions to leave out of the comparison; needs ``truth``.
    truth_regions : sequence of str
        Regions or BED files that the comparison is restricted to; needs ``truth``.
    comments : bool
        Whether hits or windows begin with lines that say where they come from.
    command : str, optional
        The command line, for those lines and the record.
    report : pathlib.Path, optional
        A page for the browser, see :mod:`jundscan.report`.
    """

    hits: str = "-"
    format: Format = "bed"
    track: Path | None = None
    truth: Path | None = None
    accuracy_track: Path | None = None
    force: bool = False
    truth_exclude: Path | None = None
    truth_regions: Sequence[str] = ()
    comments: bool = True
    command: str | None = None
    report: Path | None = None

    @property
    def only_hits(self) -> bool:
        """Whether nothing is asked for that windows below the threshold are needed for."""
        every_window = (self.track, self.truth, self.report)
        return self.format != "tsv" and every_window == (None, None, None)

    def check(self) -> None:
        """Find out before any work whether everything can be written.

        Raises
        ------
        OutputError
            When a file exists, its folder does not, a track's name does not tell its format, or what compresses a
            ``.gz`` is not installed.
        """
        check_output(self.hits, self.force, indexed=True)
        for track in (self.track, self.accuracy_track):
            if track is not None:
                check_track_output(track, self.force)
        if self.report is not None:
            from jundscan.report.render import check_report

            check_report(self.report, self.force)


def header(scan: Scan, command: str | None = None) -> str:
    """Say in ``#`` lines where an output comes from: version, model, inputs, threshold and its rule, command line."""
    model = scan.model
    accessibility = "none" if scan.track is None else scan.track.path.name
    lines = [
        f"jundscan {__version__}, model {model.metadata.name} {model.metadata.version} sha256 {model.sha256}",
        f"genome {scan.genome.path.name}, accessibility {accessibility}, stride {scan.stride}, "
        f"threshold {scan.threshold.value:.6g} ({scan.threshold.rule})",
    ]
    if command is not None:
        lines.append(f"command: {command}")
    return "".join(f"# {_printable(line)}\n" for line in lines)


def _printable(text: str) -> str:
    """Keep a file's name from breaking the line or the encoding."""
    return text.replace("\n", "\\n").replace("\r", "\\r").encode(errors="backslashreplace").decode()


def write_scan(
    scan: Scan,
    outputs: Outputs,
    on_progress: Callable[[int], None] = lambda windows: None,
    scoring: Callable[[Scan], Iterable[Scored]] = score,
) -> dict[str, Any]:
    """Run a scan and write everything asked for.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    outputs : Outputs
    on_progress : callable
        Told the number of windows after each portion.
    scoring : callable
        What scores the windows: :func:`jundscan.scanning.score.score`, or its like on other machines.

    Returns
    -------
    dict
        The keys of ``scan --json``.
    """
    began = time.perf_counter()
    in_reach = dict.fromkeys(span.chrom for span in scan.spans)
    check_names_in_text(outputs.hits, in_reach)
    found = 0
    accuracy = collected = None
    with ExitStack() as stack:
        if outputs.truth is not None:
            from jundscan.evaluation.scan_accuracy import Accuracy

            accuracy = Accuracy(
                outputs.truth,
                scan.genome.chromsizes,
                scan.threshold.value,
                exclude=outputs.truth_exclude,
                regions=outputs.truth_regions,
            )
        if outputs.report is not None:
            from jundscan.report.collect import Collector

            collected = Collector(scan)
        # hits first: they get their name last, and not at all when a track cannot be finished
        longest = max(scan.genome.chromsizes.values(), default=0)
        stream = stack.enter_context(open_output(outputs.hits, outputs.force, "bed", longest))
        sizes = {chrom: scan.genome.chromsizes[chrom] for chrom in in_reach}
        add_spans = _open_track(sizes, outputs.track, outputs.force, stack)
        add_accuracy = _open_track(sizes, outputs.accuracy_track, outputs.force, stack)
        if outputs.comments:
            stream.write(header(scan, outputs.command) + _COLUMNS.get(outputs.format, ""))

        def passing() -> Iterator[Scored]:
            for scored in scoring(scan):
                if add_spans is not None:
                    length = scan.genome.chromsizes[scored.chrom]
                    starts, ends = track_spans(scored.starts, length, scan.stride, scan.reach[scored.chrom])
                    some = starts < ends  # an empty span is no line of a track
                    add_spans(scored.chrom, starts[some], ends[some], scored.probabilities[some])
                if accuracy is not None:
                    accuracy.add(scored)
                if collected is not None:
                    collected.add(scored)
                if outputs.format == "tsv":
                    write_windows_tsv(stream, scored.chrom, scored.starts, scored.probabilities)
                on_progress(scored.tried)
                yield scored

        for chrom, hits in call_hits(scan, passing()):
            _write_hits(stream, outputs.format, scan, chrom, hits, found + 1)
            if accuracy is not None:
                accuracy.add_hits(chrom, hits)
            if collected is not None:
                collected.add_hits(chrom, hits)
            found += len(hits.start)
        scan.timings["scanning"] = time.perf_counter() - began
        if accuracy is not None and add_accuracy is not None:
            accuracy.write_track(add_accuracy)
        stream.flush()  # a full disk shows before any file has its name
        report = None if accuracy is None else accuracy.report()
    judge(scan)
    if not scan.windows_called:
        reason = "no window reaches the threshold" if scan.windows_scored else "no window could be scored"
        scan.cautions.add("no_hits", f"0 hits: {reason}")
    scan.cautions.take(() if accuracy is None else accuracy.cautions())
    seconds = time.perf_counter() - began
    scan.timings["finishing"] = seconds - scan.timings["scanning"]
    inputs = {"truth": outputs.truth, "truth_exclude": outputs.truth_exclude}
    record = scan_record(scan, inputs=inputs, command=outputs.command, hits=found, seconds=seconds, accuracy=report)
    if collected is not None and outputs.report is not None:
        from jundscan.report.scan_page import write_scan_report

        known = None if accuracy is None else accuracy.known
        write_scan_report(outputs.report, scan, collected, record, known, outputs.force)
    return record


def _write_hits(stream: TextIO, form: Format, scan: Scan, chrom: str, hits: Hits, first: int) -> None:
    """Write the next hits in the form chosen; nothing where windows are written instead."""
    if form == "narrowPeak":
        rates = false_positive_rates(scan.model.metadata.table(scan.track is not None), hits.best)
        write_hits(stream, form, chrom, hits, first, rates)
    elif form == "table":
        write_hit_table(stream, chrom, hits, first, *worth(scan, chrom, hits.best, hits.summit))
    elif form == "bed":
        write_hits(stream, form, chrom, hits, first)


def _open_track(sizes: Mapping[str, int], path: Path | None, force: bool, stack: ExitStack) -> AddSpans | None:
    return None if path is None else stack.enter_context(open_track_output(path, sizes, force))
