"""The description inside a model file: JSON under the key ``jundscan`` in the ONNX metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any, Self

from jundscan.accessibility.scale import DISTRIBUTION_BINS
from jundscan.accessibility.window_means import MAX_WIDTH
from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from jundscan.errors import ModelError

METADATA_KEY = "jundscan"
FORMAT_VERSION = 2
MODES = ("with_accessibility", "without_accessibility")
"""Modes with and without accessibility. Each has a calibration table, reference scores and validation figures."""
WINDOW_MODES = tuple(f"window_{mode}" for mode in MODES)
"""The same modes for windows whose flanks are unknown, in a model that sees flanks."""
FLANK_UNIT = 10
"""Bases that every flank is a multiple of."""
MAX_FLANK = 10_000
"""Maximum bases of a flank, because a model that asks for more is damaged."""
MAX_TILE_WINDOWS = 1 << 16
"""Maximum windows of a tile, because a model that asks for more is damaged."""
_MAX_TEXT = 500
"""Maximum letters of a text."""


@dataclass(frozen=True)
class CalibrationRow:
    """Performance to expect at one threshold, as fractions.

    Attributes
    ----------
    threshold : float
        A window is called when its probability is at or above it.
    recall, fpr : float
        Shares of the bound and of the unbound windows that are called.
    precision : float or None
        Share of the called windows that are bound, at the model's prevalence; None where no window is called.
    hit_precision : float or None
        Share of the hits that lie on a peak, on held-out blocks; None in older models.
    peak_recall : float or None
        Share of the peaks that are hit, on held-out blocks; None in older models.
    """

    threshold: float
    recall: float
    fpr: float
    precision: float | None
    hit_precision: float | None = None
    peak_recall: float | None = None


@dataclass(frozen=True)
class ThresholdTable:
    """Calibration of one mode, rows by increasing threshold, and the default threshold of ``scan``."""

    default_threshold: float
    default_rule: str
    rows: tuple[CalibrationRow, ...]


@dataclass(frozen=True)
class SelfTest:
    """Probabilities of the reference windows from the export of the model, by mode.

    The windows are those of :func:`jundscan.model.reference_scores.reference_windows`. The last two are scored without
    flanks, and are None for a model that sees the window only.
    """

    with_accessibility: tuple[float, ...]
    without_accessibility: tuple[float, ...]
    window_with_accessibility: tuple[float, ...] | None = None
    window_without_accessibility: tuple[float, ...] | None = None

    def scores(self) -> list[tuple[float, ...]]:
        """Return the probabilities of every mode of the model."""
        return [scores for mode in (*MODES, *WINDOW_MODES) if (scores := getattr(self, mode)) is not None]


@dataclass(frozen=True)
class Metadata:
    """Everything that inference needs to know of a model. Shares are fractions.

    Attributes
    ----------
    accessibility_mapping : str
        ``"percentile"``: the graph takes the window's percentile in its own track, 0 to 1.
    missing_accessibility : str
        ``"nan"``: the graph takes NaN where a window has no accessibility.
    max_windows_per_call : int
        Maximum windows in one call of a graph without tiles, because its memory grows with them.
    tiles : mapping of str to int
        Windows of a tile by stride (as text, as in JSON). At these strides the graph itself divides a long row into
        tiles, so that a call may be long. Empty in older models.
    decision_threshold : float
        Default threshold of ``evaluate``, which weighs both classes alike.
    prevalence : float
        Share of windows that are bound. The tables give the precision at this share.
    with_accessibility, without_accessibility : ThresholdTable
        Calibration tables, the second for scans without a track.
    flank : int
        Bases to each side of a window that the model sees, a multiple of 10; 0 for a model that sees the window only.
    accessibility_widths : tuple of int
        Bases around a window's centre that the model takes mean accessibility over; the first is 101, the window.
    window_with_accessibility, window_without_accessibility : ThresholdTable or None
        Calibration tables of windows whose flanks are unknown; None for a model that sees the window only.
    self_test : SelfTest or None
        Reference scores, to find a damaged model or installation; None in older models.
    training_accessibility : mapping of str to list of float, optional
        Distribution of accessibility in each data set of training, see
        :func:`jundscan.accessibility.scale.distribution`. None in older models.
    """

    format_version: int
    name: str
    version: str
    family: str
    window_length: int
    alphabet: str
    architecture: Mapping[str, Any]
    accessibility_mapping: str
    missing_accessibility: str
    max_windows_per_call: int
    decision_threshold: float
    prevalence: float
    calibration_source: str
    with_accessibility: ThresholdTable
    without_accessibility: ThresholdTable
    assembly: str
    cell_types: tuple[str, ...]
    training_data_sha256: str
    seed: int
    validation: Mapping[str, Any]
    library_versions: Mapping[str, str]
    self_test: SelfTest | None = None
    training_accessibility: Mapping[str, list[float]] | None = None
    tiles: Mapping[str, int] = field(default_factory=dict)
    flank: int = 0
    accessibility_widths: tuple[int, ...] = (WINDOW_LENGTH,)
    window_with_accessibility: ThresholdTable | None = None
    window_without_accessibility: ThresholdTable | None = None

    @property
    def sees_neighbourhood(self) -> bool:
        """Whether the model sees bases beside the window, or accessibility around it."""
        return self.flank > 0 or len(self.accessibility_widths) > 1

    def describe_reach(self) -> str:
        """Describe in words how far around a window the model looks."""
        flank, widths = self.flank, self.accessibility_widths
        bases = f"each window of {self.window_length} bases" + (
            f" and {flank:,} bases to each side of it" if flank else ""
        )
        if len(widths) == 1:
            return f"{bases}, and the window's accessibility"
        *some, widest = (format(width, ",") for width in widths)
        return f"{bases}, and accessibility in the {', '.join(some)} and {widest} bases around its centre"

    @property
    def tables(self) -> dict[str, ThresholdTable]:
        """Calibration tables by mode: :data:`MODES`, then :data:`WINDOW_MODES` if the model has them."""
        found = {mode: getattr(self, mode) for mode in (*MODES, *WINDOW_MODES)}
        return {mode: table for mode, table in found.items() if table is not None}

    def table(self, has_accessibility: bool, neighbourhood: bool = True) -> ThresholdTable:
        """Return the calibration table of a mode, for windows whose neighbourhood is known or not."""
        number = 0 if has_accessibility else 1
        alone: ThresholdTable | None = None if neighbourhood else getattr(self, WINDOW_MODES[number])
        known: ThresholdTable = getattr(self, MODES[number])
        return known if alone is None else alone

    def to_json(self) -> str:
        """Return the metadata as JSON text."""
        return json.dumps(asdict(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the metadata as plain lists and dictionaries, as in the JSON."""
        plain: dict[str, Any] = json.loads(self.to_json())
        return plain

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read and check the metadata of a model; ``where`` is its file, for messages.

        Raises
        ------
        ModelError
            When the text is not the metadata of a model that this version can run.
        """
        try:
            raw = json.loads(text)
            found = raw.get("format_version")
            if found != FORMAT_VERSION:
                raise ModelError(
                    f"{where}: model format {found!r}, this jundscan reads {FORMAT_VERSION}. "
                    "Install the jundscan version that exported the model"
                )
            for mode in (*MODES, *WINDOW_MODES):
                if mode in MODES or raw.get(mode) is not None:
                    rows = tuple(CalibrationRow(**_known_fields(CalibrationRow, row)) for row in raw[mode].pop("rows"))
                    raw[mode] = ThresholdTable(rows=rows, **raw[mode])
            raw["cell_types"] = tuple(raw["cell_types"])
            raw["accessibility_widths"] = tuple(raw["accessibility_widths"])
            if raw.get("self_test") is not None:
                scores = {mode: values and tuple(values) for mode, values in raw["self_test"].items()}
                raw["self_test"] = SelfTest(**scores)
            metadata = cls(**_known_fields(cls, raw))
            _check(metadata)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
            raise ModelError(f"{where}: its metadata cannot be read ({err}). Download the model again") from err
        agreed = (
            metadata.window_length,
            metadata.alphabet,
            metadata.accessibility_mapping,
            metadata.missing_accessibility,
        )
        if agreed != (WINDOW_LENGTH, ALPHABET, "percentile", "nan"):
            raise ModelError(
                f"{where}: made for another encoding or accessibility mapping {agreed}. Export the model again"
            )
        return metadata


def _known_fields(cls: Any, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Drop fields that a later version may have added to a dataclass."""
    names = {one.name for one in fields(cls)}
    return {key: value for key, value in raw.items() if key in names}


