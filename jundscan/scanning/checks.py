"""What a finished scan tells of itself: whether as many windows were called as its threshold leads one to expect."""

from __future__ import annotations

from typing import NamedTuple

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.scanning.plan import Scan

MUCH_SKIPPED = 0.5
"""Share of windows with unknown letters above which a scan says so."""
AS_EXPECTED = 3
"""Times as many windows called as expected that still count as alike: genomes and tracks differ by less."""
FEWEST_EXPECTED = 10
"""Calls to expect of windows that do not overlap, below which chance alone may triple them."""
_WHOLE = 0.5  # share of the genome's bases that a scan must look at to stand for the genome


class Calls(NamedTuple):
    """Windows called, against the calibration of the threshold.

    Attributes
    ----------
    called, scored : int
        Windows.
    expected : float
        Windows that the calibration leads one to expect among those scored, at the prevalence of training.
    """

    called: int
    scored: int
    expected: float

    @property
    def ratio(self) -> float:
        """How many times as many windows were called as expected."""
        return self.called / self.expected

    @property
    def are_as_expected(self) -> bool:
        """Whether the number called is near enough."""
        return 1 / AS_EXPECTED <= self.ratio <= AS_EXPECTED


def count_calls(scan: Scan) -> Calls | None:
    """Compare the number of windows called with what the calibration leads one to expect.

    Returns
    -------
    Calls or None
        None where nothing can be expected: the threshold is outside the calibration table, few calls are due, or the
        scan looks at selected regions, whose windows are not those of the genome.
    """
    row, genome = scan.threshold.expected, sum(scan.genome.chromsizes.values())
    if row is None or scan.threshold.is_beyond or sum(span.end - span.start for span in scan.spans) < _WHOLE * genome:
        return None
    prevalence = scan.model.metadata.prevalence
    share = prevalence * row.recall + (1 - prevalence) * row.fpr
    calls = Calls(scan.windows_called, scan.windows_scored, share * scan.windows_scored)
    # windows over one site are called together
    apart = calls.expected * min(scan.stride, WINDOW_LENGTH) / WINDOW_LENGTH
    return calls if apart >= FEWEST_EXPECTED else None


def judge(scan: Scan) -> None:
    """Warn of what may mislead in the result of a finished scan.

    Parameters
    ----------
    scan : Scan
        Its counters stand at their final values; its cautions get the warnings.
    """
    if scan.windows and (share := scan.windows_skipped / scan.windows) > MUCH_SKIPPED:
        scan.cautions.add(
            "unknown_letters",
            f"{scan.genome.path}: {share:.0%} of the windows hold unknown letters and were not scored",
            share=share,
            windows=scan.windows_skipped,
        )
    calls = count_calls(scan)
    if calls is not None and not calls.are_as_expected:
        scan.cautions.add(
            "unexpected_calls",
            f"{calls.called:,} of {calls.scored:,} windows score {scan.threshold.value:.4g} or more, where about "
            f"{calls.expected:,.0f} were to be expected ({calls.ratio:.2g} times as many). What the threshold promises "
            f"may not hold for this genome or track",
            called=calls.called,
            scored=calls.scored,
            expected=calls.expected,
            ratio=calls.ratio,
        )
