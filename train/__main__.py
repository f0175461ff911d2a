"""``python -m train``: shards in, exported models out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.cli import help_layout
from jundscan.cli.terminal import start_log
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import DeviceError, InputError, JundscanError, ShardError, format_os_error
from jundscan.evaluation.truth import read_truth
from jundscan.io.fasta.genome import open_genome
from jundscan.model.load import DEFAULT_MODEL
from jundscan.model.metadata import DEFAULT_FACTOR
from jundscan.options import MissingChromosomes
from jundscan.scanning.plan import bases_by_chromosome
from jundscan.scanning.spans import scan_spans
from train.adopt.command import adopt
from train.cards.curves import CURVES, FORMATS, curve_files, draw_curves
from train.cards.report import write_cards, write_tables
from train.comparison.against_baselines import PARTS, compare
from train.comparison.crossval import held_out_cache, judge_on_folds
from train.config import Candidate, Family, candidates
from train.data.dataset import TRAIN, VALID, DataSet, knows_neighbourhood, load_data_set, load_windows
from train.data.make_shards import SHARD_WINDOWS, make_shards
from train.data.source import DataSource, source_from_options, write_source
from train.data.split import Split
from train.export.effect_reference import VARIANTS, add_effect_reference, effect_reference
from train.export.model_folder import ParityError
from train.export.publish import DEFAULT_VERSION, NEW_VERSION, export_all, origin_from_options
from train.fitting.choice import Choice, SettingError, check_settings, parse_families, read_candidates
from train.fitting.fit import FittedNetwork
from train.fitting.inputs import summarise_parts
from train.fitting.motif_choice import filters_needed, motifs_of_runs, read_motifs, with_motifs
from train.fitting.select import (
    best_of,
    best_of_families,
    candidates_in,
    check_runs_match_data,
    fit_candidates,
    load_fits,
)
from train.networks.motif_sources import AUTO, Wish, read_wish
from train.records import read_record, write_record

ASSEMBLY = "hg19"
"""Genome assembly of a model if neither an option nor ``dataset.json`` names one."""
THREADS = 1
"""Threads of torch. More change the last bits of a result and speed small batches up little."""

DATA, NETWORKS, FITTING, COMPUTING, MODEL, OUTPUTS = (
    "Data", "Networks", "Fitting", "Computing", "Facts about the model", "Outputs",
)  # fmt: skip
"""Groups of options in the help, in the order that every help shows them."""

DataOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data set: a folder with train_dataset and valid_dataset. Repeat the option to fit several data sets "
        "together. The first one selects the model and sets the prevalence.",
        rich_help_panel=DATA,
    ),
]
RunsOption = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="Folder of checkpoints. A fit found here continues where it stopped.",
        rich_help_panel=OUTPUTS,
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        metavar="N", help="The same seed on the same machine gives the same result.", rich_help_panel=COMPUTING
    ),
]
DeviceOption = Annotated[
    str, typer.Option(metavar="NAME", help="Torch device: cpu, cuda or mps.", rich_help_panel=COMPUTING)
]
OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Folder to write the model folders into.", rich_help_panel=OUTPUTS),
]
FactorOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Factor that binds. Hits, VCF fields and reports are named after it.",
        rich_help_panel=MODEL,
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"Name of the model and of its folder. Default: {DEFAULT_MODEL} for {DEFAULT_FACTOR}, else the factor in "
        "lower case.",
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
MotifsOption = Annotated[
    str,
    typer.Option(
        metavar="auto|jund|random|FILE|IDS",
        help="Motifs that the filters start from. auto: those of JASPAR that the training windows are richest in, and "
        "some learned from these windows. random: learned ones only. jund: the 16 of the bundled models. FILE is in "
        "MEME's minimal format, IDS are JASPAR's, such as MA0139.2,MA0047.4.",
        rich_help_panel=NETWORKS,
    ),
]
AssemblyOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Genome assembly of the windows. Default: from dataset.json, else hg19.",
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
VersionOption = Annotated[
    str | None,
    typer.Option(
        metavar="X.Y.Z",
        help=f"Version of the model. Default: {DEFAULT_VERSION} for {DEFAULT_MODEL}, else {NEW_VERSION}.",
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
GenomeOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--genome",
        metavar="FASTA",
        help="FASTA that a data set's windows come from. Give one for each --data, or none. Default: from its "
        "dataset.json.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
TrackOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--track",
        metavar="FILE",
        help="Accessibility track over that genome. Give one for each --data, or none. Default: from dataset.json.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
FamiliesOption = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Families to fit: mlp, cnn, lstm, separated by commas. Default: all.",
        show_default=False,
        rich_help_panel=NETWORKS,
    ),
]
CandidatesOption = Annotated[
    Path | None,
    typer.Option(
        "--candidates",
        metavar="TOML",
        help="Candidates of your own instead of the default ones: a table for each, with family and any setting.",
        show_default=False,
        rich_help_panel=NETWORKS,
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Fit one candidate of each family for 8 epochs, and without --families the CNN only. 200,000 windows take "
        "3 minutes on two cores, after the choice of motifs.",
        rich_help_panel=NETWORKS,
    ),
]
HiddenOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Units of the hidden layer.", show_default=False, rich_help_panel=NETWORKS),
]
FiltersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Filters of the first layer, a multiple of 16, because ONNX Runtime's CPU provider works on blocks of 16.",
        show_default=False,
        rich_help_panel=NETWORKS,
    ),
]
DropoutOption = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Fraction of the hidden units dropped in a step.",
        show_default=False,
        rich_help_panel=NETWORKS,
    ),
]
LearningRateOption = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Peak learning rate. That of the filters stays.",
        show_default=False,
        rich_help_panel=FITTING,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Epochs of 50 steps.", show_default=False, rich_help_panel=FITTING),
]
BatchOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Windows per step.", show_default=False, rich_help_panel=FITTING),
]


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Fit MLP, CNN and LSTM on windows of 101 bases and export the best as ONNX.",
)


app.command("adopt")(adopt)


def _load(
    data: list[Path], runs: Path, device: str = "cpu", genome: list[Path] | None = None, track: list[Path] | None = None
) -> list[DataSet]:
    """Check the device, load the data sets, and check that the checkpoints are of these data."""
    start_log()
    for option, given in (("--genome", genome), ("--track", track)):
        if given and len(given) != len(data):
            raise typer.BadParameter(
                f"{len(given)} for {len(data)} --data; give one for each --data", param_hint=option
            )
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as err:  # the latter from a build without CUDA
        raise DeviceError(f"--device {device}: {str(err).partition(chr(10))[0]}") from err
    sets = [
        load_data_set(folder, source_from_options(folder, genome, track, number)) for number, folder in enumerate(data)
    ]
    check_runs_match_data(runs, sets)
    return sets


def _choice(
    families: Sequence[Family] | None,
    own: Path | None,
    quick: bool,
    settings: dict[str, Any],
    data: Sequence[Path],
    seed: int,
) -> Choice:
    """Check what the user chose, before any work. Settings that are None are not given."""
    given = {key: value for key, value in settings.items() if value is not None}
    if own is not None and (given or quick):
        other = "--quick" if quick else _flag(next(iter(given)))
        raise typer.BadParameter(f"the file holds every setting; leave out {other}", param_hint="--candidates")
    choice = Choice(families, {}, None if own is None else read_candidates(own), quick)
    try:
        choice = replace(choice, settings=check_settings(given))
        choice.candidates(candidates(seed, True), seed, True, len(data))
    except SettingError as err:
        raise typer.BadParameter(err.problem, param_hint=_flag(err.key)) from err
    return choice


def _families(names: str) -> Sequence[Family]:
    try:
        return parse_families(names)
    except InputError as err:
        raise typer.BadParameter(str(err), param_hint="--families") from err


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


@app.command(cls=help_layout.Command)
def run(
    data: DataOption,
    genome: GenomeOption = None,
    track: TrackOption = None,
    quick: QuickOption = False,
    families: FamiliesOption = None,
    motifs: MotifsOption = AUTO,
    own_candidates: CandidatesOption = None,
    hidden: HiddenOption = None,
    filters: FiltersOption = None,
    dropout: DropoutOption = None,
    learning_rate: LearningRateOption = None,
    epochs: EpochsOption = None,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    factor: FactorOption = DEFAULT_FACTOR,
    name: NameOption = None,
    assembly: AssemblyOption = None,
    model_version: VersionOption = None,
    out: OutOption = Path("exported"),
    runs: RunsOption = Path("runs"),
) -> None:
    """Fit MLP, CNN and LSTM, and export the best of each family and the best of all with their cards.

    If dataset.json (or --genome and --track) names a data set's genome, the CNN also sees the neighbourhood of its
    windows. Such networks are selected on blocks of the genome, held out in turn. The others are selected on validation
    windows. Held-out blocks also calibrate the thresholds of the best model. With a genome they are scanned, to compare
    hits with peaks (peaks.json).

    The options of networks and fitting change every candidate.

    Example: python -m train run --data HepG2 --data K562 --out exported

    Example: python -m train run --data HepG2 --quick --out models

    Example: python -m train run --data MyFactor --factor MyFactor --assembly hg38 --out models
    """
    settings: dict[str, Any] = {"hidden": hidden, "filters": filters, "dropout": dropout}
    settings |= {"learning_rate": learning_rate, "epochs": epochs, "batch": batch}
    choice = _choice(None if families is None else _families(families), own_candidates, quick, settings, data, seed)
    wish = read_wish(motifs)
    sets = _load(data, runs, device, genome, track)
    origin = origin_from_options(factor, name, _assembly(assembly, sets), model_version)
    around = knows_neighbourhood(sets)
    chosen = choice.candidates(candidates(seed, around), seed, around, len(sets))
    held_out = None
    with _interruptible():
        chosen = _with_motifs(chosen, wish, sets, runs)
        sets = summarise_parts(sets, chosen)
        fits = fit_candidates(chosen, sets, runs, device)
        if quick and not any(one.candidate.network.sees_neighbourhood for one in fits):
            typer.echo("--quick: selecting and calibrating on the validation windows instead of blocks", err=True)
        else:
            try:
                fits, held_out = judge_on_folds(fits, sets, runs, typer.echo)
            except ShardError as err:
                typer.echo(f"selecting and calibrating on the validation windows instead of blocks: {err}", err=True)
    export_all(fits, sets, out, origin, held_out, typer.echo)
    _write_cards(data[0], sets[0].source, out)


@app.command("fit", cls=help_layout.Command)
def fit_family(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help="mlp, cnn or lstm; several separated by commas.")],
    data: DataOption,
    genome: GenomeOption = None,
    track: TrackOption = None,
    quick: QuickOption = False,
    motifs: MotifsOption = AUTO,
    own_candidates: CandidatesOption = None,
    hidden: HiddenOption = None,
    filters: FiltersOption = None,
    dropout: DropoutOption = None,
    learning_rate: LearningRateOption = None,
    epochs: EpochsOption = None,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    runs: RunsOption = Path("runs"),
) -> None:
    """Fit the candidates of one family only, and draw their learning curves in --runs.

    `select` and `export` read the fits from --runs. The options of networks and fitting change every candidate.

    Example: python -m train fit cnn --data HepG2

    Example: python -m train fit mlp --data HepG2 --hidden 64 --learning-rate 0.001 --epochs 4
    """
    settings: dict[str, Any] = {"hidden": hidden, "filters": filters, "dropout": dropout}
    settings |= {"learning_rate": learning_rate, "epochs": epochs, "batch": batch}
    choice = _choice(parse_families(family), own_candidates, quick, settings, data, seed)
    wish = read_wish(motifs)
    sets = _load(data, runs, device, genome, track)
    around = knows_neighbourhood(sets)
    chosen = choice.candidates(candidates(seed, around), seed, around, len(sets))
    with _interruptible():
        chosen = _with_motifs(chosen, wish, sets, runs)
        fits = fit_candidates(chosen, summarise_parts(sets, chosen), runs, device)
    for fitted in fits:
        label = fitted.candidate.label()
        for path in draw_curves({label: fitted.curve}, curve_files(runs, label), label, fitted.epoch):
            typer.echo(path)


@app.command("select", cls=help_layout.Command)
def select_best(seed: SeedOption = 0, runs: RunsOption = Path("runs")) -> None:
    """Print the best candidate of each family in --runs, and mark the best of all."""
    fits = _fits_in(runs, seed)
    for family, fitted in best_of_families(fits).items():
        mark = "  <- best" if fitted is best_of(fits) else ""
        typer.echo(
            f"{family}\t{fitted.candidate.label()}\tepoch {fitted.epoch}\t"
            f"weighted accuracy {fitted.selection:.4f}{mark}"
        )


@app.command("curves", cls=help_layout.Command)
def draw_learning_curves(
    record: Annotated[
        Path | None,
        typer.Option(
            "--training",
            metavar="FILE",
            help="training.json of an export, whose best of each family are drawn, instead of all in --runs.",
            show_default=False,
            rich_help_panel=DATA,
        ),
    ] = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Picture to write, a .png or .svg.", rich_help_panel=OUTPUTS),
    ] = Path(f"{CURVES}.png"),
    runs: RunsOption = Path("runs"),
) -> None:
    """Draw the learning curves of several candidates into one picture.

    Example: python -m train curves --training exported/training.json --out curves.png
    """
    if out.suffix.removeprefix(".") not in FORMATS:
        raise typer.BadParameter(f"{out}: the name ends with neither .png nor .svg", param_hint="--out")
    if record is None:
        curves = {fitted.candidate.label(): fitted.curve for fitted in _fits_in(runs, seed)}
    else:
        training = read_record(record, "best_of_family", "candidates")
        shown = {key: training["candidates"][key] for key in training["best_of_family"].values()}
        curves = {Candidate.from_dict(one).label(): one["curve"] for one in shown.values()}
    draw_curves(curves, [out])
    typer.echo(out)


@app.command("export", cls=help_layout.Command)
def export_best(
    data: DataOption,
    genome: GenomeOption = None,
    track: TrackOption = None,
    seed: SeedOption = 0,
    factor: FactorOption = DEFAULT_FACTOR,
    name: NameOption = None,
    assembly: AssemblyOption = None,
    model_version: VersionOption = None,
    out: OutOption = Path("exported"),
    runs: RunsOption = Path("runs"),
) -> None:
    """Export the best fits so far from --runs, with their cards. The run may have been interrupted."""
    fits, sets = _fits_in(runs, seed), _load(data, runs, "cpu", genome, track)
    origin = origin_from_options(factor, name, _assembly(assembly, sets), model_version)
    held_out = None
    if any(held_out_cache(runs, one.candidate, one.epoch).is_file() for one in fits):
        fits, held_out = judge_on_folds(fits, sets, runs, typer.echo)
    export_all(fits, sets, out, origin, held_out, typer.echo)
    _write_cards(data[0], sets[0].source, out)


@app.command("shards")
def write_data_set(
    genome: Annotated[Path, typer.Argument(help="FASTA, plain or gzipped.")],
    peaks: Annotated[Path, typer.Option(help="Known peaks that label the windows, BED or narrowPeak.")],
    out: Annotated[Path, typer.Option(help="Data set folder to write.")],
    accessibility: Annotated[
        Path | None,
        typer.Option(
            help="Track: peaks, BED, bedGraph, bigWig, BAM, CRAM, fragments. [default: none]", show_default=False
        ),
    ] = None,
    stride: Annotated[int, typer.Option(help="Bases between window starts.")] = WINDOW_LENGTH,
    block_bases: Annotated[
        int, typer.Option(help="Bases of a block. Blocks are divided at random.")
    ] = Split.block_bases,
    valid: Annotated[float, typer.Option(help="Fraction of the blocks for valid_dataset.")] = Split.valid,
    test: Annotated[float, typer.Option(help="Fraction of the blocks for test_dataset.")] = Split.test,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random division.")] = Split.seed,
    valid_chrom: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Divide by chromosomes and use this one for validation. Can be repeated."),
    ] = None,
    test_chrom: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Divide by chromosomes and use this one for testing. Can be repeated."),
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(metavar="CHROM:START-END", help="Use only windows in here. Can be repeated.")
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option("--everywhere", help="Accept peaks that span less than half of the genome as those of all of it."),
    ] = False,
    shard_windows: Annotated[int, typer.Option(help="Maximum windows per shard, to bound memory.")] = SHARD_WINDOWS,
    missing_chromosomes: Annotated[
        MissingChromosomes | None,
        typer.Option(help="How chromosomes missing from the track count. Default: closed.", show_default=False),
    ] = None,
    allow_length_mismatch: Annotated[
        bool, typer.Option("--allow-length-mismatch", help="Accept a track with other chromosome lengths.")
    ] = False,
    cell_type: Annotated[
        str | None, typer.Option(help="Cell type, for dataset.json and the model card. [default: the folder's name]")
    ] = None,
    assembly: Annotated[str | None, typer.Option(help="Genome assembly, for dataset.json.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing shards.")] = False,
) -> None:
    """Make a data set of labelled windows from a genome and a peak file, for a factor of your own.

    A window is bound when at least 51 of its 101 bases lie in a peak. The command also writes dataset.json, which names
    genome and track, so that networks can see the windows' neighbourhood.

    Example: python -m train shards hg38.fa --peaks CTCF.narrowPeak --accessibility DNase.bigWig --out CTCF
    """
    start_log()
    split = Split(block_bases, valid, test, seed, valid_chrom or (), test_chrom or ())
    fasta = open_genome(genome)
    truth = read_truth(peaks, fasta.chromsizes)
    with nullcontext() if accessibility is None else open_track(accessibility, genome_sizes=fasta.chromsizes) as opened:
        track = opened and match_chromosomes(
            fasta,
            opened,
            allow_length_mismatch=allow_length_mismatch,
            missing=missing_chromosomes,
            reach=bases_by_chromosome(scan_spans(fasta.chromsizes, stride, region or ())),
        )
        made = make_shards(
            fasta, truth, track, out, split,
            stride=stride, shard_windows=shard_windows, regions=region or (), everywhere=everywhere, force=force,
        )  # fmt: skip
    write_source(out, DataSource(genome, accessibility, cell_type, assembly))
    for part in made.parts:
        typer.echo(f"{part.folder}: {part.windows:,} windows, {part.bound:,} bound, shards: {part.shards}")
    typer.echo(
        f"left out: {made.unknown:,} windows with unknown letters, {made.between:,} that overlap the block before"
    )


def _with_motifs(chosen: list[Candidate], wish: Wish, sets: Sequence[DataSet], runs: Path) -> list[Candidate]:
    """Let candidates start from the motifs of ``runs``, or choose them from the training windows."""
    return with_motifs(chosen, motifs_of_runs(wish, [one.train for one in sets], runs, filters_needed(chosen)))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Print on Ctrl-C how to continue. Typer then exits with 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            "interrupted; run the same command to continue, or `train export` to export the best so far", err=True
        )
        raise


@app.command("crossval")
def cross_validate(
    data: DataOption,
    runs: RunsOption = Path("runs"),
    out: Annotated[Path, typer.Option(help="JSON file to write all metrics to.")] = Path("exported/crossval.json"),
    seed: SeedOption = 0,
    repeat: Annotated[
        list[int] | None, typer.Option(help="Further seed to fit the selected network with. [default: 1, 2]")
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option(help="Same windows in another cell type, for the fits that leave one of --data out."),
    ] = None,
    genome: GenomeOption = None,
    track: TrackOption = None,
) -> None:
    """Compare the networks in --runs with baselines, on blocks of the genome held out in turn.

    You can interrupt the command: it caches results in --runs and writes --out after every part.

    Example: python -m train crossval --data HepG2 --data K562 --other HeLa-S3
    """
    fits, sets = _fits_in(runs, seed), _load(data, runs, "cpu", genome, track)
    seeds = (1, 2) if repeat is None else repeat
    others = [load_data_set(folder) for folder in other or ()]
    for record in compare(sets, fits, runs, seeds, lambda line: typer.echo(line, err=True), others):
        write_record(record, out)
        typer.echo(f"{out}: {len(record['models'])} models, {', '.join(part for part in record if part in PARTS)}")


@app.command("effects", cls=help_layout.Command)
def rank_variants(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Folders of exported models.")],
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Data set that the models were fitted on.", rich_help_panel=DATA),
    ],
    genome: GenomeOption = None,
    track: TrackOption = None,
    variants: Annotated[
        int, typer.Option(min=10_000, metavar="N", help="Reference variants of each kind.", rich_help_panel=COMPUTING)
    ] = VARIANTS,
    seed: SeedOption = 0,
) -> None:
    """Score random substitutions in training windows, and keep their effects in the models.

    `jundscan variants` ranks its effects among them: percentiles. One kind of substitutions lies in accessible windows,
    the other anywhere. The graph of a model stays the same, byte by byte.
    `run` and `export` score 1,000 of each kind for the best model.

    Example: python -m train effects exported/jund-2 --data HepG2
    """
    start_log()
    source = source_from_options(data, genome, track)
    windows = load_windows(data / TRAIN, source=source)
    name = source.cell_type or data.resolve().name
    for folder in models:
        reference = effect_reference(folder, windows, source, name, variants, seed)
        sha256 = add_effect_reference(folder, reference)
        typer.echo(f"{folder}: SHA-256 {sha256}; {reference.source}")


@app.command()
def report(
    data: DataOption,
    out: OutOption = Path("exported"),
    readme: Annotated[
        list[Path] | None,
        typer.Option(help="README or page to write its table of metrics into; may be repeated.", show_default=False),
    ] = None,
    genome: GenomeOption = None,
    track: TrackOption = None,
) -> None:
    """Write the model cards and their pictures again from the JSON files, for example after `crossval`.

    Example: python -m train report --data HepG2 --readme README.md --readme docs/model-card.md
    """
    for file in readme or ():
        write_tables(out, file)
        typer.echo(file)
    _write_cards(data[0], source_from_options(data[0], genome, track), out)


def _assembly(given: str | None, sets: Sequence[DataSet]) -> str:
    return given or sets[0].source.assembly or ASSEMBLY


def _write_cards(data: Path, source: DataSource, out: Path) -> None:
    start_log()
    for path in write_cards(out, data / VALID, source):
        typer.echo(path)


def _fits_in(runs: Path, seed: int) -> list[FittedNetwork]:
    both = [candidate for around in (False, True) for candidate in candidates(seed, around)]
    own = [candidate for candidate in candidates_in(runs) if candidate.fit.seed == seed]
    fits = load_fits(with_motifs(list(dict.fromkeys([*both, *own])), read_motifs(runs)), runs)
    if not fits:
        raise InputError(f"{runs}: no fitted candidate for seed {seed}; run: python -m train run --data DIR")
    return fits


def main() -> None:
    """Run the command line. Expected errors are one line on stderr."""
    torch.set_num_threads(THREADS)
    try:
        app()
    except (JundscanError, ParityError) as err:
        sys.exit(f"train: {err}")
    except OSError as err:
        sys.exit(f"train: {format_os_error(err)}")


if __name__ == "__main__":
    main()
