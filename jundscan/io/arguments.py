"""What Python callers hand in, checked: what cannot be used is an InputError in our words, whatever it is."""

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
_LONGEST_SHOWN = 40


def type_name(value: object) -> str:
    """Name the type of what was handed in, for messages.

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
    """Return whether something is meant as the name of a file: text or a path."""
    return isinstance(value, str | os.PathLike)


def file_path(name: str, value: object) -> Path:
    """Return the path that was handed in.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : object
        Text or a path.

    Raises
    ------
    InputError
        When it is neither, or no system could have a file of that name.
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
                f"{name}: {_shown(text)} is a sequence, but text is taken as the path of a file; "
                'hand a sequence in under a name, {"chr1": sequence}'
            ) from err
        # a file that is not there is an error of whoever opens it, which knows what it is for
        if not isinstance(err, FileNotFoundError | NotADirectoryError):
            reason = err.strerror if isinstance(err, OSError) else f"cannot be the path of a file ({err})"
            raise InputError(f"{name}: {_shown(text)}: {reason}") from err
    return Path(text)


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        value = f"{value[:_LONGEST_SHOWN]}…"
    return repr(value)


def optional_path(name: str, value: object) -> Path | None:
    """Return the path that was handed in, or None for None; errors are those of :func:`file_path`."""
    return None if value is None else file_path(name, value)


def flag(name: str, value: object) -> bool:
    """Return a truth value.

    Raises
    ------
    InputError
        When it is anything but True or False.
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}: must be True or False, not {_shown(value)}")
    return bool(value)


def texts(name: str, value: str | Iterable[str] | None) -> list[str]:
    """Return a list of texts, of one or several or None for none.

    Raises
    ------
    InputError
        When it is neither a text nor several things; what they are is not looked at.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not is_several(value):
        raise InputError(f"{name}: must be text or several texts, not {type_name(value)}")
    return list(value)


def is_several(value: object) -> bool:
    """Return whether something can be gone through and holds things of its own: no text, no mapping, no number."""
    if isinstance(value, str | bytes | bytearray | Mapping):
        return False
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0  # an array of no dimension only looks so


def array(name: str, value: object, dimensions: Iterable[int]) -> NDArray[Any]:
    """Return numbers as an array whose number of dimensions is one of those allowed.

    Raises
    ------
    InputError
        When they are no such array of real numbers.
    """
    allowed = list(dimensions)
    made = plain_array(value)
    if made is None or made.ndim not in allowed or made.dtype.kind not in "biuf":
        shapes = " or ".join(map(str, allowed))
        raise InputError(f"{name}: must be numbers in an array of {shapes} dimensions, not {type_name(value)}")
    return made


def plain_array(value: object) -> NDArray[Any] | None:
    """Return an array of what looks like one: an array, what can become one, a list or a tuple; None for all else."""
    if not (isinstance(value, list | tuple | np.ndarray) or hasattr(value, "__array__")):
        return None
    try:
        return np.asarray(value)
    except Exception:  # what other libraries' arrays raise shares no base
        return None


def codes_array(name: str, value: object, dimensions: int) -> NDArray[np.uint8]:
    """Return codes of bases, of any type of whole numbers, as uint8.

    Raises
    ------
    InputError
        When they are anything but whole numbers from 0 to 4.
    """
    made = array(name, value, [dimensions])
    if made.dtype.kind not in "iu":
        raise InputError(f"{name}: must be codes of bases (whole numbers from 0 to {UNKNOWN}), not {made.dtype}")
    low = 0 if made.dtype.kind == "u" else made.min(initial=0)
    if low < 0 or made.max(initial=0) > UNKNOWN:
        raise InputError(f"{name}: has codes other than 0 to {UNKNOWN}: A 0, C 1, G 2, T 3, anything else 4")
    return made.astype(np.uint8, copy=False)


def float32_array(name: str, value: object, dimensions: Iterable[int]) -> NDArray[np.float32]:
    """Return numbers as float32, whatever type they have; NaN is fine.

    Raises
    ------
    InputError
        When they are no such array (see :func:`array`), or one is infinite.
    """
    with np.errstate(over="ignore"):
        numbers = array(name, value, dimensions).astype(np.float32, copy=False)
    if np.isinf(numbers).any():
        raise InputError(f"{name}: has infinite values; where it is not available, give NaN")
    return numbers
