"""Small made-up genomes and data sets, and networks with random weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import train.__main__
from jundscan.dna.letters import decode, one_hot
from jundscan.evaluation.metrics import balanced_weights
from jundscan.io.shards import write_shards
from train.config import FitConfig, NetworkConfig
from train.data.dataset import DataSet, Windows, load_data_set
from train.export.model_folder import ParitySizes
from train.fitting.fit import predict
from train.networks.architectures import Network, NetworkPair, build_network

MOTIF = np.array([3, 2, 0, 2, 3, 1, 0, 3], np.uint8)  # TGAGTCAT
FAMILIES = ("mlp", "cnn", "lstm")
KINDS = (*FAMILIES, "around")
"""The families, and a CNN that sees a window's neighbourhood."""
QUICK_PARITY = ParitySizes((1, 7), 500)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one torch thread, because the last bits of results depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


RunTrain = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunTrain:
    """Call ``python -m train`` in this process and return exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
        code: object = 0
        try:
            train.__main__.main()
        except SystemExit as stop:
            code = stop.code or 0
            if isinstance(code, str):  # as Python does with a message
                print(code, file=sys.stderr)
                code = 1
        assert isinstance(code, int)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def tiny(kind: str) -> NetworkConfig:
    if kind == "around":
        return NetworkConfig(
            "cnn",
            hidden=8,
            ranges=(0, 50, 100),
            composition_ranges=(100,),
            accessibility_widths=(101, 301, 601),
            fixed_filters=True,
        )
    return NetworkConfig(kind, filters=16, state=8, hidden=8)  # type: ignore[arg-type]


def quick_fit(**changes: Any) -> FitConfig:
    """Return settings of a fit that takes a second."""
    return replace(FitConfig(epochs=2, steps=10, batch=128), **changes)


def random_network(kind: str, seed: int = 0) -> Network:
    """Build a network with weights larger than initial ones, so that probabilities differ between windows."""
    torch.manual_seed(seed)
    network = build_network(tiny(kind)).eval()
    codes = torch.randint(0, 4, (500, span_of(network)), dtype=torch.uint8)
    network.set_scales(codes)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("knots"):  # knots already lie among the scores
                parameter.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
        accessibility = torch.rand(len(codes), len(network.config.accessibility_widths))
        network.head.last.bias -= network(codes, accessibility).median()  # probabilities about 1/2
    return network


def span_of(network: Network) -> int:
    """Return the bases of a window with both flanks."""
    return 101 + 2 * network.config.flank


def predict_windows(network: Network | NetworkPair, codes: np.ndarray, accessibility: np.ndarray) -> np.ndarray:
    """Score windows given as arrays. Accessibility (N,) or (N, widths)."""
    return predict(network, torch.from_numpy(codes), torch.from_numpy(accessibility.reshape(len(codes), -1)))


def make_windows(count: int, seed: int, missing: float = 0.0) -> Windows:
    """Make windows whose labels depend on a motif and accessibility. A fraction ``missing`` has no accessibility."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (count, 101), dtype=np.uint8)
    codes[rng.random(codes.shape) < 0.002] = 4
    labels = (np.arange(count) % 4 == 0).astype(np.int8)
    for row in np.flatnonzero(labels):
        at = int(rng.integers(10, 80))
        codes[row, at : at + len(MOTIF)] = MOTIF
    means = (rng.gamma(2.0, 1.0, count) * (1 + 4 * labels) * (rng.random(count) < 0.7)).astype(np.float32)
    means[rng.random(count) < missing] = np.nan
    return Windows(codes, labels, balanced_weights(labels), means)


def write_part(folder: Path, windows: Windows) -> None:
    half = len(windows.labels) // 2
    for number, rows in enumerate((slice(0, half), slice(half, None))):
        write_shards(
            folder,
            number,
            one_hot(windows.codes[rows]),
            windows.labels[rows],
            windows.weights[rows],
            windows.accessibility[rows],
            None if windows.ids is None else windows.ids[rows],
        )


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a data set of 1,200 training and 1,000 validation windows in two shards each."""
    folder = tmp_path_factory.mktemp("data") / "TinyCells"
    write_part(folder / "train_dataset", make_windows(1200, seed=1))
    write_part(folder / "valid_dataset", make_windows(1000, seed=2))
    return folder


@pytest.fixture(scope="session")
def data_set(data_folder: Path) -> DataSet:
    return load_data_set(data_folder)


class SmallGenome:
    """Three chromosomes with runs of N and with peaks, and a track without the last chromosome."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(7)
        self.codes = {"chr1": 61_237, "chr2": 40_050, "chr3": 20_101}
        self.sequences: dict[str, str] = {}
        for chrom, length in self.codes.items():
            codes = rng.integers(0, 4, length, dtype=np.uint8)
            codes[length // 3 : length // 3 + 777] = 4
            codes[rng.integers(0, length, 5)] = 4
            text = decode(codes).decode()
            self.sequences[chrom] = text[: length // 2] + text[length // 2 :].lower()
        self.peaks: dict[str, list[tuple[int, int]]] = {chrom: [] for chrom in self.sequences}
        for chrom, sequence in self.sequences.items():
            for _ in range(len(sequence) // 900):
                start = int(rng.integers(0, len(sequence) - 400))
                self.peaks[chrom].append((start, start + int(rng.integers(30, 400))))
        # a peak over the edge of a block of 5,000, one just behind an edge, and one longer than a block
        self.peaks["chr1"] += [(9_950, 10_060), (25_040, 25_100), (33_000, 41_000)]
        self.fasta, self.bed, self.track = folder / "genome.fa", folder / "peaks.bed", folder / "open.bedgraph"
        with self.fasta.open("w") as file:
            for chrom, sequence in self.sequences.items():
                file.write(f">{chrom} made up\n")
                file.writelines(f"{sequence[i : i + 60]}\n" for i in range(0, len(sequence), 60))
        # peak names without "chr"
        self.bed.write_text("".join(f"{c[3:]}\t{s}\t{e}\n" for c, found in self.peaks.items() for s, e in found))
        self.intervals = [
            (chrom, start, start + 150, round(float(rng.gamma(2.0)), 3))
            for chrom in ("chr1", "chr2")
            for start in range(0, len(self.sequences[chrom]) - 200, 450)
        ]
        self.track.write_text("".join(f"{c}\t{s}\t{e}\t{v}\n" for c, s, e, v in self.intervals))


@pytest.fixture(scope="session")
def small_genome(tmp_path_factory: pytest.TempPathFactory) -> SmallGenome:
    return SmallGenome(tmp_path_factory.mktemp("genome"))
