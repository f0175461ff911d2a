"""Names of chromosomes: one sequence, several conventions, and a file of aliases where none of them fits."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from itertools import islice

log = logging.getLogger("jundscan")

_MITOCHONDRION = ("M", "MT", "chrM", "chrMT")
_NAMES_SHOWN = 5


class ChromSizes(dict[str, int]):
    """Length of every chromosome of a genome, bases, in file order; knows other names of theirs too.

    Attributes
    ----------
    aliases : Mapping of str to str
        The genome's name by another one, see :func:`read_aliases`; :func:`matching_name` looks here.
    """

    def __init__(self, sizes: Mapping[str, int], aliases: Mapping[str, str] | None = None) -> None:
        super().__init__(sizes)
        self.aliases: Mapping[str, str] = aliases or {}


def matching_name(name: str, names: Collection[str]) -> str | None:
    """Find a chromosome's name in another convention: with or without "chr"; M, MT, chrM and chrMT are one.

    Parameters
    ----------
    name : str
        The name as a file or a user gives it.
    names : collection of str
        Where to find it; something quick to look into. Aliases count where it is a :class:`ChromSizes`.

    Returns
    -------
    str or None
        ``name`` itself when ``names`` has it, else what it is an alias of, else its other spelling there, else None.

    Examples
    --------
    >>> matching_name("22", ["chr21", "chr22"]), matching_name("chrM", ["MT"]), matching_name("23", ["chr22"])
    ('chr22', 'MT', None)
    >>> matching_name("NC_000022.10", ChromSizes({"chr22": 51304566}, {"NC_000022.10": "chr22"}))
    'chr22'
    """
    if name in names:
        return name
    if isinstance(names, ChromSizes) and name in names.aliases:
        return names.aliases[name]
    spellings = [name[3:] if name.startswith("chr") else f"chr{name}"]
    if name in _MITOCHONDRION:
        spellings.extend(_MITOCHONDRION)
    return next((spelling for spelling in spellings if spelling in names), None)


def some_names(names: Iterable[str]) -> str:
    """List the first few names, for messages.

    Examples
    --------
    >>> some_names(f"chr{number}" for number in range(1, 20))
    'chr1, chr2, chr3, chr4, chr5, …'
    """
    shown = list(islice(names, _NAMES_SHOWN + 1))
    return ", ".join(shown[:_NAMES_SHOWN]) + (", …" if len(shown) > _NAMES_SHOWN else "")
