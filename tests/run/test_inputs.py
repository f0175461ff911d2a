"""Opened inputs: closed on errors, watched for changes, and shared by a plan that nothing changes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.scale import IDENTITY
from jundscan.errors import InputError, JundscanError
from jundscan.model.model import Model
from jundscan.scanning.plan import open_scan
from tests.helpers.inputs import write_rows


class ClosingTrack(MemoryTrack):
    closed = False

    def __exit__(self, *exc: object) -> None:
        self.closed = True
        super().__exit__(*exc)


def test_an_error_closes_the_track(genome: Path, model: Model) -> None:
    track = ClosingTrack({"chr1": np.ones(10), "chr2": np.ones(10)})
    with pytest.raises(JundscanError, match="chr1 has 10 bases"):
        open_scan(genome, track, model=model, scale=IDENTITY)
    assert track.closed


def test_the_context_closes_the_track(genome: Path, model: Model) -> None:
    track = ClosingTrack({"chr1": np.ones(6_000)})
    with open_scan(genome, track, model=model, scale=IDENTITY) as scan:
        assert not track.closed
        assert scan.inputs.paths == {"genome": genome}
    assert track.closed


def test_a_watched_file_must_not_change(tmp_path: Path, genome: Path, model: Model) -> None:
    watched = write_rows(tmp_path / "peaks.bed", [("chr1", 0, 100)])
    with open_scan(genome, model=model) as scan:
        scan.inputs.watch(watched)
        scan.inputs.finish()
        write_rows(watched, [("chr1", 0, 100), ("chr1", 200, 300)])
        with pytest.raises(InputError, match=r"peaks\.bed: was changed or removed"):
            scan.inputs.finish()


def test_plans_are_frozen(genome: Path, model: Model) -> None:
    with open_scan(genome, model=model) as scan, pytest.raises(FrozenInstanceError):
        scan.stride = 5  # type: ignore[misc]
