"""Options that several commands share, and checks of their values. Each check raises a usage error, exit code 2."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from jundscan import options
from jundscan.cli.help_layout import COMPUTING, INPUTS, OUTPUTS, SCOPE, THRESHOLD
from jundscan.errors import InputError
from jundscan.options import (
    DEFAULT_MIN_MAPQ,
    MAX_MAPQ,
    MAX_STRIDE,
    MAX_TRACK_DIGITS,
    Backend,
    BedValue,
    Device,
    MissingChromosomes,
    ReadsAs,
    ThresholdRule,
    is_fraction,
)

INPUT: dict[str, Any] = {"show_default": False, "readable": False}
"""Settings of arguments that name an input. Opening an unreadable file raises the error, which is no usage error."""


def find_models(given: Any) -> Any:
    """Replace names of installed models by their folders, in the value of an option that takes one or several."""
    if not given:
        return given
    from jundscan.model.load import find_model

    return [find_model(each) for each in given] if isinstance(given, list) else find_model(given)


ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        callback=find_models,
        help="Another model: name, file or folder.",
        rich_help_panel=INPUTS,
        **INPUT,
    ),
]
GenomeArgument = Annotated[Path, typer.Argument(help="FASTA, gzipped or not. - is stdin.", **INPUT)]
AccessibilityOption = Annotated[
    Path | None,
    typer.Option(
        metavar="TRACK",
        help="bigWig, bedGraph, BED, narrowPeak, broadPeak, BAM, CRAM or fragments.",
        rich_help_panel=INPUTS,
        **INPUT,
    ),
]
SamplesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="TSV",
        help="Table of many tracks: sample, accessibility, group.",
        rich_help_panel=INPUTS,
        **INPUT,
    ),
]
AllowShallowOption = Annotated[
    bool,
    typer.Option("--allow-shallow", help="Take tracks with few distinct values.", rich_help_panel=INPUTS),
]
NoAccessibilityOption = Annotated[
    bool, typer.Option("--no-accessibility", help="Score on sequence alone.", rich_help_panel=INPUTS)
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        "--accessibility-scale",
        metavar="FILE",
        help="File of `jundscan scale`, or identity. Default: from the whole track.",
        show_default=False,
        rich_help_panel=INPUTS,
    ),
]
BedValueOption = Annotated[
    BedValue,
    typer.Option(metavar="VALUE", help="Value of intervals: score or presence.", rich_help_panel=INPUTS),
]
ReadsOption = Annotated[
    ReadsAs | None,
    typer.Option(
        "--reads",
        metavar="HOW",
        help="What counts of reads: cuts (default) or fragments.",
        show_default=False,
        rich_help_panel=INPUTS,
    ),
]
MinMapqOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        max=MAX_MAPQ,
        help=f"Minimum mapping quality of reads. Default: {DEFAULT_MIN_MAPQ}.",
        show_default=False,
        rich_help_panel=INPUTS,
    ),
]
MissingChromosomesOption = Annotated[
    MissingChromosomes | None,
    typer.Option(
        metavar="HOW",
        help="Chromosomes missing from the track: closed (default), unknown or error.",
        show_default=False,
        rich_help_panel=INPUTS,
    ),
]
LengthMismatchOption = Annotated[
    bool,
    typer.Option("--allow-length-mismatch", help="Accept other chromosome lengths.", rich_help_panel=INPUTS),
]
AliasOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table of other chromosome names.", rich_help_panel=INPUTS, **INPUT),
]
GenesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Genes: GTF, GFF3 or BED.", rich_help_panel=INPUTS, **INPUT),
]
RegionOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REGION",
        help="chrom, chrom:start-end (0-based, half-open), or with --genes GENE or GENE±10kb. May be repeated.",
        show_default=False,
        rich_help_panel=SCOPE,
    ),
]
RegionsOption = Annotated[
    Path | None,
    typer.Option(metavar="BED", help="Only the regions of a BED file.", rich_help_panel=SCOPE, **INPUT),
]
ExcludeOption = Annotated[
    Path | None,
    typer.Option(metavar="BED", help="No window that touches these regions.", rich_help_panel=SCOPE, **INPUT),
]
StrideOption = Annotated[
    int,
    typer.Option(metavar="N", min=1, max=MAX_STRIDE, help="Bases between window starts.", rich_help_panel=SCOPE),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Call windows that score P or more. Default: the rule in `jundscan info`.",
        show_default=False,
        rich_help_panel=THRESHOLD,
    ),
]
FprOption = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Call at most this fraction of unbound windows.",
        show_default=False,
        rich_help_panel=THRESHOLD,
    ),
]
PrecisionOption = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="At least this fraction of called windows is bound.",
        show_default=False,
        rich_help_panel=THRESHOLD,
    ),
]
RecallOption = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Call at least this fraction of bound windows.",
        show_default=False,
        rich_help_panel=THRESHOLD,
    ),
]
JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write a JSON record. - is stdout.",
        show_default=False,
        rich_help_panel=OUTPUTS,
    ),
]
TrackDigitsOption = Annotated[
    str,
    typer.Option(
        "--track-digits",
        metavar="N|exact",
        help=f"Decimals of --track, 1 to {MAX_TRACK_DIGITS}, or exact for all of them.",
        rich_help_panel=OUTPUTS,
    ),
]
NoHeaderOption = Annotated[bool, typer.Option("--no-header", help="Leave out the # lines.", rich_help_panel=OUTPUTS)]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="HTML page of pictures and tables, one file.",
        show_default=False,
        rich_help_panel=OUTPUTS,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace output files that exist.", rich_help_panel=OUTPUTS)]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Log warnings and errors only.", rich_help_panel=OUTPUTS)
]


def _check_device(device: Device) -> Device:
    try:
        options.check_device(device)
    except InputError as err:
        raise typer.BadParameter(f"{device!r} is not one of auto, cpu, cuda, cuda:N") from err
    return device


DeviceOption = Annotated[
    Device,
    typer.Option(
        metavar="DEVICE",
        callback=_check_device,
        help="auto, cpu, cuda or cuda:N.",
        rich_help_panel=COMPUTING,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Worker threads. Default: one per core.",
        show_default=False,
        rich_help_panel=COMPUTING,
    ),
]


BackendOption = Annotated[
    Backend,
    typer.Option(
        metavar="local|dask",
        help="This machine (default), or a cluster.",
        show_default=False,
        rich_help_panel=COMPUTING,
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="With dask: tcp://HOST:8786, or a file.",
        show_default=False,
        rich_help_panel=COMPUTING,
    ),
]


def track_digits(text: str) -> int | None:
    """Return the decimals of a track, None for exact values.

    Raises
    ------
    typer.BadParameter
        When the text is neither.
    """
    if text == "exact":
        return None
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_TRACK_DIGITS:
        return int(text)
    problem = f"{text!r} is neither a whole number from 1 to {MAX_TRACK_DIGITS} nor exact"
    raise typer.BadParameter(problem, param_hint="--track-digits")


@contextmanager
def usage_errors(option: str) -> Iterator[None]:
    """Raise typer.BadParameter of an option for every InputError inside the block."""
    try:
        yield
    except InputError as err:
        raise typer.BadParameter(str(err), param_hint=option) from err


def check_fraction(value: float | None, option: str) -> None:
    """Raise typer.BadParameter for a value outside 0 to 1."""
    if value is not None and not is_fraction(value):
        raise typer.BadParameter(f"{value} is not between 0 and 1", param_hint=option)


def threshold_rule(
    threshold: float | None, fpr: float | None, precision: float | None, recall: float | None
) -> ThresholdRule | None:
    """Return the rule that chooses the threshold, None without one.

    Raises
    ------
    typer.BadParameter
        When there are several rules, or the value is not between 0 and 1.
    """
    values = {"--threshold": threshold, "--fpr": fpr, "--precision": precision, "--recall": recall}
    used = [option for option, value in values.items() if value is not None]
    if len(used) > 1:
        raise typer.BadParameter(f"{', '.join(used)} exclude each other; use one", param_hint=used[0])
    for option in used:
        check_fraction(values[option], option)
    return options.threshold_rule(threshold, fpr, precision, recall)


def check_accessibility(
    accessibility: Path | None, no_accessibility: bool, accessibility_scale: str | None, samples: Path | None = None
) -> None:
    """Raise typer.BadParameter when options on accessibility contradict each other."""
    for option, given in (("--accessibility", accessibility is not None), ("--no-accessibility", no_accessibility)):
        if given and samples is not None:
            raise typer.BadParameter("contradicts --samples; use one", param_hint=option)
    if accessibility is not None and no_accessibility:
        raise typer.BadParameter("contradicts --accessibility; use one", param_hint="--no-accessibility")
    if accessibility_scale is not None and accessibility is None and samples is None:
        raise typer.BadParameter("has nothing to map without --accessibility", param_hint="--accessibility-scale")


def check_reads(tracks: Iterable[Path | None], reads: ReadsAs | None, min_mapq: int | None) -> None:
    """Raise typer.BadParameter when an option on reads is given, and no track holds reads (or mapping qualities)."""
    given = [option for option, value in (("--reads", reads), ("--min-mapq", min_mapq)) if value is not None]
    if given:
        from jundscan.accessibility.read_tracks import reads_format

        named = [path for path in tracks if path is not None]
        if not named:
            raise typer.BadParameter("has no reads to count: give --accessibility", param_hint=given[0])
        formats = {reads_format(path) for path in named if path.exists()}
        if formats == {None}:
            problem = f"{named[0]} holds no reads; this option is for BAM, CRAM and fragments files"
            raise typer.BadParameter(problem, param_hint=given[0])
        if min_mapq is not None and formats and not formats & {"BAM", "CRAM"}:
            raise typer.BadParameter("a fragments file holds no mapping qualities", param_hint="--min-mapq")


def check_backend(backend: Backend, scheduler: str | None, tracks: Sequence[Path | None]) -> None:
    """Raise typer.BadParameter when backend and scheduler do not fit, or workers would have to count reads."""
    if (backend == "dask") != (scheduler is not None):
        needs, option = ("--scheduler", "--backend") if backend == "dask" else ("--backend dask", "--scheduler")
        raise typer.BadParameter(f"needs {needs}", param_hint=option)
    if backend == "dask":
        from jundscan.accessibility.read_tracks import reads_format

        for path in tracks:
            if path is not None and reads_format(path) is not None:
                advice = f"make a track first: jundscan track {path} -o track.bw"
                raise typer.BadParameter(f"workers cannot count reads; {advice}", param_hint="--backend")


def check_files(outputs: dict[str, Path | str | None], inputs: Iterable[Path | str | None]) -> None:
    """Raise typer.BadParameter when two outputs are one file, or an output is an input or in an input folder.

    A stream is compared by what it is, whatever its name, and as the file that the shell has connected to it.
    """
    from jundscan.io.streams import connected_file, destination

    read = set()
    for path in (Path(path) for path in inputs if path is not None):
        read |= {os.path.realpath(file) for file in (path.iterdir() if path.is_dir() else (path,))}
    written: dict[str, str] = {}
    streams: dict[str, bool] = {}
    for option, target in outputs.items():
        if target is None or str(target) == os.devnull:
            continue
        file = connected_file(target)
        names = {destination(target)} if file is None else {destination(target), file}
        for same in names & written.keys():
            # two streams may be connected to one file, because each appends to it
            if same != file or not streams[same]:
                raise typer.BadParameter(f"{written[same]} writes to {same} too; name another file", param_hint=option)
        if any(name in read and Path(name).is_file() for name in names):
            raise typer.BadParameter(f"{target} is an input of this run; name another file", param_hint=option)
        written |= dict.fromkeys(names, option)
        streams |= dict.fromkeys(names, file is not None)
