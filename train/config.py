"""Settings of networks and fits, as frozen values that every result and model records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from jundscan.dna.letters import WINDOW_LENGTH

DEFAULT_FPR = 0.002
"""False-positive rate of the default threshold. It is half the fraction of windows that are bound."""

FLANK = 400
"""Bases to each side of a window that training reads from the genome. A network may see fewer."""
WIDTHS = (101, 301, 601, 1101, 2101)
"""Bases, centred on a window, over which training averages accessibility. A network may use fewer widths."""

ALONE = "alone"
"""Key in a model's architecture of the network for bare windows, those whose neighbourhood is unknown."""

Family = Literal["mlp", "cnn", "lstm"]

ADOPTED = "adopted"
"""Family, in a model's metadata, of a network of the user's own."""


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
    """List the candidates that ``python -m train run`` fits, family by family.

    Parameters
    ----------
    seed : int
    knows_neighbourhood : bool
        Whether the data hold the windows' neighbourhoods. If so, the list includes CNNs that see them.
    """
    fit = FitConfig(seed=seed)
    # few bound windows reach any one unit of the MLP, so its motif must stay fixed or nearly so
    nearly_fixed = [FitConfig(filter_learning_rate=rate, seed=seed) for rate in (0.0, 1e-5)]
    # on held-out blocks fewer hidden units were worse, and more were no better but slower to scan with
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
        # keep the last epoch, because held-out blocks choose among recipes, not among epochs
        longer = replace(fit, bound=0.4, withhold_around=0.4, earliest_epoch_fraction=1.0)
        convolutional += [Candidate(replace(around, hidden=size), longer) for size in (32, 64)]
    return [
        *(Candidate(NetworkConfig("mlp", filters=176, hidden=16), slow) for slow in nearly_fixed),
        *convolutional,
        *(Candidate(NetworkConfig("lstm", state=size), fit) for size in (16, 32)),
    ]
