"""Export a fitted network to a model folder: ``model.onnx``, which describes itself, and ``metrics.json``.

Nothing is written unless torch and ONNX Runtime agree, on single windows and along a sequence.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH
from jundscan.io.shards import read_shards
from jundscan.model.load import load_model
from jundscan.model.metadata import (
    DEFAULT_FACTOR,
    FORMAT_VERSION,
    METADATA_KEY,
    MODES,
    WINDOW_MODES,
    Metadata,
    ThresholdTable,
)
from jundscan.model.model import Model
from jundscan.model.reference_scores import run_self_test
from train.config import ALONE
from train.data.source import NO_SOURCE, DataSource
from train.export.calibration import HeldOutWindows, calibration_table
from train.export.evaluate_modes import evaluate_every_mode
from train.export.sites import describe_motifs
from train.fitting.fit import DECISION_THRESHOLD, METRICS, FittedNetwork, predict
from train.fitting.inputs import without_flanks
from train.graphs.build import build_graph, tile_sizes
from train.networks.architectures import NetworkPair
from train.records import METRICS_FILE

MAX_PARITY_DIFFERENCE = 1e-5
"""Maximum difference between a probability of torch and of ONNX Runtime."""
PARITY_STRIDES = (1, 3, 10, 101)
PARITY_UNKNOWN = 0.001
"""Fraction of unknown letters in the long sequence."""
PARITY_WINDOWS = 4096
"""Maximum windows of the long sequence that torch scores too."""
MAX_WINDOWS = {"mlp": 8192, "cnn": 8192, "lstm": 2048}
"""Maximum windows per call of a graph without tiles. An LSTM holds all steps of all its windows in memory."""
LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "scikit-learn")


class ParityError(RuntimeError):
    """Torch and ONNX Runtime disagree, so the graph is wrong and nothing was exported."""


class ParitySizes(NamedTuple):
    """Sizes of the inputs on which torch and ONNX Runtime are compared: windows per batch, and sequence length."""

    batches: tuple[int, ...] = (1, 2, 7, 4096)
    length: int = 20_000


PARITY_SIZES = {"mlp": ParitySizes(), "cnn": ParitySizes(), "lstm": ParitySizes((1, 2, 7, 512), 3_000)}


@dataclass(frozen=True)
class Provenance:
    """Data that a model was trained on, and its factor, for its metadata."""

    version: str
    cell_types: tuple[str, ...]
    assembly: str
    training_data_sha256: str
    validation_folder: Path
    training_accessibility: Mapping[str, list[float]] | None = None
    source: DataSource = NO_SOURCE
    factor: str = DEFAULT_FACTOR


def check_parity(network: torch.nn.Module, sizes: ParitySizes, model: Model) -> float:
    """Compare torch with ONNX Runtime on random windows and on one long sequence, in every mode.

    Returns
    -------
    float
        The largest difference of probabilities.

    Raises
    ------
    ParityError
        When the difference is above :data:`MAX_PARITY_DIFFERENCE` or NaN.
    """
    rng = np.random.default_rng(0)
    widths = len(model.widths)
    worst = 0.0
    for batch in sizes.batches:
        codes = rng.integers(0, UNKNOWN + 1, (batch, model.span), dtype=np.uint8)
        for seen in (codes, without_flanks(codes)) if model.flank else (codes,):
            accessibility = _random_accessibility(rng, batch, widths)
            inputs = {
                "sequence": seen,
                "accessibility": accessibility[:, None] if widths > 1 else accessibility,
                "stride": np.array(1, np.int64),
            }
            got = model.session.run(None, inputs)[0][:, 0]
            worst = _larger(worst, got - _predict(network, seen, accessibility))
    codes = rng.integers(0, len(ALPHABET), sizes.length + 2 * model.flank, dtype=np.uint8)
    codes[rng.random(len(codes)) < PARITY_UNKNOWN] = UNKNOWN
    for stride in PARITY_STRIDES:
        windows = np.lib.stride_tricks.sliding_window_view(codes, model.span)[::stride]
        accessibility = _random_accessibility(rng, len(windows), widths)
        got = model.slide(codes, accessibility, stride)
        some = rng.permutation(len(windows))[:PARITY_WINDOWS]
        worst = _larger(worst, got[some] - _predict(network, windows[some], accessibility[some]))
    if not worst <= MAX_PARITY_DIFFERENCE:
        raise ParityError(
            f"torch and ONNX Runtime differ by {worst:.2g}, more than {MAX_PARITY_DIFFERENCE:g}; nothing was exported"
        )
    return worst


def _predict(
    network: torch.nn.Module, codes: NDArray[np.uint8], accessibility: NDArray[np.float32]
) -> NDArray[np.float32]:
    return predict(network, torch.from_numpy(codes.copy()), torch.from_numpy(accessibility))


def _larger(worst: float, differences: NDArray[np.float32]) -> float:
    """Return the largest difference so far. Unlike ``max``, it keeps NaN."""
    return float(np.maximum(worst, np.abs(differences).max()))


def _random_accessibility(rng: np.random.Generator, count: int, widths: int) -> NDArray[np.float32]:
    values = rng.random((count, widths), dtype=np.float32)
    values[rng.random(values.shape) < 0.3] = 0.0
    values[rng.random(values.shape) < 0.2] = np.nan
    return values


def describe_model(
    fitted: FittedNetwork,
    name: str,
    provenance: Provenance,
    prevalence: float,
    source: str,
    alone: FittedNetwork | None = None,
) -> Metadata:
    """Return a fitted network's metadata, without thresholds, validation metrics and reference scores.

    Parameters
    ----------
    fitted : Fitted
    name : str
        The model's name.
    provenance : Provenance
    prevalence : float
        Fraction of bound windows.
    source : str
        Description of the windows that calibrate the thresholds.
    alone : Fitted, optional
        Scores bare windows.
    """
    config = fitted.candidate.network
    return draft_metadata(
        name,
        provenance,
        prevalence,
        source,
        family=config.family,
        architecture=asdict(config) | ({} if alone is None else {ALONE: asdict(alone.candidate.network)}),
        max_windows_per_call=MAX_WINDOWS[config.family],
        flank=config.flank,
        accessibility_widths=config.accessibility_widths,
        seed=fitted.candidate.fit.seed,
        sites=() if provenance.factor == DEFAULT_FACTOR else describe_motifs(fitted.candidate.motifs),
        tiles={str(stride): windows for stride, windows in tile_sizes(fitted.network()).items()},
    )


def draft_metadata(name: str, provenance: Provenance, prevalence: float, source: str, **network: Any) -> Metadata:
    """Return metadata without thresholds, validation metrics and reference scores.

    Parameters
    ----------
    name, provenance, prevalence, source
        See :func:`describe_model`.
    **network
        The fields of :class:`jundscan.model.metadata.Metadata` that describe the network and its graph.
    """
    placeholder = ThresholdTable(DECISION_THRESHOLD, "balanced", ())
    draft = Metadata(
        format_version=FORMAT_VERSION,
        name=name,
        version=provenance.version,
        window_length=WINDOW_LENGTH,
        alphabet=ALPHABET,
        accessibility_mapping="percentile",
        missing_accessibility="nan",
        decision_threshold=DECISION_THRESHOLD,
        prevalence=prevalence,
        calibration_source=source,
        with_accessibility=placeholder,
        without_accessibility=placeholder,
        assembly=provenance.assembly,
        cell_types=provenance.cell_types,
        training_data_sha256=provenance.training_data_sha256,
        validation={},
        training_accessibility=provenance.training_accessibility,
        factor=provenance.factor,
        library_versions={library: importlib.metadata.version(library) for library in LIBRARIES},
        **network,
    )
    return replace(draft, **dict.fromkeys(WINDOW_MODES, placeholder)) if draft.sees_neighbourhood else draft


def export(
    fitted: FittedNetwork,
    folder: Path,
    provenance: Provenance,
    held_out: HeldOutWindows | None = None,
    alone: FittedNetwork | None = None,
    parity: ParitySizes | None = None,
) -> dict[str, Any]:
    """Write ``model.onnx`` and ``metrics.json`` into ``folder``, replacing earlier ones.

    Parameters
    ----------
    fitted : Fitted
    folder : pathlib.Path
        Its name is the model's name.
    provenance : Provenance
    held_out : HeldOut, optional
        Calibrates the thresholds. The validation windows do so without it.
    alone : Fitted, optional
        Scores bare windows, for a network that sees more than the window.
    parity : ParitySizes, optional
        Sizes of the comparison with torch. Those of the family in :data:`PARITY_SIZES` if not given.

    Returns
    -------
    dict
        The content of ``metrics.json``: the report of ``jundscan evaluate`` on the validation shards, and the reports
        in the other modes by name.

    Raises
    ------
    ParityError
        When torch and ONNX Runtime disagree. Nothing is written then.
    """
    network, other = fitted.network(), None if alone is None else alone.network()
    sizes = PARITY_SIZES[fitted.candidate.network.family] if parity is None else parity
    own = network if other is None else NetworkPair(network, other)
    return write_folder(
        build_graph(network, other),
        folder,
        provenance,
        lambda prevalence, source: describe_model(fitted, folder.name, provenance, prevalence, source, alone),
        lambda draft: check_parity(own, sizes, draft),
        {
            "candidate": fitted.candidate.to_dict(),
            "epoch": fitted.epoch,
            "curve": fitted.curve,
            ALONE: None if alone is None else {**alone.candidate.to_dict(), "epoch": alone.epoch},
        },
        held_out,
    )


def write_folder(
    graph: onnx.ModelProto,
    folder: Path,
    provenance: Provenance,
    describe: Callable[[float, str], Metadata],
    compare: Callable[[Model], float],
    training: Mapping[str, Any],
    held_out: HeldOutWindows | None = None,
) -> dict[str, Any]:
    """Check and calibrate a graph, and write ``model.onnx`` and ``metrics.json`` into ``folder``.

    Parameters
    ----------
    graph : onnx.ModelProto
    folder : pathlib.Path
    provenance : Provenance
    describe : callable
        Returns the draft of the metadata for a prevalence and a description of the windows that calibrate.
    compare : callable
        Compares a model with torch. Returns the largest difference of probabilities, or raises ParityError.
    training : mapping
        Description of the fit, for ``metrics.json``.
    held_out : HeldOut, optional
        Calibrates the thresholds. The validation windows do so without it.

    Returns
    -------
    dict
        The content of ``metrics.json``.
    """
    shards = read_shards(provenance.validation_folder)
    assert shards.labels is not None
    prevalence = float(shards.labels.mean())
    metadata = describe(prevalence, "validation windows" if held_out is None else held_out.source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as work:
        file = Path(work) / "model.onnx"
        draft = write_model(graph, metadata, file)
        difference = compare(draft)
        reports, tables = {}, {}
        for mode, evaluation in evaluate_every_mode(shards, draft, provenance.source).items():
            assert evaluation.report is not None
            reports[mode] = evaluation.report
            if held_out is None:
                tables[mode] = calibration_table(shards.labels, evaluation.probabilities, prevalence)
            else:
                tables[mode] = calibration_table(
                    held_out.labels, held_out.probabilities[mode], prevalence, held_out.peaks.get(mode)
                )
        validation = {mode: {key: report[key] for key in METRICS} for mode, report in reports.items()}
        complete = replace(metadata, validation=validation, self_test=run_self_test(draft), **tables)
        final = write_model(graph, complete, file)
        for report in reports.values():
            report["model"] = final.identity()
        metrics = {
            **reports[MODES[0]],
            "data": "validation",
            **{mode: report for mode, report in reports.items() if mode != MODES[0]},
            "torch_onnx_max_difference": difference,
            "training": training,
        }
        (Path(work) / METRICS_FILE).write_text(json.dumps(metrics, indent=1) + "\n")
        folder.mkdir(exist_ok=True)
        for name in ("model.onnx", METRICS_FILE):
            shutil.move(Path(work) / name, folder / name)
    return metrics


def write_model(graph: onnx.ModelProto, metadata: Metadata, file: Path) -> Model:
    """Write a graph with its metadata to a model file, and load it on the CPU."""
    onnx.helper.set_model_props(graph, {METADATA_KEY: metadata.to_json()})
    file.write_bytes(graph.SerializeToString(deterministic=True))
    return load_model(file, "cpu")
