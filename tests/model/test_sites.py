"""Known sites: JUND's exact sequences, matches of a model's own matrices against brute force, and what is best."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from jundscan.dna.letters import ALPHABET, UNKNOWN, decode, encode, reverse_complement
from jundscan.errors import ModelError
from jundscan.model.metadata import Metadata, SiteMatrix
from jundscan.model.model import Model
from jundscan.model.sites import KnownSite, best_site, describe_sites, find_sites, site_kinds

PALINDROME = "CACGTG"


def matrix_of(sequence: str) -> tuple[tuple[float, float, float, float], ...]:
    """Return a matrix that is 2 bits for each letter of a sequence, and -3 for others."""
    found = [[2.0 if letter == wanted else -3.0 for letter in ALPHABET] for wanted in sequence]
    return tuple((row[0], row[1], row[2], row[3]) for row in found)


@pytest.fixture
def gata1(model: Model) -> Metadata:
    """Return the metadata of a model of another factor, with two matrices."""
    rng = np.random.default_rng(3)
    random = tuple(tuple(row) for row in rng.normal(-0.5, 1.5, (11, 4)).round(2).tolist())
    sites = (
        SiteMatrix("GATA1", "JASPAR2024 MA0035.5", random, 4.5),
        SiteMatrix("MYC", "mine.meme", matrix_of(PALINDROME), 7.0),
    )
    return replace(model.metadata, factor="GATA1", sites=sites)


def brute_force(codes: np.ndarray, site: SiteMatrix) -> list[tuple[float, int, str]]:
    """Score every position of both strands by itself. Return score, start and strand of the matches."""
    found, matrix = [], site.matrix
    for start in range(len(codes) - len(matrix) + 1):
        bases = codes[start : start + len(matrix)]
        if (bases == UNKNOWN).any():
            continue
        for strand, read in (("+", bases), ("-", reverse_complement(bases))):
            score = round(sum(row[code] for row, code in zip(matrix, read, strict=True)), 2)
            if score >= site.threshold:
                found.append((score, start, strand))
    return found


def test_exact_sites_of_jund_are_found_on_both_strands(model: Model) -> None:
    metadata = model.metadata
    codes = encode(b"TGACTCANTGAGTCATGACGTCATGACTC")
    found = find_sites(codes, metadata)
    assert [(site.start, site.name, site.strand) for site in found] == [
        (0, "AP-1", "+"),
        (8, "AP-1", "-"),
        (15, "CRE", "."),
    ]
    assert [site.sequence for site in found] == ["TGACTCA", "TGACTCA", "TGACGTCA"]
    assert {tuple(site[:2]) for site in found} == {
        (len(codes) - site.end, len(codes) - site.start) for site in find_sites(reverse_complement(codes), metadata)
    }
    assert site_kinds(metadata) == ("AP-1", "CRE")
    assert describe_sites(metadata) == "exact matches of TGACTCA, TGAGTCA, TGACGTCA"


def test_the_exact_site_nearest_to_a_position_is_best(model: Model) -> None:
    codes = encode(b"TGACTCA" + b"C" * 20 + b"TGACGTCA" + b"C" * 20 + b"TGAGTCA")
    starts = [best_site(codes, model.metadata, near) for near in (0, 16, 18, 30, 50, 61)]
    assert [site.start if site else None for site in starts] == [0, 0, 27, 27, 55, 55]
    assert best_site(encode(b"CCCC"), model.metadata, 0) is None
    assert best_site(encode(b""), model.metadata, 0) is None


def test_another_factor_without_matrices_has_no_known_sites(model: Model) -> None:
    metadata = replace(model.metadata, factor="GATA1")
    assert find_sites(encode(b"TGACTCATGACGTCA"), metadata) == []
    assert site_kinds(metadata) == ()
    assert describe_sites(metadata) == "none: the model holds no motif of GATA1"


def test_matches_of_matrices_are_those_of_brute_force(gata1: Metadata) -> None:
    rng = np.random.default_rng(1)
    matches = 0
    for length in (0, 1, 5, 6, 10, 11, 12, 101, 160, 600, 3_000):
        codes = rng.choice(5, length, p=[0.24, 0.24, 0.24, 0.24, 0.04]).astype(np.uint8)
        if length > 100:
            codes[40:46] = codes[60:66] = encode(PALINDROME.encode())
        found = find_sites(codes, gata1)
        assert found == sorted(found)
        matches += len(found)
        for kind in gata1.sites:
            expected = brute_force(codes, kind)
            ours = [site for site in found if site.name == kind.name]
            width = len(kind.matrix)
            for site in ours:
                strand = site.strand if site.strand != "." else "+"
                assert (site.score, site.start, strand) in expected
                assert site.end - site.start == width
                read = codes[site.start : site.end]
                assert site.sequence == decode(reverse_complement(read) if strand == "-" else read).decode()
            for score, start, _ in expected:  # each match is kept, or overlaps one that is as good
                assert any(abs(site.start - start) < width and site.score >= score for site in ours)
            places = [site.start for site in ours]
            assert all(second - first >= width for first, second in pairwise(places))
    assert matches > 20


def test_a_palindrome_is_one_site_on_neither_strand(gata1: Metadata) -> None:
    codes = encode(b"AAAA" + PALINDROME.encode() + b"AAAA")
    assert [site for site in find_sites(codes, gata1) if site.name == "MYC"] == [
        KnownSite(4, 10, "MYC", ".", PALINDROME, 12.0)
    ]
    assert site_kinds(gata1) == ("GATA1", "MYC")
    assert describe_sites(gata1) == (
        "matches of GATA1 (JASPAR2024 MA0035.5, 4.5 bits or more), MYC (mine.meme, 7 bits or more)"
    )


def test_both_strands_give_the_same_matches(gata1: Metadata) -> None:
    codes = np.random.default_rng(5).integers(0, 4, 2_000).astype(np.uint8)
    here, there = (find_sites(one, gata1) for one in (codes, reverse_complement(codes)))
    assert len(here) > 20
    mirrored = set()
    for site in there:
        sequence = site.sequence
        if site.strand == ".":  # read on the other strand, which is as good
            sequence = decode(reverse_complement(encode(sequence.encode()))).decode()
        strand = {"+": "-", "-": "+"}.get(site.strand, ".")
        mirrored.add((len(codes) - site.end, len(codes) - site.start, site.name, strand, sequence, site.score))
    assert {tuple(site) for site in here} == mirrored


def test_the_highest_score_is_best(gata1: Metadata) -> None:
    codes = np.random.default_rng(6).integers(0, 4, 600).astype(np.uint8)
    codes[10:16] = codes[400:406] = encode(PALINDROME.encode())
    far, close = (best_site(codes, gata1, near) for near in (100, 300))
    assert [(site.name, site.start) for site in (far, close) if site] == [("MYC", 10), ("MYC", 400)]
    assert max(site.score for site in find_sites(codes, gata1)) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": [[0, 0, 0]]}, "length 4"),
        ({"matrix": [[0, 0, 0, 0, 0]]}, "length 4"),
        ({"matrix": []}, "length"),
        ({"matrix": [[1, 0, 0, 0]] * 41}, "length"),
        ({"matrix": [[1e300, 0, 0, 0]]}, "<= 50"),
        ({"matrix": [["1", 0, 0, 0]]}, "str"),
        ({"name": "two words"}, "regex"),
        ({"name": ""}, "regex"),
        ({"name": "none"}, "distinct"),
        ({"name": "MYC"}, "distinct"),
        ({"source": "two\nlines"}, "one line"),
        ({"threshold": 60.0}, "threshold"),
        ({"threshold": -99.0}, "threshold"),
        ({"threshold": None}, "null"),
    ],
)
def test_damaged_sites_are_an_error(gata1: Metadata, change: dict[str, Any], message: str) -> None:
    values = gata1.to_dict()
    values["sites"][0].update(change)
    assert Metadata.from_json(gata1.to_json(), "m").sites == gata1.sites
    with pytest.raises(ModelError, match=message):
        Metadata.from_json(json.dumps(values), "m")
