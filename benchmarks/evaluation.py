"""Time the evaluation of a folder of shards against a torch DataLoader loop over the same windows.

Both read the shards. If the network sees a window's neighbourhood, evaluation opens genome and track and looks it up
while the clock runs. The loop has it in memory before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.genome import BenchmarkGenome
from benchmarks.timing import interleaved, ratio, seconds_of
from benchmarks.windowed import ModelInputs, loader_predictions, plain_cnn, same_network
from jundscan.dna.letters import WINDOW_LENGTH, one_hot
from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.io.shards import read_shards, write_shards
from jundscan.model.model import Model
from train.data.dataset import load_windows
from train.data.source import NO_SOURCE, DataSource, read_source
from train.fitting.inputs import network_accessibility, network_codes

WINDOWS = 34_527
QUICK_WINDOWS = 1_500


def measure(
    folder: Path,
    model: Model,
    genome: BenchmarkGenome,
    shards: Path | None,
    threads: int,
    repeats: int,
    quick: bool,
) -> dict[str, Any]:
    """Time evaluation, the loop with the same network and the loop with a plain CNN, in seconds.

    Parameters
    ----------
    folder : pathlib.Path
        Folder for random shards, if there are no real ones.
    model : Model
    genome : BenchmarkGenome
        Genome of random windows.
    shards : pathlib.Path, optional
        Folder of shards. ``dataset.json`` beside it names their genome and track.
    threads, repeats : int
    quick : bool
        Use few random windows.
    """
    source = "validation shard"
    if shards is None or quick:
        source = "random windows"
        shards, origin = folder / "random_shards", DataSource(genome.fasta, genome.track)
        write_random(shards, genome, QUICK_WINDOWS if quick else WINDOWS)
    else:
        origin = read_source(shards.parent)
    if not model.metadata.sees_neighbourhood:
        origin = NO_SOURCE
    seen = shard_inputs(shards, model, origin)

    def ours(where: DataSource) -> None:
        with where.open() as source:
            evaluate_shards(read_shards(shards), model, threads=threads, source=source)

    cases: dict[str, Callable[[], object]] = {
        "ours": partial(ours, origin),
        "loop_same_network": lambda: _loop(shards, same_network(model), seen),
        "loop_plain": lambda: _loop(shards, plain_cnn(), None),
    }
    if origin.genome is not None:
        cases["ours_alone"] = partial(ours, NO_SOURCE)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours(NO_SOURCE)  # imports
        timed = interleaved({name: partial(seconds_of, case) for name, case in cases.items()}, repeats)
    finally:
        torch.set_num_threads(before)
    loops = {f"{loop}/ours": ratio(timed[loop], timed["ours"]) for loop in ("loop_same_network", "loop_plain")}
    return {"windows": len(seen.codes), "source": source, "threads": threads, **timed, "ratios": loops}


def shard_inputs(shards: Path, model: Model, origin: DataSource) -> ModelInputs:
    """Look up what the model sees of the windows of shards, as evaluation does."""
    windows = load_windows(shards, source=origin)
    return ModelInputs(
        np.ascontiguousarray(network_codes(windows, model.flank)), network_accessibility(windows, model.widths)
    )


def _loop(shards: Path, network: nn.Module, seen: ModelInputs | None) -> float:
    """Return the weighted accuracy, by the usual loop: one Dataset item per window, batches of 100.

    The network sees ``seen``, or the windows of the shards if that is None.
    """
    x, y, w, a = (np.asarray(joblib.load(shards / f"shard-0-{kind}.joblib")) for kind in "Xywa")
    windows: tuple[NDArray[Any], NDArray[np.float32]] = seen or (x.astype(np.float32), a.ravel().astype(np.float32))
    predicted = loader_predictions(network, *windows).numpy() > 0.5
    return float(w.ravel()[predicted == y.ravel()].sum() / w.sum())


def write_random(folder: Path, genome: BenchmarkGenome, windows: int) -> None:
    """Write distinct windows of the first chromosome with random labels and accessibility."""
    rng = np.random.default_rng(0)
    count = min(windows, len(genome.codes) // WINDOW_LENGTH)
    starts = rng.choice(len(genome.codes) // WINDOW_LENGTH, count, replace=False) * WINDOW_LENGTH
    codes = genome.codes[starts[:, None] + np.arange(WINDOW_LENGTH)]
    labels = (rng.random(count) < 0.05).astype(np.int64)
    ids = np.array([f"chr1:{start}-{start + WINDOW_LENGTH}" for start in starts.tolist()])
    folder.mkdir()
    write_shards(folder, 0, one_hot(codes), labels, np.ones(count), rng.random(count), ids)
