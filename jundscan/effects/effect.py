"""The effect of one allele, as :func:`jundscan.variants` yields it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jundscan.effects.alleles import HIT_CHANGES, STATUSES
from jundscan.effects.score import Effects
from jundscan.io.vcf import Variant
from jundscan.schemas.records import HitChange, Status


class Effect(NamedTuple):
    """Effect of one alternative allele. Without a score, numbers are NaN, ``window`` is -1 and ``hit`` is None.

    ``pandas.DataFrame(effects)`` makes a table of effects, one row per allele.

    Attributes
    ----------
    chrom : str
        As the caller or the VCF names it.
    start : int
        Position of the first letter of ``reference_allele``, 0-based.
    pos : int
        ``start`` + 1: the POS of a VCF.
    reference_allele, alternative_allele : str
        REF and ALT.
    status : str
        ``"scored"``, ``"partial"``, or why the allele has no score, see :data:`jundscan.schemas.records.Status`.
    reference, alternative : float
        Highest probability, 0 to 1, among the windows that the allele touches, on the reference and on the alternative
        haplotype.
    difference : float
        Logit of ``alternative`` minus logit of ``reference``. Positive where the allele makes binding more likely.
    window : int
        Start, 0-based on the reference, of the window whose logit changes most; the first one on a tie.
    window_difference : float
        Change of that window's logit, alternative minus reference.
    hit : str or None
        Whether ``reference`` and ``alternative`` reach the threshold: ``"gained"`` (the alternative only), ``"lost"``
        (the reference only), ``"kept"`` (both) or ``"none"``.
    reference_fpr, alternative_fpr : float
        Fraction, 0 to 1, of unbound windows that score as high as ``reference`` and ``alternative``, on held-out data.
    left_shift : int
        Bases by which left-aligning moves the start of an indel to the left; 0 for other variants.
    in_repeat : bool
        Whether an indel can be written at several positions. Its effect is the same at each.
    """

    chrom: str
    start: int
    pos: int
    reference_allele: str
    alternative_allele: str
    status: Status
    reference: float
    alternative: float
    difference: float
    window: int
    window_difference: float
    hit: HitChange | None
    reference_fpr: float
    alternative_fpr: float
    left_shift: int
    in_repeat: bool


def effect_rows(variants: Iterable[Variant], effects: Effects) -> Iterator[Effect]:
    """Yield one Effect for each alternative allele.

    Parameters
    ----------
    variants : iterable of Variant
    effects : Effects
        One row for each of their alternative alleles, in the same order.
    """
    alleles = (
        (variant.chrom, variant.start, variant.start + 1, variant.reference, alternative)
        for variant in variants
        for alternative in variant.alternatives
    )
    rows = zip(*(column.tolist() for column in effects), strict=True)
    for allele, (status, *numbers, hit, old_fpr, new_fpr, left_shift, in_repeat) in zip(alleles, rows, strict=True):
        change = None if hit < 0 else HIT_CHANGES[hit]
        yield Effect._make((*allele, STATUSES[status], *numbers, change, old_fpr, new_fpr, left_shift, in_repeat))
