"""Say at the end of a run what was not tested and why, and fail a run of CI that skips more than it may.

This is a plugin of pytest, which ``tests/conftest.py`` loads. :data:`SKIPS` is the one list of reasons.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterable
from typing import NamedTuple

import pytest

from jundscan.errors import format_count


class Skip(NamedTuple):
    """Why tests are skipped, what is not tested then, how to have it tested, and why CI may skip it."""

    reason: str
    """Regular expression that finds the reason which pytest reports."""
    what: str
    """What is not tested."""
    remedy: str
    """What to do about it."""
    allowed: str = ""
    """Why CI may skip these tests. Empty: ``--strict-skips`` fails the run."""


SKIPS = (
    Skip("no Chromium", "reports in a browser", "Install: apt install chromium chromium-driver"),
    Skip("node is not installed", "the page that runs the model in the browser", "Install: apt install nodejs"),
    Skip("bcftools is not installed", "VCFs read by bcftools", "Install: apt install bcftools"),
    Skip("bedtools is not installed", "outputs read by bedtools", "Install: apt install bedtools"),
    Skip("snakemake is not installed", "the Snakemake example", "Install: pip install snakemake"),
    Skip("needs unshare", "full and read-only file systems", "Install: apt install util-linux"),
    Skip("needs pysam|'pysam'", "BAM, CRAM, VCF, bgzip and tabix", "Install: pip install pysam"),
    Skip("could not import '([^']+)'", r"what needs \1", r"Install: make test, or pip install \1"),
    Skip(
        "set JUNDSCAN_DATA",
        "the real data",
        "Set JUNDSCAN_DATA to its folder",
        "the real data are too large for a repository",
    ),
    Skip("--device cuda", "the GPU", "Run on a machine with CUDA", "machines of CI have no GPU"),
    Skip(
        "this ONNX Runtime has CUDA",
        "errors of machines without CUDA",
        "Run where ONNX Runtime has no CUDA",
        "a machine with a GPU cannot test what is missing without one",
    ),
    Skip("root may write anywhere", "read-only folders", "Run as a user who is not root", "CI in a container is root"),
    Skip(
        "needs permission to mount",
        "full and read-only file systems",
        "Run as root, outside a container",
        "containers may not mount file systems",
    ),
    Skip(
        "no blocked layout on this processor",
        "how ONNX Runtime folds sums",
        "Run on a processor with AVX",
        "the processor decides how ONNX Runtime stores arrays",
    ),
    Skip(
        "on Linux only|Linux's /proc|needs /proc|needs /dev/full|cannot assign cores",
        "what only Linux has",
        "Run on Linux",
    ),
)


def skip_for(reason: str) -> Skip:
    """Return what a reason means, with names filled in; a reason that no pattern finds stands for itself."""
    for skip in SKIPS:
        if match := re.search(skip.reason, reason):
            return skip._replace(what=match.expand(skip.what), remedy=match.expand(skip.remedy))
    return Skip(reason, reason, "")


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test, or all tests of a file, were skipped."""
    assert isinstance(report.longrepr, tuple)  # pytest keeps file, line and reason of a skip
    return report.longrepr[2].removeprefix("Skipped: ")


def lines_of(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """Return one line for all tests that are skipped for the same reason."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for report in reports:
        skip = skip_for(reason_of(report))
        noun = "whole file" if isinstance(report, pytest.CollectReport) else "test"
        counts.setdefault((skip.what, skip.remedy), Counter())[noun] += 1
    return [
        f"not tested: {what} ({', '.join(format_count(n, noun) for noun, n in count.items())}). {remedy}".rstrip()
        for (what, remedy), count in counts.items()
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that CI uses."""
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="fail when a test is skipped that CI may not skip; tests/helpers/skips.py lists those that it may",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Say what was not tested after pytest's last line, and fail with ``--strict-skips`` for what CI may not skip."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return
    skipped = terminal.stats.get("skipped", [])
    for line in lines_of(skipped):
        terminal.write_line(line)
    if session.config.getoption("strict_skips"):
        forbidden = sorted({reason_of(report) for report in skipped if not skip_for(reason_of(report)).allowed})
        for reason in forbidden:
            terminal.write_line(f"CI may not skip this: {reason}", red=True)
        if forbidden and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
