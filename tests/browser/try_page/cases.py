"""Seeded sequences and tracks for the page, and what `jundscan scan` and `explain` make of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import jundscan
from jundscan.cli import app
from jundscan.dna.letters import encode
from jundscan.scanning.hits import HitCaller
from tests.helpers.pages import EXAMPLES

SCALE = EXAMPLES / "scale.json"
THRESHOLD = 0.9
SHORTEST, LONGEST = 101, 20_000


class Case(NamedTuple):
    """A sequence as a user may paste it, with a track or without."""

    fasta: str
    track: str | None

    def request(self, stride: int = 1, **more: Any) -> dict[str, Any]:
        """Return what ``run.mjs`` takes."""
        scale = {"track": self.track, "scale": SCALE.read_text()} if self.track else {}
        return {"text": self.fasta, "stride": stride, "threshold": THRESHOLD, **scale, **more}


def make_cases(number: int, seed: int, longest: int = LONGEST) -> list[Case]:
    """Make sequences with N, lower case, several line breaks and consensus sites. Half of them have a track."""
    rng = random.Random(seed)
    cases = []
    for at in range(number):
        length = [SHORTEST, longest][at] if at < 2 else round(SHORTEST * (longest / SHORTEST) ** rng.random())
        letters = rng.choices("ACGT", k=length)
        for _ in range(rng.randrange(1 + length // 300)):
            site = rng.choice(["TGACTCA", "TGAGTCA", "TGACGTCA"])
            start = rng.randrange(length - len(site))
            letters[start : start + len(site)] = site
        for _ in range(rng.randrange(4) if length > SHORTEST else 0):
            start = rng.randrange(length)
            unknown = min(rng.choice([1, 3, 200]), length - start)
            letters[start : start + unknown] = rng.choice("NRn") * unknown
        if rng.random() < 0.5:
            start, end = sorted(rng.choices(range(length + 1), k=2))
            letters[start:end] = [letter.lower() for letter in letters[start:end]]
        width, newline = rng.choice([50, 60, 70, length]), rng.choice(["\n", "\r\n"])
        lines = ["".join(letters[row : row + width]) for row in range(0, length, width)]
        fasta = newline.join([">chrT made up", *lines]) + newline
        cases.append(Case(fasta, _make_track(rng, length) if at % 2 else None))
    return cases


def _make_track(rng: random.Random, length: int) -> str:
    """Make a bedGraph with gaps and overlaps."""
    rows = ["track type=bedGraph"]
    for _ in range(1 + length // 150):
        start = rng.randrange(length)
        end = min(start + rng.randrange(1, 400), length)
        rows.append(f"chrT\t{start}\t{end}\t{rng.choice([0.0, 0.2, 1.5, round(rng.uniform(0, 12), 3)])}")
    return "\n".join(rows) + "\n"


def scan_tsv(case: Case, folder: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return starts and probabilities of ``jundscan scan --stride 1 --format tsv``."""
    genome, track = write_inputs(case, folder)
    mode = ["--no-accessibility"] if track is None else ["--accessibility", track, "--accessibility-scale", SCALE]
    output = folder / "windows.tsv"
    arguments = ["scan", genome, *mode, "--stride", 1, "--format", "tsv", "-o", output, "--quiet", "--force"]
    app(list(map(str, arguments)), standalone_mode=False)
    rows = [line.split("\t") for line in output.read_text().splitlines() if not line.startswith("#")]
    return np.array([int(row[1]) for row in rows], np.int64), np.array([float(row[3]) for row in rows])


def explain(case: Case, region: tuple[int, int], folder: Path) -> NDArray[np.float64]:
    """Return the contributions of ``jundscan.explain`` by base of a region, NaN where it has none."""
    genome, track = write_inputs(case, folder)
    scale = None if track is None else SCALE
    (found,) = jundscan.explain(genome, "chrT:{}-{}".format(*region), track, scale=scale)
    return found.contributions


def contribution_tolerance(probabilities: NDArray[np.float64]) -> float:
    """Return how far contributions may be apart, in logits: 1e-4, and three steps of a float32 at the best window.

    Close to 1 a step of the probability is a large one of the logit: 1.3e-4 at 0.99955.
    """
    best = np.float32(np.nanmax(probabilities, initial=0.5))
    return 1e-4 + 3 * float(np.spacing(best) / (best * (1 - best)))


def codes_of(case: Case) -> NDArray[np.uint8]:
    """Return the bases of a case."""
    return encode("".join(case.fasta.splitlines()[1:]).encode())


def call_hits(starts: NDArray[np.int64], probabilities: NDArray[np.float32], stride: int = 1) -> list[dict[str, Any]]:
    """Call hits as a scan does, as the page names their fields."""
    caller = HitCaller(THRESHOLD, stride)
    parts = [caller.add(starts // stride, starts, probabilities), caller.finish()]
    return [
        dict(zip(("start", "end", "best", "summit"), (int(a), int(b), float(c), int(d)), strict=True))
        for part in parts
        for a, b, c, d in zip(*part, strict=True)
    ]


def write_inputs(case: Case, folder: Path) -> tuple[Path, Path | None]:
    """Write the FASTA and the track of a case, and return their paths."""
    genome, track = folder / "genome.fa", folder / "track.bedgraph"
    Path(f"{genome}.fai").unlink(missing_ok=True)
    genome.write_text(case.fasta, newline="")
    if case.track is None:
        return genome, None
    track.write_text(case.track)
    return genome, track
