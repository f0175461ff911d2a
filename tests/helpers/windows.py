"""The windows of a chromosome by definition, to compare fast code with."""

from __future__ import annotations


def window_starts(start: int, end: int, length: int, stride: int) -> list[int]:
    """Return the starts of the windows wholly inside [start, end) of a chromosome of ``length`` bases, ascending."""
    starts = {*range(0, length - 100, stride), length - 101} if length > 100 else set()
    return sorted(at for at in starts if start <= at and at + 101 <= end)
