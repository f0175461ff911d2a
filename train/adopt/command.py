"""``python -m train adopt``: a network of the user's own becomes a model."""

from __future__ import annotations

import hashlib
import logging
import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from jundscan.accessibility.scale import distribution
from jundscan.cli.terminal import start_log
from jundscan.errors import OutputError, ShardError
from jundscan.io.outputs import atomic_path
from jundscan.model.load import load_model
from jundscan.model.metadata import DEFAULT_FACTOR, Metadata
from train.adopt.fit import fit_adopted, score, score_held_out, settings
from train.adopt.graph import build_adopted_graph, check_graph
from train.adopt.network import AdoptedNetwork, NetworkSource, Takes, check_network, check_trainable, windows_per_call
from train.cards.card import card
from train.config import ADOPTED, FitConfig
from train.data.dataset import VALID, DataSet, Windows, describe, load_data_set, windows_sha256
from train.export.effect_reference import rank_effects
from train.export.model_folder import ParitySizes, Provenance, check_parity, draft_metadata, write_folder
from train.export.publish import check_word
from train.fitting.fit import save

log = logging.getLogger("jundscan")

PARITY = ParitySizes((1, 2, 7, 4096), 3_000)
ASSEMBLY = "unknown"
"""Genome assembly of a model if neither an option nor ``dataset.json`` names one."""
BATCH, EPOCHS = 512, 5
WEIGHTS = "weights.pt"
SIGMOID_OF_1 = 0.7310587
GIVEN_WEIGHTS = "validation windows, which the network must not have been fitted on"


