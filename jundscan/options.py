"""What a user chooses among, and checks of it; imports next to nothing, so that help texts appear at once."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from operator import index
from typing import Any, Literal, SupportsIndex, get_args

from jundscan.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
"""What a model is to run on; ``auto`` takes CUDA where it can be had."""
ThresholdKind = Literal["threshold", "fpr", "precision", "recall"]
"""What a threshold is chosen by."""
Format = Literal["bed", "narrowPeak", "table", "tsv"]
"""What a scan writes: hits in one of three forms, or one line for each window."""
BedValue = Literal["score", "presence"]
"""What an interval of a BED track counts as: its score, where there is one, or 1."""
MissingChromosomes = Literal["closed", "unknown", "error"]
"""What holds on chromosomes that a track does not name: no accessibility, not available, or an error."""
Backend = Literal["local", "dask"]
"""Where a scan runs: on this machine, or on the workers of a Dask cluster."""
DEFAULT_STRIDE = 10
"""Bases between window starts; the model has a branch of its own for it."""
MOST_STRIDE = 1_000_000
"""Bases; a stride beyond is a mistake."""


@dataclass(frozen=True)
class ThresholdRule:
    """How a user wants the threshold to be chosen.

    Attributes
    ----------
    kind : {"threshold", "fpr", "precision", "recall"}
        ``threshold``: the value itself. ``fpr``: the lowest threshold with at most that false-positive rate.
        ``precision``: the lowest one with at least that precision, at the training prevalence. ``recall``: the highest
        one with at least that recall.
    value : float
        From 0 to 1.

    Raises
    ------
    InputError
        When the value is not a number from 0 to 1.
    """

    kind: ThresholdKind
    value: float

    def __post_init__(self) -> None:
        check_fraction(self.kind, self.value)


def check_choice(name: str, value: object, choices: Any) -> None:
    """Refuse what is none of the choices of a ``Literal``.

    Raises
    ------
    InputError
    """
    known = get_args(choices)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name} {value!r}: takes {', '.join(known)}")


def is_fraction(value: float) -> bool:
    """Tell a number from 0 to 1 from anything else."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(0.0 <= value <= 1.0)


def check_fraction(name: str, value: float) -> None:
    """Refuse what is no number from 0 to 1.

    Raises
    ------
    InputError
    """
    if not is_fraction(value):
        raise InputError(f"{name} {value!r}: not a number between 0 and 1")


def positive_int(name: str, value: SupportsIndex, most: int | None = None) -> int:
    """Turn into an int, and refuse what is no whole number from 1 on, to ``most`` if given.

    Raises
    ------
    InputError
    """
    try:
        number = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        number = 0
    if number < 1 or (most is not None and number > most):
        upper = "at least 1" if most is None else f"from 1 to {most:,}"
        raise InputError(f"{name} {value!r}: must be a whole number, {upper}")
    return number
