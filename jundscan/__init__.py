"""Where JUND binds, from DNA sequence and chromatin accessibility.

>>> import jundscan
>>> for hit in jundscan.scan("genome.fa", "dnase.narrowPeak", fpr=0.001):  # doctest: +SKIP
...     print(hit.chrom, hit.start, hit.end, hit.probability)
>>> jundscan.evaluate("HepG2/valid_dataset").report["auroc"]  # doctest: +SKIP
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from jundscan._version import __version__
from jundscan.errors import JundscanError

# ONNX Runtime's own builds, from 1.29 on, report models and machine to their maker unless told before they start;
# what a lab scans is nobody else's business. Who wants the reports sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from jundscan.api import scan
    from jundscan.api_evaluation import evaluate
    from jundscan.api_variants import Effect, explain, variants
    from jundscan.evaluation.labelled_windows import Evaluation
    from jundscan.explanations.mutagenesis import Explanation
    from jundscan.model.load import load_model
    from jundscan.model.model import Model
    from jundscan.scanning.score import Hit, Scored

_HOMES = {
    "Effect": "jundscan.api_variants",
    "Evaluation": "jundscan.evaluation.labelled_windows",
    "Explanation": "jundscan.explanations.mutagenesis",
    "Hit": "jundscan.scanning.score",
    "Model": "jundscan.model.model",
    "Scored": "jundscan.scanning.score",
    "evaluate": "jundscan.api_evaluation",
    "explain": "jundscan.api_variants",
    "load_model": "jundscan.model.load",
    "scan": "jundscan.api",
    "variants": "jundscan.api_variants",
}

__all__ = [
    "Effect",
    "Evaluation",
    "Explanation",
    "Hit",
    "JundscanError",
    "Model",
    "Scored",
    "__version__",
    "evaluate",
    "explain",
    "load_model",
    "scan",
    "variants",
]


def __getattr__(name: str) -> object:
    """Import numpy and what needs it when it is first asked for: a help text needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'jundscan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List what can be asked for, also before it is imported."""
    return sorted({*globals(), *__all__})
