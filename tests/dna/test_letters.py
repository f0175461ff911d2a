"""Letters, codes, strands and one-hot rows are each other's inverses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.letters import (
    LETTER_TO_CODE,
    codes_from_one_hot,
    decode,
    encode,
    one_hot,
    reverse_complement,
)

letters = st.text("ACGTNacgtnRYK-*", max_size=80).map(str.encode)
codes = st.lists(st.integers(0, 4), max_size=60).map(lambda values: np.array(values, dtype=np.uint8))


@given(st.binary(max_size=300))
def test_every_byte_has_the_code_of_its_letter(data):
    assert encode(data).tolist() == [
        "ACGT".find(chr(byte).upper()) % 5 if chr(byte) in "ACGTacgt" else 4 for byte in data
    ]


def test_the_table_has_a_code_for_each_byte():
    assert len(LETTER_TO_CODE) == 256
    assert sum(code < 4 for code in LETTER_TO_CODE) == 8


@given(letters)
def test_decoding_gives_upper_case_and_n(data):
    assert decode(encode(data)) == bytes(c if c in b"ACGT" else ord("N") for c in data.upper())


@given(codes)
def test_encoding_undoes_decoding(codes):
    assert np.array_equal(encode(decode(codes)), codes)
    assert np.array_equal(encode(decode(codes).lower()), codes)


@given(st.lists(letters, max_size=5))
def test_dropped_bytes_are_not_encoded(lines):
    assert np.array_equal(encode(b"\r\n".join(lines), drop=b"\r\n"), encode(b"".join(lines)))


def test_codes_are_bytes_and_read_only():
    encoded = encode(b"ACGT")
    assert encoded.dtype == np.uint8
    assert not encoded.flags.writeable


@given(codes)
def test_the_reverse_complement_of_the_reverse_complement_is_the_sequence(codes):
    other = reverse_complement(codes)
    assert np.array_equal(reverse_complement(other), codes)
    assert decode(other) == decode(codes)[::-1].translate(bytes.maketrans(b"ACGT", b"TGCA"))


def test_the_reverse_complement_goes_along_the_last_axis():
    batch = np.array([[0, 1, 2], [3, 4, 4]], dtype=np.uint8)
    assert reverse_complement(batch).tolist() == [[1, 2, 3], [4, 4, 0]]


@given(codes)
def test_one_hot_rows_decode_to_the_same_codes(codes):
    rows = one_hot(codes)
    assert rows.dtype == np.int8
    assert rows.shape == (len(codes), 4)
    assert np.array_equal(rows.sum(axis=-1), codes < 4)
    assert np.array_equal(codes_from_one_hot(rows), codes)
    assert np.array_equal(one_hot(reverse_complement(codes)), rows[::-1, ::-1])


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.float32, np.float64, bool])
def test_one_hot_rows_of_any_number_type_are_read(dtype):
    batch = np.array([[0, 1, 4], [3, 2, 4]], dtype=np.uint8)
    assert np.array_equal(codes_from_one_hot(one_hot(batch).astype(dtype)), batch)


@pytest.mark.parametrize(
    "row",
    [
        [1, 1, 0, 0],
        [2, 0, 0, 0],
        [-1, 0, 0, 0],
        [1, 1, 1, 1],
        [0.5, 0, 0, 0],
        [256, 0, 0, 0],
        [1e30, 0, 0, 0],
    ],
)
def test_rows_that_are_not_one_hot_raise(row):
    good = [0, 0, 1, 0]
    with pytest.raises(ValueError, match=r"other than 0 and 1|more than one letter"):
        codes_from_one_hot(np.array([[good, row, good]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_raise(bad):
    with pytest.raises(ValueError, match="other than 0 and 1"):
        codes_from_one_hot(np.array([[bad, 0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("shape", [(3, 5), (4, 3), (2, 101)])
def test_rows_without_four_columns_raise(shape):
    with pytest.raises(ValueError, match="4 letters ACGT"):
        codes_from_one_hot(np.zeros(shape))
