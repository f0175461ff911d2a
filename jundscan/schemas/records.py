"""Every record that the command line writes as JSON, key by key.

The functions that build a record have its type as their return type, so mypy compares the two. The JSON Schemas beside
this file are made from these types by ``python -m tests.golden.schemas``. A program finds a schema at
``importlib.resources.files("jundscan") / "schemas" / "scan.schema.json"``. The record of ``info`` is
:class:`jundscan.model.metadata.ModelInfo`.

Code that is loaded for ``--help`` imports this module for types only, because msgspec takes time to load.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, NotRequired, TypedDict, get_args

from msgspec import Meta


def about(text: str) -> Meta:
    """Describe a key for its JSON Schema."""
    return Meta(description=text)


def each_of(keys: Iterable[str]) -> Meta:
    """State for the JSON Schema of a mapping that it has all of these keys, and no other."""
    names = list(keys)
    return Meta(extra_json_schema={"required": names, "propertyNames": {"enum": names}})


Count = Annotated[int, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
"""A number from 0 to 1."""
NotNegative = Annotated[float, Meta(ge=0)]
Seconds = NotNegative
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Interval = Annotated[list[float], Meta(min_length=2, max_length=2)]
"""A lower and an upper bound."""
Figure = int | float | str | list[str]
"""A number, a name or names in a warning."""

Share = Literal["recall", "fpr", "precision", "hit_precision", "peak_recall"]
"""A column of the calibration table after the threshold, see :class:`jundscan.model.metadata.CalibrationRow`."""
MetricName = Literal["weighted_accuracy", "precision", "recall", "f1", "auroc", "average_precision", "mcc", "brier"]
"""A metric that has a confidence interval."""
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
"""Whether an alternative allele was scored, and if not, why.

``scored``: every window was scored. ``partial``: some windows hold N (or any letter but ACGT) and were left out. All
other alleles are not scored. ``ref_mismatch``: REF differs from the genome. ``unknown_bases``: every window holds N.
``no_contig``: the genome lacks the chromosome. ``no_window``: the sequence, with REF or with ALT, is shorter than a
window. ``symbolic``: ``<DEL>`` and the like. ``breakend``: ``G]17:198982]`` and the like. ``spanning_deletion``: ``*``.
``unchanged``: ALT equals REF. ``ambiguous``: ALT holds a IUPAC code such as R, which stands for A or G.
``no_alternative``: ``.`` as one of several alleles.
"""
RegionStatus = Literal["hit", "below threshold", "too short", "unknown bases"]
"""Whether the best window of a region reaches the threshold, or why none was scored.

``too short``: the region holds no window. ``unknown bases``: each of its windows holds N (or any letter but ACGT).
"""
HitChange = Literal["gained", "lost", "kept", "none"]
"""Whether the best window reaches the threshold: on the alternative only, the reference only, both, neither."""
Change = Literal["gained", "lost", "stronger", "weaker", "same"]
"""What becomes of a site from the second group of a contrast to the first.

``gained``: only the first reaches the threshold. ``lost``: only the second does. ``stronger`` and ``weaker``: both or
neither do. ``same``: the difference is not significant, or without replicates small.
"""
AccessibilityOfShards = Literal[
    "not available",
    "percentile in the track",
    "percentile in these shards",
    "as given (identity)",
    "mapped by the scale given",
]
"""What the model saw as the accessibility of labelled windows."""


class WarningRecord(TypedDict):
    """A warning about a result that may mislead."""

    code: Annotated[str, about("What the warning is about, for programs. Codes stay, messages may change.")]
    message: Annotated[str, about("One line for people.")]
    figures: Annotated[dict[str, Figure], about("Numbers and names in the message. Shares are fractions, 0 to 1.")]


class FileRecord(TypedDict):
    """An input file."""

    path: Annotated[str, about("Path, as given on the command line.")]
    bytes: Annotated[Count | None, about("Size. null for standard input, a pipe or a device.")]
    modified: Annotated[str | None, about("Time of the last change, UTC, ISO 8601. null as for bytes.")]


class ModelRecord(TypedDict):
    """The model that computed the scores."""

    name: Annotated[str, about("Name of the model.")]
    version: Annotated[str, about("Version of the model.")]
    sha256: Annotated[Sha256, about("SHA-256 of the model's file.")]
    factor: Annotated[str, about("Transcription factor whose binding it predicts.")]


class VersionsRecord(TypedDict):
    """Versions of the software that computes the numbers."""

    jundscan: Annotated[str, about("Version of jundscan.")]
    onnxruntime: Annotated[str, about("Version of ONNX Runtime.")]
    numpy: Annotated[str, about("Version of numpy.")]
    pybigtools: Annotated[str, about("Version of pybigtools.")]
    python: Annotated[str, about("Version of Python.")]


class ValuesRecord(TypedDict):
    """Which values of a track's file were read."""

    kind: Annotated[str, about("Format of the file, such as narrowPeak.")]
    column: Annotated[int | None, about("Column of the values, from 1. null if the format has no such column.")]


