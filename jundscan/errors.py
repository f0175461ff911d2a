"""Errors that a user can fix, warnings about results that may mislead, and numbers in such messages.

The message of an error is one line: what is wrong, where, and what to do.

A run collects the warnings about its inputs with :func:`collect_warnings`. Code that opens an input calls :func:`warn`,
and need not know of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jundscan.schemas.records import Figure, WarningRecord

log = logging.getLogger("jundscan")

_MAX_CHARACTERS = 1000
"""Maximum characters of a message."""


class JundscanError(Exception):
    """Base of all expected errors. The command line prints the message, which is one line, without a traceback.

    Messages quote files and libraries. So characters that would break the line or move a terminal's cursor are escaped,
    and the middle of a long message is left out.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(escape_control_characters(message))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let every error be pickled, whatever the arguments of its constructor."""
        return _restore, (type(self), str(self), self.__dict__)


def _restore(cls: type[JundscanError], message: str, attributes: dict[str, Any]) -> JundscanError:
    err = cls.__new__(cls, message)
    err.__dict__.update(attributes)
    return err


class InputError(JundscanError, ValueError):
    """An argument, an option or an input file cannot be used."""


class _FileError(InputError):
    """An input file cannot be used. ``line`` is 1-based, or None."""

    def __init__(self, path: str | Path, problem: str, line: int | None = None) -> None:
        super().__init__(f"{path}{f', line {line}' if line is not None else ''}: {problem}")
        self.path = Path(path)
        self.line = line


class FastaError(_FileError):
    """The genome cannot be used."""


class TrackError(_FileError):
    """A track, or another file of intervals, cannot be used."""


class ShardError(_FileError):
    """A folder of shards cannot be used."""


class RegionError(InputError):
    """A region is malformed, lies beyond the end of its chromosome, or holds no window."""

    def __init__(self, region: object, problem: str) -> None:
        super().__init__(f"region {region}: {problem}")
        self.region = region


class ModelError(JundscanError):
    """A model file is missing, was not made by jundscan, or contradicts its own metadata."""


class DeviceError(JundscanError):
    """The chosen device is not available, or ONNX Runtime is not installed."""


class ClusterError(JundscanError):
    """A Dask cluster cannot be reached, or its workers fail."""


class OutputError(JundscanError):
    """An output exists already or cannot be written."""


def format_os_error(err: OSError) -> str:
    """Format an error of the operating system as ``FILE: reason``, or as the reason if it names no file."""
    reason = err.strerror or str(err) or type(err).__name__
    return escape_control_characters(reason if err.filename is None else f"{err.filename}: {reason}")


def escape_control_characters(text: str) -> str:
    r"""Escape line ends and control characters, and leave out the middle of a text above 1,000 characters.

    Examples
    --------
    >>> print(escape_control_characters("chr1\n\x1b[31m"))
    chr1\n\x1b[31m
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    half = _MAX_CHARACTERS // 2
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:half]} … {text[-half:]}"


@dataclass(frozen=True)
class Caution:
    """One warning.

    Attributes
    ----------
    code : str
        What the warning is about, for programs: ``missing_chromosomes``, ``other_lengths``, …
    message : str
        One line for people: what was found, where, and what to do.
    figures : mapping of str to number or text
        Numbers and names in the message. Shares are fractions, 0 to 1.
    """

    code: str
    message: str
    figures: Mapping[str, Figure]

    def to_dict(self) -> WarningRecord:
        """Return the entry of a record's ``warnings``."""
        return {"code": self.code, "message": self.message, "figures": dict(self.figures)}


class Cautions(list[Caution]):
    """The warnings of a run, in order, each once.

    Attributes
    ----------
    about : str
        What the run is one of several of, such as ``sample liver: ``. The log puts it before each message.
    """

    about = ""

    def add(self, code: str, message: str, **figures: Figure) -> None:
        """Log and keep a warning, unless it is here already."""
        if all((caution.code, caution.message) != (code, message) for caution in self):
            log.warning("%s%s", self.about, message)
            self.append(Caution(code, message, figures))

    def take(self, others: Iterable[Caution]) -> None:
        """Add each of the other warnings."""
        for other in others:
            self.add(other.code, other.message, **other.figures)

    def to_list(self) -> list[WarningRecord]:
        """Return a record's ``warnings``."""
        return [caution.to_dict() for caution in self]


_collected: ContextVar[Cautions | None] = ContextVar("cautions", default=None)


@contextmanager
def collect_warnings(cautions: Cautions) -> Iterator[None]:
    """Add what :func:`warn` logs inside the block, in this thread, to ``cautions``."""
    token = _collected.set(cautions)
    try:
        yield
    finally:
        _collected.reset(token)


def warn(code: str, message: str, **figures: Figure) -> None:
    """Log a warning, and add it to the warnings of the run if :func:`collect_warnings` is active."""
    cautions = _collected.get()
    (Cautions() if cautions is None else cautions).add(code, message, **figures)


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun, in the plural unless the number is 1.

    Examples
    --------
    >>> format_count(1, "hit"), format_count(0, "hit"), format_count(12_345, "window")
    ('1 hit', '0 hits', '12,345 windows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_bases(number: int) -> str:
    """Format a length in bases, kb or Mb.

    Examples
    --------
    >>> format_bases(1), format_bases(950), format_bases(70_040), format_bases(999_960), format_bases(3_088_269_832)
    ('1 base', '950 bases', '70.0 kb', '1.0 Mb', '3,088.3 Mb')
    """
    if number < 1_000:
        return format_count(number, "base")
    return f"{number / 1e3:.1f} kb" if number < 999_950 else f"{number / 1e6:,.1f} Mb"


def format_seconds(number: float) -> str:
    """Format a time in seconds, below 1 s with two decimals.

    Examples
    --------
    >>> format_seconds(0.034), format_seconds(0.0004), format_seconds(12.34)
    ('0.03 s', '0.01 s', '12.3 s')
    """
    return f"{max(number, 0.01):.2f} s" if number < 0.995 else f"{number:,.1f} s"
