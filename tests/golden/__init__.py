"""Golden files: what the shipped model makes of the bundled example, stage by stage.

``features.tsv`` holds what goes into the model (codes and mapped accessibility of some windows), ``scores.tsv`` what
comes out (``scan --format tsv``), ``hits.bed`` what is called; ``models.json`` pins every model by its hash, with its
probabilities for the windows of ``features.tsv``. ``make golden`` writes them anew; review the difference
before committing it. Features must never change by a new model; scores and hits do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jundscan.accessibility.opening import open_track
from jundscan.accessibility.scale import read_scale
from jundscan.cli.scan import Outputs, write_scan
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.io.fasta.genome import open_genome
from jundscan.model.load import default_model_path, load_model
from jundscan.scanning.plan import open_scan
from tests.helpers.windows import window_starts

FOLDER = Path(__file__).parent
EXAMPLES = FOLDER.parents[1] / "examples"
GENOME, TRACK, SCALE = EXAMPLES / "genome.fa", EXAMPLES / "dnase.bedgraph", EXAMPLES / "scale.json"
FEATURES_STRIDE = 1_030
"""Of the features, so that some windows are open, some closed and one holds N."""
SCORES_STRIDE = 50


def features() -> str:
    """One line per window: chrom, start, codes as digits, mapped accessibility."""
    genome, scale = open_genome(GENOME), read_scale(SCALE)
    lines = []
    with open_track(TRACK) as track:
        for chrom, size in genome.chromsizes.items():
            starts = np.array(window_starts(0, size, size, FEATURES_STRIDE))
            mapped = scale.apply(track.window_means(chrom, starts))
            for start, value in zip(starts.tolist(), mapped.tolist(), strict=True):
                (block,) = genome.blocks([Region(chrom, start, start + WINDOW_LENGTH)])
                codes = "".join(map(str, block.codes.tolist()))
                lines.append(f"{chrom}\t{start}\t{codes}\t{np.float32(value)!s}\n")
    return "".join(lines)


def scan_to(path: Path, output_format: str, stride: int) -> str:
    """Scan the example with the default model; the text without comments."""
    with open_scan(GENOME, TRACK, model=load_model(device="cpu"), scale=read_scale(SCALE), stride=stride) as ready:
        write_scan(ready, Outputs(str(path), output_format, force=True))  # type: ignore[arg-type]
    lines = path.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def model_facts(path: Path) -> dict[str, Any]:
    """Name, version and hash of a model, and what it says of the windows of ``features.tsv``."""
    model = load_model(path, device="cpu")
    rows = [line.split("\t") for line in (FOLDER / "features.tsv").read_text().splitlines()]
    codes = np.array([[int(digit) for digit in row[2]] for row in rows], np.uint8)
    probabilities = model.predict(codes, np.array([row[3] for row in rows], np.float32))
    identity = {"name": model.metadata.name, "version": model.metadata.version, "sha256": model.sha256}
    return {**identity, "probabilities": [float(str(value)) for value in probabilities]}


def models() -> dict[str, dict[str, Any]]:
    """:func:`model_facts` of every model in the checkout, by folder."""
    folder = default_model_path().parents[1]
    return {path.parent.name: model_facts(path) for path in sorted(folder.glob("*/model.onnx"))}
