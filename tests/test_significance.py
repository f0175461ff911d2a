"""p and q values against a plain computation over all windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from jundscan.metadata import CalibrationRow, ThresholdTable
from jundscan.model import Model
from jundscan.significance import Significance
from tests.conftest import Run


def table(rows: list[tuple[float, float]]) -> ThresholdTable:
    return ThresholdTable(0.5, "", tuple(CalibrationRow(threshold, 0.5, fpr, None) for threshold, fpr in rows))


def plain(probabilities: np.ndarray, thresholds: list[float], rates: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Rank every window; those below the table count as 1 and have no value themselves."""
    below = probabilities < np.float32(thresholds[0])
    p = np.where(below, 1, np.interp(probabilities, thresholds, rates))
    q = false_discovery_control(p) if len(p) else p
    return np.where(below, np.nan, p), np.where(below, np.nan, q)


ROWS = [(0.25, 0.4), (0.5, 0.1), (0.875, 0.01), (0.9375, 0.001)]


@settings(max_examples=50, deadline=None)  # each example walks through all counts
@given(
    st.lists(st.lists(st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.5, 0.25, 0.99, 1.0, 0.0])), max_size=30)),
    st.integers(1, 4),
)
def test_they_are_those_of_all_windows_ranked(pieces: list[list[float]], rows: int) -> None:
    levels = Significance(table(ROWS[:rows]))
    arrays = [np.array(piece, np.float32) for piece in pieces]
    for piece in arrays:
        levels.add(piece)
    probabilities = np.concatenate([*arrays, np.empty(0, np.float32)])
    p, q = plain(probabilities, *map(list, zip(*ROWS[:rows], strict=True)))
    np.testing.assert_allclose(levels.p_values(probabilities), p, rtol=1e-12)
    np.testing.assert_allclose(levels.q_values(probabilities), q, rtol=1e-12)


def test_a_model_without_rates_gives_no_values() -> None:
    for rows in ([], [(0.5, 0.0)]):
        levels = Significance(table(rows))
        probabilities = np.array([0.1, 0.9, 1], np.float32)
        levels.add(probabilities)
        assert np.isnan(levels.p_values(probabilities)).all()
        assert np.isnan(levels.q_values(probabilities)).all()


def test_rates_of_zero_are_no_p_values() -> None:
    levels = Significance(table([(0.5, 0.1), (0.9, 0.0)]))
    assert levels.p_values(np.array([0.95], np.float32)).tolist() == [0.1]


def test_the_narrow_peaks_of_a_scan_hold_those_of_its_table(
    tmp_path: Path, run: Run, genome: Path, model: Model
) -> None:
    threshold = 0.05  # some hits are below the calibration table
    common = ("--threshold", threshold, "--region", "chr1:0-2000", "--region", "chr2:100-900", "-q", "--stride", 40)
    assert run("scan", genome, "--format", "tsv", "-o", tmp_path / "w.tsv", *common).code == 0
    assert run("scan", genome, "--format", "narrowPeak", "-o", tmp_path / "h.np", *common).code == 0
    lines = {
        name: [line.split("\t") for line in (tmp_path / name).read_text().splitlines() if not line.startswith("#")]
        for name in ("w.tsv", "h.np")
    }
    windows = np.array([row[3] for row in lines["w.tsv"]], np.float32)
    rows = [row for row in model.metadata.without_accessibility.rows if row.fpr > 0]
    p, q = plain(windows, [row.threshold for row in rows], [row.fpr for row in rows])
    expected = {probability: (a, b) for probability, a, b in zip(windows, p, q, strict=True)}
    assert len(lines["h.np"]) > 3
    for row in lines["h.np"]:
        for written, value in zip(row[7:9], expected[np.float32(row[6])], strict=True):
            assert float(written) == (-1 if np.isnan(value) else pytest.approx(-np.log10(value), abs=1e-5))
