"""Models whose graph is plain numpy: as many bases of flank and widths of accessibility as a test wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH
from jundscan.model.model import Model


class NumpyGraph:
    """Runs as an ONNX Runtime session does: every letter of window and flanks, and every width, has its own weight.

    Weights of letters are whole numbers, so that sums are exact in any order and scores equal to the last bit. Unknown
    letters weigh nothing; accessibility that is not available has a weight of its own.
    """

    def __init__(self, flank: int, widths: Sequence[int], seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._span = WINDOW_LENGTH + 2 * flank
        self._letters = rng.integers(-3, 4, (len(ALPHABET), self._span)).astype(np.float64)
        self._widths = rng.uniform(20, 60, len(widths))
        self._missing = rng.uniform(-30, -10, len(widths))

    def run(self, names: Sequence[str], inputs: Mapping[str, Any]) -> list[NDArray[np.float32]]:
        """Score every window of every row."""
        assert list(names) == ["probability"]
        codes, held, stride = inputs["sequence"], inputs["accessibility"], int(inputs["stride"])
        assert codes.dtype == np.uint8
        assert held.dtype == np.float32
        held = held.reshape(*held.shape[:2], -1).astype(np.float64)
        scores = np.where(np.isnan(held), self._missing, np.nan_to_num(held) * self._widths).sum(axis=2)
        for letter, weights in enumerate(self._letters):
            here = (codes == letter).astype(np.float64)
            if codes.shape[1] == self._span:  # single windows: quicker
                scores[:, 0] += here @ weights
            else:
                scores += [np.correlate(row, weights)[::stride] for row in here]
        probabilities = 1 / (1 + np.exp(-scores / np.sqrt(self._span)))
        return [probabilities.astype(np.float32)]


def numpy_model(model: Model, flank: int, widths: Sequence[int] = (WINDOW_LENGTH,)) -> Model:
    """Make a model that sees a neighbourhood, with the rest of the metadata of another."""
    metadata = dataclasses.replace(
        model.metadata,
        flank=flank,
        accessibility_widths=tuple(widths),
        window_with_accessibility=model.metadata.with_accessibility,
        window_without_accessibility=model.metadata.without_accessibility,
        tiles={},
    )
    return dataclasses.replace(model, metadata=metadata, session=NumpyGraph(flank, widths))  # type: ignore[arg-type]