def _check(metadata: Metadata) -> None:
    """Raise ValueError when a field has an impossible value, because the graph and the reports trust them."""
    json.dumps(asdict(metadata), allow_nan=False)
    texts = ("name", "version", "family", "calibration_source", "assembly", "training_data_sha256")
    for name, text in ((name, getattr(metadata, name)) for name in texts):
        _check_text(name, text)
    for text in metadata.cell_types:
        _check_text("cell_types", text)
    if type(metadata.max_windows_per_call) is not int or metadata.max_windows_per_call < 1:
        raise ValueError(f"max_windows_per_call is {metadata.max_windows_per_call!r}")
    for stride, windows in metadata.tiles.items():
        if int(stride) < 1 or type(windows) is not int or not 1 <= windows <= MAX_TILE_WINDOWS:
            raise ValueError(f"tiles is {metadata.tiles!r}")
    if type(metadata.seed) is not int:
        raise ValueError(f"seed is {metadata.seed!r}")
    _check_fractions("decision_threshold and prevalence", [metadata.decision_threshold, metadata.prevalence])
    _check_neighbourhood(metadata)
    for mode, table in metadata.tables.items():
        _check_text("default_rule", table.default_rule)
        _check_fractions(f"{mode} default_threshold", [table.default_threshold])
        for row in table.rows:
            optional = (row.precision, row.hit_precision, row.peak_recall)
            known = [value for value in optional if value is not None]
            _check_fractions(f"{mode} rows", [row.threshold, row.recall, row.fpr, *known])
        if any(one.threshold >= other.threshold for one, other in pairwise(table.rows)):
            raise ValueError(f"{mode} rows do not ascend by threshold")
    for scores in metadata.validation.values():
        _check_fractions("validation", list(scores.values()))
    for name, shares in (metadata.training_accessibility or {}).items():
        _check_text("training_accessibility", name)
        if not isinstance(shares, list) or len(shares) != DISTRIBUTION_BINS + 1:
            raise ValueError(f"training_accessibility of {name} is not a list of {DISTRIBUTION_BINS + 1} numbers")
        _check_fractions("training_accessibility", shares)
    if metadata.self_test is not None:
        for values in metadata.self_test.scores():
            _check_fractions("self_test", values)


