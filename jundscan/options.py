"""Options that Python and the command line share, with their defaults and checks. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, get_args

from jundscan.errors import InputError

if TYPE_CHECKING:
    from jundscan.accessibility.scale import AccessibilityScale

Device = str
"""Where the model runs: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. ``auto`` uses CUDA if available, else the CPU."""
ThresholdKind = Literal["threshold", "fpr", "precision", "recall"]
"""What a user chooses the threshold by, see :class:`ThresholdRule`."""
Format = Literal["bed", "narrowPeak", "table", "windows"]
"""What a scan writes: hits in one of three formats, or one line per window (``windows``)."""
FormatChoice = Literal["bed", "narrowPeak", "table", "windows", "tsv"]
"""Choices of ``--format``. ``tsv`` is the older name of ``windows``."""
TrackFormat = Literal["bw", "bedgraph"]
"""Tracks of samples: bigWig or bedGraph."""
DEFAULT_TRACK_DIGITS = 3
"""Decimals of the values of a track."""
MAX_TRACK_DIGITS = 6
"""Maximum decimals, because float32 holds few numbers near 1 with more."""
BedValue = Literal["score", "presence"]
"""Value of an interval of a BED track: its score, or 1 (``presence``)."""
MissingChromosomes = Literal["closed", "unknown", "error"]
"""How chromosomes that are missing from the track are scored.

``closed``: with accessibility 0. ``unknown``: from sequence alone. ``error``: not at all, the run ends with an error.
"""
ReadsAs = Literal["cuts", "fragments"]
"""What reads count: the cut at each end of a fragment, or every base of the fragment."""
DEFAULT_MIN_MAPQ = 30
"""Minimum mapping quality of a read that counts: at most one in a thousand of these lies elsewhere."""
MAX_MAPQ = 255
Backend = Literal["local", "dask"]
"""Where a scan runs: on this machine, or on the workers of a Dask cluster."""
_ENDINGS: dict[str, tuple[Format, ...]] = {
    ".bed": ("bed", "narrowPeak"),
    ".narrowpeak": ("narrowPeak",),
    ".tsv": ("table", "windows"),
    ".csv": ("table",),
}
"""Formats that suit the ending of a file's name, the one that it chooses first."""
_COMPRESSED = (".gz", ".bgz")
_WORKBOOKS = (".xlsx", ".xls")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
DEFAULT_STRIDE = 10
"""Bases between window starts. The model's graph has a faster branch for this stride."""
MAX_EXTEND = 1_000_000
"""Maximum bases by which regions are widened on a side. More is taken for a mistake."""
MAX_STRIDE = 1_000_000
"""Maximum bases between window starts. A larger stride is taken for a mistake."""

FDR = 0.05
"""Changes of a comparison need a lower q value, where there are replicates."""
MIN_DIFFERENCE = 2.0
"""Logits by which groups without replicates must differ. Two tracks of one tumour differ by 2 or more at 0.2 % of sites
or fewer, but by 1 or more at 4 to 11 % (``benchmarks/compare.json``)."""


@dataclass(frozen=True)
class ThresholdRule:
    """How a user chooses the threshold.

    Attributes
    ----------
    kind : {"threshold", "fpr", "precision", "recall"}
        ``threshold``: ``value`` itself. The others look it up in the model's calibration table. ``fpr``: the lowest
        threshold with at most this false-positive rate. ``precision``: the lowest threshold with at least this
        precision. ``recall``: the highest threshold with at least this recall.
    value : float
        From 0 to 1.

    Raises
    ------
    InputError
        When the value is not a number from 0 to 1.
    """

    kind: ThresholdKind
    value: float

    def __post_init__(self) -> None:
        check_fraction(self.kind, self.value)
        object.__setattr__(self, "value", float(self.value))  # it may be a number of numpy or a Fraction


@dataclass(frozen=True)
class ReadsOptions:
    """How aligned reads and fragments become a track. None where the user gave nothing.

    Attributes
    ----------
    given_as : {"cuts", "fragments"} or None
        What to count. None: cuts.
    given_min_mapq : int or None
        Minimum mapping quality, for BAM and CRAM. None: 30.

    Raises
    ------
    InputError
        When a value is none of these.
    """

    given_as: ReadsAs | None = None
    given_min_mapq: int | None = None

    def __post_init__(self) -> None:
        if self.given_as is not None:
            check_choice("reads", self.given_as, ReadsAs)
        if self.given_min_mapq is not None:
            object.__setattr__(self, "given_min_mapq", whole_number("min_mapq", self.given_min_mapq, 0, MAX_MAPQ))

    @property
    def counted_as(self) -> ReadsAs:
        """What to count."""
        return self.given_as or "cuts"

    @property
    def min_mapq(self) -> int:
        """Minimum mapping quality."""
        return DEFAULT_MIN_MAPQ if self.given_min_mapq is None else self.given_min_mapq


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """Options of a run and their defaults, which Python and the command line share.

    :func:`jundscan.scan` describes them. ``threshold_rule`` holds its threshold, fpr, precision or recall.
    """

    stride: int = DEFAULT_STRIDE
    threshold_rule: ThresholdRule | None = None
    regions: str | Iterable[str] = ()
    regions_file: str | Path | None = None
    exclude: str | Path | None = None
    scale: AccessibilityScale | str | Path | None = None
    allow_length_mismatch: bool = False
    alias: str | Path | None = None
    bed_value: BedValue = "score"
    missing_chromosomes: MissingChromosomes | None = None
    reads: ReadsAs | None = None
    min_mapq: int | None = None
    genes: str | Path | None = None
    threads: int | None = None


