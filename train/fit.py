"""Fit one candidate: weighted binary cross-entropy, judged on validation after every epoch, resumable.

Every epoch draws its order, its dropout and what it withholds from the seed and the epoch's number alone, so that a
run that was interrupted and resumed gives the same weights as one that was not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jundscan.metrics import evaluate
from train.config import Candidate, FitConfig
from train.dataset import Windows
from train.networks import build_network, reverse_complement

DECISION = 0.5
JUDGED = ("weighted_accuracy", "auroc", "average_precision")
"""Metrics of the learning curve; the first one selects."""
WARM_UP = 0.1
PREDICT_BATCH = 4096


@dataclass(frozen=True)
class Listener:
    """Whom a fit tells how it goes: ``step`` after every step with its loss, ``epoch`` a line after every epoch."""

    step: Callable[[float], None] = lambda loss: None
    epoch: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate.

    Attributes
    ----------
    candidate : Candidate
    state : dict
        Averaged weights of the best epoch, as ``state_dict``.
    epoch : int
        The best epoch, from 1.
    curve : list of dict
        One entry an epoch: loss, and the validation metrics with and without accessibility.
    """

    candidate: Candidate
    state: dict[str, Tensor]
    epoch: int
    curve: list[dict[str, Any]]

    @property
    def selection(self) -> float:
        """Validation weighted accuracy of the best epoch."""
        return float(self.curve[self.epoch - 1]["valid"][JUDGED[0]])

    def network(self) -> nn.Module:
        """Build the network with the best weights, in evaluation mode."""
        network = build_network(self.candidate.network)
        network.load_state_dict(self.state)
        return network.eval()


@dataclass(frozen=True)
class _Tensors:
    codes: Tensor
    targets: Tensor
    weights: Tensor
    accessibility: Tensor


def _to_tensors(sets: Sequence[Windows], device: torch.device) -> _Tensors:
    """Join the sets; in each, weights are scaled to a mean of 1 so that no set outweighs another."""
    joined = [
        np.concatenate([one.codes for one in sets]),
        np.concatenate([one.labels for one in sets]).astype(np.float32),
        np.concatenate([one.weights / one.weights.mean() for one in sets]).astype(np.float32),
        np.concatenate([one.accessibility for one in sets]),
    ]
    return _Tensors(*(torch.from_numpy(array).to(device) for array in joined))


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Rise linearly over the first tenth of all steps, then fall to zero along a cosine."""
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def steps_per_epoch(windows: int, bound: int, config: FitConfig) -> int:
    """Expected number of steps in an epoch of ``windows`` windows, ``bound`` of them positive."""
    return math.ceil((bound + (windows - bound) * config.negatives) / config.batch)


def _epoch_rows(data: _Tensors, config: FitConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows of one epoch in random order, all bound windows and a share of the others, and their weights."""
    bound = data.targets.cpu() > 0
    chosen = bound | (torch.rand(len(bound), generator=generator) < config.negatives)
    rows = torch.nonzero(chosen).squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=generator)]
    weights = data.weights.cpu()[rows]
    return rows, torch.where(bound[rows], weights, weights / config.negatives)


