"""What ``import jundscan`` offers of variants and explanations; from files or from arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import NamedTuple, Unpack, cast

from jundscan.accessibility.arrays import Values
from jundscan.api import ModelOptions, prepared
from jundscan.dna.regions import Region, parse_region
from jundscan.effects.alleles import HITS, STATUSES, Hit, Status
from jundscan.effects.contigs import Contigs, check_variants, chromosomes_of
from jundscan.effects.outputs import warn_of_unaligned_indels
from jundscan.effects.score import score_variants
from jundscan.errors import InputError
from jundscan.explanations.mutagenesis import Explanation, explain_regions
from jundscan.explanations.ranking import HitIntervals, chromosomes_to_explain, read_hits, strongest_hits
from jundscan.io.arguments import file_path, is_path, is_several, texts, type_name, whole_number
from jundscan.io.fasta.arrays import Sequences
from jundscan.io.vcf import Variant, open_vcf, problem_of
from jundscan.options import positive_int
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import Hit as FoundHit


class Effect(NamedTuple):
    """Effect of one alternative allele. Without a score, numbers are NaN, ``window`` -1 and ``hit`` None.

    Attributes
    ----------
    chrom, reference_allele, alternative_allele
        The variant as it was given.
    start : int
        Position of the first letter of ``reference_allele``, 0-based.
    pos : int
        The same, 1-based: the POS of a VCF.
    status : str
        See :data:`jundscan.effects.alleles.Status`.
    reference, alternative, difference, window, window_difference, reference_fpr, alternative_fpr
        See :class:`Effects`.
    hit : str or None
        See :data:`jundscan.effects.alleles.Hit`.
    left_shift : int
        Bases by which the start of an indel moves left when it is left-aligned; 0 for anything else.
    in_repeat : bool
        Whether an indel could be written elsewhere: its effect is the same at each place.
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
    hit: Hit | None
    reference_fpr: float
    alternative_fpr: float
    left_shift: int
    in_repeat: bool


def variants(
    genome: str | Path | Sequences,
    variants: str | Path | Iterable[Variant | tuple[str, int, str, str | Sequence[str]]],
    accessibility: str | Path | Values | None = None,
    **options: Unpack[ModelOptions],
) -> Iterator[Effect]:
    """Score what variants do to JUND: the effect of each alternative allele, in their order.

    Each window that an allele touches is scored on both haplotypes, with the surroundings that it has there. Each
    allele is judged alone: phased neighbours are not combined. An indel in a repeat has the same effect wherever it is
    written. Everything is opened, and a VCF is read through and checked, by the call itself; variants are scored while
    the result is iterated over.

    Parameters
    ----------
    genome, accessibility
        As for :func:`jundscan.scan`.
    variants : str, pathlib.Path or iterable of Variant
        A VCF or BCF, or (chrom, start, reference, alternatives) with one alternative or several. ``start`` is 0-based:
        POS of a VCF less 1.
    **options
        As for :func:`jundscan.scan`, less stride and regions.

    Returns
    -------
    iterator of Effect
        One for each alternative allele, scored or not.

    Raises
    ------
    InputError
        When anything handed in cannot be used. It is a :class:`JundscanError` and a :class:`ValueError`. Variants
        that are not in a list or a tuple are checked while they are iterated over.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> genome = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> [effect] = variants(genome, [("chr1", 240, "T", ["A"])], device="cpu")
    >>> effect.status, effect.difference < 0
    ('scored', True)
    """
    file = file_path("variants", variants) if is_path(variants) else None
    given: Iterable[Variant] = ()
    if file is None:
        if not is_several(variants):
            raise InputError(
                "variants: must be the path of a VCF, or several (chrom, start, reference, alternatives), "
                f"not {type_name(variants)}"
            )
        given = starmap(_variant, enumerate(cast(Iterable[object], variants)))
        if isinstance(variants, list | tuple):
            given = list(given)
    concerned = None if file is None else partial(chromosomes_of, file)
    ready = prepared("variants", genome, accessibility, options, concerned=concerned)
    if file is not None:
        with ExitStack() as on_failure:
            on_failure.enter_context(ready)
            ready.watch(file)
            contigs = Contigs(ready.genome, options.get("allow_length_mismatch", False))
            check_variants(file, contigs)
            vcf = ready.files.enter_context(open_vcf(file))
            on_failure.pop_all()
        given = (variant for _, variant in contigs.checked(vcf))
    return _effects(ready, file, given)


