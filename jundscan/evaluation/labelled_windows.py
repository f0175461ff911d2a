"""Score labelled windows and compare with their labels: shared by ``jundscan evaluate`` and the exporter."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.scale import IDENTITY, AccessibilityScale, fit_scale
from jundscan.errors import Cautions, InputError, collect_warnings, format_count, warn
from jundscan.evaluation.metric_texts import metric_rows
from jundscan.evaluation.metrics import balanced_weights, compute_metrics
from jundscan.evaluation.neighbourhood import MAX_WINDOWS, Neighbourhood, WindowSource, look_up
from jundscan.io.frames import data_frame
from jundscan.io.html_tables import html_table
from jundscan.io.shards import Shards
from jundscan.model.model import Model
from jundscan.options import check_fraction, positive_int
from jundscan.schemas.records import AccessibilityOfShards, EvaluationRecord, TrackOfReadsRecord
from jundscan.threads import usable_cores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from jundscan.evaluation.plots import Predictions

log = logging.getLogger("jundscan")

_SHORT_METRICS = 3  # metrics in the text of an evaluation


@dataclass(frozen=True)
class Evaluation:
    """Labelled windows with their probabilities and metrics. Row i of every array is window i.

    Attributes
    ----------
    shards : Shards
        The windows, with ``labels``, ``weights``, ``accessibility`` and ``ids`` as they were read.
    accessibility : numpy.ndarray, shape=(n,), dtype=float32
        What the model saw of each window's own 101 bases: percentile, 0 to 1, NaN where not available.
    probabilities : numpy.ndarray, shape=(n,), dtype=float32
        Output of the model, 0 to 1. It ranks windows, and is not the chance of being bound.
    weights : numpy.ndarray, shape=(n,), dtype=float64, or None
        Sample weights: those of the shards, else balanced ones. None without labels.
    report : EvaluationRecord or None
        Metrics, the record of ``evaluate --json``. None without labels.
    known : numpy.ndarray, shape=(n,), dtype=bool, or None
        Whether the model saw the surroundings of each window. None when the model sees windows alone.
    """

    shards: Shards
    accessibility: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    weights: NDArray[np.float64] | None
    report: EvaluationRecord | None
    known: NDArray[np.bool_] | None

    def __repr__(self) -> str:
        metrics = [f"{name} {value}" for name, value, _ in self._metrics()[:_SHORT_METRICS]]
        return f"<Evaluation: {', '.join([self._describe(), *metrics])}>"

    def _repr_html_(self) -> str:
        rows = self._metrics()
        return html_table(self._describe(), ("metric", "value", "95 % interval") if rows else (), rows)

    def _metrics(self) -> list[tuple[str, str, str]]:
        """Return name, value and interval of each metric as text; none without labels."""
        shown = []
        for row in [] if self.report is None else metric_rows([self.report]):
            [cell] = row["cells"]
            value = "undefined" if cell["value"] is None else f"{cell['value']:.3f}"
            interval = "" if cell["interval"] is None else "–".join(f"{end:.3f}" for end in cell["interval"])
            shown.append((row["name"], value, interval))
        return shown

    def _describe(self) -> str:
        """Describe the evaluation in one line."""
        windows = format_count(len(self.probabilities), "window")
        if self.report is None:
            return f"{windows} without labels, highest probability {self.probabilities.max():.3f}"
        model, threshold = self.report["model"]["name"], self.report["threshold"]
        return f"{windows}, {self.report['positives']:,} bound; {model} at threshold {threshold:.3g}"

    def plot(self, ax: Sequence[Axes] | NDArray[np.object_] | None = None) -> NDArray[np.object_]:
        """Draw the ROC curve and the precision-recall curve, with a dot at the threshold.

        Parameters
        ----------
        ax : sequence of two matplotlib.axes.Axes, optional
            Where to draw. None: on a new figure.

        Returns
        -------
        numpy.ndarray, shape=(2,), dtype=object
            The two Axes.

        Raises
        ------
        InputError
            When the windows have no labels, or all the same, or when ``ax`` does not hold two Axes.
        JundscanError
            When matplotlib is not installed.
        """
        from jundscan.evaluation.plots import CLASSES, plot_curves

        if self.report is None:
            raise InputError(f"{self.shards.path}: the windows have no labels, and curves need them")
        predictions = _predictions(self, self.report["model"]["name"])
        if not predictions.has_both:
            only = CLASSES[int(predictions.labels[0])]
            raise InputError(f"{self.shards.path}: all windows are {only}, and curves need bound and unbound windows")
        return plot_curves(predictions, ax)

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` with one row per window.

        Its columns are ``id``, ``label`` and ``weight`` where there are any, ``accessibility`` and ``probability``.
        """
        columns = {
            "id": self.shards.ids,
            "label": self.shards.labels,
            "weight": self.weights,
            "accessibility": self.accessibility,
            "probability": self.probabilities,
        }
        return data_frame({name: column for name, column in columns.items() if column is not None})

    @property
    def surroundings(self) -> str | None:
        """A sentence with the number of windows whose surroundings are known. None if the model sees windows alone."""
        if self.known is None:
            return None
        known, windows = int(np.count_nonzero(self.known)), len(self.known)
        return f"The surroundings of {known:,} of {windows:,} windows are known."


