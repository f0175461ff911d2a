"""Warnings about the result of a finished scan: unknown letters, unexpected numbers of windows called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import Caution
from jundscan.scanning.plan import Scan

MAX_SKIPPED_SHARE = 0.5
"""Maximum share of windows with unknown letters without a warning."""
MAX_CALLS_RATIO = 3
"""Maximum ratio of called to expected windows, or its inverse, without a warning. Genomes and tracks differ by less."""
MIN_EXPECTED_CALLS = 10
"""Minimum expected calls of windows that do not overlap, because chance alone may triple fewer."""
MIN_GENOME_SHARE = 0.5
"""Minimum share of the genome's bases in a scan that counts as a scan of the genome."""


class Calls(NamedTuple):
    """Windows called, against the calibration of the threshold.

    Attributes
    ----------
    called, scored : int
        Windows.
    expected : float
        Expected calls among the windows scored: calibration of the threshold at the prevalence of the training data.
    """

    called: int
    scored: int
    expected: float

    @property
    def ratio(self) -> float:
        """Called windows per expected one."""
        return self.called / self.expected

    @property
    def are_as_expected(self) -> bool:
        """Whether the ratio is near enough to 1."""
        return 1 / MAX_CALLS_RATIO <= self.ratio <= MAX_CALLS_RATIO


def count_calls(scan: Scan, called: int, scored: int) -> Calls | None:
    """Compare the number of windows called with the calibration of the threshold.

    Parameters
    ----------
    scan : Scan
    called, scored : int
        Windows.

    Returns
    -------
    Calls or None
        None where the calibration expects nothing: the threshold lies outside its table, few calls are expected, or
        the scan covers selected regions, whose windows are unlike those of the genome.
    """
    row, genome = scan.threshold.expected, sum(scan.genome.chromsizes.values())
    scanned = sum(span.end - span.start for span in scan.spans)
    if row is None or scan.threshold.is_beyond or scanned < MIN_GENOME_SHARE * genome:
        return None
    prevalence = scan.model.metadata.prevalence
    share = prevalence * row.recall + (1 - prevalence) * row.fpr
    calls = Calls(called, scored, share * scored)
    # windows over one site are called together
    apart = calls.expected * min(scan.stride, WINDOW_LENGTH) / WINDOW_LENGTH
    return calls if apart >= MIN_EXPECTED_CALLS else None


def check_counts(scan: Scan, called: int, scored: int) -> Iterator[Caution]:
    """Yield warnings of what may mislead in the result of a finished scan.

    Parameters
    ----------
    scan : Scan
    called, scored : int
        Windows.
    """
    skipped = scan.windows - scored
    if scan.windows and (share := skipped / scan.windows) > MAX_SKIPPED_SHARE:
        yield Caution(
            "unknown_letters",
            f"{scan.genome.path}: {share:.0%} of the windows hold unknown letters and were not scored",
            {"share": share, "windows": skipped},
        )
    calls = count_calls(scan, called, scored)
    if calls is not None and not calls.are_as_expected:
        yield Caution(
            "unexpected_calls",
            f"{calls.called:,} of {calls.scored:,} windows score {scan.threshold.value:.4g} or more, where about "
            f"{calls.expected:,.0f} were to be expected ({calls.ratio:.2g} times as many). What the threshold promises "
            f"may not hold for this genome or track",
            {**calls._asdict(), "ratio": calls.ratio},
        )
