"""Measure what a comparison of two groups finds: ``python -m benchmarks.compare``. Needs the real data.

1. Known peaks of JUND that only K562 or only HepG2 has, ranked by the difference of both, and by accessibility alone.
2. Tracks of four tumours, two each, on a random sequence with planted sites: groups without and with differences.
3. Simulated tracks whose changes are known: how many of the changes found are false.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import jundscan
from benchmarks import machine
from benchmarks.__main__ import FOLDER, data_folder
from benchmarks.timing import log_progress
from jundscan.dna.interval_sets import merge_intervals, overlaps_any
from jundscan.dna.letters import WINDOW_LENGTH, encode
from jundscan.dna.regions import Region
from jundscan.evaluation.peaks import Peaks, read_peaks
from jundscan.io.bigwig_writer import open_bigwig
from jundscan.io.shards import read_shards
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.model.sites import find_sites
from jundscan.model.thresholds import logits
from jundscan.samples.table import Sample
from jundscan.scanning.plan import open_scan
from train.records import write_record

RESULTS = FOLDER / "compare.json"
CHROM, START, END = "chr22", 16_000_000, 22_000_000
"""Where all peaks of JUND are known."""
CELLS = {
    "K562": "K562.accessibility.hg19.chr22.bw",
    "HepG2": "HepG2.DNase.hg19.chr22.narrowPeak.gz",
}
"""Track of each cell type."""
RESAMPLES = 1_000
PSEUDO_PERCENTILE, PSEUDO_SIGNAL = 0.01, 1.0
"""What log ratios add to both numbers: 1 % of the windows, and the mean signal of the region."""
TUMOURS = ("ACCx", "BRCA", "GBMx", "LGGx")
SITE, SITES_EVERY = "ATGACTCAT", 400
STRETCHES, STRETCH, STRETCHES_EVERY = 1_000, 300, 6_000
"""Open stretches of a simulated track, their bases, and bases from one to the next: beyond the widest accessibility."""
CHANGED, SIMULATED_SAMPLES, FOLD = 0.2, 3, (3.0, 12.0)
"""Share of stretches that change, samples a group, and by how many times a change multiplies."""


def auroc(is_first: NDArray[np.bool_], scores: NDArray[np.float64], resamples: int) -> dict[str, Any]:
    """Return the AUROC and its 95 % bootstrap interval over peaks."""
    from sklearn.metrics import roc_auc_score

    rng, drawn = np.random.default_rng(0), []
    while len(drawn) < resamples:
        rows = rng.integers(0, len(scores), len(scores))
        if 0 < is_first[rows].sum() < len(rows):
            drawn.append(roc_auc_score(is_first[rows], scores[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return {"value": float(roc_auc_score(is_first, scores)), "interval": [low, high]}


class CellType:
    """Windows of one cell type: starts, logits, percentiles and mean signal of their accessibility."""

    def __init__(self, data: Path, name: str, model: Model) -> None:
        region = f"{CHROM}:{START}-{END}"
        genome, track = data / "genome" / "hg19.chr22.partial.fa.gz", data / "tracks" / CELLS[name]
        chunks = list(jundscan.scan(genome, track, windows=True, model=model, regions=region))
        self.starts = np.concatenate([chunk.starts for chunk in chunks])
        self.logits = logits(np.concatenate([chunk.probabilities for chunk in chunks]))
        with open_scan(genome, track, model=model, regions=region) as scan:
            assert scan.track is not None
            means = scan.track.means([(CHROM, self.starts)])[:, 0].astype(np.float64)
            self.percentiles = scan.inputs.accessibility_of([(CHROM, self.starts)])[:, 0].astype(np.float64)
            if name == next(iter(CELLS)):
                self.codes = np.concatenate(list(scan.genome.bases([Region(CHROM, START, END)])))
        self.signal = means / means.mean()
        [path] = (data / "peaks").glob(f"{name}.JUND.*")
        self.peaks = read_peaks(path, {CHROM: 51_304_566})[CHROM]


def only_in(one: Peaks, other: Peaks) -> NDArray[np.int64]:
    """Return starts and ends of the peaks of one cell type that share no base with a peak of the other."""
    alone = ~overlaps_any(one.start, one.end, merge_intervals(np.column_stack((other.start, other.end))))
    return np.column_stack((one.start, one.end))[alone]


def training_windows(data: Path, name: str, bound: bool = False) -> NDArray[np.int64]:
    """Return starts and ends of the windows that the model was fitted on, all or those labelled bound."""
    shards = read_shards(data / name / "train_dataset")
    assert shards.ids is not None
    assert shards.labels is not None
    ids = shards.ids[shards.labels.ravel() == 1] if bound else shards.ids
    return merge_intervals(np.array([[int(edge) for edge in str(one).partition(":")[2].split("-")] for one in ids]))


def rank_peaks(data: Path, model: Model, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Rank the peaks that only one cell type has."""
    cells = [CellType(data, name, model) for name in CELLS]
    first, second = cells
    np.testing.assert_array_equal(first.starts, second.starts)
    starts, names = first.starts, list(CELLS)
    compared = jundscan.compare(
        data / "genome" / "hg19.chr22.partial.fa.gz",
        [Sample(name, data / "tracks" / file, name) for name, file in CELLS.items()],
        names,
        model=model,
        regions=f"{CHROM}:{START}-{END}",
    )
    sites = compared.sites
    alone = [only_in(first.peaks, second.peaks), only_in(second.peaks, first.peaks)]
    peaks = np.concatenate(alone)
    is_first = np.repeat([True, False], [len(one) for one in alone])
    scores: dict[str, list[float]] = {}
    with_site, with_motif = 0, 0
    for start, end in peaks.tolist():
        inside = np.flatnonzero((starts + WINDOW_LENGTH > start) & (starts < end))
        touching = np.flatnonzero((sites.end > start) & (sites.start < end))
        found = find_sites(first.codes[start - START : end - START], model.metadata)
        with_site, with_motif = with_site + bool(len(touching)), with_motif + bool(found)
        if len(touching):  # of several sites the strongest in either cell type
            row = touching[sites.best[touching].max(axis=1).argmax()]
            difference = compared.difference[row]
            inside = np.flatnonzero((starts >= sites.start[row]) & (starts + WINDOW_LENGTH <= sites.end[row]))
            at = int(np.abs(starts - (sites.summit[row] - WINDOW_LENGTH // 2)).argmin())
        else:
            difference = first.logits[inside].max() - second.logits[inside].max()
            at = inside[np.maximum(first.logits, second.logits)[inside].argmax()]
        centre = start + found[0].start + 3 if found else (start + end) // 2
        motif = int(np.abs(starts - (centre - WINDOW_LENGTH // 2)).argmin())
        row_of = {
            "difference of logits (jundscan compare)": difference,
            "log2 ratio of accessibility percentiles, at the same windows": log_ratio(cells, "percentiles", at),
            "log2 ratio of normalised mean signals, at the same windows": log_ratio(cells, "signal", at),
            "log2 ratio of accessibility percentiles, at JUND motifs": log_ratio(cells, "percentiles", motif),
            "log2 ratio of normalised mean signals, at JUND motifs": log_ratio(cells, "signal", motif),
        }
        for what, value in row_of.items():
            scores.setdefault(what, []).append(float(value))
    arrays = {what: np.array(values) for what, values in scores.items()}
    trained, bound = (
        [
            overlaps_any(one[:, 0], one[:, 1], training_windows(data, name, only))
            for name, one in zip(CELLS, alone, strict=True)
        ]
        for only in (False, True)
    )
    unseen = ~np.concatenate(bound)
    return {
        "region": f"{CHROM}:{START}-{END}",
        "peaks": {name: len(cell.peaks.start) for name, cell in zip(CELLS, cells, strict=True)},
        "peaks_of_one": {name: len(one) for name, one in zip(CELLS, alone, strict=True)},
        "with_a_site": with_site,
        "with_an_exact_motif": with_motif,
        "sites": len(compared),
        "changes": compared.counts,
        "touch_training_windows": {name: int(rows.sum()) for name, rows in zip(CELLS, trained, strict=True)},
        "touch_windows_labelled_bound_in_training": {
            name: int(rows.sum()) for name, rows in zip(CELLS, bound, strict=True)
        },
        "auroc": {what: auroc(is_first, values, resamples) for what, values in arrays.items()},
        "auroc_without_windows_labelled_bound_in_training": {
            what: auroc(is_first[unseen], values[unseen], resamples)
            if 0 < is_first[unseen].sum() < unseen.sum()
            else None
            for what, values in arrays.items()
        },
    }


def log_ratio(cells: Sequence[CellType], what: str, at: int) -> float:
    pseudo = PSEUDO_PERCENTILE if what == "percentiles" else PSEUDO_SIGNAL
    one, other = (getattr(cell, what)[at] + pseudo for cell in cells)
    return float(np.log2(one / other))


def write_genome(path: Path, chrom: str, bases: NDArray[np.uint8]) -> Path:
    """Write a FASTA in one line."""
    path.write_bytes(b">" + chrom.encode() + b"\n" + np.frombuffer(b"ACGT", np.uint8)[bases].tobytes() + b"\n")
    return path


def covered_part(tracks: Sequence[Path], chrom: str) -> tuple[int, int, int]:
    """Return the length of a chromosome, and first and last base with a value in any track."""
    import pybigtools

    edges = []
    for path in tracks:
        with pybigtools.open(str(path)) as track:
            length = track.chroms()[chrom]
            rows = list(track.records(chrom))
        edges += [rows[0][0], rows[-1][1]]
    return length, min(edges), max(edges)


def compare_tumours(data: Path, folder: Path, model: Model) -> dict[str, Any]:
    """Compare groups of real tracks: within tumours, between halves of all tumours, and between two tumours."""
    tracks = sorted((data / "replicates").glob("*.bw"))
    length, start, end = covered_part(tracks, "chr21")
    rng = np.random.default_rng(21)
    bases = rng.integers(0, 4, length, np.uint8)
    planted = range(start + SITES_EVERY, end - SITES_EVERY, SITES_EVERY)
    for at in planted:
        bases[at : at + len(SITE)] = encode(SITE.encode())
    genome = write_genome(folder / "chr21.fa", "chr21", bases)
    of_tumour = {name: [path for path in tracks if path.name.startswith(name)] for name in TUMOURS}

    def compare(first: Sequence[Path], second: Sequence[Path]) -> jundscan.Comparison:
        samples = [Sample(path.stem, path, group) for group, some in (("a", first), ("b", second)) for path in some]
        return jundscan.compare(genome, samples, "a,b", model=model, regions=f"chr21:{start}-{end}")

    one_tumour = {}
    for name, (one, other) in of_tumour.items():
        sizes = np.abs(compare([one], [other]).difference)
        one_tumour[name] = {
            "sites": len(sizes),
            "at_least": {str(limit): float((sizes >= limit).mean()) for limit in (0.5, 1, 2, 3)},
        }
    halves = []
    for chosen in product((0, 1), repeat=len(TUMOURS) - 1):
        which = (0, *chosen)
        first = [of_tumour[name][at] for name, at in zip(TUMOURS, which, strict=True)]
        compared = compare(first, [path for path in tracks if path not in first])
        halves.append({"sites": len(compared), "q_below_0.05": float((compared.q < 0.05).mean())})
    pairs = {}
    for one, other in combinations(TUMOURS, 2):
        compared = compare(of_tumour[one], of_tumour[other])
        pairs[f"{one} minus {other}"] = {"sites": len(compared), "changes": compared.counts}
    return {
        "region": f"chr21:{start}-{end}",
        "planted": len(planted),
        "two_tracks_of_one_tumour": one_tumour,
        "halves_of_all_tumours": halves,
        "two_tumours": pairs,
    }


def write_track(path: Path, length: int, starts: NDArray[np.int64], heights: NDArray[np.float32]) -> Path:
    """Write open stretches as a bigWig."""
    with open_bigwig(path, path, {"chr1": length}) as add:
        add("chr1", starts, starts + STRETCH, heights)
    return path


def simulate(folder: Path, model: Model, seed: int) -> dict[str, Any]:
    """Compare two groups of simulated tracks, of which one stretch in five is changed, up or down alike."""
    rng = np.random.default_rng(seed)
    length = STRETCHES * STRETCHES_EVERY
    starts = STRETCHES_EVERY * np.arange(STRETCHES) + STRETCHES_EVERY // 2
    bases = rng.integers(0, 4, length, np.uint8)
    for at in starts.tolist():
        bases[at + STRETCH // 2 : at + STRETCH // 2 + len(SITE)] = encode(SITE.encode())
    genome = write_genome(folder / f"{seed}.fa", "chr1", bases)
    is_changed = rng.random(STRETCHES) < CHANGED
    fold = np.where(is_changed, rng.uniform(*FOLD, STRETCHES) ** rng.choice([-1, 1], STRETCHES), 1)
    heights = rng.lognormal(2.5, 0.9, STRETCHES)
    spread = np.sqrt(0.05 * 4 / rng.chisquare(4, STRETCHES))  # of logarithms, between samples of a group
    samples = []
    for group, factor in (("treated", np.sqrt(fold)), ("control", 1 / np.sqrt(fold))):
        for at in range(SIMULATED_SAMPLES):
            own = (heights * factor * np.exp(rng.normal(0, spread))).astype(np.float32)
            name = f"{group}{at}"
            samples.append(Sample(name, write_track(folder / f"{seed}.{name}.bw", length, starts, own), group))
    around = folder / f"{seed}.bed"
    around.write_text("".join(f"chr1\t{at - 200}\t{at + STRETCH + 200}\n" for at in starts.tolist()))
    compared = jundscan.compare(genome, samples, "treated,control", model=model, regions_file=around)
    of_site = (compared.sites.summit // STRETCHES_EVERY).astype(np.int64)
    called, true = compared.q < 0.05, is_changed[of_site]
    return {
        "sites": len(compared),
        "changed": int(true.sum()),
        "called": int(called.sum()),
        "false": int((called & ~true).sum()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help="simulated comparisons")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON")
    options = parser.parse_args(arguments)
    data = data_folder()
    if data is None:
        parser.error("set JUNDSCAN_DATA to the folder of the real data")
    logging.getLogger("jundscan").setLevel(logging.ERROR)  # tracks of parts of a chromosome are unlike training
    model, began = load_model(device="cpu"), time.perf_counter()
    found: dict[str, Any] = {"machine": machine.describe(), "model": model.identity()}
    found["cell_types"] = rank_peaks(data, model)
    for what, one in found["cell_types"]["auroc"].items():
        log_progress(f"{what}: AUROC {one['value']:.3f}")
    with tempfile.TemporaryDirectory(prefix="jundscan-compare-") as name:
        found["tumours"] = compare_tumours(data, Path(name), model)
        log_progress(f"halves: {[one['q_below_0.05'] for one in found['tumours']['halves_of_all_tumours']]}")
        found["simulated"] = summary([simulate(Path(name), model, seed) for seed in range(options.repeats)])
        log_progress(f"simulated: {found['simulated']}")
    found["seconds"] = time.perf_counter() - began
    write_record(found, options.out)


def summary(runs: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """Return the mean share of false calls among all, and of changes found, with the runs."""
    rates = [run["false"] / max(run["called"], 1) for run in runs]
    return {
        "mean_false_discovery_rate": float(np.mean(rates)),
        "highest_false_discovery_rate": max(rates),
        "changes_found": sum(run["called"] - run["false"] for run in runs) / sum(run["changed"] for run in runs),
        "runs": list(runs),
    }


if __name__ == "__main__":
    main()
