"""Amounts as a reader expects them: 1 hit and 2 hits, 71.2 kb and not 0.1 Mb, no time of 0.0 s."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Write a number of things; the noun takes an s where there is not one of them.

    Examples
    --------
    >>> counted(1, "hit"), counted(0, "hit"), counted(12_345, "window")
    ('1 hit', '0 hits', '12,345 windows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def bases(number: int) -> str:
    """Write a length in the unit that leaves digits before the point.

    Examples
    --------
    >>> bases(1), bases(950), bases(70_040), bases(999_960), bases(3_088_269_832)
    ('1 base', '950 bases', '70.0 kb', '1.0 Mb', '3,088.3 Mb')
    """
    if number < 1_000:
        return counted(number, "base")
    return f"{number / 1e3:.1f} kb" if number < 999_950 else f"{number / 1e6:,.1f} Mb"


def seconds(number: float) -> str:
    """Write a time; of less than a second two digits.

    Examples
    --------
    >>> seconds(0.034), seconds(0.0004), seconds(12.34)
    ('0.03 s', '0.01 s', '12.3 s')
    """
    return f"{max(number, 0.01):.2f} s" if number < 0.995 else f"{number:,.1f} s"
