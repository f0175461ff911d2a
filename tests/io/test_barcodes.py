"""Tables of barcodes: one column or two, with or without a header."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from jundscan.errors import TrackError
from jundscan.io.barcodes import read_barcodes


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AAAC-1\nAAAG-1\n", {"": {"AAAC-1", "AAAG-1"}}),
        ("barcode\nAAAC-1\n", {"": {"AAAC-1"}}),
        ("AAAC-1\tB\nAAAG-1\tA\nAAAT-1\tB\n", {"B": {"AAAC-1", "AAAT-1"}, "A": {"AAAG-1"}}),
        ("barcode\tgroup\nAAAC-1\tnaive B cell\n", {"naive B cell": {"AAAC-1"}}),
        ("Barcode,Cluster\nAAAC-1,1\nAAAG-1,2\n", {"1": {"AAAC-1"}, "2": {"AAAG-1"}}),
        ('"cell_id","type"\n"AAAC-1","T"\n', {"T": {"AAAC-1"}}),
        ("\tgroup\nAAAC-1\tT\n", {"T": {"AAAC-1"}}),
        ("AAAC-1 T\r\nAAAG-1 T\r\n", {"T": {"AAAC-1", "AAAG-1"}}),
        ("# cells of run 3\n\nAAAC-1\nAAAC-1\n", {"": {"AAAC-1"}}),
    ],
)
def test_barcodes_are_read_with_their_groups(
    tmp_path: Path, text: str, expected: dict[str, set[str]], packed: bool
) -> None:
    path = tmp_path / "cells.txt"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found = read_barcodes(path)
    assert (found, list(found), found.path) == (expected, list(expected), path)
    assert found.has_groups == (list(expected) != [""])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "AAAC-1\tB\nAAAG-1\tB\nAAAC-1\tT\n",
            "line 3: the barcode AAAC-1 is in group T, and in group B on line 1",
        ),
        ("AAAC-1\tB\t5\n", r"line 1: has 3 columns, needs one column \(barcode\) or two"),
        ("AAAC-1\tB\nAAAG-1\n", "line 2: has 1 columns, needs 2 as above"),
        ("AAAC-1\tB\nAAAG-1\t\n", "line 2: a cell is empty"),
        ("barcode\tgroup\n", "holds no barcode"),
        ("", "holds no barcode"),
        ("AAAC-1\t\udcff\n", "line 1: is not UTF-8 text"),
    ],
)
def test_wrong_tables_of_barcodes_are_errors(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "cells.txt"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TrackError, match=expected):
        read_barcodes(path)


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="No such file"):
        read_barcodes(tmp_path / "none.txt")
