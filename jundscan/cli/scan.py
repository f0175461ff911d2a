"""``jundscan scan``: a genome and a track in, hits and tracks out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jundscan.choices import DEFAULT_STRIDE, BedValue, Format, Wish
from jundscan.cli.common import (
    DeviceOption,
    JsonOption,
    ModelOption,
    NoAccessibilityOption,
    ScaleOption,
    ThreadsOption,
    command_line,
    fraction,
    start_log,
    write_json,
)

if TYPE_CHECKING:
    from jundscan.plan import Scan

MOST_STRIDE = 1_000_000_000

log = logging.getLogger("jundscan")


def scan(
    context: typer.Context,
    genome: Annotated[
        Path, typer.Argument(help="FASTA, plain, gzip or bgzip; - is standard input.", show_default=False)
    ],
    accessibility: Annotated[
        Path | None,
        typer.Option(
            help="Chromatin accessibility: bigWig, bedGraph, narrowPeak, broadPeak or BED, gzipped or not.",
            show_default=False,
        ),
    ] = None,
    bed_value: Annotated[
        BedValue,
        typer.Option(help="What an interval of a BED track counts as: its score (column 5, else 1), or always 1."),
    ] = "score",
    no_accessibility: NoAccessibilityOption = False,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="Where the hits go; - is stdout, .gz is bgzipped with a tabix index beside."
        ),
    ] = "-",
    output_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="bed and narrowPeak hold hits (narrowPeak appears only when the scan is done: its q values rank all "
            "windows), tsv one line per scored window.",
        ),
    ] = "bed",
    no_header: Annotated[
        bool, typer.Option("--no-header", help="Leave out the lines with # that say where the output comes from.")
    ] = False,
    track: Annotated[
        Path | None,
        typer.Option(
            help="Write the probability of every scored window: .bw, .bedgraph or .bedgraph.gz.",
            show_default=False,
        ),
    ] = None,
    stride: Annotated[int, typer.Option(min=1, max=MOST_STRIDE, help="Bases between window starts.")] = DEFAULT_STRIDE,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Windows at or above it are hits. [default: the model's rule, see jundscan info]",
            show_default=False,
        ),
    ] = None,
    fpr: Annotated[
        float | None,
        typer.Option(help="Choose the threshold by the share of unbound windows called.", show_default=False),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Choose it by the share of called windows that are bound.", show_default=False),
    ] = None,
    recall: Annotated[
        float | None, typer.Option(help="Choose it by the share of bound windows called.", show_default=False)
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="Scan only chrom or chrom:start-end (0-based, half-open); may be repeated.",
            show_default=False,
        ),
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="Scan only the regions of a BED file.", show_default=False)
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(help="Score no window that touches a region of this BED file.", show_default=False),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Known peaks (BED, narrowPeak): report how the scan compares.", show_default=False),
    ] = None,
    truth_exclude: Annotated[
        Path | None,
        typer.Option(
            help="With --truth: leave what touches a region of this BED file out of the comparison, such as regions "
            "that the model was trained on.",
            show_default=False,
        ),
    ] = None,
    accuracy_track: Annotated[
        Path | None,
        typer.Option(help="With --truth: weighted accuracy in bins of 10 kb, as a track.", show_default=False),
    ] = None,
    accessibility_scale: ScaleOption = None,
    allow_length_mismatch: Annotated[
        bool,
        typer.Option(help="Accept a track whose header gives other chromosome lengths, for partial genomes."),
    ] = False,
    alias: Annotated[
        Path | None,
        typer.Option(
            help="Other names of the chromosomes in any of the files: UCSC's chromAlias.txt, or two columns.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    model: ModelOption = None,
    json_target: JsonOption = None,
    force: Annotated[bool, typer.Option(help="Replace output files that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors only.")] = False,
) -> None:
    """Find where JUND binds in a genome.

    Example: jundscan scan genome.fa --accessibility dnase.narrowPeak -o hits.bed
    """
    from jundscan.accessibility import given_scale
    from jundscan.model import load_model
    from jundscan.outputs import Outputs, write_scan
    from jundscan.plan import prepare
    from jundscan.writers import check_output

    wishes: dict[Wish, float | None] = {
        "threshold": threshold,
        "fpr": fpr,
        "precision": precision,
        "recall": recall,
    }
    given = {wish: value for wish, value in wishes.items() if value is not None}
    _check_usage(given, accessibility, no_accessibility, accessibility_scale, truth, truth_exclude, accuracy_track)
    inputs = (genome, accessibility, accessibility_scale, regions, exclude, truth, truth_exclude, alias, model)
    _check_files(
        {"--output": output, "--track": track, "--accuracy-track": accuracy_track, "--json": json_target}, inputs
    )
    start_log(quiet)
    outputs = Outputs(
        output,
        output_format,
        track,
        truth,
        accuracy_track,
        force,
        truth_exclude=truth_exclude,
        comments=not no_header,
        command=command_line(context),
    )
    outputs.check()
    if json_target is not None:
        check_output(json_target, force)
    if accessibility is None and not no_accessibility:
        log.info("no --accessibility: scoring on sequence alone, which is much less accurate")
    scale = given_scale(accessibility_scale)

    wish, value = next(iter(given.items()), (None, None))
    with prepare(
        genome,
        accessibility,
        model=load_model(model, device),
        stride=stride,
        wish=wish,
        value=value,
        regions=region or (),
        regions_file=regions,
        exclude=exclude,
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        threads=threads,
    ) as ready:
        chosen = ready.threshold
        log.info("threshold %.4g: %s; %s", chosen.value, chosen.rule, chosen.expectation())
        with _progress(ready, quiet) as tell:
            record = write_scan(ready, outputs, tell)
    if json_target is not None:
        write_json(record, json_target, force)
    if record["accuracy"] is not None:
        _say_accuracy(record["accuracy"])
    if not record["hits"]:
        reason = "no window reaches the threshold" if record["windows_scored"] else "no window could be scored"
        log.warning("0 hits: %s", reason)
    log.info(
        "%s hits in %s windows (%s skipped for unknown letters), %.1f Mb in %.1f s on %s",
        format(record["hits"], ","),
        format(record["windows_scored"], ","),
        format(record["windows_skipped"], ","),
        record["bases_scanned"] / 1e6,
        record["seconds"],
        record["provider"],
    )


def _say_accuracy(accuracy: dict[str, Any]) -> None:
    """Summarise the comparison with known peaks, what it was made on first."""
    peaks, excluded = accuracy["peaks"], accuracy["excluded"]
    if excluded is not None:
        log.info(
            "left out of the comparison: %s windows, %s peaks, %s hits",
            *(format(excluded[what], ",") for what in ("windows", "peaks", "hits")),
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


def _check_usage(
    given: dict[Wish, float],
    accessibility: Path | None,
    no_accessibility: bool,
    accessibility_scale: str | None,
    truth: Path | None,
    truth_exclude: Path | None,
    accuracy_track: Path | None,
) -> None:
    if len(given) > 1:
        options = ", ".join(f"--{wish}" for wish in given)
        raise typer.BadParameter(f"{options} exclude each other; give one", param_hint=f"--{next(iter(given))}")
    for wish, value in given.items():
        fraction(value, f"--{wish}")
    if accessibility is not None and no_accessibility:
        raise typer.BadParameter("contradicts --accessibility; give one", param_hint="--no-accessibility")
    if accessibility_scale is not None and accessibility is None:
        raise typer.BadParameter("has nothing to map without --accessibility", param_hint="--accessibility-scale")
    for option, path in (("--accuracy-track", accuracy_track), ("--truth-exclude", truth_exclude)):
        if path is not None and truth is None:
            raise typer.BadParameter("needs --truth", param_hint=option)


def _check_files(outputs: dict[str, Path | str | None], inputs: Iterable[Path | str | None]) -> None:
    """Refuse two outputs in one place, and an output in the place of an input."""
    read = {os.path.realpath(path) for path in inputs if path is not None}
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None or str(path) == os.devnull:
            continue
        place = "stdout" if str(path) == "-" else os.path.realpath(path)
        if place in written:
            raise typer.BadParameter(f"{written[place]} writes to {place} too; name another file", param_hint=option)
        if place in read and Path(place).is_file():
            raise typer.BadParameter(f"{path} is an input of this scan; name another file", param_hint=option)
        written[place] = option


@contextmanager
def _progress(ready: Scan, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda windows: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scanning", total=ready.windows)
        yield lambda windows: bar.advance(task, windows)
