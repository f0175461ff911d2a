"""What a variant does: the bases that change, the status of an allele, and the INFO fields of the result."""

from __future__ import annotations

import re
from functools import cache
from typing import get_args

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from jundscan.io.vcf import Vcf, allele_kind
from jundscan.schemas.records import HitChange, Status

STATUSES: tuple[Status, ...] = get_args(Status)
HIT_CHANGES: tuple[HitChange, ...] = get_args(HitChange)

_BASES = frozenset("ACGTNacgtn")


@cache
def info_fields(factor: str) -> dict[str, tuple[str, str]]:
    """Return the INFO fields of a VCF, with one value for each ALT: type and description.

    Their names begin with the factor. A character that such a name may not hold becomes ``_``, and ``_`` comes before
    a digit at its start (VCF specification 4.3, section 1.6.1).

    Examples
    --------
    >>> list(info_fields("NKX2-5"))[:2], list(info_fields("53BP1"))[0]
    (['NKX2_5_REF', 'NKX2_5_ALT'], '_53BP1_REF')
    """
    start = re.sub(r"^(?=[0-9])|[^A-Za-z0-9_]", "_", factor)
    rank = f"Share, 0 to 1, of {{}} whose {start}_DIFF is smaller, sign aside"
    rate = "Share of unbound windows that score {} or more, by calibration; missing below its table"
    fields = {
        "REF": ("Float", f"Best probability that {factor} binds among the windows that the allele touches, on REF"),
        "ALT": ("Float", "The same on ALT; each allele alone, phased neighbours are not combined"),
        "DIFF": ("Float", f"Logit of {start}_ALT minus logit of {start}_REF"),
        "WINDOW": ("Integer", f"First base (1-based, on REF) of the {WINDOW_LENGTH}-base window that changes most"),
        "WINDOW_DIFF": ("Float", "Logit on ALT minus logit on REF of that window"),
        "HIT": ("String", "gained, lost, kept or none: whether the best window reaches the threshold, REF to ALT"),
        "FPR_REF": ("Float", rate.format(f"{start}_REF")),
        "FPR_ALT": ("Float", rate.format(f"{start}_ALT")),
        "STATUS": ("String", f"What became of the allele: {', '.join(STATUSES)}"),
        "PERCENTILE": ("Float", rank.format("random substitutions in accessible windows")),
        "UNIFORM_PERCENTILE": ("Float", rank.format("random substitutions anywhere")),
    }
    return {f"{start}_{name}": field for name, field in fields.items()}


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


def declare_fields(vcf: Vcf, factor: str, run_facts: str) -> bool:
    """Add the factor's fields and the facts of the run to the header of a VCF; return whether it had no such field."""
    path, header = vcf.path, vcf.file.header
    is_new = True
    for key, (kind, text) in info_fields(factor).items():
        if key in header.info:
            is_new = False
            if (header.info[key].number, header.info[key].type) != ("A", kind):
                raise InputError(f"{path}: declares {key} otherwise than jundscan does; remove that field first")
        else:
            header.info.add(key, "A", kind, text)
    for line in run_facts.splitlines():
        header.add_line(f"##jundscan={line.removeprefix('# ')}")
    return is_new
