"""Options that several commands share, and checks of how they go together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from jundscan.options import BedValue, Device, MissingChromosomes, ThresholdKind, ThresholdRule, is_fraction

INPUT: dict[str, Any] = {"show_default": False, "readable": False}
"""Of arguments that name an input: whether it can be read is found when it is opened, and is no error of usage."""
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="An .onnx file made by jundscan, or its folder. [default: the one that is installed]",
        **INPUT,
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option(help="cuda fails where CUDA cannot be had; auto takes it where it can and says what runs."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Worker threads. [default: one for each core that may be used]", show_default=False),
]
JsonOption = Annotated[
    str | None,
    typer.Option("--json", help="Write the report as JSON to a file, or - for stdout.", show_default=False),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Write a page for the browser, one file that can be sent on: pictures, tables, what they mean. "
        "Example: --report report.html",
        show_default=False,
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        "--accessibility-scale",
        metavar="FILE|identity",
        help="A scale found before (jundscan scale, or --json of a scan); identity: values are percentiles already.",
        show_default=False,
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace output files that exist.")]
GenomeArgument = Annotated[Path, typer.Argument(help="FASTA, plain, gzip or bgzip; - is standard input.", **INPUT)]
BedValueOption = Annotated[
    BedValue,
    typer.Option(help="What an interval of a text track counts as: the value in its line, or always 1."),
]
MissingChromosomesOption = Annotated[
    MissingChromosomes | None,
    typer.Option(
        help="Chromosomes that the track does not name. `closed`: no accessibility there. `unknown`: scored from "
        "sequence alone. `error`: stop. [default: closed, if names fit on half of the bases]",
        show_default=False,
    ),
]
AliasOption = Annotated[
    Path | None,
    typer.Option(
        help="Other names of the chromosomes in any of the files: UCSC's chromAlias.txt, or two columns.",
        **INPUT,
    ),
]
AccessibilityOption = Annotated[
    Path | None,
    typer.Option(
        help="Chromatin accessibility: bigWig, bedGraph, narrowPeak, broadPeak or BED, gzipped or not.",
        **INPUT,
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="Windows at or above it are hits. [default: the model's rule, see jundscan info]",
        show_default=False,
    ),
]
FprOption = Annotated[
    float | None,
    typer.Option(help="Choose the threshold by the share of unbound windows called.", show_default=False),
]
PrecisionOption = Annotated[
    float | None,
    typer.Option(help="Choose it by the share of called windows that are bound.", show_default=False),
]
RecallOption = Annotated[
    float | None, typer.Option(help="Choose it by the share of bound windows called.", show_default=False)
]
LengthMismatchOption = Annotated[
    bool,
    typer.Option(help="Accept a track or VCF whose header gives other chromosome lengths, for partial genomes."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors only.")]
NoAccessibilityOption = Annotated[bool, typer.Option("--no-accessibility", help="Score on sequence alone.")]


def fraction(value: float | None, option: str) -> None:
    """Refuse a value outside 0 to 1.

    Raises
    ------
    typer.BadParameter
        A usage error, exit code 2.
    """
    if value is not None and not is_fraction(value):
        raise typer.BadParameter(f"{value} is not between 0 and 1", param_hint=option)


def threshold_rule(
    threshold: float | None, fpr: float | None, precision: float | None, recall: float | None
) -> ThresholdRule | None:
    """Return the rule that was given to choose a threshold, if any.

    Raises
    ------
    typer.BadParameter
        When several were given, or the value is not between 0 and 1.
    """
    values: dict[ThresholdKind, float | None] = {
        "threshold": threshold,
        "fpr": fpr,
        "precision": precision,
        "recall": recall,
    }
    given = {kind: value for kind, value in values.items() if value is not None}
    if len(given) > 1:
        options = ", ".join(f"--{kind}" for kind in given)
        raise typer.BadParameter(f"{options} exclude each other; give one", param_hint=f"--{next(iter(given))}")
    for kind, value in given.items():
        fraction(value, f"--{kind}")
        return ThresholdRule(kind, value)
    return None


def check_accessibility(accessibility: Path | None, no_accessibility: bool, accessibility_scale: str | None) -> None:
    """Refuse options on accessibility that contradict each other, as usage errors."""
    if accessibility is not None and no_accessibility:
        raise typer.BadParameter("contradicts --accessibility; give one", param_hint="--no-accessibility")
    if accessibility_scale is not None and accessibility is None:
        raise typer.BadParameter("has nothing to map without --accessibility", param_hint="--accessibility-scale")


def check_files(outputs: dict[str, Path | str | None], inputs: Iterable[Path | str | None]) -> None:
    """Refuse two outputs in one place, and an output in the place of an input or of a file in an input folder.

    A stream counts by what it is, whatever it is called, and as the file that a shell has connected to it.

    Raises
    ------
    typer.BadParameter
        A usage error, exit code 2.
    """
    from jundscan.io.streams import connected_file, destination

    read = set()
    for path in (Path(path) for path in inputs if path is not None):
        read |= {os.path.realpath(one) for one in (path.iterdir() if path.is_dir() else (path,))}
    written: dict[str, str] = {}
    streams: dict[str, bool] = {}
    for option, target in outputs.items():
        if target is None or str(target) == os.devnull:
            continue
        file = connected_file(target)
        places = {destination(target)} if file is None else {destination(target), file}
        for one in places & written.keys():
            # two streams may be connected to one file: each adds to it
            if one != file or not streams[one]:
                raise typer.BadParameter(f"{written[one]} writes to {one} too; name another file", param_hint=option)
        if any(one in read and Path(one).is_file() for one in places):
            raise typer.BadParameter(f"{target} is an input of this run; name another file", param_hint=option)
        written |= dict.fromkeys(places, option)
        streams |= dict.fromkeys(places, file is not None)