class ReadsRecord(TypedDict):
    """What was counted of a file of reads or fragments.

    lines is the sum of fragments, unpaired_reads, mates and left_out.
    """

    format: Annotated[Literal["BAM", "CRAM", "fragments"], about("Format of the file.")]
    counted_as: Annotated[
        Literal["cuts", "fragments"], about("Whether the ends of fragments were counted, or all of their bases.")
    ]
    min_mapq: Annotated[Count | None, about("Minimum mapping quality. null for a fragments file.")]
    lines: Annotated[Count, about("Alignments, or lines of a fragments file.")]
    fragments: Annotated[Count, about("Fragments counted.")]
    unpaired_reads: Annotated[Count, about("Unpaired reads counted.")]
    mates: Annotated[Count, about("Right mates, which stand in the fragments of their left mates.")]
    left_out: Annotated[dict[str, Count], about("Alignments or lines left out, by reason.")]


class TrackOfReadsRecord(TypedDict):
    """What records share whose track may be made of reads."""

    accessibility_reads: NotRequired[
        Annotated[ReadsRecord, about("What was counted, where the track is a file of reads or fragments.")]
    ]


class KnotsRecord(TypedDict):
    """A broken line from window means to percentiles. Both lists have the same length."""

    values: Annotated[list[float], about("Means above 0 in the track's unit, ascending.")]
    percentiles: Annotated[list[Fraction], about("Rank of each mean among all windows, 0 to 1, ascending.")]


class ScaleRecord(KnotsRecord):
    """An accessibility scale. Without values it changes nothing."""

    windows: Annotated[Count, about("Windows that the scale was found on.")]
    wider: NotRequired[
        Annotated[dict[str, KnotsRecord], about("The same for wider means, by the bases around a window's centre.")]
    ]


class SharedRecord(TypedDict):
    """What the records of scan, compare, variants and explain share."""

    jundscan: Annotated[str, about("Version of jundscan.")]
    command: Annotated[str | None, about("Command line. null for a run from Python.")]
    genome: Annotated[str, about("Path of the FASTA.")]
    timings: Annotated[dict[str, Seconds], about("Seconds of each stage.")]
    threshold: Annotated[float, about("Windows that score this or more are called.")]
    threshold_rule: Annotated[str, about("How the threshold was chosen.")]
    expected: Annotated[
        dict[Share, Fraction | None],
        each_of(get_args(Share)),
        about("Shares to expect at the threshold, by the model's calibration. null where nothing is known."),
    ]
    model: ModelRecord
    provider: Annotated[str, about("ONNX Runtime provider that ran the model.")]
    threads: Annotated[int, Meta(ge=1), about("Worker threads.")]
    versions: VersionsRecord
    inputs: Annotated[dict[str, FileRecord], about("Input files by what they are: genome, accessibility, model, …")]
    warnings: Annotated[list[WarningRecord], about("What may mislead in the result.")]


class RunRecord(SharedRecord, TrackOfReadsRecord):
    """What the records of scan, variants and explain share."""

    accessibility: Annotated[str | None, about("Path of the track. null without one.")]
    accessibility_values: Annotated[ValuesRecord | None, about("Values read from the track. null without one.")]
    accessibility_scale: Annotated[ScaleRecord | None, about("Scale of the track. null without a track.")]


class MetricsRecord(TypedDict):
    """Predictions compared with labels. A metric that is undefined is null."""

    n: Annotated[Count, about("Windows.")]
    positives: Annotated[Count, about("Bound windows.")]
    threshold: Annotated[float, about("Windows that score this or more are called.")]
    weighted_accuracy: Annotated[float | None, about("Share of correct calls, by weight, 0 to 1.")]
    precision: Annotated[float, about("Share of the called windows that is bound. 0 if none is called.")]
    recall: Annotated[float | None, about("Share of the bound windows that is called.")]
    f1: Annotated[float | None, about("Harmonic mean of precision and recall.")]
    confusion_matrix: Annotated[
        list[Annotated[list[Count], Meta(min_length=2, max_length=2)]],
        Meta(min_length=2, max_length=2),
        about("Windows: [[true negatives, false positives], [false negatives, true positives]]."),
    ]
    auroc: Annotated[float | None, about("Area under the ROC curve, 0 to 1.")]
    average_precision: Annotated[float | None, about("Area under the precision-recall curve, 0 to 1.")]
    mcc: Annotated[float | None, about("Matthews correlation coefficient, -1 to 1.")]
    brier: Annotated[float | None, about("Mean squared difference of probability and label, by weight.")]
    confidence_intervals: Annotated[
        dict[MetricName, Interval | None],
        each_of(get_args(MetricName)),
        about("95 % bootstrap interval of each metric, [low, high]. null where the metric is."),
    ]


