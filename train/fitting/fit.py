"""Fit one candidate with weighted binary cross-entropy, validate after every epoch, and resume from checkpoints.

The random numbers of an epoch depend on the seed and the epoch's number alone. An interrupted and resumed fit therefore
gives the same weights as an uninterrupted one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jundscan.dna.letters import UNKNOWN
from jundscan.errors import InputError
from jundscan.evaluation.metrics import compute_metrics
from jundscan.io.outputs import atomic_path
from jundscan.model.metadata import MODES
from train.config import Candidate, FitConfig, Motifs
from train.data.dataset import Windows
from train.fitting.inputs import make_inputs, modes, network_codes, summarise
from train.fitting.sampler import Batch, Sampler
from train.networks.architectures import Network, build_network
from train.networks.features import reverse_complement

DECISION_THRESHOLD = 0.5
METRICS = ("weighted_accuracy", "auroc", "average_precision")
"""Metrics of the learning curve. The first one selects."""
CHECKPOINT_KEYS = ("network", "average", "optimizer", "curve", "best", "best_epoch")
"""Keys of a checkpoint."""
MOTIFS_KEY = "motifs"
"""Key of the digest of the motifs that a fit started from. Checkpoints without it started from JUND's."""
WARM_UP_FRACTION = 0.15
PREDICT_BATCH = 1024
SCALING_WINDOWS = 16_384
"""Training windows from which scales and knots are set."""
CURVE_WINDOWS = {1: 2_048, 0: 8_192}
"""Maximum training windows by label on which the learning curve is measured."""


@dataclass(frozen=True)
class Listener:
    """Callbacks of a fit: ``step`` after every step, with its loss, and ``epoch`` after every epoch, with a line."""

    step: Callable[[float], None] = lambda loss: None
    epoch: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class FittedNetwork:
    """A fitted candidate.

    Attributes
    ----------
    candidate : Candidate
    state : dict
        Averaged weights of the best epoch, as ``state_dict``.
    epoch : int
        The best epoch, counted from 1.
    curve : list of dict
        One entry per epoch: the mean loss of its steps, which dropout raises. Under ``valid`` the validation metrics by
        mode, and under ``train`` those of a sample of the training windows.
    blocked : dict, optional
        Metrics by mode on held-out blocks of the genome, averaged over the data sets.
    """

    candidate: Candidate
    state: dict[str, Tensor]
    epoch: int
    curve: list[dict[str, Any]]
    blocked: dict[str, dict[str, float]] | None = None

    @property
    def selection(self) -> float:
        """Weighted accuracy on held-out blocks if it is known, else on validation at the best epoch."""
        if self.blocked is not None:
            return self.blocked[MODES[0]][METRICS[0]]
        return _selection(self.curve[self.epoch - 1])

    def network(self) -> Network:
        """Build the network with the best weights and rounded filters, in evaluation mode."""
        network = build_network(self.candidate.network, self.candidate.motifs)
        network.load_state_dict(self.state)
        network.first.round_weights()
        return network.eval()


def _selection(entry: dict[str, Any]) -> float:
    return float(entry["valid"][MODES[0]][METRICS[0]])


