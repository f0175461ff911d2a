"""The effect of one allele, as :func:`jundscan.variants` yields it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jundscan.effects.alleles import HIT_CHANGES, STATUSES
from jundscan.effects.score import Effects
from jundscan.errors import format_bases
from jundscan.io.html_tables import html_table
from jundscan.io.vcf import Variant
from jundscan.schemas.records import HitChange, Status

_SHOWN_LETTERS = 20  # of an allele, where an effect is described


class Effect(NamedTuple):
    """Effect of one alternative allele. Without a score, numbers are NaN, ``window`` is -1 and ``hit`` is None.

    ``jundscan.variants(…).to_frame()`` makes a table of effects, one row per allele.

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
    percentile, uniform_percentile : float
        Share, 0 to 1, of reference variants whose difference is smaller, sign aside: of random substitutions in
        accessible windows, and of random ones anywhere. NaN for a model without reference variants.
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
    percentile: float
    uniform_percentile: float

    def __repr__(self) -> str:
        return f"<Effect: {self._describe()}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, object]] = [("status", self.status)]
        if self.hit is not None:
            rows += [
                ("probability of the reference", f"{self.reference:.4f}"),
                ("probability of the alternative", f"{self.alternative:.4f}"),
                ("difference (logits)", f"{self.difference:+.2f}"),
                ("percentile among substitutions in accessible windows", _percentile(self.percentile)),
                ("percentile among substitutions anywhere", _percentile(self.uniform_percentile)),
                ("hit", self.hit),
                ("window that changes most", f"{self.window}, by {self.window_difference:+.2f} logits"),
            ]
        return html_table(f"{self._allele()} (POS {self.pos})", (), rows)

    def _allele(self) -> str:
        alleles = [
            allele if len(allele) <= _SHOWN_LETTERS else f"{allele[:_SHOWN_LETTERS]}… ({format_bases(len(allele))})"
            for allele in (self.reference_allele, self.alternative_allele)
        ]
        return f"{self.chrom}:{self.start} {'>'.join(alleles)}"

    def _describe(self) -> str:
        """Describe the effect in one line."""
        text = f"{self._allele()}, {self.status}"
        if self.hit is None:
            return text
        change = f"probability {self.reference:.4f} to {self.alternative:.4f}, difference {self.difference:+.2f} logits"
        return f"{text}, {change}, hit: {self.hit}"


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
    for allele, (status, *numbers, hit, old_fpr, new_fpr, left_shift, in_repeat, near, uniform) in zip(
        alleles, rows, strict=True
    ):
        change = None if hit < 0 else HIT_CHANGES[hit]
        rest = (change, old_fpr, new_fpr, left_shift, in_repeat, near, uniform)
        yield Effect._make((*allele, STATUSES[status], *numbers, *rest))


def _percentile(share: float) -> str:
    return "not known: the model holds no reference variants" if share != share else f"{share:.6g}"