class NeighbourhoodRecord(TypedDict):
    """How much the model knew of what lies around the windows."""

    windows: Annotated[Count, about("Windows evaluated.")]
    known: Annotated[Count, about("Windows whose surroundings the model saw.")]


class EvaluationRecord(MetricsRecord, TrackOfReadsRecord):
    """The metrics of one model on one folder of shards."""

    model: ModelRecord
    provider: Annotated[str, about("ONNX Runtime provider that ran the model.")]
    accessibility: Annotated[AccessibilityOfShards, about("What the model saw as accessibility.")]
    warnings: Annotated[list[WarningRecord], about("What may mislead in the result.")]
    neighbourhood: NeighbourhoodRecord


class NamedEvaluationRecord(EvaluationRecord):
    """One of several evaluations."""

    path: Annotated[str, about("The folder of shards.")]


class EvaluationsRecord(TypedDict):
    """Several folders or models compared."""

    data: Annotated[list[NamedEvaluationRecord], about("One evaluation for each model and folder.")]


class SummitDistanceRecord(TypedDict):
    """Distance from the summit of each peak that is hit to the nearest summit of its hits."""

    median: Annotated[float, about("Bases.")]
    quartiles: Annotated[Interval, about("Bases: lower and upper quartile.")]


class PeaksRecord(TypedDict):
    """Hits compared with known peaks one by one."""

    known: Annotated[Count, about("Peaks that share a base with a scored window.")]
    hit: Annotated[Count, about("Those that share a base with a hit.")]
    recall: Annotated[Fraction | None, about("hit / known. null without a known peak.")]
    hits: Annotated[Count, about("Hits compared.")]
    hits_on_peaks: Annotated[Count, about("Those that share a base with a known peak.")]
    precision: Annotated[Fraction | None, about("hits_on_peaks / hits. null without a hit.")]
    summit_distance: Annotated[
        SummitDistanceRecord | None, about("Distance between summits. null where no peak is hit.")
    ]
    not_reached: Annotated[Count, about("Peaks without a scored window.")]


class ExcludedRecord(TypedDict):
    """What was left out of the comparison."""

    windows: Annotated[Count, about("Scored windows left out.")]
    peaks: Annotated[Count, about("Known peaks left out.")]
    hits: Annotated[Count, about("Hits left out.")]


class ComparisonRecord(MetricsRecord):
    """A scan compared with known peaks. The metrics are of all windows compared, with equal weight for both classes."""

    peaks: PeaksRecord
    excluded: Annotated[ExcludedRecord | None, about("What was left out. null without regions to leave out.")]


class AccuracyRecord(ComparisonRecord):
    """A scan compared with known peaks, and what ran it."""

    model: ModelRecord
    provider: Annotated[str, about("ONNX Runtime provider that ran the model.")]


class RegionsRecord(TypedDict):
    """Regions that the user chose."""

    given: Annotated[Count, about("Regions on the command line and in the file.")]
    left_out: Annotated[Count, about("Regions of the file that hold no window or do not lie on the genome.")]
    cut: Annotated[Count, about("Regions of the file that are cut at the end of their chromosome.")]


class ScanRecord(RunRecord):
    """The record of a scan."""

    windows_scored: Annotated[Count, about("Windows scored.")]
    windows_skipped: Annotated[Count, about("Windows with unknown letters.")]
    hits: Annotated[Count, about("Hits found.")]
    bases_scanned: Annotated[Count, about("Bases that the scored windows cover.")]
    seconds: Annotated[Seconds, about("From the first window to the last output.")]
    bases_per_second: Annotated[float, Meta(ge=0), about("bases_scanned / seconds.")]
    stride: Annotated[int, Meta(ge=1), about("Bases between window starts.")]
    regions: Annotated[RegionsRecord | None, about("Regions chosen. null for a scan of the whole genome.")]
    accuracy: Annotated[AccuracyRecord | None, about("Comparison with known peaks. null without --truth.")]


