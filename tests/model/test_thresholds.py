"""Thresholds chosen by rules, from a small calibration table and from those of the shipped model."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.errors import InputError, ModelError
from jundscan.model.metadata import CalibrationRow, Metadata, ThresholdTable
from jundscan.model.model import Model
from jundscan.model.thresholds import SHARES, choose_threshold, expected_precision, false_positive_rates, frequency
from jundscan.options import ThresholdKind, ThresholdRule

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
    ("kind", "value", "threshold"),
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
def test_threshold_rules_choose_a_row_of_the_calibration_table(
    metadata: Metadata, kind: ThresholdKind, value: float, threshold: float
) -> None:
    chosen = choose_threshold(metadata, True, ThresholdRule(kind, value))
    assert chosen.value == threshold
    assert chosen.rule == f"{kind} {value:g}"
    expected = max((row for row in ROWS if row.threshold <= threshold), key=lambda row: row.threshold)
    assert chosen.expected == expected
    assert f"and {frequency(expected.recall, 'bound windows')} to be found." in chosen.expectation()
    assert chosen.shares() == {share: getattr(expected, share) for share in SHARES}


def test_without_a_rule_the_default_threshold_of_the_mode_is_used(metadata: Metadata) -> None:
    assert choose_threshold(metadata, True, None).value == 0.7
    chosen = choose_threshold(metadata, False, None)
    assert (chosen.value, chosen.rule) == (0.8, "fpr 0.5 (model default)")
    assert chosen.expectation() == "Expect 3 in 10 bound windows to be found."


def test_above_the_table_the_expectation_gives_upper_limits(metadata: Metadata) -> None:
    last = ROWS[-1]
    assert not choose_threshold(metadata, True, ThresholdRule("threshold", last.threshold)).is_beyond
    chosen = choose_threshold(metadata, True, ThresholdRule("threshold", 0.999))
    assert chosen.is_beyond
    assert chosen.expectation() == (
        "The model's calibration does not reach up to there: expect at most 1 in 10 bound windows to be found and "
        "at most 1 in 1,000 unbound windows to be called."
    )
    assert set(chosen.shares().values()) == {None}
    assert chosen.peak_expectation() is None


def test_below_the_table_nothing_is_expected(metadata: Metadata) -> None:
    chosen = choose_threshold(metadata, True, ThresholdRule("threshold", 0.1))
    assert chosen.expected is None
    assert "does not reach down to there: nothing is known" in chosen.expectation()
    assert set(chosen.shares().values()) == {None}


def test_the_expectation_of_peaks_needs_their_shares_in_the_model(metadata: Metadata) -> None:
    assert choose_threshold(metadata, True, None).peak_expectation() is None  # as in models of earlier versions
    rows = tuple(replace(row, hit_precision=0.43, peak_recall=0.08) for row in ROWS)
    knowing = replace(metadata, with_accessibility=ThresholdTable(0.7, "fpr 0.01", rows))
    chosen = choose_threshold(knowing, True, None)
    assert chosen.peak_expectation() == (
        "Of hits, expect 4 in 10 to lie on a peak, and 8 in 100 peaks to be hit (held-out blocks)."
    )
    assert (chosen.peak_expectation(50) or "").endswith(" peaks to be hit (held-out blocks, at stride 10).")
    assert chosen.expectation() == "Expect 15 in 100 called windows to be bound, and 4 in 10 bound windows to be found."
    assert (chosen.shares()["hit_precision"], chosen.shares()["peak_recall"]) == (0.43, 0.08)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "0.5", True])
@pytest.mark.parametrize("share", ["hit_precision", "peak_recall"])
def test_shares_of_peaks_in_a_model_file_are_fractions_or_missing(
    metadata: Metadata, share: str, wrong: object
) -> None:
    raw = metadata.to_dict()
    rows = raw["with_accessibility"]["rows"]
    for row in rows:
        row.update({"hit_precision": 0.5, "peak_recall": None})
    assert Metadata.from_json(json.dumps(raw), "here").with_accessibility.rows[0].hit_precision == 0.5
    for row in rows:
        del row["hit_precision"], row["peak_recall"]
    assert Metadata.from_json(json.dumps(raw), "here") == metadata  # an older model
    rows[-1][share] = wrong
    with pytest.raises(ModelError, match=rf"Expected .* - at `\$\.with_accessibility\.rows\[\d+\]\.{share}`"):
        Metadata.from_json(json.dumps(raw), "here")


@given(st.floats(0, 1))
def test_frequencies_are_near_their_share_and_never_overstate(share: float) -> None:
    words = frequency(share).replace(",", "").split()
    if words[0] in ("none", "all"):
        assert share == ("none", "all").index(words[0])
        return
    count, of = int(words[-3]), int(words[-1])
    assert 0 < count < of
    if len(words) == 3:
        assert count / of == pytest.approx(share, rel=0.25)
    else:
        assert words[:2] == (["fewer", "than"] if count == 1 else ["more", "than"])
        assert (share < count / of) if count == 1 else (share > count / of)


def test_the_expected_precision_is_that_of_windows_that_score_as_high() -> None:
    table = ThresholdTable(0.7, "", ROWS)
    scores = np.array([0.1, 0.2, 0.35, 0.5, 0.6, 0.9, 0.95, 1.0], np.float32)
    expected = [np.nan, 0.01, 0.105, 0.2, 0.175, 0.6, 0.6, 0.6]
    np.testing.assert_allclose(expected_precision(table, scores), expected, atol=1e-6)
    without = replace(ROWS[0], precision=None)
    assert np.isnan(expected_precision(ThresholdTable(0.7, "", (without,)), scores)).all()
    np.testing.assert_allclose(
        expected_precision(ThresholdTable(0.7, "", (without, *ROWS[1:])), scores),
        [np.nan] * 3 + expected[3:],
        atol=1e-6,
    )
    # a window at the very threshold that the table names is not below it, though its score is a float32
    one = (CalibrationRow(0.7, 0.4, 0.01, 0.15),)
    assert expected_precision(ThresholdTable(0.7, "", one), np.array([0.7], np.float32)).tolist() == [0.15]


def test_rates_of_unbound_windows_are_interpolated_and_never_zero() -> None:
    rows = (*ROWS, CalibrationRow(0.95, 0.0, 0.0, None))
    scores = np.array([0.1, 0.5, 0.6, 0.9, 1.0], np.float32)
    rates = false_positive_rates(ThresholdTable(0.7, "", rows), scores)
    np.testing.assert_allclose(rates, [np.nan, 0.1, 0.055, 0.001, 0.001], atol=1e-6)
    for few in ((), (CalibrationRow(0.5, 0.0, 0.0, None),)):
        assert np.isnan(false_positive_rates(ThresholdTable(0.7, "", few), scores)).all()


@pytest.mark.parametrize(
    ("kind", "value", "limit"), [("fpr", 1e-4, "0.001"), ("precision", 0.7, "0.6"), ("recall", 0.95, "0.9")]
)
def test_unreachable_rules_raise_with_the_nearest_value(
    metadata: Metadata, kind: ThresholdKind, value: float, limit: str
) -> None:
    with pytest.raises(InputError, match=f"--{kind} .*is {limit}$"):
        choose_threshold(metadata, True, ThresholdRule(kind, value))


def test_without_a_calibration_table_only_plain_thresholds_work(metadata: Metadata) -> None:
    bare = replace(metadata, with_accessibility=ThresholdTable(0.5, "balanced", ()))
    with pytest.raises(InputError, match="Choose a --threshold instead"):
        choose_threshold(bare, True, ThresholdRule("fpr", 0.1))
    assert choose_threshold(bare, True, ThresholdRule("threshold", 0.4)).value == 0.4


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