@dataclass(frozen=True, eq=False)
class NamedEvaluation:
    """One of several evaluations of labelled windows, with its name.

    Attributes
    ----------
    name : str
    path : pathlib.Path
        The shards' folder.
    result : Evaluation
    """

    name: str
    path: Path
    result: Evaluation

    @property
    def report(self) -> EvaluationRecord:
        """The record of ``evaluate --json``."""
        assert self.result.report is not None
        return self.result.report

    @property
    def predictions(self) -> Predictions:
        """The data of the pictures."""
        return _predictions(self.result, self.name)


def _predictions(result: Evaluation, name: str) -> Predictions:
    """Return the data of pictures, for windows with labels. ``name`` stands in the pictures."""
    from jundscan.evaluation.plots import Predictions

    labels, report = result.shards.labels, result.report
    assert labels is not None
    assert report is not None
    assert result.weights is not None
    return Predictions(name, labels, result.probabilities, result.weights, report["threshold"])


def evaluate_shards(
    shards: Shards,
    model: Model,
    *,
    threshold: float | None = None,
    withhold_accessibility: bool = False,
    scale: AccessibilityScale | None = None,
    threads: int | None = None,
    source: WindowSource | None = None,
    max_windows: int = MAX_WINDOWS,
) -> Evaluation:
    """Score every window of the shards and, if they have labels, compute metrics.

    Parameters
    ----------
    shards : Shards
    model : Model
    threshold : float, optional
        The model's balanced decision (0.5) if not given.
    withhold_accessibility : bool
        Score on sequence alone.
    scale : AccessibilityScale, optional
        Maps accessibility to what the model sees. Found from the shards, or from the whole track, if not given.
    threads : int, optional
        One per core that the process may use if not given.
    source : WindowSource, optional
        The genome and track around the windows, found by their ids. Without it, the model sees the windows alone.
    max_windows : int
        Maximum windows with flanks in memory at a time. Does not change the result.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        When threshold or threads are out of range, the shards are too few to find percentiles, or their ids do not
        fit the genome (see :func:`jundscan.evaluation.neighbourhood.look_up`).
    """
    if threshold is not None:
        check_fraction("threshold", threshold)
    threads = usable_cores() if threads is None else positive_int("threads", threads)
    cautions = Cautions()
    with collect_warnings(cautions):
        found, mapped, is_of_track = _look_around(shards, model, source, withhold_accessibility, scale, max_windows)
    accessibility, used = mapped
    probabilities = _predict(shards, found, accessibility, model, threads, max_windows)
    accessibility = accessibility.reshape(len(shards.codes), -1)[:, 0]
    known = None
    if model.metadata.sees_neighbourhood:
        known = np.zeros(len(shards.codes), np.bool_) if found is None else found.known
    if shards.labels is None:
        log.info("%s has no labels (shard-K-y.joblib): predictions only", shards.path)
        return Evaluation(shards, accessibility, probabilities, None, None, known)
    if shards.weights is None:
        log.info("%s has no weights (shard-K-w.joblib): both classes get equal weight", shards.path)
    weights = balanced_weights(shards.labels) if shards.weights is None else shards.weights
    decision = model.metadata.decision_threshold if threshold is None else threshold
    reads = None if source is None or source.track is None else source.track.track.reads
    of_reads: TrackOfReadsRecord = {} if reads is None else {"accessibility_reads": reads}
    report: EvaluationRecord = {
        **compute_metrics(shards.labels, probabilities, weights, decision),
        **of_reads,
        "model": model.identity(),
        "provider": model.provider,
        "accessibility": _describe_mapping(used, scale, is_of_track),
        "warnings": Cautions([*(() if source is None else source.cautions), *cautions]).to_list(),
        "neighbourhood": {
            "windows": len(shards.codes),
            "known": 0 if known is None else int(np.count_nonzero(known)),
        },
    }
    return Evaluation(shards, accessibility, probabilities, weights, report, known)


