"""From wishes to thresholds, on a table made for it and on the shipped model's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jundscan.choices import Wish
from jundscan.errors import InputError
from jundscan.metadata import CalibrationRow, Metadata, ThresholdTable
from jundscan.model import Model
from jundscan.thresholds import choose_threshold

ROWS = (
    CalibrationRow(0.2, 0.9, 0.5, 0.01),
    CalibrationRow(0.5, 0.6, 0.1, 0.2),
    CalibrationRow(0.7, 0.4, 0.01, 0.15),  # precision need not rise
    CalibrationRow(0.9, 0.1, 0.001, 0.6),
)


@pytest.fixture
def metadata(model: Model) -> Metadata:
    alone = ThresholdTable(0.8, "fpr 0.5", (CalibrationRow(0.8, 0.3, 0.5, None),))
    return replace(
        model.metadata, with_accessibility=ThresholdTable(0.7, "fpr 0.01", ROWS), without_accessibility=alone
    )


@pytest.mark.parametrize(
    ("wish", "value", "threshold"),
    [
        ("fpr", 0.1, 0.5),
        ("fpr", 0.05, 0.7),
        ("fpr", 1.0, 0.2),
        ("precision", 0.15, 0.5),
        ("precision", 0.3, 0.9),
        ("recall", 0.4, 0.7),
        ("recall", 0.41, 0.5),
        ("recall", 0.0, 0.9),
        ("threshold", 0.65, 0.65),
    ],
)
def test_wishes_are_granted_by_the_table(metadata: Metadata, wish: Wish, value: float, threshold: float) -> None:
    chosen = choose_threshold(metadata, True, wish, value)
    assert chosen.value == threshold
    assert chosen.rule == f"{wish} {value:g}"
    expected = max((row for row in ROWS if row.threshold <= threshold), key=lambda row: row.threshold)
    assert chosen.expected == expected
    assert f"recall {expected.recall:.3g}" in chosen.expectation()


def test_without_a_wish_the_model_chooses_for_the_mode(metadata: Metadata) -> None:
    assert choose_threshold(metadata, True, None, None).value == 0.7
    chosen = choose_threshold(metadata, False, None, None)
    assert (chosen.value, chosen.rule) == (0.8, "fpr 0.5 (model default)")
    assert "precision unknown" in chosen.expectation()


def test_above_the_table_little_is_promised(metadata: Metadata) -> None:
    last = ROWS[-1]
    assert not choose_threshold(metadata, True, "threshold", last.threshold).is_beyond
    chosen = choose_threshold(metadata, True, "threshold", 0.999)
    assert chosen.is_beyond
    assert f"recall at most {last.recall:.3g}, rate at most {last.fpr:.3g}" in chosen.expectation()


def test_below_the_table_nothing_is_promised(metadata: Metadata) -> None:
    chosen = choose_threshold(metadata, True, "threshold", 0.1)
    assert chosen.expected is None
    assert "no expectation" in chosen.expectation()


@pytest.mark.parametrize(
    ("wish", "value", "limit"), [("fpr", 1e-4, "0.001"), ("precision", 0.7, "0.6"), ("recall", 0.95, "0.9")]
)
def test_what_cannot_be_had_says_what_can(metadata: Metadata, wish: Wish, value: float, limit: str) -> None:
    with pytest.raises(InputError, match=f"--{wish} .*is {limit}$"):
        choose_threshold(metadata, True, wish, value)


def test_no_table_no_wish(metadata: Metadata) -> None:
    bare = replace(metadata, with_accessibility=ThresholdTable(0.5, "balanced", ()))
    with pytest.raises(InputError, match="give --threshold"):
        choose_threshold(bare, True, "fpr", 0.1)
    assert choose_threshold(bare, True, "threshold", 0.4).value == 0.4


@pytest.mark.parametrize("mode", ["with_accessibility", "without_accessibility"])
def test_the_shipped_tables_are_in_order(model: Model, mode: str) -> None:
    table: ThresholdTable = getattr(model.metadata, mode)
    rows = table.rows
    assert len(rows) > 10
    assert [row.threshold for row in rows] == sorted({row.threshold for row in rows})
    for column in ("recall", "fpr"):
        values = [getattr(row, column) for row in rows]
        assert values == sorted(values, reverse=True)
        assert all(0 <= value <= 1 for value in values)
    assert table.default_threshold in [row.threshold for row in rows]
