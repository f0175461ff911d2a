"""Compare two groups of opened samples: score them together, call sites, test them, and make the record of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jundscan.comparison.changes import cautions, compare_groups
from jundscan.comparison.result import Comparison, Contrast
from jundscan.errors import Cautions, InputError
from jundscan.model.model import Model
from jundscan.model.thresholds import is_positive
from jundscan.options import FDR, MIN_DIFFERENCE
from jundscan.run.record import run_facts
from jundscan.samples.plan import Samples
from jundscan.samples.sites import call_sites, join_sites
from jundscan.samples.table import Sample
from jundscan.scanning.checks import check_counts
from jundscan.scanning.outputs import Counter
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows, score_together
from jundscan.schemas.records import ComparedSampleRecord, CompareRecord, RunRecord


class ContrastError(InputError):
    """Two groups cannot be compared as the user asked."""


def parse_contrast(contrast: Sequence[str]) -> Contrast:
    """Return the two groups that a user names: two names, or one text with a comma.

    Raises
    ------
    ContrastError
        When there are not two different names.

    Examples
    --------
    >>> parse_contrast(["treated,control"])
    Contrast(first='treated', second='control')
    """
    named = [str(name) for name in contrast]
    if len(named) == 1:
        named = [name.strip() for name in named[0].split(",")]
    if len(named) != 2 or not all(named):
        raise ContrastError(f"contrast {','.join(named)!r}: must name two groups, such as treated,control")
    if named[0] == named[1]:
        raise ContrastError(f"contrast {','.join(named)!r}: names one group twice; name two groups")
    return Contrast(*named)


def samples_of(contrast: Contrast, samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of both groups; all others take no part.

    Raises
    ------
    ContrastError
        When no sample has a group, or none is of a group of the contrast.
    """
    groups = [sample.group for sample in samples]
    known = [group for group in dict.fromkeys(groups) if group is not None]
    if not known:
        raise ContrastError("no sample has a group: add a column group to the table of samples")
    for group in contrast:
        if group not in known:
            raise ContrastError(f"contrast: no sample is of group {group}; there is {', '.join(known)}")
    return [sample for sample, group in zip(samples, groups, strict=True) if group in contrast]


def check_model(model: Model) -> None:
    """Raise ContrastError for a model that sees the sequence only, because it gives all samples the same score."""
    if not model.metadata.reads_accessibility:
        raise ContrastError(
            f"model {model.metadata.name} sees the sequence only, which is the same in both groups; "
            "compare with a model that sees accessibility"
        )


class RunFacts(NamedTuple):
    """What the record says of a run besides its result.

    Attributes
    ----------
    windows_scored, bases_scanned : int
        The same for every sample.
    cautions : Cautions
        Warnings about the comparison. Those about a sample are among the warnings of its inputs.
    """

    windows_scored: int
    bases_scanned: int
    cautions: Cautions


def run_comparison(
    samples: Samples,
    contrast: Contrast,
    fdr: float = FDR,
    min_difference: float = MIN_DIFFERENCE,
    scoring: Callable[[Sequence[Scan]], Iterable[tuple[ScoredWindows, ...]]] = score_together,
    on_progress: Callable[[int], None] = lambda windows: None,
) -> tuple[Comparison, RunFacts]:
    """Score all samples together, call the union of their hits, and compare the groups there.

    Memory grows with the number of sites, not with that of windows.

    Parameters
    ----------
    samples : Samples
    contrast : Contrast
        Each of its groups has a sample.
    fdr, min_difference : float
        See :class:`jundscan.comparison.result.Comparison`.
    scoring : callable
        Yields the scored windows of the scans; :func:`jundscan.cluster.client.on_cluster` has another.
    on_progress : callable
        Gets the number of windows of each chunk.
    """
    scans = samples.scans
    counters = [Counter(scan) for scan in scans]

    def counted() -> Iterator[tuple[ScoredWindows, ...]]:
        for of_samples in scoring(scans):
            for counter, chunk in zip(counters, of_samples, strict=True):
                counter.scored(chunk)
            yield of_samples
            on_progress(of_samples[0].tried)

    began = time.perf_counter()
    sites = join_sites(call_sites(scans, counted()), len(scans))
    groups = [group or "" for group in samples.groups]
    compared = compare_groups(contrast, samples.names, groups, sites, scans[0].threshold.value, fdr, min_difference)
    scans[0].inputs.timings["scanning"] = time.perf_counter() - began
    own = Cautions()
    for scan, counter in zip(scans, counters, strict=True):
        for caution in check_counts(scan, counter.windows_called, counter.windows_scored):
            (own if caution.code == "unknown_letters" else scan.inputs.cautions).take([caution])
    own.take(cautions(compared))
    return compared, RunFacts(counters[0].windows_scored, counters[0].bases_scanned, own)


