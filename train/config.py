"""Settings of networks and fits, as frozen values that every result and model records."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from jundscan.dna.letters import WINDOW_LENGTH

DEFAULT_FPR = 0.002
"""False-positive rate of the default threshold. It is half the fraction of windows that are bound."""

FLANK = 400
"""Bases to each side of a window that training reads from the genome. A network may see fewer."""
WIDTHS = (101, 301, 601, 1101, 2101)
"""Bases, centred on a window, over which training averages accessibility. A network may use fewer widths."""

ALONE = "alone"
"""Key in a model's architecture of the network for bare windows, those whose neighbourhood is unknown."""

JUND = "jund"
"""The 16 motifs that the bundled models start from, as a choice of ``--motifs``."""

Family = Literal["mlp", "cnn", "lstm"]

ADOPTED = "adopted"
"""Family, in a model's metadata, of a network of the user's own."""
FILTER_MULTIPLE = 16
"""Filters are a multiple of this, because ONNX Runtime's CPU provider works on blocks of 16 channels."""
Filters = Annotated[int, Meta(ge=FILTER_MULTIPLE, multiple_of=FILTER_MULTIPLE)]
Positive = Annotated[int, Meta(ge=1)]
Reach = Annotated[int, Meta(ge=0, le=FLANK)]
Dropped = Annotated[float, Meta(ge=0, lt=1)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
InnerFraction = Annotated[float, Meta(gt=0, lt=1)]
Rate = Annotated[float, Meta(ge=0, le=1)]
PeakRate = Annotated[float, Meta(gt=0, le=1)]
"""Types with limits. :mod:`train.fitting.choice` checks a user's values against them."""


Matrix = tuple[tuple[float, ...], ...]
"""Frequencies of A, C, G and T at each position of a motif."""


@dataclass(frozen=True)
class Start:
    """A motif that a filter starts from.

    Attributes
    ----------
    name : str
    source : str
        The JASPAR release, the file, or ``learned`` from the training windows.
    matrix : tuple
        Frequencies (length, 4) in ACGT order.
    auroc : float, optional
        How well its best score separates bound from unbound windows. None if nobody measured it.
    """

    name: str
    source: str
    matrix: Matrix
    auroc: float | None = None


@dataclass(frozen=True)
class Motifs:
    """The motifs that a fit starts from.

    Attributes
    ----------
    choice : str
        What ``--motifs`` asked for.
    starts : tuple of Start
        The most useful first. None for ``jund``: those are :data:`train.networks.motifs.MOTIFS`.
    width : int, optional
        Bases of the filters of a CNN, where the motifs ask for other ones than the default.
    """

    choice: str = JUND
    starts: tuple[Start, ...] = ()
    width: int | None = None

    @property
    def depends_on_windows(self) -> bool:
        """Whether training windows took part in the choice. Held-out blocks then need a choice of their own."""
        return any(start.auroc is not None for start in self.starts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, for JSON. The default width is left out, as older records do."""
        values = asdict(self)
        return values if self.width is not None else {key: values[key] for key in ("choice", "starts")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Motifs:
        """Build from the dictionary of :meth:`to_dict`, also after JSON."""
        starts = (Start(**{**one, "matrix": tuple(map(tuple, one["matrix"]))}) for one in values["starts"])
        return cls(values["choice"], tuple(starts), values.get("width"))

    def sha256(self) -> str:
        """Return the digest of choice and matrices."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of one network.

    Attributes
    ----------
    family : {"mlp", "cnn", "lstm"}
    filters : int
        Filters of the first layer, a multiple of 16 because ONNX Runtime's CPU provider works on blocks of 16 channels.
    filter_width : int
        Bases that a filter covers. The MLP's filters cover the whole window and start from motifs of this width.
    pool : int
        Positions in one step of the LSTM.
    state : int
        Units of the LSTM.
    hidden, head_layers : int
        Units of each hidden layer of the head, and number of these layers.
    body_dropout, dropout : float
        Fraction of units dropped in training: of the head's inputs, and after each of the head's layers.
    ranges : tuple of int
        Bases to each side of a window over which the CNN takes each filter's best score. (0,) is the window alone.
        The widest range is the model's flank.
    composition_ranges : tuple of int
        Bases to each side over which the CNN also counts C and G, CpG and known letters. None is wider than ``ranges``.
    accessibility_widths : tuple of int
        Bases, centred on the window, over which accessibility is averaged. The first is the window's own 101.
    fixed_filters : bool
        Whether the CNN's filters stay the motifs that they start from. The filter scores of a window are then computed
        once, before the fit.
    """

    family: Family
    filters: Filters = 16
    filter_width: Annotated[int, Meta(ge=1, le=50)] = 12
    pool: Annotated[int, Meta(ge=1, le=50)] = 8
    state: Positive = 32
    hidden: Positive = 32
    head_layers: Positive = 1
    body_dropout: Dropped = 0.0
    dropout: Dropped = 0.5
    ranges: tuple[Reach, ...] = (0,)
    composition_ranges: tuple[Reach, ...] = ()
    accessibility_widths: tuple[Positive, ...] = (WINDOW_LENGTH,)
    fixed_filters: bool = False

    @property
    def flank(self) -> int:
        """Bases to each side of a window that the network sees."""
        return max(self.ranges)

    @property
    def sees_neighbourhood(self) -> bool:
        """Whether the network sees more than the window: bases beside it, or accessibility around it."""
        return self.flank > 0 or len(self.accessibility_widths) > 1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Build from the dictionary of :func:`dataclasses.asdict`, also after JSON, which turns tuples into lists."""
        own = {key: value for key, value in values.items() if key != ALONE}
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in own.items()})


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted.

    Attributes
    ----------
    epochs, steps : int
        Epochs, each followed by validation, and steps per epoch.
    batch : int
        Windows per step, an equal number from each data set.
    bound : float
        Fraction of them that are bound. Weights correct for drawing bound windows more often than they occur.
    learning_rate, filter_learning_rate : float
        Peak learning rates of AdamW for the head, and for filters, which start from motifs. Each rises over the first
        steps and falls to zero along a cosine.
    weight_decay : float
        Weight decay of AdamW.
    withhold : float
        Fraction of the windows whose accessibility is hidden in a step, so that the network also works without.
    withhold_around : float
        Fraction of the windows whose neighbourhood is hidden in a step.
    shifted : float
        Fraction of the windows that are moved by up to half their length, towards a neighbour with the same label.
    average : float
        Decay per step of the running average of the weights. Validation uses the average, and the result keeps it.
    earliest_epoch_fraction : float
        Fraction of the epochs after which validation selects the best one, because late epochs were the best on
        held-out blocks. While learning rates are high, the few bound validation windows would select by chance.
    seed : int
    """

    epochs: Positive = 16
    steps: Positive = 50
    batch: Positive = 2048
    bound: InnerFraction = 0.2
    learning_rate: PeakRate = 3e-3
    filter_learning_rate: Rate = 3e-4
    weight_decay: Rate = 1e-2
    withhold: Fraction = 0.2
    withhold_around: Fraction = 0.0
    shifted: Fraction = 0.0
    average: Dropped = 0.99
    earliest_epoch_fraction: Fraction = 0.75
    seed: Annotated[int, Meta(ge=0)] = 0


@dataclass(frozen=True)
class Candidate:
    """One network, one way to fit it, and the motifs that its filters start from."""

    network: NetworkConfig
    fit: FitConfig
    motifs: Motifs = Motifs()

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, for JSON. Motifs are there by their digest, unless they are JUND's."""
        motifs = {} if self.motifs.choice == JUND else {"motifs": self.motifs.sha256()}
        return {"network": asdict(self.network), "fit": asdict(self.fit), **motifs}

    def key(self) -> str:
        """Name the candidate by family and a hash of every setting.

        The hash calls ``earliest_epoch_fraction`` by its former name, so that earlier checkpoints are still found.
        """
        settings = self.to_dict()
        settings["fit"]["settled"] = settings["fit"].pop("earliest_epoch_fraction")
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return f"{self.network.family}-{digest[:10]}"

    @property
    def base(self) -> str:
        """Name in :data:`RECIPES` of the recipe that this candidate is a change of."""
        return AROUND if self.network.family == "cnn" and self.network.sees_neighbourhood else self.network.family

    def label(self) -> str:
        """Name the candidate for people: its recipe, and every setting that differs from it.

        The label depends on the settings alone, so different candidates never share one.

        Examples
        --------
        >>> cnn = RECIPES["cnn"]
        >>> cnn.label(), replace(cnn, network=replace(cnn.network, hidden=64)).label()
        ('cnn', 'cnn-hidden64')
        >>> replace(cnn, fit=replace(cnn.fit, learning_rate=1e-5, epochs=8)).label()
        'cnn-epochs8-lr1e-5'
        """
        parts: list[str] = [self.base]
        recipe = RECIPES.get(self.base, Candidate(NetworkConfig(self.network.family), FitConfig()))
        for ours, theirs in ((self.network, recipe.network), (self.fit, recipe.fit)):
            parts += [
                _short_name(one.name) + _short_value(value)
                for one in fields(ours)
                if (value := getattr(ours, one.name)) != getattr(theirs, one.name)
            ]
        return "-".join(parts)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Candidate:
        """Build from :meth:`to_dict`, also after JSON."""
        return cls(NetworkConfig.from_dict(values["network"]), FitConfig(**values["fit"]))


