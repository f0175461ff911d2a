"""Draw ``docs/variants.png``, ``docs/explain.png`` and ``docs/logo.png`` from the example. Run: make examples."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import jundscan
from jundscan.accessibility.scale import read_scale
from jundscan.effects.effect import Effect
from jundscan.explanations.alignment import logos_by_kind
from jundscan.explanations.pictures import draw_averages, draw_region
from jundscan.model.load import load_model
from jundscan.model.sites import site_kinds
from jundscan.scanning.plan import open_scan

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
REGION = "chrA:9622-9747"
LETTERS = "ACGT"


def main() -> None:
    """Score the example's variants, explain one site and all hits, and draw."""
    model, scale = load_model(device="cpu"), read_scale(HERE / "scale.json")
    genome, track = HERE / "genome.fa", HERE / "dnase.bedgraph"
    options = {"model": model, "scale": scale}
    draw_variants(list(jundscan.variants(genome, HERE / "variants.vcf", track, **options)))
    with open_scan(genome, track, model=model, scale=scale) as ready:
        threshold = ready.threshold.value
    [site] = jundscan.explain(genome, REGION, track, **options)
    draw_region(DOCS / "explain.png", site, model.flank, threshold, f"{REGION} of the example (synthetic)", force=True)
    hits = list(jundscan.scan(genome, track, **options))
    explained = list(jundscan.explain(genome, (), track, hits=hits, top=len(hits), **options))
    averages = logos_by_kind(explained, site_kinds(model.metadata))
    draw_averages(DOCS / "logo.png", averages, f"What drives the {len(hits)} hits of the example", force=True)


def draw_variants(effects: list[Effect]) -> None:
    """Draw logit differences of single substitutions around the site as a heat map."""
    single = [one for one in effects if len(one.reference_allele) == len(one.alternative_allele) == 1]
    first = min(single, key=lambda one: one.difference).start
    near = [one for one in single if abs(one.start - first) < 20]
    positions = range(min(one.start for one in near), max(one.start for one in near) + 1)
    changes = np.full((len(LETTERS), len(positions)), np.nan)
    for one in near:
        changes[LETTERS.index(one.alternative_allele), one.start - positions.start] = one.difference
    limit = np.nanmax(np.abs(changes))
    figure, axis = plt.subplots(figsize=(9, 2.6), layout="constrained")
    shown = axis.imshow(changes, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    references = {one.start: one.reference_allele for one in near}
    axis.set_xticks(range(len(positions)), [f"{references.get(at, '')}\n{at}" for at in positions], fontsize=7)
    axis.set_yticks(range(len(LETTERS)), list(LETTERS))
    axis.set_ylabel("changed to")
    for place in positions:
        axis.text(place - positions.start, LETTERS.index(references[place]), "·", ha="center", va="center", color="0.5")
    lost = [(one.start - positions.start, LETTERS.index(one.alternative_allele)) for one in near if one.hit == "lost"]
    for x, y in lost:
        axis.text(x, y, "×", ha="center", va="center")
    axis.set_xlabel("base on chrA of the example (synthetic), 0-based; ×: the hit is lost")
    figure.colorbar(shown, label="change in logits")
    figure.savefig(DOCS / "variants.png", dpi=110)


if __name__ == "__main__":
    main()
