"""Scores that a model gave when it was exported, and whether this installation gives them again.

The stretch of sequence and its accessibility are fixed for good: they come from a hash function and plain arithmetic,
which no library's version changes.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from jundscan.encoding import ALPHABET, UNKNOWN, WINDOW_LENGTH, encode
from jundscan.errors import ModelError
from jundscan.metadata import SelfTest
from jundscan.model import Model

FAR = 0.02
"""No processor rounds so differently: a model that is so far from its reference scores is damaged."""
TOLERANCE = 1e-4
"""Largest difference of probabilities that counts as the same: processors and providers round differently."""

_WINDOWS = 48
_STRIDE = 10
_STRIDES = (1, 5, 10)
_SITE = b"TGACTCA"
"""The AP-1 element, put in so that some windows score high."""


def reference_windows() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Build the stretch of sequence that reference scores are of.

    Returns
    -------
    codes : numpy.ndarray, shape=(571,), dtype=uint8
        Known letters, with an AP-1 element every 130 bases.
    accessibility : numpy.ndarray, shape=(48,), dtype=float32
        Percentiles of the windows at stride 10: closed, and ever more open.
    """
    length = WINDOW_LENGTH + (_WINDOWS - 1) * _STRIDE
    letters = np.frombuffer(hashlib.shake_256(b"jundscan").digest(length), np.uint8) % len(ALPHABET)
    codes = letters.copy()
    for start in range(50, length - len(_SITE), 130):
        codes[start : start + len(_SITE)] = encode(_SITE)
    accessibility = (np.arange(_WINDOWS) / _WINDOWS).astype(np.float32)
    accessibility[::3] = 0.0
    return codes, accessibility


def run_self_test(model: Model, stride: int = _STRIDE, least: int = 0) -> SelfTest:
    """Score the reference windows, with and without accessibility.

    Parameters
    ----------
    model : Model
    stride : int
        A divisor of 10; windows between the reference windows are scored too and left out of the result. Models
        have branches of their own for some strides.
    least : int
        Windows that the row has at least, unknown letters behind the reference windows: models have branches of their
        own for long rows too.
    """
    codes, accessibility = reference_windows()
    each = _STRIDE // stride
    reached = (len(accessibility) - 1) * each + 1
    spare = max(least - reached, 0)
    codes = np.pad(codes, (0, spare * stride), constant_values=UNKNOWN)
    present = np.pad(np.repeat(accessibility, each)[:reached], (0, spare), constant_values=np.nan)
    absent = np.full_like(present, np.nan)
    scores = (model.slide(codes, values, stride)[:reached:each].astype(np.float64) for values in (present, absent))
    return SelfTest(*(tuple(values.tolist()) for values in scores))


def check_scores(model: Model) -> None:
    """Score the reference windows of a model just opened: a damaged file may well open, and score anything.

    Raises
    ------
    ModelError
        When the model cannot score, gives what is no probability, or by far not the ones that are stored in it.
    """
    expected = model.metadata.self_test
    try:
        found = run_self_test(model)
        difference = 0.0 if expected is None else largest_difference(model, expected)
    except Exception as err:  # ONNX Runtime's errors share no base but Exception
        reason = str(err).splitlines()[0]
        raise ModelError(f"{model.path}: opens, but cannot score; fetch it again ({reason})") from err
    scores = np.array([found.with_accessibility, found.without_accessibility])
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ModelError(f"{model.path}: damaged, gives what is no probability; fetch it again")
    if not difference <= FAR:
        raise ModelError(
            f"{model.path}: damaged, gives other probabilities than are stored in it "
            f"(they differ by {difference:.2g}); fetch it again"
        )


def largest_difference(model: Model, expected: SelfTest) -> float:
    """Compare this installation with the reference scores: sliding at several strides, window by window, in tiles.

    Returns
    -------
    float
        The largest difference of probabilities; infinite when the number of windows differs, NaN when a score is.
    """
    codes, accessibility = reference_windows()
    windows = np.lib.stride_tricks.sliding_window_view(codes, WINDOW_LENGTH)[::_STRIDE].copy()
    pairs = [(model.predict(windows, accessibility), expected.with_accessibility)]
    rows = [(stride, 0) for stride in _STRIDES]
    rows += [(int(stride), tile) for stride, tile in model.metadata.tiles.items() if _STRIDE % int(stride) == 0]
    for stride, least in rows:
        found = run_self_test(model, stride, least)
        pairs += [
            (np.array(found.with_accessibility), expected.with_accessibility),
            (np.array(found.without_accessibility), expected.without_accessibility),
        ]
    if any(len(one) != len(other) for one, other in pairs):
        return float("inf")
    return float(np.max([np.abs(np.subtract(one, other)).max() for one, other in pairs]))
