"""Warnings about a result that may mislead: logged for everybody, and kept for the record of the run.

A run gathers them while its inputs are opened, with :func:`gathering`. What opens them calls :func:`warn`, which need
not know of the run: without one it only logs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

log = logging.getLogger("jundscan")

Figure: TypeAlias = "int | float | str | list[str]"


@dataclass(frozen=True)
class Caution:
    """One warning.

    Attributes
    ----------
    code : str
        What it is about, for programs: ``missing_chromosomes``, ``other_lengths``, ….
    message : str
        One line for people: what was found, where, and what to do.
    figures : mapping of str to number or text
        The numbers in the message, shares as fractions.
    """

    code: str
    message: str
    figures: Mapping[str, Figure]

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in a record under ``warnings``."""
        return {"code": self.code, "message": self.message, "figures": dict(self.figures)}


class Cautions(list[Caution]):
    """The warnings of a run, in the order in which they were found, each once."""

    def add(self, code: str, message: str, **figures: Figure) -> None:
        """Log a warning and keep it, unless the same is there already."""
        if all((caution.code, caution.message) != (code, message) for caution in self):
            log.warning("%s", message)
            self.append(Caution(code, message, figures))

    def take(self, others: Iterable[Caution]) -> None:
        """Add warnings that were found elsewhere."""
        for other in others:
            self.add(other.code, other.message, **other.figures)

    def to_list(self) -> list[dict[str, Any]]:
        """Return what stands in a record under ``warnings``."""
        return [caution.to_dict() for caution in self]


_gathered: ContextVar[Cautions | None] = ContextVar("cautions", default=None)


@contextmanager
def gathering(cautions: Cautions) -> Iterator[None]:
    """Keep the warnings that :func:`warn` gets inside the block, in this thread."""
    token = _gathered.set(cautions)
    try:
        yield
    finally:
        _gathered.reset(token)


def warn(code: str, message: str, **figures: Figure) -> None:
    """Log a warning, and keep it for the run that gathers warnings, if there is one."""
    cautions = _gathered.get()
    (Cautions() if cautions is None else cautions).add(code, message, **figures)
