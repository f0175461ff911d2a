"""Effects of variants by definition, window by window, and VCFs for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from jundscan.dna.letters import WINDOW_LENGTH, encode
from jundscan.effects.alleles import HIT_CHANGES, STATUSES, trim
from jundscan.effects.score import CALL_BLOCKS, Effects, score_variants
from jundscan.io.vcf import Variant
from jundscan.model.thresholds import logits
from jundscan.scanning.plan import Scan
from tests.helpers.inputs import letters

TOLERANCE = 1e-6


def random_variants(chromosomes: dict[str, str], count: int, seed: int = 5) -> list[Variant]:
    """Draw substitutions, insertions and deletions, some of them long, many at the ends of chromosomes."""
    rng = np.random.default_rng(seed)
    variants = []
    names = [chrom for chrom in chromosomes if chrom != "short"]
    while len(variants) < count:
        chrom = str(rng.choice(names, p=[0.55, 0.2, 0.05, 0.2]))
        sequence = chromosomes[chrom]
        start = int(rng.integers(len(sequence)))
        if rng.random() < 0.2:
            start = int(rng.choice([0, 1, 99, 100, 101, len(sequence) - 101, len(sequence) - 2, len(sequence) - 1]))
        old = int(rng.choice([1, 1, 1, 2, 4, 13, 60, 130]))
        start = min(max(start, 0), len(sequence) - 1)
        reference = sequence[start : start + old]
        alternatives = tuple(
            letters(rng, int(rng.choice([1, 1, 1, 2, 4, 13, 60, 130, 250]))) for _ in range(rng.integers(1, 3))
        )
        if rng.random() < 0.5:  # padded on the left, as a VCF pads indels
            alternatives = tuple(reference[0].upper() + text for text in alternatives)
        variants.append(Variant(chrom, start, reference, alternatives))
    return variants


def score(scan: Scan, variants: Sequence[Variant], task_alleles: int = 1024, call_blocks: int = CALL_BLOCKS) -> Effects:
    """Score variants, check that they come back in order, and join the effects of all tasks."""
    tasks = list(score_variants(scan, enumerate(variants), task_alleles, call_blocks=call_blocks))
    assert [number for numbers, _ in tasks for number in numbers] == list(range(len(variants)))
    return Effects._make(np.concatenate(columns) for columns in zip(*(effects for _, effects in tasks), strict=True))


class BruteForce:
    """Effects by definition, window by window. Shares only the model and the track's means with the program.

    Each window is scored with the flanks of its own haplotype, N beyond the ends.
    """

    def __init__(self, scan: Scan, chromosomes: dict[str, str]) -> None:
        self.scan, self.chromosomes = scan, chromosomes
        self.accessibility = {
            chrom: scan.inputs.accessibility_of([(chrom, np.arange(len(sequence) - WINDOW_LENGTH + 1))])
            for chrom, sequence in chromosomes.items()
        }
        self.windows: dict[tuple[str, bytes], int] = {}

    def add_window(self, haplotype: str, window: int, values: np.ndarray) -> int:
        flank = self.scan.model.flank
        first, end = window - flank, window + WINDOW_LENGTH + flank
        seen = "N" * -first + haplotype[max(first, 0) : end] + "N" * (end - len(haplotype))
        return self.windows.setdefault((seen, values.tobytes()), len(self.windows))

    def allele(self, variant: Variant, alternative: str) -> list[tuple[int, int, int]]:
        """Return the pairs of windows: start on the reference, and number of the reference and alternative window."""
        sequence = self.chromosomes[variant.chrom].upper()
        start, old, new = trim(variant.start, variant.reference.upper(), alternative.upper())
        changed = sequence[:start] + new + sequence[start + len(old) :]
        if min(len(sequence), len(changed)) < WINDOW_LENGTH:
            return []
        places = self.places(sequence, start, old, new)
        on_old = self.touched(places, len(old), len(sequence))
        on_new = self.touched(places, len(new), len(changed))
        values = self.accessibility[variant.chrom]
        # all bases that some way of writing the indel touches count as replaced
        start, repeat = places[0], places[-1] - places[0]
        size_old, size_new = len(old) + repeat, len(new) + repeat
        of_new = {window: self.partner(window, start, size_new, size_old, on_old) for window in on_new}
        of_old = {window: self.partner(window, start, size_old, size_new, on_new) for window in on_old}
        numbers_old = {u: self.add_window(sequence, u, values[u]) for u in on_old}
        numbers_new = {v: self.add_window(changed, v, values[u]) for v, u in of_new.items()}
        pairs = [(u, v) for v, u in of_new.items()] if len(new) >= len(old) else list(of_old.items())
        return [(u, numbers_old[u], numbers_new[v]) for u, v in pairs]

    @staticmethod
    def places(sequence: str, start: int, old: str, new: str) -> list[int]:
        """Return the starts of all indels that make the same haplotype. An unknown base equals no other."""
        if old and new:
            return [start]
        known = "".join(chr(1_000 + at) if base not in "ACGT" else base for at, base in enumerate(sequence))
        changed = known[:start] + new + known[start + len(old) :]
        longer, shorter = (known, changed) if old else (changed, known)
        size = len(old + new)
        places = [start]
        for step in (-1, 1):
            at = start + step
            while 0 <= at <= len(shorter) and longer[:at] + longer[at + size :] == shorter:
                places.append(at)
                at += step
        return sorted(places)

    @staticmethod
    def touched(places: Sequence[int], length: int, end: int) -> list[int]:
        """Return the windows with a base of the allele, or with both bases beside the gap, at any of the starts.

        If the gap has a base on one side only, return the window nearest to it.
        """
        windows: set[int] = set()
        for start in places:
            for base in range(start, start + length):
                windows.update(range(base - WINDOW_LENGTH + 1, base + 1))
            if not length:
                windows.update(w for w in range(start - WINDOW_LENGTH, start) if w + WINDOW_LENGTH > start)
        found = sorted(w for w in windows if 0 <= w <= end - WINDOW_LENGTH)
        [start, *_] = places
        return found or [min(range(end - WINDOW_LENGTH + 1), key=lambda w: abs(2 * w + WINDOW_LENGTH - 2 * start))]

    @staticmethod
    def partner(window: int, start: int, own: int, other: int, candidates: list[int]) -> int:
        if window < start:
            start_of_partner = window  # the same start
        elif window + WINDOW_LENGTH > start + own:
            start_of_partner = window + other - own  # the same end
        else:
            start_of_partner = window
        return min(max(start_of_partner, candidates[0]), candidates[-1])  # the nearest candidate

    def run(self, variants: Sequence[Variant]) -> list[tuple[str, float, float, float, int, float]]:
        pairs_of = [
            (variant, self.allele(variant, alternative)) for variant in variants for alternative in variant.alternatives
        ]
        flank = self.scan.model.flank
        codes = np.array([encode(seen.encode()) for seen, _ in self.windows])
        values = np.array([np.frombuffer(values, np.float32) for _, values in self.windows])
        scored = self.scan.model.predict(codes, values)
        scored[(codes[:, flank : flank + WINDOW_LENGTH] == 4).any(axis=1)] = np.nan
        rows = []
        for _, pairs in pairs_of:
            old, new = (np.array([scored[pair[side]] for pair in pairs]) for side in (1, 2))
            known = ~np.isnan(old) & ~np.isnan(new) if pairs else np.empty(0, bool)
            if not pairs or not known.any():
                status = "unknown_bases" if pairs else "no_window"
                rows.append((status, math.nan, math.nan, math.nan, -1, math.nan))
                continue
            change = np.where(known, logits(new) - logits(old), 0)
            top = int(np.argmax(np.abs(change)))
            best_old, best_new = np.nanmax(old), np.nanmax(new)
            whole = logits(np.array([best_new])) - logits(np.array([best_old]))
            status = "scored" if known.all() else "partial"
            rows.append((status, best_old, best_new, float(whole[0]), pairs[top][0], float(change[top])))
        return rows


def check_against_brute_force(scan: Scan, chromosomes: dict[str, str], variants: list[Variant]) -> set[str]:
    found = score(scan, variants)
    expected = BruteForce(scan, chromosomes).run(variants)
    flat = [(variant, alternative) for variant in variants for alternative in variant.alternatives]
    assert len(found.status) == len(flat)
    seen = set()
    for row, ((variant, alternative), (status, old, new, change, _, window_change)) in enumerate(
        zip(flat, expected, strict=True)
    ):
        about = (variant, alternative)
        if variant.reference.upper() == alternative.upper():
            status, old = "unchanged", math.nan
        assert STATUSES[found.status[row]] == status, about
        seen.add(status)
        if math.isnan(old):
            assert np.isnan(found.reference[row])
            assert found.window[row] == found.hit[row] == -1
            continue
        assert found.reference[row] == pytest.approx(old, abs=TOLERANCE), about
        assert found.alternative[row] == pytest.approx(new, abs=TOLERANCE), about
        assert found.difference[row] == pytest.approx(change, abs=1e-4), about
        assert abs(found.window_difference[row]) == pytest.approx(abs(window_change), abs=1e-4), about
        hit_old, hit_new = (np.float32(p) >= np.float32(scan.threshold.value) for p in (old, new))
        expected_hit = {(0, 1): "gained", (1, 0): "lost", (1, 1): "kept", (0, 0): "none"}[int(hit_old), int(hit_new)]
        assert HIT_CHANGES[found.hit[row]] == expected_hit
    return seen


def write_vcf(path: Path, rows: Sequence[str], contigs: dict[str, int] | None = None, declared: str = "") -> Path:
    header = [
        "##fileformat=VCFv4.2",
        *(f"##contig=<ID={name},length={size}>" for name, size in (contigs or {}).items()),
    ]
    header += [declared] if declared else []
    lines = [*header, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", *rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def vcf_row(chrom: str, position: int, reference: str, alternatives: str, name: str = ".") -> str:
    return f"{chrom}\t{position}\t{name}\t{reference}\t{alternatives}\t.\t.\t."
