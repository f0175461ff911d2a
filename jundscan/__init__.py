"""Where JUND binds, from DNA sequence and chromatin accessibility.

>>> import jundscan
>>> for hit in jundscan.scan("genome.fa", "dnase.narrowPeak"):  # doctest: +SKIP
...     print(hit.chrom, hit.start, hit.end, hit.probability)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from jundscan._version import __version__
from jundscan.errors import JundscanError

if TYPE_CHECKING:
    from jundscan.model import load_model
    from jundscan.scan import Hit, scan

__all__ = ["Hit", "JundscanError", "__version__", "load_model", "scan"]

_HOMES = {"Hit": "jundscan.scan", "load_model": "jundscan.model", "scan": "jundscan.scan"}


def __getattr__(name: str) -> object:
    """Import numpy and what needs it when it is first asked for: a help text needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'jundscan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
