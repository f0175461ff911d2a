"""Count peaks hit and hits on peaks in scans of genome blocks, by networks that were not fitted on these blocks.

Only labelled windows judge a scan. A peak is a run of bound windows that abut or overlap, and it counts if it shares a
base with a scored window. A hit is on a peak if they share a base, as ``scan --truth`` counts. A hit that shares no
base with a labelled window is not counted, because its label is unknown. A hit that also covers unlabelled bases may
lie on an unknown peak there, so the share of hits on peaks is rather too low than too high.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.chromosomes import matching_name
from jundscan.dna.interval_sets import merge_intervals, overlaps_any
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import open_genome
from jundscan.model.load import DEFAULT_MODEL
from jundscan.model.metadata import MODES
from jundscan.model.model import Model
from jundscan.options import DEFAULT_STRIDE
from jundscan.scanning.hits import HitCaller, Hits
from jundscan.scanning.plan import open_scan
from jundscan.scanning.score import score
from train.data.dataset import Windows, chroms_and_starts, in_genome_order
from train.data.source import DataSource
from train.export.calibration import PeakCounts, calibrate
from train.export.model_folder import Provenance, describe_model, write_model
from train.fitting.fit import FittedNetwork
from train.fitting.folds import blocks, fit_without_fold
from train.fitting.inputs import summarise_for_folds
from train.graphs.build import build_graph
from train.records import read_or_compute


class LabelledWindows(NamedTuple):
    """Labelled windows of one chromosome and fold, in ascending order. Row i of every array is window i.

    Attributes
    ----------
    start, block : numpy.ndarray, shape=(n,), dtype=int64
    bound : numpy.ndarray, shape=(n,), dtype=bool
    """

    start: NDArray[np.int64]
    block: NDArray[np.int64]
    bound: NDArray[np.bool_]


class ScannedWindows(NamedTuple):
    """Scored windows of one chromosome, in ascending order. Row i of every array is window i.

    Attributes
    ----------
    indices, starts : numpy.ndarray, shape=(n,), dtype=int64
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
    """

    indices: NDArray[np.int64]
    starts: NDArray[np.int64]
    probabilities: NDArray[np.float32]


def peak_counts(
    fitted: FittedNetwork,
    alone: FittedNetwork | None,
    sets: Sequence[Windows],
    fold: NDArray[np.int64],
    source: DataSource,
    probabilities: Mapping[str, NDArray[np.float32]],
    runs: Path,
    on_progress: Callable[[str], None],
) -> dict[str, PeakCounts]:
    """Count peaks and hits of the first data set. A candidate fitted without a fold scans that fold.

    Parameters
    ----------
    fitted : Fitted
        Its candidate is fitted without each fold and stopped at its best epoch.
    alone : Fitted or None
        The same for the network that scores bare windows.
    sets : sequence of Windows
        The same windows in the same order, one set per cell type, with ids. All are fitted together.
    fold : numpy.ndarray, shape=(N,)
        From :func:`train.fitting.folds.blocked_folds`.
    source : DataSource
        Genome and track of the first data set.
    probabilities : mapping
        Out-of-fold probabilities (N,) of the first set by mode. Their calibration gives the thresholds.
    runs : pathlib.Path
        Folder that caches counts and weights.
    on_progress : callable
        Called with a line for every fold.

    Returns
    -------
    dict of str to PeakCounts
        By mode of :data:`jundscan.model.metadata.MODES`.
    """
    thresholds = {
        mode: np.array([row.threshold for row in calibrate(sets[0].labels, probabilities[mode], 0.5)]) for mode in MODES
    }
    recipe = "_".join(f"{one.candidate.key()}_{one.epoch}" for one in (fitted, alone) if one is not None)
    digest = hashlib.sha256(b"".join(one.tobytes() for one in thresholds.values())).hexdigest()[:10]

    def compute() -> dict[str, NDArray[Any]]:
        found = _count_peaks(fitted, alone, sets, fold, source, thresholds, runs, on_progress)
        return {f"{mode}/{name}": array for mode in MODES for name, array in found[mode]._asdict().items()}

    names = {mode: [f"{mode}/{name}" for name in PeakCounts._fields] for mode in MODES}
    cache = runs / fitted.candidate.key() / f"peaks_{recipe}_{digest}.npz"
    arrays = read_or_compute(cache, [name for ours in names.values() for name in ours], compute)
    return {mode: PeakCounts(*(arrays[name] for name in ours)) for mode, ours in names.items()}


def _count_peaks(
    fitted: FittedNetwork,
    alone: FittedNetwork | None,
    sets: Sequence[Windows],
    fold: NDArray[np.int64],
    source: DataSource,
    thresholds: Mapping[str, NDArray[np.float64]],
    runs: Path,
    on_progress: Callable[[str], None],
) -> dict[str, PeakCounts]:
    assert source.genome is not None
    sets = summarise_for_folds(sets, fitted.candidate)
    genome = open_genome(source.genome)
    chroms, starts = chroms_and_starts(sets[0])
    bound = np.any([one.labels > 0 for one in sets], axis=0)
    block = blocks(chroms, starts, bound)
    counts = {mode: _empty_counts(thresholds[mode], block, fold) for mode in MODES}
    scale = None
    for number in range(int(fold.max()) + 1):
        here = fold == number
        recipes = [
            fit_without_fold(one.candidate, sets, fold, number, one.epoch, runs / one.candidate.key())
            for one in (fitted, alone)
            if one is not None
        ]
        truth = _labelled_windows(chroms[here], starts[here], block[here], sets[0].labels[here] > 0, genome.chromsizes)
        regions = fold_spans(chroms, starts, here, genome.chromsizes)
        with tempfile.TemporaryDirectory() as work:
            model = _model(recipes, Path(work) / "model.onnx")
            for mode, track in zip(MODES, (source.accessibility, None), strict=True):
                with open_scan(
                    genome, track, model=model, regions=[str(one) for one in regions],
                    scale=None if track is None else scale, allow_length_mismatch=True, compare_track=False,
                ) as ready:  # fmt: skip
                    if track is not None:
                        scale = ready.inputs.scale
                    by_chrom: dict[str, list[ScannedWindows]] = {}
                    for scored in score(ready):
                        by_chrom.setdefault(scored.chrom, []).append(ScannedWindows(*scored[1:4]))
                for chrom, labelled in truth.items():
                    add_counts(counts[mode], labelled, _joined(by_chrom.get(chrom, [])))
        on_progress(
            f"{fitted.candidate.label()}: fold {number + 1} of {fold.max() + 1} scanned, hits compared with its windows"
        )
    return counts


def _empty_counts(thresholds: NDArray[np.float64], block: NDArray[np.int64], fold: NDArray[np.int64]) -> PeakCounts:
    number = int(block.max()) + 1
    of_block = np.zeros(number, np.int64)
    of_block[block] = fold
    each = (np.zeros((number, len(thresholds)), np.int64) for _ in range(3))
    return PeakCounts(thresholds, of_block, np.zeros(number, np.int64), *each)


def _model(recipes: Sequence[FittedNetwork], file: Path) -> Model:
    networks = [one.network() for one in recipes]
    provenance = Provenance("0", (), "", "", file.parent)
    metadata = describe_model(recipes[0], DEFAULT_MODEL, provenance, 0.5, "", *recipes[1:])
    return write_model(build_graph(*networks), metadata, file)


def _labelled_windows(
    chroms: NDArray[np.str_],
    starts: NDArray[np.int64],
    block: NDArray[np.int64],
    bound: NDArray[np.bool_],
    chromsizes: Mapping[str, int],
) -> dict[str, LabelledWindows]:
    """Gather labelled windows by the genome's chromosome names, without windows on other chromosomes."""
    found = {}
    for name in np.unique(chroms).tolist():
        if (chrom := matching_name(name, chromsizes)) is not None:
            rows = np.flatnonzero(chroms == name)
            rows = rows[np.argsort(starts[rows], kind="stable")]
            found[chrom] = LabelledWindows(starts[rows], block[rows], bound[rows])
    return found


