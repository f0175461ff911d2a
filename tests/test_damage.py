"""Damaged inputs of every reader: read rightly, or refused in one line; a few hundred of them in each run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.damage.check import check
from tests.damage.readers import Reader, readers

READERS = {reader.name: reader for reader in readers()}
EXAMPLES = 25


@pytest.mark.parametrize("name", READERS)
def test_what_is_whole_is_read(name: str) -> None:
    reader = READERS[name]
    for files in reader.undamaged:
        assert check(reader, files, undamaged=True) in ("right", "read")


@pytest.mark.parametrize("name", READERS)
def test_damage_is_read_rightly_or_refused(name: str) -> None:
    reader: Reader = READERS[name]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(files=reader.cases)
    def attempt(files: dict[str, bytes]) -> None:
        check(reader, files)

    attempt()
