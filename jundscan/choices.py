"""What a user chooses among, and the default stride; imports nothing, so that help texts appear at once."""

from __future__ import annotations

from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
"""What a model is to run on; ``auto`` takes CUDA where it can be had."""
Wish = Literal["threshold", "fpr", "precision", "recall"]
"""What a threshold is chosen by."""
Format = Literal["bed", "narrowPeak", "tsv"]
"""What a scan writes: hits, or one line for each window."""
BedValue = Literal["score", "presence"]
"""What an interval of a BED track counts as: its score, where there is one, or 1."""
Backend = Literal["local", "dask"]
"""Where a scan runs: on this machine, or on the workers of a Dask cluster."""
DEFAULT_STRIDE = 10
"""Bases between window starts; the model has a branch of its own for it."""
