"""Make the example: a small synthetic genome with planted JUND sites, and a bedGraph of open chromatin.

Nothing in it is real. Bases are random with a fixed seed. Sites are AP-1 elements (TGACTCA, TGAGTCA) in some of the
open stretches, listed in ``sites.bed``. ``scale.json`` holds the percentiles of a synthetic whole genome, because a
track of two small sequences is too short to fit them. ``peaks.bed`` holds the sites as an experiment would find them,
and ``shards`` the windows of the genome with labels from these peaks. ``variants.vcf`` changes every base of a site,
deletes the site, and makes sites by single substitutions. ``genes.gtf`` holds genes around the sites. Run it with
``make examples``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import Knots, fit_knots, fit_scale
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH, one_hot
from jundscan.dna.regions import Region
from jundscan.evaluation.metrics import balanced_weights
from jundscan.evaluation.truth import read_truth
from jundscan.io.fasta.genome import open_genome
from jundscan.io.shards import write_shards
from train.config import WIDTHS

HERE = Path(__file__).parent
SEED = 20260101
SIZES = {"chrA": 60_000, "chrB": 30_000}
GC = 0.42
PEAK_WIDTH = 300
PEAKS_EVERY = 2_500
"""Bases from one open stretch to the next. Every third stretch holds a site."""
CORES = ("TGACTCA", "TGAGTCA")
FLANKS = ("G", "A", "T")
LINE = 60
BROKEN_CHROM, BROKEN = "chrA", 9_605
"""The example's variants break the first site after this base. No other site lies near it and compensates."""
OPEN_SHARE = 0.055
"""Fraction of windows with any signal, as in a DNase peak track."""
SCALE_WINDOWS = 20_000
SCALE_KNOTS = 256
"""Knots for each wider width, few to keep the file small."""
PEAK_FLANK = 75
"""Bases to each side of planted elements that count as bound, because fragments are longer than the site."""
SHARD_STRIDE = 50
GENES = (
    ("GENA1", "chrA", "+", (1_400, 5_200), (2_100, 5_200)),
    ("GENA2", "chrA", "-", (5_600, 8_400)),
    ("RNU", "chrA", "+", (12_000, 12_110)),
    ("GENA3", "chrA", "+", (17_000, 22_500)),
    ("GENA4", "chrA", "-", (33_000, 38_600), (33_000, 37_400)),
    ("GENA5", "chrA", "+", (45_100, 52_000)),
    ("GENB1", "chrB", "-", (400, 1_050)),
    ("GENB2", "chrB", "+", (8_800, 13_600)),
    ("RNU", "chrB", "-", (20_000, 20_110)),
    ("GENB3", "chrB", "-", (21_000, 26_300)),
)
"""Name, chromosome, strand, and the bases (0-based, half-open) of each transcript. One name belongs to two genes."""


def random_bases(rng: np.random.Generator, length: int, gc: float = GC) -> np.ndarray:
    """Draw letters, with A as frequent as T and C as frequent as G."""
    return rng.choice(np.frombuffer(b"ACGT", np.uint8), length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])


