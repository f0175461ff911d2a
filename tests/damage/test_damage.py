"""Damaged inputs of every reader are read rightly or raise an error of one line; a few hundred in each run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.damage.check import check
from tests.damage.failed_first import cases
from tests.damage.reader import Reader
from tests.damage.readers import readers

ROOT = Path(__file__).parents[2]
READERS = {reader.name: reader for reader in readers()}
FAILED_FIRST = cases()
EXAMPLES = 25


@pytest.mark.parametrize("name", READERS)
def test_undamaged_input_is_read(name: str) -> None:
    reader = READERS[name]
    for files in reader.undamaged:
        assert check(reader, files, undamaged=True) in ("right", "read")


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_is_read_rightly_or_an_error(name: str) -> None:
    reader: Reader = READERS[name]

    @settings(max_examples=EXAMPLES, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(files=reader.cases)
    def attempt(files: dict[str, bytes]) -> None:
        check(reader, files)

    attempt()


@pytest.mark.parametrize("name", FAILED_FIRST)
def test_input_that_once_failed_has_the_right_outcome(name: str) -> None:
    reader, files, expected = FAILED_FIRST[name]
    assert check(READERS[reader], files) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from Linux's /proc")
def test_compressed_gigabytes_do_not_fill_the_memory() -> None:
    program = """
import re
from pathlib import Path
from tests.damage.check import check
from tests.damage.failed_first import cases
from tests.damage.readers import readers

by_name = {reader.name: reader for reader in readers()}
bombs = [case for name, case in cases().items() if "two gigabytes" in name]
for reader, files, _ in bombs:
    assert check(by_name[reader], files) == "error"
# not getrusage, which counts the memory of the parent process at the start of this one
print(len(bombs), int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    bombs, peak_mb = map(int, ran.stdout.split())
    assert bombs >= 3
    assert peak_mb < 1024
