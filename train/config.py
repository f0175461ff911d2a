"""What a network and a fit are made of: plain frozen values, written into every result and model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

DEFAULT_FPR = 0.002
"""Scan's default rule: two false windows in a thousand, half as many as there are bound ones."""

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
        Share of units left out in training, behind the body and behind the head's layers.
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
    shifted : float
        Share of the windows that are moved by up to half their length, where a neighbour is labelled alike.
    average : float
        Decay per step of the running average of the weights that is judged and kept.
    settled : float
        Share of the epochs after which validation selects one; before, each replaces the last. While rates are
        high, the few bound validation windows would select by chance: on held-out blocks late epochs were the best.
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
    shifted: float = 0.0
    average: float = 0.99
    settled: float = 0.75
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
        """Name the candidate by family and a hash of every setting."""
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
        return f"{self.network.family}-{digest[:10]}"


def candidates(seed: int) -> list[Candidate]:
    """List what ``python -m train run`` fits and chooses from, family by family."""
    fit = FitConfig(seed=seed)
    # a unit of the MLP sees so few bound windows that it must hardly leave its motif, or not at all
    nearly_fixed = [FitConfig(filter_learning_rate=rate, seed=seed) for rate in (0.0, 1e-5)]
    return [
        *(Candidate(NetworkConfig("mlp", filters=176, hidden=16), slow) for slow in nearly_fixed),
        # fewer hidden units were worse on held-out blocks, more no better and slower to scan with
        *(Candidate(NetworkConfig("cnn", dropout=share), replace(fit, shifted=1.0)) for share in (0.5, 0.3)),
        *(Candidate(NetworkConfig("lstm", state=size), fit) for size in (16, 32)),
    ]
