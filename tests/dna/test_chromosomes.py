"""Chromosome names under naming conventions and aliases."""

import pytest

from jundscan.dna.chromosomes import ChromSizes, matching_name


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("chr1", ["1", "chr1"], "chr1"),
        ("chr1", ["1"], "1"),
        ("1", ["chr1"], "chr1"),
        ("MT", ["chrM"], "chrM"),
        ("chrM", ["MT"], "MT"),
        ("M", ["chrMT"], "chrMT"),
        ("chr", ["1"], None),
        ("scaffold_1", ["chr1"], None),
    ],
)
def test_names_match_with_and_without_chr_and_for_mitochondria(name, names, found):
    assert matching_name(name, names) == found


def test_aliases_take_precedence_over_naming_conventions() -> None:
    sizes = ChromSizes({"chr1": 5, "scaffold_9": 7, "chrX": 3}, {"1": "scaffold_9", "chrX": "chr1"})
    assert matching_name("1", sizes) == "scaffold_9"
    assert matching_name("chrX", sizes) == "chrX"
    assert matching_name("X", sizes) == "chrX"
    assert matching_name("7", sizes) is None
