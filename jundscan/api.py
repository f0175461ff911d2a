"""What ``import jundscan`` offers: one function for each command, from files or from arrays."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from numpy.typing import NDArray

from jundscan.accessibility.arrays import MemoryTrack, Values
from jundscan.accessibility.scale import AccessibilityScale, resolve_scale
from jundscan.accessibility.tracks import Track
from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.regions import Region, parse_region
from jundscan.effects.contigs import Contigs, check_variants, chromosomes_of
from jundscan.effects.effect import Effect, effect_rows
from jundscan.effects.outputs import warn_of_unaligned_indels
from jundscan.effects.score import score_variants
from jundscan.errors import InputError
from jundscan.explanations.mutagenesis import Explanation, explain_regions
from jundscan.explanations.ranking import HitIntervals, chromosomes_to_explain, read_hits, strongest_hits
from jundscan.io.arguments import file_path, flag, is_path, is_several, optional_path, plain_array, texts, type_name
from jundscan.io.bed import NamedInterval, read_named_intervals
from jundscan.io.fasta.arrays import MemoryGenome, Sequences
from jundscan.io.fasta.genome import Genome
from jundscan.io.frames import Results
from jundscan.io.vcf import Variant, allele_problem, log_table, open_vcf
from jundscan.model.load import load_model
from jundscan.model.model import Model
from jundscan.options import (
    DEFAULT_STRIDE,
    FDR,
    MAX_EXTEND,
    MIN_DIFFERENCE,
    BedValue,
    Device,
    MissingChromosomes,
    ReadsAs,
    ScanOptions,
    check_difference,
    check_fraction,
    positive_int,
    threshold_rule,
    whole_number,
)
from jundscan.samples.plan import open_samples
from jundscan.samples.result import SampleSites
from jundscan.samples.sites import call_sites, join_sites
from jundscan.samples.table import Sample, read_samples
from jundscan.scanning.checks import check_counts
from jundscan.scanning.outputs import Counter, HitList, feed, feed_together
from jundscan.scanning.plan import Scan, open_scan
from jundscan.scanning.region_scores import (
    RegionScore,
    RegionScores,
    chromosomes_of_intervals,
    place_intervals,
    whole_sequences,
)
from jundscan.scanning.score import Hit, ScoredWindows, call_hits, hit_rows, score, score_together

if TYPE_CHECKING:
    from jundscan.comparison.result import Comparison
    from jundscan.evaluation.labelled_windows import Evaluation
    from jundscan.io.shards import Shards


# fmt: off
@overload
def scan(
    genome: str | Path | Sequences, accessibility: str | Path | Values | None = None, *,
    windows: Literal[False] = False, model: Model | str | Path | None = None, device: Device = "auto",
    threads: int | None = None, stride: int = DEFAULT_STRIDE, threshold: float | None = None, fpr: float | None = None,
    precision: float | None = None, recall: float | None = None, regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None, exclude: str | Path | None = None,
    scale: AccessibilityScale | str | Path | None = None, allow_length_mismatch: bool = False,
    alias: str | Path | None = None, bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None, reads: ReadsAs | None = None, min_mapq: int | None = None,
    genes: str | Path | None = None,
) -> Results[Hit]: ...


@overload
def scan(
    genome: str | Path | Sequences, accessibility: str | Path | Values | None = None, *, windows: Literal[True],
    model: Model | str | Path | None = None, device: Device = "auto", threads: int | None = None,
    stride: int = DEFAULT_STRIDE, threshold: float | None = None, fpr: float | None = None,
    precision: float | None = None, recall: float | None = None, regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None, exclude: str | Path | None = None,
    scale: AccessibilityScale | str | Path | None = None, allow_length_mismatch: bool = False,
    alias: str | Path | None = None, bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None, reads: ReadsAs | None = None, min_mapq: int | None = None,
    genes: str | Path | None = None,
) -> Results[ScoredWindows]: ...
# fmt: on


def scan(
    genome: str | Path | Sequences,
    accessibility: str | Path | Values | None = None,
    *,
    windows: bool = False,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    stride: int = DEFAULT_STRIDE,
    threshold: float | None = None,
    fpr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
    genes: str | Path | None = None,
) -> Results[Hit] | Results[ScoredWindows]:
    """Scan a genome for binding sites and yield hits in genome order, or the probability of every window.

    The call opens and checks all inputs. The scan runs while the caller iterates over the result.

    Parameters
    ----------
    genome : str, pathlib.Path, pyfaidx.Fasta, mapping or numpy.ndarray
        FASTA file, or sequences by name: letters (str, bytes) or codes (numpy.ndarray, shape=(length,), integer, A 0,
        C 1, G 2, T 3, anything else 4). A single array is one sequence with the name ``sequence``.
    accessibility : str, pathlib.Path, mapping, numpy.ndarray or None
        Track file (bigWig, bedGraph, narrowPeak, broadPeak, BED), reads (BAM, CRAM), fragments of single-cell ATAC-seq,
        or values by chromosome, one per base (numpy.ndarray, shape=(length,), any unit, not negative). None: the model
        runs on sequence alone.
    windows : bool
        Yield the probabilities of all windows, in chunks, instead of hits.
    model : Model, str, pathlib.Path or None
        Loaded model, an ``.onnx`` file or its folder, or the name of an installed model. None: the model that jundscan
        comes with, which is of JUND.
    device : {"auto", "cpu", "cuda"}
        Where a model runs that is not loaded yet. ``"auto"`` uses CUDA if available, else the CPU.
    threads : int or None
        Worker threads. None: one per core that the process may use.
    stride : int
        Bases between window starts.
    threshold, fpr, precision, recall : float or None
        Choose the threshold by at most one of them, 0 to 1, see :class:`jundscan.options.ThresholdRule`. Without one
        the model's own rule holds (``jundscan info`` shows it).
    regions : str or iterable of str
        Regions to scan, ``chrom`` or ``chrom:start-end``, 0-based half-open, or with ``genes`` the name of a gene, such
        as ``MYC`` or ``MYC±10kb``. Without any, the whole genome is scanned.
    regions_file : str, pathlib.Path or None
        BED file of regions to scan.
    exclude : str, pathlib.Path or None
        BED file of regions to leave out: no window that touches one is scored.
    scale : AccessibilityScale, str, pathlib.Path or None
        How accessibility becomes percentiles: a file that ``jundscan scale`` wrote, the record of a scan, or
        ``"identity"`` for values that are percentiles already. None: found from the whole track.
    allow_length_mismatch : bool
        Accept a track or VCF whose header has other chromosome lengths than the genome, for partial genomes.
    alias : str, pathlib.Path or None
        File of other names of the chromosomes: UCSC's chromAlias.txt, or two columns.
    bed_value : {"score", "presence"}
        Value of an interval of a BED track: its score, or 1.
    missing_chromosomes : str or None
        How chromosomes that are missing from the track are scored: with accessibility 0 (``"closed"``), from sequence
        alone (``"unknown"``), or not at all, which is an error (``"error"``). None: ``"closed"``, if names fit on half
        of the bases, else an error.
    reads : {"cuts", "fragments"} or None
        What counts of reads and fragments: both ends of each fragment and the 5' end of each unpaired read (None:
        ``"cuts"``), or all of their bases.
    min_mapq : int or None
        Minimum mapping quality of a read that counts. None: 30. A fragments file has no mapping qualities.
    genes : str, pathlib.Path or None
        Annotation (GTF, GFF3 or BED) whose genes ``regions`` can name.

    Returns
    -------
    Results of Hit or of ScoredWindows
        An iterator over :class:`jundscan.Hit`, or with ``windows`` over :class:`jundscan.ScoredWindows`. Its
        ``to_frame()`` makes a table.

    Raises
    ------
    InputError
        When an argument or a file cannot be used. It is a :class:`JundscanError` and a :class:`ValueError`.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> sequences = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> [hit.chrom for hit in scan(sequences, threshold=0.0, device="cpu")]
    ['chr1']
    >>> sum(len(chunk.starts) for chunk in scan(sequences, windows=True, stride=50, device="cpu"))
    9
    """
    every_window = flag("windows", windows)
    options = ScanOptions(
        stride=stride,
        threshold_rule=threshold_rule(threshold, fpr, precision, recall),
        regions=regions,
        regions_file=regions_file,
        exclude=exclude,
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        genes=genes,
        threads=threads,
    )
    ready = _open(genome, accessibility, model, device, options)
    return Results(_windows(ready), ScoredWindows) if every_window else Results(_hits(ready), Hit)


def score_regions(
    genome: str | Path | Sequences,
    regions: str | Path | Iterable[tuple[str, int, int] | tuple[str, int, int, str]] | None = None,
    accessibility: str | Path | Values | None = None,
    *,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    stride: int = DEFAULT_STRIDE,
    extend: int = 0,
    threshold: float | None = None,
    fpr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    genes: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
) -> Results[RegionScore]:
    """Score regions of a genome, or every sequence of it, and return one row for each in their order.

    The windows are those of :func:`scan` with the same stride: those that lie wholly inside a region. All regions are
    scored before the first row comes.

    Parameters
    ----------
    regions : str, pathlib.Path, iterable of tuple or None
        BED or narrowPeak, or tuples (chrom, start, end) or (chrom, start, end, name), 0-based half-open. They may
        overlap and repeat. None: every sequence of the genome.
    extend : int
        Bases by which each region is widened on both sides.
    genes : str, pathlib.Path or None
        Annotation (GTF, GFF3 or BED): rows then name the nearest transcription start.
    genome, accessibility, and all others
        As for :func:`jundscan.scan`.

    Returns
    -------
    Results of RegionScore
        An iterator over :class:`jundscan.RegionScore`. Its ``to_frame()`` makes a table.

    Raises
    ------
    InputError
        When an argument or a file cannot be used, or a region lies outside the genome.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> genome = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> [row] = score_regions(genome, [("chr1", 150, 350, "peak")], device="cpu")
    >>> row.name, row.windows, row.status
    ('peak', 10, 'below threshold')
    """
    file = file_path("regions", regions) if regions is not None and is_path(regions) else None
    listed: list[NamedInterval] | None = None
    if file is not None:
        listed = read_named_intervals(file)
    elif regions is not None:
        if not is_several(regions):
            kinds = "the path of a BED, or several (chrom, start, end, name)"
            raise InputError(f"regions: must be {kinds}, not {type_name(regions)}")
        listed = list(starmap(_interval, enumerate(cast(Iterable[object], regions))))
    options = ScanOptions(
        stride=stride,
        threshold_rule=threshold_rule(threshold, fpr, precision, recall),
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        genes=genes,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        threads=threads,
    )
    widened = whole_number("extend", extend, 0, MAX_EXTEND)
    ready = _open(genome, accessibility, model, device, options, partial(chromosomes_of_intervals, listed))
    with ExitStack() as on_failure:
        on_failure.enter_context(ready)
        if file is not None:
            ready.inputs.watch(file)
        named = whole_sequences(ready) if listed is None else place_intervals(listed, file, ready)
        work = RegionScores(ready, named, widened)
        on_failure.pop_all()
    return Results(_region_scores(ready, work), RegionScore)


def scan_samples(
    genome: str | Path | Sequences,
    samples: str | Path | Mapping[str, str | Path | Values] | Iterable[Sample],
    *,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    stride: int = DEFAULT_STRIDE,
    threshold: float | None = None,
    fpr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    allow_shallow: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
) -> SampleSites:
    """Scan a genome once with the tracks of many samples, and return the sites that any of them has.

    A site is the union of overlapping hits of all samples. Each sample has the scale of its own track, so its
    percentiles compare with those of the others.

    Parameters
    ----------
    samples : str, pathlib.Path, mapping or iterable of Sample
        Table of samples (:func:`jundscan.samples.table.read_samples`), or tracks by the names of the samples: files or
        values by chromosome. Several :class:`jundscan.Sample` may have groups too.
    scale : AccessibilityScale, str, pathlib.Path or None
        As for :func:`jundscan.scan`. It holds for all samples.
    allow_shallow : bool
        Accept a track with few distinct values, whose percentiles are ties.
    genome, model, and all others
        As for :func:`jundscan.scan`.

    Returns
    -------
    SampleSites

    Raises
    ------
    InputError
        When an argument or a file cannot be used. The message names the sample.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> sequences = {"chr1": "ACGT" * 60 + "TGACTCA" + "ACGT" * 60}
    >>> tracks = {"liver": {"chr1": np.full(487, 0.9)}, "brain": {"chr1": np.zeros(487)}}
    >>> scan_samples(sequences, tracks, scale="identity", threshold=0.0, device="cpu")
    <SampleSites: 1 site in 2 samples>
    """
    options = ScanOptions(
        stride=stride,
        threshold_rule=threshold_rule(threshold, fpr, precision, recall),
        regions=regions,
        regions_file=regions_file,
        exclude=exclude,
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        threads=threads,
    )
    listed, shallow = _samples(samples), flag("allow_shallow", allow_shallow)
    loaded, checked = _model(model, device), vars(_checked(options))
    with open_samples(_genome(genome), listed, model=loaded, allow_shallow=shallow, **checked) as ready:
        scans = ready.scans
        hits, counters = [HitList(scan) for scan in scans], [Counter(scan) for scan in scans]
        chunks = feed_together(scans, score_together(scans), list(zip(hits, counters, strict=True)))
        sites = join_sites(call_sites(scans, chunks), len(scans))
        for scan, counter in zip(scans, counters, strict=True):
            scan.inputs.cautions.take(check_counts(scan, counter.windows_called, counter.windows_scored))
        rows = {name: of_sample.rows for name, of_sample in zip(ready.names, hits, strict=True)}
        return SampleSites(sites, ready.names, ready.groups, rows, scans[0].threshold.value)


def compare(
    genome: str | Path | Sequences,
    samples: str | Path | Iterable[Sample],
    contrast: str | Sequence[str],
    *,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    stride: int = DEFAULT_STRIDE,
    threshold: float | None = None,
    fpr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
    fdr: float = FDR,
    min_difference: float = MIN_DIFFERENCE,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
    allow_shallow: bool = False,
) -> Comparison:
    """Find sites where binding changes between two groups of samples.

    A site is the union of overlapping hits of all samples of both groups. Its logit in a sample is that of its best
    window there. The sequence is the same in all samples, so every difference is one of accessibility, seen through the
    sequence.

    Parameters
    ----------
    samples : str, pathlib.Path or iterable of Sample
        Table with a header line and the columns ``sample``, ``accessibility`` and ``group``. Samples of other groups
        than those of the contrast are not read.
    contrast : str or sequence of str
        Two groups: ``"treated,control"`` or ``("treated", "control")``. Differences are the first minus the second.
    fdr : float
        With replicates, a change has a lower q value: that of a moderated t test, by Benjamini and Hochberg.
    min_difference : float
        Without replicates nothing is tested, p and q are -1, and a change is a difference of as many logits or more.
    allow_shallow : bool
        Accept tracks with few distinct values, whose percentiles are ties.
    genome, and all others
        As for :func:`jundscan.scan`. ``scale`` holds for all samples.

    Returns
    -------
    Comparison
        Its ``to_frame()`` makes a table, its ``plot()`` a picture.

    Raises
    ------
    InputError
        When an argument or a file cannot be used, the contrast names no group of the samples, or the model sees the
        sequence only.
    JundscanError
        When the model or the device cannot be used.
    """
    from jundscan.comparison.run import check_model, parse_contrast, run_comparison, samples_of

    named = parse_contrast(texts("contrast", contrast))
    check_fraction("fdr", fdr)
    check_difference("min_difference", min_difference)
    options = ScanOptions(
        stride=stride,
        threshold_rule=threshold_rule(threshold, fpr, precision, recall),
        regions=regions,
        regions_file=regions_file,
        exclude=exclude,
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        threads=threads,
    )
    chosen = samples_of(named, _samples(samples))
    loaded = _model(model, device)
    check_model(loaded)
    shallow, settings = flag("allow_shallow", allow_shallow), vars(_checked(options))
    with open_samples(_genome(genome), chosen, model=loaded, allow_shallow=shallow, **settings) as ready:
        return run_comparison(ready, named, float(fdr), float(min_difference))[0]


def variants(
    genome: str | Path | Sequences,
    variants: str | Path | Iterable[Variant | tuple[str, int, str, str | Sequence[str]]],
    accessibility: str | Path | Values | None = None,
    *,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    threshold: float | None = None,
    fpr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
) -> Results[Effect]:
    """Score the effect of variants on binding, one alternative allele after the other.

    Each window that an allele touches is scored on both haplotypes, with the surroundings that it has there. Each
    allele is scored by itself: phased neighbours are not combined. The call opens all inputs, and reads through a file
    of variants to check it. Variants are scored while the caller iterates over the result.

    Parameters
    ----------
    variants : str, pathlib.Path or iterable of Variant
        VCF, BCF or a table with chrom, pos, ref and alt, or tuples (chrom, start, reference, alternatives) with one
        alternative or several. ``start`` is 0-based: the POS of a VCF less 1. Positions of a table are 1-based.
    genome, accessibility, and all others
        As for :func:`jundscan.scan`.

    Returns
    -------
    Results of Effect
        An iterator. One per alternative allele, in the order of the variants, with or without a score.

    Raises
    ------
    InputError
        When an argument or a file cannot be used. Variants in a list or a tuple are checked by the call, those of
        another iterable during iteration.
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
    listed: Iterable[Variant] = ()
    if file is None:
        if not is_several(variants):
            raise InputError(
                "variants: must be the path of a VCF or a table, or several (chrom, start, reference, alternatives), "
                f"not {type_name(variants)}"
            )
        listed = starmap(_variant, enumerate(cast(Iterable[object], variants)))
        if isinstance(variants, list | tuple):
            listed = list(listed)
    options = ScanOptions(
        threshold_rule=threshold_rule(threshold, fpr, precision, recall),
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        threads=threads,
    )
    to_score = None if file is None else partial(chromosomes_of, file)
    ready = _open(genome, accessibility, model, device, options, to_score)
    if file is not None:
        with ExitStack() as on_failure:
            on_failure.enter_context(ready)
            ready.inputs.watch(file)
            contigs = Contigs(ready.genome, allow_length_mismatch)
            check_variants(file, contigs)
            vcf = ready.inputs.files.enter_context(open_vcf(file))
            log_table(vcf)
            on_failure.pop_all()
        listed = (variant for _, variant in contigs.checked(vcf))
    return Results(_effects(ready, file, listed), Effect)