def threshold_rule(
    threshold: float | None, fpr: float | None, precision: float | None, recall: float | None
) -> ThresholdRule | None:
    """Return the rule that a user gave, or None without one.

    Raises
    ------
    InputError
        When there are several rules, or the value is not a number from 0 to 1.
    """
    values: dict[ThresholdKind, float | None] = {
        "threshold": threshold,
        "fpr": fpr,
        "precision": precision,
        "recall": recall,
    }
    rules = [ThresholdRule(kind, value) for kind, value in values.items() if value is not None]
    if len(rules) > 1:
        raise InputError(f"{' and '.join(rule.kind for rule in rules)} exclude each other")
    return rules[0] if rules else None


def _ending(path: str | Path) -> str:
    """Return the ending of a file's name in lower case, without that of compression."""
    name = Path(path).name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def hit_format(path: str | Path, given: FormatChoice | None = None) -> Format:
    """Return the format of hits: the one given, else that of the file's ending, else ``bed``.

    Raises
    ------
    InputError
        When the name is that of an Excel workbook.

    Examples
    --------
    >>> hit_format("hits.CSV.gz"), hit_format("hits.tsv", "bed"), hit_format("-"), hit_format("hits.bed", "tsv")
    ('table', 'bed', 'bed', 'windows')
    """
    ending = _ending(path)
    if ending in _WORKBOOKS:
        raise InputError(f"{path}: workbooks of Excel are not written; name a .csv or .tsv file, which Excel opens")
    if given is not None:
        return "windows" if given == "tsv" else given
    return _ENDINGS.get(ending, ("bed",))[0]


def is_odd_ending(path: str | Path, chosen: Format) -> bool:
    """Return whether the ending of a file's name promises another format than the chosen one.

    Examples
    --------
    >>> is_odd_ending("hits.bed", "table"), is_odd_ending("hits.bed", "narrowPeak"), is_odd_ending("hits.txt", "table")
    (True, False, False)
    """
    suited = _ENDINGS.get(_ending(path))
    return suited is not None and chosen not in suited


def delimiter(path: str | Path) -> str:
    """Return what separates the columns of a table of hits: commas in ``.csv``, else tabs."""
    return "," if _ending(path) == ".csv" else "\t"


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise InputError unless the value is one of the choices of a ``Literal``."""
    known = get_args(choices)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name} {value!r}: must be one of {', '.join(known)}")


def check_device(device: object) -> None:
    """Raise InputError unless a device is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise InputError(f"device {device!r}: must be one of auto, cpu, cuda, cuda:N")


def card_number(device: Device) -> int:
    """Return the number of the card that a device names, 0 if it names none.

    Examples
    --------
    >>> card_number("cuda:1"), card_number("cuda"), card_number("auto")
    (1, 0, 0)
    """
    return int(device.partition(":")[2] or 0)


def is_fraction(value: float) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(0.0 <= value <= 1.0)


def check_fraction(name: str, value: float) -> None:
    """Raise InputError unless the value is a number from 0 to 1."""
    if not is_fraction(value):
        raise InputError(f"{name} {value!r}: not a number between 0 and 1")


def check_difference(name: str, value: float) -> None:
    """Raise InputError unless the value is a number of logits, 0 or more."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise InputError(f"{name} {value!r}: not a number of 0 or more")


def whole_number(name: str, value: SupportsIndex, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number of any integer type as an int.

    Raises
    ------
    InputError
        When the value is anything else, or out of the limits.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least) or (most is not None and number > most):
        limits = "" if least is None else f", at least {least}" if most is None else f", from {least} to {most:,}"
        raise InputError(f"{name} {value!r}: must be a whole number{limits}")
    return number


def positive_int(name: str, value: SupportsIndex, most: int | None = None) -> int:
    """Return a whole number from 1 to ``most``, see :func:`whole_number`."""
    return whole_number(name, value, 1, most)
