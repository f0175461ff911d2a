"""Compare windows per second of ``train.fitting.fit`` with the usual DataLoader loop.

The fit computes the scores of fixed filters once, before its first step, which is timed separately. The loop computes
them in every step.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.timing import interleaved, ratio, seconds_of
from benchmarks.windowed import LOADER_BATCH, Items, ModelInputs, plain_cnn, same_network
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.model.model import Model
from train.config import Candidate, FitConfig, NetworkConfig
from train.data.dataset import Neighbourhoods, Windows
from train.fitting.fit import Listener, fit
from train.fitting.inputs import summarise
from train.networks.architectures import build_network

WINDOWS, QUICK_WINDOWS = 20_000, 1_000
LOOP_WINDOWS, QUICK_LOOP_WINDOWS = 5_000, 300
JUDGED_WINDOWS = 500
STEPS, QUICK_STEPS = 50, 8


def measure(model: Model, threads: int, repeats: int, quick: bool) -> dict[str, Any]:
    """Measure windows per second of our fit, of the loop with the same network, and of the loop with a plain CNN."""
    many, few = (QUICK_WINDOWS, QUICK_LOOP_WINDOWS) if quick else (WINDOWS, LOOP_WINDOWS)
    config = NetworkConfig.from_dict(model.metadata.architecture)
    windows, some, judged = (random_windows(count, model) for count in (many, few, JUDGED_WINDOWS))
    network = build_network(config)
    ready, ready_judged = summarise([windows, judged], network)
    cases = {
        "ours": lambda: _fit_rate(config, ready, ready_judged, STEPS if not quick else QUICK_STEPS),
        "loop_same_network": lambda: _loop_rate(same_network(model), *inputs_for(some), some),
        "loop_plain": lambda: _loop_rate(plain_cnn(), *ModelInputs(*inputs_for(some)).alone(), some),
    }
    if config.fixed_filters:
        cases["summaries"] = lambda: many / seconds_of(lambda: summarise([windows], network))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rates = interleaved(cases, repeats)
    finally:
        torch.set_num_threads(before)
    loops: tuple[str, ...] = ("loop_same_network", "loop_plain")
    return {
        "windows": many,
        "windows_of_the_loop": few,
        "batch": FitConfig().batch,
        "threads": threads,
        **rates,
        "ratios": {loop: ratio(rates["ours"], rates[loop]) for loop in loops},
    }


def random_windows(count: int, model: Model) -> Windows:
    """Draw random windows with neighbourhoods as wide as the model sees."""
    rng = np.random.default_rng(0)
    labels = (rng.random(count) < 0.05).astype(np.int8)
    codes = rng.integers(0, 4, (count, model.span), dtype=np.uint8)
    accessibility = rng.random((count, len(model.widths)), dtype=np.float32)
    own = codes[:, model.flank : model.flank + WINDOW_LENGTH].copy()
    neighbourhood = Neighbourhoods(codes, accessibility, model.widths) if model.metadata.sees_neighbourhood else None
    return Windows(own, labels, np.ones(count), accessibility[:, 0].copy(), neighbourhood=neighbourhood)


def inputs_for(windows: Windows) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return codes and accessibility of windows from :func:`random_windows`, as the model sees them."""
    if windows.neighbourhood is None:
        return windows.codes, windows.accessibility[:, None]
    return windows.neighbourhood.codes, windows.neighbourhood.accessibility


def _fit_rate(config: NetworkConfig, windows: Windows, judged: Windows, steps: int) -> float:
    """Fit one epoch and time it from the first step to the last."""
    recipe = FitConfig(epochs=1, steps=steps)
    ticks: list[float] = []
    listener = Listener(step=lambda loss: ticks.append(perf_counter()))
    fit(Candidate(config, recipe), [windows], judged, listener=listener)
    return (steps - 1) * recipe.batch / (ticks[-1] - ticks[0])


def _loop_rate(
    network: nn.Module, sequence: NDArray[Any], accessibility: NDArray[np.float32], windows: Windows
) -> float:
    """Train one epoch in the usual loop: per-item Dataset, batches of 100, one weight per window."""
    network.train()
    targets, weights = windows.labels.astype(np.float32), windows.weights.astype(np.float32)
    items = Items(sequence, accessibility, targets, weights)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    loss_of: Callable[..., torch.Tensor] = nn.functional.binary_cross_entropy_with_logits
    began = perf_counter()
    for x, a, y, w in DataLoader(items, batch_size=LOADER_BATCH, shuffle=True):
        loss = loss_of(network(x, a), y, weight=w)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return len(items) / (perf_counter() - began)
