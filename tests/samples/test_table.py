"""The table of samples: what is read, and one line of error for each wrong table."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from jundscan.errors import InputError, TrackError
from jundscan.samples.table import Sample, check_names, describe, read_samples
from tests.helpers.reads import write_fragments


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.bw", "b.bw", "cells.txt"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, text: str | bytes) -> Path:
    table = folder / "samples.tsv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table


def test_columns_come_in_any_order_and_paths_are_relative_to_the_table(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = write(
        folder,
        "\ufeff# made for a test\ngroup\taccessibility\tage\tsample\tbarcodes\r\n"
        "T cell\ta.bw\t7\tCD4 T\tcells.txt\n\n\tb.bw\t\tx_2.1\t\n",
    )
    (folder / "cells.txt").write_text("AAACGAAAGACTCGGA-1\n")
    write_fragments(folder / "a.bw", [("chr1", 5, 60, "AAACGAAAGACTCGGA-1")])
    with caplog.at_level(logging.INFO, "jundscan"):
        found = read_samples(table)
    assert found == [
        Sample("CD4 T", folder / "a.bw", "T cell", folder / "cells.txt", 3, frozenset({"AAACGAAAGACTCGGA-1"})),
        Sample("x_2.1", folder / "b.bw", None, None, 5),
    ]
    assert [record.message for record in caplog.records] == [f"{table}: columns that are not read: age"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no sample. Its first line names the columns: sample, accessibility"),
        ("# nothing\n\n", "holds no sample"),
        ("sample\taccessibility\n", "holds no sample below the line that names the columns"),
        ("sample\ttrack\none\ta.bw\n", "line 1: no column accessibility; the first line names the columns"),
        ("one\ta.bw\n", "line 1: no column sample and no column accessibility"),
        ("sample\tsample\taccessibility\n", "line 1: the column sample stands twice"),
        ("sample,accessibility\none,a.bw\n", "line 1: no column sample"),
        ("sample\taccessibility\none\n", "line 2: has 1 columns, the first line names 2"),
        ("sample\taccessibility\none\ta.bw\tb.bw\n", "line 2: has 3 columns, the first line names 2"),
        ("sample\taccessibility\n\ta.bw\n", "line 2: no sample: the cell is empty"),
        ("sample\taccessibility\none\t\n", "line 2: no accessibility: the cell is empty"),
        ("sample\taccessibility\none\ta.bw\none\tb.bw\n", "line 3: sample 'one' stands twice, first on line 2"),
        ("sample\taccessibility\none\ta.bw\nOne\tb.bw\n", "line 3: sample 'One' stands twice (as one"),
        ("sample\taccessibility\none\tc.bw\n", "line 2: sample one: "),
        (
            "sample\taccessibility\tbarcodes\none\ta.bw\tx.txt\n",
            "x.txt: no such file (paths are relative to the table)",
        ),
        ("sample\taccessibility\na/b\ta.bw\n", "line 2: sample 'a/b' cannot be used as a name"),
        ("sample\taccessibility\n..\ta.bw\n", "cannot be used as a name"),
        ("sample\taccessibility\n-o\ta.bw\n", "cannot be used as a name"),
        ("sample\taccessibility\nSites\ta.bw\n", "line 2: sample 'Sites' is a column or the name of the table"),
        ("sample\taccessibility\none\ta.bw\0\n", "line 2: holds control characters: not a table of text"),
        (b"sample\taccessibility\n\xff\ta.bw\n", "line 2: is not UTF-8 text"),
        (b"\x26\xfc\x8f\x88" + bytes(60), "is a bigWig, not a table of text"),
    ],
)
def test_wrong_tables_are_errors_of_one_line(folder: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(TrackError) as raised:
        read_samples(write(folder, text))
    assert problem in str(raised.value)
    assert "samples.tsv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match=r"samples\.tsv: No such file"):
        read_samples(tmp_path / "samples.tsv")


def test_names_without_a_table_are_checked_too() -> None:
    with pytest.raises(InputError, match="sample 'a' stands twice; each"):
        check_names([Sample("a", Path("x.bw")), Sample("a", Path("y.bw"))])
    assert describe([Sample("a", Path("x.bw"))]) == "a"