class ScoreRecord(RunRecord):
    """The record of scores of regions."""

    output: Annotated[str, about("Table of the regions. - is stdout.")]
    regions: Annotated[Count, about("Regions or sequences.")]
    status: Annotated[
        dict[RegionStatus, Count],
        each_of(get_args(RegionStatus)),
        about("Regions by whether they reach the threshold, or why they have no score."),
    ]
    windows_scored: Annotated[Count, about("Windows scored, each once.")]
    windows_skipped: Annotated[Count, about("Windows with unknown letters.")]
    seconds: Annotated[Seconds, about("From the first window to the last row.")]
    stride: Annotated[int, Meta(ge=1), about("Bases between window starts.")]
    extend: Annotated[Count, about("Bases by which each region was widened on both sides.")]


class ComparedSampleRecord(TrackOfReadsRecord):
    """One sample of a comparison."""

    sample: Annotated[str, about("Name of the sample.")]
    group: Annotated[str, about("Its group.")]
    accessibility: Annotated[str, about("Path of its track.")]
    accessibility_values: Annotated[ValuesRecord | None, about("Values read from the track. null if not known.")]
    sites: Annotated[Count, about("Sites whose best window reaches the threshold in this sample.")]


class PriorRecord(TypedDict):
    """Prior of the moderated t test, see Smyth (2004)."""

    degrees: Annotated[NotNegative | None, about("Degrees of freedom. null for infinitely many.")]
    variance: Annotated[NotNegative, about("Typical variance of the logits of a site within a group.")]


class CompareRecord(SharedRecord):
    """The record of a comparison. Differences are the first group of the contrast minus the second."""

    contrast: Annotated[list[str], Meta(min_length=2, max_length=2), about("Names of the two groups.")]
    samples: Annotated[list[ComparedSampleRecord], about("The samples of both groups.")]
    sites: Annotated[Count, about("Sites: the union of the hits of all samples.")]
    changes: Annotated[dict[Change, Count], each_of(get_args(Change)), about("Sites by what becomes of them.")]
    fdr: Annotated[float, about("Changes have a lower q value, where differences were tested.")]
    min_difference: Annotated[float, about("Changes are this many logits or more, where nothing was tested.")]
    prior: Annotated[PriorRecord | None, about("Prior of the test. null where nothing was tested.")]
    windows_scored: Annotated[Count, about("Windows scored in each sample.")]
    windows_skipped: Annotated[Count, about("Windows with unknown letters.")]
    bases_scanned: Annotated[Count, about("Bases that the scored windows cover.")]
    seconds: Annotated[Seconds, about("From the first window to the last output.")]
    stride: Annotated[int, Meta(ge=1), about("Bases between window starts.")]
    regions: Annotated[RegionsRecord | None, about("Regions chosen. null for the whole genome.")]


class DepthRecord(TypedDict):
    """How much a track tells of the windows that its scale is found on."""

    windows: Annotated[Count, about("Windows, evenly spaced over the track.")]
    covered: Annotated[Fraction, about("Share of them with a mean above 0.")]
    values: Annotated[Count, about("Distinct means above 0. With few of them, percentiles are ties.")]


class SampleFilesRecord(TypedDict):
    """Files of a sample."""

    hits: Annotated[str, about("Hits, or every window with --format tsv.")]
    track: Annotated[str | None, about("Probability of each window. null without --track.")]


class SampleRecord(ScanRecord):
    """The record of a scan of one sample. Times are those of the scan of all samples."""

    group: Annotated[str | None, about("Group of the sample. null if it has none.")]
    depth: Annotated[DepthRecord | None, about("Depth of its track. null where a scale was given.")]
    files: SampleFilesRecord


class SamplesRecord(TypedDict):
    """The record of a scan of many samples."""

    jundscan: Annotated[str, about("Version of jundscan.")]
    command: Annotated[str | None, about("Command line. null from Python.")]
    samples: Annotated[dict[str, SampleRecord], about("The record of each sample, by its name.")]
    sites: Annotated[Count, about("Sites: the union of the hits of all samples.")]
    sites_file: Annotated[str, about("Table of the sites.")]
    seconds: Annotated[Seconds, about("From the first window to the last output.")]


