"""Where a scan's windows go: hits or a table, a track, and the comparison with known peaks; and its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jundscan._version import __version__
from jundscan.bigwig import AddSpans
from jundscan.choices import Format
from jundscan.plan import Scan
from jundscan.scan import Scored, call_hits, score
from jundscan.windows import track_spans
from jundscan.writers import (
    WINDOWS_HEADER,
    check_output,
    check_track_output,
    open_output,
    open_track_output,
    write_hits,
    write_windows_tsv,
)


@dataclass(frozen=True)
class Outputs:
    """Files that a scan writes.

    Attributes
    ----------
    hits : str
        ``-`` is stdout.
    format : {"bed", "narrowPeak", "tsv"}
        ``tsv`` is one line per scored window instead of hits.
    track : pathlib.Path, optional
        The probability of every scored window, bedGraph or bigWig.
    truth : pathlib.Path, optional
        Known peaks to compare with.
    accuracy_track : pathlib.Path, optional
        Weighted accuracy in bins of 10 kb; needs ``truth``.
    force : bool
        Replace files that exist.
    """

    hits: str = "-"
    format: Format = "bed"
    track: Path | None = None
    truth: Path | None = None
    accuracy_track: Path | None = None
    force: bool = False

    def check(self) -> None:
        """Find out before any work whether everything can be written.

        Raises
        ------
        OutputError
            When a file exists, its folder does not, or a track's name does not tell its format.
        """
        check_output(self.hits, self.force)
        for track in (self.track, self.accuracy_track):
            if track is not None:
                check_track_output(track, self.force)


def header(scan: Scan) -> str:
    """Say in ``#`` lines where an output comes from."""
    model = scan.model
    accessibility = "none" if scan.track is None else scan.track.path.name
    return (
        f"# jundscan {__version__}, model {model.metadata.name} {model.metadata.version} sha256 {model.sha256}\n"
        f"# genome {scan.genome.path.name}, accessibility {accessibility}, stride {scan.stride}, "
        f"threshold {scan.threshold.value:.6g} ({scan.threshold.rule})\n"
    )


def write_scan(scan: Scan, outputs: Outputs, tell: Callable[[int], None] = lambda windows: None) -> dict[str, Any]:
    """Run a scan and write everything asked for.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scan.prepare`.
    outputs : Outputs
    tell : callable
        Told the number of windows after each portion.

    Returns
    -------
    dict
        The keys of ``scan --json``.
    """
    began = time.perf_counter()
    found = 0
    accuracy = None
    with ExitStack() as stack:
        if outputs.truth is not None:
            from jundscan.accuracy import Accuracy

            accuracy = Accuracy(outputs.truth, scan.genome.chromsizes, scan.threshold.value)
        # hits first: they get their name last, and not at all when a track cannot be finished
        stream = stack.enter_context(open_output(outputs.hits, outputs.force))
        add_spans = _open_track(scan, outputs.track, outputs.force, stack)
        add_accuracy = _open_track(scan, outputs.accuracy_track, outputs.force, stack)
        stream.write(header(scan))

        def passing() -> Iterator[Scored]:
            for scored in score(scan):
                if add_spans is not None:
                    length = scan.genome.chromsizes[scored.chrom]
                    add_spans(scored.chrom, *track_spans(scored.starts, length, scan.stride), scored.probabilities)
                if accuracy is not None:
                    accuracy.add(scored)
                if outputs.format == "tsv":
                    write_windows_tsv(stream, scored.chrom, scored.starts, scored.probabilities)
                tell(scored.tried)
                yield scored

        if outputs.format == "tsv":
            stream.write(WINDOWS_HEADER)
        for chrom, hits in call_hits(scan, passing()):
            if outputs.format != "tsv":
                write_hits(stream, outputs.format, chrom, hits, first=found + 1)
            found += len(hits.start)
        if accuracy is not None and add_accuracy is not None:
            accuracy.write_track(add_accuracy)
        report = None if accuracy is None else accuracy.report()
    seconds = time.perf_counter() - began
    return _record(scan, found, seconds, report)


def _open_track(scan: Scan, path: Path | None, force: bool, stack: ExitStack) -> AddSpans | None:
    return None if path is None else stack.enter_context(open_track_output(path, scan.genome.chromsizes, force))


def _record(scan: Scan, hits: int, seconds: float, accuracy: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "jundscan": __version__,
        "genome": str(scan.genome.path),
        "windows_scored": scan.windows_scored,
        "windows_skipped": scan.windows_skipped,
        "hits": hits,
        "bases_scanned": scan.bases_scanned,
        "seconds": seconds,
        "bases_per_second": scan.bases_scanned / seconds,
        "threshold": scan.threshold.value,
        "threshold_rule": scan.threshold.rule,
        "stride": scan.stride,
        "accessibility": None if scan.track is None else str(scan.track.path),
        "accessibility_scale": None if scan.track is None else scan.scale.to_dict(),
        "model": scan.model.identity(),
        "provider": scan.model.provider,
        "threads": scan.threads,
        "accuracy": accuracy,
    }
