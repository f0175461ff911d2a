"""Find motifs from nothing: a short first fit of free filters on bound and unbound windows, then an alignment.

The first fit is a convolution on both strands from random weights, at the full learning rate. The alignment then counts
the letters at each filter's best sites in bound windows, as programs that find motifs do.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from jundscan.dna.letters import ALPHABET, COMPLEMENT
from train.fitting.inputs import score_windows
from train.graphs.build import build_best_scores
from train.graphs.writer import array
from train.networks.architectures import BothStrands
from train.networks.features import composition_features, dinucleotide_counts, one_hot
from train.networks.motifs import log_odds

STEPS = 300
BATCH = 256
LEARNING_RATE = 0.02
START_SPREAD = 0.3
"""Standard deviation of the random weights that filters start from."""
SHRINKAGE = 1e-3
"""Weight of the filters' mean in the loss, which keeps positions outside a motif near 0."""
ROUNDS = 6
SITE_QUANTILE = 0.99
"""Quantile of the unbound windows' best scores above which a site of a bound window counts."""
FILTERS_PER_BLOCK = 8
"""Filters on both strands fill a block of 16 channels of ONNX Runtime's fast layout."""
SCORE_BATCH = 16
"""Windows per call, because the scores of a thousand filters then fit into the processor's cache."""


def best_scores(codes: NDArray[np.uint8], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each filter's best score in every window on either strand, (N, filters)."""
    spare = -len(weights) % FILTERS_PER_BLOCK
    strands = array(BothStrands(np.pad(weights, ((0, spare), (0, 0), (0, 0)))).strands())
    return score_windows(build_best_scores(strands), codes, SCORE_BATCH)[:, : len(weights)]


def discover(
    bound: NDArray[np.uint8], unbound: NDArray[np.uint8], filters: int, width: int
) -> list[NDArray[np.float64]]:
    """Find motifs that tell bound from unbound windows.

    Parameters
    ----------
    bound, unbound : numpy.ndarray, shape=(n, 101) and (m, 101), dtype=uint8
    filters, width : int
        Filters of the first fit, and their bases.

    Returns
    -------
    list of numpy.ndarray, shape=(width, 4)
        Frequencies, one matrix per filter. Several may be the same motif. The same windows give the same matrices.
    """
    return _align(bound, unbound, _free_filters(bound, unbound, filters, width))


class _FreeNetwork(nn.Module):
    """Free filters on both strands -> best scores -> logistic regression, which also sees base composition."""

    def __init__(self, start: NDArray[np.float32], counts: int) -> None:
        super().__init__()
        self.first = BothStrands(start)
        self.scores = nn.BatchNorm1d(len(start))
        self.composition = nn.BatchNorm1d(counts)
        self.last = nn.Linear(len(start) + counts, 1)
        with torch.no_grad():  # every filter starts as a sign of binding
            self.last.weight[:, : len(start)] = 0.3

    def forward(self, codes: torch.Tensor) -> torch.Tensor:  # (B, 101) -> (B,)
        composition = composition_features(dinucleotide_counts(codes, (0,)))
        logits: torch.Tensor = self.last(
            torch.cat([self.scores(self._best(codes)), self.composition(composition)], 1)
        ).squeeze(1)
        return logits

    def _best(self, codes: torch.Tensor) -> torch.Tensor:  # (B, 101) -> (B, filters)
        """Return each filter's best score. Its gradient is that of a convolution and a maximum, at a tenth of the time.

        Only the best site of a window has a gradient, so the convolution that finds it needs none.
        """
        weights = self.first.weight
        _, sites = _best_sites(codes.numpy(), weights.detach().numpy())
        bases = one_hot(torch.from_numpy(sites).flatten(0, 1)).unflatten(0, sites.shape[:2])
        return (bases * self.first.strands()[: len(weights)]).sum((2, 3))


def _free_filters(
    bound: NDArray[np.uint8], unbound: NDArray[np.uint8], filters: int, width: int
) -> NDArray[np.float32]:
    """Fit filters from random weights, half of each batch bound, and return their weights (filters, 4, width)."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(filters, len(ALPHABET), width, generator=generator) * START_SPREAD
    counts = composition_features(dinucleotide_counts(torch.from_numpy(bound[:1]), (0,))).shape[1]
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        network = _FreeNetwork(start.numpy(), counts)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(STEPS, 2))
    both, half = [torch.from_numpy(windows) for windows in (bound, unbound)], BATCH // 2
    targets = torch.arange(BATCH) < half
    for _ in range(STEPS):
        rows = [windows[torch.randint(len(windows), (half,), generator=generator)] for windows in both]
        loss = nn.functional.binary_cross_entropy_with_logits(network(torch.cat(rows)), targets.float())
        loss = loss + SHRINKAGE * network.first.strands()[:filters].mean((1, 2)).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    weights: NDArray[np.float32] = network.first.weight.detach().numpy()
    return weights


def _align(
    bound: NDArray[np.uint8], unbound: NDArray[np.uint8], weights: NDArray[np.float32]
) -> list[NDArray[np.float64]]:
    """Replace each filter by the frequencies of letters at its best sites in bound windows, several times over."""
    matrices: list[NDArray[np.float64]] = []
    for _ in range(ROUNDS):
        least = np.quantile(best_scores(unbound, weights), SITE_QUANTILE, axis=0)
        scores, sites = _best_sites(bound, weights)
        matrices = []
        for number in range(len(weights)):
            chosen = sites[scores[:, number] > least[number], number]
            counts = np.stack([(chosen == letter).sum(0) for letter in range(len(ALPHABET))], axis=1) + 1.0
            matrices.append(counts / counts.sum(1, keepdims=True))
        weights = np.stack([log_odds(matrix, weights.shape[2]) for matrix in matrices])
    return matrices


@torch.no_grad()
def _best_sites(
    codes: NDArray[np.uint8], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return each filter's best score (N, filters) in every window, and the bases there (N, filters, width).

    The bases are those of the strand that matches.
    """
    found = nn.functional.conv1d(one_hot(torch.from_numpy(codes)), BothStrands(weights).strands()).max(2)
    (forward, backward), (at, at_backward) = (part.numpy().reshape(len(codes), 2, -1).swapaxes(0, 1) for part in found)
    turned = backward > forward
    first = np.where(turned, at_backward, at)
    sites = codes[np.arange(len(codes))[:, None, None], first[:, :, None] + np.arange(weights.shape[2])]
    return np.maximum(forward, backward), np.where(turned[:, :, None], COMPLEMENT[sites[:, :, ::-1]], sites)