class VariantsRecord(RunRecord):
    """The record of a run of variants."""

    output: Annotated[str, about("File of the effects. - is stdout.")]
    percentiles: Annotated[
        str | None, about("Reference variants that percentiles come from. null for a model without any.")
    ]
    records: Annotated[Count, about("Records of the VCF, or rows of the table.")]
    records_without_alternative: Annotated[Count, about("Records without ALT.")]
    sorted: Annotated[bool, about("Whether the records were sorted.")]
    alleles: Annotated[Count, about("Alternative alleles.")]
    status: Annotated[
        dict[Status, Count], each_of(get_args(Status)), about("Alleles by whether they were scored, or why not.")
    ]
    hits: Annotated[
        dict[HitChange, Count], each_of(get_args(HitChange)), about("Scored alleles by what becomes of the hit.")
    ]
    indels_in_repeats: Annotated[Count, about("Indels that can be written at several positions.")]
    indels_not_left_aligned: Annotated[Count, about("Indels that left-aligning would move.")]
    seconds: Annotated[Seconds, about("From the first allele to the last output.")]
    alleles_per_second: Annotated[float, Meta(ge=0), about("alleles / seconds.")]


class ExplainRecord(RunRecord):
    """The record of a run of explain."""

    regions: Annotated[list[str], about("Regions explained, chrom:start-end, 0-based half-open.")]
    hits: Annotated[list[str], about("Hits explained, the strongest first.")]
    hit_probabilities: Annotated[list[Fraction | None], about("Best probability of each hit. null if not scored.")]
    hit_sites: Annotated[
        list[str], about("Known site of each hit whose bases contribute most. none for a hit without one.")
    ]
    hits_by_site: Annotated[dict[str, Count], about("Number of hits by known site. none counts hits without one.")]
    known_sites: Annotated[str, about("What counts as a known site of the model.")]
    bases: Annotated[Count, about("Bases explained.")]
    sites: Annotated[Count, about("Known sites in the regions and hits.")]
    regions_with_a_site: Annotated[Count, about("Regions and hits with a known site.")]
    files: Annotated[list[str], about("Files written.")]
    seconds: Annotated[Seconds, about("From the first region to the last output.")]


class ScaleRunRecord(TrackOfReadsRecord):
    """The record of a run of scale. --accessibility-scale takes it."""

    accessibility: Annotated[str, about("Path of the track.")]
    genome: Annotated[str | None, about("Path of the FASTA. null if none was given.")]
    command: Annotated[str, about("Command line.")]
    warnings: Annotated[list[WarningRecord], about("What may mislead in the result.")]
    accessibility_scale: ScaleRecord


ExtraRecord = TypedDict(
    "ExtraRecord",
    {  # not a class, because "for" is a keyword
        "for": Annotated[str, about("What the extra is for.")],
        "packages": Annotated[dict[str, str | None], about("Version of each package. null where it is missing.")],
    },
)
ExtraRecord.__doc__ = "An extra, a group of optional packages."


class ThreadsRecord(TypedDict):
    """Threads of a run."""

    default: Annotated[int, Meta(ge=1), about("Threads without --threads.")]
    usable_cores: Annotated[int, Meta(ge=1), about("Cores that this process may use.")]


class RuntimeRecord(TypedDict):
    """The installed ONNX Runtime."""

    wheels: Annotated[dict[str, str], about("Version of each distribution that ships the module. Should be one.")]
    available_providers: Annotated[list[str], about("Providers that it was built with.")]


class CheckedModelRecord(TypedDict):
    """The model's file. A key is null where it could not be found out."""

    path: Annotated[str | None, about("The .onnx file.")]
    name: Annotated[str | None, about("Name of the model.")]
    version: Annotated[str | None, about("Version of the model.")]
    sha256: Annotated[Sha256 | None, about("SHA-256 of the file.")]
    expected_sha256: Annotated[Sha256 | None, about("That in the metrics.json beside it.")]


class InstallationRecord(TypedDict):
    """Facts about an installation."""

    python: Annotated[str, about("Version of Python.")]
    platform: Annotated[str, about("Operating system and processor.")]
    packages: Annotated[dict[str, str | None], about("Version of each required package. null where it is missing.")]
    extras: Annotated[dict[str, ExtraRecord], about("Optional packages by extra.")]
    threads: ThreadsRecord
    onnxruntime: RuntimeRecord
    model: CheckedModelRecord
    devices: Annotated[dict[str, str | None], about("Provider that runs on each device. null where none does.")]
    self_test: Annotated[
        dict[str, float | None],
        about("Largest difference from the scores of the export, by device. null where a score is no number."),
    ]


class DoctorRecord(InstallationRecord):
    """The record of doctor."""

    ok: Annotated[bool, about("Whether there is no problem.")]
    problems: Annotated[list[str], about("One line each: what is wrong, and what to do.")]
