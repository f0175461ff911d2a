"""What a network and a fit are made of: plain frozen values, written into every result and model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

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
        Bases that a filter sees (CNN and LSTM; the MLP's see the whole window).
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
    filter_width: int = 16
    pool: int = 8
    state: int = 32
    hidden: int = 32
    head_layers: int = 2
    body_dropout: float = 0.1
    dropout: float = 0.3


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted.

    Attributes
    ----------
    epochs : int
        Passes over the training windows.
    batch : int
        Windows per step.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises over the first tenth of all steps and falls to zero along a cosine.
    negatives : float
        Share of the unbound windows drawn anew for each epoch; their weights grow to make up for it.
    withhold : float
        Share of the windows whose accessibility is withheld in a step, so that the network also works without.
    average : float
        Decay per step of the running average of the weights that is judged and kept.
    seed : int
    """

    epochs: int = 8
    batch: int = 1024
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    negatives: float = 0.25
    withhold: float = 0.2
    average: float = 0.995
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
    return [
        *(
            Candidate(NetworkConfig("mlp", filters=size, hidden=16, head_layers=1, body_dropout=0.5), fit)
            for size in (32, 64)
        ),
        *(Candidate(NetworkConfig("cnn", filters=16, hidden=size), fit) for size in (16, 32)),
        *(Candidate(NetworkConfig("lstm", filters=16, state=size), fit) for size in (16, 32)),
    ]