def learning_rate(step: int, steps: int) -> float:
    """Return the fraction of the peak rate, which rises linearly over the first steps and then falls along a cosine.

    Examples
    --------
    >>> [round(learning_rate(step, 100), 2) for step in (0, 14, 15, 99)]
    [0.07, 1.0, 1.0, 0.0]
    """
    warm = max(1, int(WARM_UP_FRACTION * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _optimizer(network: nn.Module, config: FitConfig) -> torch.optim.AdamW:
    """Make the optimizer. Filters have a rate of their own because they start from motifs, unlike the head."""
    filters = [value for name, value in network.named_parameters() if name.startswith("first.")]
    others = [value for name, value in network.named_parameters() if not name.startswith("first.")]
    return torch.optim.AdamW(
        [
            {"params": filters, "peak": config.filter_learning_rate, "weight_decay": 0.0},
            {"params": others, "peak": config.learning_rate, "weight_decay": config.weight_decay},
        ]
    )


def draw_step(samplers: Sequence[Sampler], config: FitConfig, generator: torch.Generator) -> Batch:
    """Draw the windows of one step from all data sets. Turn half of them round, and withhold some accessibility."""
    drawn = [sampler.draw(config.batch // len(samplers), config, generator) for sampler in samplers]
    inputs, targets, accessibility, weights = (torch.cat(column) for column in zip(*drawn, strict=True))
    if inputs.dtype == torch.uint8:  # a summary is the same for both strands
        turned = torch.rand(len(inputs), generator=generator).to(inputs.device) < 0.5
        inputs = torch.where(turned[:, None], reverse_complement(inputs), inputs)
    withheld = torch.rand(len(inputs), generator=generator).to(inputs.device) < config.withhold
    return Batch(inputs, targets, torch.where(withheld[:, None], torch.nan, accessibility), weights)


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
        inputs, targets, accessibility, weights = draw_step(samplers, config, generator)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, config.epochs * config.steps)
        logits = network(inputs, accessibility)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum") / len(samplers)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            decay = min(config.average, (step + 1) / (step + 10))  # low at first, to forget the initial weights
            for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        total += loss.item()
        listener.step(loss.item())
    return total / config.steps


@torch.no_grad()
def predict(network: nn.Module, inputs: Tensor, accessibility: Tensor) -> NDArray[np.float32]:
    """Score single windows with a torch network.

    Parameters
    ----------
    network : torch.nn.Module
        Returns logits (N,).
    inputs : torch.Tensor, shape=(N, 101 + 2 * flank), dtype=uint8, or (N, n), dtype=float32
        Codes or summaries.
    accessibility : torch.Tensor, shape=(N, widths), dtype=float32

    Returns
    -------
    numpy.ndarray, shape=(N,), dtype=float32
        Probabilities.
    """
    device = next(network.parameters()).device
    network.eval()
    batches = zip(inputs.split(PREDICT_BATCH), accessibility.split(PREDICT_BATCH), strict=True)
    parts = [torch.sigmoid(network(*(tensor.to(device) for tensor in batch))) for batch in batches]
    probabilities: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return probabilities


def predict_modes(network: Network, windows: Windows) -> dict[str, NDArray[np.float32]]:
    """Return probabilities (N,) of windows by mode."""
    inputs = make_inputs(windows, network)
    return {mode: predict(network, *inputs.in_mode(mode)) for mode in modes(network.config)}


def judge(network: Network, windows: Windows) -> dict[str, dict[str, float]]:
    """Compute the metrics of the learning curve and the loss by mode."""
    return {
        mode: {"loss": weighted_loss(windows, found), **curve_metrics(windows, found)}
        for mode, found in predict_modes(network, windows).items()
    }


def judge_sample(network: Network, sample: Windows) -> dict[str, dict[str, float]]:
    """Compute metrics of :func:`training_sample` with accessibility. Leave out the one that depends on prevalence."""
    inputs = make_inputs(sample, network)
    found = predict(network, *inputs.in_mode(MODES[0]))
    metrics = {"loss": weighted_loss(sample, found), **curve_metrics(sample, found)}
    return {MODES[0]: {name: value for name, value in metrics.items() if name != METRICS[2]}}


def training_sample(windows: Windows) -> Windows:
    """Choose windows of both labels at random, always the same, and keep the sum of weights of each label."""
    generator = np.random.default_rng(0)
    weights = windows.weights.copy()
    chosen = []
    for label, most in CURVE_WINDOWS.items():
        rows = np.flatnonzero(windows.labels == label)
        some = np.sort(generator.permutation(rows)[:most])
        weights[some] *= weights[rows].sum() / weights[some].sum()
        chosen.append(some)
    return replace(windows, weights=weights).take(np.concatenate(chosen))


def weighted_loss(windows: Windows, probabilities: NDArray[np.float32]) -> float:
    """Compute the weighted binary cross-entropy, the loss of training."""
    from sklearn.metrics import log_loss

    return float(log_loss(windows.labels, probabilities, sample_weight=windows.weights, labels=[0, 1]))


def curve_metrics(windows: Windows, probabilities: NDArray[np.float32]) -> dict[str, float]:
    """Compute the metrics of the learning curve."""
    metrics = compute_metrics(windows.labels, probabilities, windows.weights, DECISION_THRESHOLD, resamples=0)
    return {metric: metrics[metric] for metric in METRICS}


def load_fitted(candidate: Candidate, checkpoint: Path) -> FittedNetwork:
    """Read the best epoch so far from the checkpoint of a finished or interrupted fit."""
    saved = _read_checkpoint(checkpoint, candidate)
    return FittedNetwork(candidate, saved["best"], saved["best_epoch"], saved["curve"])


def fit(
    candidate: Candidate,
    train: Sequence[Windows],
    valid: Windows | None,
    *,
    until: int | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    listener: Listener | None = None,
) -> FittedNetwork:
    """Fit a candidate and keep its best late epoch.

    Parameters
    ----------
    candidate : Candidate
    train : sequence of Windows
        One for each data set. They are fitted together.
    valid : Windows or None
        Selects the epoch by weighted accuracy, after ``candidate.fit.earliest_epoch_fraction`` of the epochs. Without
        it the last epoch is kept.
    until : int, optional
        Stop after this epoch. The learning rates are still those of ``candidate.fit.epochs`` epochs.
    checkpoint : pathlib.Path, optional
        Written after every epoch. If the file exists, the fit continues from it.
    device : str
        A torch device.
    listener : Listener, optional
        Called after every step and epoch.

    Returns
    -------
    Fitted
    """
    config, listener = candidate.fit, listener or Listener()
    torch.manual_seed(config.seed)
    network = build_network(candidate.network, candidate.motifs)
    train = summarise(train, network)
    if valid is not None:
        (valid,) = summarise([valid], network)
    network = network.to(device)
    samplers = [Sampler(windows, network, torch.device(device)) for windows in train]
    network.set_scales(_scaling_windows(train[0], candidate.network.flank).to(device))
    average = copy.deepcopy(network)
    optimizer = _optimizer(network, config)
    sample = None if valid is None else training_sample(train[0])
    curve: list[dict[str, Any]] = []
    best: dict[str, Tensor] = {}
    best_epoch = 0
    if checkpoint is not None and checkpoint.is_file():
        saved = _read_checkpoint(checkpoint, candidate)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        curve, best, best_epoch = saved["curve"], saved["best"], saved["best_epoch"]
    for epoch in range(len(curve) + 1, (until or config.epochs) + 1):
        loss = _train_epoch(network, average, optimizer, samplers, config, epoch, listener)
        curve.append({"epoch": epoch, "loss": loss})
        if valid is not None and sample is not None:
            curve[-1] |= {"train": judge_sample(average, sample), "valid": judge(average, valid)}
        selects = best_epoch > int(config.earliest_epoch_fraction * config.epochs)
        if valid is None or not selects or _selection(curve[-1]) > _selection(curve[best_epoch - 1]):
            best_epoch = epoch
            best = {name: value.detach().cpu().clone() for name, value in average.state_dict().items()}
        if checkpoint is not None:
            states = (one.state_dict() for one in (network, average, optimizer))
            content = dict(zip(CHECKPOINT_KEYS, (*states, curve, best, best_epoch), strict=True))
            save(checkpoint, content | {MOTIFS_KEY: candidate.motifs.sha256()})
        judged = curve[-1].get("valid", {}).get(MODES[0], {})
        shown = ", ".join(f"{metric.replace('_', ' ')} {judged[metric]:.3f}" for metric in METRICS if metric in judged)
        listener.epoch(
            f"{candidate.label()}: epoch {epoch} of {config.epochs}, loss {loss:.4f}" + (f", {shown}" if shown else "")
        )
    return FittedNetwork(candidate, best, best_epoch, curve)


def _scaling_windows(windows: Windows, flank: int) -> Tensor:
    """Choose the windows from which scales and knots are set, those with two known flanks if there are any."""
    codes = network_codes(windows, flank)
    complete = np.flatnonzero((codes < UNKNOWN).all(axis=1)) if flank else np.arange(len(codes))
    some = codes[complete[:SCALING_WINDOWS]] if len(complete) else codes[:SCALING_WINDOWS]
    return torch.from_numpy(np.ascontiguousarray(some))


def _read_checkpoint(path: Path, candidate: Candidate) -> dict[str, Any]:
    """Read a checkpoint, and check that its fit started from the candidate's motifs."""
    saved = _read(path, CHECKPOINT_KEYS)
    if saved.get(MOTIFS_KEY, Motifs().sha256()) != candidate.motifs.sha256():
        raise InputError(
            f"{path}: its fit started from other motifs than {candidate.motifs.choice}; give another folder with --runs"
        )
    return saved


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a network's weights that :func:`save` wrote."""
    return _read(path, ())


def _read(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read a file that :func:`save` wrote and that must hold ``keys``."""
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        if not saved.keys() >= set(keys):
            raise ValueError("keys are missing")
    except Exception as err:  # torch's and pickle's errors share no base but Exception
        reason = str(err).partition("\n")[0]
        raise InputError(f"{path}: not a complete checkpoint ({reason}); delete it to start the fit again") from err
    return saved


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint to a temporary file and rename it, so that Ctrl-C leaves no incomplete file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary:
        torch.save(content, temporary)