def _short_name(name: str) -> str:
    return name.replace("learning_rate", "lr").replace("_", "-")


def _short_value(value: object) -> str:
    if isinstance(value, bool):
        return "" if value else "-no"
    if isinstance(value, float):
        return re.sub(r"e([+-])0*", r"e\1", repr(value)).replace("e+", "e")
    if isinstance(value, tuple):
        return "+".join(map(str, value)) or "-none"
    return str(value)


AROUND = "cnn-around"
"""Name of the recipe of the CNN that sees the neighbourhood of a window."""
RECIPES = {
    # few bound windows reach any one unit of the MLP, so its motif must stay fixed or nearly so
    "mlp": Candidate(NetworkConfig("mlp", filters=176, hidden=16), FitConfig(filter_learning_rate=0.0)),
    "cnn": Candidate(NetworkConfig("cnn"), FitConfig(shifted=1.0)),
    AROUND: Candidate(
        NetworkConfig(
            "cnn",
            body_dropout=0.1,
            ranges=(0, 50, 150, FLANK),
            composition_ranges=(150, FLANK),
            accessibility_widths=WIDTHS,
            fixed_filters=True,
        ),
        # keep the last epoch, because held-out blocks choose among recipes, not among epochs
        FitConfig(bound=0.4, withhold_around=0.4, earliest_epoch_fraction=1.0),
    ),
    "lstm": Candidate(NetworkConfig("lstm"), FitConfig()),
}
"""Settings that candidates start from. A label names what differs from them."""


