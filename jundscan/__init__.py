"""Predict where a transcription factor binds, from DNA sequence and chromatin accessibility.

The model that comes with the package is of JUND.

>>> import jundscan
>>> for hit in jundscan.scan("genome.fa", "dnase.narrowPeak", fpr=0.001):  # doctest: +SKIP
...     print(hit.chrom, hit.start, hit.end, hit.probability)
>>> jundscan.evaluate("HepG2/valid_dataset").report["auroc"]  # doctest: +SKIP
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from jundscan._version import __version__
from jundscan.errors import InputError, JundscanError

# From version 1.29 on, ONNX Runtime's own builds send reports about models and machine to their maker, unless this is
# set before it starts. What a lab scans stays private. Users who want the reports set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from jundscan.api import compare, evaluate, explain, scan, scan_samples, score_regions, variants
    from jundscan.comparison.result import Comparison
    from jundscan.effects.effect import Effect
    from jundscan.evaluation.labelled_windows import Evaluation
    from jundscan.explanations.mutagenesis import Explanation
    from jundscan.io.frames import Results
    from jundscan.model.load import load_model
    from jundscan.model.model import Model
    from jundscan.samples.result import SampleSites
    from jundscan.samples.table import Sample
    from jundscan.scanning.region_scores import RegionScore
    from jundscan.scanning.score import Hit, Scored, ScoredWindows

_HOMES = {
    "Comparison": "jundscan.comparison.result",
    "Effect": "jundscan.effects.effect",
    "Evaluation": "jundscan.evaluation.labelled_windows",
    "Explanation": "jundscan.explanations.mutagenesis",
    "Hit": "jundscan.scanning.score",
    "Model": "jundscan.model.model",
    "RegionScore": "jundscan.scanning.region_scores",
    "Results": "jundscan.io.frames",
    "Sample": "jundscan.samples.table",
    "SampleSites": "jundscan.samples.result",
    "Scored": "jundscan.scanning.score",
    "ScoredWindows": "jundscan.scanning.score",
    "compare": "jundscan.api",
    "evaluate": "jundscan.api",
    "explain": "jundscan.api",
    "load_model": "jundscan.model.load",
    "scan": "jundscan.api",
    "scan_samples": "jundscan.api",
    "score_regions": "jundscan.api",
    "variants": "jundscan.api",
}

__all__ = [
    "Comparison",
    "Effect",
    "Evaluation",
    "Explanation",
    "Hit",
    "InputError",
    "JundscanError",
    "Model",
    "RegionScore",
    "Results",
    "Sample",
    "SampleSites",
    "Scored",
    "ScoredWindows",
    "__version__",
    "compare",
    "evaluate",
    "explain",
    "load_model",
    "scan",
    "scan_samples",
    "score_regions",
    "variants",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, because help texts must not wait for numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'jundscan' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names alone, also those that are not imported yet."""
    return list(__all__)
