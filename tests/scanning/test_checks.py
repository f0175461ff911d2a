"""Warnings about the result of a scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jundscan
from jundscan.cli.scan import Outputs, write_scan
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.model.model import Model
from jundscan.scanning.plan import open_scan
from tests.helpers.inputs import letters


def calls_of(tmp_path: Path, model: Model, sequences: dict[str, str], **options: object) -> list[dict[str, object]]:
    with open_scan(MemoryGenome(sequences), model=model, **options) as scan:  # type: ignore[arg-type]
        return write_scan(scan, Outputs(str(tmp_path / "h.bed"), force=True))["warnings"]  # type: ignore[no-any-return]


def test_more_calls_than_expected_warn(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(1)
    sites = "".join(letters(rng, 60) + "TGACTCATCAC" for _ in range(9_000))
    dull = "".join(["A" * 500, "T" * 500]) * 600
    [caution] = [one for one in calls_of(tmp_path, model, {"a": sites}) if one["code"] == "unexpected_calls"]
    figures = caution["figures"]
    assert isinstance(figures, dict)
    assert figures["called"] > 3 * figures["expected"]
    assert f"{figures['called']:,} of {figures['scored']:,} windows score" in str(caution["message"])
    few = [one["code"] for one in calls_of(tmp_path, model, {"a": dull})]
    assert few == ["unexpected_calls", "no_hits"]
    # selected regions are not the genome, and few calls are chance
    assert calls_of(tmp_path, model, {"a": sites}, regions="a:0-300000") == []
    assert calls_of(tmp_path, model, {"a": sites[:90_000]}) == []


def test_a_scan_from_python_logs_warnings(caplog: pytest.LogCaptureFixture, model: Model) -> None:
    text = "ACGT" * 100 + "N" * 4_000
    assert list(jundscan.scan({"a": text}, model=model, threshold=0.99)) == []
    assert "of the windows hold unknown letters and were not scored" in caplog.text
