"""The plan of a scan: opened inputs, stride, threshold and the spans to score, none of which changes afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jundscan.accessibility.genome_tracks import GenomeTrack
from jundscan.accessibility.scale import AccessibilityScale
from jundscan.accessibility.tracks import Track
from jundscan.dna.chromosomes import ChromSizes
from jundscan.dna.regions import Region
from jundscan.dna.windows import count_windows, span_table
from jundscan.errors import collect_warnings
from jundscan.io.fasta.genome import Genome
from jundscan.model.model import Model
from jundscan.model.thresholds import Threshold, choose_threshold
from jundscan.options import (
    DEFAULT_STRIDE,
    MAX_STRIDE,
    BedValue,
    MissingChromosomes,
    ReadsAs,
    ReadsOptions,
    ThresholdRule,
    check_choice,
    positive_int,
)
from jundscan.run.inputs import Inputs, open_inputs
from jundscan.scanning.genes import Genes, read_genes
from jundscan.scanning.spans import RegionCounts, find_spans


@dataclass(frozen=True)
class Scan:
    """A scan ready to run, from :func:`open_scan`; closes its inputs as a context manager.

    Attributes
    ----------
    inputs : Inputs
    stride : int
        Bases between window starts.
    threshold : Threshold
    spans : sequence of Region
        Bases to scan, disjoint, in genome order.
    regions : RegionCounts or None
        None when the user chose no regions.
    windows : int
        Windows inside the spans, also those with unknown letters.
    genes : Genes or None
        Genes on the genome; None without an annotation.
    """

    inputs: Inputs
    stride: int
    threshold: Threshold
    spans: Sequence[Region]
    regions: RegionCounts | None
    windows: int
    genes: Genes | None = None

    @property
    def genome(self) -> Genome:
        """The genome to scan."""
        return self.inputs.genome

    @property
    def model(self) -> Model:
        """The model that scores windows."""
        return self.inputs.model

    @property
    def track(self) -> GenomeTrack | None:
        """The accessibility track; None without one."""
        return self.inputs.track

    @cached_property
    def reach(self) -> dict[str, NDArray[np.int64]]:
        """Starts and ends of the spans of each chromosome, (n, 2)."""
        by_chrom: dict[str, list[tuple[int, int]]] = {}
        for chrom, start, end in self.spans:
            by_chrom.setdefault(chrom, []).append((start, end))
        return {chrom: np.array(bounds) for chrom, bounds in by_chrom.items()}

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.inputs.files.close()


def open_scan(
    genome: Genome | str | Path,
    accessibility: Track | str | Path | None = None,
    *,
    model: Model | str | Path | None = None,
    stride: int = DEFAULT_STRIDE,
    threshold_rule: ThresholdRule | None = None,
    regions: str | Iterable[str] = (),
    regions_file: str | Path | None = None,
    exclude: str | Path | None = None,
    scale: AccessibilityScale | None = None,
    allow_length_mismatch: bool = False,
    alias: str | Path | None = None,
    bed_value: BedValue = "score",
    missing_chromosomes: MissingChromosomes | None = None,
    reads: ReadsAs | None = None,
    min_mapq: int | None = None,
    genes: str | Path | None = None,
    threads: int | None = None,
    chromosomes_to_score: Callable[[ChromSizes], Iterable[str]] | None = None,
    compare_track: bool = True,
) -> Scan:
    """Open and check everything that a scan needs, before any work.

    Parameters
    ----------
    genome : Genome, str or pathlib.Path
        FASTA, plain, gzipped or bgzipped; ``-`` is standard input.
    accessibility : Track, str or pathlib.Path, optional
        narrowPeak, BED, bedGraph, bigWig, BAM, CRAM or fragments. Without it the model scores sequence alone.
    model : Model, str or pathlib.Path, optional
        By default the installed model.
    stride, threshold_rule, …, threads
        See :func:`jundscan.scan`.
    chromosomes_to_score : callable, optional
        Returns the chromosomes to score, for commands that score no spans; called only where names or lengths differ
        between genome and track.
    compare_track : bool
        Whether to compare the track with the scale and with the model's training data. A worker of a cluster need not,
        because the machine that started the scan has.

    Raises
    ------
    JundscanError
        When an input or an option cannot be used.
    """
    check_choice("bed_value", bed_value, BedValue)
    if missing_chromosomes is not None:
        check_choice("missing_chromosomes", missing_chromosomes, MissingChromosomes)
    counting = ReadsOptions(reads, min_mapq)
    stride = positive_int("stride", stride, MAX_STRIDE)
    files = {"accessibility": accessibility, "regions": regions_file, "exclude": exclude, "genes": genes}
    inputs = open_inputs(genome, model, alias=alias, threads=threads, files=files)
    sizes = inputs.genome.chromsizes

    def bases_to_score() -> dict[str, int]:
        chosen = {} if chromosomes_to_score is None else {chrom: sizes[chrom] for chrom in chromosomes_to_score(sizes)}
        return chosen or bases_by_chromosome(spans)

    try:
        with collect_warnings(inputs.cautions):
            annotation = None if genes is None else read_genes(genes, sizes)
            sizes.places = None if annotation is None else annotation.find
            spans, counts = find_spans(sizes, stride, regions, regions_file, exclude)
            inputs.open_track(
                accessibility,
                bases_to_score,
                scale=scale,
                allow_length_mismatch=allow_length_mismatch,
                bed_value=bed_value,
                missing_chromosomes=missing_chromosomes,
                reads=counting,
                compare=compare_track,
            )
        threshold = choose_threshold(inputs.model.metadata, inputs.track is not None, threshold_rule)
    except BaseException:
        inputs.files.close()
        raise
    windows = int(count_windows(span_table(spans, sizes), stride).sum())
    return Scan(inputs, stride, threshold, spans, counts, windows, annotation)


def bases_by_chromosome(spans: Sequence[Region]) -> dict[str, int]:
    """Add up the bases of spans by chromosome."""
    bases: dict[str, int] = {}
    for chrom, start, end in spans:
        bases[chrom] = bases.get(chrom, 0) + end - start
    return bases
