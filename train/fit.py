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

from jundscan.errors import InputError
from jundscan.metrics import evaluate
from jundscan.writers import replacing
from train.config import Candidate, FitConfig
from train.dataset import Windows
from train.networks import CNN, LSTM, MLP, build_network, reverse_complement
from train.sampler import Sampler

DECISION = 0.5
JUDGED = ("weighted_accuracy", "auroc", "average_precision")
"""Metrics of the learning curve; the first one selects."""
KEPT = ("network", "average", "optimizer", "curve", "best", "best_epoch")
"""What a checkpoint holds."""
WARM_UP = 0.15
PREDICT_BATCH = 1024
PLACING_WINDOWS = 16_384
"""Training windows that scales and knots are placed by."""


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
        return _selection(self.curve[self.epoch - 1])

    def network(self) -> MLP | CNN | LSTM:
        """Build the network with the best weights, filters rounded, in evaluation mode."""
        network = build_network(self.candidate.network)
        network.load_state_dict(self.state)
        network.first.round_weights()
        return network.eval()


def _selection(entry: dict[str, Any]) -> float:
    return float(entry["valid"][JUDGED[0]])


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate: rise linearly over the first steps, then fall to 0 along a cosine.

    Examples
    --------
    >>> [round(learning_rate(step, 100), 2) for step in (0, 14, 15, 99)]
    [0.07, 1.0, 1.0, 0.0]
    """
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _optimizer(network: nn.Module, config: FitConfig) -> torch.optim.AdamW:
    """Give filters a rate of their own, since they start from motifs and the head from nothing."""
    filters = [value for name, value in network.named_parameters() if name.startswith("first.")]
    others = [value for name, value in network.named_parameters() if not name.startswith("first.")]
    return torch.optim.AdamW(
        [
            {"params": filters, "peak": config.filter_learning_rate, "weight_decay": 0.0},
            {"params": others, "peak": config.learning_rate, "weight_decay": config.weight_decay},
        ]
    )


def _train_epoch(
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    samplers: Sequence[Sampler],
    config: FitConfig,
    epoch: int,
    listener: Listener,
) -> float:
    seed = config.seed * 1_000_003 + epoch
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    network.train()
    for step in range((epoch - 1) * config.steps, epoch * config.steps):
        drawn = [sampler.draw(config.batch // len(samplers), config, generator) for sampler in samplers]
        codes, targets, accessibility, weights = (torch.cat(column) for column in zip(*drawn, strict=True))
        turned = torch.rand(len(codes), generator=generator).to(codes.device) < 0.5
        codes = torch.where(turned[:, None], reverse_complement(codes), codes)
        withheld = torch.rand(len(codes), generator=generator).to(codes.device) < config.withhold
        accessibility = torch.where(withheld, torch.nan, accessibility)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, config.epochs * config.steps)
        logits = network(codes, accessibility)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum") / len(samplers)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            decay = min(config.average, (step + 1) / (step + 10))  # short at first, to forget the start
            for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        total += loss.item()
        listener.step(loss.item())
    return total / config.steps


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
    saved = _read(checkpoint)
    return Fitted(candidate, saved["best"], saved["best_epoch"], saved["curve"])


def fit(
    candidate: Candidate,
    train: Sequence[Windows],
    valid: Windows | None,
    *,
    until: int | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    listener: Listener | None = None,
) -> Fitted:
    """Fit a candidate and keep its best late epoch.

    Parameters
    ----------
    candidate : Candidate
    train : sequence of Windows
        One for each data set; they are fitted together.
    valid : Windows or None
        Selects the epoch, by weighted accuracy, among those after ``candidate.fit.settled`` of them; without it the
        last epoch is kept.
    until : int, optional
        Stop after this epoch, on the way to ``candidate.fit.epochs``; the rates are those of the whole way.
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
    samplers = [Sampler(windows, torch.device(device)) for windows in train]
    network.place(samplers[0].codes[:PLACING_WINDOWS])
    average = copy.deepcopy(network)
    optimizer = _optimizer(network, config)
    curve: list[dict[str, Any]] = []
    best: dict[str, Tensor] = {}
    best_epoch = 0
    if checkpoint is not None and checkpoint.is_file():
        saved = _read(checkpoint)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        curve, best, best_epoch = saved["curve"], saved["best"], saved["best_epoch"]
    for epoch in range(len(curve) + 1, (until or config.epochs) + 1):
        loss = _train_epoch(network, average, optimizer, samplers, config, epoch, listener)
        curve.append({"epoch": epoch, "loss": loss, **({} if valid is None else judge(average, valid))})
        settled = best_epoch > int(config.settled * config.epochs)
        if valid is None or not settled or _selection(curve[-1]) > _selection(curve[best_epoch - 1]):
            best_epoch = epoch
            best = {name: value.detach().cpu().clone() for name, value in average.state_dict().items()}
        if checkpoint is not None:
            states = (one.state_dict() for one in (network, average, optimizer))
            _save(checkpoint, dict(zip(KEPT, (*states, curve, best, best_epoch), strict=True)))
        shown = "  ".join(f"{metric} {value:.3f}" for metric, value in curve[-1].get("valid", {}).items())
        listener.epoch(f"{candidate.key()} epoch {epoch}/{config.epochs}  loss {loss:.4f}  validation {shown}")
    return Fitted(candidate, best, best_epoch, curve)


def _read(path: Path) -> dict[str, Any]:
    """Read what :func:`_save` wrote."""
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        if not saved.keys() >= set(KEPT):
            raise ValueError("parts are missing")
    except Exception as err:  # torch's and pickle's errors share no base but Exception
        reason = str(err).partition("\n")[0]
        raise InputError(f"{path}: no checkpoint ({reason}); delete it, and the fit begins anew") from err
    return saved


def _save(path: Path, content: dict[str, Any]) -> None:
    """Write beside and rename, so that Ctrl-C never leaves half a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as temporary:
        torch.save(content, temporary)
