"""What a variant is: its alleles, the least that they change, and what cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

Status = Literal[
    "scored",
    "partial",
    "ref_mismatch",
    "unknown_bases",
    "no_contig",
    "no_window",
    "symbolic",
    "breakend",
    "spanning_deletion",
    "unchanged",
]
"""What became of an alternative allele.

``scored``: every window. ``partial``: some windows hold N (or any letter but ACGT) and were left out. All others are
not scored. ``ref_mismatch``: REF is not what the genome has there. ``unknown_bases``: every window holds N.
``no_contig``: the genome has no such chromosome. ``no_window``: a haplotype shorter than a window. ``symbolic``:
``<DEL>`` and the like. ``breakend``: ``G]17:198982]`` and the like. ``spanning_deletion``: ``*``. ``unchanged``: ALT
is REF.
"""
STATUSES: tuple[Status, ...] = get_args(Status)
Hit = Literal["gained", "lost", "kept", "none"]
"""Whether the best window reaches the threshold: on the alternative only, the reference only, both, neither."""
HITS: tuple[Hit, ...] = get_args(Hit)


class Variant(NamedTuple):
    """A site with its alternative alleles.

    Attributes
    ----------
    chrom : str
        As the variants' file names it.
    start : int
        0-based position of the first letter of ``reference`` (POS - 1 of a VCF).
    reference : str
        Letters of the genome, either case.
    alternatives : sequence of str
        Alternative alleles as in a VCF; symbolic and breakend ones are known as such.
    """

    chrom: str
    start: int
    reference: str
    alternatives: Sequence[str]


def trim(start: int, reference: str, alternative: str) -> tuple[int, str, str]:
    """Leave out the letters that both alleles share at their ends, from the right first: a VCF pads on the left.

    Examples
    --------
    >>> trim(100, "GAAA", "GA")
    (101, 'AA', '')
    >>> trim(100, "C", "CTG")
    (101, '', 'TG')
    """
    least = min(len(reference), len(alternative))
    right = 0
    while right < least and reference[-1 - right] == alternative[-1 - right]:
        right += 1
    left = 0
    while left < least - right and reference[left] == alternative[left]:
        left += 1
    return start + left, reference[left : len(reference) - right], alternative[left : len(alternative) - right]


def unscorable(reference: str, alternative: str) -> Status | None:
    """Tell an alternative allele that is no sequence, or no change, by its spelling (letters in upper case).

    Examples
    --------
    >>> unscorable("G", "<DEL>"), unscorable("G", "G]17:198982]"), unscorable("G", "*"), unscorable("G", "GA")
    ('symbolic', 'breakend', 'spanning_deletion', None)
    """
    if alternative.isalpha():  # nearly always
        return "unchanged" if reference == alternative else None
    if alternative.startswith("<"):
        return "symbolic"
    if "[" in alternative or "]" in alternative or "." in alternative:
        return "breakend"
    if alternative == "*":
        return "spanning_deletion"
    return "unchanged" if reference == alternative else None