def _train_epoch(
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: _Tensors,
    config: FitConfig,
    epoch: int,
    listener: Listener,
) -> float:
    seed = config.seed * 1_000_003 + epoch
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    rows, weights = _epoch_rows(data, config, generator)
    device = data.codes.device
    per_epoch = steps_per_epoch(len(data.targets), int(data.targets.sum()), config)
    total = weight_sum = 0.0
    network.train()
    for step, first in enumerate(range(0, len(rows), config.batch)):
        batch = rows[first : first + config.batch].to(device)
        weight = weights[first : first + config.batch].to(device)
        codes, accessibility = data.codes[batch], data.accessibility[batch]
        turned = torch.rand(len(batch), generator=generator).to(device) < 0.5
        codes = torch.where(turned[:, None], reverse_complement(codes), codes)
        withheld = torch.rand(len(batch), generator=generator).to(device) < config.withhold
        accessibility = torch.where(withheld, torch.nan, accessibility)
        done = (epoch - 1) * per_epoch + step
        rate = learning_rate(done, config.epochs * per_epoch, config.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses = nn.functional.binary_cross_entropy_with_logits(
            network(codes, accessibility), data.targets[batch], reduction="none"
        )
        loss = (losses * weight).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(config.average, 1.0 - 1.0 / (done + 1))
            for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        listener.step(float(loss.detach()))
        total += float((losses.detach() * weight).sum())
        weight_sum += float(weight.sum())
    return total / weight_sum


@torch.no_grad()
def predict(network: nn.Module, codes: NDArray[np.uint8], accessibility: NDArray[np.float32]) -> NDArray[np.float32]:
    """Score single windows with a torch network: probabilities (N,), float32."""
    device = next(network.parameters()).device
    network.eval()
    parts = [
        torch.sigmoid(
            network(
                torch.from_numpy(codes[first : first + PREDICT_BATCH]).to(device),
                torch.from_numpy(accessibility[first : first + PREDICT_BATCH]).to(device),
            )
        )
        for first in range(0, len(codes), PREDICT_BATCH)
    ]
    probabilities: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return probabilities


def judge(network: nn.Module, windows: Windows) -> dict[str, dict[str, float]]:
    """Metrics of the learning curve, with accessibility (``valid``) and with it withheld (``valid_sequence_only``)."""
    withheld = np.full_like(windows.accessibility, np.nan)
    result = {}
    for name, accessibility in (("valid", windows.accessibility), ("valid_sequence_only", withheld)):
        probabilities = predict(network, windows.codes, accessibility)
        metrics = evaluate(windows.labels, probabilities, windows.weights, DECISION, intervals=False)
        result[name] = {metric: metrics[metric] for metric in JUDGED}
    return result


def load_fitted(candidate: Candidate, checkpoint: Path) -> Fitted:
    """Read the best epoch so far from a checkpoint, of a finished fit or of one that was interrupted."""
    saved = torch.load(checkpoint, weights_only=True)
    return Fitted(candidate, saved["best"], saved["best_epoch"], saved["curve"])


def fit(
    candidate: Candidate,
    train: Sequence[Windows],
    valid: Windows,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    listener: Listener | None = None,
) -> Fitted:
    """Fit a candidate and keep its best epoch.

    Parameters
    ----------
    candidate : Candidate
    train : sequence of Windows
        One for each data set; they are fitted together.
    valid : Windows
        Selects the epoch, by weighted accuracy.
    checkpoint : pathlib.Path, optional
        Written after every epoch; where it exists already, the fit goes on from there.
    device : str
        A torch device.
    listener : Listener, optional
        Told how it goes.

    Returns
    -------
    Fitted
    """
    config, listener = candidate.fit, listener or Listener()
    torch.manual_seed(config.seed)
    network = build_network(candidate.network).to(device)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    curve: list[dict[str, Any]] = []
    best: dict[str, Tensor] = {}
    best_epoch = 0
    if checkpoint is not None and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        curve, best, best_epoch = saved["curve"], saved["best"], saved["best_epoch"]
    data = _to_tensors(train, torch.device(device))
    for epoch in range(len(curve) + 1, config.epochs + 1):
        loss = _train_epoch(network, average, optimizer, data, config, epoch, listener)
        curve.append({"epoch": epoch, "loss": loss, **judge(average, valid)})
        if not best_epoch or curve[-1]["valid"][JUDGED[0]] > curve[best_epoch - 1]["valid"][JUDGED[0]]:
            best_epoch = epoch
            best = {name: value.detach().cpu().clone() for name, value in average.state_dict().items()}
        if checkpoint is not None:
            _save(
                checkpoint,
                {
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "curve": curve,
                    "best": best,
                    "best_epoch": best_epoch,
                },
            )
        shown = "  ".join(f"{metric} {curve[-1]['valid'][metric]:.3f}" for metric in JUDGED)
        listener.epoch(f"{candidate.key()} epoch {epoch}/{config.epochs}  loss {loss:.4f}  validation {shown}")
    return Fitted(candidate, best, best_epoch, curve)


def _save(path: Path, content: dict[str, Any]) -> None:
    """Write beside and rename, so that Ctrl-C never leaves half a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(content, beside)
    beside.replace(path)
