"""What a network and a fit are made of: plain frozen values, written into every result and model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from jundscan.dna.letters import WINDOW_LENGTH

DEFAULT_FPR = 0.002
"""Scan's default rule: two false windows in a thousand, half as many as there are bound ones."""

FLANK = 400
"""Bases to each side of a window that training looks up; what a network sees of them is its own choice."""
WIDTHS = (101, 301, 601, 1101, 2101)
"""Bases, centred on a window, that accessibility is averaged over; the same holds."""

ALONE = "alone"
"""In a model's architecture: the network for windows beside which nothing is known."""

Family = Literal["mlp", "cnn", "lstm"]


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of one network.

    Attributes
    ----------
    family : {"mlp", "cnn", "lstm"}
    filters : int
        Filters of the first layer, a multiple of 16 (the blocked layout of ONNX Runtime's CPU provider).
    filter_width : int
        Bases that a filter sees; those of the MLP see the whole window and start from motifs of this width.
    pool : int
        Positions in one step of the LSTM.
    state : int
        Units of the LSTM.
    hidden, head_layers : int
        Units of each hidden layer of the head, and number of these layers.
    body_dropout, dropout : float
        Share of units left out in training: of what goes into the head, and behind the head's layers.
    ranges : tuple of int
        Bases to each side of a window over which the CNN takes each filter's best score, one range after another.
        (0,) is the window alone. The widest range is the model's flank.
    composition_ranges : tuple of int
        Bases to each side over which the CNN also counts C and G, CpG and known letters; none wider than ``ranges``.
    accessibility_widths : tuple of int
        Bases, centred on the window, that mean accessibility is taken over; the first is the window's own 101.
    fixed_filters : bool
        Whether the CNN's filters stay the motifs that they start from. What they find in a window is then computed
        once, before the fit.
    """

    family: Family
    filters: int = 16
    filter_width: int = 12
    pool: int = 8
    state: int = 32
    hidden: int = 32
    head_layers: int = 1
    body_dropout: float = 0.0
    dropout: float = 0.5
    ranges: tuple[int, ...] = (0,)
    composition_ranges: tuple[int, ...] = ()
    accessibility_widths: tuple[int, ...] = (WINDOW_LENGTH,)
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
        """Build what :func:`dataclasses.asdict` took apart, perhaps through JSON, which has no tuples."""
        own = {key: value for key, value in values.items() if key != ALONE}
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in own.items()})


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted.

    Attributes
    ----------
    epochs, steps : int
        Number of epochs, after each of which the network is judged, and of steps in an epoch.
    batch : int
        Windows per step, an equal number from each data set.
    bound : float
        Share of bound windows among them; weights make up for what is drawn more often than it occurs.
    learning_rate, filter_learning_rate : float
        Peak rates of AdamW for the head, and for filters, which start from motifs; each rises over the first steps
        and falls to zero along a cosine.
    weight_decay : float
        Of AdamW.
    withhold : float
        Share of the windows whose accessibility is withheld in a step, so that the network also works without.
    withhold_around : float
        Share of the windows of which all but their own 101 bases is withheld.
    shifted : float
        Share of the windows that are moved by up to half their length, where a neighbour is labelled alike.
    average : float
        Decay per step of the running average of the weights that is judged and kept.
    earliest_epoch_fraction : float
        Fraction of the epochs after which validation selects the best one, because late epochs were the best on
        held-out blocks. While learning rates are high, the few bound validation windows would select by chance.
    seed : int
    """

    epochs: int = 16
    steps: int = 50
    batch: int = 2048
    bound: float = 0.2
    learning_rate: float = 3e-3
    filter_learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    withhold: float = 0.2
    withhold_around: float = 0.0
    shifted: float = 0.0
    average: float = 0.99
    earliest_epoch_fraction: float = 0.75
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """One network and one way to fit it."""

    network: NetworkConfig
    fit: FitConfig

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, for JSON."""
        return asdict(self)

    def key(self) -> str:
        """Name the candidate by family and a hash of every setting.

        The hash calls ``earliest_epoch_fraction`` by its former name, so that earlier checkpoints are still found.
        """
        settings = self.to_dict()
        settings["fit"]["settled"] = settings["fit"].pop("earliest_epoch_fraction")
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return f"{self.network.family}-{digest[:10]}"


def candidates(seed: int, knows_neighbourhood: bool) -> list[Candidate]:
    """List what ``python -m train run`` fits and chooses from, family by family.

    Parameters
    ----------
    seed : int
    knows_around : bool
        Whether it is known what lies around the windows. Then there are CNNs that see it; the others serve windows
        beside which nothing is known.
    """
    fit = FitConfig(seed=seed)
    # a unit of the MLP sees so few bound windows that it must hardly leave its motif, or not at all
    nearly_fixed = [FitConfig(filter_learning_rate=rate, seed=seed) for rate in (0.0, 1e-5)]
    # fewer hidden units were worse on held-out blocks, more no better and slower to scan with
    moved = replace(fit, shifted=1.0)
    convolutional = [Candidate(NetworkConfig("cnn", dropout=share), moved) for share in (0.5, 0.3)]
    if knows_neighbourhood:
        around = NetworkConfig(
            "cnn",
            body_dropout=0.1,
            ranges=(0, 50, 150, FLANK),
            composition_ranges=(150, FLANK),
            accessibility_widths=WIDTHS,
            fixed_filters=True,
        )
        # the last epoch is kept: held-out blocks choose among recipes, and rates have fallen to 0 by then
        longer = replace(fit, bound=0.4, withhold_around=0.4, earliest_epoch_fraction=1.0)
        convolutional += [Candidate(replace(around, hidden=size), longer) for size in (32, 64)]
    return [
        *(Candidate(NetworkConfig("mlp", filters=176, hidden=16), slow) for slow in nearly_fixed),
        *convolutional,
        *(Candidate(NetworkConfig("lstm", state=size), fit) for size in (16, 32)),
    ]
