"""Reference scores: the probabilities of fixed windows from the export of a model, compared with this installation.

The windows and their accessibility never change: they come from a hash function and plain arithmetic, which no
version of a library changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH, encode
from jundscan.errors import ModelError
from jundscan.model.metadata import SelfTest
from jundscan.model.model import Model

DAMAGED_ABOVE = 0.02
"""Minimum difference of probabilities from which on a model is damaged, because no processor rounds so differently."""
REFERENCE_TOLERANCE = 1e-4
"""Maximum difference of probabilities that counts as the same, because processors and providers round differently."""

_WINDOWS = 48
STRIDE = 10
"""Bases between the starts of the reference windows."""
_STRIDES = (1, 5, 10)
_SITE = b"TGACTCA"
"""The AP-1 element, so that some windows score high."""


def reference_windows(flank: int = 0, widths: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Build the sequence and the accessibility of the reference windows.

    Parameters
    ----------
    flank : int
        Bases to each side of the windows.
    widths : int
        Columns of accessibility.

    Returns
    -------
    codes : numpy.ndarray, shape=(101 + 2 * flank + 10 * (windows - 1),), dtype=uint8
        Known letters, with AP-1 elements so far apart that some windows see none. With a flank, unknown letters follow,
        around one more window of known letters.
    accessibility : numpy.ndarray, shape=(windows, widths), dtype=float32
        Percentiles of the windows at stride 10, 48 of them without a flank. Every third window is at 0, the others
        rise. Each column lags two windows behind the one before.
    """
    length = WINDOW_LENGTH + 2 * flank + (_WINDOWS - 1) * STRIDE
    letters = np.frombuffer(hashlib.shake_256(b"jundscan").digest(length), np.uint8) % len(ALPHABET)
    codes = letters.copy()
    for start in range(50, length - len(_SITE), 130 + 2 * flank):
        codes[start : start + len(_SITE)] = encode(_SITE)
    windows = _WINDOWS
    if flank:
        windows = -(-length // STRIDE) + 1  # the last window begins at least a flank behind the known letters
        before = flank + (windows - 1) * STRIDE - length
        lonely = np.pad(codes[flank : flank + WINDOW_LENGTH], (before, flank), constant_values=UNKNOWN)
        codes = np.concatenate([codes, lonely])
    accessibility = (np.arange(windows) / windows).astype(np.float32)
    accessibility[::3] = 0.0
    return codes, np.column_stack([np.roll(accessibility, 2 * column) for column in range(widths)])


def run_self_test(model: Model, stride: int = STRIDE, min_windows: int = 0) -> SelfTest:
    """Score the reference windows in every mode of the model.

    Parameters
    ----------
    model : Model
    stride : int
        A divisor of 10. Windows between the reference windows are scored too, and left out of the result. The graph
        has its own branches for some strides.
    min_windows : int
        Minimum windows in the row, filled up with unknown letters. The graph has its own branches for long rows.
    """
    codes, accessibility = reference_windows(model.flank, len(model.widths))
    each = STRIDE // stride
    reached = (len(accessibility) - 1) * each + 1
    spare = max(min_windows - reached, 0)
    row = np.pad(codes, (0, spare * stride), constant_values=UNKNOWN)
    present = np.repeat(accessibility, each, axis=0)[:reached]
    present = np.pad(present, ((0, spare), (0, 0)), constant_values=np.nan)
    found = [model.slide(row, values, stride)[:reached:each] for values in (present, np.full_like(present, np.nan))]
    if model.metadata.sees_neighbourhood:
        windows = _single_windows(codes, model.span)[:, model.flank : model.flank + WINDOW_LENGTH]
        own = accessibility[:, 0]
        found += [model.predict(windows, values) for values in (own, np.full_like(own, np.nan))]
    return SelfTest(*(tuple(scores.astype(np.float64).tolist()) for scores in found))


def _single_windows(codes: NDArray[np.uint8], span: int) -> NDArray[np.uint8]:
    """Return the reference windows with their flanks, (windows, span)."""
    windows: NDArray[np.uint8] = np.lib.stride_tricks.sliding_window_view(codes, span)[::STRIDE]
    return windows


def check_scores(model: Model) -> None:
    """Score the reference windows of a model just opened, because a damaged file may well open and score anything.

    Raises
    ------
    ModelError
        When the model cannot score, or its scores are no probabilities or far from its reference scores.
    """
    expected = model.metadata.self_test
    try:
        found = run_self_test(model)
        difference = 0.0 if expected is None else _difference_on_load(model, found, expected)
    except Exception as err:  # ONNX Runtime's errors share no base but Exception
        reason = str(err).splitlines()[0]
        raise ModelError(f"{model.path}: opens, but cannot score ({reason}). Download the file again") from err
    scores = np.array(found.scores())
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ModelError(f"{model.path}: is damaged, its scores are no probabilities. Download the file again")
    if not difference <= DAMAGED_ABOVE:
        raise ModelError(
            f"{model.path}: is damaged, its scores differ from its reference scores by {difference:.2g}. "
            "Download the file again"
        )


def _difference_on_load(model: Model, found: SelfTest, expected: SelfTest) -> float:
    """Compare at every stride on a processor. On a card each takes half a second, so `jundscan doctor` does it."""
    if model.card is None:
        return largest_difference(model, expected)
    return _largest(list(zip(found.scores(), expected.scores(), strict=True)))


def largest_difference(model: Model, expected: SelfTest) -> float:
    """Compare scores of this installation with the reference scores: at several strides, window by window, in tiles.

    Returns
    -------
    float
        Largest difference of probabilities. Infinite if the number of windows differs, NaN if a score is NaN.
    """
    codes, accessibility = reference_windows(model.flank, len(model.widths))
    single = model.predict(_single_windows(codes, model.span), accessibility)
    pairs: list[tuple[Sequence[float], Sequence[float]]] = [(single.tolist(), expected.with_accessibility)]
    rows = [(stride, 0) for stride in _STRIDES]
    rows += [(int(stride), tile) for stride, tile in model.metadata.tiles.items() if STRIDE % int(stride) == 0]
    for stride, min_windows in rows:
        found = run_self_test(model, stride, min_windows).scores()
        if len(found) != len(expected.scores()):
            return float("inf")
        pairs += zip(found, expected.scores(), strict=True)
    return _largest(pairs)


def _largest(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    if any(len(one) != len(other) for one, other in pairs):
        return float("inf")
    return float(np.max([np.abs(np.subtract(one, other)).max() for one, other in pairs]))