def fold_spans(
    chroms: NDArray[np.str_], starts: NDArray[np.int64], here: NDArray[np.bool_], chromsizes: Mapping[str, int]
) -> list[Region]:
    """Find the regions that hold windows of a fold and no others.

    Parameters
    ----------
    chroms, starts : numpy.ndarray, shape=(N,)
        Chromosomes and starts of all windows.
    here : numpy.ndarray, shape=(N,), dtype=bool
        Which windows belong to the fold.
    chromsizes : mapping of str to int
        Lengths of the genome's chromosomes.

    Returns
    -------
    list of Region
        With the genome's chromosome names. Each holds at least one window of the default stride.
    """
    order, _ = in_genome_order(chroms, starts)
    names, at, ours = chroms[order], starts[order], here[order]
    edge = np.ones(len(order) + 1, np.bool_)
    edge[1:-1] = (names[1:] != names[:-1]) | (ours[1:] != ours[:-1])
    first = np.flatnonzero(edge[:-1])
    last = np.append(first[1:], len(order)) - 1
    spans = []
    for one, other in zip(first[ours[first]], last[ours[first]], strict=True):
        chrom = matching_name(str(names[one]), chromsizes)
        start, end = int(at[one]), int(at[other]) + WINDOW_LENGTH
        on_grid = -(-start // DEFAULT_STRIDE) * DEFAULT_STRIDE
        if chrom is not None and on_grid + WINDOW_LENGTH <= end <= chromsizes[chrom]:
            spans.append(Region(chrom, start, end))
    return spans


def _joined(parts: Sequence[ScannedWindows]) -> ScannedWindows:
    nothing = ScannedWindows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return ScannedWindows(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))