def _effects(ready: Scan, path: Path | None, given: Iterable[Variant]) -> Iterator[Effect]:
    not_left_aligned = 0
    with ready:
        for portion, effects in score_variants(ready, ((variant, variant) for variant in given)):
            not_left_aligned += int((effects.left_shift > 0).sum())
            names = (
                (v.chrom, v.start, v.start + 1, v.reference, alternative)
                for v in portion
                for alternative in v.alternatives
            )
            rows = zip(*(column.tolist() for column in effects), strict=True)
            for name, (status, *numbers, hit, old_fpr, new_fpr, left_shift, in_repeat) in zip(names, rows, strict=True):
                made = None if hit < 0 else HITS[hit]
                yield Effect._make((*name, STATUSES[status], *numbers, made, old_fpr, new_fpr, left_shift, in_repeat))
    if path is not None:
        warn_of_unaligned_indels(ready, not_left_aligned, path)


def _variant(number: int, given: object) -> Variant:
    """Turn what was handed in as a variant into one.

    Raises
    ------
    InputError
        When it is none; the message says which, counted from 0.
    """
    where = f"variants[{number}]"
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or len(given) != len(Variant._fields):
        raise InputError(f"{where}: must be (chrom, start, reference, alternatives), not {given!r}")
    chrom, start, reference, alternatives = given
    if isinstance(alternatives, str):
        alternatives = (alternatives,)
    if not is_several(alternatives):
        raise InputError(f"{where}: alternatives must be text or several texts, not {alternatives!r}")
    alternatives = tuple(alternatives)
    for name, text in (("chrom", chrom), ("reference", reference), *(("an alternative", one) for one in alternatives)):
        if not isinstance(text, str):
            raise InputError(f"{where}: {name} must be text, not {text!r}")
    start = whole_number(f"{where}: start", start)
    if (problem := problem_of(reference, alternatives)) is not None:
        raise InputError(f"{where}, {chrom}:{start}: {problem}")
    return Variant(chrom, start, reference, alternatives)


def explain(
    genome: str | Path | Sequences,
    regions: str | Iterable[str] = (),
    accessibility: str | Path | Values | None = None,
    *,
    hits: str | Path | Iterable[FoundHit] | None = None,
    top: int = 50,
    **options: Unpack[ModelOptions],
) -> Iterator[Explanation]:
    """Tell which bases drive the prediction: in-silico saturation mutagenesis of regions.

    Windows are scored with their surroundings, but only bases of a region are changed.

    Parameters
    ----------
    genome, accessibility
        As for :func:`jundscan.scan`.
    regions : str or iterable of str
        ``chrom:start-end``, 0-based half-open.
    hits : str, pathlib.Path or iterable of Hit, optional
        A file of hits (BED, narrowPeak), or what :func:`jundscan.scan` yields. The 151 bases around the centre of the
        strongest are explained too. Their windows are scored again, so strength is the exact probability that this
        model and this track give.
    top : int
        How many of the hits, the strongest.
    **options
        As for :func:`jundscan.scan`, less stride and regions.

    Returns
    -------
    iterator of Explanation
        One for each region, in their order, then one for each hit, the strongest first.

    Raises
    ------
    InputError
        When anything handed in cannot be used. It is a :class:`JundscanError` and a :class:`ValueError`.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> genome = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> [found] = explain(genome, "chr1:200-280", device="cpu")
    >>> found.contributions.shape, found.differences.shape
    ((80,), (80, 4))
    """
    top = positive_int("top", top)
    wanted = texts("regions", regions)
    if not wanted and hits is None:
        raise InputError("regions: none is named; give chrom:start-end, or several, or hits")
    listed = file_path("hits", hits) if is_path(hits) else None
    concerned = None if hits is not None and listed is None else partial(chromosomes_to_explain, wanted, listed)
    ready = prepared("explain", genome, accessibility, options, concerned=concerned)
    try:
        chosen = [parse_region(text, ready.genome.chromsizes) for text in wanted]
        given = None if hits is None else read_hits(hits, ready)
    except BaseException:
        ready.files.close()
        raise
    return _explanations(ready, chosen, given, top)


def _explanations(ready: Scan, regions: Sequence[Region], hits: HitIntervals | None, top: int) -> Iterator[Explanation]:
    with ready:
        strongest = [] if hits is None else strongest_hits(ready, hits, top)
        yield from explain_regions(ready, [*regions, *(hit.region for hit in strongest)])
