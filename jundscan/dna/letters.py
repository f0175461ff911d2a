"""The only definition of the DNA alphabet, window length, base codes and strands.

A base is a code, uint8: A 0, C 1, G 2, T 3 in either case, and 4 for everything else (N, IUPAC letters).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_LENGTH = 101
ALPHABET = "ACGT"
UNKNOWN = 4

_LETTERS = ALPHABET + "N"
_TO_CODE = bytearray([UNKNOWN]) * 256
for _code, _letter in enumerate(ALPHABET):
    _TO_CODE[ord(_letter)] = _TO_CODE[ord(_letter.lower())] = _code
LETTER_TO_CODE = bytes(_TO_CODE)
"""Table from letter to code, for :meth:`bytes.translate`."""
COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)
"""Code of the base on the other strand, by code."""
_CODE_TO_LETTER = np.frombuffer(_LETTERS.encode(), dtype=np.uint8)


def encode(sequence: bytes, drop: bytes = b"") -> NDArray[np.uint8]:
    """Convert letters to codes, without the bytes in ``drop`` (such as line ends).

    Parameters
    ----------
    sequence : bytes
        DNA letters, either case.
    drop : bytes
        Bytes that are not part of the sequence.

    Returns
    -------
    numpy.ndarray, shape=(length,), dtype=uint8
        Read-only codes 0 to 4.

    Examples
    --------
    >>> encode(b"ACgtN-").tolist()
    [0, 1, 2, 3, 4, 4]
    """
    return np.frombuffer(sequence.translate(LETTER_TO_CODE, drop), dtype=np.uint8)


def decode(codes: NDArray[np.uint8]) -> bytes:
    """Convert codes to upper-case letters; 4 becomes N.

    Examples
    --------
    >>> decode(encode(b"acgtr"))
    b'ACGTN'
    """
    return _CODE_TO_LETTER[codes].tobytes()


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the other strand, along the last axis.

    Examples
    --------
    >>> decode(reverse_complement(encode(b"AACGN")))
    b'NCGTT'
    """
    return COMPLEMENT[codes[..., ::-1]]


def one_hot(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Convert codes (..., length) to one-hot rows (..., length, 4), int8; an unknown base becomes a row of zeros.

    Examples
    --------
    >>> one_hot(encode(b"GN")).tolist()
    [[0, 0, 1, 0], [0, 0, 0, 0]]
    """
    rows = np.zeros((UNKNOWN + 1, len(ALPHABET)), dtype=np.int8)
    rows[np.arange(UNKNOWN), np.arange(UNKNOWN)] = 1
    return rows[codes]


def codes_from_one_hot(rows: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert one-hot rows (..., length, 4) to codes (..., length); a row of zeros becomes 4.

    Raises
    ------
    ValueError
        When an entry is neither 0 nor 1, or a row sums above 1.

    Examples
    --------
    >>> codes_from_one_hot(one_hot(encode(b"TAN"))).tolist()
    [3, 0, 4]
    """
    if rows.shape[-1:] != (len(ALPHABET),):
        raise ValueError(f"the last axis must hold the {len(ALPHABET)} letters {ALPHABET}, found {rows.shape}")
    with np.errstate(invalid="ignore"):  # NaN and infinity change in the cast, so the comparison below finds them
        bits = rows.astype(np.uint8)
    if not np.array_equal(bits, rows) or bits.max(initial=0) > 1:
        raise ValueError("entries other than 0 and 1")
    # A row's four bytes are one uint32. The product adds shifted copies that never overlap, and its top byte holds the
    # four bits side by side: a pattern that looks up the code. 5 of 16 patterns are legal.
    numbers = np.ascontiguousarray(bits).view("<u4")[..., 0]
    pattern = (numbers * np.uint32(0x01020408)) >> np.uint32(24)
    table = np.full(16, 255, dtype=np.uint8)
    table[[0, 1, 2, 4, 8]] = [UNKNOWN, 0, 1, 2, 3]
    codes: NDArray[np.uint8] = table[pattern]
    if codes.max(initial=0) == 255:
        raise ValueError("a row with more than one letter")
    return codes
