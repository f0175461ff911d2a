"""Where JUND binds, from DNA sequence and chromatin accessibility.

>>> import jundscan
>>> for hit in jundscan.scan("genome.fa", "dnase.narrowPeak"):  # doctest: +SKIP
...     print(hit.chrom, hit.start, hit.end, hit.probability)
"""

from jundscan._version import __version__
from jundscan.errors import JundscanError
from jundscan.model import load_model
from jundscan.scan import Hit, scan

__all__ = ["Hit", "JundscanError", "__version__", "load_model", "scan"]
