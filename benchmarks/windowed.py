"""The usual ways: cut overlapping windows at every base and push each of them through the network.

Measured on a bounded number of windows; a window at every base makes a window per second a base per second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.timing import seconds_of
from jundscan.encoding import WINDOW_LENGTH, one_hot
from jundscan.model import Model
from train.baselines import PlainCNN
from train.config import NetworkConfig
from train.networks import build_network

BATCH = 4096
LOADER_BATCH = 100


class Items(Dataset[tuple[Tensor, ...]]):
    """Windows one by one: every column a tensor, row by row."""

    def __init__(self, *columns: NDArray[Any]) -> None:
        self.columns = [torch.from_numpy(np.ascontiguousarray(column)) for column in columns]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, row: int) -> tuple[Tensor, ...]:
        return tuple(column[row] for column in self.columns)


class _RowByRow(nn.Module):
    """The plain CNN for windows (B, 101, 4) and accessibility (B,), as a Dataset of rows gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.network = PlainCNN()

    def forward(self, windows: Tensor, accessibility: Tensor) -> Tensor:
        """Map to logits (B,)."""
        logits: Tensor = self.network(windows.transpose(1, 2), accessibility[:, None])
        return logits


def same_network(model: Model) -> nn.Module:
    """Build the model's architecture in torch. Its weights are untrained: speed does not depend on them."""
    torch.manual_seed(0)
    return build_network(NetworkConfig(**model.metadata.architecture)).eval()


def plain_cnn() -> nn.Module:
    """Build the plain CNN that the networks are also compared with, untrained."""
    torch.manual_seed(0)
    return _RowByRow().eval()


@torch.no_grad()
def loader_predictions(network: nn.Module, windows: NDArray[Any], accessibility: NDArray[np.float32]) -> Tensor:
    """Score windows in the usual loop: per-item Dataset, DataLoader, batches of 100."""
    loader = DataLoader(Items(windows, accessibility), batch_size=LOADER_BATCH)
    return torch.cat([torch.sigmoid(network(*batch)) for batch in loader])


def torch_loop(
    network: nn.Module, codes: NDArray[np.uint8], as_one_hot: bool, windows: int, threads: int
) -> Callable[[], float]:
    """Prepare a measurement of the torch loop in Mbp/s, windows of the first bases, in memory before."""
    cut = sliding_window_view(codes, WINDOW_LENGTH)[:windows]
    ready = one_hot(cut).astype(np.float32) if as_one_hot else cut.copy()
    accessibility = np.zeros(len(ready), np.float32)

    def measure() -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return len(ready) / seconds_of(lambda: loader_predictions(network, ready, accessibility)) / 1e6
        finally:
            torch.set_num_threads(before)

    return measure


def runtime_loop(model: Model, codes: NDArray[np.uint8], windows: int, threads: int) -> Callable[[], float]:
    """Prepare a measurement of windows through ONNX Runtime in Mbp/s: batches of 4,096, threads inside the session."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
    cut = sliding_window_view(codes, WINDOW_LENGTH)[:windows]
    batch = min(BATCH, model.metadata.max_windows_per_call)
    accessibility = np.zeros((batch, 1), np.float32)
    stride = np.array(1, np.int64)

    def run() -> None:
        for first in range(0, len(cut), batch):
            part = np.ascontiguousarray(cut[first : first + batch])
            inputs = {"sequence": part, "accessibility": accessibility[: len(part)], "stride": stride}
            session.run(["probability"], inputs)

    return lambda: len(cut) / seconds_of(run) / 1e6