def explain(
    genome: str | Path | Sequences,
    regions: str | Iterable[str] = (),
    accessibility: str | Path | Values | None = None,
    *,
    hits: str | Path | Iterable[Hit] | None = None,
    top: int = 50,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    threshold: float | None = None,
    fpr: float | None = None,
    precision: float | None = None,
    recall: float | None = None,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
    genes: str | Path | None = None,
) -> Results[Explanation]:
    """Find the bases that drive the prediction in regions, by in-silico saturation mutagenesis.

    Windows are scored with their surroundings, but only bases of a region are changed.

    Parameters
    ----------
    regions : str or iterable of str
        ``chrom:start-end``, 0-based half-open, or with ``genes`` the name of a gene.
    hits : str, pathlib.Path, iterable of Hit or None
        File of hits (BED, narrowPeak), or what :func:`jundscan.scan` yields. The 151 bases around the centre of the
        strongest hits are explained too. Their windows are scored again, because a BED's scores are rounded.
    top : int
        Maximum number of hits that are explained.
    genome, accessibility, and all others
        As for :func:`jundscan.scan`.

    Returns
    -------
    Results of Explanation
        An iterator. One per region, in their order, then one per hit, the strongest first.

    Raises
    ------
    InputError
        When an argument or a file cannot be used.
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
    named = texts("regions", regions)
    if not named and hits is None:
        raise InputError("regions: none is named; name one or several chrom:start-end, or hits")
    file = file_path("hits", hits) if is_path(hits) else None
    options = ScanOptions(
        threshold_rule=threshold_rule(threshold, fpr, precision, recall),
        scale=scale,
        allow_length_mismatch=allow_length_mismatch,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        reads=reads,
        min_mapq=min_mapq,
        genes=genes,
        threads=threads,
    )
    to_score = None if hits is not None and file is None else partial(chromosomes_to_explain, named, file)
    ready = _open(genome, accessibility, model, device, options, to_score)
    try:
        parsed = [parse_region(text, ready.genome.chromsizes) for text in named]
        to_rank = None if hits is None else read_hits(hits, ready)
    except BaseException:
        ready.inputs.files.close()
        raise
    return Results(_explanations(ready, parsed, to_rank, top), Explanation)


# fmt: off
@overload
def evaluate(  # type: ignore[overload-overlap]  # a str is a sequence of str too, and means a folder
    data: str | Path | Shards | NDArray[Any], labels: NDArray[Any] | None = None, weights: NDArray[Any] | None = None,
    accessibility: NDArray[Any] | str | Path | Values | None = None, *, ids: NDArray[Any] | Sequence[str] | None = None,
    genome: str | Path | Sequences | None = None, model: Model | str | Path | None = None, device: Device = "auto",
    threads: int | None = None, threshold: float | None = None, withhold_accessibility: bool = False,
    scale: AccessibilityScale | str | Path | None = None, allow_length_mismatch: bool = False,
    alias: str | Path | None = None, bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None, reads: ReadsAs | None = None, min_mapq: int | None = None,
) -> Evaluation: ...


@overload
def evaluate(
    data: Sequence[str | Path | Shards], *, accessibility: str | Path | Values | None = None,
    genome: str | Path | Sequences | None = None, model: Model | str | Path | None = None, device: Device = "auto",
    threads: int | None = None, threshold: float | None = None, withhold_accessibility: bool = False,
    scale: AccessibilityScale | str | Path | None = None, allow_length_mismatch: bool = False,
    alias: str | Path | None = None, bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None, reads: ReadsAs | None = None, min_mapq: int | None = None,
) -> list[Evaluation]: ...
# fmt: on


def evaluate(
    data: str | Path | Shards | NDArray[Any] | Sequence[str | Path | Shards],
    labels: NDArray[Any] | None = None,
    weights: NDArray[Any] | None = None,
    accessibility: NDArray[Any] | str | Path | Values | None = None,
    *,
    ids: NDArray[Any] | Sequence[str] | None = None,
    genome: str | Path | Sequences | None = None,
    model: Model | str | Path | None = None,
    device: Device = "auto",
    threads: int | None = None,
    threshold: float | None = None,
    withhold_accessibility: bool = False,
    scale: AccessibilityScale | str | Path | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
) -> Evaluation | list[Evaluation]:
    """Score labelled windows and compute metrics: of a folder of shards, of several folders, or of arrays.

    Parameters
    ----------
    data : str, pathlib.Path, Shards, numpy.ndarray, or a sequence of the first three
        Folder of shards, or windows as an array: one-hot (n, 101, 4) in the order A C G T, or codes (n, 101).
    labels : numpy.ndarray, shape=(n,) or (n, 1), optional
        1 bound, 0 unbound, for windows in an array. None: only probabilities are computed.
    weights : numpy.ndarray, shape=(n,) or (n, 1), optional
        Sample weights, for windows in an array. None: both classes have the same total weight.
    accessibility : numpy.ndarray, shape=(n,) or (n, 1), str, pathlib.Path or mapping, optional
        For windows in an array: mean of the track over each window, any unit, NaN where not available. Or, with
        ``genome``: a track, as a file or as values by chromosome. It replaces the values of all windows with an id.
    ids : numpy.ndarray or sequence of str, shape=(n,), optional
        Positions of the windows of an array, ``chrom:start-end``, 0-based half-open; empty where not known.
    genome : str, pathlib.Path, mapping or numpy.ndarray, optional
        As for :func:`scan`. The model sees the surroundings of each window that has an id. None: it sees the windows
        alone.
    threshold : float, optional
        Windows that score this or more are called bound. None: the model's balanced threshold, 0.5.
    withhold_accessibility : bool
        Score on sequence alone.
    scale : AccessibilityScale, str or pathlib.Path, optional
        As for :func:`scan`. None: found from the whole track, or from these windows where there is no track.
    model, device, threads, allow_length_mismatch, alias, bed_value, missing_chromosomes, reads, min_mapq
        As for :func:`scan`.

    Returns
    -------
    Evaluation or list of Evaluation
        One Evaluation, or for a sequence of folders a list of them.

    Raises
    ------
    InputError
        When an argument or a file cannot be used, also when labels, weights or ids come with a folder, which has its
        own, or a track without its genome.
    JundscanError
        When the model or the device cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> result = evaluate(rng.integers(0, 4, (200, 101)), labels=rng.integers(0, 2, 200), device="cpu")
    >>> result.report["n"], result.probabilities.shape
    (200, (200,))
    """
    from jundscan.evaluation.labelled_windows import evaluate_shards  # imports joblib, which scans need not wait for
    from jundscan.evaluation.neighbourhood import open_source

    several = isinstance(data, list | tuple)
    sources: Sequence[Any] = data if several else [data]  # type: ignore[assignment]
    if not sources:
        raise InputError("data: no folder of shards is named")
    withheld = flag("withhold_accessibility", withhold_accessibility)
    is_track = is_path(accessibility) or isinstance(accessibility, Mapping | Track) or not _is_array(data)
    track, values = (accessibility, None) if is_track else (None, accessibility)
    if genome is None and (track is not None or alias is not None):
        raise InputError("accessibility and alias need the genome that the windows come from")
    if track is not None and withheld:
        raise InputError("withhold_accessibility contradicts accessibility")
    if threshold is not None:
        check_fraction("threshold", threshold)
        threshold = float(threshold)
    opened = None if genome is None else (_genome(genome), _track(track), optional_path("alias", alias))
    mismatch = flag("allow_length_mismatch", allow_length_mismatch)
    _check_reads(reads, min_mapq, track)
    sets = [_shards(source, labels, weights, values, ids) for source in sources]
    loaded, mapping = _model(model, device), _scale(scale)
    with ExitStack() as stack:
        source = None
        if opened is not None:
            fasta, signal, names = opened
            source = stack.enter_context(
                open_source(
                    fasta,
                    signal,
                    allow_length_mismatch=mismatch,
                    alias=names,
                    bed_value=bed_value,
                    missing_chromosomes=missing_chromosomes,
                    reads=reads,
                    min_mapq=min_mapq,
                )
            )
        results = [
            evaluate_shards(
                shards,
                loaded,
                threshold=threshold,
                withhold_accessibility=withheld,
                scale=mapping,
                threads=threads,
                source=source,
            )
            for shards in sets
        ]
    return results if several else results[0]


def _open(
    genome: object,
    accessibility: object,
    model: object,
    device: Device,
    options: ScanOptions,
    to_score: Callable[[ChromSizes], Iterable[str]] | None = None,
) -> Scan:
    """Check what a caller passed, and open it as :func:`jundscan.scanning.plan.open_scan` does."""
    options = _checked(options)
    _check_reads(options.reads, options.min_mapq, accessibility)
    opened, track = _genome(genome), _track(accessibility)
    return open_scan(opened, track, model=_model(model, device), chromosomes_to_score=to_score, **vars(options))


def _checked(options: ScanOptions) -> ScanOptions:
    """Check the options that a caller passed, and open the scale."""
    return replace(
        options,
        regions=texts("regions", options.regions),
        regions_file=optional_path("regions_file", options.regions_file),
        exclude=optional_path("exclude", options.exclude),
        alias=optional_path("alias", options.alias),
        genes=optional_path("genes", options.genes),
        scale=_scale(options.scale),
        allow_length_mismatch=flag("allow_length_mismatch", options.allow_length_mismatch),
    )


def _samples(value: object) -> list[Sample]:
    """Return samples that a caller passed: the path of a table, tracks by name, or several Sample."""
    if is_path(value):
        return read_samples(file_path("samples", value))
    if isinstance(value, Mapping):
        tracks = {str(name): _track(track) for name, track in value.items()}
        missing = [name for name, track in tracks.items() if track is None]
        if missing:
            raise InputError(f"samples: {missing[0]} has no track")
        return [Sample(name, track) for name, track in tracks.items() if track is not None]
    listed = list(cast(Iterable[object], value)) if is_several(value) else [value]
    for one in listed:
        if not isinstance(one, Sample):
            kinds = "the path of a table, a mapping of names to tracks, or several jundscan.Sample"
            raise InputError(f"samples: must be {kinds}, not {type_name(one)}")
    return cast(list[Sample], listed)


def _genome(value: object) -> Genome | Path:
    """Return a genome that is open, or the path of its file."""
    if is_path(value):
        return file_path("genome", value)
    if isinstance(value, Genome):
        return value
    if type(value).__module__.partition(".")[0] == "pyfaidx":
        import pyfaidx

        if isinstance(value, pyfaidx.Fasta):
            return Path(value.filename)
    if not isinstance(value, Mapping) and plain_array(value) is None:
        raise InputError(
            f"genome: must be the path of a FASTA, a pyfaidx.Fasta, sequences by name or an array of codes, "
            f"not {type_name(value)}"
        )
    return MemoryGenome(cast(Sequences, value))


def _track(value: object) -> Track | Path | None:
    """Return a track that is open, or the path of its file."""
    if value is None or isinstance(value, Track):
        return value
    if is_path(value):
        return file_path("accessibility", value)
    if not isinstance(value, Mapping) and plain_array(value) is None:
        raise InputError(
            f"accessibility: must be the path of a track, values by name or an array of values, not {type_name(value)}"
        )
    return MemoryTrack(cast(Values, value))


def _check_reads(reads: object, min_mapq: object, accessibility: object) -> None:
    if not (reads is None and min_mapq is None) and not is_path(accessibility):
        raise InputError("reads and min_mapq need accessibility from a file: BAM, CRAM or fragments")


def _scale(value: object) -> AccessibilityScale | None:
    if isinstance(value, AccessibilityScale) or (isinstance(value, str) and value == "identity"):
        return resolve_scale(value)
    return resolve_scale(optional_path("scale", value))


def _model(value: object, device: Device) -> Model:
    return value if isinstance(value, Model) else load_model(optional_path("model", value), device)


def _windows(ready: Scan) -> Generator[ScoredWindows, None, None]:
    with ready:
        counter = Counter(ready)
        yield from feed(score(ready), [counter])
        ready.inputs.cautions.take(check_counts(ready, counter.windows_called, counter.windows_scored))


def _region_scores(ready: Scan, work: RegionScores) -> Generator[RegionScore, None, None]:
    with ready:
        yield from work.rows()


def _interval(number: int, value: object) -> NamedInterval:
    """Return what a caller passed as a region, checked; ``number`` counts from 0, for messages."""
    where = f"regions[{number}]"
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) not in (3, 4):
        raise InputError(f"{where}: must be (chrom, start, end) or (chrom, start, end, name), not {value!r}")
    chrom, start, end, *names = value
    name = names[0] if names else None
    if not isinstance(chrom, str) or not (name is None or isinstance(name, str)):
        raise InputError(f"{where}: chrom and name must be text, not {value!r}")
    start = whole_number(f"{where}: start", start, 0)
    return NamedInterval(chrom, start, whole_number(f"{where}: end", end, start + 1), name, number)


def _hits(ready: Scan) -> Generator[Hit, None, None]:
    with ready:
        counter = Counter(ready)
        for chrom, hits in call_hits(ready, feed(score(ready), [counter])):
            yield from hit_rows(ready, chrom, hits)
        ready.inputs.cautions.take(check_counts(ready, counter.windows_called, counter.windows_scored))


def _variant(number: int, value: object) -> Variant:
    """Return what a caller passed as a variant, checked; ``number`` counts from 0, for messages."""
    where = f"variants[{number}]"
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) != len(Variant._fields):
        raise InputError(f"{where}: must be (chrom, start, reference, alternatives), not {value!r}")
    chrom, start, reference, alternatives = value
    if isinstance(alternatives, str):
        alternatives = (alternatives,)
    if not is_several(alternatives):
        raise InputError(f"{where}: alternatives must be text or several texts, not {alternatives!r}")
    alternatives = tuple(alternatives)
    for name, text in (("chrom", chrom), ("reference", reference), *(("an alternative", one) for one in alternatives)):
        if not isinstance(text, str):
            raise InputError(f"{where}: {name} must be text, not {text!r}")
    start = whole_number(f"{where}: start", start)
    if (problem := allele_problem(reference, alternatives)) is not None:
        raise InputError(f"{where}, {chrom}:{start}: {problem}")
    return Variant(chrom, start, reference, alternatives)


def _effects(ready: Scan, file: Path | None, variants: Iterable[Variant]) -> Generator[Effect, None, None]:
    not_left_aligned = 0
    with ready:
        for portion, effects in score_variants(ready, ((variant, variant) for variant in variants)):
            not_left_aligned += int((effects.left_shift > 0).sum())
            yield from effect_rows(portion, effects)
    if file is not None:
        warn_of_unaligned_indels(ready, not_left_aligned, file)


def _explanations(
    ready: Scan, regions: Sequence[Region], hits: HitIntervals | None, top: int
) -> Generator[Explanation, None, None]:
    with ready:
        strongest = [] if hits is None else strongest_hits(ready, hits, top)
        yield from explain_regions(ready, [*regions, *(hit.region for hit in strongest)])


def _is_array(data: object) -> bool:
    return not is_path(data) and hasattr(data, "__array__")


def _shards(data: object, labels: object, weights: object, accessibility: object, ids: object) -> Shards:
    from jundscan.io.shards import Shards, read_shards, shards_from_arrays

    if _is_array(data):
        return shards_from_arrays(data, labels, weights, accessibility, ids)
    if any(column is not None for column in (labels, weights, ids)):
        raise InputError("labels, weights and ids come with windows as an array; a folder of shards holds its own")
    if isinstance(data, Shards):
        return data
    if not is_path(data):
        raise InputError(
            f"data: must be a folder of shards, several of them, Shards or an array of windows, not {type_name(data)}"
        )
    return read_shards(file_path("data", data))
