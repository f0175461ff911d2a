"""``jundscan.compare``: the same as the command, its options, and what it cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jundscan
from jundscan.errors import InputError
from jundscan.model.model import Model
from jundscan.samples.table import read_samples
from tests.helpers.groups import EXAMPLES, write_groups

GENOME, SCALE = EXAMPLES / "genome.fa", EXAMPLES / "scale.json"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_groups(tmp_path)


def test_contrasts_are_names_or_one_text(table: Path, model: Model) -> None:
    one = jundscan.compare(GENOME, table, "treated,control", scale=SCALE, model=model)
    other = jundscan.compare(GENOME, table, ("treated", "control"), scale=SCALE, model=model)
    assert one.contrast == other.contrast == ("treated", "control")
    np.testing.assert_array_equal(one.q, other.q)
    assert one.samples == ("treated1", "treated2", "control1", "control2")
    assert one.sites.best.shape == (len(one), 4)


def test_samples_are_a_table_or_a_list(table: Path, model: Model) -> None:
    one = jundscan.compare(GENOME, table, "treated,control", scale=SCALE, model=model)
    other = jundscan.compare(GENOME, read_samples(table), "treated,control", scale=SCALE, model=model)
    np.testing.assert_array_equal(one.sites.best, other.sites.best)


def test_samples_of_other_groups_take_no_part(table: Path, model: Model) -> None:
    lines = table.read_text().splitlines()
    some = [line.removesuffix("treated") + "other" if line.startswith("treated2") else line for line in lines]
    table.write_text("\n".join([*some, ""]))
    compared = jundscan.compare(GENOME, table, "treated,control", scale=SCALE, model=model)
    assert compared.samples == ("treated1", "control1", "control2")
    assert compared.sizes == (1, 2)


def test_options_reach_the_scans(table: Path, model: Model) -> None:
    options: dict[str, Any] = {"scale": SCALE, "model": model}
    every = jundscan.compare(GENOME, table, "treated,control", **options)
    strict = jundscan.compare(GENOME, table, "treated,control", threshold=0.9999, regions="chrA", **options)
    assert 0 < len(strict) < len(every)
    assert set(strict.sites.chrom) == {"chrA"}
    assert strict.threshold == 0.9999
    none = jundscan.compare(GENOME, table, "treated,control", fdr=0, **options)
    assert none.counts["same"] == len(none) == len(every)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"contrast": "treated"}, "two groups"),
        ({"contrast": ("treated", "treated")}, "one group twice"),
        ({"contrast": ("treated", "absent")}, "no sample is of group absent"),
        ({"contrast": 3}, "contrast"),
        ({"samples": 3}, "samples: must be"),
        ({"samples": ["a.bw"]}, "samples: must be"),
        ({"fdr": 2}, "fdr"),
        ({"min_difference": -1}, "min_difference"),
        ({"min_difference": "1"}, "min_difference"),
        ({"min_difference": float("nan")}, "min_difference"),
    ],
)
def test_what_cannot_be_used_is_an_input_error(table: Path, changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"samples": table, "contrast": "treated,control", **changed}
    with pytest.raises(InputError, match=message):
        jundscan.compare(GENOME, **arguments)
