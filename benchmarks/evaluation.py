"""Evaluating a folder of shards, against a torch DataLoader loop over the same windows. Both read the shards."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import nn

from benchmarks.timing import in_turn, ratio, seconds_of
from benchmarks.windowed import loader_predictions, plain_cnn, same_network
from jundscan.encoding import UNKNOWN, WINDOW_LENGTH, one_hot
from jundscan.evaluation import evaluate_shards, mapped_accessibility
from jundscan.metrics import evaluate
from jundscan.model import Model
from jundscan.shards import read_shards, write_shards

WINDOWS = 34_527
QUICK_WINDOWS = 3_000


def measure(folder: Path, model: Model, shards: Path | None, threads: int, repeats: int, quick: bool) -> dict[str, Any]:
    """Time evaluation in seconds, and the loop with the same network and with a plain CNN.

    Parameters
    ----------
    folder : pathlib.Path
        For random shards when there are no real ones.
    shards : pathlib.Path, optional
        Folder of shards.
    """
    source = "validation shard"
    if shards is None or quick:
        source = "random windows"
        shards = folder / "random_shards"
        _write_random(shards, QUICK_WINDOWS if quick else WINDOWS)

    def ours() -> None:
        evaluate_shards(read_shards(shards), model, threads=threads)

    def ours_without_intervals() -> None:
        read = read_shards(shards)
        accessibility, _ = mapped_accessibility(read, False, None)
        probabilities = model.predict(read.codes, accessibility, threads)
        assert read.labels is not None
        assert read.weights is not None
        evaluate(read.labels, probabilities, read.weights, 0.5, intervals=False)

    cases = {
        "ours": ours,
        "ours_without_intervals": ours_without_intervals,
        "loop_same_network": lambda: _loop(shards, same_network(model), as_codes=True),
        "loop_plain": lambda: _loop(shards, plain_cnn(), as_codes=False),
    }
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours_without_intervals()  # imports
        timed = in_turn({name: partial(seconds_of, case) for name, case in cases.items()}, repeats)
    finally:
        torch.set_num_threads(before)
    loops = {
        f"{loop}/{own}": ratio(timed[loop], timed[own])
        for loop in ("loop_same_network", "loop_plain")
        for own in ("ours", "ours_without_intervals")
    }
    return {"windows": len(read_shards(shards).codes), "source": source, "threads": threads, **timed, "ratios": loops}


def _loop(shards: Path, network: nn.Module, as_codes: bool) -> float:
    """Weighted accuracy by the usual loop: read, one Dataset item per window, batches of 100."""
    x, y, w, a = (np.asarray(joblib.load(shards / f"shard-0-{kind}.joblib")) for kind in "Xywa")
    windows = np.where(x.any(axis=2), x.argmax(axis=2), UNKNOWN).astype(np.uint8) if as_codes else x.astype(np.float32)
    predicted = loader_predictions(network, windows, a.ravel().astype(np.float32)).numpy() > 0.5
    return float(w.ravel()[predicted == y.ravel()].sum() / w.sum())


def _write_random(folder: Path, windows: int) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, UNKNOWN, (windows, WINDOW_LENGTH), dtype=np.uint8)
    labels = (rng.random(windows) < 0.05).astype(np.int64)
    folder.mkdir()
    write_shards(folder, 0, one_hot(codes), labels, np.ones(windows), rng.random(windows))
