"""What a variant does: the bases that change, the status of an allele, and the INFO fields of the result."""

from __future__ import annotations

from typing import get_args

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.io.vcf import Vcf, allele_kind
from jundscan.schemas.records import HitChange, Status

STATUSES: tuple[Status, ...] = get_args(Status)
HIT_CHANGES: tuple[HitChange, ...] = get_args(HitChange)

FIELDS = {
    "JUND_REF": ("Float", "Best probability that JUND binds among the windows that the allele touches, on REF"),
    "JUND_ALT": ("Float", "The same on ALT; each allele alone, phased neighbours are not combined"),
    "JUND_DIFF": ("Float", "Logit of JUND_ALT minus logit of JUND_REF"),
    "JUND_WINDOW": ("Integer", f"First base (1-based, on REF) of the {WINDOW_LENGTH}-base window that changes most"),
    "JUND_WINDOW_DIFF": ("Float", "Logit on ALT minus logit on REF of that window"),
    "JUND_HIT": ("String", "gained, lost, kept or none: whether the best window reaches the threshold, REF to ALT"),
    "JUND_FPR_REF": (
        "Float",
        "Share of unbound windows that score JUND_REF or more, by calibration; missing below its table",
    ),
    "JUND_FPR_ALT": (
        "Float",
        "Share of unbound windows that score JUND_ALT or more, by calibration; missing below its table",
    ),
    "JUND_STATUS": ("String", f"What became of the allele: {', '.join(STATUSES)}"),
}
"""INFO fields of a VCF, with one value for each ALT: type and description."""

_BASES = frozenset("ACGTNacgtn")


def trim(start: int, reference: str, alternative: str) -> tuple[int, str, str]:
    """Remove the letters that both alleles share at their ends, from the right first because a VCF pads on the left.

    Examples
    --------
    >>> trim(100, "GAAA", "GA")
    (101, 'AA', '')
    >>> trim(100, "C", "CTG")
    (101, '', 'TG')
    """
    shortest = min(len(reference), len(alternative))
    right = 0
    while right < shortest and reference[-1 - right] == alternative[-1 - right]:
        right += 1
    left = 0
    while left < shortest - right and reference[left] == alternative[left]:
        left += 1
    return start + left, reference[left : len(reference) - right], alternative[left : len(alternative) - right]


def unscorable(reference: str, alternative: str) -> Status | None:
    """Return the status of an allele that is no sequence or changes nothing; None for an allele that can be scored.

    Parameters
    ----------
    reference, alternative : str
        Both in the same case. :func:`jundscan.io.vcf.allele_problem` finds nothing wrong with them.

    Examples
    --------
    >>> unscorable("G", "<DEL>"), unscorable("G", "G]17:198982]"), unscorable("G", "*"), unscorable("G", "GA")
    ('symbolic', 'breakend', 'spanning_deletion', None)
    >>> unscorable("A", "A"), unscorable("A", "R"), unscorable("R", "RT"), unscorable("A", ".")
    ('unchanged', 'ambiguous', None, 'no_alternative')
    """
    if reference == alternative:
        return "unchanged"
    kind = allele_kind(alternative)
    if kind == "ambiguous" and _BASES.issuperset(trim(0, reference, alternative)[2]):
        return None  # REF holds the same code, beside the change
    return None if kind == "sequence" else kind


def declare_fields(vcf: Vcf, run_facts: str) -> bool:
    """Add the fields and the facts of the run to the header of a VCF; return whether it had none of the fields."""
    path, header = vcf.path, vcf.file.header
    is_new = True
    for key, (kind, text) in FIELDS.items():
        if key in header.info:
            is_new = False
            if (header.info[key].number, header.info[key].type) != ("A", kind):
                raise InputError(f"{path}: declares {key} otherwise than jundscan does; remove that field first")
        else:
            header.info.add(key, "A", kind, text)
    for line in run_facts.splitlines():
        header.add_line(f"##jundscan={line.removeprefix('# ')}")
    return is_new
