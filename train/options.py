"""Options that several commands of ``python -m train`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        help="Data set: a folder with train_dataset and valid_dataset. Repeat it to fit several together; "
        "the first one selects and gives the prevalence.",
    ),
]
RunsOption = Annotated[Path, typer.Option(help="Checkpoints; a fit that is in here goes on where it stopped.")]
SeedOption = Annotated[int, typer.Option(help="Same seed, same machine: same result.")]
DeviceOption = Annotated[str, typer.Option(help="Torch device: cpu, cuda, mps.")]
OutOption = Annotated[Path, typer.Option("--out", help="Where the model folders go.")]
FactorOption = Annotated[str, typer.Option(help="What binds the bound windows, for the model's card.")]
AssemblyOption = Annotated[
    str | None,
    typer.Option(
        help="Genome assembly of the windows, for the model's metadata. [default: what dataset.json says, else hg19]",
        show_default=False,
    ),
]
VersionOption = Annotated[str, typer.Option(help="Version of the model, for its metadata.")]


GenomeOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--genome",
        help="FASTA that the windows of a data set come from; once for each --data, or not at all. "
        "[default: what its dataset.json names]",
        show_default=False,
    ),
]
TrackOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--track",
        help="Its accessibility track, as for --genome. [default: what dataset.json names]",
        show_default=False,
    ),
]
EverywhereOption = Annotated[
    bool,
    typer.Option("--everywhere", help="The peaks are those of the whole genome, though they span less than half."),
]
