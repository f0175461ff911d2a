"""The description inside a model file: JSON under the key ``jundscan`` in the ONNX metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from jundscan.accessibility.scale import DISTRIBUTION_BINS
from jundscan.accessibility.window_means import MAX_WIDTH
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import ModelError
from jundscan.model.effect_percentiles import EffectReference
from jundscan.schemas.records import Fraction, Sha256, about

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
DEFAULT_FACTOR = "JUND"
"""Factor of models that do not name theirs, because they are older than the field."""
WORD = "^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$"
"""Pattern of a factor's name, which becomes a part of names in BED and VCF files, and of a new model's name."""
_DISTRIBUTION = Meta(min_length=DISTRIBUTION_BINS + 1, max_length=DISTRIBUTION_BINS + 1)
Text = Annotated[str, Meta(max_length=500)]
"""One line. The types cannot say so, but :meth:`Metadata.from_json` checks it."""
Bits = Annotated[float, Meta(ge=-50, le=50)]
"""Log2 odds."""
MAX_SITES = 16
"""Maximum known sites of a model, because each costs time at every hit."""
MAX_SITE_LENGTH = 40
"""Maximum positions of a known site."""
Setting = bool | int | float | str | list[int] | None
"""A number or a choice that describes a network."""


@dataclass(frozen=True)
class CalibrationRow:
    """Performance to expect at one threshold, as fractions."""

    threshold: Annotated[Fraction, about("A window is called when its probability is at or above it.")]
    recall: Annotated[Fraction, about("Share of the bound windows that are called.")]
    fpr: Annotated[Fraction, about("Share of the unbound windows that are called.")]
    precision: Annotated[
        Fraction | None,
        about("Share of the called windows that are bound, at the model's prevalence. null where none is called."),
    ]
    hit_precision: Annotated[
        Fraction | None, about("Share of the hits that lie on a peak, on held-out blocks. null in older models.")
    ] = None
    peak_recall: Annotated[
        Fraction | None, about("Share of the peaks that are hit, on held-out blocks. null in older models.")
    ] = None


@dataclass(frozen=True)
class ThresholdTable:
    """Calibration of one mode."""

    default_threshold: Annotated[Fraction, about("Default threshold of a scan.")]
    default_rule: Annotated[Text, about("How the default threshold was chosen.")]
    rows: Annotated[tuple[CalibrationRow, ...], about("By increasing threshold.")]


@dataclass(frozen=True)
class SelfTest:
    """Probabilities of the reference windows from the export of the model, by mode.

    The windows are those of :func:`jundscan.model.reference_scores.reference_windows`.
    """

    with_accessibility: Annotated[tuple[Fraction, ...], about("Windows with flanks and accessibility.")]
    without_accessibility: Annotated[tuple[Fraction, ...], about("Windows with flanks.")]
    window_with_accessibility: Annotated[
        tuple[Fraction, ...] | None, about("Windows with accessibility. null for a model that sees the window only.")
    ] = None
    window_without_accessibility: Annotated[
        tuple[Fraction, ...] | None, about("Windows alone. null for a model that sees the window only.")
    ] = None

    def scores(self) -> list[tuple[float, ...]]:
        """Return the probabilities of every mode of the model."""
        return [scores for mode in (*MODES, *WINDOW_MODES) if (scores := getattr(self, mode)) is not None]


@dataclass(frozen=True)
class SiteMatrix:
    """A motif that counts as a known site of the model's factor."""

    name: Annotated[str, Meta(pattern="^[!-~]{1,50}$"), about("Name of the motif, without spaces.")]
    source: Annotated[Text, about("Where the motif comes from: a matrix of JASPAR, a file, or the training windows.")]
    matrix: Annotated[
        tuple[tuple[Bits, Bits, Bits, Bits], ...],
        Meta(min_length=1, max_length=MAX_SITE_LENGTH),
        about("Log2 odds of A, C, G and T against equal frequencies at each position, in hundredths of a bit."),
    ]
    threshold: Annotated[float, about("A site is a match when its letters' log2 odds add up to this or more.")]


