"""Measure the choice of motifs on other factors: ``python -m benchmarks.other_factors``. Needs the real data.

Windows of the training and validation parts are labelled anew, by the peaks of another factor. Quick fits start once
from motifs that the windows choose, and once from JUND's. Both are judged on held-out blocks, beside gradient boosting
on the scores of 66 motifs with the same neighbourhood. Windows of the test part take no part.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.__main__ import FOLDER, data_folder
from benchmarks.timing import log_progress
from jundscan.dna.letters import one_hot
from jundscan.evaluation.metrics import balanced_weights
from jundscan.evaluation.truth import read_truth
from jundscan.io.fasta.genome import open_genome
from jundscan.io.shards import read_shards, write_shards
from jundscan.model.metadata import MODES
from train.comparison.against_baselines import baseline_predictions, load_pool
from train.comparison.baselines import BOOSTED_NEIGHBOURHOOD
from train.comparison.crossval import judge_on_folds
from train.config import JUND, candidates
from train.data.dataset import TRAIN, VALID, DataSet, chroms_and_starts, load_data_set
from train.data.source import read_source, write_source
from train.fitting.choice import Choice
from train.fitting.fit import curve_metrics
from train.fitting.inputs import summarise_parts
from train.fitting.motif_choice import filters_needed, motifs_of_runs, with_motifs
from train.fitting.select import fit_candidates
from train.networks.motif_sources import AUTO, read_wish
from train.records import write_record

RESULTS = FOLDER / "other_factors.json"
CASES = ("HepG2.CTCF", "HepG2.HNF4A", "HepG2.CEBPB", "HepG2.MAX", "K562.CTCF")
"""Cell type and factor of each case."""


def relabel(data: Path, case: str, folder: Path) -> Path:
    """Write the data set of a cell type with the labels of another factor, unless the folder has it."""
    cell = case.partition(".")[0]
    out = folder / case
    if out.is_dir():
        return out
    source = read_source(data / cell)
    assert source.genome is not None
    peaks = data / "peaks" / "other_factors" / f"{case}.hg19.chr22.narrowPeak.gz"
    truth = read_truth(peaks, open_genome(source.genome).chromsizes)
    for part in (TRAIN, VALID):
        shards = read_shards(data / cell / part)
        assert shards.ids is not None
        labels = np.zeros(len(shards.codes), np.int8)
        chroms, starts = chroms_and_starts(shards)
        for chrom in np.unique(chroms):
            rows = np.flatnonzero(chroms == chrom)
            labels[rows] = truth.labels(str(chrom), starts[rows])
        columns = (one_hot(shards.codes), labels, balanced_weights(labels), shards.accessibility, shards.ids)
        write_shards(out / part, 0, *columns)
    write_source(out, source)
    return out


def fit_from(choice: str, data_set: DataSet, runs: Path) -> dict[str, Any]:
    """Fit as ``python -m train run --quick --motifs CHOICE`` does, and return the metrics on held-out blocks."""
    chosen = Choice(quick=True).candidates(candidates(0, True), 0, True)
    motifs = motifs_of_runs(read_wish(choice), [data_set.train], runs, filters_needed(chosen))
    chosen = with_motifs(chosen, motifs)
    sets = summarise_parts([data_set], chosen)
    (fitted,), _ = judge_on_folds(fit_candidates(chosen, sets, runs, "cpu"), sets, runs, log_progress)
    return {
        "candidate": fitted.candidate.label(),
        "starts": [{"name": one.name, "auroc": one.auroc} for one in motifs.starts],
        "blocked": fitted.blocked,
    }


def boost(data_set: DataSet, runs: Path) -> dict[str, Any]:
    """Fit gradient boosting on the same blocks."""
    pool = load_pool([data_set], runs, log_progress)
    (found,) = baseline_predictions(BOOSTED_NEIGHBOURHOOD, pool, log_progress)
    windows = pool.tables[0].windows
    return {"blocked": {mode: curve_metrics(windows, found[mode]) for mode in MODES}}


def measure(data: Path, folder: Path, cases: Sequence[str], boosted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield one result per case, with boosting for some of them."""
    for case in cases:
        path = relabel(data, case, folder)
        data_set = load_data_set(path, read_source(path))
        bound = {
            part: int(windows.labels.sum()) for part, windows in zip(("train", "valid"), data_set.parts, strict=True)
        }
        models: dict[str, Any] = {
            choice: fit_from(choice, data_set, folder / f"runs-{case}-{choice}") for choice in (AUTO, JUND)
        }
        if case in boosted:
            models[BOOSTED_NEIGHBOURHOOD] = boost(data_set, folder / f"runs-{case}-{BOOSTED_NEIGHBOURHOOD}")
        for mode in MODES:
            aurocs = ", ".join(f"{name} {one['blocked'][mode]['auroc']:.4f}" for name, one in models.items())
            log_progress(f"{case}, {mode.replace('_', ' ')}: AUROC {aurocs}")
        yield {"case": case, "bound": bound, "models": models}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases and write the JSON file, anew after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_factors", description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="measure only these")
    parser.add_argument(
        "--boosted", nargs="*", choices=CASES, default=CASES, help="fit boosting to these too; some ten minutes each"
    )
    parser.add_argument("--work", type=Path, help="folder that keeps data sets and fits, to go on from")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON")
    options = parser.parse_args(arguments)
    data = data_folder()
    if data is None:
        parser.error("set JUNDSCAN_DATA to the folder of the real data")
    results = []
    with tempfile.TemporaryDirectory(prefix="jundscan-factors-") as temporary:
        for result in measure(data, options.work or Path(temporary), options.cases, options.boosted):
            results.append(result)
            write_record({"machine": machine.describe(), "results": results}, options.out)


if __name__ == "__main__":
    main()