def add_counts(counts: PeakCounts, truth: LabelledWindows, scanned: ScannedWindows) -> None:
    """Call hits at every threshold, compare them with labelled windows, and add to the arrays of ``counts``.

    Parameters
    ----------
    counts : PeakCounts
    truth : LabelledWindows
    scanned : ScannedWindows
        Windows of the same chromosome.
    """
    blocks_of = len(counts.peaks)
    peaks = merge_intervals(_intervals(truth.start[truth.bound]))
    peaks = peaks[overlaps_any(peaks[:, 0], peaks[:, 1], merge_intervals(_intervals(scanned.starts)))]
    labelled = merge_intervals(_intervals(truth.start))
    block_of_peak = truth.block[np.searchsorted(truth.start, peaks[:, 0])]
    counts.peaks[:] += np.bincount(block_of_peak, minlength=blocks_of)
    for column, threshold in enumerate(counts.thresholds.tolist()):
        hits = _call_hits(scanned, threshold)
        spans = np.column_stack((hits.start, hits.end))
        is_hit = overlaps_any(peaks[:, 0], peaks[:, 1], spans)
        judged = spans[overlaps_any(hits.start, hits.end, labelled)]
        # a hit belongs to the block of the first labelled window that it shares a base with
        block_of_hit = truth.block[np.searchsorted(truth.start + WINDOW_LENGTH, judged[:, 0], side="right")]
        on_peak = overlaps_any(judged[:, 0], judged[:, 1], peaks)
        for counted, rows in (
            (counts.peaks_hit, block_of_peak[is_hit]),
            (counts.hits, block_of_hit),
            (counts.hits_on_peaks, block_of_hit[on_peak]),
        ):
            counted[:, column] += np.bincount(rows, minlength=blocks_of)


def _intervals(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.column_stack((starts, starts + WINDOW_LENGTH))


def _call_hits(scanned: ScannedWindows, threshold: float) -> Hits:
    caller = HitCaller(threshold, DEFAULT_STRIDE)
    first, last = caller.add(*scanned), caller.finish()
    return Hits(*(np.concatenate(columns) for columns in zip(first, last, strict=True)))
