"""Scores that a model gave when it was exported, and whether this installation gives them again.

The stretch of sequence and its accessibility are fixed for good: they come from a hash function and plain arithmetic,
which no library's version changes.
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
"""No processor rounds so differently: a model that is so far from its reference scores is damaged."""
REFERENCE_TOLERANCE = 1e-4
"""Largest difference of probabilities that counts as the same: processors and providers round differently."""

_WINDOWS = 48
_STRIDE = 10
_STRIDES = (1, 5, 10)
_SITE = b"TGACTCA"
"""The AP-1 element, put in so that some windows score high."""


def reference_windows(flank: int = 0, widths: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Build the stretch of sequence that reference scores are of.

    Parameters
    ----------
    flank : int
        Bases to each side of the windows.
    widths : int
        Columns of accessibility.

    Returns
    -------
    codes : numpy.ndarray, shape=(101 + 2 * flank + 10 * (windows - 1),), dtype=uint8
        Known letters, with AP-1 elements so far apart that some windows see none. With a flank follow unknown letters,
        and among them a window beside which nothing is known.
    accessibility : numpy.ndarray, shape=(windows, widths), dtype=float32
        Percentiles of the windows at stride 10, 48 without a flank: closed, and ever more open; later columns lag
        behind the first.
    """
    length = WINDOW_LENGTH + 2 * flank + (_WINDOWS - 1) * _STRIDE
    letters = np.frombuffer(hashlib.shake_256(b"jundscan").digest(length), np.uint8) % len(ALPHABET)
    codes = letters.copy()
    for start in range(50, length - len(_SITE), 130 + 2 * flank):
        codes[start : start + len(_SITE)] = encode(_SITE)
    windows = _WINDOWS
    if flank:
        windows = -(-length // _STRIDE) + 1  # the last one begins a flank or more behind the known letters
        before = flank + (windows - 1) * _STRIDE - length
        lonely = np.pad(codes[flank : flank + WINDOW_LENGTH], (before, flank), constant_values=UNKNOWN)
        codes = np.concatenate([codes, lonely])
    accessibility = (np.arange(windows) / windows).astype(np.float32)
    accessibility[::3] = 0.0
    return codes, np.column_stack([np.roll(accessibility, 2 * column) for column in range(widths)])


def run_self_test(model: Model, stride: int = _STRIDE, least: int = 0) -> SelfTest:
    """Score the reference windows in every mode of the model.

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
    codes, accessibility = reference_windows(model.flank, len(model.widths))
    each = _STRIDE // stride
    reached = (len(accessibility) - 1) * each + 1
    spare = max(least - reached, 0)
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
    """Cut the reference windows with their flanks, (windows, span)."""
    windows: NDArray[np.uint8] = np.lib.stride_tricks.sliding_window_view(codes, span)[::_STRIDE]
    return windows


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
    scores = np.array(found.scores())
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ModelError(f"{model.path}: damaged, gives what is no probability; fetch it again")
    if not difference <= DAMAGED_ABOVE:
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
    codes, accessibility = reference_windows(model.flank, len(model.widths))
    single = model.predict(_single_windows(codes, model.span), accessibility)
    pairs: list[tuple[Sequence[float], Sequence[float]]] = [(single.tolist(), expected.with_accessibility)]
    rows = [(stride, 0) for stride in _STRIDES]
    rows += [(int(stride), tile) for stride, tile in model.metadata.tiles.items() if _STRIDE % int(stride) == 0]
    for stride, least in rows:
        found = run_self_test(model, stride, least).scores()
        if len(found) != len(expected.scores()):
            return float("inf")
        pairs += zip(found, expected.scores(), strict=True)
    if any(len(one) != len(other) for one, other in pairs):
        return float("inf")
    return float(np.max([np.abs(np.subtract(one, other)).max() for one, other in pairs]))
