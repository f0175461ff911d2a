"""Check arguments from Python callers. Every value that cannot be used raises InputError with the argument's name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import UNKNOWN
from jundscan.errors import InputError

_SEQUENCE = re.compile(r"[ACGTUNacgtun\s]{30,}|>.*\n.*", re.DOTALL)
_MAX_SHOWN_LETTERS = 40


def type_name(value: object) -> str:
    """Return the name of a value's type, for messages.

    Examples
    --------
    >>> type_name(None), type_name(5), type_name(np.zeros((2, 4)))
    ('None', 'int', 'numpy.ndarray of float64, shape (2, 4)')
    """
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"numpy.ndarray of {value.dtype}, shape {value.shape}"
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__.split('.')[0]}.{cls.__qualname__}"


def is_path(value: object) -> bool:
    """Return whether a value is a file's name: text or a path."""
    return isinstance(value, str | os.PathLike)


def file_path(name: str, value: object) -> Path:
    """Return an argument as a path.

    Parameters
    ----------
    name : str
        The argument's name, for messages.
    value : object
        Text or a path.

    Raises
    ------
    InputError
        When the value is neither text nor a path, or no file can have that name.
    """
    text = value if isinstance(value, str) else os.fspath(value) if isinstance(value, os.PathLike) else None
    if not isinstance(text, str):
        raise InputError(f"{name}: must be the path of a file (str, pathlib.Path), not {type_name(value)}")
    if not text:
        raise InputError(f"{name}: the path is empty")
    try:
        os.stat(text)
    except (OSError, ValueError) as err:
        if _SEQUENCE.fullmatch(text):
            raise InputError(
                f"{name}: {_abbreviate(text)} is a sequence, but text is taken as the path of a file; "
                'hand a sequence in under a name, {"chr1": sequence}'
            ) from err
        # the code that opens a missing file raises its own error
        if not isinstance(err, FileNotFoundError | NotADirectoryError):
            reason = err.strerror if isinstance(err, OSError) else f"cannot be the path of a file ({err})"
            raise InputError(f"{name}: {_abbreviate(text)}: {reason}") from err
    return Path(text)


def _abbreviate(value: object) -> str:
    if isinstance(value, str) and len(value) > _MAX_SHOWN_LETTERS:
        value = f"{value[:_MAX_SHOWN_LETTERS]}…"
    return repr(value)


def optional_path(name: str, value: object) -> Path | None:
    """Return an argument as a path, or None for None; errors are those of :func:`file_path`."""
    return None if value is None else file_path(name, value)


def flag(name: str, value: object) -> bool:
    """Return an argument as a bool.

    Raises
    ------
    InputError
        When the value is neither True nor False.
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}: must be True or False, not {_abbreviate(value)}")
    return bool(value)


def texts(name: str, value: str | Iterable[str] | None) -> list[str]:
    """Return an argument as a list: of one text, of the items of a collection, or empty for None.

    Raises
    ------
    InputError
        When the value is neither text nor a collection. The items of a collection are not checked.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not is_several(value):
        raise InputError(f"{name}: must be text or several texts, not {type_name(value)}")
    return list(value)


def is_several(value: object) -> bool:
    """Return whether a value is a collection of items: iterable, but no text and no mapping."""
    if isinstance(value, str | bytes | bytearray | Mapping):
        return False
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0  # not an array without dimensions


def array(name: str, value: object, dimensions: Iterable[int]) -> NDArray[Any]:
    """Return an argument as an array with one of the allowed numbers of dimensions.

    Raises
    ------
    InputError
        When the value is no such array of real numbers.
    """
    allowed = list(dimensions)
    numbers = plain_array(value)
    if numbers is None or numbers.ndim not in allowed or numbers.dtype.kind not in "biuf":
        shapes = " or ".join(map(str, allowed))
        raise InputError(f"{name}: must be numbers in an array of {shapes} dimensions, not {type_name(value)}")
    return numbers


def plain_array(value: object) -> NDArray[Any] | None:
    """Return an array, a list, a tuple or an array of another library as a numpy array; None for any other value."""
    if not (isinstance(value, list | tuple | np.ndarray) or hasattr(value, "__array__")):
        return None
    try:
        return np.asarray(value)
    except Exception:  # other libraries' arrays raise errors of any type
        return None


def codes_array(name: str, value: object, dimensions: int) -> NDArray[np.uint8]:
    """Return codes of bases, of any integer type, as uint8.

    Raises
    ------
    InputError
        When the values are no integers from 0 to 4.
    """
    codes = array(name, value, [dimensions])
    if codes.dtype.kind not in "iu":
        raise InputError(f"{name}: must be codes of bases (whole numbers from 0 to {UNKNOWN}), not {codes.dtype}")
    lowest = 0 if codes.dtype.kind == "u" else codes.min(initial=0)
    if lowest < 0 or codes.max(initial=0) > UNKNOWN:
        raise InputError(f"{name}: has codes other than 0 to {UNKNOWN}: A 0, C 1, G 2, T 3, anything else 4")
    return codes.astype(np.uint8, copy=False)


def float32_array(name: str, value: object, dimensions: Iterable[int]) -> NDArray[np.float32]:
    """Return an argument as an array of float32, which may hold NaN.

    Raises
    ------
    InputError
        When the value is no array of numbers (see :func:`array`), or a number is infinite.
    """
    with np.errstate(over="ignore"):
        numbers = array(name, value, dimensions).astype(np.float32, copy=False)
    if np.isinf(numbers).any():
        raise InputError(f"{name}: has infinite values; where it is not available, give NaN")
    return numbers