@dataclass(frozen=True)
class Metadata:
    """Everything that inference needs to know of a model. Shares are fractions."""

    format_version: Annotated[int, about("Version of this description.")]
    name: Annotated[Text, about("Name of the model.")]
    version: Annotated[Text, about("Version of the model.")]
    family: Annotated[Text, about("Kind of network: cnn, lstm or mlp, or adopted for a network of the user's own.")]
    window_length: Annotated[int, Meta(ge=WINDOW_LENGTH, le=WINDOW_LENGTH), about("Bases of a window.")]
    alphabet: Annotated[Literal["ACGT"], about("Order of the letters' codes.")]
    architecture: Annotated[Mapping[str, Setting | dict[str, Setting]], about("Settings of the network.")]
    accessibility_mapping: Annotated[
        Literal["percentile"], about("The graph takes the window's percentile in its own track, 0 to 1.")
    ]
    missing_accessibility: Annotated[Literal["nan"], about("The graph takes NaN where a window has no accessibility.")]
    max_windows_per_call: Annotated[
        int,
        Meta(ge=1),
        about("Maximum windows in one call of a graph without tiles, because its memory grows with them."),
    ]
    decision_threshold: Annotated[Fraction, about("Default threshold of evaluate, which weighs both classes alike.")]
    prevalence: Annotated[Fraction, about("Share of windows that are bound. The tables give the precision at it.")]
    calibration_source: Annotated[Text, about("The windows that the tables were calibrated on.")]
    with_accessibility: Annotated[ThresholdTable, about("Calibration of scans with a track.")]
    without_accessibility: Annotated[ThresholdTable, about("Calibration of scans without a track.")]
    assembly: Annotated[Text, about("Genome of the training data.")]
    cell_types: Annotated[tuple[Text, ...], about("Cell types of the training data.")]
    training_data_sha256: Annotated[Text, about("SHA-256 of the training data.")]
    seed: Annotated[int, about("Seed of the fit.")]
    validation: Annotated[Mapping[str, Mapping[str, Fraction]], about("Metrics on the validation windows, by mode.")]
    library_versions: Annotated[Mapping[str, str], about("Versions of the software that made the model.")]
    self_test: Annotated[
        SelfTest | None,
        about("Reference scores, to find a damaged model or installation. null in older models."),
    ] = None
    training_accessibility: Annotated[
        Mapping[Text, Annotated[list[Fraction], _DISTRIBUTION]] | None,
        about(
            "Distribution of accessibility in each data set of training: the share of windows at 0, then in equal "
            "bins up to 1. null in older models."
        ),
    ] = None
    tiles: Annotated[
        Mapping[Annotated[str, Meta(pattern="^[1-9][0-9]*$")], Annotated[int, Meta(ge=1, le=MAX_TILE_WINDOWS)]],
        about(
            "Windows of a tile by stride. At these strides the graph itself divides a long row into tiles, so that a "
            "call may be long. Empty in older models."
        ),
    ] = field(default_factory=dict)
    flank: Annotated[
        int,
        Meta(ge=0, le=MAX_FLANK, multiple_of=FLANK_UNIT),
        about("Bases to each side of a window that the model sees. 0 for a model that sees the window only."),
    ] = 0
    accessibility_widths: Annotated[
        tuple[Annotated[int, Meta(ge=WINDOW_LENGTH, le=MAX_WIDTH)], ...],
        about("Bases around a window's centre that the model takes mean accessibility over. The first is the window."),
    ] = (WINDOW_LENGTH,)
    window_with_accessibility: Annotated[
        ThresholdTable | None,
        about("Calibration of windows whose flanks are unknown. null for a model that sees the window only."),
    ] = None
    window_without_accessibility: Annotated[ThresholdTable | None, about("The same without accessibility.")] = None
    factor: Annotated[
        str, Meta(pattern=WORD), about("Transcription factor whose binding the model predicts. JUND in older models.")
    ] = DEFAULT_FACTOR
    sites: Annotated[
        tuple[SiteMatrix, ...],
        Meta(max_length=MAX_SITES),
        about(
            "Motifs whose matches count as known sites, the strongest first. Empty for JUND, whose sites are exact "
            "sequences, and in older models."
        ),
    ] = ()
    effects: Annotated[
        EffectReference | None,
        about("Effects of reference variants, which the percentiles of variants come from. null in older models."),
    ] = None

    @property
    def sees_neighbourhood(self) -> bool:
        """Whether the model sees bases beside the window, or accessibility around it."""
        return self.flank > 0 or len(self.accessibility_widths) > 1

    @property
    def reads_accessibility(self) -> bool:
        """Whether the model sees accessibility. A network of the user's own may see the sequence only."""
        return bool(self.architecture.get("reads_accessibility", True))

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
            found = msgspec.json.decode(text, type=_Format).format_version
            if found != FORMAT_VERSION:
                raise ModelError(
                    f"{where}: model format {found!r}, this jundscan reads {FORMAT_VERSION}. "
                    "Install the jundscan version that exported the model"
                )
            metadata = msgspec.json.decode(text, type=cls)
            _check(metadata)
        except (ValueError, RecursionError) as err:
            raise ModelError(
                f"{where}: its metadata cannot be read ({err}). Download the model again, or export it again"
            ) from err
        return metadata