def _check_neighbourhood(metadata: Metadata) -> None:
    flank, widths = metadata.flank, metadata.accessibility_widths
    if type(flank) is not int or not 0 <= flank <= MAX_FLANK or flank % FLANK_UNIT:
        raise ValueError(f"flank is {flank!r}")
    if any(type(width) is not int or width % 2 == 0 or width > MAX_WIDTH for width in widths) or not (
        widths[:1] == (WINDOW_LENGTH,) and all(one < other for one, other in pairwise(widths))
    ):
        raise ValueError(f"accessibility_widths is {list(widths)!r}")
    alone = [getattr(metadata, mode) is not None for mode in WINDOW_MODES]
    if any(one != metadata.sees_neighbourhood for one in alone):
        raise ValueError(f"{WINDOW_MODES[0]} and {WINDOW_MODES[1]} belong to a model that sees a neighbourhood")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _MAX_TEXT:
        raise ValueError(f"{name} is not one line of text of at most {_MAX_TEXT} letters")


def _check_fractions(name: str, values: Sequence[object]) -> None:
    wrong = [value for value in values if type(value) not in (int, float) or not 0 <= value <= 1]  # type: ignore[operator]
    if wrong:
        raise ValueError(f"{name}: {wrong[0]!r} is not a number from 0 to 1")
