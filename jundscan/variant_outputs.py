"""Where the effects of variants go: VCF with fields of our own, or a table; and the record of the run."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from jundscan.alleles import HITS, STATUSES, Variant
from jundscan.bgzip import Preset, is_packed
from jundscan.effects import Effects, score_variants
from jundscan.encoding import WINDOW_LENGTH
from jundscan.errors import OutputError
from jundscan.outputs import header as about_run
from jundscan.plan import Scan
from jundscan.record import run_facts
from jundscan.rows import format_probabilities
from jundscan.variant_tasks import TASK_ALLELES
from jundscan.vcf import (
    FIELDS,
    declare,
    open_vcf,
    pysam_module,
    read_variants,
)
from jundscan.writers import check_output, open_output

log = logging.getLogger("jundscan")

COLUMNS = (
    *("chrom", "start", "end", "id", "reference", "alternative", "status"),
    *("reference_probability", "alternative_probability", "difference"),
    *("window_start", "window_end", "window_difference", "hit", "reference_fpr", "alternative_fpr"),
)
"""Columns of the TSV, one line for each ALT; start, end, window_start and window_end are 0-based half-open."""
_ENDINGS = (".vcf", ".vcf.gz", ".tsv", ".tsv.gz")
_MISSING = "."
_GENOTYPES = 1 << 21
"""Genotypes of the records that one worker has at a time: cohorts come in smaller portions."""


def check_variant_output(path: str, force: bool) -> None:
    """Find out before any work whether effects can be written to ``path``.

    Raises
    ------
    JundscanError
        When pysam is not installed.
    OutputError
        When the name tells no format, and as :func:`jundscan.writers.check_output` does.
    """
    pysam_module()
    if path != "-" and not path.lower().endswith(_ENDINGS) and not Path(path).is_char_device():
        raise OutputError(f"{path}: variants must go to a file that ends in .vcf, .vcf.gz or .tsv, or to - (VCF)")
    check_output(path, force, indexed=True)


def write_variants(
    scan: Scan,
    variants: str | Path,
    output: str,
    force: bool = False,
    tell: Callable[[int], None] = lambda position: None,
    command: str | None = None,
) -> dict[str, Any]:
    """Score the variants of a VCF or BCF and write their effects, in the order of the input.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.plan.prepare`.
    variants : str or pathlib.Path
        VCF, gzipped or not, or BCF; need not be sorted.
    output : str
        ``.vcf`` or ``.tsv``; with ``.gz`` bgzipped, and indexed when the records are sorted. ``-`` is VCF on stdout.
    force : bool
        Whether existing files may be replaced.
    tell : callable
        Told how many more bytes of the input have been read, after each portion.
    command : str, optional
        The command line, for the header and the record.

    Returns
    -------
    dict
        The keys of ``variants --json``.

    Raises
    ------
    InputError
        When the variants cannot be read or share no chromosome with the genome.
    OutputError
        When the output cannot be written; nothing is left then.
    """
    began = time.perf_counter()
    check_variant_output(output, force)
    scan.watch(variants)
    tally, done, about = _Tally(), 0, about_run(scan, command)
    is_table = output.lower().endswith((".tsv", ".tsv.gz"))
    longest = max(scan.genome.chromsizes.values())
    with open_vcf(variants) as vcf:
        header, feed = vcf.file.header, vcf.feed
        fresh = declare(vcf, scan, about)
        portion = min(TASK_ALLELES, _GENOTYPES // (1 + len(header.samples)) + 1)
        portions = score_variants(scan, _counted(read_variants(vcf), tally), portion, lambda: feed.passed)
        preset: Preset = "bed" if is_table else "vcf"
        with open_output(output, force, preset, longest, lambda: tally.is_sorted) as stream:
            stream.write(about + "#" + "\t".join(COLUMNS) + "\n" if is_table else str(header))
            for records, effects in portions:
                stream.writelines(_rows(records, effects) if is_table else _annotated(records, effects, fresh))
                tally.add(effects)
                before, done = done, feed.taken
                tell(done - before)
    if is_packed(output) and not tally.is_sorted:
        log.warning("%s: not sorted, so not indexed; bcftools sort does both", output)
    return {
        **run_facts(scan, {"variants": Path(variants)}, command),
        "output": output,
        "records": tally.records,
        "records_without_alternative": tally.without_alternative,
        "sorted": tally.is_sorted,
        "alleles": tally.alleles,
        "status": {name: tally.status[number] for number, name in enumerate(STATUSES)},
        "hits": {name: tally.hits[number] for number, name in enumerate(HITS)},
        "seconds": (seconds := time.perf_counter() - began),
        "alleles_per_second": tally.alleles / seconds,
    }


def _counted(variants: Iterable[tuple[Any, Variant]], tally: _Tally) -> Iterator[tuple[Any, Variant]]:
    for record, variant in variants:
        tally.read(record)
        yield record, variant


class _Tally:
    """What was read and what became of it."""

    def __init__(self) -> None:
        self.records = self.without_alternative = self.alleles = 0
        self.is_sorted = True
        self.status: Counter[int] = Counter()
        self.hits: Counter[int] = Counter()
        self._seen: set[int] = set()
        self._last = (-1, -1)

    def read(self, record: Any) -> None:
        """Count a record and see whether it stands where a sorted file has it."""
        self.records += 1
        self.without_alternative += not record.alts
        place = record.rid, record.pos
        if place[0] != self._last[0]:
            self.is_sorted &= place[0] not in self._seen
            self._seen.add(place[0])
        elif place[1] < self._last[1]:
            self.is_sorted = False
        self._last = place

    def add(self, effects: Effects) -> None:
        """Count what became of alleles."""
        self.alleles += len(effects.status)
        self.status.update(effects.status.tolist())
        self.hits.update(effects.hit.tolist())


def _columns(effects: Effects) -> Iterator[tuple[Any, ...]]:
    """Give the values of each allele, in the order of :data:`FIELDS`; None where there is none."""
    columns = [column.tolist() for column in effects]
    for status, old, new, change, window, window_change, hit, old_fpr, new_fpr in zip(*columns, strict=True):
        if hit < 0:
            yield (*[None] * 5, _MISSING, None, None, STATUSES[status])
        else:
            known_old, known_new = (rate if rate == rate else None for rate in (old_fpr, new_fpr))  # NaN is not itself
            yield (
                *(old, new, change, window + 1, window_change),
                *(HITS[hit], known_old, known_new, STATUSES[status]),
            )


def _annotated(records: Iterable[Any], effects: Effects, fresh: bool) -> Iterator[str]:
    """Write records as VCF lines with their fields set."""
    alleles = _columns(effects)
    for record in records:
        info, count = record.info, len(record.alts or ())
        rows = zip(*(next(alleles) for _ in range(count)), strict=True) if count else [()] * len(FIELDS)
        empty = ((None,) * count, (_MISSING,) * count)
        for key, row in zip(FIELDS, rows, strict=True):
            if row not in empty:
                info[key] = row
            elif not fresh and key in info:
                del info[key]  # of an earlier run
        yield str(record)


def _rows(records: Iterable[Any], effects: Effects) -> Iterator[str]:
    """Write one TSV line for each alternative allele."""
    alleles = _columns(effects)
    probabilities = zip(format_probabilities(effects.reference), format_probabilities(effects.alternative), strict=True)
    for record in records:
        for alternative in record.alts or ():
            _, _, change, window, window_change, hit, old_fpr, new_fpr, status = next(alleles)
            old, new = next(probabilities)
            site = [record.chrom, record.start, record.start + len(record.ref), record.id, record.ref, alternative]
            effect: list[Any] = [None] * 9
            if window is not None:
                span = [window - 1, window - 1 + WINDOW_LENGTH]
                effect = [old, new, f"{change:.6g}", *span, f"{window_change:.6g}", hit, old_fpr, new_fpr]
            yield "\t".join(_MISSING if cell is None else str(cell) for cell in [*site, status, *effect]) + "\n"