@dataclass(frozen=True, kw_only=True)
class ModelInfo(Metadata):
    """The metadata of a model, and its file: the record of ``info --json``."""

    sha256: Annotated[Sha256, about("SHA-256 of the file.")]
    path: Annotated[str, about("The .onnx file.")]


@dataclass
class _Format:
    """The key that tells whether the others can be read."""

    format_version: int | None = None


def _check(metadata: Metadata) -> None:
    """Raise ValueError for what the types of the fields cannot say."""
    texts = [(key, value) for key, value in vars(metadata).items() if isinstance(value, str)]
    texts += [("cell_types", name) for name in metadata.cell_types]
    texts += [("sites", site.source) for site in metadata.sites]
    texts += [("training_accessibility", name) for name in metadata.training_accessibility or ()]
    texts += [("validation", name) for mode, scores in metadata.validation.items() for name in (mode, *scores)]
    texts += [(f"{mode} default_rule", table.default_rule) for mode, table in metadata.tables.items()]
    for key, text in texts:
        if not text.isprintable():
            raise ValueError(f"{key} is not one line of text")
    if metadata.effects is not None:
        if not metadata.effects.source.isprintable():
            raise ValueError("source of effects is not one line of text")
        if (problem := metadata.effects.problem()) is not None:
            raise ValueError(f"effects: {problem}")
    names = [site.name for site in metadata.sites]
    if len({*names, "none"}) <= len(names):
        raise ValueError("names of sites are not distinct, or one of them is none")
    for site in metadata.sites:
        least, most = (round(sum(pick(row) for row in site.matrix), 2) for pick in (min, max))
        if not least < site.threshold <= most:
            raise ValueError(f"site {site.name}: its threshold is not between the lowest and the highest score")
    for mode, table in metadata.tables.items():
        if any(one.threshold >= other.threshold for one, other in pairwise(table.rows)):
            raise ValueError(f"{mode} rows do not ascend by threshold")
    widths = metadata.accessibility_widths
    are_odd, ascend = all(width % 2 for width in widths), all(one < other for one, other in pairwise(widths))
    if not (are_odd and ascend and widths[:1] == (WINDOW_LENGTH,)):
        raise ValueError(f"accessibility_widths is {list(widths)!r}, not odd numbers that ascend from {WINDOW_LENGTH}")
    if any((getattr(metadata, mode) is not None) != metadata.sees_neighbourhood for mode in WINDOW_MODES):
        raise ValueError(f"{WINDOW_MODES[0]} and {WINDOW_MODES[1]} belong to a model that sees a neighbourhood")
