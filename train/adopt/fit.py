"""Fit a user's network with weighted binary cross-entropy, and score blocks of the genome held out in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from jundscan.errors import InputError
from jundscan.evaluation.metrics import compute_metrics
from jundscan.model.metadata import MODES
from train.adopt.network import AdoptedNetwork, NetworkSource
from train.comparison.crossval import SOURCE, load_folds
from train.config import FitConfig
from train.data.dataset import DataSet, Windows
from train.export.calibration import HeldOutWindows
from train.fitting.fit import DECISION_THRESHOLD, METRICS, curve_metrics, draw_step, learning_rate, predict
from train.fitting.folds import FOLDS
from train.fitting.inputs import make_inputs
from train.fitting.sampler import Sampler

USED = ("epochs", "steps", "batch", "bound", "learning_rate", "weight_decay", "withhold", "seed")
"""Settings of :class:`FitConfig` that the fit of an adopted network uses."""


def settings(config: FitConfig) -> dict[str, Any]:
    """Return the settings that the fit uses, for the record."""
    return {key: value for key, value in asdict(config).items() if key in USED}


def fit_adopted(
    source: NetworkSource,
    train: Windows,
    valid: Windows | None,
    config: FitConfig,
    on_epoch: Callable[[str], None] = lambda line: None,
) -> tuple[AdoptedNetwork, list[dict[str, Any]]]:
    """Fit a new network of a user's class by AdamW, and keep its last epoch.

    Parameters
    ----------
    source : NetworkSource
    train : Windows
    valid : Windows or None
        Judged after every epoch. They choose nothing.
    config : FitConfig
        See :data:`USED`.
    on_epoch : callable
        Called with a line for every epoch.

    Returns
    -------
    network : AdoptedNetwork
        In evaluation mode.
    curve : list of dict
        Loss and validation metrics by mode, epoch by epoch.

    Raises
    ------
    InputError
        When the loss is no number.
    """
    network = source.build(config.seed)
    sampler = Sampler(train, network, torch.device("cpu"))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed)
    curve: list[dict[str, Any]] = []
    for epoch in range(1, config.epochs + 1):
        network.train()
        total = 0.0
        for step in range((epoch - 1) * config.steps, epoch * config.steps):
            batch = draw_step([sampler], config, generator)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate(step, config.epochs * config.steps)
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(batch.inputs, batch.accessibility), batch.targets, batch.weights, reduction="sum"
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item()
        if not math.isfinite(total):
            raise InputError(f"{source}: the loss of epoch {epoch} is {total}; give a lower --learning-rate")
        entry: dict[str, Any] = {"epoch": epoch, "loss": total / config.steps}
        if valid is not None:
            entry["valid"] = {mode: curve_metrics(valid, found) for mode, found in score(network, valid).items()}
            shown = "  ".join(f"{metric} {entry['valid'][MODES[0]][metric]:.3f}" for metric in METRICS)
            on_epoch(f"epoch {epoch}/{config.epochs}  loss {entry['loss']:.4f}  validation {shown}")
        curve.append(entry)
    return network.eval(), curve


def score(network: AdoptedNetwork, windows: Windows) -> dict[str, NDArray[np.float32]]:
    """Return probabilities (N,) with and without accessibility."""
    inputs = make_inputs(windows, network)
    return {mode: predict(network, *inputs.in_mode(mode)) for mode in MODES}


def score_held_out(
    source: NetworkSource, data: DataSet, config: FitConfig, on_progress: Callable[[str], None]
) -> tuple[HeldOutWindows, dict[str, dict[str, Any]]]:
    """Fit a new network with each fold of blocks held out, and score the windows of that fold.

    Returns
    -------
    held_out : HeldOutWindows
    reports : dict
        Metrics of these scores by mode, with their intervals.

    Raises
    ------
    ShardError
        When the windows cannot be divided into blocked folds.
    """
    (windows,), fold = load_folds([data])
    pooled = {mode: np.full(len(fold), np.nan, np.float32) for mode in MODES}
    for number in range(FOLDS):
        network, _ = fit_adopted(source, windows.take(fold != number), None, config)
        held_out = np.flatnonzero(fold == number)
        for mode, found in score(network, windows.take(held_out)).items():
            pooled[mode][held_out] = found
        on_progress(f"fold {number + 1}/{FOLDS} held out")
    reports = {
        mode: compute_metrics(windows.labels, found, windows.weights, DECISION_THRESHOLD)
        for mode, found in pooled.items()
    }
    return HeldOutWindows(SOURCE, windows.labels, pooled), reports
