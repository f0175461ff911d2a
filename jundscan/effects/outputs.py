"""Write the effects of variants: as INFO fields of the VCF or as a table, and the record of the run."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.effects.alleles import HIT_CHANGES, STATUSES, declare_fields, info_fields
from jundscan.effects.contigs import Contigs, check_variants
from jundscan.effects.positions import ShiftedPositions
from jundscan.effects.score import Effects, score_variants
from jundscan.effects.tasks import TASK_ALLELES
from jundscan.errors import OutputError
from jundscan.io.bgzip import Preset, is_compressed
from jundscan.io.numbers import format_probabilities
from jundscan.io.outputs import check_output, open_output
from jundscan.io.streams import is_stream
from jundscan.io.vcf import Variant, import_pysam, log_table, open_vcf
from jundscan.run.record import header as header_of
from jundscan.run.record import run_facts
from jundscan.scanning.plan import Scan
from jundscan.schemas.records import VariantsRecord

log = logging.getLogger("jundscan")

COLUMNS = (
    *("chrom", "start", "end", "pos", "id", "reference", "alternative", "status"),
    *("reference_probability", "alternative_probability", "difference"),
    *("window_start", "window_end", "window_difference", "hit", "reference_fpr", "alternative_fpr", "left_shift"),
    *("percentile", "uniform_percentile"),
)
"""Columns of the TSV, which has one line per ALT.

