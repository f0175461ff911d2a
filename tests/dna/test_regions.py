"""Regions as users type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jundscan.dna.regions import Region, parse_region
from jundscan.errors import RegionError

CHROMSIZES = {"chr1": 1000, "chr22": 5000, "HLA-A*01:01": 300, "chrM": 400}


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("chr22", Region("chr22", 0, 5000)),
        ("22:1,000-2,000", Region("chr22", 1000, 2000)),
        ("chr1:0-1000", Region("chr1", 0, 1000)),
        ("HLA-A*01:01", Region("HLA-A*01:01", 0, 300)),
        ("HLA-A*01:01:5-9", Region("HLA-A*01:01", 5, 9)),
        ("MT:1-2", Region("chrM", 1, 2)),
    ],
)
def test_regions_are_read_under_the_names_of_the_genome(text, region):
    assert parse_region(text, CHROMSIZES) == region


@given(st.sampled_from(list(CHROMSIZES)), st.integers(0, 299))
def test_a_region_written_as_text_is_read_back(chrom, start):
    region = Region(chrom, start, start + 1)
    assert parse_region(str(region), CHROMSIZES) == region


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chr9:1-2", "no such chromosome in the genome, which has chr1, chr22"),
        ("", "no such chromosome"),
        ("chr22:", "write chrom:start-end"),
        ("chr22:5", "write chrom:start-end"),
        ("chr22:-5-9", "write chrom:start-end"),
        ("chr22:5-10-20", "write chrom:start-end with whole numbers, 0-based half-open, such as chr22:0-1000"),
        ("chr22:1.5-9", "write chrom:start-end"),
        ("chr22:٣-9", "write chrom:start-end"),
        ("chr22:9-9", "the start must be less than the end"),
        ("chr22:10-5001", "reaches beyond the end of chr22, which has 5000 bases"),
    ],
)
def test_a_malformed_region_raises_with_the_reason(text, problem):
    with pytest.raises(RegionError, match=problem) as caught:
        parse_region(text, CHROMSIZES)
    assert str(caught.value).startswith(f"region {text}: ")


@pytest.mark.parametrize(("names", "shown"), [(5, "c0, c1, c2, c3, c4"), (6, "c0, c1, c2, c3, c4, …")])
def test_an_unknown_chromosome_raises_with_at_most_five_names(names, shown):
    with pytest.raises(RegionError) as caught:
        parse_region("x:0-9", {f"c{number}": 100 for number in range(names)})
    assert str(caught.value) == f"region x:0-9: no such chromosome in the genome, which has {shown}"
