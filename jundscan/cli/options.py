"""Options that several commands share, and checks of their values. Each check raises a usage error, exit code 2."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from jundscan import options
from jundscan.errors import InputError
from jundscan.options import BedValue, Device, MissingChromosomes, ThresholdRule, is_fraction

INPUT: dict[str, Any] = {"show_default": False, "readable": False}
"""Settings of arguments that name an input. Opening an unreadable file raises the error, which is no usage error."""
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="An .onnx file made by jundscan, or its folder. Default: the model that jundscan comes with.",
        **INPUT,
    ),
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
        metavar="auto|cpu|cuda|cuda:N",
        callback=_check_device,
        help="Where the model runs. `auto` uses CUDA if available, else the CPU, and logs which. "
        "`cuda` fails without CUDA. `cuda:1` is the second card.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Worker threads. Default: one per core that the process may use.", show_default=False),
]
JsonOption = Annotated[
    str | None, typer.Option("--json", help="Write the report as JSON to a file, or - for stdout.", show_default=False)
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Write an HTML page for the browser, a single file: pictures, tables, what they mean. "
        "Example: --report report.html",
        show_default=False,
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        "--accessibility-scale",
        metavar="FILE|identity",
        help="A scale from `jundscan scale`, or from --json of a scan. `identity`: values are percentiles already. "
        "Default: found from the whole track.",
        show_default=False,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace output files that exist.")]
GenomeArgument = Annotated[Path, typer.Argument(help="FASTA, plain, gzip or bgzip. - is standard input.", **INPUT)]
BedValueOption = Annotated[
    BedValue, typer.Option(help="Value of an interval of a text track: the value in its line, or always 1.")
]
MissingChromosomesOption = Annotated[
    MissingChromosomes | None,
    typer.Option(
        help="How chromosomes are scored that are missing from the track. `closed`: with accessibility 0. `unknown`: "
        "from sequence alone. `error`: stop. Default: closed, if names fit on half of the bases.",
        show_default=False,
    ),
]
AliasOption = Annotated[
    Path | None,
    typer.Option(
        help="Other names of the chromosomes, for all files: UCSC's chromAlias.txt, or a table of two columns.", **INPUT
    ),
]
AccessibilityOption = Annotated[
    Path | None,
    typer.Option(
        help="Chromatin accessibility: bigWig, bedGraph, narrowPeak, broadPeak or BED, gzipped or not.", **INPUT
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="Windows that score this or more are hits. Default: the model's rule, see jundscan info.",
        show_default=False,
    ),
]
FprOption = Annotated[
    float | None,
    typer.Option(
        help="Choose the threshold by the fraction of unbound windows that are called, 0 to 1.", show_default=False
    ),
]
PrecisionOption = Annotated[
    float | None,
    typer.Option(
        help="Choose the threshold by the fraction of called windows that are bound, 0 to 1.", show_default=False
    ),
]
RecallOption = Annotated[
    float | None,
    typer.Option(
        help="Choose the threshold by the fraction of bound windows that are called, 0 to 1.", show_default=False
    ),
]
LengthMismatchOption = Annotated[
    bool,
    typer.Option(
        "--allow-length-mismatch",
        help="Accept a track or VCF whose header has other chromosome lengths, for partial genomes.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings and errors only.")]
NoAccessibilityOption = Annotated[bool, typer.Option("--no-accessibility", help="Score on sequence alone.")]


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


def check_accessibility(accessibility: Path | None, no_accessibility: bool, accessibility_scale: str | None) -> None:
    """Raise typer.BadParameter when options on accessibility contradict each other."""
    if accessibility is not None and no_accessibility:
        raise typer.BadParameter("contradicts --accessibility; use one", param_hint="--no-accessibility")
    if accessibility_scale is not None and accessibility is None:
        raise typer.BadParameter("has nothing to map without --accessibility", param_hint="--accessibility-scale")


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
