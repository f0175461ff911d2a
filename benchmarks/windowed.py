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
from train.config import NetworkConfig
from train.networks import build_network

BATCH = 4096
LOADER_BATCH = 100


class Items(Dataset[tuple[Tensor, ...]]):
    """Windows one by one, as the course notebook's Dataset gives them: every column a tensor, row by row."""

    def __init__(self, *columns: NDArray[Any]) -> None:
        self.columns = [torch.from_numpy(np.ascontiguousarray(column)) for column in columns]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, row: int) -> tuple[Tensor, ...]:
        return tuple(column[row] for column in self.columns)


class NotebookCNN(nn.Module):
    """The course notebook's CNN: 8 filters of width 8 on one strand, max-pooling 16/4, dense with accessibility."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(4, 8, 8)
        self.dropout = nn.Dropout(0.1)
        self.pool = nn.MaxPool1d(16, 4)
        self.dense = nn.Linear(161, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.last = nn.Linear(hidden, 1)

    def forward(self, windows: Tensor, accessibility: Tensor) -> Tensor:
        """Map (B, 101, 4) and (B,) to logits (B,)."""
        maps = self.pool(self.dropout(torch.relu(self.convolution(windows.transpose(1, 2)))))
        joined = torch.cat([maps.flatten(1), accessibility[:, None]], dim=1)
        return self.last(self.norm(torch.relu(self.dense(joined)))).squeeze(1)


def same_network(model: Model) -> nn.Module:
    """Build the model's architecture in torch. Its weights are untrained: speed does not depend on them."""
    torch.manual_seed(0)
    return build_network(NetworkConfig(**model.metadata.architecture)).eval()


def notebook_cnn() -> nn.Module:
    torch.manual_seed(0)
    return NotebookCNN().eval()


@torch.no_grad()
def loader_predictions(network: nn.Module, windows: NDArray[Any], accessibility: NDArray[np.float32]) -> Tensor:
    """Score windows in the course notebook's loop: per-item Dataset, DataLoader, batches of 100."""
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
