"""``jundscan scan``: a genome and a track in, hits and tracks out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import OUTPUTS, PEAKS, examples
from jundscan.cli.samples import check_usage, scan_samples
from jundscan.errors import InputError, format_bases, format_count, format_seconds
from jundscan.options import (
    DEFAULT_STRIDE,
    DEFAULT_TRACK_DIGITS,
    Format,
    FormatChoice,
    delimiter,
    hit_format,
    is_odd_ending,
)

if TYPE_CHECKING:
    from jundscan.io.bgzip import Preset
    from jundscan.io.bigwig import AddSpans
    from jundscan.samples.table import Sample
    from jundscan.scanning.outputs import Sink
    from jundscan.scanning.plan import Scan
    from jundscan.scanning.score import ScoredWindows
    from jundscan.schemas.records import AccuracyRecord, ScanRecord

log = logging.getLogger("jundscan")

_CONTENTS: dict[Format, str] = {
    "bed": "a BED of hits",
    "narrowPeak": "a narrowPeak of hits",
    "table": "the table of hits",
    "windows": "a tab-separated line per window",
}


EXAMPLES = examples(
    "jundscan scan genome.fa > hits.bed",
    "jundscan scan genome.fa --accessibility dnase.bw -o hits.bed --track score.bw",
    "jundscan scan genome.fa --samples samples.tsv --out-dir scans",
    "jundscan scan genome.fa --region chr22:16000000-22000000 --fpr 0.001",
)


def scan(
    context: typer.Context,
    genome: options.GenomeArgument,
    accessibility: options.AccessibilityOption = None,
    samples: options.SamplesOption = None,
    no_accessibility: options.NoAccessibilityOption = False,
    accessibility_scale: options.ScaleOption = None,
    bed_value: options.BedValueOption = "score",
    reads: options.ReadsOption = None,
    min_mapq: options.MinMapqOption = None,
    missing_chromosomes: options.MissingChromosomesOption = None,
    allow_length_mismatch: options.LengthMismatchOption = False,
    allow_shallow: options.AllowShallowOption = False,
    alias: options.AliasOption = None,
    genes: options.GenesOption = None,
    model: options.ModelOption = None,
    region: options.RegionOption = None,
    regions: options.RegionsOption = None,
    exclude: options.ExcludeOption = None,
    stride: options.StrideOption = DEFAULT_STRIDE,
    threshold: options.ThresholdOption = None,
    fpr: options.FprOption = None,
    precision: options.PrecisionOption = None,
    recall: options.RecallOption = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Hits: .bed, .narrowPeak, .tsv or .csv, also .gz. Default: stdout.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = "-",
    output_format: Annotated[
        FormatChoice | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="bed, narrowPeak, table (of hits) or windows. Default: by the ending.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    no_header: options.NoHeaderOption = False,
    track: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Probability of each window: .bw or .bedgraph. With --samples: bw or bedgraph.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    track_digits: options.TrackDigitsOption = str(DEFAULT_TRACK_DIGITS),
    out_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --samples: folder for the files of each sample.",
            show_default=False,
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    compress: Annotated[
        bool,
        typer.Option("--compress", help="With --samples: text as .gz, with indexes.", rich_help_panel=OUTPUTS),
    ] = False,
    report: options.ReportOption = None,
    json_target: options.JsonOption = None,
    force: options.ForceOption = False,
    quiet: options.QuietOption = False,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="BED", help="Known peaks, BED or narrowPeak.", rich_help_panel=PEAKS, **options.INPUT),
    ] = None,
    truth_exclude: Annotated[
        Path | None,
        typer.Option(
            metavar="BED", help="Leave out what touches these regions.", rich_help_panel=PEAKS, **options.INPUT
        ),
    ] = None,
    truth_region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION|BED",
            help="Compare only here. May be repeated.",
            show_default=False,
            rich_help_panel=PEAKS,
        ),
    ] = None,
    accuracy_track: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weighted accuracy in bins of 10 kb.",
            show_default=False,
            rich_help_panel=PEAKS,
        ),
    ] = None,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    backend: options.BackendOption = "local",
    scheduler: options.SchedulerOption = None,
) -> None:
    """Find where the model's factor binds in a genome."""
    from jundscan.accessibility.scale import resolve_scale
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model
    from jundscan.scanning.plan import open_scan
    from jundscan.scanning.score import score_together

    rule = options.threshold_rule(threshold, fpr, precision, recall)
    options.check_accessibility(accessibility, no_accessibility, accessibility_scale, samples)
    digits = options.track_digits(track_digits)
    if track is None and digits != DEFAULT_TRACK_DIGITS:
        raise typer.BadParameter("has no track to write without --track", param_hint="--track-digits")
    _check_usage(truth, truth_exclude, truth_region, accuracy_track)
    form = _hit_format(output, output_format)
    source = context.get_parameter_source("output")
    track_format = check_usage(
        samples,
        {"--output": source is not None and source.name != "DEFAULT", "--report": report, "--truth": truth},
        {"--out-dir": out_dir, "--compress": compress, "--allow-shallow": allow_shallow},
        track,
    )
    inputs = (
        *(genome, accessibility, accessibility_scale, regions, exclude, truth, truth_exclude, alias, genes, model),
        *(truth_region or ()),
    )
    listed: list[Sample] = []
    tracks = [accessibility]
    if samples is not None:
        from jundscan.samples.table import read_samples, sample_files

        terminal.start_log(quiet)
        listed = read_samples(samples)
        tracks += sample_files(listed)
    options.check_reads(tracks, reads, min_mapq)
    options.check_backend(backend, scheduler, tracks)
    opening: dict[str, Any] = {
        "stride": stride,
        "threshold_rule": rule,
        "regions": region or (),
        "regions_file": regions,
        "exclude": exclude,
        "scale": resolve_scale(accessibility_scale),
        "allow_length_mismatch": allow_length_mismatch,
        "alias": alias,
        "bed_value": bed_value,
        "missing_chromosomes": missing_chromosomes,
        "reads": reads,
        "min_mapq": min_mapq,
        "genes": genes,
        "threads": threads if scheduler is None else threads or 1,
    }
    command = terminal.command_line(context)
    if samples is not None and out_dir is not None:
        from jundscan.samples.outputs import SampleOutputs

        scan_samples(
            genome,
            samples,
            listed,
            SampleOutputs(out_dir, form, track_format, compress, force, not no_header, command, digits),
            {**opening, "allow_shallow": allow_shallow},
            inputs,
            model=model,
            device=device,
            scheduler=scheduler,
            json_target=json_target,
            quiet=quiet,
        )
        return
    options.check_files(
        {
            "--output": output,
            "--track": track,
            "--accuracy-track": accuracy_track,
            "--json": json_target,
            "--report": report,
        },
        inputs,
    )
    terminal.start_log(quiet)
    if is_odd_ending(output, form):
        log.info("%s: holds %s, as --format says, whatever its ending promises", output, _CONTENTS[form])
    outputs = Outputs(
        output,
        form,
        track,
        truth,
        accuracy_track,
        force,
        truth_exclude=truth_exclude,
        truth_regions=truth_region or (),
        comments=not no_header,
        command=command,
        report=report,
        track_digits=digits,
    )
    outputs.check()
    if json_target is not None:
        check_output(json_target, force)
    terminal.log_accessibility(accessibility, no_accessibility)
    if scheduler is not None:
        from jundscan.cluster.client import on_cluster

    with (
        nullcontext(score_together) if scheduler is None else on_cluster(scheduler, not outputs.only_hits) as scoring,
        open_scan(genome, accessibility, model=load_model(model, device), **opening) as ready,
    ):
        terminal.log_threshold(ready.threshold, ready.stride)
        if scheduler is None:
            terminal.log_provider(ready.model, device)
        with terminal.progress("scanning", ready.windows, quiet, (output, track, accuracy_track)) as on_progress:
            record = write_scan(ready, outputs, (chunk for (chunk,) in scoring([ready])), on_progress)
    if json_target is not None:
        terminal.write_json(record, json_target, force)
    terminal.log_written(output, track, accuracy_track, json_target, report)
    if record["accuracy"] is not None:
        _log_accuracy(record["accuracy"])
    log.info(
        "%s in %s (%s skipped for unknown letters), %s in %s on %s",
        format_count(record["hits"], "hit"),
        format_count(record["windows_scored"], "window"),
        format(record["windows_skipped"], ","),
        format_bases(record["bases_scanned"]),
        format_seconds(record["seconds"]),
        record["provider"],
    )