def adopt(
    network: Annotated[
        str, typer.Argument(metavar="FILE.py:CLASS", help="A class of torch.nn.Module. The file is code, and it runs.")
    ],
    data: Annotated[
        Path,
        typer.Option(help="Data set: a folder with train_dataset, for the fit, and valid_dataset, to calibrate."),
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write. Its name is the model's name.")],
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights of the fitted network, from torch.save(network.state_dict(), FILE).", show_default=False
        ),
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Fit the network here, from random weights.")] = False,
    takes: Annotated[
        Takes, typer.Option("--input", help="Bases as X float32 (N, 101, 4), or as codes uint8 (N, 101).")
    ] = "one-hot",
    missing: Annotated[
        float, typer.Option(help="What the network sees where accessibility is not available. 0 is closed chromatin.")
    ] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of --fit.")] = EPOCHS,
    steps: Annotated[int, typer.Option(min=1, help="Steps of an epoch.")] = FitConfig.steps,
    batch: Annotated[int, typer.Option(min=10, help="Windows of a step, one in five bound.")] = BATCH,
    learning_rate: Annotated[
        float, typer.Option(min=0.0, help="Highest learning rate of AdamW.")
    ] = FitConfig.learning_rate,
    withhold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the windows of a step without accessibility.")
    ] = FitConfig.withhold,
    seed: Annotated[int, typer.Option(min=0, help="The same seed on the same machine gives the same result.")] = 0,
    factor: Annotated[
        str, typer.Option(help="Name of the factor that binds. Hits, VCF fields and reports are named after it.")
    ] = DEFAULT_FACTOR,
    assembly: Annotated[
        str | None,
        typer.Option(help="Genome assembly of the windows. [default: from dataset.json]", show_default=False),
    ] = None,
    model_version: Annotated[str, typer.Option(help="Version of the model, for its metadata.")] = "1.0.0",
    force: Annotated[bool, typer.Option("--force", help="Replace a model in the folder.")] = False,
) -> None:
    """Make a model from a network of your own: any torch module that maps X and a to one logit for each window.

    X are the bases of N windows, one-hot (N, 101, 4). a is accessibility (N, 1), as a percentile from 0 to 1. The
    network comes with --weights, or is fitted with --fit. Thresholds are calibrated on blocks of the genome, held out
    of further fits in turn. With --weights they are calibrated on the validation windows.

    The file is Python code and runs with your rights. Only adopt code that you trust.

    Example: python -m train adopt cnn.py:CNN --weights cnn.pt --data HepG2 --out models/cnn

    Example: python -m train adopt examples/networks/cnn.py:CNN --fit --data HepG2 --out models/cnn
    """
    start_log()
    if fit == (weights is not None):
        raise typer.BadParameter("give one of --weights FILE and --fit", param_hint="--weights, --fit")
    check_word("--factor", factor)
    if not math.isfinite(missing):
        raise typer.BadParameter("give a number, because the network never sees NaN", param_hint="--missing")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; give a folder with --out")
    if (out / "model.onnx").exists() and not force:
        raise OutputError(f"{out}: holds a model; add --force to replace it, or give another folder with --out")
    source = NetworkSource.from_text(network, takes, missing, weights)
    adopted = source.build(seed)
    check_network(adopted, str(source))
    if fit:
        check_trainable(source.build(seed), str(source))
    data_set = load_data_set(data)
    if weights is not None:
        _warn_of_probabilities(adopted, data_set.valid)
    graph = build_adopted_graph(adopted, str(source))  # an operator that ONNX lacks is found before the fit
    check_graph(graph, adopted, str(source))
    described = _describe_network(source, adopted)
    training: dict[str, Any] = {"network": described, "fit": None, "epoch": None, "curve": [], "blocked": None}
    held_out = None
    if fit:
        config = FitConfig(
            epochs=epochs, steps=steps, batch=batch, learning_rate=learning_rate, withhold=withhold, seed=seed
        )
        adopted, curve = fit_adopted(source, data_set.train, data_set.valid, config, _log)
        training |= {"fit": settings(config), "epoch": epochs, "curve": curve}
        graph = build_adopted_graph(adopted, str(source))
        try:
            held_out, training["blocked"] = score_held_out(source, data_set, config, _log)
        except ShardError as err:
            _log(f"calibrating on the validation windows instead of blocks: {err}")
    check_network(adopted, str(source))
    provenance = Provenance(
        version=model_version,
        cell_types=(data_set.name,),
        assembly=assembly or data_set.source.assembly or ASSEMBLY,
        training_data_sha256=windows_sha256(data_set.train),
        validation_folder=data / VALID,
        source=data_set.source,
        training_accessibility=_distributions(data_set),
        factor=factor,
    )

    def describe_draft(prevalence: float, calibrated_on: str) -> Metadata:
        return draft_metadata(
            out.resolve().name,
            provenance,
            prevalence,
            GIVEN_WEIGHTS if weights is not None else calibrated_on,
            family=ADOPTED,
            architecture=described,
            max_windows_per_call=windows_per_call(adopted),
            seed=seed,
        )

    metrics = write_folder(
        graph, out, provenance, describe_draft, lambda draft: check_parity(adopted, PARITY, draft), training, held_out
    )
    rank_effects(out, data_set, _log)
    if fit:
        save(out / WEIGHTS, adopted.own.state_dict())
    else:
        (out / WEIGHTS).unlink(missing_ok=True)  # an earlier model may have left them
    training_record = {"factor": factor, "data": [describe(data_set)], "candidates": {}, "selected": None}
    with atomic_path(out / "README.md", force=True) as temporary:
        temporary.write_text(card(load_model(out, "cpu").metadata, metrics, training_record))
    typer.echo(
        f"{out}: {source.name}, validation weighted accuracy {metrics['weighted_accuracy']:.4f}, "
        f"AUROC {metrics['auroc']:.4f}, average precision {metrics['average_precision']:.4f}"
    )
    if adopted.reads_accessibility:
        _log(f"where accessibility is not available, the network sees {missing:g}; --missing changes it")


def _log(line: str) -> None:
    typer.echo(line, err=True)


def _distributions(data_set: DataSet) -> dict[str, list[float]]:
    shares = distribution(data_set.train.accessibility)
    return {data_set.name: shares} if shares else {}


def _warn_of_probabilities(network: AdoptedNetwork, windows: Windows) -> None:
    """Log a warning when what the network returns looks like probabilities instead of logits."""
    found = np.concatenate(list(score(network, windows).values()))
    if ((found >= 0.5) & (found <= SIGMOID_OF_1)).all():
        log.warning(
            "the network's outputs for all validation windows lie between 0 and 1, as after a sigmoid; "
            "it must return logits, which are those before the sigmoid"
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _describe_network(source: NetworkSource, network: AdoptedNetwork) -> dict[str, Any]:
    """Return the settings that describe a user's network, for metadata, metrics and card."""
    return {
        "class": source.name,
        "file": source.file.name,
        "file_sha256": _sha256(source.file),
        **({} if source.weights is None else {"weights_sha256": _sha256(source.weights)}),
        "parameters": sum(one.numel() for one in network.parameters()),
        "input": source.takes,
        "reads_accessibility": network.reads_accessibility,
        "missing_accessibility": source.missing,
    }