def signal(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw peak heights, log-normal as in real tracks."""
    return np.round(np.exp(rng.normal(2.5, 0.9, count)), 3)


def variants(chrom: str, letters: str, peaks: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Make VCF rows that change every base of one site, delete the site, and make sites by one substitution."""
    others = {letter: ",".join(base for base in "ACGT" if base != letter) for letter in "ACGT"}
    first = next(at for at in range(BROKEN, BROKEN + PEAK_WIDTH) if letters[at : at + len(CORES[0])] in CORES)
    shown = range(first - 6, first + len(CORES[0]) + 6)
    rows = [(at + 1, f"break{at - first}", letters[at], others[letters[at]]) for at in shown]
    rows.append((first, "without", letters[first - 1 : first + len(CORES[0])], letters[first - 1]))
    for _, start, end, _ in peaks:
        for at in range(int(str(start)), int(str(end))):
            if letters[at : at + len(CORES[0])] in CORES:
                continue
            for core in CORES:
                wrong = [place for place, letter in enumerate(core) if letters[at + place] != letter]
                if len(wrong) == 1:
                    place = at + wrong[0]
                    rows.append((place + 1, f"make{at}", letters[place], core[wrong[0]]))
    return [(chrom, *row, ".", ".", ".") for row in sorted(rows)]


def wider_knots(width: int) -> Knots:
    """Fit percentiles of the mean over a wider width, for open stretches at the same distance and random positions."""
    rng = np.random.default_rng(SEED + width)
    share = OPEN_SHARE * (PEAK_WIDTH + width) / (PEAK_WIDTH + WINDOW_LENGTH)
    means = np.zeros(SCALE_WINDOWS, np.float32)
    touched = int(share * SCALE_WINDOWS)
    reached = rng.uniform(0, PEAK_WIDTH + width, touched)
    overlap = np.minimum(np.minimum(reached, PEAK_WIDTH + width - reached), min(PEAK_WIDTH, width))
    means[:touched] = np.round(signal(rng, touched) * overlap / width, 3)
    return fit_knots(*np.unique(means, return_counts=True), SCALE_KNOTS)


def main() -> None:
    """Write all files beside this script."""
    rng = np.random.default_rng(SEED)
    fasta, track, sites = [], [], []
    for chrom, size in SIZES.items():
        bases = random_bases(rng, size)
        bases[size // 2 : size // 2 + 500] = ord("N")
        for number, start in enumerate(range(1_000, size - PEAK_WIDTH, PEAKS_EVERY)):
            if abs(start - size // 2) < 1_000:
                continue
            has_site = number % 3 == 0
            bases[start : start + PEAK_WIDTH] = random_bases(rng, PEAK_WIDTH, 0.52)
            height = float(np.round(np.exp(4.5), 3)) if has_site else float(signal(rng, 1)[0])
            track.append((chrom, start, start + PEAK_WIDTH, height))
            if has_site:
                middle = start + PEAK_WIDTH // 2
                for offset in (-22, 0, 24):
                    element = f"{rng.choice(FLANKS)}{rng.choice(CORES)}T".encode()
                    at = middle + offset
                    bases[at : at + len(element)] = np.frombuffer(element, np.uint8)
                sites.append((chrom, middle - 22, middle + 33))
        letters = bases.tobytes().decode()
        fasta.append(f">{chrom} synthetic, seed {SEED}")
        fasta += [letters[at : at + LINE] for at in range(0, size, LINE)]
        if chrom == BROKEN_CHROM:
            rows = variants(chrom, letters, [peak for peak in track if peak[0] == chrom])
            head = ["##fileformat=VCFv4.2", f"##contig=<ID={chrom},length={size}>", "##source=synthetic"]
            columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
            lines = [*head, *("\t".join(map(str, row)) for row in [columns, *rows])]
            (HERE / "variants.vcf").write_text("\n".join(lines) + "\n")
    (HERE / "genome.fa").write_text("\n".join(fasta) + "\n")
    _write_rows("dnase.bedgraph", "# synthetic open chromatin", track)
    _write_rows("sites.bed", "# planted AP-1 elements", sites)
    whole = np.zeros(SCALE_WINDOWS, np.float32)
    open_windows = int(OPEN_SHARE * SCALE_WINDOWS)
    whole[:open_windows] = signal(rng, open_windows)
    scale = fit_scale(whole, "the synthetic distribution")
    scale = replace(scale, wider={width: wider_knots(width) for width in WIDTHS[1:]})
    (HERE / "scale.json").write_text(json.dumps(scale.to_dict()) + "\n")
    peaks = [(chrom, start - PEAK_FLANK, end + PEAK_FLANK) for chrom, start, end in sites]
    _write_rows(
        "peaks.bed", "# what a ChIP-seq experiment would find: the planted elements and what is beside them", peaks
    )
    _write_rows("genes.gtf", "#!genome-build synthetic", genes())
    write_windows()


def genes() -> list[tuple[object, ...]]:
    """Make GTF rows of the genes, with a transcript of two exons each time."""
    rows: list[tuple[object, ...]] = []

    def add(chrom: str, feature: str, start: int, end: int, strand: str, **attributes: str) -> None:
        text = " ".join(f'{name} "{value}";' for name, value in attributes.items())
        rows.append((chrom, "synthetic", feature, start + 1, end, ".", strand, ".", text))

    for number, (name, chrom, strand, *transcripts) in enumerate(GENES, 1):
        gene = {"gene_id": f"G{number:03}", "gene_name": name}
        add(chrom, "gene", min(start for start, _ in transcripts), max(end for _, end in transcripts), strand, **gene)
        for copy, (start, end) in enumerate(transcripts, 1):
            transcript = gene | {"transcript_id": f"T{number:03}.{copy}"}
            add(chrom, "transcript", start, end, strand, **transcript)
            third = (end - start) // 3
            for first, last in ((start, start + third), (end - third, end)):
                add(chrom, "exon", first, last, strand, **transcript)
    return rows


def write_windows() -> None:
    """Write windows of the genome as shards, labelled by the peaks."""
    genome = open_genome(HERE / "genome.fa")
    truth = read_truth(HERE / "peaks.bed", genome.chromsizes)
    codes, labels, means, ids = [], [], [], []
    with open_track(HERE / "dnase.bedgraph") as track:
        for chrom, size in genome.chromsizes.items():
            (block,) = genome.blocks([Region(chrom, 0, size)])
            windows = sliding_window_view(block.codes, WINDOW_LENGTH)[::SHARD_STRIDE]
            known = (windows != UNKNOWN).all(axis=1)
            starts = SHARD_STRIDE * np.flatnonzero(known)
            codes.append(windows[known])
            labels.append(truth.labels(chrom, starts))
            means.append(track.window_means(chrom, starts))
            ids += [f"{chrom}:{start}-{start + WINDOW_LENGTH}" for start in starts.tolist()]
    y = np.concatenate(labels)
    x = one_hot(np.concatenate(codes))
    write_shards(HERE / "shards", 0, x, y, balanced_weights(y), np.concatenate(means), np.array(ids))


def _write_rows(name: str, comment: str, rows: list[tuple[object, ...]]) -> None:
    lines = [comment, *("\t".join(map(str, row)) for row in rows)]
    (HERE / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
