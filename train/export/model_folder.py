"""Turn a fitted network into a model folder: one self-describing ``.onnx``, its metrics and its card.

Nothing is written unless torch and ONNX Runtime agree, window by window and sliding.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH
from jundscan.io.shards import read_shards
from jundscan.model.load import load_model
from jundscan.model.metadata import (
    FORMAT_VERSION,
    METADATA_KEY,
    MODES,
    Metadata,
    ThresholdTable,
)
from jundscan.model.model import Model
from jundscan.model.reference_scores import run_self_test
from train.config import ALONE
from train.data.source import NO_SOURCE, DataSource
from train.export.calibration import HeldOut, calibration_table
from train.export.evaluate_modes import evaluations
from train.fitting.fit import DECISION_THRESHOLD, METRICS, Fitted, predict
from train.fitting.inputs import without_flanks
from train.graphs.build import build_graph, tile_sizes
from train.networks.architectures import Network, NetworkPair
from train.records import METRICS_FILE

MAX_PARITY_DIFFERENCE = 1e-5
PARITY_BATCHES = {"mlp": (1, 2, 7, 4096), "cnn": (1, 2, 7, 4096), "lstm": (1, 2, 7, 512)}
PARITY_LENGTHS = {"mlp": 20_000, "cnn": 20_000, "lstm": 3_000}
PARITY_STRIDES = (1, 3, 10, 101)
PARITY_UNKNOWN = 0.001
"""Share of unknown letters in the long sequence."""
PARITY_WINDOWS = 4096
"""Windows of the long sequence that torch scores too."""
MAX_WINDOWS = {"mlp": 8192, "cnn": 8192, "lstm": 2048}
"""Windows of one call, where a graph has no tiles; an LSTM holds all steps of all its windows at once."""
LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "scikit-learn")


class ParityError(RuntimeError):
    """Torch and ONNX Runtime disagree: the graph is wrong and nothing was exported."""


@dataclass(frozen=True)
class Provenance:
    """What a model was trained on, as its metadata gives it."""

    version: str
    cell_types: tuple[str, ...]
    assembly: str
    training_data_sha256: str
    validation_folder: Path
    training_accessibility: Mapping[str, list[float]] | None = None
    source: DataSource = NO_SOURCE


def check_parity(network: Network | NetworkPair, family: str, model: Model) -> float:
    """Compare torch with ONNX Runtime on random windows and on one long sequence, in every mode.

    Returns
    -------
    float
        The largest difference of probabilities.

    Raises
    ------
    ParityError
        When it is above 1e-5.
    """
    rng = np.random.default_rng(0)
    widths = len(model.widths)
    worst = 0.0
    for batch in PARITY_BATCHES[family]:
        codes = rng.integers(0, UNKNOWN + 1, (batch, model.span), dtype=np.uint8)
        for seen in (codes, without_flanks(codes)) if model.flank else (codes,):
            accessibility = _random_accessibility(rng, batch, widths)
            held = accessibility[:, None] if widths > 1 else accessibility
            inputs = {"sequence": seen, "accessibility": held, "stride": np.array(1, np.int64)}
            got = model.session.run(None, inputs)[0][:, 0]
            worst = _larger(worst, got - _predict(network, seen, accessibility))
    codes = rng.integers(0, len(ALPHABET), PARITY_LENGTHS[family] + 2 * model.flank, dtype=np.uint8)
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
    network: Network | NetworkPair, codes: NDArray[np.uint8], accessibility: NDArray[np.float32]
) -> NDArray[np.float32]:
    return predict(network, torch.from_numpy(codes.copy()), torch.from_numpy(accessibility))


def _larger(worst: float, differences: NDArray[np.float32]) -> float:
    """Take the largest difference so far; NaN stays NaN, unlike in ``max``."""
    return float(np.maximum(worst, np.abs(differences).max()))


def _random_accessibility(rng: np.random.Generator, count: int, widths: int) -> NDArray[np.float32]:
    values = rng.random((count, widths), dtype=np.float32)
    values[rng.random(values.shape) < 0.3] = 0.0
    values[rng.random(values.shape) < 0.2] = np.nan
    return values


def describe_model(
    fitted: Fitted, name: str, provenance: Provenance, prevalence: float, source: str, alone: Fitted | None = None
) -> Metadata:
    """Describe a fitted network as its model file will, but for the thresholds and what is measured on the file.

    Parameters
    ----------
    fitted : Fitted
    name : str
        Of the model.
    provenance : Provenance
    prevalence : float
        Share of bound windows.
    source : str
        What windows calibrate the thresholds.
    alone : Fitted, optional
        Scores the windows beside which nothing is known.
    """
    config = fitted.candidate.network
    placeholder = ThresholdTable(DECISION_THRESHOLD, "balanced", ())
    return Metadata(
        format_version=FORMAT_VERSION,
        name=name,
        version=provenance.version,
        family=config.family,
        window_length=WINDOW_LENGTH,
        alphabet=ALPHABET,
        architecture=asdict(config) | ({} if alone is None else {ALONE: asdict(alone.candidate.network)}),
        accessibility_mapping="percentile",
        missing_accessibility="nan",
        max_windows_per_call=MAX_WINDOWS[config.family],
        decision_threshold=DECISION_THRESHOLD,
        prevalence=prevalence,
        calibration_source=source,
        with_accessibility=placeholder,
        without_accessibility=placeholder,
        window_with_accessibility=placeholder if config.sees_neighbourhood else None,
        window_without_accessibility=placeholder if config.sees_neighbourhood else None,
        flank=config.flank,
        accessibility_widths=config.accessibility_widths,
        assembly=provenance.assembly,
        cell_types=provenance.cell_types,
        training_data_sha256=provenance.training_data_sha256,
        seed=fitted.candidate.fit.seed,
        validation={},
        training_accessibility=provenance.training_accessibility,
        tiles={str(stride): windows for stride, windows in tile_sizes(fitted.network()).items()},
        library_versions={library: importlib.metadata.version(library) for library in LIBRARIES},
    )


def export(
    fitted: Fitted,
    folder: Path,
    provenance: Provenance,
    held_out: HeldOut | None = None,
    alone: Fitted | None = None,
) -> dict[str, Any]:
    """Write ``model.onnx`` and ``metrics.json`` into ``folder``, replacing what is there.

    Parameters
    ----------
    fitted : Fitted
    folder : pathlib.Path
        Named after the model.
    provenance : Provenance
    held_out : HeldOut, optional
        Calibrates the thresholds; without it the validation windows do.
    alone : Fitted, optional
        Scores the windows beside which nothing is known, for a network that sees more than the window.

    Returns
    -------
    dict
        The content of ``metrics.json``: what ``jundscan evaluate`` says of the validation shards, and the same in
        every other mode under its name.

    Raises
    ------
    ParityError
        When torch and ONNX Runtime disagree; nothing is written then.
    """
    network, other = fitted.network(), None if alone is None else alone.network()
    family = fitted.candidate.network.family
    shards = read_shards(provenance.validation_folder)
    assert shards.labels is not None
    prevalence = float(shards.labels.mean())
    source = "validation windows" if held_out is None else held_out.source
    metadata = describe_model(fitted, folder.name, provenance, prevalence, source, alone)
    graph = build_graph(network, other)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as work:
        file = Path(work) / "model.onnx"
        draft = write_model(graph, metadata, file)
        difference = check_parity(network if other is None else NetworkPair(network, other), family, draft)
        reports, tables = {}, {}
        for mode, evaluation in evaluations(shards, draft, provenance.source).items():
            assert evaluation.report is not None
            reports[mode] = evaluation.report
            if held_out is None:
                tables[mode] = calibration_table(shards.labels, evaluation.probabilities, prevalence)
            else:
                tables[mode] = calibration_table(
                    held_out.labels, held_out.probabilities[mode], prevalence, held_out.peaks.get(mode)
                )
        validation = {mode: {key: report[key] for key in METRICS} for mode, report in reports.items()}
        known = replace(metadata, validation=validation, self_test=run_self_test(draft), **tables)
        final = write_model(graph, known, file)
        for report in reports.values():
            report["model"] = final.identity()
        metrics = {
            **reports[MODES[0]],
            "data": "validation",
            **{mode: report for mode, report in reports.items() if mode != MODES[0]},
            "torch_onnx_max_difference": difference,
            "training": {
                "candidate": fitted.candidate.to_dict(),
                "epoch": fitted.epoch,
                "curve": fitted.curve,
                ALONE: None if alone is None else {**alone.candidate.to_dict(), "epoch": alone.epoch},
            },
        }
        (Path(work) / METRICS_FILE).write_text(json.dumps(metrics, indent=1) + "\n")
        folder.mkdir(exist_ok=True)
        for name in ("model.onnx", METRICS_FILE):
            shutil.move(Path(work) / name, folder / name)
    return metrics


def write_model(graph: onnx.ModelProto, metadata: Metadata, file: Path) -> Model:
    """Write a graph with its metadata into a model file, and load it on the CPU."""
    onnx.helper.set_model_props(graph, {METADATA_KEY: metadata.to_json()})
    file.write_bytes(graph.SerializeToString(deterministic=True))
    return load_model(file, "cpu")
