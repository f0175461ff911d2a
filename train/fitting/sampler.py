"""Draw batches of training windows. Bound windows are drawn more often than they occur."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from train.config import FitConfig
from train.data.dataset import Windows
from train.fitting.inputs import Configured, make_inputs
from train.fitting.shift import neighbours, shift_windows


class Batch(NamedTuple):
    """Windows of one step: codes or summaries (B, n), targets (B,), accessibility (B, widths), weights (B,)."""

    inputs: Tensor
    targets: Tensor
    accessibility: Tensor
    weights: Tensor


class Sampler:
    """Draws batches from one data set on a device.

    Each window's weight is divided by how often it is drawn. A batch's weighted loss is then, on average, the loss of
    the whole set with the weights ``w``.
    """

    def __init__(self, windows: Windows, network: Configured, device: torch.device) -> None:
        self.inputs = make_inputs(windows, network, device)
        self.targets = torch.from_numpy(windows.labels.astype(np.float32)).to(device)
        self.rows = [torch.from_numpy(np.flatnonzero(windows.labels == label)) for label in (1, 0)]
        self.weights = torch.from_numpy((windows.weights / windows.weights.sum()).astype(np.float32))
        self._windows = windows

    @cached_property
    def near(self) -> Tensor:
        """Neighbours of each window, computed when windows are first moved."""
        return torch.from_numpy(neighbours(self._windows))

    def draw(self, count: int, config: FitConfig, generator: torch.Generator) -> Batch:
        """Draw ``count`` windows with replacement, a fraction ``config.bound`` of them bound.

        The weights sum to 1 on average.
        """
        parts, weights = [], []
        bound = round(config.bound * count)
        for rows, size in zip(self.rows, (bound, count - bound), strict=True):
            drawn = rows[torch.randint(len(rows), (size,), generator=generator)]
            parts.append(drawn)
            weights.append(self.weights[drawn] * (len(rows) / size))
        taken = torch.cat(parts)
        known, alone, every_accessibility = self.inputs
        chosen = taken.to(known.device)
        weight = torch.cat(weights).to(known.device)
        if config.shifted:
            codes, own = shift_windows(known, every_accessibility[:, 0], self.near, taken, config.shifted, generator)
            return Batch(codes, self.targets[chosen], own[:, None], weight)
        inputs, accessibility = known[chosen], every_accessibility[chosen]
        if config.withhold_around:
            withheld = (torch.rand(count, generator=generator) < config.withhold_around).to(known.device)
            inputs = torch.where(withheld[:, None], alone[chosen], inputs)
            accessibility[:, 1:] = torch.where(withheld[:, None], torch.nan, accessibility[:, 1:])
        return Batch(inputs, self.targets[chosen], accessibility, weight)
