"""Groups compared at sites: means, changes, what is tested, and the lines written."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from jundscan.comparison.changes import cautions, compare_groups
from jundscan.comparison.lines import write_changes, write_changes_bed
from jundscan.comparison.result import Comparison, Contrast
from jundscan.errors import JundscanError
from jundscan.samples.sites import SiteTable

CONTRAST = Contrast("treated", "control")


def probabilities(logit: object) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-np.asarray(logit, float)))).astype(np.float32)


def sites_of(best: NDArray[np.float32]) -> SiteTable:
    start = 1_000 * np.arange(len(best))
    return SiteTable(np.full(len(best), "chr1", object), start, start + 131, start + 60, best)


def compare(logit: object, groups: str, threshold: float = 0.5, **options: float) -> Comparison:
    """Compare samples whose groups are letters: t for treated, c for control."""
    named = ["treated" if letter == "t" else "control" for letter in groups]
    names = [f"{letter}{at}" for at, letter in enumerate(groups)]
    return compare_groups(CONTRAST, names, named, sites_of(probabilities(logit)), threshold, **options)


def test_differences_are_the_first_group_minus_the_second() -> None:
    compared = compare([[2.0, 0.0], [-3.0, 1.0]], "tc")
    assert compared.difference.tolist() == pytest.approx([2, -4], abs=1e-5)
    swapped = compare([[2.0, 0.0], [-3.0, 1.0]], "ct")
    np.testing.assert_array_equal(swapped.difference, -compared.difference)


def test_means_are_of_logits_and_probabilities_the_highest() -> None:
    compared = compare([[2.0, -1.0, 4.0, 0.5]], "tcct")
    assert compared.logits[0].tolist() == pytest.approx([1.25, 1.5], abs=1e-5)
    np.testing.assert_array_equal(compared.probabilities[0], probabilities([2.0, 4.0]))
    assert compared.sizes == (2, 2)


ROWS = [(2.0, -2.0, "gained"), (-2.0, 2.0, "lost"), (5.0, 2.0, "stronger"), (2.0, 5.0, "weaker"),
        (-2.0, -5.0, "stronger"), (-5.0, -2.0, "weaker"), (2.0, 1.9, "same"), (0.2, -0.2, "same"),
        (2.0, 2.0, "same")]  # fmt: skip


def test_without_replicates_a_minimum_difference_decides() -> None:
    compared = compare([row[:2] for row in ROWS], "tc")
    assert compared.change.tolist() == [row[2] for row in ROWS]
    assert not compared.is_tested
    assert compared.p.tolist() == compared.q.tolist() == [-1] * len(ROWS)
    none = compare([row[:2] for row in ROWS], "tc", min_difference=0.0)
    assert none.change.tolist()[-3:] == ["stronger", "gained", "same"]
    assert set(compare([row[:2] for row in ROWS], "tc", min_difference=9.0).change) == {"same"}


def test_with_replicates_q_decides() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([row[:2] for row in ROWS])[:, [0, 0, 0, 1, 1, 1]]
    logit = np.vstack([centres + rng.normal(0, 0.05, centres.shape), rng.normal(1, 0.5, (100, 6))])
    compared = compare(logit, "tttccc")
    # a difference of 0.4 is small, but far beyond the noise of 0.05 had the prior not said that noise is 0.5
    assert compared.change[:6].tolist() == [row[2] for row in ROWS[:6]]
    is_changed = compared.change != "same"
    np.testing.assert_array_equal(is_changed, compared.q < 0.05)
    assert not is_changed[9:].any()
    assert set(compare(logit, "tttccc", fdr=0.0).change) == {"same"}
    assert (compare(logit, "tttccc", fdr=1.1).change == "same").sum() == 0


def test_crossing_the_threshold_by_chance_is_no_change() -> None:
    logit = np.random.default_rng(1).normal(0, 1, (400, 4))
    compared = compare(logit, "ttcc")
    crosses = (compared.logits[:, 0] >= 0) != (compared.logits[:, 1] >= 0)
    assert crosses.mean() > 0.3
    assert set(compared.change) == {"same"}


def test_a_probability_at_the_threshold_is_a_hit() -> None:
    at = np.float32(0.7)
    below = np.nextafter(at, np.float32(0))
    compared = compare_groups(
        CONTRAST, ["a", "b"], ["treated", "control"], sites_of(np.array([[at, below]])), 0.7, min_difference=0.0
    )
    assert compared.change.tolist() == ["gained"]


def test_q_is_of_all_sites() -> None:
    logit = np.random.default_rng(2).normal(0, 1, (50, 4)) + np.arange(50)[:, None] % 7 * [1, 1, 0, 0]
    compared = compare(logit, "ttcc")
    np.testing.assert_allclose(compared.q, stats.false_discovery_control(compared.p))


def test_saturated_probabilities_stay_finite() -> None:
    best = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0.2, 0.3, 0.1, 0.9]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compared = compare_groups(CONTRAST, list("abcd"), ["treated"] * 2 + ["control"] * 2, sites_of(best), 0.5)
    assert np.abs(compared.logits).max() == pytest.approx(np.log(1e6), abs=1e-3)
    assert np.isfinite(compared.difference).all()
    assert ((compared.p >= 0) & (compared.p <= 1)).all()


def codes(compared: Comparison) -> list[str]:
    return [caution.code for caution in cautions(compared)]


def test_cautions_say_what_was_not_tested() -> None:
    rng = np.random.default_rng(3)
    assert codes(compare(rng.normal(size=(9, 4)), "ttcc")) == []
    assert codes(compare(rng.normal(size=(9, 2)), "tc")) == ["no_replicates"]
    assert codes(compare(rng.normal(size=(9, 3)), "tcc")) == ["one_without_replicates"]
    [few] = cautions(compare(rng.normal(size=(9, 3)), "ttc"))
    assert few.message.startswith("control has one sample")
    assert codes(compare(np.empty((0, 4)), "ttcc")) == ["no_hits"]
    equal = compare([[1, 1, -1, -1], [3, 3, 2.5, 2.5]], "ttcc")
    assert codes(equal) == ["equal_replicates"]
    assert equal.p.tolist() == [-1, -1]
    assert set(equal.change) == {"gained", "same"}


def test_a_group_of_one_is_tested_against_replicates() -> None:
    logit = np.random.default_rng(4).normal(0, 0.3, (60, 4))
    logit[0, 0] += 8
    compared = compare(logit, "tccc")
    assert compared.is_tested
    assert compared.change[0] == ("gained" if compared.logits[0, 1] < 0 else "stronger")
    assert (compared.change[1:] == "same").mean() > 0.95


def test_table_reads_back() -> None:
    rng = np.random.default_rng(5)
    compared = compare(rng.normal(0, 3, (30, 4)), "ttcc")
    text = io.StringIO()
    write_changes(text, compared)
    header, *lines = text.getvalue().splitlines()
    assert header.split("\t") == [
        "#chrom", "start", "end", "summit", "logit_treated", "logit_control", "probability_treated",
        "probability_control", "difference", "change", "p", "q",
    ]  # fmt: skip
    rows = [line.split("\t") for line in lines]
    columns = dict(zip(header[1:].split("\t"), zip(*rows, strict=True), strict=True))
    np.testing.assert_array_equal(np.array(columns["probability_treated"], np.float32), compared.probabilities[:, 0])
    np.testing.assert_allclose(np.array(columns["difference"], float), compared.difference, rtol=1e-5)
    np.testing.assert_allclose(np.array(columns["q"], float), compared.q, rtol=1e-3)
    assert list(columns["change"]) == compared.change.tolist()
    assert list(columns["summit"]) == [str(value) for value in compared.sites.summit]


def test_p_and_q_are_written_as_minus_one_where_nothing_was_tested() -> None:
    text = io.StringIO()
    write_changes(text, compare([[1.0, 2.0]], "tc"))
    assert text.getvalue().splitlines()[1].split("\t")[-2:] == ["-1", "-1"]


def test_bed_has_names_scores_summits_and_colours() -> None:
    text = io.StringIO()
    compared = compare([row[:2] for row in [*ROWS, (12.0, -9.0, "gained")]], "tc")
    write_changes_bed(text, compared)
    rows = [line.split("\t") for line in text.getvalue().splitlines()]
    assert {len(row) for row in rows} == {9}
    assert [row[3] for row in rows] == compared.change.tolist()
    assert [int(rows[at][4]) for at in (0, 1, 2, -1)] == [400, 400, 300, 1000]
    assert rows[1][:3] == ["chr1", "1000", "1131"]
    assert rows[1][5:] == [".", "1060", "1061", "0,114,178"]
    assert len({row[8] for row in rows}) == 5
    assert all(int(row[1]) <= int(row[6]) < int(row[7]) <= int(row[2]) for row in rows)


def test_result_shows_itself() -> None:
    compared = compare([row[:2] for row in ROWS], "tc")
    assert len(compared) == len(ROWS)
    assert repr(compared) == (
        "<Comparison: treated minus control, 9 sites: 1 gained, 1 lost, 2 stronger, 2 weaker, 3 same>"
    )
    assert "<table>" in compared._repr_html_()
    assert set(compared.rank()[:2].tolist()) == {0, 1}
    assert set(compared.rank("weaker").tolist()) == {3, 5}
    assert compared.rank()[-1] == 8


def test_result_makes_a_table() -> None:
    pytest.importorskip("pandas")
    compared = compare([row[:2] for row in ROWS], "tc")
    frame = compared.to_frame()
    assert list(frame.columns) == list(compared.columns())
    assert frame["change"].tolist() == compared.change.tolist()


def test_result_draws_every_site() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    compared = compare([row[:2] for row in ROWS], "tc")
    axis = compared.plot()
    drawn = np.vstack([one.get_offsets() for one in axis.collections])
    assert sorted(drawn[:, 1].tolist()) == pytest.approx(sorted(compared.difference.tolist()))
    assert axis.get_ylabel() == "difference of logits, treated minus control"
    assert compared.plot(axis) is axis
    pyplot.close("all")


def test_result_says_what_a_table_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JundscanError, match="pandas"):
        compare([[1.0, 2.0]], "tc").to_frame()
