"""What a variant is: its alleles, the least that they change, and what cannot be scored."""

from __future__ import annotations

import re
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
    "ambiguous",
    "no_alternative",
]
"""What became of an alternative allele.

``scored``: every window. ``partial``: some windows hold N (or any letter but ACGT) and were left out. All others are
not scored. ``ref_mismatch``: REF is not what the genome has there. ``unknown_bases``: every window holds N.
``no_contig``: the genome has no such chromosome. ``no_window``: the sequence, with REF or with ALT, is shorter than a
window. ``symbolic``: ``<DEL>`` and the like. ``breakend``: ``G]17:198982]`` and the like. ``spanning_deletion``: ``*``.
``unchanged``: ALT is REF. ``ambiguous``: ALT holds a IUPAC code such as R, which stands for A or G.
``no_alternative``: ``.`` as one of several alleles.
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


_BASES = "[ACGTNacgtn]"
_LETTERS = "[ACGTNRYSWKMBDHVacgtnryswkmbdhv]"
_MATE = r"(?:\[[^][\s]+:[0-9]+\[|\][^][\s]+:[0-9]+\])"
_SPELLINGS: tuple[tuple[Status | None, re.Pattern[str]], ...] = (
    (None, re.compile(f"{_BASES}+")),
    ("ambiguous", re.compile(f"{_LETTERS}+")),
    ("symbolic", re.compile(rf"{_LETTERS}*<[^<>\s]+>")),
    ("spanning_deletion", re.compile(r"\*")),
    ("no_alternative", re.compile(r"\.")),
    ("breakend", re.compile(rf"(?:{_LETTERS}+|\.){_MATE}|{_MATE}(?:{_LETTERS}+|\.)|\.{_LETTERS}+|{_LETTERS}+\.")),
)
"""What an ALT may be (VCF 4.3, sections 1.6.1 and 5.4), and its status when it is no sequence.

A single breakend has a point on one side. An inserted contig is written behind its base, as in ``C<ctg1>``.
"""


def unscorable(reference: str, alternative: str) -> Status | None:
    """Name the status of an alternative allele that is no sequence, or no change, by its spelling.

    Parameters
    ----------
    reference, alternative : str
        Both in the same case, and sound as :func:`problem_of` tells.

    Returns
    -------
    str or None
        None when the allele can be scored.

    Examples
    --------
    >>> unscorable("G", "<DEL>"), unscorable("G", "G]17:198982]"), unscorable("G", "*"), unscorable("G", "GA")
    ('symbolic', 'breakend', 'spanning_deletion', None)
    >>> unscorable("A", "A"), unscorable("A", "R"), unscorable("R", "RT"), unscorable("A", ".")
    ('unchanged', 'ambiguous', None, 'no_alternative')
    """
    if reference == alternative:
        return "unchanged"
    found = next(status for status, spelling in _SPELLINGS if spelling.fullmatch(alternative))
    if found == "ambiguous" and re.fullmatch(f"{_BASES}*", trim(0, reference, alternative)[2]):
        return None  # the code stands in REF too, beside the change
    return found


def problem_of(reference: str, alternatives: Sequence[str]) -> str | None:
    """Describe what is wrong with the alleles of a record that is no VCF.

    Parameters
    ----------
    reference : str
        REF: bases, or ``.`` where no ALT is a sequence, as some writers have it beside breakends.
    alternatives : sequence of str
        ALT, allele by allele.

    Returns
    -------
    str or None
        None when nothing is wrong.

    Examples
    --------
    >>> problem_of("A", ["C", "<DEL>"]), problem_of("A", ["A1"])
    (None, "ALT 'A1' is no allele of a VCF: bases (ACGTN), <NAME>, * or a breakend")
    """
    has_sequence = False
    for alternative in alternatives:
        for status, spelling in _SPELLINGS:
            if spelling.fullmatch(alternative):
                has_sequence |= status is None
                break
        else:
            if not alternative:
                return "ALT must not be empty; write an indel as a VCF does, with the base before it"
            return f"ALT {alternative!r} is no allele of a VCF: bases (ACGTN), <NAME>, * or a breakend"
    if not reference:
        return "REF must not be empty; write an indel as a VCF does, with the base before it"
    if not re.fullmatch(f"{_LETTERS}+", reference) and (has_sequence or reference != "."):
        return f"REF {reference!r} is no sequence: write the bases (ACGTN) that the genome has there"
    return None