start, end, window_start and window_end are 0-based half-open. pos is start + 1, the POS of the VCF. left_shift counts
the bases by which left-alignment moves the POS of an indel. percentile and uniform_percentile are shares of reference
variants with a smaller absolute difference, in accessible windows and anywhere.
"""
_ENDINGS = (".vcf", ".vcf.gz", ".tsv", ".tsv.gz")
_MISSING = "."
_INFO = 7  # index of the VCF column
_TASK_GENOTYPES = 1 << 21
"""Maximum genotypes per task, because the records of a task are in memory at once."""


def check_variant_output(path: str, force: bool) -> None:
    """Check before any work that effects can be written to ``path``.

    Raises
    ------
    JundscanError
        When pysam is not installed.
    OutputError
        When the file name has no known ending, and as :func:`jundscan.io.outputs.check_output` does.
    """
    import_pysam()
    if not is_stream(path) and not path.lower().endswith(_ENDINGS):
        raise OutputError(f"{path}: variants must go to a file that ends in .vcf, .vcf.gz or .tsv, or to - (VCF)")
    check_output(path, force, indexed=True)


def write_variants(
    scan: Scan,
    variants: str | Path,
    output: str,
    force: bool = False,
    on_progress: Callable[[int], None] = lambda position: None,
    command: str | None = None,
    allow_length_mismatch: bool = False,
    on_effects: Callable[[Sequence[Any], Effects], None] | None = None,
) -> VariantsRecord:
    """Score the variants of a VCF, a BCF or a table, and write their effects in the order of the input.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    variants : str or pathlib.Path
        VCF or table, gzipped or not, or BCF. Records can be in any order.
    output : str
        ``.vcf`` or ``.tsv``. With ``.gz``, it is compressed by bgzip, and indexed if the records are sorted. ``-``
        writes VCF to stdout.
    force : bool
        Replace existing files.
    on_progress : callable
        Called after each task with the bytes of the input read since the last call.
    command : str, optional
        The command line, for the header and the record.
    allow_length_mismatch : bool
        Accept a VCF whose header has other lengths for chromosomes of its records than the genome.
    on_effects : callable, optional
        Called after each task with its records and effects.

    Returns
    -------
    VariantsRecord
        The record of ``variants --json``.

    Raises
    ------
    InputError
        When the variants cannot be read, share no chromosome with the genome, or have other chromosome lengths in
        their header. Files are checked before any work, pipes while they are read.
    OutputError
        When the output cannot be written. No partial output stays.
    """
    began = time.perf_counter()
    check_variant_output(output, force)
    scan.inputs.watch(variants)
    factor = scan.model.metadata.factor
    if scan.model.metadata.effects is None:
        log.info("The model holds no effects of reference variants, so percentiles are missing. It is an older one.")
    tally, bytes_done, about = _Tally(), 0, header_of(scan.inputs, scan.threshold, scan.stride, command)
    is_table = output.lower().endswith((".tsv", ".tsv.gz"))
    longest = max(scan.genome.chromsizes.values())
    contigs, shifted = Contigs(scan.genome, allow_length_mismatch, to_vcf=not is_table), ShiftedPositions(scan)
    check_variants(variants, contigs)
    with open_vcf(variants) as vcf:
        log_table(vcf)
        header, feed = vcf.file.header, vcf.pipe
        is_new = declare_fields(vcf, factor, about)
        contigs.declare(vcf)
        task_alleles = min(TASK_ALLELES, _TASK_GENOTYPES // (1 + len(header.samples)) + 1)
        scored = score_variants(scan, tally.count(contigs.checked(vcf)), task_alleles, lambda: feed.bytes_passed)
        preset: Preset = "bed" if is_table else "vcf"
        with open_output(output, force, preset, longest, lambda: tally.is_sorted) as stream:
            stream.write(about + "#" + "\t".join(COLUMNS) + "\n" if is_table else str(header))
            for records, effects in scored:
                lines = _format_table(records, effects) if is_table else _format_vcf(records, effects, factor, is_new)
                stream.writelines(lines)
                tally.add(effects)
                shifted.add(records, effects)
                if on_effects is not None:
                    on_effects(records, effects)
                before, bytes_done = bytes_done, feed.bytes_read
                on_progress(bytes_done - before)
    if is_compressed(output) and not tally.is_sorted:
        scan.inputs.cautions.add("unsorted", f"{output}: not sorted, so not indexed; bcftools sort does both")
    warn_of_unaligned_indels(scan, tally.indels_not_left_aligned, variants)
    mismatches = int(tally.status[STATUSES.index("ref_mismatch")])
    if 2 * mismatches > tally.alleles:
        scan.inputs.cautions.add(
            "reference_mismatches",
            f"{variants}: {mismatches:,} of {tally.alleles:,} REF alleles differ from {scan.genome.path}. Use the "
            f"genome (assembly) that the variants were called on{shifted.advice()}",
            alleles=tally.alleles,
            mismatches=mismatches,
        )
    return {
        **run_facts(scan.inputs, scan.threshold, {"variants": Path(variants)}, command),
        "output": output,
        "percentiles": None if (known := scan.model.metadata.effects) is None else known.source,
        "records": tally.records,
        "records_without_alternative": tally.without_alternative,
        "sorted": tally.is_sorted,
        "alleles": tally.alleles,
        "status": {name: tally.status[number] for number, name in enumerate(STATUSES)},
        "hits": {name: tally.hits[number] for number, name in enumerate(HIT_CHANGES)},
        "indels_in_repeats": tally.indels_in_repeats,
        "indels_not_left_aligned": tally.indels_not_left_aligned,
        "seconds": (seconds := time.perf_counter() - began),
        "alleles_per_second": tally.alleles / seconds,
    }


def warn_of_unaligned_indels(scan: Scan, count: int, variants: str | Path) -> None:
    """Warn of indels that are not left-aligned, with the command that aligns them."""
    if count:
        indels = f"{count:,} indels are" if count > 1 else "1 indel is"
        scan.inputs.cautions.add(
            "not_left_aligned",
            f"{variants}: {indels} not left-aligned. Effects are the same wherever an indel is written in a repeat. "
            f"Before comparing positions with other files, run: bcftools norm -f {scan.genome.path} {variants}",
            indels=count,
        )


class _Tally:
    """Counts of records read and of effects."""

    def __init__(self) -> None:
        self.records = self.without_alternative = self.alleles = 0
        self.indels_in_repeats = self.indels_not_left_aligned = 0
        self.is_sorted = True
        self.status: Counter[int] = Counter()
        self.hits: Counter[int] = Counter()
        self._chroms: set[int] = set()
        self._last = (-1, -1)

    def count(self, variants: Iterable[tuple[Any, Variant]]) -> Iterator[tuple[Any, Variant]]:
        """Yield variants with their records, counting them and checking their order."""
        for record, variant in variants:
            self.records += 1
            self.without_alternative += not record.alts
            chrom, position = record.rid, record.pos
            if chrom != self._last[0]:
                self.is_sorted &= chrom not in self._chroms
                self._chroms.add(chrom)
            elif position < self._last[1]:
                self.is_sorted = False
            self._last = chrom, position
            yield record, variant

    def add(self, effects: Effects) -> None:
        """Count the effects of alleles."""
        self.alleles += len(effects.status)
        self.status.update(effects.status.tolist())
        self.hits.update(effects.hit.tolist())
        self.indels_in_repeats += int(effects.in_repeat.sum())
        self.indels_not_left_aligned += int((effects.left_shift > 0).sum())


def _field_values(effects: Effects) -> Iterator[tuple[str, ...]]:
    """Format the VCF fields of each allele, in the order of :func:`jundscan.effects.alleles.info_fields`."""
    floats = (effects.reference, effects.alternative, effects.difference, effects.window_difference)
    shares = (effects.reference_fpr, effects.alternative_fpr, effects.percentile, effects.uniform_percentile)
    numbers = [_format_floats(column) for column in (*floats, *shares)]
    windows = [_MISSING if window < 0 else str(window + 1) for window in effects.window.tolist()]
    hits = [_MISSING if hit < 0 else HIT_CHANGES[hit] for hit in effects.hit.tolist()]
    statuses = [STATUSES[status] for status in effects.status.tolist()]
    old, new, change, window_change, old_fpr, new_fpr, percentiles, uniform = numbers
    return zip(
        *(old, new, change, windows, window_change, hits, old_fpr, new_fpr, statuses, percentiles, uniform), strict=True
    )


def _format_floats(column: NDArray[Any]) -> list[str]:
    """Format values as float32, the floats of a VCF, to 6 digits. One format call for all takes half the time."""
    values = column.astype(np.float32).tolist()
    return ("%.6g " * len(values) % tuple(values)).replace("nan", _MISSING).split()


def _format_vcf(records: Iterable[Any], effects: Effects, factor: str, is_new: bool) -> Iterator[str]:
    """Format records as VCF lines, with our fields behind the other INFO fields.

    The fields are added to pysam's line as text, because setting them in pysam takes longer than everything else
    about a record. ``is_new`` is false where an earlier run may have left such fields.
    """
    alleles, fields_of_factor = _field_values(effects), tuple(info_fields(factor))
    all_fields = ";".join(f"{key}=%s" for key in fields_of_factor)
    for record in records:
        if not is_new:
            for key in fields_of_factor:
                if key in record.info:
                    del record.info[key]
        rows = list(islice(alleles, len(record.alts or ())))
        values = rows[0] if len(rows) == 1 else tuple(map(",".join, zip(*rows, strict=True)))
        fields = str(record).rstrip("\n").split("\t", _INFO + 1)
        is_complete = _MISSING not in values and len(rows) == 1
        ours = all_fields % values if is_complete else _join_present(fields_of_factor, values)
        if ours:
            fields[_INFO] = ours if fields[_INFO] == _MISSING else f"{fields[_INFO]};{ours}"
        yield "\t".join(fields) + "\n"


def _join_present(keys: Iterable[str], values: Iterable[str]) -> str:
    """Join the fields that have a value for at least one allele."""
    pairs = zip(keys, values, strict=False)
    return ";".join([f"{key}={value}" for key, value in pairs if value.strip(f"{_MISSING},")])


def _format_table(records: Iterable[Any], effects: Effects) -> Iterator[str]:
    """Format one TSV line per alternative allele."""
    columns = [column.tolist() for column in effects]
    columns[1:3] = [format_probabilities(effects.reference), format_probabilities(effects.alternative)]
    alleles = zip(*columns, strict=True)
    for record in records:
        for alternative in record.alts or ():
            status, old, new, change, window, window_change, hit, *rates, left_shift, _, near, uniform = next(alleles)
            site = [record.chrom, record.start, record.start + len(record.ref), record.pos, record.id]
            effect: list[Any] = [None] * 12
            if hit >= 0:
                fprs = [rate if rate == rate else None for rate in rates]  # NaN differs from itself
                span = [window, window + WINDOW_LENGTH]
                shares = [f"{share:.6g}" if share == share else None for share in (near, uniform)]
                effect = [old, new, f"{change:.6g}", *span, f"{window_change:.6g}", HIT_CHANGES[hit], *fprs, left_shift]
                effect += shares
            cells = [*site, record.ref, alternative, STATUSES[status], *effect]
            yield "\t".join([_MISSING if cell is None else str(cell) for cell in cells]) + "\n"