def _look_around(
    shards: Shards,
    model: Model,
    source: WindowSource | None,
    withhold: bool,
    scale: AccessibilityScale | None,
    max_windows: int,
) -> tuple[Neighbourhood | None, tuple[NDArray[np.float32], AccessibilityScale | None], bool]:
    """Return the surroundings and the accessibility of windows, and whether the latter is the track's."""
    found = None
    if source is not None:
        if not model.metadata.sees_neighbourhood:
            log.info("%s sees nothing beyond a window: its surroundings are not used", model.metadata.name)
        found = look_up(shards.codes, shards.ids, source.genome, model.flank, str(shards.path), max_windows)
    if source is None or found is None or source.track is None or withhold:
        return found, _map_shards(shards, withhold, scale), False
    return found, _map_track(shards, found, source, model, scale), True


def _map_shards(
    shards: Shards, withhold: bool, scale: AccessibilityScale | None
) -> tuple[NDArray[np.float32], AccessibilityScale | None]:
    """Map the shards' accessibility by ``scale``, or without one to its percentile in these shards, (n,).

    All values are NaN if they are withheld or missing. Then the scale returned is None.
    """
    means = shards.accessibility
    if withhold or means is None or np.isnan(means).all():
        if not withhold:
            log.info("%s has no accessibility (shard-K-a.joblib): evaluated as not available", shards.path)
        return np.full(len(shards.codes), np.nan, np.float32), None
    if scale is IDENTITY and np.nanmax(means) > 1:
        warn("no_percentiles", f"{shards.path}: accessibility above 1 is no percentile, and counts as 1")
    used = fit_scale(means, str(shards.path)) if scale is None else scale
    return used.apply(means), used


def _map_track(
    shards: Shards, found: Neighbourhood, source: WindowSource, model: Model, scale: AccessibilityScale | None
) -> tuple[NDArray[np.float32], AccessibilityScale]:
    """Map the track's accessibility around windows as a scan does, (n, widths), and return the scale used.

    Without a scale, it is found from the whole track. Windows without a position keep the shards' value.
    """
    assert source.track is not None
    scale = source.scale(model.widths) if scale is None else scale
    means = found.means(source.track, model.widths)
    if shards.accessibility is not None:
        means[~found.has_position, 0] = shards.accessibility[~found.has_position]
    mapped = scale.apply_all(means, model.widths)
    if scale is IDENTITY and np.fmax.reduce(mapped, axis=None, initial=0) > 1:
        warn("no_percentiles", f"{source.track.path}: accessibility above 1 is no percentile, and counts as 1")
    return mapped, scale


def _predict(
    shards: Shards,
    found: Neighbourhood | None,
    accessibility: NDArray[np.float32],
    model: Model,
    threads: int,
    max_windows: int,
) -> NDArray[np.float32]:
    if found is None or not model.flank:
        return model.predict(shards.codes, accessibility, threads)
    # windows with their flanks take nine times the memory of windows
    slices = [slice(first, first + max_windows) for first in range(0, len(shards.codes), max_windows)]
    return np.concatenate([model.predict(found.codes(rows), accessibility[rows], threads) for rows in slices])


def _describe_mapping(
    used: AccessibilityScale | None, scale: AccessibilityScale | None, is_of_track: bool
) -> AccessibilityOfShards:
    if used is None:
        return "not available"
    if scale is None:
        return "percentile in the track" if is_of_track else "percentile in these shards"
    return "as given (identity)" if scale is IDENTITY else "mapped by the scale given"
