"""Chromosome names: naming conventions, and aliases for names that follow none of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jundscan.dna.regions import Region

_MITOCHONDRION = ("M", "MT", "chrM", "chrMT")
_MAX_NAMES_SHOWN = 5


class ChromSizes(dict[str, int]):
    """Length of every chromosome of a genome, bases, in file order, and other names of the chromosomes.

    Attributes
    ----------
    aliases : Mapping of str to str
        The genome's name by another name, see :func:`jundscan.io.aliases.read_aliases`.
    places : callable or None
        Returns the region that a text names, such as a gene. :meth:`jundscan.scanning.genes.Genes.find` is one.
    """

    def __init__(self, sizes: Mapping[str, int], aliases: Mapping[str, str] | None = None) -> None:
        super().__init__(sizes)
        self.aliases: Mapping[str, str] = aliases or {}
        self.places: Callable[[str], Region] | None = None


def matching_name(name: str, names: Collection[str]) -> str | None:
    """Find a chromosome under any naming convention.

    Names with and without "chr" are the same chromosome. So are M, MT, chrM and chrMT.

    Parameters
    ----------
    name : str
        The name in a file or from a user.
    names : collection of str
        Names to search, with a quick ``in``. The aliases of a :class:`ChromSizes` count too.

    Returns
    -------
    str or None
        ``name`` itself if ``names`` has it, else the name that it is an alias of, else its other spelling, else None.

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
    """List the first five names, for messages.

    Examples
    --------
    >>> some_names(f"chr{number}" for number in range(1, 20))
    'chr1, chr2, chr3, chr4, chr5, …'
    """
    shown = list(islice(names, _MAX_NAMES_SHOWN + 1))
    return ", ".join(shown[:_MAX_NAMES_SHOWN]) + (", …" if len(shown) > _MAX_NAMES_SHOWN else "")
