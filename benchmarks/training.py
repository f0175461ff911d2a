"""Windows per second of ``train.fit``, against the usual DataLoader loop."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.timing import in_turn, ratio
from benchmarks.windowed import LOADER_BATCH, Items, plain_cnn, same_network
from jundscan.encoding import WINDOW_LENGTH, one_hot
from jundscan.model import Model
from train.config import Candidate, FitConfig, NetworkConfig
from train.dataset import Windows
from train.fit import Listener, fit

WINDOWS, QUICK_WINDOWS = 100_000, 10_000
LOOP_WINDOWS, QUICK_LOOP_WINDOWS = 20_000, 2_000
STEPS, QUICK_STEPS = 50, 8


def measure(model: Model, threads: int, repeats: int, quick: bool) -> dict[str, Any]:
    """Measure windows per second of ours, of the loop with the same network, and of the loop with a plain CNN."""
    many, few = (QUICK_WINDOWS, QUICK_LOOP_WINDOWS) if quick else (WINDOWS, LOOP_WINDOWS)
    windows = _random_windows(many)
    some = _random_windows(few)
    cases = {
        "ours": lambda: _fit_rate(model, windows, STEPS if not quick else QUICK_STEPS),
        "loop_same_network": lambda: _loop_rate(same_network(model), some, as_codes=True),
        "loop_plain": lambda: _loop_rate(plain_cnn(), some, as_codes=False),
    }
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rates = in_turn(cases, repeats)
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


def _random_windows(count: int) -> Windows:
    rng = np.random.default_rng(0)
    labels = (rng.random(count) < 0.05).astype(np.int8)
    codes = rng.integers(0, 4, (count, WINDOW_LENGTH), dtype=np.uint8)
    return Windows(codes, labels, np.ones(count), rng.random(count, dtype=np.float32))


def _fit_rate(model: Model, windows: Windows, steps: int) -> float:
    """Fit one epoch and clock it from the first step to the last."""
    config = FitConfig(epochs=1, steps=steps)
    ticks: list[float] = []
    listener = Listener(step=lambda loss: ticks.append(perf_counter()))
    few = _random_windows(500)
    fit(Candidate(NetworkConfig(**model.metadata.architecture), config), [windows], few, listener=listener)
    return (steps - 1) * config.batch / (ticks[-1] - ticks[0])


def _loop_rate(network: nn.Module, windows: Windows, as_codes: bool) -> float:
    """Train one epoch in the usual loop: per-item Dataset, batches of 100, loss weighted window by window."""
    network.train()
    sequence = windows.codes if as_codes else one_hot(windows.codes).astype(np.float32)
    targets, weights = windows.labels.astype(np.float32), windows.weights.astype(np.float32)
    items = Items(sequence, windows.accessibility, targets, weights)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    loss_of: Callable[..., torch.Tensor] = nn.functional.binary_cross_entropy_with_logits
    began = perf_counter()
    for x, a, y, w in DataLoader(items, batch_size=LOADER_BATCH, shuffle=True):
        loss = loss_of(network(x, a), y, weight=w)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return len(items) / (perf_counter() - began)
