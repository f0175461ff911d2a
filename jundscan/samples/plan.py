"""Open many samples on one genome, each as a scan that shares genome, model and spans with the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jundscan.accessibility.read_tracks import open_reads, reads_format
from jundscan.accessibility.scale import MIN_VALUES, AccessibilityScale
from jundscan.accessibility.tracks import Track
from jundscan.errors import Cautions, InputError, JundscanError, collect_warnings
from jundscan.io.barcodes import BarcodeGroups
from jundscan.io.fasta.genome import Genome
from jundscan.model.model import Model
from jundscan.model.thresholds import choose_threshold
from jundscan.options import DEFAULT_STRIDE, BedValue, MissingChromosomes, ReadsAs, ReadsOptions, ThresholdRule
from jundscan.samples.table import Sample, check_names
from jundscan.scanning.plan import Scan, bases_by_chromosome, open_scan
from jundscan.threads import in_order

SHALLOW = (
    "its percentiles would be ties. Join it with another sample of its kind, give a deeper track, "
    "or take it as it is: --allow-shallow"
)


@dataclass(frozen=True)
class Samples:
    """Opened samples, from :func:`open_samples`; closes their inputs as a context manager.

    Attributes
    ----------
    samples : tuple of Sample
    scans : tuple of Scan
        One per sample, for :func:`jundscan.scanning.score.score_together`. All share genome, model and spans.
    """

    samples: tuple[Sample, ...]
    scans: tuple[Scan, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the samples."""
        return tuple(sample.name for sample in self.samples)

    @property
    def groups(self) -> tuple[str | None, ...]:
        """Groups of the samples."""
        return tuple(sample.group for sample in self.samples)

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, *exc: object) -> None:
        with ExitStack() as stack:
            for scan in self.scans:
                stack.enter_context(scan)


def open_samples(
    genome: Genome | str | Path,
    samples: Iterable[Sample],
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
    allow_shallow: bool = False,
    threads: int | None = None,
    compare_track: bool = True,
) -> Samples:
    """Open and check the genome once, and the track of every sample, before any work.

    Worker threads open the tracks and find their scales. A fragments file is read once for all groups of its barcodes.

    Parameters
    ----------
    samples : iterable of Sample
        At least one, with names that differ.
    scale : AccessibilityScale, optional
        Holds for all samples. By default each has the scale of its own track.
    allow_shallow : bool
        Accept a track with few distinct values (:data:`jundscan.accessibility.scale.MIN_VALUES`).
    genome, model, stride, …, compare_track
        As for :func:`jundscan.scanning.plan.open_scan`.

    Returns
    -------
    Samples

    Raises
    ------
    InputError
        When an input or an option cannot be used. The message names the sample.
    JundscanError
        When the model cannot be used.
    """
    listed = tuple(samples)
    if not listed:
        raise InputError("samples: none is given")
    check_names(listed)
    base = open_scan(
        genome,
        model=model,
        stride=stride,
        regions=regions,
        regions_file=regions_file,
        exclude=exclude,
        alias=alias,
        bed_value=bed_value,
        missing_chromosomes=missing_chromosomes,
        genes=genes,
        threads=threads,
    )
    threshold = choose_threshold(base.model.metadata, True, threshold_rule)
    counting = _reads_options(listed, ReadsOptions(reads, min_mapq))

    def open_one(item: tuple[Sample, Scan, ReadsOptions]) -> None:
        sample, scan, of_reads = item
        with _errors_of(sample), collect_warnings(scan.inputs.cautions):
            scan.inputs.open_track(
                tracks.get(sample.name, sample.accessibility),
                lambda: bases_by_chromosome(scan.spans),
                scale=scale,
                allow_length_mismatch=allow_length_mismatch,
                bed_value=bed_value,
                missing_chromosomes=missing_chromosomes,
                reads=of_reads,
                compare=compare_track,
                remedy=SHALLOW,
                min_values=1 if allow_shallow else MIN_VALUES,
            )

    scans = [
        replace(
            with_own_inputs(
                base,
                {"accessibility": sample.accessibility, "barcodes": sample.barcodes},
                f"sample {sample.name}: ",
            ),
            threshold=threshold,
        )
        for sample in listed
    ]
    with ExitStack() as on_failure:
        for scan in scans:
            on_failure.enter_context(scan)
        tracks = _open_cells(base, listed, counting, on_failure)
        items = zip(listed, scans, counting, strict=True)
        with closing(in_order(open_one, items, base.inputs.threads)) as opened:
            for _ in opened:
                pass
        on_failure.pop_all()
    return Samples(listed, tuple(scans))


@contextmanager
def _errors_of(sample: Sample) -> Iterator[None]:
    """Raise errors as InputError that names the sample."""
    try:
        yield
    except JundscanError as err:
        raise InputError(f"sample {sample.name}: {err}") from err


def _reads_options(samples: Sequence[Sample], given: ReadsOptions) -> list[ReadsOptions]:
    """Return what counts of each sample's reads; options on reads are for the samples that hold any."""
    if given == ReadsOptions():
        return [given] * len(samples)
    formats = []
    for sample in samples:
        with _errors_of(sample):
            is_file = isinstance(sample.accessibility, Path)
            formats.append(reads_format(sample.accessibility) if is_file else None)  # type: ignore[arg-type]
    if not any(formats):
        return [given] * len(samples)  # opening the first track is an error
    of_format = {None: ReadsOptions(), "fragments": ReadsOptions(given.given_as)}
    return [of_format.get(found, given) for found in formats]


def _open_cells(
    base: Scan, samples: Sequence[Sample], counting: Sequence[ReadsOptions], files: ExitStack
) -> dict[str, Track]:
    """Read each fragments file once for all samples that share a file of barcodes; return the tracks by sample."""
    together: dict[tuple[Path, Path | None], list[tuple[Sample, ReadsOptions]]] = {}
    for sample, reads in zip(samples, counting, strict=True):
        if sample.cells is not None and isinstance(sample.accessibility, Path):
            together.setdefault((sample.accessibility, sample.barcodes), []).append((sample, reads))

    def read(rows: list[tuple[Sample, ReadsOptions]]) -> dict[str, Track]:
        one, reads = rows[0]
        cells = {sample.name: sample.cells or frozenset() for sample, _ in rows}
        groups = cells if one.barcodes is None else BarcodeGroups(one.barcodes, cells)
        with _errors_of(one):
            return dict(open_reads(one.accessibility, base.genome.chromsizes, reads, groups))  # type: ignore[arg-type]

    tracks: dict[str, Track] = {}
    with closing(in_order(read, together.values(), base.inputs.threads)) as opened:
        for found in opened:
            for track in found.values():
                files.enter_context(track)
            tracks |= found
    return tracks


def with_own_inputs(base: Scan, files: Mapping[str, object], about: str = "") -> Scan:
    """Return a scan with the genome, the model and the spans of another, but with its own track and warnings.

    Parameters
    ----------
    base : Scan
        A scan without a track.
    files : mapping of str to object
        Further inputs by what they are; those that are paths are watched for changes.
    about : str
        See :class:`jundscan.errors.Cautions`.
    """
    shared = base.inputs
    cautions = Cautions(shared.cautions)
    cautions.about = about
    inputs = replace(
        shared,
        paths=dict(shared.paths),
        fingerprints=dict(shared.fingerprints),
        cautions=cautions,
        timings={},
        files=ExitStack(),
    )
    for kind, path in files.items():
        if isinstance(path, Path):
            inputs.paths[kind] = path
            inputs.watch(path)
    return replace(base, inputs=inputs)
