"""Time the usual ways, which cut overlapping windows at every base and score each of them.

Each window comes with all that the network sees of it in a scan: both flanks, and accessibility at every width. With a
window at every base, windows per second equal bases per second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.ours import percentiles
from benchmarks.timing import seconds_of
from jundscan.dna.letters import WINDOW_LENGTH, one_hot
from jundscan.model.model import BATCH_BASES, Model
from jundscan.options import DEFAULT_STRIDE
from train.comparison.baselines import PlainCNN
from train.config import NetworkConfig
from train.networks.architectures import build_network

LOADER_BATCH = 100


class ModelInputs(NamedTuple):
    """A model's inputs for single windows.

    Attributes
    ----------
    codes : numpy.ndarray, shape=(n, span), dtype=uint8
        With both flanks.
    accessibility : numpy.ndarray, shape=(n, widths), dtype=float32
        Mapped; NaN where not available.
    """

    codes: NDArray[np.uint8]
    accessibility: NDArray[np.float32]

    def alone(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a plain CNN's inputs: one-hot windows (n, 101, 4), and the accessibility (n,) of their own bases."""
        flank = (self.codes.shape[1] - WINDOW_LENGTH) // 2
        return one_hot(self.codes[:, flank : flank + WINDOW_LENGTH]).astype(np.float32), self.accessibility[:, 0].copy()


def every_base(model: Model, codes: NDArray[np.uint8], windows: int) -> ModelInputs:
    """Cut windows at neighbouring bases, starting with the first that has both flanks."""
    cut = sliding_window_view(codes, model.span)[:windows].copy()
    return ModelInputs(cut, percentiles(len(cut), len(model.widths)))


class Items(Dataset[tuple[Tensor, ...]]):
    """Windows as single items of columns of tensors."""

    def __init__(self, *columns: NDArray[Any]) -> None:
        self.columns = [torch.from_numpy(np.ascontiguousarray(column)) for column in columns]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, row: int) -> tuple[Tensor, ...]:
        return tuple(column[row] for column in self.columns)


class _RowByRow(nn.Module):
    """The plain CNN for windows (B, 101, 4) and accessibility (B,), as batches of :class:`Items` hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.network = PlainCNN()

    def forward(self, windows: Tensor, accessibility: Tensor) -> Tensor:
        """Map to logits (B,)."""
        logits: Tensor = self.network(windows.transpose(1, 2), accessibility[:, None])
        return logits


def same_network(model: Model) -> nn.Module:
    """Build the model's architecture in torch, untrained because speed does not depend on the weights."""
    torch.manual_seed(0)
    return build_network(NetworkConfig.from_dict(model.metadata.architecture)).eval()


def plain_cnn() -> nn.Module:
    """Build the untrained plain CNN of the baselines, which sees the 101 bases alone."""
    torch.manual_seed(0)
    return _RowByRow().eval()


@torch.no_grad()
def loader_predictions(network: nn.Module, windows: NDArray[Any], accessibility: NDArray[np.float32]) -> Tensor:
    """Score windows in the usual loop: per-item Dataset, DataLoader, batches of 100."""
    loader = DataLoader(Items(windows, accessibility), batch_size=LOADER_BATCH)
    return torch.cat([torch.sigmoid(network(*batch)) for batch in loader])


def torch_loop(
    network: nn.Module, windows: NDArray[Any], accessibility: NDArray[np.float32], threads: int
) -> Callable[[], float]:
    """Prepare a measurement of the torch loop in Mbp/s, with windows in memory."""

    def measure() -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return len(windows) / seconds_of(lambda: loader_predictions(network, windows, accessibility)) / 1e6
        finally:
            torch.set_num_threads(before)

    return measure


class Runtime:
    """Scores single windows by ONNX Runtime, with threads inside the session.

    It uses the branch of the graph and the batch size of :meth:`jundscan.model.model.Model.predict`, which are the
    fastest for single windows.
    """

    def __init__(self, model: Model, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
        self._several = len(model.widths) > 1
        self._batch = min(max(BATCH_BASES // model.span, 1), model.metadata.max_windows_per_call)

    def call(self, seen: ModelInputs) -> NDArray[np.float32]:
        """Return the probabilities (n,) of windows, in one call."""
        codes, accessibility = seen
        inputs = {
            "sequence": codes,
            "accessibility": accessibility[:, None] if self._several else accessibility,
            "stride": np.array(DEFAULT_STRIDE, np.int64),
        }
        probabilities: NDArray[np.float32] = self._session.run(["probability"], inputs)[0][:, 0]
        return probabilities

    def in_batches(self, seen: ModelInputs, batch: int | None = None) -> NDArray[np.float32]:
        """Return the probabilities (n,) of windows, with ``batch`` windows per call, or the fastest number if None."""
        step = batch or self._batch
        cuts = (slice(first, first + step) for first in range(0, len(seen.codes), step))
        return np.concatenate([self.call(ModelInputs(seen.codes[rows], seen.accessibility[rows])) for rows in cuts])


def runtime_loop(model: Model, seen: ModelInputs, threads: int) -> Callable[[], float]:
    """Prepare a measurement of single windows by ONNX Runtime in Mbp/s, with windows in memory."""
    runtime = Runtime(model, threads)
    return lambda: len(seen.codes) / seconds_of(lambda: runtime.in_batches(seen)) / 1e6