def changed(recipe: Candidate, settings: Mapping[str, Any]) -> Candidate:
    """Return a candidate with other values of some fields of its network and its fit."""
    of_network = {one.name for one in fields(NetworkConfig)}
    return Candidate(
        replace(recipe.network, **{key: value for key, value in settings.items() if key in of_network}),
        replace(recipe.fit, **{key: value for key, value in settings.items() if key not in of_network}),
    )


def candidates(seed: int, knows_neighbourhood: bool) -> list[Candidate]:
    """List the candidates that ``python -m train run`` fits, family by family.

    Parameters
    ----------
    seed : int
    knows_neighbourhood : bool
        Whether the data hold the windows' neighbourhoods. If so, the list includes CNNs that see them.
    """
    changes: list[tuple[str, dict[str, Any]]] = [
        *(("mlp", {"filter_learning_rate": rate}) for rate in (0.0, 1e-5)),
        *(("cnn", {"dropout": share}) for share in (0.5, 0.3)),
        # on held-out blocks fewer hidden units were worse, and more were no better but slower to scan with
        *((AROUND, {"hidden": size}) for size in (32, 64) if knows_neighbourhood),
        *(("lstm", {"state": size}) for size in (16, 32)),
    ]
    return [changed(RECIPES[name], {**settings, "seed": seed}) for name, settings in changes]