def comparison_record(
    samples: Samples,
    compared: Comparison,
    facts: RunFacts,
    table: Path | None,
    command: str | None,
    seconds: float,
) -> CompareRecord:
    """Return the record of ``compare --json``.

    Parameters
    ----------
    samples : Samples
    compared : Comparison
    facts : RunFacts
    table : pathlib.Path or None
        The table of samples.
    command : str or None
        The command line.
    seconds : float
        From the first window to the last output.
    """
    scan = samples.scans[0]
    of_samples = [run_facts(one.inputs, one.threshold, {"samples": table}, command) for one in samples.scans]
    shared = of_samples[0]
    scan.inputs.timings["finishing"] = seconds - scan.inputs.timings["scanning"]
    # what every sample's inputs say is about what they share, such as the genome
    common = [one for one in shared["warnings"] if all(one in own["warnings"] for own in of_samples)]
    warnings = [*facts.cautions.to_list(), *common]
    inputs = {kind: file for kind, file in shared["inputs"].items() if kind != "accessibility"}
    for name, own in zip(compared.samples, of_samples, strict=True):
        ours = [warning for warning in own["warnings"] if warning not in common]
        warnings += [{**warning, "message": f"sample {name}: {warning['message']}"} for warning in ours]
        if "accessibility" in own["inputs"]:
            inputs[f"accessibility of {name}"] = own["inputs"]["accessibility"]
    prior = compared.prior
    return {
        "jundscan": shared["jundscan"],
        "command": command,
        "genome": shared["genome"],
        "timings": shared["timings"],
        "threshold": shared["threshold"],
        "threshold_rule": shared["threshold_rule"],
        "expected": shared["expected"],
        "model": shared["model"],
        "provider": shared["provider"],
        "threads": shared["threads"],
        "versions": shared["versions"],
        "inputs": inputs,
        "warnings": warnings,
        "contrast": list(compared.contrast),
        "samples": _sample_records(compared, of_samples),
        "sites": len(compared),
        "changes": compared.counts,
        "fdr": compared.fdr,
        "min_difference": compared.min_difference,
        "prior": None
        if prior is None
        else {"degrees": None if np.isinf(prior.degrees) else prior.degrees, "variance": prior.variance},
        "windows_scored": facts.windows_scored,
        "windows_skipped": scan.windows - facts.windows_scored,
        "bases_scanned": facts.bases_scanned,
        "seconds": seconds,
        "stride": scan.stride,
        "regions": None if scan.regions is None else scan.regions.to_dict(),
    }


def _sample_records(compared: Comparison, facts: Sequence[RunRecord]) -> list[ComparedSampleRecord]:
    called = is_positive(compared.sites.best, compared.threshold).sum(axis=0).tolist()
    records: list[ComparedSampleRecord] = []
    for name, group, number, own in zip(compared.samples, compared.groups, called, facts, strict=True):
        track = own["accessibility"]
        assert track is not None
        record: ComparedSampleRecord = {
            "sample": name,
            "group": group,
            "accessibility": track,
            "accessibility_values": own["accessibility_values"],
            "sites": number,
        }
        if "accessibility_reads" in own:
            record["accessibility_reads"] = own["accessibility_reads"]
        records.append(record)
    return records
