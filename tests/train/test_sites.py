"""Known sites of a model of another factor: which motifs count, under which name, and from which score on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jundscan.dna.letters import encode
from jundscan.model.metadata import Metadata
from jundscan.model.model import Model
from jundscan.model.sites import best_site, site_kinds
from tests.train.conftest import quick_fit, tiny
from train.config import Candidate, Motifs, Start
from train.export.model_folder import Provenance, describe_model
from train.export.sites import CHANCE, MAX_MOTIFS, describe_motifs, find_threshold
from train.fitting.fit import FittedNetwork
from train.fitting.motif_choice import LEARNED
from train.networks.architectures import build_network
from train.networks.motif_sources import AUTO
from train.networks.motifs import RELEASE, fetch_motifs, make_start

GATA = "AGATAAGG"


def start(name: str, source: str, auroc: float | None, sequence: str = GATA, padding: int = 0) -> Start:
    """Make a motif of one sequence, with positions that hold any letter on both sides."""
    matrix = np.full((len(sequence) + 2 * padding, 4), 0.25)
    matrix[padding : padding + len(sequence)] = np.eye(4)[encode(sequence.encode())] * 0.96 + 0.01
    return make_start(name, source, matrix, auroc)


def test_motifs_near_the_best_count_and_are_named_for_people() -> None:
    [(ctcf, matrix)] = fetch_motifs(("MA0139.2",)).items()
    starts = (
        make_start(ctcf, RELEASE, matrix, 0.8),
        make_start("learned 3", LEARNED, matrix, 0.75),
        start("learned 1", LEARNED, 0.7, "ACGTACGTTGCA"),
        start("MA0035.5 none", RELEASE, 0.66, padding=2),
        start("MA0001.1 Chance", RELEASE, 0.64),
    )
    found = describe_motifs(Motifs(AUTO, starts, 22))
    assert [one.name for one in found] == ["CTCF", "CTCF-like", "learned_1", "none_2"]
    assert found[0].source == "JASPAR2024 MA0139.2"
    assert found[1].source.startswith("learned from the training windows, resembles JASPAR2024 MA")
    assert found[2].source == "learned from the training windows"
    assert len(found[3].matrix) == len(GATA)  # the padding is cut off
    assert [one.name for one in describe_motifs(Motifs(AUTO, starts[3:]))] == ["none_2", "Chance"]


def test_named_motifs_count_in_their_order() -> None:
    named = [start(f"my motif {number}", "mine.meme", None) for number in range(6)]
    learned = start("learned 1", LEARNED, 0.9)
    found = describe_motifs(Motifs("mine.meme (SHA-256 0)", (*named, learned)))
    assert [one.name for one in found] == [f"my_motif_{number}" for number in range(MAX_MOTIFS)]
    assert {one.source for one in found} == {"mine.meme"}
    same = describe_motifs(Motifs("MA0035.5", (start("MA0035.4 G", RELEASE, None), start("MA0035.5 G", RELEASE, None))))
    assert [one.name for one in same] == ["G", "G_2"]


def test_nothing_counts_that_was_not_chosen_or_holds_no_information() -> None:
    assert describe_motifs(Motifs()) == ()
    assert describe_motifs(Motifs("mine.meme", (make_start("flat", "mine.meme", np.full((9, 4), 0.25)),))) == ()
    assert describe_motifs(Motifs(AUTO, (start("MA0001.1 Chance", RELEASE, 0.5),))) == ()


@pytest.mark.parametrize("length", [6, 8])
def test_a_threshold_is_as_rare_as_chance_allows(length: int) -> None:
    log_odds = np.random.default_rng(length).normal(-1, 2, (length, 4)).round(2)
    threshold = find_threshold(log_odds)
    scores = np.zeros(1)
    for row in log_odds:  # of every possible sequence
        scores = np.add.outer(scores, row).ravel()
    scores = scores.round(2)
    rare = [score for score in np.unique(scores) if (scores >= score).mean() <= CHANCE]
    assert threshold == (min(rare) if rare else scores.max())
    assert bool(rare) == (length == 8)


def test_metadata_of_another_factor_hold_its_sites(tmp_path: Path, model: Model) -> None:
    motifs = Motifs(AUTO, tuple(start(f"MA000{number}.1 G{number}", RELEASE, 0.9) for number in range(16)))
    candidate = Candidate(tiny("cnn"), quick_fit(), motifs)
    fitted = FittedNetwork(candidate, build_network(candidate.network, motifs).state_dict(), 1, [])
    found: dict[str, Metadata] = {}
    for factor in ("GATA1", "JUND"):
        provenance = Provenance("1.0.0", ("A",), "toy", "0", tmp_path, factor=factor)
        found[factor] = describe_model(fitted, "m", provenance, 0.5, "none")
    assert site_kinds(found["GATA1"]) == ("G0", "G1", "G2", "G3")
    assert site_kinds(found["JUND"]) == ("AP-1", "CRE")
    read = Metadata.from_json(replace(model.metadata, sites=found["GATA1"].sites).to_json(), "m")
    assert read.sites == found["GATA1"].sites
    site = best_site(encode(b"CCCCCCTTATCTCCCC"), read, 8)
    assert site is not None
    assert (site.start, site.strand, site.sequence) == (4, "-", GATA)