@dataclass(frozen=True)
class Outputs:
    """Files that a scan writes; the command line describes each option.

    ``comments`` is whether hits or windows begin with lines that name their inputs, and ``command`` the command line
    for these lines and the record.
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
    track_digits: int | None = DEFAULT_TRACK_DIGITS

    @property
    def only_hits(self) -> bool:
        """Whether no output needs the windows below the threshold."""
        return self.format != "windows" and (self.track, self.truth, self.report) == (None, None, None)

    @property
    def preset(self) -> Preset | None:
        """Columns that the index of a compressed file of hits is made of; None for a file that gets no index."""
        from jundscan.scanning.outputs import index_preset

        return index_preset(self.format, delimiter(self.hits), self.comments)

    def check(self) -> None:
        """Check before any work that every file can be written.

        Raises
        ------
        OutputError
            When a file exists, its folder does not, a track's ending names no format, or the software that compresses
            a ``.gz`` is not installed.
        """
        from jundscan.io.outputs import check_output, check_track_output

        check_output(self.hits, self.force, indexed=self.preset is not None)
        for track in (self.track, self.accuracy_track):
            if track is not None:
                check_track_output(track, self.force)
        if self.report is not None:
            from jundscan.report.render import check_report

            check_report(self.report, self.force)


def write_scan(
    scan: Scan,
    outputs: Outputs,
    chunks: Iterable[ScoredWindows] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ScanRecord:
    """Run a scan, hand its windows and hits to the sinks listed here, and return the record of the run.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    outputs : Outputs
    chunks : iterable of ScoredWindows, optional
        Scored windows of a cluster; by default this machine scores them.
    on_progress : callable, optional
        Gets the number of windows of each chunk.

    Returns
    -------
    ScanRecord
        The record of ``scan --json``.
    """
    from jundscan.io.aliases import check_names_in_text
    from jundscan.io.outputs import open_output, open_track_output
    from jundscan.run.record import header
    from jundscan.scanning.hit_table import HitTable
    from jundscan.scanning.outputs import Counter, Progress, TrackFile, hit_sink, run_scan, scan_record
    from jundscan.scanning.score import score

    began = time.perf_counter()
    genome_sizes, force = scan.genome.chromsizes, outputs.force
    sizes = {chrom: genome_sizes[chrom] for chrom in scan.reach}
    check_names_in_text(outputs.hits, sizes)
    about = header(scan.inputs, scan.threshold, scan.stride, outputs.command) if outputs.comments else None
    accuracy = collector = None
    if outputs.truth is not None:
        from jundscan.evaluation.scan_accuracy import Accuracy

        restricted = (outputs.truth_exclude, outputs.truth_regions)
        accuracy = Accuracy(outputs.truth, genome_sizes, scan.threshold.value, *restricted)
    if outputs.report is not None:
        from jundscan.report.collect import Collector

        collector = Collector(scan)
    table = HitTable(scan, None if accuracy is None else accuracy.on_peaks)
    with ExitStack() as files:

        def open_track(path: Path, digits: int | None = None) -> AddSpans:
            return files.enter_context(open_track_output(path, sizes, force, digits))

        along = outputs.accuracy_track
        # open the file of hits first: it gets its final name last, and none if a track cannot be finished
        longest = max(genome_sizes.values(), default=0)
        hits = files.enter_context(open_output(outputs.hits, force, outputs.preset, longest))
        every_sink: list[Sink | None] = [
            hit_sink(hits, outputs.format, scan, about, table, delimiter(outputs.hits)),
            TrackFile(open_track(outputs.track, outputs.track_digits), scan) if outputs.track else None,
            Counter(scan),
            accuracy,
            accuracy.track_file(open_track(along)) if accuracy and along else None,
            collector,
            Progress(on_progress) if on_progress else None,
        ]
        sinks = [sink for sink in every_sink if sink is not None]
        found = run_scan(scan, score(scan) if chunks is None else chunks, sinks)
    for sink in sinks:
        scan.inputs.cautions.take(sink.cautions())
    inputs = {"truth": outputs.truth, "truth_exclude": outputs.truth_exclude}
    record = scan_record(scan, found, inputs, outputs.command, time.perf_counter() - began)
    if collector is not None and outputs.report is not None:
        from jundscan.report.scan_page import write_scan_report

        known = None if accuracy is None else accuracy.known
        write_scan_report(outputs.report, scan, collector, record, table, known, outputs.force)
    return record


def _log_accuracy(accuracy: AccuracyRecord) -> None:
    """Log a summary of the comparison with known peaks, first what was left out of it."""
    peaks, excluded = accuracy["peaks"], accuracy["excluded"]
    if excluded is not None:
        log.info(
            "left out of the comparison: %s, %s, %s",
            format_count(excluded["windows"], "window"),
            format_count(excluded["peaks"], "peak"),
            format_count(excluded["hits"], "hit"),
        )
    values = [f"{accuracy['positives']:,} of {accuracy['n']:,} bound"] + [
        f"{metric.replace('_', ' ')} {accuracy[metric]:.3f}"
        for metric in ("weighted_accuracy", "auroc", "average_precision", "precision", "recall")
        if accuracy[metric] is not None
    ]
    log.info("windows against known peaks: %s", ", ".join(values))
    distance = ""
    if peaks["summit_distance"] is not None:
        median, (low, high) = peaks["summit_distance"]["median"], peaks["summit_distance"]["quartiles"]
        distance = f"; summits {median:g} bases apart in the median (quartiles {low:g}-{high:g})"
    log.info(
        "peaks: %s of %s known ones hit (%s more not reached by any window), %s of %s hits touch one%s",
        *(format(peaks[what], ",") for what in ("hit", "known", "not_reached", "hits_on_peaks", "hits")),
        distance,
    )


def _hit_format(output: str, given: FormatChoice | None) -> Format:
    try:
        return hit_format(output, given)
    except InputError as err:
        raise typer.BadParameter(str(err), param_hint="--output") from err


def _check_usage(
    truth: Path | None, truth_exclude: Path | None, truth_region: list[str] | None, accuracy_track: Path | None
) -> None:
    needing = {"--accuracy-track": accuracy_track, "--truth-exclude": truth_exclude, "--truth-region": truth_region}
    for option, value in needing.items():
        if value and truth is None:
            raise typer.BadParameter("needs --truth", param_hint=option)
