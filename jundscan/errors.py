"""Errors that a user can mend: one line saying what, where and what to do, each kind with its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LONGEST = 1000


class JundscanError(Exception):
    """Base of every expected failure; the message is one line, shown without a traceback.

    Messages quote what files and libraries say: whatever would break the line or move a terminal's cursor is escaped,
    and what is long is cut in the middle.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let errors travel between processes, whatever they are made from."""
        return _restored, (type(self), str(self), self.__dict__)


def _restored(cls: type[JundscanError], message: str, attributes: dict[str, Any]) -> JundscanError:
    err = cls.__new__(cls, message)
    err.__dict__.update(attributes)
    return err


class InputError(JundscanError, ValueError):
    """Something handed in cannot be used."""


class FastaError(InputError):
    """The genome cannot be used."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)


class TrackError(InputError):
    """A track or another file of intervals cannot be used; ``line`` is 1-based, or None."""

    def __init__(self, path: str | Path, problem: str, line: int | None = None) -> None:
        super().__init__(f"{path}{f', line {line}' if line is not None else ''}: {problem}")
        self.path = Path(path)
        self.line = line


class RegionError(InputError):
    """A region is malformed, beyond its chromosome or holds no window."""

    def __init__(self, region: object, problem: str) -> None:
        super().__init__(f"region {region}: {problem}")
        self.region = region


class ShardError(InputError):
    """A folder of shards cannot be used."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)


class ModelError(JundscanError):
    """A model file is missing, is not ours, or contradicts its own metadata."""


class DeviceError(JundscanError):
    """The device asked for cannot be had, or no ONNX Runtime is installed."""


class ClusterError(JundscanError):
    """A Dask cluster cannot be reached, or cannot do the work."""


class OutputError(JundscanError):
    """An output exists already or cannot be written."""


def about(err: OSError) -> str:
    """Say what an error of the operating system is, and of which file, as far as it tells."""
    reason = err.strerror or str(err) or type(err).__name__
    return printable(reason if err.filename is None else f"{err.filename}: {reason}")


def printable(text: str) -> str:
    r"""Escape line ends and control characters, and leave out the middle of more than 1,000 characters.

    Examples
    --------
    >>> print(printable("chr1\n\x1b[31m"))
    chr1\n\x1b[31m
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"
