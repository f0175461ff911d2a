"""Measure whether a fit finds a motif that was planted into real windows: ``python -m benchmarks.planted``.

Some windows of the real training part get one motif each, at a random place and strand. They count as bound, and all
other windows as unbound, whatever they were. The CNN of the window is fitted on four fifths and judged on the rest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from benchmarks.__main__ import FOLDER, data_folder
from benchmarks.timing import log_progress
from jundscan.dna.letters import WINDOW_LENGTH, encode, reverse_complement
from jundscan.evaluation.metrics import balanced_weights
from jundscan.model.metadata import MODES
from train.config import JUND, Candidate, candidates
from train.data.dataset import TRAIN, Windows, load_windows
from train.fitting.fit import FittedNetwork, fit
from train.fitting.motif_choice import choose_motifs, filters_needed, with_motifs
from train.networks.motif_sources import AUTO, read_wish
from train.records import write_record

RESULTS = FOLDER / "planted.json"
MOTIFS = {"GATA": "AGATAAGG", "E-box": "CACGTG", "CTCF core": "CCACCAGGGGGCG", "random 10-mer": "TCGATTACGC"}
CASES = (*((name, AUTO) for name in MOTIFS), ("GATA", JUND))
"""Motif and ``--motifs`` of every fit. JUND's own motifs show what the choice gains."""
WINDOWS, QUICK_WINDOWS = 40_000, 2_000
BOUND = 0.02
TRAINED = 0.8
CELL_TYPE = "HepG2"


def plant(windows: Windows, motif: str, bound: float, seed: int = 0) -> Windows:
    """Write a motif into a fraction ``bound`` of the windows, and label these as bound."""
    rng = np.random.default_rng(seed)
    forward = encode(motif.encode())
    codes, labels = windows.codes.copy(), np.zeros(len(windows.codes), np.int8)
    for row in rng.permutation(len(codes))[: round(bound * len(codes))]:
        start = int(rng.integers(WINDOW_LENGTH - len(forward) + 1))
        codes[row, start : start + len(forward)] = forward if rng.random() < 0.5 else reverse_complement(forward)
        labels[row] = 1
    return Windows(codes, labels, balanced_weights(labels), windows.accessibility, windows.ids)


def fit_planted(windows: Windows, choice: str, candidate: Candidate) -> tuple[FittedNetwork, dict[str, Any]]:
    """Fit four fifths of the windows, as ``python -m train fit`` does, and judge the fit on the others."""
    part = np.random.default_rng(1).random(len(windows.labels)) < TRAINED
    train, valid = windows.take(part), windows.take(~part)
    began = time.perf_counter()
    motifs = choose_motifs(read_wish(choice), [train], filters_needed([candidate]))
    chosen = time.perf_counter()
    (candidate,) = with_motifs([candidate], motifs)
    fitted = fit(candidate, [train], valid)
    ended = time.perf_counter()
    return fitted, {
        "valid": fitted.curve[fitted.epoch - 1]["valid"],
        "first_epoch": fitted.curve[0]["valid"],
        "starts": [{"name": one.name, "auroc": one.auroc} for one in motifs.starts],
        "seconds": {"motifs": round(chosen - began, 1), "fit": round(ended - chosen, 1)},
    }


def measure(windows: Windows, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield one result per case."""
    (*_, recipe) = (one for one in candidates(0, False) if one.network.family == "cnn")
    for name, choice in CASES[:1] if quick else CASES:
        _, found = fit_planted(plant(windows, MOTIFS[name], BOUND), choice, recipe)
        log_progress(f"{name}, {choice}: AUROC {found['valid'][MODES[0]]['auroc']:.4f}")
        yield {"motif": name, "sequence": MOTIFS[name], "choice": choice, **found}


def main(arguments: list[str] | None = None) -> None:
    """Measure all cases and write the JSON file, anew after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one motif in few windows; write nothing without --out")
    parser.add_argument("--out", type=Path, help="JSON file instead of benchmarks/planted.json")
    options = parser.parse_args(arguments)
    data = data_folder()
    if data is None:
        parser.error("set JUNDSCAN_DATA to the folder of the real data")
    torch.set_num_threads(1)
    windows = load_windows(data / CELL_TYPE / TRAIN)
    count = QUICK_WINDOWS if options.quick else WINDOWS
    windows = windows.take(np.sort(np.random.default_rng(0).permutation(len(windows.labels))[:count]))
    path = options.out or (None if options.quick else RESULTS)
    results = []
    for result in measure(windows, options.quick):
        results.append(result)
        if path is not None:
            shape = {"windows": count, "bound": BOUND, "trained_on": TRAINED, "cell_type": CELL_TYPE}
            write_record({"machine": machine.describe(), **shape, "results": results}, path)


if __name__ == "__main__":
    main()
